package httpapi

import (
	"net/http"

	"github.com/fieldvault/fieldvault/vault/api"
)

func pseudonymRoutes() []route {
	return []route{
		{
			method: http.MethodPost, path: "/v1/pseudonyms", id: "pseudonymise", tag: "Pseudonyms", summary: "Give people names for a recipient",
			detail: "A pseudonym is the same each time for one person, purpose and recipient, and has nothing in common with any other. " +
				"There is none once the person was erased, or while the purpose does not hold for them. Needs the action pseudonymise.",
			in: api.PseudonymRequest{}, purpose: always,
			serve: (*exchange).pseudonymise, out: []result{{200, "One result a subject", api.PseudonymAnswer{}, ""}},
		},
		{
			method: http.MethodPost, path: "/v1/pseudonyms/resolve", id: "resolve", tag: "Pseudonyms", summary: "Say whom pseudonyms stand for",
			detail: "Each person is on record. What stands for nobody now is not_found, alike for every cause. Needs the action resolve.",
			in:     api.ResolveRequest{}, purpose: always,
			serve: (*exchange).resolve, out: []result{{200, "One result a pseudonym", api.ResolveAnswer{}, ""}, waitsResult()},
		},
	}
}

// named checks what both routes ask of their body.
func (x *exchange) named(purpose, what string, list []string) error {
	switch {
	case purpose != "" && purpose != string(x.caller.Purpose):
		return invalid("purpose", "must be that of the header "+api.HeaderPurpose+", or left out")
	case len(list) == 0:
		return invalid(what, "is required")
	case len(list) > api.MaxItems:
		return refuse(api.TooLarge, "A batch may have at most 1000 items.")
	}
	return nil
}

func (x *exchange) pseudonymise() (answer, error) {
	var in api.PseudonymRequest
	if err := x.decode(&in); err != nil {
		return answer{}, err
	}
	if err := x.named(in.Purpose, "subjects", in.Subjects); err != nil {
		return answer{}, err
	}
	list, err := x.vault.Pseudonymise(x.r.Context(), x.caller, in.Recipient, in.Subjects)
	if err != nil {
		return answer{}, err
	}
	out := api.PseudonymAnswer{Results: make([]api.PseudonymResult, len(list))}
	for i, p := range list {
		out.Results[i] = api.PseudonymResult{Outcome: x.outcome(p.Err, http.StatusOK), Pseudonym: p.Text}
	}
	return encoded(http.StatusOK, out)
}

func (x *exchange) resolve() (answer, error) {
	var in api.ResolveRequest
	if err := x.decode(&in); err != nil {
		return answer{}, err
	}
	if err := x.named(in.Purpose, "pseudonyms", in.Pseudonyms); err != nil {
		return answer{}, err
	}
	list, err := x.vault.Resolve(x.r.Context(), x.caller, in.Recipient, in.Pseudonyms)
	if err != nil {
		return answer{}, err
	}
	out := api.ResolveAnswer{Results: make([]api.ResolveResult, len(list))}
	for i, r := range list {
		out.Results[i] = api.ResolveResult{Outcome: x.outcome(r.Err, http.StatusOK), Subject: r.Subject}
	}
	return encoded(http.StatusOK, out)
}
