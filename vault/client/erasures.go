package client

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/fieldvault/fieldvault/vault/api"
)

// A WaitingError says that a second, different person has to approve before what
// was asked is done. Once they have, the same call does it.
type WaitingError struct {
	Approval api.Approval
}

// Error names the approval.
func (e *WaitingError) Error() string {
	return "client: a second person must approve " + e.Approval.ID
}

func waiting(body []byte) error {
	var e WaitingError
	if json.Unmarshal(body, &e.Approval) != nil || e.Approval.ID == "" {
		return ErrAnswer
	}
	return &e
}

func isWaiting(err error) bool {
	var e *WaitingError
	return errors.As(err, &e)
}

// Erase makes a person unreadable for ever and gives the signed certificate. It
// may be repeated: the certificate stays the same. Code held under a legal hold; a
// *[WaitingError] beyond what one person may erase alone.
func (c *Client) Erase(ctx context.Context, subject, reason string, opts ...Option) (out api.Certificate, err error) {
	return out, c.sendJSON(ctx, person(http.MethodPost, safely, subject, "erasure"), api.Erasing{Reason: reason}, &out, opts...)
}

// EraseGroups makes key groups of a person unreadable for ever, while the person
// lives on. Answers and errors are as of [Client.Erase].
func (c *Client) EraseGroups(ctx context.Context, subject, reason string, groups []string, opts ...Option) (out api.Certificate, err error) {
	if len(groups) == 0 {
		return nil, &Error{Item: -1, Problem: api.Problem{
			Code: api.Invalid, Status: api.Invalid.Status(), Detail: "Without groups the whole person would be erased: name them, or call Erase",
		}}
	}
	return out, c.sendJSON(ctx, person(http.MethodPost, safely, subject, "erasure"), api.Erasing{Reason: reason, Groups: groups}, &out, opts...)
}

// EraseMany erases up to 1,000 people, with a result for each, in the order of
// their names. The list is approved as a whole, or a *[WaitingError].
func (c *Client) EraseMany(ctx context.Context, list api.ErasingList, opts ...Option) ([]api.ErasedResult, error) {
	var out api.ErasedList
	err := c.sendJSON(ctx, newCall(http.MethodPost, safely, "v1", "erasures"), list, &out, opts...)
	return out.Results, err
}

// Erasure gives the certificate of an erasure by its id.
func (c *Client) Erasure(ctx context.Context, id string) (out api.Certificate, err error) {
	return out, c.send(ctx, newCall(http.MethodGet, safely, "v1", "erasures", id), &out)
}

// ErasureHorizon says what erasures promise of backups.
func (c *Client) ErasureHorizon(ctx context.Context) (out api.Horizon, err error) {
	return out, c.send(ctx, newCall(http.MethodGet, safely, "v1", "erasure-horizon"), &out)
}

// Approvals lists what waits, or waited lately, for a second person.
func (c *Client) Approvals(ctx context.Context) ([]api.Approval, error) {
	var out api.Approvals
	err := c.send(ctx, newCall(http.MethodGet, safely, "v1", "approvals"), &out)
	return out.Approvals, err
}

// Approve approves or refuses, as a second person, what waits. Code conflict for
// whoever asked, and for what was decided before or has expired.
func (c *Client) Approve(ctx context.Context, id string, agree bool, opts ...Option) (out api.Approval, err error) {
	in := api.ApprovalDecision{Decision: "refused"}
	if agree {
		in.Decision = "approved"
	}
	return out, c.sendJSON(ctx, newCall(http.MethodPost, never, "v1", "approvals", id), in, &out, opts...)
}
