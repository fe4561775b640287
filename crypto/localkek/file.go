package localkek

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// maxFile is the largest file that is read, in bytes.
const maxFile = 64 << 20

// errUnchanged ends a change that has nothing to change.
var errUnchanged = errors.New("localkek: nothing to change")

// formatKeys returns the body of a file, in clear.
func formatKeys(ks keys) []byte {
	var b []byte
	for _, name := range slices.Sorted(maps.Keys(ks)) {
		e := ks[name]
		b = fmt.Appendf(b, "key %s %d %d %d %d\n", name, e.Latest, e.MinDecrypt, e.MinEncrypt, e.MinAvailable)
		for n := e.MinAvailable; n <= e.Latest; n++ {
			b = append(b, "version "...)
			b = strconv.AppendInt(b, int64(n), 10)
			b = append(b, ' ')
			b = base64.StdEncoding.AppendEncode(b, e.versions[n].secret)
			b = append(b, '\n')
		}
	}
	return append(b, "end\n"...)
}

// parseKeys reads what formatKeys makes, and nothing else.
func parseKeys(body []byte) (keys, error) {
	ks, last := keys{}, ""
	lines := lineReader{rest: body}
	for {
		f := lines.next()
		switch {
		case len(f) == 1 && f[0] == "end" && len(lines.rest) == 0:
			return ks, nil
		case len(f) != 6 || f[0] != "key" || !validName(f[1]) || f[1] <= last:
			return nil, ErrFile
		}
		e, err := parseEntry(f[2:], &lines)
		if err != nil {
			return nil, err
		}
		last = f[1]
		ks[last] = e
	}
}

// parseEntry reads the numbers of a key and the lines of its versions.
func parseEntry(numbers []string, lines *lineReader) (*entry, error) {
	var n [4]int
	for i, s := range numbers {
		var ok bool
		if n[i], ok = parseNumber(s, maxVersions); !ok {
			return nil, ErrFile
		}
	}
	e := &entry{
		KeyStatus: KeyStatus{Latest: n[0], MinDecrypt: n[1], MinEncrypt: n[2], MinAvailable: n[3]},
		versions:  map[int]*version{},
	}
	if !e.ordered() {
		return nil, ErrFile
	}
	for v := e.MinAvailable; v <= e.Latest; v++ {
		f := lines.next()
		if len(f) != 3 || f[0] != "version" || f[1] != strconv.Itoa(v) {
			return nil, ErrFile
		}
		secret, ok := parseBase64(f[2])
		if !ok || len(secret) != keySize {
			return nil, ErrFile
		}
		var err error
		if e.versions[v], err = newVersion(secret); err != nil {
			return nil, fmt.Errorf("reading a key version: %w", err)
		}
	}
	return e, nil
}

// lineReader takes lines apart into words. A last line without its line break
// is no line.
type lineReader struct{ rest []byte }

func (r *lineReader) next() []string {
	line, rest, ok := bytes.Cut(r.rest, []byte("\n"))
	if !ok {
		r.rest = nil
		return nil
	}
	r.rest = rest
	return strings.Split(string(line), " ")
}

// current returns the keys of the file as it is now: it is read again if another
// process has replaced it.
func (k *KEK) current(ctx context.Context) (*state, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	info, err := os.Stat(k.path)
	if err != nil {
		return nil, fmt.Errorf("looking at the key file: %w", err)
	}
	if s := k.state.Load(); s.same(info) {
		return s, nil
	}
	return k.load()
}

func (s *state) same(info fs.FileInfo) bool {
	return s != nil && os.SameFile(s.info, info) && s.info.ModTime().Equal(info.ModTime()) && s.info.Size() == info.Size()
}

// load reads the file if it is not the one that is known.
func (k *KEK) load() (*state, error) {
	k.loading.Lock()
	defer k.loading.Unlock()
	b, info, err := readFile(k.path)
	if err != nil {
		return nil, err
	}
	defer clear(b)
	if s := k.state.Load(); s.same(info) {
		return s, nil
	}
	ks, err := k.sealer.open(b)
	if err != nil {
		return nil, fmt.Errorf("reading the key file: %w", err)
	}
	s := &state{info: info, keys: ks}
	k.state.Store(s)
	return s, nil
}

// readFile reads a key file and what the file system says about that very file.
func readFile(path string) ([]byte, fs.FileInfo, error) {
	f, err := os.Open(path) //nolint:gosec // the path is the operator's
	if err != nil {
		return nil, nil, err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	switch {
	case !info.Mode().IsRegular() || info.Size() > maxFile:
		return nil, nil, ErrFile
	case info.Mode().Perm()&0o077 != 0:
		return nil, nil, fmt.Errorf("others than its owner have rights to it (chmod 600 it): %w", ErrFile)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	return b, info, err
}

// store replaces the file. The caller holds the lock.
func (k *KEK) store(ks keys) error {
	b, err := k.sealer.seal(ks)
	if err != nil {
		return err
	}
	defer clear(b)
	info, err := replaceFile(k.path, b)
	if err != nil {
		return fmt.Errorf("writing the key file: %w", err)
	}
	k.state.Store(&state{info: info, keys: ks})
	return nil
}

// replaceFile puts a file with the given contents in the place of path: after a
// crash, path is the old file or the new one. What a crash leaves beside it is
// removed by the next change. The caller holds the lock.
func replaceFile(path string, b []byte) (fs.FileInfo, error) {
	next := path + ".new"
	if err := os.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	f, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // beside the operator's path
	if err != nil {
		return nil, err
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Sync())
	info, statErr := f.Stat()
	if err = errors.Join(err, statErr, f.Close()); err != nil {
		return nil, errors.Join(err, os.Remove(next))
	}
	if err := os.Rename(next, path); err != nil {
		return nil, errors.Join(err, os.Remove(next))
	}
	return info, syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // the directory of the operator's path
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// locked runs f while nobody else changes the file, in this process or another.
// Reading it waits for nobody.
func (k *KEK) locked(ctx context.Context, f func() error) (err error) {
	lock, err := os.OpenFile(k.path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("locking the key file: %w", err)
	}
	defer func() { err = errors.Join(err, lock.Close()) }() // closing unlocks
	if err := flock(ctx, lock); err != nil {
		return fmt.Errorf("locking the key file: %w", err)
	}
	return f()
}

// flock waits for the lock until ctx ends.
func flock(ctx context.Context, f *os.File) error {
	wait := time.NewTicker(10 * time.Millisecond)
	defer wait.Stop()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-wait.C:
		}
	}
}
