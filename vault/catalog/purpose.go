package catalog

import (
	"slices"
	"strconv"
	"strings"
)

// Purpose is why a field is read, in words for the person concerned.
type Purpose struct {
	ID string `json:"id"`
	Words
	Basis      string   `json:"basis"`
	Recipients []string `json:"recipients,omitempty"`

	// Translations are the words in other languages than the catalog's.
	Translations map[string]Words `json:"translations,omitempty"`

	// Retention is how long a value may be read for this purpose after it was
	// written; 0 is no limit.
	Retention Days `json:"retention,omitempty"`

	// Expires is how long a consent holds; 0: until it is withdrawn.
	Expires Days `json:"expires,omitempty"`

	// DespiteRestriction marks a purpose of GDPR Art. 18(2): it opens data
	// whose processing the person has restricted.
	DespiteRestriction bool `json:"despite_restriction,omitempty"`

	// DirectMarketing marks a purpose of GDPR Art. 21(2): an objection ends it,
	// whatever its basis, and nothing outweighs that.
	DirectMarketing bool `json:"direct_marketing,omitempty"`

	// Sells marks a purpose for which data are sold or shared (Cal. Civ. Code
	// 1798.140(ad), (ah)): people may opt out, whatever its basis, and a browser that
	// sends Sec-GPC: 1 does it for them.
	Sells bool `json:"sells,omitempty"`

	// MinAge is from which age a person may consent alone (GDPR Art. 8); 0: nobody is
	// asked how old they are.
	MinAge int `json:"min_age,omitempty"`

	Version int `json:"version"`

	// Since is the version of the catalog from which on the terms are what they are
	// now: see Diff about material changes. A consent that was given on an older notice
	// opens nothing. 0 until Assign.
	Since int64 `json:"since"`

	// ReviewBy is an ISO 8601 date, or empty.
	ReviewBy string `json:"review_by,omitempty"`
}

// Words is what people are told about a purpose, in one language.
type Words struct {
	Title   string `json:"title"`
	Text    string `json:"text"`
	Benefit string `json:"benefit"` // what the person gets
	// Consequence is what happens when the person says no; empty: nothing else.
	Consequence string `json:"consequence,omitempty"`
}

// ClassificationSpecial marks data of GDPR Art. 9: consent to a purpose that uses
// them has to be explicit.
const ClassificationSpecial = "special"

// LanguageDefault is the language of a catalog that states none.
const LanguageDefault = "en"

// MaxAge is the highest age that a purpose may demand.
const MaxAge = 21

// In gives the words in a language, or in the catalog's own where there is no
// translation; the second result is the language that they are in.
func (p *Purpose) In(language, own string) (Words, string) {
	if w, ok := p.Translations[language]; ok {
		return w, language
	}
	return p.Words, own
}

// Objectable says whether people may object to the purpose: it serves direct
// marketing, or rests on a public task or on legitimate interests (GDPR Art. 21(1)
// and (2)), or data are sold for it.
func (p *Purpose) Objectable() bool {
	return p.DirectMarketing || p.Sells || p.Basis == BasisPublicTask || p.Basis == BasisLegitimateInterests
}

// Uses lists the fields that the purpose may read, in the order of the catalog.
func (c *Catalog) Uses(purpose string) []*Field {
	var list []*Field
	for i := range c.Collections {
		for j := range c.Collections[i].Fields {
			if f := &c.Collections[i].Fields[j]; f.Lists(purpose) {
				list = append(list, f)
			}
		}
	}
	return list
}

// Special says whether the purpose uses data of [ClassificationSpecial].
func (c *Catalog) Special(purpose string) bool {
	return slices.ContainsFunc(c.Uses(purpose), func(f *Field) bool { return f.Classification == ClassificationSpecial })
}

// TitleIn is the title in a language, or the one without translation.
func (f *Field) TitleIn(language string) string { return titleIn(f.Titles, language, f.Title) }

// TitleIn is the title in a language, or the one without translation.
func (c *Collection) TitleIn(language string) string { return titleIn(c.Titles, language, c.Title) }

func titleIn(titles map[string]string, language, own string) string {
	if t, ok := titles[language]; ok {
		return t
	}
	return own
}

// Notice is the text of what people are told about one purpose, in a language or,
// where it is not translated, in the catalog's own. It is what the hash in a receipt is made from: the same terms always give the
// same bytes. Each line is a name, a colon, a space and a value; the fields follow one
// a line, as collection.field and title. The second result is the language of its words.
func (c *Catalog) Notice(purpose, language string) (text, in string) {
	p, ok := c.Purpose(purpose)
	if !ok {
		return "", ""
	}
	w, in := p.In(language, c.Language)
	var b strings.Builder
	line := func(name, value string) {
		if value != "" {
			b.WriteString(name + ": " + strings.Join(strings.Fields(value), " ") + "\n")
		}
	}
	line("purpose", p.ID)
	line("language", in)
	line("title", w.Title)
	line("text", w.Text)
	line("benefit", w.Benefit)
	line("consequence", w.Consequence)
	line("controller", c.Controller.String())
	if o := c.Controller; o != nil {
		line("address", o.Address)
		line("jurisdiction", o.Jurisdiction)
		for _, s := range o.StorageLocations {
			line("stored in", s)
		}
	}
	line("basis", p.Basis)
	for _, r := range p.Recipients {
		line("recipient", r)
	}
	line("kept for", p.Retention.String())
	line("consent holds for", p.Expires.String())
	if p.DirectMarketing {
		line("direct marketing", "yes")
	}
	if p.Sells {
		line("sold or shared", "yes")
	}
	for _, f := range c.Uses(purpose) {
		line("uses", f.collection+"."+f.Name+" "+f.TitleIn(in))
	}
	return b.String(), in
}

// String is the number of days in words, or nothing for no limit.
func (d Days) String() string {
	switch d {
	case 0:
		return ""
	case 1:
		return "1 day"
	}
	return strconv.Itoa(int(d)) + " days"
}
