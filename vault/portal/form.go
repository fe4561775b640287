package portal

import (
	"net/url"
	"slices"
	"strconv"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/accessctl/consent"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/catalog"
	"github.com/fieldvault/fieldvault/vault/portal/page"
)

// formed says whom a consent form is of, from the ticket that it bears.
func (v *visit) formed(token string) (err error) {
	v.csp, v.frame.Embedded, v.frame.Here = v.formCSP, true, ""
	// The application's page may hold it, from whatever origin it is served.
	v.w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
	v.w.Header().Del("Cross-Origin-Opener-Policy")
	if v.caller, err = v.vault.Form(v.r.Context(), token, v.id); err != nil {
		return err
	}
	v.named(v.caller.Tenant)
	if v.cat == nil {
		return vault.ErrUnavailable
	}
	if err := v.standing(); err != nil {
		return err
	}
	return v.signal()
}

// offers are the purposes that the person may be asked about now: not those that they
// agreed to, nor those that they said no to within a year.
func (v *visit) offers() (list []*catalog.Purpose) {
	for i := range v.cat.Purposes {
		p := &v.cat.Purposes[i]
		s := v.status(p.ID)
		switch {
		case p.Basis != catalog.BasisConsent || s.State == accessctl.ConsentGranted:
		case s.AskFrom.After(v.cfg.Now()):
		case p.Sells && v.frame.GPC:
		default:
			list = append(list, p)
		}
	}
	return list
}

func (v *visit) form() (page.Page, error) {
	token := v.r.URL.Query().Get(page.FieldToken)
	if err := v.formed(token); err != nil {
		return nil, err
	}
	return v.offered(token, nil, "")
}

// offered draws the form; ticked are the boxes that were when it came back with a fault.
func (v *visit) offered(token string, ticked []string, fault page.AgeFault) (page.Page, error) {
	out := page.ConsentForm{
		Age: fault, Token: token, Notice: strconv.FormatInt(v.cat.Version, 10),
		NoticeLink: "/v1/notices/" + strconv.FormatInt(v.cat.Version, 10) + "?" + url.Values{"tenant": {v.caller.Tenant}}.Encode(),
	}
	for _, p := range v.offers() {
		w, _ := p.In(string(v.frame.Lang), v.cat.Language)
		out.Offers = append(out.Offers, page.Offer{ID: p.ID, Title: w.Title, Text: w.Text, Benefit: w.Benefit, Sensitive: v.cat.Special(p.ID), Ticked: slices.Contains(ticked, p.ID)})
		out.AskAge = out.AskAge || p.MinAge > 0
	}
	return out, nil
}

// formSent records a yes for each box that is ticked, and a no for each that is not: the
// person was asked.
func (v *visit) formSent() (page.Page, error) {
	form := v.r.PostForm
	if err := v.formed(form.Get(page.FieldToken)); err != nil {
		return nil, err
	}
	if form.Get(page.FieldNotice) != strconv.FormatInt(v.cat.Version, 10) {
		return v.offered(form.Get(page.FieldToken), nil, "") // the wording has changed since: ask again
	}
	ticked := form[page.FieldPurpose]
	ages := map[string]int{}
	for _, p := range v.offers() {
		if !slices.Contains(ticked, p.ID) {
			continue
		}
		age, fault := ageOf(p, form.Get(page.FieldAge))
		if fault != "" {
			return v.offered(form.Get(page.FieldToken), ticked, fault) // nothing is recorded yet
		}
		ages[p.ID] = age
	}
	var out page.ConsentReceipt
	for _, p := range v.offers() {
		d := vault.Decided{
			Subject: v.caller.Person, Purpose: accessctl.Purpose(p.ID), Decision: string(consent.Refused), Method: consent.MethodForm,
			Notice: form.Get(page.FieldNotice), Language: string(v.frame.Lang), Explicit: true, // each box is of one purpose
		}
		w, _ := p.In(string(v.frame.Lang), v.cat.Language)
		if slices.Contains(ticked, p.ID) {
			d.Decision, d.Age = string(consent.Granted), ages[p.ID]
			out.Agreed = append(out.Agreed, w.Title)
		} else {
			out.Declined = append(out.Declined, w.Title)
		}
		if _, err := v.vault.RecordConsent(v.r.Context(), v.as(), d); err != nil {
			return nil, err
		}
	}
	return out, v.vault.SignOut(v.r.Context(), form.Get(page.FieldToken))
}
