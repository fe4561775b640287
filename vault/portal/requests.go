package portal

import (
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/portal/page"
	"github.com/fieldvault/fieldvault/vault/rights"
)

// requests lists what the person has asked for, the latest first.
func (v *visit) requests() (page.Page, error) {
	all, err := v.vault.RequestsOf(v.r.Context(), v.as(), v.caller.Person)
	if err != nil {
		return nil, err
	}
	var out page.Requests
	for i := range slices.Backward(all) {
		line := v.line(&all[i])
		if all[i].State.Over() {
			out.Closed = append(out.Closed, line)
		} else {
			out.Open = append(out.Open, line)
		}
	}
	return out, nil
}

func (v *visit) line(q *vault.Request) page.RequestLine {
	here := v.cfg.Now().Location()
	l := page.RequestLine{ID: q.ID.String(), Kind: page.RequestKind(q.Kind), State: stateOfRequest(q.State), Filed: q.Filed.In(here)}
	if !q.State.Over() && !q.Due.IsZero() {
		l.Due = dayIn(q.Standing.Last, here)
	}
	return l
}

func stateOfRequest(s rights.State) page.RequestState {
	switch s {
	case rights.Identity:
		return page.RequestChecking
	case rights.Open:
		return page.RequestWorking
	case rights.Extended:
		return page.RequestExtended
	case rights.Done:
		return page.RequestAnswered
	case rights.Refused:
		return page.RequestRefused
	case rights.Cancelled:
		return page.RequestCancelled
	case rights.Received:
	}
	return page.RequestReceived
}

// request shows one request with its words.
func (v *visit) request() (page.Page, error) {
	id, err := uuid.Parse(v.param("id"))
	if err != nil {
		return nil, vault.ErrNotFound
	}
	q, err := v.vault.Request(v.r.Context(), v.as(), id)
	if err != nil {
		return nil, err
	}
	defer q.Wipe()
	here := v.cfg.Now().Location()
	out := page.Request{RequestLine: v.line(&q), Text: string(q.Text.Expose()), MayCancel: slices.Contains(q.Possible, rights.Cancel)}
	if q.State.Over() {
		out.Bundle = page.PathRequest + id.String() + "/evidence"
	}
	for i := range q.Steps {
		s := &q.Steps[i]
		step := page.RequestStep{At: s.At.In(here), What: eventOf(s.Step)}
		if s.Step == rights.Extend {
			step.Until = out.Due
		}
		out.Steps = append(out.Steps, step)
		if s.Answer.Len() > 0 {
			out.Answer, out.AnsweredAt = string(s.Answer.Expose()), s.At.In(here)
		}
	}
	return out, nil
}

// evidence sends the bundle of a request that has ended.
func (v *visit) evidence() (page.Page, error) {
	id, err := uuid.Parse(v.param("id"))
	if err != nil {
		return nil, vault.ErrNotFound
	}
	b, err := v.vault.RequestBundle(v.r.Context(), v.as(), id, nil)
	if err != nil {
		return nil, err
	}
	v.file("application/zip", "request.zip", b)
	clear(b)
	return nil, nil
}

func eventOf(s rights.StepKind) page.RequestEvent {
	switch s {
	case rights.File:
		return page.StepFiled
	case rights.ConfirmIdentity:
		return page.StepConfirmed
	case rights.Extend:
		return page.StepExtended
	case rights.Complete:
		return page.StepAnswered
	case rights.Refuse:
		return page.StepRefused
	case rights.Cancel:
		return page.StepCancelled
	case rights.Acknowledge, rights.AskIdentity:
	}
	return page.StepWorking
}

// requestKinds are those that a form can file: an objection is to one purpose, and made
// beside it.
func requestKinds() []page.RequestKind {
	return slices.DeleteFunc(page.RequestKinds(), func(k page.RequestKind) bool { return k == page.KindObjection })
}

func (v *visit) newRequest() (page.Page, error) {
	out := page.NewRequest{Kinds: requestKinds(), Kind: page.RequestKind(v.r.URL.Query().Get("kind"))}
	if !slices.Contains(out.Kinds, out.Kind) {
		out.Kind = page.KindQuestion
	}
	return out, nil
}

// file files a request or a question.
func (v *visit) fileRequest() (page.Page, error) {
	form := page.NewRequest{Kinds: requestKinds(), Kind: page.RequestKind(v.r.PostForm.Get("kind")), Text: strings.TrimSpace(v.r.PostForm.Get("text"))}
	form.NoKind = !slices.Contains(form.Kinds, form.Kind)
	form.NoText = form.Text == "" && (form.Kind == page.KindQuestion || form.Kind == page.KindRectification)
	if form.Wrong() {
		return form, nil
	}
	_, err := v.vault.FileRequest(v.r.Context(), v.as(), vault.Filed{
		Subject: v.caller.Person, Kind: rights.Kind(form.Kind), Text: strings.ReplaceAll(form.Text, "\r\n", "\n"),
	})
	if err != nil {
		return nil, err
	}
	v.to(page.PathRequests, page.Flash{Kind: page.FlashFiled})
	return nil, nil
}

func (v *visit) cancel() (page.Page, error) {
	id, err := uuid.Parse(v.r.PostForm.Get("request"))
	if err != nil {
		return nil, vault.ErrNotFound
	}
	if _, err := v.vault.StepRequest(v.r.Context(), v.as(), id, rights.Step{Do: rights.Cancel}, ""); err != nil {
		return nil, err
	}
	v.to(page.PathRequests, page.Flash{Kind: page.FlashCancelled})
	return nil, nil
}

func (v *visit) rights() (page.Page, error) {
	return page.Rights{Kinds: page.RequestKinds()}, nil
}

// dayIn is the beginning of a date in a place.
func dayIn(d rights.Date, in *time.Location) time.Time {
	return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, in)
}
