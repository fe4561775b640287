package pgstore

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/fieldvault/fieldvault/audit/trail"
)

// Which entries of a log are about a person is asked rarely, and has to be noted of each.
// In a b-tree by person every entry goes to a page of its own, which costs more than all
// the rest of its row. So it is noted in runs (decision 9): whenever 4,096 leaves are
// there, one statement stores what they are about, sorted; whenever 16 runs are there, one
// that is merged from them. A run covers the same leaves for ever, is never changed, and
// the leaves say what it has to be.

// A runShape says which leaves a run covers: the n-th of level l those with indexes from
// n * 2^bits(l) to (n+1) * 2^bits(l).
type runShape struct {
	first  int // bits of level 1
	fan    int // bits of how many runs are merged into one of the next level
	levels int
}

func defaultRuns() runShape { return runShape{first: 12, fan: 4, levels: 3} }

func (s runShape) bits(level int) int { return s.first + (level-1)*s.fan }

// bucketBits keeps buckets in their rows: they hold 128 entries, or 1 KiB, on average.
func (s runShape) bucketBits(level int) int { return max(0, s.bits(level)-7) }

// An entry of a run is the last 40 bits of the person's uid, which are random, and behind
// them where in the run the leaf is. A bucket holds the entries with the same first bits,
// ascending, as numbers of 8 bytes, the highest first.
const (
	offsetBits = 24
	entrySize  = 8
)

func runEntry(about uuid.UUID, offset int64) uint64 {
	key := uint64(about[11])<<32 | uint64(binary.BigEndian.Uint32(about[12:]))
	return key<<offsetBits | uint64(offset) //nolint:gosec // within a run
}

func bucketOf(entry uint64, bits int) int32 {
	return int32(entry >> (64 - bits)) //nolint:gosec // at most 13 bits
}

// A bucket is a row of a run.
type bucket struct {
	number int32
	people []byte
}

// buckets sorts entries and cuts them into buckets.
func buckets(entries []uint64, bits int) []bucket {
	slices.Sort(entries)
	packed := make([]byte, 0, len(entries)*entrySize)
	var list []bucket
	for from := 0; from < len(entries); {
		b, to, at := bucketOf(entries[from], bits), from, len(packed)
		for ; to < len(entries) && bucketOf(entries[to], bits) == b; to++ {
			packed = binary.BigEndian.AppendUint64(packed, entries[to])
		}
		list, from = append(list, bucket{b, packed[at:len(packed):len(packed)]}), to
	}
	return list
}

// unpack appends the entries of a bucket. What is no whole entry does not count: a bucket
// that was changed by SQL is found by [tx.Misfiled].
func unpack(entries []uint64, people []byte, add uint64) []uint64 {
	for ; len(people) >= entrySize; people = people[entrySize:] {
		entries = append(entries, binary.BigEndian.Uint64(people)+add)
	}
	return entries
}

// A part of a run is its buckets with numbers from <= b < to.
type part struct {
	from, to int32
	list     []bucket
}

// A runBuilder makes the runs of one log.
type runBuilder struct {
	*tx
	doing  string
	tenant int32
	leaves []trail.Leaf // those that are in memory, without gaps up to the end of the log
}

// file stores the runs that a growth completes.
func (t *tx) file(ctx context.Context, doing string, g *trail.Growth) error {
	b := &runBuilder{tx: t, doing: doing, tenant: g.Tenant, leaves: g.Leaves}
	for level := 1; level <= t.runs.levels; level++ {
		bits := t.runs.bits(level)
		for n := g.From >> bits; n < g.Head.Size>>bits; n++ {
			err := b.build(ctx, level, n, func(p part) error { return b.insert(ctx, level, n, p) })
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// build makes a run, and passes it on in parts: one of level 1 from its leaves, others
// from those beneath.
func (b *runBuilder) build(ctx context.Context, level int, n int64, each func(part) error) error {
	if level > 1 {
		return b.merge(ctx, level, n, each)
	}
	entries, err := b.entries(ctx, n)
	if err != nil {
		return err
	}
	bits := b.runs.bucketBits(1)
	return each(part{0, 1 << bits, buckets(entries, bits)})
}

const leafPeople = `SELECT idx, about FROM audit_leaf WHERE tenant = $1 AND idx >= $2 AND idx < $3 AND about IS NOT NULL`

// entries are those of a run of level 1.
func (b *runBuilder) entries(ctx context.Context, n int64) ([]uint64, error) {
	begin := n << b.runs.first
	end, stored := begin+1<<b.runs.first, begin+1<<b.runs.first
	if len(b.leaves) > 0 {
		stored = max(begin, b.leaves[0].Index)
	}
	var entries []uint64
	if begin < stored {
		var err error
		entries, err = rows(ctx, b.tx, b.doing, leafPeople, []any{b.tenant, begin, stored}, func(r pgx.CollectableRow) (uint64, error) {
			var index int64
			var about pgtype.UUID
			err := r.Scan(&index, &about)
			return runEntry(about.Bytes, index-begin), err
		})
		if err != nil {
			return nil, err
		}
	}
	for index := stored; index < end; index++ {
		if l := &b.leaves[index-b.leaves[0].Index]; l.About != uuid.Nil {
			entries = append(entries, runEntry(l.About, index-begin))
		}
	}
	return entries, nil
}

// mergedAtOnce bounds how many entries of a run are in memory, on average.
const mergedAtOnce = 1 << 16

func (b *runBuilder) merge(ctx context.Context, level int, n int64, each func(part) error) error {
	below := level - 1
	bits, step := b.runs.bucketBits(level), b.runs.bits(below)-b.runs.bucketBits(below)+b.runs.fan
	per := int32(max(1, mergedAtOnce>>step)) //nolint:gosec // at most 2^16
	finer := bits - b.runs.bucketBits(below)
	for from := int32(0); from < 1<<b.runs.bucketBits(below); from += per {
		to := min(from+per, 1<<b.runs.bucketBits(below))
		list, err := b.stored(ctx, below, n<<b.runs.fan, (n+1)<<b.runs.fan, from, to)
		if err != nil {
			return err
		}
		var entries []uint64
		for _, r := range list {
			entries = unpack(entries, r.people, uint64(r.n-n<<b.runs.fan)<<b.runs.bits(below)) //nolint:gosec // not negative
		}
		if err := each(part{from << finer, to << finer, buckets(entries, bits)}); err != nil {
			return err
		}
	}
	return nil
}

// A storedBucket is one of the n-th run.
type storedBucket struct {
	n int64
	bucket
}

// storedBuckets looks for each bucket by the whole key.
const storedBuckets = `
SELECT r.n, b.bucket, r.people FROM generate_series($5::integer, $6::integer - 1) b(bucket)
CROSS JOIN LATERAL (
    SELECT n, people FROM audit_run WHERE tenant = $1 AND level = $2 AND bucket = b.bucket AND n >= $3 AND n < $4 OFFSET 0) r`

func (b *runBuilder) stored(ctx context.Context, level int, fromN, toN int64, from, to int32) ([]storedBucket, error) {
	args := []any{b.tenant, level, fromN, toN, from, to}
	return rows(ctx, b.tx, b.doing, storedBuckets, args, func(r pgx.CollectableRow) (s storedBucket, err error) {
		err = r.Scan(&s.n, &s.number, &s.people)
		return s, err
	})
}

const insertBuckets = `
INSERT INTO audit_run (tenant, level, n, bucket, people)
SELECT $1, $2, $3, b.* FROM unnest($4::integer[], $5::bytea[]) b`

func (b *runBuilder) insert(ctx context.Context, level int, n int64, p part) error {
	if len(p.list) == 0 {
		return nil
	}
	numbers, people := make([]int32, len(p.list)), make(byteas, len(p.list))
	for i, k := range p.list {
		numbers[i], people[i] = k.number, k.people
	}
	_, err := b.exec(ctx, b.doing, insertBuckets, b.tenant, level, n, numbers, people)
	return err
}

const runsBeyond = `
SELECT EXISTS (
    SELECT FROM generate_series(0, $4::integer - 1) b(bucket)
    CROSS JOIN LATERAL (SELECT FROM audit_run WHERE tenant = $1 AND level = $2 AND bucket = b.bucket AND n >= $3 LIMIT 1) r)`

// Misfiled makes the runs that end there again, and compares. They are the only index of
// this store that is in tables, where SQL can change it. What is wrong with a run is wrong
// with those that are merged from it, so the lowest level says where it begins.
func (t *tx) Misfiled(ctx context.Context, tenant int32, from, to int64) (index int64, found bool, err error) {
	const doing = "comparing the log with what finds its entries by person"
	var size int64
	if err := t.row(ctx, doing, sizeOf, []any{tenant}, &size); err != nil {
		return 0, false, err
	}
	b := &runBuilder{tx: t, doing: doing, tenant: tenant}
	for level := 1; level <= t.runs.levels; level++ {
		bits := t.runs.bits(level)
		for n := from >> bits; n < min(to, size)>>bits; n++ {
			same, err := b.same(ctx, level, n)
			if err != nil || !same {
				return n << bits, !same, err
			}
		}
	}
	if to <= size {
		return 0, false, nil
	}
	found, err = b.beyond(ctx, size)
	return size, found, err
}

// beyond says whether there are runs that a log of the given size does not have.
func (b *runBuilder) beyond(ctx context.Context, size int64) (found bool, err error) {
	for level := 1; level <= b.runs.levels && !found && err == nil; level++ {
		args := []any{b.tenant, level, size >> b.runs.bits(level), int32(1) << b.runs.bucketBits(level)}
		err = b.row(ctx, b.doing, runsBeyond, args, &found)
	}
	return found, err
}

// same says whether a run is what it has to be.
func (b *runBuilder) same(ctx context.Context, level int, n int64) (same bool, err error) {
	same = true
	err = b.build(ctx, level, n, func(p part) error {
		list, err := b.stored(ctx, level, n, n+1, p.from, p.to)
		slices.SortFunc(list, func(x, y storedBucket) int { return int(x.number - y.number) })
		same = same && slices.EqualFunc(list, p.list, func(x storedBucket, y bucket) bool {
			return x.number == y.number && bytes.Equal(x.people, y.people)
		})
		return err
	})
	return same, err
}
