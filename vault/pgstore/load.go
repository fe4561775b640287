package pgstore

import (
	"bytes"
	"context"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/fieldvault/fieldvault/vault"
)

// What a load reads beside the tenant's row and the item itself. Every part is
// found by its full key: LATERAL with OFFSET 0 keeps the planner from joining
// a whole person, or a whole table, first. Consents and record are those of the
// living: an erased person's remains are not read, and keys there are none.
const (
	// incarnation changes with the server's start and timeline, with the database,
	// and with the table (as a restore makes it anew). It is worked out once a
	// statement.
	incarnation = `(
    SELECT extract(epoch FROM pg_postmaster_start_time()) || ' ' || pg_relation_filepath('tenant'::regclass) || ' ' ||
           CASE WHEN pg_is_in_recovery() THEN 'replica' ELSE left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) END
)`

	// tenantColumns are alike for all items of a load: they stand in the first row alone.
	tenantColumns = `t.catalog_version, t.policy_version, t.kek_epoch, pg_is_in_recovery(), ` + incarnation

	tenantOnce = `
       CASE WHEN q.place > 1 THEN NULL ELSE t.catalog_version END, CASE WHEN q.place > 1 THEN NULL ELSE t.policy_version END,
       CASE WHEN q.place > 1 THEN NULL ELSE t.kek_epoch END, CASE WHEN q.place > 1 THEN NULL ELSE pg_is_in_recovery() END,
       CASE WHEN q.place > 1 THEN NULL ELSE ` + incarnation + ` END`

	loadColumns = `, ` + subjectColumns + `,
       s.kek_version, s.keys, (
    SELECT ` + consentsOf + ` FROM consent WHERE tenant = $1 AND uid = s.uid AND s.state = 1
), r.revision, r.sealed,
       `

	// loadOne reads one item: $2 lookup, $3 collection, $4 record, $5 identity.
	loadOne = `SELECT ` + tenantColumns + loadColumns + `
       CASE WHEN $5 THEN s.sealed_id END, CASE WHEN $5 THEN s.note END, CASE WHEN $5 THEN s.certificate END
FROM tenant t
LEFT JOIN LATERAL (
    SELECT * FROM subject WHERE tenant = $1 AND lookup = $2 OFFSET 0
) s ON true
LEFT JOIN LATERAL (
    SELECT revision, sealed FROM record
    WHERE tenant = $1 AND uid = s.uid AND s.state = 1 AND collection = $3 AND record = $4 OFFSET 0
) r ON true
WHERE t.id = $1`

	// loadMany reads any number of items, none included: the same, of arrays,
	// and the place of each.
	loadMany = `SELECT ` + tenantOnce + loadColumns + `
       CASE WHEN $5 THEN s.sealed_id END, CASE WHEN $5 THEN s.note END, CASE WHEN $5 THEN s.certificate END,
       coalesce(q.place, 0)
FROM tenant t
LEFT JOIN unnest($2::bytea[], $3::bigint[], $4::text[]) WITH ORDINALITY q(lookup, collection, record, place) ON true
LEFT JOIN LATERAL (
    SELECT * FROM subject WHERE tenant = $1 AND lookup = q.lookup OFFSET 0
) s ON true
LEFT JOIN LATERAL (
    SELECT revision, sealed FROM record
    WHERE tenant = $1 AND uid = s.uid AND s.state = 1 AND collection = q.collection AND record = q.record OFFSET 0
) r ON true
WHERE t.id = $1`
)

// LoadForReveal reads with one statement, prepared in two forms: one item takes
// a fifth of the time of a list of one. Calls for one item that come while another
// such statement runs share the next one. The tenant must exist, else
// [vault.ErrNoRow]. Of an erased person only the row of the directory is read.
func (s *Store) LoadForReveal(ctx context.Context, q vault.LoadQuery) (*vault.Loaded, error) {
	if len(q.Items) == 1 && !q.Identity {
		return s.loadShared(ctx, q)
	}
	return s.load(ctx, q)
}

const loading = "loading what decides a read"

// load is LoadForReveal with a statement of its own.
func (s *Store) load(ctx context.Context, q vault.LoadQuery) (*vault.Loaded, error) {
	var l *vault.Loaded
	err := s.repeat(ctx, loading, func() (bool, error) {
		err := s.with(ctx, loading, func(ctx context.Context, conn *pgxpool.Conn) (err error) {
			if len(q.Items) == 1 {
				l, err = loadItem(ctx, conn, q)
			} else {
				l, err = loadItems(ctx, conn, q)
			}
			return err
		})
		return repeatable(err), err
	})
	if err != nil {
		return nil, err
	}
	return l, nil
}

func loadItem(ctx context.Context, conn *pgxpool.Conn, q vault.LoadQuery) (*vault.Loaded, error) {
	l := &vault.Loaded{Items: make([]vault.LoadedItem, 1)}
	ref := q.Items[0]
	row := newLoadRow(1)
	r := conn.QueryRow(ctx, loadOne, q.Tenant, ref.Lookup, ref.Collection, ref.Record, q.Identity)
	if err := r.Scan(row.dest(l)...); err != nil {
		return nil, err
	}
	var err error
	l.Items[0], err = row.item(q.Tenant, ref)
	return l, err
}

func loadItems(ctx context.Context, conn *pgxpool.Conn, q vault.LoadQuery) (*vault.Loaded, error) {
	n := len(q.Items)
	lookups, collections, records := make(byteas, n), make([]uint32, n), make([]string, n)
	for i, ref := range q.Items {
		lookups[i], collections[i], records[i] = some(ref.Lookup), ref.Collection, ref.Record
	}
	r, err := conn.Query(ctx, loadMany, q.Tenant, lookups, collections, records, q.Identity)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	l := &vault.Loaded{Items: make([]vault.LoadedItem, n)}
	seen, firsts, place := 0, 0, 0
	row := newLoadRow(n)
	first := append(row.dest(l), &place)
	others := slices.Clone(first)
	clear(others[:tenantCount])
	for ; r.Next(); seen++ {
		row.next()
		dest := others
		if r.RawValues()[0] != nil {
			dest = first
			firsts++
		}
		if err := r.Scan(dest...); err != nil {
			return nil, err
		}
		if place > n || place == 0 && n > 0 {
			return nil, unfitError("the database answered what was not asked")
		}
		if place > 0 {
			if l.Items[place-1], err = row.item(q.Tenant, q.Items[place-1]); err != nil {
				return nil, err
			}
		}
	}
	if err := r.Err(); err != nil {
		return nil, err
	}
	if seen == 0 {
		return nil, pgx.ErrNoRows
	}
	if seen != max(n, 1) || firsts != 1 {
		return nil, unfitError("the database did not answer every item")
	}
	return l, nil
}

// tenantCount is how many tenantColumns there are.
const tenantCount = 5

// A loadRoom is what the items of a load are kept in, so that each does not need memory
// of its own.
type loadRoom struct {
	bytes    []byte
	subjects []vault.Subject
	records  []vault.Record
}

func newLoadRoom(items int) *loadRoom {
	return &loadRoom{subjects: make([]vault.Subject, 0, items), records: make([]vault.Record, 0, items)}
}

// keep returns a copy of b, which shares no memory with any other. Nothing is not nil,
// which stands for NULL.
func (m *loadRoom) keep(b []byte) []byte {
	piece := min(cap(m.subjects)<<10, 16<<10)
	switch {
	case len(b) == 0:
		return []byte{}
	case cap(m.subjects) == 1 || len(b) > piece/2:
		return bytes.Clone(b)
	case cap(m.bytes)-len(m.bytes) < len(b):
		m.bytes = make([]byte, 0, piece)
	}
	at := len(m.bytes)
	m.bytes = append(m.bytes, b...)
	return m.bytes[at:len(m.bytes):len(m.bytes)]
}

// kept reads a column of bytes into a room; nil: NULL.
type kept struct {
	in *loadRoom
	b  []byte
}

// ScanBytes is pgx's.
func (k *kept) ScanBytes(b []byte) error {
	k.b = nil
	if b != nil {
		k.b = k.in.keep(b)
	}
	return nil
}

// A loadRow is what a row of a load is read into.
type loadRow struct {
	room     *loadRoom
	person   subjectRow
	record   recordRow
	keys     keyColumns
	consents rowList

	mark, wrapped, sealed kept
}

func newLoadRow(items int) *loadRow {
	m := newLoadRoom(items)
	return &loadRow{room: m, mark: kept{in: m}, wrapped: kept{in: m}, sealed: kept{in: m}}
}

// next forgets the row before.
func (r *loadRow) next() {
	m := r.room
	*r = loadRow{room: m, mark: kept{in: m}, wrapped: kept{in: m}, sealed: kept{in: m}}
}

func (r *loadRow) dest(l *vault.Loaded) []any {
	p := &r.person
	return []any{
		&l.CatalogVersion, &l.PolicyVersion, &l.KEKEpoch, &l.Replica, &l.Incarnation,
		&p.uid, &p.Generation, &p.State, &p.Restricted, &p.Held, &r.mark, &p.created, &p.erased,
		&r.keys.kek, &r.wrapped, &r.consents, &r.record.revision, &r.sealed,
		&p.SealedID, &p.Note, &p.Certificate,
	}
}

func (r *loadRow) item(tenant int32, ref vault.Ref) (i vault.LoadedItem, err error) {
	r.keys.keys, r.record.sealed = r.wrapped.b, r.sealed.b
	r.person.Tenant, r.person.Mark = tenant, r.mark.b
	s, exists := r.person.subject()
	if !exists {
		return i, nil
	}
	s.Lookup = r.room.keep(ref.Lookup)
	r.room.subjects = append(r.room.subjects, s)
	i.Subject = &r.room.subjects[len(r.room.subjects)-1]
	i.Keys = r.keys.load()
	if i.Consents, err = consents(r.consents); err != nil {
		return i, err
	}
	if r.record.revision.Valid {
		r.room.records = append(r.room.records, r.record.record(vault.RecordRef{Collection: ref.Collection, Record: ref.Record}))
		i.Record = &r.room.records[len(r.room.records)-1]
	}
	return i, nil
}
