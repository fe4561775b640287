package page

import "time"

// ConsoleCatalog shows the catalog in force: what is kept and what for.
type ConsoleCatalog struct {
	Version  int64
	At       time.Time
	Purposes []ConsolePurpose
	Kept     []ConsoleCollection
	// Changes is what the version before says otherwise, in sentences.
	Changes []string
	MayAsk  bool // explanations may be asked for
}

func (ConsoleCatalog) about() about {
	return about{name: "console-catalog", title: "console.catalog.title", area: areaConsole, place: consoleCatalog}
}

// A ConsolePurpose is a purpose of the catalog.
type ConsolePurpose struct {
	Title  string
	Name   string // as callers claim it
	Basis  Basis
	Review time.Time // zero: none is set
	Late   bool      // the review is overdue
	Fields int       // how many may be read under it
}

// A ConsoleCollection is a kind of record with its fields.
type ConsoleCollection struct {
	Title  string
	Fields []ConsoleField
}

// A ConsoleField is a field of the catalog.
type ConsoleField struct {
	Title    string
	Purposes []string // titles
	Days     int      // how long it is kept; 0: as long as the record
	Special  bool     // a special category (GDPR Art. 9)
	Indexed  bool     // it can be searched
	Explain  string   // leads to the form that explains who sees it
}

// ConsoleExplain asks, and answers, who would see a field.
type ConsoleExplain struct {
	Roles, Purposes, Fields, Consents []Choice
	Paused, Own                       bool // of the person asked about
	// Answer is what such a caller sees; nil: nothing was asked yet.
	Answer *ConsoleAnswer
	// Policy is the text of the policy in force, by lines, and its version.
	Policy  []PolicyLine
	Version int64
	NoRole  bool // the form came back: a role lacked
}

func (ConsoleExplain) about() about {
	return about{name: "console-explain", title: "console.explain.title", area: areaConsole, place: consoleExplain}
}

// A ConsoleAnswer is an explanation of a decision.
type ConsoleAnswer struct {
	How  Shown
	Why  HiddenReason // if it is hidden
	Rule string       // the rule that no policy can change, in words, if it decided
	// Policies are those that decided.
	Policies []PolicyUsed
}

// A PolicyUsed is a policy that decided something.
type PolicyUsed struct {
	ID        string
	Line      int // where it stands in the text, from 1
	Permitted bool
}

// A PolicyLine is a line of the policy's text.
type PolicyLine struct {
	Number int
	Text   string
	Used   bool // it begins a policy that decided
}

// ConsoleKeys shows the key-encryption keys and the background work.
type ConsoleKeys struct {
	Keys []ConsoleKey
	Jobs []ConsoleJob
	// MayAct offers the buttons: a keeper is there to carry out what is asked for.
	MayAct bool
	// Busy: a job runs; the page offers to look again.
	Busy bool
}

func (ConsoleKeys) about() about {
	return about{name: "console-keys", title: "console.keys.title", area: areaConsole, place: consoleKeys}
}

// A ConsoleKey is a key-encryption key.
type ConsoleKey struct {
	Name     string
	System   bool // the service's own, not the tenant's
	Latest   int  // the version that wraps
	Opens    int  // the lowest version that opens
	Exists   int  // the lowest version that is not destroyed
	Versions []ConsoleVersion
	Warning  string // in words; optional
}

// A ConsoleVersion is how much one version of a key wraps.
type ConsoleVersion struct {
	Number      int
	People, Own int64
	Uses        int64
}

// A ConsoleJob is a piece of background work.
type ConsoleJob struct {
	Kind        JobKind
	State       JobState
	Done, Total int64 // Total 0: not known
	Begun, Seen time.Time
	By          string
	Note        string // in words
}

// JobKind is a kind of background work: the names of package vault.
type JobKind string

// JobState says how it stands.
type JobState string

// The states of jobs.
const (
	JobWaits  JobState = "waits"
	JobRuns   JobState = "runs"
	JobDone   JobState = "done"
	JobFailed JobState = "failed"
)

// The values of the field "do" of the form on the keys: what the keeper is asked for.
const (
	KeyRotate = "key_rotation"
	KeyRewrap = "rewrap"
	KeyRetire = "retire"
	KeyTrim   = "trim"
)

// ConsoleAudit shows the audit log.
type ConsoleAudit struct {
	Log ConsoleCheckpoint
	// Person, Actor, From and To (days, as 2026-11-26) are what was asked for.
	Person, Actor, From, To string
	BadDay                  bool
	List                    []ConsoleEvent
	// Next leads to the events after these. Optional.
	Next string
}

func (ConsoleAudit) about() about {
	return about{name: "console-audit", title: "console.audit.title", area: areaConsole, place: consoleAudit}
}

// A ConsoleEvent is an event of the log, in a list.
type ConsoleEvent struct {
	Index   int64
	At      time.Time
	Who     string // empty: a person themself
	Action  EventAction
	Outcome EventOutcome
	Purpose string   // its title; may be empty
	Fields  []string // their titles
	Pruned  bool     // its text was removed; the log still has its hash
	Altered bool     // what is stored is not what the log has
	Link    string   // to ConsoleEventPage
}

// EventAction is what was done: the names of accessctl.Action and of the service's own.
type EventAction string

// EventOutcome says how it ended.
type EventOutcome string

// The outcomes.
const (
	EventAllowed EventOutcome = "allowed"
	EventDenied  EventOutcome = "denied"
	EventFailed  EventOutcome = "failed"
)

// ConsoleEventPage is one event, with the proof that the log has it.
type ConsoleEventPage struct {
	ConsoleEvent
	// Details are further members of the event: keys of words, and values.
	Details []Detail
	// Proven: the proof was checked against the signed checkpoint Log.
	Proven bool
	Log    ConsoleCheckpoint
	// Hashes is how many hashes the proof has.
	Hashes int
}

func (ConsoleEventPage) about() about {
	return about{name: "console-event", title: "console.event.title", area: areaConsole, place: consoleAudit}
}

// A Detail is a further member of an event: its name, one of a closed set, and value.
type Detail struct {
	Name  DetailName
	Value string
}

// DetailName is the name of a member.
type DetailName string

// The names of members.
const (
	DetailCode    DetailName = "code"
	DetailRoles   DetailName = "roles"
	DetailPolicy  DetailName = "policy"
	DetailCatalog DetailName = "catalog"
	DetailSubject DetailName = "subject"
	DetailRefers  DetailName = "refers"
	DetailCount   DetailName = "count"
)
