package storetest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	// patience bounds every step of setting up, stopping and removing a server.
	patience = time.Minute
	// tick is how often a state that nobody announces is looked at again.
	tick = 10 * time.Millisecond
)

// ClusterOptions say how a [Cluster] differs from the server behind [Postgres].
// The zero value is one that is just like it.
type ClusterOptions struct {
	// Durable keeps fsync and full_page_writes on, so that what was committed
	// survives [Cluster.Kill]. It is slower.
	Durable bool
	// Listen serves TCP on a free port of 127.0.0.1, with a password, instead of
	// leaving only the Unix socket; [Cluster.URL] then names the port.
	Listen bool
	// Settings are further lines of postgresql.conf, by name, unquoted.
	Settings map[string]string
}

// A Cluster is a PostgreSQL server of one test's own, which it may stop, kill and
// pause. Its methods fail the test when they cannot do their work, and are not
// safe for concurrent use, apart from [Cluster.URL].
type Cluster struct {
	bin, dir string
	listen   bool
	port     int
	password string
	cred     *syscall.Credential // of the server's processes; nil: this process's own
	alive    *os.File            // open as long as the server may live
}

// StartCluster starts a PostgreSQL server. It is stopped, and its files removed,
// when tb ends, and also when the test process ends in any other way, kill -9
// included. FIELDVAULT_TEST_POSTGRES has no effect here: a server that tests kill
// must be theirs. Where there is no PostgreSQL, and unless [Thorough], it does as
// [Postgres] does.
func StartCluster(tb testing.TB, o ClusterOptions) *Cluster {
	tb.Helper()
	NeedTime(tb)
	c, err := newCluster(tb.Context(), o)
	check(tb, err)
	c.removeAfter(tb)
	return c
}

func (c *Cluster) removeAfter(tb testing.TB) {
	tb.Cleanup(func() {
		if err := c.remove(); err != nil {
			tb.Error(err)
		}
	})
}

// Database returns the URL of a new, empty database on c, as [Postgres] does.
func (c *Cluster) Database(tb testing.TB) string {
	tb.Helper()
	return newDatabase(tb, c.URL("postgres"))
}

// URL returns the URL of the database named db on c, whether or not it exists,
// for a user who may do anything. It stays the same over [Cluster.Stop] and
// [Cluster.Start].
func (c *Cluster) URL(db string) string {
	u := url.URL{Scheme: "postgres", User: url.User("test"), Path: "/" + db}
	q := url.Values{"sslmode": {"disable"}}
	if c.listen {
		u.User = url.UserPassword("test", c.password)
		u.Host = net.JoinHostPort("127.0.0.1", strconv.Itoa(c.port))
	} else {
		q.Set("host", c.dir)
		q.Set("port", strconv.Itoa(c.port))
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// DataDir returns the directory that holds the server's files, the write-ahead log
// included: all that a thief of the disk would have.
func (c *Cluster) DataDir() string { return filepath.Join(c.dir, "data") }

// ServerLog returns the path of the server's own log, which goes on over restarts.
func (c *Cluster) ServerLog() string { return filepath.Join(c.dir, "server.log") }

// Standby starts a server that follows c by streaming replication, and is like it
// otherwise, but for TCP, which it does not listen on. It ends as c does.
func (c *Cluster) Standby(tb testing.TB) *Cluster {
	tb.Helper()
	s := &Cluster{bin: c.bin, port: 5432, password: c.password}
	err := s.create(tb.Context(), func(ctx context.Context) error { return s.follow(ctx, c) })
	check(tb, err)
	s.removeAfter(tb)
	return s
}

// Backup takes a base backup of c while it runs, and returns the server that would
// come of restoring it; start it with [Cluster.Start]. It is like c otherwise, but for
// TCP, which it does not listen on.
func (c *Cluster) Backup(tb testing.TB) *Cluster {
	tb.Helper()
	b := &Cluster{bin: c.bin, port: 5432, password: c.password}
	check(tb, b.makeDir())
	b.removeAfter(tb)
	check(tb, b.watch(tb.Context()))
	check(tb, b.copyOf(tb.Context(), c))
	return b
}

// Promote makes a server that [Cluster.Standby] started a primary of its own, and
// returns when it is one.
func (c *Cluster) Promote(tb testing.TB) {
	tb.Helper()
	if _, err := c.run(tb.Context(), "pg_ctl", "promote", "-D", c.DataDir(), "-t", "60"); err != nil {
		tb.Fatal(err)
	}
}

// Stop shuts the server down in order, ending all connections, and returns when
// it is down.
func (c *Cluster) Stop(tb testing.TB) {
	tb.Helper()
	if _, err := c.run(tb.Context(), "pg_ctl", "stop", "-D", c.DataDir(), "-m", "fast", "-t", "60"); err != nil {
		tb.Fatal(err)
	}
}

// Start starts a server that [Cluster.Stop] or [Cluster.Kill] ended, and returns
// when it accepts connections again.
func (c *Cluster) Start(tb testing.TB) {
	tb.Helper()
	if err := c.start(tb.Context()); err != nil {
		tb.Fatal(err)
	}
}

// Kill ends all processes of the server with SIGKILL, as a crash would, and
// returns when they are gone. What was committed is there after [Cluster.Start]
// if the server is Durable; otherwise it may not even start.
func (c *Cluster) Kill(tb testing.TB) {
	tb.Helper()
	c.pause(tb) // else the server would start new processes meanwhile
	pids, err := c.processes()
	if err == nil {
		err = signal(pids, syscall.SIGKILL, func(state byte) bool { return state == 'Z' })
	}
	if err == nil {
		// The process is dead, but whoever adopted it may not have reaped it yet: a
		// new server would take its number for a living one.
		err = errors.Join(os.Remove(filepath.Join(c.DataDir(), "postmaster.pid")),
			os.Remove(filepath.Join(c.dir, fmt.Sprintf(".s.PGSQL.%d.lock", c.port))))
	}
	if err != nil {
		tb.Fatalf("killing PostgreSQL: %v", err)
	}
}

// Pause stops all processes of the server with SIGSTOP, as a machine that hangs
// would: connections stay open, new ones are accepted by the kernel, and nothing
// answers. It returns when the last process has stopped.
func (c *Cluster) Pause(tb testing.TB) {
	tb.Helper()
	c.pause(tb)
}

// Resume lets a server go on after [Cluster.Pause].
func (c *Cluster) Resume(tb testing.TB) {
	tb.Helper()
	if err := c.resume(); err != nil {
		tb.Fatalf("resuming PostgreSQL: %v", err)
	}
}

func (c *Cluster) pause(tb testing.TB) {
	tb.Helper()
	stopped := func(state byte) bool { return state == 'T' || state == 'Z' }
	pids, err := c.processes()
	if err == nil {
		err = signal(pids[:1], syscall.SIGSTOP, stopped) // first the one that starts others
	}
	if err == nil {
		pids, err = c.processes()
	}
	if err == nil {
		err = signal(pids, syscall.SIGSTOP, stopped)
	}
	if err != nil {
		tb.Fatalf("pausing PostgreSQL: %v", err)
	}
}

func (c *Cluster) resume() error {
	pids, err := c.processes()
	if err != nil {
		return err
	}
	slices.Reverse(pids)
	return signal(pids, syscall.SIGCONT, func(state byte) bool { return state != 'T' })
}

// newCluster makes a server and starts it.
func newCluster(ctx context.Context, o ClusterOptions) (*Cluster, error) {
	bin, err := programs()
	if err != nil {
		return nil, err
	}
	c := &Cluster{bin: bin, listen: o.Listen, port: 5432, password: rand.Text()}
	if err := c.create(ctx, func(ctx context.Context) error { return c.initialise(ctx, o) }); err != nil {
		return nil, err
	}
	return c, nil
}

// create makes the directory, has fill put a data directory in it, and starts
// the server.
func (c *Cluster) create(ctx context.Context, fill func(context.Context) error) error {
	if err := c.makeDir(); err != nil {
		return fmt.Errorf("making a directory for PostgreSQL: %w", err)
	}
	if err := c.watch(ctx); err != nil {
		return errors.Join(fmt.Errorf("starting the watch over PostgreSQL: %w", err), os.RemoveAll(c.dir))
	}
	if err := fill(ctx); err != nil {
		return errors.Join(err, c.remove())
	}
	if err := c.start(ctx); err != nil {
		return errors.Join(err, c.remove())
	}
	return nil
}

// follow fills the data directory with a copy of a primary's, which says whom to
// follow.
func (c *Cluster) follow(ctx context.Context, primary *Cluster) error {
	return c.copyOf(ctx, primary, "-R")
}

// copyOf fills the data directory with a copy of another server's.
func (c *Cluster) copyOf(ctx context.Context, primary *Cluster, flags ...string) error {
	args := append([]string{"-D", c.DataDir(), "-d", primary.URL("postgres"), "-X", "stream", "-c", "fast", "--no-sync"}, flags...)
	if _, err := c.run(ctx, "pg_basebackup", args...); err != nil {
		return err
	}
	return appendConf(filepath.Join(c.DataDir(), "postgresql.conf"), map[string]string{
		"listen_addresses": "", "unix_socket_directories": c.dir, "port": strconv.Itoa(c.port),
	})
}

// makeDir makes a directory that belongs to the user who will run the server:
// PostgreSQL refuses to run as root.
func (c *Cluster) makeDir() error {
	dir, err := os.MkdirTemp("", "fieldvault-pg-")
	if err == nil && len(dir) > 80 { // a socket's path ends at 107 bytes
		if err = os.Remove(dir); err == nil {
			dir, err = os.MkdirTemp("/tmp", "fieldvault-pg-")
		}
	}
	c.dir = dir
	if err != nil || os.Geteuid() != 0 {
		return err
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return err
	}
	c.cred = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return os.Chown(dir, int(uid), int(gid))
}

// watcher waits, outside this process and its group, for the end of file
// descriptor 3, which comes when c.alive is closed, be it by the kernel because
// this process was killed. Then it ends the server, a paused one too, and removes
// its files.
//
// A parent-death signal would do less: Linux sends it when the *thread* that
// started the server ends, it does nothing to a paused server, and leaves the files.
const watcher = `(
	trap '' HUP INT TERM
	read -r _ <&3
	pid=$(head -n 1 "$1/data/postmaster.pid")
	if [ -n "$pid" ] && grep -qaF "$1/data" "/proc/$pid/cmdline"; then
		kill -QUIT "$pid"
		kill -CONT "$pid"
		n=0
		while [ -e "$1/data/postmaster.pid" ] && [ $n -lt 100 ]; do sleep 0.1; n=$((n + 1)); done
		[ ! -e "$1/data/postmaster.pid" ] || kill -KILL "$pid"
	fi
	rm -rf "$1"
) </dev/null >/dev/null 2>&1 &`

func (c *Cluster) watch(ctx context.Context) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", watcher, "sh", c.dir) //nolint:gosec // a constant script; the directory is an argument
	cmd.ExtraFiles = []*os.File{r}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	c.alive = w
	return errors.Join(cmd.Run(), r.Close())
}

// initialise fills the data directory and writes the settings.
func (c *Cluster) initialise(ctx context.Context, o ClusterOptions) error {
	pwfile := filepath.Join(c.dir, "password")
	if err := os.WriteFile(pwfile, []byte(c.password), 0o600); err != nil {
		return fmt.Errorf("writing the password: %w", err)
	}
	if c.cred != nil {
		if err := os.Chown(pwfile, int(c.cred.Uid), int(c.cred.Gid)); err != nil {
			return fmt.Errorf("writing the password: %w", err)
		}
	}
	if _, err := c.run(ctx, "initdb", "-D", c.DataDir(), "-U", "test", "-E", "UTF8", "--locale=C", "--no-sync",
		"--auth-local=trust", "--auth-host=scram-sha-256", "--pwfile="+pwfile); err != nil {
		return err
	}
	settings := map[string]string{"listen_addresses": "", "unix_socket_directories": c.dir, "max_connections": "200"}
	if !o.Durable {
		settings["fsync"], settings["full_page_writes"] = "off", "off"
	}
	if c.listen {
		port, err := freePort(ctx)
		if err != nil {
			return fmt.Errorf("looking for a free port: %w", err)
		}
		c.port = port
		settings["listen_addresses"] = "127.0.0.1"
	}
	settings["port"] = strconv.Itoa(c.port)
	maps.Copy(settings, o.Settings)
	return appendConf(filepath.Join(c.DataDir(), "postgresql.conf"), settings)
}

func appendConf(path string, settings map[string]string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0) //nolint:gosec // a file that initdb just made
	if err != nil {
		return fmt.Errorf("writing the settings: %w", err)
	}
	var b bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&b, "%s = '%s'\n", name, strings.ReplaceAll(settings[name], "'", "''"))
	}
	_, err = f.Write(b.Bytes())
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("writing the settings: %w", err)
	}
	return nil
}

func freePort(ctx context.Context) (int, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err := errors.Join(err, l.Close()); err != nil {
		return 0, err
	}
	return strconv.Atoi(port)
}

func (c *Cluster) start(ctx context.Context) error {
	_, err := c.run(ctx, "pg_ctl", "start", "-D", c.DataDir(), "-l", c.ServerLog(), "-t", "60")
	return err
}

// remove ends the server and waits until its files are gone.
func (c *Cluster) remove() error {
	_ = c.resume() // a paused server takes seconds to end; one that is down has nothing to resume
	if err := c.alive.Close(); err != nil {
		return fmt.Errorf("ending PostgreSQL: %w", err)
	}
	for range patience / tick {
		if _, err := os.Stat(c.dir); errors.Is(err, os.ErrNotExist) {
			return nil
		}
		time.Sleep(tick)
	}
	return fmt.Errorf("PostgreSQL in %s did not end", c.dir)
}

// run runs one of PostgreSQL's programs, and nothing of this process's environment
// reaches it: PGHOST, PGOPTIONS and their like would change what it does.
func (c *Cluster) run(ctx context.Context, program string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(c.bin, program), args...) //nolint:gosec // PostgreSQL's own programs
	cmd.Dir = c.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.cred}
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		log, _ := os.ReadFile(c.ServerLog())
		return nil, fmt.Errorf("%s: %w\n%s%s", program, err, complaint.Bytes(), log)
	}
	return out.Bytes(), nil
}

// processes returns the ids of the server's processes, the one that starts the
// others first.
func (c *Cluster) processes() ([]int, error) {
	b, err := os.ReadFile(filepath.Join(c.DataDir(), "postmaster.pid"))
	if err != nil {
		return nil, err
	}
	first, _, _ := strings.Cut(string(b), "\n")
	postmaster, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil {
		return nil, err
	}
	pids := []int{postmaster}
	dirs, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	for _, d := range dirs {
		if pid, err := strconv.Atoi(d.Name()); err == nil {
			if _, parent := stat(pid); parent == postmaster {
				pids = append(pids, pid)
			}
		}
	}
	return pids, nil
}

// signal sends s to the processes and waits until each is in a state that is
// wanted, or gone.
func signal(pids []int, s syscall.Signal, wanted func(state byte) bool) error {
	for _, pid := range pids {
		if err := syscall.Kill(pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
	}
	for _, pid := range pids {
		for n := patience / tick; ; n-- {
			if state, _ := stat(pid); state == 0 || wanted(state) {
				break
			}
			if n == 0 {
				return fmt.Errorf("process %d does not heed %v", pid, s)
			}
			time.Sleep(tick)
		}
	}
	return nil
}

// stat returns the state of a process, as in proc(5), and its parent's id; 0 if
// there is no such process.
func stat(pid int) (state byte, parent int) {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0, 0
	}
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:])) // the name before it may hold anything
	if len(f) < 2 || len(f[0]) != 1 {
		return 0, 0
	}
	parent, err = strconv.Atoi(f[1])
	if err != nil {
		return 0, 0
	}
	return f[0][0], parent
}
