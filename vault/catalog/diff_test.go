package catalog_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fieldvault/fieldvault/vault/catalog"
)

// words gives changes as lines; those that widen the use of data begin with !.
func words(list []catalog.Change) []string {
	var out []string
	for _, c := range list {
		mark := ""
		if c.Widens {
			mark = "! "
		}
		out = append(out, mark+c.Path+": "+c.Text)
	}
	return out
}

func TestDiff(t *testing.T) {
	first := shop(t)
	next := assign(t, first, string(read(t, "shop2.yaml")))
	want := []string{
		`title: the title changes from "Example shop" to "Example shop and more"`,
		`region: the region changes from "DE" to "AT"`,
		`controller: the controller changes from "Example Ltd (privacy@example.org)" to "Example plc (privacy@example.org)"`,
		`groups.newsletter.title: its title changes from "Newsletter" to "News by e-mail"`,
		`groups.health: key group health is new`,
		`! purposes.support.text: what people are told about it changes from "We look up your order when you ask for help.\nNothing else." to "We look up your order when you ask for help."`,
		`purposes.support.benefit: what people get from it changes from "You are helped without having to repeat yourself." to "You are helped at once."`,
		`! purposes.support.recipients: Example Night Shift receives the data as well`,
		`purposes.support.recipients: Example & Sons no longer receives the data`,
		`! purposes.support.retention: data are kept for 1096 days instead of 731`,
		`purposes.support.version: its version rises from 3 to 4`,
		`purposes.support.review_by: its review date changes from "2027-06-30" to "2028-06-30"`,
		`purposes.newsletter.retention: data are kept for 30 days instead of 400: older values expire at once`,
		`! purposes.newsletter.despite_restriction: it opens restricted data`,
		`! purposes.fitness: purpose fitness is new: Fitness advice`,
		`purposes.defence: purpose defence is removed: nothing can be read for it any longer`,
		`collections.client: collection customer is renamed to client`,
		`collections.client.title: its title changes from "Customers" to "Clients"`,
		`collections.client.fields.e_mail: field email is renamed to e_mail`,
		`collections.client.fields.e_mail.purposes: it may no longer be read for defence`,
		`collections.client.fields.e_mail.index: its index changes to 32 bits: existing records need to be indexed again`,
		`! collections.client.fields.phone.purposes: it may be read for newsletter as well`,
		`collections.client.fields.phone.index: it can no longer be searched`,
		`collections.client.fields.phone.mask: its mask changes from "last2" to "last4"`,
		`collections.client.fields.phone.region: its region changes from "DE" to "AT"`,
		`collections.client.fields.mobile.index: it can be searched, by an index of 64 bits, once a job has indexed the existing records`,
		`collections.client.fields.full_name.mask: its mask changes from "initial" to "full"`,
		`collections.client.fields.full_name.retention: data are kept for 366 days instead of without limit`,
		`! collections.client.fields.pulse: field pulse is new: number, for fitness`,
		`collections.client.fields.preferences.schema: its schema is no longer stated; it was "{\"type\":\"object\",\"required\":[\"size\"],\"properties\":{\"size\":{\"type\":\"number\",\"minimum\":1,\"maximum\":1.5e3},\"colours\":{\"type\":\"array\",\"items\":{\"type\":\"string\",\"pattern\":\"^[a-z\\u003c\\u003e]+$\"}},\"nothing\":{\"const\":null},\"yes\":{\"const\":true}},\"additionalProperties\":false}"`,
		`collections.client.fields.interests.classification: its classification changes from "personal" to "special": consent to use it has to be explicit`,
		`collections.client.fields.born: field born is removed: what is stored of it opens for nobody`,
		`collections.client.fields.address: field address is removed: what is stored of it opens for nobody`,
		`collections.client.fields.tax_id: field tax_id is removed: what is stored of it opens for nobody`,
		`collections.client.fields.iban: field iban is removed: what is stored of it opens for nobody`,
		`collections.client.fields.card: field card is removed: what is stored of it opens for nobody`,
		`collections.client.fields.notes: field notes is removed: what is stored of it opens for nobody`,
		`collections.client.fields.points: field points is removed: what is stored of it opens for nobody`,
		`collections.client.fields.adult: field adult is removed: what is stored of it opens for nobody`,
		`collections.client.fields.photo: field photo is removed: what is stored of it opens for nobody`,
		`collections.delivery: collection delivery is new`,
		`! collections.delivery.fields.address: field address is new: address, for support`,
		`collections.order: collection order is removed: what is stored in it opens for nobody`,
	}
	if diff := cmp.Diff(want, words(catalog.Diff(first, next))); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}

func TestDiffOfTheSame(t *testing.T) {
	first := shop(t)
	next := assign(t, first, string(read(t, "shop.yaml")))
	if got := words(catalog.Diff(first, next)); len(got) != 0 {
		t.Errorf("changes: %q", got)
	}
	if got := words(catalog.Diff(first, parse(t, string(read(t, "shop.yaml"))))); len(got) != 0 {
		t.Errorf("changes against a catalog without ids: %q", got)
	}
}

func TestDiffOfTheFirst(t *testing.T) {
	want := []string{
		`title: the title is now "Shop"`,
		`language: the language is now "en"`,
		`groups.identity: key group identity is new`,
		`groups.default: key group default is new`,
		`groups.news: key group news is new`,
		`! purposes.support: purpose support is new: S`,
		`! purposes.news: purpose news is new: S`,
		`! purposes.offers: purpose offers is new: S`,
		`collections.customer: collection customer is new`,
		`! collections.customer.fields.email: field email is new: email, for support`,
	}
	if diff := cmp.Diff(want, words(catalog.Diff(nil, assign(t, nil, base)))); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}

func TestDiffOfTexts(t *testing.T) {
	with := strings.Replace(base, "type: email", "type: text, mask: redact, expects: [phone, e-mail]", 1)
	first, next := assign(t, nil, strings.Replace(base, "type: email", "type: text", 1)), parse(t, with)
	want := []string{
		`collections.customer.fields.email.mask: its mask changes from "full" to "redact"`,
		`collections.customer.fields.email.expects: the personal data expected in it is now "phone, e-mail"`,
	}
	if diff := cmp.Diff(want, words(catalog.Diff(first, next))); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}

func TestDiffOfWhatGrowsWithoutLimit(t *testing.T) {
	const with = "title: Shop\npurposes: {a: {title: S, text: T, benefit: B, basis: contract, retention: 30, despite_restriction: true}}\n" +
		"collections: {c: {fields: {f: {type: text, purposes: [a]}}}}\n"
	const without = "title: Shop\npurposes: {a: {title: S, text: T, benefit: B, basis: consent, version: 2}}\ngroups: {g: {}}\n" +
		"collections: {c: {fields: {f: {type: text, purposes: [a], group: g}}}}\n"
	want := []string{
		`groups.g: key group g is new`,
		`! purposes.a.basis: it rests on consent instead of contract`,
		`! purposes.a.retention: data are kept without limit instead of 30 days`,
		`purposes.a.despite_restriction: it no longer opens restricted data`,
		`purposes.a.version: its version rises from 1 to 2`,
		`collections.c.fields.f.group: its key group changes from "default" to "g"`,
	}
	if diff := cmp.Diff(want, words(catalog.Diff(assign(t, nil, with), parse(t, without)))); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}
