package vault

import (
	"context"
	"fmt"
	"sync"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/crypto/keyring"
	"github.com/fieldvault/fieldvault/vault/failpoint"
)

// rewrapBatch is about how many data keys one request to the key-encryption key and one
// transaction move. While requests are under way it is rewrapBusy, since they may wait
// for a processor that long, and a step is one batch; in quiet it is rewrapPages, of
// which rewrapAtOnce are with the key-encryption key at the same time.
const (
	rewrapBatch  = 500
	rewrapBusy   = 100
	rewrapPages  = 16
	rewrapAtOnce = 2
)

// A rewrapPass is a step of a pass over the data keys. What it does for one page
// overlaps with the others: while the key-encryption key works on some, the next is
// read and the last is stored.
type rewrapPass struct {
	v        *Vault
	k        kek
	target   int32
	size     int // of a page, about: none splits a person
	under    sync.WaitGroup
	wrapping []<-chan rewrapWrapped // in the order of the pages
	storing  <-chan rewrapStored    // nil: no page is being stored
	moved    int64
	stuck    int64
}

type rewrapRead struct {
	keys []PlacedKey
	err  error
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
	p := &rewrapPass{v: v, k: k, target: cur.Target, size: rewrapBatch}
	pages := 1
	if v.busy != nil && v.busy() {
		p.size = rewrapBusy
	} else if v.busy != nil {
		pages = rewrapPages
	}
	last, ended, err := p.run(ctx, cur.UID, pages)
	if err != nil {
		return false, err
	}
	j.Done += p.moved
	cur.UID = last
	cur.Moved += p.moved
	cur.Stuck += p.stuck
	if ended {
		return v.endPass(ctx, k, cur, j)
	}
	return false, nil
}

// run moves keys of people after one, and says up to whom, and whether there are no
// more. It does fewer pages when requests come.
func (p *rewrapPass) run(ctx context.Context, after uuid.UUID, pages int) (last uuid.UUID, ended bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer p.under.Wait()
	defer cancel()
	next := p.read(ctx, after)
	for ; ; pages-- {
		page := <-next
		if page.err != nil {
			return after, false, page.err
		}
		if len(page.keys) == 0 {
			return after, true, p.finish(ctx, 0)
		}
		after = page.keys[len(page.keys)-1].UID
		more := pages > 1 && !p.v.busy()
		if more {
			next = p.read(ctx, after)
		}
		p.wrap(ctx, page.keys)
		if !more {
			return after, false, p.finish(ctx, 0)
		}
		if err := p.finish(ctx, rewrapAtOnce-1); err != nil {
			return after, false, err
		}
	}
}

// finish stores wrapped pages until no more than left are with the key-encryption key;
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

// read begins to read the keys of people after one.
func (p *rewrapPass) read(ctx context.Context, after uuid.UUID) <-chan rewrapRead {
	c := make(chan rewrapRead, 1)
	p.under.Go(func() {
		keys, err := p.v.keysBelow(ctx, p.k, p.target, after, p.size)
		c <- rewrapRead{keys, err}
	})
	return c
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

// store begins to store a page. One is stored at a time.
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

// settled waits until the last page is stored.
func (p *rewrapPass) settled() error {
	if p.storing == nil {
		return nil
	}
	s := <-p.storing
	p.storing = nil
	p.moved += int64(s.moved)
	return s.err
}
