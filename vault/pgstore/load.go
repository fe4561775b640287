package pgstore

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/fieldvault/fieldvault/vault"
)

// What a load reads beside the tenant's row and the item itself. Every part is
// found by its full key: LATERAL with OFFSET 0 keeps the planner from joining
// a whole person, or a whole table, first. Keys, consents and record are those
// of the living: an erased person's remains are not read.
const (
	// incarnation changes with the server's start and timeline, with the database,
	// and with the table (as a restore makes it anew). It is worked out once a
	// statement.
	incarnation = `(
    SELECT extract(epoch FROM pg_postmaster_start_time()) || ' ' || pg_relation_filepath('tenant'::regclass) || ' ' ||
           CASE WHEN pg_is_in_recovery() THEN 'replica' ELSE left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) END
)`

	loadColumns = `
SELECT t.catalog_version, t.policy_version, t.kek_epoch, pg_is_in_recovery(), ` + incarnation + `, ` + subjectColumns + `,
       k.grps, k.epochs, k.versions, k.kek_versions, k.wrapped,
       c.purposes, c.decisions, c.notices, c.methods, c.ats, c.expires, c.macs,
       r.row_id, coalesce(r.revision, 0), r.sealed,
       `

	loadPerson = `
LEFT JOIN LATERAL (
    SELECT array_agg(grp) AS grps, array_agg(epoch) AS epochs, array_agg(version) AS versions,
           array_agg(kek_version) AS kek_versions, array_agg(wrapped) AS wrapped
    FROM data_key WHERE tenant = $1 AND uid = s.uid AND s.state = 1
) k ON true
LEFT JOIN LATERAL (
    SELECT array_agg(purpose) AS purposes, array_agg(decision) AS decisions, array_agg(notice) AS notices,
           array_agg(method) AS methods, array_agg(at) AS ats, array_agg(expires) AS expires, array_agg(mac) AS macs
    FROM consent WHERE tenant = $1 AND uid = s.uid AND s.state = 1
) c ON true`

	// loadOne reads one item: $2 lookup, $3 collection, $4 record, $5 identity.
	loadOne = loadColumns + `
       CASE WHEN $5 THEN s.sealed_id END, CASE WHEN $5 THEN s.note END, CASE WHEN $5 THEN s.certificate END
FROM tenant t
LEFT JOIN LATERAL (
    SELECT * FROM subject WHERE tenant = $1 AND lookup = $2 OFFSET 0
) s ON true` + loadPerson + `
LEFT JOIN LATERAL (
    SELECT row_id, revision, sealed FROM record
    WHERE tenant = $1 AND uid = s.uid AND s.state = 1 AND collection = $3 AND record = $4 OFFSET 0
) r ON true
WHERE t.id = $1`

	// loadMany reads any number of items, none included: the same, of arrays,
	// and the place of each.
	loadMany = loadColumns + `
       CASE WHEN $5 THEN s.sealed_id END, CASE WHEN $5 THEN s.note END, CASE WHEN $5 THEN s.certificate END,
       coalesce(q.place, 0)
FROM tenant t
LEFT JOIN unnest($2::bytea[], $3::bigint[], $4::text[]) WITH ORDINALITY q(lookup, collection, record, place) ON true
LEFT JOIN LATERAL (
    SELECT * FROM subject WHERE tenant = $1 AND lookup = q.lookup OFFSET 0
) s ON true` + loadPerson + `
LEFT JOIN LATERAL (
    SELECT row_id, revision, sealed FROM record
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
	var row loadRow
	r := conn.QueryRow(ctx, loadOne, q.Tenant, ref.Lookup, ref.Collection, ref.Record, q.Identity)
	if err := r.Scan(row.dest(l)...); err != nil {
		return nil, err
	}
	l.Items[0] = row.item(q.Tenant, ref)
	return l, nil
}

func loadItems(ctx context.Context, conn *pgxpool.Conn, q vault.LoadQuery) (*vault.Loaded, error) {
	n := len(q.Items)
	lookups, collections, records := make([][]byte, n), make([]uint32, n), make([]string, n)
	for i, ref := range q.Items {
		lookups[i], collections[i], records[i] = some(ref.Lookup), ref.Collection, ref.Record
	}
	r, err := conn.Query(ctx, loadMany, q.Tenant, lookups, collections, records, q.Identity)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	l := &vault.Loaded{Items: make([]vault.LoadedItem, n)}
	seen, place := 0, 0
	var row loadRow
	dest := append(row.dest(l), &place)
	for ; r.Next(); seen++ {
		row = loadRow{}
		if err := r.Scan(dest...); err != nil {
			return nil, err
		}
		if place > n || place == 0 && n > 0 {
			return nil, unfitError("the database answered what was not asked")
		}
		if place > 0 {
			l.Items[place-1] = row.item(q.Tenant, q.Items[place-1])
		}
	}
	if err := r.Err(); err != nil {
		return nil, err
	}
	if seen == 0 {
		return nil, pgx.ErrNoRows
	}
	if seen != max(n, 1) {
		return nil, unfitError("the database did not answer every item")
	}
	return l, nil
}

// A loadRow is what a row of a load is read into: arrays for the keys and the
// consents of the person, NULL when there are none.
type loadRow struct {
	person subjectRow
	record recordRow
	keys   struct {
		groups, epochs, versions []uint32
		kek                      []int32
		wrapped                  [][]byte
	}
	consents struct {
		purposes, decisions, notices, methods []string
		at, expires                           []pgtype.Timestamptz
		macs                                  [][]byte
	}
}

func (r *loadRow) dest(l *vault.Loaded) []any {
	d := make([]any, 0, 32)
	d = append(d, &l.CatalogVersion, &l.PolicyVersion, &l.KEKEpoch, &l.Replica, &l.Incarnation)
	d = append(d, r.person.dest()...)
	k, c := &r.keys, &r.consents
	d = append(d, &k.groups, &k.epochs, &k.versions, &k.kek, &k.wrapped)
	d = append(d, &c.purposes, &c.decisions, &c.notices, &c.methods, &c.at, &c.expires, &c.macs)
	d = append(d, r.record.dest()...)
	return append(d, r.person.sealed()...)
}

func (r *loadRow) item(tenant int32, ref vault.Ref) vault.LoadedItem {
	r.person.Tenant, r.person.Lookup = tenant, bytes.Clone(ref.Lookup)
	i := vault.LoadedItem{Subject: r.person.subject()}
	if i.Subject == nil {
		return i
	}
	i.Keys, i.Consents = r.keyList(), r.consentList()
	if r.record.id.Valid {
		rec := r.record.record(vault.RecordRef{Collection: ref.Collection, Record: ref.Record})
		i.Record = &rec
	}
	return i
}

func (r *loadRow) keyList() []vault.DataKey {
	k := &r.keys
	list := make([]vault.DataKey, len(k.groups))
	for i := range list {
		list[i] = vault.DataKey{
			Group: k.groups[i], Epoch: k.epochs[i], Version: k.versions[i],
			KEKVersion: k.kek[i], Wrapped: k.wrapped[i],
		}
	}
	slices.SortFunc(list, func(a, b vault.DataKey) int { return cmp.Compare(a.Group, b.Group) })
	return list
}

func (r *loadRow) consentList() []vault.Consent {
	c := &r.consents
	list := make([]vault.Consent, len(c.purposes))
	for i := range list {
		list[i] = vault.Consent{
			Purpose: c.purposes[i], Decision: c.decisions[i], Notice: c.notices[i], Method: c.methods[i],
			At: c.at[i].Time, Expires: c.expires[i].Time, MAC: c.macs[i],
		}
	}
	slices.SortFunc(list, func(a, b vault.Consent) int { return strings.Compare(a.Purpose, b.Purpose) })
	return list
}
