package catalog_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/fieldvault/fieldvault/crypto/secret"
	"github.com/fieldvault/fieldvault/vault/catalog"
)

// values is what each type accepts: the JSON value, and what becomes of it.
// Where plain is empty the JSON value comes back as it was.
func values() []struct{ field, json, plain, normal, mask string } {
	return []struct{ field, json, plain, normal, mask string }{
		{"email", `"luisg@embraer.com.br"`, "", "luisg@embraer.com.br", "l••••@embraer.com.br"},
		{"email", `"Luis.G+news@Embraer.COM.br"`, "", "luis.g+news@embraer.com.br", "L••••@Embraer.COM.br"},
		{"email", `"stanisław.wójcik@wp.pl"`, "", "stanisław.wójcik@wp.pl", "s••••@wp.pl"},
		{"email", `"stanisław.wo\u0301jcik@wp.pl"`, "\"stanisław.wo\u0301jcik@wp.pl\"", "stanisław.wójcik@wp.pl", "s••••@wp.pl"},
		{"email", `"info@Köln.example"`, "", "info@xn--kln-sna.example", "i••••@Köln.example"},
		{"email", `"info@xn--kln-sna.example"`, "", "info@xn--kln-sna.example", "i••••@xn--kln-sna.example"},
		{"email", `"STRASSE@example.org"`, "", "strasse@example.org", "S••••@example.org"},
		{"email", `"straße@example.org"`, "", "strasse@example.org", "s••••@example.org"},
		{"email", `" ann@example.org "`, "", "ann@example.org", "a••••@example.org"},
		{"email", `"ab@example.org"`, "", "ab@example.org", "••••@example.org"},
		{"email", `"a@example.org"`, "", "a@example.org", "••••@example.org"},
		{"email", `"李雷@example.org"`, "", "李雷@example.org", "••••@example.org"},
		{"email", `"_x-y_@example.org"`, "", "_x-y_@example.org", "••••@example.org"},
		{"email", `"a..b.@example.org"`, "", "a..b.@example.org", "••••@example.org"},

		{"phone", `"+55 (12) 3923-5555"`, "", "+551239235555", "•••• 55"},
		{"phone", `"+49 0711 2842222"`, "", "+497112842222", "•••• 22"},
		{"phone", `"0711 2842222"`, "", "+497112842222", "•••• 22"},
		{"phone", `"(+49) 711/284-22.22"`, "", "+497112842222", "•••• 22"},
		{"phone", `"0049 711 2842222"`, "", "+497112842222", "•••• 22"},
		{"phone", `"+49 711 2842222 ext. 15"`, "", "+497112842222;ext=15", "•••• 22"},
		{"phone", `"+497112842222;ext=15"`, "", "+497112842222;ext=15", "•••• 22"},
		{"mobile", `"06 12 34 56 78"`, "", "+33612345678", "•••• 5678"},
		{"mobile", `"+54 (0)11 4311 4333"`, "", "+541143114333", "•••• 4333"},
		{"mobile", `"+\u00a0353\u00a001\u00a06792424"`, "\"+\u00a0353\u00a001\u00a06792424\"", "+35316792424", "•••• 2424"},
		{"mobile", `"+290 2345"`, "", "+2902345", "•••• 345"},

		{"full_name", `"Luís Gonçalves"`, "", "luís gonçalves", "L••••"},
		{"full_name", `"  LUÍS\u00a0 gonc\u0327alves "`, "\"  LUÍS\u00a0 gonc\u0327alves \"", "luís gonçalves", "L••••"},
		{"full_name", `"O'Reilly"`, "", "o'reilly", "O••••"},
		{"full_name", `"van der Berg"`, "", "van der berg", "v••••"},
		{"full_name", `"E\u0301mile"`, "\"E\u0301mile\"", "émile", "É••••"},
		{"full_name", `"Li"`, "", "li", "••••"},
		{"full_name", `"X"`, "", "x", "••••"},
		{"full_name", `"王秀英"`, "", "王秀英", "••••"},
		{"full_name", `"김민준"`, "", "김민준", "••••"},
		{"full_name", `"ابن سينا"`, "", "ابن سينا", "••••"},
		{"full_name", `"می\u200cخواهم"`, "\"می\u200cخواهم\"", "میخواهم", "••••"},
		{"full_name", `"\ufb01n GMBH & Co."`, `"ﬁn GMBH \u0026 Co."`, "fin gmbh & co.", "ﬁ••••"},
		{"full_name", `"'Abd al-Karim"`, "", "'abd al-karim", "••••"},

		{"born", `"1985-03-31"`, "", "1985-03-31", "1985"},
		{"born", `"2024-02-29"`, "", "2024-02-29", "2024"},

		{"address", `"Av. Brigadeiro Faria Lima, 2170"`, "", "av. brigadeiro faria lima, 2170", "••••"},
		{"address", `"c/o Ann\n12  High St"`, "", "c/o ann 12 high st", "••••"},

		{"tax_id", `"12345678-Z"`, "", "12345678Z", "•••• 78Z"},
		{"tax_id", `"x1234567l"`, "", "X1234567L", "•••• 67l"},

		{"iban", `"DE89 3704 0044 0532 0130 00"`, "", "DE89370400440532013000", "DE •••• 3000"},
		{"iban", `"gb82west12345698765432"`, "", "GB82WEST12345698765432", "GB •••• 5432"},
		{"iban", `"NO9386011117947"`, "", "NO9386011117947", "NO •••• 7947"},
		{"iban", `"MT84MALT011000012345MTLCAST001S"`, "", "MT84MALT011000012345MTLCAST001S", "MT •••• 001S"},

		{"card", `"4242 4242 4242 4242"`, "", "4242424242424242", "•••• 4242"},
		{"card", `"3782-822463-10005"`, "", "378282246310005", "•••• 0005"},

		{"notes", `"Hello\tWORLD\r\n"`, "", "hello\tworld", "••••"},
		{"notes", `""`, "", "", "••••"},
		{"notes", `"\u003cb\u003e & \"quoted\" \\ /"`, `"\u003cb\u003e \u0026 \"quoted\" \\ /"`, `<b> & "quoted" \ /`, "••••"},
		{"notes", `"\ud83d\ude00\u2028"`, `"😀\u2028"`, "😀", "••••"},
		{"interests", `"Jazz and Blues"`, "", "jazz and blues", "J••••"},
		{"interests", `"7x"`, "", "7x", "••••"},

		{"points", `1.98`, "", "1.98", "••••"},
		{"points", `1.980`, "1.98", "1.98", "••••"},
		{"points", ` -0.0 `, "0", "0", "••••"},
		{"points", `-12e-3`, "-0.012", "-0.012", "••••"},
		{"points", `1E+3`, "1000", "1000", "••••"},
		{"points", `100`, "", "100", "••••"},
		{"points", `0.1e1`, "1", "1", "••••"},
		{"points", `12345678901234567890.12345678901234567890123456789`, "", "12345678901234567890.12345678901234567890123456789", "••••"},
		{"points", `1e63`, "1" + strings.Repeat("0", 63), "1" + strings.Repeat("0", 63), "••••"},
		{"points", `1e-64`, "0." + strings.Repeat("0", 63) + "1", "0." + strings.Repeat("0", 63) + "1", "••••"},
		{"points", `0e1000000`, "0", "0", "••••"},

		{"adult", `true`, "", "true", "••••"},
		{"adult", ` false`, "false", "false", "••••"},

		{"preferences", `{ "size" : 1.50, "colours":["red"], "nothing": null, "yes": true }`, `{"size":1.50,"colours":["red"],"nothing":null,"yes":true}`, `{"size":1.50,"colours":["red"],"nothing":null,"yes":true}`, "••••"},

		{"photo", `"AAEC/+8="`, "", "\x00\x01\x02\xff\xef", "••••"},
		{"photo", `""`, "", "", "••••"},
	}
}

func TestValues(t *testing.T) {
	c := shop(t)
	for _, tt := range values() {
		t.Run(tt.field+" "+tt.json, func(t *testing.T) {
			f := field(t, c, "customer."+tt.field)
			v, err := f.Encode(json.RawMessage(tt.json))
			if err != nil {
				t.Fatal(err)
			}
			want := tt.plain
			if want == "" {
				want = strings.TrimSpace(tt.json)
			}
			if got := string(f.AppendJSON([]byte("x"), v)); got != "x"+want {
				t.Errorf("AppendJSON %s, want x%s", got, want)
			}
			n, err := f.Normalise(v)
			if err != nil {
				t.Fatal(err)
			}
			if got := string(n.Expose()); got != tt.normal {
				t.Errorf("normalised %q, want %q", got, tt.normal)
			}
			if got := string(f.MaskValue(v).Expose()); got != tt.mask {
				t.Errorf("mask %q, want %q", got, tt.mask)
			}
		})
	}
}

// TestEncodeKeepsWhatItDoesNotOwn checks that neither the input nor what comes
// out of a value is shared with the stored bytes.
func TestEncodeKeepsWhatItDoesNotOwn(t *testing.T) {
	c := shop(t)
	for name, text := range map[string]string{
		"customer.adult": "true", "customer.points": "12", "order.topics": `[1]`, "customer.notes": `"abc"`,
	} {
		f := field(t, c, name)
		raw := []byte(text)
		v, err := f.Encode(raw)
		if err != nil {
			t.Fatal(err)
		}
		clear(raw)
		n, err := f.Normalise(v)
		if err != nil {
			t.Fatal(err)
		}
		v2 := v.Clone()
		v.Wipe()
		if got := string(f.AppendJSON(nil, v2)); got != text {
			t.Errorf("%s changed with its input: %q", name, got)
		}
		if strings.Trim(string(n.Expose()), "\x00") == "" {
			t.Errorf("%s: the normalised value is wiped with the value", name)
		}
	}
}

func TestPhoneWithoutRegion(t *testing.T) {
	c := parse(t, strings.Replace(base, "type: email", "type: phone", 1))
	f := field(t, c, "customer.email")
	refused(t, f, `"0711 2842222"`, "must begin with + and the country, such as +49 711 1234567, because the field has no region")
	if _, err := f.Encode(json.RawMessage(`"+49 711 2842222"`)); err != nil {
		t.Error(err)
	}
}

// TestNormaliseRefusesForeignBytes gives Normalise what Encode did not make.
func TestNormaliseRefusesForeignBytes(t *testing.T) {
	c := shop(t)
	for _, name := range []string{"email", "phone", "tax_id", "iban", "card"} {
		f := field(t, c, "customer."+name)
		_, err := f.Normalise(secret.FromString("\x00zanzibar"))
		var e *catalog.ValueError
		if !errors.As(err, &e) || strings.Contains(err.Error(), "zanzibar") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestMaskOfForeignBytes shows nothing of bytes that are no value of the type.
func TestMaskOfForeignBytes(t *testing.T) {
	c := shop(t)
	for _, name := range []string{"email", "born", "iban", "phone"} {
		f := field(t, c, "customer."+name)
		for _, s := range []string{"", "zz", "\xff\xfe", "zanzibar"} {
			if got := string(f.MaskValue(secret.FromString(s)).Expose()); got != "••••" {
				t.Errorf("%s: the mask of %q is %q", name, s, got)
			}
		}
	}
}

// TestNationalIDs checks known ids of each region, and that no other last
// character and no swap of two neighbours passes where a check digit stands.
func TestNationalIDs(t *testing.T) {
	for _, tt := range []struct{ region, id string }{
		{"BE", "85.07.30-033.28"},
		{"BE", "00 01 25 56777"},
		{"BR", "529.982.247-25"},
		{"DE", "86 095 742 719"},
		{"DE", "65929970489"},
		{"DE", "57549285017"},
		{"DE", "25768131411"},
		{"ES", "12345678Z"},
		{"ES", "X1234567L"},
		{"FI", "131052-308T"},
		{"FR", "2 55 08 14 168 025 38"},
		{"IT", "RSSMRA85T10A562S"},
		{"NL", "111222333"},
		{"PL", "44051401359"},
		{"SE", "811228-9874"},
		{"SE", "19811228-9874"},
	} {
		f := idField(t, tt.region)
		if _, err := f.Encode(f.FromText(tt.id)); err != nil {
			t.Errorf("%s %s: %v", tt.region, tt.id, err)
		}
		last := tt.id[len(tt.id)-1]
		for c := byte('0'); c <= 'Z'; c++ {
			if c > '9' && c < 'A' || c == last {
				continue
			}
			if _, err := f.Encode(f.FromText(tt.id[:len(tt.id)-1] + string(c))); err == nil {
				t.Errorf("%s %s: also with %c at the end", tt.region, tt.id, c)
			}
		}
	}
	for region, ids := range map[string][]string{
		"BE": {"85073003329", "8507300332", "00000000097"},
		"BR": {"52998224726", "11111111111", "5299822472"},
		"DE": {"06095742719", "86095742718", "8609574271"},
		"ES": {"12345678A", "1234567Z", "W1234567L"},
		"FI": {"131052-3080", "131052Q308T", "131052-308"},
		"FR": {"255081416802539", "2550814168025", "25508X416802538"},
		"GB": {"GB123456A", "DA123456A", "AO123456A", "AB123456E", "AB12345A", "1B123456A", "A1123456A"},
		"IT": {"RSSMRA85T10A562T", "RSSMRA85T10A562", "1SSMRA85T10A562S", "RSSMRA85T10A5620"},
		"NL": {"111222334", "11122233", "000000000"},
		"PL": {"44051401358", "4405140135", "00000000000"},
		"SE": {"811228-9873", "8112289874A", "1228-9874"},
		"US": {"000-12-3456", "666-12-3456", "123-00-4567", "123-45-0000", "111-11-1111", "12345678"},
	} {
		f := idField(t, region)
		for _, id := range ids {
			if _, err := f.Encode(f.FromText(id)); err == nil {
				t.Errorf("%s accepts %s", region, id)
			}
		}
	}
	for region, ids := range map[string][]string{
		"GB": {"AB 12 34 56 C"}, "US": {"219-09-9999", "912-70-1234"}, "CH": {"756.1234.5678.97"}, "": {"AB-1234"},
		"FR": {"1 84 12 2A 451 089 " + corsicanKey(t, "1841219451089"), "1 84 12 2B 451 089 " + corsicanKey(t, "1841218451089")},
		"FI": {"131052A308T"},
	} {
		f := idField(t, region)
		for _, id := range ids {
			if _, err := f.Encode(f.FromText(id)); err != nil {
				t.Errorf("%s refuses %s", region, id)
			}
		}
	}
}

// corsicanKey is the key of a French number whose department was replaced.
func corsicanKey(t *testing.T, body string) string {
	t.Helper()
	i, err := json.Number(body).Int64()
	if err != nil {
		t.Fatal(err)
	}
	key := 97 - i%97
	return string([]byte{byte('0' + key/10), byte('0' + key%10)})
}

func idField(t *testing.T, region string) *catalog.Field {
	t.Helper()
	src := strings.Replace(base, "type: email", "type: national_id", 1)
	if region != "" {
		src = strings.Replace(src, "[support]", "[support], region: "+region, 1)
	}
	return field(t, parse(t, src), "customer.email")
}

func TestMasks(t *testing.T) {
	for _, tt := range []struct{ typ, mask, value, want string }{
		{"email", "full", "ann@example.org", "••••"},
		{"phone", "full", "+49 711 2842222", "••••"},
		{"phone", "last4", "+49 711 2842222 ext. 9876", "•••• 2222"},
		{"phone", "last3", "+49 711 2842222", "•••• 222"},
		{"name", "full", "Luís", "••••"},
		{"date", "full", "1985-03-31", "••••"},
		{"national_id", "last4", "AB-123456", "•••• 3456"},
		{"national_id", "last3", "AB123", "•••• 3"},
		{"national_id", "last3", "A123", "••••"},
		{"national_id", "last2", "AB123456", "•••• 56"},
		{"national_id", "full", "AB123456", "••••"},
		{"iban", "last4", "NO9386011117947", "•••• 7947"},
		{"iban", "last2", "NO9386011117947", "•••• 47"},
		{"card", "last3", "4242424242424242", "•••• 242"},
		{"text", "last4", "C-1234-5678", "•••• 5678"},
		{"text", "last4", "12345", "•••• 5"},
		{"text", "last4", "1234", "••••"},
		{"text", "last2", "!!!!!!!!", "••••"},
		{"text", "initial", "", "••••"},
		{"text", "initial", "Zürich", "Z••••"},
		{"text", "redact", "Nobody calls.", "••••"}, // to redact is not this package's
	} {
		src := strings.Replace(base, "type: email", "type: "+tt.typ+", mask: "+tt.mask, 1)
		f := field(t, parse(t, src), "customer.email")
		v, err := f.Encode(f.FromText(tt.value))
		if err != nil {
			t.Errorf("%s %s: %v", tt.typ, tt.value, err)
			continue
		}
		if got := string(f.MaskValue(v).Expose()); got != tt.want {
			t.Errorf("%s %s of %q: %q, want %q", tt.typ, tt.mask, tt.value, got, tt.want)
		}
	}
}

func TestFromText(t *testing.T) {
	c := shop(t)
	for _, tt := range []struct{ field, text, want string }{
		{"notes", `say "hi"`, `"say \"hi\""`},
		{"points", "1.98", "1.98"},
		{"adult", "TRUE", "true"},
		{"preferences", `{"size":1}`, `{"size":1}`},
		{"photo", "AAEC", `"AAEC"`},
	} {
		if got := string(field(t, c, "customer."+tt.field).FromText(tt.text)); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.field, got, tt.want)
		}
	}
}

// TestAppendDoesNotAllocate guards the path of every revealed field.
func TestAppendDoesNotAllocate(t *testing.T) {
	c := shop(t)
	buf := make([]byte, 0, 1024)
	for name, text := range map[string]string{
		"email": "ann@example.org", "points": "1.98", "adult": "true", "notes": "<a>\n\u2028", "photo": "AAEC",
	} {
		f := field(t, c, "customer."+name)
		v, err := f.Encode(f.FromText(text))
		if err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(100, func() { f.AppendJSON(buf, v) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
