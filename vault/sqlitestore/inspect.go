package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/fieldvault/fieldvault/vault"
)

// ScanRecords lists records of all people, deleted ones too.
func (s *Store) ScanRecords(ctx context.Context, after vault.ScanPos, limit int) ([]vault.ScannedRecord, error) {
	var out []vault.ScannedRecord
	err := s.run(ctx, s.readers, func(t *tx) (err error) {
		out, err = t.scanRecords(ctx, after, limit)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("scanning records: %w", err)
	}
	return out, nil
}

func (t *tx) scanRecords(ctx context.Context, after vault.ScanPos, limit int) ([]vault.ScannedRecord, error) {
	if err := t.text(after.Record); err != nil {
		return nil, err
	}
	out, err := list(ctx, t, `
		SELECT r.tenant, r.uid, `+recordColumns+` FROM record r
		WHERE (r.tenant, r.uid, r.collection, r.record) > (?1, ?2, ?3, ?4)
		ORDER BY r.tenant, r.uid, r.collection, r.record LIMIT ?5`,
		func(rows *sql.Rows) (s vault.ScannedRecord, err error) {
			err = rows.Scan(append([]any{&s.Pos.Tenant, uidColumn{&s.Pos.UID}}, recordTargets(&s.Record)...)...)
			s.Pos.Collection, s.Pos.Record = s.Record.Collection, s.Record.Record
			return s, err
		}, after.Tenant, after.UID[:], after.Collection, after.Record, atMost(limit))
	if err != nil {
		return nil, err
	}
	for i := range out {
		if err := t.scanOwner(ctx, &out[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// scanOwner adds the person, the keys and the index entries of a record.
func (t *tx) scanOwner(ctx context.Context, s *vault.ScannedRecord) error {
	owner, err := one(ctx, t, `SELECT `+subjectColumns+` FROM subject s WHERE s.tenant = ?1 AND s.uid = ?2`,
		scanSubject, s.Pos.Tenant, s.Pos.UID[:])
	switch {
	case err == nil:
		s.Subject = &owner
	case !errors.Is(err, vault.ErrNoRow):
		return err
	}
	keys, exists, err := t.keyRow(ctx, s.Pos.Tenant, s.Pos.UID)
	if err != nil {
		return err
	}
	if exists {
		s.Keys = keys.Load()
	}
	s.Index, err = list(ctx, t, `
		SELECT field, version, value FROM search_index
		WHERE tenant = ?1 AND uid = ?2 AND collection = ?3 AND record = ?4 ORDER BY field, version, value`,
		func(r *sql.Rows) (e vault.IndexEntry, err error) {
			err = r.Scan(&e.Field, &e.Version, &e.Value)
			return e, err
		}, s.Pos.Tenant, s.Pos.UID[:], s.Pos.Collection, s.Pos.Record)
	return err
}

// ScanSubjects lists directory rows of a tenant by lookup.
func (s *Store) ScanSubjects(ctx context.Context, tenant int32, after []byte, limit int) ([]vault.Subject, error) {
	var out []vault.Subject
	err := s.run(ctx, s.readers, func(t *tx) (err error) {
		out, err = list(ctx, t, `
			SELECT `+subjectColumns+` FROM subject s WHERE s.tenant = ?1 AND s.lookup > ?2
			ORDER BY s.lookup LIMIT ?3`, scanSubject, tenant, blob(after), atMost(limit))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("scanning people: %w", err)
	}
	return out, nil
}

// Orphans names the tables of people that have rows of a uid that no row of
// the directory has, with their number.
func (s *Store) Orphans(ctx context.Context) (map[string]int64, error) {
	out := make(map[string]int64)
	err := s.run(ctx, s.readers, func(t *tx) error {
		tables, err := subjectTables(ctx, t)
		if err != nil {
			return err
		}
		for _, table := range tables {
			n, err := t.number(ctx, inTable(`
				SELECT count(*) FROM {table} o WHERE o.uid IS NOT NULL AND o.uid <> zeroblob(16) AND NOT EXISTS
				  (SELECT 1 FROM subject s WHERE s.tenant = o.tenant AND s.uid = o.uid)`, table))
			if err != nil {
				return err
			}
			if n > 0 {
				out[table] = n
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("looking for orphans: %w", err)
	}
	return out, nil
}

// SubjectTables lists the tables that bear rows of people, derived from the
// schema: those with a column uid, less the directory.
func (s *Store) SubjectTables(ctx context.Context) ([]string, error) {
	var out []string
	err := s.run(ctx, s.readers, func(t *tx) (err error) {
		out, err = subjectTables(ctx, t)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listing the tables of people: %w", err)
	}
	return out, nil
}
