//go:build e2e

package browser_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// An officer works at the console, with those of other roles beside them.
type officer struct {
	*walk
	question string // the path of the person's request
}

// TestOfficer is a day at the console, in every manner, each on a service of its own.
func TestOfficer(t *testing.T) {
	root := chromium(t)
	for _, m := range []manner{
		{name: "mouse", lang: "en", width: 1440, scripts: true, pictures: true},
		{name: "keyboard", lang: "en", width: 1440, scripts: true, keyboard: true},
		{name: "phone", lang: "de", width: 360},
	} {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			s := dev(t)
			o := &officer{walk: &walk{service: s, visitor: newVisitor(root, t, m, nil), root: root}}
			for _, step := range []struct {
				name string
				do   func(*officer, *testing.T)
			}{
				{"O01", (*officer).signsIn},
				{"O02", (*officer).answers},
				{"O03", (*officer).takesALetter},
				{"O04", (*officer).finds},
				{"O05", (*officer).holds},
				{"O06", (*officer).approves},
				{"O07", (*officer).reviews},
				{"O08", (*officer).asksWhy},
				{"O09", (*officer).changesKeys},
				{"O10", (*officer).readsTheLog},
				{"O11", (*officer).reports},
				{"O12", (*officer).erases},
			} {
				if !t.Run(step.name, func(t *testing.T) { step.do(o, t) }) {
					return // the others go on from here
				}
			}
		})
	}
}

// as signs the browser in at the console with a token.
func (o *officer) as(t *testing.T, token string) {
	t.Helper()
	o.open(t, o.URL+"/console/sign-in", http.StatusOK)
	o.fill(t, `#token`, token)
	o.follow(t, `form[action="/console/sign-in"] button`, "/console")
}

// fill puts a long text into a field, as a paste does; the keyboard still gets there.
func (o *officer) fill(t *testing.T, selector, text string) {
	t.Helper()
	if o.keyboard {
		o.tabTo(t, selector)
	}
	eval[chromedp.Void](o.visitor, t, `document.querySelector(`+quote(selector)+`).value = `+quote(text)+`;undefined`)
}

// chooses takes an entry of a list.
func (o *officer) chooses(t *testing.T, selector, value string) {
	t.Helper()
	if !o.keyboard {
		o.fill(t, selector, value)
		return
	}
	o.tabTo(t, selector)
	for range 60 {
		if eval[string](o.visitor, t, `document.activeElement.value`) == value {
			return
		}
		o.do(t, chromedp.KeyEvent(kb.ArrowDown))
	}
	t.Fatalf("%s has no %s", selector, value)
}

// page goes to a part of the console and looks at it.
func (o *officer) page(t *testing.T, path, name string) {
	t.Helper()
	o.to(t, path)
	o.look(t, name)
}

// form is the button of a form, by where it leads and what it does.
func form(action, value string) string {
	return `form[action="` + action + `"] button[value="` + value + `"]`
}

func (o *officer) signsIn(t *testing.T) {
	o.open(t, o.URL+"/console", http.StatusOK)
	if got := o.path(t); got != "/console/sign-in" {
		t.Fatalf("without a session one is at %s", got)
	}
	o.look(t, "console-sign-in")
	o.fill(t, `#token`, o.Tokens["subject"])
	if got := o.loads(t, o.use(t, `form[action="/console/sign-in"] button`)); got != http.StatusForbidden {
		t.Errorf("a person gets in: %d", got)
	}
	o.heard(t, "a person's token", http.StatusForbidden)
	o.look(t, "console-refused")
	o.as(t, o.Tokens["dpo"])
	o.look(t, "console-today-empty")
	if got := eval[string](o.visitor, t, `document.documentElement.lang`); got != o.lang {
		t.Errorf("the page is in %s, want %s", got, o.lang)
	}
}

// answers a person's question: it is queued here, and the answer is in their panel.
func (o *officer) answers(t *testing.T) {
	o.person(t, http.MethodPost, aboutThem+"/requests", `{"kind":"question","text":"Why do you know my telephone number?"}`)
	o.page(t, "/console", "console-today")
	o.page(t, "/console/requests", "console-requests")
	o.loads(t, o.use(t, `main tbody a`))
	o.question = o.path(t)
	o.look(t, "console-request")
	o.reads(t, "Why do you know my telephone number?", person)
	o.loads(t, o.use(t, form(o.question, "complete")))
	o.look(t, "console-request-wrong")
	if !o.has(t, `[aria-invalid="true"]`) {
		t.Error("a question is answered without an answer")
	}
	const answer = "You gave it with your first order, so that we can help you."
	o.fill(t, `form:has(button[value=complete]) textarea`, answer)
	o.follow(t, form(o.question, "complete"), o.question)
	o.look(t, "console-request-done")
	bundle := o.take(t, `main a[href="`+o.question+`/evidence"]`, "request.zip")
	o.verifyBundle(t, bundle)

	them := newVisitor(o.root, t, o.manner, nil)
	them.open(t, o.link(t, "panel"), http.StatusOK)
	them.follow(t, `form[action="/me/sign-in"] button`, "/me")
	them.follow(t, `nav a[href="/me/requests"]`, "/me/requests")
	them.loads(t, them.use(t, `main h3 a[href^="/me/requests/"]`))
	them.reads(t, answer)
}

// takesALetter files what came by post, and asks for more time.
func (o *officer) takesALetter(t *testing.T) {
	o.to(t, "/console/requests")
	o.follow(t, `main a[href="/console/requests/new"]`, "/console/requests/new")
	o.look(t, "console-letter")
	o.fill(t, `#person`, "c-999")
	o.chooses(t, `#kind`, "access")
	o.loads(t, o.use(t, `form[action="/console/requests"] button`))
	o.look(t, "console-letter-wrong")
	o.fill(t, `#person`, person)
	o.loads(t, o.use(t, `form[action="/console/requests"] button`))
	path := o.path(t)
	o.reads(t, person)
	o.follow(t, form(path, "confirm_identity"), path)
	eval[chromedp.Void](o.visitor, t, `document.querySelectorAll("details").forEach(d => d.open = true);undefined`)
	o.chooses(t, `form:has(button[value=extend]) select`, "complexity")
	o.follow(t, form(path, "extend"), path)
	o.look(t, "console-request-extended")
	o.page(t, "/console/requests", "console-requests-two")
}

// finds a person as support does, by what they say of themselves, and sees them in part;
// billing sees them in full; who runs the service sees nobody.
func (o *officer) finds(t *testing.T) {
	_, email := o.sees(t, billing, "email")
	o.as(t, o.Tokens["support"])
	o.page(t, "/console/people", "console-people")
	o.chooses(t, `#field`, "customer.email")
	o.fill(t, `#value`, email)
	o.loads(t, o.use(t, `form:has(#value) button`))
	o.look(t, "console-found")
	o.follow(t, `main a[href="/console/people/`+person+`"]`, "/console/people/"+person)
	o.chooses(t, `#purpose`, "support")
	o.loads(t, o.use(t, `form:has(#purpose) button`))
	o.look(t, "console-person-masked")
	if strings.Contains(o.text(t), email) {
		t.Error("support sees the address in full")
	}
	o.as(t, o.Tokens["billing"])
	o.open(t, o.URL+"/console/people/"+person, http.StatusOK)
	o.chooses(t, `#purpose`, "billing")
	o.loads(t, o.use(t, `form:has(#purpose) button`))
	o.look(t, "console-person-plain")
	o.reads(t, email)
	o.as(t, o.Tokens["operator"])
	o.open(t, o.URL+"/console/people/"+person, http.StatusForbidden)
	o.heard(t, "an operator's look at a person", http.StatusForbidden)
	o.look(t, "console-forbidden")
}

// holds a person, and lets go: while the hold stands nothing is erased.
func (o *officer) holds(t *testing.T) {
	path := "/console/people/" + person
	o.as(t, o.Tokens["dpo"])
	o.open(t, o.URL+path, http.StatusOK)
	o.look(t, "console-person")
	o.fill(t, `form[action="`+path+`/hold"] [name=reason]`, "A court asked us to keep them.")
	o.follow(t, `form[action="`+path+`/hold"] button`, path)
	o.look(t, "console-person-held")
	if status, _ := o.request(t, caller{role: "dpo"}, http.MethodPost, aboutThem+"/erasure", `{"reason":"asked for it"}`); status == http.StatusOK {
		t.Error("a person on hold was erased")
	}
	o.fill(t, `form[action="`+path+`/hold"] [name=reason]`, "The case is closed.")
	o.follow(t, `form[action="`+path+`/hold"] button`, path)
	o.fill(t, `form[action="`+path+`/pause"] [name=reason]`, "We check what they say.")
	o.follow(t, `form[action="`+path+`/pause"] button`, path)
	o.mustSee(t, billing, "hidden restricted")
	o.fill(t, `form[action="`+path+`/pause"] [name=reason]`, "It is cleared up.")
	o.follow(t, `form[action="`+path+`/pause"] button`, path)
	o.mustSee(t, billing, "plain")
}

// approves, as a second person, what one may not do alone.
func (o *officer) approves(t *testing.T) {
	for i := range 21 {
		o.request(t, caller{role: "dpo"}, http.MethodPost, fmt.Sprintf("/v1/subjects/c-%d/erasure", 30+i), `{"reason":"asked for it"}`)
	}
	o.page(t, "/console/approvals", "console-approvals-own")
	if o.has(t, `form[action="/console/approvals"] button`) {
		t.Error("one may decide about what one asked for")
	}
	second := strings.TrimSpace(o.program.Run(t, 0, nil, "token", "--issuer-file", filepath.Join(o.Dir, "issuer.jwk"), "--role", "dpo", "--subject", "second"))
	o.as(t, second)
	o.page(t, "/console/approvals", "console-approvals")
	o.follow(t, form("/console/approvals", "yes"), "/console/approvals")
	o.look(t, "console-approved")
}

// reviews what is kept and what for.
func (o *officer) reviews(t *testing.T) {
	o.as(t, o.Tokens["dpo"])
	o.page(t, "/console/catalog", "console-catalog")
	o.reads(t, o.titled(t, "marketing"), o.field("E-mail address"))
}

// asksWhy somebody sees what they see.
func (o *officer) asksWhy(t *testing.T) {
	o.page(t, "/console/explain", "console-explain")
	o.do(t, o.use(t, `input[name=role][value=support]`))
	o.chooses(t, `#purpose`, "support")
	o.chooses(t, `#field`, "customer.email")
	o.follow(t, `form[action="/console/explain"] button`, "/console/explain")
	o.look(t, "console-explained")
	o.reads(t, "support-masked")
}

// changesKeys as who runs the service, and sees the work go on.
func (o *officer) changesKeys(t *testing.T) {
	o.as(t, o.Tokens["operator"])
	o.page(t, "/console/keys", "console-keys")
	o.follow(t, form("/console/keys", "key_rotation"), "/console/keys")
	await(t, "the rotation", func() bool {
		o.to(t, "/console/keys")
		return !o.has(t, `main a[href="/console/keys"]`) // nothing to look for again
	})
	o.look(t, "console-keys-rotated")
	if k := get[struct {
		Keys []struct{ Latest int }
	}](t, o.service, caller{role: "operator"}, "/v1/keys"); len(k.Keys) == 0 || k.Keys[0].Latest != 2 {
		t.Errorf("the keys after the rotation: %+v", k)
	}
}

// readsTheLog with the proof of an entry.
func (o *officer) readsTheLog(t *testing.T) {
	o.page(t, "/console/audit", "console-audit")
	if !o.has(t, `.banner.good`) {
		t.Error("the log is not verified")
	}
	o.loads(t, o.use(t, `main tbody a`))
	o.look(t, "console-event")
	if !o.has(t, `.banner.good`) {
		t.Error("the entry is not proven")
	}
}

// reports what was done.
func (o *officer) reports(t *testing.T) {
	o.as(t, o.Tokens["dpo"])
	o.page(t, "/console/reports", "console-reports")
	if n := eval[int](o.visitor, t, `document.querySelectorAll("figure svg").length`); n < 5 {
		t.Errorf("%d charts are drawn", n)
	}
	o.reads(t, "billing", "support")
}

// erases the person: what will happen, a reason, a tick, the certificate; and then their
// page is nobody's.
func (o *officer) erases(t *testing.T) {
	path := "/console/people/" + person
	o.to(t, "/console/people")
	o.fill(t, `#person`, person)
	o.loads(t, o.use(t, `form:has(#person) button`))
	o.follow(t, `main a[href="`+path+`/erase"]`, path+"/erase")
	o.look(t, "console-erase")
	o.as(t, strings.TrimSpace(o.program.Run(t, 0, nil, "token", "--issuer-file", filepath.Join(o.Dir, "issuer.jwk"), "--role", "dpo", "--subject", "third")))
	o.open(t, o.URL+path+"/erase", http.StatusOK)
	o.fill(t, `#reason`, "They asked for it.")
	o.do(t, o.use(t, `#sure`))
	o.follow(t, `form[action="`+path+`/erase"] button`, path+"/erase")
	o.look(t, "console-erased")
	o.verify(t, o.take(t, `main a[href^="/console/certificates/"]`, "certificate.json"))
	if status, body := o.request(t, billing, http.MethodGet, aboutThem+"/records/customer/self?fields=email", ""); status != http.StatusGone {
		t.Errorf("billing: %d %s", status, body)
	}
	o.open(t, o.URL+path, http.StatusOK)
	o.look(t, "console-gone")
	o.follow(t, `form[action="/console/sign-out"] button`, "/console/sign-out")
	o.look(t, "console-signed-out")
}
