package console_test

import (
	"testing"

	"github.com/fieldvault/fieldvault/vault/portal/console"
)

// TestPagesAreMetered: one operator who asks all the time holds up nobody else.
func TestPagesAreMetered(t *testing.T) {
	s := newSite(t, func(c *console.Config) { c.Rate, c.Burst = 1, 5 })
	busy := s.as(t, "dpo")
	for range 4 { // the page that signing in led to was the first
		wants(t, busy.get(t, "/console/approvals"))
	}
	if r := busy.get(t, "/console/approvals"); r.status != 429 || r.header.Get("Retry-After") != "2" {
		t.Errorf("%d, Retry-After %q", r.status, r.header.Get("Retry-After"))
	}
	wants(t, s.as(t, "support").get(t, "/console"))
}
