package jwtauth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fieldvault/fieldvault/accessctl/jwtauth"
)

func TestRememberedTokensDieAtExp(t *testing.T) {
	c := newClock()
	v := verifier(t, config(c))
	whole := good()
	if _, err := v.Verify(t.Context(), whole); err != nil || v.Cached() != 1 {
		t.Fatalf("%v, %d remembered", err, v.Cached())
	}
	c.move(600*time.Second - 1)
	if _, err := v.Verify(t.Context(), whole); err != nil {
		t.Error(err)
	}
	c.move(1)
	if _, err := v.Verify(t.Context(), whole); err == nil || v.Cached() != 0 {
		t.Errorf("%v, %d remembered", err, v.Cached())
	}
}

func TestTheCacheIsBounded(t *testing.T) {
	cfg := config(newClock())
	cfg.MaxCached = 3
	v := verifier(t, cfg)
	for i := range 50 {
		if _, err := v.Verify(t.Context(), good(fmt.Sprintf(`sub="svc-%d"`, i))); err != nil {
			t.Fatal(err)
		}
		if n := v.Cached(); n != min(i+1, 3) {
			t.Fatalf("%d remembered after %d", n, i+1)
		}
	}
	if _, err := v.Verify(t.Context(), "x.y.z"); err == nil || v.Cached() != 3 {
		t.Error("a refusal is remembered")
	}
}

// TestPrincipalsDoNotGrowIntoEachOther: what one request appends, no other sees.
func TestPrincipalsDoNotGrowIntoEachOther(t *testing.T) {
	v := verifier(t, config(newClock()))
	whole := good(`roles=["app","app","dpo"]`, `purposes=["billing","billing"]`)
	p, err := v.Verify(t.Context(), whole)
	if err != nil || cap(p.Roles) != len(p.Roles) || cap(p.Purposes) != len(p.Purposes) {
		t.Errorf("%v; room for %d roles, %d purposes", err, cap(p.Roles), cap(p.Purposes))
	}
}

func TestCloseLeavesNothingBehind(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	s := newIssuerServer(t, keySet(keys()["a-ed"]))
	defer s.Close()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	cfg := overHTTP(newClock(), s)
	cfg.HTTPClient = &http.Client{Transport: transport}
	v, err := jwtauth.New(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	asked := make(chan struct{})
	s.handle(func(_ http.ResponseWriter, r *http.Request) {
		close(asked)
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() {
		defer close(over)
		k := keys()["stranger"]
		if _, err := v.Verify(ctx, token(k, header(k), payload())); !errors.Is(err, jwtauth.ErrToken) {
			t.Error(err)
		}
	}()
	<-asked
	cancel()
	<-over // but the read goes on
	if err := errors.Join(v.Run(ctx), v.Close(), v.Close()); err != nil {
		t.Error(err)
	}
	if _, err := v.Verify(context.Background(), good()); err != nil {
		t.Errorf("after Close, before the set is stale: %v", err)
	}
}

func TestNewEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := jwtauth.New(ctx, config(newClock())); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// TestARemovedKeyEndsRememberedTokens: theirs that it signed, at the next read of the
// set; the tokens of a key that is still there are verified once more.
func TestARemovedKeyEndsRememberedTokens(t *testing.T) {
	stays, goes := keys()["a-ed"], keys()["a-ec"]
	c, s := newClock(), newIssuerServer(t, keySet(stays, goes))
	v := verifier(t, overHTTP(c, s))
	kept, ended := typical(stays), typical(goes)
	for range 2 {
		for _, whole := range []string{kept, ended} {
			if _, err := v.Verify(t.Context(), whole); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := v.Cached(); n != 2 {
		t.Fatalf("%d remembered", n)
	}
	s.serve(keySet(stays))
	c.move(time.Minute)
	if _, err := v.Verify(t.Context(), ended); !errors.Is(err, jwtauth.ErrToken) {
		t.Errorf("the removed key: %v", err)
	}
	if n := v.Cached(); n != 0 {
		t.Errorf("%d remembered after the change", n)
	}
	if _, err := v.Verify(t.Context(), kept); err != nil || v.Cached() != 1 {
		t.Errorf("the key that is still there: %v, %d remembered", err, v.Cached())
	}
}
