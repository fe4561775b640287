package e2e_test

import (
	"syscall"
	"testing"
)

// nodeCases need a second process of the service on the same database.
func nodeCases() []testCase {
	return []testCase{
		{name: "N01_erased_by_one_read_by_both", run: erasedByOne},
		{name: "N02_withdrawn_at_one_read_at_the_other", run: withdrawnAtOne},
		{name: "N03_a_node_that_was_stopped", run: stoppedNode},
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
