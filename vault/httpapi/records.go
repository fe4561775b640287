package httpapi

import (
	"net/http"
	"strings"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/api"
)

const recordPath = "/v1/subjects/{subject}/records/{collection}/{record}"

func recordRoutes() []route {
	written := api.Written{}
	return []route{
		{
			method: http.MethodPut, path: recordPath, id: "putRecord", tag: "Fields", summary: "Store a record",
			detail: "Replaces what stands. The first write of a person makes the person. Texts with personal data that the catalog does not announce are stored, and warned of.",
			in:     api.Write{}, ifMatch: true, once: true, purpose: optional, serve: (*exchange).putRecord,
			out: []result{{200, "Replaced", written, ""}, {201, "New", written, ""}},
		},
		{
			method: http.MethodPatch, path: recordPath, id: "patchRecord", tag: "Fields", summary: "Change fields of a record",
			detail: "Merges with what stands; null removes a field. It warns of texts as a PUT does.",
			in:     api.Write{}, ifMatch: true, once: true, purpose: optional, serve: (*exchange).patchRecord,
			out: []result{{200, "Changed", written, ""}},
		},
		{
			method: http.MethodGet, path: recordPath, id: "getRecord", tag: "Fields", summary: "Read fields of a record",
			detail: "Each field is plain, masked or hidden, as policy, purpose and consent say.",
			query:  []parameter{{"fields", "Names of fields, with commas between; * is all that are stored and needs the action export", true}},
			serve:  (*exchange).getRecord, purpose: always,
			out: []result{{200, "What the caller may see", api.Record{}, ""}, waitsResult()},
		},
		{
			method: http.MethodDelete, path: recordPath, id: "deleteRecord", tag: "Fields", summary: "Remove a record",
			detail: "Its revision goes on rising when it is written again.", ifMatch: true, purpose: optional,
			serve: (*exchange).deleteRecord, out: []result{
				{status: 204, words: "Removed"}, waitsResult(),
			},
		},
		{
			method: http.MethodGet, path: "/v1/subjects/{subject}/records", id: "listRecords", tag: "Fields",
			summary: "Name the records of a person", detail: "References only, no values.",
			query: []parameter{
				{"collection", "Only records of this collection", false},
				{"cursor", "From the page before", false},
				{"limit", "At most so many, from 1 to 1000; default 100", false},
			},
			serve: (*exchange).listRecords, purpose: always, out: []result{{200, "One page", api.References{}, ""}},
		},
	}
}

func (x *exchange) putRecord() (answer, error) { return x.write(false) }

func (x *exchange) patchRecord() (answer, error) { return x.write(true) }

func (x *exchange) write(patch bool) (answer, error) {
	var in api.Write
	if err := x.decode(&in); err != nil {
		return answer{}, err
	}
	if in.Fields == nil {
		return answer{}, invalid("fields", "is required")
	}
	w, err := x.vault.Put(x.r.Context(), x.caller, vault.Write{
		Subject: x.params["subject"], Collection: x.params["collection"], Record: x.params["record"],
		Fields: in.Fields, Patch: patch, IfMatch: x.match,
	}, x.idempotency())
	if err != nil {
		return answer{}, err
	}
	a, err := encoded(writtenStatus(w), api.Written{Revision: w.Revision, Warnings: warningsOf(w.Warnings)})
	a.etag = w.Revision
	return a, err
}

// warningsOf are the warnings of a write as wire types.
func warningsOf(list []vault.Warning) (out []api.TextWarning) {
	for _, w := range list {
		kinds := make([]string, len(w.Kinds))
		for i, k := range w.Kinds {
			kinds[i] = string(k)
		}
		out = append(out, api.TextWarning{Field: w.Field, Kinds: kinds})
	}
	return out
}

func writtenStatus(w vault.Written) int {
	if w.Created {
		return http.StatusCreated
	}
	return http.StatusOK
}

func (x *exchange) getRecord() (answer, error) {
	item := vault.Item{Subject: x.params["subject"], Collection: x.params["collection"], Record: x.params["record"]}
	if f := x.query.Get("fields"); f != "" {
		item.Fields = strings.Split(f, ",")
	}
	out, err := x.vault.Reveal(x.r.Context(), x.caller, []vault.Item{item})
	if err == nil {
		err = out[0].Err
	}
	if err != nil {
		return answer{}, err
	}
	body := append(make([]byte, 0, sizeOf(out)), '{')
	body = append(appendRecord(body, &item, &out[0]), '}')
	wipe(out)
	return answer{status: http.StatusOK, media: mediaJSON, body: body, secret: true, etag: out[0].Revision}, nil
}

func (x *exchange) deleteRecord() (answer, error) {
	err := x.vault.Delete(x.r.Context(), x.caller, x.params["subject"], x.params["collection"], x.params["record"], x.match)
	return nothing(err)
}

func (x *exchange) listRecords() (answer, error) {
	limit, err := x.number("limit")
	if err != nil {
		return answer{}, err
	}
	for _, name := range []string{"collection", "cursor"} {
		if x.query.Has(name) && x.query.Get(name) == "" {
			return answer{}, invalid(name, "must not be empty")
		}
	}
	p, err := x.vault.List(x.r.Context(), x.caller, x.params["subject"], x.query.Get("collection"), x.query.Get("cursor"), limit)
	if err != nil {
		return answer{}, err
	}
	out := api.References{Records: make([]api.Reference, len(p.Records)), Cursor: p.Cursor}
	for i, r := range p.Records {
		out.Records[i] = api.Reference{Collection: r.Collection, Record: r.Record, Revision: r.Revision}
	}
	return encoded(http.StatusOK, out)
}
