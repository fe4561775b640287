package vault

import (
	"context"
	"encoding/json"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/vault/catalog"
)

// A Standing is how things stand with a person.
type Standing struct {
	Restricted bool
	Held       bool
	Consents   []ConsentStatus // one for each purpose of the catalog
}

// Standing tells a person how things stand with them. The error is ErrGone or
// ErrIntegrity.
func (v *Vault) Standing(ctx context.Context, c accessctl.Caller) (out Standing, err error) {
	t, s, err := v.permitPerson(ctx, c, accessctl.ActionConsentRead, c.Person)
	if err != nil {
		return Standing{}, err
	}
	a := act{caller: c, tenant: t, set: s, action: accessctl.ActionConsentRead, subject: c.Person}
	err = v.seePerson(ctx, a, func(tx Tx, p *Subject) error {
		rows, _, err := t.consents(ctx, tx, p)
		if err != nil {
			return err
		}
		out = Standing{Restricted: p.Restricted, Held: p.Held, Consents: v.statuses(t, s, p, rows)}
		return nil
	})
	return out, err
}

// Correctable says which fields a person may correct themself: those that policy lets
// them write. It shows nothing and leaves no event.
func (v *Vault) Correctable(ctx context.Context, c accessctl.Caller) (func(*catalog.Field) bool, error) {
	_, s, err := v.fresh(ctx, c.Tenant)
	if err != nil {
		return nil, err
	}
	d := s.decider(c)
	return func(f *catalog.Field) bool {
		coll, ok := s.catalog.Collection(f.Collection())
		return ok && d.Permit(accessctl.ActionWrite, describe(coll, f, c.Purpose), accessctl.State{Own: true}).Allowed
	}, nil
}

// Certificate returns the certificate of an erasure to whoever knows its id, which is
// random and stands in the certificate alone: so that a person, who has no session any
// more, can fetch it. It names nobody. ErrNotFound if the tenant has none of that id.
func (v *Vault) Certificate(ctx context.Context, tenantName string, id uuid.UUID) (json.RawMessage, error) {
	t, _, err := v.publicly(ctx, tenantName)
	if err != nil {
		return nil, err
	}
	return v.certificateOf(ctx, t, id)
}
