package jwtauth

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Claims is what a development token says. See the package comment for the rules
// that a Verifier will hold it to.
type Claims struct {
	Audience string        // default: Audience
	Subject  string        // required: sub
	Tenant   string        // required
	Roles    []string      // nil: an empty array
	Purposes []string      // nil: no claim; empty: narrowed to nothing
	Person   string        // the claim subject; empty: none
	Lifetime time.Duration // whole seconds; default and most: 1 h
}

// Signer is an issuer for development and tests: one Ed25519 key in a file. It does
// not belong into production. It is safe for concurrent use and prints its key's id,
// never its key.
type Signer struct {
	issuer string
	id     string
	key    func() ed25519.PrivateKey // a function: fmt finds no key in it
	now    func() time.Time
}

// jwk is a key as RFC 8037 writes it; the issuer is a member of our own.
type jwk struct {
	Issuer    string `json:"iss,omitempty"`
	Type      string `json:"kty"`
	Curve     string `json:"crv"`
	Algorithm string `json:"alg"`
	Use       string `json:"use"`
	ID        string `json:"kid"`
	Public    string `json:"x"`
	D         string `json:"d,omitempty"` // the private half
}

// NewSigner makes a signer with a fresh key. The issuer's name must be one that
// Config accepts, else ErrSigner.
func NewSigner(issuer string, now func() time.Time) (*Signer, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("%w: making a key: %w", ErrSigner, err)
	}
	return newSigner(issuer, key, now)
}

func newSigner(issuer string, key ed25519.PrivateKey, now func() time.Time) (*Signer, error) {
	if !issuerName(issuer) || now == nil {
		return nil, fmt.Errorf("%w: issuer or clock", ErrSigner)
	}
	s := &Signer{issuer: issuer, key: func() ed25519.PrivateKey { return key }, now: now}
	s.id = thumbprint(s.x())
	return s, nil
}

// thumbprint is the id of an Ed25519 key after RFC 7638 and RFC 8037, section 2.
func thumbprint(x string) string {
	sum := sha256.Sum256([]byte(`{"crv":"Ed25519","kty":"OKP","x":"` + x + `"}`))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// LoadSigner reads what Save wrote. A file that others than its owner may read or
// write, or that is not whole, is ErrSigner; one that is not there is fs.ErrNotExist
// as well.
func LoadSigner(path string, now func() time.Time) (*Signer, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSigner, err)
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%w: %s must be a file of mode 0600", ErrSigner, path)
	}
	b, err := os.ReadFile(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSigner, err)
	}
	if _, err := object(b); err != nil {
		return nil, fmt.Errorf("%w: %s is not a key file", ErrSigner, path)
	}
	var k jwk
	if err := json.Unmarshal(b, &k); err != nil {
		return nil, fmt.Errorf("%w: %s is not a key file", ErrSigner, path)
	}
	seed, err := base64.RawURLEncoding.Strict().DecodeString(k.D)
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("%w: %s is not a key file", ErrSigner, path)
	}
	s, err := newSigner(k.Issuer, ed25519.NewKeyFromSeed(seed), now)
	if err != nil {
		return nil, err
	}
	if again := s.jwk(true); again != k {
		return nil, fmt.Errorf("%w: %s contradicts itself", ErrSigner, path)
	}
	return s, nil
}

// Save writes the signer's key and issuer to a file of mode 0600, as a JWK. It
// replaces a file that is there, in one step.
func (s *Signer) Save(path string) (err error) {
	b, err := json.MarshalIndent(s.jwk(true), "", "  ")
	if err != nil {
		return fmt.Errorf("%w: encoding: %w", ErrSigner, err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".signer-*") // of mode 0600
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSigner, err)
	}
	defer func() {
		if rm := os.Remove(f.Name()); !errors.Is(rm, fs.ErrNotExist) {
			err = errors.Join(err, rm)
		}
	}()
	_, werr := f.Write(append(b, '\n'))
	if err := errors.Join(werr, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("%w: writing: %w", ErrSigner, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("%w: %w", ErrSigner, err)
	}
	return nil
}

// Sign returns a token, valid from now. Claims without subject or tenant, or with a
// lifetime beyond an hour, are ErrSigner; whether a Verifier accepts the rest is for
// it to say.
func (s *Signer) Sign(c Claims) (string, error) {
	fill(&c.Lifetime, longestLife)
	if c.Audience == "" {
		c.Audience = Audience
	}
	if c.Subject == "" || c.Tenant == "" || c.Lifetime < time.Second || c.Lifetime > longestLife {
		return "", fmt.Errorf("%w: claims", ErrSigner)
	}
	issued := s.now().Unix()
	payload := jwt.MapClaims{
		"iss": s.issuer, "aud": c.Audience, "sub": c.Subject, "tenant": c.Tenant,
		"iat": issued, "exp": issued + int64(c.Lifetime/time.Second),
		"roles": append([]string{}, c.Roles...),
	}
	if c.Purposes != nil {
		payload["purposes"] = c.Purposes
	}
	if c.Person != "" {
		payload["subject"] = c.Person
	}
	t := jwt.NewWithClaims(jwt.SigningMethodEdDSA, payload)
	t.Header["kid"] = s.id
	token, err := t.SignedString(s.key())
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrSigner, err)
	}
	return token, nil
}

// JWKS returns the signer's public key as a JWK set, for Issuer.JWKS, a file or a
// web server.
func (s *Signer) JWKS() []byte {
	b, err := json.Marshal(map[string][]jwk{"keys": {s.jwk(false)}})
	if err != nil {
		return nil // a struct of strings always encodes
	}
	return b
}

// Issuer returns the iss of the signer's tokens.
func (s *Signer) Issuer() string { return s.issuer }

// String names the signer by its issuer and its key's id.
func (s *Signer) String() string { return "jwtauth.Signer(" + s.issuer + " " + s.id + ")" }

// GoString is String.
func (s *Signer) GoString() string { return s.String() }

func (s *Signer) x() string {
	return base64.RawURLEncoding.EncodeToString(s.key()[ed25519.SeedSize:])
}

func (s *Signer) jwk(private bool) jwk {
	k := jwk{Type: "OKP", Curve: "Ed25519", Algorithm: "EdDSA", Use: "sig", ID: s.id, Public: s.x()}
	if private {
		k.Issuer = s.issuer
		k.D = base64.RawURLEncoding.EncodeToString(s.key().Seed())
	}
	return k
}
