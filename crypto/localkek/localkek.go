// Package localkek is a key-encryption key in a file.
//
// It does for an embedded service what Vault Transit does for a large one: a
// [KEK] holds one named key for each tenant, in versions, and wraps data keys
// under the latest. Contexts bind: what was wrapped under one key and context
// opens under no other. The minimum versions have the meanings, and the limits,
// that they have in Vault:
//
//   - versions below MinDecrypt do not open; that can be taken back;
//   - versions below MinEncrypt wrap nothing; 0 means the latest alone;
//   - versions below MinAvailable were trimmed: they are no longer in the file.
//
// Wrapping is XAES-256-GCM (https://c2sp.org/XAES-256-GCM): 256-bit keys and
// 192 random bits for each wrap, so that the number of wraps under one version
// needs no limit. The context is the associated data. The wrapped form is
//
//	local:v<version>:<base64 of salt, nonce, ciphertext and tag>
//
// # The file
//
// The file is text, of mode 0600, replaced as a whole with each change (written
// beside it with ".new", synced, renamed). Several processes may use it: changes
// are made under a lock (the file's name with ".lock"), and a file that another
// process replaced is read again before its keys are used.
//
//	fieldvault-localkek/1
//	kdf none
//	key default 2 1 0 1
//	version 1 q2Zr...=
//	version 2 6cEb...=
//	end
//
// After "key" stand its name, latest version, MinDecrypt, MinEncrypt and
// MinAvailable; after "version" its number and its 32 bytes in base64. Keys are
// in order of their names, versions in order and without a gap. With a
// passphrase, the lines from the first "key" on are sealed:
//
//	fieldvault-localkek/1
//	kdf argon2id 3 65536 4 c2FsdC4uLg...==
//	sealed kJ9d...=
//
// The numbers are Argon2id's passes, KiB of memory and lanes (RFC 9106, section
// 4, second recommendation), then 16 bytes of salt. The derived key seals the
// body with XAES-256-GCM; the lines above "sealed" are its associated data. A
// sealed file that was changed does not open; nor does a file in clear where a
// passphrase is given, for otherwise one could be put in the place of a sealed
// one.
//
// Without a passphrase the keys stand in the file in clear: whoever reads the
// file reads everything that it protects. That is for development.
//
// Trimming rewrites the file. Whether the old contents can still be found on
// the disk or in a backup is beyond this package.
package localkek

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
)

// MaxPlaintext is how long what is wrapped may be, in bytes.
const MaxPlaintext = 4000

// KEK is an open key file. It is safe for concurrent use, and needs no closing.
type KEK struct {
	path    string
	sealer  sealer
	loading sync.Mutex // the file is read once, not by everybody who sees that it changed
	state   atomic.Pointer[state]

	calls, items atomic.Int64
}

// state is what the file held when it was read. It is never changed.
type state struct {
	info fs.FileInfo
	keys keys
}

// KeyStatus says which versions a key has and what they may be used for.
type KeyStatus struct {
	Latest       int // the version that wraps
	MinDecrypt   int // the lowest version that opens
	MinEncrypt   int // the lowest version that may wrap; 0: only the latest
	MinAvailable int // the lowest version that was not trimmed
}

// Create makes a key file without keys. It fails with fs.ErrExist if there is a
// file at path already. A nil passphrase leaves the file in clear; an empty one
// is refused with [ErrPassphrase]. The passphrase remains the caller's.
func Create(path string, passphrase []byte) (*KEK, error) {
	s, err := newSealer(passphrase)
	if err != nil {
		return nil, fmt.Errorf("creating a key file: %w", err)
	}
	k := &KEK{path: path, sealer: s}
	err = k.locked(context.Background(), func() error {
		if _, err := os.Lstat(path); err == nil {
			return fs.ErrExist
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return k.store(keys{})
	})
	if err != nil {
		return nil, fmt.Errorf("creating a key file: %w", err)
	}
	return k, nil
}

// Open reads a key file. It returns an error that is fs.ErrNotExist if there is
// none, [ErrFile] if it is malformed or open to others than its owner, and
// [ErrPassphrase] if the passphrase is not its.
func Open(path string, passphrase []byte) (*KEK, error) {
	b, info, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("opening a key file: %w", err)
	}
	k := &KEK{path: path}
	if k.sealer, err = sealerOf(b, passphrase); err != nil {
		return nil, fmt.Errorf("opening a key file: %w", err)
	}
	keys, err := k.sealer.open(b)
	if err != nil {
		return nil, fmt.Errorf("opening a key file: %w", err)
	}
	k.state.Store(&state{info: info, keys: keys})
	return k, nil
}

// OpenOrCreate opens the key file at path, or creates it if there is none.
func OpenOrCreate(path string, passphrase []byte) (*KEK, error) {
	k, err := Open(path, passphrase)
	if !errors.Is(err, fs.ErrNotExist) {
		return k, err
	}
	k, err = Create(path, passphrase)
	if errors.Is(err, fs.ErrExist) { // another process was faster
		return Open(path, passphrase)
	}
	return k, err
}

// Ping reports whether the key file can be read.
func (k *KEK) Ping(ctx context.Context) error {
	_, err := k.current(ctx)
	return err
}

// Requests returns how many calls of Wrap, Unwrap and Rewrap there were since the
// file was opened, those for unknown keys included.
func (k *KEK) Requests() int64 { return k.calls.Load() }

// Items returns how many keys the calls that [KEK.Requests] counts were to wrap,
// unwrap or rewrap.
func (k *KEK) Items() int64 { return k.items.Load() }

// Wrap wraps each plaintext under the latest version of a key, bound to the
// context in the same place. It wraps all or, with an error, none: [ErrNoKey]
// if there is no such key, [ErrTooLarge] if a plaintext is longer than
// [MaxPlaintext]. The arguments are only read; the result is the caller's.
func (k *KEK) Wrap(ctx context.Context, key string, contexts, plaintexts [][]byte) ([]string, error) {
	entry, err := k.use(ctx, key, len(contexts), len(plaintexts))
	if err != nil {
		return nil, fmt.Errorf("wrapping: %w", err)
	}
	wrapped := make([]string, len(plaintexts))
	for i := range plaintexts {
		if wrapped[i], err = entry.wrap(contexts[i], plaintexts[i]); err != nil {
			return nil, fmt.Errorf("wrapping: %w", err)
		}
	}
	return wrapped, nil
}

// Unwrap opens each wrapped key under the context in the same place. errs is
// nil if all opened, else it has [ErrUnwrap], [ErrVersion] or nil for each. err
// is [ErrNoKey] if there is no such key. The plaintexts are the caller's to wipe.
func (k *KEK) Unwrap(ctx context.Context, key string, contexts [][]byte, wrapped []string) (plaintexts [][]byte, errs []error, err error) {
	entry, err := k.use(ctx, key, len(contexts), len(wrapped))
	if err != nil {
		return nil, nil, fmt.Errorf("unwrapping: %w", err)
	}
	plaintexts = make([][]byte, len(wrapped))
	for i := range wrapped {
		plaintexts[i], err = entry.unwrap(contexts[i], wrapped[i])
		errs = setError(errs, len(wrapped), i, err)
	}
	return plaintexts, errs, nil
}

// Rewrap wraps anew, under the latest version, what opens under the context in
// the same place. Errors are as for [KEK.Unwrap].
func (k *KEK) Rewrap(ctx context.Context, key string, contexts [][]byte, wrapped []string) (rewrapped []string, errs []error, err error) {
	entry, err := k.use(ctx, key, len(contexts), len(wrapped))
	if err != nil {
		return nil, nil, fmt.Errorf("rewrapping: %w", err)
	}
	rewrapped = make([]string, len(wrapped))
	for i := range wrapped {
		plain, err := entry.unwrap(contexts[i], wrapped[i])
		if err == nil {
			rewrapped[i], err = entry.wrap(contexts[i], plain)
			clear(plain)
		}
		errs = setError(errs, len(wrapped), i, err)
	}
	return rewrapped, errs, nil
}

// use returns a key for one call, which it counts.
func (k *KEK) use(ctx context.Context, key string, contexts, items int) (*entry, error) {
	if contexts != items {
		return nil, fmt.Errorf("%d contexts for %d items", contexts, items)
	}
	s, err := k.current(ctx)
	if err != nil {
		return nil, err
	}
	k.calls.Add(1)
	k.items.Add(int64(items))
	entry, ok := s.keys[key]
	if !ok {
		return nil, ErrNoKey
	}
	return entry, nil
}

func setError(errs []error, n, i int, err error) []error {
	if err == nil {
		return errs
	}
	if errs == nil {
		errs = make([]error, n)
	}
	errs[i] = err
	return errs
}
