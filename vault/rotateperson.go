package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/crypto/field"
	"github.com/fieldvault/fieldvault/crypto/keyring"
)

// What an event of ActionKeys about a person says was done.
const (
	codeRotatePerson = "rotate_person"
	codeRetirePerson = "retire_person"
)

// A PersonKey is how the data key of one key group of a person stands.
type PersonKey struct {
	Group   string // the group's name; "" for what identifies the person
	Version uint32 // from 1; each rotation and each retirement makes the next
}

// RotatePerson gives every data key of a person a new primary, after somebody may
// have seen one in clear: from its commit on, on every node, values are sealed with
// the new keys. A job of the kind JobReseal seals anew what stands. The old keys
// still open what they sealed, also for applications, which move their ciphertexts
// with [Vault.Reencrypt], until [Vault.RetirePerson] removes them.
//
// It needs the action keys, and tells who may do that whether the person exists. A
// hold does not stop it: nothing is destroyed. The error is ErrNotFound, ErrGone,
// ErrIntegrity or ErrUnavailable; then nothing was changed.
func (v *Vault) RotatePerson(ctx context.Context, c accessctl.Caller, subject string) (keys []PersonKey, job Job, err error) {
	r := rekeying{code: codeRotatePerson, edit: v.ring.Rotate}
	r.done = func(ctx context.Context, tx Tx, p *Subject) (spare bool, err error) {
		if err := r.identity(ctx, tx, p); err != nil {
			return false, err
		}
		if err := r.todo(ctx, tx, p); err != nil {
			return false, err
		}
		job, err = v.insertReseal(ctx, tx, r.t.row.ID, c.Actor())
		return false, err
	}
	keys, err = v.rekey(ctx, c, subject, &r)
	return keys, job, err
}

// RetirePerson removes all keys but the primary from every data key of a person:
// ciphertexts that were sealed before the last rotation, wherever they are kept,
// open no more. It cannot be taken back.
//
// It is ErrConflict while the job that seals the person's values anew is not done,
// and ErrHeld under a hold, since an application may keep ciphertexts. Where the
// person's consents have evidence, or their requests have words, the key of the identity
// group is left as it is: these must still open, and are not sealed anew. Rights and other
// errors are those of [Vault.RotatePerson].
func (v *Vault) RetirePerson(ctx context.Context, c accessctl.Caller, subject string) ([]PersonKey, error) {
	r := rekeying{code: codeRetirePerson, edit: v.ring.Retire}
	r.check = func(ctx context.Context, p *Subject) error { return v.allCurrent(ctx, r.t, p) }
	r.done = func(ctx context.Context, tx Tx, p *Subject) (spare bool, err error) {
		if p.Held {
			return false, ErrHeld
		}
		todo, err := tx.Reseals(ctx, r.t.row.ID, KeyPlace{UID: p.UID}, 1)
		if err != nil {
			return false, fmt.Errorf("reading what is to be sealed anew: %w", err)
		}
		if len(todo) > 0 && todo[0].UID == p.UID {
			return false, errResealing()
		}
		return r.spareIdentity(ctx, tx, p)
	}
	return v.rekey(ctx, c, subject, &r)
}

// errResealing refuses to remove keys with which values are still sealed.
func errResealing() error {
	return &KeyError{
		Why:  "values of the person are still sealed with earlier keys",
		Next: "wait until the job of the kind reseal is done; one that failed says why",
	}
}

// A rekeying replaces the data keys of one person.
type rekeying struct {
	code string
	edit func(context.Context, keyring.Sealed) (*field.Key, keyring.Sealed, error)
	// check, unless nil, refuses before a key is made, outside any transaction.
	check func(context.Context, *Subject) error
	// done completes or refuses the change, inside the transaction, and says whether
	// the identity group's key stays as it is.
	done func(context.Context, Tx, *Subject) (spare bool, err error)

	t     *tenant
	s     *settings
	l     *LoadedItem
	next  []rekeyed
	event audit.Event // of the last attempt
}

// A rekeyed is one data key and what takes its place.
type rekeyed struct {
	was    DataKey
	to     keyring.Sealed
	opened *field.Key
	stands uint32 // the version that stands after the transaction
}

// rekey replaces keys: made outside any transaction, stored in one that finds the
// person and every key as they were, else it begins again.
func (v *Vault) rekey(ctx context.Context, c accessctl.Caller, subject string, r *rekeying) ([]PersonKey, error) {
	if err := checkID("subject", subject); err != nil {
		return nil, err
	}
	t, s, err := v.permitService(ctx, c, accessctl.ActionKeys)
	if err != nil {
		return nil, err
	}
	r.t, r.s = t, s
	for range attempts {
		keys, err := v.tryRekey(ctx, c, subject, r)
		if errors.Is(err, errRestart) {
			continue
		}
		return keys, v.refused(ctx, t, r.event, err)
	}
	return nil, fmt.Errorf("%w: too many others write to the same person", ErrUnavailable)
}

func (v *Vault) tryRekey(ctx context.Context, c accessctl.Caller, subject string, r *rekeying) ([]PersonKey, error) {
	r.event = v.event(r.t, r.s, c, accessctl.ActionKeys)
	r.event.Code = r.code
	l, err := v.store.LoadForReveal(ctx, LoadQuery{Tenant: r.t.row.ID, Items: []Ref{{Lookup: r.t.hash(subject)}}})
	if err != nil {
		return nil, fmt.Errorf("loading: %w", err)
	}
	if err := v.guard(ctx, l.Incarnation); err != nil {
		return nil, err
	}
	r.l = &l.Items[0]
	if err := v.rekeyable(r); err != nil {
		return nil, err
	}
	r.event = about(r.event, c, r.l.Subject.UID, own(c, subject))
	if r.check != nil {
		if err := r.check(ctx, r.l.Subject); err != nil {
			return nil, err
		}
	}
	if err := r.make(ctx); err != nil {
		return nil, err
	}
	err = v.store.Update(ctx, func(tx Tx) error {
		if err := v.sameDatabase(ctx, tx, l.Incarnation); err != nil {
			return err
		}
		return v.storeKeys(ctx, tx, r)
	})
	if err != nil {
		return nil, err
	}
	v.ring.Forget(r.t.row.Name, r.l.Subject.UID)
	out := make([]PersonKey, len(r.next))
	for i := range r.next {
		out[i].Version = r.next[i].stands
		if g, ok := r.s.catalog.GroupByID(r.next[i].to.ID.Group); ok && g.ID != identityGroup {
			out[i].Group = g.Name
		}
	}
	return out, nil
}

// rekeyable says whether the person lives and is as the service left them.
func (v *Vault) rekeyable(r *rekeying) error {
	p := r.l.Subject
	switch {
	case p == nil:
		return ErrNotFound
	case !r.t.marked(p):
		return ErrIntegrity
	case p.State != Live, v.erasedBefore(r.t, p.UID):
		return ErrGone
	}
	if _, keysStand := stands(p, r.l.Consents, r.l.Keys); !keysStand || v.revived(r.t, p.UID, r.l.Keys) {
		return ErrIntegrity
	}
	return nil
}

// make makes the keys that take the place of the person's.
func (r *rekeying) make(ctx context.Context) error {
	r.next = nil
	for _, row := range r.l.Keys {
		if row.Wrapped == nil {
			continue
		}
		k, to, err := r.edit(ctx, keyring.Sealed{ID: keyID(r.t, r.l.Subject, &row), Wrapped: wrappedOf(&row)})
		if errors.Is(err, keyring.ErrUnwrap) {
			return ErrIntegrity
		}
		if err != nil {
			return fmt.Errorf("making keys: %w", unavailable(err))
		}
		r.next = append(r.next, rekeyed{was: row, to: to, opened: k})
	}
	return nil
}

// storeKeys stores the keys that were made, and the event.
func (v *Vault) storeKeys(ctx context.Context, tx Tx, r *rekeying) error {
	now, err := tx.Subject(ctx, r.t.row.ID, r.l.Subject.Lookup, ExclusiveLock)
	if err != nil {
		return notRow(err, errRestart)
	}
	if now.State != Live || now.UID != r.l.Subject.UID || !r.t.marked(&now) {
		return errRestart
	}
	spare, err := r.done(ctx, tx, &now)
	if err != nil {
		return err
	}
	var groups []uint32
	for i := range r.next {
		n := &r.next[i]
		n.stands = n.was.Version
		if n.to.ID.Version == n.was.Version || spare && n.was.Group == identityGroup {
			continue
		}
		to := DataKey{
			Group: n.was.Group, Epoch: n.to.ID.Epoch, Version: n.to.ID.Version,
			KEKVersion: int32(n.to.Wrapped.Version), Wrapped: n.to.Wrapped.Bytes, //nolint:gosec // KEK versions are small
		}
		err := tx.ReplaceKey(ctx, r.t.row.ID, now.UID, n.was, to)
		if errors.Is(err, ErrStale) || errors.Is(err, ErrStaleKEK) {
			return errRestart
		}
		if err != nil {
			return fmt.Errorf("replacing a key: %w", err)
		}
		n.stands, groups = to.Version, append(groups, to.Group)
	}
	e := r.event
	if len(groups) > 0 {
		e.Subject = []audit.Attr{{Key: "groups", Value: joined(groups)}}
	}
	return v.append(ctx, tx, r.t, e)
}

// identity seals the person's external id, and the reason of a hold or restriction,
// with the new key of the identity group.
func (r *rekeying) identity(ctx context.Context, tx Tx, p *Subject) error {
	i := slices.IndexFunc(r.next, func(n rekeyed) bool { return n.was.Group == identityGroup })
	if i < 0 {
		return ErrIntegrity
	}
	k := r.next[i].opened
	for what, sealed := range map[uint32]*[]byte{placeID: &p.SealedID, placeNote: &p.Note} {
		if *sealed == nil {
			continue
		}
		place := identityPlace(r.t, p.UID, r.next[i].was.Epoch, what)
		plain, err := k.Open(place, *sealed)
		if err != nil {
			return ErrIntegrity
		}
		*sealed, err = k.Seal(place, plain)
		plain.Wipe()
		if err != nil {
			return fmt.Errorf("sealing: %w", err)
		}
	}
	return r.t.change(ctx, tx, p)
}

// todo notes the groups whose values are to be sealed anew.
func (r *rekeying) todo(ctx context.Context, tx Tx, p *Subject) error {
	for i := range r.next {
		id := &r.next[i].to.ID
		if id.Group == identityGroup {
			continue
		}
		todo := Reseal{Tenant: r.t.row.ID, UID: p.UID, Group: id.Group, Version: id.Version}
		if err := tx.PutReseal(ctx, todo); err != nil {
			return fmt.Errorf("noting what is to be sealed anew: %w", err)
		}
	}
	return nil
}

// spareIdentity says whether something that the identity group's earlier keys sealed
// stands: evidence of consents, words of requests, or a reason that was being written during a rotation.
func (r *rekeying) spareIdentity(ctx context.Context, tx Tx, p *Subject) (bool, error) {
	history, err := tx.ConsentHistory(ctx, r.t.row.ID, p.UID)
	if err != nil {
		return false, fmt.Errorf("reading a person's consents: %w", err)
	}
	if slices.ContainsFunc(history, func(c Consent) bool { return len(c.Evidence) > 0 }) {
		return true, nil
	}
	requests, err := tx.RequestsOf(ctx, r.t.row.ID, p.UID)
	if err != nil {
		return false, fmt.Errorf("reading a person's requests: %w", err)
	}
	if slices.ContainsFunc(requests, func(q RequestRow) bool {
		d, err := r.t.openRequest(&q)
		return err != nil || d.Epoch != 0
	}) {
		return true, nil
	}
	i := slices.IndexFunc(r.next, func(n rekeyed) bool { return n.was.Group == identityGroup })
	return i >= 0 && (!r.next[i].opened.Current(p.SealedID) || p.Note != nil && !r.next[i].opened.Current(p.Note)), nil
}

// insertReseal asks for the job that seals values anew, or returns the one under way.
func (v *Vault) insertReseal(ctx context.Context, tx Tx, tenant int32, by string) (Job, error) {
	job, _, err := tx.InsertJob(ctx, Job{
		ID: v.newID(), Tenant: tenant, Kind: JobReseal, State: JobQueued, Params: json.RawMessage(`{}`),
		By: by, Created: v.now(), Updated: v.now(),
	})
	if err != nil {
		return Job{}, fmt.Errorf("asking for values to be sealed anew: %w", err)
	}
	return job, nil
}
