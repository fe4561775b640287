package pgstore_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/ledger"
	"github.com/fieldvault/fieldvault/vault/ledger/ledgertest"
	"github.com/fieldvault/fieldvault/vault/pgstore"
	"github.com/fieldvault/fieldvault/vault/storetest"
)

// A replica of a ledger may be behind: it is not read.
func TestLedgerOnAReplica(t *testing.T) {
	t.Parallel()
	c := storetest.StartCluster(t, storetest.ClusterOptions{})
	url := c.Database(t)
	migrateLedger(t, url)
	l := openLedger(t, url)
	addEntries(t, l, ledgertest.Entries(1))
	c.Stop(t)
	signal := filepath.Join(c.DataDir(), "standby.signal")
	if err := os.WriteFile(signal, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	c.Start(t)
	if _, err := pgstore.OpenLedger(t.Context(), pgstore.Config{URL: url}); !errors.Is(err, ledger.ErrUnavailable) || !strings.Contains(err.Error(), "replica") {
		t.Errorf("OpenLedger: %v, want ErrUnavailable and why", err)
	}
	for name, call := range ledgerCalls(l) {
		for range 5 { // connections from before have died
			if err := call(t.Context()); !errors.Is(err, ledger.ErrUnavailable) {
				t.Errorf("%s: %v, want ErrUnavailable", name, err)
			}
		}
	}
	if err := os.Remove(signal); err != nil {
		t.Fatal(err)
	}
}

// What the standby does not have is not acknowledged, nor is it the second time,
// when the server itself has it.
func TestLedgerUnreplicated(t *testing.T) {
	t.Parallel()
	c := storetest.StartCluster(t, storetest.ClusterOptions{})
	url := c.Database(t)
	migrateLedger(t, url)
	l := openLedger(t, url, func(c *pgstore.Config) { c.StatementTimeout = time.Second })
	admin := db(t, url)
	run(t, admin, `SET synchronous_commit = local`)
	standby := func(names string) {
		run(t, admin, `ALTER SYSTEM SET synchronous_standby_names = '`+names+`'`)
		run(t, admin, `SELECT pg_reload_conf()`)
		await(t, admin, "the setting is in force", `SELECT current_setting('synchronous_standby_names') = $1`, names)
		time.Sleep(200 * time.Millisecond) // other processes read it when they are next idle
	}
	standby("nobody")
	entries := ledgertest.Entries(1)
	const waits = `SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'SyncRep'`
	for range 2 {
		result := make(chan error)
		go func() { result <- l.Append(t.Context(), entries) }()
		await(t, admin, "the commit waits for the standby", waits)
		run(t, admin, `SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'`)
		if err := <-result; !errors.Is(err, ledger.ErrUnavailable) || !strings.Contains(err.Error(), "standby") {
			t.Errorf("%v, want ErrUnavailable because of the standby", err)
		}
	}
	if err := l.Append(t.Context(), entries); !errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("when nobody cancels: %v, want ErrUnavailable", err)
	}
	standby("")
	addEntries(t, l, entries)
	ledgertest.Same(t, l, entries)
}

// A ledger that hangs or is down is unavailable within the time-outs, whatever
// was acknowledged survives, and no error says where it is.
func TestLedgerServerKilled(t *testing.T) {
	t.Parallel()
	c := storetest.StartCluster(t, storetest.ClusterOptions{Durable: true})
	url := c.Database(t)
	migrateLedger(t, url)
	l := openLedger(t, url, func(c *pgstore.Config) {
		c.StatementTimeout, c.AcquireTimeout = 200*time.Millisecond, 300*time.Millisecond
	})
	failing := func(state string) {
		for name, call := range ledgerCalls(l) {
			err := call(t.Context())
			if !errors.Is(err, ledger.ErrUnavailable) || !errors.Is(err, vault.ErrUnavailable) {
				t.Errorf("%s of a server that %s: %v, want ErrUnavailable", name, state, err)
			}
			innocent(t, err, c.DataDir(), "sock", "dial", "test")
		}
	}
	c.Pause(t)
	failing("hangs")
	c.Resume(t)
	acked, stop := map[uuid.UUID]bool{}, make(chan struct{})
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				entries := ledgertest.Entries(2)
				if l.Append(t.Context(), entries) == nil {
					mu.Lock()
					acked[entries[0].ID], acked[entries[1].ID] = true, true
					mu.Unlock()
				}
			}
		})
	}
	for range 2 {
		time.Sleep(300 * time.Millisecond)
		c.Kill(t)
		c.Start(t)
	}
	close(stop)
	wg.Wait()
	for _, p := range ledgertest.All(t, l) {
		delete(acked, p.ID)
	}
	if len(acked) > 0 {
		t.Errorf("%d entries that were acknowledged are gone", len(acked))
	}
	c.Stop(t)
	failing("is down")
}

// What the server says does not come back.
func TestLedgerErrorsAreOfAClosedSet(t *testing.T) {
	t.Parallel()
	url := newLedger(t)
	l := openLedger(t, url)
	admin := db(t, url)
	run(t, admin, `CREATE TABLE fault (code text)`)
	run(t, admin, `CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE c text; BEGIN
    SELECT code INTO c FROM public.fault;
    RAISE EXCEPTION '`+canary+` message' USING ERRCODE = c, DETAIL = '`+canary+` detail', HINT = '`+canary+` hint';
END $$`)
	run(t, admin, `CREATE TRIGGER fault BEFORE INSERT ON fieldvault_ledger.entry FOR EACH ROW EXECUTE FUNCTION fault()`)
	for code, want := range map[string]error{
		"53100": ledger.ErrUnavailable, "57P01": ledger.ErrUnavailable, "55P03": ledger.ErrUnavailable,
		"42501": ledger.ErrUnavailable, "40001": ledger.ErrUnavailable, "XX001": ledger.ErrUnavailable,
		"42P01": ledger.ErrMissing, "23505": ledger.ErrCorrupt, "P0001": ledger.ErrCorrupt,
	} {
		run(t, admin, `DELETE FROM fault`)
		run(t, admin, `INSERT INTO fault VALUES ($1)`, code)
		err := l.Append(t.Context(), ledgertest.Entries(1))
		if !errors.Is(err, want) {
			t.Errorf("SQLSTATE %s: %v, want %v", code, err, want)
		}
		innocent(t, err, canary, "trigger", "plpgsql", "fieldvault_ledger")
	}
	run(t, admin, `DROP TRIGGER fault ON fieldvault_ledger.entry`)
	ledgertest.Same(t, l, nil)
}

// A ledger that shares the fate of the store is refused.
func TestLedgerApart(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	same := newLedger(t)
	if err := openLedger(t, same).Apart(t.Context(), s); !errors.Is(err, pgstore.ErrSameServer) {
		t.Errorf("in another database of the server: %v, want ErrSameServer", err)
	}
	migrateLedger(t, url)
	if err := openLedger(t, url).Apart(t.Context(), s); !errors.Is(err, pgstore.ErrSameDatabase) {
		t.Errorf("in the store's database: %v, want ErrSameDatabase", err)
	}
	c := storetest.StartCluster(t, storetest.ClusterOptions{})
	apart := c.Database(t)
	migrateLedger(t, apart)
	l := openLedger(t, apart)
	if err := l.Apart(t.Context(), s); err != nil {
		t.Errorf("on another server: %v", err)
	}

	// Where the server does not tell its files' id, its start tells it apart.
	role := newRole(t, same)
	run(t, db(t, same), `REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC`)
	if err := pgstore.GrantLedger(t.Context(), same, role); err != nil {
		t.Fatal(err)
	}
	if err := openLedger(t, same+"&user="+role).Apart(t.Context(), s); !errors.Is(err, pgstore.ErrSameServer) {
		t.Errorf("by a role that may not ask: %v, want ErrSameServer", err)
	}

	c.Stop(t)
	if err := l.Apart(t.Context(), s); !errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("a ledger that is down: %v, want ErrUnavailable", err)
	}
}
