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
				return readSome(t, tx, id, int64(len(l.leaves)))
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	l.growBy(t, 4096) // whole runs, so that no leaf is in none
	use()             // plans every statement for a log that nothing is known of
	l.growBy(t, 5*4096)
	use() // with these plans
	for range 50 {
		l.growBy(t, 3)
	}
	use()
	if err := s.Close(); err != nil { // a connection that ends reports what it read
		t.Fatal(err)
	}
	const read = `
SELECT (SELECT coalesce(sum(seq_tup_read), 0) FROM pg_stat_user_tables WHERE relname IN ('audit_leaf', 'audit_run', 'audit_checkpoint'))
     + (SELECT coalesce(sum(idx_tup_read), 0) FROM pg_stat_user_indexes WHERE relname IN ('audit_leaf', 'audit_run', 'audit_checkpoint'))`
	await(t, admin, "the connection has ended", `SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'`)
	n := number(t, admin, read)
	// A trigger reads the leaves that a growth adds, and a search those that are in no run, of
	// which there are 150 at the end.
	if n -= number(t, admin, `SELECT count(*) FROM audit_leaf`); n > 10_000 {
		t.Errorf("%d rows of the log were read", n)
	}
}

// readSome reads a few entries of a log of the given size, at its ends and in its midst.
func readSome(t *testing.T, tx vault.Tx, tenant int32, size int64) error {
	t.Helper()
	middle := size / 2
	for f, want := range map[trail.Find]int64{
		{Limit: 2}: 0, {Limit: 2, FromIndex: middle}: middle, {Limit: 2, BelowIndex: middle, Newest: true}: middle - 1,
		{Limit: 2, Newest: true}: size - 1, {Limit: 1, FromIndex: size}: -1,
	} {
		list, err := tx.FindEntries(t.Context(), tenant, f)
		if err != nil || len(list) != f.Limit && want >= 0 || len(list) > 0 && list[0].Index != want {
			t.Errorf("%+v finds %d entries, want index %d first: %v", f, len(list), want, err)
			return err
		}
	}
	last, err := tx.FindEntries(t.Context(), tenant, trail.Find{Limit: 40, Newest: true})
	if err != nil || len(last) != 40 {
		t.Errorf("%d entries at the end: %v", len(last), err)
		return err
	}
	if ids, err := tx.Sequenced(t.Context(), last[39].Row, 10); err != nil {
		t.Errorf("%d rows are sequenced: %v", len(ids), err)
		return err
	}
	for _, from := range []int64{0, middle, size - 3} {
		list, err := tx.Entries(t.Context(), tenant, from, from+3)
		if err != nil || len(list) != 3 {
			t.Errorf("%d entries from %d on: %v", len(list), from, err)
			return err
		}
		hashes, err := tx.Hashes(t.Context(), tenant, 0, from, from+3)
		if err != nil || len(hashes) != 3 {
			t.Errorf("%d hashes from %d on: %v", len(hashes), from, err)
			return err
		}
	}
	return nil
}
