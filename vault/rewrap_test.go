package vault_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/crypto/keyring"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/storetest"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

// populate stores one record each of n people, k-0 and so on: two data keys a person.
func populate(t *testing.T, v *vaulttest.Vault, n int) {
	t.Helper()
	for first := 0; first < n; first += 500 {
		var ws []vault.Write
		for i := first; i < min(first+500, n); i++ {
			ws = append(ws, vault.Write{
				Subject: fmt.Sprintf("k-%d", i), Collection: "customer", Record: "self",
				Fields: vaulttest.Values(map[string]string{"email": email}),
			})
		}
		out, err := v.PutBatch(t.Context(), v.As("app", "support"), ws, vault.Idempotency{})
		for i := range out {
			err = errors.Join(err, out[i].Err)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// node is another process: the same store, with a key-encryption key and a cache of
// its own.
func node(t *testing.T, v *vaulttest.Vault, store vault.Store, kek keyring.KEK) *vault.Vault {
	t.Helper()
	ring, err := keyring.New(keyring.Config{KEK: kek, Now: v.Clock.Now, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ring.Close)
	n, err := vault.New(t.Context(), vault.Config{
		Store: store, Ring: ring, Now: v.Clock.Now, NewID: vaulttest.NewID, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// rotate adds a version and returns the job.
func rotate(t *testing.T, v *vaulttest.Vault, key string) vault.Job {
	t.Helper()
	_, job, err := v.RotateKEK(t.Context(), v.Operator(), v.Keeper(), key)
	if err != nil {
		t.Fatal(err)
	}
	return job
}

// rewrap runs the job to its end, as a runner does.
func rewrap(t *testing.T, v *vaulttest.Vault, n *vault.Vault) vault.Job {
	t.Helper()
	j := take(t, v)
	for range 100 {
		next, done, err := n.RewrapStep(t.Context(), j)
		if err != nil {
			t.Fatal(err)
		}
		if j = next; done {
			j.State = vault.JobDone
		}
		save(t, v, j)
		if done {
			return j
		}
	}
	t.Fatalf("the rewrap does not end: %+v", j)
	return j
}

func take(t *testing.T, v *vaulttest.Vault) (j vault.Job) {
	t.Helper()
	return takeOf(t, v, vault.JobRewrap)
}

func takeOf(t *testing.T, v *vaulttest.Vault, kind string) (j vault.Job) {
	t.Helper()
	now := v.Clock.Now()
	err := v.Store.Update(t.Context(), func(tx vault.Tx) (err error) {
		j, err = tx.TakeJob(t.Context(), []string{kind}, "test", now, now.Add(time.Minute))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func save(t *testing.T, v *vaulttest.Vault, j vault.Job) {
	t.Helper()
	if err := v.Store.Update(t.Context(), func(tx vault.Tx) error { return tx.SaveJob(t.Context(), j) }); err != nil {
		t.Fatal(err)
	}
}

// kekStatus is how the tenant's key stands.
func kekStatus(t *testing.T, v *vaulttest.Vault) vault.KEKStatus {
	t.Helper()
	list, err := v.KeyStatus(t.Context(), v.As("operator", ""), v.Keeper())
	if err != nil {
		t.Fatal(err)
	}
	return list[0]
}

// all says whether every one of n people is seen so, by a node that has opened nothing yet.
func all(t *testing.T, v *vaulttest.Vault, from, to int, want string) {
	t.Helper()
	cold := node(t, v, v.Store, v.KEK)
	for first := from; first < to; first += 500 {
		var items []vault.Item
		for i := first; i < min(first+500, to); i++ {
			items = append(items, vault.Item{Subject: fmt.Sprintf("k-%d", i), Collection: "customer", Record: "self", Fields: []string{"email"}})
		}
		out, err := cold.Reveal(t.Context(), v.As("billing", "billing"), items)
		if err != nil {
			t.Fatal(err)
		}
		for i := range out {
			got := ""
			if out[i].Err != nil {
				got = name(out[i].Err)
			} else if len(out[i].Fields) == 1 {
				got = string(out[i].Fields[0].Value.Expose())
			}
			if got != want {
				t.Fatalf("person %d of %d: %q, want %q", first+i, to, got, want)
			}
		}
	}
}

// wantKeyError checks that a step was refused as one that must wait.
func wantKeyError(t *testing.T, what string, err error) {
	t.Helper()
	var ke *vault.KeyError
	if !errors.As(err, &ke) || !errors.Is(err, vault.ErrConflict) || ke.Why == "" || ke.Next == "" {
		t.Errorf("%s: %v, want a KeyError", what, err)
	}
}

// The whole life of a version: rotated, everything moved, retired, trimmed. Requests
// go on all the while, and none fails; afterwards what was wrapped before is dead,
// and everybody who lives is read.
func TestLifeOfAKEKVersion(t *testing.T) {
	v := newVault(t)
	const n = 620
	populate(t, v, n)
	op, admin := v.As("operator", ""), v.Keeper()
	old := firstKeys(t, v, 1)[0]
	stop := traffic(t, v)

	_, err := v.RetireKEK(t.Context(), op, admin, vaulttest.Tenant)
	wantKeyError(t, "retiring the only version", err)
	_, err = v.TrimKEK(t.Context(), op, admin, vaulttest.Tenant)
	wantKeyError(t, "trimming the only version", err)

	version, job, err := v.RotateKEK(t.Context(), op, admin, vaulttest.Tenant)
	if err != nil || version != 2 || job.Kind != vault.JobRewrap || job.State != vault.JobQueued {
		t.Fatalf("rotated to %d with job %+v, %v", version, job, err)
	}
	_, err = v.RetireKEK(t.Context(), op, admin, vaulttest.Tenant)
	wantKeyError(t, "retiring before the rewrap", err)

	done := rewrap(t, v, v.Vault)
	if s := kekStatus(t, v); s.Epoch != 2 || len(s.Wraps) != 1 || s.Wraps[0].Version != 2 || s.Wraps[0].People < 2*n || s.Wraps[0].Own < 4 || s.Rewrap.State != vault.JobDone {
		t.Errorf("after the rewrap: %+v", s)
	}
	if done.Done < 2*n || done.Total < done.Done || done.Note == "" {
		t.Errorf("the job at its end: %+v", done)
	}
	_, err = v.TrimKEK(t.Context(), op, admin, vaulttest.Tenant)
	wantKeyError(t, "trimming before the retirement", err)
	if version, err = v.RetireKEK(t.Context(), op, admin, vaulttest.Tenant); version != 2 || err != nil {
		t.Fatalf("retired to %d, %v", version, err)
	}
	_, err = v.RetireKEK(t.Context(), op, admin, vaulttest.Tenant)
	wantKeyError(t, "retiring again", err)
	if version, err = v.TrimKEK(t.Context(), op, admin, vaulttest.Tenant); version != 2 || err != nil {
		t.Fatalf("trimmed to %d, %v", version, err)
	}
	stop()
	want := vault.KeyVersions{Latest: 2, MinDecrypt: 2, MinEncrypt: 2, MinAvailable: 2}
	if s := kekStatus(t, v); s.KeyVersions != want {
		t.Errorf("the versions at the end: %+v, want %+v", s.KeyVersions, want)
	}
	all(t, v, 0, n, email)
	if _, errs, err := v.Ring.Rewrap(t.Context(), []keyring.Sealed{old}); err != nil || errs == nil || !errors.Is(errs[0], keyring.ErrUnwrap) {
		t.Errorf("a wrapped key from before opens: %v, %v", errs, err)
	}
	if diff := cmp.Diff([]string{"rotate", "retire", "trim"}, keyEvents(t, v)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// traffic writes and reads, until it is stopped. Every request must do what it does
// at any other time.
func traffic(t *testing.T, v *vaulttest.Vault) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i := range 2 {
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				subject := fmt.Sprintf("t-%d-%d", i, n)
				w := vault.Write{Subject: subject, Collection: "customer", Record: "self", Fields: vaulttest.Values(map[string]string{"email": email})}
				if _, err := v.Vault.Put(t.Context(), v.As("app", "support"), w, vault.Idempotency{}); err != nil {
					t.Errorf("a write meanwhile: %v", err)
				}
				for _, s := range []string{subject, fmt.Sprintf("k-%d", n%100)} {
					if got := see(t, v, v.As("billing", "billing"), s, "email"); got != "plain: "+email {
						t.Errorf("a read meanwhile: %s", got)
					}
				}
			}
		})
	}
	return func() { cancel(); wg.Wait() }
}

// firstKeys are wrapped keys as they stand in the store.
func firstKeys(t *testing.T, v *vaulttest.Vault, n int) (list []keyring.Sealed) {
	t.Helper()
	for _, k := range keysBelow(t, v, 1<<30)[:n] {
		list = append(list, keyring.Sealed{
			ID:      keyring.ID{Tenant: vaulttest.Tenant, UID: k.UID, Group: k.Group, Epoch: k.Epoch, Version: k.Version},
			Wrapped: keyring.Wrapped{Version: int(k.KEKVersion), Bytes: k.Wrapped},
		})
	}
	return list
}

// keysBelow are the tenant's wrapped keys under versions below one.
func keysBelow(t *testing.T, v *vaulttest.Vault, below int32) (list []vault.PlacedKey) {
	t.Helper()
	err := v.Store.View(t.Context(), func(tx vault.Tx) (err error) {
		list, err = tx.KeysBelow(t.Context(), 1, below, uuid.Nil, 100_000)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// keyEvents are the codes of the allowed events of the action keys.
func keyEvents(t *testing.T, v *vaulttest.Vault) (codes []string) {
	t.Helper()
	for _, e := range v.Events(t) {
		if e.Action == "keys" && e.Outcome == audit.Allowed {
			codes = append(codes, e.Code)
		}
	}
	return codes
}

// heldKEK lets a test stop its process after the key-encryption key has answered.
type heldKEK struct {
	keyring.KEK
	after func(verb string)
}

func (k heldKEK) Wrap(ctx context.Context, key string, contexts, plaintexts [][]byte) ([]string, error) {
	w, err := k.KEK.Wrap(ctx, key, contexts, plaintexts)
	k.after("wrap")
	return w, err
}

func (k heldKEK) Rewrap(ctx context.Context, key string, contexts [][]byte, wrapped []string) ([]string, []error, error) {
	w, errs, err := k.KEK.Rewrap(ctx, key, contexts, wrapped)
	k.after("rewrap")
	return w, errs, err
}

// A process that was stopped between wrapping a key and storing it, while the key was
// rotated, everything moved, the old version retired and trimmed, stores no key
// that nobody can open: it wraps again.
func TestAStoppedProcessStoresNoDeadKey(t *testing.T) {
	v := newVault(t)
	populate(t, v, 3)
	wraps := 0
	stopped, goOn := make(chan struct{}), make(chan struct{})
	n := node(t, v, v.Store, heldKEK{v.KEK, func(string) {
		if wraps++; wraps == 1 {
			close(stopped)
			<-goOn
		}
	}})
	done := make(chan error)
	go func() {
		w := vault.Write{Subject: "k-3", Collection: "customer", Record: "self", Fields: vaulttest.Values(map[string]string{"email": email})}
		_, err := n.Put(t.Context(), v.As("app", "support"), w, vault.Idempotency{})
		done <- err
	}()
	<-stopped
	rotate(t, v, vaulttest.Tenant)
	rewrap(t, v, v.Vault)
	if _, err := v.RetireKEK(t.Context(), v.Operator(), v.Keeper(), vaulttest.Tenant); err != nil {
		t.Fatal(err)
	}
	if _, err := v.TrimKEK(t.Context(), v.Operator(), v.Keeper(), vaulttest.Tenant); err != nil {
		t.Fatal(err)
	}
	close(goOn)
	if err := <-done; err != nil {
		t.Fatalf("the write: %v", err)
	}
	if wraps < 2 {
		t.Errorf("it stored what it wrapped under the old version")
	}
	if list := keysBelow(t, v, 2); len(list) > 0 {
		t.Errorf("%d keys are under a version that is destroyed", len(list))
	}
	all(t, v, 0, 4, email)
}

// lateKEK lets a test stop its process before it asks the key-encryption key to open.
type lateKEK struct {
	keyring.KEK
	before func()
}

func (k *lateKEK) Unwrap(ctx context.Context, key string, contexts [][]byte, wrapped []string) ([][]byte, []error, error) {
	if k.before != nil {
		k.before()
	}
	return k.KEK.Unwrap(ctx, key, contexts, wrapped)
}

// A request that was stopped between loading a key and opening it, while the key was
// moved and its old version trimmed, opens it as it stands by then, however often it
// moved; one whose person was erased meanwhile opens nothing.
func TestAStoppedRequestOpensWhatWasMoved(t *testing.T) {
	v := newVault(t)
	populate(t, v, 2)
	version := 1
	cycle := func() {
		version++
		rotate(t, v, vaulttest.Tenant)
		rewrap(t, v, v.Vault)
		if _, err := v.RetireKEK(t.Context(), v.Operator(), v.Keeper(), vaulttest.Tenant); err != nil {
			t.Error(err)
		}
		if got, err := v.TrimKEK(t.Context(), v.Operator(), v.Keeper(), vaulttest.Tenant); got != version || err != nil {
			t.Errorf("trimmed to %d, %v", got, err)
		}
	}
	// late stops it once, and three times in a row: the key moves on while it is followed.
	late := func(f func(n *vault.Vault)) {
		for _, moves := range []int{1, 3} {
			kek := &lateKEK{KEK: v.KEK}
			n := node(t, v, v.Store, kek)
			kek.before = func() {
				if moves--; moves >= 0 {
					cycle()
				}
			}
			f(n)
		}
	}
	items := []vault.Item{{Subject: "k-0", Collection: "customer", Record: "self", Fields: []string{"email"}}}
	late(func(n *vault.Vault) {
		out, err := n.Reveal(t.Context(), v.As("billing", "billing"), items)
		if err != nil || out[0].Err != nil || string(out[0].Fields[0].Value.Expose()) != email {
			t.Errorf("a read: %+v, %v", out, err)
		}
	})
	late(func(n *vault.Vault) {
		m, err := n.Search(t.Context(), v.As("app", "support"), vault.Query{Collection: "customer", Field: "email", Equals: []byte(`"` + email + `"`)})
		if err != nil || len(m.Matches) != 2 {
			t.Errorf("a search: %+v, %v", m, err)
		}
	})
	late(func(n *vault.Vault) {
		w := vault.Write{Subject: "k-0", Collection: "customer", Record: "self", Fields: vaulttest.Values(map[string]string{"email": email})}
		if _, err := n.Put(t.Context(), v.As("app", "support"), w, vault.Idempotency{}); err != nil {
			t.Errorf("a write: %v", err)
		}
	})
	late(func(n *vault.Vault) {
		if err := n.SetRestriction(t.Context(), v.As("dpo", ""), "k-0", true, "disputed"); err != nil {
			t.Errorf("a restriction: %v", err)
		}
	})
	kek := &lateKEK{KEK: v.KEK}
	n := node(t, v, v.Store, kek)
	kek.before = sync.OnceFunc(func() {
		if _, err := v.Erase(t.Context(), v.As("dpo", ""), vault.Erasing{Subject: "k-1"}); err != nil {
			t.Error(err)
		}
		cycle()
	})
	items[0].Subject = "k-1"
	if out, err := n.Reveal(t.Context(), v.As("billing", "billing"), items); err != nil || out[0].Err == nil {
		t.Errorf("a read of an erased person: %+v, %v", out, err)
	}
}

// heldStore lets a test stop its process inside a transaction, before the commit.
type heldStore struct {
	vault.Store
	before func()
}

func (s heldStore) Update(ctx context.Context, f func(vault.Tx) error) error {
	return s.Store.Update(ctx, func(tx vault.Tx) error {
		err := f(tx)
		s.before()
		return err
	})
}

// A transaction that began before the epoch was raised may still store an old wrap:
// the rewrap waits for it and moves that too.
func TestARewrapWaitsForEarlierTransactions(t *testing.T) {
	v := newVault(t)
	populate(t, v, 3)
	stopped, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	n := node(t, v, heldStore{v.Store, func() { once.Do(func() { close(stopped); <-goOn }) }}, v.KEK)
	put := make(chan error)
	go func() {
		w := vault.Write{Subject: "k-3", Collection: "customer", Record: "self", Fields: vaulttest.Values(map[string]string{"email": email})}
		_, err := n.Put(t.Context(), v.As("app", "support"), w, vault.Idempotency{})
		put <- err
	}()
	<-stopped
	if _, err := v.Keeper().Rotate(t.Context(), vaulttest.Tenant); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		j, done, err := vault.Job{Tenant: 1}, false, error(nil)
		for !done && err == nil {
			j, done, err = v.RewrapStep(t.Context(), j)
		}
		ended <- err
	}()
	select {
	case err := <-ended:
		t.Errorf("the rewrap ended before an earlier transaction did: %v", err)
		ended <- err
	case <-time.After(300 * time.Millisecond):
	}
	close(goOn)
	if err := errors.Join(<-put, <-ended); err != nil {
		t.Fatal(err)
	}
	if list := keysBelow(t, v, 2); len(list) > 0 {
		t.Errorf("%d keys were left under the old version", len(list))
	}
	all(t, v, 0, 4, email)
}

// A rewrap that races a thousand erasures brings nobody back: between the answer of
// the key-encryption key and the write of each batch, hundreds are erased.
func TestRewrapRacingErasuresBringsNothingBack(t *testing.T) {
	storetest.NeedTime(t)
	v := newVault(t)
	const people, erased = 1200, 1000
	populate(t, v, people)
	rotate(t, v, vaulttest.Tenant)
	next := 0
	n := node(t, v, v.Store, heldKEK{v.KEK, func(string) {
		until := min(next+250, erased)
		var wg sync.WaitGroup
		for part := range 4 {
			wg.Go(func() {
				for i := next + part; i < until; i += 4 {
					if _, err := v.Erase(t.Context(), v.As("dpo", ""), vault.Erasing{Subject: fmt.Sprintf("k-%d", i)}); err != nil {
						t.Errorf("an erasure: %v", err)
					}
				}
			})
		}
		wg.Wait()
		next = until
	}})
	j := rewrap(t, v, n)
	if next != erased {
		t.Fatalf("only %d were erased meanwhile", next)
	}
	if lost := 2*people - int(j.Done); lost <= 0 {
		t.Errorf("%d keys moved: no erasure came between", j.Done)
	}
	list := keysBelow(t, v, 1<<30)
	if len(list) != 2*(people-erased) {
		t.Errorf("%d wrapped keys, want %d: two of each who lives", len(list), 2*(people-erased))
	}
	if i := slices.IndexFunc(list, func(k vault.PlacedKey) bool { return k.KEKVersion != 2 }); i >= 0 {
		t.Error("a key was left under the old version")
	}
	all(t, v, 0, erased, "gone")
	all(t, v, erased, people, email)
}

// A rewrap that is killed goes on where it was: steps that were done and not saved
// are done again, and those that were saved are not.
func TestARewrapThatIsKilledGoesOn(t *testing.T) {
	storetest.NeedTime(t)
	v := newVault(t)
	const n = 800
	populate(t, v, n)
	rotate(t, v, vaulttest.Tenant)
	j := take(t, v)
	before := v.KEK.Counts().RewrapItems
	for step, done := 0, false; !done; step++ {
		if step > 100 {
			t.Fatal("it does not end")
		}
		broken, cancel := context.WithCancel(t.Context())
		cancel()
		if _, _, err := v.RewrapStep(broken, j); err == nil {
			t.Error("a step without time did something")
		}
		// Killed after the step, before the save; then another process.
		if _, _, err := v.RewrapStep(t.Context(), j); err != nil {
			t.Fatal(err)
		}
		next, d, err := node(t, v, v.Store, v.KEK).RewrapStep(t.Context(), j)
		if err != nil {
			t.Fatal(err)
		}
		j, done = next, d
	}
	if list := keysBelow(t, v, 2); len(list) > 0 {
		t.Errorf("%d keys were left", len(list))
	}
	if items := v.KEK.Counts().RewrapItems - before; items > 2*n+500 {
		t.Errorf("%d rewraps of %d keys: it began again and again", items, 2*n)
	}
	all(t, v, 0, n, email)
}

// A rotation while a rewrap is under way is the same job's affair.
func TestRotatedDuringARewrap(t *testing.T) {
	v := newVault(t)
	populate(t, v, 400)
	first := rotate(t, v, vaulttest.Tenant)
	j := take(t, v)
	for range 3 {
		var err error
		if j, _, err = v.RewrapStep(t.Context(), j); err != nil {
			t.Fatal(err)
		}
	}
	save(t, v, j)
	second := rotate(t, v, vaulttest.Tenant)
	if second.ID != first.ID {
		t.Errorf("two jobs for one key")
	}
	_, err := v.RetireKEK(t.Context(), v.Operator(), v.Keeper(), vaulttest.Tenant)
	wantKeyError(t, "retiring while a rewrap runs", err)
	v.Clock.Advance(2 * time.Minute) // the lease of the first process ends
	rewrap(t, v, v.Vault)
	if s := kekStatus(t, v); s.Epoch != 3 || len(s.Wraps) != 1 || s.Wraps[0].Version != 3 {
		t.Errorf("at the end: %+v", s)
	}
	all(t, v, 0, 400, email)
}

// A key that does not open stops no other; the job says so, and nothing is retired
// before it is repaired or its person erased.
func TestKeysThatDoNotOpenAreNotLeftBehind(t *testing.T) {
	v := newVault(t)
	v.Tampered()
	populate(t, v, 300)
	damaged := keysBelow(t, v, 1<<30)[0]
	err := v.Store.Update(t.Context(), func(tx vault.Tx) error {
		n, err := tx.RewrapKeys(t.Context(), 1, []vault.Rewrapped{{
			UID: damaged.UID, Group: damaged.Group, Epoch: damaged.Epoch, Version: damaged.Version,
			KEKVersion: damaged.KEKVersion, Next: damaged.KEKVersion, Wrapped: append([]byte("l"), make([]byte, 60)...),
		}})
		if err == nil && n != 1 {
			err = errors.New("the key was not damaged")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	rotate(t, v, vaulttest.Tenant)
	j, done := take(t, v), false
	for range 20 {
		var next vault.Job
		if next, done, err = v.RewrapStep(t.Context(), j); err != nil || done {
			break
		}
		j = next
	}
	if !errors.Is(err, vault.ErrIntegrity) || done {
		t.Fatalf("a rewrap with a damaged key ends: %v, done %v", err, done)
	}
	if list := keysBelow(t, v, 2); len(list) != 1 {
		t.Errorf("%d keys were left, want the damaged one", len(list))
	}
	j.State, j.Note = vault.JobFailed, "a key does not open"
	save(t, v, j)
	_, err = v.RetireKEK(t.Context(), v.Operator(), v.Keeper(), vaulttest.Tenant)
	wantKeyError(t, "retiring with a key left", err)
	for i := range 300 {
		if got := see(t, v, v.As("billing", "billing"), fmt.Sprintf("k-%d", i), "email"); got == "integrity" {
			if _, err := v.Erase(t.Context(), v.As("dpo", ""), vault.Erasing{Subject: fmt.Sprintf("k-%d", i)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if left := keysBelow(t, v, 2); len(left) > 0 { // its person's identity key: nobody was told
		if err := v.Store.Update(t.Context(), func(tx vault.Tx) error {
			_, err := tx.DestroyKeys(t.Context(), 1, left[0].UID)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := v.RewrapKEK(t.Context(), v.Operator(), vaulttest.Tenant); err != nil {
		t.Fatal(err)
	}
	rewrap(t, v, v.Vault)
	if _, err := v.RetireKEK(t.Context(), v.Operator(), v.Keeper(), vaulttest.Tenant); err != nil {
		t.Errorf("retiring after the repair: %v", err)
	}
}

// The system's key goes the same way, by an operator at the machine.
func TestSystemKEK(t *testing.T) {
	v := newVault(t)
	rotate(t, v, keyring.System)
	rewrap(t, v, v.Vault)
	if _, err := v.RetireKEK(t.Context(), v.Operator(), v.Keeper(), keyring.System); err != nil {
		t.Fatal(err)
	}
	if _, err := v.TrimKEK(t.Context(), v.Operator(), v.Keeper(), keyring.System); err != nil {
		t.Fatal(err)
	}
	list, err := v.KeyStatus(t.Context(), v.As("operator", ""), v.Keeper())
	if err != nil {
		t.Fatal(err)
	}
	want := []vault.KEKWraps{{Version: 2, Own: 1}}
	if s := list[1]; s.Key != keyring.System || s.Epoch != 2 || s.MinAvailable != 2 || !slices.Equal(s.Wraps, want) {
		t.Errorf("the system's key: %+v", s)
	}
	if list[0].Latest != 1 {
		t.Errorf("the tenant's key was rotated too")
	}
	if key := node(t, v, v.Store, v.KEK).VerifierKey(); !key.Equal(v.VerifierKey()) {
		t.Error("another signing key, or none, is open afterwards")
	}
}

func TestWhoMayRotate(t *testing.T) {
	v := newVault(t)
	outside := v.Operator()
	outside.Tenant = "nobody"
	for what, f := range map[string]func() error{
		"an application": func() error {
			_, _, err := v.RotateKEK(t.Context(), v.As("app", ""), v.Keeper(), vaulttest.Tenant)
			return err
		},
		"a data protection officer trims": func() error {
			_, err := v.TrimKEK(t.Context(), v.As("dpo", ""), v.Keeper(), vaulttest.Tenant)
			return err
		},
		"an application looks": func() error {
			_, err := v.KeyStatus(t.Context(), v.As("app", ""), v.Keeper())
			return err
		},
		"an operator with a token, the system's": func() error {
			_, _, err := v.RotateKEK(t.Context(), v.As("operator", ""), v.Keeper(), keyring.System)
			return err
		},
		"an operator, another tenant's": func() error {
			_, err := v.RetireKEK(t.Context(), v.Operator(), v.Keeper(), "other")
			return err
		},
		"an operator of no tenant": func() error {
			_, err := v.RewrapKEK(t.Context(), outside, "nobody")
			return err
		},
	} {
		if err := f(); !errors.Is(err, vault.ErrDenied) {
			t.Errorf("%s: %v, want ErrDenied", what, err)
		}
	}
	if s := kekStatus(t, v); s.Latest != 1 {
		t.Errorf("it was rotated: %+v", s)
	}
}

// While the key store does not answer, nothing changes, and the log says that
// something was tried.
func TestKeyStoreDown(t *testing.T) {
	v := newVault(t)
	populate(t, v, 5)
	j := rotate(t, v, vaulttest.Tenant)
	v.KEK.Fail(errors.New("down"))
	if _, _, err := v.RotateKEK(t.Context(), v.Operator(), v.Keeper(), vaulttest.Tenant); !errors.Is(err, vault.ErrUnavailable) {
		t.Errorf("rotating: %v, want ErrUnavailable", err)
	}
	if _, _, err := v.RewrapStep(t.Context(), j); !errors.Is(err, vault.ErrUnavailable) {
		t.Errorf("rewrapping: %v, want ErrUnavailable", err)
	}
	v.KEK.Fail(nil)
	rewrap(t, v, v.Vault)
	if s := kekStatus(t, v); s.Latest != 2 || len(s.Wraps) != 1 {
		t.Errorf("at the end: %+v", s)
	}
}
