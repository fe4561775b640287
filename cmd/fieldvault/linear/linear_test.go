//go:build e2e

package linear_test

import (
	"crypto/rand"
	"encoding/binary"
	"flag"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/cmd/fieldvault/processtest"
)

var (
	atLeast = flag.Int64("linear.ops", 0, "TestLinearizable goes on for at least so many operations; 0: for a minute")
	seed    = flag.Uint64("linear.seed", 0, "of people, operations and faults; 0: a new one")
)

// TestLinearizable is the load with faults on three nodes, and every check.
func TestLinearizable(t *testing.T) {
	g := newGrounds(t)
	c := newCluster(t, g, processtest.Build(t))
	p := plan{seed: *seed, workers: 12, people: 8, most: 80, ops: *atLeast, faults: true, rotates: true, sold: 35, weights: usual()}
	if p.seed == 0 {
		p.seed = newSeed()
	}
	if p.ops == 0 {
		p.lasts = time.Minute
	}
	l := run(t, c, p)
	l.atRest(t)
	t.Log(l)
	l.report(t)
	t.Logf("answers:\n%s", l.answers())
	if l.kills == 0 || l.pauses == 0 {
		t.Error("no node was killed, or none was stopped")
	}
	if most := 1 + int(l.took/(2*time.Minute)); l.keys.rewraps < most || l.keys.moved == 0 || l.keys.trims == 0 {
		t.Errorf("of the keys: %s; want at least %d rewraps", l.keys, most)
	}
	for _, k := range order() {
		if l.tally[k][ok] < 5 {
			t.Errorf("%s has succeeded %d times: too rarely to show anything", k, l.tally[k][ok])
		}
	}
}

func newSeed() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return binary.LittleEndian.Uint64(b[:])
}

// report fails the test for what was found, with the first histories.
func (l *load) report(t *testing.T) {
	t.Helper()
	for i, v := range l.found {
		if i == 5 {
			t.Errorf("and %d more", len(l.found)-i)
			break
		}
		t.Errorf("%s: %s", v.check, v.text)
	}
	if l.undecided > 0 {
		t.Errorf("%d histories were not decided in time", l.undecided)
	}
}

// atRest ends the nodes and looks at what is left.
func (l *load) atRest(t *testing.T) {
	t.Helper()
	l.c.rest(t)
	findings, people := l.c.fsck(t)
	if people == 0 {
		t.Error("fsck saw nobody")
	}
	for _, f := range findings {
		l.found = append(l.found, violation{byFsck, f})
	}
	if why := l.c.log(t); why != "" {
		l.found = append(l.found, violation{byLog, why})
	}
	for _, f := range l.c.leaks(t) {
		l.found = append(l.found, violation{byCanary, f})
	}
}
