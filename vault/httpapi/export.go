package httpapi

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/api"
	"github.com/fieldvault/fieldvault/vault/catalog"
)

func (x *exchange) export() (answer, error) {
	asCSV := wantsCSV(x.r.Header.Values("Accept"))
	m, err := x.vault.Export(x.r.Context(), x.caller, x.params["subject"])
	if err != nil {
		return answer{}, err
	}
	var a answer
	if asCSV {
		a, err = exportCSV(&m)
	} else {
		a, err = encoded(http.StatusOK, exportOf(&m))
	}
	a.secret = true
	x.w.Header().Set("Vary", "Accept")
	return a, err
}

// Export writes a manifest as the route does: as JSON, or as a table.
func Export(m *vault.Manifest, csv bool) ([]byte, error) {
	if csv {
		a, err := exportCSV(m)
		return a.body, err
	}
	a, err := encoded(http.StatusOK, exportOf(m))
	return a.body, err
}

// wantsCSV says whether the first media type that is served and named is CSV.
func wantsCSV(accept []string) bool {
	for part := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		kind, _, _ := strings.Cut(part, ";")
		switch strings.ToLower(strings.TrimSpace(kind)) {
		case mediaCSV:
			return true
		case mediaJSON, "application/*", "*/*":
			return false
		}
	}
	return false
}

func exportOf(m *vault.Manifest) api.Export {
	out := api.Export{
		Subject: m.Subject, Generation: m.Generation, Created: m.Created, Restricted: m.Restricted, Held: m.Held,
		CatalogVersion: m.CatalogVers, Purposes: purposesOf(m.Purposes), Consents: consentsOf(m.Consents),
		Records: make([]api.ExportRecord, len(m.Records)),
	}
	for i := range m.Records {
		r := &m.Records[i]
		rec := api.ExportRecord{Collection: r.Collection, Record: r.Record, Revision: r.Revision, Fields: make([]api.ExportField, len(r.Fields))}
		for j := range r.Fields {
			rec.Fields[j] = exportField(&r.Fields[j])
		}
		out.Records[i] = rec
	}
	for _, k := range m.Tokens {
		e := api.ExportTokens{Collection: k.Collection, Field: k.Field, Purpose: k.Purpose, Kind: string(k.Kind), Count: k.Count}
		if !k.Expires.IsZero() {
			e.Expires = &k.Expires
		}
		out.Tokens = append(out.Tokens, e)
	}
	return out
}

func exportField(f *vault.ManifestField) api.ExportField {
	out := api.ExportField{
		Name: f.Field.Name, Title: f.Field.Title, Type: string(f.Field.Type), Purposes: listOf(f.Field.Purposes),
		RetentionDays: int(f.Field.Retention), Written: f.Sealed,
	}
	if f.Answer != nil {
		a := fieldOf(f.Answer)
		out.View, out.Value, out.Reason = a.View, a.Value, a.Reason
	}
	return out
}

// listOf is never nil, so that it is [] in JSON.
func listOf(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

func purposesOf(all []catalog.Purpose) []api.Purpose {
	out := make([]api.Purpose, len(all))
	for i, p := range all {
		out[i] = api.Purpose{
			ID: p.ID, Title: p.Title, Text: p.Text, Benefit: p.Benefit, Consequence: p.Consequence, Basis: p.Basis, Recipients: listOf(p.Recipients),
			RetentionDays: int(p.Retention), DespiteRestriction: p.DespiteRestriction, Version: p.Version, ReviewBy: p.ReviewBy,
			ExpiresDays: int(p.Expires), DirectMarketing: p.DirectMarketing, Sells: p.Sells, MinAge: p.MinAge, Since: p.Since,
		}
		for lang, w := range p.Translations {
			if out[i].Translations == nil {
				out[i].Translations = map[string]api.PurposeWords{}
			}
			out[i].Translations[lang] = api.PurposeWords(w)
		}
	}
	return out
}

// exportCSV is the export as a table: one line a field.
func exportCSV(m *vault.Manifest) (answer, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	rows := [][]string{{"collection", "record", "revision", "field", "title", "purposes", "retention_days", "written", "view", "value"}}
	for i := range m.Records {
		r := &m.Records[i]
		for j := range r.Fields {
			f := exportField(&r.Fields[j])
			days := ""
			if f.RetentionDays > 0 {
				days = strconv.Itoa(f.RetentionDays)
			}
			rows = append(rows, []string{
				r.Collection, cell(r.Record), strconv.FormatUint(r.Revision, 10), f.Name, cell(f.Title), strings.Join(f.Purposes, " "),
				days, f.Written.Format(time.RFC3339), f.View, cell(text(f.Value)),
			})
		}
	}
	err := w.WriteAll(rows)
	return answer{status: http.StatusOK, media: mediaCSV + "; charset=utf-8", body: b.Bytes(), file: "export.csv"}, err
}

// text is a JSON value as text: a string without its quotes, anything else as it stands.
func text(v json.RawMessage) string {
	var s string
	if json.Unmarshal(v, &s) == nil {
		return s
	}
	return string(v)
}

// cell keeps spreadsheets from running a value as a formula: what begins like one
// gets an apostrophe in front. Numbers and telephone numbers stay as they are.
func cell(s string) string {
	if s == "" {
		return s
	}
	switch s[0] {
	case '=', '@', '\t', '\r', '\n':
		return "'" + s
	case '+', '-':
		if strings.Trim(s[1:], "0123456789 .,()/-") != "" {
			return "'" + s
		}
	}
	return s
}
