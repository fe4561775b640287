package evidence_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/audit/evidence"
	merkle "github.com/fieldvault/fieldvault/audit/tree"
)

const origin = "log.example.org/default"

// proven is the certificate, with a proof that a log of three holds the event.
func proven(t *testing.T, s *evidence.Signer, event uuid.UUID, tenant string) []byte {
	t.Helper()
	c := certificate()
	e := audit.Event{
		ID: event, Tenant: tenant, Time: when, Actor: "local:test", Action: "erase", Outcome: audit.Allowed,
	}
	leaf, err := e.AppendLeaf(nil)
	if err != nil {
		t.Fatal(err)
	}
	others := []merkle.Hash{merkle.LeafHash([]byte("a")), merkle.LeafHash([]byte("b"))}
	var two, all merkle.Range
	for _, h := range others {
		two.Append(h, nil)
		all.Append(h, nil)
	}
	all.Append(merkle.LeafHash(leaf), nil)
	signed, err := merkle.Checkpoint{Origin: origin, Size: 3, Root: all.Root()}.Sign(s.Public(), s.SignNote)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := signer(t).Sign(c)
	if err != nil {
		t.Fatal(err)
	}
	doc, err = evidence.Attach(doc, evidence.NewInclusion(2, leaf, []merkle.Hash{two.Root()}, signed))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestVerifyInclusion(t *testing.T) {
	pub := signer(t).Public()
	doc := proven(t, signer(t), certificate().Event, certificate().Tenant)
	if log, index, err := evidence.VerifyInclusion(doc, pub); log != origin || index != 2 || err != nil {
		t.Errorf("%q, %d, %v", log, index, err)
	}
	if _, _, err := evidence.VerifyInclusion(sign(t, certificate()), pub); !errors.Is(err, evidence.ErrNoInclusion) {
		t.Errorf("without one: %v", err)
	}
	if _, _, err := evidence.VerifyInclusion(doc, otherSigner(t).Public()); !errors.Is(err, evidence.ErrOtherKey) {
		t.Errorf("another key: %v", err)
	}
	for name, bad := range map[string][]byte{
		"of another event":          proven(t, signer(t), uuid.New(), certificate().Tenant),
		"of another tenant":         proven(t, signer(t), certificate().Event, "other"),
		"a log that another signed": proven(t, otherSigner(t), certificate().Event, certificate().Tenant),
		"another index":             []byte(strings.Replace(string(doc), `"index":2`, `"index":1`, 1)),
		"another actor":             []byte(strings.Replace(string(doc), `local:test`, `local:tess`, 1)),
		"another size":              []byte(strings.Replace(string(doc), `default\n3\n`, `default\n4\n`, 1)),
	} {
		if !json.Valid(bad) || string(bad) == string(doc) {
			t.Fatalf("%s: the case changes nothing", name)
		}
		if _, _, err := evidence.VerifyInclusion(bad, pub); !errors.Is(err, evidence.ErrInclusion) {
			t.Errorf("%s: %v, want ErrInclusion", name, err)
		}
		if err := evidence.Verify(bad, pub); err != nil {
			t.Errorf("%s: the document itself: %v", name, err)
		}
	}
}

// What is signed of documents and of checkpoints can never be taken for the other.
func TestSignNoteSignsNoDocument(t *testing.T) {
	for _, text := range []string{"", "{", `{"type":"x"}`} {
		if sig := signer(t).SignNote([]byte(text)); sig != nil {
			t.Errorf("%q was signed", text)
		}
	}
}
