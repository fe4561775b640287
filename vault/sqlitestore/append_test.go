package sqlitestore_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/sqlitestore"
)

// commits counts the commits in a write-ahead log. Each frame has a header of
// 24 bytes, whose second word is the size of the database for a frame that
// commits, else 0; https://www.sqlite.org/fileformat2.html#walformat.
func commits(t *testing.T, path string) (n int) {
	t.Helper()
	b, err := os.ReadFile(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	const header, frame = 32, 24
	if len(b) < header {
		return 0
	}
	page := int(binary.BigEndian.Uint32(b[8:]))
	for at := header; at+frame+page <= len(b); at += frame + page {
		if binary.BigEndian.Uint32(b[at+4:]) != 0 {
			n++
		}
	}
	return n
}

// held runs f while a transaction has the writer.
func held(t *testing.T, s *sqlitestore.Store, f func()) {
	t.Helper()
	update(t, s, func(vault.Tx) error {
		f()
		return nil
	})
}

// waitFor waits until so many calls of AppendEvents wait for the writer.
func waitFor(s *sqlitestore.Store, calls int) {
	for s.WaitingCalls() != calls {
		runtime.Gosched()
	}
}

func countEvents(t *testing.T, s *sqlitestore.Store, tenant int32) (n int) {
	t.Helper()
	update(t, s, func(tx vault.Tx) error {
		events, err := tx.Events(t.Context(), tenant, 0, 10_000)
		n = len(events)
		return err
	})
	return n
}

func leaf(tenant int32) []vault.Intake {
	return []vault.Intake{{Tenant: tenant, Leaf: []byte("leaf")}}
}

func TestConcurrentAppendsShareACommit(t *testing.T) {
	path := filepath.Join(folder(t), "vault.db")
	s := open(t, path)
	tenant := newTenant(t, s)
	if err := s.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	const calls = 50
	errs := make(chan error, calls)
	held(t, s, func() {
		for range calls {
			go func() { errs <- outcome(s.AppendEvents(t.Context(), leaf(tenant))) }()
		}
		waitFor(s, calls)
	})
	for range calls {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if n := commits(t, path); n != 1 {
		t.Errorf("%d concurrent calls took %d commits, want 1", calls, n)
	}
	if n := countEvents(t, s, tenant); n != calls {
		t.Errorf("%d events are stored, want %d", n, calls)
	}
	closeAll(t, s)
}

// The events of a call that the schema refuses are not stored, none of them,
// and those of the calls that shared its commit are.
func TestABadCallIsNoFailureOfOthers(t *testing.T) {
	s := open(t, filepath.Join(folder(t), "vault.db"))
	tenant := newTenant(t, s)
	const unknown = 999
	errs := make([]chan error, 20)
	held(t, s, func() {
		for i := range errs {
			errs[i] = make(chan error, 1)
			events := append(leaf(tenant), leaf(tenant)...)
			if i%5 == 2 {
				events[1].Tenant = unknown
			}
			go func() { errs[i] <- outcome(s.AppendEvents(t.Context(), events)) }()
		}
		waitFor(s, len(errs))
	})
	for i := range errs {
		err := <-errs[i]
		if bad := i%5 == 2; (err != nil) != bad {
			t.Errorf("call %d, bad %v: error %v", i, bad, err)
		}
	}
	if n := countEvents(t, s, tenant); n != 32 {
		t.Errorf("%d events are stored, want 2 of each of 16 calls", n)
	}
	if err := outcome(s.AppendEvents(t.Context(), leaf(unknown))); err == nil {
		t.Error("an event of an unknown tenant was stored")
	}
	closeAll(t, s)
}

// A call whose context ends while it waits leaves; who waits with it does not
// fail, also if it was to write for all.
func TestACallThatLeavesIsNoFailureOfOthers(t *testing.T) {
	s := open(t, filepath.Join(folder(t), "vault.db"))
	tenant := newTenant(t, s)
	const calls = 10
	left, stayed := make(chan error, calls), make(chan error, calls)
	held(t, s, func() {
		ctx, cancel := context.WithCancel(t.Context())
		for i := range calls { // the first leads
			go func() { left <- outcome(s.AppendEvents(ctx, leaf(tenant))) }()
			waitFor(s, 2*i+1)
			go func() { stayed <- outcome(s.AppendEvents(t.Context(), leaf(tenant))) }()
			waitFor(s, 2*i+2)
		}
		cancel()
		for range calls {
			if err := <-left; !errors.Is(err, context.Canceled) || !errors.Is(err, vault.ErrUnavailable) {
				t.Errorf("a call whose context ended: error %v", err)
			}
		}
		if n := s.WaitingCalls(); n != calls {
			t.Errorf("%d calls wait after the others left, want %d", n, calls)
		}
	})
	for range calls {
		if err := <-stayed; err != nil {
			t.Errorf("a call that stayed: %v", err)
		}
	}
	if n := countEvents(t, s, tenant); n != calls {
		t.Errorf("%d events are stored, want those of the %d calls that stayed", n, calls)
	}
	closeAll(t, s)
}

func TestCloseRefusesWhoWaits(t *testing.T) {
	s := open(t, filepath.Join(folder(t), "vault.db"))
	tenant := newTenant(t, s)
	errs, closed := make(chan error, 5), make(chan error, 1)
	held(t, s, func() {
		for range cap(errs) {
			go func() { errs <- outcome(s.AppendEvents(t.Context(), leaf(tenant))) }()
		}
		waitFor(s, cap(errs))
		go func() { closed <- s.Close() }()
		for range cap(errs) {
			if err := <-errs; !errors.Is(err, vault.ErrUnavailable) {
				t.Errorf("a call that waited when the store closed: error %v", err)
			}
		}
	})
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

// The disk is full: nothing is stored, everybody is told, and the store serves
// again when there is room.
func TestFullDisk(t *testing.T) {
	s := open(t, filepath.Join(folder(t), "vault.db"))
	tenant := newTenant(t, s)
	pages, err := s.Pragma(t.Context(), true, "page_count")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Pragma(t.Context(), true, "max_page_count = "+pages); err != nil {
		t.Fatal(err)
	}
	big := []vault.Intake{{Tenant: tenant, Leaf: make([]byte, 1<<20)}}
	full := outcome(s.AppendEvents(t.Context(), append(leaf(tenant), big...)))
	if !errors.Is(full, vault.ErrUnavailable) {
		t.Errorf("AppendEvents on a full disk: error %v", full)
	}
	if n := countEvents(t, s, tenant); n != 0 {
		t.Errorf("%d events of a failed call are stored", n)
	}
	if err := outcome(s.AppendEvents(t.Context(), append(leaf(tenant), big...))); err != nil {
		t.Errorf("AppendEvents with room again: %v", err) // the connection that was limited is gone
	}
	if n := countEvents(t, s, tenant); n != 2 {
		t.Errorf("%d events are stored, want 2", n)
	}
	closeAll(t, s)
}

func ExampleOpen() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	ctx := context.Background()
	s, err := sqlitestore.Open(ctx, sqlitestore.Config{Path: filepath.Join(dir, "vault.db"), Now: now})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = s.Close() }()
	err = s.Update(ctx, func(tx vault.Tx) error {
		tenant, created, err := tx.InsertTenant(ctx, vault.Tenant{Name: "default", KEKEpoch: 1, Created: now()})
		fmt.Println(tenant.Name, created)
		return err
	})
	fmt.Println(err)
	// Output:
	// default true
	// <nil>
}

// outcome is the error of AppendEvents alone.
func outcome(_ []int64, err error) error { return err }
