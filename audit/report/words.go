package report

import (
	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
)

// Actions of events that no policy knows: the vault permits them as another action,
// or the service does them itself.
const (
	actionDecrypt      accessctl.Action = "decrypt"
	actionEncrypt      accessctl.Action = "encrypt"
	actionReencrypt    accessctl.Action = "reencrypt"
	actionFsck         accessctl.Action = "fsck"
	actionTenantCreate accessctl.Action = "tenant_create"
	actionTell         accessctl.Action = "tell"
)

// unknown is said of an action that this version has no words for.
const unknown = "was used in a way that this page has no words for"

// what says what happened, as words that follow "Your data".
func what(e *audit.Event) string {
	switch e.Outcome {
	case audit.Allowed:
		return done(e)
	case audit.Denied:
		return attempt(e.Action, " was refused")
	case audit.Failed:
	}
	switch {
	case e.Refers == [16]byte{}:
		return attempt(e.Action, " did not succeed")
	case e.Code == codeUnavailable:
		return "stayed closed after all: what the earlier entry says did not happen"
	}
	return "stayed closed in part: some of what the earlier entry says did not happen"
}

// done is what an action that was allowed did. Actions on the service concern a
// person only where they touch the person's keys or approvals; the words are there
// for all of them, so that an event is never without.
func done(e *audit.Event) string {
	switch e.Action {
	case accessctl.ActionReveal, actionDecrypt, accessctl.ActionRevealMasked, accessctl.ActionDetokenise:
		return revealed(e)
	case accessctl.ActionWrite:
		return "was stored or changed"
	case actionEncrypt:
		return "was encrypted for an application to keep"
	case actionReencrypt:
		return "was moved to your current key, unseen"
	case accessctl.ActionDelete:
		if e.Code == string(accessctl.ReasonExpired) {
			return "was removed, because its time had passed"
		}
		return "was deleted"
	case accessctl.ActionSearch:
		return "was searched by value"
	case accessctl.ActionList:
		return "was listed, without values"
	case accessctl.ActionExport:
		return "was listed in full, as a manifest"
	case accessctl.ActionAggregate:
		return "was used in a statistic"
	case accessctl.ActionTokenise:
		if e.Code == "revoked" {
			return "lost a token that stood for it"
		}
		return "got a token, which an application keeps in its place"
	case accessctl.ActionRelease:
		return "was made coarser for a table in which many people look alike"
	default:
		return doneToPerson(e)
	}
}

// revealed says how much a reading showed.
func revealed(e *audit.Event) string {
	best := accessctl.Hidden
	for i := range e.Fields {
		best = max(best, e.Fields[i].View)
	}
	switch best {
	case accessctl.Plain:
		return "was shown"
	case accessctl.Masked:
		return "was shown in part"
	case accessctl.Hidden:
	}
	return "was asked for, and nothing was shown"
}

func doneToPerson(e *audit.Event) string {
	switch e.Action {
	case accessctl.ActionErase:
		switch {
		case e.Code == "gone":
			return "had been erased before; that was asked for again"
		case attr(e, "groups") != "":
			return "was erased in part"
		}
		return "was erased"
	case accessctl.ActionHold:
		return onOff(attr(e, "held"), "was put under a legal hold", "was freed from a legal hold", "had its legal hold changed")
	case accessctl.ActionRestrict:
		return onOff(attr(e, "restricted"), "was restricted to storage", "was freed from its restriction", "had its restriction changed")
	case accessctl.ActionConsent:
		return decided(attr(e, "decision"))
	case accessctl.ActionConsentRead:
		return "stayed closed; your decisions on consent were read"
	case accessctl.ActionReenrol:
		return "may be stored anew after an erasure"
	case accessctl.ActionRequests:
		return "was the subject of a request of yours, which was worked on"
	case actionTell:
		return "stayed closed; we told somebody who has data of yours which person a request was about"
	case accessctl.ActionAccessHistory:
		return "stayed closed; the history of its use was read"
	case accessctl.ActionSignIn:
		switch e.Code {
		case "session":
			return "stayed closed; the control panel was opened with a link"
		case "oidc":
			return "stayed closed; the control panel was opened after a sign-in"
		}
		return "stayed closed; a link to the control panel, or a consent form, was made"
	case accessctl.ActionPseudonymise:
		return "got a pseudonym, which tells nobody who you are"
	case accessctl.ActionResolve:
		return "was found to be yours by a pseudonym, and your name was shown"
	case accessctl.ActionHoney:
		return onOff(attr(e, "honey"), "was marked as bait", "is no longer marked as bait", "had its mark as bait changed")
	default:
		return doneToService(e.Action)
	}
}

// decided says which decision on consent was recorded.
func decided(decision string) string {
	switch decision {
	case "granted":
		return "may be used: consent was recorded"
	case "refused":
		return "may not be used: a refusal of consent was recorded"
	case "withdrawn":
		return "may no longer be used: the withdrawal of consent was recorded"
	case "":
		return "got a place: an entry for your decisions was made"
	}
	return "may be used as a decision on consent that was recorded says"
}

func doneToService(a accessctl.Action) string {
	switch a {
	case accessctl.ActionConfigure:
		return "stayed closed; the rules for it were changed"
	case accessctl.ActionInspect:
		return "stayed closed; the rules for it were read"
	case accessctl.ActionKeys:
		return "stayed closed; the keys that protect it were changed"
	case accessctl.ActionAudit:
		return "stayed closed; the log was read"
	case accessctl.ActionApprove:
		return "stayed closed; a second person decided about an erasure"
	case accessctl.ActionJobs:
		return "stayed closed; background work was looked at"
	case accessctl.ActionConsole:
		return "stayed closed; somebody signed in to the console"
	case actionFsck:
		return "stayed closed; what is stored was checked"
	case actionTenantCreate:
		return "stayed closed; the service was set up"
	default:
		return unknown
	}
}

// attempt says how an attempt ended.
func attempt(a accessctl.Action, ended string) string {
	noun := attempted(a)
	if noun == "" {
		return unknown
	}
	return "stayed as it was: an attempt to " + noun + ended
}

// attempted is an action as a verb, or "" if there is none for it.
func attempted(a accessctl.Action) string {
	switch a {
	case accessctl.ActionReveal, actionDecrypt, accessctl.ActionRevealMasked:
		return "see it"
	case accessctl.ActionWrite:
		return "store or change it"
	case actionEncrypt:
		return "encrypt it for an application to keep"
	case actionReencrypt:
		return "move it to your current key"
	case accessctl.ActionDelete:
		return "delete it"
	case accessctl.ActionSearch:
		return "search it by value"
	case accessctl.ActionList:
		return "list it"
	case accessctl.ActionExport:
		return "list it in full"
	case accessctl.ActionAggregate:
		return "use it in a statistic"
	case accessctl.ActionTokenise:
		return "make a token for it or take one back"
	case accessctl.ActionDetokenise:
		return "see it by a token"
	case accessctl.ActionRelease:
		return "hand it on in a table in which many people look alike"
	default:
		return attemptedOnPerson(a)
	}
}

func attemptedOnPerson(a accessctl.Action) string {
	switch a {
	case accessctl.ActionErase:
		return "erase it"
	case accessctl.ActionHold:
		return "set or lift a legal hold"
	case accessctl.ActionRestrict:
		return "restrict its use or lift that"
	case accessctl.ActionConsent:
		return "record a decision on consent"
	case accessctl.ActionConsentRead:
		return "read your decisions on consent"
	case accessctl.ActionReenrol:
		return "store it anew after an erasure"
	case accessctl.ActionRequests:
		return "work on a request of yours"
	case actionTell:
		return "tell somebody who has data of yours which person a request was about"
	case accessctl.ActionAccessHistory:
		return "read the history of its use"
	case accessctl.ActionSignIn:
		return "open the control panel"
	case accessctl.ActionPseudonymise:
		return "make a pseudonym for it"
	case accessctl.ActionResolve:
		return "find the person behind a pseudonym of yours"
	case accessctl.ActionHoney:
		return "mark it as bait or end that"
	default:
		return attemptedOnService(a)
	}
}

func attemptedOnService(a accessctl.Action) string {
	switch a {
	case accessctl.ActionConfigure:
		return "change the rules for it"
	case accessctl.ActionInspect:
		return "read the rules for it"
	case accessctl.ActionKeys:
		return "change the keys that protect it"
	case accessctl.ActionAudit:
		return "read the log"
	case accessctl.ActionApprove:
		return "decide about an erasure"
	case accessctl.ActionJobs:
		return "look at background work"
	case accessctl.ActionConsole:
		return "sign in to the console"
	case actionFsck:
		return "check what is stored"
	case actionTenantCreate:
		return "set up the service"
	default:
		return ""
	}
}

// onOff chooses by a fact that is "yes" or "no".
func onOff(fact, yes, no, neither string) string {
	switch fact {
	case "yes":
		return yes
	case "no":
		return no
	}
	return neither
}

// attr returns a fact of the event, or "".
func attr(e *audit.Event, key string) string {
	for i := range e.Subject {
		if e.Subject[i].Key == key {
			return e.Subject[i].Value
		}
	}
	return ""
}
