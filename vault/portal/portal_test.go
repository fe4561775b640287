package portal_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/deploy/sample"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/portal"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

// A site is the portal on a vault with one customer of the sample.
type site struct {
	*vaulttest.Vault
	url string
}

const frames = "https://shop.example.org"

func newSite(t *testing.T, change ...func(*portal.Config)) *site {
	t.Helper()
	source := strings.Replace(string(sample.Catalog()), "  analytics:\n", sells, 1)
	v := vaulttest.New(t, vaulttest.Options{Catalog: source})
	v.Put(t, "c-1", "customer", "self", map[string]string{"first_name": "Luís", "email": "luisg@embraer.com.br", "phone": "+55 12 3923 5555", "city": "São José dos Campos"})
	v.Put(t, "c-1", "invoice", "98", map[string]string{"date": "2009-03-11", "city": "São José dos Campos"})
	cfg := portal.Config{
		Vault: v.Vault, Logger: slog.New(slog.DiscardHandler), Now: v.Clock.Now, NewID: vaulttest.NewID, Tenant: vaulttest.Tenant,
		Export: func(m *vault.Manifest, csv bool) ([]byte, error) { return json.Marshal(m.Subject) }, Frames: []string{frames}, MaxInFlight: 16, Rate: 1000, Burst: 1000,
	}
	for _, f := range change {
		f(&cfg)
	}
	h, err := portal.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewTLSServer(h)
	t.Cleanup(s.Close)
	transport = s.Client().Transport
	return &site{v, s.URL}
}

// sells is a purpose for which data are sold.
const sells = `  partners:
    title: Offers of our partners
    text: Our partners write to you.
    benefit: You hear of more.
    basis: legitimate_interests
    sells: true
  analytics:
`

var transport http.RoundTripper

// A browser keeps cookies and says where its requests come from.
type browser struct {
	*http.Client
	site *site
	gpc  bool
}

func (s *site) browser(t *testing.T) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{Client: &http.Client{Jar: jar, Transport: transport}, site: s}
}

// in is a browser in which the customer is signed in.
func (s *site) in(t *testing.T) *browser {
	t.Helper()
	b := s.browser(t)
	if got := b.post(t, "/me/sign-in", url.Values{"token": {s.link(t, "")}}); got.status != 200 || got.path != "/me" {
		t.Fatalf("signing in: %d at %s\n%s", got.status, got.path, got.body)
	}
	return b
}

func (s *site) link(t *testing.T, browser string) string {
	t.Helper()
	token, _, err := s.IssueTicket(t.Context(), s.As("app", ""), "c-1", vault.TicketLink, browser)
	if err != nil {
		t.Fatal(err)
	}
	return token
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
	if b.gpc {
		r.Header.Set("Sec-GPC", "1")
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

func wantText(t *testing.T, r reply, texts ...string) {
	t.Helper()
	for _, s := range texts {
		if !strings.Contains(r.body, s) {
			t.Errorf("%s does not say %q:\n%s", r.path, s, r.body)
		}
	}
}

// sees says what a caller gets of the customer's address.
func (s *site) sees(t *testing.T, role accessctl.Role, purpose accessctl.Purpose) string {
	t.Helper()
	out, err := s.Reveal(t.Context(), s.As(role, purpose), []vault.Item{{Subject: "c-1", Collection: "customer", Record: "self", Fields: []string{"email"}}})
	if err != nil || out[0].Err != nil {
		t.Fatalf("%+v, %v", out, err)
	}
	f := out[0].Fields[0]
	return f.View.String() + string(f.Reason)
}

func TestOverviewShowsOwnData(t *testing.T) {
	s := newSite(t)
	b := s.in(t)
	s.Put(t, "c-1", "invoice", "99", map[string]string{"date": "2010-06-13", "city": "São José dos Campos"})
	r := b.get(t, "/me")
	wantText(t, r, "luisg@embraer.com.br", "Luís", "11 March 2009", "Helping you", "/me/correct?collection=customer")
	if strings.Index(r.body, "13 June 2010") > strings.Index(r.body, "11 March 2009") {
		t.Error("the invoices do not begin with the latest")
	}
	for _, path := range []string{"/me/download/my-data.json", "/me/download/my-data.csv"} {
		if r := b.get(t, path); r.status != 200 || r.body != `"c-1"` || !strings.HasPrefix(r.header.Get("Content-Disposition"), "attachment") {
			t.Errorf("%s: %d %s", path, r.status, r.body)
		}
	}
	wantText(t, b.get(t, "/me?lang=de"), `lang="de"`)
	wantText(t, b.get(t, "/me/download"), `lang="de"`) // it is remembered
}

// TestConsentIsOneClickEitherWay: a switch works at once, and withdrawing takes no more
// requests than consenting.
func TestConsentIsOneClickEitherWay(t *testing.T) {
	s := newSite(t)
	b := s.in(t)
	if got := s.sees(t, "marketing", "marketing"); got != "hiddenconsent" {
		t.Fatal(got)
	}
	for _, c := range []struct{ decision, sees string }{{"grant", "plain"}, {"withdraw", "hiddenconsent"}, {"grant", "plain"}} {
		r := b.post(t, "/me/purposes", url.Values{"purpose": {"marketing"}, "decision": {c.decision}, "notice": {"1"}})
		if r.status != 200 || r.path != "/me/purposes" {
			t.Fatalf("%s: %d at %s", c.decision, r.status, r.path)
		}
		wantText(t, r, "Telling you about music you may like")
		if got := s.sees(t, "marketing", "marketing"); got != c.sees {
			t.Errorf("after %s marketing sees %s, want %s", c.decision, got, c.sees)
		}
	}
	if r := b.get(t, "/me/purposes/receipt?purpose=marketing"); r.status != 200 || !strings.Contains(r.body, `"event_state":"granted"`) {
		t.Errorf("the receipt: %d %s", r.status, r.body)
	}
	list, err := s.Decisions(t.Context(), s.As("dpo", ""), "c-1")
	if err != nil || len(list) != 3 || list[0].Method != "portal" || list[0].Notice != "1" {
		t.Errorf("on record: %+v, %v", list, err)
	}
}

// TestChangedNoticeAsksAgain is promise 12 on the pages.
func TestChangedNoticeAsksAgain(t *testing.T) {
	s := newSite(t)
	b := s.in(t)
	b.post(t, "/me/purposes", url.Values{"purpose": {"marketing"}, "decision": {"grant"}, "notice": {"1"}})
	source := strings.Replace(string(sample.Catalog()), "We give your address to nobody else", "We give it to nobody", 1)
	if _, err := s.ApplyCatalog(t.Context(), s.Operator(), []byte(source), false); err != nil {
		t.Fatal(err)
	}
	if got := s.sees(t, "marketing", "marketing"); got != "hiddenconsent" {
		t.Errorf("marketing sees %s", got)
	}
	wantText(t, b.get(t, "/me"), "/me/notice")
	wantText(t, b.get(t, "/me/notice"), "We describe it in other words", "We give it to nobody")
	// Of words in another language the page says that they are others, in its own.
	wantText(t, b.get(t, "/me/notice?lang=de"), "Die Worte in einer anderen Sprache sind andere.")
	b.get(t, "/me/notice?lang=en")
	// A click on a page that was loaded before the change is no consent to it.
	b.post(t, "/me/purposes", url.Values{"purpose": {"marketing"}, "decision": {"grant"}, "notice": {"1"}})
	if got := s.sees(t, "marketing", "marketing"); got != "hiddenconsent" {
		t.Errorf("after a click on the old page marketing sees %s", got)
	}
	b.post(t, "/me/notice", url.Values{"purpose": {"marketing"}, "decision": {"grant"}, "notice": {"2"}})
	if got := s.sees(t, "marketing", "marketing"); got != "plain" {
		t.Errorf("after deciding again marketing sees %s", got)
	}
}

// TestGlobalPrivacyControl: the browser's signal ends a sale, once; a later choice stands
// and the conflict is shown.
func TestGlobalPrivacyControl(t *testing.T) {
	s := newSite(t)
	b := s.in(t)
	state := func() string {
		t.Helper()
		list, err := s.Consents(t.Context(), s.As("dpo", ""), "c-1")
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range list {
			if c.Purpose == "partners" {
				return c.State.String() + " " + c.Method
			}
		}
		return "no such purpose"
	}
	b.get(t, "/me")
	if got := state(); got != "none " {
		t.Errorf("without the signal: %s", got)
	}
	b.gpc = true
	b.get(t, "/me")
	if got := state(); got != "objected gpc" {
		t.Errorf("with the signal: %s", got)
	}
	b.post(t, "/me/purposes", url.Values{"purpose": {"partners"}, "decision": {"allow"}, "notice": {"1"}})
	b.get(t, "/me")
	if got := state(); got != "granted portal" {
		t.Errorf("after a choice: %s", got)
	}
}

func TestCorrecting(t *testing.T) {
	s := newSite(t)
	b := s.in(t)
	wantText(t, b.get(t, "/me/correct?collection=customer&record=self"), `name="value.email"`, "luisg@embraer.com.br")
	form := url.Values{"collection": {"customer"}, "record": {"self"}, "value.email": {"no address"}, "value.city": {"São Paulo"}}
	if r := b.post(t, "/me/correct", form); r.path != "/me/correct" || strings.Contains(b.get(t, "/me").body, "São Paulo") {
		t.Errorf("a wrong address was taken: at %s", r.path)
	}
	form.Set("value.email", "luis@embraer.com.br")
	wantText(t, b.post(t, "/me/correct", form), "luis@embraer.com.br", "São Paulo")
	// What policy gives nobody to correct stays: an invoice.
	form = url.Values{"collection": {"invoice"}, "record": {"98"}, "value.city": {"Elsewhere"}}
	b.post(t, "/me/correct", form)
	if strings.Contains(b.get(t, "/me").body, "Elsewhere") {
		t.Error("an invoice was corrected")
	}
	for _, q := range []string{"collection=customer&record=other", "collection=nothing&record=self", ""} {
		if r := b.get(t, "/me/correct?"+q); r.status != 404 {
			t.Errorf("%s: %d", q, r.status)
		}
	}
}

func TestRestricting(t *testing.T) {
	s := newSite(t)
	b := s.in(t)
	b.post(t, "/me/pause", url.Values{"on": {"yes"}})
	if got := s.sees(t, "billing", "billing"); got != "hiddenrestricted" {
		t.Errorf("billing sees %s", got)
	}
	wantText(t, b.get(t, "/me"), "luisg@embraer.com.br") // one's own stay
	b.post(t, "/me/pause", url.Values{"on": {"no"}})
	if got := s.sees(t, "billing", "billing"); got != "plain" {
		t.Errorf("billing sees %s", got)
	}
}

func TestHistoryTellsWhoRead(t *testing.T) {
	s := newSite(t)
	s.sees(t, "billing", "billing")
	s.sees(t, "billing", "billing")
	if _, err := s.Sequence(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantText(t, s.in(t).get(t, "/me/history"), "billing", "Sending and keeping invoices", "E-mail address", "2 times in a row")
}

var older = regexp.MustCompile(`href="(/me/history\?before=[0-9]+)"`)

// TestHistoryHasPages: a long history is told to its end, a page at a time, and nothing of
// it twice.
func TestHistoryHasPages(t *testing.T) {
	s := newSite(t)
	const readings = 150
	for i := range readings {
		s.Clock.Advance(time.Minute) // none is like the one before
		role := []accessctl.Role{"billing", "app"}[i%2]
		s.sees(t, role, "billing")
	}
	if _, err := s.Sequence(t.Context()); err != nil {
		t.Fatal(err)
	}
	b := s.in(t)
	told, path, pages := 0, "/me/history", 0
	for path != "" && pages < 10 {
		r := b.get(t, path)
		told += strings.Count(r.body, "Sending and keeping invoices")
		path, pages = "", pages+1
		if m := older.FindStringSubmatch(r.body); m != nil {
			path = m[1]
		}
	}
	if told != readings || pages < 2 {
		t.Errorf("%d readings are told on %d pages, want %d", told, pages, readings)
	}
}

var (
	tokenInPage = regexp.MustCompile(`name="token" value="([^"]+)"`)
	certificate = regexp.MustCompile(`href="(/me/certificate/[0-9a-f-]+\?tenant=default)"`)
)

// TestErasing: it takes a tick and some seconds, and is then for ever.
func TestErasing(t *testing.T) {
	s := newSite(t)
	b, other, unspent := s.in(t), s.in(t), s.link(t, "")
	wantText(t, b.get(t, "/me/erase"), "Customers", "Invoices")
	confirm := func() string {
		t.Helper()
		m := tokenInPage.FindStringSubmatch(b.get(t, "/me/erase/confirm").body)
		if m == nil {
			t.Fatal("the page has no token")
		}
		return m[1]
	}
	token := confirm()
	for name, form := range map[string]url.Values{
		"at once":                     {"token": {token}, "sure": {"yes"}},
		"without the tick":            {"token": {token}},
		"without a token":             {"sure": {"yes"}},
		"with another session's":      {"token": {s.pauseOf(t, other)}, "sure": {"yes"}},
		"with the session as a token": {"token": {sessionOf(b)}, "sure": {"yes"}},
	} {
		if r := b.post(t, "/me/erase", form); r.status != 200 || certificate.MatchString(r.body) {
			t.Fatalf("%s: %d\n%s", name, r.status, r.body)
		}
	}
	if got := s.sees(t, "billing", "billing"); got != "plain" {
		t.Fatalf("billing sees %s", got)
	}
	s.Clock.Advance(10 * time.Second)
	done := b.post(t, "/me/erase", url.Values{"token": {token}, "sure": {"yes"}})
	path := certificate.FindStringSubmatch(done.body)
	if done.status != 200 || path == nil {
		t.Fatalf("%d\n%s", done.status, done.body)
	}
	if r := s.browser(t).get(t, path[1]); r.status != 200 || !strings.Contains(r.body, "erasure-certificate") {
		t.Errorf("the certificate: %d %s", r.status, r.body)
	}
	for _, who := range []*browser{b, other} {
		if r := who.get(t, "/me"); r.status != 401 || strings.Contains(r.body, "luisg") {
			t.Errorf("a session after the erasure: %d", r.status)
		}
	}
	if r := s.browser(t).post(t, "/me/sign-in", url.Values{"token": {unspent}}); r.status != 403 {
		t.Errorf("a link after the erasure: %d", r.status)
	}
	out, err := s.Reveal(t.Context(), s.As("billing", "billing"), []vault.Item{{Subject: "c-1", Collection: "customer", Record: "self", Fields: []string{"email"}}})
	if err != nil || out[0].Err == nil {
		t.Errorf("billing: %+v, %v", out, err)
	}
}

func sessionOf(b *browser) string {
	u, _ := url.Parse(b.site.url)
	for _, c := range b.Jar.Cookies(u) {
		if c.Name == "__Host-fieldvault" {
			return c.Value
		}
	}
	return ""
}

func (s *site) pauseOf(t *testing.T, b *browser) string {
	t.Helper()
	p, err := s.Pause(t.Context(), sessionOf(b))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestConsentForm: it asks for what may be asked, records what is ticked and what is not,
// and is spent.
func TestConsentForm(t *testing.T) {
	s := newSite(t)
	token, _, err := s.IssueTicket(t.Context(), s.As("app", ""), "c-1", vault.TicketForm, "")
	if err != nil {
		t.Fatal(err)
	}
	b := s.browser(t)
	r := b.get(t, "/consent?token="+url.QueryEscape(token))
	wantText(t, r, "Telling you about music you may like", "Learning what sells where")
	if strings.Contains(r.body, "checked") || strings.Contains(r.body, "Offers of our partners") {
		t.Error("a box is ticked, or asks for what rests on no consent")
	}
	if csp := r.header.Get("Content-Security-Policy"); !strings.HasSuffix(csp, "frame-ancestors "+frames) {
		t.Error(csp)
	}
	r = b.post(t, "/consent", url.Values{"token": {token}, "notice": {"1"}, "purpose": {"marketing"}})
	wantText(t, r, "Telling you about music you may like")
	if r.status != 200 {
		t.Error(r.status)
	}
	if got := s.sees(t, "marketing", "marketing"); got != "plain" {
		t.Errorf("marketing sees %s", got)
	}
	list, err := s.Decisions(t.Context(), s.As("dpo", ""), "c-1")
	if err != nil || len(list) != 2 || list[0].Method != "form" || list[1].Decision != "refused" {
		t.Errorf("on record: %+v, %v", list, err)
	}
	if r := b.post(t, "/consent", url.Values{"token": {token}, "notice": {"1"}, "purpose": {"analytics"}}); r.status != 403 {
		t.Errorf("the form again: %d", r.status)
	}
	token, _, err = s.IssueTicket(t.Context(), s.As("app", ""), "c-1", vault.TicketForm, "")
	if err != nil {
		t.Fatal(err)
	}
	if r := b.get(t, "/consent?token="+url.QueryEscape(token)); strings.Contains(r.body, "Learning what sells where") {
		t.Error("it asks again what was refused just now")
	}
	if r := b.get(t, "/me"); r.status != 401 {
		t.Errorf("a form lets nobody into the panel: %d", r.status)
	}
	if r := b.post(t, "/me/sign-in", url.Values{"token": {token}}); r.status != 403 {
		t.Errorf("a form is no link: %d", r.status)
	}
}

// TestBoundLinks: with a sign-in page of the application a link is good in the browser
// that came from it, and in no other.
func TestBoundLinks(t *testing.T) {
	var asked string
	shop := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked = r.URL.Query().Get("browser") }))
	t.Cleanup(shop.Close)
	s := newSite(t, func(c *portal.Config) { c.SignInURL = shop.URL + "/privacy" })
	b, thief := s.browser(t), s.browser(t)
	b.get(t, "/me/sign-in")
	if sum, err := hex.DecodeString(asked); err != nil || len(sum) != sha256.Size {
		t.Fatalf("the application was told %q", asked)
	}
	token := s.link(t, asked)
	if r := thief.post(t, "/me/sign-in", url.Values{"token": {token}}); r.status != 403 {
		t.Errorf("in another browser: %d", r.status)
	}
	if r := b.post(t, "/me/sign-in", url.Values{"token": {token}}); r.path != "/me" {
		t.Errorf("in this browser: %d at %s", r.status, r.path)
	}
}
