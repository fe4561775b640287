package vault

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/fieldvault/fieldvault/crypto/keyring"
)

// usesBlock is how many uses of a key-encryption key a process takes from the store
// at once.
const usesBlock = 1024

// A Meter counts the uses of key-encryption keys in a store: it is the keyring.Meter
// of every process that wraps. Uses are taken in blocks, and a block stands in the
// store before the first of its uses is made. So the count is never too low by what
// a process did that was killed, and too high by at most a block for each key and
// process, which [Meter.Close] gives back; and by another for each rotation.
//
// After a rotation the first call, at most a batch, is made under a version that was
// not expected. It is counted under both: the new one before what was wrapped is
// used, so that only a process killed in that instant leaves it out.
//
// A request to the key store that was repeated because no answer came counts once;
// package transit repeats at most twice. A restore of the database takes the counts
// back: rotate after one.
//
// It is safe for concurrent use.
type Meter struct {
	store Store

	mu   sync.Mutex
	keys map[string]*metered
}

// metered is what this process has taken of one key and not used yet.
type metered struct {
	busy    chan struct{} // holds one token: who has it may look at the rest
	known   bool
	row     int32
	version int
	left    int64
}

var _ keyring.Meter = (*Meter)(nil)

// NewMeter counts in the store, which must be migrated before the first use.
func NewMeter(store Store) *Meter { return &Meter{store: store, keys: map[string]*metered{}} }

// Take counts n uses of a key that are about to be made, under the latest version
// that is known. The store is asked once in a block.
func (m *Meter) Take(ctx context.Context, key string, n int) (version int, err error) {
	k, err := m.hold(ctx, key)
	if err != nil {
		return 0, err
	}
	defer k.release()
	if !k.known {
		if err := m.find(ctx, key, k); err != nil {
			return 0, err
		}
	}
	return k.version, m.use(ctx, k, n)
}

// Moved counts n uses that were made under another version than Take said.
func (m *Meter) Moved(ctx context.Context, key string, version, n int) error {
	k, err := m.hold(ctx, key)
	if err != nil {
		return err
	}
	defer k.release()
	if version < k.version { // a key store that answers late
		return m.add(ctx, k.row, version, int64(n))
	}
	if version > k.version {
		k.version, k.left = version, 0
	}
	return m.use(ctx, k, n)
}

// Close gives back what was taken and not used. The meter can still be used.
func (m *Meter) Close(ctx context.Context) error {
	m.mu.Lock()
	names := make([]string, 0, len(m.keys))
	for name := range m.keys {
		names = append(names, name)
	}
	m.mu.Unlock()
	var errs []error
	for _, name := range names {
		k, err := m.hold(ctx, name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if k.left > 0 {
			left := k.left
			k.left = 0 // first: after an error they may have been given back
			errs = append(errs, m.add(ctx, k.row, k.version, -left))
		}
		k.release()
	}
	return errors.Join(errs...)
}

// hold returns what is known of a key, for the caller alone until it is released.
func (m *Meter) hold(ctx context.Context, key string) (*metered, error) {
	m.mu.Lock()
	k := m.keys[key]
	if k == nil {
		k = &metered{busy: make(chan struct{}, 1)}
		m.keys[key] = k
	}
	m.mu.Unlock()
	select {
	case k.busy <- struct{}{}:
		return k, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for a count: %w", ctx.Err())
	}
}

func (k *metered) release() { <-k.busy }

// find reads under which version a key was used last.
func (m *Meter) find(ctx context.Context, key string, k *metered) error {
	err := m.store.View(ctx, func(tx Tx) error {
		row, err := kekRow(ctx, tx, key)
		if err != nil {
			return err
		}
		lives, err := tx.KeyLives(ctx, row)
		if err != nil {
			return err
		}
		k.row, k.version = row, 1
		for i := range lives {
			if l := &lives[i]; l.Key == LifeKEK && l.Uses > 0 {
				k.version = max(k.version, int(l.Version))
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading a count: %w", err)
	}
	k.known = true
	return nil
}

func kekRow(ctx context.Context, tx Tx, key string) (int32, error) {
	if key == keyring.System {
		return SystemTenant, nil
	}
	rows, err := tx.Tenants(ctx)
	if err != nil {
		return 0, err
	}
	for _, r := range rows {
		if r.Name == key {
			return r.ID, nil
		}
	}
	return 0, ErrNoRow
}

// use takes n uses from the block, or from a new one.
func (m *Meter) use(ctx context.Context, k *metered, n int) error {
	need := int64(n)
	if k.left < need {
		take := max(usesBlock, need-k.left)
		if err := m.add(ctx, k.row, k.version, take); err != nil {
			return err // the store may have counted all the same: too many, never too few
		}
		k.left += take
	}
	k.left -= need
	return nil
}

func (m *Meter) add(ctx context.Context, row int32, version int, n int64) error {
	err := m.store.Update(ctx, func(tx Tx) error {
		return tx.NoteKey(ctx, row, KeyLife{Key: LifeKEK, Version: int32(version), Uses: n}) //nolint:gosec // ParseWrapped has bounded it
	})
	if err != nil {
		return fmt.Errorf("counting uses: %w", err)
	}
	return nil
}
