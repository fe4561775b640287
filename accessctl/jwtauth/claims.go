package jwtauth

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fieldvault/fieldvault/accessctl"
)

// header is what counts of a token's header.
type header struct {
	algorithm, keyID string
}

// claims is what a payload says, in form but not yet in substance.
type claims struct {
	issuer, audience, subject, tenant string
	expires, issued, notBefore        time.Time
	roles, purposes                   []string
	narrowed, hasPerson               bool
	person                            string
}

// parse takes a token apart, without verifying anything.
func parse(token string) (header, claims, error) {
	if len(token) > MaxToken {
		return header{}, claims{}, rule("size")
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 || !all(parts, base64url) {
		return header{}, claims{}, rule("form")
	}
	h, err := parseHeader(parts[0])
	if err != nil {
		return header{}, claims{}, err
	}
	c, err := parseClaims(parts[1])
	return h, c, err
}

// base64url says whether s holds nothing but the alphabet: Go's decoder would skip
// line breaks.
func base64url(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case lower(c), digit(c), 'A' <= c && c <= 'Z', c == '-', c == '_':
		default:
			return false
		}
	}
	return s != ""
}

func decodeObject(part string) (map[string]json.RawMessage, bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(part)
	if err != nil {
		return nil, false
	}
	members, err := object(b)
	return members, err == nil
}

func parseHeader(part string) (header, error) {
	m, ok := decodeObject(part)
	if !ok {
		return header{}, rule("header")
	}
	for name := range m {
		switch strings.ToLower(name) {
		case "crit", "b64", "zip", "enc", "jku", "jwk", "x5u", "x5c":
			return header{}, rule("header parameter")
		case "alg", "kid", "typ":
			if name != strings.ToLower(name) {
				return header{}, rule("header parameter")
			}
		}
	}
	alg, ok := text(m["alg"])
	if !ok || !algorithm(alg) {
		return header{}, rule("alg")
	}
	kid, ok := text(m["kid"])
	if !ok || !printable(kid, maxKeyID) {
		return header{}, rule("kid")
	}
	if raw, given := m["typ"]; given {
		typ, ok := text(raw)
		typ = strings.TrimPrefix(strings.ToLower(typ), "application/")
		if !ok || typ != "jwt" && typ != "at+jwt" {
			return header{}, rule("typ")
		}
	}
	return header{algorithm: alg, keyID: kid}, nil
}

func parseClaims(part string) (claims, error) {
	m, ok := decodeObject(part)
	if !ok {
		return claims{}, rule("payload")
	}
	if differsInCase(m) {
		return claims{}, rule("claim name")
	}
	return readClaims(m)
}

// readClaims reads our claims out of the members of a payload.
func readClaims(m map[string]json.RawMessage) (claims, error) {
	var c claims
	_, hasNotBefore := m["nbf"]
	_, c.narrowed = m["purposes"]
	_, c.hasPerson = m["subject"]
	for _, part := range []struct {
		name     string
		optional bool
		read     func(json.RawMessage) bool
	}{
		{"iss", false, textInto(&c.issuer)},
		{"aud", false, oneTextInto(&c.audience)},
		{"sub", false, textInto(&c.subject)},
		{"tenant", false, textInto(&c.tenant)},
		{"exp", false, secondsInto(&c.expires)},
		{"iat", false, secondsInto(&c.issued)},
		{"nbf", !hasNotBefore, secondsInto(&c.notBefore)},
		{"roles", false, textsInto(&c.roles)},
		{"purposes", !c.narrowed, textsInto(&c.purposes)},
		{"subject", !c.hasPerson, textInto(&c.person)},
	} {
		if !part.optional && !part.read(m[part.name]) {
			return claims{}, rule(part.name)
		}
	}
	return c, nil
}

// differsInCase says whether a name is that of a claim of ours in another case.
func differsInCase(m map[string]json.RawMessage) bool {
	ours := []string{"iss", "aud", "sub", "exp", "iat", "nbf", "tenant", "roles", "purposes", "subject"}
	for name := range m {
		for _, our := range ours {
			if name != our && strings.EqualFold(name, our) {
				return true
			}
		}
	}
	return false
}

func textInto(s *string) func(json.RawMessage) bool {
	return func(raw json.RawMessage) (ok bool) {
		*s, ok = text(raw)
		return ok
	}
}

func textsInto(list *[]string) func(json.RawMessage) bool {
	return func(raw json.RawMessage) (ok bool) {
		*list, ok = texts(raw)
		return ok
	}
}

// oneTextInto reads a string, or an array of one string.
func oneTextInto(s *string) func(json.RawMessage) bool {
	return func(raw json.RawMessage) (ok bool) {
		if *s, ok = text(raw); ok {
			return true
		}
		list, ok := texts(raw)
		if !ok || len(list) != 1 {
			return false
		}
		*s = list[0]
		return true
	}
}

// secondsInto reads seconds since 1970 as a whole number of at most eleven digits.
func secondsInto(t *time.Time) func(json.RawMessage) bool {
	return func(raw json.RawMessage) bool {
		s := string(raw)
		if s == "" || len(s) > 11 || s[0] == '0' {
			return false
		}
		for i := range len(s) {
			if !digit(s[i]) {
				return false
			}
		}
		n, err := strconv.ParseInt(s, 10, 64)
		*t = time.Unix(n, 0).UTC()
		return err == nil
	}
}

// check says whether the claims hold now, for these settings and this issuer.
func (c *claims) check(cfg *Config, is *Issuer, now time.Time) error {
	switch {
	case c.issuer != is.Name:
		return rule("iss")
	case c.audience != cfg.Audience:
		return rule("aud")
	case !printable(c.subject, maxName):
		return rule("sub")
	case !slices.Contains(is.Tenants, c.tenant):
		return rule("tenant")
	case !c.expires.After(c.issued) || c.expires.Sub(c.issued) > cfg.MaxLifetime:
		return rule("lifetime")
	case !now.Before(c.expires.Add(cfg.Leeway)):
		return rule("exp")
	case c.issued.After(now.Add(cfg.Leeway)):
		return rule("iat")
	case c.notBefore.After(now.Add(cfg.Leeway)):
		return rule("nbf")
	case len(c.roles) > maxRoles || !all(c.roles, roleName):
		return rule("roles")
	case len(c.purposes) > maxPurposes || !all(c.purposes, purposeName):
		return rule("purposes")
	}
	return c.checkPerson()
}

// checkPerson says whether the claim subject goes with the roles: a person is
// nothing but a person.
func (c *claims) checkPerson() error {
	switch isPerson := slices.Contains(c.roles, string(accessctl.RoleSubject)); {
	case isPerson != c.hasPerson:
		return rule("subject")
	case isPerson && len(c.roles) != 1:
		return rule("roles of a person")
	case isPerson && !externalID(c.person):
		return rule("subject")
	}
	return nil
}

// principal is whom the claims speak for. Its slices are sorted, without
// duplicates and without room to append in place.
func (c *claims) principal() accessctl.Principal {
	return accessctl.Principal{
		Tenant:   c.tenant,
		Issuer:   c.issuer,
		Subject:  c.subject,
		Roles:    set[accessctl.Role](c.roles),
		Purposes: set[accessctl.Purpose](c.purposes),
		Narrowed: c.narrowed,
		Person:   c.person,
		Expires:  c.expires,
	}
}

func set[T ~string](list []string) []T {
	s := make([]T, 0, len(list))
	for _, v := range list {
		s = append(s, T(v))
	}
	slices.Sort(s)
	return slices.Clip(slices.Compact(s))
}
