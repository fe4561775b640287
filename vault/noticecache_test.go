package vault_test

import (
	"context"
	"strconv"
	"testing"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

// A documentStore counts how many documents are read.
type documentStore struct {
	vault.Store
	read int
}

func (s *documentStore) View(ctx context.Context, f func(vault.Tx) error) error {
	return s.Store.View(ctx, func(tx vault.Tx) error { return f(documentTx{tx, s}) })
}

type documentTx struct {
	vault.Tx
	s *documentStore
}

func (t documentTx) Document(ctx context.Context, tenant int32, kind string, version int64) (vault.Document, error) {
	t.s.read++
	return t.Tx.Document(ctx, tenant, kind, version)
}

// TestNoticesAreParsedOnce: what anybody may ask for costs a stranger's every call but the
// first no reading and parsing of documents.
func TestNoticesAreParsedOnce(t *testing.T) {
	v := rightsVault(t)
	for i := range 59 {
		republish(t, v, "benefit: Help.", "benefit: Help "+strconv.Itoa(i)+".")
	}
	s := &documentStore{Store: v.Store}
	n := node(t, v, s, v.KEK)
	ask := func() (read int) {
		t.Helper()
		before := s.read
		list, next, err := n.Notices(t.Context(), vaulttest.Tenant, 0)
		if err != nil || len(list) != 50 || list[0].Catalog.Version != 60 || next != 11 {
			t.Fatalf("%d notices, next %d, %v", len(list), next, err)
		}
		if list, next, err = n.Notices(t.Context(), vaulttest.Tenant, next); err != nil || len(list) != 10 || next != 0 {
			t.Fatalf("%d notices, next %d, %v", len(list), next, err)
		}
		if one, err := n.Notice(t.Context(), vaulttest.Tenant, 7); err != nil || len(one.Changes) != 1 {
			t.Fatalf("%+v, %v", one.Changes, err)
		}
		if changes, _, err := n.NoticeDiff(t.Context(), vaulttest.Tenant, 1, 60); err != nil || len(changes) != 1 {
			t.Fatalf("%+v, %v", changes, err)
		}
		return s.read - before
	}
	if got := ask(); got > 70 {
		t.Errorf("the first time %d documents are read", got)
	}
	if got := ask(); got != 0 {
		t.Errorf("the second time %d documents are read", got)
	}
}
