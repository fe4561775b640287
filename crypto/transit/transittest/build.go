package transittest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

const moduleLine = "module github.com/fieldvault/fieldvault"

// Build returns the path of the Vault server for tests, which it builds from
// deploy/devvault unless it has been built on this machine before: that takes 5
// to 15 minutes of two cores, and says so on w. Several processes that call it
// at once build once. The binary stands in the user's cache directory, under
// fieldvault/devvault-<hash of its sources>.
func Build(ctx context.Context, w io.Writer) (path string, err error) {
	source, path, err := locate()
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", err
	}
	unlock, err := lock(ctx, path+".lock")
	if err != nil {
		return "", fmt.Errorf("waiting for another build: %w", err)
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := build(ctx, w, source, path); err != nil {
		return "", fmt.Errorf("building deploy/devvault: %w", err)
	}
	return path, nil
}

// built returns the path of the server if it has been built.
func built() (string, error) {
	_, path, err := locate()
	if err != nil {
		return "", err
	}
	_, err = os.Stat(path)
	return path, err
}

// locate returns deploy/devvault and where its binary belongs.
func locate() (source, path string, err error) {
	root, err := Root()
	if err != nil {
		return "", "", err
	}
	source = filepath.Join(root, "deploy", "devvault")
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", "", err
	}
	files, err := filepath.Glob(filepath.Join(source, "*.go"))
	if err != nil {
		return "", "", err
	}
	files = append(files, filepath.Join(source, "go.mod"), filepath.Join(source, "go.sum"))
	slices.Sort(files)
	h := sha256.New()
	_, _ = fmt.Fprintln(h, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	for _, name := range files {
		b, err := os.ReadFile(name) //nolint:gosec // files of this checkout
		if err != nil {
			return "", "", err
		}
		_, _ = fmt.Fprintf(h, "%s %x\n", filepath.Base(name), sha256.Sum256(b))
	}
	return source, filepath.Join(cache, "fieldvault", "devvault-"+hex.EncodeToString(h.Sum(nil)[:8])), nil
}

// Root returns the checkout that the working directory is in.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		b, err := os.ReadFile(filepath.Join(dir, "go.mod")) //nolint:gosec // looking for our own go.mod
		if err == nil && slices.Contains(strings.Split(string(b), "\n"), moduleLine) {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("the working directory is not in a checkout of fieldvault")
		}
		dir = parent
	}
}

// lock takes the lock of a file, which ends with the process too.
func lock(ctx context.Context, path string) (unlock func() error, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // a path of our own
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return f.Close, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errors.Join(err, f.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), f.Close())
		case <-tick.C:
		}
	}
}

// build compiles source into path, and says on w how far it is.
func build(ctx context.Context, w io.Writer, source, path string) error {
	tmp := path + ".new"
	cmd := exec.CommandContext(ctx, "go", "build", "-v", "-trimpath", "-ldflags=-s -w", "-o", tmp, ".") //nolint:gosec // our own module
	cmd.Dir = source
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=-buildvcs=false")
	out, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintln(w, "building a Vault server for the tests: 5 to 15 minutes, once on this machine")
	if err := cmd.Start(); err != nil {
		return err
	}
	said := progress(w, out)
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("%w\n%s", err, said)
	}
	_, _ = fmt.Fprintln(w, "built", path)
	return os.Rename(tmp, path)
}

// progress counts the packages that the compiler names in r, writes the number
// to w every half minute, and returns the last lines once r ends.
func progress(w io.Writer, r io.Reader) []byte {
	var packages atomic.Int64
	done := make(chan struct{})
	ticking := make(chan struct{})
	go func() {
		defer close(ticking)
		tick := time.NewTicker(30 * time.Second)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				_, _ = fmt.Fprintf(w, "still building: %d packages compiled\n", packages.Load())
			}
		}
	}()
	var last [][]byte
	for lines := bufio.NewScanner(r); lines.Scan(); packages.Add(1) {
		last = append(last, bytes.Clone(lines.Bytes()))
		last = last[max(0, len(last)-20):]
	}
	close(done)
	<-ticking
	return bytes.Join(last, []byte("\n"))
}
