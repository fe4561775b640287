package vault

import (
	"encoding/json"
	"time"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/crypto/secret"
	"github.com/fieldvault/fieldvault/vault/catalog"
	"github.com/fieldvault/fieldvault/vault/freetext"
)

// Limits of the input. A transport refuses what is larger before it reads it.
const (
	// MaxItems is the most items of one batch.
	MaxItems = 1000
	// MaxName is the most bytes of a subject's or record's name.
	MaxName = 128
	// MaxReason is the most bytes of a reason given in words.
	MaxReason = 4096
	// MaxEvidence is the most bytes of a consent's evidence.
	MaxEvidence = 16 << 10
	// MaxDocument is the most bytes of a catalog or policy.
	MaxDocument = 1 << 20
	// MaxPage is the most entries of a page.
	MaxPage = 1000
)

// A Write puts or patches one record.
type Write struct {
	Subject    string
	Collection string
	Record     string
	// Fields are the values by field name, as JSON. With Patch, null removes.
	Fields map[string]json.RawMessage
	// Patch merges with what stands; without it the record is replaced.
	Patch bool
	// IfMatch is the revision that must be current, or 0 for any.
	IfMatch uint64
}

// A Written answers a Write: the record's revision after it, and whether there was
// no record before. Err is nil or one of this package's errors: ErrGone, ErrNotFound
// (a patch of nothing), ErrConflict (IfMatch), ErrHeld, ErrMismatch, ErrIntegrity, an
// *InvalidError. The other items of a batch stand on their own.
type Written struct {
	Revision uint64
	Created  bool
	Warnings []Warning // in the order of the collection's fields
	Err      error
}

// A Warning says that a text holds personal data of kinds that the catalog does not
// announce. It was stored all the same. That there is none says little: not everything is
// found, and once the call's context has ended no further text is looked at.
type Warning struct {
	Field string          // "customer.note"
	Kinds []freetext.Kind // in the order of [freetext.Kinds]
}

// An Idempotency makes a repeated request have one effect, for 24 hours: the
// repetition gets the first answer and changes nothing. Another request under the
// same key of the same principal is ErrMismatch; after an erasure it is ErrGone. A
// request that was refused may be repeated. The zero value: none.
type Idempotency struct {
	// Key is the caller's, 1 to 255 bytes.
	Key string
	// Request is what the transport received: method, route and body. Only a
	// keyed hash of it is kept.
	Request []byte
}

// An Item asks for fields of one record.
type Item struct {
	Subject    string
	Collection string
	Record     string
	// Fields by name; the one name "*" asks for all that are stored and needs
	// the action export.
	Fields []string
}

// A Revealed answers an Item: the record's revision, and the fields that were asked
// for, less those that the caller may see and that are not stored. A record named
// twice in a batch is refused, and what is beyond 64 MiB of one batch, or beyond 2 MiB of
// texts to redact, is ErrTooLarge.
// Err is nil or one of this package's errors; there are no fields then.
type Revealed struct {
	Revision uint64
	Fields   []Answer
	Err      error
}

// An Answer is what a caller gets of one field. Value is set for Plain (the
// stored value) and Masked (text); the zero Bytes for Hidden.
type Answer struct {
	Field  *catalog.Field
	View   accessctl.View
	Reason accessctl.Reason // why it is hidden
	Value  secret.Bytes
}

// A Page is one page of record references.
type Page struct {
	Records []Reference
	Cursor  string // "" at the end
}

// A Reference names a record, without its values.
type Reference struct {
	Collection string
	Record     string
	Revision   uint64
}

// A Query searches one indexed field: for one of Equals, Prefix and Contains, or for From,
// To or both. What is sought is normalised as values are on writing.
type Query struct {
	Collection string
	Field      string
	Equals     json.RawMessage // a JSON value of the field's type
	Prefix     json.RawMessage // a JSON string, with which the value begins
	Contains   json.RawMessage // a JSON string, which stands in the value
	From, To   json.RawMessage // the least and the greatest value, of the field's type
	Cursor     string          // of the page before; "": the first page
	Limit      int             // 0: 100; at most MaxPage
}

// Matches answers a Query. A page may hold fewer matches than the limit and
// still have a cursor: what the caller may not see is left out after the look-up.
type Matches struct {
	Matches []Match
	Cursor  string // "" at the end
}

// A Match is a record whose field has the value.
type Match struct {
	Subject string
	Record  string
}

// A Plaintext is one value to encrypt for an application that keeps the ciphertext.
type Plaintext struct {
	Subject string
	Field   string // "customer.email"
	Value   json.RawMessage
}

// An Encrypted answers a Plaintext, or a Ciphertext that was moved to the current
// key. Err is nil or one of this package's errors.
type Encrypted struct {
	Ciphertext string // "fv1:..."
	Err        error
}

// A Ciphertext is one value that an application kept.
type Ciphertext struct {
	Subject    string
	Field      string // "customer.email"
	Ciphertext string // "fv1:...", as Encrypt answered it
}

// A Decrypted answers a Ciphertext. Err is nil or one of this package's errors.
type Decrypted struct {
	Answer
	Err error
}

// A Decided is a consent decision to record.
type Decided struct {
	Subject  string
	Purpose  accessctl.Purpose
	Decision string    // granted, refused, withdrawn, objected; overruled by the controller
	Notice   string    // version of the catalog that was shown; "": the one in force
	Language string    // that it was shown in; "", or one it does not have: the catalog's own
	Method   string    // portal, form, api, import, gpc; "": api
	Expires  time.Time // of a grant; zero, or later than the purpose allows: as the purpose says
	// Explicit says that the person agreed to the use of special categories of data in
	// so many words. Required of a grant to a purpose that uses any.
	Explicit bool
	// Age in whole years, as the person says; 0: not asked. Guardian says that whoever has
	// parental responsibility agreed. One of both is required of a grant to a purpose with
	// a MinAge.
	Age      int
	Guardian bool
	// Evidence, up to MaxEvidence bytes, is kept sealed; not accepted with withdrawn
	// and objected, which must never wait for the key-encryption key.
	Evidence json.RawMessage
	// Once makes a repetition answer the receipt in force, without effect.
	Once Idempotency
}

// A ConsentStatus is the state of a person's consent for one purpose.
type ConsentStatus struct {
	Purpose  accessctl.Purpose
	State    accessctl.Consent
	Decision string // "" when none was ever recorded
	Notice   string
	Method   string
	At       time.Time
	Expires  time.Time
	// AskFrom is from when on the person may be asked again; zero: at any time. They may
	// change their mind whenever they like.
	AskFrom time.Time
	Receipt json.RawMessage
}

// A Manifest says what is held on a person: without values to an officer, with
// each field's Answer when the person asks. Consents has an entry for every purpose.
type Manifest struct {
	Subject     string
	Generation  uint32
	Created     time.Time
	Restricted  bool
	Held        bool
	Records     []ManifestRecord
	Tokens      []ManifestTokens // by collection, field, purpose and kind
	Consents    []ConsentStatus
	Purposes    []catalog.Purpose
	CatalogVers int64
}

// A ManifestRecord is a record in a manifest.
type ManifestRecord struct {
	Collection string
	Record     string
	Revision   uint64
	Fields     []ManifestField
}

// A ManifestField is a stored field in a manifest.
type ManifestField struct {
	Field  *catalog.Field
	Sealed time.Time // when it was last written
	Answer *Answer   // nil to an officer
}

// A Versioned is one version of the catalog or policy.
type Versioned struct {
	Version int64
	Source  []byte
	By      string
	Created time.Time
}

// A Check is one line of readiness.
type Check struct {
	Name string // "database", "signing key", "tenant default"
	OK   bool
	Note string // what to do, when not OK or soon; no text of a dependency
}
