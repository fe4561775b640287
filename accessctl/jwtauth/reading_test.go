package jwtauth_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/accessctl/jwtauth"
)

func reading(change ...func(*jwtauth.Reading)) jwtauth.Reading {
	r := jwtauth.Reading{Issuer: issuerA, Audience: "fieldvault", Tenants: []string{"default"}, MaxLifetime: time.Hour}
	for _, f := range change {
		f(&r)
	}
	return r
}

// person takes the person's id from the claim sub.
func person(r *jwtauth.Reading) { r.SubjectClaim = "sub" }

// keycloak takes roles from an object, as Keycloak puts them.
func keycloak(r *jwtauth.Reading) { r.RolesClaim = "realm_access.roles" }

func TestReading(t *testing.T) {
	at := start.Add(10 * time.Minute)
	for name, c := range map[string]struct {
		reading jwtauth.Reading
		payload string
		want    accessctl.Principal
	}{
		"our own claims": {
			reading(), payload(),
			accessctl.Principal{Tenant: "default", Issuer: issuerA, Subject: "svc-1", Roles: []accessctl.Role{"app"}},
		},
		"a person by sub": {
			reading(person), payload("roles", "tenant", `sub="c-1"`),
			accessctl.Principal{Tenant: "default", Issuer: issuerA, Subject: "c-1", Roles: []accessctl.Role{"subject"}, Person: "c-1"},
		},
		"a person by sub, in our claims": {
			reading(person), payload(`roles=["subject"]`, `sub="c-1"`),
			accessctl.Principal{Tenant: "default", Issuer: issuerA, Subject: "c-1", Roles: []accessctl.Role{"subject"}, Person: "c-1"},
		},
		"the claim that is named counts": {
			reading(person), payload("roles", `sub="c-1"`, `subject="c-2"`),
			accessctl.Principal{Tenant: "default", Issuer: issuerA, Subject: "c-1", Roles: []accessctl.Role{"subject"}, Person: "c-1"},
		},
		"roles in an object": {
			reading(keycloak), payload("roles", `realm_access={"roles":["dpo","uma_authorization"]}`),
			accessctl.Principal{Tenant: "default", Issuer: issuerA, Subject: "svc-1", Roles: []accessctl.Role{"dpo", "uma_authorization"}},
		},
		"a claim whose name has dots": {
			reading(func(r *jwtauth.Reading) { r.RolesClaim = "https://fieldvault.example.org/roles" }),
			payload("roles", `https://fieldvault.example.org/roles=["dpo"]`),
			accessctl.Principal{Tenant: "default", Issuer: issuerA, Subject: "svc-1", Roles: []accessctl.Role{"dpo"}},
		},
		"a tenant by another name": {
			reading(func(r *jwtauth.Reading) { r.TenantClaim, r.Tenants = "org", []string{"default", "second"} }),
			payload("tenant", `org="second"`),
			accessctl.Principal{Tenant: "second", Issuer: issuerA, Subject: "svc-1", Roles: []accessctl.Role{"app"}},
		},
	} {
		c.want.Expires = at
		if c.want.Purposes == nil {
			c.want.Purposes = []accessctl.Purpose{}
		}
		got, err := jwtauth.PrincipalOf([]byte(c.payload), c.reading, start)
		if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
}

func TestReadingRefuses(t *testing.T) {
	two := func(r *jwtauth.Reading) { r.Tenants = []string{"default", "second"} }
	for name, c := range map[string]struct {
		reading jwtauth.Reading
		payload string
		rule    string
	}{
		"no object":                        {reading(), `[]`, "payload"},
		"a claim twice":                    {reading(), payload(`+"iss":"` + issuerA + `"`), "payload"},
		"a claim in another case":          {reading(), payload(`Tenant="default"`), "payload"},
		"another case alone":               {reading(), payload("tenant", `Tenant="default"`), "claim name"},
		"another issuer":                   {reading(), payload(`iss="` + issuerB + `"`), "iss"},
		"another audience":                 {reading(), payload(`aud="shop"`), "aud"},
		"a second audience":                {reading(), payload(`aud=["fieldvault","shop"]`), "aud"},
		"another tenant":                   {reading(), payload(`tenant="other"`), "tenant"},
		"another tenant, a person":         {reading(person), payload("roles", `tenant="other"`), "tenant"},
		"no tenant of two":                 {reading(two), payload("tenant"), "tenant"},
		"a named tenant that is missing":   {reading(func(r *jwtauth.Reading) { r.TenantClaim = "org" }), payload("tenant"), "tenant"},
		"no roles":                         {reading(), payload("roles"), "roles"},
		"roles in an object, missing":      {reading(keycloak), payload("roles", `realm_access={}`), "roles"},
		"roles beside the object":          {reading(keycloak), payload(), "roles"},
		"roles of people, missing":         {reading(person, keycloak), payload("roles"), "roles"},
		"roles in something else":          {reading(keycloak), payload("roles", `realm_access="roles"`), "roles"},
		"an operator's roles and a person": {reading(person), payload(), "subject"},
		"a person and more":                {reading(person), payload(`roles=["subject","dpo"]`), "roles of a person"},
		"a person without an id":           {reading(func(r *jwtauth.Reading) { r.SubjectClaim = "customer_id" }), payload("roles"), "subject"},
		"an id that is none":               {reading(person), payload("roles", `sub="a/b"`), "subject"},
		"too old":                          {reading(), payload(`exp=1800000000`), "exp"},
		"too long":                         {reading(), payload(`exp=1800009999`), "lifetime"},
		"from tomorrow":                    {reading(), payload(`iat=1800000001`), "iat"},
	} {
		p, err := jwtauth.PrincipalOf([]byte(c.payload), c.reading, start)
		if !errors.Is(err, jwtauth.ErrToken) || !strings.HasSuffix(err.Error(), ": "+c.rule) || p.Tenant != "" {
			t.Errorf("%s: %v, want the rule %s", name, err, c.rule)
		}
	}
}

// TestReadingLeavesNoCheckOut: a gap is no wildcard.
func TestReadingLeavesNoCheckOut(t *testing.T) {
	for name, change := range map[string]func(*jwtauth.Reading){
		"issuer":   func(r *jwtauth.Reading) { r.Issuer = "" },
		"audience": func(r *jwtauth.Reading) { r.Audience = "" },
		"tenants":  func(r *jwtauth.Reading) { r.Tenants = nil },
		"tenant":   func(r *jwtauth.Reading) { r.Tenants = []string{`x"`} },
		"lifetime": func(r *jwtauth.Reading) { r.MaxLifetime = 0 },
	} {
		if _, err := jwtauth.PrincipalOf([]byte(payload()), reading(change), start); !errors.Is(err, jwtauth.ErrConfig) {
			t.Errorf("without %s: %v", name, err)
		}
	}
}

// FuzzReadingKeepsTheRules: whatever a payload says, a principal is of the issuer and of
// one of its tenants, and a person is nothing but a person.
func FuzzReadingKeepsTheRules(f *testing.F) {
	f.Add(payload(), "")
	f.Add(payload("roles", "tenant", `sub="c-1"`), "sub")
	f.Add(payload(`a={"b":{"c":"c-1"}}`, "roles"), "a.b.c")
	f.Add(payload(`roles=["subject"]`, `subject="c-1"`), "")
	f.Fuzz(func(t *testing.T, text, claim string) {
		p, err := jwtauth.PrincipalOf([]byte(text), reading(func(r *jwtauth.Reading) { r.SubjectClaim = claim }), start)
		switch {
		case err != nil:
			if !errors.Is(err, jwtauth.ErrToken) || p.Tenant != "" {
				t.Errorf("%+v, %v", p, err)
			}
		case p.Tenant != "default" || p.Issuer != issuerA || !p.Expires.After(start):
			t.Errorf("%+v", p)
		case p.IsPerson() != (p.Person != "") || p.IsPerson() && len(p.Roles) != 1:
			t.Errorf("%v as %v", p.Person, p.Roles)
		}
	})
}
