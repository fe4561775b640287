//go:build e2e

package linear_test

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/cmd/fieldvault/processtest"
)

// A bug is one of vault/seed_on.go, with the load that provokes it.
type bug struct {
	name string
	plan plan
}

// quick is a load of a few people, so that operations collide: so many operations,
// and on until a history is wrong, but at most so long.
func quick(workers, people int, most time.Duration, weights map[kind]int) plan {
	return plan{workers: workers, people: people, most: 50, ops: 500, lasts: most, first: true, sold: 50, weights: weights}
}

// rotating is the load while keys get new versions.
func rotating(p plan) plan {
	p.rotates = true
	return p
}

// with changes the usual weights.
func with(change map[kind]int) map[kind]int {
	m := usual()
	maps.Copy(m, change)
	return m
}

func bugs() []bug {
	lives := with(map[kind]int{erase: 8, reenrol: 4})
	officers := with(map[kind]int{hold: 8, release: 2, restrict: 8, unrestrict: 2, erase: 12, reenrol: 4})
	consenting := with(map[kind]int{reveal: 60, put: 25, patch: 2, search: 2, decrypt: 2, grant: 15, withdraw: 15, erase: 1})
	const long = 40 * time.Second
	return []bug{
		{"", rotating(quick(6, 4, 10*time.Second, usual()))},
		{"cache-without-fence", quick(6, 6, long, usual())},
		{"fence-50ms", quick(6, 3, long, usual())},
		// People must stand when a rewrap reads their keys, and change before it stores them.
		{"rewrap-blind", rotating(quick(6, 40, 20*time.Second, lives))},
		{"put-cached-key", quick(6, 6, long, lives)},
		{"no-row-lock", quick(8, 2, long, officers)},
		{"consent-cached", quick(6, 6, long, consenting)},
	}
}

// TestSeededBugsAreCaught runs the suite in short form against binaries that have a
// bug each: a check must find it. The same binary without a bug must pass. The table
// that it prints stands in deploy/docs/linearizability.md.
func TestSeededBugsAreCaught(t *testing.T) {
	g := newGrounds(t)
	program := processtest.Build(t, "seeded")
	checks := []string{byOrder, byScan, byFsck, byCanary}
	var table strings.Builder
	fmt.Fprintf(&table, "| bug | %s |\n", strings.Join(checks, " | "))
	for _, b := range bugs() {
		t.Run("seed_"+b.name, func(t *testing.T) {
			p := b.plan
			p.seed = newSeed()
			l := run(t, newCluster(t, g, program, "FIELDVAULT_TEST_SEED="+b.name), p)
			l.atRest(t)
			t.Log(l)
			if p.rotates && l.keys.rewraps == 0 {
				t.Error("no key was moved to another version")
			}
			fmt.Fprintf(&table, "| %s |", b.name)
			for _, c := range checks {
				fmt.Fprintf(&table, " %d |", l.by(c))
			}
			fmt.Fprintln(&table)
			if b.name == "" {
				l.report(t)
			} else if len(l.found) == 0 {
				t.Error("no check has found it")
			}
		})
	}
	t.Logf("what each check has found:\n%s", table.String())
}

// The table of the documentation, and the bugs themselves, are those that are tested.
func TestEveryBugIsInTheTable(t *testing.T) {
	table, err := os.ReadFile("../../../deploy/docs/linearizability.md")
	must(t, err)
	source, err := os.ReadFile("../../../vault/seed_on.go")
	must(t, err)
	var want []string
	for _, m := range regexp.MustCompile(`seed\w+ += "(.+?)"`).FindAllSubmatch(source, -1) {
		want = append(want, string(m[1]))
	}
	var tested, written []string
	for _, b := range bugs()[1:] {
		tested = append(tested, b.name)
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `(.+?)` \\|").FindAllSubmatch(table, -1) {
		written = append(written, string(m[1]))
	}
	if !slices.Equal(tested, want) || !slices.Equal(written, want) {
		t.Errorf("vault has %q, tested are %q, documented %q", want, tested, written)
	}
}
