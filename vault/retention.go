package vault

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/crypto/field"
	"github.com/fieldvault/fieldvault/vault/catalog"
)

// JobRetention is the kind of the jobs that [Vault.RetentionStep] does.
const JobRetention = "retention"

// keptAgain is after how long values that a hold or a restriction keeps are looked
// at again.
const keptAgain = 24 * time.Hour

// A retentionCursor is where a pass over all records stands. It may be lost, and all
// begins again. That of a pass that has ended says when the next one is needed.
type retentionCursor struct {
	At      ScanPos   `json:"at"` // the last record looked at
	Began   time.Time `json:"began"`
	Catalog int64     `json:"catalog"` // its version; another one begins anew

	Removed int64   `json:"removed"` // values
	Deleted int64   `json:"deleted"` // records of which nothing was left
	Kept    int64   `json:"kept"`    // values that are kept past their time, by a hold or a restriction
	Stuck   int64   `json:"stuck"`   // records and people that do not verify: fsck names them
	Longest float64 `json:"longest"` // seconds a value was removed after its time, at most
	Total   float64 `json:"total"`   // the same, of all values together

	// First is when the next time of a value ends, and Held the same of people under a
	// hold or a restriction. Zero: none was seen. First is in the past while something
	// is overdue.
	First time.Time `json:"first"`
	Held  time.Time `json:"held"`
}

// sooner is the earlier of two times, of which the first may be none.
func sooner(known, other time.Time) time.Time {
	if known.IsZero() || !other.IsZero() && other.Before(known) {
		return other
	}
	return known
}

// next is when another pass can find something: the first of the ends that this one
// saw, and the first that a value can have that was written after it began.
func (c *retentionCursor) next(shortest catalog.Days) time.Time {
	next := sooner(sooner(c.Began.AddDate(0, 0, int(shortest)), c.First), c.Held)
	if c.Kept > 0 {
		next = sooner(next, c.Began.Add(keptAgain))
	}
	return next
}

// An expiring is one step of a pass.
type expiring struct {
	v      *Vault
	by     accessctl.Caller
	t      *tenant
	s      *settings
	limits keptFor
	cur    retentionCursor
	job    Job
}

// A pastEnd is a record with values whose time has passed.
type pastEnd struct {
	lookup []byte
	uid    uuid.UUID
	ref    RecordRef
}

// RetentionStep does one step of a job of the kind JobRetention: a pass over all
// records that removes the values whose time has passed (see [catalog.Catalog.Kept]),
// with their index entries, and the records of which nothing is left. by is the
// process. It returns j with new Cursor, Done, Total and Note. A step may be repeated,
// broken off at any point, or run twice at once.
//
// What is removed is decided under the locks of a write, on the record as it stands
// then: a value that is written meanwhile has its own time. The record's revision goes
// up, and an event of the action delete and the code "expired" names the fields. The
// breaker does not count it.
//
// Under a hold nothing is removed, nor while the person has processing restricted
// (GDPR Art. 18: storage only); such values are looked at again. What is left of
// erased people is the sweep's, and of fields that the catalog no longer has, nobody's.
func (v *Vault) RetentionStep(ctx context.Context, by accessctl.Caller, j Job) (next Job, done bool, err error) {
	r := &expiring{v: v, by: by, job: j}
	if len(j.Cursor) > 0 {
		if err := json.Unmarshal(j.Cursor, &r.cur); err != nil {
			return j, false, fmt.Errorf("reading where a pass of retention stands: %w", ErrIntegrity)
		}
	}
	if err := r.open(ctx); err != nil {
		return j, false, err
	}
	if r.cur.Began.IsZero() || r.cur.Catalog != r.s.catalog.Version {
		err = r.begin(ctx)
	} else {
		done, err = r.page(ctx)
	}
	if errors.Is(err, errRestart) {
		return j, false, nil // another catalog is in force: look again
	}
	if err != nil {
		return j, false, err
	}
	if r.job.Cursor, err = json.Marshal(r.cur); err != nil {
		return j, false, fmt.Errorf("writing where a pass of retention stands: %w", err)
	}
	r.job.Total = max(r.job.Total, r.job.Done)
	return r.job, done, nil
}

// open reads the settings in force. Behind a closed gate nothing is removed: a hold
// may be on record in the ledger alone.
func (r *expiring) open(ctx context.Context) error {
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
	r.limits = limitsOf(r.s.catalog)
	return nil
}

func (r *expiring) begin(ctx context.Context) error {
	var n int64
	err := r.v.store.View(ctx, func(tx Tx) (err error) {
		n, err = tx.CountRecords(ctx, r.t.row.ID)
		return err
	})
	if err != nil {
		return fmt.Errorf("counting records: %w", err)
	}
	r.cur = retentionCursor{Began: r.v.now(), Catalog: r.s.catalog.Version}
	r.job.Done, r.job.Total, r.job.Note = 0, n, "looking for values whose time has passed"
	return nil
}

// page looks at the next records, and says whether there were none.
func (r *expiring) page(ctx context.Context) (done bool, err error) {
	scan, ok := r.v.store.(Inspector)
	if !ok {
		return false, errNoScan
	}
	after := r.cur.At
	after.Tenant = r.t.row.ID
	page, err := scan.ScanRecords(ctx, after, fillPage)
	if err != nil {
		return false, fmt.Errorf("reading records: %w", err)
	}
	page = slices.DeleteFunc(page, func(x ScannedRecord) bool { return x.Pos.Tenant != r.t.row.ID })
	if len(page) == 0 {
		r.end(ctx)
		return true, nil
	}
	var list []pastEnd
	for i := range page {
		if r.look(&page[i]) {
			list = append(list, pastEnd{page[i].Subject.Lookup, page[i].Pos.UID, RecordRef{page[i].Pos.Collection, page[i].Pos.Record}})
		}
		if !page[i].Record.Deleted {
			r.job.Done++
		}
	}
	slices.SortStableFunc(list, func(a, b pastEnd) int { return bytes.Compare(a.lookup, b.lookup) }) // the order in which writes lock rows
	for batch := range slices.Chunk(list, fillBatch) {
		if err := r.remove(ctx, batch); err != nil {
			return false, err
		}
	}
	r.cur.At = page[len(page)-1].Pos
	return false, nil
}

// look says whether a record has values to be removed, and takes in the others.
func (r *expiring) look(x *ScannedRecord) bool {
	if x.Subject == nil || x.Subject.State != Live || x.Record.Deleted || len(x.Record.Sealed) == 0 || !r.limits.has(x.Pos.Collection) {
		return false
	}
	fields, err := r.t.unpackRow(x.Pos.UID, &x.Record)
	if err != nil || !r.t.marked(x.Subject) {
		r.cur.Stuck++
		return false
	}
	now, found := r.v.now(), int64(0)
	keep := x.Subject.Held || x.Subject.Restricted
	for i := range fields {
		end, ok := r.limits.end(x.Pos.Collection, &fields[i])
		switch {
		case !ok:
		case now.After(end):
			found++
		case keep:
			r.cur.Held = sooner(r.cur.Held, end)
		default:
			r.cur.First = sooner(r.cur.First, end)
		}
	}
	if keep {
		r.cur.Kept += found
		return false
	}
	return found > 0
}

// end says how the pass went.
func (r *expiring) end(ctx context.Context) {
	r.cur.At = ScanPos{} // it names somebody's record
	r.job.Done = r.job.Total
	r.job.Note = r.cur.words()
	r.t.retention.Store(&r.cur)
	if err := r.v.checkpoint(ctx); err != nil {
		r.v.log.WarnContext(ctx, "removed bytes may still stand in the store's files; the sweep tries again", "error", err)
	}
}

// words are the note of a pass that has ended.
func (c *retentionCursor) words() string {
	note := fmt.Sprintf("%d values were removed, and %d records of which nothing was left", c.Removed, c.Deleted)
	if c.Removed > 0 {
		mean := time.Duration(c.Total / float64(c.Removed) * float64(time.Second))
		longest := time.Duration(c.Longest * float64(time.Second))
		note += fmt.Sprintf("; %s after their time on average, %s at most", mean.Round(time.Second), longest.Round(time.Second))
	}
	if c.Kept > 0 {
		note += fmt.Sprintf("; %d are kept past their time by a hold or a restriction", c.Kept)
	}
	if c.Stuck > 0 {
		note += fmt.Sprintf("; %d records do not verify and stay: `fieldvault fsck` names them", c.Stuck)
	}
	return note
}

// keptFor is for how many days values are kept, by collection and field; nothing
// for those that are kept for ever.
type keptFor map[uint32]map[uint32]catalog.Days

func limitsOf(c *catalog.Catalog) keptFor {
	limits := keptFor{}
	for i := range c.Collections {
		coll := &c.Collections[i]
		for j := range coll.Fields {
			if days := c.Kept(&coll.Fields[j]); days > 0 {
				if limits[coll.ID] == nil {
					limits[coll.ID] = map[uint32]catalog.Days{}
				}
				limits[coll.ID][coll.Fields[j].ID] = days
			}
		}
	}
	return limits
}

func (k keptFor) has(collection uint32) bool { return len(k[collection]) > 0 }

// shortest is the least number of days; 0 if there are none.
func (k keptFor) shortest() (least catalog.Days) {
	for _, fields := range k {
		for _, days := range fields {
			if least == 0 || days < least {
				least = days
			}
		}
	}
	return least
}

// end is when the time of a value ends. It says false if it never does.
func (k keptFor) end(collection uint32, s *field.Sealed) (time.Time, bool) {
	days := k[collection][s.Field]
	return endOf(s, days), days > 0 && s.At > 0
}

// endOf is the end of so many days since a value was written.
func endOf(s *field.Sealed, days catalog.Days) time.Time {
	return time.Unix(s.At, 0).UTC().AddDate(0, 0, int(days))
}
