package rights

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Bounds of a calendar. A day that comes back each year must not use up the working
// days of a week.
const (
	maxHolidays = 2000
	maxYearly   = 60
)

// Calendar is where and when people work: a time zone, the days of the weekend and the
// holidays. The zero value is UTC, without weekend or holidays. A Calendar is not
// changed once made, and may be used concurrently.
type Calendar struct {
	zone    *time.Location // nil: UTC
	weekend [7]bool
	once    map[Date]bool
	yearly  map[Date]bool // of year 0
}

// ParseCalendar makes a calendar of
//
//   - zone, the IANA name of a time zone: "Europe/Berlin", "UTC";
//   - weekend, the days of the week on which nobody works: "saturday", "sunday". At most
//     six, each once;
//   - holidays, each a date, "2026-04-06", or a day that comes back each year, "12-25".
//     "02-29" comes back in leap years. At most 2,000, of which at most 60 come back.
//
// Anything else is a [ConfigError], which names the part and quotes what is wrong.
func ParseCalendar(zone string, weekend, holidays []string) (Calendar, error) {
	c := Calendar{once: map[Date]bool{}, yearly: map[Date]bool{}}
	loc, err := time.LoadLocation(zone)
	if err != nil || zone == "" || zone == "Local" {
		return Calendar{}, &ConfigError{"zone", fmt.Sprintf("%q is not a time zone such as Europe/Berlin", zone)}
	}
	c.zone = loc
	for _, name := range weekend {
		if err := c.addWeekend(name); err != nil {
			return Calendar{}, err
		}
	}
	if len(weekend) == 7 {
		return Calendar{}, &ConfigError{"weekend", "no day is left to work on"}
	}
	for _, day := range holidays {
		if err := c.addHoliday(day); err != nil {
			return Calendar{}, err
		}
	}
	if len(holidays) > maxHolidays || len(c.yearly) > maxYearly {
		return Calendar{}, &ConfigError{"holidays", fmt.Sprintf("more than %d, or more than %d that come back each year", maxHolidays, maxYearly)}
	}
	return c, nil
}

func (c *Calendar) addWeekend(name string) error {
	for d := time.Sunday; d <= time.Saturday; d++ {
		if strings.ToLower(d.String()) == name && !c.weekend[d] {
			c.weekend[d] = true
			return nil
		}
	}
	return &ConfigError{"weekend", fmt.Sprintf("%q is not a day of the week, in lower case, or stands there twice", name)}
}

func (c *Calendar) addHoliday(day string) error {
	if d, ok := parseDate(day); ok {
		c.once[d] = true
		return nil
	}
	if d, ok := parseDate("0004-" + day); ok { // a leap year
		c.yearly[Date{0, d.Month, d.Day}] = true
		return nil
	}
	return &ConfigError{"holidays", fmt.Sprintf("%q is not a date such as 2026-04-06, or a day of every year such as 12-25", day)}
}

// Zone returns the name of the time zone.
func (c Calendar) Zone() string { return c.loc().String() }

// Weekend returns the days of the weekend, as ParseCalendar takes them, from Sunday on.
func (c Calendar) Weekend() []string {
	var days []string
	for d := time.Sunday; d <= time.Saturday; d++ {
		if c.weekend[d] {
			days = append(days, strings.ToLower(d.String()))
		}
	}
	return days
}

// Holidays returns the holidays as ParseCalendar takes them, sorted, each once.
func (c Calendar) Holidays() []string {
	var days []string
	for d := range maps.Keys(c.once) {
		days = append(days, d.String())
	}
	for d := range maps.Keys(c.yearly) {
		days = append(days, strings.TrimPrefix(d.String(), "0000-"))
	}
	slices.Sort(days)
	return days
}

// Day returns the date in the calendar's zone at an instant.
func (c Calendar) Day(t time.Time) Date { return dateOf(t.In(c.loc())) }

// Works reports whether d is a business day: neither on the weekend nor a holiday.
func (c Calendar) Works(d Date) bool {
	return !c.weekend[d.Weekday()] && !c.once[d] && !c.yearly[Date{0, d.Month, d.Day}]
}

// Roll returns d if it is a business day, else the next one.
func (c Calendar) Roll(d Date) Date {
	for !c.Works(d) {
		d = d.AddDays(1)
	}
	return d
}

// AddBusinessDays returns the n-th business day after d; d itself if n is 0 or less.
func (c Calendar) AddBusinessDays(d Date, n int) Date {
	for range n {
		d = c.Roll(d.AddDays(1))
	}
	return d
}

// Start returns the instant at which d begins in the calendar's zone: from it on it is
// never earlier than d there. Where clocks are put forward over midnight it is when they
// are; where they are put back over midnight it is the later midnight; where a zone has
// left out the day altogether it is the start of the next one.
func (c Calendar) Start(d Date) time.Time {
	midnight := d.utc() // by clocks that show UTC; zones are less than two days from it
	t, end := midnight.Add(-48*time.Hour), midnight.Add(48*time.Hour)
	start := t
	for t.Before(end) {
		in := t.In(c.loc())
		_, offset := in.Zone()
		_, next := in.ZoneBounds() // zero: for ever
		until := midnight.Add(-time.Duration(offset) * time.Second)
		if next.IsZero() || next.After(end) {
			next = end
		}
		if until.After(next) {
			until = next // the clocks are changed before they show d
		}
		if until.After(t) {
			start = until
		}
		t = next
	}
	return start.UTC()
}

// End returns the instant at which d is over: that at which a deadline that ends with d
// is missed.
func (c Calendar) End(d Date) time.Time { return c.Start(d.AddDays(1)) }

// LastDay is the inverse of End: the last day on which a deadline is kept.
func (c Calendar) LastDay(missed time.Time) Date { return c.Day(missed.Add(-1)) }

func (c Calendar) loc() *time.Location {
	if c.zone == nil {
		return time.UTC
	}
	return c.zone
}
