package evidence

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/gowebpki/jcs"
)

// Verify checks that b is a document of a known type, signed with the private key
// of pub. It does not check an inclusion proof beside it. The error is ErrDocument
// (not a document), ErrOtherKey or ErrSignature.
func Verify(b []byte, pub ed25519.PublicKey) error {
	s, err := verified(b, pub)
	if err != nil {
		return err
	}
	switch s.kind {
	case CertificateType:
		return s.read(new(Certificate))
	case ReceiptType, receiptTypeV1:
		return s.read(new(Receipt))
	case ManifestType:
		return s.read(new(Manifest))
	}
	return fmt.Errorf("%w: unknown type", ErrDocument)
}

// OpenCertificate verifies b like Verify and returns the certificate and, if it has
// one, the inclusion proof beside it. A document of another type is ErrDocument.
func OpenCertificate(b []byte, pub ed25519.PublicKey) (*Certificate, *Inclusion, error) {
	c := new(Certificate)
	in, err := open(b, pub, c)
	if err != nil {
		return nil, nil, err
	}
	return c, in, nil
}

// OpenReceipt verifies b like Verify and returns the receipt and, if it has one, the
// inclusion proof beside it. A document of another type is ErrDocument.
func OpenReceipt(b []byte, pub ed25519.PublicKey) (*Receipt, *Inclusion, error) {
	r := new(Receipt)
	in, err := open(b, pub, r)
	if err != nil {
		return nil, nil, err
	}
	return r, in, nil
}

// OpenManifest verifies b like Verify and returns the manifest and, if it has one, the
// inclusion proof beside it. A document of another type is ErrDocument.
func OpenManifest(b []byte, pub ed25519.PublicKey) (*Manifest, *Inclusion, error) {
	m := new(Manifest)
	in, err := open(b, pub, m)
	if err != nil {
		return nil, nil, err
	}
	return m, in, nil
}

// KeyIDOf returns the id of the key that a document names, to choose the key to
// verify it with. Nothing else of the document has been checked then.
func KeyIDOf(b []byte) (string, error) {
	s, err := split(b)
	if err != nil {
		return "", err
	}
	return s.proof.KeyID, nil
}

func open(b []byte, pub ed25519.PublicKey, d Document) (*Inclusion, error) {
	s, err := verified(b, pub)
	if err != nil {
		return nil, err
	}
	if err := s.read(d); err != nil {
		return nil, err
	}
	return s.inclusion, nil
}

func verified(b []byte, pub ed25519.PublicKey) (*signed, error) {
	if len(pub) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("%w: public key", ErrDocument)
	}
	s, err := split(b)
	if err != nil {
		return nil, err
	}
	if s.proof.KeyID != KeyID(pub) {
		return nil, ErrOtherKey
	}
	if !ed25519.Verify(pub, s.canonical, s.signature) {
		return nil, ErrSignature
	}
	return s, nil
}

// signed is a document taken apart.
type signed struct {
	kind      string
	body      []byte // the signed members, as they were spelled
	canonical []byte // the same in the form that is signed
	proof     proof
	signature []byte
	inclusion *Inclusion
}

func split(b []byte) (*signed, error) {
	members, err := unique(b)
	if err != nil {
		return nil, err
	}
	s := new(signed)
	if err := strict(members["proof"], &s.proof); err != nil {
		return nil, fmt.Errorf("%w: proof", ErrDocument)
	}
	sig, ok := decode(s.proof.Signature, ed25519.SignatureSize)
	if !ok || s.proof.Type != proofType || !hexadecimal(s.proof.KeyID, 8, 8) {
		return nil, fmt.Errorf("%w: proof", ErrDocument)
	}
	s.signature = sig
	if raw, ok := members["inclusion"]; ok {
		s.inclusion = new(Inclusion)
		if err := strict(raw, s.inclusion); err != nil || s.inclusion.invalid() != "" {
			return nil, fmt.Errorf("%w: inclusion", ErrDocument)
		}
	}
	if err := strict(members["type"], &s.kind); err != nil {
		return nil, fmt.Errorf("%w: type", ErrDocument)
	}
	delete(members, "proof")
	delete(members, "inclusion")
	if s.body, err = json.Marshal(members); err != nil {
		return nil, fmt.Errorf("%w: encoding", ErrDocument)
	}
	s.canonical, err = canonicalise(s.body)
	return s, err
}

// names are the tenant and the audit event that the document names.
func (s *signed) names() (tenant string, event uuid.UUID, err error) {
	switch s.kind {
	case CertificateType:
		c := new(Certificate)
		err = s.read(c)
		return c.Tenant, c.Event, err
	case ReceiptType, receiptTypeV1:
		r := new(Receipt)
		err = s.read(r)
		return r.Header.Tenant, r.AuditEvent, err
	case ManifestType:
		m := new(Manifest)
		err = s.read(m)
		return m.Tenant, m.Event, err
	}
	return "", uuid.Nil, fmt.Errorf("%w: unknown type", ErrDocument)
}

// read decodes the signed members into d and checks that they say exactly what d
// says: no member more, none in another spelling.
func (s *signed) read(d Document) error {
	if err := strict(s.body, d); err != nil {
		return fmt.Errorf("%w: members", ErrDocument)
	}
	if part := d.invalid(); part != "" {
		return fmt.Errorf("%w: %s", ErrDocument, part)
	}
	return nil
}

// strict decodes raw into v and refuses whatever encoding v again would not give:
// unknown members, other spellings of a name or a time, null.
func strict(raw []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return fmt.Errorf("decoding: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("trailing data")
	}
	again, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encoding: %w", err)
	}
	again, err = canonicalise(again)
	if err != nil {
		return err
	}
	want, err := canonicalise(raw)
	if err != nil {
		return err
	}
	if !bytes.Equal(again, want) {
		return errors.New("not in the one form")
	}
	return nil
}

// canonicalise returns the form of RFC 8785.
func canonicalise(b []byte) ([]byte, error) {
	c, err := jcs.Transform(b)
	if err != nil {
		return nil, fmt.Errorf("%w: canonical form", ErrDocument) // jcs quotes its input
	}
	return c, nil
}

// optional says whether s may stand where nothing need stand: bounded UTF-8.
func optional(s string) bool {
	return len(s) <= maxText && utf8.ValidString(s)
}
