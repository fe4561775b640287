package release_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fieldvault/fieldvault/vault/release"
)

// inpatients is figure 1 of Machanavajjhala, Kifer, Gehrke and Venkitasubramaniam,
// "l-Diversity: privacy beyond k-anonymity", ACM TKDD 1(1), 2007.
const inpatients = `13053 28 Russian heart
13068 29 American heart
13068 21 Japanese viral
13053 23 American viral
14853 50 Indian cancer
14853 55 Russian heart
14850 47 American viral
14850 49 American viral
13053 31 American cancer
13053 37 Indian cancer
13068 36 Japanese cancer
13068 35 American cancer`

func lines(text string) (rows [][]string) {
	for line := range strings.Lines(text) {
		rows = append(rows, strings.Fields(line))
	}
	return rows
}

// patients has the ages as the paper has them: below 30, in the thirties and from 40; then
// up to 40 and above.
func patients() naive {
	ages := map[string]string{"<30": "<=40", "3*": "<=40", ">=40": ">40"}
	for _, row := range lines(inpatients) {
		ages[row[1]] = map[bool]string{true: "3*", false: ">=40"}[row[1] < "40"]
		if row[1] < "30" {
			ages[row[1]] = "<30"
		}
	}
	return naive{rows: lines(inpatients), columns: []release.Column{
		{Name: "zip", Role: release.Quasi, Hierarchy: must(release.Prefixes(4, 3))},
		{Name: "age", Role: release.Quasi, Hierarchy: must(release.Tree(ages))},
		{Name: "nationality", Role: release.Quasi, Hierarchy: release.Suppression()},
		{Name: "condition", Role: release.Sensitive},
	}}
}

// TestTheInpatients gives the classes of the paper: the 4-anonymous table is its figure 2
// (with 148* for its 1485*, since a column has one level), the 3-diverse one its figure 3.
func TestTheInpatients(t *testing.T) {
	for name, c := range map[string]struct {
		model release.Model
		want  string
	}{
		"4-anonymous": {release.Model{K: 4, L: 1, T: 1}, `130* 3* * cancer
130* 3* * cancer
130* 3* * cancer
130* 3* * cancer
130* <30 * heart
130* <30 * heart
130* <30 * viral
130* <30 * viral
148* >=40 * cancer
148* >=40 * heart
148* >=40 * viral
148* >=40 * viral`},
		"3-diverse": {release.Model{K: 4, L: 3, T: 1}, `1305* <=40 * cancer
1305* <=40 * cancer
1305* <=40 * heart
1305* <=40 * viral
1306* <=40 * cancer
1306* <=40 * cancer
1306* <=40 * heart
1306* <=40 * viral
1485* >40 * cancer
1485* >40 * heart
1485* >40 * viral
1485* >40 * viral`},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := release.Anonymise(table(patients()), c.model)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(sorted(lines(c.want)), sorted(rowsOf(r))); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
			if r.Measure.K != 4 || r.Measure.L != float64(c.model.L) || r.Loss.Classes != 3 || r.Loss.Average != 4 || r.Loss.Discernibility != 48 {
				t.Errorf("measured %+v, lost %+v", r.Measure, r.Loss)
			}
		})
	}
}

// TestCheckMeasuresPublishedTables: figure 2 of Sweeney, "k-anonymity: a model for
// protecting privacy", 2002; and the salaries of tables 3 to 5 of Li, Li and
// Venkatasubramanian, "t-closeness", 2007, with the distances that their text gives.
func TestCheckMeasuresPublishedTables(t *testing.T) {
	quasi := release.Column{Name: "q", Role: release.Quasi, Hierarchy: release.Suppression()}
	salary := release.Column{Name: "salary", Role: release.Sensitive, Hierarchy: must(release.Numbers()), Distance: release.Ordered}
	for name, c := range map[string]struct {
		columns       []release.Column
		rows          string
		rowsN, n, k   int
		diversity, to float64
	}{
		"Sweeney": {[]release.Column{quasi, quasi, quasi, quasi, {Name: "problem", Role: release.Sensitive}}, `black 1965 m 0214* breath
black 1965 m 0214* chest
black 1965 f 0213* hypertension
black 1965 f 0213* hypertension
black 1964 f 0213* obesity
black 1964 f 0213* chest
white 1964 m 0213* chest
white 1964 m 0213* obesity
white 1964 m 0213* breath
white 1967 m 0213* chest
white 1967 m 0213* chest`, 11, 5, 2, 1, 9.0 / 11},
		"Li, 3-diverse":       {[]release.Column{quasi, salary}, "a 3\na 4\na 5\nb 6\nb 11\nb 8\nc 7\nc 9\nc 10", 9, 3, 3, 3, 0.375},
		"Li, 0.167-closeness": {[]release.Column{quasi, salary}, "a 3\na 5\na 9\nb 6\nb 11\nb 8\nc 4\nc 7\nc 10", 9, 3, 3, 3, 1.0 / 6},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := release.Check(slices.Values(lines(c.rows)), c.columns, release.Model{})
			if err != nil {
				t.Fatal(err)
			}
			want := release.Measure{Rows: c.rowsN, Classes: c.n, K: c.k, Sensitive: true, L: c.diversity}
			if got := m.T; math.Abs(got-c.to) > 1e-9 {
				t.Errorf("t is %v, not %v", got, c.to)
			}
			m.T = 0
			if m != want {
				t.Errorf("measured %+v, not %+v", m, want)
			}
		})
	}
}

// TestAMeasureThatFallsShortIsSaid, and so is a model that asks for nothing.
func TestAMeasureThatFallsShortIsSaid(t *testing.T) {
	m := release.Measure{Rows: 8, Classes: 2, K: 4, Sensitive: true, L: 2, T: 0.3}
	for _, c := range []struct {
		model release.Model
		want  string
	}{
		{release.Model{K: 4, L: 2, T: 0.3}, ""},
		{release.Model{K: 4, L: 1, T: 1}, ""},
		{release.Model{K: 5, L: 1, T: 1}, "a class has 4 rows, fewer than k = 5"},
		{release.Model{K: 4, L: 3, T: 1}, "a class is 2.00-diverse, less than l = 3"},
		{release.Model{K: 4, L: 1, T: 0.2}, "a class is 0.300 from the table, more than t = 0.2"},
		{release.Model{}, "a model needs a k of at least 2"},
		{release.Model{K: 2, T: 1}, "a model for a table with a sensitive column needs l, at least 1"},
		{release.Model{K: 2, L: 2}, "a model for a table with a sensitive column needs t, above 0 and at most 1"},
		{release.Model{K: 2, L: 2, T: math.NaN()}, "a model for a table with a sensitive column needs t, above 0 and at most 1"},
		{release.Model{K: 2, L: 2, T: 1, Diversity: release.Recursive}, "recursive l-diversity needs a positive c"},
		{release.Model{K: 2, L: 2, T: 1, MaxSuppression: 1}, "the share of rows that may be left out is from 0 to below 1"},
	} {
		got := ""
		if err := m.Meets(c.model); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%v: %q, not %q", c.model, got, c.want)
		}
		if strings.Contains(c.want, "model") || strings.Contains(c.want, "share") || strings.Contains(c.want, "positive") {
			if _, err := release.Anonymise(table(patients()), c.model); err == nil || err.Error() != c.want {
				t.Errorf("%v: %v, not %q", c.model, err, c.want)
			}
		}
	}
}

// TestARefusalSaysWhatWouldHelp.
func TestARefusalSaysWhatWouldHelp(t *testing.T) {
	capped := patients()
	capped.columns[0].Hierarchy = must(capped.columns[0].Hierarchy.Between(0, 1))
	capped.columns[1].Hierarchy = must(capped.columns[1].Hierarchy.Between(0, 1))
	for _, c := range []struct {
		n     naive
		model release.Model
		want  string
	}{
		{patients(), release.Model{K: 13, L: 1, T: 1}, "the table has 12 rows, fewer than k = 13: release it with more people, or not at all"},
		{patients(), release.Model{K: 2, L: 4, T: 1}, "the column condition has 3 values, fewer than l = 4: leave it out, or ask for a smaller l"},
		{patients(), release.Model{K: 2, L: 3, Diversity: release.Entropy, T: 1}, "with k = 2, l = 3 (entropy) no generalisation of these columns serves, whatever is left out: " +
			"ask for less of the sensitive columns, or leave one out"},
		{capped, release.Model{K: 3, L: 1, T: 1, MaxSuppression: 0.02}, "with k = 3 and at most 2 % suppressed no generalisation of these columns serves; " +
			"the nearest needs 66.7 % suppressed: zip by its first 4 characters, age at level 1 of its tree, nationality left out"},
	} {
		if _, err := release.Anonymise(table(c.n), c.model); err == nil || err.Error() != c.want {
			t.Errorf("%v: %v\nnot %s", c.model, err, c.want)
		}
	}
}
