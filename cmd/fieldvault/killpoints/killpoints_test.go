//go:build e2e

package killpoints_test

import (
	"bytes"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/cmd/fieldvault/processtest"
	"github.com/fieldvault/fieldvault/vault/storetest"
)

var rounds = flag.Int("killpoints.rounds", 1, "how often TestKillPoints goes through each point")

// TestKillPoints goes through every point, as doc.go says.
func TestKillPoints(t *testing.T) {
	g := newGrounds(t)
	began, tables := time.Now(), make([][]line, len(lanes()))
	t.Run("lanes", func(t *testing.T) {
		for i, l := range lanes() {
			t.Run(l.name, func(t *testing.T) {
				t.Parallel()
				tables[i] = l.all(t, g, *rounds)
			})
		}
	})
	t.Logf("in %.0f s:\n%s", time.Since(began).Seconds(), draw(slices.Concat(tables...)))
}

// all the points there are, by name.
func names() (list []string) {
	for _, l := range lanes() {
		for _, p := range l.points {
			list = append(list, p.name)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// Every point of the product is gone through, and stands in the documentation.
func TestEveryPointIsInTheTable(t *testing.T) {
	var placed []string
	for _, dir := range []string{"../../../vault", "../../../cmd"} {
		must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			for _, m := range regexp.MustCompile(`failpoint\.Hit\("(.+?)"\)`).FindAllStringSubmatch(readFile(t, path), -1) {
				placed = append(placed, m[1])
			}
			return nil
		}))
	}
	var written []string
	for _, m := range regexp.MustCompile("(?m)^\\|.*?\\| `(.+?)` \\|").FindAllStringSubmatch(readFile(t, "../../../deploy/docs/killpoints.md"), -1) {
		written = append(written, m[1])
	}
	slices.Sort(placed)
	slices.Sort(written)
	written = slices.Compact(written) // some are reached in two ways
	if want := names(); !slices.Equal(placed, want) || !slices.Equal(written, want) {
		t.Errorf("gone through are %q, placed %q, documented %q", want, placed, written)
	}
}

// A binary that is not built for this suite has nothing of it; one that is, has.
func TestNothingOfItIsInABinary(t *testing.T) {
	storetest.NeedTime(t)
	words := append(names(), "FIELDVAULT_TEST_FAILPOINT")
	for _, c := range []struct {
		program processtest.Program
		has     bool
	}{{processtest.Build(t), false}, {processtest.Build(t, "failpoints"), true}} {
		binary := []byte(readFile(t, string(c.program)))
		for _, word := range words {
			if got := bytes.Contains(binary, []byte(word)); got != c.has {
				t.Errorf("%q is in the binary: %t, want %t", word, got, c.has)
			}
		}
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	return string(b)
}
