package page

// The paths that pages lead to.
const (
	PathOverview    = "/me"
	PathPurposes    = "/me/purposes"
	PathHistory     = "/me/history"
	PathRequests    = "/me/requests"
	PathRequestNew  = "/me/requests/new"
	PathRequest     = "/me/requests/"        // followed by Request.ID
	PathCancel      = "/me/requests/cancel"  // POST
	PathRights      = "/me/rights"           // explanations
	PathCorrect     = "/me/correct"          // with collection and record
	PathDownload    = "/me/download"         // what is in it
	PathData        = "/me/download/my-data" // followed by .json or .csv
	PathRestrict    = "/me/pause"
	PathErase       = "/me/erase"
	PathEraseSure   = "/me/erase/confirm"
	PathNotice      = "/me/notice"
	PathSignIn      = "/me/sign-in"
	PathSignInDone  = "/me/sign-in/done" // where the provider of identities sends the browser back to
	PathSignOut     = "/me/sign-out"
	PathConsentForm = "/consent"
)

// The paths of the operators' console.
const (
	PathConsole           = "/console"
	PathConsoleSignIn     = "/console/sign-in"      // GET the page, POST a token
	PathConsoleProvider   = "/console/sign-in/go"   // to the organisation's own sign-in
	PathConsoleReturn     = "/console/sign-in/done" // and back from there
	PathConsoleSignOut    = "/console/sign-out"     // POST
	PathConsoleRequests   = "/console/requests"     // with show and cursor; POST files one
	PathConsoleFile       = "/console/requests/new"
	PathConsoleRequest    = "/console/requests/" // followed by an id; POST is a step, with do, reason and answer
	PathConsolePeople     = "/console/people"    // POST searches, with field, value and purpose, or with person
	PathConsolePerson     = "/console/people/"   // followed by an id; POST reads, with purpose; below it hold, pause, erase
	PathConsoleApprovals  = "/console/approvals" // POST decides, with approval and agree (yes or no)
	PathConsoleReports    = "/console/reports"   // with days
	PathConsoleStatistics = "/console/statistics"
	PathConsoleAsk        = "/console/statistics/ask"      // with of, what, group, group2, confidence, epsilon; POST asks, with mark and precision too
	PathConsoleAnswer     = "/console/statistics/answers/" // followed by an id; below it answer.csv
	PathConsoleCatalog    = "/console/catalog"
	PathConsoleExplain    = "/console/explain" // with role, purpose, field, consent, paused, own
	PathConsoleKeys       = "/console/keys"    // POST asks for work, with do
	PathConsoleAudit      = "/console/audit"   // with person, actor, from, to, at
	PathConsoleEvent      = "/console/audit/"  // followed by an index
)

// A Route is a request that pages make the browser send, beyond those whose path a
// model gives.
type Route struct {
	Method, Path string // a * in the path stands for an id
	// Fields names the fields of its form, or of its query.
	Fields []string
}

// The fields of forms that several pages have.
const (
	FieldPurpose  = "purpose"  // the id of a purpose
	FieldDecision = "decision" // one of the Decide constants
	FieldNotice   = "notice"   // the version of the notice that was shown
	FieldAge      = "age"      // in whole years, where it is asked for
	FieldToken    = "token"    // what the model gave, unchanged
	FieldSure     = "sure"     // yes, when the box is ticked
)

// The values of [FieldDecision].
const (
	DecideGrant    = "grant"    // consent
	DecideWithdraw = "withdraw" // end a consent, or refuse a renewed one
	DecideObject   = "object"   // to a use that needs no consent
	DecideAllow    = "allow"    // end an objection
)

// Routes lists the requests.
func Routes() []Route {
	return append(consoleRoutes(), []Route{
		{"GET", PathOverview, nil},
		{"GET", PathPurposes, nil},
		{"POST", PathPurposes, []string{FieldPurpose, FieldDecision, FieldNotice, FieldAge}},
		{"GET", PathHistory, []string{"before"}},
		{"GET", PathRequests, nil},
		{"GET", PathRequestNew, []string{"kind"}},
		{"POST", PathRequests, []string{"kind", "text"}},
		{"GET", PathRequest, nil}, // and all below
		{"POST", PathCancel, []string{"request"}},
		{"GET", PathRights, nil},
		{"GET", PathCorrect, []string{"collection", "record"}},
		{"POST", PathCorrect, []string{"collection", "record", "and value.<field> for each field"}},
		{"GET", PathDownload, nil},
		{"GET", PathData + ".json", nil},
		{"GET", PathData + ".csv", nil},
		{"GET", PathRestrict, nil},
		{"POST", PathRestrict, []string{"on"}}, // yes or no
		{"GET", PathErase, nil},
		{"GET", PathEraseSure, nil},
		{"POST", PathErase, []string{FieldToken, FieldSure}},
		{"GET", PathNotice, nil},
		{"POST", PathNotice, []string{FieldPurpose, FieldDecision, FieldNotice, FieldAge}},
		{"GET", PathSignIn, nil},
		{"POST", PathSignIn, []string{FieldToken}},
		{"POST", PathSignOut, nil},
		{"POST", PathConsentForm, []string{FieldToken, FieldNotice, FieldAge, "and " + FieldPurpose + " once for each box that is ticked"}},
	}...)
}

// The fields of the console's forms.
const (
	FieldDo     = "do"     // a ConsoleStep, or one of the Key constants
	FieldReason = "reason" // of a step: a RequestReason; else free text
	FieldAnswer = "answer"
	FieldPerson = "person" // the application's id
	FieldOn     = "on"     // yes sets a hold or a restriction, no lifts it
)

// The fields of a question about many people.
const (
	FieldOf         = "of"         // collection and purpose, with a dot between
	FieldWhat       = "what"       // measure and field, with a colon between
	FieldGroup      = "group"      // a field that groups, or empty
	FieldGroup2     = "group2"     // another one
	FieldConfidence = "confidence" // in thousandths
	FieldEpsilon    = "epsilon"    // the asker's own; empty: none
	FieldMark       = "mark"       // what the model gave, unchanged
	FieldPrecision  = "precision"  // a ConsolePrecision
)

func askFields() []string {
	return []string{FieldOf, FieldWhat, FieldGroup, FieldGroup2, FieldConfidence, FieldEpsilon}
}

// consoleRoutes lists the requests of the operators' console.
func consoleRoutes() []Route {
	return []Route{
		{"GET", PathConsole, nil},
		{"GET", PathConsoleSignIn, nil},
		{"POST", PathConsoleSignIn, []string{FieldToken}},
		{"POST", PathConsoleSignOut, nil},
		{"GET", PathConsoleRequests, []string{"show"}},
		{"POST", PathConsoleRequests, []string{"kind", FieldPerson, "text", "received", FieldPurpose}},
		{"GET", PathConsoleFile, nil},
		{"GET", PathConsoleRequest + "*", nil},
		{"POST", PathConsoleRequest + "*", []string{FieldDo, FieldReason, FieldAnswer}},
		{"GET", PathConsolePeople, nil},
		{"POST", PathConsolePeople, []string{"field", "value", FieldPurpose, FieldPerson}},
		{"GET", PathConsolePerson + "*", nil},
		{"POST", PathConsolePerson + "*", []string{FieldPurpose}},
		{"POST", PathConsolePerson + "*/hold", []string{FieldOn, FieldReason}},
		{"POST", PathConsolePerson + "*/pause", []string{FieldOn, FieldReason}},
		{"GET", PathConsolePerson + "*/erase", nil},
		{"POST", PathConsolePerson + "*/erase", []string{FieldReason, FieldSure}},
		{"GET", PathConsoleApprovals, nil},
		{"POST", PathConsoleApprovals, []string{"approval", "agree"}}, // agree: yes or no
		{"GET", PathConsoleReports, []string{"days"}},
		{"GET", PathConsoleStatistics, nil},
		{"GET", PathConsoleAsk, askFields()},
		{"POST", PathConsoleAsk, append(askFields(), FieldMark, FieldPrecision)},
		{"GET", PathConsoleAnswer + "*", nil},
		{"GET", PathConsoleAnswer + "*/answer.csv", nil},
		{"GET", PathConsoleCatalog, nil},
		{"GET", PathConsoleExplain, []string{"role", FieldPurpose, "field", "consent", "paused", "own"}}, // role once for each, paused and own: yes
		{"GET", PathConsoleKeys, nil},
		{"POST", PathConsoleKeys, []string{FieldDo, FieldSure}}, // sure with KeyTrim
		{"GET", PathConsoleAudit, []string{FieldPerson, "actor", "from", "to"}},
		{"GET", PathConsoleEvent + "*", nil},
	}
}
