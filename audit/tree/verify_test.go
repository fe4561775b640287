package tree_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/fieldvault/fieldvault/audit/tree"
)

func verification(l *memlog) tree.Verification {
	return tree.Verification{Source: l, Origin: origin, Key: public(key(1))}
}

// wantBad fails unless the verification names the index.
func wantBad(t failer, v tree.Verification, index int64) (why string) {
	t.Helper()
	before := int64(0)
	if v.Each == nil {
		v.Each = func(i int64, _ []byte) error {
			if i != before {
				t.Fatalf("entry %d comes after %d", i, before)
			}
			before++
			return nil
		}
	}
	report, err := v.Run(context.Background())
	var bad *tree.BadError
	if !errors.As(err, &bad) || !errors.Is(err, tree.ErrBad) || bad.Index != index || bad.Why == "" {
		t.Fatalf("%v, want the entry %d", err, index)
	}
	if before > index || report.Entries > index {
		t.Fatalf("%d entries were delivered, %d counted; the first bad one is %d", before, report.Entries, index)
	}
	return bad.Why
}

func TestVerifyPassesAnHonestLog(t *testing.T) {
	l := newLog(t, numbers(1100))
	for _, size := range []int64{0, 1, 2, 255, 256, 257, 511, 512, 513, 1000, 1100} {
		l.size = size
		v := verification(l)
		v.Earlier = []tree.Checkpoint{l.at(size), l.at(size / 2), l.at(0), l.at(size / 3)}
		var got [][]byte
		v.Each = func(i int64, leaf []byte) error {
			if i != int64(len(got)) {
				t.Errorf("entry %d comes after %d", i, len(got))
			}
			got = append(got, leaf)
			return nil
		}
		done := int64(0)
		v.Progress = func(n, total int64) {
			if n <= done || total != size {
				t.Errorf("%d of %d done, after %d", n, total, done)
			}
			done = n
		}
		report, err := v.Run(t.Context())
		if err != nil || report != (tree.Report{Checkpoint: l.at(size), Entries: size}) {
			t.Errorf("size %d: %+v, %v", size, report, err)
		}
		if !slices.EqualFunc(got, l.leaves[:size], func(a, b []byte) bool { return string(a) == string(b) }) || done != size {
			t.Errorf("size %d: %d entries delivered, %d done", size, len(got), done)
		}
	}
}

// recorder sees what is asked of a log.
type recorder struct {
	*memlog
	tiles, bundles map[tree.Tile]int
	busy           atomic.Int32
}

func (r *recorder) Tile(ctx context.Context, t tree.Tile) ([]byte, error) {
	if r.busy.Add(1) > 1 {
		return nil, errors.New("called by two goroutines at a time")
	}
	defer r.busy.Add(-1)
	r.tiles[t]++
	return r.memlog.Tile(ctx, t)
}

func (r *recorder) Entries(ctx context.Context, n int64, width int) ([][]byte, error) {
	if r.busy.Add(1) > 1 {
		return nil, errors.New("called by two goroutines at a time")
	}
	defer r.busy.Add(-1)
	r.bundles[tree.Tile{N: n, Width: width}]++
	return r.memlog.Entries(ctx, n, width)
}

// TestVerifyReadsOnce: each tile and bundle of the checkpoint's size is read once, and
// nothing else, however much longer the log is.
func TestVerifyReadsOnce(t *testing.T) {
	l := newLog(t, numbers(1100))
	for _, size := range []int64{0, 1, 256, 700, 768, 1100} {
		l.size = size
		r := &recorder{memlog: l, tiles: map[tree.Tile]int{}, bundles: map[tree.Tile]int{}}
		v := verification(l)
		v.Source = r
		if _, err := v.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := allTiles(size)
		for tile, n := range r.tiles {
			if !want[tile] || n != 1 {
				t.Errorf("size %d: %v was read %d times", size, tile, n)
			}
			if tile.Level == 0 && r.bundles[tile] != 1 {
				t.Errorf("size %d: bundle %v was read %d times", size, tile, r.bundles[tile])
			}
			delete(want, tile)
			delete(r.bundles, tile)
		}
		if len(want) > 0 || len(r.bundles) > 0 {
			t.Errorf("size %d: not read %v; read besides %v", size, want, r.bundles)
		}
	}
}

// change is one thing that is done to a log, and the index of the first entry that is
// then bad.
type change struct {
	name  string
	do    func(*memlog)
	index int64
	moves bool // other entries, out of their place
}

func changes() []change {
	flip := func(h *tree.Hash) { h[7] ^= 0x10 }
	return []change{
		{"edited", func(l *memlog) { l.leaves[300] = []byte("another") }, 300, false},
		{"edited in the first", func(l *memlog) { l.leaves[0] = []byte{} }, 0, false},
		{"edited in the last", func(l *memlog) { l.leaves[999] = append(slices.Clone(l.leaves[999]), ' ') }, 999, false},
		{"deleted", func(l *memlog) { l.leaves[511] = nil }, 511, false},
		{"deleted, those after it move up", func(l *memlog) { l.leaves = slices.Delete(l.leaves, 400, 401) }, 400, true},
		{"two swapped", func(l *memlog) { l.leaves[700], l.leaves[900] = l.leaves[900], l.leaves[700] }, 700, false},
		{"inserted", func(l *memlog) { l.leaves = slices.Insert(l.leaves, 257, []byte("new")) }, 257, true},
		{"edited, with its hash", func(l *memlog) {
			l.leaves[600] = []byte("another")
			l.hashes[0][600] = tree.LeafHash(l.leaves[600])
		}, 512, false},
		{"hash of level 0", func(l *memlog) { flip(&l.hashes[0][301]) }, 301, false},
		{"hash of level 0 at the edge", func(l *memlog) { flip(&l.hashes[0][999]) }, 999, false},
		{"two hashes of level 0", func(l *memlog) { flip(&l.hashes[0][800]); flip(&l.hashes[0][20]) }, 20, false},
		{"hash of level 1", func(l *memlog) { flip(&l.hashes[1][2]) }, 512, false},
		{"hashes of two levels in one place", func(l *memlog) { flip(&l.hashes[1][2]); flip(&l.hashes[0][513]) }, 512, false},
		{"hashes of two levels", func(l *memlog) { flip(&l.hashes[1][2]); flip(&l.hashes[0][12]) }, 12, false},
		{"hash of level 1, entry before it", func(l *memlog) { flip(&l.hashes[1][2]); l.leaves[77] = nil }, 77, false},
		{"hash of level 0, entry before it in its tile", func(l *memlog) { flip(&l.hashes[0][20]); l.leaves[10] = []byte("x") }, 10, false},
		{"hash of level 0, entry after it in its tile", func(l *memlog) { flip(&l.hashes[0][20]); l.leaves[30] = []byte("x") }, 20, false},
		{"hash of level 0 is not there", func(l *memlog) { l.hashes[0][301] = tree.Hash{} }, 301, false},
		{"hash of level 1 is not there", func(l *memlog) { l.hashes[1] = l.hashes[1][:2] }, 512, false},
		{"truncated", func(l *memlog) { truncate(l, 612) }, 612, false},
		{"truncated in the last tile", func(l *memlog) { truncate(l, 998) }, 998, false},
		{"truncated at a tile", func(l *memlog) { truncate(l, 512) }, 512, false},
		{"truncated to nothing", func(l *memlog) { truncate(l, 0) }, 0, false},
		{"truncated, entry before it", func(l *memlog) { truncate(l, 612); l.leaves[5] = []byte("x") }, 5, false},
		{"entries truncated", func(l *memlog) { l.leaves = l.leaves[:300] }, 300, false},
		{"tiles truncated", func(l *memlog) { l.hashes = make([][]tree.Hash, 4) }, 0, false},
	}
}

func truncate(l *memlog, size int) {
	l.leaves, l.hashes[0], l.hashes[1] = l.leaves[:size], l.hashes[0][:size], l.hashes[1][:size/tree.Width]
}

// TestVerifyNamesTheFirstBadEntry, whatever was changed.
func TestVerifyNamesTheFirstBadEntry(t *testing.T) {
	honest := newLog(t, numbers(1000))
	for _, c := range changes() {
		t.Run(c.name, func(t *testing.T) {
			l := honest.clone()
			c.do(l)
			wantBad(t, verification(l), c.index)
		})
	}
	for _, edit := range changes()[:3] {
		for _, c := range changes()[3:] {
			if c.moves || c.index == edit.index {
				continue // the edit is elsewhere then, or is one of an entry and its hash
			}
			t.Run(edit.name+" and "+c.name, func(t *testing.T) {
				l := honest.clone()
				edit.do(l)
				c.do(l)
				wantBad(t, verification(l), min(edit.index, c.index))
			})
		}
	}
}

// TestVerifyOfHashesThatFitTheirEntries: where an attacker has changed hashes with the
// entries, the level above tells the tile; where that has changed too, or does not reach,
// nothing tells what to trust.
func TestVerifyOfHashesThatFitTheirEntries(t *testing.T) {
	insert := func(l *memlog) {
		l.leaves = slices.Insert(l.leaves, 300, []byte("new"))
		l.hashes[0] = slices.Insert(l.hashes[0], 300, tree.LeafHash([]byte("new")))
	}
	for _, c := range []struct {
		size  int
		do    func(*memlog)
		index int64
	}{
		{1024, insert, 256},
		{1000, insert, 0}, // and what stands in the last tile, which has no level above it, is other too
		{1000, func(l *memlog) { consistent(l, 300) }, 0},
		{1000, func(l *memlog) { l.leaves[999], l.hashes[0][999] = []byte("x"), tree.LeafHash([]byte("x")) }, 0},
	} {
		l := newLog(t, numbers(c.size))
		c.do(l)
		wantBad(t, verification(l), c.index)
	}
}

// TestVerifyNamesTheLowest: of several changes to entries and to hashes of the tiles,
// the lowest is named. Changes to three levels below one another, or to a hash and its
// entry, are left to the table: there the tile is named.
func TestVerifyNamesTheLowest(t *testing.T) {
	honest := newLog(t, numbers(1500))
	rapid.Check(t, func(t *rapid.T) {
		l, lowest := honest.clone(), int64(1500)
		l.size = rapid.Int64Range(1, 1500).Draw(t, "size")
		truncate(l, int(l.size))
		levels := rapid.SampledFrom([][]int{{-1}, {-1, 0}, {-1, 1}, {0, 1}}).Draw(t, "levels")
		changed := map[[2]int64]bool{}
		for range rapid.IntRange(1, 4).Draw(t, "changes") {
			level := rapid.SampledFrom(levels).Draw(t, "level")
			n := l.size
			if level > 0 {
				n = l.size / tree.Width
			}
			if n == 0 {
				continue
			}
			i := rapid.Int64Range(0, n-1).Draw(t, "index")
			index := i
			switch level {
			case -1:
				l.leaves[i] = rapid.SampledFrom([][]byte{nil, {}, []byte("another")}).Draw(t, "entry")
			default:
				l.hashes[level][i][0] ^= byte(rapid.IntRange(1, 255).Draw(t, "bits"))
				index = i << (tree.Height * level)
			}
			if place := [2]int64{int64(max(level, 0)), i}; changed[place] {
				t.Skip("a hash and its entry, or twice the same")
			} else {
				changed[place] = true
			}
			lowest = min(lowest, index)
		}
		if lowest == 1500 {
			t.Skip("no change")
		}
		wantBad(t, verification(l), lowest)
	})
}

// TestVerifyOfThreeLevels: a log of 66,000 entries, with hashes changed at each level.
func TestVerifyOfThreeLevels(t *testing.T) {
	long(t)
	honest := newLog(t, numbers(66000))
	if report, err := verification(honest).Run(t.Context()); err != nil || report.Entries != 66000 {
		t.Fatalf("%+v, %v", report, err)
	}
	flip := func(h *tree.Hash) { h[0] ^= 1 }
	for _, c := range []change{
		{"entry", func(l *memlog) { l.leaves[65537] = nil }, 65537, false},
		{"level 0", func(l *memlog) { flip(&l.hashes[0][65535]) }, 65535, false},
		{"level 0 at the edge", func(l *memlog) { flip(&l.hashes[0][65999]) }, 65999, false},
		{"level 1", func(l *memlog) { flip(&l.hashes[1][255]) }, 255 * 256, false},
		{"level 1 at the edge", func(l *memlog) { flip(&l.hashes[1][256]) }, 65536, false},
		{"level 2", func(l *memlog) { flip(&l.hashes[2][0]) }, 0, false},
		{"level 1, entry before it", func(l *memlog) { flip(&l.hashes[1][7]); l.leaves[1000] = []byte("x") }, 1000, false},
		{"levels 0, 1 and 2", func(l *memlog) { flip(&l.hashes[0][9]); flip(&l.hashes[1][0]); flip(&l.hashes[2][0]) }, 0, false},
		{"levels 0 and 1", func(l *memlog) { flip(&l.hashes[0][1030]); flip(&l.hashes[1][4]) }, 1024, false},
		{"entry and its hashes of levels 0 and 1", func(l *memlog) { consistent(l, 3000) }, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := honest.clone()
			c.do(l)
			wantBad(t, verification(l), c.index)
		})
	}
}

// consistent edits an entry, and the hashes of levels 0 and 1 above it.
func consistent(l *memlog, i int) {
	l.leaves[i] = []byte("another")
	l.hashes[0][i] = tree.LeafHash(l.leaves[i])
	var r tree.Range
	for _, h := range l.hashes[0][i&^255 : i&^255+256] {
		r.Append(h, nil)
	}
	l.hashes[1][i/256] = r.Root()
}

// rewritten is a log that an attacker has written anew from some entry on.
func rewritten(t testing.TB, n, from int) *memlog {
	t.Helper()
	leaves := numbers(n)
	for i := from; i < n; i++ {
		leaves[i] = append(leaves[i], " rewritten"...)
	}
	return newLog(t, leaves)
}

// fixed is a log with a checkpoint that does not follow it.
type fixed struct {
	*memlog
	signed []byte
}

func (f fixed) Checkpoint(context.Context) ([]byte, error) { return f.signed, nil }

func TestVerifyFindsAnotherLog(t *testing.T) {
	honest := newLog(t, numbers(1000))
	for _, from := range []int{0, 300, 999} {
		v := verification(nil)
		v.Source = fixed{rewritten(t, 1000, from), honest.signed(t, 1000)}
		wantBad(t, v, 0) // nothing tells which entries are those that were signed
	}
	v := verification(nil)
	empty := tree.Checkpoint{Origin: origin, Root: tree.Hash{1}}
	signed, err := empty.Sign(public(key(1)), signing(key(1)))
	if err != nil {
		t.Fatal(err)
	}
	v.Source = fixed{honest, signed}
	wantBad(t, v, 0)
}

func TestVerifyComparesEarlierCheckpoints(t *testing.T) {
	honest := newLog(t, numbers(1000))
	l := rewritten(t, 1000, 400) // and signed anew, by the right key
	for _, c := range []struct {
		earlier []int64
		index   int64
	}{
		{[]int64{1000}, 0},
		{[]int64{401}, 0},
		{[]int64{401, 400}, 400},
		{[]int64{1000, 0, 256, 390, 500}, 390},
		{[]int64{999, 399, 10}, 399},
	} {
		v := verification(l)
		for _, size := range c.earlier {
			v.Earlier = append(v.Earlier, honest.at(size))
		}
		v.Each = func(int64, []byte) error { return nil }
		report, err := v.Run(t.Context())
		var bad *tree.BadError
		if !errors.As(err, &bad) || bad.Index != c.index || !strings.Contains(bad.Why, "earlier checkpoint") {
			t.Errorf("%v: %+v, %v; want the entry %d", c.earlier, report, err, c.index)
		}
	}
	v := verification(l)
	v.Earlier = []tree.Checkpoint{honest.at(400), honest.at(7), honest.at(7), honest.at(0)}
	if _, err := v.Run(t.Context()); err != nil {
		t.Errorf("checkpoints from before the rewriting: %v", err)
	}
	short := newLog(t, numbers(900))
	v = verification(short)
	v.Earlier = []tree.Checkpoint{honest.at(950), honest.at(900)}
	if why := wantBad(t, v, 900); !strings.Contains(why, "950") {
		t.Errorf("rolled back: %s", why)
	}
	v.Earlier = []tree.Checkpoint{{Origin: origin, Root: tree.Hash{1}}}
	wantBad(t, v, 0)
	v.Earlier = []tree.Checkpoint{{Origin: "another", Size: 1, Root: short.at(1).Root}}
	if _, err := v.Run(t.Context()); !errors.Is(err, tree.ErrFormat) {
		t.Errorf("of another origin: %v", err)
	}
}

func TestVerifyOfAPrunedLog(t *testing.T) {
	l := newLog(t, numbers(1000))
	for i := range 700 {
		if i != 300 {
			l.leaves[i] = nil
		}
	}
	v := verification(l)
	v.Pruned = 700
	v.Earlier = []tree.Checkpoint{l.at(500)}
	var got []int64
	v.Each = func(i int64, _ []byte) error { got = append(got, i); return nil }
	report, err := v.Run(t.Context())
	if err != nil || report.Pruned != 699 || report.Entries != 301 || len(got) != 301 || got[0] != 300 || got[1] != 700 {
		t.Errorf("%+v, %v; %d delivered", report, err, len(got))
	}
	v.Each = func(int64, []byte) error { return nil }
	v.Pruned = 699
	wantBad(t, v, 699)
	v.Pruned = 700
	l.leaves[300] = []byte("another")
	wantBad(t, v, 300)
	l.leaves[300] = nil
	l.hashes[0][200][0] ^= 1 // nothing is there to compare it with but the level above
	wantBad(t, v, 0)
	l.hashes[0][200][0] ^= 1
	l.leaves[701] = nil
	wantBad(t, v, 701)
}

func TestVerifyRefusesACheckpointOfAnother(t *testing.T) {
	l := newLog(t, numbers(10))
	l.key = key(2)
	if _, err := verification(l).Run(t.Context()); !errors.Is(err, tree.ErrSignature) {
		t.Errorf("another key: %v", err)
	}
	l.key, l.origin = key(1), origin+"2"
	if _, err := verification(l).Run(t.Context()); !errors.Is(err, tree.ErrSignature) {
		t.Errorf("another origin: %v", err)
	}
	l.origin = origin
	for name, v := range map[string]tree.Verification{
		"no source": {Origin: origin, Key: public(key(1))},
		"no origin": {Source: l, Key: public(key(1))},
		"no key":    {Source: l, Origin: origin},
	} {
		if _, err := v.Run(t.Context()); !errors.Is(err, tree.ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// failing fails at the n-th read.
type failing struct {
	*memlog
	left int
	err  error
}

func (f *failing) read() error {
	if f.left--; f.left < 0 {
		return f.err
	}
	return nil
}

func (f *failing) Checkpoint(ctx context.Context) ([]byte, error) {
	if err := f.read(); err != nil {
		return nil, err
	}
	return f.memlog.Checkpoint(ctx)
}

func (f *failing) Tile(ctx context.Context, t tree.Tile) ([]byte, error) {
	if err := f.read(); err != nil {
		return nil, err
	}
	return f.memlog.Tile(ctx, t)
}

func (f *failing) Entries(ctx context.Context, n int64, width int) ([][]byte, error) {
	if err := f.read(); err != nil {
		return nil, err
	}
	return f.memlog.Entries(ctx, n, width)
}

// TestASourceThatFailsIsNoBadLog: at whichever read, also while the cause of a fault is
// sought.
func TestASourceThatFailsIsNoBadLog(t *testing.T) {
	down := errors.New("down")
	l := newLog(t, numbers(1000))
	l.hashes[1][0][0] ^= 1
	for reads := range 20 {
		v := verification(l)
		v.Source = &failing{memlog: l, left: reads, err: down}
		_, err := v.Run(t.Context())
		if errors.Is(err, tree.ErrBad) {
			if reads < 8 {
				t.Errorf("a bad log after %d reads", reads)
			}
			return
		}
		if !errors.Is(err, down) {
			t.Errorf("after %d reads: %v", reads, err)
		}
	}
	t.Error("never found")
}

func TestVerifyEnds(t *testing.T) {
	l := newLog(t, numbers(3000))
	stop := errors.New("stop")
	v := verification(l)
	v.Each = func(i int64, _ []byte) error {
		if i == 700 {
			return stop
		}
		return nil
	}
	if report, err := v.Run(t.Context()); !errors.Is(err, stop) || report.Entries != 700 {
		t.Errorf("%+v, %v", report, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	v.Each = func(int64, []byte) error { cancel(); return nil }
	l.fail = nil
	if _, err := v.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
