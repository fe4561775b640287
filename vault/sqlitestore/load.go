package sqlitestore

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/keyrow"
)

// LoadForReveal reads in one read transaction, which begins after the call. An
// erased person has no Keys, Consents and Record in it, swept or not.
func (s *Store) LoadForReveal(ctx context.Context, q vault.LoadQuery) (*vault.Loaded, error) {
	var out *vault.Loaded
	err := s.run(ctx, s.readers, func(t *tx) (err error) {
		out, err = t.load(ctx, q)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("loading: %w", err)
	}
	return out, nil
}

// A loader fills the items of one query. Each statement names the item of a
// row by its place in the query.
type loader struct {
	t     *tx
	q     vault.LoadQuery
	refs  string // the items as JSON: [lookup in hex, collection, record]
	items []vault.LoadedItem
}

func (t *tx) load(ctx context.Context, q vault.LoadQuery) (*vault.Loaded, error) {
	refs := make([][3]any, 0, len(q.Items))
	for _, ref := range q.Items {
		if err := t.text(ref.Record); err != nil {
			return nil, err
		}
		refs = append(refs, [3]any{hex.EncodeToString(ref.Lookup), ref.Collection, ref.Record})
	}
	text, err := json.Marshal(refs)
	if err != nil {
		return nil, fmt.Errorf("encoding what to load: %w", err)
	}
	out, err := one(ctx, t, `
		SELECT kek_epoch,
		  coalesce((SELECT max(version) FROM document WHERE tenant = ?1 AND kind = 'catalog'), 0),
		  coalesce((SELECT max(version) FROM document WHERE tenant = ?1 AND kind = 'policy'), 0)
		FROM tenant WHERE id = ?1`,
		func(r *sql.Rows) (l vault.Loaded, err error) {
			err = r.Scan(&l.KEKEpoch, &l.CatalogVersion, &l.PolicyVersion)
			return l, err
		}, q.Tenant)
	if err != nil {
		return nil, err
	}
	l := &loader{t: t, q: q, refs: string(text), items: make([]vault.LoadedItem, len(q.Items))}
	for _, part := range []func(context.Context) error{l.subjects, l.consents} {
		if err := part(ctx); err != nil {
			return nil, err
		}
	}
	out.Items = l.items
	return &out, nil
}

// person joins an item to its row of the directory; CROSS JOIN fixes the order.
const person = `
	FROM json_each(?2) q
	CROSS JOIN subject s ON s.tenant = ?1 AND s.lookup = unhex(q.value ->> 0)`

// item gives the item of a row.
func (l *loader) item(n int) (*vault.LoadedItem, error) {
	if n < 0 || n >= len(l.items) {
		return nil, vault.ErrIntegrity
	}
	return &l.items[n], nil
}

// subjects reads people, their keys and their records.
func (l *loader) subjects(ctx context.Context) error {
	const query = `
		SELECT q.key, s.tenant, s.lookup, s.uid, s.generation, s.state, s.restricted, s.held, s.mark,
			CASE WHEN ?3 THEN s.sealed_id END, CASE WHEN ?3 THEN s.note END,
			CASE WHEN ?3 THEN s.certificate END, s.created, s.erased_at,
			r.rowid IS NOT NULL, coalesce(r.collection, 0), coalesce(r.record, ''),
			coalesce(r.revision, 0), coalesce(r.deleted, 0), r.sealed, coalesce(s.kek_version, 0), s.keys` + person + `
		LEFT JOIN record r ON s.state = 1 AND r.tenant = s.tenant AND r.uid = s.uid
			AND r.collection = q.value ->> 1 AND r.record = q.value ->> 2`
	return l.t.each(ctx, query, func(rows *sql.Rows) error {
		var (
			n      int
			s      vault.Subject
			r      vault.Record
			k      keyrow.Row
			stored bool
		)
		targets := append([]any{&n}, subjectTargets(&s)...)
		targets = append(append(targets, &stored), recordTargets(&r)...)
		targets = append(targets, &k.KEKVersion, &k.Keys)
		if err := rows.Scan(targets...); err != nil {
			return err
		}
		it, err := l.item(n)
		if err != nil {
			return err
		}
		it.Subject = &s
		if k.Keys != nil {
			it.Keys = k.Load()
		}
		if stored {
			it.Record = &r
		}
		return nil
	}, l.q.Tenant, l.refs, l.q.Identity)
}

func (l *loader) consents(ctx context.Context) error {
	const query = `SELECT q.key, c.purpose, c.decision, c.notice, c.method, c.at, c.expires, NULL, NULL, c.mac` + person + `
		CROSS JOIN consent c ON c.tenant = s.tenant AND c.uid = s.uid
		WHERE s.state = 1 ORDER BY q.key, c.purpose`
	return l.t.each(ctx, query, func(rows *sql.Rows) error {
		var (
			n int
			c vault.Consent
		)
		if err := rows.Scan(append([]any{&n}, consentTargets(&c)...)...); err != nil {
			return err
		}
		it, err := l.item(n)
		if err == nil {
			it.Consents = append(it.Consents, c)
		}
		return err
	}, l.q.Tenant, l.refs)
}
