package pgstore

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql ledgermigrations/*.sql
var migrations embed.FS

// A schema is a folder of migrations, and the table that remembers those done.
type schema struct{ folder, table string }

func storeSchema() schema { return schema{"migrations", "goose_db_version"} }

// Migrate brings the database at url to this build's schema and tells progress,
// if it is not nil, one line a migration. Several may run at once: one does the
// work, the others wait, up to five minutes. The role should own the database; the
// service runs under another (see [Grant]). A migration stands whole or not at all.
func Migrate(ctx context.Context, url string, progress func(line string)) error {
	return storeSchema().migrate(ctx, url, progress)
}

func (s schema) migrate(ctx context.Context, url string, progress func(line string)) error {
	pool, err := adminPool(ctx, url)
	if err != nil {
		return err
	}
	defer pool.Close()
	if err := pool.AcquireFunc(ctx, func(c *pgxpool.Conn) error { return checkVersion(c.Conn()) }); err != nil {
		return adminFailure(ctx, "connecting to the database", err)
	}
	dir, err := fs.Sub(migrations, s.folder)
	if err != nil {
		return fmt.Errorf("reading the migrations: %w", err)
	}
	locker, err := lock.NewPostgresTableLocker(
		lock.WithTableLockTimeout(time.Second, 300),
		lock.WithTableLogger(slog.New(slog.DiscardHandler)),
	)
	if err != nil {
		return fmt.Errorf("making the lock of migrations: %w", err)
	}
	db := stdlib.OpenDBFromPool(pool)
	p, err := goose.NewProvider(goose.DialectPostgres, db, dir,
		goose.WithTableName(s.table), goose.WithLocker(locker), goose.WithDisableGlobalRegistry(true),
		goose.WithVerbose(false))
	if err != nil {
		return errors.Join(fmt.Errorf("reading the migrations: %w", err), db.Close())
	}
	done, err := p.Up(ctx)
	for _, m := range done {
		if progress != nil {
			progress("applied " + filepath.Base(m.Source.Path))
		}
	}
	return errors.Join(adminFailure(ctx, "migrating the database", err), db.Close())
}

// adminPool has no time-outs: a migration may take long.
func adminPool(ctx context.Context, url string) (*pgxpool.Pool, error) {
	config, err := parseURL(url)
	if err != nil {
		return nil, err
	}
	config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeDescribeExec
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, errors.New("pgstore: the database's configuration is not valid")
	}
	return pool, nil
}

func checkVersion(conn *pgx.Conn) error {
	major, _, _ := strings.Cut(conn.PgConn().ParameterStatus("server_version"), ".")
	major, _, _ = strings.Cut(major, " ")
	if n, err := strconv.Atoi(major); err == nil && n < oldest {
		return unfitError("the server is older than PostgreSQL " + strconv.Itoa(oldest) + ": upgrade it")
	}
	return nil
}

// adminFailure names the migration that failed, and the code.
func adminFailure(ctx context.Context, doing string, err error) error {
	var partial *goose.PartialError
	if errors.As(err, &partial) {
		doing = fmt.Sprintf("%s: applying migration %d", doing, partial.Failed.Source.Version)
	}
	return failure(ctx, doing, err)
}

// versions lists the migrations of this build.
func (s schema) versions() ([]int64, error) {
	entries, err := migrations.ReadDir(s.folder)
	if err != nil {
		return nil, fmt.Errorf("reading the migrations: %w", err)
	}
	var list []int64
	for _, e := range entries {
		v, err := goose.NumericComponent(e.Name())
		if err != nil {
			return nil, fmt.Errorf("reading the migrations: %w", err)
		}
		list = append(list, v)
	}
	return list, nil
}

// after counts the migrations of this build beyond a version.
func (s schema) after(version int64) (int, error) {
	list, err := s.versions()
	n := 0
	for _, v := range list {
		if v > version {
			n++
		}
	}
	return n, err
}

// A grant is what the service may do with a table.
type grant struct{ rights, table string }

// grants are what the service needs, and no more: it cannot change or delete
// an event, a document, a certificate or a past decision, nor delete a person's
// row, an approval, or a key of a tenant that is not one of an index.
func grants() []grant {
	return []grant{
		{"SELECT", "goose_db_version"},
		{"SELECT, INSERT, UPDATE", "tenant"},
		{"SELECT, INSERT, UPDATE (kek_version, wrapped), DELETE", "tenant_key"}, // a rewrap; index keys
		{"SELECT, INSERT", "document"},
		{"SELECT, INSERT, UPDATE", "subject"},
		{"SELECT, INSERT, UPDATE, DELETE", "record"},
		{"SELECT, INSERT, DELETE", "search_index"},
		{"SELECT, INSERT, UPDATE, DELETE", "consent"},
		{"SELECT, INSERT, DELETE", "consent_event"},
		{"SELECT, INSERT, UPDATE, DELETE", "effect"},
		{"SELECT, INSERT", "event_intake"},
		{"SELECT, INSERT", "audit_leaf"},
		{"SELECT, INSERT", "audit_node"},
		{"SELECT, INSERT", "audit_run"},
		{"SELECT, INSERT", "audit_checkpoint"},
		{"SELECT, UPDATE", "audit_lead"},
		{"SELECT", "audit_pruned"},
		{"SELECT, INSERT, DELETE", "outbox"},
		{"SELECT, UPDATE", "ledger"},
		{"SELECT, INSERT", "erasure"},
		{"SELECT, INSERT, UPDATE, DELETE", "shred"},
		{"SELECT, INSERT, UPDATE, DELETE", "reseal"},
		{"SELECT, INSERT, UPDATE, DELETE", "honey"},
		{"SELECT, INSERT, UPDATE, DELETE", "ticket"},
		{"SELECT, INSERT, UPDATE, DELETE", "token"},
		{"SELECT, INSERT, UPDATE, DELETE", "request"},
		{"SELECT, INSERT, UPDATE, DELETE", "request_log"},
		{"SELECT, INSERT, UPDATE", "tally"},
		{"SELECT, INSERT, UPDATE", "budget"},
		{"SELECT, INSERT, UPDATE", "release_turn"},
		{"SELECT, INSERT, UPDATE", "approval"},
		{"SELECT, INSERT, UPDATE, DELETE", "job"},
		{"SELECT, INSERT, UPDATE", "key_life"},
	}
}

// Grant gives an existing role what the service needs on the tables of a migrated
// database, and takes from it what else it was granted there. Called by their owner,
// after each [Migrate]. The role named in [Config] should be that role, so that
// events are append-only for the service itself.
func Grant(ctx context.Context, url, role string) error {
	return grantAll(ctx, url, role, grants())
}

func grantAll(ctx context.Context, url, role string, list []grant) error {
	const doing = "granting rights to the service's role"
	pool, err := adminPool(ctx, url)
	if err != nil {
		return err
	}
	defer pool.Close()
	name := pgx.Identifier{role}.Sanitize()
	err = pgx.BeginFunc(ctx, pool, func(p pgx.Tx) error {
		for _, g := range list {
			revoke := "REVOKE ALL ON " + g.table + " FROM " + name
			allow := "GRANT " + g.rights + " ON " + g.table + " TO " + name
			if _, err := p.Exec(ctx, revoke+"; "+allow); err != nil {
				return err
			}
		}
		return nil
	})
	return adminFailure(ctx, doing, err)
}
