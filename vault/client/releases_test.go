package client_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fieldvault/fieldvault/vault/api"
	"github.com/fieldvault/fieldvault/vault/client"
)

func TestReleaseTable(t *testing.T) {
	ctx, as := t.Context(), serve(t, nil)
	analyst, app, dpo := as("analyst", "analytics"), as("app", ""), as("dpo", "")
	if _, err := analyst.ReleaseTable(ctx, api.ReleaseRequest{Collection: "customer"}); !client.IsCode(err, api.Unmet) {
		t.Errorf("of nobody: %v", err)
	}
	for i := range 5 {
		ref := client.Ref{Subject: fmt.Sprintf("r-%d", i), Collection: "customer", Record: "self"}
		if _, err := app.Put(ctx, ref, map[string]any{"country": "Chile"}); err != nil {
			t.Fatal(err)
		}
		if _, err := dpo.RecordConsent(ctx, ref.Subject, "analytics", api.Decision{Decision: api.Granted}); err != nil {
			t.Fatal(err)
		}
	}
	out, err := analyst.ReleaseTable(ctx, api.ReleaseRequest{Collection: "customer", Columns: []string{"country"}})
	if err != nil || out.Report.K != 5 || string(out.Table) != "country\n"+strings.Repeat("Chile\n", 5) {
		t.Errorf("%+v %s %v", out.Report, out.Table, err)
	}
	if _, err := analyst.ReleaseTable(ctx, api.ReleaseRequest{Collection: "customer"}); !client.IsCode(err, api.Conflict) {
		t.Errorf("a second one: %v", err)
	}
	if _, err := as("support", "support").ReleaseTable(ctx, api.ReleaseRequest{Collection: "customer"}); !client.IsCode(err, api.Denied) {
		t.Errorf("support: %v", err)
	}
}
