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
	a := newEventArrays(len(events))
	for i := range events {
		a.set(i, &events[i])
	}
	_, err := t.exec(ctx, appending, insertEvents, a.tenants, a.macs, a.leaves)
	return err
}

// eventArrays are the columns of events.
type eventArrays struct {
	tenants      []int32
	leaves, macs byteas
}

func newEventArrays(n int) eventArrays {
	return eventArrays{make([]int32, n), make(byteas, n), make(byteas, n)}
}

func (a *eventArrays) set(i int, e *vault.Intake) {
	a.tenants[i], a.leaves[i], a.macs[i] = e.Tenant, some(e.Leaf), e.MAC
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

const (
	insertEvents = `
INSERT INTO event_intake (tenant, leaf, mac)
SELECT e.tenant, e.leaf, e.mac FROM unnest($1::integer[], $2::bytea[], $3::bytea[]) e(tenant, mac, leaf)`

	// insertAndName returns the rows' ids in the order of the arrays: they are given as
	// the rows are made.
	insertAndName = insertEvents + ` RETURNING id`
)

const appending = "appending events"

// An eventToAppend is one on its way, and where the id of its row is to stand.
type eventToAppend struct {
	*vault.Intake
	id *int64
}

// AppendEvents makes the events durable in one statement, together with those
// of concurrent calls: whoever comes while a statement runs waits for the next.
// Failure fails every call that shared the statement.
//
// A caller that is cancelled stops waiting; its events may be written all the
// same. The caller that writes for the others goes on until the statement ends,
// for no longer than the server's time-out and a little more. No events are
// durable at once.
func (s *Store) AppendEvents(ctx context.Context, events []vault.Intake) ([]int64, error) {
	if len(events) == 0 {
		return nil, nil
	}
	ids, list := make([]int64, len(events)), make([]eventToAppend, len(events))
	for i := range events {
		list[i] = eventToAppend{&events[i], &ids[i]}
	}
	if err := s.events.add(ctx, list); err != nil {
		return nil, err
	}
	return ids, nil
}

// insertEvents writes a batch. ctx does not end with any one caller's.
func (s *Store) insertEvents(ctx context.Context, events []eventToAppend) error {
	a := newEventArrays(len(events))
	for i := range events {
		a.set(i, events[i].Intake)
	}
	err := s.repeat(ctx, appending, func() (bool, error) {
		err := s.with(ctx, appending, func(ctx context.Context, conn *pgxpool.Conn) error {
			r, err := conn.Query(ctx, insertAndName, a.tenants, a.macs, a.leaves)
			if err != nil {
				return err
			}
			if err := readIDs(r, events); err != nil {
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

// readIDs reads the ids of the events' rows. An engine that does not give them in the
// order of the rows does not say which is whose: they are 0 then.
func readIDs(r pgx.Rows, events []eventToAppend) error {
	defer r.Close()
	n, id, last, ordered := 0, int64(0), int64(0), true
	for ; r.Next(); n++ {
		if err := r.Scan(&id); err != nil {
			return err
		}
		if n == len(events) {
			return unfitError("the database has stored other events than were asked for")
		}
		*events[n].id, last, ordered = id, id, ordered && id > last
	}
	if err := r.Err(); err != nil {
		return err
	}
	if n != len(events) {
		return unfitError("the database has stored other events than were asked for")
	}
	for i := 0; !ordered && i < n; i++ {
		*events[i].id = 0
	}
	return nil
}
