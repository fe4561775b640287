package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/fieldvault/fieldvault/vault/api"
)

// LogCheckpoint is the newest signed checkpoint of the tenant's audit log, a C2SP
// tlog-checkpoint. Code not_found while the log is empty.
func (c *Client) LogCheckpoint(ctx context.Context) (signed []byte, err error) {
	k := newCall(http.MethodGet, safely, "v1", "audit", "checkpoint")
	k.accept = "text/plain"
	return signed, c.send(ctx, k, &signed)
}

// LogTile is a tile of the log, or a bundle of its events, by its C2SP tlog-tiles path
// ("tile/0/x001/234").
func (c *Client) LogTile(ctx context.Context, path string) (b []byte, err error) {
	k := newCall(http.MethodGet, safely, append([]string{"v1", "audit"}, strings.Split(path, "/")...)...)
	k.accept = "application/octet-stream"
	return b, c.send(ctx, k, &b)
}

// LogQuery selects events of the audit log. Zero members select all.
type LogQuery struct {
	From, To  time.Time // events with From <= time < To
	Subject   string    // a living person
	Actor     string    // as events spell it
	FromIndex int64     // events from this place on
	Limit     int       // up to 1,000; 0: 100
}

// LogEntries lists events of the audit log. Next of the answer, if not 0, is the
// FromIndex of the next page.
func (c *Client) LogEntries(ctx context.Context, q LogQuery) (out api.LogEvents, err error) {
	k := newCall(http.MethodGet, safely, "v1", "audit", "entries")
	k.query = pageOf(q.FromIndex, q.Limit)
	for name, at := range map[string]time.Time{"from": q.From, "to": q.To} {
		if !at.IsZero() {
			k.query.Set(name, at.UTC().Format(time.RFC3339Nano))
		}
	}
	for name, text := range map[string]string{"subject": q.Subject, "actor": q.Actor} {
		if text != "" {
			k.query.Set(name, text)
		}
	}
	return out, c.send(ctx, k, &out)
}

// AccessHistory says who read what of a person, when and why, oldest first. Next of the
// answer, if not 0, is the fromIndex of the next page. limit is up to 1,000; 0: 100.
func (c *Client) AccessHistory(ctx context.Context, subject string, fromIndex int64, limit int) (out api.AccessHistory, err error) {
	k := person(http.MethodGet, safely, subject, "access-history")
	k.query = pageOf(fromIndex, limit)
	return out, c.send(ctx, k, &out)
}

func pageOf(fromIndex int64, limit int) url.Values {
	q := url.Values{}
	if fromIndex > 0 {
		q.Set("from_index", strconv.FormatInt(fromIndex, 10))
	}
	if limit > 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	return q
}

// BreachQuery selects what a breach report is about.
type BreachQuery struct {
	From, To time.Time // the window: From <= time < To; required
	Actors   []string  // as events spell them; none: everybody
	Purposes []string  // none: any
	Masked   bool      // count what was shown masked, too
}

// Breach says which people and fields were shown in a window: JSON of the form that
// package audit/report documents. Code too_large if it is for `fieldvault audit breach`.
func (c *Client) Breach(ctx context.Context, q BreachQuery) (report json.RawMessage, err error) {
	var b []byte
	err = c.breach(ctx, q, "application/json", &b)
	return b, err
}

// BreachCSV is Breach as a table.
func (c *Client) BreachCSV(ctx context.Context, q BreachQuery) (table []byte, err error) {
	err = c.breach(ctx, q, "text/csv", &table)
	return table, err
}

// BreachDraft is Breach as a draft of the notification under GDPR Art. 33(3), in
// Markdown.
func (c *Client) BreachDraft(ctx context.Context, q BreachQuery) (draft []byte, err error) {
	err = c.breach(ctx, q, "text/markdown", &draft)
	return draft, err
}

func (c *Client) breach(ctx context.Context, q BreachQuery, media string, out *[]byte) error {
	k := newCall(http.MethodGet, safely, "v1", "audit", "breach")
	k.accept = media
	k.query = url.Values{"actor": q.Actors, "purpose": q.Purposes}
	k.query.Set("from", q.From.UTC().Format(time.RFC3339Nano))
	k.query.Set("to", q.To.UTC().Format(time.RFC3339Nano))
	if q.Masked {
		k.query.Set("masked", "true")
	}
	return c.send(ctx, k, out)
}
