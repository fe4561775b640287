package accessctl_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/deploy/sample"
	"github.com/fieldvault/fieldvault/vault/catalog"
)

// sampleCatalog is the sample's catalog as policies see it.
type sampleCatalog struct{ *catalog.Catalog }

func loadSample(t testing.TB) (*accessctl.Policy, sampleCatalog) {
	t.Helper()
	c, err := catalog.Parse(sample.Catalog())
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, string(sample.Policy())), sampleCatalog{c}
}

func (c sampleCatalog) Field(collection, name string, p accessctl.Purpose) (accessctl.Field, bool) {
	for _, f := range c.fields(p) {
		if f.Collection == collection && f.Name == name {
			return f, true
		}
	}
	return accessctl.Field{}, false
}

func (c sampleCatalog) Purpose(id accessctl.Purpose) accessctl.PurposeFacts {
	p, ok := c.Catalog.Purpose(string(id))
	if !ok {
		return accessctl.PurposeFacts{}
	}
	return accessctl.PurposeFacts{Known: true, Basis: accessctl.Basis(p.Basis), DespiteRestriction: p.DespiteRestriction}
}

func (c sampleCatalog) fields(p accessctl.Purpose) (all []accessctl.Field) {
	for i := range c.Collections {
		for j := range c.Collections[i].Fields {
			f := &c.Collections[i].Fields[j]
			all = append(all, accessctl.Field{
				Collection: c.Collections[i].Name, Name: f.Name, Classification: f.Classification, Listed: f.Lists(string(p)),
			})
		}
	}
	return all
}

func (c sampleCatalog) purposes() (all []accessctl.Purpose) {
	for _, p := range c.Purposes {
		all = append(all, accessctl.Purpose(p.ID))
	}
	return all
}

// TestSampleViews: what each role of the sample sees, under each purpose, of each
// field that lists the purpose; of the others nothing.
func TestSampleViews(t *testing.T) {
	p, cat := loadSample(t)
	want := map[string]accessctl.View{ // all else is hidden
		"app support":         accessctl.Plain,
		"app billing":         accessctl.Plain,
		"support support":     accessctl.Masked,
		"billing billing":     accessctl.Plain,
		"marketing marketing": accessctl.Plain,
		"subject self":        accessctl.Plain, // their own
	}
	for _, role := range roles("app support billing marketing dpo analyst operator subject nobody") {
		for _, purpose := range append(cat.purposes(), accessctl.PurposeSelf, "", "no_such_purpose") {
			d := p.For(caller(purpose, role), cat.Purpose(purpose))
			person := role == accessctl.RoleSubject
			for _, f := range cat.fields(purpose) {
				view := want[string(role)+" "+string(purpose)]
				if !f.Listed && !person {
					view = accessctl.Hidden
				}
				ideal := accessctl.State{Consent: accessctl.ConsentGranted, Own: person}
				if got := d.Reveal(f, ideal); got.View != view {
					t.Errorf("%s for %q sees %s.%s %s, want %s", role, purpose, f.Collection, f.Name, got.View, view)
				}
				asks := cat.Purpose(purpose).Basis == accessctl.BasisConsent
				if got := d.Reveal(f, accessctl.State{Own: person}); asks && got.Allowed {
					t.Errorf("%s for %q sees %s.%s without consent", role, purpose, f.Collection, f.Name)
				}
				if got := d.Reveal(f, accessctl.State{Consent: accessctl.ConsentGranted}); person && got.Allowed {
					t.Errorf("a person sees another's %s.%s for %q", f.Collection, f.Name, purpose)
				}
			}
		}
	}
}

// TestSampleActions: what each role of the sample may do, under any purpose or
// none, beside seeing values.
func TestSampleActions(t *testing.T) {
	p, cat := loadSample(t)
	for role, want := range map[accessctl.Role]string{
		"app":       "write delete search list tokenise detokenise sign_in pseudonymise",
		"support":   "search list detokenise console",
		"billing":   "list console",
		"marketing": "",
		"dpo":       "export erase hold restrict consent consent_read reenrol requests access_history resolve inspect audit approve console",
		"analyst":   "aggregate release console",
		"operator":  "honey configure inspect keys audit jobs console",
		"subject":   "write list export erase restrict consent consent_read requests access_history",
		"nobody":    "",
	} {
		var got []string
		for _, a := range accessctl.Actions()[2:] {
			if slices.ContainsFunc(append(cat.purposes(), accessctl.PurposeSelf, ""), func(purpose accessctl.Purpose) bool {
				return p.For(caller(purpose, role), cat.Purpose(purpose)).Has(a, cat.fields(purpose))
			}) {
				got = append(got, string(a))
			}
		}
		if diff := cmp.Diff(want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", role, diff)
		}
	}
}

// TestSampleOperatorReadsNothing: whatever other role the token carries.
func TestSampleOperatorReadsNothing(t *testing.T) {
	p, cat := loadSample(t)
	for _, other := range roles("app support billing marketing dpo analyst") {
		for _, purpose := range append(cat.purposes(), "") {
			d := p.For(caller(purpose, other, "operator"), cat.Purpose(purpose))
			for _, a := range accessctl.Actions() {
				if releases := a.NeedsPurpose() || a == accessctl.ActionExport; releases && d.Has(a, cat.fields(purpose)) {
					t.Errorf("operator and %s may %s for %q", other, a, purpose)
				}
			}
		}
	}
}

func TestSampleHasNoFindings(t *testing.T) {
	p, cat := loadSample(t)
	for _, f := range p.Check(cat.fields(""), cat.purposes(), roles("app support billing marketing dpo analyst operator subject")) {
		t.Error(f)
	}
}
