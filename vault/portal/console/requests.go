package console

import (
	"encoding/hex"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/portal/page"
	"github.com/fieldvault/fieldvault/vault/rights"
)

// mostParts is how many parts of the list one page reads: most may be of no use to it.
const mostParts = 20

// requests lists the requests of people, those due first at the beginning.
func (v *visit) requests() (page.Page, error) {
	q := v.r.URL.Query()
	out := page.ConsoleRequests{Show: page.ConsoleRequestsShown(q.Get("show")), MayFile: true}
	if out.Show != page.ShowLate && out.Show != page.ShowClosed {
		out.Show = page.ShowOpen
	}
	ask := vault.RequestQuery{Cursor: q.Get("cursor"), Open: out.Show != page.ShowClosed}
	for range mostParts {
		if len(out.List) >= vault.MaxPage/10 {
			break
		}
		p, err := v.vault.Requests(v.r.Context(), v.caller, ask)
		if err != nil {
			return nil, err
		}
		for i := range p.Requests {
			if line := v.line(&p.Requests[i]); shows(out.Show, line.Clock) {
				out.List = append(out.List, line)
			}
		}
		if ask.Cursor = p.Cursor; ask.Cursor == "" {
			return out, nil
		}
	}
	out.More = page.PathConsoleRequests + "?" + url.Values{"show": {string(out.Show)}, "cursor": {ask.Cursor}}.Encode()
	return out, nil
}

func shows(list page.ConsoleRequestsShown, c page.RequestClock) bool {
	switch list {
	case page.ShowLate:
		return c == page.ClockLate
	case page.ShowClosed:
		return c == page.ClockStopped
	case page.ShowOpen:
	}
	return c != page.ClockStopped
}

// line is a request in a list.
func (v *visit) line(q *vault.Request) page.ConsoleRequestLine {
	l := page.ConsoleRequestLine{
		RequestLine: page.RequestLine{ID: q.ID.String(), Kind: page.RequestKind(q.Kind), State: stateOf(q.State), Filed: v.here(q.Filed)},
		Clock:       clockOf(q), Short: strings.ToUpper(hex.EncodeToString(q.ID[14:])), Erased: q.Erased,
	}
	if d := q.Standing.Last; !q.State.Over() && !q.Due.IsZero() && d.Year > 0 {
		l.Due = time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, v.cfg.Now().Location())
		l.Left = max(q.Standing.DaysLeft, -q.Standing.DaysLeft)
	}
	return l
}

func stateOf(s rights.State) page.RequestState {
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
	out, err := v.requestPage(id)
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (v *visit) requestPage(id uuid.UUID) (page.ConsoleRequest, error) {
	q, err := v.vault.Request(v.r.Context(), v.caller, id)
	if err != nil {
		return page.ConsoleRequest{}, err
	}
	defer q.Wipe()
	out := page.ConsoleRequest{ConsoleRequestLine: v.line(&q), Person: string(q.Subject.Expose()), Text: string(q.Text.Expose())}
	if out.Person != "" && v.frame.May.People {
		out.PersonLink = personPath(out.Person)
	}
	if q.Purpose != "" {
		out.Purpose = v.purpose(q.Purpose)
	}
	for i := range q.Steps {
		s := &q.Steps[i]
		step := page.ConsoleRequestStep{At: v.here(s.At), What: page.ConsoleStep(s.Step), By: name(s.By), Reason: page.RequestReason(s.Reason)}
		out.Steps = append(out.Steps, step)
		if s.Answer.Len() > 0 {
			out.Answer = string(s.Answer.Expose())
		}
	}
	for _, t := range q.Told {
		out.Told = append(out.Told, page.ConsoleTold{Recipient: v.recipient(t.Recipient), At: v.here(t.At)})
	}
	possible := q.Possible
	if q.Kind == rights.Erasure { // the erasure itself answers it
		possible = slices.DeleteFunc(slices.Clone(possible), func(s rights.StepKind) bool { return s == rights.Complete })
		if out.PersonLink != "" && !q.State.Over() && v.duties.May[accessctl.ActionErase] {
			out.Erase = out.PersonLink + "/erase"
		}
	}
	for _, s := range ordered(possible) {
		out.Next = append(out.Next, page.ConsoleStep(s))
	}
	for _, r := range q.Reasons[rights.Refuse] {
		out.Reasons = append(out.Reasons, page.RequestReason(r))
	}
	for _, r := range q.Reasons[rights.Extend] {
		out.Extensions = append(out.Extensions, page.RequestReason(r))
	}
	if q.State.Over() && !q.Erased {
		out.Bundle = page.PathConsoleRequest + id.String() + "/evidence"
	}
	return out, nil
}

// recipient is what a recipient is called: the configuration's name.
func (v *visit) recipient(name string) string { return name }

// ordered puts the step to advise first: to answer, unless it is not known yet whom.
func ordered(steps []rights.StepKind) []rights.StepKind {
	rank := []rights.StepKind{rights.ConfirmIdentity, rights.Complete, rights.Acknowledge, rights.AskIdentity, rights.Extend, rights.Refuse}
	if slices.Contains(steps, rights.Complete) {
		rank[0], rank[1] = rank[1], rank[0]
	}
	var out []rights.StepKind
	for _, s := range rank { // to cancel is the person's own
		if slices.Contains(steps, s) {
			out = append(out, s)
		}
	}
	return out
}

// stepRequest takes a request one step further.
func (v *visit) stepRequest() (page.Page, error) {
	id, err := uuid.Parse(v.param("id"))
	if err != nil {
		return nil, vault.ErrNotFound
	}
	form := v.r.PostForm
	do, reason := rights.StepKind(form.Get(page.FieldDo)), rights.Reason(form.Get(page.FieldReason))
	answer := strings.ReplaceAll(strings.TrimSpace(form.Get(page.FieldAnswer)), "\r\n", "\n")
	tells := do == rights.Extend || do == rights.Refuse
	var wrong page.ConsoleStepFault
	switch {
	case tells && reason == "":
		wrong = page.StepNoReason
	case (do == rights.Complete || do == rights.Refuse) && answer == "":
		wrong = page.StepNoAnswer
	}
	if wrong == "" {
		_, err = v.vault.StepRequest(v.r.Context(), v.caller, id, rights.Step{Do: do, Reason: reason, Told: tells}, answer)
		var bad *vault.InvalidError
		switch {
		case err == nil, errors.Is(err, vault.ErrUnledgered): // it is in force
			return v.to(page.PathConsoleRequest+id.String(), page.FlashStepped)
		case errors.Is(err, vault.ErrConflict), errors.As(err, &bad):
			wrong = page.StepNotNow
		default:
			return nil, err
		}
	}
	out, err := v.requestPage(id)
	if err != nil {
		return nil, err
	}
	out.Wrong, out.Drafted, out.Tried, out.Chosen = wrong, answer, page.ConsoleStep(do), page.RequestReason(reason)
	return out, nil
}

// evidence sends the bundle of a request that has ended.
func (v *visit) evidence() (page.Page, error) {
	id, err := uuid.Parse(v.param("id"))
	if err != nil {
		return nil, vault.ErrNotFound
	}
	b, err := v.vault.RequestBundle(v.r.Context(), v.caller, id, nil)
	if err != nil {
		return nil, err
	}
	v.file("application/zip", "request.zip", b)
	clear(b)
	return nil, nil
}

// newRequest is the form for a request that came by letter.
func (v *visit) newRequest() (page.Page, error) {
	return v.fileForm(page.ConsoleFile{Kind: page.KindAccess}), nil
}

// fileForm fills in what does not depend on what was entered.
func (v *visit) fileForm(f page.ConsoleFile) page.ConsoleFile {
	f.Kinds, f.Today = page.RequestKinds(), v.cfg.Now().Format(time.DateOnly)
	if f.Received == "" {
		f.Received = f.Today
	}
	for i := range v.cat.Purposes {
		if p := &v.cat.Purposes[i]; p.Objectable() {
			f.Purposes = append(f.Purposes, page.Choice{Value: p.ID, Title: v.purpose(accessctl.Purpose(p.ID)), Chosen: p.ID == f.Purpose})
		}
	}
	return f
}

// fileRequest files it.
func (v *visit) fileRequest() (page.Page, error) {
	form := v.r.PostForm
	f := page.ConsoleFile{
		Kind: page.RequestKind(form.Get("kind")), Person: strings.TrimSpace(form.Get(page.FieldPerson)),
		Text: strings.TrimSpace(form.Get("text")), Received: form.Get("received"), Purpose: form.Get("purpose"),
	}
	if f.Kind != page.KindObjection {
		f.Purpose = ""
	}
	now := v.cfg.Now()
	day, err := time.ParseInLocation(time.DateOnly, f.Received, now.Location())
	f.BadDay = f.Received != "" && (err != nil || day.After(now))
	f.NoKind = !slices.Contains(page.RequestKinds(), f.Kind)
	f.NoText = f.Text == "" && (f.Kind == page.KindQuestion || f.Kind == page.KindRectification)
	f.Unknown = f.Person == ""
	if f.Wrong() {
		return v.fileForm(f), nil
	}
	filed := vault.Filed{
		Subject: f.Person, Kind: rights.Kind(f.Kind), Purpose: accessctl.Purpose(f.Purpose), Text: strings.ReplaceAll(f.Text, "\r\n", "\n"),
	}
	if f.Received != now.Format(time.DateOnly) {
		filed.Received = day
	}
	q, err := v.vault.FileRequest(v.r.Context(), v.caller, filed)
	var bad *vault.InvalidError
	if errors.Is(err, vault.ErrNotFound) || errors.Is(err, vault.ErrGone) || errors.As(err, &bad) && slices.ContainsFunc(bad.Problems, func(p vault.Problem) bool { return p.Field == "subject" }) {
		f.Unknown = true
		return v.fileForm(f), nil
	}
	if err != nil {
		return nil, err
	}
	return v.to(page.PathConsoleRequest+q.ID.String(), page.FlashTaken)
}
