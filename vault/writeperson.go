package vault

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/crypto/field"
	"github.com/fieldvault/fieldvault/crypto/keyring"
	"github.com/fieldvault/fieldvault/crypto/secret"
	"github.com/fieldvault/fieldvault/vault/failpoint"
)

// The reserved group of keys that seal the external id and words about the person.
const identityGroup uint32 = 1

// A writePerson is a person that a request writes to, with the keys it needs.
type writePerson struct {
	name    string
	lookup  []byte
	items   []*writeItem
	subject Subject // as loaded, or to be inserted
	fresh   bool    // to be inserted
	keys    []heldKey
	rows    []DataKey // as they stand in the transaction
}

// A heldKey is a key that was opened or made before the transaction, and that
// must still be the person's inside it.
type heldKey struct {
	id      keyring.ID
	wrapped keyring.Wrapped
	opened  *field.Key
	made    bool
}

func (p *writePerson) key(group uint32) *heldKey {
	for i := range p.keys {
		if p.keys[i].id.Group == group {
			return &p.keys[i]
		}
	}
	return nil
}

func (p *writePerson) failAll(err error) {
	for _, it := range p.items {
		if it.err == nil {
			it.err = err
		}
	}
}

// failKnown fails all items with what is the matter with the person, or, to a
// caller who may not know of the person, as if there were none.
func (p *writePerson) failKnown(w *writing, err error) {
	for _, it := range p.items {
		if it.err != nil {
			continue
		}
		it.err, it.cause = err, err
		if !w.s.mayKnow(w.c, describeFields(it.coll, w.c.Purpose), own(w.c, p.name)) {
			it.err = ErrNotFound
		}
	}
}

func (p *writePerson) live() bool {
	return slices.ContainsFunc(p.items, func(it *writeItem) bool { return it.err == nil })
}

// makes says whether the person's row or a key has to be stored.
func (p *writePerson) makes() bool {
	return p.live() && (p.fresh || slices.ContainsFunc(p.keys, func(k heldKey) bool { return k.made }))
}

// prepare decides from what was loaded which keys to open and which to make, in
// the order of the groups, in which they are stored.
func (p *writePerson) prepare(w *writing, l *LoadedItem) {
	defer func() {
		slices.SortFunc(p.keys, func(a, b heldKey) int { return cmp.Compare(a.id.Group, b.id.Group) })
	}()
	if l.Subject == nil {
		p.prepareFresh(w)
		return
	}
	p.subject = *l.Subject
	switch {
	case !w.t.marked(l.Subject):
		p.failKnown(w, ErrIntegrity)
		return
	case l.Subject.State != Live, w.v.erasedBefore(w.t, l.Subject.UID):
		p.failKnown(w, ErrGone)
		return
	}
	if _, keysStand := stands(l.Subject, l.Consents, l.Keys); !keysStand || w.v.revived(w.t, l.Subject.UID, l.Keys) {
		w.doubts = true // the group may have been erased since this was loaded
		p.failKnown(w, ErrIntegrity)
		return
	}
	for _, it := range p.items {
		for i := range it.fields {
			if !it.fields[i].null && it.err == nil {
				p.need(w, l.Keys, it.fields[i].field.GroupID)
			}
		}
	}
}

// prepareFresh prepares a person who is not there yet. Only a put makes one.
func (p *writePerson) prepareFresh(w *writing) {
	for _, it := range p.items {
		if it.patch || it.cipher != nil {
			it.err = ErrNotFound
		} else if it.ifMatch != 0 {
			it.err = ErrConflict
		}
	}
	if !p.live() {
		return
	}
	p.fresh = true
	p.subject = newSubject(w.v, w.t, p.lookup, 1)
	p.need(w, nil, identityGroup)
	for _, it := range p.items {
		for i := range it.fields {
			if it.err == nil {
				p.need(w, nil, it.fields[i].field.GroupID)
			}
		}
	}
}

// newSubject is a live person's row, of a new uid, not yet sealed or marked.
func newSubject(v *Vault, t *tenant, lookup []byte, generation uint32) Subject {
	return Subject{
		Tenant: t.row.ID, Lookup: lookup, UID: v.newID(), Generation: generation,
		State: Live, Created: v.now(),
	}
}

func (p *writePerson) need(w *writing, rows []DataKey, group uint32) {
	if p.key(group) != nil {
		return
	}
	k := heldKey{id: keyring.ID{Tenant: w.t.row.Name, UID: p.subject.UID, Group: group, Epoch: 1, Version: 1}, made: true}
	if row := keyOf(rows, group); row != nil {
		k.id.Epoch = row.Epoch
		if row.Wrapped != nil {
			k.id.Version, k.made, k.wrapped = row.Version, false, wrappedOf(row)
		}
	}
	p.keys = append(p.keys, k)
}

// openKeys opens and makes all keys of the request: one call for each kind.
func (w *writing) openKeys(ctx context.Context) error {
	var open, mk []*heldKey
	for _, p := range w.people {
		if !p.live() {
			continue
		}
		for i := range p.keys {
			if p.keys[i].made {
				mk = append(mk, &p.keys[i])
			} else {
				open = append(open, &p.keys[i])
			}
		}
	}
	if err := w.v.openHeld(ctx, w.t, open); err != nil {
		return err
	}
	if err := w.v.makeHeld(ctx, mk); err != nil {
		return err
	}
	for _, p := range w.people {
		if slices.ContainsFunc(p.keys, func(k heldKey) bool { return k.opened == nil }) {
			w.doubts = true // the key may have been destroyed since it was loaded
			p.failAll(ErrIntegrity)
		}
	}
	return nil
}

// openHeld opens keys; one that does not open keeps a nil opened key.
func (v *Vault) openHeld(ctx context.Context, t *tenant, list []*heldKey) error {
	if len(list) == 0 {
		return nil
	}
	sealed := make([]keyring.Sealed, len(list))
	for i, k := range list {
		sealed[i] = keyring.Sealed{ID: k.id, Wrapped: k.wrapped}
	}
	keys, errs, err := v.openKeys(ctx, t, sealed)
	if err != nil {
		return fmt.Errorf("opening keys: %w", unavailable(err))
	}
	for i, k := range list {
		if errs == nil || errs[i] == nil {
			k.opened = keys[i]
		}
	}
	return nil
}

func (v *Vault) makeHeld(ctx context.Context, list []*heldKey) error {
	if len(list) == 0 {
		return nil
	}
	ids := make([]keyring.ID, len(list))
	for i, k := range list {
		ids[i] = k.id
	}
	keys, wrapped, err := v.ring.Make(ctx, ids)
	if err != nil {
		return fmt.Errorf("making keys: %w", unavailable(err))
	}
	for i, k := range list {
		k.opened, k.wrapped = keys[i], wrapped[i]
	}
	failpoint.Hit("put-wrapped")
	return nil
}

// keep puts keys that are now stored into the cache of opened keys.
func (p *writePerson) keep(ring *keyring.Ring) {
	for _, k := range p.keys {
		if k.made && k.opened != nil && p.live() {
			ring.Keep(k.id, k.wrapped, k.opened)
		}
	}
}

// lock makes the person's row this transaction's, and sees that it is what the
// request was prepared for: live, same generation, same keys. Else errRestart.
func (p *writePerson) lock(ctx context.Context, tx Tx, w *writing) error {
	if p.fresh {
		if err := p.insert(ctx, tx, w); err != nil {
			return err
		}
	} else {
		lock := ShareLock
		if p.makes() {
			lock = ExclusiveLock // keys are stored in the row
		}
		now, err := tx.Subject(ctx, w.t.row.ID, p.lookup, lock)
		if err != nil {
			return notRow(err, errRestart)
		}
		if now.State != Live || now.UID != p.subject.UID || now.Generation != p.subject.Generation {
			return errRestart
		}
		if !w.t.marked(&now) {
			return errRestart
		}
		p.subject = now
	}
	return p.lockKeys(ctx, tx, w)
}

// row is the row of a person who is not there yet, sealed and marked.
func (p *writePerson) row(w *writing) (s Subject, err error) {
	s = p.subject
	if s.SealedID, err = sealID(w.t, &s, p.key(identityGroup), p.name); err != nil {
		return Subject{}, err
	}
	s.Mark = w.t.mark(&s, nil)
	return s, nil
}

func (p *writePerson) insert(ctx context.Context, tx Tx, w *writing) error {
	s, err := p.row(w)
	if err != nil {
		return err
	}
	inserted, err := tx.InsertSubject(ctx, s)
	if err != nil {
		return fmt.Errorf("storing a person: %w", err)
	}
	if !inserted {
		return errRestart
	}
	return nil
}

// lockKeys stores the keys that were made and checks the ones that were opened.
func (p *writePerson) lockKeys(ctx context.Context, tx Tx, w *writing) error {
	rows, err := tx.Keys(ctx, w.t.row.ID, p.subject.UID)
	if err != nil {
		return fmt.Errorf("reading keys: %w", err)
	}
	for i := range p.keys {
		k := &p.keys[i]
		if !k.made {
			row := keyOf(rows, k.id.Group)
			if row == nil || row.Wrapped == nil || row.Epoch != k.id.Epoch || row.Version != k.id.Version {
				return errRestart
			}
			continue
		}
		inserted, err := tx.InsertKey(ctx, w.t.row.ID, p.subject.UID, k.row())
		if errors.Is(err, ErrStaleKEK) || err == nil && !inserted {
			return errRestart
		}
		if err != nil {
			return fmt.Errorf("storing a key: %w", err)
		}
		rows = append(slices.DeleteFunc(rows, func(r DataKey) bool { return r.Group == k.id.Group }), k.row())
	}
	p.rows = rows
	return nil
}

func (k *heldKey) row() DataKey {
	return DataKey{
		Group: k.id.Group, Epoch: k.id.Epoch, Version: k.id.Version,
		KEKVersion: int32(k.wrapped.Version), Wrapped: k.wrapped.Bytes, //nolint:gosec // KEK versions are small
	}
}

// sealID seals the external id of a person under the identity group's key.
func sealID(t *tenant, s *Subject, k *heldKey, name string) ([]byte, error) {
	if k == nil || k.opened == nil {
		return nil, fmt.Errorf("%w: no identity key", ErrIntegrity)
	}
	return k.opened.Seal(identityPlace(t, s.UID, k.id.Epoch, placeID), secret.FromString(name))
}

// Places in the identity group: what is sealed there has no collection.
const (
	placeID       uint32 = 1 // the external id
	placeNote     uint32 = 2 // the reason of a hold or restriction
	placeEvidence uint32 = 3 // a consent's evidence
	placeRequest  uint32 = 4 // words of a request: the person's, and what they were told
)

func identityPlace(t *tenant, uid uuid.UUID, epoch, what uint32) field.Place {
	return field.Place{Tenant: t.row.Name, UID: uid, Group: identityGroup, Epoch: epoch, Field: what, Revision: 1}
}

// notRow turns ErrNoRow into another error.
func notRow(err, otherwise error) error {
	if errors.Is(err, ErrNoRow) {
		return otherwise
	}
	return err
}

// event says what the request did to this person.
func (p *writePerson) event(w *writing) audit.Event {
	e := about(w.v.event(w.t, w.s, w.c, w.action), w.c, p.subject.UID, own(w.c, p.name))
	if p.fresh && !p.live() {
		e = w.v.event(w.t, w.s, w.c, w.action)
	}
	var err error
	for _, it := range p.items {
		switch {
		case it.err == nil && it.row.Revision > 0:
			e.Writes = append(e.Writes, it.row)
		case it.err != nil && err == nil:
			err = cmp.Or(it.cause, it.err)
		}
	}
	outcome, code := outcomeOf(err)
	e.Code = code
	if !p.live() {
		e.Outcome = outcome
	}
	return e
}

// outcomeOf is how an error is recorded.
func outcomeOf(err error) (audit.Outcome, string) {
	switch {
	case err == nil:
		return audit.Allowed, ""
	case errors.Is(err, ErrDenied):
		return audit.Denied, codePolicy
	case errors.Is(err, ErrHeld):
		return audit.Denied, codeHeld
	case errors.Is(err, ErrGone):
		return audit.Failed, codeGone
	case errors.Is(err, ErrConflict), errors.Is(err, ErrMismatch):
		return audit.Failed, codeConflict
	case errors.Is(err, ErrIntegrity):
		return audit.Failed, codeIntegrity
	}
	return audit.Failed, codeNotFound
}
