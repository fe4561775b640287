package jobs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"github.com/fieldvault/fieldvault/vault/jobs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// table is a Source in memory, with the rules of the real ones.
type table struct {
	mu    sync.Mutex
	rows  []jobs.Job
	saves int
	down  error // what every call answers, if not nil
}

func (t *table) add(kind string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rows = append(t.rows, jobs.Job{ID: uuid.Must(uuid.NewV7()), Kind: kind, State: jobs.Queued})
	return len(t.rows) - 1
}

func (t *table) at(i int) jobs.Job {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.rows[i]
}

func (t *table) fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.down = err
}

func (t *table) Take(_ context.Context, kinds []string, owner string, now, lease time.Time) (jobs.Job, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.down != nil {
		return jobs.Job{}, t.down
	}
	for i := range t.rows {
		j := &t.rows[i]
		if !slices.Contains(kinds, j.Kind) || j.State != jobs.Queued && (j.State != jobs.Running || !j.Lease.Before(now)) {
			continue
		}
		j.State, j.Owner, j.Lease, j.Fence = jobs.Running, owner, lease, j.Fence+1
		return *j, nil
	}
	return jobs.Job{}, jobs.ErrNone
}

func (t *table) Save(_ context.Context, j jobs.Job) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.down != nil {
		return t.down
	}
	for i := range t.rows {
		if row := &t.rows[i]; row.ID == j.ID && row.Fence == j.Fence && row.State == jobs.Running {
			row.State, row.Cursor, row.Done, row.Total, row.Note = j.State, j.Cursor, j.Done, j.Total, j.Note
			row.Lease, row.Updated = j.Lease, j.Updated
			t.saves++
			return nil
		}
	}
	return fmt.Errorf("saving: %w", jobs.ErrLost)
}

// start runs a runner and returns what stops it and waits for it.
func start(t *testing.T, src jobs.Source, owner string, work jobs.WorkerFunc, edit ...func(*jobs.Config)) (stop func()) {
	t.Helper()
	cfg := jobs.Config{
		Source: src, Work: map[string]jobs.Worker{"count": work}, Owner: owner, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
	}
	for _, f := range edit {
		f(&cfg)
	}
	r, err := jobs.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error)
	go func() { done <- r.Run(ctx) }()
	return func() {
		t.Helper()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

// count is a worker of n steps, each of which takes a second.
func count(n int64) jobs.WorkerFunc {
	return func(ctx context.Context, j jobs.Job) (jobs.Job, bool, error) {
		select {
		case <-ctx.Done():
			return j, false, ctx.Err()
		case <-time.After(time.Second):
		}
		j.Done++
		j.Total, j.Cursor = n, fmt.Append(nil, j.Done)
		return j, j.Done == n, nil
	}
}

func TestAJobRunsToItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var src table
		src.add("count")
		src.add("another kind")
		stop := start(t, &src, "a", count(3))
		time.Sleep(10 * time.Second)
		stop()
		j := src.at(0)
		if j.State != jobs.Done || j.Done != 3 || string(j.Cursor) != "3" || src.saves != 3 {
			t.Errorf("after 3 steps: %+v, %d saves", j, src.saves)
		}
		if j := src.at(1); j.State != jobs.Queued {
			t.Errorf("a kind without a worker was taken: %+v", j)
		}
	})
}

func TestOneNodeAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var src table
		for range 5 {
			src.add("count")
		}
		var mu sync.Mutex
		now, most := map[uuid.UUID]int{}, 0
		work := func(ctx context.Context, j jobs.Job) (jobs.Job, bool, error) {
			mu.Lock()
			now[j.ID]++
			most = max(most, now[j.ID])
			mu.Unlock()
			defer func() { mu.Lock(); now[j.ID]--; mu.Unlock() }()
			return count(20)(ctx, j)
		}
		stops := []func(){start(t, &src, "a", work), start(t, &src, "b", work), start(t, &src, "c", work)}
		time.Sleep(time.Minute)
		for _, stop := range stops {
			stop()
		}
		if most != 1 {
			t.Errorf("up to %d nodes worked on one job", most)
		}
		for i := range 5 {
			if j := src.at(i); j.State != jobs.Done || j.Done != 20 || j.Fence != 1 {
				t.Errorf("job %d: %+v", i, j)
			}
		}
	})
}

// A node that is stopped for longer than its lease loses the job to another, and
// what it does on waking changes nothing.
func TestLostLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var src table
		src.add("count")
		var steps atomic.Int32
		stopA := start(t, &src, "a", func(_ context.Context, j jobs.Job) (jobs.Job, bool, error) {
			steps.Add(1)
			time.Sleep(time.Minute) // deaf to its context, as a process under SIGSTOP is
			j.Done = 1000
			return j, true, nil
		}, func(c *jobs.Config) { c.Parallel = 1 })
		time.Sleep(5 * time.Second)
		stopB := start(t, &src, "b", count(100))
		time.Sleep(85 * time.Second)
		if j := src.at(0); j.Owner != "b" || j.Fence != 2 || j.State != jobs.Running || j.Done > 100 {
			t.Errorf("after the first owner woke: %+v", j)
		}
		if n := steps.Load(); n != 1 {
			t.Errorf("the first owner did %d steps, want 1", n)
		}
		time.Sleep(time.Minute)
		stopA()
		stopB()
		if j := src.at(0); j.State != jobs.Done || j.Done != 100 {
			t.Errorf("at the end: %+v", j)
		}
	})
}

func TestAStoppedJobGoesOnAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var src table
		src.add("count")
		stop := start(t, &src, "a", count(10))
		time.Sleep(4500 * time.Millisecond)
		stop()
		if j := src.at(0); j.State != jobs.Running || j.Done != 4 || j.Lease.After(time.Now()) {
			t.Fatalf("after the stop: %+v", j)
		}
		time.Sleep(time.Millisecond)
		stop = start(t, &src, "b", count(10))
		time.Sleep(6500 * time.Millisecond)
		stop()
		if j := src.at(0); j.State != jobs.Done || j.Done != 10 || j.Owner != "b" {
			t.Errorf("6 steps later: %+v", j)
		}
	})
}

// A step that ends well while its runner stops is not lost.
func TestTheLastStepIsSaved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var src table
		for range 2 {
			src.add("count")
		}
		stop := start(t, &src, "a", func(_ context.Context, j jobs.Job) (jobs.Job, bool, error) {
			time.Sleep(time.Second)
			j.Done++
			return j, j.ID == src.at(0).ID, nil
		})
		time.Sleep(500 * time.Millisecond)
		stop()
		if j := src.at(0); j.State != jobs.Done || j.Done != 1 {
			t.Errorf("the job that was done: %+v", j)
		}
		if j := src.at(1); j.State != jobs.Running || j.Done != 1 {
			t.Errorf("the job that was not: %+v", j)
		}
	})
}

func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var src table
		src.add("count")
		began := time.Now()
		var at []time.Duration
		var ok atomic.Bool
		stop := start(t, &src, "a", func(_ context.Context, j jobs.Job) (jobs.Job, bool, error) {
			at = append(at, time.Since(began))
			if ok.Load() {
				return j, true, nil
			}
			j.Done, j.Cursor = 99, []byte("of a step that failed")
			return j, false, &jobs.StepError{Note: "Vault does not answer", Err: errors.New("dial 10.0.0.7: refused")}
		}, func(c *jobs.Config) { c.MaxRetry = 10 * time.Second })
		time.Sleep(30 * time.Second)
		j := src.at(0)
		if j.State != jobs.Running || j.Note != "Vault does not answer" || j.Done != 0 || j.Cursor != nil || !j.Lease.After(time.Now()) {
			t.Errorf("while it waits: %+v", j)
		}
		ok.Store(true)
		time.Sleep(10 * time.Second)
		stop()
		want := []time.Duration{0, 1, 3, 7, 15, 25, 35}
		for i := range want {
			want[i] *= time.Second
		}
		if !slices.Equal(at, want) {
			t.Errorf("tried at %v, want %v", at, want)
		}
		if j := src.at(0); j.State != jobs.Done || j.Note != "" || j.Fence != 1 {
			t.Errorf("at the end: %+v", j)
		}
	})
}

// What a process cannot do it leaves to others, until it can.
func TestNotReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var src table
		src.add("count")
		src.add("other")
		var ready atomic.Bool
		stop := start(t, &src, "a", count(3), func(c *jobs.Config) {
			c.Work["other"] = count(3)
			c.Ready = func(kind string) bool { return kind == "other" || ready.Load() }
		})
		time.Sleep(10 * time.Second)
		if j := src.at(0); j.State != jobs.Queued {
			t.Errorf("a job was taken that cannot be done: %+v", j)
		}
		if j := src.at(1); j.State != jobs.Done {
			t.Errorf("the other kind: %+v", j)
		}
		ready.Store(true)
		time.Sleep(10 * time.Second)
		stop()
		if j := src.at(0); j.State != jobs.Done {
			t.Errorf("once it can be done: %+v", j)
		}
	})
}

func TestWhatFailsAJob(t *testing.T) {
	for _, tt := range []struct {
		name  string
		step  func() error
		state jobs.State
		note  string
	}{
		{"a permanent error", func() error {
			return fmt.Errorf("rewrapping: %w", &jobs.StepError{Permanent: true, Note: "the key is gone", Err: errors.New("x")})
		}, jobs.Failed, "the key is gone"},
		{"one without words", func() error { return &jobs.StepError{Permanent: true} }, jobs.Failed, "the work cannot go on"},
		{"a panic", func() error { panic("with luisg@embraer.com.br in it") }, jobs.Failed, "a fault of the program"},
		{"any other error", func() error { return errors.New("luisg@embraer.com.br") }, jobs.Running, "will be tried again"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var src table
				bad, good := src.add("count"), src.add("count")
				var log bytes.Buffer
				stop := start(t, &src, "a", func(ctx context.Context, j jobs.Job) (jobs.Job, bool, error) {
					if j.ID == src.at(bad).ID {
						return j, false, tt.step()
					}
					return count(3)(ctx, j)
				}, func(c *jobs.Config) {
					c.Parallel = 2
					c.Logger = slog.New(slog.NewTextHandler(&log, nil))
				})
				time.Sleep(10 * time.Second)
				stop()
				if j := src.at(bad); j.State != tt.state || !strings.Contains(j.Note, tt.note) || strings.Contains(j.Note, "@") {
					t.Errorf("it: %+v", j)
				}
				if j := src.at(good); j.State != jobs.Done {
					t.Errorf("the other job: %+v", j)
				}
				if tt.name == "a panic" && (strings.Contains(log.String(), "@") || !strings.Contains(log.String(), "jobs_test.go")) {
					t.Errorf("the log must say where, and not repeat the panic's value:\n%s", log.String())
				}
			})
		})
	}
}

// While the source is down nothing is done twice over, and nothing is lost.
func TestSourceDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var src table
		src.add("count")
		var steps atomic.Int32
		stop := start(t, &src, "a", func(ctx context.Context, j jobs.Job) (jobs.Job, bool, error) {
			steps.Add(1)
			return count(5)(ctx, j)
		})
		time.Sleep(2500 * time.Millisecond)
		src.fail(errors.New("the database is down"))
		time.Sleep(10 * time.Second)
		if n := steps.Load(); n != 3 {
			t.Errorf("%d steps with the source down, want 3: the third is not saved yet", n)
		}
		src.fail(nil)
		time.Sleep(20 * time.Second)
		stop()
		if j := src.at(0); j.State != jobs.Done || j.Done != 5 || steps.Load() != 5 {
			t.Errorf("%+v after %d steps", j, steps.Load())
		}
	})
}

func TestPauseLeavesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var src table
		src.add("count")
		stop := start(t, &src, "a", count(100), func(c *jobs.Config) { c.Pause = time.Second })
		time.Sleep(20500 * time.Millisecond)
		stop()
		if n := src.at(0).Done; n != 10 {
			t.Errorf("%d steps of a second in 20 s, want 10", n)
		}
	})
}

// Nobody needs room while nothing else is done.
func TestNoPauseInQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var src table
		src.add("count")
		began := time.Now()
		stop := start(t, &src, "a", count(100), func(c *jobs.Config) {
			c.Pause = time.Second
			c.Busy = func() bool { return time.Since(began) < 10*time.Second }
		})
		time.Sleep(20500 * time.Millisecond)
		stop()
		if n := src.at(0).Done; n != 15 {
			t.Errorf("%d steps of a second in 20 s, of which 10 are busy, want 15", n)
		}
	})
}

func TestNewRefusesGaps(t *testing.T) {
	good := jobs.Config{
		Source: &table{}, Work: map[string]jobs.Worker{"count": count(1)}, Owner: "a", Now: time.Now, Logger: slog.New(slog.DiscardHandler),
	}
	if _, err := jobs.New(good); err != nil {
		t.Fatal(err)
	}
	for name, gap := range map[string]func(*jobs.Config){
		"source": func(c *jobs.Config) { c.Source = nil },
		"work":   func(c *jobs.Config) { c.Work = nil },
		"worker": func(c *jobs.Config) { c.Work = map[string]jobs.Worker{"count": nil} },
		"owner":  func(c *jobs.Config) { c.Owner = "" },
		"now":    func(c *jobs.Config) { c.Now = nil },
		"logger": func(c *jobs.Config) { c.Logger = nil },
		"lease":  func(c *jobs.Config) { c.Lease = -1 },
	} {
		c := good
		gap(&c)
		if _, err := jobs.New(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestETA(t *testing.T) {
	began := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		done, total int64
		took        time.Duration
		left        time.Duration
		known       bool
	}{
		{0, 100, time.Minute, 0, false},
		{10, 0, time.Minute, 0, false},
		{10, 100, 0, 0, false},
		{10, 100, -time.Second, 0, false},
		{10, 100, time.Minute, 9 * time.Minute, true},
		{50, 100, time.Minute, time.Minute, true},
		{100, 100, time.Minute, 0, true},
		{120, 100, time.Minute, 0, true},
		{1, 1 << 62, time.Hour, 0, false},
	} {
		left, known := jobs.ETA(tt.done, tt.total, began, began.Add(tt.took))
		if left != tt.left || known != tt.known {
			t.Errorf("ETA(%d of %d after %v) = %v, %v, want %v, %v", tt.done, tt.total, tt.took, left, known, tt.left, tt.known)
		}
	}
}
