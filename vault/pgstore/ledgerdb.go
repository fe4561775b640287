package pgstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/failpoint"
	"github.com/fieldvault/fieldvault/vault/ledger"
)

// A Ledger is the [ledger.Ledger] of several nodes, in a database of its own on a
// server of its own: see [Ledger.Apart]. Its errors that are
// [ledger.ErrUnavailable] are [vault.ErrUnavailable] as well.
//
// If that server has a standby, it should be a synchronous one: a failover to
// another can lose entries that were acknowledged.
type Ledger struct {
	*server
	entries group[*toAppend]
}

var _ ledger.Ledger = (*Ledger)(nil)

func ledgerSchema() schema { return schema{"ledgermigrations", "goose_ledger_version"} }

// MigrateLedger makes a ledger in the database at url, or brings it to this
// build's schema, as [Migrate] does for a store.
func MigrateLedger(ctx context.Context, url string, progress func(line string)) error {
	return ledgerSchema().migrate(ctx, url, progress)
}

// GrantLedger gives an existing role what a node needs in a migrated ledger, and
// takes from it what else it was granted there: it can read and append, and
// neither change nor remove an entry, nor choose its position. Called by the
// owner, after each [MigrateLedger].
func GrantLedger(ctx context.Context, url, role string) error {
	return grantAll(ctx, url, role, []grant{
		{"SELECT", "goose_ledger_version"},
		{"USAGE", "SCHEMA fieldvault_ledger"},
		{"SELECT", "ALL TABLES IN SCHEMA fieldvault_ledger"},
		{"EXECUTE", "FUNCTION fieldvault_ledger.append(uuid[], bytea[])"},
	})
}

// OpenLedger connects to a ledger. Of the [Config], the role is one that
// [GrantLedger] was called for. The error is [ledger.ErrMissing] if the database
// has no ledger, and [ledger.ErrUnavailable] if the server does not answer, is a
// replica, cannot be served from (it says why), or lacks a migration.
func OpenLedger(ctx context.Context, c Config) (*Ledger, error) {
	s, err := dial(ctx, c)
	if err != nil {
		return nil, ledgerFailure(err)
	}
	l := &Ledger{server: s}
	l.entries = group[*toAppend]{doing: appendingEntries, size: func(e *toAppend) int { return len(e.body) }, flush: l.insert}
	if err := l.check(ctx); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// Close waits until every connection is free again, and closes them. Every
// method then returns [ledger.ErrUnavailable].
func (l *Ledger) Close() error {
	l.pool.Close()
	return nil
}

const ledgerVersion = `SELECT coalesce(max(version_id) FILTER (WHERE is_applied), 0) FROM goose_ledger_version`

// check refuses a database that has no ledger of this build's schema.
func (l *Ledger) check(ctx context.Context) error {
	const doing = "opening the ledger"
	var version int64
	if err := l.row(ctx, doing, ledgerVersion, &version); err != nil {
		return err
	}
	pending, err := ledgerSchema().after(version)
	if err != nil {
		return err
	}
	if pending > 0 {
		return ledgerFailure(fmt.Errorf("%s: %w: %d of its migrations are pending: run fieldvault migrate", doing, vault.ErrUnavailable, pending))
	}
	_, err = l.ID(ctx)
	return err
}

// row reads one row.
func (l *Ledger) row(ctx context.Context, doing, sql string, dest ...any) error {
	return ledgerFailure(l.with(ctx, doing, func(ctx context.Context, conn *pgxpool.Conn) error {
		return conn.QueryRow(ctx, sql).Scan(dest...)
	}))
}

const ledgerHead = `SELECT pg_is_in_recovery(), position, id FROM fieldvault_ledger.head WHERE one`

// head reads the ledger's one row, on the primary.
func (l *Ledger) head(ctx context.Context, doing string) (position int64, id uuid.UUID, err error) {
	var replica bool
	var u pgtype.UUID
	if err := l.row(ctx, doing, ledgerHead, &replica, &position, &u); err != nil {
		return 0, uuid.Nil, err
	}
	if replica {
		return 0, uuid.Nil, onReplica(doing)
	}
	return position, u.Bytes, nil
}

// Head is as [ledger.Ledger] says.
func (l *Ledger) Head(ctx context.Context) (int64, error) {
	position, _, err := l.head(ctx, "asking for the head of the ledger")
	return position, err
}

// ID is as [ledger.Ledger] says.
func (l *Ledger) ID(ctx context.Context) (uuid.UUID, error) {
	_, id, err := l.head(ctx, "asking for the ledger's id")
	return id, err
}

const readLedger = `
SELECT pg_is_in_recovery(), h.position, e.position, e.id, e.body
FROM fieldvault_ledger.head h LEFT JOIN (
    SELECT position, id, body FROM fieldvault_ledger.entry WHERE position > $1 ORDER BY position LIMIT $2
) e ON true
WHERE h.one ORDER BY e.position`

// A ledgerRow is a row of readLedger; without an entry there is one all the same.
type ledgerRow struct {
	replica  bool
	head     int64
	position pgtype.Int8
	id       pgtype.UUID
	body     []byte
}

// Read is as [ledger.Ledger] says. It is one statement.
func (l *Ledger) Read(ctx context.Context, after int64, limit int) ([]ledger.Placed, error) {
	const doing = "reading the ledger"
	after, limit = max(after, 0), max(min(limit, ledger.MaxRead), 0)
	var found []ledgerRow
	err := l.with(ctx, doing, func(ctx context.Context, conn *pgxpool.Conn) error {
		r, err := conn.Query(ctx, readLedger, after, limit)
		if err != nil {
			return err
		}
		found, err = pgx.CollectRows(r, func(r pgx.CollectableRow) (v ledgerRow, err error) {
			err = r.Scan(&v.replica, &v.head, &v.position, &v.id, &v.body)
			return v, err
		})
		return err
	})
	switch {
	case err != nil:
		return nil, ledgerFailure(err)
	case len(found) == 0:
		return nil, fmt.Errorf("%s: %w: its head is gone", doing, ledger.ErrCorrupt)
	case found[0].replica:
		return nil, onReplica(doing)
	}
	want := min(int64(limit), found[0].head-after)
	if !found[0].position.Valid {
		found = nil
	}
	return verified(found, after, want)
}

// verified turns rows after a position into entries. A gap, an end before or
// beyond the head, and a row that is not what was appended are damage.
func verified(rows []ledgerRow, after, want int64) ([]ledger.Placed, error) {
	var list []ledger.Placed
	for i, r := range rows {
		position := after + 1 + int64(i)
		e, err := ledger.Parse(r.body)
		switch {
		case errors.Is(err, ledger.ErrNewer):
			return nil, fmt.Errorf("%w: position %d", ledger.ErrNewer, position)
		case err != nil, r.position.Int64 != position, int64(i) >= want, uuid.UUID(r.id.Bytes) != e.ID:
			return nil, fmt.Errorf("%w: position %d does not verify", ledger.ErrCorrupt, position)
		}
		list = append(list, ledger.Placed{Position: position, Entry: e})
	}
	if n := int64(len(list)); n < want {
		return nil, fmt.Errorf("%w: position %d is missing", ledger.ErrCorrupt, after+n+1)
	}
	return list, nil
}

const appendingEntries = "appending to the ledger"

// toAppend is an entry on its way.
type toAppend struct {
	id       uuid.UUID
	body     []byte
	conflict bool // another entry has the id
}

// Append is as [ledger.Ledger] says. Concurrent calls share a statement, as those
// of [Store.AppendEvents] do, and a call of very many entries takes several.
func (l *Ledger) Append(ctx context.Context, entries []ledger.Entry) error {
	list := make([]*toAppend, len(entries))
	for i := range entries {
		body, err := entries[i].Append(nil)
		if err != nil {
			return fmt.Errorf("%s: %w", appendingEntries, err)
		}
		list[i] = &toAppend{id: entries[i].ID, body: body}
	}
	for rest := list; len(rest) > 0; {
		var part []*toAppend
		part, rest = cut(rest)
		if err := l.entries.add(ctx, part); err != nil {
			return ledgerFailure(err)
		}
	}
	for _, e := range list {
		if e.conflict {
			return fmt.Errorf("%s: %w", appendingEntries, ledger.ErrConflict)
		}
	}
	return nil
}

// cut takes as many entries as one statement should have, at least one.
func cut(list []*toAppend) (part, rest []*toAppend) {
	n, bytes := 0, 0
	for n < len(list) && n < maxBatchEvents && (n == 0 || bytes+len(list[n].body) <= maxBatchBytes) {
		bytes += len(list[n].body)
		n++
	}
	return list[:n], list[n:]
}

const appendToLedger = `SELECT n FROM fieldvault_ledger.append($1::uuid[], $2::bytea[]) a(n)`

// insert appends a batch. ctx does not end with any one caller's.
func (l *Ledger) insert(ctx context.Context, batch []*toAppend) error {
	list, bodies := make([]pgtype.UUID, len(batch)), make([][]byte, len(batch))
	for i, e := range batch {
		list[i], bodies[i] = anyID(e.id), e.body
	}
	failpoint.Hit("ledger-asking")
	var conflicts []int64
	err := l.repeat(ctx, appendingEntries, func() (bool, error) {
		err := l.with(ctx, appendingEntries, func(ctx context.Context, conn *pgxpool.Conn) error {
			r, err := conn.Query(ctx, appendToLedger, list, bodies)
			if err != nil {
				return err
			}
			if conflicts, err = pgx.CollectRows(r, pgx.RowTo[int64]); err != nil {
				return err
			}
			return l.waited(ctx, conn.Conn())
		})
		return repeatable(err), err
	})
	if err != nil {
		return err
	}
	failpoint.Hit("ledger-committed")
	for _, n := range conflicts {
		batch[n-1].conflict = true
	}
	return nil
}
