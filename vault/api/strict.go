package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
)

// ErrTooLarge means that a document is longer than it may be.
var ErrTooLarge = errors.New("api: the document is too large")

// A DecodeError says where JSON breaks a rule. It never holds a value, nor a key
// that is not one of this API's names.
type DecodeError struct {
	// Path leads to the place: "items[3].subject"; "body" for the document itself.
	Path string
	// Rule says what must hold, in words.
	Rule string
}

// Error gives path and rule.
func (e *DecodeError) Error() string { return e.Path + " " + e.Rule }

// DecodeStrict reads one JSON document of at most limit bytes from r into v, a
// pointer, as [Unmarshal] does. The error is ErrTooLarge, a *DecodeError, or that
// of reading.
func DecodeStrict(r io.Reader, limit int64, v any) error {
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return fmt.Errorf("reading a document: %w", err)
	}
	if int64(len(b)) > limit {
		return ErrTooLarge
	}
	return Unmarshal(b, v)
}

// Unmarshal decodes one JSON document into v, a pointer, and refuses what two
// readers could understand differently; the package comment says what. Keys must
// be spelt exactly as the members of v are. Inside a json.RawMessage, and any
// other type that is not plain, keys are free, but none may stand twice.
//
// The document is scanned before anything is allocated for it: at most [MaxDepth]
// deep, with at most [MaxKeys] keys an object and [MaxElements] keys and array
// elements in all. The error is a *DecodeError.
func Unmarshal(b []byte, v any) error {
	t := reflect.TypeOf(v)
	if t == nil || t.Kind() != reflect.Pointer {
		return fmt.Errorf("decoding into %T: it is no pointer", v)
	}
	s := scanner{data: b}
	if err := s.document(t.Elem()); err != nil {
		return err
	}
	if r, ok := v.(*RevealRequest); ok {
		if r.quick(b) {
			return nil
		}
		*r = RevealRequest{}
	}
	if err := json.Unmarshal(b, v); err != nil {
		return typeError(err)
	}
	return nil
}

// typeError words an error of encoding/json without its text, which may hold a value.
func typeError(err error) error {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return &DecodeError{Path: orBody(wrong.Field), Rule: "must be " + kindWords(wrong.Type)}
	}
	return &DecodeError{Path: "body", Rule: "has a member of the wrong type"}
}

func orBody(path string) string {
	if path == "" {
		return "body"
	}
	return path
}

func kindWords(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "a whole number within range"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number from 0, within range"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Slice, reflect.Array:
		return "an array"
	case reflect.Map, reflect.Struct:
		return "an object"
	default:
		return "of another type"
	}
}
