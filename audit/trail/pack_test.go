package trail_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/s2"
	"pgregory.net/rapid"

	"github.com/fieldvault/fieldvault/audit/trail"
	"github.com/fieldvault/fieldvault/audit/tree"
)

// pack packs leaves into rows, as many in each as it may be.
func pack(t testing.TB, leaves [][]byte) (rows [][]byte) {
	t.Helper()
	var p trail.Packer
	for _, leaf := range leaves {
		if !p.Fits(len(leaf)) {
			rows = append(rows, p.Append(nil))
		}
		if err := p.Add(leaf); err != nil {
			t.Fatal(err)
		}
	}
	return append(rows, p.Append(nil))
}

// Whatever is packed is what is unpacked, in its order, and rows are as small as they are said to be.
func TestPacksRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		leaves := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) []byte {
			b := append([]byte{'{'}, rapid.SliceOfN(rapid.Byte(), 0, 50).Draw(rt, "random")...)
			return append(b, strings.Repeat("text", rapid.SampledFrom([]int{0, 1, 90, 10_000}).Draw(rt, "times"))...)
		}), 1, 100).Draw(rt, "leaves")
		var back [][]byte
		for _, row := range pack(t, leaves) {
			list, err := trail.Unpack(row)
			if err != nil {
				rt.Fatal(err)
			}
			size := 0
			for _, leaf := range list {
				size += 2 + len(leaf)
			}
			if len(list) > trail.MaxPack || len(list) > 1 && size > trail.MaxPackSize {
				rt.Errorf("a row holds %d events of %d bytes", len(list), size)
			}
			if len(list) == 1 && !bytes.Equal(row, list[0]) {
				rt.Error("a row of one event is not its leaf")
			}
			back = append(back, list...)
		}
		if !slices.EqualFunc(leaves, back, bytes.Equal) {
			rt.Errorf("%d leaves came back as %d, or as others", len(leaves), len(back))
		}
	})
}

// What events of a request share is stored once.
func TestPacksAreSmall(t *testing.T) {
	leaf := []byte("{" + strings.Repeat("what they share,", 25))
	leaves := slices.Repeat([][]byte{leaf}, trail.MaxPack)
	if rows := pack(t, leaves); len(rows) != 1 || len(rows[0]) > 2*len(leaf) {
		t.Errorf("%d events of %d bytes take %d rows, the first of %d bytes", len(leaves), len(leaf), len(rows), len(rows[0]))
	}
	if rows := pack(t, append(leaves, leaf)); len(rows) != 2 {
		t.Errorf("one event more takes %d rows", len(rows))
	}
}

// bundle is a bundle of leaves.
func bundle(t testing.TB, leaves ...string) (b []byte) {
	t.Helper()
	for _, leaf := range leaves {
		var err error
		if b, err = tree.AppendEntry(b, []byte(leaf)); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func TestUnpackRefusesWhatIsNoPack(t *testing.T) {
	two := s2.Encode(nil, bundle(t, "{1", "{2"))
	long := s2.Encode(nil, bundle(t, strings.Repeat("a", trail.MaxPackSize/2), strings.Repeat("b", trail.MaxPackSize/2)))
	for name, row := range map[string][]byte{
		"nothing else":            {1},
		"no block":                {1, 2},
		"one event":               append([]byte{1, 1}, s2.Encode(nil, bundle(t, "{1"))...),
		"another number of them":  append([]byte{1, 3}, two...),
		"too many":                append([]byte{1, trail.MaxPack + 1}, s2.Encode(nil, bundle(t, make([]string, trail.MaxPack+1)...))...),
		"too long":                append([]byte{1, 2}, long...),
		"a size that nobody has":  append([]byte{1, 2}, 0xff, 0xff, 0xff, 0xff, 0x0f),
		"bytes after the block":   append(append([]byte{1, 2}, two...), 0),
		"a block that ends early": append([]byte{1, 2}, two[:len(two)-1]...),
		"bytes after the leaves":  append([]byte{1, 2}, s2.Encode(nil, append(bundle(t, "{1", "{2"), 0))...),
	} {
		if leaves, err := trail.Unpack(row); !errors.Is(err, trail.ErrPack) {
			t.Errorf("%s: %q, %v, want ErrPack", name, leaves, err)
		}
	}
	for _, row := range []string{"", "{", "leaf"} {
		if leaves, err := trail.Unpack([]byte(row)); err != nil || len(leaves) != 1 || string(leaves[0]) != row {
			t.Errorf("%q is unpacked as %q, %v", row, leaves, err)
		}
	}
}

// An entry has the event of its row and part, whatever was opened before; a row that has
// no such event gives nothing that could be taken for it.
func TestOpener(t *testing.T) {
	three, two := pack(t, [][]byte{[]byte("{a"), []byte("{b"), []byte("{c")})[0], pack(t, [][]byte{[]byte("{d"), []byte("{e")})[0]
	broken := append(append([]byte{}, two...), 0)
	var o trail.Opener
	for _, c := range []struct {
		row     int64
		part    int
		content []byte
		body    string
		rest    int
	}{
		{0, 0, three, "{a", 2},
		{0, 2, three, "{c", 0},
		{1, 0, two, "{d", 1},
		{0, 1, three, "{b", 1},
		{2, 0, []byte("{f"), "{f", 0},
		{2, 1, []byte("{f"), "", 0},
		{3, 2, two, "", 0},
		{3, -1, two, "", 0},
		{4, 0, broken, "", 0},
		{4, 1, broken, "", 0},
		{5, 0, nil, "", 0},
		{1, 1, two, "{e", 0},
		{6, 0, []byte{}, "", 0},
	} {
		e := trail.Entry{Leaf: trail.Leaf{Row: c.row, Part: c.part}}
		content := bytes.Clone(c.content)
		o.Open(&e, content)
		clear(content)
		if string(e.Body) != c.body || e.Rest != c.rest || (e.Body == nil) != (c.content == nil) {
			t.Errorf("row %d, part %d: %q and %d more, want %q and %d", c.row, c.part, e.Body, e.Rest, c.body, c.rest)
		}
	}
}

// Whatever stands in a row, unpacking it takes no more memory than a pack may, and what is
// a pack is one of leaves that can be packed again.
func FuzzUnpack(f *testing.F) {
	f.Add([]byte("{}"))
	f.Add(append([]byte{1, 2}, s2.Encode(nil, bundle(f, "{1", "{2"))...))
	f.Fuzz(func(t *testing.T, row []byte) {
		leaves, err := trail.Unpack(row)
		if err != nil {
			return
		}
		var p trail.Packer
		for i, leaf := range leaves {
			if len(leaves) > 1 && !p.Fits(len(leaf)) {
				t.Fatalf("leaf %d of %d does not fit again", i, len(leaves))
			}
			if len(leaves) > 1 {
				if err := p.Add(leaf); err != nil {
					t.Fatal(err)
				}
			}
		}
		if len(leaves) == 1 {
			return
		}
		again, err := trail.Unpack(p.Append(nil))
		if err != nil || !slices.EqualFunc(again, leaves, bytes.Equal) {
			t.Errorf("packed again, it is %d leaves, %v", len(again), err)
		}
	})
}
