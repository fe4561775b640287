package httpapi

import (
	"net/http"
	"strconv"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit/report"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/api"
	"github.com/fieldvault/fieldvault/vault/catalog"
)

// usageDays is the window where none is asked for.
const usageDays = 90

func usageRoutes() []route {
	days := []parameter{{"days", "How many days back, up to 3660; default: 90", false}}
	const limits = " From the log, compared with its newest signed checkpoint. It works for 30 seconds, one report at a time: longer ones are for the command line."
	return []route{{
		method: http.MethodGet, path: "/v1/purposes/{purpose}/usage", id: "purposeUsage", tag: "Log", summary: "What was read under a purpose",
		detail: "By field and caller, with the number of people, for the review of a purpose. Needs the action audit." + limits, query: days,
		serve: (*exchange).purposeUsage, out: []result{{200, "What was read", api.PurposeUsage{}, ""}},
	}, {
		method: http.MethodGet, path: "/v1/minimisation", id: "minimisation", tag: "Log", summary: "Fields and purposes that nobody uses",
		detail: "Fields and purposes of the catalog in force that were not used in the window, and purposes past their review date. Needs the action audit." + limits, query: days,
		serve: (*exchange).minimisation, out: []result{{200, "What may be more than is needed", api.Minimisation{}, ""}},
	}}
}

func (x *exchange) days() (int, error) {
	if !x.query.Has("days") {
		return usageDays, nil
	}
	n, ok := positive(x.query.Get("days"))
	if !ok || n > vault.MaxUsageDays {
		return 0, invalid("days", "must be from 1 to "+strconv.Itoa(vault.MaxUsageDays))
	}
	return int(n), nil
}

func (x *exchange) purposeUsage() (answer, error) {
	days, err := x.days()
	if err != nil {
		return answer{}, err
	}
	if !x.reports.TryAcquire(1) {
		return answer{}, busy()
	}
	defer x.reports.Release(1)
	r, err := x.vault.Usage(x.r.Context(), x.caller, accessctl.Purpose(x.params["purpose"]), days, nil)
	if err != nil {
		return answer{}, err
	}
	return encoded(http.StatusOK, UsageOf(r))
}

func (x *exchange) minimisation() (answer, error) {
	days, err := x.days()
	if err != nil {
		return answer{}, err
	}
	if !x.reports.TryAcquire(1) {
		return answer{}, busy()
	}
	defer x.reports.Release(1)
	m, err := x.vault.Minimise(x.r.Context(), x.caller, days, nil)
	if err != nil {
		return answer{}, err
	}
	return encoded(http.StatusOK, MinimisationOf(m))
}

func usageWindow(r *report.UsageReport) api.UsageWindow {
	w := api.UsageWindow{From: r.From, To: r.To, Events: r.Events, Verified: r.Checkpoint != nil && r.Checkpoint.Verified}
	if !r.First.IsZero() {
		w.First = &r.First
	}
	return w
}

func usageRows(r *report.UsageReport) []api.UsageRow {
	list := make([]api.UsageRow, len(r.Rows))
	for i := range r.Rows {
		row := &r.Rows[i]
		list[i] = api.UsageRow{
			Purpose: string(row.Purpose), Field: row.Name(), Caller: row.Caller, How: row.How.String(),
			Events: row.Events, Values: row.Values, People: row.People, About: row.About, First: row.First, Last: row.Last,
		}
	}
	return list
}

// UsageOf is the wire form of a report, for the command line too.
func UsageOf(r *report.UsageReport) api.PurposeUsage {
	return api.PurposeUsage{Purpose: string(r.Purpose), UsageWindow: usageWindow(r), Rows: usageRows(r)}
}

// MinimisationOf is the wire form of a minimisation, for the command line too.
func MinimisationOf(m *vault.Minimisation) api.Minimisation {
	out := api.Minimisation{
		UsageWindow: usageWindow(m.Usage), Fields: make([]api.UnusedField, len(m.Fields)), Purposes: purposeRefs(m.Purposes),
		Unread: make([]api.UnreadFor, len(m.Unread)), Review: purposeRefs(m.Review),
	}
	for i, f := range m.Fields {
		out.Fields[i] = api.UnusedField{Field: f.Collection() + "." + f.Name, Title: f.Title, Classification: f.Classification, Purposes: f.Purposes}
	}
	for i, u := range m.Unread {
		out.Unread[i] = api.UnreadFor{Field: u.Field.Collection() + "." + u.Field.Name, Purpose: u.Purpose.ID}
	}
	return out
}

func purposeRefs(list []*catalog.Purpose) []api.PurposeRef {
	out := make([]api.PurposeRef, len(list))
	for i, p := range list {
		out[i] = api.PurposeRef{Purpose: p.ID, Title: p.Title, ReviewBy: p.ReviewBy}
	}
	return out
}
