package api

// A Code says what kind of error an answer is. The set is closed: clients may
// switch over it, and may take a code that they do not know for [Internal].
type Code string

// All codes, each with its HTTP status.
const (
	// Unauthenticated (401): there is no token, or it is not accepted. Which of
	// the two, and why, is not said.
	Unauthenticated Code = "unauthenticated"
	// Denied (403): the caller's role lacks the action. Nothing was looked up.
	Denied Code = "denied"
	// NotFound (404): there is no such thing, or none that the caller may know
	// of: absent, erased, foreign and corrupt look alike then.
	NotFound Code = "not_found"
	// Conflict (409): the present state is another than If-Match names, or
	// changed while the request ran.
	Conflict Code = "conflict"
	// Held (409): a legal hold stands against what was asked.
	Held Code = "held"
	// Gone (410): the person was erased. Only callers who may know get it.
	Gone Code = "gone"
	// Invalid (400): the request breaks a rule; the problem's fields name which.
	Invalid Code = "invalid"
	// TooLarge (413): the body, a value or a batch is over its limit.
	TooLarge Code = "too_large"
	// Unsupported (415, and 405 for a method that the route does not have): the
	// request is of a kind that is not served here.
	Unsupported Code = "unsupported"
	// Mismatch (422): the Idempotency-Key was used before for another request.
	Mismatch Code = "mismatch"
	// Unmet (422): no table of the people meets what is asked; the detail says what
	// would help.
	Unmet Code = "unmet"
	// RateLimited (429): the caller asks too often; Retry-After says when to try again.
	RateLimited Code = "rate_limited"
	// Internal (500): a fault of the service.
	Internal Code = "internal"
	// Integrity (500): stored data does not verify. It was changed outside the service.
	Integrity Code = "integrity"
	// Unavailable (503): a part of the service does not answer. Nothing was
	// released, and trying again is safe.
	Unavailable Code = "unavailable"
)

// Codes returns the closed set.
func Codes() []Code {
	return []Code{
		Unauthenticated, Denied, NotFound, Conflict, Held, Gone, Invalid, TooLarge, Unsupported,
		Mismatch, Unmet, RateLimited, Internal, Integrity, Unavailable,
	}
}

// Status is the HTTP status that the code comes with; 500 for one that is not of the set.
func (c Code) Status() int {
	switch c {
	case Invalid:
		return 400
	case Unauthenticated:
		return 401
	case Denied:
		return 403
	case NotFound:
		return 404
	case Conflict, Held:
		return 409
	case Gone:
		return 410
	case TooLarge:
		return 413
	case Unsupported:
		return 415
	case Mismatch, Unmet:
		return 422
	case RateLimited:
		return 429
	case Internal, Integrity:
		return 500
	case Unavailable:
		return 503
	default:
		return 500
	}
}

// ProblemType is the media type of a [Problem].
const ProblemType = "application/problem+json"

// TypePrefix and the code make the type of a [Problem].
const TypePrefix = "urn:fieldvault:problem:"

// A Problem is the body of every error answer (RFC 9457). It holds no value of
// the request, and no text of a database or of a library.
type Problem struct {
	Type      string       `json:"type" doc:"urn:fieldvault:problem: and the code"`
	Title     string       `json:"title" doc:"The HTTP status in words"`
	Status    int          `json:"status" doc:"The HTTP status"`
	Code      Code         `json:"code" doc:"What kind of error it is: one of a closed set"`
	Detail    string       `json:"detail" doc:"What happened, and what to do about it"`
	RequestID string       `json:"request_id" doc:"The Request-Id of this request"`
	Fields    []FieldIssue `json:"fields,omitempty" doc:"Which parts of the input are wrong"`
}

// A FieldIssue names one part of the input that is wrong, and the rule it breaks,
// never its value.
type FieldIssue struct {
	Field string `json:"field" doc:"A field of the catalog (customer.email), a member of the body (items[3].subject) or a parameter (purpose)"`
	Rule  string `json:"rule" doc:"What must hold, in words"`
}
