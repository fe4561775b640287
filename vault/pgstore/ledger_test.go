package pgstore_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fieldvault/fieldvault/vault/ledger"
	"github.com/fieldvault/fieldvault/vault/ledger/ledgertest"
	"github.com/fieldvault/fieldvault/vault/pgstore"
	"github.com/fieldvault/fieldvault/vault/storetest"
)

func TestLedgerConforms(t *testing.T) {
	ledgertest.Run(t, ledgertest.Options{Shared: true, New: func(t *testing.T) ledgertest.Open {
		url := newLedger(t)
		return func(t *testing.T) ledger.Ledger {
			t.Helper()
			l, err := pgstore.OpenLedger(t.Context(), pgstore.Config{URL: url, MaxConns: 4})
			if err != nil {
				t.Fatal(err)
			}
			return l
		}
	}})
}

// newLedger makes an empty ledger in a database of its own, and returns its URL.
func newLedger(t *testing.T) string {
	t.Helper()
	url := storetest.Postgres(t)
	migrateLedger(t, url)
	return url
}

func migrateLedger(t *testing.T, url string) {
	t.Helper()
	if err := pgstore.MigrateLedger(t.Context(), url, nil); err != nil {
		t.Fatal(err)
	}
}

// openLedger opens a ledger until the test ends.
func openLedger(t *testing.T, url string, change ...func(*pgstore.Config)) *pgstore.Ledger {
	t.Helper()
	c := pgstore.Config{URL: url, MaxConns: 4}
	for _, f := range change {
		f(&c)
	}
	l, err := pgstore.OpenLedger(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func addEntries(t *testing.T, l *pgstore.Ledger, entries []ledger.Entry) {
	t.Helper()
	if err := l.Append(t.Context(), entries); err != nil {
		t.Fatal(err)
	}
}

// ledgerCalls are all that can fail.
func ledgerCalls(l *pgstore.Ledger) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"Append": func(ctx context.Context) error { return l.Append(ctx, ledgertest.Entries(1)) },
		"Read":   func(ctx context.Context) error { _, err := l.Read(ctx, 0, 10); return err },
		"Head":   func(ctx context.Context) error { _, err := l.Head(ctx); return err },
		"ID":     func(ctx context.Context) error { _, err := l.ID(ctx); return err },
	}
}

func TestOpenLedgerWantsMigrations(t *testing.T) {
	url := storetest.Postgres(t)
	c := pgstore.Config{URL: url}
	if _, err := pgstore.OpenLedger(t.Context(), c); !errors.Is(err, ledger.ErrMissing) {
		t.Errorf("an empty database: %v, want ErrMissing", err)
	}
	migrate(t, url)
	if _, err := pgstore.OpenLedger(t.Context(), c); !errors.Is(err, ledger.ErrMissing) {
		t.Errorf("a store's database: %v, want ErrMissing", err)
	}
	var lines []string
	for range 2 {
		err := pgstore.MigrateLedger(t.Context(), url, func(line string) { lines = append(lines, line) })
		if err != nil {
			t.Fatal(err)
		}
	}
	files, err := filepath.Glob("ledgermigrations/*.sql")
	if err != nil || len(lines) != len(files) {
		t.Errorf("migrating twice told of %q (%v)", lines, err)
	}
	openLedger(t, url)
	run(t, db(t, url), `DELETE FROM goose_ledger_version WHERE version_id = 1`)
	_, err = pgstore.OpenLedger(t.Context(), c)
	if !errors.Is(err, ledger.ErrUnavailable) || !strings.Contains(err.Error(), "fieldvault migrate") {
		t.Errorf("a migration is pending: %v, want ErrUnavailable and what to do", err)
	}
}

func TestOpenLedgerOfNoServer(t *testing.T) {
	_, err := pgstore.OpenLedger(t.Context(), pgstore.Config{URL: "postgres://someone:tr0ub4dor@/db?host=" + t.TempDir()})
	if !errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("%v, want ErrUnavailable", err)
	}
	innocent(t, err, "tr0ub4dor", "someone", "host=")
}

// A node may read and append, and nothing else; nobody may change what stands.
func TestLedgerIsAppendOnly(t *testing.T) {
	url := newLedger(t)
	admin := db(t, url)
	role := newRole(t, url)
	run(t, admin, `GRANT ALL ON ALL TABLES IN SCHEMA fieldvault_ledger TO `+role) // taken back
	run(t, admin, `GRANT USAGE ON SCHEMA fieldvault_ledger TO `+role)
	refused(t, db(t, url+"&user="+role), `SELECT fieldvault_ledger.append('{}', '{}')`, "42501") // not everybody's
	if err := pgstore.GrantLedger(t.Context(), url, role); err != nil {
		t.Fatal(err)
	}
	if err := pgstore.GrantLedger(t.Context(), url, "no such role"); err == nil {
		t.Error("rights were granted to a role that is not there")
	}
	entries := ledgertest.Entries(3)
	l := openLedger(t, url+"&user="+role)
	addEntries(t, l, entries)
	addEntries(t, l, entries[1:])
	ledgertest.Same(t, l, entries)

	node := db(t, url+"&user="+role)
	for _, sql := range []string{
		`INSERT INTO fieldvault_ledger.entry VALUES (9, gen_random_uuid(), 'x')`, `UPDATE fieldvault_ledger.head SET position = 9`,
		`UPDATE fieldvault_ledger.entry SET body = 'x'`, `DELETE FROM fieldvault_ledger.entry`, `TRUNCATE fieldvault_ledger.entry`,
		`DELETE FROM fieldvault_ledger.head`, `DROP TABLE fieldvault_ledger.entry`, `DELETE FROM goose_ledger_version`,
		`ALTER TABLE fieldvault_ledger.entry DISABLE TRIGGER ALL`, `CREATE TABLE fieldvault_ledger.mine ()`,
		`CREATE OR REPLACE FUNCTION fieldvault_ledger.append(ids uuid[], bodies bytea[]) RETURNS SETOF bigint LANGUAGE sql AS 'SELECT 1::bigint'`,
	} {
		refused(t, node, sql, "42501")
	}
	for _, sql := range []string{
		`UPDATE fieldvault_ledger.entry SET body = 'x'`, `UPDATE fieldvault_ledger.entry SET position = position + 10`,
		`DELETE FROM fieldvault_ledger.entry`, `TRUNCATE fieldvault_ledger.entry`,
		`UPDATE fieldvault_ledger.head SET position = position - 1`, `UPDATE fieldvault_ledger.head SET id = gen_random_uuid()`,
		`DELETE FROM fieldvault_ledger.head`, `TRUNCATE fieldvault_ledger.head`,
	} {
		refused(t, admin, sql, "23000")
	}
	refused(t, admin, `INSERT INTO fieldvault_ledger.head VALUES (0, gen_random_uuid(), false)`, "23514")
	ledgertest.Same(t, l, entries)
}

// newRole makes a role with no rights in a database, until the test ends.
func newRole(t *testing.T, url string) string {
	t.Helper()
	role := "node_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	run(t, db(t, url), `CREATE ROLE `+role+` LOGIN`)
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
	return role
}

// refused wants a statement to fail with a code.
func refused(t *testing.T, c *pgx.Conn, sql, code string) {
	t.Helper()
	_, err := c.Exec(t.Context(), sql)
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Code != code {
		t.Errorf("%s: %v, want SQLSTATE %s", sql, err, code)
	}
}

// Whatever somebody with all rights does to the rows is noticed by who reads them.
func TestLedgerDamage(t *testing.T) {
	url := newLedger(t)
	l := openLedger(t, url)
	renew := func() {
		t.Helper()
		tamper(t, url, `TRUNCATE fieldvault_ledger.entry; UPDATE fieldvault_ledger.head SET position = 0`)
		addEntries(t, l, ledgertest.Entries(4))
	}
	other := form(t, ledgertest.Entry(ledger.Erase))
	for _, c := range []struct {
		what, sql string
		position  int
	}{
		{"one in the middle is gone", `DELETE FROM fieldvault_ledger.entry WHERE position = 2`, 2},
		{"the last is gone", `DELETE FROM fieldvault_ledger.entry WHERE position = 4`, 4},
		{"all are gone", `TRUNCATE fieldvault_ledger.entry`, 1},
		{"the head is lower", `UPDATE fieldvault_ledger.head SET position = 3`, 4},
		{"the head is 0", `UPDATE fieldvault_ledger.head SET position = 0`, 1},
		{"the head is higher", `UPDATE fieldvault_ledger.head SET position = 5`, 5},
		{"one has changed", `UPDATE fieldvault_ledger.entry SET body = set_byte(body, 1, 9) WHERE position = 3`, 3},
		{"one was replaced", `UPDATE fieldvault_ledger.entry SET body = '\x` + other + `' WHERE position = 3`, 3},
		{"an id has changed", `UPDATE fieldvault_ledger.entry SET id = gen_random_uuid() WHERE position = 1`, 1},
		{"one has moved", `UPDATE fieldvault_ledger.entry SET position = 7 WHERE position = 2`, 2},
	} {
		renew()
		tamper(t, url, c.sql)
		_, err := l.Read(t.Context(), 0, 10)
		if !errors.Is(err, ledger.ErrCorrupt) || !strings.Contains(err.Error(), fmt.Sprint("position ", c.position)) {
			t.Errorf("%s: %v, want ErrCorrupt at position %d", c.what, err, c.position)
		}
	}
	renew()
	tamper(t, url, `UPDATE fieldvault_ledger.entry SET body = set_byte(body, 0, 2) WHERE position = 2`)
	if _, err := l.Read(t.Context(), 0, 10); !errors.Is(err, ledger.ErrNewer) {
		t.Errorf("an entry of a newer version: %v, want ErrNewer", err)
	}
	renew()
	tamper(t, url, `UPDATE fieldvault_ledger.head SET position = 1`)
	if err := l.Append(t.Context(), ledgertest.Entries(1)); !errors.Is(err, ledger.ErrCorrupt) {
		t.Errorf("appending to a position that is taken: %v, want ErrCorrupt", err)
	}
	tamper(t, url, `DELETE FROM fieldvault_ledger.head`)
	for name, call := range ledgerCalls(l) {
		if err := call(t.Context()); !errors.Is(err, ledger.ErrCorrupt) {
			t.Errorf("%s without a head: %v, want ErrCorrupt", name, err)
		}
	}
}

// tamper runs SQL as somebody may who can switch triggers off.
func tamper(t *testing.T, url, sql string) {
	t.Helper()
	admin := db(t, url)
	run(t, admin, `SET session_replication_role = replica`)
	run(t, admin, sql)
}

func form(t *testing.T, e ledger.Entry) string {
	t.Helper()
	b, err := e.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(b)
}

// While one statement runs, all who come wait for the next; one call's conflict is
// none of the others'.
func TestLedgerAppendsShareAStatement(t *testing.T) {
	var r trace
	url := newLedger(t)
	l := openLedger(t, url, patient, r.into)
	admin, watch := db(t, url), db(t, url)
	entries := ledgertest.Entries(42)
	addEntries(t, l, entries[:1])
	r.take()

	run(t, admin, `BEGIN; SELECT FROM fieldvault_ledger.head FOR UPDATE`)
	var wg sync.WaitGroup
	add := func(e ledger.Entry, want error) {
		wg.Go(func() {
			if err := l.Append(t.Context(), []ledger.Entry{e}); !errors.Is(err, want) {
				t.Errorf("Append: %v, want %v", err, want)
			}
		})
	}
	add(entries[1], nil)
	await(t, watch, "the first append waits for the lock", `SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%fieldvault_ledger.append%')`)
	for _, e := range entries[2:] {
		add(e, nil)
	}
	other := entries[0]
	other.Tenant = "other"
	add(other, ledger.ErrConflict)
	time.Sleep(100 * time.Millisecond) // they join; one that is late only makes a third statement
	run(t, admin, `ROLLBACK`)
	wg.Wait()
	if n := len(r.take()); n > 4 {
		t.Errorf("42 appends took %d statements, want 2", n)
	}
	if n := len(ledgertest.All(t, l)); n != len(entries) {
		t.Errorf("%d entries, want %d", n, len(entries))
	}
}

// A pooler that keeps nothing of a connection serves a ledger too.
func TestLedgerThroughAPooler(t *testing.T) {
	url := newLedger(t)
	admin := db(t, url)
	for _, setting := range []string{"statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"} {
		run(t, admin, `ALTER DATABASE `+admin.Config().Database+` SET `+setting+` = '5s'`)
	}
	l := openLedger(t, url, func(c *pgstore.Config) { c.TransactionPooler = true })
	entries := ledgertest.Entries(3)
	addEntries(t, l, entries)
	ledgertest.Same(t, l, entries)
}

// The bodies that the schema takes are those that an entry may have.
func TestLedgerTakesTheLargestEntry(t *testing.T) {
	url := newLedger(t)
	admin := db(t, url)
	const insert = `INSERT INTO fieldvault_ledger.entry VALUES ($1, gen_random_uuid(), $2)`
	run(t, admin, insert, 1, bytes.Repeat([]byte{1}, ledger.MaxEntry))
	if _, err := admin.Exec(t.Context(), insert, 2, bytes.Repeat([]byte{1}, ledger.MaxEntry+1)); err == nil {
		t.Error("the schema takes more than MaxEntry")
	}
}

// Positions follow the order of commits, whatever a transaction that holds the
// head does in the end: no gap, nothing below what was read.
func TestLedgerPositionsAfterARollback(t *testing.T) {
	url := newLedger(t)
	a, admin := openLedger(t, url, patient), db(t, url)
	entries := ledgertest.Entries(3)
	addEntries(t, a, entries[:1])
	lost := ledgertest.Entry(ledger.Erase)
	run(t, admin, `BEGIN`)
	run(t, admin, `SELECT fieldvault_ledger.append(ARRAY[$1::uuid], ARRAY[decode($2, 'hex')])`, lost.ID.String(), form(t, lost))
	result := make(chan error)
	go func() { result <- a.Append(t.Context(), entries[1:]) }()
	await(t, db(t, url), "the append waits", `SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')`)
	ledgertest.Same(t, a, entries[:1])
	run(t, admin, `ROLLBACK`)
	if err := <-result; err != nil {
		t.Fatal(err)
	}
	ledgertest.Same(t, a, entries)
}

// Two nodes that append the same entry at once: the one that waits sees that it is
// there, though it was not when its statement began.
func TestLedgerSameEntryAtOnce(t *testing.T) {
	url := newLedger(t)
	a, admin := openLedger(t, url, patient), db(t, url)
	entries := ledgertest.Entries(2)
	run(t, admin, `BEGIN`)
	run(t, admin, `SELECT fieldvault_ledger.append(ARRAY[$1::uuid], ARRAY[decode($2, 'hex')])`, entries[0].ID.String(), form(t, entries[0]))
	result := make(chan error)
	go func() { result <- a.Append(t.Context(), entries) }()
	await(t, db(t, url), "the append waits", `SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')`)
	run(t, admin, `COMMIT`)
	if err := <-result; err != nil {
		t.Fatal(err)
	}
	ledgertest.Same(t, a, entries)
}
