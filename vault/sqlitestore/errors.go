package sqlitestore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"

	"github.com/fieldvault/fieldvault/vault"
)

// Errors of Open.
var (
	// ErrNewer: a newer version of the program wrote the file. Use that one.
	ErrNewer = errors.New("the database was written by a newer version of the program")
	// ErrForeign: the file is a database of another program, or no file.
	ErrForeign = errors.New("the file is not a database of this program")
)

// errBusy: another connection has the lock. It is a vault.ErrUnavailable, too.
var errBusy = fmt.Errorf("%w: the file is in use", vault.ErrUnavailable)

// Errors that only a defect of the caller, or a change of the file by others, can cause.
var (
	errRefused  = errors.New("the schema refuses the row")
	errReadOnly = errors.New("writing in a read-only transaction")
	errOver     = errors.New("the transaction is over")
	errRange    = errors.New("a number is out of range")
)

// classify replaces an error of the database by one of a closed set, which
// holds at most SQLite's result code.
func classify(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", vault.ErrUnavailable, ctx.Err())
	}
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return vault.ErrUnavailable
	}
	switch e.Code() & 0xff {
	case sqlitelib.SQLITE_CORRUPT, sqlitelib.SQLITE_NOTADB:
		return fmt.Errorf("%w (SQLite result %d)", vault.ErrIntegrity, e.Code())
	case sqlitelib.SQLITE_CONSTRAINT:
		return fmt.Errorf("%w (SQLite result %d)", errRefused, e.Code())
	case sqlitelib.SQLITE_BUSY, sqlitelib.SQLITE_LOCKED:
		return fmt.Errorf("%w (SQLite result %d)", errBusy, e.Code())
	default:
		return fmt.Errorf("%w (SQLite result %d)", vault.ErrUnavailable, e.Code())
	}
}

// checkText refuses what PostgreSQL could not hold as text, so that both
// stores take the same.
func checkText(texts ...string) error {
	for _, s := range texts {
		if !utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0 {
			return &vault.InvalidError{Problems: []vault.Problem{
				{Field: "text", Rule: "must be valid UTF-8 without NUL"},
			}}
		}
	}
	return nil
}
