package e2e_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds what must happen and has no time of its own.
const patience = time.Minute

// scratch holds the binary; TestMain removes it.
var scratch string

func TestMain(m *testing.M) {
	var err error
	if scratch, err = os.MkdirTemp("", "fieldvault-e2e-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := os.RemoveAll(scratch); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

var build = sync.OnceValues(func() (string, error) {
	path := filepath.Join(scratch, "fieldvault")
	args := []string{"build", "-o", path}
	if raceEnabled {
		args = append(args, "-race")
	}
	out, err := exec.Command("go", append(args, "github.com/fieldvault/fieldvault/cmd/fieldvault")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building the binary: %w\n%s", err, out)
	}
	return path, nil
})

// program returns the path of the built program.
func program(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil && os.Getenv("CI") == "" {
		t.Skip("there is no go command to build the binary with")
	}
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// environment is what the program gets of ours: nothing that configures it.
func environment(extra ...string) []string {
	// With the race detector a process would sleep for a second when it ends.
	env := []string{"GORACE=halt_on_error=1 exitcode=66 atexit_sleep_ms=0"}
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "FIELDVAULT_") && !strings.HasPrefix(kv, "VAULT_") && !strings.HasPrefix(kv, "PG") {
			env = append(env, kv)
		}
	}
	return append(env, extra...)
}

// run runs a verb to its end and returns what it wrote to standard output. The
// code is what it must exit with.
func run(t *testing.T, code int, env []string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program(t), args...)
	cmd.Env = environment(env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if got := cmd.ProcessState.ExitCode(); got != code {
		t.Fatalf("fieldvault %s: exit code %d (%v), want %d\n%s%s", strings.Join(args, " "), got, err, code, stdout.Bytes(), stderr.Bytes())
	}
	return stdout.String()
}

// A process is a running server.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{}
	lines chan string // of both streams, until nobody reads them any more

	mu   sync.Mutex
	said bytes.Buffer
}

// start runs the program until the test ends. Its environment is as run's.
func start(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	p := launch(t, env, args...)
	t.Cleanup(p.kill)
	return p
}

// launch is start without an end.
func launch(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(program(t), args...), ended: make(chan struct{}), lines: make(chan string, 1000)}
	p.cmd.Env, p.cmd.SysProcAttr = environment(env...), dieWithUs()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stdout, p.cmd.Stderr = w, w
	started := make(chan error)
	go func() { // the kernel ends the process with the thread that started it
		defer close(p.ended)
		runtime.LockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		t.Fatalf("starting: %v", err)
	}
	_ = w.Close()
	go p.listen(r)
	return p
}

// listen keeps what the process says, and passes its lines on.
func (p *process) listen(r io.ReadCloser) {
	defer func() { _ = r.Close() }()
	defer close(p.lines)
	for in := bufio.NewReaderSize(r, 1<<20); ; {
		line, err := in.ReadString('\n')
		p.mu.Lock()
		p.said.WriteString(line)
		p.mu.Unlock()
		if line != "" {
			select {
			case p.lines <- line:
			default:
			}
		}
		if err != nil {
			return
		}
	}
}

// await returns the first line that is wanted.
func (p *process) await(t *testing.T, wanted func(line string) bool) string {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				t.Fatalf("the process ended before it was ready:\n%s", p.output())
			}
			if wanted(line) {
				return line
			}
		case <-deadline:
			t.Fatalf("the process is not ready after %v:\n%s", patience, p.output())
		}
	}
}

// output is what the process has said so far.
func (p *process) output() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return bytes.Clone(p.said.Bytes())
}

// stop ends the process in order, which must succeed.
func (p *process) stop(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("stopping: %v", err)
	}
	select {
	case <-p.ended:
	case <-time.After(patience):
		p.kill()
		t.Errorf("the process did not end in order:\n%s", p.tail())
		return
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("the process ended with code %d:\n%s", code, p.tail())
	}
}

func (p *process) tail() []byte {
	b := p.output()
	return b[max(0, len(b)-4000):]
}

// kill ends the process as a crash would.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// signal sends a signal to the process.
func (p *process) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// peak is the most memory that the process has had, in bytes; 0 where the system
// does not say.
func (p *process) peak(t *testing.T) int64 {
	t.Helper()
	if runtime.GOOS != "linux" {
		return 0
	}
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.cmd.Process.Pid), "status"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "VmHWM:")
	f := strings.Fields(rest)
	if len(f) == 0 {
		t.Fatal("/proc names no VmHWM")
	}
	kb, err := strconv.ParseInt(f[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kb << 10
}
