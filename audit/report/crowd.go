package report

import (
	"encoding/binary"
	"math"
	"math/bits"

	"github.com/google/uuid"
)

const (
	// crowdExact is up to how many people a crowd counts one by one.
	crowdExact = 8192
	// crowdBits is how many bits of a hash choose the register: 4,096 of them make the
	// standard error of an estimate 1.04/sqrt(4096), less than 2 in 100.
	crowdBits = 12
)

// A crowd counts distinct people in bounded memory: exactly while they are few, then by
// HyperLogLog (Flajolet et al., 2007) over 64-bit hashes.
type crowd struct {
	exact     map[uint64]struct{} // nil once there are too many
	registers []uint8             // nil until then
}

func (c *crowd) add(uid uuid.UUID) {
	h := mix(binary.BigEndian.Uint64(uid[:8])) ^ binary.BigEndian.Uint64(uid[8:])
	h = mix(h)
	if c.registers != nil {
		c.note(h)
		return
	}
	if c.exact == nil {
		c.exact = map[uint64]struct{}{}
	}
	if c.exact[h] = struct{}{}; len(c.exact) <= crowdExact {
		return
	}
	c.registers = make([]uint8, 1<<crowdBits)
	for h := range c.exact {
		c.note(h)
	}
	c.exact = nil
}

// note keeps in the hash's register the longest run of zeros.
func (c *crowd) note(h uint64) {
	run := bits.LeadingZeros64(h<<crowdBits|1<<(crowdBits-1)) + 1
	r := &c.registers[h>>(64-crowdBits)]
	*r = max(*r, uint8(run)) //nolint:gosec // at most 53
}

// size is how many people were added; about: it is an estimate.
func (c *crowd) size() (n int64, about bool) {
	if c.registers == nil {
		return int64(len(c.exact)), false
	}
	sum := 0.0
	for _, r := range c.registers {
		sum += math.Ldexp(1, -int(r))
	}
	const m = 1 << crowdBits
	return int64(0.7213 / (1 + 1.079/m) * m * m / sum), true
}

// mix is a bijection that spreads what differs over all bits (the finaliser of
// SplitMix64).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
