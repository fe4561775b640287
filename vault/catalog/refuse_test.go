package catalog_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/fieldvault/fieldvault/vault/catalog"
)

func TestEncodeRefuses(t *testing.T) {
	big := strings.Repeat("x", catalog.MaxValue)
	const (
		email     = "must be an e-mail address such as name@example.org"
		phone     = "must be a telephone number such as +49 711 1234567"
		control   = "must not contain control characters"
		date      = "must be a date such as 1985-03-31"
		number    = "must be a JSON number of at most 64 digits"
		text      = "must be a JSON string"
		unicode   = "must be valid Unicode"
		direction = "must not contain characters that change the direction of writing"
		size      = "must not be larger than 64 KiB"
		iban      = "must be an IBAN with right check digits"
		card      = "must be a card number with a right check digit"
		natID     = "must be a national id of its region with right check digits"
		base64    = "must be base64 with padding"
		oneJSON   = "must be one JSON value"
	)
	c := shop(t)
	for _, tt := range []struct{ field, json, rule string }{
		{"email", `null`, "must not be null"},
		{"email", ` null `, "must not be null"},
		{"email", ``, text},
		{"email", `ann@example.org`, text},
		{"email", `"ann@example.org`, text},
		{"email", `"ann@example.org" x`, text},
		{"email", `"ann@example.org""`, text},
		{"email", `["ann@example.org"]`, text},
		{"email", `{"a":"ann@example.org"}`, text},
		{"email", `17`, text},
		{"email", `true`, text},
		{"email", `""`, email},
		{"email", `"ann"`, email},
		{"email", `"@example.org"`, email},
		{"email", `"ann@"`, email},
		{"email", `"ann@example"`, email},
		{"email", `"ann@example.org."`, email},
		{"email", `"ann@.example.org"`, email},
		{"email", `"ann@example..org"`, email},
		{"email", `"ann@exa mple.org"`, email},
		{"email", `"ann@-example.org"`, email},
		{"email", `"ann@[127.0.0.1]"`, email},
		{"email", `"ann bob@example.org"`, email},
		{"email", `"ann,bob@example.org"`, email},
		{"email", `"Ann <ann@example.org>"`, email},
		{"email", `"ann@bob@example.org"`, email},
		{"email", `"\"ann\"@example.org"`, email},
		{"email", `"ann\r\nBcc: x@example.org"`, email},
		{"email", `"ann@example.org\n"`, email},
		{"email", `"\nann@example.org"`, email},
		{"email", `"an\u0000n@example.org"`, email},
		{"email", `"ann\u200b@example.org"`, email},
		{"email", `"ann\u202e@example.org"`, email},
		{"email", `"` + strings.Repeat("a", 65) + `@example.org"`, email},
		{"email", `"a@` + strings.Repeat("a.", 126) + `org"`, email},
		{"email", `"a@` + strings.Repeat("a", 64) + `.org"`, email},
		{"email", `"ann@exam\ud800ple.org"`, unicode},
		{"email", `"ann@exam\udc00ple.org"`, unicode},
		{"email", `"ann@exam\ud800\ud800ple.org"`, unicode},
		{"email", `"ann@exam\uD83Dple.org"`, unicode},
		{"email", "\"ann\xff@example.org\"", unicode},
		{"email", "\"ann\xed\xa0\x80@example.org\"", unicode},
		{"email", `"` + big + `@example.org"`, size},

		{"phone", `""`, phone},
		{"phone", `"+49"`, phone},
		{"phone", `"112"`, phone},
		{"phone", `"+49 800 FLOWERS"`, phone},
		{"phone", `"+49 711 2842222\n"`, phone},
		{"phone", `"+49 711 2842222 or +49 711 2842223"`, phone},
		{"phone", `"+49+711 2842222"`, phone},
		{"phone", `"+999 123 4567"`, phone},
		{"phone", `"+49 ` + strings.Repeat("1", 20) + `"`, phone},
		{"phone", `"` + strings.Repeat("1", 100) + `"`, phone},
		{"phone", `"+49 711 2842222 ext. a"`, phone},
		{"phone", `"\u0660\u0661\u0662\u0663\u0664\u0665\u0666\u0667"`, phone},

		{"full_name", `""`, "must not be empty"},
		{"full_name", `"  "`, "must not be empty"},
		{"full_name", `"\u200b"`, "must not be empty"},
		{"full_name", `"-"`, "must not be empty"},
		{"full_name", `"Ann\nBob"`, control},
		{"full_name", `"Ann\u2028Bob"`, control},
		{"full_name", `"Ann\tBob"`, control},
		{"full_name", `"Ann\u0000"`, control},
		{"full_name", `"\u001b[31mAnn"`, control},
		{"full_name", `"Ann\u0085"`, control},
		{"full_name", `"Ann\u202egro.elpmaxe"`, direction},
		{"full_name", `"Ann\u2066"`, direction},

		{"born", `""`, date},
		{"born", `"1985"`, date},
		{"born", `"1985-03"`, date},
		{"born", `"1985-3-31"`, date},
		{"born", `"1985-02-30"`, date},
		{"born", `"2023-02-29"`, date},
		{"born", `"0000-01-01"`, date},
		{"born", `"1985-03-31T00:00:00"`, date},
		{"born", `" 1985-03-31"`, date},
		{"born", `"31.03.1985"`, date},
		{"born", `"+1985-03-31"`, date},
		{"born", `19850331`, text},

		{"address", `""`, "must not be empty"},
		{"address", `"\n"`, "must not be empty"},
		{"address", `"High St\u0000"`, control},
		{"address", `"High St\u202e"`, direction},

		{"tax_id", `"12345678-A"`, natID},
		{"tax_id", `"123"`, "must be 4 to 32 letters and digits"},
		{"tax_id", `"12345678Ñ"`, "must be 4 to 32 letters and digits"},
		{"tax_id", `"` + strings.Repeat("1", 33) + `"`, "must be 4 to 32 letters and digits"},

		{"iban", `""`, iban},
		{"iban", `"DE89 3704 0044 0532 0130 01"`, iban},
		{"iban", `"DE98 3704 0044 0532 0130 00"`, iban},
		{"iban", `"DE89 3704 0044 0532 0310 00"`, iban},
		{"iban", `"DE893704"`, iban},
		{"iban", `"8989370400440532013000"`, iban},
		{"iban", `"D189370400440532013000"`, iban},
		{"iban", `"DEX9370400440532013000"`, iban},
		{"iban", `"DE89 3704 0044 0532 0130 00\n"`, iban},
		{"iban", `"DE89_3704_0044_0532_0130_00"`, iban},
		{"iban", `"DE` + strings.Repeat("1", 33) + `"`, iban},

		{"card", `""`, card},
		{"card", `"4242 4242 4242 4243"`, card},
		{"card", `"4242 4242 4242 2424"`, card},
		{"card", `"4242424242"`, card},
		{"card", `"0000 0000 0000 0000"`, card},
		{"card", `"4242-4242-4242-4242-4242"`, card},
		{"card", `"4242424242424242x"`, card},
		{"card", `4242424242424242`, text},

		{"notes", `"a\u0000"`, control},
		{"notes", `"\u001b[31m"`, control},
		{"notes", `"` + big + `x"`, size},
		{"notes", `"` + strings.Repeat(`\u0041`, catalog.MaxValue+1) + `"`, size},
		{"notes", `{}`, text},
		{"notes", "\"a\nb\"", text},
		{"notes", `"\x"`, text},
		{"notes", `"\u12"`, text},
		{"notes", `"\`, text},

		{"points", `"1"`, number},
		{"points", `01`, number},
		{"points", `+1`, number},
		{"points", `.5`, number},
		{"points", `5.`, number},
		{"points", `-`, number},
		{"points", ``, number},
		{"points", `1e`, number},
		{"points", `1e+`, number},
		{"points", `1e+-1`, number},
		{"points", `1e-+1`, number},
		{"points", `1e1.5`, number},
		{"points", `--1`, number},
		{"points", `1 2`, number},
		{"points", `1,5`, number},
		{"points", `0x10`, number},
		{"points", `1_000`, number},
		{"points", `NaN`, number},
		{"points", `Infinity`, number},
		{"points", `1e64`, number},
		{"points", `1e-65`, number},
		{"points", `1e999999999999999999999`, number},
		{"points", `-1e999999`, number},
		{"points", strings.Repeat("1", 65), number},
		{"points", "0." + strings.Repeat("1", 65), number},
		{"points", "١", number},

		{"adult", `"true"`, "must be true or false"},
		{"adult", `True`, "must be true or false"},
		{"adult", `1`, "must be true or false"},
		{"adult", `true false`, "must be true or false"},

		{"preferences", ``, oneJSON},
		{"preferences", `{`, oneJSON},
		{"preferences", `{} {}`, oneJSON},
		{"preferences", `{"size":1,}`, oneJSON},
		{"preferences", `{"size":1,"size":2}`, "must not contain a member twice"},
		{"preferences", `{"size":1,"\u0073ize":2}`, "must not contain a member twice"},
		{"preferences", `{"size":1e99}`, "must not contain numbers of more than 64 digits"},
		{"preferences", strings.Repeat("[", 33) + strings.Repeat("]", 33), "must not be nested deeper than 32"},
		{"preferences", strings.Repeat("[", 20000) + strings.Repeat("]", 20000), oneJSON},
		{"preferences", `{"size":"\ud800"}`, unicode},
		{"preferences", `17`, "does not match its schema at #/type"},
		{"preferences", `{}`, "does not match its schema at #/required"},
		{"preferences", `{"size":0}`, "does not match its schema at #/properties/size/minimum"},
		{"preferences", `{"size":1,"colours":["RED"]}`, "does not match its schema at #/properties/colours/items/pattern"},
		{"preferences", `{"size":1,"planted":1}`, "does not match its schema at #/additionalProperties"},
		{"preferences", `{"size":1,"nothing":0}`, "does not match its schema at #/properties/nothing/const"},

		{"photo", `"AAEC/+8"`, base64},
		{"photo", `"AAEC_-8="`, base64},
		{"photo", `"AAEC\n/+8="`, base64},
		{"photo", `"AAEC/+8=AAEC"`, base64},
		{"photo", `"AAF="`, base64},
		{"photo", `"` + strings.Repeat("AAAA", catalog.MaxValue/3+1) + `"`, size},
		{"photo", `[0,1]`, text},
	} {
		t.Run(tt.field+" "+tt.json[:min(len(tt.json), 40)], func(t *testing.T) {
			refused(t, field(t, c, "customer."+tt.field), tt.json, tt.rule)
		})
	}
}

// refused checks that a value is refused by a rule, in an error that says
// nothing of the value.
func refused(t *testing.T, f *catalog.Field, raw, rule string) {
	t.Helper()
	v, err := f.Encode(json.RawMessage(raw))
	var e *catalog.ValueError
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want a *ValueError", err)
	}
	if !v.IsZero() {
		t.Error("a value beside an error")
	}
	want := catalog.ValueError{Collection: "customer", Field: f.Name, Rule: rule}
	if *e != want {
		t.Errorf("got %+v, want %+v", *e, want)
	}
	if got := err.Error(); got != "customer."+f.Name+": "+rule {
		t.Errorf("error %q", got)
	}
}

// TestValueErrorHoldsNoValue plants a word in every kind of wrong value, as
// value, as member name and inside a string.
func TestValueErrorHoldsNoValue(t *testing.T) {
	const planted = "zanzibar"
	c := shop(t)
	col, _ := c.Collection("customer")
	for i := range col.Fields {
		f := &col.Fields[i]
		for _, raw := range []string{
			planted, `"` + planted + "\u202e\x1b" + `"`, `"` + planted + `\u0000"`, `{"` + planted + `":"` + planted + `"}`,
			`["` + planted + `"]`, `{"size":"` + planted + `"}`, `{"size":1,"` + planted + `":1}`, `{"colours":["` + planted + `!"],"size":2}`,
			`{"` + planted + `":1,"` + planted + `":2}`, `"` + planted + `\ud800"`,
		} {
			_, err := f.Encode(json.RawMessage(raw))
			if err == nil {
				t.Errorf("%s accepts %q", f.Name, raw)
				continue
			}
			if strings.Contains(strings.ToLower(err.Error()), planted) {
				t.Errorf("%s: the error contains the value: %v", f.Name, err)
			}
		}
	}
}
