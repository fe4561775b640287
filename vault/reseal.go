package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/crypto/field"
	"github.com/fieldvault/fieldvault/crypto/keyring"
)

// JobReseal is the kind of the jobs that [Vault.ResealStep] does.
const JobReseal = "reseal"

// A resealCursor is where a re-sealing stands: the record of one person and group
// that was done last. It may be lost, and all begins again: what is sealed with the
// present key is left as it is.
type resealCursor struct {
	UID        uuid.UUID `json:"uid"`
	Group      uint32    `json:"group"`
	Collection uint32    `json:"collection,omitempty"` // 0: the place itself is done
	Record     string    `json:"record,omitempty"`
	Stuck      int64     `json:"stuck,omitempty"` // places that could not be done
}

// ResealStep does one step of a job of the kind JobReseal: it seals anew what stands
// in the records of people whose data keys were rotated ([Vault.RotatePerson]), until
// nothing is sealed with an earlier key. It returns j with new Cursor, Done, Total and
// Note; its units are key groups of people. A step may be repeated, broken off at any
// point, or run twice at once.
//
// A record's revision stays: nobody reads anything else than before. People erased
// meanwhile are left alone. A hold does not stop it: nothing is destroyed. The error
// is ErrIntegrity when values are left that do not open, after all others were done;
// every other error may pass.
func (v *Vault) ResealStep(ctx context.Context, j Job) (next Job, done bool, err error) {
	var cur resealCursor
	if len(j.Cursor) > 0 {
		if err := json.Unmarshal(j.Cursor, &cur); err != nil {
			return j, false, fmt.Errorf("reading where a re-sealing stands: %w", ErrIntegrity)
		}
	}
	t := v.tenantByID(j.Tenant)
	if t == nil {
		return j, false, fmt.Errorf("%w: the tenant is not open here", ErrUnavailable)
	}
	todo, left, err := v.nextReseal(ctx, t, &cur)
	switch {
	case err != nil:
		return j, false, err
	case todo == nil && cur.Stuck > 0:
		return j, false, fmt.Errorf("%d keys of people have values that do not open: %w", cur.Stuck, ErrIntegrity)
	case todo == nil:
		j.Cursor = nil // it names somebody's place
		j.Note = "all is sealed with present keys"
		return j, true, nil
	}
	j.Total = max(j.Total, j.Done+int64(left))
	j.Note = "sealing values with new keys"
	ended, err := v.resealPage(ctx, t, todo, &cur)
	switch {
	case errors.Is(err, errRestart):
		return j, false, nil // others write to the person: the next step looks again
	case errors.Is(err, ErrIntegrity):
		cur.Stuck++
	case err != nil:
		return j, false, err
	case ended:
		j.Done++
	}
	if err != nil || ended {
		cur.Collection, cur.Record = 0, ""
	}
	if j.Cursor, err = json.Marshal(cur); err != nil {
		return j, false, fmt.Errorf("writing where a re-sealing stands: %w", err)
	}
	return j, false, nil
}

// nextReseal is what to do next, and how much is known to be left; nil: nothing.
func (v *Vault) nextReseal(ctx context.Context, t *tenant, cur *resealCursor) (todo *Reseal, left int, err error) {
	after := KeyPlace{UID: cur.UID, Group: cur.Group}
	if cur.Collection != 0 {
		after.Group-- // the place is not done
	}
	var list []Reseal
	err = v.store.View(ctx, func(tx Tx) error {
		list, err = tx.Reseals(ctx, t.row.ID, after, MaxItems)
		return err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("listing what is to be sealed anew: %w", err)
	}
	if len(list) == 0 {
		return nil, 0, nil
	}
	if list[0].UID != cur.UID || list[0].Group != cur.Group {
		cur.UID, cur.Group, cur.Collection, cur.Record = list[0].UID, list[0].Group, 0, ""
	}
	return &list[0], len(list), nil
}

// resealPage does the next records of one person and group, and says whether it was
// the last of them. ErrIntegrity: something does not open.
func (v *Vault) resealPage(ctx context.Context, t *tenant, todo *Reseal, cur *resealCursor) (ended bool, err error) {
	k, err := v.keyToReseal(ctx, t, todo)
	if err != nil {
		return false, err
	}
	if k == nil { // erased meanwhile
		return true, v.endReseal(ctx, *todo)
	}
	var page []Record
	err = v.store.Update(ctx, func(tx Tx) error {
		if err := k.holds(ctx, tx, t); err != nil {
			return err
		}
		after := RecordRef{Collection: cur.Collection, Record: cur.Record}
		if page, err = tx.ListRecords(ctx, t.row.ID, todo.UID, 0, after, cleanPage); err != nil {
			return fmt.Errorf("listing records: %w", err)
		}
		for i := range page {
			if err := k.reseal(ctx, tx, t, page[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	if len(page) > 0 {
		v.unclean.Store(true)
	}
	if len(page) < cleanPage {
		if err := v.resealTokens(ctx, t, k); err != nil {
			return false, err
		}
		return true, v.endReseal(ctx, *todo)
	}
	last := page[len(page)-1]
	cur.Collection, cur.Record = last.Collection, last.Record
	return false, nil
}

func (v *Vault) endReseal(ctx context.Context, todo Reseal) error {
	err := v.store.Update(ctx, func(tx Tx) error { return tx.DeleteReseal(ctx, todo) })
	if err != nil {
		return fmt.Errorf("ending a re-sealing: %w", err)
	}
	return nil
}

// A resealKey is the present key of a person's group, opened.
type resealKey struct {
	id     keyring.ID
	opened *field.Key
}

// keyToReseal opens the key as it stands now; nil if the person or group was erased.
func (v *Vault) keyToReseal(ctx context.Context, t *tenant, todo *Reseal) (*resealKey, error) {
	var p Subject
	var keys []DataKey
	err := v.store.View(ctx, func(tx Tx) (err error) {
		if p, err = tx.SubjectByUID(ctx, t.row.ID, todo.UID, NoLock); err != nil {
			return err
		}
		keys, err = tx.Keys(ctx, t.row.ID, todo.UID)
		return err
	})
	switch {
	case errors.Is(err, ErrNoRow):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading a person: %w", err)
	case !t.marked(&p):
		return nil, ErrIntegrity
	case p.State != Live:
		return nil, nil
	}
	row := keyOf(keys, todo.Group)
	if row == nil || row.Wrapped == nil {
		return nil, nil
	}
	k := heldKey{id: keyID(t, &p, row), wrapped: wrappedOf(row)}
	if err := v.openHeld(ctx, t, []*heldKey{&k}); err != nil {
		return nil, err
	}
	if k.opened == nil {
		return nil, ErrIntegrity
	}
	return &resealKey{id: k.id, opened: k.opened}, nil
}

// holds locks the person, and is errRestart unless the key is still theirs.
func (k *resealKey) holds(ctx context.Context, tx Tx, t *tenant) error {
	p, err := tx.SubjectByUID(ctx, t.row.ID, k.id.UID, ShareLock)
	if err != nil {
		return notRow(err, errRestart)
	}
	if p.State != Live || !t.marked(&p) {
		return errRestart
	}
	keys, err := tx.Keys(ctx, t.row.ID, p.UID)
	if err != nil {
		return fmt.Errorf("reading keys: %w", err)
	}
	row := keyOf(keys, k.id.Group)
	if row == nil || row.Wrapped == nil || row.Epoch != k.id.Epoch || row.Version != k.id.Version {
		return errRestart
	}
	return nil
}

// reseal seals anew what one record has under an earlier key of the group. A record
// that does not verify is ErrIntegrity.
func (k *resealKey) reseal(ctx context.Context, tx Tx, t *tenant, r Record) error {
	ref := RecordRef{Collection: r.Collection, Record: r.Record}
	r, err := tx.LockRecord(ctx, t.row.ID, k.id.UID, ref)
	if err != nil {
		return fmt.Errorf("locking a record: %w", err)
	}
	if r.Deleted || len(r.Sealed) == 0 {
		return nil
	}
	fields, err := t.unpackRow(k.id.UID, &r)
	if err != nil {
		return err
	}
	fields = slices.Clone(fields)
	changed := false
	for i := range fields {
		f := &fields[i]
		if f.Group != k.id.Group || f.Epoch != k.id.Epoch || k.opened.CurrentSplit(f.Ciphertext) {
			continue
		}
		place := field.Place{
			Tenant: t.row.Name, UID: k.id.UID, Group: f.Group, Epoch: f.Epoch,
			Collection: r.Collection, Record: r.Record, Field: f.Field, Revision: f.Revision,
		}
		plain, err := k.opened.OpenSplit(place, f.Ciphertext)
		if err != nil {
			return ErrIntegrity
		}
		sealed, err := k.opened.Seal(place, plain)
		plain.Wipe()
		if err != nil {
			return fmt.Errorf("sealing: %w", err)
		}
		f.Ciphertext = field.Split(sealed)
		changed = true
	}
	if !changed {
		return nil
	}
	if r.Sealed, err = t.packRow(k.id.UID, &r, fields); err != nil {
		return fmt.Errorf("packing: %w", err)
	}
	if err := tx.PutRecord(ctx, t.row.ID, k.id.UID, r); err != nil {
		return fmt.Errorf("storing a record: %w", err)
	}
	return nil
}

// allCurrent is a *KeyError unless everything that stands of the person is sealed
// with present keys. It looks at the values themselves: no row that says that all is
// done is trusted with what cannot be undone. Who writes meanwhile uses present keys.
func (v *Vault) allCurrent(ctx context.Context, t *tenant, p *Subject) error {
	var keys []DataKey
	err := v.store.View(ctx, func(tx Tx) (err error) {
		keys, err = tx.Keys(ctx, t.row.ID, p.UID)
		return err
	})
	if err != nil {
		return fmt.Errorf("reading keys: %w", err)
	}
	opened := map[uint32]*resealKey{}
	for _, row := range keys {
		if row.Wrapped == nil || row.Group == identityGroup {
			continue
		}
		k, err := v.keyToReseal(ctx, t, &Reseal{UID: p.UID, Group: row.Group})
		if err != nil {
			return err
		}
		if k != nil {
			opened[row.Group] = k
		}
	}
	var after RecordRef
	for {
		n, err := v.currentPage(ctx, t, p, opened, &after)
		if err != nil || n < cleanPage {
			return err
		}
	}
}

// currentPage looks at the next records, and says how many there were.
func (v *Vault) currentPage(ctx context.Context, t *tenant, p *Subject, keys map[uint32]*resealKey, after *RecordRef) (int, error) {
	var page []Record
	err := v.store.View(ctx, func(tx Tx) (err error) {
		page, err = tx.ListRecords(ctx, t.row.ID, p.UID, 0, *after, cleanPage)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("listing records: %w", err)
	}
	if len(page) == 0 {
		return 0, nil
	}
	q := LoadQuery{Tenant: t.row.ID}
	for i := range page {
		q.Items = append(q.Items, Ref{Lookup: p.Lookup, Collection: page[i].Collection, Record: page[i].Record})
	}
	l, err := v.store.LoadForReveal(ctx, q)
	if err != nil {
		return 0, fmt.Errorf("loading: %w", err)
	}
	for i := range l.Items {
		r := l.Items[i].Record
		if r == nil || r.Deleted || len(r.Sealed) == 0 {
			continue
		}
		fields, err := t.unpackRow(p.UID, r)
		if err != nil {
			return 0, err
		}
		for _, f := range fields {
			if k := keys[f.Group]; k != nil && f.Epoch == k.id.Epoch && !k.opened.CurrentSplit(f.Ciphertext) {
				return 0, errResealing()
			}
		}
	}
	last := page[len(page)-1]
	*after = RecordRef{Collection: last.Collection, Record: last.Record}
	return len(page), nil
}

// resumeReseals asks for the job where there is work and none: a rotation that found
// a job that was just ending, or a database that was restored.
func (v *Vault) resumeReseals(ctx context.Context) error {
	v.mu.RLock()
	var tenants []int32
	for _, t := range v.tenants {
		tenants = append(tenants, t.row.ID)
	}
	v.mu.RUnlock()
	var errs []error
	for _, tenant := range tenants {
		errs = append(errs, v.resumeReseal(ctx, tenant))
	}
	return errors.Join(errs...)
}

func (v *Vault) resumeReseal(ctx context.Context, tenant int32) error {
	wanted := false
	err := v.store.View(ctx, func(tx Tx) error {
		todo, err := tx.Reseals(ctx, tenant, KeyPlace{}, 1)
		if err != nil || len(todo) == 0 {
			return err
		}
		list, err := tx.Jobs(ctx, tenant, MaxPage)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(list, func(j Job) bool { return j.Kind == JobReseal })
		wanted = i < 0 || list[i].State == JobDone // one that failed waits for somebody to look
		return nil
	})
	if err == nil && wanted {
		err = v.store.Update(ctx, func(tx Tx) error {
			_, err := v.insertReseal(ctx, tx, tenant, "service")
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("resuming a re-sealing: %w", err)
	}
	return nil
}
