package localkek

import (
	"context"
	"os"
	"testing"
)

// HoldLock takes the lock of a key file, as another process would.
func HoldLock(tb testing.TB, path string) (release func()) {
	tb.Helper()
	f, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		tb.Fatal(err)
	}
	if err := flock(context.Background(), f); err != nil {
		tb.Fatal(err)
	}
	return func() {
		if err := f.Close(); err != nil {
			tb.Error(err)
		}
	}
}

// Reformat parses a file in clear and writes it again.
func Reformat(b []byte) ([]byte, error) {
	s, err := sealerOf(b, nil)
	if err != nil {
		return nil, err
	}
	ks, err := s.open(b)
	if err != nil {
		return nil, err
	}
	return s.seal(ks)
}

// ReformatWrapped parses a wrapped key and writes it again.
func ReformatWrapped(s string) (string, bool) {
	n, box, ok := parseWrapped(s)
	if !ok {
		return "", false
	}
	return formatWrapped(n, box), true
}

// ReformatHeader parses the header of a sealed file and writes it again.
func ReformatHeader(s string) (string, bool) {
	a, ok := parseArgon(s)
	if !ok {
		return "", false
	}
	return a.header(), true
}

// CreateCheap is Create with an Argon2id that costs nothing, for tests that open
// a file often.
func CreateCheap(path string, passphrase []byte) (*KEK, error) {
	s, err := derive(argon{passes: 1, memory: 8, lanes: 1, salt: make([]byte, saltSize)}, passphrase)
	if err != nil {
		return nil, err
	}
	k := &KEK{path: path, sealer: s}
	return k, k.store(keys{})
}
