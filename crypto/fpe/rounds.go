package fpe

import (
	"crypto/cipher"
	"encoding/binary"
	"math/big"
	"math/bits"
)

// Both ways of running the rounds keep two numbers: the one that a round changes, x, and the one
// that it reads, z. To encrypt, they begin as A and B, and x becomes x+y; to decrypt, the rounds
// go down, they begin as B and A, and x becomes x-y. Then they change places. The modulus of an
// even round is radix^u, of an odd one radix^v.

// fits64 says whether the numbers of both halves, and so their moduli less one, fit 64 bits.
func (s *state) fits64() bool { return s.moduli[1].IsUint64() }

// run64 runs the rounds in arithmetic of 64 bits.
func (s *state) run64(block cipher.Block, decrypt bool) {
	moduli := [2]uint64{s.moduli[0].Uint64(), s.moduli[1].Uint64()}
	x, z := s.load64(s.numerals[:s.u]), s.load64(s.numerals[s.u:])
	if decrypt {
		x, z = z, x
	}
	for i := range rounds {
		round := i
		if decrypt {
			round = rounds - 1 - i
		}
		var number [8]byte
		binary.BigEndian.PutUint64(number[:], z)
		copy(s.number(), number[8-s.b:])
		m := moduli[round%2]
		y := mod64(s.sum(block, round), m)
		if decrypt {
			y = (m - y) % m
		}
		if room := m - y; x >= room { // x+y may not fit
			x -= room
		} else {
			x += y
		}
		x, z = z, x
	}
	if decrypt {
		x, z = z, x
	}
	s.store64(s.numerals[:s.u], x)
	s.store64(s.numerals[s.u:], z)
}

// mod64 is the remainder of a big-endian number of 8 or 12 bytes.
func mod64(y []byte, m uint64) uint64 {
	var high uint64
	if len(y) == 12 {
		high, y = uint64(binary.BigEndian.Uint32(y)), y[4:]
	}
	return bits.Rem64(high, binary.BigEndian.Uint64(y), m)
}

func (s *state) load64(numerals []uint16) uint64 {
	var x uint64
	for _, n := range numerals {
		x = x*s.radix + uint64(n)
	}
	return x
}

func (s *state) store64(numerals []uint16, x uint64) {
	for i := len(numerals) - 1; i >= 0; i-- {
		numerals[i] = uint16(x % s.radix) //nolint:gosec // below maxRadix
		x /= s.radix
	}
}

// runBig runs the rounds in arithmetic of any size.
func (s *state) runBig(block cipher.Block, decrypt bool) {
	x, z := &s.halves[0], &s.halves[1]
	s.loadBig(x, s.numerals[:s.u])
	s.loadBig(z, s.numerals[s.u:])
	if decrypt {
		x, z = z, x
	}
	for i := range rounds {
		round := i
		if decrypt {
			round = rounds - 1 - i
		}
		z.FillBytes(s.number())
		s.y.SetBytes(s.sum(block, round))
		if decrypt {
			s.y.Neg(&s.y)
		}
		s.y.Add(&s.y, x)
		s.modBig(x, &s.y, &s.moduli[round%2])
		x, z = z, x
	}
	if decrypt {
		x, z = z, x
	}
	s.storeBig(s.numerals[:s.u], x)
	s.storeBig(s.numerals[s.u:], z)
}

// modBig sets x to y modulo m, from 0 to m-1.
func (s *state) modBig(x, y, m *big.Int) {
	s.quo.QuoRem(y, m, x)
	if x.Sign() < 0 {
		x.Add(x, m)
	}
}

func (s *state) loadBig(x *big.Int, numerals []uint16) {
	x.SetUint64(0)
	for _, n := range numerals {
		x.Mul(x, &s.bigRadix)
		x.Add(x, s.y.SetUint64(uint64(n)))
	}
}

func (s *state) storeBig(numerals []uint16, x *big.Int) {
	for i := len(numerals) - 1; i >= 0; i-- {
		x.QuoRem(x, &s.bigRadix, &s.y)
		numerals[i] = uint16(s.y.Uint64()) //nolint:gosec // below maxRadix
	}
}
