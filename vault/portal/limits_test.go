package portal_test

import (
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/vault/portal"
)

// TestPagesAreMetered: one person who asks all the time holds up nobody else, and whoever
// is not signed in counts by their address.
func TestPagesAreMetered(t *testing.T) {
	s := newSite(t, func(c *portal.Config) { c.Rate, c.Burst = 1, 5 })
	busy := s.in(t)
	for range 4 { // the page that signing in led to was the first
		if r := busy.get(t, "/me"); r.status != 200 {
			t.Fatal(r.status)
		}
	}
	before := events(t, s)
	if r := busy.get(t, "/me"); r.status != 429 || r.header.Get("Retry-After") != "2" {
		t.Errorf("%d, Retry-After %q", r.status, r.header.Get("Retry-After"))
	}
	if n := events(t, s) - before; n != 0 {
		t.Errorf("a page that was refused left %d events", n)
	}
	stranger := s.browser(t)
	for range 4 { // signing in was the first
		if r := stranger.get(t, "/me"); r.status != 401 {
			t.Fatal(r.status)
		}
	}
	if r := stranger.get(t, "/me"); r.status != 429 {
		t.Errorf("a stranger: %d", r.status)
	}
	s.Clock.Advance(time.Second)
	if r := busy.get(t, "/me"); r.status != 200 {
		t.Errorf("after a second: %d", r.status)
	}
}

// events is how many there are.
func events(t *testing.T, s *site) int64 {
	t.Helper()
	if _, err := s.Sequence(t.Context()); err != nil {
		t.Fatal(err)
	}
	state, err := s.LogState(t.Context(), s.As("operator", ""))
	if err != nil {
		t.Fatal(err)
	}
	return state.Size
}
