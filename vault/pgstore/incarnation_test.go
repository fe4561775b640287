package pgstore_test

import (
	"strings"
	"testing"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/pgstore"
	"github.com/fieldvault/fieldvault/vault/storetest"
)

// incarnationOf is what a load says, in both of its forms.
func incarnationOf(t *testing.T, s *pgstore.Store, tenant int32) string {
	t.Helper()
	var seen []string
	for _, items := range [][]vault.Ref{nil, {{Lookup: lookup("nobody")}}, {{Lookup: lookup("nobody")}, {Lookup: lookup("no one")}}} {
		l, err := s.LoadForReveal(t.Context(), vault.LoadQuery{Tenant: tenant, Items: items})
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, l.Incarnation)
	}
	if seen[0] == "" || seen[0] != seen[1] || seen[0] != seen[2] {
		t.Errorf("the forms of a load give the incarnations %q", seen)
	}
	return seen[0]
}

// The incarnation stays while the server runs, and changes when it starts again
// and when a standby takes over, without a restart there.
func TestIncarnation(t *testing.T) {
	primary := storetest.StartCluster(t, storetest.ClusterOptions{Durable: true})
	url := primary.URL("postgres")
	migrate(t, url)
	s := connect(t, url)
	id := tenant(t, s, "acme")
	first := incarnationOf(t, s, id)
	person(t, s, id, "alice")
	if again := incarnationOf(t, connect(t, url), id); again != first {
		t.Errorf("a second look, by another store, gives %q after %q", again, first)
	}

	standby := primary.Standby(t)
	replica := connect(t, standby.URL("postgres"))
	following := incarnationOf(t, replica, id)
	primary.Stop(t)
	standby.Promote(t)
	promoted := incarnationOf(t, replica, id)
	if !strings.HasSuffix(following, " replica") || !strings.HasSuffix(promoted, " 00000002") {
		t.Errorf("a standby's incarnation is %q, and after its promotion %q: want its timeline at the end", following, promoted)
	}
	primary.Start(t)
	restarted := incarnationOf(t, connect(t, url), id)
	for _, c := range []struct{ what, before, after string }{
		{"promotion", following, promoted}, {"a fail-over", first, promoted}, {"a restart", first, restarted},
	} {
		if c.before == c.after {
			t.Errorf("%s leaves the incarnation %q", c.what, c.before)
		}
	}
}

// A restore changes it too, without a restart: the same tables in another
// database of the name, and tables made anew.
func TestIncarnationChangesWithARestore(t *testing.T) {
	cluster := storetest.StartCluster(t, storetest.ClusterOptions{})
	url := cluster.URL("vault")
	admin := db(t, cluster.URL("postgres"))
	run(t, admin, `CREATE DATABASE vault`)
	migrate(t, url)
	s := connect(t, url)
	id := tenant(t, s, "acme")
	first := incarnationOf(t, s, id)

	for _, sql := range []string{
		`ALTER DATABASE vault WITH ALLOW_CONNECTIONS false`,
		`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'vault'`,
		`CREATE DATABASE copy TEMPLATE vault`, `DROP DATABASE vault WITH (FORCE)`, `ALTER DATABASE copy RENAME TO vault`,
	} {
		run(t, admin, sql)
	}
	s = connect(t, url)
	second := incarnationOf(t, s, id)
	if first == second {
		t.Errorf("another database of the same name leaves the incarnation %q", first)
	}

	in := db(t, url)
	for _, sql := range []string{
		`CREATE TABLE restored (LIKE tenant INCLUDING ALL)`, `INSERT INTO restored SELECT * FROM tenant`,
		`DROP TABLE tenant CASCADE`, `ALTER TABLE restored RENAME TO tenant`,
	} {
		run(t, in, sql)
	}
	if third := incarnationOf(t, s, id); third == second {
		t.Errorf("tables made anew leave the incarnation %q", third)
	}
}
