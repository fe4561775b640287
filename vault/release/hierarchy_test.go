package release_test

import (
	"bytes"
	"encoding/csv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fieldvault/fieldvault/vault/release"
)

// TestLevels reads as the specification of the hierarchies.
func TestLevels(t *testing.T) {
	numbers, dates := must(release.Numbers(5, 10)), must(release.Dates(release.Month, release.Quarter, release.Year, release.Decade))
	prefixes := must(release.Prefixes(3, 1))
	for _, c := range []struct {
		h    release.Hierarchy
		in   string
		want string
	}{
		{numbers, "23", "23 20-24 20-29 *"},
		{numbers, "024.9", "24.9 20-24 20-29 *"},
		{numbers, "0", "0 0-4 0-9 *"},
		{numbers, "-0", "0 0-4 0-9 *"},
		{numbers, "-1", "-1 -5_to_-1 -10_to_-1 *"},
		{numbers, "1e2", "100 100-104 100-109 *"},
		{numbers, "", "   *"},
		{must(release.Numbers(1, 2)), "7.5", "7.5 7 6-7 *"},
		{dates, "2026-03-31", "2026-03-31 2026-03 2026-Q1 2026 2020-2029 *"},
		{dates, "1999-12-01T23:59:59+02:00", "1999-12-01 1999-12 1999-Q4 1999 1990-1999 *"},
		{prefixes, "13053", "13053 130* 1* *"},
		{prefixes, "éa", "éa éa* é* *"},
		{illnesses(), "flu", "flu lungs inside *"},
		{illnesses(), "burn", "burn burn skin *"},
		{illnesses(), "lungs", "lungs lungs inside *"},
		{release.Suppression(), "x", "x *"},
	} {
		var got []string
		_, top := c.h.Levels()
		for level := 0; level <= top; level++ {
			got = append(got, strings.ReplaceAll(must(c.h.At(c.in, level)), " ", "_"))
		}
		if line := strings.Join(got, " "); line != c.want {
			t.Errorf("%q: %q, not %q", c.in, line, c.want)
		}
	}
}

func TestWhatIsNoHierarchyIsRefused(t *testing.T) {
	for name, err := range map[string]error{
		"a width of 0":              second(release.Numbers(0)),
		"no multiple":               second(release.Numbers(5, 12)),
		"the same width":            second(release.Numbers(5, 5)),
		"steps that shrink":         second(release.Dates(release.Year, release.Month)),
		"no step":                   second(release.Dates(0)),
		"a prefix of 0":             second(release.Prefixes(3, 0)),
		"prefixes that grow":        second(release.Prefixes(2, 3)),
		"a circle":                  second(release.Tree(map[string]string{"a": "b", "b": "c", "c": "a"})),
		"itself":                    second(release.Tree(map[string]string{"a": "a"})),
		"an empty tree":             second(release.Tree(nil)),
		"an empty name":             second(release.Tree(map[string]string{"": "a"})),
		"all as a child":            second(release.Tree(map[string]string{release.All: "a"})),
		"levels that are not there": second(release.Suppression().Between(0, 2)),
		"levels upside down":        second(release.Suppression().Between(1, 0)),
		"levels of nothing":         second(release.Hierarchy{}.Between(0, 0)),
	} {
		if err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestWhatIsNoTableIsRefused(t *testing.T) {
	q := release.Column{Name: "q", Role: release.Quasi, Hierarchy: must(release.Numbers(10))}
	for name, columns := range map[string][]release.Column{
		"none":                       nil,
		"no role":                    {q, {Name: "a"}},
		"no name":                    {q, {Role: release.Sensitive}},
		"a name twice":               {q, q},
		"no quasi-identifier":        {{Name: "a", Role: release.Sensitive}},
		"no hierarchy":               {{Name: "a", Role: release.Quasi}},
		"a quasi with a distance":    {{Name: "a", Role: release.Quasi, Hierarchy: release.Suppression(), Distance: release.Hierarchical}},
		"order of what has none":     {q, {Name: "a", Role: release.Sensitive, Hierarchy: release.Suppression(), Distance: release.Ordered}},
		"a distance of no tree":      {q, {Name: "a", Role: release.Sensitive, Distance: release.Hierarchical}},
		"a distance that is unknown": {q, {Name: "a", Role: release.Sensitive, Distance: 9}},
	} {
		if _, err := release.NewTable(columns...); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	table := must(release.NewTable(q, release.Column{Name: "s", Role: release.Sensitive, Hierarchy: illnesses()}))
	for _, row := range [][]string{{"1"}, {"1", "flu", "x"}, {"canary", "flu"}, {"1", "canary"}, {"NaN", "flu"}, {"Inf", "flu"}, {"1e300", "flu"}, {"0x1p60", "flu"}} {
		if err := table.Add(row...); err == nil || table.Rows() != 0 || strings.Contains(err.Error(), "canary") {
			t.Errorf("%q: %v, %d rows", row, err, table.Rows())
		}
	}
}

// TestASpreadsheetRunsNothing: no value of a CSV begins a formula, and each can be read back.
func TestASpreadsheetRunsNothing(t *testing.T) {
	values := []string{"=1+1", "+1", "-1+1", "@SUM(A1)", "\tx", "\nx", "'quoted", "＝1", "a=1", "-12", "-1.5", "-", "a,\"b\"", "日本"}
	table := must(release.NewTable(
		release.Column{Name: "=q", Role: release.Quasi, Hierarchy: release.Suppression()}, release.Column{Name: "s", Role: release.Sensitive}))
	for _, v := range values {
		for range 2 {
			if err := table.Add("same", v); err != nil {
				t.Fatal(err)
			}
		}
	}
	var file bytes.Buffer
	if err := must(release.Anonymise(table, release.Model{K: 2, L: 1, T: 1})).WriteCSV(&file); err != nil {
		t.Fatal(err)
	}
	rows := must(csv.NewReader(&file).ReadAll())
	if rows[0][0] != "'=q" {
		t.Errorf("the name of the column is %q", rows[0][0])
	}
	back := map[string]int{}
	for _, row := range rows[1:] {
		v := row[1]
		if strings.ContainsAny(v[:1], "=+@\t\r\n") || strings.HasPrefix(v, "＝") || v[0] == '-' && v != "-12" && v != "-1.5" {
			t.Errorf("%q begins a formula", v)
		}
		back[strings.TrimPrefix(v, "'")]++
	}
	want := map[string]int{}
	for _, v := range values {
		want[v] = 2
	}
	if diff := cmp.Diff(want, back); diff != "" {
		t.Errorf("values read back (-want +got):\n%s", diff)
	}
}
