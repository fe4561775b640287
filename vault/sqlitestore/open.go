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
	writer  *pool // of one
	readers *pool

	busy      time.Duration
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
	s := &Store{busy: cfg.BusyTimeout, closing: make(chan struct{})}
	if s.writer, err = openPool(path, cfg, 1, s.closing); err != nil {
		return nil, err
	}
	if err := migrate(ctx, s.writer, cfg); err != nil {
		return nil, errors.Join(fmt.Errorf("preparing the schema: %w", err), s.writer.close())
	}
	if s.readers, err = openPool(path, cfg, cfg.Readers, s.closing); err != nil {
		return nil, errors.Join(err, s.writer.close())
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

// openPool prepares n connections, which are opened when they are needed.
func openPool(path string, cfg Config, n int, closing <-chan struct{}) (*pool, error) {
	q := url.Values{
		"mode":          {"rw"},
		"_busy_timeout": {strconv.FormatInt(cfg.BusyTimeout.Milliseconds(), 10)},
		"_synchronous":  {"FULL"},
		"_foreign_keys": {"on"},
		"_defensive":    {"1"},
		"_dqs":          {"0"},
		"_pragma":       {"secure_delete(on)", "temp_store(memory)", "trusted_schema(off)", "cell_size_check(on)"},
	}
	if n == 1 {
		q.Set("_journal_mode", "WAL")
	} else {
		q.Set("_query_only", "on")
	}
	dsn := url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}
	connector, err := sqlite.NewConnector(dsn.String())
	if err != nil {
		return nil, fmt.Errorf("opening the database: %w", vault.ErrUnavailable)
	}
	return newPool(sql.OpenDB(connector), n, closing), nil
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

// Checkpoint brings the write-ahead log home and truncates it, so that no
// earlier version of a page is left in it. It is vault.ErrUnavailable while a
// reader or another process holds the log: try again later. It waits for
// neither for more than a moment.
func (s *Store) Checkpoint(ctx context.Context) error {
	c, err := s.writer.get(ctx)
	if err != nil {
		return fmt.Errorf("waiting for a connection: %w", err)
	}
	err = s.truncate(ctx, c)
	s.writer.put(c, err != nil)
	if err != nil {
		return fmt.Errorf("truncating the write-ahead log: %w", err)
	}
	return nil
}

// moment is how long a checkpoint waits for readers, in milliseconds: it holds
// the writer meanwhile.
const moment = 250

func (s *Store) truncate(ctx context.Context, c *conn) error {
	t := &tx{c: c, write: true}
	if err := t.script(ctx, fmt.Sprintf("PRAGMA busy_timeout = %d", moment)); err != nil {
		return err
	}
	busy, err := one(ctx, t, `PRAGMA wal_checkpoint(TRUNCATE)`, func(r *sql.Rows) (busy int, err error) {
		var frames, moved int64
		err = r.Scan(&busy, &frames, &moved)
		return busy, err
	})
	if err != nil {
		return err
	}
	if busy != 0 {
		return vault.ErrUnavailable
	}
	return t.script(ctx, fmt.Sprintf("PRAGMA busy_timeout = %d", s.busy.Milliseconds()))
}

// Close waits for what runs, truncates the write-ahead log and frees the
// store, whose methods then return vault.ErrUnavailable. A second Close
// returns what the first did.
func (s *Store) Close() error {
	s.closeOnce.Do(func() {
		close(s.closing)
		s.closeErr = errors.Join(s.readers.close(), s.lastCheckpoint(), s.writer.close())
		if s.closeErr != nil {
			s.closeErr = fmt.Errorf("closing the database: %w", vault.ErrUnavailable)
		}
	})
	return s.closeErr
}

// lastCheckpoint truncates the log once all readers are gone. Only another
// process can be in its way; then the log stays, and its owner truncates it.
func (s *Store) lastCheckpoint() error {
	c, err := s.writer.open(context.Background(), <-s.writer.slots)
	if err != nil {
		return err
	}
	err = s.truncate(context.Background(), c)
	s.writer.put(c, err != nil)
	if errors.Is(err, vault.ErrUnavailable) {
		return nil
	}
	return err
}
