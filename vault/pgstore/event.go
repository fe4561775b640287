package pgstore

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/fieldvault/fieldvault/vault"
)

const insertEvent = `INSERT INTO event_intake (tenant, leaf, mac) VALUES ($1, $2, $3)`

func (t *tx) AppendEvent(ctx context.Context, e vault.Intake) error {
	_, err := t.exec(ctx, "appending an event", insertEvent, e.Tenant, some(e.Leaf), e.MAC)
	return err
}

func (t *tx) AppendEvents(ctx context.Context, events []vault.Intake) error {
	if len(events) == 0 {
		return nil
	}
	tenants, leaves, macs := intakeArrays(events)
	_, err := t.exec(ctx, appending, insertEvents, tenants, leaves, macs)
	return err
}

func intakeArrays(events []vault.Intake) (tenants []int32, leaves, macs byteas) {
	tenants, leaves, macs = make([]int32, len(events)), make(byteas, len(events)), make(byteas, len(events))
	for i, e := range events {
		tenants[i], leaves[i], macs[i] = e.Tenant, some(e.Leaf), e.MAC
	}
	return tenants, leaves, macs
}

const listEvents = `
SELECT id, tenant, leaf FROM event_intake WHERE tenant = $1 AND id > $2 ORDER BY id LIMIT $3`

func (t *tx) Events(ctx context.Context, tenant int32, after int64, limit int) ([]vault.StoredEvent, error) {
	return rows(ctx, t, "reading events", listEvents, []any{tenant, after, limit},
		func(r pgx.CollectableRow) (e vault.StoredEvent, err error) {
			err = r.Scan(&e.ID, &e.Tenant, &e.Leaf)
			return e, err
		})
}

const insertEvents = `
INSERT INTO event_intake (tenant, leaf, mac)
SELECT e.tenant, e.leaf, e.mac FROM unnest($1::integer[], $2::bytea[], $3::bytea[]) e(tenant, leaf, mac)`

const appending = "appending events"

// AppendEvents makes the events durable in one statement, together with those
// of concurrent calls: whoever comes while a statement runs waits for the next.
// Failure fails every call that shared the statement.
//
// A caller that is cancelled stops waiting; its events may be written all the
// same. The caller that writes for the others goes on until the statement ends,
// for no longer than the server's time-out and a little more. No events are
// durable at once.
func (s *Store) AppendEvents(ctx context.Context, events []vault.Intake) error {
	if len(events) == 0 {
		return nil
	}
	return s.events.add(ctx, events)
}

// insertEvents writes a batch. ctx does not end with any one caller's.
func (s *Store) insertEvents(ctx context.Context, events []vault.Intake) error {
	tenants, leaves, macs := intakeArrays(events)
	err := s.repeat(ctx, appending, func() (bool, error) {
		err := s.with(ctx, appending, func(ctx context.Context, conn *pgxpool.Conn) error {
			if _, err := conn.Exec(ctx, insertEvents, tenants, leaves, macs); err != nil {
				return err
			}
			return s.waited(ctx, conn.Conn())
		})
		return repeatable(err), err
	})
	if err == nil {
		s.batches.Add(1)
		s.appended.Add(int64(len(events)))
	}
	return err
}
