package vault

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/crypto/keyring"
	"github.com/fieldvault/fieldvault/vault/failpoint"
)

// rewrapBatch is about how many data keys one request to the key-encryption key and one
// transaction move. While requests are under way it is rewrapBusy, since they may wait
// for a processor that long, and a step is one batch; in quiet a step is rewrapBatches, of
// which rewrapAtOnce are with the key-encryption key at the same time. Either way
// rewrapBatches are read at once and dealt.
const (
	rewrapBatch   = 500
	rewrapBusy    = 50
	rewrapBatches = 16
	rewrapAtOnce  = 2
)

// A rewrapHand is what was read at one place of a pass, dealt to batches. It may be lost
// between two steps: what is left is read again.
type rewrapHand struct {
	id      uuid.UUID // the cursor names it, so that none is played that another process has overtaken
	last    uuid.UUID // the last person
	batches [][]PlacedKey
	stuck   int64
}

// A rewrapPass is a step of a pass over the data keys. What it does for one batch
// overlaps with the others: while the key-encryption key works on some, the last is
// stored.
type rewrapPass struct {
	v        *Vault
	k        kek
	target   int32
	under    sync.WaitGroup
	wrapping []<-chan rewrapWrapped // in the order of the batches
	storing  <-chan rewrapStored    // nil: no batch is being stored
	moved    int64
	stuck    int64
}

type rewrapWrapped struct {
	list  []Rewrapped
	stuck int64 // that do not open
	err   error
}

type rewrapStored struct {
	moved int
	err   error
}

// rewrapPeople moves the next data keys, or ends the pass. On an error cur and j say
// less than was moved: what was moved is not found again.
func (v *Vault) rewrapPeople(ctx context.Context, k kek, cur *rewrapCursor, j *Job) (done bool, err error) {
	busy := v.busy != nil && v.busy()
	size := rewrapBatch
	if busy {
		size = rewrapBusy
	}
	h, err := v.handAt(ctx, k, cur, size)
	if err != nil {
		return false, err
	}
	if len(h.batches) == 0 {
		return v.endPass(ctx, k, cur, j)
	}
	n := len(h.batches)
	if busy || v.busy == nil {
		n = 1
		h.split(size)
	}
	p := &rewrapPass{v: v, k: k, target: cur.Target}
	if n, err = p.run(ctx, h.batches[:n]); err != nil {
		return false, err
	}
	j.Done += p.moved
	cur.Moved += p.moved
	h.stuck += p.stuck
	if h.batches = h.batches[n:]; len(h.batches) > 0 {
		cur.Hand = v.keepHand(k.row, h)
		return false, nil
	}
	cur.UID, cur.Hand = h.last, uuid.Nil
	cur.Stuck += h.stuck
	return false, nil
}

// handAt is what the last step left for this one, or what is read there. Where that was
// lost, it is a batch of those who come next: each step plays from the hand, or moves the
// cursor.
func (v *Vault) handAt(ctx context.Context, k kek, cur *rewrapCursor, size int) (*rewrapHand, error) {
	h := v.takeHand(k.row)
	if h != nil && h.id == cur.Hand {
		return h, nil
	}
	batches := rewrapBatches
	if cur.Hand != uuid.Nil {
		batches = 1
	}
	keys, err := v.keysBelow(ctx, k, cur.Target, cur.UID, size*batches)
	if err != nil || len(keys) == 0 {
		return &rewrapHand{}, err
	}
	return &rewrapHand{last: keys[len(keys)-1].UID, batches: deal(keys, min(batches, (len(keys)+size-1)/size))}, nil
}

// split makes the first batch no longer than it may be, but for its last person.
func (h *rewrapHand) split(size int) {
	first := h.batches[0]
	for i := size; i < len(first); i++ {
		if first[i].UID != first[i-1].UID {
			h.batches = slices.Insert(slices.Clone(h.batches), 0, first[:i])
			h.batches[1] = first[i:]
			return
		}
	}
}

// takeHand takes what a step of the tenant's rewrap left, if it was in this process.
func (v *Vault) takeHand(tenant int32) *rewrapHand {
	v.mu.Lock()
	defer v.mu.Unlock()
	h := v.hands[tenant]
	delete(v.hands, tenant)
	return h
}

// keepHand leaves a hand for the next step of the tenant's rewrap, and names it.
func (v *Vault) keepHand(tenant int32, h *rewrapHand) uuid.UUID {
	v.mu.Lock()
	defer v.mu.Unlock()
	h.id = uuid.New()
	if v.hands == nil {
		v.hands = map[int32]*rewrapHand{}
	}
	v.hands[tenant] = h
	return h.id
}

// deal gives each batch the keys of every so manieth person. People who are neighbours
// mostly are so in the database too, on a page that has room to change a few of them in
// place at once, and soon again for others.
func deal(keys []PlacedKey, batches int) [][]PlacedKey {
	dealt := make([][]PlacedKey, batches)
	next := -1
	for i := range keys {
		if i == 0 || keys[i].UID != keys[i-1].UID {
			next = (next + 1) % batches
		}
		dealt[next] = append(dealt[next], keys[i])
	}
	return slices.DeleteFunc(dealt, func(b []PlacedKey) bool { return len(b) == 0 })
}

// run moves the keys of all batches, or of fewer when requests come, and says of how many.
func (p *rewrapPass) run(ctx context.Context, batches [][]PlacedKey) (n int, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer p.under.Wait()
	defer cancel()
	for i, b := range batches {
		if i > 0 && p.v.busy() {
			return i, p.finish(ctx, 0)
		}
		p.wrap(ctx, b)
		if err := p.finish(ctx, rewrapAtOnce-1); err != nil {
			return 0, err
		}
	}
	return len(batches), p.finish(ctx, 0)
}

// finish stores wrapped batches until no more than left are with the key-encryption key;
// with none left, all are stored when it returns.
func (p *rewrapPass) finish(ctx context.Context, left int) error {
	for len(p.wrapping) > left {
		w := <-p.wrapping[0]
		p.wrapping = p.wrapping[1:]
		if w.err != nil {
			return w.err
		}
		p.stuck += w.stuck
		if err := p.settled(); err != nil {
			return err
		}
		p.store(ctx, w.list)
	}
	if left > 0 {
		return nil
	}
	return p.settled()
}

// wrap begins to have the key-encryption key wrap keys anew.
func (p *rewrapPass) wrap(ctx context.Context, keys []PlacedKey) {
	c := make(chan rewrapWrapped, 1)
	p.wrapping = append(p.wrapping, c)
	p.under.Go(func() {
		w := p.rewrapped(ctx, keys)
		if w.err == nil {
			failpoint.Hit("rewrap-wrapped")
		}
		c <- w
	})
}

// rewrapped asks the key-encryption key. Keys that do not open are stuck.
func (p *rewrapPass) rewrapped(ctx context.Context, keys []PlacedKey) (w rewrapWrapped) {
	sealed := make([]keyring.Sealed, len(keys))
	for i := range keys {
		d := &keys[i]
		sealed[i].ID = keyring.ID{Tenant: p.k.name, UID: d.UID, Group: d.Group, Epoch: d.Epoch, Version: d.Version}
		sealed[i].Wrapped = wrappedOf(&d.DataKey)
	}
	out, errs, err := p.v.ring.Rewrap(ctx, sealed)
	if err != nil {
		return rewrapWrapped{err: unavailable(err)}
	}
	w.list = make([]Rewrapped, 0, len(keys))
	for i := range keys {
		if errs != nil && errs[i] != nil {
			w.stuck++
			continue
		}
		d := &keys[i]
		w.list = append(w.list, Rewrapped{
			UID: d.UID, Group: d.Group, Epoch: d.Epoch, Version: d.Version, KEKVersion: d.KEKVersion,
			Next: int32(out[i].Version), Wrapped: out[i].Bytes, //nolint:gosec // ParseWrapped has bounded it
		})
	}
	return w
}

// store begins to store a batch. One is stored at a time.
func (p *rewrapPass) store(ctx context.Context, list []Rewrapped) {
	c := make(chan rewrapStored, 1)
	p.storing = c
	p.under.Go(func() {
		var s rewrapStored
		err := p.v.store.Update(ctx, func(tx Tx) (err error) {
			s.moved, err = tx.RewrapKeys(ctx, p.k.row, list)
			return err
		})
		if err != nil {
			s.err = fmt.Errorf("storing rewrapped keys: %w", err)
		} else {
			failpoint.Hit("rewrap-stored")
		}
		c <- s
	})
}

// settled waits until the last batch is stored.
func (p *rewrapPass) settled() error {
	if p.storing == nil {
		return nil
	}
	s := <-p.storing
	p.storing = nil
	p.moved += int64(s.moved)
	return s.err
}
