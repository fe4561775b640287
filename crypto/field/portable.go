package field

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/fieldvault/fieldvault/crypto/secret"
)

const (
	portablePrefix  = "fv1:"
	portableVersion = 1
	// maxPortable bounds the text that is decoded at all: five varints of at
	// most five bytes, one byte of version and the longest ciphertext.
	maxPortable = len(portablePrefix) + (1+5*5+MaxValue+Overhead)*4/3 + 3
)

// Portable is a ciphertext that an application keeps, taken apart. The header
// says under which key it was sealed and for which field; none of it is secret,
// and all of it is authenticated when the value is opened.
type Portable struct {
	Generation uint32 // of the person, from 1
	Group      uint32 // the key group, from 1
	Epoch      uint32 // of the key group
	Collection uint32 // id of the collection, from 1
	Field      uint32 // id of the field, from 1
	Sealed     []byte // the ciphertext; begins with Tink's prefix and key id
}

// SealPortable encrypts v for a field of a person, as text that begins with
// "fv1:" and that [Key.OpenPortable] opens at any time while the person's key
// lives. The place has neither record nor revision; generation is that of
// p.UID. Errors are those of [Key.Seal].
func (k *Key) SealPortable(p Place, generation uint32, v secret.Bytes) (string, error) {
	if err := checkSeal(p, v); err != nil {
		return "", err
	}
	c := Portable{Generation: generation, Group: p.Group, Epoch: p.Epoch, Collection: p.Collection, Field: p.Field}
	if !p.holds(c) {
		return "", fmt.Errorf("sealing: a place that is not portable: %w", ErrFormat)
	}
	buf := borrow()
	defer giveBack(buf)
	var err error
	c.Sealed, err = k.seal(v, p.appendPortableData(buf.data[:0], generation))
	if err != nil {
		return "", err
	}
	return c.Text(), nil
}

// OpenPortable decrypts what [Key.SealPortable] made for the same place. Every
// failure, disagreement of p with c included, is [ErrOpen].
func (k *Key) OpenPortable(p Place, c Portable) (secret.Bytes, error) {
	if p.check() != nil || !p.holds(c) {
		return secret.Bytes{}, ErrOpen
	}
	buf := borrow()
	defer giveBack(buf)
	return k.open(c.Sealed, p.appendPortableData(buf.data[:0], c.Generation))
}

// holds reports whether the header of c names p.
func (p *Place) holds(c Portable) bool {
	return c.Generation != 0 && c.Collection != 0 && c.Field != 0 &&
		c.Group == p.Group && c.Epoch == p.Epoch && c.Collection == p.Collection && c.Field == p.Field &&
		p.Record == "" && p.Revision == 0
}

// appendPortableData appends the associated data of a portable ciphertext:
// that of a value, under a label of its own, and the generation.
func (p *Place) appendPortableData(dst []byte, generation uint32) []byte {
	return appendUint32(p.appendData(dst, labelPortable), generation)
}

// Text returns the one text form of c, which [ParsePortable] reads.
func (c Portable) Text() string {
	b := make([]byte, 0, 1+5*binary.MaxVarintLen32+len(c.Sealed))
	b = append(b, portableVersion)
	for _, n := range [...]uint32{c.Generation, c.Group, c.Epoch, c.Collection, c.Field} {
		b = binary.AppendUvarint(b, uint64(n))
	}
	b = append(b, c.Sealed...)
	return portablePrefix + base64.RawURLEncoding.EncodeToString(b)
}

// ParsePortable reads the text form of a portable ciphertext. It accepts
// exactly what [Portable.Text] gives for what [Key.SealPortable] makes, and
// returns [ErrFormat] for everything else. It opens nothing and so proves
// nothing about where the ciphertext comes from.
func ParsePortable(s string) (Portable, error) {
	b, ok := decodePortable(s)
	if !ok {
		return Portable{}, fmt.Errorf("parsing a portable ciphertext: %w", ErrFormat)
	}
	r := reader{b: b}
	version := r.byte()
	c := Portable{Generation: r.uint32(), Group: r.uint32(), Epoch: r.uint32(), Collection: r.uint32(), Field: r.uint32()}
	c.Sealed = r.b
	if r.bad || version != portableVersion || c.Generation == 0 || c.Group == 0 || c.Collection == 0 || c.Field == 0 ||
		len(c.Sealed) < Overhead || len(c.Sealed) > MaxValue+Overhead || c.Sealed[0] != tinkPrefix {
		return Portable{}, fmt.Errorf("parsing a portable ciphertext: %w", ErrFormat)
	}
	return c, nil
}

// decodePortable undoes prefix and base64. The decoder of the standard library
// skips line breaks even when strict, so they are refused here.
func decodePortable(s string) ([]byte, bool) {
	text, ok := strings.CutPrefix(s, portablePrefix)
	if !ok || len(s) > maxPortable || strings.ContainsAny(text, "\r\n") {
		return nil, false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	return b, err == nil
}
