package localkek_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/fieldvault/fieldvault/crypto/localkek"
)

// newKEK returns a KEK in clear with the given keys.
func newKEK(tb testing.TB, keys ...string) *localkek.KEK {
	tb.Helper()
	k, err := localkek.Create(filepath.Join(tb.TempDir(), "kek"), nil)
	if err != nil {
		tb.Fatal(err)
	}
	for _, name := range keys {
		if err := k.CreateKey(context.Background(), name); err != nil {
			tb.Fatal(err)
		}
	}
	return k
}

// wrapOne wraps one plaintext.
func wrapOne(tb testing.TB, k *localkek.KEK, key, bound, plain string) string {
	tb.Helper()
	w, err := k.Wrap(context.Background(), key, [][]byte{[]byte(bound)}, [][]byte{[]byte(plain)})
	if err != nil {
		tb.Fatal(err)
	}
	return w[0]
}

// unwrapOne unwraps one item, whose error is its own or the call's.
func unwrapOne(k *localkek.KEK, key, bound, wrapped string) (string, error) {
	plain, errs, err := k.Unwrap(context.Background(), key, [][]byte{[]byte(bound)}, []string{wrapped})
	if err != nil {
		return "", err
	}
	if errs != nil {
		return "", errs[0]
	}
	return string(plain[0]), nil
}

func TestWrapUnwrap(t *testing.T) {
	k := newKEK(t, "default", "_system")
	for _, key := range []string{"default", "_system"} {
		for _, plain := range []string{"", "a", strings.Repeat("k", localkek.MaxPlaintext)} {
			w := wrapOne(t, k, key, "context", plain)
			if !strings.HasPrefix(w, "local:v1:") {
				t.Errorf("wrapped as %.20s", w)
			}
			if got, err := unwrapOne(k, key, "context", w); err != nil || got != plain {
				t.Errorf("%d bytes do not open as themselves: %v", len(plain), err)
			}
			if w == wrapOne(t, k, key, "context", plain) {
				t.Error("wrapping twice gives the same: the nonce repeats")
			}
		}
	}
}

func TestWrapRefuses(t *testing.T) {
	k := newKEK(t, "default")
	ctx := context.Background()
	one := [][]byte{{1}}
	if _, err := k.Wrap(ctx, "default", one, [][]byte{make([]byte, localkek.MaxPlaintext+1)}); !errors.Is(err, localkek.ErrTooLarge) {
		t.Errorf("too much: %v, want ErrTooLarge", err)
	}
	if _, err := k.Wrap(ctx, "default", one, nil); err == nil {
		t.Error("a context without plaintext is accepted")
	}
	if _, _, err := k.Unwrap(ctx, "default", nil, []string{"local:v1:AA=="}); err == nil {
		t.Error("a wrapped key without context is accepted")
	}
	if _, _, err := k.Rewrap(ctx, "default", one, nil); err == nil {
		t.Error("a context without wrapped key is accepted")
	}
}

// TestMissingKeyIsNotCreated covers every verb.
func TestMissingKeyIsNotCreated(t *testing.T) {
	k := newKEK(t, "default")
	ctx := context.Background()
	one, w := [][]byte{{1}}, []string{wrapOne(t, k, "default", "\x01", "p")}
	for verb, f := range map[string]func(key string) error{
		"Wrap":       func(key string) error { _, err := k.Wrap(ctx, key, one, one); return err },
		"Unwrap":     func(key string) error { _, _, err := k.Unwrap(ctx, key, one, w); return err },
		"Rewrap":     func(key string) error { _, _, err := k.Rewrap(ctx, key, one, w); return err },
		"Status":     func(key string) error { _, err := k.Status(ctx, key); return err },
		"Rotate":     func(key string) error { _, err := k.Rotate(ctx, key); return err },
		"SetMinimum": func(key string) error { return k.SetMinimum(ctx, key, 1, 1) },
		"Trim":       func(key string) error { return k.Trim(ctx, key, 1) },
	} {
		for _, key := range []string{"acme", "", "Default", "default\n", "../default"} {
			if err := f(key); !errors.Is(err, localkek.ErrNoKey) {
				t.Errorf("%s of %q: %v, want ErrNoKey", verb, key, err)
			}
		}
	}
}

// TestMovedKeyDoesNotOpen is I7: not under another context, not as another key's.
func TestMovedKeyDoesNotOpen(t *testing.T) {
	k := newKEK(t, "default", "acme")
	rapid.Check(t, func(t *rapid.T) {
		from, to := rapid.String().Draw(t, "from"), rapid.String().Draw(t, "to")
		ws, err := k.Wrap(context.Background(), "default", [][]byte{[]byte(from)}, [][]byte{[]byte("plain")})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := unwrapOne(k, "default", from, ws[0]); err != nil || got != "plain" {
			t.Fatalf("does not open under its context: %v", err)
		}
		if _, err := unwrapOne(k, "default", to, ws[0]); from != to && !errors.Is(err, localkek.ErrUnwrap) {
			t.Fatalf("opens under another context: %v", err)
		}
		if _, err := unwrapOne(k, "acme", from, ws[0]); !errors.Is(err, localkek.ErrUnwrap) {
			t.Fatalf("opens under another key: %v", err)
		}
	})
}

func TestChangedWrapFailsAlike(t *testing.T) {
	k := newKEK(t, "default")
	w := wrapOne(t, k, "default", "context", "plain")
	box, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(w, "local:v1:"))
	if err != nil {
		t.Fatal(err)
	}
	try := func(what string, box []byte) {
		t.Helper()
		if _, err := unwrapOne(k, "default", "context", "local:v1:"+base64.StdEncoding.EncodeToString(box)); err != localkek.ErrUnwrap { //nolint:errorlint // the very same error
			t.Errorf("%s: %v, want ErrUnwrap itself", what, err)
		}
	}
	for i := range box {
		changed := bytes.Clone(box)
		changed[i] ^= 0x80
		try("a byte changed", changed)
		try("cut", box[:i])
	}
	try("extended", append(bytes.Clone(box), 0))
	try("too long", make([]byte, localkek.MaxPlaintext+41))
}

func malformed() []string {
	return []string{
		"", "local", "local:v1", "local:v1:", "local:v1:A", "local:v1:AA==", "vault:v1:" + long, "v1:" + long, "local:1:" + long,
		"local:v0:" + long, "local:v01:" + long, "local:v+1:" + long, "local:v-1:" + long, "local:v 1:" + long, "local:v1.:" + long,
		"local:v:" + long, "local:v2147483648:" + long, "local:v99999999999:" + long, "local:v4294967297:" + long, "LOCAL:v1:" + long,
		"local:v1:" + long + "\n", "local:v1:" + long + " ", " local:v1:" + long, "local:v1:\n" + long, "local:v1:" + long[:8] + "\r\n" + long[8:],
		"local:v1:" + long[:len(long)-1], "local:v1:" + long + "=", "local:v1:" + strings.Repeat("__--", 20), "local:v1:" + strings.Repeat("A", 1<<20),
	}
}

// long is base64 that is long enough to be a wrapped key.
var long = base64.StdEncoding.EncodeToString(make([]byte, 60))

func TestMalformedWrapIsRefused(t *testing.T) {
	k := newKEK(t, "default")
	for _, w := range malformed() {
		if _, err := unwrapOne(k, "default", "context", w); !errors.Is(err, localkek.ErrUnwrap) {
			t.Errorf("%.30q: %v, want ErrUnwrap", w, err)
		}
	}
	for _, n := range []string{"2", "2147483647"} {
		if _, err := unwrapOne(k, "default", "context", "local:v"+n+":"+long); !errors.Is(err, localkek.ErrVersion) {
			t.Errorf("version %s: %v, want ErrVersion", n, err)
		}
	}
}

func TestItemsFailAlone(t *testing.T) {
	k := newKEK(t, "default")
	contexts := [][]byte{{1}, {2}, {3}}
	w, err := k.Wrap(context.Background(), "default", contexts, [][]byte{{1}, {2}, {3}})
	if err != nil {
		t.Fatal(err)
	}
	w[1] = w[0]
	plain, errs, err := k.Unwrap(context.Background(), "default", contexts, w)
	if err != nil || len(errs) != 3 || errs[0] != nil || !errors.Is(errs[1], localkek.ErrUnwrap) || errs[2] != nil {
		t.Errorf("unwrapping: %v, %v, want an error for the second", errs, err)
	}
	if !bytes.Equal(plain[0], []byte{1}) || plain[1] != nil || !bytes.Equal(plain[2], []byte{3}) {
		t.Errorf("unwrapping gives %v", plain)
	}
	re, errs, err := k.Rewrap(context.Background(), "default", contexts, w)
	if err != nil || errs[0] != nil || !errors.Is(errs[1], localkek.ErrUnwrap) || re[1] != "" {
		t.Errorf("rewrapping: %v, %v, want an error for the second", errs, err)
	}
}

func TestCounts(t *testing.T) {
	k := newKEK(t, "default")
	two := [][]byte{{1}, {2}}
	w, err := k.Wrap(context.Background(), "default", two, two)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := k.Unwrap(context.Background(), "default", two, w); err != nil {
		t.Fatal(err)
	}
	if k.Requests() != 2 || k.Items() != 4 {
		t.Errorf("%d requests of %d items, want 2 of 4", k.Requests(), k.Items())
	}
}

func TestEndedContext(t *testing.T) {
	k := newKEK(t, "default")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := k.Wrap(ctx, "default", nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Wrap: %v, want Canceled", err)
	}
	if err := k.Ping(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Ping: %v, want Canceled", err)
	}
	if err := k.Ping(context.Background()); err != nil {
		t.Errorf("Ping: %v", err)
	}
}

func TestCreateOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kek")
	if _, err := localkek.Open(path, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("opening what is not there: %v, want ErrNotExist", err)
	}
	k, err := localkek.OpenOrCreate(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.CreateKey(context.Background(), "default"); err != nil {
		t.Fatal(err)
	}
	w := wrapOne(t, k, "default", "context", "plain")
	if _, err := localkek.Create(path, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("creating what is there: %v, want ErrExist", err)
	}
	for name, open := range map[string]func(string, []byte) (*localkek.KEK, error){"Open": localkek.Open, "OpenOrCreate": localkek.OpenOrCreate} {
		again, err := open(path, nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got, err := unwrapOne(again, "default", "context", w); err != nil || got != "plain" {
			t.Errorf("%s: what was wrapped before does not open: %v", name, err)
		}
	}
	if _, err := localkek.Create(filepath.Join(t.TempDir(), "no", "such", "dir"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("creating in no directory: %v, want ErrNotExist", err)
	}
}

func TestFileIsItsOwnersAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kek")
	k, err := localkek.Create(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // created, then replaced
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v, %v, want 0600", info.Mode(), err)
		}
		if err := k.CreateKey(context.Background(), "default"); err != nil {
			t.Fatal(err)
		}
	}
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o660, 0o620, 0o601} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := localkek.Open(path, nil); !errors.Is(err, localkek.ErrFile) {
			t.Errorf("mode %v: %v, want ErrFile", mode, err)
		}
	}
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	if _, err := localkek.Open(path, nil); err != nil {
		t.Errorf("mode 0400: %v", err)
	}
	if _, err := localkek.Open(t.TempDir(), nil); err == nil {
		t.Error("a directory is accepted")
	}
}

// TestNothingElseIsLeftBehind: no temporary file, and no plaintext key beside
// the file.
func TestNothingElseIsLeftBehind(t *testing.T) {
	dir := t.TempDir()
	k, err := localkek.Create(filepath.Join(dir, "kek"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.CreateKey(context.Background(), "default"); err != nil {
		t.Fatal(err)
	}
	if err := k.CreateKey(context.Background(), "NOT A NAME"); err == nil {
		t.Fatal("a name that is none was accepted")
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 || entries[0].Name() != "kek" || entries[1].Name() != "kek.lock" {
		t.Errorf("%v, %v, want kek and kek.lock", entries, err)
	}
	if info, err := os.Stat(filepath.Join(dir, "kek.lock")); err != nil || info.Size() != 0 || info.Mode().Perm() != 0o600 {
		t.Errorf("the lock: %v, %v, want an empty file of mode 0600", info, err)
	}
}

// TestConcurrentProcesses lets several KEKs, as of several processes, change and
// use one file: every change lands, everything opens everywhere.
func TestConcurrentProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kek")
	first, err := localkek.Create(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.CreateKey(context.Background(), "default"); err != nil {
		t.Fatal(err)
	}
	const processes, rotations = 4, 5
	var wg sync.WaitGroup
	for range processes {
		wg.Go(func() {
			k, err := localkek.Open(path, nil)
			if err != nil {
				t.Error(err)
				return
			}
			for range rotations {
				if _, err := k.Rotate(context.Background(), "default"); err != nil {
					t.Error(err)
				}
				w, err := k.Wrap(context.Background(), "default", [][]byte{{1}}, [][]byte{{2}})
				if err != nil {
					t.Error(err)
					continue
				}
				if got, err := unwrapOne(first, "default", "\x01", w[0]); err != nil || got != "\x02" {
					t.Errorf("what one wraps, another does not open: %v", err)
				}
			}
		})
	}
	wg.Wait()
	if s, err := first.Status(context.Background(), "default"); err != nil || s.Latest != 1+processes*rotations {
		t.Errorf("%+v, %v, want version %d: a change was lost", s, err, 1+processes*rotations)
	}
}

// TestCrashLeftovers: what a process that was killed left beside the file is
// neither read nor kept.
func TestCrashLeftovers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kek")
	k, err := localkek.Create(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".new", []byte("half a fi"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := k.CreateKey(context.Background(), "default"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path + ".new"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the leftover is still there: %v", err)
	}
	again, err := localkek.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.Status(context.Background(), "default"); err != nil {
		t.Errorf("the change was lost: %v", err)
	}
}

// TestVanishedFile fails closed: keys that are still in memory are not used.
func TestVanishedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kek")
	k, err := localkek.Create(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.CreateKey(context.Background(), "default"); err != nil {
		t.Fatal(err)
	}
	w := wrapOne(t, k, "default", "c", "p")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := unwrapOne(k, "default", "c", w); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Unwrap: %v, want ErrNotExist", err)
	}
	if err := k.Ping(context.Background()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Ping: %v, want ErrNotExist", err)
	}
	if err := k.CreateKey(context.Background(), "acme"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("CreateKey: %v, want ErrNotExist: a file that vanished is not made anew", err)
	}
}

func TestLockWaitsForItsHolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kek")
	k, err := localkek.Create(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	release := localkek.HoldLock(t, path)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- k.CreateKey(ctx, "default") }()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("while another process holds the lock: %v, want Canceled", err)
	}
	if err := k.Ping(context.Background()); err != nil {
		t.Errorf("reading while another process holds the lock: %v", err)
	}
	if _, err := os.Stat(path + ".new"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file was written without the lock: %v", err)
	}
	release()
	if err := k.CreateKey(context.Background(), "default"); err != nil {
		t.Errorf("after it was released: %v", err)
	}
}
