package rights_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault/rights"
)

// A person asks for erasure while signed in, late in the evening in Berlin.
func Example() {
	cal, err := rights.ParseCalendar("Europe/Berlin", []string{"saturday", "sunday"}, []string{"12-25", "12-26", "2026-04-06"})
	if err != nil {
		fmt.Println(err)
		return
	}
	rules := rights.Default(rights.GDPR)
	now := time.Date(2026, 3, 5, 22, 30, 0, 0, time.UTC)

	r, err := rights.Apply(rights.Request{}, rights.Step{Do: rights.File, ID: uuid.UUID{1}, Kind: rights.Erasure, SignedIn: true}, rules, cal, now)
	if err != nil {
		fmt.Println(err)
		return
	}
	c := rights.Clock(r, rules, cal, now)
	fmt.Println(c.Task, "by", c.Last, "which is in", c.DaysLeft, "days") // 5 April is a Sunday, the 6th a holiday

	_, err = rights.Apply(r, rights.Step{Do: rights.AskIdentity}, rules, cal, now)
	var wrong *rights.StepError
	if errors.As(err, &wrong) {
		fmt.Println(wrong.Cause, wrong.Possible)
	}

	r, err = rights.Apply(r, rights.Step{Do: rights.Complete}, rules, cal, now.Add(time.Hour))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.State, "and forgotten after", cal.LastDay(rights.Forget(r, rules, cal)))
	// Output:
	// answer by 2026-04-07 which is in 33 days
	// proof_needless [acknowledge extend complete refuse cancel]
	// done and forgotten after 2029-03-06
}
