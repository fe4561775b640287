package page_test

import (
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/deploy/sample"
	"github.com/fieldvault/fieldvault/vault/catalog"
	"github.com/fieldvault/fieldvault/vault/portal/page"
)

// A shot is a page with a frame, by a name for its picture.
type shot struct {
	name  string
	frame page.Frame
	page  page.Page
}

func day(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 9, 41, 0, 0, time.UTC) }

// shots are all pages, in each of their states, with the texts of the sample's
// catalog and a customer of its data.
func shots(t testing.TB) []shot {
	c, err := catalog.Parse(sample.Catalog())
	if err != nil {
		t.Fatal(err)
	}
	in := page.Frame{
		Controller: c.Controller.Name, Contact: c.Controller.Contact, Here: "/me", SignedIn: true,
	}
	out := in
	out.SignedIn = false
	changed, flash, failed, embedded := in, in, in, out
	embedded.Embedded = true
	changed.NoticeChanged, changed.GPC, changed.Restricted = true, true, true
	flash.Flash = page.Flash{Kind: page.FlashConsentOff, Subject: c.Purposes[3].Title}
	failed.Flash = page.Flash{Kind: page.FlashFailed}
	return append(consoleShots(c), []shot{
		{"overview", in, overview(c)},
		{"overview-empty", in, page.Overview{}},
		{"purposes", flash, purposes(c)},
		{"purposes-all", changed, allStates(c)},
		{"purposes-empty", failed, page.Purposes{}},
		{"history", in, history(c)},
		{"history-empty", in, page.History{}},
		{"requests", in, requests()},
		{"requests-empty", in, page.Requests{}},
		{"request", in, request()},
		{"request-waiting", in, waiting()},
		{"request-new", in, page.NewRequest{Kinds: page.RequestKinds()}},
		{"request-wrong", in, page.NewRequest{Kinds: page.RequestKinds(), NoKind: true, NoText: true}},
		{"rights", in, page.Rights{Kinds: page.RequestKinds()}},
		{"correct", in, correct(c)},
		{"download", in, page.Download{Parts: collections(c)}},
		{"download-empty", in, page.Download{}},
		{"pause", in, page.Restrict{Despite: []string{c.Purposes[1].Title}}},
		{"pause-on", in, page.Restrict{On: true, Since: day(2026, time.November, 20), Lifting: day(2027, time.January, 3)}},
		{"notice", changed, notice(c)},
		{"notice-empty", in, page.Notice{}},
		{"erase", in, page.Erase{Destroyed: collections(c)[:1], Kept: kept(c), Backups: day(2026, time.December, 26)}},
		{"erase-held", in, page.Erase{Destroyed: collections(c), Held: true}},
		{"erase-confirm", in, page.EraseConfirm{Token: "signed", Wait: 10}},
		{"erase-early", in, page.EraseConfirm{Token: "signed", Wait: 1, Unticked: true, Early: true}},
		{"erased", out, page.Erased{At: day(2026, time.November, 26), Certificate: "/certificates/1", Kept: kept(c), Backups: day(2026, time.December, 26)}},
		{"erased-waiting", out, page.Erased{Waiting: true}},
		{"sign-in", out, page.SignIn{Token: "signed"}},
		{"problem-signed-out", out, page.Problem{Kind: page.ProblemSignedOut}},
		{"problem-no-session", out, page.Problem{Kind: page.ProblemNoSession, Provider: "/me/provider"}},
		{"problem-link-expired", out, page.Problem{Kind: page.ProblemLinkExpired}},
		{"problem-link-used", out, page.Problem{Kind: page.ProblemLinkUsed}},
		{"problem-sign-in", out, page.Problem{Kind: page.ProblemSignIn, Provider: page.PathSignIn}},
		{"problem-other-browser", out, page.Problem{Kind: page.ProblemOtherBrowser}},
		{"problem-forbidden", in, page.Problem{Kind: page.ProblemForbidden}},
		{"problem-not-found", in, page.Problem{Kind: page.ProblemNotFound}},
		{"problem-too-many", out, page.Problem{Kind: page.ProblemTooMany, Retry: day(2026, time.November, 26)}},
		{"problem-fault", out, page.Problem{Reference: "7f3a91"}},
		{"problem-unavailable", out, page.Problem{Kind: page.ProblemUnavailable}},
		{"problem-maintenance", out, page.Problem{Kind: page.ProblemMaintenance}},
		{"consent", embedded, consentForm(c)},
		{"consent-receipt", embedded, page.ConsentReceipt{
			Agreed: []string{c.Purposes[2].Title}, Declined: []string{c.Purposes[3].Title}, Receipt: "/consent/receipt", Panel: "/me",
		}},
		{"consent-none", embedded, page.ConsentReceipt{}},
	}...)
}

func overview(c *catalog.Catalog) page.Overview {
	values := []map[string]string{{
		"first_name": "Leonie", "last_name": "Köhler", "address": "Theodor-Heuss-Straße 34", "city": "Stuttgart",
		"country": "Germany", "postal_code": "70174", "phone": "+49 711 2842222", "email": "leonekohler@surfeu.de",
	}, {
		"date": "2021-01-01", "address": "Theodor-Heuss-Straße 34", "city": "Stuttgart", "country": "Germany",
		"postal_code": "70174", "total": "1.98",
	}}
	var o page.Overview
	for i, col := range c.Collections {
		r := page.Record{Correct: page.PathCorrect + "?collection=" + col.Name + "&record=self"}
		for _, f := range col.Fields {
			v, ok := values[i][f.Name]
			if !ok {
				continue
			}
			h := page.Held{Title: f.Title, Value: v, Purposes: titles(c, f)}
			if f.Name == "date" {
				h.Value, h.Day = "", day(2021, time.January, 1)
			}
			if i == 1 {
				h.Until = day(2031, time.January, 1)
			}
			r.Fields = append(r.Fields, h)
		}
		records := []page.Record{r}
		if i == 1 {
			for _, r.Day = range []time.Time{day(2021, time.October, 12), day(2021, time.February, 11), day(2021, time.January, 1)} {
				records = append(records, r)
			}
			records = records[1:]
		}
		o.Collections = append(o.Collections, page.Collection{Title: col.Title, Records: records})
	}
	return o
}

func titles(c *catalog.Catalog, f catalog.Field) (list []string) {
	for _, p := range c.Purposes {
		if f.Lists(p.ID) {
			list = append(list, p.Title)
		}
	}
	return list
}

func purposes(c *catalog.Catalog) page.Purposes {
	ps := page.Purposes{Notice: "1", NoticeSince: day(2026, time.November, 2)}
	for _, p := range c.Purposes {
		card := page.Purpose{
			ID: p.ID, Title: p.Title, Text: p.Text, Benefit: p.Benefit, Basis: page.Basis(p.Basis),
			Recipients: p.Recipients, Retention: int(p.Retention), State: page.StateNeeded,
		}
		seen := map[string]bool{}
		for _, col := range c.Collections {
			for _, f := range col.Fields {
				if f.Lists(p.ID) && !seen[f.Title] {
					seen[f.Title] = true
					card.Fields = append(card.Fields, f.Title)
				}
			}
		}
		switch p.ID {
		case "marketing":
			card.State, card.Since, card.Until = page.StateOn, day(2026, time.November, 3), day(2028, time.November, 3)
			card.Receipt = "/me/receipts/1"
		case "analytics":
			card.State = page.StateOff
		}
		ps.Cards = append(ps.Cards, card)
	}
	return ps
}

// allStates shows what a card can be.
func allStates(c *catalog.Catalog) page.Purposes {
	ps := purposes(c)
	base := ps.Cards[2]
	base.Until = time.Time{}
	ps.Cards = nil
	for _, mend := range []func(*page.Purpose){
		func(p *page.Purpose) {
			p.State = page.StateOutdated
			p.Changes = changeLines()
		},
		func(p *page.Purpose) { p.State, p.GPC, p.Conflict = page.StateSignal, true, true },
		func(p *page.Purpose) { p.State, p.GPC, p.Since = page.StateSignal, true, time.Time{} },
		func(p *page.Purpose) { p.State, p.GPC, p.Conflict = page.StateOn, true, true },
		func(p *page.Purpose) {
			p.State, p.Basis, p.MayObject, p.Since = page.StateNeeded, page.BasisLegitimateInterests, true, time.Time{}
		},
		func(p *page.Purpose) {
			p.State, p.Basis, p.MayObject, p.Marketing = page.StateNeeded, page.BasisLegitimateInterests, true, true
		},
		func(p *page.Purpose) { p.State, p.MayObject = page.StateObjected, true },
		func(p *page.Purpose) { p.Sensitive, p.Consequence = true, "You get no more mail from us about music." },
		func(p *page.Purpose) {
			p.State, p.AskAge, p.Age, p.Since = page.StateOff, true, page.AgeYoung, time.Time{}
		},
		func(p *page.Purpose) { p.State, p.Basis = page.StateNeeded, page.BasisLegalObligation },
		func(p *page.Purpose) { p.State, p.Basis = page.StateNeeded, page.BasisVitalInterests },
		func(p *page.Purpose) { p.State, p.Basis = page.StateNeeded, page.BasisPublicTask },
	} {
		p := base
		mend(&p)
		ps.Cards = append(ps.Cards, p)
	}
	return ps
}

func collections(c *catalog.Catalog) (list []string) {
	for _, col := range c.Collections {
		list = append(list, col.Title)
	}
	return list
}

func history(c *catalog.Catalog) page.History {
	at := func(d, h, m int) time.Time { return time.Date(2026, time.November, d, h, m, 0, 0, time.UTC) }
	return page.History{
		Days: page.GroupByDay([]page.Reading{
			{At: at(26, 9, 30), Fields: []string{"First name", "Last name", "E-mail address"}},
			{At: at(26, 8, 12), Who: "Customer support", Purpose: c.Purposes[0].Title, Fields: []string{"E-mail address", "Telephone"}, Shown: page.ShownMasked},
			{At: at(24, 17, 5), Who: "Customer support", Told: "Printers"},
			{At: at(24, 16, 5), Who: "Accounting", Purpose: c.Purposes[1].Title, Fields: []string{"Street and number", "City", "Total"}},
			{At: at(24, 11, 47), Who: "Marketing", Purpose: c.Purposes[2].Title, Fields: []string{"E-mail address"}, Shown: page.ShownHidden},
		}),
		Newer: "/me/history?before=2", Older: "/me/history?before=1",
	}
}

func requests() page.Requests {
	return page.Requests{
		Open: []page.RequestLine{
			{ID: "1", Kind: page.KindAccess, State: page.RequestWorking, Filed: day(2026, time.December, 3), Due: day(2027, time.January, 3)},
			{ID: "2", Kind: page.KindQuestion, State: page.RequestExtended, Filed: day(2026, time.October, 14), Due: day(2027, time.January, 14)},
			{ID: "3", Kind: page.KindObjection, State: page.RequestChecking, Filed: day(2026, time.November, 25), Due: day(2026, time.December, 25)},
			{ID: "7", Kind: page.KindOptOut, Filed: day(2026, time.November, 26), Due: day(2026, time.December, 17)},
		},
		Closed: []page.RequestLine{
			{ID: "4", Kind: page.KindRectification, State: page.RequestAnswered, Filed: day(2026, time.May, 4)},
			{ID: "5", Kind: page.KindErasure, State: page.RequestRefused, Filed: day(2026, time.April, 1)},
			{ID: "6", Kind: page.KindPortability, State: page.RequestCancelled, Filed: day(2026, time.March, 9)},
		},
	}
}

func request() page.Request {
	return page.Request{
		RequestLine: page.RequestLine{ID: "5", Kind: page.KindErasure, State: page.RequestRefused, Filed: day(2026, time.April, 1)},
		Text:        "Please delete the invoice of January 2021 too.",
		Answer:      "We have deleted all that we may.\nThe invoice must stay until the end of 2031: tax law tells us to keep it.",
		AnsweredAt:  day(2026, time.May, 20), Bundle: "/me/requests/5/bundle.zip",
		Steps: []page.RequestStep{
			{At: day(2026, time.April, 1), What: page.StepFiled},
			{At: day(2026, time.April, 2), What: page.StepConfirmed},
			{At: day(2026, time.April, 3), What: page.StepWorking},
			{At: day(2026, time.April, 29), What: page.StepExtended, Reason: "Our accountants must look at each invoice.", Until: day(2026, time.July, 1)},
			{At: day(2026, time.May, 19), What: page.StepTold},
			{At: day(2026, time.May, 20), What: page.StepAnswered},
			{At: day(2026, time.May, 20), What: page.StepRefused, Reason: "Tax law."},
			{At: day(2026, time.May, 21), What: page.StepCancelled},
		},
	}
}

func waiting() page.Request {
	return page.Request{
		RequestLine: page.RequestLine{ID: "1", Kind: page.KindRestriction, State: page.RequestReceived, Filed: day(2026, time.December, 3), Due: day(2027, time.January, 3)},
		Steps:       []page.RequestStep{{At: day(2026, time.December, 3), What: page.StepFiled}},
		MayCancel:   true,
	}
}

func correct(c *catalog.Catalog) page.Correct {
	return page.Correct{
		Collection: "customer", Record: "self", Title: c.Collections[0].Title,
		Inputs: []page.Input{
			{Name: "first_name", Title: "First name", Error: page.InputRequired},
			{Name: "last_name", Title: "Last name", Value: "Köhler", Fixed: true},
			{Name: "address", Title: "Street and number", Value: "Theodor-Heuss-Straße 34", Kind: page.InputLong, Error: page.InputTooLong},
			{Name: "phone", Title: "Telephone", Value: "+49 711 2842222", Kind: page.InputPhone},
			{Name: "email", Title: "E-mail address", Value: "leonekohler", Kind: page.InputEmail, Error: page.InputBadForm},
			{Name: "date", Title: "Date", Value: "2021-01-01", Kind: page.InputDate},
		},
	}
}

func kept(c *catalog.Catalog) []page.Kept {
	return []page.Kept{{What: c.Collections[1].Title, Why: "Tax law tells us to keep them.", Until: day(2031, time.December, 31)}}
}

func notice(c *catalog.Catalog) page.Notice {
	all := purposes(c)
	marketing, billing := all.Cards[2], all.Cards[1]
	marketing.State = page.StateOutdated
	billing.Since = day(2026, time.January, 5)
	return page.Notice{
		From: "1", To: "2", Since: day(2026, time.November, 2),
		Changes: []page.Change{
			{
				Purpose: marketing, Words: changeLines(),
				Means: "Offers fit where you live, and we keep your address longer.", Material: true, Then: page.StateOn,
			},
			{Purpose: billing, Words: []page.ChangeLine{{What: page.ChangedRevised}}},
		},
	}
}

func consentForm(c *catalog.Catalog) page.ConsentForm {
	f := page.ConsentForm{Token: "signed", Notice: "1", NoticeLink: "/notice", AskAge: true, Age: page.AgeMissing}
	for i, p := range c.Purposes[2:] {
		f.Offers = append(f.Offers, page.Offer{ID: p.ID, Title: p.Title, Text: p.Text, Benefit: p.Benefit, Sensitive: i == 1})
	}
	return f
}

// changeLines is a change of every kind.
func changeLines() []page.ChangeLine {
	return []page.ChangeLine{
		{What: page.ChangedTitle, Old: "Offers", New: "Offers for you"},
		{What: page.ChangedText, Old: "We write to you.", New: "We write and call."},
		{What: page.ChangedBenefit, Old: "You hear of more.", New: "You hear of more, first."},
		{What: page.ChangedConsequence, Old: "We stop.", New: "We stop at once."},
		{What: page.ChangedBasis, Old: "consent", New: "contract"},
		{What: page.ChangedRecipient, New: "Printers"},
		{What: page.ChangedRetention, Old: "366", New: "0"},
		{What: page.ChangedRestricted},
		{What: page.ChangedMarketing},
		{What: page.ChangedSold},
		{What: page.ChangedField, New: "Country"},
		{What: page.ChangedSpecial, New: "Fax"},
		{What: page.ChangedController, Old: "Chinook", New: "Chinook music shop"},
		{What: page.ChangedJurisdiction, New: "Germany"},
		{What: page.ChangedStorage, Old: "Berlin", New: "Oslo"},
		{What: page.ChangedElsewhere},
		{What: page.ChangedRevised},
	}
}
