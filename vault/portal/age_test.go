package portal_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/fieldvault/fieldvault/deploy/sample"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

// asksAge makes marketing a purpose that people may agree to alone from the age of 16.
func asksAge(t *testing.T, s *site) {
	t.Helper()
	source := strings.Replace(string(sample.Catalog()), "  marketing:\n", "  marketing:\n    min_age: 16\n", 1)
	if _, err := s.ApplyCatalog(t.Context(), s.Operator(), []byte(source), false); err != nil {
		t.Fatal(err)
	}
}

// TestAgeIsAskedWithConsent: where the law protects children, the panel asks how old the
// person is, in words that do not tell which answer helps, and takes no consent of one who
// is too young.
func TestAgeIsAskedWithConsent(t *testing.T) {
	s := newSite(t)
	asksAge(t, s)
	b := s.in(t)
	r := b.get(t, "/me/purposes")
	wantText(t, r, "How old are you?")
	if strings.Contains(r.body, "16") && strings.Contains(r.body, "from the age") {
		t.Error("the page tells which answer helps")
	}
	for age, sees := range map[string]string{"": "hiddenconsent", "x": "hiddenconsent", "0": "hiddenconsent", "-20": "hiddenconsent", "151": "hiddenconsent", "15": "hiddenconsent"} {
		r := b.post(t, "/me/purposes", url.Values{"purpose": {"marketing"}, "decision": {"grant"}, "notice": {"2"}, "age": {age}})
		if got := s.sees(t, "marketing", "marketing"); got != sees || r.status != 200 || strings.Count(r.body, `aria-invalid="true"`) != 1 {
			t.Errorf("at the age of %q: marketing sees %s (%d)", age, got, r.status)
		}
	}
	b.post(t, "/me/purposes", url.Values{"purpose": {"marketing"}, "decision": {"grant"}, "notice": {"2"}, "age": {"16"}})
	if got := s.sees(t, "marketing", "marketing"); got != "plain" {
		t.Errorf("at the age of 16: marketing sees %s", got)
	}
	b.post(t, "/me/purposes", url.Values{"purpose": {"marketing"}, "decision": {"withdraw"}, "notice": {"2"}}) // as easy as ever
	if got := s.sees(t, "marketing", "marketing"); got != "hiddenconsent" {
		t.Errorf("after the withdrawal: marketing sees %s", got)
	}
}

// TestAgeInTheForm: nothing is recorded until the age fits what is ticked.
func TestAgeInTheForm(t *testing.T) {
	s := newSite(t)
	asksAge(t, s)
	token, _, err := s.IssueTicket(t.Context(), s.As("app", ""), "c-1", vault.TicketForm, "")
	if err != nil {
		t.Fatal(err)
	}
	b := s.browser(t)
	wantText(t, b.get(t, "/consent?token="+url.QueryEscape(token)), "How old are you?")
	form := url.Values{"token": {token}, "notice": {"2"}, "purpose": {"marketing", "analytics"}, "age": {"12"}}
	r := b.post(t, "/consent", form)
	if strings.Count(r.body, " checked") != 2 || !strings.Contains(r.body, `aria-invalid="true"`) {
		t.Errorf("the form does not come back as it was: %s", r.body)
	}
	if list, err := s.Decisions(t.Context(), s.As("dpo", ""), "c-1"); err != nil || len(list) != 0 {
		t.Errorf("recorded: %+v, %v", list, err)
	}
	form.Set("age", "40")
	b.post(t, "/consent", form)
	if got := s.sees(t, "marketing", "marketing"); got != "plain" {
		t.Errorf("marketing sees %s", got)
	}
	if _, err := s.Form(t.Context(), token, vaulttest.NewID()); err == nil {
		t.Error("the form can be sent again")
	}
}
