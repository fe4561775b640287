package catalog

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fieldvault/fieldvault/crypto/secret"
)

// Summed says whether the field's values can be summed.
func (m *Measured) Summed() bool { return m.of.Type == TypeNumber }

// Edges are the bins of a histogram, the i-th from Edges[i] to below Edges[i+1], with
// the label of each; nil if the field has none.
func (m *Measured) Edges() (edges []int64, labels []string) {
	if list := m.closed(); list != nil {
		for i := range len(list) + 1 {
			edges = append(edges, int64(i))
		}
		return edges, list
	}
	if m.Bins == 0 {
		return nil, nil
	}
	for i := range int64(m.Bins) + 1 {
		edges = append(edges, m.Low+i*(m.High-m.Low)/int64(m.Bins))
	}
	for i := range m.Bins {
		last := edges[i+1] - 1
		if i == m.Bins-1 {
			last = m.High
		}
		labels = append(labels, m.span(edges[i], last))
	}
	return edges, labels
}

// closed are the values of a field that has a closed list of them.
func (m *Measured) closed() []string {
	if m.of.Type == TypeBoolean {
		return []string{"false", "true"}
	}
	return m.Values
}

func (m *Measured) span(from, to int64) string {
	if m.of.Type == TypeDate {
		return dayTime(from).Format(time.DateOnly) + ".." + dayTime(to).Format(time.DateOnly)
	}
	return decimal(from, m.Decimals) + ".." + decimal(to, m.Decimals)
}

// Value gives the whole number that a stored value counts as: in units of
// 10^-Decimals, in days, or the index in the closed list. It is within the bounds. ok is
// false for what does not count.
func (m *Measured) Value(v secret.Bytes) (n int64, ok bool) {
	s := string(v.Expose())
	switch m.of.Type {
	case TypeNumber:
		n, _ = fixedPoint(s, m.Decimals)
		return min(max(n, m.Low), m.High), true
	case TypeDate:
		n, ok = dayNumber(s)
		return min(max(n, m.Low), m.High), ok
	default:
		i := slices.Index(m.closed(), s)
		return int64(i), i >= 0
	}
}

// Grouping lists the groups that the field makes, in their order. open: they are those
// of the data instead. ok is false if the field does not group.
func (m *Measured) Grouping() (labels []string, open, ok bool) {
	switch {
	case m.closed() != nil:
		return m.closed(), false, true
	case m.Prefix > 0:
		return nil, true, true
	case m.Band > 0:
		n := m.bands()
		for i := range n {
			last := m.Low + (i+1)*m.Band - 1
			if i == n-1 {
				last = m.High
			}
			labels = append(labels, m.span(m.Low+i*m.Band, last))
		}
		return labels, false, true
	case m.Period != "":
		for i := m.period(m.Low); i <= m.period(m.High); i++ {
			labels = append(labels, m.periodLabel(i))
		}
		return labels, false, true
	}
	return nil, false, false
}

// bands is how many there are. The last one has High in it.
func (m *Measured) bands() int64 { return (m.High - m.Low + m.Band - 1) / m.Band }

// period numbers the periods of dates.
func (m *Measured) period(n int64) int64 {
	t := dayTime(n)
	months := int64(t.Year())*12 + int64(t.Month()) - 1
	return months / m.months()
}

func (m *Measured) months() int64 {
	switch m.Period {
	case PeriodYear:
		return 12
	case PeriodQuarter:
		return 3
	}
	return 1
}

func (m *Measured) periodLabel(i int64) string {
	first := i * m.months()
	year := strconv.FormatInt(first/12, 10)
	year = strings.Repeat("0", max(0, 4-len(year))) + year
	switch m.Period {
	case PeriodYear:
		return year
	case PeriodQuarter:
		return year + "-Q" + strconv.FormatInt(first%12/3+1, 10)
	}
	month := strconv.FormatInt(first%12+1, 10)
	return year + "-" + strings.Repeat("0", 2-len(month)) + month
}

// Group says in which group a stored value is: the index of one of Grouping, or for open
// ones its label. ok is false for a value that is in none.
func (m *Measured) Group(v secret.Bytes) (index int, label string, ok bool) {
	if m.closed() == nil && m.Prefix > 0 {
		normal, err := m.of.Normalise(v)
		if err != nil {
			return 0, "", false
		}
		defer normal.Wipe()
		runes := []rune(strings.ToUpper(string(normal.Expose())))
		return 0, string(runes[:min(m.Prefix, len(runes))]), len(runes) > 0
	}
	n, ok := m.Value(v)
	switch {
	case !ok:
		return 0, "", false
	case m.Band > 0:
		return int(min((n-m.Low)/m.Band, m.bands()-1)), "", true
	case m.Period != "":
		return int(m.period(n) - m.period(m.Low)), "", true
	}
	return int(n), "", true
}
