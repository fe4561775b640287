package jwtauth_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fieldvault/fieldvault/accessctl/jwtauth"
)

// roundTripper is a transport without a network, for clocks that are not real.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(body string) *http.Response {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(body)), Header: http.Header{}}
}

// hourly is a token that is good for an hour from the present time of a bubble.
func hourly(k keyPair) string {
	at := time.Now().Unix()
	return token(k, header(k), payload(fmt.Sprintf("iat=%d", at), fmt.Sprintf("exp=%d", at+3600)))
}

// overTransport is a configuration whose issuer A is behind a transport, on the
// present clock of a bubble.
func overTransport(f roundTripper) jwtauth.Config {
	cfg := config(newClock())
	cfg.Issuers = cfg.Issuers[:1]
	cfg.Issuers[0].JWKS, cfg.Issuers[0].JWKSURL = nil, "https://a.example.org/jwks"
	cfg.HTTPClient = &http.Client{Transport: f}
	cfg.Now = time.Now
	return cfg
}

// T46: a key that was taken out of the set is refused within 60 s, cached or not,
// and the key that took its place is accepted.
func TestTokensT46RotatedKeyIsRefusedWithinAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, fresh := keys()["a-ed"], keys()["new"]
		var rotated atomic.Bool
		v, err := jwtauth.New(t.Context(), overTransport(func(*http.Request) (*http.Response, error) {
			if rotated.Load() {
				return answer(keySet(fresh)), nil
			}
			return answer(keySet(old)), nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- v.Run(ctx) }()
		cached, other := hourly(old), func() string { return hourly(old) }
		for range 95 {
			if _, err := v.Verify(ctx, cached); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		rotated.Store(true)
		at := time.Now()
		for refused := false; !refused; time.Sleep(100 * time.Millisecond) {
			_, err1 := v.Verify(ctx, cached)
			_, err2 := v.Verify(ctx, other())
			refused = err1 != nil && err2 != nil
			if time.Since(at) > time.Minute {
				t.Fatalf("after a minute: %v, %v", err1, err2)
			}
		}
		if _, err := v.Verify(ctx, hourly(fresh)); err != nil {
			t.Errorf("the new key: %v", err)
		}
		cancel()
		if err := errors.Join(<-done, v.Close()); err != nil {
			t.Error(err)
		}
	})
}

// T47: a process that was stopped, so that nothing was read for a while, reads the
// set before it accepts another token.
func TestTokensT47AStoppedProcessReadsFirst(t *testing.T) {
	c, s := newClock(), newIssuerServer(t, keySet(keys()["a-ed"]))
	v := verifier(t, overHTTP(c, s))
	if _, err := v.Verify(t.Context(), good()); err != nil {
		t.Fatal(err)
	}
	s.serve(keySet(keys()["new"]))
	c.move(time.Minute)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := v.Verify(t.Context(), good()); err == nil {
				t.Error("accepted under a key that is gone")
			}
		})
	}
	wg.Wait()
	if n := s.requests.Load(); n > 3 { // the first, one for all that wait, one for the kid that then is unknown
		t.Errorf("%d requests", n)
	}
}

// T48: a flood of unknown key ids causes at most one fetch in 30 s.
func TestTokensT48UnknownKidsCauseOneFetch(t *testing.T) {
	c, s := newClock(), newIssuerServer(t, keySet(keys()["a-ed"]))
	cfg := overHTTP(c, s)
	cfg.RefreshInterval = 50 * time.Second
	v := verifier(t, cfg)
	flood := func() {
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				for j := range 20 {
					k := keys()["stranger"]
					if _, err := v.Verify(t.Context(), token(k, header(k, fmt.Sprintf(`kid="k%d-%d"`, i, j)), payload())); err == nil {
						t.Error("accepted")
					}
				}
			})
		}
		wg.Wait()
	}
	want := int64(1) // at the start
	for _, step := range []struct {
		after time.Duration
		more  int64
	}{{0, 1}, {29 * time.Second, 0}, {time.Second, 1}, {10 * time.Second, 0}} {
		c.move(step.after)
		want += step.more
		flood()
		if got := s.requests.Load(); got != want {
			t.Fatalf("%d requests after %v, want %d", got, step.after, want)
		}
	}
	if _, err := v.Verify(t.Context(), good()); err != nil {
		t.Error(err)
	}
}

// T49: a token that is refused for another reason causes no fetch.
func TestTokensT49RefusedTokensCauseNoFetch(t *testing.T) {
	s := newIssuerServer(t, keySet(keys()["a-ed"]))
	v := verifier(t, overHTTP(newClock(), s))
	k := keys()["stranger"]
	for _, change := range []string{"exp=1", `tenant="other"`, `aud="x"`, `iss="https://c.example.org"`, "sub", "roles", "x=1,\"x\":1"} {
		if _, err := v.Verify(t.Context(), token(k, header(k), payload(change))); err == nil {
			t.Error("accepted")
		}
	}
	if _, err := v.Verify(t.Context(), token(k, header(k, `alg="HS256"`), payload())); err == nil {
		t.Error("accepted")
	}
	if n := s.requests.Load(); n != 1 {
		t.Errorf("%d requests", n)
	}
}

func TestANewKeyIsAcceptedAtOnce(t *testing.T) {
	s := newIssuerServer(t, keySet(keys()["a-ed"]))
	v := verifier(t, overHTTP(newClock(), s))
	s.serve(keySet(keys()["a-ed"], keys()["new"]))
	k := keys()["new"]
	if _, err := v.Verify(t.Context(), token(k, header(k), payload())); err != nil {
		t.Error(err)
	}
}

// TestAnotherKeyUnderTheSameID: the id is no identity; a changed set forgets what was
// verified under the one before.
func TestAnotherKeyUnderTheSameID(t *testing.T) {
	c, s := newClock(), newIssuerServer(t, keySet(keys()["a-ed"]))
	v := verifier(t, overHTTP(c, s))
	for _, whole := range []string{good(), good(`sub="svc-2"`)} {
		if _, err := v.Verify(t.Context(), whole); err != nil {
			t.Fatal(err)
		}
	}
	s.serve(keySet(keys()["b as a"]))
	c.move(time.Minute)
	if _, err := v.Verify(t.Context(), good()); err == nil {
		t.Error("accepted under a key that is gone")
	}
	if n := v.Cached(); n != 0 {
		t.Errorf("%d tokens still remembered", n)
	}
	k := keys()["b as a"]
	if _, err := v.Verify(t.Context(), token(k, header(k), payload())); err != nil {
		t.Error(err)
	}
}

// TestBadKeySets: none of these sets opens anything, neither at the start nor after a
// good one, which serves on.
func TestBadKeySets(t *testing.T) {
	k := keys()
	small := keyPair{"small", "RS256", must(rsa.GenerateKey(rand.Reader, 1024))}
	curve := keyPair{"curve", "ES256", must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))}
	ed := k["stranger"]
	for name, c := range map[string]struct {
		set string
		key keyPair
	}{
		"RSA of 1024 bits":      {keySet(small), small},
		"curve P-384":           {keySet(curve), curve},
		"for encryption":        {`{"keys":[` + ed.jwk(`"use":"enc"`) + `]}`, ed},
		"not for verifying":     {`{"keys":[` + ed.jwk(`"key_ops":["sign"]`) + `]}`, ed},
		"for another algorithm": {`{"keys":[` + ed.jwk(`"alg":"ES256"`) + `]}`, ed},
		"id twice":              {`{"keys":[` + ed.jwk() + `,` + keyPair{ed.id, "", k["a-ed"].private}.jwk() + `]}`, ed},
		"without id":            {`{"keys":[` + strings.Replace(ed.jwk(), `"kid":"stranger"`, `"use":"sig"`, 1) + `]}`, ed},
		"id of 4 KiB":           {strings.Replace(keySet(ed), `"stranger"`, `"`+strings.Repeat("k", 4096)+`"`, 1), ed},
		"symmetric":             {`{"keys":[{"kty":"oct","k":"AAAA","kid":"stranger"}]}`, ed},
		"unknown kind":          {`{"keys":[{"kty":"XYZ","kid":"stranger"}]}`, ed},
		"off the curve":         {strings.Replace(keySet(k["a-ec"]), `"y":"`, `"y":"AA`, 1), k["a-ec"]},
		"no keys":               {`{"keys":[]}`, ed},
		"null keys":             {`{"keys":null}`, ed},
		"a member twice":        {`{"keys":[],"keys":[` + ed.jwk() + `]}`, ed},
		"in capitals, too":      {`{"KEYS":[],"keys":[` + ed.jwk() + `]}`, ed},
		"a key's member twice":  {`{"keys":[` + ed.jwk(`"kid":"stranger"`) + `]}`, ed},
		"no object":             {`[` + ed.jwk() + `]`, ed},
		"trailing data":         {keySet(ed) + "{}", ed},
		"empty":                 {"", ed},
		"HTML":                  {"<html></html>", ed},
		"too many keys":         {`{"keys":[` + strings.Repeat(`{"kty":"XYZ"},`, 64) + ed.jwk() + `]}`, ed},
		"too large":             {keySet(ed) + strings.Repeat(" ", 256<<10), ed},
	} {
		t.Run(name, func(t *testing.T) {
			cl, s := newClock(), newIssuerServer(t, c.set)
			v := verifier(t, overHTTP(cl, s))
			if err := v.Ready(); !errors.Is(err, jwtauth.ErrKeySet) {
				t.Errorf("ready: %v", err)
			}
			bad := token(c.key, header(c.key), payload())
			if _, err := v.Verify(t.Context(), bad); err == nil {
				t.Error("accepted")
			}
			s.serve(keySet(k["a-ed"]))
			cl.move(time.Minute)
			if _, err := v.Verify(t.Context(), good()); err != nil {
				t.Errorf("after a good set: %v", err)
			}
			s.serve(c.set)
			cl.move(time.Minute)
			if _, err := v.Verify(t.Context(), bad); err == nil {
				t.Error("accepted")
			}
			if _, err := v.Verify(t.Context(), good()); err != nil {
				t.Errorf("the set before serves no more: %v", err)
			}
			cfg := config(cl)
			cfg.Issuers[0].JWKS = []byte(c.set)
			if _, err := jwtauth.New(t.Context(), cfg); c.set != "" && !errors.Is(err, jwtauth.ErrKeySet) {
				t.Errorf("in the configuration: %v", err)
			}
		})
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestUnusableKeysArePassedOver: one key that serves is enough.
func TestUnusableKeysArePassedOver(t *testing.T) {
	cfg := config(newClock())
	cfg.Issuers[0].JWKS = []byte(`{"keys":[{"kty":"oct","k":"AAAA","kid":"h"},{"kty":"XYZ"},{"kty":"RSA"},` +
		keys()["stranger"].jwk(`"use":"enc"`) + `,` + keys()["a-ed"].jwk(`"alg":"EdDSA"`, `"use":"sig"`, `"key_ops":["verify"]`, `"x5u":"https://example.org"`) + `],"other":1}`)
	v := verifier(t, cfg)
	if _, err := v.Verify(t.Context(), good()); err != nil {
		t.Error(err)
	}
}

// TestOnlyTheIssuersAlgorithms: a key in the set for an algorithm that is not
// configured opens nothing.
func TestOnlyTheIssuersAlgorithms(t *testing.T) {
	cfg := config(newClock())
	cfg.Issuers[0].Algorithms = []string{"ES256"}
	v := verifier(t, cfg)
	for id, want := range map[string]error{"a-ec": nil, "a-ed": jwtauth.ErrToken, "a-rsa": jwtauth.ErrToken} {
		k := keys()[id]
		if _, err := v.Verify(t.Context(), token(k, header(k), payload())); !errors.Is(err, want) {
			t.Errorf("%s: %v", id, err)
		}
	}
}

func TestBadAnswersOpenNothing(t *testing.T) {
	set := keySet(keys()["a-ed"])
	elsewhere := newIssuerServer(t, set)
	var sent atomic.Int64
	for name, f := range map[string]http.HandlerFunc{
		"302": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) },
		"307": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		},
		"500": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, set, http.StatusInternalServerError) },
		"206": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusPartialContent)
			_, _ = io.WriteString(w, set)
		},
		"cut": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100000")
			_, _ = io.WriteString(w, set)
		},
		"endless": func(w http.ResponseWriter, _ *http.Request) {
			for _, err := io.WriteString(w, set); err == nil && sent.Load() < 64<<20; sent.Add(64 << 10) {
				_, err = w.Write(bytes.Repeat([]byte(" "), 64<<10))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newIssuerServer(t, "")
			s.handle(f)
			v := verifier(t, overHTTP(newClock(), s))
			if _, err := v.Verify(t.Context(), good()); err == nil || v.Ready() == nil {
				t.Errorf("accepted, or ready: %v", v.Ready())
			}
		})
	}
	if n := elsewhere.requests.Load(); n != 0 {
		t.Errorf("%d redirects were followed", n)
	}
	if n := sent.Load(); n == 0 || n >= 64<<20 {
		t.Errorf("%d bytes of an endless set were read", n)
	}
}

// TestTheSetServesUntilItIsStale: an issuer that cannot be reached takes nobody's
// access at once, and everybody's in the end.
func TestTheSetServesUntilItIsStale(t *testing.T) {
	c, s := newClock(), newIssuerServer(t, keySet(keys()["a-ed"]))
	cfg := overHTTP(c, s)
	cfg.MaxStale = 5 * time.Minute
	v := verifier(t, cfg)
	s.handle(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "", http.StatusBadGateway) })
	long := good(fmt.Sprintf("exp=%d", start.Unix()+3000))
	for range 4 {
		c.move(time.Minute)
		if _, err := v.Verify(t.Context(), long); err != nil {
			t.Fatal(err)
		}
	}
	if err := v.Ready(); err != nil {
		t.Error(err)
	}
	c.move(time.Minute)
	if _, err := v.Verify(t.Context(), long); err == nil {
		t.Error("accepted under a stale set")
	}
	if err := v.Ready(); !errors.Is(err, jwtauth.ErrKeySet) || !strings.Contains(err.Error(), issuerA) {
		t.Errorf("ready: %v", err)
	}
	s.serve(keySet(keys()["a-ed"]))
	c.move(time.Minute)
	if _, err := v.Verify(t.Context(), long); err != nil || v.Ready() != nil {
		t.Errorf("when the issuer is back: %v, %v", err, v.Ready())
	}
}

// TestASlowIssuerHoldsNobodyLong: a verification waits a second, not for as long as
// the issuer takes; and not again while it is known not to answer.
func TestASlowIssuerHoldsNobodyLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var slow atomic.Bool
		v, err := jwtauth.New(t.Context(), overTransport(func(r *http.Request) (*http.Response, error) {
			if slow.Load() {
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
			return answer(keySet(keys()["a-ed"])), nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		slow.Store(true)
		whole := hourly(keys()["a-ed"])
		time.Sleep(time.Minute)
		for i, want := range []time.Duration{time.Second, time.Second, time.Second, time.Second, time.Second, 0, 0, 0} {
			at := time.Now()
			if _, err := v.Verify(t.Context(), whole); err != nil {
				t.Fatalf("%d: %v", i, err)
			}
			if took := time.Since(at); took != want {
				t.Errorf("%d waited %v, want %v", i, took, want)
			}
			synctest.Wait()
		}
		stranger := hourly(keys()["stranger"])
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		at := time.Now()
		if _, err := v.Verify(ctx, stranger); !errors.Is(err, jwtauth.ErrToken) || time.Since(at) > 100*time.Millisecond {
			t.Errorf("%v after %v, past its context", err, time.Since(at))
		}
		if err := v.Close(); err != nil { // ends the read under way
			t.Error(err)
		}
	})
}

func TestAnIssuerThatStartsLater(t *testing.T) {
	c, s := newClock(), newIssuerServer(t, "")
	s.handle(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "", http.StatusServiceUnavailable) })
	v := verifier(t, overHTTP(c, s))
	if err := v.Ready(); !errors.Is(err, jwtauth.ErrKeySet) {
		t.Errorf("ready: %v", err)
	}
	s.serve(keySet(keys()["a-ed"]))
	ctx, cancel := context.WithCancel(t.Context())
	cfg := overHTTP(c, s)
	cfg.RefreshInterval = time.Millisecond
	quick := verifier(t, cfg)
	done := make(chan error)
	go func() { done <- quick.Run(ctx) }()
	for quick.Ready() != nil {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	c.move(time.Minute)
	if _, err := v.Verify(t.Context(), good()); err != nil {
		t.Error(err)
	}
}

func TestKeysFromAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jwks.json")
	write := func(set string) {
		if err := os.WriteFile(path, []byte(set), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := newClock()
	cfg := config(c)
	cfg.Issuers[0].JWKS, cfg.Issuers[0].JWKSFile = nil, path
	if _, err := jwtauth.New(t.Context(), cfg); !errors.Is(err, jwtauth.ErrKeySet) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without the file: %v", err)
	}
	write(keySet(keys()["a-ed"]))
	v := verifier(t, cfg)
	if _, err := v.Verify(t.Context(), good()); err != nil {
		t.Fatal(err)
	}
	write(keySet(keys()["new"]))
	c.move(time.Minute)
	if _, err := v.Verify(t.Context(), good()); err == nil {
		t.Error("accepted under a key that is gone")
	}
}

// FuzzKeySets: a key set makes a Verifier or is ErrKeySet, and a token of ours passes
// only if our key is in the set.
func FuzzKeySets(f *testing.F) {
	ed, whole := keys()["a-ed"], good()
	f.Add([]byte(keySet(ed)))
	f.Add([]byte(keySet(keys()["a-rsa"], keys()["a-ec"])))
	f.Add([]byte(`{"keys":[{"kty":"oct","k":"AAAA","kid":"a-ed"}]}`))
	f.Fuzz(func(t *testing.T, set []byte) {
		cfg := config(newClock())
		cfg.Issuers = cfg.Issuers[:1]
		cfg.Issuers[0].JWKS = set
		v, err := jwtauth.New(context.Background(), cfg)
		if err != nil {
			if !errors.Is(err, jwtauth.ErrKeySet) && len(set) > 0 {
				t.Fatal(err)
			}
			return
		}
		_, err = v.Verify(context.Background(), whole)
		if err == nil && !bytes.Contains(set, []byte(`a-ed`)) && !bytes.Contains(set, []byte(`\u`)) {
			t.Fatalf("verifies under %s", set)
		}
		if err := v.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
