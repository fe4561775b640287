package page

import "time"

// ConsoleSignIn lets an operator in: by the organisation's own sign-in, by an access
// token of the API, or both.
type ConsoleSignIn struct {
	// Provider leads to the organisation's own sign-in. Optional.
	Provider string
	// Token offers a field for an access token; BadToken says that it came back because
	// the token is not taken.
	Token, BadToken bool
	// NoKeys says that it came back because no token can be checked at the moment.
	NoKeys bool
}

func (ConsoleSignIn) about() about {
	return about{name: "console-signin", title: "console.signin.title", area: areaConsole}
}

// ConsoleToday is what waits for an operator, as far as they may see it.
type ConsoleToday struct {
	// Requests is there for who works on requests; Late, Soon and Open count the requests
	// that are late, due within seven days, and open at all.
	Requests         bool
	Late, Soon, Open int
	// Approvals is there for who is asked as the second person; Waiting counts what they
	// may decide.
	Approvals bool
	Waiting   int
	// Jobs is there for who sees background work; Running and Failed count it.
	Jobs            bool
	Running, Failed int
	// Log is there for who reads the audit log.
	Log *ConsoleCheckpoint
	// Review names the purposes whose review is overdue.
	Review []string
}

func (ConsoleToday) about() about {
	return about{name: "console-today", title: "console.today.title", area: areaConsole, place: consoleToday}
}

// Nothing says that nothing waits.
func (t ConsoleToday) Nothing() bool {
	return !t.Counts() && len(t.Review) == 0
}

// Counts says that there is a number above zero to show.
func (t ConsoleToday) Counts() bool {
	return t.Requests && t.Late+t.Soon+t.Open > 0 || t.Approvals && t.Waiting > 0 || t.Jobs && t.Running+t.Failed > 0
}

// Alarm says that the log was changed.
func (t ConsoleToday) Alarm() bool {
	return t.Log != nil && !t.Log.Verified && !t.Log.Signed.IsZero()
}

// A ConsoleCheckpoint is the newest signed state of the audit log.
type ConsoleCheckpoint struct {
	Events int64
	Signed time.Time
	// Verified: the signature is good, and what was compared with it agrees: the newest
	// entry, or all of them if Whole. If not, the log was changed: the page says so in the
	// strongest words it has.
	Verified, Whole bool
}

// ConsoleRequests lists the requests of people.
type ConsoleRequests struct {
	Show ConsoleRequestsShown
	List []ConsoleRequestLine
	// More leads to the next page. Optional.
	More string
	// MayFile offers to file a request that came as a letter.
	MayFile bool
}

func (ConsoleRequests) about() about {
	return about{name: "console-requests", title: "console.requests.title", area: areaConsole, place: consoleRequests}
}

// ConsoleRequestsShown says which requests a list is of.
type ConsoleRequestsShown string

// The lists of requests: the value of the query "show".
const (
	ShowOpen   ConsoleRequestsShown = "open" // the default
	ShowLate   ConsoleRequestsShown = "late"
	ShowClosed ConsoleRequestsShown = "closed"
)

// A ConsoleRequestLine is a request in the officers' list. It names nobody.
type ConsoleRequestLine struct {
	RequestLine
	// Clock says how its time stands.
	Clock RequestClock
	// Left is how many days are left, or, of a late one, how many it is late.
	Left int
	// Short tells requests apart, as 7F3A.
	Short string
	// Erased: the person is erased, and the log's row alone is left.
	Erased bool
}

// RequestClock says how the time of a request stands.
type RequestClock string

// The states of a request's clock.
const (
	ClockRuns    RequestClock = "runs"
	ClockSoon    RequestClock = "soon"    // within seven days
	ClockLate    RequestClock = "late"    // its time is over
	ClockPaused  RequestClock = "paused"  // while proof of identity is awaited
	ClockStopped RequestClock = "stopped" // the request has ended
)

// ConsoleRequest is a request with its words, and what the officer may do next.
type ConsoleRequest struct {
	ConsoleRequestLine
	// Person is the application's id of the person; it leads to their page, if PersonLink
	// is set. Empty: erased.
	Person, PersonLink string
	// Purpose is the title of the purpose that an objection is to. Optional.
	Purpose string
	Text    string
	Answer  string
	Steps   []ConsoleRequestStep
	Told    []ConsoleTold
	// Erase leads to where the person is erased, which ends a request for erasure. Optional.
	Erase string
	// Next are the steps that are possible now; the first is the one to advise.
	Next []ConsoleStep
	// Reasons of refusals and Extensions of extensions, as keys of closed sets.
	Reasons, Extensions []RequestReason
	// Bundle leads to the file of evidence, once the request has ended.
	Bundle string
	// Wrong says what lacked when the form came back. Optional.
	Wrong ConsoleStepFault
	// Drafted is the answer that came back with it.
	Drafted string
	// Tried is the step whose form came back, Chosen the reason that came with it. Optional.
	Tried  ConsoleStep
	Chosen RequestReason
}

func (ConsoleRequest) about() about {
	return about{name: "console-request", title: "console.request.title", area: areaConsole, place: consoleRequests}
}

// A ConsoleRequestStep is a step that was done.
type ConsoleRequestStep struct {
	At     time.Time
	What   ConsoleStep
	By     string // empty: the person themself
	Reason RequestReason
}

// A ConsoleTold is a recipient that was told of the request (GDPR Art. 19).
type ConsoleTold struct {
	Recipient string
	At        time.Time // zero: not yet
}

// ConsoleStep is a step of a request: the value of the field "do".
type ConsoleStep string

// The steps.
const (
	DoFile        ConsoleStep = "file"
	DoAcknowledge ConsoleStep = "acknowledge"
	DoAskIdentity ConsoleStep = "ask_identity"
	DoConfirm     ConsoleStep = "confirm_identity"
	DoExtend      ConsoleStep = "extend"   // with a reason
	DoComplete    ConsoleStep = "complete" // with an answer
	DoRefuse      ConsoleStep = "refuse"   // with a reason and an answer
	DoCancel      ConsoleStep = "cancel"
)

// RequestReason is a reason of a refusal or an extension: the names of package rights.
type RequestReason string

// ConsoleStepFault says what lacked of a step.
type ConsoleStepFault string

// What may lack.
const (
	StepNoAnswer ConsoleStepFault = "no_answer"
	StepNoReason ConsoleStepFault = "no_reason"
	StepNotNow   ConsoleStepFault = "not_now" // somebody else was faster
)

// ConsoleFile is the form that files a request for a person who wrote a letter.
type ConsoleFile struct {
	Kinds  []RequestKind
	Kind   RequestKind
	Person string
	Text   string
	// Received is the day on which the letter came, as 2026-11-26.
	Received string
	Today    string // the latest that may be chosen
	// Unknown: there is no such person. NoKind, NoText, BadDay: what lacks.
	Unknown, NoKind, NoText, BadDay bool
	// Purposes are those that an objection can be to, by id and title.
	Purposes []Choice
	Purpose  string
}

func (ConsoleFile) about() about {
	return about{name: "console-file", title: "console.file.title", area: areaConsole, place: consoleRequests}
}

// Wrong says that the form came back.
func (f ConsoleFile) Wrong() bool { return f.Unknown || f.NoKind || f.NoText || f.BadDay }

// A Choice is an entry of a list to choose from: Value is sent, Title is shown.
type Choice struct {
	Value, Title string
	Chosen       bool
}

// ConsoleReports are the charts for who reads the audit log.
type ConsoleReports struct {
	// Days is the window: 7, 30, 90 or 365.
	Days    int
	Windows []int
	Charts  []ConsoleChart
	Log     ConsoleCheckpoint
	// Unused are fields that nobody used in the window, Idle the purposes under which
	// nothing was read, Review the purposes whose review is overdue: by their titles.
	Unused, Idle, Review []string
}

func (ConsoleReports) about() about {
	return about{name: "console-reports", title: "console.reports.title", area: areaConsole, place: consoleReports}
}

// A ConsoleChart is what a chart is drawn from, with its numbers as a table beside it.
// Without a value above zero there is nothing to draw, and the page says so.
type ConsoleChart struct {
	Kind ConsoleChartKind
	// Labels are titles along the axis; or Days are, of a chart over time: the first days
	// of equal steps.
	Labels []string
	Days   []time.Time
	// Series has one to six lines or bars, each with a value for each label. The name of
	// one alone is not shown.
	Series []ConsoleSeries
}

// A ConsoleSeries is a line of a chart. Its Name is a title of the catalog or a role; or
// Key is a key of words of the page: "console.series.open", "console.series.late",
// "console.series.people".
type ConsoleSeries struct {
	Name, Key string
	Values    []float64 // of ChartConsent shares from 0 to 1
}

// ConsoleChartKind says what a chart shows: it has a title, a sentence, and words for
// when it is empty.
type ConsoleChartKind string

// The charts.
const (
	ChartByPurpose ConsoleChartKind = "by_purpose" // values shown, by purpose
	ChartByField   ConsoleChartKind = "by_field"   // values shown, by field
	ChartByRole    ConsoleChartKind = "by_role"    // values shown, by role
	ChartDenials   ConsoleChartKind = "denials"    // over time
	ChartErasures  ConsoleChartKind = "erasures"   // over time
	ChartConsent   ConsoleChartKind = "consent"    // yes among the decisions, over time, by purpose
	ChartRequests  ConsoleChartKind = "requests"   // open and late, over time
)
