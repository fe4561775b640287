//go:build e2e

package e2e_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// What the first line says: customer 1 is seen masked by support, in plain
// by billing, by marketing with consent, and by nobody once erased.
func viewCases() []testCase {
	return []testCase{
		{name: "W01_support_sees_masked", run: func(t *testing.T, w *world) {
			for field, want := range map[string]string{
				"email": "masked: l••••@embraer.com.br", "phone": "masked: •••• 5555", "fax": "masked: •••• 5566",
			} {
				if got := w.see(t, w.token(t, "support"), "support", "c-1", field); got != want {
					t.Errorf("%s is %q, want %q", field, got, want)
				}
			}
		}},
		{name: "W02_billing_sees_plain", run: func(t *testing.T, w *world) {
			for field, want := range map[string]string{"email": "plain: luisg@embraer.com.br", "last_name": "plain: Gonçalves", "city": "plain: São José dos Campos"} {
				if got := w.see(t, w.token(t, "billing"), "billing", "c-1", field); got != want {
					t.Errorf("%s is %q, want %q", field, got, want)
				}
			}
			a := w.do(t, call{token: w.token(t, "billing"), purpose: "billing", path: recordPath("c-17", "invoice", "14") + "?fields=total,date"})
			if got := a.view(t, "date"); !strings.HasPrefix(got, "plain: 2021-") {
				t.Errorf("the date of invoice 14 is %q", got)
			}
		}},
		{name: "W03_marketing_sees_with_consent", run: func(t *testing.T, w *world) {
			token := w.token(t, "marketing")
			sees := func(when, want string) {
				t.Helper()
				if got := w.see(t, token, "marketing", "c-1", "email"); got != want {
					t.Errorf("%s: %q, want %q", when, got, want)
				}
			}
			sees("before", "hidden: consent")
			w.decide(t, "c-1", "marketing", "granted").want(t, "granting", "200")
			sees("with consent", "plain: luisg@embraer.com.br")
			w.decide(t, "c-1", "marketing", "withdrawn").want(t, "withdrawing", "200")
			sees("after withdrawal", "hidden: consent")
			w.decide(t, "c-1", "marketing", "granted").want(t, "granting again", "200")
			sees("with consent again", "plain: luisg@embraer.com.br")
		}},
		{name: "W04_nobody_sees_after_erasure", run: func(t *testing.T, w *world) {
			w.erase(t, "c-1").want(t, "erasing", "200")
			for role, purpose := range map[string]string{"app": "billing", "support": "support", "billing": "billing", "marketing": "marketing"} {
				if got := w.see(t, w.token(t, role), purpose, "c-1", "email"); got != "410 gone" {
					t.Errorf("%s: %q, want 410 gone", role, got)
				}
			}
			a := w.do(t, call{
				token: w.token(t, "support"), purpose: "support", method: "POST", path: "/v1/search",
				body: fields{"collection": "customer", "field": "email", "equals": "luisg@embraer.com.br"},
			})
			var found struct{ Matches []any }
			a.want(t, "searching", "200").decode(t, &found)
			if len(found.Matches) != 0 {
				t.Errorf("search finds the erased: %s", a.body)
			}
		}},
		{name: "W05_the_person_sees_only_themself", run: func(t *testing.T, w *world) {
			token := w.token(t, "subject", personal("c-17"))
			if got := w.see(t, token, "self", "c-17", "email"); !strings.HasPrefix(got, "plain: ") {
				t.Errorf("of themself: %q", got)
			}
			if got := w.see(t, token, "self", "c-18", "email"); got == "200" || strings.HasPrefix(got, "plain") || strings.HasPrefix(got, "masked") {
				t.Errorf("of somebody else: %q", got)
			}
			mine := w.do(t, call{token: token, path: "/v1/subjects/c-17/export"})
			if mine.status != http.StatusOK || !strings.Contains(string(mine.body), "jacksmith@microsoft.com") {
				t.Errorf("the own export: %s\n%.300s", mine, mine.body)
			}
			w.do(t, call{token: token, path: "/v1/subjects/c-18/export"}).notOK(t, "another's export")
		}},
		{name: "W06_personal_answers_are_not_stored", run: func(t *testing.T, w *world) {
			w.put(t, "w06", fields{"email": "w06@example.org"})
			for what, a := range map[string]answer{
				"a record": w.reveal(t, w.token(t, "billing"), "billing", "w06", "email"),
				"an error": w.reveal(t, w.token(t, "billing"), "billing", "w06-nobody", "email"),
				"a list":   w.do(t, call{token: w.token(t, "app"), purpose: "support", path: "/v1/subjects/w06/records"}),
			} {
				if !slices.Contains(strings.Split(a.header.Get("Cache-Control"), ", "), "no-store") {
					t.Errorf("%s: Cache-Control is %q", what, a.header.Get("Cache-Control"))
				}
			}
		}},
		{name: "W07_masked_texts_are_redacted", run: textsAreRedacted},
		{name: "W08_searches_beyond_equality", run: searchBeyondEquality},
	}
}

// textsAreRedacted: what a person of the house wrote about somebody is warned of when it
// holds personal data, and shown to the masked role without it. The data are canaries: they
// are in no log, metric or file, which the world's last case looks at.
func textsAreRedacted(t *testing.T, w *world) {
	const number = "+49 30 23125 417"
	mail := w.canary("w07") + "@example.net"
	w.plant(number)
	app, support := w.token(t, "app", of("lab")), w.token(t, "support", of("lab"))
	text, seen := "Nikola Tesla asks for "+mail+" or "+number+".", "[name] asks for [e-mail] or [phone]."
	put := call{token: app, method: "PUT", path: recordPath("w07", "customer", "self"), body: fields{"fields": fields{"note": text}}}
	a := w.do(t, put).want(t, "storing", "201")
	if !strings.Contains(string(a.body), `"warnings":[{"field":"customer.note","kinds":["e-mail","phone","name"]}]`) {
		t.Errorf("the answer does not warn: %s", a.body)
	}
	for token, want := range map[string]string{app: "plain: " + text, support: "masked: " + seen} {
		if got := w.see(t, token, "support", "w07", "note"); got != want {
			t.Errorf("seen as %q, want %q", got, want)
		}
	}
	item := fields{"subject": "w07", "collection": "customer", "record": "self", "fields": []string{"note"}}
	sealed := w.do(t, call{token: app, purpose: "support", method: "POST", path: "/v1/encrypt", body: fields{"items": []fields{{"subject": "w07", "field": "customer.note", "plaintext": text}}}})
	var kept struct{ Results []struct{ Ciphertext string } }
	sealed.want(t, "sealing", "200").decode(t, &kept)
	cipher := fields{"subject": "w07", "field": "customer.note", "ciphertext": kept.Results[0].Ciphertext}
	for what, b := range map[string]answer{
		"a batch":      w.do(t, call{token: support, purpose: "support", method: "POST", path: "/v1/reveal", body: fields{"items": []fields{item}}}),
		"a ciphertext": w.do(t, call{token: support, purpose: "support", method: "POST", path: "/v1/decrypt", body: fields{"items": []fields{cipher}}}),
	} {
		if body := string(b.want(t, what, "200").body); !strings.Contains(body, seen) {
			t.Errorf("%s: %s", what, body)
		}
		w.clean(t, what, b.body)
	}
}

// notOK fails the test if the answer grants anything.
func (a answer) notOK(t *testing.T, what string) {
	t.Helper()
	if a.status < 400 || a.status >= 500 || a.code() == "" {
		t.Errorf("%s: %s, want a refusal\n%.600s", what, a, a.body)
	}
}
