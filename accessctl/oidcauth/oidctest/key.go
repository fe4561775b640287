package oidctest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"testing"
)

// A Key is one that an issuer signs with.
type Key struct {
	ID, Alg string
	private crypto.Signer
}

// NewKey makes a key for EdDSA, RS256 or ES256.
func NewKey(tb testing.TB, alg string) Key {
	tb.Helper()
	var private crypto.Signer
	var err error
	switch alg {
	case "EdDSA":
		_, private, err = ed25519.GenerateKey(rand.Reader)
	case "RS256":
		private, err = rsa.GenerateKey(rand.Reader, 2048)
	case "ES256":
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	default:
		tb.Fatalf("oidctest: no keys for %s", alg)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return Key{ID: rand.Text(), Alg: alg, private: private}
}

// JWK is the public half.
func (k Key) JWK() map[string]any {
	m := map[string]any{"kid": k.ID, "alg": k.Alg, "use": "sig"}
	switch pub := k.private.Public().(type) {
	case ed25519.PublicKey:
		m["kty"], m["crv"], m["x"] = "OKP", "Ed25519", b64(pub)
	case *rsa.PublicKey:
		m["kty"], m["n"], m["e"] = "RSA", b64(pub.N.Bytes()), b64(big.NewInt(int64(pub.E)).Bytes())
	case *ecdsa.PublicKey:
		if point, err := pub.Bytes(); err == nil {
			m["kty"], m["crv"], m["x"], m["y"] = "EC", "P-256", b64(point[1:33]), b64(point[33:])
		}
	}
	return m
}

// Sign signs the first two parts of a token.
func (k Key) Sign(text string) []byte {
	digest := sha256.Sum256([]byte(text))
	switch private := k.private.(type) {
	case ed25519.PrivateKey:
		return ed25519.Sign(private, []byte(text))
	case *rsa.PrivateKey:
		sig, _ := rsa.SignPKCS1v15(nil, private, crypto.SHA256, digest[:])
		return sig
	case *ecdsa.PrivateKey:
		if r, s, err := ecdsa.Sign(rand.Reader, private, digest[:]); err == nil {
			return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
		}
	}
	return nil
}

// Shared are ways to sign with the public half as if it were a shared secret.
func (k Key) Shared() map[string]func(text string) []byte {
	der, _ := x509.MarshalPKIXPublicKey(k.private.Public())
	jwk, _ := json.Marshal(k.JWK())
	all := map[string]func(string) []byte{}
	for name, secret := range map[string][]byte{
		"DER": der, "JWK": jwk, "PEM": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}),
	} {
		all[name] = func(text string) []byte {
			h := hmac.New(sha256.New, secret)
			h.Write([]byte(text))
			return h.Sum(nil)
		}
	}
	return all
}
