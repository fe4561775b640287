package report

import (
	"encoding/binary"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
)

// How says in which manner something of a person was shown. The zero How is none.
type How uint8

// The manners, from more to less; see the package comment for which events they
// stand for.
const (
	Plain     How = iota + 1 // the value
	Found                    // the person, by the value or by a pseudonym
	Masked                   // part of the value
	Records                  // the names of records, without values
	Manifest                 // what is held, without values
	Decisions                // the person's decisions on consent

	// What follows shows nothing of anybody: it stands in usage reports alone, so that
	// what is needed for it is not called unused.

	Counted    // the field was used in a statistic about many people
	Pseudonyms // the person got a pseudonym
)

// hows lists all manners in their order.
func hows() []How {
	return []How{Plain, Found, Masked, Records, Manifest, Decisions, Counted, Pseudonyms}
}

// String is the name of h, or empty if h is none.
func (h How) String() string {
	switch h {
	case Plain:
		return "plain"
	case Found:
		return "found"
	case Masked:
		return "masked"
	case Records:
		return "records"
	case Manifest:
		return "manifest"
	case Decisions:
		return "decisions"
	case Counted:
		return "counted"
	case Pseudonyms:
		return "pseudonyms"
	}
	return ""
}

// MarshalText gives the name.
func (h How) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads a name as [How.String] gives it; anything else is ErrHow.
func (h *How) UnmarshalText(text []byte) error {
	for _, w := range hows() {
		if w.String() == string(text) {
			*h = w
			return nil
		}
	}
	return ErrHow
}

// A shown is what one event shows of one field, or without a field of the person.
type shown struct {
	collection, field uint32 // 0, 0: no field
	how               How
	count             uint32
}

// A shape is all that one event shows. Events of one application have few shapes,
// so they are shared.
type shape struct {
	shown  []shown
	opened int64 // values that the event announced to open, masked ones too
}

// showing appends what e shows to list, in the order of its views; opened is how
// many values it announced to open.
func showing(list []shown, e *audit.Event, masked bool, redacted func(collection, field uint32) bool) (_ []shown, opened int64) {
	if h := withoutField(e.Action); h != 0 {
		list = append(list, shown{how: h})
	}
	for i := range e.Fields {
		f := &e.Fields[i]
		h := seen(e.Action, f)
		if h == Masked && redacted != nil && redacted(f.Collection, f.Field) {
			h = Plain
		}
		if h == 0 {
			continue
		}
		opened += int64(f.Count)
		if h == Masked && !masked {
			continue
		}
		s := shown{f.Collection, f.Field, h, f.Count}
		if n := len(list); n > 0 && list[n-1].same(s) {
			list[n-1].count += s.count // another reason for no more
			continue
		}
		list = append(list, s)
	}
	return list, opened
}

// seen says how a view shows its field, or 0 if it does not.
func seen(a accessctl.Action, f *audit.FieldView) How {
	switch {
	case f.View == accessctl.Plain:
		return Plain
	case f.View == accessctl.Masked:
		return Masked
	case a == accessctl.ActionSearch && f.Reason == accessctl.ReasonNone:
		return Found
	}
	return 0
}

// withoutField says how an action itself shows something of the person, or 0.
func withoutField(a accessctl.Action) How {
	switch a {
	case accessctl.ActionResolve:
		return Found
	case accessctl.ActionList:
		return Records
	case accessctl.ActionExport:
		return Manifest
	case accessctl.ActionConsentRead:
		return Decisions
	default:
		return 0
	}
}

func (s shown) same(o shown) bool {
	return s.collection == o.collection && s.field == o.field && s.how == o.how
}

// appendKey appends bytes that are the same for the same shown, and only then.
func (s shown) appendKey(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(append(b, byte(s.how)), s.collection)
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, s.field), s.count)
}

// using appends what an event uses without showing it to anybody.
func using(list []shown, e *audit.Event) []shown {
	switch e.Action {
	case accessctl.ActionPseudonymise:
		return append(list, shown{how: Pseudonyms})
	case accessctl.ActionAggregate:
		for i := range e.Fields {
			list = append(list, shown{e.Fields[i].Collection, e.Fields[i].Field, Counted, 0})
		}
	default:
	}
	return list
}
