package page

import "time"

// Requests lists what the person has asked for.
type Requests struct {
	Open, Closed []RequestLine
}

func (Requests) about() about {
	return about{name: "requests", title: "requests.title", area: areaPerson, place: sectionRequests}
}

// A RequestLine is a request in a list.
type RequestLine struct {
	ID    string // goes into its path; it is not shown
	Kind  RequestKind
	State RequestState
	Filed time.Time
	Due   time.Time // by when it must be answered; zero for one that is closed
}

// Request shows one request and what has come of it.
type Request struct {
	RequestLine
	// Text is what the person wrote. Optional.
	Text string
	// Answer is what they were answered. Empty: nothing yet.
	Answer     string
	AnsweredAt time.Time
	// Steps tell what happened, the first first.
	Steps []RequestStep
	// Bundle leads to the file that belongs to the answer. Optional.
	Bundle string
	// MayCancel offers to take it back.
	MayCancel bool
}

func (Request) about() about {
	return about{name: "request", title: "request.title", area: areaPerson, place: sectionRequests}
}

// A RequestStep is something that happened to a request.
type RequestStep struct {
	At   time.Time
	What RequestEvent
	// Reason is given for an extension and for a refusal.
	Reason string
	// Until is the new date of an extension.
	Until time.Time
}

// NewRequest is the form for a request or a question.
type NewRequest struct {
	// Kinds are those that may be chosen; Kind is the one that is.
	Kinds []RequestKind
	Kind  RequestKind
	Text  string
	// NoKind and NoText say that the form came back without the one or the other.
	NoKind, NoText bool
}

func (NewRequest) about() about {
	return about{name: "newrequest", title: "newrequest.title", area: areaPerson, place: sectionRequests}
}

// Wrong says that the form came back with something to mend.
func (n NewRequest) Wrong() bool { return n.NoKind || n.NoText }

// Rights explains the rights that a person has, in short.
type Rights struct {
	Kinds []RequestKind
}

func (Rights) about() about {
	return about{name: "rights", title: "rights.title", area: areaPerson, place: sectionRequests}
}

// RequestKind is what a person asks for.
type RequestKind string

// The kinds of request. An unknown one is shown as a question.
const (
	KindQuestion      RequestKind = "question"
	KindAccess        RequestKind = "access"
	KindPortability   RequestKind = "portability"
	KindRectification RequestKind = "rectification"
	KindErasure       RequestKind = "erasure"
	KindRestriction   RequestKind = "restriction"
	KindObjection     RequestKind = "objection"
	KindOptOut        RequestKind = "opt_out"
)

// RequestKinds lists the kinds, the most asked for first.
func RequestKinds() []RequestKind {
	return []RequestKind{
		KindQuestion, KindAccess, KindRectification, KindErasure, KindRestriction, KindObjection, KindPortability, KindOptOut,
	}
}

func (k RequestKind) key() string {
	switch k {
	case KindAccess:
		return "kind.access"
	case KindPortability:
		return "kind.portability"
	case KindRectification:
		return "kind.rectification"
	case KindErasure:
		return "kind.erasure"
	case KindRestriction:
		return "kind.restriction"
	case KindObjection:
		return "kind.objection"
	case KindOptOut:
		return "kind.opt_out"
	default:
		return "kind.question"
	}
}

func (k RequestKind) explanation() string {
	switch k {
	case KindAccess:
		return "kind.access.why"
	case KindPortability:
		return "kind.portability.why"
	case KindRectification:
		return "kind.rectification.why"
	case KindErasure:
		return "kind.erasure.why"
	case KindRestriction:
		return "kind.restriction.why"
	case KindObjection:
		return "kind.objection.why"
	case KindOptOut:
		return "kind.opt_out.why"
	default:
		return "kind.question.why"
	}
}

// Self is where the person can do it themself at once, without a request; empty:
// nowhere.
func (k RequestKind) Self() string {
	switch k {
	case KindAccess, KindRectification:
		return PathOverview
	case KindPortability:
		return PathDownload
	case KindErasure:
		return PathErase
	case KindRestriction:
		return PathRestrict
	case KindObjection, KindOptOut:
		return PathPurposes
	default:
		return ""
	}
}

// RequestState is how far a request is.
type RequestState string

// The states of a request. An unknown one is shown as received.
const (
	RequestReceived  RequestState = "received"
	RequestChecking  RequestState = "checking" // who the person is
	RequestWorking   RequestState = "working"
	RequestExtended  RequestState = "extended" // it takes longer, for a reason that was given
	RequestAnswered  RequestState = "answered"
	RequestRefused   RequestState = "refused"
	RequestCancelled RequestState = "cancelled" // by the person
)

func (s RequestState) key() string {
	switch s {
	case RequestChecking:
		return "request.checking"
	case RequestWorking:
		return "request.working"
	case RequestExtended:
		return "request.extended"
	case RequestAnswered:
		return "request.answered"
	case RequestRefused:
		return "request.refused"
	case RequestCancelled:
		return "request.cancelled"
	default:
		return "request.received"
	}
}

// Tone is the colour of the state.
func (s RequestState) Tone() string {
	switch s {
	case RequestAnswered:
		return "good"
	case RequestExtended, RequestChecking:
		return "warn"
	case RequestRefused:
		return "bad"
	default:
		return "quiet"
	}
}

// RequestEvent is a step of a request.
type RequestEvent string

// The steps. An unknown one is shown as work on it.
const (
	StepFiled     RequestEvent = "filed"
	StepConfirmed RequestEvent = "confirmed" // who the person is
	StepWorking   RequestEvent = "working"
	StepExtended  RequestEvent = "extended"
	StepTold      RequestEvent = "told" // those who had been given the data
	StepAnswered  RequestEvent = "answered"
	StepRefused   RequestEvent = "refused"
	StepCancelled RequestEvent = "cancelled"
)

func (e RequestEvent) key() string {
	switch e {
	case StepFiled:
		return "step.filed"
	case StepConfirmed:
		return "step.confirmed"
	case StepExtended:
		return "step.extended"
	case StepTold:
		return "step.told"
	case StepAnswered:
		return "step.answered"
	case StepRefused:
		return "step.refused"
	case StepCancelled:
		return "step.cancelled"
	default:
		return "step.working"
	}
}
