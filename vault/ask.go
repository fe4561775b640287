package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/crypto/field"
	"github.com/fieldvault/fieldvault/vault/aggregate"
	"github.com/fieldvault/fieldvault/vault/catalog"
)

// ticketQuestion is the kind of the mark that a question bears, so that it is paid for once.
const ticketQuestion TicketKind = "question"

// QuestionLife is how long a question may be thought over once it was marked, and how
// long its answer is kept at most.
const QuestionLife = time.Hour

// errAsked: the question was paid for before.
var errAsked = errors.New("the question was asked before")

// A StatisticsOffer is what a caller may learn of a collection's people for a purpose.
type StatisticsOffer struct {
	Budget BudgetState
	// Fields are those that policy lets the caller use, in the order of the catalog.
	Fields []*catalog.Measured
}

// Statistics lists what the caller may ask about, under whatever purpose. Who may not ask
// has an empty list. The error is ErrIntegrity if a budget was changed outside the service.
func (v *Vault) Statistics(ctx context.Context, c accessctl.Caller) (list []StatisticsOffer, err error) {
	t, s, err := v.freshOpen(ctx, c.Tenant)
	if err != nil {
		return nil, err
	}
	var rows []BudgetRow
	err = v.store.View(ctx, func(tx Tx) (err error) {
		rows, err = tx.Budgets(ctx, t.row.ID)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading budgets: %w", err)
	}
	for i := range s.catalog.Collections {
		coll := &s.catalog.Collections[i]
		if coll.Statistics == nil {
			continue
		}
		for j := range coll.Statistics.Budgets {
			b := &coll.Statistics.Budgets[j]
			o := StatisticsOffer{Fields: s.measurable(c, coll, accessctl.Purpose(b.Purpose))}
			if len(o.Fields) == 0 {
				continue
			}
			row, err := t.budgetIn(rows, coll.ID, b.Purpose)
			if err != nil {
				return nil, err
			}
			if o.Budget, err = budgetState(coll, b, &row); err != nil {
				return nil, err
			}
			list = append(list, o)
		}
	}
	return list, nil
}

// measurable are the fields of a collection that the caller may use in statistics for a
// purpose.
func (s *settings) measurable(c accessctl.Caller, coll *catalog.Collection, p accessctl.Purpose) (list []*catalog.Measured) {
	c.Purpose = p
	d, ideal := s.decider(c), accessctl.State{Consent: accessctl.ConsentGranted}
	for i := range coll.Fields {
		f := &coll.Fields[i]
		if m, ok := coll.Measured(f.Name); ok && d.Permit(accessctl.ActionAggregate, describe(coll, f, p), ideal).Allowed {
			list = append(list, m)
		}
	}
	return list
}

// An AggregateForecast says what is known of an answer before it is paid for. It depends
// on no data.
type AggregateForecast struct {
	// Share is the part of the whole budget, from 0 to 1, that the answer takes.
	Share float64
	// Numbers is how many numbers the answer will have; 0: the groups are those of the
	// data, and how many there are is not known.
	Numbers int
	// Threshold is the noisy number of people that a group needs; 0: all are shown.
	Threshold int64
	// Error is how far off a number will be, as [aggregate.Forecast] says: of a mean, in
	// the field's unit, times the number of records; of quantiles, in records.
	Error float64
	// Width is how far its interval goes to either side. Of a mean and of quantiles it
	// is not known: 0.
	Width float64
}

// ForecastAggregate says what a question would cost with each of some epsilons, and how
// far off its answer would be. Nothing is spent and nobody's data are read. The error is
// as that of Aggregate.
func (v *Vault) ForecastAggregate(ctx context.Context, c accessctl.Caller, q AggregateRequest, epsilons ...int64) ([]AggregateForecast, error) {
	list := make([]AggregateForecast, 0, len(epsilons))
	for _, e := range epsilons {
		q.Epsilon = e
		a, err := v.newAggregating(ctx, c, q)
		if err != nil {
			return nil, err
		}
		f, err := a.query.Forecast()
		if err != nil {
			return nil, fmt.Errorf("forecasting a statistic: %w", err)
		}
		unit := a.unit()
		list = append(list, AggregateForecast{
			Share: float64(f.Cost.Rho) / float64(a.limit.Limit.Rho), Numbers: a.numbers(), Threshold: f.Threshold,
			Error: f.Error / unit, Width: f.Width / unit,
		})
	}
	return list, nil
}

// numbers is how many the answer has, if its groups are known.
func (a *aggregating) numbers() int {
	per := 1
	switch a.query.Measure {
	case aggregate.Histogram:
		per = len(a.query.Edges) - 1
	case aggregate.Quantiles:
		per = len(a.query.Quantiles)
	case aggregate.Count, aggregate.Sum, aggregate.Mean:
	}
	return per * len(a.query.Closed)
}

// MarkQuestion gives a question that is about to be asked its mark: however often it is
// sent, it is paid for once. The mark is the caller's and good for [QuestionLife]; nothing
// is stored for it.
func (v *Vault) MarkQuestion(ctx context.Context, c accessctl.Caller) (mark string, err error) {
	t, err := v.tenantOf(ctx, c.Tenant)
	if err != nil {
		return "", err
	}
	return t.sealTicket(ticketQuestion, sealedTicket{
		ID: v.newID(), Subject: c.Actor(), Born: v.now().UnixMicro(), Expires: v.now().Add(QuestionLife).UnixMicro(),
	})
}

// A question is one that must not be paid for twice.
type question struct {
	mark *sealedTicket
	paid bool // by this asking of it
}

// claim notes, where the question has a mark, that it is paid for.
func (a *aggregating) claim(ctx context.Context, tx Tx) error {
	if a.question == nil {
		return nil
	}
	k := a.question.mark
	row, err := a.t.answerRow(k, askedDoc{Actor: a.c.Actor(), State: AskedWaits, Purpose: a.c.Purpose, Request: a.q, At: a.v.now().UnixMicro()})
	if err != nil {
		return err
	}
	claimed, err := tx.ClaimTicket(ctx, row)
	switch {
	case err != nil:
		return fmt.Errorf("noting a question: %w", err)
	case !claimed:
		return errAsked
	}
	return nil
}

// An AskedState says how a question stands that was paid for.
type AskedState string

// The states of a question.
const (
	AskedWaits  AskedState = "waits"  // the answer is not there yet, or a node ended before it was
	AskedDone   AskedState = "done"   // the answer is there
	AskedSlow   AskedState = "slow"   // there were too many people for the time
	AskedFailed AskedState = "failed" // it could not be answered
)

// An Asked is a question that was paid for, and its answer.
type Asked struct {
	State   AskedState
	Purpose accessctl.Purpose
	Request AggregateRequest
	// At is when it was asked or, if done, answered.
	At     time.Time
	Answer *AggregateAnswer // nil unless done
}

// askedDoc is what is kept of a question, sealed.
type askedDoc struct {
	Actor   string
	State   AskedState
	Purpose accessctl.Purpose
	Request AggregateRequest
	At      int64 // microseconds since 1970
	Answer  *AggregateAnswer
}

// Ask answers a question as Aggregate does, and keeps the answer for its asker until the
// mark's time is over: see Asked, with the id that Ask returns. One that was paid for
// before, or is being answered, is not paid for again: its id is returned. The id is also
// returned where the question was paid for and could not be answered. Whoever calls it
// should not let a caller that goes away end ctx: what it costs would be lost.
//
// Beside the errors of Aggregate, it is a *TicketError if the mark is not good or not the
// caller's: nothing was spent.
func (v *Vault) Ask(ctx context.Context, c accessctl.Caller, mark string, q AggregateRequest) (uuid.UUID, error) {
	t, k, err := v.openTicket(ctx, ticketQuestion, mark)
	if err != nil {
		return uuid.Nil, err
	}
	if t.row.Name != c.Tenant || k.Subject != c.Actor() {
		return uuid.Nil, &TicketError{TicketForged}
	}
	asked := question{mark: k}
	out, err := v.aggregate(ctx, c, q, &asked)
	switch {
	case errors.Is(err, errAsked):
		return k.ID, nil
	case !asked.paid:
		return uuid.Nil, err
	}
	doc := askedDoc{Actor: c.Actor(), State: AskedDone, Purpose: c.Purpose, Request: q, At: v.now().UnixMicro(), Answer: out}
	switch {
	case err == nil:
	case errors.Is(err, context.DeadlineExceeded), errors.Is(ctx.Err(), context.DeadlineExceeded):
		doc.State = AskedSlow
	default:
		doc.State = AskedFailed
	}
	row, err := t.answerRow(k, doc)
	if err != nil {
		return uuid.Nil, err
	}
	keep := context.WithoutCancel(ctx) // it is paid for
	err = v.store.Update(keep, func(tx Tx) error { return tx.FillTicket(keep, row) })
	if err != nil {
		return uuid.Nil, fmt.Errorf("keeping an answer: %w", err)
	}
	return k.ID, nil
}

// answerRow seals what came of a question, as what is kept with its mark.
func (t *tenant) answerRow(k *sealedTicket, doc askedDoc) (Ticket, error) {
	b, err := json.Marshal(doc)
	if err != nil {
		return Ticket{}, fmt.Errorf("encoding an answer: %w", err)
	}
	row := Ticket{Tenant: t.row.ID, ID: k.ID, Expires: time.UnixMicro(k.Expires).UTC()}
	parts := (len(b) + field.MaxValue - 1) / field.MaxValue
	for i := range parts {
		part := b[i*field.MaxValue : min(len(b), (i+1)*field.MaxValue)]
		box, err := t.cursor.Seal(answerLabel(k.ID, i, parts), part)
		if err != nil {
			return Ticket{}, fmt.Errorf("sealing an answer: %w", err)
		}
		row.Body = append(row.Body, box...)
	}
	return row, nil
}

// openAnswer opens what answerRow sealed: boxes one after the other, all but the last of
// them of the greatest length.
func (t *tenant) openAnswer(id uuid.UUID, body []byte) (doc askedDoc, err error) {
	boxes := slices.Collect(slices.Chunk(body, field.MaxBox))
	var b []byte
	for i, box := range boxes {
		part, err := t.cursor.Open(answerLabel(id, i, len(boxes)), box)
		if err != nil {
			return doc, fmt.Errorf("%w: an answer", ErrIntegrity)
		}
		b = append(b, part...)
	}
	if json.Unmarshal(b, &doc) != nil {
		return doc, fmt.Errorf("%w: an answer", ErrIntegrity)
	}
	return doc, nil
}

// answerLabel binds a part to its answer and its place.
func answerLabel(id uuid.UUID, part, of int) string {
	return fmt.Sprintf("answer\x00%s\x00%d/%d", id, part, of)
}

// Asked returns what came of a question of the caller's. Looking again costs nothing and
// leaves no event: the question did. It is ErrNotFound if there is none of theirs, or its
// time is over; ErrDenied if policy would no longer answer it.
func (v *Vault) Asked(ctx context.Context, c accessctl.Caller, id uuid.UUID) (*Asked, error) {
	t, s, err := v.freshOpen(ctx, c.Tenant)
	if err != nil {
		return nil, err
	}
	var body []byte
	err = v.store.View(ctx, func(tx Tx) (err error) {
		body, err = tx.TicketBody(ctx, t.row.ID, uuid.Nil, id)
		return err
	})
	switch {
	case errors.Is(err, ErrNoRow), err == nil && body == nil: // a session's has none
		return nil, ErrNotFound
	case err != nil:
		return nil, fmt.Errorf("reading an answer: %w", err)
	}
	doc, err := t.openAnswer(id, body)
	if err != nil {
		return nil, err
	}
	at := time.UnixMicro(doc.At).UTC()
	if doc.Actor != c.Actor() || v.now().Sub(at) >= QuestionLife {
		return nil, ErrNotFound
	}
	if c.Purpose = doc.Purpose; !s.mayAsk(c, doc.Request) {
		return nil, v.denied(ctx, t, s, c, accessctl.ActionAggregate)
	}
	return &Asked{State: doc.State, Purpose: doc.Purpose, Request: doc.Request, At: at, Answer: doc.Answer}, nil
}

// mayAsk says whether the caller may use every field of a question in statistics now, for
// their purpose.
func (s *settings) mayAsk(c accessctl.Caller, q AggregateRequest) bool {
	coll, ok := s.catalog.Collection(q.Collection)
	if !ok {
		return false
	}
	a := &aggregating{c: c, q: q, coll: coll}
	return a.resolve() == nil && a.permitted(s)
}

// unit is how many of the units of the mathematics a number of the answer has.
func (a *aggregating) unit() float64 {
	switch a.query.Measure {
	case aggregate.Sum, aggregate.Mean, aggregate.Quantiles:
		return math.Pow10(a.measured.Decimals)
	case aggregate.Count, aggregate.Histogram:
	}
	return 1
}
