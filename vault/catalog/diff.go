package catalog

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Change is one difference between two catalogs.
type Change struct {
	// Path leads to what changed, by its new name if it has one.
	Path string

	// Text says in plain words what changed and what follows from it.
	Text string

	// Widens marks a change by which people's data are used for more, by more,
	// for longer or on another basis than they were told.
	Widens bool

	// Purposes are those, of both catalogs, about which people were told something
	// else before: the change is material. Consent that was given to one of them
	// before opens nothing until it is given again. Empty: the change is not material.
	Purposes []string

	// Told is the same in parts, of a material change, so that it can be told in any
	// language.
	Told Told
}

// Diff says in words what changes from one catalog to the next, in the order
// of the catalogs. The first may be nil. What was renamed is found by its id, so
// the second should come from Assign.
//
// A change is material to a purpose if people would now read or be told something
// else about it that is not to their benefit alone: any word of its text, in any
// language that it had, another controller or basis, more fields, recipients or
// time, or that the data are sold, used for direct marketing or in spite of a
// restriction; or that its author raised its version. What only takes away (fields,
// recipients, time) is not.
func Diff(from, to *Catalog) []Change {
	d := &differ{old: from, new: to}
	if from == nil {
		d.old = &Catalog{}
	}
	d.text("title", "the title", d.old.Title, to.Title)
	d.text("region", "the region", d.old.Region, to.Region)
	d.text("language", "the language", d.old.Language, to.Language)
	d.text("approval", "the approval", d.old.Approval.String(), to.Approval.String())
	d.controller()
	d.place()
	d.groups()
	d.purposes()
	d.collections()
	return d.changes
}

// AskAgain lists the purposes of to that rest on consent and to which one of the
// changes is material: those for which people have to be asked again.
func AskAgain(changes []Change, to *Catalog) []string {
	var list []string
	for i := range to.Purposes {
		p := &to.Purposes[i]
		if p.Basis == BasisConsent && material(changes, p.ID) {
			list = append(list, p.ID)
		}
	}
	return list
}

func material(changes []Change, purpose string) bool {
	return slices.ContainsFunc(changes, func(c Change) bool { return slices.Contains(c.Purposes, purpose) })
}

// String names approver and date on one line.
func (a *Approval) String() string {
	if a == nil {
		return ""
	}
	return a.By + ", " + a.On
}

// String names controller and contact on one line.
func (c *Controller) String() string {
	if c == nil {
		return ""
	}
	return c.Name + " (" + c.Contact + ")"
}

type differ struct {
	old, new *Catalog
	changes  []Change
}

func (d *differ) add(path, format string, args ...any) {
	d.changes = append(d.changes, Change{Path: path, Text: fmt.Sprintf(format, args...)})
}

func (d *differ) widen(path, format string, args ...any) {
	d.add(path, format, args...)
	d.changes[len(d.changes)-1].Widens = true
}

// tell adds a change that is material to the purposes that both catalogs have of
// those named.
func (d *differ) tell(c Change, purposes ...string) {
	for _, id := range purposes {
		_, was := d.old.purposes[id]
		if _, is := d.new.purposes[id]; is && was {
			c.Purposes = append(c.Purposes, id)
		}
	}
	d.changes = append(d.changes, c)
}

func (d *differ) controller() {
	before := len(d.changes)
	a, b := d.old.Controller, d.new.Controller
	d.text("controller", "the controller", a.String(), b.String())
	if len(d.changes) == before || a != nil && b != nil && a.Name == b.Name {
		return
	}
	d.tellAll(before, Told{What: ToldController, Old: a.String(), New: b.String()})
}

// place compares where the controller is and keeps data. Another law or another place
// of storage is material to every purpose.
func (d *differ) place() {
	var a, b Controller
	if d.old.Controller != nil {
		a = *d.old.Controller
	}
	if d.new.Controller != nil {
		b = *d.new.Controller
	}
	d.text("controller.address", "the controller's address", a.Address, b.Address)
	before := len(d.changes)
	d.text("controller.jurisdiction", "the jurisdiction", a.Jurisdiction, b.Jurisdiction)
	d.tellAll(before, Told{What: ToldJurisdiction, Old: a.Jurisdiction, New: b.Jurisdiction})
	before = len(d.changes)
	was, is := strings.Join(a.StorageLocations, ", "), strings.Join(b.StorageLocations, ", ")
	d.text("controller.storage_locations", "where data are stored", was, is)
	d.tellAll(before, Told{What: ToldStorage, Old: was, New: is})
}

// tellAll makes the change at an index, if there is one, the last and material to every
// purpose.
func (d *differ) tellAll(at int, told Told) {
	if at == len(d.changes) {
		return
	}
	c := d.changes[at]
	c.Told = told
	d.changes = d.changes[:at]
	var all []string
	for i := range d.new.Purposes {
		all = append(all, d.new.Purposes[i].ID)
	}
	d.tell(c, all...)
}

func (d *differ) text(path, what, a, b string) {
	switch {
	case a == b:
	case a == "":
		d.add(path, "%s is now %q", what, b)
	case b == "":
		d.add(path, "%s is no longer stated; it was %q", what, a)
	default:
		d.add(path, "%s changes from %q to %q", what, a, b)
	}
}

func (d *differ) groups() {
	for _, g := range d.new.Groups {
		old, ok := d.old.groups[g.Name]
		if !ok {
			d.add("groups."+g.Name, "key group %s is new", g.Name)
			continue
		}
		d.text("groups."+g.Name+".title", "its title", old.Title, g.Title)
	}
	for _, g := range d.old.Groups {
		if _, ok := d.new.groups[g.Name]; !ok {
			d.add("groups."+g.Name, "key group %s is removed", g.Name)
		}
	}
}

func (d *differ) purposes() {
	for i := range d.new.Purposes {
		p := &d.new.Purposes[i]
		path := "purposes." + p.ID
		old, ok := d.old.purposes[p.ID]
		if !ok {
			d.widen(path, "purpose %s is new: %s", p.ID, p.Title)
			continue
		}
		d.purpose(path, old, p)
	}
	for _, p := range d.old.Purposes {
		if _, ok := d.new.purposes[p.ID]; !ok {
			d.add("purposes."+p.ID, "purpose %s is removed: nothing can be read for it any longer", p.ID)
		}
	}
}

func (d *differ) collections() {
	for i := range d.new.Collections {
		c := &d.new.Collections[i]
		path := "collections." + c.Name
		old := before(d.old.collections, d.old.collectionIDs, c.Name, c.ID)
		if old == nil {
			d.add(path, "collection %s is new", c.Name)
			old = &Collection{Name: c.Name, Title: c.Title}
		}
		if old.Name != c.Name {
			d.add(path, "collection %s is renamed to %s", old.Name, c.Name)
		}
		d.text(path+".title", "its title", old.Title, c.Title)
		d.titles(path+".titles", old.Titles, c.Titles)
		d.fields(path, old, c)
		d.statistics(path+".statistics", old.Statistics, c.Statistics)
		d.releases(path+".releases", old.Releases, c.Releases)
	}
	for _, c := range d.old.Collections {
		if before(d.new.collections, d.new.collectionIDs, c.Name, c.ID) == nil {
			d.add("collections."+c.Name, "collection %s is removed: what is stored in it opens for nobody", c.Name)
		}
	}
}

// before finds a thing in the other catalog: by id if both have ids, else by
// name.
func before[T any](names map[string]*T, ids map[uint32]*T, name string, id uint32) *T {
	if id != 0 && len(ids) > 0 {
		return ids[id]
	}
	return names[name]
}

func (d *differ) index(path string, a, b *Field) {
	switch {
	case a.Index == nil && b.Index == nil:
	case a.Index == nil:
		by := "an index of " + strconv.Itoa(b.Index.Bits) + " bits"
		if b.Index.Kind == IndexPartial {
			by = "an index without equality"
		}
		d.add(path, "it can be searched, by %s, once a job has indexed the existing records", by)
	case b.Index == nil:
		d.add(path, "it can no longer be searched")
	case !sameIndex(b, a):
		d.add(path, "its index changes to %d bits: existing records need to be indexed again", b.Index.Bits)
	case b.Index.Version > a.Index.Version && a.Index.Version > 0 && a.Index.equalAll(&b.Index.Matching):
		d.add(path, "its key is exchanged: version %d follows %d; a job indexes the existing records again, and searches find them all the while", b.Index.Version, a.Index.Version)
	}
	if b.Index != nil {
		d.matching(path, a.Index, b.Index)
	}
}

// missing lists what is in a and not in b.
func missing(a, b []string) []string {
	var out []string
	for _, s := range a {
		if !slices.Contains(b, s) {
			out = append(out, s)
		}
	}
	return out
}
