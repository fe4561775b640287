package pgstore_test

import (
	"context"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/pgstore"
	"github.com/fieldvault/fieldvault/vault/storetest"
)

// settles says whether Settle returns within d.
func settles(t *testing.T, s *pgstore.Store, d time.Duration) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	return s.Settle(ctx) == nil
}

// A statement may have read the tenant's epoch, and have no transaction id yet,
// when the epoch rises: Settle waits for it all the same.
func TestSettleWaitsForAStatementUnderWay(t *testing.T) {
	t.Parallel()
	s, url := open(t, patient)
	blocker, watch := db(t, url), db(t, url)
	id := tenant(t, s, "acme")
	uid := alive(t, s, id)
	run(t, blocker, `BEGIN`)
	run(t, blocker, `UPDATE subject SET kek_version = 1, keys = 'w' WHERE tenant = $1 AND uid = $2`, id, uid.String())
	stored, release, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- s.Update(t.Context(), func(tx vault.Tx) error {
			_, err := tx.InsertKey(t.Context(), id, uid, vault.DataKey{Group: 2, Epoch: 1, Version: 1, KEKVersion: 1, Wrapped: []byte("old")})
			close(stored)
			<-release
			return err
		})
	}()
	await(t, watch, "the insert waits", `SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`)
	update(t, s, func(ctx context.Context, tx vault.Tx) error { return tx.RaiseKEKEpoch(ctx, id, 2) })
	settled := make(chan struct{})
	go func() {
		if err := s.Settle(t.Context()); err != nil {
			t.Error(err)
		}
		close(settled)
	}()
	time.Sleep(100 * time.Millisecond) // Settle has looked
	run(t, blocker, `ROLLBACK`)
	<-stored // under the old epoch, not committed yet
	select {
	case <-settled:
		t.Error("Settle returned before the old wrap was committed")
	case <-time.After(500 * time.Millisecond):
	}
	close(release)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	<-settled
	if n := number(t, watch, `SELECT count(*) FROM subject WHERE kek_version = 1`); n != 1 {
		t.Errorf("%d keys under the old version, want the one that was under way", n)
	}
}

// What runs in another database, or is a session at rest, does not matter; a
// session that somebody left in a transaction does.
func TestSettleKnowsWhoseTransactions(t *testing.T) {
	s, url := open(t)
	db(t, url) // at rest
	elsewhere := db(t, storetest.Postgres(t))
	run(t, elsewhere, `BEGIN`)
	run(t, elsewhere, `CREATE TABLE t AS SELECT 1 AS n`)
	if !settles(t, s, 20*time.Second) {
		t.Error("a transaction in another database keeps Settle from returning")
	}
	left := db(t, url)
	run(t, left, `BEGIN`)
	if settles(t, s, 300*time.Millisecond) {
		t.Error("Settle returned although a transaction was open")
	}
	run(t, left, `COMMIT`)
	if !settles(t, s, 20*time.Second) {
		t.Error("Settle did not return after the transaction had ended")
	}
}
