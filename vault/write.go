package vault

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/crypto/field"
	"github.com/fieldvault/fieldvault/crypto/secret"
	"github.com/fieldvault/fieldvault/vault/catalog"
	"github.com/fieldvault/fieldvault/vault/failpoint"
)

// Put stores one record: it replaces what stands, or with w.Patch merges. The
// first write of a person makes the person. The error is that of the item, as
// [Written] lists them, or of the call.
func (v *Vault) Put(ctx context.Context, c accessctl.Caller, w Write, idem Idempotency) (Written, error) {
	out, err := v.PutBatch(ctx, c, []Write{w}, idem)
	if err != nil {
		return Written{}, err
	}
	return out[0], out[0].Err
}

// PutBatch stores up to MaxItems records in one transaction, with an answer per
// item: an item that is refused changes nothing and does not stop the others. The
// error is for the call as a whole; then nothing was stored.
func (v *Vault) PutBatch(ctx context.Context, c accessctl.Caller, ws []Write, idem Idempotency) ([]Written, error) {
	if len(ws) > MaxItems {
		return nil, ErrTooLarge
	}
	if len(idem.Key) > 255 {
		return nil, invalid("Idempotency-Key", "must be at most 255 bytes")
	}
	w, err := v.write(ctx, c, accessctl.ActionWrite, len(ws), func(w *writing) {
		w.idem = idem
		for i := range ws {
			w.addWrite(i, &ws[i])
		}
	})
	if err != nil {
		return nil, err
	}
	out := make([]Written, len(ws))
	for i := range w.items {
		it := &w.items[i]
		out[i] = Written{Revision: it.revision, Created: it.created, Err: it.err}
		if it.err == nil && ctx.Err() == nil {
			out[i].Warnings = w.s.warnings(it)
		}
	}
	return out, nil
}

// A writing is one request to seal values: into records, or for an application
// that keeps the ciphertext.
type writing struct {
	v      *Vault
	c      accessctl.Caller
	action accessctl.Action
	t      *tenant
	s      *settings
	d      *accessctl.Decider
	idem   Idempotency
	again  bool // an earlier attempt has recorded what was refused
	doubts bool // keys do not verify, as they were loaded: once, that is looked at again

	incarnation string // of the database that the request was prepared on

	items  []writeItem
	people []*writePerson // by lookup, the order in which rows are locked
}

// A writeItem is one item of a writing. Only what has no err goes on.
type writeItem struct {
	at      uint32 // its place in the request
	subject string
	coll    *catalog.Collection
	record  string
	fields  []writeField
	patch   bool
	ifMatch uint64

	portable bool            // seal for the application; text gets the result
	cipher   *field.Portable // re-seal this
	text     string

	refused  bool // by policy, before any look-up
	err      error
	cause    error // what is recorded, where the caller is told less
	revision uint64
	created  bool
	row      audit.Write
}

// A writeField is one value to seal, or with null a field to remove.
type writeField struct {
	field *catalog.Field
	value secret.Bytes
	null  bool
}

// errRestart says that what the request was prepared for is no longer so.
var errRestart = errors.New("begin again")

// again does f until what it was prepared for is still so when it commits.
func again[T any](f func() (T, error)) (T, error) {
	for range attempts {
		if out, err := f(); !errors.Is(err, errRestart) {
			return out, err
		}
	}
	var none T
	return none, fmt.Errorf("%w: what it rests on keeps changing", ErrUnavailable)
}

// write prepares, opens keys, and applies all items in one transaction. It
// begins again while others change the same people.
func (v *Vault) write(ctx context.Context, c accessctl.Caller, a accessctl.Action, n int, resolve func(*writing)) (*writing, error) {
	t, err := v.tenantOf(ctx, c.Tenant)
	if err != nil {
		return nil, err
	}
	recorded := false
	for range attempts {
		s, err := v.settingsOf(ctx, t)
		if err != nil {
			return nil, err
		}
		w := &writing{v: v, c: c, action: a, t: t, s: s, d: s.decider(c), items: make([]writeItem, n), again: recorded}
		has := w.d.Has(accessctl.ActionWrite, s.fields)
		if has {
			if err := v.pinIndexKeys(ctx, t, s); err != nil {
				if err = v.unlessOutdated(ctx, t, s, err); errors.Is(err, errRestart) {
					continue
				}
				return nil, err
			}
			resolve(w)
		}
		if !has || slices.ContainsFunc(w.items, func(it writeItem) bool { return it.err != nil }) {
			if again, err := v.outdated(ctx, t, s); err != nil {
				return nil, err
			} else if again {
				continue
			}
		}
		if !has {
			return nil, v.denied(ctx, t, s, c, a)
		}
		err = w.attempt(ctx)
		switch {
		case errors.Is(err, errRestart):
			recorded = true
			continue
		case err != nil:
			return nil, err
		}
		return w, nil
	}
	return nil, fmt.Errorf("%w: too many others write to the same people", ErrUnavailable)
}

// attempt loads, prepares keys outside any transaction, and applies.
func (w *writing) attempt(ctx context.Context) error {
	if !w.again && slices.ContainsFunc(w.items, func(it writeItem) bool { return it.refused }) {
		if err := w.v.denied(ctx, w.t, w.s, w.c, w.action); !errors.Is(err, ErrDenied) {
			return err
		}
	}
	w.gather()
	if len(w.people) == 0 {
		return nil
	}
	q := LoadQuery{Tenant: w.t.row.ID, Items: make([]Ref, len(w.people))}
	for i, p := range w.people {
		q.Items[i] = Ref{Lookup: p.lookup}
	}
	l, err := seedWriter(w.v.store).LoadForReveal(ctx, q)
	if err != nil {
		return fmt.Errorf("loading: %w", err)
	}
	if _, reloaded, err := w.v.at(ctx, w.t, w.s, l); err != nil {
		return err
	} else if reloaded {
		return errRestart
	}
	if err := w.v.guard(ctx, l.Incarnation); err != nil {
		return err
	}
	w.incarnation = l.Incarnation
	for i, p := range w.people {
		p.prepare(w, &l.Items[i])
	}
	if err := w.openKeys(ctx); err != nil {
		return err
	}
	if w.doubts && !w.again {
		return errRestart
	}
	if err := w.apply(ctx); err != nil {
		return err
	}
	failpoint.Hit("put-committed")
	for _, p := range w.people {
		p.keep(w.v.ring)
	}
	return nil
}

// gather groups the items that go on by person, in the order of the lookup, and
// each person's by record: the order in which rows are locked.
func (w *writing) gather() {
	by := map[string]*writePerson{}
	for i := range w.items {
		it := &w.items[i]
		if it.err != nil {
			continue
		}
		p := by[it.subject]
		if p == nil {
			p = &writePerson{name: it.subject, lookup: w.t.hash(it.subject)}
			by[it.subject] = p
			w.people = append(w.people, p)
		}
		p.items = append(p.items, it)
	}
	slices.SortFunc(w.people, func(a, b *writePerson) int { return bytes.Compare(a.lookup, b.lookup) })
	for _, p := range w.people { // two items of one record stay in their order
		slices.SortStableFunc(p.items, func(a, b *writeItem) int {
			return cmp.Or(cmp.Compare(a.coll.ID, b.coll.ID), cmp.Compare(a.record, b.record))
		})
	}
}

// addWrite validates one record's values and decides whether they may be written.
func (w *writing) addWrite(i int, in *Write) {
	it := &w.items[i]
	it.at = uint32(i) //nolint:gosec // at most MaxItems
	it.subject, it.record, it.patch, it.ifMatch = in.Subject, in.Record, in.Patch, in.IfMatch
	if it.err = errors.Join(checkID("subject", in.Subject), checkID("record", in.Record)); it.err != nil {
		it.err = firstOf(it.err)
		return
	}
	var ok bool
	if it.coll, ok = w.s.catalog.Collection(in.Collection); !ok {
		it.err = invalid("collection", "is not in the catalog")
		return
	}
	var problems []Problem
	for name, raw := range in.Fields {
		f, err := encode(it.coll, name, raw, in.Patch)
		var bad *InvalidError
		switch {
		case errors.As(err, &bad):
			problems = append(problems, bad.Problems...)
		case err != nil:
			it.err = err
			return
		default:
			it.fields = append(it.fields, f)
		}
	}
	if len(problems) > 0 {
		slices.SortFunc(problems, func(a, b Problem) int { return cmp.Compare(a.Field, b.Field) })
		it.err = &InvalidError{Problems: problems}
		return
	}
	slices.SortFunc(it.fields, func(a, b writeField) int { return int(a.field.ID) - int(b.field.ID) })
	w.permit(it)
}

func firstOf(err error) error {
	var inv *InvalidError
	if errors.As(err, &inv) {
		return inv
	}
	return err
}

// encode validates one value. The error is an *InvalidError or ErrTooLarge.
func encode(c *catalog.Collection, name string, raw json.RawMessage, patch bool) (writeField, error) {
	f, ok := c.Field(name)
	if !ok {
		if !fieldName(name) {
			return writeField{}, invalid(c.Name, "has a field that is not in the catalog")
		}
		return writeField{}, invalid(c.Name+"."+name, "is not in the catalog")
	}
	if patch && string(bytes.TrimSpace(raw)) == "null" {
		return writeField{field: f, null: true}, nil
	}
	value, err := f.Encode(raw)
	if err != nil {
		return writeField{}, valueError(c, f, err)
	}
	return writeField{field: f, value: value}, nil
}

// permit decides the action write on every field of the item.
func (w *writing) permit(it *writeItem) {
	state := accessctl.State{Own: own(w.c, it.subject)}
	for i := range it.fields {
		if !w.d.Permit(accessctl.ActionWrite, describe(it.coll, it.fields[i].field, w.c.Purpose), state).Allowed {
			it.err, it.refused = ErrDenied, true
			return
		}
	}
	if len(it.fields) > 0 {
		return
	}
	for i := range it.coll.Fields {
		if w.mayWrite(it.coll, &it.coll.Fields[i], it.subject) {
			return
		}
	}
	it.err, it.refused = ErrDenied, true
}

// addPlaintext takes a value to encrypt.
func (w *writing) addPlaintext(i int, in *Plaintext) {
	it := w.addPortable(i, in.Subject, in.Field)
	if it.err != nil {
		return
	}
	f, err := encode(it.coll, it.fields[0].field.Name, in.Value, false)
	if err != nil {
		it.err = err
		return
	}
	it.fields[0] = f
	w.permit(it)
}

// addCiphertext takes a ciphertext to move to the current key.
func (w *writing) addCiphertext(i int, in *Ciphertext) {
	it := w.addPortable(i, in.Subject, in.Field)
	if it.err != nil {
		return
	}
	p, err := field.ParsePortable(in.Ciphertext)
	if err != nil {
		it.err = invalid("ciphertext", "must be what encrypt returned, whole")
		return
	}
	f := it.fields[0].field
	if p.Collection != it.coll.ID || p.Field != f.ID || p.Group != f.GroupID {
		it.err = invalid("ciphertext", "is of another field")
		return
	}
	it.cipher = &p
	w.permit(it)
}

func (w *writing) addPortable(i int, subject, fieldName string) *writeItem {
	it := &w.items[i]
	it.at = uint32(i) //nolint:gosec // at most MaxItems
	it.subject, it.portable = subject, true
	if it.err = checkID("subject", subject); it.err != nil {
		return it
	}
	collection, name, err := splitField(fieldName)
	if err != nil {
		it.err = err
		return it
	}
	coll, ok := w.s.catalog.Collection(collection)
	if !ok {
		it.err = invalid("field", "is not in the catalog")
		return it
	}
	f, ok := coll.Field(name)
	if !ok {
		it.err = invalid("field", "is not in the catalog")
		return it
	}
	it.coll, it.fields = coll, []writeField{{field: f}}
	return it
}
