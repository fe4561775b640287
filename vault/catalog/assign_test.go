package catalog_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fieldvault/fieldvault/vault/catalog"
)

// ids gives the ids of everything in a catalog.
func ids(c *catalog.Catalog) map[string]uint32 {
	m := map[string]uint32{}
	for _, g := range c.Groups {
		m["group "+g.Name] = g.ID
	}
	for _, g := range c.RetiredGroups {
		m["retired group "+g.Name] = g.ID
	}
	for _, col := range c.Collections {
		m[col.Name] = col.ID
		for _, f := range col.Fields {
			m[col.Name+"."+f.Name] = f.ID
		}
		for _, f := range col.Retired {
			m[col.Name+".retired "+f.Name] = f.ID
		}
	}
	for _, col := range c.RetiredCollections {
		m["retired "+col.Name] = col.ID
	}
	return m
}

// source writes a catalog of text fields from its groups and collections in
// short: "customer: email phone<tel; people<client: name". What stands after <
// is the former name.
func source(groups, collections string) string {
	src := "title: Shop\npurposes:\n  support: {title: S, text: T, benefit: B, basis: contract}\ngroups:\n"
	for _, g := range strings.Fields(groups) {
		src += "  " + g + ": {}\n"
	}
	src += "collections:\n"
	for col := range strings.SplitSeq(collections, ";") {
		name, fields, _ := strings.Cut(strings.TrimSpace(col), ":")
		src += key("  ", name) + "    fields:\n"
		for f := range strings.FieldsSeq(fields) {
			src += key("      ", f) + "        type: text\n        purposes: [support]\n"
		}
	}
	return src
}

// key begins a mapping whose name may be new<old.
func key(indent, s string) string {
	name, old, renamed := strings.Cut(s, "<")
	if !renamed {
		return indent + name + ":\n"
	}
	return indent + name + ":\n" + indent + "  renamed_from: " + old + "\n"
}

func TestAssignFirst(t *testing.T) {
	parsed := parse(t, source("news", "customer: email phone; order: total"))
	before := ids(parsed)
	c, err := parsed.Assign(nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.Version != 1 {
		t.Errorf("version %d", c.Version)
	}
	want := map[string]uint32{
		"group identity": 1, "group default": 2, "group news": 3,
		"customer": 1, "customer.email": 1, "customer.phone": 2, "order": 2, "order.total": 1,
	}
	if diff := cmp.Diff(want, ids(c)); diff != "" {
		t.Errorf("ids (-want +got):\n%s", diff)
	}
	if f := field(t, c, "order.total"); f.GroupID != catalog.GroupDefaultID {
		t.Errorf("group id %d", f.GroupID)
	}
	if diff := cmp.Diff(before, ids(parsed)); diff != "" || parsed.Version != 0 {
		t.Errorf("the parsed catalog was changed:\n%s", diff)
	}
}

// TestAssignNeverReusesIDs walks through versions in which things come, go, come
// back and are renamed.
func TestAssignNeverReusesIDs(t *testing.T) {
	var c *catalog.Catalog
	for i, step := range []struct {
		groups, collections string
		want                map[string]uint32
	}{
		{"a b", "x: p q; y: p", map[string]uint32{"group a": 3, "group b": 4, "x": 1, "x.p": 1, "x.q": 2, "y": 2, "y.p": 1}},
		{"b", "x: q; y: p", map[string]uint32{"group b": 4, "retired group a": 3, "x": 1, "x.q": 2, "x.retired p": 1, "y": 2, "y.p": 1}},
		{"b a", "y: p; x: p q", map[string]uint32{"group b": 4, "group a": 5, "retired group a": 3, "x": 1, "x.p": 3, "x.q": 2, "x.retired p": 1, "y": 2, "y.p": 1}},
		{"", "x: p q", map[string]uint32{"retired group b": 4, "retired group a": 5, "x": 1, "x.p": 3, "x.q": 2, "x.retired p": 1, "retired y": 2}},
		{"", "x: p q; y: p", map[string]uint32{"retired group b": 4, "retired group a": 5, "x": 1, "x.p": 3, "x.q": 2, "x.retired p": 1, "retired y": 2, "y": 3, "y.p": 1}},
		{"", "z<x: r<p q; y: p", map[string]uint32{"retired group b": 4, "retired group a": 5, "z": 1, "z.r": 3, "z.q": 2, "z.retired p": 1, "retired y": 2, "y": 3, "y.p": 1}},
		{"", "z<x: r<p q; y: p", map[string]uint32{"retired group b": 4, "retired group a": 5, "z": 1, "z.r": 3, "z.q": 2, "z.retired p": 1, "retired y": 2, "y": 3, "y.p": 1}},
		{"", "z: r q p; y: p; x: p", map[string]uint32{"retired group b": 4, "retired group a": 5, "z": 1, "z.r": 3, "z.q": 2, "z.p": 4, "z.retired p": 1, "retired y": 2, "y": 3, "y.p": 1, "x": 4, "x.p": 1}},
		{"", "z: s", map[string]uint32{"retired group b": 4, "retired group a": 5, "z": 1, "z.s": 5, "z.retired p": 4, "z.retired q": 2, "z.retired r": 3, "retired y": 3, "retired x": 4}},
	} {
		step.want["group identity"], step.want["group default"] = 1, 2
		c = assign(t, c, source(step.groups, step.collections))
		if c.Version != int64(i+1) {
			t.Errorf("step %d: version %d", i, c.Version)
		}
		if diff := cmp.Diff(step.want, ids(c)); diff != "" {
			t.Fatalf("step %d: ids (-want +got):\n%s", i, diff)
		}
		b, err := catalog.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if c, err = catalog.Unmarshal(b); err != nil { // as after a restart
			t.Fatal(err)
		}
	}
}

func TestAssignKeepsPrevious(t *testing.T) {
	prev := shop(t)
	before, err := catalog.Marshal(prev)
	if err != nil {
		t.Fatal(err)
	}
	assign(t, prev, string(read(t, "shop2.yaml")))
	after, err := catalog.Marshal(prev)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(before), string(after)); diff != "" {
		t.Errorf("the previous catalog was changed:\n%s", diff)
	}
}

func TestAssignRefuses(t *testing.T) {
	const customer = "collections.customer"
	for _, tt := range []struct{ name, old, new, want string }{
		{"type", "type: email", "type: text", "line 11: " + customer + ".fields.email.type: was email and cannot be changed: add a field, back-fill it, and remove this one"},
		{"group", "[support]}", "[support], group: news}", "line 11: " + customer + ".fields.email.group: was default and cannot be changed: add a field, back-fill it, and remove this one"},
		{"type of a renamed field", "email: {type: email,", "mail: {type: text, renamed_from: email,", "line 11: " + customer + ".fields.mail.type: was email and cannot be changed: add a field, back-fill it, and remove this one"},
		{"renamed from nothing", "email: {type: email,", "mail: {type: email, renamed_from: e_mail,", "line 11: " + customer + ".fields.mail.renamed_from: names nothing that was there in the version before"},
		{"collection renamed from nothing", "    fields:", "    renamed_from: client\n    fields:", ""},
		{"new collection renamed from nothing", "  customer:", "  people:\n    renamed_from: client", "line 10: collections.people.renamed_from: names nothing that was there in the version before"},
		{"basis", "text: T, benefit: B, basis: contract", "text: T, benefit: B, basis: legitimate_interests", "line 5: purposes.support.basis: changed: raise the version of the purpose as well, so that people are told"},
		{"purpose version", "basis: contract", "basis: contract, version: 1", "line 5: purposes.support.version: is lower than it was"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			start := strings.Replace(base, "basis: contract", "basis: contract, version: 2", 1)
			prev := assign(t, nil, start)
			src := strings.Replace(start, tt.old, tt.new, 1)
			if tt.name == "purpose version" {
				src = strings.Replace(base, tt.old, tt.new, 1)
			}
			c, err := parse(t, src).Assign(prev)
			if tt.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if c != nil {
				t.Error("a catalog beside an error")
			}
			if diff := cmp.Diff([]string{tt.want}, problems(t, err)); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAssignRefusesMergingFields(t *testing.T) {
	prev := assign(t, nil, source("", "x: a b"))
	_, err := parse(t, source("", "x: b<a")).Assign(prev)
	want := []string{"line 9: collections.x.fields.b.renamed_from: cannot be: both names are in use in the version before"}
	if diff := cmp.Diff(want, problems(t, err)); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

func TestAssignAllowsNewBasisWithNewVersion(t *testing.T) {
	prev := assign(t, nil, base)
	assign(t, prev, strings.Replace(base, "basis: contract", "basis: legitimate_interests, version: 2", 1))
}

// TestIndexVersionRises checks that values of two forms are never compared.
func TestIndexVersionRises(t *testing.T) {
	var c *catalog.Catalog
	for i, step := range []struct {
		field string
		want  uint32 // 0: no index
		last  uint32
	}{
		{"", 0, 0},
		{", index: {kind: equality}", 1, 1},
		{", index: {kind: equality, bits: 64}", 1, 1},
		{", index: {kind: equality, bits: 32}", 2, 2},
		{", index: {kind: equality, bits: 32}, region: DE", 3, 3},
		{", region: DE", 0, 3},
		{", region: DE", 0, 3},
		{", index: {kind: equality, bits: 32}, region: DE", 4, 4},
	} {
		src := strings.Replace(base, "type: email", "type: phone", 1)
		c = assign(t, c, strings.Replace(src, "[support]", "[support]"+step.field, 1))
		f := field(t, c, "customer.email")
		var got uint32
		if f.Index != nil {
			got = f.Index.Version
		}
		if got != step.want || f.IndexVersion != step.last {
			t.Errorf("step %d: index version %d of %d, want %d of %d", i, got, f.IndexVersion, step.want, step.last)
		}
	}
}

// TestExchangeOfAnIndexKey walks through versions that the source states: what is
// written and searched while an index is filled, and afterwards.
func TestExchangeOfAnIndexKey(t *testing.T) {
	src := func(index string) string { return strings.Replace(base, "[support]", "[support]"+index, 1) }
	c := assign(t, nil, src(""))
	for i, step := range []struct {
		index             string
		filled            bool // first, the index was filled
		written, searched []uint32
	}{
		{", index: {kind: equality}", false, []uint32{1}, nil},
		{", index: {kind: equality, version: 1}", false, []uint32{1}, nil},
		{", index: {kind: equality}", true, []uint32{1}, []uint32{1}},
		{", index: {kind: equality, version: 2}", false, []uint32{1, 2}, []uint32{1, 2}},
		{", index: {kind: equality}", false, []uint32{1, 2}, []uint32{1, 2}},
		{", index: {kind: equality, version: 2}", true, []uint32{2}, []uint32{2}},
		{", index: {kind: equality, version: 9}", false, []uint32{2, 9}, []uint32{2, 9}},
		{"", false, nil, nil},
		{", index: {kind: equality}", true, []uint32{10}, nil},
	} {
		if step.filled {
			c = c.Filled()
		}
		c = assign(t, c, src(step.index))
		b, err := catalog.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if c, err = catalog.Unmarshal(b); err != nil {
			t.Fatal(err)
		}
		x := field(t, c, "customer.email").Index
		if x == nil {
			if c.Filling() || step.written != nil {
				t.Errorf("step %d: no index", i)
			}
			continue
		}
		if !slices.Equal(x.Written(), step.written) || !slices.Equal(x.Searched(), step.searched) {
			t.Errorf("step %d: version %v is written, %v searched, want %v and %v", i, x.Written(), x.Searched(), step.written, step.searched)
		}
		if want := len(step.searched) != 1; c.Filling() != want {
			t.Errorf("step %d: filling %v, want %v", i, c.Filling(), want)
		}
	}
	filling := assign(t, assign(t, nil, src(", index: {kind: equality}")), src(", index: {kind: equality, version: 3}"))
	for index, want := range map[string]string{
		", index: {kind: equality, version: 4}":           "cannot rise while version 3 is not complete: let the job that indexes the records end first",
		", index: {kind: equality, version: 2}":           "must be 3 or more: what is below was used before; leave it out to keep the version in force",
		", index: {kind: equality, bits: 9, version: 3}":  "must be 4 or more: what is below was used before; leave it out to keep the version in force",
		", index: {kind: equality, version: 0}":           "must be from 1 to 1000000",
		", index: {kind: equality, version: -1}":          "must be from 1 to 1000000",
		", index: {kind: equality, version: 1000001}":     "must be from 1 to 1000000",
		", index: {kind: equality, version: two}":         "must be a whole number",
		", index: {kind: equality, version: 4294967297 }": "must be from 1 to 1000000",
	} {
		parsed, err := catalog.Parse([]byte(src(index)))
		if err == nil {
			_, err = parsed.Assign(filling)
		}
		if err == nil || !strings.Contains(err.Error(), "customer.fields.email.index.version: "+want) {
			t.Errorf("%s: %v, want %q", index, err, want)
		}
	}
	want := []string{"collections.customer.fields.email.index: its key is exchanged: version 3 follows 1; a job indexes the existing records again, and searches find them all the while"}
	if got := words(catalog.Diff(assign(t, nil, src(", index: {kind: equality}")), filling)); !slices.Equal(got, want) {
		t.Errorf("changes: %q", got)
	}
}
