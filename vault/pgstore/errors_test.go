package pgstore_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/pgstore"
	"github.com/fieldvault/fieldvault/vault/storetest"
)

const canary = "canary-7f3a"

// Whatever the server says, what comes back is one of a closed set, with the
// code and none of the text.
func TestServerErrors(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	admin := db(t, url)
	id := tenant(t, s, "acme")
	run(t, admin, `CREATE TABLE fault (code text)`)
	run(t, admin, `CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE c text; BEGIN
    SELECT code INTO c FROM fault;
    RAISE EXCEPTION '`+canary+` message' USING ERRCODE = c, DETAIL = '`+canary+` detail', HINT = '`+canary+` hint';
END $$`)
	run(t, admin, `CREATE TRIGGER fault BEFORE INSERT ON event_intake FOR EACH ROW EXECUTE FUNCTION fault()`)
	for _, c := range []struct {
		what, code  string
		unavailable bool // else internal
	}{
		{"disk full", "53100", true},
		{"out of memory", "53200", true},
		{"too many connections", "53300", true},
		{"shut down by the administrator", "57P01", true},
		{"crashed", "57P02", true},
		{"starting", "57P03", true},
		{"statement time-out", "57014", true},
		{"lock time-out", "55P03", true},
		{"read-only", "25006", true},
		{"silence time-out", "25P03", true},
		{"no right", "42501", true},
		{"no table", "42P01", true},
		{"connection broken", "08006", true},
		{"input and output", "58030", true},
		{"corrupt", "XX001", true},
		{"does not serialize", "40001", true},
		{"deadlock", "40P01", true},
		{"taken", "23505", false},
		{"against a rule", "23514", false},
		{"bad text", "22021", false},
		{"syntax", "42601", false},
		{"raised", "P0001", false},
	} {
		t.Run(c.what, func(t *testing.T) {
			run(t, admin, `DELETE FROM fault`)
			run(t, admin, `INSERT INTO fault VALUES ($1)`, c.code)
			event := vault.Intake{Tenant: id, Leaf: []byte(canary)}
			appended := outcome(s.AppendEvents(t.Context(), []vault.Intake{event}))
			updated := s.Update(t.Context(), func(tx vault.Tx) error { return tx.AppendEvent(t.Context(), event) })
			for _, err := range []error{appended, updated} {
				if err == nil || errors.Is(err, vault.ErrUnavailable) != c.unavailable {
					t.Errorf("%s came back as %v, want ErrUnavailable: %v", c.what, err, c.unavailable)
				}
				innocent(t, err, canary, "trigger", "plpgsql", "event_intake")
			}
		})
	}
	if n := number(t, admin, `SELECT count(*) FROM event_intake`); n != 0 {
		t.Errorf("%d events are stored", n)
	}
}

// Values that the database or the driver refuses are not in the error.
func TestErrorsHoldNoValues(t *testing.T) {
	s, url := open(t)
	id := tenant(t, s, "acme")
	p := person(t, s, id, "alice")
	for what, f := range map[string]func(context.Context, vault.Tx) error{
		"a uid that is taken": func(ctx context.Context, tx vault.Tx) error {
			twin := live(id, "bob")
			twin.UID = p.UID
			_, err := tx.InsertSubject(ctx, twin)
			return err
		},
		"no uid": func(ctx context.Context, tx vault.Tx) error {
			nobody := live(id, "bob")
			nobody.UID, nobody.Mark = uuid.Nil, []byte(canary)
			_, err := tx.InsertSubject(ctx, nobody)
			return err
		},
		"text with NUL": func(ctx context.Context, tx vault.Tx) error {
			_, err := tx.LockRecord(ctx, id, p.UID, vault.RecordRef{Collection: 1, Record: canary + "\x00"})
			return err
		},
		"text that is not UTF-8": func(ctx context.Context, tx vault.Tx) error {
			_, _, err := tx.InsertTenant(ctx, vault.Tenant{Name: canary + "\xff", KEKEpoch: 1, Created: now()})
			return err
		},
		"a number that does not fit": func(ctx context.Context, tx vault.Tx) error {
			return tx.PutRecord(ctx, id, p.UID, vault.Record{Collection: 1, Record: canary, Revision: 1 << 63})
		},
	} {
		err := s.Update(t.Context(), func(tx vault.Tx) error { return f(t.Context(), tx) })
		if err == nil {
			t.Errorf("%s: no error", what)
		}
		innocent(t, err, canary, p.UID.String(), "9223372036854775808", "\\x", "Key (")
	}
	_ = url
}

// A transaction in which a statement failed does not commit, though f says nothing.
func TestSwallowedFailure(t *testing.T) {
	s, _ := open(t)
	id := tenant(t, s, "acme")
	err := s.Update(t.Context(), func(tx vault.Tx) error {
		if _, err := tx.InsertSubject(t.Context(), live(id, "alice")); err != nil {
			return err
		}
		if _, err := tx.LockRecord(t.Context(), id, uuid.New(), vault.RecordRef{Collection: 1, Record: "\x00"}); err == nil {
			t.Error("NUL was taken")
		}
		return nil
	})
	if err == nil {
		t.Error("Update said that it committed")
	}
}

// A server that hangs is unavailable within the time-outs; the caller's own
// cancellation is told apart, and nothing says where the server is.
func TestServerHangs(t *testing.T) {
	t.Parallel()
	c := storetest.StartCluster(t, storetest.ClusterOptions{})
	url := c.Database(t)
	migrate(t, url)
	s := connect(t, url, func(c *pgstore.Config) {
		c.StatementTimeout, c.AcquireTimeout, c.TransactionTimeout = 200*time.Millisecond, 2*time.Second, 500*time.Millisecond
	})
	id := tenant(t, connect(t, url), "acme")
	calls := map[string]func(context.Context) error{
		"LoadForReveal": func(ctx context.Context) error {
			_, err := s.LoadForReveal(ctx, vault.LoadQuery{Tenant: id, Items: []vault.Ref{{Lookup: lookup("alice")}}})
			return err
		},
		"AppendEvents": func(ctx context.Context) error {
			return outcome(s.AppendEvents(ctx, []vault.Intake{{Tenant: id, Leaf: []byte("leaf")}}))
		},
		"View":   func(ctx context.Context) error { return s.View(ctx, func(vault.Tx) error { return nil }) },
		"Update": func(ctx context.Context) error { return s.Update(ctx, func(vault.Tx) error { return nil }) },
		"Ping":   s.Ping,
	}
	c.Pause(t)
	for name, call := range calls {
		err := call(t.Context())
		if !errors.Is(err, vault.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s of a server that hangs: %v, want ErrUnavailable", name, err)
		}
		innocent(t, err, c.DataDir(), "sock", "dial", "test")
	}
	for name, call := range calls {
		if name == "AppendEvents" {
			continue // the one who writes for all does not stop
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(20*time.Millisecond, cancel)
		if err := call(ctx); !errors.Is(err, context.Canceled) || errors.Is(err, vault.ErrUnavailable) {
			t.Errorf("%s when cancelled: %v, want context.Canceled", name, err)
		}
		ctx, cancel = context.WithTimeout(t.Context(), 20*time.Millisecond)
		if err := call(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s when late: %v, want context.DeadlineExceeded", name, err)
		}
		cancel()
	}
	c.Resume(t)
	for name, call := range calls {
		err := call(t.Context())
		for tries := 0; err != nil && tries < 20; tries++ { // connections from before may have died
			err = call(t.Context())
		}
		if err != nil {
			t.Errorf("%s of a server that goes on: %v", name, err)
		}
	}
	c.Stop(t)
	for name, call := range calls {
		if err := call(t.Context()); !errors.Is(err, vault.ErrUnavailable) {
			t.Errorf("%s of a server that is down: %v, want ErrUnavailable", name, err)
		} else {
			innocent(t, err, c.DataDir(), "sock", "dial", "administrator")
		}
	}
}

// PostgreSQL reports success when it stopped waiting for the standby. It is
// none here, neither for Update nor for AppendEvents.
func TestUnreplicatedCommitIsUnavailable(t *testing.T) {
	t.Parallel()
	c := storetest.StartCluster(t, storetest.ClusterOptions{})
	url := c.Database(t)
	migrate(t, url)
	s := connect(t, url, func(c *pgstore.Config) { c.StatementTimeout = time.Second })
	id := tenant(t, connect(t, url), "acme")
	admin := db(t, url)
	run(t, admin, `SET synchronous_commit = local`)
	run(t, admin, `ALTER SYSTEM SET synchronous_standby_names = 'nobody'`)
	run(t, admin, `SELECT pg_reload_conf()`)
	await(t, admin, "the setting is in force", `SELECT current_setting('synchronous_standby_names') = 'nobody'`)
	time.Sleep(200 * time.Millisecond) // other processes read it when they are next idle

	writes := map[string]func() error{
		"Update": func() error {
			return s.Update(t.Context(), func(tx vault.Tx) error {
				_, err := tx.InsertSubject(t.Context(), live(id, uuid.NewString())) // what writes nothing does not wait
				return err
			})
		},
		"AppendEvents": func() error {
			return outcome(s.AppendEvents(t.Context(), []vault.Intake{{Tenant: id, Leaf: []byte("leaf")}}))
		},
	}
	for name, write := range writes {
		result := make(chan error)
		go func() { result <- write() }()
		await(t, admin, "the commit waits for the standby", `SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'SyncRep'`)
		run(t, admin, `SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'`)
		if err := <-result; !errors.Is(err, vault.ErrUnavailable) || !strings.Contains(err.Error(), "standby") {
			t.Errorf("%s: %v, want ErrUnavailable because of the standby", name, err)
		}
		// If nobody cancels, the client gives up.
		if err := write(); !errors.Is(err, vault.ErrUnavailable) {
			t.Errorf("%s: %v, want ErrUnavailable", name, err)
		}
		await(t, admin, "the server noticed", `SELECT count(*) = 0 FROM pg_stat_activity WHERE wait_event = 'SyncRep'`)
	}
	await(t, admin, "all is committed on this server", `SELECT (SELECT count(*) FROM event_intake) = 2 AND (SELECT count(*) FROM subject) = 2`)
	if st := s.Stats(); st.Unreplicated != 2 {
		t.Errorf("Stats count %d commits without a standby, want 2", st.Unreplicated)
	}
	if err := s.View(t.Context(), func(vault.Tx) error { return nil }); err != nil {
		t.Errorf("reading does not wait for a standby: %v", err)
	}

	run(t, admin, `ALTER SYSTEM RESET synchronous_standby_names`)
	run(t, admin, `SELECT pg_reload_conf()`)
	await(t, admin, "the setting is gone", `SELECT current_setting('synchronous_standby_names') = ''`)
	time.Sleep(200 * time.Millisecond)
	if err := outcome(s.AppendEvents(t.Context(), []vault.Intake{{Tenant: id, Leaf: []byte("leaf")}})); err != nil {
		t.Errorf("AppendEvents without synchronous replication: %v", err)
	}
}
