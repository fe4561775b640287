package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

// The process writes no core dump, can be told to stop by either signal, and
// takes its temporary folder with it.
func TestSignals(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			tmp := vaulttest.Folder(t)
			cmd := exec.CommandContext(t.Context(), "fieldvault", "dev", "--addr", "127.0.0.1:0", "--json") // TestMain's
			cmd.Env = append(os.Environ(), "TMPDIR="+tmp)
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			line, err := bufio.NewReader(out).ReadBytes('\n')
			if err != nil {
				t.Fatalf("%v: %s", err, &stderr)
			}
			var ready struct{ Dir string }
			if err := json.Unmarshal(line, &ready); err != nil || filepath.Dir(ready.Dir) != tmp {
				t.Errorf("the folder is %q (%v)", ready.Dir, err)
			}
			limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", cmd.Process.Pid))
			if err != nil {
				t.Fatal(err)
			}
			_, core, _ := strings.Cut(string(limits), "Max core file size")
			if f := strings.Fields(core); len(f) < 2 || f[0] != "0" || f[1] != "0" {
				t.Errorf("core dumps are limited to %v", f[:2])
			}
			if err := cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("%v: %s", err, &stderr)
			}
			if left, err := os.ReadDir(tmp); err != nil || len(left) != 0 {
				t.Errorf("%d files are left behind (%v)", len(left), err)
			}
		})
	}
}

// A terminal is one that a test can read.
func openTerminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = master.Close() })
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(int(slave.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}); err != nil {
		t.Fatal(err)
	}
	return master, slave
}

// On a terminal a bar is drawn, reports stand above it, and the end is on the
// screen when end returns, also if nothing was said of the progress before.
func TestProgressOnATerminal(t *testing.T) {
	for name, c := range map[string]struct {
		total int
		err   error
		want  []string
	}{
		"done":    {10, nil, []string{"importing", "line 7: 100% wrong", "done!"}},
		"failed":  {10, errors.New("stopped"), []string{"importing", "line 7: 100% wrong", "fail!"}},
		"unknown": {0, nil, []string{"importing", "line 7: 100% wrong", "done!"}},
	} {
		t.Run(name, func(t *testing.T) {
			master, slave := openTerminal(t)
			read := make(chan []byte)
			go func() {
				b, _ := io.ReadAll(master) // ends with an error when the other side is closed
				read <- b
			}()
			b := newProgress(slave, "importing", c.total)
			b.at(10) // more must not end it
			b.report("line %d: %s", 7, "100% wrong")
			b.end(c.err)
			if err := slave.Close(); err != nil {
				t.Fatal(err)
			}
			screen := string(<-read)
			for _, want := range c.want {
				if !strings.Contains(screen, want) {
					t.Errorf("no %q on the screen: %q", want, screen)
				}
			}
		})
	}
}
