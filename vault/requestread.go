package vault

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/vault/rights"
)

// A RequestQuery asks for requests.
type RequestQuery struct {
	Open      bool         // open ones only
	DueBefore time.Time    // open ones whose answer is late by then; zero: all
	State     rights.State // "": all
	Kind      rights.Kind  // "": all
	Cursor    string       // of the page before; "": the first page
	Limit     int          // 0: 100; at most MaxPage
}

// A RequestPage is a part of a list of requests.
type RequestPage struct {
	Requests []Request
	Cursor   string // "" at the end
}

// Requests lists the tenant's requests to officers, those whose answer is due first at
// the beginning. Nothing in the list is about a person; see [Vault.Request]. It is made
// from the log, so that requests of the erased are in it as long as the log is kept. A
// page may hold fewer than the limit and still have a cursor.
func (v *Vault) Requests(ctx context.Context, c accessctl.Caller, q RequestQuery) (RequestPage, error) {
	a, err := v.permitRequest(ctx, c, false)
	if err != nil {
		return RequestPage{}, err
	}
	limit, err := pageLimit(q.Limit)
	if err != nil {
		return RequestPage{}, err
	}
	find := RequestLogQuery{Tenant: a.t.row.ID, OpenOnly: q.Open || !q.DueBefore.IsZero(), DueBefore: q.DueBefore, Limit: limit}
	label := cursorLabel(c, "requests", []byte(yesNo(q.Open)+q.DueBefore.UTC().Format(time.RFC3339Nano)+"\x00"+string(q.State)+"\x00"+string(q.Kind)))
	if q.Cursor != "" {
		at, err := v.openCursor(a.t, label, q.Cursor)
		if err != nil {
			return RequestPage{}, err
		}
		find.AfterDue, find.AfterID = at.Due, at.UID
	}
	var rows []RequestLog
	err = v.store.View(ctx, func(tx Tx) (err error) {
		rows, err = tx.RequestLogs(ctx, find)
		return err
	})
	if err != nil {
		return RequestPage{}, fmt.Errorf("reading the log of requests: %w", err)
	}
	page := RequestPage{}
	for i := range rows {
		if d, err := a.t.openRequestLog(&rows[i]); err == nil && v.asks(&q, &d.Request) { // else it counts for nothing
			page.Requests = append(page.Requests, v.logged(d))
		}
	}
	if len(rows) == limit {
		last := &rows[len(rows)-1]
		page.Cursor, err = v.sealCursor(a.t, label, cursor{Due: last.Due, UID: last.ID})
	}
	return page, err
}

// asks says whether a query asks for a request.
func (v *Vault) asks(q *RequestQuery, r *rights.Request) bool {
	if q.State != "" && q.State != r.State || q.Kind != "" && q.Kind != r.Kind {
		return false
	}
	return q.DueBefore.IsZero() || !r.Deadline(v.rulesOf(r.Regime)).IsZero()
}

// logged is a request as the log has it.
func (v *Vault) logged(d *requestLogDoc) Request {
	q := v.shown(&d.Request, &requestDoc{Steps: d.Steps})
	q.Erased, q.Told, q.erasure = d.Erasure != uuid.Nil, d.Told, d.Erasure
	return q
}

// RequestsOf lists a person's requests, oldest first: to the person, or to an officer.
// Without words.
func (v *Vault) RequestsOf(ctx context.Context, c accessctl.Caller, subject string) ([]Request, error) {
	t, s, err := v.permitPerson(ctx, c, accessctl.ActionRequests, subject)
	if err != nil {
		return nil, err
	}
	var list []Request
	a := act{caller: c, tenant: t, set: s, action: accessctl.ActionRequests, subject: subject}
	err = v.seePerson(ctx, a, func(tx Tx, p *Subject) error {
		rows, err := tx.RequestsOf(ctx, t.row.ID, p.UID)
		if err != nil {
			return fmt.Errorf("reading requests: %w", err)
		}
		list = nil
		for i := range rows {
			if d, err := t.openRequest(&rows[i]); err == nil { // else it counts for nothing
				list = append(list, v.shown(&d.Request, d))
			}
		}
		return nil
	})
	return list, err
}

// Request returns a request with its words, to the person themself or to an officer, who
// has to read a question to answer it. That is a release: the event is durable before
// anything is opened. Of a person who was erased an officer gets what the log keeps. The
// error is ErrNotFound or ErrIntegrity.
func (v *Vault) Request(ctx context.Context, c accessctl.Caller, id uuid.UUID) (Request, error) {
	a, err := v.permitRequest(ctx, c, true)
	if err != nil {
		return Request{}, err
	}
	for range attempts {
		if _, _, err := v.freshOpen(ctx, c.Tenant); err != nil {
			return Request{}, err
		}
		r := requestReading{v: v, asked: a, id: id, began: v.tick()}
		err := r.load(ctx)
		if errors.Is(err, ErrGone) && !c.IsPerson() {
			return v.requestInLog(ctx, a, id)
		}
		if err != nil {
			return Request{}, v.refused(ctx, a.t, v.event(a.t, a.s, c, accessctl.ActionRequests), err)
		}
		if err := v.record(ctx, a.t, r.event); err != nil {
			return Request{}, err
		}
		out, err := r.open(ctx)
		if err != nil || !v.old(r.began) {
			return out, err
		}
		out.Wipe()
	}
	return Request{}, fmt.Errorf("%w: the parts are too slow", ErrUnavailable)
}

// Wipe overwrites the words of a request.
func (q *Request) Wipe() {
	q.Subject.Wipe()
	q.Text.Wipe()
	for i := range q.Steps {
		q.Steps[i].Answer.Wipe()
	}
}

// requestInLog is what is left of a request of an erased person.
func (v *Vault) requestInLog(ctx context.Context, a asked, id uuid.UUID) (Request, error) {
	e := v.event(a.t, a.s, a.c, accessctl.ActionRequests)
	var d *requestLogDoc
	err := v.store.View(ctx, func(tx Tx) error {
		l, err := tx.RequestLog(ctx, a.t.row.ID, id, NoLock)
		if err != nil {
			return notRow(err, ErrNotFound)
		}
		d, err = a.t.openRequestLog(&l)
		return err
	})
	if err != nil {
		return Request{}, v.refused(ctx, a.t, e, err)
	}
	e.Subject = requestFacts(&d.Request, stepRead)
	if err := v.record(ctx, a.t, e); err != nil {
		return Request{}, err
	}
	q := v.logged(d)
	q.Erased = true
	return q, nil
}

// A requestReading is one attempt to read a request with its words.
type requestReading struct {
	v     *Vault
	asked asked
	id    uuid.UUID
	began time.Time

	doc   *requestDoc
	told  []Told
	p     *Subject
	key   *DataKey
	event audit.Event
}

func (r *requestReading) load(ctx context.Context) error {
	v, a := r.v, r.asked
	return v.store.View(ctx, func(tx Tx) error {
		_, p, d, err := v.requestOf(ctx, tx, a, r.id, NoLock)
		if err != nil {
			return err
		}
		keys, err := tx.Keys(ctx, a.t.row.ID, p.UID)
		if err != nil {
			return fmt.Errorf("reading keys: %w", err)
		}
		log, err := tx.RequestLog(ctx, a.t.row.ID, r.id, NoLock)
		if err != nil {
			return notRow(err, ErrIntegrity)
		}
		logged, err := a.t.openRequestLog(&log)
		if err != nil {
			return err
		}
		r.p, r.doc, r.key, r.told = p, d, keyOf(keys, identityGroup), logged.Told
		r.event = about(v.event(a.t, a.s, a.c, accessctl.ActionRequests), a.c, p.UID, a.c.IsPerson())
		r.event.Subject = requestFacts(&d.Request, stepRead)
		return nil
	})
}

// open opens the words, after the event is durable.
func (r *requestReading) open(ctx context.Context) (Request, error) {
	v, t := r.v, r.asked.t
	out := v.shown(&r.doc.Request, r.doc)
	out.Told = r.told
	if r.key == nil || r.key.Wrapped == nil {
		return Request{}, ErrIntegrity // a living person has one
	}
	k := &heldKey{id: keyID(t, r.p, r.key), wrapped: wrappedOf(r.key)}
	if err := v.openHeld(ctx, t, []*heldKey{k}); err != nil {
		return Request{}, err
	}
	if k.opened == nil {
		return Request{}, ErrIntegrity
	}
	var err error
	if out.Subject, err = k.opened.Open(identityPlace(t, r.p.UID, r.key.Epoch, placeID), r.p.SealedID); err != nil {
		return Request{}, ErrIntegrity
	}
	if len(r.doc.Text) > 0 {
		if out.Text, err = k.opened.Open(wordPlace(t, r.p.UID, r.id, r.doc.Epoch, 0), r.doc.Text); err != nil {
			return Request{}, ErrIntegrity
		}
	}
	for i := range r.doc.Steps {
		if sealed := r.doc.Steps[i].Answer; len(sealed) > 0 {
			if out.Steps[i].Answer, err = k.opened.Open(wordPlace(t, r.p.UID, r.id, r.doc.Epoch, i), sealed); err != nil {
				return Request{}, ErrIntegrity
			}
		}
	}
	return out, nil
}
