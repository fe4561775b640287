package pgstore_test

import (
	"testing"

	"github.com/fieldvault/fieldvault/vault/pgstore"
	"github.com/fieldvault/fieldvault/vault/storetest"
)

// open returns a store on a migrated database of its own, and the database's URL.
func open(t *testing.T, change ...func(*pgstore.Config)) (*pgstore.Store, string) {
	t.Helper()
	url := storetest.Postgres(t)
	if err := pgstore.Migrate(t.Context(), url, nil); err != nil {
		t.Fatal(err)
	}
	return connect(t, url, change...), url
}

// connect returns a store on a database.
func connect(t *testing.T, url string, change ...func(*pgstore.Config)) *pgstore.Store {
	t.Helper()
	c := pgstore.Config{URL: url}
	for _, f := range change {
		f(&c)
	}
	s, err := pgstore.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestOpenAndPing(t *testing.T) {
	s, _ := open(t)
	if err := s.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}
