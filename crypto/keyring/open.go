package keyring

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/fieldvault/fieldvault/crypto/field"
)

// flight is one unwrap that is under way, for all who wait for it.
type flight struct {
	sealed Sealed
	text   string
	forget bool // the person was forgotten meanwhile; guarded by Ring.mu

	done chan struct{} // closed when the next two are set
	key  *field.Key
	err  error
}

type flightKey struct {
	id   ID
	text string
}

// Open opens data keys: from the cache, else with one Unwrap a tenant for all
// that are missing. The results stand in the order of keys. errs is nil if all
// opened; otherwise it has one error or nil for each key: [ErrUnwrap], which
// for malformed wrapped text is [ErrWrapped] as well.
//
// The last error, [ErrUnavailable], means that the KEK did not answer or that
// ctx ended, and that nothing is returned. An unwrap that was begun goes on,
// and serves whoever asks for the key meanwhile or next.
func (r *Ring) Open(ctx context.Context, keys []Sealed) (opened []*field.Key, errs []error, err error) {
	opened = make([]*field.Key, len(keys))
	misses := r.lookUp(keys, opened)
	if len(misses) == 0 {
		return opened, nil, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, fmt.Errorf("opening data keys: %w: %w", ErrUnavailable, err)
	}
	flights := r.board(ctx, keys, misses)
	for n, f := range flights {
		select {
		case <-f.done:
		case <-ctx.Done():
			return nil, nil, fmt.Errorf("opening data keys: %w: %w", ErrUnavailable, ctx.Err())
		}
		switch {
		case errors.Is(f.err, ErrUnavailable):
			return nil, nil, f.err
		case f.err != nil:
			errs = setError(errs, len(keys), misses[n], f.err)
		default:
			opened[misses[n]] = f.key
		}
	}
	return opened, errs, nil
}

// lookUp sets those keys that are in the cache, and returns the places of the
// others.
func (r *Ring) lookUp(keys []Sealed, found []*field.Key) (misses []int) {
	if r.cache != nil {
		now := r.cache.now().UnixNano()
		var list []opened // of the person, whose keys stand together
		for i := range keys {
			if k := &keys[i]; i == 0 || k.ID.UID != keys[i-1].ID.UID || k.ID.Tenant != keys[i-1].ID.Tenant {
				list = r.cache.of(k)
			}
			found[i] = pick(list, &keys[i], now)
		}
	}
	for i, k := range found {
		if k == nil {
			misses = append(misses, i)
		}
	}
	r.hits.Add(int64(len(keys) - len(misses)))
	r.misses.Add(int64(len(misses)))
	return misses
}

// board finds or begins a flight for each miss. Those that it begins leave
// together, one Unwrap a tenant.
func (r *Ring) board(ctx context.Context, keys []Sealed, misses []int) []*flight {
	flights := make([]*flight, len(misses))
	for n, i := range misses {
		flights[n] = newFlight(keys[i])
	}
	leaving := map[string][]*flight{}
	r.mu.Lock()
	for n, f := range flights {
		if f.err != nil {
			continue
		}
		flights[n] = r.join(f)
		if flights[n] == f && f.key == nil {
			leaving[f.sealed.ID.Tenant] = append(leaving[f.sealed.ID.Tenant], f)
		}
	}
	r.mu.Unlock()
	for tenant, batch := range leaving {
		go r.fly(context.WithoutCancel(ctx), tenant, batch)
	}
	return flights
}

// join returns the flight under way for the same key as f, else f itself. The
// flight may have landed between the look into the cache and here, so join
// looks there once more. The caller holds r.mu.
func (r *Ring) join(f *flight) *flight {
	k := flightKey{f.sealed.ID, f.text}
	if under, ok := r.flights[k]; ok {
		return under
	}
	if r.cache != nil {
		f.key = r.cache.get(&f.sealed, r.cache.now().UnixNano())
	}
	if f.key != nil {
		close(f.done)
		return f
	}
	r.flights[k] = f
	return f
}

// newFlight returns a flight that is ready to leave, or one that has failed
// already because the KEK must not even be asked.
func newFlight(s Sealed) *flight {
	f := &flight{sealed: s, done: make(chan struct{})}
	f.sealed.Wrapped.Bytes = slices.Clone(s.Wrapped.Bytes) // a caller that stops waiting may reuse its own
	text, err := s.Wrapped.Text()
	if err != nil {
		f.err = fmt.Errorf("opening a data key: %w: %w", ErrUnwrap, err)
		close(f.done)
	}
	f.text = text
	return f
}

// fly unwraps a batch, in a time of its own.
func (r *Ring) fly(ctx context.Context, tenant string, batch []*flight) {
	contexts, texts := make([][]byte, len(batch)), make([]string, len(batch))
	for i, f := range batch {
		contexts[i], texts[i] = f.sealed.ID.context(), f.text
	}
	clears, errs, err := r.unwrap(ctx, tenant, contexts, texts)
	for i, f := range batch {
		switch {
		case err != nil:
			f.err = err
		case errs != nil && errs[i] != nil:
			f.err = fmt.Errorf("opening a data key: %w: %w", ErrUnwrap, errs[i])
		default:
			f.key, f.err = openKeyset(clears[i])
		}
	}
	r.land(batch)
}

// land hands a batch over to the cache, then to those who wait.
func (r *Ring) land(batch []*flight) {
	r.mu.Lock()
	for _, f := range batch {
		delete(r.flights, flightKey{f.sealed.ID, f.text})
		if f.err == nil && !f.forget && r.cache != nil {
			r.cache.put(f.sealed.ID, f.sealed.Wrapped, f.key)
		}
	}
	r.mu.Unlock()
	for _, f := range batch {
		close(f.done)
	}
}

// unwrap asks the KEK, in bounded time, and checks the shape of its answer.
// Every error is [ErrUnavailable].
func (r *Ring) unwrap(ctx context.Context, tenant string, contexts [][]byte, texts []string) ([][]byte, []error, error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	r.unwraps.Add(int64(len(texts)))
	clears, errs, err := r.kek.Unwrap(ctx, tenant, contexts, texts)
	if err != nil {
		return nil, nil, fmt.Errorf("unwrapping: %w: %w", ErrUnavailable, err)
	}
	if len(clears) != len(texts) || errs != nil && len(errs) != len(texts) {
		return nil, nil, fmt.Errorf("unwrapping: an answer of another length: %w", ErrUnavailable)
	}
	return clears, errs, nil
}

func setError(errs []error, n, i int, err error) []error {
	if errs == nil {
		errs = make([]error, n)
	}
	errs[i] = err
	return errs
}

// context returns the wrap context of the data key.
func (id *ID) context() []byte {
	return field.KeyContext(id.Tenant, id.UID, id.Group, id.Epoch)
}
