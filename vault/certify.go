package vault

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/audit/evidence"
	"github.com/fieldvault/fieldvault/vault/catalog"
	"github.com/fieldvault/fieldvault/vault/erasure"
)

// certify signs what an erasure did, and keeps it.
func (er *erasing) certify(ctx context.Context, tx Tx, p *Subject, e audit.Event, approver string, lost []DataKey) (json.RawMessage, error) {
	cert := er.certificate(p, e, approver, lost)
	signed, err := er.signer.Sign(cert)
	if err != nil {
		return nil, fmt.Errorf("signing the certificate: %w", err)
	}
	row := Erasure{
		ID: cert.ID, Tenant: er.t.row.ID, Lookup: p.Lookup, Generation: p.Generation, Groups: groupBytes(er.groups),
		Event: e.ID, At: e.Time, Certificate: signed,
	}
	if err := tx.InsertErasure(ctx, row); err != nil {
		return nil, fmt.Errorf("storing the certificate: %w", err)
	}
	return signed, nil
}

// certificateRow is the row of a certificate that came back from the ledger. Its
// lookup, generation and time are the entry's.
func certificateRow(t *tenant, cert []byte, signer *evidence.Signer) (Erasure, error) {
	c, _, err := evidence.OpenCertificate(cert, signer.Public())
	if err != nil || c.Tenant != t.row.Name {
		return Erasure{}, fmt.Errorf("%w: the certificate of a ledger entry", ErrIntegrity)
	}
	var groups []uint32
	if c.Scope == evidence.KeyGroups {
		for i := range c.Destroyed {
			groups = append(groups, c.Destroyed[i].GroupID)
		}
		slices.Sort(groups)
	}
	return Erasure{ID: c.ID, Tenant: t.row.ID, Groups: groupBytes(groups), Event: c.Event, Certificate: cert}, nil
}

// keysLost names what was destroyed. A row that held no key destroys nothing.
func keysLost(names *catalog.Catalog, lost []DataKey) (list []evidence.KeyLost) {
	for _, k := range lost {
		if k.KEKVersion == 0 {
			continue
		}
		name := "identity"
		if g, ok := names.GroupByID(k.Group); ok {
			name = g.Name
		}
		list = append(list, evidence.KeyLost{
			Group: name, GroupID: k.Group, Epoch: k.Epoch, Version: k.Version, KEKVersion: int64(k.KEKVersion),
		})
	}
	return list
}

// certificate says what the erasure did and what it rests on.
func (er *erasing) certificate(p *Subject, e audit.Event, approver string, lost []DataKey) *evidence.Certificate {
	scope := evidence.WholePerson
	if len(er.groups) > 0 {
		scope = evidence.KeyGroups
	}
	return erasure.Certificate(erasure.Facts{
		ID: er.v.newID(), Tenant: er.t.row.Name, Lookup: p.Lookup, Generation: p.Generation, Scope: scope,
		Destroyed: keysLost(er.t.settings.Load().catalog, lost), Actor: e.Actor, Approver: approver, Event: e.ID,
		ErasedAt: e.Time, Horizon: er.v.horizon.Horizon(e.Time), Ledger: er.v.ledger != nil,
	})
}
