package catalog_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fieldvault/fieldvault/vault/catalog"
	"github.com/fieldvault/fieldvault/vault/release"
)

const handedOn = `title: Shop
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
      s: {type: number, purposes: [a]}
      w: {type: text, purposes: [a]}
    releases:
      purposes:
        a: {every: P30D, k: 5, l: 2, diversity: recursive, c: 2.5, t: 0.4, max_suppression: 0.1}
      quasi_identifiers:
        n: {bands: [10, 100]}
        d: {periods: [month, decade], finest: 1}
        t: {tree: {Americas: [Chile, "no"], Europe: {North: [Norway], South: [Spain]}}}
        p: {prefixes: [3, 1]}
        m: {}
      sensitive:
        s: {distance: ordered}
        w: {distance: hierarchical, tree: {x: [y, z], v: [u]}}
`

func TestReleasesAreRead(t *testing.T) {
	c := assign(t, nil, handedOn)
	col, _ := c.Collection("c")
	p, ok := col.Releases.Purpose("a")
	want := release.Model{K: 5, L: 2, Diversity: release.Recursive, C: 2.5, T: 0.4, MaxSuppression: 0.1}
	if !ok || p.Model() != want || p.Every != 30 {
		t.Errorf("%+v", p)
	}
	if _, ok := col.Releases.Purpose("b"); ok {
		t.Error("a purpose has tables that none declares")
	}
	if _, ok := col.Released("e"); ok {
		t.Error("a field is in tables that is not declared")
	}
	for _, tt := range []struct {
		field, json string
		levels      string // what it is at each level that may be handed on
	}{
		{"n", "12.5", "12.5 10-19 0-99 *"},
		{"n", "-3", "-3 -10 to -1 -100 to -1 *"},
		{"d", `"1994-05-06"`, "1994-05 1990-1999 *"},
		{"t", `"Norway"`, "Norway North Europe *"},
		{"t", `"no"`, "no no Americas *"},
		{"p", `"70173"`, "70173 701* 7* *"},
		{"m", "true", "true *"},
		{"s", "1.50", "1.5 *"},
		{"w", `"y"`, "y x *"},
	} {
		f, _ := col.Field(tt.field)
		r, ok := col.Released(tt.field)
		if !ok {
			t.Fatalf("%s is in no table", tt.field)
		}
		v, err := f.Encode(json.RawMessage(tt.json))
		if err != nil {
			t.Fatal(err)
		}
		made, err := r.Column()
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for level, last := made.Hierarchy.Levels(); level <= last; level++ {
			s, err := made.Hierarchy.At(r.Value(v), level)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, s)
		}
		if d := cmp.Diff(tt.levels, strings.Join(got, " ")); d != "" || (made.Role == release.Sensitive) != strings.Contains("sw", tt.field) {
			t.Errorf("%s (-want +got):\n%s", tt.field, d)
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
	if col, _ := again.Collection("c"); len(col.Releases.Columns) != 7 || col.Releases.Columns[6].Distance != release.Hierarchical {
		t.Errorf("stored: %+v", col.Releases)
	}
}

// TestReleasesAreRefused: each mistake is named, with its line.
func TestReleasesAreRefused(t *testing.T) {
	for _, tt := range []struct{ from, to, want string }{
		{"every: P30D", "every: often", "line 18: collections.c.releases.purposes.a.every: must be days"},
		{"every: P30D, ", "", "line 18: collections.c.releases.purposes.a.every: is how long after"},
		{"k: 5", "k: 4", "line 18: collections.c.releases.purposes.a.k: must be from 5 to 1000000"},
		{"k: 5, ", "", "line 18: collections.c.releases.purposes.a.k: must be from 5"},
		{"l: 2", "l: 0", "line 18: collections.c.releases.purposes.a.l: must be from 1"},
		{"t: 0.4", "t: 0", "line 18: collections.c.releases.purposes.a.t: must be from 0.001 to 1"},
		{"t: 0.4", "t: 1.5", "line 18: collections.c.releases.purposes.a.t: must be from 0.001 to 1"},
		{"l: 2, diversity: recursive, c: 2.5, t: 0.4", "l: 1", "line 18: collections.c.releases.purposes.a: needs l above 1 or t below 1"},
		{"c: 2.5, ", "", "line 18: collections.c.releases.purposes.a.c: must be from 0.001"},
		{"diversity: recursive", "diversity: entropy", "line 18: collections.c.releases.purposes.a.c: is for recursive diversity only"},
		{"diversity: recursive", "diversity: much", "line 18: collections.c.releases.purposes.a.diversity: must be distinct, entropy or recursive"},
		{"max_suppression: 0.1", "max_suppression: 0.6", "line 18: collections.c.releases.purposes.a.max_suppression: must be from 0 to 0.5"},
		{"max_suppression", "suppression", "is not a known key"},
		{"        a: {every", "        z: {every", "line 18: collections.c.releases.purposes.z: names a purpose that is not declared"},
		{"bands: [10, 100]", "bands: [10, 15]", "line 20: collections.c.releases.quasi_identifiers.n: does not become coarser in steps: each width"},
		{"bands: [10, 100]", "bands: [10, x]", "line 20: collections.c.releases.quasi_identifiers.n.bands[1]: must be a whole number above 0"},
		{"bands: [10, 100]", "bands: 10", "line 20: collections.c.releases.quasi_identifiers.n.bands: must be a list"},
		{"bands: [10, 100]", "prefixes: [1]", "line 20: collections.c.releases.quasi_identifiers.n.prefixes: is not a known key"},
		{"[month, decade]", "[month, week]", "line 21: collections.c.releases.quasi_identifiers.d: does not become coarser in steps"},
		{"finest: 1", "finest: 4", "line 21: collections.c.releases.quasi_identifiers.d.finest: must be a level that there is"},
		{"finest: 1", "finest: -1", "line 21: collections.c.releases.quasi_identifiers.d.finest: must be a level that there is"},
		{"[Norway]", "[Chile]", "line 22: collections.c.releases.quasi_identifiers.t.tree.Europe.North[0]: stands twice in the tree"},
		{"[Norway]", "[Europe]", "stands twice in the tree"},
		{"[Norway]", "[\"*\"]", "line 22: collections.c.releases.quasi_identifiers.t: does not become coarser in steps: a name"},
		{"tree: {Americas", "prefixes: [1], tree: {Americas", "line 22: collections.c.releases.quasi_identifiers.t: needs either prefixes or a tree"},
		{"prefixes: [3, 1]", "prefixes: [1, 3]", "line 23: collections.c.releases.quasi_identifiers.p: does not become coarser in steps"},
		{"m: {}\n", "e: {}\n", "line 24: collections.c.releases.quasi_identifiers.e: is of type email"},
		{"m: {}\n", "x: {}\n", "line 24: collections.c.releases.quasi_identifiers.x: is not a field of the collection"},
		{"m: {}\n", "m: {distance: ordered}\n", "is not a known key"},
		{"s: {distance: ordered}", "s: {finest: 1}", "is not a known key"},
		{"s: {distance: ordered}", "n: {distance: ordered}", "line 26: collections.c.releases.sensitive.n: stands twice"},
		{"distance: hierarchical, tree: {x: [y, z], v: [u]}", "distance: ordered", "line 27: collections.c.releases.sensitive.w: cannot be released: the ordered distance"},
		{handedOn[strings.Index(handedOn, "        n: {bands"):strings.Index(handedOn, "      sensitive")], "", "collections.c.releases.quasi_identifiers: cannot be released: a table needs a quasi-identifier"},
	} {
		source := strings.Replace(handedOn, tt.from, tt.to, 1)
		if source == handedOn {
			t.Fatalf("nothing changes: %s", tt.from)
		}
		_, err := catalog.Parse([]byte(source))
		var e *catalog.Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", tt.to, err, tt.want)
		}
	}
}

func TestDiffOfReleases(t *testing.T) {
	first := assign(t, nil, handedOn)
	for _, tt := range []struct{ from, to, want string }{
		{"k: 5", "k: 6", `collections.c.releases.purposes.a: what tables for a meet changes from k = 5, l = 2 (recursive, c = 2.5), t = 0.4, at most 0.1 of the people left out, one in 30 days to k = 6, l = 2 (recursive, c = 2.5), t = 0.4, at most 0.1 of the people left out, one in 30 days`},
		{"every: P30D", "every: P29D", `! collections.c.releases.purposes.a: what tables for a meet changes from k = 5, l = 2 (recursive, c = 2.5), t = 0.4, at most 0.1 of the people left out, one in 30 days to k = 5, l = 2 (recursive, c = 2.5), t = 0.4, at most 0.1 of the people left out, one in 29 days`},
		{"      quasi", "        b: {every: P1D, k: 9, l: 2}\n      quasi", `! collections.c.releases.purposes.b: tables may be released for b: k = 9, l = 2 (distinct), at most 0 of the people left out, one in 1 days`},
		{"[10, 100]", "[10]", `! collections.c.releases.quasi_identifiers.n: how it is in released tables changes from {"field":"","bands":[10,100]} to {"field":"","bands":[10]}`},
		{"[Norway]", "[Norway, Sweden]", `! collections.c.releases.quasi_identifiers.t: how it is in released tables changes from {"field":""}, and a tree of 8 names to {"field":""}, and a tree of 9 names`},
		{"        m: {}\n", "", `collections.c.releases.quasi_identifiers.m: it is no longer in released tables`},
	} {
		got := words(catalog.Diff(first, parse(t, strings.Replace(handedOn, tt.from, tt.to, 1))))
		if d := cmp.Diff([]string{tt.want}, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", tt.to, d)
		}
	}
	none := parse(t, handedOn[:strings.Index(handedOn, "    releases:")])
	if to := words(catalog.Diff(none, first)); len(to) != 8 || !strings.HasPrefix(to[0], "! collections.c.releases.purposes.a: tables may be released for a") {
		t.Errorf("from none: %q", to)
	}
	if to := words(catalog.Diff(first, none)); len(to) != 8 || to[0] != "collections.c.releases.purposes.a: tables may no longer be released for a" {
		t.Errorf("to none: %q", to)
	}
}
