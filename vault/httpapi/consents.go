package httpapi

import (
	"net/http"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/api"
)

func consentRoutes() []route {
	return []route{
		{
			method: http.MethodGet, path: "/v1/subjects/{subject}/consents", id: "consents", tag: "People", summary: "What a person agreed to",
			detail: "One entry for each purpose of the catalog.",
			serve:  (*exchange).consents, out: []result{{200, "All purposes", api.Consents{}, ""}},
		},
		{
			method: http.MethodPut, path: "/v1/subjects/{subject}/consents/{purpose}", id: "recordConsent", tag: "People",
			summary: "Record a decision about one purpose",
			detail:  "A withdrawal or an objection takes effect like an erasure: the next read on any node is refused.",
			in:      api.Decision{}, once: true, serve: (*exchange).recordConsent, out: []result{{200, "The signed receipt", api.Receipt{}, ""}},
		},
		{
			method: http.MethodGet, path: "/v1/subjects/{subject}/decisions", id: "decisions", tag: "People", summary: "All that a person ever decided",
			detail: "Oldest first, each with its receipt.",
			serve:  (*exchange).decisions, out: []result{{200, "All decisions", api.Decisions{}, ""}},
		},
	}
}

func (x *exchange) decisions() (answer, error) {
	list, err := x.vault.Decisions(x.r.Context(), x.caller, x.params["subject"])
	if err != nil {
		return answer{}, err
	}
	return encoded(http.StatusOK, api.Decisions{Decisions: consentsOf(list)})
}

func (x *exchange) consents() (answer, error) {
	list, err := x.vault.Consents(x.r.Context(), x.caller, x.params["subject"])
	if err != nil {
		return answer{}, err
	}
	return encoded(http.StatusOK, api.Consents{Consents: consentsOf(list)})
}

func consentsOf(list []vault.ConsentStatus) []api.Consent {
	out := make([]api.Consent, len(list))
	for i, c := range list {
		out[i] = api.Consent{
			Purpose: string(c.Purpose), State: c.State.String(), Decision: c.Decision, Notice: c.Notice,
			Method: c.Method, At: c.At, Expires: c.Expires, AskFrom: c.AskFrom, Receipt: c.Receipt,
		}
	}
	return out
}

func (x *exchange) recordConsent() (answer, error) {
	var in api.Decision
	if err := x.decode(&in); err != nil {
		return answer{}, err
	}
	receipt, err := x.vault.RecordConsent(x.r.Context(), x.caller, vault.Decided{
		Subject: x.params["subject"], Purpose: accessctl.Purpose(x.params["purpose"]), Decision: in.Decision,
		Notice: in.Notice, Language: in.Language, Method: in.Method, Expires: in.Expires, Evidence: in.Evidence,
		Explicit: in.Explicit, Age: in.Age, Guardian: in.Guardian,
		Once: x.idempotency(),
	})
	return signed(receipt, err)
}
