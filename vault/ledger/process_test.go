package ledger_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"github.com/fieldvault/fieldvault/vault/ledger"
	"github.com/fieldvault/fieldvault/vault/ledger/ledgertest"
	"github.com/fieldvault/fieldvault/vault/pacetest"
)

// childEnv says what this binary does as another process, and to which file.
const childEnv = "LEDGER_TEST_CHILD"

func TestMain(m *testing.M) {
	if job := os.Getenv(childEnv); job != "" {
		verb, path, _ := strings.Cut(job, " ")
		if err := child(context.Background(), verb, path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// child is another process. "append" appends until it is killed, and says what was
// acknowledged; "fill" appends until the file may not grow.
func child(ctx context.Context, verb, path string) error {
	l, err := ledger.OpenFile(ctx, path, ledger.FileConfig{})
	if err != nil {
		return err
	}
	if verb == "fill" {
		return errors.Join(fill(ctx, l), l.Close())
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				entries := ledgertest.Entries(3)
				if err := l.Append(ctx, entries); err != nil {
					fmt.Println(err)
					return
				}
				fmt.Println(acknowledged(entries))
			}
		})
	}
	wg.Wait()
	return errors.New("appending ended")
}

func acknowledged(entries []ledger.Entry) string {
	line := "ok"
	for _, e := range entries {
		line += " " + e.ID.String()
	}
	return line
}

// fill appends under a limit of the file's size, which acts like a full disk.
func fill(ctx context.Context, l *ledger.File) error {
	signal.Ignore(syscall.SIGXFSZ)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	limit.Cur = 10_000
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	for {
		entries := ledgertest.Entries(3)
		if err := l.Append(ctx, entries); err != nil {
			fmt.Println(errors.Is(err, ledger.ErrUnavailable), errors.Is(err, syscall.EFBIG))
			break
		}
		fmt.Println(acknowledged(entries))
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	err := l.Append(ctx, ledgertest.Entries(1))
	fmt.Println(errors.Is(err, ledger.ErrUnavailable))
	return nil
}

// start starts another process, and returns it with its output.
func start(t *testing.T, verb, path string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), childEnv+"="+verb+" "+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewScanner(out)
}

// collect notes the entries that a line acknowledges.
func collect(t *testing.T, line string, into map[uuid.UUID]bool) {
	t.Helper()
	ids, ok := strings.CutPrefix(line, "ok ")
	if !ok {
		t.Errorf("the other process said %q", line)
	}
	for s := range strings.FieldsSeq(ids) {
		id, err := uuid.Parse(s)
		if err != nil {
			t.Error(err)
		}
		into[id] = true
	}
}

// A process that appends is killed, again and again: whatever it acknowledged is
// there, and the file opens.
func TestKilledWhileAppending(t *testing.T) {
	path := newFile(t)
	acked := map[uuid.UUID]bool{}
	for round := 0; round < 25; round += pacetest.Every(4) {
		cmd, out := start(t, "append", path)
		if !out.Scan() {
			t.Fatal("the other process said nothing")
		}
		collect(t, out.Text(), acked)
		if _, err := ledger.OpenFile(t.Context(), path, ledger.FileConfig{}); !errors.Is(err, ledger.ErrLocked) {
			t.Errorf("while another process has it: %v, want ErrLocked", err)
		}
		time.AfterFunc(time.Duration(round)*time.Millisecond, func() { _ = cmd.Process.Kill() })
		for out.Scan() {
			collect(t, out.Text(), acked)
		}
		_ = cmd.Wait() // killed
		present(t, path, acked)
	}
	t.Logf("%d entries were acknowledged", len(acked))
}

// present opens a file and looks for what was acknowledged.
func present(t *testing.T, path string, acked map[uuid.UUID]bool) {
	t.Helper()
	l, err := ledger.OpenFile(t.Context(), path, ledger.FileConfig{})
	if err != nil {
		t.Fatal(err)
	}
	there := map[uuid.UUID]bool{}
	for _, p := range ledgertest.All(t, l) {
		there[p.ID] = true
	}
	for id := range acked {
		if !there[id] {
			t.Fatal("an entry that was acknowledged is not there")
		}
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// A file that may not grow takes what fits and not a byte of a frame more is
// left when it is opened next.
func TestFileThatMayNotGrow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	l, err := ledger.CreateFile(t.Context(), path, uuid.New(), ledger.FileConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	cmd, out := start(t, "fill", path)
	acked := map[uuid.UUID]bool{}
	var said []string
	for out.Scan() {
		if line := out.Text(); strings.HasPrefix(line, "ok ") {
			collect(t, line, acked)
		} else {
			said = append(said, line)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(said, ", "); got != "true true, true" {
		t.Errorf("the failures were %s: want ErrUnavailable because of the size, and ErrUnavailable until reopened", got)
	}
	if n := len(read(t, path)); n != 10_000 || len(acked) == 0 {
		t.Errorf("%d bytes, %d entries: the file was not filled", n, len(acked))
	}
	present(t, path, acked)
	b := read(t, path)
	if ends := frameEnds(b); ends[len(ends)-1] != len(b) {
		t.Errorf("the file ends at %d, and its last frame at %d", len(b), ends[len(ends)-1])
	}
}
