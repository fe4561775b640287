package processing

import (
	"cmp"
	"slices"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/vault/catalog"
)

// maxPaired bounds the roles of which each two are asked about together.
const maxPaired = 16

// An Access is what callers in a role get of the fields of a purpose, by policy, of a
// person who consents and is not restricted. Fields are collection.field, in the order
// of the catalog.
type Access struct {
	// Roles is one role, or none: every caller, whatever the role. It is two where they
	// get more together than each alone; what each has alone is then not repeated.
	Roles     []string `json:"roles"`
	Plain     []string `json:"plain"`
	Masked    []string `json:"masked"`
	Search    []string `json:"search"`    // finds people by the value
	List      []string `json:"list"`      // sees that there is such a record
	Aggregate []string `json:"aggregate"` // uses it in statistics
	Release   []string `json:"release"`   // hands it on, made coarser, in tables
}

// A Duty is what else a role may do, under any purpose or none, as policies name it.
type Duty struct {
	Roles   []string `json:"roles"` // one, or none: every caller
	Actions []string `json:"actions"`
}

// An asker asks the policy.
type asker struct {
	in    Input
	roles []accessctl.Role // all that the policy mentions, sorted
}

// callers are the callers to ask about: one without a role, and one in each.
func (w *asker) callers() [][]accessctl.Role {
	list := [][]accessctl.Role{nil}
	for _, r := range w.roles {
		list = append(list, []accessctl.Role{r})
	}
	return list
}

// access is who gets what for a purpose of the catalog.
func (w *asker) access(purpose string) []Access {
	list := []Access{}
	alone := map[accessctl.Role]Access{}
	for _, roles := range w.callers() {
		a := w.ask(roles, accessctl.Purpose(purpose))
		if len(roles) == 1 {
			alone[roles[0]] = a
		}
		if !a.empty() {
			list = append(list, a)
		}
	}
	if len(w.roles) > maxPaired {
		return list
	}
	for i, r := range w.roles {
		for _, s := range w.roles[i+1:] {
			if r == accessctl.RoleSubject || s == accessctl.RoleSubject {
				continue // who acts as a person sees nobody else
			}
			both := w.ask([]accessctl.Role{r, s}, accessctl.Purpose(purpose))
			if both = both.beyond(alone[r], alone[s]); !both.empty() {
				list = append(list, both)
			}
		}
	}
	return list
}

// own is what people get of their own data.
func (w *asker) own() []Access {
	list := []Access{}
	if a := w.ask([]accessctl.Role{accessctl.RoleSubject}, accessctl.PurposeSelf); !a.empty() {
		list = append(list, a)
	}
	return list
}

// ask asks what callers in these roles get of every field.
func (w *asker) ask(roles []accessctl.Role, purpose accessctl.Purpose) Access {
	a := Access{Roles: words(roles), Plain: []string{}, Masked: []string{}, Search: []string{}, List: []string{}, Aggregate: []string{}, Release: []string{}}
	d, own := w.decider(roles, purpose)
	ideal := accessctl.State{Consent: accessctl.ConsentGranted, Own: own}
	for _, f := range w.fields(purpose) {
		name := f.Collection + "." + f.Name
		switch d.Reveal(f, ideal).View {
		case accessctl.Plain:
			a.Plain = append(a.Plain, name)
		case accessctl.Masked:
			a.Masked = append(a.Masked, name)
		case accessctl.Hidden:
		}
		for _, t := range []struct {
			action accessctl.Action
			into   *[]string
		}{{accessctl.ActionSearch, &a.Search}, {accessctl.ActionList, &a.List}, {accessctl.ActionAggregate, &a.Aggregate}, {accessctl.ActionRelease, &a.Release}} {
			if d.Permit(t.action, f, ideal).Allowed && (t.action != accessctl.ActionSearch || w.searches(d, f, ideal)) {
				*t.into = append(*t.into, name)
			}
		}
	}
	return a
}

// decider decides for an imagined caller; own says that it is a person, who is asked
// about for their own data.
func (w *asker) decider(roles []accessctl.Role, purpose accessctl.Purpose) (d *accessctl.Decider, own bool) {
	c := accessctl.Caller{Principal: accessctl.Principal{Issuer: "record", Subject: "record", Roles: roles}, Purpose: purpose}
	if own = slices.Contains(roles, accessctl.RoleSubject); own {
		c.Person = "record"
	}
	facts := accessctl.PurposeFacts{Known: purpose == accessctl.PurposeSelf}
	if p, ok := w.in.Catalog.Purpose(string(purpose)); ok {
		facts = accessctl.PurposeFacts{Known: true, Basis: accessctl.Basis(p.Basis), DespiteRestriction: p.DespiteRestriction}
	}
	return w.in.Policy.For(c, facts), own
}

// fields are all fields as seen under the purpose.
func (w *asker) fields(purpose accessctl.Purpose) (list []accessctl.Field) {
	for i := range w.in.Catalog.Collections {
		c := &w.in.Catalog.Collections[i]
		for j := range c.Fields {
			f := &c.Fields[j]
			list = append(list, accessctl.Field{
				Collection: c.Name, Name: f.Name, Classification: f.Classification, Listed: f.Lists(string(purpose)),
			})
		}
	}
	return list
}

// searches says whether the field has an index that serves a search which the caller may
// make.
func (w *asker) searches(d *accessctl.Decider, f accessctl.Field, s accessctl.State) bool {
	var field *catalog.Field
	if c, ok := w.in.Catalog.Collection(f.Collection); ok {
		field, _ = c.Field(f.Name)
	}
	return field != nil && slices.ContainsFunc(accessctl.Matches(), func(m accessctl.Match) bool {
		return field.Index.Serves(string(m)) && d.PermitSearch(m, f, s).Allowed
	})
}

// duties are what roles may do beside reading.
func (w *asker) duties() []Duty {
	list := []Duty{}
	purposes := []accessctl.Purpose{"", accessctl.PurposeSelf}
	for i := range w.in.Catalog.Purposes {
		purposes = append(purposes, accessctl.Purpose(w.in.Catalog.Purposes[i].ID))
	}
	for _, roles := range w.callers() {
		d := Duty{Roles: words(roles)}
		for _, a := range accessctl.Actions() {
			may := func(p accessctl.Purpose) bool {
				decider, _ := w.decider(roles, p)
				return decider.Has(a, w.fields(p))
			}
			if (a.OnPerson() || !a.NeedsPurpose() || a == accessctl.ActionTokenise || a == accessctl.ActionDetokenise) && slices.ContainsFunc(purposes, may) {
				d.Actions = append(d.Actions, string(a))
			}
		}
		if len(d.Actions) > 0 {
			list = append(list, d)
		}
	}
	return list
}

// empty says that the access is none.
func (a Access) empty() bool {
	return len(a.Plain)+len(a.Masked)+len(a.Search)+len(a.List)+len(a.Aggregate)+len(a.Release) == 0
}

// beyond is what a has that neither b nor c has.
func (a Access) beyond(b, c Access) Access {
	return Access{
		Roles:     a.Roles,
		Plain:     without(a.Plain, b.Plain, c.Plain),
		Masked:    without(a.Masked, b.Masked, c.Masked, b.Plain, c.Plain),
		Search:    without(a.Search, b.Search, c.Search),
		List:      without(a.List, b.List, c.List),
		Aggregate: without(a.Aggregate, b.Aggregate, c.Aggregate),
		Release:   without(a.Release, b.Release, c.Release),
	}
}

// without is a list less what stands in one of others.
func without(list []string, others ...[]string) []string {
	return slices.DeleteFunc(append([]string{}, list...), func(s string) bool {
		return slices.ContainsFunc(others, func(o []string) bool { return slices.Contains(o, s) })
	})
}

func words[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = string(s)
	}
	slices.SortFunc(out, cmp.Compare[string])
	return out
}
