package erasure

import (
	"encoding/hex"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/audit/evidence"
)

// Facts are what a certificate states.
type Facts struct {
	ID         uuid.UUID // of the erasure
	Tenant     string
	Lookup     []byte // what remains of the person: the keyed hash of the directory
	Generation uint32 // the life that ended, or lost groups
	Scope      evidence.Scope
	Destroyed  []evidence.KeyLost
	Actor      string // as in the event
	Approver   string // the second person; "" where none was needed
	Event      uuid.UUID
	ErasedAt   time.Time
	IssuedAt   time.Time // zero: ErasedAt
	// Horizon is what was promised of backups when the person was erased:
	// Settings.Horizon(ErasedAt). The zero value promises nothing.
	Horizon Horizon
	// Ledger: the erasure is put on record outside the database.
	Ledger bool
}

// Certificate states what was done, and promises no more than f bears out. Its
// guarantees are each labelled with what they rest on. It is not signed yet.
func Certificate(f Facts) *evidence.Certificate {
	c := &evidence.Certificate{
		ID: f.ID, Tenant: f.Tenant, Fence: hex.EncodeToString(f.Lookup), Generation: f.Generation,
		Scope: f.Scope, Destroyed: f.Destroyed, ErasedAt: f.ErasedAt, ErasedBy: f.Actor, ApprovedBy: f.Approver,
		Event: f.Event, Horizon: f.Horizon.At, Ledger: f.Ledger, IssuedAt: f.IssuedAt,
	}
	if c.IssuedAt.IsZero() {
		c.IssuedAt = f.ErasedAt
	}
	c.Guarantees = append(c.Guarantees, scopeText(f.Scope)...)
	c.Guarantees = append(c.Guarantees, promise(evidence.Procedural, ledgerText(f.Ledger)))
	for _, p := range f.Horizon.Parts {
		c.Guarantees = append(c.Guarantees, promise(p.Kind, p.Text))
	}
	if f.Horizon.At.IsZero() {
		c.Guarantees = append(c.Guarantees, promise(evidence.Procedural,
			"Backups of the database made before the erasure still hold wrapped keys. Until these backups are deleted, or the versions of the key-encryption key that wrapped them are destroyed, someone who has such a backup and may use that key could read the values. No time limit is promised here."))
	}
	return c
}

func promise(k evidence.Kind, text string) evidence.Guarantee {
	return evidence.Guarantee{Kind: k, Text: text}
}

// scopeText is what holds of the keys, by how much was destroyed.
func scopeText(s evidence.Scope) []evidence.Guarantee {
	swept := promise(evidence.Procedural, "The ciphertext and index entries that remain are removed by a job after the erasure.")
	if s == evidence.KeyGroups {
		return []evidence.Guarantee{
			promise(evidence.Cryptographic, "The values of the key groups named here were only ever stored encrypted under keys of this person and group alone; the wrapped copies of these keys in the live database were destroyed in the transaction that is named here, so that no node reads a value of these groups from then on."),
			promise(evidence.Procedural, "The person lives on: values in other key groups are not touched, and new values may be stored in these groups, under new keys."),
			swept,
		}
	}
	return []evidence.Guarantee{
		promise(evidence.Cryptographic, "The values were only ever stored encrypted under keys of this person alone; the wrapped copies of these keys in the live database were destroyed in the transaction that is named here, so that no node reads a value from then on."),
		promise(evidence.Procedural, "What remains of the person is the keyed hash named here as the fence, and the time: who holds the key of that hash and the person's external id can see that they belong together."),
		swept,
	}
}

func ledgerText(on bool) string {
	if on {
		return "The erasure is on record outside the database; a service whose database was restored to before the erasure gives out no values until it has carried out the erasure again."
	}
	return "The erasure is on record in the database alone: no ledger is configured. A restore of the database to before the erasure would bring the values back unnoticed, for as long as the key-encryption key opens them."
}
