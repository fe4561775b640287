package pgstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/fieldvault/fieldvault/audit/trail"
	"github.com/fieldvault/fieldvault/audit/tree"
	"github.com/fieldvault/fieldvault/vault"
)

// The leaves of events that share a row of event_intake share a row of audit_leaf. It costs
// the server hardly more than the row of one leaf, and there is one where there were up to
// 32, with their entries of indexes (decision 11).

const (
	hashSize = len(tree.Hash{})
	uidSize  = len(uuid.UUID{})
)

// leavesOfRow is how many leaves a row of audit_leaf, l, has.
const leavesOfRow = `greatest(octet_length(l.hashes), 32) / 32`

// A leafRow is a row of audit_leaf.
type leafRow struct {
	index, intake int64
	at            pgtype.Timestamptz // has no time where it is endless
	event         uuid.UUID          // of the first
	about         []byte             // nil: all are about nobody
	hashes        []byte
}

// end is the index behind the leaves, as [leavesOfRow] counts them.
func (r *leafRow) end() int64 { return r.index + int64(max(1, len(r.hashes)/hashSize)) }

// leaves are those of a row. What is not as this store writes it was changed by SQL, and is
// what no event says: hashes of another length are one that no leaf has, people who are not
// as many as the leaves, or all nobody, are somebody whom no event is about.
func (r *leafRow) leaves() []trail.Leaf {
	n, first := len(r.hashes)/hashSize, trail.Leaf{Index: r.index, Row: r.intake, Event: r.event, At: r.at.Time.UTC()}
	if n < 1 || n > trail.MaxPack || len(r.hashes)%hashSize != 0 {
		return []trail.Leaf{first}
	}
	nobody := !slices.ContainsFunc(r.about, func(b byte) bool { return b != 0 })
	astray := r.about != nil && (len(r.about) != n*uidSize || nobody)
	list := make([]trail.Leaf, n)
	for i := range list {
		f := &list[i]
		*f = first
		f.Index, f.Part = r.index+int64(i), i
		if i > 0 {
			f.Event = trail.PartID(r.event, i)
		}
		copy(f.Hash[:], r.hashes[i*hashSize:])
		switch {
		case astray:
			f.About = uuid.Max
		case r.about != nil:
			copy(f.About[:], r.about[i*uidSize:])
		}
	}
	return list
}

// leafRows are the rows of leaves, for COPY: it takes a fifth less of the server's time
// than arrays do.
type leafRows struct {
	tenant int32
	leaves []trail.Leaf // that are left

	index, intake int64
	at            pgtype.Timestamptz
	event         pgtype.UUID
	about, hashes []byte
	values        []any
}

func (*leafRows) columns() []string {
	return []string{"tenant", "idx", "intake", "at", "event", "about", "hashes"}
}

func (r *leafRows) Next() bool {
	n := oneRow(r.leaves)
	if n == 0 {
		return false
	}
	first, anyone := &r.leaves[0], false
	r.index, r.intake, r.at, r.event = first.Index, first.Row, at(first.At), anyID(first.Event)
	r.about, r.hashes = r.about[:0], r.hashes[:0]
	for i := range r.leaves[:n] {
		f := &r.leaves[i]
		r.hashes, r.about = append(r.hashes, f.Hash[:]...), append(r.about, f.About[:]...)
		anyone = anyone || f.About != uuid.Nil
	}
	if r.leaves = r.leaves[n:]; !anyone {
		r.about = nil
	}
	return true
}

// oneRow says how many of the first leaves are of one row.
func oneRow(leaves []trail.Leaf) (n int) {
	for n < len(leaves) && leaves[n].Row == leaves[0].Row {
		n++
	}
	return n
}

// Values are read before the next.
func (r *leafRows) Values() ([]any, error) {
	if r.values == nil {
		r.values = []any{r.tenant, &r.index, &r.intake, &r.at, &r.event, &r.about, &r.hashes}
	}
	return r.values, nil
}

func (*leafRows) Err() error { return nil }

// errLeaves says that leaves of one row are not as [trail.Leaf] has them.
var errLeaves = errors.New("leaves of one row do not belong together")

func (t *tx) insertLeaves(ctx context.Context, doing string, g *trail.Growth) error {
	for left := g.Leaves; len(left) > 0; {
		n := oneRow(left)
		for i := range left[:n] {
			f := &left[i]
			if n > trail.MaxPack || f.Part != i || f.Event != trail.PartID(trail.FirstID(left[0].Event), i) || !f.At.Equal(left[0].At) {
				return fmt.Errorf("%s: %w", doing, errLeaves)
			}
		}
		left = left[n:]
	}
	leaves := &leafRows{tenant: g.Tenant, leaves: g.Leaves}
	return t.copyFrom(ctx, doing, "audit_leaf", leaves.columns(), leaves)
}

// The first of some leaves may be in a row that begins before, by no more than it has
// leaves, which are 32 at most.
const (
	hashesIn = `SELECT idx, hashes FROM audit_leaf WHERE tenant = $1 AND idx > $2::bigint - 32 AND idx < $3 ORDER BY idx`

	peopleIn = `SELECT idx, about FROM audit_leaf WHERE tenant = $1 AND idx > $2::bigint - 32 AND idx < $3 AND about IS NOT NULL`
)

// leafHashes reads hashes up to the first that is missing, or is there twice.
func (t *tx) leafHashes(ctx context.Context, doing string, tenant int32, from, to int64) (list []tree.Hash, err error) {
	whole := true
	_, err = rows(ctx, t, doing, hashesIn, []any{tenant, from, to}, func(r pgx.CollectableRow) (_ struct{}, err error) {
		var index int64
		var hashes pgtype.DriverBytes
		if err := r.Scan(&index, &hashes); err != nil {
			return struct{}{}, err
		}
		n := int64(len(hashes) / hashSize)
		if len(hashes)%hashSize != 0 || n > trail.MaxPack {
			n = 0
		}
		for i := max(0, from-index); i < min(n, to-index); i++ {
			if whole = whole && index+i == from+int64(len(list)); whole {
				list = append(list, tree.Hash(hashes[i*int64(hashSize):(i+1)*int64(hashSize)]))
			}
		}
		return struct{}{}, nil
	})
	return list, err
}

// people tells each of the people whom leaves with indexes from <= i < to are about.
func (t *tx) people(ctx context.Context, doing string, tenant int32, from, to int64, each func(index int64, about uuid.UUID)) error {
	_, err := rows(ctx, t, doing, peopleIn, []any{tenant, from, to}, func(r pgx.CollectableRow) (_ struct{}, err error) {
		var index int64
		var about pgtype.DriverBytes
		if err := r.Scan(&index, &about); err != nil {
			return struct{}{}, err
		}
		for i := max(0, from-index); i < min(int64(len(about)/uidSize), to-index); i++ {
			if uid := uuid.UUID(about[i*int64(uidSize) : (i+1)*int64(uidSize)]); uid != uuid.Nil {
				each(index+i, uid)
			}
		}
		return struct{}{}, nil
	})
	return err
}

const (
	entryColumns = `l.idx, l.intake, l.at, l.event, l.about, l.hashes, coalesce(i.tenant, 0), i.leaf`

	entries = `
SELECT ` + entryColumns + ` FROM audit_leaf l LEFT JOIN event_intake i ON i.id = l.intake
WHERE l.tenant = $1 AND l.idx > $2::bigint - 32 AND l.idx < $3 ORDER BY l.idx`

	// The index is left at $3, so that later entries cost nothing. Of rows without the
	// person, if one is asked for, the events are not read.
	findEntries = `
SELECT ` + entryColumns + ` FROM audit_leaf l
LEFT JOIN event_intake i ON i.id = l.intake AND ($7::bytea IS NULL OR position($7 IN l.about) > 0)
WHERE l.tenant = $1 AND l.idx > $2::bigint - 32 AND l.idx <= $3 AND l.idx > $2::bigint - ` + leavesOfRow + `
  AND ($4::timestamptz IS NULL OR l.at >= $4) AND ($5::timestamptz IS NULL OR l.at < $5)
ORDER BY l.idx `
	oldestFirst = findEntries + `LIMIT $6`
	newestFirst = findEntries + `DESC LIMIT $6`
)

// readRows reads rows of leaves with the events of those that are wanted, and passes on
// what each row gives.
func (t *tx) readRows(ctx context.Context, doing, query string, args []any, wanted func(*trail.Leaf) bool, each func(*leafRow, []trail.Entry)) (n int, err error) {
	var events trail.Opener
	got, err := rows(ctx, t, doing, query, args, func(r pgx.CollectableRow) (_ struct{}, err error) {
		var row leafRow
		var of int32
		var about, hashes, body pgtype.DriverBytes
		if err := r.Scan(&row.index, &row.intake, &row.at, &row.event, &about, &hashes, &of, &body); err != nil {
			return struct{}{}, err
		}
		row.about, row.hashes = about, hashes
		var list []trail.Entry
		leaves := row.leaves()
		for i := range leaves {
			if wanted(&leaves[i]) {
				list = append(list, trail.Entry{Leaf: leaves[i], Tenant: of})
				events.Open(&list[len(list)-1], body)
			}
		}
		each(&row, list)
		return struct{}{}, nil
	})
	return len(got), err
}

func (t *tx) Entries(ctx context.Context, tenant int32, from, to int64) (list []trail.Entry, err error) {
	wanted := func(l *trail.Leaf) bool { return l.Index >= from && l.Index < to }
	_, err = t.readRows(ctx, "reading entries of the log", entries, []any{tenant, max(0, from), to}, wanted, func(_ *leafRow, of []trail.Entry) {
		list = append(list, of...)
	})
	return list, err
}

func (t *tx) FindEntries(ctx context.Context, tenant int32, f trail.Find) ([]trail.Entry, error) {
	const doing = "finding entries of the log"
	f.FromIndex, f.BelowIndex = max(0, f.FromIndex), max(0, cmp.Or(f.BelowIndex, math.MaxInt64))
	f.From, f.To = nextMicrosecond(f.From), nextMicrosecond(f.To)
	if f.About != uuid.Nil {
		return t.about(ctx, doing, tenant, f)
	}
	return t.find(ctx, doing, tenant, f)
}

// nextMicrosecond is the first time that is not before t, of those that events have.
func nextMicrosecond(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.Add(time.Microsecond - 1).Truncate(time.Microsecond)
}

// How many rows are read at once: twice as many as before, since a page may need few.
const (
	rowsAtFirst = 64
	rowsAtOnce  = 1024
)

// find finds entries by reading all leaves from FromIndex up to BelowIndex, of which
// [math.MaxInt64] is no bound.
func (t *tx) find(ctx context.Context, doing string, tenant int32, f trail.Find) (found []trail.Entry, err error) {
	query, who := oldestFirst, []byte(nil)
	if f.Newest {
		query = newestFirst
	}
	if f.About != uuid.Nil {
		who = f.About[:]
	}
	last := f.BelowIndex // included
	if last != math.MaxInt64 {
		last--
	}
	wanted := func(l *trail.Leaf) bool {
		return l.Index >= f.FromIndex && l.Index <= last && (f.About == uuid.Nil || l.About == f.About)
	}
	order := rowOrder{newest: f.Newest}
	for most := rowsAtFirst; len(found) < f.Limit && f.FromIndex <= last; most = min(2*most, rowsAtOnce) {
		if who == nil {
			most = min(most, f.Limit-len(found)) // each has one
		}
		args := []any{tenant, f.FromIndex, last, at(f.From), at(f.To), most, who}
		n, err := t.readRows(ctx, doing, query, args, wanted, func(r *leafRow, list []trail.Entry) {
			found = appendRow(found, list, f)
			order.next(r)
		})
		if err != nil {
			return nil, err
		}
		if order.broken {
			return nil, fmt.Errorf("%s: %w: rows of leaves overlap: run `fieldvault audit verify --store`", doing, vault.ErrIntegrity)
		}
		if n < most {
			break
		}
		if f.Newest {
			last = order.begin - 1
		} else if f.FromIndex = order.end; f.FromIndex == order.begin {
			break
		}
	}
	return found, nil
}

// appendRow appends what was found in a row, in the order and up to the limit that are
// asked for.
func appendRow(found, row []trail.Entry, f trail.Find) []trail.Entry {
	if f.Newest {
		slices.Reverse(row)
	}
	return append(found, row[:min(len(row), max(0, f.Limit-len(found)))]...)
}

// A rowOrder sees that no row begins within another: what the one shows would hide what
// the other does.
type rowOrder struct {
	newest     bool
	any        bool
	begin, end int64 // of the last
	broken     bool
}

func (o *rowOrder) next(r *leafRow) {
	begin, end := r.index, r.end()
	if o.any && (o.newest && end > o.begin || !o.newest && begin < o.end) {
		o.broken = true
	}
	o.any, o.begin, o.end = true, begin, max(end, begin) // no less where it is beyond all numbers
}
