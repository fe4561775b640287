package page

import (
	"slices"
	"time"
)

// History tells who has read the person's data.
type History struct {
	// Days, the latest first, and in each the latest reading first. None: nobody has.
	Days []ReadingDay
	// Newer and Older lead to the pages beside this one. Optional.
	Newer, Older string
}

func (History) about() about {
	return about{name: "history", title: "history.title", area: areaPerson, place: sectionHistory}
}

// A ReadingDay is what was read on one day.
type ReadingDay struct {
	Day      time.Time
	Readings []Reading
}

// A Reading is one occasion at which somebody read.
type Reading struct {
	At time.Time
	// Who names the role in plain words; empty: the person themself.
	Who string
	// Purpose is its title.
	Purpose string
	Fields  []string // titles
	Shown   Shown
	// Told is whom we told that a request was about the person (GDPR Art. 19): then nothing
	// was read. Optional.
	Told string
	// Times is how often it happened in a row, the last time then: 1, or more in what
	// [GroupByDay] returns.
	Times int
}

// like says whether two readings differ in nothing but their times.
func (r *Reading) like(o *Reading) bool {
	return r.Who == o.Who && r.Purpose == o.Purpose && r.Shown == o.Shown && r.Told == o.Told && slices.Equal(r.Fields, o.Fields)
}

// Shown is how much of the values was seen.
type Shown string

// The ways of showing. An unknown one is shown as plain, the most that can be.
const (
	ShownPlain  Shown = "plain"
	ShownMasked Shown = "masked" // parts of them only
	ShownHidden Shown = "hidden" // refused
)

func (s Shown) key() string {
	switch s {
	case ShownMasked:
		return "shown.masked"
	case ShownHidden:
		return "shown.hidden"
	default:
		return "shown.plain"
	}
}

// Tone is the colour: quiet, or good where little or nothing was seen.
func (s Shown) Tone() string {
	if s == ShownMasked || s == ShownHidden {
		return "good"
	}
	return "quiet"
}

// GroupByDay puts readings, the latest first, into days. Those in a row that are alike
// become one.
func GroupByDay(all []Reading) []ReadingDay {
	var days []ReadingDay
	for _, r := range all {
		r.Times = 1
		y, m, d := r.At.Date()
		last := len(days) - 1
		if last >= 0 {
			if y2, m2, d2 := days[last].Day.Date(); y == y2 && m == m2 && d == d2 {
				d := &days[last]
				if before := &d.Readings[len(d.Readings)-1]; before.like(&r) {
					before.Times++
				} else {
					d.Readings = append(d.Readings, r)
				}
				continue
			}
		}
		days = append(days, ReadingDay{Day: r.At, Readings: []Reading{r}})
	}
	return days
}
