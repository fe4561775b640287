package catalog

import (
	"slices"
	"strconv"
)

// What may be declared. They are the limits of package aggregate.
const (
	maxPersonRecords = 1024
	maxPersonGroups  = 64
	maxBins          = 1024
	maxListed        = 1000
	maxPrefix        = 8
	maxMeasured      = 1 << 36 // of a bound, times the records of a person
)

// statistics checks what a collection declares.
func (k *checker) statistics(path string, c *Collection) {
	s := c.Statistics
	if s == nil {
		return
	}
	if s.Records < 1 || s.Records > maxPersonRecords {
		k.add(path+".records", "must be from 1 to "+strconv.Itoa(maxPersonRecords))
	}
	if most := min(s.Records, maxPersonGroups); s.Groups < 1 || s.Groups > most {
		k.add(path+".groups", "must be from 1 to the lesser of records and "+strconv.Itoa(maxPersonGroups))
	}
	if len(s.Budgets) == 0 {
		k.add(path+".budgets", "is missing: without one for a purpose nothing can be asked")
	}
	if len(s.Fields) == 0 {
		k.add(path+".fields", "is missing")
	}
	seen := map[string]bool{}
	for i := range s.Budgets {
		b := &s.Budgets[i]
		k.budget(path+".budgets."+b.Purpose, b)
		if seen[b.Purpose] {
			k.add(path+".budgets."+b.Purpose, "stands twice")
		}
		seen[b.Purpose] = true
	}
	clear(seen)
	for i := range s.Fields {
		m := &s.Fields[i]
		path := path + ".fields." + m.Field
		if seen[m.Field] {
			k.add(path, "stands twice")
		}
		seen[m.Field] = true
		k.measured(path, m, s.Records)
	}
}

func (k *checker) budget(path string, b *Budget) {
	if _, ok := k.c.purposes[b.Purpose]; !ok {
		k.add(path, "names a purpose that is not declared")
	}
	if b.Epsilon < 1_000 || b.Epsilon > 10_000_000 {
		k.add(path+".epsilon", "must be from 0.001 to 10")
	}
	if b.Delta < 2 || b.Delta > 1_000_000_000_000 {
		k.add(path+".delta", "must be above 0, such as 0.000001, and at most 0.001")
	}
	if b.MinPeople < 1 || b.MinPeople > 1<<26 {
		k.add(path+".min_people", "must be from 1 to 67108864")
	}
}

func (k *checker) measured(path string, m *Measured, records int) {
	if m.of == nil {
		k.add(path, "is not a field of the collection")
		return
	}
	number, date, text := m.of.Type == TypeNumber, m.of.Type == TypeDate, m.of.Type == TypeText
	switch {
	case !number && !date && !text && m.of.Type != TypeBoolean:
		k.add(path, "is of type "+string(m.of.Type)+": statistics are of numbers, dates, texts and booleans")
		return
	case !number && (m.Decimals != 0 || m.Band != 0), !date && m.Period != "",
		!text && (m.Values != nil || m.Prefix != 0), !number && !date && (m.Low != 0 || m.High != 0 || m.Bins != 0):
		k.add(path, "has what does not fit its type")
	}
	if number || date {
		k.bounds(path, m, records)
	}
	if date && !slices.Contains([]string{"", PeriodMonth, PeriodQuarter, PeriodYear}, m.Period) {
		k.add(path+".period", "must be month, quarter or year")
	}
	if text {
		k.listed(path, m)
	}
}

func (k *checker) bounds(path string, m *Measured, records int) {
	if m.Decimals < 0 || m.Decimals > maxDecimals {
		k.add(path+".decimals", "must be from 0 to 6")
	}
	most := int64(maxMeasured / max(1, min(records, maxPersonRecords)))
	if m.Low >= m.High {
		k.add(path, "needs min and max, and max must be more than min")
		return
	}
	if m.Low < -most || m.High > most {
		k.add(path, "has bounds that are too far apart: in its smallest unit, times records, a bound may be up to 2^36")
		return
	}
	if m.Bins < 0 || m.Bins > maxBins || int64(m.Bins) > m.High-m.Low {
		k.add(path+".bins", "must be from 1 to "+strconv.Itoa(maxBins)+", and no more than there are values")
	}
	if m.Band < 0 || m.Band > 0 && m.bands() > maxListed {
		k.add(path+".band", "must be more than 0, and give at most "+strconv.Itoa(maxListed)+" groups")
	}
	if m.Period != "" && m.period(m.High)-m.period(m.Low) >= maxListed {
		k.add(path+".period", "gives more than "+strconv.Itoa(maxListed)+" groups")
	}
}

func (k *checker) listed(path string, m *Measured) {
	switch {
	case (m.Values == nil) == (m.Prefix == 0):
		k.add(path, "needs either values, a closed list, or prefix, a number of characters")
	case m.Values == nil && (m.Prefix < 1 || m.Prefix > maxPrefix):
		k.add(path+".prefix", "must be from 1 to "+strconv.Itoa(maxPrefix))
	case len(m.Values) > maxListed:
		k.add(path+".values", "has more than "+strconv.Itoa(maxListed)+" values")
	}
	seen := map[string]bool{}
	for i, v := range m.Values {
		at := path + ".values[" + strconv.Itoa(i) + "]"
		k.line(at, v)
		if seen[v] {
			k.add(at, "stands twice")
		}
		seen[v] = true
	}
}
