//go:build e2e

package logscale_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/audit/report"
	"github.com/fieldvault/fieldvault/vault"
)

var events = flag.Int64("events", 20_000, "events of the log of TestLongLog")

// TestLongLog makes a long log, verifies all of it with the program, and finds in it
// exactly what one caller has seen in a window.
func TestLongLog(t *testing.T) {
	w := newTown(t)
	w.people = int(max(500, *events/45))
	f := &traffic{town: w, seen: map[sight]int64{}}
	ctx := t.Context()
	began := time.Now()
	f.settle(ctx, t)
	f.run(ctx, t, *events*4/10, false)
	from, to := f.run(ctx, t, *events*2/10, true)
	f.run(ctx, t, *events-int64(w.people)-*events*6/10, false)
	size := w.vault.LogStats().Sequenced
	if size < *events {
		t.Fatalf("the log has %d events, want at least %d", size, *events)
	}
	t.Logf("%d events about %d people recorded and sequenced in %.0f s: %s", size, w.people, time.Since(began).Seconds(), rate(size, time.Since(began)))
	truth := f.truth(ctx, t)

	w.verify(t, size)
	w.breach(t, from, to, truth)
	w.breachInside(ctx, t, report.Query{Actors: []string{issuer + "#" + intruder}, From: from, To: to, MaskedToo: true}, truth)
}

// verify exports the log and verifies folder and store, with the program.
func (w *town) verify(t *testing.T, size int64) {
	t.Helper()
	dir := filepath.Join(w.dir, "export")
	for _, verb := range []string{"export --store --to " + dir, "verify --dir " + dir, "verify --store"} {
		began := time.Now()
		said := w.do(t, append(strings.Fields("audit "+verb), "--key", w.key)...)
		took := time.Since(began)
		if !strings.Contains(said, fmt.Sprintf(" %d events", size)) {
			t.Errorf("audit %s says %q, want %d events", verb, said, size)
		}
		t.Logf("audit %-14s %7.1f s, %s", strings.Join(strings.Fields(verb)[:2], " "), took.Seconds(), rate(size, took))
	}
}

func rate(events int64, took time.Duration) string {
	return fmt.Sprintf("%.0f events a second", float64(events)/took.Seconds())
}

// A row is what a report says of a field of a person.
type row struct {
	uid     uuid.UUID
	field   string
	purpose accessctl.Purpose
	how     report.How
}

// truth is what the intruder saw, by uid.
func (f *traffic) truth(ctx context.Context, t *testing.T) map[row]int64 {
	t.Helper()
	operator := f.caller("op", "operator", "")
	uids, truth := map[string]uuid.UUID{}, map[row]int64{}
	for s, n := range f.seen {
		if _, known := uids[s.subject]; !known {
			page, err := f.vault.LogEntries(ctx, operator, vault.LogQuery{Subject: s.subject, Limit: 1})
			must(t, err)
			if len(page.Entries) != 1 {
				t.Fatalf("the log has nothing about %s", s.subject)
			}
			e, err := audit.ParseLeaf(page.Entries[0].Leaf)
			must(t, err)
			uids[s.subject] = e.UID
		}
		truth[row{uids[s.subject], s.field, s.purpose, s.how}] = n
	}
	if len(truth) < 100 || len(uids) < 30 {
		t.Fatalf("%d sights of %d people are no incident", len(truth), len(uids))
	}
	t.Logf("the incident: %d fields of %d people", len(truth), len(uids))
	return truth
}

// breach compares the program's report with the truth.
func (w *town) breach(t *testing.T, from, to time.Time, truth map[row]int64) {
	t.Helper()
	for _, masked := range []bool{false, true} {
		args := []string{"audit", "breach", "--actor", issuer + "#" + intruder, "--from", from.Format(time.RFC3339Nano), "--to", to.Format(time.RFC3339Nano)}
		if masked {
			args = append(args, "--masked")
		}
		began := time.Now()
		said := w.do(t, args...)
		t.Logf("audit breach, masked values too: %v: %.2f s", masked, time.Since(began).Seconds())
		var r report.Report
		must(t, json.Unmarshal([]byte(said), &r))
		same(t, &r, truth, masked)
	}
}

// breachInside does the same by the core, of the window and of the whole log.
func (w *town) breachInside(ctx context.Context, t *testing.T, q report.Query, truth map[row]int64) {
	t.Helper()
	operator := w.caller("op", "operator", "")
	began := time.Now()
	r, err := w.vault.Breach(ctx, operator, q, nil)
	must(t, err)
	t.Logf("vault.Breach of the window: %.2f s, %d events looked at", time.Since(began).Seconds(), r.Scanned.Events)
	same(t, r, truth, true)

	q.Actors, q.From, q.To = nil, time.Unix(0, 0).UTC(), time.Now().Add(time.Hour)
	began = time.Now()
	r, err = w.vault.Breach(ctx, operator, q, nil)
	must(t, err)
	t.Logf("vault.Breach of everything by everybody: %.2f s, %d events looked at, %d rows", time.Since(began).Seconds(), r.Scanned.Events, len(r.Rows))
	if !r.Scanned.Whole || !r.Checkpoint.Verified || r.Totals.People != w.people {
		t.Errorf("the report of everything: %+v, verified %v, %d people of %d", r.Scanned, r.Checkpoint.Verified, r.Totals.People, w.people)
	}
}

// same compares a report with the truth, set for set.
func same(t *testing.T, r *report.Report, truth map[row]int64, masked bool) {
	t.Helper()
	want := maps.Clone(truth)
	maps.DeleteFunc(want, func(x row, _ int64) bool { return !masked && x.how == report.Masked })
	got := make(map[row]int64, len(r.Rows))
	for i := range r.Rows {
		x := &r.Rows[i]
		if x.Collection != "customer" || x.Actor != issuer+"#"+intruder {
			t.Errorf("a row about %s, by %s", x.Collection, x.Actor)
		}
		got[row{x.UID, x.Field, x.Purpose, x.How}] += x.Values
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(row{})); diff != "" {
		t.Errorf("what was seen, and what the report says (-want +got):\n%.4000s", diff)
	}
	if len(r.NotReleased) > 0 || !r.Checkpoint.Verified {
		t.Errorf("%d rows were not released; verified: %v", len(r.NotReleased), r.Checkpoint.Verified)
	}
}
