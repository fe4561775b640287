package erasure

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"time"
)

// ApprovalLife is for how long something waits for a second person, by default;
// after that it must be asked for again.
const ApprovalLife = 24 * time.Hour

// Limits say how much one person may destroy alone. A zero field is the default;
// a negative one switches its rule off, which only a test should.
type Limits struct {
	// PerWindow is how many people one principal may erase within Window. 0: 20.
	PerWindow int64
	// PerMille is which part of a tenant's people, in thousandths, may be erased
	// within Window by all principals together. 0: 50, which is 5 %.
	PerMille int64
	// MinPeople is the number of people from which on PerMille counts: in a small
	// tenant one erasure would be too large a part. 0: 400, from where on
	// PerMille is not the tighter of the two defaults.
	MinPeople int64
	// Window is the time over which is counted. 0: 1 h.
	Window time.Duration
}

func (l Limits) withDefaults() Limits {
	l.PerWindow, l.PerMille = orDefault(l.PerWindow, 20), orDefault(l.PerMille, 50)
	l.MinPeople, l.Window = orDefault(l.MinPeople, 400), orDefault(l.Window, time.Hour)
	return l
}

func orDefault[T int64 | time.Duration](v, otherwise T) T {
	if v == 0 {
		return otherwise
	}
	return v
}

// A Tally is how much was destroyed since an instant.
type Tally struct {
	Since time.Time
	Count int64
}

// In is the tally of the window that now is in: t itself, or none since now when
// t's window has passed. A clock that went back begins no window.
func (t Tally) In(l Limits, now time.Time) Tally {
	if now.Sub(t.Since) >= l.withDefaults().Window {
		return Tally{Since: now}
	}
	return t
}

// A Verdict says whether one person may do it alone, and if not, why, in words.
type Verdict struct {
	Allowed bool
	Why     string // empty if allowed
}

// Allow says whether a principal may alone erase n people now. principal and
// tenant are what the principal, and everybody in the tenant, erased before; live is
// how many people the tenant has now. Whoever counts deletions of records too adds
// them to tallies and n. What the verdict allows is then to be added to both tallies
// (after [Tally.In]), in the same transaction, or the next request is not told.
//
// Windows are fixed: at the border between two, twice as much can happen in less
// than Window. The share is of those who lived when the window began: live people
// and those that were erased since.
func Allow(l Limits, principal, tenant Tally, live, n int64, now time.Time) Verdict {
	l = l.withDefaults()
	if n < 0 || live < 0 || principal.Count < 0 || tenant.Count < 0 {
		return Verdict{Why: "the count is not known"}
	}
	if mine := principal.In(l, now).Count; l.PerWindow >= 0 && n > l.PerWindow-mine {
		return Verdict{Why: fmt.Sprintf("more than %d people within %s by one principal need a second person", l.PerWindow, words(l.Window))}
	}
	all := tenant.In(l, now).Count
	people := live + all
	if l.PerMille >= 0 && people >= l.MinPeople && n > people*l.PerMille/1000-all {
		return Verdict{Why: fmt.Sprintf("more than %s %% of the tenant's people within %s need a second person", percent(l.PerMille), words(l.Window))}
	}
	return Verdict{Allowed: true}
}

func percent(perMille int64) string {
	if perMille%10 == 0 {
		return fmt.Sprint(perMille / 10)
	}
	return fmt.Sprintf("%d.%d", perMille/10, perMille%10)
}

// Digest writes down what an approval permits, and nothing else, in one canonical
// form: a keyed hash of it binds the approval to it. lookups name the people and
// groups the key groups, none for whole persons; their order and repetitions do not
// matter. The form is, each preceded by its length as 4 bytes, "fv/approval/1", the
// kind, the tenant, the groups (4 bytes each, sorted, as one string), and the lookups,
// sorted.
func Digest(kind, tenant string, lookups [][]byte, groups []uint32) []byte {
	people := slices.Clone(lookups)
	slices.SortFunc(people, bytes.Compare)
	people = slices.CompactFunc(people, bytes.Equal)
	ids := slices.Clone(groups)
	slices.Sort(ids)
	var scope []byte
	for _, g := range slices.Compact(ids) {
		scope = binary.BigEndian.AppendUint32(scope, g)
	}
	b := appendBytes(nil, []byte("fv/approval/1"))
	b = appendBytes(b, []byte(kind))
	b = appendBytes(b, []byte(tenant))
	b = appendBytes(b, scope)
	for _, p := range people {
		b = appendBytes(b, p)
	}
	return b
}

func appendBytes(dst, b []byte) []byte {
	return append(binary.BigEndian.AppendUint32(dst, uint32(len(b))), b...) //nolint:gosec // lookups and names are short
}
