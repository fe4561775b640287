package vault

import (
	"context"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/vault/catalog"
)

// Duties are what policy lets a caller do at all, so that nothing is offered that would
// be refused. They decide nothing: each act is decided when it is done.
type Duties struct {
	// May says of an action on people or on the service whether it is permitted.
	May map[accessctl.Action]bool
	// Manifest: the caller may be told what there is of a person, without a value.
	Manifest bool
	// Reads are the purposes under which the caller may see a field, masked or not, in
	// the order of the catalog.
	Reads []accessctl.Purpose
	// Searches are the fields by whose whole values the caller may find people, under one
	// of the purposes or another.
	Searches []*catalog.Field
	// Finds are the purposes under which the caller may do that.
	Finds []accessctl.Purpose
	// Aggregates: there are statistics that the caller may ask for, under one of the
	// purposes or another.
	Aggregates bool
}

// Duties says what the caller may do by the policy in force. It opens nothing, looks
// nobody up and leaves no event.
func (v *Vault) Duties(ctx context.Context, c accessctl.Caller) (Duties, error) {
	_, s, err := v.fresh(ctx, c.Tenant)
	if err != nil {
		return Duties{}, err
	}
	out := Duties{May: map[accessctl.Action]bool{}}
	c.Purpose = ""
	d := s.decider(c)
	for _, a := range accessctl.Actions() {
		switch {
		case a.OnPerson():
			out.May[a] = d.PermitPerson(a, false).Allowed
		case a.OnService():
			out.May[a] = d.PermitService(a).Allowed
		}
	}
	all, found := describeAll(s.catalog), map[*catalog.Field]bool{}
	out.Manifest = d.Has(accessctl.ActionExport, all)
	for i := range s.catalog.Purposes {
		c.Purpose = accessctl.Purpose(s.catalog.Purposes[i].ID)
		d, fields := s.decider(c), s.under(all, c.Purpose)
		if d.Has(accessctl.ActionReveal, fields) || d.Has(accessctl.ActionRevealMasked, fields) {
			out.Reads = append(out.Reads, c.Purpose)
		}
		if s.searchable(d, c.Purpose, found) {
			out.Finds = append(out.Finds, c.Purpose)
		}
	}
	for i := range s.catalog.Collections {
		if st := s.catalog.Collections[i].Statistics; st != nil {
			for j := range st.Budgets {
				p := accessctl.Purpose(st.Budgets[j].Purpose)
				out.Aggregates = out.Aggregates || len(s.measurable(c, &s.catalog.Collections[i], p)) > 0
			}
		}
		for j := range s.catalog.Collections[i].Fields {
			if f := &s.catalog.Collections[i].Fields[j]; found[f] {
				out.Searches = append(out.Searches, f)
			}
		}
	}
	return out, nil
}

// searchable notes the indexed fields that may be searched under a purpose, and says
// whether there is any.
func (s *settings) searchable(d *accessctl.Decider, p accessctl.Purpose, found map[*catalog.Field]bool) (any bool) {
	for i := range s.catalog.Collections {
		c := &s.catalog.Collections[i]
		for j := range c.Fields {
			f := &c.Fields[j]
			if f.Index.Serves(catalog.MatchEquals) && d.Has(accessctl.ActionSearch, []accessctl.Field{describe(c, f, p)}) {
				found[f], any = true, true
			}
		}
	}
	return any
}
