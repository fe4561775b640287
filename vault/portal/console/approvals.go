package console

import (
	"errors"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/portal/page"
)

// approvals lists what waits for a second person.
func (v *visit) approvals() (page.Page, error) {
	list, err := v.vault.Approvals(v.r.Context(), v.caller)
	if err != nil {
		return nil, err
	}
	var out page.ConsoleApprovals
	for i := range list {
		a := &list[i]
		line := page.ConsoleApproval{
			ID: a.ID.String(), What: page.ApprovalKind(a.Kind), Count: a.Count, By: name(a.By), Asked: v.here(a.Created), Until: v.here(a.Expires),
			Own: a.By == v.caller.Actor(), Decider: name(a.Decider), State: page.ApprovalState(a.State), At: v.here(a.Decided),
		}
		switch {
		case v.undecided(a):
			out.Waiting = append(out.Waiting, line)
		case line.State == page.ApprovalPending:
			line.State = page.ApprovalExpired
			fallthrough
		default:
			out.Decided = append(out.Decided, line)
		}
	}
	return out, nil
}

// approve decides, as the second person.
func (v *visit) approve() (page.Page, error) {
	id, err := uuid.Parse(v.r.PostForm.Get("approval"))
	if err != nil {
		return nil, vault.ErrNotFound
	}
	agree := v.r.PostForm.Get("agree") == "yes"
	_, err = v.vault.Approve(v.r.Context(), v.caller, id, agree)
	switch {
	case errors.Is(err, vault.ErrConflict):
		return v.to(page.PathConsoleApprovals, page.FlashFailed)
	case err != nil:
		return nil, err
	case agree:
		return v.to(page.PathConsoleApprovals, page.FlashApproved)
	}
	return v.to(page.PathConsoleApprovals, page.FlashDeclined)
}
