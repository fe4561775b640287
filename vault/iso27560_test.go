package vault_test

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/piprate/json-gold/ld"
	"golang.org/x/text/language"
)

// A field27560 is a line of testdata/iso27560/fields.csv.
type field27560 struct{ section, name, required, form, term string }

// An iso27560 checks receipts against the list of fields of ISO/IEC TS 27560 and the
// terms of the Data Privacy Vocabulary. It reads the JSON as anybody would: nothing of
// the code that writes receipts is in it.
type iso27560 struct {
	fields []field27560
	terms  map[string]bool // IRIs
}

var namespaces27560 = map[string]string{
	"dpv": "https://w3id.org/dpv#", "dpv-27560": "https://w3id.org/dpv/schema/dpv-27560#", "dct": "http://purl.org/dc/terms/",
}

// iri is the full form of a name with a prefix.
func iri(name string) string {
	prefix, local, _ := strings.Cut(name, ":")
	if space, ok := namespaces27560[prefix]; ok {
		return space + local
	}
	return name
}

func newISO27560(t *testing.T) *iso27560 {
	t.Helper()
	c := &iso27560{terms: map[string]bool{}}
	text, err := os.ReadFile("testdata/iso27560/terms.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "#") {
			c.terms[iri(line)] = true
		}
	}
	table, err := os.ReadFile("testdata/iso27560/fields.csv")
	if err != nil {
		t.Fatal(err)
	}
	r := csv.NewReader(strings.NewReader(string(table)))
	r.Comment = '#'
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	standard := map[string]bool{}
	for _, row := range rows[1:] {
		f := field27560{section: row[0], name: row[1], required: row[2], form: row[3], term: iri(row[4])}
		c.fields = append(c.fields, f)
		standard[f.name] = standard[f.name] || f.required != "own"
		if f.term != "" && f.term != "@type" && !c.terms[f.term] {
			t.Errorf("%s.%s: there is no term %s", f.section, f.name, f.term)
		}
	}
	for _, f := range c.fields {
		if f.required == "own" && standard[f.name] {
			t.Errorf("%s.%s is ours and bears a name of the standard", f.section, f.name)
		}
	}
	return c
}

type object = map[string]any

// A part27560 is one object of a section, with the node of the graph that it stands for.
type part27560 struct {
	section string
	json    object
	node    object
}

// check says what is wrong of a receipt.
func (c *iso27560) check(doc []byte) []string {
	var receipt object
	if err := json.Unmarshal(doc, &receipt); err != nil {
		return []string{err.Error()}
	}
	root, err := expand(doc)
	if err != nil {
		return []string{err.Error()}
	}
	var wrong []string
	parts := parts27560(receipt, root)
	for _, p := range parts {
		wrong = append(wrong, c.part(receipt, p)...)
	}
	return append(wrong, c.used(root, "receipt")...)
}

// expand returns the receipt as a node of JSON-LD 1.1, without any loader of documents.
func expand(doc []byte) (object, error) {
	var v any
	if err := json.Unmarshal(doc, &v); err != nil {
		return nil, err
	}
	o := ld.NewJsonLdOptions("")
	o.DocumentLoader = offline{}
	nodes, err := ld.NewJsonLdProcessor().Expand(v, o)
	if err != nil {
		return nil, err
	}
	if len(nodes) != 1 {
		return nil, fmt.Errorf("%d nodes", len(nodes))
	}
	root, _ := nodes[0].(object)
	return root, nil
}

type offline struct{}

func (offline) LoadDocument(string) (*ld.RemoteDocument, error) {
	return nil, errors.New("nothing is loaded")
}

// parts27560 pairs every object of a section with its node.
func parts27560(receipt, root object) []part27560 {
	header, processing := asObject(receipt["header"]), asObject(receipt["processing"])
	all := []part27560{
		{"receipt", receipt, root},
		{"header", header, root},
		{"processing", processing, root},
		{"privacy_notice", asObject(processing["privacy_notice"]), nodeOf(root, "dpv:hasNotice", 0)},
	}
	for i, p := range asObjects(processing["purposes"]) {
		process := nodeOf(root, "dpv:hasProcess", i)
		all = append(all, part27560{"purposes", p, process})
		for j, d := range asObjects(p["pii_information"]) {
			all = append(all, part27560{"pii_information", d, nodeOf(process, "dpv:hasPersonalData", j)})
		}
	}
	for i, p := range asObjects(receipt["party_identification"]) {
		all = append(all, part27560{"party_identification", p, nodeOf(root, "dpv:hasEntity", i)})
	}
	for i, e := range asObjects(receipt["event"]) {
		all = append(all, part27560{"event", e, nodeOf(root, "dpv:hasConsentStatus", i)})
	}
	return all
}

func asObject(v any) object {
	o, _ := v.(object)
	return o
}

func asObjects(v any) (all []object) {
	list, _ := v.([]any)
	for _, e := range list {
		all = append(all, asObject(e))
	}
	return all
}

func nodeOf(in object, property string, i int) object {
	if list, _ := in[iri(property)].([]any); i < len(list) {
		return asObject(list[i])
	}
	return nil
}

// part checks the members of one object.
func (c *iso27560) part(receipt object, p part27560) (wrong []string) {
	known := map[string]bool{}
	for _, f := range c.fields {
		if f.section != p.section {
			continue
		}
		known[f.name] = true
		v, ok := p.json[f.name]
		switch {
		case !ok && (f.required == "yes" || f.required == "conditional"):
			wrong = append(wrong, f.section+"."+f.name+": is missing")
		case ok && !formed(receipt, f.form, v):
			wrong = append(wrong, fmt.Sprintf("%s.%s: %v is no %s", f.section, f.name, v, f.form))
		case ok && f.term != "" && !stated(p.node[f.term], f, v):
			wrong = append(wrong, fmt.Sprintf("%s.%s: the graph has not %v as %s", f.section, f.name, v, f.term))
		}
	}
	for name := range p.json {
		if !known[name] {
			wrong = append(wrong, p.section+"."+name+": is not in the list")
		}
	}
	return wrong
}

// formed says whether v has the form of a field.
func formed(receipt object, form string, v any) bool {
	s, isText := v.(string)
	switch form {
	case "uuid":
		id, err := uuid.Parse(s)
		return err == nil && id != uuid.Nil && id.String() == s
	case "time":
		_, err := time.Parse(time.RFC3339Nano, s)
		return err == nil && strings.HasSuffix(s, "Z")
	case "language":
		_, err := language.Parse(s)
		return err == nil
	case "duration":
		return period.MatchString(s) && strings.ContainsAny(s[len(s)-1:], "YMWDHS") || strings.Contains(s, " ")
	case "hash":
		return strings.HasPrefix(s, "sha256:") && len(s) == 71
	case "text", "term", "class", "schema":
		return isText && strings.TrimSpace(s) != ""
	case "bool":
		_, ok := v.(bool)
		return ok
	case "number":
		_, ok := v.(float64)
		return ok
	case "object":
		return len(asObject(v)) > 0
	case "objects":
		return !slices.ContainsFunc(asObjects(v), func(o object) bool { return len(o) == 0 }) && len(asObjects(v)) > 0
	}
	return formedList(receipt, form, v)
}

var period = regexp.MustCompile(`^P(\d+Y)?(\d+M)?(\d+W)?(\d+D)?(T(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?$`)

// formedList says whether v is a list: of texts, of texts that may be empty, or of the
// ids of parties.
func formedList(receipt object, form string, v any) bool {
	list, ok := v.([]any)
	for _, e := range list {
		s, isText := e.(string)
		ok = ok && isText && s != ""
		ok = ok && (form != "parties" || slices.ContainsFunc(asObjects(receipt["party_identification"]), func(p object) bool { return p["party_id"] == s }))
	}
	return ok && (form == "list" || (form == "texts" || form == "parties") && len(list) > 0)
}

// matches says whether a value of the graph is a member's: the same literal, or a term
// that stands for it.
func (f field27560) matches(value, v any) bool {
	o := asObject(value)
	switch f.form {
	case "class", "term", "schema":
		id, _ := o["@id"].(string)
		if f.term == "@type" {
			id, _ = value.(string)
		}
		return strings.Contains(id, "://")
	case "time":
		return o["@value"] == v && o["@type"] == "http://www.w3.org/2001/XMLSchema#dateTime"
	case "object", "objects":
		return o != nil && o["@value"] == nil
	}
	return o["@value"] == v
}

// stated says whether the values of a node's property have all that a member has.
func stated(values any, f field27560, v any) bool {
	have, ok := values.([]any)
	want, many := v.([]any)
	if !many {
		want = []any{v}
	}
	for _, w := range want {
		ok = ok && slices.ContainsFunc(have, func(value any) bool { return f.matches(value, w) })
	}
	return ok
}

// used names what the graph says with terms that are not in the list.
func (c *iso27560) used(v any, in string) (wrong []string) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			wrong = append(wrong, c.used(e, in)...)
		}
	case object:
		if id, ok := v["@id"].(string); ok && !c.terms[id] {
			wrong = append(wrong, fmt.Sprintf("%s: there is no term %q", in, id))
		}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			switch {
			case name == "@type" && v["@value"] == nil:
				for _, class := range v[name].([]any) {
					if !c.terms[class.(string)] {
						wrong = append(wrong, fmt.Sprintf("%s: there is no class %q", in, class))
					}
				}
			case !strings.HasPrefix(name, "@"):
				if !c.terms[name] {
					wrong = append(wrong, in+": there is no property "+name)
				}
				wrong = append(wrong, c.used(v[name], name)...)
			}
		}
	}
	return wrong
}
