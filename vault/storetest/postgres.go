package storetest

import (
	"context"
	"crypto/rand"
	"errors"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
)

// oldest is the oldest major version of PostgreSQL that Fieldvault runs on.
const oldest = 15

// errAbsent says that this machine has no PostgreSQL to start.
var errAbsent = errors.New("this machine has no PostgreSQL 15 or newer: run `make test`, which installs it, or set FIELDVAULT_TEST_POSTGRES")

// shared starts the server that the databases of [Postgres] are made on, once.
// It ends with this process.
//
//nolint:gochecknoglobals // one server a test process is the point; nothing ever assigns to it
var shared = sync.OnceValues(func() (*Cluster, error) {
	return newCluster(context.Background(), ClusterOptions{})
})

// Postgres returns the URL of a new, empty database (encoding UTF8, locale C),
// whose user may do anything. The database is dropped when tb ends, whoever is
// still connected.
//
// Its server is a throwaway one, started for this test process at the first call
// and shared by all of its tests: reachable through a Unix socket that only root
// and the server's user can open, and without fsync, so it is fast and does not
// survive a crash. [StartCluster] gives one that does. If the environment variable
// FIELDVAULT_TEST_POSTGRES holds the URL of a server, whose user may create
// databases, that server is used instead.
//
// The server's programs are the newest that Debian's packages installed, else those
// beside the pg_ctl in PATH; the environment variable FIELDVAULT_TEST_PGBIN names
// another directory. Where there are none the test is skipped, or fails if the
// environment variable CI is not empty.
//
// A test that uses it is skipped unless [Thorough], or that URL is set.
func Postgres(tb testing.TB) string {
	tb.Helper()
	if server := os.Getenv("FIELDVAULT_TEST_POSTGRES"); server != "" {
		return newDatabase(tb, server)
	}
	NeedTime(tb)
	c, err := shared()
	check(tb, err)
	return newDatabase(tb, c.URL("postgres"))
}

// PgDump returns what pg_dump writes of the database at that URL, as SQL text: all that
// a thief of a logical backup would have.
func PgDump(tb testing.TB, database string) []byte {
	tb.Helper()
	bin, err := programs()
	check(tb, err)
	c := &Cluster{bin: bin, dir: tb.TempDir()}
	out, err := c.run(tb.Context(), "pg_dump", "--dbname="+database)
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

// PgRestore fills the empty database at that URL with what [PgDump] returned. The roles
// that the dump grants rights to exist there.
func PgRestore(tb testing.TB, database string, dump []byte) {
	tb.Helper()
	bin, err := programs()
	check(tb, err)
	c := &Cluster{bin: bin, dir: tb.TempDir()}
	path := filepath.Join(c.dir, "dump.sql")
	if err := os.WriteFile(path, dump, 0o600); err != nil {
		tb.Fatal(err)
	}
	if _, err := c.run(tb.Context(), "psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--dbname="+database, "--file="+path); err != nil {
		tb.Fatal(err)
	}
}

// check ends the test if err is not nil: where PostgreSQL is merely absent, and
// this is not CI, by skipping it.
func check(tb testing.TB, err error) {
	tb.Helper()
	if errors.Is(err, errAbsent) && os.Getenv("CI") == "" {
		tb.Skip(err)
	}
	if err != nil {
		tb.Fatal(err)
	}
}

// newDatabase makes a database on the server at URL server, until tb ends.
func newDatabase(tb testing.TB, server string) string {
	tb.Helper()
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		tb.Fatal("FIELDVAULT_TEST_POSTGRES is no postgres:// URL") // which may hold a password
	}
	name := "fv_" + strings.ToLower(rand.Text())
	err = execute(tb.Context(), server, `CREATE DATABASE `+name+` TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'`)
	if err != nil {
		tb.Fatalf("creating a database: %v", err)
	}
	tb.Cleanup(func() {
		if err := execute(context.WithoutCancel(tb.Context()), server, `DROP DATABASE IF EXISTS `+name+` WITH (FORCE)`); err != nil {
			tb.Logf("dropping a database: %v", err) // its test may have stopped the server
		}
	})
	u.Path = "/" + name
	return u.String()
}

func execute(ctx context.Context, server, sql string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, sql)
	return errors.Join(err, conn.Close(ctx))
}

// programs returns the directory of the PostgreSQL server's programs.
func programs() (string, error) {
	if bin := os.Getenv("FIELDVAULT_TEST_PGBIN"); bin != "" {
		if _, err := exec.LookPath(filepath.Join(bin, "pg_ctl")); err != nil {
			return "", errAbsent
		}
		return bin, nil
	}
	best, newest := "", oldest-1
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/pg_ctl") // where Debian puts them
	if err != nil {
		return "", err
	}
	for _, path := range found {
		bin := filepath.Dir(path)
		if v, err := strconv.Atoi(filepath.Base(filepath.Dir(bin))); err == nil && v > newest {
			best, newest = bin, v
		}
	}
	if best != "" {
		return best, nil
	}
	if path, err := exec.LookPath("pg_ctl"); err == nil {
		return filepath.Dir(path), nil
	}
	return "", errAbsent
}
