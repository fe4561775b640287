package pgstore

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/fieldvault/fieldvault/audit/trail"
	"github.com/fieldvault/fieldvault/vault"
)

// Which entries of a log are about a person is asked rarely, and has to be noted of each.
// In a b-tree by person every entry goes to a page of its own, which costs more than all
// the rest of its row. So it is noted in runs (decision 9): whenever 4,096 leaves are
// there, one statement stores what they are about, sorted; whenever 16 runs are there, one
// that is merged from them. A run covers the same leaves for ever, is never changed but by
// [tx.Refile], and the leaves say what it has to be.

// A runShape says which leaves a run covers: the n-th of level l those with indexes from
// n * 2^bits(l) to (n+1) * 2^bits(l).
type runShape struct {
	first  int // bits of level 1
	fan    int // bits of how many runs are merged into one of the next level
	levels int
	bucket int // bits of how many entries a bucket holds on average, at most
	merged int // bits of how many entries are in memory, on average, while runs are merged
}

// defaultRuns keeps buckets in their rows: they hold 128 entries, or 1 KiB, on average.
func defaultRuns() runShape { return runShape{first: 12, fan: 4, levels: 3, bucket: 7, merged: 16} }

func (s runShape) bits(level int) int { return s.first + (level-1)*s.fan }

// bucketBits are those that the numbers of a run's buckets have.
func (s runShape) bucketBits(level int) int { return max(0, s.bits(level)-s.bucket) }

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

// A part of a run is its buckets with numbers from <= b < to.
type part struct {
	from, to int32
	list     []bucket
}

// newPart sorts entries into buckets, empty ones too: one that is not there was removed.
// Entries of other buckets do not count.
func newPart(from, to int32, entries []uint64, bits int) part {
	slices.Sort(entries)
	packed, p, n := make([]byte, 0, len(entries)*entrySize), part{from, to, make([]bucket, 0, to-from)}, 0
	for b := from; b < to; b++ {
		at := len(packed)
		for ; n < len(entries) && bucketOf(entries[n], bits) <= b; n++ {
			if bucketOf(entries[n], bits) == b {
				packed = binary.BigEndian.AppendUint64(packed, entries[n])
			}
		}
		p.list = append(p.list, bucket{b, packed[at:len(packed):len(packed)]})
	}
	return p
}

// unpack appends the entries of a bucket. What is no whole entry does not count: a bucket
// that was changed by SQL is found by [tx.Misfiled].
func unpack(entries []uint64, people []byte, add uint64) []uint64 {
	for ; len(people) >= entrySize; people = people[entrySize:] {
		entries = append(entries, binary.BigEndian.Uint64(people)+add)
	}
	return entries
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
	return b.complete(ctx, g.From, g.Head.Size)
}

// complete stores the runs that are complete at one size of the log, and were not at
// another.
func (b *runBuilder) complete(ctx context.Context, before, size int64) error {
	for level := 1; level <= b.runs.levels; level++ {
		bits := b.runs.bits(level)
		for n := before >> bits; n < size>>bits; n++ {
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
	entries, err := b.entries(ctx, 1, n)
	if err != nil {
		return err
	}
	bits := b.runs.bucketBits(1)
	return each(newPart(0, 1<<bits, entries, bits))
}

// entries are those of a run, by its leaves.
func (b *runBuilder) entries(ctx context.Context, level int, n int64) ([]uint64, error) {
	begin, end := n<<b.runs.bits(level), (n+1)<<b.runs.bits(level)
	stored := end
	if len(b.leaves) > 0 {
		stored = max(begin, b.leaves[0].Index)
	}
	var entries []uint64
	if begin < stored {
		err := b.people(ctx, b.doing, b.tenant, begin, stored, func(index int64, about uuid.UUID) {
			entries = append(entries, runEntry(about, index-begin))
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

// merge makes a run from those beneath, so many of their buckets at a time, and from its
// leaves, of which it then has all in memory, where one of these was removed.
func (b *runBuilder) merge(ctx context.Context, level int, n int64, each func(part) error) error {
	below, fan := level-1, int64(1)<<b.runs.fan
	bits, last := b.runs.bucketBits(level), int32(1)<<b.runs.bucketBits(below)
	step := b.runs.bits(below) - b.runs.bucketBits(below) + b.runs.fan
	finer := bits - b.runs.bucketBits(below)
	var all []uint64 // by the leaves, once they had to be read
	for from := int32(0); from < last; from += int32(1) << max(0, b.runs.merged-step) {
		to := min(from+int32(1)<<max(0, b.runs.merged-step), last)
		list, err := b.stored(ctx, below, n*fan, (n+1)*fan, from, to)
		if err != nil {
			return err
		}
		var entries []uint64
		for _, r := range list {
			entries = unpack(entries, r.people, uint64(r.n-n*fan)<<b.runs.bits(below)) //nolint:gosec // not negative
		}
		if int64(len(list)) != fan*int64(to-from) {
			if all, err = b.byLeaves(ctx, level, n, all); err != nil {
				return err
			}
			entries = all
		}
		if err := each(newPart(from<<finer, to<<finer, entries, bits)); err != nil {
			return err
		}
	}
	return nil
}

// byLeaves reads the entries of a run from its leaves, unless that was done.
func (b *runBuilder) byLeaves(ctx context.Context, level int, n int64, all []uint64) ([]uint64, error) {
	if all != nil {
		return all, nil
	}
	if err := b.extend(ctx, b.doing, longStatements); err != nil {
		return nil, err
	}
	all, err := b.entries(ctx, level, n)
	if all == nil {
		all = []uint64{} // nobody's
	}
	return all, err
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
	numbers, people := make([]int32, len(p.list)), make(byteas, len(p.list))
	for i, k := range p.list {
		numbers[i], people[i] = k.number, k.people
	}
	_, err := b.exec(ctx, b.doing, insertBuckets, b.tenant, level, n, numbers, people)
	return err
}

const (
	anyRuns = `SELECT EXISTS (SELECT FROM audit_run WHERE tenant = $1 AND level = $2)`

	runsBeyond = `
SELECT EXISTS (
    SELECT FROM generate_series(0, $4::integer - 1) b(bucket)
    CROSS JOIN LATERAL (SELECT FROM audit_run WHERE tenant = $1 AND level = $2 AND bucket = b.bucket AND n >= $3 LIMIT 1) r)`
)

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
		query, args := anyRuns, []any{b.tenant, level}
		if n := size >> b.runs.bits(level); n > 0 {
			query, args = runsBeyond, append(args, n, int32(1)<<b.runs.bucketBits(level))
		}
		err = b.row(ctx, b.doing, query, args, &found)
	}
	return found, err
}

// refiling keeps those away who grow the log, and lets rows be deleted.
func refiling() []string {
	return []string{
		`SELECT set_config('lock_timeout', '60s', true)`,
		`SELECT FROM audit_lead WHERE one FOR UPDATE`,
		`ALTER TABLE audit_run DISABLE TRIGGER audit_run_append_only`,
	}
}

const (
	deleteRuns = `DELETE FROM audit_run WHERE tenant = $1`
	refiled    = `ALTER TABLE audit_run ENABLE TRIGGER audit_run_append_only`

	// leavesEnd says whether the leaves end where the newest checkpoint does.
	leavesEnd = `
SELECT ($2::bigint = 0 OR EXISTS (
          SELECT FROM audit_leaf l WHERE tenant = $1 AND idx >= $2::bigint - 32 AND idx = $2::bigint - ` + leavesOfRow + `))
   AND NOT EXISTS (SELECT FROM audit_leaf l WHERE tenant = $1 AND idx > $2::bigint - 32 AND idx > $2::bigint - ` + leavesOfRow + `)`
)

// Refile takes as long as reading the leaves of the whole log, at most half an hour, and
// nothing is put into any log meanwhile. A log whose leaves do not end where its newest
// checkpoint does is [vault.ErrIntegrity].
func (t *tx) Refile(ctx context.Context, tenant int32, progress func(done, total int64)) error {
	const doing = "making anew what finds entries of the log by person"
	if err := t.extend(ctx, doing, longStatements); err != nil {
		return err
	}
	for _, sql := range refiling() {
		if _, err := t.exec(ctx, doing, sql); err != nil {
			return err
		}
	}
	var size int64
	if err := t.row(ctx, doing, sizeOf, []any{tenant}, &size); err != nil {
		return err
	}
	var whole bool
	if err := t.row(ctx, doing, leavesEnd, []any{tenant, size}, &whole); err != nil {
		return err
	}
	if !whole {
		return fmt.Errorf("%s: %w: its leaves do not end where its newest checkpoint does", doing, vault.ErrIntegrity)
	}
	if _, err := t.exec(ctx, doing, deleteRuns, tenant); err != nil {
		return err
	}
	b, bits := &runBuilder{tx: t, doing: doing, tenant: tenant}, t.runs.bits(1)
	for n := int64(0); n < size>>bits; n++ {
		if err := b.complete(ctx, n<<bits, (n+1)<<bits); err != nil {
			return err
		}
		progress((n+1)<<bits, size)
	}
	_, err := t.exec(ctx, doing, refiled)
	return err
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
