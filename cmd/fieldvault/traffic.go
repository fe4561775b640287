package main

import (
	"net/http"
	"strings"
	"sync"
	"time"
)

// A traffic knows whether requests are being served: background work leaves them room.
type traffic struct {
	now func() time.Time

	mu       sync.Mutex
	underWay int
	changed  time.Time     // when underWay was last looked at
	spent    time.Duration // on all requests until then
	since    time.Time     // the beginning of the window that is being measured
	before   time.Duration // what was spent until then
	last     bool          // whether the window before was busy
}

// What counts as busy: a request now, or in the last whole second as much as one request
// that took this part of it.
const (
	trafficWindow = time.Second
	trafficPart   = 0.02
)

// unhurried says whether a request does not count: who asks how a job does must not
// slow it.
func unhurried(path string) bool {
	for _, begin := range [...]string{"/v1/jobs", "/v1/keys", "/healthz", "/readyz"} {
		if strings.HasPrefix(path, begin) {
			return true
		}
	}
	return false
}

// count wraps a handler whose requests count.
func (t *traffic) count(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if unhurried(r.URL.Path) {
			h.ServeHTTP(w, r)
			return
		}
		t.add(1)
		defer t.add(-1)
		h.ServeHTTP(w, r)
	})
}

func (t *traffic) add(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.look()
	t.underWay += n
}

// look brings spent up to now.
func (t *traffic) look() {
	now := t.now()
	t.spent += time.Duration(t.underWay) * now.Sub(t.changed)
	t.changed = now
	if window := now.Sub(t.since); window >= trafficWindow {
		t.last = float64(t.spent-t.before) > trafficPart*float64(window)
		t.since, t.before = now, t.spent
	}
}

// busy says whether requests are being served.
func (t *traffic) busy() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.look()
	return t.underWay > 0 || t.last
}
