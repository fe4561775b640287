package console_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/erasure"
	"github.com/fieldvault/fieldvault/vault/portal/console"
	"github.com/fieldvault/fieldvault/vault/rights"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

// A site is the console on a vault with customers of the sample.
type site struct {
	*vaulttest.Vault
	url       string
	transport http.RoundTripper
}

// values are what is stored of c-1: nobody sees one whom policy does not let.
var values = map[string]string{
	"first_name": "Luís", "last_name": "Gonçalves", "email": "luisg@embraer.com.br", "phone": "+55 12 3923 5555",
	"address": "Av. Brigadeiro Faria Lima, 2170", "city": "São José dos Campos",
}

func newSite(t *testing.T, change ...func(*console.Config)) *site {
	t.Helper()
	v := vaulttest.New(t, vaulttest.Options{Limits: erasure.Limits{PerWindow: 20, PerMille: -1}})
	v.Put(t, "c-1", "customer", "self", values)
	v.Put(t, "c-1", "invoice", "98", map[string]string{"date": "2009-03-11", "city": values["city"]})
	v.Put(t, "c-2", "customer", "self", map[string]string{"first_name": "Leonie", "email": "leonekohler@surfeu.de"})
	cfg := console.Config{
		Vault: v.Vault, Logger: slog.New(slog.DiscardHandler), Now: v.Clock.Now, NewID: vaulttest.NewID, Tenant: vaulttest.Tenant,
		Verify: verify(v), Keys: v.Keeper(), Keeper: true, MaxInFlight: 16, Rate: 1e6, Burst: 1e6,
	}
	for _, f := range change {
		f(&cfg)
	}
	h, err := console.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewTLSServer(h)
	t.Cleanup(s.Close)
	return &site{v, s.URL, s.Client().Transport}
}

// verify takes the name of a role for a token of it, and person: for one of a person.
func verify(v *vaulttest.Vault) func(context.Context, string) (accessctl.Principal, error) {
	return func(_ context.Context, token string) (accessctl.Principal, error) {
		if subject, ok := strings.CutPrefix(token, "person:"); ok {
			return v.Person(subject, "").Principal, nil
		}
		if token == "unreadable keys" {
			return accessctl.Principal{}, fmt.Errorf("%w: keys", vault.ErrUnavailable)
		}
		if token == "" || strings.Contains(token, " ") {
			return accessctl.Principal{}, errors.New("no such token")
		}
		name, role, ok := strings.Cut(token, "/") // another of the same role
		if !ok {
			role = name
		}
		p := v.As(accessctl.Role(role), "").Principal
		p.Subject = name
		return p, nil
	}
}

// A browser keeps cookies and says where its requests come from.
type browser struct {
	*http.Client
	site *site
}

func (s *site) browser(t *testing.T) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{&http.Client{Jar: jar, Transport: s.transport}, s}
}

// as is a browser in which somebody of the role is signed in.
func (s *site) as(t *testing.T, role string) *browser {
	t.Helper()
	b := s.browser(t)
	if r := b.post(t, "/console/sign-in", url.Values{"token": {role}}); r.status != 200 || r.path != "/console" {
		t.Fatalf("signing in as %s: %d at %s\n%s", role, r.status, r.path, r.body)
	}
	return b
}

// A reply is where the browser ended up, and what it got.
type reply struct {
	status int
	path   string
	header http.Header
	body   string
}

func (b *browser) do(t *testing.T, method, path string, form url.Values, change func(*http.Request)) reply {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, b.site.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	if change != nil {
		change(r)
	}
	resp, err := b.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // it was read
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Request.URL.RequestURI(), resp.Header, string(body)}
}

func (b *browser) get(t *testing.T, path string) reply {
	t.Helper()
	return b.do(t, http.MethodGet, path, nil, nil)
}

func (b *browser) post(t *testing.T, path string, form url.Values) reply {
	t.Helper()
	return b.do(t, http.MethodPost, path, form, nil)
}

func wants(t *testing.T, r reply, texts ...string) {
	t.Helper()
	if r.status != 200 {
		t.Errorf("%s: %d", r.path, r.status)
	}
	for _, s := range texts {
		if !strings.Contains(r.body, s) {
			t.Errorf("%s does not say %q:\n%s", r.path, s, r.body)
		}
	}
}

// sequence puts the events into the log.
func (s *site) sequence(t *testing.T) {
	t.Helper()
	if _, err := s.Sequence(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestRequestFromLetterToEvidence: an officer files a letter, confirms who wrote it,
// answers, and takes the evidence; nothing is told to who may not see it.
func TestRequestFromLetterToEvidence(t *testing.T) {
	s := newSite(t)
	b := s.as(t, "dpo")
	day := s.Clock.Now().AddDate(0, 0, -3).Format(time.DateOnly)
	form := url.Values{"kind": {"access"}, "person": {"c-1"}, "text": {"Please tell me what you hold."}, "received": {day}}
	for lacks, with := range map[string]url.Values{
		"a person": {"kind": {"access"}, "person": {""}}, "somebody known": {"kind": {"access"}, "person": {"c-9"}},
		"a kind": {"kind": {"x"}, "person": {"c-1"}}, "a question": {"kind": {"question"}, "person": {"c-1"}},
		"a day": {"kind": {"access"}, "person": {"c-1"}, "received": {"2099-01-01"}},
	} {
		if r := b.post(t, "/console/requests", with); r.status != 200 || r.path != "/console/requests" || !strings.Contains(r.body, `aria-invalid="true"`) {
			t.Errorf("without %s: %d at %s", lacks, r.status, r.path)
		}
	}
	r := b.post(t, "/console/requests", form)
	wants(t, r, "Please tell me what you hold.", "c-1")
	path := r.path
	if !strings.HasPrefix(path, "/console/requests/0") {
		t.Fatalf("it ended at %s", path)
	}
	wants(t, b.get(t, "/console/requests"), path, "<td") // listed, and open
	wants(t, b.post(t, path, url.Values{"do": {"confirm_identity"}}))
	if r := b.post(t, path, url.Values{"do": {"complete"}}); r.path != path || !strings.Contains(r.body, `aria-invalid="true"`) {
		t.Errorf("without an answer: %d", r.status)
	}
	if r := b.post(t, path, url.Values{"do": {"refuse"}, "answer": {"No."}}); r.path != path || !strings.Contains(r.body, `aria-invalid="true"`) {
		t.Errorf("without a reason: %d", r.status)
	}
	wants(t, b.post(t, path, url.Values{"do": {"complete"}, "answer": {"This is what we hold."}}), "This is what we hold.", path+"/evidence")
	if r := b.get(t, path+"/evidence"); r.status != 200 || !strings.HasPrefix(r.body, "PK") {
		t.Errorf("the evidence: %d", r.status)
	}
	if r := b.post(t, path, url.Values{"do": {"refuse"}, "reason": {"excessive"}, "answer": {"Too late."}}); r.status != 200 || strings.Contains(r.body, "Refused</span>") {
		t.Errorf("a step after the end: %d", r.status)
	}
	wants(t, b.get(t, "/console/requests?show=closed"), path)
	for _, p := range []string{path, path + "/evidence", "/console/requests"} {
		if r := s.as(t, "support").get(t, p); r.status != 403 {
			t.Errorf("support at %s: %d", p, r.status)
		}
	}
}

// TestPeople: what policy shows, under the purpose that was chosen, and what may be done.
func TestPeople(t *testing.T) {
	s := newSite(t)
	support := s.as(t, "support")
	wants(t, support.post(t, "/console/people", url.Values{"field": {"customer.email"}, "value": {"LuisG@embraer.com.br"}, "purpose": {"support"}}), "/console/people/c-1")
	if r := support.post(t, "/console/people", url.Values{"field": {"customer.email"}, "value": {"nobody@example.org"}, "purpose": {"support"}}); strings.Contains(r.body, "/console/people/c-") {
		t.Error("somebody was found who is not there")
	}
	r := support.post(t, "/console/people/c-1", url.Values{"purpose": {"support"}})
	wants(t, r, "••••@embraer.com.br", "•••• 5555") // a mask is not masked again
	if strings.Contains(r.body, values["email"]) {
		t.Error("support sees an address in full")
	}
	wants(t, s.as(t, "billing").post(t, "/console/people/c-1", url.Values{"purpose": {"billing"}}), values["email"], "Luís")
	for role, purpose := range map[string]string{"support": "billing", "billing": "marketing", "dpo": "support", "operator": "support"} {
		if r := s.as(t, role).post(t, "/console/people/c-1", url.Values{"purpose": {purpose}}); r.status != 403 {
			t.Errorf("%s for %s: %d", role, purpose, r.status)
		}
	}
	dpo := s.as(t, "dpo")
	wants(t, dpo.get(t, "/console/people/c-1"), "/console/people/c-1/hold", "/console/people/c-1/erase")
	if r := dpo.get(t, "/console/people/c-9"); strings.Contains(r.body, "/console/people/c-9/hold") {
		t.Error("a page of nobody")
	}
	dpo.post(t, "/console/people/c-1/hold", url.Values{"on": {"yes"}, "reason": {""}})
	if m, err := s.Export(t.Context(), s.As("dpo", ""), "c-1"); err != nil || m.Held {
		t.Errorf("held without a reason: %v", err)
	}
	dpo.post(t, "/console/people/c-1/hold", url.Values{"on": {"yes"}, "reason": {"a lawsuit"}})
	dpo.post(t, "/console/people/c-1/pause", url.Values{"on": {"yes"}, "reason": {"being cleared up"}})
	if m, err := s.Export(t.Context(), s.As("dpo", ""), "c-1"); err != nil || !m.Held || !m.Restricted {
		t.Errorf("held %v, restricted %v, %v", m.Held, m.Restricted, err)
	}
	erase := url.Values{"reason": {"asked for it"}, "sure": {"yes"}}
	dpo.post(t, "/console/people/c-1/erase", erase)
	if _, err := s.Export(t.Context(), s.As("dpo", ""), "c-1"); err != nil {
		t.Errorf("somebody on hold was erased: %v", err)
	}
	dpo.post(t, "/console/people/c-1/hold", url.Values{"on": {"no"}, "reason": {"it is over"}})
	dpo.post(t, "/console/people/c-1/erase", url.Values{"reason": {"asked for it"}})
	if _, err := s.Export(t.Context(), s.As("dpo", ""), "c-1"); err != nil {
		t.Errorf("somebody was erased without a tick: %v", err)
	}
	r = dpo.post(t, "/console/people/c-1/erase", erase)
	wants(t, r, "/console/certificates/")
	if _, err := s.Export(t.Context(), s.As("dpo", ""), "c-1"); !errors.Is(err, vault.ErrGone) {
		t.Errorf("after the erasure: %v", err)
	}
	_, rest, _ := strings.Cut(r.body, "/console/certificates/")
	id, _, _ := strings.Cut(rest, `"`)
	wants(t, dpo.get(t, "/console/certificates/"+id), `"guarantees"`)
}

// TestErasureRequestIsEndedByTheErasure: the page leads there, and offers no step that
// would be refused.
func TestErasureRequestIsEndedByTheErasure(t *testing.T) {
	s := newSite(t)
	b := s.as(t, "dpo")
	r := b.post(t, "/console/requests", url.Values{"kind": {"erasure"}, "person": {"c-1"}})
	path := r.path
	wants(t, r, "/console/people/c-1/erase")
	if strings.Contains(r.body, `value="complete"`) {
		t.Error("it can be completed without an erasure")
	}
	if r := b.post(t, path, url.Values{"do": {"complete"}, "answer": {"Done."}}); r.status != 200 {
		t.Errorf("a step that is refused: %d", r.status)
	}
	b.post(t, "/console/people/c-1/erase", url.Values{"reason": {"asked for it"}, "sure": {"yes"}})
	wants(t, b.get(t, "/console/requests?show=closed"), path)
}

// TestOddAddresses: what no page of ours asks for is not there, and nothing breaks.
func TestOddAddresses(t *testing.T) {
	s := newSite(t)
	b := s.as(t, "dpo")
	s.Put(t, "a@b.org", "customer", "self", map[string]string{"city": "Oslo"})
	wants(t, b.get(t, "/console/people/a%40b.org"), "a@b.org")
	for _, path := range []string{
		"/console/people/%20", "/console/people/%FF", "/console/people/..%2F..", "/console/people/M%C3%BCller", "/console/audit?person=M%C3%BCller",
		"/console/audit/-1", "/console/audit/99999999999999999999", "/console/audit?at=-5", "/console/requests?cursor=x", "/console/requests?show=x",
		"/console/explain?consent=none&role=dpo&field=bogus&purpose=bogus", "/console/reports?days=-1", "/console/requests/x", "/console/certificates/x",
	} {
		if r := b.get(t, path); r.status >= 500 || r.status == 403 {
			t.Errorf("%s: %d", path, r.status)
		}
	}
}

// TestApprovals: what is beyond what one may do alone waits for another.
func TestApprovals(t *testing.T) {
	s := newSite(t)
	dpo := s.as(t, "dpo")
	for i := range 21 {
		person := "e-" + string(rune('a'+i))
		s.Put(t, person, "customer", "self", map[string]string{"city": "Paris"})
		dpo.post(t, "/console/people/"+person+"/erase", url.Values{"reason": {"asked for it"}, "sure": {"yes"}})
	}
	if _, err := s.Export(t.Context(), s.As("dpo", ""), "e-u"); err != nil {
		t.Fatalf("the last one is erased without a second person: %v", err)
	}
	r := dpo.get(t, "/console/approvals")
	if strings.Contains(r.body, `name="approval"`) {
		t.Error("one may decide about what one asked for")
	}
	other := s.as(t, "second/dpo")
	r = other.get(t, "/console/approvals")
	_, rest, ok := strings.Cut(r.body, `name="approval" value="`)
	id, _, _ := strings.Cut(rest, `"`)
	if !ok {
		t.Fatalf("nothing to decide:\n%s", r.body)
	}
	wants(t, other.get(t, "/console"), "/console/approvals")
	wants(t, other.post(t, "/console/approvals", url.Values{"approval": {id}, "agree": {"yes"}}))
	dpo.post(t, "/console/people/e-u/erase", url.Values{"reason": {"asked for it"}, "sure": {"yes"}})
	if _, err := s.Export(t.Context(), s.As("dpo", ""), "e-u"); !errors.Is(err, vault.ErrGone) {
		t.Errorf("after the approval: %v", err)
	}
}

// TestService: keys, jobs, catalog, policy and the log, to who runs the service.
func TestService(t *testing.T) {
	s := newSite(t)
	s.as(t, "billing").post(t, "/console/people/c-1", url.Values{"purpose": {"billing"}})
	s.sequence(t)
	s.Clock.Advance(time.Second) // a report is of what was before
	op := s.as(t, "operator")
	wants(t, op.get(t, "/console/keys"), vaulttest.Tenant)
	wants(t, op.post(t, "/console/keys", url.Values{"do": {"key_rotation"}}), "<progress")
	op.post(t, "/console/keys", url.Values{"do": {"trim"}})
	jobs, err := s.Jobs(t.Context(), s.As("operator", ""))
	if err != nil || len(jobs) != 1 || jobs[0].Kind != vault.JobRotate {
		t.Errorf("jobs %+v, %v", jobs, err)
	}
	wants(t, op.get(t, "/console/catalog"), "marketing", "E-mail")
	wants(t, op.get(t, "/console/explain?role=support&purpose=support&field=customer.email&consent=none"), "support-masked")
	wants(t, op.get(t, "/console/explain?role=operator&role=billing&purpose=billing&field=customer.email&consent=none"), "operators-read-nothing")
	wants(t, op.get(t, "/console/audit"), "/console/audit/0", "Looking at data")
	wants(t, op.get(t, "/console/audit?person=c-1&from=2026-01-01"), "billing")
	if r := op.get(t, "/console/audit?from=x"); !strings.Contains(r.body, `aria-invalid="true"`) {
		t.Error("x is a day")
	}
	wants(t, op.get(t, "/console/audit/0"), "proven")
	if r := op.get(t, "/console/audit/999999"); r.status != 404 {
		t.Errorf("an event that is not there: %d", r.status)
	}
	for _, days := range []string{"", "?days=7", "?days=90", "?days=365", "?days=4"} {
		wants(t, op.get(t, "/console/reports"+days), "<svg", "billing")
	}
}

// TestEntryThatWasChanged: an entry whose text somebody rewrote is shown as that, and never
// as proven, while its hash stands in the tree.
func TestEntryThatWasChanged(t *testing.T) {
	s := newSite(t)
	s.sequence(t)
	op := s.as(t, "operator")
	wants(t, op.get(t, "/console/audit/1"), "local:test")
	s.sql(t, `DROP TRIGGER IF EXISTS event_intake_stands`, `DROP TRIGGER IF EXISTS event_intake_stays`,
		`UPDATE event_intake SET leaf = CAST(replace(CAST(leaf AS TEXT), 'local:test', 'local:evil') AS BLOB)`)
	r := op.get(t, "/console/audit/1")
	if strings.Contains(r.body, "local:evil") || !strings.Contains(r.body, `class="banner bad`) {
		t.Errorf("an entry that was changed: %d\n%s", r.status, r.body)
	}
	wants(t, op.get(t, "/console/audit"), `class="banner good`) // the newest entry is genuine
	r = op.get(t, "/console/audit")
	if strings.Contains(r.body, ">evil<") || strings.Count(r.body, "This entry was changed") < 2 {
		t.Errorf("the list: %d\n%s", r.status, r.body)
	}
}

// TestNewestEntryThatWasChanged: its text is compared, too.
func TestNewestEntryThatWasChanged(t *testing.T) {
	s := newSite(t)
	s.sequence(t)
	op := s.as(t, "operator")
	s.sql(t, `DROP TRIGGER IF EXISTS event_intake_stands`, `UPDATE event_intake SET leaf = CAST(replace(CAST(leaf AS TEXT), 'allowed', 'denied') AS BLOB)`)
	for _, path := range []string{"/console", "/console/audit"} {
		if r := op.get(t, path); !strings.Contains(r.body, `class="banner bad`) {
			t.Errorf("%s does not say that the log was changed", path)
		}
	}
}

// sql changes the store behind the service's back.
func (s *site) sql(t *testing.T, statements ...string) {
	t.Helper()
	s.Tampered()
	db, err := sql.Open("sqlite", s.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // the test ends
	for _, q := range statements {
		if _, err := db.ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLogThatWasChanged: the console says so.
func TestLogThatWasChanged(t *testing.T) {
	s := newSite(t)
	s.sequence(t)
	op := s.as(t, "operator")
	before := op.get(t, "/console/audit")
	s.sql(t, `DROP TRIGGER IF EXISTS audit_leaf_stands`, `UPDATE audit_leaf SET hash = zeroblob(32)`)
	after := op.get(t, "/console/audit")
	if before.status != 200 || strings.Contains(before.body, `class="banner bad`) || !strings.Contains(after.body, `class="banner bad`) {
		t.Errorf("a log that was changed: %d\n%s", after.status, after.body)
	}
}

// filed is a request of c-1.
var filed = vault.Filed{Subject: "c-1", Kind: rights.Access, Text: "Please tell me what you hold."}
