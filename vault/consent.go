package vault

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/accessctl/consent"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/audit/evidence"
	"github.com/fieldvault/fieldvault/crypto/secret"
	"github.com/fieldvault/fieldvault/vault/catalog"
	"github.com/fieldvault/fieldvault/vault/ledger"
)

// RecordConsent records a person's decision about one purpose and answers the
// signed receipt. A grant or refusal of an unknown person makes the person; a
// withdrawal of one is ErrNotFound. A withdrawal takes effect like an erasure: the
// next read on any node is refused. It never calls the key-encryption key, and
// destroys the keys of groups that rest on consent alone and have none left; of a
// held person, when the hold is lifted. A grant or refusal may call it: for a new person, and
// to seal evidence.
//
// A grant names the notice that was shown, and opens data only while the purpose's
// terms are those of that notice ([catalog.Purpose.Since]); one on a notice whose terms
// have changed since is refused, but for an import, which is recorded and opens nothing.
// An objection closes the purpose whatever it rests on, for purposes that people may
// object to; for others it is an *InvalidError. A later grant takes it back.
//
// A no that is acknowledged while a grant waits to be recorded stands, whatever clocks say.
//
// The error is ErrGone, ErrConflict (a later decision stands, or the terms have changed
// since the notice), ErrIntegrity (the person's consents were changed outside the service,
// and this is a grant), or ErrUnavailable also while the signing key is not open.
func (v *Vault) RecordConsent(ctx context.Context, c accessctl.Caller, d Decided) (json.RawMessage, error) {
	first := asking{at: v.now()}
	return again(func() (json.RawMessage, error) { return v.recordConsent(ctx, c, d, &first) })
}

// An asking is the moment at which a decision was asked for: a later try changes nothing
// of it.
type asking struct {
	at     time.Time
	looked bool
	stood  []byte // the receipt of the decision on the purpose that stood then
}

// recordConsent is one try. errRestart says that another catalog is in force, or another
// key of the person, than it went by.
func (v *Vault) recordConsent(ctx context.Context, c accessctl.Caller, d Decided, first *asking) (json.RawMessage, error) {
	t, s, err := v.permitPerson(ctx, c, accessctl.ActionConsent, d.Subject)
	if err != nil {
		return nil, err
	}
	purpose, ok := s.catalog.Purpose(string(d.Purpose))
	if !ok {
		return nil, invalid("purpose", "is not in the catalog")
	}
	r := consenting{v: v, c: c, t: t, s: s, d: d, purpose: purpose, first: first, event: consent.Event{
		Purpose: d.Purpose, Decision: consent.Decision(d.Decision), Notice: orText(d.Notice, strconv.FormatInt(s.catalog.Version, 10)),
		Method: orText(d.Method, consent.MethodAPI), At: first.at, Expires: d.Expires,
	}}
	if err := r.check(ctx); err != nil {
		return nil, err
	}
	if !r.afterwards() { // it may make the person
		if _, _, err := v.freshOpen(ctx, c.Tenant); err != nil {
			return nil, err
		}
	}
	if r.signer = v.signer.get(); r.signer == nil {
		return nil, fmt.Errorf("%w: the signing key is not open", ErrUnavailable)
	}
	return r.record(ctx)
}

func orText(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// A consenting is one decision on its way into the store.
type consenting struct {
	v       *Vault
	c       accessctl.Caller
	t       *tenant
	s       *settings
	d       Decided
	event   consent.Event
	first   *asking // nil: it closes
	purpose *catalog.Purpose
	shown   *catalog.Catalog // of the notice that the person was shown
	signer  *evidence.Signer
	key     *heldKey // of the identity group, when there is evidence to seal
	receipt json.RawMessage
	entries []ledger.Entry
}

func (r *consenting) record(ctx context.Context) (json.RawMessage, error) {
	if !r.event.Decision.Closes() {
		if err := r.look(ctx); err != nil {
			return nil, err
		}
	}
	if !r.afterwards() {
		if err := r.v.ensurePerson(ctx, r.c, r.t, r.s, r.d.Subject); err != nil {
			return nil, err
		}
		var err error
		if r.key, err = r.v.identityKey(ctx, r.t, r.d.Subject, len(r.d.Evidence) > 0); err != nil {
			return nil, err
		}
	}
	a := act{
		caller: r.c, tenant: r.t, set: r.s, action: accessctl.ActionConsent,
		subject: r.d.Subject, lock: ExclusiveLock,
	}
	var freed []uint32
	var uid uuid.UUID
	err := r.v.onPerson(ctx, a, func(tx Tx, p *Subject, e *audit.Event) (err error) {
		uid, r.entries = p.UID, nil
		if !r.afterwards() {
			if err := r.v.stillOpen(ctx, tx); err != nil {
				return err
			}
		}
		e.Purpose = r.d.Purpose
		e.Subject = []audit.Attr{{Key: "decision", Value: r.d.Decision}}
		freed, err = r.apply(ctx, tx, p, e)
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(freed) > 0 {
		r.v.unclean.Store(true)
		r.v.ring.Forget(r.t.row.Name, uid)
	}
	if r.event.Decision.Closes() && len(r.entries) == 0 {
		return r.receipt, r.v.drain(ctx) // it was recorded before; the ledger must have it now
	}
	return r.receipt, r.v.tell(ctx, r.entries)
}

// apply stores the decision and shreds what rests on it alone.
func (r *consenting) apply(ctx context.Context, tx Tx, p *Subject, e *audit.Event) ([]uint32, error) {
	done, err := r.repeated(ctx, tx, p)
	if err != nil {
		return nil, err
	}
	if done {
		e.Subject, e.Code = nil, "repeated"
		return nil, nil
	}
	stood, err := r.follows(ctx, tx, p)
	if err != nil {
		return nil, err
	}
	receipt, err := r.signer.Sign(r.describe(p, e))
	if err != nil {
		return nil, fmt.Errorf("signing the receipt: %w", err)
	}
	mac := r.t.mac.Sum(consent.Label, consent.Canonical(r.t.row.Name, p.UID, r.event)...)
	row := Consent{
		Purpose: string(r.event.Purpose), Decision: string(r.event.Decision), Notice: r.event.Notice,
		Method: r.event.Method, At: r.event.At, Expires: r.event.Expires, Receipt: receipt, MAC: mac[:],
	}
	if row.Evidence, err = r.sealEvidence(ctx, tx, p); err != nil {
		return nil, err
	}
	if err := tx.PutConsent(ctx, r.t.row.ID, p.UID, row); err != nil {
		return nil, fmt.Errorf("storing a consent: %w", err)
	}
	r.receipt = receipt
	var freed []uint32
	if !r.event.Decision.Closes() {
		return nil, r.t.answer(ctx, tx, p, stood)
	}
	entry := r.t.entryOf(ledger.Withdraw, p, *e)
	entry.Purpose, entry.Decision, entry.At = row.Purpose, row.Decision, row.At
	if r.event.Decision == consent.Objected {
		entry.Kind, entry.Decision = ledger.Object, ""
	}
	if err := r.v.note(ctx, tx, r.t, &r.entries, entry); err != nil {
		return nil, err
	}
	if err := r.s.stand(ctx, tx, r.t); err != nil {
		return nil, err
	}
	if !p.Held {
		if freed, err = r.shredGroups(ctx, tx, p, e); err != nil {
			return nil, err
		}
	}
	return freed, r.t.answer(ctx, tx, p, stood)
}

// sealEvidence seals the evidence of a decision, if there is any.
func (r *consenting) sealEvidence(ctx context.Context, tx Tx, p *Subject) ([]byte, error) {
	if len(r.d.Evidence) == 0 {
		return nil, nil
	}
	if err := r.t.seals(ctx, tx, p, r.key); err != nil {
		return nil, err
	}
	place := identityPlace(r.t, p.UID, r.key.id.Epoch, placeEvidence)
	place.Record = string(r.event.Purpose)
	sealed, err := r.key.opened.Seal(place, secret.New([]byte(r.d.Evidence)))
	if err != nil {
		return nil, fmt.Errorf("sealing evidence: %w", err)
	}
	return sealed, nil
}

// repeated takes the idempotency key, if there is one, and says whether this
// decision was recorded under it before: then the answer is the receipt in force.
func (r *consenting) repeated(ctx context.Context, tx Tx, p *Subject) (bool, error) {
	if r.d.Once.Key == "" {
		return false, nil
	}
	mine := r.t.effect(r.c, r.d.Once, 0, r.event.At)
	mine.UID, mine.Lookup = p.UID, p.Lookup
	_, done, err := takeEffect(ctx, tx, mine)
	if err != nil {
		return false, err
	}
	if !done {
		mine.Revision = 1
		return false, tx.UpdateEffect(ctx, mine)
	}
	rows, _, err := r.t.consents(ctx, tx, p)
	if err != nil {
		return false, err
	}
	for i := range rows {
		if rows[i].Purpose == string(r.event.Purpose) {
			r.receipt = rows[i].Receipt
			return true, nil
		}
	}
	return false, ErrConflict
}

// look notes which decision stands as this one is asked for, once.
func (r *consenting) look(ctx context.Context) error {
	if r.first.looked {
		return nil
	}
	return r.v.store.View(ctx, func(tx Tx) error {
		p, err := tx.Subject(ctx, r.t.row.ID, r.t.hash(r.d.Subject), NoLock)
		if errors.Is(err, ErrNoRow) || err == nil && p.State != Live {
			r.first.looked = true
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading a person: %w", err)
		}
		rows, err := tx.Consents(ctx, r.t.row.ID, p.UID)
		if err != nil {
			return fmt.Errorf("reading consents: %w", err)
		}
		for i := range rows {
			if rows[i].Purpose == string(r.event.Purpose) {
				r.first.stood = rows[i].Receipt
			}
		}
		r.first.looked = true
		return nil
	})
}

// follows refuses what opens and waited while a no was acknowledged: one that is older than
// the decision in force, or that did not see it. It also says whether the person's
// consents stand. If they were changed by SQL a grant is refused, and a
// withdrawal is taken without vouching for the rest.
func (r *consenting) follows(ctx context.Context, tx Tx, p *Subject) (stood bool, err error) {
	rows, stood, err := r.t.consents(ctx, tx, p)
	if err != nil {
		return false, err
	}
	if !stood && !r.event.Decision.Closes() {
		return false, ErrIntegrity
	}
	objected := false
	for i := range rows {
		if rows[i].Purpose != string(r.event.Purpose) {
			continue
		}
		last := consentEvent(&rows[i])
		unseen := !r.event.Decision.Closes() && last.Decision.Closes() && !bytes.Equal(rows[i].Receipt, r.first.stood)
		if unseen || r.event.Follows(last) != nil {
			return false, ErrConflict
		}
		objected = last.Decision == consent.Objected
		if r.event.Decision.Closes() && r.event.At.Before(last.At) {
			r.event.At = last.At // clocks differ: in the ledger, too, it is no older than what it ends
		}
	}
	if r.event.Decision == consent.Overruled && !objected {
		return false, ErrConflict // there is nothing to overrule
	}
	return stood, nil
}

// ensurePerson makes the person unless there is one. An erased person stays
// erased: the caller's own transaction finds that.
func (v *Vault) ensurePerson(ctx context.Context, c accessctl.Caller, t *tenant, s *settings, subject string) error {
	err := v.store.View(ctx, func(tx Tx) error {
		_, err := tx.Subject(ctx, t.row.ID, t.hash(subject), NoLock)
		return err
	})
	if !errors.Is(err, ErrNoRow) {
		return err
	}
	w := &writing{v: v, c: c, action: accessctl.ActionConsent, t: t, s: s}
	p := &writePerson{name: subject, lookup: t.hash(subject), fresh: true}
	p.subject = newSubject(v, t, p.lookup, 1)
	p.need(w, nil, identityGroup)
	if err := v.makeHeld(ctx, []*heldKey{&p.keys[0]}); err != nil {
		return err
	}
	err = v.store.Update(ctx, func(tx Tx) error {
		if err := p.lock(ctx, tx, w); err != nil {
			return err
		}
		e := about(v.event(t, s, c, accessctl.ActionConsent), c, p.subject.UID, own(c, subject))
		e.Code = codeCreated
		return v.append(ctx, tx, t, e)
	})
	if errors.Is(err, errRestart) {
		return nil // another made the person meanwhile
	}
	return err
}
