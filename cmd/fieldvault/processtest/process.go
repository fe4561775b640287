package processtest

import (
	"bufio"
	"bytes"
	"errors"
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

// A Process is a running program. Its methods that take a test fail it when they
// cannot do their work.
type Process struct {
	cmd   *exec.Cmd
	ended chan struct{}
	heard chan struct{} // closed when all that it said is kept
	lines chan string   // of both streams, until nobody reads them any more

	mu   sync.Mutex
	said bytes.Buffer
}

// Start runs the program until the test ends; env is added to its environment.
func (p Program) Start(tb testing.TB, env []string, args ...string) *Process {
	tb.Helper()
	s := p.Launch(tb, env, args...)
	tb.Cleanup(s.Kill)
	return s
}

// Launch is Start without an end.
func (p Program) Launch(tb testing.TB, env []string, args ...string) *Process {
	tb.Helper()
	s := &Process{ended: make(chan struct{}), heard: make(chan struct{}), lines: make(chan string, 1000)}
	s.cmd = exec.Command(string(p), args...) //nolint:gosec,noctx // it is the program that was built here, and may outlive the test that started it
	s.cmd.Env, s.cmd.SysProcAttr = environment(env...), dieWithUs()
	r, w, err := os.Pipe()
	if err != nil {
		tb.Fatal(err)
	}
	s.cmd.Stdout, s.cmd.Stderr = w, w
	started := make(chan error)
	go func() { // the kernel ends the process with the thread that started it
		defer close(s.ended)
		runtime.LockOSThread()
		err := s.cmd.Start()
		started <- err
		if err == nil {
			_ = s.cmd.Wait()
			select {
			case <-s.heard: // its last words too
			case <-time.After(5 * time.Second): // a process of its own holds the pipe
			}
		}
	}()
	if err := <-started; err != nil {
		tb.Fatalf("starting: %v", err)
	}
	_ = w.Close()
	go s.listen(r)
	return s
}

// listen keeps what the process says, and passes its lines on.
func (p *Process) listen(r io.ReadCloser) {
	defer func() { _ = r.Close() }()
	defer close(p.heard)
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

// Await returns the first line that is wanted.
func (p *Process) Await(tb testing.TB, wanted func(line string) bool) string {
	tb.Helper()
	deadline := time.After(Patience)
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				tb.Fatalf("the process ended before it was ready:\n%s", p.Output())
			}
			if wanted(line) {
				return line
			}
		case <-deadline:
			_ = p.cmd.Process.Signal(syscall.SIGQUIT) // it says where it waits, and ends
			select {
			case <-p.ended:
			case <-time.After(5 * time.Second):
			}
			tb.Fatalf("the process is not ready after %v:\n%s", Patience, p.Output())
		}
	}
}

// Output is what the process has said so far.
func (p *Process) Output() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return bytes.Clone(p.said.Bytes())
}

// Stop ends the process in order, which must succeed.
func (p *Process) Stop(tb testing.TB) {
	tb.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		tb.Errorf("stopping: %v", err)
	}
	select {
	case <-p.ended:
	case <-time.After(Patience):
		p.Kill()
		tb.Errorf("the process did not end in order:\n%s", p.tail())
		return
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		tb.Errorf("the process ended with code %d:\n%s", code, p.tail())
	}
}

func (p *Process) tail() []byte {
	b := p.Output()
	return b[max(0, len(b)-4000):]
}

// Kill ends the process as a crash would.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// Wait waits until the process has ended and returns its exit code, -1 after a
// signal.
func (p *Process) Wait() int {
	<-p.ended
	return p.cmd.ProcessState.ExitCode()
}

// Ended is closed when the process has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Crashed waits until the process has ended, and says whether SIGKILL ended it.
func (p *Process) Crashed() bool {
	<-p.ended
	status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// Signal sends a signal to the process.
func (p *Process) Signal(tb testing.TB, s syscall.Signal) {
	tb.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		tb.Fatal(err)
	}
}

// PID is the process's number.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Peak is the most memory that the process has had, in bytes; 0 where the system
// does not say.
func (p *Process) Peak(tb testing.TB) int64 {
	tb.Helper()
	if runtime.GOOS != "linux" {
		return 0
	}
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.cmd.Process.Pid), "status"))
	if err != nil {
		tb.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "VmHWM:")
	f := strings.Fields(rest)
	if len(f) == 0 {
		tb.Fatal("/proc names no VmHWM")
	}
	kb, err := strconv.ParseInt(f[0], 10, 64)
	if err != nil {
		tb.Fatal(err)
	}
	return kb << 10
}
