//go:build e2e

package linear_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// A plan says what a run does.
type plan struct {
	seed    uint64
	workers int           // at once
	people  int           // at once
	most    int           // steps of a person, before another takes its place
	ops     int64         // go on for at least so many operations,
	lasts   time.Duration // and at least so long
	faults  bool          // stop and kill nodes
	first   bool          // with the first violation, the operations alone suffice
	rotates bool          // give the keys new versions all the while, and destroy the old ones
	sold    int           // of a hundred reads, how many are for marketing
	weights map[kind]int
}

// usual is how often which operation is chosen.
func usual() map[kind]int {
	return map[kind]int{
		reveal: 30, put: 14, patch: 8, remove: 2, search: 8, encrypt: 5, decrypt: 9, reencrypt: 3, grant: 4, withdraw: 4, consents: 2,
		hold: 1, release: 1, restrict: 1, unrestrict: 1, erase: 4, eraseGroup: 2, reenrol: 1,
	}
}

// order is the order in which operations are weighed.
func order() []kind {
	return []kind{reveal, put, patch, remove, search, encrypt, decrypt, reencrypt, grant, withdraw, consents, hold, release, restrict, unrestrict, erase, eraseGroup, reenrol}
}

// A violation is what one of the checks found.
type violation struct{ check, text string }

// The checks.
const (
	byOrder  = "linearizability"
	byScan   = "I1 scan"
	byFsck   = "fsck"
	byLog    = "the audit log"
	byCanary = "canaries"
)

// A load is one run against a cluster.
type load struct {
	plan
	c     *cluster
	began time.Time

	took time.Duration

	ops, people   atomic.Int64
	kills, pauses int
	keys          turns
	values        atomic.Int64 // so that no two are the same
	pool          []atomic.Pointer[person]
	full          chan *person // with a complete history
	stop, caught  atomic.Bool

	mu        sync.Mutex
	tally     map[kind]map[string]int // steps by answer; "" is none
	found     []violation
	undecided int
}

// run puts the cluster under load and checks every history. The nodes go on.
func run(t *testing.T, c *cluster, p plan) *load {
	t.Helper()
	l := &load{plan: p, c: c, began: time.Now(), pool: make([]atomic.Pointer[person], p.people), full: make(chan *person, 1024), tally: map[kind]map[string]int{}}
	for i := range l.pool {
		l.pool[i].Store(l.born())
	}
	d := &dice{p.seed}
	var workers, checkers, keeper sync.WaitGroup
	checkers.Go(l.check)
	for range p.workers {
		mine := d.split()
		workers.Go(func() { l.work(t, mine) })
	}
	if p.rotates {
		mine := d.split()
		c.model = "" // copies of it will have no keys
		keeper.Go(func() { l.turn(t, mine) })
	}
	for told := l.began; !l.done(); {
		if p.faults {
			l.fault(t, d)
		}
		time.Sleep(50 * time.Millisecond)
		if time.Since(told) > time.Minute {
			told = time.Now()
			t.Logf("%d operations so far, of %d people", l.ops.Load(), l.people.Load())
		}
	}
	l.stop.Store(true)
	workers.Wait()
	l.took = time.Since(l.began)
	keeper.Wait() // its last turn ends, too
	for i := range l.pool {
		if p := l.pool[i].Load(); !p.retired {
			l.full <- p
		}
	}
	close(l.full)
	checkers.Wait()
	return l
}

func (l *load) done() bool {
	if l.stop.Load() {
		return true
	}
	enough := time.Since(l.began) >= l.lasts || l.first && l.caught.Load()
	return enough && l.ops.Load() >= l.plan.ops
}

// born makes a person of whom nobody has heard.
func (l *load) born() *person {
	return &person{name: fmt.Sprintf("%s-%d", l.c.canaries[1], l.people.Add(1))}
}

// fault stops a node for a while, mostly shorter than clients wait, or kills it.
func (l *load) fault(t *testing.T, d *dice) {
	t.Helper()
	time.Sleep(d.between(200*time.Millisecond, time.Second))
	i := d.n(len(l.c.nodes))
	switch {
	case d.chance(25):
		l.kills++
		l.c.kill(t, i)
	case d.chance(10):
		l.pauses++
		l.c.pause(t, i, answerWithin+d.between(0, time.Second))
	default:
		l.pauses++
		l.c.pause(t, i, d.between(10*time.Millisecond, 600*time.Millisecond))
	}
}

// node chooses a node, and rarely one that is stopped or dead.
func (l *load) node(d *dice) int {
	for {
		i := d.n(len(l.c.nodes))
		if !l.c.nodes[i].away.Load() || d.chance(5) {
			return i
		}
	}
}

func (l *load) work(t *testing.T, d *dice) {
	t.Helper()
	for !l.done() {
		n := 1
		if d.chance(10) {
			n = 2 + d.n(3)
		}
		seats := l.seats(d, n)
		if len(seats) == 0 {
			continue
		}
		if len(seats) == 1 {
			l.one(t, d, seats[0])
		} else {
			l.many(t, d, seats)
		}
		l.ops.Add(1)
	}
}

// A seat is a place in the pool and the person who has it.
type seat struct {
	at int
	p  *person
}

// seats takes up to n different people for an operation, in random places.
func (l *load) seats(d *dice, n int) (list []seat) {
	for range n {
		i := d.n(len(l.pool))
		if slices.ContainsFunc(list, func(s seat) bool { return s.at == i }) {
			continue
		}
		if p := l.pool[i].Load(); p.begin() {
			list = append(list, seat{i, p})
		}
	}
	return list
}

// one does one operation on one person.
func (l *load) one(t *testing.T, d *dice, s seat) {
	t.Helper()
	in, k := l.choose(d, s.p)
	e := entry{in: in, node: l.node(d), call: time.Since(l.began)}
	var made kept
	e.out, made = l.c.nodes[e.node].doors.Load().ask(t.Context(), s.p.name, in, k)
	e.ret = time.Since(l.began)
	if made.text != "" {
		s.p.mu.Lock()
		s.p.ciphers = append(s.p.ciphers, made)
		s.p.mu.Unlock()
	}
	l.end(s, e)
}

// many does one batch.
func (l *load) many(t *testing.T, d *dice, seats []seat) {
	t.Helper()
	k := reveal
	if d.chance(30) {
		k = put
	}
	ins, names := make([]op, len(seats)), make([]string, len(seats))
	for i, s := range seats {
		ins[i], names[i] = op{kind: k, rec: d.n(2)}, s.p.name
		if k == put {
			ins[i].email, ins[i].city, ins[i].hobby = l.email(), l.word(d, 60), l.word(d, 30)
		} else {
			ins[i].purpose = support
		}
	}
	node, call := l.node(d), time.Since(l.began)
	outs := l.c.nodes[node].doors.Load().askMany(t.Context(), names, ins)
	ret := time.Since(l.began)
	for i, s := range seats {
		l.end(s, entry{in: ins[i], out: outs[i], call: call, ret: ret, node: node})
	}
}

// end records an operation, and gives the seat of a person who has had enough to
// another.
func (l *load) end(s seat, e entry) {
	l.count(e)
	complete := s.p.end(e)
	retired, alone := s.p.retire(l.most, 4)
	if retired && l.pool[s.at].Load() == s.p {
		l.pool[s.at].CompareAndSwap(s.p, l.born())
	}
	if complete || alone {
		l.full <- s.p
	}
}

func (l *load) email() string {
	return fmt.Sprintf("%s-%d@example.org", l.c.canaries[0], l.values.Add(1))
}

// word is a value for another field, in so many of a hundred cases.
func (l *load) word(d *dice, percent int) string {
	if !d.chance(percent) {
		return ""
	}
	return fmt.Sprintf("%s-%d", l.c.canaries[0], l.values.Add(1))
}

// choose makes an operation that fits what is known of the person: mostly one that
// can succeed.
func (l *load) choose(d *dice, p *person) (op, kept) {
	p.mu.Lock()
	defer p.mu.Unlock()
	in := op{kind: l.pick(d, p)}
	if d.chance(20) {
		in.rec = 1
	}
	switch in.kind {
	case put:
		in.email, in.city, in.hobby = l.email(), l.word(d, 60), l.word(d, 30)
	case patch:
		if in.city = l.word(d, 40); in.city == "" {
			in.hobby = l.word(d, 50)
		}
		if in.city == "" && in.hobby == "" {
			in.email = l.email()
		}
	case reveal:
		if in.purpose = support; d.chance(l.sold) {
			in.purpose = marketing
		}
	case search:
		if in.email = p.emails[in.rec]; in.email == "" {
			in.email = l.email()
		}
	case encrypt:
		in.email = l.email()
	case decrypt, reencrypt:
		k := p.ciphers[max(0, len(p.ciphers)-1-d.n(3))]
		in.email, in.gen = k.value, k.gen
		return in, k
	default:
	}
	if (in.kind == put || in.kind == patch) && d.chance(15) {
		in.ifMatch = p.revs[in.rec]
	}
	return in, kept{}
}

// pick chooses by weight.
func (l *load) pick(d *dice, p *person) kind {
	weight := func(k kind) int {
		w := l.weights[k]
		switch {
		case (k == grant || k == withdraw) && !p.born, (k == decrypt || k == reencrypt) && len(p.ciphers) == 0:
			return 0 // a grant makes a person in two steps, which the model has not
		case k == reenrol && p.erased, k == release && p.held, k == unrestrict && p.limited:
			return 15 * w
		}
		return w
	}
	sum := 0
	for _, k := range order() {
		sum += weight(k)
	}
	at := d.n(sum)
	for _, k := range order() {
		if at -= weight(k); at < 0 {
			return k
		}
	}
	return reveal
}

// check looks at every complete history.
func (l *load) check() {
	for p := range l.full {
		l.judge(p.name, p.history)
	}
}

func (l *load) judge(name string, history []entry) {
	var found []violation
	if wrong := scan(history); len(wrong) > 0 {
		found = append(found, violation{byScan, fmt.Sprintf("of %s, values of the erased are shown:\n%sin\n%s", name, tell(wrong), tell(history))})
	}
	result := linearizable(history, time.Minute)
	if result == porcupine.Illegal {
		found = append(found, violation{byOrder, fmt.Sprintf("the history of %s has no order; %sof\n%s", name, stuck(history), tell(history))})
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if result == porcupine.Unknown {
		l.undecided++
	}
	l.found = append(l.found, found...)
	l.caught.Store(len(l.found) > 0)
}

// by counts the violations of a check.
func (l *load) by(check string) (n int) {
	for _, v := range l.found {
		if v.check == check {
			n++
		}
	}
	return n
}

// count keeps how often what was answered.
func (l *load) count(e entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tally[e.in.kind] == nil {
		l.tally[e.in.kind] = map[string]int{}
	}
	l.tally[e.in.kind][e.out.code]++
}

// answers is the tally as text.
func (l *load) answers() string {
	var b strings.Builder
	for _, k := range order() {
		fmt.Fprintf(&b, "%-11s", k)
		for _, code := range slices.Sorted(maps.Keys(l.tally[k])) {
			fmt.Fprintf(&b, " %s %d", cmp.Or(code, "no answer"), l.tally[k][code])
		}
		fmt.Fprintln(&b)
	}
	return b.String()
}

// String is the line that a run ends with.
func (l *load) String() string {
	steps, lost := 0, 0
	for _, codes := range l.tally {
		lost += codes[""]
		for _, n := range codes {
			steps += n
		}
	}
	return fmt.Sprintf("%d operations (%d steps of %d people, %d without an answer, %d erasures, %d of a group) in %.0f s; %d kills, %d stops; %s; %d violations, %d unknown; seed %d",
		l.ops.Load(), steps, l.people.Load(), lost, l.tally[erase][ok], l.tally[eraseGroup][ok], l.took.Seconds(), l.kills, l.pauses, l.keys, len(l.found), l.undecided, l.seed)
}
