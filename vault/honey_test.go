package vault_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

// A baited vault notes, of each event of the log, whether the person was bait by then.
type baited struct {
	*vaulttest.Vault

	mu   sync.Mutex
	asks *vault.Vault // whom Seen asks
	seen []string     // "reveal bait"
}

func newBaited(t *testing.T) *baited {
	t.Helper()
	b := &baited{}
	b.Vault = newVault(t, vaulttest.Options{Seen: func(tenant string, _ int64, e *audit.Event) {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.asks != nil && e.UID != uuid.Nil {
			text := string(e.Action)
			if b.asks.IsHoney(tenant, e.UID) {
				text += " bait"
			}
			b.seen = append(b.seen, text)
		}
	}})
	return b
}

// told are the events since the last call, put into the log by one process.
func (b *baited) told(t *testing.T, by *vault.Vault) []string {
	t.Helper()
	b.mu.Lock()
	b.asks, b.seen = by, nil
	b.mu.Unlock()
	b.Clock.Advance(time.Minute)
	if _, err := by.Sequence(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.seen
}

func (b *baited) lay(t *testing.T, subject string, honey bool) {
	t.Helper()
	if err := b.SetHoney(t.Context(), b.As("operator", ""), subject, honey); err != nil {
		t.Fatal(err)
	}
}

// Who is bait is known from the event on that says so, by the process that sequences.
func TestBaitIsKnownInTheOrderOfTheLog(t *testing.T) {
	b := newBaited(t)
	people(t, b.Vault, 1)
	app := b.As("app", "support")
	for _, honey := range []bool{false, true, true, false} {
		b.lay(t, "c-000", honey)
		see(t, b.Vault, app, "c-000", "email")
	}
	want := []string{"write", "honey", "reveal", "honey bait", "reveal bait", "honey bait", "reveal bait", "honey", "reveal"}
	if diff := cmp.Diff(want, b.told(t, b.Vault.Vault)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A process that begins to sequence reads who is bait first.
func TestBaitOutlivesTheProcess(t *testing.T) {
	b := newBaited(t)
	people(t, b.Vault, 2)
	b.lay(t, "c-000", true)
	b.told(t, b.Vault.Vault)
	see(t, b.Vault, b.As("app", "support"), "c-000", "email")
	see(t, b.Vault, b.As("app", "support"), "c-001", "email")
	b.Clock.Advance(time.Hour)
	next := b.Node(t, nil)
	b.mu.Lock()
	b.asks, b.seen = next, nil
	b.mu.Unlock()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- next.Run(ctx) }()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline) && next.LogStats().Sequenced < 2; {
		time.Sleep(10 * time.Millisecond)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"reveal bait", "reveal"}, b.seen); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// No answer tells who is bait: not to the person, not to an officer, not by an error.
func TestNobodyIsToldWhoIsBait(t *testing.T) {
	b := newBaited(t)
	people(t, b.Vault, 2)
	b.lay(t, "c-000", true)
	b.lay(t, "c-000", false)
	b.lay(t, "c-000", true)
	b.told(t, b.Vault.Vault)
	for _, c := range []accessctl.Caller{b.As("dpo", ""), b.Person("c-000", "")} {
		page, err := b.AccessHistory(t.Context(), c, "c-000", 0, 100)
		if err != nil || len(page.Entries) == 0 {
			t.Fatalf("%+v, %v", page, err)
		}
		for _, e := range page.Entries {
			if e.Action == accessctl.ActionHoney || strings.Contains(e.What, "bait") {
				t.Errorf("the history tells: %+v", e)
			}
		}
		for from, pages := int64(0), 0; ; pages++ { // a page that is empty and goes on would tell
			one, err := b.AccessHistory(t.Context(), c, "c-000", from, 1)
			if err != nil {
				t.Fatal(err)
			}
			if one.Next == 0 {
				break
			}
			if len(one.Entries) != 1 || pages > 20 {
				t.Fatalf("page %d: %+v", pages, one)
			}
			from = one.Next
		}
		bait, err := b.Export(t.Context(), c, "c-000")
		if err != nil || bait.Held || bait.Restricted || len(bait.Records) != 1 {
			t.Errorf("%+v, %v", bait, err)
		}
	}
	for role, want := range map[accessctl.Role]error{"dpo": vault.ErrDenied, "app": vault.ErrDenied, "operator": vault.ErrNotFound} {
		if err := b.SetHoney(t.Context(), b.As(role, ""), "nobody", true); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", role, err, want)
		}
	}
}

// I3: an erasure leaves no bait.
func TestTheErasedAreNoBait(t *testing.T) {
	b := newBaited(t)
	people(t, b.Vault, 1)
	b.lay(t, "c-000", true)
	if _, err := b.Erase(t.Context(), b.As("dpo", ""), vault.Erasing{Subject: "c-000"}); err != nil {
		t.Fatal(err)
	}
	if err := b.SetHoney(t.Context(), b.As("operator", ""), "c-000", true); !errors.Is(err, vault.ErrGone) {
		t.Errorf("making bait of the erased: %v", err)
	}
	if _, err := b.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	err := b.Store.View(t.Context(), func(tx vault.Tx) error {
		if list, err := tx.ListHoney(t.Context(), 0, uuid.Nil, 10); err != nil || len(list) != 0 {
			t.Errorf("%v, %v", list, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// What SQL writes makes nobody bait, and fsck names it.
func TestBaitBySQLDoesNotCount(t *testing.T) {
	b := newBaited(t)
	people(t, b.Vault, 3)
	b.lay(t, "c-000", true)
	b.lay(t, "c-001", true)
	db := behind(t, b.Vault)
	for _, q := range []string{
		`INSERT INTO honey SELECT tenant, uid, (SELECT mac FROM honey LIMIT 1) FROM subject WHERE uid NOT IN (SELECT uid FROM honey)`,
		`DELETE FROM honey WHERE uid = (SELECT min(uid) FROM honey)`,
	} {
		if _, err := db.ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	report, err := b.Fsck(t.Context(), b.Operator(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, f := range report.Findings {
		found = append(found, f.What)
	}
	if all := strings.Join(found, "\n"); len(found) != 2 || !strings.Contains(all, "does not bear its MAC") || !strings.Contains(all, "not what the log says") {
		t.Errorf("fsck found:\n%s", all)
	}
}
