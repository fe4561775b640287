package catalog

import (
	"strconv"
	"strings"
)

const (
	ruleNationalID       = "must be 4 to 32 letters and digits"
	ruleNationalIDRegion = "must be a national id of its region with right check digits"
)

// checkNationalID checks the shape that national ids have in common, and where
// the field states one of these regions, its own shape and check digits:
//
//	BE numéro national          DE Steuer-ID         ES DNI, NIE
//	BR CPF                      FI henkilötunnus     FR NIR
//	GB National Insurance no.   IT codice fiscale    NL BSN
//	PL PESEL                    SE personnummer      US SSN, ITIN
func checkNationalID(s, region string) string {
	b, ok := bareNationalID(s)
	if !ok || len(b) < 4 || len(b) > 32 {
		return ruleNationalID
	}
	switch region {
	case "BE":
		ok = digitID(b, 11) && belgian(b)
	case "BR":
		ok = digitID(b, 11) && brazilian(b)
	case "DE":
		ok = digitID(b, 11) && b[0] != '0' && mod1110(b)
	case "ES":
		ok = spanish(b)
	case "FI":
		ok = finnish(b)
	case "FR":
		ok = french(b)
	case "GB":
		ok = british(b)
	case "IT":
		ok = italian(b)
	case "NL":
		ok = digitID(b, 9) && weigh(b[:8], 9, 8, 7, 6, 5, 4, 3, 2)%11 == digit(b[8])
	case "PL":
		ok = digitID(b, 11) && weigh(b, 1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)%10 == 0
	case "SE":
		ok = digits(b) && (len(b) == 10 || len(b) == 12) && luhn(b[len(b)-10:])
	case "US":
		ok = digitID(b, 9) && b[:3] != "000" && b[:3] != "666" && b[3:5] != "00" && b[5:] != "0000"
	}
	if !ok {
		return ruleNationalIDRegion
	}
	return ""
}

// bareNationalID is what a national id is compared by.
func bareNationalID(s string) (string, bool) { return bare(s, "-./+") }

// digitID says whether s is n digits that are not all the same.
func digitID(s string, n int) bool {
	return len(s) == n && digits(s) && strings.Trim(s, s[:1]) != ""
}

func digit(c byte) int { return int(c) - '0' }

// weigh is the sum of digits times weights.
func weigh(s string, weights ...int) int {
	sum := 0
	for i, w := range weights {
		sum += digit(s[i]) * w
	}
	return sum
}

// number reads at most 18 digits.
func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return -1
	}
	return n
}

// belgian: 97 less the remainder of the first nine digits, with a 2 before them
// for those born since 2000.
func belgian(s string) bool {
	body, check := number(s[:9]), number(s[9:])
	return body > 0 && (97-body%97 == check || 97-(2_000_000_000+body)%97 == check)
}

// brazilian: two check digits, each of a weighted sum modulo 11.
func brazilian(s string) bool {
	first := weigh(s, 10, 9, 8, 7, 6, 5, 4, 3, 2) * 10 % 11 % 10
	second := weigh(s, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2) * 10 % 11 % 10
	return first == digit(s[9]) && second == digit(s[10])
}

// mod1110 is ISO 7064 mod 11,10.
func mod1110(s string) bool {
	product := 10
	for i := range len(s) - 1 {
		sum := (digit(s[i]) + product) % 10
		if sum == 0 {
			sum = 10
		}
		product = sum * 2 % 11
	}
	return (11-product)%10 == digit(s[len(s)-1])
}

// spanish: a letter by the remainder modulo 23; X, Y, Z before a NIE count as 0,
// 1, 2.
func spanish(s string) bool {
	if len(s) != 9 {
		return false
	}
	body := s[:8]
	if i := strings.IndexByte("XYZ", s[0]); i >= 0 {
		body = strconv.Itoa(i) + s[1:8]
	}
	return digits(body) && "TRWAGMYFPDXBNJZSQVHLCKE"[number(body)%23] == s[8]
}

// finnish: a character by the remainder modulo 31. Of the sign of the century
// the letters are left, where bare has not removed it.
func finnish(s string) bool {
	if len(s) == 11 && strings.IndexByte("ABCDEFUVWXY", s[6]) >= 0 {
		s = s[:6] + s[7:]
	}
	return len(s) == 10 && digits(s[:9]) && "0123456789ABCDEFHJKLMNPRSTUVWXY"[number(s[:9])%31] == s[9]
}

// french: 97 less the remainder modulo 97; the departments 2A and 2B of Corsica
// count as 19 and 18.
func french(s string) bool {
	if len(s) != 15 {
		return false
	}
	body := s[:13]
	switch body[5:7] {
	case "2A":
		body = body[:5] + "19" + body[7:]
	case "2B":
		body = body[:5] + "18" + body[7:]
	}
	return digits(body) && digits(s[13:]) && 97-number(body)%97 == number(s[13:])
}

// british: two letters, six digits, A to D. There is no check digit.
func british(s string) bool {
	if len(s) != 9 || !digits(s[2:8]) || s[8] < 'A' || s[8] > 'D' {
		return false
	}
	for _, prefix := range []string{"BG", "GB", "KN", "NK", "NT", "TN", "ZZ"} {
		if s[:2] == prefix {
			return false
		}
	}
	return !strings.ContainsAny(s[:1], "DFIQUV0123456789") && !strings.ContainsAny(s[1:2], "DFIOQUV0123456789")
}

// italian: a letter by the sum of values, of which those at odd places come from
// a table (D.M. 23/12/1976).
func italian(s string) bool {
	if len(s) != 16 || s[15] < 'A' || digits(s[:1]) {
		return false
	}
	odd := [...]int{1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23}
	sum := 0
	for i := range 15 {
		v := int(s[i])
		if v >= 'A' {
			v -= 'A'
		} else {
			v -= '0'
		}
		if i%2 == 0 {
			v = odd[v]
		}
		sum += v
	}
	return sum%26 == int(s[15])-'A'
}
