package jwtauth

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/MicahParks/jwkset"
	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
)

// keySet is one state of an issuer's keys. It does not change: a new state is a new
// keySet, and what was verified under the old one counts no more.
type keySet struct {
	digest [sha256.Size]byte // of the text it was read from
	ids    map[string]bool
	find   keyfunc.Keyfunc
}

// parseKeySet reads the usable keys of a JWK Set (RFC 7517), for these algorithms.
// A set without any, or with one id twice, is ErrKeySet.
func parseKeySet(b []byte, algorithms []string) (*keySet, error) {
	if len(b) > maxKeySet {
		return nil, fmt.Errorf("%w: larger than %d bytes", ErrKeySet, maxKeySet)
	}
	if _, err := object(b); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeySet, err)
	}
	var doc jwkset.JWKSMarshal
	if err := json.Unmarshal(b, &doc); err != nil {
		return nil, fmt.Errorf("%w: not a JWK set", ErrKeySet)
	}
	if len(doc.Keys) > maxKeys {
		return nil, fmt.Errorf("%w: more than %d keys", ErrKeySet, maxKeys)
	}
	set := &keySet{digest: sha256.Sum256(b), ids: map[string]bool{}}
	var keys []jwkset.JWK
	for i := range doc.Keys {
		key, ok := usable(&doc.Keys[i], algorithms)
		if !ok {
			continue
		}
		id := doc.Keys[i].KID
		if set.ids[id] {
			return nil, fmt.Errorf("%w: two keys have one id", ErrKeySet)
		}
		set.ids[id] = true
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%w: no key for its algorithms", ErrKeySet)
	}
	return set, set.hold(keys)
}

// hold puts the keys behind a keyfunc of this set's own.
func (s *keySet) hold(keys []jwkset.JWK) error {
	store := jwkset.NewMemoryStorage()
	if err := store.KeyReplaceAll(context.Background(), keys); err != nil {
		return fmt.Errorf("%w: holding keys: %w", ErrKeySet, err)
	}
	find, err := keyfunc.New(keyfunc.Options{Storage: store, UseWhitelist: []jwkset.USE{"", jwkset.UseSig}})
	if err != nil {
		return fmt.Errorf("%w: holding keys: %w", ErrKeySet, err)
	}
	s.find = find
	return nil
}

// key is the jwt.Keyfunc of the set: the key with the token's kid, if it is one for
// the token's algorithm.
func (s *keySet) key(ctx context.Context) jwt.Keyfunc {
	find := s.find.KeyfuncCtx(ctx)
	return func(t *jwt.Token) (any, error) {
		key, err := find(t)
		if err != nil {
			return nil, fmt.Errorf("finding the key: %w", err)
		}
		if kind(key) != t.Method.Alg() {
			return nil, rule("key for another algorithm")
		}
		return key, nil
	}
}

// usable makes a public key of a JWK, if it is one that may verify tokens.
func usable(m *jwkset.JWKMarshal, algorithms []string) (jwkset.JWK, bool) {
	if !printable(m.KID, maxKeyID) || m.USE != "" && m.USE != jwkset.UseSig {
		return jwkset.JWK{}, false
	}
	if len(m.KEYOPS) > 0 && !slices.Contains(m.KEYOPS, jwkset.KeyOpsVerify) {
		return jwkset.JWK{}, false
	}
	// Private: false leaves private parts behind and refuses symmetric keys. A GetX5U
	// is not set, so nothing is fetched on the word of a key set either.
	key, err := jwkset.NewJWKFromMarshal(*m, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
	if err != nil {
		return jwkset.JWK{}, false
	}
	alg := kind(key.Key())
	if alg == "" || !slices.Contains(algorithms, alg) || m.ALG != "" && m.ALG.String() != alg {
		return jwkset.JWK{}, false
	}
	return key, true
}

// kind is the one algorithm that a public key serves, or "" for a key that serves
// none or is too weak. RSA beyond 8192 bits would cost too much.
func kind(key any) string {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if n := k.N.BitLen(); n >= 2048 && n <= 8192 && k.E >= 3 {
			return "RS256"
		}
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() {
			return "ES256"
		}
	case ed25519.PublicKey:
		return "EdDSA"
	}
	return ""
}
