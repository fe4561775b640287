package evidence_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"testing"

	"github.com/gowebpki/jcs"

	"github.com/fieldvault/fieldvault/audit/evidence"
)

// signRaw signs any value as the package comment describes it, without its rules.
func signRaw(t *testing.T, v any, kind string) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	doc["type"] = kind
	if b, err = json.Marshal(doc); err != nil {
		t.Fatal(err)
	}
	canonical, err := jcs.Transform(b)
	if err != nil {
		t.Fatal(err)
	}
	sig := ed25519.Sign(ed25519.NewKeyFromSeed(seed()), canonical)
	doc["proof"] = map[string]string{
		"type": "Ed25519-RFC8785", "key_id": evidence.KeyID(signer(t).Public()),
		"signature": base64.StdEncoding.EncodeToString(sig),
	}
	if b, err = json.Marshal(doc); err != nil {
		t.Fatal(err)
	}
	return b
}
