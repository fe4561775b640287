package bench

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// serve is a server of a handler, and a workload of GET requests to it.
func serve(t *testing.T, h http.HandlerFunc) Workload {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	s, err := NewServer(srv.URL, "X-Test: yes")
	if err != nil {
		t.Fatal(err)
	}
	return Workload{Name: "test", Unit: "requests", Units: 3, Server: s, Request: func(b []byte, n int64) []byte {
		return s.appendRequest(b, "POST", fmt.Sprint("/", n), []byte(fmt.Sprint("body ", n)))
	}}
}

// TestDriveSendsEachOnce: every number is sent once, whole, and every answer is read
// whole, however it is framed.
func TestDriveSendsEachOnce(t *testing.T) {
	var seen [400]atomic.Int64
	w := serve(t, func(w http.ResponseWriter, r *http.Request) {
		var n int
		if _, err := fmt.Sscanf(r.URL.Path, "/%d", &n); err != nil || r.Header.Get("X-Test") != "yes" {
			t.Errorf("request of %s", r.URL)
		}
		var word string
		var body int
		if _, err := fmt.Fscan(r.Body, &word, &body); err != nil || body != n {
			t.Errorf("the body of %d is %s %d", n, word, body)
		}
		seen[n].Add(1)
		long := strings.Repeat("x", n*97)
		if n%2 == 0 {
			w.(http.Flusher).Flush() // chunked
		}
		if _, err := io.WriteString(w, long); err != nil {
			t.Error(err)
		}
	})
	w.Check = func(n int64, body []byte) error {
		if len(body) != int(n)*97 {
			return fmt.Errorf("answer %d has %d bytes", n, len(body))
		}
		return nil
	}
	f, err := Drive(t.Context(), w, Load{Workers: 7, Count: 300, First: 100})
	if err != nil {
		t.Fatal(err)
	}
	for n := range seen {
		if got, want := seen[n].Load(), int64(min(1, n/100)); got != want {
			t.Errorf("request %d was sent %d times", n, got)
		}
	}
	if f.Requests != 300 || f.PerSecond <= 0 || f.Units != 3*f.PerSecond || f.P50 <= 0 || f.Max < f.P999 {
		t.Errorf("the figure is %+v", f)
	}
}

// TestNoCoordinatedOmission: a server that stands still once, for half a second, shows in
// the latency of all requests that were due meanwhile, and not of one alone.
func TestNoCoordinatedOmission(t *testing.T) {
	var n atomic.Int64
	w := serve(t, func(http.ResponseWriter, *http.Request) {
		if n.Add(1) == 100 {
			time.Sleep(500 * time.Millisecond)
		}
	})
	f, err := Drive(t.Context(), w, Load{Workers: 1, Count: 400, Rate: 400})
	if err != nil {
		t.Fatal(err)
	}
	late := int64(0)
	for _, b := range f.times.Distribution() {
		if b.From >= 100_000 {
			late += b.Count
		}
	}
	if late < 100 { // of 200 that were due while it stood still
		t.Errorf("%d requests were late by a tenth of a second or more: %+v", late, f)
	}
}

// TestDriveEndsWithTheFirstFault: figures of requests that fail are none.
func TestDriveEndsWithTheFirstFault(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"a refusal":  func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) },
		"a check":    func(http.ResponseWriter, *http.Request) {},
		"a dead one": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		w := serve(t, h)
		w.Check = func(int64, []byte) error { return fmt.Errorf("not what was asked for") }
		if f, err := Drive(t.Context(), w, Load{Workers: 3, For: time.Minute}); err == nil {
			t.Errorf("%s: %+v", name, f)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := serve(t, func(http.ResponseWriter, *http.Request) {})
	if _, err := Drive(ctx, w, Load{Workers: 1, For: time.Minute}); err == nil {
		t.Error("a run that was ended has a figure")
	}
}

// TestRatio: rounds are compared one by one.
func TestRatio(t *testing.T) {
	r := ratio("x", []float64{10, 30, 20}, []float64{10, 10, 10})
	if r.Value != 2 || r.Low != 1 || r.High != 3 || r.Ours != 20 || r.Theirs != 10 {
		t.Errorf("%+v", r)
	}
	if r := ratio("x", []float64{1, 2}, []float64{1, 1}); r.Value != 1.5 {
		t.Errorf("%+v", r)
	}
}
