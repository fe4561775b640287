package tree

import (
	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/audit"
)

// CheckLeaf returns a function for [Verification.Each] of one verification: it
// returns a *BadError for an entry that is not an event in the form of package audit,
// is of another tenant than the given one, or has the id of an event before it. It
// keeps 16 bytes for each entry. [Verification.Tenant] does the same on all cores.
func CheckLeaf(tenant string) func(index int64, leaf []byte) error {
	seen := ids{}
	return func(index int64, leaf []byte) error {
		id, why := eventID(tenant, leaf)
		if why == "" {
			why = seen.add(id)
		}
		if why != "" {
			return &BadError{Index: index, Why: why}
		}
		return nil
	}
}

// eventID returns the id of the event that a leaf of the tenant records, or why it
// is none.
func eventID(tenant string, leaf []byte) (id uuid.UUID, why string) {
	e, err := audit.ParseLeaf(leaf)
	switch {
	case err != nil:
		return uuid.Nil, "the entry is not an event in the form of this log"
	case e.Tenant != tenant:
		return uuid.Nil, "the entry is an event of another tenant"
	}
	return e.ID, ""
}

// ids are the ids of events.
type ids map[uuid.UUID]struct{}

// add returns why id may not be added, or nothing.
func (s ids) add(id uuid.UUID) (why string) {
	if _, ok := s[id]; ok {
		return "the entry has the id of an event before it"
	}
	s[id] = struct{}{}
	return ""
}
