package api_test

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fieldvault/fieldvault/vault/api"
)

func TestUnmarshalReads(t *testing.T) {
	var w api.BatchWrite
	in := ` {"items" : [{"subject":"c-1","collection":"customer","record":"self",` +
		`"fields":{"a":null,"b":[1,-0.5e+3,0,{"X":{}}],"c":"\u00e9\ud83d\ude00\"","d":true}}]}` + "\n"
	if err := api.Unmarshal([]byte(in), &w); err != nil {
		t.Fatal(err)
	}
	want := map[string]json.RawMessage{
		"a": json.RawMessage(`null`), "b": json.RawMessage(`[1,-0.5e+3,0,{"X":{}}]`),
		"c": json.RawMessage(`"\u00e9\ud83d\ude00\""`), "d": json.RawMessage(`true`),
	}
	if d := cmp.Diff(want, w.Items[0].Fields); d != "" {
		t.Error(d)
	}
	var d api.Decision
	if err := api.Unmarshal([]byte(`{"decision":"granted","expires":"2027-01-02T03:04:05Z","evidence":{"Form":[null]}}`), &d); err != nil {
		t.Fatal(err)
	}
	if !d.Expires.Equal(time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC)) || string(d.Evidence) != `{"Form":[null]}` {
		t.Errorf("%+v", d)
	}
	var e api.WriteResult // embedded members count
	if err := api.Unmarshal([]byte(`{"status":200,"revision":1}`), &e); err != nil || e.Status != 200 {
		t.Errorf("%+v %v", e, err)
	}
}

// bad lists documents that two readers could understand differently, or that cost
// more than they should, with the path and a word of the rule that each breaks.
var bad = []struct{ name, in, path, rule string }{
	{"nothing", ``, "body", "ends too early"},
	{"space", " \n", "body", "ends too early"},
	{"a byte order mark", "\ufeff{}", "body", "JSON"},
	{"two documents", `{}{}`, "body", "end after one"},
	{"trailing comma", `{"items":[],}`, "body", "JSON"},
	{"leading comma", `{,"items":[]}`, "body", "JSON"},
	{"a comment", `{} // all`, "body", "end after one"},
	{"an unknown key", `{"item":[]}`, "body", "unknown"},
	{"an unknown key inside", `{"items":[{"subject":"a","also":1}]}`, "items[0]", "unknown"},
	{"a key of another case", `{"Items":[]}`, "body", "unknown"},
	{"a key twice", `{"items":[],"items":[]}`, "items", "once"},
	{"a key twice, escaped", `{"items":[],"item\u0073":[]}`, "items", "once"},
	{"a free key twice", `{"items":[{"fields":{"a":1,"a":2}}]}`, "items[0].fields.a", "once"},
	{"free keys of two cases", `{"items":[{"fields":{"a":1,"A":2}}]}`, "items[0].fields.?", "once"},
	{"free keys that fold", `{"items":[{"fields":{"k":1,"\u212a":2}}]}`, "items[0].fields.?", "once"},
	{"free keys that fold, long s", `{"items":[{"fields":{"s":1,"ſ":2}}]}`, "items[0].fields.?", "once"},
	{"a key twice in a value", `{"items":[{"fields":{"a":{"b":[{"c":1,"c":2}]}}}]}`, "items[0].fields.a.b[0].c", "once"},
	{"a ninth key twice", `{"items":[{"fields":{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"I":2}}]}`, "items[0].fields.?", "once"},
	{"the first of nine twice", `{"items":[{"fields":{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"A":2}}]}`, "items[0].fields.?", "once"},
	{"null", `null`, "body", "null"},
	{"null for a list", `{"items":null}`, "items", "null"},
	{"null for a string", `{"items":[{"subject":null}]}`, "items[0].subject", "null"},
	{"null for an item", `{"items":[null]}`, "items[0]", "null"},
	{"a list for an object", `[]`, "body", "an object"},
	{"an object for a list", `{"items":{}}`, "items", "an array"},
	{"a number for a string", `{"items":[{"subject":4711}]}`, "items.subject", "a string"},
	{"not UTF-8", "{\"items\":[{\"subject\":\"\xff\"}]}", "body", "UTF-8"},
	{"a lone surrogate", `{"items":[{"subject":"\udc00"}]}`, "items[0].subject", "surrogate"},
	{"half a pair", `{"items":[{"subject":"\ud83dx"}]}`, "items[0].subject", "surrogate"},
	{"a pair the wrong way", `{"items":[{"subject":"\udc00\ud83d"}]}`, "items[0].subject", "surrogate"},
	{"a raw control character", "{\"items\":[{\"subject\":\"\n\"}]}", "items[0].subject", "control"},
	{"an open string", `{"items":[{"subject":"`, "items[0].subject", "too early"},
	{"an open escape", `{"items":[{"subject":"\`, "items[0].subject", "too early"},
	{"an unknown escape", `{"items":[{"subject":"\x41"}]}`, "items[0].subject", "JSON"},
	{"a short escape", `{"items":[{"subject":"\u12"}]}`, "items[0].subject", "JSON"},
	{"a leading zero", `{"items":[{"fields":{"a":01}}]}`, "items[0].fields", "JSON"},
	{"a plus", `{"items":[{"fields":{"a":+1}}]}`, "items[0].fields.a", "JSON"},
	{"an open fraction", `{"items":[{"fields":{"a":1.}}]}`, "items[0].fields.a", "JSON"},
	{"an open exponent", `{"items":[{"fields":{"a":1e}}]}`, "items[0].fields.a", "JSON"},
	{"a minus", `{"items":[{"fields":{"a":-}}]}`, "items[0].fields.a", "JSON"},
	{"NaN", `{"items":[{"fields":{"a":NaN}}]}`, "items[0].fields.a", "JSON"},
	{"a word too short", `{"items":[{"fields":{"a":tru}}]}`, "items[0].fields.a", "JSON"},
	{"a word too long", `{"items":[{"fields":{"a":truex}}]}`, "items[0].fields", "JSON"},
	{"no colon", `{"items" []}`, "items", "JSON"},
	{"no key", `{1:2}`, "body", "JSON"},
	{"depth", strings.Repeat("[", 100_000), "?", "nested"},
	{"depth of a value", `{"items":[{"fields":{"a":` + strings.Repeat(`{"b":`, 100_000), "?", "nested"},
	{"keys", `{"items":[{"fields":{` + manyKeys(10_001) + `}}]}`, "?", "at most 10000 keys"},
	{"elements", `{"items":[` + strings.Repeat("{},", 200_001) + `{}]}`, "?", "more than 200000"},
}

func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(`"k` + strconv.Itoa(i) + `":1,`)
	}
	return strings.TrimSuffix(b.String(), ",")
}

func TestUnmarshalRefuses(t *testing.T) {
	for _, c := range bad {
		t.Run(c.name, func(t *testing.T) {
			err := api.Unmarshal([]byte(c.in), new(api.BatchWrite))
			var d *api.DecodeError
			if !errors.As(err, &d) {
				t.Fatalf("got %v", err)
			}
			if c.path != "?" && d.Path != c.path || !strings.Contains(d.Rule, c.rule) {
				t.Errorf("%v, want %s and %q", d, c.path, c.rule)
			}
		})
	}
}

func TestErrorsHoldNoValue(t *testing.T) {
	const canary = "luisg@embraer.com.br"
	for _, in := range []string{
		`{"items":[{"subject":{"` + canary + `":1}}]}`, `{"` + canary + `":1}`, `{"items":"` + canary + `"}`,
		`{"items":[{"fields":{"` + canary + `":1,"` + canary + `":2}}]}`, `{"items":[{"fields":{"` + canary + `":tru}}]}`,
	} {
		if err := api.Unmarshal([]byte(in), new(api.BatchWrite)); err == nil || strings.Contains(err.Error(), "embraer") {
			t.Errorf("%s: %v", in, err)
		}
	}
	for _, in := range []string{`{"expires":"` + canary + `"}`, `{"decision":7.5}`} {
		if err := api.Unmarshal([]byte(in), new(api.Decision)); err == nil || strings.Contains(err.Error(), "embraer") || strings.Contains(err.Error(), "7.5") {
			t.Errorf("%s: %v", in, err)
		}
	}
}

func TestDecodeStrictIsBounded(t *testing.T) {
	var w api.Write
	if err := api.DecodeStrict(strings.NewReader(`{"fields":{}}`), 13, &w); err != nil {
		t.Error(err)
	}
	if err := api.DecodeStrict(strings.NewReader(`{"fields":{}} `), 13, &w); !errors.Is(err, api.ErrTooLarge) {
		t.Errorf("got %v", err)
	}
	if err := api.DecodeStrict(failing{}, 13, &w); !errors.Is(err, errRead) {
		t.Errorf("got %v", err)
	}
	if err := api.Unmarshal([]byte(`{}`), api.Write{}); err == nil {
		t.Error("decoded into no pointer")
	}
}

var errRead = errors.New("the reader fails")

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errRead }

func TestCodesHaveTheirStatus(t *testing.T) {
	want := map[api.Code]int{
		"unauthenticated": 401, "denied": 403, "not_found": 404, "conflict": 409, "held": 409, "gone": 410, "invalid": 400, "too_large": 413,
		"unsupported": 415, "mismatch": 422, "unmet": 422, "rate_limited": 429, "internal": 500, "integrity": 500, "unavailable": 503,
	}
	got := map[api.Code]int{}
	for _, c := range api.Codes() {
		got[c] = c.Status()
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if api.Code("other").Status() != 500 {
		t.Error("an unknown code is not internal")
	}
}

// FuzzAcceptedMeansTheSameToEncodingJSON: what Unmarshal accepts, encoding/json
// accepts with the same meaning, and no key stands twice in it.
func FuzzAcceptedMeansTheSameToEncodingJSON(f *testing.F) {
	for _, c := range bad {
		if len(c.in) < 1000 {
			f.Add([]byte(c.in))
		}
	}
	f.Add([]byte(`{"items":[{"subject":"c-1","collection":"c","record":"r","fields":{"a":[1,2.5e-3,"\ud83d\ude00",null,{"b":{}}]}}]}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		var strict, plain api.BatchWrite
		err := api.Unmarshal(in, &strict)
		if typed := json.Unmarshal(in, &plain); err == nil {
			if typed != nil {
				t.Fatalf("accepted what encoding/json refuses: %v", typed)
			}
			if d := cmp.Diff(plain, strict); d != "" {
				t.Fatal(d)
			}
			if tokens(t, in) > api.MaxElements {
				t.Fatal("too many elements")
			}
			return
		}
		var free any
		if api.Unmarshal(in, &free) == nil && !json.Valid(in) {
			t.Fatal("accepted what is no JSON")
		}
	})
}

// tokens counts values, and fails the test if a key stands twice in an object.
func tokens(t *testing.T, in []byte) int {
	n := 0
	var walk func(d *json.Decoder)
	walk = func(d *json.Decoder) {
		tok, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		n++
		delim, ok := tok.(json.Delim)
		if !ok {
			return
		}
		seen := map[string]bool{}
		for d.More() {
			if delim == '{' {
				key, err := d.Token()
				if err != nil {
					t.Fatal(err)
				}
				if seen[key.(string)] {
					t.Fatalf("the key %q stands twice", key)
				}
				seen[key.(string)] = true
			}
			walk(d)
		}
		if _, err := d.Token(); err != nil {
			t.Fatal(err)
		}
	}
	walk(json.NewDecoder(strings.NewReader(string(in))))
	return n
}
