package processing

import "strings"

// Markdown writes the draft for people, with a place for each thing that they must say.
func (a *Assessment) Markdown() []byte {
	var p page
	p.say("# Data protection impact assessment: %s (draft)", escaped(a.Title))
	p.say("\nA draft by GDPR Art. 35, made from the catalog and the policy that are enforced with `fieldvault record assessment`.")
	p.say("What is marked TO FILL IN a person must say, in a copy: this text is made anew when the catalog or the policy changes.")
	p.heading(2, "Controller")
	p.controller(a.Controller, a.Date)
	p.item("Advice of the data protection officer (Art. 35(2)): %s", toFillIn("advice"))
	p.heading(2, "Is an assessment needed? (Art. 35(1) and (3))")
	p.say("The catalog shows what speaks for one. It cannot show that none is needed: the questions below can.\n")
	for i := range a.Screening {
		p.screening(&a.Screening[i])
	}
	p.heading(2, "The nine criteria (WP 248 rev.01)")
	p.say("In most cases, processing that meets two of them needs an assessment.\n")
	p.head("Criterion", "Question", "By the catalog", "Answer")
	for i := range a.Criteria {
		c := &a.Criteria[i]
		p.row(c.Name, c.Question, codes(c.Purposes), filled(c.Answer, "answer"))
	}
	p.heading(2, "The processing (Art. 35(7)(a))")
	p.say("The record of processing activities describes it: `fieldvault record article30`.")
	p.item("What is not in the vault (other systems, devices, paper): %s", toFillIn("description"))
	p.heading(2, "Necessity and proportionality (Art. 35(7)(b))")
	for i := range a.Necessity {
		p.necessity(&a.Necessity[i])
	}
	p.heading(2, "Rights of people (Art. 35(7)(b) and (d))")
	p.head("Law", "Right", "What there is", "People do it themselves")
	for i := range a.Rights {
		r := &a.Rights[i]
		p.row(r.Law, r.Right, r.Text, r.self())
	}
	p.risks(a)
	p.heading(2, "Views, consultation and review")
	p.item("Views of people or their representatives (Art. 35(9)): %s", toFillIn("views, or why they were not sought"))
	p.item("Prior consultation of the authority, where a high risk remains (Art. 36): %s", toFillIn("yes or no, and why"))
	p.item("Review of the assessment (Art. 35(11)): %s", toFillIn("when, and by whom"))
	p.heading(2, "Open items")
	p.open(a.Open)
	return p.Bytes()
}

func (r *Right) self() string {
	switch {
	case r.Action == "":
		return "-"
	case r.Self:
		return "yes"
	}
	return "no: the policy does not permit `" + r.Action + "`"
}

func (p *page) screening(s *Screening) {
	p.item("%s (`%s`): **%s**", escaped(s.Title), s.Purpose, map[Need]string{
		NeedLikely:   "likely needed",
		NeedPossible: "possibly needed",
		NeedOpen:     "nothing in the catalog speaks for one; answer the questions",
	}[s.Need])
	for _, r := range s.Reasons {
		p.say("  - criterion %d: %s", r.Criterion, escaped(r.Text))
	}
}

func (p *page) necessity(n *Necessity) {
	p.heading(3, "%s (`%s`)", escaped(n.Title), n.Purpose)
	p.item("Legal basis: %s (%s)", strings.ReplaceAll(n.Basis, "_", " "), n.Article)
	p.item("Benefit to people: %s", escaped(n.Benefit))
	p.item("May be read for this purpose: %s", days(n.RetentionDays))
	p.item("Why each field is needed, and why less would not do: %s", toFillIn("reasons"))
	p.say("")
	p.head("Field", "Special", "Mask", "Plain to", "Masked to", "No value, but search, list, statistics or coarse tables")
	for _, u := range n.Uses {
		p.row("`"+u.Field+"`", yes(u.Special), u.Mask, listed(u.Plain), listed(u.Masked), listed(u.Other))
	}
}

func (p *page) risks(a *Assessment) {
	p.heading(2, "Risks and measures (Art. 35(7)(c) and (d))")
	p.say("Likelihood and severity are those for the people concerned, not for the business.\n")
	p.head("Risk", "Measures in place", "Likelihood", "Severity", "Further measures", "What remains")
	for i := range a.Risks {
		r := &a.Risks[i]
		p.row(r.Risk, filled(r.Measures, "measures"), filled(r.Likelihood, "likelihood"), filled(r.Severity, "severity"),
			filled(r.Further, "measures"), filled(r.Remaining, "remaining risk"))
	}
	p.heading(3, "Measures")
	p.measures(a.Measures)
}
