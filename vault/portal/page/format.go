package page

import (
	"strings"
	"time"

	textmessage "golang.org/x/text/message"
	"golang.org/x/text/number"
)

// number writes f without decimals, as the language does.
func (w *words) number(f float64) string {
	return textmessage.NewPrinter(w.lang.tag()).Sprint(number.Decimal(f, number.Scale(0)))
}

// date writes a day, as in 3 January 2027 and 3. Januar 2027.
func (w *words) date(t time.Time) (string, error) {
	month, err := w.text(monthKey(t.Month()))
	if err != nil {
		return "", err
	}
	return w.text("date.day", "day", t.Day(), "month", month, "year", t.Year())
}

// clock writes a day and a time of day, with the name of its zone.
func (w *words) clock(t time.Time) (string, error) {
	day, err := w.date(t)
	if err != nil {
		return "", err
	}
	return w.text("date.clock", "date", day, "time", t.Format("15:04"), "zone", t.Format("MST"))
}

// hour writes a time of day.
func (w *words) hour(t time.Time) (string, error) {
	return w.text("date.time", "time", t.Format("15:04"), "zone", t.Format("MST"))
}

func monthKey(m time.Month) string {
	return [...]string{
		"month.1", "month.2", "month.3", "month.4", "month.5", "month.6",
		"month.7", "month.8", "month.9", "month.10", "month.11", "month.12",
	}[m-1]
}

// list joins items, as in A, B and C.
func (w *words) list(items []string) (string, error) {
	if len(items) < 2 {
		return strings.Join(items, ""), nil
	}
	last := len(items) - 1
	return w.text("list.last", "before", strings.Join(items[:last], ", "), "last", items[last])
}

// period writes a number of days in the largest unit that it is a whole number of.
// A month counts as catalogs count it: a twelfth of 365.25 days, rounded up.
func (w *words) period(days int) (string, error) {
	months := days * 16 / 487
	switch {
	case months == 0 || (months*487+15)/16 != days:
		return w.count("period.days", days)
	case months%12 == 0:
		return w.count("period.years", months/12)
	default:
		return w.count("period.months", months)
	}
}
