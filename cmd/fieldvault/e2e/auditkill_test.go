//go:build e2e

package e2e_test

import (
	"flag"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/cmd/fieldvault/processtest"
)

var kills = flag.Int("e2e.kills", 20, "how often TestAuditKilled ends the service with kill -9")

// L14, I10: the service is killed under load, again and again. Of each plaintext that
// was received there is an event afterwards, and the log verifies.
func TestAuditKilled(t *testing.T) {
	for _, production := range []bool{false, true} {
		t.Run(modeName(production), func(t *testing.T) {
			needMode(t, production)
			t.Parallel()
			w := newWorld(t, production, options{})
			for _, s := range []string{"l14-0", "l14-1", "l14-2", "l14-3"} {
				w.put(t, s, fields{"email": w.canary("l14-") + "@example.org"})
			}
			tenant, received, appended := w.tenantID(t, "default"), map[string]bool{}, 0
			answered := 0
			for i := range *kills {
				before := w.count(t, tenant)
				got := w.readUntilKilled(t, time.Duration(i*37%150)*time.Millisecond)
				after := w.count(t, tenant) - before
				if after < len(got) {
					t.Errorf("%d plaintexts were received, and there are %d events", len(got), after)
				}
				appended, answered = appended+after, answered+len(got)
				for _, id := range got {
					received[id] = true
				}
				w.client.CloseIdleConnections()
				w.start(t)
			}
			for _, e := range w.events(t, tenant, 0) {
				delete(received, e.Request.String())
			}
			if len(received) > 0 {
				t.Errorf("of %d plaintexts there is no event", len(received))
			}
			w.logOf(t, "default")
			w.verifies(t, "after the kills", "default", "--store")
			t.Logf("%d kills, %d plaintexts received, %d events", *kills, answered, appended)
			w.look(t)
		})
	}
}

// readUntilKilled reads with several clients until the service is killed, some time
// after the first answer, and returns the requests that were answered with a plaintext.
func (w *world) readUntilKilled(t *testing.T, after time.Duration) (requests []string) {
	t.Helper()
	var mu sync.Mutex
	var all sync.WaitGroup
	app, first := w.token(t, "app"), make(chan struct{})
	for _, s := range []string{"l14-0", "l14-1", "l14-2", "l14-3"} {
		all.Go(func() {
			for {
				a, err := w.try(t, w.url, call{token: app, purpose: "support", path: recordPath(s, "customer", "self") + "?fields=email"})
				if strings.Contains(string(a.body), "@example.org") { // be it cut off
					mu.Lock()
					if len(requests) == 0 {
						close(first)
					}
					requests = append(requests, a.header.Get("Request-Id"))
					mu.Unlock()
				}
				if err != nil {
					return
				}
			}
		})
	}
	select {
	case <-first:
	case <-time.After(patience):
	}
	time.Sleep(after)
	w.proc.Kill()
	w.keep(w.proc)
	all.Wait()
	if len(requests) == 0 {
		t.Error("nothing was read")
	}
	return requests
}

// TestAuditRefused keeps the service from writing events: no plaintext, and all works
// again afterwards.
func TestAuditRefused(t *testing.T) {
	for _, production := range []bool{false, true} {
		t.Run(modeName(production), func(t *testing.T) {
			needMode(t, production)
			t.Parallel()
			w := newWorld(t, production, options{})
			w.put(t, "l15", fields{"email": w.canary("l15-") + "@example.org"})
			w.put(t, "l15-erased", fields{"email": w.canary("l15-") + "@example.org"})
			list := []testCase{{name: "L15_the_disk_is_full", run: fullDisk}}
			if production {
				list = []testCase{
					{name: "L15_the_disk_is_full", run: func(t *testing.T, w *world) { eventsRaise(t, w, "disk_full") }},
					{name: "L16_the_table_is_read_only", run: func(t *testing.T, w *world) { eventsRaise(t, w, "read_only_sql_transaction") }},
					{name: "L17_the_role_may_not_insert", run: roleWithoutInsert},
				}
			}
			for _, c := range list {
				t.Run(c.name, func(t *testing.T) { c.run(t, w) })
			}
			t.Run("Z01_the_world_after", func(t *testing.T) { w.look(t) })
		})
	}
}

// withoutEvents is what must hold while no event can be written.
func (w *world) withoutEvents(t *testing.T) {
	t.Helper()
	item := fields{"subject": "l15", "collection": "customer", "record": "self", "fields": []string{"email"}}
	for what, c := range map[string]call{
		"a read":      {token: w.token(t, "app"), path: recordPath("l15", "customer", "self") + "?fields=email"},
		"a batch":     {token: w.token(t, "app"), method: http.MethodPost, path: "/v1/reveal", body: fields{"items": []any{item}}},
		"a write":     {token: w.token(t, "app"), method: http.MethodPatch, path: recordPath("l15", "customer", "self"), body: fields{"fields": fields{"city": "Oslo"}}},
		"an export":   {token: w.token(t, "subject", personal("l15")), path: "/v1/subjects/l15/export"},
		"an erasure":  {token: w.token(t, "dpo"), method: http.MethodPost, path: "/v1/subjects/l15-erased/erasure", body: fields{"reason": "asked for it"}},
		"a consent":   {token: w.token(t, "dpo"), method: http.MethodPut, path: "/v1/subjects/l15/consents/marketing", body: fields{"decision": "granted"}},
		"the history": {token: w.token(t, "dpo"), path: "/v1/subjects/l15/access-history"},
	} {
		c.purpose = "support"
		a := w.do(t, c)
		a.want(t, what+" without an event", "503 unavailable")
		w.clean(t, what, a.body)
		w.noDetails(t, what, a)
	}
}

// withEvents is what must hold once they can be written again.
func (w *world) withEvents(t *testing.T, from ...string) {
	t.Helper()
	w.recovers(t, "l15")
	if got := w.see(t, w.token(t, "app"), "support", "l15", "city"); got != "absent" {
		t.Errorf("a write without an event was stored: %q", got)
	}
	w.recovers(t, "l15-erased")
	w.verifies(t, "afterwards", "default", from...)
}

func eventsRaise(t *testing.T, w *world, code string) {
	w.sql(t, `CREATE FUNCTION refusing() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN RAISE EXCEPTION 'no event' USING ERRCODE = '`+code+`'; END $f$`)
	w.sql(t, `CREATE TRIGGER refusing BEFORE INSERT ON event_intake FOR EACH ROW EXECUTE FUNCTION refusing()`)
	w.withoutEvents(t)
	w.sql(t, `DROP TRIGGER refusing ON event_intake`)
	w.sql(t, `DROP FUNCTION refusing`)
	w.withEvents(t, "--store")
}

func roleWithoutInsert(t *testing.T, w *world) {
	w.sql(t, `REVOKE INSERT ON event_intake FROM fv_node`)
	w.withoutEvents(t)
	w.sql(t, `GRANT INSERT ON event_intake TO fv_node`)
	w.withEvents(t, "--store")
	w.erase(t, "l15-erased").want(t, "erasing afterwards", "200")
}

// fullDisk runs the service with its store on a small file system of its own, which a
// file named full fills.
func fullDisk(t *testing.T, w *world) {
	if err := exec.CommandContext(t.Context(), "unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt").Run(); err != nil {
		t.Skipf("no file system can be mounted here: %v", err)
	}
	w.client.CloseIdleConnections()
	w.proc.Stop(t)
	w.keep(w.proc)
	const script = `set -e
cd "$1"; mkdir -p small; mount -t tmpfs -o size=8m none small; cp fieldvault.db small/
while kill -0 $$ 2>/dev/null; do
	if [ -e full ]; then [ -e filled ] || { dd if=/dev/zero of=small/filler bs=4k 2>/dev/null || : > filled; }
	else rm -f filled small/filler; : > empty; fi
	sleep 0.05
done &
exec "$2" serve --config "$3"`
	must(t, os.WriteFile(filepath.Join(w.dir, "small.url"), []byte("sqlite:"+filepath.Join(w.dir, "small", "fieldvault.db")), 0o600))
	p := processtest.Program("unshare").Launch(t, nil, "-rm", "sh", "-c", script, "sh", w.dir, string(processtest.Build(t)), w.otherStore(t, "small.url"))
	w.proc = p
	w.url, w.metrics = awaitServing(t, p)
	t.Cleanup(func() {
		p.Kill()
		w.keep(p)
		w.start(w.owner)
	})
	mark := func(name string) {
		t.Helper()
		for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
			if _, err := os.Stat(filepath.Join(w.dir, name)); err == nil {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("the file system is not %s", name)
			}
		}
	}
	w.recovers(t, "l15")
	must(t, os.WriteFile(filepath.Join(w.dir, "full"), nil, 0o600))
	mark("filled")
	w.withoutEvents(t)
	must(t, os.Remove(filepath.Join(w.dir, "empty")))
	must(t, os.Remove(filepath.Join(w.dir, "full")))
	mark("empty")
	w.withEvents(t, "--url", w.url, "--token-file", w.tokenFile(t, "default"))
	w.erase(t, "l15-erased").want(t, "erasing afterwards", "200")
}
