package catalog

import (
	"strconv"
	"strings"
)

// maxDigits bounds a number in its canonical form, so that an exponent cannot
// make a short text into a long one.
const maxDigits = 64

// canonicalNumber reads a number in the grammar of JSON (RFC 8259, section 6)
// and writes it without exponent, leading zeros, trailing zeros or the sign of
// zero. It never rounds.
func canonicalNumber(s string) (string, bool) {
	negative := strings.HasPrefix(s, "-")
	mantissa, exponent, ok := splitExponent(strings.TrimPrefix(s, "-"))
	whole, fraction, point := strings.Cut(mantissa, ".")
	if !ok || !digits(whole) || len(whole) > 1 && whole[0] == '0' || point && !digits(fraction) {
		return "", false
	}
	all := strings.TrimLeft(whole+fraction, "0")
	at := len(all) - len(fraction) + exponent // where the point stands in all
	all = strings.TrimRight(all, "0")
	if all == "" {
		return "0", true
	}
	if len(all)+max(0, -at) > maxDigits || at > maxDigits {
		return "", false
	}
	sign := ""
	if negative {
		sign = "-"
	}
	switch {
	case at <= 0:
		return sign + "0." + strings.Repeat("0", -at) + all, true
	case at >= len(all):
		return sign + all + strings.Repeat("0", at-len(all)), true
	default:
		return sign + all[:at] + "." + all[at:], true
	}
}

// splitExponent cuts 1e5 into 1 and 5.
func splitExponent(s string) (mantissa string, exponent int, ok bool) {
	i := strings.IndexAny(s, "eE")
	if i < 0 {
		return s, 0, true
	}
	e := strings.TrimPrefix(s[i+1:], "-")
	if len(e) == len(s[i+1:]) {
		e = strings.TrimPrefix(e, "+")
	}
	n, err := strconv.Atoi(e)
	if !digits(e) || err != nil || n > 1_000_000 {
		return "", 0, false
	}
	if s[i+1] == '-' {
		n = -n
	}
	return s[:i], n, true
}

// digits says whether s is one or more of 0 to 9.
func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
