package vault

import (
	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/crypto/field"
)

// A room is memory that the items of a reading share, so that a large one does not ask
// for some of it an item. Nothing in it is plaintext: values have memory of their own.
type room struct {
	sealed []field.Sealed // of the record that is being decided about
	spare  tally          // views of nobody
	free   []Answer       // for answers to come

	decided decided // of the item before
}

// decided are decisions about the fields of an item, as far as they were made.
type decided struct {
	facts *accessctl.Field // the first of the fields; who has the same has all the same
	state accessctl.State
	list  []*accessctl.Decision
}

// answers has room for n answers of an item; the like items of the reading follow.
func (r *room) answers(n, like int) []Answer {
	if len(r.free) < n {
		r.free = make([]Answer, max(n, min(maxPlanned, n*like)))
	}
	a := r.free[:0:n]
	r.free = r.free[n:]
	return a
}

// views has room for n views of a person.
func (r *room) views(n int) tally {
	t := r.spare
	if r.spare = nil; cap(t) < n {
		t = make(tally, 0, n)
	}
	return t[:0]
}
