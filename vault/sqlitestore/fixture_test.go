package sqlitestore_test

import (
	"crypto/rand"
	"testing"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/sqlitestore"
)

// update runs f in a transaction that must succeed.
func update(t *testing.T, s *sqlitestore.Store, f func(vault.Tx) error) {
	t.Helper()
	if err := s.Update(t.Context(), f); err != nil {
		t.Fatalf("Update: %v", err)
	}
}

// randomBytes makes bytes that occur nowhere else.
func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}

func newTenant(t *testing.T, s *sqlitestore.Store) (id int32) {
	t.Helper()
	update(t, s, func(tx vault.Tx) error {
		stored, _, err := tx.InsertTenant(t.Context(), vault.Tenant{Name: rand.Text(), KEKEpoch: 1, Created: now()})
		id = stored.ID
		return err
	})
	return id
}

func allTenants(t *testing.T, s *sqlitestore.Store) (ids []int32) {
	t.Helper()
	update(t, s, func(tx vault.Tx) error {
		tenants, err := tx.Tenants(t.Context())
		for _, n := range tenants {
			ids = append(ids, n.ID)
		}
		return err
	})
	return ids
}

func aPerson(tenant int32) vault.Subject {
	return vault.Subject{
		Tenant: tenant, Lookup: randomBytes(vault.LookupSize), UID: uuid.New(), Generation: 1, State: vault.Live,
		Mark: randomBytes(32), SealedID: randomBytes(60), Created: now(),
	}
}

func newPerson(t *testing.T, s *sqlitestore.Store, tenant int32) vault.Subject {
	t.Helper()
	p := aPerson(tenant)
	update(t, s, func(tx vault.Tx) error {
		_, err := tx.InsertSubject(t.Context(), p)
		return err
	})
	return p
}

// erasedForm is what an erasure makes of a person's row.
func erasedForm(p vault.Subject) vault.Subject {
	p.State, p.SealedID, p.ErasedAt, p.Certificate = vault.Erased, nil, now(), []byte("{}")
	return p
}
