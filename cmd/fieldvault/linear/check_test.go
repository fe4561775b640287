//go:build e2e

package linear_test

import (
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// A moment is one entry of a history in a table: from and to in milliseconds, to 0
// for an operation without an answer.
type moment struct {
	from, to int
	in       op
	out      got
}

func history(list []moment) (h []entry) {
	for _, m := range list {
		e := entry{in: m.in, out: m.out, call: time.Duration(m.from) * time.Millisecond, ret: time.Duration(m.to) * time.Millisecond}
		if m.to == 0 {
			e.ret = forever
		}
		h = append(h, e)
	}
	return h
}

// What the checks say of histories. Each begins with a person whose record self has
// the e-mail a at revision 1.
func TestChecks(t *testing.T) {
	say := func(from, to int, in op, out got) moment { return moment{from, to, in, out} }
	yes := got{code: ok}
	stored := say(1, 2, op{kind: put, email: "a"}, got{code: ok, rev: 1})
	sees := func(v string, rev uint64) got { return got{code: ok, rev: rev, email: "=" + v} }
	read := op{kind: reveal, purpose: support}
	sold := op{kind: reveal, purpose: marketing}
	ended := got{code: ok, gen: 1}
	for _, c := range []struct {
		name          string
		steps         []moment
		ordered, kept bool // what linearizability and the I1 scan say
	}{
		{"a read", []moment{say(3, 4, read, sees("a", 1))}, true, true},
		{"another value", []moment{say(3, 4, read, sees("b", 1))}, false, true},
		{"another revision", []moment{say(3, 4, read, sees("a", 2))}, false, true},
		{"an older value", []moment{say(3, 4, op{kind: put, email: "b"}, got{code: ok, rev: 2}), say(5, 6, read, sees("a", 1))}, false, true},
		{"an older value meanwhile", []moment{say(3, 6, op{kind: put, email: "b"}, got{code: ok, rev: 2}), say(5, 7, read, sees("a", 1))}, true, true},
		{"a write that was lost", []moment{say(3, 4, op{kind: patch, email: "b"}, got{code: ok, rev: 2}), say(5, 6, op{kind: patch, email: "c"}, got{code: ok, rev: 2})}, false, true},
		{"a write without an answer, seen", []moment{say(3, 0, op{kind: patch, city: "b"}, got{}), say(9, 10, read, got{code: ok, rev: 2, email: "=a", city: "=b"})}, true, true},
		{"a write without an answer, not seen", []moment{say(3, 0, op{kind: patch, city: "b"}, got{}), say(9, 10, read, sees("a", 1))}, true, true},
		{"seen, and no more", []moment{say(3, 0, op{kind: patch, email: "b"}, got{}), say(5, 6, read, sees("b", 2)), say(7, 8, read, sees("a", 1))}, false, true},
		{"erased, and read", []moment{say(3, 4, op{kind: erase}, ended), say(5, 6, read, sees("a", 1))}, false, false},
		{"erased, and found", []moment{say(3, 4, op{kind: erase}, ended), say(5, 6, op{kind: search, email: "a"}, got{code: ok, found: true})}, false, false},
		{"erased, and read meanwhile", []moment{say(3, 5, op{kind: erase}, ended), say(4, 6, read, sees("a", 1))}, true, true},
		{"erased without an answer, gone, and read", []moment{say(3, 0, op{kind: erase}, got{}), say(5, 6, read, got{code: gone}), say(7, 8, read, sees("a", 1))}, false, false},
		{"erased without an answer, and read", []moment{say(3, 0, op{kind: erase}, got{}), say(7, 8, read, sees("a", 1))}, true, true},
		{"erased, and written", []moment{say(3, 4, op{kind: erase}, ended), say(5, 6, op{kind: put, email: "b"}, got{code: ok, rev: 2})}, false, true},
		{"erased twice", []moment{say(3, 4, op{kind: erase}, ended), say(5, 6, op{kind: erase}, ended)}, true, true},
		{"a group erased, and what it sealed read", []moment{
			say(3, 4, op{kind: patch, hobby: "h"}, got{code: ok, rev: 2}), say(5, 6, op{kind: grant}, yes), say(7, 8, op{kind: eraseGroup}, ended),
			say(9, 10, sold, got{code: ok, rev: 2, email: "=a", hobby: "=h"}),
		}, false, false},
		{"a group erased, and the rest read", []moment{
			say(3, 4, op{kind: patch, hobby: "h"}, got{code: ok, rev: 2}), say(5, 6, op{kind: grant}, yes), say(7, 8, op{kind: eraseGroup}, ended),
			say(9, 10, sold, sees("a", 2)),
		}, true, true},
		{"a group erased, and written anew", []moment{
			say(3, 4, op{kind: eraseGroup}, ended), say(5, 6, op{kind: grant}, yes), say(7, 8, op{kind: patch, hobby: "h"}, got{code: ok, rev: 2}),
			say(9, 10, sold, got{code: ok, rev: 2, email: "=a", hobby: "=h"}),
		}, true, true},
		{"a group erased, and the person gone", []moment{say(3, 4, op{kind: eraseGroup}, ended), say(5, 6, read, got{code: gone})}, false, true},
		{"a group of the held erased", []moment{say(3, 4, op{kind: hold}, yes), say(5, 6, op{kind: eraseGroup}, ended)}, false, true},
		{"another life, empty", []moment{say(3, 4, op{kind: erase}, ended), say(5, 6, op{kind: reenrol}, got{code: ok, gen: 2}), say(7, 8, read, got{code: notFound})}, true, true},
		{"another life with the old value", []moment{say(3, 4, op{kind: erase}, ended), say(5, 6, op{kind: reenrol}, got{code: ok, gen: 2}), say(7, 8, read, sees("a", 1))}, false, false},
		{"another life with a new value", []moment{say(3, 4, op{kind: erase}, ended), say(5, 6, op{kind: reenrol}, got{code: ok, gen: 2}), say(7, 8, op{kind: put, email: "b"}, got{code: ok, rev: 1}), say(9, 10, read, sees("b", 1))}, true, true},
		{"the old life's ciphertext", []moment{
			say(3, 4, op{kind: encrypt, email: "x"}, ended), say(5, 6, op{kind: erase}, ended), say(7, 8, op{kind: reenrol}, got{code: ok, gen: 2}),
			say(9, 10, op{kind: decrypt, email: "x", gen: 1}, got{code: ok, email: "=x"}),
		}, false, false},
		{"the old life's ciphertext, sealed again", []moment{
			say(3, 4, op{kind: encrypt, email: "x"}, ended), say(5, 6, op{kind: erase}, ended), say(7, 8, op{kind: reenrol}, got{code: ok, gen: 2}),
			say(9, 10, op{kind: reencrypt, email: "x", gen: 1}, got{code: ok, gen: 2}),
		}, false, true},
		{"the old life's ciphertext, refused", []moment{
			say(3, 4, op{kind: encrypt, email: "x"}, ended), say(5, 6, op{kind: erase}, ended), say(7, 8, op{kind: reenrol}, got{code: ok, gen: 2}),
			say(9, 10, op{kind: put, email: "b"}, got{code: ok, rev: 1}), say(11, 12, op{kind: reencrypt, email: "x", gen: 1}, got{code: gone}),
			say(13, 14, read, sees("b", 1)),
		}, true, true},
		{"the held erased", []moment{say(3, 4, op{kind: hold}, yes), say(5, 6, op{kind: erase}, ended)}, false, true},
		{"the held refused", []moment{say(3, 4, op{kind: hold}, yes), say(5, 6, op{kind: erase}, got{code: held}), say(7, 8, op{kind: put, email: "b"}, got{code: held})}, true, true},
		{"refused without a hold", []moment{say(5, 6, op{kind: erase}, got{code: held})}, false, true},
		{"withdrawn, and read", []moment{say(3, 4, op{kind: grant}, yes), say(5, 6, op{kind: withdraw}, yes), say(7, 8, sold, sees("a", 1))}, false, true},
		{"granted, and read", []moment{say(3, 4, op{kind: grant}, yes), say(7, 8, sold, sees("a", 1))}, true, true},
		{"withdrawn, and what rested on it is gone", []moment{
			say(3, 4, op{kind: patch, hobby: "h"}, got{code: ok, rev: 2}), say(5, 6, op{kind: withdraw}, yes), say(7, 8, op{kind: grant}, yes),
			say(9, 10, sold, sees("a", 2)),
		}, true, true},
		{"withdrawn, and what rested on it is back", []moment{
			say(3, 4, op{kind: patch, hobby: "h"}, got{code: ok, rev: 2}), say(5, 6, op{kind: withdraw}, yes), say(7, 8, op{kind: grant}, yes),
			say(9, 10, sold, got{code: ok, rev: 2, email: "=a", hobby: "=h"}),
		}, false, true},
		{"restricted, and read", []moment{say(3, 4, op{kind: restrict}, yes), say(7, 8, read, sees("a", 1))}, false, true},
		{"restricted, and hidden", []moment{say(3, 4, op{kind: restrict}, yes), say(7, 8, read, got{code: ok, rev: 1, email: hidden("restricted"), city: hidden("restricted")})}, true, true},
		{"an answer that nobody knows", []moment{say(3, 4, read, got{code: "internal"})}, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := history(append([]moment{stored}, c.steps...))
			want := porcupine.Illegal
			if c.ordered {
				want = porcupine.Ok
			}
			if got := linearizable(h, time.Minute); got != want {
				t.Errorf("linearizability: %s, want %s\n%s", got, want, tell(h))
			}
			if got := scan(h); (len(got) == 0) != c.kept {
				t.Errorf("the scan finds %d, want none: %v", len(got), c.kept)
			}
		})
	}
}
