package catalog

import (
	"encoding/json"
	"fmt"

	"github.com/fieldvault/fieldvault/vault/release"
)

// releases compares in which tables people may be handed on. A purpose or a column more,
// and a table that must meet less, widens the use of data.
func (d *differ) releases(path string, a, b *Releases) {
	if a == nil {
		a = &Releases{}
	}
	if b == nil {
		b = &Releases{}
	}
	for i := range b.Purposes {
		now := &b.Purposes[i]
		at := path + ".purposes." + now.Purpose
		switch old, ok := a.Purpose(now.Purpose); {
		case !ok:
			d.widen(at, "tables may be released for %s: %s", now.Purpose, now)
		case *old == *now:
		case now.meets(old):
			d.add(at, "what tables for %s meet changes from %s to %s", now.Purpose, old, now)
		default:
			d.widen(at, "what tables for %s meet changes from %s to %s", now.Purpose, old, now)
		}
	}
	for i := range a.Purposes {
		if p := a.Purposes[i].Purpose; !b.has(p) {
			d.add(path+".purposes."+p, "tables may no longer be released for %s", p)
		}
	}
	was, is := map[string]*ReleaseColumn{}, map[string]bool{}
	for i := range a.Columns {
		was[a.Columns[i].Field] = &a.Columns[i]
	}
	for i := range b.Columns {
		c := &b.Columns[i]
		is[c.Field] = true
		switch old, ok := was[c.Field]; {
		case !ok:
			d.widen(path+"."+c.list()+"."+c.Field, "it is in released tables: %s", c)
		case old.declared() != c.declared():
			d.widen(path+"."+c.list()+"."+c.Field, "how it is in released tables changes from %s to %s", old, c)
		}
	}
	for i := range a.Columns {
		if c := &a.Columns[i]; !is[c.Field] {
			d.add(path+"."+c.list()+"."+c.Field, "it is no longer in released tables")
		}
	}
}

func (r *Releases) has(purpose string) bool {
	_, ok := r.Purpose(purpose)
	return ok
}

// meets says whether p asks for at least what old asks for.
func (p *ReleasePurpose) meets(old *ReleasePurpose) bool {
	return p.Every >= old.Every && p.K >= old.K && p.L >= old.L && p.T <= old.T && p.Suppression <= old.Suppression &&
		p.Diversity == old.Diversity && p.C == old.C
}

// String says what a table meets.
func (p *ReleasePurpose) String() string {
	model := p.Model()
	s := fmt.Sprintf("%s, at most %s of the people left out, one in %d days", model, decimal(p.Suppression, 3), p.Every)
	if p.Diversity != release.Distinct && model.L <= 1 {
		s += ", another sense of diversity"
	}
	return s
}

// String says how the column is declared; of a tree, which may be long, how many names it has.
func (r *ReleaseColumn) String() string {
	c := *r
	if c.Tree = nil; r.Tree == nil {
		return c.declared()
	}
	return fmt.Sprintf("%s, and a tree of %d names", c.declared(), len(r.Tree))
}

// declared is how a column stands in a table, less its name: the same text for the same.
func (r *ReleaseColumn) declared() string {
	c := *r
	c.Field = ""
	b, _ := json.Marshal(c) // numbers and texts always encode
	return string(b)
}
