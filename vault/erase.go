package vault

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/audit/evidence"
)

// Erase makes a person unreadable for ever: in one transaction it destroys every
// wrapped key of the person, sets the directory row to erased and appends the
// event. When it returns nil the erasure is in force on every node. Its cost does
// not depend on how much the person has, and it never calls the key-encryption
// key. The answer is the signed certificate; erasing again answers the same one,
// after a new event is durable. The reason, up to MaxReason bytes of UTF-8, is
// checked and not kept: what could seal it dies here.
//
// The error is ErrHeld under a legal hold, ErrNotFound for an unknown person,
// ErrIntegrity if the row or its certificate was changed outside the service, and
// ErrUnavailable also while the signing key is not open.
func (v *Vault) Erase(ctx context.Context, c accessctl.Caller, subject, reason string) (json.RawMessage, error) {
	if err := checkText("reason", reason, MaxReason); err != nil {
		return nil, err
	}
	t, s, err := v.permitPerson(ctx, c, accessctl.ActionErase, subject)
	if err != nil {
		return nil, err
	}
	signer := v.signer.get()
	if signer == nil {
		return nil, fmt.Errorf("%w: the signing key is not open", ErrUnavailable)
	}
	a := act{caller: c, tenant: t, set: s, action: accessctl.ActionErase, subject: subject, lock: ExclusiveLock}
	var cert json.RawMessage
	var uid uuid.UUID
	var failed audit.Event
	err = v.store.Update(ctx, func(tx Tx) error {
		e := v.event(t, s, c, accessctl.ActionErase)
		failed = e
		p, err := a.read(ctx, tx)
		if p != nil {
			uid = p.UID
			e = about(e, c, p.UID, own(c, subject))
			failed = e
		}
		switch {
		case errors.Is(err, ErrGone):
			cert, e.Code = p.Certificate, codeGone
			if !certifies(cert, p, signer) {
				return ErrIntegrity
			}
			return v.append(ctx, tx, t.row.ID, e)
		case err != nil:
			return err
		case p.Held:
			return ErrHeld
		}
		cert, err = v.shred(ctx, tx, t, p, e, signer)
		return err
	})
	if err != nil {
		return nil, v.refused(ctx, t, failed, err)
	}
	v.ring.Forget(t.row.Name, uid)
	return cert, nil
}

// certifies says whether a stored certificate is genuine and this person's.
func certifies(cert []byte, p *Subject, signer *evidence.Signer) bool {
	c, _, err := evidence.OpenCertificate(cert, signer.Public())
	return err == nil && c.Fence == hex.EncodeToString(p.Lookup) && c.Generation == p.Generation
}

// shred destroys the person's keys inside the transaction, and certifies it.
func (v *Vault) shred(ctx context.Context, tx Tx, t *tenant, p *Subject, e audit.Event, signer *evidence.Signer) (json.RawMessage, error) {
	lost, err := tx.DestroyKeys(ctx, t.row.ID, p.UID)
	if err != nil {
		return nil, fmt.Errorf("destroying keys: %w", err)
	}
	cert, err := signer.Sign(v.certificate(t, p, e, lost))
	if err != nil {
		return nil, fmt.Errorf("signing the certificate: %w", err)
	}
	p.State, p.ErasedAt, p.Certificate = Erased, e.Time, cert
	p.SealedID, p.Note, p.Restricted, p.Mark = nil, nil, false, p.Mark[:markSize]
	if err := t.change(ctx, tx, p); err != nil {
		return nil, err
	}
	return cert, v.append(ctx, tx, t.row.ID, e)
}

// certificate says what the erasure did and what it rests on.
func (v *Vault) certificate(t *tenant, p *Subject, e audit.Event, lost []DataKey) *evidence.Certificate {
	c := &evidence.Certificate{
		ID: v.newID(), Tenant: t.row.Name, Fence: hex.EncodeToString(p.Lookup), Generation: p.Generation,
		Scope: evidence.WholePerson, ErasedAt: e.Time, ErasedBy: e.Actor, Event: e.ID, IssuedAt: e.Time,
		Guarantees: []evidence.Guarantee{
			{Kind: evidence.Cryptographic, Text: "The values were only ever stored encrypted under keys of this person alone; the wrapped copies of these keys in the live database were destroyed in the transaction that is named here, so that no node reads a value from then on."},
			{Kind: evidence.Procedural, Text: "The ciphertext and index entries that remain are removed by a job after the erasure."},
			{Kind: evidence.Procedural, Text: "Backups of the database made before the erasure still hold wrapped keys. Until these backups are deleted, or the versions of the key-encryption key that wrapped them are destroyed, someone who has such a backup and may use that key could read the values. No time limit is promised here."},
		},
	}
	names := t.settings.Load().catalog
	for _, k := range lost {
		if k.Wrapped == nil && k.KEKVersion == 0 {
			continue
		}
		name := "identity"
		if g, ok := names.GroupByID(k.Group); ok {
			name = g.Name
		}
		c.Destroyed = append(c.Destroyed, evidence.KeyLost{
			Group: name, GroupID: k.Group, Epoch: k.Epoch, Version: k.Version, KEKVersion: int64(k.KEKVersion),
		})
	}
	return c
}

// Reenrol opens a new generation for a person who comes back: live again under
// the same name, with another uid and none of the old life's data. It first
// sweeps what the erasure left. It returns the number of the new generation, from 2;
// ErrNotFound for a person who never was, ErrConflict unless the person is erased.
// The certificate of the earlier life stays in the row until the next erasure.
func (v *Vault) Reenrol(ctx context.Context, c accessctl.Caller, subject string) (uint32, error) {
	t, s, err := v.permitPerson(ctx, c, accessctl.ActionReenrol, subject)
	if err != nil {
		return 0, err
	}
	a := act{caller: c, tenant: t, set: s, action: accessctl.ActionReenrol, subject: subject, lock: ExclusiveLock}
	old, err := v.erasedRow(ctx, a)
	if err != nil {
		return 0, v.refused(ctx, t, v.event(t, s, c, accessctl.ActionReenrol), err)
	}
	if old.UID != uuid.Nil {
		if err := v.sweepOne(ctx, t, old); err != nil {
			return 0, fmt.Errorf("sweeping the earlier life: %w", err)
		}
	}
	p := newSubject(v, t, old.Lookup, old.Generation+1)
	k := heldKey{made: true}
	k.id.Tenant, k.id.UID, k.id.Group, k.id.Epoch, k.id.Version = t.row.Name, p.UID, identityGroup, 1, 1
	if err := v.makeHeld(ctx, []*heldKey{&k}); err != nil {
		return 0, err
	}
	if p.SealedID, err = sealID(t, &p, &k, subject); err != nil {
		return 0, err
	}
	p.Mark, p.Certificate = t.mark(&p, nil), old.Certificate
	err = v.store.Update(ctx, func(tx Tx) error {
		if err := tx.UpdateSubject(ctx, p, old.Generation); err != nil {
			return err
		}
		inserted, err := tx.InsertKey(ctx, t.row.ID, p.UID, k.row())
		if errors.Is(err, ErrStaleKEK) || err == nil && !inserted {
			return fmt.Errorf("%w: the key-encryption key was rotated meanwhile", ErrUnavailable)
		}
		if err != nil {
			return err
		}
		return v.append(ctx, tx, t.row.ID, about(v.event(t, s, c, accessctl.ActionReenrol), c, p.UID, own(c, subject)))
	})
	if errors.Is(err, ErrStale) {
		err = ErrConflict
	}
	if err != nil {
		return 0, v.refused(ctx, t, v.event(t, s, c, accessctl.ActionReenrol), err)
	}
	return p.Generation, nil
}

// erasedRow reads the row of an erased person.
func (v *Vault) erasedRow(ctx context.Context, a act) (Subject, error) {
	var old *Subject
	err := v.store.View(ctx, func(tx Tx) (err error) {
		a.lock = NoLock
		old, err = a.read(ctx, tx)
		return err
	})
	switch {
	case errors.Is(err, ErrGone):
		return *old, nil
	case err == nil:
		return Subject{}, ErrConflict
	}
	return Subject{}, err
}
