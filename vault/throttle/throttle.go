// Package throttle meters requests by who asks: a token bucket for each key, and how many
// of its requests are under way. Its memory is bounded.
package throttle

import (
	"container/list"
	"crypto/sha256"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// MaxKeys bounds how many keys are metered at a time. The
// one that was quiet for longest is forgotten first.
const MaxKeys = 8192

// A Meter meters requests by key, such as a principal or an address. It is safe for
// concurrent use.
type Meter struct {
	rate  rate.Limit
	burst int
	most  int // under way at a time; 0: any number

	mu    sync.Mutex
	by    map[[sha256.Size]byte]*list.Element
	order *list.List // of *bucket, the latest first
}

// A bucket meters one key.
type bucket struct {
	key      [sha256.Size]byte
	limiter  *rate.Limiter
	underWay int
}

// New returns a Meter that lets each key ask so often a second, so often at once, and with
// at most so many requests under way; 0: any number.
func New(perSecond float64, burst, most int) *Meter {
	return &Meter{
		rate: rate.Limit(perSecond), burst: burst, most: most,
		by: map[[sha256.Size]byte]*list.Element{}, order: list.New(),
	}
}

// Take takes one token for the key. A wait that is not zero refuses, and says
// when one will be there. Otherwise done must be called when the request ends.
func (l *Meter) Take(key string, now time.Time) (done func(), wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.bucket(key)
	if l.most > 0 && b.underWay >= l.most {
		return nil, time.Second
	}
	r := b.limiter.ReserveN(now, 1)
	if d := r.DelayFrom(now); d > 0 {
		r.CancelAt(now)
		return nil, d
	}
	b.underWay++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		b.underWay--
	}, 0
}

// bucket finds or makes the key's bucket. The caller holds the lock.
func (l *Meter) bucket(key string) *bucket {
	sum := sha256.Sum256([]byte(key))
	if e, ok := l.by[sum]; ok {
		l.order.MoveToFront(e)
		return e.Value.(*bucket)
	}
	if l.order.Len() >= MaxKeys {
		last := l.order.Back()
		delete(l.by, last.Value.(*bucket).key)
		l.order.Remove(last)
	}
	b := &bucket{key: sum, limiter: rate.NewLimiter(l.rate, l.burst)}
	l.by[sum] = l.order.PushFront(b)
	return b
}

// AddressOf is whom failures and public requests are counted for: the address at
// the other end of the connection, for IPv6 its /64, for nothing smaller costs
// an attacker anything. Headers that proxies set, or anyone else, do not matter.
func AddressOf(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return remote
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	ip = ip.Unmap()
	if ip.Is6() {
		if p, err := ip.WithZone("").Prefix(64); err == nil {
			return p.String()
		}
	}
	return ip.String()
}
