package sqlitestore

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/audit/trail"
	"github.com/fieldvault/fieldvault/audit/tree"
	"github.com/fieldvault/fieldvault/vault"
)

func (t *tx) Lead(ctx context.Context, owner string, now, until time.Time) (trail.Lease, error) {
	const doing = "taking the lease of the audit logs"
	if err := t.text(owner); err != nil {
		return trail.Lease{}, err
	}
	if err := t.usable(true); err != nil {
		return trail.Lease{}, err
	}
	l, err := one(ctx, t, `
		UPDATE audit_lead SET owner = ?1, until = ?3, fence = CASE WHEN owner = ?1 THEN fence ELSE fence + 1 END
		WHERE owner = ?1 OR until <= ?2
		RETURNING settled, fence, until`,
		func(r *sql.Rows) (l trail.Lease, err error) {
			err = r.Scan(&l.Settled, &l.Fence, timeColumn{&l.Until})
			return l, err
		}, owner, now.UnixMicro(), until.UnixMicro())
	switch {
	case errors.Is(err, vault.ErrNoRow):
		return l, fmt.Errorf("%s: %w", doing, trail.ErrNotLeader)
	case err != nil:
		return l, fmt.Errorf("%s: %w", doing, err)
	}
	l.Owner = owner
	return l, nil
}

func (t *tx) Leave(ctx context.Context, l trail.Lease) error {
	_, err := t.exec(ctx, `UPDATE audit_lead SET owner = '', until = 0 WHERE owner = ?1 AND fence = ?2`, l.Owner, l.Fence)
	if err != nil {
		return fmt.Errorf("giving back the lease of the audit logs: %w", err)
	}
	return nil
}

func scanIntake(r *sql.Rows) (row trail.Row, err error) {
	err = r.Scan(&row.ID, &row.Tenant, &row.Leaf, &row.MAC)
	return row, err
}

func (t *tx) Pending(ctx context.Context, after int64, named []int64, limit int) ([]trail.Row, error) {
	list, err := json.Marshal(append([]int64{}, named...))
	if err != nil {
		return nil, fmt.Errorf("encoding ids: %w", err)
	}
	out, err := list2(ctx, t, `
		SELECT id, tenant, leaf, mac FROM event_intake WHERE id IN (SELECT value FROM json_each(?1)) ORDER BY id`,
		`SELECT id, tenant, leaf, mac FROM event_intake WHERE id > ?1 ORDER BY id LIMIT ?2`,
		[]any{string(list)}, []any{after, atMost(limit)})
	if err != nil {
		return nil, fmt.Errorf("reading new events: %w", err)
	}
	return out, nil
}

// list2 reads rows of the intake by two queries, one after the other.
func list2(ctx context.Context, t *tx, q1, q2 string, args1, args2 []any) ([]trail.Row, error) {
	old, err := list(ctx, t, q1, scanIntake, args1...)
	if err != nil {
		return nil, err
	}
	more, err := list(ctx, t, q2, scanIntake, args2...)
	return append(old, more...), err
}

func (t *tx) PendingOf(ctx context.Context, tenant int32, after int64, limit int) ([]trail.Row, error) {
	return t.unsequenced(ctx, `1`, tenant, after, atMost(limit))
}

// isStray says of a row, i, that is not in the tree that it will never be.
const isStray = `(id <= (SELECT settled FROM audit_lead) OR id > (SELECT settled FROM audit_lead) + ?4
	AND NOT EXISTS (SELECT 1 FROM event_intake p WHERE p.id < i.id AND p.id >= i.id - ?4))`

func (t *tx) Stray(ctx context.Context, tenant int32, after int64, limit int) ([]trail.Row, error) {
	return t.unsequenced(ctx, isStray, tenant, after, atMost(limit), trail.MaxGap)
}

// unsequenced lists rows that are not in the tree, and of which a condition holds.
func (t *tx) unsequenced(ctx context.Context, condition string, args ...any) ([]trail.Row, error) {
	out, err := list(ctx, t, `
		SELECT id, tenant, leaf, mac FROM event_intake i
		WHERE id > ?2 AND tenant = ?1 AND NOT EXISTS (SELECT 1 FROM audit_leaf l WHERE l.intake = i.id AND l.tenant = i.tenant AND l.part = 0) AND `+condition+`
		ORDER BY id LIMIT ?3`, scanIntake, args...)
	if err != nil {
		return nil, fmt.Errorf("looking for events that are not in the log: %w", err)
	}
	return out, nil
}

func (t *tx) Sequenced(ctx context.Context, after int64, limit int) ([]int64, error) {
	out, err := list(ctx, t, `
		SELECT l.intake FROM audit_leaf l LEFT JOIN event_intake i ON i.id = l.intake
		WHERE l.intake > ?1 AND l.part = 0
			AND (i.tenant = l.tenant OR i.id IS NULL AND l.idx < (SELECT below FROM audit_pruned p WHERE p.tenant = l.tenant))
		ORDER BY l.intake LIMIT ?2`,
		func(r *sql.Rows) (id int64, err error) {
			err = r.Scan(&id)
			return id, err
		}, after, atMost(limit))
	if err != nil {
		return nil, fmt.Errorf("reading what is sequenced: %w", err)
	}
	return out, nil
}

func (t *tx) Known(ctx context.Context, tenant int32, events []uuid.UUID) (map[uuid.UUID]int64, error) {
	known := make(map[uuid.UUID]int64)
	for _, e := range events {
		index, err := list(ctx, t, `SELECT min(idx) FROM audit_leaf WHERE tenant = ?1 AND event = ?2 HAVING min(idx) NOT NULL`,
			func(r *sql.Rows) (i int64, err error) {
				err = r.Scan(&i)
				return i, err
			}, tenant, e[:])
		if err != nil {
			return nil, fmt.Errorf("looking for events in the log: %w", err)
		}
		if len(index) > 0 {
			known[e] = index[0]
		}
	}
	return known, nil
}

func (t *tx) Grow(ctx context.Context, l trail.Lease, settled int64, gs []trail.Growth) error {
	const doing = "growing the audit logs"
	n, err := t.exec(ctx, `UPDATE audit_lead SET settled = max(settled, ?3) WHERE owner = ?1 AND fence = ?2`, l.Owner, l.Fence, settled)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	if n != 1 {
		return fmt.Errorf("%s: %w", doing, trail.ErrNotLeader)
	}
	for i := range gs {
		if err := t.growOne(ctx, &gs[i]); err != nil {
			return fmt.Errorf("%s: %w", doing, err)
		}
	}
	return nil
}

func (t *tx) growOne(ctx context.Context, g *trail.Growth) error {
	size, err := t.number(ctx, `SELECT coalesce(max(size), 0) FROM audit_checkpoint WHERE tenant = ?1`, g.Tenant)
	if err != nil {
		return err
	}
	if size != g.From {
		return fmt.Errorf("%w: the log has another size", vault.ErrStale)
	}
	for i := range g.Leaves {
		f := &g.Leaves[i]
		if _, err := t.exec(ctx, `INSERT INTO audit_leaf (tenant, idx, intake, part, at, event, about, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)`,
			g.Tenant, f.Index, f.Row, f.Part, f.At.UnixMicro(), f.Event[:], uidOrNull(f.About), f.Hash[:]); err != nil {
			return err
		}
	}
	for i := range g.Nodes {
		n := &g.Nodes[i]
		if _, err := t.exec(ctx, `INSERT INTO audit_node (tenant, level, n, hash) VALUES (?1, ?2, ?3, ?4)`, g.Tenant, n.Level, n.N, n.Hash[:]); err != nil {
			return err
		}
	}
	_, err = t.exec(ctx, `INSERT INTO audit_checkpoint (tenant, size, at, signed) VALUES (?1, ?2, ?3, ?4)`,
		g.Tenant, g.Head.Size, g.Head.At.UnixMicro(), blob(g.Head.Signed))
	return err
}

func scanHead(r *sql.Rows) (h trail.Head, err error) {
	err = r.Scan(&h.Size, timeColumn{&h.At}, &h.Signed)
	return h, err
}

func (t *tx) Head(ctx context.Context, tenant int32) (trail.Head, error) {
	h, err := one(ctx, t, `SELECT size, at, signed FROM audit_checkpoint WHERE tenant = ?1 ORDER BY size DESC LIMIT 1`, scanHead, tenant)
	switch {
	case errors.Is(err, vault.ErrNoRow):
		return trail.Head{}, nil
	case err != nil:
		return h, fmt.Errorf("reading the newest checkpoint: %w", err)
	}
	return h, nil
}

func (t *tx) Checkpoints(ctx context.Context, tenant int32, after int64, limit int) ([]trail.Head, error) {
	out, err := list(ctx, t, `SELECT size, at, signed FROM audit_checkpoint WHERE tenant = ?1 AND size > ?2 ORDER BY size LIMIT ?3`,
		scanHead, tenant, after, atMost(limit))
	if err != nil {
		return nil, fmt.Errorf("reading checkpoints: %w", err)
	}
	return out, nil
}

func (t *tx) Hashes(ctx context.Context, tenant int32, level int, from, to int64) ([]tree.Hash, error) {
	query, args := `SELECT hash FROM audit_leaf WHERE tenant = ?1 AND idx >= ?2 AND idx < ?3 ORDER BY idx`, []any{tenant, from, to}
	if level > 0 {
		query, args = `SELECT hash FROM audit_node WHERE tenant = ?1 AND level = ?4 AND n >= ?2 AND n < ?3 ORDER BY n`, append(args, level)
	}
	out, err := list(ctx, t, query, func(r *sql.Rows) (h tree.Hash, err error) {
		var b []byte
		err = r.Scan(&b)
		copy(h[:], b)
		return h, err
	}, args...)
	if err != nil {
		return nil, fmt.Errorf("reading hashes of the log: %w", err)
	}
	return out, nil
}

const selectEntries = `
	SELECT l.idx, l.intake, l.part, l.at, l.event, l.about, l.hash, coalesce(i.tenant, 0), i.id NOT NULL, i.leaf
	FROM audit_leaf l LEFT JOIN event_intake i ON i.id = l.intake
	WHERE l.tenant = ?1 AND l.idx >= ?2 AND (?3 = 0 OR l.idx < ?3)`

// entryScanner reads entries, one after the other.
func entryScanner() func(*sql.Rows) (trail.Entry, error) {
	var rows trail.Opener
	return func(r *sql.Rows) (e trail.Entry, err error) {
		var hash, row []byte
		var there bool
		err = r.Scan(&e.Index, &e.Row, &e.Part, timeColumn{&e.At}, uidColumn{&e.Event}, uidColumn{&e.About}, &hash, &e.Tenant, &there, &row)
		copy(e.Hash[:], hash)
		if there && row == nil {
			row = []byte{} // an empty one is scanned as none
		}
		rows.Open(&e, row)
		return e, err
	}
}

func (t *tx) Entries(ctx context.Context, tenant int32, from, to int64) ([]trail.Entry, error) {
	if to <= from {
		return nil, nil
	}
	out, err := list(ctx, t, selectEntries+` ORDER BY l.idx`, entryScanner(), tenant, from, to)
	if err != nil {
		return nil, fmt.Errorf("reading entries of the log: %w", err)
	}
	return out, nil
}

// Misfiled finds nothing: the index by person is the database's own.
func (t *tx) Misfiled(context.Context, int32, int64, int64) (int64, bool, error) {
	return 0, false, nil
}

// Refile has nothing to make.
func (t *tx) Refile(context.Context, int32, func(done, total int64)) error {
	if err := t.usable(true); err != nil {
		return fmt.Errorf("indexing the log anew: %w", err)
	}
	return nil
}

func (t *tx) FindEntries(ctx context.Context, tenant int32, f trail.Find) ([]trail.Entry, error) {
	query, order := selectEntries, ` ORDER BY l.idx LIMIT ?6`
	if f.Newest {
		query += ` AND l.idx < ?3` // as the bound of an index
		order = ` ORDER BY l.idx DESC LIMIT ?6`
		f.BelowIndex = cmp.Or(f.BelowIndex, math.MaxInt64)
	}
	args := []any{tenant, f.FromIndex, f.BelowIndex, micros(f.From), micros(f.To), atMost(f.Limit)}
	query += ` AND (?4 IS NULL OR l.at >= ?4) AND (?5 IS NULL OR l.at < ?5)`
	if f.About != uuid.Nil {
		query += ` AND l.about = ?7`
		args = append(args, f.About[:])
	}
	out, err := list(ctx, t, query+order, entryScanner(), args...)
	if err != nil {
		return nil, fmt.Errorf("finding entries of the log: %w", err)
	}
	return out, nil
}

func (t *tx) Pruned(ctx context.Context, tenant int32) (int64, error) {
	below, err := t.number(ctx, `SELECT coalesce(max(below), 0) FROM audit_pruned WHERE tenant = ?1`, tenant)
	if err != nil {
		return 0, fmt.Errorf("reading what was pruned: %w", err)
	}
	return below, nil
}

func (t *tx) Prune(ctx context.Context, tenant int32, below int64, limit int) (int, error) {
	const doing = "pruning events"
	if _, err := t.exec(ctx, `
		INSERT INTO audit_pruned (tenant, below) VALUES (?1, ?2)
		ON CONFLICT (tenant) DO UPDATE SET below = max(below, excluded.below)`, tenant, below); err != nil {
		return 0, fmt.Errorf("%s: %w", doing, err)
	}
	// A row that holds an event from `below` on, too, is left.
	type place struct{ row, index int64 }
	page, err := list(ctx, t, `
		SELECT i.id, l.idx FROM audit_leaf l JOIN event_intake i ON i.id = l.intake
		WHERE l.tenant = ?1 AND l.idx < ?2
			AND l.intake IS NOT (SELECT b.intake FROM audit_leaf b WHERE b.tenant = ?1 AND b.idx = ?2 AND b.part > 0)
		ORDER BY l.idx LIMIT ?3`,
		func(r *sql.Rows) (p place, err error) {
			err = r.Scan(&p.row, &p.index)
			return p, err
		}, tenant, below, atMost(limit))
	if err != nil {
		return 0, fmt.Errorf("%s: %w", doing, err)
	}
	if len(page) == 0 {
		return 0, nil
	}
	rows := make([]int64, len(page))
	for i := range page {
		rows[i] = page[i].row
	}
	ids, err := json.Marshal(slices.Compact(rows))
	if err != nil {
		return 0, fmt.Errorf("%s: %w", doing, err)
	}
	n, err := t.number(ctx, `
		SELECT count(*) FROM audit_leaf
		WHERE tenant = ?1 AND idx >= ?2 AND idx < ?3 AND intake IN (SELECT value FROM json_each(?4))`,
		tenant, page[0].index, page[len(page)-1].index+trail.MaxPack, string(ids))
	if err != nil {
		return 0, fmt.Errorf("%s: %w", doing, err)
	}
	if _, err := t.exec(ctx, `DELETE FROM event_intake WHERE id IN (SELECT value FROM json_each(?1))`, string(ids)); err != nil {
		return 0, fmt.Errorf("%s: %w", doing, err)
	}
	return int(n), nil
}
