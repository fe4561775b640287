package pgstore_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"pgregory.net/rapid"

	"github.com/fieldvault/fieldvault/audit/trail"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/pgstore"
)

// A grownLog is one that a test grows by leaves that have no events.
type grownLog struct {
	s      *pgstore.Store
	tenant int32
	leaves []trail.Leaf
}

// day is when the first leaf is from; each row is as many seconds later as its index.
func day() time.Time { return time.Date(2026, 11, 2, 9, 30, 0, 0, time.UTC) }

// grow adds leaves that are about these people: one to five in a row, at times 32.
func (l *grownLog) grow(ctx context.Context, about ...uuid.UUID) error {
	from, first := int64(len(l.leaves)), trail.Leaf{}
	for i, uid := range about {
		n := from + int64(i)
		if room := first.Index%5 + first.Index%11/10*27; i == 0 || n > first.Index+min(room, trail.MaxPack-1) {
			first = trail.Leaf{Index: n, Row: int64(l.tenant)<<32 | n, Event: trail.FirstID(uuid.Must(uuid.NewV7())), At: day().Add(time.Duration(n) * time.Second)}
		}
		f := first
		f.Index, f.Part, f.About = n, int(n-first.Index), uid
		f.Event, f.Hash = trail.PartID(first.Event, f.Part), sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(n)))
		l.leaves = append(l.leaves, f)
	}
	size := int64(len(l.leaves))
	g := trail.Growth{Tenant: l.tenant, From: from, Leaves: l.leaves[from:], Head: trail.Head{Size: size, At: day(), Signed: []byte("signed")}}
	return l.s.Update(ctx, func(tx vault.Tx) error {
		lease, err := tx.Lead(ctx, "test", day(), day().Add(time.Hour))
		if err != nil {
			return err
		}
		return tx.Grow(ctx, lease, 0, []trail.Growth{g})
	})
}

// growBy adds leaves that are about so many different people.
func (l *grownLog) growBy(tb testing.TB, n int) {
	tb.Helper()
	about := make([]uuid.UUID, n)
	for i := range about {
		about[i] = uuid.New()
	}
	if err := l.grow(tb.Context(), about...); err != nil {
		tb.Fatal(err)
	}
}

// find is what FindEntries has to return.
func (l *grownLog) find(f trail.Find) (list []int64) {
	for i := range l.leaves {
		e := &l.leaves[i]
		if e.About == f.About && e.Index >= f.FromIndex && (f.BelowIndex == 0 || e.Index < f.BelowIndex) &&
			(f.From.IsZero() || !e.At.Before(f.From)) && (f.To.IsZero() || e.At.Before(f.To)) {
			list = append(list, e.Index)
		}
	}
	if f.Newest {
		slices.Reverse(list)
	}
	return list[:min(len(list), f.Limit)]
}

// found is what it returns.
func (l *grownLog) found(ctx context.Context, f trail.Find) (list []int64, err error) {
	err = l.s.View(ctx, func(tx vault.Tx) error {
		entries, err := tx.FindEntries(ctx, l.tenant, f)
		list = nil
		for i := range entries {
			if entries[i].Leaf != l.leaves[entries[i].Index] {
				return fmt.Errorf("an entry is %+v", entries[i])
			}
			list = append(list, entries[i].Index)
		}
		return err
	})
	return list, err
}

func (l *grownLog) misfiled(ctx context.Context, from, to int64) (index int64, found bool, err error) {
	err = l.s.View(ctx, func(tx vault.Tx) (err error) {
		index, found, err = tx.Misfiled(ctx, l.tenant, from, to)
		return err
	})
	return index, found, err
}

// However a log grows, what is about a person is found as by reading all of it.
func TestEntriesAboutAPersonAreFound(t *testing.T) {
	s, _ := open(t)
	s.SmallRuns()
	people := []uuid.UUID{uuid.Nil, uuid.New(), uuid.New(), uuid.New(), uuid.New()}
	// Two people whom an entry of a run does not tell apart.
	people[4] = people[3]
	people[4][0] ^= 1
	logs := 0
	rapid.Check(t, func(r *rapid.T) {
		logs++
		l := &grownLog{s: s, tenant: tenant(t, s, fmt.Sprint("log-", logs))}
		person := rapid.SampledFrom(people)
		for range rapid.IntRange(1, 6).Draw(r, "steps") {
			if err := l.grow(t.Context(), rapid.SliceOfN(person, 1, 40).Draw(r, "about")...); err != nil {
				r.Fatal(err)
			}
		}
		size := len(l.leaves)
		for range 10 {
			f := trail.Find{
				About: rapid.SampledFrom(people[1:]).Draw(r, "who"), Newest: rapid.Bool().Draw(r, "newest"), Limit: rapid.IntRange(1, size).Draw(r, "limit"),
				FromIndex: int64(rapid.IntRange(0, size).Draw(r, "from")), BelowIndex: int64(rapid.IntRange(0, size+1).Draw(r, "below")),
			}
			if rapid.Bool().Draw(r, "of a time") {
				f.From, f.To = day().Add(time.Duration(size/4)*time.Second), day().Add(time.Duration(size/2)*time.Second)
			}
			got, err := l.found(t.Context(), f)
			if want := l.find(f); err != nil || !slices.Equal(got, want) {
				r.Fatalf("of %d leaves, %+v finds %v, %v, want %v", size, f, got, err, want)
			}
		}
		if index, found, err := l.misfiled(t.Context(), 0, int64(size)+1); err != nil || found {
			r.Fatalf("from index %d on it is said not to be as it should: %v", index, err)
		}
	})
}

// Runs of the sizes that are served with, and an entry as often as one statement reads and
// more often.
func TestEntriesAboutAPersonInALongLog(t *testing.T) {
	s, url := open(t)
	admin := db(t, url)
	l := &grownLog{s: s, tenant: tenant(t, s, "acme")}
	often, once := uuid.New(), uuid.New()
	for step := range 9 {
		about := make([]uuid.UUID, 8000)
		for i := range about {
			switch {
			case i%4 == 0:
				about[i] = often
			case step == 2 && i == 77:
				about[i] = once
			default:
				about[i] = uuid.New()
			}
		}
		if err := l.grow(t.Context(), about...); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []trail.Find{
		{About: often, Limit: 1 << 20},
		{About: often, Limit: 1 << 20, Newest: true},
		{About: often, Limit: 7, Newest: true},
		{About: often, Limit: 1500, FromIndex: 4097},
		{About: often, Limit: 10, From: day().Add(70_000 * time.Second)},
		{About: once, Limit: 10},
		{About: once, Limit: 10, Newest: true},
		{About: uuid.New(), Limit: 10},
		{About: l.leaves[65_537].About, Limit: 10},
		{About: l.leaves[71_999].About, Limit: 10},
	} {
		got, err := l.found(t.Context(), f)
		if want := l.find(f); err != nil || !slices.Equal(got, want) {
			t.Errorf("%+v finds %d, %v, want %d", f, len(got), err, len(want))
		}
	}
	const of = `SELECT count(*) FROM audit_run WHERE tenant = $1 AND level = $2 AND n < $3`
	for level, want := range map[int]int64{1: 17 * 32, 2: 512, 3: 0} {
		if n := number(t, admin, of, l.tenant, level, 17); n != want {
			t.Errorf("level %d has %d buckets, want %d", level, n, want)
		}
	}
	if index, found, err := l.misfiled(t.Context(), 0, 1<<40); err != nil || found {
		t.Errorf("from index %d on it is said not to be as it should: %v", index, err)
	}
}

// Who removes a part of what finds entries by person does not hide them.
func TestAPersonWhoseRunIsGoneIsNotShownLess(t *testing.T) {
	s, url := open(t)
	s.SmallRuns()
	admin := db(t, url)
	run(t, admin, `SET session_replication_role = replica`)
	who := uuid.New()
	about := make([]uuid.UUID, 60)
	for i := range about {
		about[i] = who
	}
	for i, sql := range []string{
		`DELETE FROM audit_run WHERE tenant = $1 AND level = 1 AND n = 6`,
		`DELETE FROM audit_run WHERE tenant = $1 AND level = 2 AND n = 2`,
		`DELETE FROM audit_run WHERE tenant = $1 AND level = 3`,
		`UPDATE audit_run SET n = 7 WHERE tenant = $1 AND level = 1 AND n = 6`,
		`INSERT INTO audit_checkpoint (tenant, size, at, signed) VALUES ($1, 1000, now(), '')`,
	} {
		l := &grownLog{s: s, tenant: tenant(t, s, fmt.Sprint("tenant-", i))}
		if err := l.grow(t.Context(), about...); err != nil {
			t.Fatal(err)
		}
		run(t, admin, sql, l.tenant)
		for _, newest := range []bool{false, true} {
			f := trail.Find{About: who, Limit: 100, Newest: newest}
			if got, err := l.found(t.Context(), f); !errors.Is(err, vault.ErrIntegrity) {
				t.Errorf("after %s %d entries are found: %v", sql, len(got), err)
			}
		}
	}
}

// leavesEndElsewhere wants that a log is not indexed whose leaves do not end where its
// checkpoint does.
func leavesEndElsewhere(t *testing.T, s *pgstore.Store, admin *pgx.Conn) {
	t.Helper()
	const last = `WHERE tenant = $1 AND idx = (SELECT max(idx) FROM audit_leaf WHERE tenant = $1)`
	for i, sql := range []string{
		`UPDATE audit_leaf SET about = about || substr(about, 1, 16), hashes = hashes || substr(hashes, 1, 32) ` + last,
		`UPDATE audit_leaf SET about = substr(about, 17), hashes = substr(hashes, 33) ` + last,
		`DELETE FROM audit_leaf ` + last,
		`INSERT INTO audit_leaf SELECT 70, -1, at, tenant, event, NULL, substr(hashes, 1, 32) FROM audit_leaf ` + last,
	} {
		l := &grownLog{s: s, tenant: tenant(t, s, fmt.Sprint("elsewhere-", i))}
		for range 5 {
			l.growBy(t, 14)
		}
		run(t, admin, `SET session_replication_role = replica`)
		run(t, admin, sql, l.tenant)
		run(t, admin, `SET session_replication_role = origin`)
		err := s.Update(t.Context(), func(tx vault.Tx) error { return tx.Refile(t.Context(), l.tenant, func(int64, int64) {}) })
		if !errors.Is(err, vault.ErrIntegrity) {
			t.Errorf("after %s it is indexed: %v", sql, err)
		}
	}
}

// What a run says is about a person is there, or nothing is said: a leaf that is gone, is
// hidden by another row, or is somebody else's is no entry less.
func TestALeafThatIsGoneIsNotShownLess(t *testing.T) {
	s, url := open(t)
	s.SmallRuns()
	admin := db(t, url)
	run(t, admin, `SET session_replication_role = replica`)
	who := uuid.New()
	about := make([]uuid.UUID, 46)
	for i := range about {
		about[i] = who
	}
	const row = `(SELECT max(idx) FROM audit_leaf WHERE tenant = $1 AND idx < 20 AND octet_length(hashes) > 64)`
	for i, sql := range []string{
		`DELETE FROM audit_leaf WHERE tenant = $1 AND idx = ` + row,
		`UPDATE audit_leaf SET about = NULL WHERE tenant = $1 AND idx = ` + row,
		`UPDATE audit_leaf SET about = overlay(about placing uuid_send(gen_random_uuid()) from 17) WHERE tenant = $1 AND idx = ` + row,
		`UPDATE audit_leaf SET about = substr(about, 1, 32), hashes = substr(hashes, 1, 64) WHERE tenant = $1 AND idx = ` + row,
		`INSERT INTO audit_leaf SELECT idx + 1, -1, at, tenant, event, NULL, substr(hashes, 1, 32) FROM audit_leaf WHERE tenant = $1 AND idx = ` + row,
		`WITH x AS (INSERT INTO audit_leaf SELECT idx + 4, -1, at, tenant, event, substr(about, 65, 16), substr(hashes, 129, 32) FROM audit_leaf WHERE tenant = $1 AND idx = ` + row + `)
		UPDATE audit_leaf SET about = substr(about, 1, 80), hashes = substr(hashes, 1, 160) WHERE tenant = $1 AND idx = ` + row,
		`INSERT INTO audit_leaf SELECT idx + 1, -1, at, tenant, event, about, hashes FROM audit_leaf WHERE tenant = $1 AND idx = 42`,
		`UPDATE audit_leaf SET hashes = hashes || substr(hashes, 1, 32), about = about || substr(about, 1, 16) WHERE tenant = $1 AND idx = 42`,
	} {
		l := &grownLog{s: s, tenant: tenant(t, s, fmt.Sprint("tenant-", i))}
		if err := l.grow(t.Context(), about[:42]...); err != nil {
			t.Fatal(err)
		}
		if err := l.grow(t.Context(), about[42:]...); err != nil { // a row in no run
			t.Fatal(err)
		}
		if tag, err := admin.Exec(t.Context(), sql, l.tenant); err != nil || tag.RowsAffected() != 1 {
			t.Fatalf("%s changes %d rows: %v", sql, tag.RowsAffected(), err)
		}
		for _, newest := range []bool{false, true} {
			f := trail.Find{About: who, Limit: 100, Newest: newest}
			if got, err := l.found(t.Context(), f); !errors.Is(err, vault.ErrIntegrity) {
				t.Errorf("after %s %d entries are found: %v", sql, len(got), err)
			}
		}
	}
}

// A run that is merged from others does not lack what was removed of them.
func TestRunsAreMergedFromLeavesWhereOthersAreGone(t *testing.T) {
	s, url := open(t)
	s.SmallRuns()
	admin := db(t, url)
	run(t, admin, `SET session_replication_role = replica`)
	l := &grownLog{s: s, tenant: tenant(t, s, "acme")}
	l.growBy(t, 14)
	run(t, admin, `DELETE FROM audit_run WHERE level = 1 AND n = 0 AND bucket = 1`)
	l.growBy(t, 14)
	run(t, admin, `DELETE FROM audit_run WHERE level = 2 AND n = 0 AND bucket = 2`)
	l.growBy(t, 14)
	for i := range l.leaves[:32] {
		f := trail.Find{About: l.leaves[i].About, Limit: 10}
		if got, err := l.found(t.Context(), f); err != nil || !slices.Equal(got, []int64{int64(i)}) {
			t.Errorf("entry %d is found as %v, %v", i, got, err)
		}
	}
	if index, found, err := l.misfiled(t.Context(), 16, 42); err != nil || found {
		t.Errorf("from index %d on it is said not to be as it should: %v", index, err)
	}
}

// Whatever is done to a run by SQL, a check names where it begins. A check in parts names
// what ends in each.
func TestAlteredRunsAreFound(t *testing.T) {
	s, url := open(t)
	s.SmallRuns()
	admin := db(t, url)
	run(t, admin, `SET session_replication_role = replica`)
	l := &grownLog{s: s, tenant: tenant(t, s, "acme")}
	for range 5 {
		l.growBy(t, 14)
	}
	whole := func(sql string) string { return sql + ` WHERE tenant = $1 AND ` }
	for _, c := range []struct {
		sql      string
		from, to int64
		want     int64
	}{
		{whole(`DELETE FROM audit_run`) + `level = 1 AND n = 2`, 0, 70, 16},
		{whole(`DELETE FROM audit_run`) + `level = 1 AND n = 7`, 56, 64, 56},
		{whole(`DELETE FROM audit_run`) + `level = 2 AND n = 1`, 0, 70, 16},
		{whole(`DELETE FROM audit_run`) + `level = 3 AND n = 1`, 60, 70, 32},
		{whole(`UPDATE audit_run SET people = substr(people, 9)`) + `level = 1 AND n = 3`, 0, 70, 24},
		{whole(`UPDATE audit_run SET people = people || '\x00'`) + `level = 1 AND n = 3`, 0, 70, 24},
		{whole(`UPDATE audit_run SET people = set_byte(people, 7, get_byte(people, 7) # 1)`) + `level = 3 AND n = 0 AND people <> ''`, 0, 70, 0},
		{whole(`UPDATE audit_run SET people = people || substr(people, 1, 8)`) + `level = 2 AND n = 3`, 0, 70, 48},
		{whole(`UPDATE audit_run SET n = 2`) + `level = 3 AND n = 1`, 0, 70, 32},
		{whole(`UPDATE audit_run SET n = 9`) + `level = 1 AND n = 7`, 0, 1000, 56},
		{`INSERT INTO audit_run SELECT 8, tenant, bucket, level, people FROM audit_run WHERE tenant = $1 AND level = 1 AND n = 0`, 70, 1 << 60, 70},
		{`INSERT INTO audit_run SELECT 1000, tenant, bucket, level, people FROM audit_run WHERE tenant = $1 AND level = 3 AND n = 0`, 0, 71, 70},
	} {
		run(t, admin, `CREATE TABLE kept AS SELECT * FROM audit_run`)
		run(t, admin, c.sql, l.tenant)
		index, found, err := l.misfiled(t.Context(), c.from, c.to)
		if err != nil || !found || index != c.want {
			t.Errorf("%s: %d, %v, %v, want %d", c.sql, index, found, err, c.want)
		}
		run(t, admin, `DELETE FROM audit_run`)
		run(t, admin, `INSERT INTO audit_run SELECT * FROM kept`)
		run(t, admin, `DROP TABLE kept`)
		if index, found, err := l.misfiled(t.Context(), 0, 1<<60); err != nil || found {
			t.Fatalf("as it was it is said to be wrong from %d on: %v", index, err)
		}
	}
}

// All of a log's runs are made anew, whatever was done to them; no others, and the triggers
// guard them afterwards.
func TestRunsAreMadeAnew(t *testing.T) {
	s, url := open(t)
	s.SmallRuns()
	admin := db(t, url)
	var logs []*grownLog
	for i := range 2 {
		l := &grownLog{s: s, tenant: tenant(t, s, fmt.Sprint("tenant-", i))}
		logs = append(logs, l)
		for range 5 {
			l.growBy(t, 14)
		}
	}
	const all = `SELECT count(*) FROM audit_run WHERE tenant = $1`
	before := number(t, admin, all, logs[0].tenant)
	for _, sql := range []string{
		`SET session_replication_role = replica`,
		`DELETE FROM audit_run WHERE level < 3`, `UPDATE audit_run SET people = ''`,
		`INSERT INTO audit_run (tenant, level, n, bucket, people) SELECT id, 1, 8, 0, '' FROM tenant`,
		`SET session_replication_role = origin`,
	} {
		run(t, admin, sql)
	}
	var done, total int64
	update(t, s, func(ctx context.Context, tx vault.Tx) error {
		return tx.Refile(ctx, logs[0].tenant, func(d, of int64) { done, total = d, of })
	})
	if done != 64 || total != 70 {
		t.Errorf("%d of %d entries are covered again, want 64 of 70", done, total)
	}
	if n := number(t, admin, all, logs[0].tenant); n != before {
		t.Errorf("there are %d rows, want %d", n, before)
	}
	if index, found, err := logs[0].misfiled(t.Context(), 0, 1<<60); err != nil || found {
		t.Errorf("made anew, it is said to be wrong from %d on: %v", index, err)
	}
	if _, found, err := logs[1].misfiled(t.Context(), 0, 1<<60); err != nil || !found {
		t.Errorf("the log of another tenant was made anew, too: %v", err)
	}
	run(t, admin, `INSERT INTO audit_checkpoint (tenant, size, at, signed) VALUES ($1, 1::bigint << 50, now(), '')`, logs[1].tenant)
	err := s.Update(t.Context(), func(tx vault.Tx) error { return tx.Refile(t.Context(), logs[1].tenant, func(int64, int64) {}) })
	if !errors.Is(err, vault.ErrIntegrity) {
		t.Errorf("a log with another size than its checkpoint is indexed: %v", err)
	}
	leavesEndElsewhere(t, s, admin)
	_, err = admin.Exec(t.Context(), `DELETE FROM audit_run`)
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Code != "23000" {
		t.Errorf("deleting afterwards: %v, want that a trigger refuses it", err)
	}
	for range 2 {
		if err := logs[0].grow(t.Context(), uuid.New(), uuid.New(), uuid.New()); err != nil {
			t.Error(err)
		}
	}
	if index, found, err := logs[0].misfiled(t.Context(), 0, 1<<60); err != nil || found {
		t.Errorf("grown on, it is said to be wrong from %d on: %v", index, err)
	}
}
