package keyring

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/fieldvault/fieldvault/crypto/field"
	"github.com/fieldvault/fieldvault/crypto/secret"
)

// Make makes a fresh data key for each id, with one Wrap a tenant. The results
// stand in the order of ids: what opens, and what is to be stored. Every error
// is [ErrUnavailable], and then nothing was made.
//
// The keys are not cached, since the caller may lose the race to store one: see
// [Ring.Keep].
func (r *Ring) Make(ctx context.Context, ids []ID) ([]*field.Key, []Wrapped, error) {
	keys, clears := make([]*field.Key, len(ids)), make([][]byte, len(ids))
	defer wipe(clears)
	tenants := map[string][]int{}
	for i := range ids {
		var err error
		if keys[i], clears[i], err = newKeyset(); err != nil {
			return nil, nil, err
		}
		tenants[ids[i].Tenant] = append(tenants[ids[i].Tenant], i)
	}
	wrapped := make([]Wrapped, len(ids))
	for tenant, list := range tenants {
		contexts, plain := make([][]byte, len(list)), make([][]byte, len(list))
		for n, i := range list {
			contexts[n], plain[n] = ids[i].context(), clears[i]
		}
		w, err := r.wrap(ctx, tenant, contexts, plain)
		if err != nil {
			return nil, nil, err
		}
		for n, i := range list {
			wrapped[i] = w[n]
		}
	}
	return keys, wrapped, nil
}

// wrap asks the KEK, in bounded time, and checks its answer. Every error is
// [ErrUnavailable].
func (r *Ring) wrap(ctx context.Context, tenant string, contexts, plain [][]byte) ([]Wrapped, error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	noted, err := r.take(ctx, tenant, len(plain))
	if err != nil {
		return nil, fmt.Errorf("wrapping: %w", err)
	}
	texts, err := r.kek.Wrap(ctx, tenant, contexts, plain)
	if err == nil && len(texts) != len(plain) {
		err = errors.New("an answer of another length")
	}
	if err != nil {
		return nil, fmt.Errorf("wrapping: %w: %w", ErrUnavailable, err)
	}
	out := make([]Wrapped, len(texts))
	for i, text := range texts {
		if out[i], err = ParseWrapped(text); err != nil {
			return nil, fmt.Errorf("wrapping: %w: %w", ErrUnavailable, err)
		}
	}
	if err := r.moved(ctx, tenant, noted, out); err != nil {
		return nil, fmt.Errorf("wrapping: %w", err)
	}
	return out, nil
}

// take counts uses of the KEK before they are made, and says under which version;
// 0: nobody counts. Every error is [ErrUnavailable].
func (r *Ring) take(ctx context.Context, tenant string, n int) (version int, err error) {
	r.wraps.Add(int64(n))
	if r.meter == nil {
		return 0, nil
	}
	if version, err = r.meter.Take(ctx, tenant, n); err != nil {
		return 0, fmt.Errorf("counting uses of the key-encryption key: %w: %w", ErrUnavailable, err)
	}
	return version, nil
}

// moved counts those of what was wrapped that were wrapped under another version
// than was noted. Every error is [ErrUnavailable].
func (r *Ring) moved(ctx context.Context, tenant string, noted int, wrapped []Wrapped) error {
	if r.meter == nil {
		return nil
	}
	other := map[int]int{}
	for _, w := range wrapped {
		if w.Version != noted && w.Version != 0 { // 0: an item that could not be rewrapped
			other[w.Version]++
		}
	}
	for version, n := range other {
		if err := r.meter.Moved(ctx, tenant, version, n); err != nil {
			return fmt.Errorf("counting uses of the key-encryption key: %w: %w", ErrUnavailable, err)
		}
	}
	return nil
}

// MakeSecrets makes a fresh 32-byte secret for each label and wraps it for the
// tenant (or [System]), bound to tenant and label, with one Wrap. Labels are
// such as "lookup" or "index/1/2/1"; they must be unique within a tenant for
// ever. Every error is [ErrUnavailable]. Secrets are not cached here.
func (r *Ring) MakeSecrets(ctx context.Context, tenant string, labels []string) ([]secret.Bytes, []Wrapped, error) {
	secrets, clears := make([]secret.Bytes, len(labels)), make([][]byte, len(labels))
	for i := range labels {
		clears[i] = make([]byte, field.KeySize)
		if _, err := rand.Read(clears[i]); err != nil {
			return nil, nil, fmt.Errorf("making a secret: %w", err)
		}
		secrets[i] = secret.New(clears[i])
	}
	wrapped, err := r.wrap(ctx, tenant, secretContexts(tenant, labels), clears)
	if err != nil {
		wipe(clears)
		return nil, nil, err
	}
	return secrets, wrapped, nil
}

// OpenSecrets opens what [Ring.MakeSecrets] wrapped for the same tenant and
// labels, with one Unwrap. It opens all or none: [ErrUnwrap] if one does not
// open (also [ErrWrapped] if its text is malformed; the KEK is then not asked),
// [ErrUnavailable] if the KEK does not answer.
func (r *Ring) OpenSecrets(ctx context.Context, tenant string, labels []string, w []Wrapped) ([]secret.Bytes, error) {
	if len(labels) != len(w) {
		return nil, fmt.Errorf("opening %d secrets with %d labels: %w", len(w), len(labels), ErrUnwrap)
	}
	texts := make([]string, len(w))
	for i := range w {
		text, err := w[i].Text()
		if err != nil {
			return nil, fmt.Errorf("opening secret %s: %w: %w", labels[i], ErrUnwrap, err)
		}
		texts[i] = text
	}
	clears, errs, err := r.unwrap(ctx, tenant, secretContexts(tenant, labels), texts)
	if err != nil {
		return nil, err
	}
	for i := range clears {
		if errs != nil && errs[i] != nil {
			wipe(clears)
			return nil, fmt.Errorf("opening secret %s: %w: %w", labels[i], ErrUnwrap, errs[i])
		}
		if len(clears[i]) != field.KeySize {
			wipe(clears)
			return nil, fmt.Errorf("opening secret %s: %w", labels[i], ErrUnwrap)
		}
	}
	secrets := make([]secret.Bytes, len(clears))
	for i := range clears {
		secrets[i] = secret.New(clears[i])
	}
	return secrets, nil
}

func secretContexts(tenant string, labels []string) [][]byte {
	contexts := make([][]byte, len(labels))
	for i, label := range labels {
		contexts[i] = field.SecretContext(tenant, label)
	}
	return contexts
}

func wipe(clears [][]byte) {
	for _, b := range clears {
		clear(b)
	}
}
