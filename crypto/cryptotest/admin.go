package cryptotest

import (
	"context"
	"crypto/rand"
)

// CreateKey makes a key, unless there is one.
func (k *KEK) CreateKey(ctx context.Context, name string) error {
	if err := k.Ping(ctx); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, ok := k.keys[name]; !ok {
		k.create(name)
	}
	return nil
}

// Status returns the versions of a key, or [ErrNoKey].
func (k *KEK) Status(ctx context.Context, name string) (KeyStatus, error) {
	var s KeyStatus
	err := k.admin(ctx, name, func(e *key) error {
		s = e.KeyStatus
		return nil
	})
	return s, err
}

// Rotate adds a version to a key and returns it.
func (k *KEK) Rotate(ctx context.Context, name string) (int, error) {
	latest := 0
	err := k.admin(ctx, name, func(e *key) error {
		e.Latest++
		e.versions[e.Latest] = newAEAD()
		latest = e.Latest
		return nil
	})
	return latest, err
}

// SetMinimum sets the lowest versions that open and that may wrap.
func (k *KEK) SetMinimum(ctx context.Context, name string, minDecrypt, minEncrypt int) error {
	return k.admin(ctx, name, func(e *key) error {
		if minDecrypt < e.MinAvailable || minDecrypt > e.Latest || minEncrypt != 0 && (minEncrypt < minDecrypt || minEncrypt > e.Latest) {
			return ErrMinimum
		}
		e.MinDecrypt, e.MinEncrypt = minDecrypt, minEncrypt
		return nil
	})
}

// Trim destroys the versions below minAvailable.
func (k *KEK) Trim(ctx context.Context, name string, minAvailable int) error {
	return k.admin(ctx, name, func(e *key) error {
		if e.MinEncrypt == 0 || minAvailable > min(e.MinDecrypt, e.MinEncrypt) || minAvailable < e.MinAvailable {
			return ErrMinimum
		}
		for ; e.MinAvailable < minAvailable; e.MinAvailable++ {
			delete(e.versions, e.MinAvailable)
		}
		return nil
	})
}

// Ping waits, hangs and fails as calls do now.
func (k *KEK) Ping(ctx context.Context) error {
	k.mu.Lock()
	fail, delay, stopped := k.fail, k.delay, k.stopped
	k.mu.Unlock()
	if err := wait(ctx, delay, stopped); err != nil {
		return err
	}
	return fail
}

// admin runs f on a key that exists.
func (k *KEK) admin(ctx context.Context, name string, f func(*key) error) error {
	if err := k.Ping(ctx); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	e, ok := k.keys[name]
	if !ok {
		return ErrNoKey
	}
	return f(e)
}

func randomKey() []byte {
	b := make([]byte, 32)
	if _, err := rand.Read(b); err != nil {
		panic(err)
	}
	return b
}
