package vault

import (
	"context"
	"fmt"

	"github.com/google/uuid"
)

// requests compares the log rows of requests with the audit log.
func (f *checking) requests(ctx context.Context, t *tenant) error {
	stands := map[uuid.UUID]bool{}
	q := RequestLogQuery{Tenant: t.row.ID, Limit: scanPage}
	for {
		var page []RequestLog
		err := f.v.store.View(ctx, func(tx Tx) (err error) {
			page, err = tx.RequestLogs(ctx, q)
			return err
		})
		if err != nil {
			return fmt.Errorf("reading the log of requests: %w", err)
		}
		for i := range page {
			stands[page[i].ID] = true
			f.requestLog(t, &page[i])
		}
		if len(page) < scanPage {
			break
		}
		last := &page[len(page)-1]
		q.AfterDue, q.AfterID = last.Due, last.ID
	}
	for id, told := range f.told.requests {
		if p := f.told.people[told.uid]; !told.state.Over() && !stands[id] && p != nil && p.live {
			f.report.add(t, told.uid, id, "an open request that the log knows is not in the store: it was removed by SQL")
		}
	}
	return nil
}

func (f *checking) requestLog(t *tenant, l *RequestLog) {
	d, err := t.openRequestLog(l)
	if err != nil {
		f.report.add(t, uuid.Nil, l.ID, "the log of a request does not bear its MAC: it was changed by SQL and does not count")
		return
	}
	told, known := f.told.requests[l.ID]
	if !known || told.state == d.Request.State {
		return // events may have been deleted by age
	}
	if p := f.told.people[told.uid]; p == nil || p.live {
		f.report.add(t, told.uid, l.ID, "the log of a request is not what the audit log says: an earlier row was put back")
	}
}

// asked checks the requests of a person.
func (f *checking) asked(t *tenant, s *Subject, rows []RequestRow) {
	for i := range rows {
		d, err := t.openRequest(&rows[i])
		if err != nil {
			f.report.add(t, s.UID, rows[i].ID, "a request does not bear its MAC: it was changed by SQL and does not count")
			continue
		}
		if told, known := f.told.requests[rows[i].ID]; s.State == Live && known && told.state != d.Request.State {
			f.report.add(t, s.UID, rows[i].ID, "a request is not what the audit log says: an earlier row was put back")
		}
	}
}
