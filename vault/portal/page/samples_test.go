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
	changed, flash, failed := in, in, in
	changed.NoticeChanged, changed.GPC, changed.Restricted = true, true, true
	flash.Flash = page.Flash{Kind: page.FlashConsentOff, Subject: c.Purposes[0].Title}
	failed.Flash = page.Flash{Kind: page.FlashFailed}
	return []shot{
		{"overview", in, overview(c)},
		{"overview-empty", in, page.Overview{}},
		{"purposes", flash, purposes(c)},
		{"purposes-all", changed, allStates(c)},
		{"purposes-empty", failed, page.Purposes{}},
	}
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
			if i == 1 {
				h.Until = day(2031, time.January, 1)
			}
			r.Fields = append(r.Fields, h)
		}
		records := []page.Record{r}
		if i == 1 {
			for _, title := range []string{"1 January 2021, 1.98", "11 February 2021, 13.86", "12 October 2021, 8.91"} {
				r.Title = title
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
			p.Changes = []string{"We now also use your country.", "We keep the data for 2 years, not 1 year."}
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
