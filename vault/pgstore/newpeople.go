package pgstore

import (
	"context"
	"fmt"
	"math"

	"github.com/jackc/pgx/v5"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/keyrow"
)

// insertPerson adds a person with keys, unless the lookup is taken or the keys are under
// a version of the key-encryption key that is no longer taken: it is one statement with
// what it looks at.
const insertPerson = `
INSERT INTO subject (tenant, lookup, uid, generation, state, restricted, held, mark,
                     sealed_id, note, certificate, created, erased_at, kek_version, keys)
SELECT t.id, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15
FROM tenant t WHERE t.id = $1 AND ($14::integer IS NULL OR $14 >= t.kek_epoch)
ON CONFLICT (tenant, lookup) DO NOTHING`

// InsertPeople adds the directory's rows with their keys one by one, in one round trip and
// in their order, in which concurrent writers of the same people wait for each other; all
// that hangs on their new uids nobody else can touch, and is copied.
func (t *tx) InsertPeople(ctx context.Context, tenant int32, people []vault.NewPerson) (bool, error) {
	if len(people) == 0 {
		return true, nil
	}
	if all, err := t.insertPersons(ctx, tenant, people); err != nil || !all {
		return false, err
	}
	var records, entries [][]any
	for i := range people {
		uid := id(people[i].Subject.UID)
		for j := range people[i].Records {
			r := &people[i].Records[j]
			records = append(records, []any{tenant, uid, r.Collection, r.Record.Record, r.Revision, some(r.Sealed)})
			for _, e := range unique(r.Entries) {
				entries = append(entries, []any{tenant, uid, r.Collection, r.Record.Record, e.Field, e.Version, some(e.Value)})
			}
		}
	}
	const doing = "storing the records of new people"
	if err := t.copyIn(ctx, doing, "record", []string{"tenant", "uid", "collection", "record", "revision", "sealed"}, records); err != nil {
		return false, err
	}
	return true, t.copyIn(ctx, doing, "search_index", []string{"tenant", "uid", "collection", "record", "field", "version", "value"}, entries)
}

// insertPersons says whether all could be added.
func (t *tx) insertPersons(ctx context.Context, tenant int32, people []vault.NewPerson) (bool, error) {
	const doing = "adding people"
	var b pgx.Batch
	lowest := int32(math.MaxInt32)
	for i := range people {
		kek, keys, err := newKeys(people[i].Keys)
		if err != nil {
			return false, fmt.Errorf("%s: %w", doing, err)
		}
		if kek != nil {
			lowest = min(lowest, *kek)
		}
		b.Queue(insertPerson, append(subjectArgs(people[i].Subject), kek, keys)...)
	}
	all, err := t.eachOne(ctx, &b, len(people))
	if err != nil || all {
		return all, t.fail(ctx, doing, err)
	}
	var epoch int32
	if err := t.row(ctx, doing, epochOf, []any{tenant}, &epoch); err != nil {
		return false, err
	}
	if lowest < epoch {
		return false, fmt.Errorf("%s: %w", doing, vault.ErrStaleKEK)
	}
	return false, nil
}

const epochOf = `SELECT kek_epoch FROM tenant WHERE id = $1`

// eachOne sends statements in one round trip, and says whether each changed one row.
func (t *tx) eachOne(ctx context.Context, b *pgx.Batch, n int) (all bool, err error) {
	bounded, cancel := context.WithDeadline(ctx, t.deadline)
	defer cancel()
	r := t.p.SendBatch(bounded, b)
	all = true
	for range n {
		tag, e := r.Exec()
		if e != nil {
			err = e
			break
		}
		all = all && tag.RowsAffected() == 1
	}
	if e := r.Close(); err == nil {
		err = e
	}
	return all, err
}

// newKeys are the columns of a new person's keys.
func newKeys(list []vault.DataKey) (kek *int32, packed []byte, err error) {
	if len(list) == 0 {
		return nil, nil, nil
	}
	var keys []vault.DataKey
	for _, k := range list {
		if k.KEKVersion < 1 {
			return nil, nil, vault.ErrStaleKEK // no epoch is below 1
		}
		keys, _ = keyrow.Insert(keys, k)
	}
	row, err := keyrow.Pack(keys)
	return &row.KEKVersion, row.Keys, err
}

// unique drops entries that stand twice, as when two forms of a value have one hash.
func unique(entries []vault.IndexEntry) []vault.IndexEntry {
	out := make([]vault.IndexEntry, 0, len(entries))
next:
	for _, e := range entries {
		for _, o := range out {
			if o.Field == e.Field && o.Version == e.Version && string(o.Value) == string(e.Value) {
				continue next
			}
		}
		out = append(out, e)
	}
	return out
}

// copyIn copies rows into a table.
func (t *tx) copyIn(ctx context.Context, doing, table string, columns []string, rows [][]any) error {
	if len(rows) == 0 {
		return nil
	}
	return t.copyFrom(ctx, doing, table, columns, pgx.CopyFromRows(rows))
}

// copyFrom copies what a source gives into a table.
func (t *tx) copyFrom(ctx context.Context, doing, table string, columns []string, from pgx.CopyFromSource) error {
	bounded, cancel := context.WithDeadline(ctx, t.deadline)
	defer cancel()
	_, err := t.p.CopyFrom(bounded, pgx.Identifier{table}, columns, from)
	return t.fail(ctx, doing, err)
}
