package pgstore_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/pgstore"
)

// I3: every table with a column for the person is swept, whoever adds one.
func TestSweepCoversTheSchema(t *testing.T) {
	s, url := open(t)
	admin := db(t, url)
	id := tenant(t, s, "acme")
	rows, err := admin.Query(t.Context(), `
SELECT table_name FROM information_schema.columns
WHERE column_name = 'uid' AND table_schema = 'public' AND table_name <> 'subject'`)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	said, err := s.SubjectTables(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(sorted(tables), said); d != "" {
		t.Errorf("SubjectTables differs from the schema (-want +got):\n%s", d)
	}

	p, other := person(t, s, id, "alice"), person(t, s, id, "bob")
	count := func(table string, uid uuid.UUID) int64 {
		return number(t, admin, `SELECT count(*) FROM `+table+` WHERE uid = $1`, uid.String())
	}
	for _, table := range tables {
		if count(table, p.UID) == 0 {
			t.Errorf("the test has no row in table %s: person() must make one", table)
		}
	}
	update(t, s, func(ctx context.Context, tx vault.Tx) error { return erase(ctx, tx, p) })
	for n := 1; n != 0; {
		update(t, s, func(ctx context.Context, tx vault.Tx) (err error) {
			n, err = tx.Sweep(ctx, id, p.UID, 2)
			if n > 2 {
				t.Errorf("Sweep deleted %d rows of at most 2", n)
			}
			return err
		})
	}
	for _, table := range tables {
		if n := count(table, p.UID); n != 0 {
			t.Errorf("%d rows are left in %s", n, table)
		}
		if count(table, other.UID) == 0 {
			t.Errorf("another person's rows are gone from %s", table)
		}
	}

	run(t, admin, `CREATE TABLE leftover (tenant integer, uid uuid)`)
	run(t, admin, `INSERT INTO leftover VALUES ($1, gen_random_uuid()), ($1, gen_random_uuid()), ($1, $2::uuid)`, id, other.UID.String())
	orphans, err := s.Orphans(t.Context())
	if d := cmp.Diff(map[string]int64{"leftover": 2}, orphans); err != nil || d != "" {
		t.Errorf("Orphans: %v (-want +got):\n%s", err, d)
	}
}

// The schema itself keeps the erased erased, and the directory whole.
func TestErasedIsForEver(t *testing.T) {
	s, url := open(t)
	admin := db(t, url)
	id := tenant(t, s, "acme")
	for _, c := range []struct {
		sql  string
		want bool // is it done?
	}{
		{`UPDATE subject SET state = 1, erased_at = NULL, certificate = NULL WHERE lookup = $1`, false},
		{`UPDATE subject SET state = 1, erased_at = NULL, certificate = NULL, uid = gen_random_uuid() WHERE lookup = $1`, false},
		{`UPDATE subject SET state = 1, erased_at = NULL, certificate = NULL, generation = 2 WHERE lookup = $1`, false},
		{`UPDATE subject SET state = 1, erased_at = NULL, certificate = NULL, generation = 0 WHERE lookup = $1`, false},
		{`UPDATE subject SET generation = 0 WHERE lookup = $1`, false},
		{`UPDATE subject SET uid = gen_random_uuid() WHERE lookup = $1`, false},
		{`UPDATE subject SET lookup = lookup || 'x' WHERE lookup = $1`, false},
		{`UPDATE subject SET tenant = tenant + 1 WHERE lookup = $1`, false},
		{`UPDATE subject SET state = 3 WHERE lookup = $1`, false},
		{`UPDATE subject SET sealed_id = 'back' WHERE lookup = $1`, false},
		{`UPDATE subject SET kek_version = 1, keys = 'back' WHERE lookup = $1`, false},
		{`UPDATE subject SET state = 1, erased_at = NULL, certificate = NULL, generation = 2, uid = gen_random_uuid(), kek_version = 1, keys = 'back' WHERE lookup = $1`, false},
		{`DELETE FROM subject WHERE lookup = $1`, false},
		{`INSERT INTO subject SELECT generation, created, NULL, tenant, NULL, 1, false, false, uid, lookup, mark FROM subject WHERE lookup = $1
ON CONFLICT (tenant, lookup) DO UPDATE SET state = 1, erased_at = NULL, certificate = NULL`, false},
		{`UPDATE subject SET certificate = 'anew' WHERE lookup = $1`, true},
		{`UPDATE subject SET uid = NULL WHERE lookup = $1`, true},
		{`UPDATE subject SET state = 1, erased_at = NULL, certificate = NULL, generation = 2, uid = gen_random_uuid() WHERE lookup = $1`, true},
		{`UPDATE subject SET generation = 3, uid = gen_random_uuid() WHERE lookup = $1`, false}, // a life ends by erasure
		{`UPDATE subject SET uid = gen_random_uuid() WHERE lookup = $1`, false},
		{`UPDATE subject SET uid = NULL WHERE lookup = $1`, false},
		{`UPDATE subject SET generation = 4, state = 2, erased_at = now(), sealed_id = NULL, uid = NULL WHERE lookup = $1`, true},
	} {
		if number(t, admin, `SELECT count(*) FROM subject`) == 0 {
			p := person(t, s, id, "alice")
			update(t, s, func(ctx context.Context, tx vault.Tx) error { return erase(ctx, tx, p) })
		}
		_, err := admin.Exec(t.Context(), c.sql, lookup("alice"))
		var pg *pgconn.PgError
		if errors.As(err, &pg) && !strings.HasPrefix(pg.Code, "23") {
			t.Errorf("%s: %v", c.sql, err) // the statement itself is wrong
		}
		if (err == nil) != c.want {
			t.Errorf("%s: %v, want done: %v", c.sql, err, c.want)
		}
	}
	if _, err := admin.Exec(t.Context(), `TRUNCATE subject`); err == nil {
		t.Error("the directory can be truncated")
	}
}

// The history of consents, of documents and of erasures is not rewritten, by
// anybody, and certificates are kept for ever.
func TestHistoryStands(t *testing.T) {
	s, url := open(t)
	admin := db(t, url)
	id := tenant(t, s, "acme")
	person(t, s, id, "alice")
	update(t, s, func(ctx context.Context, tx vault.Tx) error {
		if err := tx.InsertErasure(ctx, certificate(id)); err != nil {
			return err
		}
		if _, err := tx.InsertBudget(ctx, vault.BudgetRow{Tenant: id, Collection: 1, Purpose: "p", Rho: 5, Delta: 5, Answers: 1}); err != nil {
			return err
		}
		turn := vault.ReleaseTurn{Tenant: id, Collection: 1, Purpose: "p", Releases: 1, Tries: 5, First: 4, Began: 9, Last: 9}
		if _, err := tx.InsertReleaseTurn(ctx, turn); err != nil {
			return err
		}
		return tx.InsertDocument(ctx, id, vault.DocumentPolicy, vault.Document{Version: 1, By: "me", Created: now()})
	})
	for _, sql := range []string{
		`UPDATE budget SET rho = 4`, `UPDATE budget SET delta = 0`, `UPDATE budget SET answers = 0`, `UPDATE budget SET purpose = 'other'`,
		`DELETE FROM budget`, `TRUNCATE budget`,
		`UPDATE release_turn SET releases = 0`, `UPDATE release_turn SET tries = 4`, `UPDATE release_turn SET last = 0`,
		`UPDATE release_turn SET purpose = 'other'`, `DELETE FROM release_turn`, `TRUNCATE release_turn`,
		`UPDATE consent_event SET decision = 'withdrawn'`, `UPDATE document SET body = 'permit'`,
		`UPDATE erasure SET certificate = ''`, `DELETE FROM erasure`, `TRUNCATE erasure`,
		`INSERT INTO ledger VALUES (false, 1)`,
	} {
		_, err := admin.Exec(t.Context(), sql)
		var pg *pgconn.PgError
		if !errors.As(err, &pg) || !strings.HasPrefix(pg.Code, "23") {
			t.Errorf("%s: %v, want a refusal", sql, err)
		}
	}
}

// The tables of the audit log, and the statements that may not be made in them.
func againstTheLog() (list []string) {
	for table, column := range map[string]string{"event_intake": "leaf", "audit_leaf": "hashes", "audit_node": "hash", "audit_run": "people", "audit_checkpoint": "signed"} {
		list = append(list, `UPDATE `+table+` SET `+column+` = `+column, `DELETE FROM `+table, `TRUNCATE `+table)
	}
	return list
}

// The log is only appended to, by the tables' owner too, as long as nobody takes the
// triggers away. Only what was pruned may be deleted.
func TestLogIsOnlyAppendedTo(t *testing.T) {
	s, url := open(t)
	admin := db(t, url)
	id := tenant(t, s, "acme")
	if err := outcome(s.AppendEvents(t.Context(), []vault.Intake{{Tenant: id, Leaf: []byte("leaf")}, {Tenant: id, Leaf: []byte("another")}})); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{
		`INSERT INTO audit_leaf (tenant, idx, intake, at, event, hashes)
SELECT tenant, row_number() OVER (ORDER BY id) - 1, id, now(), gen_random_uuid(), sha256(leaf) FROM event_intake WHERE tenant = $1`,
		`INSERT INTO audit_node (tenant, level, n, hash) VALUES ($1, 1, 0, sha256(''))`,
		`INSERT INTO audit_run (tenant, level, n, bucket, people) VALUES ($1, 1, 0, 0, '')`,
		`INSERT INTO audit_checkpoint (tenant, size, at, signed) VALUES ($1, 2, now(), '')`,
	} {
		run(t, admin, sql, id)
	}
	for _, sql := range againstTheLog() {
		_, err := admin.Exec(t.Context(), sql)
		var pg *pgconn.PgError
		if !errors.As(err, &pg) || pg.Code != "23000" {
			t.Errorf("%s: %v, want that a trigger refuses it", sql, err)
		}
	}
	leavesFollow(t, admin, id)
	run(t, admin, `INSERT INTO audit_pruned (tenant, below) VALUES ($1, 1)`, id)
	for _, c := range []struct {
		place int
		want  bool // is it done?
	}{{1, false}, {0, true}} {
		_, err := admin.Exec(t.Context(), `DELETE FROM event_intake WHERE id = (SELECT intake FROM audit_leaf WHERE tenant = $1 AND idx = $2)`, id, c.place)
		if (err == nil) != c.want {
			t.Errorf("deleting the event of index %d, below 1 pruned: %v", c.place, err)
		}
	}
	if n := number(t, admin, `SELECT count(*) FROM event_intake WHERE tenant = $1`, id); n != 1 {
		t.Errorf("%d events are left, want 1", n)
	}
}

// leavesFollow wants that leaves are added nowhere but where a log ends, which has two.
func leavesFollow(t *testing.T, admin *pgx.Conn, tenant int32) {
	t.Helper()
	intake := 0
	add := func(place string, leaves int) error {
		intake--
		_, err := admin.Exec(t.Context(), `INSERT INTO audit_leaf SELECT `+place+`, $2, at, tenant, event, NULL, decode(repeat(encode(hashes, 'hex'), $3), 'hex') FROM audit_leaf WHERE tenant = $1 AND idx = 1`,
			tenant, intake, leaves)
		return err
	}
	refused := func(end int, places ...string) {
		t.Helper()
		for _, place := range places {
			for _, n := range []int{1, 2} {
				err := add(place, n)
				var pg *pgconn.PgError
				if !errors.As(err, &pg) || !strings.HasPrefix(pg.Code, "23") {
					t.Errorf("%d leaves at %s, where the log ends at %d: %v, want a refusal", n, place, end, err)
				}
			}
		}
	}
	refused(2, "0", "1", "3", "100", "-1", "9223372036854775807", "9223372036854775806")
	if err := add("2", 2); err != nil {
		t.Fatal(err)
	}
	refused(4, "0", "1", "2", "3", "5") // not signed yet
	run(t, admin, `INSERT INTO audit_checkpoint (tenant, size, at, signed) VALUES ($1, 4, now(), '')`, tenant)
	refused(4, "0", "1", "2", "3", "5")
	if err := add("4", 1); err != nil {
		t.Fatal(err)
	}
}

// What the service's role is granted is enough for everything the store does,
// and events are append-only for it.
func TestServiceRole(t *testing.T) {
	s, url := open(t)
	admin := db(t, url)
	role := "service_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	run(t, admin, `CREATE ROLE `+role+` LOGIN`)
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		c, err := pgx.Connect(ctx, url)
		if err != nil {
			t.Error(err)
			return
		}
		if _, err := c.Exec(ctx, `DROP OWNED BY `+role+`; DROP ROLE `+role); err != nil {
			t.Error(err)
		}
		_ = c.Close(ctx)
	})
	run(t, admin, `GRANT ALL ON event_intake TO `+role) // taken back
	if err := pgstore.Grant(t.Context(), url, role); err != nil {
		t.Fatal(err)
	}
	if err := pgstore.Grant(t.Context(), url, "no such role"); err == nil {
		t.Error("Grant to a role that is not there succeeded")
	}
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	service := connect(t, url+"&user="+role)
	if err := service.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	id := tenant(t, service, "acme")
	p := person(t, service, id, "alice")
	event := []vault.Intake{{Tenant: id, Leaf: []byte("leaf")}}
	if err := outcome(service.AppendEvents(t.Context(), event)); err != nil {
		t.Error(err)
	}
	update(t, service, func(ctx context.Context, tx vault.Tx) error {
		if err := tx.InsertDocument(ctx, id, vault.DocumentCatalog, vault.Document{Version: 1, By: "me", Created: now()}); err != nil {
			return err
		}
		if _, err := tx.InsertTenantKey(ctx, id, vault.TenantKey{Label: "mac", KEKVersion: 1, Wrapped: []byte("w")}); err != nil {
			return err
		}
		if _, err := tx.DestroyKeys(ctx, id, p.UID); err != nil {
			return err
		}
		if err := tx.UpdateSubject(ctx, erased(p), 1); err != nil {
			return err
		}
		if _, err := tx.Sweep(ctx, id, p.UID, 100); err != nil {
			return err
		}
		_, err := tx.DeleteEffects(ctx, now(), 10)
		return err
	})
	work(t, service, id)
	if err := service.Settle(t.Context()); err != nil {
		t.Error(err)
	}
	if incarnationOf(t, service, id) != incarnationOf(t, s, id) {
		t.Error("the role reads another incarnation than the owner")
	}
	if _, err := service.Orphans(t.Context()); err != nil {
		t.Error(err)
	}

	config.User = role
	c, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.WithoutCancel(t.Context())) })
	for _, sql := range append(againstTheLog(),
		`INSERT INTO audit_pruned VALUES (1, 1)`, `UPDATE audit_pruned SET below = below`, `DELETE FROM audit_pruned`, `TRUNCATE audit_pruned`,
		`DELETE FROM audit_lead`, `ALTER TABLE audit_leaf DISABLE TRIGGER ALL`, `SET session_replication_role = replica`,
		`UPDATE consent_event SET decision = 'granted'`, `DELETE FROM subject`, `TRUNCATE subject`,
		`UPDATE document SET body = ''`, `DELETE FROM document`, `ALTER TABLE subject DISABLE TRIGGER ALL`,
		`DELETE FROM goose_db_version`, `DROP TABLE record`,
		`UPDATE erasure SET certificate = ''`, `DELETE FROM erasure`, `TRUNCATE erasure`, `UPDATE outbox SET body = ''`,
		`INSERT INTO ledger VALUES (true, 1)`, `DELETE FROM ledger`, `DELETE FROM tally`, `DELETE FROM budget`, `DELETE FROM release_turn`, `DELETE FROM approval`, `DELETE FROM tenant`, `DELETE FROM key_life`,
	) {
		_, err := c.Exec(t.Context(), sql)
		var pg *pgconn.PgError
		if !errors.As(err, &pg) || pg.Code != "42501" {
			t.Errorf("%s: %v, want that the role may not", sql, err)
		}
	}

	// Nor can it have a guard read tables of its own.
	schema := ""
	if err := admin.QueryRow(t.Context(), `SELECT current_schema()`).Scan(&schema); err != nil {
		t.Fatal(err)
	}
	run(t, c, `CREATE TEMP TABLE audit_checkpoint (size bigint, tenant integer)`)
	run(t, c, `CREATE TEMP TABLE audit_leaf (tenant integer, idx bigint, hashes bytea)`)
	_, err = c.Exec(t.Context(), `INSERT INTO `+schema+`.audit_leaf (tenant, idx, intake, at, event, hashes) VALUES (1000, 5, -1, now(), gen_random_uuid(), sha256(''))`)
	if pg := new(pgconn.PgError); !errors.As(err, &pg) || pg.Code != "23000" {
		t.Errorf("a leaf beyond the end of its log, with tables that say otherwise: %v", err)
	}

	if _, err := c.Exec(t.Context(), `DELETE FROM tenant_key WHERE label = 'mac'`); err == nil {
		t.Error("the role may delete a tenant's key that is not one of an index")
	}
	run(t, admin, `REVOKE INSERT ON event_intake FROM `+role)
	err = outcome(service.AppendEvents(t.Context(), event))
	if !errors.Is(err, vault.ErrUnavailable) {
		t.Errorf("AppendEvents without the right: %v, want ErrUnavailable", err)
	}
	innocent(t, err, "event_intake", role)
	if err := outcome(s.AppendEvents(t.Context(), event)); err != nil {
		t.Error(err)
	}
}

// Text is in the collation of bytes everywhere.
func TestTextIsComparedByBytes(t *testing.T) {
	_, url := open(t)
	rows, err := db(t, url).Query(t.Context(), `
SELECT table_name || '.' || column_name FROM information_schema.columns
WHERE table_schema = 'public' AND data_type IN ('text', 'character varying', 'character') AND table_name NOT LIKE 'goose%'
  AND collation_name IS DISTINCT FROM 'C'`)
	if err != nil {
		t.Fatal(err)
	}
	if bad, err := pgx.CollectRows(rows, pgx.RowTo[string]); err != nil || len(bad) > 0 {
		t.Errorf("%v: these columns are not: %v", err, slices.Sorted(slices.Values(bad)))
	}
}

func certificate(tenant int32) vault.Erasure {
	return vault.Erasure{
		ID: uuid.New(), Tenant: tenant, Lookup: lookup("alice"), Generation: 1, Event: uuid.New(), At: now(), Certificate: []byte("{}"),
	}
}

// work calls every method of the work around people that needs a right.
func work(t *testing.T, s *pgstore.Store, id int32) {
	t.Helper()
	p := person(t, s, id, "carol")
	key := vault.DataKey{Group: 2, Epoch: 1, Version: 1, KEKVersion: 1, Wrapped: []byte("wrapped")}
	next := vault.DataKey{Group: 2, Epoch: 1, Version: 2, KEKVersion: 2, Wrapped: []byte("next")}
	outbox := vault.OutboxEntry{ID: uuid.New(), Body: []byte("entry")}
	shred := vault.Shred{Tenant: id, UID: p.UID, Group: 3, Epoch: 3}
	reseal := vault.Reseal{Tenant: id, UID: p.UID, Group: 2, Version: 2}
	honey := vault.Honey{Tenant: id, UID: p.UID, MAC: hash("h")}
	asks := vault.RequestRow{Tenant: id, UID: p.UID, ID: uuid.New(), Filed: now(), Body: []byte("{}"), MAC: hash("r")}
	logged := vault.RequestLog{Tenant: id, ID: asks.ID, Open: true, Due: now(), Body: []byte("{}"), MAC: hash("l")}
	asked := vault.Approval{
		ID: uuid.New(), Tenant: id, Kind: "erasure", Digest: hash("d"), Asker: hash("a"), State: vault.ApprovalPending,
		Created: now(), Expires: now().Add(time.Hour),
	}
	job := vault.Job{ID: uuid.New(), Tenant: id, Kind: "rewrap", State: vault.JobQueued, Created: now(), Updated: now()}
	tally := vault.Tally{Tenant: id, Key: hash("a"), Since: now(), Count: 1}
	rewrap := vault.Rewrapped{UID: p.UID, Group: 2, Epoch: 1, Version: 2, KEKVersion: 2, Next: 3, Wrapped: []byte("w")}
	for name, do := range map[string][]func(context.Context, vault.Tx) error{
		"ledger": {
			func(ctx context.Context, tx vault.Tx) error { return tx.InsertOutbox(ctx, outbox) },
			func(ctx context.Context, tx vault.Tx) error { return second(tx.Outbox(ctx, 1)) },
			func(ctx context.Context, tx vault.Tx) error { return tx.DeleteOutbox(ctx, []uuid.UUID{outbox.ID}) },
			func(ctx context.Context, tx vault.Tx) error { return tx.RaiseLedgerPosition(ctx, 1) },
			func(ctx context.Context, tx vault.Tx) error { return second(tx.LedgerPosition(ctx)) },
		},
		"erasures": {
			func(ctx context.Context, tx vault.Tx) error { return tx.InsertErasure(ctx, certificate(id)) },
			func(ctx context.Context, tx vault.Tx) error {
				return second(tx.LastErasure(ctx, id, lookup("alice"), 1, nil))
			},
			func(ctx context.Context, tx vault.Tx) error { return tx.PutShred(ctx, shred) },
			func(ctx context.Context, tx vault.Tx) error { return second(tx.Shreds(ctx, 1)) },
			func(ctx context.Context, tx vault.Tx) error { return tx.DeleteShred(ctx, shred) },
			func(ctx context.Context, tx vault.Tx) error { return tx.PutReseal(ctx, reseal) },
			func(ctx context.Context, tx vault.Tx) error { return second(tx.Reseals(ctx, id, vault.KeyPlace{}, 1)) },
			func(ctx context.Context, tx vault.Tx) error { return tx.DeleteReseal(ctx, reseal) },
			func(ctx context.Context, tx vault.Tx) error { return tx.PutHoney(ctx, honey) },
			func(ctx context.Context, tx vault.Tx) error { return second(tx.ListHoney(ctx, 0, uuid.Nil, 1)) },
			func(ctx context.Context, tx vault.Tx) error { return tx.DeleteHoney(ctx, id, p.UID) },
			func(ctx context.Context, tx vault.Tx) error {
				return tx.InsertTicket(ctx, vault.Ticket{Tenant: id, UID: p.UID, ID: uuid.New(), Expires: now()})
			},
			func(ctx context.Context, tx vault.Tx) error {
				return second(tx.ClaimTicket(ctx, vault.Ticket{Tenant: id, UID: p.UID, ID: p.UID, Expires: now()}))
			},
			func(ctx context.Context, tx vault.Tx) error {
				return tx.FillTicket(ctx, vault.Ticket{Tenant: id, UID: p.UID, ID: p.UID, Body: []byte{1}})
			},
			func(ctx context.Context, tx vault.Tx) error { return second(tx.TicketBody(ctx, id, p.UID, p.UID)) },
			func(ctx context.Context, tx vault.Tx) error { return second(tx.HasTicket(ctx, id, p.UID, p.UID)) },
			func(ctx context.Context, tx vault.Tx) error { return second(tx.SpendTicket(ctx, id, p.UID, p.UID)) },
			func(ctx context.Context, tx vault.Tx) error { return second(tx.DropTickets(ctx, now(), 1)) },
		},
		"tokens": {
			func(ctx context.Context, tx vault.Tx) error {
				return second(tx.InsertTokens(ctx, id, []vault.TokenRow{tokenOf(id, uuid.New())}))
			},
			func(ctx context.Context, tx vault.Tx) error { return tx.ResealToken(ctx, tokenOf(id, p.UID)) },
			func(ctx context.Context, tx vault.Tx) error {
				return second(tx.TokensByHash(ctx, id, [][]byte{hash("t")}))
			},
			func(ctx context.Context, tx vault.Tx) error {
				return second(tx.SpendTokens(ctx, id, [][]byte{hash("t")}))
			},
			func(ctx context.Context, tx vault.Tx) error { return second(tx.DropTokens(ctx, now(), 1)) },
		},
		"requests": {
			func(ctx context.Context, tx vault.Tx) error { return tx.PutRequest(ctx, asks) },
			func(ctx context.Context, tx vault.Tx) error { return second(tx.RequestRow(ctx, id, asks.ID)) },
			func(ctx context.Context, tx vault.Tx) error { return tx.PutRequest(ctx, asks) },
			func(ctx context.Context, tx vault.Tx) error { return tx.PutRequestLog(ctx, logged) },
			func(ctx context.Context, tx vault.Tx) error { return tx.PutRequestLog(ctx, logged) },
			func(ctx context.Context, tx vault.Tx) error {
				return second(tx.RequestLog(ctx, id, asks.ID, vault.ExclusiveLock))
			},
			func(ctx context.Context, tx vault.Tx) error { return tx.DropRequest(ctx, id, asks.ID) },
		},
		"breaker": {
			func(ctx context.Context, tx vault.Tx) error {
				return second(tx.LockTally(ctx, id, hash("a"), now()))
			},
			func(ctx context.Context, tx vault.Tx) error { return tx.PutTally(ctx, tally) },
			func(ctx context.Context, tx vault.Tx) error { return second(tx.CountLive(ctx, id)) },
			func(ctx context.Context, tx vault.Tx) error {
				return second(tx.InsertBudget(ctx, vault.BudgetRow{Tenant: id, Collection: 1, Purpose: "p"}))
			},
			func(ctx context.Context, tx vault.Tx) error { return second(tx.LockBudget(ctx, id, 1, "p")) },
			func(ctx context.Context, tx vault.Tx) error {
				return tx.PutBudget(ctx, vault.BudgetRow{Tenant: id, Collection: 1, Purpose: "p", Answers: 1})
			},
			func(ctx context.Context, tx vault.Tx) error {
				return second(tx.InsertReleaseTurn(ctx, vault.ReleaseTurn{Tenant: id, Collection: 1, Purpose: "p"}))
			},
			func(ctx context.Context, tx vault.Tx) error { return second(tx.LockReleaseTurn(ctx, id, 1, "p")) },
			func(ctx context.Context, tx vault.Tx) error {
				return tx.PutReleaseTurn(ctx, vault.ReleaseTurn{Tenant: id, Collection: 1, Purpose: "p", Releases: 1})
			},
			func(ctx context.Context, tx vault.Tx) error {
				return second(tx.SurveyRecords(ctx, vault.SurveyQuery{Tenant: id, Collection: 1, Limit: 1}))
			},
			func(ctx context.Context, tx vault.Tx) error { _, _, err := tx.InsertApproval(ctx, asked); return err },
			func(ctx context.Context, tx vault.Tx) error {
				return second(tx.Approval(ctx, id, asked.ID, vault.ExclusiveLock))
			},
			func(ctx context.Context, tx vault.Tx) error { return tx.UpdateApproval(ctx, asked) },
		},
		"jobs": {
			func(ctx context.Context, tx vault.Tx) error { _, _, err := tx.InsertJob(ctx, job); return err },
			func(ctx context.Context, tx vault.Tx) error {
				j, err := tx.TakeJob(ctx, []string{"rewrap"}, "node", now(), now().Add(time.Hour))
				if err != nil {
					return err
				}
				j.State = vault.JobDone
				return tx.SaveJob(ctx, j)
			},
			func(ctx context.Context, tx vault.Tx) error {
				return second(tx.DeleteJobs(ctx, now().Add(time.Hour), 1))
			},
		},
		"rewrap": {
			func(ctx context.Context, tx vault.Tx) error { return tx.ReplaceKey(ctx, id, p.UID, key, next) },
			func(ctx context.Context, tx vault.Tx) error {
				return second(tx.RewrapKeys(ctx, id, []vault.Rewrapped{rewrap}))
			},
			func(ctx context.Context, tx vault.Tx) error {
				return second(tx.KeysBelow(ctx, id, 9, uuid.Nil, 1))
			},
			func(ctx context.Context, tx vault.Tx) error { _, _, err := tx.CountKeys(ctx, id); return err },
			func(ctx context.Context, tx vault.Tx) error {
				return second(tx.RewrapTenantKey(ctx, id, 1, vault.TenantKey{Label: "mac", KEKVersion: 2, Wrapped: []byte("w")}))
			},
			func(ctx context.Context, tx vault.Tx) error { return tx.RaiseKEKEpoch(ctx, id, 1) },
		},
		"index": {
			func(ctx context.Context, tx vault.Tx) error { return second(tx.CatalogVersion(ctx, id)) },
			func(ctx context.Context, tx vault.Tx) error { return second(tx.CountRecords(ctx, id)) },
			func(ctx context.Context, tx vault.Tx) error {
				return second(tx.DeleteIndex(ctx, id, vault.IndexVersion{Collection: 1, Field: 1, Version: 1}, 10))
			},
			func(ctx context.Context, tx vault.Tx) error {
				return second(tx.InsertTenantKey(ctx, id, vault.TenantKey{Label: "index/1/1/1", KEKVersion: 1, Wrapped: []byte("w")}))
			},
			func(ctx context.Context, tx vault.Tx) error {
				return second(tx.DeleteTenantKey(ctx, id, "index/1/1/1"))
			},
		},
	} {
		update(t, s, func(ctx context.Context, tx vault.Tx) error {
			for i, f := range do {
				if err := f(ctx, tx); err != nil {
					return fmt.Errorf("%s, call %d: %w", name, i, err)
				}
			}
			return nil
		})
	}
}

func second[T any](_ T, err error) error { return err }
