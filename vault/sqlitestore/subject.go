package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault"
)

const subjectColumns = `
	s.tenant, s.lookup, s.uid, s.generation, s.state, s.restricted, s.held, s.mark,
	s.sealed_id, s.note, s.certificate, s.created, s.erased_at`

// subjectTargets are where a row of subjectColumns goes.
func subjectTargets(s *vault.Subject) []any {
	return []any{
		&s.Tenant, &s.Lookup,
		uidColumn{&s.UID},
		&s.Generation, &s.State, &s.Restricted, &s.Held, &s.Mark,
		&s.SealedID, &s.Note, &s.Certificate,
		timeColumn{&s.Created},
		timeColumn{&s.ErasedAt},
	}
}

func scanSubject(r *sql.Rows) (s vault.Subject, err error) {
	err = r.Scan(subjectTargets(&s)...)
	return s, err
}

// subjectValues are the stored forms of a person's row, in the order of subjectColumns.
func subjectValues(s *vault.Subject) []any {
	return []any{
		s.Tenant, blob(s.Lookup), uidOrNull(s.UID), s.Generation, s.State, s.Restricted, s.Held, blob(s.Mark),
		s.SealedID, s.Note, s.Certificate, s.Created.UnixMicro(), micros(s.ErasedAt),
	}
}

func (t *tx) Subject(ctx context.Context, tenant int32, lookup []byte, lock vault.Lock) (vault.Subject, error) {
	return t.subject(ctx, lock, `SELECT `+subjectColumns+` FROM subject s WHERE s.tenant = ?1 AND s.lookup = ?2`,
		tenant, blob(lookup))
}

func (t *tx) SubjectByUID(ctx context.Context, tenant int32, uid uuid.UUID, lock vault.Lock) (vault.Subject, error) {
	return t.subject(ctx, lock, `SELECT `+subjectColumns+` FROM subject s WHERE s.tenant = ?1 AND s.uid = ?2`,
		tenant, uid[:])
}

func (t *tx) LookupsByUID(ctx context.Context, tenant int32, uids []uuid.UUID) (map[uuid.UUID][]byte, error) {
	const lookupByUID = `SELECT lookup FROM subject WHERE tenant = ?1 AND uid = ?2`
	found := make(map[uuid.UUID][]byte, len(uids))
	for _, uid := range uids { // in this process: a statement more is no round trip more
		lookup, err := one(ctx, t, lookupByUID, scanBytes, tenant, uid[:])
		switch {
		case errors.Is(err, vault.ErrNoRow):
		case err != nil:
			return nil, fmt.Errorf("finding people by uid: %w", err)
		default:
			found[uid] = lookup
		}
	}
	return found, nil
}

func scanBytes(r *sql.Rows) (b []byte, err error) {
	err = r.Scan(&b)
	return b, err
}

func (t *tx) subject(ctx context.Context, lock vault.Lock, query string, args ...any) (vault.Subject, error) {
	// The one writer holds every lock already.
	if err := t.usable(lock != vault.NoLock); err != nil {
		return vault.Subject{}, err
	}
	s, err := one(ctx, t, query, scanSubject, args...)
	switch {
	case errors.Is(err, vault.ErrNoRow):
		return s, err
	case err != nil:
		return s, fmt.Errorf("reading a person: %w", err)
	}
	return s, nil
}

func (t *tx) InsertSubject(ctx context.Context, s vault.Subject) (bool, error) {
	n, err := t.exec(ctx, `
		INSERT INTO subject (tenant, lookup, uid, generation, state, restricted, held, mark,
			sealed_id, note, certificate, created, erased_at)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
		ON CONFLICT (tenant, lookup) DO NOTHING`, subjectValues(&s)...)
	if err != nil {
		return false, fmt.Errorf("storing a person: %w", err)
	}
	return n == 1, nil
}

func (t *tx) UpdateSubject(ctx context.Context, s vault.Subject, generation uint32) error {
	n, err := t.exec(ctx, `
		UPDATE subject SET uid = ?3, generation = ?4, state = ?5, restricted = ?6, held = ?7, mark = ?8,
			sealed_id = ?9, note = ?10, certificate = ?11, created = ?12, erased_at = ?13
		WHERE tenant = ?1 AND lookup = ?2 AND generation = ?14`, append(subjectValues(&s), generation)...)
	if err != nil {
		return fmt.Errorf("changing a person: %w", err)
	}
	if n != 1 {
		return vault.ErrStale
	}
	return nil
}
