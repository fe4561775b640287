package pgstore

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/fieldvault/fieldvault/audit/trail"
	"github.com/fieldvault/fieldvault/audit/tree"
	"github.com/fieldvault/fieldvault/vault"
)

// takeLead waits for nobody long: the row is written in short transactions only.
const takeLead = `
UPDATE audit_lead SET owner = $1, until = $3, fence = CASE WHEN owner = $1 THEN fence ELSE fence + 1 END
WHERE one AND (owner = $1 OR until <= $2)
RETURNING settled, fence, until`

func (t *tx) Lead(ctx context.Context, owner string, now, until time.Time) (trail.Lease, error) {
	const doing = "taking the lease of the audit logs"
	l, err := first(ctx, t, doing, takeLead, []any{owner, at(now), at(until)}, func(r pgx.CollectableRow) (l trail.Lease, err error) {
		err = r.Scan(&l.Settled, &l.Fence, &l.Until)
		return l, err
	})
	if missing(err) {
		return l, fmt.Errorf("%s: %w", doing, trail.ErrNotLeader)
	}
	l.Owner = owner
	return l, err
}

const leaveLead = `UPDATE audit_lead SET owner = '', until = to_timestamp(0) WHERE one AND owner = $1 AND fence = $2`

func (t *tx) Leave(ctx context.Context, l trail.Lease) error {
	_, err := t.exec(ctx, "giving back the lease of the audit logs", leaveLead, l.Owner, l.Fence)
	return err
}

const (
	intakeColumns = `i.id, i.tenant, i.leaf, i.mac`

	pendingNamed = `SELECT ` + intakeColumns + ` FROM event_intake i WHERE i.id = ANY ($1::bigint[]) ORDER BY i.id`
	pendingNew   = `SELECT ` + intakeColumns + ` FROM event_intake i WHERE i.id > $1 ORDER BY i.id LIMIT $2`

	pendingOf = `
SELECT ` + intakeColumns + ` FROM event_intake i
WHERE i.id > $2 AND i.tenant = $1 AND NOT EXISTS (SELECT FROM audit_leaf l WHERE l.intake = i.id AND l.tenant = i.tenant)
ORDER BY i.id LIMIT $3`

	stray = `
SELECT ` + intakeColumns + ` FROM event_intake i
WHERE i.id > $2 AND i.tenant = $1 AND NOT EXISTS (SELECT FROM audit_leaf l WHERE l.intake = i.id AND l.tenant = i.tenant)
  AND (i.id <= (SELECT settled FROM audit_lead) OR i.id > (SELECT settled FROM audit_lead) + $4::bigint
    AND NOT EXISTS (SELECT FROM event_intake p WHERE p.id < i.id AND p.id >= i.id - $4::bigint))
ORDER BY i.id LIMIT $3`

	sequencedIDs = `
SELECT l.intake FROM audit_leaf l LEFT JOIN event_intake i ON i.id = l.intake
WHERE l.intake > $1 AND (i.tenant = l.tenant OR i.id IS NULL AND l.idx < (SELECT below FROM audit_pruned p WHERE p.tenant = l.tenant))
ORDER BY l.intake LIMIT $2`
)

func readIntake(r pgx.CollectableRow) (row trail.Row, err error) {
	err = r.Scan(&row.ID, &row.Tenant, &row.Leaf, &row.MAC)
	return row, err
}

func (t *tx) Pending(ctx context.Context, after int64, named []int64, limit int) ([]trail.Row, error) {
	const doing = "reading new events"
	var old []trail.Row
	if len(named) > 0 {
		var err error
		if old, err = rows(ctx, t, doing, pendingNamed, []any{named}, readIntake); err != nil {
			return nil, err
		}
	}
	list, err := rows(ctx, t, doing, pendingNew, []any{after, limit}, readIntake)
	return append(old, list...), err
}

func (t *tx) PendingOf(ctx context.Context, tenant int32, after int64, limit int) ([]trail.Row, error) {
	return rows(ctx, t, "reading events that waited", pendingOf, []any{tenant, after, limit}, readIntake)
}

func (t *tx) Stray(ctx context.Context, tenant int32, after int64, limit int) ([]trail.Row, error) {
	const doing = "looking for events that are not in the log"
	if err := t.extend(ctx, doing, longStatements); err != nil {
		return nil, err
	}
	return rows(ctx, t, doing, stray, []any{tenant, after, limit, int64(trail.MaxGap)}, readIntake)
}

func (t *tx) Sequenced(ctx context.Context, after int64, limit int) ([]int64, error) {
	return rows(ctx, t, "reading what is sequenced", sequencedIDs, []any{after, limit}, pgx.RowTo[int64])
}

// knownEvents looks each row up by itself. Asked for all at once, or for the lowest
// index, a plan that was made while the table was small would read the whole log.
const knownEvents = `
SELECT e.event, l.idx, ` + leavesOfRow + ` FROM unnest($2::uuid[]) e(event)
CROSS JOIN LATERAL (SELECT idx, hashes FROM audit_leaf WHERE tenant = $1 AND event = e.event OFFSET 0) l`

func (t *tx) Known(ctx context.Context, tenant int32, events []uuid.UUID) (map[uuid.UUID]int64, error) {
	type place struct {
		first  uuid.UUID
		index  int64
		events int
	}
	firsts := make([]uuid.UUID, 0, len(events))
	for _, e := range events {
		if first, _ := trail.SplitID(e); len(firsts) == 0 || firsts[len(firsts)-1] != first {
			firsts = append(firsts, first)
		}
	}
	list, err := rows(ctx, t, "looking for events in the log", knownEvents, []any{tenant, ids(firsts)}, func(r pgx.CollectableRow) (p place, err error) {
		err = r.Scan(&p.first, &p.index, &p.events)
		return p, err
	})
	at := make(map[uuid.UUID][]place, len(list)) // there are several if one was put there by SQL
	for _, p := range list {
		at[p.first] = append(at[p.first], p)
	}
	known := make(map[uuid.UUID]int64, len(list))
	for _, e := range events {
		first, part := trail.SplitID(e)
		for _, p := range at[first] {
			index := p.index + int64(part)
			if have, twice := known[e]; part < p.events && (!twice || index < have) {
				known[e] = index
			}
		}
	}
	return known, err
}

const (
	raiseSettled = `
UPDATE audit_lead SET settled = greatest(settled, $3) WHERE one AND owner = $1 AND fence = $2`

	sizeOf = `SELECT coalesce(max(size), 0) FROM audit_checkpoint WHERE tenant = $1`

	insertNodes = `
INSERT INTO audit_node (tenant, level, n, hash)
SELECT $1, n.* FROM unnest($2::smallint[], $3::bigint[], $4::bytea[]) n`

	insertCheckpoint = `INSERT INTO audit_checkpoint (tenant, size, at, signed) VALUES ($1, $2, $3, $4)`
)

func (t *tx) Grow(ctx context.Context, l trail.Lease, settled int64, gs []trail.Growth) error {
	const doing = "growing the audit logs"
	n, err := t.exec(ctx, doing, raiseSettled, l.Owner, l.Fence, settled)
	if err != nil {
		return err
	}
	if n != 1 {
		return fmt.Errorf("%s: %w", doing, trail.ErrNotLeader)
	}
	for i := range gs {
		if err := t.growOne(ctx, doing, &gs[i]); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) growOne(ctx context.Context, doing string, g *trail.Growth) error {
	var size int64
	if err := t.row(ctx, doing, sizeOf, []any{g.Tenant}, &size); err != nil {
		return err
	}
	if size != g.From {
		return fmt.Errorf("%s: %w: the log has another size", doing, vault.ErrStale)
	}
	if err := t.insertLeaves(ctx, doing, g); err != nil {
		return err
	}
	if err := t.insertNodes(ctx, doing, g); err != nil {
		return err
	}
	if err := t.file(ctx, doing, g); err != nil {
		return err
	}
	_, err := t.exec(ctx, doing, insertCheckpoint, g.Tenant, g.Head.Size, at(g.Head.At), g.Head.Signed)
	return err
}

func (t *tx) insertNodes(ctx context.Context, doing string, g *trail.Growth) error {
	if len(g.Nodes) == 0 {
		return nil
	}
	level, number, hash := make([]int16, len(g.Nodes)), make([]int64, len(g.Nodes)), make(byteas, len(g.Nodes))
	for i := range g.Nodes {
		level[i], number[i], hash[i] = int16(g.Nodes[i].Level), g.Nodes[i].N, g.Nodes[i].Hash[:] //nolint:gosec // at most 8
	}
	_, err := t.exec(ctx, doing, insertNodes, g.Tenant, level, number, hash)
	return err
}

const (
	headColumns = `size, at, signed`

	newestHead  = `SELECT ` + headColumns + ` FROM audit_checkpoint WHERE tenant = $1 ORDER BY size DESC LIMIT 1`
	checkpoints = `SELECT ` + headColumns + ` FROM audit_checkpoint WHERE tenant = $1 AND size > $2 ORDER BY size LIMIT $3`
)

func readHead(r pgx.CollectableRow) (h trail.Head, err error) {
	err = r.Scan(&h.Size, &h.At, &h.Signed)
	h.At = h.At.UTC()
	return h, err
}

func (t *tx) Head(ctx context.Context, tenant int32) (trail.Head, error) {
	h, err := first(ctx, t, "reading the newest checkpoint", newestHead, []any{tenant}, readHead)
	if missing(err) {
		return trail.Head{}, nil
	}
	return h, err
}

func (t *tx) Checkpoints(ctx context.Context, tenant int32, after int64, limit int) ([]trail.Head, error) {
	return rows(ctx, t, "reading checkpoints", checkpoints, []any{tenant, after, limit}, readHead)
}

const nodeHashes = `SELECT hash FROM audit_node WHERE tenant = $1 AND level = $4 AND n >= $2 AND n < $3 ORDER BY n`

func (t *tx) Hashes(ctx context.Context, tenant int32, level int, from, to int64) ([]tree.Hash, error) {
	const doing = "reading hashes of the log"
	if level == 0 {
		return t.leafHashes(ctx, doing, tenant, from, to)
	}
	return rows(ctx, t, doing, nodeHashes, []any{tenant, from, to, level}, func(r pgx.CollectableRow) (h tree.Hash, err error) {
		var b []byte
		err = r.Scan(&b)
		copy(h[:], b)
		return h, err
	})
}

const (
	prunedBelow = `SELECT coalesce(max(below), 0) FROM audit_pruned WHERE tenant = $1`

	raisePruned = `
INSERT INTO audit_pruned (tenant, below) VALUES ($1, $2)
ON CONFLICT (tenant) DO UPDATE SET below = greatest(audit_pruned.below, excluded.below)`

	// A row that holds an event from $2 on, too, is left.
	deletePruned = `
WITH page AS (
    SELECT i.id, ` + leavesOfRow + ` AS events, sum(` + leavesOfRow + `) OVER (ORDER BY l.idx) AS so_far
    FROM audit_leaf l JOIN event_intake i ON i.id = l.intake
    WHERE l.tenant = $1 AND l.idx < $2 AND l.idx <= $2::bigint - ` + leavesOfRow + `
    ORDER BY l.idx LIMIT $3),
gone AS (DELETE FROM event_intake WHERE id IN (SELECT id FROM page WHERE so_far - events < $3))
SELECT coalesce(sum(events), 0) FROM page WHERE so_far - events < $3`
)

func (t *tx) Pruned(ctx context.Context, tenant int32) (below int64, err error) {
	return below, t.row(ctx, "reading what was pruned", prunedBelow, []any{tenant}, &below)
}

func (t *tx) Prune(ctx context.Context, tenant int32, below int64, limit int) (int, error) {
	const doing = "pruning events"
	if err := t.extend(ctx, doing, longStatements); err != nil {
		return 0, err
	}
	if _, err := t.exec(ctx, doing, raisePruned, tenant, below); err != nil {
		return 0, err
	}
	n := 0
	err := t.row(ctx, doing, deletePruned, []any{tenant, below, limit}, &n)
	return n, err
}
