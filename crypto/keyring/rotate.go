package keyring

import (
	"context"
	"fmt"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"

	"github.com/fieldvault/fieldvault/crypto/field"
)

// Rewrap wraps data keys anew under the latest version of the KEK, with one
// Rewrap a tenant; with Vault no data key enters this process. The results
// stand in the order of keys, the errors are as in [Ring.Open]. An opened key
// stays open, and for no longer than it would have: it is found by its old wrapped bytes
// and by the new.
func (r *Ring) Rewrap(ctx context.Context, keys []Sealed) ([]Wrapped, []error, error) {
	tenants := map[string]*rewrapping{}
	out := make([]Wrapped, len(keys))
	var errs []error
	for i := range keys {
		text, err := keys[i].Wrapped.Text()
		if err != nil {
			errs = setError(errs, len(keys), i, fmt.Errorf("rewrapping a data key: %w: %w", ErrUnwrap, err))
			continue
		}
		b := tenants[keys[i].ID.Tenant]
		if b == nil {
			b = &rewrapping{}
			tenants[keys[i].ID.Tenant] = b
		}
		b.add(i, keys[i].ID.context(), text)
	}
	for tenant, b := range tenants {
		w, itemErrs, err := r.rewrap(ctx, tenant, b)
		if err != nil {
			return nil, nil, err
		}
		for n, i := range b.index {
			out[i] = w[n]
			if itemErrs[n] != nil {
				errs = setError(errs, len(keys), i, itemErrs[n])
				continue
			}
			if r.cache != nil {
				r.cache.rewrapped(&keys[i], w[n])
			}
		}
	}
	return out, errs, nil
}

// RewrapSecrets is [Ring.Rewrap] for what [Ring.MakeSecrets] wrapped.
func (r *Ring) RewrapSecrets(ctx context.Context, tenant string, labels []string, w []Wrapped) ([]Wrapped, []error, error) {
	if len(labels) != len(w) {
		return nil, nil, fmt.Errorf("rewrapping %d secrets with %d labels: %w", len(w), len(labels), ErrUnwrap)
	}
	b, out := rewrapping{}, make([]Wrapped, len(w))
	var errs []error
	for i := range w {
		text, err := w[i].Text()
		if err != nil {
			errs = setError(errs, len(w), i, fmt.Errorf("rewrapping secret %s: %w: %w", labels[i], ErrUnwrap, err))
			continue
		}
		b.add(i, field.SecretContext(tenant, labels[i]), text)
	}
	if len(b.index) == 0 {
		return out, errs, nil
	}
	rewrapped, itemErrs, err := r.rewrap(ctx, tenant, &b)
	if err != nil {
		return nil, nil, err
	}
	for n, i := range b.index {
		out[i] = rewrapped[n]
		if itemErrs[n] != nil {
			errs = setError(errs, len(w), i, itemErrs[n])
		}
	}
	return out, errs, nil
}

// rewrapping is what one call of the KEK's Rewrap takes.
type rewrapping struct {
	index    []int
	contexts [][]byte
	texts    []string
}

func (b *rewrapping) add(i int, context []byte, text string) {
	b.index, b.contexts, b.texts = append(b.index, i), append(b.contexts, context), append(b.texts, text)
}

// rewrap asks the KEK, in bounded time. Its errors are one an item, never nil.
func (r *Ring) rewrap(ctx context.Context, tenant string, b *rewrapping) ([]Wrapped, []error, error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	noted, err := r.take(ctx, tenant, len(b.texts))
	if err != nil {
		return nil, nil, fmt.Errorf("rewrapping: %w", err)
	}
	texts, kekErrs, err := r.kek.Rewrap(ctx, tenant, b.contexts, b.texts)
	if err != nil {
		return nil, nil, fmt.Errorf("rewrapping: %w: %w", ErrUnavailable, err)
	}
	if len(texts) != len(b.texts) || kekErrs != nil && len(kekErrs) != len(b.texts) {
		return nil, nil, fmt.Errorf("rewrapping: an answer of another length: %w", ErrUnavailable)
	}
	out, errs := make([]Wrapped, len(texts)), make([]error, len(texts))
	for i := range texts {
		if kekErrs != nil && kekErrs[i] != nil {
			errs[i] = fmt.Errorf("rewrapping: %w: %w", ErrUnwrap, kekErrs[i])
			continue
		}
		if out[i], err = ParseWrapped(texts[i]); err != nil {
			return nil, nil, fmt.Errorf("rewrapping: %w: %w", ErrUnavailable, err)
		}
	}
	if err := r.moved(ctx, tenant, noted, out); err != nil {
		return nil, nil, fmt.Errorf("rewrapping: %w", err)
	}
	return out, errs, nil
}

// Rotate gives a person's data key a new primary, with which values are sealed
// from now on; the keys it had still open what they sealed. The result, of the
// next version, is to be stored in place of old; as with [Ring.Make] it is not
// cached. Errors are [ErrUnwrap] and [ErrUnavailable].
func (r *Ring) Rotate(ctx context.Context, old Sealed) (*field.Key, Sealed, error) {
	return r.edit(ctx, old, func(m *keyset.Manager, _ *keyset.Handle) error {
		id, err := m.Add(aead.AES256GCMKeyTemplate())
		if err != nil {
			return err
		}
		return m.SetPrimary(id)
	})
}

// Retire removes all keys but the primary from a person's data key: what they
// sealed does not open any more. The result, of the next version, is to be
// stored in place of old; old itself if there is only a primary. Errors are
// [ErrUnwrap] and [ErrUnavailable].
func (r *Ring) Retire(ctx context.Context, old Sealed) (*field.Key, Sealed, error) {
	return r.edit(ctx, old, func(m *keyset.Manager, h *keyset.Handle) error {
		for i := range h.Len() {
			e, err := h.Entry(i)
			if err != nil {
				return err
			}
			if e.IsPrimary() {
				continue
			}
			if err := m.Delete(e.KeyID()); err != nil {
				return err
			}
		}
		return nil
	})
}

// edit opens a data key, changes its keyset and wraps the result as the next
// version.
func (r *Ring) edit(ctx context.Context, old Sealed, change func(*keyset.Manager, *keyset.Handle) error) (*field.Key, Sealed, error) {
	h, err := r.handle(ctx, old)
	if err != nil {
		return nil, Sealed{}, err
	}
	had := h.Len()
	m := keyset.NewManagerFromHandle(h)
	if err := change(m, h); err != nil {
		return nil, Sealed{}, fmt.Errorf("changing a keyset: %w", err)
	}
	if h, err = m.Handle(); err != nil {
		return nil, Sealed{}, fmt.Errorf("changing a keyset: %w", err)
	}
	if h.Len() == had { // nothing to retire
		key, err := primitive(h)
		return key, old, err
	}
	key, plain, err := openHandle(h)
	if err != nil {
		return nil, Sealed{}, err
	}
	defer clear(plain)
	next := old.ID
	next.Version++
	w, err := r.wrap(ctx, next.Tenant, [][]byte{next.context()}, [][]byte{plain})
	if err != nil {
		return nil, Sealed{}, err
	}
	return key, Sealed{ID: next, Wrapped: w[0]}, nil
}

// handle unwraps one data key into a keyset that has passed all checks.
func (r *Ring) handle(ctx context.Context, s Sealed) (*keyset.Handle, error) {
	text, err := s.Wrapped.Text()
	if err != nil {
		return nil, fmt.Errorf("opening a data key: %w: %w", ErrUnwrap, err)
	}
	clears, errs, err := r.unwrap(ctx, s.ID.Tenant, [][]byte{s.ID.context()}, []string{text})
	if err != nil {
		return nil, err
	}
	defer wipe(clears)
	if errs != nil && errs[0] != nil {
		return nil, fmt.Errorf("opening a data key: %w: %w", ErrUnwrap, errs[0])
	}
	h, err := readKeyset(clears[0])
	if err != nil {
		return nil, err
	}
	if _, err := primitive(h); err != nil {
		return nil, err
	}
	return h, nil
}
