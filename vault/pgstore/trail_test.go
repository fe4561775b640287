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
	use := func() {
		t.Helper()
		var events []uuid.UUID
		for i := range 20 {
			events = append(events, l.leaves[i*len(l.leaves)/20].Event, uuid.New())
		}
		for i := range 8 {
			err := s.View(t.Context(), func(tx vault.Tx) error {
				if known, err := tx.Known(t.Context(), id, events); err != nil || len(known) != 20 {
					t.Errorf("%d events are known, want 20: %v", len(known), err)
					return err
				}
				for _, newest := range []bool{false, true} {
					for about, want := range map[uuid.UUID]int{uuid.New(): 0, l.leaves[i*len(l.leaves)/8].About: 1} {
						list, err := tx.FindEntries(t.Context(), id, trail.Find{About: about, Newest: newest, Limit: 10})
						if err != nil || len(list) != want {
							t.Errorf("%d entries about a person, want %d: %v", len(list), want, err)
							return err
						}
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	l.growBy(t, 4096) // whole runs, so that no leaf is in none
	use()             // plans every statement for a log that nothing is known of
	l.growBy(t, 5*4096)
	use()                             // with these plans
	if err := s.Close(); err != nil { // a connection that ends reports what it read
		t.Fatal(err)
	}
	const read = `
SELECT (SELECT coalesce(sum(seq_tup_read), 0) FROM pg_stat_user_tables WHERE relname IN ('audit_leaf', 'audit_run'))
     + (SELECT coalesce(sum(idx_tup_read), 0) FROM pg_stat_user_indexes WHERE relname IN ('audit_leaf', 'audit_run'))`
	await(t, admin, "the connection has ended", `SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'`)
	if n := number(t, admin, read); n > 2000 {
		t.Errorf("%d rows of the log were read", n)
	}
}
