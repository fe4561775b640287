//go:build e2e

package linear_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"flag"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/cmd/fieldvault/processtest"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/keyrow"
)

var (
	subjects = flag.Int("rotation.subjects", 4500, "people whose keys TestRotationUnderLoad moves") // the keys of more than one step in quiet
	rate     = flag.Int("rotation.rate", 40, "requests a second of its clients together")
)

// rewrapStep is how many keys one step of a rewrap moves at most.
const rewrapStep = 8000

// TestRotationUnderLoad rotates the key-encryption key while clients read and write
// at a steady pace, and prints what that does to their latency: times without and with
// a rewrap take turns, in one run. During the last rewrap the node that does it is
// killed (kill -9): another goes on from where it was, and no request fails but
// those that were under way at the dead node. At full size:
//
//	go test -tags e2e ./cmd/fieldvault/linear -run TestRotationUnderLoad -v -timeout 2h -rotation.subjects=100000
func TestRotationUnderLoad(t *testing.T) {
	g := newGrounds(t)
	still, pause := 3*time.Second, "100ms" // between steps, so that few people are a rewrap that can be broken off
	if *subjects >= 20_000 {
		still, pause = 20*time.Second, "20ms" // as configured by default
	}
	c := newCluster(t, g, processtest.Build(t), "FIELDVAULT_JOBS_PAUSE="+pause)
	f := &foreground{c: c, people: *subjects}
	for i := range c.nodes {
		f.reach(t, i)
	}
	began := time.Now()
	f.fill(t)
	t.Logf("%d people stored in %.0f s", f.people, time.Since(began).Seconds())
	db, err := sql.Open("pgx", c.database)
	must(t, err)
	defer func() { must(t, db.Close()) }()

	f.begin(t, &dice{newSeed()})
	for range 2 {
		f.during.Store(int32(quiet))
		time.Sleep(still)
		f.during.Store(int32(rewrapping))
		f.rewrap(t, db, false)
	}
	f.during.Store(int32(failing))
	killed, at := f.rewrap(t, db, true)
	f.during.Store(int32(quiet))
	time.Sleep(still)
	f.end()
	f.judge(t, killed, at)
	c.retire(t)
	f.readBack(t)
}

// A standing is where a job stands.
type standing struct {
	state       int16
	done, total int64
	owner, note string
	fence       int64
	phase       string
	raised      int32
	place       string // of the last key of this pass
}

func jobAt(ctx context.Context, db *sql.DB, id string) (s standing, err error) {
	var cursor []byte
	err = db.QueryRowContext(ctx, `SELECT state, done, total, note, coalesce(owner, ''), fence, cursor FROM job WHERE id = $1`, id).
		Scan(&s.state, &s.done, &s.total, &s.note, &s.owner, &s.fence, &cursor)
	if err != nil || len(cursor) == 0 {
		return s, err
	}
	var at struct {
		Phase  string
		UID    string
		Raised int32
	}
	err = json.NewDecoder(bytes.NewReader(cursor)).Decode(&at)
	s.phase, s.raised, s.place = at.Phase, at.Raised, at.UID
	return s, err
}

// wrappedKeys counts the wrapped keys of people.
func wrappedKeys(t *testing.T, db *sql.DB) (n int64) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), `SELECT kek_version, keys FROM subject WHERE keys IS NOT NULL`)
	must(t, err)
	defer func() { _ = rows.Close() }()
	counts := map[int32]int64{}
	for rows.Next() {
		var r keyrow.Row
		must(t, rows.Scan(&r.KEKVersion, &r.Keys))
		r.Count(counts, nil)
	}
	must(t, rows.Err())
	for _, of := range counts {
		n += of
	}
	return n
}

// rewrap rotates and watches the rewrap to its end. With kill the node that does it is
// killed when a third is done.
func (f *foreground) rewrap(t *testing.T, db *sql.DB, kill bool) (killed int, at time.Time) {
	t.Helper()
	var keys int64
	must(t, db.QueryRowContext(t.Context(), `SELECT count(*) FROM tenant_key JOIN tenant ON tenant.id = tenant WHERE name = 'default'`).Scan(&keys))
	keys += wrappedKeys(t, db)
	began := time.Now()
	job, err := f.c.keeps(t, "rotate")
	must(t, err)
	killed = -1
	var last, before standing // before: when the node was dead
	deadline := began.Add(30 * time.Minute)
	for ; last.state != vault.JobDone; time.Sleep(10 * time.Millisecond) {
		now, err := jobAt(t.Context(), db, job)
		must(t, err)
		switch {
		case now.state == vault.JobFailed, time.Now().After(deadline):
			t.Fatalf("the rewrap does not end: %+v", now)
		case now.done < last.done, now.phase == last.phase && now.raised == last.raised && now.place < last.place:
			t.Fatalf("the rewrap went back: %+v, after %+v", now, last)
		}
		last = now
		if kill && killed < 0 && last.state == vault.JobRunning && last.total > 0 && last.done >= last.total/3 {
			killed, at = f.kill(t, last.owner)
			before, err = jobAt(t.Context(), db, job)
			must(t, err)
			last = before
		}
	}
	took := time.Since(began)
	if !kill {
		if last.done != keys {
			t.Errorf("%d keys were moved, want %d", last.done, keys)
		}
		t.Logf("%d keys rewrapped in %.1f s: %.0f a second", last.done, took.Seconds(), float64(keys)/took.Seconds())
		return killed, at
	}
	if killed < 0 || before.done >= before.total || last.fence != before.fence+1 || last.owner == before.owner {
		t.Fatalf("the node was not killed within the work, or nobody took it up: %+v, then %+v", before, last)
	}
	// What the dead node had stored and not yet said is not counted: one step at most.
	if last.done > keys || last.done < keys-rewrapStep {
		t.Errorf("%d keys were moved, want %d, or a step less", last.done, keys)
	}
	t.Logf("killed at %d of %d keys, went on there, done after %.1f s (the dead node's lease of up to 30 s among them); %d moved by both",
		before.done, before.total, took.Seconds(), last.done)
	return killed, at
}

// kill kills the node that does a job, for good. at is when it was dead.
func (f *foreground) kill(t *testing.T, owner string) (which int, at time.Time) {
	t.Helper()
	_, text, _ := strings.Cut(owner, "/")
	pid, err := strconv.Atoi(text)
	must(t, err)
	which = slices.IndexFunc(f.c.nodes[:], func(n *node) bool { return n.proc.PID() == pid })
	if which < 0 {
		t.Fatalf("no node is %s", owner)
	}
	n := f.c.nodes[which]
	n.away.Store(true)
	n.proc.Kill()
	at = time.Now()
	f.c.keep(n.proc)
	return which, at
}

// judge says what the clients saw.
func (f *foreground) judge(t *testing.T, killed int, at time.Time) {
	t.Helper()
	cut := 0
	for _, r := range f.done {
		switch {
		case r.err == nil:
		case r.node == killed && !r.sent.After(at):
			cut++ // it was under way at the node that died
		default:
			t.Errorf("a request to node %d failed: %v", r.node, r.err)
		}
	}
	names := map[phase]string{quiet: "without a rotation", rewrapping: "with a rotation", failing: "with one whose node died"}
	for during := range phases {
		median, n := f.latency(during, 0.5)
		tail, _ := f.latency(during, 0.99)
		t.Logf("%-25s %6d requests, p50 %6.1f ms, p99 %6.1f ms", names[during], n, ms(median), ms(tail))
		if n == 0 {
			t.Errorf("no request %s", names[during])
		}
	}
	before, _ := f.latency(quiet, 0.99)
	with, _ := f.latency(rewrapping, 0.99)
	t.Logf("%d requests failed, %d of them under way at the node that was killed", f.failed(), cut)
	t.Logf("ratio of p99 with a rotation to p99 without: %.2f", ms(with)/ms(before))
}

func (f *foreground) failed() (n int) {
	for _, r := range f.done {
		if r.err != nil {
			n++
		}
	}
	return n
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// retire destroys all versions but the latest: from here on, what was not moved is
// lost.
func (c *cluster) retire(t *testing.T) {
	t.Helper()
	for _, verb := range [][]string{{"retire"}, {"trim", "--yes"}} {
		_, err := c.keeps(t, verb...)
		must(t, err)
	}
}

// readBack reads people everywhere, by a node that has opened no key before.
func (f *foreground) readBack(t *testing.T) {
	t.Helper()
	for i := range f.c.nodes {
		if !f.c.nodes[i].away.Load() {
			f.c.nodes[i].proc.Stop(t)
		}
		f.c.launch(t, i)
		f.c.await(t, i)
		f.reach(t, i)
	}
	for n := 0; n < f.people; n += max(1, f.people/1000) {
		r, err := f.doors[n%len(f.doors)].Load().app.Get(t.Context(), ref(f.personName(n), 0), "email")
		if err != nil || view(r.Fields["email"]) != shown(f.personEmail(n)) {
			t.Fatalf("after the trim, person %d: %v, %v", n, r.Fields["email"].View, err)
		}
	}
}
