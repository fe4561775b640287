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
//     those of one record into one row, where what they share stands once;
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
	"encoding/binary"
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

const (
	// keyPrefix is the length of Tink's prefix and the key id.
	keyPrefix = 1 + 4
	// tinkPrefix is Tink's prefix: what follows is the key id.
	tinkPrefix = 1
)

// Key is an opened data key. It seals and opens the values of one person and
// key group. It prints as [key], and it is safe for concurrent use.
type Key struct {
	opaque
	aead tink.AEAD
}

// A Ciphertext is what [Key.Seal] made, taken apart by [Split], so that those of
// a record can stand without their key id.
type Ciphertext struct {
	KeyID uint32 // of the key, within its keyset
	Body  []byte // nonce, ciphertext and tag
}

// bodyOverhead is by how many bytes a body is longer than its value.
const bodyOverhead = Overhead - keyPrefix

// Split takes apart what [Key.Seal] made; the body aliases it. What does not
// begin as that does, or has not its length, gives no body: it neither packs nor
// opens.
func Split(sealed []byte) Ciphertext {
	if len(sealed) < Overhead || len(sealed) > MaxValue+Overhead || sealed[0] != tinkPrefix {
		return Ciphertext{}
	}
	return Ciphertext{
		KeyID: binary.BigEndian.Uint32(sealed[1:]),
		Body:  sealed[keyPrefix:len(sealed):len(sealed)],
	}
}

// buffer holds what one call hands to Tink. Tink's interface would move a
// buffer on the stack to the heap, so calls lend each other theirs: a second
// allocation would cost a tenth of the time of opening a short value. Longer
// associated data is allocated as it comes.
type buffer struct {
	data   [128]byte // associated data
	sealed []byte    // a ciphertext put together; as long as the longest so far
}

// join puts a ciphertext together, until the next call.
func (b *buffer) join(c Ciphertext) []byte {
	b.sealed = append(b.sealed[:0], tinkPrefix)
	b.sealed = binary.BigEndian.AppendUint32(b.sealed, c.KeyID)
	b.sealed = append(b.sealed, c.Body...)
	return b.sealed
}

var buffers = sync.Pool{New: func() any { return &buffer{sealed: make([]byte, 0, 256)} }} //nolint:gochecknoglobals // scratch: nothing is kept in it from one call to the next

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
	sealed, err := k.seal(v, p.appendData(buf.data[:0], labelValue))
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
	v, err := k.open(sealed, p.appendData(buf.data[:0], labelValue))
	giveBack(buf)
	return v, err
}

// OpenSplit is [Key.Open] of a ciphertext that stands apart from its key id.
func (k *Key) OpenSplit(p Place, c Ciphertext) (secret.Bytes, error) {
	var o Opener
	v, err := o.Open(k, &p, c)
	o.Close()
	return v, err
}

// An Opener opens one value after the other, as [Key.OpenSplit] does, in the time that
// this takes less what it costs to borrow a buffer for each. The zero Opener is ready;
// it is not safe for concurrent use, and done with Close.
type Opener struct{ buf *buffer }

// Open is [Key.OpenSplit] of k. It keeps neither place nor ciphertext.
func (o *Opener) Open(k *Key, p *Place, c Ciphertext) (secret.Bytes, error) {
	if p.check() != nil {
		return secret.Bytes{}, ErrOpen
	}
	if o.buf == nil {
		o.buf = borrow()
	}
	data := p.appendData(o.buf.data[:0], labelValue) // first, since it is read first
	return k.open(o.buf.join(c), data)
}

// Close gives back the buffer. The Opener is as new.
func (o *Opener) Close() {
	if o.buf != nil {
		giveBack(o.buf)
		o.buf = nil
	}
}

// Current reports whether sealed, from [Key.Seal] or in a [Portable], was sealed
// with the key that seals now: one of an earlier primary says no, and should be
// sealed anew. It says nothing of whether sealed opens.
func (k *Key) Current(sealed []byte) bool { return k.CurrentSplit(Split(sealed)) }

// CurrentSplit is [Key.Current] of a ciphertext that stands apart from its key id.
func (k *Key) CurrentSplit(c Ciphertext) bool {
	fresh, err := k.aead.Encrypt(nil, nil) // begins as everything that is sealed now
	now := Split(fresh)
	return err == nil && len(now.Body) >= bodyOverhead && len(c.Body) >= bodyOverhead && c.KeyID == now.KeyID
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
