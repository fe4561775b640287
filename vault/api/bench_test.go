package api_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/fieldvault/fieldvault/vault/api"
)

var tenFields = []string{"first_name", "last_name", "company", "address", "city", "state", "country", "postal_code", "phone", "email"}

// revealBody asks for ten fields of so many people.
func revealBody(tb testing.TB, people int) []byte {
	tb.Helper()
	var in api.RevealRequest
	for i := range people {
		in.Items = append(in.Items, api.RevealItem{Subject: fmt.Sprint("c-", i), Collection: "customer", Record: "self", Fields: tenFields})
	}
	return mustJSON(tb, in)
}

// writeBody puts ten fields.
func writeBody(tb testing.TB) []byte {
	tb.Helper()
	in := api.Write{Fields: map[string]json.RawMessage{}}
	for _, name := range tenFields {
		in.Fields[name] = json.RawMessage(`"a value of some length"`)
	}
	return mustJSON(tb, in)
}

func mustJSON(tb testing.TB, v any) []byte {
	tb.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// BenchmarkUnmarshal decodes bodies strictly: a put of ten fields, and reveals of ten
// fields of one person and of 100.
func BenchmarkUnmarshal(b *testing.B) {
	b.Run("write/10", func(b *testing.B) { unmarshal[api.Write](b, writeBody(b)) })
	b.Run("reveal/1x10", func(b *testing.B) { unmarshal[api.RevealRequest](b, revealBody(b, 1)) })
	b.Run("reveal/100x10", func(b *testing.B) { unmarshal[api.RevealRequest](b, revealBody(b, 100)) })
}

func unmarshal[T any](b *testing.B, body []byte) {
	b.Helper()
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		var v T
		if err := api.Unmarshal(body, &v); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkJSON is encoding/json alone on the same bodies, which takes what two
// readers could understand differently.
func BenchmarkJSON(b *testing.B) {
	body := revealBody(b, 100)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		var v api.RevealRequest
		if err := json.Unmarshal(body, &v); err != nil {
			b.Fatal(err)
		}
	}
}
