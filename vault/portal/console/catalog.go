package console

import (
	"errors"
	"net/url"
	"time"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/catalog"
	"github.com/fieldvault/fieldvault/vault/portal/page"
)

// catalog shows what is kept and what for.
func (v *visit) catalog() (page.Page, error) {
	ctx := v.r.Context()
	n, err := v.vault.Notice(ctx, v.caller.Tenant, v.cat.Version)
	if err != nil {
		return nil, err
	}
	out := page.ConsoleCatalog{Version: v.cat.Version, At: v.here(n.Published), MayAsk: v.frame.May.Explain}
	changes, _, err := v.vault.NoticeDiff(ctx, v.caller.Tenant, v.cat.Version-1, v.cat.Version)
	if err != nil && !errors.Is(err, vault.ErrNotFound) { // there was none before
		return nil, err
	}
	for _, c := range changes {
		out.Changes = append(out.Changes, c.Text)
	}
	late := map[string]bool{}
	for _, p := range v.cat.PastReview(v.cfg.Now()) {
		late[p.ID] = true
	}
	for i := range v.cat.Purposes {
		p := &v.cat.Purposes[i]
		out.Purposes = append(out.Purposes, page.ConsolePurpose{
			Title: v.purpose(accessctl.Purpose(p.ID)), Name: p.ID, Basis: page.Basis(p.Basis), Review: reviewOf(p),
			Late: late[p.ID], Fields: len(v.cat.Uses(p.ID)),
		})
	}
	for i := range v.cat.Collections {
		out.Kept = append(out.Kept, v.collection(&v.cat.Collections[i]))
	}
	return out, nil
}

func (v *visit) collection(coll *catalog.Collection) page.ConsoleCollection {
	out := page.ConsoleCollection{Title: coll.TitleIn(v.lang())}
	for i := range coll.Fields {
		f := &coll.Fields[i]
		line := page.ConsoleField{
			Title: f.TitleIn(v.lang()), Days: int(v.cat.Kept(f)), Special: f.Classification == catalog.ClassificationSpecial, Indexed: f.Index != nil,
			Explain: page.PathConsoleExplain + "?" + url.Values{"field": {coll.Name + "." + f.Name}}.Encode(),
		}
		for _, id := range f.Purposes {
			line.Purposes = append(line.Purposes, v.purpose(accessctl.Purpose(id)))
		}
		out.Fields = append(out.Fields, line)
	}
	return out
}

// reviewOf is the day on which a purpose is to be looked at again; zero: none is set.
func reviewOf(p *catalog.Purpose) time.Time {
	t, err := time.Parse(time.DateOnly, p.ReviewBy)
	if err != nil {
		return time.Time{}
	}
	return t
}
