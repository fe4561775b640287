package secret_test

import (
	"bytes"
	"database/sql/driver"
	"encoding"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fieldvault/fieldvault/crypto/secret"
)

const canary = "luisg@embraer.com.br"

// holders are the ways in which code carries a secret around.
func holders() map[string]any {
	s := secret.FromString(canary)
	type inner struct{ hidden secret.Bytes }
	return map[string]any{
		"value":                    s,
		"pointer":                  &s,
		"exported field":           struct{ Email secret.Bytes }{s},
		"unexported field":         inner{s},
		"pointer to struct":        &inner{s},
		"nested":                   struct{ In inner }{inner{s}},
		"slice":                    []secret.Bytes{s},
		"map":                      map[string]secret.Bytes{"email": s},
		"interface":                []any{s, &s},
		"slice of unexported":      []inner{{s}},
		"map of pointers to inner": map[string]*inner{"email": {s}},
	}
}

// TestBytesDoNotPrint formats every holder with every verb and every flag.
func TestBytesDoNotPrint(t *testing.T) {
	for name, holder := range holders() {
		for _, verb := range "vsqxXdboOcUeEfFgGtpTwZ" {
			for _, flags := range []string{"", "+", "#", "-", " ", "0", "50", ".3", "+#", "# "} {
				text := fmt.Sprintf("%"+flags+string(verb), holder)
				if shows(text) {
					t.Errorf("%s with %%%s%c prints the value", name, flags, verb)
				}
			}
		}
		if text := fmt.Sprint(holder) + fmt.Sprintln(holder); shows(text) {
			t.Errorf("%s: Sprint prints the value", name)
		}
	}
}

// shows reports whether text contains the canary in a form that fmt produces.
func shows(text string) bool {
	h := hex.EncodeToString([]byte(canary))
	decimal := strings.Trim(fmt.Sprint([]byte(canary)), "[]")
	text = strings.ToLower(text)
	for _, form := range []string{canary, h, decimal, "lui", decimal[:11], h[:10]} {
		if strings.Contains(text, form) {
			return true
		}
	}
	return false
}

func TestBytesPrintAsRedacted(t *testing.T) {
	for _, s := range []secret.Bytes{secret.FromString(canary), {}} {
		for name, got := range map[string]string{
			"String":   s.String(),
			"GoString": s.GoString(),
			"%v":       fmt.Sprintf("%v", s),
			"%#v":      fmt.Sprintf("%#v", s),
			"%x":       fmt.Sprintf("%x", s),
			"%d":       fmt.Sprintf("%d", s),
			"LogValue": s.LogValue().String(),
		} {
			if got != secret.Redacted {
				t.Errorf("%s = %q, want %q", name, got, secret.Redacted)
			}
		}
	}
}

func TestBytesDoNotLog(t *testing.T) {
	var out bytes.Buffer
	opts := &slog.HandlerOptions{Level: slog.LevelDebug}
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, opts), slog.NewJSONHandler(&out, opts)} {
		log := slog.New(h)
		for name, holder := range holders() {
			log.Info("a line", "holder", name, "value", holder)
			log.Info("a line", slog.Group("group", slog.Any("value", holder)))
			log.With("value", holder).Info(fmt.Sprint(holder))
		}
	}
	if shows(out.String()) {
		t.Error("a log line shows the value")
	}
	if !strings.Contains(out.String(), secret.Redacted) {
		t.Error("no log line says that something was left out")
	}
}

func TestBytesMarshalAsRedacted(t *testing.T) {
	for name, holder := range holders() {
		b, err := json.Marshal(holder)
		if err != nil || shows(string(b)) {
			t.Errorf("%s: JSON shows the value, or fails: %v", name, err)
		}
	}
	s := secret.FromString(canary)
	b, err := json.Marshal(map[string]any{"email": s})
	if err != nil || string(b) != `{"email":"[redacted]"}` {
		t.Errorf("JSON: %s, %v", b, err)
	}
	type person struct{ Email secret.Bytes }
	b, err = xml.Marshal(person{s})
	if err != nil || shows(string(b)) || !strings.Contains(string(b), secret.Redacted) {
		t.Errorf("XML: %s, %v", b, err)
	}
	if _, err := json.Marshal(map[string]any{"email": secret.Bytes{}}); err != nil {
		t.Errorf("JSON of the zero Bytes: %v", err)
	}
}

// TestBytesAreNotStored covers what would keep a value, or lose it.
func TestBytesAreNotStored(t *testing.T) {
	s := secret.FromString(canary)
	var out bytes.Buffer
	if err := gob.NewEncoder(&out).Encode(struct{ Email secret.Bytes }{s}); !errors.Is(err, secret.ErrEncode) {
		t.Errorf("gob: %v, want ErrEncode", err)
	}
	if bytes.Contains(out.Bytes(), []byte(canary)) {
		t.Error("gob wrote the value")
	}
	if _, err := s.MarshalBinary(); !errors.Is(err, secret.ErrEncode) {
		t.Errorf("MarshalBinary: %v, want ErrEncode", err)
	}
	if _, err := s.GobEncode(); !errors.Is(err, secret.ErrEncode) {
		t.Errorf("GobEncode: %v, want ErrEncode", err)
	}
	if v, err := driver.DefaultParameterConverter.ConvertValue(s); !errors.Is(err, secret.ErrEncode) || v != nil {
		t.Errorf("a database driver got %v, %v, want ErrEncode", v, err)
	}
}

func TestBytesAreNotDecoded(t *testing.T) {
	var s secret.Bytes
	for name, err := range map[string]error{
		"JSON string": json.Unmarshal([]byte(`"value"`), &s),
		"JSON object": json.Unmarshal([]byte(`{}`), &s),
		"JSON field":  json.Unmarshal([]byte(`{"Email":{}}`), &struct{ Email secret.Bytes }{}),
		"text":        encoding.TextUnmarshaler(&s).UnmarshalText([]byte("value")),
		"binary":      encoding.BinaryUnmarshaler(&s).UnmarshalBinary([]byte("value")),
		"gob":         s.GobDecode([]byte("value")),
	} {
		if !errors.Is(err, secret.ErrEncode) {
			t.Errorf("%s: %v, want ErrEncode", name, err)
		}
	}
	if !s.IsZero() {
		t.Error("a decoder set the value")
	}
}

func TestExpose(t *testing.T) {
	for _, c := range []struct {
		name string
		s    secret.Bytes
		want []byte
		zero bool
	}{
		{"a value", secret.FromString(canary), []byte(canary), false},
		{"bytes", secret.New([]byte{0, 1, 2}), []byte{0, 1, 2}, false},
		{"an empty value", secret.FromString(""), []byte{}, false},
		{"an empty value from nil", secret.New(nil), nil, false},
		{"no value", secret.Bytes{}, nil, true},
	} {
		if got := c.s.Expose(); !bytes.Equal(got, c.want) {
			t.Errorf("%s: Expose gives %d bytes, want %d", c.name, len(got), len(c.want))
		}
		if got := c.s.Len(); got != len(c.want) {
			t.Errorf("%s: Len = %d, want %d", c.name, got, len(c.want))
		}
		if got := c.s.IsZero(); got != c.zero {
			t.Errorf("%s: IsZero = %t, want %t", c.name, got, c.zero)
		}
	}
}

func TestEqual(t *testing.T) {
	values := []secret.Bytes{
		{},
		secret.FromString(""),
		secret.FromString("a"),
		secret.FromString("b"),
		secret.FromString("aa"),
		secret.FromString("a\x00"),
	}
	for i, a := range values {
		for j, b := range values {
			if got := a.Equal(b); got != (i == j) {
				t.Errorf("values %d and %d: Equal = %t", i, j, got)
			}
			if got := a.Equal(b.Clone()); got != (i == j) {
				t.Errorf("value %d and a clone of %d: Equal = %t", i, j, got)
			}
			if got := cmp.Equal(a, b); got != (i == j) {
				t.Errorf("values %d and %d: cmp.Equal = %t", i, j, got)
			}
		}
	}
}

// TestBytesAreNotComparable keeps == from comparing addresses.
func TestBytesAreNotComparable(t *testing.T) {
	if reflect.TypeFor[secret.Bytes]().Comparable() {
		t.Error("Bytes can be compared with ==")
	}
}

func TestWipe(t *testing.T) {
	raw := append(make([]byte, 0, 64), canary...)
	rest := append(raw, "neighbour"...)[len(canary):]
	s := secret.New(raw)
	same, clone := s, s.Clone()
	s.Wipe()
	if !bytes.Equal(raw, make([]byte, len(canary))) {
		t.Error("the memory still holds the value")
	}
	if string(rest) != "neighbour" {
		t.Error("memory beyond the value was overwritten")
	}
	for _, s := range []secret.Bytes{s, same} {
		if !bytes.Equal(s.Expose(), make([]byte, len(canary))) || s.IsZero() {
			t.Error("a wiped value is not zeros, in all its copies")
		}
	}
	if string(clone.Expose()) != canary {
		t.Error("a clone was wiped as well")
	}
	s.Wipe()
	secret.Bytes{}.Wipe()
	if !(secret.Bytes{}).Clone().IsZero() {
		t.Error("the clone of no value is a value")
	}
}
