package httpapi

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/api"
)

// mediaBytes is that of tiles and bundles of the log.
const mediaBytes = "application/octet-stream"

func logRoutes() []route {
	return []route{
		{
			method: http.MethodGet, path: "/v1/audit/checkpoint", id: "logCheckpoint", tag: "Log", summary: "The newest signed checkpoint",
			detail: "A C2SP tlog-checkpoint, signed with the key of /v1/audit/key.",
			serve:  (*exchange).logCheckpoint, out: []result{{200, "A signed note", nil, mediaText}},
		},
		{
			method: http.MethodGet, path: "/v1/audit/entries", id: "logEntries", tag: "Log", summary: "Events of the log",
			query: []parameter{
				{"from", "RFC 3339: events of this time and later", false},
				{"to", "RFC 3339: events before this time", false},
				{"subject", "A living person", false},
				{"actor", "Who acted, as in events", false},
				{"from_index", "Events from this place on", false},
				{"limit", "At most so many; default 100, up to 1000", false},
			},
			serve: (*exchange).logEntries, out: []result{{200, "By index", api.LogEvents{}, ""}},
		},
		{
			method: http.MethodGet, path: "/v1/audit/proof", id: "logProof", tag: "Log", summary: "Proof that an event is in the log",
			query: []parameter{{"index", "Of the event", true}, {"size", "Of a signed checkpoint; default: the newest", false}},
			serve: (*exchange).logProof, out: []result{{200, "The proof", api.LogProof{}, ""}},
		},
		{
			method: http.MethodGet, path: "/v1/audit/consistency", id: "logConsistency", tag: "Log", summary: "Proof that the log has only grown",
			query: []parameter{{"from", "The earlier size", true}, {"to", "The size of a later signed checkpoint; default: the newest", false}},
			serve: (*exchange).logConsistency, out: []result{{200, "The proof", api.LogConsistency{}, ""}},
		},
		{
			method: http.MethodGet, path: "/v1/audit/tile/{path}", id: "logTile", tag: "Log", summary: "A tile of the log's tree, or a bundle of its events",
			detail: "The path is that of C2SP tlog-tiles, with its slashes: 0/x001/234, entries/000.p/17.", rest: true,
			serve: (*exchange).logTile, out: []result{{200, "The bytes", nil, mediaBytes}},
		},
		{
			method: http.MethodGet, path: "/v1/subjects/{subject}/access-history", id: "accessHistory", tag: "People", summary: "Who read what of a person, when and why",
			detail: "In words for the person. Gone once the person is erased.",
			query:  []parameter{{"from_index", "Entries from this place on", false}, {"limit", "At most so many; default 100, up to 1000", false}},
			serve:  (*exchange).accessHistory, out: []result{{200, "Oldest first", api.AccessHistory{}, ""}},
		},
	}
}

func (x *exchange) logCheckpoint() (answer, error) {
	b, err := x.vault.LogCheckpoint(x.r.Context(), x.caller)
	return answer{status: http.StatusOK, media: mediaText + "; charset=utf-8", body: b}, err
}

func (x *exchange) logTile() (answer, error) {
	b, err := x.vault.LogTile(x.r.Context(), x.caller, "tile/"+x.params["path"])
	return answer{status: http.StatusOK, media: mediaBytes, body: b}, err
}

// natural reads a whole number of the query, not negative; absent: otherwise.
func (x *exchange) natural(name string, otherwise int64) (int64, error) {
	if !x.query.Has(name) {
		return otherwise, nil
	}
	return wholeNumber(name, x.query.Get(name))
}

// wholeNumber reads a whole number, not negative, in its one spelling.
func wholeNumber(name, text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || strconv.FormatInt(n, 10) != text {
		return 0, invalid(name, "must be a whole number, not negative")
	}
	return n, nil
}

// instant reads a time of the query.
func (x *exchange) instant(name string) (time.Time, error) {
	if !x.query.Has(name) {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, x.query.Get(name))
	if err != nil {
		return t, invalid(name, "must be a time as in RFC 3339")
	}
	return t.UTC(), nil
}

func (x *exchange) logEntries() (answer, error) {
	q := vault.LogQuery{Subject: x.query.Get("subject"), Actor: x.query.Get("actor")}
	var err error
	if q.From, err = x.instant("from"); err != nil {
		return answer{}, err
	}
	if q.To, err = x.instant("to"); err != nil {
		return answer{}, err
	}
	if q.FromIndex, q.Limit, err = x.page(); err != nil {
		return answer{}, err
	}
	page, err := x.vault.LogEntries(x.r.Context(), x.caller, q)
	if err != nil {
		return answer{}, err
	}
	out := api.LogEvents{Events: make([]api.LogEvent, len(page.Entries)), Next: page.Next}
	for i, e := range page.Entries {
		out.Events[i] = api.LogEvent{Index: e.Index, Altered: e.Altered}
		if !e.Altered {
			out.Events[i].Event = e.Leaf
		}
	}
	return encoded(http.StatusOK, out)
}

// page reads from_index and limit.
func (x *exchange) page() (from int64, limit int, err error) {
	if from, err = x.natural("from_index", 0); err != nil {
		return 0, 0, err
	}
	limit, err = x.number("limit")
	if limit == 0 {
		limit = 100
	}
	return from, limit, err
}

func (x *exchange) logProof() (answer, error) {
	index, err := x.natural("index", -1)
	if err != nil {
		return answer{}, err
	}
	if index < 0 {
		return answer{}, invalid("index", "is required")
	}
	size, err := x.natural("size", 0)
	if err != nil {
		return answer{}, err
	}
	in, err := x.vault.LogProof(x.r.Context(), x.caller, index, size)
	if err != nil {
		return answer{}, err
	}
	return encoded(http.StatusOK, api.LogProof{Index: index, Hashes: hashTexts(in.Proof), Checkpoint: string(in.Signed)})
}

func (x *exchange) logConsistency() (answer, error) {
	from, err := x.natural("from", -1)
	if err != nil {
		return answer{}, err
	}
	if from < 0 {
		return answer{}, invalid("from", "is required")
	}
	to, err := x.natural("to", 0)
	if err != nil {
		return answer{}, err
	}
	proof, signed, err := x.vault.LogConsistency(x.r.Context(), x.caller, from, to)
	if err != nil {
		return answer{}, err
	}
	return encoded(http.StatusOK, api.LogConsistency{From: from, Hashes: hashTexts(proof), Checkpoint: string(signed)})
}

func hashTexts[H ~[32]byte](list []H) []string {
	out := make([]string, len(list))
	for i := range list {
		out[i] = base64.StdEncoding.EncodeToString(list[i][:])
	}
	return out
}

func (x *exchange) accessHistory() (answer, error) {
	from, limit, err := x.page()
	if err != nil {
		return answer{}, err
	}
	page, err := x.vault.AccessHistory(x.r.Context(), x.caller, x.params["subject"], from, limit)
	if err != nil {
		return answer{}, err
	}
	out := api.AccessHistory{Subject: x.params["subject"], Entries: make([]api.Access, len(page.Entries)), Next: page.Next}
	for i := range page.Entries {
		out.Entries[i] = accessOf(&page.Entries[i])
	}
	return encoded(http.StatusOK, out)
}

func accessOf(e *vault.HistoryEntry) api.Access {
	a := api.Access{
		Index: e.Index, Event: e.Event.String(), At: e.Time, Who: e.Who, What: e.What, Action: string(e.Action), Outcome: string(e.Outcome),
		Recipient: e.Recipient,
		Purpose:   string(e.Purpose), PurposeText: e.PurposeText, Fields: make([]api.AccessField, len(e.Fields)),
	}
	for i, f := range e.Fields {
		name := f.Collection + "." + f.Field
		if f.Field == "" {
			name = fmt.Sprintf("%d.%d", f.CollectionID, f.FieldID)
		}
		a.Fields[i] = api.AccessField{Field: name, View: f.How, Values: f.Values}
	}
	return a
}
