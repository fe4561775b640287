package vault_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/crypto/keyring"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/sqlitestore"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

// usesOf reads how often each version of the tenant's key was used.
func usesOf(ctx context.Context, t *testing.T, s vault.Store) map[int]int64 {
	t.Helper()
	var list []vault.KeyLife
	err := s.View(ctx, func(tx vault.Tx) (err error) {
		list, err = tx.KeyLives(ctx, 1)
		return err
	})
	if err != nil {
		t.Error(err)
	}
	out := map[int]int64{}
	for _, l := range list {
		if l.Key == vault.LifeKEK {
			out[int(l.Version)] = l.Uses
		}
	}
	return out
}

func total(m map[int]int64) (n int64) {
	for _, v := range m {
		n += v
	}
	return n
}

// A counting KEK counts, for itself, what it wraps under each version, and looks
// before each use whether the store knows of it.
type counting struct {
	keyring.KEK
	t     *testing.T
	store vault.Store
	base  int64 // what the store said at first

	mu    sync.Mutex
	begun int64
	used  map[int]int64
}

func (c *counting) before(ctx context.Context, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.begun += int64(n)
	if has := total(usesOf(ctx, c.t, c.store)) - c.base; has < c.begun {
		c.t.Errorf("the %dth use is about to be made, and the store knows of %d", c.begun, has)
	}
}

func (c *counting) after(wrapped []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, text := range wrapped {
		if w, err := keyring.ParseWrapped(text); err == nil {
			c.used[w.Version]++
		}
	}
}

func (c *counting) Wrap(ctx context.Context, key string, contexts, plaintexts [][]byte) ([]string, error) {
	if key != vaulttest.Tenant {
		return c.KEK.Wrap(ctx, key, contexts, plaintexts)
	}
	c.before(ctx, len(plaintexts))
	out, err := c.KEK.Wrap(ctx, key, contexts, plaintexts)
	c.after(out)
	return out, err
}

func (c *counting) Rewrap(ctx context.Context, key string, contexts [][]byte, wrapped []string) ([]string, []error, error) {
	if key != vaulttest.Tenant {
		return c.KEK.Rewrap(ctx, key, contexts, wrapped)
	}
	c.before(ctx, len(wrapped))
	out, errs, err := c.KEK.Rewrap(ctx, key, contexts, wrapped)
	c.after(out)
	return out, errs, err
}

// process is another process, whose uses are counted.
func process(t *testing.T, v *vaulttest.Vault, kek keyring.KEK) (*vault.Vault, *vault.Meter) {
	t.Helper()
	meter := vault.NewMeter(v.Store)
	ring, err := keyring.New(keyring.Config{KEK: kek, Meter: meter, Now: v.Clock.Now, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ring.Close)
	n, err := vault.New(t.Context(), vault.Config{
		Store: v.Store, Ring: ring, Now: v.Clock.Now, NewID: vaulttest.NewID, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return n, meter
}

func putBy(t *testing.T, v *vaulttest.Vault, n *vault.Vault, subject string) {
	t.Helper()
	w := vault.Write{Subject: subject, Collection: "customer", Record: "self", Fields: vaulttest.Values(map[string]string{"email": email})}
	if _, err := n.Put(t.Context(), v.As("app", "support"), w, vault.Idempotency{}); err != nil {
		t.Error(err)
	}
}

// I13: every use of a version of the key-encryption key is in the store before it is
// made, whichever of several processes makes it and however they end; and no more
// than a block too many for each of them.
func TestUsesOfAKEKAreCounted(t *testing.T) {
	v := newVault(t)
	base := usesOf(t.Context(), t, v.Store)
	kek := &counting{KEK: v.KEK, t: t, store: v.Store, base: total(base), used: map[int]int64{}}
	const block, processes = 1024, 3
	check := func(when string, exact bool) {
		t.Helper()
		kek.mu.Lock()
		defer kek.mu.Unlock()
		for version, has := range usesOf(t.Context(), t, v.Store) {
			has -= base[version]
			if used := kek.used[version]; has < used || has > used+processes*block {
				t.Errorf("%s: version %d was used %d times, and %d are on record", when, version, used, has)
			} else if exact && has != used {
				t.Errorf("%s: version %d was used %d times, and %d are on record after all gave back the rest", when, version, used, has)
			}
		}
	}
	a, meterA := process(t, v, kek)
	b, meterB := process(t, v, kek)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() { putBy(t, v, a, fmt.Sprintf("a-%d", i)) })
		wg.Go(func() { putBy(t, v, b, fmt.Sprintf("b-%d", i)) })
	}
	wg.Wait()
	if kek.used[1] < 80 {
		t.Fatalf("the test has made %d uses", kek.used[1])
	}
	check("after writes", false)
	if err := errors.Join(meterA.Close(t.Context()), meterB.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	check("after an end", true)

	killed, _ := process(t, v, kek) // whose rest nobody gives back
	putBy(t, v, killed, "c")
	check("after a process was killed", false)
	if got := usesOf(t.Context(), t, v.Store)[1] - base[1] - kek.used[1]; got <= 0 {
		t.Errorf("the killed process took %d uses more than it made: not ahead", got)
	}

	rotate(t, v, vaulttest.Tenant)
	putBy(t, v, a, "d") // does not know yet
	rewrap(t, v, b)
	if kek.used[2] < 80 {
		t.Fatalf("the test has made %d uses of version 2", kek.used[2])
	}
	check("after a rotation", false)
	list, err := v.KeyStatus(t.Context(), v.As("operator", ""), v.Keeper())
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range list[0].Uses {
		if has := usesOf(t.Context(), t, v.Store)[w.Version]; w.Uses != has {
			t.Errorf("KeyStatus says %d uses of version %d, the store %d", w.Uses, w.Version, has)
		}
	}
	if n := len(list[0].Uses); n != 2 {
		t.Errorf("KeyStatus names %d versions, want 2: one that wraps nothing any more was used, too", n)
	}
}

// Where a use cannot be counted, it is not made.
func TestNoUseThatIsNotCounted(t *testing.T) {
	v := newVault(t)
	s, err := sqlitestore.Open(t.Context(), sqlitestore.Config{Path: filepath.Join(t.TempDir(), "other.db"), Now: v.Clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	kek := &counting{KEK: v.KEK, t: t, store: v.Store, used: map[int]int64{}}
	ring, err := keyring.New(keyring.Config{KEK: kek, Meter: vault.NewMeter(s), Now: v.Clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ring.Close)
	make1 := func() error {
		_, _, err := ring.Make(t.Context(), []keyring.ID{{Tenant: vaulttest.Tenant, UID: vaulttest.NewID(), Group: 1, Epoch: 1, Version: 1}})
		return err
	}
	if err := make1(); !errors.Is(err, keyring.ErrUnavailable) {
		t.Errorf("of a tenant that the store does not know: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := make1(); !errors.Is(err, keyring.ErrUnavailable) {
		t.Errorf("with a closed store: %v", err)
	}
	if kek.begun != 0 {
		t.Errorf("%d uses were made", kek.begun)
	}
}

// The alarm: from a quarter of 2^32 on, and louder from half on, until a rotation.
func TestAlarmLongBeforeTheLimitOfUses(t *testing.T) {
	var log bytes.Buffer
	v := newVault(t, vaulttest.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	ctx := t.Context()
	set := func(version int32, n int64) {
		t.Helper()
		has := usesOf(ctx, t, v.Store)[int(version)]
		err := v.Store.Update(ctx, func(tx vault.Tx) error {
			return tx.NoteKey(ctx, 1, vault.KeyLife{Key: vault.LifeKEK, Version: version, Uses: n - has})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	check := func(when, level, words string) {
		t.Helper()
		log.Reset()
		if err := v.CheckUses(ctx); err != nil {
			t.Fatal(err)
		}
		note := ""
		for _, c := range v.Ready(ctx) {
			if c.Name == "key-encryption key "+vaulttest.Tenant {
				if note = c.Note; !c.OK {
					t.Errorf("%s: the node leaves service", when)
				}
			}
		}
		said := kekStatus(t, v).Warning
		if words == "" {
			if note+said+log.String() != "" {
				t.Errorf("%s: %q, %q, %q", when, note, said, log.String())
			}
			return
		}
		for what, text := range map[string]string{"readyz": note, "status": said, "the log": log.String()} {
			if !strings.Contains(text, words) || !strings.Contains(text, "fieldvault keys rotate") {
				t.Errorf("%s: %s says %q", when, what, text)
			}
		}
		if !strings.Contains(log.String(), "level="+level) {
			t.Errorf("%s: the log says %q, want level %s", when, log.String(), level)
		}
	}
	check("at first", "", "")
	set(1, 1<<30-1)
	check("below a quarter", "", "")
	set(1, 1<<30)
	check("at a quarter", "WARN", "rotate it soon")
	set(1, 1<<31)
	check("at half", "ERROR", "rotate it now")
	if m := v.MostUsed(); m.Key != vaulttest.Tenant || m.Version != 1 || m.Uses != 1<<31 {
		t.Errorf("MostUsed is %+v", m)
	}
	rotate(t, v, vaulttest.Tenant)
	rewrap(t, v, v.Vault)
	check("after a rotation", "", "")
}
