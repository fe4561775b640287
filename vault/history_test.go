package vault_test

import (
	"context"
	"slices"
	"testing"

	"github.com/fieldvault/fieldvault/audit/trail"
	"github.com/fieldvault/fieldvault/vault"
)

// An entryStore counts how many entries of the log are read.
type entryStore struct {
	vault.Store
	read int
}

func (s *entryStore) View(ctx context.Context, f func(vault.Tx) error) error {
	return s.Store.View(ctx, func(tx vault.Tx) error { return f(entryTx{tx, s}) })
}

type entryTx struct {
	vault.Tx
	s *entryStore
}

func (t entryTx) FindEntries(ctx context.Context, tenant int32, f trail.Find) ([]trail.Entry, error) {
	list, err := t.Tx.FindEntries(ctx, tenant, f)
	t.s.read += len(list)
	return list, err
}

// TestRecentAccesses: the history from its end says what it says from its beginning, and a
// page of it costs the same however long it is. What is kept from the person leaves no gap.
func TestRecentAccesses(t *testing.T) {
	v := rightsVault(t)
	me := v.Person("c-1", "")
	for range 150 {
		see(t, v, v.As("app", "support"), "c-1", "email")
	}
	for _, held := range []bool{true, false} {
		if err := v.SetHold(t.Context(), v.As("dpo", ""), "c-1", held, ""); err != nil {
			t.Fatal(err)
		}
	}
	see(t, v, v.As("app", "support"), "c-1", "email")
	if _, err := v.Sequence(t.Context()); err != nil {
		t.Fatal(err)
	}
	forward, err := v.AccessHistory(t.Context(), me, "c-1", 0, 1000)
	if err != nil || len(forward.Entries) < 152 || forward.Next != 0 {
		t.Fatalf("%d entries, next %d, %v", len(forward.Entries), forward.Next, err)
	}
	s := &entryStore{Store: v.Store}
	n := node(t, v, s, v.KEK)
	for _, limit := range []int{1, 7, 1000} {
		var back []int64
		for before := int64(0); ; {
			s.read = 0
			page, err := n.RecentAccesses(t.Context(), me, "c-1", before, limit)
			if err != nil {
				t.Fatal(err)
			}
			if s.read > max(limit, 100) {
				t.Errorf("a page of %d reads %d entries", limit, s.read)
			}
			for i := range page.Entries {
				back = append(back, page.Entries[i].Index)
			}
			if before = page.Next; before == 0 {
				break
			}
		}
		slices.Reverse(back)
		var want []int64
		for i := range forward.Entries {
			want = append(want, forward.Entries[i].Index)
		}
		if !slices.Equal(back, want) {
			t.Errorf("pages of %d: %v, want %v", limit, back, want)
		}
	}
}
