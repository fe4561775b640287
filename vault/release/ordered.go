package release

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
)

// Numbers returns the hierarchy of a number: the number, then bands of widths[0], and so
// on, then [All]. Bands begin at the multiples of their width: "20-29" is from 20 to
// below 30. Each width must be a multiple of the one before and greater than it, or values
// would part again at a coarser level.
func Numbers(widths ...int64) (Hierarchy, error) {
	for i, w := range widths {
		if w < 1 || i > 0 && (w <= widths[i-1] || w%widths[i-1] != 0) {
			return Hierarchy{}, errors.New("each width of a band must be a multiple of the one before")
		}
	}
	return newHierarchy(bands(slices.Clone(widths))), nil
}

type bands []int64

func (b bands) levels() []string {
	names := []string{"as it is"}
	for _, w := range b {
		names = append(names, fmt.Sprintf("in bands of %d", w))
	}
	return names
}

func (bands) ordered() bool { return true }

// exact is the greatest whole number up to which a float64 knows every one.
const exact = 1 << 53

func (bands) clean(v string) (string, bool) {
	f, err := strconv.ParseFloat(v, 64)
	if err != nil || math.IsNaN(f) || math.Abs(f) > exact {
		return "", false
	}
	if f == 0 {
		f = 0 // not the negative one
	}
	return strconv.FormatFloat(f, 'f', -1, 64), true
}

func (bands) place(v string) float64 {
	f, _ := strconv.ParseFloat(v, 64) // v is clean
	return f
}

func (b bands) at(v string, level int) string {
	if level == 0 {
		return v
	}
	w, n := b[level-1], int64(math.Floor(b.place(v)))
	low := n - ((n%w)+w)%w
	switch {
	case w == 1:
		return strconv.FormatInt(low, 10)
	case low < 0:
		return fmt.Sprintf("%d to %d", low, low+w-1)
	}
	return fmt.Sprintf("%d-%d", low, low+w-1)
}

// Step is a part of the calendar.
type Step int

// The steps of a calendar, from fine to coarse.
const (
	Month   Step = iota + 1 // 2026-03
	Quarter                 // 2026-Q1
	Year                    // 2026
	Decade                  // 2020-2029
)

// Dates returns the hierarchy of a date, written as in RFC 3339 with or without a time of
// day: the day, then each of the steps, then [All]. The steps must grow.
func Dates(steps ...Step) (Hierarchy, error) {
	for i, s := range steps {
		if s < Month || s > Decade || i > 0 && s <= steps[i-1] {
			return Hierarchy{}, errors.New("the steps of a calendar must grow, from month to decade")
		}
	}
	return newHierarchy(calendar(slices.Clone(steps))), nil
}

type calendar []Step

func (c calendar) levels() []string {
	names := []string{"by day"}
	for _, s := range c {
		names = append(names, []string{"by month", "by quarter", "by year", "by decade"}[s-Month])
	}
	return names
}

func (calendar) ordered() bool { return true }

func (calendar) clean(v string) (string, bool) {
	if at, err := time.Parse(time.RFC3339Nano, v); err == nil {
		return at.Format(time.DateOnly), true
	}
	_, err := time.Parse(time.DateOnly, v)
	return v, err == nil
}

func (calendar) place(v string) float64 {
	at, _ := time.Parse(time.DateOnly, v) // v is clean
	return float64(at.Unix() / (24 * 60 * 60))
}

func (c calendar) at(v string, level int) string {
	if level == 0 {
		return v
	}
	at, _ := time.Parse(time.DateOnly, v) // v is clean
	switch y := at.Year(); c[level-1] {
	case Month:
		return at.Format("2006-01")
	case Quarter:
		return fmt.Sprintf("%04d-Q%d", y, (at.Month()+2)/3)
	case Year:
		return at.Format("2006")
	default: // a decade
		return fmt.Sprintf("%04d-%04d", y/10*10, y/10*10+9)
	}
}
