package portal_test

import (
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/rights"
	"github.com/fieldvault/fieldvault/vault/rights/bundle"
)

var requestInPage = regexp.MustCompile(`href="/me/requests/([0-9a-f-]{36})"`)

// TestAskingAQuestion is promise 9: a question is filed in the panel, answered by an
// officer, and read in the panel.
func TestAskingAQuestion(t *testing.T) {
	s := newSite(t)
	b := s.in(t)
	wantText(t, b.get(t, "/me/requests/new?kind=question"), `name="text"`)
	wantText(t, b.get(t, "/me/rights"), "/me/erase")
	if r := b.post(t, "/me/requests", url.Values{"kind": {"question"}, "text": {"  "}}); r.path != "/me/requests" || requestInPage.MatchString(r.body) {
		t.Errorf("a question without words was filed")
	}
	r := b.post(t, "/me/requests", url.Values{"kind": {"question"}, "text": {"Why do you keep my\r\ntelephone number?"}})
	m := requestInPage.FindStringSubmatch(r.body)
	if m == nil {
		t.Fatalf("it is not in the list:\n%s", r.body)
	}
	wantText(t, b.get(t, "/me/requests/"+m[1]), "Why do you keep my\ntelephone number?")
	id := uuid.MustParse(m[1])
	asked, err := s.Request(t.Context(), s.As("dpo", ""), id)
	if err != nil || string(asked.Text.Expose()) != "Why do you keep my\ntelephone number?" {
		t.Fatalf("%+v, %v", asked, err)
	}
	s.Clock.Advance(5 * time.Minute)
	if _, err := s.StepRequest(t.Context(), s.As("dpo", ""), id, rights.Step{Do: rights.Complete}, "To call you about your orders."); err != nil {
		t.Fatal(err)
	}
	wantText(t, b.get(t, "/me/requests/"+m[1]), "To call you about your orders.", "/evidence")
	r = b.get(t, "/me/requests/"+m[1]+"/evidence")
	if _, err := bundle.Verify([]byte(r.body), s.VerifierKey()); err != nil || r.status != 200 {
		t.Errorf("the bundle: %d, %v", r.status, err)
	}
}

func TestFilingAndCancelling(t *testing.T) {
	s := newSite(t)
	b := s.in(t)
	r := b.post(t, "/me/requests", url.Values{"kind": {"access"}, "text": {""}})
	m := requestInPage.FindStringSubmatch(r.body)
	if m == nil || !strings.Contains(r.body, "December") { // due within a month of 23 November
		t.Fatalf("no request with a date:\n%s", r.body)
	}
	if r := b.post(t, "/me/requests/cancel", url.Values{"request": {m[1]}}); r.path != "/me/requests" {
		t.Errorf("%d at %s", r.status, r.path)
	}
	list, err := s.RequestsOf(t.Context(), s.As("dpo", ""), "c-1")
	if err != nil || len(list) != 1 || list[0].State != rights.Cancelled {
		t.Errorf("%+v, %v", list, err)
	}
	for _, kind := range []string{"objection", "nothing", ""} {
		b.post(t, "/me/requests", url.Values{"kind": {kind}, "text": {"x"}})
	}
	if list, _ := s.RequestsOf(t.Context(), s.As("dpo", ""), "c-1"); len(list) != 1 {
		t.Errorf("%d requests", len(list))
	}
}

// TestAttackAnothersRequest: a request is shown to whoever filed it.
func TestAttackAnothersRequest(t *testing.T) {
	s := newSite(t)
	s.Put(t, "c-2", "customer", "self", map[string]string{"email": "leonekohler@surfeu.de"})
	q, err := s.FileRequest(t.Context(), s.Person("c-2", ""), fileOf("c-2", "my secret"))
	if err != nil {
		t.Fatal(err)
	}
	b := s.in(t)
	for _, id := range []string{q.ID.String(), "00000000-0000-0000-0000-000000000000", "x", "..%2f"} {
		if r := b.get(t, "/me/requests/"+id); r.status != 404 || strings.Contains(r.body, "my secret") {
			t.Errorf("%s: %d", id, r.status)
		}
	}
	if r := b.post(t, "/me/requests/cancel", url.Values{"request": {q.ID.String()}}); r.status != 404 {
		t.Errorf("cancelling another's: %d", r.status)
	}
}

func fileOf(subject, text string) vault.Filed {
	return vault.Filed{Subject: subject, Kind: rights.Question, Text: text}
}
