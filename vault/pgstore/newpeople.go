package pgstore

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/keyrow"
)

// newKeys stores nothing under a version of the key-encryption key that is no longer
// taken. It is one statement with what it looks at.
const newKeys = `
INSERT INTO data_key (tenant, uid, kek_version, keys)
SELECT t.id, k.uid, k.kek_version, k.keys
FROM tenant t
CROSS JOIN unnest($2::uuid[], $3::integer[], $4::bytea[]) k(uid, kek_version, keys)
WHERE t.id = $1 AND t.kek_epoch <= k.kek_version`

// InsertPeople adds the directory's rows one by one, in one round trip and in their
// order, in which concurrent writers of the same people wait for each other; all that
// hangs on their new uids nobody else can touch, and is copied.
func (t *tx) InsertPeople(ctx context.Context, tenant int32, people []vault.NewPerson) (bool, error) {
	if len(people) == 0 {
		return true, nil
	}
	if all, err := t.insertSubjects(ctx, people); err != nil || !all {
		return false, err
	}
	if err := t.insertNewKeys(ctx, tenant, people); err != nil {
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

// insertSubjects says whether all could be added.
func (t *tx) insertSubjects(ctx context.Context, people []vault.NewPerson) (bool, error) {
	bounded, cancel := context.WithDeadline(ctx, t.deadline)
	defer cancel()
	var b pgx.Batch
	for i := range people {
		b.Queue(insertSubject, subjectArgs(people[i].Subject)...)
	}
	r := t.p.SendBatch(bounded, &b)
	all := true
	var err error
	for range people {
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
	return all, t.fail(ctx, "adding people", err)
}

func (t *tx) insertNewKeys(ctx context.Context, tenant int32, people []vault.NewPerson) error {
	const doing = "storing the keys of new people"
	var uids []pgtype.UUID
	var lowest []int32
	var packed byteas
	for i := range people {
		if len(people[i].Keys) == 0 {
			continue
		}
		var keys []vault.DataKey
		for _, k := range people[i].Keys {
			if k.KEKVersion < 1 {
				return fmt.Errorf("%s: %w", doing, vault.ErrStaleKEK) // no epoch is below 1
			}
			keys, _ = keyrow.Insert(keys, k)
		}
		row, err := keyrow.Pack(keys)
		if err != nil {
			return fmt.Errorf("%s: %w", doing, err)
		}
		uids, lowest, packed = append(uids, id(people[i].Subject.UID)), append(lowest, row.KEKVersion), append(packed, row.Keys)
	}
	if len(uids) == 0 {
		return nil
	}
	n, err := t.exec(ctx, doing, newKeys, tenant, uids, lowest, packed)
	if err == nil && n != int64(len(uids)) {
		err = fmt.Errorf("%s: %w", doing, vault.ErrStaleKEK)
	}
	return err
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
