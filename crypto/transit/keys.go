package transit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"
)

// KeyStatus says which versions of a key there are and what they are good for.
// Versions count from 1.
type KeyStatus struct {
	// Latest is the version that Wrap and Rewrap use.
	Latest int
	// MinDecrypt is the lowest version that Unwrap and Rewrap open. Vault keeps
	// those below: lowering it brings them back.
	MinDecrypt int
	// MinEncrypt is the lowest version that may wrap; 0: the latest alone.
	MinEncrypt int
	// MinAvailable is the lowest version that Vault still has; 0: all. Those
	// below are destroyed.
	MinAvailable int
}

// CreateKey makes key unless it exists. It fails with ErrKeyUnsafe if one exists
// that is not of the kind that this makes, and with ErrUnavailable. Like all that
// changes keys, it needs the keeper's policy.
func (k *KEK) CreateKey(ctx context.Context, key string) error {
	err := k.checkSound(ctx, key)
	if errors.Is(err, ErrNoKey) {
		err = k.change(ctx, key, request{body: []byte(
			`{"type":"aes256-gcm96","derived":true,"exportable":false,"allow_plaintext_backup":false}`)})
		if err == nil {
			err = k.checkSound(ctx, key)
		}
	}
	if err != nil {
		return fmt.Errorf("creating a key: %w", err)
	}
	return nil
}

// Status reads key's versions. It fails with ErrNoKey if key does not exist, and
// with ErrUnavailable.
func (k *KEK) Status(ctx context.Context, key string) (KeyStatus, error) {
	info, err := k.look(ctx, key)
	if err != nil {
		return KeyStatus{}, fmt.Errorf("reading a key: %w", err)
	}
	return KeyStatus{
		Latest: info.Latest, MinDecrypt: info.MinDecrypt,
		MinEncrypt: info.MinEncrypt, MinAvailable: info.MinAvailable,
	}, nil
}

// Created says when versions of key were created, by Vault's clock and to the second:
// of those that Vault tells, which are the ones from MinDecrypt on. It fails with
// ErrNoKey if key does not exist, and with ErrUnavailable.
func (k *KEK) Created(ctx context.Context, key string) (map[int]time.Time, error) {
	info, err := k.look(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("reading a key: %w", err)
	}
	created := make(map[int]time.Time, len(info.Versions))
	for name, at := range info.Versions {
		version, err := strconv.Atoi(name)
		seconds, atErr := strconv.ParseInt(string(at), 10, 64) // keys of other kinds have more than a time here
		if err == nil && atErr == nil && version >= 1 && version <= math.MaxInt32 && seconds > 0 {
			created[version] = time.Unix(seconds, 0).UTC()
		}
	}
	return created, nil
}

// Rotate adds a version to key and returns it. It is sent once: after
// ErrUnavailable, Status says whether it was done. It fails with ErrNoKey if key
// does not exist.
func (k *KEK) Rotate(ctx context.Context, key string) (version int, err error) {
	if _, err := k.look(ctx, key); err != nil {
		return 0, fmt.Errorf("rotating a key: %w", err)
	}
	if err := k.change(ctx, key, request{path: "/rotate", body: []byte(`{}`), once: true}); err != nil {
		return 0, fmt.Errorf("rotating a key: %w", err)
	}
	info, err := k.look(ctx, key)
	if err != nil {
		return 0, fmt.Errorf("rotating a key: reading it afterwards: %w", err)
	}
	return info.Latest, nil
}

// SetMinimum sets the lowest version that opens and the lowest that may wrap (0:
// only the latest). Both can be lowered again, as far as versions were not
// trimmed. It fails with ErrNoKey, ErrUnavailable, or ErrMinimum unless
//
//	MinAvailable <= minDecrypt <= Latest, and
//	minEncrypt = 0 or minDecrypt <= minEncrypt <= Latest.
func (k *KEK) SetMinimum(ctx context.Context, key string, minDecrypt, minEncrypt int) error {
	if minDecrypt < 1 || minEncrypt < 0 {
		return fmt.Errorf("setting a key's minimum: %w: versions count from 1", ErrMinimum)
	}
	body, err := json.Marshal(struct {
		Decrypt int `json:"min_decryption_version"`
		Encrypt int `json:"min_encryption_version"`
	}{minDecrypt, minEncrypt})
	if err == nil {
		err = k.change(ctx, key, request{path: "/config", body: body})
	}
	if err != nil {
		return fmt.Errorf("setting a key's minimum: %w", err)
	}
	return nil
}

// Trim destroys every version of key below minAvailable for ever. It fails with
// ErrMinimum unless both minima are set and not below minAvailable; with ErrNoKey
// and ErrUnavailable.
func (k *KEK) Trim(ctx context.Context, key string, minAvailable int) error {
	if minAvailable < 1 {
		return fmt.Errorf("trimming a key: %w: versions count from 1", ErrMinimum)
	}
	body, err := json.Marshal(struct {
		Available int `json:"min_available_version"`
	}{minAvailable})
	if err == nil {
		err = k.change(ctx, key, request{path: "/trim", body: body})
	}
	if err != nil {
		return fmt.Errorf("trimming a key: %w", err)
	}
	return nil
}

// change sends r, whose path is below key's.
func (k *KEK) change(ctx context.Context, key string, r request) error {
	if err := k.checkKey(key); err != nil {
		return err
	}
	r.method, r.path = http.MethodPut, k.path("keys", key)+r.path
	a, err := k.ask(ctx, r)
	if err != nil {
		return err
	}
	if a.status != http.StatusBadRequest {
		return a.fault()
	}
	k.cfg.Logger.DebugContext(ctx, "vault refused a change of a key", "path", r.path, "answer", string(a.body))
	if _, err := k.look(ctx, key); err != nil {
		return err
	}
	return ErrMinimum
}

// keyInfo is what Transit says of a key, as far as it matters here.
type keyInfo struct {
	Type            string `json:"type"`
	Derived         bool   `json:"derived"`
	Convergent      bool   `json:"convergent_encryption"`
	Exportable      bool   `json:"exportable"`
	PlaintextBackup bool   `json:"allow_plaintext_backup"`
	DeletionAllowed bool   `json:"deletion_allowed"`
	Imported        bool   `json:"imported_key"`
	Latest          int    `json:"latest_version"`
	MinDecrypt      int    `json:"min_decryption_version"`
	MinEncrypt      int    `json:"min_encryption_version"`
	MinAvailable    int    `json:"min_available_version"`
	// Versions has the time of creation of each, in seconds.
	Versions map[string]json.RawMessage `json:"keys"`
}

func (i keyInfo) sound() bool {
	return i.Type == "aes256-gcm96" && i.Derived &&
		!i.Convergent && !i.Exportable && !i.PlaintextBackup && !i.DeletionAllowed && !i.Imported
}

// checkSound looks at key before its first use: whether it exists and is of the
// right kind, neither of which can change afterwards without Vault's keeper.
func (k *KEK) checkSound(ctx context.Context, key string) error {
	k.mu.Lock()
	known := k.sound[key]
	k.mu.Unlock()
	if known {
		return nil
	}
	info, err := k.look(ctx, key)
	if err != nil {
		return err
	}
	if !info.sound() {
		return ErrKeyUnsafe
	}
	k.mu.Lock()
	k.sound[key] = true
	k.mu.Unlock()
	return nil
}

func (k *KEK) look(ctx context.Context, key string) (keyInfo, error) {
	if err := k.checkKey(key); err != nil {
		return keyInfo{}, err
	}
	return k.read(func(r request) (*answer, error) { return k.ask(ctx, r) }, key)
}

// read asks for key by do or ask.
func (k *KEK) read(ask func(request) (*answer, error), key string) (keyInfo, error) {
	a, err := ask(request{method: http.MethodGet, path: k.path("keys", key)})
	if err != nil {
		return keyInfo{}, err
	}
	var b struct {
		Data   keyInfo  `json:"data"`
		Errors []string `json:"errors"`
	}
	err = json.Unmarshal(a.body, &b)
	switch {
	case a.status == http.StatusNotFound && err == nil && len(b.Errors) == 0:
		return keyInfo{}, ErrNoKey
	case a.status == http.StatusNotFound:
		return keyInfo{}, fmt.Errorf("%w: there is no Transit engine at Mount", ErrUnavailable)
	case a.status != http.StatusOK:
		return keyInfo{}, a.fault()
	case err != nil || b.Data.Latest < 1:
		return keyInfo{}, errAnswer
	}
	return b.Data, nil
}
