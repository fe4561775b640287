package vault

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// This file is the part of the [Store] that erasures, rotations and other long
// work rest on. Nothing here holds a value or an external id in clear.

// An OutboxEntry is an entry of the ledger that has not yet been seen there. It
// is stored by the transaction that did what it says.
type OutboxEntry struct {
	ID   uuid.UUID // of the ledger's entry
	Body []byte    // ledger.Entry.Append
}

// LedgerTx keeps what the ledger outside the database must still be told, and how
// far the database reflects it.
type LedgerTx interface {
	// InsertOutbox stores an entry with the transaction.
	InsertOutbox(ctx context.Context, e OutboxEntry) error
	// Outbox lists at most limit entries, in the order of their insertion.
	Outbox(ctx context.Context, limit int) ([]OutboxEntry, error)
	// DeleteOutbox removes entries that the ledger has; absent ones are ignored.
	DeleteOutbox(ctx context.Context, ids []uuid.UUID) error
	// LedgerPosition is up to where the database reflects the ledger; 0 at first.
	LedgerPosition(ctx context.Context) (int64, error)
	// Incarnation is that of [Loaded], of the database that this transaction is on.
	Incarnation(ctx context.Context) (string, error)
	// RaiseLedgerPosition sets it, and never lowers it.
	RaiseLedgerPosition(ctx context.Context, position int64) error
}

// An Erasure is the certificate of one erasure, kept for ever.
type Erasure struct {
	ID         uuid.UUID // of the certificate
	Tenant     int32
	Lookup     []byte // the person's
	Generation uint32 // the life that ended, or lost groups
	Groups     []byte // sorted 4-byte ids of the groups that were erased; empty: the whole person
	Event      uuid.UUID
	At         time.Time
	// Certificate is the signed statement.
	Certificate []byte
}

// ErasureTx keeps certificates.
type ErasureTx interface {
	// InsertErasure stores a certificate. Its id is new.
	InsertErasure(ctx context.Context, e Erasure) error
	// Erasure reads one. ErrNoRow if the tenant has none of that id.
	Erasure(ctx context.Context, tenant int32, id uuid.UUID) (Erasure, error)
	// LastErasure reads the latest one, by At, of exactly these groups of this
	// life. ErrNoRow if there is none.
	LastErasure(ctx context.Context, tenant int32, lookup []byte, generation uint32, groups []byte) (Erasure, error)
}

// A Shred says that a group of a living person was erased, and that dead
// ciphertext and index entries of epochs below Epoch may still stand in the
// person's records. It is a row of the person's: the sweep removes it too.
type Shred struct {
	Tenant int32
	UID    uuid.UUID
	Group  uint32
	Epoch  uint32
}

// ShredTx keeps what is left to clean after the erasure of groups.
type ShredTx interface {
	// PutShred stores a shred, or raises the epoch of the one of the same
	// (tenant, uid, group).
	PutShred(ctx context.Context, s Shred) error
	// Shreds lists at most limit, by (tenant, uid, group).
	Shreds(ctx context.Context, limit int) ([]Shred, error)
	// DeleteShred removes exactly s: one whose epoch was raised stays.
	DeleteShred(ctx context.Context, s Shred) error
}

// A Reseal says that a person's data key of one group was replaced by version
// Version, and that values sealed with the one before may still stand in the
// person's records. It is a row of the person's: the sweep removes it too.
type Reseal struct {
	Tenant  int32
	UID     uuid.UUID
	Group   uint32
	Version uint32
}

// ResealTx keeps what is left to seal anew after the rotation of people's keys.
type ResealTx interface {
	// PutReseal stores a reseal, or raises the version of the one of the same
	// (tenant, uid, group).
	PutReseal(ctx context.Context, r Reseal) error
	// Reseals lists at most limit of the tenant's, by place, after the given one.
	Reseals(ctx context.Context, tenant int32, after KeyPlace, limit int) ([]Reseal, error)
	// DeleteReseal removes exactly r: one whose version was raised stays.
	DeleteReseal(ctx context.Context, r Reseal) error
}

// A Honey says that a living person is bait: made up, so that nobody has a reason to
// read them. It is a row of the person's: the sweep removes it too.
type Honey struct {
	Tenant int32
	UID    uuid.UUID
	MAC    []byte // under the tenant's key, over the uid
}

// HoneyTx keeps honey people.
type HoneyTx interface {
	// PutHoney stores h, in place of the one of the same (tenant, uid).
	PutHoney(ctx context.Context, h Honey) error
	// DeleteHoney removes the one of (tenant, uid), if there is one.
	DeleteHoney(ctx context.Context, tenant int32, uid uuid.UUID) error
	// ListHoney lists at most limit of all tenants, by (tenant, uid), after the given
	// place.
	ListHoney(ctx context.Context, tenant int32, uid uuid.UUID, limit int) ([]Honey, error)
}

// A Ticket says that a sign-in link or a session is not spent yet. It is a row of the
// person's whom it is of: the sweep removes it too. Operators' have the nil uid.
type Ticket struct {
	Tenant  int32
	UID     uuid.UUID
	ID      uuid.UUID
	Expires time.Time
	// Body is what is kept until then, sealed. Optional.
	Body []byte
}

// TicketTx keeps tickets.
type TicketTx interface {
	// InsertTicket stores one. Its id is new.
	InsertTicket(ctx context.Context, t Ticket) error
	// ClaimTicket stores one unless there is one of the same (tenant, uid, id): of two
	// callers one is told that it is theirs.
	ClaimTicket(ctx context.Context, t Ticket) (claimed bool, err error)
	// FillTicket gives one that stands its body. ErrNoRow if absent.
	FillTicket(ctx context.Context, t Ticket) error
	// TicketBody returns the body of one; nil: it has none. ErrNoRow if absent.
	TicketBody(ctx context.Context, tenant int32, uid, id uuid.UUID) ([]byte, error)
	// HasTicket says whether one stands.
	HasTicket(ctx context.Context, tenant int32, uid, id uuid.UUID) (bool, error)
	// SpendTicket removes one and says whether it stood: of two callers one is told so.
	SpendTicket(ctx context.Context, tenant int32, uid, id uuid.UUID) (bool, error)
	// DropTickets removes at most limit that expired before t, of all tenants, and says
	// how many.
	DropTickets(ctx context.Context, t time.Time, limit int) (int, error)
}

// A Tally counts what one principal, or all of a tenant, destroyed since Since.
type Tally struct {
	Tenant int32
	Key    []byte // 32 bytes: keyed hash of the principal; zeros: all of the tenant
	Since  time.Time
	Count  int64
}

// The states of an approval.
const (
	ApprovalPending  int16 = 1
	ApprovalApproved int16 = 2 // by another person; what it permits may be done, once
	ApprovalDone     int16 = 3
	ApprovalRefused  int16 = 4
)

// An Approval is something that waits for a second person.
type Approval struct {
	ID     uuid.UUID
	Tenant int32
	Kind   string // "erasure"
	// Digest is a keyed hash of exactly what is to be approved, 32 bytes.
	Digest []byte
	// Body is what is to be done, sealed under the tenant's cursor key; nil once done.
	Body []byte
	// By and Decider are the actors, as in events; By's keyed hash is in Asker,
	// so that the same principal cannot approve.
	By      string
	Asker   []byte // 32 bytes
	Decider string // "" while pending
	Count   int32  // how many people it concerns
	State   int16
	Created time.Time
	Expires time.Time
	Decided time.Time // zero while pending
}

// BreakerTx counts destruction and keeps what waits for a second person.
type BreakerTx interface {
	// LockTally returns the row, locked until the transaction ends; an absent one
	// is made first, with a count of 0 since the given time.
	LockTally(ctx context.Context, tenant int32, key []byte, since time.Time) (Tally, error)
	// PutTally writes a row that LockTally returned in this transaction.
	PutTally(ctx context.Context, t Tally) error
	// CountLive says how many people of the tenant live.
	CountLive(ctx context.Context, tenant int32) (int64, error)
	// InsertApproval stores a new one, unless a pending or approved one of the
	// same (tenant, kind, asker, digest) has not expired at a.Created; then it
	// returns that one and says false.
	InsertApproval(ctx context.Context, a Approval) (standing Approval, inserted bool, err error)
	// Approval reads one, locked until the transaction ends unless lock is
	// NoLock. ErrNoRow if the tenant has none of that id.
	Approval(ctx context.Context, tenant int32, id uuid.UUID, lock Lock) (Approval, error)
	// UpdateApproval writes Body, Decider, State and Decided of one that this
	// transaction locked.
	UpdateApproval(ctx context.Context, a Approval) error
	// Approvals lists the tenant's, newest first, at most limit.
	Approvals(ctx context.Context, tenant int32, limit int) ([]Approval, error)
}

// The states of a job.
const (
	JobQueued  int16 = 1
	JobRunning int16 = 2
	JobDone    int16 = 3
	JobFailed  int16 = 4
)

// A Job is bounded work that one node at a time does, a step at a time.
type Job struct {
	ID     uuid.UUID
	Tenant int32
	Kind   string // "rewrap", "reseal", "reindex", "retention", "key_rotation"
	State  int16
	Params []byte // JSON; no personal data
	Cursor []byte // where the work stands; opaque to the store
	Done   int64  // units done, of Total
	Total  int64  // 0: not known
	Note   string // what is being done, or why it failed, in words
	By     string // the actor who asked for it
	// Owner has the lease until Lease; Fence goes up by one with each new owner,
	// so that one who was stopped meanwhile cannot write.
	Owner   string
	Fence   int64
	Lease   time.Time
	Created time.Time
	Updated time.Time
}

// JobTx keeps jobs.
type JobTx interface {
	// InsertJob stores a queued job, unless one of the same tenant and kind is
	// queued or running; then it returns that one and says false.
	InsertJob(ctx context.Context, j Job) (standing Job, inserted bool, err error)
	// Job reads one. ErrNoRow if the tenant has none of that id.
	Job(ctx context.Context, tenant int32, id uuid.UUID) (Job, error)
	// Jobs lists the tenant's, newest first, at most limit.
	Jobs(ctx context.Context, tenant int32, limit int) ([]Job, error)
	// TakeJob leases the oldest job of one of the kinds that is queued, or that
	// runs under a lease that ended before now: it becomes running, of the owner,
	// until lease, with the next fence. ErrNoRow if there is none. Two callers
	// never get the same one.
	TakeJob(ctx context.Context, kinds []string, owner string, now, lease time.Time) (Job, error)
	// SaveJob writes State, Cursor, Done, Total, Note, Lease and Updated.
	// ErrStale unless the stored fence is j.Fence and the job runs.
	SaveJob(ctx context.Context, j Job) error
	// DeleteJobs removes at most limit jobs that ended before t and says how many.
	DeleteJobs(ctx context.Context, t time.Time, limit int) (int, error)
	// DropJobs removes the tenant's jobs of the kind that were done before t, and says
	// how many; not those that failed.
	DropJobs(ctx context.Context, tenant int32, kind string, t time.Time) (int, error)
}

// A KeyPlace names a group of a person: the order in which they are walked.
type KeyPlace struct {
	UID   uuid.UUID
	Group uint32
}

// A PlacedKey is a data key with its place.
type PlacedKey struct {
	UID uuid.UUID
	DataKey
}

// A Rewrapped is a data key under another version of the key-encryption key.
type Rewrapped struct {
	UID        uuid.UUID
	Group      uint32
	Epoch      uint32 // with the group and the versions it says which key is meant
	Version    uint32
	KEKVersion int32 // as it was
	Next       int32 // the new version of the key-encryption key
	Wrapped    []byte
}

// RewrapTx moves wrapped keys to another version of the key-encryption key. No
// method makes a key where none is.
type RewrapTx interface {
	// KeysBelow lists wrapped data keys of the tenant under a version of the
	// key-encryption key below the given one, by person and group, of people after the
	// given one. It gives all such keys of a person or none, so that about limit come,
	// and none only if there are no more. Keys that cannot be read are [UnreadableKeys].
	KeysBelow(ctx context.Context, tenant, below int32, after uuid.UUID, limit int) ([]PlacedKey, error)
	// RewrapKeys writes each key that still has the same epoch, version and KEK
	// version, and is wrapped; it says how many. Keys in other states are left alone:
	// they were erased or rotated meanwhile. So are all whose Next is below the
	// tenant's KEKEpoch, and keys that cannot be read.
	RewrapKeys(ctx context.Context, tenant int32, keys []Rewrapped) (int, error)
	// ReplaceKey writes one data key in place of old, which must stand with the
	// same epoch, version and KEK version and a wrapped key, else ErrStale.
	// ErrStaleKEK as in InsertKey. The group is old's; next's is not read.
	ReplaceKey(ctx context.Context, tenant int32, uid uuid.UUID, old, next DataKey) error
	// RewrapTenantKey writes a key of a tenant that still stands under version
	// was, and says whether it does. No key is written below the KEKEpoch.
	RewrapTenantKey(ctx context.Context, tenant, was int32, k TenantKey) (bool, error)
	// DeleteTenantKey removes an index key of a tenant and says whether there was one.
	// The schema lets no other key of a tenant be deleted: without it, nobody is found
	// or believed any more. That is an error, and nothing is deleted.
	DeleteTenantKey(ctx context.Context, tenant int32, label string) (bool, error)
	// CountKeys says how many wrapped keys, of people and of the tenant itself,
	// stand under each version of the key-encryption key. A person's keys that cannot
	// be read count as one under version 0.
	CountKeys(ctx context.Context, tenant int32) (people, own map[int32]int64, err error)
	// RaiseKEKEpoch sets the tenant's KEKEpoch, and never lowers it. From the
	// commit on, transactions that begin store no wrap below it.
	RaiseKEKEpoch(ctx context.Context, tenant, epoch int32) error
}

// LifeKEK is the Key of a [KeyLife] that is about the tenant's key-encryption key.
// Those of the tenant's own keys have their labels.
const LifeKEK = "kek"

// A KeyLife is what is on record of one version of a key.
type KeyLife struct {
	Key     string
	Version int32
	// Uses is how many keys it wrapped, at least; kept for the key-encryption key.
	Uses      int64
	Created   time.Time // not after it was; zero: not known
	Destroyed time.Time // not before it was; zero: it stands, as far as is known
}

// KeyLifeTx keeps how often versions of keys were used, and from when to when they
// were there. Nothing here is about a person.
type KeyLifeTx interface {
	// KeyLives lists what is on record of the tenant's keys, by key and version.
	KeyLives(ctx context.Context, tenant int32) ([]KeyLife, error)
	// NoteKey adds to what is on record of one version: l.Uses, which may be
	// negative, is added, and the sum is never below 0; of two times of creation
	// the earlier stays, of two of destruction the first that was noted.
	NoteKey(ctx context.Context, tenant int32, l KeyLife) error
	// ReviveKeys takes back every destruction, noted for a time before the given
	// one, of the key's versions from the given one on: they were seen to stand then.
	ReviveKeys(ctx context.Context, tenant int32, key string, from int32, before time.Time) error
}

// A Settler can wait for transactions. Both stores are.
type Settler interface {
	// Settle returns when every transaction that had begun before the call, and
	// could write, has ended; ErrUnavailable if ctx ends first. Not to be called
	// in a transaction.
	Settle(ctx context.Context) error
}

// News is what a store tells of a commit. The zero value: anything may have changed.
type News struct {
	Tenant int32
	// UID is the person whose keys were destroyed or replaced; Nil: the tenant has a
	// new catalog or policy.
	UID uuid.UUID
}

// A Herald tells of commits, of every process, as they happen. It may miss some, and
// nothing may rest on it but how soon memory is freed. A store with one process needs
// none.
type Herald interface {
	// Listen calls heard with one piece of news at a time until ctx ends, and then
	// returns nil. The zero News comes whenever some may have been missed: when it
	// begins to listen, and when a connection was lost.
	Listen(ctx context.Context, heard func(News)) error
}
