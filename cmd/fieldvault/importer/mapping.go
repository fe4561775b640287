package importer

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/catalog"
)

// A Mapping says what becomes of a row.
type Mapping struct {
	// Collection is the records' collection.
	Collection string `yaml:"collection"`
	// Subject and Record are templates: text with {Column} in it.
	Subject string `yaml:"subject"`
	Record  string `yaml:"record"`
	// Fields are columns by field.
	Fields map[string]string `yaml:"fields"`
	// Transforms are applied to a field's text: "date" keeps the date of a date
	// and time (ISO 8601).
	Transforms map[string]string `yaml:"transforms"`
}

// ParseMapping reads a mapping from YAML. Unknown keys are refused.
func ParseMapping(text []byte) (Mapping, error) {
	var m Mapping
	if err := yaml.UnmarshalWithOptions(text, &m, yaml.Strict()); err != nil {
		return Mapping{}, fmt.Errorf("reading the mapping: %s", yaml.FormatError(err, false, true))
	}
	switch {
	case m.Collection == "":
		return Mapping{}, errors.New("the mapping names no collection")
	case m.Subject == "" || m.Record == "":
		return Mapping{}, errors.New("the mapping needs templates for subject and record")
	case len(m.Fields) == 0:
		return Mapping{}, errors.New("the mapping has no fields")
	}
	for f, t := range m.Transforms {
		if t != "date" {
			return Mapping{}, fmt.Errorf("the transform of %s is unknown: the only one is date", f)
		}
	}
	return m, nil
}

// check finds fields that the catalog does not have.
func (m Mapping) check(c *catalog.Collection) error {
	var unknown []string
	for f := range m.Fields {
		if _, ok := c.Field(f); !ok {
			unknown = append(unknown, f)
		}
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		return fmt.Errorf("the mapping has fields that the catalog does not know: %s", strings.Join(unknown, ", "))
	}
	return nil
}

// write makes the record of a row, or says what is wrong with it.
func (m Mapping) write(row Row, c *catalog.Collection) (w vault.Write, problem string) {
	w = vault.Write{Collection: m.Collection, Fields: map[string]json.RawMessage{}}
	if w.Subject, problem = fill(m.Subject, row); problem != "" {
		return w, "subject: " + problem
	}
	if w.Record, problem = fill(m.Record, row); problem != "" {
		return w, "record: " + problem
	}
	for f, column := range m.Fields {
		text, ok := row.Columns[column]
		if !ok {
			return w, "the column " + column + " is missing"
		}
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		if m.Transforms[f] == "date" {
			text, _, _ = strings.Cut(text, "T")
			text, _, _ = strings.Cut(text, " ")
		}
		def, _ := c.Field(f)
		w.Fields[f] = def.FromText(text)
	}
	return w, ""
}

// fill replaces {Column} in a template.
func fill(template string, row Row) (text, problem string) {
	var b strings.Builder
	rest := template
	for {
		before, after, ok := strings.Cut(rest, "{")
		b.WriteString(before)
		if !ok {
			return b.String(), ""
		}
		column, tail, ok := strings.Cut(after, "}")
		if !ok {
			return "", "the template has { without }"
		}
		v := strings.TrimSpace(row.Columns[column])
		if v == "" {
			return "", "the column " + column + " is missing or empty"
		}
		b.WriteString(v)
		rest = tail
	}
}
