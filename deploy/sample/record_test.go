package sample_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/deploy/sample"
	"github.com/fieldvault/fieldvault/vault/catalog"
	"github.com/fieldvault/fieldvault/vault/processing"
)

// made makes the record and the assessment of a catalog and a policy.
func made(t *testing.T, cat, policy []byte) (record, assessment []byte) {
	t.Helper()
	c, err := catalog.Parse(cat)
	if err != nil {
		t.Fatal(err)
	}
	p, err := accessctl.ParsePolicy(1, policy)
	if err != nil {
		t.Fatal(err)
	}
	in := processing.Input{Catalog: c, Policy: p}
	return processing.Article30(in).Markdown(), processing.Assess(in).Markdown()
}

// TestRecordsAreWhatIsEnforced is the check that a committed copy wants:
// `fieldvault record article30 --check record.md`, and the same of the assessment.
func TestRecordsAreWhatIsEnforced(t *testing.T) {
	record, assessment := made(t, sample.Catalog(), sample.Policy())
	for _, d := range processing.Compare(sample.Record(), record) {
		t.Errorf("record.md, line %d says %q, enforced is %q", d.Line, d.Says, d.Now)
	}
	for _, d := range processing.Compare(sample.Assessment(), assessment) {
		t.Errorf("assessment.md, line %d says %q, enforced is %q", d.Line, d.Says, d.Now)
	}
}

// TestAChangeContradictsTheRecords: what the committed copies do not say any longer is
// found, and the line named.
func TestAChangeContradictsTheRecords(t *testing.T) {
	for _, tt := range []struct {
		name, from, to string // in the catalog or the policy
		line, now      string // of the record
	}{
		{
			"support sees plain", `action in [Action::"reveal_masked", Action::"search"`, `action in [Action::"reveal", Action::"search"`,
			"| support | sees masked | all of these |", "| support | sees plain | all of these |",
		},
		{
			"a recipient more", "recipients: [Marketing]", "recipients: [Marketing, Partners]",
			"- Recipients: Marketing", "- Recipients: Marketing, Partners",
		},
		{
			"kept for longer", "retention: P3Y", "retention: P4Y",
			"- May be read for this purpose: 1096 days", "- May be read for this purpose: 1461 days",
		},
	} {
		change := func(b []byte) []byte { return bytes.Replace(b, []byte(tt.from), []byte(tt.to), 1) }
		cat, policy := change(sample.Catalog()), change(sample.Policy())
		if bytes.Equal(cat, sample.Catalog()) && bytes.Equal(policy, sample.Policy()) {
			t.Fatalf("%s: nothing was changed", tt.name)
		}
		record, _ := made(t, cat, policy)
		committed := strings.Split(string(sample.Record()), "\n")
		if !slices.ContainsFunc(processing.Compare(sample.Record(), record), func(d processing.Difference) bool {
			return committed[d.Line-1] == tt.line && slices.Contains(d.Says, tt.line) && slices.Contains(d.Now, tt.now)
		}) {
			t.Errorf("%s: the line is not named: %v", tt.name, processing.Compare(sample.Record(), record))
		}
	}
}
