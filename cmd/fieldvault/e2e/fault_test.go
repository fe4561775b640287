//go:build e2e

package e2e_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// budget bounds every answer while a part does not answer, generously.
const budget = 30 * time.Second

// TestFaults breaks PostgreSQL and Vault under a running service: no plaintext, an
// error of the closed set, and erasures and withdrawals that wait for no Vault.
func TestFaults(t *testing.T) {
	needProduction(t)
	t.Parallel()
	w := newWorld(t, true, options{vaultDir: true})
	for _, c := range []testCase{
		{name: "F01_vault_stands_still", run: vaultStandsStill},
		{name: "F02_a_first_write_holds_no_lock", run: firstWriteHoldsNoLock},
		{name: "F03_vault_is_sealed", run: vaultSealed},
		{name: "F04_vault_is_killed_and_comes_back", run: vaultKilled},
		{name: "F05_postgres_is_stopped", run: postgresStopped},
		{name: "F06_postgres_stands_still", run: postgresStandsStill},
		{name: "F07_postgres_is_read_only", run: postgresReadOnly},
		{name: "F08_no_event_no_plaintext", run: noEventNoPlaintext},
		{name: "F09_the_service_is_killed", run: serviceKilled},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, w) })
	}
	t.Run("Z01_the_world_after", func(t *testing.T) {
		w.restart(t)
		for _, f := range w.fsck(t) {
			t.Errorf("fsck: %s", f)
		}
		w.look(t)
	})
}

// coldPeople makes four people whose keys are cold but for the first's.
func (w *world) coldPeople(t *testing.T, name string) (warm, cold, erased, withdrawn string) {
	t.Helper()
	list := make([]string, 4)
	for i := range list {
		list[i] = fmt.Sprint(name, "-", i)
		w.put(t, list[i], fields{"email": w.canary(name) + "@example.org"})
	}
	w.decide(t, list[3], "marketing", "granted").want(t, "granting", "200")
	w.restart(t)
	w.hears(t)
	if got := w.see(t, w.token(t, "app"), "support", list[0], "email"); !strings.HasPrefix(got, "plain") {
		t.Fatalf("warming: %.20q", got)
	}
	return list[0], list[1], list[2], list[3]
}

// hears waits until the service listens to the database: it forgets the keys then
// that it has opened before. Embedded, there is nobody to listen to.
func (w *world) hears(t *testing.T) {
	t.Helper()
	if !w.production {
		return
	}
	for deadline := time.Now().Add(patience); !bytes.Contains(w.proc.Output(), []byte("listening for notifications")); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the service does not listen to the database")
		}
	}
}

// withoutVault is what must hold while Vault does not answer.
func (w *world) withoutVault(t *testing.T, warm, cold, erased, withdrawn string) {
	t.Helper()
	timed := func(what string, want string, f func() answer) {
		t.Helper()
		began := time.Now()
		a := f()
		a.want(t, what, want)
		w.cleanUnlessPlain(t, what, a, want)
		if d := time.Since(began); d > budget {
			t.Errorf("%s took %v", what, d)
		}
	}
	app := w.token(t, "app")
	timed("a cold read", "503 unavailable", func() answer { return w.reveal(t, app, "support", cold, "email") })
	timed("a warm read", "200", func() answer { return w.reveal(t, app, "support", warm, "email") })
	timed("warm and cold in a batch", "503 unavailable", func() answer {
		var items []any
		for _, s := range []string{warm, cold} {
			items = append(items, fields{"subject": s, "collection": "customer", "record": "self", "fields": []string{"email"}})
		}
		return w.do(t, call{token: app, purpose: "support", method: "POST", path: "/v1/reveal", body: fields{"items": items}})
	})
	timed("a first write", "503 unavailable", func() answer {
		return w.do(t, call{token: app, method: "PUT", path: recordPath(cold+"-new", "customer", "self"), body: fields{"fields": fields{"city": "Oslo"}}})
	})
	timed("an erasure", "200", func() answer { return w.erase(t, erased) })
	timed("a withdrawal", "200", func() answer { return w.decide(t, withdrawn, "marketing", "withdrawn") })
	timed("the erased, read", "410 gone", func() answer { return w.reveal(t, app, "support", erased, "email") })
	if got := w.see(t, w.token(t, "marketing"), "marketing", withdrawn, "email"); got != "hidden: consent" {
		t.Errorf("the withdrawn, read: %q", got)
	}
	if a := w.get(t, w.url+"/healthz"); a.status != http.StatusOK {
		t.Errorf("healthz: %s", a)
	}
	if a := w.get(t, w.url+"/readyz"); a.status != http.StatusServiceUnavailable {
		t.Errorf("readyz: %s", a)
	} else {
		w.noDetails(t, "readyz", a)
	}
}

func (w *world) cleanUnlessPlain(t *testing.T, what string, a answer, want string) {
	t.Helper()
	if want != "200" {
		w.clean(t, what, a.body)
		w.noDetails(t, what, a)
	}
}

// noDetails fails for text of a dependency.
func (w *world) noDetails(t *testing.T, what string, a answer) {
	t.Helper()
	for _, word := range []string{"SQLSTATE", "pgx", "dial", "tcp", "127.0.0.1", "connection refused", "transit", "hvs.", "fv_node", "sealed)", "pq:", ".go:", "goroutine", "context deadline", "event_intake", "permission denied"} {
		if strings.Contains(string(a.body), word) {
			t.Errorf("%s says %q: %s", what, word, a.body)
		}
	}
}

// recovers waits until a person can be read again.
func (w *world) recovers(t *testing.T, subject string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	got := ""
	for time.Now().Before(deadline) {
		if got = w.see(t, w.token(t, "app"), "support", subject, "email"); strings.HasPrefix(got, "plain") {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("it does not recover: %q", got)
}

func vaultStandsStill(t *testing.T, w *world) {
	warm, cold, erased, withdrawn := w.coldPeople(t, "f01")
	w.vault.Stop()
	defer w.vault.Continue()
	w.withoutVault(t, warm, cold, erased, withdrawn)
	w.vault.Continue()
	w.recovers(t, cold)
}

// A write that waits for Vault, of a person who is there and of a group that is
// new, does not keep the person's erasure waiting.
func firstWriteHoldsNoLock(t *testing.T, w *world) {
	w.putIn(t, "lab", "f02", fields{"email": "f02@example.org"})
	app, officer := w.in(t, "lab", "app"), w.in(t, "lab", "dpo")
	w.vault.Stop()
	defer w.vault.Continue()
	before := w.kekRequests(t)
	var write answer
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		write, err = w.try(t, w.url, call{token: app, method: "PATCH", path: recordPath("f02", "customer", "self"), body: fields{"fields": fields{"note": "of another group"}}})
	}()
	deadline := time.Now().Add(patience)
	for w.kekRequests(t) == before && time.Now().Before(deadline) {
		select {
		case <-done:
			t.Fatalf("the write did not wait for Vault: %s %v", write, err)
		case <-time.After(10 * time.Millisecond):
		}
	}
	erased := w.do(t, call{token: officer, method: "POST", path: "/v1/subjects/f02/erasure", body: fields{"reason": "x"}})
	erased.want(t, "erasing meanwhile", "200")
	select {
	case <-done:
		t.Log("the write had ended before the erasure did")
	default:
	}
	w.vault.Continue()
	<-done
	if err != nil || write.String() != "410 gone" && write.String() != "503 unavailable" {
		t.Errorf("the write ended with %s %v", write, err)
	}
	a := w.do(t, call{token: app, purpose: "support", path: recordPath("f02", "customer", "self") + "?fields=email,note"})
	a.want(t, "afterwards", "410 gone")
}

func vaultSealed(t *testing.T, w *world) {
	warm, cold, erased, withdrawn := w.coldPeople(t, "f03")
	w.vault.Seal()
	defer func() {
		w.vault.Unseal()
		w.recovers(t, cold)
	}()
	w.withoutVault(t, warm, cold, erased, withdrawn)
}

func vaultKilled(t *testing.T, w *world) {
	warm, cold, erased, withdrawn := w.coldPeople(t, "f04")
	w.vault.Kill()
	w.withoutVault(t, warm, cold, erased, withdrawn)
	w.vault = w.vaultAgain(t)
	w.recovers(t, cold)
}

func postgresStopped(t *testing.T, w *world) {
	w.put(t, "f05", fields{"email": w.canary("f05") + "@example.org"})
	w.recovers(t, "f05")
	cipher := w.encrypt(t, "f05", "customer.email", "f05@example.org")
	w.cluster.Stop(t)
	w.withoutPostgres(t, "f05", cipher)
	w.cluster.Start(t)
	w.recovers(t, "f05")
	if got := w.see(t, w.token(t, "app"), "support", "f05", "email"); !strings.HasPrefix(got, "plain") {
		t.Errorf("afterwards: %.20q", got)
	}
}

func postgresStandsStill(t *testing.T, w *world) {
	w.put(t, "f06", fields{"email": w.canary("f06") + "@example.org"})
	cipher := w.encrypt(t, "f06", "customer.email", "f06@example.org")
	w.cluster.Pause(t)
	func() {
		defer w.cluster.Resume(t)
		w.withoutPostgres(t, "f06", cipher)
	}()
	w.recovers(t, "f06")
}

// withoutPostgres calls every route with every role: none answers with data.
func (w *world) withoutPostgres(t *testing.T, subject, cipher string) {
	t.Helper()
	var all sync.WaitGroup
	gate := make(chan struct{}, 8)
	for _, o := range w.operations(t) {
		name := o.method + " " + o.path
		if strings.HasPrefix(o.path, "/docs") || o.path == "/openapi.json" || o.path == "/healthz" {
			continue
		}
		for _, role := range []string{"app", "dpo"} {
			all.Go(func() {
				gate <- struct{}{}
				defer func() { <-gate }()
				c := call{token: w.token(t, role), purpose: "support", method: o.method, path: o.fill(subject), body: o.bodies(subject, cipher, "x@example.org")[0]}
				if o.method == http.MethodGet && strings.Contains(o.path, "{record}") {
					c.path += "?fields=email"
				}
				began := time.Now()
				a, err := w.try(t, w.url, c)
				if err != nil {
					t.Errorf("%s by %s: %v", name, role, err)
					return
				}
				w.clean(t, name, a.body)
				w.noDetails(t, name, a)
				switch {
				case a.status == http.StatusOK && (o.path == "/v1/catalog" && o.method == "GET" || o.path == "/v1/audit/key" || o.path == "/v1/policy/explain"):
				case o.path == "/readyz" && a.status == http.StatusServiceUnavailable:
				case a.status < 400:
					t.Errorf("%s by %s without PostgreSQL: %s", name, role, a)
				case a.status >= 500 && a.String() != "503 unavailable":
					t.Errorf("%s by %s without PostgreSQL: %s %s", name, role, a, a.body)
				}
				if d := time.Since(began); d > budget {
					t.Errorf("%s by %s took %v", name, role, d)
				}
			})
		}
	}
	all.Wait()
	w.reveal(t, w.token(t, "app"), "support", subject, "email").want(t, "reading", "503 unavailable")
	w.erase(t, subject).want(t, "erasing", "503 unavailable")
}

func postgresReadOnly(t *testing.T, w *world) {
	w.put(t, "f07", fields{"email": w.canary("f07") + "@example.org"})
	w.recovers(t, "f07")
	w.sql(t, `ALTER ROLE fv_node SET default_transaction_read_only = on`)
	w.dropConnections(t)
	a := w.reveal(t, w.token(t, "app"), "support", "f07", "email")
	w.clean(t, "a read without a log", a.body)
	if a.status < 500 || a.code() == "" {
		t.Errorf("a read without a log: %s", a)
	}
	a.want(t, "a read without a log", "503 unavailable")
	w.noDetails(t, "a read without a log", a)
	// That is a default, which a transaction may set aside: an erasure does.
	w.sql(t, `REVOKE INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public FROM fv_node`)
	w.erase(t, "f07").want(t, "an erasure without a log", "503 unavailable")
	w.sql(t, `ALTER ROLE fv_node RESET default_transaction_read_only`)
	run(t, 0, nil, "migrate", "--config", w.config("keeper"), "--grant", w.role)
	w.dropConnections(t)
	w.recovers(t, "f07")
}

// dropConnections ends the service's sessions, so that new settings of its role count.
func (w *world) dropConnections(t *testing.T) {
	t.Helper()
	time.Sleep(time.Second) // a session that was beginning has begun
	w.rows(t, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'fv_node'`)
	deadline := time.Now().Add(patience)
	for len(w.rows(t, `SELECT pid FROM pg_stat_activity WHERE usename = 'fv_node' AND backend_start < now() - interval '1 second'`)) > 0 {
		if time.Now().After(deadline) {
			t.Fatal("sessions do not end")
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// I10: no audit, no plaintext.
func noEventNoPlaintext(t *testing.T, w *world) {
	w.put(t, "f08", fields{"email": w.canary("f08") + "@example.org"})
	w.recovers(t, "f08")
	w.sql(t, `REVOKE INSERT ON event_intake FROM fv_node`)
	app := w.token(t, "app")
	item := fields{"subject": "f08", "collection": "customer", "record": "self", "fields": []string{"email"}}
	for what, c := range map[string]call{
		"read":   {token: app, path: recordPath("f08", "customer", "self") + "?fields=email"},
		"batch":  {token: app, method: "POST", path: "/v1/reveal", body: fields{"items": []any{item}}},
		"search": {token: app, method: "POST", path: "/v1/search", body: fields{"collection": "customer", "field": "email", "equals": "f08@example.org"}},
		"list":   {token: app, path: "/v1/subjects/f08/records"},
		"write":  {token: app, method: "PATCH", path: recordPath("f08", "customer", "self"), body: fields{"fields": fields{"city": "Oslo"}}},
		"export": {token: w.token(t, "subject", personal("f08")), path: "/v1/subjects/f08/export"},
		"erase":  {token: w.token(t, "dpo"), method: "POST", path: "/v1/subjects/f08/erasure", body: fields{"reason": "x"}},
	} {
		c.purpose = "support"
		a := w.do(t, c)
		w.clean(t, what, a.body)
		w.noDetails(t, what, a)
		a.want(t, what+" without a log", "503 unavailable")
	}
	w.sql(t, `GRANT INSERT ON event_intake TO fv_node`)
	w.recovers(t, "f08")
	if got := w.see(t, app, "support", "f08", "city"); got != "absent" {
		t.Errorf("the write without a log was stored: %q", got)
	}
}

// I5: what was acknowledged is there after kill -9, and nothing is half there.
func serviceKilled(t *testing.T, w *world) {
	app := w.token(t, "app")
	acknowledged := make([]int, 4)
	var all sync.WaitGroup
	for worker := range acknowledged {
		all.Go(func() {
			for i := 1; ; i++ {
				a, err := w.try(t, w.url, call{token: app, method: "PUT", path: recordPath(fmt.Sprint("f09-", worker), "customer", "self"), body: fields{"fields": fields{"city": fmt.Sprint("city ", i)}}})
				if err != nil || a.status >= 300 {
					return
				}
				acknowledged[worker] = i
			}
		})
	}
	time.Sleep(500 * time.Millisecond)
	w.proc.Kill()
	w.keep(w.proc)
	all.Wait()
	w.client.CloseIdleConnections()
	w.start(t)
	for worker, n := range acknowledged {
		if n == 0 {
			t.Errorf("worker %d wrote nothing", worker)
			continue
		}
		got := w.see(t, app, "support", fmt.Sprint("f09-", worker), "city")
		// The write under way when the process died may have been stored, too.
		if got != fmt.Sprint("plain: city ", n) && got != fmt.Sprint("plain: city ", n+1) {
			t.Errorf("worker %d: %q, acknowledged was %d", worker, got, n)
		}
	}
}
