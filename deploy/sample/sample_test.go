package sample_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/deploy/sample"
	"github.com/fieldvault/fieldvault/vault/catalog"
)

func parsed(t *testing.T) *catalog.Catalog {
	t.Helper()
	c, err := catalog.Parse(sample.Catalog())
	if err != nil {
		t.Fatal(err)
	}
	if c, err = c.Assign(nil); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestContract pins what README.md lets scripts rely on.
func TestContract(t *testing.T) {
	c := parsed(t)
	want := map[string]string{
		"customer": "first_name last_name company address city state country postal_code phone fax email",
		"invoice":  "date address city state country postal_code total",
	}
	if len(c.Collections) != len(want) {
		t.Errorf("%d collections, want %d", len(c.Collections), len(want))
	}
	for name, fields := range want {
		col, ok := c.Collection(name)
		if !ok {
			t.Errorf("no collection %s", name)
			continue
		}
		var got, indexed []string
		for _, f := range col.Fields {
			got = append(got, f.Name)
			if f.Index.Serves(catalog.MatchEquals) {
				indexed = append(indexed, f.Name)
			}
			if !f.Lists("support") || !f.Lists("billing") || f.Group != catalog.GroupDefault {
				t.Errorf("%s.%s is not for support and billing in the default group", name, f.Name)
			}
		}
		if diff := cmp.Diff(strings.Fields(fields), got); diff != "" {
			t.Errorf("fields of %s (-want +got):\n%s", name, diff)
		}
		if name == "customer" {
			if diff := cmp.Diff([]string{"last_name", "phone", "email"}, indexed); diff != "" {
				t.Errorf("indexed fields (-want +got):\n%s", diff)
			}
		}
	}
	var purposes []string
	for _, p := range c.Purposes {
		purposes = append(purposes, p.ID+" "+p.Basis)
	}
	if diff := cmp.Diff([]string{"support contract", "billing contract", "marketing consent", "analytics consent"}, purposes); diff != "" {
		t.Errorf("purposes (-want +got):\n%s", diff)
	}
}

type mapping struct {
	Collection string            `yaml:"collection"`
	Subject    string            `yaml:"subject"`
	Record     string            `yaml:"record"`
	Fields     map[string]string `yaml:"fields"`
	Transforms map[string]string `yaml:"transforms"`
}

// TestDataFits checks every cell of the data against the catalog, through the
// import files.
func TestDataFits(t *testing.T) {
	c := parsed(t)
	for _, tt := range []struct {
		name         string
		data, source []byte
		rows, values int
	}{
		{"customers", sample.Customers(), sample.CustomersImport(), 59, 519},
		{"invoices", sample.Invoices(), sample.InvoicesImport(), 412, 2654},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var m mapping
			if err := yaml.UnmarshalWithOptions(tt.source, &m, yaml.Strict()); err != nil {
				t.Fatal(err)
			}
			rows, err := csv.NewReader(bytes.NewReader(tt.data)).ReadAll()
			if err != nil {
				t.Fatal(err)
			}
			col, ok := c.Collection(m.Collection)
			if !ok || len(m.Fields) != len(col.Fields) {
				t.Fatalf("collection %q with %d fields does not fit", m.Collection, len(m.Fields))
			}
			values := 0
			for i, row := range rows[1:] {
				values += fits(t, col, m, rows[0], row, i+2)
			}
			if len(rows)-1 != tt.rows || values != tt.values {
				t.Errorf("%d rows with %d values, want %d with %d", len(rows)-1, values, tt.rows, tt.values)
			}
		})
	}
}

func fits(t *testing.T, col *catalog.Collection, m mapping, header, row []string, line int) (values int) {
	t.Helper()
	for name, column := range m.Fields {
		f, ok := col.Field(name)
		i := slices.Index(header, column)
		if !ok || i < 0 {
			t.Fatalf("field %s or column %s does not exist", name, column)
		}
		cell := row[i]
		if m.Transforms[name] == "date" {
			cell, _, _ = strings.Cut(cell, "T")
		}
		if cell == "" {
			continue
		}
		values++
		v, err := f.Encode(f.FromText(cell))
		if err != nil {
			t.Errorf("line %d: %v", line, err)
			continue
		}
		if _, err := f.Normalise(v); err != nil {
			t.Errorf("line %d: normalising: %v", line, err)
		}
		if mask := f.MaskValue(v); mask.Equal(v) {
			t.Errorf("line %d: %s is not masked", line, name)
		}
	}
	return values
}

// describer is the catalog as a policy's test sees it.
type describer struct{ *catalog.Catalog }

func (d describer) Field(collection, field string, purpose accessctl.Purpose) (accessctl.Field, bool) {
	c, ok := d.Collection(collection)
	if !ok {
		return accessctl.Field{}, false
	}
	f, ok := c.Field(field)
	if !ok {
		return accessctl.Field{}, false
	}
	return accessctl.Field{
		Collection: collection, Name: field, Classification: f.Classification, Listed: f.Lists(string(purpose)),
	}, true
}

func (d describer) Purpose(id accessctl.Purpose) accessctl.PurposeFacts {
	p, ok := d.Catalog.Purpose(string(id))
	if !ok {
		return accessctl.PurposeFacts{}
	}
	return accessctl.PurposeFacts{Known: true, Basis: accessctl.Basis(p.Basis), DespiteRestriction: p.DespiteRestriction}
}

type expectation struct {
	Roles                    []accessctl.Role
	Purpose                  accessctl.Purpose
	Action                   accessctl.Action
	Field                    string
	Match                    accessctl.Match
	Consent                  string
	Restricted, Expired, Own bool
	Want                     string
	Reason                   accessctl.Reason
}

// TestPolicy asks the policy what policy_test.yaml expects of it.
func TestPolicy(t *testing.T) {
	p, err := accessctl.ParsePolicy(1, sample.Policy())
	if err != nil {
		t.Fatal(err)
	}
	var list []expectation
	if err := yaml.UnmarshalWithOptions(sample.PolicyTest(), &list, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	if len(list) < 50 {
		t.Fatalf("only %d expectations", len(list))
	}
	var expectations []accessctl.Expectation
	for _, e := range list {
		collection, field, _ := strings.Cut(e.Field, ".")
		expectations = append(expectations, accessctl.Expectation{
			Roles: e.Roles, Purpose: e.Purpose, Action: e.Action, Collection: collection, Field: field, Match: e.Match,
			Consent: consent(t, e.Consent), Restricted: e.Restricted, Expired: e.Expired, Own: e.Own,
			Want: e.Want, Reason: e.Reason,
		})
	}
	for _, f := range p.Test(expectations, describer{parsed(t)}) {
		t.Errorf("%+v: %s %v", list[f.Index], f.Problem, f.Policies)
	}
}

func consent(t *testing.T, s string) accessctl.Consent {
	t.Helper()
	for _, c := range []accessctl.Consent{
		accessctl.ConsentNone, accessctl.ConsentGranted, accessctl.ConsentRefused, accessctl.ConsentWithdrawn, accessctl.ConsentExpired,
		accessctl.ConsentOutdated, accessctl.ConsentObjected,
	} {
		if s == c.String() || s == "" {
			return c
		}
	}
	t.Fatalf("unknown consent %q", s)
	return accessctl.ConsentNone
}

// TestFiles checks that everything README.md lists is embedded.
func TestFiles(t *testing.T) {
	for _, name := range []string{
		"catalog.yaml", "policy.cedar", "policy_test.yaml", "customers.csv", "invoices.csv",
		"customers.import.yaml", "invoices.import.yaml", "LICENSE-chinook.md", "record.md", "assessment.md",
	} {
		if _, err := fs.ReadFile(sample.Files(), name); err != nil {
			t.Error(err)
		}
	}
	if _, err := fs.ReadFile(sample.Files(), "sample.go"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("sample.go is embedded: %v", err)
	}
}
