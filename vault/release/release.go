// Package release makes a table about people that may be handed on: each value of a
// quasi-identifier (what a stranger may know of a person: age, postcode, sex) is replaced
// by a coarser one until each person stands in a class of people who look alike.
//
// What a released table meets is a [Model]:
//
//   - k-anonymity (Sweeney, 2002): each class has at least K rows;
//   - l-diversity (Machanavajjhala et al., 2007): each class holds at least L well
//     represented values of each sensitive column, in one of three senses, see [Diversity];
//   - t-closeness (Li, Li and Venkatasubramanian, 2007): in each class the distribution of
//     each sensitive column is at most T from that of the whole released table, by the
//     earth mover's distance, see [Distance].
//
// [Anonymise] recodes globally: one column has one level of its [Hierarchy] in all rows, so
// that the values are those that the catalog names. It searches the lattice of levels with
// predictive tagging (OLA, El Emam et al., 2009; the order of visits is that of Flash,
// Kohlmayer et al., 2012). Rows of the classes that still fail are left out whole, up to
// Model.MaxSuppression; else the answer is a [RefusalError] that says what would help.
//
// The result depends on the values alone, not on the order of the rows that came in: the
// rows that go out are sorted by their values. They hold no identifiers: a table has no
// column but quasi-identifiers and sensitive values.
//
// What it does not do. K counts rows, so the caller adds one row for each person. Two
// releases of the same people are not checked against each other: who is in both may stand
// in smaller classes when they are laid side by side. Several sensitive columns are each
// checked by themselves: who knows one of a person's values may learn another. A sensitive
// value that one person alone has names that person to whoever knows it. A missing value is
// a value like any other. None of the models is differential privacy.
package release

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// All stands for every value of a column: the label of the coarsest level.
const All = "*"

// Role says what a column of a table is. There is no role for a value that is handed on
// unguarded, nor for the id of a person.
type Role int

// The roles of a column. The zero Role is refused.
const (
	Quasi     Role = iota + 1 // may be known to a stranger; generalised
	Sensitive                 // what a stranger wants to learn; handed on as it is
)

// Distance is the ground distance of the earth mover's distance of a sensitive column.
type Distance int

// The distances between two values.
const (
	Equal        Distance = iota // 1 between any two different values
	Ordered                      // the steps between them in order, over the most there are
	Hierarchical                 // the level at which they meet, over the height of the hierarchy
)

// Column describes one column of a table.
type Column struct {
	// Name is required, and different from those of the other columns.
	Name string
	// Role is required.
	Role Role
	// Hierarchy is required for Quasi. For Sensitive it is required with Ordered, where it
	// must be of numbers or dates, and with Hierarchical.
	Hierarchy Hierarchy
	// Distance is of Sensitive alone.
	Distance Distance
}

// Table holds the rows that are to be released, each value by its number in a dictionary
// of the column: four bytes a value. It is not for concurrent use.
type Table struct {
	columns []Column
	data    []encoded
	rows    int
}

// encoded is a column of a table: values[codes[i]] is the value of row i.
type encoded struct {
	values []string
	codes  []uint32
	index  map[string]uint32
}

// NewTable returns an empty table. It refuses columns that lack what [Column] requires,
// and a table without a quasi-identifier.
func NewTable(columns ...Column) (*Table, error) {
	if err := checkColumns(columns); err != nil {
		return nil, err
	}
	t := &Table{columns: slices.Clone(columns), data: make([]encoded, len(columns))}
	for i := range t.data {
		t.data[i].index = map[string]uint32{}
		if t.columns[i].Hierarchy.shape == nil {
			t.columns[i].Hierarchy = Suppression()
		}
	}
	return t, nil
}

// Check returns nil if the column has what it requires, but for a name.
func (c Column) Check() error { return c.check() }

// Searchable returns nil if a table of the columns can be made, and its generalisations are
// not too many to be searched.
func Searchable(columns ...Column) error {
	if err := checkColumns(columns); err != nil {
		return err
	}
	nodes := 1
	for _, c := range columns {
		if c.Role == Quasi {
			if nodes *= c.Hierarchy.high - c.Hierarchy.low + 1; nodes > maxNodes {
				return errTooManyLevels()
			}
		}
	}
	return nil
}

func checkColumns(columns []Column) error {
	names, quasi := map[string]bool{}, 0
	for _, c := range columns {
		if c.Name == "" || names[c.Name] {
			return errors.New("each column needs a name of its own")
		}
		names[c.Name] = true
		if err := c.check(); err != nil {
			return fmt.Errorf("column %s: %w", c.Name, err)
		}
		if c.Role == Quasi {
			quasi++
		}
	}
	if quasi == 0 {
		return errors.New("a table needs a quasi-identifier")
	}
	return nil
}

func (c Column) check() error {
	shaped := c.Hierarchy.shape != nil
	switch {
	case c.Role != Quasi && c.Role != Sensitive:
		return errors.New("a role is required")
	case c.Role == Quasi && !shaped:
		return errors.New("a quasi-identifier needs a hierarchy")
	case c.Role == Quasi && c.Distance != Equal:
		return errors.New("only a sensitive column has a distance")
	case c.Distance == Hierarchical && !shaped:
		return errors.New("the hierarchical distance needs a hierarchy")
	case c.Distance == Ordered && (!shaped || !c.Hierarchy.shape.ordered()):
		return errors.New("the ordered distance needs a hierarchy of numbers or dates")
	case c.Distance < Equal || c.Distance > Hierarchical:
		return errors.New("no such distance")
	}
	return nil
}

// Add adds the row of one person: a value for each column, in their order; an empty one
// is a value that is missing. It refuses a value that the column's hierarchy does not
// know, and then adds nothing.
func (t *Table) Add(values ...string) error {
	if len(values) != len(t.columns) {
		return fmt.Errorf("a row has %d values, the table %d columns", len(values), len(t.columns))
	}
	if t.rows == math.MaxInt32 {
		return errors.New("the table is full")
	}
	for i, v := range values {
		if !t.knows(i, v) {
			return fmt.Errorf("column %s: %w", t.columns[i].Name, ErrUnknownValue)
		}
	}
	for i, v := range values {
		t.data[i].codes = append(t.data[i].codes, t.code(i, v))
	}
	t.rows++
	return nil
}

// ErrUnknownValue is that of [Table.Add] for a value that the hierarchy does not know.
var ErrUnknownValue = errors.New("a value that its hierarchy does not know")

func (t *Table) knows(i int, value string) bool {
	if _, ok := t.data[i].index[value]; ok {
		return true
	}
	_, ok := t.columns[i].Hierarchy.clean(value)
	return ok
}

// code returns the number of a known value in the dictionary of column i.
func (t *Table) code(i int, value string) uint32 {
	d := &t.data[i]
	if code, ok := d.index[value]; ok {
		return code
	}
	clean, _ := t.columns[i].Hierarchy.clean(value)
	clean = strings.Clone(clean)
	code, ok := d.index[clean]
	if !ok {
		code = uint32(len(d.values)) //nolint:gosec // fewer than rows, of which there are at most MaxInt32
		d.values = append(d.values, clean)
		d.index[clean] = code
	}
	d.index[strings.Clone(value)] = code
	return code
}

// Rows returns how many rows the table has.
func (t *Table) Rows() int { return t.rows }
