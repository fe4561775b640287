package release_test

import (
	"bytes"
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/vault/pacetest"
	"github.com/fieldvault/fieldvault/vault/release"
	"github.com/fieldvault/fieldvault/vault/release/parquetfile"
)

// dice throws the same numbers each time (splitmix64, Steele et al., 2014).
type dice uint64

// IntN returns a number from 0 to below n.
func (d *dice) IntN(n int) int {
	*d += 0x9e3779b97f4a7c15
	z := uint64(*d)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return int((z ^ z>>31) % uint64(n))
}

// adults makes n rows with columns of the Adult census data (UCI machine learning
// repository): age, sex, race, education, and occupation as the sensitive one; and a
// postcode. They are generated, with about the shares of the census, and not the census.
func adults(n int) naive {
	r := dice(1)
	var rows [][]string
	weighted := func(values []string, weights []int) string {
		total := 0
		for _, w := range weights {
			total += w
		}
		x := r.IntN(total)
		for i, w := range weights {
			if x -= w; x < 0 {
				return values[i]
			}
		}
		return ""
	}
	education := []string{"HS-grad", "Some-college", "Bachelors", "Masters", "Assoc-voc", "11th", "Assoc-acdm", "10th", "7th-8th", "Prof-school", "9th", "Doctorate"}
	jobs := []string{"Prof-specialty", "Craft-repair", "Exec-managerial", "Adm-clerical", "Sales", "Other-service", "Machine-op-inspct", "Transport-moving", "Handlers-cleaners", "Farming-fishing", "Tech-support", "Protective-serv", "Priv-house-serv", "Armed-Forces"}
	for range n {
		age := min(90, 17+r.IntN(30)+r.IntN(1+r.IntN(50)))
		rows = append(rows, []string{
			strconv.Itoa(age), weighted([]string{"Male", "Female"}, []int{67, 33}),
			weighted([]string{"White", "Black", "Asian-Pac-Islander", "Amer-Indian-Eskimo", "Other"}, []int{854, 96, 31, 10, 8}),
			weighted(education, []int{322, 223, 164, 54, 42, 37, 33, 29, 20, 18, 16, 13}),
			fmt.Sprintf("%05d", 10000+r.IntN(40)*977%9000),
			weighted(jobs, []int{128, 127, 126, 117, 113, 102, 62, 50, 43, 31, 29, 20, 5, 1}),
		})
	}
	schools := map[string]string{"school": "any school", "college": "any school"}
	for i, e := range education {
		schools[e] = map[bool]string{true: "college", false: "school"}[slices.Contains([]int{1, 2, 3, 4, 6, 9, 11}, i)]
	}
	return naive{rows: rows, columns: []release.Column{
		{Name: "age", Role: release.Quasi, Hierarchy: must(release.Numbers(5, 10, 20))},
		{Name: "sex", Role: release.Quasi, Hierarchy: release.Suppression()},
		{Name: "race", Role: release.Quasi, Hierarchy: release.Suppression()},
		{Name: "education", Role: release.Quasi, Hierarchy: must(release.Tree(schools))},
		{Name: "postcode", Role: release.Quasi, Hierarchy: must(release.Prefixes(3, 2, 1))},
		{Name: "occupation", Role: release.Sensitive},
	}}
}

// attacker knows a person's quasi-identifiers, and how coarse the release is.
type attacker struct {
	release *release.Result
	rows    map[string][][]string
}

func newAttacker(r *release.Result) attacker {
	a := attacker{r, map[string][][]string{}}
	for _, row := range rowsOf(r) {
		key := fmt.Sprint(row[:len(r.Levels)])
		a.rows[key] = append(a.rows[key], row)
	}
	return a
}

// link returns the rows of the release that may be the person's.
func (a attacker) link(person []string) [][]string {
	known := make([]string, len(a.release.Levels))
	for i, l := range a.release.Levels {
		known[i] = must(a.release.Columns[i].Hierarchy.At(person[i], l.Level))
	}
	return a.rows[fmt.Sprint(known)]
}

// jobs returns how many of the rows have each sensitive value, the most frequent first.
func jobs(rows [][]string) (counts []int) {
	by := map[string]int{}
	for _, r := range rows {
		by[r[len(r)-1]]++
	}
	for _, n := range by {
		counts = append(counts, n)
	}
	slices.SortFunc(counts, func(a, b int) int { return cmp.Compare(b, a) })
	return counts
}

// TestAttacksFail: the linkage attack of Sweeney, and the homogeneity and background
// knowledge attacks of Machanavajjhala et al., on everyone in the table.
func TestAttacksFail(t *testing.T) {
	n := adults(3000 / pacetest.Every(4))
	for _, m := range []release.Model{
		{K: 10, L: 1, T: 1, MaxSuppression: 0.02},
		{K: 5, L: 4, T: 1, MaxSuppression: 0.02},
		{K: 5, L: 4, T: 1, Diversity: release.Entropy},
		{K: 5, L: 3, T: 1, Diversity: release.Recursive, C: 2},
		{K: 5, L: 3, T: 0.25, MaxSuppression: 0.05},
	} {
		t.Run(m.String(), func(t *testing.T) {
			r, err := release.Anonymise(table(n), m)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%v: %+v", r.Levels, r.Loss)
			a, gone := newAttacker(r), 0
			for _, person := range n.rows {
				rows := a.link(person)
				if len(rows) == 0 {
					gone++
					continue
				}
				if len(rows) < m.K {
					t.Fatalf("%v is one of %d", person, len(rows))
				}
				learn(t, m, person, jobs(rows))
			}
			if gone != r.Loss.Suppressed || float64(gone) > m.MaxSuppression*float64(len(n.rows)) {
				t.Errorf("%d people are not in the release, which says %d", gone, r.Loss.Suppressed)
			}
			got := naive{n.columns, rowsOf(r)}
			for _, row := range got.rows[:min(len(got.rows), 50)] {
				if !got.fits(row, m) || !got.close(row, m) {
					t.Fatalf("the class of %v does not meet %v", row, m)
				}
			}
		})
	}
}

// learn fails if the values of a person's class, by frequency, tell one who can rule out
// l-2 of them which is the person's; with the recursive sense, even nearly.
func learn(t *testing.T, m release.Model, person []string, counts []int) {
	t.Helper()
	if m.L == 1 {
		return
	}
	if len(counts) < m.L {
		t.Fatalf("the class of %v has %d values", person, len(counts))
	}
	if m.Diversity != release.Recursive {
		return
	}
	left := counts[0] // the others that are worst for the person are ruled out: the next most frequent
	for _, n := range counts[m.L-1:] {
		left += n
	}
	if share := float64(counts[0]) / float64(left); share >= m.C/(1+m.C) {
		t.Fatalf("whoever rules out %d values knows %v's with %v", m.L-2, person, share)
	}
}

// TestTheAttacksWouldSucceed on tables that ask for less: the attacks are real.
func TestTheAttacksWouldSucceed(t *testing.T) {
	r := must(release.Anonymise(table(patients()), release.Model{K: 4, L: 1, T: 1}))
	if got := jobs(newAttacker(r).link([]string{"13053", "31", "American"})); len(got) != 1 {
		t.Errorf("in the 4-anonymous table the person of 31 has one of %d conditions, not cancer for sure", len(got))
	}
	// She is known not to have a heart disease, so it is the infection.
	if got := jobs(newAttacker(r).link([]string{"13068", "21", "Japanese"})); len(got) != 2 {
		t.Errorf("the person of 21 has one of %d conditions", len(got))
	}
	diverse := must(release.Anonymise(table(patients()), release.Model{K: 4, L: 3, T: 1}))
	for _, person := range lines(inpatients) {
		if got := jobs(newAttacker(diverse).link(person)); len(got) < 3 {
			t.Errorf("%v has one of %d conditions", person, len(got))
		}
	}
}

// TestOnePersonApartIsLeftOutWhole: no value of hers is in the files.
func TestOnePersonApartIsLeftOutWhole(t *testing.T) {
	n := adults(2000)
	tree := map[string]string{"Canary-race": release.All}
	for _, r := range n.rows {
		tree[r[2]] = "any of the census"
	}
	n.columns[2].Hierarchy = must(must(release.Tree(tree)).Between(0, 1))
	n.rows = append(n.rows, []string{"89", "Female", "Canary-race", "Doctorate", "99999", "Canary-job"})
	r, err := release.Anonymise(table(n), release.Model{K: 5, L: 2, T: 1, MaxSuppression: 0.01})
	if err != nil {
		t.Fatal(err)
	}
	var text, file bytes.Buffer
	if err := r.WriteCSV(&text); err != nil {
		t.Fatal(err)
	}
	if err := parquetfile.Write(&file, r.Names(), r.Rows()); err != nil {
		t.Fatal(err)
	}
	for _, b := range [][]byte{text.Bytes(), file.Bytes()} {
		if bytes.Contains(b, []byte("anary")) || bytes.Contains(b, []byte("9999")) {
			t.Error("a file holds a value of a person who was left out")
		}
	}
	if r.Loss.Suppressed == 0 || len(rowsOf(r))+r.Loss.Suppressed != len(n.rows) {
		t.Errorf("lost %+v", r.Loss)
	}
}

// million is a table of a million rows with four quasi-identifiers.
func million() *release.Table {
	n := adults(1_000_000)
	n.columns = slices.Delete(n.columns, 2, 3)
	for i, r := range n.rows {
		n.rows[i] = slices.Delete(r, 2, 3)
	}
	return table(n)
}

// apart is the same with a day of birth and a postcode of five digits, so that hardly two
// people have all in common.
func apart() *release.Table {
	n := adults(1_000_000)
	n.columns = slices.Delete(n.columns, 2, 3)
	n.columns[0] = release.Column{Name: "born", Role: release.Quasi, Hierarchy: must(release.Dates(release.Month, release.Year, release.Decade))}
	for i, r := range n.rows {
		age, _ := strconv.Atoi(r[0])
		n.rows[i] = slices.Delete(r, 2, 3)
		r[0] = time.Date(2026-age, 1, 1+i*7919%365, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
		r[3] = fmt.Sprintf("%05d", i*7907%100_000)
	}
	return table(n)
}

// TestAMillionRows prints what a release of a million people takes.
func TestAMillionRows(t *testing.T) {
	pacetest.NeedTime(t)
	for name, table := range map[string]*release.Table{"ages and 40 postcodes": million(), "birthdays and 100,000 postcodes": apart()} {
		for _, m := range []release.Model{
			{K: 10, L: 4, T: 1, MaxSuppression: 0.01},
			{K: 10, L: 3, T: 0.2, MaxSuppression: 0.01},
		} {
			debug.FreeOSMemory()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			r, err := release.Anonymise(table, m)
			if err != nil {
				t.Fatal(err)
			}
			took := time.Since(start).Round(time.Millisecond)
			runtime.ReadMemStats(&after)
			t.Logf("%s, %v: %v, %d MiB of heap more, %d MiB allocated in all, %v, %+v, %+v", name, m, took, (int64(after.HeapSys)-int64(before.HeapInuse))>>20,
				(after.TotalAlloc-before.TotalAlloc)>>20, r.Levels, r.Loss, r.Measure)
			if r.Measure.K < m.K || r.Measure.Rows+r.Loss.Suppressed != 1_000_000 {
				t.Errorf("measured %+v", r.Measure)
			}
		}
	}
}

// BenchmarkAnonymise is of a hundred thousand rows.
func BenchmarkAnonymise(b *testing.B) {
	table := table(adults(100_000))
	b.ReportAllocs()
	for b.Loop() {
		r, err := release.Anonymise(table, release.Model{K: 10, L: 4, T: 1, MaxSuppression: 0.01})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(r.Loss.Tried), "nodes/op")
	}
}
