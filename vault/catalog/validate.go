package catalog

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// A checker collects the problems of a linked catalog, by path.
type checker struct {
	c        *Catalog
	problems []Problem
}

// validate checks all that does not depend on the form the catalog came in. It
// compiles the schemas on the way.
func (c *Catalog) validate() []Problem {
	k := &checker{c: c}
	k.line("title", c.Title)
	k.controller(c.Controller)
	if c.Approval != nil {
		k.line("approval.by", c.Approval.By)
		if !validDate(c.Approval.On) {
			k.add("approval.on", "must be a date such as 2027-06-30")
		}
	}
	k.language("language", c.Language)
	k.region("region", c.Region)
	k.groups()
	if len(c.Purposes) == 0 {
		k.add("purposes", "is missing: nothing can be read without a purpose")
	}
	for i := range c.Purposes {
		k.purpose(&c.Purposes[i])
	}
	if len(c.Collections) == 0 {
		k.add("collections", "is missing")
	}
	for i := range c.Collections {
		k.collection(&c.Collections[i])
	}
	k.renames()
	k.consentGroups()
	return k.problems
}

func (k *checker) controller(c *Controller) {
	if c == nil {
		return
	}
	k.line("controller.name", c.Name)
	k.line("controller.contact", c.Contact)
	if c.Address != "" {
		k.line("controller.address", c.Address)
	}
	if c.Jurisdiction != "" {
		k.line("controller.jurisdiction", c.Jurisdiction)
	}
	for i, s := range c.StorageLocations {
		k.line("controller.storage_locations["+strconv.Itoa(i)+"]", s)
	}
}

func (k *checker) add(path, text string) {
	k.problems = append(k.problems, Problem{Path: path, Text: text})
}

// line checks text that must be there and stand on one line.
func (k *checker) line(path, s string) {
	switch {
	case s == "":
		k.add(path, "is missing")
	case !printable(s, ""):
		k.add(path, "must be one line without control characters")
	}
}

// prose checks text that must be there and may have several lines.
func (k *checker) prose(path, s string) {
	switch {
	case s == "":
		k.add(path, "is missing: people are told this")
	case !printable(s, lineBreaks):
		k.add(path, "must not contain control characters")
	}
}

// printable says whether s has no control characters or line breaks but those
// allowed.
func printable(s, allowed string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		line := unicode.IsControl(r) || r == '\u2028' || r == '\u2029'
		return line && !strings.ContainsRune(allowed, r)
	})
}

func (k *checker) name(path, s string) {
	if !validName(s) {
		k.add(path, nameRule)
	}
}

func (k *checker) region(path, s string) {
	if s != "" && !validRegion(s) {
		k.add(path, "is not a country: write the two letters of ISO 3166, such as DE")
	}
}

func (k *checker) groups() {
	seen := map[string]bool{}
	for _, g := range k.c.Groups {
		path := "groups." + g.Name
		k.name(path, g.Name)
		k.line(path+".title", g.Title)
		if seen[g.Name] {
			k.add(path, "stands twice")
		}
		seen[g.Name] = true
	}
	for _, name := range []string{GroupIdentity, GroupDefault} {
		if !seen[name] {
			k.add("groups."+name, "is missing")
		}
	}
}

func (k *checker) days(path string, d Days) {
	if d < 0 || d > maxDays {
		k.add(path, ruleDays)
	}
}

func (k *checker) collection(c *Collection) {
	path := "collections." + c.Name
	k.name(path, c.Name)
	if k.c.collections[c.Name] != c {
		k.add(path, "stands twice")
	}
	k.line(path+".title", c.Title)
	k.titles(path+".titles", c.Titles)
	if len(c.Fields) == 0 {
		k.add(path+".fields", "is missing")
	}
	for i := range c.Fields {
		f := &c.Fields[i]
		if c.fields[f.Name] != f {
			k.add(path+".fields."+f.Name, "stands twice")
		}
		k.field(path+".fields."+f.Name, f)
	}
	k.statistics(path+".statistics", c)
	k.releases(path+".releases", c)
}

func (k *checker) field(path string, f *Field) {
	k.name(path, f.Name)
	k.line(path+".title", f.Title)
	k.titles(path+".titles", f.Titles)
	k.fieldType(path, f)
	k.name(path+".classification", f.Classification)
	k.fieldPurposes(path+".purposes", f.Purposes)
	k.fieldGroup(path+".group", f.Group)
	if x := f.Index; x != nil {
		k.fieldIndex(path+".index", f.Type, x)
	}
	k.days(path+".retention", f.Retention)
	k.region(path+".region", f.Region)
	if f.Region != "" && !f.Type.regional() {
		k.add(path+".region", "is only for phone and national_id")
	}
	k.fieldSchema(path+".schema", f)
	k.expects(path+".expects", f)
	k.token(path+".token", f)
}

func (k *checker) fieldType(path string, f *Field) {
	var names []string
	for _, t := range Types() {
		names = append(names, string(t))
	}
	switch masks := f.Type.masks(); {
	case f.Type == "":
		k.add(path+".type", "is missing: one of "+strings.Join(names, ", "))
	case masks == nil:
		k.add(path+".type", "must be one of "+strings.Join(names, ", ")+suggest(string(f.Type), names))
	case !slices.Contains(masks, f.Mask):
		k.add(path+".mask", "must be one of "+strings.Join(masks, ", ")+" for type "+string(f.Type)+suggest(f.Mask, masks))
	}
}

func (k *checker) fieldPurposes(path string, list []string) {
	if len(list) == 0 {
		k.add(path, "is missing: a field without a purpose could never be read")
	}
	var known []string
	for _, p := range k.c.Purposes {
		known = append(known, p.ID)
	}
	for i, id := range list {
		path := path + "[" + strconv.Itoa(i) + "]"
		switch {
		case id == PurposeSelf:
			k.add(path, `is "self", which is not listed: people may always read their own data`)
		case slices.Contains(list[:i], id):
			k.add(path, "stands twice")
		case !slices.Contains(known, id):
			k.add(path, "names a purpose that is not declared"+suggest(id, known))
		}
	}
}

func (k *checker) fieldGroup(path, name string) {
	var known []string
	for _, g := range k.c.Groups {
		known = append(known, g.Name)
	}
	switch {
	case name == GroupIdentity:
		k.add(path, "is reserved for external ids and free text about the person")
	case !slices.Contains(known, name):
		k.add(path, "names a group that is not declared under groups"+suggest(name, known))
	}
}

func (k *checker) fieldIndex(path string, t Type, x *Index) {
	switch {
	case x.Kind == "":
		k.add(path+".kind", "is missing: "+IndexEquality+" or "+IndexPartial)
	case x.Kind != IndexEquality && x.Kind != IndexPartial:
		k.add(path+".kind", "must be "+IndexEquality+" or "+IndexPartial)
	case x.Kind == IndexPartial && x.Matching == Matching{}:
		k.add(path+".kind", "is "+IndexPartial+": declare prefix, ngrams or range")
	}
	switch {
	case x.Kind == IndexPartial:
		if x.Bits != 0 {
			k.add(path+".bits", "is of equality, which a "+IndexPartial+" index does not have")
		}
	case x.Bits < IndexBitsMin || x.Bits > IndexBitsMax:
		k.add(path+".bits", "must be from "+strconv.Itoa(IndexBitsMin)+" to "+strconv.Itoa(IndexBitsMax))
	}
	if !t.indexable() {
		k.add(path, "is not possible for type "+string(t))
	}
	k.fieldMatching(path, t, &x.Matching)
}

func (k *checker) fieldSchema(path string, f *Field) {
	switch {
	case f.Schema == nil:
	case f.Type != TypeJSON:
		k.add(path, "is only for type json")
	default:
		s, err := compileSchema(f.Schema)
		if err != nil {
			k.add(path, err.Error())
		}
		f.schema = s
	}
}

// expects checks the kinds that a text may hold.
func (k *checker) expects(path string, f *Field) {
	if len(f.Expects) > 0 && f.Type != TypeText {
		k.add(path, "is only for text")
		return
	}
	known := append(TextKinds(), AnyKind)
	for i, kind := range f.Expects {
		at := path + "[" + strconv.Itoa(i) + "]"
		switch {
		case !slices.Contains(known, kind):
			k.add(at, "must be one of "+strings.Join(known, ", ")+suggest(kind, known))
		case slices.Contains(f.Expects[:i], kind):
			k.add(at, "stands twice")
		case kind == AnyKind && len(f.Expects) > 1:
			k.add(at, "is every kind: name no other beside it")
		}
	}
}

// renames checks that a former name is used by one thing alone.
func (k *checker) renames() {
	from := map[string]string{}
	for i := range k.c.Collections {
		c := &k.c.Collections[i]
		_, inUse := k.c.collections[c.RenamedFrom]
		k.rename("collections."+c.Name, c.RenamedFrom, inUse, from)
		fields := map[string]string{}
		for j := range c.Fields {
			f := &c.Fields[j]
			_, inUse := c.fields[f.RenamedFrom]
			k.rename("collections."+c.Name+".fields."+f.Name, f.RenamedFrom, inUse, fields)
		}
	}
}

func (k *checker) rename(path, old string, inUse bool, taken map[string]string) {
	if old == "" {
		return
	}
	other, twice := taken[old]
	taken[old] = path
	switch path += ".renamed_from"; {
	case !validName(old):
		k.add(path, nameRule)
	case inUse:
		k.add(path, "is a name that is still in use")
	case twice:
		k.add(path, "is claimed by "+other+" as well")
	}
}

// consentGroups checks that consent gates the keys of what rests on it alone.
func (k *checker) consentGroups() {
	fields := map[string][]*Field{}
	for i := range k.c.Collections {
		for j := range k.c.Collections[i].Fields {
			f := &k.c.Collections[i].Fields[j]
			fields[f.Group] = append(fields[f.Group], f)
		}
	}
	for i := range k.c.Collections {
		for j := range k.c.Collections[i].Fields {
			if f := &k.c.Collections[i].Fields[j]; k.c.restsOnConsent(f) {
				k.consentGroup(f, fields[f.Group])
			}
		}
	}
}

func (k *checker) consentGroup(f *Field, sharers []*Field) {
	path := "collections." + f.collection + ".fields." + f.Name + ".group"
	why := "all its purposes (" + strings.Join(f.Purposes, ", ") + ") rest on consent, so it needs a key group of its own: "
	if f.Group == GroupDefault {
		k.add(path, why+"declare one under groups and name it here")
		return
	}
	for _, other := range sharers {
		name := other.collection + "." + other.Name
		switch {
		case !k.c.restsOnConsent(other):
			k.add(path, why+"group "+f.Group+" also holds "+name+", which rests on something else")
			return
		case !sameSet(f.Purposes, other.Purposes):
			k.add(path, why+"group "+f.Group+" also holds "+name+", which lists other purposes")
			return
		}
	}
}

func sameSet(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for _, s := range a {
		if !slices.Contains(b, s) {
			return false
		}
	}
	return true
}
