package main

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func TestTraffic(t *testing.T) {
	clock := time.Unix(1_700_000_000, 0)
	tr := &traffic{now: func() time.Time { return clock }}
	took := time.Millisecond
	var during bool
	h := tr.count(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		clock = clock.Add(took)
		during = tr.busy()
	}))
	path := "/v1/reveal"
	ask := func(n int, every time.Duration) {
		for range n {
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil))
			clock = clock.Add(every - took)
		}
	}
	tr.busy()
	clock = clock.Add(time.Hour)
	if tr.busy() {
		t.Error("busy after an hour without a request")
	}
	ask(30, 100*time.Millisecond)
	if !during || tr.busy() {
		t.Errorf("ten requests of a millisecond in a second: busy %v while one runs, %v between two", during, tr.busy())
	}
	took = 5 * time.Millisecond
	ask(30, 100*time.Millisecond)
	if !tr.busy() {
		t.Error("not busy with ten requests of five milliseconds in a second")
	}
	clock = clock.Add(2 * time.Second)
	tr.busy()
	clock = clock.Add(2 * time.Second)
	if tr.busy() {
		t.Error("busy seconds after the last request")
	}
	path = "/v1/jobs/x"
	if ask(30, 10*time.Millisecond); during || tr.busy() {
		t.Error("busy with questions about jobs")
	}
}
