//go:build e2e

package linear_test

import "time"

// A dice is a small generator of numbers that a seed decides (splitmix64): what a
// run did can be asked for again. It is one goroutine's.
type dice struct{ state uint64 }

// split makes another one, which goes its own way.
func (d *dice) split() *dice { return &dice{d.next()} }

func (d *dice) next() uint64 {
	d.state += 0x9e3779b97f4a7c15
	z := d.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// n is a number from 0 to n-1.
func (d *dice) n(n int) int { return int(d.next() % uint64(n)) }

// chance is true in so many of a hundred cases.
func (d *dice) chance(percent int) bool { return d.n(100) < percent }

// between is a time from a to b.
func (d *dice) between(a, b time.Duration) time.Duration {
	return a + time.Duration(d.next()%uint64(b-a+1))
}
