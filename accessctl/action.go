package accessctl

// Action is something a caller asks to do: one of the constants of this package.
type Action string

// Actions on a field of a person.
const (
	ActionReveal       Action = "reveal"        // see the value
	ActionRevealMasked Action = "reveal_masked" // see the masked value
	ActionWrite        Action = "write"         // put, patch, encrypt: also what replaces or leaves out a value
	ActionDelete       Action = "delete"        // remove a whole record: permitted on each field of its collection
	ActionSearch       Action = "search"        // find people by the value
	ActionList         Action = "list"          // see that the person has a record with the field
	ActionExport       Action = "export"        // ask for everything, or for the manifest; each value still needs its own reveal
	ActionAggregate    Action = "aggregate"     // use the value in a statistic
	ActionTokenise     Action = "tokenise"      // make what stands for the field in place of its value, or take that back
	ActionDetokenise   Action = "detokenise"    // see by such a token what a reveal of the field would show
	ActionRelease      Action = "release"       // hand the value on, made coarser, in a table in which many look alike
)

// Actions on a person as a whole.
const (
	ActionErase         Action = "erase"          // destroy the person's keys, for ever
	ActionHold          Action = "hold"           // set or lift a legal hold, under which nothing is destroyed
	ActionRestrict      Action = "restrict"       // restrict processing to storage (GDPR Art. 18), or lift that
	ActionConsent       Action = "consent"        // record a person's decisions
	ActionConsentRead   Action = "consent_read"   // see a person's decisions
	ActionReenrol       Action = "reenrol"        // begin a new life for a person who was erased
	ActionRequests      Action = "requests"       // file and work on a person's requests
	ActionAccessHistory Action = "access_history" // see who read what of the person
	ActionSignIn        Action = "sign_in"        // give a person a link to their control panel, or a consent form
	ActionHoney         Action = "honey"          // make a made-up person bait, whom to read is an alarm, or end that
	ActionPseudonymise  Action = "pseudonymise"   // make what stands for a person towards a recipient of a purpose
	ActionResolve       Action = "resolve"        // say whom a pseudonym stands for
)

// Actions on the service.
const (
	ActionConfigure Action = "configure" // write catalog and policy
	ActionInspect   Action = "inspect"   // read policy and explanations
	ActionKeys      Action = "keys"      // rotate and retire key-encryption keys
	ActionAudit     Action = "audit"     // read the log
	ActionApprove   Action = "approve"   // be the second person
	ActionJobs      Action = "jobs"      // see how far background work has come
	ActionConsole   Action = "console"   // sign in to the operators' console, which shows what the other actions permit
)

// kind says which resource an action is about. The zero kind is no action.
type kind uint8

const (
	onNothing kind = iota
	onField
	onPerson
	onService
)

// Actions returns all actions: on fields, on a person, on the service.
func Actions() []Action {
	return []Action{
		ActionReveal, ActionRevealMasked, ActionWrite, ActionDelete,
		ActionSearch, ActionList, ActionExport, ActionAggregate, ActionRelease, ActionTokenise, ActionDetokenise,
		ActionErase, ActionHold, ActionRestrict, ActionConsent,
		ActionConsentRead, ActionReenrol, ActionRequests, ActionAccessHistory, ActionSignIn, ActionHoney,
		ActionPseudonymise, ActionResolve,
		ActionConfigure, ActionInspect, ActionKeys, ActionAudit, ActionApprove, ActionJobs, ActionConsole,
	}
}

func (a Action) kind() kind {
	switch a {
	case ActionReveal, ActionRevealMasked, ActionWrite, ActionDelete,
		ActionSearch, ActionList, ActionExport, ActionAggregate, ActionRelease, ActionTokenise, ActionDetokenise:
		return onField
	case ActionErase, ActionHold, ActionRestrict, ActionConsent,
		ActionConsentRead, ActionReenrol, ActionRequests, ActionAccessHistory, ActionSignIn, ActionHoney,
		ActionPseudonymise, ActionResolve:
		return onPerson
	case ActionConfigure, ActionInspect, ActionKeys, ActionAudit, ActionApprove, ActionJobs, ActionConsole:
		return onService
	default:
		return onNothing
	}
}

// OnField reports whether a is an action on a field, as [Decider.Permit] takes it.
func (a Action) OnField() bool { return a.kind() == onField }

// OnPerson reports whether a is an action on a person, as [Decider.PermitPerson] and
// [Decider.PermitPersonIn] take it.
func (a Action) OnPerson() bool { return a.kind() == onPerson }

// OnService reports whether a is an action on the service, as [Decider.PermitService] takes it.
func (a Action) OnService() bool { return a.kind() == onService }

// NeedsPurpose reports whether a releases or uses personal data and therefore
// needs a purpose, which the field if there is one lists, consent where the purpose
// rests on it, and a person who is not restricted: reveal, reveal_masked, search,
// list, aggregate, release, tokenise, detokenise, pseudonymise, resolve. The others release nothing by themselves.
func (a Action) NeedsPurpose() bool {
	switch a {
	case ActionReveal, ActionRevealMasked, ActionSearch, ActionList, ActionAggregate, ActionRelease, ActionTokenise, ActionDetokenise,
		ActionPseudonymise, ActionResolve:
		return true
	default:
		return false
	}
}
