package pgstore_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/pgstore"
	"github.com/fieldvault/fieldvault/vault/storetest"
)

func TestOpenRefusesBadConfig(t *testing.T) {
	const password = "tr0ub4dor"
	for _, c := range []struct {
		name string
		pgstore.Config
	}{
		{"no URL", pgstore.Config{}},
		{"no such scheme", pgstore.Config{URL: "mysql://u:" + password + "@h/db"}},
		{"broken port", pgstore.Config{URL: "postgres://u:" + password + "@h:port/db"}},
		{"broken escape", pgstore.Config{URL: "postgres://u:" + password + "%zz@h/db"}},
		{"broken mode", pgstore.Config{URL: "postgres://u:" + password + "@h/db?sslmode=perhaps"}},
		{"broken keywords", pgstore.Config{URL: "password=" + password + " port=x"}},
		{"negative size", pgstore.Config{URL: "postgres://h/db", MaxConns: -1}},
		{"negative time", pgstore.Config{URL: "postgres://h/db", StatementTimeout: -1}},
		{"less than the server can tell", pgstore.Config{URL: "postgres://h/db", LockTimeout: time.Microsecond}},
		{"for ever", pgstore.Config{URL: "postgres://h/db", IdleTimeout: 1000 * time.Hour}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := pgstore.Open(t.Context(), c.Config)
			if err == nil {
				_ = s.Close()
				t.Fatal("opened")
			}
			innocent(t, err, password)
			innocent(t, pgstore.Migrate(t.Context(), c.URL, nil), password)
		})
	}
}

func TestOpenOfNoServerIsUnavailable(t *testing.T) {
	url := "postgres://someone:tr0ub4dor@/db?host=" + t.TempDir()
	_, err := pgstore.Open(t.Context(), pgstore.Config{URL: url})
	if !errors.Is(err, vault.ErrUnavailable) {
		t.Errorf("Open: %v, want ErrUnavailable", err)
	}
	innocent(t, err, "tr0ub4dor", "someone", "host=")
	if err := pgstore.Migrate(t.Context(), url, nil); !errors.Is(err, vault.ErrUnavailable) {
		t.Errorf("Migrate: %v, want ErrUnavailable", err)
	}
}

func TestPingWantsMigrations(t *testing.T) {
	url := storetest.Postgres(t)
	s := connect(t, url)
	if n, err := s.Pending(t.Context()); err != nil || n < 1 {
		t.Errorf("Pending of an empty database: %d, %v, want at least 1", n, err)
	}
	err := s.Ping(t.Context())
	if !errors.Is(err, vault.ErrUnavailable) || !strings.Contains(err.Error(), "fieldvault migrate") {
		t.Errorf("Ping of an empty database: %v, want ErrUnavailable and what to do", err)
	}
	migrate(t, url)
	if n, err := s.Pending(t.Context()); err != nil || n != 0 {
		t.Errorf("Pending of a migrated database: %d, %v, want 0", n, err)
	}
	if err := s.Ping(t.Context()); err != nil {
		t.Errorf("Ping of a migrated database: %v", err)
	}
}

func TestMigrateTogether(t *testing.T) {
	t.Parallel()
	url := storetest.Postgres(t)
	var mu sync.Mutex
	var lines []string
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			err := pgstore.Migrate(t.Context(), url, func(line string) {
				mu.Lock()
				defer mu.Unlock()
				lines = append(lines, line)
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	files, err := filepath.Glob("migrations/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		n := 0
		for _, l := range lines {
			if strings.Contains(l, filepath.Base(f)) {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%s was told of %d times, want once", f, n)
		}
	}
}

func TestReplicaIsNotReady(t *testing.T) {
	t.Parallel()
	c := storetest.StartCluster(t, storetest.ClusterOptions{})
	url := c.Database(t)
	migrate(t, url)
	first := connect(t, url)
	id := tenant(t, first, "acme")
	p := person(t, first, id, "alice")
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	c.Stop(t)
	if err := os.WriteFile(filepath.Join(c.DataDir(), "standby.signal"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	c.Start(t)

	s := connect(t, url)
	if err := s.Ping(t.Context()); !errors.Is(err, vault.ErrUnavailable) || !strings.Contains(err.Error(), "replica") {
		t.Errorf("Ping: %v, want ErrUnavailable and why", err)
	}
	nothing := func(vault.Tx) error { return nil }
	if err := s.View(t.Context(), nothing); !errors.Is(err, vault.ErrUnavailable) {
		t.Errorf("View: %v, want ErrUnavailable", err)
	}
	if err := s.Update(t.Context(), nothing); !errors.Is(err, vault.ErrUnavailable) {
		t.Errorf("Update: %v, want ErrUnavailable", err)
	}
	if err := outcome(s.AppendEvents(t.Context(), []vault.Intake{{Tenant: id, Leaf: []byte("leaf")}})); !errors.Is(err, vault.ErrUnavailable) {
		t.Errorf("AppendEvents: %v, want ErrUnavailable", err)
	}
	for _, items := range [][]vault.Ref{nil, {{Lookup: p.Lookup}}, {{Lookup: p.Lookup}, {Lookup: p.Lookup}}} {
		l, err := s.LoadForReveal(t.Context(), vault.LoadQuery{Tenant: id, Items: items})
		if err != nil || !l.Replica {
			t.Errorf("LoadForReveal of %d items: %v, want an answer that says Replica", len(items), err)
		}
	}
	if err := os.Remove(filepath.Join(c.DataDir(), "standby.signal")); err != nil {
		t.Fatal(err)
	}
}

// A pooler keeps no settings of a connection and no prepared statements.
func TestTransactionPooler(t *testing.T) {
	url := storetest.Postgres(t)
	migrate(t, url)
	admin := db(t, url)
	pooler := func(c *pgstore.Config) { c.TransactionPooler = true }
	c := pgstore.Config{URL: url}
	pooler(&c)
	if _, err := pgstore.Open(t.Context(), c); !errors.Is(err, vault.ErrUnavailable) || !strings.Contains(err.Error(), "statement_timeout") {
		t.Fatalf("Open without time-outs of the role: %v, want ErrUnavailable and which one is missing", err)
	}
	name := admin.Config().Database
	for _, setting := range []string{"statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"} {
		run(t, admin, `ALTER DATABASE `+name+` SET `+setting+` = '5s'`)
	}
	s := connect(t, url, pooler, func(c *pgstore.Config) { c.MaxConns = 1 })
	id := tenant(t, s, "acme")
	p := person(t, s, id, "alice")
	l, err := s.LoadForReveal(t.Context(), vault.LoadQuery{Tenant: id, Items: []vault.Ref{{Lookup: p.Lookup, Collection: 1, Record: "self"}}})
	if err != nil || l.Items[0].Record == nil {
		t.Errorf("LoadForReveal: %v, %+v", err, l)
	}
	if err := outcome(s.AppendEvents(t.Context(), []vault.Intake{{Tenant: id, Leaf: []byte("leaf")}})); err != nil {
		t.Error(err)
	}
	if err := s.Listen(t.Context(), func(n vault.News) { t.Errorf("news behind a pooler: %+v", n) }); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"synchronous_commit = off", "client_min_messages = error", "lock_timeout = 0"} {
		run(t, admin, `ALTER DATABASE `+name+` SET `+bad)
		_, err := pgstore.Open(t.Context(), c)
		setting, _, _ := strings.Cut(bad, " ")
		if !errors.Is(err, vault.ErrUnavailable) || !strings.Contains(err.Error(), setting) {
			t.Errorf("Open with %s: %v, want ErrUnavailable and its name", bad, err)
		}
		run(t, admin, `ALTER DATABASE `+name+` RESET `+setting)
		if setting == "lock_timeout" {
			run(t, admin, `ALTER DATABASE `+name+` SET lock_timeout = '5s'`)
		}
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	url := storetest.Postgres(t)
	migrate(t, url)
	before := goleak.IgnoreCurrent()
	s := connect(t, url)
	id := tenant(t, s, "acme")
	person(t, s, id, "alice")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	goleak.VerifyNone(t, before)
	if err := s.Ping(t.Context()); !errors.Is(err, vault.ErrUnavailable) {
		t.Errorf("Ping of a closed store: %v, want ErrUnavailable", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
}
