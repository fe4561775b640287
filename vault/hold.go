package vault

import (
	"context"
	"fmt"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/crypto/secret"
	"github.com/fieldvault/fieldvault/vault/ledger"
)

// SetHold puts a person under legal hold, or lifts it. A hold refuses everything
// that destroys ciphertext: erasure, DELETE, null, overwrite. Doing it again changes
// nothing but the reason.
//
// The reason, up to MaxReason bytes of UTF-8, is sealed in the person's identity
// group, which may need the key-encryption key; without a reason nothing does, and
// the one that stands is kept. Hold and restriction share one reason: the later one
// stands. The error is ErrNotFound, ErrGone or ErrIntegrity.
func (v *Vault) SetHold(ctx context.Context, c accessctl.Caller, subject string, held bool, reason string) error {
	return v.setFlag(ctx, c, accessctl.ActionHold, subject, reason, func(p *Subject) { p.Held = held })
}

// SetRestriction restricts the processing of a person's data to storage (GDPR
// Art. 18), or lifts it. While restricted, only purposes that the catalog marks
// despite_restriction open anything, on every node from the next read on. Reason
// and errors are those of [Vault.SetHold].
func (v *Vault) SetRestriction(ctx context.Context, c accessctl.Caller, subject string, restricted bool, reason string) error {
	return v.setFlag(ctx, c, accessctl.ActionRestrict, subject, reason, func(p *Subject) { p.Restricted = restricted })
}

func (v *Vault) setFlag(ctx context.Context, c accessctl.Caller, a accessctl.Action, subject, reason string, set func(*Subject)) error {
	_, err := again(func() (struct{}, error) { return struct{}{}, v.trySetFlag(ctx, c, a, subject, reason, set) })
	return err
}

// trySetFlag is one try. errRestart says that another catalog is in force, or
// another key of the person, than it went by.
func (v *Vault) trySetFlag(ctx context.Context, c accessctl.Caller, a accessctl.Action, subject, reason string, set func(*Subject)) error {
	if err := checkText("reason", reason, MaxReason); err != nil {
		return err
	}
	t, s, err := v.permitPerson(ctx, c, a, subject)
	if err != nil {
		return err
	}
	note, err := v.identityKey(ctx, t, subject, reason != "")
	if err != nil {
		return v.refused(ctx, t, v.event(t, s, c, a), err)
	}
	do := act{caller: c, tenant: t, set: s, action: a, subject: subject, lock: ExclusiveLock}
	var entries []ledger.Entry
	err = v.onPerson(ctx, do, func(tx Tx, p *Subject, e *audit.Event) error {
		entries = nil
		set(p)
		if note != nil && note.id.UID == p.UID {
			if err := t.seals(ctx, tx, p, note); err != nil {
				return err
			}
			sealed, err := note.opened.Seal(identityPlace(t, p.UID, note.id.Epoch, placeNote), secret.FromString(reason))
			if err != nil {
				return fmt.Errorf("sealing the reason: %w", err)
			}
			p.Note = sealed
		}
		e.Subject = []audit.Attr{{Key: "held", Value: yesNo(p.Held)}, {Key: "restricted", Value: yesNo(p.Restricted)}}
		if err := t.change(ctx, tx, p); err != nil {
			return err
		}
		entry := t.entryOf(flagKind(a, p), p, *e)
		entry.At = v.now() // the row is locked: later words have later times
		if err := v.note(ctx, tx, t, &entries, entry); err != nil || a != accessctl.ActionHold || p.Held {
			return err
		}
		if err := s.stand(ctx, tx, t); err != nil {
			return err
		}
		return v.shredHeld(ctx, tx, deed{t, p, e}, s, &entries)
	})
	if err != nil {
		return err
	}
	return v.tell(ctx, entries)
}

// flagKind is how the ledger calls the change of a hold or restriction.
func flagKind(a accessctl.Action, p *Subject) ledger.Kind {
	switch {
	case a == accessctl.ActionHold && p.Held:
		return ledger.Hold
	case a == accessctl.ActionHold:
		return ledger.Release
	case p.Restricted:
		return ledger.Restrict
	}
	return ledger.Unrestrict
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// seals says whether something about a person, whose row is locked, may be sealed with an
// identity key that was opened before: one that was rotated meanwhile may open nothing
// any more, which is errRestart. ErrConflict if it is not of this life.
func (t *tenant) seals(ctx context.Context, tx Tx, p *Subject, k *heldKey) error {
	if k == nil || k.id.UID != p.UID {
		return ErrConflict // the person was erased and came back meanwhile
	}
	keys, err := tx.Keys(ctx, t.row.ID, p.UID)
	if err != nil {
		return fmt.Errorf("reading keys: %w", err)
	}
	now := keyOf(keys, identityGroup)
	if now == nil || now.Version != k.id.Version || now.Epoch != k.id.Epoch {
		return errRestart
	}
	return nil
}

// identityKey opens the person's identity key, outside any transaction; nil if
// it is not wanted or the person has none. A key that does not open is
// ErrIntegrity.
func (v *Vault) identityKey(ctx context.Context, t *tenant, subject string, wanted bool) (*heldKey, error) {
	if !wanted {
		return nil, nil
	}
	return v.identityKeyOf(ctx, t, t.hash(subject))
}

// identityKeyOf is identityKey, of the person with this lookup.
func (v *Vault) identityKeyOf(ctx context.Context, t *tenant, lookup []byte) (*heldKey, error) {
	l, err := v.store.LoadForReveal(ctx, LoadQuery{Tenant: t.row.ID, Items: []Ref{{Lookup: lookup}}})
	if err != nil {
		return nil, fmt.Errorf("loading: %w", err)
	}
	it := &l.Items[0]
	row := keyOf(it.Keys, identityGroup)
	if it.Subject == nil || it.Subject.State != Live || row == nil || row.Wrapped == nil {
		return nil, nil
	}
	k := &heldKey{id: keyID(t, it.Subject, row), wrapped: wrappedOf(row)}
	if err := v.openHeld(ctx, t, []*heldKey{k}); err != nil {
		return nil, err
	}
	if k.opened == nil {
		return nil, ErrIntegrity
	}
	return k, nil
}
