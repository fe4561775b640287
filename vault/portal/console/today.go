package console

import (
	"errors"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/portal/page"
	"github.com/fieldvault/fieldvault/vault/rights"
)

// soon is from how many days before its deadline on a request is soon due.
const soon = 7

// today says what waits for the operator.
func (v *visit) today() (page.Page, error) {
	var out page.ConsoleToday
	steps := []struct {
		may bool
		do  func(*page.ConsoleToday) error
	}{
		{v.frame.May.Requests, v.requestsToday},
		{v.frame.May.Approvals, v.approvalsToday},
		{v.duties.May[accessctl.ActionJobs], v.jobsToday},
		{v.frame.May.Audit, v.logToday},
		{v.frame.May.Catalog, v.reviewToday},
	}
	for _, s := range steps {
		if !s.may {
			continue
		}
		if err := s.do(&out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (v *visit) requestsToday(out *page.ConsoleToday) error {
	out.Requests = true
	all, _, err := v.allRequests(true)
	for i := range all {
		if all[i].State.Over() {
			continue
		}
		out.Open++
		switch clockOf(&all[i]) {
		case page.ClockLate:
			out.Late++
		case page.ClockSoon:
			out.Soon++
		case page.ClockRuns, page.ClockPaused, page.ClockStopped:
		}
	}
	return err
}

// maxRequests bounds how many requests one page looks at.
const maxRequests = 5000

// allRequests lists the tenant's requests, those due first at the beginning; open: only
// those. whole: there are no more.
func (v *visit) allRequests(open bool) (all []vault.Request, whole bool, err error) {
	q := vault.RequestQuery{Open: open, Limit: vault.MaxPage}
	for len(all) < maxRequests {
		p, err := v.vault.Requests(v.r.Context(), v.caller, q)
		if err != nil {
			return nil, false, err
		}
		all = append(all, p.Requests...)
		if q.Cursor = p.Cursor; q.Cursor == "" {
			return all, true, nil
		}
	}
	return all, false, nil
}

// clockOf says how the time of a request stands.
func clockOf(q *vault.Request) page.RequestClock {
	switch {
	case q.State.Over():
		return page.ClockStopped
	case q.Standing.Task == rights.AwaitProof:
		return page.ClockPaused
	case q.Standing.Overdue:
		return page.ClockLate
	case q.Standing.DaysLeft <= soon:
		return page.ClockSoon
	}
	return page.ClockRuns
}

func (v *visit) approvalsToday(out *page.ConsoleToday) error {
	out.Approvals = true
	list, err := v.vault.Approvals(v.r.Context(), v.caller)
	for i := range list {
		if a := &list[i]; v.undecided(a) && a.By != v.caller.Actor() {
			out.Waiting++
		}
	}
	return err
}

// undecided says whether somebody still has to decide.
func (v *visit) undecided(a *vault.Waiting) bool {
	return a.State == string(page.ApprovalPending) && v.cfg.Now().Before(a.Expires)
}

func (v *visit) jobsToday(out *page.ConsoleToday) error {
	out.Jobs = true
	list, err := v.vault.Jobs(v.r.Context(), v.caller)
	for i := range list {
		switch list[i].State {
		case vault.JobQueued, vault.JobRunning:
			out.Running++
		case vault.JobFailed:
			out.Failed++
		}
	}
	return err
}

func (v *visit) logToday(out *page.ConsoleToday) error {
	state, err := v.logState()
	out.Log = &state
	return err
}

// logState says how the audit log stands.
func (v *visit) logState() (page.ConsoleCheckpoint, error) {
	s, err := v.vault.LogState(v.r.Context(), v.caller)
	if errors.Is(err, vault.ErrNotFound) { // nothing happened yet
		return page.ConsoleCheckpoint{Verified: true}, nil
	}
	return page.ConsoleCheckpoint{Events: s.Size, Signed: v.here(s.Signed), Verified: s.Verified}, err
}

func (v *visit) reviewToday(out *page.ConsoleToday) error {
	for _, p := range v.cat.PastReview(v.cfg.Now()) {
		out.Review = append(out.Review, v.purpose(accessctl.Purpose(p.ID)))
	}
	return nil
}
