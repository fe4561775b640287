package report_test

import (
	"strings"
	"testing"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/audit/report"
)

// TestRolesAttr: whatever roles an issuer names, the attribute is one that an event takes.
func TestRolesAttr(t *testing.T) {
	long := accessctl.Role(strings.Repeat("r", 100))
	for _, c := range []struct {
		roles []accessctl.Role
		want  string
	}{
		{nil, ""},
		{[]accessctl.Role{"support"}, "support"},
		{[]accessctl.Role{"support", "app", "app"}, "app+support"},
		{[]accessctl.Role{"a+b"}, ""},
		{[]accessctl.Role{"a+b", "app"}, "app"},
		{[]accessctl.Role{"ro|le"}, ""},
		{[]accessctl.Role{long, long + "x", "app"}, "app+" + string(long)},
		{[]accessctl.Role{long + long}, ""},
		{[]accessctl.Role{"app", accessctl.RoleSubject}, ""},
	} {
		attrs := report.RolesAttr(c.roles)
		got := ""
		if len(attrs) == 1 {
			got = attrs[0].Value
		}
		if got != c.want {
			t.Errorf("of %q: %q, want %q", c.roles, got, c.want)
		}
		e := audit.Event{Subject: attrs}
		if joined := strings.Join(report.RolesOf(&e), "+"); joined != c.want {
			t.Errorf("of %q: read as %q", c.roles, joined)
		}
	}
}
