// Package ledgertest is the conformance suite that every ledger.Ledger must pass.
//
// [Run] holds a ledger to each sentence of the contract in package ledger, and
// makes equal what that leaves open:
//
//   - A call of which one entry is not valid appends none.
//   - A call may be of any number of entries and of any size.
//   - A position below 0 is read as 0; a limit below 1 reads nothing.
//   - A call whose context has ended before it began appends nothing.
//   - What Read returns is the reader's own.
package ledgertest

import (
	"bytes"
	"crypto/rand"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault/ledger"
)

// Options say what is tested.
type Options struct {
	// New makes a new, empty ledger, and returns what opens it. It is opened many
	// times, but only one at a time unless Shared. Required.
	New func(t *testing.T) Open
	// Shared: a ledger may be open several times at once, as by several nodes.
	Shared bool
}

// Open opens a ledger, which the suite closes. It fails the test if it cannot.
type Open func(t *testing.T) ledger.Ledger

// Run runs the suite.
func Run(t *testing.T, o Options) {
	t.Helper()
	for _, c := range []struct {
		name   string
		test   func(*testing.T, Open)
		shared bool
	}{
		{"Empty", empty, false},
		{"Identity", func(t *testing.T, open Open) { identity(t, open, o.New(t)) }, false},
		{"EveryKind", everyKind, false},
		{"Durable", durable, false},
		{"Order", order, false},
		{"Idempotent", idempotent, false},
		{"Conflict", conflict, false},
		{"BadEntries", badEntries, false},
		{"Limits", limits, false},
		{"Large", large, false},
		{"ReadersOwn", readersOwn, false},
		{"Contexts", contexts, false},
		{"Closed", closed, false},
		{"Concurrent", concurrent, false},
		{"ReadingWhileAppending", readingWhileAppending, false},
		{"TwoNodes", twoNodes, true},
	} {
		if c.shared && !o.Shared {
			continue
		}
		t.Run(c.name, func(t *testing.T) { c.test(t, o.New(t)) })
	}
}

// Entry returns an entry of a kind, valid and unlike any other.
func Entry(kind ledger.Kind) ledger.Entry {
	e := ledger.Entry{
		ID: uuid.New(), Kind: kind, Tenant: "acme", Lookup: random(ledger.LookupSize), UID: uuid.New(), Generation: 1,
		Event: uuid.New(), At: time.Date(2026, 11, 2, 9, 30, 0, 123456000, time.UTC), MAC: random(32),
	}
	switch kind {
	case ledger.Erase:
		e.Certificate = []byte(`{"certificate":"` + e.ID.String() + `"}`)
	case ledger.EraseGroups:
		e.Groups = []ledger.GroupEpoch{{Group: 2, Epoch: 2}, {Group: 7, Epoch: 5}}
	case ledger.Withdraw:
		e.Purpose, e.Decision = "marketing", ledger.Withdrawn
	case ledger.Object:
		e.Purpose = "analytics"
	case ledger.Restrict, ledger.Unrestrict, ledger.Hold, ledger.Release:
	}
	return e
}

// Entries returns n erasures.
func Entries(n int) []ledger.Entry {
	list := make([]ledger.Entry, n)
	for i := range list {
		list[i] = Entry(ledger.Erase)
	}
	return list
}

// Same fails the test unless a ledger has exactly these entries, in this order,
// from position 1.
func Same(t *testing.T, l ledger.Ledger, want []ledger.Entry) {
	t.Helper()
	differ(t, "the ledger differs (-want +got)", placed(want), All(t, l))
	if head, err := l.Head(t.Context()); err != nil || head != int64(len(want)) {
		t.Errorf("Head: %d, %v, want %d", head, err, len(want))
	}
}

// All reads all of a ledger, and sees that positions have no gaps.
func All(t *testing.T, l ledger.Ledger) []ledger.Placed {
	t.Helper()
	var all []ledger.Placed
	for {
		page, err := l.Read(t.Context(), int64(len(all)), ledger.MaxRead)
		if err != nil {
			t.Fatalf("Read: %v", err)
		}
		if len(page) == 0 {
			return all
		}
		for _, p := range page {
			if p.Position != int64(len(all))+1 {
				t.Fatalf("position %d follows %d", p.Position, len(all))
			}
			all = append(all, p)
		}
	}
}

func placed(entries []ledger.Entry) (list []ledger.Placed) {
	for i, e := range entries {
		list = append(list, ledger.Placed{Position: int64(i) + 1, Entry: e})
	}
	return list
}

// differ fails the test unless two lists are equal. It compares bytes first,
// because cmp takes its time for large ones.
func differ(t *testing.T, what string, a, b []ledger.Placed) {
	t.Helper()
	if len(a) == len(b) && !slices.ContainsFunc(a, func(p ledger.Placed) bool {
		q := b[p.Position-a[0].Position]
		pb, err := p.Append(nil)
		qb, err2 := q.Append(nil)
		return p.Position != q.Position || err != nil || err2 != nil || !bytes.Equal(pb, qb)
	}) {
		return
	}
	t.Errorf("%s:\n%s", what, cmp.Diff(a, b, cmpopts.EquateEmpty()))
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}

// opened opens a ledger until the test ends.
func opened(t *testing.T, open Open) ledger.Ledger {
	t.Helper()
	l := open(t)
	t.Cleanup(func() { shut(t, l) })
	return l
}

func shut(t *testing.T, l ledger.Ledger) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// add appends entries, which must succeed.
func add(t *testing.T, l ledger.Ledger, entries ...ledger.Entry) {
	t.Helper()
	if err := l.Append(t.Context(), entries); err != nil {
		t.Fatalf("Append: %v", err)
	}
}
