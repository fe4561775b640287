package vault_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

// indexed is twoGroups with another index of the e-mail address.
func indexed(index string) string {
	return strings.Replace(twoGroups, "[support], index: {kind: equality}", "[support], index: "+index, 1)
}

// A kind of search that a field which has values gets is there once the job has indexed
// them; until then searches by it wait, and those by what was there go on. One that is
// dropped goes with its entries.
func TestAnIndexGetsAndLosesKinds(t *testing.T) {
	v := filled(t, 30)
	app, prefix := v.As("app", "support"), vault.Query{Collection: "customer", Field: "email", Prefix: text("i-1")}
	want := []string{"i-1"}
	for i := 10; i < 20; i++ {
		want = append(want, fmt.Sprint("i-", i))
	}
	waits := func(what string, q vault.Query) {
		t.Helper()
		_, err := v.Search(t.Context(), app, q)
		wantKeyError(t, what, err)
	}
	var invalid *vault.InvalidError
	if _, err := v.Search(t.Context(), app, prefix); !errors.As(err, &invalid) {
		t.Errorf("before it is declared: %v", err)
	}
	part := vault.Query{Collection: "customer", Field: "email", Contains: text("7@exam")}
	steps := []struct {
		index        string
		had, has     []string // before the job is done, and after
		refuse       []string // then
		entriesOfOne int
	}{
		{"{kind: equality, prefix: {bits: 8}}", nil, []string{"prefix"}, []string{"part"}, 7},
		{"{kind: equality, prefix: {bits: 8}, ngrams: {}}", []string{"prefix"}, []string{"prefix", "part"}, nil, 20},
		{"{kind: equality, prefix: {bits: 16}, ngrams: {}}", []string{"part"}, []string{"prefix", "part"}, nil, 20},
		{"{kind: equality, ngrams: {}}", []string{"part"}, []string{"part"}, []string{"prefix"}, 14},
		{"{kind: equality}", nil, nil, []string{"prefix", "part"}, 1},
	}
	queries := map[string]vault.Query{"prefix": prefix, "part": part}
	found := map[string][]string{"prefix": want, "part": {"i-17", "i-27", "i-7"}}
	for n, s := range steps {
		applies(t, v, indexed(s.index))
		v.Put(t, "late", "customer", "self", map[string]string{"email": fmt.Sprintf("late%d@example.org", n)})
		reindex(t, v, func(j vault.Job) {
			if strings.Contains(string(j.Cursor), `"drain"`) || strings.Contains(string(j.Cursor), `"clean"`) {
				return
			}
			for kind, q := range queries {
				if slices.Contains(s.had, kind) {
					wantWho(t, s.index+" meanwhile, by "+kind, who(t, v, q), found[kind]...)
				} else if slices.Contains(s.has, kind) {
					waits(s.index+" meanwhile, by "+kind, q)
				}
			}
			wantFound(t, v, v.Vault, mail(3), "i-3")
		})
		for _, kind := range s.has {
			wantWho(t, s.index+", by "+kind, who(t, v, queries[kind]), found[kind]...)
		}
		for _, kind := range s.refuse {
			if _, err := v.Search(t.Context(), app, queries[kind]); !errors.As(err, &invalid) {
				t.Errorf("%s, by %s: %v", s.index, kind, err)
			}
		}
		version := uint32(n + 2)
		got, people := entriesOf(t, v, 1)
		if len(got) != 1 || got[version] == 0 || len(people) != 31 {
			t.Errorf("%s: entries by version %v of %d people, want version %d alone of 31", s.index, got, len(people), version)
		}
		counts := slices.Sorted(maps.Values(people))
		if least := counts[0]; least > s.entriesOfOne || counts[len(counts)-1] < s.entriesOfOne {
			t.Errorf("%s: from %d to %d entries a record, %d not among them", s.index, least, counts[len(counts)-1], s.entriesOfOne)
		}
		wantKeys(t, v, fmt.Sprintf("index/1/1/%d", version), "index/1/2/1")
	}
}

// While one is being filled, another kind is not taken; and with the bits of equality
// nothing else changes either.
func TestKindsChangeOneAtATime(t *testing.T) {
	v := filled(t, 3)
	applies(t, v, indexed("{kind: equality, prefix: {}}"))
	for what, index := range map[string]string{
		"another kind meanwhile": "{kind: equality, prefix: {}, ngrams: {}}", "another form meanwhile": "{kind: equality, prefix: {min: 4}}",
		"other bits of equality": "{kind: equality, bits: 20, prefix: {}}",
	} {
		_, err := v.ApplyCatalog(t.Context(), v.Operator(), []byte(indexed(index)), false)
		var wrong *vault.InvalidError
		if !errors.As(err, &wrong) {
			t.Errorf("%s: %v", what, err)
		}
	}
	reindex(t, v, nil)
	wantWho(t, "afterwards", who(t, v, vault.Query{Field: "email", Prefix: text("i-2")}), "i-2")
}

// What an index tells is said where it is switched on: for a new catalog, a new field, and
// a field that stands.
func TestLeakageIsSaidWhereItIsSwitchedOn(t *testing.T) {
	v := newVault(t, vaulttest.Options{Catalog: "-", Policy: plainPolicy})
	said := func(source string, dryRun bool) string {
		t.Helper()
		done, err := v.ApplyCatalog(t.Context(), v.Operator(), []byte(source), dryRun)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for _, c := range done.Changes {
			fmt.Fprintf(&b, "%s: %s\n", c.Path, c.Text)
		}
		return b.String()
	}
	const prefix, ngrams = "collections.customer.fields.email.index.prefix: it can be searched by its beginning; whoever steals the database sees ",
		"collections.customer.fields.email.index.ngrams: it can be searched by any part of it; whoever steals the database sees "
	wants := func(what, got string, want ...string) {
		t.Helper()
		for _, w := range []string{prefix, ngrams} {
			if strings.Contains(got, w) != slices.Contains(want, w) {
				t.Errorf("%s says:\n%s", what, got)
			}
		}
	}
	wants("a first catalog", said(indexed("{kind: equality, prefix: {}}"), true), prefix)
	wants("one with equality alone", said(twoGroups, false))
	wants("a kind that is added", said(indexed("{kind: equality, ngrams: {}}"), true), ngrams)
	wants("two of them", said(indexed("{kind: equality, ngrams: {}, prefix: {}}"), false), prefix, ngrams)
	reindex(t, v, nil)
	wants("the same again", said(indexed("{kind: equality, ngrams: {}, prefix: {}}"), true))
	changed := said(indexed("{kind: equality, ngrams: {n: 2}, prefix: {}}"), true)
	if !strings.Contains(changed, "index.ngrams: its entries are made anew: it can be searched by any part of it; whoever") || strings.Contains(changed, prefix) {
		t.Errorf("another n says:\n%s", changed)
	}
}

// A partial index says nothing of equality: entries of equal values without terms are
// those of all others. A job fills it, too, and ends, though some values have no terms.
func TestAPartialIndex(t *testing.T) {
	v := newVault(t, vaulttest.Options{Catalog: indexed("{kind: equality}"), Policy: plainPolicy})
	source := func(index string) string {
		return strings.Replace(indexed("{kind: equality}"), "note: {title: Note, type: text, purposes: [support], group: care, index: {kind: equality}}",
			"note: {title: Note, type: text, purposes: [support], group: care"+index+"}", 1)
	}
	applies(t, v, source(""))
	reindex(t, v, nil)
	for subject, note := range map[string]string{"c-1": "ab", "c-2": "ab", "c-3": "xy", "c-4": "lemons", "c-5": "lemonade"} {
		v.Put(t, subject, "customer", "self", map[string]string{"note": note})
	}
	applies(t, v, source(", index: {kind: partial, ngrams: {n: 3}, prefix: {}}"))
	reindex(t, v, nil)
	v.Put(t, "c-6", "customer", "self", map[string]string{"note": "ab"})
	page, err := v.Store.(vault.Inspector).ScanRecords(t.Context(), vault.ScanPos{}, 10)
	if err != nil || len(page) != 6 {
		t.Fatalf("%d records, %v", len(page), err)
	}
	alike, marks := map[string]int{}, 0
	for _, r := range page {
		if len(r.Index) == 1 {
			marks++
		}
		for _, e := range r.Index {
			alike[string(e.Value)]++
		}
	}
	if counts := slices.Sorted(maps.Values(alike)); marks != 4 || counts[len(counts)-1] != 6 {
		t.Errorf("%d records have the mark alone, values stand %v times: want 4, and one that all 6 have", marks, counts)
	}
	wantWho(t, "by a part", who(t, v, vault.Query{Field: "note", Contains: text("mon")}), "c-4", "c-5")
	wantWho(t, "by its beginning", who(t, v, vault.Query{Field: "note", Prefix: text("lemona")}), "c-5")
	var wrong *vault.InvalidError
	if _, err := v.Search(t.Context(), v.As("app", "support"), vault.Query{Collection: "customer", Field: "note", Equals: text("ab")}); !errors.As(err, &wrong) {
		t.Errorf("by equality: %v", err)
	}
	if _, err := v.ApplyCatalog(t.Context(), v.Operator(), []byte(source(", index: {kind: equality, ngrams: {n: 3}, prefix: {}}")), false); !errors.As(err, &wrong) {
		t.Errorf("equality of a field that has a partial index: %v", err)
	}
}

// Every candidate that is opened counts for the read limit, whether it is a match or not,
// and stands in the log.
func TestCandidatesCountAsRead(t *testing.T) {
	v := newVault(t, vaulttest.Options{Catalog: matchingCatalog, Policy: matchingPolicy, ReadLimit: vault.ReadLimit{People: 20}})
	for i := range 25 {
		v.Put(t, fmt.Sprint("m-", i), "customer", "self", map[string]string{"name": fmt.Sprintf("zz%dx", i), "note": manyGrams()})
	}
	app := v.As("app", "support")
	m, err := v.Search(t.Context(), app, vault.Query{Collection: "customer", Field: "note", Contains: text("no such text"), Limit: 20})
	if err != nil || len(m.Matches) != 0 || m.Cursor == "" {
		t.Fatalf("a page of candidates of which none matches: %+v, %v", m, err)
	}
	seen := 0
	for _, e := range eventsOf(t, v, accessctl.ActionSearch) {
		if e.UID != uuid.Nil && slices.Contains(e.Subject, audit.Attr{Key: "match", Value: "contains"}) {
			seen++
		}
	}
	if seen != 20 {
		t.Errorf("%d candidates are on record, want 20", seen)
	}
	var limit *vault.LimitError
	if _, err := v.Search(t.Context(), app, vault.Query{Collection: "customer", Field: "name", Prefix: text("zz")}); !errors.As(err, &limit) {
		t.Errorf("beyond the limit: %v", err)
	}
}

// Entries of every kind go with the value: when its time is over, and when its group is
// erased. They stay when the person's keys are replaced.
func TestEntriesGoWithTheValue(t *testing.T) {
	source := strings.NewReplacer("name: {type: name, purposes: [support]", "name: {type: name, purposes: [support], retention: P30D",
		"nick: {type: name, purposes: [news]", "nick: {type: name, purposes: [support]").Replace(matchingCatalog)
	v := newVault(t, vaulttest.Options{Catalog: source, Policy: matchingPolicy})
	v.Put(t, "c-1", "customer", "self", map[string]string{"name": "Gonçalves", "nick": "Gonzo", "born": "1980-05-17"})
	name, nick := vault.Query{Field: "name", Contains: text("onça")}, vault.Query{Field: "nick", Prefix: text("gonz")}
	born := vault.Query{Field: "born", From: text("1980-05-01"), To: text("1980-05-31")}
	rotatePerson(t, v, "c-1")
	reseal(t, v)
	for what, q := range map[string]vault.Query{"name": name, "nick": nick, "born": born} {
		wantWho(t, what+" under new keys", who(t, v, q), "c-1")
	}
	eraseGroups(t, v, "c-1", "news")
	wantWho(t, "of an erased group", who(t, v, nick))
	if _, err := v.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	v.Clock.Advance(31 * 24 * time.Hour)
	wantWho(t, "expired", who(t, v, name))
	retain(t, v, nil)
	wantWho(t, "removed", who(t, v, name))
	wantWho(t, "the rest", who(t, v, born), "c-1")
	page, err := v.Store.(vault.Inspector).ScanRecords(t.Context(), vault.ScanPos{}, 10)
	if err != nil || len(page) != 1 || len(page[0].Index) != 2 {
		t.Errorf("%d records, %v: %+v, want the mark and the month of the birthday alone", len(page), err, page)
	}
}
