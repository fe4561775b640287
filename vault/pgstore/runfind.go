package pgstore

import (
	"cmp"
	"context"
	"encoding/binary"
	"math"
	"slices"
	"sort"

	"github.com/jackc/pgx/v5"

	"github.com/fieldvault/fieldvault/audit/trail"
)

// A span is the runs of one level with numbers from <= n < to.
type span struct {
	level    int
	from, to int64
}

// cover is which runs cover a log of the given size, by index, and where its leaves begin
// that are in no run.
func (s runShape) cover(size int64) (list []span, tail int64) {
	for level := s.levels; level >= 1; level-- {
		bits := s.bits(level)
		if n := size >> bits; n<<bits > tail {
			list, tail = append(list, span{level, tail >> bits, n}), n<<bits
		}
	}
	return list, tail
}

// A runFinder finds the entries of a log that are about a person.
type runFinder struct {
	*tx
	doing  string
	tenant int32
	trail.Find
	found []trail.Entry
}

// about finds them where they are: in runs, and among the leaves that are in none yet.
func (t *tx) about(ctx context.Context, doing string, tenant int32, f trail.Find) ([]trail.Entry, error) {
	var size int64
	if err := t.row(ctx, doing, sizeOf, []any{tenant}, &size); err != nil {
		return nil, err
	}
	f.BelowIndex = cmp.Or(f.BelowIndex, math.MaxInt64)
	r := &runFinder{tx: t, doing: doing, tenant: tenant, Find: f}
	spans, tail := t.runs.cover(size)
	steps := make([]func() error, 0, len(spans)+1)
	for _, s := range spans {
		steps = append(steps, func() error { return r.span(ctx, s) })
	}
	steps = append(steps, func() error { return r.tail(ctx, tail) })
	if f.Newest {
		slices.Reverse(steps)
	}
	for _, step := range steps {
		if len(r.found) >= f.Limit {
			break
		}
		if err := step(); err != nil {
			return nil, err
		}
	}
	return r.found, nil
}

const (
	tailAbout = `
SELECT ` + entryColumns + entryTables + `
WHERE l.tenant = $1 AND l.about = $7 AND l.idx >= $2 AND l.idx < $3
  AND ($4::timestamptz IS NULL OR l.at >= $4) AND ($5::timestamptz IS NULL OR l.at < $5)
ORDER BY l.idx LIMIT $6`
	newestTailAbout = `
SELECT ` + entryColumns + entryTables + `
WHERE l.tenant = $1 AND l.about = $7 AND l.idx >= $2 AND l.idx < $3
  AND ($4::timestamptz IS NULL OR l.at >= $4) AND ($5::timestamptz IS NULL OR l.at < $5)
ORDER BY l.idx DESC LIMIT $6`
)

func (r *runFinder) tail(ctx context.Context, begin int64) error {
	query := tailAbout
	if r.Newest {
		query = newestTailAbout
	}
	args := []any{r.tenant, max(begin, r.FromIndex), r.BelowIndex, at(r.From), at(r.To), r.Limit - len(r.found), anyID(r.About)}
	list, err := rows(ctx, r.tx, r.doing, query, args, readEntry)
	r.found = append(r.found, list...)
	return err
}

// runsAtOnce bounds how many runs are read for one answer of the database.
const runsAtOnce = 64

const (
	bucketsOf = `
SELECT n, people FROM audit_run WHERE tenant = $1 AND level = $2 AND bucket = $3 AND n >= $4 AND n < $5
ORDER BY n LIMIT $6`
	newestBucketsOf = `
SELECT n, people FROM audit_run WHERE tenant = $1 AND level = $2 AND bucket = $3 AND n >= $4 AND n < $5
ORDER BY n DESC LIMIT $6`
)

// span looks in the runs of one level, in the order that is asked for.
func (r *runFinder) span(ctx context.Context, s span) error {
	bits, query := r.runs.bits(s.level), bucketsOf
	if r.Newest {
		query = newestBucketsOf
	}
	s.from, s.to = max(s.from, r.FromIndex>>bits), min(s.to, (r.BelowIndex-1)>>bits+1)
	number := bucketOf(runEntry(r.About, 0), r.runs.bucketBits(s.level))
	for s.from < s.to && len(r.found) < r.Limit {
		args := []any{r.tenant, s.level, number, s.from, s.to, runsAtOnce}
		list, err := rows(ctx, r.tx, r.doing, query, args, func(row pgx.CollectableRow) (b storedBucket, err error) {
			err = row.Scan(&b.n, &b.people)
			return b, err
		})
		if err != nil {
			return err
		}
		if err := r.fetch(ctx, r.indexes(list, bits)); err != nil {
			return err
		}
		switch last := len(list) - 1; {
		case len(list) < runsAtOnce:
			return nil
		case r.Newest:
			s.to = list[last].n
		default:
			s.from = list[last].n + 1
		}
	}
	return nil
}

// indexes are those of the leaves that buckets name for the person, in order.
func (r *runFinder) indexes(list []storedBucket, bits int) (indexes []int64) {
	first := runEntry(r.About, 0)
	for _, b := range list {
		n := len(b.people) / entrySize
		entry := func(i int) uint64 { return binary.BigEndian.Uint64(b.people[i*entrySize:]) }
		from := len(indexes)
		for i := sort.Search(n, func(i int) bool { return entry(i) >= first }); i < n && entry(i)>>offsetBits == first>>offsetBits; i++ {
			index := b.n<<bits + int64(entry(i)-first) //nolint:gosec // at most 24 bits
			if index >= r.FromIndex && index < r.BelowIndex {
				indexes = append(indexes, index)
			}
		}
		if r.Newest {
			slices.Reverse(indexes[from:])
		}
	}
	return indexes
}

// namedAtOnce bounds how many leaves are read by their indexes at once.
const namedAtOnce = 1024

// entriesNamed reads leaves by their whole key. The person is compared, since a bucket
// holds a part of the uid.
const entriesNamed = `
SELECT ` + entryColumns + ` FROM unnest($2::bigint[]) q(idx)
CROSS JOIN LATERAL (SELECT * FROM audit_leaf WHERE tenant = $1 AND idx = q.idx OFFSET 0) l
LEFT JOIN event_intake i ON i.id = l.intake
WHERE l.about = $5 AND ($3::timestamptz IS NULL OR l.at >= $3) AND ($4::timestamptz IS NULL OR l.at < $4)`

// fetch reads the leaves with these indexes, until there are enough.
func (r *runFinder) fetch(ctx context.Context, indexes []int64) error {
	for n := min(r.Limit, namedAtOnce); len(indexes) > 0 && len(r.found) < r.Limit; n = min(2*n, namedAtOnce) {
		n = min(n, len(indexes))
		args := []any{r.tenant, indexes[:n], at(r.From), at(r.To), anyID(r.About)}
		list, err := rows(ctx, r.tx, r.doing, entriesNamed, args, readEntry)
		if err != nil {
			return err
		}
		slices.SortFunc(list, func(x, y trail.Entry) int {
			if r.Newest {
				x, y = y, x
			}
			return cmp.Compare(x.Index, y.Index)
		})
		r.found = append(r.found, list[:min(len(list), r.Limit-len(r.found))]...)
		indexes = indexes[n:]
	}
	return nil
}
