package vault

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/crypto/secret"
	"github.com/fieldvault/fieldvault/vault/rights"
)

// RightsConfig says by which rules people's requests are dealt with. The zero value: the
// GDPR's, in UTC, without holidays.
type RightsConfig struct {
	// Rules are those of requests that are filed from now on. One that was filed under
	// another regime keeps that one's.
	Rules rights.Rules
	// Calendar is where and when people work.
	Calendar rights.Calendar
	// Reminded is told of each reminder, once, by one of the processes that run. It must
	// return at once. Optional.
	Reminded func(ctx context.Context, tenant string, m rights.Reminder, kind rights.Kind)
	// Recipients are told of rectification, erasure and restriction (GDPR Art. 19).
	Recipients []Recipient
}

const (
	// MaxWords is the most bytes of what a person writes in a request, or is answered.
	MaxWords = 16 << 10
	// maxOpenRequests is how many requests of one person may be open.
	maxOpenRequests = 50
	// maxRequests is how many of one person may be on record.
	maxRequests = 500
)

// A Filed is a request to file.
type Filed struct {
	Subject string
	Kind    rights.Kind
	// Purpose is what an objection is to. Required for an objection, which must be to a
	// purpose that people may object to; else none.
	Purpose accessctl.Purpose
	// Text is what the person writes, at most MaxWords; it is kept sealed. "" for none.
	Text string
	// Received is when a letter came in; zero: now. People file now.
	Received time.Time
	// Once makes a repetition answer the request that was filed, without effect.
	Once Idempotency
}

// A Request is a person's request.
type Request struct {
	rights.Request
	Standing rights.Standing   // against its clocks, now
	Possible []rights.StepKind // what may happen next
	// Reasons are those that fit each possible step that takes one.
	Reasons map[rights.StepKind][]rights.Reason
	Purpose accessctl.Purpose // of an objection
	Steps   []RequestStep     // in order
	// Erased: the person was erased since, so that only the log is left.
	Erased bool
	// Told says which recipients were told of it.
	Told []Told
	// Subject and Text are what the person is called and wrote; zero where the words were
	// not asked for, there are none, or the person was erased. The caller wipes them.
	Subject secret.Bytes
	Text    secret.Bytes

	receipts []json.RawMessage // of the decisions that it made
	erasure  uuid.UUID         // the certificate of the erasure that ended it
}

// A RequestStep is a step that a request took.
type RequestStep struct {
	Step   rights.StepKind
	At     time.Time
	Event  uuid.UUID // of the audit log
	Reason rights.Reason
	By     string       // the actor, as the audit log names actors; "" when erased
	Answer secret.Bytes // what the person was told; zero as of Request.Text
}

// FileRequest files a request of a person: by the person themself, whose identity is
// confirmed thereby, or by an officer, as of a letter. What needs nobody's judgement has
// its effect in the same transaction, on every node from the next read on: an objection
// closes the purpose, a restriction restricts, an opt-out closes every purpose for which
// data are sold or shared. Where proof of identity is needed and lacks, it has it when
// the identity is confirmed.
//
// Without a text it never calls the key-encryption key. The error is ErrNotFound,
// ErrGone, ErrIntegrity or ErrConflict; ErrUnavailable also while the signing key is not
// open, if receipts are to be signed.
func (v *Vault) FileRequest(ctx context.Context, c accessctl.Caller, f Filed) (Request, error) {
	return again(func() (Request, error) { return v.fileRequest(ctx, c, f) })
}

// fileRequest is one try. errRestart says that another catalog is in force, or another
// key of the person, than it went by.
func (v *Vault) fileRequest(ctx context.Context, c accessctl.Caller, f Filed) (Request, error) {
	t, s, err := v.permitPerson(ctx, c, accessctl.ActionRequests, f.Subject)
	if err != nil {
		return Request{}, err
	}
	if err := f.check(); err != nil {
		return Request{}, err
	}
	if f.Text != "" {
		if _, _, err := v.freshOpen(ctx, c.Tenant); err != nil {
			return Request{}, err
		}
	}
	q := &filing{v: v, c: c, t: t, s: s, f: f}
	if q.works, err = v.effectsOf(ctx, asked{c, t, s}, f.Kind, f.Purpose); err != nil {
		return Request{}, err
	}
	a := act{caller: c, tenant: t, set: s, action: accessctl.ActionRequests, subject: f.Subject, lock: ExclusiveLock}
	if q.key, err = v.identityKey(ctx, t, f.Subject, f.Text != ""); err != nil {
		return Request{}, v.refused(ctx, t, v.event(t, s, c, accessctl.ActionRequests), err)
	}
	err = v.onPerson(ctx, a, func(tx Tx, p *Subject, e *audit.Event) error { return q.apply(ctx, tx, p, e) })
	if err != nil {
		return Request{}, err
	}
	return v.shown(&q.doc.Request, q.doc), q.works.finish(ctx, v, t)
}

func (f *Filed) check() error {
	if err := checkText("text", f.Text, MaxWords); err != nil {
		return err
	}
	if f.Purpose != "" && f.Kind != rights.Objection {
		return invalid("purpose", "is that of an objection; requests of other kinds have none")
	}
	if len(f.Once.Key) > 255 {
		return invalid("Idempotency-Key", "must be at most 255 bytes")
	}
	return nil
}

// A filing is one request on its way into the store.
type filing struct {
	v     *Vault
	c     accessctl.Caller
	t     *tenant
	s     *settings
	f     Filed
	key   *heldKey // of the identity group, when there are words to seal
	works requestEffects
	doc   *requestDoc
}

// apply files the request inside the transaction. p is locked.
func (q *filing) apply(ctx context.Context, tx Tx, p *Subject, e *audit.Event) error {
	v, t := q.v, q.t
	q.works.begin(p)
	if q.f.Text != "" {
		if err := v.stillOpen(ctx, tx); err != nil {
			return err
		}
	}
	once, done, err := q.repeated(ctx, tx, p)
	if err != nil || done {
		e.Code = "repeated"
		return err
	}
	req, err := rights.Apply(rights.Request{}, q.step(), v.rights.Rules, v.rights.Calendar, v.now())
	if err != nil {
		return rightsError(err)
	}
	d := &requestDoc{Request: req, Purpose: string(q.f.Purpose), Once: once}
	if d.Text, err = t.sealWords(ctx, tx, p, d, words{q.key, 0, q.f.Text}); err != nil {
		return err
	}
	if v.rights.Rules.Proven(req) {
		if d.Receipts, err = q.works.apply(ctx, tx, p, e); err != nil {
			return err
		}
	}
	d.Steps = []requestStep{{Step: rights.File, At: req.Entered, Event: e.ID, By: e.Actor}}
	e.Subject = requestFacts(&req, rights.File)
	q.doc = d
	return v.putRequest(ctx, tx, t, p.UID, d, nil)
}

func (q *filing) step() rights.Step {
	return rights.Step{
		Do: rights.File, ID: q.v.newID(), Kind: q.f.Kind, Marketing: q.works.marketing,
		Received: q.f.Received, SignedIn: own(q.c, q.f.Subject),
	}
}

// repeated takes the idempotency key, if there is one, and says whether the request was
// filed under it before. It refuses a person who has too many.
func (q *filing) repeated(ctx context.Context, tx Tx, p *Subject) (once []byte, done bool, err error) {
	rows, err := tx.RequestsOf(ctx, q.t.row.ID, p.UID)
	if err != nil {
		return nil, false, fmt.Errorf("reading requests: %w", err)
	}
	if q.f.Once.Key != "" {
		mine := q.t.effect(q.c, q.f.Once, 0, q.v.now())
		mine.UID, mine.Lookup, once = p.UID, p.Lookup, mine.Key
		if _, done, err = takeEffect(ctx, tx, mine); err != nil {
			return nil, false, err
		}
		if !done {
			mine.Revision = 1
			if err := tx.UpdateEffect(ctx, mine); err != nil {
				return nil, false, fmt.Errorf("storing an idempotency key: %w", err)
			}
		}
	}
	if len(rows) >= maxRequests && !done {
		return nil, false, invalid("subject", "has too many requests on record: answer them by letter")
	}
	open := 0
	for i := range slices.Backward(rows) {
		d, err := q.t.openRequest(&rows[i])
		if err != nil {
			continue // it counts for nothing; fsck names it
		}
		if done && bytes.Equal(d.Once, once) {
			q.doc = d
			return once, true, nil
		}
		if !d.Request.State.Over() {
			open++
		}
	}
	switch {
	case done:
		return nil, false, ErrConflict // the request that was filed is there no more
	case open >= maxOpenRequests:
		return nil, false, invalid("subject", "has as many open requests as a person may have: answer them first")
	}
	return once, false, nil
}

// requestFacts are the facts of an event about a request.
func requestFacts(r *rights.Request, step rights.StepKind) []audit.Attr {
	return []audit.Attr{
		{Key: "kind", Value: string(r.Kind)},
		{Key: attrRequest, Value: r.ID.String()},
		{Key: attrState, Value: string(r.State)},
		{Key: attrStep, Value: string(step)},
	}
}

// What an event about a request says of it.
const (
	attrRequest = "request"
	attrState   = "state"
	attrStep    = "step" // that was taken, or stepRead
	stepRead    = "read" // its words were opened
)

// rightsError turns what package rights refuses into what a caller can act on. A step
// that is not possible is an ErrConflict, and still a *rights.StepError.
func rightsError(err error) error {
	var reason *rights.ReasonError
	switch {
	case errors.As(err, &reason) && len(reason.Possible) == 0:
		return invalid("reason", "must be left out")
	case errors.As(err, &reason):
		words := make([]string, len(reason.Possible))
		for i, r := range reason.Possible {
			words[i] = string(r)
		}
		return invalid("reason", "must be one of "+strings.Join(words, ", "))
	case errors.Is(err, rights.ErrStep):
		return fmt.Errorf("%w: %w", ErrConflict, err)
	case errors.Is(err, rights.ErrRequest):
		return invalid("request", "must be of a known kind, and received not later than now; people file now")
	}
	return err
}

// shown is a request as it is answered, without words.
func (v *Vault) shown(r *rights.Request, d *requestDoc) Request {
	rules, now := v.rulesOf(r.Regime), v.now()
	q := Request{
		Request: *r, Standing: rights.Clock(*r, rules, v.rights.Calendar, now), Possible: rights.Possible(*r, rules, now),
		Purpose: accessctl.Purpose(d.Purpose), receipts: d.Receipts,
	}
	for _, do := range q.Possible {
		if list := rights.Reasons(*r, do, rules); list != nil {
			if q.Reasons == nil {
				q.Reasons = map[rights.StepKind][]rights.Reason{}
			}
			q.Reasons[do] = list
		}
	}
	for _, s := range d.Steps {
		q.Steps = append(q.Steps, RequestStep{Step: s.Step, At: s.At, Event: s.Event, Reason: s.Reason, By: s.By})
	}
	return q
}
