package pgstore

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sort"

	"github.com/jackc/pgx/v5"

	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/audit/trail"
	"github.com/fieldvault/fieldvault/vault"
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

func (r *runFinder) tail(ctx context.Context, begin int64) error {
	f := r.Find
	f.FromIndex, f.Limit = max(begin, f.FromIndex), f.Limit-len(r.found)
	list, err := r.find(ctx, r.doing, r.tenant, f)
	r.found = append(r.found, list...)
	return err
}

// What is read of runs at once, while little is found: twice as many as before, but no
// more than runsAtOnce, and than are some bytesAtOnce by those before.
const (
	runsAtOnce  = 64
	bytesAtOnce = 1 << 20
)

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
	for most := int64(2); s.from < s.to && len(r.found) < r.Limit; {
		n := min(most, s.to-s.from)
		list, err := rows(ctx, r.tx, r.doing, query, []any{r.tenant, s.level, number, s.from, s.to, n}, func(row pgx.CollectableRow) (b storedBucket, err error) {
			err = row.Scan(&b.n, &b.people)
			return b, err
		})
		if err != nil {
			return err
		}
		size := 1
		for i, b := range list {
			want := s.from + int64(i)
			if r.Newest {
				want = s.to - 1 - int64(i)
			}
			if b.n != want {
				return errRunGone()
			}
			size += len(b.people)
			if err := r.bucket(ctx, b, bits); err != nil {
				return err
			}
		}
		if int64(len(list)) != n {
			return errRunGone()
		}
		if r.Newest {
			s.to -= n
		} else {
			s.from += n
		}
		most = max(1, min(2*n, runsAtOnce, n*bytesAtOnce/int64(size)))
	}
	return nil
}

// errRunGone: to answer without it would hide what is in it.
func errRunGone() error {
	return fmt.Errorf("finding entries of the log by person: %w: a part of what finds them is not there: run `fieldvault audit verify --store`", vault.ErrIntegrity)
}

// namedAtOnce bounds how many leaves are read by their indexes at once.
const namedAtOnce = 1024

// bucket finds the leaves that a bucket names for the person, in the order that is asked
// for, until there are enough.
func (r *runFinder) bucket(ctx context.Context, b storedBucket, bits int) error {
	entry := func(i int) uint64 { return binary.BigEndian.Uint64(b.people[i*entrySize:]) }
	begin := b.n << bits
	first := runEntry(r.About, max(0, r.FromIndex-begin))
	last := runEntry(r.About, min(r.BelowIndex-begin, 1<<offsetBits)-1)
	from := sort.Search(len(b.people)/entrySize, func(i int) bool { return entry(i) >= first })
	to := sort.Search(len(b.people)/entrySize, func(i int) bool { return entry(i) > last })
	for n := r.Limit; from < to && len(r.found) < r.Limit; n *= 2 {
		n = min(n, namedAtOnce, to-from)
		i := from
		if r.Newest {
			i, to = to-n, to-n
		} else {
			from += n
		}
		indexes := make([]int64, n)
		for k := range indexes {
			indexes[k] = begin + int64(entry(i+k)-runEntry(r.About, 0)) //nolint:gosec // at most 24 bits
		}
		if err := r.fetch(ctx, indexes); err != nil {
			return err
		}
	}
	return nil
}

// entriesNamed looks for the row of each leaf by its key. Events outside of a time that is
// asked for are not read.
const entriesNamed = `
SELECT ` + entryColumns + ` FROM (
    SELECT DISTINCT ON (l.idx) l.* FROM unnest($2::bigint[]) q(idx)
    CROSS JOIN LATERAL (
        SELECT * FROM audit_leaf WHERE tenant = $1 AND idx <= q.idx AND idx > q.idx - 32 ORDER BY idx DESC LIMIT 1) l
    ORDER BY l.idx) l
LEFT JOIN event_intake i ON i.id = l.intake AND ($3::timestamptz IS NULL OR l.at >= $3) AND ($4::timestamptz IS NULL OR l.at < $4)
ORDER BY l.idx`

// fetch reads the leaves with these indexes, which ascend. The person is compared, since an
// entry of a run has a part of the uid. A leaf that is not there, or is about nobody with
// that part, or about another than its event, is an error: it would hide what it should be.
func (r *runFinder) fetch(ctx context.Context, indexes []int64) error {
	left, whole := indexes, true
	var list []trail.Entry
	wanted := func(l *trail.Leaf) bool {
		_, named := slices.BinarySearch(indexes, l.Index)
		return named
	}
	args := []any{r.tenant, indexes, at(r.From), at(r.To)}
	_, err := r.readRows(ctx, r.doing, entriesNamed, args, wanted, func(_ *leafRow, of []trail.Entry) {
		for i := range of {
			e := &of[i]
			whole = whole && len(left) > 0 && e.Index == left[0] && (e.About == r.About || r.another(e))
			left = left[min(1, len(left)):]
			if e.About == r.About && !e.At.Before(r.From) && (r.To.IsZero() || e.At.Before(r.To)) {
				list = append(list, *e)
			}
		}
	})
	if err != nil {
		return err
	}
	if !whole || len(left) > 0 {
		return errRunGone()
	}
	r.found = appendRow(r.found, list, r.Find)
	return nil
}

// another says whether an entry is about somebody whom an entry of a run does not tell
// apart, by its event, too, if that is there.
func (r *runFinder) another(e *trail.Entry) bool {
	if runEntry(e.About, 0) != runEntry(r.About, 0) {
		return false
	}
	if e.Body == nil {
		return true
	}
	ev, err := audit.ParseLeaf(e.Body)
	return err == nil && ev.UID == e.About
}
