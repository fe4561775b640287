package pgstore_test

import (
	"testing"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/audit/trail"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/pgstore"
)

// A tenant's log is not read from end to end to find an event or what is about a person,
// also when it was small, and not yet analyzed, at the time the statements were prepared.
func TestTheLogIsNotReadWhole(t *testing.T) {
	s, url := open(t, func(c *pgstore.Config) { c.MaxConns = 1 })
	admin := db(t, url)
	id := tenant(t, s, "acme")
	l := &grownLog{s: s, tenant: id}
	grow := func(n int) {
		t.Helper()
		about := make([]uuid.UUID, n)
		for i := range about {
			about[i] = uuid.New()
		}
		if err := l.grow(t.Context(), about...); err != nil {
			t.Fatal(err)
		}
	}
	use := func() {
		t.Helper()
		events := make([]uuid.UUID, 20)
		for i := range events {
			events[i] = uuid.New()
		}
		for range 8 {
			err := s.View(t.Context(), func(tx vault.Tx) error {
				if _, err := tx.Known(t.Context(), id, events); err != nil {
					return err
				}
				for _, newest := range []bool{false, true} {
					if _, err := tx.FindEntries(t.Context(), id, trail.Find{About: events[0], Newest: newest, Limit: 10}); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	grow(4_000)
	use() // plans every statement for a log that nothing is known of
	grow(20_000)
	const read = `
SELECT (SELECT coalesce(sum(seq_tup_read), 0) FROM pg_stat_user_tables WHERE relname IN ('audit_leaf', 'audit_run'))
     + (SELECT coalesce(sum(idx_tup_read), 0) FROM pg_stat_user_indexes WHERE relname IN ('audit_leaf', 'audit_run'))`
	use()                             // with these plans
	if err := s.Close(); err != nil { // a connection that ends reports what it read
		t.Fatal(err)
	}
	await(t, admin, "the connection has ended", `SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'`)
	// What is about a person is looked for among the leaves that are in no run yet, too.
	const most, times = 4096, 2 * 8 * 2
	if n := number(t, admin, read); n > most*times+20_000/2 {
		t.Errorf("%d rows of the log were read", n)
	}
}
