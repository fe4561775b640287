package catalog_test

import (
	"encoding/json"
	"testing"

	"github.com/fieldvault/fieldvault/crypto/secret"
	"github.com/fieldvault/fieldvault/vault/catalog"
)

// typical is a usual value of each type, by field of the shop.
func typical() []struct{ name, text string } {
	return []struct{ name, text string }{
		{"email", "luisg@embraer.com.br"},
		{"phone", "+55 (12) 3923-5555"},
		{"full_name", "Luís Gonçalves"},
		{"born", "1985-03-31"},
		{"address", "Av. Brigadeiro Faria Lima, 2170"},
		{"tax_id", "12345678Z"},
		{"iban", "DE89 3704 0044 0532 0130 00"},
		{"card", "4242 4242 4242 4242"},
		{"notes", "Called about the invoice of May."},
		{"points", "1200.5"},
		{"adult", "true"},
	}
}

// A sample is a field of the shop with a value of its type.
type sample struct {
	*catalog.Field
	json  json.RawMessage
	value secret.Bytes
}

func samples(tb testing.TB) []sample {
	tb.Helper()
	c := shop(tb)
	var list []sample
	for _, s := range typical() {
		f := field(tb, c, "customer."+s.name)
		raw := f.FromText(s.text)
		v, err := f.Encode(raw)
		if err != nil {
			tb.Fatal(err)
		}
		list = append(list, sample{f, raw, v})
	}
	return list
}

// BenchmarkParse reads and validates a catalog, as it is applied.
func BenchmarkParse(b *testing.B) {
	src := read(b, "shop.yaml")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := catalog.Parse(src); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkUnmarshal reads and validates a catalog as it is stored.
func BenchmarkUnmarshal(b *testing.B) {
	stored := marshal(b, shop(b))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := catalog.Unmarshal(stored); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkEncode validates a value, as every write does.
func BenchmarkEncode(b *testing.B) {
	for _, s := range samples(b) {
		b.Run(string(s.Type), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Encode(s.json); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkNormalise gives the form of a value that is indexed and searched.
func BenchmarkNormalise(b *testing.B) {
	for _, s := range samples(b) {
		b.Run(string(s.Type), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Normalise(s.value); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkMaskValue is what a masked view costs.
func BenchmarkMaskValue(b *testing.B) {
	for _, s := range samples(b) {
		b.Run(string(s.Type), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.MaskValue(s.value)
			}
		})
	}
}

// BenchmarkAppendJSON is what a plain view costs.
func BenchmarkAppendJSON(b *testing.B) {
	dst := make([]byte, 0, 256)
	for _, s := range samples(b) {
		b.Run(string(s.Type), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.AppendJSON(dst, s.value)
			}
		})
	}
}
