package catalog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// storedFormat is the version of the stored form.
const storedFormat = 1

type stored struct {
	Format int `json:"format"`
	*Catalog
}

// Marshal gives the stored form of a catalog: JSON with ids, the same bytes
// for the same catalog.
func Marshal(c *Catalog) ([]byte, error) {
	b, err := json.Marshal(stored{storedFormat, c})
	if err != nil {
		return nil, fmt.Errorf("encoding catalog: %w", err)
	}
	return b, nil
}

// Unmarshal reads what Marshal wrote and nothing else: writing the result again
// must give the same bytes, so that members that are unknown, stand twice or
// differ in case are refused, and so is white space. What Parse and Assign
// guarantee is checked again.
//
// An error is ErrFormat, or an *Error that lists what is wrong in the catalog.
func Unmarshal(b []byte) (*Catalog, error) {
	c := &Catalog{}
	s := stored{Catalog: c}
	if err := json.Unmarshal(b, &s); err != nil || s.Format != storedFormat || s.Catalog == nil {
		return nil, ErrFormat
	}
	c.link()
	again, err := Marshal(c)
	if err != nil || !bytes.Equal(again, b) {
		return nil, ErrFormat
	}
	problems := append(c.validate(), c.checkIDs()...)
	if len(problems) > 0 {
		return nil, &Error{Problems: problems}
	}
	return c, nil
}

// checkIDs checks that a catalog is as Assign leaves it.
func (c *Catalog) checkIDs() []Problem {
	k := &checker{c: c}
	if c.Version < 1 {
		k.add("version", "must be 1 or more")
	}
	for i := range c.Purposes {
		if p := &c.Purposes[i]; p.Since < 1 || p.Since > c.Version {
			k.add("purposes."+p.ID+".since", "must be a version of the catalog")
		}
	}
	groups := map[uint32]bool{}
	for _, g := range c.Groups {
		k.id("groups."+g.Name, g.ID, groups)
	}
	for _, r := range c.RetiredGroups {
		k.id("retired_groups", r.ID, groups)
	}
	for name, id := range map[string]uint32{GroupIdentity: GroupIdentityID, GroupDefault: GroupDefaultID} {
		if g, ok := c.groups[name]; ok && g.ID != id {
			k.add("groups."+name, "has a wrong id")
		}
	}
	collections := map[uint32]bool{}
	for i := range c.Collections {
		col := &c.Collections[i]
		path := "collections." + col.Name
		k.id(path, col.ID, collections)
		fields := map[uint32]bool{}
		for j := range col.Fields {
			k.fieldIDs(path+".fields."+col.Fields[j].Name, &col.Fields[j], fields)
		}
		for _, r := range col.Retired {
			k.id(path+".retired", r.ID, fields)
		}
	}
	for _, r := range c.RetiredCollections {
		k.id("retired_collections", r.ID, collections)
	}
	return k.problems
}

func (k *checker) fieldIDs(path string, f *Field, ids map[uint32]bool) {
	k.id(path, f.ID, ids)
	if g, ok := k.c.groups[f.Group]; !ok || g.ID != f.GroupID {
		k.add(path+".group_id", "is not the id of the group")
	}
	switch x := f.Index; {
	case x == nil:
	case x.Version < 1 || x.Version != f.IndexVersion:
		k.add(path+".index.version", "must be the highest index version")
	case x.Previous >= x.Version || x.Previous != 0 && !x.Filling:
		k.add(path+".index.previous", "must be a lower version, of an index that is being filled")
	case x.Previous == 0 && x.Before != Matching{}:
		k.add(path+".index.before", "must be of a previous version")
	default:
		k.fieldMatching(path+".index.before", f.Type, &x.Before)
	}
}

func (k *checker) id(path string, id uint32, taken map[uint32]bool) {
	if id == 0 {
		k.add(path, "has no id")
	} else if taken[id] {
		k.add(path, "has an id that is taken")
	}
	taken[id] = true
}

// clone copies a catalog, but not its lookups: link builds them.
func (c *Catalog) clone() *Catalog {
	out := *c
	out.Groups = slices.Clone(c.Groups)
	out.Purposes = slices.Clone(c.Purposes)
	out.RetiredCollections = slices.Clone(c.RetiredCollections)
	out.RetiredGroups = slices.Clone(c.RetiredGroups)
	out.Collections = slices.Clone(c.Collections)
	for i := range out.Collections {
		col := &out.Collections[i]
		col.Fields = slices.Clone(col.Fields)
		col.Retired = slices.Clone(col.Retired)
		col.Statistics = col.Statistics.clone()
		col.Releases = col.Releases.clone()
		for j := range col.Fields {
			if x := col.Fields[j].Index; x != nil {
				index := *x
				index.Matching, index.Before = x.clone(), x.Before.clone()
				col.Fields[j].Index = &index
			}
		}
	}
	return &out
}
