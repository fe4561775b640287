package vault

import (
	"context"
	"math"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/audit/trail"
	"github.com/fieldvault/fieldvault/vault/ledger"
)

// A Store keeps rows. It decides nothing, sees no plaintext, and never logs or
// returns the text of the database: what a caller cannot act on is
// [ErrUnavailable], wrapped with what was being done.
//
// Two implementations exist, pgstore and sqlitestore; package storetest keeps
// them equal. Strings are compared byte by byte. All times are UTC and exact
// to the microsecond. A Store is safe for concurrent use.
type Store interface {
	// View runs f on one consistent snapshot of the primary. Writing methods
	// of the Tx fail.
	View(ctx context.Context, f func(Tx) error) error
	// Update runs f atomically: all of its writes are durable when Update
	// returns nil, none when f or Update fails. f may run more than once
	// (serialization failure, deadlock), so it must have no effect outside
	// the Tx that a second run does not undo. An error of f is returned as is.
	Update(ctx context.Context, f func(Tx) error) error
	// LoadForReveal reads what decides every item, in one statement on the
	// primary, begun after the call. Items come back in order. On PostgreSQL
	// it runs outside any explicit transaction.
	LoadForReveal(ctx context.Context, q LoadQuery) (*Loaded, error)
	// AppendEvents makes the events durable, all or none, and returns the ids of
	// their rows, in their order; 0: it cannot say. Concurrent calls share a
	// commit. On PostgreSQL it is one statement, outside any explicit transaction.
	AppendEvents(ctx context.Context, events []Intake) ([]int64, error)
	// Ping says whether the store answers and may serve: nil, or why not.
	Ping(ctx context.Context) error
	// Close waits for what runs and frees the store.
	Close() error
}

// A Tx is one transaction of a [Store]: its parts, by noun.
type Tx interface {
	TenantTx
	DocumentTx
	SubjectTx
	KeyTx
	RecordTx
	IndexTx
	ConsentTx
	IdempotencyTx
	EventTx
	NewPeopleTx
	SweepTx
	LedgerTx
	ErasureTx
	ShredTx
	ResealTx
	HoneyTx
	TicketTx
	TokenTx
	RequestTx
	BreakerTx
	JobTx
	RewrapTx
	KeyLifeTx
	BudgetTx
	ReleaseTx
	trail.Tx
}

// SystemTenant is the id of the reserved tenant row that holds the service's
// own keys. It exists in every migrated store; its name is keyring.System.
const SystemTenant int32 = 0

// A Tenant is an isolated customer of the service.
type Tenant struct {
	ID   int32 // surrogate, from 1
	Name string
	// KEKEpoch is the lowest version of the tenant's key-encryption key under
	// which new wraps are accepted. From 1.
	KEKEpoch int32
	Created  time.Time
}

// A TenantKey is a 32-byte secret of a tenant, wrapped. Label says what it is
// for: "lookup", "cursor", "mac", "idempotency", "pseudonym", "index/<collection>/<field>/<version>"
// by catalog ids, or "signing" for the system tenant.
type TenantKey struct {
	Label      string
	KEKVersion int32
	Wrapped    []byte
}

// TenantTx reads and makes tenants and their keys.
type TenantTx interface {
	// Tenants lists all tenants but the system's, by id.
	Tenants(ctx context.Context) ([]Tenant, error)
	// InsertTenant makes a tenant, or returns the one that has the name.
	// The id of t is not read.
	InsertTenant(ctx context.Context, t Tenant) (stored Tenant, created bool, err error)
	// TenantKeys lists the keys of a tenant, by label.
	TenantKeys(ctx context.Context, tenant int32) ([]TenantKey, error)
	// InsertTenantKey stores a key unless the label is taken. ErrStaleKEK as in
	// InsertKey.
	InsertTenantKey(ctx context.Context, tenant int32, k TenantKey) (inserted bool, err error)
}

// The kinds of versioned documents of a tenant.
const (
	DocumentCatalog = "catalog"
	DocumentPolicy  = "policy"
)

// A Document is one version of a tenant's catalog or policy.
type Document struct {
	Version int64  // from 1, without gaps
	Body    []byte // with the tenant's MAC over kind, version, body and source before it
	Source  []byte // what was applied, as it was written
	By      string // the actor
	Created time.Time
}

// DocumentTx reads and appends versioned documents.
type DocumentTx interface {
	// Document reads a version, or the current one for 0. ErrNoRow if absent.
	Document(ctx context.Context, tenant int32, kind string, version int64) (Document, error)
	// CatalogVersion is the version of the current catalog; 0: none yet. ErrNoRow if
	// there is no such tenant. On PostgreSQL it is the one of the last commit before
	// the call, also late in a transaction.
	CatalogVersion(ctx context.Context, tenant int32) (int64, error)
	// InsertDocument appends the next version. ErrStale unless d.Version is
	// the current one plus one. The versions that LoadForReveal returns are
	// those of the last commit.
	InsertDocument(ctx context.Context, tenant int32, kind string, d Document) error
}

// A Lifecycle is the state of a person: live, or erased, which is for ever.
type Lifecycle int16

// The states. The schema, too, lets no row go from Erased to Live of the same
// generation.
const (
	Live   Lifecycle = 1
	Erased Lifecycle = 2
)

// LookupSize is [ledger.LookupSize]: the bytes of every Lookup here.
const LookupSize = ledger.LookupSize

// A Subject is a person's row in the directory, one per (tenant, lookup),
// never deleted.
type Subject struct {
	Tenant     int32
	Lookup     []byte    // LookupSize bytes: keyed hash of the external id
	UID        uuid.UUID // of this generation; Nil once the sweep has forgotten it
	Generation uint32    // from 1
	State      Lifecycle
	Restricted bool
	Held       bool
	// Mark is a MAC over all of the above under the tenant's key, and a digest of
	// the consents and group epochs that the row answers for.
	Mark []byte
	// SealedID is the external id, sealed in the person's identity group; nil when erased.
	SealedID []byte
	// Note is the sealed reason of a hold or restriction; nil when none.
	Note []byte
	// Certificate is the signed statement of the erasure; nil while live.
	Certificate []byte
	Created     time.Time
	ErasedAt    time.Time // zero while live
}

// A Lock says how a row is locked until the transaction ends.
type Lock uint8

// The locks. On a store with one writer they are all the same.
const (
	NoLock        Lock = iota
	ShareLock          // excludes ExclusiveLock (PostgreSQL: FOR SHARE, not KEY SHARE)
	ExclusiveLock      // excludes both (PostgreSQL: FOR UPDATE)
)

// SubjectTx reads and writes the directory.
type SubjectTx interface {
	// Subject reads a person's row. ErrNoRow if absent.
	Subject(ctx context.Context, tenant int32, lookup []byte, lock Lock) (Subject, error)
	// SubjectByUID reads the row of the person with this uid. ErrNoRow if absent.
	SubjectByUID(ctx context.Context, tenant int32, uid uuid.UUID, lock Lock) (Subject, error)
	// LookupsByUID finds the rows of the people with these uids, in one statement:
	// the lookups by uid, less those of nobody in the tenant.
	LookupsByUID(ctx context.Context, tenant int32, uids []uuid.UUID) (map[uuid.UUID][]byte, error)
	// InsertSubject adds a row unless the lookup is taken.
	InsertSubject(ctx context.Context, s Subject) (inserted bool, err error)
	// UpdateSubject writes every column of s where (tenant, lookup) is s's and
	// the stored generation is `generation`. ErrStale unless exactly one row changed.
	// The schema refuses an Erased row beside keys: DestroyKeys comes before it.
	UpdateSubject(ctx context.Context, s Subject, generation uint32) error
}

// A DataKey is a person's wrapped key of one group. Wrapped is nil after the
// group was erased and before it is written to again: its place then still says
// the current epoch.
type DataKey struct {
	Group      uint32
	Epoch      uint32 // from 1
	Version    uint32 // from 1
	KEKVersion int32
	Wrapped    []byte
}

// UnreadableKeys stands for the keys of a person that were changed to what a store
// cannot read: one of group 0, which no group has, at an epoch for which no row of the
// directory answers, wrapped in what opens with no key. So nothing of this person
// opens, and nobody else's is held up.
func UnreadableKeys(stored []byte) []DataKey {
	return []DataKey{{Epoch: math.MaxUint32, Wrapped: stored}}
}

// KeyTx reads, stores and destroys wrapped keys. No method is an upsert that
// could bring back a destroyed key.
type KeyTx interface {
	// Keys lists a person's keys by group. ErrIntegrity if they were changed to what
	// cannot be read: so is it from what would change them, but for DestroyKeys.
	Keys(ctx context.Context, tenant int32, uid uuid.UUID) ([]DataKey, error)
	// InsertKey stores k if the person has no place for the group, or has one
	// with the same epoch and no wrapped key. Otherwise it changes nothing
	// and says false. ErrStaleKEK if k.KEKVersion is below the tenant's epoch,
	// read in this transaction; ErrNoRow if nobody living has the uid. Whoever
	// holds a lock on the person's row must hold an ExclusiveLock.
	InsertKey(ctx context.Context, tenant int32, uid uuid.UUID, k DataKey) (inserted bool, err error)
	// DestroyKeys takes all keys out of the person's row and returns what was destroyed, less
	// the wrapped bytes. Keys that cannot be read go too, and nothing is said of them.
	DestroyKeys(ctx context.Context, tenant int32, uid uuid.UUID) ([]DataKey, error)
	// DestroyGroup removes the wrapped key of one group and raises the epoch by
	// one; a group without a place gets one, at epoch 2. It returns what was destroyed.
	// ErrNoRow and locks as of InsertKey.
	DestroyGroup(ctx context.Context, tenant int32, uid uuid.UUID, group uint32) (DataKey, error)
}

// A Record is one row: all sealed fields of a record, packed.
type Record struct {
	Collection uint32
	Record     string
	Revision   uint64 // monotone, over deletion too; 0 only for a row just locked
	Deleted    bool
	Sealed     []byte // field.AppendPacked; nil when deleted
}

// A RecordRef names a record of a person.
type RecordRef struct {
	Collection uint32
	Record     string
}

// RecordTx reads and writes records.
type RecordTx interface {
	// LockRecord returns the row, locked until the transaction ends. An absent
	// one is made first, deleted, at revision 0.
	LockRecord(ctx context.Context, tenant int32, uid uuid.UUID, ref RecordRef) (Record, error)
	// PutRecord writes a row that LockRecord returned in this transaction.
	PutRecord(ctx context.Context, tenant int32, uid uuid.UUID, r Record) error
	// ListRecords lists undeleted records by (collection, record), after the
	// given one; collection 0 is all. No sealed bytes.
	ListRecords(ctx context.Context, tenant int32, uid uuid.UUID, collection uint32, after RecordRef, limit int) ([]Record, error)
	// CountRecords says how many undeleted records the tenant has.
	CountRecords(ctx context.Context, tenant int32) (int64, error)
}

// An IndexEntry is one blind-index value of a field.
type IndexEntry struct {
	Field   uint32
	Version uint32
	Value   []byte
}

// An IndexVersion names all entries of a field that were made under one key.
type IndexVersion struct {
	Collection uint32
	Field      uint32
	Version    uint32
}

// An IndexQuery asks for the live records whose field has one of Values, or of one version
// every one of Every.
type IndexQuery struct {
	Tenant     int32
	Collection uint32
	Field      uint32
	Values     []IndexEntry // Field is not read; any (Version, Value) pair matches
	Every      []IndexEntry // likewise; all of a version together match. It may be empty
	AfterUID   uuid.UUID    // continue after (uid, record)
	AfterRec   string
	Limit      int
}

// A Candidate is a record that an index query found. It may be a planned
// collision: the caller opens and compares.
type Candidate struct {
	Lookup []byte
	UID    uuid.UUID
	Record string
}

// IndexTx keeps blind indexes.
type IndexTx interface {
	// ReplaceIndex deletes the record's entries of the named fields (nil: of
	// all fields) and stores the new ones.
	ReplaceIndex(ctx context.Context, tenant int32, uid uuid.UUID, ref RecordRef, fields []uint32, entries []IndexEntry) error
	// DeleteIndex removes at most limit entries of one version of the index of a
	// field, of all people, and says how many; 0 means none are left.
	DeleteIndex(ctx context.Context, tenant int32, q IndexVersion, limit int) (int, error)
	// SearchIndex lists candidates of live people by (uid, record), joined by
	// the live uid, without repetition.
	SearchIndex(ctx context.Context, q IndexQuery) ([]Candidate, error)
}

// A Consent is the current decision of a person for one purpose.
type Consent struct {
	Purpose  string
	Decision string // consent.Decision
	Notice   string
	Method   string
	At       time.Time
	Expires  time.Time // zero: never
	Evidence []byte    // sealed in the person's identity group; nil when none
	Receipt  []byte    // the signed receipt
	MAC      []byte    // under the tenant's key, over consent.Canonical
}

// ConsentTx keeps consents.
type ConsentTx interface {
	// Consents lists the current decisions by purpose.
	Consents(ctx context.Context, tenant int32, uid uuid.UUID) ([]Consent, error)
	// PutConsent sets the current decision for the purpose and appends it to the history.
	PutConsent(ctx context.Context, tenant int32, uid uuid.UUID, c Consent) error
	// ConsentHistory lists all decisions of the person, oldest first.
	ConsentHistory(ctx context.Context, tenant int32, uid uuid.UUID) ([]Consent, error)
}

// An Effect is what an idempotent request did, kept so that its repetition
// does nothing. It holds no value.
type Effect struct {
	Tenant   int32
	Key      []byte // 32 bytes: keyed hash of principal and idempotency key
	Request  []byte // 32 bytes: keyed hash of the request
	UID      uuid.UUID
	Lookup   []byte // the person, so that the answer dies with them
	Created  bool
	Revision uint64
	At       time.Time
	Expires  time.Time
}

// IdempotencyTx remembers effects.
type IdempotencyTx interface {
	// InsertEffect stores e unless the key is taken by an effect that has not
	// expired at e.At; then it returns that one, waiting for a concurrent
	// transaction that holds it.
	InsertEffect(ctx context.Context, e Effect) (standing Effect, inserted bool, err error)
	// UpdateEffect sets Created and Revision of an effect inserted in this transaction.
	UpdateEffect(ctx context.Context, e Effect) error
	// DeleteEffects removes at most limit effects that expired before t and says how many.
	DeleteEffects(ctx context.Context, t time.Time, limit int) (int, error)
}

// An Intake is a row of one event on its way into the log, or of several.
type Intake struct {
	Tenant int32
	Leaf   []byte // see trail.Unpack
	MAC    []byte // under the tenant's key, over the hashes of the leaves; nil: none
}

// A StoredEvent is a row of events as it was stored. IDs rise, but are given before
// commits: a higher one can be visible first.
type StoredEvent struct {
	ID     int64
	Tenant int32
	Leaf   []byte // see trail.Unpack
}

// EventTx appends and reads events.
type EventTx interface {
	// AppendEvent stores an event with the transaction.
	AppendEvent(ctx context.Context, e Intake) error
	// AppendEvents stores events with the transaction, in their order.
	AppendEvents(ctx context.Context, events []Intake) error
	// Events lists rows of events of a tenant with an id above after, by id.
	Events(ctx context.Context, tenant int32, after int64, limit int) ([]StoredEvent, error)
}

// SweepTx removes what an erasure left behind.
type SweepTx interface {
	// Unswept lists erased people whose uid is not yet forgotten.
	Unswept(ctx context.Context, limit int) ([]Subject, error)
	// Sweep deletes at most limit rows of the uid from every subject-bearing
	// table but the directory, and says how many; 0 means none are left.
	Sweep(ctx context.Context, tenant int32, uid uuid.UUID, limit int) (int, error)
}

// A Ref names a record of a person by lookup. Collection 0: the person alone.
type Ref struct {
	Lookup     []byte
	Collection uint32
	Record     string
}

// A LoadQuery asks for what decides and answers a read.
type LoadQuery struct {
	Tenant int32
	Items  []Ref
	// Identity asks for SealedID, Note and Certificate too, which reveals do not need.
	Identity bool
}

// Loaded is the answer to a LoadQuery, of one instant.
type Loaded struct {
	// CatalogVersion and PolicyVersion are the tenant's current ones; 0: none yet.
	CatalogVersion int64
	PolicyVersion  int64
	KEKEpoch       int32
	// Incarnation names this run of this history of the database: it changes when
	// the server starts again, is promoted, or is restored. "" where that cannot
	// happen while the store is open.
	Incarnation string
	// Replica says that the store answering is a read-only copy: nothing may be revealed.
	Replica bool
	Items   []LoadedItem
}

// A LoadedItem answers a Ref. Slices are the receiver's.
type LoadedItem struct {
	// Subject is the person's row, or nil. SealedID, Note and Certificate only
	// if the query asked for Identity.
	Subject  *Subject
	Keys     []DataKey // by group; UnreadableKeys if they cannot be read
	Consents []Consent // less Evidence and Receipt
	// Record is the record, or nil when there is none; a deleted one is returned.
	Record *Record
}

// A NewPerson is everything that a person's first write stores.
type NewPerson struct {
	Subject Subject
	Keys    []DataKey
	Records []NewRecord
}

// A NewRecord is a record with the entries of its fields in the blind indexes.
type NewRecord struct {
	Record
	Entries []IndexEntry
}

// NewPeopleTx stores in a few statements what would take several for each person.
type NewPeopleTx interface {
	// InsertPeople stores people of one tenant whose uids nobody has had, in the order
	// of their lookups. inserted is false if a lookup is taken: the transaction then
	// must not be committed. ErrStaleKEK as in InsertKey.
	InsertPeople(ctx context.Context, tenant int32, people []NewPerson) (inserted bool, err error)
}

// A ScanPos is a place in a scan of the whole store; the zero value is the start.
type ScanPos struct {
	Tenant     int32
	UID        uuid.UUID
	Collection uint32
	Record     string
}

// A ScannedRecord is a record with the person it belongs to.
type ScannedRecord struct {
	Pos     ScanPos
	Record  Record
	Subject *Subject  // the directory row with this uid; nil: an orphan
	Keys    []DataKey // by group; UnreadableKeys if they cannot be read
	Index   []IndexEntry
}

// An Inspector walks a whole store, for fsck. Both stores implement it.
type Inspector interface {
	// ScanRecords lists records of all people in the order of ScanPos, after pos.
	ScanRecords(ctx context.Context, after ScanPos, limit int) ([]ScannedRecord, error)
	// ScanSubjects lists directory rows of a tenant by lookup, after the given one.
	ScanSubjects(ctx context.Context, tenant int32, after []byte, limit int) ([]Subject, error)
	// Orphans names every subject-bearing table that has rows of a uid that no
	// row of the directory has, with their number. The nil uid is nobody's.
	Orphans(ctx context.Context) (map[string]int64, error)
	// SubjectTables lists the tables that bear subjects' rows, derived from the schema.
	SubjectTables(ctx context.Context) ([]string, error)
}
