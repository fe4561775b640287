package token

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"

	"github.com/fieldvault/fieldvault/crypto/secret"
)

// MaxLen is the most bytes that a text has.
const MaxLen = 256

const (
	prefix   = "fvt_"
	alphabet = "abcdefghijklmnopqrstuvwxyz234567"
	random   = 16 // bytes

	keptVersion = 1
)

// ErrKept says that bytes are not what [Kept.Append] wrote.
var ErrKept = errors.New("not what is kept of a token")

func encoding() *base32.Encoding {
	return base32.NewEncoding(alphabet).WithPadding(base32.NoPadding)
}

// New makes a text of 128 random bits. The error is that of the source of randomness.
func New(source io.Reader) (string, error) {
	b := make([]byte, random, random+crc32.Size)
	if _, err := io.ReadFull(source, b); err != nil {
		return "", fmt.Errorf("making a token: %w", err)
	}
	return prefix + encoding().EncodeToString(binary.BigEndian.AppendUint32(b, check(b))), nil
}

// WellFormed says whether a text is one that New might have made: by its form and its check.
func WellFormed(text string) bool {
	rest, ok := strings.CutPrefix(text, prefix)
	if !ok || len(rest) != encoding().EncodedLen(random+crc32.Size) {
		return false
	}
	b, err := encoding().DecodeString(rest)
	return err == nil && strings.Trim(rest, alphabet) == "" && binary.BigEndian.Uint32(b[random:]) == check(b[:random])
}

func check(b []byte) uint32 {
	return crc32.Update(crc32.ChecksumIEEE([]byte(prefix)), crc32.IEEETable, b)
}

// Kept is a text, and a digest of the value for which it was made.
type Kept struct {
	Digest [sha256.Size]byte // as DigestOf gives it
	Text   string            // 1 to MaxLen bytes
}

// DigestOf is the digest of a value, and of the form of the text that was made for it, as
// [Format.ID] gives it, or "". It tells a value of few possible ones: it is to be sealed
// wherever it is kept.
func DigestOf(form string, v secret.Bytes) (sum [sha256.Size]byte) {
	h := sha256.New()
	h.Write(binary.AppendUvarint(nil, uint64(len(form))))
	h.Write([]byte(form))
	h.Write(v.Expose()) //nolint:forbidigo // only a digest goes on, to be sealed
	h.Sum(sum[:0])
	return sum
}

// Append appends k as it is sealed.
func (k *Kept) Append(b []byte) []byte {
	return append(append(append(b, keptVersion), k.Digest[:]...), k.Text...)
}

// ParseKept reads what Append wrote, else the error is ErrKept.
func ParseKept(v secret.Bytes) (k Kept, err error) {
	b := v.Expose() //nolint:forbidigo // the text is what the caller asked for, the digest stays inside
	n := len(b) - 1 - len(k.Digest)
	if n < 1 || n > MaxLen || b[0] != keptVersion {
		return Kept{}, ErrKept
	}
	copy(k.Digest[:], b[1:])
	k.Text = string(b[1+len(k.Digest):])
	return k, nil
}

// Sealable is k as it is sealed. The caller wipes it.
func (k *Kept) Sealable() secret.Bytes {
	return secret.New(k.Append(make([]byte, 0, 1+len(k.Digest)+len(k.Text))))
}
