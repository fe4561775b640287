package vault_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/audit/trail"
	"github.com/fieldvault/fieldvault/audit/tree"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/pgstore"
	"github.com/fieldvault/fieldvault/vault/storetest"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

// onPostgres is a vault on a database, with a connection of the tables' owner.
func onPostgres(t *testing.T) (*vaulttest.Vault, *pgx.Conn) {
	t.Helper()
	url := storetest.Postgres(t)
	if err := pgstore.Migrate(t.Context(), url, nil); err != nil {
		t.Fatal(err)
	}
	s, err := pgstore.Open(t.Context(), pgstore.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return vaulttest.New(t, vaulttest.Options{Store: s}), conn
}

// logged is everything that is in the log of the tenant.
func logged(t *testing.T, v *vaulttest.Vault) (list []trail.Entry) {
	t.Helper()
	err := v.Store.View(t.Context(), func(tx vault.Tx) (err error) {
		list, err = tx.Entries(t.Context(), 1, 0, 1<<40)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func sequence(t *testing.T, v *vault.Vault) int {
	t.Helper()
	n, err := v.Sequence(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// leafOf is an event as the service would write it, but for the MAC.
func leafOf(t *testing.T, change func(*audit.Event)) []byte {
	t.Helper()
	e := audit.Event{
		ID: trail.FirstID(vaulttest.NewID()), Tenant: vaulttest.Tenant, Time: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC),
		Actor: "https://issuer.example.org#app", Action: "reveal", Outcome: audit.Allowed,
	}
	change(&e)
	if strings.HasPrefix(e.Actor, "local:") {
		e.ID[6] = e.ID[6]&0xf | 8<<4 // as keepers' are
	}
	b, err := e.AppendLeaf(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func exec(t *testing.T, conn *pgx.Conn, sql string, args ...any) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// Ids are given before commits: a row whose transaction ends late is put into the log
// all the same, after others with higher ids; one that never comes is waited for no
// longer than there are transactions that could bring it.
func TestARowThatCommitsLateIsSequenced(t *testing.T) {
	v, conn := onPostgres(t)
	v.Put(t, "c-1", "customer", "self", map[string]string{"email": email})
	sequence(t, v.Vault)
	late := leafOf(t, func(e *audit.Event) { e.Actor, e.Action = "local:late", "tenant_create" })
	exec(t, conn, `BEGIN`)
	exec(t, conn, `INSERT INTO event_intake (tenant, leaf) VALUES (1, $1)`, late)
	before := len(logged(t, v))
	v.Put(t, "c-2", "customer", "self", map[string]string{"email": email})
	sequence(t, v.Vault)
	if n := len(logged(t, v)); n != before+1 {
		t.Fatalf("%d events are in the log, want %d: one waits for nobody", n, before+1)
	}
	if g := v.LogStats().Gaps; g != 1 {
		t.Errorf("%d ids are missing, want the one under way", g)
	}
	exec(t, conn, `COMMIT`)
	sequence(t, v.Vault)
	all := logged(t, v)
	if last := all[len(all)-1]; string(last.Body) != string(late) || last.Row >= all[len(all)-2].Row {
		t.Errorf("the last of the log is %s", last.Body)
	}
	exec(t, conn, `BEGIN; INSERT INTO event_intake (tenant, leaf) VALUES (1, 'never'); ROLLBACK`)
	v.Put(t, "c-3", "customer", "self", map[string]string{"email": email})
	run(t, v.Vault)
	wait(t, "the id that nobody uses is forgotten", func() bool { return v.LogStats().Gaps == 0 && v.LogStats().Leads })
}

// run runs the vault until the test ends.
func run(t *testing.T, v *vault.Vault) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- v.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func wait(t *testing.T, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !f(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it does not come about: %s", what)
		}
	}
}

// Who writes events at the same time as the log grows loses none, on several nodes of
// which one sequences, and the lease passes on when it ends.
func TestNodesSequenceInTurn(t *testing.T) {
	v, _ := onPostgres(t)
	other := v.Node(t, nil)
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for k := range 20 {
				w := vault.Write{Subject: fmt.Sprintf("c-%d-%d", i, k), Collection: "customer", Record: "self", Fields: vaulttest.Values(map[string]string{"email": email})}
				if _, err := v.Vault.Put(t.Context(), v.As("app", "support"), w, vault.Idempotency{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 30 {
		if _, err := v.Sequence(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := other.Sequence(t.Context()); !errors.Is(err, trail.ErrNotLeader) {
			t.Fatalf("a second node sequences: %v", err)
		}
	}
	all.Wait()
	v.Clock.Advance(time.Minute)
	sequence(t, other)
	v.Put(t, "c-last", "customer", "self", map[string]string{"email": email})
	if _, err := v.Sequence(t.Context()); !errors.Is(err, trail.ErrNotLeader) {
		t.Errorf("the first node, after its lease: %v", err)
	}
	sequence(t, other)
	writes := 0
	for _, e := range logged(t, v) {
		if strings.Contains(string(e.Body), `"action":"write"`) {
			writes++
		}
	}
	if writes != 81 {
		t.Errorf("%d writes are in the log, want 81", writes)
	}
}

// Rows that the service did not write never get into the log, and stop nothing.
func TestForgedRowsAreRefused(t *testing.T) {
	v, conn := onPostgres(t)
	v.Tampered()
	v.Put(t, "c-1", "customer", "self", map[string]string{"email": email})
	var id int64
	var genuine, mac []byte
	if err := conn.QueryRow(t.Context(), `SELECT id, leaf, mac FROM event_intake WHERE mac IS NOT NULL ORDER BY id DESC LIMIT 1`).Scan(&id, &genuine, &mac); err != nil {
		t.Fatal(err)
	}
	sequence(t, v.Vault)
	insert := func(leaf, mac []byte) {
		exec(t, conn, `INSERT INTO event_intake (tenant, leaf, mac) VALUES (1, $1, $2)`, leaf, mac)
	}
	forged := [][]byte{
		leafOf(t, func(*audit.Event) {}),
		leafOf(t, func(e *audit.Event) { e.Actor, e.Action = "https://issuer.example.org#operator", "keys" }),
		leafOf(t, func(e *audit.Event) { e.Actor, e.Action, e.UID = "local:root", "keys", vaulttest.NewID() }),
		leafOf(t, func(e *audit.Event) { e.Tenant, e.Actor, e.Action = "other", "local:root", "keys" }),
		[]byte("no event"),
		{},
	}
	for _, leaf := range forged {
		insert(leaf, nil)
	}
	insert(forged[0], mac)
	insert(append([]byte(nil), genuine...), mac) // copied
	before := len(logged(t, v))
	exec(t, conn, `INSERT INTO event_intake (id, tenant, leaf) OVERRIDING SYSTEM VALUE VALUES (9000000000000000000, 1, $1)`, forged[0])
	v.Put(t, "c-2", "customer", "self", map[string]string{"email": email})
	sequence(t, v.Vault)
	sequence(t, v.Vault)
	if n := len(logged(t, v)); n != before+1 {
		t.Errorf("%d more events are in the log, want the one that is genuine", n-before)
	}
	if n := v.LogStats().Refused; n != int64(len(forged))+3 {
		t.Errorf("%d rows were refused, want %d", n, len(forged)+3)
	}
	r, err := v.Check(vault.Tenant{ID: 1, Name: vaulttest.Tenant}).Run(t.Context())
	if err != nil || r.Stray != int64(len(forged))+3 {
		t.Errorf("the check finds %d strays: %v", r.Stray, err)
	}
}

// A log that was altered is not signed again: not by the node that runs, once it looks,
// nor by the next.
func TestAnAlteredLogIsNotGrown(t *testing.T) {
	for name, sql := range map[string]string{
		"a leaf is missing":       `DELETE FROM audit_leaf WHERE idx = 3`,
		"a leaf's hash":           `UPDATE audit_leaf SET hashes = sha256(hashes) WHERE idx = 3`,
		"leaves beyond":           `INSERT INTO audit_leaf SELECT idx + 100000, -intake, at, tenant, event, about, hashes FROM audit_leaf WHERE tenant = 1 AND idx = 0; UPDATE audit_leaf SET idx = (SELECT max(size) FROM audit_checkpoint WHERE tenant = 1) WHERE idx = 100000`,
		"an index of people":      `INSERT INTO audit_run (tenant, level, n, bucket, people) VALUES (1, 1, 0, 5, '')`,
		"a checkpoint's text":     `UPDATE audit_checkpoint SET signed = convert_to(replace(convert_from(signed, 'UTF8'), 'default', 'defaulx'), 'UTF8')`,
		"the checkpoint is older": `DELETE FROM audit_checkpoint WHERE size = (SELECT max(size) FROM audit_checkpoint)`,
	} {
		t.Run(name, func(t *testing.T) {
			v, conn := onPostgres(t)
			v.Tampered()
			for i := range 2 {
				v.Put(t, fmt.Sprint("c-", i), "customer", "self", map[string]string{"email": email})
				sequence(t, v.Vault)
			}
			exec(t, conn, `SET session_replication_role = replica`)
			exec(t, conn, sql)
			before := len(logged(t, v))
			v.Clock.Advance(time.Minute)
			refused := 0
			next, err := vault.New(t.Context(), vault.Config{
				Store: v.Store, Ring: v.Ring, Now: v.Clock.Now, NewID: vaulttest.NewID, Logger: slog.New(slog.DiscardHandler),
				Log: vault.LogConfig{Origin: vaulttest.Origin, Refused: func(tenant string, row int64, _ string) {
					if tenant == vaulttest.Tenant && row == 0 {
						refused++
					}
				}},
			})
			if err != nil {
				t.Fatal(err)
			}
			v.Put(t, "c-9", "customer", "self", map[string]string{"email": email}) // requests go on
			sequence(t, next)
			sequence(t, next)
			if n := len(logged(t, v)); n != before {
				t.Errorf("the log grew by %d", n-before)
			}
			if refused != 1 {
				t.Errorf("told %d times that the log was altered, want once", refused)
			}
			line := ""
			for _, c := range next.Ready(t.Context()) {
				if strings.HasPrefix(c.Name, "audit log") && c.OK {
					line = c.Note
				}
			}
			if !strings.Contains(line, "audit verify") {
				t.Errorf("readyz says %q", line)
			}
		})
	}
}

// Whoever takes from a person what was read of them, in what finds entries by person, is
// found by a check of the log, and by who asks.
func TestACheckFindsWhatHidesAPersonsEntries(t *testing.T) {
	v, conn := onPostgres(t)
	items := make([]vault.Item, 50)
	for i := range items {
		items[i] = vault.Item{Subject: fmt.Sprint("c-", i), Collection: "customer", Record: "self", Fields: []string{"email"}}
		v.Put(t, items[i].Subject, "customer", "self", map[string]string{"email": email})
	}
	for range 90 {
		if _, err := v.Reveal(t.Context(), v.As("app", "support"), items); err != nil {
			t.Fatal(err)
		}
	}
	for sequence(t, v.Vault) > 0 {
		continue
	}
	check := func() error {
		_, err := v.Check(vault.Tenant{ID: 1, Name: vaulttest.Tenant}).Run(t.Context())
		return err
	}
	history := func(subject string) (int, error) {
		page, err := v.LogEntries(t.Context(), v.Operator(), vault.LogQuery{Subject: subject, Limit: 1000})
		return len(page.Entries), err
	}
	if n, err := history("c-7"); n != 91 || err != nil {
		t.Errorf("%d entries are about a person, want 91: %v", n, err)
	}
	if err := check(); err != nil {
		t.Error(err)
	}
	v.Tampered()
	exec(t, conn, `SET session_replication_role = replica`)
	for _, sql := range []string{
		`UPDATE audit_run SET people = substr(people, 9) WHERE tenant = 1 AND level = 1 AND n = 0 AND people <> ''`,
		`DELETE FROM audit_run WHERE tenant = 1 AND level = 1 AND n = 0`,
	} {
		exec(t, conn, sql)
		var bad *tree.BadError
		if err := check(); !errors.As(err, &bad) || bad.Index != 0 {
			t.Errorf("after %s the check says %v", sql, err)
		}
	}
	if n, err := history("c-7"); !errors.Is(err, vault.ErrIntegrity) {
		t.Errorf("%d entries are found without what finds them: %v", n, err)
	}
}

// Without the signing key nothing is sequenced, and nothing is lost.
func TestNothingIsSequencedWithoutTheSigningKey(t *testing.T) {
	v := vaulttest.New(t)
	v.Put(t, "c-1", "customer", "self", map[string]string{"email": email})
	v.KEK.Fail(errors.New("stands still"))
	closed := v.Node(t, nil)
	if n, err := closed.Sequence(t.Context()); n != 0 || err != nil {
		t.Errorf("it sequences %d, %v", n, err)
	}
	v.KEK.Fail(nil)
	sequence(t, v.Vault)
	c, err := v.LogCheckpoint(t.Context(), v.As("operator", ""))
	if err != nil {
		t.Fatal(err)
	}
	if k, err := tree.ReadCheckpoint(c); err != nil || k.Size < 4 {
		t.Errorf("%+v %v", k, err)
	}
}

// Events of a tenant whose keys do not open wait, on the next node too, and hold up
// nobody else's.
func TestEventsOfAClosedTenantWait(t *testing.T) {
	v := vaulttest.New(t)
	var other vault.Tenant
	err := v.Store.Update(t.Context(), func(tx vault.Tx) (err error) {
		if other, _, err = tx.InsertTenant(t.Context(), vault.Tenant{Name: "other", KEKEpoch: 1, Created: v.Clock.Now()}); err != nil {
			return err
		}
		leaf := leafOf(t, func(e *audit.Event) { e.Tenant, e.Actor, e.Action = "other", "local:root", "keys" })
		return tx.AppendEvent(t.Context(), vault.Intake{Tenant: other.ID, Leaf: leaf})
	})
	if err != nil {
		t.Fatal(err)
	}
	v.Put(t, "c-1", "customer", "self", map[string]string{"email": email})
	sequence(t, v.Vault)
	before := len(logged(t, v))
	if before < 4 {
		t.Errorf("%d events of the others are in the log", before)
	}
	v.Clock.Advance(time.Minute)
	next := v.Node(t, nil)
	v.Put(t, "c-2", "customer", "self", map[string]string{"email": email})
	sequence(t, next)
	if n := len(logged(t, v)); n != before+1 {
		t.Errorf("%d more events are in the log, want 1", n-before)
	}
	if _, err := next.CreateTenant(t.Context(), v.Operator(), v.KEK, "other"); err != nil {
		t.Fatal(err)
	}
	sequence(t, next)
	r, err := v.Check(other).Run(t.Context())
	if err != nil || r.Checkpoint.Size != 1 {
		t.Errorf("the log of the other: %+v %v", r, err)
	}
}
