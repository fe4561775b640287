package evidence_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit/evidence"
)

var writeVectors = flag.Bool("write-vectors", false, "write golden vectors that are missing")

var when = time.Date(2026, 11, 2, 9, 30, 0, 123456000, time.UTC)

func seed() []byte {
	b := make([]byte, ed25519.SeedSize)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

func signer(t testing.TB) *evidence.Signer {
	t.Helper()
	s, err := evidence.NewSigner(seed())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func otherSigner(t testing.TB) *evidence.Signer {
	t.Helper()
	s, err := evidence.NewSigner(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func certificate() *evidence.Certificate {
	return &evidence.Certificate{
		ID:     uuid.MustParse("01932b5e-7c00-7000-8000-0000000000c1"),
		Tenant: "default", Fence: "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", Generation: 1,
		Scope: evidence.WholePerson,
		Destroyed: []evidence.KeyLost{
			{Group: "identity", GroupID: 1, Version: 1, KEKVersion: 3},
			{Group: "marketing", GroupID: 3, Epoch: 2, Version: 1, KEKVersion: 4},
		},
		ErasedAt: when, ErasedBy: "https://id.example.org#dpo-1", ApprovedBy: "https://id.example.org#dpo-2",
		Event: uuid.MustParse("01932b5e-7c00-7000-8000-000000000001"),
		Guarantees: []evidence.Guarantee{
			{Text: "No live copy of the keys exists <in the database>.", Kind: evidence.Cryptographic},
			{Text: "Backups are dropped after 30 days \u2013 at the latest.", Kind: evidence.Procedural},
		},
		Horizon: when.AddDate(0, 0, 30), Ledger: true, IssuedAt: when.Add(time.Second),
	}
}

func receipt() *evidence.Receipt {
	return &evidence.Receipt{
		Header: evidence.Header{
			ReceiptID:   uuid.MustParse("01932b5e-7c00-7000-8000-0000000000d2"),
			RecordID:    uuid.MustParse("01932b5e-7c00-7000-8000-0000000000d1"),
			PrincipalID: "c-17", Tenant: "default",
		},
		Processing: evidence.Processing{
			Notice:   evidence.Notice{Version: "2026-11", Hash: evidence.HashNotice([]byte("We write to you.")), URI: "https://example.org/notice"},
			Language: "en",
			Purposes: []evidence.Purpose{{
				Purpose: "marketing", Version: 2, Title: "News", Description: "We write to you about offers.", Benefit: "Offers.",
				LawfulBasis: accessctl.BasisConsent,
				PII: []evidence.PII{
					{Type: "customer.email", Title: "E-mail", Category: "contact", Optional: true, Retention: "P2Y"},
					{Type: "customer.diet", Sensitive: true},
				},
				Controllers: []string{"controller"}, Recipients: []string{"our mailing service"},
				StorageLocations: []string{"EU"}, RetentionPeriod: "P2Y",
				Jurisdiction: "EU", WithdrawalMethod: "one switch in the portal", PrivacyRights: "a page of the portal",
			}},
		},
		Parties: []evidence.Party{{
			ID: "controller", Name: "Example Ltd", Address: "1 Example Street", Contact: "privacy@example.org", Type: "controller",
		}},
		Events: []evidence.Decision{{
			Time: when, ValidUntil: when.AddDate(1, 0, 0), Entity: "self:5f0c8a52-3a55-4f0e-9a53-0c6f3b1d2e4f",
			Type: "explicit", Method: "portal", State: "granted",
		}},
		AuditEvent: uuid.MustParse("01932b5e-7c00-7000-8000-000000000002"),
		IssuedAt:   when,
	}
}

func inclusion() evidence.Inclusion {
	return evidence.Inclusion{
		Index:      7,
		Leaf:       "an event",
		Hashes:     []string{base64.StdEncoding.EncodeToString(seed())},
		Checkpoint: "log.example.org/default\n8\nAAAA\n\n\u2014 log.example.org AAAA\n",
	}
}

func sign(t testing.TB, d evidence.Document) []byte {
	t.Helper()
	b, err := signer(t).Sign(d)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestGoldenVectors(t *testing.T) {
	partly := certificate()
	partly.Scope, partly.Horizon, partly.ApprovedBy, partly.Ledger, partly.Destroyed = evidence.KeyGroups, time.Time{}, "", false, nil
	withdrawn := receipt()
	withdrawn.Events = append(withdrawn.Events, evidence.Decision{
		Time: when.Add(time.Hour), Entity: "https://id.example.org#dpo-1", Type: "explicit", Method: "api", State: "withdrawn",
	})
	for name, d := range map[string]evidence.Document{
		"certificate.json": certificate(), "certificate-groups.json": partly,
		"receipt-v2.json": receipt(), "receipt-v2-withdrawn.json": withdrawn,
	} {
		path := filepath.Join("testdata", name)
		got := sign(t, d)
		want, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) && *writeVectors {
			want, err = got, os.WriteFile(path, got, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s:\n got %s\nwant %s", name, got, want)
		}
		if err := evidence.Verify(want, signer(t).Public()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOpenGivesWhatWasSigned(t *testing.T) {
	c, in, err := evidence.OpenCertificate(sign(t, certificate()), signer(t).Public())
	if err != nil || in != nil {
		t.Fatal(in, err)
	}
	want := certificate()
	want.Type = evidence.CertificateType
	if diff := cmp.Diff(want, c); diff != "" {
		t.Error(diff)
	}
	r, in, err := evidence.OpenReceipt(sign(t, receipt()), signer(t).Public())
	if err != nil || in != nil {
		t.Fatal(in, err)
	}
	signed := receipt()
	signed.Context, signed.Class, signed.Type, signed.Header.SchemaVersion = r.Context, evidence.ReceiptClass, evidence.ReceiptType, evidence.ReceiptSchema
	signed.Events[0].Validity = "P365D"
	if diff := cmp.Diff(signed, r); diff != "" {
		t.Error(diff)
	}
}

func TestSigningAgainGivesTheSameBytes(t *testing.T) {
	d := certificate()
	if !bytes.Equal(sign(t, d), sign(t, d)) {
		t.Error("two certificates of one erasure differ")
	}
	d.ErasedAt = d.ErasedAt.In(time.FixedZone("", 3600))
	if !bytes.Equal(sign(t, d), sign(t, certificate())) {
		t.Error("another zone gave another certificate")
	}
}

// TestAReaderWithoutThisPackage verifies as the package comment says, with nothing
// but a JSON decoder and Ed25519. Go's encoder sorts members, and writes these
// documents (ASCII names, integers, no control characters) as RFC 8785 does.
func TestAReaderWithoutThisPackage(t *testing.T) {
	for _, d := range []evidence.Document{certificate(), receipt(), manifest()} {
		dec := json.NewDecoder(bytes.NewReader(sign(t, d)))
		dec.UseNumber()
		var doc map[string]any
		if err := dec.Decode(&doc); err != nil {
			t.Fatal(err)
		}
		proof := doc["proof"].(map[string]any)
		delete(doc, "proof")
		var canonical bytes.Buffer
		enc := json.NewEncoder(&canonical)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(doc); err != nil {
			t.Fatal(err)
		}
		sig, err := base64.StdEncoding.DecodeString(proof["signature"].(string))
		if err != nil {
			t.Fatal(err)
		}
		pub := ed25519.NewKeyFromSeed(seed()).Public().(ed25519.PublicKey)
		if !ed25519.Verify(pub, bytes.TrimSuffix(canonical.Bytes(), []byte("\n")), sig) {
			t.Errorf("does not verify: %s", canonical.Bytes())
		}
	}
}

func TestWhiteSpaceOrderAndEscapesDoNotMatter(t *testing.T) {
	for _, d := range []evidence.Document{certificate(), receipt(), manifest()} {
		b := sign(t, d)
		var indented bytes.Buffer
		if err := json.Indent(&indented, b, "\t", "   "); err != nil {
			t.Fatal(err)
		}
		var tree map[string]any
		if err := json.Unmarshal(b, &tree); err != nil {
			t.Fatal(err)
		}
		sorted, err := json.Marshal(tree) // other order, < as \u003c
		if err != nil {
			t.Fatal(err)
		}
		for name, v := range map[string][]byte{
			"indented":   indented.Bytes(),
			"sorted":     sorted,
			"surrounded": []byte(" \r\n\t" + string(b) + "\n\n"),
			"escaped":    bytes.Replace(b, []byte(`"default"`), []byte(`"\u0064efault"`), 1),
			"CRLF":       bytes.ReplaceAll(indented.Bytes(), []byte("\n"), []byte("\r\n")),
		} {
			if err := evidence.Verify(v, signer(t).Public()); err != nil {
				t.Errorf("%T, %s: %v", d, name, err)
			}
		}
	}
}

// TestAnyChangeFails changes, drops, doubles and renames every value at every depth.
func TestAnyChangeFails(t *testing.T) {
	for _, d := range []evidence.Document{certificate(), receipt(), manifest()} {
		b := sign(t, d)
		changes := 0
		for _, changed := range mutations(t, b) {
			changes++
			err := evidence.Verify(changed, signer(t).Public())
			if !errors.Is(err, evidence.ErrDocument) && !errors.Is(err, evidence.ErrSignature) && !errors.Is(err, evidence.ErrOtherKey) {
				t.Errorf("%v for %s", err, changed)
			}
		}
		if changes < 100 {
			t.Errorf("only %d changes were tried", changes)
		}
	}
}

// mutations returns b with one value changed, in every way that fits it.
func mutations(t *testing.T, b []byte) [][]byte {
	t.Helper()
	var all [][]byte
	var tree any
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	if err := dec.Decode(&tree); err != nil {
		t.Fatal(err)
	}
	keep := func() {
		m, err := json.Marshal(tree)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
	var visit func(v any, set func(any))
	visit = func(v any, set func(any)) {
		for _, other := range others(v) {
			set(other)
			keep()
		}
		set(v)
		switch v := v.(type) {
		case map[string]any:
			visitObject(v, keep, visit)
		case []any:
			for i := range v {
				visit(v[i], func(x any) { v[i] = x })
			}
		}
	}
	visit(tree, func(v any) { tree = v })
	return all
}

func visitObject(v map[string]any, keep func(), visit func(any, func(any))) {
	var names []string
	for name := range v {
		names = append(names, name)
	}
	for _, name := range names {
		was := v[name]
		delete(v, name)
		keep()
		v[strings.ToUpper(name)] = was
		keep()
		delete(v, strings.ToUpper(name))
		v[name] = was
		visit(was, func(x any) { v[name] = x })
	}
	v["surplus"] = 1
	keep()
	delete(v, "surplus")
}

// others returns values that are not v.
func others(v any) []any {
	list := []any{nil, "other", json.Number("12345"), true, []any{}, map[string]any{}}
	switch v := v.(type) {
	case string:
		return append(list, v+" ", "", strings.ToUpper(v)+"x")
	case json.Number:
		return append(list, json.Number("-1"), json.Number("1"+v.String()), json.Number(v.String()+".5"))
	case bool:
		return append(list[:3:3], !v, nil)
	case []any:
		return append(list[:4:4], append(v[:len(v):len(v)], "x"), v[:len(v)-1])
	}
	return list[:5]
}

func TestInclusionStandsBeside(t *testing.T) {
	b := sign(t, certificate())
	for range 2 { // the second time it replaces the first
		var err error
		if b, err = evidence.Attach(b, inclusion()); err != nil {
			t.Fatal(err)
		}
	}
	c, in, err := evidence.OpenCertificate(b, signer(t).Public())
	if err != nil {
		t.Fatal(err)
	}
	want := inclusion()
	if diff := cmp.Diff(&want, in); diff != "" {
		t.Error(diff)
	}
	if c.ID != certificate().ID {
		t.Errorf("certificate %v", c.ID)
	}
	other := inclusion()
	other.Index = 8
	b, err = evidence.Attach(b, other)
	if err != nil {
		t.Fatal(err)
	}
	if err := evidence.Verify(b, signer(t).Public()); err != nil {
		t.Errorf("the signature covers the inclusion: %v", err)
	}
}

func TestAttachRefuses(t *testing.T) {
	for name, change := range map[string]func(*evidence.Inclusion){
		"index beyond 2^53": func(in *evidence.Inclusion) { in.Index = 1 << 53 },
		"no list":           func(in *evidence.Inclusion) { in.Hashes = nil },
		"short hash":        func(in *evidence.Inclusion) { in.Hashes = []string{"AAAA"} },
		"unpadded hash":     func(in *evidence.Inclusion) { in.Hashes[0] = strings.TrimRight(in.Hashes[0], "=") },
		"65 hashes":         func(in *evidence.Inclusion) { in.Hashes = make([]string, 65) },
		"no leaf":           func(in *evidence.Inclusion) { in.Leaf = "" },
		"a leaf too long":   func(in *evidence.Inclusion) { in.Leaf = strings.Repeat("x", 1<<16) },
		"no checkpoint":     func(in *evidence.Inclusion) { in.Checkpoint = "" },
	} {
		in := inclusion()
		change(&in)
		if _, err := evidence.Attach(sign(t, certificate()), in); !errors.Is(err, evidence.ErrDocument) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := evidence.Attach([]byte("{}"), inclusion()); !errors.Is(err, evidence.ErrDocument) {
		t.Errorf("no document: %v", err)
	}
}

func TestOtherKeys(t *testing.T) {
	b, other := sign(t, receipt()), otherSigner(t)
	if err := evidence.Verify(b, other.Public()); !errors.Is(err, evidence.ErrOtherKey) {
		t.Errorf("another key: %v", err)
	}
	if id, err := evidence.KeyIDOf(b); err != nil || id != signer(t).KeyID() {
		t.Errorf("key id %q, %v", id, err)
	}
	renamed := bytes.Replace(b, []byte(signer(t).KeyID()), []byte(other.KeyID()), 1)
	if err := evidence.Verify(renamed, other.Public()); !errors.Is(err, evidence.ErrSignature) {
		t.Errorf("another key under its name: %v", err)
	}
	for _, pub := range []ed25519.PublicKey{nil, other.Public()[:31], make(ed25519.PublicKey, 33)} {
		if err := evidence.Verify(b, pub); !errors.Is(err, evidence.ErrDocument) {
			t.Errorf("key of %d bytes: %v", len(pub), err)
		}
	}
}

func TestTypesAreNotMixed(t *testing.T) {
	if _, _, err := evidence.OpenReceipt(sign(t, certificate()), signer(t).Public()); !errors.Is(err, evidence.ErrDocument) {
		t.Errorf("a certificate as a receipt: %v", err)
	}
	if _, _, err := evidence.OpenCertificate(sign(t, receipt()), signer(t).Public()); !errors.Is(err, evidence.ErrDocument) {
		t.Errorf("a receipt as a certificate: %v", err)
	}
}

func TestASignerDoesNotPrintItsKey(t *testing.T) {
	s := signer(t)
	type holder struct{ S *evidence.Signer }
	for _, v := range []any{s, *s, holder{s}, &holder{s}, []any{s}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
			got := fmt.Sprintf(verb, v)
			for _, bad := range []string{"000102030405", "0 1 2 3 4 5", "0x0, 0x1, 0x2", "AAECAwQF", string(seed())} {
				if strings.Contains(got, bad) {
					t.Errorf("%s of %T prints %q", verb, v, got)
				}
			}
		}
	}
	if b, err := json.Marshal(holder{s}); err != nil || strings.Contains(string(b), "AAEC") {
		t.Errorf("%s, %v", b, err)
	}
}

func TestNewSignerKeepsNothingOfTheSeed(t *testing.T) {
	b := seed()
	s, err := evidence.NewSigner(b)
	if err != nil {
		t.Fatal(err)
	}
	clear(b)
	got, err := s.Sign(certificate())
	if err != nil || !bytes.Equal(got, sign(t, certificate())) {
		t.Errorf("%s, %v", got, err)
	}
	for _, n := range []int{0, 31, 33, 64} {
		if _, err := evidence.NewSigner(make([]byte, n)); !errors.Is(err, evidence.ErrDocument) {
			t.Errorf("seed of %d bytes: %v", n, err)
		}
	}
}

func TestKeysAsText(t *testing.T) {
	pub := signer(t).Public()
	text := evidence.FormatKey(pub)
	if want := "ed25519:" + base64.StdEncoding.EncodeToString(pub); text != want {
		t.Errorf("%s, want %s", text, want)
	}
	got, err := evidence.ParseKey("  " + text + "\n")
	if err != nil || !got.Equal(pub) {
		t.Errorf("%v, %v", got, err)
	}
	if id := evidence.KeyID(pub); id != "56475aa75463474c" {
		t.Errorf("id %s", id) // first 8 bytes of SHA-256 of RFC 8032's public key for this seed
	}
	digits := strings.TrimPrefix(text, "ed25519:")
	for name, bad := range map[string]string{
		"empty":         "",
		"no prefix":     digits,
		"other prefix":  "Ed25519:" + digits,
		"unpadded":      strings.TrimRight(text, "="),
		"url alphabet":  "ed25519:" + base64.URLEncoding.EncodeToString(bytes.Repeat([]byte{0xff}, 32)),
		"too short":     "ed25519:" + base64.StdEncoding.EncodeToString(pub[:31]),
		"too long":      "ed25519:" + base64.StdEncoding.EncodeToString(append(pub[:32:32], 0)),
		"line break in": text[:20] + "\n" + text[20:],
		"spare bits":    text[:len(text)-2] + "p=",
		"two":           text + " " + text,
	} {
		if _, err := evidence.ParseKey(bad); !errors.Is(err, evidence.ErrDocument) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
