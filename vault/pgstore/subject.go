package pgstore

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/fieldvault/fieldvault/vault"
)

// A subjectRow is what a row of the directory is read into. Where the row may
// be absent (an outer join), generation is then 0.
type subjectRow struct {
	vault.Subject
	uid             pgtype.UUID
	created, erased pgtype.Timestamptz
}

// subjectColumns are read by [subjectRow.dest]. They stand for absent rows too.
const subjectColumns = `s.uid, coalesce(s.generation, 0), coalesce(s.state, 0::smallint),
       coalesce(s.restricted, false), coalesce(s.held, false), s.mark, s.created, s.erased_at`

// sealedColumns are read by [subjectRow.sealed].
const sealedColumns = `s.sealed_id, s.note, s.certificate`

func (r *subjectRow) dest() []any {
	return []any{
		&r.uid, &r.Generation, &r.State, &r.Restricted, &r.Held, &r.Mark, &r.created, &r.erased,
	}
}

func (r *subjectRow) sealed() []any {
	return []any{&r.SealedID, &r.Note, &r.Certificate}
}

// subject returns the row, and whether there was one.
func (r *subjectRow) subject() (s vault.Subject, exists bool) {
	s = r.Subject
	s.UID = uuid.UUID(r.uid.Bytes) // Nil for NULL
	s.Created = r.created.Time
	s.ErasedAt = r.erased.Time
	return s, r.Generation != 0
}

const (
	subjectByLookup = `
SELECT s.tenant, s.lookup, ` + subjectColumns + `, ` + sealedColumns + `
FROM subject s WHERE s.tenant = $1 AND s.lookup = $2`

	subjectShared    = subjectByLookup + ` FOR SHARE`
	subjectExclusive = subjectByLookup + ` FOR UPDATE`
)

func (t *tx) Subject(ctx context.Context, tenant int32, lookup []byte, lock vault.Lock) (vault.Subject, error) {
	sql := subjectExclusive
	switch lock {
	case vault.NoLock:
		sql = subjectByLookup
	case vault.ShareLock:
		sql = subjectShared
	case vault.ExclusiveLock:
	}
	return t.subject(ctx, sql, tenant, lookup)
}

const (
	subjectByUID = `
SELECT s.tenant, s.lookup, ` + subjectColumns + `, ` + sealedColumns + `
FROM subject s WHERE s.tenant = $1 AND s.uid = $2`

	uidShared    = subjectByUID + ` FOR SHARE`
	uidExclusive = subjectByUID + ` FOR UPDATE`
)

func (t *tx) SubjectByUID(ctx context.Context, tenant int32, uid uuid.UUID, lock vault.Lock) (vault.Subject, error) {
	sql := uidExclusive
	switch lock {
	case vault.NoLock:
		sql = subjectByUID
	case vault.ShareLock:
		sql = uidShared
	case vault.ExclusiveLock:
	}
	return t.subject(ctx, sql, tenant, id(uid))
}

const lookupsByUID = `SELECT uid, lookup FROM subject WHERE tenant = $1 AND uid = ANY($2::uuid[])`

func (t *tx) LookupsByUID(ctx context.Context, tenant int32, uids []uuid.UUID) (map[uuid.UUID][]byte, error) {
	ids := make([]pgtype.UUID, len(uids))
	for i, u := range uids {
		ids[i] = id(u)
	}
	found := make(map[uuid.UUID][]byte, len(uids))
	_, err := rows(ctx, t, "finding people by uid", lookupsByUID, []any{tenant, ids}, func(r pgx.CollectableRow) (struct{}, error) {
		var u pgtype.UUID
		var lookup []byte
		err := r.Scan(&u, &lookup)
		found[u.Bytes] = lookup
		return struct{}{}, err
	})
	return found, err
}

func (t *tx) subject(ctx context.Context, sql string, args ...any) (vault.Subject, error) {
	var r subjectRow
	if err := t.row(ctx, "reading a person's row", sql, args, r.whole()...); err != nil {
		return vault.Subject{}, err
	}
	s, _ := r.subject()
	return s, nil
}

// whole is what a row of the directory with all its columns is read into.
func (r *subjectRow) whole() []any {
	return append(append([]any{&r.Tenant, &r.Lookup}, r.dest()...), r.sealed()...)
}

func readSubject(c pgx.CollectableRow) (vault.Subject, error) {
	var r subjectRow
	if err := c.Scan(r.whole()...); err != nil {
		return vault.Subject{}, err
	}
	s, _ := r.subject()
	return s, nil
}

const insertSubject = `
INSERT INTO subject (tenant, lookup, uid, generation, state, restricted, held, mark,
                     sealed_id, note, certificate, created, erased_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
ON CONFLICT (tenant, lookup) DO NOTHING`

func (t *tx) InsertSubject(ctx context.Context, s vault.Subject) (bool, error) {
	n, err := t.exec(ctx, "adding a person", insertSubject, subjectArgs(s)...)
	return n == 1, err
}

const updateSubject = `
UPDATE subject
SET uid = $3, generation = $4, state = $5, restricted = $6, held = $7, mark = $8,
    sealed_id = $9, note = $10, certificate = $11, created = $12, erased_at = $13
WHERE tenant = $1 AND lookup = $2 AND generation = $14`

func (t *tx) UpdateSubject(ctx context.Context, s vault.Subject, generation uint32) error {
	const doing = "changing a person's row"
	n, err := t.exec(ctx, doing, updateSubject, append(subjectArgs(s), generation)...)
	return exactlyOne(doing, n, err)
}

func subjectArgs(s vault.Subject) []any {
	return []any{
		s.Tenant, s.Lookup, id(s.UID), s.Generation, int16(s.State), s.Restricted, s.Held, some(s.Mark),
		s.SealedID, s.Note, s.Certificate, at(s.Created), at(s.ErasedAt),
	}
}
