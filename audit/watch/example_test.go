package watch_test

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/audit/watch"
)

// A principal may be shown two people an hour; then a second person agrees to more.
func ExampleMeter() {
	m, err := watch.NewMeter(watch.Limit{Count: 2, Window: time.Hour})
	if err != nil {
		fmt.Println(err)
		return
	}
	now := time.Date(2026, 11, 2, 9, 30, 0, 0, time.UTC)
	fmt.Println(m.Allow("agent-7", []uuid.UUID{id(1), id(2)}, now))
	fmt.Println(m.Allow("agent-7", []uuid.UUID{id(2), id(3)}, now))
	m.Lift("agent-7", now.Add(10*time.Minute))
	fmt.Println(m.Allow("agent-7", []uuid.UUID{id(2), id(3)}, now))
	// Output:
	// true 0
	// false 1
	// true 1
}
