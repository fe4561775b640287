package processing

import (
	"fmt"
	"slices"
	"strings"
)

// Markdown writes the record for people and for committing: a line for each fact, so
// that a change shows as the lines that it changes.
func (r *Record) Markdown() []byte {
	var p page
	p.say("# Record of processing activities: %s", escaped(r.Title))
	p.say("\nThe record of GDPR Art. 30(1), made from the catalog and the policy that are enforced.")
	p.say("Do not edit it: change the catalog or the policy, and make it anew with `fieldvault record article30`.")
	p.heading(2, "Controller (Art. 30(1)(a))")
	p.controller(r.Controller, r.Date)
	p.heading(2, "Processing activities (Art. 30(1)(b) to (f))")
	p.say("Who gets what is what the policy answers for a person who consents and is not restricted. A role that is not listed gets nothing.")
	for i := range r.Activities {
		p.activity(&r.Activities[i])
	}
	p.heading(2, "People and their own data")
	if len(r.Own) == 0 {
		p.say("The policy lets nobody see their own data: they must be shown them on request.")
	} else {
		p.access(r.Own, 0)
	}
	p.heading(2, "What else roles may do")
	p.head("Role", "Actions")
	for _, d := range r.Duties {
		p.row(callers(d.Roles), codes(d.Actions))
	}
	p.heading(2, "Technical and organisational measures (Art. 30(1)(g))")
	p.measures(r.Measures)
	p.heading(2, "Open items")
	p.open(r.Open)
	return p.Bytes()
}

func (p *page) activity(a *Activity) {
	p.heading(3, "%s (`%s`)", escaped(a.Title), a.Purpose)
	p.item("Purpose: %s", escaped(a.Text))
	p.item("Benefit to people: %s", escaped(a.Benefit))
	p.item("Version of the purpose: %d", a.Version)
	p.item("Review by: %s", orNotStated(a.ReviewBy))
	p.item("Legal basis: %s (%s)", strings.ReplaceAll(a.Basis, "_", " "), a.Article)
	if a.Basis == "consent" {
		p.item("A consent holds: %s", consentHolds(a.ConsentDays))
	}
	if a.MinAge > 0 {
		p.item("Age from which people may consent alone: %d", a.MinAge)
	}
	p.item("Direct marketing: %s", yes(a.DirectMarketing))
	p.item("Data are sold or shared: %s", yes(a.Sells))
	p.item("People may object or opt out: %s", yes(a.Objectable))
	p.item("Goes on while processing is restricted: %s", yes(a.DespiteRestriction))
	p.item("Categories of people, by collection: %s", kinds(a.People))
	p.item("Recipients: %s", orNotStated(strings.Join(a.Recipients, ", ")))
	p.item("Transfers to third countries: %s", a.Transfers)
	p.item("May be read for this purpose: %s", days(a.RetentionDays))
	p.say("\nCategories of personal data:\n")
	for _, c := range a.Categories {
		mark := ""
		if c.Special {
			mark = ", **special category (Art. 9)**"
		}
		p.item("%s%s: %s", c.Classification, mark, codes(c.Fields))
	}
	p.say("\nTime limits and masks:\n")
	p.head("Field", "What it is", "Mask", "Read for at most", "Removed after")
	for i := range a.Fields {
		f := &a.Fields[i]
		p.row("`"+f.Field+"`", escaped(f.Title), f.Mask, days(f.ReadableDays), days(f.KeptDays))
	}
	p.say("\nWho gets what:\n")
	if len(a.Access) == 0 {
		p.say("Nobody.")
		return
	}
	p.access(a.Access, len(a.Fields))
}

// access writes a line for each caller and way of seeing. Where it is of all fields, of
// which there are n, they are not listed.
func (p *page) access(list []Access, n int) {
	p.head("Role", "How", "Fields")
	for _, x := range list {
		for _, way := range []struct {
			how    string
			fields []string
		}{
			{"sees plain", x.Plain},
			{"sees masked", x.Masked},
			{"finds people by", x.Search},
			{"sees that there is", x.List},
			{"uses in statistics", x.Aggregate},
			{"hands on in tables", x.Release},
		} {
			switch len(way.fields) {
			case 0:
			case n:
				p.row(callers(x.Roles), way.how, "all of these")
			default:
				p.row(callers(x.Roles), way.how, codes(way.fields))
			}
		}
	}
}

func kinds(list []Kind) string {
	out := make([]string, len(list))
	for i, k := range list {
		out[i] = fmt.Sprintf("%s (`%s`)", escaped(k.Title), k.Collection)
	}
	if len(out) == 0 {
		return "none: no field lists the purpose"
	}
	return strings.Join(out, ", ")
}

func consentHolds(n int) string {
	if n == 0 {
		return "until it is withdrawn"
	}
	return days(n)
}

func orNotStated(s string) string {
	if s == "" {
		return NotStated
	}
	return escaped(s)
}

func has(list []string, s string) bool { return slices.Contains(list, s) }
