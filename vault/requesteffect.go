package vault

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/accessctl/consent"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/vault/catalog"
	"github.com/fieldvault/fieldvault/vault/ledger"
	"github.com/fieldvault/fieldvault/vault/rights"
)

// asked is who asks for something, and by which settings it is decided.
type asked struct {
	c accessctl.Caller
	t *tenant
	s *settings
}

// requestEffects is what a request does by itself, as soon as it is known to be the
// person's.
type requestEffects struct {
	asked     asked
	v         *Vault
	marketing bool // what is objected to is direct marketing
	restrict  bool
	closes    []*consenting

	uid     uuid.UUID
	freed   []uint32
	entries []ledger.Entry
}

// effectsOf prepares the effects of a kind of request.
func (v *Vault) effectsOf(ctx context.Context, a asked, kind rights.Kind, purpose accessctl.Purpose) (requestEffects, error) {
	w := requestEffects{asked: a, v: v}
	switch kind {
	case rights.Restriction:
		w.restrict = true
	case rights.Objection:
		why, ok := a.s.catalog.Purpose(string(purpose))
		if !ok {
			return w, invalid("purpose", "is required for an objection, and must be in the catalog")
		}
		w.marketing = why.DirectMarketing
		return w, w.close(ctx, why, consent.Objected)
	case rights.OptOut:
		for i := range a.s.catalog.Purposes {
			why := &a.s.catalog.Purposes[i]
			if !why.Sells {
				continue
			}
			if err := w.close(ctx, why, consent.Objected); err != nil {
				return w, err
			}
		}
	case rights.Access, rights.Portability, rights.Rectification, rights.Erasure, rights.Question:
	}
	return w, nil
}

// close prepares a decision that closes a purpose.
func (w *requestEffects) close(ctx context.Context, why *catalog.Purpose, d consent.Decision) error {
	purpose := accessctl.Purpose(why.ID)
	r := &consenting{
		v: w.v, c: w.asked.c, t: w.asked.t, s: w.asked.s, purpose: why, signer: w.v.signer.get(),
		d: Decided{Purpose: purpose, Decision: string(d)},
		event: consent.Event{
			Purpose: purpose, Decision: d, Notice: strconv.FormatInt(w.asked.s.catalog.Version, 10),
			Method: consent.MethodAPI, At: w.v.now(),
		},
	}
	if r.signer == nil {
		return fmt.Errorf("%w: the signing key is not open", ErrUnavailable)
	}
	w.closes = append(w.closes, r)
	return r.check(ctx)
}

// begin forgets what an earlier run of the transaction did.
func (w *requestEffects) begin(p *Subject) {
	w.uid, w.freed, w.entries = p.UID, nil, nil
}

// apply has the effects inside the transaction, each with an event of its own, and
// returns the receipts. p is locked; request is the event of the request.
func (w *requestEffects) apply(ctx context.Context, tx Tx, p *Subject, request *audit.Event) (receipts []json.RawMessage, err error) {
	v, t := w.v, w.asked.t
	for _, r := range w.closes {
		e := w.event(request, accessctl.ActionConsent)
		e.Purpose, e.Subject = r.d.Purpose, []audit.Attr{{Key: "decision", Value: r.d.Decision}}
		r.entries = nil
		freed, err := r.apply(ctx, tx, p, &e)
		if err != nil {
			return nil, err
		}
		if err := v.append(ctx, tx, t, e); err != nil {
			return nil, err
		}
		w.freed, w.entries = append(w.freed, freed...), append(w.entries, r.entries...)
		receipts = append(receipts, slices.Clone(r.receipt))
	}
	if w.restrict && !p.Restricted {
		return receipts, w.restricts(ctx, tx, p, request)
	}
	return receipts, nil
}

// restricts restricts the person to storage.
func (w *requestEffects) restricts(ctx context.Context, tx Tx, p *Subject, request *audit.Event) error {
	v, t := w.v, w.asked.t
	p.Restricted = true
	if err := t.change(ctx, tx, p); err != nil {
		return err
	}
	e := w.event(request, accessctl.ActionRestrict)
	e.Subject = []audit.Attr{{Key: "held", Value: yesNo(p.Held)}, {Key: "restricted", Value: yesNo(true)}}
	entry := t.entryOf(ledger.Restrict, p, e)
	entry.At = v.now() // the row is locked: later words have later times
	if err := v.note(ctx, tx, t, &w.entries, entry); err != nil {
		return err
	}
	return v.append(ctx, tx, t, e)
}

// event begins the event of an effect.
func (w *requestEffects) event(request *audit.Event, a accessctl.Action) audit.Event {
	e := w.v.event(w.asked.t, w.asked.s, w.asked.c, a)
	e.Actor, e.UID = request.Actor, request.UID
	return e
}

// finish frees what was destroyed, and returns once the ledger knows of the effects.
func (w *requestEffects) finish(ctx context.Context, v *Vault, t *tenant) error {
	if len(w.freed) > 0 {
		v.unclean.Store(true)
		v.ring.Forget(t.row.Name, w.uid)
	}
	if len(w.entries) == 0 {
		return v.drain(ctx) // of one that was filed before: the ledger must have it now
	}
	return v.tell(ctx, w.entries)
}
