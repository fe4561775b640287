package processing

import (
	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/vault/catalog"
)

// An Assessment is a draft of a data protection impact assessment (GDPR Art. 35(7)).
// Lists are in the order of the catalog or of the law; none is null in JSON. Where
// people must judge, text is empty: Markdown marks these places TO FILL IN.
type Assessment struct {
	Kind       string      `json:"kind"` // "assessment"
	Format     int         `json:"format"`
	Title      string      `json:"title"`
	Date       string      `json:"date,omitempty"`
	Controller Controller  `json:"controller"`
	Screening  []Screening `json:"screening"` // Art. 35(1) and (3)
	Criteria   []Criterion `json:"criteria"`  // WP 248 rev.01, all nine
	Necessity  []Necessity `json:"necessity"` // Art. 35(7)(b)
	Rights     []Right     `json:"rights"`    // Art. 35(7)(b), (d)
	Risks      []Risk      `json:"risks"`     // Art. 35(7)(c), (d)
	Measures   []Measure   `json:"measures"`  // Art. 35(7)(d)
	Open       []*OpenItem `json:"open"`      // what a record lacks, too
}

// A Need says whether a purpose needs an assessment, as far as the catalog can tell.
// There is none that says no: that is for people to say.
type Need string

// The needs.
const (
	NeedLikely   Need = "likely"   // Art. 35(3)(b) comes into question, or two criteria are met
	NeedPossible Need = "possible" // one criterion is met
	NeedOpen     Need = "open"     // the catalog shows none; the questions remain
)

// A Screening is what speaks for an assessment of one purpose.
type Screening struct {
	Purpose string   `json:"purpose"`
	Title   string   `json:"title"`
	Need    Need     `json:"need"`
	Reasons []Reason `json:"reasons"`
}

// A Reason is a criterion that a purpose seems to meet.
type Reason struct {
	Criterion int    `json:"criterion"` // its number in WP 248 rev.01, from 1
	Text      string `json:"text"`
}

// Necessity is what bears on whether a purpose takes no more than it needs.
type Necessity struct {
	Purpose string `json:"purpose"`
	Title   string `json:"title"`
	Basis   string `json:"basis"`
	Article string `json:"article"`
	Benefit string `json:"benefit"` // to the person

	RetentionDays int   `json:"retention_days,omitempty"`
	Uses          []Use `json:"uses"`
}

// A Use is a field of a purpose and the roles that get something of it. "*" stands for
// every caller, "a + b" for two roles that get more together.
type Use struct {
	Field   string   `json:"field"`
	Special bool     `json:"special,omitempty"`
	Mask    string   `json:"mask"`
	Plain   []string `json:"plain"`
	Masked  []string `json:"masked"`
	Other   []string `json:"other"` // search, list or statistics, but no value
}

// A Right is a right of people and what there is for it.
type Right struct {
	Law   string `json:"law"`
	Right string `json:"right"`
	Text  string `json:"text"`

	// Self says that the policy lets people do it themselves; false with an empty
	// Action: there is nothing for a policy to permit.
	Self   bool   `json:"self"`
	Action string `json:"action,omitempty"` // of the policy
}

// A Risk is a harm to think of, with the measures in place. How likely and how severe
// it is for people, what else is done and what remains is for people to say.
type Risk struct {
	Risk       string `json:"risk"`
	Measures   string `json:"measures"`
	Likelihood string `json:"likelihood"`
	Severity   string `json:"severity"`
	Further    string `json:"further"`
	Remaining  string `json:"remaining"`
}

// Assess drafts the assessment of what is enforced.
func Assess(in Input) *Assessment {
	r := Article30(in)
	a := &Assessment{
		Kind: "assessment", Format: Format, Title: r.Title, Date: r.Date, Controller: r.Controller,
		Screening: []Screening{}, Criteria: criteria(in.Catalog), Necessity: []Necessity{},
		Rights: rights(&asker{in: in}), Risks: risks(), Measures: r.Measures, Open: r.Open,
	}
	for i := range r.Activities {
		a.Screening = append(a.Screening, screen(in.Catalog, &in.Catalog.Purposes[i]))
		a.Necessity = append(a.Necessity, necessity(&r.Activities[i]))
	}
	return a
}

func necessity(a *Activity) Necessity {
	n := Necessity{
		Purpose: a.Purpose, Title: a.Title, Basis: a.Basis, Article: a.Article, Benefit: a.Benefit,
		RetentionDays: a.RetentionDays, Uses: []Use{},
	}
	for i := range a.Fields {
		n.Uses = append(n.Uses, use(a, &a.Fields[i]))
	}
	return n
}

// use turns the access of roles around: by field.
func use(a *Activity, f *Field) Use {
	u := Use{Field: f.Field, Special: f.Special, Mask: f.Mask, Plain: []string{}, Masked: []string{}, Other: []string{}}
	for _, x := range a.Access {
		who := who(x.Roles)
		switch {
		case has(x.Plain, f.Field):
			u.Plain = append(u.Plain, who)
		case has(x.Masked, f.Field):
			u.Masked = append(u.Masked, who)
		case has(x.Search, f.Field), has(x.List, f.Field), has(x.Aggregate, f.Field), has(x.Release, f.Field):
			u.Other = append(u.Other, who)
		}
	}
	return u
}

// rights are those of people, and whether the policy lets them help themselves.
func rights(w *asker) []Right {
	list := []Right{
		{Law: "GDPR Art. 13, 14", Right: "To be told", Text: "The catalog in force is public, in plain words; the version that a person was shown is kept."},
		{Law: "GDPR Art. 7(3)", Right: "To withdraw consent", Text: "Per purpose; it counts from the next read on.", Action: string(accessctl.ActionConsent)},
		{Law: "GDPR Art. 15", Right: "Access", Text: "What is held, what for, and who has read it.", Action: string(accessctl.ActionAccessHistory)},
		{Law: "GDPR Art. 16", Right: "Rectification", Text: "Values are corrected in place.", Action: string(accessctl.ActionWrite)},
		{Law: "GDPR Art. 17", Right: "Erasure", Text: "Keys are destroyed at once, with a signed certificate; holds and approvals are enforced.", Action: string(accessctl.ActionErase)},
		{Law: "GDPR Art. 18", Right: "Restriction", Text: "Only purposes that the catalog marks so go on.", Action: string(accessctl.ActionRestrict)},
		{Law: "GDPR Art. 20", Right: "Portability", Text: "An export in a machine-readable form.", Action: string(accessctl.ActionExport)},
		{Law: "GDPR Art. 21", Right: "Objection", Text: "As a request; a purpose that a person objected to opens no longer.", Action: string(accessctl.ActionRequests)},
		{Law: "GDPR Art. 12(3)", Right: "An answer in time", Text: "Requests have clocks and states.", Action: string(accessctl.ActionRequests)},
		{Law: "GDPR Art. 22", Right: "No decision by machines alone", Text: "Nothing decides about people here; what is done with the values that are read is for people to say."},
	}
	subject := []accessctl.Role{accessctl.RoleSubject}
	for i := range list {
		if a := accessctl.Action(list[i].Action); a != "" {
			d, _ := w.decider(subject, accessctl.PurposeSelf)
			list[i].Self = d.Has(a, w.fields(accessctl.PurposeSelf))
		}
	}
	return list
}

// risks are what to think of: the three of WP 248 rev.01, annex 2 (illegitimate
// access, undesired modification, disappearance), and those of the principles of Art. 5.
func risks() []Risk {
	return []Risk{
		{Risk: "Somebody outside sees personal data", Measures: "encryption under a key a person; keys wrapped apart from the rows; tokens that expire"},
		{Risk: "Somebody inside sees more than the work needs", Measures: "roles, purposes and masks by policy; a log of every reading; alarms on unusual reading, where they are set"},
		{Risk: "Data are changed without right or by mistake", Measures: "values are bound to their place; revisions; a log that shows changes"},
		{Risk: "Data are lost, or cannot be had when they are needed", Measures: "legal holds; a second person for erasures, where a limit is set"},
		{Risk: "Data are used for another purpose than people were told", Measures: "no reading without a listed purpose; a material change asks again"},
		{Risk: "Data are kept too long, or the erased return from a backup", Measures: "retention per field and purpose; destruction of keys; a ledger of erasures where there is one"},
		{Risk: "People cannot see or change what happens to their data", Measures: "the rights above, with clocks"},
		{Risk: "A recipient misuses what it was given", Measures: ""},
	}
}

// screen says what speaks for an assessment of a purpose.
func screen(c *catalog.Catalog, p *catalog.Purpose) Screening {
	s := Screening{Purpose: p.ID, Title: p.Title, Need: NeedOpen, Reasons: []Reason{}}
	for i, find := range evidence() {
		if text := find(c, p); text != "" {
			s.Reasons = append(s.Reasons, Reason{Criterion: i + 1, Text: text})
		}
	}
	switch {
	case c.Special(p.ID), len(s.Reasons) > 1:
		s.Need = NeedLikely
	case len(s.Reasons) == 1:
		s.Need = NeedPossible
	}
	return s
}
