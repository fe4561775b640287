package processing_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fieldvault/fieldvault/vault/processing"
)

func TestCompare(t *testing.T) {
	type diffs = []processing.Difference
	none := []string{}
	for _, tt := range []struct {
		name, copied, now string
		want              diffs
	}{
		{"same", "a\nb\n", "a\nb\n", diffs{}},
		{"line ends of another system", "a\r\nb", "a\nb\n", diffs{}},
		{"both empty", "", "", diffs{}},
		{"changed", "a\nb\nc\n", "a\nx\nc\n", diffs{{Line: 2, Says: []string{"b"}, Now: []string{"x"}}}},
		{"missing", "a\nc\n", "a\nb\nc\n", diffs{{Line: 2, Says: none, Now: []string{"b"}}}},
		{"surplus", "a\nb\nc\n", "a\nc\n", diffs{{Line: 2, Says: []string{"b"}, Now: none}}},
		{"two places", "a\nb\nc\nd\n", "x\nb\nc\ny\n", diffs{
			{Line: 1, Says: []string{"a"}, Now: []string{"x"}}, {Line: 4, Says: []string{"d"}, Now: []string{"y"}},
		}},
		{"the copy is empty", "", "a\n", diffs{{Line: 1, Says: none, Now: []string{"a"}}}},
		{"nothing is left", "a\n", "", diffs{{Line: 1, Says: []string{"a"}, Now: none}}},
	} {
		if diff := cmp.Diff(tt.want, processing.Compare([]byte(tt.copied), []byte(tt.now)), cmp.Comparer(slices.Equal[[]string])); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// TestDifferencesMakeTheCopyCurrent: put where they say, they make the one text the other.
func TestDifferencesMakeTheCopyCurrent(t *testing.T) {
	text := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "d"}), 0, 12)
	rapid.Check(t, func(r *rapid.T) {
		a, b := text.Draw(r, "copied"), text.Draw(r, "now")
		diffs := processing.Compare([]byte(strings.Join(a, "\n")), []byte(strings.Join(b, "\n")))
		patched := slices.Clone(a)
		for _, d := range slices.Backward(diffs) {
			end := d.Line - 1 + len(d.Says)
			if !slices.Equal(patched[d.Line-1:end], d.Says) {
				r.Fatalf("line %d does not say %q", d.Line, d.Says)
			}
			patched = slices.Replace(patched, d.Line-1, end, d.Now...)
		}
		if !slices.Equal(patched, b) {
			r.Fatalf("%q became %q", a, patched)
		}
	})
}

// TestLongTextsAreCompared: beyond the bound the place is named as a whole.
func TestLongTextsAreCompared(t *testing.T) {
	long := func(word string) []byte { return []byte("same\n" + strings.Repeat(word+"\n", 3000) + "end\n") }
	got := processing.Compare(long("a"), long("b"))
	if len(got) != 1 || got[0].Line != 2 || len(got[0].Says) != 3000 || len(got[0].Now) != 3000 {
		t.Errorf("%d differences", len(got))
	}
}
