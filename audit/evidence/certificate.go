package evidence

import (
	"time"

	"github.com/google/uuid"
)

// Scope says how much of a person an erasure destroyed.
type Scope string

// The scopes of an erasure.
const (
	WholePerson Scope = "person" // every key group, the external id with them
	KeyGroups   Scope = "groups" // the key groups that are listed; the person lives on
)

// Kind says what a guarantee rests on.
type Kind string

// The kinds of guarantees. There is no third: what is neither is not promised.
const (
	Cryptographic Kind = "cryptographic" // holds because a key exists no more
	Procedural    Kind = "procedural"    // holds as long as people and machines do as documented
)

// Certificate states that keys were destroyed, and with them everything that they
// sealed. It is issued after the erasure is in force, and the same certificate is
// given whenever the erasure is asked for again.
type Certificate struct {
	Type   string    `json:"type"` // CertificateType, set by Sign
	ID     uuid.UUID `json:"id"`   // of the erasure
	Tenant string    `json:"tenant"`

	// Fence is what remains of the person: the keyed hash of the external id in the
	// directory, in lower-case hexadecimal (16 to 64 bytes). Who holds the external
	// id and asks the service can compare.
	Fence      string `json:"fence"`
	Generation uint32 `json:"generation"` // the life that ended, or lost groups; from 1

	Scope     Scope     `json:"scope"`
	Destroyed []KeyLost `json:"destroyed"` // every wrapped copy that was destroyed; empty if there was none

	ErasedAt   time.Time `json:"erased_at"`             // commit of the erasure
	ErasedBy   string    `json:"erased_by"`             // the actor, as in the audit event
	ApprovedBy string    `json:"approved_by,omitempty"` // the second person, where one was needed
	Event      uuid.UUID `json:"event"`                 // id of the audit event

	Guarantees []Guarantee `json:"guarantees"` // at least one

	// Horizon is the time after which no backup brings the data back, not even with
	// every right over the key store. Zero, and absent: it is not known yet, or no
	// retention of backups is configured, and nothing is promised of backups.
	Horizon time.Time `json:"horizon,omitzero"`

	// Ledger says whether the erasure is also on record outside the database, so
	// that a restore cannot undo it unnoticed.
	Ledger bool `json:"ledger"`

	IssuedAt time.Time `json:"issued_at"`
}

// KeyLost names one wrapped data key that was destroyed, by what it was: never by
// its bytes.
type KeyLost struct {
	Group      string `json:"group"`       // name of the key group
	GroupID    uint32 `json:"group_id"`    // its id in the catalog, from 1
	Epoch      uint32 `json:"epoch"`       // of the group in this life
	Version    uint32 `json:"version"`     // of the data key, from 1
	KEKVersion int64  `json:"kek_version"` // of the key that wrapped it, from 1
}

// Guarantee is one sentence that the certificate promises, and what it rests on.
type Guarantee struct {
	Text string `json:"text"`
	Kind Kind   `json:"kind"`
}

func (c *Certificate) stamp() {
	c.Type = CertificateType
	c.ErasedAt, c.Horizon, c.IssuedAt = c.ErasedAt.UTC(), c.Horizon.UTC(), c.IssuedAt.UTC()
	if c.Destroyed == nil {
		c.Destroyed = []KeyLost{}
	}
}

func (c *Certificate) invalid() string {
	switch {
	case c.Type != CertificateType:
		return "type"
	case c.ID == uuid.Nil:
		return "id"
	case !text(c.Tenant):
		return "tenant"
	case !hexadecimal(c.Fence, 16, 64):
		return "fence"
	case c.Generation == 0:
		return "generation"
	case c.Scope != WholePerson && c.Scope != KeyGroups:
		return "scope"
	case !validLosses(c.Destroyed):
		return "destroyed"
	case !moment(c.ErasedAt):
		return "erased_at"
	case !text(c.ErasedBy):
		return "erased_by"
	case !optional(c.ApprovedBy) || c.ApprovedBy == c.ErasedBy:
		return "approved_by"
	case c.Event == uuid.Nil:
		return "event"
	case !validGuarantees(c.Guarantees):
		return "guarantees"
	case !c.Horizon.IsZero() && (!moment(c.Horizon) || c.Horizon.Before(c.ErasedAt)):
		return "horizon"
	case !moment(c.IssuedAt):
		return "issued_at"
	}
	return ""
}

func validLosses(keys []KeyLost) bool {
	if keys == nil || len(keys) > maxItems {
		return false
	}
	for i := range keys {
		k := &keys[i]
		if !text(k.Group) || k.GroupID == 0 || k.Version == 0 || k.KEKVersion < 1 || k.KEKVersion > maxInteger {
			return false
		}
	}
	return true
}

func validGuarantees(list []Guarantee) bool {
	for _, g := range list {
		if !text(g.Text) || g.Kind != Cryptographic && g.Kind != Procedural {
			return false
		}
	}
	return len(list) > 0 && len(list) <= maxItems
}
