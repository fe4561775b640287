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
	grow := func(n int) {
		t.Helper()
		run(t, admin, `
INSERT INTO audit_leaf (idx, intake, at, tenant, event, about, hash)
SELECT i, i, now(), $1, gen_random_uuid(), gen_random_uuid(), sha256(i::text::bytea)
FROM (SELECT count(*) AS n FROM audit_leaf) l, generate_series(l.n, l.n + $2::bigint - 1) i`, id, n)
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
	use()                             // with these plans
	if err := s.Close(); err != nil { // a connection that ends reports what it read
		t.Fatal(err)
	}
	const read = `
SELECT (SELECT coalesce(sum(seq_tup_read), 0) FROM pg_stat_user_tables WHERE relname = 'audit_leaf')
     + (SELECT coalesce(sum(idx_tup_read), 0) FROM pg_stat_user_indexes WHERE relname = 'audit_leaf')`
	await(t, admin, "the connection has ended", `SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'`)
	if n := number(t, admin, read); n > 20_000/2 {
		t.Errorf("%d rows of the log were read", n)
	}
}
