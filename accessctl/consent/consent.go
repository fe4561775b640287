package consent

import (
	"encoding/binary"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
)

// Decision is what the person said.
type Decision string

// The decisions.
const (
	Granted   Decision = "granted"   // yes
	Refused   Decision = "refused"   // no, when asked
	Withdrawn Decision = "withdrawn" // no longer, unasked: GDPR Art. 7(3)
	Objected  Decision = "objected"  // not this, whatever it rests on: GDPR Art. 21
	Overruled Decision = "overruled" // the controller has compelling grounds against an objection: Art. 21(1)
)

// known says whether d is one of the decisions.
func (d Decision) known() bool {
	switch d {
	case Granted, Refused, Withdrawn, Objected, Overruled:
		return true
	}
	return false
}

// Closes says whether the decision can only close data: it is never old news, and
// stands in the ledger.
func (d Decision) Closes() bool { return d == Refused || d == Withdrawn || d == Objected }

// The ways in which a decision reaches the service.
const (
	MethodPortal = "portal" // the person, in the portal
	MethodAPI    = "api"    // an application, on the person's behalf
	MethodImport = "import" // from another system; the event tells the time it had there
	MethodForm   = "form"   // the person, in the form embedded in an application's page
	MethodGPC    = "gpc"    // the person's browser, by Global Privacy Control (Sec-GPC: 1)
)

func knownMethod(m string) bool {
	switch m {
	case MethodPortal, MethodAPI, MethodImport, MethodForm, MethodGPC:
		return true
	}
	return false
}

// Limits.
const (
	MaxName     = 63       // bytes of a purpose
	MaxNotice   = 64       // bytes of a notice's version
	MaxEvidence = 16 << 10 // bytes of the evidence that may accompany a decision; it is sealed elsewhere
)

// Event is one decision. It says nothing of whose it is.
type Event struct {
	Purpose  accessctl.Purpose
	Decision Decision
	Notice   string    // the version of the notice that the person was shown; empty if there was none
	Method   string    // one of the Method constants
	At       time.Time // when it was made: UTC, microseconds
	Expires  time.Time // from when a grant no longer holds: UTC, microseconds; zero: it does not expire
}

// IsZero reports whether the event is no event at all.
func (e Event) IsZero() bool { return e == Event{} }

// State says what the event permits at the instant now, if it is the last of its
// purpose: a grant holds until Expires, which is no longer part of it. The zero
// event, and one with an unknown decision, is no consent. At does not matter: a
// decision counts from when it is recorded.
func (e Event) State(now time.Time) accessctl.Consent {
	switch e.Decision {
	case Granted:
		if !e.Expires.IsZero() && !now.Before(e.Expires) {
			return accessctl.ConsentExpired
		}
		return accessctl.ConsentGranted
	case Refused:
		return accessctl.ConsentRefused
	case Withdrawn:
		return accessctl.ConsentWithdrawn
	case Objected:
		return accessctl.ConsentObjected
	default: // Overruled too: it is as if nobody had objected
		return accessctl.ConsentNone
	}
}

// Under is State for a purpose whose terms stand since a version of the notice: a grant
// on an older notice, or on one that is not a version, is outdated.
func (e Event) Under(since int64, now time.Time) accessctl.Consent {
	s := e.State(now)
	if s == accessctl.ConsentGranted && e.Version() < since {
		return accessctl.ConsentOutdated
	}
	return s
}

// Version is the notice as a number, from 1; 0 if it is none: notices are the versions
// of the catalog, in decimal digits without a leading zero.
func (e Event) Version() int64 {
	n, err := strconv.ParseInt(e.Notice, 10, 64)
	if err != nil || n < 1 || strconv.FormatInt(n, 10) != e.Notice {
		return 0
	}
	return n
}

// Check reports what is wrong with an event that is to be recorded at the
// instant now, as an [EventError]. An event that passes has exactly one
// canonical form.
func (e Event) Check(now time.Time) error {
	switch {
	case !validName(string(e.Purpose)) || e.Purpose == accessctl.PurposeSelf:
		return &EventError{"purpose", "a purpose of the catalog"}
	case !e.Decision.known():
		return &EventError{"decision", "granted, refused, withdrawn, objected or overruled"}
	case !validNotice(e.Notice):
		return &EventError{"notice", "the version of a notice"}
	case !knownMethod(e.Method):
		return &EventError{"method", "portal, api, import, form or gpc"}
	case e.Method == MethodGPC && !e.Decision.Closes():
		return &EventError{"method", "another, for a browser's signal only ever says no"}
	case e.At.IsZero() || !exact(e.At):
		return &EventError{"at", "a time in UTC, in whole microseconds"}
	case e.At.After(now):
		return &EventError{"at", "no later than now"}
	case e.Expires.IsZero():
		return nil
	case e.Decision != Granted:
		return &EventError{"expires", "absent, for only a grant expires"}
	case !exact(e.Expires):
		return &EventError{"expires", "a time in UTC, in whole microseconds"}
	case !e.Expires.After(e.At):
		return &EventError{"expires", "later than at"}
	default:
		return nil
	}
}

// Follows reports whether the event may be recorded after last, the event in
// force of the same person and purpose, which is zero if there is none. It is
// [ErrStale] if not.
func (e Event) Follows(last Event) error {
	if last.IsZero() || !e.At.Before(last.At) {
		return nil
	}
	if !e.Decision.Closes() || e.Method == MethodImport {
		return ErrStale
	}
	return nil
}

// State is a purpose's event in force and what it permits.
type State struct {
	Event
	Consent accessctl.Consent
}

// Current returns the state of every purpose that the events of one person speak
// of, at the instant now. The events must stand in the order in which they were
// recorded. A purpose without an event is not in the result: its zero State is
// no consent.
func Current(events []Event, now time.Time) map[accessctl.Purpose]State {
	current := make(map[accessctl.Purpose]State)
	for _, e := range events {
		current[e.Purpose] = State{Event: e, Consent: e.State(now)}
	}
	return current
}

// Label is what the MAC over an event is labelled with. It changes whenever the
// canonical form does.
const Label = "fieldvault/consent/v1"

// Canonical returns the parts of an event that its MAC covers, as the package
// comment lists them: all that State depends on, and whose event it is.
func Canonical(tenant string, uid uuid.UUID, e Event) [][]byte {
	texts := [...]string{tenant, string(uid[:]), string(e.Purpose), string(e.Decision), e.Notice, e.Method}
	size := 2 * 8 // the times; every read checks such MACs, so the parts share one allocation
	for _, s := range texts {
		size += len(s)
	}
	all, parts := make([]byte, 0, size), make([][]byte, 0, len(texts)+2)
	part := func(longer []byte) {
		parts = append(parts, longer[len(all):len(longer):len(longer)])
		all = longer
	}
	for _, s := range texts {
		part(append(all, s...))
	}
	part(appendMicros(all, e.At))
	part(appendMicros(all, e.Expires))
	return parts
}

// appendMicros writes a time, one before 1970 in two's complement; nothing for none.
func appendMicros(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	return binary.BigEndian.AppendUint64(b, uint64(t.UnixMicro()))
}

// exact reports whether the canonical form keeps all of t.
func exact(t time.Time) bool {
	return t.Location() == time.UTC && t.Equal(t.Truncate(time.Microsecond)) && t.Year() >= 1900 && t.Year() <= 9999
}

func validName(s string) bool {
	if s == "" || len(s) > MaxName || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// validNotice reports whether s can be the version of a notice, or none.
func validNotice(s string) bool {
	if len(s) > MaxNotice {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}
