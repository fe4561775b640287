package page_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fieldvault/fieldvault/vault/portal/page"
)

// catalogue reads the messages of a language: for each key its placeholders, and
// for a plural the names of the forms too.
func catalogue(t *testing.T, l page.Lang) map[string][]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("messages", string(l), "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	all := map[string][]string{}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var part map[string]json.RawMessage
		if err := json.Unmarshal(b, &part); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for key, raw := range part {
			holes := regexp.MustCompile(`\{[a-z]+\}`).FindAllString(string(raw), -1)
			var forms map[string]string
			if json.Unmarshal(raw, &forms) == nil {
				holes = append(holes, slices.Collect(maps.Keys(forms))...)
			}
			slices.Sort(holes)
			all[key] = slices.Compact(holes)
		}
	}
	return all
}

// TestLanguagesSayTheSame: the same keys, each with the same placeholders.
func TestLanguagesSayTheSame(t *testing.T) {
	first := catalogue(t, page.English)
	for _, l := range page.Langs()[1:] {
		if diff := cmp.Diff(first, catalogue(t, l)); diff != "" {
			t.Errorf("%s differs from %s:\n%s", l, page.English, diff)
		}
	}
}

// TestEveryMessageIsUsed looks for each key in the templates and in the code.
func TestEveryMessageIsUsed(t *testing.T) {
	var text strings.Builder
	for _, pattern := range []string{"*.go", "templates/*.html", "templates/parts/*.html"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(name, "_test.go") {
				text.Write(b)
			}
		}
	}
	for key := range catalogue(t, page.English) {
		if !strings.Contains(text.String(), `"`+key+`"`) {
			t.Errorf("no page says %s", key)
		}
	}
}

// TestMatchLang: the first language of a browser that there is counts.
func TestMatchLang(t *testing.T) {
	for accept, want := range map[string]page.Lang{
		"": page.English, "de": page.German, "de-AT,en;q=0.5": page.German, "en-US,de;q=0.5": page.English,
		"fr,de;q=0.8,en;q=0.5": page.German, "xx": page.English, ";;;": page.English,
	} {
		if got := page.MatchLang(accept); got != want {
			t.Errorf("%q gives %s, want %s", accept, got, want)
		}
	}
}

// TestDatesAndPeriods are written as the language writes them.
func TestDatesAndPeriods(t *testing.T) {
	p := newPages(t)
	zone := time.FixedZone("CET", 3600)
	for l, want := range map[page.Lang][]string{
		page.English: {"Answer due by 3 January 2027.", "3 January 2027, 10:41 CET", "3 years", "6 months", "30 days", "1 day", "A, B and C"},
		page.German:  {"Antwort bis 3. Januar 2027.", "3. Januar 2027, 10:41 Uhr CET", "3 Jahre", "6 Monate", "30 Tage", "1 Tag", "A, B und C"},
	} {
		var said strings.Builder
		for _, pg := range []page.Page{
			page.Requests{Open: []page.RequestLine{{Due: day(2027, time.January, 3)}}},
			page.Problem{Retry: day(2027, time.January, 3).In(zone)},
			page.Purposes{Cards: []page.Purpose{
				{Retention: 1096, Fields: []string{"A", "B", "C"}}, {Retention: 183}, {Retention: 30}, {Retention: 1},
			}},
		} {
			b, err := p.Render(page.Frame{Lang: l}, pg)
			if err != nil {
				t.Fatal(err)
			}
			said.Write(b)
		}
		for _, w := range want {
			if !strings.Contains(said.String(), w) {
				t.Errorf("%s: no page says %q", l, w)
			}
		}
	}
}
