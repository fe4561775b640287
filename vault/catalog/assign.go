package catalog

import (
	"slices"
	"strconv"
)

// Assign gives a copy of a parsed catalog the ids and the version under which
// it follows prev, or those of a first catalog when prev is nil. Neither c nor
// prev is changed.
//
// What bears the same name as in prev, or the name that renamed_from states,
// keeps its id. Everything else gets an id that was never given before. A
// renamed_from whose change was made in an earlier version may stay.
//
// A field that was there before and gets an index, or another version of one,
// is to be filled: see Index.
//
// An error is an *Error: a field's type or group changed (add a field and
// back-fill instead), renamed_from names nothing, a purpose's version fell
// or did not rise with its basis, or an index's version was used before, or rises
// while the one before is still filled.
func (c *Catalog) Assign(prev *Catalog) (*Catalog, error) {
	out := c.clone()
	if prev == nil {
		prev = &Catalog{}
	}
	a := &assigner{checker: checker{c: out}, prev: prev}
	out.Version = prev.Version + 1
	out.RetiredGroups = slices.Clone(prev.RetiredGroups)
	out.RetiredCollections = slices.Clone(prev.RetiredCollections)
	a.groups()
	for i := range out.Purposes {
		a.purpose(&out.Purposes[i])
	}
	a.collections()
	out.link()
	out.since(prev)
	problems := out.locate(append(a.problems, out.checkIDs()...), nil)
	if len(problems) > 0 {
		return nil, &Error{Problems: problems}
	}
	return out, nil
}

// since says of each purpose from which version on its terms are what they are now.
func (c *Catalog) since(prev *Catalog) {
	changes := Diff(prev, c)
	for i := range c.Purposes {
		p := &c.Purposes[i]
		p.Since = c.Version
		if old, ok := prev.purposes[p.ID]; ok && !material(changes, p.ID) {
			p.Since = old.Since
		}
	}
}

// An assigner takes the ids of one catalog over to the next.
type assigner struct {
	checker
	prev *Catalog
}

func (a *assigner) groups() {
	next := maxRetired(a.prev.RetiredGroups, GroupDefaultID)
	for _, g := range a.prev.Groups {
		next = max(next, g.ID)
	}
	kept := map[uint32]bool{}
	for i := range a.c.Groups {
		g := &a.c.Groups[i]
		old, known := a.prev.groups[g.Name]
		switch {
		case g.Name == GroupIdentity:
			g.ID = GroupIdentityID
		case g.Name == GroupDefault:
			g.ID = GroupDefaultID
		case known:
			g.ID = old.ID
		default:
			next++
			g.ID = next
		}
		kept[g.ID] = true
	}
	for _, g := range a.prev.Groups {
		if !kept[g.ID] {
			a.c.RetiredGroups = append(a.c.RetiredGroups, Retired{g.ID, g.Name})
		}
	}
}

func (a *assigner) purpose(p *Purpose) {
	old, ok := a.prev.purposes[p.ID]
	switch path := "purposes." + p.ID; {
	case !ok:
	case p.Version < old.Version:
		a.add(path+".version", "is lower than it was")
	case p.Basis != old.Basis && p.Version == old.Version:
		a.add(path+".basis", "changed: raise the version of the purpose as well, so that people are told")
	}
}

func (a *assigner) collections() {
	next := maxRetired(a.prev.RetiredCollections, 0)
	for _, c := range a.prev.Collections {
		next = max(next, c.ID)
	}
	kept := map[uint32]bool{}
	for i := range a.c.Collections {
		c := &a.c.Collections[i]
		path := "collections." + c.Name
		old := predecessor(&a.checker, path, a.prev.collections, c.Name, c.RenamedFrom, a.prev.Version)
		if old == nil {
			next++
			old = &Collection{ID: next}
		}
		c.ID = old.ID
		kept[c.ID] = true
		a.fields(path, c, old)
	}
	for _, c := range a.prev.Collections {
		if !kept[c.ID] {
			a.c.RetiredCollections = append(a.c.RetiredCollections, Retired{c.ID, c.Name})
		}
	}
}

// predecessor finds what a thing was in the version before, or nil.
func predecessor[T any](k *checker, path string, prev map[string]*T, name, renamedFrom string, version int64) *T {
	same, old := prev[name], prev[renamedFrom]
	switch {
	case renamedFrom == "" || same != nil && old == nil:
		return same
	case same != nil:
		k.add(path+".renamed_from", "cannot be: both names are in use in the version before")
	case old == nil && version > 0:
		k.add(path+".renamed_from", "names nothing that was there in the version before")
	}
	return old
}

func (a *assigner) fields(path string, c, prev *Collection) {
	c.Retired = slices.Clone(prev.Retired)
	next := maxRetired(prev.Retired, 0)
	for _, f := range prev.Fields {
		next = max(next, f.ID)
	}
	kept := map[uint32]bool{}
	for i := range c.Fields {
		f := &c.Fields[i]
		path := path + ".fields." + f.Name
		old := predecessor(&a.checker, path, prev.fields, f.Name, f.RenamedFrom, a.prev.Version)
		isNew := old == nil
		if isNew {
			next++
			old = &Field{ID: next, Type: f.Type, Group: f.Group}
		}
		kept[old.ID] = true
		a.field(path, f, old)
		a.index(path+".index", f, old, isNew)
	}
	for _, f := range prev.Fields {
		if !kept[f.ID] {
			c.Retired = append(c.Retired, Retired{f.ID, f.Name})
		}
	}
}

func (a *assigner) field(path string, f, old *Field) {
	const instead = ": add a field, back-fill it, and remove this one"
	f.ID = old.ID
	for _, g := range a.c.Groups {
		if g.Name == f.Group {
			f.GroupID = g.ID
		}
	}
	if f.Type != old.Type {
		a.add(path+".type", "was "+string(old.Type)+" and cannot be changed"+instead)
	}
	if f.Group != old.Group {
		a.add(path+".group", "was "+old.Group+" and cannot be changed"+instead)
	}
}

// index gives the version of a field's index, and says whether it is to be filled.
func (a *assigner) index(path string, f, old *Field, isNew bool) {
	f.IndexVersion = old.IndexVersion
	if f.Index == nil {
		return
	}
	stated, same := f.Index.Version, sameIndex(f, old)
	if !same || !f.Index.equalAll(&old.Index.Matching) {
		f.IndexVersion++
	}
	if stated != 0 && stated < f.IndexVersion {
		a.add(path+".version", "must be "+strconv.FormatUint(uint64(f.IndexVersion), 10)+
			" or more: what is below was used before; leave it out to keep the version in force")
	}
	f.IndexVersion = max(f.IndexVersion, stated)
	f.Index.Version = f.IndexVersion
	switch raised := f.IndexVersion > old.IndexVersion; {
	case isNew:
	case !same:
		f.Index.Filling = true
	case raised && old.Index.Filling:
		a.add(path+".version", "cannot rise while version "+strconv.FormatUint(uint64(old.IndexVersion), 10)+
			" is not complete: let the job that indexes the records end first")
	case raised:
		f.Index.Filling, f.Index.Previous, f.Index.Before = true, old.Index.Version, old.Index.clone()
	default:
		f.Index.Filling, f.Index.Previous, f.Index.Before = old.Index.Filling, old.Index.Previous, old.Index.Before.clone()
	}
}

// sameIndex says whether index values of both can be compared. What they serve beside
// equality may differ: it has entries of its own.
func sameIndex(f, old *Field) bool {
	return old.Index != nil && f.Index.Kind == old.Index.Kind && f.Index.Bits == old.Index.Bits && f.Region == old.Region
}

// Filling says whether an index of the catalog is being filled.
func (c *Catalog) Filling() bool {
	for i := range c.Collections {
		for j := range c.Collections[i].Fields {
			if x := c.Collections[i].Fields[j].Index; x != nil && x.Filling {
				return true
			}
		}
	}
	return false
}

// Filled is the next version of the catalog, in which every index covers all
// records by its latest version alone.
func (c *Catalog) Filled() *Catalog {
	out := c.clone()
	out.Version = c.Version + 1
	for i := range out.Collections {
		for j := range out.Collections[i].Fields {
			if x := out.Collections[i].Fields[j].Index; x != nil {
				x.Filling, x.Previous, x.Before = false, 0, Matching{}
			}
		}
	}
	out.link()
	return out
}

func maxRetired(list []Retired, least uint32) uint32 {
	for _, r := range list {
		least = max(least, r.ID)
	}
	return least
}
