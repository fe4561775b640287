package bench

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
)

// Headline measures the figures that stand for the product, beside Vault's Transit
// engine and raw Tink. The ground must have both PostgreSQL and Vault. The database is
// full of people afterwards.
func Headline(ctx context.Context, g *Ground, scale Scale, seed uint64, say func(format string, args ...any)) (_ *Report, err error) {
	l := &lab{
		g: g, scale: scale, people: People{Seed: seed}, of: newShape(len(fieldNames), 0), say: say,
		report: &Report{Keys: map[string]float64{}, Ratios: map[string]Ratio{}, Scale: scale, Machine: machine()},
	}
	defer func() {
		if e := l.stop(); err == nil {
			err = e
		}
	}()
	if err := l.crypto(); err != nil {
		return nil, err
	}
	if err := g.Prepare(ctx); err != nil {
		return nil, err
	}
	for _, x := range []struct {
		into    **Transit
		name    string
		derived bool
	}{{&l.transit, "raw", true}, {&l.oneKey, "one", false}} {
		t, err := NewTransit(ctx, g.Vault, g.Mount, g.Auth, g.Prefix+x.name, x.derived)
		if err != nil {
			return nil, err
		}
		*x.into = t
		defer func() {
			if e := t.Close(context.WithoutCancel(ctx)); e != nil {
				say("a key of Transit stays: %v", e)
			}
		}()
	}
	for _, step := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"bytes of a field", l.overhead},
		{"people", l.load},
		{"reveals beside Transit", l.reveals},
		{"cold keys", l.cold},
		{"rewraps", l.rewraps},
		{"latency during a rotation", l.rotation},
		{"growth", l.growth},
		{"erasures", l.erasures}, // last: what they leave behind is swept for a while
	} {
		say("== %s", step.what)
		if err := step.do(ctx); err != nil {
			return nil, fmt.Errorf("measuring %s: %w", step.what, err)
		}
	}
	return l.report, nil
}

// crypto compares package field with Tink.
func (l *lab) crypto() error {
	seal, open, err := fieldVsTink(l.scale.Rounds, l.scale.Each/6)
	if err != nil {
		return fmt.Errorf("comparing with Tink: %w", err)
	}
	l.note("seal_vs_tink", seal)
	l.note("open_vs_tink", open)
	return nil
}

// load stores the people of most measurements and has Transit encrypt as much.
func (l *lab) load(ctx context.Context) error {
	if err := l.start(ctx, nil); err != nil {
		return err
	}
	f, err := l.t.Load(ctx, 0, l.scale.People, 4, 200)
	if err != nil {
		return err
	}
	l.report.Figures = append(l.report.Figures, f)
	l.say("%s", f)
	values := make([]string, l.scale.Raw)
	for i := range values {
		values[i] = l.people.Values(int64(i))[9]
	}
	if err := l.transit.Encrypt(ctx, values); err != nil {
		return err
	}
	return l.oneKey.Encrypt(ctx, values)
}

// hundred begins a batch of a hundred people who stand beside each other.
func (t *Target) hundred(n int64) int64 {
	return pick(t.People.Seed, n, t.N/100) * 100
}

// reveals compares single and batched reveals of warm keys with Transit's decrypts, and
// batched ones with what raw Tink opens.
func (l *lab) reveals(ctx context.Context) error {
	each := l.scale.Each
	batch := l.t.RevealBatch(100, l.t.hundred)
	if _, err := Drive(ctx, batch, Load{Workers: 4, Count: l.t.N / 10}); err != nil { // the keys are warm now
		return err
	}
	one := Load{Workers: 16, For: each}
	if err := l.turns(ctx, "reveal_single_vs_transit", "single fields a second", side{l.t.RevealOne(), one}, side{l.transit.Decrypt(), one}); err != nil {
		return err
	}
	if err := l.turns(ctx, "reveal_single_vs_transit_one_key", "single fields a second", side{l.t.RevealOne(), one}, side{l.oneKey.Decrypt(), one}); err != nil {
		return err
	}
	many := Load{Workers: 16, For: each} // with four, processors wait for commits
	thousand := min(1000, l.scale.Raw)
	if err := l.turns(ctx, "reveal_batch_vs_transit_batch", "fields a second", side{batch, many}, side{l.transit.Batch("decrypt", thousand), many}); err != nil {
		return err
	}
	if err := l.turns(ctx, "reveal_batch_vs_transit_batch_one_key", "fields a second", side{batch, many}, side{l.oneKey.Batch("decrypt", thousand), many}); err != nil {
		return err
	}
	limit, err := newLimit(int(l.scale.People), 24)
	if err != nil {
		return err
	}
	var ours, theirs []float64
	for range l.scale.Rounds {
		f, err := l.drive(ctx, batch, many)
		if err != nil {
			return err
		}
		opens, err := limit.opens(each / 4)
		if err != nil {
			return err
		}
		ours, theirs = append(ours, f.Units), append(theirs, opens)
	}
	l.note("reveal_batch_vs_limit", ratio("fields a second", ours, theirs))
	for _, w := range []Workload{l.t.RevealPerson(), l.t.Search(), l.t.Encrypt()} {
		if _, err := l.drive(ctx, w, one); err != nil {
			return err
		}
	}
	return nil
}

// cold reads people whose keys are in no memory, ten at a time, each once: as the service
// does by itself, where keys wait for the request to Vault that is under way and share the
// next, and where none waits, in turns.
func (l *lab) cold(ctx context.Context) error {
	var requests, shared, alone []float64
	for range l.scale.Rounds {
		for _, x := range []struct {
			atOnce int
			into   *[]float64
		}{{1, &shared}, {64, &alone}} {
			of, people, err := l.coldRound(ctx, x.atOnce)
			if err != nil {
				return err
			}
			*x.into = append(*x.into, people)
			if x.atOnce == 1 {
				requests = append(requests, of)
			}
		}
	}
	l.put("cold_vault_requests_per_subject", median(requests))
	l.put("cold_people_per_second", median(shared))
	l.note("cold_rate_over_none_waiting", ratio("people a second", shared, alone))
	return nil
}

// coldRound starts the service with an empty cache, and returns the requests to Vault a
// person and the people a second.
func (l *lab) coldRound(ctx context.Context, atOnce int) (requests, people float64, err error) {
	kek, _ := l.g.settings(nil)["kek"].(map[string]any)
	if of, ok := kek["vault"].(map[string]any); ok {
		of["unwraps_at_once"] = atOnce
	}
	if err := l.start(ctx, map[string]any{"kek": kek}); err != nil {
		return 0, 0, err
	}
	n := min(l.scale.Cold, l.t.N) / 10
	before, err := l.s.Metric(ctx, "fieldvault_kek_requests_total")
	if err != nil {
		return 0, 0, err
	}
	f, err := l.drive(ctx, l.t.RevealBatch(10, func(n int64) int64 { return n * 10 }), Load{Workers: 64, Count: n})
	if err != nil {
		return 0, 0, err
	}
	after, err := l.s.Metric(ctx, "fieldvault_kek_requests_total")
	return (after - before) / float64(n*10), f.PerSecond * 10, err
}

// rewraps compares moving all keys to a new version of the key-encryption key with
// Transit's own rewrap, in its best batch size.
func (l *lab) rewraps(ctx context.Context) error {
	if err := l.start(ctx, map[string]any{"jobs": map[string]any{"pause": "0s"}}); err != nil {
		return err
	}
	best, most := 0, 0.0
	for _, size := range []int{100, 500, 1000, 2000} {
		if size > l.scale.Raw {
			continue
		}
		f, err := l.drive(ctx, l.transit.Batch("rewrap", size), Load{Workers: 4, For: l.scale.Each / 2})
		if err != nil {
			return err
		}
		if f.Units > most {
			best, most = size, f.Units
		}
	}
	var ours, theirs []float64
	for range l.scale.Rounds {
		keys, took, err := l.s.rotate(ctx, l.t.Server)
		if err != nil {
			return err
		}
		l.say("rewrapped %d keys in %.2f s", keys, took.Seconds())
		f, err := l.drive(ctx, l.transit.Batch("rewrap", best), Load{Workers: 4, For: l.scale.Each / 2})
		if err != nil {
			return err
		}
		ours, theirs = append(ours, float64(keys)/took.Seconds()), append(theirs, f.Units)
	}
	l.note("rewrap_vs_transit_rewrap", ratio("keys a second", ours, theirs))
	return nil
}

// rotation compares the 99th percentile of reveals at a third of what can be done, in
// quiet and while all keys are moved, with the pauses that jobs make by default.
func (l *lab) rotation(ctx context.Context) error {
	if err := l.start(ctx, nil); err != nil {
		return err
	}
	if _, err := Drive(ctx, l.t.RevealBatch(100, l.t.hundred), Load{Workers: 4, Count: l.t.N / 10}); err != nil { // the keys are warm now
		return err
	}
	w := l.t.RevealOne()
	top, err := l.drive(ctx, w, Load{Workers: 16, For: l.scale.Each / 2})
	if err != nil {
		return err
	}
	if err := l.flush(ctx); err != nil {
		return err
	}
	load := Load{Workers: 32, For: l.scale.Each, Rate: top.PerSecond / 3}
	var during, quiet []float64
	for range 2 * l.scale.Rounds { // the writing of files to disk, every half minute, disturbs one of five
		q, err := l.drive(ctx, w, load)
		if err != nil {
			return err
		}
		d, err := l.whileRotating(ctx, w, load)
		if err != nil {
			return err
		}
		during, quiet = append(during, d.P99), append(quiet, q.P99)
	}
	l.note("rotation_p99_over_quiet", ratio("milliseconds", during, quiet))
	return nil
}

// flush has the database write to disk what was measured before, so that it does not in
// what is measured next. Where its role may not ask for that, it does when it likes.
func (l *lab) flush(ctx context.Context) error {
	c, err := pgx.Connect(ctx, l.g.Store)
	if err != nil {
		return errors.New("connecting to the database to have it write to disk")
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }()
	if _, err := c.Exec(ctx, `CHECKPOINT`); err != nil {
		l.say("the database was not told to write to disk before: %v", err)
	}
	return nil
}

// whileRotating drives a workload while one rotation follows the other, and returns when
// the last of them has ended.
func (l *lab) whileRotating(ctx context.Context, w Workload, load Load) (Figure, error) {
	var driven atomic.Bool
	rotated := make(chan error, 1)
	go func() {
		for {
			if _, _, err := l.s.rotate(ctx, l.t.Server); err != nil || driven.Load() {
				rotated <- err
				return
			}
		}
	}()
	f, err := l.drive(ctx, w, load)
	driven.Store(true)
	return f, errors.Join(err, <-rotated)
}
