package erasure

import (
	"fmt"
	"strings"
	"time"

	"github.com/fieldvault/fieldvault/audit/evidence"
)

// None says of a retention that there are no such copies, by decision.
const None time.Duration = -1

// Settings are the times that the operators of an installation promise. Zero: not
// configured, and nothing that rests on it is promised.
type Settings struct {
	// BackupRetention is for how long backups of the database are kept, or None.
	BackupRetention time.Duration
	// KEKBackupRetention is for how long backups of the key store (of Vault's
	// storage, or of the local key file) are kept, or None.
	KEKBackupRetention time.Duration
	// VaultSnapshotRetention is for how long Vault's own snapshots are kept, or
	// None; None with a local key file.
	VaultSnapshotRetention time.Duration
	// TrimLag is the longest time from an erasure to the trim of every version of
	// the key-encryption key that was in use then.
	TrimLag time.Duration
	// IndexLag is the longest time from an erasure to the destruction of every
	// version of an index key that was in use then.
	IndexLag time.Duration
}

// A Horizon says from when on an erased person is out of reach of everybody, and
// what that rests on.
type Horizon struct {
	// At is that instant; zero when nothing is promised.
	At time.Time
	// Parts are what it rests on, and what is promised beside it.
	Parts []Part
	// Missing names, in words, what stands in the way of a promise.
	Missing []string
}

// A Part is one promise: what holds from At on, and what that rests on.
type Part struct {
	At   time.Time
	Kind evidence.Kind
	Text string
}

// Horizon is the time after which not even an old backup together with every right
// at the key store brings back who was erased at erasedAt.
//
// A backup of the database from before the erasure holds the person's keys, wrapped
// under versions of the key-encryption key, and entries of blind indexes, which
// answer guesses to whoever has the index key. All copies of these two must be gone;
// the backup itself may then be kept for ever. The last copy of a version of the
// key-encryption key is in the youngest backup or snapshot of the key store that was
// made before the trim:
//
//	keys    = TrimLag + max(KEKBackupRetention, VaultSnapshotRetention)
//	indexes = IndexLag + keys
//	horizon = erasedAt + max(keys, indexes)
//
// for an index key stands wrapped in every backup of the database that was made
// before its destruction, under a version that was in use then. This is the condition
// of NIST SP 800-88 Rev. 1, section 2.6, for cryptographic erase: every copy of the
// key that encrypts the data, or of a key that wraps that key, is sanitized.
//
// BackupRetention does not enter: that backups of the database are deleted, too, is
// an additional, procedural promise.
func (s Settings) Horizon(erasedAt time.Time) Horizon {
	var h Horizon
	add := func(after time.Duration, kind evidence.Kind, text string) {
		h.Parts = append(h.Parts, Part{At: erasedAt.Add(after), Kind: kind, Text: text})
	}
	if s.BackupRetention != 0 {
		add(max(s.BackupRetention, 0), evidence.Procedural, backupsText(s.BackupRetention))
	}
	if h.Missing = s.missing(); len(h.Missing) > 0 {
		return h
	}
	kept := s.kept()
	add(s.TrimLag, evidence.Cryptographic, fmt.Sprintf(
		"Every version of the key-encryption key that wrapped the destroyed keys is itself destroyed within %s of the erasure; a wrapped copy in an old backup of the database then opens for nobody.", words(s.TrimLag)))
	add(s.TrimLag+kept, evidence.Procedural, keptText(kept))
	add(s.IndexLag+s.TrimLag+kept, evidence.Cryptographic, fmt.Sprintf(
		"Every version of an index key that was in use is destroyed within %s of the erasure, and its wrapped copies with the versions of the key-encryption key that wrapped them; index entries in an old backup then answer no guess.", words(s.IndexLag)))
	for _, p := range h.Parts[len(h.Parts)-3:] {
		if p.At.After(h.At) {
			h.At = p.At
		}
	}
	return h
}

// kept is for how long the key store's copies of a version outlive its trim.
func (s Settings) kept() time.Duration {
	return max(s.KEKBackupRetention, s.VaultSnapshotRetention, 0)
}

// missing names what is not configured and would have to be.
func (s Settings) missing() (list []string) {
	for _, m := range []struct {
		d    time.Duration
		none bool // None is an answer
		what string
	}{
		{s.KEKBackupRetention, true, "for how long backups of the key store are kept"},
		{s.VaultSnapshotRetention, true, "for how long snapshots of Vault are kept"},
		{s.TrimLag, false, "within which time versions of the key-encryption key are trimmed"},
		{s.IndexLag, false, "within which time versions of index keys are destroyed"},
	} {
		if m.d == 0 || m.d < 0 && (!m.none || m.d != None) {
			list = append(list, m.what)
		}
	}
	return list
}

func backupsText(d time.Duration) string {
	if d < 0 {
		return "No backups of the database are kept."
	}
	return fmt.Sprintf("Backups of the database that were made before the erasure are deleted within %s.", words(d))
}

func keptText(d time.Duration) string {
	if d == 0 {
		return "No backups and no snapshots of the key store are kept, in which a destroyed version would live on."
	}
	return fmt.Sprintf("Backups and snapshots of the key store, in which a destroyed version lives on, are deleted within %s of its destruction.", words(d))
}

// A KeyVersion is one version of a key, as far as is known.
type KeyVersion struct {
	Created   time.Time // zero: not known
	Destroyed time.Time // zero: not yet, or not known
}

// ErasedBefore is the instant up to which erasures are past the horizon now, as the
// keys really stand: whoever was erased before it is out of reach. kek are all
// versions of the key-encryption key that there ever were, index all of every index
// key. Zero: nobody is, or it is not known; so it is while the retention of the key
// store's copies is not configured.
//
// A version is past when it was destroyed and its copies are gone: of the
// key-encryption key, when the retention has passed since; of an index key, when
// every version of the key-encryption key from before its destruction is past. What
// was erased before the oldest version that is not past was created was sealed and
// indexed under none that lives. The clock of the key store and ours are taken to
// agree.
func (s Settings) ErasedBefore(kek, index []KeyVersion, now time.Time) time.Time {
	for _, d := range []time.Duration{s.KEKBackupRetention, s.VaultSnapshotRetention} {
		if d == 0 || d < None {
			return time.Time{}
		}
	}
	if len(kek) == 0 {
		return time.Time{}
	}
	keys, known := oldest(kek, func(v KeyVersion) bool { return !v.Destroyed.Add(s.kept()).After(now) }, now)
	if !known {
		return time.Time{}
	}
	all, known := oldest(index, func(v KeyVersion) bool { return v.Destroyed.Before(keys) }, keys)
	if !known {
		return time.Time{}
	}
	return all
}

// oldest is when the oldest version that is not past was created, or limit if that
// is earlier. It is not known if such a version's creation is not.
func oldest(list []KeyVersion, past func(KeyVersion) bool, limit time.Time) (at time.Time, known bool) {
	at = limit
	for _, v := range list {
		switch {
		case !v.Destroyed.IsZero() && past(v):
		case v.Created.IsZero():
			return time.Time{}, false
		case v.Created.Before(at):
			at = v.Created
		}
	}
	return at, true
}

// words says a duration as people do.
func words(d time.Duration) string {
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}} {
		if d > 0 && d%u.unit == 0 {
			n := int64(d / u.unit)
			if n == 1 {
				return "1 " + u.name
			}
			return fmt.Sprintf("%d %ss", n, u.name)
		}
	}
	return strings.TrimSpace(d.String())
}
