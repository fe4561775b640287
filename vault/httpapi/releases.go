package httpapi

import (
	"bytes"
	"context"
	"errors"
	"math"
	"net/http"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/api"
)

// mostReleased is how many people may be in a table that an answer holds.
const mostReleased = 100_000

func releaseRoutes() []route {
	return []route{{
		method: http.MethodPost, path: "/v1/releases", id: "releaseTable", tag: "Statistics", summary: "Release a table in which many people look alike",
		detail: "One row for each person whose data may be used for the purpose now, made so coarse that it is k-anonymous, l-diverse and t-close as the catalog declares, or more so; or refused with the reason (422). One table of a collection and purpose in the time that the catalog declares, and at most ten requests whose data are read. Needs the action release on each field. It works for 30 seconds and 100,000 people, one at a time; `fieldvault release` has no such limit.",
		in:     api.ReleaseRequest{}, purpose: always,
		serve: (*exchange).releaseTable, out: []result{{200, "The table", api.Release{}, ""}},
	}}
}

func (x *exchange) releaseTable() (answer, error) {
	var in api.ReleaseRequest
	if err := x.decode(&in); err != nil {
		return answer{}, err
	}
	q := vault.ReleaseQuery{Collection: in.Collection, Columns: in.Columns, Format: in.Format, K: in.K, L: in.L, MostPeople: mostReleased}
	if q.Format == "" {
		q.Format = vault.FormatCSV
	}
	if in.T < 0 || in.T > 1 {
		return answer{}, invalid("t", "must be from 0 to 1")
	}
	// Towards the stricter: a table that meets less than was asked for is none.
	q.T = int64(math.Floor(in.T*1000 + rounding))
	if in.T > 0 && q.T == 0 {
		return answer{}, invalid("t", "must be at least 0.001")
	}
	if s := in.MaxSuppression; s != nil {
		if !(*s >= 0 && *s <= 1) {
			return answer{}, invalid("max_suppression", "must be from 0 to 1")
		}
		most := int64(math.Floor(*s*1000 + rounding))
		q.Suppression = &most
	}
	if !x.reports.TryAcquire(1) {
		return answer{}, busy()
	}
	defer x.reports.Release(1)
	out, err := x.vault.Release(x.r.Context(), x.caller, q)
	if errors.Is(err, vault.ErrTooLarge) {
		return answer{}, refuse(api.TooLarge, "There are more than 100,000 people. It took one of the tries until the next table. Release it with `fieldvault release`, which has no such limit.")
	}
	if err != nil {
		return answer{}, x.late(err, "So many people take longer than 30 seconds. It took one of the tries until the next table. Release it with `fieldvault release`, which has no such limit.")
	}
	var file bytes.Buffer
	if err := out.Write(&file); err != nil {
		return answer{}, err
	}
	return encoded(http.StatusOK, api.Release{Report: ReportOf(&out.Report), Format: q.Format, Table: file.Bytes()})
}

// rounding is what a thousandth that was written in decimals may lack.
const rounding = 1e-6

// late is the error of work that did not end in the time of a request, in words of its
// own and without a time to try again: that would end the same.
func (x *exchange) late(err error, detail string) error {
	if errors.Is(x.r.Context().Err(), context.DeadlineExceeded) {
		return refuse(api.Unavailable, detail)
	}
	return err
}

// ReportOf is the wire form of a report.
func ReportOf(r *vault.ReleaseReport) api.ReleaseReport {
	out := api.ReleaseReport{
		People: r.People, Suppressed: r.Suppressed, Asked: r.Asked, Classes: r.Classes, K: r.K, L: r.L, T: r.T,
		Columns: make([]api.ReleasedColumn, len(r.Columns)), AverageClass: r.AverageClass, Precision: r.Precision,
		Penalty: r.Penalty, Discernibility: r.Discernibility, Next: r.Next,
	}
	for i, c := range r.Columns {
		out.Columns[i] = api.ReleasedColumn(c)
	}
	return out
}
