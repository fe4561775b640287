package evidence

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
)

// ReceiptSchema is the schema version in every receipt's header: the receipt of a
// consent record after ISO/IEC TS 27560:2023, in the profile of the W3C Data Privacy
// Vocabulary.
const ReceiptSchema = "dpv-27560:receipt-record"

// ReceiptClass is the class of every receipt in the Data Privacy Vocabulary.
const ReceiptClass = "dpv:ConsentReceipt"

// receiptTypeV1 is the type of receipts as they were signed before they had all the
// fields of ISO/IEC TS 27560: they verify, and are not made any more.
const receiptTypeV1 = "fieldvault/consent-receipt/v1"

// openValidity is the validity of a decision that has no end of its own.
const openValidity = "until the next decision"

// Receipt states what a person decided about a purpose, on the strength of which
// notice. Its sections and members bear the names of ISO/IEC TS 27560:2023 (header,
// processing, party identification, event), and every field that is mandatory there is
// in it; "@context" makes it JSON-LD. A receipt of the former type, v1, has not the
// members that are marked so.
type Receipt struct {
	Context    json.RawMessage `json:"@context"`        // set by Sign
	Class      string          `json:"@type,omitempty"` // ReceiptClass, set by Sign; not in v1
	Type       string          `json:"type"`            // ReceiptType, set by Sign
	Header     Header          `json:"header"`
	Processing Processing      `json:"processing"`
	Parties    []Party         `json:"party_identification"` // at least one: the controller
	Events     []Decision      `json:"event"`                // at least one, the latest last
	AuditEvent uuid.UUID       `json:"audit_event"`          // id of the event in the audit log
	IssuedAt   time.Time       `json:"issued_at"`
}

// Header says what the record is and about whom.
type Header struct {
	SchemaVersion string    `json:"schema_version"`      // ReceiptSchema, set by Sign
	ReceiptID     uuid.UUID `json:"receipt_id,omitzero"` // of this receipt; not in v1
	RecordID      uuid.UUID `json:"record_id"`           // of the consent record
	PrincipalID   string    `json:"pii_principal_id"`    // the person, as the issuer names them to the receiver
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
	Controllers      []string          `json:"pii_controllers"`                  // ids of parties, at least one
	Recipients       []string          `json:"recipient_third_parties,omitzero"` // in words; an empty list: nobody. May be left out in v1
	StorageLocations []string          `json:"storage_locations,omitempty"`      // in words, at least one; may be left out in v1
	RetentionPeriod  string            `json:"retention_period,omitempty"`       // ISO 8601 duration or words; may be left out in v1
	Jurisdiction     string            `json:"jurisdiction,omitempty"`           // in words; not in v1
	WithdrawalMethod string            `json:"withdrawal_method"`                // in words
	PrivacyRights    string            `json:"privacy_rights,omitempty"`         // which, and how to use them, in words; not in v1

	// CollectionMethod is in v1 alone, and there how the decision came in. The standard
	// means by it how the data are collected: see Decision.Method.
	CollectionMethod string `json:"collection_method,omitempty"`
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
	Address string `json:"party_address,omitempty"` // may be left out in v1
	Contact string `json:"party_contact,omitempty"` // may be left out in v1
	Type    string `json:"party_type"`              // "controller", "processor", "third_party" or "authority"; any text in v1
}

// Decision is one event in the life of the consent.
type Decision struct {
	Time       time.Time `json:"event_time"`
	ValidUntil time.Time `json:"valid_until,omitzero"`        // after Time; zero: until withdrawn
	Validity   string    `json:"validity_duration,omitempty"` // ISO 8601 duration from Time to ValidUntil, or words; set by Sign; not in v1
	Entity     string    `json:"entity_id"`                   // who recorded it: the actor, as in the audit event
	Type       string    `json:"event_type"`                  // "explicit", "guardian", "signal", "objection" or "overruling"; any text in v1
	Method     string    `json:"event_method,omitempty"`      // how it came in: "portal", "api", "import", "form" or "gpc"; not in v1
	State      string    `json:"event_state"`                 // "granted", "refused", "withdrawn", "objected" or "overruled"
}

// HashNotice returns the hash of a notice's text as a receipt carries it:
// "sha256:" and 64 hexadecimal digits.
func HashNotice(text []byte) string {
	sum := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func (r *Receipt) stamp() {
	r.Context, r.Class = json.RawMessage(receiptContext), ReceiptClass
	r.Type, r.Header.SchemaVersion = ReceiptType, ReceiptSchema
	r.IssuedAt = r.IssuedAt.UTC()
	for i := range r.Events {
		e := &r.Events[i]
		e.Time, e.ValidUntil = e.Time.UTC(), e.ValidUntil.UTC()
		e.Validity = e.validity()
	}
	for i := range r.Processing.Purposes {
		if p := &r.Processing.Purposes[i]; p.PII == nil {
			p.PII = []PII{}
		}
		if p := &r.Processing.Purposes[i]; p.Recipients == nil {
			p.Recipients = []string{}
		}
	}
}

// validity is how long the decision holds: whole days where it can be said so.
func (d *Decision) validity() string {
	const day = 24 * time.Hour
	held := d.ValidUntil.Sub(d.Time)
	switch {
	case d.ValidUntil.IsZero():
		return openValidity
	case held%day == 0:
		return "P" + strconv.FormatInt(int64(held/day), 10) + "D"
	}
	return "PT" + strconv.FormatFloat(held.Seconds(), 'f', -1, 64) + "S"
}

func (r *Receipt) invalid() string {
	h, n := &r.Header, &r.Processing.Notice
	switch r.Type {
	case receiptTypeV1:
		if part := r.invalidV1(); part != "" {
			return part
		}
	case ReceiptType:
		if part := r.invalidV2(); part != "" {
			return part
		}
	default:
		return "type"
	}
	switch {
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

// invalidV1 names what is wrong of that in which the types differ.
func (r *Receipt) invalidV1() string {
	if !sameContext(r.Context, receiptContextV1) || r.Class != "" {
		return "@context"
	}
	if r.Header.ReceiptID != uuid.Nil {
		return "header"
	}
	for i := range r.Processing.Purposes {
		p := &r.Processing.Purposes[i]
		if !text(p.CollectionMethod) || p.Recipients != nil && len(p.Recipients) == 0 || p.Jurisdiction != "" || p.PrivacyRights != "" {
			return "purposes"
		}
	}
	for i := range r.Events {
		if e := &r.Events[i]; e.Validity != "" || e.Method != "" {
			return "event"
		}
	}
	return ""
}

// invalidV2 names what is wrong of that in which the types differ.
func (r *Receipt) invalidV2() string {
	if !sameContext(r.Context, receiptContext) || r.Class != ReceiptClass {
		return "@context"
	}
	if r.Header.ReceiptID == uuid.Nil {
		return "header"
	}
	for i := range r.Processing.Purposes {
		if !r.Processing.Purposes[i].complete() {
			return "purposes"
		}
	}
	for i := range r.Parties {
		if !r.Parties[i].complete() {
			return "party_identification"
		}
	}
	for i := range r.Events {
		if !r.Events[i].complete() {
			return "event"
		}
	}
	return ""
}

func (p *Purpose) complete() bool {
	return p.CollectionMethod == "" && p.Recipients != nil && len(p.StorageLocations) > 0 &&
		text(p.RetentionPeriod) && text(p.Jurisdiction) && text(p.PrivacyRights)
}

func (p *Party) complete() bool {
	switch p.Type {
	case "controller", "processor", "third_party", "authority":
		return text(p.Address) && text(p.Contact)
	}
	return false
}

func (d *Decision) complete() bool {
	switch d.Type {
	case "explicit", "guardian", "signal", "objection", "overruling":
		return text(d.Method) && d.Validity == d.validity() && (d.ValidUntil.IsZero() || d.ValidUntil.After(d.Time))
	}
	return false
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
	if !text(p.Title) || !text(p.Description) || !text(p.WithdrawalMethod) {
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
