package catalog

import (
	"strconv"

	"github.com/fieldvault/fieldvault/vault/release"
)

// What may be declared of released tables.
const (
	leastK         = 5
	mostK          = 1_000_000
	mostL          = 1000
	mostSuppressed = 500
	maxTree        = 10_000
)

// releases checks in which tables the people of a collection may be handed on.
func (k *checker) releases(path string, c *Collection) {
	r := c.Releases
	if r == nil {
		return
	}
	if len(r.Purposes) == 0 {
		k.add(path+".purposes", "is missing: without one nothing is released")
	}
	sensitive, fine := false, true
	columns := make([]release.Column, 0, len(r.Columns))
	seen := map[string]bool{}
	for i := range r.Columns {
		col := &r.Columns[i]
		at := path + "." + col.list() + "." + col.Field
		if seen[col.Field] {
			k.add(at, "stands twice")
		}
		seen[col.Field], sensitive = true, sensitive || col.Sensitive
		made, ok := k.releaseColumn(at, col)
		fine = fine && ok
		columns = append(columns, made)
	}
	clear(seen)
	for i := range r.Purposes {
		p := &r.Purposes[i]
		at := path + ".purposes." + p.Purpose
		if seen[p.Purpose] {
			k.add(at, "stands twice")
		}
		seen[p.Purpose] = true
		k.releasePurpose(at, p, sensitive)
	}
	if !fine {
		return
	}
	if err := release.Searchable(columns...); err != nil {
		k.add(path+".quasi_identifiers", "cannot be released: "+err.Error())
	}
}

// list is where a column stands in the source.
func (r *ReleaseColumn) list() string {
	if r.Sensitive {
		return "sensitive"
	}
	return "quasi_identifiers"
}

func (k *checker) releasePurpose(path string, p *ReleasePurpose, sensitive bool) {
	if _, ok := k.c.purposes[p.Purpose]; !ok {
		k.add(path, "names a purpose that is not declared")
	}
	if p.Every < 1 || p.Every > maxDays {
		k.add(path+".every", "is how long after a release the next may be made: "+ruleDays)
	}
	if p.K < leastK || p.K > mostK {
		k.add(path+".k", "must be from "+strconv.Itoa(leastK)+" to "+strconv.Itoa(mostK))
	}
	if p.L < 1 || p.L > mostL {
		k.add(path+".l", "must be from 1 to "+strconv.Itoa(mostL))
	}
	if p.T < 1 || p.T > 1000 {
		k.add(path+".t", "must be from 0.001 to 1")
	}
	if sensitive && p.L == 1 && p.T == 1000 {
		k.add(path, "needs l above 1 or t below 1: a class whose people share a sensitive value gives it away")
	}
	if p.Suppression < 0 || p.Suppression > mostSuppressed {
		k.add(path+".max_suppression", "must be from 0 to 0.5")
	}
	switch {
	case p.Diversity < release.Distinct || p.Diversity > release.Recursive:
		k.add(path+".diversity", "must be distinct, entropy or recursive")
	case p.Diversity == release.Recursive && (p.C < 1 || p.C > 1_000_000):
		k.add(path+".c", "must be from 0.001 to 1000 for recursive diversity")
	case p.Diversity != release.Recursive && p.C != 0:
		k.add(path+".c", "is for recursive diversity only")
	}
}

// releaseColumn checks a column, and says whether it can be made.
func (k *checker) releaseColumn(path string, r *ReleaseColumn) (release.Column, bool) {
	if r.of == nil {
		k.add(path, "is not a field of the collection")
		return release.Column{}, false
	}
	number, date, text := r.of.Type == TypeNumber, r.of.Type == TypeDate, r.of.Type == TypeText
	switch {
	case !number && !date && !text && r.of.Type != TypeBoolean:
		k.add(path, "is of type "+string(r.of.Type)+": released tables are of numbers, dates, texts and booleans")
	case !number && r.Bands != nil, !date && r.Periods != nil, !text && (r.Prefixes != nil || r.Tree != nil), !r.Sensitive && r.Distance != release.Equal,
		r.Sensitive && r.Finest != 0:
		k.add(path, "has what does not fit its type or its place")
	case r.Prefixes != nil && r.Tree != nil:
		k.add(path, "needs either prefixes or a tree")
	case len(r.Tree) > maxTree:
		k.add(path+".tree", "has more than "+strconv.Itoa(maxTree)+" names")
	default:
		return k.madeColumn(path, r)
	}
	return release.Column{}, false
}

func (k *checker) madeColumn(path string, r *ReleaseColumn) (release.Column, bool) {
	for name := range r.Tree {
		k.line(path+".tree", name)
	}
	if _, err := r.hierarchy(); err != nil {
		k.add(path, "does not become coarser in steps: "+err.Error())
		return release.Column{}, false
	}
	col, err := r.Column()
	if err != nil {
		k.add(path+".finest", "must be a level that there is: 0 is the value itself")
		return col, false
	}
	if err := col.Check(); err != nil {
		k.add(path, "cannot be released: "+err.Error())
		return col, false
	}
	return col, true
}
