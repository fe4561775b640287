package jwtauth

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/fieldvault/fieldvault/accessctl"
)

// A Reading says how the payload of a token, whose signature somebody else has verified,
// becomes a principal: that of an ID token of OpenID Connect, for one.
type Reading struct {
	Issuer   string   // required: the iss
	Audience string   // required: the aud, which must be the only one
	Tenants  []string // required: those that the issuer may speak for

	MaxLifetime time.Duration // required: of a token, exp - iat
	Leeway      time.Duration // for clocks that differ

	// TenantClaim, RolesClaim and SubjectClaim name the claims that stand for ours where
	// an issuer cannot use our names. A name with dots that is no claim's name leads into
	// objects, as realm_access.roles does. Default: tenant, roles, subject.
	//
	// Without a TenantClaim, and with one tenant, a token that names no tenant is of that
	// one. With a SubjectClaim, and without a RolesClaim, a token that names no roles is a
	// person's.
	TenantClaim, RolesClaim, SubjectClaim string
}

// PrincipalOf reads a payload under the rules of this package for claims, and answers
// whom it speaks for. The error is an ErrToken, which names the rule that is broken and
// no value, or ErrConfig for a reading that leaves out a check.
func PrincipalOf(payload []byte, r Reading, now time.Time) (accessctl.Principal, error) {
	if !issuerName(r.Issuer) || r.Audience == "" || len(r.Tenants) == 0 || !all(r.Tenants, tenantName) || r.MaxLifetime <= 0 {
		return accessctl.Principal{}, fmt.Errorf("%w: a reading needs Issuer, Audience, Tenants and MaxLifetime", ErrConfig)
	}
	c, err := r.claims(payload)
	if err == nil {
		cfg := Config{Audience: r.Audience, MaxLifetime: r.MaxLifetime, Leeway: r.Leeway}
		err = c.check(&cfg, &Issuer{Name: r.Issuer, Tenants: r.Tenants}, now)
	}
	if err != nil {
		return accessctl.Principal{}, fmt.Errorf("%w: %w", ErrToken, err)
	}
	return c.principal(), nil
}

func (r *Reading) claims(payload []byte) (claims, error) {
	m, err := object(payload)
	if err != nil {
		return claims{}, rule("payload")
	}
	if differsInCase(m) {
		return claims{}, rule("claim name")
	}
	ours := map[string]json.RawMessage{}
	for name, claim := range map[string]string{"tenant": r.TenantClaim, "roles": r.RolesClaim, "subject": r.SubjectClaim} {
		if raw, ok := member(m, cmp.Or(claim, name)); ok {
			ours[name] = raw
		}
	}
	r.assume(ours)
	for _, name := range []string{"tenant", "roles", "subject"} {
		delete(m, name)
		if raw, ok := ours[name]; ok {
			m[name] = raw
		}
	}
	return readClaims(m)
}

// assume adds what the reading says of tokens that do not say it themselves.
func (r *Reading) assume(ours map[string]json.RawMessage) {
	if _, named := ours["tenant"]; !named && r.TenantClaim == "" && len(r.Tenants) == 1 {
		ours["tenant"] = json.RawMessage(`"` + r.Tenants[0] + `"`)
	}
	if _, named := ours["roles"]; !named && r.RolesClaim == "" && r.SubjectClaim != "" {
		ours["roles"] = json.RawMessage(`["` + string(accessctl.RoleSubject) + `"]`)
	}
}

// member finds a claim by its name, or by the names of the objects that it stands in,
// with dots between.
func member(m map[string]json.RawMessage, path string) (json.RawMessage, bool) {
	if raw, ok := m[path]; ok {
		return raw, true
	}
	head, rest, ok := strings.Cut(path, ".")
	if !ok {
		return nil, false
	}
	var inner map[string]json.RawMessage
	if raw, ok := m[head]; !ok || json.Unmarshal(raw, &inner) != nil {
		return nil, false
	}
	return member(inner, rest)
}
