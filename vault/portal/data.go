package portal

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/catalog"
	"github.com/fieldvault/fieldvault/vault/portal/page"
)

// held reads everything that is held on the person, with the values.
func (v *visit) held() (*vault.Manifest, error) {
	m, err := v.vault.Export(v.r.Context(), v.caller, v.caller.Person)
	return &m, err
}

// forget overwrites the values of a manifest.
func forget(m *vault.Manifest) {
	for i := range m.Records {
		for _, f := range m.Records[i].Fields {
			if f.Answer != nil {
				clear(f.Answer.Value.Expose())
			}
		}
	}
}

func (v *visit) overview() (page.Page, error) {
	m, err := v.held()
	if err != nil {
		return nil, err
	}
	defer forget(m)
	may, err := v.vault.Correctable(v.r.Context(), v.caller)
	if err != nil {
		return nil, err
	}
	var out page.Overview
	for i := range v.cat.Collections {
		coll := &v.cat.Collections[i]
		c := page.Collection{Title: coll.TitleIn(string(v.frame.Lang))}
		for j := range m.Records {
			if r := &m.Records[j]; r.Collection == coll.Name {
				c.Records = append(c.Records, v.record(coll, r, may))
			}
		}
		slices.SortStableFunc(c.Records, func(a, b page.Record) int { return b.Day.Compare(a.Day) }) // the latest first
		if len(c.Records) > 0 {
			out.Collections = append(out.Collections, c)
		}
	}
	return out, nil
}

func (v *visit) record(coll *catalog.Collection, r *vault.ManifestRecord, may func(*catalog.Field) bool) page.Record {
	out := page.Record{}
	for i := range r.Fields {
		f := &r.Fields[i]
		h := page.Held{Title: f.Field.TitleIn(string(v.frame.Lang)), Value: value(f)}
		if day, err := time.Parse(time.DateOnly, h.Value); err == nil && f.Field.Type == catalog.TypeDate {
			h.Day = day
		}
		if out.Day.IsZero() {
			out.Day = h.Day
		}
		for _, id := range f.Field.Purposes {
			if p, ok := v.cat.Purpose(id); ok {
				w, _ := p.In(string(v.frame.Lang), v.cat.Language)
				h.Purposes = append(h.Purposes, w.Title)
			}
		}
		if days := v.cat.Kept(f.Field); days > 0 {
			h.Until = f.Sealed.AddDate(0, 0, int(days)).In(v.cfg.Now().Location())
		}
		out.Fields = append(out.Fields, h)
		if may(f.Field) && out.Correct == "" {
			out.Correct = page.PathCorrect + "?" + url.Values{"collection": {coll.Name}, "record": {r.Record}}.Encode()
		}
	}
	return out
}

// value is a stored value as text: empty if it is not shown even to the person.
func value(f *vault.ManifestField) string {
	if f.Answer == nil || f.Answer.Value.Len() == 0 {
		return ""
	}
	b := f.Field.AppendJSON(nil, f.Answer.Value)
	var s string
	if json.Unmarshal(b, &s) == nil {
		return s
	}
	return string(b)
}

func (v *visit) download() (page.Page, error) {
	m, err := v.held()
	if err != nil {
		return nil, err
	}
	defer forget(m)
	var out page.Download
	for i := range v.cat.Collections {
		coll := &v.cat.Collections[i]
		if slices.ContainsFunc(m.Records, func(r vault.ManifestRecord) bool { return r.Collection == coll.Name }) {
			out.Parts = append(out.Parts, coll.TitleIn(string(v.frame.Lang)))
		}
	}
	return out, nil
}

func (v *visit) takeJSON() (page.Page, error) { return v.take(false) }
func (v *visit) takeCSV() (page.Page, error)  { return v.take(true) }

// take sends everything as a file.
func (v *visit) take(csv bool) (page.Page, error) {
	m, err := v.held()
	if err != nil {
		return nil, err
	}
	defer forget(m)
	b, err := v.cfg.Export(m, csv)
	if err != nil {
		return nil, err
	}
	media, name := "application/json", "my-data.json"
	if csv {
		media, name = "text/csv; charset=utf-8", "my-data.csv"
	}
	v.file(media, name, b)
	clear(b)
	return nil, nil
}

// file answers bytes to be saved under a name.
func (v *visit) file(media, name string, b []byte) {
	h := v.w.Header()
	h.Set("Content-Type", media)
	h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	v.w.WriteHeader(http.StatusOK)
	_, _ = v.w.Write(b) //nolint:gosec // it is no page: the media type is fixed, and not sniffed
}

// correcting finds the record that a form is about.
func (v *visit) correcting(q url.Values) (page.Correct, *vault.Manifest, error) {
	out := page.Correct{Collection: q.Get("collection"), Record: q.Get("record")}
	coll, ok := v.cat.Collection(out.Collection)
	if !ok {
		return out, nil, vault.ErrNotFound
	}
	may, err := v.vault.Correctable(v.r.Context(), v.caller)
	if err != nil {
		return out, nil, err
	}
	m, err := v.held()
	if err != nil {
		return out, nil, err
	}
	i := slices.IndexFunc(m.Records, func(r vault.ManifestRecord) bool { return r.Collection == out.Collection && r.Record == out.Record })
	if i < 0 {
		return out, nil, vault.ErrNotFound
	}
	out.Title = coll.TitleIn(string(v.frame.Lang))
	for j := range m.Records[i].Fields {
		f := &m.Records[i].Fields[j]
		out.Inputs = append(out.Inputs, page.Input{
			Name: f.Field.Name, Title: f.Field.TitleIn(string(v.frame.Lang)), Value: value(f), Kind: inputKind(f.Field.Type, value(f)), Fixed: !may(f.Field) || f.Answer == nil || f.Answer.View != accessctl.Plain,
		})
	}
	return out, m, nil
}

// inputKind is the control for a value: one that has lines needs one that keeps them.
func inputKind(t catalog.Type, value string) page.InputKind {
	if t == catalog.TypeText && strings.ContainsAny(value, "\r\n") {
		return page.InputLong
	}
	switch t {
	case catalog.TypeEmail:
		return page.InputEmail
	case catalog.TypePhone:
		return page.InputPhone
	case catalog.TypeDate:
		return page.InputDate
	case catalog.TypeAddress, catalog.TypeJSON:
		return page.InputLong
	default:
		return page.InputText
	}
}

func (v *visit) correct() (page.Page, error) {
	out, m, err := v.correcting(v.r.URL.Query())
	if err != nil {
		return nil, err
	}
	forget(m)
	return out, nil
}

// corrected stores what has changed, and nothing else.
func (v *visit) corrected() (page.Page, error) {
	out, m, err := v.correcting(v.r.PostForm)
	if err != nil {
		return nil, err
	}
	defer forget(m)
	coll, _ := v.cat.Collection(out.Collection)
	w := vault.Write{Subject: v.caller.Person, Collection: out.Collection, Record: out.Record, Patch: true, Fields: map[string]json.RawMessage{}}
	for i := range out.Inputs {
		in := &out.Inputs[i]
		given, has := v.r.PostForm["value."+in.Name]
		if !has || in.Fixed || lines(given[0]) == lines(in.Value) {
			continue
		}
		f, _ := coll.Field(in.Name)
		in.Value = strings.TrimSpace(lines(given[0]))
		text := f.FromText(in.Value)
		if in.Error = inputError(f, in.Value, text); in.Error == page.InputGood {
			w.Fields[in.Name] = text
		}
	}
	switch {
	case len(out.Wrong()) > 0:
		return out, nil
	case len(w.Fields) > 0:
		if _, err := v.vault.Put(v.r.Context(), v.caller, w, vault.Idempotency{}); err != nil {
			return nil, err
		}
	}
	v.to(page.PathOverview, page.Flash{Kind: page.FlashCorrected})
	return nil, nil
}

// lines is a text with its line breaks as they are stored; a form sends others.
func lines(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") }

// inputError says what is wrong with a value.
func inputError(f *catalog.Field, text string, v json.RawMessage) page.InputError {
	if text == "" {
		return page.InputRequired
	}
	_, err := f.Encode(v)
	var bad *catalog.ValueError
	switch {
	case err == nil:
		return page.InputGood
	case errors.As(err, &bad) && bad.TooLarge():
		return page.InputTooLong
	}
	return page.InputBadForm
}
