package page

import "fmt"

func (b Basis) staffKey() string {
	return keyOf(b, "console.basis.contract", "console.basis.legal_obligation", "console.basis.vital_interests",
		"console.basis.public_task", "console.basis.legitimate_interests", "console.basis.consent")
}

// consent is the name of a state of consent to choose: the page's, or else its title.
func (w *words) consent(c Choice) (string, error) {
	s := ConsentState(c.Value)
	if s.key() == ConsentState("").key() && c.Value != "none" {
		return c.Title, nil
	}
	return w.word(s)
}

// VersionState says what a version of a key still does.
type VersionState string

// The states of a version.
const (
	VersionWraps  VersionState = "wraps"  // new data too
	VersionOpens  VersionState = "opens"  // what it once wrapped
	VersionClosed VersionState = "closed" // it opens nothing, but could again
	VersionGone   VersionState = "gone"   // it is destroyed
)

// State says what a version of the key still does.
func (k ConsoleKey) State(v ConsoleVersion) VersionState {
	switch {
	case v.Number < k.Exists:
		return VersionGone
	case v.Number < k.Opens:
		return VersionClosed
	case v.Number < k.Latest:
		return VersionOpens
	default:
		return VersionWraps
	}
}

func (s VersionState) key() string {
	return keyOf(s, "console.version.opens", "console.version.closed", "console.version.gone", "console.version.wraps")
}

// Tone is the colour of the state.
func (s VersionState) Tone() string {
	if s == VersionWraps {
		return "good"
	}
	return "quiet"
}

func (k JobKind) key() string {
	return keyOf(k, "console.job.rewrap", "console.job.reseal", "console.job.reindex", "console.job.retention",
		"console.job.key_rotation", "console.job.key_retirement", "console.job.key_trim", "")
}

func (s JobState) key() string {
	return keyOf(s, "console.job_state.runs", "console.job_state.done", "console.job_state.failed", "console.job_state.waits")
}

// Tone is the colour of the state.
func (s JobState) Tone() string {
	switch s {
	case JobDone:
		return "good"
	case JobFailed:
		return "bad"
	case JobRuns:
		return "warn"
	default:
		return "quiet"
	}
}

// Filtered says that not the whole log is asked for.
func (a ConsoleAudit) Filtered() bool {
	return a.BadDay || a.Person+a.Actor+a.From+a.To != ""
}

// key is of a noun, so that it goes with each outcome.
func (a EventAction) key() string {
	return keyOf(a,
		"console.action.reveal", "console.action.reveal_masked", "console.action.write", "console.action.delete",
		"console.action.search", "console.action.list", "console.action.export", "console.action.aggregate", "console.action.release",
		"console.action.tokenise", "console.action.detokenise",
		"console.action.erase", "console.action.hold", "console.action.restrict", "console.action.consent",
		"console.action.consent_read", "console.action.reenrol", "console.action.requests", "console.action.access_history",
		"console.action.sign_in", "console.action.honey", "console.action.pseudonymise", "console.action.resolve",
		"console.action.configure", "console.action.inspect", "console.action.keys", "console.action.audit",
		"console.action.approve", "console.action.jobs",
		"console.action.decrypt", "console.action.encrypt", "console.action.reencrypt", "console.action.fsck",
		"console.action.tenant_create", "console.action.console", "")
}

func (o EventOutcome) key() string {
	return keyOf(o, "console.outcome.denied", "console.outcome.failed", "console.outcome.allowed")
}

// Tone is the colour of the outcome.
func (o EventOutcome) Tone() string {
	switch o {
	case EventDenied:
		return "warn"
	case EventFailed:
		return "bad"
	default:
		return "quiet"
	}
}

func (n DetailName) key() string {
	return keyOf(n, "console.detail.code", "console.detail.roles", "console.detail.policy", "console.detail.catalog",
		"console.detail.subject", "console.detail.refers", "console.detail.count", "")
}

// detail is the value of a member: a reason of policy in words, all else as it is.
func (w *words) detail(d Detail) (string, error) {
	why := HiddenReason(d.Value)
	if d.Name != DetailCode || why.key() == HiddenReason("").key() && d.Value != "policy" {
		return d.Value, nil
	}
	return w.word(why)
}

// word is the name of a value. One that this version has no name for is shown as it is.
func (w *words) word(k keyed) (string, error) {
	if k.key() == "" {
		return fmt.Sprint(k), nil
	}
	return w.text(k.key())
}
