package sqlitestore_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/pacetest"
	"github.com/fieldvault/fieldvault/vault/sqlitestore"
)

// childEnv says what this binary does as another process, and to which file.
const childEnv = "SQLITESTORE_TEST_CHILD"

func TestMain(m *testing.M) {
	if job := os.Getenv(childEnv); job != "" {
		verb, path, _ := strings.Cut(job, " ")
		if err := child(verb, path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	pacetest.Draws("25")
	goleak.VerifyTestMain(m)
}

// child is another process: "count" counts the shared record up, "hold" begins
// a transaction and holds it until its standard input ends.
func child(verb, path string) error {
	ctx := context.Background()
	s, err := sqlitestore.Open(ctx, sqlitestore.Config{Path: path, Now: now, BusyTimeout: time.Minute})
	if err != nil {
		return err
	}
	if verb == "count" {
		err = count(ctx, s)
	} else {
		err = s.Update(ctx, func(vault.Tx) error {
			fmt.Println("held")
			_, err := io.Copy(io.Discard, os.Stdin)
			return err
		})
	}
	return errors.Join(err, s.Close())
}

// rounds is how often each process counts up.
const rounds = 60

// count counts a record of the first tenant up, each time in a transaction.
func count(ctx context.Context, s *sqlitestore.Store) error {
	for range rounds {
		err := s.Update(ctx, func(tx vault.Tx) error {
			r, err := tx.LockRecord(ctx, 1, uuid.UUID{1}, vault.RecordRef{Collection: 1, Record: "shared"})
			if err != nil {
				return err
			}
			r.Revision, r.Deleted, r.Sealed = r.Revision+1, false, []byte("x")
			return tx.PutRecord(ctx, 1, uuid.UUID{1}, r)
		})
		if err == nil {
			err = outcome(s.AppendEvents(ctx, leaf(1)))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// start starts another process and returns it with its output and a function
// that ends its input.
func start(t *testing.T, verb, path string) (cmd *exec.Cmd, out *bufio.Reader, end func()) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), childEnv+"="+verb+" "+path)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewReader(stdout), func() { _ = stdin.Close() }
}

// Several processes write one file: nothing is lost.
func TestOtherProcessesWriteTheSameFile(t *testing.T) {
	path := filepath.Join(folder(t), "vault.db")
	s := open(t, path)
	newTenant(t, s)
	var children []*exec.Cmd
	for range 2 {
		cmd, _, end := start(t, "count", path)
		defer end()
		children = append(children, cmd)
	}
	for range 2 {
		if err := count(t.Context(), s); err != nil {
			t.Errorf("counting: %v", err)
		}
	}
	for _, c := range children {
		if err := c.Wait(); err != nil {
			t.Errorf("another process: %v", err)
		}
	}
	const want = (2 + 2) * rounds
	page, err := s.ScanRecords(t.Context(), vault.ScanPos{}, 10)
	if err != nil || len(page) != 1 || page[0].Record.Revision != want {
		t.Errorf("the record is %+v, want it at revision %d (%v)", page, want, err)
	}
	if n := countEvents(t, s, 1); n != want {
		t.Errorf("%d events, want %d", n, want)
	}
	closeAll(t, s)
}

// While another process writes, reads go on, and writes give up after the
// BusyTimeout with ErrUnavailable.
func TestAnotherProcessHoldsTheFile(t *testing.T) {
	path := filepath.Join(folder(t), "vault.db")
	s, err := sqlitestore.Open(t.Context(), sqlitestore.Config{Path: path, Now: now, BusyTimeout: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	tenant := newTenant(t, s)
	p := newPerson(t, s, tenant)
	cmd, out, end := start(t, "hold", path)
	if line, err := out.ReadString('\n'); line != "held\n" {
		t.Fatalf("the other process said %q (%v)", line, err)
	}
	if err := s.Update(t.Context(), func(vault.Tx) error { t.Error("Update ran"); return nil }); !errors.Is(err, vault.ErrUnavailable) {
		t.Errorf("Update: error %v", err)
	}
	if err := outcome(s.AppendEvents(t.Context(), leaf(tenant))); !errors.Is(err, vault.ErrUnavailable) {
		t.Errorf("AppendEvents: error %v", err)
	}
	if err := s.Checkpoint(t.Context()); !errors.Is(err, vault.ErrUnavailable) {
		t.Errorf("Checkpoint: error %v", err)
	}
	l, err := s.LoadForReveal(t.Context(), vault.LoadQuery{Tenant: tenant, Items: []vault.Ref{{Lookup: p.Lookup}}})
	if err != nil || l.Items[0].Subject == nil {
		t.Errorf("LoadForReveal: error %v", err)
	}
	if err := s.Ping(t.Context()); err != nil {
		t.Errorf("Ping: %v", err)
	}
	end()
	if err := cmd.Wait(); err != nil {
		t.Errorf("the other process: %v", err)
	}
	if err := outcome(s.AppendEvents(t.Context(), leaf(tenant))); err != nil {
		t.Errorf("AppendEvents after it: %v", err)
	}
	closeAll(t, s)
}
