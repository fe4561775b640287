package api

import "encoding/json"

// An EncryptRequest is the body of POST /v1/encrypt: values to seal for an
// application that keeps the ciphertexts in its own tables.
type EncryptRequest struct {
	Items []EncryptItem `json:"items" maxItems:"1000"`
}

// An EncryptItem is one value.
type EncryptItem struct {
	Subject   string          `json:"subject"`
	Field     string          `json:"field" doc:"Collection and field: customer.email"`
	Plaintext json.RawMessage `json:"plaintext" doc:"A JSON value of the field's type"`
}

// An EncryptAnswer answers POST /v1/encrypt and /v1/reencrypt, one result an item
// and in order.
type EncryptAnswer struct {
	Results []EncryptResult `json:"results"`
}

// An EncryptResult is one ciphertext.
type EncryptResult struct {
	Outcome
	Ciphertext string `json:"ciphertext,omitempty" doc:"fv1: and base64url; keep it whole"`
}

// A DecryptRequest is the body of POST /v1/decrypt and /v1/reencrypt.
type DecryptRequest struct {
	Items []DecryptItem `json:"items" maxItems:"1000"`
}

// A DecryptItem is one ciphertext that POST /v1/encrypt answered.
type DecryptItem struct {
	Subject    string `json:"subject"`
	Field      string `json:"field" doc:"Collection and field: customer.email"`
	Ciphertext string `json:"ciphertext"`
}

// A DecryptAnswer answers POST /v1/decrypt, one result an item and in order.
type DecryptAnswer struct {
	Results []DecryptResult `json:"results"`
}

// A DecryptResult is what the caller gets of one value; View is empty when Code is not.
type DecryptResult struct {
	Outcome
	View   string          `json:"view,omitempty" enum:"plain,masked,hidden"`
	Value  json.RawMessage `json:"value,omitempty" doc:"The value, or with view masked a string; absent when hidden"`
	Reason string          `json:"reason,omitempty" enum:"policy,purpose,objection,consent,restricted,expired"`
}
