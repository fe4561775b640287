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

// A Route is a request that pages make the browser send, beyond those whose path a
// model gives.
type Route struct {
	Method, Path string
	// Fields names the fields of its form, or of its query.
	Fields []string
}

// The fields of forms that several pages have.
const (
	FieldPurpose  = "purpose"  // the id of a purpose
	FieldDecision = "decision" // one of the Decide constants
	FieldNotice   = "notice"   // the version of the notice that was shown
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
	return []Route{
		{"GET", PathOverview, nil},
		{"GET", PathPurposes, nil},
		{"POST", PathPurposes, []string{FieldPurpose, FieldDecision, FieldNotice}},
		{"GET", PathHistory, nil},
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
		{"POST", PathNotice, []string{FieldPurpose, FieldDecision, FieldNotice}},
		{"GET", PathSignIn, nil},
		{"POST", PathSignIn, []string{FieldToken}},
		{"POST", PathSignOut, nil},
		{"POST", PathConsentForm, []string{FieldToken, FieldNotice, "and " + FieldPurpose + " once for each box that is ticked"}},
	}
}
