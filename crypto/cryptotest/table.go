package cryptotest

import "encoding/binary"

// table finds the places in bytes where one of many forms may stand, in one
// pass. Each form is represented by a window of eight bytes in it (four, if the
// form is shorter): the one that the fewest other forms have, since what forms
// have in common is what innocent text has, too.
type table struct {
	size  int                 // of the windows
	at    map[uint64][]anchor // by window
	maybe []uint64            // a set of bits: which windows there may be
}

// anchor says which form a window is of, and where in it the window stands.
type anchor struct {
	form   int32
	offset int
}

const (
	maybeBits = 20
	near      = 48 // bytes of a form that are looked at for its rarest window
)

func slot(window uint64) uint64 { return window * 0x9e3779b97f4a7c15 >> (64 - maybeBits) }

// tablesOf returns the tables for a list of forms, of which none is shorter than
// four bytes.
func tablesOf(forms []form) []table {
	var tables []table
	for _, size := range []int{8, 4} {
		t := table{size: size, at: map[uint64][]anchor{}, maybe: make([]uint64, 1<<maybeBits/64)}
		for i, offset := range rarest(forms, size) {
			if len(forms[i].text) >= 8 == (size == 8) {
				t.add(t.window(forms[i].text[offset:]), anchor{int32(i), offset})
			}
		}
		if len(t.at) > 0 {
			tables = append(tables, t)
		}
	}
	return tables
}

// rarest returns where in each form, near its beginning, its rarest window
// stands.
func rarest(forms []form, size int) []int {
	count := map[uint64]int{}
	t := table{size: size}
	for _, f := range forms {
		for i := 0; i+size <= min(len(f.text), near); i++ {
			count[t.window(f.text[i:])]++
		}
	}
	offsets := make([]int, len(forms))
	for n, f := range forms {
		for i := 0; i+size <= min(len(f.text), near); i++ {
			if count[t.window(f.text[i:])] < count[t.window(f.text[offsets[n]:])] {
				offsets[n] = i
			}
		}
	}
	return offsets
}

func (t *table) add(window uint64, a anchor) {
	t.at[window] = append(t.at[window], a)
	t.maybe[slot(window)/64] |= 1 << (slot(window) % 64)
}

// window returns the window with which b begins.
func (t *table) window(b []byte) uint64 {
	if t.size == 8 {
		return binary.LittleEndian.Uint64(b)
	}
	return uint64(binary.LittleEndian.Uint32(b))
}

// search calls hit for each window of a form in b. Nearly all places are passed
// by with a look at one bit.
func (t *table) search(b []byte, hit func(a anchor, at int)) {
	for i := 0; i+t.size <= len(b); i++ {
		window := t.window(b[i:])
		s := slot(window)
		if t.maybe[s/64]&(1<<(s%64)) == 0 {
			continue
		}
		for _, a := range t.at[window] {
			hit(a, i)
		}
	}
}
