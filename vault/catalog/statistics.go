package catalog

import (
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// Statistics says what may be learnt about the people of a collection without looking
// at anyone: for which purposes, how much in all, and how each field counts. What it
// declares is no secret. A field that it does not name is in no statistic.
type Statistics struct {
	// Records and Groups are how many records of one person count in one answer, and
	// in how many groups, at most: 1 to 1024, and 1 to the lesser of Records and 64.
	Records int `json:"records"`
	Groups  int `json:"groups"`

	Budgets []Budget   `json:"budgets"`
	Fields  []Measured `json:"fields"`
}

// Budget is how much may be learnt for one purpose, for ever: all answers together are
// (Epsilon, Delta)-differentially private.
type Budget struct {
	Purpose string `json:"purpose"`
	Epsilon int64  `json:"epsilon"` // in millionths, from 1_000 to 10_000_000
	Delta   int64  `json:"delta"`   // in 10^-15, from 2 to 10^12

	// MinPeople is the noisy number of people that a group needs to be shown, where the
	// groups are those of the data.
	MinPeople int64 `json:"min_people"`
}

// The periods that group dates.
const (
	PeriodMonth   = "month"
	PeriodQuarter = "quarter"
	PeriodYear    = "year"
)

// Measured says how a field counts in statistics.
type Measured struct {
	Field string `json:"field"`

	// Low and High bound a number or a date, and values outside count as the nearer
	// one. A number is in units of 10^-Decimals, of which further digits are cut off; a
	// date is in days since 1970-01-01.
	Low      int64 `json:"low,omitempty"`
	High     int64 `json:"high,omitempty"`
	Decimals int   `json:"decimals,omitempty"`

	// Bins is how many bins a histogram of numbers or dates has; 0: there is none.
	Bins int `json:"bins,omitempty"`

	// Values are all that count of a text; others are left out.
	Values []string `json:"values,omitempty"`

	// Band is the width by which numbers are grouped, in the units of Low, Period that of
	// dates, and Prefix the number of first characters that group a text. 0 or "": not so.
	Band   int64  `json:"band,omitempty"`
	Period string `json:"period,omitempty"`
	Prefix int    `json:"prefix,omitempty"`

	of *Field // nil: there is none
}

// Budget finds the budget of a purpose.
func (s *Statistics) Budget(purpose string) (*Budget, bool) {
	if s == nil {
		return nil, false
	}
	for i := range s.Budgets {
		if s.Budgets[i].Purpose == purpose {
			return &s.Budgets[i], true
		}
	}
	return nil, false
}

// Measured finds how a field counts in statistics.
func (c *Collection) Measured(field string) (*Measured, bool) {
	if c.Statistics == nil {
		return nil, false
	}
	for i := range c.Statistics.Fields {
		if m := &c.Statistics.Fields[i]; m.Field == field && m.of != nil {
			return m, true
		}
	}
	return nil, false
}

// clone copies what link changes.
func (s *Statistics) clone() *Statistics {
	if s == nil {
		return nil
	}
	out := *s
	out.Fields = append([]Measured(nil), s.Fields...)
	return &out
}

// linkStatistics leads from how a field counts to the field.
func (c *Collection) linkStatistics() {
	if c.Statistics == nil {
		return
	}
	for i := range c.Statistics.Fields {
		m := &c.Statistics.Fields[i]
		m.of = c.fields[m.Field]
	}
}

// statistics reads them, after the fields of the collection.
func (r *reader) statistics(e entry, fields []Field) *Statistics {
	if e.value == nil {
		return nil
	}
	o := r.object(e.value, e.path, "records", "groups", "budgets", "fields")
	s := &Statistics{Records: o.integer("records", 1), Groups: o.integer("groups", 1)}
	for _, b := range o.members("budgets") {
		p := r.object(b.value, b.path, "epsilon", "delta", "min_people")
		s.Budgets = append(s.Budgets, Budget{
			Purpose: b.key, Epsilon: p.fixed("epsilon", 6), Delta: p.fixed("delta", 15), MinPeople: int64(p.integer("min_people", 0)),
		})
	}
	for _, f := range o.members("fields") {
		typ := Type("")
		for i := range fields {
			if fields[i].Name == f.key {
				typ = fields[i].Type
			}
		}
		s.Fields = append(s.Fields, r.measured(f, typ))
	}
	return s
}

// measured reads the keys that fit the type.
func (r *reader) measured(e entry, typ Type) Measured {
	m := Measured{Field: e.key}
	switch typ {
	case TypeNumber:
		o := r.object(e.value, e.path, "min", "max", "decimals", "bins", "band")
		m.Decimals = o.integer("decimals", 0)
		if m.Decimals < 0 || m.Decimals > maxDecimals {
			r.add(place(o.values["decimals"].value), e.path+".decimals", "must be from 0 to 6")
			m.Decimals = 0
		}
		m.Low, m.High = o.fixed("min", m.Decimals), o.fixed("max", m.Decimals)
		m.Bins, m.Band = o.integer("bins", 0), o.fixed("band", m.Decimals)
	case TypeDate:
		o := r.object(e.value, e.path, "min", "max", "bins", "period")
		m.Low, m.High = o.date("min"), o.date("max")
		m.Bins, m.Period = o.integer("bins", 0), o.text("period")
	case TypeText:
		o := r.object(e.value, e.path, "values", "prefix")
		m.Values, m.Prefix = o.list("values"), o.integer("prefix", 0)
	default:
		r.object(e.value, e.path) // a boolean needs nothing said; others are refused
	}
	return m
}

// maxDecimals is how many digits behind the point count at most.
const maxDecimals = 6

// fixed reads a number with at most so many digits behind the point, in units of the
// last one; absent is 0.
func (o object) fixed(key string, digits int) int64 {
	e := o.values[key]
	var text string
	switch n := e.value.(type) {
	case nil:
		return 0
	case *ast.IntegerNode:
		text = n.Token.Value
	case *ast.FloatNode:
		text = n.Token.Value
	case *ast.StringNode: // 1e-6 is text to the parser
		text = n.Value
	}
	if s, ok := canonicalNumber(text); ok {
		if n, exact := fixedPoint(s, digits); exact && n > -maxFixed && n < maxFixed {
			return n
		}
	}
	o.r.add(place(e.value), e.path, "must be a number with at most "+strconv.Itoa(digits)+" digits behind the point")
	return 0
}

// date reads a day, as days since 1970-01-01; absent is a problem.
func (o object) date(key string) int64 {
	s := o.text(key)
	n, ok := dayNumber(s)
	if !ok {
		o.r.add(place(o.values[key].value), o.path+"."+key, "must be a date such as 2020-01-31")
	}
	return n
}

const day = 24 * 60 * 60

func dayNumber(s string) (int64, bool) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil || !validDate(s) {
		return 0, false
	}
	return t.Unix() / day, true // a day at midnight is a multiple
}

func dayTime(n int64) time.Time { return time.Unix(n*day, 0).UTC() }

// maxFixed is more than any bound may be.
const maxFixed = 1 << 53

// fixedPoint gives a canonical number in units of 10^-digits, without what is behind
// them, and says whether that is nothing. Beyond ±maxFixed it is that.
func fixedPoint(s string, digits int) (n int64, exact bool) {
	rest, negative := strings.CutPrefix(s, "-")
	whole, fraction, _ := strings.Cut(rest, ".")
	exact = len(fraction) <= digits
	if !exact {
		fraction = fraction[:digits]
	}
	for _, d := range whole + fraction + strings.Repeat("0", digits-len(fraction)) {
		n = min(maxFixed, n*10+int64(d-'0'))
	}
	if negative {
		n = -n
	}
	return n, exact
}

// decimal writes a number in units of 10^-digits.
func decimal(n int64, digits int) string {
	s := strconv.FormatInt(max(n, -n), 10)
	if pad := digits + 1 - len(s); pad > 0 {
		s = strings.Repeat("0", pad) + s
	}
	if digits > 0 {
		s = strings.TrimRight(s[:len(s)-digits]+"."+s[len(s)-digits:], "0")
		s = strings.TrimSuffix(s, ".")
	}
	if n < 0 {
		s = "-" + s
	}
	return s
}
