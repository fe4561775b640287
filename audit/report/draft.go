package report

import (
	"encoding/base64"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

const (
	// deadline is how long after becoming aware of a breach the authority must
	// have been told (GDPR Art. 33(1)). Counted from the moment itself: the rules for
	// periods (Regulation 1182/71) never end earlier.
	deadline = 72 * time.Hour

	// maxListed bounds the actors that a draft lists.
	maxListed = 20
)

// WriteDraft writes a draft of the notification to the supervisory authority, in
// Markdown: the four items of GDPR Art. 33(3)(a) to (d), with what the log can
// answer filled in and every other answer a place marked "TO FILL IN", and the
// question of Art. 34(1). aware is when the controller became aware of the breach;
// zero: not known yet, a blank. No uid is in it, but actors are. The error is w's.
func (r *Report) WriteDraft(w io.Writer, aware time.Time) error {
	var p page
	p.WriteString("# Notification of a personal data breach: draft\n\n")
	p.say("Made from the audit log by the articles 33 and 34 of Regulation (EU) 2016/679 (GDPR); see also EDPB Guidelines 9/2022. " +
		"What the log answers is filled in, as upper bounds. The log says what was shown to whom; whether that was a breach, and all that is " +
		"marked TO FILL IN, a person must say.")
	r.draftDeadline(&p, aware)
	r.draftBasis(&p)
	r.draftNature(&p)
	draftRest(&p)
	r.draftPeople(&p)
	if _, err := w.Write(p.Bytes()); err != nil {
		return fmt.Errorf("writing a draft: %w", err)
	}
	return nil
}

func (r *Report) draftDeadline(p *page, aware time.Time) {
	p.heading(2, "Deadline (Art. 33(1))")
	if aware.IsZero() {
		p.item("Became aware: %s", toFillIn("when; the authority must have been told 72 hours later"))
	} else {
		p.item("Became aware: %s", moment(aware))
		p.item("Tell the authority by: **%s** (72 hours later)", moment(aware.Add(deadline)))
	}
	p.item("If it is later: %s", toFillIn("the reasons for the delay"))
	p.item("What is not known in time may follow in phases (Art. 33(4)). Keep a record of the breach in any case (Art. 33(5)).")
}

// draftBasis says what the figures rest on.
func (r *Report) draftBasis(p *page) {
	p.heading(2, "What was looked at")
	p.item("Tenant: %s", escaped(r.Tenant))
	p.item("Window: from %s until before %s", moment(r.From), moment(r.To))
	p.item("Actors: %s", listed(r.Actors))
	p.item("Purposes: %s", listed(r.Purposes))
	p.item("Masked values: %s", choose(r.MaskedToo, "counted, apart", "not counted"))
	p.item("Events looked at: %d", r.Scanned.Events)
	c := r.Checkpoint
	if c == nil {
		p.item("Checkpoint: none was given. **Nothing shows that the log is complete and unchanged.**")
		return
	}
	p.item("Checkpoint: %s, root `%s`, signed %s", counted(c.Size, "event", "events"), base64.StdEncoding.EncodeToString(c.Root[:]), moment(c.Time))
	p.item("%s", choose(c.Verified,
		"The log was verified against this checkpoint: no event below it is missing or was changed.",
		"**The log was not verified against this checkpoint.**"))
	if !r.Scanned.Whole {
		p.item("**Not every event of the checkpoint was looked at** (indexes %d to %d). The figures hold for these.", r.Scanned.First, r.Scanned.Last)
	}
	if c.Time.Before(r.To) {
		p.item("**The window ends after the checkpoint.** Events that entered the log later are not in the figures.")
	}
}

func (r *Report) draftNature(p *page) {
	p.heading(2, "(a) Nature of the breach (Art. 33(3)(a))")
	p.blank("what happened, and how it was found")
	p.blank("confidentiality, integrity, availability: this report answers for confidentiality only")
	p.item("Categories of people: %s", toFillIn("for instance customers, employees, children; the log does not know"))
	p.item("Approximate number of people: **%d**%s", r.Totals.People, r.alsoMasked())
	p.item("Approximate number of personal data records: %s", r.values())
	p.item("%s", r.uncertain())
	if n := len(r.NotReleased); n > 0 {
		p.item("Not counted: values of %s that were about to be shown when the keys could not be had or the one value did not open; "+
			"the log shows that they were not released.", counted(int64(people(r.NotReleased)), "person", "people"))
	}
	p.heading(3, "Categories of personal data")
	r.draftCategories(p)
	p.heading(3, "Shown to whom")
	r.draftActors(p)
	p.heading(3, "For which purposes")
	p.head("Purpose claimed", "What it is for", "People", "Events")
	for _, t := range r.ByPurpose {
		p.row(orNone(escaped(string(t.Purpose))), orNone(escaped(t.Text)), t.People, t.Events)
	}
}

func (r *Report) alsoMasked() string {
	if r.Totals.OnlyMasked == 0 {
		return ""
	}
	return fmt.Sprintf(", and %d of whom nothing but masked values was shown", r.Totals.OnlyMasked)
}

func (r *Report) values() string {
	list := []string{}
	for _, c := range r.Totals.Counts {
		of := "of " + counted(int64(c.People), "person", "people")
		if c.Values > 0 {
			of = counted(c.Values, "value", "values") + " " + of
		}
		list = append(list, phrase(c.How)+" "+of)
	}
	if len(list) == 0 {
		return "none; nothing was shown"
	}
	return strings.Join(list, "; ") + fmt.Sprintf(" (in %s)", counted(r.Totals.Events, "event", "events"))
}

func (r *Report) uncertain() string {
	if r.Totals.Partial == 0 {
		return "No event that was counted was followed by a failure."
	}
	return fmt.Sprintf("Of %s counted in full, some values did not open and were not shown; the log does not say which.",
		counted(r.Totals.Partial, "event", "events"))
}

func (r *Report) draftCategories(p *page) {
	if len(r.Categories) == 0 {
		p.say("None: no field was shown.")
		return
	}
	p.head("Classification", "Special (Art. 9, 10)", "How", "People", "Fields", "Values")
	for _, c := range r.Categories {
		for _, n := range c.Counts {
			p.row(orUnknown(escaped(c.Classification)), choose(c.Special, "**yes**", choose(c.Classification == "", "not known", "by its name, no")),
				phrase(n.How), n.People, n.Fields, n.Values)
		}
	}
}

// draftActors lists those who were shown most; people who acted for themselves
// are one line.
func (r *Report) draftActors(p *page) {
	var others []ActorTotal
	var self ActorTotal
	for _, a := range r.ByActor {
		if !strings.HasPrefix(a.Actor, selfPrefix) {
			others = append(others, a)
			continue
		}
		self.People, self.Events = self.People+a.People, self.Events+a.Events
	}
	slices.SortStableFunc(others, func(a, b ActorTotal) int { return b.People - a.People })
	p.head("Actor", "People", "Events", "First", "Last")
	for _, a := range others[:min(len(others), maxListed)] {
		p.row(escaped(a.Actor), a.People, a.Events, moment(a.First), moment(a.Last))
	}
	if n := len(others) - maxListed; n > 0 {
		p.row(fmt.Sprintf("and %d more", n), "", "", "", "")
	}
	if self.Events > 0 {
		p.row("the people themselves", self.People, self.Events, "", "")
	}
}

// draftRest is what no log knows.
func draftRest(p *page) {
	p.heading(2, "(b) Contact (Art. 33(3)(b))")
	p.blank("name and contact details of the data protection officer, or of another contact point")
	p.heading(2, "(c) Likely consequences (Art. 33(3)(c))")
	p.blank("what this may lead to for the people concerned: identity theft, fraud, discrimination, loss of confidentiality, ...")
	p.heading(2, "(d) Measures (Art. 33(3)(d))")
	p.blank("measures taken to address the breach")
	p.blank("measures proposed, and those that mitigate its effects for the people concerned")
}

func (r *Report) draftPeople(p *page) {
	p.heading(2, "Telling the people concerned (Art. 34(1))")
	special, unknown := false, false
	for _, c := range r.Categories {
		special = special || c.Special
		unknown = unknown || c.Classification == ""
	}
	switch {
	case special:
		p.item("**Special categories of data are among what was shown.** A high risk to the people concerned is then likely, and they must be told " +
			"without undue delay, unless Art. 34(3) applies. Values counted here left the service readable: that they are stored encrypted is no reason not to tell (Art. 34(3)(a)).")
	case unknown:
		p.item("Of some fields the classification is not known: special categories (Art. 9) cannot be ruled out.")
	}
	p.blank("is a high risk to the rights and freedoms of people likely, and why or why not")
	p.blank("if so: when and how they are told, in clear and plain language (Art. 34(2))")
}

// phrase says a How in a few words.
func phrase(h How) string {
	switch h {
	case Plain:
		return "shown in full"
	case Found:
		return "found by the value"
	case Masked:
		return "shown masked"
	case Records:
		return "names of records shown"
	case Manifest:
		return "list of what is held shown"
	case Decisions:
		return "decisions on consent shown"
	case Counted:
		return "used in a statistic, not shown"
	case Pseudonyms:
		return "given a pseudonym, not shown"
	}
	return ""
}

// people counts the distinct people of rows that ascend by uid.
func people(rows []Row) int {
	h := newHeads()
	for i := range rows {
		h.add(rows[i].UID)
	}
	return h.n
}

// listed is a list for people.
func listed[T ~string](list []T) string {
	all := make([]string, len(list))
	for i, s := range list {
		all[i] = orNone(escaped(string(s)))
	}
	return choose(len(all) == 0, "all", strings.Join(all, ", "))
}

func orNone(s string) string    { return choose(s == "", "(none)", s) }
func orUnknown(s string) string { return choose(s == "", "(not known)", s) }

func choose(which bool, yes, no string) string {
	if which {
		return yes
	}
	return no
}
