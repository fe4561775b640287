package vault

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/crypto/secret"
	"github.com/fieldvault/fieldvault/vault/aggregate"
	"github.com/fieldvault/fieldvault/vault/catalog"
)

// answer reads the data and draws the noise.
func (a *aggregating) answer(ctx context.Context) (*AggregateAnswer, error) {
	acc, err := aggregate.New(a.query, a.v.noise)
	if err != nil {
		return nil, fmt.Errorf("preparing a statistic: %w", err)
	}
	s := &survey{
		v: a.v, c: a.c, t: a.t, s: a.s, coll: a.coll, action: accessctl.ActionAggregate, needs: a.needs,
		to: &counting{a: a, acc: acc}, progress: a.q.Progress,
	}
	if err := s.walk(ctx); err != nil {
		return nil, err
	}
	drawn, err := acc.Release()
	if err != nil {
		return nil, fmt.Errorf("drawing the noise of a statistic: %w", err)
	}
	return a.words(&drawn), nil
}

// A counting counts people in a statistic: the records of each in one call.
type counting struct {
	a       *aggregating
	acc     *aggregate.Accumulator
	rec     aggregate.Record
	records []aggregate.Record
}

func (c *counting) begin(int64) { c.rec = aggregate.Record{} }

func (c *counting) end() { c.records = append(c.records, c.rec) }

// value takes from a value what counts.
func (c *counting) value(at int, plain secret.Bytes) bool {
	if m := c.a.measured; m != nil && m.Field == c.a.needs[at].field.Name && c.a.query.Measure != aggregate.Count {
		value, ok := m.Value(plain)
		if !ok {
			return false
		}
		c.rec.Value = value
	}
	for i := range c.a.groups {
		g := &c.a.groups[i]
		if g.at != at {
			continue
		}
		index, label, ok := g.by.Group(plain)
		if !ok {
			return false
		}
		if c.rec.Group[i] = label; g.labels != nil {
			c.rec.Group[i] = ordinal(index)
		}
	}
	return true
}

func (c *counting) flush(person uuid.UUID) error {
	err := c.acc.Add(string(person[:]), c.records)
	c.records = c.records[:0]
	if err != nil {
		return fmt.Errorf("counting a person: %w", err)
	}
	return nil
}

// words makes the answer of the noisy numbers.
func (a *aggregating) words(drawn *aggregate.Answer) *AggregateAnswer {
	out := &AggregateAnswer{
		Threshold: drawn.Threshold, Confidence: drawn.Query.Confidence, Epsilon: a.q.Epsilon, Budget: a.state,
		Groups: make([]AggregateGroup, len(drawn.Groups)),
	}
	unit := a.unit()
	if a.query.Measure == aggregate.Histogram {
		out.Bins = a.bins
	}
	for i := range drawn.Groups {
		g, to := &drawn.Groups[i], &out.Groups[i]
		to.Key = make([]string, len(a.groups))
		for j := range a.groups {
			to.Key[j] = a.groups[j].label(g.Key[j])
		}
		if g.People != nil {
			e := estimate(g.People, 1)
			to.People = &e
		}
		for j := range g.Values {
			to.Values = append(to.Values, estimate(&g.Values[j], unit))
		}
	}
	return out
}

func estimate(e *aggregate.Estimate, unit float64) Estimate {
	return Estimate{Value: e.Value / unit, Low: e.Low / unit, High: e.High / unit, Error: e.Error / unit}
}

// measuredFields describes the fields of a collection that count in statistics.
func measuredFields(c *catalog.Collection, p accessctl.Purpose) (list []accessctl.Field) {
	for i := range c.Fields {
		if _, ok := c.Measured(c.Fields[i].Name); ok {
			list = append(list, describe(c, &c.Fields[i], p))
		}
	}
	return list
}
