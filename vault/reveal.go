package vault

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/crypto/field"
	"github.com/fieldvault/fieldvault/vault/catalog"
)

// Reveal answers up to MaxItems items, in order: each field plain, masked or
// hidden, as policy, purpose and consent say at one instant inside the call. It
// costs two statements of the store (the load and the audit append) and at most
// one request to the key-encryption key, whatever the number of people and fields.
//
// The error is for the call as a whole: ErrDenied, ErrUnavailable, an *InvalidError
// about the purpose, or beyond [Config.ReadLimit] a *LimitError or an *ApprovalError. What concerns one item is its Err. Items are
// only read; the values in the result are the caller's to wipe.
func (v *Vault) Reveal(ctx context.Context, c accessctl.Caller, items []Item) ([]Revealed, error) {
	if len(items) > MaxItems {
		return nil, ErrTooLarge
	}
	return v.read(ctx, c, accessctl.ActionReveal, len(items), func(r *reading) {
		var seen map[wantKey]bool
		if len(items) > 1 {
			seen = make(map[wantKey]bool, len(items))
		}
		r.wants = make([]want, 0, len(items))
		r.people.expect(len(items))
		for i := range items {
			w, err := r.want(&items[i])
			if err != nil {
				r.out[i].Err = err
				continue
			}
			if len(items) > 1 {
				key := w.key()
				if seen[key] {
					r.out[i].Err = invalid("items", "must name each record once")
					continue
				}
				seen[key] = true
			}
			w.at = i
			r.wants = append(r.wants, w)
		}
	})
}

// A reading is one request to open values, of records or of ciphertexts that an
// application kept.
type reading struct {
	v      *Vault
	c      accessctl.Caller
	action accessctl.Action
	t      *tenant
	s      *settings
	d      *accessctl.Decider
	why    *catalog.Purpose // nil for PurposeSelf

	wants   []want
	refused bool // an item asked for all fields without the right to
	out     []Revealed
	tokens  *detokenising // set: the wants come of tokens
	people  people
	open    openings
	room    room
}

// maxOpened bounds the bytes that one request opens; items beyond are ErrTooLarge.
const maxOpened = 64 << 20

// maxRedacted bounds the bytes of texts that one request redacts, likewise: even those that
// take longest to look at are done well before the load is too old for their release.
const maxRedacted = 2 << 20

// maxPlanned bounds for how many openings room is made before they are known.
const maxPlanned = 10_000

// attempts bounds how often a request begins again because what it decided
// from has changed meanwhile.
const attempts = 5

// read is the five steps of DESIGN's reveal: load, decide, record, open, and
// begin again if the load has become old. resolve turns the input into wants
// with the settings of r; it may run more than once.
func (v *Vault) read(ctx context.Context, c accessctl.Caller, a accessctl.Action, n int, resolve func(*reading)) ([]Revealed, error) {
	t, err := v.tenantOf(ctx, c.Tenant)
	if err != nil {
		return nil, err
	}
	for range attempts {
		r, refusal := v.newReading(ctx, t, c, a, n)
		if r == nil {
			return nil, refusal
		}
		if refusal == nil {
			resolve(r)
		}
		if refusal != nil || r.refuses() {
			if again, err := v.outdated(ctx, t, r.s); err != nil {
				return nil, err
			} else if again {
				continue
			}
		}
		switch {
		case errors.Is(refusal, ErrDenied):
			return nil, v.denied(ctx, t, r.s, c, a)
		case refusal != nil:
			return nil, refusal
		}
		if r.refused {
			if err := v.denied(ctx, t, r.s, c, accessctl.ActionExport); !errors.Is(err, ErrDenied) {
				return nil, err
			}
		}
		if len(r.wants) == 0 && len(r.people.list) == 0 {
			return r.out, nil
		}
		done, err := r.attempt(ctx)
		if err != nil {
			return nil, err
		}
		r.open.done()
		if done {
			return r.out, nil
		}
	}
	return nil, fmt.Errorf("%w: catalog or policy keep changing, or the parts are too slow", ErrUnavailable)
}

// newReading prepares a reading with the settings at hand. refusal is why the
// purpose or the role alone refuse it; without a reading, why there is none.
func (v *Vault) newReading(ctx context.Context, t *tenant, c accessctl.Caller, a accessctl.Action, n int) (r *reading, refusal error) {
	s, err := v.settingsOf(ctx, t)
	if err != nil {
		return nil, err
	}
	r = &reading{v: v, c: c, action: a, t: t, s: s, d: s.decider(c), out: make([]Revealed, n)}
	r.why, _ = s.catalog.Purpose(string(c.Purpose))
	if err := s.checkPurpose(c.Purpose); err != nil {
		return r, err
	}
	if !r.d.Has(accessctl.ActionReveal, s.fields) || a == accessctl.ActionDetokenise && !r.d.Has(a, s.fields) {
		return r, ErrDenied
	}
	return r, nil
}

// refuses says whether an item is refused before any look-up.
func (r *reading) refuses() bool {
	for i := range r.out {
		if r.out[i].Err != nil {
			return true
		}
	}
	return false
}

// attempt runs the five steps once. done is false when it must begin again.
func (r *reading) attempt(ctx context.Context) (done bool, err error) {
	began := r.v.tick()
	q := LoadQuery{Tenant: r.t.row.ID, Items: make([]Ref, len(r.wants))}
	for i := range r.wants {
		w := &r.wants[i]
		q.Items[i] = Ref{Lookup: w.lookup, Collection: w.coll.ID, Record: w.record}
		if w.portable != nil {
			q.Items[i].Collection = 0
		}
	}
	l, broken, err := r.v.load(ctx, q)
	if err != nil {
		return false, err
	}
	if _, reloaded, err := r.v.at(ctx, r.t, r.s, l); err != nil || reloaded {
		return false, err
	}
	if err := r.v.guard(ctx, l.Incarnation); err != nil {
		return false, err
	}
	r.decideAll(l, broken)
	if err := r.within(ctx); err != nil {
		return false, err
	}
	if lost, err := r.spend(ctx); err != nil {
		return false, err
	} else if lost {
		r.startOver()
		r.decideAll(l, broken)
	}
	if err := r.v.record(ctx, r.t, r.people.events(r)...); err != nil {
		return false, err
	}
	if err := r.openAll(ctx); err != nil {
		return false, err
	}
	if r.v.old(began) && r.open.any() {
		return false, nil
	}
	return true, nil
}

// decideAll decides every item that was loaded.
func (r *reading) decideAll(l *Loaded, broken []bool) {
	for i := range r.wants {
		if broken != nil && broken[i] {
			w := &r.wants[i]
			r.people.of(w.lookup).fail(codeIntegrity)
			r.out[w.at].Err = answerError(codeIntegrity, r.d.MayKnow(w.facts, w.own))
			continue
		}
		r.decide(&r.wants[i], &l.Items[i])
	}
}

// load reads what decides the items. One that cannot be read, because it was
// changed outside the service, does not take the others with it: broken names it.
func (v *Vault) load(ctx context.Context, q LoadQuery) (l *Loaded, broken []bool, err error) {
	l, err = v.store.LoadForReveal(ctx, q)
	if err == nil || !errors.Is(err, ErrIntegrity) {
		if err != nil {
			err = fmt.Errorf("loading: %w", err)
		}
		return l, nil, err
	}
	all, err := v.store.LoadForReveal(ctx, LoadQuery{Tenant: q.Tenant})
	if err != nil {
		return nil, nil, fmt.Errorf("loading: %w", err)
	}
	all.Items, broken = make([]LoadedItem, len(q.Items)), make([]bool, len(q.Items))
	for i := range q.Items {
		one, err := v.store.LoadForReveal(ctx, LoadQuery{Tenant: q.Tenant, Items: q.Items[i : i+1], Identity: q.Identity})
		switch {
		case errors.Is(err, ErrIntegrity):
			broken[i] = true
		case err != nil:
			return nil, nil, fmt.Errorf("loading: %w", err)
		default:
			all.Items[i] = one.Items[0]
			all.CatalogVersion, all.PolicyVersion = one.CatalogVersion, one.PolicyVersion
			if one.Incarnation != all.Incarnation || one.Replica {
				return nil, nil, fmt.Errorf("loading: %w: the database has just been restarted", ErrUnavailable)
			}
		}
	}
	return all, broken, nil
}

// decide says what each field of one item may be to the caller, and plans the
// opening of what is not hidden.
func (r *reading) decide(w *want, l *LoadedItem) {
	p := r.people.of(w.lookup)
	knows := r.d.MayKnow(w.facts, w.own)
	sealed, code := r.state(w, l, p)
	if code == "" && !knows {
		code = codePolicy
	}
	if code != "" {
		p.fail(code)
		r.out[w.at].Err = answerError(code, knows)
		return
	}
	if l.Record != nil {
		r.out[w.at].Revision = l.Record.Revision
	}
	state := accessctl.State{
		Consent:    seedConsent(l.Subject.UID, r.t.consentFor(r.s.catalog, l.Subject.UID, l.Consents, r.c.Purpose, r.v.now())),
		Restricted: l.Subject.Restricted,
		Own:        w.own,
	}
	r.out[w.at].Fields = r.room.answers(len(w.fields), len(r.wants))
	if p.views == nil {
		p.views = r.room.views(len(w.fields))
	}
	for i, f := range w.fields {
		r.decideField(w, l, p, state, i, find(sealed, f))
	}
	r.room.spare = r.people.lend(p)
	p.allowed = p.allowed || !allHidden(r.out[w.at].Fields)
	if !p.allowed {
		p.fail(string(r.out[w.at].Fields[0].Reason))
	}
}

// allHidden says whether there are answers and every one hides its field.
func allHidden(list []Answer) bool {
	for i := range list {
		if list[i].View != accessctl.Hidden {
			return false
		}
	}
	return len(list) > 0
}

// decideField decides one field; s is what is stored of it, or nil.
func (r *reading) decideField(w *want, l *LoadedItem, p *person, state accessctl.State, i int, s *field.Sealed) {
	f, out := w.fields[i], &r.out[w.at]
	if w.all && s == nil {
		return
	}
	var k *DataKey
	if s != nil {
		if k = keyOf(l.Keys, s.Group); k == nil || k.Wrapped == nil || k.Epoch != s.Epoch {
			s = nil // the group was erased
		} else {
			state.Expired = r.expired(f, s)
		}
	}
	if w.token != nil && s != nil && s.Epoch != w.token.Epoch {
		s = nil // what is stored since the group was erased has tokens of its own
	}
	d := r.viewOf(w, i, state)
	if w.token != nil && d.View != accessctl.Hidden && !r.d.Permit(accessctl.ActionDetokenise, w.facts[i], state).Allowed {
		d = accessctl.Decision{Reason: accessctl.ReasonPolicy}
	}
	if w.all && d.View != accessctl.Hidden && !r.d.Permit(accessctl.ActionExport, w.facts[i], state).Allowed {
		d = accessctl.Decision{Reason: accessctl.ReasonPolicy}
	}
	switch {
	case d.View == accessctl.Hidden:
		out.Fields = append(out.Fields, Answer{Field: f, Reason: d.Reason})
	case s == nil:
		return // permitted and not stored: left out
	default:
		if !r.open.room(len(s.Ciphertext.Body), d.View == accessctl.Masked && f.Mask == catalog.MaskRedact) {
			out.Err = ErrTooLarge
			return
		}
		if r.open.list == nil {
			r.open.expect(min(maxPlanned, len(r.wants)*len(w.fields)), min(maxPlanned, len(r.wants)*len(l.Keys)))
		}
		r.open.add(opening{
			want: w, answer: len(out.Fields), person: p, sealed: sealedValue{s.Ciphertext, s.Revision}, view: d.View,
		}, r.t, l.Subject, k)
		out.Fields = append(out.Fields, Answer{Field: f, View: d.View})
	}
	p.saw(w.coll.ID, f.ID, d)
}

// viewOf decides what a field may be to the caller. Items that ask for the same fields
// follow each other, of people in the same state: their decisions are the same.
func (r *reading) viewOf(w *want, i int, state accessctl.State) accessctl.Decision {
	d := &r.room.decided
	if state.Expired {
		return r.d.Reveal(w.facts[i], state)
	}
	if d.facts != &w.facts[0] || d.state != state {
		d.facts, d.state, d.list = &w.facts[0], state, append(d.list[:0], make([]*accessctl.Decision, len(w.facts))...)
	}
	if d.list[i] == nil {
		is := r.d.Reveal(w.facts[i], state)
		d.list[i] = &is
	}
	return *d.list[i]
}

// state says why there is nothing to decide about, as a code, or gives what is
// stored. It does not yet say what the caller may know.
func (r *reading) state(w *want, l *LoadedItem, p *person) ([]field.Sealed, string) {
	s := l.Subject
	if s == nil || w.token != nil && (w.spent || w.token.UID != s.UID) {
		return nil, codeNotFound // nobody; or a token that was used up, or of an earlier life
	}
	p.uid, p.own = s.UID, w.own
	if code := r.alive(l); code != "" {
		return nil, code
	}
	switch {
	case w.portable != nil:
		return portableSealed(w, l)
	case l.Record == nil || l.Record.Deleted:
		return nil, codeNotFound
	}
	sealed, err := r.t.unpackInto(r.room.sealed, s.UID, l.Record)
	if err != nil {
		return nil, codeIntegrity
	}
	r.room.sealed = sealed[:0]
	for i := range sealed {
		if k := keyOf(l.Keys, sealed[i].Group); k != nil && sealed[i].Epoch > k.Epoch || sealed[i].Revision > l.Record.Revision {
			return nil, codeIntegrity
		}
	}
	return sealed, ""
}

// expired says whether the field's retention has run out for this purpose.
func (r *reading) expired(f *catalog.Field, s *field.Sealed) bool {
	days := f.Retention
	if r.why != nil {
		days = f.Expires(r.why)
	}
	return days != 0 && s.At != 0 && r.v.now().After(endOf(s, days))
}

// find returns what is stored of a field, if it is sealed in the field's group.
func find(sealed []field.Sealed, f *catalog.Field) *field.Sealed {
	for i := range sealed {
		if sealed[i].Field == f.ID && sealed[i].Group == f.GroupID {
			return &sealed[i]
		}
	}
	return nil
}

func keyOf(keys []DataKey, group uint32) *DataKey {
	for i := range keys {
		if keys[i].Group == group {
			return &keys[i]
		}
	}
	return nil
}

// answerError is what a caller is told: the truth if they may know of the
// person, else that nothing was found, alike for every cause.
func answerError(code string, knows bool) error {
	if !knows {
		return ErrNotFound
	}
	switch code {
	case codeGone:
		return ErrGone
	case codeIntegrity:
		return ErrIntegrity
	}
	return ErrNotFound
}

// splitField splits "collection.field".
func splitField(s string) (collection, name string, err error) {
	collection, name, ok := strings.Cut(s, ".")
	if !ok {
		return "", "", invalid("field", "must be collection.field")
	}
	return collection, name, nil
}
