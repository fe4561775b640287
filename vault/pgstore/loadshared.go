package pgstore

import (
	"context"
	"errors"
	"runtime"

	"github.com/fieldvault/fieldvault/vault"
)

// A sharedLoad is a call for one item, which may share a statement with others.
type sharedLoad struct {
	q      vault.LoadQuery
	loaded *vault.Loaded
	err    error
	alone  bool // it must be loaded by itself
}

// loadSize bounds a shared statement, by what [group] counts in bytes: at most 64 calls.
const loadSize = maxBatchBytes / 64

// newLoads makes the groups that share statements: as many as there may usefully be
// statements at once, a core of the service going with one of the database.
func (s *Store) newLoads() []group[*sharedLoad] {
	list := make([]group[*sharedLoad], max(1, runtime.GOMAXPROCS(0)/2))
	for i := range list {
		list[i] = group[*sharedLoad]{doing: loading, size: func(*sharedLoad) int { return loadSize }, flush: s.loadTogether, ends: true}
	}
	return list
}

// loadShared issues the statement, or waits for one that is issued after the call: what
// it answers is never older than the call. One that nobody waits beside is as if alone.
func (s *Store) loadShared(ctx context.Context, q vault.LoadQuery) (*vault.Loaded, error) {
	l := &sharedLoad{q: q}
	lane := &s.loads[s.nextLoad.Add(1)%uint64(len(s.loads))]
	if err := lane.add(ctx, []*sharedLoad{l}); err != nil {
		return nil, err
	}
	if l.alone {
		return s.load(ctx, q)
	}
	return l.loaded, l.err
}

// loadTogether answers the calls of the first one's tenant with one statement. Those of
// other tenants load by themselves, so that no tenant waits for another's statement. It
// tells every call its own error.
func (s *Store) loadTogether(ctx context.Context, calls []*sharedLoad) error {
	q := vault.LoadQuery{Tenant: calls[0].q.Tenant}
	of := make([]*sharedLoad, 0, len(calls))
	for _, c := range calls {
		if c.alone = c.q.Tenant != q.Tenant; !c.alone {
			q.Items, of = append(q.Items, c.q.Items[0]), append(of, c)
		}
	}
	l, err := s.load(ctx, q)
	for i, c := range of {
		switch {
		case err == nil:
			one := *l
			one.Items = l.Items[i : i+1 : i+1]
			c.loaded = &one
		case len(of) > 1 && !errors.Is(err, vault.ErrUnavailable):
			c.alone = true // another's row may be what does not fit
		default:
			c.err = err
		}
	}
	return nil
}
