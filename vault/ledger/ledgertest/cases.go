package ledgertest

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault/ledger"
)

func empty(t *testing.T, open Open) {
	l := opened(t, open)
	Same(t, l, nil)
	add(t, l)
	Same(t, l, nil)
}

func identity(t *testing.T, open, other Open) {
	l := open(t)
	id, err := l.ID(t.Context())
	if err != nil || id == uuid.Nil {
		t.Errorf("ID: %v, %v", id, err)
	}
	shut(t, l)
	if again, err := opened(t, open).ID(t.Context()); err != nil || again != id {
		t.Errorf("ID after opening again: %v, %v, want %v", again, err, id)
	}
	if its, err := opened(t, other).ID(t.Context()); err != nil || its == id {
		t.Errorf("ID of another ledger: %v, %v, want another than %v", its, err, id)
	}
}

func everyKind(t *testing.T, open Open) {
	var entries []ledger.Entry
	for _, k := range []ledger.Kind{
		ledger.Erase, ledger.EraseGroups, ledger.Withdraw, ledger.Object,
		ledger.Restrict, ledger.Unrestrict, ledger.Hold, ledger.Release,
	} {
		entries = append(entries, Entry(k))
	}
	l := opened(t, open)
	add(t, l, entries...)
	Same(t, l, entries)
}

func durable(t *testing.T, open Open) {
	entries := Entries(5)
	l := open(t)
	add(t, l, entries[:3]...)
	shut(t, l)
	l = open(t)
	Same(t, l, entries[:3])
	add(t, l, entries[3:]...)
	shut(t, l)
	Same(t, opened(t, open), entries)
}

func order(t *testing.T, open Open) {
	entries := Entries(20)
	l := opened(t, open)
	add(t, l, entries[:4]...)
	add(t, l, entries[4])
	add(t, l, entries[5:]...)
	Same(t, l, entries)
}

func idempotent(t *testing.T, open Open) {
	entries := Entries(6)
	l := open(t)
	add(t, l, entries[0], entries[1])
	add(t, l, entries[1])
	add(t, l, entries[2], entries[0], entries[3]) // one stands before the others
	add(t, l, entries[4], entries[4], entries[5], entries[4])
	Same(t, l, entries)
	shut(t, l)
	l = opened(t, open)
	slices.Reverse(entries)
	add(t, l, entries...)
	slices.Reverse(entries)
	Same(t, l, entries)
}

func conflict(t *testing.T, open Open) {
	entries := Entries(3)
	l := opened(t, open)
	add(t, l, entries[0])
	other := entries[0]
	other.Generation = 2
	if err := l.Append(t.Context(), []ledger.Entry{other}); !errors.Is(err, ledger.ErrConflict) {
		t.Errorf("Append of another entry with the same id: %v, want ErrConflict", err)
	}
	twin := entries[1]
	twin.Tenant = "other"
	if err := l.Append(t.Context(), []ledger.Entry{entries[1], twin}); !errors.Is(err, ledger.ErrConflict) {
		t.Errorf("Append of two entries with one id: %v, want ErrConflict", err)
	}
	add(t, l, entries[:2]...)
	add(t, l, entries[2])
	Same(t, l, entries)
}

func badEntries(t *testing.T, open Open) {
	l := opened(t, open)
	for name, change := range map[string]func(*ledger.Entry){
		"no id":         func(e *ledger.Entry) { e.ID = uuid.Nil },
		"no kind":       func(e *ledger.Entry) { e.Kind = "" },
		"unknown kind":  func(e *ledger.Entry) { e.Kind = "forget" },
		"no MAC":        func(e *ledger.Entry) { e.MAC = nil },
		"a long tenant": func(e *ledger.Entry) { e.Tenant = string(make([]byte, 300)) },
	} {
		entries := Entries(2)
		change(&entries[1])
		if err := l.Append(t.Context(), entries); !errors.Is(err, ledger.ErrEntry) {
			t.Errorf("%s: %v, want ErrEntry", name, err)
		}
	}
	Same(t, l, nil)
}

func limits(t *testing.T, open Open) {
	entries := Entries(ledger.MaxRead + 5)
	l := opened(t, open)
	add(t, l, entries...)
	const all = int64(ledger.MaxRead + 5)
	for _, c := range []struct {
		after       int64
		limit       int
		first, last int64
	}{
		{0, 1, 1, 1},
		{0, 10, 1, 10},
		{7, 3, 8, 10},
		{all - 1, 10, all, all},
		{0, ledger.MaxRead, 1, ledger.MaxRead},
		{2, math.MaxInt32, 3, ledger.MaxRead + 2},
		{-5, 2, 1, 2},
		{math.MinInt64, 2, 1, 2},
		{all, 10, 0, 0},
		{all + 10, 10, 0, 0},
		{math.MaxInt64, 10, 0, 0},
		{0, 0, 0, 0},
		{0, -1, 0, 0},
	} {
		page, err := l.Read(t.Context(), c.after, c.limit)
		if err != nil {
			t.Errorf("Read(%d, %d): %v", c.after, c.limit, err)
		}
		if c.first == 0 && len(page) == 0 {
			continue
		}
		if n := int64(len(page)); n != c.last-c.first+1 || page[0].Position != c.first || page[n-1].Position != c.last {
			t.Errorf("Read(%d, %d) read %d entries, want %d to %d", c.after, c.limit, n, c.first, c.last)
		}
	}
	Same(t, l, entries)
}

func large(t *testing.T, open Open) {
	entries := Entries(40) // more than 2 MiB
	for i := range entries {
		entries[i].Certificate = random(ledger.MaxCertificate)
	}
	l := open(t)
	add(t, l, entries[0])
	add(t, l, entries...)
	Same(t, l, entries)
	shut(t, l)
	Same(t, opened(t, open), entries)
}

func readersOwn(t *testing.T, open Open) {
	entries := Entries(2)
	want := Entries(0)
	for _, e := range entries {
		e.Lookup, e.MAC, e.Certificate = slices.Clone(e.Lookup), slices.Clone(e.MAC), slices.Clone(e.Certificate)
		want = append(want, e)
	}
	l := opened(t, open)
	add(t, l, entries...)
	for i := range entries {
		clear(entries[i].Lookup)
	}
	for _, p := range All(t, l) {
		clear(p.Lookup)
		clear(p.MAC)
		clear(p.Certificate)
	}
	Same(t, l, want)
}

func contexts(t *testing.T, open Open) {
	l := opened(t, open)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	for name, call := range calls(l) {
		if err := call(cancelled); !errors.Is(err, context.Canceled) || errors.Is(err, ledger.ErrUnavailable) {
			t.Errorf("%s when cancelled: %v, want context.Canceled", name, err)
		}
		if err := call(late); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, ledger.ErrUnavailable) {
			t.Errorf("%s when late: %v, want ErrUnavailable and context.DeadlineExceeded", name, err)
		}
	}
	Same(t, l, nil)
}

func closed(t *testing.T, open Open) {
	l := open(t)
	add(t, l, Entries(1)...)
	shut(t, l)
	for name, call := range calls(l) {
		if err := call(t.Context()); !errors.Is(err, ledger.ErrUnavailable) {
			t.Errorf("%s of a closed ledger: %v, want ErrUnavailable", name, err)
		}
	}
	shut(t, l)
}

func calls(l ledger.Ledger) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"Append": func(ctx context.Context) error { return l.Append(ctx, Entries(1)) },
		"Read":   func(ctx context.Context) error { _, err := l.Read(ctx, 0, 1); return err },
		"Head":   func(ctx context.Context) error { _, err := l.Head(ctx); return err },
		"ID":     func(ctx context.Context) error { _, err := l.ID(ctx); return err },
	}
}
