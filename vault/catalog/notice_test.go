package catalog_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fieldvault/fieldvault/vault/catalog"
)

// told is a catalog that states all that people are told.
const told = `title: Shop
controller: {name: Example Ltd, contact: privacy@example.org}
language: en
purposes:
  support:
    {title: Support, text: We help., benefit: Help., basis: contract}
  news:
    title: News by e-mail
    text: >-
      We write to you
      about news.
    benefit: You hear of news first.
    consequence: You get no news.
    basis: consent
    recipients: [Example Mailers]
    retention: 30
    expires: 400
    direct_marketing: true
    sells: true
    min_age: 16
    translations:
      de: {title: Neues per E-Mail, text: Wir schreiben Ihnen., benefit: Sie wissen es zuerst., consequence: Sie hören nichts.}
    review_by: 2027-06-30
collections:
  customer:
    titles: {de: Kunden}
    fields:
      email: {type: email, title: E-mail, titles: {de: E-Mail-Adresse}, purposes: [support, news], retention: 90}
      phone: {type: phone, purposes: [support]}
`

// TestNotice pins the text that the hash in a receipt is made from: it must stay
// the same for the same terms, or no old receipt could be checked.
func TestNotice(t *testing.T) {
	c := assign(t, nil, told)
	for _, tt := range []struct{ purpose, language, in, want string }{
		{"news", "en", "en", `purpose: news
language: en
title: News by e-mail
text: We write to you about news.
benefit: You hear of news first.
consequence: You get no news.
controller: Example Ltd (privacy@example.org)
basis: consent
recipient: Example Mailers
kept for: 30 days
consent holds for: 400 days
direct marketing: yes
sold or shared: yes
uses: customer.email E-mail
`},
		{"news", "de", "de", `purpose: news
language: de
title: Neues per E-Mail
text: Wir schreiben Ihnen.
benefit: Sie wissen es zuerst.
consequence: Sie hören nichts.
controller: Example Ltd (privacy@example.org)
basis: consent
recipient: Example Mailers
kept for: 30 days
consent holds for: 400 days
direct marketing: yes
sold or shared: yes
uses: customer.email E-Mail-Adresse
`},
		{"support", "fr", "en", `purpose: support
language: en
title: Support
text: We help.
benefit: Help.
controller: Example Ltd (privacy@example.org)
basis: contract
uses: customer.email E-mail
uses: customer.phone Phone
`},
		{"nonsense", "en", "", ""},
	} {
		text, in := c.Notice(tt.purpose, tt.language)
		if diff := cmp.Diff(tt.want, text); diff != "" || in != tt.in {
			t.Errorf("%s in %s: language %q (-want +got):\n%s", tt.purpose, tt.language, in, diff)
		}
	}
}

// TestMaterialChange: what people were told otherwise before ends the consent that
// they gave; what is to their benefit alone does not.
func TestMaterialChange(t *testing.T) {
	none, news, both := []string{}, []string{"news"}, []string{"support", "news"}
	for _, tt := range []struct {
		name, from, to string
		concerned      []string // purposes to which the change is material
	}{
		{"nothing", "", "", none},
		{"one word of the text", "about news.", "about things.", news},
		{"the case of one letter", "about news.", "about News.", news},
		{"title", "title: News by e-mail", "title: News by letter", news},
		{"benefit", "hear of news first", "hear of news", news},
		{"consequence", "You get no news.", "You get nothing.", news},
		{"consequence left out", "    consequence: You get no news.\n", "", news},
		{"a translation's word", "Wir schreiben Ihnen.", "Wir schreiben Ihnen oft.", news},
		{"another language", "    review_by", "      fr: {title: A, text: B, benefit: C}\n    review_by", none},
		{"a language less", "      de: {title: Neues per E-Mail, text: Wir schreiben Ihnen., benefit: Sie wissen es zuerst., consequence: Sie hören nichts.}\n", "      fr: {title: A, text: B, benefit: C}\n", none},
		{"white space", "      We write to you\n      about news.", "      We write\n      to you about news.", none},
		{"basis, with its version", "basis: contract}", "basis: legitimate_interests, version: 2}", []string{"support"}},
		{"a recipient more", "[Example Mailers]", "[Example Mailers, Others]", news},
		{"no recipient", "    recipients: [Example Mailers]\n", "", none},
		{"kept longer", "retention: 30", "retention: 31", news},
		{"kept shorter", "retention: 30", "retention: 29", none},
		{"kept without limit", "    retention: 30\n", "", news},
		{"a field kept longer", "retention: 90", "retention: 91", both},
		{"consent holds longer", "expires: 400", "expires: 500", none},
		{"no direct marketing", "    direct_marketing: true\n", "", none},
		{"not sold", "    sells: true\n", "", none},
		{"age", "min_age: 16", "min_age: 13", none},
		{"review", "2027-06-30", "2028-06-30", none},
		{"version", "    basis: consent\n", "    basis: consent\n    version: 2\n", news},
		{"a field more", "phone, purposes: [support]", "phone, purposes: [support, news]", news},
		{"a new field", "      phone:", "      fax: {type: phone, purposes: [news, support]}\n      phone:", both},
		{"a field less", "purposes: [support, news]", "purposes: [support]", none},
		{"special data", "title: E-mail,", "title: E-mail, classification: special,", both},
		{"a field's title", "title: E-mail,", "title: Electronic mail,", none},
		{"controller", "name: Example Ltd", "name: Example plc", both},
		{"how to reach it", "privacy@example.org", "dpo@example.org", none},
		{"address", "privacy@example.org}", "privacy@example.org, address: 1 Example Street}", none},
		{"jurisdiction", "privacy@example.org}", "privacy@example.org, jurisdiction: EU}", both},
		{"where data are stored", "privacy@example.org}", "privacy@example.org, storage_locations: [Ireland]}", both},
		{"approval", "language: en\n", "language: en\napproval: {by: Data protection officer, on: 2026-11-01}\n", none},
		{"a new purpose", "  news:\n", "  offers: {title: O, text: O, benefit: O, basis: contract}\n  news:\n", none},
	} {
		t.Run(tt.name, func(t *testing.T) {
			first := assign(t, nil, told)
			source := strings.Replace(told, tt.from, tt.to, 1)
			if tt.from != "" && source == told {
				t.Fatal("the case changes nothing")
			}
			next := assign(t, first, source)
			concerned := []string{}
			for _, ch := range catalog.Diff(first, next) {
				if (ch.Told.What != "") != (len(ch.Purposes) > 0) {
					t.Errorf("%s: %s is told in parts: %+v", ch.Path, ch.Purposes, ch.Told)
				}
				for _, p := range ch.Purposes {
					if !slices.Contains(concerned, p) {
						concerned = append(concerned, p)
					}
				}
			}
			slices.SortFunc(concerned, func(a, b string) int { return strings.Compare(b, a) })
			if diff := cmp.Diff(tt.concerned, concerned); diff != "" {
				t.Errorf("material to (-want +got):\n%s", diff)
			}
			for _, id := range []string{"support", "news"} {
				p, _ := next.Purpose(id)
				want := int64(1)
				if slices.Contains(tt.concerned, id) {
					want = 2
				}
				if p.Since != want {
					t.Errorf("the terms of %s stand since version %d, want %d", id, p.Since, want)
				}
			}
			ask := catalog.AskAgain(catalog.Diff(first, next), next)
			if slices.Contains(ask, "support") || slices.Contains(ask, "news") != slices.Contains(tt.concerned, "news") {
				t.Errorf("to be asked again: %q", ask)
			}
		})
	}
}

// TestTermsThatReturn: who agreed to the first wording did not agree to what came
// after the second.
func TestTermsThatReturn(t *testing.T) {
	first := assign(t, nil, told)
	second := assign(t, first, strings.Replace(told, "about news.", "about things.", 1))
	third := assign(t, second, told)
	fourth := assign(t, third, strings.Replace(told, "2027-06-30", "2028-06-30", 1))
	p, _ := fourth.Purpose("news")
	if p.Since != 3 {
		t.Errorf("the terms stand since version %d, want 3", p.Since)
	}
	if p, _ := fourth.Filled().Purpose("news"); p.Since != 3 {
		t.Errorf("after a job that filled indexes: since %d", p.Since)
	}
}

func TestWhatPeopleMayDo(t *testing.T) {
	c := assign(t, nil, told)
	news, _ := c.Purpose("news")
	support, _ := c.Purpose("support")
	if !news.Objectable() || support.Objectable() {
		t.Error("people may object to direct marketing, and not to a contract")
	}
	if c.Special("news") || len(c.Uses("support")) != 2 || len(c.Uses("news")) != 1 {
		t.Error("wrong fields")
	}
	f := c.Uses("news")[0]
	if f.TitleIn("de") != "E-Mail-Adresse" || f.TitleIn("fr") != "E-mail" {
		t.Error("wrong titles")
	}
	if col, _ := c.Collection("customer"); col.TitleIn("de") != "Kunden" || col.TitleIn("en") != "Customer" {
		t.Error("wrong title of the collection")
	}
}

func TestParseRefusesWhatPeopleAreTold(t *testing.T) {
	for _, tt := range []struct{ name, from, to, path string }{
		{"language", "language: en", "language: english", "language"},
		{"own language as a translation", "      de:", "      en:", "purposes.news.translations.en"},
		{"language of a translation", "      de:", "      DE:", "purposes.news.translations.DE"},
		{"translation without benefit", "benefit: Sie wissen es zuerst., ", "", "purposes.news.translations.de.benefit"},
		{"translation of nothing", "consequence: Sie hören nichts.}", "consequence: a, more: b}", "purposes.news.translations.de.more"},
		{"title that is no text", "{de: Kunden}", "{de: 1}", "collections.customer.titles.de"},
		{"expiry without consent", "basis: contract}", "basis: contract, expires: 30}", "purposes.support.expires"},
		{"age without consent", "basis: contract}", "basis: contract, min_age: 16}", "purposes.support.min_age"},
		{"age", "min_age: 16", "min_age: 160", "purposes.news.min_age"},
		{"approval without a date", "language: en", "approval: {by: Officer}\nlanguage: en", "approval.on"},
		{"approval by nobody", "language: en", "approval: {on: 2026-01-01}\nlanguage: en", "approval.by"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := catalog.Parse([]byte(strings.Replace(told, tt.from, tt.to, 1)))
			var bad *catalog.Error
			if !errors.As(err, &bad) || bad.Problems[0].Path != tt.path {
				t.Errorf("%v, want a problem of %s", err, tt.path)
			}
		})
	}
}
