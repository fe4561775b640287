package page

import "time"

// ConsolePeople finds people: by their id, or by what they say of themselves.
type ConsolePeople struct {
	// Fields are those that can be searched (collection.field and title), Purposes those
	// under which the operator may read; both with what was chosen.
	Fields, Purposes []Choice
	// MaySearch: else only the id is asked for.
	MaySearch bool
	Searched  bool
	// Found are the ids of the people whose value it is. More: there are more than shown.
	Found []ConsoleFound
	More  bool
	// Fault says why a search did not come about. Optional.
	Fault SearchFault
	// Unknown: nobody has the id that was asked for.
	Unknown bool
}

func (ConsolePeople) about() about {
	return about{name: "console-people", title: "console.people.title", area: areaConsole, place: consolePeople}
}

// A ConsoleFound is somebody who was found.
type ConsoleFound struct{ Person, Link string }

// SearchFault says why a search did not come about.
type SearchFault string

// The faults of searches.
const (
	SearchNoValue  SearchFault = "no_value"  // the value lacks, or is none of the field
	SearchDenied   SearchFault = "denied"    // not this field under this purpose
	SearchLimit    SearchFault = "limit"     // this operator has opened too many people
	SearchNotReady SearchFault = "not_ready" // a job indexes the field first
)

// ConsolePerson is a person in the file, as the operator may see them.
type ConsolePerson struct {
	Person  string
	Here    string // the path of this page, where its forms lead
	Since   time.Time
	Held    bool
	Paused  bool          // the use of their data is restricted
	Records []ShownRecord // what policy shows under the purpose that is chosen
	Purpose []Choice      // to read under; none: the operator reads nothing, and Records is empty
	Read    bool          // a purpose was chosen, and Records is what came of it
	Limit   bool          // reading was refused: too many people
	Closed  int           // how many records could not be opened
	More    bool          // there are more records than are shown
	// Consents are how the person decided; none for who may not see them.
	Consents []ConsoleConsent
	Requests []ConsoleRequestLine
	History  []ConsoleAccess // the latest first
	// What the operator may do.
	MayHold, MayPause, MayErase, MayConsents, MayRequests, MayHistory bool
	// NoReason says that a form came back because its reason lacked: that of Tried.
	NoReason bool
	Tried    PersonForm
}

// PersonForm is a form on a person's page, as the end of its path.
type PersonForm string

// The forms that need a reason.
const (
	TriedHold  PersonForm = "hold" // the default
	TriedPause PersonForm = "pause"
)

func (ConsolePerson) about() about {
	return about{name: "console-person", title: "console.person.title", area: areaConsole, place: consolePeople}
}

// A ShownRecord is a record as the operator sees it.
type ShownRecord struct {
	Title  string // of the collection
	Fields []ShownField
}

// A ShownField is a field of it.
type ShownField struct {
	Title string
	How   Shown  // in plain, in part, or hidden
	Value string // empty if hidden
	Why   HiddenReason
}

// HiddenReason is why a value is hidden: the names of accessctl.Reason.
type HiddenReason string

// A ConsoleConsent is how a person decided on a purpose.
type ConsoleConsent struct {
	Purpose string // its title
	State   ConsentState
	At      time.Time // zero: never
	Expires time.Time // zero: never
}

// ConsentState says whether a consent opens data now: the names of accessctl.Consent.
type ConsentState string

// A ConsoleAccess is an entry of who read a person's data.
type ConsoleAccess struct {
	At      time.Time
	Who     string // empty: the person themself
	Purpose string // its title; may be empty
	Fields  []string
	How     Shown
}

// ConsoleErase asks before a person is erased.
type ConsoleErase struct {
	Person string
	Back   string // the path of the person's page
	Here   string // where the form leads
	// Held: it cannot be done, because a hold stands.
	Held bool
	// NoReason and NotSure say what lacked when the form came back.
	NoReason, NotSure bool
	Reason            string
}

func (ConsoleErase) about() about {
	return about{name: "console-erase", title: "console.erase.title", area: areaConsole, place: consolePeople}
}

// ConsoleErased says what came of an erasure: done, or that a second person must agree.
type ConsoleErased struct {
	Person string
	// Waits: more people were erased than one may erase alone.
	Waits bool
	// Again is where to ask again, because the erasure is in force and not in the ledger
	// yet; Reason is what goes with it.
	Again, Reason string
	// Certificate leads to the certificate's file, At is when the keys were destroyed.
	Certificate string
	At          time.Time
}

func (ConsoleErased) about() about {
	return about{name: "console-erased", title: "console.erased.title", area: areaConsole, place: consolePeople}
}

// ConsoleApprovals lists what waits for a second person, and what was decided.
type ConsoleApprovals struct {
	Waiting, Decided []ConsoleApproval
}

func (ConsoleApprovals) about() about {
	return about{name: "console-approvals", title: "console.approvals.title", area: areaConsole, place: consoleApprovals}
}

// A ConsoleApproval is something that one may not do alone.
type ConsoleApproval struct {
	ID      string // goes into the form; it is not shown
	What    ApprovalKind
	Count   int // how many people or records
	By      string
	Asked   time.Time
	Until   time.Time
	Own     bool // the operator asked themself, and cannot decide
	Decider string
	State   ApprovalState
	At      time.Time // of the decision
}

// ApprovalKind is what was asked for.
type ApprovalKind string

// The kinds of approvals.
const (
	ApproveErasure  ApprovalKind = "erasure"
	ApproveDeletion ApprovalKind = "deletion"
	ApproveReading  ApprovalKind = "reading"
)

// ApprovalState says how an approval stands.
type ApprovalState string

// The states of approvals.
const (
	ApprovalPending  ApprovalState = "pending"
	ApprovalApproved ApprovalState = "approved"
	ApprovalDone     ApprovalState = "done"
	ApprovalRefused  ApprovalState = "refused"
	ApprovalExpired  ApprovalState = "expired"
)
