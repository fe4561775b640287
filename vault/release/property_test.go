package release_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fieldvault/fieldvault/vault/release"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func illnesses() release.Hierarchy {
	return must(release.Tree(map[string]string{
		"flu": "lungs", "asthma": "lungs", "ulcer": "stomach", "gastritis": "stomach", "lungs": "inside", "stomach": "inside", "burn": "skin",
	}))
}

// small draws a small table, which may have values missing.
func small(t *rapid.T) naive {
	columns := []release.Column{
		{Name: "age", Role: release.Quasi, Hierarchy: must(must(release.Numbers(5, 10)).Between(rapid.IntRange(0, 1).Draw(t, "finest"), rapid.IntRange(1, 3).Draw(t, "coarsest")))},
		{Name: "sex", Role: release.Quasi, Hierarchy: release.Suppression()},
		{Name: "zip", Role: release.Quasi, Hierarchy: must(must(release.Prefixes(2, 1)).Between(0, rapid.IntRange(1, 3).Draw(t, "zip")))},
	}
	values := []*rapid.Generator[string]{
		rapid.SampledFrom([]string{"1", "4", "7", "12", "18", ""}), rapid.SampledFrom([]string{"f", "m"}), rapid.SampledFrom([]string{"abc", "abd", "ax", "q"}),
	}
	if rapid.Bool().Draw(t, "illness") {
		columns = append(columns, release.Column{Name: "illness", Role: release.Sensitive, Hierarchy: illnesses(), Distance: rapid.SampledFrom([]release.Distance{release.Equal, release.Hierarchical}).Draw(t, "distance")})
		values = append(values, rapid.SampledFrom([]string{"flu", "asthma", "ulcer", "gastritis", "burn"}))
	}
	if rapid.Bool().Draw(t, "pay") {
		columns = append(columns, release.Column{Name: "pay", Role: release.Sensitive, Hierarchy: must(release.Numbers()), Distance: release.Ordered})
		values = append(values, rapid.SampledFrom([]string{"3", "4", "10", "100"}))
	}
	n := naive{columns: columns}
	for range rapid.IntRange(0, 16).Draw(t, "rows") {
		row := make([]string, len(columns))
		for i, g := range values {
			row[i] = g.Draw(t, columns[i].Name)
		}
		n.rows = append(n.rows, row)
	}
	return n
}

func model(t *rapid.T) release.Model {
	return release.Model{
		K: rapid.IntRange(2, 4).Draw(t, "k"), L: rapid.IntRange(1, 3).Draw(t, "l"), C: rapid.SampledFrom([]float64{0.5, 1, 2, 4}).Draw(t, "c"),
		Diversity:      rapid.SampledFrom([]release.Diversity{release.Distinct, release.Entropy, release.Recursive}).Draw(t, "diversity"),
		T:              rapid.SampledFrom([]float64{0.2, 0.4, 1}).Draw(t, "t"),
		MaxSuppression: rapid.SampledFrom([]float64{0, 0.1, 0.5}).Draw(t, "suppression"),
	}
}

func table(n naive) *release.Table {
	t := must(release.NewTable(n.columns...))
	for _, r := range n.rows {
		if err := t.Add(r...); err != nil {
			panic(err)
		}
	}
	return t
}

// TestWhatIsAcceptedMeetsTheModelAndWhatIsRefusedCannot compares with a search of all
// generalisations by the naive checker.
func TestWhatIsAcceptedMeetsTheModelAndWhatIsRefusedCannot(t *testing.T) {
	accepted, refused := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		n, m := small(t), model(t)
		may := int(m.MaxSuppression*float64(len(n.rows)) + 1e-9)
		serves := func(levels []int) bool {
			kept := len(n.at(levels).keep(m))
			return kept > 0 && len(n.rows)-kept <= may
		}
		r, err := release.Anonymise(table(n), m)
		var no *release.RefusalError
		switch {
		case errors.As(err, &no):
			refused++
			if i := slices.IndexFunc(n.nodes(), serves); i >= 0 {
				t.Fatalf("refused (%v), but levels %v serve", err, n.nodes()[i])
			}
		case err != nil:
			t.Fatal(err)
		default:
			accepted++
			compare(t, n, m, r, serves)
		}
	})
	if accepted == 0 || refused == 0 {
		t.Errorf("%d tables accepted, %d refused", accepted, refused)
	}
}

func compare(t *rapid.T, n naive, m release.Model, r *release.Result, serves func([]int) bool) {
	var levels []int
	for _, l := range r.Levels {
		levels = append(levels, l.Level)
	}
	got := naive{n.columns, rowsOf(r)}
	for _, row := range got.rows {
		if !got.fits(row, m) || !got.close(row, m) {
			t.Fatalf("the class of %v does not meet %v", row, m)
		}
	}
	// Classes stand or go whole: no value of a row that was left out is in a row.
	if diff := cmp.Diff(sorted(n.at(levels).keep(m)), sorted(got.rows)); diff != "" {
		t.Fatalf("rows (-want +got):\n%s", diff)
	}
	if r.Loss.Suppressed != len(n.rows)-len(got.rows) || !serves(levels) {
		t.Fatalf("%d of %d rows left out, said %d", len(n.rows)-len(got.rows), len(n.rows), r.Loss.Suppressed)
	}
	if r.Loss.Penalty < 0 || r.Loss.Penalty > 1 || r.Loss.Precision < -1e-9 || r.Loss.Precision > 1 {
		t.Fatalf("loss %+v", r.Loss)
	}
	for _, other := range n.nodes() {
		finer := !slices.Equal(other, levels)
		for i := range other {
			finer = finer && other[i] <= levels[i]
		}
		if finer && serves(other) {
			t.Fatalf("levels %v chosen, though the finer %v serve", levels, other)
		}
	}
}

func TestTheOrderOfTheRowsThatComeInDoesNotShow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, m := small(t), model(t)
		shuffled := naive{n.columns, rapid.Permutation(n.rows).Draw(t, "order")}
		a, errA := release.Anonymise(table(n), m)
		b, errB := release.Anonymise(table(shuffled), m)
		if fmt.Sprint(errA) != fmt.Sprint(errB) {
			t.Fatalf("%v or %v", errA, errB)
		}
		if errA != nil {
			return
		}
		var one, two bytes.Buffer
		if err := errors.Join(a.WriteCSV(&one), b.WriteCSV(&two)); err != nil {
			t.Fatal(err)
		}
		if one.String() != two.String() || a.Loss != b.Loss {
			t.Fatalf("another order gives another table:\n%s\n%s", one.String(), two.String())
		}
	})
}

// TestLevelsNest: two values that are alike at a level are alike at all coarser ones.
func TestLevelsNest(t *testing.T) {
	kinds := map[string]struct {
		h     release.Hierarchy
		value *rapid.Generator[string]
	}{
		"numbers":  {must(release.Numbers(1, 5, 10, 100)), rapid.Map(rapid.IntRange(-300, 300), func(i int) string { return fmt.Sprintf("%d.%d", i/2, i&1*5) })},
		"dates":    {must(release.Dates(release.Month, release.Quarter, release.Year, release.Decade)), rapid.StringMatching(`(19|20)[0-9][0-9]-(0[1-9]|1[0-2])-([01][1-9]|2[0-8])`)},
		"prefixes": {must(release.Prefixes(5, 3, 2, 1)), rapid.StringMatching(`[a*é]{1,7}`)},
		"tree":     {illnesses(), rapid.SampledFrom([]string{"flu", "asthma", "ulcer", "gastritis", "burn", "lungs", "skin", "inside", ""})},
		"whole":    {release.Suppression(), rapid.StringMatching(`[ab*]{0,2}`)},
	}
	for name, k := range kinds {
		t.Run(name, rapid.MakeCheck(func(t *rapid.T) {
			a, b := k.value.Draw(t, "a"), k.value.Draw(t, "b")
			_, top := k.h.Levels()
			alike := false
			for level := 0; level <= top; level++ {
				x, y := must(k.h.At(a, level)), must(k.h.At(b, level))
				if alike && x != y {
					t.Fatalf("%q and %q part at level %d", a, b, level)
				}
				alike = x == y
			}
			if x := must(k.h.At(a, top)); x != release.All {
				t.Fatalf("the last level has %q", x)
			}
		}))
	}
}
