package report_test

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/audit/report"
)

// An agent saw two fields of a person; when the account turns out to have been
// taken over, the log says which.
func ExampleBreach() {
	at := time.Date(2026, 11, 2, 9, 30, 0, 0, time.UTC)
	event := audit.Event{
		ID: uuid.MustParse("01932b5e-7c00-7000-8000-000000000001"), Tenant: "default", Time: at,
		Actor: "https://id.example.org#agent-7", Action: accessctl.ActionReveal, Purpose: "support",
		UID: uuid.MustParse("5f0c8a52-3a55-4f0e-9a53-0c6f3b1d2e4f"), Outcome: audit.Allowed,
		Fields: []audit.FieldView{
			{Collection: 1, Field: 11, View: accessctl.Plain, Count: 1},
			{Collection: 1, Field: 12, View: accessctl.Plain, Count: 3},
			{Collection: 1, Field: 13, View: accessctl.Hidden, Reason: accessctl.ReasonConsent, Count: 1},
		},
	}

	b := report.NewBreach(report.Query{
		Tenant: "default", Actors: []string{"https://id.example.org#agent-7"}, From: at, To: at.Add(time.Hour),
	})
	b.See(0, &event)
	r := b.Report(nil, nil)
	fmt.Println("people:", r.Totals.People)
	for _, row := range r.Rows {
		fmt.Println(row.UID, row.CollectionID, row.FieldID, row.How, row.Values)
	}

	entry, _ := report.History(&event, nil)
	fmt.Println(entry.Who, entry.What)
	// Output:
	// people: 1
	// 5f0c8a52-3a55-4f0e-9a53-0c6f3b1d2e4f 1 11 plain 1
	// 5f0c8a52-3a55-4f0e-9a53-0c6f3b1d2e4f 1 12 plain 3
	// https://id.example.org#agent-7 was shown
}
