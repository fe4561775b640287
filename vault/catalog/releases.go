package catalog

import (
	"slices"
	"strconv"

	"github.com/goccy/go-yaml/ast"

	"github.com/fieldvault/fieldvault/crypto/secret"
	"github.com/fieldvault/fieldvault/vault/release"
)

// Releases says in which tables the people of a collection may be handed on, one row for
// each of them: for which purposes, what each table must meet, and how coarse each field
// becomes. A field that it does not name is in no table.
type Releases struct {
	Purposes []ReleasePurpose `json:"purposes"`
	Columns  []ReleaseColumn  `json:"columns"`
}

// ReleasePurpose is what a table for one purpose meets at the least: see
// [release.Model]. Whoever asks may ask for more, never for less.
type ReleasePurpose struct {
	Purpose string `json:"purpose"`
	// Every is how long after one table the next may be made, at least a day: two
	// tables about the same people can be laid side by side.
	Every Days `json:"every"`
	K     int  `json:"k"` // from 5 to 1_000_000
	// L and T are of tables with a sensitive column. L is from 1 to 1000, in the sense of
	// Diversity, whose zero is distinct; T is in thousandths, 1000 asks for nothing.
	L         int               `json:"l"`
	Diversity release.Diversity `json:"diversity,omitempty"`
	C         int64             `json:"c,omitempty"` // in thousandths, of recursive diversity alone
	T         int64             `json:"t"`
	// Suppression is the greatest share of people that may be left out, in thousandths,
	// from 0 to 500.
	Suppression int64 `json:"max_suppression,omitempty"`
}

// Model is what the purpose asks for.
func (p *ReleasePurpose) Model() release.Model {
	return release.Model{
		K: p.K, L: p.L, Diversity: p.Diversity, C: float64(p.C) / 1000, T: float64(p.T) / 1000,
		MaxSuppression: float64(p.Suppression) / 1000,
	}
}

// ReleaseColumn is a field of a released table. Of Bands, Periods, Prefixes and Tree at
// most one is set; without any, the value is handed on as it is or left out.
type ReleaseColumn struct {
	Field string `json:"field"`
	// Sensitive columns are what a stranger wants to learn: handed on as they are. The
	// others are quasi-identifiers, which a stranger may know: they are made coarser.
	Sensitive bool `json:"sensitive,omitempty"`
	// Distance is of sensitive columns: how far two values are from one another.
	Distance release.Distance `json:"distance,omitempty"`

	Bands    []int64           `json:"bands,omitempty"`    // widths by which numbers are grouped, each a multiple of the one before
	Periods  []string          `json:"periods,omitempty"`  // of dates: month, quarter, year, decade
	Prefixes []int             `json:"prefixes,omitempty"` // numbers of first characters of a text, which fall
	Tree     map[string]string `json:"tree,omitempty"`     // of a text: what stands above each value; others are in no table

	// Finest is the finest level that may be handed on: 0 the value itself, 1 the first
	// of the list or of the tree, and so on.
	Finest int `json:"finest,omitempty"`

	of *Field // nil: there is none
}

// PeriodDecade groups dates in released tables only.
const PeriodDecade = "decade"

// Purpose finds what a table for a purpose meets.
func (r *Releases) Purpose(purpose string) (*ReleasePurpose, bool) {
	if r == nil {
		return nil, false
	}
	for i := range r.Purposes {
		if r.Purposes[i].Purpose == purpose {
			return &r.Purposes[i], true
		}
	}
	return nil, false
}

// Released finds how a field stands in released tables.
func (c *Collection) Released(field string) (*ReleaseColumn, bool) {
	if c.Releases == nil {
		return nil, false
	}
	for i := range c.Releases.Columns {
		if r := &c.Releases.Columns[i]; r.Field == field && r.of != nil {
			return r, true
		}
	}
	return nil, false
}

// Column describes the column to package release.
func (r *ReleaseColumn) Column() (release.Column, error) {
	col := release.Column{Name: r.Field, Role: release.Quasi, Distance: r.Distance}
	h, err := r.hierarchy()
	if err != nil {
		return col, err
	}
	if col.Hierarchy = h; r.Sensitive {
		col.Role = release.Sensitive
		return col, nil
	}
	_, coarsest := h.Levels()
	col.Hierarchy, err = h.Between(r.Finest, coarsest)
	return col, err
}

func (r *ReleaseColumn) hierarchy() (release.Hierarchy, error) {
	switch {
	case r.Tree != nil:
		return release.Tree(r.Tree)
	case r.Prefixes != nil:
		return release.Prefixes(r.Prefixes...)
	case r.of != nil && r.of.Type == TypeNumber:
		return release.Numbers(r.Bands...)
	case r.of != nil && r.of.Type == TypeDate:
		steps := make([]release.Step, len(r.Periods))
		for i, p := range r.Periods {
			steps[i] = release.Step(slices.Index(periods(), p) + 1) // 0, of an unknown one, is refused
		}
		return release.Dates(steps...)
	}
	return release.Suppression(), nil
}

func periods() []string { return []string{PeriodMonth, PeriodQuarter, PeriodYear, PeriodDecade} }

// Value writes a stored value as a table has it. A column without a tree, of a text, knows
// every value; see [release.Hierarchy.At].
func (r *ReleaseColumn) Value(v secret.Bytes) string { return string(v.Expose()) }

// clone copies what link changes.
func (r *Releases) clone() *Releases {
	if r == nil {
		return nil
	}
	out := *r
	out.Columns = slices.Clone(r.Columns)
	return &out
}

// linkReleases leads from the columns to their fields.
func (c *Collection) linkReleases() {
	if c.Releases == nil {
		return
	}
	for i := range c.Releases.Columns {
		r := &c.Releases.Columns[i]
		r.of = c.fields[r.Field]
	}
}

// releases reads them, after the fields of the collection.
func (r *reader) releases(e entry, fields []Field) *Releases {
	if e.value == nil {
		return nil
	}
	o := r.object(e.value, e.path, "purposes", "quasi_identifiers", "sensitive")
	out := &Releases{}
	for _, p := range o.members("purposes") {
		out.Purposes = append(out.Purposes, r.releasePurpose(p))
	}
	typ := func(name string) Type {
		for i := range fields {
			if fields[i].Name == name {
				return fields[i].Type
			}
		}
		return ""
	}
	for _, f := range o.members("quasi_identifiers") {
		out.Columns = append(out.Columns, r.releaseColumn(f, typ(f.key), "finest"))
	}
	for _, f := range o.members("sensitive") {
		c := r.releaseColumn(f, typ(f.key), "distance")
		c.Sensitive = true
		out.Columns = append(out.Columns, c)
	}
	return out
}

func (r *reader) releasePurpose(e entry) ReleasePurpose {
	o := r.object(e.value, e.path, "every", "k", "l", "diversity", "c", "t", "max_suppression")
	p := ReleasePurpose{
		Purpose: e.key, Every: o.days("every"), K: o.integer("k", 0), L: o.integer("l", 1),
		C: o.fixed("c", 3), T: o.fixed("t", 3), Suppression: o.fixed("max_suppression", 3),
	}
	if o.values["t"].value == nil {
		p.T = 1000
	}
	p.Diversity = release.Diversity(o.word("diversity", "distinct", "entropy", "recursive"))
	return p
}

// releaseColumn reads the keys that fit the type.
func (r *reader) releaseColumn(e entry, typ Type, more string) ReleaseColumn {
	keys := []string{more}
	switch typ {
	case TypeNumber:
		keys = append(keys, "bands")
	case TypeDate:
		keys = append(keys, "periods")
	case TypeText:
		keys = append(keys, "prefixes", "tree")
	default: // a boolean needs nothing said; others are refused
	}
	o := r.object(e.value, e.path, keys...)
	c := ReleaseColumn{Field: e.key, Finest: o.integer("finest", 0), Periods: o.list("periods"), Tree: o.tree("tree")}
	c.Bands = o.integers("bands")
	for _, n := range o.integers("prefixes") {
		c.Prefixes = append(c.Prefixes, int(n))
	}
	c.Distance = release.Distance(o.word("distance", "equal", "ordered", "hierarchical"))
	return c
}

// word reads one of some words and gives its index; absent is 0.
func (o object) word(key string, words ...string) int {
	s := o.text(key)
	i := slices.Index(words, s)
	if i < 0 && s != "" {
		o.r.add(place(o.values[key].value), o.path+"."+key, "must be "+words[0]+", "+words[1]+" or "+words[2])
	}
	return max(i, 0)
}

// integers reads a sequence of whole numbers above 0.
func (o object) integers(key string) (list []int64) {
	e := o.values[key]
	if e.value == nil {
		return nil
	}
	seq, ok := e.value.(*ast.SequenceNode)
	if !ok {
		o.r.add(place(e.value), e.path, "must be a list, such as [10, 100]")
		return nil
	}
	for i, v := range seq.Values {
		if node, ok := v.(*ast.IntegerNode); ok {
			if n, err := strconv.ParseInt(node.Token.Value, 10, 64); err == nil && n > 0 && n <= maxMeasured {
				list = append(list, n)
				continue
			}
		}
		o.r.add(place(v), e.path+"["+strconv.Itoa(i)+"]", "must be a whole number above 0")
	}
	return list
}

// tree reads a map of groups: each is a list of values, or a map of the groups in it. It
// gives what stands above each; above the first there is [release.All].
func (o object) tree(key string) map[string]string {
	e := o.values[key]
	if e.value == nil {
		return nil
	}
	t := map[string]string{}
	o.r.branch(t, e, release.All)
	return t
}

func (r *reader) branch(t map[string]string, e entry, above string) {
	enter := func(at position, path, name, above string) {
		if _, twice := t[name]; twice {
			r.add(at, path, "stands twice in the tree")
			return
		}
		t[name] = above
	}
	if seq, ok := e.value.(*ast.SequenceNode); ok && above != release.All {
		for i, n := range seq.Values {
			path := e.path + "[" + strconv.Itoa(i) + "]"
			s, ok := plain(n)
			if !ok {
				r.add(place(n), path, "must be text: put it in quotes")
				continue
			}
			enter(place(n), path, s, above)
		}
		return
	}
	for _, g := range r.entries(e.value, e.path) {
		enter(g.at, g.path, g.key, above)
		r.branch(t, g, g.key)
	}
}
