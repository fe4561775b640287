package field

import (
	"fmt"
	"io"
	"log/slog"
)

// opaque makes what embeds it print as [key], in whatever way it is printed.
type opaque struct{}

const printed = "[key]"

// String returns [key].
func (opaque) String() string { return printed }

// GoString returns [key].
func (opaque) GoString() string { return printed }

// Format writes [key], whatever the verb.
func (opaque) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, printed) }

// LogValue returns [key].
func (opaque) LogValue() slog.Value { return slog.StringValue(printed) }

// MarshalText returns [key].
func (opaque) MarshalText() ([]byte, error) { return []byte(printed), nil }

// MarshalBinary always fails: keys are stored by package keyring alone.
func (opaque) MarshalBinary() ([]byte, error) {
	return nil, fmt.Errorf("encoding a key: %w", ErrFormat)
}
