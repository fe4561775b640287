package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/deploy/sample"
	"github.com/fieldvault/fieldvault/vault/api"
	"github.com/fieldvault/fieldvault/vault/catalog"
	"github.com/fieldvault/fieldvault/vault/processing"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

// TestRecordOfAService: asked over HTTP, what is in force gives the same text as the
// files that it was made from, with a token that may inspect, and with no other.
func TestRecordOfAService(t *testing.T) {
	t.Setenv("TMPDIR", vaulttest.Folder(t))
	s := dev0(t)
	dir := vaulttest.Folder(t)
	file := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	record, token := file("record.md", sample.Record()), file("token", []byte(s.Tokens["dpo"]+"\n"))
	var out, said bytes.Buffer
	ask := func(environ []string, more ...string) int {
		out.Reset()
		said.Reset()
		args := append([]string{"record", "article30", "--url", s.URL, "--check", record}, more...)
		return run(t.Context(), world{args: args, environ: environ, stdin: strings.NewReader(""), stdout: &out, stderr: &said})
	}
	if code := ask(nil, "--token-file", token); code != 0 {
		t.Errorf("exit code %d: %s%s", code, out.String(), said.String())
	}
	if code := ask([]string{"FIELDVAULT_TOKEN=" + s.Tokens["support"]}); code != 1 || !strings.Contains(said.String(), "inspect") {
		t.Errorf("support: exit code %d: %s", code, said.String())
	}
	if code := ask(nil, "--token-file", filepath.Join(dir, "none")); code != 1 || !strings.Contains(said.String(), "--token-file") {
		t.Errorf("no token: exit code %d: %s", code, said.String())
	}
}

// TestCatalogOfAService: nothing that a record says gets lost on the way.
func TestCatalogOfAService(t *testing.T) {
	const source = `
title: "Shop: one"
language: de
controller: {name: Shop, contact: privacy@shop.example.org}
groups: {own: {title: own}}
purposes:
  q: {title: Q, text: "Q: {x}", benefit: B., consequence: C., basis: consent, recipients: [R, S], retention: 30, expires: 60, min_age: 16, version: 3, review_by: 2027-01-01}
  p: {title: P, text: P., benefit: B., basis: legitimate_interests, direct_marketing: true, sells: true, despite_restriction: true, version: 1}
collections:
  d: {title: D, fields: {h: {type: text, title: "yes", purposes: [q], group: own, classification: special, retention: 5}}}
  c: {title: C, fields: {g: {type: email, title: G, purposes: [p], mask: full, index: {kind: equality}}, f: {type: date, title: F, purposes: [p]}}}
`
	answer := api.Catalog{
		Title: "Shop: one", Language: "de", Controller: &api.Controller{Name: "Shop", Contact: "privacy@shop.example.org"},
		Purposes: []api.Purpose{
			{
				ID: "q", Title: "Q", Text: "Q: {x}", Benefit: "B.", Consequence: "C.", Basis: "consent", Recipients: []string{"R", "S"},
				RetentionDays: 30, ExpiresDays: 60, MinAge: 16, Version: 3, ReviewBy: "2027-01-01",
			},
			{ID: "p", Title: "P", Text: "P.", Benefit: "B.", Basis: "legitimate_interests", DirectMarketing: true, Sells: true, DespiteRestriction: true, Version: 1},
		},
		Collections: []api.Collection{
			{Name: "d", Title: "D", Fields: []api.CollectionField{
				{Name: "h", Title: "yes", Type: "text", Classification: "special", Purposes: []string{"q"}, Group: "own", Mask: "full", RetentionDays: 5},
			}},
			{Name: "c", Title: "C", Fields: []api.CollectionField{
				{Name: "g", Title: "G", Type: "email", Classification: "personal", Purposes: []string{"p"}, Group: "default", Mask: "full", Searchable: true},
				{Name: "f", Title: "F", Type: "date", Classification: "personal", Purposes: []string{"p"}, Group: "default", Mask: "year"},
			}},
		},
	}
	policy, err := accessctl.ParsePolicy(1, []byte(`permit (principal in Role::"a", action, resource);`))
	if err != nil {
		t.Fatal(err)
	}
	want, err := catalog.Parse([]byte(source))
	if err != nil {
		t.Fatal(err)
	}
	got, err := catalogFrom(&answer)
	if err != nil {
		t.Fatal(err)
	}
	for _, write := range []func(processing.Input) document{
		func(in processing.Input) document { return processing.Article30(in) },
		func(in processing.Input) document { return processing.Assess(in) },
	} {
		a := write(processing.Input{Catalog: want, Policy: policy}).Markdown()
		b := write(processing.Input{Catalog: got, Policy: policy}).Markdown()
		for _, d := range processing.Compare(a, b) {
			t.Errorf("line %d is %q, want %q", d.Line, d.Now, d.Says)
		}
	}
}
