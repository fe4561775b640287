package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/vault/catalog"
)

// JobReindex is the kind of the jobs that [Vault.ReindexStep] does.
const JobReindex = "reindex"

// The phases of a re-index, in order. Fill is a pass over all records, which is
// repeated until it finds nothing.
const (
	reindexBegin  = "begin"  // wait for writes that do not know the new versions
	reindexFill   = "fill"   // make the entries that are missing
	reindexSwitch = "switch" // from now on only the new versions are searched and written
	reindexDrain  = "drain"  // wait for writes that still store entries of the old ones
	reindexClean  = "clean"  // remove old entries, then destroy their key
)

// A reindexCursor is where a re-index stands. It may be lost, and all begins again.
type reindexCursor struct {
	Phase string   `json:"phase"`
	Fill  []string `json:"fill"`  // labels of the versions to be filled
	Gone  []string `json:"gone"`  // labels of the versions to be destroyed
	At    ScanPos  `json:"at"`    // the last record of the pass
	Left  int64    `json:"left"`  // records of this pass that lacked entries
	Stuck int64    `json:"stuck"` // records of this pass that cannot be indexed
	Made  int64    `json:"made"`  // records that got entries
	Ended int64    `json:"ended"` // versions that were destroyed
}

// A reindexing is one step of a re-index.
type reindexing struct {
	v   *Vault
	by  accessctl.Caller
	t   *tenant
	s   *settings
	cur reindexCursor
	job Job
}

// ReindexStep does one step of a job of the kind JobReindex: at the end, every record
// has entries of the latest version of each index, these alone are searched and
// written, and no other entries and index keys are left. by is the process. It returns
// j with new Cursor, Done, Total and Note. A step may be repeated, broken off at any
// point, or run twice at once; one that was held up while others finished the job
// changes nothing.
//
//	begin:  the catalog that asked for this is in force, and every write that begins
//	        stores entries of both versions; wait for those that began before
//	fill:   open the values of records that lack entries and make them, as a write
//	        does: with the person's row locked, and live; again until none lacks any
//	switch: a catalog without the old versions. A search that goes by another than
//	        the one in force begins again, so that none misses what is written now
//	drain:  wait for the writes that began before
//	clean:  remove the old entries, then destroy the old key
//
// It goes over people who are held or restricted, too: nothing is opened for anybody,
// and no value is destroyed; the entries that go are made again under the new key. The
// error is a *KeyError when records are left that cannot be indexed, because a key or a
// value does not open; then the old version stays in use.
func (v *Vault) ReindexStep(ctx context.Context, by accessctl.Caller, j Job) (next Job, done bool, err error) {
	r := &reindexing{v: v, by: by, job: j, cur: reindexCursor{Phase: reindexBegin}}
	if len(j.Cursor) > 0 {
		if err := json.Unmarshal(j.Cursor, &r.cur); err != nil {
			return j, false, fmt.Errorf("reading where a re-index stands: %w", ErrIntegrity)
		}
	}
	if err := r.open(ctx); err != nil {
		return j, false, err
	}
	switch r.cur.Phase {
	case reindexBegin:
		err = r.begin(ctx)
	case reindexFill:
		err = r.fill(ctx)
	case reindexSwitch:
		err = r.change(ctx)
	case reindexDrain:
		err = r.drain(ctx)
	case reindexClean:
		done, err = r.clean(ctx)
	default:
		err = fmt.Errorf("reading where a re-index stands: %w", ErrIntegrity)
	}
	if errors.Is(err, errRestart) { // another catalog is in force: look again
		return j, false, nil
	}
	if err != nil {
		return j, false, err
	}
	if r.job.Cursor, err = json.Marshal(r.cur); err != nil {
		return j, false, fmt.Errorf("writing where a re-index stands: %w", err)
	}
	r.job.Total = max(r.job.Total, r.job.Done)
	return r.job, done, nil
}

// open reads the settings in force. What stands behind a closed gate is not opened.
func (r *reindexing) open(ctx context.Context) error {
	k, err := r.v.kekOf(ctx, r.job.Tenant)
	if err != nil {
		return err
	}
	if r.t, r.s, err = r.v.freshOpen(ctx, k.name); err != nil {
		if errors.Is(err, ErrDenied) { // it is not open here yet
			err = fmt.Errorf("%w: the tenant's keys are not open", ErrUnavailable)
		}
		return err
	}
	r.by.Tenant = r.t.row.Name
	return nil
}

func (r *reindexing) begin(ctx context.Context) error {
	e := r.v.event(r.t, r.s, r.by, accessctl.ActionKeys)
	e.Code, e.Subject = JobReindex, []audit.Attr{{Key: "job", Value: r.job.ID.String()}}
	if err := r.v.record(ctx, r.t, e); err != nil { // values are opened, and shown to nobody
		return err
	}
	r.cur.Fill = fillingLabels(r.s.catalog)
	if len(r.cur.Fill) == 0 {
		r.cur.Phase = reindexDrain
		return nil
	}
	if err := r.v.settle(ctx); err != nil {
		return err
	}
	var n int64
	err := r.v.store.View(ctx, func(tx Tx) (err error) {
		n, err = tx.CountRecords(ctx, r.t.row.ID)
		return err
	})
	if err != nil {
		return fmt.Errorf("counting records: %w", err)
	}
	r.job.Done, r.job.Total = 0, 2*n // one pass to fill, one to see that nothing is missing
	r.job.Note = "indexing records"
	r.cur.Phase = reindexFill
	return nil
}

// endPass says how to go on after a pass.
func (r *reindexing) endPass() error {
	r.cur.At = ScanPos{} // it names somebody's record
	switch {
	case r.cur.Left > 0:
		r.job.Note = "looking for records that still lack entries"
		r.cur.Left, r.cur.Stuck = 0, 0
		return nil
	case r.cur.Stuck > 0:
		return &KeyError{
			Why:  fmt.Sprintf("%d records cannot be indexed: a key or a value does not open; the index is searched by its earlier version as before", r.cur.Stuck),
			Next: "run `fieldvault fsck`, which names them; repair them or erase the people; then apply the catalog again",
		}
	}
	r.cur.Phase = reindexSwitch
	return nil
}

// change puts a catalog in force in which the new versions stand alone.
func (r *reindexing) change(ctx context.Context) error {
	d, err := r.v.document(ctx, r.t, DocumentCatalog)
	if err != nil {
		return fmt.Errorf("reading the catalog: %w", err)
	}
	cat, err := catalog.Unmarshal(d.Body)
	if err != nil {
		return fmt.Errorf("%w: the stored catalog", ErrIntegrity)
	}
	filling := fillingLabels(cat)
	switch {
	case len(filling) == 0: // by this step, before it was broken off
		r.cur.Phase = reindexDrain
		return nil
	case slices.ContainsFunc(filling, func(l string) bool { return !slices.Contains(r.cur.Fill, l) }):
		r.cur = reindexCursor{Phase: reindexBegin}
		return nil
	}
	p := publication{kind: DocumentCatalog, doc: Document{Version: cat.Version + 1, Source: d.Source}}
	if p.doc.Body, err = catalog.Marshal(cat.Filled()); err != nil {
		return fmt.Errorf("encoding the catalog: %w", err)
	}
	err = r.v.publish(ctx, r.by, r.t, r.s, p)
	if errors.Is(err, ErrConflict) {
		return errRestart
	}
	if err != nil {
		return err
	}
	r.cur.Phase = reindexDrain
	return nil
}

// drain names the versions that nothing needs any longer, and waits until nothing
// stores entries of them.
func (r *reindexing) drain(ctx context.Context) (err error) {
	if r.cur.Gone, err = r.v.obsoleteIndexes(ctx, r.t, r.s.catalog); err != nil {
		return err
	}
	if err := r.v.settle(ctx); err != nil {
		return err
	}
	r.cur.Phase = reindexClean
	r.job.Note = "removing entries under earlier keys"
	return nil
}

// cleanEntries is how many index entries one transaction removes.
const cleanEntries = 1000

// clean removes entries of a version, or once there are none its key.
func (r *reindexing) clean(ctx context.Context) (done bool, err error) {
	if len(r.cur.Gone) == 0 {
		r.job.Done = r.job.Total
		r.job.Note = fmt.Sprintf("%d records were indexed; %d earlier index keys are destroyed", r.cur.Made, r.cur.Ended)
		return true, nil
	}
	label := r.cur.Gone[0]
	x, ok := parseIndexLabel(label)
	if !ok || !obsolete(r.s.catalog, x) {
		return false, fmt.Errorf("a key to be destroyed is in use: %w", ErrIntegrity)
	}
	var entries int
	err = r.v.store.Update(ctx, func(tx Tx) (err error) {
		if entries, err = tx.DeleteIndex(ctx, r.t.row.ID, x, cleanEntries); err != nil || entries > 0 {
			return err
		}
		gone, err := tx.DeleteTenantKey(ctx, r.t.row.ID, label)
		if err != nil || !gone {
			return err
		}
		if err := tx.NoteKey(ctx, r.t.row.ID, KeyLife{Key: label, Destroyed: r.v.now()}); err != nil {
			return err
		}
		e := r.v.event(r.t, r.s, r.by, accessctl.ActionKeys)
		e.Code, e.Subject = codeDestroyIndex, []audit.Attr{{Key: "key", Value: label}}
		return r.v.append(ctx, tx, r.t, e)
	})
	if err != nil {
		return false, fmt.Errorf("destroying a version of an index: %w", err)
	}
	r.v.unclean.Store(true)
	if entries == 0 {
		r.t.unpin()
		r.cur.Gone, r.cur.Ended = r.cur.Gone[1:], r.cur.Ended+1
	}
	return false, nil
}

// codeDestroyIndex says of an event of ActionKeys that a version of an index key was
// destroyed, after its entries.
const codeDestroyIndex = "destroy_index"
