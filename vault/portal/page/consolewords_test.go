package page_test

import (
	"html"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/portal/page"
	"github.com/fieldvault/fieldvault/vault/rights"
)

// allReasons are those of package rights.
func allReasons() (list []page.RequestReason) {
	for _, r := range rights.AllReasons() {
		list = append(list, page.RequestReason(r))
	}
	return list
}

// said draws a page in both languages.
func said(t *testing.T, p *page.Pages, pg page.Page) string {
	t.Helper()
	var all strings.Builder
	for _, l := range page.Langs() {
		b, err := p.Render(page.Frame{Lang: l}, pg)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	return all.String()
}

// TestCodesHaveWords: what packages rights, accessctl and vault name is shown in words.
func TestCodesHaveWords(t *testing.T) {
	p := newPages(t)
	codes := map[string]page.Page{}
	for _, r := range append(rights.AllReasons(), rights.Reasons(rights.Request{}, rights.Extend, rights.Rules{})...) {
		codes[string(r)] = page.ConsoleRequest{Steps: []page.ConsoleRequestStep{{What: page.DoRefuse, Reason: page.RequestReason(r)}}}
	}
	for _, a := range append(accessctl.Actions(), "decrypt", "encrypt", "reencrypt", "fsck", "tenant_create") {
		codes[string(a)] = page.ConsoleAudit{List: []page.ConsoleEvent{{Action: page.EventAction(a)}}}
	}
	for _, k := range []string{vault.JobRewrap, vault.JobReseal, vault.JobReindex, vault.JobRetention, vault.JobRotate, vault.JobRetire, vault.JobTrim} {
		codes[k] = page.ConsoleKeys{Jobs: []page.ConsoleJob{{Kind: page.JobKind(k)}}}
	}
	for code, pg := range codes {
		text := said(t, p, pg)
		for _, around := range []string{"strong>", `h3 id="job-0">`, ": "} {
			if strings.Contains(text, around+code+"<") {
				t.Errorf("%s has no words", code)
			}
		}
	}
}

// TestReasonsOfHidingDiffer: each reason of accessctl has a sentence of its own, and
// each state of consent a name.
func TestReasonsOfHidingDiffer(t *testing.T) {
	p := newPages(t)
	seen := map[string]bool{}
	for _, why := range hiddenReasons() {
		seen[said(t, p, page.ConsoleExplain{Answer: &page.ConsoleAnswer{How: page.ShownHidden, Why: why}})] = true
	}
	if len(seen) != len(hiddenReasons()) {
		t.Errorf("%d reasons have %d sentences", len(hiddenReasons()), len(seen))
	}
	clear(seen)
	for _, s := range accessctl.Consents() {
		seen[said(t, p, page.ConsolePerson{MayConsents: true, Consents: []page.ConsoleConsent{{State: page.ConsentState(s.String())}}})] = true
	}
	if len(seen) != len(accessctl.Consents()) {
		t.Errorf("%d states of consent have %d names", len(accessctl.Consents()), len(seen))
	}
}

// TestUnknownCodesShowAsTheyAre, and markup in them is text.
func TestUnknownCodesShowAsTheyAre(t *testing.T) {
	p := newPages(t)
	const code = "<b>newer</b>"
	for _, pg := range []page.Page{
		page.ConsoleAudit{List: []page.ConsoleEvent{{Action: code}}},
		page.ConsoleKeys{Jobs: []page.ConsoleJob{{Kind: code}}},
		page.ConsoleEventPage{Details: []page.Detail{{Name: code}}},
		page.ConsoleApprovals{Waiting: []page.ConsoleApproval{{What: code}}},
		page.ConsoleRequest{Steps: []page.ConsoleRequestStep{{Reason: code}}},
	} {
		text := said(t, p, pg)
		if !strings.Contains(text, html.EscapeString(code)) || strings.Contains(text, code) {
			t.Errorf("%T does not show an unknown code as text", pg)
		}
	}
}

// TestConsoleNavigation: an entry stands there only if the operator may see it.
func TestConsoleNavigation(t *testing.T) {
	p := newPages(t)
	entries := func(may page.ConsoleMay) (list []string) {
		for _, n := range elements(draw(t, p, page.Frame{SignedIn: true, Operator: officer, May: may}, page.ConsoleToday{})) {
			if n.Data == "nav" {
				for _, a := range elements(n) {
					if a.Data == "a" {
						list = append(list, attr(a, "href"))
					}
				}
			}
		}
		return list
	}
	for _, c := range []struct {
		may  page.ConsoleMay
		want []string
	}{
		{page.ConsoleMay{}, []string{page.PathConsole}},
		{page.ConsoleMay{Requests: true, People: true}, []string{page.PathConsole, page.PathConsoleRequests, page.PathConsolePeople}},
		{page.ConsoleMay{Keys: true, Audit: true}, []string{page.PathConsole, page.PathConsoleKeys, page.PathConsoleAudit}},
		{page.ConsoleMay{Approvals: true, Reports: true}, []string{page.PathConsole, page.PathConsoleApprovals, page.PathConsoleReports}},
		{page.ConsoleMay{Catalog: true, Explain: true}, []string{page.PathConsole, page.PathConsoleCatalog, page.PathConsoleExplain}},
	} {
		if diff := cmp.Diff(c.want, entries(c.may)); diff != "" {
			t.Errorf("%+v:\n%s", c.may, diff)
		}
	}
}

// TestConsoleStaysInTheConsole: no page of operators leads to the panel of people, and
// each says who is signed in.
func TestConsoleStaysInTheConsole(t *testing.T) {
	p := newPages(t)
	for _, sh := range shots(t) {
		of := strings.HasPrefix(sh.name, "console-")
		for _, n := range elements(draw(t, p, sh.frame, sh.page)) {
			to := attr(n, "href") + attr(n, "action")
			if inPanel := to == "/me" || strings.HasPrefix(to, "/me/"); of && inPanel {
				t.Errorf("%s leads to %s", sh.name, to)
			}
			if inConsole := to == "/console" || strings.HasPrefix(to, "/console/"); !of && inConsole {
				t.Errorf("%s leads to %s", sh.name, to)
			}
		}
		if b, err := p.Render(sh.frame, sh.page); err != nil || strings.Contains(string(b), officer) != (of && sh.frame.Operator != "") && sh.frame.Operator != "" {
			t.Errorf("%s does not say who is signed in: %v", sh.name, err)
		}
	}
}

// TestChangedLogIsSaidAloud: wherever the log's state is shown, a changed one is an alert.
func TestChangedLogIsSaidAloud(t *testing.T) {
	p := newPages(t)
	bad, good := *checkpoint(false), *checkpoint(true)
	for _, pair := range [][2]page.Page{
		{page.ConsoleToday{Log: &bad}, page.ConsoleToday{Log: &good}},
		{page.ConsoleReports{Log: bad}, page.ConsoleReports{Log: good}},
		{page.ConsoleAudit{Log: bad}, page.ConsoleAudit{Log: good}},
		{page.ConsoleEventPage{Log: bad}, page.ConsoleEventPage{Log: good, Proven: true}},
	} {
		for i, pg := range pair {
			if got := strings.Contains(said(t, p, pg), `role="alert"`); got != (i == 0) {
				t.Errorf("%T with a good log %t: an alert %t", pg, i == 1, got)
			}
		}
	}
}
