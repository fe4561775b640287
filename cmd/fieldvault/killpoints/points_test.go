//go:build e2e

package killpoints_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/cmd/fieldvault/processtest"
	"github.com/fieldvault/fieldvault/vault/api"
	"github.com/fieldvault/fieldvault/vault/client"
)

// A point is one failpoint of the product, and how it is reached.
type point struct {
	name string
	area string
	// nth says which time the point is reached is the last, by round; nil: the first.
	nth func(round int) int
	// prepare is done with a node that serves, before the one that will die; nil:
	// nothing has to be.
	prepare func(t *testing.T, w *world)
	// kill leads a process to the point, and returns when it has ended.
	kill func(t *testing.T, w *world, env []string)
	// repair is what an operator does, with a node that serves again; nil: nothing.
	repair func(t *testing.T, w *world)
}

// varied lets the load go on for some time, another in each round.
func varied(round int) int { return 1 + round*3%16 }

// A lane is points that are gone through one after the other, in worlds of its own,
// while others go through theirs.
type lane struct {
	name     string
	withFile bool // whether the ledger is a file
	points   []point
}

// lanes are all points, in the order of the documentation.
func lanes() []lane {
	return []lane{
		{"people", false, peoplePoints()},
		{"remains", false, remainsPoints()},
		{"keys", false, keyPoints()},
		{"keeper", false, keeperPoints()},
		{"recovery", false, replayPoints()},
		{"filed", true, filePoints()},
	}
}

// peoplePoints are those of requests about people.
func peoplePoints() []point {
	var list []point
	add := adding(&list)
	loaded := point{nth: varied, kill: killNode(nil)}
	add("put", loaded, "put-wrapped", "put-stored", "put-committed")
	add("erase", loaded, "erase-fenced", "erase-groups-shredded", "erase-committed", "erase-told")
	return list
}

// remainsPoints are those of what follows from an erasure.
func remainsPoints() []point {
	var list []point
	add := adding(&list)
	loaded := point{nth: varied, kill: killNode(nil)}
	cleaning := point{prepare: leaveRemains, kill: killNode(nil), nth: func(round int) int { return 1 + round%3 }}
	add("ledger", loaded, "outbox-told", "ledger-asking", "ledger-committed")
	add("clean-up", cleaning, "sweep-deleted", "sweep-between", "sweep-forgetting", "clean-dropped", "clean-between")
	return list
}

// keyPoints are those of key-encryption keys.
func keyPoints() []point {
	var list []point
	add := adding(&list)
	rewrapping := point{kill: killNode(rotate)}
	add("rewrap", rewrapping, "rewrap-own-wrapped", "rewrap-wrapped", "rewrap-stored", "rewrap-raised")
	add("rotation", point{kill: killVerb("keys", "rotate"), repair: rotateAgain}, "rotate-recorded")
	add("rotation", point{kill: killVerb("keys", "rotate"), repair: rewrapAfter}, "rotate-rotated")
	add("rotation", point{prepare: rotated, kill: killVerb("keys", "retire"), repair: retireAgain}, "retire-between")
	add("rotation", point{prepare: retired, kill: killVerb("keys", "trim", "--yes"), repair: trimAgain}, "trim-recorded", "trim-trimmed")
	return list
}

// keeperPoints are some of keys again, where a keeper's process works on a job that was
// asked for over HTTP, and another takes it over.
func keeperPoints() []point {
	var list []point
	add := adding(&list)
	add("keeper's job", point{kill: killKeeper((*client.Client).RotateKey), repair: keepAgain}, "rotate-rotated")
	add("keeper's job", point{prepare: rotated, kill: killKeeper((*client.Client).RetireKey), repair: keepRetired}, "retire-set")
	add("keeper's job", point{prepare: retired, kill: killKeeper((*client.Client).TrimKey), repair: keepTrimmed}, "trim-trimmed")
	return list
}

// replayPoints are those of the recovery of a database.
func replayPoints() []point {
	var list []point
	add := adding(&list)
	few := func(round int) int { return 1 + round%4 }
	add("replay", point{nth: few, prepare: restore, kill: killReplay, repair: replayAgain}, "replay-applied", "replay-between")
	add("replay", point{prepare: restore, kill: killReplay}, "replay-done")
	return list
}

// adding adds points that are alike to a list.
func adding(list *[]point) func(area string, like point, names ...string) {
	return func(area string, like point, names ...string) {
		for _, name := range names {
			p := like
			p.area, p.name = area, name
			*list = append(*list, p)
		}
	}
}

// filePoints are those of a ledger that is a file. To open it is to write once.
func filePoints() []point {
	written := func(round int) int { return 1 + varied(round) }
	return []point{
		{name: "ledger-file-written", area: "ledger", nth: written, kill: killNode(nil)},
		{name: "ledger-file-synced", area: "ledger", nth: varied, kill: killNode(nil)},
	}
}

// dies waits until a process ends at its point.
func (w *world) dies(t *testing.T, p *processtest.Process) {
	t.Helper()
	select {
	case <-p.Ended():
	case <-time.After(processtest.Patience):
		p.Kill()
		t.Fatalf("the point was not reached:\n%s", p.Output())
	}
	if !p.Crashed() {
		t.Fatalf("the process has ended, but not at the point:\n%s", p.Output())
	}
}

// killNode starts a node that ends at the point, under load and what else leads there.
func killNode(lead func(t *testing.T, w *world)) func(*testing.T, *world, []string) {
	return func(t *testing.T, w *world, env []string) {
		w.stop(t)
		w.serve(t, env...)
		l := w.load(t)
		defer l.stop()
		if lead != nil {
			lead(t, w)
		}
		w.dies(t, w.node)
		l.cancel()
	}
}

// killVerb runs a verb of the keeper that ends at the point, beside a node under load.
func killVerb(args ...string) func(*testing.T, *world, []string) {
	return func(t *testing.T, w *world, env []string) {
		l := w.load(t)
		defer l.stop()
		w.dies(t, w.program.Start(t, env, append(args, "--config", w.config("keeper"))...))
	}
}

// keeper starts a process with the keeper's rights, which works on the keeper's jobs.
func (w *world) keeper(t *testing.T, env []string) *processtest.Process {
	t.Helper()
	return w.program.Start(t, env, "serve", "--keeper", "--config", w.config("keeper"))
}

// killKeeper asks for a change of the key, and starts a keeper that ends at the point,
// beside a node under load.
func killKeeper(ask func(*client.Client, context.Context) (api.Job, error)) func(*testing.T, *world, []string) {
	return func(t *testing.T, w *world, env []string) {
		l := w.load(t)
		defer l.stop()
		_, err := ask(w.doors, t.Context())
		must(t, err)
		w.dies(t, w.keeper(t, env))
	}
}

// keepAgain starts another keeper, which ends what the first one has begun.
func keepAgain(t *testing.T, w *world) {
	p := w.keeper(t, nil)
	w.moved(t)
	p.Stop(t)
}

func keepRetired(t *testing.T, w *world) {
	keepAgain(t, w)
	k := w.key(t)
	w.say(t, k.MinDecrypt == k.Latest, "the key is not retired: %+v", k)
}

func keepTrimmed(t *testing.T, w *world) {
	keepAgain(t, w)
	k := w.key(t)
	w.say(t, k.MinAvailable == k.Latest, "the key is not trimmed: %+v", k)
}

// leaveRemains leaves something for the clean-up, and nobody to do it.
func leaveRemains(t *testing.T, w *world) {
	w.putSome(t, 8)
	w.eraseSome(t, 8)
}

func rotate(t *testing.T, w *world) { w.run(t, "keeper", "keys", "rotate") }

// rotated is a key with earlier versions that nothing is under.
func rotated(t *testing.T, w *world) {
	rotate(t, w)
	w.moved(t)
}

func retired(t *testing.T, w *world) {
	rotated(t, w)
	w.run(t, "keeper", "keys", "retire")
}

// rotateAgain is for a rotation that was never done.
func rotateAgain(t *testing.T, w *world) {
	was := w.key(t).Latest
	rotate(t, w)
	now := w.moved(t).Latest
	w.say(t, now == was+1, "the key had version %d, and has %d", was, now)
}

// rewrapAfter is for a rotation that was done, and whose job was never asked for.
func rewrapAfter(t *testing.T, w *world) {
	w.run(t, "node", "keys", "rewrap", "--role", "dpo")
	w.moved(t)
}

func retireAgain(t *testing.T, w *world) {
	was := w.key(t)
	w.say(t, was.MinDecrypt < was.Latest, "the key was retired although the process died: %+v", was)
	w.run(t, "keeper", "keys", "retire")
	now := w.moved(t)
	w.say(t, now.MinDecrypt == now.Latest, "the key is not retired: %+v", now)
}

func trimAgain(t *testing.T, w *world) {
	if k := w.key(t); k.MinAvailable < k.MinDecrypt { // else it was done
		w.run(t, "keeper", "keys", "trim", "--yes")
	}
	k := w.moved(t)
	w.say(t, k.MinAvailable == k.MinDecrypt && k.MinDecrypt == k.Latest, "the key is not trimmed: %+v", k)
}

// restore puts the database back to before erasures that the ledger has.
func restore(t *testing.T, w *world) {
	w.putSome(t, 8)
	w.stop(t)
	backup := w.tenant + "_backup"
	w.sql(t, `CREATE DATABASE `+backup+` TEMPLATE `+w.tenant)
	w.serve(t)
	w.eraseSome(t, 8)
	w.stop(t)
	w.sql(t, `DROP DATABASE `+w.tenant)
	w.sql(t, `ALTER DATABASE `+backup+` RENAME TO `+w.tenant)
}

func killReplay(t *testing.T, w *world, env []string) {
	w.dies(t, w.program.Start(t, env, "ledger", "replay", "--config", w.config("node")))
}

func replayAgain(t *testing.T, w *world) {
	h, err := w.doors.Ready(t.Context())
	w.say(t, err == nil && h.Status != "ok", "the gate is open although the replay was broken off: %+v, %v", h, err)
	w.stop(t)
	w.run(t, "node", "ledger", "replay")
	w.serve(t)
}

// round goes through a point once.
func (p *point) round(t *testing.T, w *world, round int, byClock bool) {
	if p.prepare != nil {
		p.prepare(t, w)
	}
	at := p.name
	if p.nth != nil {
		at = fmt.Sprintf("%s:%d", p.name, p.nth(round))
	}
	p.kill(t, w, armed(at))
	w.noKeys(t)
	select {
	case <-w.node.Ended(): // else it was a verb
		w.serve(t)
	default:
	}
	w.leaseEnds(t, byClock)
	if p.repair != nil {
		p.repair(t, w)
	}
	for _, one := range w.people[w.resolved:] {
		w.resolve(t, one)
	}
	w.resolved = len(w.people)
	w.everybody(t)
	w.settled(t)
}

// A line is what became of a point.
type line struct {
	point  point
	rounds int
	checks int
	people int
	took   time.Duration
}

// fewPeople is beyond how many a world is left for a new one: checks look at everybody.
const fewPeople = 300

// all goes through the points, so often each.
func (l *lane) all(t *testing.T, g *grounds, rounds int) (table []line) {
	w := g.newWorld(t, l.name, l.withFile)
	for i, p := range l.points {
		if len(w.people) > fewPeople {
			w.stop(t)
			w = g.newWorld(t, fmt.Sprint(l.name, i), l.withFile)
		}
		of := line{point: p}
		checks, people, began := w.checks, len(w.people), time.Now()
		for n := range rounds {
			ok := t.Run(fmt.Sprintf("%s/%d", p.name, n+1), func(t *testing.T) {
				p.round(t, w, n, rounds > 1 && n == 0)
				of.rounds++
				last := i+1 == len(l.points) || l.points[i+1].area != p.area
				if last && n+1 == rounds || n%5 == 4 {
					w.fsck(t) // it takes its time
				}
			})
			if !ok {
				return append(table, of) // what follows would stand on what is broken
			}
		}
		of.checks, of.people, of.took = w.checks-checks, len(w.people)-people, time.Since(began)
		table = append(table, of)
	}
	w.stop(t)
	return table
}

// draw is the table for people.
func draw(table []line) string {
	text := "| area | point | rounds, each killed | people | checks | seconds |\n"
	var sum line
	for i := range table {
		l := &table[i]
		text += fmt.Sprintf("| %s | `%s` | %d | %d | %d | %.0f |\n", l.point.area, l.point.name, l.rounds, l.people, l.checks, l.took.Seconds())
		sum.rounds, sum.people = sum.rounds+l.rounds, sum.people+l.people
		sum.checks, sum.took = sum.checks+l.checks, sum.took+l.took
	}
	return text + fmt.Sprintf("| all | %d points | %d | %d | %d | %.0f |\n", len(table), sum.rounds, sum.people, sum.checks, sum.took.Seconds())
}
