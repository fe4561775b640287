package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"github.com/fieldvault/fieldvault/vault/api"
)

// A Value is one field of a struct together with what the caller was allowed to
// see of it. Use it where a program must tell a value from its mask. It does not
// print what it holds.
type Value struct {
	// View is plain, masked or hidden; "" for a field that is not stored.
	View string
	// Reason says why a hidden field is hidden.
	Reason string
	// JSON is the value, or the mask as a JSON string; nil if there is none.
	JSON json.RawMessage
}

// Plain is a Value to be stored. It fails if v has no JSON form.
func Plain(v any) (Value, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return Value{}, errors.New("client: the value has no JSON form")
	}
	return Value{View: api.ViewPlain, JSON: b}, nil
}

// Text is the value or mask as text: a JSON string without its quotes, anything
// else as it stands, "" if there is none.
func (v Value) Text() string {
	var s string
	if json.Unmarshal(v.JSON, &s) == nil {
		return s
	}
	return string(v.JSON)
}

// Decode decodes a plain value; ErrMasked if it is masked or hidden.
func (v Value) Decode(out any) error {
	if v.View != api.ViewPlain {
		return ErrMasked
	}
	if err := json.Unmarshal(v.JSON, out); err != nil {
		return fmt.Errorf("%w: the value is of another type", ErrStruct)
	}
	return nil
}

// String names the view, never the value.
func (v Value) String() string {
	if v.View == "" {
		return "[not stored]"
	}
	return "[" + v.View + "]"
}

// GoString is String, so that %#v prints no value either.
func (v Value) GoString() string { return v.String() }

// LogValue is String, so that a log gets no value either.
func (v Value) LogValue() slog.Value { return slog.StringValue(v.String()) }

// Format is String for every verb.
func (v Value) Format(f fmt.State, _ rune) {
	f.Write([]byte(v.String())) //nolint:errcheck // fmt has nowhere to put it
}
