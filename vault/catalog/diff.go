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
}

// Diff says in words what changes from one catalog to the next, in the order
// of the catalogs. The first may be nil. What was renamed is found by its id, so
// the second should come from Assign.
func Diff(from, to *Catalog) []Change {
	d := &differ{old: from, new: to}
	if from == nil {
		d.old = &Catalog{}
	}
	d.text("title", "the title", d.old.Title, to.Title)
	d.text("region", "the region", d.old.Region, to.Region)
	d.text("controller", "the controller", d.old.Controller.String(), to.Controller.String())
	d.groups()
	d.purposes()
	d.collections()
	return d.changes
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

func (d *differ) purpose(path string, a, b *Purpose) {
	d.text(path+".title", "its title", a.Title, b.Title)
	if a.Text != b.Text {
		d.widen(path+".text", "what people are told about it changes from %q to %q", a.Text, b.Text)
	}
	d.text(path+".benefit", "what people get from it", a.Benefit, b.Benefit)
	if a.Basis != b.Basis {
		d.widen(path+".basis", "it rests on %s instead of %s", b.Basis, a.Basis)
	}
	for _, r := range missing(b.Recipients, a.Recipients) {
		d.widen(path+".recipients", "%s receives the data as well", r)
	}
	for _, r := range missing(a.Recipients, b.Recipients) {
		d.add(path+".recipients", "%s no longer receives the data", r)
	}
	d.retention(path+".retention", a.Retention, b.Retention)
	switch {
	case !a.DespiteRestriction && b.DespiteRestriction:
		d.widen(path+".despite_restriction", "it opens restricted data")
	case a.DespiteRestriction && !b.DespiteRestriction:
		d.add(path+".despite_restriction", "it no longer opens restricted data")
	}
	if a.Version != b.Version {
		d.add(path+".version", "its version changes from %d to %d", a.Version, b.Version)
	}
	d.text(path+".review_by", "its review date", a.ReviewBy, b.ReviewBy)
}

func (d *differ) retention(path string, a, b Days) {
	switch {
	case a == b:
	case b == 0:
		d.widen(path, "data are kept without limit instead of %d days", a)
	case a == 0:
		d.add(path, "data are kept for %d days instead of without limit", b)
	case b > a:
		d.widen(path, "data are kept for %d days instead of %d", b, a)
	default:
		d.add(path, "data are kept for %d days instead of %d: older values expire at once", b, a)
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
		d.fields(path, old, c)
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

func (d *differ) fields(path string, a, b *Collection) {
	for i := range b.Fields {
		f := &b.Fields[i]
		path := path + ".fields." + f.Name
		old := before(a.fields, a.fieldIDs, f.Name, f.ID)
		if old == nil {
			d.widen(path, "field %s is new: %s, for %s", f.Name, f.Type, strings.Join(f.Purposes, ", "))
			continue
		}
		if old.Name != f.Name {
			d.add(path, "field %s is renamed to %s", old.Name, f.Name)
		}
		d.field(path, old, f)
	}
	for _, f := range a.Fields {
		if before(b.fields, b.fieldIDs, f.Name, f.ID) == nil {
			d.add(path+".fields."+f.Name, "field %s is removed: what is stored of it opens for nobody", f.Name)
		}
	}
}

func (d *differ) field(path string, a, b *Field) {
	d.text(path+".title", "its title", a.Title, b.Title)
	d.text(path+".type", "its type", string(a.Type), string(b.Type))
	d.text(path+".classification", "its classification", a.Classification, b.Classification)
	for _, p := range missing(b.Purposes, a.Purposes) {
		d.widen(path+".purposes", "it may be read for %s as well", p)
	}
	for _, p := range missing(a.Purposes, b.Purposes) {
		d.add(path+".purposes", "it may no longer be read for %s", p)
	}
	d.text(path+".group", "its key group", a.Group, b.Group)
	d.index(path+".index", a, b)
	d.text(path+".mask", "its mask", a.Mask, b.Mask)
	d.retention(path+".retention", a.Retention, b.Retention)
	d.text(path+".region", "its region", a.Region, b.Region)
	d.text(path+".schema", "its schema", string(a.Schema), string(b.Schema))
}

func (d *differ) index(path string, a, b *Field) {
	switch {
	case a.Index == nil && b.Index == nil:
	case a.Index == nil:
		d.add(path, "it can be searched, by an index of %s bits, once a job has indexed the existing records", strconv.Itoa(b.Index.Bits))
	case b.Index == nil:
		d.add(path, "it can no longer be searched")
	case !sameIndex(b, a):
		d.add(path, "its index changes to %d bits: existing records need to be indexed again", b.Index.Bits)
	case b.Index.Version > a.Index.Version && a.Index.Version > 0:
		d.add(path, "its key is exchanged: version %d follows %d; a job indexes the existing records again, and searches find them all the while", b.Index.Version, a.Index.Version)
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
