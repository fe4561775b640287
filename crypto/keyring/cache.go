package keyring

import (
	"math"
	"slices"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/fieldvault/fieldvault/crypto/field"
)

// person is the key of the cache: what is forgotten together is kept together.
type person struct {
	tenant string
	uid    [16]byte
}

// opened is one opened key. The slices that hold them are never changed once
// they are in the cache.
type opened struct {
	group, epoch, version uint32
	wrapped               Wrapped
	next                  Wrapped // the same key as the KEK has wrapped it anew; Version 0: it has not
	key                   *field.Key
	until                 int64 // Unix nanoseconds
}

func (o *opened) is(id ID) bool {
	return o.group == id.Group && o.epoch == id.Epoch && o.version == id.Version
}

// from reports whether the key was opened from w, or the KEK made w of what it was.
func (o *opened) from(w Wrapped) bool {
	return o.wrapped.equal(w) || o.next.Version != 0 && o.next.equal(w)
}

// cache keeps opened keys, by person, up to a number of keys and an age.
type cache struct {
	keys *otter.Cache[person, []opened]
	now  func() time.Time
	age  time.Duration
}

func newCache(entries int, age time.Duration, now func() time.Time) (*cache, error) {
	keys, err := otter.New(&otter.Options[person, []opened]{
		MaximumWeight: uint64(entries), //nolint:gosec // New has seen that it is positive
		Weigher: func(_ person, list []opened) uint32 {
			return uint32(min(len(list), math.MaxUint32))
		},
		ExpiryCalculator: otter.ExpiryWriting[person, []opened](age),
		Clock:            clock(now),
	})
	if err != nil {
		return nil, err
	}
	return &cache{keys: keys, now: now, age: age}, nil
}

// get returns the opened key of s, if it was opened from exactly the same
// wrapped bytes, or from those that the KEK has rewrapped into them, and is not too old
// at now.
func (c *cache) get(s *Sealed, now int64) *field.Key {
	return pick(c.of(s), s, now)
}

// of returns the opened keys of the person whose key s is.
func (c *cache) of(s *Sealed) []opened {
	list, _ := c.keys.GetIfPresent(person{s.ID.Tenant, s.ID.UID})
	return list
}

// pick is get, of the opened keys of the person.
func pick(list []opened, s *Sealed, now int64) *field.Key {
	for i := range list {
		if o := &list[i]; o.is(s.ID) && o.from(s.Wrapped) && now < o.until {
			return o.key
		}
	}
	return nil
}

// put adds or replaces an opened key, and drops those of the same person that
// are too old: the person's entry lives on when one key is added, its older
// keys do not.
func (c *cache) put(id ID, w Wrapped, k *field.Key) {
	now := c.now()
	o := opened{
		group: id.Group, epoch: id.Epoch, version: id.Version,
		wrapped: Wrapped{Version: w.Version, Bytes: slices.Clone(w.Bytes)},
		key:     k, until: now.Add(c.age).UnixNano(),
	}
	c.keys.Compute(person{id.Tenant, id.UID}, func(list []opened, _ bool) ([]opened, otter.ComputeOp) {
		next := make([]opened, 0, len(list)+1)
		for _, old := range list {
			if !old.is(id) && now.UnixNano() < old.until {
				next = append(next, old)
			}
		}
		return append(next, o), otter.WriteOp
	})
}

// rewrapped has an opened key of s serve as that of next too, for no longer than it
// would have.
func (c *cache) rewrapped(s *Sealed, next Wrapped) {
	p := person{s.ID.Tenant, s.ID.UID}
	if _, ok := c.keys.GetIfPresent(p); !ok {
		return
	}
	c.keys.Compute(p, func(list []opened, _ bool) ([]opened, otter.ComputeOp) {
		at := slices.IndexFunc(list, func(o opened) bool { return o.is(s.ID) && o.from(s.Wrapped) })
		if at < 0 {
			return list, otter.CancelOp
		}
		list = slices.Clone(list)
		if o := &list[at]; o.next.equal(s.Wrapped) {
			o.wrapped = o.next
		}
		list[at].next = Wrapped{Version: next.Version, Bytes: slices.Clone(next.Bytes)}
		return list, otter.WriteOp
	})
}

func (c *cache) forget(p person) { c.keys.Invalidate(p) }

// len returns the number of keys, after dropping what is too old or too much,
// which otherwise happens some time after a write.
func (c *cache) len() int {
	c.keys.CleanUp()
	return int(min(c.keys.WeightedSize(), math.MaxInt))
}

func (c *cache) close() {
	c.keys.StopAllGoroutines()
	c.keys.InvalidateAll()
}

// clock lets the cache age by Config.Now. Only the rhythm in which it looks for
// what has expired is real time.
type clock func() time.Time

// NowNano returns the time of Config.Now.
func (c clock) NowNano() int64 { return c().UnixNano() }

// Tick returns real ticks.
func (c clock) Tick(d time.Duration) <-chan time.Time { return time.Tick(d) }
