package trail

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/audit/tree"
)

// A Log reads one tenant's log from a store. It is a [tree.Source], and gives proofs
// that were checked before they are returned. The key must be the service's.
type Log struct {
	Store  Store
	Tenant int32
	Origin string // see [Origin]
	Key    ed25519.PublicKey
}

var _ tree.Source = Log{}

// Checkpoint is the newest signed checkpoint. ErrNone while the log is empty.
func (l Log) Checkpoint(ctx context.Context) ([]byte, error) {
	h, err := l.head(ctx)
	return h.Signed, err
}

func (l Log) head(ctx context.Context) (h Head, err error) {
	err = l.Store.View(ctx, func(tx Tx) (err error) {
		h, err = tx.Head(ctx, l.Tenant)
		return err
	})
	switch {
	case err != nil:
		return h, fmt.Errorf("reading the checkpoint: %w", err)
	case h.Size == 0:
		return h, fmt.Errorf("%w: no event is sequenced yet", ErrNone)
	}
	return h, nil
}

// Current is the newest checkpoint, verified.
func (l Log) Current(ctx context.Context) (tree.Checkpoint, []byte, error) {
	signed, err := l.Checkpoint(ctx)
	if err != nil {
		return tree.Checkpoint{}, nil, err
	}
	c, err := tree.OpenCheckpoint(signed, l.Origin, l.Key)
	if err != nil {
		return c, nil, fmt.Errorf("%w: the checkpoint does not verify", ErrAltered)
	}
	return c, signed, nil
}

// Tile reads a tile. ErrNone if the tree does not have all of it.
func (l Log) Tile(ctx context.Context, t tree.Tile) ([]byte, error) {
	from := t.N * tree.Width
	var list []tree.Hash
	err := l.Store.View(ctx, func(tx Tx) (err error) {
		list, err = tx.Hashes(ctx, l.Tenant, t.Level, from, from+int64(t.Width))
		return err
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading a tile: %w", err)
	case len(list) != t.Width:
		return nil, fmt.Errorf("%w: tile %s", ErrNone, t.Path())
	}
	b := make([]byte, 0, t.Width*len(tree.Hash{}))
	for i := range list {
		b = append(b, list[i][:]...)
	}
	return b, nil
}

// Entries reads a bundle of events. ErrNone if the log does not have all of its
// leaves; an event that is not there any more is nil.
func (l Log) Entries(ctx context.Context, n int64, width int) ([][]byte, error) {
	list, err := l.Range(ctx, n*tree.Width, n*tree.Width+int64(width))
	if err != nil {
		return nil, err
	}
	if len(list) != width {
		return nil, fmt.Errorf("%w: bundle %d of %d", ErrNone, n, width)
	}
	out := make([][]byte, width)
	for i := range list {
		if list[i].Index == n*tree.Width+int64(i) {
			out[i] = list[i].Body
		}
	}
	return out, nil
}

// Range reads entries with indexes from <= i < to, as far as they are there.
func (l Log) Range(ctx context.Context, from, to int64) (list []Entry, err error) {
	err = l.Store.View(ctx, func(tx Tx) (err error) {
		list, err = tx.Entries(ctx, l.Tenant, from, to)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading entries of the log: %w", err)
	}
	return list, nil
}

// Find reads entries by what they are about.
func (l Log) Find(ctx context.Context, f Find) (list []Entry, err error) {
	err = l.Store.View(ctx, func(tx Tx) (err error) {
		list, err = tx.FindEntries(ctx, l.Tenant, f)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("finding entries of the log: %w", err)
	}
	return list, nil
}

// An Inclusion is the place of an event in the log, with its proof.
type Inclusion struct {
	Index  int64
	Leaf   []byte // of the event; only from ProveEvent
	Proof  []tree.Hash
	Signed []byte // the checkpoint that it is proven for
}

// ProveEvent proves that an event is in the log. ErrNone while it is not.
func (l Log) ProveEvent(ctx context.Context, event uuid.UUID) (Inclusion, error) {
	var in Inclusion
	err := l.Store.View(ctx, func(tx Tx) error {
		known, err := tx.Known(ctx, l.Tenant, []uuid.UUID{event})
		if err != nil {
			return err
		}
		index, ok := known[event]
		if !ok {
			return ErrNone
		}
		list, err := tx.Entries(ctx, l.Tenant, index, index+1)
		if err != nil {
			return err
		}
		if len(list) == 1 && list[0].Body == nil {
			return ErrNone // it was pruned
		}
		if len(list) != 1 || !isLeafOf(list[0].Body, event) {
			return fmt.Errorf("%w: index %d is another event's", ErrAltered, index)
		}
		in.Index, in.Leaf = index, list[0].Body
		return nil
	})
	if err != nil {
		return in, fmt.Errorf("looking for an event in the log: %w", err)
	}
	c, signed, err := l.Current(ctx)
	if err != nil {
		return in, err
	}
	in.Signed = signed
	if in.Proof, err = l.prove(ctx, c, in.Index); err != nil {
		return in, err
	}
	return in, l.proofError(tree.CheckInclusion(c, in.Index, tree.LeafHash(in.Leaf), in.Proof))
}

func isLeafOf(leaf []byte, event uuid.UUID) bool {
	e, err := audit.ParseLeaf(leaf)
	return err == nil && e.ID == event
}

// Prove proves that the entry of an index is in the tree of the given size, which
// must be one for which a checkpoint was signed; 0: the newest.
func (l Log) Prove(ctx context.Context, index, size int64) (Inclusion, error) {
	c, signed, err := l.at(ctx, size)
	if err != nil {
		return Inclusion{}, err
	}
	if index < 0 || index >= c.Size {
		return Inclusion{}, fmt.Errorf("%w: index %d", ErrNone, index)
	}
	in := Inclusion{Index: index, Signed: signed}
	in.Proof, err = l.prove(ctx, c, index)
	return in, err
}

// ProveNewest proves that the newest event, as it is stored, is in the tree of a
// checkpoint: ErrAltered if it is not. One that was pruned is proven by its hash alone.
func (l Log) ProveNewest(ctx context.Context, c tree.Checkpoint) error {
	list, err := l.Range(ctx, c.Size-1, c.Size)
	if err != nil {
		return err
	}
	if len(list) != 1 || list[0].Body != nil && tree.LeafHash(list[0].Body) != list[0].Hash {
		return fmt.Errorf("%w: the newest event is not the one of the tree", ErrAltered)
	}
	_, err = l.prove(ctx, c, c.Size-1)
	return err
}

func (l Log) prove(ctx context.Context, c tree.Checkpoint, index int64) ([]tree.Hash, error) {
	p, err := tree.ProveInclusion(ctx, l, c, index)
	return p, l.proofError(err)
}

// Consistency proves that the tree of size from is a prefix of that of size to.
func (l Log) Consistency(ctx context.Context, from, to int64) (p []tree.Hash, signed []byte, err error) {
	c, signed, err := l.at(ctx, to)
	if err != nil {
		return nil, nil, err
	}
	if from < 0 || from > c.Size {
		return nil, nil, fmt.Errorf("%w: size %d", ErrNone, from)
	}
	p, err = tree.ProveConsistency(ctx, l, c, from)
	return p, signed, l.proofError(err)
}

// proofError says of a proof that cannot be made from what is stored that the log
// was altered.
func (l Log) proofError(err error) error {
	if errors.Is(err, tree.ErrProof) || errors.Is(err, ErrNone) {
		return fmt.Errorf("%w: %w", ErrAltered, err)
	}
	return err
}

// at is the verified checkpoint of a size; 0: the newest.
func (l Log) at(ctx context.Context, size int64) (tree.Checkpoint, []byte, error) {
	if size == 0 {
		return l.Current(ctx)
	}
	var list []Head
	err := l.Store.View(ctx, func(tx Tx) (err error) {
		list, err = tx.Checkpoints(ctx, l.Tenant, size-1, 1)
		return err
	})
	switch {
	case err != nil:
		return tree.Checkpoint{}, nil, fmt.Errorf("reading a checkpoint: %w", err)
	case len(list) == 0 || list[0].Size != size:
		return tree.Checkpoint{}, nil, fmt.Errorf("%w: no checkpoint of size %d was signed", ErrNone, size)
	}
	c, err := tree.OpenCheckpoint(list[0].Signed, l.Origin, l.Key)
	if err != nil || c.Size != size {
		return c, nil, fmt.Errorf("%w: the checkpoint of size %d does not verify", ErrAltered, size)
	}
	return c, list[0].Signed, nil
}

// At is the newest checkpoint, verified, and when it was signed.
func (l Log) At(ctx context.Context) (tree.Checkpoint, time.Time, error) {
	h, err := l.head(ctx)
	if err != nil {
		return tree.Checkpoint{}, time.Time{}, err
	}
	c, err := tree.OpenCheckpoint(h.Signed, l.Origin, l.Key)
	if err != nil {
		return c, h.At, fmt.Errorf("%w: the checkpoint does not verify", ErrAltered)
	}
	return c, h.At, nil
}

// Authentic compares all leaf hashes of the store with a checkpoint: ErrAltered if
// they do not lead to its root.
func (l Log) Authentic(ctx context.Context, c tree.Checkpoint) error {
	const page = 1 << 15
	var r tree.Range
	for r.Size() < c.Size {
		var list []tree.Hash
		to := min(c.Size, r.Size()+page)
		err := l.Store.View(ctx, func(tx Tx) (err error) {
			list, err = tx.Hashes(ctx, l.Tenant, 0, r.Size(), to)
			return err
		})
		if err != nil {
			return fmt.Errorf("reading hashes of the log: %w", err)
		}
		if r.Size()+int64(len(list)) != to {
			return fmt.Errorf("%w: a leaf is missing", ErrAltered)
		}
		for _, h := range list {
			r.Append(h, nil)
		}
	}
	if r.Root() != c.Root {
		return ErrAltered
	}
	return nil
}
