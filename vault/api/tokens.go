package api

import (
	"encoding/json"
	"time"
)

// A TokenRequest is the body of POST /v1/tokens: stored fields for which tokens are to stand,
// for the purpose of the header.
type TokenRequest struct {
	Collection string      `json:"collection"`
	Items      []TokenItem `json:"items" maxItems:"1000"`
	Kind       string      `json:"kind" enum:"random,deterministic,format" doc:"format: of the form that the catalog states for the field"`
	ExpiresIn  int64       `json:"expires_in,omitempty" minimum:"1" doc:"Seconds after which they stand for nothing, at most 315619200; without it they do not expire. Not with deterministic"`
	SingleUse  bool        `json:"single_use,omitempty" doc:"The first answer uses a token up. Not with deterministic"`
}

// A TokenItem names a field of a record of a person.
type TokenItem struct {
	Subject string `json:"subject"`
	Record  string `json:"record"`
	Field   string `json:"field"`
}

// A TokenAnswer answers POST /v1/tokens, one result an item and in order.
type TokenAnswer struct {
	Results []TokenResult `json:"results"`
}

// A TokenResult is one token. Code not_found: there is no such person, record or value, or
// no token may stand for it now; which of these is not said.
type TokenResult struct {
	Outcome
	Token   string     `json:"token,omitempty" doc:"fvt_ and 32 of a-z2-7, or of the form of the field"`
	Expires *time.Time `json:"expires,omitempty"`
}

// A Tokens is the body of POST /v1/tokens/reveal and /v1/tokens/revoke.
type Tokens struct {
	Tokens []string `json:"tokens" maxItems:"1000"`
}

// A TokenValues answers POST /v1/tokens/reveal, one result a token and in order.
type TokenValues struct {
	Results []TokenValue `json:"results"`
}

// A TokenValue is what the caller gets of the field for which a token stands; View is empty
// when Code is not. Code not_found for what stands for nothing, whatever the cause.
type TokenValue struct {
	Outcome
	View   string          `json:"view,omitempty" enum:"plain,masked,hidden"`
	Value  json.RawMessage `json:"value,omitempty" doc:"The value, or with view masked a string; absent when hidden"`
	Reason string          `json:"reason,omitempty" enum:"policy,purpose,objection,consent,restricted,expired"`
}

// A TokensRevoked answers POST /v1/tokens/revoke, one result a token and in order.
type TokensRevoked struct {
	Results []Outcome `json:"results"`
}
