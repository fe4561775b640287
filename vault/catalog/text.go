package catalog

import (
	"strings"
	"unicode"

	"golang.org/x/net/idna"
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// lineBreaks are the control characters of text with several lines.
const lineBreaks = "\t\n\r\u2028\u2029"

// checkName checks text on one line in which there is something to read.
func checkName(s string) string {
	switch {
	case !printable(s, ""):
		return ruleControl
	case strings.ContainsFunc(s, unsafeBidi):
		return "must not contain characters that change the direction of writing"
	case !readable(s):
		return ruleEmpty
	}
	return ""
}

// checkAddress is checkName for text that may have several lines.
func checkAddress(s string) string {
	return checkName(strings.Map(func(r rune) rune {
		if strings.ContainsRune(lineBreaks, r) {
			return ' '
		}
		return r
	}, s))
}

func checkText(s string) string {
	if !printable(s, lineBreaks) {
		return ruleControl
	}
	return ""
}

// trim removes the spaces around what people paste.
func trim(s string) string { return strings.Trim(s, " \u00a0") }

// readable says whether s has a letter, digit or symbol.
func readable(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsSymbol(r)
	})
}

// unsafeBidi is true for embeddings, overrides and isolates, with which a name
// can be made to show as another (Unicode TR 36, section 2.5). Marks such as
// U+200F, which names are written with, are not among them.
func unsafeBidi(r rune) bool {
	return r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}

// caseFold is Unicode case folding. Package cases swaps the two cases of
// Cherokee instead of merging them, hence ToLower.
func caseFold(s string) string { return strings.ToLower(cases.Fold().String(s)) }

// foldName is what a name is compared by: NFKC, case-folded, invisible
// characters removed, runs of white space one space.
func foldName(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, norm.NFKC.String(s))
	return strings.Join(strings.Fields(norm.NFKC.String(caseFold(s))), " ")
}

// foldText is what text is compared by: NFC and case-folded, without white
// space around it.
func foldText(s string) string {
	return strings.TrimSpace(norm.NFC.String(caseFold(norm.NFC.String(s))))
}

const ruleEmail = "must be an e-mail address such as name@example.org"

// checkEmail accepts what mail systems deliver to: a local part without
// quotes, and a domain with a dot. Both may be international (RFC 6531).
func checkEmail(s string) string {
	local, domain, ok := splitEmail(s)
	if !ok || len(s) > 254 || len(local) > 64 {
		return ruleEmail
	}
	if strings.ContainsFunc(local, func(r rune) bool {
		return unicode.IsControl(r) || unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) || strings.ContainsRune(`"(),:;<>@[\]`, r)
	}) {
		return ruleEmail
	}
	if _, ok := asciiDomain(domain); !ok {
		return ruleEmail
	}
	return ""
}

// splitEmail cuts at the last @.
func splitEmail(s string) (local, domain string, ok bool) {
	s = trim(s)
	i := strings.LastIndexByte(s, '@')
	if i < 1 || i == len(s)-1 {
		return "", "", false
	}
	return s[:i], s[i+1:], true
}

// asciiDomain gives the lower-case ASCII form of a domain with at least two
// labels (RFC 5891, UTS 46).
func asciiDomain(s string) (string, bool) {
	p := idna.New(idna.MapForLookup(), idna.BidiRule(), idna.VerifyDNSLength(true), idna.StrictDomainName(true))
	a, err := p.ToASCII(s)
	if err != nil || !strings.Contains(strings.Trim(a, "."), ".") || strings.HasSuffix(a, ".") {
		return "", false
	}
	return a, true
}

// foldEmail is what an address is compared by. The local part is case-folded
// too: nobody in practice gives Ann@ and ann@ to different people, and a search
// that missed one of them would miss a person.
func foldEmail(s string) (string, bool) {
	local, domain, ok := splitEmail(s)
	if !ok {
		return "", false
	}
	a, ok := asciiDomain(domain)
	if !ok {
		return "", false
	}
	return foldText(local) + "@" + a, true
}
