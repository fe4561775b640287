//go:build e2e

package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/cmd/fieldvault/processtest"
	"github.com/fieldvault/fieldvault/vault/storetest"
)

// TestAuditLog alters the audit log with SQL, with the rights of the tables' owner and
// without any key: verify finds it and names the first bad index, or a witness does.
func TestAuditLog(t *testing.T) {
	for _, production := range []bool{false, true} {
		t.Run(modeName(production), func(t *testing.T) {
			needMode(t, production)
			t.Parallel()
			w := newWorld(t, production, options{people: true})
			w.fill(t, "default", 600)
			w.fill(t, "other", 20)
			w.fill(t, "lab", 20)
			for _, c := range []testCase{
				{name: "L01_untouched_it_verifies", run: untouchedLog},
				{name: "L02_entries_altered", run: alteredEntries},
				{name: "L03_hashes_and_checkpoints_altered", run: alteredTree},
				{name: "L04_rows_made_by_SQL", run: madeUpEvents},
				{name: "L05_what_was_altered_is_not_signed", run: notSignedAgain},
				{name: "L06_files_of_an_export_altered", run: alteredExport},
				{name: "L07_altered_and_read_over_HTTP", run: alteredOverHTTP},
				{name: "L08_cut_back_to_an_earlier_state", run: cutBack},
				{name: "L09_forked", run: forkedLog},
			} {
				t.Run(c.name, func(t *testing.T) { c.run(t, w) })
			}
		})
	}
}

func modeName(production bool) string {
	if production {
		return "production"
	}
	return "embedded"
}

// needMode skips a test where its mode does not run, or takes too long.
func needMode(t *testing.T, production bool) {
	t.Helper()
	if production {
		needProduction(t)
	} else {
		storetest.NeedTime(t)
	}
}

// A logState is how far the log of a tenant goes.
type logState struct {
	name   string
	tenant any // its number
	size   int64
}

// logOf is the log of a tenant once every event is in it.
func (w *world) logOf(t *testing.T, tenant string) logState {
	t.Helper()
	l := logState{name: tenant, tenant: w.tenantID(t, tenant)}
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		open := w.one(t, `SELECT count(*) FROM event_intake i WHERE tenant = $1 AND NOT EXISTS (SELECT 1 FROM audit_leaf l WHERE l.intake = i.id)`, l.tenant)
		if open.(int64) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%v events are not in the log of %s", open, tenant)
		}
	}
	l.size = w.signedSize(t, l)
	return l
}

// signedSize is the size of the newest checkpoint.
func (w *world) signedSize(t *testing.T, l logState) int64 {
	t.Helper()
	return w.one(t, `SELECT coalesce(max(size), 0) FROM audit_checkpoint WHERE tenant = $1`, l.tenant).(int64)
}

// fill makes events until the log of a tenant has so many: reads of many people, in
// steps for which checkpoints are signed.
func (w *world) fill(t *testing.T, tenant string, size int64) logState {
	t.Helper()
	app := w.in(t, tenant, "app")
	var items []any
	for i := range 20 {
		subject := fmt.Sprint("l-", i)
		w.putIn(t, tenant, subject, fields{"email": w.canary("log-") + "@example.org"})
		items = append(items, fields{"subject": subject, "collection": "customer", "record": "self", "fields": []string{"email"}})
	}
	l := w.logOf(t, tenant)
	for l.size < size {
		for range 4 {
			w.do(t, call{token: app, purpose: "support", method: http.MethodPost, path: "/v1/reveal", body: fields{"items": items}}).want(t, "reading", "200")
		}
		l = w.logOf(t, tenant)
	}
	return l
}

// keyFile is a file with the service's public key.
func (w *world) keyFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(w.dir, "verifier.key")
	if _, err := os.Stat(path); err != nil {
		must(t, os.WriteFile(path, []byte(w.verifier(t)), 0o600))
	}
	return path
}

// audit runs a verb of audit on the log of a tenant.
func (w *world) audit(t *testing.T, tenant, verb string, flags ...string) (code int, stdout, stderr string) {
	t.Helper()
	args := append([]string{"audit", verb, "--config", w.config("node"), "--tenant", tenant, "--key", w.keyFile(t)}, flags...)
	return processtest.Build(t).Try(t, nil, args...)
}

// verifies wants that the log verifies.
func (w *world) verifies(t *testing.T, what, tenant string, flags ...string) {
	t.Helper()
	if code, out, said := w.audit(t, tenant, "verify", flags...); code != 0 {
		t.Errorf("%s: the log does not verify (%d): %s%s", what, code, out, said)
	}
}

var firstBad = regexp.MustCompile(`the first bad index is (\d+):`)

// bad wants that verify ends with 1 and names an index.
func (w *world) bad(t *testing.T, what string, index int64, tenant string, flags ...string) {
	t.Helper()
	code, out, said := w.audit(t, tenant, "verify", flags...)
	m := firstBad.FindStringSubmatch(said)
	if code != 1 || m == nil {
		t.Errorf("%s: verify ends with %d and names no index: %s%s", what, code, out, said)
		return
	}
	if got, err := strconv.ParseInt(m[1], 10, 64); err != nil || got != index {
		t.Errorf("%s: verify names %s, want %d: %s", what, m[1], index, said)
	}
}

// refusedBy wants that a verb ends with 1 and says something.
func (w *world) refusedBy(t *testing.T, what, says string, tenant, verb string, flags ...string) {
	t.Helper()
	code, out, said := w.audit(t, tenant, verb, flags...)
	if code != 1 || !regexp.MustCompile(says).MatchString(said) {
		t.Errorf("%s: %s ends with %d, want 1 and %q: %s%s", what, verb, code, says, out, said)
	}
}

// tokenFile is a file with a token of who may read the log.
func (w *world) tokenFile(t *testing.T, tenant string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	must(t, os.WriteFile(path, []byte(w.in(t, tenant, "operator")), 0o600))
	return path
}

// exported is a folder with a copy of the log.
func (w *world) exported(t *testing.T, tenant string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), tenant)
	if code, _, said := w.audit(t, tenant, "export", "--store", "--to", dir); code != 0 {
		t.Fatalf("exporting: %s", said)
	}
	return dir
}

func untouchedLog(t *testing.T, w *world) {
	for _, tenant := range []string{"default", "other"} {
		w.verifies(t, "the store", tenant, "--store")
		w.verifies(t, "an export", tenant, "--dir", w.exported(t, tenant))
		w.verifies(t, "the service", tenant, "--url", w.url, "--token-file", w.tokenFile(t, tenant))
		w.logOf(t, tenant)
	}
	w.refusedBy(t, "another key", "does not verify", "default", "verify", "--store", "--key", "ed25519:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
	w.refusedBy(t, "another log", "this is the log", "default", "verify", "--dir", w.exported(t, "other"))
}
