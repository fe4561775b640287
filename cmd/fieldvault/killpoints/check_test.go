//go:build e2e

package killpoints_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/cmd/fieldvault/processtest"
	"github.com/fieldvault/fieldvault/vault/ledger"
	"github.com/fieldvault/fieldvault/vault/pgstore"
)

// generous is for how long work may go on: the lease of a dead process, and a machine
// that has much else to do, are in it. What stands still does so for ever.
const generous = 3 * processtest.Patience

// soon waits until something is so.
func (w *world) soon(t *testing.T, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(generous); !so(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			w.say(t, false, "after %v still not: %s", generous, what)
			return
		}
	}
	w.say(t, true, "%s", what)
}

// none says that a query soon finds nothing.
func (w *world) none(t *testing.T, what, query string, args ...any) {
	t.Helper()
	w.soon(t, "no "+what, func() bool { return w.count(t, query, args...) == 0 })
}

// leaseEnds lets the lease of a dead process end: by the clock, which takes its 30
// seconds, or by SQL.
func (w *world) leaseEnds(t *testing.T, byClock bool) {
	t.Helper()
	if !byClock {
		_, err := w.db.ExecContext(t.Context(), `UPDATE job SET lease = now() WHERE state = 2 AND lease > now()`)
		must(t, err)
	}
}

// jobsEnd waits until nothing is queued or runs.
func (w *world) jobsEnd(t *testing.T) {
	t.Helper()
	w.none(t, "job is queued or runs", `SELECT count(*) FROM job WHERE state IN (1, 2)`)
	for _, note := range w.strings(t, `SELECT kind || ': ' || note FROM job WHERE state = 4`) {
		w.say(t, false, "a job has failed: %s", note)
	}
}

// settled is what must hold of the database once the node was started again, and
// nobody writes.
func (w *world) settled(t *testing.T) {
	t.Helper()
	w.jobsEnd(t)
	w.none(t, "entry waits for the ledger", `SELECT count(*) FROM outbox`)
	w.none(t, "life that ended before the start is left to clean up",
		`SELECT count(*) FROM subject WHERE state = 2 AND uid IS NOT NULL AND erased_at < $1`, w.since)
	w.soon(t, "the groups that were erased before the start are cleaned up", func() bool {
		left := w.strings(t, `SELECT format('%s/%s/%s', uid, grp, epoch) FROM shred`)
		return !slices.ContainsFunc(left, func(s string) bool { return slices.Contains(w.shred, s) })
	})
	for _, table := range []string{"record", "search_index", "consent", "consent_event"} {
		n := w.count(t, `SELECT count(*) FROM `+table+` x WHERE NOT EXISTS (
			SELECT 1 FROM subject s WHERE s.tenant = x.tenant AND s.uid = x.uid)`)
		w.say(t, n == 0, "%d rows of %s belong to nobody", n, table)
	}
	w.noKeys(t)
	n := w.count(t, `SELECT count(*) FROM subject s JOIN erasure e USING (tenant, lookup, generation) WHERE e.grps = '' AND s.state <> 2`)
	w.say(t, n == 0, "%d people live of whom there is a certificate", n)
	var alive, ended int64
	for _, p := range w.people {
		if p.alive() {
			alive++
		} else if p.gone != nil {
			ended++
		}
	}
	n = w.count(t, `SELECT count(*) FROM subject WHERE state = 1`)
	w.say(t, n == alive, "%d people live, and clients know of %d", n, alive)
	n = w.count(t, `SELECT count(*) FROM subject WHERE state = 2`)
	w.say(t, n == ended, "%d people are erased, and clients know of %d", n, ended)
	h, err := w.doors.Ready(t.Context())
	w.say(t, err == nil && h.Status == "ok", "the service is not ready: %+v, %v", h, err)
	w.ledgerAgrees(t)
}

// noKeys says that nobody but the living has keys: at every moment, before any
// clean-up.
func (w *world) noKeys(t *testing.T) {
	t.Helper()
	n := w.count(t, `SELECT count(*) FROM subject WHERE state <> 1 AND keys IS NOT NULL`)
	w.say(t, n == 0, "%d people who are not alive have keys", n)
}

// ledgerAgrees says that the ledger and the database know of the same erasures, and
// that the database has followed.
func (w *world) ledgerAgrees(t *testing.T) {
	t.Helper()
	var events []uuid.UUID
	entries := w.entries(t)
	for i := range entries {
		if k := entries[i].Kind; k == ledger.Erase || k == ledger.EraseGroups {
			events = append(events, entries[i].Event)
		}
	}
	certified := w.strings(t, `SELECT event::text FROM erasure`)
	missing := 0
	for _, e := range events {
		if !slices.Contains(certified, e.String()) {
			missing++
		}
	}
	w.say(t, missing == 0, "the ledger has %d erasures of which the database has no certificate", missing)
	w.say(t, len(events) == len(certified), "the ledger has %d erasures, and the database %d certificates", len(events), len(certified))
	w.soon(t, "the database has followed the ledger", func() bool {
		return w.count(t, `SELECT reached FROM ledger`) == int64(len(entries))
	})
}

// entries reads the whole ledger. Of a file it is a copy: the node has the other.
func (w *world) entries(t *testing.T) (all []ledger.Placed) {
	t.Helper()
	l := w.openLedger(t)
	defer func() { must(t, l.Close()) }()
	for {
		page, err := l.Read(t.Context(), int64(len(all)), ledger.MaxRead)
		must(t, err)
		if len(page) == 0 {
			return all
		}
		all = append(all, page...)
	}
}

func (w *world) openLedger(t *testing.T) ledger.Ledger {
	t.Helper()
	if w.file != "" {
		f, err := ledger.OpenFile(t.Context(), w.write(t, "ledger.copy", readFile(t, w.file)), ledger.FileConfig{})
		must(t, err)
		return f
	}
	l, err := pgstore.OpenLedger(t.Context(), pgstore.Config{URL: w.postgres.URL(w.tenant + "_ledger")})
	must(t, err)
	return l
}

// A keyLine is what `keys status` says of the tenant's key.
type keyLine struct {
	Key          string
	Latest       int
	MinDecrypt   int `json:"min_decrypt"`
	MinAvailable int `json:"min_available"`
	Epoch        int
	Wraps        []struct{ Version int }
}

func (w *world) key(t *testing.T) keyLine {
	t.Helper()
	var list []keyLine
	must(t, json.Unmarshal([]byte(w.run(t, "keeper", "keys", "status", "--json")), &list))
	i := slices.IndexFunc(list, func(k keyLine) bool { return k.Key == w.tenant })
	if i < 0 {
		t.Fatalf("no key of %s in %+v", w.tenant, list)
	}
	return list[i]
}

// moved says that everything is under the latest version.
func (w *world) moved(t *testing.T) keyLine {
	t.Helper()
	w.jobsEnd(t)
	k := w.key(t)
	w.say(t, len(k.Wraps) == 1 && k.Wraps[0].Version == k.Latest && k.Epoch == k.Latest, "not all is under the latest version: %+v", k)
	return k
}
