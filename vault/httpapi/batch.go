package httpapi

import (
	"net/http"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/api"
)

func batchRoutes() []route {
	return []route{
		{
			method: http.MethodPost, path: "/v1/records", id: "putRecords", tag: "Fields", summary: "Store many records",
			detail: "One transaction; an item that is refused does not stop the others. Results stand in the order of the items.",
			in:     api.BatchWrite{}, limit: api.MaxBatchBody, once: true, purpose: optional,
			serve: (*exchange).putRecords, out: []result{{200, "One result an item", api.BatchWritten{}, ""}},
		},
		{
			method: http.MethodPost, path: "/v1/reveal", id: "reveal", tag: "Fields", summary: "Read fields of many records",
			detail: "Results stand in the order of the items.",
			in:     api.RevealRequest{}, limit: api.MaxBatchBody, purpose: always,
			serve: (*exchange).reveal, out: []result{{200, "One result an item", api.RevealAnswer{}, ""}, waitsResult()},
		},
		{
			method: http.MethodPost, path: "/v1/search", id: "search", tag: "Fields", summary: "Find records by a value, its beginning, a part of it or a range",
			detail: "What is looked for is normalised as values were on writing. All but equality need that the caller may see the field in plain.",
			in:     api.SearchRequest{}, purpose: always,
			serve: (*exchange).search, out: []result{{200, "One page of matches", api.SearchAnswer{}, ""}, waitsResult()},
		},
	}
}

func (x *exchange) putRecords() (answer, error) {
	var in api.BatchWrite
	if err := x.decode(&in); err != nil {
		return answer{}, err
	}
	if err := items(in.Items); err != nil {
		return answer{}, err
	}
	ws := make([]vault.Write, len(in.Items))
	for i, it := range in.Items {
		ws[i] = vault.Write{Subject: it.Subject, Collection: it.Collection, Record: it.Record, Fields: it.Fields}
	}
	written, err := x.vault.PutBatch(x.r.Context(), x.caller, ws, x.idempotency())
	if err != nil {
		return answer{}, err
	}
	out := api.BatchWritten{Results: make([]api.WriteResult, len(written))}
	for i, w := range written {
		out.Results[i] = api.WriteResult{Outcome: x.outcome(w.Err, writtenStatus(w)), Revision: w.Revision, Warnings: warningsOf(w.Warnings)}
		if w.Err != nil {
			out.Results[i].Revision = 0
		}
	}
	return encoded(http.StatusOK, out)
}

// items refuses a batch of none, which is a mistake, or of too many.
func items[T any](list []T) error {
	switch {
	case len(list) == 0:
		return invalid("items", "is required")
	case len(list) > api.MaxItems:
		return refuse(api.TooLarge, "A batch may have at most 1000 items.")
	}
	return nil
}

// outcome is how one item went. What operators must know of it is logged.
func (x *exchange) outcome(err error, good int) api.Outcome {
	o := outcomeOf(err, good)
	if o.Code == api.Internal || o.Code == api.Integrity {
		x.refused(err)
	}
	return o
}

func (x *exchange) reveal() (answer, error) {
	var in api.RevealRequest
	if err := x.decode(&in); err != nil {
		return answer{}, err
	}
	if err := items(in.Items); err != nil {
		return answer{}, err
	}
	list := make([]vault.Item, len(in.Items))
	for i, it := range in.Items {
		list[i] = vault.Item{Subject: it.Subject, Collection: it.Collection, Record: it.Record, Fields: it.Fields}
	}
	out, err := x.vault.Reveal(x.r.Context(), x.caller, list)
	if err != nil {
		return answer{}, err
	}
	body, err := x.appendResults(make([]byte, 0, sizeOf(out)), list, out)
	wipe(out)
	return answer{status: http.StatusOK, media: mediaJSON, body: body, secret: true}, err
}

func (x *exchange) search() (answer, error) {
	var in api.SearchRequest
	if err := x.decode(&in); err != nil {
		return answer{}, err
	}
	m, err := x.vault.Search(x.r.Context(), x.caller, vault.Query{
		Collection: in.Collection, Field: in.Field, Equals: in.Equals, Prefix: in.Prefix, Contains: in.Contains,
		From: in.From, To: in.To, Cursor: in.Cursor, Limit: in.Limit,
	})
	if err != nil {
		return answer{}, err
	}
	out := api.SearchAnswer{Matches: make([]api.Match, len(m.Matches)), Cursor: m.Cursor}
	for i, f := range m.Matches {
		out.Matches[i] = api.Match{Subject: f.Subject, Record: f.Record}
	}
	return encoded(http.StatusOK, out)
}
