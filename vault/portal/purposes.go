package portal

import (
	"cmp"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/accessctl/consent"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/catalog"
	"github.com/fieldvault/fieldvault/vault/portal/page"
)

// pathReceipt leads to the signed proof of a decision.
const pathReceipt = page.PathPurposes + "/receipt"

// standing puts on every page what the person should know wherever they are.
func (v *visit) standing() error {
	s, err := v.vault.Standing(v.r.Context(), v.as())
	if err != nil {
		return err
	}
	v.state = &s
	v.frame.Restricted = s.Restricted
	v.frame.NoticeChanged = slices.ContainsFunc(s.Consents, func(c vault.ConsentStatus) bool { return c.State == accessctl.ConsentOutdated })
	return nil
}

// status is what the person has decided about a purpose.
func (v *visit) status(purpose string) vault.ConsentStatus {
	for _, s := range v.state.Consents {
		if string(s.Purpose) == purpose {
			return s
		}
	}
	return vault.ConsentStatus{}
}

// signal honours Global Privacy Control: a browser that sends Sec-GPC opts out of every
// purpose for which data are sold. It does so once: a yes that the person gave after that
// is a later, specific choice, and stands; pages show the conflict.
func (v *visit) signal() error {
	if !v.frame.GPC || !slices.ContainsFunc(v.cat.Purposes, func(p catalog.Purpose) bool { return p.Sells }) {
		return nil
	}
	all, err := v.vault.Decisions(v.r.Context(), v.as(), v.caller.Person)
	if err != nil {
		return err
	}
	for i := range v.cat.Purposes {
		p := &v.cat.Purposes[i]
		known := slices.ContainsFunc(all, func(d vault.ConsentStatus) bool {
			return string(d.Purpose) == p.ID && d.Method == consent.MethodGPC
		})
		if !p.Sells || known || consent.Decision(v.status(p.ID).Decision).Closes() {
			continue
		}
		d := vault.Decided{Subject: v.caller.Person, Purpose: accessctl.Purpose(p.ID), Decision: string(consent.Objected), Method: consent.MethodGPC}
		if _, err := v.vault.RecordConsent(v.r.Context(), v.as(), d); err != nil {
			return err
		}
	}
	return v.standing()
}

func (v *visit) purposes() (page.Page, error) { return v.purposeList("", "") }

// purposeList shows all purposes; fault is what was wrong with the age that came with one.
func (v *visit) purposeList(of string, fault page.AgeFault) (page.Page, error) {
	n, err := v.vault.Notice(v.r.Context(), v.caller.Tenant, v.cat.Version)
	if err != nil {
		return nil, err
	}
	out := page.Purposes{Notice: strconv.FormatInt(v.cat.Version, 10), NoticeSince: n.Published}
	for i := range v.cat.Purposes {
		c, err := v.card(&v.cat.Purposes[i])
		if err != nil {
			return nil, err
		}
		if c.ID == of {
			c.Age = fault
		}
		out.Cards = append(out.Cards, c)
	}
	return out, nil
}

// card is one purpose and what the person has decided about it.
func (v *visit) card(p *catalog.Purpose) (page.Purpose, error) {
	w, _ := p.In(string(v.frame.Lang), v.cat.Language)
	s := v.status(p.ID)
	c := page.Purpose{
		ID: p.ID, Title: w.Title, Text: w.Text, Benefit: w.Benefit, Consequence: w.Consequence, Basis: page.Basis(p.Basis),
		Recipients: p.Recipients, Retention: int(p.Retention), State: stateOf(p, s), Since: s.At, Until: s.Expires,
		MayObject: p.Objectable(), Marketing: p.DirectMarketing, Sensitive: v.cat.Special(p.ID), GPC: p.Sells, AskAge: p.MinAge > 0,
	}
	c.Conflict = p.Sells && v.frame.GPC && c.State == page.StateOn
	for _, f := range v.cat.Uses(p.ID) {
		if t := f.TitleIn(string(v.frame.Lang)); !slices.Contains(c.Fields, t) {
			c.Fields = append(c.Fields, t)
		}
	}
	if len(s.Receipt) > 0 {
		c.Receipt = pathReceipt + "?" + url.Values{page.FieldPurpose: {p.ID}}.Encode()
	}
	if c.State != page.StateOutdated {
		return c, nil
	}
	changes, err := v.changes(s.Notice)
	if err != nil {
		return c, err
	}
	c.Changes = v.wordsOf(changes, p.ID)
	return c, nil
}

// stateOf is whether the purpose may use the data now.
func stateOf(p *catalog.Purpose, s vault.ConsentStatus) page.PurposeState {
	closed := consent.Decision(s.Decision).Closes()
	switch {
	case s.State == accessctl.ConsentGranted && p.Basis == catalog.BasisConsent:
		return page.StateOn
	case s.State == accessctl.ConsentOutdated && p.Basis == catalog.BasisConsent:
		return page.StateOutdated
	case closed && s.Method == consent.MethodGPC:
		return page.StateSignal
	case s.State == accessctl.ConsentObjected:
		return page.StateObjected
	case p.Basis == catalog.BasisConsent:
		return page.StateOff
	}
	return page.StateNeeded
}

// changes says what has changed since a notice.
func (v *visit) changes(since string) ([]catalog.Change, error) {
	from, err := strconv.ParseInt(since, 10, 64)
	if err != nil || from < 1 {
		return nil, nil // a decision that was replayed from the ledger: it names none
	}
	list, _, err := v.vault.NoticeDiff(v.r.Context(), v.caller.Tenant, from, v.cat.Version)
	return list, err
}

// wordsOf are the changes that are material to a purpose, for the page's language: other
// words of a language that the page does not use are one line.
func (v *visit) wordsOf(list []catalog.Change, purpose string) (words []page.ChangeLine) {
	for _, c := range list {
		if !slices.Contains(c.Purposes, purpose) {
			continue
		}
		line := page.ChangeLine{What: page.ChangeWhat(c.Told.What), Old: c.Told.Old, New: c.Told.New}
		if c.Told.Field != nil && c.Told.What != catalog.ToldRetention {
			line.New = c.Told.Field.TitleIn(string(v.frame.Lang))
		}
		if !v.reads(purpose, &c.Told) {
			line = page.ChangeLine{What: page.ChangedElsewhere}
		}
		if !slices.Contains(words, line) {
			words = append(words, line)
		}
	}
	return words
}

// reads says whether the page tells a purpose in the language of the words that changed.
func (v *visit) reads(purpose string, t *catalog.Told) bool {
	switch t.What {
	case catalog.ToldTitle, catalog.ToldText, catalog.ToldBenefit, catalog.ToldConsequence:
	default:
		return true
	}
	p, ok := v.cat.Purpose(purpose)
	if !ok {
		return true
	}
	_, in := p.In(string(v.frame.Lang), v.cat.Language)
	return in == cmp.Or(t.Language, v.cat.Language)
}

// decide records one decision about one purpose.
func (v *visit) decide() (page.Page, error) {
	form := v.r.PostForm
	p, ok := v.cat.Purpose(form.Get(page.FieldPurpose))
	if !ok {
		return nil, vault.ErrNotFound
	}
	d := vault.Decided{
		Subject: v.caller.Person, Purpose: accessctl.Purpose(p.ID), Method: consent.MethodPortal,
		Notice: form.Get(page.FieldNotice), Language: string(v.frame.Lang),
	}
	if d.Notice == "" {
		return nil, vault.ErrDenied // no page of ours leaves it out
	}
	done := page.Flash{Subject: p.ID}
	switch form.Get(page.FieldDecision) {
	case page.DecideGrant:
		// The card shows nothing but this purpose, and says if its data are special.
		d.Decision, d.Explicit, done.Kind = string(consent.Granted), true, page.FlashConsentOn
		var fault page.AgeFault
		if d.Age, fault = ageOf(p, form.Get(page.FieldAge)); fault != "" {
			return v.purposeList(p.ID, fault)
		}
	case page.DecideWithdraw:
		d.Decision, done.Kind = string(consent.Withdrawn), page.FlashConsentOff
	case page.DecideObject:
		d.Decision, done.Kind = string(consent.Objected), page.FlashObjected
	case page.DecideAllow:
		d.Decision, done.Kind = string(consent.Granted), page.FlashObjectionEnded
	default:
		return nil, vault.ErrDenied
	}
	_, err := v.vault.RecordConsent(v.r.Context(), v.as(), d)
	var bad *vault.InvalidError
	switch {
	case errors.Is(err, vault.ErrConflict), errors.As(err, &bad):
		done = page.Flash{Kind: page.FlashFailed} // the wording has changed, or it takes more than a click
	case err != nil:
		return nil, err
	}
	v.to(page.PathPurposes, done)
	return nil, nil
}

// ageOf is the age that a person gives with their consent, 0 if it is not asked for
// (GDPR Art. 8). It is their word: nothing here proves it.
func ageOf(p *catalog.Purpose, answer string) (int, page.AgeFault) {
	if p.MinAge == 0 {
		return 0, ""
	}
	age, err := strconv.Atoi(strings.TrimSpace(answer))
	switch {
	case err != nil || age < 1 || age > 150:
		return 0, page.AgeMissing
	case age < p.MinAge:
		return 0, page.AgeYoung
	}
	return age, ""
}

// receipt sends the signed proof of the decision in force.
func (v *visit) receipt() (page.Page, error) {
	s := v.status(v.r.URL.Query().Get(page.FieldPurpose))
	if len(s.Receipt) == 0 {
		return nil, vault.ErrNotFound
	}
	v.file("application/json", "receipt.json", s.Receipt)
	return nil, nil
}

// notice explains what has changed since the person decided.
func (v *visit) notice() (page.Page, error) {
	from := max(1, v.cat.Version-1)
	for _, s := range v.state.Consents {
		if n, err := strconv.ParseInt(s.Notice, 10, 64); err == nil && s.State == accessctl.ConsentOutdated {
			from = min(from, n)
		}
	}
	list, err := v.changes(strconv.FormatInt(from, 10))
	if err != nil {
		return nil, err
	}
	n, err := v.vault.Notice(v.r.Context(), v.caller.Tenant, v.cat.Version)
	if err != nil {
		return nil, err
	}
	out := page.Notice{From: strconv.FormatInt(from, 10), To: strconv.FormatInt(v.cat.Version, 10), Since: n.Published}
	for i := range v.cat.Purposes {
		p := &v.cat.Purposes[i]
		words := v.wordsOf(list, p.ID)
		if len(words) == 0 {
			continue
		}
		c, err := v.card(p)
		if err != nil {
			return nil, err
		}
		ch := page.Change{Purpose: c, Words: words, Material: c.State == page.StateOutdated}
		if ch.Material {
			ch.Then = page.StateOn
		} else {
			ch.Purpose.Since = time.Time{}
		}
		out.Changes = append(out.Changes, ch)
	}
	return out, nil
}
