package audit_test

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
)

// A support agent saw one field in plain text and was refused another.
func ExampleEvent_AppendLeaf() {
	e := audit.Event{
		ID:      uuid.MustParse("01932b5e-7c00-7000-8000-000000000001"),
		Tenant:  "default",
		Time:    time.Date(2026, 11, 2, 9, 30, 0, 0, time.UTC),
		Actor:   "https://id.example.org#agent-7",
		Action:  accessctl.ActionReveal,
		Purpose: "support",
		UID:     uuid.MustParse("5f0c8a52-3a55-4f0e-9a53-0c6f3b1d2e4f"),
		Outcome: audit.Allowed,
		Fields: []audit.FieldView{
			{Collection: 1, Field: 11, View: accessctl.Plain, Count: 1},
			{Collection: 1, Field: 12, View: accessctl.Hidden, Reason: accessctl.ReasonConsent, Count: 1},
		},
	}
	leaf, err := e.AppendLeaf(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s\n", leaf)
	back, err := audit.ParseLeaf(leaf)
	fmt.Println(back.Actor, err)
	// Output:
	// {"v":1,"id":"01932b5e-7c00-7000-8000-000000000001","tenant":"default","time":"2026-11-02T09:30:00.000000Z","actor":"https://id.example.org#agent-7","action":"reveal","purpose":"support","uid":"5f0c8a52-3a55-4f0e-9a53-0c6f3b1d2e4f","outcome":"allowed","fields":[[1,11,"plain","",1],[1,12,"hidden","consent",1]]}
	// https://id.example.org#agent-7 <nil>
}
