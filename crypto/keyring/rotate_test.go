package keyring_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/crypto/cryptotest"
	"github.com/fieldvault/fieldvault/crypto/field"
	"github.com/fieldvault/fieldvault/crypto/keyring"
	"github.com/fieldvault/fieldvault/crypto/secret"
)

func TestRewrap(t *testing.T) {
	kek := cryptotest.NewKEK(t)
	r := newRing(t, keyring.Config{KEK: kek})
	ctx := context.Background()
	ids := people(4)
	ids[3].Tenant = "acme"
	old := stored(t, kek, ids...)
	before, _, err := r.Open(ctx, old)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kek.Rotate(ctx, "default"); err != nil {
		t.Fatal(err)
	}
	old[1].Wrapped.Bytes = append(bytes.Clone(old[1].Wrapped.Bytes), 0)
	unwraps := kek.Counts().Unwraps
	w, errs, err := r.Rewrap(ctx, old)
	if err != nil {
		t.Fatal(err)
	}
	if !errors.Is(errs[1], keyring.ErrUnwrap) || errs[0] != nil || errs[2] != nil || errs[3] != nil || w[1].Bytes != nil {
		t.Errorf("errors of the items: %v, want one for the second", errs)
	}
	if c := kek.Counts(); c.Rewraps != 2 || c.RewrapItems != 4 || c.Unwraps != unwraps {
		t.Errorf("%+v, want one Rewrap a tenant and no Unwrap", c)
	}
	for i, version := range []int{2, 0, 2, 1} {
		if w[i].Version != version {
			t.Errorf("key %d has version %d, want %d", i, w[i].Version, version)
		}
	}
	if err := kek.SetMinimum(ctx, "default", 2, 2); err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{0, 2, 3} {
		got, err := openOne(r, keyring.Sealed{ID: ids[i], Wrapped: w[i]})
		if err != nil || !works(got, before[i]) {
			t.Errorf("key %d is not the same after rewrapping: %v", i, err)
		}
	}
	cold := newRing(t, keyring.Config{KEK: kek})
	if _, err := openOne(cold, old[0]); !errors.Is(err, keyring.ErrUnwrap) || !errors.Is(err, cryptotest.ErrVersion) {
		t.Errorf("an old wrap after the minimum was raised: %v, want ErrUnwrap and its cause", err)
	}
}

func TestRewrapSecrets(t *testing.T) {
	kek := cryptotest.NewKEK(t)
	r := newRing(t, keyring.Config{KEK: kek})
	ctx := context.Background()
	labels := []string{"a", "b"}
	made, old, err := r.MakeSecrets(ctx, "default", labels)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kek.Rotate(ctx, "default"); err != nil {
		t.Fatal(err)
	}
	w, errs, err := r.RewrapSecrets(ctx, "default", labels, old)
	if err != nil || errs != nil {
		t.Fatal(errs, err)
	}
	opened, err := r.OpenSecrets(ctx, "default", labels, w)
	if err != nil || !opened[0].Equal(made[0]) || w[0].Version != 2 {
		t.Errorf("a secret is not the same after rewrapping, or not rewrapped: %v", err)
	}
	_, errs, err = r.RewrapSecrets(ctx, "default", []string{"b", "b"}, old)
	if err != nil || !errors.Is(errs[0], keyring.ErrUnwrap) || errs[1] != nil {
		t.Errorf("with one wrong label: %v, %v, want ErrUnwrap for it alone", errs, err)
	}
	if _, _, err := r.RewrapSecrets(ctx, "default", labels[:1], old); !errors.Is(err, keyring.ErrUnwrap) {
		t.Errorf("with fewer labels: %v, want ErrUnwrap", err)
	}
}

func TestRewrapFails(t *testing.T) {
	for name, rewrap := range map[string]func([]string, []error) ([]string, []error, error){
		"with the KEK":       func([]string, []error) ([]string, []error, error) { return nil, nil, errKEK },
		"on too few answers": func(w []string, e []error) ([]string, []error, error) { return w[:1], e, nil },
		"on too few errors":  func(w []string, e []error) ([]string, []error, error) { return w, e[:1], nil },
		"on malformed text":  func(w []string, e []error) ([]string, []error, error) { return []string{w[0], "x"}, e, nil },
	} {
		kek := cryptotest.NewKEK(t)
		r := newRing(t, keyring.Config{KEK: oddKEK{KEK: kek, rewrap: rewrap}})
		if w, _, err := r.Rewrap(context.Background(), stored(t, kek, people(2)...)); !errors.Is(err, keyring.ErrUnavailable) || w != nil {
			t.Errorf("%s: %v, want ErrUnavailable", name, err)
		}
	}
}

// TestRotate: the new version seals with a new key and opens what the old ones
// sealed, until they are retired.
func TestRotate(t *testing.T) {
	kek := cryptotest.NewKEK(t)
	r := newRing(t, keyring.Config{KEK: kek})
	ctx := context.Background()
	first := stored(t, kek, id(0))[0]
	firstKey, err := openOne(r, first)
	if err != nil {
		t.Fatal(err)
	}
	p := field.Place{Tenant: "default", UID: id(0).UID, Group: 2, Epoch: 1, Collection: 1, Record: "r", Field: 1}
	old, err := firstKey.Seal(p, secret.FromString("old"))
	if err != nil {
		t.Fatal(err)
	}

	secondKey, second, err := r.Rotate(ctx, first)
	if err != nil {
		t.Fatal(err)
	}
	want := first.ID
	want.Version = 2
	if second.ID != want {
		t.Errorf("the rotated key is %+v, want %+v", second.ID, want)
	}
	reopened, err := openOne(r, second)
	if err != nil || !works(secondKey, reopened) || !works(firstKey, secondKey) {
		t.Errorf("the rotated key does not open, or does not open what the old one sealed: %v", err)
	}
	if works(secondKey, firstKey) {
		t.Error("the rotated key still seals with the old one")
	}

	thirdKey, third, err := r.Retire(ctx, second)
	if err != nil {
		t.Fatal(err)
	}
	if third.ID.Version != 3 || !works(secondKey, thirdKey) {
		t.Error("retiring the old keys loses the new one")
	}
	if _, err := thirdKey.Open(p, old); !errors.Is(err, field.ErrOpen) {
		t.Errorf("a retired key still opens: %v", err)
	}
	if reopened, err := openOne(r, third); err != nil || works(firstKey, reopened) || !works(reopened, thirdKey) {
		t.Errorf("what was stored does not open as what was returned: %v", err)
	}
}

func TestRotateFails(t *testing.T) {
	kek := cryptotest.NewKEK(t)
	r := newRing(t, keyring.Config{KEK: kek})
	s := stored(t, kek, id(0))[0]
	moved := s
	moved.ID.Epoch++
	if _, _, err := r.Rotate(context.Background(), moved); !errors.Is(err, keyring.ErrUnwrap) {
		t.Errorf("a moved key: %v, want ErrUnwrap", err)
	}
	kek.Fail(errKEK)
	if _, _, err := r.Rotate(context.Background(), s); !errors.Is(err, keyring.ErrUnavailable) {
		t.Errorf("without KEK: %v, want ErrUnavailable", err)
	}
	kek.Fail(nil)
	noWrap := newRing(t, keyring.Config{KEK: oddKEK{KEK: kek, wrap: func([]string) ([]string, error) { return nil, errKEK }}})
	if _, _, err := noWrap.Rotate(context.Background(), s); !errors.Is(err, keyring.ErrUnavailable) {
		t.Errorf("when wrapping fails: %v, want ErrUnavailable", err)
	}
	if key, same, err := noWrap.Retire(context.Background(), s); err != nil || key == nil || same.ID != s.ID || !bytes.Equal(same.Wrapped.Bytes, s.Wrapped.Bytes) {
		t.Errorf("retiring where there is only a primary: %v, %v", same, err)
	}
}

// TestRewrappedKeysStayOpen: a key that is open when it is rewrapped needs no Unwrap,
// whether it is asked for as it was or as it is now, until it is as old as it may be.
// Bytes that the KEK did not make open nothing.
func TestRewrappedKeysStayOpen(t *testing.T) {
	kek, clock, ctx := cryptotest.NewKEK(t), newClock(), context.Background()
	r := newRing(t, keyring.Config{KEK: kek, Now: clock.Now, MaxAge: time.Minute})
	old := stored(t, kek, people(2)...)
	if _, _, err := r.Open(ctx, old[:1]); err != nil {
		t.Fatal(err)
	}
	clock.Add(30 * time.Second)
	forms := []keyring.Sealed{old[0]}
	for range 2 {
		if _, err := kek.Rotate(ctx, "default"); err != nil {
			t.Fatal(err)
		}
		w, errs, err := r.Rewrap(ctx, []keyring.Sealed{forms[len(forms)-1], old[1]})
		if err != nil || errs != nil {
			t.Fatal(err, errs)
		}
		forms = append(forms, keyring.Sealed{ID: old[0].ID, Wrapped: w[0]})
	}
	unwraps := func(s keyring.Sealed) (int, error) {
		before := kek.Counts().Unwraps
		_, err := openOne(r, s)
		return kek.Counts().Unwraps - before, err
	}
	for _, s := range forms[1:] {
		if n, err := unwraps(s); n != 0 || err != nil {
			t.Errorf("version %d: %d calls of Unwrap, %v, want none", s.Wrapped.Version, n, err)
		}
	}
	forged := forms[2]
	forged.Wrapped.Bytes = bytes.Clone(forged.Wrapped.Bytes)
	forged.Wrapped.Bytes[len(forged.Wrapped.Bytes)-1] ^= 1
	if n, err := unwraps(forged); n != 1 || err == nil {
		t.Errorf("forged: %d calls of Unwrap, %v", n, err)
	}
	other := old[1]
	other.Wrapped = forms[2].Wrapped
	if n, err := unwraps(other); n != 1 || err == nil {
		t.Errorf("another's: %d calls of Unwrap, %v", n, err)
	}
	clock.Add(31 * time.Second)
	if n, err := unwraps(forms[2]); n != 1 || err != nil {
		t.Errorf("after its time: %d calls of Unwrap, %v, want one", n, err)
	}
	if _, _, err := r.Rewrap(ctx, forms[2:]); err != nil {
		t.Fatal(err)
	}
	r.Forget("default", old[0].ID.UID)
	if n, err := unwraps(forms[2]); n != 1 || err != nil {
		t.Errorf("after it was forgotten: %d calls of Unwrap, %v, want one", n, err)
	}
}
