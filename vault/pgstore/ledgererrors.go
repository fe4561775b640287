package pgstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/ledger"
)

// What [Ledger.Apart] refuses.
var (
	// ErrSameDatabase: the ledger is in the store's own database. A restore would
	// take it back with the store. The operator names another database.
	ErrSameDatabase = errors.New("the ledger is in the store's own database")
	// ErrSameServer: the ledger is in another database of the store's own server,
	// or of a copy of it. A failover, or a restore of the server's files, would
	// take it back with the store. The operator names another server; outside of
	// tests and trials it is not permitted.
	ErrSameServer = errors.New("the ledger is on the store's own server")
)

// ledgerFailure makes an error of this package one of a ledger.
func ledgerFailure(err error) error {
	var state stateError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &state) && (state == "42P01" || state == "3F000"):
		return fmt.Errorf("%w: run fieldvault migrate on a new database: %w", ledger.ErrMissing, err)
	case errors.Is(err, vault.ErrUnavailable):
		return fmt.Errorf("%w: %w", ledger.ErrUnavailable, err)
	case errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &state), errors.Is(err, vault.ErrNoRow):
		// The database refuses what a ledger is made to do: it was changed.
		return fmt.Errorf("%w: %w", ledger.ErrCorrupt, err)
	}
	return err
}

func onReplica(doing string) error {
	return fmt.Errorf("%w: %s: %w: it is a read-only replica", ledger.ErrUnavailable, doing, vault.ErrUnavailable)
}
