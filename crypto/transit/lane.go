package transit

import (
	"context"
	"fmt"
)

// maxRequest bounds the body of one request, far below what Vault takes (32 MiB).
const maxRequest = 4 << 20

// maxWaiting bounds the items that wait in a lane, in batches.
const maxWaiting = 16

// operation is Transit's name of what is done to the items of a batch.
type operation string

const (
	encrypt operation = "encrypt"
	decrypt operation = "decrypt"
	rewrap  operation = "rewrap"
)

// laneID says what may go in one request together.
type laneID struct {
	op  operation
	key string
	n   uint32 // of the lanes of one operation and key
}

// rewrapLanes is how many requests to rewrap under one key may be under way at once: Vault
// works on the items of a request one after the other. What must be answered soon, opening
// keys, is of short requests, which it works on beside these.
const rewrapLanes = 2

// lane is what waits for one operation under one key. At most one of its
// requests is under way, and what comes meanwhile goes together in the next.
type lane struct {
	queue   []*job
	waiting int // items in queue
}

// job is what one call wants of one request: items that are never parted.
type job struct {
	ctx   context.Context // the caller's; done: nobody waits any more
	items [][]byte        // each the JSON text of a batch item; owned by the job
	size  int             // bytes of items
	done  chan struct{}   // closed after out and err are set
	out   []outcome       // one an item
	err   error           // nothing was answered
}

// outcome is what became of one item: text for a wrapped key, plain for an
// opened one, else err.
type outcome struct {
	text  string
	plain []byte
	err   error
}

// submit has items, which fit one request, done in one request, maybe with
// others' of the same lane, and returns what became of each. It returns early
// if ctx ends or Config.MaxWait passes.
func (k *KEK) submit(ctx context.Context, id laneID, items [][]byte) ([]outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, k.cfg.MaxWait)
	defer cancel()
	j := &job{ctx: ctx, items: items, done: make(chan struct{})}
	for _, it := range items {
		j.size += len(it) + 1
	}
	if err := k.enqueue(id, j); err != nil {
		return nil, err
	}
	select {
	case <-j.done:
		return j.out, j.err
	case <-ctx.Done():
		return nil, gaveUp(ctx)
	}
}

func (k *KEK) enqueue(id laneID, j *job) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return errClosed
	}
	l, running := k.lanes[id]
	if !running {
		l = &lane{}
		k.lanes[id] = l
		k.wg.Go(func() { k.drain(id, l) })
	}
	if l.waiting > maxWaiting*k.cfg.MaxBatch {
		return fmt.Errorf("%w: too much waits for it", ErrUnavailable)
	}
	l.queue, l.waiting = append(l.queue, j), l.waiting+len(j.items)
	return nil
}

// drain sends what waits in l, one request after another, until nothing does.
func (k *KEK) drain(id laneID, l *lane) {
	for {
		k.mu.Lock()
		batch := l.take(k.cfg.MaxBatch)
		if len(batch) == 0 {
			delete(k.lanes, id)
			k.mu.Unlock()
			return
		}
		k.mu.Unlock()
		k.deliver(id, batch)
	}
}

// take removes from l the oldest jobs that fit one request, and those that
// nobody waits for.
func (l *lane) take(maxItems int) []*job {
	var batch []*job
	items, size := 0, 0
	for len(l.queue) > 0 {
		j := l.queue[0]
		if j.ctx.Err() == nil {
			if len(batch) > 0 && (items+len(j.items) > maxItems || size+j.size > maxRequest) {
				break
			}
			batch, items, size = append(batch, j), items+len(j.items), size+j.size
		}
		l.queue[0] = nil
		l.queue, l.waiting = l.queue[1:], l.waiting-len(j.items)
	}
	return batch
}

// deliver sends one request with the items of all jobs and gives each its own.
func (k *KEK) deliver(id laneID, batch []*job) {
	var items [][]byte
	for _, j := range batch {
		items = append(items, j.items...)
	}
	out, err := k.batch(id, items)
	for _, j := range batch {
		for _, it := range j.items {
			clear(it)
		}
		if err != nil {
			j.err = err
		} else {
			j.out, out = out[:len(j.items):len(j.items)], out[len(j.items):]
		}
		close(j.done)
	}
}
