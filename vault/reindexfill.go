package vault

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/crypto/field"
	"github.com/fieldvault/fieldvault/crypto/keyring"
	"github.com/fieldvault/fieldvault/vault/catalog"
)

// fillPage is how many records one step of a re-index looks at, with one request to
// the key-encryption key at most, and fillBatch how many one transaction writes to:
// an erasure of one of these people waits for it.
const (
	fillPage  = 200
	fillBatch = 20
)

// A lacking is a record that lacks index entries.
type lacking struct {
	subject Subject
	row     Record
	values  []lackingValue
}

// A lackingValue is a sealed value, and the entries that it lacks once they are made.
type lackingValue struct {
	field  *catalog.Field
	sealed field.Sealed
	key    int // in the list of keys to be opened
	id     keyring.ID
	made   []IndexEntry
}

// fill makes the entries that the next records lack, or ends the pass.
func (r *reindexing) fill(ctx context.Context) error {
	scan, ok := r.v.store.(Inspector)
	if !ok {
		return errNoScan
	}
	if err := r.v.pinIndexKeys(ctx, r.t, r.s); err != nil {
		return r.v.unlessOutdated(ctx, r.t, r.s, err)
	}
	after := r.cur.At
	after.Tenant = r.t.row.ID
	page, err := scan.ScanRecords(ctx, after, fillPage)
	if err != nil {
		return fmt.Errorf("reading records: %w", err)
	}
	page = slices.DeleteFunc(page, func(x ScannedRecord) bool { return x.Pos.Tenant != r.t.row.ID })
	if len(page) == 0 {
		return r.endPass()
	}
	var list []lacking
	var keys []keyring.Sealed
	var left, stuck int64
	for i := range page {
		l, err := r.lacks(&page[i], &keys)
		if err != nil {
			stuck++
		} else if len(l.values) > 0 {
			list = append(list, l)
		}
	}
	n, err := r.index(ctx, &list, keys)
	if err != nil {
		return err
	}
	stuck += n
	slices.SortFunc(list, func(a, b lacking) int { // the order in which writes lock rows
		return cmp.Or(bytes.Compare(a.subject.Lookup, b.subject.Lookup),
			cmp.Compare(a.row.Collection, b.row.Collection), cmp.Compare(a.row.Record, b.row.Record))
	})
	for batch := range slices.Chunk(list, fillBatch) {
		n, err := r.store(ctx, batch)
		if err != nil {
			return err
		}
		left, stuck = left+int64(len(batch))-n, stuck+n
	}
	for i := range page {
		if !page[i].Record.Deleted {
			r.job.Done++
		}
	}
	r.cur.At = page[len(page)-1].Pos
	r.cur.Left, r.cur.Made, r.cur.Stuck = r.cur.Left+left, r.cur.Made+left, r.cur.Stuck+stuck
	return nil
}

// lacks says which values of a record lack an entry of a version to be filled, and
// adds the keys that open them. The error is ErrIntegrity if that cannot be told.
func (r *reindexing) lacks(x *ScannedRecord, keys *[]keyring.Sealed) (l lacking, err error) {
	coll, ok := r.s.catalog.CollectionByID(x.Pos.Collection)
	if !ok || x.Subject == nil || x.Subject.State != Live || x.Record.Deleted || len(x.Record.Sealed) == 0 || r.v.erasedBefore(r.t, x.Pos.UID) {
		return lacking{}, nil
	}
	if !slices.ContainsFunc(coll.Fields, func(f catalog.Field) bool { return r.fills(coll, &f) }) {
		return lacking{}, nil
	}
	if !r.t.marked(x.Subject) {
		return lacking{}, ErrIntegrity
	}
	fields, err := r.t.unpackRow(x.Pos.UID, &x.Record)
	if err != nil {
		return lacking{}, err
	}
	l = lacking{subject: *x.Subject, row: x.Record}
	for i := range fields {
		f, ok := coll.FieldByID(fields[i].Field)
		if !ok || !r.fills(coll, f) || slices.ContainsFunc(x.Index, func(e IndexEntry) bool {
			return e.Field == f.ID && e.Version == f.Index.Version
		}) {
			continue
		}
		k := keyOf(x.Keys, fields[i].Group)
		switch {
		case k != nil && k.Epoch > fields[i].Epoch:
			continue // the group was erased since
		case k == nil || k.Wrapped == nil || k.Epoch != fields[i].Epoch:
			return lacking{}, ErrIntegrity
		}
		id := keyID(r.t, x.Subject, k)
		at := slices.IndexFunc(*keys, func(s keyring.Sealed) bool { return s.ID == id })
		if at < 0 {
			at = len(*keys)
			*keys = append(*keys, keyring.Sealed{ID: id, Wrapped: wrappedOf(k)})
		}
		l.values = append(l.values, lackingValue{field: f, sealed: fields[i], key: at, id: id})
	}
	return l, nil
}

// fills says whether this job fills the latest version of the field's index.
func (r *reindexing) fills(c *catalog.Collection, f *catalog.Field) bool {
	return f.Index != nil && f.Index.Filling && slices.Contains(r.cur.Fill, IndexVersion{c.ID, f.ID, f.Index.Version}.label())
}

// index makes the entries, drops from the list the records of which a value does not
// open, and says how many these are.
func (r *reindexing) index(ctx context.Context, list *[]lacking, keys []keyring.Sealed) (stuck int64, err error) {
	if len(keys) == 0 {
		return 0, nil
	}
	opened, errs, err := r.v.openKeys(ctx, r.t, keys)
	if err != nil {
		return 0, fmt.Errorf("opening keys: %w", unavailable(err))
	}
	var failed error
	*list = slices.DeleteFunc(*list, func(l lacking) bool {
		for i := range l.values {
			key := opened[l.values[i].key]
			if errs != nil && errs[l.values[i].key] != nil {
				key = nil
			}
			err := r.entries(&l, &l.values[i], key)
			if errors.Is(err, ErrIntegrity) {
				stuck++
				return true
			}
			failed = cmp.Or(failed, err)
		}
		return false
	})
	return stuck, failed
}

// entries makes the entries of a value.
func (r *reindexing) entries(l *lacking, x *lackingValue, key *field.Key) error {
	if key == nil {
		return ErrIntegrity
	}
	plain, err := key.OpenSplit(field.Place{
		Tenant: r.t.row.Name, UID: l.subject.UID, Group: x.id.Group, Epoch: x.id.Epoch, Collection: l.row.Collection,
		Record: l.row.Record, Field: x.field.ID, Revision: x.sealed.Revision,
	}, x.sealed.Ciphertext)
	if err != nil {
		return ErrIntegrity
	}
	defer plain.Wipe()
	coll, _ := r.s.catalog.CollectionByID(l.row.Collection)
	entries, err := r.t.indexEntries(coll, x.field, plain)
	if err != nil {
		return r.t.unlessNewer(r.s, err)
	}
	x.made = slices.DeleteFunc(entries, func(e IndexEntry) bool { return e.Version != x.field.Index.Version })
	return nil
}

// store stores the entries of some records in one transaction, of those that stand as
// they were read: a later write has made its own. It says how many cannot be indexed.
func (r *reindexing) store(ctx context.Context, batch []lacking) (stuck int64, err error) {
	err = r.v.store.Update(ctx, func(tx Tx) error {
		stuck = 0
		rest := batch
		now, err := tx.CatalogVersion(ctx, r.t.row.ID)
		if err != nil {
			return fmt.Errorf("reading the version of the catalog: %w", err)
		}
		if now != r.s.catalog.Version {
			return errRestart
		}
		for len(rest) > 0 {
			uid := rest[0].subject.UID
			n := slices.IndexFunc(rest, func(l lacking) bool { return l.subject.UID != uid })
			if n < 0 {
				n = len(rest)
			}
			err := r.storePerson(ctx, tx, uid, rest[:n])
			if errors.Is(err, ErrIntegrity) {
				stuck += int64(n)
			} else if err != nil {
				return err
			}
			rest = rest[n:]
		}
		return nil
	})
	return stuck, err
}

// storePerson stores the entries of one person, locked as for a write: an erasure of
// the person, or of a group, comes wholly before or after.
func (r *reindexing) storePerson(ctx context.Context, tx Tx, uid uuid.UUID, list []lacking) error {
	id := r.t.row.ID
	p, err := tx.SubjectByUID(ctx, id, uid, ShareLock)
	switch {
	case errors.Is(err, ErrNoRow):
		return nil // erased and swept
	case err != nil:
		return fmt.Errorf("reading a person: %w", err)
	case p.State != Live:
		return nil
	case !r.t.marked(&p):
		return ErrIntegrity
	}
	keys, err := tx.Keys(ctx, id, uid)
	if err != nil {
		return fmt.Errorf("reading keys: %w", err)
	}
	consents, err := tx.Consents(ctx, id, uid)
	if err != nil {
		return fmt.Errorf("reading consents: %w", err)
	}
	if _, keysStand := stands(&p, consents, keys); !keysStand || r.v.revived(r.t, uid, keys) {
		return ErrIntegrity
	}
	for i := range list {
		if err := r.storeRecord(ctx, tx, &list[i], keys); err != nil {
			return err
		}
	}
	return nil
}

func (r *reindexing) storeRecord(ctx context.Context, tx Tx, l *lacking, keys []DataKey) error {
	id, uid, ref := r.t.row.ID, l.subject.UID, RecordRef{Collection: l.row.Collection, Record: l.row.Record}
	rec, err := tx.LockRecord(ctx, id, uid, ref)
	if err != nil {
		return fmt.Errorf("locking a record: %w", err)
	}
	if rec.Deleted || rec.Revision != l.row.Revision {
		return nil
	}
	var entries []IndexEntry
	for i := range l.values {
		x := &l.values[i]
		if k := keyOf(keys, x.id.Group); k != nil && k.Wrapped != nil && k.Epoch == x.id.Epoch {
			entries = append(entries, x.made...)
		}
	}
	if err := tx.ReplaceIndex(ctx, id, uid, ref, []uint32{}, entries); err != nil {
		return fmt.Errorf("storing index entries: %w", err)
	}
	return nil
}
