package trail

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/audit/tree"
)

// What the event says with which events are pruned: code and attribute, whose value is
// the index below which they are.
const (
	CodePruned = "pruned"
	AttrBelow  = "below"
)

// A Check verifies a whole log in its store, with nothing but the public key. Events
// may be absent below the index that the store says was pruned, if the log itself says
// so too.
type Check struct {
	Log
	Name string // of the tenant
	// Each is told every event, in order; optional.
	Each     func(index int64, e *audit.Event) error
	Progress func(done, total int64) // optional
}

// A Report is what a check has seen of a log that is as it should be.
type Report struct {
	tree.Report
	Checkpoints int // signed earlier, all of them prefixes
	// Stray is how many rows of events are not in the tree although they were there
	// when it grew past them: refused, or put there by SQL since.
	Stray int64
}

// Run verifies the log: every leaf is recomputed from all columns of its rows, the
// tree from the leaves, every checkpoint that was ever signed from the tree, and what
// finds entries by person from the leaves. The error is a *[tree.BadError] that names the
// first bad index, or says why nothing could be verified.
func (c Check) Run(ctx context.Context) (Report, error) {
	var r Report
	earlier, forged, err := c.earlier(ctx)
	if err != nil {
		return r, err
	}
	r.Checkpoints = len(earlier)
	pruned, err := c.pruned(ctx)
	if err != nil {
		return r, err
	}
	rows := &columns{Log: c.Log, last: Entry{Leaf: Leaf{Index: -1, Part: math.MinInt}}}
	v := tree.Verification{
		Source: rows, Origin: c.Origin, Key: c.Key, Earlier: earlier, Pruned: pruned, Progress: c.Progress, Tenant: c.Name,
	}
	said := int64(0)
	if c.Each != nil || pruned > 0 {
		v.Each = func(index int64, body []byte) error {
			e, err := audit.ParseLeaf(body)
			if err != nil {
				return &tree.BadError{Index: index, Why: "it is no event"}
			}
			said = max(said, prunedBy(&e))
			if c.Each == nil {
				return nil
			}
			return c.Each(index, &e)
		}
	}
	r.Report, err = v.Run(ctx)
	if last := rows.last; err == nil && last.Rest > 0 {
		rows.note(last.Index, whyMore)
	}
	if err = lowest(err, rows.bad, forged); err != nil {
		return r, err
	}
	if err := c.beyond(ctx); err != nil {
		return r, err
	}
	if err := c.misfiled(ctx, r.Checkpoint.Size); err != nil {
		return r, err
	}
	if r.Pruned > 0 {
		if err := c.unsaid(ctx, said, min(pruned, r.Checkpoint.Size)); err != nil {
			return r, err
		}
	}
	r.Stray, err = c.stray(ctx)
	return r, err
}

// lowest is the error that names the lowest bad index. An error that names none says
// that the log could not be read, and goes first.
func lowest(err error, more ...*tree.BadError) error {
	var bad *tree.BadError
	if err != nil && !errors.As(err, &bad) {
		return err
	}
	for _, b := range more {
		if b != nil && (bad == nil || b.Index < bad.Index) {
			bad, err = b, b
		}
	}
	return err
}

// earlier reads all checkpoints but the newest, up to one that does not verify.
func (c Check) earlier(ctx context.Context) (list []tree.Checkpoint, forged *tree.BadError, err error) {
	const page = 1000
	for after := int64(0); ; {
		var heads []Head
		err := c.Store.View(ctx, func(tx Tx) (err error) {
			heads, err = tx.Checkpoints(ctx, c.Tenant, after, page)
			return err
		})
		if err != nil {
			return nil, nil, fmt.Errorf("reading checkpoints: %w", err)
		}
		for _, h := range heads {
			k, err := tree.OpenCheckpoint(h.Signed, c.Origin, c.Key)
			if err != nil || k.Size != h.Size {
				return list, &tree.BadError{Index: h.Size, Why: fmt.Sprintf("the checkpoint of size %d does not verify with the key", h.Size)}, nil
			}
			list, after = append(list, k), h.Size
		}
		if len(heads) < page {
			return list[:max(0, len(list)-1)], nil, nil
		}
	}
}

// unsaid looks for the first event that is absent, with an index from <= i < to: those
// that no event of the log says were pruned.
func (c Check) unsaid(ctx context.Context, from, to int64) error {
	for ; from < to; from += tree.Width {
		list, err := c.Range(ctx, from, min(to, from+tree.Width))
		if err != nil {
			return err
		}
		for i := range list {
			if list[i].Body == nil {
				return &tree.BadError{Index: list[i].Index, Why: "the event is absent, and no event of the log says that it was pruned"}
			}
		}
	}
	return nil
}

// beyond says whether there is anything that the newest checkpoint does not cover.
func (c Check) beyond(ctx context.Context) error {
	var head Head
	var index int64
	found := false
	err := c.Store.View(ctx, func(tx Tx) (err error) {
		if head, err = tx.Head(ctx, c.Tenant); err != nil {
			return err
		}
		index, found, err = firstBeyond(ctx, tx, c.Tenant, head.Size)
		return err
	})
	switch {
	case err != nil:
		return fmt.Errorf("looking beyond the checkpoint: %w", err)
	case found:
		return &tree.BadError{Index: index, Why: "it is beyond the newest checkpoint: nobody signed it"}
	}
	return nil
}

// misfiled looks for the first entry from which on the log cannot be searched by person as
// it should: somebody's entries would not be shown to them.
func (c Check) misfiled(ctx context.Context, size int64) error {
	const window = 1 << 16
	for from := int64(0); from < size; from += window {
		var index int64
		found := false
		err := c.Store.View(ctx, func(tx Tx) (err error) {
			index, found, err = tx.Misfiled(ctx, c.Tenant, from, min(from+window, size))
			return err
		})
		switch {
		case err != nil:
			return fmt.Errorf("looking at what finds entries by person: %w", err)
		case found:
			return &tree.BadError{Index: index, Why: "from here on, what finds entries by person is not what the events say"}
		}
	}
	return nil
}

// pruned is the index below which the store says that events were deleted.
func (c Check) pruned(ctx context.Context) (below int64, err error) {
	err = c.Store.View(ctx, func(tx Tx) (err error) {
		below, err = tx.Pruned(ctx, c.Tenant)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("reading what was pruned: %w", err)
	}
	return below, nil
}

// prunedBy is the index below which an event says that events were pruned; 0: none.
func prunedBy(e *audit.Event) int64 {
	if e.Code != CodePruned || e.Outcome != audit.Allowed {
		return 0
	}
	for _, a := range e.Subject {
		if n, err := strconv.ParseInt(a.Value, 10, 64); a.Key == AttrBelow && err == nil {
			return n
		}
	}
	return 0
}

// stray counts rows that are not in the tree.
func (c Check) stray(ctx context.Context) (n int64, err error) {
	const page = 1000
	for after := int64(0); ; {
		var rows []Row
		err := c.Store.View(ctx, func(tx Tx) (err error) {
			rows, err = tx.Stray(ctx, c.Tenant, after, page)
			return err
		})
		if err != nil {
			return n, fmt.Errorf("looking for rows that are not in the tree: %w", err)
		}
		n += int64(len(rows))
		if len(rows) < page {
			return n, nil
		}
		after = rows[len(rows)-1].ID
	}
}

// columns is a source that compares what the columns beside a leaf say. A hash that is
// not stored is zero in its tiles, as [tree.Verification] has it.
type columns struct {
	Log
	read int64          // bundles, in order: some are read again to say what is bad
	last Entry          // the one before
	bad  *tree.BadError // the first entry whose columns say something else
}

// Tile reads a tile, and what there is of one that is not whole.
func (c *columns) Tile(ctx context.Context, t tree.Tile) ([]byte, error) {
	b, err := c.Log.Tile(ctx, t)
	if !errors.Is(err, ErrNone) {
		return b, err
	}
	b = make([]byte, t.Width*len(tree.Hash{}))
	err = c.Store.View(ctx, func(tx Tx) error {
		for i := range t.Width {
			n := t.N*tree.Width + int64(i)
			one, err := tx.Hashes(ctx, c.Tenant, t.Level, n, n+1)
			if err != nil {
				return err
			}
			if len(one) > 0 {
				copy(b[i*len(one[0]):], one[0][:])
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading a tile: %w", err)
	}
	return b, nil
}

// Entries reads a bundle, and compares the columns with the events.
func (c *columns) Entries(ctx context.Context, n int64, width int) ([][]byte, error) {
	list, err := c.Range(ctx, n*tree.Width, n*tree.Width+int64(width))
	if err != nil {
		return nil, err
	}
	out := make([][]byte, width)
	for i := range list {
		e := &list[i]
		if n >= c.read {
			c.follows(e)
		}
		if e.Body == nil {
			continue
		}
		if why := c.differs(e); why != "" {
			c.note(e.Index, why)
		}
		out[e.Index-n*tree.Width] = e.Body
	}
	c.read = max(c.read, n+1)
	return out, nil
}

// follows compares an entry with the one before: the events of a row stand one behind the
// other, all of them. Nothing else may be in a row.
func (c *columns) follows(e *Entry) {
	last := c.last
	c.last = *e
	switch {
	case e.Index <= last.Index:
		c.note(e.Index, "there is more than one leaf of it")
		return
	case e.Index > last.Index+1:
		return // one is missing, which is worse
	}
	if next := e.Row == last.Row && e.Part == last.Part+1; !next && (last.Rest > 0 || e.Part > 0) {
		c.note(e.Index, whyMore)
	}
}

const whyMore = "its row, or the one before, holds something that is not in the log"

func (c *columns) note(index int64, why string) {
	if c.bad == nil || index < c.bad.Index {
		c.bad = &tree.BadError{Index: index, Why: why}
	}
}

// differs says which column is not what the event says.
func (c *columns) differs(e *Entry) string {
	if tree.LeafHash(e.Body) != e.Hash {
		return "" // the tree says so, and which of the two is right
	}
	ev, err := audit.ParseLeaf(e.Body)
	switch {
	case errors.Is(err, audit.ErrLeaf):
		return "it is no event"
	case err != nil:
		return "it cannot be read"
	case e.Tenant != c.Tenant:
		return "its row is another tenant's"
	case e.Event != ev.ID:
		return "the column of its id is not what the event says"
	case e.About != ev.UID:
		return "the column of the person is not what the event says"
	case !e.At.Equal(ev.Time):
		return "the column of its time is not what the event says"
	}
	return ""
}
