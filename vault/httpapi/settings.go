package httpapi

import (
	"net/http"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/api"
	"github.com/fieldvault/fieldvault/vault/catalog"
)

func settingsRoutes() []route {
	dry := []parameter{{"dry_run", "true: only say what would happen", false}}
	tenant := []parameter{{"tenant", "Default: the configured one", false}}
	source := []string{mediaYAML, mediaText}
	return []route{
		{
			method: http.MethodGet, path: "/v1/catalog", id: "catalog", tag: "Settings", summary: "What is collected, and why",
			detail: "Public.", public: true, query: tenant, serve: (*exchange).catalog, out: []result{{200, "The catalog in force", api.Catalog{}, ""}},
		},
		{
			method: http.MethodPut, path: "/v1/catalog", id: "applyCatalog", tag: "Settings", summary: "Apply a catalog",
			detail: "The body is the catalog as YAML. Everything that is wrong with it is named, with its line.",
			media:  source, query: dry, serve: (*exchange).applyCatalog, out: []result{{200, "What changed", api.CatalogApplied{}, ""}},
		},
		{
			method: http.MethodGet, path: "/v1/policy", id: "policy", tag: "Settings", summary: "The policy in force",
			serve: (*exchange).policy, out: []result{{200, "The policy", api.Policy{}, ""}},
		},
		{
			method: http.MethodPut, path: "/v1/policy", id: "applyPolicy", tag: "Settings", summary: "Apply a policy",
			detail: "The body is Cedar text. Errors refuse it; warnings stand beside the new version.",
			media:  source, query: dry, serve: (*exchange).applyPolicy, out: []result{{200, "What was found", api.PolicyApplied{}, ""}},
		},
		{
			method: http.MethodPost, path: "/v1/policy/explain", id: "explain", tag: "Settings", summary: "Why a caller sees a field so",
			detail: "Names the policies and rules that decide. Opens nothing and looks nobody up.",
			in:     api.ExplainRequest{}, serve: (*exchange).explain, out: []result{{200, "The explanation", api.Explanation{}, ""}},
		},
	}
}

func (x *exchange) catalog() (answer, error) {
	c, err := x.vault.Catalog(x.r.Context(), x.publicTenant())
	if err != nil {
		return answer{}, err
	}
	return public(catalogOf(c))
}

func catalogOf(c *catalog.Catalog) api.Catalog {
	out := api.Catalog{
		Version: c.Version, Title: c.Title, Language: c.Language, Purposes: purposesOf(c.Purposes), Collections: make([]api.Collection, len(c.Collections)),
	}
	if c.Controller != nil {
		out.Controller = &api.Controller{Name: c.Controller.Name, Contact: c.Controller.Contact}
	}
	for i := range c.Collections {
		from := &c.Collections[i]
		to := api.Collection{Name: from.Name, Title: from.Title, Titles: from.Titles, Fields: make([]api.CollectionField, len(from.Fields))}
		for j := range from.Fields {
			f := &from.Fields[j]
			to.Fields[j] = api.CollectionField{
				Name: f.Name, Title: f.Title, Titles: f.Titles, Type: string(f.Type), Classification: f.Classification, Purposes: listOf(f.Purposes),
				Group: f.Group, Mask: f.Mask, Searchable: f.Index != nil, Index: indexOf(f.Index), RetentionDays: int(f.Retention), Expects: f.Expects,
			}
		}
		out.Collections[i] = to
	}
	return out
}

func (x *exchange) applyCatalog() (answer, error) {
	dry, err := x.flag("dry_run")
	if err != nil {
		return answer{}, err
	}
	done, err := x.vault.ApplyCatalog(x.r.Context(), x.caller, x.body, dry)
	if err != nil {
		return answer{}, err
	}
	return encoded(http.StatusOK, api.CatalogApplied{
		Version: done.Version, DryRun: dry, Changes: changesOf(done.Changes), AskAgain: listOf(done.AskAgain),
	})
}

func (x *exchange) policy() (answer, error) {
	p, err := x.vault.Policy(x.r.Context(), x.caller)
	if err != nil {
		return answer{}, err
	}
	return encoded(http.StatusOK, api.Policy{Version: p.Version, Policy: string(p.Source), By: p.By, Created: p.Created})
}

func (x *exchange) applyPolicy() (answer, error) {
	dry, err := x.flag("dry_run")
	if err != nil {
		return answer{}, err
	}
	version, findings, err := x.vault.ApplyPolicy(x.r.Context(), x.caller, x.body, dry)
	if err != nil {
		return answer{}, withFindings(err, findings)
	}
	out := api.PolicyApplied{Version: version, DryRun: dry, Findings: make([]api.Finding, len(findings))}
	for i, f := range findings {
		out.Findings[i] = api.Finding{
			Severity: string(f.Severity), Policy: f.Policy.ID, Line: f.Policy.Line, Column: f.Policy.Column, Problem: f.Problem,
		}
	}
	return encoded(http.StatusOK, out)
}

// withFindings adds to a refused policy what was found in it.
func withFindings(err error, findings []accessctl.Finding) error {
	r := problemOf(err)
	if r.code != api.Invalid || len(findings) == 0 {
		return err
	}
	r = refuse(api.Invalid, "The policy has errors.")
	for _, f := range findings {
		r.fields = append(r.fields, api.FieldIssue{Field: "policy", Rule: f.String()})
	}
	return r
}

func (x *exchange) explain() (answer, error) {
	var in api.ExplainRequest
	if err := x.decode(&in); err != nil {
		return answer{}, err
	}
	q := vault.ExplainQuery{
		Purpose: accessctl.Purpose(in.Purpose), Collection: in.Collection, Field: in.Field,
		State: accessctl.State{Restricted: in.State.Restricted, Expired: in.State.Expired, Own: in.State.Own},
	}
	for _, r := range in.Roles {
		q.Roles = append(q.Roles, accessctl.Role(r))
	}
	if in.State.Consent != "" {
		if err := q.State.Consent.UnmarshalText([]byte(in.State.Consent)); err != nil {
			return answer{}, invalid("state.consent", "must be none, granted, refused, withdrawn, expired, outdated or objected")
		}
	}
	e, err := x.vault.Explain(x.r.Context(), x.caller, q)
	if err != nil {
		return answer{}, err
	}
	return encoded(http.StatusOK, explanationOf(&e))
}

func explanationOf(e *accessctl.Explanation) api.Explanation {
	out := api.Explanation{
		View: e.Decision.View.String(), Reason: string(e.Decision.Reason), Rule: e.Rule, Policies: listOf(e.Decision.Policies),
		Actual: stepsOf(e.Actual), Ideal: stepsOf(e.Ideal), Diagnostics: make([]api.Diagnostic, len(e.Diagnostics)), Text: e.String(),
	}
	for i, d := range e.Diagnostics {
		out.Diagnostics[i] = api.Diagnostic{Policy: refOf(d.Policy), Problem: d.Problem}
	}
	return out
}

func stepsOf(steps []accessctl.Step) []api.PolicyStep {
	out := make([]api.PolicyStep, len(steps))
	for i, s := range steps {
		out[i] = api.PolicyStep{Action: string(s.Action), Permitted: s.Permitted, Policies: make([]api.PolicyRef, len(s.Policies))}
		for j, p := range s.Policies {
			out[i].Policies[j] = refOf(p)
		}
	}
	return out
}

func refOf(p accessctl.PolicyRef) api.PolicyRef {
	return api.PolicyRef{ID: p.ID, Line: p.Line, Column: p.Column}
}
