//go:build e2e

package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/audit/evidence"
	"github.com/fieldvault/fieldvault/cmd/fieldvault/processtest"
)

// TestAuditLife takes a log through what happens to it in its life: people are erased,
// documents refer to it, and its oldest events are deleted by age.
func TestAuditLife(t *testing.T) {
	for _, production := range []bool{false, true} {
		t.Run(modeName(production), func(t *testing.T) {
			needMode(t, production)
			t.Parallel()
			w := newWorld(t, production, options{})
			for _, c := range []testCase{
				{name: "L10_a_third_of_the_people_erased", run: thirdErased},
				{name: "L11_documents_are_in_the_log", run: documentsInLog},
				{name: "L12_pruned_by_age", run: prunedLog},
				{name: "L13_indexed_anew", run: indexedAnew},
				{name: "L14_pruned_without_a_word", run: prunedSilently},
			} {
				t.Run(c.name, func(t *testing.T) { c.run(t, w) })
			}
			t.Run("Z01_the_world_after", func(t *testing.T) { w.look(t) })
		})
	}
}

// After erasures the whole log verifies, the histories of the erased are gone, and no
// tile and no bundle of an export holds anything about anybody.
func thirdErased(t *testing.T, w *world) {
	const people, erased = 90, 30
	app, officer := w.token(t, "app"), w.token(t, "dpo")
	name := func(i int) string { return fmt.Sprint("l10-", i) }
	for i := range people {
		w.put(t, name(i), fields{"email": w.canary("l10-") + "@example.org", "last_name": w.canary("Kanarin"), "phone": "+49 30 23125000"})
		w.decide(t, name(i), "marketing", "granted").want(t, "granting", "200")
		if got := w.see(t, app, "support", name(i), "email"); !strings.HasPrefix(got, "plain: l10-") {
			t.Fatalf("a read: %.10q", got)
		}
		w.do(t, call{token: app, purpose: "support", method: http.MethodPost, path: "/v1/search", body: fields{"collection": "customer", "field": "email", "equals": name(i) + "@example.org"}}).want(t, "a search", "200")
	}
	history := func(token, subject string) answer {
		t.Helper()
		return w.do(t, call{token: token, path: "/v1/subjects/" + subject + "/access-history"})
	}
	w.logOf(t, "default")
	for i := range erased {
		if a := history(officer, name(i)); a.status != http.StatusOK || !strings.Contains(string(a.body), `"reveal"`) {
			t.Errorf("the history of the living: %s %.300s", a, a.body)
		}
		w.erase(t, name(i)).want(t, "erasing", "200")
	}
	for i := range people {
		want := "200"
		if i < erased {
			want = "410 gone"
		}
		history(officer, name(i)).want(t, "the history for who may know", want)
		history(w.token(t, "support"), name(i)).want(t, "the history for who may not", "403 denied")
		history(w.token(t, "subject", personal(name(people+i))), name(i)).want(t, "the history for another person", "403 denied")
	}
	w.logOf(t, "default")
	w.verifies(t, "after the erasures, the store", "default", "--store")
	w.verifies(t, "after the erasures, over HTTP", "default", "--url", w.url, "--token-file", w.tokenFile(t, "default"))
	dir := w.exported(t, "default")
	w.verifies(t, "after the erasures, an export", "default", "--dir", dir)
	found, err := w.canaries().FindInDir(dir)
	must(t, err)
	for _, f := range found {
		t.Errorf("the export: %s", f)
	}
	must(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if b := string(readFile(t, path)); strings.Contains(b, "l10-") || strings.Contains(b, "23125000") {
			t.Errorf("%s names a person", path)
		}
		return nil
	}))
	a := w.do(t, call{token: officer, path: "/v1/audit/entries?limit=1000"}).want(t, "the events", "200")
	w.clean(t, "the events", a.body)
	for _, subject := range []string{name(0), name(people + 1)} { // erased, and unknown: alike
		a := w.do(t, call{token: officer, path: "/v1/audit/entries?subject=" + subject}).want(t, "events about "+subject, "200")
		if !strings.Contains(string(a.body), `"events":[]`) {
			t.Errorf("events about %s: %.300s", subject, a.body)
		}
	}
}

// Certificates and receipts bear the proof that the log has their event, within seconds.
func documentsInLog(t *testing.T, w *world) {
	pub, err := evidence.ParseKey(w.verifier(t))
	must(t, err)
	officer := w.token(t, "dpo")
	w.put(t, "l11", fields{"email": w.canary("l11-") + "@example.org"})
	w.decide(t, "l11", "marketing", "granted").want(t, "granting", "200")
	included := func(what string, get func() []byte) {
		t.Helper()
		began := time.Now()
		for ; ; time.Sleep(50 * time.Millisecond) {
			origin, index, err := evidence.VerifyInclusion(get(), pub)
			if err == nil {
				if size := w.logOf(t, "default").size; origin != "fieldvault/default" || index < 0 || index >= size {
					t.Errorf("%s is at %d of %d of %s", what, index, size, origin)
				}
				t.Logf("%s bears its proof after %v", what, time.Since(began).Round(time.Millisecond))
				return
			}
			if !errors.Is(err, evidence.ErrNoInclusion) || time.Since(began) > patience {
				t.Fatalf("%s: %v", what, err)
			}
		}
	}
	included("a receipt", func() []byte {
		var list struct {
			Consents []struct {
				Purpose string
				Receipt json.RawMessage
			}
		}
		w.do(t, call{token: officer, path: "/v1/subjects/l11/consents"}).want(t, "the consents", "200").decode(t, &list)
		for _, c := range list.Consents {
			if c.Purpose == "marketing" {
				return c.Receipt
			}
		}
		t.Fatal("the consent is not there")
		return nil
	})
	var certificate struct{ ID string }
	w.erase(t, "l11").want(t, "erasing", "200").decode(t, &certificate)
	included("a certificate", func() []byte {
		return w.do(t, call{token: officer, path: "/v1/erasures/" + certificate.ID}).want(t, "the certificate", "200").body
	})
}

// otherStore is the service's configuration with another file for the store's URL.
func (w *world) otherStore(t *testing.T, urlFile string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "other.yaml")
	must(t, os.WriteFile(path, []byte(strings.ReplaceAll(string(readFile(t, w.config("node"))), "/node.url", "/"+urlFile)), 0o600))
	return path
}

// Events that stand in a verified export may be deleted by age, by the owner alone. The
// log still verifies.
func prunedLog(t *testing.T, w *world) {
	l := w.fill(t, "default", 600)
	dir := w.exported(t, l.name)
	size := w.fill(t, l.name, l.size+100).size
	present := func() int64 {
		t.Helper()
		events := `count(*)`
		if w.production {
			events = `sum(octet_length(l.hashes) / 32)`
		}
		return w.one(t, `SELECT `+events+` FROM event_intake i JOIN audit_leaf l ON l.intake = i.id WHERE l.tenant = $1 AND l.idx < $2`, l.tenant, size).(int64)
	}
	prune := func(config, before, from string) (code int, below int64, said string) {
		t.Helper()
		code, stdout, said := processtest.Build(t).Try(t, nil, "audit", "prune", "--before", before, "--exported", from, "--config", config, "--json")
		var out struct{ Below int64 }
		if code == 0 {
			must(t, json.Unmarshal([]byte(stdout), &out))
		}
		return code, out.Below, said
	}
	later := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	owner := w.otherStore(t, "keeper.url")
	if w.production {
		if code, _, said := prune(w.config("node"), later, dir); code != 1 {
			t.Errorf("the service's role prunes: %d %s", code, said)
		}
	}
	damaged := w.exported(t, l.name)
	must(t, os.Remove(filepath.Join(damaged, "tile", "entries", "001")))
	if code, _, said := prune(owner, later, damaged); code != 1 || !strings.Contains(said, "nothing was deleted") {
		t.Errorf("pruning what a damaged export should hold: %d %s", code, said)
	}
	if code, below, said := prune(owner, "2020-01-01T00:00:00Z", dir); code != 0 || below != 0 {
		t.Errorf("pruning what is older than all: %d, below %d %s", code, below, said)
	}
	if got := present(); got != size {
		t.Fatalf("%d of %d events are left before the first was pruned", got, size)
	}
	// All is older than that, but not all was exported; and only whole bundles go, less what
	// shares a row with what stays.
	want := w.rowOf(t, l, l.size-l.size%256)
	if code, below, said := prune(owner, later, dir); code != 0 || below != want {
		t.Fatalf("pruning: %d, below %d, want %d: %s", code, below, want, said)
	}
	if got := present(); got != size-want {
		t.Errorf("%d events are left of those that were there, want %d", got, size-want)
	}
	w.logOf(t, l.name)
	token := w.tokenFile(t, l.name)
	w.verifies(t, "pruned, the store", l.name, "--store")
	w.verifies(t, "pruned, over HTTP", l.name, "--url", w.url, "--token-file", token, "--pruned", fmt.Sprint(want))
	w.bad(t, "pruned, and nobody says so", 0, l.name, "--url", w.url, "--token-file", token)
	w.verifies(t, "the export of before", l.name, "--dir", dir)
	if code, _, said := w.audit(t, l.name, "export", "--store", "--to", dir); code != 0 {
		t.Errorf("going on with the export: %s", said)
	}
	w.verifies(t, "the export gone on with", l.name, "--dir", dir)
	w.logOf(t, l.name) // what was read over HTTP is on record, too
	w.asTheyWere(t, w.logTables(), func() {
		w.sql(t, `DELETE FROM event_intake WHERE id = (SELECT intake FROM audit_leaf WHERE tenant = $1 AND idx = $2)`, l.tenant, want)
		w.bad(t, "one row more deleted", want, l.name, "--store")
		w.sql(t, `UPDATE audit_pruned SET below = below + 50 WHERE tenant = $1`, l.tenant)
		w.bad(t, "one row more deleted and said to be pruned", want, l.name, "--store")
	})
	w.verifies(t, "put back", l.name, "--store")
}

// What finds events by person is made anew, by the owner alone, whatever somebody has put
// there.
func indexedAnew(t *testing.T, w *world) {
	l := w.fill(t, "default", 800)
	reindex := func(config string) (code int, out, said string) {
		t.Helper()
		return processtest.Build(t).Try(t, nil, "audit", "reindex", "--config", config, "--json")
	}
	if w.production {
		w.sql(t, `INSERT INTO audit_run (tenant, level, n, bucket, people) VALUES ($1, 1, 3, 7, '')`, l.tenant)
		w.bad(t, "an index of people beyond the log", l.size, l.name, "--store")
		if code, _, said := reindex(w.config("node")); code != 1 || !strings.Contains(said, "owner") {
			t.Errorf("the service's role makes an index anew: %d %s", code, said)
		}
	}
	if code, out, said := reindex(w.otherStore(t, "keeper.url")); code != 0 || !strings.Contains(out, `"covered"`) {
		t.Errorf("indexing anew: %d %s%s", code, out, said)
	}
	w.fill(t, l.name, l.size+1)
	w.verifies(t, "indexed anew", l.name, "--store")
}

// Whoever sets the mark and deletes, without the log's own event, is found.
func prunedSilently(t *testing.T, w *world) {
	l := w.fill(t, "other", 40)
	if err := w.trySQL(t, `DELETE FROM event_intake WHERE tenant = $1`, l.tenant); err == nil {
		t.Error("the schema lets events be deleted that are not to be pruned")
	}
	w.sql(t, `INSERT INTO audit_pruned (tenant, below) VALUES ($1, 10)`, l.tenant)
	w.verifies(t, "the mark alone", l.name, "--store")
	w.sql(t, `DELETE FROM event_intake WHERE id IN (SELECT intake FROM audit_leaf WHERE tenant = $1 AND idx BETWEEN 4 AND 9)`, l.tenant)
	w.bad(t, "pruned without a word", 4, l.name, "--store")
	w.bad(t, "pruned without a word", 0, l.name, "--url", w.url, "--token-file", w.tokenFile(t, l.name))
}
