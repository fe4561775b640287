package client_test

import (
	"slices"
	"testing"

	"github.com/fieldvault/fieldvault/vault/api"
	"github.com/fieldvault/fieldvault/vault/client"
)

func TestWaysToSearch(t *testing.T) {
	ctx, as := t.Context(), serve(t, nil)
	app := as("app", "support")
	invoice := client.Ref{Subject: "c-17", Collection: "invoice", Record: "n-1"}
	for ref, fields := range map[client.Ref]map[string]any{
		self: {"last_name": "Gonçalves", "company": "Embraer - Empresa"}, invoice: {"date": "2021-03-11", "total": 3.96},
	} {
		if _, err := app.Put(ctx, ref, fields); err != nil {
			t.Fatal(err)
		}
	}
	made := func(q api.SearchRequest, err error) api.SearchRequest {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return q
	}
	for _, c := range []struct {
		q    api.SearchRequest
		want []string // records
	}{
		{made(client.Equals("customer", "last_name", "gonçalves")), []string{"self"}},
		{made(client.Prefix("customer", "last_name", `gon`)), []string{"self"}},
		{made(client.Prefix("customer", "last_name", `gon"`)), nil},
		{made(client.Contains("customer", "company", "- EMP")), []string{"self"}},
		{made(client.Range("invoice", "total", 3, 3.96)), []string{"n-1"}},
		{made(client.Range("invoice", "total", nil, 3)), nil},
		{made(client.Range("invoice", "date", "2021-03-11", "2021-12-31")), []string{"n-1"}},
	} {
		found, err := app.Search(ctx, c.q)
		if err != nil {
			t.Errorf("%+v: %v", c.q, err)
		}
		var got []string
		for _, m := range found.Matches {
			got = append(got, m.Record)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%+v finds %q, want %q", c.q, got, c.want)
		}
	}
	if _, err := as("support", "support").Search(ctx, made(client.Prefix("customer", "last_name", "gon"))); !client.IsCode(err, api.Denied) {
		t.Errorf("behind a mask: %v", err)
	}
	if _, err := app.Search(ctx, made(client.Prefix("customer", "last_name", "go"))); !client.IsCode(err, api.Invalid) {
		t.Errorf("too short: %v", err)
	}
	if _, err := client.Equals("customer", "last_name", func() {}); err == nil {
		t.Error("what is no JSON was written")
	}
}
