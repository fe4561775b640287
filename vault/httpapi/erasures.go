package httpapi

import (
	"errors"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/api"
)

func erasureRoutes() []route {
	waits := waitsResult()
	tenant := []parameter{{"tenant", "Default: the configured one", false}}
	return []route{
		{
			method: http.MethodPost, path: "/v1/subjects/{subject}/erasure", id: "erase", tag: "Erasure", summary: "Erase a person, or key groups of one",
			detail: "Destroys the keys: from the answer on nobody reads anything that they sealed, on any node. Again: the same certificate.",
			in:     api.Erasing{}, optional: true, serve: (*exchange).erase,
			out: []result{{200, "The signed certificate", api.Certificate{}, ""}, waits},
		},
		{
			method: http.MethodPost, path: "/v1/erasures", id: "eraseMany", tag: "Erasure", summary: "Erase several people",
			detail: "One transaction a person; results stand in the order of the names. The whole list is approved, or none of it.",
			in:     api.ErasingList{}, serve: (*exchange).eraseMany,
			out: []result{{200, "One result a person", api.ErasedList{}, ""}, waits},
		},
		{
			method: http.MethodGet, path: "/v1/erasures/{id}", id: "erasure", tag: "Erasure", summary: "The certificate of an erasure",
			serve: (*exchange).erasure, out: []result{{200, "The signed certificate", api.Certificate{}, ""}},
		},
		{
			method: http.MethodGet, path: "/v1/erasure-horizon", id: "erasureHorizon", tag: "Erasure", summary: "When backups are dead, too",
			detail: "Public. What an erasure of this moment promises, and how far the keys have really gone.",
			public: true, query: tenant, serve: (*exchange).horizon, out: []result{{200, "The horizon", api.Horizon{}, ""}},
		},
		{
			method: http.MethodGet, path: "/v1/approvals", id: "approvals", tag: "Erasure", summary: "What waits for a second person",
			serve: (*exchange).approvals, out: []result{{200, "Newest first", api.Approvals{}, ""}},
		},
		{
			method: http.MethodPost, path: "/v1/approvals/{id}", id: "approve", tag: "Erasure", summary: "Approve or refuse, as a second person",
			detail: "Whoever asked gets conflict.",
			in:     api.ApprovalDecision{}, serve: (*exchange).approve, out: []result{{200, "The approval", api.Approval{}, ""}},
		},
	}
}

func (x *exchange) erase() (answer, error) {
	var in api.Erasing
	if err := x.decode(&in); err != nil {
		return answer{}, err
	}
	cert, err := x.vault.Erase(x.r.Context(), x.caller, vault.Erasing{
		Subject: x.params["subject"], Groups: in.Groups, Reason: in.Reason,
	})
	return signed(cert, err)
}

// waitsResult is the good answer of a request that waits for a second person.
func waitsResult() result {
	return result{202, "A second person has to approve; then the same request does it", api.Approval{}, ""}
}

// waitsOf words that a second person has to agree.
func waitsOf(err error) (api.Approval, bool) {
	var waits *vault.ApprovalError
	if !errors.As(err, &waits) {
		return api.Approval{}, false
	}
	return api.Approval{
		ID: waits.ID.String(), Kind: waits.Kind, State: "pending", Why: waits.Why, Expires: waits.Expires,
	}, true
}

func (x *exchange) eraseMany() (answer, error) {
	var in api.ErasingList
	if err := x.decode(&in); err != nil {
		return answer{}, err
	}
	switch {
	case len(in.Subjects) == 0:
		return answer{}, invalid("subjects", "is required")
	case len(in.Subjects) > api.MaxItems:
		return answer{}, refuse(api.TooLarge, "A list may have at most 1000 subjects.")
	}
	out := api.ErasedList{Results: []api.ErasedResult{}}
	err := x.vault.EraseMany(x.r.Context(), x.caller, in.Subjects, in.Groups, func(one vault.ErasedOne) {
		out.Results = append(out.Results, api.ErasedResult{
			Outcome: x.outcome(one.Err, http.StatusOK), Subject: one.Subject, Certificate: one.Certificate,
		})
	})
	if err != nil {
		return answer{}, err
	}
	return encoded(http.StatusOK, out)
}

// pathID is the id in the path; one that is none is of nothing.
func (x *exchange) pathID() (uuid.UUID, error) {
	text := x.params["id"]
	id, err := uuid.Parse(text)
	if err != nil || len(text) != 36 {
		return uuid.Nil, vault.ErrNotFound
	}
	return id, nil
}

func (x *exchange) erasure() (answer, error) {
	id, err := x.pathID()
	if err != nil {
		return answer{}, err
	}
	return signed(x.vault.Erasure(x.r.Context(), x.caller, id))
}

func (x *exchange) horizon() (answer, error) {
	tenant := x.cfg.DefaultTenant
	if x.query.Has("tenant") {
		tenant = x.query.Get("tenant")
	}
	h, err := x.vault.Horizon(x.r.Context(), tenant)
	if err != nil {
		return answer{}, err
	}
	out := api.Horizon{
		At: h.At, ErasedBefore: h.ErasedBefore, Parts: make([]api.HorizonPart, len(h.Parts)), Missing: listOf(h.Missing),
	}
	for i, p := range h.Parts {
		out.Parts[i] = api.HorizonPart{At: p.At, Kind: string(p.Kind), Text: p.Text}
	}
	return encoded(http.StatusOK, out)
}

func (x *exchange) approvals() (answer, error) {
	list, err := x.vault.Approvals(x.r.Context(), x.caller)
	if err != nil {
		return answer{}, err
	}
	out := api.Approvals{Approvals: make([]api.Approval, len(list))}
	for i := range list {
		out.Approvals[i] = approvalOf(&list[i])
	}
	return encoded(http.StatusOK, out)
}

func approvalOf(w *vault.Waiting) api.Approval {
	return api.Approval{
		ID: w.ID.String(), Kind: w.Kind, State: w.State, Count: w.Count, By: w.By, Decider: w.Decider,
		Created: w.Created, Expires: w.Expires.Truncate(time.Microsecond), Decided: w.Decided,
	}
}

func (x *exchange) approve() (answer, error) {
	var in api.ApprovalDecision
	if err := x.decode(&in); err != nil {
		return answer{}, err
	}
	if in.Decision != "approved" && in.Decision != "refused" {
		return answer{}, invalid("decision", "must be approved or refused")
	}
	id, err := x.pathID()
	if err != nil {
		return answer{}, err
	}
	w, err := x.vault.Approve(x.r.Context(), x.caller, id, in.Decision == "approved")
	if err != nil {
		return answer{}, err
	}
	return encoded(http.StatusOK, approvalOf(&w))
}
