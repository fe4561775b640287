package console

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/portal/page"
)

// explain says who would see a field, and why. It opens nothing and names nobody.
func (v *visit) explain() (page.Page, error) {
	text, err := v.vault.Policy(v.r.Context(), v.caller)
	if err != nil {
		return nil, err
	}
	policy, err := accessctl.ParsePolicy(text.Version, text.Source)
	if err != nil {
		return nil, fmt.Errorf("reading the policy in force: %w", err)
	}
	q := v.r.URL.Query()
	out := page.ConsoleExplain{Version: text.Version, Paused: q.Get("paused") == "yes", Own: q.Get("own") == "yes"}
	ask := vault.ExplainQuery{Purpose: accessctl.Purpose(q.Get(page.FieldPurpose)), State: accessctl.State{Restricted: out.Paused, Own: out.Own}}
	for _, r := range policy.Roles() {
		chosen := slices.Contains(q["role"], string(r))
		out.Roles = append(out.Roles, page.Choice{Value: string(r), Title: string(r), Chosen: chosen})
		if chosen {
			ask.Roles = append(ask.Roles, r)
		}
	}
	for i := range v.cat.Purposes {
		id := v.cat.Purposes[i].ID
		out.Purposes = append(out.Purposes, page.Choice{Value: id, Title: v.purpose(accessctl.Purpose(id)), Chosen: id == string(ask.Purpose)})
	}
	for i := range v.cat.Collections {
		coll := &v.cat.Collections[i]
		for j := range coll.Fields {
			f := &coll.Fields[j]
			name := coll.Name + "." + f.Name
			out.Fields = append(out.Fields, page.Choice{Value: name, Title: coll.TitleIn(v.lang()) + ": " + f.TitleIn(v.lang()), Chosen: name == q.Get("field")})
		}
	}
	for _, c := range accessctl.Consents() {
		chosen := c.String() == q.Get("consent")
		out.Consents = append(out.Consents, page.Choice{Value: c.String(), Chosen: chosen})
		if chosen {
			ask.State.Consent = c
		}
	}
	if q.Has("consent") { // the form was sent
		if err := v.answer(&out, ask, q.Get("field")); err != nil {
			return nil, err
		}
	}
	for i, line := range bytes.Split(text.Source, []byte("\n")) {
		out.Policy = append(out.Policy, page.PolicyLine{Number: i + 1, Text: string(line), Used: used(out.Answer, i+1)})
	}
	return out, nil
}

// answer asks.
func (v *visit) answer(out *page.ConsoleExplain, ask vault.ExplainQuery, field string) error {
	if out.NoRole = len(ask.Roles) == 0; out.NoRole {
		return nil
	}
	ask.Collection, ask.Field, _ = strings.Cut(field, ".")
	e, err := v.vault.Explain(v.r.Context(), v.caller, ask)
	if err != nil {
		return err
	}
	out.Answer = &page.ConsoleAnswer{How: page.Shown(e.Decision.View.String()), Why: page.HiddenReason(e.Decision.Reason), Rule: e.Rule}
	for _, s := range e.Actual {
		for _, p := range s.Policies {
			out.Answer.Policies = append(out.Answer.Policies, page.PolicyUsed{ID: p.ID, Line: p.Line, Permitted: s.Permitted})
		}
	}
	return nil
}

// used says whether a line begins a policy that decided.
func used(a *page.ConsoleAnswer, line int) bool {
	return a != nil && slices.ContainsFunc(a.Policies, func(p page.PolicyUsed) bool { return p.Line == line })
}
