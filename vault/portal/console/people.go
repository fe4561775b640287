package console

import (
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit/report"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/catalog"
	"github.com/fieldvault/fieldvault/vault/portal/page"
)

// maxFound is how many people one search shows: more say that it was too wide.
const maxFound = 20

// personPath is the page of a person.
func personPath(person string) string { return page.PathConsolePerson + url.PathEscape(person) }

func (v *visit) people() (page.Page, error) { return v.searchForm("", ""), nil }

// searchForm offers what the operator may search by and for.
func (v *visit) searchForm(field string, purpose accessctl.Purpose) page.ConsolePeople {
	out := page.ConsolePeople{MaySearch: len(v.duties.Searches) > 0}
	for _, f := range v.duties.Searches {
		name := f.Collection() + "." + f.Name
		out.Fields = append(out.Fields, page.Choice{Value: name, Title: f.TitleIn(v.lang()), Chosen: name == field})
	}
	out.Purposes = v.choices(v.duties.Finds, purpose)
	return out
}

// choices are purposes to choose from.
func (v *visit) choices(list []accessctl.Purpose, chosen accessctl.Purpose) (out []page.Choice) {
	for _, p := range list {
		out = append(out, page.Choice{Value: string(p), Title: v.purpose(p), Chosen: p == chosen})
	}
	return out
}

// search finds people by a value, which stands in no address, or goes to the one whose id
// was entered.
func (v *visit) search() (page.Page, error) {
	form := v.r.PostForm
	if person := strings.TrimSpace(form.Get(page.FieldPerson)); person != "" {
		return v.to(personPath(person), "")
	}
	purpose := accessctl.Purpose(form.Get(page.FieldPurpose))
	out := v.searchForm(form.Get("field"), purpose)
	i := slices.IndexFunc(v.duties.Searches, func(f *catalog.Field) bool { return f.Collection()+"."+f.Name == form.Get("field") })
	if i < 0 || !slices.Contains(v.duties.Finds, purpose) {
		out.Fault = page.SearchDenied
		return out, nil
	}
	f := v.duties.Searches[i]
	m, err := v.vault.Search(v.r.Context(), v.under(purpose), vault.Query{
		Collection: f.Collection(), Field: f.Name, Equals: f.FromText(strings.TrimSpace(form.Get("value"))), Limit: maxFound,
	})
	if out.Fault = searchFault(err); out.Fault != "" {
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	out.Searched, out.More = true, m.Cursor != ""
	for _, x := range m.Matches {
		if !slices.ContainsFunc(out.Found, func(f page.ConsoleFound) bool { return f.Person == x.Subject }) {
			out.Found = append(out.Found, page.ConsoleFound{Person: x.Subject, Link: personPath(x.Subject)})
		}
	}
	return out, nil
}

// searchFault is why a search did not come about, if it is one that the operator can do
// something about.
func searchFault(err error) page.SearchFault {
	var bad *vault.InvalidError
	var key *vault.KeyError
	var limit *vault.LimitError
	var approval *vault.ApprovalError
	switch {
	case err == nil:
	case errors.As(err, &bad):
		return page.SearchNoValue
	case errors.As(err, &key):
		return page.SearchNotReady
	case errors.As(err, &limit), errors.As(err, &approval):
		return page.SearchLimit
	case errors.Is(err, vault.ErrDenied):
		return page.SearchDenied
	}
	return ""
}

// person shows a person without any of their values.
func (v *visit) person() (page.Page, error) {
	out, err := v.personPage(v.param("person"))
	if errors.Is(err, vault.ErrNotFound) || errors.Is(err, vault.ErrGone) {
		form := v.searchForm("", "")
		form.Unknown = true
		return form, nil
	}
	if err != nil {
		return nil, err
	}
	return *out, nil
}

// personPage is what is known of a person before any value is read.
func (v *visit) personPage(person string) (*page.ConsolePerson, error) {
	may := v.duties.May
	out := &page.ConsolePerson{
		Person: person, Here: personPath(person), Purpose: v.choices(v.duties.Reads, ""),
		// Without the manifest nobody can say whether there is something to lift.
		MayHold: may[accessctl.ActionHold] && v.duties.Manifest, MayPause: may[accessctl.ActionRestrict] && v.duties.Manifest, MayErase: may[accessctl.ActionErase],
		MayConsents: may[accessctl.ActionConsentRead], MayRequests: may[accessctl.ActionRequests], MayHistory: may[accessctl.ActionAccessHistory],
	}
	known := false
	for _, part := range []struct {
		may bool
		add func(*page.ConsolePerson) error
	}{
		{v.duties.Manifest, v.addState},
		{out.MayConsents, v.addConsents},
		{out.MayRequests, v.addRequests},
		{out.MayHistory, v.addHistory},
	} {
		if !part.may {
			continue
		}
		if err := part.add(out); err != nil {
			return nil, err
		}
		known = true
	}
	if !known { // whoever may read alone is told by reading whether there is anybody
		if len(v.duties.Reads) == 0 {
			return nil, vault.ErrNotFound
		}
	}
	return out, nil
}

// addState reads the manifest: what there is, without a value.
func (v *visit) addState(out *page.ConsolePerson) error {
	m, err := v.vault.Export(v.r.Context(), v.caller, out.Person)
	out.Since, out.Held, out.Paused = v.here(m.Created), m.Held, m.Restricted
	return err
}

func (v *visit) addConsents(out *page.ConsolePerson) error {
	list, err := v.vault.Consents(v.r.Context(), v.caller, out.Person)
	for i := range list {
		s := &list[i]
		p, ok := v.cat.Purpose(string(s.Purpose))
		if ok && p.Basis != catalog.BasisConsent && s.Decision == "" {
			continue // nobody is asked for this one
		}
		out.Consents = append(out.Consents, page.ConsoleConsent{
			Purpose: v.purpose(s.Purpose), State: page.ConsentState(s.State.String()), At: v.here(s.At), Expires: v.here(s.Expires),
		})
	}
	return err
}

func (v *visit) addRequests(out *page.ConsolePerson) error {
	list, err := v.vault.RequestsOf(v.r.Context(), v.caller, out.Person)
	for i := range slices.Backward(list) {
		out.Requests = append(out.Requests, v.line(&list[i]))
	}
	return err
}

// historyShown is how many entries of a history a page shows, the latest.
const historyShown = 50

func (v *visit) addHistory(out *page.ConsolePerson) error {
	before := int64(0)
	for range 4 { // what is not a reading has no place here
		h, err := v.vault.RecentAccesses(v.r.Context(), v.caller, out.Person, before, 2*historyShown)
		if err != nil {
			return err
		}
		for i := range h.Entries {
			if x := v.access(&h.Entries[i].Access); len(x.Fields) > 0 && len(out.History) < historyShown {
				out.History = append(out.History, x)
			}
		}
		if before = h.Next; before == 0 || len(out.History) == historyShown {
			break
		}
	}
	return nil
}

// access is an entry of a history.
func (v *visit) access(a *report.Access) page.ConsoleAccess {
	x := page.ConsoleAccess{At: v.here(a.Time), Who: name(a.Who), How: page.ShownHidden}
	if a.Who == "you" {
		x.Who = ""
	}
	if a.Purpose != "" && a.Purpose != accessctl.PurposeSelf {
		x.Purpose = v.purpose(a.Purpose)
	}
	for _, f := range a.Fields {
		if title := v.field(f.CollectionID, f.FieldID); title != "" && !slices.Contains(x.Fields, title) {
			x.Fields = append(x.Fields, title)
		}
		switch {
		case f.How == "plain" || f.How == "found":
			x.How = page.ShownPlain
		case f.How == "masked" && x.How == page.ShownHidden:
			x.How = page.ShownMasked
		}
	}
	return x
}

// personRead reads the person's records for a purpose, as far as policy shows them.
func (v *visit) personRead() (page.Page, error) {
	purpose := accessctl.Purpose(v.r.PostForm.Get(page.FieldPurpose))
	if !slices.Contains(v.duties.Reads, purpose) {
		return nil, vault.ErrDenied
	}
	out, err := v.personPage(v.param("person"))
	if err != nil {
		return nil, err
	}
	out.Read, out.Purpose = true, v.choices(v.duties.Reads, purpose)
	err = v.read(out, purpose)
	var limit *vault.LimitError
	var approval *vault.ApprovalError
	if errors.As(err, &limit) || errors.As(err, &approval) {
		out.Limit, err = true, nil
	}
	if errors.Is(err, vault.ErrNotFound) || errors.Is(err, vault.ErrGone) {
		form := v.searchForm("", "")
		form.Unknown = true
		return form, nil
	}
	if err != nil {
		return nil, err
	}
	return *out, nil
}

// maxRecords is how many records of a person a page shows.
const maxRecords = 50

// read adds what the operator sees of each record.
func (v *visit) read(out *page.ConsolePerson, purpose accessctl.Purpose) error {
	c := v.under(purpose)
	for i := range v.cat.Collections {
		coll := &v.cat.Collections[i]
		var fields []string
		for j := range coll.Fields {
			if coll.Fields[j].Lists(string(purpose)) {
				fields = append(fields, coll.Fields[j].Name)
			}
		}
		if len(fields) == 0 {
			continue
		}
		list, err := v.vault.List(v.r.Context(), c, out.Person, coll.Name, "", maxRecords)
		if errors.Is(err, vault.ErrDenied) {
			continue // not this collection
		}
		if err != nil {
			return err
		}
		var items []vault.Item
		for _, ref := range list.Records {
			items = append(items, vault.Item{Subject: out.Person, Collection: coll.Name, Record: ref.Record, Fields: fields})
		}
		if len(items) == 0 {
			continue
		}
		got, err := v.vault.Reveal(v.r.Context(), c, items)
		if err != nil {
			return err
		}
		out.More = out.More || list.Cursor != ""
		for k := range got {
			switch err := got[k].Err; {
			case errors.Is(err, vault.ErrGone):
				return err
			case err != nil && !errors.Is(err, vault.ErrNotFound): // else it was deleted just now
				out.Closed++
			}
			if r := v.shown(coll, &got[k]); len(r.Fields) > 0 {
				out.Records = append(out.Records, r)
			}
		}
	}
	return nil
}

// shown is a record as the operator sees it. The values are overwritten.
func (v *visit) shown(coll *catalog.Collection, got *vault.Revealed) page.ShownRecord {
	out := page.ShownRecord{Title: coll.TitleIn(v.lang())}
	for i := range got.Fields {
		a := &got.Fields[i]
		f := page.ShownField{Title: a.Field.TitleIn(v.lang()), How: page.Shown(a.View.String()), Why: page.HiddenReason(a.Reason)}
		switch a.View {
		case accessctl.Plain:
			f.Value = text(a.Field.AppendJSON(nil, a.Value))
		case accessctl.Masked:
			f.Value = string(a.Value.Expose()) // what stands for it, already
		case accessctl.Hidden:
		}
		clear(a.Value.Expose())
		out.Fields = append(out.Fields, f)
	}
	return out
}

// text is a JSON value as text.
func text(b []byte) string {
	defer clear(b)
	var s string
	if json.Unmarshal(b, &s) == nil {
		return s
	}
	return string(b)
}
