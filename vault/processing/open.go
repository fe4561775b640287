package processing

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/vault/catalog"
)

// An OpenItem is something that the law wants and that is not stated.
type OpenItem struct {
	Place string `json:"place"` // in the catalog, as purposes.support or customer.email; else what it is about
	Law   string `json:"law"`   // the provision
	Text  string `json:"text"`  // a sentence
}

// An opener collects open items.
type opener struct {
	in   Input
	list []*OpenItem
}

func (o *opener) add(place, law, format string, args ...any) {
	o.list = append(o.list, &OpenItem{Place: place, Law: law, Text: fmt.Sprintf(format, args...)})
}

// openItems lists what a record lacks, in the order of the article and then of the
// catalog.
func openItems(in Input, r *Record) []*OpenItem {
	o := &opener{in: in, list: []*OpenItem{}}
	if r.Controller.Name == "" {
		o.add("controller", "GDPR Art. 30(1)(a)", "Name the controller and a contact in the catalog.")
	}
	o.add("controller", "GDPR Art. 30(1)(a)", "Name a joint controller, a representative and a data protection officer where there are any: the catalog has no place for them.")
	for i := range r.Activities {
		o.purpose(&in.Catalog.Purposes[i], &r.Activities[i])
	}
	o.add("transfers", "GDPR Art. 30(1)(e)", "Say which recipients are in a third country or an international organisation, or that none is: the catalog has no place for it.")
	o.fields()
	for _, t := range in.Facts.topics() {
		if t.text == "" {
			o.add("measures", "GDPR Art. 30(1)(g)", "%s: not stated. Give the configuration of the installation.", t.name)
		}
	}
	o.combined(r)
	return o.list
}

// purpose lists what is not stated of a purpose.
func (o *opener) purpose(p *catalog.Purpose, a *Activity) {
	place := "purposes." + p.ID
	if len(p.Recipients) == 0 {
		o.add(place, "GDPR Art. 30(1)(d)", "Name the recipients, or say that there are none.")
	}
	today := date(o.in.Today)
	switch {
	case p.ReviewBy == "":
		o.add(place, "GDPR Art. 24(1)", "Set a date for its review.")
	case today != "" && p.ReviewBy < today:
		o.add(place, "GDPR Art. 24(1)", "Its review was due on %s.", p.ReviewBy)
	}
	if law, text := beyondBasis(p.Basis); law != "" {
		o.add(place, law, "%s", text)
	}
	if o.in.Catalog.Special(p.ID) && p.Basis != catalog.BasisConsent {
		o.add(place, "GDPR Art. 9(2)", "It uses special categories without consent: say which exception permits that.")
	}
	if p.Objectable() && !p.DirectMarketing && p.Basis != catalog.BasisPublicTask && p.Basis != catalog.BasisLegitimateInterests {
		o.add(place, "GDPR Art. 21", "Data are sold or shared for it, so people may opt out: say whether it also serves direct marketing (direct_marketing).")
	}
	if idle := unused(a); len(idle) > 0 {
		o.add(place, "GDPR Art. 5(1)(c)", "No role may use for it: %s. Take the purpose off the fields, or permit a role.", strings.Join(idle, ", "))
	}
}

// beyondBasis is what the law wants to know beside the name of a legal basis.
func beyondBasis(basis string) (law, text string) {
	switch basis {
	case catalog.BasisLegitimateInterests:
		return "GDPR Art. 6(1)(f), 13(1)(d)", "Say which legitimate interests are pursued and how they were weighed; people may object (Art. 21(1))."
	case catalog.BasisPublicTask:
		return "GDPR Art. 6(3)", "Say which law gives the task; people may object (Art. 21(1))."
	case catalog.BasisLegalObligation:
		return "GDPR Art. 6(3)", "Say which law demands it."
	}
	return "", ""
}

// unused are the fields that list the purpose and that no role gets anything of. That
// people see their own is no use.
func unused(a *Activity) []string {
	var all, used []string
	for i := range a.Fields {
		all = append(all, a.Fields[i].Field)
	}
	for _, x := range a.Access {
		if slices.Contains(x.Roles, string(accessctl.RoleSubject)) {
			continue
		}
		used = slices.Concat(used, x.Plain, x.Masked, x.Search, x.Aggregate, x.Release)
	}
	return without(all, used)
}

// fields lists the fields that are kept without end.
func (o *opener) fields() {
	for i := range o.in.Catalog.Collections {
		c := &o.in.Catalog.Collections[i]
		for j := range c.Fields {
			if f := &c.Fields[j]; o.in.Catalog.Kept(f) == 0 {
				o.add(path(f), "GDPR Art. 30(1)(f)", "It is kept without a time limit: set a retention of the field, or of all its purposes.")
			}
		}
	}
}

// combined lists roles that see more together, and says if that was not looked at.
func (o *opener) combined(r *Record) {
	if n := len(o.in.Policy.Roles()); n > maxPaired {
		o.add("policy", "GDPR Art. 32(4)", "The policy mentions %d roles: what callers see who hold several was not looked at.", n)
	}
	for i := range r.Activities {
		for _, x := range r.Activities[i].Access {
			if len(x.Roles) > 1 {
				o.add("policy", "GDPR Art. 32(4)", "Whoever holds the roles %s sees more for %s than each of them: see that nobody has both by accident.",
					strings.Join(x.Roles, " and "), r.Activities[i].Purpose)
			}
		}
	}
}
