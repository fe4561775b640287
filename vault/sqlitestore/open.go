package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"modernc.org/sqlite"

	"github.com/fieldvault/fieldvault/vault"
)

// Config says where the store is and how it behaves.
type Config struct {
	// Path is the database file; its directory exists. Required.
	Path string
	// Now is the clock, read once when the schema is made. Required.
	Now func() time.Time
	// Logger is told of schema changes and of file modes that Open tightened.
	// Default: nobody is.
	Logger *slog.Logger
	// Readers is how many reads run at the same time. Default: 4.
	Readers int
	// BusyTimeout is how long to wait for another process that writes; a
	// context that ends does not shorten it. Default: 5 s.
	BusyTimeout time.Duration
}

// A Store is a vault.Store and a vault.Inspector in a SQLite file.
type Store struct {
	path    string
	writer  *pool // of one
	readers *pool
	keeper  *pool // of one: what brings the log home

	// Who has the writer has these.
	pending  int64 // how long the log may become, in pages
	scrubAll bool  // there may be pages with remains that the log does not hold

	closing   chan struct{}
	closeOnce sync.Once
	closeErr  error

	group group
}

// Open opens the store, and makes it if the file is missing or empty. It
// returns ErrNewer or ErrForeign for a file that it must not touch,
// vault.ErrIntegrity for a malformed one, and vault.ErrUnavailable for one
// that cannot be opened or is in use for longer than the BusyTimeout.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	if cfg.Path == "" || cfg.Now == nil {
		return nil, errors.New("opening a SQLite store: Path and Now are required")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Readers <= 0 {
		cfg.Readers = 4
	}
	if cfg.BusyTimeout <= 0 {
		cfg.BusyTimeout = 5 * time.Second
	}
	path, err := prepareFile(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("preparing the database file: %w", err)
	}
	// Best effort: where the system has no such locks, the usual ones serve.
	_, _ = sqlite.OFDLocking(true)
	s := &Store{path: path, pending: mostPending, closing: make(chan struct{})}
	for _, p := range []struct {
		pool **pool
		role role
		n    int
	}{{&s.writer, writing, 1}, {&s.readers, reading, cfg.Readers}, {&s.keeper, keeping, 1}} {
		if *p.pool, err = openPool(path, cfg, p.role, p.n); err != nil {
			return nil, err
		}
		(*p.pool).closing = s.closing
	}
	if err := s.migrate(ctx, cfg); err != nil {
		return nil, errors.Join(fmt.Errorf("preparing the schema: %w", err),
			s.readers.close(), s.keeper.close(), s.writer.close())
	}
	return s, nil
}

// prepareFile makes the file before SQLite could with a wider mode, tightens
// what is there, and returns the absolute path.
func prepareFile(ctx context.Context, cfg Config) (string, error) {
	path, err := filepath.Abs(cfg.Path)
	if err != nil {
		return "", withoutPath(err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600) //nolint:gosec // the operator names the file
	switch {
	case err == nil:
		return path, withoutPath(f.Close())
	case !errors.Is(err, fs.ErrExist):
		return "", withoutPath(err)
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := tighten(ctx, path+suffix, cfg.Logger); err != nil {
			return "", err
		}
	}
	return path, nil
}

// tighten takes a file from everybody but its owner.
func tighten(ctx context.Context, path string, log *slog.Logger) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return withoutPath(err)
	}
	if !info.Mode().IsRegular() {
		return ErrForeign
	}
	if info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return withoutPath(err)
	}
	log.WarnContext(ctx, "a database file was open to others and is no longer", "mode", info.Mode().Perm().String())
	return nil
}

// withoutPath keeps the reason of a file error, as vault.ErrUnavailable.
func withoutPath(err error) error {
	if err == nil {
		return nil
	}
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	return fmt.Errorf("%w: %w", vault.ErrUnavailable, err)
}

// A role is what a connection is for.
type role int

const (
	writing role = iota
	reading
	keeping
)

// moment is how long a checkpoint waits for readers, in milliseconds: it holds
// the writer meanwhile.
const moment = "250"

// openPool prepares n connections, which are opened when they are needed.
func openPool(path string, cfg Config, r role, n int) (*pool, error) {
	q := url.Values{
		"mode":          {"rw"},
		"_busy_timeout": {strconv.FormatInt(cfg.BusyTimeout.Milliseconds(), 10)},
		"_synchronous":  {"FULL"},
		"_foreign_keys": {"on"},
		"_defensive":    {"1"},
		"_dqs":          {"0"},
		"_pragma": {
			"secure_delete(on)", "temp_store(memory)", "trusted_schema(off)", "cell_size_check(on)", "wal_autocheckpoint(0)",
		},
	}
	switch r {
	case writing:
		q.Set("_journal_mode", "WAL")
	case reading:
		q.Set("_query_only", "on")
	case keeping: // writes pages
		q.Set("_busy_timeout", moment)
		q.Del("_defensive")
	}
	dsn := url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}
	connector, err := sqlite.NewConnector(dsn.String())
	if err != nil {
		return nil, fmt.Errorf("opening the database: %w", vault.ErrUnavailable)
	}
	return newPool(sql.OpenDB(connector), n), nil
}

// Ping says whether the store answers and may serve.
func (s *Store) Ping(ctx context.Context) error {
	err := s.run(ctx, s.readers, func(t *tx) error {
		n, err := t.number(ctx, `SELECT count(*) FROM tenant WHERE id = 0`)
		if err == nil && n != 1 {
			err = vault.ErrIntegrity
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("asking the store: %w", err)
	}
	return nil
}

// Close waits for what runs, truncates the write-ahead log and frees the
// store, whose methods then return vault.ErrUnavailable. A second Close
// returns what the first did.
func (s *Store) Close() error {
	s.closeOnce.Do(func() {
		close(s.closing)
		err := s.readers.close()
		err = errors.Join(err, s.lastCheckpoint(), s.keeper.close(), s.writer.close())
		if err != nil {
			s.closeErr = fmt.Errorf("closing the database: %w", vault.ErrUnavailable)
		}
	})
	return s.closeErr
}

// lastCheckpoint truncates the log once all who read and write are done. Only
// another process can be in its way; then the log stays, and its owner
// truncates it.
func (s *Store) lastCheckpoint() error {
	c := <-s.writer.slots
	err := s.truncate(context.Background())
	s.writer.put(c, false)
	if errors.Is(err, vault.ErrUnavailable) {
		return nil
	}
	return err
}
