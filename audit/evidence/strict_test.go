package evidence_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/audit/evidence"
)

// TestOneReading: what two readers could understand differently is refused, though
// the signature over the canonical form of one of the readings would hold.
func TestOneReading(t *testing.T) {
	good := string(sign(t, certificate()))
	change := func(old, now string) string {
		t.Helper()
		if strings.Count(good, old) != 1 {
			t.Fatalf("%q does not occur once in %s", old, good)
		}
		return strings.Replace(good, old, now, 1)
	}
	_, sig, _ := strings.Cut(good, `"signature":"`)
	sig, _, _ = strings.Cut(sig, `"`)
	in := good[:len(good)-1] + `,"inclusion":{"index":7,"leaf":"y","hashes":[],"checkpoint":"x"}}`
	if err := evidence.Verify([]byte(in), signer(t).Public()); err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]string{
		"empty":                     "",
		"null":                      "null",
		"array":                     "[" + good + "]",
		"empty object":              "{}",
		"trailing object":           good + "{}",
		"trailing comma":            good[:len(good)-1] + ",}",
		"byte order mark":           "\ufeff" + good,
		"member twice, equal":       good[:len(good)-1] + `,"tenant":"default"}`,
		"member twice, first":       `{"tenant":"other",` + good[1:],
		"member twice, escaped":     `{"\u0074enant":"other",` + good[1:],
		"member in capitals, too":   `{"TENANT":"other",` + good[1:],
		"member in capitals":        change(`"tenant"`, `"Tenant"`),
		"long s for s":              change(`"scope"`, `"ſcope"`),
		"long s for s, too":         `{"ſcope":"person",` + good[1:],
		"nested member twice":       change(`"group":"identity"`, `"group":"other","group":"identity"`),
		"nested in capitals, too":   change(`"group":"identity"`, `"GROUP":"other","group":"identity"`),
		"unknown member":            good[:len(good)-1] + `,"note":"x"}`,
		"unknown nested member":     change(`"group":"identity"`, `"group":"identity","x":1`),
		"null member":               change(`"ledger":true`, `"ledger":null`),
		"optional member null":      change(`"approved_by":"https://id.example.org#dpo-2"`, `"approved_by":null`),
		"number as fraction":        change(`"generation":1`, `"generation":1.0`),
		"number with exponent":      change(`"generation":1`, `"generation":1e0`),
		"number as text":            change(`"generation":1`, `"generation":"1"`),
		"bool as number":            change(`"ledger":true`, `"ledger":1`),
		"time with offset":          change(`"erased_at":"2026-11-02T09:30:00.123456Z"`, `"erased_at":"2026-11-02T09:30:00.123456+00:00"`),
		"time with more digits":     change(`"erased_at":"2026-11-02T09:30:00.123456Z"`, `"erased_at":"2026-11-02T09:30:00.1234560Z"`),
		"time in lower case":        change(`"erased_at":"2026-11-02T09:30:00.123456Z"`, `"erased_at":"2026-11-02t09:30:00.123456z"`),
		"capitals in an id":         change(`0000000000c1`, `0000000000C1`),
		"not UTF-8":                 change(`"default"`, "\"default\xff\""),
		"lone surrogate":            change(`"default"`, `"default\ud800"`),
		"raw control character":     change(`"default"`, "\"def\nault\""),
		"no proof":                  strings.Replace(good, `"proof"`, `"proofs"`, 1),
		"proof twice":               good[:len(good)-1] + `,"proof":{}}`,
		"proof null":                `{"proof":null}`,
		"unknown member of proof":   change(`"proof":{`, `"proof":{"x":1,`),
		"other proof":               change(`Ed25519-RFC8785`, `none`),
		"key id in capitals":        change(signer(t).KeyID(), strings.ToUpper(signer(t).KeyID())),
		"empty key id":              change(signer(t).KeyID(), ``),
		"empty signature":           change(sig, ``),
		"unpadded signature":        change(sig, strings.TrimRight(sig, "=")),
		"line break in signature":   change(sig, sig[:10]+`\n`+sig[10:]),
		"signature with spare bits": change(sig, sig[:len(sig)-3]+nextDigit(sig[len(sig)-3])+"=="),
		"url alphabet":              change(sig, base64.URLEncoding.EncodeToString(bytes.Repeat([]byte{0xfb}, 64))),
		"unknown type":              change(evidence.CertificateType, "fieldvault/erasure-certificate/v2"),
		"inclusion null":            strings.Replace(in, `{"index":7,"leaf":"y","hashes":[],"checkpoint":"x"}`, `null`, 1),
		"inclusion unknown member":  strings.Replace(in, `"index":7`, `"index":7,"x":1`, 1),
		"inclusion index twice":     strings.Replace(in, `"index":7`, `"index":6,"index":7`, 1),
		"inclusion without hashes":  strings.Replace(in, `"hashes":[],`, ``, 1),
		"inclusion twice":           in[:len(in)-1] + `,"inclusion":{"index":7,"leaf":"y","hashes":[],"checkpoint":"x"}}`,
		"too deep":                  change(`"default"`, strings.Repeat("[", 5000)+strings.Repeat("]", 5000)),
		"too large":                 good + strings.Repeat(" ", evidence.MaxDocument),
		"base64 of it":              base64.StdEncoding.EncodeToString([]byte(good)),
	} {
		t.Run(name, func(t *testing.T) {
			err := evidence.Verify([]byte(bad), signer(t).Public())
			if !errors.Is(err, evidence.ErrDocument) && !errors.Is(err, evidence.ErrSignature) {
				t.Errorf("error %v for %.300s", err, bad)
			}
		})
	}
}

// nextDigit is the base64 digit after c, which differs in its lowest bit only.
func nextDigit(c byte) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	return string(alphabet[strings.IndexByte(alphabet, c)^1])
}

// TestNoErrorHoldsAValue: errors name parts, never contents.
func TestNoErrorHoldsAValue(t *testing.T) {
	good := string(sign(t, certificate()))
	for _, bad := range []string{
		strings.Replace(good, `"default"`, `canary`, 1),
		strings.Replace(good, `"default"`, `"canary\ud800"`, 1),
		strings.Replace(good, `"ledger":true`, `"ledger":"canary"`, 1),
		strings.Replace(good, `"ledger"`, `"canary"`, 1),
		strings.Replace(good, `"erased_at":"2026`, `"erased_at":"canary2026`, 1),
	} {
		err := evidence.Verify([]byte(bad), signer(t).Public())
		if err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("error %v", err)
		}
	}
}

func TestSignRefusesCertificates(t *testing.T) {
	for name, change := range map[string]func(*evidence.Certificate){
		"no id":                 func(c *evidence.Certificate) { c.ID = uuid.Nil },
		"no tenant":             func(c *evidence.Certificate) { c.Tenant = "" },
		"no fence":              func(c *evidence.Certificate) { c.Fence = "" },
		"short fence":           func(c *evidence.Certificate) { c.Fence = "0011" },
		"odd fence":             func(c *evidence.Certificate) { c.Fence += "0" },
		"fence in capitals":     func(c *evidence.Certificate) { c.Fence = strings.ToUpper(c.Fence) },
		"fence a name":          func(c *evidence.Certificate) { c.Fence = strings.Repeat("c-17", 10) },
		"no generation":         func(c *evidence.Certificate) { c.Generation = 0 },
		"no scope":              func(c *evidence.Certificate) { c.Scope = "" },
		"key without group":     func(c *evidence.Certificate) { c.Destroyed[0].Group = "" },
		"key of group 0":        func(c *evidence.Certificate) { c.Destroyed[0].GroupID = 0 },
		"key of version 0":      func(c *evidence.Certificate) { c.Destroyed[0].Version = 0 },
		"key under KEK 0":       func(c *evidence.Certificate) { c.Destroyed[0].KEKVersion = 0 },
		"number beyond 2^53":    func(c *evidence.Certificate) { c.Destroyed[0].KEKVersion = 1 << 53 },
		"no time":               func(c *evidence.Certificate) { c.ErasedAt = time.Time{} },
		"nanoseconds":           func(c *evidence.Certificate) { c.ErasedAt = c.ErasedAt.Add(1) },
		"year 10000":            func(c *evidence.Certificate) { c.IssuedAt = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
		"nobody":                func(c *evidence.Certificate) { c.ErasedBy = "" },
		"the same person twice": func(c *evidence.Certificate) { c.ApprovedBy = c.ErasedBy },
		"no event":              func(c *evidence.Certificate) { c.Event = uuid.Nil },
		"no guarantee":          func(c *evidence.Certificate) { c.Guarantees = nil },
		"guarantee of no kind":  func(c *evidence.Certificate) { c.Guarantees[0].Kind = "absolute" },
		"empty guarantee":       func(c *evidence.Certificate) { c.Guarantees[0].Text = "" },
		"horizon before":        func(c *evidence.Certificate) { c.Horizon = c.ErasedAt.Add(-time.Second) },
		"not issued":            func(c *evidence.Certificate) { c.IssuedAt = time.Time{} },
		"not UTF-8":             func(c *evidence.Certificate) { c.ErasedBy = "\xff" },
		"text too long":         func(c *evidence.Certificate) { c.ErasedBy = strings.Repeat("a", 5000) },
		"too large": func(c *evidence.Certificate) {
			for range 100 {
				c.Guarantees = append(c.Guarantees, evidence.Guarantee{Text: strings.Repeat("a", 4000), Kind: evidence.Procedural})
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := certificate()
			change(c)
			if b, err := signer(t).Sign(c); !errors.Is(err, evidence.ErrDocument) || b != nil {
				t.Errorf("%s, %v", b, err)
			}
		})
	}
}

func TestSignRefusesReceipts(t *testing.T) {
	for name, change := range map[string]func(*evidence.Receipt){
		"no record":             func(r *evidence.Receipt) { r.Header.RecordID = uuid.Nil },
		"no principal":          func(r *evidence.Receipt) { r.Header.PrincipalID = "" },
		"no tenant":             func(r *evidence.Receipt) { r.Header.Tenant = "" },
		"no notice":             func(r *evidence.Receipt) { r.Processing.Notice.Version = "" },
		"no hash":               func(r *evidence.Receipt) { r.Processing.Notice.Hash = "" },
		"other hash":            func(r *evidence.Receipt) { r.Processing.Notice.Hash = "md5:00112233445566778899aabbccddeeff" },
		"short hash":            func(r *evidence.Receipt) { r.Processing.Notice.Hash = "sha256:0011" },
		"no language":           func(r *evidence.Receipt) { r.Processing.Language = "" },
		"no purpose":            func(r *evidence.Receipt) { r.Processing.Purposes = nil },
		"purpose without id":    func(r *evidence.Receipt) { r.Processing.Purposes[0].Purpose = "" },
		"purpose without basis": func(r *evidence.Receipt) { r.Processing.Purposes[0].LawfulBasis = "" },
		"purpose without title": func(r *evidence.Receipt) { r.Processing.Purposes[0].Title = "" },
		"purpose without text":  func(r *evidence.Receipt) { r.Processing.Purposes[0].Description = "" },
		"no controller":         func(r *evidence.Receipt) { r.Processing.Purposes[0].Controllers = nil },
		"unknown controller":    func(r *evidence.Receipt) { r.Processing.Purposes[0].Controllers[0] = "other" },
		"no withdrawal":         func(r *evidence.Receipt) { r.Processing.Purposes[0].WithdrawalMethod = "" },
		"collection method":     func(r *evidence.Receipt) { r.Processing.Purposes[0].CollectionMethod = "portal" },
		"no receipt":            func(r *evidence.Receipt) { r.Header.ReceiptID = uuid.Nil },
		"no storage":            func(r *evidence.Receipt) { r.Processing.Purposes[0].StorageLocations = nil },
		"no retention":          func(r *evidence.Receipt) { r.Processing.Purposes[0].RetentionPeriod = "" },
		"no jurisdiction":       func(r *evidence.Receipt) { r.Processing.Purposes[0].Jurisdiction = "" },
		"no rights":             func(r *evidence.Receipt) { r.Processing.Purposes[0].PrivacyRights = "" },
		"party without address": func(r *evidence.Receipt) { r.Parties[0].Address = "" },
		"party without contact": func(r *evidence.Receipt) { r.Parties[0].Contact = "" },
		"party of no type":      func(r *evidence.Receipt) { r.Parties[0].Type = "friend" },
		"decision of no type":   func(r *evidence.Receipt) { r.Events[0].Type = "implied" },
		"decision by no method": func(r *evidence.Receipt) { r.Events[0].Method = "" },
		"decision ends before":  func(r *evidence.Receipt) { r.Events[0].ValidUntil = r.Events[0].Time.Add(-time.Hour) },
		"version below 0":       func(r *evidence.Receipt) { r.Processing.Purposes[0].Version = -1 },
		"version beyond 2^53":   func(r *evidence.Receipt) { r.Processing.Purposes[0].Version = 1 << 53 },
		"empty recipient":       func(r *evidence.Receipt) { r.Processing.Purposes[0].Recipients[0] = "" },
		"data without type":     func(r *evidence.Receipt) { r.Processing.Purposes[0].PII[0].Type = "" },
		"no party":              func(r *evidence.Receipt) { r.Parties = nil },
		"party without name":    func(r *evidence.Receipt) { r.Parties[0].Name = "" },
		"no decision":           func(r *evidence.Receipt) { r.Events = nil },
		"unknown decision":      func(r *evidence.Receipt) { r.Events[0].State = "expired" },
		"decision of nobody":    func(r *evidence.Receipt) { r.Events[0].Entity = "" },
		"decision at no time":   func(r *evidence.Receipt) { r.Events[0].Time = time.Time{} },
		"no event":              func(r *evidence.Receipt) { r.AuditEvent = uuid.Nil },
		"not issued":            func(r *evidence.Receipt) { r.IssuedAt = time.Time{} },
	} {
		t.Run(name, func(t *testing.T) {
			r := receipt()
			change(r)
			if b, err := signer(t).Sign(r); !errors.Is(err, evidence.ErrDocument) || b != nil {
				t.Errorf("%s, %v", b, err)
			}
		})
	}
}

// TestADocumentBeyondTheRulesIsRefused: a holder of the key that signs what the type
// does not allow makes nothing that verifies.
func TestADocumentBeyondTheRulesIsRefused(t *testing.T) {
	type doc = map[string]any
	for name, change := range map[string]func(c, r doc){
		"nothing":                func(_, _ doc) {},
		"guarantee of no kind":   func(c, _ doc) { c["guarantees"].([]any)[0].(doc)["kind"] = "absolute" },
		"unknown member":         func(c, _ doc) { c["note"] = "x" },
		"nested unknown member":  func(c, _ doc) { c["guarantees"].([]any)[0].(doc)["note"] = "x" },
		"in capitals, too":       func(c, _ doc) { c["TENANT"] = "other" },
		"in capitals":            func(c, _ doc) { c["TENANT"] = c["tenant"]; delete(c, "tenant") },
		"nested in capitals":     func(c, _ doc) { c["guarantees"].([]any)[0].(doc)["KIND"] = "procedural" },
		"optional member, empty": func(c, _ doc) { c["approved_by"] = "" },
		"null":                   func(c, _ doc) { c["approved_by"] = nil },
		"null list":              func(c, _ doc) { c["destroyed"] = nil },
		"too deep":               func(c, _ doc) { c["note"] = nested(20) },
		"another context":        func(_, r doc) { r["@context"].(doc)["purposes"] = "dpv:hasRecipient" },
		"a longer context":       func(_, r doc) { r["@context"].(doc)["x"] = "dpv:hasPurpose" },
		"no context":             func(_, r doc) { delete(r, "@context") },
		"another schema":         func(_, r doc) { r["header"].(doc)["schema_version"] = "1" },
	} {
		t.Run(name, func(t *testing.T) {
			c, r := tree(t, certificate()), tree(t, receipt())
			change(c, r)
			err := errors.Join(evidence.Verify(signRaw(t, c), signer(t).Public()), evidence.Verify(signRaw(t, r), signer(t).Public()))
			if (err == nil) != (name == "nothing") || err != nil && !errors.Is(err, evidence.ErrDocument) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func nested(depth int) any {
	if depth == 0 {
		return 1
	}
	return []any{nested(depth - 1)}
}

// FuzzNothingElseVerifies: the only documents that verify are those that were
// signed, in other clothes.
func FuzzNothingElseVerifies(f *testing.F) {
	c, r := sign(f, certificate()), sign(f, receipt())
	withProof, err := evidence.Attach(c, inclusion())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(c)
	f.Add(r)
	f.Add(withProof)
	f.Add([]byte(`{"type":"","proof":{}}`))
	pub := signer(f).Public()
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := evidence.Attach(b, inclusion()); err != nil && !errors.Is(err, evidence.ErrDocument) {
			t.Fatalf("attaching: %v", err)
		}
		if evidence.Verify(b, pub) != nil {
			return
		}
		got := strip(t, b)
		if got != strip(t, c) && got != strip(t, r) {
			t.Fatalf("verifies: %s", b)
		}
	})
}

// strip returns a document without what is not signed, with sorted members.
func strip(t *testing.T, b []byte) string {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	delete(doc, "proof")
	delete(doc, "inclusion")
	s, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return string(s)
}

// FuzzKeysRoundTrip: a key that parses is written the same again.
func FuzzKeysRoundTrip(f *testing.F) {
	f.Add(evidence.FormatKey(signer(f).Public()))
	f.Add("ed25519:")
	f.Fuzz(func(t *testing.T, s string) {
		pub, err := evidence.ParseKey(s)
		if err == nil && evidence.FormatKey(pub) != strings.TrimSpace(s) {
			t.Fatalf("%q parses as %q", s, evidence.FormatKey(pub))
		}
	})
}
