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
	if r := busy.get(t, "/me"); r.status != 429 || r.header.Get("Retry-After") != "2" {
		t.Errorf("%d, Retry-After %q", r.status, r.header.Get("Retry-After"))
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
