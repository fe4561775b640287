package pgstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fieldvault/fieldvault/vault"
)

// stateError is what leaves this package of an error of the server: its code.
// The message, detail and context of such an error contain rows.
type stateError string

func (s stateError) Error() string { return "SQLSTATE " + string(s) }

// repeatable says whether the same transaction may succeed when run again:
// serialization failure and deadlock.
func (s stateError) repeatable() bool { return s == "40001" || s == "40P01" }

// unfitError is a reason, in our own words, why a server cannot be served from.
type unfitError string

func (u unfitError) Error() string { return string(u) }

// errUnreplicated: the commit is on this server's disk alone.
var errUnreplicated = errors.New("the commit was not waited for by the standby")

// failure turns an error of the driver into one that holds no row, no value
// and no address, and says what was being done. ctx is the caller's.
func failure(ctx context.Context, doing string, err error) error {
	if err == nil {
		return nil
	}
	var u unfitError
	var pg *pgconn.PgError
	var scan pgx.ScanArgError
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return fmt.Errorf("%s: %w", doing, context.Canceled)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("%s: %w: %w", doing, vault.ErrUnavailable, context.DeadlineExceeded)
	case errors.Is(err, pgx.ErrNoRows):
		return fmt.Errorf("%s: %w", doing, vault.ErrNoRow)
	case errors.Is(err, errUnreplicated):
		return fmt.Errorf("%s: %w: %w", doing, vault.ErrUnavailable, errUnreplicated)
	case errors.As(err, &u):
		return fmt.Errorf("%s: %w: %w", doing, vault.ErrUnavailable, u)
	case errors.As(err, &pg) && internal(pg.Code):
		return fmt.Errorf("%s: %w", doing, stateError(pg.Code))
	case errors.As(err, &pg):
		return fmt.Errorf("%s: %w: %w", doing, vault.ErrUnavailable, stateError(pg.Code))
	case errors.As(err, &scan):
		return fmt.Errorf("%s: a column does not fit what it is read into", doing)
	case errors.Is(err, pgx.ErrTxClosed), errors.Is(err, pgx.ErrTxCommitRollback):
		return fmt.Errorf("%s: the transaction is over", doing)
	default:
		return fmt.Errorf("%s: %w", doing, vault.ErrUnavailable)
	}
}

// internal says whether a code means that the store asked for something wrong:
// trying again would not help. Everything else means that the server cannot
// serve now: it is starting, stopping, full, read-only, locked, busy, without
// schema or rights.
func internal(code string) bool {
	switch code {
	case "42501", "42P01", "25006", "25P03", "25P04":
		return false // rights, tables, read-only, time-outs
	}
	if len(code) != 5 {
		return false
	}
	switch code[:2] {
	case "21", "22", "23", "25", "42", "P0":
		return true // cardinality, data, constraints, transaction state, syntax, raised
	}
	return false
}

// repeatable says whether err, as failure made it, may be cured by running the
// transaction again.
func repeatable(err error) bool {
	var s stateError
	return errors.As(err, &s) && s.repeatable()
}
