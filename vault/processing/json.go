package processing

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// JSON is the record as indented JSON with a line end, members in the order of the type.
func (r *Record) JSON() ([]byte, error) { return indented(r) }

// JSON is the draft as indented JSON with a line end, members in the order of the type.
func (a *Assessment) JSON() ([]byte, error) { return indented(a) }

func indented(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("writing a record: %w", err)
	}
	return b.Bytes(), nil
}
