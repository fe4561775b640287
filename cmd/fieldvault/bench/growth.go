package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// A Growth is how the service does with so many people in it.
type Growth struct {
	People      int64              `json:"people"`
	LoadSeconds float64            `json:"load_seconds"` // to get here from the size before
	Tables      map[string]int64   `json:"table_bytes"`  // with their indexes
	Bytes       float64            `json:"bytes_per_field"`
	Memory      int64              `json:"resident_bytes"`
	Reveal      float64            `json:"reveal_p50_ms"`     // ten thousand people are asked for again and again
	Spread      float64            `json:"reveal_all_p50_ms"` // everybody is asked for
	Search      float64            `json:"search_p50_ms"`
	Erase       float64            `json:"erase_p50_ms"`
	Rewrap      float64            `json:"rewrap_keys_per_second"`
	Figures     map[string]float64 `json:"requests_per_second"`
}

// tables are those that hold people's rows, and the log.
const tableSizes = `
SELECT relname, pg_total_relation_size(oid) FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND pg_total_relation_size(oid) > 100000`

// sizes are the bytes of the tables with their indexes, as they stand on disk.
func (l *lab) sizes(ctx context.Context) (map[string]int64, error) {
	c, err := pgx.Connect(ctx, l.g.Store)
	if err != nil {
		return nil, errors.New("connecting to the database to ask for its size")
	}
	defer func() { _ = c.Close(ctx) }()
	rows, err := c.Query(ctx, tableSizes)
	if err != nil {
		return nil, fmt.Errorf("asking for sizes: %w", err)
	}
	out := map[string]int64{}
	var name string
	var size int64
	_, err = pgx.ForEachRow(rows, []any{&name, &size}, func() error { out[name] = size; return nil })
	return out, err
}

// overhead measures what people with ten fields of 32 bytes take beyond their values:
// directory, keys and records, with the indexes on them. The fields have no search index.
func (l *lab) overhead(ctx context.Context) error {
	if err := l.start(ctx, nil); err != nil {
		return err
	}
	before, err := l.sizes(ctx)
	if err != nil {
		return err
	}
	const fields, size, batch = 10, 32, 200
	n := l.scale.People / batch
	w := l.t.putWide("put-32-bytes", 1, fields, size, batch)
	request := w.Request
	w.Request = func(b []byte, n int64) []byte { return request(b, overheadFirst+n*batch) }
	if _, err := l.drive(ctx, w, Load{Workers: 2, Count: n}); err != nil {
		return err
	}
	after, err := l.sizes(ctx)
	if err != nil {
		return err
	}
	total := int64(0)
	for _, name := range []string{"subject", "record", "consent"} {
		grown := after[name] - before[name]
		total += grown
		l.say("%-10s %.1f bytes a field", name, float64(grown)/float64(n*batch*fields))
	}
	l.put("overhead_bytes_per_field", float64(total)/float64(n*batch*fields)-size)
	return nil
}

// growth measures at 10,000 people, and at each ten times as many up to the scale's.
func (l *lab) growth(ctx context.Context) error {
	if l.scale.Growth == 0 {
		return nil
	}
	if err := l.start(ctx, nil); err != nil {
		return err
	}
	sizes := []int64{min(10_000, l.scale.Growth/2)}
	for sizes[len(sizes)-1] < l.scale.Growth {
		sizes = append(sizes, min(l.scale.Growth, 10*sizes[len(sizes)-1]))
	}
	for _, size := range sizes {
		if err := l.grow(ctx, size); err != nil {
			return err
		}
	}
	first, last := l.report.Growth[0], l.report.Growth[len(l.report.Growth)-1]
	l.note("reveal_1m_over_10k", ratio("milliseconds", []float64{last.Reveal}, []float64{first.Reveal}))
	l.put("rss_mib_1m", float64(last.Memory)/(1<<20))
	return nil
}

// grow adds people up to a size and measures there.
func (l *lab) grow(ctx context.Context, size int64) error {
	g := Growth{People: size, Figures: map[string]float64{}}
	if l.t.N < size {
		f, err := l.t.Load(ctx, l.t.N, size, 4, 500)
		if err != nil {
			return err
		}
		l.report.Figures = append(l.report.Figures, f)
		l.say("%s", f)
		g.LoadSeconds = f.Seconds
	}
	var err error
	if g.Tables, err = l.sizes(ctx); err != nil {
		return err
	}
	total := int64(0)
	for _, name := range []string{"subject", "record", "search_index"} {
		total += g.Tables[name]
	}
	g.Bytes = float64(total) / float64(size*int64(len(l.of.names)))
	hot := *l.t
	hot.N = min(10_000, size)
	load := Load{Workers: 1, For: l.scale.Each}
	for _, x := range []struct {
		w    Workload
		into *float64
	}{{hot.RevealOne(), nil}, {hot.RevealOne(), &g.Reveal}, {l.t.RevealOne(), &g.Spread}, {l.t.Search(), &g.Search}} {
		f, err := l.drive(ctx, x.w, load)
		if err != nil {
			return err
		}
		if x.into != nil {
			*x.into = f.P50
			g.Figures[x.w.Name] = f.PerSecond
		}
	}
	if err := l.changes(ctx, &g); err != nil {
		return err
	}
	if err := pause(ctx, 2*time.Second); err != nil {
		return err
	}
	g.Memory = l.s.Memory()
	l.report.Growth = append(l.report.Growth, g)
	l.say("%d people: %.0f bytes a field, %.0f MiB resident", size, g.Bytes, float64(g.Memory)/(1<<20))
	return nil
}

// changes measures erasures, of people who are made for it, and a rotation.
func (l *lab) changes(ctx context.Context, g *Growth) error {
	first := smallFirst + g.People
	if _, err := Drive(ctx, l.t.Put(), Load{Workers: 1, Count: int64(l.scale.Erased), First: first}); err != nil {
		return err
	}
	f, err := l.drive(ctx, l.t.Erase(), Load{Workers: 1, Count: int64(l.scale.Erased), First: first})
	if err != nil {
		return err
	}
	g.Erase = f.P50
	keys, took, err := l.s.rotate(ctx, l.t.Server)
	if err != nil {
		return err
	}
	g.Rewrap = float64(keys) / took.Seconds()
	l.say("rewrapped %d keys in %.1f s", keys, took.Seconds())
	return nil
}
