package trail

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/audit/tree"
)

// A Row is one event as it was written, or several that were written together.
type Row struct {
	ID     int64 // ascending in the order in which ids were given, which is not that of commits
	Tenant int32
	Leaf   []byte // see [Unpack]
	MAC    []byte // under the tenant's key; nil: written by a keeper, who has none

	own    []audit.Event // set: this process has just written them,
	hashes []tree.Hash   // and their leaves have these hashes; Leaf and MAC are not there
}

// A Leaf is the place of an event in the log of its tenant. What it says of the event
// beside its hash serves to find it, and is checked against the leaf by [Verify]. The
// events of one Row have one time, and ids that [PartID] makes of the first one's.
type Leaf struct {
	Index int64 // from 0
	Row   int64 // id of the Row
	Part  int   // of the Row's events, from 0; they stand one behind the other in the log
	Hash  tree.Hash
	Event uuid.UUID
	About uuid.UUID // the person's uid; Nil: nobody's
	At    time.Time // of the event, UTC in microseconds
}

// An Entry is a leaf with the event itself.
type Entry struct {
	Leaf
	// Tenant and Body are the event as it was written; Body is nil when it is not
	// there any more: it was pruned, or removed.
	Tenant int32
	Body   []byte
	Rest   int // how many events its row holds behind it
}

// A Node is the hash of a perfect subtree of 256^Level leaves, the N-th of that size.
type Node struct {
	Level int // from 1
	N     int64
	Hash  tree.Hash
}

// A Head is how far the log of a tenant goes.
type Head struct {
	Size   int64
	At     time.Time // when Signed was signed
	Signed []byte    // the checkpoint of Size; nil while the log is empty
}

// A Growth is what one step adds to the log of one tenant.
type Growth struct {
	Tenant int32
	From   int64  // the size before
	Leaves []Leaf // from index From on, without gaps
	Nodes  []Node
	Head   Head
}

// A Lease lets one process at a time sequence.
type Lease struct {
	Owner string
	Fence int64 // one more with each new owner
	Until time.Time
	// Settled: every row with an id up to it is in the tree, was refused, or will
	// never be there.
	Settled int64
}

// A Find selects entries of one tenant by what they are about. Zero members select all.
type Find struct {
	About      uuid.UUID
	From, To   time.Time // events with From <= time < To
	FromIndex  int64     // entries from this index on
	BelowIndex int64     // 0: up to the end
	Limit      int
	Newest     bool // the highest index first
}

// A Tx is the part of a store's transaction that keeps the logs. Nothing that is
// written through it is ever changed or deleted, but for the lease.
type Tx interface {
	// Lead takes the lease, or renews it, until the given time. ErrNotLeader while
	// another owner has it at `now`.
	Lead(ctx context.Context, owner string, now, until time.Time) (Lease, error)
	// Leave gives the lease back, if l is still the one.
	Leave(ctx context.Context, l Lease) error
	// Pending lists rows by id that may not be in the tree: at most limit of those
	// with an id beyond after, and all of those named.
	Pending(ctx context.Context, after int64, named []int64, limit int) ([]Row, error)
	// PendingOf lists at most limit rows of one tenant that are not in the tree, with
	// ids beyond after, by id.
	PendingOf(ctx context.Context, tenant int32, after int64, limit int) ([]Row, error)
	// Sequenced lists ids beyond after of rows that are in the tree, ascending, at most limit.
	Sequenced(ctx context.Context, after int64, limit int) ([]int64, error)
	// Known says which of the events are in the tenant's log, with their indexes.
	Known(ctx context.Context, tenant int32, events []uuid.UUID) (map[uuid.UUID]int64, error)
	// Grow adds to logs under the lease and raises Settled. ErrNotLeader if it is not
	// l's any more. Every g.From must be the size that the log has.
	Grow(ctx context.Context, l Lease, settled int64, gs []Growth) error

	// Pruned is the index below which events of a tenant may have been deleted by age.
	Pruned(ctx context.Context, tenant int32) (int64, error)
	// Prune raises Pruned, never lowers it, and deletes rows of about limit events below it,
	// but none that holds an event from there on; 0 deleted: none are left. The leaves stay.
	// On PostgreSQL only the owner of the tables can.
	Prune(ctx context.Context, tenant int32, below int64, limit int) (deleted int, err error)

	// Head is the newest checkpoint of a tenant.
	Head(ctx context.Context, tenant int32) (Head, error)
	// Hashes lists hashes of level 0 (leaves) or above (nodes), numbers from <= n < to.
	// Fewer are returned when some are not there.
	Hashes(ctx context.Context, tenant int32, level int, from, to int64) ([]tree.Hash, error)
	// Entries lists entries with indexes from <= i < to, by index.
	Entries(ctx context.Context, tenant int32, from, to int64) ([]Entry, error)
	// FindEntries lists entries by index.
	FindEntries(ctx context.Context, tenant int32, f Find) ([]Entry, error)
	// Misfiled makes again what FindEntries finds entries about a person by, where it is
	// in tables and covers entries with indexes from <= i < to to the last, and says from
	// which index on it is not as the leaves have it. With a to beyond the log, whether
	// there is more of it than the log has, too.
	Misfiled(ctx context.Context, tenant int32, from, to int64) (index int64, found bool, err error)
	// Refile makes anew, and alone, all that Misfiled compares of a tenant's log. progress
	// is told how many entries are covered again. On PostgreSQL only the owner of the
	// tables can.
	Refile(ctx context.Context, tenant int32, progress func(done, total int64)) error
	// Checkpoints lists at most limit signed checkpoints with sizes beyond after, by size.
	Checkpoints(ctx context.Context, tenant int32, after int64, limit int) ([]Head, error)
	// Stray lists at most limit rows of a tenant with ids beyond after that are not in
	// the tree, by id: those up to the lease's Settled, and of later ones those that
	// stand more than MaxGap beyond it and beyond any row before them.
	Stray(ctx context.Context, tenant int32, after int64, limit int) ([]Row, error)
}

// A Store runs functions in transactions, as vault.Store does.
type Store interface {
	// View runs f on one consistent snapshot.
	View(ctx context.Context, f func(Tx) error) error
	// Update runs f atomically; it may run more than once.
	Update(ctx context.Context, f func(Tx) error) error
	// Settle returns when every transaction that had begun before the call, and
	// could write, has ended.
	Settle(ctx context.Context) error
}
