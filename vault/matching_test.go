package vault_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

// matchingCatalog has few bits, so that planned collisions are many.
const matchingCatalog = `
title: Test
groups:
  news: {title: News}
purposes:
  support: {title: Support, text: To help, benefit: Help, basis: contract}
  news: {title: News, text: To tell, benefit: News, basis: consent}
collections:
  customer:
    title: Customers
    fields:
      name: {type: name, purposes: [support], index: {kind: equality, bits: 8, prefix: {min: 2, max: 5, bits: 8}, ngrams: {n: 2, bits: 8}}}
      other: {type: name, purposes: [support], index: {kind: equality, bits: 8, prefix: {min: 2, max: 5, bits: 8}, ngrams: {n: 2, bits: 8}}}
      note: {type: text, purposes: [support], index: {kind: partial, ngrams: {bits: 8}}}
      nick: {type: name, purposes: [news], group: news, index: {kind: equality, prefix: {min: 2}}}
      email: {type: email, purposes: [support], index: {kind: equality, prefix: {}, ngrams: {}}}
      phone: {type: phone, region: DE, purposes: [support], index: {kind: equality, prefix: {min: 4}, ngrams: {}}}
      born: {type: date, purposes: [support], index: {kind: partial, range: {by: month, bits: 8}}}
      points: {type: number, purposes: [support], index: {kind: equality, range: {low: -20, high: 80, width: 7, bits: 8}}}
`

const matchingPolicy = plainPolicy + `
permit(principal in Role::"support", action in [Action::"reveal_masked", Action::"search"], resource);`

// A plainRecord is a record with the plaintext that brute force looks at.
type plainRecord struct {
	subject, name, note, born string
	points                    float64
}

// population is 240 records of values that have beginnings, parts and bounds in common.
func population() (list []plainRecord) {
	heads, tails := []string{"An", "ann", "BAN", "Ünal", "X", "o'", "van de"}, []string{"", "a", "nan", "ABA ban", "-xyxyxy", " den Berg"}
	for i := range 240 {
		list = append(list, plainRecord{
			subject: fmt.Sprintf("m-%d", i),
			name:    heads[i%len(heads)] + tails[i/len(heads)%len(tails)] + strings.Repeat("z", i/97),
			note:    strings.Repeat(fmt.Sprintf("%d Lemons, ", i%9), 1+i%3) + heads[i%5] + strings.Repeat(fmt.Sprint(i), i%2),
			born:    fmt.Sprintf("%04d-%02d-%02d", 1980+i%3, 1+i%12, 1+i*7%28),
			points:  float64(i-100)/2 + float64(i%3)/4,
		})
	}
	list[7].note = manyGrams()
	return list
}

// manyGrams is a text with more different runs than the index has entries for.
func manyGrams() string {
	var b strings.Builder
	for i := range 60 {
		fmt.Fprintf(&b, "%c%d lemons", rune('a'+i%26), i*i)
	}
	return b.String()
}

func populated(t *testing.T) (*vaulttest.Vault, []plainRecord) {
	t.Helper()
	v, list := newVault(t, vaulttest.Options{Catalog: matchingCatalog, Policy: matchingPolicy}), population()
	var ws []vault.Write
	for _, p := range list {
		fields := vaulttest.Values(map[string]string{"name": p.name, "note": p.note, "born": p.born})
		fields["points"] = fmt.Appendf(nil, "%v", p.points)
		ws = append(ws, vault.Write{Subject: p.subject, Collection: "customer", Record: "self", Fields: fields})
	}
	out, err := v.PutBatch(t.Context(), v.As("app", "support"), ws, vault.Idempotency{})
	for i := range out {
		err = errors.Join(err, out[i].Err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v, list
}

func text(s string) json.RawMessage {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return b
}

// everyone runs a query to its end, in pages of the size given, and says who is found.
func everyone(ctx context.Context, t interface {
	Helper()
	Fatalf(string, ...any)
}, n *vault.Vault, c accessctl.Caller, q vault.Query, page int,
) (list []string) {
	t.Helper()
	q.Collection, q.Limit = "customer", page
	for {
		m, err := n.Search(ctx, c, q)
		if err != nil {
			t.Fatalf("searching %+v: %v", q, err)
		}
		for _, x := range m.Matches {
			list = append(list, x.Subject)
		}
		if q.Cursor = m.Cursor; q.Cursor == "" {
			slices.Sort(list)
			return list
		}
	}
}

// A candidateStore counts the candidates that an index gave.
type candidateStore struct {
	vault.Store
	candidates atomic.Int64
}

type candidateTx struct {
	vault.Tx
	n *atomic.Int64
}

func (c *candidateStore) View(ctx context.Context, do func(vault.Tx) error) error {
	return c.Store.View(ctx, func(tx vault.Tx) error { return do(candidateTx{tx, &c.candidates}) })
}

func (c candidateTx) SearchIndex(ctx context.Context, q vault.IndexQuery) ([]vault.Candidate, error) {
	list, err := c.Tx.SearchIndex(ctx, q)
	c.n.Add(int64(len(list)))
	return list, err
}

// TestMatchesAreThoseOfBruteForce: whatever is sought, a search finds what comparing every
// plaintext finds, though the index has many more candidates.
func TestMatchesAreThoseOfBruteForce(t *testing.T) {
	v, list := populated(t)
	store := &candidateStore{Store: v.Store}
	n, app := node(t, v, store, v.KEK), v.As("app", "support")
	folded := func(s string) string { return strings.ToLower(s) }
	var found int64
	rapid.Check(t, func(rt *rapid.T) {
		of := list[rapid.IntRange(0, len(list)-1).Draw(rt, "of")]
		page := rapid.SampledFrom([]int{3, 50, 1000}).Draw(rt, "page")
		var q vault.Query
		var holds func(plainRecord) bool
		part := func(s string, least int) string {
			r := []rune(s)
			if len(r) < least {
				return "no such value"
			}
			from := rapid.IntRange(0, len(r)-least).Draw(rt, "from")
			out := strings.TrimSpace(string(r[from:rapid.IntRange(from+least, len(r)).Draw(rt, "to")]))
			if len([]rune(out)) < least {
				return "no such value"
			}
			return out
		}
		switch rapid.IntRange(0, 4).Draw(rt, "way") {
		case 0:
			head := []rune(of.name)
			if len(head) < 2 {
				head = []rune("xy")
			}
			s := string(head[:rapid.IntRange(2, len(head)).Draw(rt, "length")])
			q, holds = vault.Query{Field: "name", Prefix: text(strings.ToUpper(s))}, func(p plainRecord) bool {
				return strings.HasPrefix(folded(p.name), strings.TrimSpace(folded(s)))
			}
			if len([]rune(strings.TrimSpace(s))) < 2 {
				rt.Skip("too short")
			}
		case 1:
			s := part(of.name, 2)
			q, holds = vault.Query{Field: "name", Contains: text(s)}, func(p plainRecord) bool { return strings.Contains(folded(p.name), folded(s)) }
		case 2:
			s := part(of.note, 3)
			q, holds = vault.Query{Field: "note", Contains: text(s)}, func(p plainRecord) bool { return strings.Contains(folded(p.note), folded(s)) }
		case 3:
			to := list[rapid.IntRange(0, len(list)-1).Draw(rt, "other")].born
			from := min(of.born, to)
			to = max(of.born, to)
			q, holds = vault.Query{Field: "born", From: text(from), To: text(to)}, func(p plainRecord) bool { return p.born >= from && p.born <= to }
		default:
			from, to := of.points, rapid.Float64Range(of.points, 90).Draw(rt, "to")
			q = vault.Query{Field: "points"}
			below, above := rapid.Bool().Draw(rt, "from"), rapid.Bool().Draw(rt, "up")
			if below || !above {
				q.From, below = fmt.Appendf(nil, "%.2f", from), true
				_ = json.Unmarshal(q.From, &from)
			}
			if above {
				q.To = fmt.Appendf(nil, "%.2f", to)
				_ = json.Unmarshal(q.To, &to)
				if below && from > to {
					rt.Skip("no range")
				}
			}
			holds = func(p plainRecord) bool { return (!below || p.points >= from) && (!above || p.points <= to) }
		}
		var want []string
		for _, p := range list {
			if holds(p) {
				want = append(want, p.subject)
			}
		}
		slices.Sort(want)
		got := everyone(t.Context(), rt, n, app, q, page)
		found += int64(len(got))
		if !slices.Equal(got, want) {
			rt.Errorf("%s %s%s%s..%s finds %q, want %q", q.Field, q.Prefix, q.Contains, q.From, q.To, got, want)
		}
	})
	if c := store.candidates.Load(); c <= found || found == 0 {
		t.Errorf("%d candidates for %d matches: no planned collision was looked at", c, found)
	}
}

// who is who is found by one search of the application.
func who(t *testing.T, v *vaulttest.Vault, q vault.Query) []string {
	t.Helper()
	return everyone(t.Context(), t, v.Vault, v.As("app", "support"), q, 0)
}

func wantWho(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// Entries follow the values: when they are patched, put, deleted, and when people are
// restricted, erased, or come back.
func TestEntriesFollowTheValues(t *testing.T) {
	v := newVault(t, vaulttest.Options{Catalog: matchingCatalog, Policy: matchingPolicy})
	app := v.As("app", "support")
	queries := map[string]vault.Query{
		"prefix": {Field: "name", Prefix: text("gonç")}, "contains": {Field: "name", Contains: text("alves")},
		"range": {Field: "born", From: text("1980-01-01"), To: text("1981-12-31")},
	}
	wants := func(what string, want ...string) {
		t.Helper()
		for way, q := range queries {
			wantWho(t, what+", by "+way, who(t, v, q), want...)
		}
	}
	old, other := vaulttest.Values(map[string]string{"name": "Gonçalves", "born": "1980-05-17"}), vaulttest.Values(map[string]string{"name": "Silva", "born": "1990-05-17"})
	write := func(fields map[string]json.RawMessage, patch bool) {
		t.Helper()
		w := vault.Write{Subject: "c-1", Collection: "customer", Record: "self", Fields: fields, Patch: patch}
		if _, err := v.Vault.Put(t.Context(), app, w, vault.Idempotency{}); err != nil {
			t.Fatal(err)
		}
	}
	write(old, false)
	wants("put", "c-1")
	write(other, true)
	wants("patched away")
	wantWho(t, "the new value", who(t, v, vault.Query{Field: "name", Prefix: text("sil")}), "c-1")
	write(old, true)
	wants("patched back", "c-1")
	write(vaulttest.Values(map[string]string{"note": "n"}), true)
	wants("another field patched", "c-1")
	write(vaulttest.Values(map[string]string{"note": "n"}), false)
	wants("put without them")
	write(old, false)
	if err := v.SetRestriction(t.Context(), v.As("dpo", ""), "c-1", true, ""); err != nil {
		t.Fatal(err)
	}
	wants("restricted")
	if err := v.SetRestriction(t.Context(), v.As("dpo", ""), "c-1", false, ""); err != nil {
		t.Fatal(err)
	}
	wants("no longer", "c-1")
	if err := v.Delete(t.Context(), app, "c-1", "customer", "self", 0); err != nil {
		t.Fatal(err)
	}
	wants("deleted")
	write(old, false)
	wants("put again", "c-1")
	if _, err := v.Erase(t.Context(), v.As("dpo", ""), vault.Erasing{Subject: "c-1"}); err != nil {
		t.Fatal(err)
	}
	wants("erased")
	if _, err := v.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	for field := uint32(1); field < 9; field++ {
		if got, _ := entriesOf(t, v, field); len(got) != 0 {
			t.Errorf("field %d has entries after the sweep: %v", field, got)
		}
	}
}

// A withdrawal ends searches by a field that rests on the consent.
func TestMatchesEndWithTheConsent(t *testing.T) {
	v := newVault(t, vaulttest.Options{Catalog: matchingCatalog, Policy: matchingPolicy})
	decided := func(decision string) {
		t.Helper()
		if _, err := v.RecordConsent(t.Context(), v.As("dpo", ""), vault.Decided{Subject: "c-1", Purpose: "news", Decision: decision}); err != nil {
			t.Fatal(err)
		}
	}
	decided("granted")
	v.Put(t, "c-1", "customer", "self", map[string]string{"nick": "Gonzo"})
	q := vault.Query{Field: "nick", Prefix: text("gon")}
	find := func() []string { return everyone(t.Context(), t, v.Vault, v.As("app", "news"), q, 0) }
	wantWho(t, "with consent", find(), "c-1")
	decided("withdrawn")
	wantWho(t, "after the withdrawal", find())
}

// Whoever may search and sees a mask finds nobody by a part of the value: neither e-mail
// addresses nor anything else can be walked, character by character.
func TestAMaskIsNotWalked(t *testing.T) {
	v := newVault(t, vaulttest.Options{Catalog: matchingCatalog, Policy: matchingPolicy})
	v.Put(t, "c-1", "customer", "self", map[string]string{"email": email, "born": "1980-05-17"})
	support := v.As("support", "support")
	for what, q := range map[string]vault.Query{
		"prefix": {Field: "email", Prefix: text("lui")}, "contains": {Field: "email", Contains: text("embraer")},
		"range": {Field: "born", From: text("1980-01-01"), To: text("1980-12-31")},
	} {
		q.Collection = "customer"
		if m, err := v.Search(t.Context(), support, q); !errors.Is(err, vault.ErrDenied) || len(m.Matches) > 0 {
			t.Errorf("%s, where a mask is seen: %+v, %v", what, m, err)
		}
		q.Collection = ""
		wantWho(t, what+", in plain", who(t, v, q), "c-1")
	}
	if m, err := v.Search(t.Context(), support, query(email)); err != nil || len(m.Matches) != 1 {
		t.Errorf("equality, where a mask is seen: %+v, %v", m, err)
	}
}

// What cannot be searched so is refused, with what to do, and tells nothing.
func TestRefusedMatches(t *testing.T) {
	v := newVault(t, vaulttest.Options{Catalog: matchingCatalog, Policy: matchingPolicy})
	for what, c := range map[string]struct {
		q    vault.Query
		want string
	}{
		"nothing":                     {vault.Query{Field: "name"}, "equals is required"},
		"two ways":                    {vault.Query{Field: "name", Equals: text("anna"), Prefix: text("ann")}, "prefix cannot stand beside equals"},
		"prefix and range":            {vault.Query{Field: "name", Prefix: text("ann"), To: text("b")}, "range cannot stand beside prefix"},
		"a short prefix":              {vault.Query{Field: "name", Prefix: text(" a ")}, "at least 2 characters"},
		"a short part":                {vault.Query{Field: "note", Contains: text("ab")}, "at least 3 characters"},
		"no text":                     {vault.Query{Field: "name", Prefix: []byte("12")}, "must be a JSON string"},
		"null":                        {vault.Query{Field: "name", Prefix: []byte("null")}, "must be a JSON string"},
		"a long part":                 {vault.Query{Field: "note", Contains: text(strings.Repeat("a", 1025))}, "at most 1024 bytes"},
		"a part of a number":          {vault.Query{Field: "points", Contains: text("123")}, "does not declare it"},
		"a range of names":            {vault.Query{Field: "name", From: text("a")}, "does not declare it"},
		"a prefix of a note":          {vault.Query{Field: "note", Prefix: text("abc")}, "does not declare it"},
		"too wide":                    {vault.Query{Field: "born", From: text("1900-01-01"), To: text("1999-12-31")}, "more than 256 intervals"},
		"open":                        {vault.Query{Field: "born", From: text("1990-01-01")}, "more than 256 intervals"},
		"the wrong way round":         {vault.Query{Field: "points", From: []byte("3"), To: []byte("2")}, "lower bound above"},
		"equality of a partial index": {vault.Query{Field: "born", Equals: text("1990-01-01")}, "does not declare it"},
		"no date":                     {vault.Query{Field: "born", From: text("1990-02-30"), To: text("1990-03-01")}, "must be a date"},
		"a national number":           {vault.Query{Field: "phone", Prefix: text("0711 12")}, "begin with + and the country"},
		"letters for a number":        {vault.Query{Field: "phone", Contains: text("0800FLOWERS")}, "must be digits"},
		"a plus sign in a part":       {vault.Query{Field: "phone", Contains: text("711+12")}, "must be digits"},
	} {
		c.q.Collection = "customer"
		_, err := v.Search(t.Context(), v.As("app", "support"), c.q)
		var bad *vault.InvalidError
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", what, err, c.want)
		}
	}
}

// Parts of e-mail addresses and telephone numbers are sought as people write them.
func TestPartsAsPeopleWriteThem(t *testing.T) {
	v := newVault(t, vaulttest.Options{Catalog: matchingCatalog, Policy: matchingPolicy})
	v.Put(t, "c-1", "customer", "self", map[string]string{"email": "LuisG@Embraer.com.br", "phone": "(0711) 123 45-67", "name": "Müller  Lüdenscheidt"})
	for _, q := range []vault.Query{
		{Field: "email", Prefix: text(" luisg@EMB ")},
		{Field: "email", Contains: text("@embraer")},
		{Field: "email", Contains: text("luisg@embraer.com.br")},
		{Field: "phone", Prefix: text("+49 711")},
		{Field: "phone", Contains: text("711 12")},
		{Field: "phone", Contains: text("12345-67")},
		{Field: "name", Prefix: text("MÜLLER lü")},
		{Field: "name", Contains: text("er  lu\u0308")},
	} {
		wantWho(t, fmt.Sprintf("%s %s%s", q.Field, q.Prefix, q.Contains), who(t, v, q), "c-1")
	}
	for _, q := range []vault.Query{{Field: "name", Prefix: text("mull")}, {Field: "email", Prefix: text("uisg")}, {Field: "phone", Contains: text("0711")}} {
		wantWho(t, fmt.Sprintf("%s %s%s", q.Field, q.Prefix, q.Contains), who(t, v, q))
	}
}

// A cursor goes on with the search that it is of, and with no other.
func TestACursorIsOfOneMatch(t *testing.T) {
	v, _ := populated(t)
	app := v.As("app", "support")
	q := vault.Query{Collection: "customer", Field: "name", Prefix: text("an"), Limit: 2}
	m, err := v.Search(t.Context(), app, q)
	if err != nil || m.Cursor == "" {
		t.Fatalf("%+v, %v", m, err)
	}
	for what, other := range map[string]vault.Query{
		"another prefix": {Field: "name", Prefix: text("ann")}, "a part": {Field: "name", Contains: text("an")}, "equality": {Field: "name", Equals: text("an")},
	} {
		other.Collection, other.Limit, other.Cursor = "customer", 2, m.Cursor
		if _, err := v.Search(t.Context(), app, other); err == nil {
			t.Errorf("%s went on with it", what)
		}
	}
	q.Cursor = m.Cursor
	if _, err := v.Search(t.Context(), app, q); err != nil {
		t.Error(err)
	}
}

// Entries of a value have nothing in common with those of the same value in another field,
// or of another tenant.
func TestEntriesOfPlacesHaveNothingInCommon(t *testing.T) {
	wide := strings.NewReplacer("bits: 8", "bits: 64", "ngrams: {}", "ngrams: {bits: 64}").Replace(matchingCatalog)
	v := newVault(t, vaulttest.Options{Catalog: wide, Policy: matchingPolicy})
	if _, err := v.CreateTenant(t.Context(), v.Operator(), v.Keeper(), "other"); err != nil {
		t.Fatal(err)
	}
	elsewhere := func(c accessctl.Caller) accessctl.Caller {
		c.Tenant = "other"
		return c
	}
	if _, err := v.ApplyCatalog(t.Context(), elsewhere(v.Operator()), []byte(wide), false); err != nil {
		t.Fatal(err)
	}
	if _, _, err := v.ApplyPolicy(t.Context(), elsewhere(v.Operator()), []byte(matchingPolicy), false); err != nil {
		t.Fatal(err)
	}
	app, fields := v.As("app", "support"), vaulttest.Values(map[string]string{"name": "Gonçalves", "other": "Gonçalves"})
	for _, c := range []accessctl.Caller{app, elsewhere(app)} {
		for _, subject := range []string{"c-1", "c-2"} {
			w := vault.Write{Subject: subject, Collection: "customer", Record: "self", Fields: fields}
			if _, err := v.Vault.Put(t.Context(), c, w, vault.Idempotency{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	page, err := v.Store.(vault.Inspector).ScanRecords(t.Context(), vault.ScanPos{}, 10)
	if err != nil || len(page) != 4 {
		t.Fatalf("%d records, %v", len(page), err)
	}
	places, values := map[string]string{}, 0
	for _, r := range page {
		for _, e := range r.Index {
			place := fmt.Sprintf("field %d of tenant %d", e.Field, r.Pos.Tenant)
			if other, ok := places[string(e.Value)]; ok && other != place {
				t.Errorf("%s and %s have an entry in common", place, other)
			} else if ok {
				values++
			}
			places[string(e.Value)] = place
		}
	}
	if want := 4 * (1 + 4 + 8); values != want || len(places) != want {
		t.Errorf("%d values in the index, %d of them of two people, want %d of each: a whole value, four beginnings, eight runs", len(places), values, want)
	}
	q := vault.Query{Field: "name", Prefix: text("gon")}
	wantWho(t, "here", who(t, v, q), "c-1", "c-2")
	wantWho(t, "there", everyone(t.Context(), t, v.Vault, elsewhere(app), q, 0), "c-1", "c-2")
}

// No beginning or part of a value stands in the files of the database, and entries are
// cut to the bits that were declared.
func TestNoPartOfAValueIsStored(t *testing.T) {
	v := newVault(t, vaulttest.Options{Catalog: matchingCatalog, Policy: matchingPolicy})
	const name = "qzxwvjkq vbnmqzx"
	v.Put(t, "c-1", "customer", "self", map[string]string{"name": name, "note": name})
	widths := map[int]int{}
	page, err := v.Store.(vault.Inspector).ScanRecords(t.Context(), vault.ScanPos{}, 10)
	if err != nil || len(page) != 1 {
		t.Fatalf("%d records, %v", len(page), err)
	}
	for _, e := range page[0].Index {
		widths[len(e.Value)]++
		for n := 2; n <= len(name); n++ {
			for at := range len(name) - n + 1 {
				if bytes.Contains(e.Value, []byte(name[at:at+n])) {
					t.Errorf("an entry has %q in it", name[at:at+n])
				}
			}
		}
	}
	if widths[1] < 15 || widths[8] != 1 || len(widths) != 2 { // the 8 bytes are the mark of the partial index
		t.Errorf("entries by their bytes: %v", widths)
	}
	if v.Path == "" {
		return
	}
	for _, path := range []string{v.Path, v.Path + "-wal"} {
		b, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		for at := range len(name) - 5 {
			if bytes.Contains(b, []byte(name[at:at+5])) {
				t.Errorf("%s has %q in it", path, name[at:at+5])
			}
		}
	}
}
