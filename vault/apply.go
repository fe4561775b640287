package vault

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/crypto/field"
	"github.com/fieldvault/fieldvault/vault/catalog"
	"github.com/fieldvault/fieldvault/vault/failpoint"
)

// effectLife is how long a repeated request has no second effect.
const effectLife = 24 * time.Hour

// apply does the whole request in one transaction: lock each person's row, store
// what was made, write the records, append the events. A request that stores
// nothing but events needs no transaction.
func (w *writing) apply(ctx context.Context) error {
	portable := !slices.ContainsFunc(w.items, func(it writeItem) bool { return !it.portable })
	if portable && !slices.ContainsFunc(w.people, (*writePerson).makes) {
		for _, p := range w.people {
			if err := p.sealAll(w); err != nil {
				return err
			}
		}
		return w.v.record(ctx, w.t, w.events()...)
	}
	before := slices.Clone(w.items)
	for {
		err := w.v.store.Update(ctx, func(tx Tx) error {
			copy(w.items, before) // Update may run this again
			return w.applyAll(ctx, tx)
		})
		var none *nothingError
		if !errors.As(err, &none) {
			return err
		}
		for _, p := range none.people { // they stay as if they had not been named
			for _, it := range p.items {
				before[it.at].err, before[it.at].cause = it.err, it.cause
			}
		}
		if !slices.ContainsFunc(w.people, (*writePerson).live) {
			return w.v.record(ctx, w.t, w.events()...)
		}
	}
}

// A nothingError rolls back a transaction in which every item of some people was
// refused, so that it does not make those people.
type nothingError struct{ people []*writePerson }

func (*nothingError) Error() string { return "every item was refused" }

func (w *writing) applyAll(ctx context.Context, tx Tx) error {
	if err := w.v.sameDatabase(ctx, tx, w.incarnation); err != nil {
		return err
	}
	// The versions of an index that a write stores entries of are those of the
	// catalog: once one was applied, and the transactions that had begun have ended,
	// all entries follow it.
	if now, err := tx.CatalogVersion(ctx, w.t.row.ID); err != nil {
		return fmt.Errorf("reading the version of the catalog: %w", err)
	} else if now != w.s.catalog.Version {
		return errRestart
	}
	var none nothingError
	fresh := crowd{w: w}
	for _, p := range w.people {
		if taken, err := fresh.take(ctx, tx, p); err != nil {
			return err
		} else if taken {
			continue
		}
		if err := fresh.store(ctx, tx); err != nil {
			return err
		}
		was := p.live()
		if err := w.applyPerson(ctx, tx, p); err != nil {
			return err
		}
		if was && !p.live() {
			none.people = append(none.people, p)
		}
	}
	if err := fresh.store(ctx, tx); err != nil {
		return err
	}
	if len(none.people) > 0 {
		return &none
	}
	if err := w.v.appendAll(ctx, tx, w.t, w.events()); err != nil {
		return err
	}
	failpoint.Hit("put-stored")
	return nil
}

// sameDatabase is errRestart if the request was prepared on another incarnation of
// the database: one that was restored meanwhile would take it.
func (v *Vault) sameDatabase(ctx context.Context, tx Tx, incarnation string) error {
	if v.reader == nil {
		return nil
	}
	now, err := tx.Incarnation(ctx)
	if err != nil {
		return fmt.Errorf("reading the incarnation of the database: %w", err)
	}
	if now != incarnation {
		return errRestart
	}
	return nil
}

func (w *writing) events() []audit.Event {
	events := make([]audit.Event, len(w.people))
	for i, p := range w.people {
		events[i] = p.event(w)
	}
	return events
}

func (p *writePerson) sealAll(w *writing) error {
	for _, it := range p.items {
		if it.err == nil && it.portable {
			if err := p.sealPortable(w, it); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *writing) applyPerson(ctx context.Context, tx Tx, p *writePerson) error {
	if !p.live() {
		return nil
	}
	if err := p.lock(ctx, tx, w); err != nil {
		return err
	}
	for _, it := range p.items {
		if it.err != nil || it.portable {
			continue
		}
		err := w.applyItem(ctx, tx, p, it)
		if itemError(err) {
			it.err, it.created, it.revision, it.row = err, false, 0, audit.Write{}
		} else if err != nil {
			return err
		}
	}
	return p.sealAll(w)
}

// itemError says whether an error is the item's own, so that the others go on.
func itemError(err error) bool {
	for _, e := range []error{ErrNotFound, ErrConflict, ErrHeld, ErrMismatch, ErrIntegrity, ErrDenied, ErrTooLarge} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// applyItem writes one record.
func (w *writing) applyItem(ctx context.Context, tx Tx, p *writePerson, it *writeItem) error {
	ref := RecordRef{Collection: it.coll.ID, Record: it.record}
	rec, err := tx.LockRecord(ctx, w.t.row.ID, p.subject.UID, ref)
	if err != nil {
		return fmt.Errorf("locking a record: %w", err)
	}
	effect, replayed, err := w.once(ctx, tx, p, it)
	if err != nil || replayed {
		return err
	}
	stored := rec.Revision > 0 && !rec.Deleted
	switch {
	case it.patch && !stored:
		return ErrNotFound
	case it.ifMatch != 0 && (!stored || rec.Revision != it.ifMatch):
		return ErrConflict
	}
	next, dead, gone, err := w.merge(p, it, &rec)
	if err != nil {
		return err
	}
	entries, err := w.entries(it)
	if err != nil {
		return err
	}
	if err := tx.PutRecord(ctx, w.t.row.ID, p.subject.UID, next); err != nil {
		return fmt.Errorf("storing a record: %w", err)
	}
	if rec.Revision == 0 { // it has no entries yet
		err = tx.ReplaceIndex(ctx, w.t.row.ID, p.subject.UID, ref, []uint32{}, entries)
	} else {
		err = w.index(ctx, tx, p, it, dead, entries)
	}
	if err != nil {
		return fmt.Errorf("storing index entries: %w", err)
	}
	if len(gone) > 0 {
		if err := tx.DropFieldTokens(ctx, w.t.row.ID, p.subject.UID, ref, gone); err != nil {
			return fmt.Errorf("removing tokens: %w", err)
		}
	}
	it.created, it.revision = !stored, next.Revision
	it.row = w.t.wrote(p.subject.UID, &next)
	if effect == nil {
		return nil
	}
	effect.Created, effect.Revision = it.created, it.revision
	return tx.UpdateEffect(ctx, *effect)
}

// once takes the idempotency key. replayed says that the request had its effect
// before; the item then has its answer.
func (w *writing) once(ctx context.Context, tx Tx, p *writePerson, it *writeItem) (e *Effect, replayed bool, err error) {
	if w.idem.Key == "" {
		return nil, false, nil
	}
	mine := w.t.effect(w.c, w.idem, it.at, w.v.now())
	mine.UID, mine.Lookup = p.subject.UID, p.lookup
	stands, done, err := takeEffect(ctx, tx, mine)
	if err != nil {
		return nil, false, err
	}
	if !done {
		return &mine, false, nil
	}
	it.created, it.revision = stands.Created, stands.Revision
	return nil, true, nil
}

// effect is what one item of a request under an idempotency key will have done.
func (t *tenant) effect(c accessctl.Caller, idem Idempotency, item uint32, now time.Time) Effect {
	key := t.idem.Sum("key", principalOf(c.Principal), []byte(idem.Key), be32(item))
	request := t.idem.Sum("request", idem.Request)
	return Effect{Tenant: t.row.ID, Key: key[:], Request: request[:], At: now, Expires: now.Add(effectLife)}
}

// takeEffect takes the key for this request. done says that it was taken, by the
// same request, and had the effect that stands. ErrMismatch: by another.
func takeEffect(ctx context.Context, tx Tx, mine Effect) (stands Effect, done bool, err error) {
	stands, inserted, err := tx.InsertEffect(ctx, mine)
	switch {
	case err != nil:
		return Effect{}, false, fmt.Errorf("storing an idempotency key: %w", err)
	case inserted:
		return mine, false, nil
	case !bytes.Equal(stands.Request, mine.Request):
		return Effect{}, false, ErrMismatch
	}
	return stands, stands.Revision > 0, nil // at 0 it was refused then; it may succeed now
}

// merge makes the next revision of a record: what the item says, and with patch
// what stood. What was sealed before its group's erasure is dropped: dead names
// those fields. Only the group's epoch says so: the keys were read before the record
// was locked, and another write may have made one, and sealed under it, in between.
// gone names all fields that the record had and has no more.
func (w *writing) merge(p *writePerson, it *writeItem, rec *Record) (next Record, dead, gone []uint32, err error) {
	var old []field.Sealed
	if len(rec.Sealed) > 0 {
		if old, err = w.t.unpackRow(p.subject.UID, rec); err != nil {
			return Record{}, nil, nil, err
		}
	}
	stood := fieldsOf(old)
	next = Record{Collection: it.coll.ID, Record: it.record, Revision: rec.Revision + 1}
	old = slices.DeleteFunc(old, func(s field.Sealed) bool {
		row := keyOf(p.rows, s.Group)
		erased := row != nil && row.Epoch > s.Epoch
		if erased {
			dead = append(dead, s.Field)
		}
		return erased
	})
	keep, err := w.kept(p, it, old)
	if err != nil {
		return Record{}, nil, nil, err
	}
	at := w.v.now().Unix()
	for i := range it.fields {
		f := &it.fields[i]
		if f.null {
			continue
		}
		k := p.key(f.field.GroupID)
		place := field.Place{
			Tenant: w.t.row.Name, UID: p.subject.UID, Group: k.id.Group, Epoch: k.id.Epoch,
			Collection: it.coll.ID, Record: it.record, Field: f.field.ID, Revision: next.Revision,
		}
		sealed, err := k.opened.Seal(place, f.value)
		if err != nil {
			return Record{}, nil, nil, fmt.Errorf("sealing: %w", err)
		}
		keep = append(keep, field.Sealed{
			Field: f.field.ID, Group: k.id.Group, Epoch: k.id.Epoch, Revision: next.Revision, At: at, Ciphertext: field.Split(sealed),
		})
	}
	slices.SortFunc(keep, func(a, b field.Sealed) int { return int(a.Field) - int(b.Field) })
	next.Sealed, err = w.t.packRow(p.subject.UID, &next, keep)
	if err != nil {
		return Record{}, nil, nil, fmt.Errorf("packing: %w", err)
	}
	stands := fieldsOf(keep)
	gone = slices.DeleteFunc(stood, func(f uint32) bool { return slices.Contains(stands, f) })
	return next, dead, gone, nil
}

func fieldsOf(list []field.Sealed) []uint32 {
	ids := make([]uint32, len(list))
	for i := range list {
		ids[i] = list[i].Field
	}
	return ids
}

// kept lists the stored fields that stay. Removing or overwriting one is
// refused under a hold, and removing one that the item does not name needs the
// permission to write it: who may overwrite a value may also remove it.
func (w *writing) kept(p *writePerson, it *writeItem, old []field.Sealed) ([]field.Sealed, error) {
	keep := make([]field.Sealed, 0, len(old)+len(it.fields))
	for i := range old {
		named := slices.ContainsFunc(it.fields, func(f writeField) bool { return f.field.ID == old[i].Field })
		if it.patch && !named {
			keep = append(keep, old[i])
			continue
		}
		if p.subject.Held {
			return nil, ErrHeld
		}
		if f, ok := it.coll.FieldByID(old[i].Field); ok && !named && !w.mayWrite(it.coll, f, it.subject) {
			return nil, ErrDenied
		}
	}
	return keep, nil
}

func (w *writing) mayWrite(c *catalog.Collection, f *catalog.Field, subject string) bool {
	return w.d.Permit(accessctl.ActionWrite, describe(c, f, w.c.Purpose), accessctl.State{Own: own(w.c, subject)}).Allowed
}

// entries are the blind-index entries of the item's values.
func (w *writing) entries(it *writeItem) ([]IndexEntry, error) {
	var entries []IndexEntry
	for i := range it.fields {
		f := &it.fields[i]
		if f.field.Index == nil || f.null {
			continue
		}
		list, err := w.t.indexEntries(it.coll, f.field, f.value)
		if err != nil {
			return nil, w.t.unlessNewer(w.s, err)
		}
		entries = append(entries, list...)
	}
	return entries, nil
}

// index replaces the blind-index entries of the fields that the item names and
// of those that are dead, or of all with a put.
func (w *writing) index(ctx context.Context, tx Tx, p *writePerson, it *writeItem, dead []uint32, entries []IndexEntry) error {
	var fields []uint32
	if it.patch {
		fields = dead
		for i := range it.fields {
			fields = append(fields, it.fields[i].field.ID)
		}
		if len(fields) == 0 {
			return nil
		}
	}
	ref := RecordRef{Collection: it.coll.ID, Record: it.record}
	return tx.ReplaceIndex(ctx, w.t.row.ID, p.subject.UID, ref, fields, entries)
}

// Delete removes a record. Its revision goes on over the deletion. ifMatch is the
// revision that must be current, or 0 for any. The caller needs the action delete
// on every field of the collection. The error is ErrNotFound (also for a record that
// was deleted before), ErrGone, ErrConflict, ErrHeld or ErrIntegrity.
func (v *Vault) Delete(ctx context.Context, c accessctl.Caller, subject, collection, record string, ifMatch uint64) error {
	t, s, err := v.permitRecords(ctx, c, accessctl.ActionDelete, subject, collection)
	if err != nil {
		return err
	}
	if err := errors.Join(checkID("subject", subject), checkID("record", record)); err != nil {
		return firstOf(err)
	}
	coll, ok := s.catalog.Collection(collection)
	if !ok {
		return invalid("collection", "is not in the catalog")
	}
	for i := range coll.Fields {
		if !s.decider(c).Permit(accessctl.ActionDelete, describe(coll, &coll.Fields[i], c.Purpose), accessctl.State{Own: own(c, subject)}).Allowed {
			return v.denied(ctx, t, s, c, accessctl.ActionDelete)
		}
	}
	a := act{
		caller: c, tenant: t, set: s, action: accessctl.ActionDelete, subject: subject, lock: ShareLock,
		fields: describeFields(coll, c.Purpose),
	}
	digest := t.mac.Sum("approval", []byte(kindDeletion), t.hash(subject), be32(coll.ID), []byte(record))
	b := breaking{kind: kindDeletion, count: 1, digest: digest[:]}
	var failed audit.Event
	err = v.onPerson(ctx, a, func(tx Tx, p *Subject, e *audit.Event) error {
		failed = *e
		if err := v.stillOpen(ctx, tx); err != nil {
			return err
		}
		ref := RecordRef{Collection: coll.ID, Record: record}
		rec, err := tx.LockRecord(ctx, t.row.ID, p.UID, ref)
		if err != nil {
			return fmt.Errorf("locking a record: %w", err)
		}
		switch {
		case rec.Revision == 0 || rec.Deleted:
			return ErrNotFound
		case ifMatch != 0 && rec.Revision != ifMatch:
			return ErrConflict
		case p.Held:
			return ErrHeld
		}
		if _, err := v.permitBreak(ctx, tx, c, t, &b); err != nil {
			return err
		}
		rec.Revision, rec.Deleted, rec.Sealed = rec.Revision+1, true, nil
		e.Writes = []audit.Write{t.wrote(p.UID, &rec)}
		if err := tx.PutRecord(ctx, t.row.ID, p.UID, rec); err != nil {
			return fmt.Errorf("deleting a record: %w", err)
		}
		if err := tx.ReplaceIndex(ctx, t.row.ID, p.UID, ref, nil, nil); err != nil {
			return err
		}
		return tx.DropFieldTokens(ctx, t.row.ID, p.UID, ref, nil)
	})
	if asksSecond(err) {
		return v.ask(ctx, c, t, failed, &b)
	}
	return err
}
