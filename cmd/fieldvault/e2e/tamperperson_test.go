//go:build e2e

package e2e_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fieldvault/fieldvault/vault/ledger"
)

func personTampering() []testCase {
	return []testCase{
		{name: "S20_set_back_from_erased", run: setBackFromErased},
		{name: "S21_consents_made_by_SQL", run: madeConsents},
		{name: "S22_a_withdrawn_consent_put_back", run: consentPutBack},
		{name: "S23_restriction_and_hold_by_SQL", run: flags},
		{name: "S24_people_exchanged", run: exchangedPeople},
		{name: "S25_the_log_cut_or_changed", run: changedLog},
		{name: "S26_corrupt_looks_like_absent", run: corruptLooksAbsent},
	}
}

// restoring changes a table with its triggers away.
func (w *world) restoring(t *testing.T, table string, f func()) {
	t.Helper()
	if w.production {
		w.sql(t, `ALTER TABLE `+table+` DISABLE TRIGGER USER`)
		defer w.sql(t, `ALTER TABLE `+table+` ENABLE TRIGGER USER`)
	} else {
		for _, r := range w.rows(t, `SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = $1`, table) {
			w.sql(t, fmt.Sprintf("DROP TRIGGER %s", r[0]))
			defer w.sql(t, fmt.Sprint(r[1]))
		}
	}
	f()
}

const person = `tenant = $1 AND lookup = $2`

func setBackFromErased(t *testing.T, w *world) {
	secrets := w.secrets("s20")
	p := w.newPerson(t, "default", "s20", secrets)
	subject := w.rows(t, `SELECT uid, state, mark, sealed_id, certificate, erased_at FROM subject WHERE `+person, p.tenant, p.lookup)[0]
	keys := w.rows(t, `SELECT kek_version, keys FROM subject WHERE tenant = $1 AND uid = $2`, p.tenant, p.uid)[0]
	record := w.rows(t, `SELECT revision, sealed FROM record WHERE tenant = $1 AND uid = $2`, p.tenant, p.uid)[0]
	w.erase(t, "s20").want(t, "erasing", "200")
	fresh := "randomblob(16)"
	if w.production {
		fresh = "gen_random_uuid()"
	}
	for what, q := range map[string]string{
		"live":                  `UPDATE subject SET state = 1 WHERE ` + person,
		"live under an old uid": `UPDATE subject SET state = 1, uid = $3 WHERE ` + person,
		"of a generation less":  `UPDATE subject SET generation = 0 WHERE ` + person,
		"gone":                  `DELETE FROM subject WHERE ` + person,
		"another's":             `UPDATE subject SET lookup = $3 WHERE ` + person,
		"one with keys":         `UPDATE subject SET kek_version = 1, keys = $3 WHERE ` + person,
		"a new one with keys":   `UPDATE subject SET generation = generation + 1, state = 1, uid = ` + fresh + `, kek_version = 1, keys = $3 WHERE ` + person,
	} {
		args := []any{p.tenant, p.lookup}
		switch {
		case strings.Contains(q, "keys = $3"):
			args = append(args, keys[1])
		case strings.Contains(q, "uid = $3"):
			args = append(args, p.uid)
		case strings.Contains(q, "$3"):
			args = append(args, bytes.Repeat([]byte{7}, ledger.LookupSize))
		}
		if err := w.trySQL(t, q, args...); err == nil {
			t.Errorf("the schema lets the row of an erased person be %s", what)
		}
	}
	gone := func(what string, want ...string) {
		t.Helper()
		a := w.reveal(t, w.token(t, "app"), "support", "s20", "email")
		ok := false
		for _, s := range want {
			ok = ok || a.String() == s
		}
		if !ok {
			t.Errorf("%s: %s, want one of %q", what, a, want)
		}
		w.showsNothing(t, what, "default", "s20", "self")
	}
	gone("erased", "410 gone")
	putBack := func() {
		w.sql(t, `DELETE FROM record WHERE tenant = $1 AND uid = $2`, p.tenant, p.uid)
		extra, value := "", ""
		if !w.production {
			extra, value = ", deleted", ", 0"
		}
		w.sql(t, `INSERT INTO record (tenant, uid, collection, record, revision, sealed`+extra+`) VALUES ($1, $2, 1, 'self', $3, $4`+value+`)`, p.tenant, p.uid, record[0], record[1])
	}
	putBack()
	gone("with its record put back", "410 gone")
	w.restoring(t, "subject", func() {
		w.sql(t, `UPDATE subject SET uid = $3, state = 1, erased_at = NULL, kek_version = $4, keys = $5 WHERE `+person, p.tenant, p.lookup, p.uid, keys[0], keys[1])
	})
	putBack()
	gone("set to live with the triggers dropped", "500 integrity", "410 gone")
	// All rows as they were, their MAC too: only the log knows better (or the ledger).
	w.restoring(t, "subject", func() {
		w.sql(t, `UPDATE subject SET uid = $3, state = 1, mark = $4, sealed_id = $5, certificate = $6, erased_at = $7, kek_version = $8, keys = $9 WHERE `+person,
			p.tenant, p.lookup, p.uid, subject[2], subject[3], subject[4], subject[5], keys[0], keys[1])
	})
	putBack()
	if found := strings.Join(w.fsck(t), "\n"); !strings.Contains(found, "erased") {
		t.Errorf("fsck does not say that an erased person lives again:\n%s", found)
	}
	w.erase(t, "s20")
}

func madeConsents(t *testing.T, w *world) {
	asked := w.newPerson(t, "default", "s21-asked", w.secrets("s21"))
	never := w.newPerson(t, "default", "s21-never", w.secrets("s21"))
	later := w.newPerson(t, "default", "s21-later", w.secrets("s21"))
	w.decide(t, "s21-asked", "marketing", "granted").want(t, "granting", "200")
	w.decide(t, "s21-later", "analytics", "granted").want(t, "granting", "200")
	w.decide(t, "s21-later", "marketing", "granted").want(t, "granting", "200")
	w.decide(t, "s21-later", "marketing", "withdrawn").want(t, "withdrawing", "200")
	sees := func(what, subject, want string) {
		t.Helper()
		a := w.reveal(t, w.token(t, "marketing"), "marketing", subject, "email")
		if got := a.view(t, "email"); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %.20q, want %s", what, got, want)
		}
	}
	sees("granted", "s21-asked", "plain: ")
	const columns = `purpose, decision, notice, method, at, expires, evidence, receipt, mac`
	w.sql(t, `INSERT INTO consent (tenant, uid, `+columns+`) SELECT tenant, $3, `+columns+` FROM consent WHERE tenant = $1 AND uid = $2`, asked.tenant, asked.uid, never.uid)
	sees("another's consent, copied", "s21-never", "hidden: consent")
	w.sql(t, `UPDATE consent SET decision = 'granted' WHERE tenant = $1 AND uid = $2`, later.tenant, later.uid)
	sees("a withdrawal made a grant", "s21-later", "hidden: consent")
	w.sql(t, `DELETE FROM consent WHERE tenant = $1 AND uid = $2 AND purpose = 'marketing'`, later.tenant, later.uid)
	w.sql(t, `UPDATE consent SET purpose = 'marketing' WHERE tenant = $1 AND uid = $2`, later.tenant, later.uid)
	sees("a grant for another purpose", "s21-later", "hidden: consent")
	for what, set := range map[string]string{
		"without its MAC": `mac = NULL`, "with an empty MAC": `mac = ''`, "with a short MAC": `mac = substr(mac, 1, 16)`, "with another notice": `notice = 'x'`,
		"with another time": `at = at + 1`, "that does not expire": `expires = NULL, method = 'portal'`,
	} {
		if w.production {
			set = strings.ReplaceAll(set, "at = at + 1", "at = at + interval '1 second'")
		}
		saved := w.rows(t, `SELECT `+columns+` FROM consent WHERE tenant = $1 AND uid = $2`, asked.tenant, asked.uid)[0]
		if err := w.trySQL(t, `UPDATE consent SET `+set+` WHERE tenant = $1 AND uid = $2`, asked.tenant, asked.uid); err != nil {
			continue // the schema refuses
		}
		a := w.reveal(t, w.token(t, "marketing"), "marketing", "s21-asked", "email")
		if got := a.view(t, "email"); got != "hidden: consent" && got != "500 integrity" {
			t.Errorf("a consent %s: %.10q", what, got)
		}
		w.clean(t, what, a.body)
		w.sql(t, `DELETE FROM consent WHERE tenant = $1 AND uid = $2`, asked.tenant, asked.uid)
		w.sql(t, `INSERT INTO consent (tenant, uid, `+columns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`, append([]any{asked.tenant, asked.uid}, saved...)...)
		sees("put back", "s21-asked", "plain: ")
	}
}

// A row that was genuine once: reading cannot tell, the check must.
func consentPutBack(t *testing.T, w *world) {
	p := w.newPerson(t, "default", "s22", w.secrets("s22"))
	const columns = `decision, notice, method, at, expires, receipt, mac`
	w.decide(t, "s22", "marketing", "granted").want(t, "granting", "200")
	old := w.rows(t, `SELECT `+columns+` FROM consent WHERE tenant = $1 AND uid = $2`, p.tenant, p.uid)[0]
	w.decide(t, "s22", "marketing", "withdrawn").want(t, "withdrawing", "200")
	before := w.fsck(t)
	w.sql(t, `UPDATE consent SET decision = $3, notice = $4, method = $5, at = $6, expires = $7, receipt = $8, mac = $9 WHERE tenant = $1 AND uid = $2`,
		append([]any{p.tenant, p.uid}, old...)...)
	if w.see(t, w.token(t, "marketing"), "marketing", "s22", "email") == "hidden: consent" {
		return // better still
	}
	if after := w.fsck(t); len(after) <= len(before) {
		t.Errorf("a withdrawn consent that was put back opens, and fsck finds nothing")
	}
}

func flags(t *testing.T, w *world) {
	officer := w.token(t, "dpo")
	for flag, column := range map[string]string{"restriction": "restricted", "hold": "held"} {
		name := "s23-" + flag
		p := w.newPerson(t, "default", name, w.secrets("s23"))
		set := func(on bool) {
			t.Helper()
			q := fmt.Sprintf(`UPDATE subject SET %s = %v WHERE `+person, column, on)
			w.sql(t, q, p.tenant, p.lookup)
		}
		set(true)
		w.refuses(t, flag+" put by SQL", "default", name, "self")
		set(false)
		if got := w.see(t, w.token(t, "app"), "support", name, "email"); !strings.HasPrefix(got, "plain: ") {
			t.Errorf("put back: %.20q", got)
		}
		old := w.blob(t, `SELECT mark FROM subject WHERE `+person, p.tenant, p.lookup)
		if a := w.do(t, call{token: officer, method: "PUT", path: "/v1/subjects/" + name + "/" + flag, body: fields{"reason": "asked for it"}}); a.status >= 300 {
			t.Fatalf("%s: %s", flag, a)
		}
		set(false)
		w.refuses(t, flag+" taken away by SQL", "default", name, "self")
		if a := w.erase(t, name); a.status == 200 {
			t.Errorf("erased although the %s was taken away by SQL", flag)
		}
		// With the mark of the time before: genuine once. The check must find it.
		before := w.fsck(t)
		w.sql(t, `UPDATE subject SET mark = $3 WHERE `+person, p.tenant, p.lookup, old)
		if strings.HasPrefix(w.see(t, w.token(t, "app"), "support", name, "email"), "plain") {
			after := w.fsck(t)
			if diff := cmp.Diff(before, after); len(after) == 0 || !strings.Contains(strings.Join(after, " "), flag) {
				t.Errorf("a %s that was undone with an old MAC is not found (-before +after):\n%s", flag, diff)
			}
		}
	}
}

// Two people's rows of the directory with each other's uid.
func exchangedPeople(t *testing.T, w *world) {
	a, b := w.newPerson(t, "default", "s24-a", w.secrets("s24")), w.newPerson(t, "default", "s24-b", w.secrets("s24"))
	if err := w.trySQL(t, `UPDATE subject SET uid = $3 WHERE `+person, a.tenant, a.lookup, w.newUID()); err == nil && w.production {
		t.Error("the schema lets a person get another uid")
	}
	w.restoring(t, "subject", func() {
		w.sql(t, `UPDATE subject SET uid = $3 WHERE `+person, a.tenant, a.lookup, w.newUID())
		w.sql(t, `UPDATE subject SET uid = $3 WHERE `+person, b.tenant, b.lookup, a.uid)
		w.sql(t, `UPDATE subject SET uid = $3 WHERE `+person, a.tenant, a.lookup, b.uid)
	})
	w.refuses(t, "with the other's uid", "default", "s24-a", "self")
	w.refuses(t, "with the other's uid", "default", "s24-b", "self")
	// The marks exchanged, too.
	ma, mb := w.blob(t, `SELECT mark FROM subject WHERE `+person, a.tenant, a.lookup), w.blob(t, `SELECT mark FROM subject WHERE `+person, b.tenant, b.lookup)
	w.sql(t, `UPDATE subject SET mark = $3 WHERE `+person, a.tenant, a.lookup, mb)
	w.sql(t, `UPDATE subject SET mark = $3 WHERE `+person, b.tenant, b.lookup, ma)
	w.refuses(t, "with the other's uid and MAC", "default", "s24-a", "self")
	w.erase(t, "s24-a").want(t, "erasing one of them", "500 integrity")
}

// newUID is a uid of nobody.
func (w *world) newUID() any {
	if w.production {
		return "0193a000-0000-7000-8000-00000000abcd"
	}
	return bytes.Repeat([]byte{0xab}, 16)
}

func changedLog(t *testing.T, w *world) {
	w.put(t, "s25", fields{"email": "s25@example.org"})
	if !w.production {
		if err := w.trySQL(t, `UPDATE event_intake SET leaf = $1`, []byte("x")); err == nil {
			t.Error("the schema lets an event be changed")
		}
		return
	}
	// The owner of the tables can; the service's own role cannot, whoever gets hold of it.
	node := &world{production: true, database: w.as(t, w.role)}
	for what, q := range map[string]string{
		"change an event": `UPDATE event_intake SET leaf = leaf`, "delete an event": `DELETE FROM event_intake`, "empty the log": `TRUNCATE event_intake`,
		"delete a person": `DELETE FROM subject`, "change a document": `UPDATE document SET body = body`, "rename a tenant's key": `UPDATE tenant_key SET label = label`, "delete a tenant's key": `DELETE FROM tenant_key`,
		"change a certificate": `UPDATE erasure SET certificate = certificate`, "delete a certificate": `DELETE FROM erasure`,
		"drop a trigger": `DROP TRIGGER subject_guard ON subject`, "switch triggers off": `ALTER TABLE subject DISABLE TRIGGER USER`,
		"play a replica": `SET session_replication_role = replica`, "change the past of a consent": `UPDATE consent_event SET decision = 'granted'`,
	} {
		if err := node.trySQL(t, q); err == nil {
			t.Errorf("the service's role may %s", what)
		}
	}
}

// To a caller who may not know, corrupt, erased and absent are one.
func corruptLooksAbsent(t *testing.T, w *world) {
	live := w.newPerson(t, "default", "s26-corrupt", fields{"phone": "+49 30 23125000", "email": "s26@example.org"})
	w.put(t, "s26-erased", fields{"phone": "+49 30 23125000"})
	w.erase(t, "s26-erased").want(t, "erasing", "200")
	w.setSealed(t, live, "self", []byte("garbage"))
	token := w.token(t, "marketing")
	want := w.reveal(t, token, "marketing", "s26-nobody", "phone").want(t, "nobody", "404 not_found").plainly(t)
	compare := func(what, subject string) {
		t.Helper()
		if diff := cmp.Diff(want, w.reveal(t, token, "marketing", subject, "phone").plainly(t)); diff != "" {
			t.Errorf("%s (-nobody +got):\n%s", what, diff)
		}
	}
	compare("a corrupt record", "s26-corrupt")
	compare("an erased person", "s26-erased")
	w.sql(t, `UPDATE subject SET mark = $3 WHERE `+person, live.tenant, live.lookup, bytes.Repeat([]byte{1}, 16))
	compare("a corrupt person", "s26-corrupt")
}
