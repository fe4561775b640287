// Package secret holds plaintext that will not print.
//
// A [Bytes] carries one value of a person (or one key) through code that
// formats, logs and serialises what it is given. Whatever that code does, the
// value stays inside:
//
//   - fmt, with every verb and flag, writes [redacted];
//   - log/slog, encoding/json, encoding/xml and anything else that asks for
//     text writes [redacted];
//   - encoding/gob, database drivers and anything else that would store the
//     value fails, because a stored "[redacted]" would be a lost value;
//   - inside a struct, where fmt cannot call methods of unexported fields,
//     only an address is printed, because what stands there is the address of
//     the first byte and a length (fmt would print a slice, and show one behind
//     a pointer to a verb that does not fit, such as %s);
//   - decoding into a Bytes fails: values come in through [New] alone.
//
// There is one way out, [Bytes.Expose], so that every place where plaintext
// leaves can be found by searching for that one word.
//
// What this package does not promise: memory is not locked, and the garbage
// collector may have copied a value before [Bytes.Wipe] overwrites it.
package secret

import (
	"bytes"
	"crypto/subtle"
	"database/sql/driver"
	"fmt"
	"io"
	"log/slog"
	"unsafe"
)

// Redacted is what stands for a value wherever one would be printed.
const Redacted = "[redacted]"

// Bytes is a secret value. The zero Bytes is "no value", which is not the same
// as an empty value: see [Bytes.IsZero].
//
// Copies of a Bytes share the value: wiping one wipes all. Two Bytes cannot be
// compared with ==; use [Bytes.Equal]. A Bytes is safe for concurrent use as
// long as nobody calls [Bytes.Wipe].
type Bytes struct {
	_ [0]func() // not comparable: == would compare addresses
	// The first byte of a value of n bytes; nil: no value. A slice would need a cell of
	// its own to be hidden in, and every value that is opened a second allocation.
	p *byte
	n int
}

// New returns a secret that owns b. The caller must not use b afterwards.
// New(nil) is an empty value, not the zero Bytes.
func New(b []byte) Bytes {
	if len(b) == 0 {
		return Bytes{p: new(byte)}
	}
	return Bytes{p: unsafe.SliceData(b), n: len(b)} //nolint:gosec // see bytes
}

// bytes is the value; New alone sets p and n, and both to one slice.
func (b Bytes) bytes() []byte {
	return unsafe.Slice(b.p, b.n) //nolint:gosec // p is the first of n bytes, or nil with n 0
}

// FromString returns a secret that holds a copy of s. The string itself cannot
// be wiped; prefer [New] where the value is read as bytes.
func FromString(s string) Bytes {
	return New([]byte(s))
}

// Expose returns the value itself: the one way out. The caller must not modify
// it, and must not keep it where it could be printed. It is nil for the zero
// Bytes, and zeros after [Bytes.Wipe].
func (b Bytes) Expose() []byte { return b.bytes() }

// Len returns the number of bytes of the value, 0 for the zero Bytes.
func (b Bytes) Len() int { return b.n }

// IsZero reports whether b is the zero Bytes: no value at all. An empty value
// is a value, and so is a wiped one.
func (b Bytes) IsZero() bool {
	return b.p == nil
}

// Equal reports whether both hold the same value, or both none. The time it
// takes depends on the lengths alone, never on the contents.
func (b Bytes) Equal(o Bytes) bool {
	if b.IsZero() || o.IsZero() {
		return b.IsZero() && o.IsZero()
	}
	return subtle.ConstantTimeCompare(b.bytes(), o.bytes()) == 1
}

// Clone returns a copy that is wiped on its own. The clone of the zero Bytes
// is the zero Bytes.
func (b Bytes) Clone() Bytes {
	if b.p == nil {
		return Bytes{}
	}
	return New(bytes.Clone(b.bytes()))
}

// Wipe overwrites the value with zeros, for b and all its copies, which keep
// their length. It must not run while another goroutine uses the value.
func (b Bytes) Wipe() {
	clear(b.bytes())
}

// String returns [Redacted].
func (b Bytes) String() string { return Redacted }

// GoString returns [Redacted].
func (b Bytes) GoString() string { return Redacted }

// Format writes [Redacted], whatever the verb and its flags.
func (b Bytes) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Redacted) }

// LogValue returns [Redacted].
func (b Bytes) LogValue() slog.Value { return slog.StringValue(Redacted) }

// MarshalText returns [Redacted].
func (b Bytes) MarshalText() ([]byte, error) { return []byte(Redacted), nil }

// MarshalJSON returns [Redacted] as a JSON string.
func (b Bytes) MarshalJSON() ([]byte, error) { return []byte(`"` + Redacted + `"`), nil }

// MarshalBinary always fails with [ErrEncode].
func (b Bytes) MarshalBinary() ([]byte, error) { return nil, ErrEncode }

// GobEncode always fails with [ErrEncode].
func (b Bytes) GobEncode() ([]byte, error) { return nil, ErrEncode }

// Value always fails with [ErrEncode]: a database never gets a secret.
func (b Bytes) Value() (driver.Value, error) { return nil, ErrEncode }

// UnmarshalText always fails with [ErrEncode].
func (b *Bytes) UnmarshalText([]byte) error { return ErrEncode }

// UnmarshalJSON always fails with [ErrEncode].
func (b *Bytes) UnmarshalJSON([]byte) error { return ErrEncode }

// UnmarshalBinary always fails with [ErrEncode].
func (b *Bytes) UnmarshalBinary([]byte) error { return ErrEncode }

// GobDecode always fails with [ErrEncode].
func (b *Bytes) GobDecode([]byte) error { return ErrEncode }
