package console

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/portal/page"
)

// eventsShown is how many events one page lists.
const eventsShown = 100

// audit shows the log. Without anything asked for it begins with the latest events.
func (v *visit) audit() (page.Page, error) {
	state, err := v.logState()
	if err != nil {
		return nil, err
	}
	q := v.r.URL.Query()
	out := page.ConsoleAudit{
		Log: state, Person: strings.TrimSpace(q.Get("person")), Actor: strings.TrimSpace(q.Get("actor")), From: q.Get("from"), To: q.Get("to"),
	}
	ask := vault.LogQuery{Subject: out.Person, Actor: out.Actor, Limit: eventsShown}
	var okFrom, okTo bool
	ask.From, okFrom = v.day(out.From)
	ask.To, okTo = v.day(out.To)
	if out.BadDay = !okFrom || !okTo; out.BadDay {
		return out, nil
	}
	if !ask.To.IsZero() {
		ask.To = ask.To.AddDate(0, 0, 1) // the day itself counts
	}
	plain := ask.Subject == "" && ask.Actor == "" && ask.From.IsZero() && ask.To.IsZero()
	ask.FromIndex, _ = strconv.ParseInt(q.Get("at"), 10, 64)
	if plain && !q.Has("at") {
		ask.FromIndex = max(0, state.Events-eventsShown)
	}
	p, err := v.vault.LogEntries(v.r.Context(), v.caller, ask)
	if err != nil {
		return nil, err
	}
	for i := range p.Entries {
		out.List = append(out.List, v.logLine(&p.Entries[i]))
	}
	if plain {
		slices.Reverse(out.List) // the latest first
		if before := ask.FromIndex; before > 0 {
			q.Set("at", strconv.FormatInt(max(0, before-eventsShown), 10))
			out.Next = page.PathConsoleAudit + "?" + q.Encode()
		}
		return out, nil
	}
	if p.Next > 0 {
		q.Set("at", strconv.FormatInt(p.Next, 10))
		out.Next = page.PathConsoleAudit + "?" + q.Encode()
	}
	return out, nil
}

// day is the beginning of a day; zero for none. false: it is no day.
func (v *visit) day(s string) (time.Time, bool) {
	if s == "" {
		return time.Time{}, true
	}
	t, err := time.ParseInLocation(time.DateOnly, s, v.cfg.Now().Location())
	return t, err == nil
}

// logLine is an event in the list.
func (v *visit) logLine(x *vault.LogEntry) page.ConsoleEvent {
	out := page.ConsoleEvent{Index: x.Index, Link: page.PathConsoleEvent + strconv.FormatInt(x.Index, 10)}
	out.Altered, out.Pruned = x.Altered, x.Leaf == nil && !x.Altered
	e, err := audit.ParseLeaf(x.Leaf)
	if out.Altered || out.Pruned || err != nil {
		return out
	}
	v.describe(&out, &e)
	return out
}

func (v *visit) describe(out *page.ConsoleEvent, e *audit.Event) {
	out.At, out.Who = v.here(e.Time), name(e.Actor)
	out.Action, out.Outcome = page.EventAction(e.Action), page.EventOutcome(e.Outcome)
	if e.Purpose != "" && e.Purpose != accessctl.PurposeSelf {
		out.Purpose = v.purpose(e.Purpose)
	}
	for i := range e.Fields {
		if title := v.field(e.Fields[i].Collection, e.Fields[i].Field); title != "" && !slices.Contains(out.Fields, title) {
			out.Fields = append(out.Fields, title)
		}
	}
}

// event shows one event, with the proof that the log has it.
func (v *visit) event() (page.Page, error) {
	index, err := strconv.ParseInt(v.param("index"), 10, 64)
	if err != nil || index < 0 {
		return nil, vault.ErrNotFound
	}
	p, err := v.vault.LogEntries(v.r.Context(), v.caller, vault.LogQuery{FromIndex: index, Limit: 1})
	if err != nil {
		return nil, err
	}
	if len(p.Entries) == 0 || p.Entries[0].Index != index {
		return nil, vault.ErrNotFound
	}
	out := page.ConsoleEventPage{ConsoleEvent: v.logLine(&p.Entries[0])}
	if e, err := audit.ParseLeaf(p.Entries[0].Leaf); err == nil && !out.Altered {
		out.Details = details(&e)
		if out.Who != "" {
			out.Who = e.Actor // in full, as it can be asked for
		}
	}
	if out.Log, err = v.logState(); err != nil {
		return nil, err
	}
	in, err := v.vault.LogProof(v.r.Context(), v.caller, index, 0)
	switch {
	case errors.Is(err, vault.ErrIntegrity):
	case err != nil:
		return nil, err
	default:
		out.Proven, out.Hashes = !out.Altered, len(in.Proof)
	}
	return out, nil
}

// details are what an event says beyond the list.
func details(e *audit.Event) []page.Detail {
	all := []page.Detail{{Name: page.DetailCode, Value: e.Code}}
	for _, a := range e.Subject {
		name, value := page.DetailSubject, a.Key+": "+a.Value
		if a.Key == string(page.DetailRoles) {
			name, value = page.DetailRoles, strings.ReplaceAll(a.Value, "+", ", ")
		}
		all = append(all, page.Detail{Name: name, Value: value})
	}
	for _, n := range []struct {
		name page.DetailName
		n    int64
	}{{page.DetailCatalog, e.Catalog}, {page.DetailPolicy, e.Policy}} {
		if n.n > 0 {
			all = append(all, page.Detail{Name: n.name, Value: strconv.FormatInt(n.n, 10)})
		}
	}
	if e.Refers != [16]byte{} {
		all = append(all, page.Detail{Name: page.DetailRefers, Value: e.Refers.String()})
	}
	return slices.DeleteFunc(all, func(d page.Detail) bool { return d.Value == "" })
}
