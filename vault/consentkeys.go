package vault

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/vault/catalog"
	"github.com/fieldvault/fieldvault/vault/ledger"
)

// shredGroups destroys the keys of groups that rest on this purpose's consent
// and have no other consent left.
func (r *consenting) shredGroups(ctx context.Context, tx Tx, p *Subject, e *audit.Event) ([]uint32, error) {
	groups := r.s.catalog.ConsentGroups(string(r.event.Purpose))
	if len(groups) == 0 {
		return nil, nil
	}
	rows, err := tx.Consents(ctx, r.t.row.ID, p.UID)
	if err != nil {
		return nil, fmt.Errorf("reading consents: %w", err)
	}
	var freed []uint32
	for _, g := range groups {
		if r.t.ended(r.s.catalog, p, rows, g, r.event.At) {
			freed = append(freed, g.ID)
		}
	}
	return freed, r.v.shredAll(ctx, tx, deed{r.t, p, e}, freed, &r.entries)
}

// A deed is what is done to a living person, in a transaction that has locked the row.
type deed struct {
	t *tenant
	p *Subject
	e *audit.Event
}

// shredAll destroys the keys of groups of a living person, and notes it for the ledger.
func (v *Vault) shredAll(ctx context.Context, tx Tx, d deed, groups []uint32, list *[]ledger.Entry) error {
	t, p := d.t, d.p
	if len(groups) == 0 {
		return nil
	}
	for _, g := range groups {
		if err := t.shredGroup(ctx, tx, p, g); err != nil {
			return err
		}
	}
	keys, err := tx.Keys(ctx, t.row.ID, p.UID)
	if err != nil {
		return fmt.Errorf("reading keys: %w", err)
	}
	entry := t.entryOf(ledger.EraseGroups, p, *d.e)
	for _, g := range groups {
		entry.Groups = append(entry.Groups, ledger.GroupEpoch{Group: g, Epoch: keyOf(keys, g).Epoch})
	}
	slices.SortFunc(entry.Groups, func(a, b ledger.GroupEpoch) int { return cmp.Compare(a.Group, b.Group) })
	return v.note(ctx, tx, t, list, entry)
}

// shredHeld destroys, when a hold is lifted, the keys that a withdrawal would
// have destroyed while it was in force.
func (v *Vault) shredHeld(ctx context.Context, tx Tx, d deed, s *settings, list *[]ledger.Entry) error {
	t, p := d.t, d.p
	rows, stand, err := t.consents(ctx, tx, p)
	if err != nil {
		return err
	}
	keys, err := tx.Keys(ctx, t.row.ID, p.UID)
	if err != nil {
		return fmt.Errorf("reading keys: %w", err)
	}
	var freed []uint32
	for i := range s.catalog.Groups {
		g := &s.catalog.Groups[i]
		if k := keyOf(keys, g.ID); k != nil && k.Wrapped != nil && t.ended(s.catalog, p, rows, g, d.e.Time) {
			freed = append(freed, g.ID)
		}
	}
	if len(freed) == 0 {
		return nil
	}
	if err := v.shredAll(ctx, tx, d, freed, list); err != nil {
		return err
	}
	return t.answer(ctx, tx, p, stand)
}

// ended says whether a group rests on consents of which one was refused or
// withdrawn and none is granted.
func (t *tenant) ended(cat *catalog.Catalog, p *Subject, rows []Consent, g *catalog.Group, now time.Time) bool {
	ended := false
	for _, id := range g.Consent {
		switch t.consentState(cat, p.UID, rows, accessctl.Purpose(id), now) {
		case accessctl.ConsentGranted:
			return false
		case accessctl.ConsentRefused, accessctl.ConsentWithdrawn, accessctl.ConsentObjected:
			ended = true
		default:
		}
	}
	return ended
}
