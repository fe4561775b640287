package httpapi

import (
	"net/http"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/api"
)

func portableRoutes() []route {
	return []route{
		{
			method: http.MethodPost, path: "/v1/encrypt", id: "encrypt", tag: "Ciphertexts", summary: "Seal values for your own tables",
			detail: "For applications that keep the ciphertext themselves. Same keys, policy, audit and erasure as records.",
			in:     api.EncryptRequest{}, limit: api.MaxBatchBody, purpose: optional,
			serve: (*exchange).encrypt, out: []result{{200, "One result an item", api.EncryptAnswer{}, ""}},
		},
		{
			method: http.MethodPost, path: "/v1/decrypt", id: "decrypt", tag: "Ciphertexts", summary: "Open ciphertexts that you kept",
			in: api.DecryptRequest{}, limit: api.MaxBatchBody, purpose: always,
			serve: (*exchange).decrypt, out: []result{{200, "One result an item", api.DecryptAnswer{}, ""}, waitsResult()},
		},
		{
			method: http.MethodPost, path: "/v1/reencrypt", id: "reencrypt", tag: "Ciphertexts", summary: "Move ciphertexts to the current key",
			detail: "What is opened stays inside; it needs the action write.",
			in:     api.DecryptRequest{}, limit: api.MaxBatchBody, purpose: optional,
			serve: (*exchange).reencrypt, out: []result{{200, "One result an item", api.EncryptAnswer{}, ""}},
		},
	}
}

func (x *exchange) encrypt() (answer, error) {
	var in api.EncryptRequest
	if err := x.decode(&in); err != nil {
		return answer{}, err
	}
	if err := items(in.Items); err != nil {
		return answer{}, err
	}
	list := make([]vault.Plaintext, len(in.Items))
	for i, it := range in.Items {
		list[i] = vault.Plaintext{Subject: it.Subject, Field: it.Field, Value: it.Plaintext}
	}
	out, err := x.vault.Encrypt(x.r.Context(), x.caller, list)
	return x.encrypted(out, err)
}

func (x *exchange) reencrypt() (answer, error) {
	list, err := x.ciphertexts()
	if err != nil {
		return answer{}, err
	}
	out, err := x.vault.Reencrypt(x.r.Context(), x.caller, list)
	return x.encrypted(out, err)
}

func (x *exchange) encrypted(list []vault.Encrypted, err error) (answer, error) {
	if err != nil {
		return answer{}, err
	}
	out := api.EncryptAnswer{Results: make([]api.EncryptResult, len(list))}
	for i, e := range list {
		out.Results[i] = api.EncryptResult{Outcome: x.outcome(e.Err, http.StatusOK), Ciphertext: e.Ciphertext}
		if e.Err != nil {
			out.Results[i].Ciphertext = ""
		}
	}
	return encoded(http.StatusOK, out)
}

func (x *exchange) ciphertexts() ([]vault.Ciphertext, error) {
	var in api.DecryptRequest
	if err := x.decode(&in); err != nil {
		return nil, err
	}
	if err := items(in.Items); err != nil {
		return nil, err
	}
	list := make([]vault.Ciphertext, len(in.Items))
	for i, it := range in.Items {
		list[i] = vault.Ciphertext{Subject: it.Subject, Field: it.Field, Ciphertext: it.Ciphertext}
	}
	return list, nil
}

func (x *exchange) decrypt() (answer, error) {
	list, err := x.ciphertexts()
	if err != nil {
		return answer{}, err
	}
	opened, err := x.vault.Decrypt(x.r.Context(), x.caller, list)
	if err != nil {
		return answer{}, err
	}
	out := api.DecryptAnswer{Results: make([]api.DecryptResult, len(opened))}
	for i := range opened {
		r := api.DecryptResult{Outcome: x.outcome(opened[i].Err, http.StatusOK)}
		if opened[i].Err == nil {
			f := fieldOf(&opened[i].Answer)
			r.View, r.Value, r.Reason = f.View, f.Value, f.Reason
		}
		out.Results[i] = r
	}
	a, err := encoded(http.StatusOK, out)
	a.secret = true
	for i := range opened {
		opened[i].Value.Wipe()
		clear(out.Results[i].Value)
	}
	return a, err
}
