package vault

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/vault/rights"
)

// StepRequest takes a request one step further, and tells the person answer, if it is
// not "": up to MaxWords, kept sealed, to be read by them. Officers take every step but
// to file; people cancel their own. Of two who take the same step one is refused.
//
// The effects of an objection, restriction or opt-out are had when the identity is
// confirmed, where that was awaited. A request for erasure is done by the erasure; to
// complete it of somebody who lives on needs the reason why a part stays.
//
// Without an answer it never calls the key-encryption key. The error is ErrNotFound,
// ErrGone, ErrIntegrity, ErrUnledgered, or ErrConflict, which is also a
// *rights.StepError if the step is not possible.
func (v *Vault) StepRequest(ctx context.Context, c accessctl.Caller, id uuid.UUID, step rights.Step, answer string) (Request, error) {
	return v.StepRequestOnce(ctx, c, id, step, answer, Idempotency{})
}

// StepRequestOnce is [Vault.StepRequest], and a repetition under once, for a day: by the
// same caller, of the same request, it has no effect and answers the request as it stands.
// ErrMismatch if the key was used for another.
func (v *Vault) StepRequestOnce(ctx context.Context, c accessctl.Caller, id uuid.UUID, step rights.Step, answer string, once Idempotency) (Request, error) {
	return again(func() (Request, error) {
		return v.stepRequest(ctx, c, &stepping{v: v, id: id, step: step, answer: answer, once: once})
	})
}

// stepRequest is one try. errRestart says that another catalog is in force, or another
// key of the person, than it went by.
func (v *Vault) stepRequest(ctx context.Context, c accessctl.Caller, q *stepping) (Request, error) {
	a, err := v.permitRequest(ctx, c, q.step.Do == rights.Cancel)
	if err != nil {
		return Request{}, err
	}
	switch {
	case q.step.Do == rights.File:
		return Request{}, invalid("step", "must be one that a request takes after it was filed")
	case q.answer != "" && c.IsPerson():
		return Request{}, invalid("answer", "is what the person is told")
	case len(q.once.Key) > 255:
		return Request{}, invalid("Idempotency-Key", "must be at most 255 bytes")
	}
	if err := checkText("answer", q.answer, MaxWords); err != nil {
		return Request{}, err
	}
	q.asked = a
	if err := q.find(ctx); err != nil {
		return Request{}, err
	}
	if err := q.run(ctx); err != nil {
		return Request{}, err
	}
	v.soon(justDone{t: a.t, id: q.id})
	return v.shown(&q.doc.Request, q.doc), q.works.finish(ctx, v, a.t)
}

// permitRequest decides the action requests, of a request that is known by its id. own:
// people may do this with their own.
func (v *Vault) permitRequest(ctx context.Context, c accessctl.Caller, own bool) (asked, error) {
	t, s, err := v.fresh(ctx, c.Tenant)
	if err != nil {
		return asked{}, err
	}
	if c.IsPerson() && !own || !s.decider(c).PermitPerson(accessctl.ActionRequests, c.IsPerson()).Allowed {
		return asked{}, v.denied(ctx, t, s, c, accessctl.ActionRequests)
	}
	return asked{c, t, s}, nil
}

// A stepping is one step of a request.
type stepping struct {
	v      *Vault
	asked  asked
	id     uuid.UUID
	step   rights.Step
	answer string
	once   Idempotency

	uid   uuid.UUID
	key   *heldKey // of the identity group, when there is an answer to seal
	works requestEffects
	doc   *requestDoc
}

// find looks whose the request is, and prepares what the transaction needs.
func (q *stepping) find(ctx context.Context) error {
	var d *requestDoc
	var lookup []byte
	err := q.v.store.View(ctx, func(tx Tx) error {
		row, p, doc, err := q.v.requestOf(ctx, tx, q.asked, q.id, NoLock)
		if err != nil {
			return err
		}
		q.uid, lookup, d = row.UID, p.Lookup, doc
		return nil
	})
	if err != nil {
		return q.v.refused(ctx, q.asked.t, q.v.event(q.asked.t, q.asked.s, q.asked.c, accessctl.ActionRequests), err)
	}
	if q.works, err = q.v.effectsOf(ctx, q.asked, d.Request.Kind, accessctl.Purpose(d.Purpose)); err != nil {
		if q.step.Do == rights.ConfirmIdentity {
			return err
		}
		q.works = requestEffects{asked: q.asked, v: q.v} // the purpose has left the catalog
	}
	if q.answer != "" {
		q.key, err = q.v.identityKeyOf(ctx, q.asked.t, lookup)
	}
	return err
}

// requestOf reads a request and its person, who lives. A person who asks for another's
// gets ErrNotFound, as for none. ErrGone if the person was erased; ErrIntegrity if a row
// was changed outside the service.
func (v *Vault) requestOf(ctx context.Context, tx Tx, a asked, id uuid.UUID, lock Lock) (*RequestRow, *Subject, *requestDoc, error) {
	row, err := tx.RequestRow(ctx, a.t.row.ID, id)
	if err != nil {
		return nil, nil, nil, v.noRequest(ctx, tx, a, id, err)
	}
	p, err := tx.SubjectByUID(ctx, a.t.row.ID, row.UID, lock)
	switch {
	case errors.Is(err, ErrNoRow):
		return nil, nil, nil, v.noRequest(ctx, tx, a, id, err)
	case err != nil:
		return nil, nil, nil, fmt.Errorf("reading a person: %w", err)
	case a.c.IsPerson() && !bytes.Equal(p.Lookup, a.t.hash(a.c.Person)):
		return nil, nil, nil, ErrNotFound
	case !a.t.marked(&p):
		return nil, nil, nil, ErrIntegrity
	case p.State != Live || v.erasedBefore(a.t, p.UID):
		return nil, nil, nil, ErrGone
	}
	if lock != NoLock { // another may have changed it before the person's row was locked
		if row, err = tx.RequestRow(ctx, a.t.row.ID, id); err != nil {
			return nil, nil, nil, notRow(err, ErrNotFound)
		}
	}
	d, err := a.t.openRequest(&row)
	if err != nil || row.UID != p.UID {
		return nil, nil, nil, ErrIntegrity
	}
	return &row, &p, d, nil
}

// noRequest says why there is no request: there was none, or its person was erased.
func (v *Vault) noRequest(ctx context.Context, tx Tx, a asked, id uuid.UUID, err error) error {
	if !errors.Is(err, ErrNoRow) {
		return fmt.Errorf("reading a request: %w", err)
	}
	if a.c.IsPerson() {
		return ErrNotFound
	}
	if _, err := tx.RequestLog(ctx, a.t.row.ID, id, NoLock); err != nil {
		return notRow(err, ErrNotFound)
	}
	return ErrGone
}

// run takes the step in one transaction, with its event.
func (q *stepping) run(ctx context.Context) error {
	v, a := q.v, q.asked
	var failed audit.Event
	err := v.store.Update(ctx, func(tx Tx) error {
		e := v.event(a.t, a.s, a.c, accessctl.ActionRequests)
		failed = e
		row, p, d, err := v.requestOf(ctx, tx, a, q.id, ExclusiveLock)
		if err != nil {
			return err
		}
		e = about(e, a.c, p.UID, a.c.IsPerson())
		failed = e
		if row.UID != q.uid {
			return ErrConflict
		}
		if err := q.apply(ctx, tx, p, d, &e); err != nil {
			return err
		}
		return v.append(ctx, tx, a.t, e)
	})
	return v.refused(ctx, a.t, failed, err)
}

func (q *stepping) apply(ctx context.Context, tx Tx, p *Subject, d *requestDoc, e *audit.Event) error {
	v, t := q.v, q.asked.t
	q.works.begin(p)
	if done, err := q.repeated(ctx, tx, p); done || err != nil {
		q.doc, e.Code = d, "repeated"
		return err
	}
	log, logged, err := t.lockRequestLog(ctx, tx, q.id)
	if err != nil {
		return err
	}
	if logged.Request.State != d.Request.State || len(logged.Steps) != len(d.Steps) {
		return ErrIntegrity // one of the two was put back by SQL
	}
	rules, was := v.rulesOf(d.Request.Regime), d.Request
	if d.Request, err = rights.Apply(was, q.step, rules, v.rights.Calendar, v.now()); err != nil {
		return rightsError(err)
	}
	if was.Kind == rights.Erasure && q.step.Do == rights.Complete && q.step.Reason == "" {
		return invalid("reason", "is required: the person lives on. A request for erasure is done by erasing the person; else say why a part stays")
	}
	s := requestStep{Step: q.step.Do, At: v.now(), Event: e.ID, Reason: q.step.Reason, By: e.Actor}
	if s.Answer, err = t.sealWords(ctx, tx, p, d, words{q.key, len(d.Steps), q.answer}); err != nil {
		return err
	}
	if !rules.Proven(was) && rules.Proven(d.Request) {
		receipts, err := q.works.apply(ctx, tx, p, e)
		if err != nil {
			return err
		}
		d.Receipts = append(d.Receipts, receipts...)
	}
	d.Steps = append(d.Steps, s)
	e.Subject = requestFacts(&d.Request, q.step.Do)
	q.doc = d
	if err := v.announce(ctx, tx, t, &d.Request, e); err != nil {
		return err
	}
	return v.putRequest(ctx, tx, t, p.UID, d, &log)
}

// repeated takes the idempotency key, if there is one, and says whether the step was
// taken under it before.
func (q *stepping) repeated(ctx context.Context, tx Tx, p *Subject) (bool, error) {
	if q.once.Key == "" {
		return false, nil
	}
	mine := q.asked.t.effect(q.asked.c, q.once, 0, q.v.now())
	mine.UID, mine.Lookup = p.UID, p.Lookup
	_, done, err := takeEffect(ctx, tx, mine)
	if done || err != nil {
		return done, err
	}
	mine.Revision = 1
	if err := tx.UpdateEffect(ctx, mine); err != nil {
		return false, fmt.Errorf("storing an idempotency key: %w", err)
	}
	return false, nil
}
