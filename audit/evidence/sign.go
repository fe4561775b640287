package evidence

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/fieldvault/fieldvault/audit"
)

const proofType = "Ed25519-RFC8785"

// proof is the member that holds the signature.
type proof struct {
	Type      string `json:"type"`
	KeyID     string `json:"key_id"`
	Signature string `json:"signature"`
}

// Signer signs statements with one Ed25519 key. It is safe for concurrent use. It
// prints its key's id, never its key.
type Signer struct {
	sign func([]byte) []byte // a function: fmt finds no key in it
	id   string
	pub  ed25519.PublicKey
}

// NewSigner makes a signer of the 32-byte seed of an Ed25519 key (RFC 8032, section
// 5.1.5). It keeps nothing of seed, which the caller should wipe. Another length is
// ErrDocument.
func NewSigner(seed []byte) (*Signer, error) {
	if len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("%w: seed is not %d bytes", ErrDocument, ed25519.SeedSize)
	}
	key := ed25519.NewKeyFromSeed(seed)
	pub := ed25519.PublicKey(key[ed25519.SeedSize:])
	sign := func(b []byte) []byte { return ed25519.Sign(key, b) }
	return &Signer{sign: sign, id: KeyID(pub), pub: pub}, nil
}

// KeyID returns the id of the signer's key.
func (s *Signer) KeyID() string { return s.id }

// Public returns the signer's public key; the caller may not modify it.
func (s *Signer) Public() ed25519.PublicKey { return s.pub }

// SignNote signs the text of a checkpoint of the log with the same key. What is signed
// of documents begins with a brace, and a checkpoint with the log's name, which does
// not: neither can be taken for the other. A text that begins with a brace is signed
// by nobody: the result is nil.
func (s *Signer) SignNote(text []byte) []byte {
	if len(text) == 0 || text[0] == '{' {
		return nil
	}
	return s.sign(text)
}

// String names the signer by its key's id.
func (s *Signer) String() string { return "evidence.Signer(" + s.id + ")" }

// GoString is String.
func (s *Signer) GoString() string { return s.String() }

// Sign returns the document as JSON with its proof. It fills in what the type
// prescribes (Type; Context and SchemaVersion of a receipt) and puts times in UTC;
// all else, the time of issue included, is the caller's. The same document signed
// again gives the same bytes. A document that breaks a rule is ErrDocument, which
// names the member.
func (s *Signer) Sign(d Document) ([]byte, error) {
	d.stamp()
	if part := d.invalid(); part != "" {
		return nil, fmt.Errorf("%w: %s", ErrDocument, part)
	}
	body, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("%w: encoding: %w", ErrDocument, err)
	}
	canonical, err := canonicalise(body)
	if err != nil {
		return nil, err
	}
	sig := s.sign(canonical)
	p := proof{Type: proofType, KeyID: s.id, Signature: base64.StdEncoding.EncodeToString(sig)}
	b, err := appendMember(body, "proof", p)
	if err != nil {
		return nil, err
	}
	if len(b) > MaxDocument {
		return nil, fmt.Errorf("%w: size", ErrDocument)
	}
	return b, nil
}

// Attach returns the document b with its place in the log beside it, in place of
// one that it may have had. The signature stays as it is, and is not checked here.
func Attach(b []byte, in Inclusion) ([]byte, error) {
	if part := in.invalid(); part != "" {
		return nil, fmt.Errorf("%w: %s", ErrDocument, part)
	}
	s, err := split(b)
	if err != nil {
		return nil, err
	}
	out, err := appendMember(s.canonical, "proof", s.proof)
	if err != nil {
		return nil, err
	}
	out, err = appendMember(out, "inclusion", in)
	if err != nil {
		return nil, err
	}
	if len(out) > MaxDocument {
		return nil, fmt.Errorf("%w: size", ErrDocument)
	}
	return out, nil
}

func (in *Inclusion) invalid() string {
	if in.Index > maxInteger || len(in.Hashes) > 64 || in.Hashes == nil || !text(in.Checkpoint) || in.Leaf == "" || len(in.Leaf) > audit.MaxLeaf {
		return "inclusion"
	}
	for _, h := range in.Hashes {
		if _, ok := decode(h, 32); !ok {
			return "inclusion"
		}
	}
	return ""
}

// appendMember adds a member at the end of a non-empty JSON object.
func appendMember(object []byte, name string, value any) ([]byte, error) {
	v, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("%w: encoding %s: %w", ErrDocument, name, err)
	}
	b := append([]byte(nil), object[:len(object)-1]...)
	b = append(b, `,"`+name+`":`...)
	return append(append(b, v...), '}'), nil
}
