//go:build e2e

package e2e_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/accessctl/jwtauth"
	"github.com/fieldvault/fieldvault/vault/notify"
	"github.com/fieldvault/fieldvault/vault/storetest"
)

// within is how soon an alarm is raised; the retries of its webhook come on top.
const within = patience

// An alarm is what a webhook tells.
type alarm struct {
	V                                        int
	Kind, Tenant, Actor, Purpose, UID, Event string
	Count                                    int
	Row                                      int64
	Why                                      string
}

// A receiver takes webhooks, as somebody's program does.
type receiver struct {
	server *httptest.Server
	secret []byte

	mu     sync.Mutex
	fails  int           // so many attempts are answered with 503
	hang   chan struct{} // not nil: attempts wait for its end
	tries  int
	seen   map[string]bool // ids
	alarms []alarm
	bodies bytes.Buffer
	faults []string
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{secret: bytes.Repeat([]byte{7}, notify.MinSecret), seen: map[string]bool{}}
	r.server = httptest.NewServer(r)
	t.Cleanup(func() {
		r.free()
		r.server.Close()
	})
	return r
}

// ServeHTTP checks the signature before it believes a word.
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	r.mu.Lock()
	hang := r.hang
	r.mu.Unlock()
	if hang != nil {
		select {
		case <-hang:
		case <-req.Context().Done():
			return
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tries++
	r.bodies.Write(body)
	if err := notify.Check(r.secret, req.Header, body, time.Now()); err != nil {
		r.faults = append(r.faults, err.Error())
		w.WriteHeader(http.StatusForbidden)
		return
	}
	if r.fails > 0 {
		r.fails--
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	var a alarm
	if err := json.Unmarshal(body, &a); err != nil || a.V != 1 {
		r.faults = append(r.faults, "a body is no alarm")
	}
	if id := req.Header.Get(notify.HeaderID); !r.seen[id] {
		r.seen[id] = true
		r.alarms = append(r.alarms, a)
	}
}

// stop lets attempts hang until free.
func (r *receiver) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hang = make(chan struct{})
}

func (r *receiver) free() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.hang != nil {
		close(r.hang)
		r.hang = nil
	}
}

// find returns the first alarm of a kind by which the function is true.
func (r *receiver) find(kind string, is func(alarm) bool) (alarm, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.alarms {
		if a.Kind == kind && is(a) {
			return a, true
		}
	}
	return alarm{}, false
}

// await waits for an alarm, and says how long that took.
func (r *receiver) await(t *testing.T, kind string, is func(alarm) bool) alarm {
	t.Helper()
	began := time.Now()
	for time.Since(began) < within {
		if a, ok := r.find(kind, is); ok {
			t.Logf("an alarm of kind %s after %v", kind, time.Since(began).Round(time.Millisecond))
			return a
		}
		time.Sleep(20 * time.Millisecond)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	t.Fatalf("no alarm of kind %s within %v; there are %+v, faults %v", kind, within, r.alarms, r.faults)
	return alarm{}
}

// never fails the test if there is such an alarm after a while.
func (r *receiver) never(t *testing.T, kind string, is func(alarm) bool) {
	t.Helper()
	time.Sleep(time.Second)
	if a, ok := r.find(kind, is); ok {
		t.Errorf("there is an alarm: %+v", a)
	}
}

// by is true for alarms about who holds a token that was made for the name.
func by(name string) func(alarm) bool {
	return func(a alarm) bool { return strings.HasSuffix(a.Actor, name) }
}

// TestAlarms has a real receiver of webhooks, whose first answers are errors.
func TestAlarms(t *testing.T) {
	for _, mode := range []struct {
		name       string
		production bool
	}{{"embedded", false}, {"production", true}} {
		t.Run(mode.name, func(t *testing.T) {
			if mode.production {
				needProduction(t)
			} else {
				storetest.NeedTime(t)
			}
			t.Parallel()
			r := newReceiver(t)
			r.fails = 2
			file := filepath.Join(t.TempDir(), "secret")
			must(t, os.WriteFile(file, []byte("whsec_"+base64.StdEncoding.EncodeToString(r.secret)+"\n"), 0o600))
			w := newWorld(t, mode.production, options{alarms: map[string]any{
				"people_per_hour": 5, "failed_per_hour": 3, "denied_per_hour": 5,
				"webhook_url": r.server.URL + "/alarms", "webhook_secret_file": file,
			}})
			for _, c := range []struct {
				name string
				run  func(*testing.T, *world, *receiver)
			}{
				{"G01_bait_is_read", baitIsRead},
				{"G02_more_people_than_usual", morePeople},
				{"G03_a_burst_of_values_that_do_not_open", burstOfFailures},
				{"G04_a_burst_of_requests_that_are_denied", burstOfDenials},
				{"G05_a_row_made_up_in_the_intake", forgedIntake},
				{"G06_beyond_the_limit_is_refused", limitRefuses},
				{"G07_beyond_the_limit_a_second_person", limitAsks},
				{"G08_a_webhook_that_hangs_delays_nobody", hangingWebhook},
			} {
				t.Run(c.name, func(t *testing.T) { c.run(t, w, r) })
			}
			t.Run("Z01_the_world_after", func(t *testing.T) {
				w.look(t)
				r.mu.Lock()
				defer r.mu.Unlock()
				w.clean(t, "what the receiver got", r.bodies.Bytes())
				if len(r.faults) > 0 || r.tries < len(r.alarms)+2 {
					t.Errorf("%d attempts for %d alarms; faults: %v", r.tries, len(r.alarms), r.faults)
				}
			})
		})
	}
}

// Whoever is shown something of bait, plain or masked, or finds them, raises an alarm;
// who was refused, or reads somebody real, does not.
func baitIsRead(t *testing.T, w *world, r *receiver) {
	email := w.canary("l01") + "@example.org"
	bait, other := w.newPerson(t, "default", "l01", fields{"email": email}), w.newPerson(t, "default", "l01-real", fields{"email": "x" + email})
	honey := call{token: w.token(t, "operator"), method: "PUT", path: "/v1/subjects/l01/honey"}
	before := w.do(t, call{token: w.token(t, "dpo"), path: "/v1/subjects/l01/export"}).body
	w.do(t, honey).want(t, "laying bait", "204")
	after := w.do(t, call{token: w.token(t, "dpo"), path: "/v1/subjects/l01/export"})
	if !bytes.Equal(before, after.body) {
		t.Errorf("a manifest tells who is bait:\n%s\n%s", before, after.body)
	}
	for i, c := range []struct{ name, role, purpose string }{{"l01-plain", "app", "support"}, {"l01-masked", "support", "support"}} {
		w.see(t, w.token(t, c.role, named(c.name)), c.purpose, "l01-real", "email")
		w.see(t, w.token(t, c.role, named(c.name)), c.purpose, "l01", "email")
		a := r.await(t, "honey", by(c.name))
		if a.UID != uidText(t, bait) || a.Count != 1 || a.Purpose != c.purpose || a.Tenant != "default" {
			t.Errorf("%d: %+v", i, a)
		}
	}
	w.do(t, call{
		token: w.token(t, "app", named("l01-search")), purpose: "support", method: "POST", path: "/v1/search",
		body: fields{"collection": "customer", "field": "email", "equals": email},
	}).want(t, "searching", "200")
	r.await(t, "honey", by("l01-search"))
	w.see(t, w.token(t, "marketing", named("l01-refused")), "marketing", "l01", "email")
	r.never(t, "honey", func(a alarm) bool { return by("l01-refused")(a) || a.UID == uidText(t, other) })

	run(t, 0, nil, "audit", "honey", "l01", "--off", "--config", w.config("node"))
	w.see(t, w.token(t, "app", named("l01-off")), "support", "l01", "email")
	r.never(t, "honey", by("l01-off"))
	run(t, 0, nil, "audit", "honey", "l01", "--config", w.config("node"))
	w.see(t, w.token(t, "app", named("l01-on")), "support", "l01", "email")
	r.await(t, "honey", by("l01-on"))
	if w.metric(t, `fieldvault_alarms_total{kind="honey"}`) < 4 {
		t.Error("the metric counts fewer alarms than were raised")
	}
	for _, e := range w.events(t, bait.tenant, 0) {
		if e.Action == "honey" && string(e.Outcome) != "allowed" {
			t.Errorf("%+v", e)
		}
	}
}

// uidText is a person's uid as alarms write it.
func uidText(t *testing.T, p row) string {
	t.Helper()
	switch u := p.uid.(type) {
	case []byte:
		if len(u) == 16 {
			return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
		}
		return string(u)
	case string:
		return u
	case [16]byte:
		return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
	}
	t.Fatalf("a uid of another type: %T", p.uid)
	return ""
}

// readMany reads one field of people who are stored first.
func readMany(t *testing.T, w *world, token, prefix string, n int) {
	t.Helper()
	for i := range n {
		name := fmt.Sprint(prefix, "-", i)
		w.put(t, name, fields{"city": "Oslo"})
		if got := w.see(t, token, "support", name, "city"); got != "plain: Oslo" {
			t.Fatalf("person %d: %q", i, got)
		}
	}
}

func morePeople(t *testing.T, w *world, r *receiver) {
	readMany(t, w, w.token(t, "app", named("l02-five")), "l02-a", 5)
	readMany(t, w, w.token(t, "app", named("l02-six")), "l02-b", 6)
	if a := r.await(t, "volume", by("l02-six")); a.Count != 6 {
		t.Errorf("%+v", a)
	}
	r.never(t, "volume", by("l02-five"))
}

func burstOfFailures(t *testing.T, w *world, r *receiver) {
	p := w.newPerson(t, "other", "l03", fields{"email": "l03@example.org"})
	w.sql(t, `UPDATE record SET sealed = $1 WHERE tenant = $2 AND uid = $3`, []byte("cut off"), p.tenant, p.uid)
	token := w.tokenBy(t, w.away, "app", of("other"), named("l03-reader"))
	for range 4 {
		w.reveal(t, token, "support", "l03", "email").want(t, "a value that was changed", "500 integrity")
	}
	r.await(t, "failed", by("l03-reader"))
	r.await(t, "failed", func(a alarm) bool { return a.Actor == "" && a.Tenant == "other" && a.Count == 4 })
}

func burstOfDenials(t *testing.T, w *world, r *receiver) {
	token := w.token(t, "support", named("l04-prober"))
	for i := range 6 {
		w.do(t, call{token: token, method: "POST", path: fmt.Sprintf("/v1/subjects/l04-%d/erasure", i), body: fields{}}).want(t, "erasing", "403 denied")
	}
	if a := r.await(t, "denied", by("l04-prober")); a.Count != 6 {
		t.Errorf("%+v", a)
	}
}

func forgedIntake(t *testing.T, w *world, r *receiver) {
	id := w.tenantID(t, "lab")
	leaf := w.blob(t, `SELECT leaf FROM event_intake WHERE tenant = $1 ORDER BY id LIMIT 1`, id)
	w.sql(t, `INSERT INTO event_intake (tenant, leaf, mac) VALUES ($1, $2, $3)`, id, leaf, bytes.Repeat([]byte{1}, 32))
	a := r.await(t, "tampering", func(a alarm) bool { return a.Tenant == "lab" })
	if a.Row == 0 || a.Why == "" || a.Actor != "" || a.Event != "" {
		t.Errorf("%+v", a)
	}
	if w.metric(t, `fieldvault_alarms_total{kind="tampering"}`) != 1 {
		t.Error("the metric does not count it")
	}
}

// limited runs the service with a limit of three people, who are stored with others.
func limited(t *testing.T, w *world, prefix, action string) (at string, read func(token string, i int) answer) {
	t.Helper()
	for i := range 5 {
		w.put(t, fmt.Sprint(prefix, "-", i), fields{"city": "Oslo"})
	}
	at = w.with(t, "--alarms-limit-people-per-hour", "3", "--alarms-limit-action", action)
	return at, func(token string, i int) answer {
		t.Helper()
		return w.at(t, at, call{token: token, purpose: "support", path: recordPath(fmt.Sprint(prefix, "-", i), "customer", "self") + "?fields=city"})
	}
}

func limitRefuses(t *testing.T, w *world, _ *receiver) {
	at, read := limited(t, w, "l06", "refuse")
	app := w.token(t, "app")
	for _, i := range []int{0, 1, 2, 0, 1, 2} {
		read(app, i).want(t, "within the limit", "200")
	}
	before := w.count(t, w.tenantID(t, "default"))
	a := read(app, 3).want(t, "the fourth person", "429 rate_limited")
	if wait, err := strconv.Atoi(a.header.Get("Retry-After")); err != nil || wait < 3000 || wait > 3600 {
		t.Errorf("Retry-After is %q", a.header.Get("Retry-After"))
	}
	list := w.events(t, w.tenantID(t, "default"), before)
	if len(list) != 1 || list[0].Code != "limit" || string(list[0].Outcome) != "denied" {
		t.Errorf("the events: %+v", list)
	}
	items := fields{"items": []any{
		fields{"subject": "l06-0", "collection": "customer", "record": "self", "fields": []string{"city"}},
		fields{"subject": "l06-4", "collection": "customer", "record": "self", "fields": []string{"city"}},
	}}
	a = w.at(t, at, call{token: app, purpose: "support", method: "POST", path: "/v1/reveal", body: items}).want(t, "a batch that goes beyond", "429 rate_limited")
	if bytes.Contains(a.body, []byte("Oslo")) {
		t.Errorf("the refusal shows something: %s", a.body)
	}
	read(app, 2).want(t, "who counts already, afterwards", "200")
	read(w.token(t, "app", named("l06-other")), 3).want(t, "another caller", "200")
	for i := range 5 {
		name := fmt.Sprint("l06-", i)
		w.at(t, at, call{token: w.token(t, "subject", named("l06-portal"), personal(name)), path: "/v1/subjects/" + name + "/export"}).want(t, "one's own data", "200")
	}
}

func limitAsks(t *testing.T, w *world, _ *receiver) {
	at, read := limited(t, w, "l07", "approve")
	app := w.token(t, "app")
	for i := range 3 {
		read(app, i).want(t, "within the limit", "200")
	}
	var waits struct{ ID, Kind, State string }
	a := read(app, 3).want(t, "the fourth person", "202")
	a.decode(t, &waits)
	if waits.ID == "" || waits.Kind != "reading" || waits.State != "pending" || bytes.Contains(a.body, []byte("Oslo")) {
		t.Fatalf("%s", a.body)
	}
	approve := func(who ...func(*jwtauth.Claims)) answer {
		return w.at(t, at, call{token: w.token(t, "dpo", who...), method: "POST", path: "/v1/approvals/" + waits.ID, body: fields{"decision": "approved"}})
	}
	own := func(c *jwtauth.Claims) { c.Subject, c.Roles = "l07-both", []string{"app", "dpo"} }
	for i := range 3 {
		read(w.token(t, "app", own), i).want(t, "one with both roles", "200")
	}
	var mine struct{ ID string }
	read(w.token(t, "app", own), 3).want(t, "one with both roles, beyond", "202").decode(t, &mine)
	w.at(t, at, call{token: w.token(t, "dpo", own), method: "POST", path: "/v1/approvals/" + mine.ID, body: fields{"decision": "approved"}}).want(t, "approving one's own", "409 conflict")
	approve(named("l07-second")).want(t, "a second person", "200")
	for i := range 5 {
		read(app, i).want(t, "once approved", "200")
	}
	read(w.token(t, "app", own), 4).want(t, "another caller", "202")
}

// No request and no erasure waits for a receiver.
func hangingWebhook(t *testing.T, w *world, r *receiver) {
	r.stop()
	defer r.free()
	w.put(t, "l08", fields{"city": "Oslo"})
	w.do(t, call{token: w.token(t, "operator"), method: "PUT", path: "/v1/subjects/l08/honey"}).want(t, "laying bait", "204")
	longest := time.Duration(0)
	timed := func(f func()) {
		began := time.Now()
		f()
		longest = max(longest, time.Since(began))
	}
	app := w.token(t, "app", named("l08-reader"))
	for i := range 100 {
		timed(func() {
			if got := w.see(t, app, "support", "l08", "city"); got != "plain: Oslo" {
				t.Errorf("read %d: %q", i, got)
			}
		})
	}
	timed(func() { w.erase(t, "l08").want(t, "erasing", "200") })
	t.Logf("the longest of 101 requests took %v", longest)
	if longest > budget {
		t.Errorf("a request took %v", longest)
	}
	for deadline := time.Now().Add(patience); w.metric(t, "fieldvault_webhooks_waiting") == 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nothing waits for the receiver")
		}
	}
	r.free()
	r.await(t, "honey", by("l08-reader"))
}
