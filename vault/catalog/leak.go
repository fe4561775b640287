package catalog

import (
	"fmt"
	"strconv"
	"strings"
)

// A Leak is what an index beyond equality tells those who read the database without keys.
type Leak struct {
	Path string // of the kind of index, in the catalog's source
	Text string // one or two sentences, without a stop at the end
}

// Leaks says of every index beyond equality what it tells, in the order of the catalog.
func (c *Catalog) Leaks() (list []Leak) {
	for i := range c.Collections {
		col := &c.Collections[i]
		for j := range col.Fields {
			f := &col.Fields[j]
			if f.Index != nil {
				list = append(list, f.Index.Leaks("collections."+col.Name+".fields."+f.Name+".index")...)
			}
		}
	}
	return list
}

// Leaks says what the index tells beyond equality. path is where it stands.
func (x *Index) Leaks(path string) (list []Leak) {
	if p := x.Prefix; p != nil {
		list = append(list, Leak{path + ".prefix", p.leak()})
	}
	if n := x.NGrams; n != nil {
		list = append(list, Leak{path + ".ngrams", n.leak()})
	}
	if r := x.Range; r != nil {
		l := Leak{path + ".range", r.leak()}
		if x.Kind == IndexEquality {
			l.Text += ". The index of equality beside it also shows which records have the same value: a " + IndexPartial + " index does not"
		}
		list = append(list, l)
	}
	return list
}

func (p *PrefixIndex) leak() string {
	return fmt.Sprintf("it can be searched by its beginning; whoever steals the database sees which records begin alike for %s characters, "+
		"how common each such beginning is, and how long a value is up to %d characters, but no character. %s",
		span(p.Min, p.Max), p.Max, alike("beginnings", p.Bits))
}

func (n *NGramIndex) leak() string {
	return fmt.Sprintf("it can be searched by any part of it; whoever steals the database sees about how many different runs of %d characters a value has, how many of them "+
		"two records share, and how common each is, from which the values of a well-known language may be guessed. %s",
		n.N, alike("runs", n.Bits))
}

func (r *RangeIndex) leak() string {
	what := "interval of " + strconv.FormatInt(r.Width, 10)
	if r.By != "" {
		what = r.By
	}
	return fmt.Sprintf("it can be searched by a range; whoever steals the database sees which records are in the same %s, and how many, "+
		"but neither which it is nor which comes before another. %s", what, alike("intervals", r.Bits))
}

func span(from, to int) string {
	if from == to {
		return strconv.Itoa(from)
	}
	return strconv.Itoa(from) + " to " + strconv.Itoa(to)
}

// alike says how often different things share an index value on purpose.
func alike(what string, bits int) string {
	if bits > 31 {
		return "Different " + what + " practically never look alike"
	}
	return "Two different " + what + " look alike once in " + thousands(int64(1)<<bits) + ", on purpose"
}

// thousands writes a number with commas.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	var parts []string
	for len(s) > 3 {
		parts = append([]string{s[len(s)-3:]}, parts...)
		s = s[:len(s)-3]
	}
	return strings.Join(append([]string{s}, parts...), ",")
}

// matching compares what two indexes serve beside equality; a is nil for a field that
// had none.
func (d *differ) matching(path string, a, b *Index) {
	was := &Matching{}
	if a != nil {
		was = &a.Matching
	}
	for _, l := range b.Leaks(path) {
		switch match := matchOf(l.Path); {
		case !was.has(match):
			d.add(l.Path, "%s", l.Text)
		case !was.same(&b.Matching, match):
			d.add(l.Path, "its entries are made anew: %s", l.Text)
		}
	}
	for _, k := range []struct{ match, kind, by string }{
		{MatchPrefix, "prefix", "its beginning"}, {MatchContains, "ngrams", "a part of it"}, {MatchRange, "range", "a range"},
	} {
		if was.has(k.match) && !b.has(k.match) {
			d.add(path+"."+k.kind, "it can no longer be searched by %s", k.by)
		}
	}
}

// matchOf is the match that the kind of index at the path serves.
func matchOf(path string) string {
	switch path[strings.LastIndexByte(path, '.')+1:] {
	case "prefix":
		return MatchPrefix
	case "ngrams":
		return MatchContains
	default:
		return MatchRange
	}
}
