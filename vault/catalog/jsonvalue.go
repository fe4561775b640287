package catalog

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// maxDepth bounds the nesting of a JSON value.
const maxDepth = 32

// unquote reads a JSON string. Where encoding/json would put U+FFFD, it
// refuses.
func unquote(v []byte) (s, rule string) {
	if len(v) < 2 || v[0] != '"' {
		return "", ruleString
	}
	if !wellFormed(v) {
		return "", ruleUTF8
	}
	if inner := v[1 : len(v)-1]; v[len(v)-1] == '"' && verbatim(inner) {
		return string(inner), ""
	}
	var out string
	if json.Unmarshal(v, &out) != nil {
		return "", ruleString
	}
	return out, ""
}

// verbatim says whether text stands in a JSON string as it is, as most values do.
func verbatim(text []byte) bool {
	for _, c := range text {
		if c < ' ' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// wellFormed says whether JSON text is UTF-8 and escapes no lone surrogate.
func wellFormed(v []byte) bool {
	if !utf8.Valid(v) {
		return false
	}
	for i := 0; i < len(v); i++ {
		if v[i] != '\\' {
			continue
		}
		i++ // what is escaped
		switch surrogate(v[i-1:]) {
		case 'h':
			if surrogate(v[min(i+5, len(v)):]) != 'l' {
				return false
			}
			i += 6
		case 'l':
			return false
		}
	}
	return true
}

// surrogate says whether v begins with the escape of a high or a low
// surrogate.
func surrogate(v []byte) byte {
	if len(v) < 6 || v[0] != '\\' || v[1] != 'u' || v[2]|0x20 != 'd' {
		return 0
	}
	switch v[3] | 0x20 {
	case '8', '9', 'a', 'b':
		return 'h'
	case 'c', 'd', 'e', 'f':
		return 'l'
	}
	return 0
}

// encodeJSON checks a value of type json and removes insignificant white space.
func encodeJSON(v []byte, schema *jsonschema.Schema) (b []byte, rule string) {
	if !wellFormed(v) {
		return nil, ruleUTF8
	}
	if rule := checkJSON(v); rule != "" {
		return nil, rule
	}
	var buf bytes.Buffer
	if json.Compact(&buf, v) != nil {
		return nil, ruleJSON
	}
	if schema != nil {
		if rule := checkSchema(buf.Bytes(), schema); rule != "" {
			return nil, rule
		}
	}
	return buf.Bytes(), ""
}

const ruleJSON = "must be one JSON value"

// checkJSON refuses what readers of JSON disagree on, or would choke on:
// members that stand twice, deep nesting, numbers beyond 64 digits.
func checkJSON(v []byte) string {
	if !json.Valid(v) {
		return ruleJSON
	}
	d := json.NewDecoder(bytes.NewReader(v))
	d.UseNumber()
	var open []map[string]bool // the keys of each open object; nil for an array
	key := false               // a key is next
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			return ""
		}
		if err != nil {
			return ruleJSON
		}
		switch t := t.(type) {
		case json.Delim:
			switch t {
			case '{':
				open = append(open, map[string]bool{})
			case '[':
				open = append(open, nil)
			default:
				open = open[:len(open)-1]
			}
			if len(open) > maxDepth {
				return "must not be nested deeper than 32"
			}
			key = len(open) > 0 && open[len(open)-1] != nil
			continue
		case json.Number:
			if _, ok := canonicalNumber(t.String()); !ok {
				return "must not contain numbers of more than 64 digits"
			}
		case string:
			if key {
				keys := open[len(open)-1]
				if keys[t] {
					return "must not contain a member twice"
				}
				keys[t] = true
				key = false
				continue
			}
		}
		key = len(open) > 0 && open[len(open)-1] != nil
	}
}

// checkSchema gives the rule of the schema that the value breaks: a place in
// the schema, never in the value.
func checkSchema(v []byte, schema *jsonschema.Schema) string {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(v))
	if err != nil {
		return ruleJSON
	}
	err = schema.Validate(doc)
	if err == nil {
		return ""
	}
	const rule = "does not match its schema"
	var e *jsonschema.ValidationError
	if !errors.As(err, &e) {
		return rule
	}
	for len(e.Causes) > 0 {
		e = e.Causes[0]
	}
	_, at, _ := strings.Cut(e.SchemaURL, "#")
	if keyword := e.ErrorKind.KeywordPath(); len(keyword) > 0 {
		at += "/" + keyword[0]
	}
	return rule + " at #" + at
}

// noLoader refuses to load a schema from anywhere.
type noLoader struct{}

func (noLoader) Load(string) (any, error) {
	return nil, errors.New("schemas are not loaded from elsewhere")
}

// compileSchema compiles a JSON Schema (2020-12 unless it says otherwise), in
// which formats count. References lead nowhere outside it.
func compileSchema(schema json.RawMessage) (*jsonschema.Schema, error) {
	const url = "catalog:///schema"
	if rule := checkJSON(schema); rule != "" {
		return nil, errors.New(rule)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		return nil, errors.New(ruleJSON)
	}
	c := jsonschema.NewCompiler()
	c.UseLoader(noLoader{})
	c.AssertFormat()
	if err := c.AddResource(url, doc); err != nil {
		return nil, errors.New("is not a JSON Schema")
	}
	s, err := c.Compile(url)
	if err != nil {
		return nil, errors.New("is not a JSON Schema: " + clip(strings.ReplaceAll(err.Error(), url, ""), 300))
	}
	return s, nil
}
