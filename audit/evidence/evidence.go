// Package evidence makes signed statements that verify offline, with nothing but
// a public key: the [Certificate] of an erasure, the [Receipt] of a consent and the
// [Manifest] of the evidence of a request.
//
// # Invariants
//
//   - The signature covers every member of a document but two, "proof" and
//     "inclusion". Any changed value fails; white space, the order of members and
//     the escapes of a string do not matter.
//   - A document has one reading. Duplicate members, members that differ only in
//     case, unknown members, null, a number or a time in a second spelling and
//     trailing data are refused, by [Verify] as by a reader in another language that
//     follows the steps below.
//   - A document names the audit event that records the same act, by its id. Where
//     that event stands in the log, and the proof of it, are known only later: they
//     stand beside, in the member "inclusion", which the signature does not cover
//     and which proves itself against a signed checkpoint.
//   - A statement holds no value of a protected field. Whether the name of its person
//     is in it is the issuer's choice (pii_principal_id of a receipt).
//
// # Format
//
// A document is a JSON object (RFC 8259) of at most [MaxDocument] bytes in UTF-8:
//
//	{"type": "fieldvault/erasure-certificate/v1",
//	 ... members of the type, see Certificate, Receipt and Manifest ...,
//	 "proof": {"type": "Ed25519-RFC8785", "key_id": "<16 hex digits>", "signature": "<base64>"},
//	 "inclusion": {"index": 7, "leaf": "<the event>", "hashes": ["<base64>", ...], "checkpoint": "<signed note>"}}
//
// "inclusion" is optional. To verify a document:
//
//  1. refuse it if its JSON is not unique as described above;
//  2. take away "proof" and "inclusion";
//  3. write the rest in the canonical form of RFC 8785;
//  4. check "signature" (RFC 8032 Ed25519, padded base64 of 64 bytes) over these
//     bytes with the public key whose id is "key_id".
//
// A key's id is the first 8 bytes of the SHA-256 of its 32 bytes, in lower-case
// hexadecimal. A public key as text is "ed25519:" and the padded base64 of its 32
// bytes. The signed bytes begin with "{", which no signed checkpoint does, and name
// their type, so no signature made here means anything elsewhere.
//
// Times are RFC 3339 in UTC with at most microseconds and no trailing zeros.
// Integers are below 2^53.
package evidence

import (
	"time"
)

// Bounds of a document.
const (
	MaxDocument = 256 << 10 // bytes
	maxText     = 4 << 10   // bytes of one string
	maxItems    = 1000      // items of one list
	maxInteger  = 1<<53 - 1 // RFC 8785, section 3.2.2.3
)

// The types of documents.
const (
	CertificateType = "fieldvault/erasure-certificate/v1"
	ReceiptType     = "fieldvault/consent-receipt/v2"
	ManifestType    = "fieldvault/request-manifest/v1"
)

// Document is a statement that can be signed: *Certificate, *Receipt or *Manifest.
type Document interface {
	stamp()          // fills what the type prescribes, and normalises times
	invalid() string // names the member that breaks a rule, or ""
}

// Inclusion says where the log holds the event that a document names. It is not
// covered by the document's signature, and proves itself: see [VerifyInclusion].
type Inclusion struct {
	Index      uint64   `json:"index"`      // of the leaf, from 0; below 2^53
	Leaf       string   `json:"leaf"`       // the event, as package audit writes it
	Hashes     []string `json:"hashes"`     // the proof: padded base64 of 32 bytes each, at most 64
	Checkpoint string   `json:"checkpoint"` // signed note of the tree that the proof leads to
}

func text(s string) bool {
	return s != "" && optional(s)
}

func texts(list []string) bool {
	for _, s := range list {
		if !text(s) {
			return false
		}
	}
	return len(list) <= maxItems
}

func moment(t time.Time) bool {
	y := t.UTC().Year()
	return !t.IsZero() && y >= 1 && y <= 9999 && t.Nanosecond()%1000 == 0
}
