package importer_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fieldvault/fieldvault/cmd/fieldvault/importer"
	"github.com/fieldvault/fieldvault/deploy/sample"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/catalog"
	"github.com/fieldvault/fieldvault/vault/freetext"
)

func customers(t *testing.T) (importer.Mapping, *catalog.Collection) {
	t.Helper()
	m, err := importer.ParseMapping(sample.CustomersImport())
	if err != nil {
		t.Fatal(err)
	}
	cat, err := catalog.Parse(sample.Catalog())
	if err != nil {
		t.Fatal(err)
	}
	if cat, err = cat.Assign(nil); err != nil {
		t.Fatal(err)
	}
	c, ok := cat.Collection("customer")
	if !ok {
		t.Fatal("no collection customer")
	}
	return m, c
}

// A sink keeps what it is given; it refuses subjects that it is told to.
type sink struct {
	items  []vault.Write
	keys   []string
	refuse map[string]error
	fail   int // calls until it fails
}

func (s *sink) put(_ context.Context, items []vault.Write, key string) ([]vault.Written, error) {
	if s.fail--; s.fail == 0 {
		return nil, errors.New("down")
	}
	out := make([]vault.Written, len(items))
	for i := range items {
		if out[i].Err = s.refuse[items[i].Subject]; out[i].Err == nil {
			s.items = append(s.items, items[i])
		}
	}
	s.keys = append(s.keys, key)
	return out, nil
}

func TestTheSampleBecomesRecords(t *testing.T) {
	m, c := customers(t)
	rows, err := importer.CSV(strings.NewReader(string(sample.Customers())))
	if err != nil {
		t.Fatal(err)
	}
	var s sink
	sum, err := importer.Run(t.Context(), importer.Options{Mapping: m, Collection: c, Rows: rows, Sink: s.put, Batch: 20})
	if err != nil || sum.Written != 59 || sum.Bad != 0 {
		t.Fatalf("Run = %+v, %v", sum, err)
	}
	w := s.items[16]
	if w.Subject != "c-17" || w.Record != "self" || w.Collection != "customer" {
		t.Errorf("customer 17 is %+v", w)
	}
	if _, ok := w.Fields["fax"]; ok != (string(w.Fields["fax"]) != "") {
		t.Error("an empty cell became a value")
	}
	if len(s.keys) != 3 || s.keys[0] == s.keys[1] {
		t.Errorf("keys of the batches: %v", s.keys)
	}
}

func TestAnInterruptedImportGoesOn(t *testing.T) {
	m, c := customers(t)
	s := sink{fail: 2}
	saved := 0
	run := func() (importer.Summary, error) {
		rows, err := importer.CSV(strings.NewReader(string(sample.Customers())))
		if err != nil {
			t.Fatal(err)
		}
		return importer.Run(t.Context(), importer.Options{
			Mapping: m, Collection: c, Rows: rows, Sink: s.put, Batch: 20, After: saved,
			Saved: func(line int) error { saved = line; return nil },
		})
	}
	if sum, err := run(); err == nil || sum.Written != 20 {
		t.Fatalf("the first run = %+v, %v", sum, err)
	}
	sum, err := run()
	if err != nil || sum.Written != 39 || sum.Skipped != 20 {
		t.Errorf("the second run = %+v, %v", sum, err)
	}
	seen := map[string]int{}
	for _, w := range s.items {
		seen[w.Subject]++
	}
	for subject, n := range seen {
		if n != 1 {
			t.Errorf("%s was written %d times", subject, n)
		}
	}
}

// Warnings are counted by field and kind, over all batches.
func TestWarningsAreCounted(t *testing.T) {
	m, c := customers(t)
	rows, err := importer.CSV(strings.NewReader(string(sample.Customers())))
	if err != nil {
		t.Fatal(err)
	}
	sink := func(_ context.Context, items []vault.Write, _ string) ([]vault.Written, error) {
		out := make([]vault.Written, len(items))
		for i := range items {
			out[i].Warnings = []vault.Warning{{Field: "customer.note", Kinds: []freetext.Kind{freetext.Phone}}}
		}
		out[0].Warnings = append(out[0].Warnings, vault.Warning{Field: "customer.memo", Kinds: []freetext.Kind{freetext.Phone, freetext.Name}})
		return out, nil
	}
	sum, err := importer.Run(t.Context(), importer.Options{Mapping: m, Collection: c, Rows: rows, Sink: sink, Batch: 20})
	if err != nil {
		t.Fatal(err)
	}
	want := []importer.Warning{{"customer.note", "phone", 59}, {"customer.memo", "phone", 3}, {"customer.memo", "name", 3}}
	if diff := cmp.Diff(want, sum.Warnings); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Bad rows are named by line and rule, and their values by nobody.
func TestBadRows(t *testing.T) {
	m, c := customers(t)
	head := "CustomerId,FirstName,LastName,Company,Address,City,State,Country,PostalCode,Phone,Fax,Email\n"
	for _, tt := range []struct{ name, rows, want string }{
		{"too few columns", "1,canary", "line 2: is not valid CSV, or has another number of columns"},
		{"no subject", ",canary,,,,,,,,,,", "line 2: subject: the column CustomerId is missing or empty"},
		{"not UTF-8", "1,canary\xff,,,,,,,,,,", "line 2: is not UTF-8"},
		{"a quote left open", "1,\"canary,,,,,,,,,,", "line 2: is not valid CSV, or has another number of columns"},
		{"refused by the vault", "9,canary,,,,,,,,,,", "line 2: the person was erased"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rows, err := importer.CSV(strings.NewReader(head + tt.rows + "\n"))
			if err != nil {
				t.Fatal(err)
			}
			s := sink{refuse: map[string]error{"c-9": vault.ErrGone}}
			var bad []string
			_, err = importer.Run(t.Context(), importer.Options{
				Mapping: m, Collection: c, Rows: rows, Sink: s.put,
				Bad: func(line int, problem string) { bad = append(bad, fmt.Sprintf("line %d: %s", line, problem)) },
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{tt.want}, bad); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if strings.Contains(strings.Join(bad, ""), "canary") {
				t.Error("a value is shown")
			}
		})
	}
}

func TestMappingsThatAreRefused(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "unknown key": "collection: a\nsubject: s\nrecord: r\nfields: {a: A}\nnosuch: 1",
		"no fields": "collection: a\nsubject: s\nrecord: r", "no subject": "collection: a\nrecord: r\nfields: {a: A}",
		"unknown transform": "collection: a\nsubject: s\nrecord: r\nfields: {a: A}\ntransforms: {a: upper}",
		"not a mapping":     "[1, 2]",
	} {
		if _, err := importer.ParseMapping([]byte(text)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	m, c := customers(t)
	m.Fields["nosuch"] = "X"
	var s sink
	_, err := importer.Run(t.Context(), importer.Options{Mapping: m, Collection: c, Rows: importer.JSONLines(strings.NewReader("")), Sink: s.put})
	if err == nil || !strings.Contains(err.Error(), "nosuch") {
		t.Errorf("a field that the catalog does not know: %v", err)
	}
}

func TestJSONLines(t *testing.T) {
	in := "{\"a\":\"x\",\"n\":1.50,\"b\":true,\"z\":null,\"o\":{\"k\":[1]}}\n\nnot json\n{\"a\":\"y\"}\n"
	rows := importer.JSONLines(strings.NewReader(in))
	first, err := rows.Next()
	if err != nil {
		t.Fatal(err)
	}
	want := importer.Row{Line: 1, Columns: map[string]string{"a": "x", "n": "1.50", "b": "true", "z": "", "o": `{"k":[1]}`}}
	if diff := cmp.Diff(want, first); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var bad *importer.RowError
	if _, err := rows.Next(); !errors.As(err, &bad) || bad.Line != 3 {
		t.Errorf("line 3: %v", err)
	}
	if last, err := rows.Next(); err != nil || last.Line != 4 {
		t.Errorf("after a bad line: %+v, %v", last, err)
	}
	if _, err := rows.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
}

// FuzzRows: no input makes the reader fail other than by a row's error, and none
// is shown in it.
func FuzzRows(f *testing.F) {
	f.Add("a,b\n1,2\n")
	f.Add("a,\"b\n")
	f.Add("{\"a\":1}\n")
	f.Fuzz(func(t *testing.T, text string) {
		rows, err := importer.CSV(strings.NewReader(text))
		if err == nil {
			drain(t, rows, len(text))
		}
		drain(t, importer.JSONLines(strings.NewReader(text)), len(text))
	})
}

func drain(t *testing.T, rows importer.Rows, most int) {
	t.Helper()
	for n := 0; ; n++ {
		_, err := rows.Next()
		var bad *importer.RowError
		switch {
		case errors.Is(err, io.EOF):
			return
		case err != nil && !errors.As(err, &bad):
			t.Fatal(err)
		case n > most:
			t.Fatal("more rows than bytes")
		}
	}
}
