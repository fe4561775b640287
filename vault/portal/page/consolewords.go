package page

import "strings"

// keyOf is the key among keys that ends in a dot and the value, or else the last.
func keyOf[V ~string](value V, keys ...string) string {
	last := len(keys) - 1
	for _, k := range keys[:last] {
		if strings.HasSuffix(k, "."+string(value)) {
			return k
		}
	}
	return keys[last]
}

// forStaff is a value that operators know by another name than people do.
type forStaff interface{ staffKey() string }

// staff is the name of a value for operators.
func (w *words) staff(s forStaff) (string, error) { return w.text(s.staffKey()) }

func (k RequestKind) staffKey() string {
	return keyOf(k, "console.kind.access", "console.kind.portability", "console.kind.rectification", "console.kind.erasure",
		"console.kind.restriction", "console.kind.objection", "console.kind.opt_out", "console.kind.question")
}

func (s RequestState) staffKey() string {
	return keyOf(s, "console.state.checking", "console.state.working", "console.state.extended", "console.state.answered",
		"console.state.refused", "console.state.cancelled", "console.state.received")
}

func (s ConsoleRequestsShown) key() string {
	return keyOf(s, "console.show.late", "console.show.closed", "console.show.open")
}

// Is reports whether the list is that of another value; without one it is of ShowOpen.
func (s ConsoleRequestsShown) Is(o ConsoleRequestsShown) bool { return s.key() == o.key() }

// Lists are the values, in the order of their tabs.
func (ConsoleRequestsShown) Lists() []ConsoleRequestsShown {
	return []ConsoleRequestsShown{ShowOpen, ShowLate, ShowClosed}
}

// staffKey is what a list says that has nothing, and explanation what that means.
func (s ConsoleRequestsShown) staffKey() string {
	return keyOf(s, "console.requests.none.late", "console.requests.none.closed", "console.requests.none.open")
}

func (s ConsoleRequestsShown) explanation() string {
	return keyOf(s, "console.requests.none_text.late", "console.requests.none_text.closed", "console.requests.none_text.open")
}

// Tone is the colour of the clock.
func (c RequestClock) Tone() string {
	switch c {
	case ClockLate:
		return "bad"
	case ClockSoon:
		return "warn"
	default:
		return "quiet"
	}
}

// Counts says that the clock has days to tell.
func (c RequestClock) Counts() bool { return c != ClockPaused && c != ClockStopped }

// key is what was done.
func (s ConsoleStep) key() string {
	return keyOf(s, "console.done.file", "console.done.acknowledge", "console.done.ask_identity", "console.done.confirm_identity",
		"console.done.extend", "console.done.complete", "console.done.refuse", "console.done.cancel", "console.done.other")
}

// staffKey is what the button that does it says.
func (s ConsoleStep) staffKey() string {
	return keyOf(s, "console.do.acknowledge", "console.do.ask_identity", "console.do.confirm_identity",
		"console.do.extend", "console.do.complete", "console.do.refuse", "console.do.cancel", "console.do.other")
}

// explanation is what comes of it.
func (s ConsoleStep) explanation() string {
	return keyOf(s, "console.then.acknowledge", "console.then.ask_identity", "console.then.confirm_identity",
		"console.then.extend", "console.then.complete", "console.then.refuse", "console.then.cancel", "console.then.other")
}

// Answers says that the step takes an answer for the person.
func (s ConsoleStep) Answers() bool { return s == DoComplete || s == DoRefuse }

// Reasoned says that the step needs a reason.
func (s ConsoleStep) Reasoned() bool { return s == DoExtend || s == DoRefuse }

// Folded says that the form of the step opens only when it is asked for: it has more
// than a button, and is not the one to advise.
func (r ConsoleRequest) Folded(s ConsoleStep) bool {
	return s.Reasoned() || s.Answers() && s != r.Next[0]
}

// Fails says that the form of the step came back.
func (r ConsoleRequest) Fails(s ConsoleStep) bool {
	return r.Wrong != "" && r.Wrong != StepNotNow && s == r.tried()
}

// tried is the step whose form came back: without Tried, the first that could lack it.
func (r ConsoleRequest) tried() ConsoleStep {
	if r.Tried != "" {
		return r.Tried
	}
	for _, s := range r.Next {
		if r.Wrong == StepNoAnswer && s.Answers() || r.Wrong == StepNoReason && s.Reasoned() {
			return s
		}
	}
	return ""
}

// Lacks is the id of what is to be mended; empty: nothing that is on the page.
func (r ConsoleRequest) Lacks() string {
	switch r.Wrong {
	case StepNoAnswer:
		return "answer-" + string(r.tried())
	case StepNoReason:
		return "reason-" + string(r.tried())
	default:
		return ""
	}
}

// ReasonsOf are the reasons of a step.
func (r ConsoleRequest) ReasonsOf(s ConsoleStep) []RequestReason {
	if s == DoExtend {
		return r.Extensions
	}
	return r.Reasons
}

func (r RequestReason) key() string {
	return keyOf(r, "console.reason.complexity", "console.reason.number_of_requests",
		"console.reason.manifestly_unfounded", "console.reason.excessive", "console.reason.identity_not_proven", "console.reason.no_data",
		"console.reason.legal_claims", "console.reason.legal_obligation", "console.reason.rights_of_others",
		"console.reason.compelling_grounds", "console.reason.freedom_of_expression", "console.reason.public_health",
		"console.reason.archiving_research", "console.reason.still_needed", "console.reason.conditions_not_met",
		"console.reason.accurate", "console.reason.fraudulent", "")
}

func (f ConsoleStepFault) key() string {
	return keyOf(f, "console.fault.no_answer", "console.fault.no_reason", "console.fault.not_now")
}

func (f SearchFault) key() string {
	return keyOf(f, "console.search.no_value", "console.search.limit", "console.search.not_ready", "console.search.denied")
}

func (s Shown) staffKey() string {
	return keyOf(s, "console.shown.masked", "console.shown.hidden", "console.shown.plain")
}

func (r HiddenReason) key() string {
	return keyOf(r, "console.hidden.purpose", "console.hidden.objection", "console.hidden.consent", "console.hidden.restricted",
		"console.hidden.expired", "console.hidden.policy")
}

func (s ConsentState) key() string {
	return keyOf(s, "console.consent.granted", "console.consent.refused", "console.consent.withdrawn", "console.consent.expired",
		"console.consent.outdated", "console.consent.objected", "console.consent.none")
}

// Tone is the colour of the state.
func (s ConsentState) Tone() string {
	switch s {
	case "granted":
		return "good"
	case "outdated", "expired":
		return "warn"
	default:
		return "quiet"
	}
}

// Lacks is the form of which the reason lacks, if one does.
func (p ConsolePerson) Lacks() string {
	if p.Tried == TriedPause || p.Tried == "" && !p.MayHold {
		return string(TriedPause)
	}
	return string(TriedHold)
}

func (k ApprovalKind) key() string {
	return keyOf(k, "console.approve.erasure", "console.approve.deletion", "console.approve.reading", "")
}

func (s ApprovalState) key() string {
	return keyOf(s, "console.approval.approved", "console.approval.done", "console.approval.refused", "console.approval.expired", "console.approval.pending")
}

// Tone is the colour of the state.
func (s ApprovalState) Tone() string {
	switch s {
	case ApprovalApproved, ApprovalDone:
		return "good"
	case ApprovalRefused, ApprovalExpired:
		return "quiet"
	default:
		return "warn"
	}
}
