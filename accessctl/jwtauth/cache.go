package jwtauth

import (
	"crypto/sha256"
	"sync"

	"github.com/fieldvault/fieldvault/accessctl"
)

// cache remembers verified tokens by their SHA-256, so that the same token is not
// verified for every request. It never decides alone: who takes an entry compares
// its key set with the issuer's present one, and its end with the clock.
type cache struct {
	mu   sync.RWMutex
	most int
	m    map[[sha256.Size]byte]*entry
}

type entry struct {
	source    *source
	set       *keySet
	principal accessctl.Principal
}

func (c *cache) get(sum [sha256.Size]byte) (*entry, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	e, ok := c.m[sum]
	return e, ok
}

// put remembers e. When the cache is full, some other entry goes.
func (c *cache) put(sum [sha256.Size]byte, e *entry) {
	if c.most <= 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for other := range c.m {
		if len(c.m) < c.most {
			break
		}
		delete(c.m, other)
	}
	c.m[sum] = e
}

func (c *cache) drop(sum [sha256.Size]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.m, sum)
}

// clear forgets everything, as when a key set has changed.
func (c *cache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.m)
}
