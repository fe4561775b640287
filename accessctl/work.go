package accessctl

// working is how a decision came about.
type working struct {
	decision Decision
	rule     string  // the embedded rule that decided, in words, or empty
	actual   opinion // of the policies, in the state as it is; zero if they were not asked
	ideal    opinion // in the ideal state; zero if they were not asked
}

// opinion is what the policies alone say to a question.
type opinion struct {
	asked  bool
	view   View // Plain also for an action that is permitted
	plain  verdict
	masked verdict // zero unless the question is what may be seen, and the answer not Plain
}

// policies are what determined the view.
func (o opinion) policies() []string {
	if o.view == Masked || len(o.plain.policies) == 0 {
		return o.masked.policies
	}
	return o.plain.policies
}

// work decides. The order is: what needs no policy to be refused; the policies
// in the state as it is; the embedded rules; the reason.
func (d *Decider) work(q question) working {
	if r, rule := d.refuse(q); r != ReasonNone {
		return working{decision: Decision{Reason: r}, rule: rule}
	}
	var w working
	blocked, rule := d.embedded(q)
	if blocked == ReasonNone {
		w.actual = d.narrowest(q)
		if w.actual.view != Hidden {
			w.decision = Decision{Allowed: true, Policies: w.actual.policies()}
			if q.view {
				w.decision.View = w.actual.view
			}
			return w
		}
	}
	w.ideal = d.ask(ideal(q))
	switch {
	case w.ideal.view == Hidden:
		w.decision = Decision{Reason: ReasonPolicy, Policies: w.ideal.policies()}
	case blocked != ReasonNone:
		w.decision, w.rule = Decision{Reason: blocked}, rule
	default:
		w.decision = Decision{Reason: d.spoiler(q), Policies: w.actual.policies()}
	}
	return w
}

// refuse says what is denied without asking a policy.
func (d *Decider) refuse(q question) (Reason, string) {
	p := d.profile
	switch {
	case q.action.kind() == onField && !q.field.valid():
		return ReasonPolicy, "the field's name is not valid"
	case p.person && !q.state.Own:
		return ReasonPolicy, "a person acts only on their own data"
	case q.state.Own && !p.person:
		return ReasonPolicy, "only a person has own data"
	case p.standing == purposeMissing && q.action.NeedsPurpose():
		return ReasonPurpose, "no purpose was named"
	case p.standing == purposeUnknown:
		return ReasonPurpose, "the purpose is unknown"
	case p.purpose == PurposeSelf && !p.person:
		return ReasonPurpose, "the purpose self is for a person's own data"
	default:
		return ReasonNone, ""
	}
}

// embedded says which embedded rule forbids, whatever the policies say; the
// first, in the order of the reasons.
func (d *Decider) embedded(q question) (Reason, string) {
	p := d.profile
	switch {
	case p.standing == purposeOutside:
		return ReasonPurpose, "the token does not extend to the purpose"
	case !q.action.NeedsPurpose():
		return ReasonNone, ""
	case q.action.kind() == onField && !q.field.Listed:
		return ReasonPurpose, "the field does not list the purpose"
	case q.state.Consent == ConsentObjected && p.purpose != PurposeSelf:
		return ReasonObjection, "the person objected to the purpose"
	case p.basis == BasisConsent && q.state.Consent != ConsentGranted:
		return ReasonConsent, "the purpose rests on consent, and the person's is " + q.state.Consent.String()
	case q.state.Restricted && !p.despite:
		return ReasonRestricted, "processing is restricted, and the purpose is not marked despite_restriction"
	case q.state.Expired:
		return ReasonExpired, "the value has outlived its retention"
	default:
		return ReasonNone, ""
	}
}

// ask asks the policies, in exactly the state of the question.
func (d *Decider) ask(q question) opinion {
	o := opinion{asked: true, plain: d.authorize(q)}
	switch {
	case o.plain.permitted:
		o.view = Plain
	case q.view && len(o.plain.failures) == 0:
		q.action = ActionRevealMasked
		if o.masked = d.authorize(q); o.masked.permitted {
			o.view = Masked
		}
	}
	return o
}

func (d *Decider) authorize(q question) verdict {
	p := d.profile
	return d.policy.byAction[q.action].authorize(p.principal, p.purpose, p.basis, q)
}

// A flaw is a fact of a question that is not ideal.
type flaw struct {
	reason Reason
	mend   func(*question)
}

// flaws are the facts of a question that are not ideal, in the order of the
// reasons.
func flaws(q question) []flaw {
	if q.action.kind() != onField && !q.action.NeedsPurpose() {
		return nil
	}
	var list []flaw
	if q.action.kind() == onField && !q.field.Listed {
		list = append(list, flaw{ReasonPurpose, func(q *question) { q.field.Listed = true }})
	}
	if q.state.Consent != ConsentGranted {
		list = append(list, flaw{ReasonConsent, func(q *question) { q.state.Consent = ConsentGranted }})
	}
	if q.state.Restricted {
		list = append(list, flaw{ReasonRestricted, func(q *question) { q.state.Restricted = false }})
	}
	if q.state.Expired {
		list = append(list, flaw{ReasonExpired, func(q *question) { q.state.Expired = false }})
	}
	return list
}

// ideal is the question with every flaw mended.
func ideal(q question) question {
	for _, f := range flaws(q) {
		f.mend(&q)
	}
	return q
}

// narrowest asks the policies in the state as it is and in every better one, at
// most 16, and returns the least they say: a worse state never gives more.
func (d *Decider) narrowest(q question) opinion {
	least := d.ask(q)
	list := flaws(q)
	for mended := 1; mended < 1<<len(list) && least.view != Hidden; mended++ {
		better := q
		for i, f := range list {
			if mended&(1<<i) != 0 {
				f.mend(&better)
			}
		}
		if o := d.ask(better); o.view < least.view {
			least = o
		}
	}
	return least
}

// spoiler finds the reason of a question that no embedded rule forbids and that
// the policies permit in the ideal state only: the first flaw that suffices to
// make them refuse, or ReasonPolicy if it takes several.
func (d *Decider) spoiler(q question) Reason {
	list := flaws(q)
	for i, f := range list {
		only := q
		for j, g := range list {
			if i != j {
				g.mend(&only)
			}
		}
		if d.ask(only).view == Hidden {
			return f.reason
		}
	}
	return ReasonPolicy
}

// valid reports whether the names have the form that the catalog gives them, so
// that joined by a dot they stay apart.
func (f Field) valid() bool {
	return validName(f.Collection) && validName(f.Name)
}

func validName(s string) bool {
	if s == "" || len(s) > 63 || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}
