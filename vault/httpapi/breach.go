package httpapi

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit/report"
	"github.com/fieldvault/fieldvault/vault/api"
)

// mediaMarkdown is that of the draft of a notification.
const mediaMarkdown = "text/markdown"

// maxReport bounds the bytes of a report over HTTP. A larger one is the command's.
const maxReport = 64 << 20

func breachRoutes() []route {
	return []route{{
		method: http.MethodGet, path: "/v1/audit/breach", id: "breach", tag: "Log", summary: "Which people and fields were shown in a window",
		detail: "From the log, compared with its newest signed checkpoint. As CSV with Accept: text/csv; as a draft of the notification under GDPR Art. 33(3) with " +
			"Accept: text/markdown. It works for 30 seconds and answers 64 MiB at most, one report at a time: longer ones are for `fieldvault audit breach`.",
		query: []parameter{
			{"from", "RFC 3339: events of this time and later", true},
			{"to", "RFC 3339: events before this time", true},
			{"actor", "Who acted, as in events; may be repeated; default: everybody", false},
			{"purpose", "Which was claimed; may be repeated; default: any", false},
			{"masked", "true: count what was shown masked, too", false},
		},
		repeats: []string{"actor", "purpose"},
		serve:   (*exchange).breach,
		out: []result{
			{200, "The report", json.RawMessage{}, ""}, {200, "The report", nil, mediaCSV}, {200, "The report", nil, mediaMarkdown},
		},
	}}
}

// breach makes a report. One at a time: each may hold much of the log in memory.
func (x *exchange) breach() (answer, error) {
	q, err := x.breachQuery()
	if err != nil {
		return answer{}, err
	}
	if !x.reports.TryAcquire(1) {
		return answer{}, busy()
	}
	defer x.reports.Release(1)
	r, err := x.vault.Breach(x.r.Context(), x.caller, q, nil)
	if err != nil {
		return answer{}, err
	}
	x.w.Header().Set("Vary", "Accept")
	return reportAs(preferred(x.r.Header.Values("Accept"), mediaJSON, mediaCSV, mediaMarkdown), r)
}

// breachQuery reads the query.
func (x *exchange) breachQuery() (q report.Query, err error) {
	for name, into := range map[string]*time.Time{"from": &q.From, "to": &q.To} {
		if *into, err = x.instant(name); err != nil {
			return q, err
		}
		if into.IsZero() {
			return q, invalid(name, "is required")
		}
	}
	q.MaskedToo, err = x.flag("masked")
	q.Actors = x.query["actor"]
	for _, p := range x.query["purpose"] {
		q.Purposes = append(q.Purposes, accessctl.Purpose(p))
	}
	return q, err
}

// reportAs is a report in one of its forms.
func reportAs(media string, r *report.Report) (a answer, err error) {
	b := &bounded{}
	a = answer{status: http.StatusOK, media: media}
	switch media {
	case mediaCSV:
		a.media, a.file = media+"; charset=utf-8", "breach.csv"
		err = r.WriteCSV(b)
	case mediaMarkdown:
		a.media = media + "; charset=utf-8"
		err = r.WriteDraft(b, time.Time{})
	default:
		err = r.WriteJSON(b)
	}
	a.body = b.bytes
	if errors.Is(err, errFull) {
		err = refuse(api.TooLarge, "The report is too large for an answer: ask for less, or use `fieldvault audit breach`.")
	}
	return a, err
}

var errFull = errors.New("httpapi: the answer is too large")

// A bounded keeps what is written, up to maxReport.
type bounded struct{ bytes []byte }

// Write is that of io.Writer.
func (b *bounded) Write(p []byte) (int, error) {
	if len(b.bytes)+len(p) > maxReport {
		return 0, errFull
	}
	b.bytes = append(b.bytes, p...)
	return len(p), nil
}

// preferred is the first of the media types that is served and named; the first
// that is served if none is.
func preferred(accept []string, served ...string) string {
	for part := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		kind, _, _ := strings.Cut(part, ";")
		kind = strings.ToLower(strings.TrimSpace(kind))
		for _, s := range served {
			if kind == s {
				return s
			}
		}
		if kind == "*/*" {
			break
		}
	}
	return served[0]
}
