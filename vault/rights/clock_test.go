package rights_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/fieldvault/fieldvault/vault/rights"
)

func TestClock(t *testing.T) {
	la, berlin := calendar(t, "california"), calendar(t, "berlin")
	ccpa, gdpr := rights.Default(rights.CCPA), rights.Default(rights.GDPR)
	fresh := filed(t, rights.Access, ccpa, la, local(t, la, "2026-06-01"))
	known := apply(t, fresh, rights.Step{Do: rights.Acknowledge}, ccpa, la, local(t, la, "2026-06-02"))
	over := apply(t, known, rights.Step{Do: rights.Cancel}, ccpa, la, local(t, la, "2026-06-03"))
	plain := filed(t, rights.OptOut, ccpa, la, local(t, la, "2026-06-01"))
	euro := filed(t, rights.Access, gdpr, berlin, local(t, berlin, "2026-06-15"))
	for _, tt := range []struct {
		name  string
		r     rights.Request
		rules rights.Rules
		cal   rights.Calendar
		now   string
		want  string
	}{
		{"the acknowledgement comes first", fresh, ccpa, la, "2026-06-10", "acknowledge by 2026-06-15, 5 left"},
		{"on the last day", fresh, ccpa, la, "2026-06-15 23:59", "acknowledge by 2026-06-15, 0 left"},
		{"the day after", fresh, ccpa, la, "2026-06-16 00:00", "acknowledge by 2026-06-15, -1 left, overdue"},
		{"then the answer", known, ccpa, la, "2026-06-10", "answer by 2026-07-16, 36 left"},
		{"late", known, ccpa, la, "2026-07-20", "answer by 2026-07-16, -4 left, overdue"},
		{"ended", over, ccpa, la, "2026-07-20", "nothing"},
		{"opting out is not acknowledged", plain, ccpa, la, "2026-06-10", "answer by 2026-06-22, 12 left"},
		{"GDPR has no acknowledgement", euro, gdpr, berlin, "2026-06-15", "answer by 2026-07-15, 30 left"},
		{"by the zone's day: 22:30 UTC", euro, gdpr, berlin, "2026-07-15 00:30", "answer by 2026-07-15, 0 left"},
		{"two hours before UTC is", euro, gdpr, berlin, "2026-07-16 00:00", "answer by 2026-07-15, -1 left, overdue"},
	} {
		s := rights.Clock(tt.r, tt.rules, tt.cal, local(t, tt.cal, tt.now))
		got := string(s.Task)
		if !s.By.IsZero() {
			got = fmt.Sprintf("%s by %s, %d left", s.Task, s.Last, s.DaysLeft)
		}
		if s.Overdue {
			got += ", overdue"
		}
		if got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// said gives the reminders of a whole life, one a line.
func said(r rights.Request, rules rights.Rules, cal rights.Calendar) string {
	var lines []string
	for _, m := range rights.Reminders(r, rules, cal, r.Filed.Add(-time.Hour), r.Filed.AddDate(30, 0, 0)) {
		at := cal.Day(m.At).String()
		if m.At.Equal(r.Entered) {
			at = "at once"
		}
		lines = append(lines, fmt.Sprintf("%s: %s %s, %d days", at, m.Task, m.Kind, m.Days))
	}
	return strings.Join(lines, "\n")
}

func TestReminders(t *testing.T) {
	la, berlin := calendar(t, "california"), calendar(t, "berlin")
	ccpa, gdpr := rights.Default(rights.CCPA), rights.Default(rights.GDPR)
	fresh := filed(t, rights.Access, ccpa, la, local(t, la, "2026-06-01"))
	known := apply(t, fresh, rights.Step{Do: rights.Acknowledge}, ccpa, la, fresh.Filed)
	euro := filed(t, rights.Access, gdpr, berlin, local(t, berlin, "2026-06-15"))
	asked := apply(t, euro, rights.Step{Do: rights.AskIdentity}, gdpr, berlin, local(t, berlin, "2026-07-12"))
	proven := apply(t, asked, rights.Step{Do: rights.ConfirmIdentity}, gdpr, berlin, local(t, berlin, "2026-08-12"))
	longer := apply(t, euro, rights.Step{Do: rights.Extend, Reason: rights.Complexity, Told: true}, gdpr, berlin, euro.Filed)
	letter := func(received string) rights.Request {
		now := local(t, berlin, "2026-06-15")
		return apply(t, rights.Request{}, rights.Step{Do: rights.File, ID: uuid.UUID{1}, Kind: rights.Access, Received: local(t, berlin, received)}, gdpr, berlin, now)
	}
	for _, tt := range []struct {
		name  string
		r     rights.Request
		rules rights.Rules
		cal   rights.Calendar
		want  string
	}{
		{"acknowledgement and answer", fresh, ccpa, la, "2026-06-13: acknowledge acknowledge_soon, 2 days\n2026-06-16: acknowledge overdue, -1 days\n" +
			"2026-07-09: answer due_soon, 7 days\n2026-07-14: answer due_soon, 2 days\n2026-07-17: answer overdue, -1 days"},
		{"acknowledged", known, ccpa, la, "2026-07-09: answer due_soon, 7 days\n2026-07-14: answer due_soon, 2 days\n2026-07-17: answer overdue, -1 days"},
		{"GDPR", euro, gdpr, berlin, "2026-07-08: answer due_soon, 7 days\n2026-07-13: answer due_soon, 2 days\n2026-07-16: answer overdue, -1 days"},
		{"extended", longer, gdpr, berlin, "2026-09-08: answer due_soon, 7 days\n2026-09-13: answer due_soon, 2 days\n2026-09-16: answer overdue, -1 days"},
		{"the clock stands still", asked, gdpr, berlin, ""},
		{"ended", apply(t, euro, rights.Step{Do: rights.Cancel}, gdpr, berlin, euro.Filed), gdpr, berlin, ""},
		{"and runs on, three days before it ends", proven, gdpr, berlin, "2026-08-12: answer due_soon, 5 days\n2026-08-15: answer due_soon, 2 days\n2026-08-18: answer overdue, -1 days"},
		{"a letter that lay five days", letter("2026-06-10"), gdpr, berlin, "2026-07-03: answer due_soon, 7 days\n2026-07-08: answer due_soon, 2 days\n2026-07-11: answer overdue, -1 days"},
		{"one that lay 27", letter("2026-05-19"), gdpr, berlin, "at once: answer due_soon, 4 days\n2026-06-17: answer due_soon, 2 days\n2026-06-20: answer overdue, -1 days"},
		{"one that lay 30", letter("2026-05-16"), gdpr, berlin, "at once: answer due_soon, 1 days\n2026-06-17: answer overdue, -1 days"},
		{"one that lay 40", letter("2026-05-06"), gdpr, berlin, "at once: answer overdue, -7 days"},
	} {
		if got := said(tt.r, tt.rules, tt.cal); got != tt.want {
			t.Errorf("%s:\n%s\nwant\n%s", tt.name, got, tt.want)
		}
	}
}

// world draws rules, a calendar and a time to begin.
func world(t *rapid.T) (rights.Rules, rights.Calendar, time.Time) {
	zone := rapid.SampledFrom([]string{"UTC", "Europe/Berlin", "America/Los_Angeles", "Pacific/Apia", "America/Havana", "Africa/Cairo"}).Draw(t, "zone")
	weekend := rapid.SampledFrom([][]string{nil, {"saturday", "sunday"}, {"friday"}}).Draw(t, "weekend")
	holidays := rapid.SliceOfN(rapid.SampledFrom([]string{"01-01", "02-29", "12-24", "12-25", "12-26", "12-31", "05-01", "2011-12-30"}), 0, 8).Draw(t, "holidays")
	cal, err := rights.ParseCalendar(zone, weekend, holidays)
	if err != nil {
		t.Fatal(err)
	}
	rules := rights.Default(rapid.SampledFrom(rights.Regimes()).Draw(t, "regime"))
	period := func(name string, u rights.Unit) rights.Period {
		return rights.Period{Count: rapid.IntRange(1, 60).Draw(t, name), Unit: u}
	}
	unit := rapid.SampledFrom(rights.Units())
	u := unit.Draw(t, "unit")
	rules.Answer, rules.Extension = period("answer", u), period("extension", u)
	rules.PlainAnswer, rules.Acknowledge = period("plain", unit.Draw(t, "unit")), period("acknowledge", unit.Draw(t, "unit"))
	rules.WaitForProof = rapid.SampledFrom(rights.Waits()).Draw(t, "wait")
	rules.Roll = rapid.Bool().Draw(t, "roll")
	rules.DueSoon = rapid.SliceOfNDistinct(rapid.IntRange(0, 40), 0, 4, rapid.ID).Draw(t, "soon")
	if err := rules.Check(); err != nil {
		t.Fatal(err)
	}
	begin := time.Date(2009, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(rapid.Int64Range(0, 20*365*24*60).Draw(t, "begin")) * time.Minute)
	return rules, cal, begin
}

// walk draws a request and what happens to it, and gives each stage to see.
func walk(t *rapid.T, rules rights.Rules, cal rights.Calendar, now time.Time, see func(before, after rights.Request, s rights.StepKind, now time.Time)) rights.Request {
	s := rights.Step{
		Do: rights.File, ID: uuid.UUID{1}, Kind: rapid.SampledFrom(rights.Kinds()).Draw(t, "kind"),
		SignedIn: rapid.Bool().Draw(t, "signed in"),
	}
	if !s.SignedIn {
		s.Received = now.Add(-time.Duration(rapid.IntRange(0, 100*24).Draw(t, "lay")) * time.Hour)
	}
	var r rights.Request
	for range rapid.IntRange(1, 6).Draw(t, "steps") {
		after, err := rights.Apply(r, s, rules, cal, now)
		if err != nil {
			t.Fatalf("%s in %q at %s: %v", s.Do, r.State, now, err)
		}
		see(r, after, s.Do, now)
		r, now = after, now.Add(time.Duration(rapid.IntRange(0, 60*24).Draw(t, "hours"))*time.Hour)
		possible := rights.Possible(r, rules, now)
		if len(possible) == 0 {
			break
		}
		s = rights.Step{Do: rapid.SampledFrom(possible).Draw(t, "step"), Told: true}
		if fit := rights.Reasons(r, s.Do, rules); len(fit) > 0 {
			s.Reason = rapid.SampledFrom(fit).Draw(t, "reason")
		}
	}
	return r
}

// TestDeadlinesNeverMoveBack: none lies before the request was filed, no step makes one
// earlier, and the log row is kept at least until it is over.
func TestDeadlinesNeverMoveBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules, cal, begin := world(t)
		r := walk(t, rules, cal, begin, func(before, after rights.Request, s rights.StepKind, now time.Time) {
			if !after.Due.After(after.Filed) {
				t.Fatalf("filed %s, due %s", after.Filed, after.Due)
			}
			if after.Due.Before(before.Due) || after.ExtendedTo.Before(before.ExtendedTo) {
				t.Fatalf("%s: %+v became %+v", s, before, after)
			}
			if !after.ExtendedTo.IsZero() && after.ExtendedTo.Before(after.Due) {
				t.Fatalf("extended to %s, due %s", after.ExtendedTo, after.Due)
			}
			if c := rights.Clock(after, rules, cal, now); c.Overdue != (!c.By.IsZero() && c.DaysLeft < 0) {
				t.Fatalf("%+v at %s", c, now)
			}
		})
		if forget := rights.Forget(r, rules, cal); r.State.Over() != forget.After(r.Ended.AddDate(1, 0, 0)) {
			t.Fatalf("ended %s, forgotten %s", r.Ended, forget)
		}
	})
}

// TestRemindersExactlyOnce: over intervals that follow one upon another, however cut, a
// request gets each reminder once, and one of an answer that is owed is among them.
func TestRemindersExactlyOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules, cal, begin := world(t)
		r := walk(t, rules, cal, begin, func(rights.Request, rights.Request, rights.StepKind, time.Time) {})
		from, to := r.Filed.Add(-time.Hour), r.Filed.AddDate(40, 0, 0)
		all := rights.Reminders(r, rules, cal, from, to)
		cuts := []time.Time{from, to}
		for range rapid.IntRange(0, 20).Draw(t, "cuts") {
			at := from.Add(time.Duration(rapid.Int64Range(0, int64(to.Sub(from)/time.Hour)).Draw(t, "hour")) * time.Hour)
			if len(all) > 0 && rapid.Bool().Draw(t, "at a reminder") {
				m := rapid.SampledFrom(all).Draw(t, "which")
				at = m.At.Add(time.Duration(rapid.IntRange(-1, 1).Draw(t, "beside")))
			}
			cuts = append(cuts, at)
		}
		slices.SortFunc(cuts, time.Time.Compare)
		var got []rights.Reminder
		for i, after := range cuts[:len(cuts)-1] {
			got = append(got, rights.Reminders(r, rules, cal, after, cuts[i+1])...)
		}
		if !slices.Equal(got, all) {
			t.Fatalf("%v, want %v", got, all)
		}
		seen := map[rights.Reminder]bool{}
		late := 0
		for _, m := range all {
			if seen[m] {
				t.Fatalf("twice: %+v", m)
			}
			seen[m] = true
			if m.Kind == rights.Overdue && m.Task == rights.OweAnswer {
				late++
			}
		}
		if owed := !r.Deadline(rules).IsZero(); owed != (late == 1) || late > 1 {
			t.Fatalf("an answer is owed: %v, but %d reminders say it is late", owed, late)
		}
	})
}
