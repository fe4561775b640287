package processing_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/deploy/sample"
	"github.com/fieldvault/fieldvault/vault/catalog"
	"github.com/fieldvault/fieldvault/vault/pacetest"
	"github.com/fieldvault/fieldvault/vault/processing"
)

var update = flag.Bool("update", false, "write the golden files anew")

func catalogOf(t testing.TB, source string) *catalog.Catalog {
	t.Helper()
	c, err := catalog.Parse([]byte(source))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func policyOf(t testing.TB, text string) *accessctl.Policy {
	t.Helper()
	p, err := accessctl.ParsePolicy(1, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// clinicInput has every kind of statement: special categories, sale, minors, a purpose
// that nobody serves, a forbid, two roles that see more together.
func clinicInput(t testing.TB) processing.Input {
	t.Helper()
	return processing.Input{
		Catalog: catalogOf(t, read(t, "clinic.yaml")), Policy: policyOf(t, read(t, "clinic.cedar")),
		Facts: processing.Facts{
			Store: processing.StorePostgreSQL, KEK: processing.KEKVault, Ledger: processing.LedgerDatabase, Log: processing.LogExported,
			Transport: processing.TransportMutualTLS, Approval: processing.ApprovalBeyondLimit, Horizon: 40*24*time.Hour + time.Minute,
		},
		Today: time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC),
	}
}

func read(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// forms are all forms of what is made from the input.
func forms(t testing.TB, in processing.Input) map[string][]byte {
	t.Helper()
	r, a := processing.Article30(in), processing.Assess(in)
	recordJSON, err := r.JSON()
	if err != nil {
		t.Fatal(err)
	}
	assessmentJSON, err := a.JSON()
	if err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{
		"record.md": r.Markdown(), "record.json": recordJSON, "assessment.md": a.Markdown(), "assessment.json": assessmentJSON,
	}
}

func TestGolden(t *testing.T) {
	for name, got := range forms(t, clinicInput(t)) {
		if *update {
			if err := os.WriteFile(filepath.Join("testdata", name), got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(strings.Split(read(t, name), "\n"), strings.Split(string(got), "\n")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestSameInputSameBytes: whatever the order of the policies, the version of the
// policy, and the number that the catalog has as applied.
func TestSameInputSameBytes(t *testing.T) {
	pacetest.NeedTime(t)
	in := clinicInput(t)
	want := forms(t, in)
	policies := strings.SplitAfter(read(t, "clinic.cedar"), ";\n")
	applied, err := in.Catalog.Assign(nil)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(r *rapid.T) {
		in := in
		text := strings.Join(rapid.Permutation(policies).Draw(r, "policies"), "\n")
		p, err := accessctl.ParsePolicy(rapid.Int64Range(1, 1000).Draw(r, "version"), []byte(text))
		if err != nil {
			r.Fatal(err)
		}
		in.Policy = p
		if rapid.Bool().Draw(r, "applied") {
			in.Catalog = applied
		}
		for name, got := range forms(t, in) {
			if !bytes.Equal(want[name], got) {
				r.Fatalf("%s differs:\n%s", name, cmp.Diff(string(want[name]), string(got)))
			}
		}
	})
}

// TestListsAreNeverNull: whoever reads the JSON form need not ask.
func TestListsAreNeverNull(t *testing.T) {
	little := processing.Input{
		Catalog: catalogOf(t, "title: T\npurposes:\n  p: {title: P, text: P., benefit: B., basis: contract, version: 1}\n"+
			"collections:\n  c: {title: C, fields: {f: {type: text, title: F, purposes: [p]}}}\n"),
		Policy: policyOf(t, "forbid (principal, action, resource);"),
	}
	for _, in := range []processing.Input{clinicInput(t), little} {
		for name, b := range forms(t, in) {
			if strings.HasSuffix(name, ".json") && (!json.Valid(b) || bytes.Contains(b, []byte("null"))) {
				t.Errorf("%s is not JSON, or holds null:\n%s", name, b)
			}
		}
	}
}

const shop = `
title: Shop
controller: {name: Shop, contact: privacy@shop.example.org}
purposes:
  p: {title: P, text: P., benefit: B., basis: contract, recipients: [R], retention: 30, version: 1, review_by: 2027-01-01}
collections:
  c:
    title: C
    fields:
      f: {type: text, title: F, purposes: [p], index: {kind: equality}}
      g: {type: text, title: G, purposes: [p]}
`

// TestAccess: who gets what is what the policy answers.
func TestAccess(t *testing.T) {
	type access = []processing.Access
	none := []string{}
	one := func(role string, plain, masked []string) processing.Access {
		return processing.Access{Roles: []string{role}, Plain: plain, Masked: masked, Search: none, List: none, Aggregate: none, Release: none}
	}
	for _, tt := range []struct {
		name, policy string
		want         access
	}{
		{
			"a role without any right is left out", `
			permit (principal in Role::"a", action == Action::"reveal", resource);
			permit (principal in Role::"b", action == Action::"reveal", resource in Classification::"special");`,
			access{one("a", []string{"c.f", "c.g"}, none)},
		},
		{
			"forbid wins", `
			permit (principal in Role::"a", action in [Action::"reveal", Action::"reveal_masked"], resource);
			forbid (principal in Role::"a", action == Action::"reveal", resource == Field::"c.f");`,
			access{one("a", []string{"c.g"}, []string{"c.f"})},
		},
		{
			"a forbid of everything leaves nobody", `
			permit (principal in Role::"a", action, resource);
			forbid (principal, action, resource);`,
			access{},
		},
		{
			"another purpose gives nothing", `
			permit (principal in Role::"a", action == Action::"reveal", resource) when { context.purpose == "self" };`,
			access{},
		},
		{
			"without an index nothing is found", `
			permit (principal in Role::"a", action in [Action::"search", Action::"list", Action::"aggregate"], resource);`,
			access{{Roles: []string{"a"}, Plain: none, Masked: none, Search: []string{"c.f"}, List: []string{"c.f", "c.g"}, Aggregate: []string{"c.f", "c.g"}, Release: none}},
		},
		{
			"every caller", `
			permit (principal, action == Action::"reveal_masked", resource == Field::"c.f");`,
			access{{Roles: none, Plain: none, Masked: []string{"c.f"}, Search: none, List: none, Aggregate: none, Release: none}},
		},
		{
			"two roles get more together", `
			permit (principal in Role::"b", action == Action::"reveal_masked", resource);
			permit (principal in Role::"a", action == Action::"reveal", resource == Field::"c.f") when { principal in Role::"b" };`,
			access{
				one("b", none, []string{"c.f", "c.g"}),
				{Roles: []string{"a", "b"}, Plain: []string{"c.f"}, Masked: none, Search: none, List: none, Aggregate: none, Release: none},
			},
		},
		{
			"a policy that fails denies", `
			permit (principal in Role::"a", action == Action::"reveal", resource);
			forbid (principal, action == Action::"reveal", resource) when { context.nothing == 1 };`,
			access{},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := processing.Input{Catalog: catalogOf(t, shop), Policy: policyOf(t, tt.policy)}
			got := processing.Article30(in).Activities[0].Access
			if tt.name == "every caller" {
				got = got[:1] // each role that is mentioned gets it, too: here there is none
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("access (-want +got):\n%s", diff)
			}
		})
	}
}

// TestOpenItems: what the law wants and nobody states is listed, and only that.
func TestOpenItems(t *testing.T) {
	const policy = `permit (principal in Role::"a", action == Action::"reveal", resource);`
	facts := clinicInput(t).Facts
	// Of the shop, with nothing wrong.
	always := []string{"controller GDPR Art. 30(1)(a)", "transfers GDPR Art. 30(1)(e)"}
	with := func(s string) []string {
		list := append(slices.Clone(always), s)
		if strings.HasPrefix(s, "purposes.") {
			list[1], list[2] = list[2], list[1]
		}
		return list
	}
	for _, tt := range []struct {
		name, from, to, policy string
		facts                  processing.Facts
		want                   []string
	}{
		{"nothing", "", "", policy, facts, always},
		{
			"controller", "controller: {name: Shop, contact: privacy@shop.example.org}\n", "", policy, facts,
			[]string{always[0], always[0], always[1]},
		},
		{"recipients", "recipients: [R], ", "", policy, facts, with("purposes.p GDPR Art. 30(1)(d)")},
		{"no review", ", review_by: 2027-01-01", "", policy, facts, with("purposes.p GDPR Art. 24(1)")},
		{"past review", "2027-01-01", "2026-11-25", policy, facts, with("purposes.p GDPR Art. 24(1)")},
		{"review today", "2027-01-01", "2026-11-26", policy, facts, always},
		{
			"no retention", "retention: 30, ", "", policy, facts,
			[]string{always[0], always[1], "c.f GDPR Art. 30(1)(f)", "c.g GDPR Art. 30(1)(f)"},
		},
		{"interests", "contract", "legitimate_interests", policy, facts, with("purposes.p GDPR Art. 6(1)(f), 13(1)(d)")},
		{"task", "contract", "public_task", policy, facts, with("purposes.p GDPR Art. 6(3)")},
		{"obligation", "contract", "legal_obligation", policy, facts, with("purposes.p GDPR Art. 6(3)")},
		{"special", "title: G", "title: G, classification: special", policy, facts, with("purposes.p GDPR Art. 9(2)")},
		{"sells", "basis: contract", "basis: contract, sells: true", policy, facts, with("purposes.p GDPR Art. 21")},
		{
			"unused", "", "", `permit (principal in Role::"a", action == Action::"reveal", resource == Field::"c.f");`, facts,
			with("purposes.p GDPR Art. 5(1)(c)"),
		},
		{"many roles", "", "", policy + manyRoles(16), facts, with("policy GDPR Art. 32(4)")},
		{"facts", "", "", policy, processing.Facts{}, append(slices.Clone(always), slices.Repeat([]string{"measures GDPR Art. 30(1)(g)"}, 7)...)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := processing.Input{
				Catalog: catalogOf(t, strings.Replace(shop, tt.from, tt.to, 1)), Policy: policyOf(t, tt.policy), Facts: tt.facts,
				Today: time.Date(2026, 11, 26, 23, 59, 0, 0, time.UTC),
			}
			if tt.from != "" && !strings.Contains(shop, tt.from) {
				t.Fatalf("%q is not in the catalog", tt.from)
			}
			var got []string
			for _, o := range processing.Article30(in).Open {
				got = append(got, o.Place+" "+o.Law)
				if !strings.HasSuffix(o.Text, ".") {
					t.Errorf("no sentence: %s", o.Text)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("open items (-want +got):\n%s", diff)
			}
		})
	}
}

func manyRoles(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "permit (principal in Role::\"r%d\", action == Action::\"write\", resource);\n", i)
	}
	return b.String()
}

// TestNoReviewIsLateWithoutToday: a committed copy does not change from day to day.
func TestNoReviewIsLateWithoutToday(t *testing.T) {
	in := clinicInput(t)
	in.Today = time.Time{}
	for _, o := range processing.Article30(in).Open {
		if strings.Contains(o.Text, "was due") {
			t.Error(o.Text)
		}
	}
	if md := string(processing.Article30(in).Markdown()); strings.Contains(md, "- Date:") {
		t.Error("a date was written")
	}
}

// TestScreening: the catalog shows what speaks for an assessment, and never that none
// is needed.
func TestScreening(t *testing.T) {
	for _, tt := range []struct {
		from, to string
		need     processing.Need
		criteria []int
	}{
		{"", "", processing.NeedOpen, nil},
		{"title: G", "title: G, classification: special", processing.NeedLikely, []int{4}},
		{"g: {type: text", "g: {type: iban", processing.NeedPossible, []int{4}},
		{"basis: contract", "basis: contract, direct_marketing: true", processing.NeedPossible, []int{1}},
		{"basis: contract", "basis: contract, sells: true", processing.NeedPossible, []int{6}},
		{"basis: contract", "basis: contract, sells: true, direct_marketing: true", processing.NeedLikely, []int{1, 6}},
		{"basis: contract", "basis: consent, min_age: 16", processing.NeedPossible, []int{7}},
	} {
		source := strings.Replace(shop, tt.from, tt.to, 1)
		if strings.Contains(tt.to, "consent") {
			source = strings.NewReplacer("purposes: [p]", "purposes: [p], group: own").Replace(source) + "groups: {own: {title: Own}}\n"
		}
		in := processing.Input{Catalog: catalogOf(t, source), Policy: policyOf(t, `forbid (principal, action, resource);`)}
		a := processing.Assess(in)
		var got []int
		for _, r := range a.Screening[0].Reasons {
			got = append(got, r.Criterion)
		}
		if a.Screening[0].Need != tt.need || !slices.Equal(got, tt.criteria) {
			t.Errorf("%s: %s %v, want %s %v", tt.to, a.Screening[0].Need, got, tt.need, tt.criteria)
		}
		for _, c := range a.Criteria {
			if meets := len(c.Purposes) > 0; meets != slices.Contains(got, c.Number) {
				t.Errorf("%s: criterion %d is met: %t", tt.to, c.Number, meets)
			}
		}
	}
}

// TestRightsFollowThePolicy: what people may do themselves is what the policy permits.
func TestRightsFollowThePolicy(t *testing.T) {
	in := processing.Input{Catalog: catalogOf(t, shop), Policy: policyOf(t, `
		permit (principal in Role::"subject", action in [Action::"erase", Action::"export"], resource) when { context.own };`)}
	var got []string
	for _, r := range processing.Assess(in).Rights {
		if r.Self {
			got = append(got, r.Action)
		}
	}
	if diff := cmp.Diff([]string{"erase", "export"}, got); diff != "" {
		t.Errorf("people do themselves (-want +got):\n%s", diff)
	}
}

// TestTextIsInert: text of a catalog shows as it is, in one cell of one line.
func TestTextIsInert(t *testing.T) {
	source := strings.NewReplacer("title: F,", `title: "a|b <script> [x](y) *z*",`, "recipients: [R]", `recipients: ["<img src=x>|"]`).Replace(shop)
	in := processing.Input{Catalog: catalogOf(t, source), Policy: policyOf(t, `permit (principal in Role::"r|<b>", action == Action::"reveal", resource);`)}
	for name, b := range forms(t, in) {
		if strings.HasSuffix(name, ".json") {
			continue
		}
		for _, bad := range []string{"<script", "<img", "<b>", " a|b", "[x](y)", "*z*"} {
			if strings.Contains(string(b), bad) {
				t.Errorf("%s holds %q", name, bad)
			}
		}
	}
}

// TestNoPersonalData: nothing of the sample's customers is in what is made for it.
func TestNoPersonalData(t *testing.T) {
	in := processing.Input{Catalog: catalogOf(t, string(sample.Catalog())), Policy: policyOf(t, string(sample.Policy()))}
	rows, err := csv.NewReader(bytes.NewReader(sample.Customers())).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	made := forms(t, in)
	for _, row := range rows[1:] {
		for i, cell := range row {
			if personal := slices.Contains([]string{"LastName", "Email", "Phone", "Address"}, rows[0][i]); !personal || cell == "" {
				continue
			}
			for name, b := range made {
				if bytes.Contains(b, []byte(cell)) {
					t.Errorf("%s holds %q", name, cell)
				}
			}
		}
	}
}
