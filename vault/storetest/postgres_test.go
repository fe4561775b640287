package storetest_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fieldvault/fieldvault/vault/storetest"
)

func TestPostgresGivesADatabaseOfItsOwn(t *testing.T) {
	var dropped string
	t.Run("first", func(t *testing.T) {
		one, two := storetest.Postgres(t), storetest.Postgres(t)
		dropped = one
		exec1(t, one, `CREATE TABLE customer (name text)`)
		want := []string{"UTF8", "C", "C", "0"}
		if d := cmp.Diff(want, properties(t, two)); d != "" {
			t.Errorf("a second database (-want +got):\n%s", d)
		}
		want[3] = "1"
		if d := cmp.Diff(want, properties(t, one)); d != "" {
			t.Errorf("the first one (-want +got):\n%s", d)
		}
		connect(t, one) // and leaves the connection open
	})
	if dropped == "" {
		return // the first was skipped, or failed
	}
	_, err := pgx.Connect(t.Context(), dropped)
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || pgErr.Code != "3D000" { // invalid_catalog_name
		t.Errorf("after its test the database answers %v, want that it does not exist", err)
	}
}

// properties returns the encoding, both locales and the number of tables.
func properties(t *testing.T, db string) []string {
	t.Helper()
	p := make([]string, 4)
	err := connect(t, db).QueryRow(t.Context(), `
		SELECT pg_encoding_to_char(encoding), datcollate, datctype, (SELECT count(*)::text FROM pg_tables WHERE schemaname = 'public')
		FROM pg_database WHERE datname = current_database()`).Scan(&p[0], &p[1], &p[2], &p[3])
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPgDumpHoldsEveryRow(t *testing.T) {
	db := storetest.Postgres(t)
	exec1(t, db, `CREATE TABLE customer (name text)`)
	exec1(t, db, `INSERT INTO customer VALUES ('Aoife Brennan')`)
	if dump := storetest.PgDump(t, db); !bytes.Contains(dump, []byte("Aoife Brennan")) {
		t.Errorf("the row is not in the dump:\n%s", dump)
	}
}

func TestDurableClusterKeepsCommitsOverKill(t *testing.T) {
	c := storetest.StartCluster(t, storetest.ClusterOptions{Durable: true, Settings: map[string]string{"application_name": "it's set"}})
	db := c.Database(t)
	exec1(t, db, `CREATE TABLE customer (name text)`)
	exec1(t, db, `INSERT INTO customer VALUES ('kept')`)
	open := connect(t, db)

	c.Kill(t)
	if err := open.Ping(t.Context()); err == nil {
		t.Error("a connection outlived Kill")
	}
	if _, err := pgx.Connect(t.Context(), db); err == nil {
		t.Error("the server accepts connections after Kill")
	}
	c.Start(t)

	want := []string{"kept", "on", "on", "it's set"}
	got := make([]string, 4)
	err := connect(t, db).QueryRow(t.Context(), `SELECT name, current_setting('fsync'), current_setting('full_page_writes'),
		(SELECT boot.setting FROM pg_file_settings boot WHERE name = 'application_name') FROM customer`).Scan(&got[0], &got[1], &got[2], &got[3])
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("after Kill and Start (-want +got):\n%s", d)
	}
	if _, err := os.Stat(filepath.Join(c.DataDir(), "pg_wal")); err != nil {
		t.Errorf("DataDir holds no write-ahead log: %v", err)
	}
	log, err := os.ReadFile(c.ServerLog())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(log, []byte("was not properly shut down")) {
		t.Errorf("the server's log tells of no crash:\n%s", log)
	}
}

func TestClusterStopsAndStarts(t *testing.T) {
	c := storetest.StartCluster(t, storetest.ClusterOptions{Listen: true})
	db := c.Database(t)
	u, err := url.Parse(db)
	if err != nil {
		t.Fatal(err)
	}
	if u.Hostname() != "127.0.0.1" || u.Port() == "" {
		t.Errorf("a cluster that listens is at %s", u.Host)
	}
	t.Setenv("FIELDVAULT_TEST_POSTGRES", c.URL("postgres"))
	if other := storetest.Postgres(t); !strings.Contains(other, u.Host) || other == db {
		t.Errorf("with FIELDVAULT_TEST_POSTGRES a database is not on that server, or not new: %s", other)
	}
	exec1(t, db, `CREATE TABLE customer (name text)`)
	c.Stop(t)
	if _, err := pgx.Connect(t.Context(), db); err == nil {
		t.Error("the server accepts connections after Stop")
	}
	c.Start(t)
	exec1(t, db, `INSERT INTO customer VALUES ('at the same address')`)

	u.User = url.UserPassword("test", "guessed")
	if _, err := pgx.Connect(t.Context(), u.String()); err == nil {
		t.Error("the port opens with any password")
	}
}

func TestStandbyFollowsUntilItIsPromoted(t *testing.T) {
	for name, o := range map[string]storetest.ClusterOptions{"by socket": {}, "by TCP": {Listen: true}} {
		t.Run(name, func(t *testing.T) {
			c := storetest.StartCluster(t, o)
			db := c.URL("postgres")
			s := c.Standby(t)
			exec1(t, db, `CREATE TABLE customer AS SELECT 'written after the copy' AS name`)
			follower := connect(t, s.URL("postgres"))
			for start := time.Now(); ; time.Sleep(10 * time.Millisecond) {
				var n int
				if follower.QueryRow(t.Context(), `SELECT count(*) FROM customer`).Scan(&n) == nil && n == 1 {
					break
				}
				if time.Since(start) > time.Minute {
					t.Fatal("the standby does not follow")
				}
			}
			const write = `INSERT INTO customer VALUES ('at the standby')`
			if _, err := follower.Exec(t.Context(), write); err == nil {
				t.Error("a standby took a write")
			}
			c.Stop(t)
			s.Promote(t)
			exec1(t, s.URL("postgres"), write)
		})
	}
}

func TestPausedClusterDoesNotAnswer(t *testing.T) {
	c := storetest.StartCluster(t, storetest.ClusterOptions{})
	db := c.Database(t)
	open := connect(t, db)
	c.Pause(t)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := open.Ping(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("an open connection of a paused server answers %v", err)
	}
	if _, err := pgx.Connect(ctx, db); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a new connection to a paused server answers %v", err)
	}
	c.Resume(t)
	exec1(t, db, `CREATE TABLE customer (name text)`)
}

// TestClusterEndsWithItsProcess runs itself in a second process that starts two
// servers, and ends that process in several ways.
func TestClusterEndsWithItsProcess(t *testing.T) {
	if how := os.Getenv("STORETEST_CHILD"); how != "" {
		startAndWait(t, how)
		return
	}
	for _, how := range []string{"killed", "killed while paused", "returns"} {
		t.Run(how, func(t *testing.T) {
			storetest.Postgres(t) // skips where there is none
			t.Parallel()
			cmd := again(t, "^TestClusterEndsWithItsProcess$", "STORETEST_CHILD="+how, "FIELDVAULT_TEST_POSTGRES=")
			dirs := start(t, cmd)
			for _, dir := range dirs {
				if _, err := os.Stat(filepath.Join(dir, "data", "postmaster.pid")); err != nil {
					t.Errorf("before its process ends: %v", err)
				}
			}
			if strings.HasPrefix(how, "killed") {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
			if err := cmd.Wait(); (err == nil) != (how == "returns") {
				t.Errorf("the process ended with %v", err)
			}
			for _, dir := range dirs {
				waitUntilGone(t, dir)
			}
		})
	}
}

// startAndWait starts servers, tells where they are, and waits to be killed, or
// returns.
func startAndWait(t *testing.T, how string) {
	t.Helper()
	var dirs []string
	if how != "killed while paused" {
		u, err := url.Parse(storetest.Postgres(t))
		if err != nil {
			t.Fatal(err)
		}
		dirs = append(dirs, u.Query().Get("host"))
	}
	if how != "returns" { // every other test shows that
		c := storetest.StartCluster(t, storetest.ClusterOptions{})
		connect(t, c.URL("postgres"))
		if how == "killed while paused" {
			c.Pause(t)
		}
		dirs = append(dirs, filepath.Dir(c.DataDir()))
	}
	fmt.Printf("servers\t%s\n", strings.Join(dirs, "\t"))
	if how != "returns" {
		select {}
	}
}

// start starts cmd and returns the directories that startAndWait tells of.
func start(t *testing.T, cmd *exec.Cmd) []string {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for s := bufio.NewScanner(out); s.Scan(); {
		if dirs, ok := strings.CutPrefix(s.Text(), "servers\t"); ok {
			return strings.Split(dirs, "\t")
		}
	}
	t.Fatalf("no servers started: %v", cmd.Wait())
	return nil
}

// waitUntilGone waits until the directory of a server is gone, and then looks for
// processes that still use it.
func waitUntilGone(t *testing.T, dir string) {
	t.Helper()
	for range 3000 {
		if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if left, err := os.ReadDir(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there: %v %v", dir, left, err)
	}
	cmdlines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range cmdlines {
		if b, err := os.ReadFile(path); err == nil && bytes.Contains(b, []byte(dir)) && bytes.Contains(b, []byte("postgres")) {
			t.Errorf("%s: still runs %q", path, b)
		}
	}
}

func TestAbsenceIsAFailureInCI(t *testing.T) {
	if os.Getenv("STORETEST_CHILD") != "" {
		storetest.Postgres(t)
		return
	}
	for _, tc := range []struct {
		ci, says string
		fails    bool
	}{
		{"", "--- SKIP: TestAbsenceIsAFailureInCI", false},
		{"true", "--- FAIL: TestAbsenceIsAFailureInCI", true},
	} {
		cmd := again(t, "^TestAbsenceIsAFailureInCI$", "STORETEST_CHILD=absent", "CI="+tc.ci,
			"FIELDVAULT_TEST_PGBIN="+t.TempDir(), "FIELDVAULT_TEST_POSTGRES=")
		out, err := cmd.CombinedOutput()
		if (err != nil) != tc.fails || !bytes.Contains(out, []byte(tc.says)) {
			t.Errorf("with CI=%q: %v, want %q\n%s", tc.ci, err, tc.says, out)
		}
		if !bytes.Contains(out, []byte("make test")) {
			t.Errorf("with CI=%q it does not say what to do:\n%s", tc.ci, out)
		}
	}
}

// again returns the command that runs one test of this program in a process of
// its own.
func again(t *testing.T, test string, env ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run="+test, "-test.v", "-test.timeout=5m")
	cmd.Env = append(os.Environ(), env...)
	return cmd
}

// connect returns a connection that is closed when t ends.
func connect(t *testing.T, db string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

func exec1(t *testing.T, db, sql string) {
	t.Helper()
	if _, err := connect(t, db).Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}
