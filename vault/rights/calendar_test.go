package rights_test

import (
	"errors"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the tests must not depend on the machine's zone files

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault/rights"
)

// calendar makes the calendars that the tables below speak of.
func calendar(t testing.TB, name string) rights.Calendar {
	t.Helper()
	zone, weekend, holidays := name, []string{"saturday", "sunday"}, []string(nil)
	switch name {
	case "none": // UTC, without weekend or holidays
		return rights.Calendar{}
	case "berlin":
		zone = "Europe/Berlin"
		holidays = []string{
			"01-01", "05-01", "10-03", "12-25", "12-26",
			"2026-04-03", "2026-04-06", "2026-05-14", "2026-05-25", // Good Friday, Easter Monday, Ascension, Whit Monday
		}
	case "california":
		zone = "America/Los_Angeles"
		holidays = []string{
			"01-01", "07-04", "12-25", "2026-01-19", "2026-02-16", "2026-05-25", // King, Presidents, Memorial Day
			"2026-07-03", "2026-09-07", "2026-11-26", "2026-11-27", // Independence Day kept, Labor Day, Thanksgiving and the day after
		}
	case "riyadh":
		zone, weekend = "Asia/Riyadh", []string{"friday", "saturday"}
	}
	c, err := rights.ParseCalendar(zone, weekend, holidays)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// local reads a time of a calendar's zone: "2026-03-05 10:00", or a date, at noon.
func local(t testing.TB, c rights.Calendar, s string) time.Time {
	t.Helper()
	loc, err := time.LoadLocation(c.Zone())
	if err != nil {
		t.Fatal(err)
	}
	if len(s) == len(time.DateOnly) {
		s += " 12:00"
	}
	at, err := time.ParseInLocation("2006-01-02 15:04", s, loc)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// TestEveryClock has what PRIVACY promises, day by day. The dates on the right were
// counted by hand on a wall calendar.
func TestEveryClock(t *testing.T) {
	const (
		answer   = "answer"
		extended = "extended"
		ack      = "acknowledge"
		forget   = "forget"
		again    = "ask again"
	)
	for _, tt := range []struct {
		clock, regime, calendar string
		kind                    rights.Kind
		from, last              string // the day it runs from, and its last day
		why                     string
	}{
		{answer, "gdpr", "berlin", rights.Access, "2026-06-15", "2026-07-15", "a month ends on the day with the same number"},
		{answer, "gdpr", "berlin", rights.Access, "2026-06-15 00:00", "2026-07-15", "the first minute of the day"},
		{answer, "gdpr", "berlin", rights.Access, "2026-06-15 23:59", "2026-07-15", "the last minute of the day, 21:59 in UTC"},
		{answer, "gdpr", "berlin", rights.Access, "2026-06-16 00:01", "2026-07-16", "two minutes later, still the 15th in UTC"},
		{answer, "gdpr", "none", rights.Access, "2026-03-05", "2026-04-05", "the example of EDPB 01/2022: 5 March to 5 April"},
		{answer, "gdpr", "berlin", rights.Access, "2026-03-05", "2026-04-07", "5 April 2026 is Easter Sunday: Tuesday"},
		{answer, "gdpr", "none", rights.Access, "2026-08-31", "2026-09-30", "the example of EDPB 01/2022: 31 August to 30 September"},
		{answer, "gdpr", "berlin", rights.Access, "2026-08-31", "2026-09-30", "a Wednesday"},
		{answer, "gdpr", "none", rights.Access, "2026-01-31", "2026-02-28", "February has no 31st"},
		{answer, "gdpr", "berlin", rights.Access, "2026-01-31", "2026-03-02", "28 February 2026 is a Saturday: Monday"},
		{answer, "gdpr", "none", rights.Access, "2026-01-29", "2026-02-28", "nor a 29th"},
		{answer, "gdpr", "berlin", rights.Access, "2028-01-31", "2028-02-29", "but in a leap year: a Tuesday"},
		{answer, "gdpr", "berlin", rights.Access, "2028-01-30", "2028-02-29", "the same"},
		{answer, "gdpr", "berlin", rights.Access, "2028-01-29", "2028-02-29", "the same number"},
		{answer, "gdpr", "berlin", rights.Access, "2028-01-28", "2028-02-28", "a Monday"},
		{answer, "gdpr", "berlin", rights.Access, "2028-02-29", "2028-03-29", "from the leap day"},
		{answer, "gdpr", "none", rights.Access, "2100-01-31", "2100-02-28", "2100 is no leap year"},
		{answer, "gdpr", "none", rights.Access, "2000-01-31", "2000-02-29", "2000 was one"},
		{answer, "gdpr", "berlin", rights.Access, "2027-01-29", "2027-03-01", "28 February 2027 is a Sunday: Monday"},
		{answer, "gdpr", "berlin", rights.Access, "2026-02-28", "2026-03-30", "28, not the last, of March: a Saturday"},
		{answer, "gdpr", "berlin", rights.Access, "2026-03-31", "2026-04-30", "a Thursday"},
		{answer, "gdpr", "berlin", rights.Portability, "2026-04-30", "2026-06-01", "30 May is a Saturday: June"},
		{answer, "gdpr", "berlin", rights.Rectification, "2026-04-01", "2026-05-04", "1 May, Friday and holiday: Monday"},
		{answer, "gdpr", "berlin", rights.Erasure, "2026-04-14", "2026-05-15", "Ascension: Friday"},
		{answer, "gdpr", "berlin", rights.Restriction, "2026-04-25", "2026-05-26", "received on a Saturday; Whit Monday: Tuesday"},
		{answer, "gdpr", "berlin", rights.Objection, "2026-03-03", "2026-04-07", "Good Friday, and Easter after it: Tuesday"},
		{answer, "gdpr", "berlin", rights.OptOut, "2026-03-07", "2026-04-07", "received on a Saturday"},
		{answer, "gdpr", "berlin", rights.Question, "2026-12-25", "2027-01-25", "received on a holiday"},
		{answer, "gdpr", "berlin", rights.Access, "2026-12-01", "2027-01-04", "New Year's Day, a Friday: Monday"},
		{answer, "gdpr", "berlin", rights.Access, "2026-12-31", "2027-02-01", "31 January 2027 is a Sunday: Monday"},
		{answer, "gdpr", "berlin", rights.Access, "2026-11-25", "2026-12-28", "Christmas, Boxing Day on a Saturday, Sunday: Monday"},
		{answer, "gdpr", "berlin", rights.Access, "2026-09-03", "2026-10-05", "3 October, a holiday on a Saturday: Monday"},
		{answer, "gdpr", "riyadh", rights.Access, "2026-05-05", "2026-06-07", "5 June is a Friday, there the weekend: Sunday"},

		{extended, "gdpr", "berlin", rights.Access, "2026-01-31", "2026-04-30", "three months from the start, not two from 2 March"},
		{extended, "gdpr", "berlin", rights.Access, "2026-11-30", "2027-03-01", "28 February 2027 is a Sunday: Monday"},
		{extended, "gdpr", "berlin", rights.Access, "2027-11-30", "2028-02-29", "the leap day"},
		{extended, "gdpr", "berlin", rights.Access, "2026-10-15", "2027-01-15", "over the year's end"},
		{extended, "gdpr", "berlin", rights.Access, "2026-01-05", "2026-04-07", "Easter Sunday: Tuesday"},
		{extended, "gdpr", "berlin", rights.Access, "2026-12-31", "2027-03-31", "a Wednesday"},

		{answer, "ccpa", "california", rights.Access, "2026-01-01", "2026-02-15", "the 45th day; a Sunday does not move it"},
		{answer, "ccpa", "california", rights.Erasure, "2026-01-15", "2026-03-01", "45 days over February"},
		{answer, "ccpa", "california", rights.Erasure, "2028-01-15", "2028-02-29", "of a leap year"},
		{answer, "ccpa", "california", rights.Rectification, "2026-11-16", "2026-12-31", "to the year's end"},
		{answer, "ccpa", "california", rights.Portability, "2026-11-17", "2027-01-01", "and over it"},
		{answer, "ccpa", "california", rights.Access, "2027-02-01", "2027-03-18", "27 days left in February"},
		{answer, "ccpa", "california", rights.Access, "2028-02-01", "2028-03-17", "28 days left in February"},
		{answer, "ccpa", "california", rights.Access, "2026-03-01", "2026-04-15", "over the change of the clocks"},
		{answer, "ccpa", "california", rights.Access, "2026-06-15 23:59", "2026-07-30", "the 16th in UTC"},
		{answer, "ccpa", "california", rights.Access, "2026-06-16 00:01", "2026-07-31", "two minutes later"},
		{answer, "ccpa", "california", rights.Question, "2026-06-16", "2026-07-31", "as other requests"},

		{extended, "ccpa", "california", rights.Access, "2026-01-01", "2026-04-01", "90 days"},
		{extended, "ccpa", "california", rights.Access, "2028-01-01", "2028-03-31", "of a leap year"},
		{extended, "ccpa", "california", rights.Access, "2026-10-03", "2027-01-01", "over the year's end"},

		{ack, "ccpa", "california", rights.Access, "2026-06-01", "2026-06-15", "ten business days from a Monday"},
		{ack, "ccpa", "california", rights.Access, "2026-06-05", "2026-06-19", "from a Friday"},
		{ack, "ccpa", "california", rights.Access, "2026-06-06", "2026-06-19", "from a Saturday: Monday is day 1"},
		{ack, "ccpa", "california", rights.Access, "2026-06-07", "2026-06-19", "from a Sunday: the same"},
		{ack, "ccpa", "california", rights.Erasure, "2026-11-16", "2026-12-02", "Thanksgiving and the day after"},
		{ack, "ccpa", "california", rights.Erasure, "2026-12-18", "2027-01-05", "Christmas and New Year's Day"},
		{ack, "ccpa", "california", rights.Access, "2026-06-22", "2026-07-07", "Independence Day, kept on the Friday"},
		{ack, "ccpa", "california", rights.Access, "2026-01-05", "2026-01-20", "a holiday on the tenth day"},
		{ack, "ccpa", "riyadh", rights.Access, "2026-06-03", "2026-06-17", "another weekend"},
		{ack, "ccpa", "none", rights.Access, "2026-06-03", "2026-06-13", "no weekend at all"},

		{answer, "ccpa", "california", rights.OptOut, "2026-06-01", "2026-06-22", "15 business days from a Monday"},
		{answer, "ccpa", "california", rights.OptOut, "2026-07-01", "2026-07-23", "Independence Day, kept on the Friday"},
		{answer, "ccpa", "california", rights.OptOut, "2026-11-20", "2026-12-15", "Thanksgiving and the day after"},
		{answer, "ccpa", "california", rights.OptOut, "2026-12-12", "2027-01-05", "from a Saturday, over the year's end"},
		{answer, "ccpa", "california", rights.OptOut, "2026-02-13", "2026-03-09", "Presidents' Day, and the change of the clocks"},
		{answer, "ccpa", "california", rights.Restriction, "2026-06-01", "2026-06-22", "to limit is to opt out"},
		{answer, "ccpa", "california", rights.Objection, "2026-06-01", "2026-06-22", "to object too"},

		{forget, "gdpr", "berlin", rights.Access, "2026-01-15", "2029-01-15", "36 months"},
		{forget, "gdpr", "berlin", rights.Access, "2026-01-03", "2029-01-03", "not moved by a weekend"},
		{forget, "ccpa", "california", rights.Access, "2026-08-31", "2028-08-31", "24 months"},
		{forget, "ccpa", "california", rights.Access, "2028-02-29", "2030-02-28", "from the leap day"},
		{again, "ccpa", "california", rights.OptOut, "2026-03-01", "2027-03-01", "12 months"},
		{again, "ccpa", "california", rights.OptOut, "2028-02-29", "2029-02-28", "from the leap day"},
		{again, "ccpa", "california", rights.OptOut, "2026-12-31 23:59", "2027-12-31", "the next year in UTC"},
		{again, "gdpr", "berlin", rights.OptOut, "2026-03-01", "2027-03-01", "12 months"},
	} {
		name := strings.Join([]string{tt.clock, tt.regime, tt.calendar, string(tt.kind), tt.from}, " ")
		cal, rules := calendar(t, tt.calendar), rights.Default(rights.Regime(tt.regime))
		from := local(t, cal, tt.from)
		r := filed(t, tt.kind, rules, cal, from)
		var missed time.Time
		switch tt.clock {
		case answer:
			missed = r.Due
		case extended:
			missed = apply(t, r, rights.Step{Do: rights.Extend, Reason: rights.Complexity, Told: true}, rules, cal, from).ExtendedTo
		case ack:
			s := rights.Clock(r, rules, cal, from)
			if s.Task != rights.OweAcknowledgement {
				t.Errorf("%s: %s is owed", name, s.Task)
			}
			missed = s.By
		case forget:
			missed = rights.Forget(apply(t, r, rights.Step{Do: rights.Cancel}, rules, cal, from), rules, cal)
		case again:
			missed = rights.AskAgain(from, rules, cal)
		}
		if got := cal.LastDay(missed).String(); got != tt.last {
			t.Errorf("%s: last day %s, want %s: %s", name, got, tt.last, tt.why)
		}
		if first := cal.Day(missed); first != cal.LastDay(missed).AddDays(1) {
			t.Errorf("%s: missed on %s, not the day after %s", name, first, tt.last)
		}
	}
}

// filed is a request of the kind, without proof of identity, received at an instant.
func filed(t testing.TB, k rights.Kind, rules rights.Rules, cal rights.Calendar, at time.Time) rights.Request {
	t.Helper()
	return apply(t, rights.Request{}, rights.Step{Do: rights.File, ID: uuid.UUID{1}, Kind: k}, rules, cal, at)
}

func apply(t testing.TB, r rights.Request, s rights.Step, rules rights.Rules, cal rights.Calendar, at time.Time) rights.Request {
	t.Helper()
	r, err := rights.Apply(r, s, rules, cal, at)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestEndOfADay has the instants at which a day is over, where clocks are odd.
func TestEndOfADay(t *testing.T) {
	for _, tt := range []struct{ zone, day, over, why string }{
		{"UTC", "2026-06-15", "2026-06-16T00:00:00Z", "midnight"},
		{"Europe/Berlin", "2026-07-15", "2026-07-15T22:00:00Z", "summer"},
		{"Europe/Berlin", "2026-01-15", "2026-01-15T23:00:00Z", "winter"},
		{"Europe/Berlin", "2026-03-28", "2026-03-28T23:00:00Z", "the day before the clocks go forward"},
		{"Europe/Berlin", "2026-03-29", "2026-03-29T22:00:00Z", "a day of 23 hours"},
		{"Europe/Berlin", "2026-10-24", "2026-10-24T22:00:00Z", "the day before they go back"},
		{"Europe/Berlin", "2026-10-25", "2026-10-25T23:00:00Z", "a day of 25 hours"},
		{"America/Los_Angeles", "2026-03-07", "2026-03-08T08:00:00Z", "the day before the clocks go forward"},
		{"America/Los_Angeles", "2026-03-08", "2026-03-09T07:00:00Z", "a day of 23 hours"},
		{"America/Los_Angeles", "2026-10-31", "2026-11-01T07:00:00Z", "the day before they go back"},
		{"America/Los_Angeles", "2026-11-01", "2026-11-02T08:00:00Z", "a day of 25 hours"},
		{"America/Los_Angeles", "2026-12-31", "2027-01-01T08:00:00Z", "the year's end"},
		{"America/Sao_Paulo", "2018-11-03", "2018-11-04T03:00:00Z", "no midnight: 00:00 is 01:00"},
		{"America/Sao_Paulo", "2018-02-17", "2018-02-18T03:00:00Z", "at midnight it is 23:00 again"},
		{"America/Havana", "2026-03-07", "2026-03-08T05:00:00Z", "no midnight"},
		{"America/Havana", "2025-11-01", "2025-11-02T04:00:00Z", "two midnights of the same day: the first"},
		{"Asia/Beirut", "2026-03-28", "2026-03-28T22:00:00Z", "no midnight"},
		{"Africa/Cairo", "2026-04-23", "2026-04-23T22:00:00Z", "no midnight"},
		{"Africa/Cairo", "2026-10-29", "2026-10-29T22:00:00Z", "at midnight it is 23:00 again"},
		{"America/St_Johns", "2010-11-06", "2010-11-07T03:30:00Z", "at 00:01 it is 23:01 again, of the day before"},
		{"Pacific/Apia", "2011-12-29", "2011-12-30T10:00:00Z", "the day after is left out"},
		{"Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00Z", "left out"},
		{"Pacific/Apia", "2011-12-31", "2011-12-31T10:00:00Z", "the first on the other side of the date line"},
		{"Asia/Kathmandu", "2026-06-15", "2026-06-15T18:15:00Z", "three quarters of an hour"},
		{"Pacific/Chatham", "2026-06-15", "2026-06-15T11:15:00Z", "winter, in the south"},
		{"Pacific/Kiritimati", "2026-06-15", "2026-06-15T10:00:00Z", "as early as it gets"},
		{"Etc/GMT+12", "2026-06-15", "2026-06-16T12:00:00Z", "as late as it gets"},
	} {
		c, err := rights.ParseCalendar(tt.zone, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		day := c.Day(local(t, c, tt.day))
		if tt.day == "2011-12-30" {
			day = rights.Date{Year: 2011, Month: 12, Day: 30} // no instant is on it
		}
		over := c.End(day)
		if got := over.Format(time.RFC3339Nano); got != tt.over {
			t.Errorf("%s, %s is over at %s, want %s: %s", tt.zone, tt.day, got, tt.over, tt.why)
		}
		if before, after := c.Day(over.Add(-1)), c.Day(over); day.Before(before) || !day.Before(after) {
			t.Errorf("%s, %s: it is %s before and %s after", tt.zone, tt.day, before, after)
		}
	}
}

// TestStartOfEveryDay goes by the clock, hour by hour, where clocks are odd.
func TestStartOfEveryDay(t *testing.T) {
	for _, zone := range []string{"Europe/Berlin", "America/Havana", "America/Sao_Paulo", "America/St_Johns", "Pacific/Apia", "Africa/Cairo", "Antarctica/Troll"} {
		c, err := rights.ParseCalendar(zone, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		for at := time.Date(2009, 1, 1, 0, 0, 0, 0, time.UTC); at.Year() < 2013; at = at.Add(20 * time.Minute) {
			day := c.Day(at)
			if over := c.End(day); !at.Before(over) {
				t.Fatalf("%s: at %s it is still %s, which is over at %s", zone, at, day, over)
			}
			if start := c.Start(day); !c.Day(start.Add(-1)).Before(day) || c.Day(start) != day {
				t.Fatalf("%s: %s begins at %s", zone, day, start)
			}
		}
	}
}

func TestParseCalendar(t *testing.T) {
	c, err := rights.ParseCalendar("Europe/Berlin", []string{"sunday", "saturday"}, []string{"12-25", "2026-04-06", "02-29", "12-25"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"02-29", "12-25", "2026-04-06"}, c.Holidays()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"sunday", "saturday"}, c.Weekend()); diff != "" {
		t.Error(diff)
	}
	for day, works := range map[string]bool{
		"2026-04-06": false, "2027-04-06": true, "2026-12-25": false, "2028-12-25": false,
		"2028-02-29": false, "2026-03-01": false, "2026-02-28": false, "2026-03-02": true,
	} {
		if d := c.Day(local(t, c, day)); c.Works(d) != works {
			t.Errorf("%s works: %v", day, !works)
		}
	}
}

func TestParseCalendarRefuses(t *testing.T) {
	many := make([]string, 61)
	for i := range many {
		many[i] = time.Date(2024, 1, 1+i, 0, 0, 0, 0, time.UTC).Format("01-02")
	}
	week := []string{"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"}
	for _, tt := range []struct {
		field, zone       string
		weekend, holidays []string
	}{
		{"zone", "", nil, nil},
		{"zone", "Local", nil, nil},
		{"zone", "Europe/Atlantis", nil, nil},
		{"zone", "../../etc/localtime", nil, nil},
		{"zone", "/etc/localtime", nil, nil},
		{"zone", "UTC\x00", nil, nil},
		{"weekend", "UTC", []string{"Saturday"}, nil},
		{"weekend", "UTC", []string{"sat"}, nil},
		{"weekend", "UTC", []string{""}, nil},
		{"weekend", "UTC", []string{"sunday", "sunday"}, nil},
		{"weekend", "UTC", week, nil},
		{"holidays", "UTC", nil, []string{""}},
		{"holidays", "UTC", nil, []string{"2026-02-29"}},
		{"holidays", "UTC", nil, []string{"02-30"}},
		{"holidays", "UTC", nil, []string{"2-3"}},
		{"holidays", "UTC", nil, []string{"26-12-25"}},
		{"holidays", "UTC", nil, []string{"0000-01-01"}},
		{"holidays", "UTC", nil, []string{"2026-13-01"}},
		{"holidays", "UTC", nil, []string{"25.12."}},
		{"holidays", "UTC", nil, []string{"2026-12-25T00:00:00Z"}},
		{"holidays", "UTC", nil, []string{" 12-25"}},
		{"holidays", "UTC", nil, many},
	} {
		_, err := rights.ParseCalendar(tt.zone, tt.weekend, tt.holidays)
		var wrong *rights.ConfigError
		if !errors.As(err, &wrong) || !errors.Is(err, rights.ErrConfig) || wrong.Field != tt.field {
			t.Errorf("%q %q %.3q: %v, want an error of %s", tt.zone, tt.weekend, tt.holidays, err, tt.field)
		}
	}
}

// FuzzParseCalendarHasOneForm: what is accepted can be written down and read again, and
// always has a business day to come.
func FuzzParseCalendarHasOneForm(f *testing.F) {
	f.Add("Europe/Berlin", "saturday sunday", "12-25 2026-04-06")
	f.Add("UTC", "", "02-29")
	f.Add("Local", "saturday", "2026-1-1")
	f.Fuzz(func(t *testing.T, zone, weekend, holidays string) {
		c, err := rights.ParseCalendar(zone, strings.Fields(weekend), strings.Fields(holidays))
		if err != nil {
			if !errors.Is(err, rights.ErrConfig) {
				t.Fatal(err)
			}
			return
		}
		again, err := rights.ParseCalendar(c.Zone(), c.Weekend(), c.Holidays())
		if err != nil {
			t.Fatalf("%s %q %q: %v", c.Zone(), c.Weekend(), c.Holidays(), err)
		}
		if c.Zone() != again.Zone() || !cmp.Equal(c.Weekend(), again.Weekend()) || !cmp.Equal(c.Holidays(), again.Holidays()) {
			t.Fatalf("%s %q %q, and read again %s %q %q", c.Zone(), c.Weekend(), c.Holidays(), again.Zone(), again.Weekend(), again.Holidays())
		}
		day := rights.Date{Year: 2026, Month: 12, Day: 24}
		if next := c.AddBusinessDays(day, 1); !c.Works(next) || !day.Before(next) {
			t.Fatalf("the business day after %s is %s", day, next)
		}
	})
}
