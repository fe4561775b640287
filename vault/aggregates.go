package vault

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/audit/report"
	"github.com/fieldvault/fieldvault/vault/aggregate"
	"github.com/fieldvault/fieldvault/vault/catalog"
)

// An AggregateRequest asks for a statistic about the people of a collection. What can be
// asked is declared in the catalog: [catalog.Statistics].
type AggregateRequest struct {
	Collection string
	// Measure is count, sum, mean, histogram or quantiles.
	Measure string
	// Field is what is measured. A count by groups needs none.
	Field string
	// GroupBy are up to two fields that group.
	GroupBy []string
	// Epsilon is what the answer takes from the budget, in millionths: twice as much is
	// half the noise.
	Epsilon int64
	// Quantiles are those asked for, in thousandths, ascending: 500 is the median.
	Quantiles []int
	// Progress, if not nil, is told how many records were read so far.
	Progress func(records int) `json:"-"`
	// Confidence is the probability, in thousandths from 500 to 999, with which each
	// interval is to cover. 0 is 950. It changes neither the noise nor the cost.
	Confidence int
}

// An AggregateAnswer is a statistic. Every number in it that depends on people has noise.
type AggregateAnswer struct {
	// Bins are the labels of a histogram's bins, in the order of each group's values.
	Bins []string
	// Threshold is, where the groups are those of the data, the noisy number of people
	// from which on a group is shown; 0: the groups are those of the catalog.
	Threshold int64
	// Confidence is the probability, in thousandths, with which each interval covers.
	Confidence int
	Groups     []AggregateGroup
	// Epsilon is what the answer took, in millionths; Budget is what stands after it.
	Epsilon int64
	Budget  BudgetState
}

// An AggregateGroup is what is told of one group.
type AggregateGroup struct {
	// Key names the group, a label for each field that groups.
	Key []string
	// People is the number of people in it, where the groups are those of the data.
	People *Estimate
	// Values is one number, or one for each bin or quantile.
	Values []Estimate
}

// An Estimate is a noisy number. Low and High enclose the true one with the answer's
// confidence; Error is the root of the expected square of its error.
type Estimate struct {
	Value, Low, High, Error float64
}

// confidence of each interval, in thousandths, unless another is asked for.
const confidence = 950

// openShares is how many answers with groups of the data the budget's delta lasts for.
const openShares = 100

// maxCells bounds the numbers of one answer whose groups are known before.
const maxCells = 1 << 16

// Aggregate answers a question about many people with noise that hides each one. It
// counts only people whose data may be used for the caller's purpose now, and only the
// fields that policy lets the caller use in statistics. What it costs is taken from the
// budget, in the transaction that records the question, before any data are read: an
// answer that fails costs as well. Who is left out, and how many, is not told.
//
// The error is a *BudgetError (an ErrConflict) if the budget does not suffice,
// ErrConflict also if catalog or policy changed while the data were read, ErrIntegrity
// if the budget was changed outside the service.
func (v *Vault) Aggregate(ctx context.Context, c accessctl.Caller, q AggregateRequest) (*AggregateAnswer, error) {
	return v.aggregate(ctx, c, q, nil)
}

func (v *Vault) aggregate(ctx context.Context, c accessctl.Caller, q AggregateRequest, asked *question) (*AggregateAnswer, error) {
	return again(func() (*AggregateAnswer, error) {
		a, err := v.newAggregating(ctx, c, q)
		if err != nil {
			return nil, err
		}
		a.question = asked
		if err := a.spend(ctx); err != nil {
			return nil, err
		}
		out, err := a.answer(ctx)
		if err != nil {
			return nil, a.failed(ctx, err)
		}
		return out, nil
	})
}

// An aggregating is one question on its way.
type aggregating struct {
	v       *Vault
	c       accessctl.Caller
	t       *tenant
	s       *settings
	q       AggregateRequest
	coll    *catalog.Collection
	declare *catalog.Budget
	limit   aggregate.Budget
	query   aggregate.Query
	cost    aggregate.Cost

	measured *catalog.Measured // nil: none
	groups   []grouping
	needs    []needed // each field once
	bins     []string

	question *question // nil: it may be paid for again
	event    uuid.UUID
	state    BudgetState
}

// A grouping is a field that groups.
type grouping struct {
	by     *catalog.Measured
	labels []string // nil: those of the data
	at     int      // in needs
}

func (v *Vault) newAggregating(ctx context.Context, c accessctl.Caller, q AggregateRequest) (*aggregating, error) {
	t, s, err := v.permitRecords(ctx, c, accessctl.ActionAggregate, "", q.Collection)
	if err != nil {
		return nil, err
	}
	a := &aggregating{v: v, c: c, t: t, s: s, q: q}
	var ok bool
	if a.coll, ok = s.catalog.Collection(q.Collection); !ok {
		return nil, invalid("collection", "is not in the catalog")
	}
	if err := a.resolve(); err != nil {
		return nil, err
	}
	if !a.permitted(s) {
		return nil, v.denied(ctx, t, s, c, accessctl.ActionAggregate)
	}
	if a.declare, ok = a.coll.Statistics.Budget(string(c.Purpose)); !ok {
		return nil, invalid("purpose", "has no budget for statistics of the collection: the catalog declares them")
	}
	if a.limit, err = limitOf(a.declare); err != nil {
		return nil, err
	}
	return a, a.plan()
}

// permitted says whether policy lets the caller use every field of the question.
func (a *aggregating) permitted(s *settings) bool {
	d, ideal := s.decider(a.c), accessctl.State{Consent: accessctl.ConsentGranted}
	for i := range a.needs {
		if !d.Permit(accessctl.ActionAggregate, a.needs[i].fact, ideal).Allowed {
			return false
		}
	}
	return true
}

// limitOf is the budget that the catalog declares, of which nothing is spent.
func limitOf(b *catalog.Budget) (aggregate.Budget, error) {
	limit, err := aggregate.BudgetFor(aggregate.Epsilon(b.Epsilon), aggregate.Delta(b.Delta))
	if err != nil {
		return limit, fmt.Errorf("reading a budget of the catalog: %w", err)
	}
	return limit, nil
}

// resolve finds the fields.
func (a *aggregating) resolve() error {
	switch m := aggregate.Measure(a.q.Measure); {
	case m != aggregate.Count && m != aggregate.Sum && m != aggregate.Mean && m != aggregate.Histogram && m != aggregate.Quantiles:
		return invalid("measure", "must be count, sum, mean, histogram or quantiles")
	case a.q.Field == "" && m != aggregate.Count:
		return invalid("field", "is required: what is to be measured?")
	case a.q.Field == "" && len(a.q.GroupBy) == 0:
		return invalid("field", "is required of a count without groups: whoever has a value of it is counted")
	case len(a.q.GroupBy) > 2:
		return invalid("group_by", "must name at most two fields")
	case len(a.q.GroupBy) == 2 && a.q.GroupBy[0] == a.q.GroupBy[1]:
		return invalid("group_by", "must name each field once")
	}
	if a.q.Field != "" {
		m, _, err := a.need("field", a.q.Field, a.q.Measure != string(aggregate.Count))
		if err != nil {
			return err
		}
		a.measured = m
	}
	for _, name := range a.q.GroupBy {
		m, at, err := a.need("group_by", name, true)
		if err != nil {
			return err
		}
		labels, _, ok := m.Grouping()
		if !ok {
			return invalid("group_by", "must name fields for which the catalog declares how they group")
		}
		a.groups = append(a.groups, grouping{by: m, labels: labels, at: at})
	}
	return nil
}

// need finds a field and notes that the answer uses it.
func (a *aggregating) need(param, name string, open bool) (*catalog.Measured, int, error) {
	f, ok := a.coll.Field(name)
	if !ok {
		return nil, 0, invalid(param, "must name fields of the collection")
	}
	m, ok := a.coll.Measured(name)
	if !ok {
		return nil, 0, invalid(param, "must name fields that the catalog declares for statistics")
	}
	for i := range a.needs {
		if a.needs[i].field == f {
			a.needs[i].open = a.needs[i].open || open
			return m, i, nil
		}
	}
	a.needs = append(a.needs, needed{field: f, fact: describe(a.coll, f, a.c.Purpose), open: open})
	return m, len(a.needs) - 1, nil
}

// plan makes the question for the mathematics, and what it costs.
func (a *aggregating) plan() error {
	st := a.coll.Statistics
	a.query = aggregate.Query{
		Measure: aggregate.Measure(a.q.Measure), Records: st.Records, Groups: st.Groups, Quantiles: a.q.Quantiles,
		Mechanism: aggregate.GaussianNoise, Epsilon: aggregate.Epsilon(a.q.Epsilon), Confidence: cmp.Or(a.q.Confidence, confidence),
	}
	if a.query.Confidence < 500 || a.query.Confidence > 999 {
		return invalid("confidence", "must be from 0.5 to 0.999")
	}
	if a.q.Epsilon < 1_000 || a.q.Epsilon > 10_000_000 {
		return invalid("epsilon", "must be from 0.001 to 10")
	}
	if err := a.planMeasure(); err != nil {
		return err
	}
	if err := a.planGroups(); err != nil {
		return err
	}
	cost, err := a.query.Cost()
	if err != nil {
		return invalid("quantiles", "must be 1 to 99 thousandths from 1 to 999, ascending, and are for the measure quantiles only")
	}
	a.cost = cost
	return nil
}

func (a *aggregating) planMeasure() error {
	switch a.query.Measure {
	case aggregate.Sum, aggregate.Mean:
		if !a.measured.Summed() {
			return invalid("field", "must be a number for sum and mean")
		}
		a.query.Low, a.query.High = a.measured.Low, a.measured.High
	case aggregate.Histogram, aggregate.Quantiles:
		a.query.Edges, a.bins = a.measured.Edges()
		if a.query.Edges == nil || a.query.Measure == aggregate.Quantiles && !a.measured.Summed() {
			return invalid("field", "must have bins in the catalog for a histogram, and be a number with bins for quantiles")
		}
	case aggregate.Count:
	}
	return nil
}

// planGroups lists the groups, where the catalog knows them.
func (a *aggregating) planGroups() error {
	if len(a.groups) == 0 {
		a.query.Groups, a.query.Closed = 1, []aggregate.Key{{}}
		return nil
	}
	cells := max(1, len(a.query.Edges)-1)
	for i := range a.groups {
		if a.groups[i].labels == nil {
			a.query.Delta = max(1, a.limit.Limit.Delta/openShares)
			a.query.MinPeople = a.declare.MinPeople
			return nil
		}
		cells *= len(a.groups[i].labels)
	}
	if cells > maxCells {
		return invalid("group_by", "gives more than 65536 numbers: ask for fewer groups")
	}
	for i := range a.groups[0].labels {
		if len(a.groups) == 1 {
			a.query.Closed = append(a.query.Closed, aggregate.Key{ordinal(i)})
			continue
		}
		for j := range a.groups[1].labels {
			a.query.Closed = append(a.query.Closed, aggregate.Key{ordinal(i), ordinal(j)})
		}
	}
	return nil
}

// ordinal is an index as part of a key, so that keys are in the order of the catalog.
func ordinal(i int) string { return strconv.Itoa(1_000_000 + i) }

// label is what part of a key says.
func (g *grouping) label(part string) string {
	if g.labels == nil {
		return part
	}
	n, err := strconv.Atoi(part)
	if n -= 1_000_000; err != nil || n < 0 || n >= len(g.labels) {
		return ""
	}
	return g.labels[n]
}

// attrAnswer says in an event which answer of its budget was paid for: 1, 2, and so on.
const attrAnswer = "answer"

// record is the event of the question: about nobody, with what it asks and costs.
func (a *aggregating) record(answers int64) audit.Event {
	e := a.v.event(a.t, a.s, a.c, accessctl.ActionAggregate)
	for i := range a.needs {
		e.Fields = append(e.Fields, audit.FieldView{Collection: a.coll.ID, Field: a.needs[i].field.ID, Count: 1})
	}
	slices.SortFunc(e.Fields, audit.FieldView.Compare)
	e.Subject = []audit.Attr{
		{Key: attrAnswer, Value: strconv.FormatInt(answers, 10)},
		{Key: "delta", Value: strconv.FormatInt(int64(a.cost.Delta), 10) + "e-15"},
		{Key: "epsilon", Value: strconv.FormatInt(a.q.Epsilon, 10) + "e-6"},
		{Key: "measure", Value: a.q.Measure},
		{Key: "rho", Value: strconv.FormatInt(int64(a.cost.Rho), 10) + "e-9"},
	}
	e.Subject = append(e.Subject, report.RolesAttr(a.c.Roles)...)
	slices.SortFunc(e.Subject, func(x, y audit.Attr) int {
		switch {
		case x.Key < y.Key:
			return -1
		case x.Key > y.Key:
			return 1
		}
		return 0
	})
	return e
}

// failed records that a question which was paid for was not answered.
func (a *aggregating) failed(ctx context.Context, cause error) error {
	e := a.v.event(a.t, a.s, a.c, accessctl.ActionAggregate)
	e.Outcome, e.Code, e.Refers = audit.Failed, codeKEK, a.event
	if errors.Is(cause, ErrConflict) {
		e.Code = codeConflict
	}
	if err := a.v.record(context.WithoutCancel(ctx), a.t, e); err != nil {
		return err
	}
	return cause
}

func orRandom(r io.Reader) io.Reader {
	if r == nil {
		return rand.Reader
	}
	return r
}
