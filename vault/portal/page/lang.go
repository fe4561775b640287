package page

import "golang.org/x/text/language"

// Lang is a language that the pages are written in. The zero value is English.
type Lang string

// The languages.
const (
	English Lang = "en"
	German  Lang = "de"
)

// Langs lists the languages, the default first.
func Langs() []Lang { return []Lang{English, German} }

// ParseLang returns the language of that name, and whether there is one.
func ParseLang(name string) (Lang, bool) {
	for _, l := range Langs() {
		if name == string(l) {
			return l, true
		}
	}
	return English, false
}

// MatchLang returns the language that fits an Accept-Language header best.
func MatchLang(accept string) Lang {
	var tags []language.Tag
	for _, l := range Langs() {
		tags = append(tags, l.tag())
	}
	_, i := language.MatchStrings(language.NewMatcher(tags), accept)
	return Langs()[i]
}

// name is what the language calls itself.
func (l Lang) name() string {
	if l == German {
		return "Deutsch"
	}
	return "English"
}

func (l Lang) tag() language.Tag {
	if l == German {
		return language.German
	}
	return language.BritishEnglish // 3 January 2027
}
