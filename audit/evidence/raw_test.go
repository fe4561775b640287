package evidence_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"testing"

	"github.com/gowebpki/jcs"

	"github.com/fieldvault/fieldvault/audit/evidence"
)

// tree is a signed document without its proof.
func tree(t *testing.T, d evidence.Document) map[string]any {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal(sign(t, d), &doc); err != nil {
		t.Fatal(err)
	}
	delete(doc, "proof")
	return doc
}

// signRaw signs anything as the package comment describes it, without its rules.
func signRaw(t *testing.T, doc map[string]any) []byte {
	t.Helper()
	b, err := json.Marshal(doc)
	if err != nil {
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
