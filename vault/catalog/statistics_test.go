package catalog_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fieldvault/fieldvault/vault/catalog"
)

const counted = `title: Shop
purposes:
  a: {title: S, text: T, benefit: B, basis: contract}
  b: {title: S, text: T, benefit: B, basis: contract}
collections:
  c:
    fields:
      n: {type: number, purposes: [a]}
      d: {type: date, purposes: [a]}
      t: {type: text, purposes: [a]}
      p: {type: text, purposes: [a]}
      m: {type: boolean, purposes: [a]}
      e: {type: email, purposes: [a]}
    statistics:
      records: 4
      groups: 2
      budgets:
        a: {epsilon: 0.5, delta: 1e-6, min_people: 3}
      fields:
        n: {min: -1.5, max: 10, decimals: 2, bins: 4, band: 2.5}
        d: {min: 2020-01-15, max: 2021-03-01, bins: 2, period: quarter}
        t: {values: [x, "y z"]}
        p: {prefix: 2}
        m: {}
`

func TestStatisticsAreRead(t *testing.T) {
	c := assign(t, nil, counted)
	col, _ := c.Collection("c")
	want := &catalog.Budget{Purpose: "a", Epsilon: 500_000, Delta: 1_000_000_000, MinPeople: 3}
	if b, ok := col.Statistics.Budget("a"); !ok || *b != *want || col.Statistics.Records != 4 || col.Statistics.Groups != 2 {
		t.Errorf("%+v", col.Statistics)
	}
	if _, ok := col.Statistics.Budget("b"); ok {
		t.Error("a purpose has a budget that none declares")
	}
	if _, ok := col.Measured("e"); ok {
		t.Error("a field counts that is not declared")
	}
	for name, want := range map[string]struct{ groups, bins []string }{
		"n": {[]string{"-1.5..0.99", "1..3.49", "3.5..5.99", "6..8.49", "8.5..10"}, []string{"-1.5..1.36", "1.37..4.24", "4.25..7.11", "7.12..10"}},
		"d": {[]string{"2020-Q1", "2020-Q2", "2020-Q3", "2020-Q4", "2021-Q1"}, []string{"2020-01-15..2020-08-06", "2020-08-07..2021-03-01"}},
		"t": {[]string{"x", "y z"}, []string{"x", "y z"}},
		"m": {[]string{"false", "true"}, []string{"false", "true"}},
		"p": {nil, nil},
	} {
		m, ok := col.Measured(name)
		if !ok {
			t.Fatalf("%s does not count", name)
		}
		groups, open, ok := m.Grouping()
		if d := cmp.Diff(want.groups, groups); d != "" || !ok || open != (name == "p") {
			t.Errorf("%s: open %v, groups (-want +got):\n%s", name, open, d)
		}
		edges, bins := m.Edges()
		if d := cmp.Diff(want.bins, bins); d != "" || len(edges) != 0 && len(edges) != len(bins)+1 {
			t.Errorf("%s: edges %v, bins (-want +got):\n%s", name, edges, d)
		}
	}
	body, err := catalog.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	again, err := catalog.Unmarshal(body)
	if err != nil {
		t.Fatal(err)
	}
	if col, _ := again.Collection("c"); len(col.Statistics.Fields) != 5 {
		t.Errorf("stored: %+v", col.Statistics)
	}
}

// TestValuesThatCount: what is beyond the bounds counts as the nearer one, and what is
// not in a closed list does not count.
func TestValuesThatCount(t *testing.T) {
	c := assign(t, nil, counted)
	col, _ := c.Collection("c")
	for _, tt := range []struct {
		field, json string
		value       int64
		group       string // its index, or its label where groups are open
		ok          bool
	}{
		{"n", "0", 0, "0", true},
		{"n", "3.499", 349, "1", true},
		{"n", "-0.019", -1, "0", true},
		{"n", "10", 1000, "4", true},
		{"n", "1e60", 1000, "4", true},
		{"n", "-1e60", -150, "0", true},
		{"d", `"2020-04-01"`, 18353, "1", true},
		{"d", `"1900-01-01"`, 18276, "0", true},
		{"d", `"2999-01-01"`, 18687, "4", true},
		{"t", `"y z"`, 1, "1", true},
		{"t", `"X"`, 0, "", false},
		{"t", `"other"`, 0, "", false},
		{"m", "true", 1, "1", true},
		{"m", "false", 0, "0", true},
		{"p", `"sw1a 1aa"`, 0, "SW", true},
		{"p", `"é"`, 0, "É", true},
	} {
		f, _ := col.Field(tt.field)
		m, _ := col.Measured(tt.field)
		v, err := f.Encode(json.RawMessage(tt.json))
		if err != nil {
			t.Fatal(err)
		}
		index, label, ok := m.Group(v)
		if label == "" && ok {
			label = string(rune('0' + index))
		}
		if ok != tt.ok || label != tt.group {
			t.Errorf("%s %s is in the group %q, %v", tt.field, tt.json, label, ok)
		}
		if tt.field == "p" {
			continue
		}
		if n, ok := m.Value(v); ok != tt.ok || ok && n != tt.value {
			t.Errorf("%s %s counts as %d, %v", tt.field, tt.json, n, ok)
		}
	}
}

// TestStatisticsAreRefused: each mistake is named, with its line.
func TestStatisticsAreRefused(t *testing.T) {
	for _, tt := range []struct{ from, to, want string }{
		{"records: 4", "records: 0", "line 15: collections.c.statistics.records: must be from 1 to 1024"},
		{"groups: 2", "groups: 5", "line 16: collections.c.statistics.groups: must be from 1 to the lesser of records and 64"},
		{"epsilon: 0.5", "epsilon: 11", "line 18: collections.c.statistics.budgets.a.epsilon: must be from 0.001 to 10"},
		{"epsilon: 0.5", "epsilon: 0.0000001", "line 18: collections.c.statistics.budgets.a.epsilon: must be a number with at most 6 digits behind the point"},
		{"epsilon: 0.5", "epsilon: much", "line 18: collections.c.statistics.budgets.a.epsilon: must be a number"},
		{"delta: 1e-6", "delta: 1", "line 18: collections.c.statistics.budgets.a.delta: must be above 0"},
		{"min_people: 3", "min_people: 0", "line 18: collections.c.statistics.budgets.a.min_people: must be from 1"},
		{"min_people: 3", "people: 3", "is not a known key"},
		{"        a: {eps", "        z: {eps", "line 18: collections.c.statistics.budgets.z: names a purpose that is not declared"},
		{"m: {}", "x: {}", "line 24: collections.c.statistics.fields.x: is not a field of the collection"},
		{"m: {}", "e: {}", "line 24: collections.c.statistics.fields.e: is of type email"},
		{"m: {}", "m: {bins: 2}", "line 24: collections.c.statistics.fields.m.bins: is not a known key"},
		{"max: 10,", "max: -1.5,", "line 20: collections.c.statistics.fields.n: needs min and max"},
		{"max: 10,", "max: 1000000000,", "line 20: collections.c.statistics.fields.n: has bounds that are too far apart"},
		{"max: 10,", "max: 1.005,", "line 20: collections.c.statistics.fields.n.max: must be a number with at most 2 digits"},
		{"decimals: 2,", "decimals: 7,", "line 20: collections.c.statistics.fields.n.decimals: must be from 0 to 6"},
		{"bins: 4", "bins: 1025", "line 20: collections.c.statistics.fields.n.bins: must be from 1 to 1024"},
		{"band: 2.5", "band: 0.01", "line 20: collections.c.statistics.fields.n.band: must be more than 0"},
		{"band: 2.5", "band: -1", "line 20: collections.c.statistics.fields.n.band: must be more than 0"},
		{"min: 2020-01-15", "min: 2020-02-30", "line 21: collections.c.statistics.fields.d.min: must be a date"},
		{"period: quarter", "period: week", "line 21: collections.c.statistics.fields.d.period: must be month, quarter or year"},
		{"values: [x, \"y z\"]", "prefix: 9", "line 22: collections.c.statistics.fields.t.prefix: must be from 1 to 8"},
		{"values: [x, \"y z\"]", "values: [x, x]", "line 22: collections.c.statistics.fields.t.values[1]: stands twice"},
		{"{prefix: 2}", "{}", "line 23: collections.c.statistics.fields.p: needs either values"},
		{"{prefix: 2}", "{prefix: 2, values: [x]}", "line 23: collections.c.statistics.fields.p: needs either values"},
	} {
		source := strings.Replace(counted, tt.from, tt.to, 1)
		if source == counted {
			t.Fatalf("nothing changes: %s", tt.from)
		}
		_, err := catalog.Parse([]byte(source))
		var e *catalog.Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", tt.to, err, tt.want)
		}
	}
}

func TestDiffOfStatistics(t *testing.T) {
	first := assign(t, nil, counted)
	change := strings.NewReplacer("records: 4", "records: 5", "epsilon: 0.5", "epsilon: 0.75", "        p: {prefix: 2}\n", "",
		"      fields:\n        n", "        b: {epsilon: 1, delta: 1e-7, min_people: 5}\n      fields:\n        n", "m: {}", "e: {}", "type: email", "type: text", "prefix: 2", "prefix: 3")
	source := strings.Replace(change.Replace(counted), "e: {}", "p: {prefix: 3}", 1)
	want := []string{
		`collections.c.fields.e.type: its type changes from "email" to "text"`,
		`collections.c.fields.e.mask: its mask changes from "email" to "full"`,
		`collections.c.statistics: at most 5 records in 2 groups of one person count instead of 4 in 2`,
		`! collections.c.statistics.budgets.a: the budget of statistics for a changes from epsilon 0.5, delta 0.000001, groups of 3 people to epsilon 0.75, delta 0.000001, groups of 3 people`,
		`! collections.c.statistics.budgets.b: statistics may be asked for b: epsilon 1, delta 0.0000001, groups of 5 people`,
		`! collections.c.statistics.fields.p: how it counts in statistics changes from {"field":"","prefix":2} to {"field":"","prefix":3}`,
		`collections.c.statistics.fields.m: it no longer counts in statistics`,
	}
	if d := cmp.Diff(want, words(catalog.Diff(first, parse(t, source)))); d != "" {
		t.Errorf("changes (-want +got):\n%s", d)
	}
	none := counted[:strings.Index(counted, "    statistics:")]
	back := words(catalog.Diff(parse(t, none), first))
	if len(back) != 7 || back[1] != `! collections.c.statistics.budgets.a: statistics may be asked for a: epsilon 0.5, delta 0.000001, groups of 3 people` {
		t.Errorf("from none: %q", back)
	}
	if back := words(catalog.Diff(first, parse(t, none))); len(back) != 7 || back[1] != `collections.c.statistics.budgets.a: statistics may no longer be asked for a; what was spent stays spent` {
		t.Errorf("to none: %q", back)
	}
}
