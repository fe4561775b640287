package catalog

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Parse reads a catalog in YAML. It has no ids and no version yet: see Assign.
//
// An error is an *Error that lists every problem of the source.
func Parse(src []byte) (*Catalog, error) {
	r := &reader{positions: map[string]position{}}
	root := r.root(src)
	if root == nil {
		return nil, &Error{Problems: r.problems}
	}
	c := r.catalog(r.object(root, "", "title", "controller", "approval", "language", "region", "groups", "purposes", "collections"))
	c.positions = r.positions
	c.link()
	problems := append(r.problems, c.locate(c.validate(), r.problems)...)
	if len(problems) > 0 {
		slices.SortStableFunc(problems, func(a, b Problem) int {
			return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
		})
		return nil, &Error{Problems: problems}
	}
	return c, nil
}

// locate gives problems their place in the source. It leaves out those of a
// place that has a known problem, in it or below it: they may be a consequence.
func (c *Catalog) locate(list, known []Problem) []Problem {
	has := map[string]bool{}
	for _, p := range known {
		for path := p.Path; path != ""; path = parent(path) {
			has[path] = true
		}
	}
	var out []Problem
	for _, p := range list {
		if has[p.Path] {
			continue
		}
		at := c.positionOf(p.Path)
		p.Line, p.Column = at.line, at.column
		out = append(out, p)
	}
	return out
}

// positionOf finds the place of a path, or of what it is in.
func (c *Catalog) positionOf(path string) position {
	for ; path != ""; path = parent(path) {
		if at, ok := c.positions[path]; ok {
			return at
		}
	}
	if len(c.positions) > 0 {
		return position{1, 1}
	}
	return position{}
}

// parent is the path of what a path is in.
func parent(path string) string {
	return path[:max(0, strings.LastIndexAny(path, ".["))]
}

func (r *reader) catalog(o object) *Catalog {
	c := &Catalog{Title: o.text("title"), Region: o.text("region"), Language: cmp.Or(o.text("language"), LanguageDefault)}
	if e, ok := o.values["controller"]; ok && e.value != nil {
		p := r.object(e.value, e.path, "name", "contact", "address", "jurisdiction", "storage_locations")
		c.Controller = &Controller{
			Name: p.text("name"), Contact: p.text("contact"), Address: p.text("address"),
			Jurisdiction: p.text("jurisdiction"), StorageLocations: p.list("storage_locations"),
		}
	}
	if e, ok := o.values["approval"]; ok && e.value != nil {
		p := r.object(e.value, e.path, "by", "on")
		c.Approval = &Approval{By: p.text("by"), On: p.text("on")}
	}
	c.Groups = r.groups(o)
	for _, e := range o.members("purposes") {
		c.Purposes = append(c.Purposes, r.purpose(e))
	}
	for _, e := range o.members("collections") {
		c.Collections = append(c.Collections, r.collection(e, c.Region))
	}
	return c
}

func (r *reader) groups(o object) []Group {
	list := []Group{
		{ID: GroupIdentityID, Name: GroupIdentity, Title: "Identity"},
		{ID: GroupDefaultID, Name: GroupDefault, Title: "Default"},
	}
	for _, e := range o.members("groups") {
		g := Group{Name: e.key, Title: titleOr(r.object(e.value, e.path, "title"), e.key)}
		switch e.key {
		case GroupIdentity:
			r.add(e.at, e.path, "is reserved")
		case GroupDefault:
			list[1].Title = g.Title
		default:
			list = append(list, g)
		}
	}
	return list
}

func (r *reader) purpose(e entry) Purpose {
	o := r.object(e.value, e.path, "title", "text", "benefit", "consequence", "translations", "basis", "recipients", "retention",
		"expires", "despite_restriction", "direct_marketing", "sells", "min_age", "version", "review_by")
	p := Purpose{
		ID:                 e.key,
		Words:              words(o),
		Basis:              o.text("basis"),
		Recipients:         o.list("recipients"),
		Retention:          o.days("retention"),
		Expires:            o.days("expires"),
		DespiteRestriction: o.boolean("despite_restriction"),
		DirectMarketing:    o.boolean("direct_marketing"),
		Sells:              o.boolean("sells"),
		MinAge:             o.integer("min_age", 0),
		Version:            o.integer("version", 1),
		ReviewBy:           o.text("review_by"),
	}
	for _, t := range r.entries(o.values["translations"].value, o.values["translations"].path) {
		if p.Translations == nil {
			p.Translations = map[string]Words{}
		}
		p.Translations[t.key] = words(r.object(t.value, t.path, "title", "text", "benefit", "consequence"))
	}
	return p
}

func words(o object) Words {
	return Words{Title: o.text("title"), Text: o.text("text"), Benefit: o.text("benefit"), Consequence: o.text("consequence")}
}

// titles reads titles by language.
func (o object) titles() map[string]string {
	e := o.values["titles"]
	var list map[string]string
	for _, t := range o.r.entries(e.value, e.path) {
		if list == nil {
			list = map[string]string{}
		}
		s, ok := plain(t.value)
		if !ok {
			o.r.add(t.at, t.path, "must be text: put it in quotes")
			continue
		}
		list[t.key] = strings.TrimSpace(s)
	}
	return list
}

func (r *reader) collection(e entry, region string) Collection {
	o := r.object(e.value, e.path, "title", "titles", "renamed_from", "fields", "statistics", "releases")
	c := Collection{Name: e.key, Title: titleOr(o, e.key), Titles: o.titles(), RenamedFrom: o.text("renamed_from")}
	for _, f := range o.members("fields") {
		c.Fields = append(c.Fields, r.field(f, region))
	}
	c.Statistics = r.statistics(o.values["statistics"], c.Fields)
	c.Releases = r.releases(o.values["releases"], c.Fields)
	return c
}

func (r *reader) field(e entry, region string) Field {
	o := r.object(e.value, e.path, "type", "title", "titles", "classification", "purposes", "group", "index", "mask",
		"retention", "region", "schema", "expects", "token", "renamed_from")
	f := Field{
		Name:           e.key,
		Title:          titleOr(o, e.key),
		Titles:         o.titles(),
		Type:           Type(o.text("type")),
		Classification: cmp.Or(o.text("classification"), ClassificationDefault),
		Purposes:       o.list("purposes"),
		Group:          cmp.Or(o.text("group"), GroupDefault),
		Mask:           o.text("mask"),
		Retention:      o.days("retention"),
		Region:         o.text("region"),
		Expects:        o.list("expects"),
		RenamedFrom:    o.text("renamed_from"),
	}
	if masks := f.Type.masks(); f.Mask == "" && len(masks) > 0 {
		f.Mask = masks[0]
	}
	if f.Region == "" && f.Type == TypePhone {
		f.Region = region
	}
	if x, ok := o.values["index"]; ok && x.value != nil {
		f.Index = r.index(x)
	}
	if x, ok := o.values["token"]; ok && x.value != nil {
		f.Token = r.tokenFormat(x)
	}
	if s, ok := o.values["schema"]; ok && s.value != nil {
		f.Schema = r.json(s.value, s.path)
	}
	return f
}

func (r *reader) index(e entry) *Index {
	p := r.object(e.value, e.path, "kind", "bits", "version", "prefix", "ngrams", "range")
	x := &Index{Kind: p.text("kind"), Matching: r.matching(p)}
	bits := IndexBitsDefault
	if x.Kind == IndexPartial {
		bits = 0
	}
	x.Bits = p.integer("bits", bits)
	if v, stated := p.values["version"]; stated && v.value != nil {
		n := p.integer("version", 1)
		if n < 1 || n > maxIndexVersion {
			r.add(place(v.value), v.path, "must be from 1 to "+strconv.Itoa(maxIndexVersion))
			n = 1
		}
		x.Version = uint32(n)
	}
	return x
}

// maxIndexVersion is the highest version of an index that a source may state.
const maxIndexVersion = 1_000_000

// titleOr reads the title, or makes one of the name: first_name, First name.
func titleOr(o object, name string) string {
	title := o.text("title")
	if title == "" {
		title = strings.ReplaceAll(name, "_", " ")
		title = strings.ToUpper(title[:1]) + title[1:]
	}
	return title
}
