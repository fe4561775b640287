package tree

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"github.com/google/uuid"
)

// Verification checks a whole log against its newest checkpoint, offline.
type Verification struct {
	Source Source            // required
	Origin string            // of the log; required
	Key    ed25519.PublicKey // of the log; required

	// Earlier are checkpoints of the log that are known from before, each opened by
	// the caller. The log must begin with the entries of each.
	Earlier []Checkpoint

	// Pruned is the index below which entries may be absent. Their hashes still count.
	Pruned int64

	// Tenant, if not empty, has every entry checked as CheckLeaf does, on all cores.
	Tenant string

	// Each, if not nil, is called in order for every entry that is present and is the
	// one whose hash is in the tree. An error ends the verification. The leaf is the
	// source's: it must not be changed.
	Each func(index int64, leaf []byte) error

	// Progress, if not nil, is called now and then with the number of entries done.
	Progress func(done, total int64)
}

// Report says what a verification has checked.
type Report struct {
	Checkpoint Checkpoint // the log's newest
	Entries    int64      // entries that are present
	Pruned     int64      // entries that are absent
}

// Run checks the log. It needs the memory of a few bundles, and 16 bytes for each
// entry if Tenant is set. It calls Source, Each and Progress by one goroutine each.
//
// If the log is not as its checkpoint says, the error is a *BadError with the lowest
// index that is bad: all entries before it have been checked up to the checkpoint's
// root and are those that were signed. Where it cannot be told which of some entries
// has been changed (their stored hashes have been changed too), it names the first of
// them; but if hashes are missing, so that none can be checked up to the root, it names
// the first entry that is missing or is not the one whose hash is stored. An earlier
// checkpoint is compared when its size is passed. If it does not fit, the index is the
// size of the last one that did, or 0.
//
// If the checkpoint itself is not one of this log, the error is that of OpenCheckpoint.
// An error of Each or of the source is returned, wrapped. The report then says what
// was checked before.
func (v Verification) Run(ctx context.Context) (Report, error) {
	if v.Source == nil {
		return Report{}, fmt.Errorf("%w: a verification needs a source", ErrFormat)
	}
	for _, e := range v.Earlier {
		if e.Origin != v.Origin {
			return Report{}, fmt.Errorf("%w: an earlier checkpoint is of another origin", ErrFormat)
		}
	}
	signed, err := v.Source.Checkpoint(ctx)
	if err != nil {
		return Report{}, fmt.Errorf("reading the checkpoint: %w", err)
	}
	c, err := OpenCheckpoint(signed, v.Origin, v.Key)
	if err != nil {
		return Report{}, err
	}
	r := run{Verification: v, report: Report{Checkpoint: c}, seen: ids{}}
	r.Earlier = slices.SortedFunc(slices.Values(v.Earlier), func(a, b Checkpoint) int { return cmp.Compare(a.Size, b.Size) })
	err = r.all(ctx)
	return r.report, err
}

// bundle is a part of the log on its way through a run.
type bundle struct {
	first  int64    // index of the first entry
	leaves [][]byte // the entries; nil for one that is not there
	want   []Hash   // the hashes that they must have

	// Set by check, before done is closed.
	ids  []uuid.UUID // of the events, if the tenant is checked
	good int         // number of entries before the first bad one
	bad  *BadError   // what is wrong with that, or nil
	done chan struct{}
}

// run is the state of a verification. A walker reads the log and sends each bundle
// to two channels: some worker checks the bundle, and the run takes it, once checked,
// in order.
type run struct {
	Verification
	report Report
	tree   Range // of what has been taken
	fitted int64 // size of the last earlier checkpoint that fitted
	seen   ids
}

func (r *run) all(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var wait sync.WaitGroup
	defer wait.Wait()
	defer cancel()
	workers := runtime.GOMAXPROCS(0)
	work, order := make(chan *bundle, 2*workers), make(chan *bundle, 2*workers)
	var walked error
	wait.Go(func() {
		defer close(order)
		defer close(work)
		w := walker{source: r.Source, emit: func(ctx context.Context, b *bundle) error {
			b.done = make(chan struct{})
			return send(ctx, b, order, work)
		}}
		walked = w.walk(ctx, r.report.Checkpoint)
	})
	for range workers {
		wait.Go(func() {
			for b := range work {
				b.check(r.Pruned, r.Tenant)
			}
		})
	}
	if err := r.takeAll(ctx, order); err != nil {
		return err
	}
	if walked != nil { // order is closed, so this is set
		return walked
	}
	return r.end()
}

// send sends b to each channel.
func send(ctx context.Context, b *bundle, to ...chan<- *bundle) error {
	for _, c := range to {
		select {
		case c <- b:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (r *run) takeAll(ctx context.Context, order <-chan *bundle) error {
	if err := r.compareEarlier(); err != nil {
		return err
	}
	for b := range order {
		select {
		case <-b.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := r.take(b); err != nil {
			return err
		}
		if r.Progress != nil {
			r.Progress(r.tree.Size(), r.report.Checkpoint.Size)
		}
	}
	return nil
}

// take takes the next bundle, which has been checked.
func (r *run) take(b *bundle) error {
	for i := range b.good {
		if err := r.entry(b, i); err != nil {
			return err
		}
		r.tree.Append(b.want[i], nil)
		if err := r.compareEarlier(); err != nil {
			return err
		}
	}
	if b.bad != nil {
		return b.bad
	}
	return nil
}

// entry takes the i-th entry of b.
func (r *run) entry(b *bundle, i int) error {
	index, leaf := b.first+int64(i), b.leaves[i]
	if leaf == nil {
		r.report.Pruned++
		return nil
	}
	if b.ids != nil {
		if why := r.seen.add(b.ids[i]); why != "" {
			return &BadError{Index: index, Why: why}
		}
	}
	if r.Each != nil {
		if err := r.Each(index, leaf); err != nil {
			return fmt.Errorf("checking an entry: %w", err)
		}
	}
	r.report.Entries++
	return nil
}

// compareEarlier compares the earlier checkpoints of the size that has been reached.
func (r *run) compareEarlier() error {
	for len(r.Earlier) > 0 && r.Earlier[0].Size <= r.tree.Size() {
		c := r.Earlier[0]
		if c.Size != r.tree.Size() || c.Root != r.tree.Root() {
			why := fmt.Sprintf("from this entry on, the log does not begin with the %d entries of the earlier checkpoint", c.Size)
			return &BadError{Index: r.fitted, Why: why}
		}
		r.Earlier, r.fitted = r.Earlier[1:], c.Size
	}
	return nil
}

// end makes the comparisons for which all must have been taken.
func (r *run) end() error {
	c := r.report.Checkpoint
	if len(r.Earlier) > 0 {
		why := fmt.Sprintf("the log ends before this entry; the earlier checkpoint has %d entries", r.Earlier[0].Size)
		return &BadError{Index: c.Size, Why: why}
	}
	if r.tree.Size() != c.Size || r.tree.Root() != c.Root {
		return &BadError{Index: r.fitted, Why: "from this entry on, the entries do not give the root of the checkpoint"}
	}
	return nil
}

// check sets what is good and what is bad in b.
func (b *bundle) check(pruned int64, tenant string) {
	defer close(b.done)
	if tenant != "" {
		b.ids = make([]uuid.UUID, len(b.leaves))
	}
	for i, leaf := range b.leaves {
		why := ""
		switch index := b.first + int64(i); {
		case leaf == nil && index < pruned:
		case leaf == nil:
			why = "the entry is missing, and was not pruned"
		case LeafHash(leaf) != b.want[i]:
			why = "the entry is not the one that was logged: its hash is another"
		case tenant != "":
			b.ids[i], why = eventID(tenant, leaf)
		}
		if why != "" {
			b.bad = &BadError{Index: b.first + int64(i), Why: why}
			return
		}
		b.good++
	}
}
