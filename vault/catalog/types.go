package catalog

import (
	"strconv"
	"strings"
	"time"
)

// Type is the kind of value that a field holds.
type Type string

// The types of fields. The package comment says what each accepts.
const (
	TypeEmail      Type = "email"
	TypePhone      Type = "phone"
	TypeName       Type = "name"
	TypeDate       Type = "date"
	TypeAddress    Type = "address"
	TypeNationalID Type = "national_id"
	TypeIBAN       Type = "iban"
	TypeCard       Type = "card"
	TypeText       Type = "text"
	TypeNumber     Type = "number"
	TypeBoolean    Type = "boolean"
	TypeJSON       Type = "json"
	TypeBytes      Type = "bytes"
)

// Types lists every type.
func Types() []Type {
	return []Type{
		TypeEmail, TypePhone, TypeName, TypeDate, TypeAddress, TypeNationalID, TypeIBAN, TypeCard,
		TypeText, TypeNumber, TypeBoolean, TypeJSON, TypeBytes,
	}
}

// The legal bases of GDPR Art. 6(1).
const (
	BasisConsent             = "consent"              // (a)
	BasisContract            = "contract"             // (b)
	BasisLegalObligation     = "legal_obligation"     // (c)
	BasisVitalInterests      = "vital_interests"      // (d)
	BasisPublicTask          = "public_task"          // (e)
	BasisLegitimateInterests = "legitimate_interests" // (f)
)

// Bases lists every legal basis.
func Bases() []string {
	return []string{
		BasisConsent, BasisContract, BasisLegalObligation, BasisVitalInterests, BasisPublicTask,
		BasisLegitimateInterests,
	}
}

// AnyKind announces that a text may hold personal data of every kind.
const AnyKind = "any"

// TextKinds lists the kinds of personal data that are looked for in texts, as package
// freetext names them.
func TextKinds() []string {
	return []string{"e-mail", "IBAN", "card", "national id", "phone", "IP address", "date of birth", "name"}
}

// masks lists the masks that a field of the type may have, its default first.
func (t Type) masks() []string {
	switch t {
	case TypeEmail:
		return []string{MaskEmail, MaskFull}
	case TypePhone, TypeCard:
		return []string{MaskLast4, MaskLast3, MaskLast2, MaskFull}
	case TypeNationalID:
		return []string{MaskLast3, MaskLast2, MaskLast4, MaskFull}
	case TypeIBAN:
		return []string{MaskIBAN, MaskLast4, MaskLast3, MaskLast2, MaskFull}
	case TypeName:
		return []string{MaskInitial, MaskFull}
	case TypeDate:
		return []string{MaskYear, MaskFull}
	case TypeText:
		return []string{MaskFull, MaskInitial, MaskLast4, MaskLast3, MaskLast2, MaskRedact}
	case TypeAddress, TypeNumber, TypeBoolean, TypeJSON, TypeBytes:
		return []string{MaskFull}
	default:
		return nil
	}
}

// indexable says whether equality of values of the type may be indexed. An
// index of booleans would tell the value itself.
func (t Type) indexable() bool {
	switch t {
	case TypeBoolean, TypeJSON, TypeBytes:
		return false
	default:
		return true
	}
}

// Days is a retention in days; 0 is no limit.
type Days int

// maxDays is about 1,000 years: beyond it a retention is a slip of the pen.
const maxDays = 366_000

const ruleDays = "must be days, such as 30, or a duration such as P2Y, P6M, P4W or P30D"

// parseDays reads whole days, or an ISO 8601 duration of years, months, weeks
// and days. Twelve months are 365.25 days and the result is rounded up, so
// that a period that the law prescribes is never cut short.
func parseDays(s string) (Days, bool) {
	if n, err := strconv.Atoi(s); err == nil && digits(s) {
		return checkDays(n)
	}
	rest, ok := strings.CutPrefix(s, "P")
	if !ok || rest == "" {
		return 0, false
	}
	months, days, units := 0, 0, "YMWD"
	for rest != "" {
		end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
		if end < 1 || end > 6 {
			return 0, false
		}
		n, err := strconv.Atoi(rest[:end])
		unit := strings.IndexByte(units, rest[end])
		if err != nil || unit < 0 {
			return 0, false
		}
		switch units[unit] {
		case 'Y':
			months += 12 * n
		case 'M':
			months += n
		case 'W':
			days += 7 * n
		case 'D':
			days += n
		}
		units, rest = units[unit+1:], rest[end+1:]
	}
	return checkDays(days + (months*487+15)/16) // 365.25/12 = 487/16
}

func checkDays(n int) (Days, bool) {
	if n < 1 || n > maxDays {
		return 0, false
	}
	return Days(n), true
}

const nameRule = "is not a name: names match [a-z][a-z0-9_]{0,62}"

// validName says whether s may name a collection, field, purpose or group:
// [a-z][a-z0-9_]{0,62}.
func validName(s string) bool {
	if len(s) == 0 || len(s) > 63 || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}

// validDate says whether s is a day of the calendar as 2006-01-02.
func validDate(s string) bool {
	t, err := time.Parse(time.DateOnly, s)
	return err == nil && len(s) == len(time.DateOnly) && t.Year() > 0
}
