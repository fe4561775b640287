package page

import "time"

// SignIn asks to press a button before a sign-in link counts, so that a program
// that looks at mail cannot use it up.
type SignIn struct {
	Token string // of the link; goes back unchanged
}

func (SignIn) about() about { return about{name: "signin", title: "signin.title"} }

// Problem says that something is not to be had, and what to do next.
type Problem struct {
	Kind ProblemKind
	// Provider leads to a sign-in that needs no link. Optional.
	Provider string
	// Retry is when to try again; zero: no particular time.
	Retry time.Time
	// Reference is what an operator finds the fault by. Optional.
	Reference string
	// Console says that the page is the operators'. A frame with an operator says it too.
	Console bool
}

func (p Problem) about() about {
	is := about{name: "problem", title: p.Kind.key()}
	if p.Console {
		is.area = areaConsole
	}
	return is
}

// ProblemKind is what went wrong.
type ProblemKind string

// The kinds of problem. An unknown one is shown as a fault of ours.
const (
	ProblemSignedOut    ProblemKind = "signed_out"    // by the person
	ProblemNoSession    ProblemKind = "no_session"    // signed out by time, or never in
	ProblemLinkExpired  ProblemKind = "link_expired"  //
	ProblemLinkUsed     ProblemKind = "link_used"     //
	ProblemOtherBrowser ProblemKind = "other_browser" // the link was asked for in another one
	ProblemSignIn       ProblemKind = "sign_in"       // with the provider of identities it came to nothing
	ProblemForbidden    ProblemKind = "forbidden"     // 403
	ProblemNotFound     ProblemKind = "not_found"     // 404
	ProblemTooMany      ProblemKind = "too_many"      // 429
	ProblemFault        ProblemKind = "fault"         // 500
	ProblemUnavailable  ProblemKind = "unavailable"   // 503
	ProblemMaintenance  ProblemKind = "maintenance"   // 503, meant
)

func (k ProblemKind) key() string {
	switch k {
	case ProblemSignedOut:
		return "problem.signed_out"
	case ProblemNoSession:
		return "problem.no_session"
	case ProblemLinkExpired:
		return "problem.link_expired"
	case ProblemLinkUsed:
		return "problem.link_used"
	case ProblemOtherBrowser:
		return "problem.other_browser"
	case ProblemSignIn:
		return "problem.sign_in"
	case ProblemForbidden:
		return "problem.forbidden"
	case ProblemNotFound:
		return "problem.not_found"
	case ProblemTooMany:
		return "problem.too_many"
	case ProblemUnavailable:
		return "problem.unavailable"
	case ProblemMaintenance:
		return "problem.maintenance"
	default:
		return "problem.fault"
	}
}

func (k ProblemKind) explanation() string {
	switch k {
	case ProblemSignedOut:
		return "problem.signed_out.next"
	case ProblemNoSession:
		return "problem.no_session.next"
	case ProblemLinkExpired:
		return "problem.link_expired.next"
	case ProblemLinkUsed:
		return "problem.link_used.next"
	case ProblemOtherBrowser:
		return "problem.other_browser.next"
	case ProblemSignIn:
		return "problem.sign_in.next"
	case ProblemForbidden:
		return "problem.forbidden.next"
	case ProblemNotFound:
		return "problem.not_found.next"
	case ProblemTooMany:
		return "problem.too_many.next"
	case ProblemUnavailable:
		return "problem.unavailable.next"
	case ProblemMaintenance:
		return "problem.maintenance.next"
	default:
		return "problem.fault.next"
	}
}

// staffKey is the explanation for operators, where it is another one.
func (k ProblemKind) staffKey() string {
	return keyOf(k, "console.problem.signed_out", "console.problem.no_session", "console.problem.forbidden",
		"console.problem.unavailable", "console.problem.maintenance", "console.problem.fault", k.explanation())
}

// Out says that nobody is signed in.
func (k ProblemKind) Out() bool { return k == ProblemSignedOut || k == ProblemNoSession }

// Icon is the drawing that goes with it.
func (k ProblemKind) Icon() string {
	switch k {
	case ProblemSignedOut:
		return "good"
	case ProblemNoSession, ProblemOtherBrowser, ProblemSignIn, ProblemForbidden:
		return "lock"
	case ProblemLinkExpired, ProblemLinkUsed:
		return "mail"
	case ProblemTooMany, ProblemUnavailable, ProblemMaintenance:
		return "clock"
	default:
		return "bad"
	}
}

// Home says that the overview may be what the person looks for.
func (k ProblemKind) Home() bool { return k == ProblemForbidden || k == ProblemNotFound }
