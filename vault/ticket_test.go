package vault_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

// signsIn gives a person a link and uses it.
func signsIn(t *testing.T, v *vaulttest.Vault, subject string) string {
	t.Helper()
	session, err := v.SignIn(t.Context(), link(t, v, subject, ""), vault.Browser{}, vaulttest.NewID())
	if err != nil {
		t.Fatal(err)
	}
	return session
}

func link(t *testing.T, v *vaulttest.Vault, subject, browser string) string {
	t.Helper()
	s, expires, err := v.IssueTicket(t.Context(), v.As("app", ""), subject, vault.TicketLink, browser)
	if err != nil || !expires.Equal(v.Clock.Now().Add(vault.LinkLife)) {
		t.Fatalf("a link until %v: %v", expires, err)
	}
	return s
}

// fault says why a ticket was not taken.
func fault(err error) string {
	var e *vault.TicketError
	switch {
	case err == nil:
		return "taken"
	case errors.As(err, &e):
		return string(e.Why)
	}
	return name(err)
}

func TestTicketLetsOneBrowserInOnce(t *testing.T) {
	v := withCustomer(t)
	n := v.Node(t, nil)
	one := link(t, v, "c-1", "")
	v.KEK.Fail(vault.ErrUnavailable) // nobody waits for the key-encryption key
	session, err := n.SignIn(t.Context(), one, vault.Browser{}, vaulttest.NewID())
	if err != nil {
		t.Fatal(err)
	}
	c, err := v.Session(t.Context(), session, vaulttest.NewID())
	v.KEK.Fail(nil)
	if err != nil || c.Person != "c-1" || c.Tenant != vaulttest.Tenant || !c.IsPerson() || len(c.Roles) != 1 {
		t.Fatalf("%+v, %v", c, err)
	}
	c.Purpose = "self"
	if got := see(t, v, c, "c-1", "email"); !strings.HasPrefix(got, "plain") {
		t.Errorf("the person sees %s", got)
	}
	_, err = v.SignIn(t.Context(), one, vault.Browser{}, vaulttest.NewID())
	wants(t, fault(err), "spent")
	if err := v.SignOut(t.Context(), session); err != nil {
		t.Error(err)
	}
	_, err = n.Session(t.Context(), session, vaulttest.NewID())
	wants(t, fault(err), "spent")
	if err := v.SignOut(t.Context(), session); err != nil {
		t.Error(err)
	}
}

func TestTicketOfABrowser(t *testing.T) {
	v := withCustomer(t)
	sum := sha256.Sum256([]byte("secret"))
	one := link(t, v, "c-1", hex.EncodeToString(sum[:]))
	for _, secret := range []string{"", "another", hex.EncodeToString(sum[:])} {
		_, err := v.SignIn(t.Context(), one, vault.Browser{Secret: secret}, vaulttest.NewID())
		wants(t, fault(err), "browser")
	}
	if _, err := v.SignIn(t.Context(), one, vault.Browser{Secret: "secret", Bound: true}, vaulttest.NewID()); err != nil {
		t.Error(err)
	}
	_, err := v.SignIn(t.Context(), link(t, v, "c-1", ""), vault.Browser{Secret: "secret", Bound: true}, vaulttest.NewID())
	wants(t, fault(err), "browser") // one for any browser, where links are bound
	for _, browser := range []string{"secret", "00", strings.ToUpper(hex.EncodeToString(sum[:])), strings.Repeat("0", 66)} {
		if _, _, err := v.IssueTicket(t.Context(), v.As("app", ""), "c-1", vault.TicketLink, browser); !invalidIn(err, "browser") {
			t.Errorf("a link for browser %q: %v", browser, err)
		}
	}
}

func TestTicketExpires(t *testing.T) {
	v := withCustomer(t)
	one, session := link(t, v, "c-1", ""), signsIn(t, v, "c-1")
	v.Clock.Advance(vault.LinkLife)
	_, err := v.SignIn(t.Context(), one, vault.Browser{}, vaulttest.NewID())
	wants(t, fault(err), "expired")
	if _, err := v.Session(t.Context(), session, vaulttest.NewID()); err != nil {
		t.Error(err)
	}
	v.Clock.Advance(vault.SessionLife)
	_, err = v.Session(t.Context(), session, vaulttest.NewID())
	wants(t, fault(err), "expired")
}

// TestTicketForged: what was not issued for this opens nothing.
func TestTicketForged(t *testing.T) {
	v := withCustomer(t)
	one, session := link(t, v, "c-1", ""), signsIn(t, v, "c-1")
	pause, err := v.Pause(t.Context(), session)
	if err != nil {
		t.Fatal(err)
	}
	bad := []string{"", ".", "default", "default.", "nobody." + strings.SplitN(session, ".", 2)[1], one, pause, strings.Repeat("x", 5000)}
	for i := range session {
		if i > len("default.") {
			flip := byte('A')
			if session[i] == flip {
				flip = 'B'
			}
			bad = append(bad, session[:i]+string(flip)+session[i+1:])
		}
	}
	for _, s := range bad {
		if _, err := v.Session(t.Context(), s, vaulttest.NewID()); fault(err) != "forged" {
			t.Errorf("a session of %.20q: %s", s, fault(err))
		}
	}
	_, err = v.SignIn(t.Context(), session, vault.Browser{}, vaulttest.NewID())
	wants(t, fault(err), "forged")
}

// TestTicketDiesWithThePerson: neither a link nor a session survives the erasure, nor do
// they open the life that follows.
func TestTicketDiesWithThePerson(t *testing.T) {
	v := withCustomer(t)
	one, session := link(t, v, "c-1", ""), signsIn(t, v, "c-1")
	check := func(when string) {
		t.Helper()
		if _, err := v.Session(t.Context(), session, vaulttest.NewID()); !errors.Is(err, vault.ErrGone) {
			t.Errorf("%s: a session: %v", when, err)
		}
		if _, err := v.SignIn(t.Context(), one, vault.Browser{}, vaulttest.NewID()); !errors.Is(err, vault.ErrGone) {
			t.Errorf("%s: a link: %v", when, err)
		}
	}
	if _, err := v.Erase(t.Context(), v.As("dpo", ""), vault.Erasing{Subject: "c-1"}); err != nil {
		t.Fatal(err)
	}
	check("after the erasure")
	if _, err := v.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	check("after the sweep")
	if _, err := v.Reenrol(t.Context(), v.As("dpo", ""), "c-1"); err != nil {
		t.Fatal(err)
	}
	check("in the next life")
}

// TestTicketIsSpentOnce: of many who use a link at once one gets in.
func TestTicketIsSpentOnce(t *testing.T) {
	v := withCustomer(t)
	one := link(t, v, "c-1", "")
	var in atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := v.SignIn(t.Context(), one, vault.Browser{}, vaulttest.NewID()); err == nil {
				in.Add(1)
			} else if f := fault(err); f != "spent" {
				t.Error(f)
			}
		})
	}
	wg.Wait()
	if in.Load() != 1 {
		t.Errorf("%d got in", in.Load())
	}
}

func TestWhoMayIssueTickets(t *testing.T) {
	v := withCustomer(t)
	for _, role := range []accessctl.Role{"support", "billing", "dpo", "operator", "nobody"} {
		if _, _, err := v.IssueTicket(t.Context(), v.As(role, ""), "c-1", vault.TicketLink, ""); !errors.Is(err, vault.ErrDenied) {
			t.Errorf("%s: %v", role, err)
		}
	}
	if _, _, err := v.IssueTicket(t.Context(), v.Person("c-1", ""), "c-1", vault.TicketLink, ""); !errors.Is(err, vault.ErrDenied) {
		t.Errorf("the person: %v", err)
	}
	if _, _, err := v.IssueTicket(t.Context(), v.As("app", ""), "nobody", vault.TicketLink, ""); !errors.Is(err, vault.ErrNotFound) {
		t.Errorf("for nobody: %v", err)
	}
	if _, _, err := v.IssueTicket(t.Context(), v.As("app", ""), "c-1", "session", ""); !invalidIn(err, "kind") {
		t.Errorf("a session: %v", err)
	}
}

// TestPause: an erasure has to rest for some seconds, in the same session.
func TestPause(t *testing.T) {
	v := withCustomer(t)
	session, other := signsIn(t, v, "c-1"), signsIn(t, v, "c-1")
	pause, err := v.Pause(t.Context(), session)
	if err != nil {
		t.Fatal(err)
	}
	const least = 5 * time.Second
	wants(t, fault(v.Paused(t.Context(), session, pause, least)), "early")
	v.Clock.Advance(least)
	wants(t, fault(v.Paused(t.Context(), session, pause, least)), "taken")
	wants(t, fault(v.Paused(t.Context(), other, pause, least)), "forged")
	wants(t, fault(v.Paused(t.Context(), session, session, least)), "forged")
	v.Clock.Advance(15 * time.Minute)
	wants(t, fault(v.Paused(t.Context(), session, pause, least)), "expired")
}
