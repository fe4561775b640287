package consent_test

import (
	"fmt"
	"time"

	"github.com/fieldvault/fieldvault/accessctl/consent"
)

// A person agrees in the portal and changes their mind.
func Example() {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	yes := consent.Event{Purpose: "marketing", Decision: consent.Granted, Notice: "2026-11", Method: consent.MethodPortal, At: now}
	no := consent.Event{Purpose: "marketing", Decision: consent.Withdrawn, Method: consent.MethodPortal, At: now.Add(time.Minute)}

	for _, events := range [][]consent.Event{nil, {yes}, {yes, no}} {
		fmt.Println(consent.Current(events, now.Add(time.Hour))["marketing"].Consent)
	}
	// Output:
	// none
	// granted
	// withdrawn
}
