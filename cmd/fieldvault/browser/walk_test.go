//go:build e2e

package browser_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/fieldvault/fieldvault/deploy/sample"
)

// A walk is one person's way through their control panel.
type walk struct {
	*service
	*visitor
	root context.Context
	city string // what they correct theirs to
}

// The callers that the walk compares the panel with.
var (
	billing   = caller{"billing", "billing"}
	marketing = caller{"marketing", "marketing"}
	self      = caller{"subject", "self"}
)

// The paths of the API that are about the person.
const (
	aboutThem = "/v1/subjects/" + person
	consents  = aboutThem + "/consents"
)

// TestWalk is the walk of every manner, each on a service of its own.
func TestWalk(t *testing.T) {
	root := chromium(t)
	for _, m := range []manner{
		{name: "mouse", lang: "en", width: 1440, scripts: true, pictures: true},
		{name: "keyboard", lang: "en", width: 1440, scripts: true, keyboard: true},
		{name: "phone", lang: "de", width: 360},
	} {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			s := dev(t)
			w := &walk{service: s, visitor: newVisitor(root, t, m, nil), root: root, city: "Zürich"}
			for _, step := range []struct {
				name string
				do   func(*walk, *testing.T)
			}{
				{"W01", (*walk).signIn},
				{"W02", (*walk).overview},
				{"W03", (*walk).uses},
				{"W04", (*walk).consent},
				{"W05", (*walk).correct},
				{"W06", (*walk).download},
				{"W07", (*walk).pause},
				{"W08", (*walk).history},
				{"W09", (*walk).ask},
				{"W10", (*walk).signal},
				{"W11", (*walk).notice},
				{"W12", (*walk).erase},
			} {
				if !t.Run(step.name, func(t *testing.T) { step.do(w, t) }) {
					return // the others go on from here
				}
			}
		})
	}
}

// to goes to a page by the navigation.
func (w *walk) to(t *testing.T, path string) {
	t.Helper()
	w.follow(t, `nav a[href="`+path+`"]`, path)
}

func (w *walk) signIn(t *testing.T) {
	w.open(t, w.Link, http.StatusOK)
	w.look(t, "sign-in")
	w.follow(t, `form[action="/me/sign-in"] button`, "/me")
	if got := eval[string](w.visitor, t, `document.documentElement.lang`); got != w.lang {
		t.Errorf("the page is in %s, want %s", got, w.lang)
	}

	other := newVisitor(w.root, t, w.manner, nil)
	other.open(t, w.Link, http.StatusOK)
	if got := other.loads(t, other.use(t, `form[action="/me/sign-in"] button`)); got != http.StatusForbidden {
		t.Errorf("the link works twice: %d", got)
	}
	other.heard(t, "a used link", http.StatusForbidden)
	other.look(t, "link-used")
	other.open(t, w.URL+"/me", http.StatusUnauthorized)
	other.heard(t, "without a session", http.StatusUnauthorized)
	other.look(t, "no-session")
}

func (w *walk) overview(t *testing.T) {
	w.to(t, "/me")
	w.look(t, "overview")
	r := get[struct {
		Fields map[string]struct{ Value any }
	}](t, w.service, self, aboutThem+"/records/customer/self?fields=*")
	if len(r.Fields) < 5 {
		t.Fatalf("only %d fields are held", len(r.Fields))
	}
	for name, f := range r.Fields {
		if s, ok := f.Value.(string); !ok || !strings.Contains(w.text(t), s) {
			t.Errorf("the page does not show %s", name)
		}
	}
	_, email := w.sees(t, billing, "email")
	why := eval[string](w.visitor, t, `[...document.querySelectorAll(".held > div")].find(d => d.innerText.includes(`+quote(email)+`)).querySelector(".why").textContent`)
	for _, id := range []string{"support", "billing", "marketing"} {
		if use := w.titled(t, id); !strings.Contains(why, use) {
			t.Errorf("of the address the page says %q, and not %q", why, use)
		}
	}
}

// A purpose as the API tells of it.
type purpose struct {
	ID, Title, Text, Benefit, Basis string
	Recipients                      []string
	ReviewBy                        string `json:"review_by"`
	Translations                    map[string]struct{ Title, Text, Benefit string }
}

func (w *walk) purposes(t *testing.T) []purpose {
	t.Helper()
	list := get[struct{ Purposes []purpose }](t, w.service, caller{}, "/v1/catalog").Purposes
	if len(list) == 0 {
		t.Fatal("the catalog has no purpose")
	}
	for i := range list {
		if words, ok := list[i].Translations[w.lang]; ok {
			list[i].Title, list[i].Text, list[i].Benefit = words.Title, words.Text, words.Benefit
		}
	}
	return list
}

// titled is the title of a purpose in the walk's language.
func (w *walk) titled(t *testing.T, id string) string {
	t.Helper()
	for _, p := range w.purposes(t) {
		if p.ID == id {
			return p.Title
		}
	}
	t.Fatalf("the catalog has no purpose %s", id)
	return ""
}

// field is the title of a field of the sample in the walk's language.
func (w *walk) field(english string) string {
	if german := map[string]string{"E-mail address": "E-Mail-Adresse", "Telephone": "Telefon"}[english]; w.lang == "de" {
		return german
	}
	return english
}

func (w *walk) uses(t *testing.T) {
	w.to(t, "/me/purposes")
	w.look(t, "uses")
	for _, p := range w.purposes(t) {
		card := `[...document.querySelectorAll("article.purpose")].find(a => a.querySelector("h2").textContent === ` + quote(p.Title) + `)`
		if got := eval[bool](w.visitor, t, card+` !== undefined && `+card+`.querySelector(".benefit").innerText.includes(`+quote(p.Benefit)+`)`); !got {
			t.Errorf("%s: the benefit does not stand beside the switch", p.ID)
			continue
		}
		told := eval[string](w.visitor, t, card+`.textContent`)
		for _, s := range append(p.Recipients, p.Text) {
			if !strings.Contains(told, s) {
				t.Errorf("%s: the page does not tell %q", p.ID, s)
			}
		}
		if n := eval[int](w.visitor, t, card+`.querySelectorAll(".facts > div").length`); n < 4 {
			t.Errorf("%s: of basis, fields, recipients and retention there are %d", p.ID, n)
		}
		if _, err := time.Parse(time.DateOnly, p.ReviewBy); err != nil {
			t.Errorf("%s is reviewed by %q", p.ID, p.ReviewBy)
		}
		if p.ID == "marketing" && (!strings.Contains(told, w.field("E-mail address")) || strings.Contains(told, w.field("Telephone"))) {
			t.Errorf("of the fields that marketing opens the page tells\n%s", told)
		}
	}
	if got, _ := w.sees(t, marketing, "phone"); got != "hidden purpose" {
		t.Errorf("marketing sees the telephone number %s", got)
	}
}

// switchOf is the button that decides on a purpose.
func switchOf(purpose, decision string) string {
	return `form:has(input[name=purpose][value="` + purpose + `"]) button[value="` + decision + `"]`
}

// decide switches a purpose and returns how many acts that took from the page.
func (w *walk) decide(t *testing.T, decision string) int {
	t.Helper()
	w.to(t, "/me/purposes")
	w.acts = 0
	w.follow(t, switchOf("marketing", decision), "/me/purposes")
	return w.acts
}

func (w *walk) consent(t *testing.T) {
	w.mustSee(t, marketing, "hidden consent")
	consenting := w.decide(t, "grant")
	w.look(t, "uses-agreed")
	w.reads(t, w.titled(t, "marketing"))
	w.mustSee(t, marketing, "plain")
	withdrawing := w.decide(t, "withdraw")
	w.mustSee(t, marketing, "hidden consent")
	if withdrawing > consenting || !w.keyboard && withdrawing != 1 {
		t.Errorf("withdrawing takes %d acts, consenting %d", withdrawing, consenting)
	}
	t.Logf("consenting takes %d acts, withdrawing %d", consenting, withdrawing)
	w.decide(t, "grant")
	w.mustSee(t, marketing, "plain")

	w.to(t, "/me/purposes")
	w.do(t, w.use(t, `article.purpose:has(a[href*="receipt"]) summary`))
	w.verify(t, w.take(t, `a[href="/me/purposes/receipt?purpose=marketing"]`, "receipt.json"))
}

func (w *walk) correct(t *testing.T) {
	const form = `a[href="/me/correct?collection=customer&record=self"]`
	w.to(t, "/me")
	w.follow(t, form, "/me/correct")
	w.look(t, "correct")
	w.write(t, `[name="value.email"]`, "no address")
	w.follow(t, `form[action="/me/correct"] button`, "/me/correct")
	w.look(t, "correct-wrong")
	if !w.has(t, `[name="value.email"][aria-invalid=true]`) {
		t.Error("the page does not say what is wrong")
	}
	w.write(t, `[name="value.email"]`, "jack@example.org")
	w.write(t, `[name="value.city"]`, w.city)
	w.follow(t, `form[action="/me/correct"] button`, "/me")
	w.look(t, "corrected")
	w.reads(t, "jack@example.org", w.city)
	if _, got := w.sees(t, billing, "city"); got != w.city {
		t.Errorf("billing sees the city %q, want %q", got, w.city)
	}
}

func (w *walk) download(t *testing.T) {
	w.to(t, "/me/download")
	w.look(t, "download")
	doc := w.take(t, `a[href="/me/download/my-data.json"]`, "my-data.json")
	var out struct{ Subject string }
	if err := json.Unmarshal(doc, &out); err != nil || out.Subject != person {
		t.Errorf("the copy is of %q (%v)", out.Subject, err)
	}
	table := w.take(t, `a[href="/me/download/my-data.csv"]`, "my-data.csv")
	for _, s := range []string{"jack@example.org", w.city, "Microsoft Corporation", "1 Microsoft Way"} {
		if !strings.Contains(string(doc), s) || !strings.Contains(string(table), s) {
			t.Errorf("a copy lacks %q", s)
		}
	}
}

func (w *walk) pause(t *testing.T) {
	w.to(t, "/me/pause")
	w.look(t, "pause")
	w.follow(t, `form[action="/me/pause"] button`, "/me/pause")
	w.look(t, "paused")
	w.mustSee(t, billing, "hidden restricted")
	w.to(t, "/me")
	w.reads(t, "jack@example.org") // they see their own all the same
	w.to(t, "/me/pause")
	w.follow(t, `form[action="/me/pause"] button`, "/me/pause")
	w.mustSee(t, billing, "plain")
}

// readings counts how often the log says that billing has read the person's data.
func (w *walk) readings(t *testing.T) (n int) {
	t.Helper()
	for _, e := range get[struct {
		Entries []struct{ Purpose string }
	}](t, w.service, caller{role: "subject"}, aboutThem+"/access-history?limit=1000").Entries {
		if e.Purpose == "billing" {
			n++
		}
	}
	return n
}

func (w *walk) history(t *testing.T) {
	before := w.readings(t)
	w.mustSee(t, billing, "plain")
	await(t, "the log tells of billing", func() bool { return w.readings(t) > before })
	w.to(t, "/me/history")
	w.look(t, "history")
	told := eval[string](w.visitor, t, `[...document.querySelectorAll(".readings li")].find(e => e.querySelector("strong").textContent.includes("billing")).innerText`)
	for _, s := range []string{w.titled(t, "billing"), w.field("E-mail address")} {
		if !strings.Contains(told, s) {
			t.Errorf("the newest reading by billing lacks %q:\n%s", s, told)
		}
	}
}

func (w *walk) ask(t *testing.T) {
	w.to(t, "/me/requests")
	w.look(t, "requests")
	w.follow(t, `main a[href="/me/rights"]`, "/me/rights")
	w.look(t, "rights")
	if n := eval[int](w.visitor, t, `document.querySelectorAll("main article").length`); n < 6 {
		t.Errorf("%d rights are explained", n)
	}
	w.to(t, "/me/requests")
	w.follow(t, `main a[href="/me/requests/new"]`, "/me/requests/new")
	w.look(t, "ask")
	const question = "Why do you know my telephone number?"
	w.do(t, w.use(t, `input[name=kind][value=question]`))
	w.write(t, `textarea[name=text]`, question)
	if got := w.loads(t, w.use(t, `form[action="/me/requests"] button`)); got != http.StatusOK {
		t.Fatalf("filing a question: %d", got)
	}
	w.to(t, "/me/requests")
	w.look(t, "asked")
	w.loads(t, w.use(t, `main h3 a[href^="/me/requests/"]`))
	w.look(t, "question")
	w.reads(t, question)
}

// partners is a purpose for which data are sold.
const partners = `  partners:
    title: Offers of our partners
    text: Shops that work with us write to you.
    benefit: You hear of more.
    basis: legitimate_interests
    sells: true
    recipients: [Partners]
    retention: P1Y
    version: 1
    review_by: 2027-06-30
  analytics:
`

// A wording is a sentence of marketing, in both languages.
type wording struct{ english, german string }

// in is the sentence in a language.
func (w wording) in(lang string) string {
	if lang == "de" {
		return w.german
	}
	return w.english
}

// edited is the sample's catalog with one more purpose, and that wording of marketing.
func edited(t *testing.T, w wording) string {
	t.Helper()
	source := string(sample.Catalog())
	for old, text := range map[string]string{"  analytics:\n": partners, "We give your address to nobody else": w.english, "Wir geben Ihre Adresse an niemanden weiter": w.german} {
		if strings.Count(source, old) != 1 {
			t.Fatalf("the sample has %q not once", old)
		}
		source = strings.Replace(source, old, text, 1)
	}
	return source
}

func (w *walk) signal(t *testing.T) {
	w.apply(t, edited(t, wording{"We give your address to nobody else", "Wir geben Ihre Adresse an niemanden weiter"}))
	other := newVisitor(w.root, t, w.manner, network.Headers{"Sec-GPC": "1"})
	other.open(t, w.link(t, "panel"), http.StatusOK)
	other.follow(t, `form[action="/me/sign-in"] button`, "/me")
	other.follow(t, `nav a[href="/me/purposes"]`, "/me/purposes")
	other.look(t, "uses-signal")
	if !other.has(t, `.banner.good`) || !other.has(t, switchOf("partners", "grant")) {
		t.Errorf("the page does not tell of the signal:\n%s", other.text(t))
	}
	for _, c := range get[struct {
		Consents []struct{ Purpose, State, Method string }
	}](t, w.service, caller{role: "subject"}, consents).Consents {
		if c.Purpose == "partners" && c.Method == "gpc" && c.State == "objected" {
			return
		}
	}
	t.Error("the objection is not on record")
}

func (w *walk) notice(t *testing.T) {
	w.mustSee(t, marketing, "plain")
	next := wording{"We give your address to nobody outside", "Wir geben Ihre Adresse an niemanden außerhalb weiter"}
	w.apply(t, edited(t, next))
	w.mustSee(t, marketing, "hidden consent")
	w.to(t, "/me")
	w.follow(t, `.banner a[href="/me/notice"]`, "/me/notice")
	w.look(t, "notice")
	w.reads(t, next.in(w.lang))
	w.follow(t, switchOf("marketing", "grant"), "/me/purposes")
	w.look(t, "notice-decided")
	w.mustSee(t, marketing, "plain")
	if w.has(t, `.banner a[href="/me/notice"]`) {
		t.Error("the page still speaks of the change")
	}
}

func (w *walk) erase(t *testing.T) {
	unused := w.link(t, "panel")
	w.to(t, "/me/erase")
	w.look(t, "erase")
	w.follow(t, `main a[href="/me/erase/confirm"]`, "/me/erase/confirm")
	w.look(t, "erase-confirm")
	const button = `form[action="/me/erase"] button`
	w.do(t, w.use(t, `#sure`))
	w.tooSoon(t, button)
	w.follow(t, button, "/me/erase")
	w.look(t, "erased")
	doc := w.take(t, `main a[href^="/me/certificate/"]`, "certificate.json")
	if !strings.Contains(string(doc), "erasure-certificate") {
		t.Errorf("the certificate: %s", doc)
	}
	w.verify(t, doc)

	w.open(t, w.URL+"/me", http.StatusUnauthorized)
	w.heard(t, "after the erasure", http.StatusUnauthorized)
	w.open(t, unused, http.StatusOK)
	if got := w.loads(t, w.use(t, `form[action="/me/sign-in"] button`)); got != http.StatusForbidden {
		t.Errorf("a link works after the erasure: %d", got)
	}
	w.heard(t, "a link after the erasure", http.StatusForbidden)
	w.look(t, "link-after")
	if status, body := w.request(t, billing, http.MethodGet, aboutThem+"/records/customer/self?fields=email", ""); status != http.StatusGone {
		t.Errorf("billing: %d %s", status, body)
	}
}

// tooSoon shows that the button does nothing yet, and waits until it does.
func (w *walk) tooSoon(t *testing.T, button string) {
	t.Helper()
	if w.scripts {
		if !eval[bool](w.visitor, t, `document.querySelector(`+quote(button)+`).disabled`) {
			t.Error("the button can be used at once")
		}
		await(t, "the button", func() bool { return eval[bool](w.visitor, t, `!document.querySelector(`+quote(button)+`).disabled`) })
		return
	}
	w.follow(t, button, "/me/erase")
	w.look(t, "erase-early")
	w.mustSee(t, billing, "plain")
	w.do(t, w.use(t, `#sure`))
	wait := eval[int](w.visitor, t, `Number(document.querySelector("form[data-wait]").dataset.wait)`)
	w.do(t, chromedp.Sleep(time.Duration(wait)*time.Second+time.Second/2))
}
