package vault

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/fieldvault/fieldvault/accessctl"
)

// ApplyPolicy makes source, Cedar of at most MaxDocument bytes, the tenant's policy
// and returns its version. The findings of [accessctl.Policy.Check] against the
// catalog in force are returned in any case; those that are errors refuse it, with
// an *InvalidError. With dryRun nothing is applied and the version is the one in
// force, 0 for none. ErrConflict: another policy was applied meanwhile.
func (v *Vault) ApplyPolicy(ctx context.Context, c accessctl.Caller, source []byte, dryRun bool) (int64, []accessctl.Finding, error) {
	t, s, err := v.permitService(ctx, c, accessctl.ActionConfigure)
	if err != nil {
		return 0, nil, err
	}
	if len(source) > MaxDocument {
		return 0, nil, ErrTooLarge
	}
	version := int64(1)
	switch d, err := v.document(ctx, t, DocumentPolicy); {
	case err == nil:
		version = d.Version + 1
	case !errors.Is(err, ErrNoRow):
		return 0, nil, err
	}
	p, err := accessctl.ParsePolicy(version, source)
	if err != nil {
		return 0, nil, problems("policy", err)
	}
	cat, err := v.storedCatalog(ctx, t)
	if err != nil {
		return 0, nil, err
	}
	findings := checkPolicy(p, cat)
	if dryRun {
		return version - 1, findings, nil
	}
	if slices.ContainsFunc(findings, func(f accessctl.Finding) bool { return f.Severity == accessctl.SeverityError }) {
		return 0, findings, invalid("policy", "has errors; `fieldvault policy check` lists them")
	}
	d := Document{Version: version, Body: source, Source: source}
	return version, findings, v.publish(ctx, c, t, s, publication{kind: DocumentPolicy, doc: d})
}

// Policy returns the tenant's policy to callers who may inspect it; ErrNotFound if
// there is none yet.
func (v *Vault) Policy(ctx context.Context, c accessctl.Caller) (Versioned, error) {
	t, _, err := v.permitService(ctx, c, accessctl.ActionInspect)
	if err != nil {
		return Versioned{}, err
	}
	d, err := v.document(ctx, t, DocumentPolicy)
	if errors.Is(err, ErrNoRow) {
		return Versioned{}, ErrNotFound
	}
	if err != nil {
		return Versioned{}, fmt.Errorf("reading the policy: %w", err)
	}
	return Versioned{Version: d.Version, Source: d.Source, By: d.By, Created: d.Created}, nil
}

// An ExplainQuery asks why a role sees a field so. It names no person.
type ExplainQuery struct {
	Roles      []accessctl.Role
	Purpose    accessctl.Purpose
	Collection string
	Field      string
	State      accessctl.State
}

// Explain says what such a caller would see of the field, and which policies and
// rules decide it. It opens nothing, looks nobody up, and leaves an event only
// when it is denied. ErrNotFound while the tenant has no catalog or no policy.
func (v *Vault) Explain(ctx context.Context, c accessctl.Caller, q ExplainQuery) (accessctl.Explanation, error) {
	_, s, err := v.permitService(ctx, c, accessctl.ActionInspect)
	if err != nil {
		return accessctl.Explanation{}, err
	}
	if s == nil {
		return accessctl.Explanation{}, ErrNotFound
	}
	coll, ok := s.catalog.Collection(q.Collection)
	if !ok {
		return accessctl.Explanation{}, invalid("collection", "is not in the catalog")
	}
	f, ok := coll.Field(q.Field)
	if !ok {
		return accessctl.Explanation{}, invalid("field", "is not in the catalog")
	}
	as := accessctl.Caller{Principal: accessctl.Principal{Tenant: c.Tenant, Issuer: "explain", Subject: "explain", Roles: q.Roles}, Purpose: q.Purpose}
	if as.IsPerson() {
		as.Person = "explain"
	}
	return s.decider(as).Explain(describe(coll, f, q.Purpose), q.State), nil
}
