package pgstore_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/pgstore"
	"github.com/fieldvault/fieldvault/vault/storetest"
)

// A rewrap of a list is one statement that locks and one that writes, and changes rows
// in place: no index grows by it.
func TestRewrapIsTwoStatementsInPlace(t *testing.T) {
	const n, page = 400, 20
	var r trace
	s, url := open(t, r.into)
	id := tenant(t, s, "acme")
	var list []vault.Rewrapped
	update(t, s, func(ctx context.Context, tx vault.Tx) error {
		list = nil
		for range n {
			p := live(id, uuid.NewString())
			if _, err := tx.InsertSubject(ctx, p); err != nil {
				return err
			}
			k := vault.Rewrapped{UID: p.UID, Group: 2, Epoch: 1, Version: 1, KEKVersion: 1, Next: 2, Wrapped: make([]byte, 200)}
			list = append(list, k)
			if _, err := tx.InsertKey(ctx, id, k.UID, vault.DataKey{Group: 2, Epoch: 1, Version: 1, KEKVersion: 1, Wrapped: make([]byte, 200)}); err != nil {
				return err
			}
		}
		return nil
	})
	// By place, as a job does it: that is anywhere in the table, and the room that
	// one page of keys leaves on the pages of the table serves the next.
	slices.SortFunc(list, func(a, b vault.Rewrapped) int { return bytes.Compare(a.UID[:], b.UID[:]) })
	for keys := range slices.Chunk(list, page) {
		r.take()
		update(t, s, func(ctx context.Context, tx vault.Tx) error {
			got, err := tx.RewrapKeys(ctx, id, keys)
			if got != page {
				t.Errorf("RewrapKeys wrote %d keys, want %d", got, page)
			}
			return err
		})
		sql := strings.Join(r.take(), "\n")
		if strings.Count(sql, "subject") != 2 || strings.Count(sql, "FOR UPDATE") != 1 || strings.Count(sql, "UPDATE subject") != 1 || strings.Contains(sql, "INSERT") {
			t.Errorf("a rewrap sent:\n%s", sql)
		}
	}
	if err := s.Close(); err != nil { // a connection that ends reports what it did
		t.Fatal(err)
	}
	c := db(t, url)
	// The first change of each row gave it the key.
	await(t, c, "all changes are reported", `SELECT n_tup_upd = 800 FROM pg_stat_user_tables WHERE relname = 'subject'`)
	if hot := number(t, c, `SELECT n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'subject'`); hot < n+n*3/4 {
		t.Errorf("%d of %d changes were in place", hot, 2*n)
	}
}

// Reading a whole table may take longer than a statement otherwise may, and
// than a transaction otherwise lasts.
func TestWholeTablesHaveTheTimeTheyTake(t *testing.T) {
	t.Parallel()
	s, url := open(t, func(c *pgstore.Config) {
		c.StatementTimeout, c.TransactionTimeout, c.LockTimeout = 200*time.Millisecond, time.Second, time.Minute
	})
	id := tenant(t, s, "acme")
	person(t, s, id, "alice")
	for name, c := range map[string]struct {
		read func(context.Context, vault.Tx) error
		want error
	}{
		"Keys": {func(ctx context.Context, tx vault.Tx) error {
			_, err := tx.Keys(ctx, id, uuid.New())
			return err
		}, vault.ErrUnavailable},
		"KeysBelow": {func(ctx context.Context, tx vault.Tx) error {
			got, err := tx.KeysBelow(ctx, id, 2, uuid.Nil, 10)
			if err == nil && len(got) != 1 {
				t.Errorf("KeysBelow gave %d keys, want 1", len(got))
			}
			return err
		}, nil},
		"CountKeys": {func(ctx context.Context, tx vault.Tx) error {
			people, _, err := tx.CountKeys(ctx, id)
			if err == nil && people[1] != 1 {
				t.Errorf("CountKeys gave %v", people)
			}
			return err
		}, nil},
	} {
		blocker := db(t, url)
		run(t, blocker, `BEGIN`)
		run(t, blocker, `LOCK TABLE subject`)
		var wg sync.WaitGroup
		wg.Go(func() {
			time.Sleep(1500 * time.Millisecond)
			run(t, blocker, `ROLLBACK`)
		})
		err := s.View(t.Context(), func(tx vault.Tx) error { return c.read(t.Context(), tx) })
		if !errors.Is(err, c.want) {
			t.Errorf("%s while the table does not answer: %v, want %v", name, err, c.want)
		}
		wg.Wait()
	}
}

// Keys that cannot be read, or that are not under the version that their row says.
func TestUnreadableKeys(t *testing.T) {
	t.Parallel()
	for name, sql := range map[string]string{
		"keys":        `UPDATE subject SET keys = substr(keys, 1, 9) WHERE tenant = $1 AND uid = $2`,
		"the version": `UPDATE subject SET kek_version = 2 WHERE tenant = $1 AND uid = $2`,
		"none":        `UPDATE subject SET kek_version = 0 WHERE tenant = $1 AND uid = $2`,
	} {
		t.Run(name, func(t *testing.T) {
			s, url := open(t)
			c := db(t, url)
			storetest.Unreadable(t, s, func(tenant int32, uid uuid.UUID) { run(t, c, sql, tenant, uid.String()) })
		})
	}
}

// Rewraps and requests that lock several people lock them in one order: nobody waits in a
// circle, which PostgreSQL would break after a second by ending one.
func TestRewrapLocksInTheOrderOfWriters(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	id := tenant(t, s, "acme")
	people := make([]vault.Subject, 8) // by lookup, their uids the other way round
	for i := range people {
		people[i] = live(id, "someone")
		people[i].Lookup[0], people[i].UID[0] = byte(i), byte(0xff-i)
	}
	var list []vault.Rewrapped
	update(t, s, func(ctx context.Context, tx vault.Tx) error {
		list = nil
		for _, p := range people {
			if _, err := tx.InsertSubject(ctx, p); err != nil {
				return err
			}
			k := vault.DataKey{Group: 2, Epoch: 1, Version: 1, KEKVersion: 1, Wrapped: []byte("w")}
			if _, err := tx.InsertKey(ctx, id, p.UID, k); err != nil {
				return err
			}
			list = append(list, vault.Rewrapped{UID: p.UID, Group: 2, Epoch: 1, Version: 1, KEKVersion: 1, Next: 1, Wrapped: []byte("w")})
		}
		return nil
	})
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for range 60 {
				err := s.Update(t.Context(), func(tx vault.Tx) error {
					if i%2 == 0 {
						_, err := tx.RewrapKeys(t.Context(), id, list)
						return err
					}
					for _, p := range people {
						if _, err := tx.Subject(t.Context(), id, p.Lookup, vault.ShareLock); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := s.Close(); err != nil { // a connection that ends reports what it met
		t.Fatal(err)
	}
	if n := number(t, db(t, url), `SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()`); n != 0 {
		t.Errorf("%d circles of waiting", n)
	}
}
