package httpapi

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"

	"github.com/fieldvault/fieldvault/vault/api"
)

func serviceRoutes() []route {
	return []route{
		{
			method: http.MethodGet, path: "/v1/audit/key", id: "verifierKeys", tag: "Log", summary: "The keys that certificates and receipts verify with",
			detail: "Public.", public: true, query: []parameter{{"tenant", "Of no effect: the keys are the service's", false}},
			serve: (*exchange).verifierKeys, out: []result{{200, "The public keys", api.VerifierKeys{}, ""}},
		},
		{
			method: http.MethodGet, path: "/healthz", id: "healthz", tag: "Service", summary: "Is the process alive?", public: true, probe: true,
			serve: (*exchange).healthz, out: []result{{200, "It is", api.Health{}, ""}},
		},
		{
			method: http.MethodGet, path: "/readyz", id: "readyz", tag: "Service", summary: "Can the service do its work?", public: true, probe: true,
			detail: "Names each part, and what to do about one that is not ready.",
			serve:  (*exchange).readyz,
			out:    []result{{200, "It can", api.Health{}, ""}, {503, "A part is not ready", api.Health{}, ""}},
		},
		{
			method: http.MethodGet, path: "/openapi.json", id: "openapi", tag: "Service", summary: "This document", public: true, probe: true,
			serve: (*exchange).openapi, out: []result{{200, "OpenAPI 3.1", map[string]any{}, ""}},
		},
		{
			method: http.MethodGet, path: "/docs", id: "docs", tag: "Service", summary: "This document, to read in a browser", public: true, probe: true,
			serve: (*exchange).docsPage, out: []result{{200, "A page", nil, "text/html"}},
		},
	}
}

// verifierKeys writes the key as package audit/evidence does, which this package
// does not import; a test compares.
func (x *exchange) verifierKeys() (answer, error) {
	pub := x.vault.VerifierKey()
	if pub == nil {
		return answer{}, refuse(api.Unavailable, "The signing key is not open.")
	}
	sum := sha256.Sum256(pub)
	a, err := encoded(http.StatusOK, api.VerifierKeys{Keys: []api.VerifierKey{{
		ID: hex.EncodeToString(sum[:8]), Key: "ed25519:" + base64.StdEncoding.EncodeToString(pub),
	}}})
	a.cacheable = true
	return a, err
}

func (x *exchange) healthz() (answer, error) {
	return encoded(http.StatusOK, api.Health{Status: "ok"})
}

func (x *exchange) readyz() (answer, error) {
	out, status := api.Health{Status: "ok"}, http.StatusOK
	for _, c := range x.cfg.Ready(x.r.Context()) {
		out.Checks = append(out.Checks, api.Check{Name: c.Name, OK: c.OK, Note: c.Note})
		if !c.OK {
			out.Status, status = "failing", http.StatusServiceUnavailable
		}
	}
	return encoded(status, out)
}

func (x *exchange) openapi() (answer, error) {
	return answer{status: http.StatusOK, media: mediaJSON, body: x.document, cacheable: true}, nil
}
