package report

import (
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
)

// selfPrefix begins the actor of a person in their own right.
const selfPrefix = "self:"

// Access is one entry of what a person is told of the use of their data.
type Access struct {
	Event   uuid.UUID `json:"event"`
	Time    time.Time `json:"time"`
	Request uuid.UUID `json:"request,omitzero"`

	// Who is "you", "another person" (who tried as a person with data that is not
	// theirs), or the actor as the log has it.
	Who string `json:"who"`

	Purpose     accessctl.Purpose `json:"purpose,omitempty"`
	PurposeText string            `json:"purpose_text,omitempty"` // empty: the catalog has none

	Action  accessctl.Action `json:"action"`
	Outcome audit.Outcome    `json:"outcome"`

	// What says what was done, in simple words that follow "Your data": one of a
	// closed set, by action, outcome and what else the event says.
	What string `json:"what"`

	// Recipient is who was told whom a request was about; "" of all other events. Of its
	// name what is not an ASCII letter, a digit or one of ./:+=- is an underscore.
	Recipient string `json:"recipient,omitempty"`

	// Fields are the fields concerned, ascending by collection id, field id and
	// How, each How of a field once. Empty: none is named.
	Fields []Used `json:"fields"`

	// Refers is the event that this one says did not happen, in whole or in part.
	Refers uuid.UUID `json:"refers,omitzero"`
}

// Used says how one field was used. Why it was not shown in full is left out: that
// is about the caller's rights, and of no use to the person.
type Used struct {
	CollectionID uint32 `json:"collection_id"`
	FieldID      uint32 `json:"field_id"`
	Collection   string `json:"collection,omitempty"` // empty: the name is not known
	Field        string `json:"field,omitempty"`
	How          string `json:"how"`    // "plain", "masked", "hidden", or "found": searched by its value
	Values       int64  `json:"values"` // in how many records
}

// History returns what the person an event concerns should see of it. It is false
// for events that concern nobody: of the service (settings, keys, checks), of jobs,
// and searches that found no one. All that names a person is shown to them, whoever
// acted and however it ended. names may be nil. Whether the event is this person's,
// its caller knows by e.UID.
func History(e *audit.Event, names Names) (Access, bool) {
	if e.UID == uuid.Nil {
		return Access{}, false
	}
	n := newNamer(names)
	a := Access{
		Event: e.ID, Time: e.Time.UTC(), Request: e.Request,
		Who: who(e), Purpose: e.Purpose,
		Action: e.Action, Outcome: e.Outcome, What: what(e), Recipient: toldTo(e),
		Fields: used(e, n), Refers: e.Refers,
	}
	switch e.Purpose {
	case "":
	case accessctl.PurposeSelf:
		a.PurposeText = "you see your own data"
	default:
		a.PurposeText = n.purpose(e.Purpose)
	}
	return a, true
}

// who says who acted. A person's uid is told to nobody else.
func who(e *audit.Event) string {
	switch {
	case e.Actor == selfPrefix+e.UID.String():
		return "you"
	case e.Actor == "self" || strings.HasPrefix(e.Actor, selfPrefix):
		return "another person"
	}
	return e.Actor
}

// toldTo is the recipient whom an event is about, or "".
func toldTo(e *audit.Event) string {
	if e.Action != actionTell {
		return ""
	}
	return attr(e, "recipient")
}

// used lists the fields of an event; never nil.
func used(e *audit.Event, n *namer) []Used {
	list := []Used{}
	for i := range e.Fields {
		f := &e.Fields[i]
		name := n.field(fieldID{f.Collection, f.Field})
		u := Used{
			CollectionID: f.Collection, FieldID: f.Field, Collection: name.collection, Field: name.field,
			How: usedHow(e, f), Values: int64(f.Count),
		}
		if k := len(list) - 1; k >= 0 && list[k].CollectionID == u.CollectionID && list[k].FieldID == u.FieldID && list[k].How == u.How {
			list[k].Values += u.Values
			continue
		}
		list = append(list, u)
	}
	return list
}

func usedHow(e *audit.Event, f *audit.FieldView) string {
	if h := seen(e.Action, f); h != 0 {
		return h.String()
	}
	return accessctl.Hidden.String()
}
