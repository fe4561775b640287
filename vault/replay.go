package vault

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/accessctl/consent"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/vault/failpoint"
	"github.com/fieldvault/fieldvault/vault/ledger"
)

// A Replayed says what [Vault.Replay] did.
type Replayed struct {
	Entries int64 // of the ledger beyond the database's position
	Applied int64 // of them, that the database did not reflect
}

// Replay makes a database that is behind the ledger, because it was restored or
// failed over to a copy that lagged, say what the ledger says: those who were
// erased are erased again, with the same certificate; groups lose their keys;
// withdrawals, restrictions and holds stand again. It ignores holds where it
// erases, because the erasure was decided before, and touches no life later than an
// entry's. It may be stopped and run again. progress, if not nil, is called with
// the entries done and their number.
//
// It is for an operator at the machine itself; a caller with a token is ErrDenied.
// ErrIntegrity: an entry does not bear its tenant's MAC, so that the ledger, or the
// tenant's keys, are not those of this database; what came before it is applied.
func (v *Vault) Replay(ctx context.Context, by accessctl.Caller, progress func(done, all int64)) (Replayed, error) {
	if !isLocal(by) {
		return Replayed{}, ErrDenied
	}
	if v.reader == nil {
		return Replayed{}, invalid("ledger", "must be configured, and in no other process's hands")
	}
	if err := v.drain(ctx); err != nil {
		return Replayed{}, err
	}
	r := replaying{v: v, by: by}
	for {
		more, err := r.pass(ctx, progress)
		if err != nil {
			return r.done, err
		}
		if !more {
			return r.done, v.follow(ctx) // the gate of this node opens at once
		}
	}
}

// A replaying is one run of Replay.
type replaying struct {
	v    *Vault
	by   accessctl.Caller
	done Replayed
}

// pass replays what the ledger has now; more says that others appended meanwhile.
func (r *replaying) pass(ctx context.Context, progress func(done, all int64)) (more bool, err error) {
	l, err := r.v.store.LoadForReveal(ctx, LoadQuery{Tenant: SystemTenant})
	if err != nil {
		return false, fmt.Errorf("asking for the database's incarnation: %w", err)
	}
	position, head, err := r.v.positions(ctx)
	if err != nil {
		return false, err
	}
	if head < position {
		return false, fmt.Errorf("%w: %w", ErrBehind, errLedgerShort)
	}
	if head == position {
		return false, nil
	}
	d := newDifference(r.v, head, true)
	if err := d.read(ctx, position); err != nil {
		return false, err
	}
	ids, err := r.v.tenantIDs(ctx)
	if err != nil {
		return false, err
	}
	for i := range d.list {
		e := &d.list[i]
		r.done.Entries++
		if !d.stale(e) {
			if err := r.entry(ctx, ids[e.Tenant], &e.Entry); err != nil {
				return false, fmt.Errorf("replaying entry %d: %w", e.Position, err)
			}
		}
		if progress != nil {
			progress(int64(i+1), int64(len(d.list)))
		}
	}
	failpoint.Hit("replay-done")
	err = r.v.raisePosition(ctx, head, l.Incarnation)
	return err == nil, err
}

// entry applies one entry, unless the database reflects it.
func (r *replaying) entry(ctx context.Context, id int32, e *ledger.Entry) error {
	t, open := r.v.lookupTenant(e.Tenant)
	switch {
	case id == 0:
		return nil // the database has nobody of that tenant
	case r.v.signer.get() == nil:
		return fmt.Errorf("%w: the signing key is not open", ErrUnavailable)
	case !open:
		return fmt.Errorf("%w: the keys of its tenant are not open", ErrUnavailable)
	case !t.genuine(e):
		return ErrIntegrity
	}
	applied := false
	err := r.v.store.Update(ctx, func(tx Tx) error {
		applied = false
		done, err := r.v.reflected(ctx, tx, id, e)
		if err != nil {
			return err
		}
		if done {
			return r.keepCertificate(ctx, tx, t, e)
		}
		applied = true
		err = r.apply(ctx, tx, t, e)
		failpoint.Hit("replay-applied")
		return err
	})
	if err != nil {
		return err
	}
	failpoint.Hit("replay-between")
	if applied {
		r.done.Applied++
		r.v.unclean.Store(true)
		r.v.ring.Forget(t.row.Name, e.UID)
	}
	return nil
}

// apply does what an entry says, with an event.
func (r *replaying) apply(ctx context.Context, tx Tx, t *tenant, e *ledger.Entry) error {
	ev := r.v.event(t, t.settings.Load(), r.by, actionOf(e.Kind))
	ev.UID, ev.Code = e.UID, "replayed"
	p, err := tx.Subject(ctx, t.row.ID, e.Lookup, ExclusiveLock)
	switch {
	case errors.Is(err, ErrNoRow):
		if err := r.insertFence(ctx, tx, t, e); err != nil {
			return err
		}
	case err != nil:
		return err
	case e.Kind == ledger.Erase:
		if err := r.erase(ctx, tx, t, &p, e); err != nil {
			return err
		}
		if _, err := r.v.endRequests(ctx, tx, t, &p, ev); err != nil {
			return err
		}
	default:
		if err := r.change(ctx, tx, t, &p, e); err != nil {
			return err
		}
	}
	ev.Purpose, ev.Subject = accessctl.Purpose(e.Purpose), replayAttrs(&p, e)
	return r.v.append(ctx, tx, t, ev)
}

// replayAttrs are the facts of a replayed deed, as the deed's own event has them.
func replayAttrs(p *Subject, e *ledger.Entry) []audit.Attr {
	entry := audit.Attr{Key: "entry", Value: e.ID.String()}
	switch e.Kind {
	case ledger.EraseGroups:
		ids := make([]uint32, len(e.Groups))
		for i := range e.Groups {
			ids[i] = e.Groups[i].Group
		}
		return []audit.Attr{entry, {Key: "groups", Value: joined(ids)}}
	case ledger.Hold, ledger.Restrict:
		return []audit.Attr{entry, {Key: "held", Value: yesNo(p.Held)}, {Key: "restricted", Value: yesNo(p.Restricted)}}
	case ledger.Withdraw:
		return []audit.Attr{{Key: "decision", Value: e.Decision}, entry}
	default:
		return []audit.Attr{entry}
	}
}

func actionOf(k ledger.Kind) accessctl.Action {
	switch k {
	case ledger.Erase, ledger.EraseGroups:
		return accessctl.ActionErase
	case ledger.Hold, ledger.Release:
		return accessctl.ActionHold
	case ledger.Restrict, ledger.Unrestrict:
		return accessctl.ActionRestrict
	default:
		return accessctl.ActionConsent
	}
}

// insertFence puts back what remains of a person whom the database never saw, or
// lost whole.
func (r *replaying) insertFence(ctx context.Context, tx Tx, t *tenant, e *ledger.Entry) error {
	p := Subject{
		Tenant: t.row.ID, Lookup: e.Lookup, Generation: e.Generation, State: Erased,
		Certificate: e.Certificate, Created: r.v.now(), ErasedAt: e.At,
	}
	p.Mark = t.mark(&p, nil)
	inserted, err := tx.InsertSubject(ctx, p)
	if err == nil && !inserted {
		err = ErrStale
	}
	if err != nil {
		return fmt.Errorf("storing a fence: %w", err)
	}
	return r.keepCertificate(ctx, tx, t, e)
}

// erase destroys the keys of a life that was erased. The row may be of an earlier
// life, which then ended before this one.
func (r *replaying) erase(ctx context.Context, tx Tx, t *tenant, p *Subject, e *ledger.Entry) error {
	if p.UID != uuid.Nil {
		if _, err := tx.DestroyKeys(ctx, t.row.ID, p.UID); err != nil {
			return fmt.Errorf("destroying keys: %w", err)
		}
	}
	was := p.Generation
	p.Generation, p.State, p.ErasedAt, p.Certificate = e.Generation, Erased, e.At, e.Certificate
	p.SealedID, p.Note, p.Restricted, p.Held = nil, nil, false, false
	p.Mark = t.mark(p, nil)
	if err := tx.UpdateSubject(ctx, *p, was); err != nil {
		return fmt.Errorf("changing a person's row: %w", err)
	}
	return r.keepCertificate(ctx, tx, t, e)
}

// keepCertificate stores the certificate of the ledger, unless it is there.
func (r *replaying) keepCertificate(ctx context.Context, tx Tx, t *tenant, e *ledger.Entry) error {
	if len(e.Certificate) == 0 {
		return nil
	}
	row, err := certificateRow(t, e.Certificate, r.v.signer.get())
	if err != nil {
		r.v.log.ErrorContext(ctx, "a certificate in the ledger does not verify and is left out", "entry", e.ID)
		return nil
	}
	row.Lookup, row.Generation, row.At = e.Lookup, e.Generation, e.At
	if _, err := tx.Erasure(ctx, t.row.ID, row.ID); !errors.Is(err, ErrNoRow) {
		return err
	}
	return tx.InsertErasure(ctx, row)
}

// change applies to a living person what is no erasure of the person. The row is
// of the entry's life, because it is not reflected.
func (r *replaying) change(ctx context.Context, tx Tx, t *tenant, p *Subject, e *ledger.Entry) error {
	if !t.marked(p) {
		return ErrIntegrity
	}
	switch e.Kind {
	case ledger.Hold:
		p.Held = true
		return t.change(ctx, tx, p)
	case ledger.Restrict:
		p.Restricted = true
		return t.change(ctx, tx, p)
	case ledger.EraseGroups:
		return r.eraseGroups(ctx, tx, t, p, e)
	case ledger.Withdraw, ledger.Object:
		return r.withdraw(ctx, tx, t, p, e)
	default:
		return nil
	}
}

func (r *replaying) eraseGroups(ctx context.Context, tx Tx, t *tenant, p *Subject, e *ledger.Entry) error {
	_, stood, err := t.consents(ctx, tx, p)
	if err != nil {
		return err
	}
	for _, g := range e.Groups {
		for {
			keys, err := tx.Keys(ctx, t.row.ID, p.UID)
			if err != nil {
				return fmt.Errorf("reading keys: %w", err)
			}
			if groupsRaised(keys, []ledger.GroupEpoch{g}) {
				break
			}
			if err := t.shredGroup(ctx, tx, p, g.Group); err != nil {
				return err
			}
		}
	}
	if err := t.answer(ctx, tx, p, stood); err != nil {
		return err
	}
	return r.keepCertificate(ctx, tx, t, e)
}

// withdraw records the decision or objection again, without a receipt: that was given then.
func (r *replaying) withdraw(ctx context.Context, tx Tx, t *tenant, p *Subject, e *ledger.Entry) error {
	_, stood, err := t.consents(ctx, tx, p)
	if err != nil {
		return err
	}
	d := consent.Event{
		Purpose: accessctl.Purpose(e.Purpose), Decision: consent.Decision(e.Decision),
		Notice: "replayed", Method: consent.MethodAPI, At: e.At,
	}
	if e.Kind == ledger.Object {
		d.Decision = consent.Objected
	}
	mac := t.mac.Sum(consent.Label, consent.Canonical(t.row.Name, p.UID, d)...)
	row := Consent{Purpose: e.Purpose, Decision: string(d.Decision), Notice: d.Notice, Method: d.Method, At: d.At, MAC: mac[:]}
	if err := tx.PutConsent(ctx, t.row.ID, p.UID, row); err != nil {
		return fmt.Errorf("storing a consent: %w", err)
	}
	return t.answer(ctx, tx, p, stood)
}
