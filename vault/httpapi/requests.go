package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/api"
	"github.com/fieldvault/fieldvault/vault/rights"
)

const mediaZip = "application/zip"

func requestRoutes() []route {
	const of, one = "/v1/subjects/{subject}/requests", "/v1/requests/{id}"
	return []route{
		{
			method: http.MethodPost, path: of, id: "fileRequest", tag: "Requests", summary: "File a person's request",
			detail: "Objection, restriction and opt-out have their effect at once: from the next read on, on any node. With text the key-encryption key must answer.",
			in:     api.Filing{}, once: true, serve: (*exchange).fileRequest, out: []result{{201, "The request", api.Request{}, ""}},
		},
		{
			method: http.MethodGet, path: of, id: "subjectRequests", tag: "Requests", summary: "A person's requests",
			serve: (*exchange).subjectRequests, out: []result{{200, "Oldest first, without words", api.Requests{}, ""}},
		},
		{
			method: http.MethodGet, path: "/v1/requests", id: "requests", tag: "Requests", summary: "All requests, those due first at the beginning",
			detail: "Nothing in it is about a person. A page may hold fewer than the limit and still have a cursor.",
			query: []parameter{
				{"due_before", "Open ones whose answer is late by this time", false},
				{"state", "Only those in this state", false},
				{"kind", "Only those of this kind", false},
				{"cursor", "Of the page before", false},
				{"limit", "At most so many; default 100, up to 1000", false},
			},
			serve: (*exchange).requests, out: []result{{200, "A page", api.Requests{}, ""}},
		},
		{
			method: http.MethodGet, path: one, id: "request", tag: "Requests", summary: "A request, with its words",
			serve: (*exchange).request, out: []result{{200, "The request", api.Request{}, ""}},
		},
		{
			method: http.MethodPatch, path: one, id: "stepRequest", tag: "Requests", summary: "Take a request a step further",
			detail: "Officers take every step; people cancel their own. A step that is not possible is a conflict whose detail says what is.",
			in:     api.RequestStep{}, once: true, serve: (*exchange).stepRequest, out: []result{{200, "The request", api.Request{}, ""}},
		},
		{
			method: http.MethodGet, path: one + "/bundle", id: "requestBundle", tag: "Requests", summary: "The evidence of a request that has ended",
			detail: "A ZIP file that verifies offline with `fieldvault request verify`. It holds words of the person, and what they were given.",
			serve:  (*exchange).requestBundle, out: []result{{200, "The bundle", nil, mediaZip}},
		},
	}
}

func (x *exchange) fileRequest() (answer, error) {
	var in api.Filing
	if err := x.decode(&in); err != nil {
		return answer{}, err
	}
	q, err := x.vault.FileRequest(x.r.Context(), x.caller, vault.Filed{
		Subject: x.params["subject"], Kind: rights.Kind(in.Kind), Purpose: accessctl.Purpose(in.Purpose),
		Text: in.Text, Received: in.Received, Once: x.idempotency(),
	})
	if err != nil {
		return answer{}, err
	}
	return encoded(http.StatusCreated, RequestOf(&q))
}

func (x *exchange) subjectRequests() (answer, error) {
	list, err := x.vault.RequestsOf(x.r.Context(), x.caller, x.params["subject"])
	if err != nil {
		return answer{}, err
	}
	return encoded(http.StatusOK, api.Requests{Requests: requestsOf(list)})
}

func (x *exchange) requests() (answer, error) {
	q := vault.RequestQuery{State: rights.State(x.query.Get("state")), Kind: rights.Kind(x.query.Get("kind")), Cursor: x.query.Get("cursor")}
	if _, err := q.State.MarshalText(); err != nil && q.State != "" {
		return answer{}, invalid("state", "must be a state of a request")
	}
	if _, err := q.Kind.MarshalText(); err != nil && q.Kind != "" {
		return answer{}, invalid("kind", "must be a kind of request")
	}
	var err error
	if q.DueBefore, err = x.instant("due_before"); err != nil {
		return answer{}, err
	}
	if q.Limit, err = x.number("limit"); err != nil {
		return answer{}, err
	}
	page, err := x.vault.Requests(x.r.Context(), x.caller, q)
	if err != nil {
		return answer{}, err
	}
	return encoded(http.StatusOK, api.Requests{Requests: requestsOf(page.Requests), Cursor: page.Cursor})
}

func (x *exchange) request() (answer, error) {
	id, err := x.pathID()
	if err != nil {
		return answer{}, err
	}
	q, err := x.vault.Request(x.r.Context(), x.caller, id)
	if err != nil {
		return answer{}, err
	}
	defer q.Wipe()
	a, err := encoded(http.StatusOK, RequestOf(&q))
	a.secret = true
	return a, err
}

func (x *exchange) stepRequest() (answer, error) {
	id, err := x.pathID()
	if err != nil {
		return answer{}, err
	}
	var in api.RequestStep
	if err := x.decode(&in); err != nil {
		return answer{}, err
	}
	step := rights.Step{Do: rights.StepKind(in.Step), Reason: rights.Reason(in.Reason), Told: in.Told}
	if _, err := step.Do.MarshalText(); err != nil {
		return answer{}, invalid("step", "must be a step of a request")
	}
	q, err := x.vault.StepRequestOnce(x.r.Context(), x.caller, id, step, in.Answer, x.idempotency())
	if err != nil {
		return answer{}, err
	}
	return encoded(http.StatusOK, RequestOf(&q))
}

func (x *exchange) requestBundle() (answer, error) {
	id, err := x.pathID()
	if err != nil {
		return answer{}, err
	}
	b, err := BundleOf(x.r.Context(), x.vault, x.caller, id)
	return answer{status: http.StatusOK, media: mediaZip, body: b, secret: true, file: "request.zip"}, err
}

// BundleOf is the evidence of a request that has ended, as GET .../bundle answers it: of
// one for access or portability with what the person was given.
func BundleOf(ctx context.Context, v *vault.Vault, c accessctl.Caller, id uuid.UUID) ([]byte, error) {
	q, err := v.Request(ctx, c, id)
	if err != nil {
		return nil, err
	}
	defer q.Wipe()
	var given json.RawMessage
	if (q.Kind == rights.Access || q.Kind == rights.Portability) && q.State == rights.Done && !q.Erased {
		if given, err = givenTo(ctx, v, c, string(q.Subject.Expose())); err != nil {
			return nil, err
		}
	}
	return v.RequestBundle(ctx, c, id, given)
}

// givenTo is the export of a person, or to an officer the manifest; nil for who may have
// neither.
func givenTo(ctx context.Context, v *vault.Vault, c accessctl.Caller, subject string) (json.RawMessage, error) {
	m, err := v.Export(ctx, c, subject)
	if errors.Is(err, vault.ErrDenied) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return json.Marshal(exportOf(&m))
}

func requestsOf(list []vault.Request) []api.Request {
	out := make([]api.Request, len(list))
	for i := range list {
		out[i] = RequestOf(&list[i])
	}
	return out
}

// RequestOf is a request as the API answers it, with the words that it has.
func RequestOf(q *vault.Request) api.Request {
	out := api.Request{
		ID: q.ID.String(), Kind: string(q.Kind), Regime: string(q.Regime), State: string(q.State), Marketing: q.Marketing,
		Purpose: string(q.Purpose), Filed: q.Filed, Acknowledged: q.Acknowledged, IdentityAsked: q.IdentityAsked,
		IdentityConfirmed: q.IdentityConfirmed, Due: q.Due.UTC(), ExtendedTo: q.ExtendedTo.UTC(), ExtensionReason: string(q.ExtensionReason),
		Ended: q.Ended, Reason: string(q.Reason), Erased: q.Erased, Subject: string(q.Subject.Expose()), Text: string(q.Text.Expose()),
		Standing: api.RequestStanding{
			Task: string(q.Standing.Task), By: q.Standing.By.UTC(), DaysLeft: q.Standing.DaysLeft, Overdue: q.Standing.Overdue,
		},
		Possible: make([]string, len(q.Possible)), Steps: make([]api.RequestHappened, len(q.Steps)),
	}
	if !q.Standing.By.IsZero() {
		out.Standing.Last = q.Standing.Last.String()
	}
	for i, s := range q.Possible {
		out.Possible[i] = string(s)
	}
	for i, s := range q.Steps {
		out.Steps[i] = api.RequestHappened{
			Step: string(s.Step), At: s.At, Event: s.Event.String(), Reason: string(s.Reason), By: s.By, Answer: string(s.Answer.Expose()),
		}
	}
	for _, one := range q.Told {
		out.Told = append(out.Told, api.RequestTold{Recipient: one.Recipient, At: one.At})
	}
	return out
}
