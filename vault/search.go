package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/crypto/field"
	"github.com/fieldvault/fieldvault/vault/catalog"
)

// cursorLife is how long a cursor may be used.
const cursorLife = time.Hour

// Search finds the records whose field equals the value, begins with it, contains it or is
// in a range, all normalised as on writing. It decides for each match (consent and restriction are the match's
// own), records the candidates, and only then opens and compares them, so that a
// planned collision of the index never shows a stranger. A match counts only where
// the caller, under the purpose, holds the action search on the field, and for all but
// equality may see it in plain. A cursor serves the same caller, purpose and query for an
// hour. A page opens at most Limit values, and ends where it has opened as many: candidates
// whom the caller may know nothing of do not show in it, unless they are thousands in a row.
//
// An *InvalidError says, too, that the field has no index for such a search, or that what
// is sought is too short or too wide a range for it. A *KeyError says that the field was indexed a short while ago, and that a job still
// indexes records from before. Beyond [Config.ReadLimit] the error is a *LimitError or
// an *ApprovalError.
func (v *Vault) Search(ctx context.Context, c accessctl.Caller, q Query) (Matches, error) {
	for range attempts {
		m, err := v.search(ctx, c, q)
		if !errors.Is(err, errRestart) {
			return m, err
		}
	}
	return Matches{}, fmt.Errorf("%w: the catalog or policy changes all the while", ErrUnavailable)
}

// search is one try. errRestart says that the settings it went by are not the ones
// in force: an index may have another version by now.
func (v *Vault) search(ctx context.Context, c accessctl.Caller, q Query) (Matches, error) {
	t, s, err := v.permitRecords(ctx, c, accessctl.ActionSearch, "", q.Collection)
	if err != nil {
		return Matches{}, err
	}
	if err := v.pinIndexKeys(ctx, t, s); err != nil {
		return Matches{}, v.unlessOutdated(ctx, t, s, err)
	}
	sr, err := newSearching(v, c, t, s, q)
	if err != nil {
		return Matches{}, err
	}
	defer sr.sought.Wipe()
	if !sr.r.d.HasSearch(sr.match(), sr.fact) {
		return Matches{}, v.denied(ctx, t, s, c, accessctl.ActionSearch)
	}
	return sr.run(ctx)
}

// A searching is one page of one search.
type searching struct {
	r     *reading
	q     Query
	coll  *catalog.Collection
	field *catalog.Field
	fact  accessctl.Field
	index IndexQuery
	more  Matches

	sought    *catalog.Sought
	loaded    []*LoadedItem // the candidates that were decided about
	permitted int           // how many of them are opened
}

func (sr *searching) match() accessctl.Match { return accessctl.Match(sr.sought.Match()) }

// way is how the query compares. The error is an *InvalidError: it does not say, or in two
// ways.
func (q *Query) way() (match string, err error) {
	for _, w := range []struct {
		match string
		said  bool
	}{
		{catalog.MatchEquals, q.Equals != nil},
		{catalog.MatchPrefix, q.Prefix != nil},
		{catalog.MatchContains, q.Contains != nil},
		{catalog.MatchRange, q.From != nil || q.To != nil},
	} {
		switch {
		case !w.said:
		case match != "":
			return "", invalid(w.match, "cannot stand beside "+match+": a search is by one of them")
		default:
			match = w.match
		}
	}
	if match == "" {
		return "", invalid("equals", "is required, or one of prefix, contains, from and to")
	}
	return match, nil
}

// seek reads what is looked for, which the field's index serves.
func (q *Query) seek(f *catalog.Field, match string) (*catalog.Sought, error) {
	switch match {
	case catalog.MatchPrefix:
		return f.SeekPrefix(q.Prefix)
	case catalog.MatchContains:
		return f.SeekPart(q.Contains)
	case catalog.MatchRange:
		return f.SeekRange(q.From, q.To)
	default:
		return f.SeekEqual(q.Equals)
	}
}

func newSearching(v *Vault, c accessctl.Caller, t *tenant, s *settings, q Query) (*searching, error) {
	coll, ok := s.catalog.Collection(q.Collection)
	if !ok {
		return nil, invalid("collection", "is not in the catalog")
	}
	match, err := q.way()
	if err != nil {
		return nil, err
	}
	f, ok := coll.Field(q.Field)
	switch {
	case !ok:
		return nil, invalid("field", "is not in the catalog")
	case f.Index == nil:
		return nil, invalid("field", "is not indexed: only fields with an index can be searched")
	case !f.Index.Serves(match):
		return nil, invalid("field", "cannot be searched in this way ("+match+"): its index in the catalog does not declare it")
	case len(f.Index.SearchedFor(match)) == 0:
		return nil, &KeyError{
			Why:  "the field " + coll.Name + "." + f.Name + " cannot be searched so yet: a job indexes the records that were there before it had such an index",
			Next: "wait until the job reindex is done (GET /v1/jobs)",
		}
	}
	if q.Limit, err = pageLimit(q.Limit); err != nil {
		return nil, err
	}
	sr := &searching{q: q, coll: coll, field: f, fact: describe(coll, f, c.Purpose)}
	sr.r = &reading{v: v, c: c, action: accessctl.ActionSearch, t: t, s: s, d: s.decider(c)}
	if sr.sought, err = q.seek(f, match); err != nil {
		return nil, valueError(coll, f, err)
	}
	sr.index = IndexQuery{Tenant: t.row.ID, Collection: coll.ID, Field: f.ID}
	if sr.index.Values, sr.index.Every, err = t.sought(coll, f, sr.sought); err != nil {
		return nil, t.unlessNewer(s, err)
	}
	return sr, sr.resume()
}

func pageLimit(n int) (int, error) {
	switch {
	case n == 0:
		return 100, nil
	case n < 0 || n > MaxPage:
		return 0, invalid("limit", "must be from 1 to 1000")
	}
	return n, nil
}

// searchRounds bounds how often a search reads more candidates in place of those that the
// caller may know nothing of: about 4,000 in a row are passed over.
const searchRounds = 5

// run reads candidates until it has as many to open as a page may hold, or there are no
// more: where a page ends tells nothing of people whom the caller may not find.
func (sr *searching) run(ctx context.Context) (Matches, error) {
	began, more := sr.r.v.tick(), true
	for round := 0; more && round < searchRounds; round++ {
		var err error
		if more, err = sr.round(ctx, round); err != nil {
			return Matches{}, err
		}
		if sr.permitted == sr.q.Limit {
			break
		}
	}
	sr.r.out = make([]Revealed, len(sr.loaded))
	if err := sr.r.within(ctx); err != nil {
		return Matches{}, err
	}
	if err := sr.record(ctx); err != nil {
		return Matches{}, err
	}
	if err := sr.compare(ctx); err != nil {
		return Matches{}, err
	}
	if sr.r.v.old(began) && len(sr.more.Matches) > 0 {
		return Matches{}, fmt.Errorf("%w: the parts are too slow", ErrUnavailable)
	}
	return sr.more, sr.next(more)
}

// round decides about the next candidates, and says whether there may be others after them.
func (sr *searching) round(ctx context.Context, n int) (more bool, err error) {
	v, t := sr.r.v, sr.r.t
	sr.index.Limit = sr.q.Limit
	if n > 0 {
		sr.index.Limit = MaxPage
	}
	var found []Candidate
	err = v.store.View(ctx, func(tx Tx) (err error) {
		found, err = tx.SearchIndex(ctx, sr.index)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("searching: %w", err)
	}
	q := LoadQuery{Tenant: t.row.ID, Items: make([]Ref, len(found)), Identity: true}
	for i := range found {
		q.Items[i] = Ref{Lookup: found[i].Lookup, Collection: sr.coll.ID, Record: found[i].Record}
	}
	l, err := v.store.LoadForReveal(ctx, q)
	if err != nil {
		return false, fmt.Errorf("loading: %w", err)
	}
	if _, reloaded, err := v.at(ctx, t, sr.r.s, l); err != nil {
		return false, err
	} else if reloaded {
		return false, errRestart
	}
	if err := v.guard(ctx, l.Incarnation); err != nil {
		return false, err
	}
	for i := range found {
		if sr.permitted == sr.q.Limit {
			return true, nil
		}
		sr.decide(len(sr.loaded), &found[i], &l.Items[i])
		sr.loaded = append(sr.loaded, &l.Items[i])
		sr.index.AfterUID, sr.index.AfterRec = found[i].UID, found[i].Record
	}
	return len(found) == sr.index.Limit, nil
}

// decide plans the opening of one candidate, if the caller may search this
// person's field.
func (sr *searching) decide(i int, c *Candidate, l *LoadedItem) {
	r := sr.r
	w := &want{at: i, coll: sr.coll, record: c.Record, lookup: c.Lookup}
	if l.Subject == nil || l.Subject.UID != c.UID {
		return
	}
	p := r.people.of(c.Lookup)
	sealed, code := r.state(w, l, p)
	if code != "" {
		p.fail(code)
		return
	}
	s := find(sealed, sr.field)
	id := keyOf(l.Keys, identityGroup)
	if s == nil || id == nil || id.Wrapped == nil {
		return
	}
	k := keyOf(l.Keys, s.Group)
	if k == nil || k.Wrapped == nil || k.Epoch != s.Epoch {
		return // the group was erased
	}
	why, _ := r.s.catalog.Purpose(string(r.c.Purpose))
	r.why = why
	d := r.d.PermitSearch(sr.match(), sr.fact, accessctl.State{
		Consent:    r.t.consentFor(r.s.catalog, l.Subject.UID, l.Consents, r.c.Purpose, r.v.now()),
		Restricted: l.Subject.Restricted, Expired: r.expired(sr.field, s),
	})
	p.saw(sr.coll.ID, sr.field.ID, accessctl.Decision{Reason: d.Reason})
	if !d.Allowed {
		p.fail(codePolicy)
		return
	}
	p.allowed = true
	sr.permitted++
	r.open.add(opening{want: w, answer: -1, person: p, sealed: sealedValue{s.Ciphertext, s.Revision}}, r.t, l.Subject, k)
	r.open.add(opening{want: w, answer: -2, person: p}, r.t, l.Subject, id)
}

// record makes the search durable: an event for each candidate's person, or one
// for a search that found nobody. It names the match if that is not equality.
func (sr *searching) record(ctx context.Context) error {
	events := sr.r.people.events(sr.r)
	if len(events) == 0 {
		e := sr.r.v.event(sr.r.t, sr.r.s, sr.r.c, accessctl.ActionSearch)
		e.Code = codeNotFound
		e.Fields = []audit.FieldView{{Collection: sr.coll.ID, Field: sr.field.ID, Count: 1}}
		events = append(events, e)
	}
	if m := sr.match(); m != accessctl.MatchEquals {
		for i := range events {
			attrs := append(slices.Clone(events[i].Subject), audit.Attr{Key: "match", Value: string(m)})
			slices.SortFunc(attrs, func(a, b audit.Attr) int { return strings.Compare(a.Key, b.Key) })
			events[i].Subject = attrs
		}
	}
	return sr.r.v.record(ctx, sr.r.t, events...)
}

// compare opens the candidates and keeps those whose value is one asked for.
func (sr *searching) compare(ctx context.Context) error {
	r := sr.r
	if !r.open.any() {
		return nil
	}
	keys, errs, err := r.v.openKeys(ctx, r.t, r.open.keys)
	if err != nil {
		return r.failAll(ctx, err)
	}
	var failures []audit.Event
	for i := 0; i+1 < len(r.open.list); i += 2 {
		value, name := &r.open.list[i], &r.open.list[i+1]
		if errs != nil && (errs[value.key] != nil || errs[name.key] != nil) {
			failures = append(failures, r.failed(value)...)
			continue
		}
		m, ok, err := sr.open(value, name, keys, sr.loaded[value.want.at])
		if err != nil {
			failures = append(failures, r.failed(value)...)
		} else if ok {
			sr.more.Matches = append(sr.more.Matches, m)
		}
	}
	return r.v.record(ctx, r.t, failures...)
}

func (sr *searching) open(value, name *opening, keys []*field.Key, l *LoadedItem) (Match, bool, error) {
	t := sr.r.t
	id := &sr.r.open.keys[value.key].ID
	plain, err := keys[value.key].OpenSplit(field.Place{
		Tenant: t.row.Name, UID: id.UID, Group: id.Group, Epoch: id.Epoch,
		Collection: sr.coll.ID, Record: value.want.record, Field: sr.field.ID, Revision: value.sealed.revision,
	}, value.sealed.ciphertext)
	if err != nil {
		return Match{}, false, err
	}
	defer plain.Wipe()
	normal, err := sr.field.Normalise(plain)
	if err != nil {
		return Match{}, false, err
	}
	defer normal.Wipe()
	if !sr.sought.Holds(normal) {
		return Match{}, false, nil
	}
	id = &sr.r.open.keys[name.key].ID
	subject, err := keys[name.key].Open(identityPlace(t, id.UID, id.Epoch, placeID), l.Subject.SealedID)
	if err != nil {
		return Match{}, false, err
	}
	return Match{Subject: string(subject.Expose()), Record: value.want.record}, true, nil
}

// A cursor is where the next page begins. It is sealed, and bound to who asked
// for what.
type cursor struct {
	UID     uuid.UUID `json:"u"`
	Record  string    `json:"r"`
	Coll    uint32    `json:"c"`
	Due     time.Time `json:"d,omitzero"`
	Expires int64     `json:"x"`
}

func (sr *searching) label() string {
	parts := append([][]byte{[]byte(sr.q.Collection), []byte(sr.q.Field)}, sr.sought.Parts()...)
	filter := sr.r.t.mac.Sum("search", parts...)
	return cursorLabel(sr.r.c, "search", filter[:])
}

func cursorLabel(c accessctl.Caller, what string, filter []byte) string {
	return what + "\x00" + string(principalOf(c.Principal)) + "\x00" + string(c.Purpose) + "\x00" + string(filter)
}

// resume continues after the cursor.
func (sr *searching) resume() error {
	if sr.q.Cursor == "" {
		return nil
	}
	c, err := sr.r.v.openCursor(sr.r.t, sr.label(), sr.q.Cursor)
	sr.index.AfterUID, sr.index.AfterRec = c.UID, c.Record
	return err
}

// next is the cursor after the last candidate. more says that there may be others: a full
// page has one even if there are none, since those may be people who are nobody here.
func (sr *searching) next(more bool) (err error) {
	if !more && sr.permitted < sr.q.Limit {
		return nil
	}
	sr.more.Cursor, err = sr.r.v.sealCursor(sr.r.t, sr.label(), cursor{UID: sr.index.AfterUID, Record: sr.index.AfterRec})
	return err
}

func (v *Vault) sealCursor(t *tenant, label string, c cursor) (string, error) {
	c.Expires = v.now().Add(cursorLife).Unix()
	b, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("encoding a cursor: %w", err)
	}
	box, err := t.cursor.Seal(label, b)
	if err != nil {
		return "", fmt.Errorf("sealing a cursor: %w", err)
	}
	return cursorText.EncodeToString(box), nil
}

func (v *Vault) openCursor(t *tenant, label, text string) (c cursor, err error) {
	bad := invalid("cursor", "is not one of this search, or has expired: begin again without it")
	box, err := cursorText.DecodeString(text)
	if err != nil || len(text) > 1024 {
		return cursor{}, bad
	}
	b, err := t.cursor.Open(label, box)
	if err != nil || json.Unmarshal(b, &c) != nil || v.now().Unix() > c.Expires {
		return cursor{}, bad
	}
	return c, nil
}
