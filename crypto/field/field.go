// Package field seals, opens and indexes one value.
//
// A value is sealed with AES-256-GCM by a Tink keyset (the data key of one
// person and key group) and bound to its [Place]: tenant, person, key group,
// epoch, collection, record, field and revision are authenticated as associated
// data. A ciphertext that is moved to any other place does not open, and every
// failure looks alike: [ErrOpen].
//
// There are three ways to keep a ciphertext:
//
//   - [Key.Seal] gives the bare ciphertext of one field; [AppendPacked] packs
//     those of one record into one row;
//   - [Key.SealPortable] gives text that begins with "fv1:", which applications
//     keep in tables of their own;
//   - [BoxKey.Seal] gives a small sealed token, such as a cursor.
//
// Beside them stand the keyed hashes: [IndexKey] makes blind index values, for
// equality search over what nobody can read, and [MACKey] authenticates rows
// that are not secret. [PseudonymKey] makes what stands for a person towards a
// recipient: deterministic, so that it is stable, and opened by the same key alone.
//
// The byte formats are specified in FORMAT.md, beside this file, and pinned by
// the golden vectors in testdata. What must always hold:
//
//   - The algorithm follows from the format alone. No stored byte chooses it.
//   - Nonces are random and 96 bits long; a data key seals the values of one
//     person, far fewer than 2^32. A [BoxKey] derives a key from a further 96
//     random bits, since one of them seals for a whole tenant.
//   - Each use of associated data and of a MAC begins with a label of its own,
//     and each part is preceded by its length, so no two uses and no two lists
//     of parts give the same bytes.
//   - Decoders are strict: one sequence of bytes for each meaning, nothing after
//     the end, no allocation that the input could make large.
//
// Nothing here knows of storage, policy or time.
package field

import (
	"bytes"
	"fmt"
	"sync"

	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/fieldvault/fieldvault/crypto/secret"
)

// MaxValue is the length of the longest value that is sealed, in bytes.
const MaxValue = 64 << 10

// Overhead is by how many bytes a ciphertext is longer than its value: Tink's
// prefix (1 byte), the key id (4), the nonce (12) and the tag (16).
const Overhead = keyPrefix + 12 + 16

// keyPrefix is the length of Tink's prefix and the key id.
const keyPrefix = 1 + 4

// Key is an opened data key. It seals and opens the values of one person and
// key group. It prints as [key], and it is safe for concurrent use.
type Key struct {
	opaque
	aead tink.AEAD
}

// buffer holds the associated data of one call. Tink's interface would move a
// buffer on the stack to the heap, so calls lend each other theirs: a second
// allocation would cost a tenth of the time of opening a short value. Longer
// associated data is allocated as it comes.
type buffer [128]byte

var buffers = sync.Pool{New: func() any { return new(buffer) }} //nolint:gochecknoglobals // scratch: nothing is kept in it from one call to the next

func borrow() *buffer {
	b, _ := buffers.Get().(*buffer)
	return b
}

func giveBack(b *buffer) { buffers.Put(b) }

// NewKey returns the key that seals and opens with a. The caller warrants that
// a is the primitive of a Tink keyset of AES256-GCM keys with the TINK prefix;
// package keyring, which opens keysets, checks it.
func NewKey(a tink.AEAD) *Key {
	return &Key{aead: a}
}

// Seal encrypts v and binds the ciphertext to p. It returns [ErrTooLarge] if v
// is longer than [MaxValue], and [ErrFormat] if v is the zero Bytes or p lacks
// tenant, person or key group. The result is [Overhead] bytes longer than v and
// is the caller's.
func (k *Key) Seal(p Place, v secret.Bytes) ([]byte, error) {
	if err := checkSeal(p, v); err != nil {
		return nil, err
	}
	buf := borrow()
	sealed, err := k.seal(v, p.appendData(buf[:0], labelValue))
	giveBack(buf)
	return sealed, err
}

// Open decrypts what [Key.Seal] made for the same place. Every failure is
// [ErrOpen]. The result is the caller's to wipe.
func (k *Key) Open(p Place, sealed []byte) (secret.Bytes, error) {
	if p.check() != nil {
		return secret.Bytes{}, ErrOpen
	}
	buf := borrow()
	v, err := k.open(sealed, p.appendData(buf[:0], labelValue))
	giveBack(buf)
	return v, err
}

// Current reports whether sealed, from [Key.Seal] or in a [Portable], was sealed
// with the key that seals now: one of an earlier primary says no, and should be
// sealed anew. It says nothing of whether sealed opens.
func (k *Key) Current(sealed []byte) bool {
	fresh, err := k.aead.Encrypt(nil, nil) // begins as everything that is sealed now
	return err == nil && len(sealed) >= Overhead && bytes.Equal(sealed[:keyPrefix], fresh[:keyPrefix])
}

func (k *Key) seal(v secret.Bytes, ad []byte) ([]byte, error) {
	ct, err := k.aead.Encrypt(v.Expose(), ad)
	if err != nil {
		return nil, fmt.Errorf("sealing: %w", err)
	}
	return ct, nil
}

func (k *Key) open(sealed, ad []byte) (secret.Bytes, error) {
	if len(sealed) < Overhead || len(sealed) > MaxValue+Overhead {
		return secret.Bytes{}, ErrOpen
	}
	pt, err := k.aead.Decrypt(sealed, ad)
	if err != nil {
		return secret.Bytes{}, ErrOpen
	}
	return secret.New(pt), nil
}

func checkSeal(p Place, v secret.Bytes) error {
	switch {
	case v.IsZero():
		return fmt.Errorf("sealing: no value: %w", ErrFormat)
	case v.Len() > MaxValue:
		return fmt.Errorf("sealing: %w", ErrTooLarge)
	}
	if err := p.check(); err != nil {
		return fmt.Errorf("sealing: %w", err)
	}
	return nil
}
