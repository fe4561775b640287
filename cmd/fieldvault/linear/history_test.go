//go:build e2e

package linear_test

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"
)

// recordNames are the records that a person can have.
var recordNames = [2]string{"self", "two"}

// A step of a history: what was asked of which node, when, and what came back.
// Times count from the start of the run, on the monotonic clock.
type entry struct {
	in        op
	out       got
	call, ret time.Duration
	node      int
}

// forever is when an operation without an answer ends.
const forever = time.Duration(math.MaxInt64)

// A kept is a ciphertext that the application keeps.
type kept struct {
	text, value string
	gen         uint32
}

// A person is one subject, with what was done to it and what workers know of it.
type person struct {
	name string

	mu      sync.Mutex
	history []entry
	flying  int // operations under way
	lost    int // writes without an answer
	retired bool
	born    bool // a write was acknowledged
	erased  bool // this and the next two: as far as is known
	held    bool
	limited bool // processing is restricted
	ciphers []kept
	emails  [2]string // last written, for searches
	revs    [2]uint64 // last seen, for If-Match
}

// begin counts an operation in, unless the person is retired.
func (p *person) begin() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.retired {
		return false
	}
	p.flying++
	return true
}

// end records an operation. It says whether the person's history is complete:
// the person is retired and nothing is under way.
func (p *person) end(e entry) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.flying--
	if e.out == (got{}) {
		e.ret = forever
		if !e.in.kind.reads() {
			p.lost++
		}
	}
	if e.out != (got{}) || !e.in.kind.reads() {
		p.history = append(p.history, e)
	}
	p.learn(e)
	return p.retired && p.flying == 0
}

// learn keeps what later operations are made of.
func (p *person) learn(e entry) {
	switch {
	case e.out.code == gone || e.in.kind == erase && e.out.code == ok:
		p.erased = true
	case e.in.kind == reenrol && e.out.code == ok:
		p.erased, p.held, p.limited = false, false, false
	case e.out.code == held:
		p.held = true
	case e.out.email == hidden("restricted"):
		p.limited = true
	case e.out.code == ok && (e.in.kind == hold || e.in.kind == release):
		p.held = e.in.kind == hold
	case e.out.code == ok && (e.in.kind == restrict || e.in.kind == unrestrict):
		p.limited = e.in.kind == restrict
	}
	switch e.in.kind {
	case put, patch:
		if e.out.code == ok {
			p.born = true
			p.revs[e.in.rec] = e.out.rev
		}
		if e.in.email != "" {
			p.emails[e.in.rec] = e.in.email
		}
	case encrypt:
		p.born = p.born || e.out.code == ok
	case reveal:
		if e.out.rev != 0 {
			p.revs[e.in.rec] = e.out.rev
		}
	default:
	}
}

// retire ends the person after so many operations, or sooner when many of them
// have no answer: each can stand anywhere after its call, and the search for an
// order would not end. complete is as in end.
func (p *person) retire(most, lost int) (retired, complete bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.retired || len(p.history) < most && p.lost < lost {
		return p.retired, false
	}
	p.retired = true
	return true, p.flying == 0
}

// linearizable searches for an order of the history that the model allows.
func linearizable(history []entry, patience time.Duration) porcupine.CheckResult {
	return porcupine.CheckOperationsTimeout(model(), operations(history), patience)
}

func operations(history []entry) []porcupine.Operation {
	ops := make([]porcupine.Operation, len(history))
	for i, e := range history {
		ops[i] = porcupine.Operation{ClientId: i, Input: e.in, Output: e.out, Call: int64(e.call), Return: int64(e.ret)}
	}
	return ops
}

// stuck says where the longest order of a history without one ends: the state then,
// and the operation that returned first of those that do not fit.
func stuck(history []entry) string {
	_, info := porcupine.CheckOperationsVerbose(model(), operations(history), time.Minute)
	var longest []porcupine.Operation
	for _, partition := range info.PartialLinearizationsOperations() {
		for _, order := range partition {
			if len(order) > len(longest) {
				longest = order
			}
		}
	}
	s, left := state{}, map[int]bool{}
	for i := range history {
		left[i] = true
	}
	for _, o := range longest {
		_, s = step(s, o.Input.(op), o.Output.(got))
		delete(left, o.ClientId)
	}
	next := entry{ret: forever}
	for i := range left {
		if history[i].ret <= next.ret {
			next = history[i]
		}
	}
	return fmt.Sprintf("in the state %+v this does not fit:\n%s", s, tell([]entry{next}))
}

// scan is the check of I1 that needs no model: once an answer has said that the
// person, or the group leisure, is erased, nothing that starts after it shows a value
// of the person, or of the group, that was known before that operation began. It
// returns the entries that do.
func scan(history []entry) []entry {
	known := map[string]time.Duration{} // since when an answer has vouched for a value
	var ends, groups []entry            // answers that say erased
	for _, e := range history {
		for _, v := range e.vouches() {
			if at, ok := known[v]; !ok || e.ret < at {
				known[v] = e.ret
			}
		}
		if e.out.code == gone && e.in.kind != decrypt && e.in.kind != reencrypt || e.in.kind == erase && e.out.code == ok {
			ends = append(ends, e)
		}
		if e.in.kind == eraseGroup && e.out.code == ok {
			groups = append(groups, e)
		}
	}
	hobby := func(e entry) []string { return entry{out: got{hobby: e.out.hobby}}.shows() }
	return append(after(history, ends, known, entry.shows), after(history, groups, known, hobby)...)
}

// after lists what shows a value that was known before one of the ends began that an
// answer had told of.
func after(history, ends []entry, known map[string]time.Duration, shows func(entry) []string) (wrong []entry) {
	slices.SortFunc(ends, func(a, b entry) int { return cmp.Compare(a.ret, b.ret) })
	reads := slices.Clone(history)
	slices.SortFunc(reads, func(a, b entry) int { return cmp.Compare(a.call, b.call) })
	dead, i := time.Duration(-1), 0 // what was known before this instant is dead
	for _, e := range reads {
		for ; i < len(ends) && ends[i].ret < e.call; i++ {
			dead = max(dead, ends[i].call)
		}
		for _, v := range shows(e) {
			if at, ok := known[v]; ok && at < dead {
				wrong = append(wrong, e)
			}
		}
	}
	return wrong
}

// shows lists the values that an answer gives away.
func (e entry) shows() (list []string) {
	for _, v := range []string{e.out.email, e.out.city, e.out.hobby} {
		if text, plain := strings.CutPrefix(v, "="); plain {
			list = append(list, text)
		}
	}
	if e.out.found {
		list = append(list, e.in.email)
	}
	return list
}

// vouches lists the values that the person had, or had a ciphertext of, when the
// answer came: those shown, and those whose writing was acknowledged.
func (e entry) vouches() []string {
	if e.out.code != ok || e.in.kind != put && e.in.kind != patch && e.in.kind != encrypt {
		return e.shows()
	}
	return []string{e.in.email, e.in.city, e.in.hobby} // "" is shown by nobody
}

// tell writes a history in the order of the calls.
func tell(history []entry) string {
	var b strings.Builder
	list := slices.Clone(history)
	slices.SortFunc(list, func(a, b entry) int { return cmp.Compare(a.call, b.call) })
	for _, e := range list {
		ret := "          -"
		if e.ret != forever {
			ret = fmt.Sprintf("%11.3f", e.ret.Seconds()*1000)
		}
		fmt.Fprintf(&b, "%11.3f %s ms  node %d  %s -> %s\n", e.call.Seconds()*1000, ret, e.node, e.in, e.out)
	}
	return b.String()
}
