package ledger

import (
	"time"

	"github.com/google/uuid"
)

// LookupSize is the length of the keyed hash that finds a person, in bytes: here, in the
// directory, and wherever else it stands. It is the beginning of an HMAC-SHA-256. That
// two of 10^9 people of one tenant have the same has a chance of about 2^-69, and who
// does not hold the key cannot look for such names.
const LookupSize = 16

const (
	hashSize = 32
	maxName  = 63
)

// invalid names the part of an entry, apart from its MAC, that breaks a rule, or "".
func (e *Entry) invalid() string {
	switch {
	case e.ID == uuid.Nil:
		return "id"
	case code(kinds(), e.Kind) == 0:
		return "kind"
	case !name(e.Tenant, '-'):
		return "tenant"
	case len(e.Lookup) != LookupSize:
		return "lookup"
	case e.UID == uuid.Nil:
		return "uid"
	case e.Generation == 0:
		return "generation"
	case e.Event == uuid.Nil:
		return "event"
	case !wholeMicroseconds(e.At):
		return "time"
	}
	return e.invalidBody()
}

// invalidBody looks at the parts that only some kinds have.
func (e *Entry) invalidBody() string {
	erasure := e.Kind == Erase || e.Kind == EraseGroups
	switch {
	case e.Kind == EraseGroups && !validGroups(e.Groups), e.Kind != EraseGroups && len(e.Groups) > 0:
		return "groups"
	case e.Kind == Withdraw && code(decisions(), e.Decision) == 0, e.Kind != Withdraw && e.Decision != "":
		return "decision"
	case (e.Kind == Withdraw || e.Kind == Object) != name(e.Purpose, '_'), e.Kind != Withdraw && e.Kind != Object && e.Purpose != "":
		return "purpose"
	case len(e.Certificate) > MaxCertificate, !erasure && len(e.Certificate) > 0:
		return "certificate"
	}
	return ""
}

func validGroups(groups []GroupEpoch) bool {
	if len(groups) == 0 || len(groups) > MaxGroups {
		return false
	}
	for i, g := range groups {
		if g.Group == 0 || g.Epoch < 2 || i > 0 && groups[i-1].Group >= g.Group {
			return false
		}
	}
	return true
}

// name says whether s matches [a-z][a-z0-9]{0,62}, where also may stand after
// the first character too.
func name(s string, also byte) bool {
	if s == "" || len(s) > maxName || !lower(s[0]) {
		return false
	}
	for i := 1; i < len(s); i++ {
		if c := s[i]; !lower(c) && (c < '0' || c > '9') && c != also {
			return false
		}
	}
	return true
}

func lower(c byte) bool { return 'a' <= c && c <= 'z' }

// wholeMicroseconds says whether t stands in the format without loss.
func wholeMicroseconds(t time.Time) bool {
	y := t.UTC().Year()
	return !t.IsZero() && y >= 1 && y <= 9999 && t.Nanosecond()%1000 == 0
}
