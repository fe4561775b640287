//go:build e2e

package e2e_test

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/cmd/fieldvault/processtest"
	"github.com/fieldvault/fieldvault/vault/storetest"
)

// L18: the log is exported to an S3-compatible bucket, of a real server (Versity's
// gateway, whose buckets are folders), and verifies from there.
func TestBucket(t *testing.T) {
	storetest.NeedTime(t)
	t.Parallel()
	w := newWorld(t, false, options{})
	root, address := startGateway(t)
	if err := os.MkdirAll(filepath.Join(root, "logs"), 0o700); err != nil { // a bucket
		t.Fatal(err)
	}
	secret := filepath.Join(w.dir, "s3.secret")
	if err := os.WriteFile(secret, []byte("secret-of-the-gateway\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	url := w.with(t, "--audit-export", "s3://logs/exported", "--audit-export-every", "200ms",
		"--audit-s3-endpoint", "http://"+address, "--audit-s3-region", "us-east-1",
		"--audit-s3-access-key-id", "gateway", "--audit-s3-secret-access-key-file", secret)
	key := w.verifier(t)
	exported := filepath.Join(root, "logs", "exported")
	verifies := func(most int) (size int) {
		t.Helper()
		for deadline := time.Now().Add(patience); ; time.Sleep(200 * time.Millisecond) {
			out, code := "", 1
			if _, err := os.Stat(filepath.Join(exported, "default", "checkpoint")); err == nil {
				out, code = verifiesDir(t, exported, key)
			}
			if size = sizeOf(out); code == 0 && size >= most {
				return size
			}
			if time.Now().After(deadline) {
				t.Fatalf("the bucket does not verify with %d events: %s", most, out)
			}
		}
	}
	before := verifies(1)
	w.url = url
	for range 300 { // across a tile
		w.see(t, w.token(t, "app"), "support", "c-9", "email")
	}
	verifies(before + 300)
	entries, err := os.ReadDir(filepath.Join(exported, "default", "tile", "0"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() == "000.p" {
			list, err := os.ReadDir(filepath.Join(exported, "default", "tile", "0", e.Name()))
			if err != nil || len(list) > 0 {
				t.Errorf("partial tiles of a full one are left: %v %v", list, err)
			}
		}
	}
	if bytes.Contains(w.proc.Output(), []byte("secret-of-the-gateway")) {
		t.Error("the log of the service holds the bucket's secret")
	}
}

// verifiesDir runs audit verify over a folder.
func verifiesDir(t *testing.T, dir, key string) (out string, code int) {
	t.Helper()
	code, stdout, stderr := processtest.Build(t).Try(t, nil, "audit", "verify", "--dir", dir, "--key", key, "--json")
	return stdout + stderr, code
}

func sizeOf(out string) (n int) {
	_, rest, _ := strings.Cut(out, `"size":`)
	for _, c := range rest {
		if c < '0' || c > '9' {
			break
		}
		n = 10*n + int(c-'0')
	}
	return n
}

// startGateway runs the gateway on a folder until the test ends.
func startGateway(t *testing.T) (root, address string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "tool", "-modfile="+filepath.Join("..", "..", "..", "deploy", "devs3", "go.mod"), "-n", "versitygw").CombinedOutput()
	if err != nil {
		t.Fatalf("building the gateway: %v\n%s", err, out)
	}
	lines := strings.Fields(string(out))
	root, address = t.TempDir(), freeAddress(t)
	var said bytes.Buffer
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := exec.CommandContext(ctx, lines[len(lines)-1], "--port", address, "--access", "gateway", "--secret", "secret-of-the-gateway",
		"posix", "--nometa", root)
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // it was killed
	})
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		if conn, err := net.DialTimeout("tcp", address, time.Second); err == nil {
			_ = conn.Close()
			return root, address
		}
		if time.Now().After(deadline) {
			t.Fatal("the gateway does not listen")
		}
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // nobody came
	return l.Addr().String()
}
