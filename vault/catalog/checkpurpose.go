package catalog

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

func (k *checker) purpose(p *Purpose) {
	path := "purposes." + p.ID
	k.name(path, p.ID)
	if p.ID == PurposeSelf {
		k.add(path, "is reserved for people who read their own data")
	}
	if k.c.purposes[p.ID] != p {
		k.add(path, "stands twice")
	}
	k.words(path, p.Words)
	for _, lang := range slices.Sorted(maps.Keys(p.Translations)) {
		k.translated(path+".translations."+lang, lang)
		k.words(path+".translations."+lang, p.Translations[lang])
	}
	switch {
	case p.Basis == "":
		k.add(path+".basis", "is missing: one of "+strings.Join(Bases(), ", "))
	case !slices.Contains(Bases(), p.Basis):
		k.add(path+".basis", "must be one of "+strings.Join(Bases(), ", ")+suggest(p.Basis, Bases()))
	}
	for i, s := range p.Recipients {
		k.line(path+".recipients["+strconv.Itoa(i)+"]", s)
	}
	k.days(path+".retention", p.Retention)
	if p.Version < 1 {
		k.add(path+".version", "must be 1 or more")
	}
	if p.ReviewBy != "" && !validDate(p.ReviewBy) {
		k.add(path+".review_by", "must be a date such as 2027-06-30")
	}
	k.asking(path, p)
}

// asking checks what is about the question that people are asked.
func (k *checker) asking(path string, p *Purpose) {
	k.days(path+".expires", p.Expires)
	if p.Expires != 0 && p.Basis != BasisConsent {
		k.add(path+".expires", "is how long a consent holds, and the purpose does not rest on consent")
	}
	switch {
	case p.MinAge < 0 || p.MinAge > MaxAge:
		k.add(path+".min_age", "must be from 1 to "+strconv.Itoa(MaxAge)+", such as 16 (GDPR Art. 8)")
	case p.MinAge != 0 && p.Basis != BasisConsent:
		k.add(path+".min_age", "is from which age people may consent alone, and the purpose does not rest on consent")
	}
}

func (k *checker) words(path string, w Words) {
	k.line(path+".title", w.Title)
	k.prose(path+".text", w.Text)
	k.prose(path+".benefit", w.Benefit)
	if w.Consequence != "" {
		k.prose(path+".consequence", w.Consequence)
	}
}

func (k *checker) titles(path string, titles map[string]string) {
	for _, lang := range slices.Sorted(maps.Keys(titles)) {
		k.translated(path+"."+lang, lang)
		k.line(path+"."+lang, titles[lang])
	}
}

// translated checks the language of a translation.
func (k *checker) translated(path, lang string) {
	k.language(path, lang)
	if lang == k.c.Language {
		k.add(path, "is the catalog's own language: change the text itself")
	}
}

func (k *checker) language(path, lang string) {
	if len(lang) != 2 || strings.Trim(lang, "abcdefghijklmnopqrstuvwxyz") != "" {
		k.add(path, "is not a language: write the two letters of ISO 639, such as de")
	}
}
