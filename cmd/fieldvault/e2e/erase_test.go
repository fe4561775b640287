//go:build e2e

package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func eraseCases() []testCase {
	return []testCase{
		{name: "E01_twice_unknown_and_held", run: twiceUnknownAndHeld},
		{name: "E02_certificates_verify_offline", run: certificatesVerifyOffline, long: true},
		{name: "E03_fifty_first_writes_make_one_person", run: fiftyFirstWrites},
		{name: "E04_another_life", run: anotherLife},
		{name: "E05_reads_racing_an_erasure", run: readsRacingAnErasure, long: true},
		{name: "E06_nothing_is_left_after_the_sweep", run: nothingIsLeft},
		{name: "E07_nothing_comes_back", run: nothingComesBack},
		{name: "E08_writes_racing_erasures", run: writesRacingErasures, long: true},
		{name: "E09_holds_racing_erasures", run: holdsRacingErasures},
		{name: "E10_long_writes_racing_erasures", run: longWritesRacingErasures, long: true},
		{name: "E11_the_21st_erasure_waits_for_a_second_person", run: secondPerson, long: true},
		{name: "E12_a_group_dies_and_the_person_lives_on", run: groupDies},
		{name: "E13_a_persons_keys_are_rotated", run: personRotated, long: true},
	}
}

func twiceUnknownAndHeld(t *testing.T, w *world) {
	w.put(t, "e01", fields{"email": "e01@example.org"})
	officer := w.token(t, "dpo")
	hold := call{token: officer, method: "PUT", path: "/v1/subjects/e01/hold", body: fields{"reason": "litigation"}}
	if a := w.do(t, hold); a.status >= 300 {
		t.Fatalf("holding: %s", a)
	}
	w.erase(t, "e01").want(t, "erasing the held", "409 held")
	if got := w.see(t, w.token(t, "app"), "support", "e01", "email"); got != "plain: e01@example.org" {
		t.Errorf("the held: %q", got)
	}
	hold.method, hold.body = "DELETE", nil
	if a := w.do(t, hold); a.status >= 300 {
		t.Fatalf("lifting: %s", a)
	}
	first := w.erase(t, "e01").want(t, "erasing", "200")
	again := w.erase(t, "e01").want(t, "erasing again", "200")
	if !bytes.Equal(first.body, again.body) {
		t.Errorf("another certificate the second time:\n%s\n%s", first.body, again.body)
	}
	w.erase(t, "e01-nobody").want(t, "erasing nobody", "404 not_found")
	for _, role := range []string{"app", "support", "billing", "operator", "analyst", "marketing"} {
		w.do(t, call{token: w.token(t, role), method: "POST", path: "/v1/subjects/c-6/erasure", body: fields{"reason": "x"}}).want(t, "erasing by "+role, "403 denied")
	}
}

func certificatesVerifyOffline(t *testing.T, w *world) {
	w.put(t, "e02-person", fields{"email": "e02@example.org"})
	receipt := w.decide(t, "e02-person", "marketing", "granted").want(t, "granting", "200")
	cert := w.erase(t, "e02-person").want(t, "erasing", "200")
	dir := t.TempDir()
	key := filepath.Join(dir, "key")
	must(t, os.WriteFile(key, []byte(w.verifier(t)), 0o600))
	for what, doc := range map[string][]byte{"certificate": cert.body, "receipt": receipt.body} {
		verify := func(variant string, code int, text []byte) {
			t.Helper()
			path := filepath.Join(dir, strings.ReplaceAll(variant, " ", "-")+".json") // which a failure names
			must(t, os.WriteFile(path, text, 0o600))
			run(t, code, nil, "certificate", "verify", path, "--key", key)
		}
		verify(what, 0, doc)
		var pretty bytes.Buffer
		must(t, json.Indent(&pretty, doc, "\t", "   "))
		verify(what+" indented", 0, pretty.Bytes())
		if bytes.Contains(doc, []byte("e02-person")) {
			t.Errorf("the %s names the person: %s", what, doc)
		}
		verify(what+" with a changed digit", 1, changeDigit(t, doc))
		verify(what+" with a member more", 1, bytes.Replace(doc, []byte("{"), []byte(`{"note":"x",`), 1))
		verify(what+" cut off", 1, doc[:len(doc)/2])
	}
}

// verifier is the service's public key.
func (w *world) verifier(t *testing.T) string {
	t.Helper()
	a := w.get(t, w.url+"/v1/audit/key").want(t, "the key", "200")
	i := bytes.Index(a.body, []byte("ed25519:"))
	if i < 0 {
		t.Fatalf("no key in %s", a.body)
	}
	text := string(a.body[i:])
	if end := strings.IndexAny(text, "\"\n "); end >= 0 {
		text = text[:end]
	}
	return text
}

// changeDigit changes one digit of the first number that is a time.
func changeDigit(t *testing.T, doc []byte) []byte {
	t.Helper()
	i := bytes.Index(doc, []byte("T"+time.Now().UTC().Format("15")))
	if i < 0 {
		i = bytes.Index(doc, []byte(`"20`))
	}
	if i < 0 {
		t.Fatalf("no time in %s", doc)
	}
	out := bytes.Clone(doc)
	out[i+1] = '0' + (out[i+1]-'0'+1)%10
	return out
}

func fiftyFirstWrites(t *testing.T, w *world) {
	app := w.token(t, "app")
	people := len(w.rows(t, `SELECT lookup FROM subject`))
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			a, err := w.try(t, w.url, call{token: app, method: "PUT", path: recordPath("e03", "customer", fmt.Sprint("r", i)), body: fields{"fields": fields{"city": fmt.Sprint("city ", i)}}})
			if err != nil || a.status != http.StatusCreated {
				t.Errorf("write %d: %s %v", i, a, err)
			}
		})
	}
	all.Wait()
	if n := len(w.rows(t, `SELECT lookup FROM subject`)) - people; n != 1 {
		t.Errorf("%d people came into being", n)
	}
	for i := range 50 {
		a := w.do(t, call{token: app, purpose: "support", path: recordPath("e03", "customer", fmt.Sprint("r", i)) + "?fields=city"})
		if got, want := a.view(t, "city"), fmt.Sprint("plain: city ", i); got != want {
			t.Errorf("record %d: %q, want %q", i, got, want)
		}
	}
}

func anotherLife(t *testing.T, w *world) {
	email := "e04@example.org"
	w.put(t, "e04", fields{"email": email})
	cipher := w.encrypt(t, "e04", "customer.email", email)
	w.decide(t, "e04", "marketing", "granted").want(t, "granting", "200")
	w.erase(t, "e04").want(t, "erasing", "200")
	w.do(t, call{token: w.token(t, "app"), method: "PUT", path: recordPath("e04", "customer", "self"), body: fields{"fields": fields{"email": email}}}).want(t, "writing after erasure", "410 gone")
	a := w.do(t, call{token: w.token(t, "dpo"), method: "POST", path: "/v1/subjects/e04/reenrolment"})
	if a.status >= 300 {
		t.Fatalf("re-enrolling: %s\n%s", a, a.body)
	}
	if got := w.see(t, w.token(t, "app"), "support", "e04", "email"); got != "404 not_found" {
		t.Errorf("the old life's record: %q", got)
	}
	w.put(t, "e04", fields{"email": email})
	if got := w.see(t, w.token(t, "marketing"), "marketing", "e04", "email"); got != "hidden: consent" {
		t.Errorf("the old life's consent: %q", got)
	}
	d := w.do(t, call{
		token: w.token(t, "app"), purpose: "support", method: "POST", path: "/v1/decrypt",
		body: fields{"items": []any{fields{"subject": "e04", "field": "customer.email", "ciphertext": cipher}}},
	})
	if strings.Contains(string(d.body), email) || !strings.Contains(string(d.body), `"gone"`) {
		t.Errorf("the old life's ciphertext: %s %s", d, d.body)
	}
}

// I1: no read that starts after the erasure was acknowledged shows a value.
func readsRacingAnErasure(t *testing.T, w *world) {
	email := w.canary("e05") + "@example.org"
	w.put(t, "e05", fields{"email": email})
	race(t, w, []string{w.url}, "e05", email, w.encrypt(t, "e05", "customer.email", email))
}

// race reads a person by all doors of all nodes, erases it by the first, and checks
// that what was asked after the answer gets no value.
func race(t *testing.T, w *world, nodes []string, subject, value, cipher string) {
	t.Helper()
	item := fields{"subject": subject, "collection": "customer", "record": "self", "fields": []string{"email"}}
	doors := []call{
		{purpose: "support", path: recordPath(subject, "customer", "self") + "?fields=email"},
		{purpose: "support", method: "POST", path: "/v1/reveal", body: fields{"items": []any{item}}},
		{purpose: "support", method: "POST", path: "/v1/decrypt", body: fields{"items": []any{fields{"subject": subject, "field": "customer.email", "ciphertext": cipher}}}},
		{purpose: "support", method: "POST", path: "/v1/search", body: fields{"collection": "customer", "field": "email", "equals": value}},
		{purpose: "self", path: "/v1/subjects/" + subject + "/export"},
	}
	tokens := []string{w.token(t, "app"), w.token(t, "app", named("second")), w.token(t, "app", named("third")), w.token(t, "app", named("fourth")), w.token(t, "subject", personal(subject))}
	shows := func(a answer, door int) bool {
		if door == 3 {
			return bytes.Contains(a.body, []byte(`"`+subject+`"`)) // its answer names who has the value
		}
		return bytes.Contains(a.body, []byte(value))
	}
	for _, node := range nodes {
		for i, c := range doors {
			c.token = tokens[i]
			if a := w.at(t, node, c); !shows(a, i) {
				t.Fatalf("before, door %d: %s\n%s", i, a, a.body)
			}
		}
	}
	var erased atomic.Bool // acknowledged
	stop := make(chan struct{})
	var all sync.WaitGroup
	for _, node := range nodes {
		for i, c := range doors {
			c.token = tokens[i]
			all.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					after := erased.Load()
					a, err := w.try(t, node, c)
					switch {
					case err != nil:
						t.Errorf("door %d: %v", i, err)
						return
					case after && shows(a, i):
						t.Errorf("door %d shows a value after the erasure: %s", i, a)
						return
					case a.status >= 500:
						t.Errorf("door %d: %s", i, a)
						return
					}
					time.Sleep(2 * time.Millisecond) // less than the rate limit
				}
			})
		}
	}
	time.Sleep(200 * time.Millisecond)
	w.erase(t, subject).want(t, "erasing", "200")
	erased.Store(true)
	time.Sleep(2 * time.Second)
	close(stop)
	all.Wait()
}

// I3: within a sweep no row of the erased is left.
func nothingIsLeft(t *testing.T, w *world) {
	p := w.newPerson(t, "default", "e06", fields{"email": "e06@example.org", "last_name": "Esix"})
	w.decide(t, "e06", "marketing", "granted").want(t, "granting", "200")
	w.do(t, call{
		token: w.token(t, "app"), method: "PUT", path: recordPath("e06", "customer", "two"), body: fields{"fields": fields{"city": "Oslo"}},
		header: map[string]string{"Idempotency-Key": "e06"},
	}).want(t, "storing", "201")
	w.tokenise(t, "default", "e06", nil)
	w.erase(t, "e06").want(t, "erasing", "200")
	if n := w.one(t, `SELECT count(*) FROM subject WHERE tenant = $1 AND uid = $2 AND keys IS NOT NULL`, p.tenant, p.uid); n != int64(0) {
		t.Errorf("%v wrapped keys right after the erasure", n)
	}
	w.restart(t)
	deadline := time.Now().Add(patience)
	for {
		left := ""
		for _, table := range []string{"record", "search_index", "consent", "consent_event", "token"} {
			if n := w.one(t, `SELECT count(*) FROM `+table+` WHERE tenant = $1 AND uid = $2`, p.tenant, p.uid); n != int64(0) {
				left += fmt.Sprintf(" %s: %v", table, n)
			}
		}
		if n := w.one(t, `SELECT count(*) FROM subject WHERE tenant = $1 AND uid = $2`, p.tenant, p.uid); n != int64(0) {
			left += " its uid"
		}
		if left == "" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("still there:%s", left)
		}
		time.Sleep(50 * time.Millisecond)
	}
	if got := w.see(t, w.token(t, "app"), "support", "e06", "email"); got != "410 gone" {
		t.Errorf("after the sweep: %q", got)
	}
}

// I2, I6: writes of every kind, and an import, bring nobody back.
func nothingComesBack(t *testing.T, w *world) {
	w.put(t, "c-700", fields{"email": "e07@example.org"})
	w.erase(t, "c-700").want(t, "erasing", "200")
	app, self := w.token(t, "app"), recordPath("c-700", "customer", "self")
	for what, c := range map[string]call{
		"put":    {token: app, method: "PUT", path: self, body: fields{"fields": fields{"city": "Oslo"}}},
		"patch":  {token: app, method: "PATCH", path: self, body: fields{"fields": fields{"city": "Oslo"}}},
		"delete": {token: app, method: "DELETE", path: self},
	} {
		w.do(t, c).want(t, what, "410 gone")
	}
	w.decide(t, "c-700", "marketing", "granted").want(t, "consent", "410 gone")
	batch := w.do(t, call{token: app, method: "POST", path: "/v1/records", body: fields{"items": []any{
		fields{"subject": "c-700", "collection": "customer", "record": "self", "fields": fields{"city": "Oslo"}},
	}}})
	if !bytes.Contains(batch.body, []byte(`"gone"`)) {
		t.Errorf("batch: %s %s", batch, batch.body)
	}
	dir := t.TempDir()
	rows := "CustomerId,FirstName,LastName,Company,Address,City,State,Country,PostalCode,Phone,Fax,Email,SupportRepId\n700,E,Seven,,,Oslo,,,,,,e07@example.org,3\n"
	must(t, os.WriteFile(filepath.Join(dir, "late.csv"), []byte(rows), 0o600))
	mapping := filepath.Join(dir, "late.import.yaml")
	must(t, os.WriteFile(mapping, sampleMapping(), 0o600))
	run(t, 1, nil, "import", filepath.Join(dir, "late.csv"), "--mapping", mapping, "--config", w.config("node"))
	if got := w.see(t, app, "support", "c-700", "city"); got != "410 gone" {
		t.Errorf("afterwards: %q", got)
	}
}

// I6: whatever writes run while a person is erased, none leaves a row behind.
func writesRacingErasures(t *testing.T, w *world) {
	app, officer := w.token(t, "app"), w.token(t, "dpo")
	const rounds, writers = 20, 4
	for round := range rounds {
		subject := fmt.Sprint("e08-", round)
		w.put(t, subject, fields{"city": "Oslo"})
		var all sync.WaitGroup
		var erased atomic.Bool
		for i := range writers {
			all.Go(func() {
				c := call{token: app, method: "PUT", path: recordPath(subject, "customer", fmt.Sprint("r", i)), body: fields{"fields": fields{"email": "e08@example.org"}}}
				for {
					after := erased.Load()
					a, err := w.try(t, w.url, c)
					switch {
					case err != nil:
						t.Errorf("writing: %v", err)
						return
					case a.String() == "410 gone":
						return
					case after || a.status >= 300 && a.String() != "503 unavailable":
						t.Errorf("a write (begun after the erasure: %v): %s", after, a)
						return
					}
				}
			})
		}
		time.Sleep(time.Duration(round) * time.Millisecond)
		a, err := w.try(t, w.url, call{token: officer, method: "POST", path: "/v1/subjects/" + subject + "/erasure", body: fields{"reason": "x"}})
		erased.Store(true)
		if err != nil || a.status != http.StatusOK {
			t.Errorf("erasing: %s %v", a, err)
		}
		all.Wait()
		if got := w.see(t, app, "support", subject, "city"); got != "410 gone" {
			t.Errorf("afterwards: %q", got)
		}
	}
	w.noOrphans(t)
}

// A long write, an erasure, and a new life at once: the old life is swept before the
// new one begins, so a row that came after the erasure would belong to nobody.
func longWritesRacingErasures(t *testing.T, w *world) {
	app, officer := w.token(t, "app"), w.token(t, "dpo")
	for round := range 8 {
		subject := fmt.Sprint("e10-", round)
		w.put(t, subject, fields{"city": "Oslo"})
		var items []any
		for i := range 300 {
			items = append(items, fields{"subject": subject, "collection": "customer", "record": fmt.Sprint("r", i), "fields": fields{"email": "e10@example.org"}})
		}
		var all sync.WaitGroup
		all.Go(func() {
			a, err := w.try(t, w.url, call{token: app, method: "POST", path: "/v1/records", body: fields{"items": items}})
			if err != nil || a.status != http.StatusOK && a.String() != "503 unavailable" {
				t.Errorf("the batch: %s %v", a, err)
			}
		})
		time.Sleep(time.Duration(10*round) * time.Millisecond)
		for _, path := range []string{"/erasure", "/reenrolment"} {
			a := w.do(t, call{token: officer, method: "POST", path: "/v1/subjects/" + subject + path})
			for range 20 { // a write that is long on a slow machine keeps the row longer than they wait
				if a.status != http.StatusServiceUnavailable {
					break
				}
				a = w.do(t, call{token: officer, method: "POST", path: "/v1/subjects/" + subject + path})
			}
			if a.status >= 300 {
				t.Errorf("%s: %s", path, a)
			}
		}
		all.Wait()
	}
	w.noOrphans(t)
}

// noOrphans waits for the sweep and looks for rows of nobody.
func (w *world) noOrphans(t *testing.T) {
	t.Helper()
	w.restart(t) // sweeps
	const orphans = `SELECT count(*) FROM %[1]s WHERE NOT EXISTS (SELECT 1 FROM subject s WHERE s.tenant = %[1]s.tenant AND s.uid = %[1]s.uid)`
	const unswept = `SELECT count(*) FROM subject WHERE state = 2 AND uid IS NOT NULL`
	for deadline := time.Now().Add(patience); w.one(t, unswept) != int64(0); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the sweep does not end")
		}
	}
	for _, table := range []string{"record", "search_index"} {
		if n := w.one(t, fmt.Sprintf(orphans, table)); n != int64(0) {
			t.Errorf("%s has %v rows of nobody", table, n)
		}
	}
}

// I17: of a hold and an erasure that race, one wins; never both.
func holdsRacingErasures(t *testing.T, w *world) {
	officer := w.token(t, "dpo")
	held := 0
	for round := range 40 {
		subject := fmt.Sprint("e09-", round)
		w.put(t, subject, fields{"city": "Oslo"})
		calls := []call{
			{token: officer, method: "PUT", path: "/v1/subjects/" + subject + "/hold", body: fields{"reason": "litigation"}},
			{token: officer, method: "POST", path: "/v1/subjects/" + subject + "/erasure", body: fields{"reason": "x"}},
		}
		var answers [2]answer
		var all sync.WaitGroup
		for i, c := range calls {
			all.Go(func() {
				var err error
				if answers[i], err = w.try(t, w.url, c); err != nil {
					t.Errorf("round %d: %v", round, err)
				}
			})
		}
		all.Wait()
		hold, erasure := answers[0], answers[1]
		switch got := hold.String() + ", " + erasure.String(); {
		case hold.status < 300 && erasure.String() == "409 held":
			held++
		case hold.String() == "410 gone" && erasure.status == http.StatusOK:
		default:
			t.Errorf("round %d: %s", round, got)
		}
	}
	t.Logf("the hold won %d times of 40", held)
}

// I17, over HTTP: what one person may not erase alone waits for another.
func secondPerson(t *testing.T, w *world) {
	at := w.with(t, "--erasure-per-hour", "20")
	first, second := w.token(t, "dpo", named("e11-first")), w.token(t, "dpo", named("e11-second"))
	erasing := func(token, subject string) answer {
		t.Helper()
		return w.at(t, at, call{token: token, method: "POST", path: "/v1/subjects/" + subject + "/erasure", body: fields{"reason": "asked for it"}})
	}
	for i := range 22 {
		w.put(t, fmt.Sprint("e11-", i), fields{"city": "Ulm"})
	}
	for i := range 20 {
		erasing(first, fmt.Sprint("e11-", i)).want(t, "erasing", "200")
	}
	a := erasing(first, "e11-20")
	var waits struct{ ID, State string }
	if err := json.Unmarshal(a.body, &waits); err != nil || a.status != http.StatusAccepted || waits.State != "pending" {
		t.Fatalf("the 21st: %s", a)
	}
	if got := w.see(t, w.token(t, "app"), "support", "e11-20", "city"); got != "plain: Ulm" {
		t.Errorf("while it waits: %q", got)
	}
	approve := call{token: first, method: "POST", path: "/v1/approvals/" + waits.ID, body: fields{"decision": "approved"}}
	w.at(t, at, approve).want(t, "approving one's own", "409 conflict")
	approve.token = w.token(t, "support")
	w.at(t, at, approve).want(t, "approving as support", "403 denied")
	approve.token = w.token(t, "dpo", named("e11-second"), of("other"))
	if a := w.at(t, at, approve); a.status < 400 {
		t.Errorf("approving in another tenant: %s", a)
	}
	approve.token = second
	w.at(t, at, approve).want(t, "approving", "200")
	erasing(first, "e11-21").want(t, "another person, under that approval", "202")
	erasing(first, "e11-20").want(t, "the 21st, approved", "200")
	if got := w.see(t, w.token(t, "app"), "support", "e11-20", "city"); got != "410 gone" {
		t.Errorf("after it: %q", got)
	}
}

// The tenant lab has a key group of its own.
func groupDies(t *testing.T, w *world) {
	app, officer := w.token(t, "app", of("lab")), w.token(t, "dpo", of("lab"))
	put := call{token: app, method: "PUT", path: recordPath("e12", "customer", "self"), body: fields{"fields": fields{"city": "Ulm", "note": w.canary("e12")}}}
	w.do(t, put).want(t, "storing", "201")
	erasing := call{token: officer, method: "POST", path: "/v1/subjects/e12/erasure", body: fields{"groups": []string{}}}
	w.do(t, erasing).want(t, "erasing no groups", "400 invalid")
	erasing.body = fields{"groups": []string{"care"}}
	first, again := w.do(t, erasing).want(t, "erasing a group", "200"), w.do(t, erasing).want(t, "again", "200")
	if !bytes.Equal(first.body, again.body) || !strings.Contains(string(first.body), `"scope":"groups"`) {
		t.Errorf("the certificates:\n%s\n%s", first.body, again.body)
	}
	read := call{token: app, purpose: "support", path: recordPath("e12", "customer", "self") + "?fields=city,note"}
	a := w.do(t, read).want(t, "reading what lives on", "200")
	if body := string(a.body); !strings.Contains(body, "Ulm") || strings.Contains(body, "note") {
		t.Errorf("after it: %s", body)
	}
}
