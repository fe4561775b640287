package vault_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/pgstore"
	"github.com/fieldvault/fieldvault/vault/storetest"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

// vouched is a person as a provider vouches for them.
func vouched(v *vaulttest.Vault, id string) accessctl.Principal {
	return accessctl.Principal{
		Tenant: vaulttest.Tenant, Issuer: "https://login.example.org", Subject: "login-of-" + id,
		Roles: []accessctl.Role{accessctl.RoleSubject}, Person: id, Expires: v.Clock.Now().Add(5 * time.Minute),
	}
}

// onBothStores runs a test on SQLite and, where there is time for it, on PostgreSQL.
func onBothStores(t *testing.T, test func(*testing.T, *vaulttest.Vault)) {
	t.Helper()
	t.Run("SQLite", func(t *testing.T) { test(t, vaulttest.New(t)) })
	t.Run("PostgreSQL", func(t *testing.T) {
		storetest.NeedTime(t)
		url := storetest.Postgres(t)
		if err := pgstore.Migrate(t.Context(), url, func(string) {}); err != nil {
			t.Fatal(err)
		}
		s, err := pgstore.Open(t.Context(), pgstore.Config{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		test(t, vaulttest.New(t, vaulttest.Options{Store: s}))
	})
}

// TestSignInAs: whom a provider vouches for gets a session like that of a link, and the
// log says so, without the name that the provider has for the person.
func TestSignInAs(t *testing.T) {
	onBothStores(t, func(t *testing.T, v *vaulttest.Vault) {
		v.Put(t, "c-1", "customer", "self", map[string]string{"email": email})
		before := len(events(t, v))
		v.KEK.Fail(vault.ErrUnavailable) // nobody waits for the key-encryption key
		session, err := v.SignInAs(t.Context(), vouched(v, "c-1"), vaulttest.NewID())
		v.KEK.Fail(nil)
		if err != nil {
			t.Fatal(err)
		}
		c, err := v.Session(t.Context(), session, vaulttest.NewID())
		if err != nil || c.Person != "c-1" || len(c.Roles) != 1 || !c.IsPerson() || strings.Contains(c.Subject, "login-of") {
			t.Fatalf("%+v, %v", c, err)
		}
		c.Purpose = "self"
		if got := see(t, v, c, "c-1", "email"); !strings.HasPrefix(got, "plain") {
			t.Errorf("the person sees %s", got)
		}
		e := events(t, v)[before]
		if e.Action != accessctl.ActionSignIn || e.Code != "oidc" || e.Outcome != audit.Allowed || e.Actor != "self:"+e.UID.String() {
			t.Errorf("on record: %+v", e)
		}
		v.Clock.Advance(vault.SessionLife)
		_, err = v.Session(t.Context(), session, vaulttest.NewID())
		wants(t, fault(err), "expired")
	})
}

// TestSignInAsRefuses: nobody but a person who is there, and nobody who is more.
func TestSignInAsRefuses(t *testing.T) {
	onBothStores(t, func(t *testing.T, v *vaulttest.Vault) {
		for _, id := range []string{"c-1", "c-2"} {
			v.Put(t, id, "customer", "self", map[string]string{"email": email})
		}
		session, err := v.SignInAs(t.Context(), vouched(v, "c-2"), vaulttest.NewID())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v.Erase(t.Context(), v.As("dpo", ""), vault.Erasing{Subject: "c-2"}); err != nil {
			t.Fatal(err)
		}
		if _, err := v.Session(t.Context(), session, vaulttest.NewID()); !errors.Is(err, vault.ErrGone) {
			t.Errorf("a session of the erased: %v", err)
		}
		for name, c := range map[string]struct {
			change func(*accessctl.Principal)
			want   error
		}{
			"erased":               {func(p *accessctl.Principal) { p.Person = "c-2" }, vault.ErrGone},
			"unknown":              {func(p *accessctl.Principal) { p.Person = "c-3" }, vault.ErrNotFound},
			"in another case":      {func(p *accessctl.Principal) { p.Person = "C-1" }, vault.ErrNotFound},
			"nobody":               {func(p *accessctl.Principal) { p.Person = "" }, vault.ErrDenied},
			"no id":                {func(p *accessctl.Principal) { p.Person = "../c-1" }, vault.ErrDenied},
			"an operator":          {func(p *accessctl.Principal) { p.Roles = []accessctl.Role{"dpo"} }, vault.ErrDenied},
			"a person and more":    {func(p *accessctl.Principal) { p.Roles = append(p.Roles, "support") }, vault.ErrDenied},
			"no role":              {func(p *accessctl.Principal) { p.Roles = nil }, vault.ErrDenied},
			"of an unknown tenant": {func(p *accessctl.Principal) { p.Tenant = "nobody" }, vault.ErrDenied},
			"of no tenant":         {func(p *accessctl.Principal) { p.Tenant = "" }, vault.ErrDenied},
		} {
			p := vouched(v, "c-1")
			c.change(&p)
			if session, err := v.SignInAs(t.Context(), p, vaulttest.NewID()); !errors.Is(err, c.want) || session != "" {
				t.Errorf("%s: %v", name, err)
			}
		}
		for _, e := range events(t, v) {
			if strings.Contains(e.Actor, "login") || strings.Contains(e.Actor, "c-3") {
				t.Errorf("an event names somebody: %+v", e)
			}
		}
	})
}
