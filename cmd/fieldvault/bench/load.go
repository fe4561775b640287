package bench

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A Load is how much of a workload is driven.
type Load struct {
	Workers int           // connections, each with one request at a time
	For     time.Duration // how long; 0: until Count
	Count   int64         // at most so many requests; 0: any number
	Rate    float64       // requests a second that are due; 0: as many as can be
	First   int64         // the number of the first request
}

// A Figure is what came of a load.
type Figure struct {
	Workload  string  `json:"workload"`
	Workers   int     `json:"concurrency"`
	Rate      float64 `json:"rate,omitempty"` // requests a second that were due
	Requests  int64   `json:"requests"`
	Seconds   float64 `json:"seconds"`
	PerSecond float64 `json:"requests_per_second"`
	Units     float64 `json:"units_per_second"` // fields, keys or people, as the workload counts
	Unit      string  `json:"unit"`
	P50       float64 `json:"p50_ms"`
	P90       float64 `json:"p90_ms"`
	P99       float64 `json:"p99_ms"`
	P999      float64 `json:"p999_ms"`
	Max       float64 `json:"max_ms"`
	Generator float64 `json:"generator_cpu_us"`         // of one request
	Service   float64 `json:"service_cpu_us,omitempty"` // of one request; 0: not known

	times *hdrhistogram.Histogram // microseconds
}

// A Workload is one kind of request, and how many units one is.
type Workload struct {
	Name  string
	Unit  string
	Units int
	// Server is where it goes.
	Server *Server
	// Request appends the nth request.
	Request func(b []byte, n int64) []byte
	// Check says what is wrong with an answer of status 2xx, if anything.
	Check func(n int64, body []byte) error
}

// a driver is one load under way.
type driver struct {
	w     Workload
	l     Load
	start time.Time
	until time.Time
	next  atomic.Int64
}

// Drive drives a workload. The first answer that is not as it must be ends it.
func Drive(ctx context.Context, w Workload, l Load) (Figure, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	conns, err := dialAll(ctx, w.Server, l.Workers)
	if err != nil {
		return Figure{}, err
	}
	d := &driver{w: w, l: l}
	times := make([]*hdrhistogram.Histogram, l.Workers)
	cpu := generatorCPU()
	d.start = time.Now()
	d.until = d.start.Add(l.For)
	var wg sync.WaitGroup
	for i, c := range conns {
		times[i] = newTimes()
		wg.Go(func() {
			defer c.close()
			if err := d.work(ctx, c, times[i]); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	took := time.Since(d.start)
	if ctx.Err() != nil {
		return Figure{}, fmt.Errorf("%s: %w", w.Name, context.Cause(ctx))
	}
	all := newTimes()
	for _, h := range times {
		all.Merge(h)
	}
	return figure(w, l, all, took, generatorCPU()-cpu), nil
}

func dialAll(ctx context.Context, s *Server, n int) ([]*conn, error) {
	conns := make([]*conn, n)
	for i := range conns {
		c, err := s.dial(ctx)
		if err != nil {
			return nil, err
		}
		conns[i] = c
	}
	return conns, nil
}

// newTimes holds 1 microsecond to 2 minutes to three digits.
func newTimes() *hdrhistogram.Histogram { return hdrhistogram.New(1, 120_000_000, 3) }

// work sends requests until there are no more to send.
func (d *driver) work(ctx context.Context, c *conn, times *hdrhistogram.Histogram) error {
	var buf []byte
	for ctx.Err() == nil {
		n := d.next.Add(1) - 1
		if d.l.Count > 0 && n >= d.l.Count {
			return nil
		}
		due := time.Now()
		if d.l.Rate > 0 {
			due = d.start.Add(time.Duration(float64(n) / d.l.Rate * float64(time.Second)))
			if d.l.For > 0 && due.After(d.until) {
				return nil
			}
			if err := pause(ctx, time.Until(due)); err != nil {
				return nil //nolint:nilerr // the cause is told once, by whoever ended it
			}
		} else if d.l.For > 0 && due.After(d.until) {
			return nil
		}
		buf = d.w.Request(buf[:0], d.l.First+n)
		status, body, err := c.do(buf)
		if err != nil {
			return err
		}
		if status >= 300 {
			return fmt.Errorf("status %d: %.300s", status, body)
		}
		if d.w.Check != nil {
			if err := d.w.Check(d.l.First+n, body); err != nil {
				return err
			}
		}
		if err := times.RecordValue(max(1, time.Since(due).Microseconds())); err != nil {
			return fmt.Errorf("a request took longer than can be noted: %w", err)
		}
	}
	return nil
}

func figure(w Workload, l Load, h *hdrhistogram.Histogram, took, cpu time.Duration) Figure {
	n := h.TotalCount()
	ms := func(q float64) float64 { return float64(h.ValueAtQuantile(q)) / 1000 }
	f := Figure{
		Workload: w.Name, Workers: l.Workers, Rate: l.Rate, Requests: n, Seconds: took.Seconds(), Unit: w.Unit,
		PerSecond: float64(n) / took.Seconds(), P50: ms(50), P90: ms(90), P99: ms(99), P999: ms(99.9), Max: float64(h.Max()) / 1000,
		times: h,
	}
	f.Units = f.PerSecond * float64(w.Units)
	if n > 0 {
		f.Generator = float64(cpu.Microseconds()) / float64(n)
	}
	return f
}

// generatorCPU is the CPU time that this process has used.
func generatorCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
