package fpe

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"math/big"
)

// A state is the storage of one call, used again by later ones. Its names are those of
// SP 800-38G, algorithm 7.
type state struct {
	numerals []uint16 // X, and in the end the result
	text     []byte
	radix    uint64
	u, v     int // numerals of the left half and of the right one
	b, d     int // bytes of a half as a number, and of what a round adds

	fixed [aes.BlockSize]byte // the PRF of P and the whole blocks of Q that are alike in all rounds
	q     []byte              // the rest of Q: tweak, zeros, round, number
	mac   [aes.BlockSize]byte
	s     []byte // S

	halves   [2]big.Int // of runBig
	moduli   [2]big.Int
	y, quo   big.Int
	bigRadix big.Int
}

// begin takes steps 1 to 5, with the numerals in place, and what of step 6 is alike in all
// rounds.
func (s *state) begin(block cipher.Block, radix int, tweak []byte) {
	n := len(s.numerals)
	s.radix, s.u, s.v = uint64(radix), n/2, n-n/2 //nolint:gosec // at most maxRadix
	s.setModuli()
	s.b = (s.quo.Sub(&s.moduli[1], big.NewInt(1)).BitLen() + 7) / 8
	s.d = (s.b+3)/4*4 + 4

	var p [aes.BlockSize]byte
	copy(p[:], []byte{1, 2, 1, byte(radix >> 16), byte(radix >> 8), byte(radix), rounds, byte(s.u)}) //nolint:gosec // the low bytes are meant
	binary.BigEndian.PutUint32(p[8:], uint32(n))                                                     //nolint:gosec // at most MaxLen
	binary.BigEndian.PutUint32(p[12:], uint32(len(tweak)))                                           //nolint:gosec // at most MaxTweak
	s.mac = p
	block.Encrypt(s.mac[:], s.mac[:])

	q := append(s.q[:0], tweak...)
	for (len(q)+1+s.b)%aes.BlockSize != 0 {
		q = append(q, 0)
	}
	whole := len(q) / aes.BlockSize * aes.BlockSize
	s.chain(block, q[:whole])
	s.fixed = s.mac
	s.q = append(q[:copy(q, q[whole:])], make([]byte, 1+s.b)...)
}

// setModuli sets radix^u and radix^v.
func (s *state) setModuli() {
	s.bigRadix.SetUint64(s.radix)
	m := s.moduli[0].SetUint64(1)
	for range s.u {
		m.Mul(m, &s.bigRadix)
	}
	s.moduli[1].Set(m)
	if s.v > s.u {
		s.moduli[1].Mul(&s.moduli[1], &s.bigRadix)
	}
}

// chain adds blocks to the CBC-MAC that PRF, algorithm 6, is.
func (s *state) chain(block cipher.Block, blocks []byte) {
	for len(blocks) > 0 {
		subtle.XORBytes(s.mac[:], s.mac[:], blocks[:aes.BlockSize])
		block.Encrypt(s.mac[:], s.mac[:])
		blocks = blocks[aes.BlockSize:]
	}
}

// number is where a round's number goes, big-endian, before sum is called.
func (s *state) number() []byte { return s.q[len(s.q)-s.b:] }

// sum takes the rest of steps 6.i to 6.iii: S, of d bytes, until the next call.
func (s *state) sum(block cipher.Block, round int) []byte {
	s.q[len(s.q)-s.b-1] = byte(round) //nolint:gosec // below rounds
	s.mac = s.fixed
	s.chain(block, s.q)
	s.s = append(s.s[:0], s.mac[:]...)
	for j := uint64(1); len(s.s) < s.d; j++ {
		s.s = append(s.s, s.mac[:]...)
		next := s.s[len(s.s)-aes.BlockSize:]
		low := next[aes.BlockSize-8:]
		binary.BigEndian.PutUint64(low, binary.BigEndian.Uint64(low)^j)
		block.Encrypt(next, next)
	}
	return s.s[:s.d]
}

// wipe overwrites what the call has left of text and key stream. Temporary numbers inside math/big
// are out of its reach.
func (s *state) wipe() {
	clear(s.numerals[:cap(s.numerals)])
	clear(s.text[:cap(s.text)])
	clear(s.q[:cap(s.q)])
	clear(s.s[:cap(s.s)])
	s.mac, s.fixed = [aes.BlockSize]byte{}, [aes.BlockSize]byte{}
	for _, x := range []*big.Int{&s.halves[0], &s.halves[1], &s.y, &s.quo} {
		words := x.Bits()
		clear(words[:cap(words)])
		x.SetUint64(0)
	}
}
