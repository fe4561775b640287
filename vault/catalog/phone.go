package catalog

import (
	"strings"

	"github.com/nyaruka/phonenumbers"
)

const (
	rulePhone        = "must be a telephone number such as +49 711 1234567"
	rulePhoneCountry = "must begin with + and the country, such as +49 711 1234567, because the field has no region"
)

// checkPhone accepts a number with its country, or one of the field's region,
// in any usual spelling. It asks for a plausible length, not for a number that
// is in use: numbering plans change faster than libraries.
func checkPhone(s, region string) string {
	if !phoneText(s) {
		return rulePhone
	}
	if !international(s) && region == "" {
		return rulePhoneCountry
	}
	if _, ok := e164(s, region); !ok {
		return rulePhone
	}
	return ""
}

// phoneText says whether s has the characters of a telephone number, with or
// without an extension. Letters as in 0800-FLOWERS are refused.
func phoneText(s string) bool {
	number, extension := cutExtension(s)
	if len(s) > 64 || extension != "" && !digits(extension) {
		return false
	}
	count := 0
	for _, r := range number {
		switch {
		case r >= '0' && r <= '9':
			count++
		case strings.ContainsRune("+ ()-./\u00a0\u2007\u2009\u202f\u2010\u2011\u2012\u2013", r):
		default:
			return false
		}
	}
	return count >= 5 && strings.LastIndexByte(number, '+') <= strings.IndexByte(number, '+')
}

// cutExtension cuts "+49 711 12 ext. 5" into number and extension.
func cutExtension(s string) (number, extension string) {
	s = trim(s)
	for _, sep := range []string{";ext=", "ext.", "ext", "x", "#"} {
		if i := strings.Index(strings.ToLower(s), sep); i >= 0 && i+len(sep) < len(s) {
			return s[:i], trim(s[i+len(sep):])
		}
	}
	return s, ""
}

func international(s string) bool {
	s = strings.TrimLeft(s, " (")
	return strings.HasPrefix(s, "+")
}

// e164 gives the number in the form of ITU-T E.164, with its extension.
//
// Where trunk zeros stand inside an international number, the library may remove
// one at a time, so it is asked until nothing changes.
func e164(s, region string) (string, bool) {
	number, extension := cutExtension(s)
	for range 4 {
		n, err := phonenumbers.Parse(number, region)
		if err != nil {
			return "", false
		}
		out := phonenumbers.Format(n, phonenumbers.E164)
		switch {
		case len(out) < 7 || len(out) > 16: // + and at most 15 digits
			return "", false
		case out == number && extension != "":
			return out + ";ext=" + extension, true
		case out == number:
			return out, true
		}
		number = out
	}
	return "", false
}

// regional says whether values of the type are understood by a region.
func (t Type) regional() bool { return t == TypePhone || t == TypeNationalID }

// validRegion says whether s is an ISO 3166 code of two letters in upper case.
func validRegion(s string) bool {
	return len(s) == 2 && phonenumbers.GetCountryCodeForRegion(s) != 0
}
