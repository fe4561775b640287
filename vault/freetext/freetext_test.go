package freetext_test

import (
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/fieldvault/fieldvault/vault/api"
	"github.com/fieldvault/fieldvault/vault/catalog"
	"github.com/fieldvault/fieldvault/vault/freetext"
	"github.com/fieldvault/fieldvault/vault/pacetest"
)

func TestRedact(t *testing.T) {
	d := german(t)
	for _, c := range []struct {
		text, want string
		kinds      []freetext.Kind
	}{
		{"", "", nil},
		{"nothing here", "nothing here", nil},
		{"Mail ada@example.org, Tel. 030 23125 123.", "Mail [e-mail], Tel. [phone].", nil},
		{"Mail ada@example.org, Tel. 030 23125 123.", "Mail ada@example.org, Tel. [phone].", []freetext.Kind{freetext.Phone}},
		{"Mail ada@example.org, Tel. 030 23125 123.", "Mail [e-mail], Tel. 030 23125 123.", []freetext.Kind{freetext.Email, freetext.Card}},
		{"4111 1111 1111 1111", "[card]", nil},
		{"ada@example.org", "[e-mail]", nil},
		{"Frau Dr. Meitner, geb. 7.11.1978", "Frau Dr. [name], geb. [date of birth]", nil},
		{"Jörg Müller 😀 käthe@müller-beispiel.example 😀", "[name] 😀 [e-mail] 😀", nil},
		{strings.Repeat("a", 64) + "@example.org", "[e-mail]", nil},
		{strings.Repeat("a", 66) + "@example.org", "aa[e-mail]", nil}, // of no valid address the longest valid part
		{"ada@" + strings.Repeat("a.", 200) + "org", "ada@" + strings.Repeat("a.", 200) + "org", nil},
		{"\xff ada@example.org \xfe", "\uFFFD [e-mail] \uFFFD", nil},
		{"x\xff@example.org", "x\uFFFD@example.org", nil},
	} {
		if got := d.Redact(c.text, c.kinds...); got != c.want {
			t.Errorf("%q without %v: %q, want %q", c.text, c.kinds, got, c.want)
		}
	}
}

// TestOverlapsBecomeOne: what one rule finds inside or beside what another finds is one finding, of the
// longest's kind, so that nothing of either is left.
// The catalog and the API name the kinds without importing this package.
func TestKindsHaveOneName(t *testing.T) {
	var want []string
	for _, k := range freetext.Kinds() {
		want = append(want, string(k))
	}
	for where, got := range map[string][]string{"catalog": catalog.TextKinds(), "api": api.TextKinds()} {
		if !slices.Equal(got, want) {
			t.Errorf("%s names %q, want %q", where, got, want)
		}
	}
}

func TestOverlapsBecomeOne(t *testing.T) {
	d, err := freetext.New(freetext.Options{Region: "DE", Names: []string{"Noether Verein", "example"}})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"Emmy Noether Verein":            "[name]",
		"ada@example.org":                "[e-mail]",
		"an example, and EXAMPLE again.": "an [name], and [name] again.",
	} {
		if got := d.Redact(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestExtraNames(t *testing.T) {
	d, err := freetext.New(freetext.Options{Names: []string{"Zyx", "Qu  Wert-Zuiop", "O'Qwe"}})
	if err != nil {
		t.Fatal(err)
	}
	got := d.Redact("zyx and ZYX, not zyxel; Qu Wert-Zuiop, qu\nwert-zuiop; o’qwe")
	if want := "[name] and [name], not zyxel; [name], [name]; [name]"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestRegions(t *testing.T) {
	for _, c := range []struct{ region, text, want string }{
		{"", "call 030 23125 123 or +49 30 23125 123", "call 030 23125 123 or [phone]"},
		{"DE", "call 030 23125 123", "call [phone]"},
		{"US", "call (202) 555-0143 or 202-555-0178", "call [phone] or [phone]"},
		{"US", "call 2025550143", "call [phone]"},
		{"US", "row 2025550143", "row 2025550143"},
		{"GB", "ring me: 020 7946 0018", "ring me: [phone]"},
	} {
		d, err := freetext.New(freetext.Options{Region: c.region})
		if err != nil {
			t.Fatal(err)
		}
		if got := d.Redact(c.text); got != c.want {
			t.Errorf("%q in %q: %q, want %q", c.text, c.region, got, c.want)
		}
	}
}

func TestOptionsThatAreRefused(t *testing.T) {
	for _, o := range []freetext.Options{
		{Region: "XX"},
		{Region: "de"},
		{Region: "DEU"},
		{Names: []string{""}},
		{Names: []string{"ab"}},
		{Names: []string{"12345"}},
		{Names: []string{strings.Repeat("word ", 9)}},
	} {
		if _, err := freetext.New(o); !errors.Is(err, freetext.ErrOptions) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

// TestFindingsExplainThemselves: each says its rule, and none holds any of the text.
func TestFindingsExplainThemselves(t *testing.T) {
	d := german(t)
	for _, s := range sentences(t) {
		for _, f := range d.Find(s.text) {
			if f.Why == "" || f.Confidence < 50 || f.Confidence > 99 || !slices.Contains(freetext.Kinds(), f.Kind) {
				t.Errorf("%+v says too little", f)
			}
			if strings.Contains(f.Why, s.text[f.Start:f.End]) {
				t.Error("a rule holds the text")
			}
		}
	}
}

// adversarial are texts of n bytes at which each rule has most to do.
func adversarial(n int) map[string]string {
	units := map[string]string{
		"one digit": "7", "digits and spaces": "4 ", "pairs of digits": "41-", "cards of zeros": "4000 ", "zeros": "0 ", "brackets": "(0) ",
		"plus": "+4", "international": "+49 30 23125 12 ", "national": "030 23125 12, ", "phone words": "tel. 0171 ", "at": "@", "addresses": "a@", "local": "a.b", "dots": "a@b.",
		"domains": "a@a.aa-", "colons": ":", "hex": "a:", "hex digits": "1:2:3:4:5:6:7:8 ", "IPv4": "1.2.3.4 ", "IBAN begins": "DE89 ", "IBAN": "DE89 3704 0044 0532 0130 01 ", "ids": "AA 99 99 99 X ",
		"dates": "1.1.", "births": "geb. 1.1.1999 ", "months": "May 1 ", "salutations": "Dr. ", "given": "Anna ", "given and family": "Anna Müller ", "particles": "Anna von der ", "initials": "Anna A. ",
		"hyphens": "Anna-", "apostrophes": "o'", "spaces": " ", "not UTF-8": "\xff", "marks": "a\u0301", "wide": "😀", "umlauts": "Ä", "long word": "x", "extra": "zyx zyx zyx zyx ",
	}
	out := map[string]string{}
	for name, unit := range units {
		out[name] = strings.Repeat(unit, n/len(unit)+1)[:n]
	}
	return out
}

// TestWorkIsInProportion: twice the text takes at most about twice the steps and the memory, up to
// 64 KiB, whatever the text is.
func TestWorkIsInProportion(t *testing.T) {
	d, err := freetext.New(freetext.Options{Region: "DE", Names: []string{"zyx zyx zyx zyx zyx zyx zyx zyy"}})
	if err != nil {
		t.Fatal(err)
	}
	large := 64 << 10
	if !pacetest.Thorough() {
		large = 16 << 10
	}
	const times = 8
	small := large / times
	few := adversarial(small)
	most, worst := 0.0, ""
	for name, text := range adversarial(large) {
		steps, ratio := d.Steps(text), float64(d.Steps(text))/float64(d.Steps(few[name])+1)
		if perByte := float64(steps) / float64(large); perByte > most {
			most, worst = perByte, name
		}
		if ratio > 1.2*times {
			t.Errorf("%s: %.1f times the steps for %d times the text", name, ratio, times)
		}
		if a, b := allocated(d, text), allocated(d, few[name]); a > 2*times*b+1<<20 {
			t.Errorf("%s: %d bytes of memory, and %d for an eighth of the text", name, a, b)
		}
	}
	if t.Logf("at most %.0f steps a byte (%s)", most, worst); most > 120 {
		t.Errorf("%s: %.0f steps a byte", worst, most)
	}
}

// allocated is how many bytes Find allocates.
func allocated(d *freetext.Detector, text string) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	d.Find(text)
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// check is what holds for every text.
func check(tb interface{ Fatalf(string, ...any) }, d *freetext.Detector, text string) {
	end := 0
	found := d.Find(text)
	for _, f := range found {
		if f.Start < end || f.End <= f.Start || f.End > len(text) {
			tb.Fatalf("%+v overlaps, is empty or stands outside", f)
		}
		if utf8.ValidString(text) && (!utf8.ValidString(text[f.Start:f.End]) || !utf8.ValidString(text[:f.Start])) {
			tb.Fatalf("%+v cuts a character", f)
		}
		end = f.End
	}
	if !slices.Equal(found, d.Find(text)) {
		tb.Fatalf("the same text gives other findings")
	}
	red := d.Redact(text)
	if !utf8.ValidString(red) {
		tb.Fatalf("what is redacted is not UTF-8")
	}
	if len(found) == 0 && red != strings.ToValidUTF8(text, "\uFFFD") {
		tb.Fatalf("nothing is found, yet the text is another")
	}
	if steps := d.Steps(text); steps > 120*(len(text)+50) {
		tb.Fatalf("%d steps for %d bytes", steps, len(text))
	}
}

// TestWhateverTheText strings pieces of the corpus together: what holds for every text does.
func TestWhateverTheText(t *testing.T) {
	d := german(t)
	var pieces []string
	for _, s := range sentences(t) {
		pieces = append(pieces, s.text)
		for _, w := range s.want {
			pieces = append(pieces, s.text[w.start:w.end])
		}
	}
	pieces = append(pieces, " ", "-", ".", "@", "\xff", "é", "(", "+", "\u00a0", "0")
	rapid.Check(t, func(rt *rapid.T) {
		check(rt, d, strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 12).Draw(rt, "pieces"), ""))
	})
}

func FuzzFind(f *testing.F) {
	for _, s := range sentences(f) {
		f.Add(s.text)
	}
	for _, s := range adversarial(200) {
		f.Add(s)
	}
	d, err := freetext.New(freetext.Options{Region: "US", Names: []string{"zyx zyx"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) { check(t, d, text) })
}

// TestPlacesOfSaints: a place that is called after a saint is nobody's name; who has such
// a name and is greeted by it, or has another, is somebody.
func TestPlacesOfSaints(t *testing.T) {
	d, err := freetext.New(freetext.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{
		"São José dos Campos": false, "Santa Maria Novella": false, "Sankt Johann Tirol": false, "He lives in St. Peter Port now": false,
		"José Campos": true, "It was Maria Schmidt from São José dos Campos": true, "são José Campos": true, "He left Elm St. Maria Schmidt stayed": true,
	} {
		names := 0
		for _, f := range d.Find(text) {
			if f.Kind == freetext.Name {
				names++
			}
		}
		if names > 1 || (names == 1) != want {
			t.Errorf("%q: %+v", text, d.Find(text))
		}
	}
	if got, want := d.Redact("Dear Ms. Santa Maria Novak!"), "Dear Ms. [name] [name]!"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
