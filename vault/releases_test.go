package vault_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/parquet-go/parquet-go"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

// tableCatalog declares tables for a purpose that rests on consent and for one that
// people may object to.
const tableCatalog = `title: Shop
purposes:
  support: {title: Help, text: We help., benefit: Help., basis: contract}
  analytics: {title: Counting, text: We count., benefit: Better., basis: consent}
  insight: {title: Insight, text: We count., benefit: Better., basis: legitimate_interests}
  planning: {title: Planning, text: We plan., benefit: Better., basis: legitimate_interests}
collections:
  customer:
    fields:
      country: {type: text, purposes: [support, analytics, insight]}
      postcode: {type: text, purposes: [support, analytics, insight]}
      spent: {type: number, purposes: [support, analytics, insight], retention: 30}
      born: {type: date, purposes: [support, insight]}
      music: {type: text, purposes: [support, analytics, insight]}
      name: {type: text, purposes: [support, analytics, insight]}
    releases:
      purposes:
        analytics: {every: P30D, k: 5, l: 2, max_suppression: 0.2}
        insight: {every: P30D, k: 5, l: 2, t: 0.5, max_suppression: 0.2}
      quasi_identifiers:
        country: {tree: {Americas: [Chile, Peru], Europe: [Norway, Spain]}}
        postcode: {prefixes: [2, 1]}
        born: {periods: [month, year, decade], finest: 1}
      sensitive:
        spent: {distance: ordered}
        music: {}
`

const tablePolicy = rightsPolicy + `
permit (principal in Role::"analyst", action == Action::"release", resource) when { ["analytics", "insight"].contains(context.purpose) };
permit (principal in Role::"dpo", action == Action::"restrict", resource);
`

// tableVault has n people, who all agreed to be in tables.
func tableVault(t *testing.T, n int) *vaulttest.Vault {
	t.Helper()
	v := newVault(t, vaulttest.Options{Catalog: tableCatalog, Policy: tablePolicy})
	for i := range n {
		stores(t, v, person(i), rowOf(i))
		decides(t, v, person(i), "analytics", "granted")
	}
	return v
}

// rowOf is what the i-th person has: in each eight of them every country twice.
func rowOf(i int) map[string]string {
	return map[string]string{
		"country": []string{"Chile", "Norway", "Peru", "Spain"}[i%4], "postcode": []string{"8320", "0171", "8400", "0180"}[i%4],
		"spent": strconv.Itoa(1 + i%7), "born": fmt.Sprintf("19%02d-05-0%d", 80+i%10, 1+i%9), "music": []string{"rock", "jazz", "folk"}[i%3],
	}
}

func byPlace(p accessctl.Purpose) (accessctl.Purpose, vault.ReleaseQuery) {
	return p, vault.ReleaseQuery{Collection: "customer", Columns: []string{"country", "postcode", "spent", "music"}, Format: vault.FormatCSV}
}

// releases releases a table, and gives its rows, the names first.
func releases(t *testing.T, v *vaulttest.Vault, p accessctl.Purpose, q vault.ReleaseQuery) (vault.ReleaseReport, [][]string) {
	t.Helper()
	out, err := v.Release(t.Context(), v.As("analyst", p), q)
	if err != nil {
		t.Fatalf("%+v: %v", q, err)
	}
	return out.Report, rowsOf(t, out)
}

func rowsOf(t *testing.T, r *vault.Released) [][]string {
	t.Helper()
	var b bytes.Buffer
	if err := r.Write(&b); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&b).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// meets checks k and distinct l of what came out, with nothing but the rows; quasi is how
// many columns at the left are quasi-identifiers. It gives the least of each.
func meets(t *testing.T, rows [][]string, quasi int) (k, l int) {
	t.Helper()
	size, values := map[string]int{}, map[string]map[string]bool{}
	for _, row := range rows[1:] {
		class := strings.Join(row[:quasi], "\x00")
		size[class]++
		for i := quasi; i < len(row); i++ {
			at := class + "\x00" + rows[0][i]
			if values[at] == nil {
				values[at] = map[string]bool{}
			}
			values[at][row[i]] = true
		}
	}
	k, l = len(rows), len(rows)
	for _, n := range size {
		k = min(k, n)
	}
	for _, v := range values {
		l = min(l, len(v))
	}
	return k, l
}

// farthest is the greatest earth mover's distance of a class from the table in one
// column, with nothing but the rows: of numbers, whose values are steps of one, or of
// values any two of which are as far from one another (Li et al., 2007, section 5).
func farthest(rows [][]string, quasi, col int, numbers bool) (far float64) {
	all, classes := map[string]float64{}, map[string]map[string]float64{}
	size := map[string]float64{}
	for _, row := range rows[1:] {
		class := strings.Join(row[:quasi], "\x00")
		if classes[class] == nil {
			classes[class] = map[string]float64{}
		}
		classes[class][row[col]]++
		size[class]++
		all[row[col]] += 1 / float64(len(rows)-1)
	}
	values := slices.Sorted(maps.Keys(all)) // digits, of one place each
	for name, c := range classes {
		carried, distance := 0.0, 0.0
		for _, v := range values {
			extra := c[v]/size[name] - all[v]
			if carried += extra; numbers {
				distance += math.Abs(carried) / float64(len(values)-1)
			} else {
				distance += math.Abs(extra) / 2
			}
		}
		far = max(far, distance)
	}
	return far
}

// TestATableMeetsWhatTheCatalogAsks: k and l of the rows are those of the report, and of
// nobody is anything in it but the columns.
func TestATableMeetsWhatTheCatalogAsks(t *testing.T) {
	v := tableVault(t, 64)
	p, q := byPlace("analytics")
	report, rows := releases(t, v, p, q)
	if strings.Join(rows[0], " ") != "country postcode spent music" || len(rows) != 65 || report.People != 64 || report.Suppressed != 0 {
		t.Fatalf("%d rows of %v, %+v", len(rows), rows[0], report)
	}
	k, l := meets(t, rows, 2)
	if k < 5 || l < 2 || k != report.K || float64(l) != report.L || report.Classes != 4 || report.Columns[0].Level != 0 {
		t.Errorf("k %d, l %d of a table with %+v", k, l, report)
	}
	if report.Asked != "k = 5, l = 2 (distinct)" || !report.Next.Equal(v.Clock.Now().Add(30*24*time.Hour).UTC()) {
		t.Errorf("%+v", report)
	}
	for _, row := range rows[1:] {
		if c, p := row[0], row[1]; !strings.Contains("Chile8320 Peru8400 Norway0171 Spain0180", c+p) {
			t.Errorf("a row of %v", row)
		}
	}
}

// TestAskingForMore: stricter is taken, looser is not.
func TestAskingForMore(t *testing.T) {
	v := tableVault(t, 64)
	p, q := byPlace("analytics")
	loose, none := int64(201), int64(0)
	for name, change := range map[string]func(*vault.ReleaseQuery){
		"k":               func(q *vault.ReleaseQuery) { q.K = 4 },
		"l":               func(q *vault.ReleaseQuery) { q.L = 1 },
		"t":               func(q *vault.ReleaseQuery) { q.T = 1001 },
		"max_suppression": func(q *vault.ReleaseQuery) { q.Suppression = &loose },
		"format":          func(q *vault.ReleaseQuery) { q.Format = "xlsx" },
	} {
		bad := q
		change(&bad)
		if _, err := v.Release(t.Context(), v.As("analyst", p), bad); !invalidIn(err, name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	q.K, q.L, q.T, q.Suppression = 20, 3, 300, &none
	report, rows := releases(t, v, p, q)
	if far := max(farthest(rows, 2, 2, true), farthest(rows, 2, 3, false)); far > 0.3 || math.Abs(far-report.T) > 1e-9 {
		t.Errorf("t of the table is %g, and %g in %+v", far, report.T, report)
	}
	if k, l := meets(t, rows, 2); k < 20 || l < 3 || report.Suppressed != 0 || report.Columns[0].Words != "at level 1 of its tree" {
		t.Errorf("k %d, l %d of a table with %+v", k, l, report)
	}
	if report.Asked != "k = 20, l = 3 (distinct), t = 0.3" {
		t.Errorf("asked: %s", report.Asked)
	}
}

// TestOnlyWhoMayBeHandedOnIs: the erased, the withdrawn, those who never agreed, the
// restricted and those who object are gone from the next table.
func TestOnlyWhoMayBeHandedOnIs(t *testing.T) {
	v := tableVault(t, 64)
	p, q := byPlace("analytics")
	first, _ := releases(t, v, p, q)
	for i := range 8 {
		if _, err := v.Erase(t.Context(), v.As("dpo", ""), vault.Erasing{Subject: person(i), Reason: "asked"}); err != nil {
			t.Fatal(err)
		}
	}
	for i := 8; i < 16; i++ {
		decides(t, v, person(i), "analytics", "withdrawn")
	}
	for i := 16; i < 24; i++ {
		if err := v.SetRestriction(t.Context(), v.As("dpo", ""), person(i), true, ""); err != nil {
			t.Fatal(err)
		}
	}
	stores(t, v, "p-new", rowOf(0))
	v.Clock.Advance(30 * 24 * time.Hour)
	second, rows := releases(t, v, p, q)
	if first.People != 64 || second.People != 40 || len(rows)+second.Suppressed != 41 {
		t.Errorf("%d people, then %d in %d rows", first.People, second.People, len(rows)-1)
	}
	for i := 24; i < 32; i++ {
		decides(t, v, person(i), "insight", "objected")
	}
	if other, _ := releases(t, v, "insight", q); other.People != 41 {
		t.Errorf("%d people for a purpose without consent", other.People)
	}
}

// TestOneRowForEachPerson: of several records the newest counts, what has expired or is
// missing is missing, and a value that the tree does not name is in no table.
func TestOneRowForEachPerson(t *testing.T) {
	v := newVault(t, vaulttest.Options{Catalog: tableCatalog, Policy: tablePolicy})
	put := func(subject, record, country, spent string) {
		t.Helper()
		values := vaulttest.Values(map[string]string{"country": country, "music": record})
		if spent != "" {
			values["spent"] = []byte(spent)
		}
		w := vault.Write{Subject: subject, Collection: "customer", Record: record, Fields: values}
		if _, err := v.Vault.Put(t.Context(), v.As("app", "support"), w, vault.Idempotency{}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 6 {
		put(person(i), "z", "Chile", "7")
		v.Clock.Advance(2 * time.Second)
		put(person(i), "a", "Norway", strconv.Itoa(1+i))
		put(person(i), "c", "Norway", strconv.Itoa(1+i)) // of the same second, and later by its id
	}
	put("stranger", "a", "Atlantis", "3")
	v.Clock.Advance(31 * 24 * time.Hour)
	put(person(0), "d", "Spain", "9")
	_, q := byPlace("insight")
	q.Columns = []string{"country", "spent", "music"}
	report, rows := releases(t, v, "insight", vault.ReleaseQuery{Collection: "customer", Columns: []string{"country", "music"}, Format: vault.FormatCSV})
	if report.People != 6 || len(rows) != 7 {
		t.Fatalf("%d people in %v", report.People, rows)
	}
	got := map[string]int{}
	for _, row := range rows[1:] {
		got[strings.Join(row, " ")]++
	}
	if got["Europe c"] != 5 || got["Europe d"] != 1 {
		t.Errorf("rows: %v", got)
	}
	v.Clock.Advance(31 * 24 * time.Hour)
	put(person(0), "d", "Spain", "9")
	_, rows = releases(t, v, "insight", q)
	clear(got)
	for _, row := range rows[1:] {
		got[row[1]]++
	}
	if got[""] != 5 || got["9"] != 1 || len(got) != 2 {
		t.Errorf("of five people what they spent has expired: %v", got)
	}
}

// TestATableThatNoneMeetsIsRefused: with the reason, as the end of a try; nothing of
// anyone is in it.
func TestATableThatNoneMeetsIsRefused(t *testing.T) {
	v := tableVault(t, 16)
	p, q := byPlace("analytics")
	for name, tt := range map[string]struct {
		change func(*vault.ReleaseQuery)
		want   string
	}{
		"more than there are": {func(q *vault.ReleaseQuery) { q.K = 17 }, "the table has 16 rows, fewer than k = 17"},
		"too diverse":         {func(q *vault.ReleaseQuery) { q.L = 4 }, "the column music has 3 values, fewer than l = 4"},
	} {
		bad := q
		tt.change(&bad)
		_, err := v.Release(t.Context(), v.As("analyst", p), bad)
		var refused *vault.ReleaseRefusedError
		if !errors.As(err, &refused) || !strings.HasPrefix(refused.Reason, tt.want) || strings.Contains(refused.Reason, "rock") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, e := range tables(t, v) {
		if failed := e.Outcome == audit.Failed; failed != (e.Code == "table") || failed != (e.Refers != uuid.Nil) {
			t.Errorf("an event: %+v", e)
		}
	}
	q.K, q.T = 9, 1 // everyone in one class is as near as can be
	if report, rows := releases(t, v, p, q); report.Classes != 1 || rows[1][0] != "*" || turnRows(t, v)[0].Tries != 3 {
		t.Errorf("everyone in one class: %+v", report)
	}
}

func TestWhoMayAskForTables(t *testing.T) {
	v := tableVault(t, 1)
	p, q := byPlace("analytics")
	with := func(change func(*vault.ReleaseQuery)) vault.ReleaseQuery {
		q := q
		change(&q)
		return q
	}
	for name, tt := range map[string]struct {
		role    accessctl.Role
		purpose accessctl.Purpose
		q       vault.ReleaseQuery
		want    error  // or
		invalid string // the parameter
	}{
		"a role without the action":     {"dpo", p, q, vault.ErrDenied, ""},
		"operators":                     {"operator", p, q, vault.ErrDenied, ""},
		"a purpose that policy forbids": {"analyst", "planning", q, vault.ErrDenied, ""},
		"a field not for the purpose":   {"analyst", p, with(func(q *vault.ReleaseQuery) { q.Columns = nil }), vault.ErrDenied, ""},
		"no purpose":                    {"analyst", "", q, nil, "purpose"},
		"no releases":                   {"app", "support", q, nil, "purpose"},
		"no such collection":            {"analyst", p, with(func(q *vault.ReleaseQuery) { q.Collection = "order" }), nil, "collection"},
		"no such field":                 {"analyst", p, with(func(q *vault.ReleaseQuery) { q.Columns = []string{"country", "email"} }), nil, "columns"},
		"a field not declared":          {"analyst", p, with(func(q *vault.ReleaseQuery) { q.Columns = []string{"country", "name"} }), nil, "columns"},
		"one field twice":               {"analyst", p, with(func(q *vault.ReleaseQuery) { q.Columns = []string{"country", "country"} }), nil, "columns"},
		"no quasi-identifier":           {"analyst", p, with(func(q *vault.ReleaseQuery) { q.Columns = []string{"music"} }), nil, "columns"},
	} {
		_, err := v.Release(t.Context(), v.As(tt.role, tt.purpose), tt.q)
		if tt.want != nil && !errors.Is(err, tt.want) || tt.want == nil && !invalidIn(err, tt.invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, row := range turnRows(t, v) {
		if row.Tries != 0 {
			t.Errorf("what was refused before data were read is a try: %+v", row)
		}
	}
}

func turnRows(t *testing.T, v *vaulttest.Vault) (rows []vault.ReleaseTurn) {
	t.Helper()
	err := v.Store.View(t.Context(), func(tx vault.Tx) (err error) {
		rows, err = tx.ReleaseTurns(t.Context(), 1)
		return err
	})
	if err != nil || len(rows) != 2 {
		t.Fatalf("turns: %+v, %v", rows, err)
	}
	return rows
}

// TestOneTableInAWhile: of 16 who ask at once one gets the table, and none gets another
// before its time; refusals come to an end, too. Each request whose data were read is in
// the log, and the release with its figures before it is given.
func TestOneTableInAWhile(t *testing.T) {
	v := tableVault(t, 24)
	p, q := byPlace("analytics")
	var mu sync.Mutex
	var wg sync.WaitGroup
	given, early := 0, 0
	for range 16 {
		wg.Go(func() {
			_, err := v.Release(t.Context(), v.As("analyst", p), q)
			var soon *vault.TooSoonError
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				given++
			case errors.As(err, &soon) && errors.Is(err, vault.ErrConflict) && soon.Next.Equal(v.Clock.Now().Add(30*24*time.Hour)):
				early++
			default:
				t.Errorf("an asker got %v", err)
			}
		})
	}
	wg.Wait()
	if given != 1 || early != 15 {
		t.Errorf("%d were given a table, %d told to wait", given, early)
	}
	released, read := 0, 0
	for _, e := range tables(t, v) {
		attr := map[string]string{}
		for _, a := range e.Subject {
			attr[a.Key] = a.Value
		}
		if e.UID != uuid.Nil || e.Purpose != p || e.Outcome != audit.Failed && (len(e.Fields) != 4 || e.Fields[0].View != accessctl.Hidden) {
			t.Errorf("an event: %+v", e)
		}
		switch {
		case e.Outcome == audit.Allowed && attr["release"] != "":
			released++
			if attr["people"] != "24" || attr["suppressed"] != "0" || attr["k"] != "6" || attr["asked"] == "" || attr["levels"] != "0.0" {
				t.Errorf("the event of the release has %v", attr)
			}
		case e.Outcome == audit.Allowed:
			read++
		}
	}
	if row := turnRows(t, v)[0]; released != 1 || read != int(row.Tries) || row.Releases != 1 {
		t.Errorf("%d events of releases and %d of reading, the row has %+v", released, read, row)
	}
	v.Clock.Advance(30*24*time.Hour - time.Microsecond)
	tries := turnRows(t, v)[0].Tries
	if _, err := v.Release(t.Context(), v.As("analyst", p), q); !errors.Is(err, vault.ErrConflict) || turnRows(t, v)[0].Tries != tries {
		t.Errorf("before its time: %v", err)
	}
	v.Clock.Advance(time.Microsecond)
	var refused *vault.ReleaseRefusedError
	bad := q
	for bad.K = 1000; bad.K < 1010; bad.K++ {
		if _, err := v.Release(t.Context(), v.As("analyst", p), bad); !errors.As(err, &refused) {
			t.Errorf("k = %d: %v", bad.K, err)
		}
	}
	var soon *vault.TooSoonError
	if _, err := v.Release(t.Context(), v.As("analyst", p), q); !errors.As(err, &soon) || !soon.Tries {
		t.Errorf("after ten refusals: %v", err)
	}
	v.Clock.Advance(30 * 24 * time.Hour)
	q.Columns = []string{"country", "music"} // what they spent has expired
	releases(t, v, p, q)
}

// tables are the events of releases, in the order of the log.
func tables(t *testing.T, v *vaulttest.Vault) []audit.Event {
	t.Helper()
	return slices.DeleteFunc(v.Events(t), func(e audit.Event) bool { return e.Action != accessctl.ActionRelease })
}

// TestFormsOfATable: a spreadsheet takes no value for a formula, and Parquet has the same
// rows as they are.
func TestFormsOfATable(t *testing.T) {
	v := newVault(t, vaulttest.Options{Catalog: tableCatalog, Policy: tablePolicy})
	music := []string{"=1+1", "+1", "-a", "@x", "'y", "rock"}
	for i := range 30 {
		row := rowOf(0)
		row["music"] = music[i%len(music)]
		stores(t, v, person(i), row)
	}
	_, q := byPlace("insight")
	q.Columns = []string{"country", "music"}
	_, rows := releases(t, v, "insight", q)
	seen := map[string]bool{}
	for _, row := range rows[1:] {
		seen[row[1]] = true
	}
	for _, want := range []string{"'=1+1", "'+1", "'-a", "'@x", "''y", "rock"} {
		if !seen[want] {
			t.Errorf("%s is not in %v", want, seen)
		}
	}
	v.Clock.Advance(31 * 24 * time.Hour)
	q.Format = vault.FormatParquet
	out, err := v.Release(t.Context(), v.As("analyst", "insight"), q)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := out.Write(&b); err != nil {
		t.Fatal(err)
	}
	type row struct {
		Country string `parquet:"country,optional"`
		Music   string `parquet:"music,optional"`
	}
	read, err := parquet.Read[row](bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil || len(read) != 30 {
		t.Fatalf("%d rows, %v", len(read), err)
	}
	count := map[row]int{}
	for _, r := range read {
		count[r]++
	}
	for _, m := range music {
		if count[row{"Chile", m}] != 5 {
			t.Errorf("%s: %v", m, count)
		}
	}
}

// TestTurnsThatWereTampered: a row that was written by SQL, or put back, releases nothing
// or is found by the log; what is declared again stands as it was.
func TestTurnsThatWereTampered(t *testing.T) {
	v := tableVault(t, 24)
	p, q := byPlace("analytics")
	db := open(t, v)
	exec := func(sql ...string) {
		t.Helper()
		for _, s := range sql {
			if _, err := db.Exec(s); err != nil {
				t.Fatal(err)
			}
		}
	}
	exec("CREATE TABLE kept AS SELECT * FROM release_turn", "DROP TRIGGER release_turn_rises", "DROP TRIGGER release_turn_stays")
	releases(t, v, p, q)
	apply := func(source string) {
		t.Helper()
		if _, err := v.ApplyCatalog(context.WithoutCancel(t.Context()), v.Operator(), []byte(source), false); err != nil {
			t.Fatal(err)
		}
	}
	apply(strings.Replace(tableCatalog, "        analytics: {every", "        support: {every", 1))
	apply(tableCatalog)
	if _, err := v.Release(t.Context(), v.As("analyst", p), q); !errors.Is(err, vault.ErrConflict) {
		t.Errorf("declared again: %v", err)
	}
	if report, err := v.Fsck(t.Context(), v.Operator(), nil); err != nil || len(report.Findings) != 0 {
		t.Errorf("before: %+v, %v", report.Findings, err)
	}
	exec("DELETE FROM release_turn WHERE purpose = 'analytics'")
	if _, err := v.Release(t.Context(), v.As("analyst", p), q); !errors.Is(err, vault.ErrIntegrity) {
		t.Errorf("a row deleted: %v", err)
	}
	exec("DELETE FROM release_turn", "INSERT INTO release_turn SELECT * FROM kept")
	report, err := v.Fsck(t.Context(), v.Operator(), nil)
	if err != nil || len(report.Findings) != 1 || !strings.Contains(report.Findings[0].What, "fewer than the log") {
		t.Errorf("an earlier row: %+v, %v", report.Findings, err)
	}
	for _, column := range []string{"releases", "tries", "first", "began", "last"} {
		exec("DELETE FROM release_turn", "INSERT INTO release_turn SELECT * FROM kept", "UPDATE release_turn SET "+column+" = 1")
		if _, err := v.Release(t.Context(), v.As("analyst", p), q); !errors.Is(err, vault.ErrIntegrity) {
			t.Errorf("%s written by SQL: %v", column, err)
		}
	}
	exec("DROP TABLE kept")
}

// TestTooManyPeople: beyond the bound nothing is released, and it was a try.
func TestTooManyPeople(t *testing.T) {
	v := tableVault(t, 24)
	p, q := byPlace("analytics")
	q.MostPeople = 23
	if _, err := v.Release(t.Context(), v.As("analyst", p), q); !errors.Is(err, vault.ErrTooLarge) {
		t.Errorf("one too many: %v", err)
	}
	q.MostPeople = 24
	read := 0
	q.Progress = func(n int) { read = n }
	if report, _ := releases(t, v, p, q); report.People != 24 || read != 24 || turnRows(t, v)[0].Tries != 2 {
		t.Errorf("%+v, %d records", report, read)
	}
}

// TestAValueThatDoesNotOpen: who has it is left out, and nobody else; fsck names it.
func TestAValueThatDoesNotOpen(t *testing.T) {
	v := tableVault(t, 24)
	v.Tampered()
	db := open(t, v)
	for _, n := range []int{5, 6} {
		sql := fmt.Sprintf(`UPDATE record SET sealed = CAST(substr(sealed, 1, length(sealed) - 1) ||
			CASE substr(sealed, -1) WHEN x'00' THEN x'01' ELSE x'00' END AS BLOB)
			WHERE uid = (SELECT uid FROM record ORDER BY uid LIMIT 1 OFFSET %d)`, n)
		if _, err := db.Exec(sql); err != nil {
			t.Fatal(err)
		}
	}
	p, q := byPlace("analytics")
	if report, _ := releases(t, v, p, q); report.People != 22 {
		t.Errorf("%d people, want 22", report.People)
	}
}
