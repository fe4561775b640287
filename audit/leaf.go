package audit

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/bits"
	"strconv"
	"time"
	"unicode/utf16"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
)

// timeLayout is RFC 3339 in UTC with exactly six digits of a second.
const timeLayout = "2006-01-02T15:04:05.000000Z"

const hexDigits = "0123456789abcdef"

// AppendLeaf appends the event's leaf to dst and returns the longer slice, like
// append. It allocates once, or not at all if dst has room to spare.
//
// The error is ErrEvent if the event is not valid or its leaf would exceed
// MaxLeaf; dst is then returned as it was.
func (e *Event) AppendLeaf(dst []byte) ([]byte, error) {
	return e.appendLeaf(dst, nil)
}

// A LeafWriter writes the leaves of events of one request, which mostly share their
// Fields and their Time: what the event before had is not written anew. Fields in the same
// memory must not change meanwhile.
type LeafWriter struct {
	fields []FieldView
	member []byte // the member of the leaf that holds them

	time time.Time
	text []byte // of it
}

// Append is [Event.AppendLeaf] of e.
func (w *LeafWriter) Append(dst []byte, e *Event) ([]byte, error) {
	if n := len(e.Fields); n == 0 || len(w.fields) != n || &w.fields[0] != &e.Fields[0] {
		if !validFields(e.Fields) {
			return dst, fmt.Errorf("%w: fields", ErrEvent)
		}
		w.fields, w.member = e.Fields, appendFields(w.member[:0], e.Fields)
	}
	if len(w.text) == 0 || w.time != e.Time {
		w.time, w.text = e.Time, e.Time.UTC().AppendFormat(w.text[:0], timeLayout)
	}
	return e.appendLeaf(dst, w)
}

// appendLeaf appends the leaf, with the fields that w has written unless it is nil.
func (e *Event) appendLeaf(dst []byte, w *LeafWriter) ([]byte, error) {
	if part := e.invalid(); part != "" {
		return dst, fmt.Errorf("%w: %s", ErrEvent, part)
	}
	if w == nil && !validFields(e.Fields) {
		return dst, fmt.Errorf("%w: fields", ErrEvent)
	}
	b := append(withRoom(dst, e.room()), `{"v":1`...)
	b = appendUUID(b, `,"id":"`, e.ID)
	b = appendText(b, `,"tenant":"`, e.Tenant)
	b = append(b, `,"time":"`...)
	if w != nil {
		b = append(b, w.text...)
	} else {
		b = e.Time.UTC().AppendFormat(b, timeLayout)
	}
	b = append(b, '"')
	b = appendUUID(b, `,"request":"`, e.Request)
	b = append(b, `,"actor":"`...)
	b = append(appendEscaped(b, e.Actor), '"')
	b = appendText(b, `,"action":"`, string(e.Action))
	b = appendText(b, `,"purpose":"`, string(e.Purpose))
	b = appendUUID(b, `,"uid":"`, e.UID)
	b = appendText(b, `,"outcome":"`, string(e.Outcome))
	b = appendText(b, `,"code":"`, e.Code)
	b = appendVersion(b, `,"catalog":`, e.Catalog)
	b = appendVersion(b, `,"policy":`, e.Policy)
	b = appendWrites(b, e.Writes)
	if w != nil {
		b = append(b, w.member...)
	} else {
		b = appendFields(b, e.Fields)
	}
	b = appendUUID(b, `,"refers":"`, e.Refers)
	b = appendAttrs(b, e.Subject)
	b = append(b, '}')
	if len(b)-len(dst) > MaxLeaf {
		return dst, fmt.Errorf("%w: size", ErrEvent)
	}
	return b, nil
}

// withRoom returns b with room for n more bytes.
func withRoom(b []byte, n int) []byte {
	if cap(b)-len(b) >= n {
		return b
	}
	return append(make([]byte, 0, len(b)+n), b...)
}

// room is at least the size of the leaf, and little more.
func (e *Event) room() int {
	const fixed = 400 // all members but what follows, with 36 bytes for each id
	n := fixed + len(e.Tenant) + len(e.Action) + len(e.Purpose) + len(e.Outcome) + len(e.Code)
	for i := range len(e.Actor) {
		n++
		if c := e.Actor[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			n += 5
		}
	}
	for i := range e.Writes {
		w := &e.Writes[i]
		n += len(`,[,"0123456789012345678901",]`) + digits(uint64(w.Collection)) + digits(w.Revision)
	}
	for i := range e.Fields {
		f := &e.Fields[i]
		n += len(`,[,,"masked","",]`) + len(f.Reason) + digits(uint64(f.Collection)) + digits(uint64(f.Field)) + digits(uint64(f.Count))
	}
	for i := range e.Subject {
		n += len(`,["",""]`) + len(e.Subject[i].Key) + len(e.Subject[i].Value)
	}
	return n
}

// digits is how many decimal digits n has, or one more.
func digits(n uint64) int {
	return bits.Len64(n)*3/10 + 1
}

// appendText appends a member whose value needs no escaping, or nothing if it is
// empty.
func appendText(b []byte, member, value string) []byte {
	if value == "" {
		return b
	}
	b = append(b, member...)
	b = append(b, value...)
	return append(b, '"')
}

func appendUUID(b []byte, member string, id uuid.UUID) []byte {
	if id == uuid.Nil {
		return b
	}
	b = append(b, member...)
	for i, n := range [...]int{4, 2, 2, 2, 6} {
		if i > 0 {
			b = append(b, '-')
		}
		b = hex.AppendEncode(b, id[:n])
		copy(id[:], id[n:])
	}
	return append(b, '"')
}

func appendVersion(b []byte, member string, version int64) []byte {
	if version == 0 {
		return b
	}
	return strconv.AppendInt(append(b, member...), version, 10)
}

func appendWrites(b []byte, writes []Write) []byte {
	if len(writes) == 0 {
		return b
	}
	b = append(b, `,"writes":[`...)
	for i := range writes {
		w := &writes[i]
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '[')
		b = strconv.AppendUint(b, uint64(w.Collection), 10)
		b = append(b, `,"`...)
		b = base64.RawURLEncoding.AppendEncode(b, w.Row[:])
		b = append(b, `",`...)
		b = strconv.AppendUint(b, w.Revision, 10)
		b = append(b, ']')
	}
	return append(b, ']')
}

func appendFields(b []byte, fields []FieldView) []byte {
	if len(fields) == 0 {
		return b
	}
	b = append(b, `,"fields":[`...)
	for i := range fields {
		f := &fields[i]
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '[')
		b = strconv.AppendUint(b, uint64(f.Collection), 10)
		b = append(b, ',')
		b = strconv.AppendUint(b, uint64(f.Field), 10)
		b = append(b, `,"`...)
		b = append(b, viewText(f.View)...)
		b = append(b, `","`...)
		b = append(b, f.Reason...)
		b = append(b, `",`...)
		b = strconv.AppendUint(b, uint64(f.Count), 10)
		b = append(b, ']')
	}
	return append(b, ']')
}

func appendAttrs(b []byte, attrs []Attr) []byte {
	if len(attrs) == 0 {
		return b
	}
	b = append(b, `,"subject":[`...)
	for i, a := range attrs {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `["`...)
		b = append(b, a.Key...)
		b = append(b, `","`...)
		b = append(b, a.Value...)
		b = append(b, `"]`...)
	}
	return append(b, ']')
}

// appendEscaped appends s with everything but printable ASCII escaped, in the one
// form that FORMAT.md names.
func appendEscaped(b []byte, s string) []byte {
	for i, r := range s {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c >= ' ' && c <= '~':
			b = append(b, c)
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
	return append(b, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}

// viewText is the name of a view in a leaf, or "" for a view there is not.
func viewText(v accessctl.View) string {
	switch v {
	case accessctl.Hidden:
		return "hidden"
	case accessctl.Masked:
		return "masked"
	case accessctl.Plain:
		return "plain"
	}
	return ""
}

// wholeMicroseconds says whether t can stand in a leaf without loss.
func wholeMicroseconds(t time.Time) bool {
	y := t.UTC().Year()
	return !t.IsZero() && y >= 1 && y <= 9999 && t.Nanosecond()%1000 == 0
}
