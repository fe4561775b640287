//go:build e2e

package e2e_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/accessctl/jwtauth"
)

// floodIssuer has its key set behind a URL, which counts how often it is read.
const floodIssuer = "https://flood.example.org"

// A keySet is a key set behind a URL.
type keySet struct {
	signer *jwtauth.Signer
	server *httptest.Server
	reads  atomic.Int64
}

func newKeySet(t *testing.T) *keySet {
	t.Helper()
	s, err := jwtauth.NewSigner(floodIssuer, time.Now)
	must(t, err)
	k := &keySet{signer: s}
	k.server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		k.reads.Add(1)
		_, _ = rw.Write(s.JWKS())
	}))
	t.Cleanup(k.server.Close)
	return k
}

// rotatedKeySet replaces the away issuer's keys: a token under the old one is
// refused on every node within 60 s, one under the new one accepted. It waits for
// that, so it runs where the production parts do.
func rotatedKeySet(t *testing.T, w *world) {
	needProduction(t)
	nodes := []string{w.url}
	if w.production {
		_, other := w.second(t)
		nodes = append(nodes, other)
	}
	old := w.tokenBy(t, w.away, "app", of("other"))
	asks := func(node, token string) int {
		return w.at(t, node, call{token: token, purpose: "support", path: recordPath("t04", "customer", "self") + "?fields=email"}).status
	}
	for _, n := range nodes {
		if got := asks(n, old); got != http.StatusNotFound {
			t.Fatalf("before: %d, want 404", got)
		}
	}
	w.away = w.issuer(t, awayIssuer)
	fresh := w.tokenBy(t, w.away, "app", of("other"))
	rotated := time.Now()
	for _, n := range nodes {
		for asks(n, old) != http.StatusUnauthorized {
			if time.Since(rotated) > time.Minute {
				t.Fatal("the old key is accepted a minute after it was replaced")
			}
			time.Sleep(time.Second)
		}
		if got := asks(n, fresh); got != http.StatusNotFound {
			t.Errorf("a token under the new key: %d, want 404", got)
		}
	}
}

// floodOfUnknownKeys sends tokens whose key the set does not have: it is read once
// for them, and perhaps once because its time had come.
func floodOfUnknownKeys(t *testing.T, w *world) {
	good := w.tokenBy(t, w.flood.signer, "app", of("lab"))
	path := recordPath("t05", "customer", "self") + "?fields=email"
	if got := w.do(t, call{token: good, purpose: "support", path: path}).status; got != http.StatusNotFound {
		t.Fatalf("a good token: %d, want 404", got)
	}
	f := newForger(t, w)
	before := w.flood.reads.Load()
	for i := range 200 {
		forged := f.signed(with(f.header, map[string]any{"kid": "unknown-" + strconv.Itoa(i)}), with(f.claims, map[string]any{"iss": floodIssuer, "tenant": "lab"}))
		if got := w.do(t, call{token: forged, purpose: "support", path: path}).status; got != http.StatusUnauthorized && got != http.StatusTooManyRequests {
			t.Fatalf("a token under an unknown key: %d", got)
		}
	}
	if n := w.flood.reads.Load() - before; n > 2 {
		t.Errorf("200 unknown keys made the key set be read %d times", n)
	}
	if got := w.do(t, call{token: good, purpose: "support", path: path}).status; got != http.StatusNotFound {
		t.Errorf("a good token after the flood: %d, want 404", got)
	}
}

// writeKeySet replaces a key set's file in one step.
func writeKeySet(t *testing.T, path string, b []byte) {
	t.Helper()
	must(t, os.WriteFile(path+".new", b, 0o600))
	must(t, os.Rename(path+".new", path))
}
