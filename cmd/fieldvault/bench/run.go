package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Options say what [Run] measures.
type Options struct {
	Ground    *Ground       // to start a service on; nil: Service runs already
	Service   *Service      // one that runs already
	Workloads []string      // names of Workloads
	People    int64         // in the service; they are stored first
	Workers   int           // requests at once
	Fields    int           // read of each person, 1 to 10
	Size      int           // bytes of each value; 0: names, e-mail addresses, telephone numbers and so on
	Batch     int           // people of a batch
	For       time.Duration // how long each workload is driven
	Rate      float64       // requests a second; 0: as many as can be, then latency at share of that
	Rounds    int           // how often each workload is measured
	Seed      uint64        // of the people
	// Say is told what was measured, as it is measured.
	Say func(format string, args ...any)
	// At is told how far the run is, in steps of all.
	At func(step string, done, all int)
}

// share of what can be done is the rate at which latency is measured.
const share = 0.7

// Workloads are the names that Options take, with what each does.
func Workloads() [][2]string {
	return [][2]string{
		{"put", "store people who are new, one a request"},
		{"put-batch", "store people who are new, --batch a request"},
		{"reveal", "read one field of one person"},
		{"reveal-person", "read --fields fields of one person"},
		{"reveal-batch", "read --fields fields of --batch people a request"},
		{"reveal-cold", "the same, of people whose keys are in no memory"},
		{"search", "find a person by the e-mail address"},
		{"encrypt", "seal ten values for the application's own tables"},
		{"decrypt", "open them again"},
		{"erase", "erase people"},
		{"mixed", "70 % reveal, 15 reveal-person, 5 search, 5 put, 5 encrypt"},
		{"rotate", "move all keys to a new version, with reveals beside it"},
		{"transit", "Vault's Transit: decrypt singly and in batches, rewrap"},
		{"tink", "raw Tink in this process, on all cores: the limit"},
	}
}

// Run measures workloads one after the other.
func Run(ctx context.Context, o Options) (_ *Report, err error) {
	l := &lab{
		g: o.Ground, s: o.Service, people: People{Seed: o.Seed}, of: newShape(o.Fields, o.Size), say: o.Say,
		scale:  Scale{People: o.People, Rounds: o.Rounds, Each: o.For, Raw: max(2000, o.Batch*o.Fields)},
		report: &Report{Keys: map[string]float64{}, Ratios: map[string]Ratio{}, Machine: machine()},
	}
	if o.Ground != nil {
		defer func() {
			if e := l.stop(); err == nil {
				err = e
			}
		}()
		if err := o.Ground.Prepare(ctx); err != nil {
			return nil, err
		}
		if err := l.start(ctx, nil); err != nil {
			return nil, err
		}
	} else if l.t, err = NewTarget(o.Service, l.people, 0, l.of); err != nil {
		return nil, err
	}
	r := &runner{lab: l, o: o, next: o.People}
	if r.needsPeople() {
		if err := r.load(ctx); err != nil {
			return nil, err
		}
	}
	defer r.close(context.WithoutCancel(ctx))
	for i, name := range o.Workloads {
		o.At(name, i, len(o.Workloads))
		if err := r.measure(ctx, name); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	r.compare()
	return l.report, nil
}

// A runner keeps who is there.
type runner struct {
	*lab
	o    Options
	next int64 // the number of the next person who is new
}

func (r *runner) needsPeople() bool {
	return slices.ContainsFunc(r.o.Workloads, func(w string) bool { return w != "tink" && w != "transit" })
}

// load stores the people. In a service that runs already they may be there from the
// last time: they are then stored again.
func (r *runner) load(ctx context.Context) error {
	const step = 2000
	for from := int64(0); from < r.o.People; from += step {
		r.o.At("storing people", int(from), int(r.o.People))
		f, err := r.t.Load(ctx, from, min(from+step, r.o.People), 4, 200)
		if err != nil {
			return fmt.Errorf("storing people: %w", err)
		}
		if from == 0 {
			r.report.Figures = append(r.report.Figures, f)
		}
	}
	return nil
}

func (r *runner) close(ctx context.Context) {
	if r.transit != nil {
		if err := r.transit.Close(ctx); err != nil {
			r.say("the key of Transit stays: %v", err)
		}
	}
}

// fresh are numbers of people who are not there yet.
func (r *runner) fresh(n int64) int64 {
	first := r.next
	r.next += n
	return first
}

func (r *runner) measure(ctx context.Context, name string) error {
	switch name {
	case "transit":
		return r.beside(ctx)
	case "tink":
		return r.rawTink()
	case "rotate":
		return r.rotate(ctx)
	case "reveal-cold":
		return r.cold(ctx)
	case "erase":
		return r.erase(ctx)
	case "put", "put-batch":
		return r.store(ctx, name)
	case "decrypt":
		return r.decrypt(ctx)
	}
	batch := r.t.RevealBatch(r.o.Batch, func(n int64) int64 {
		all := max(1, r.t.N/int64(r.o.Batch))
		return pick(r.people.Seed, n, all) * int64(r.o.Batch)
	})
	if name == "search" && r.o.Size > 0 {
		return errors.New("texts of a --size have no search index")
	}
	w, ok := map[string]Workload{
		"reveal": r.t.RevealOne(), "reveal-person": r.t.RevealPerson(), "reveal-batch": batch,
		"search": r.t.Search(), "encrypt": r.t.Encrypt(), "mixed": r.mixed(),
	}[name]
	if !ok {
		return errors.New("there is no such workload")
	}
	return r.both(ctx, w)
}

// both measures throughput, then latency at a part of it; or only latency, at a rate.
func (r *runner) both(ctx context.Context, w Workload) error {
	load := Load{Workers: r.o.Workers, For: r.o.For, Rate: r.o.Rate}
	for range r.o.Rounds {
		load.First += 1 << 30
		f, err := r.drive(ctx, w, load)
		if err != nil {
			return err
		}
		if r.o.Rate > 0 {
			continue
		}
		paced := load
		paced.Rate, paced.Workers, paced.First = f.PerSecond*share, 2*load.Workers, load.First+1<<29
		if _, err := r.drive(ctx, w, paced); err != nil {
			return err
		}
	}
	return nil
}

// mixed sends different requests, by their number.
func (r *runner) mixed() Workload {
	parts := []struct {
		upTo int64
		w    Workload
	}{{70, r.t.RevealOne()}, {85, r.t.RevealPerson()}, {90, r.t.Search()}, {95, r.t.Encrypt()}, {100, r.t.Put()}}
	first := r.fresh(1 << 32)
	return Workload{
		Name: "mixed", Unit: "requests", Units: 1, Server: r.t.Server,
		Request: func(b []byte, n int64) []byte {
			kind := int64(rand.NewPCG(r.people.Seed, uint64(n)).Uint64() % 100) //nolint:gosec // not for keys
			for _, p := range parts {
				if kind < p.upTo {
					if p.upTo == 100 {
						return p.w.Request(b, first+n&(1<<32-1))
					}
					return p.w.Request(b, n)
				}
			}
			return b
		},
	}
}

// compare notes the ratios of what was measured to the alternatives that were.
func (r *runner) compare() {
	of := func(prefix string) []float64 {
		var list []float64
		for _, f := range r.report.Figures {
			if f.Rate == 0 && strings.HasPrefix(f.Workload, prefix) {
				list = append(list, f.Units)
			}
		}
		return list
	}
	for _, p := range [][3]string{
		{"reveal_single_vs_transit", "reveal-single", "transit-decrypt"},
		{"reveal_batch_vs_transit_batch", "reveal-batch-", "transit-decrypt-batch-"},
		{"reveal_batch_vs_limit", "reveal-batch-", "tink-open"},
	} {
		ours, theirs := of(p[1]), of(p[2])
		if p[2] == "transit-decrypt" {
			theirs = slices.DeleteFunc(of("transit-decrypt"), func(v float64) bool { return slices.Contains(of("transit-decrypt-batch-"), v) })
		}
		if n := min(len(ours), len(theirs)); n > 0 {
			r.note(p[0], ratio("units a second", ours[:n], theirs[:n]))
		}
	}
}
