package accessctl

import (
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Role is what a token says the caller is; policies give roles their rights.
// The set is open: a policy may name any.
type Role string

// RoleSubject is the role of a person who acts for themself. A caller who holds
// it acts only on their own data, whatever other roles the token carries.
const RoleSubject Role = "subject"

// Purpose names why data is asked for: an id of the catalog, or [PurposeSelf].
type Purpose string

// PurposeSelf is reserved: a person reads their own data (GDPR Art. 15). It is
// valid only where the caller is a person and the data their own, and then needs
// neither consent nor listing by the field, and holds under restriction. Its
// basis in a policy's context is legal_obligation. No catalog may define it.
const PurposeSelf Purpose = "self"

// Basis is the legal basis of a purpose: the six of GDPR Art. 6(1).
type Basis string

// The bases of GDPR Art. 6(1)(a) to (f).
const (
	BasisConsent             Basis = "consent"
	BasisContract            Basis = "contract"
	BasisLegalObligation     Basis = "legal_obligation"
	BasisVitalInterests      Basis = "vital_interests"
	BasisPublicTask          Basis = "public_task"
	BasisLegitimateInterests Basis = "legitimate_interests"
)

// Bases returns all six, in the order of the article.
func Bases() []Basis {
	return []Basis{
		BasisConsent, BasisContract, BasisLegalObligation,
		BasisVitalInterests, BasisPublicTask, BasisLegitimateInterests,
	}
}

// Valid reports whether b is one of the six.
func (b Basis) Valid() bool {
	switch b {
	case BasisConsent, BasisContract, BasisLegalObligation,
		BasisVitalInterests, BasisPublicTask, BasisLegitimateInterests:
		return true
	default:
		return false
	}
}

// Principal is who asks, as an authenticated token says it.
type Principal struct {
	Tenant   string
	Issuer   string // of the token; empty for an operator at the machine itself
	Subject  string // of the token
	Roles    []Role
	Purposes []Purpose // what the token narrows to, if Narrowed
	Narrowed bool      // the token carried a purposes claim, be it an empty one
	Person   string    // the person's external id; set if and only if the roles contain RoleSubject
	Expires  time.Time
}

// Actor names the principal in the audit log: "<iss>#<sub>", or "local:<sub>"
// without an issuer. It is injective: a % or # inside the issuer is
// percent-encoded. A person's own acts are not recorded under it, for it would
// identify them for ever.
func (p Principal) Actor() string {
	if p.Issuer == "" {
		return "local:" + p.Subject
	}
	iss := p.Issuer
	if strings.ContainsAny(iss, "%#") {
		iss = strings.NewReplacer("%", "%25", "#", "%23").Replace(iss)
	}
	return iss + "#" + p.Subject
}

// IsPerson reports whether the caller holds [RoleSubject].
func (p Principal) IsPerson() bool { return slices.Contains(p.Roles, RoleSubject) }

// String names the principal for people who debug. It never names a person: for
// a caller who is one it says only so.
func (p Principal) String() string {
	if p.Person != "" || p.IsPerson() {
		return p.Tenant + "/person"
	}
	return p.Tenant + "/" + p.Actor()
}

// GoString is [Principal.String], so that %#v prints no person either.
func (p Principal) GoString() string { return p.String() }

// LogValue is [Principal.String], so that a log names no person either.
func (p Principal) LogValue() slog.Value { return slog.StringValue(p.String()) }

// Caller is who asks and for which purpose, in one request. It prints like its
// [Principal].
type Caller struct {
	Principal
	Purpose   Purpose   // empty if none was named
	RequestID uuid.UUID // no part of any decision
}
