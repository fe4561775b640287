//go:build e2e

package e2e_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// Tokens that stand for fields, by whoever has one and should not see by it.
func fieldTokenCases() []testCase {
	return []testCase{
		{name: "K01_another_tenants_and_guessed_tokens", run: strangeTokens},
		{name: "K02_a_single_use_token_used_by_many", run: tokenUsedByMany},
		{name: "K03_tokens_die_with_the_person", run: tokensDie},
	}
}

func tokenTampering() []testCase {
	return []testCase{{name: "S33_tokens_changed_and_moved_by_SQL", run: tokensBySQL}}
}

// tokenise makes a token of a person's e-mail address.
func (w *world) tokenise(t *testing.T, tenant, subject string, more fields) string {
	t.Helper()
	body := fields{"collection": "customer", "kind": "random", "items": []any{fields{"subject": subject, "record": "self", "field": "email"}}}
	for k, v := range more {
		body[k] = v
	}
	var made struct{ Results []struct{ Token string } }
	w.do(t, call{token: w.in(t, tenant, "app"), purpose: "support", method: "POST", path: "/v1/tokens", body: body}).
		want(t, "making a token", "200").decode(t, &made)
	if len(made.Results) != 1 || made.Results[0].Token == "" {
		t.Fatalf("making a token gave %+v", made)
	}
	return made.Results[0].Token
}

// byToken says what a token shows: "plain: value", "hidden: reason" or a code.
func (w *world) byToken(t *testing.T, token, purpose, text string) string {
	t.Helper()
	a := w.do(t, call{token: token, purpose: purpose, method: "POST", path: "/v1/tokens/reveal", body: fields{"tokens": []string{text}}})
	if a.status != 200 {
		return a.String()
	}
	var seen struct {
		Results []struct {
			Code, View, Reason string
			Value              any
		}
	}
	a.decode(t, &seen)
	switch r := seen.Results[0]; {
	case r.Code != "":
		return r.Code
	case r.View == "hidden":
		return "hidden: " + r.Reason
	default:
		return fmt.Sprint(r.View, ": ", r.Value)
	}
}

func (w *world) isShown(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func strangeTokens(t *testing.T, w *world) {
	email := w.canary("k01-") + "@example.org"
	w.put(t, "k01", fields{"email": email})
	text := w.tokenise(t, "default", "k01", nil)
	w.isShown(t, "the application", w.byToken(t, w.token(t, "app"), "support", text), "plain: "+email)
	w.isShown(t, "for another purpose", w.byToken(t, w.token(t, "app"), "billing", text), "not_found")
	w.isShown(t, "a role that may not", w.byToken(t, w.token(t, "billing"), "billing", text), "403 denied")
	for _, tenant := range []string{"lab", "other"} {
		w.putIn(t, tenant, "k01", fields{"email": "k01@example.org"})
		w.isShown(t, "in "+tenant, w.byToken(t, w.in(t, tenant, "app"), "support", text), "not_found")
	}
	last := text[:len(text)-1] + string('a'+(text[len(text)-1]-'a'+1)%26)
	for _, guess := range []string{
		last, strings.ToUpper(text), text + " ", " " + text, text[4:], "fvt_" + strings.Repeat("a", 32), "", "k01", email, "' OR 1=1 --", strings.Repeat("x", 100_000),
	} {
		w.isShown(t, "a guess", w.byToken(t, w.token(t, "app"), "support", guess), "not_found")
	}
}

func tokenUsedByMany(t *testing.T, w *world) {
	email := w.canary("k02-") + "@example.org"
	w.put(t, "k02", fields{"email": email})
	text, app := w.tokenise(t, "default", "k02", fields{"single_use": true}), w.token(t, "app")
	got := make([]string, 64)
	var all sync.WaitGroup
	for i := range got {
		all.Go(func() { got[i] = w.byToken(t, app, "support", text) })
	}
	all.Wait()
	shown := 0
	for _, s := range got {
		if s == "plain: "+email {
			shown++
		} else if s != "not_found" {
			t.Errorf("one of many: %s", s)
		}
	}
	if shown != 1 {
		t.Errorf("%d of 64 were shown the value", shown)
	}
	w.isShown(t, "once more", w.byToken(t, app, "support", text), "not_found")
}

func tokensDie(t *testing.T, w *world) {
	email := w.canary("k03-") + "@example.org"
	p := w.newPerson(t, "default", "k03", fields{"email": email})
	app := w.token(t, "app")
	var texts []string
	for _, more := range []fields{nil, {"kind": "deterministic"}, {"expires_in": 86400}, {"single_use": true}} {
		texts = append(texts, w.tokenise(t, "default", "k03", more))
	}
	rows := func() int {
		return len(w.rows(t, `SELECT hash FROM token WHERE tenant = $1 AND uid = $2`, p.tenant, p.uid))
	}
	if n := rows(); n != len(texts) {
		t.Errorf("%d rows", n)
	}
	w.erase(t, "k03").want(t, "erasing", "200")
	for _, text := range texts {
		w.isShown(t, "erased", w.byToken(t, app, "support", text), "not_found")
	}
	w.restart(t) // which sweeps, soon after
	for deadline := time.Now().Add(patience); rows() > 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d rows are left", rows())
		}
	}
	w.do(t, call{token: w.token(t, "dpo"), method: "POST", path: "/v1/subjects/k03/reenrolment"})
	w.put(t, "k03", fields{"email": email})
	for _, text := range texts {
		w.isShown(t, "come back", w.byToken(t, w.token(t, "app"), "support", text), "not_found")
	}
}

// A row that is moved to another person or given more time stands for nothing, with the
// cache of keys warm or cold, and fsck names it.
func tokensBySQL(t *testing.T, w *world) {
	secrets := w.secrets("s33")
	mine, other := w.newPerson(t, "default", "s33", secrets), w.newPerson(t, "default", "s33-other", fields{"email": "s33@example.org"})
	app := w.token(t, "app")
	for what, change := range map[string]string{
		"moved to another person": `UPDATE token SET uid = $3 WHERE tenant = $1 AND uid = $2`,
		"given no end":            `UPDATE token SET expires = NULL WHERE tenant = $1 AND uid = $2 AND $3 = $3`,
		"for another field":       `UPDATE token SET field = field + 1 WHERE tenant = $1 AND uid = $2 AND $3 = $3`,
	} {
		text := w.tokenise(t, "default", "s33", fields{"expires_in": 3600})
		w.isShown(t, what+", before", w.byToken(t, app, "support", text), "plain: "+fmt.Sprint(secrets["email"]))
		w.sql(t, change, mine.tenant, mine.uid, other.uid)
		w.isShown(t, what, w.byToken(t, app, "support", text), "not_found")
		if !strings.Contains(fmt.Sprint(w.fsck(t)), "token does not bear its MAC") {
			t.Errorf("%s: fsck does not name it", what)
		}
	}
}
