package catalog_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/fieldvault/fieldvault/crypto/secret"
	"github.com/fieldvault/fieldvault/vault/catalog"
)

// valid draws a JSON value that a field of the type accepts.
func valid(t *rapid.T, f *catalog.Field) json.RawMessage {
	quote := func(s string) json.RawMessage {
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	switch f.Type {
	case catalog.TypeEmail:
		return quote(rapid.StringMatching(`[A-Za-zäöüßŁ0-9._+-]{1,20}@[a-zA-Zäöü]{1,10}\.(org|com|de)`).Draw(t, "email"))
	case catalog.TypePhone:
		return quote(rapid.StringMatching(`\+49 \(?0?[1-9]{3}\)?[ /-][0-9]{4,6}( ext\. ?[0-9]{1,4})?`).Draw(t, "phone"))
	case catalog.TypeName:
		return quote(rapid.StringMatching(`[\p{L}\p{M} .'-]{0,20}\p{L}[\p{L}\p{M}]{0,10}`).Draw(t, "name"))
	case catalog.TypeDate:
		return quote(rapid.StringMatching(`(19|20)[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])`).Draw(t, "date"))
	case catalog.TypeAddress:
		return quote(rapid.StringMatching(`[\p{L}\p{N} ,/\n.-]{0,30}\p{L}`).Draw(t, "address"))
	case catalog.TypeNationalID:
		return quote(rapid.SampledFrom([]string{"12345678Z", "x1234567-l", "12.345.678-Z"}).Draw(t, "id"))
	case catalog.TypeIBAN:
		return quote(rapid.SampledFrom([]string{"DE89 3704 0044 0532 0130 00", "NO9386011117947", "gb82 west 1234 5698 7654 32"}).Draw(t, "iban"))
	case catalog.TypeCard:
		return quote(luhnNumber(rapid.StringMatching(`[1-9][0-9]{10,17}`).Draw(t, "card")))
	case catalog.TypeText:
		return quote(rapid.StringMatching(`[\P{C}\n\t\r]{0,40}`).Draw(t, "text"))
	case catalog.TypeNumber:
		return json.RawMessage(rapid.StringMatching(`-?(0|[1-9][0-9]{0,15})(\.[0-9]{1,10})?([eE][+-]?[0-9]{1,2})?`).Filter(small).Draw(t, "number"))
	case catalog.TypeBoolean:
		return quote1(rapid.Bool().Draw(t, "boolean"))
	case catalog.TypeJSON:
		return quote1(rapid.MapOf(rapid.String(), rapid.SliceOf(rapid.Int())).Draw(t, "json"))
	case catalog.TypeBytes:
		return quote(base64.StdEncoding.EncodeToString(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")))
	default:
		t.Fatalf("no values for type %s", f.Type)
		return nil
	}
}

// quote1 encodes what cannot fail to be encoded.
func quote1(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// small says whether a number has at most 64 digits when it is written without
// exponent, not counting a zero before the point.
func small(s string) bool {
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		return false
	}
	whole, fraction, _ := strings.Cut(strings.TrimPrefix(r.FloatString(1100), "-"), ".")
	return len(strings.TrimPrefix(whole, "0"))+len(strings.TrimRight(fraction, "0")) <= 64
}

// luhnNumber appends the check digit.
func luhnNumber(s string) string {
	sum := 0
	for i := range len(s) {
		d := int(s[len(s)-1-i] - '0')
		if i%2 == 0 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return s + string(rune('0'+(10-sum%10)%10))
}

// oneOfEach gives a catalog with a field of each type.
func oneOfEach(t testing.TB) []*catalog.Field {
	c := shop(t)
	var list []*catalog.Field
	for _, name := range []string{
		"customer.email", "customer.phone", "customer.full_name", "customer.born", "customer.address", "customer.tax_id",
		"customer.iban", "customer.card", "customer.notes", "customer.points", "customer.adult", "order.topics", "customer.photo",
	} {
		list = append(list, field(t, c, name))
	}
	if len(list) != len(catalog.Types()) {
		t.Fatalf("%d fields for %d types", len(list), len(catalog.Types()))
	}
	return list
}

// TestEncodeDecodeRoundTrip: what is accepted comes back as it was, comes back
// the same when it is stored again, and its normal form is stable.
func TestEncodeDecodeRoundTrip(t *testing.T) {
	for _, f := range oneOfEach(t) {
		t.Run(string(f.Type), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				raw := valid(t, f)
				v, err := f.Encode(raw)
				if err != nil {
					t.Fatalf("%s: %v", raw, err)
				}
				out := f.AppendJSON(nil, v)
				if !same(f.Type, raw, out) {
					t.Fatalf("put %s, got %s", raw, out)
				}
				again, err := f.Encode(out)
				if err != nil || !again.Equal(v) {
					t.Fatalf("storing %s again: %v", out, err)
				}
				stable(t, f, v)
			})
		})
	}
}

// same compares JSON values: numbers by value, everything else after decoding.
func same(typ catalog.Type, a, b []byte) bool {
	if typ == catalog.TypeNumber {
		x, ok1 := new(big.Rat).SetString(strings.TrimSpace(string(a)))
		y, ok2 := new(big.Rat).SetString(string(b))
		return ok1 && ok2 && x.Cmp(y) == 0
	}
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return false
	}
	return bytes.Equal(quote1(x), quote1(y))
}

type fataler interface {
	Fatalf(format string, args ...any)
}

// stable checks what must hold of every stored value: it has a normal form,
// which for text is a value itself with the same normal form, and a mask that is
// valid text and not the value.
func stable(t fataler, f *catalog.Field, v secret.Bytes) {
	n, err := f.Normalise(v)
	if err != nil {
		t.Fatalf("normalising %q: %v", v.Expose(), err)
	}
	if again, err := f.Normalise(n); err != nil || !again.Equal(n) {
		t.Fatalf("normal form %q of %q is %q when normalised: %v", n.Expose(), v.Expose(), again.Expose(), err)
	}
	mask := string(f.MaskValue(v).Expose())
	if !utf8.ValidString(mask) || f.Type != catalog.TypeDate && !strings.Contains(mask, "••••") {
		t.Fatalf("mask %q", mask)
	}
	shown := strings.NewReplacer("•", "", " ", "").Replace(mask)
	if len(v.Expose()) > 0 && strings.Contains(shown, string(v.Expose())) {
		t.Fatalf("mask %q shows %q", mask, v.Expose())
	}
	if f.Mask == catalog.MaskFull && mask != "••••" {
		t.Fatalf("mask %q", mask)
	}
}

// TestNumbersAreNotRounded compares with exact fractions.
func TestNumbersAreNotRounded(t *testing.T) {
	f := field(t, shop(t), "customer.points")
	rapid.Check(t, func(t *rapid.T) {
		raw := rapid.StringMatching(`-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?`).Draw(t, "number")
		v, err := f.Encode(json.RawMessage(raw))
		fits := small(raw)
		if (err == nil) != fits {
			t.Fatalf("%s: %v, fits: %v", raw, err, fits)
		}
		if err != nil {
			return
		}
		got := string(f.AppendJSON(nil, v))
		want, _ := new(big.Rat).SetString(raw)
		have, ok := new(big.Rat).SetString(got)
		if !ok || want.Cmp(have) != 0 || strings.ContainsAny(got, "eE+") || got == "-0" {
			t.Fatalf("%s is stored as %s", raw, got)
		}
	})
}

// TestAppendStringIsJSON compares with encoding/json, byte for byte.
func TestAppendStringIsJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(
			rapid.String(),
			rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
			rapid.StringMatching(`[\x00-\x20"\\<>&\x{2028}\x{2029}\x{FFFD}\x{7F}a]*`),
		).Draw(t, "s")
		want, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if got := catalog.AppendString(nil, []byte(s)); !bytes.Equal(got, want) {
			t.Fatalf("got %s, want %s", got, want)
		}
	})
}

// TestFoldingMergesWhatPeopleDoNotTellApart: case, and how accents are composed.
func TestFoldingMergesWhatPeopleDoNotTellApart(t *testing.T) {
	c := shop(t)
	for name, groups := range map[string][][]string{
		"customer.full_name": {
			{"Gonçalves", "GONÇALVES", "Gonc\u0327alves", " gonçalves  ", "Gonçal\u200bves"},
			{"Strauß", "STRAUSS", "strauss"},
			{"van der Berg", "Van  Der\u00a0Berg", "VAN\u2003DER BERG"},
			{"ᎠᎡ", "ꭰꭱ", "Ꭰꭱ"},
			{"Ｌｉ Ｌｅｉ", "Li Lei"},
			{"Muller"},
			{"Müller", "Mu\u0308ller"},
			{"Аnna"},
			{"Anna"}, // the first begins with a Cyrillic letter
		},
		"customer.email": {
			{"Ann@Example.ORG", "ann@example.org", " ANN@EXAMPLE.org"},
			{"ann@bücher.example", "ann@xn--bcher-kva.example", "ann@BÜCHER.example", "ann@bu\u0308cher.example"},
			{"a.nn@example.org"},
			{"ann+news@example.org"},
		},
		"customer.phone": {
			{"+49 711 2842222", "0711 2842222", "+49 (0)711 284 22 22", "00497112842222", "+49-711-2842222", "+49 0711 2842222"},
			{"+49 711 2842223"},
			{"+43 711 2842222"},
			{"+49 711 2842222 x1", "+49 711 2842222 ext. 1"},
		},
		"customer.iban": {
			{"DE89370400440532013000", "de89 3704 0044 0532 0130 00", "DE89-3704-0044-0532-0130-00"},
		},
		"customer.notes": {{"Äpfel", "A\u0308PFEL", " äpfel\n"}, {"Apfel"}},
	} {
		f := field(t, c, name)
		seen := map[string]int{}
		for i, group := range groups {
			for _, s := range group {
				v, err := f.Encode(f.FromText(s))
				if err != nil {
					t.Fatalf("%s %q: %v", name, s, err)
				}
				n, err := f.Normalise(v)
				if err != nil {
					t.Fatalf("%s %q: %v", name, s, err)
				}
				if other, ok := seen[string(n.Expose())]; ok && other != i {
					t.Errorf("%s: %q is merged with %q", name, s, groups[other][0])
				} else if !ok && s != group[0] {
					t.Errorf("%s: %q is not merged with %q", name, s, group[0])
				}
				seen[string(n.Expose())] = i
			}
		}
	}
}

// FuzzEncode: of every type, what is accepted is stable and small, and what is
// not is refused without a trace of the value.
func FuzzEncode(f *testing.F) {
	fields := oneOfEach(f)
	for _, tt := range values() {
		for i := range fields {
			f.Add(uint8(i), []byte(tt.json))
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, raw []byte) {
		fd := fields[int(which)%len(fields)]
		v, err := fd.Encode(raw)
		if err != nil {
			var e *catalog.ValueError
			if !errors.As(err, &e) || !v.IsZero() {
				t.Fatalf("error %T beside %d bytes", err, v.Len())
			}
			return
		}
		if v.Len() > catalog.MaxValue {
			t.Fatalf("%d bytes", v.Len())
		}
		out := fd.AppendJSON(nil, v)
		if !json.Valid(out) || !same(fd.Type, raw, out) {
			t.Fatalf("put %s, got %s", raw, out)
		}
		again, err := fd.Encode(out)
		if err != nil || !again.Equal(v) {
			t.Fatalf("storing %s again: %v", out, err)
		}
		stable(t, fd, v)
	})
}
