package processing

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fieldvault/fieldvault/vault/catalog"
)

// A Criterion is one of the nine of WP 248 rev.01, section III.B: where they meet, a
// high risk is likely.
type Criterion struct {
	Number   int      `json:"number"` // from 1
	Name     string   `json:"name"`
	Question string   `json:"question"` // to people
	Purposes []string `json:"purposes"` // that seem to meet it, by the catalog
	Answer   string   `json:"answer"`   // empty: people must give it
}

// criteria are all nine, with what the catalog shows.
func criteria(c *catalog.Catalog) []Criterion {
	list := []Criterion{
		{Name: "Evaluation or scoring", Question: "Are people profiled, rated or predicted, their performance, wealth, health, preferences, whereabouts?"},
		{Name: "Automated decisions with legal or similar effect", Question: "Is anything decided about people without a person, and what does it do to them?"},
		{Name: "Systematic monitoring", Question: "Are people observed or followed, in a network or a public place, perhaps without knowing?"},
		{Name: "Sensitive or highly personal data", Question: "Special categories, offences, or what people count as private: identity numbers, accounts, locations, messages?"},
		{Name: "Large scale", Question: "How many people, which part of the population, how much of each, for how long, over which area?"},
		{Name: "Data sets matched or combined", Question: "Are data brought together that were collected for different purposes or by different controllers, beyond what people expect?"},
		{Name: "Vulnerable people", Question: "Children, employees, patients, older people, or others who cannot easily say no?"},
		{Name: "New technology or new use", Question: "Is something used in a way whose effects on people are not known yet?"},
		{Name: "People are kept from a right, a service or a contract", Question: "Can what is found out here keep somebody from something, a loan or a place?"},
	}
	find := evidence()
	for i := range list {
		list[i].Number, list[i].Purposes = i+1, []string{}
		for j := range c.Purposes {
			if find[i](c, &c.Purposes[j]) != "" {
				list[i].Purposes = append(list[i].Purposes, c.Purposes[j].ID)
			}
		}
	}
	return list
}

// evidence is, for each of the nine criteria, what the catalog shows of a purpose; no
// text: nothing.
func evidence() [9]func(*catalog.Catalog, *catalog.Purpose) string {
	none := func(*catalog.Catalog, *catalog.Purpose) string { return "" }
	return [9]func(*catalog.Catalog, *catalog.Purpose) string{
		0: func(_ *catalog.Catalog, p *catalog.Purpose) string {
			if p.DirectMarketing {
				return "It serves direct marketing: people may be sorted by what they like (also GDPR Art. 21(2))."
			}
			return ""
		},
		1: none, 2: none, 3: personal, 4: none,
		5: func(_ *catalog.Catalog, p *catalog.Purpose) string {
			if p.Sells {
				return "Data are sold or shared: others may combine them with what they have."
			}
			return ""
		},
		6: func(_ *catalog.Catalog, p *catalog.Purpose) string {
			if p.MinAge > 0 {
				return fmt.Sprintf("People are asked whether they are %d: younger ones are among them (GDPR Art. 8).", p.MinAge)
			}
			return ""
		},
		7: none, 8: none,
	}
}

// personal lists special categories and, by their types, other highly personal data.
func personal(c *catalog.Catalog, p *catalog.Purpose) string {
	var special, private []string
	for _, f := range c.Uses(p.ID) {
		switch {
		case f.Classification == catalog.ClassificationSpecial:
			special = append(special, path(f))
		case slices.Contains([]catalog.Type{catalog.TypeNationalID, catalog.TypeIBAN, catalog.TypeCard}, f.Type):
			private = append(private, path(f))
		}
	}
	var text []string
	if len(special) > 0 {
		text = append(text, "Special categories, on a large scale always a case for an assessment (GDPR Art. 35(3)(b)): "+strings.Join(special, ", ")+".")
	}
	if len(private) > 0 {
		text = append(text, "Identity and account numbers: "+strings.Join(private, ", ")+".")
	}
	return strings.Join(text, " ")
}
