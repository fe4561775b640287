//go:build e2e

package e2e_test

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/cmd/fieldvault/processtest"
	"github.com/fieldvault/fieldvault/vault/storetest"
)

// TestRecovery restores databases and lets standbys take over that know less than
// was acknowledged: nothing is shown before the ledger is replayed, and then the
// erased stay erased.
func TestRecovery(t *testing.T) {
	needProduction(t)
	t.Parallel()
	for _, c := range []testCase{
		{name: "R01_a_restored_backup", run: restoredBackup},
		{name: "R02_a_standby_that_lagged_is_promoted", run: promotedStandby},
		{name: "R03_the_synchronous_standby_is_gone", run: synchronousStandby},
		{name: "R04_beyond_the_horizon", run: beyondHorizon},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, newWorld(t, true, options{vaultDir: true})) })
	}
}

// recoveryPeople makes the people of a case.
func recoveryPeople(t *testing.T, w *world) {
	t.Helper()
	for _, s := range []string{"erased", "withdrawn", "held", "alive"} {
		w.put(t, s, fields{"email": w.canary(s) + "@example.org", "city": "Ulm"})
		w.decide(t, s, "marketing", "granted").want(t, "granting", "200")
	}
}

// recoveryDeeds is what the database will not know any more.
func recoveryDeeds(t *testing.T, w *world) (certificate string) {
	t.Helper()
	w.put(t, "later", fields{"email": w.canary("later") + "@example.org"})
	a := w.erase(t, "erased")
	a.want(t, "erasing", "200")
	w.erase(t, "later").want(t, "erasing a person whom the backup does not have", "200")
	w.decide(t, "withdrawn", "marketing", "withdrawn").want(t, "withdrawing", "200")
	w.do(t, call{token: w.token(t, "dpo"), method: "PUT", path: "/v1/subjects/held/hold"}).want(t, "holding", "204")
	return string(a.body)
}

// onto points the service's configuration at another server with the same database.
func (w *world) onto(t *testing.T, c *storetest.Cluster) {
	t.Helper()
	u, err := url.Parse(w.database)
	must(t, err)
	w.cluster, w.database = c, c.URL(strings.TrimPrefix(u.Path, "/"))
	for who, at := range map[string]string{"node": processtest.As(t, w.database, w.role), "keeper": w.database} {
		must(t, os.WriteFile(filepath.Join(w.dir, who+".url"), []byte(at), 0o600))
	}
}

// closed is what must hold before the ledger was replayed.
func (w *world) closed(t *testing.T) {
	t.Helper()
	for _, s := range []string{"erased", "alive", "later"} {
		a := w.reveal(t, w.token(t, "app"), "support", s, "email")
		a.want(t, "before the replay, reading "+s, "503 unavailable")
		w.clean(t, "before the replay", a.body)
	}
	w.do(t, call{token: w.token(t, "app"), method: "PUT", path: recordPath("new", "customer", "self"), body: fields{"fields": fields{"city": "Oslo"}}}).
		want(t, "before the replay, a write", "503 unavailable")
	a := w.get(t, w.url+"/readyz")
	if a.status != http.StatusServiceUnavailable || !strings.Contains(string(a.body), "ledger replay") {
		t.Errorf("readyz does not say what to do: %s", a)
	}
}

// replayed is what must hold afterwards.
func (w *world) replayed(t *testing.T, certificate string) {
	t.Helper()
	app := w.token(t, "app")
	deadline := time.Now().Add(patience)
	for !strings.HasPrefix(w.see(t, app, "support", "alive", "email"), "plain") && time.Now().Before(deadline) {
		time.Sleep(100 * time.Millisecond) // a node that runs looks again every second
	}
	for s, want := range map[string]string{"erased": "410 gone", "later": "410 gone", "alive": "plain: Ulm", "withdrawn": "plain: Ulm", "held": "plain: Ulm"} {
		if got := w.see(t, app, "support", s, "city"); got != want {
			t.Errorf("after the replay, %s: %q, want %q", s, got, want)
		}
	}
	if got := w.see(t, w.token(t, "marketing"), "marketing", "withdrawn", "email"); got != "hidden: consent" {
		t.Errorf("after the replay, the withdrawn: %q", got)
	}
	w.erase(t, "held").want(t, "after the replay, erasing the held", "409 held")
	if a := w.erase(t, "erased"); string(a.body) != certificate {
		t.Errorf("after the replay there is another certificate: %s", a)
	}
	for _, f := range w.fsck(t) {
		t.Errorf("fsck: %s", f)
	}
}

func restoredBackup(t *testing.T, w *world) {
	recoveryPeople(t, w)
	backup := w.cluster.Backup(t)
	certificate := recoveryDeeds(t, w)
	w.proc.Stop(t)
	w.keep(w.proc)
	w.cluster.Stop(t)
	backup.Start(t)
	w.onto(t, backup)
	w.start(t)
	w.closed(t)
	run(t, 0, nil, "ledger", "replay", "--config", w.config("node"))
	w.replayed(t, certificate)
}

// The node runs all the while: it sees by itself that the database is another.
func promotedStandby(t *testing.T, w *world) {
	recoveryPeople(t, w)
	standby := w.cluster.Standby(t)
	standby.Stop(t) // it lags
	certificate := recoveryDeeds(t, w)
	w.cluster.Stop(t)
	standby.Start(t)
	standby.Promote(t)
	w.proc.Stop(t)
	w.keep(w.proc)
	w.onto(t, standby)
	w.start(t)
	w.closed(t)
	run(t, 0, nil, "ledger", "replay", "--config", w.config("node"))
	w.replayed(t, certificate)
}

// Nothing is acknowledged that only the primary has; the erasure is in force there.
func synchronousStandby(t *testing.T, w *world) {
	recoveryPeople(t, w)
	standby := w.cluster.Standby(t)
	for _, sql := range []string{`ALTER SYSTEM SET synchronous_standby_names = '*'`, `SELECT pg_reload_conf()`} {
		w.sql(t, sql)
	}
	w.erase(t, "erased").want(t, "with the standby", "200")
	standby.Stop(t)
	for range 2 {
		w.erase(t, "alive").want(t, "without the standby", "503 unavailable")
	}
	standby.Start(t)
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) {
		if a := w.erase(t, "alive"); a.status == http.StatusOK {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	w.erase(t, "alive").want(t, "with the standby back", "200")
	w.cluster.Stop(t)
	standby.Promote(t)
	w.proc.Stop(t)
	w.keep(w.proc)
	w.onto(t, standby)
	w.start(t)
	for _, s := range []string{"erased", "alive"} {
		w.reveal(t, w.token(t, "app"), "support", s, "email").want(t, "after the fail-over, "+s, "410 gone")
	}
}
