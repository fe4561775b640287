package localkek

import (
	"context"
	"errors"
	"fmt"
	"maps"
)

// CreateKey makes a key of the given name with one version. If there is one, it
// stays as it is. Names are those of tenants and "_system": lower-case letters,
// digits, '-' and '_', beginning with a letter or '_', at most 63; others are
// refused with [ErrName].
func (k *KEK) CreateKey(ctx context.Context, key string) error {
	if !validName(key) {
		return fmt.Errorf("creating a key: %w", ErrName)
	}
	err := k.change(ctx, func(ks keys) error {
		if _, ok := ks[key]; ok {
			return errUnchanged
		}
		v, err := randomVersion()
		if err != nil {
			return err
		}
		ks[key] = &entry{
			KeyStatus: KeyStatus{Latest: 1, MinDecrypt: 1, MinAvailable: 1},
			versions:  map[int]*version{1: v},
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("creating a key: %w", err)
	}
	return nil
}

// Status returns the versions of a key, or [ErrNoKey].
func (k *KEK) Status(ctx context.Context, key string) (KeyStatus, error) {
	s, err := k.current(ctx)
	if err != nil {
		return KeyStatus{}, fmt.Errorf("reading the status of a key: %w", err)
	}
	e, ok := s.keys[key]
	if !ok {
		return KeyStatus{}, fmt.Errorf("reading the status of a key: %w", ErrNoKey)
	}
	return e.KeyStatus, nil
}

// Rotate adds a version to a key, with which everything is wrapped from then on,
// and returns it. It returns [ErrNoKey] if there is no such key, and [ErrVersion]
// if it has 100,000 versions already.
func (k *KEK) Rotate(ctx context.Context, key string) (int, error) {
	latest := 0
	err := k.edit(ctx, key, func(e *entry) error {
		if e.Latest >= maxVersions {
			return ErrVersion
		}
		v, err := randomVersion()
		if err != nil {
			return err
		}
		e.Latest++
		e.versions[e.Latest] = v
		latest = e.Latest
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("rotating a key: %w", err)
	}
	return latest, nil
}

// SetMinimum sets the lowest version that opens and the lowest that may wrap (0:
// only the latest). Both can be lowered again, as far as versions were not
// trimmed. It returns [ErrNoKey], or [ErrMinimum] unless
//
//	MinAvailable <= minDecrypt <= Latest, and
//	minEncrypt = 0 or minDecrypt <= minEncrypt <= Latest.
func (k *KEK) SetMinimum(ctx context.Context, key string, minDecrypt, minEncrypt int) error {
	err := k.edit(ctx, key, func(e *entry) error {
		e.MinDecrypt, e.MinEncrypt = minDecrypt, minEncrypt
		if !e.ordered() {
			return ErrMinimum
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("setting the minimum of a key: %w", err)
	}
	return nil
}

// Trim destroys all versions below minAvailable. It cannot be taken back. It
// returns [ErrNoKey], or [ErrMinimum] if MinEncrypt is 0, or if minAvailable is
// above MinDecrypt or MinEncrypt or below what was trimmed before.
func (k *KEK) Trim(ctx context.Context, key string, minAvailable int) error {
	err := k.edit(ctx, key, func(e *entry) error {
		if e.MinEncrypt == 0 || minAvailable > e.MinEncrypt || minAvailable < e.MinAvailable {
			return ErrMinimum
		}
		for ; e.MinAvailable < minAvailable; e.MinAvailable++ {
			delete(e.versions, e.MinAvailable)
		}
		if !e.ordered() {
			return ErrMinimum
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("trimming a key: %w", err)
	}
	return nil
}

// ordered reports whether the versions are in the order in which they must be.
func (s *KeyStatus) ordered() bool {
	return s.MinAvailable >= 1 && s.MinAvailable <= s.MinDecrypt && s.MinDecrypt <= s.Latest &&
		s.Latest <= maxVersions && (s.MinEncrypt == 0 || s.MinDecrypt <= s.MinEncrypt && s.MinEncrypt <= s.Latest)
}

// edit changes one key in the file.
func (k *KEK) edit(ctx context.Context, key string, f func(*entry) error) error {
	return k.change(ctx, func(ks keys) error {
		e, ok := ks[key]
		if !ok {
			return ErrNoKey
		}
		e = e.clone()
		if err := f(e); err != nil {
			return err
		}
		ks[key] = e
		return nil
	})
}

// change reads the file, lets f change a copy of its keys, and replaces it.
func (k *KEK) change(ctx context.Context, f func(keys) error) error {
	err := k.locked(ctx, func() error {
		s, err := k.load()
		if err != nil {
			return err
		}
		next := maps.Clone(s.keys)
		if err := f(next); err != nil {
			return err
		}
		return k.store(next)
	})
	if errors.Is(err, errUnchanged) {
		return nil
	}
	return err
}

func validName(s string) bool {
	if s == "" || len(s) > 63 {
		return false
	}
	for i, c := range []byte(s) {
		switch {
		case c >= 'a' && c <= 'z', c == '_':
		case i > 0 && (c >= '0' && c <= '9' || c == '-'):
		default:
			return false
		}
	}
	return true
}
