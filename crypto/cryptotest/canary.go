package cryptotest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// minForm is the length of the shortest form that is searched for, in bytes.
// Shorter ones would be found in random bytes by chance.
const minForm = 4

// chunk is how much of a file is searched at once, in bytes.
const chunk = 1 << 20

// Canaries are values that must not be found in a place. They are searched for
// as they are, in lower and upper case, reversed, and in encodings: hex, base64
// and base32 at every alignment and with or without padding, UTF-16, Latin-1,
// percent-encoding, the escapes of JSON, HTML, SQL, Go and CSV, lists of byte
// values, and the digests that would identify them.
//
// What cannot be found: compressed or encrypted values, and values that are
// stored in pieces. Canaries may be used concurrently.
type Canaries struct {
	forms  []form
	tables []table
	max    int // length of the longest form
}

// form is one form of one value; its name never contains the value.
type form struct {
	name string
	text []byte
}

// NewCanaries returns the search for the given values. Longer and stranger
// values are better canaries: a value of less than four bytes is refused with a
// panic, because it would be found everywhere.
func NewCanaries(values ...string) *Canaries {
	c := &Canaries{}
	known := map[string]bool{}
	for i, v := range values {
		if len(v) < minForm {
			panic(fmt.Sprintf("cryptotest: canary %d has less than %d bytes", i+1, minForm))
		}
		for _, f := range forms(v) {
			if known[string(f.text)] || bits(f) < 8*minForm {
				continue
			}
			known[string(f.text)] = true
			c.forms = append(c.forms, form{fmt.Sprintf("canary %d (%s)", i+1, f.name), f.text})
			c.max = max(c.max, len(f.text))
		}
	}
	c.tables = tablesOf(c.forms)
	return c
}

// bits says how much of a value a form shows: an aligned form leaves out the
// characters at its ends.
func bits(f encoded) int {
	switch {
	case strings.Contains(f.name, "base64"):
		return 6 * len(f.text)
	case strings.Contains(f.name, "base32"):
		return 5 * len(f.text)
	default:
		return 8 * len(f.text)
	}
}

// Find returns what was found in b, sorted: the number of each canary, in the
// order in which they were given and from 1, and its encoding. It never returns
// a value. nil: nothing was found.
func (c *Canaries) Find(b []byte) []string {
	found := map[int32]bool{}
	c.search(b, found)
	return c.names(found)
}

// search adds the forms that are in b.
func (c *Canaries) search(b []byte, found map[int32]bool) {
	for i := range c.tables {
		c.tables[i].search(b, func(a anchor, at int) {
			text, from := c.forms[a.form].text, at-a.offset
			if from >= 0 && !found[a.form] && bytes.HasPrefix(b[from:], text) {
				found[a.form] = true
			}
		})
	}
}

func (c *Canaries) names(found map[int32]bool) []string {
	var names []string
	for n := range found {
		names = append(names, c.forms[n].name)
	}
	slices.Sort(names)
	return names
}

// FindInReader is [Canaries.Find] for all that r gives.
func (c *Canaries) FindInReader(r io.Reader) ([]string, error) {
	found := map[int32]bool{}
	buf := make([]byte, 0, chunk+c.max)
	for {
		n, err := io.ReadFull(r, buf[len(buf):len(buf)+chunk])
		buf = buf[:len(buf)+n]
		c.search(buf, found)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return c.names(found), nil
		}
		if err != nil {
			return c.names(found), fmt.Errorf("searching for canaries: %w", err)
		}
		// A form may stand across the border: keep what could begin one.
		keep := min(len(buf), max(c.max-1, 0))
		buf = append(buf[:0], buf[len(buf)-keep:]...)
	}
}

// FindInDir searches all regular files under dir, and their names. What was
// found is preceded by the file's path in dir, unless the path itself holds a
// canary. A file that vanishes meanwhile is passed over; one that cannot be read
// is an error, because it was not searched.
func (c *Canaries) FindInDir(dir string) ([]string, error) {
	var all []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path != dir {
			return nil
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if hits := c.Find([]byte(rel)); hits != nil {
			rel = "(a file)"
			all = append(all, prefixed("(a file name)", hits)...)
		}
		if !d.Type().IsRegular() {
			return nil
		}
		hits, err := c.findInFile(path)
		all = append(all, prefixed(rel, hits)...)
		return err
	})
	if err != nil {
		return all, fmt.Errorf("searching files: %w", err)
	}
	return all, nil
}

func (c *Canaries) findInFile(path string) ([]string, error) {
	f, err := os.Open(path) //nolint:gosec // the test chose it
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	hits, err := c.FindInReader(f)
	return hits, errors.Join(err, f.Close())
}

func prefixed(path string, hits []string) []string {
	out := make([]string, len(hits))
	for i, h := range hits {
		out[i] = path + ": " + h
	}
	return out
}
