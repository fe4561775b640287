package vault

import (
	"context"
	"time"
)

// A KeyMaker creates key-encryption keys. Only the keeper's role can.
type KeyMaker interface {
	// CreateKey makes the key unless it exists.
	CreateKey(ctx context.Context, key string) error
}

// A KeyAdmin changes key-encryption keys. Only the keeper's role can. A key is
// named as its tenant, or keyring.System. Each method fails if the key does not
// exist, and if the key store does not answer, denies it, or refuses it as told; the
// error says which in words of the key store's package, for operators.
type KeyAdmin interface {
	KeyMaker
	// Status reads the key's versions.
	Status(ctx context.Context, key string) (KeyVersions, error)
	// Rotate adds a version, under which everything is wrapped from then on, and
	// returns it. After an error it may have been done: Status tells.
	Rotate(ctx context.Context, key string) (int, error)
	// SetMinimum sets the lowest version that opens, and the lowest that may wrap
	// (0: the latest alone). It can be taken back as far as nothing was trimmed. It
	// refuses unless
	//
	//	MinAvailable <= minDecrypt <= Latest, and
	//	minEncrypt = 0 or minDecrypt <= minEncrypt <= Latest.
	SetMinimum(ctx context.Context, key string, minDecrypt, minEncrypt int) error
	// Trim destroys every version below minAvailable, for ever. It refuses while
	// MinEncrypt is 0, and unless MinAvailable <= minAvailable <= MinDecrypt.
	Trim(ctx context.Context, key string, minAvailable int) error
}

// KeyVersions says which versions of a key-encryption key there are, from 1, and
// what they are good for:
//
//	1 <= MinAvailable <= MinDecrypt <= Latest, and MinEncrypt = 0 or MinDecrypt <= MinEncrypt <= Latest.
type KeyVersions struct {
	// Latest is the version that wraps.
	Latest int
	// MinDecrypt is the lowest version that opens. Those below are kept, and come
	// back when it is lowered.
	MinDecrypt int
	// MinEncrypt is the lowest version that may wrap; 0: the latest alone.
	MinEncrypt int
	// MinAvailable is the lowest version that exists. Those below are destroyed.
	MinAvailable int
}

// An administered is a key store whose own type says the versions.
type administered[S ~struct{ Latest, MinDecrypt, MinEncrypt, MinAvailable int }] interface {
	KeyMaker
	Status(ctx context.Context, key string) (S, error)
	Rotate(ctx context.Context, key string) (int, error)
	SetMinimum(ctx context.Context, key string, minDecrypt, minEncrypt int) error
	Trim(ctx context.Context, key string, minAvailable int) error
}

// NewKeyAdmin is a key store, such as transit.KEK or localkek.KEK, as a KeyAdmin.
func NewKeyAdmin[S ~struct{ Latest, MinDecrypt, MinEncrypt, MinAvailable int }](store administered[S]) KeyAdmin {
	return keyAdmin[S]{store}
}

type keyAdmin[S ~struct{ Latest, MinDecrypt, MinEncrypt, MinAvailable int }] struct{ administered[S] }

// Created is what the store says of when versions were created; nothing, if it does
// not keep that.
func (k keyAdmin[S]) Created(ctx context.Context, key string) (map[int]time.Time, error) {
	if d, ok := k.administered.(KeyDater); ok {
		return d.Created(ctx, key)
	}
	return nil, nil
}

// Status reads the key's versions. A store that says 0 for "all are available"
// means 1, and the same of what opens.
func (k keyAdmin[S]) Status(ctx context.Context, key string) (KeyVersions, error) {
	s, err := k.administered.Status(ctx, key)
	if err != nil {
		return KeyVersions{}, err
	}
	v := KeyVersions(s)
	v.MinDecrypt, v.MinAvailable = max(v.MinDecrypt, 1), max(v.MinAvailable, 1)
	return v, nil
}
