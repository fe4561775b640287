package evidence

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
)

// ReceiptSchema is the schema version in every receipt's header: the receipt of a
// consent record after ISO/IEC TS 27560:2023, in the profile of the W3C Data Privacy
// Vocabulary.
const ReceiptSchema = "dpv-27560:receipt-record"

// Receipt states what a person decided about a purpose, on the strength of which
// notice. Its sections and members bear the names of ISO/IEC TS 27560:2023 (header,
// processing, party identification, event); "@context" makes it JSON-LD.
type Receipt struct {
	Context    map[string]string `json:"@context"` // set by Sign
	Type       string            `json:"type"`     // ReceiptType, set by Sign
	Header     Header            `json:"header"`
	Processing Processing        `json:"processing"`
	Parties    []Party           `json:"party_identification"` // at least one: the controller
	Events     []Decision        `json:"event"`                // at least one, the latest last
	AuditEvent uuid.UUID         `json:"audit_event"`          // id of the event in the audit log
	IssuedAt   time.Time         `json:"issued_at"`
}

// Header says what the record is and about whom.
type Header struct {
	SchemaVersion string    `json:"schema_version"`   // ReceiptSchema, set by Sign
	RecordID      uuid.UUID `json:"record_id"`        // of the consent record
	PrincipalID   string    `json:"pii_principal_id"` // the person, as the issuer names them to the receiver
	Tenant        string    `json:"tenant"`
}

// Processing says what the person was told and what they decided about.
type Processing struct {
	Notice   Notice    `json:"privacy_notice"`
	Language string    `json:"language"` // of the notice, as in BCP 47
	Purposes []Purpose `json:"purposes"` // at least one
}

// Notice names the notice that was shown, by version and by content.
type Notice struct {
	Version string `json:"version"`
	Hash    string `json:"hash"` // of its text, see HashNotice
	URI     string `json:"uri,omitempty"`
}

// Purpose describes a purpose as it stood in the notice.
type Purpose struct {
	Purpose          accessctl.Purpose `json:"purpose"` // its id
	Version          int64             `json:"purpose_version"`
	Title            string            `json:"title"`
	Description      string            `json:"purpose_description"`
	Benefit          string            `json:"benefit,omitempty"` // what the person gets
	LawfulBasis      accessctl.Basis   `json:"lawful_basis"`
	PII              []PII             `json:"pii_information"`
	Controllers      []string          `json:"pii_controllers"`                   // ids of parties, at least one
	Recipients       []string          `json:"recipient_third_parties,omitempty"` // in words
	StorageLocations []string          `json:"storage_locations,omitempty"`       // in words
	RetentionPeriod  string            `json:"retention_period,omitempty"`        // ISO 8601 duration or words
	CollectionMethod string            `json:"collection_method"`                 // how the decision came in: "portal", "api", "import", "form"
	WithdrawalMethod string            `json:"withdrawal_method"`                 // in words
}

// PII describes one kind of personal data that a purpose uses.
type PII struct {
	Type      string `json:"pii_type"` // collection.field
	Title     string `json:"title,omitempty"`
	Category  string `json:"pii_category,omitempty"`       // the field's classification
	Sensitive bool   `json:"special_pii_category"`         // GDPR Art. 9
	Optional  bool   `json:"pii_optional"`                 // whether the service works without
	Retention string `json:"pii_retention_time,omitempty"` // ISO 8601 duration or words
}

// Party is someone who answers for the processing.
type Party struct {
	ID      string `json:"party_id"`
	Name    string `json:"party_name"`
	Address string `json:"party_address,omitempty"`
	Contact string `json:"party_contact,omitempty"`
	Type    string `json:"party_type"` // "controller", "processor", "authority", ...
}

// Decision is one event in the life of the consent.
type Decision struct {
	Time       time.Time `json:"event_time"`
	ValidUntil time.Time `json:"valid_until,omitzero"` // zero: until withdrawn
	Entity     string    `json:"entity_id"`            // who recorded it: the actor, as in the audit event
	Type       string    `json:"event_type"`           // "explicit", "guardian", "signal", "objection", "overruling"
	State      string    `json:"event_state"`          // "granted", "refused", "withdrawn", "objected" or "overruled"
}

// HashNotice returns the hash of a notice's text as a receipt carries it:
// "sha256:" and 64 hexadecimal digits.
func HashNotice(text []byte) string {
	sum := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// receiptContext maps the members of a receipt to the Data Privacy Vocabulary. The
// sections have no term of their own there: JSON-LD 1.1 reads what is in them as if it
// stood above.
func receiptContext() map[string]string {
	return map[string]string{
		"dct":                     "http://purl.org/dc/terms/",
		"dpv":                     "https://w3id.org/dpv#",
		"dpv-27560":               "https://w3id.org/dpv/schema/dpv-27560#",
		"header":                  "@nest",
		"processing":              "@nest",
		"event":                   "@nest",
		"party_identification":    "dpv:hasEntity",
		"party_id":                "dpv:hasIdentifier",
		"party_name":              "dpv:hasName",
		"party_address":           "dpv:hasAddress",
		"party_contact":           "dpv:hasContact",
		"schema_version":          "dct:conformsTo",
		"record_id":               "dpv:hasIdentifier",
		"pii_principal_id":        "dpv:hasDataSubject",
		"privacy_notice":          "dpv:hasNotice",
		"language":                "dct:language",
		"purposes":                "dpv:hasPurpose",
		"lawful_basis":            "dpv:hasLegalBasis",
		"pii_information":         "dpv:hasPersonalData",
		"pii_controllers":         "dpv:hasDataController",
		"recipient_third_parties": "dpv:hasRecipient",
		"event_state":             "dpv:hasConsentStatus",
		"issued_at":               "dct:issued",
	}
}

func (r *Receipt) stamp() {
	r.Context, r.Type, r.Header.SchemaVersion = receiptContext(), ReceiptType, ReceiptSchema
	r.IssuedAt = r.IssuedAt.UTC()
	for i := range r.Events {
		e := &r.Events[i]
		e.Time, e.ValidUntil = e.Time.UTC(), e.ValidUntil.UTC()
	}
	for i := range r.Processing.Purposes {
		if p := &r.Processing.Purposes[i]; p.PII == nil {
			p.PII = []PII{}
		}
	}
}

func (r *Receipt) invalid() string {
	h, n := &r.Header, &r.Processing.Notice
	switch {
	case !maps.Equal(r.Context, receiptContext()):
		return "@context"
	case r.Type != ReceiptType:
		return "type"
	case h.SchemaVersion != ReceiptSchema || h.RecordID == uuid.Nil || !text(h.PrincipalID) || !text(h.Tenant):
		return "header"
	case !text(n.Version) || !optional(n.URI) || !noticeHash(n.Hash) || !text(r.Processing.Language):
		return "privacy_notice"
	case !r.validPurposes():
		return "purposes"
	case !validParties(r.Parties):
		return "party_identification"
	case !validDecisions(r.Events):
		return "event"
	case r.AuditEvent == uuid.Nil:
		return "audit_event"
	case !moment(r.IssuedAt):
		return "issued_at"
	}
	return ""
}

func noticeHash(s string) bool {
	digits, ok := strings.CutPrefix(s, "sha256:")
	return ok && hexadecimal(digits, 32, 32)
}

func (r *Receipt) validPurposes() bool {
	list := r.Processing.Purposes
	for i := range list {
		if !r.validPurpose(&list[i]) {
			return false
		}
	}
	return len(list) > 0 && len(list) <= maxItems
}

func (r *Receipt) validPurpose(p *Purpose) bool {
	if !text(string(p.Purpose)) || p.Version < 0 || p.Version > maxInteger || !text(string(p.LawfulBasis)) {
		return false
	}
	if !text(p.Title) || !text(p.Description) || !text(p.CollectionMethod) || !text(p.WithdrawalMethod) {
		return false
	}
	if !optional(p.Benefit) || !optional(p.RetentionPeriod) || !texts(p.Recipients) || !texts(p.StorageLocations) {
		return false
	}
	for _, id := range p.Controllers {
		if !r.party(id) {
			return false
		}
	}
	return len(p.Controllers) > 0 && len(p.Controllers) <= maxItems && validPII(p.PII)
}

func (r *Receipt) party(id string) bool {
	for i := range r.Parties {
		if r.Parties[i].ID == id {
			return true
		}
	}
	return false
}

func validPII(list []PII) bool {
	for i := range list {
		p := &list[i]
		if !text(p.Type) || !optional(p.Title) || !optional(p.Category) || !optional(p.Retention) {
			return false
		}
	}
	return list != nil && len(list) <= maxItems
}

func validParties(list []Party) bool {
	for i := range list {
		p := &list[i]
		if !text(p.ID) || !text(p.Name) || !text(p.Type) || !optional(p.Address) || !optional(p.Contact) {
			return false
		}
	}
	return len(list) > 0 && len(list) <= maxItems
}

func validDecisions(list []Decision) bool {
	for i := range list {
		d := &list[i]
		if !moment(d.Time) || !d.ValidUntil.IsZero() && !moment(d.ValidUntil) || !text(d.Entity) || !text(d.Type) {
			return false
		}
		switch d.State {
		case "granted", "refused", "withdrawn", "objected", "overruled":
		default:
			return false
		}
	}
	return len(list) > 0 && len(list) <= maxItems
}
