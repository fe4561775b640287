package vault

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/audit/evidence"
	"github.com/fieldvault/fieldvault/audit/trail"
	"github.com/fieldvault/fieldvault/audit/tree"
)

// openLog decides the action audit, and opens the caller's tenant's log.
func (v *Vault) openLog(ctx context.Context, c accessctl.Caller) (*tenant, *settings, trail.Log, error) {
	t, s, err := v.permitService(ctx, c, accessctl.ActionAudit)
	if err != nil {
		return nil, nil, trail.Log{}, err
	}
	log, err := v.logOf(t)
	return t, s, log, err
}

// logError turns what package trail says into what a caller can act on.
func logError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, trail.ErrNone), errors.Is(err, tree.ErrPath):
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	case errors.Is(err, trail.ErrAltered), errors.Is(err, tree.ErrBad):
		return fmt.Errorf("%w: %w", ErrIntegrity, err)
	}
	return err
}

// LogCheckpoint is the newest signed checkpoint of the tenant's log. It leaves no event:
// a witness that asks every second would else make the log that it watches.
// ErrNotFound while no event is sequenced.
func (v *Vault) LogCheckpoint(ctx context.Context, c accessctl.Caller) ([]byte, error) {
	_, _, log, err := v.openLog(ctx, c)
	if err != nil {
		return nil, err
	}
	_, signed, err := log.Current(ctx)
	return signed, logError(err)
}

// A LogState is how far the log has come, and whether its newest state holds.
type LogState struct {
	Size   int64
	Signed time.Time
	// Verified: the signature of the checkpoint is good, and the newest event is proven
	// to be in the tree that it signs. [Vault.Breach] and [Vault.Trend] compare all of it.
	Verified bool
}

// LogState says how the log stands, and leaves no event, like LogCheckpoint. ErrNotFound
// while no event is sequenced.
func (v *Vault) LogState(ctx context.Context, c accessctl.Caller) (LogState, error) {
	_, _, log, err := v.openLog(ctx, c)
	if err != nil {
		return LogState{}, err
	}
	at, signed, err := log.At(ctx)
	out := LogState{Size: at.Size, Signed: signed}
	if err == nil {
		err = log.ProveNewest(ctx, at)
	}
	if errors.Is(err, trail.ErrAltered) || errors.Is(err, tree.ErrBad) {
		return out, nil
	}
	out.Verified = err == nil
	return out, logError(err)
}

// LogTile is a tile of the log, or a bundle of events, by its C2SP path. Bundles show
// events, so reading one leaves an event; tiles are hashes, and leave none. ErrNotFound
// if the log does not go that far, or a bundle has lost events to pruning.
func (v *Vault) LogTile(ctx context.Context, c accessctl.Caller, path string) ([]byte, error) {
	t, s, log, err := v.openLog(ctx, c)
	if err != nil {
		return nil, err
	}
	tile, entries, err := tree.ParsePath(path)
	if err != nil {
		return nil, logError(err)
	}
	current, _, err := log.Current(ctx)
	if err != nil {
		return nil, logError(err)
	}
	if entries {
		b, err := bundle(ctx, log, tile, current.Size)
		if err != nil {
			return nil, err
		}
		return b, v.record(ctx, t, v.event(t, s, c, accessctl.ActionAudit))
	}
	b, err := log.Tile(ctx, tile)
	return b, logError(err)
}

// bundle is a bundle of events of a log of the given size.
func bundle(ctx context.Context, log trail.Log, tile tree.Tile, size int64) ([]byte, error) {
	if tile.N > size/tree.Width || tile.N*tree.Width+int64(tile.Width) > size {
		return nil, ErrNotFound
	}
	list, err := log.Entries(ctx, tile.N, tile.Width)
	if err != nil {
		return nil, logError(err)
	}
	var b []byte
	for _, leaf := range list {
		if leaf == nil {
			return nil, fmt.Errorf("%w: events were pruned", ErrNotFound)
		}
		if b, err = tree.AppendEntry(b, leaf); err != nil {
			return nil, fmt.Errorf("%w: an event of the log", ErrIntegrity)
		}
	}
	return b, nil
}

// LogProof proves that the event of an index is in the log of the given size, 0 for
// the newest. The proof was checked.
func (v *Vault) LogProof(ctx context.Context, c accessctl.Caller, index, size int64) (trail.Inclusion, error) {
	_, _, log, err := v.openLog(ctx, c)
	if err != nil {
		return trail.Inclusion{}, err
	}
	in, err := log.Prove(ctx, index, size)
	return in, logError(err)
}

// LogConsistency proves that the log of size from is a prefix of that of size to, 0
// for the newest, and gives the checkpoint of the latter. The proof was checked.
func (v *Vault) LogConsistency(ctx context.Context, c accessctl.Caller, from, to int64) ([]tree.Hash, []byte, error) {
	_, _, log, err := v.openLog(ctx, c)
	if err != nil {
		return nil, nil, err
	}
	p, signed, err := log.Consistency(ctx, from, to)
	return p, signed, logError(err)
}

// A LogQuery selects events of the log.
type LogQuery struct {
	From, To  time.Time // From <= time < To; zero: open
	FromIndex int64
	Subject   string // external id; "": all
	Actor     string // as in events; "": all
	Limit     int    // at most MaxLogPage; 0: 100
}

// MaxLogPage bounds the events of one answer.
const MaxLogPage = 1000

// A LogEntry is an event of the log.
type LogEntry struct {
	Index int64
	Leaf  []byte // audit.Event.AppendLeaf; nil: pruned
	// Altered: what is stored as the event is not what the tree has, or is gone though it
	// was not pruned. The tree itself is proven by LogProof.
	Altered bool

	hash tree.Hash
}

// A LogPage is a part of a list of events. Next is the index to go on from; 0: that was all.
type LogPage struct {
	Entries []LogEntry
	Next    int64
}

// LogEntries lists events by index. A person who was erased, or is not known, has none
// that could be found: their uid is forgotten, and so the list is empty.
func (v *Vault) LogEntries(ctx context.Context, c accessctl.Caller, q LogQuery) (LogPage, error) {
	t, s, log, err := v.openLog(ctx, c)
	if err != nil {
		return LogPage{}, err
	}
	find := trail.Find{From: q.From, To: q.To, FromIndex: q.FromIndex}
	if q.Subject != "" {
		if err := checkID("subject", q.Subject); err != nil {
			return LogPage{}, err
		}
		if find.About, err = v.uidOf(ctx, t, q.Subject); err != nil || find.About == uuid.Nil {
			return LogPage{}, errors.Join(err, v.record(ctx, t, v.event(t, s, c, accessctl.ActionAudit)))
		}
	}
	limit := q.Limit
	if limit <= 0 {
		limit = 100
	}
	page, err := logPageOf(ctx, log, find, q.Actor, min(limit, MaxLogPage))
	if err == nil {
		err = page.compare(ctx, log)
	}
	if err != nil {
		return LogPage{}, logError(err)
	}
	e := v.event(t, s, c, accessctl.ActionAudit)
	e.UID = find.About
	return page, v.record(ctx, t, e)
}

// uidOf is the uid of a living person, or Nil.
func (v *Vault) uidOf(ctx context.Context, t *tenant, subject string) (uid uuid.UUID, err error) {
	err = v.store.View(ctx, func(tx Tx) error {
		p, err := tx.Subject(ctx, t.row.ID, t.hash(subject), NoLock)
		switch {
		case errors.Is(err, ErrNoRow):
			return nil
		case err != nil:
			return err
		case !t.marked(&p):
			return ErrIntegrity
		case p.State == Live:
			uid = p.UID
		}
		return nil
	})
	return uid, err
}

// compare marks the entries that are not what the tree has.
func (p *LogPage) compare(ctx context.Context, log trail.Log) error {
	var below int64
	err := log.Store.View(ctx, func(tx trail.Tx) (err error) {
		below, err = tx.Pruned(ctx, log.Tenant)
		return err
	})
	if err != nil {
		return fmt.Errorf("reading how far the log is pruned: %w", err)
	}
	for i := range p.Entries {
		x := &p.Entries[i]
		if x.Leaf == nil {
			x.Altered = x.Index >= below
			continue
		}
		x.Altered = tree.LeafHash(x.Leaf) != x.hash
	}
	return nil
}

// logScan is how many entries one statement reads.
const logScan = 2000

// logPageOf reads entries until the page is full. An actor is looked for in the events,
// at most maxLogScan of them at a time: the page may then be short, and Next set.
func logPageOf(ctx context.Context, log trail.Log, f trail.Find, actor string, limit int) (LogPage, error) {
	var page LogPage
	for scanned := 0; scanned < maxLogScan; {
		f.Limit = logScan
		if actor == "" {
			f.Limit = limit - len(page.Entries)
		}
		list, err := log.Find(ctx, f)
		if err != nil {
			return page, err
		}
		for i := range list {
			x := &list[i]
			if actor != "" && !actedBy(x.Body, actor) {
				continue
			}
			if page.Entries = append(page.Entries, LogEntry{Index: x.Index, Leaf: x.Body, hash: x.Hash}); len(page.Entries) == limit {
				page.Next = x.Index + 1
				return page, nil
			}
		}
		if len(list) < f.Limit {
			return page, nil
		}
		f.FromIndex = list[len(list)-1].Index + 1
		scanned += len(list)
	}
	page.Next = f.FromIndex
	return page, nil
}

const maxLogScan = 200_000

func actedBy(leaf []byte, actor string) bool {
	e, err := audit.ParseLeaf(leaf)
	return err == nil && e.Actor == actor
}

// included is a signed document with the proof beside it that the log has its event;
// without one while it has not, or while that cannot be proven. The document is good
// either way.
func (v *Vault) included(ctx context.Context, t *tenant, event uuid.UUID, doc []byte) []byte {
	log, err := v.logOf(t)
	if err != nil {
		return doc
	}
	in, err := log.ProveEvent(ctx, event)
	if err == nil {
		var out []byte
		if out, err = evidence.Attach(doc, evidence.NewInclusion(in.Index, in.Leaf, in.Proof, in.Signed)); err == nil {
			return out
		}
	}
	if !errors.Is(err, trail.ErrNone) {
		v.log.WarnContext(ctx, "a document goes out without its proof of inclusion", "tenant", t.row.Name, "error", err)
	}
	return doc
}

// includedReceipt is included, of a receipt.
func (v *Vault) includedReceipt(ctx context.Context, t *tenant, doc []byte) []byte {
	signer := v.signer.get()
	if len(doc) == 0 || signer == nil {
		return doc
	}
	r, _, err := evidence.OpenReceipt(doc, signer.Public())
	if err != nil {
		return doc // of an earlier key, perhaps
	}
	return v.included(ctx, t, r.AuditEvent, doc)
}
