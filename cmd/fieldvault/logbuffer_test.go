package main

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// written are the writes that a lineBuffer has made.
type written struct {
	mu   sync.Mutex
	list []string
}

func (w *written) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.list = append(w.list, string(b))
	return len(b), nil
}

func (w *written) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := w.list
	w.list = nil
	return list
}

// TestLogLinesWaitForOthers: lines are written together, in order, and soon; a warning
// takes those before it along at once.
func TestLogLinesWaitForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out written
		b := &lineBuffer{to: &out}
		log, err := b.logger("info", "text")
		if err != nil {
			t.Fatal(err)
		}
		log.Info("one")
		log.With("request", 1).WithGroup("g").Info("two")
		log.Debug("never")
		if got := out.take(); got != nil {
			t.Errorf("at once: %q", got)
		}
		time.Sleep(logWait + time.Millisecond)
		synctest.Wait()
		got := out.take()
		if len(got) != 1 || strings.Count(got[0], "\n") != 2 || strings.Index(got[0], "msg=one") > strings.Index(got[0], "msg=two request=1") {
			t.Errorf("after a moment: %q", got)
		}
		for _, warn := range []func(string, ...any){log.Warn, log.With("a", 1).Error, log.WithGroup("g").Warn} {
			log.Info("before")
			warn("now")
			if got := out.take(); len(got) != 1 || !strings.Contains(got[0], "msg=before") || !strings.Contains(got[0], "msg=now") {
				t.Errorf("a warning: %q", got)
			}
		}
		log.Info("last")
		b.Flush()
		b.Flush()
		if got := out.take(); len(got) != 1 || !strings.Contains(got[0], "msg=last") {
			t.Errorf("at the end: %q", got)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := out.take(); got != nil {
			t.Errorf("afterwards: %q", got)
		}
	})
}

// TestLogHoldsLittle: many lines at once do not pile up.
func TestLogHoldsLittle(t *testing.T) {
	var out written
	b := &lineBuffer{to: &out}
	defer b.Flush()
	log, err := b.logger("info", "json")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 500 {
				log.Info("a line", "of", strings.Repeat("x", 1000))
			}
		})
	}
	wg.Wait()
	b.Flush()
	lines := 0
	for _, w := range out.take() {
		if len(w) > logRoom+2000 || !strings.HasSuffix(w, "}\n") {
			t.Errorf("a write of %d bytes", len(w))
		}
		lines += strings.Count(w, "\n")
	}
	if lines != 8*500 {
		t.Errorf("%d lines, want %d", lines, 8*500)
	}
	if _, err := b.logger("loud", "json"); err == nil {
		t.Error("an unknown level was taken")
	}
}
