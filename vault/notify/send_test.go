package notify_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fieldvault/fieldvault/vault/notify"
)

func TestMessagesArriveInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var rc receiver
		s := sender(t, &rc)
		send(t, s, "a")
		stop := run(t, s)
		send(t, s, "b", "c")
		synctest.Wait()
		if got := rc.ids(t); got != "[a b c]" {
			t.Errorf("arrived: %s", got)
		}
		if a := rc.arrivals(t)[1]; a.body != `{"of":"b"}` || a.header.Get("Content-Type") != "application/json" {
			t.Errorf("arrived: %+v", a)
		}
		stop()
		wantStats(t, s, notify.Stats{Delivered: 3})
	})
}

// TestWhatFailsIsTriedAgainInItsPlace: each later, under the same id, signed anew,
// and nothing overtakes it.
func TestWhatFailsIsTriedAgainInItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rc := receiver{answer: status(500, 429, 503, 200)}
		s := sender(t, &rc)
		stop := run(t, s)
		began := time.Now()
		send(t, s, "a", "b")
		time.Sleep(time.Minute)
		if got := rc.ids(t); got != "[a a a a b]" {
			t.Errorf("arrived: %s", got)
		}
		stamps := map[string]bool{}
		for i, want := range []time.Duration{0, 1, 3, 7, 7} {
			a := rc.arrivals(t)[i]
			if got := a.at.Sub(began); got != want*time.Second {
				t.Errorf("attempt %d after %v, want %d s", i+1, got, want)
			}
			stamps[a.header.Get("webhook-timestamp")] = true
		}
		if len(stamps) != 4 {
			t.Errorf("%d timestamps, want one for each second", len(stamps))
		}
		stop()
		wantStats(t, s, notify.Stats{Delivered: 2})
	})
}

func TestAttemptsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rc := receiver{answer: func(w http.ResponseWriter, r *http.Request, _ int) {
			if r.Header.Get("webhook-id") == "a" {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}}
		s := sender(t, &rc, func(c *notify.Config) { c.Attempts = 3 })
		stop := run(t, s)
		send(t, s, "a", "b")
		time.Sleep(time.Minute)
		if got := rc.ids(t); got != "[a a a b]" {
			t.Errorf("arrived: %s", got)
		}
		stop()
		wantStats(t, s, notify.Stats{Delivered: 1, Failed: 1})
	})
}

func TestWhichAnswersAreFinal(t *testing.T) {
	for code, again := range map[int]bool{
		200: false, 202: false, 204: false, 299: false,
		300: false, 304: false, 400: false, 401: false, 404: false, 408: false, 410: false, 422: false,
		429: true, 500: true, 502: true, 503: true, 599: true,
	} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rc := receiver{answer: status(code)}
				s := sender(t, &rc, func(c *notify.Config) { c.Attempts = 2 })
				stop := run(t, s)
				send(t, s, "a")
				time.Sleep(time.Minute)
				if n := len(rc.arrivals(t)); (n == 2) != again || n == 0 {
					t.Errorf("%d attempts", n)
				}
				stop()
				want := notify.Stats{Failed: 1}
				if code < 300 {
					want = notify.Stats{Delivered: 1}
				}
				wantStats(t, s, want)
			})
		})
	}
}

func TestRetryAfterIsHonouredWithinABound(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"7": 7 * time.Second, "0": time.Second, "1": time.Second, "300": 5 * time.Minute, "301": 5 * time.Minute,
		"18446744073709551615": 5 * time.Minute, "99999999999999999999": time.Second, "-5": time.Second, "soon": time.Second, "": time.Second,
		"Sat, 01 Jan 2000 00:00:30 GMT": 30 * time.Second, "Fri, 31 Dec 1999 23:00:00 GMT": time.Second,
		"Sun, 02 Jan 2000 00:00:00 GMT": 5 * time.Minute, "Fri, 31 Dec 9999 23:59:59 GMT": 5 * time.Minute,
	} {
		t.Run(text, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // which begins on 1 January 2000
				rc := receiver{answer: func(w http.ResponseWriter, _ *http.Request, n int) {
					if n == 1 {
						w.Header().Set("Retry-After", text)
						w.WriteHeader(http.StatusTooManyRequests)
					}
				}}
				s := sender(t, &rc)
				stop := run(t, s)
				began := time.Now()
				send(t, s, "a")
				time.Sleep(time.Hour)
				if a := rc.arrivals(t); len(a) != 2 || a[1].at.Sub(began) != want {
					t.Errorf("%d attempts, want the second after %v: %v", len(a), want, a)
				}
				stop()
			})
		})
	}
}

// TestWaitsAreBounded: they double to a minute, and jitter has the last word.
func TestWaitsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rc := receiver{answer: status(500)}
		var asked []time.Duration
		s := sender(t, &rc, func(c *notify.Config) {
			c.Attempts = 80
			c.Jitter = func(d time.Duration) time.Duration {
				asked = append(asked, d)
				return time.Millisecond
			}
		})
		stop := run(t, s)
		send(t, s, "a")
		time.Sleep(79 * time.Millisecond)
		stop()
		if len(asked) != 79 || len(rc.arrivals(t)) != 80 {
			t.Fatalf("%d waits, %d attempts", len(asked), len(rc.arrivals(t)))
		}
		for i, d := range asked {
			want := time.Minute
			if i < 6 {
				want = time.Second << i
			}
			if d != want {
				t.Errorf("wait %d: %v, want %v", i+1, d, want)
			}
		}
	})
}

func TestTheDefaultJitterIsFromHalfToTheWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rc := receiver{answer: status(500)}
		s := sender(t, &rc, func(c *notify.Config) { c.Attempts, c.Jitter = 100, nil })
		stop := run(t, s)
		send(t, s, "a")
		time.Sleep(2 * time.Hour)
		stop()
		a := rc.arrivals(t)
		least, most := time.Duration(math.MaxInt64), time.Duration(0)
		for i := 10; i < len(a); i++ { // of a minute each
			d := a[i].at.Sub(a[i-1].at)
			least, most = min(least, d), max(most, d)
		}
		if len(a) != 100 || least < 30*time.Second || most > time.Minute || most-least < 10*time.Second {
			t.Errorf("%d attempts, waits from %v to %v", len(a), least, most)
		}
	})
}

func TestAFullQueueRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		rc := receiver{answer: func(http.ResponseWriter, *http.Request, int) { <-gate }}
		s := sender(t, &rc, func(c *notify.Config) { c.Queue = 3 })
		stop := run(t, s)
		send(t, s, "a")
		synctest.Wait() // a is on its way, and still counts
		send(t, s, "b", "c")
		if err := s.Send("d", "k", nil); !errors.Is(err, notify.ErrFull) {
			t.Errorf("error %v, want ErrFull", err)
		}
		wantStats(t, s, notify.Stats{Waiting: 3, Refused: 1})
		gate <- struct{}{}
		synctest.Wait()
		send(t, s, "e")
		close(gate)
		synctest.Wait()
		if got := rc.ids(t); got != "[a b c e]" {
			t.Errorf("arrived: %s", got)
		}
		stop()
		wantStats(t, s, notify.Stats{Delivered: 4, Refused: 1})
	})
}

// TestTheEndTriesWhatWaitsOnce: also what waited for its next attempt.
func TestTheEndTriesWhatWaitsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rc := receiver{answer: func(w http.ResponseWriter, r *http.Request, _ int) {
			if r.Header.Get("webhook-id") != "c" {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}}
		s := sender(t, &rc)
		stop := run(t, s)
		send(t, s, "a", "b", "c")
		time.Sleep(1500 * time.Millisecond)
		began := time.Now()
		stop()
		if took := time.Since(began); took > time.Second {
			t.Errorf("the end took %v", took)
		}
		if got := rc.ids(t); got != "[a a a b c]" {
			t.Errorf("arrived: %s", got)
		}
		wantStats(t, s, notify.Stats{Delivered: 1, Failed: 2})
		if err := s.Send("d", "k", nil); !errors.Is(err, notify.ErrStopped) {
			t.Errorf("error %v, want ErrStopped", err)
		}
		if err := s.Run(t.Context()); err == nil {
			t.Error("a sender ran twice")
		}
	})
}

// TestTheEndIsBounded: a receiver that never answers holds up nobody.
func TestTheEndIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rc := receiver{answer: func(_ http.ResponseWriter, r *http.Request, _ int) { <-r.Context().Done() }}
		var log bytes.Buffer
		s := sender(t, &rc, logTo(&log))
		stop := run(t, s)
		send(t, s, "a", "b", "c")
		time.Sleep(time.Second)
		began := time.Now()
		stop()
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("the end took %v", took)
		}
		if got := rc.ids(t); got != "[a]" {
			t.Errorf("arrived: %s", got)
		}
		wantStats(t, s, notify.Stats{Failed: 3})
		if !strings.Contains(log.String(), "messages=2") {
			t.Errorf("the log does not count what was lost:\n%s", &log)
		}
	})
}

func TestAnAttemptHasATimeOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rc := receiver{answer: func(_ http.ResponseWriter, r *http.Request, n int) {
			if n == 1 {
				<-r.Context().Done()
			}
		}}
		s := sender(t, &rc)
		stop := run(t, s)
		send(t, s, "a")
		time.Sleep(time.Minute)
		if a := rc.arrivals(t); len(a) != 2 || a[1].at.Sub(a[0].at) != 11*time.Second {
			t.Errorf("attempts: %v", a)
		}
		stop()
		wantStats(t, s, notify.Stats{Delivered: 1})
	})
}

func TestAMessageMustBeOne(t *testing.T) {
	s := sender(t, &receiver{})
	for name, m := range map[string]struct{ id, kind, body string }{
		"no id":        {"", "k", ""},
		"long id":      {strings.Repeat("x", notify.MaxID+1), "k", ""},
		"id with stop": {"a.1", "k", ""},
		"id with line": {"a\r\nX: y", "k", ""},
		"no kind":      {"a", "", ""},
		"long kind":    {"a", strings.Repeat("k", notify.MaxKind+1), ""},
		"other kind":   {"a", "Canary", ""},
		"kind of _":    {"a", "_k", ""},
		"long body":    {"a", "k", strings.Repeat("x", notify.MaxBody+1)},
	} {
		err := s.Send(m.id, m.kind, []byte(m.body))
		if !errors.Is(err, notify.ErrMessage) || strings.Contains(err.Error(), "Canary") {
			t.Errorf("%s: error %v", name, err)
		}
	}
	wantStats(t, s, notify.Stats{})
	if err := s.Send(strings.Repeat("x", notify.MaxID), "k", make([]byte, notify.MaxBody)); err != nil {
		t.Errorf("the largest message: %v", err)
	}
}

// TestTheBodyIsCopied: the caller may use its buffer again.
func TestTheBodyIsCopied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var rc receiver
		s := sender(t, &rc)
		body := []byte("before")
		if err := s.Send("a", "k", body); err != nil {
			t.Fatal(err)
		}
		copy(body, "after!")
		run(t, s)()
		if got := rc.arrivals(t)[0].body; got != "before" {
			t.Errorf("arrived: %q", got)
		}
	})
}

// Deliver sends once, signed, and says how it went in words of this package.
func TestDeliver(t *testing.T) {
	rc := &receiver{answer: status(503, 200)}
	s := sender(t, rc)
	if err := s.Deliver(t.Context(), "a b", "kind", nil); !errors.Is(err, notify.ErrMessage) {
		t.Errorf("a message that is none: %v", err)
	}
	err := s.Deliver(t.Context(), "id-1", "kind", []byte(`{"v":1}`))
	if !errors.Is(err, notify.ErrUndelivered) || strings.Contains(err.Error(), "canary") {
		t.Errorf("answered with 503: %v", err)
	}
	if err := s.Deliver(t.Context(), "id-1", "kind", []byte(`{"v":1}`)); err != nil {
		t.Errorf("answered with 200: %v", err)
	}
	if got := rc.ids(t); got != "[id-1 id-1]" {
		t.Errorf("arrived: %s", got)
	}
	wantStats(t, s, notify.Stats{})
}
