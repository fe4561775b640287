package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/api"
	"github.com/fieldvault/fieldvault/vault/rights"
)

// A refusal is an error answer. Its detail is fixed text.
type refusal struct {
	code   api.Code
	status int // 0: the code's own
	detail string
	fields []api.FieldIssue
	retry  time.Duration // Retry-After, if not 0
	allow  string        // Allow, for a 405
}

// Error gives the code.
func (r *refusal) Error() string { return string(r.code) }

func (r *refusal) statusCode() int {
	if r.status != 0 {
		return r.status
	}
	return r.code.Status()
}

// refuse is a refusal with a detail of its own.
func refuse(code api.Code, detail string) *refusal { return &refusal{code: code, detail: detail} }

// invalid is a refusal of one part of the input.
func invalid(field, rule string) *refusal {
	return &refusal{code: api.Invalid, fields: []api.FieldIssue{{Field: field, Rule: rule}}}
}

// problemOf is the one place where errors become answers. What it does not know
// is internal.
func problemOf(err error) *refusal {
	var own *refusal
	if errors.As(err, &own) {
		return own
	}
	var bad *vault.InvalidError
	if errors.As(err, &bad) {
		r := &refusal{code: api.Invalid, fields: make([]api.FieldIssue, len(bad.Problems))}
		for i, p := range bad.Problems {
			r.fields[i] = api.FieldIssue{Field: p.Field, Rule: p.Rule}
		}
		return r
	}
	var over *vault.LimitError
	if errors.As(err, &over) {
		return &refusal{code: api.RateLimited, retry: over.Retry, detail: "You were shown as many people as one principal may be within an hour."}
	}
	var form *api.DecodeError
	if errors.As(err, &form) {
		return invalid(form.Path, form.Rule)
	}
	var coarse *vault.ReleaseRefusedError
	if errors.As(err, &coarse) {
		return refuse(api.Unmet, sentence(coarse.Reason))
	}
	r := &refusal{code: codeOf(err)}
	if r.code == api.Unavailable {
		r.retry = time.Second
	}
	var spent *vault.BudgetError
	var soon *vault.TooSoonError
	var waits *vault.KeyError
	var step *rights.StepError
	switch {
	case errors.As(err, &spent):
		r.detail = spent.Error() + "."
	case errors.As(err, &soon):
		r.detail = sentence(soon.Error())
	case errors.As(err, &step) && r.code == api.Conflict:
		r.detail = strings.TrimPrefix(step.Error(), "rights: ") + "."
	case errors.As(err, &waits) && r.code == api.Conflict:
		r.detail = waits.Error() + "."
	case errors.Is(err, vault.ErrUnledgered):
		r.detail = "It is done and in force, but not yet on record outside the database. Ask again: that completes it."
	case errors.Is(err, vault.ErrBehind):
		r.detail = "The database is being recovered; nothing is shown or stored until it has caught up with the ledger."
	}
	return r
}

// sentence makes words of the vault a sentence.
func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] + "." }

// codeOf maps the sentinels. The order matters where an error is two of them: a
// part that does not answer is said before what was to be done with it.
func codeOf(err error) api.Code {
	for _, m := range []struct {
		is   error
		code api.Code
	}{
		{context.Canceled, api.Unavailable},
		{context.DeadlineExceeded, api.Unavailable},
		{vault.ErrUnavailable, api.Unavailable},
		{vault.ErrIntegrity, api.Integrity},
		{vault.ErrDenied, api.Denied},
		{vault.ErrNotFound, api.NotFound},
		{vault.ErrGone, api.Gone},
		{vault.ErrHeld, api.Held},
		{vault.ErrConflict, api.Conflict},
		{vault.ErrTooLarge, api.TooLarge},
		{api.ErrTooLarge, api.TooLarge},
		{vault.ErrMismatch, api.Mismatch},
	} {
		if errors.Is(err, m.is) {
			return m.code
		}
	}
	return api.Internal
}

// detailOf is what a problem says when its refusal has no words of its own.
func detailOf(c api.Code) string {
	switch c {
	case api.Unauthenticated:
		return "A valid bearer token is required."
	case api.Denied:
		return "The caller's role does not permit this."
	case api.NotFound:
		return "There is no such thing, or none that the caller may know of."
	case api.Conflict:
		return "The present state is another than the request assumes: read it again."
	case api.Held:
		return "A legal hold stands against this."
	case api.Gone:
		return "The person was erased."
	case api.Invalid:
		return "The request breaks a rule; fields says which."
	case api.TooLarge:
		return "The body, a value or a batch is over its limit."
	case api.Unsupported:
		return "Requests of this kind are not served here."
	case api.Mismatch:
		return "The Idempotency-Key was used before for another request."
	case api.Unmet:
		return "No answer meets what is asked."
	case api.RateLimited:
		return "Too many requests: try again later."
	case api.Integrity:
		return "Stored data does not verify: it was changed outside the service."
	case api.Unavailable:
		return "A part of the service does not answer. Trying again is safe."
	case api.Internal:
		return "The service has failed. The request id leads to what is known about it."
	default:
		return "The service has failed."
	}
}

// answer words a refusal as problem+json.
func (r *refusal) answer(requestID string) answer {
	p := api.Problem{
		Type: api.TypePrefix + string(r.code), Title: http.StatusText(r.statusCode()), Status: r.statusCode(),
		Code: r.code, Detail: r.detail, RequestID: requestID, Fields: r.fields,
	}
	if p.Detail == "" {
		p.Detail = detailOf(r.code)
	}
	a := answer{status: p.Status, media: api.ProblemType, retry: r.retry, allow: r.allow}
	a.body, _ = json.Marshal(p) // strings and numbers always encode
	if r.code == api.Unauthenticated {
		a.challenge = `Bearer realm="fieldvault"`
	}
	return a
}

// outcomeOf words how one item of a batch went; good is its status without an error.
func outcomeOf(err error, good int) api.Outcome {
	if err == nil {
		return api.Outcome{Status: good}
	}
	r := problemOf(err)
	return api.Outcome{Status: r.statusCode(), Code: r.code, Errors: r.fields}
}
