// Package audit is the record of what was asked of the vault and what it
// answered: one [Event] for each request and person, as a leaf of an
// append-only log.
//
// # Invariants
//
//   - An event holds no personal data, no value of a field, no hash of one and no
//     free text: it can stay when the person is forgotten. A person is named by the
//     random uid of one life, a record by a keyed hash of its place, a field by
//     the numbers of the catalog, a reason by a code. What callers wrote (reasons, evidence) is
//     sealed elsewhere, under the person's own key.
//   - One event has exactly one leaf, and one leaf is exactly one event:
//     [Event.AppendLeaf] and [ParseLeaf] are inverse to each other, byte by byte.
//     That is why verification can rebuild leaves from the columns of a table and
//     compare hashes.
//   - A leaf is one line of printable ASCII, whatever an actor is called: a line
//     break, a terminal's control sequence or a quotation mark cannot leave its
//     place.
//   - A leaf is at most [MaxLeaf] bytes, so that it fits an entry of a C2SP
//     tlog-tiles bundle, whose length is a 16-bit number.
//
// # Format
//
// A leaf is a JSON object whose first member is the format's version, {"v":1,...},
// with members in a fixed order and no white space. FORMAT.md beside this file is
// the full description; testdata holds golden vectors, which are only appended to.
//
// An action, purpose, code or name in an event matches [a-z][a-z0-9_]{0,62}.
// Nothing that a client chose freely may be put there: an unknown purpose is
// refused before there is an event.
package audit

import (
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
)

// LeafVersion is the version of the leaf format that [Event.AppendLeaf] writes.
const LeafVersion = 1

// Bounds of an event. One with [MaxWrites] writes (of revisions below 2^53),
// [MaxAttrs] attributes and 32 field views fits [MaxLeaf] whatever else it says, so
// that a batch of the API's full size is one event. So does one with 1,000 field
// views and no writes.
const (
	MaxLeaf   = 1<<16 - 1 // bytes of a leaf
	MaxActor  = 600       // bytes of an actor, before escaping
	MaxWrites = 1000      // writes of an event
	MaxFields = 2000      // field views of an event
	MaxAttrs  = 16        // attributes of an event
	MaxAttr   = 128       // bytes of an attribute's value
)

// Outcome says how a request ended.
type Outcome string

// The outcomes of a request. There is no other, and the zero value is none of
// them.
const (
	Allowed Outcome = "allowed" // decided in the caller's favour, in full or for some fields
	Denied  Outcome = "denied"  // refused by policy, purpose, consent, restriction, hold or expiry
	Failed  Outcome = "failed"  // allowed, but could not be carried out
)

// Event is what happened to one person, or to the service, in one request.
//
// Its slices belong to the caller; the functions of this package do not keep
// or change them.
type Event struct {
	ID      uuid.UUID // version 7, from outside; required
	Tenant  string    // [a-z][a-z0-9-]{0,62}; required
	Time    time.Time // when it was decided: UTC in whole microseconds, years 1 to 9999; required
	Request uuid.UUID // the request, or Nil where there was none (jobs)

	// Actor is who acted: "<iss>#<sub>" for machines and staff, "self:<uid>" for
	// people in their own right, "local:<user>" for a command on the machine.
	// Valid UTF-8 of 1 to MaxActor bytes.
	Actor   string
	Action  accessctl.Action  // required
	Purpose accessctl.Purpose // empty where the action has none

	UID     uuid.UUID // the person's uid, or Nil where no person is known
	Outcome Outcome   // required
	Code    string    // why, from a closed set ("not_found", "gone", "held", ...); empty: nothing to add

	Catalog int64 // version of the catalog that decided, 0 for none
	Policy  int64 // version of the policy that decided, 0 for none

	Writes []Write     // records stored or removed, in the caller's order; at most MaxWrites
	Fields []FieldView // what was shown of which field, strictly ascending; at most MaxFields

	// Refers is the id of the event that this one follows up: a Failed event
	// names the one that announced the release. Nil for all others.
	Refers uuid.UUID

	// Subject holds further facts of the action as codes (the group that was
	// erased, a job's id, a digest), strictly ascending by key; at most MaxAttrs.
	Subject []Attr
}

// Write names a record that was stored or removed, by an id that is its own under one
// uid and tells nothing without the tenant's keys, and the revision it has reached.
// With it a check finds a whole row that was rolled back.
type Write struct {
	Row        uuid.UUID // required
	Revision   uint64    // from 1
	Collection uint32    // id in the catalog, from 1
}

// FieldView says how a field was shown. Views of an event are unique and ascend
// by collection, field, view and reason, in this order; see [FieldView.Compare].
type FieldView struct {
	Collection uint32           // id in the catalog, from 1
	Field      uint32           // id in the catalog, from 1
	View       accessctl.View   // what the caller got
	Reason     accessctl.Reason // why not more; empty where nothing was withheld
	Count      uint32           // in how many records, from 1
}

// Attr is a fact as a pair of codes. It is no place for free text: Key is a
// name, [a-z][a-z0-9_]{0,62}, and Value has at most MaxAttr bytes of
// A-Z a-z 0-9 . _ : / + = -.
type Attr struct {
	Key, Value string
}

// Compare returns a negative number if f stands before g in an event, a positive
// one if after, and 0 if they are about the same view of the same field
// (whatever their counts). It fits slices.SortFunc.
func (f FieldView) Compare(g FieldView) int {
	switch {
	case f.Collection != g.Collection:
		return order(f.Collection < g.Collection)
	case f.Field != g.Field:
		return order(f.Field < g.Field)
	case f.View != g.View:
		return order(f.View < g.View)
	case f.Reason != g.Reason:
		return order(f.Reason < g.Reason)
	}
	return 0
}

func order(less bool) int {
	if less {
		return -1
	}
	return 1
}
