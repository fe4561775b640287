package portal

import (
	"slices"
	"strconv"
	"strings"

	"github.com/fieldvault/fieldvault/audit/report"
	"github.com/fieldvault/fieldvault/vault/portal/page"
)

// How much of a history one page shows, and how much is read for it.
const (
	historyShown = 100
	historyRead  = 5 // parts of the log
)

// history tells who has read the person's data, the latest first. A page goes on from
// where the one before it ended.
func (v *visit) history() (page.Page, error) {
	before, err := strconv.ParseInt(v.r.URL.Query().Get("before"), 10, 64)
	if err != nil || before < 0 {
		before = 0
	}
	var all []page.Reading
	out := page.History{}
	if before > 0 {
		out.Newer = page.PathHistory
	}
	for range historyRead {
		h, err := v.vault.RecentAccesses(v.r.Context(), v.as(), v.caller.Person, before, historyShown)
		if err != nil {
			return nil, err
		}
		for i := range h.Entries {
			if r, ok := v.reading(&h.Entries[i].Access); ok {
				all = append(all, r)
			}
		}
		if before = h.Next; before == 0 || len(all) >= historyShown {
			break
		}
	}
	if before > 0 {
		out.Older = page.PathHistory + "?before=" + strconv.FormatInt(before, 10)
	}
	out.Days = page.GroupByDay(all)
	return out, nil
}

// reading is an entry as the page shows it; false: nothing was read, and nobody told.
func (v *visit) reading(a *report.Access) (page.Reading, bool) {
	r := page.Reading{At: a.Time.In(v.cfg.Now().Location()), Who: a.Who, Shown: page.ShownHidden}
	if a.Who == "you" {
		r.Who = ""
	} else if _, name, ok := strings.Cut(a.Who, "#"); ok {
		r.Who = name // who issued their token says nothing to people
	}
	if p, ok := v.cat.Purpose(string(a.Purpose)); ok {
		w, _ := p.In(string(v.frame.Lang), v.cat.Language)
		r.Purpose = w.Title
	}
	for _, f := range a.Fields {
		title := f.Field
		if coll, ok := v.cat.CollectionByID(f.CollectionID); ok {
			if d, ok := coll.FieldByID(f.FieldID); ok {
				title = d.TitleIn(string(v.frame.Lang))
			}
		}
		if title != "" && !slices.Contains(r.Fields, title) {
			r.Fields = append(r.Fields, title)
		}
		switch {
		case f.How == "plain" || f.How == "found":
			r.Shown = page.ShownPlain
		case f.How == "masked" && r.Shown == page.ShownHidden:
			r.Shown = page.ShownMasked
		}
	}
	r.Told = a.Recipient
	return r, len(r.Fields) > 0 || r.Told != ""
}
