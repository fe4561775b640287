package httpapi

import (
	"net/http"
	"time"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/api"
)

func tokenRoutes() []route {
	return []route{
		{
			method: http.MethodPost, path: "/v1/tokens", id: "tokenise", tag: "Tokens", summary: "Give fields tokens to hold in place of their values",
			detail: "A token stands for a field of a record, for the purpose of the header, and says nothing by itself. It ends with the field, the record and the person, " +
				"when it expires, and when it is used up or revoked. deterministic: the same each time for the same value in the same place. Needs the action tokenise.",
			in: api.TokenRequest{}, limit: api.MaxBatchBody, purpose: always,
			serve: (*exchange).tokenise, out: []result{{200, "One result an item", api.TokenAnswer{}, ""}},
		},
		{
			method: http.MethodPost, path: "/v1/tokens/reveal", id: "detokenise", tag: "Tokens", summary: "Read the fields for which tokens stand",
			detail: "Each is plain, masked or hidden, just as reading the field is. What stands for nothing is not_found, alike for every cause. Needs the action detokenise.",
			in:     api.Tokens{}, purpose: always,
			serve: (*exchange).detokenise, out: []result{{200, "One result a token", api.TokenValues{}, ""}, waitsResult()},
		},
		{
			method: http.MethodPost, path: "/v1/tokens/revoke", id: "revokeTokens", tag: "Tokens", summary: "Take tokens back",
			detail: "Nothing stands for them from then on. Needs the action tokenise.",
			in:     api.Tokens{}, purpose: always,
			serve: (*exchange).revokeTokens, out: []result{{200, "One result a token", api.TokensRevoked{}, ""}},
		},
	}
}

func (x *exchange) tokenise() (answer, error) {
	var in api.TokenRequest
	if err := x.decode(&in); err != nil {
		return answer{}, err
	}
	if err := items(in.Items); err != nil {
		return answer{}, err
	}
	if in.ExpiresIn < 0 || in.ExpiresIn > int64(vault.MaxTokenLife/time.Second) {
		return answer{}, invalid("expires_in", "must be from 1 to 315619200 seconds")
	}
	ask := vault.Tokenising{
		Kind: vault.TokenKind(in.Kind), Collection: in.Collection, Items: make([]vault.TokenItem, len(in.Items)),
		Life: time.Duration(in.ExpiresIn) * time.Second, Once: in.SingleUse,
	}
	for i, it := range in.Items {
		ask.Items[i] = vault.TokenItem{Subject: it.Subject, Record: it.Record, Field: it.Field}
	}
	made, err := x.vault.Tokenise(x.r.Context(), x.caller, ask)
	if err != nil {
		return answer{}, err
	}
	out := api.TokenAnswer{Results: make([]api.TokenResult, len(made))}
	for i, m := range made {
		out.Results[i] = api.TokenResult{Outcome: x.outcome(m.Err, http.StatusOK), Token: m.Token}
		if !m.Expires.IsZero() {
			out.Results[i].Expires = &m.Expires
		}
	}
	return encoded(http.StatusOK, out)
}

// tokens reads a body that lists tokens.
func (x *exchange) tokens() ([]string, error) {
	var in api.Tokens
	if err := x.decode(&in); err != nil {
		return nil, err
	}
	switch {
	case len(in.Tokens) == 0:
		return nil, invalid("tokens", "is required")
	case len(in.Tokens) > api.MaxItems:
		return nil, refuse(api.TooLarge, "A batch may have at most 1000 items.")
	}
	return in.Tokens, nil
}

func (x *exchange) detokenise() (answer, error) {
	list, err := x.tokens()
	if err != nil {
		return answer{}, err
	}
	shown, err := x.vault.Detokenise(x.r.Context(), x.caller, list)
	if err != nil {
		return answer{}, err
	}
	out := api.TokenValues{Results: make([]api.TokenValue, len(shown))}
	for i := range shown {
		r := api.TokenValue{Outcome: x.outcome(shown[i].Err, http.StatusOK)}
		if shown[i].Err == nil {
			f := fieldOf(&shown[i].Answer)
			r.View, r.Value, r.Reason = f.View, f.Value, f.Reason
		}
		out.Results[i] = r
	}
	a, err := encoded(http.StatusOK, out)
	a.secret = true
	for i := range shown {
		shown[i].Value.Wipe()
		clear(out.Results[i].Value)
	}
	return a, err
}

func (x *exchange) revokeTokens() (answer, error) {
	list, err := x.tokens()
	if err != nil {
		return answer{}, err
	}
	errs, err := x.vault.RevokeTokens(x.r.Context(), x.caller, list)
	if err != nil {
		return answer{}, err
	}
	out := api.TokensRevoked{Results: make([]api.Outcome, len(errs))}
	for i, err := range errs {
		out.Results[i] = x.outcome(err, http.StatusOK)
	}
	return encoded(http.StatusOK, out)
}
