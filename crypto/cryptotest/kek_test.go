package cryptotest_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fieldvault/fieldvault/crypto/cryptotest"
	"github.com/fieldvault/fieldvault/crypto/keyring"
)

var _ keyring.KEK = (*cryptotest.KEK)(nil)

var one = [][]byte{{1}}

func wrap(t *testing.T, k *cryptotest.KEK, key string) []string {
	t.Helper()
	w, err := k.Wrap(context.Background(), key, one, [][]byte{[]byte("plain")})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// unwrap returns what opens, or the error of the item or of the call.
func unwrap(k *cryptotest.KEK, key string, contexts [][]byte, w []string) (string, error) {
	plain, errs, err := k.Unwrap(context.Background(), key, contexts, w)
	if err != nil {
		return "", err
	}
	if errs[0] != nil {
		return "", errs[0]
	}
	return string(plain[0]), nil
}

func TestKEKBindsItsItems(t *testing.T) {
	k := cryptotest.NewKEK(t)
	w := wrap(t, k, "default")
	if got, err := unwrap(k, "default", one, w); err != nil || got != "plain" {
		t.Errorf("%q, %v", got, err)
	}
	for name, c := range map[string]struct {
		key      string
		contexts [][]byte
		wrapped  string
	}{
		"another context": {"default", [][]byte{{2}}, w[0]},
		"another key":     {"acme", one, w[0]},
		"another scheme":  {"default", one, strings.Replace(w[0], "local", "vault", 1)},
		"malformed text":  {"default", one, "local:v01:AA=="},
		"cut":             {"default", one, "local:v1:AAAA"},
	} {
		if _, err := unwrap(k, c.key, c.contexts, []string{c.wrapped}); !errors.Is(err, cryptotest.ErrItem) {
			t.Errorf("%s: %v, want ErrItem", name, err)
		}
	}
	if _, err := k.Wrap(context.Background(), "default", one, nil); err == nil {
		t.Error("a context without item is accepted")
	}
}

func TestKEKCounts(t *testing.T) {
	k := cryptotest.NewKEK(t)
	w := wrap(t, k, "default")
	if _, err := unwrap(k, "default", one, w); err != nil {
		t.Fatal(err)
	}
	if _, _, err := k.Rewrap(context.Background(), "default", append(one, one...), append(w, w...)); err != nil {
		t.Fatal(err)
	}
	want := cryptotest.Counts{Wraps: 1, Unwraps: 1, Rewraps: 1, WrapItems: 1, UnwrapItems: 1, RewrapItems: 2}
	if diff := cmp.Diff(want, k.Counts()); diff != "" || k.Calls() != 3 || k.Items() != 4 {
		t.Errorf("%d calls, %d items (-want +got)\n%s", k.Calls(), k.Items(), diff)
	}
	log := []cryptotest.Request{{Verb: "wrap", Key: "default", Items: 1}, {Verb: "unwrap", Key: "default", Items: 1}, {Verb: "rewrap", Key: "default", Items: 2}}
	if diff := cmp.Diff(log, k.Log()); diff != "" {
		t.Error(diff)
	}
}

func TestKEKFails(t *testing.T) {
	k := cryptotest.NewKEK(t)
	w, ctx, down := wrap(t, k, "default"), context.Background(), errors.New("down")
	verbs := map[string]func() error{
		"Wrap":      func() error { _, err := k.Wrap(ctx, "default", one, one); return err },
		"Unwrap":    func() error { _, err := unwrap(k, "default", one, w); return err },
		"Rewrap":    func() error { _, _, err := k.Rewrap(ctx, "default", one, w); return err },
		"CreateKey": func() error { return k.CreateKey(ctx, "acme") },
		"Status":    func() error { _, err := k.Status(ctx, "default"); return err },
		"Rotate":    func() error { _, err := k.Rotate(ctx, "default"); return err },
		"Ping":      func() error { return k.Ping(ctx) },
	}
	k.Fail(down)
	for verb, f := range verbs {
		if err := f(); !errors.Is(err, down) {
			t.Errorf("%s: %v, want the error that was set", verb, err)
		}
	}
	k.Fail(nil)
	for verb, f := range verbs {
		if err := f(); err != nil {
			t.Errorf("%s, after it was taken back: %v", verb, err)
		}
	}
}

func TestKEKStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := cryptotest.NewKEK(t)
		k.Stop()
		k.Stop()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		for verb, err := range map[string]error{
			"Wrap":      func() error { _, err := k.Wrap(ctx, "default", one, one); return err }(),
			"Ping":      k.Ping(ctx),
			"CreateKey": k.CreateKey(ctx, "default"),
		} {
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v, want to hang until the deadline", verb, err)
			}
		}
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { wrap(t, k, "default") })
		}
		k.AwaitHeld(3)
		k.Continue()
		k.Continue()
		wg.Wait()
	})
}

func TestKEKIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := cryptotest.NewKEK(t)
		k.Delay(time.Hour)
		before := time.Now()
		wrap(t, k, "default")
		if d := time.Since(before); d != time.Hour { // in the bubble, time is exact
			t.Errorf("took %v, want an hour", d)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if _, err := k.Wrap(ctx, "default", one, one); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, want DeadlineExceeded", err)
		}
	})
}

func TestKEKRequiresKeys(t *testing.T) {
	k := cryptotest.NewKEK(t)
	k.RequireKeys()
	ctx := context.Background()
	if _, err := k.Wrap(ctx, "default", one, one); !errors.Is(err, cryptotest.ErrNoKey) {
		t.Errorf("Wrap: %v, want ErrNoKey", err)
	}
	if _, err := k.Rotate(ctx, "default"); !errors.Is(err, cryptotest.ErrNoKey) {
		t.Errorf("Rotate: %v, want ErrNoKey", err)
	}
	for range 2 {
		if err := k.CreateKey(ctx, "default"); err != nil {
			t.Fatal(err)
		}
	}
	wrap(t, k, "default")
}

func TestKEKLifeCycle(t *testing.T) {
	k := cryptotest.NewKEK(t)
	ctx := context.Background()
	old := wrap(t, k, "default")
	if n, err := k.Rotate(ctx, "default"); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	renewed, errs, err := k.Rewrap(ctx, "default", one, old)
	if err != nil || errs[0] != nil || !strings.HasPrefix(renewed[0], "local:v2:") {
		t.Fatal(renewed, errs, err)
	}
	for _, refused := range []error{k.Trim(ctx, "default", 1), k.SetMinimum(ctx, "default", 3, 0), k.SetMinimum(ctx, "default", 2, 1), k.SetMinimum(ctx, "default", 0, 0)} {
		if !errors.Is(refused, cryptotest.ErrMinimum) {
			t.Errorf("%v, want ErrMinimum", refused)
		}
	}
	if err := k.SetMinimum(ctx, "default", 2, 2); err != nil {
		t.Fatal(err)
	}
	if _, err := unwrap(k, "default", one, old); !errors.Is(err, cryptotest.ErrVersion) {
		t.Errorf("retired: %v, want ErrVersion", err)
	}
	if err := k.SetMinimum(ctx, "default", 1, 2); err != nil {
		t.Fatal(err)
	}
	if _, err := unwrap(k, "default", one, old); err != nil {
		t.Errorf("taken back: %v", err)
	}
	if err := errors.Join(k.SetMinimum(ctx, "default", 2, 2), k.Trim(ctx, "default", 2)); err != nil {
		t.Fatal(err)
	}
	if _, err := unwrap(k, "default", one, old); !errors.Is(err, cryptotest.ErrVersion) {
		t.Errorf("trimmed: %v, want ErrVersion", err)
	}
	if _, err := unwrap(k, "default", one, renewed); err != nil {
		t.Errorf("the renewed: %v", err)
	}
	want := cryptotest.KeyStatus{Latest: 2, MinDecrypt: 2, MinEncrypt: 2, MinAvailable: 2}
	if s, err := k.Status(ctx, "default"); err != nil || s != want {
		t.Errorf("%+v, %v, want %+v", s, err, want)
	}
}

func TestNewRing(t *testing.T) {
	r := cryptotest.NewRing(t)
	id := keyring.ID{Tenant: "default", UID: [16]byte{1}, Group: 2, Epoch: 1, Version: 1}
	keys, w, err := r.Make(context.Background(), []keyring.ID{id})
	if err != nil {
		t.Fatal(err)
	}
	r.Keep(id, w[0], keys[0])
	if _, errs, err := r.Open(context.Background(), []keyring.Sealed{{ID: id, Wrapped: w[0]}}); errs != nil || err != nil {
		t.Error(errs, err)
	}
	if s := r.Stats(); s.Hits != 1 {
		t.Errorf("%+v, want a hit", s)
	}
}

func TestCopyHasTheKeysAndGoesItsOwnWay(t *testing.T) {
	k := cryptotest.NewKEK(t)
	w := wrap(t, k, "default")
	c := k.Copy(t)
	if got := c.Calls(); got != 0 {
		t.Errorf("%d calls were asked of a new copy", got)
	}
	if got, err := unwrap(c, "default", one, w); err != nil || got != "plain" {
		t.Errorf("the copy: %q, %v", got, err)
	}
	if _, err := c.Rotate(t.Context(), "default"); err != nil {
		t.Fatal(err)
	}
	if err := c.SetMinimum(t.Context(), "default", 2, 2); err != nil {
		t.Fatal(err)
	}
	if _, err := unwrap(c, "default", one, w); !errors.Is(err, cryptotest.ErrVersion) {
		t.Errorf("below the copy's minimum: %v", err)
	}
	if got, err := unwrap(k, "default", one, w); err != nil || got != "plain" {
		t.Errorf("the first, after the copy was rotated: %q, %v", got, err)
	}
	if s, err := k.Status(t.Context(), "default"); err != nil || s.Latest != 1 {
		t.Errorf("the first's status: %+v, %v", s, err)
	}
}
