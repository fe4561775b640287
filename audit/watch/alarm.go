package watch

import (
	"strconv"
	"time"
	"unicode/utf16"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
)

// Kind says what is alarming.
type Kind string

// The kinds of alarms.
const (
	Honey  Kind = "honey"  // a honey person was touched
	Volume Kind = "volume" // an actor was shown more people than Rules.People
	Values Kind = "values" // an actor was shown more plain values than Rules.Values
	Failed Kind = "failed" // more values did not open than Rules.Failed
	Denied Kind = "denied" // more requests of an actor were denied than Rules.Denied
	// Tampering: the log, or what is on its way into it, was written by SQL. A Watch
	// never raises it; whoever keeps the log does, with [Tampered].
	Tampering Kind = "tampering"
)

// Kinds are all kinds of alarms.
func Kinds() []Kind { return []Kind{Honey, Volume, Values, Failed, Denied, Tampering} }

// Alarm says that something is wrong. It holds no personal data but the uid of a
// honey person, who is none, and who acted.
type Alarm struct {
	Kind    Kind
	Tenant  string
	Actor   string            // as in the event; empty: all of the tenant together
	Purpose accessctl.Purpose // of the event that raised it; empty: none, or of a whole tenant
	UID     uuid.UUID         // of the honey person; Nil for other kinds

	// Count is how many were counted, which ends a little past the limit: there may
	// have been more. Of a honey person it is how many values were shown, perhaps 0.
	Count int
	// Since is the time of the first of them, At that of the event that raised the
	// alarm; where events come late, At may be before Since.
	Since, At time.Time
	Event     uuid.UUID // the event that raised it; Nil for Tampering

	// Row is the row of the intake that is no event of the service's, of Tampering: 0 if
	// the log itself was altered. Why says it in words; empty for other kinds.
	Row int64
	Why string
}

// Tampered is the alarm of a row that the log refused at a time, or with row 0 of a log
// that was altered. count is how many since the last such alarm.
func Tampered(tenant string, row int64, why string, count int, at time.Time) Alarm {
	return Alarm{Kind: Tampering, Tenant: tenant, Count: count, Since: at, At: at, Row: row, Why: why}
}

func honeyAlarm(e *audit.Event, shown int) Alarm {
	return Alarm{
		Kind: Honey, Tenant: e.Tenant, Actor: e.Actor, Purpose: e.Purpose, UID: e.UID,
		Count: shown, Since: e.Time, At: e.Time, Event: e.ID,
	}
}

// alarmTime is RFC 3339 in UTC with exactly six digits of a second.
const alarmTime = "2006-01-02T15:04:05.000000Z"

// AppendJSON appends the alarm as JSON to dst and returns the longer slice, like
// append: one line of printable ASCII with its members in this order, without white
// space. A later version of the form may add members at the end; these stay.
//
//	v        1
//	kind     "honey", "volume", "values", "failed", "denied" or "tampering"
//	tenant
//	actor    left out for a whole tenant
//	purpose  left out if there is none
//	uid      of the honey person, left out for other kinds
//	count
//	since    RFC 3339 in UTC with six digits of a second
//	at       the same
//	event    id of the audit event that raised the alarm, left out for tampering
//	row      of the intake, only for tampering; left out if the log itself was altered
//	why      in words, only for tampering
//
// In actor and why every character outside 0x20 to 0x7e is written \uxxxx, as in a leaf of
// the log.
func (a Alarm) AppendJSON(dst []byte) []byte {
	b := append(dst, `{"v":1,"kind":"`...)
	b = append(b, a.Kind...)
	b = appendMember(b, `","tenant":"`, a.Tenant)
	if a.Actor != "" {
		b = appendMember(b, `","actor":"`, a.Actor)
	}
	if a.Purpose != "" {
		b = appendMember(b, `","purpose":"`, string(a.Purpose))
	}
	if a.UID != uuid.Nil {
		b = appendMember(b, `","uid":"`, a.UID.String())
	}
	b = strconv.AppendInt(append(b, `","count":`...), int64(a.Count), 10)
	b = a.Since.UTC().AppendFormat(append(b, `,"since":"`...), alarmTime)
	b = a.At.UTC().AppendFormat(append(b, `","at":"`...), alarmTime)
	if a.Event != uuid.Nil {
		b = appendMember(b, `","event":"`, a.Event.String())
	}
	b = append(b, '"')
	if a.Row != 0 {
		b = strconv.AppendInt(append(b, `,"row":`...), a.Row, 10)
	}
	if a.Why != "" {
		b = append(appendMember(b, `,"why":"`, a.Why), '"')
	}
	return append(b, '}')
}

// MarshalJSON is AppendJSON for encoding/json.
func (a Alarm) MarshalJSON() ([]byte, error) { return a.AppendJSON(nil), nil }

// appendMember appends the end of the member before, a name and the text of its
// value, in printable ASCII.
func appendMember(b []byte, name, value string) []byte {
	b = append(b, name...)
	for _, r := range value {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r >= ' ' && r <= '~':
			b = append(b, byte(r))
		case r > 0xffff:
			hi, lo := utf16.EncodeRune(r)
			b = appendUnit(appendUnit(b, hi), lo)
		default:
			b = appendUnit(b, r)
		}
	}
	return b
}

// appendUnit appends the escape of one UTF-16 code unit.
func appendUnit(b []byte, r rune) []byte {
	const digits = "0123456789abcdef"
	return append(b, '\\', 'u', digits[r>>12&15], digits[r>>8&15], digits[r>>4&15], digits[r&15])
}
