package page

import "net/url"

// A Frame is what stands around every page.
type Frame struct {
	// Lang is the language of the page.
	Lang Lang
	// Controller names the organisation that answers for the data.
	Controller string
	// Contact is its e-mail address for questions about data. Optional.
	Contact string
	// Here is the path and query under which this page can be got again; the switch
	// of languages leads there with lang=<language> added. Without it there is none.
	Here string
	// SignedIn shows the navigation and the button that signs out.
	SignedIn bool
	// Flash tells what came of the last thing that the person did. Optional.
	Flash Flash
	// GPC says that the browser sends Sec-GPC: 1.
	GPC bool
	// NoticeChanged says that wording has changed that the person has not yet seen:
	// every page but the one that explains it says so.
	NoticeChanged bool
	// Restricted says that the person has paused the use of their data.
	Restricted bool
	// Embedded leaves out header and footer: the page stands in another's frame.
	Embedded bool
	// Operator is who is signed in to the console, as the audit log names them. Empty on
	// the pages of people.
	Operator string
	// May says which parts of the console the operator may see.
	May ConsoleMay
}

// ConsoleMay says which parts of the console are shown.
type ConsoleMay struct {
	Requests, People, Approvals, Reports, Statistics, Catalog, Explain, Keys, Audit bool
}

// A Flash is a message about what just happened. The zero value is none.
type Flash struct {
	Kind FlashKind
	// Subject is what it is about, the title of a purpose, where the kind needs one.
	Subject string
}

// FlashKind says what happened.
type FlashKind string

// The kinds of flash. Those of purposes have a subject.
const (
	FlashConsentOn      FlashKind = "consent_on"      // of a purpose
	FlashConsentOff     FlashKind = "consent_off"     // of a purpose
	FlashObjected       FlashKind = "objected"        // to a purpose
	FlashObjectionEnded FlashKind = "objection_ended" // to a purpose
	FlashCorrected      FlashKind = "corrected"
	FlashPaused         FlashKind = "paused"
	FlashResumed        FlashKind = "resumed"
	FlashFiled          FlashKind = "filed"
	FlashCancelled      FlashKind = "cancelled"
	FlashFailed         FlashKind = "failed" // nothing was changed

	// Of the console.
	FlashStepped  FlashKind = "stepped"  // a request took a step
	FlashTaken    FlashKind = "taken"    // a request was filed for a person
	FlashHeld     FlashKind = "held"     // a hold is set
	FlashLifted   FlashKind = "lifted"   // a hold is lifted
	FlashStopped  FlashKind = "stopped"  // the use of a person's data is restricted
	FlashStarted  FlashKind = "started"  // or allowed again
	FlashApproved FlashKind = "approved" // as the second person
	FlashDeclined FlashKind = "declined" // the same
	FlashAsked    FlashKind = "asked"    // the keeper was asked for work on keys
)

func (k FlashKind) key() string {
	switch k {
	case FlashConsentOn:
		return "flash.consent_on"
	case FlashConsentOff:
		return "flash.consent_off"
	case FlashObjected:
		return "flash.objected"
	case FlashObjectionEnded:
		return "flash.objection_ended"
	case FlashCorrected:
		return "flash.corrected"
	case FlashPaused:
		return "flash.paused"
	case FlashResumed:
		return "flash.resumed"
	case FlashFiled:
		return "flash.filed"
	case FlashCancelled:
		return "flash.cancelled"
	default:
		return keyOf(k, "flash.stepped", "flash.taken", "flash.held", "flash.lifted", "flash.stopped", "flash.started",
			"flash.approved", "flash.declined", "flash.asked", FlashFailed.failed())
	}
}

func (FlashKind) failed() string { return "flash.failed" }

// Bad says that the thing did not come about.
func (k FlashKind) Bad() bool { return k.key() == k.failed() }

// hereIn is the frame's page in another language.
func (f Frame) hereIn(l Lang) (string, error) {
	u, err := url.Parse(f.Here)
	if err != nil {
		return "", err
	}
	q := u.Query()
	q.Set("lang", string(l))
	return (&url.URL{Path: u.Path, RawQuery: q.Encode()}).String(), nil
}

// flash writes what happened.
func (w *words) flash(f Flash) (string, error) { return w.text(f.Kind.key(), "subject", f.Subject) }
