package tree

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"
)

const (
	algEd25519     = 1       // type byte of a log's key
	algCosignature = 4       // type byte of a witness's key
	maxSigned      = 1 << 16 // bytes of a checkpoint with all its signatures
)

// Checkpoint says that the log of the given origin has Size leaves whose tree has
// the given root. As text it is three lines: origin, size in decimal, root in
// base64.
type Checkpoint struct {
	Origin string // name of the log and of its key: not empty, without white space, control characters and "+"
	Size   int64
	Root   Hash
}

// text is what is signed.
func (c Checkpoint) text() string {
	return c.Origin + "\n" + strconv.FormatInt(c.Size, 10) + "\n" + c.Root.String() + "\n"
}

// Sign returns the checkpoint as a note that is signed with the Ed25519 key of pub;
// sign returns that key's signature of its argument. The error is ErrFormat if the
// origin or pub is none, ErrSize if there is no tree of that size, and ErrSignature
// if what sign returned is not a signature by pub.
func (c Checkpoint) Sign(pub ed25519.PublicKey, sign func([]byte) []byte) ([]byte, error) {
	if err := checkName(c.Origin, pub); err != nil {
		return nil, err
	}
	if c.Size < 0 || c.Size > maxSize {
		return nil, fmt.Errorf("%w: a tree of %d leaves", ErrSize, c.Size)
	}
	s := signer{name: c.Origin, hash: keyHash(c.Origin, algEd25519, pub), sign: func(msg []byte) ([]byte, error) {
		sig := sign(msg)
		if !ed25519.Verify(pub, msg, sig) {
			return nil, ErrSignature
		}
		return sig, nil
	}}
	return note.Sign(&note.Note{Text: c.text()}, s)
}

// VerifierKey returns the public key of a log as text, as any reader of signed notes
// takes it: "<origin>+<hash>+<key>". The error is ErrFormat if origin or pub is none.
func VerifierKey(origin string, pub ed25519.PublicKey) (string, error) {
	if err := checkName(origin, pub); err != nil {
		return "", err
	}
	return verifierKey(origin, algEd25519, pub), nil
}

// OpenCheckpoint returns the checkpoint that was signed for origin with the key of
// pub. Signatures by other keys are ignored, whatever they say. The error is
// ErrSignature if there is none by pub, or a wrong one, and ErrFormat if signed is not
// a checkpoint in its one canonical form, is one of another origin, or has more lines.
func OpenCheckpoint(signed []byte, origin string, pub ed25519.PublicKey) (Checkpoint, error) {
	if err := checkName(origin, pub); err != nil {
		return Checkpoint{}, err
	}
	v := verifier{
		name: origin, hash: keyHash(origin, algEd25519, pub),
		verify: func(msg, sig []byte) bool { return ed25519.Verify(pub, msg, sig) },
	}
	n, err := openNote(signed, v)
	if err != nil {
		return Checkpoint{}, err
	}
	c, err := parseCheckpoint(n.Text)
	if err != nil {
		return Checkpoint{}, err
	}
	if c.Origin != origin {
		return Checkpoint{}, fmt.Errorf("%w: a checkpoint of another origin", ErrFormat)
	}
	return c, nil
}

// ReadCheckpoint returns what a checkpoint says without verifying any signature:
// anyone may have written it. It is for showing and for routing; whoever relies on
// what it says must use OpenCheckpoint. The error is ErrFormat.
func ReadCheckpoint(signed []byte) (Checkpoint, error) {
	n, err := readNote(signed)
	if err != nil {
		return Checkpoint{}, err
	}
	return parseCheckpoint(n.Text)
}

// openNote returns the note if v's key has signed it.
func openNote(signed []byte, v note.Verifier) (*note.Note, error) {
	if len(signed) > maxSigned {
		return nil, fmt.Errorf("%w: a checkpoint of %d bytes", ErrFormat, len(signed))
	}
	n, err := note.Open(signed, note.VerifierList(v))
	var unverified *note.UnverifiedNoteError
	var invalid *note.InvalidSignatureError
	switch {
	case errors.As(err, &unverified):
		return nil, fmt.Errorf("%w: it bears no signature of it", ErrSignature)
	case errors.As(err, &invalid):
		return nil, fmt.Errorf("%w: the signature is wrong", ErrSignature)
	case err != nil:
		return nil, fmt.Errorf("%w: a checkpoint that is not a signed note", ErrFormat)
	}
	text := n.Sigs[0].Base64 // which note reads with spare bits, too
	if sig, err := base64.StdEncoding.DecodeString(text); err != nil || base64.StdEncoding.EncodeToString(sig) != text {
		return nil, fmt.Errorf("%w: a signature that is not canonical", ErrFormat)
	}
	return n, nil
}

// readNote returns the note whoever has signed it.
func readNote(signed []byte) (*note.Note, error) {
	if len(signed) > maxSigned {
		return nil, fmt.Errorf("%w: a checkpoint of %d bytes", ErrFormat, len(signed))
	}
	_, err := note.Open(signed, nil)
	var unverified *note.UnverifiedNoteError
	if !errors.As(err, &unverified) {
		return nil, fmt.Errorf("%w: a checkpoint that is not a signed note", ErrFormat)
	}
	return unverified.Note, nil
}

func parseCheckpoint(text string) (Checkpoint, error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 4 {
		return Checkpoint{}, fmt.Errorf("%w: a checkpoint has three lines", ErrFormat)
	}
	c := Checkpoint{Origin: lines[0]}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || size > maxSize {
		return Checkpoint{}, fmt.Errorf("%w: the size of a checkpoint", ErrFormat)
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != len(c.Root) {
		return Checkpoint{}, fmt.Errorf("%w: the root of a checkpoint", ErrFormat)
	}
	c.Size, c.Root = size, Hash(root)
	if !validName(c.Origin) || c.text() != text {
		return Checkpoint{}, fmt.Errorf("%w: a checkpoint that is not canonical", ErrFormat)
	}
	return c, nil
}

// validName says whether name may be that of a key in a signed note.
func validName(name string) bool {
	return name != "" && utf8.ValidString(name) && !strings.ContainsFunc(name, func(r rune) bool {
		return r == '+' || unicode.IsSpace(r) || unicode.IsControl(r)
	})
}

func checkName(name string, pub ed25519.PublicKey) error {
	if !validName(name) {
		return fmt.Errorf("%w: the name of a key", ErrFormat)
	}
	if len(pub) != ed25519.PublicKeySize {
		return fmt.Errorf("%w: a public key of %d bytes", ErrFormat, len(pub))
	}
	return nil
}

// keyHash is the hash of a key in a signed note.
func keyHash(name string, alg byte, pub ed25519.PublicKey) uint32 {
	sum := sha256.Sum256(append(append([]byte(name), '\n', alg), pub...))
	return binary.BigEndian.Uint32(sum[:])
}

// verifierKey is the text of a public key.
func verifierKey(name string, alg byte, pub ed25519.PublicKey) string {
	key := base64.StdEncoding.EncodeToString(append([]byte{alg}, pub...))
	return fmt.Sprintf("%s+%08x+%s", name, keyHash(name, alg, pub), key)
}

// verifier is a note.Verifier.
type verifier struct {
	name   string
	hash   uint32
	verify func(msg, sig []byte) bool
}

func (v verifier) Name() string                { return v.name }
func (v verifier) KeyHash() uint32             { return v.hash }
func (v verifier) Verify(msg, sig []byte) bool { return v.verify(msg, sig) }

// signer is a note.Signer.
type signer struct {
	name string
	hash uint32
	sign func(msg []byte) ([]byte, error)
}

func (s signer) Name() string                    { return s.name }
func (s signer) KeyHash() uint32                 { return s.hash }
func (s signer) Sign(msg []byte) ([]byte, error) { return s.sign(msg) }
