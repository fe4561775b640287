package catalog

import (
	"encoding/json"
	"fmt"
)

// statistics compares what may be learnt about the people of a collection. A budget or a
// field more, or a greater budget, widens the use of data.
func (d *differ) statistics(path string, a, b *Statistics) {
	if a == nil {
		a = &Statistics{}
	}
	if b == nil {
		b = &Statistics{}
	}
	if a.Records != b.Records || a.Groups != b.Groups {
		d.add(path, "at most %d records in %d groups of one person count instead of %d in %d", b.Records, b.Groups, a.Records, a.Groups)
	}
	d.budgets(path+".budgets.", a, b)
	was, is := map[string]*Measured{}, map[string]bool{}
	for i := range a.Fields {
		was[a.Fields[i].Field] = &a.Fields[i]
	}
	for i := range b.Fields {
		m := &b.Fields[i]
		is[m.Field] = true
		old, ok := was[m.Field]
		switch {
		case !ok:
			d.widen(path+".fields."+m.Field, "it counts in statistics: %s", m.declared())
		case old.declared() != m.declared():
			d.widen(path+".fields."+m.Field, "how it counts in statistics changes from %s to %s", old.declared(), m.declared())
		}
	}
	for i := range a.Fields {
		if name := a.Fields[i].Field; !is[name] {
			d.add(path+".fields."+name, "it no longer counts in statistics")
		}
	}
}

func (d *differ) budgets(path string, a, b *Statistics) {
	for i := range b.Budgets {
		now := &b.Budgets[i]
		old, ok := a.Budget(now.Purpose)
		switch {
		case !ok:
			d.widen(path+now.Purpose, "statistics may be asked for %s: %s", now.Purpose, now)
		case old.Epsilon < now.Epsilon || old.Delta < now.Delta || old.MinPeople > now.MinPeople:
			d.widen(path+now.Purpose, "the budget of statistics for %s changes from %s to %s", now.Purpose, old, now)
		case *old != *now:
			d.add(path+now.Purpose, "the budget of statistics for %s changes from %s to %s", now.Purpose, old, now)
		}
	}
	for i := range a.Budgets {
		if old := &a.Budgets[i]; !b.has(old.Purpose) {
			d.add(path+old.Purpose, "statistics may no longer be asked for %s; what was spent stays spent", old.Purpose)
		}
	}
}

func (s *Statistics) has(purpose string) bool {
	_, ok := s.Budget(purpose)
	return ok
}

// String says what the budget is.
func (b *Budget) String() string {
	return fmt.Sprintf("epsilon %s, delta %s, groups of %d people", decimal(b.Epsilon, 6), decimal(b.Delta, 15), b.MinPeople)
}

// declared is how a field counts, less its name: the same text for the same.
func (m *Measured) declared() string {
	c := *m
	c.Field = ""
	b, _ := json.Marshal(c) // numbers and texts always encode
	return string(b)
}
