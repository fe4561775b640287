package vault_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit/report"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

func entersConsole(t *testing.T, v *vaulttest.Vault, c accessctl.Caller) string {
	t.Helper()
	session, _, err := v.EnterConsole(t.Context(), c, "token")
	if err != nil {
		t.Fatal(err)
	}
	return session
}

// TestConsoleSession: it stands for who signed in, on every node, until the sign-out.
func TestConsoleSession(t *testing.T) {
	v := withCustomer(t)
	n := v.Node(t, nil)
	as := v.As("dpo", "")
	as.Narrowed, as.Purposes = true, []accessctl.Purpose{"support"}
	session := entersConsole(t, v, as)
	c, err := n.AtConsole(t.Context(), session, vaulttest.NewID())
	if err != nil || c.Actor() != as.Actor() || !slices.Equal(c.Roles, as.Roles) || !c.Narrowed || !slices.Equal(c.Purposes, as.Purposes) || c.Tenant != as.Tenant {
		t.Fatalf("%+v, %v", c, err)
	}
	list := events(t, v)
	if e := list[len(list)-1]; e.Action != accessctl.ActionConsole || e.Code != "token" || e.Actor != as.Actor() {
		t.Errorf("the log has %+v", e)
	}
	if err := n.SignOut(t.Context(), session); err != nil {
		t.Fatal(err)
	}
	_, err = v.AtConsole(t.Context(), session, vaulttest.NewID())
	wants(t, fault(err), "spent")
}

// TestConsoleSessionEnds with the token, or after an hour.
func TestConsoleSessionEnds(t *testing.T) {
	v := withCustomer(t)
	short, long := v.As("dpo", ""), v.As("dpo", "")
	short.Expires, long.Expires = v.Clock.Now().Add(time.Minute), v.Clock.Now().Add(24*time.Hour)
	a, b := entersConsole(t, v, short), entersConsole(t, v, long)
	v.Clock.Advance(time.Minute)
	_, err := v.AtConsole(t.Context(), a, vaulttest.NewID())
	wants(t, fault(err), "expired")
	if _, err := v.AtConsole(t.Context(), b, vaulttest.NewID()); err != nil {
		t.Error(err)
	}
	v.Clock.Advance(vault.SessionLife)
	_, err = v.AtConsole(t.Context(), b, vaulttest.NewID())
	wants(t, fault(err), "expired")
}

// TestConsoleKeepsOut people, roles without the action, and tickets of another kind: an
// operator's session is no person's, and a person's none of an operator.
func TestConsoleKeepsOut(t *testing.T) {
	v := withCustomer(t)
	both := v.As("dpo", "")
	both.Roles = append(both.Roles, accessctl.RoleSubject)
	both.Person = "c-1"
	for _, c := range []accessctl.Caller{v.As("app", ""), v.As("nobody", ""), v.Person("c-1", ""), both} {
		if _, _, err := v.EnterConsole(t.Context(), c, "token"); name(err) != name(vault.ErrDenied) {
			t.Errorf("%v enters: %v", c.Roles, err)
		}
	}
	session, person := entersConsole(t, v, v.As("dpo", "")), signsIn(t, v, "c-1")
	_, err := v.Session(t.Context(), session, vaulttest.NewID())
	wants(t, fault(err), "forged")
	_, err = v.Form(t.Context(), session, vaulttest.NewID())
	wants(t, fault(err), "forged")
	_, err = v.SignIn(t.Context(), session, vault.Browser{}, vaulttest.NewID())
	wants(t, fault(err), "forged")
	_, err = v.AtConsole(t.Context(), person, vaulttest.NewID())
	wants(t, fault(err), "forged")
	many := v.As("dpo", "")
	for range 100 {
		many.Roles = append(many.Roles, accessctl.Role(strings.Repeat("x", 60)))
	}
	var bad *vault.InvalidError
	if _, _, err := v.EnterConsole(t.Context(), many, "token"); !errors.As(err, &bad) {
		t.Errorf("a session with more roles than a cookie holds: %v", err)
	}
}

// TestDuties: what is offered is what the acts themselves permit.
func TestDuties(t *testing.T) {
	v := withCustomer(t)
	for role, want := range map[accessctl.Role]string{
		"dpo":      "erase hold restrict consent consent_read reenrol requests access_history inspect audit approve console; reads ; finds ; by ",
		"operator": "honey configure inspect keys audit jobs console; reads ; finds ; by ",
		"support":  "console; reads support; finds support; by last_name phone email",
		"nobody":   "; reads ; finds ; by ",
	} {
		d, err := v.Duties(t.Context(), v.As(role, ""))
		if err != nil {
			t.Fatal(err)
		}
		var may, by []string
		for _, a := range accessctl.Actions() {
			if d.May[a] {
				may = append(may, string(a))
			}
		}
		for _, f := range d.Searches {
			by = append(by, f.Name)
		}
		got := strings.Join(may, " ") + "; reads " + purposes(d.Reads) + "; finds " + purposes(d.Finds) + "; by " + strings.Join(by, " ")
		if got != want {
			t.Errorf("%s may\n%s, want\n%s", role, got, want)
		}
	}
}

func purposes(list []accessctl.Purpose) string {
	var s []string
	for _, p := range list {
		s = append(s, string(p))
	}
	return strings.Join(s, " ")
}

// TestTrend counts what was done where it was done: readings by role, refusals, erasures
// and decisions by day.
func TestTrend(t *testing.T) {
	v := newVault(t, vaulttest.Options{})
	for _, c := range []string{"c-1", "c-2"} {
		v.Put(t, c, "customer", "self", map[string]string{"email": email, "last_name": "Test"})
	}
	v.Clock.Advance(12 * time.Hour)
	see(t, v, v.As("support", "support"), "c-1", "email")
	see(t, v, v.As("billing", "billing"), "c-1", "email")
	see(t, v, v.As("billing", "billing"), "c-2", "email")
	see(t, v, v.Person("c-1", "self"), "c-1", "email")
	see(t, v, v.As("marketing", "billing"), "c-1", "email") // is refused
	for subject, decision := range map[string]string{"c-1": "granted", "c-2": "refused"} {
		if _, err := v.RecordConsent(t.Context(), v.As("dpo", ""), vault.Decided{Subject: subject, Purpose: "marketing", Decision: decision, Notice: "1", Method: "api"}); err != nil {
			t.Fatal(err)
		}
	}
	v.Clock.Advance(24 * time.Hour)
	if _, err := v.Erase(t.Context(), v.As("dpo", ""), vault.Erasing{Subject: "c-2"}); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Sequence(t.Context()); err != nil {
		t.Fatal(err)
	}
	v.Clock.Advance(12 * time.Hour)
	r, m, err := v.Trend(t.Context(), v.As("dpo", ""), 7, 7)
	if err != nil || len(r.Steps) != 7 || !m.Usage.Checkpoint.Verified {
		t.Fatalf("%+v, %v", r, err)
	}
	before, last := r.Steps[5], r.Steps[6]
	if d := before.Decided["marketing"]; before.Denied != 1 || before.Erased != 0 || d != (report.Decided{Yes: 1, All: 2}) {
		t.Errorf("the day before: %+v", before)
	}
	if last.Denied != 0 || last.Erased != 1 || len(last.Decided) != 0 {
		t.Errorf("the last day: %+v", last)
	}
	if want := []report.RoleUse{{Roles: "billing", Values: 2}, {Roles: "support", Values: 1}}; !slices.Equal(r.Roles, want) {
		t.Errorf("by role %+v, want %+v", r.Roles, want)
	}
	if _, _, err := v.Trend(t.Context(), v.As("support", ""), 7, 7); name(err) != name(vault.ErrDenied) {
		t.Errorf("support reads the log: %v", err)
	}
}
