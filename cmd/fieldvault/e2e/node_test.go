//go:build e2e

package e2e_test

import (
	"flag"
	"fmt"
	"sync"
	"syscall"
	"testing"
)

// withdrawals is how often N09 withdraws.
var withdrawals = flag.Int("e2e.withdrawals", 1000, "how many withdrawals are each followed by reads on three nodes")

// nodeCases need a second process of the service on the same database.
func nodeCases() []testCase {
	return []testCase{
		{name: "N01_erased_by_one_read_by_both", run: erasedByOne},
		{name: "N02_withdrawn_at_one_read_at_the_other", run: withdrawnAtOne},
		{name: "N03_a_node_that_was_stopped", run: stoppedNode},
		{name: "N09_withdrawn_and_read_at_once_on_three", run: withdrawnOnThree},
	}
}

// second starts a second process, where the store carries several.
func (w *world) second(t *testing.T) (p *process, url string) {
	t.Helper()
	p, url, _ = w.serve(t, t)
	return p, url
}

// I1: warm caches on two nodes, erased by one, read by both at once and for 2 s.
func erasedByOne(t *testing.T, w *world) {
	if !w.production {
		return // SQLite is a single node's
	}
	email := w.canary("n01") + "@example.org"
	w.put(t, "n01", fields{"email": email})
	_, other := w.second(t)
	race(t, w, []string{w.url, other}, "n01", email, w.encrypt(t, "n01", "customer.email", email))
}

func withdrawnAtOne(t *testing.T, w *world) {
	if !w.production {
		return
	}
	w.put(t, "n02", fields{"email": "n02@example.org"})
	_, other := w.second(t)
	read := call{token: w.token(t, "marketing"), purpose: "marketing", path: recordPath("n02", "customer", "self") + "?fields=email"}
	for range 10 {
		for _, step := range [][2]string{{"granted", "plain: n02@example.org"}, {"withdrawn", "hidden: consent"}} {
			w.decide(t, "n02", "marketing", step[0]).want(t, step[0], "200")
			if got := w.at(t, other, read).view(t, "email"); got != step[1] {
				t.Errorf("at the other node, once %s: %q", step[0], got)
			}
		}
	}
}

// I8: every withdrawal is in force on all three nodes when it is acknowledged: by reads
// that all begin then.
func withdrawnOnThree(t *testing.T, w *world) {
	if !w.production {
		return
	}
	_, second := w.second(t)
	_, third := w.second(t)
	nodes := []string{w.url, second, third}
	const people = 10
	reads := make([]call, people)
	for i := range people {
		subject := fmt.Sprintf("n04-%d", i)
		w.put(t, subject, fields{"email": subject + "@example.org"})
		reads[i] = call{token: w.token(t, "marketing"), purpose: "marketing", path: recordPath(subject, "customer", "self") + "?fields=email"}
	}
	opened := 0
	for n := range *withdrawals {
		i := n % people
		subject := fmt.Sprintf("n04-%d", i)
		w.decideAt(t, nodes[n%3], subject, "marketing", "granted").want(t, "granting", "200")
		if w.at(t, nodes[(n+1)%3], reads[i]).view(t, "email") == "plain: "+subject+"@example.org" {
			opened++
		}
		w.decideAt(t, nodes[(n+2)%3], subject, "marketing", "withdrawn").want(t, "withdrawing", "200")
		var wg sync.WaitGroup
		for _, node := range nodes {
			wg.Go(func() {
				if got := w.at(t, node, reads[i]).view(t, "email"); got != "hidden: consent" {
					t.Errorf("withdrawal %d, read at %s: %q", n, node, got)
				}
			})
		}
		wg.Wait()
	}
	if opened != *withdrawals {
		t.Errorf("only %d of %d grants opened anything before they were withdrawn", opened, *withdrawals)
	}
	t.Logf("%d withdrawals, each followed at once by reads on %d nodes: none opened", *withdrawals, len(nodes))
}

// A node that stood still during the erasure shows nothing when it goes on.
func stoppedNode(t *testing.T, w *world) {
	if !w.production {
		return
	}
	email := w.canary("n03") + "@example.org"
	w.put(t, "n03", fields{"email": email})
	p, other := w.second(t)
	read := call{token: w.token(t, "app"), purpose: "support", path: recordPath("n03", "customer", "self") + "?fields=email"}
	if got := w.at(t, other, read).view(t, "email"); got != "plain: "+email {
		t.Fatalf("before: %q", got)
	}
	p.Signal(t, syscall.SIGSTOP)
	w.erase(t, "n03").want(t, "erasing", "200")
	p.Signal(t, syscall.SIGCONT)
	for range 20 {
		if got := w.at(t, other, read).view(t, "email"); got != "410 gone" {
			t.Errorf("after it went on: %q", got)
		}
	}
}
