package vault

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/accessctl/consent"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/audit/report"
	"github.com/fieldvault/fieldvault/crypto/field"
	"github.com/fieldvault/fieldvault/crypto/keyring"
	"github.com/fieldvault/fieldvault/crypto/secret"
	"github.com/fieldvault/fieldvault/vault/catalog"
)

// people gathers what one request decided, person by person: each gets one event.
type people struct {
	list []*person
	by   map[personKey]*person
	room []person // for those to come
	last *person  // whose views are lent to others that have the same
}

// A personKey is a lookup hash, with true, or nobody's.
type personKey struct {
	lookup [LookupSize]byte
	known  bool
}

type person struct {
	uid     uuid.UUID
	own     bool // the caller is this person
	views   tally
	lent    bool // the views are other people's too
	allowed bool
	code    string
	event   *audit.Event // by whose id it is recorded, once it is; nil: it is not yet
	failed  bool
}

// expect makes room for n people.
func (p *people) expect(n int) {
	p.list, p.by, p.room = make([]*person, 0, n), make(map[personKey]*person, n), make([]person, 0, n)
}

func (p *people) of(lookup []byte) *person {
	var key personKey
	key.known = copy(key.lookup[:], lookup) > 0
	if x := p.by[key]; x != nil {
		return x
	}
	if p.by == nil {
		p.by = map[personKey]*person{}
	}
	if len(p.room) == cap(p.room) {
		p.room = make([]person, 0, 1+len(p.list))
	}
	p.room = append(p.room, person{})
	x := &p.room[len(p.room)-1]
	p.by[key] = x
	p.list = append(p.list, x)
	return x
}

// lend has a person share the views of the one before, if they are the same, as those of
// a batch mostly are, and returns those that are no longer needed.
func (p *people) lend(x *person) (free tally) {
	if p.last == nil || p.last == x || !slices.Equal(p.last.views, x.views) {
		p.last = x
		return nil
	}
	if !x.lent {
		free = x.views
	}
	x.views, x.lent, p.last.lent = p.last.views, true, true
	return free
}

// saw counts the view of a field.
func (p *person) saw(collection, field uint32, d accessctl.Decision) {
	if p.lent {
		p.views, p.lent = slices.Clone(p.views), false
	}
	p.views.add(collection, field, d)
}

// fail notes why an item of this person is not answered; the first code stands.
func (p *person) fail(code string) {
	if p.code == "" {
		p.code = code
	}
}

// events makes the events of a reading, one a person.
func (p *people) events(r *reading) []audit.Event {
	events := make([]audit.Event, len(p.list))
	all, roles := r.v.event(r.t, r.s, r.c, r.action), report.RolesAttr(r.c.Roles)
	for i, x := range p.list {
		if i > 0 {
			all.ID = uuid.Nil // it gets one by its row
		}
		e := about(all, r.c, x.uid, x.own)
		e.Code, e.Fields, e.Subject = x.code, x.views.sorted(), roles
		switch {
		case x.allowed:
		case hides(x.code):
			e.Outcome = audit.Denied
		default:
			e.Outcome = audit.Failed
		}
		events[i] = e
		x.event = &events[i]
	}
	return events
}

// hides says whether a code is a reason for which values are withheld.
func hides(code string) bool {
	switch accessctl.Reason(code) {
	case accessctl.ReasonPolicy, accessctl.ReasonPurpose, accessctl.ReasonObjection, accessctl.ReasonConsent, accessctl.ReasonRestricted, accessctl.ReasonExpired:
		return true
	case accessctl.ReasonNone:
	}
	return false
}

// An opening is one sealed value to open after the event is durable.
type opening struct {
	want   *want
	answer int // index in the item's answers
	person *person
	sealed sealedValue
	view   accessctl.View
	key    int // index in the keys of openings
}

// A sealedValue is what of a stored value is not said by its key and its want.
type sealedValue struct {
	ciphertext field.Ciphertext
	revision   uint64
}

// openings are all values of a request, with the distinct keys they need.
type openings struct {
	list []opening
	keys []keyring.Sealed
	by   map[keyring.ID]int

	bytes    int // of ciphertext
	redacted int // of these, of texts that are redacted
}

func (o *openings) any() bool { return len(o.list) > 0 }

// spent are lists of openings for the next readings. There is no plaintext in them, and
// nothing else once they are here.
var spent sync.Pool //nolint:gochecknoglobals // memory, no state

// expect makes room for values and the keys they need.
func (o *openings) expect(values, keys int) {
	if list, ok := spent.Get().(*[]opening); ok && cap(*list) >= values {
		o.list = *list
	} else {
		o.list = make([]opening, 0, values)
	}
	o.keys, o.by = make([]keyring.Sealed, 0, keys), make(map[keyring.ID]int, keys)
}

// done gives the list back. Nothing may hold an opening any more.
func (o *openings) done() {
	if list := o.list; cap(list) > 0 {
		clear(list)
		list, o.list = list[:0], nil
		spent.Put(&list)
	}
}

// room takes the bytes of one more value, and says whether it is within the limits.
func (o *openings) room(bytes int, redact bool) bool {
	o.bytes += bytes
	if redact {
		o.redacted += bytes
	}
	return o.bytes <= maxOpened && o.redacted <= maxRedacted
}

// add plans an opening with a key. The values of a person follow each other, so that
// the last key is mostly the next.
func (o *openings) add(x opening, t *tenant, s *Subject, k *DataKey) {
	if n := len(o.keys); n > 0 && isKey(&o.keys[n-1].ID, s, k) {
		x.key = n - 1
		o.list = append(o.list, x)
		return
	}
	id := keyID(t, s, k)
	at, ok := o.by[id]
	if !ok {
		if o.by == nil {
			o.by = map[keyring.ID]int{}
		}
		at = len(o.keys)
		o.by[id] = at
		o.keys = append(o.keys, keyring.Sealed{ID: id, Wrapped: wrappedOf(k)})
	}
	x.key = at
	o.list = append(o.list, x)
}

// isKey says whether a key of the request's tenant is that of a person.
func isKey(id *keyring.ID, s *Subject, k *DataKey) bool {
	return id.UID == s.UID && id.Group == k.Group && id.Epoch == k.Epoch && id.Version == k.Version
}

func keyID(t *tenant, s *Subject, k *DataKey) keyring.ID {
	return keyring.ID{Tenant: t.row.Name, UID: s.UID, Group: k.Group, Epoch: k.Epoch, Version: k.Version}
}

func wrappedOf(k *DataKey) keyring.Wrapped {
	return keyring.Wrapped{Version: int(k.KEKVersion), Bytes: k.Wrapped}
}

// openAll opens what was decided, with one request to the key-encryption key at
// most. What does not open is an integrity error of its item, and a failed event.
func (r *reading) openAll(ctx context.Context) error {
	if !r.open.any() {
		return nil
	}
	keys, errs, err := r.v.openKeys(ctx, r.t, r.open.keys)
	if err != nil {
		return r.failAll(ctx, err)
	}
	var failures []audit.Event
	var opener field.Opener
	defer opener.Close()
	for i := range r.open.list {
		o := &r.open.list[i]
		out := &r.out[o.want.at]
		if out.Err != nil {
			continue
		}
		if errs != nil && errs[o.key] != nil {
			failures = append(failures, r.failed(o)...)
			continue
		}
		plain, err := r.openOne(&opener, o, keys[o.key])
		if err != nil {
			failures = append(failures, r.failed(o)...)
			continue
		}
		out.Fields[o.answer].Value = plain
	}
	return r.v.record(ctx, r.t, failures...)
}

// openOne opens a value and masks it where the caller gets no more.
func (r *reading) openOne(opener *field.Opener, o *opening, k *field.Key) (secret.Bytes, error) {
	f, id := r.out[o.want.at].Fields[o.answer].Field, &r.open.keys[o.key].ID
	place := field.Place{
		Tenant: r.t.row.Name, UID: id.UID, Group: id.Group, Epoch: id.Epoch,
		Collection: o.want.coll.ID, Record: o.want.record, Field: f.ID, Revision: o.sealed.revision,
	}
	var plain secret.Bytes
	var err error
	if o.want.portable != nil {
		place.Record, place.Revision = "", 0
		plain, err = k.OpenPortable(place, *o.want.portable)
	} else {
		plain, err = opener.Open(k, &place, o.sealed.ciphertext)
	}
	if err != nil || o.view == accessctl.Plain {
		return plain, err
	}
	masked := r.s.masked(f, plain)
	plain.Wipe()
	return masked, nil
}

// failed empties the item and records the failure, once a person.
func (r *reading) failed(o *opening) []audit.Event {
	r.out[o.want.at] = Revealed{Err: ErrIntegrity}
	if o.want.portable != nil {
		r.out[o.want.at].Err = invalid("ciphertext", "does not open: it was changed, or is another person's or field's")
	}
	if o.person.failed {
		return nil
	}
	o.person.failed = true
	return []audit.Event{r.failure(o.person, codeIntegrity)}
}

func (r *reading) failure(p *person, code string) audit.Event {
	e := about(r.v.event(r.t, r.s, r.c, r.action), r.c, p.uid, p.own)
	e.Outcome, e.Code = audit.Failed, code
	if p.event != nil {
		e.Refers = p.event.ID
	}
	return e
}

// failAll records that nothing was opened, and says that a part does not answer.
func (r *reading) failAll(ctx context.Context, cause error) error {
	var failures []audit.Event
	for _, p := range r.people.list {
		if p.allowed && len(p.views) > 0 {
			failures = append(failures, r.failure(p, codeKEK))
		}
	}
	if err := r.v.record(ctx, r.t, failures...); err != nil {
		return err
	}
	return fmt.Errorf("opening keys: %w", unavailable(cause))
}

// alive says, as a code, why a person that was loaded is not one to decide about: their
// row or keys were changed outside the service, or they were erased. Consents that are
// not the ones that the row answers for count as none.
func (r *reading) alive(l *LoadedItem) string {
	s := l.Subject
	switch {
	case !r.t.marked(s):
		return codeIntegrity
	case s.State != Live, r.v.erasedBefore(r.t, s.UID):
		return codeGone
	}
	l.Keys = r.v.living(r.t, s.UID, l.Keys)
	consentsStand, keysStand := stands(s, l.Consents, l.Keys)
	if !consentsStand {
		l.Consents = distrusted(r.s.catalog)
	}
	if !keysStand {
		return codeIntegrity
	}
	return ""
}

// consentState is what the person has said about the purpose, as it stands now under
// the terms of the catalog. A row whose MAC is missing or wrong counts for nothing.
func (t *tenant) consentState(cat *catalog.Catalog, uid uuid.UUID, rows []Consent, p accessctl.Purpose, now time.Time) accessctl.Consent {
	for i := range rows {
		if rows[i].Purpose != string(p) {
			continue
		}
		if !t.stamped(uid, &rows[i]) {
			return accessctl.ConsentNone
		}
		e, since := consentEvent(&rows[i]), int64(0)
		if why, ok := cat.Purpose(string(p)); ok {
			since = why.Since
		}
		return e.Under(since, now)
	}
	return accessctl.ConsentNone
}

// consentFor is consentState as a decision needs it. A purpose that does not rest on
// consent, and that people may object to, stays shut after any no of theirs, under
// whatever basis it was said, and while nobody can tell what they said.
func (t *tenant) consentFor(cat *catalog.Catalog, uid uuid.UUID, rows []Consent, p accessctl.Purpose, now time.Time) accessctl.Consent {
	s := t.consentState(cat, uid, rows, p, now)
	why, ok := cat.Purpose(string(p))
	if !ok || why.Basis == catalog.BasisConsent || !why.Objectable() {
		return s
	}
	if s == accessctl.ConsentRefused || s == accessctl.ConsentWithdrawn {
		return accessctl.ConsentObjected
	}
	for i := range rows {
		if rows[i].Purpose == string(p) && !t.stamped(uid, &rows[i]) {
			return accessctl.ConsentObjected
		}
	}
	return s
}

// distrusted are consents in place of those that were changed or put back by SQL: one
// for each purpose, and none of them stamped.
func distrusted(cat *catalog.Catalog) []Consent {
	list := make([]Consent, len(cat.Purposes))
	for i := range cat.Purposes {
		list[i].Purpose = cat.Purposes[i].ID
	}
	return list
}

// stamped says whether a consent bears the tenant's MAC.
func (t *tenant) stamped(uid uuid.UUID, c *Consent) bool {
	return t.mac.Verify(c.MAC, consent.Label, consent.Canonical(t.row.Name, uid, consentEvent(c))...)
}

func consentEvent(c *Consent) consent.Event {
	return consent.Event{
		Purpose: accessctl.Purpose(c.Purpose), Decision: consent.Decision(c.Decision),
		Notice: c.Notice, Method: c.Method, At: c.At, Expires: c.Expires,
	}
}
