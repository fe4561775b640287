package report

import (
	"fmt"
	"slices"
	"time"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
)

// Query says which events a breach report is about.
type Query struct {
	// Tenant is whose log it is; required.
	Tenant string
	// Actors are the actors as events spell them, byte by byte. Empty: all.
	Actors []string
	// Purposes are the purposes that were claimed; an empty one among them stands
	// for none. Empty: all.
	Purposes []accessctl.Purpose
	// From and To are the window [From, To), by the time at which an event was
	// decided. Both are required.
	From, To time.Time
	// MaskedToo counts masked views as well, apart from the others.
	MaskedToo bool
	// Redacted says of a field, by its numbers, that its masked views are texts in which
	// only what was found is replaced: most of such a text was seen, so that the view
	// counts as a plain one. Optional.
	Redacted func(collection, field uint32) bool
}

// Check is ErrQuery if the query can match nothing: it has no tenant, or To is not
// after From. Check a query that a person wrote before it is used: an empty
// report reads like a good one.
func (q Query) Check() error {
	switch {
	case q.Tenant == "":
		return fmt.Errorf("%w: tenant", ErrQuery)
	case q.From.IsZero():
		return fmt.Errorf("%w: from", ErrQuery)
	case !q.To.After(q.From):
		return fmt.Errorf("%w: to", ErrQuery)
	}
	return nil
}

// asksFor says whether the query is about the event's actor and purpose.
func (q *Query) asksFor(e *audit.Event) bool {
	return (len(q.Actors) == 0 || slices.Contains(q.Actors, e.Actor)) &&
		(len(q.Purposes) == 0 || slices.Contains(q.Purposes, e.Purpose))
}

// within says whether t is in the window.
func (q *Query) within(t time.Time) bool {
	return !t.Before(q.From) && t.Before(q.To)
}
