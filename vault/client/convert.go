package client

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/fieldvault/fieldvault/vault/api"
)

// mask is what every mask of hidden characters holds.
const mask = "••••"

// masked says whether a text holds a mask, or a mark such as [phone] in the place of
// what was taken out of it.
func masked(s string) bool {
	if strings.Contains(s, mask) {
		return true
	}
	for _, kind := range api.TextKinds() {
		if strings.Contains(s, "["+kind+"]") {
			return true
		}
	}
	return false
}

// encode gives a field's JSON, or nil if it is not to be sent. merge is for PATCH,
// where null removes.
func (m *member) encode(v reflect.Value, merge bool) (json.RawMessage, error) {
	if m.omitEmpty && (v.IsZero() || v.Kind() == reflect.Slice && v.Len() == 0) {
		return nil, nil
	}
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			if merge {
				return json.RawMessage("null"), nil
			}
			return nil, nil
		}
		v = v.Elem()
	}
	switch x := v.Interface().(type) {
	case Value:
		return x.stored()
	case time.Time:
		return m.encodeTime(x)
	case json.RawMessage:
		if x == nil {
			return nil, nil
		}
		if !json.Valid(x) {
			return nil, fmt.Errorf("%w: it is not JSON", ErrStruct)
		}
		return x, nil
	}
	if v.Kind() == reflect.String && masked(v.String()) {
		return nil, ErrMasked
	}
	b, err := json.Marshal(v.Interface())
	if err != nil {
		return nil, fmt.Errorf("%w: it has no JSON form", ErrStruct)
	}
	return b, nil
}

// stored gives what a Value is to be stored as.
func (v Value) stored() (json.RawMessage, error) {
	switch {
	case v.View == "" && v.JSON == nil:
		return nil, nil
	case v.View != "" && v.View != api.ViewPlain:
		return nil, ErrMasked
	case !json.Valid(v.JSON):
		return nil, fmt.Errorf("%w: it is not JSON", ErrStruct)
	}
	return v.JSON, nil
}

func (m *member) encodeTime(t time.Time) (json.RawMessage, error) {
	layout := time.DateOnly
	if m.rfc3339 {
		layout = time.RFC3339Nano
	} else if h, min, s := t.Clock(); h != 0 || min != 0 || s != 0 || t.Nanosecond() != 0 {
		return nil, fmt.Errorf("%w: a date must have no time of day; with the option rfc3339 it is stored as text", ErrStruct)
	}
	return json.RawMessage(`"` + t.Format(layout) + `"`), nil
}

// decode sets a field from what was answered; the zero api.Field is one that is
// not stored.
func (m *member) decode(v reflect.Value, f api.Field) error {
	v.SetZero()
	target := v.Type()
	if target.Kind() == reflect.Pointer {
		target = target.Elem()
	}
	if target == reflect.TypeFor[Value]() {
		if f.View != "" || v.Kind() != reflect.Pointer {
			settle(v).Set(reflect.ValueOf(Value{View: f.View, Reason: f.Reason, JSON: f.Value}))
		}
		return nil
	}
	text := target.Kind() == reflect.String && target != reflect.TypeFor[json.Number]()
	if f.View != api.ViewPlain && (f.View != api.ViewMasked || !text) {
		return nil
	}
	return m.set(settle(v), f.Value)
}

// settle is v, or what v points to, made.
func settle(v reflect.Value) reflect.Value {
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		return v.Elem()
	}
	return v
}

func (m *member) set(v reflect.Value, b json.RawMessage) error {
	other := fmt.Errorf("%w: the value is not of type %s", ErrStruct, v.Type())
	switch v.Interface().(type) {
	case json.RawMessage:
		v.Set(reflect.ValueOf(b))
		return nil
	case time.Time:
		var s string
		if json.Unmarshal(b, &s) != nil {
			return other
		}
		for _, layout := range []string{time.DateOnly, time.RFC3339Nano} {
			if t, err := time.Parse(layout, s); err == nil {
				v.Set(reflect.ValueOf(t))
				return nil
			}
		}
		return other
	}
	if json.Unmarshal(b, v.Addr().Interface()) != nil {
		return other
	}
	return nil
}
