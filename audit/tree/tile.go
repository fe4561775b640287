package tree

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

const (
	maxEntry = math.MaxUint16    // bytes of an entry
	maxLevel = 63                // level of a tile, as C2SP tlog-tiles has it
	maxTiles = maxSize >> Height // number of a tile
)

// Tile names a tile: Width consecutive hashes of a level, or fewer at the right
// edge of a tree. The hashes of level 0 are those of the leaves; the n-th hash of
// level k+1 is the root over the n-th tile of level k.
type Tile struct {
	Level int   // 0 to 63
	N     int64 // which tile of the level, from 0
	Width int   // number of hashes, 1 to Width
}

// Path returns the tile's path, as in "tile/0/x001/234" or, if it is partial,
// "tile/0/x001/234.p/17".
func (t Tile) Path() string {
	return "tile/" + strconv.Itoa(t.Level) + "/" + numberPath(t.N, t.Width)
}

// first is the index of the first leaf below the i-th hash of the tile.
func (t Tile) first(i int) int64 {
	return (t.N*Width + int64(i)) << (Height * t.Level)
}

// child is the tile over which the i-th hash of t, which is above level 0, is the root.
func (t Tile) child(i int) Tile {
	return Tile{Level: t.Level - 1, N: t.N*Width + int64(i), Width: Width}
}

// EntriesPath returns the path of the bundle of entries whose hashes are the n-th
// tile of level 0, as in "tile/entries/x001/234" or "tile/entries/x001/234.p/17".
func EntriesPath(n int64, width int) string {
	return "tile/entries/" + numberPath(n, width)
}

func numberPath(n int64, width int) string {
	s := fmt.Sprintf("%03d", n%1000)
	for n >= 1000 {
		n /= 1000
		s = fmt.Sprintf("x%03d/%s", n%1000, s)
	}
	if width != Width {
		s += ".p/" + strconv.Itoa(width)
	}
	return s
}

// ParsePath is the inverse of Path and of EntriesPath: entries tells them apart,
// and is true with a tile of level 0. Everything else is ErrPath: another spelling
// of a number, a width of 0 or above 255 after ".p/", a level above 63, a number of
// 2^52 or more.
func ParsePath(path string) (t Tile, entries bool, err error) {
	rest, _ := strings.CutPrefix(path, "tile/")
	level, rest, _ := strings.Cut(rest, "/")
	number, width, partial := strings.Cut(rest, ".p/")
	entries = level == "entries"
	t.Width = Width
	ok := true
	if partial {
		t.Width, ok = parseNumber(width, 1, Width-1)
	}
	if ok && !entries {
		t.Level, ok = parseNumber(level, 0, maxLevel)
	}
	for group := range strings.SplitSeq(number, "/") {
		d := 0
		if ok {
			d, ok = parseNumber(strings.TrimPrefix(group, "x"), 0, 999)
		}
		t.N = t.N*1000 + int64(d)
		ok = ok && t.N < maxTiles
	}
	again := t.Path()
	if entries {
		again = EntriesPath(t.N, t.Width)
	}
	if !ok || again != path {
		return Tile{}, false, ErrPath
	}
	return t, entries, nil
}

// parseNumber parses a number from least to most; how it may be spelt is for the
// caller to check.
func parseNumber(s string, least, most int) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= least && n <= most
}

// TilesOf returns the tiles that a log adds which grows from size from to size to:
// those that become complete and, at the right edge, the partial ones of size to;
// level 0 first, then by number. The bundles of entries to add have the numbers and
// widths of the tiles of level 0.
func TilesOf(from, to int64) []Tile {
	if from < 0 || to <= from {
		return nil
	}
	list := tlog.NewTiles(Height, from, to)
	tiles := make([]Tile, len(list))
	for i, t := range list {
		tiles[i] = Tile{Level: t.L, N: t.N, Width: t.W}
	}
	return tiles
}

// AppendEntry appends a leaf to a bundle of entries: its length, two bytes big
// endian, and the leaf. The error is ErrSize if it has more than 65,535 bytes; dst
// is then returned as it was.
func AppendEntry(dst, leaf []byte) ([]byte, error) {
	n := len(leaf)
	if n > maxEntry {
		return dst, fmt.Errorf("%w: an entry of %d bytes", ErrSize, n)
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(n))
	return append(dst, leaf...), nil
}

// SplitEntries returns the leaves of a bundle of exactly width entries. They are
// parts of bundle. Everything else is ErrFormat: fewer entries, or bytes that are
// left over.
func SplitEntries(bundle []byte, width int) ([][]byte, error) {
	if width < 1 || width > Width {
		return nil, fmt.Errorf("%w: a bundle of %d entries", ErrFormat, width)
	}
	leaves := make([][]byte, width)
	for i := range leaves {
		if len(bundle) < 2 {
			return nil, fmt.Errorf("%w: a bundle that ends early", ErrFormat)
		}
		end := 2 + int(binary.BigEndian.Uint16(bundle))
		if len(bundle) < end {
			return nil, fmt.Errorf("%w: a bundle that ends early", ErrFormat)
		}
		leaves[i], bundle = bundle[2:end:end], bundle[end:]
	}
	if len(bundle) > 0 {
		return nil, fmt.Errorf("%w: bytes after the last entry of a bundle", ErrFormat)
	}
	return leaves, nil
}
