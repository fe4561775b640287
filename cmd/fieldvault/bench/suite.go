package bench

import (
	"context"
	"fmt"
	"time"
)

// Scale is how much of a suite is done.
type Scale struct {
	People  int64         // in the service for most measurements
	Growth  int64         // the most people of the measurements of growth; 0: none
	Rounds  int           // in which the sides take turns
	Each    time.Duration // of one side of one round
	Erased  int           // people of each size that are erased
	Records int           // of a large person, 100 fields each
	Cold    int64         // people who are read with an empty cache
	Raw     int           // values that Transit and raw Tink work on
}

// Full is what the published figures are measured with; it takes about three quarters
// of an hour on two cores, most of it to store people.
func Full() Scale {
	return Scale{People: 10_000, Growth: 1_000_000, Rounds: 5, Each: 6 * time.Second, Erased: 100, Records: 1000, Cold: 10_000, Raw: 20_000}
}

// Brief is enough to see that everything is measured; its figures mean little.
func Brief() Scale {
	return Scale{People: 2000, Growth: 4000, Rounds: 2, Each: 300 * time.Millisecond, Erased: 4, Records: 20, Cold: 1000, Raw: 2000}
}

// A Report is what a suite has measured.
type Report struct {
	Keys    map[string]float64 `json:"keys"`   // the headline figures
	Ratios  map[string]Ratio   `json:"ratios"` // what those that are ratios were made of
	Figures []Figure           `json:"figures"`
	Growth  []Growth           `json:"growth,omitempty"`
	Scale   Scale              `json:"scale"`
	Machine Machine            `json:"machine"`
}

// A lab is one run: the service on its ground, the alternative beside it.
type lab struct {
	g       *Ground
	scale   Scale
	people  People
	of      shape
	say     func(format string, args ...any)
	report  *Report
	transit *Transit // with a key for each person
	oneKey  *Transit // with one key for all
	s       *Service
	t       *Target
}

// start starts the service anew, which empties its cache of keys.
func (l *lab) start(ctx context.Context, over map[string]any) (err error) {
	if err := l.stop(); err != nil {
		return err
	}
	if l.s, err = l.g.Start(ctx, over); err != nil {
		return err
	}
	n := int64(0)
	if l.t != nil {
		n = l.t.N
	}
	l.t, err = NewTarget(l.s, l.people, n, l.of)
	return err
}

func (l *lab) stop() error {
	if l.s == nil {
		return nil
	}
	s := l.s
	l.s = nil
	return s.Stop()
}

// drive drives a workload and notes the figure, with what the service took of the CPU.
func (l *lab) drive(ctx context.Context, w Workload, load Load) (Figure, error) {
	before := 0.0
	if l.s != nil {
		before = l.s.cpu(ctx)
	}
	f, err := Drive(ctx, w, load)
	if err != nil {
		return Figure{}, err
	}
	if l.s != nil && l.t != nil && w.Server.host == l.t.Server.host && f.Requests > 0 {
		f.Service = (l.s.cpu(ctx) - before) * 1e6 / float64(f.Requests)
	}
	l.report.Figures = append(l.report.Figures, f)
	l.say("%s", f)
	return f, nil
}

// A side is one of two that are compared.
type side struct {
	w    Workload
	load Load
}

// turns has two sides take turns and compares their units a second.
func (l *lab) turns(ctx context.Context, key, of string, ours, theirs side) error {
	var a, b []float64
	for range l.scale.Rounds {
		for _, x := range []struct {
			side
			into *[]float64
		}{{ours, &a}, {theirs, &b}} {
			f, err := l.drive(ctx, x.w, x.load)
			if err != nil {
				return err
			}
			*x.into = append(*x.into, f.Units)
		}
	}
	l.note(key, ratio(of, a, b))
	return nil
}

// note notes a headline figure that is a ratio.
func (l *lab) note(key string, r Ratio) {
	l.report.Ratios[key] = r
	l.report.Keys[key] = r.Value
	l.say("%-32s %.3f (%.3f to %.3f)", key, r.Value, r.Low, r.High)
}

// put notes a headline figure that is none.
func (l *lab) put(key string, v float64) {
	l.report.Keys[key] = v
	l.say("%-32s %.3f", key, v)
}

// String is one line for people.
func (f Figure) String() string {
	s := fmt.Sprintf("%-28s %3d at once %9.0f requests/s %9.0f %s/s   p50 %.2f p99 %.2f ms   CPU of one: generator %.0f", f.Workload, f.Workers, f.PerSecond, f.Units, f.Unit, f.P50, f.P99, f.Generator)
	if f.Service > 0 {
		s += fmt.Sprintf(", service %.0f", f.Service)
	}
	return s + " us"
}
