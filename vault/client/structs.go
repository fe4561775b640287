package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/fieldvault/fieldvault/vault/api"
)

// A Revealed says what a caller was allowed to see of a struct.
type Revealed struct {
	Revision uint64
	// Fields has an entry for each field of the struct that is stored or hidden,
	// by the catalog's field name.
	Fields map[string]Seen
}

// A Seen is what a caller was allowed to see of one field.
type Seen struct {
	View   string // plain, masked or hidden
	Reason string // why it is hidden
}

// Protect stores a struct, or what a pointer to one points to, as a record: it
// replaces what stands. Each field to be stored has a tag with collection and field,
// all of one collection:
//
//	Email string `fieldvault:"customer.email"`
//
// Embedded structs count as part. The Go types that serve, and what they stand for:
//
//	string, bool, ints, floats, json.Number   the value of type text, boolean, number ...
//	time.Time                                 a date: 2006-01-02, with no time of day
//	time.Time with ",rfc3339"                 the instant as text
//	[]byte                                    a value of type bytes
//	json.RawMessage                           any JSON
//	Value                                     any; see there
//	pointers to these                         nil: not stored
//
// With ",omitempty" a zero value is not stored either. A string that holds a mask
// (••••, or [phone] in the place of what a text held), and a Value that is not plain,
// is ErrMasked: a struct that came from [Client.Reveal] with less than plain views must
// not be stored over the values. A text that is meant to hold such a mark goes in a Value.
func (c *Client) Protect(ctx context.Context, subject, record string, v any, opts ...Option) (api.Written, error) {
	return c.protect(ctx, http.MethodPut, Ref{Subject: subject, Record: record}, v, opts)
}

// Update stores a struct as [Client.Protect] does, but merges with the record that
// stands: nil pointers remove their field, and what ",omitempty" leaves out, as well
// as a zero Value, stays as it is.
func (c *Client) Update(ctx context.Context, subject, record string, v any, opts ...Option) (api.Written, error) {
	return c.protect(ctx, http.MethodPatch, Ref{Subject: subject, Record: record}, v, opts)
}

func (c *Client) protect(ctx context.Context, method string, ref Ref, v any, opts []Option) (out api.Written, err error) {
	s, rv, err := shapeOf(v)
	if err != nil {
		return out, err
	}
	ref.Collection = s.collection
	fields := map[string]json.RawMessage{}
	for _, m := range s.members {
		b, err := m.encode(rv.FieldByIndex(m.index), method == http.MethodPatch)
		if err != nil {
			return out, fmt.Errorf("encoding %s.%s: %w", s.collection, m.name, err)
		}
		if b != nil {
			fields[m.name] = b
		}
	}
	return out, c.sendJSON(ctx, ref.call(method, keyed), api.Write{Fields: fields}, &out, opts...)
}

// Reveal fills a struct, given by a pointer, from a record, for the client's
// purpose; tags and types are as for [Client.Protect]. Every tagged field is set:
// to the value if the view is plain, to zero if the field is hidden or not stored. A
// mask is text, so it is set only in strings and Values; other types stay zero. What
// the view of each was, the result says.
func (c *Client) Reveal(ctx context.Context, subject, record string, v any) (out Revealed, err error) {
	s, rv, err := shapeOf(v)
	if err != nil {
		return out, err
	}
	if !rv.CanSet() {
		return out, fmt.Errorf("%w: Reveal needs a pointer to a struct", ErrStruct)
	}
	names := make([]string, len(s.members))
	for i, m := range s.members {
		names[i] = m.name
	}
	rec, err := c.Get(ctx, Ref{Subject: subject, Collection: s.collection, Record: record}, names...)
	if err != nil {
		return out, err
	}
	out = Revealed{Revision: rec.Revision, Fields: map[string]Seen{}}
	for _, m := range s.members {
		f, ok := rec.Fields[m.name]
		if ok {
			out.Fields[m.name] = Seen{View: f.View, Reason: f.Reason}
		}
		if err := m.decode(rv.FieldByIndex(m.index), f); err != nil {
			return out, fmt.Errorf("decoding %s.%s: %w", s.collection, m.name, err)
		}
	}
	return out, nil
}

// A shape is what the tags of a struct say.
type shape struct {
	collection string
	members    []member
}

// A member is one tagged field.
type member struct {
	name      string
	index     []int
	omitEmpty bool
	rfc3339   bool
}

// shapeOf reads the tags of a struct, and gives the struct itself.
func shapeOf(v any) (*shape, reflect.Value, error) {
	rv := reflect.ValueOf(v)
	if rv.Kind() == reflect.Pointer {
		rv = rv.Elem()
	}
	if rv.Kind() != reflect.Struct {
		return nil, rv, fmt.Errorf("%w: %T is no struct", ErrStruct, v)
	}
	s := &shape{}
	if err := s.read(rv.Type(), nil); err != nil {
		return nil, rv, err
	}
	if len(s.members) == 0 {
		return nil, rv, fmt.Errorf(`%w: %T has no field with a tag such as fieldvault:"customer.email"`, ErrStruct, v)
	}
	return s, rv, nil
}

func (s *shape) read(t reflect.Type, index []int) error {
	for f := range t.Fields() {
		at := append(append([]int{}, index...), f.Index...)
		tag, tagged := f.Tag.Lookup("fieldvault")
		switch {
		case f.Anonymous && !tagged && f.Type.Kind() == reflect.Struct:
			if err := s.read(f.Type, at); err != nil {
				return err
			}
		case tagged && tag != "-":
			if err := s.add(t, &f, tag, at); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *shape) add(t reflect.Type, f *reflect.StructField, tag string, at []int) error {
	path, options, _ := strings.Cut(tag, ",")
	collection, name, ok := strings.Cut(path, ".")
	m := member{name: name, index: at}
	for o := range strings.SplitSeq(options, ",") {
		switch o {
		case "":
		case "omitempty":
			m.omitEmpty = true
		case "rfc3339":
			m.rfc3339 = true
		default:
			ok = false
		}
	}
	if s.collection == "" {
		s.collection = collection
	}
	switch {
	case !ok || collection == "" || name == "" || strings.Contains(name, "."):
		return fmt.Errorf("%w: the tag of %s.%s must be like customer.email or customer.email,omitempty", ErrStruct, t, f.Name)
	case !f.IsExported():
		return fmt.Errorf("%w: %s.%s has a tag but is not exported", ErrStruct, t, f.Name)
	case collection != s.collection:
		return fmt.Errorf("%w: %s names fields of %s and of %s; a struct is one record", ErrStruct, t, s.collection, collection)
	case !serves(f.Type):
		return fmt.Errorf("%w: %s.%s is of type %s, which has no place in a record", ErrStruct, t, f.Name, f.Type)
	}
	for _, before := range s.members {
		if before.name == name {
			return fmt.Errorf("%w: %s names %s twice", ErrStruct, t, path)
		}
	}
	s.members = append(s.members, m)
	return nil
}

// serves reports whether a Go type can hold a value.
func serves(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t {
	case reflect.TypeFor[Value](), reflect.TypeFor[time.Time](), reflect.TypeFor[json.RawMessage](), reflect.TypeFor[[]byte]():
		return true
	}
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Float32, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return true
	default:
		return false
	}
}
