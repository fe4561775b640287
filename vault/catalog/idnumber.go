package catalog

import "strings"

const (
	ruleIBAN = "must be an IBAN with right check digits"
	ruleCard = "must be a card number with a right check digit"
)

// bare removes separators and writes letters in upper case. Anything else than
// ASCII letters, digits, spaces and the separators given makes it fail.
func bare(s, separators string) (string, bool) {
	out := make([]byte, 0, len(s))
	for i, r := range s {
		switch {
		case r >= '0' && r <= '9', r >= 'A' && r <= 'Z':
			out = append(out, s[i])
		case r >= 'a' && r <= 'z':
			out = append(out, s[i]-'a'+'A')
		case r != ' ' && r != '\u00a0' && !strings.ContainsRune(separators, r):
			return "", false
		}
	}
	return string(out), true
}

// checkIBAN checks shape and check digits (ISO 13616, ISO 7064 mod 97-10).
func checkIBAN(s string) string {
	b, ok := bare(s, "-")
	if !ok || len(b) < 15 || len(b) > 34 || digits(b[:1]) || digits(b[1:2]) || !digits(b[2:4]) {
		return ruleIBAN
	}
	if mod97(b[4:]+b[:4]) != 1 {
		return ruleIBAN
	}
	return ""
}

// mod97 is the remainder of the number that results when A is read as 10, B as
// 11, and so on.
func mod97(s string) int {
	n := 0
	for i := range len(s) {
		if c := int(s[i]); c >= 'A' {
			n = (n*100 + c - 'A' + 10) % 97
		} else {
			n = (n*10 + c - '0') % 97
		}
	}
	return n
}

// checkCard checks length and check digit (ISO/IEC 7812-1).
func checkCard(s string) string {
	b, ok := bare(s, "-")
	if !ok || len(b) < 12 || len(b) > 19 || !digits(b) || strings.Trim(b, "0") == "" || !luhn(b) {
		return ruleCard
	}
	return ""
}

// luhn checks digits by the formula of ISO/IEC 7812-1, annex B.
func luhn(s string) bool {
	sum := 0
	for i := range len(s) {
		d := int(s[len(s)-1-i] - '0')
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}
