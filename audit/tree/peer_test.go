package tree_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/fieldvault/fieldvault/audit/tree"
)

// The tests of this file let code that is not ours read what this package writes:
// filippo.io/torchwood, which implements the C2SP formats.

// served is a log as files under their paths, which is all that torchwood sees.
type served map[string][]byte

// serve writes what the log adds when it grows to each of the sizes, as a service does.
func serve(t *testing.T, l *memlog, sizes ...int64) served {
	t.Helper()
	files, from := served{}, int64(0)
	for _, to := range sizes {
		for _, tile := range tree.TilesOf(from, to) {
			data, err := l.Tile(t.Context(), tile)
			if err != nil {
				t.Fatal(err)
			}
			files[tile.Path()] = data
			if tile.Level > 0 {
				continue
			}
			leaves, err := l.Entries(t.Context(), tile.N, tile.Width)
			if err != nil {
				t.Fatal(err)
			}
			var bundle []byte
			for _, leaf := range leaves {
				if bundle, err = tree.AppendEntry(bundle, leaf); err != nil {
					t.Fatal(err)
				}
			}
			files[tree.EntriesPath(tile.N, tile.Width)] = bundle
		}
		from = to
		files["checkpoint"] = l.signed(t, to)
	}
	return files
}

func (s served) ReadTiles(_ context.Context, tiles []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(tiles))
	for i, tile := range tiles {
		path := torchwood.TilePath(tile)
		if data[i] = s[path]; data[i] == nil {
			return nil, errors.New("there is no " + path)
		}
	}
	return data, nil
}

func (s served) SaveTiles([]tlog.Tile, [][]byte) {}

func (s served) ReadEndpoint(_ context.Context, path string) ([]byte, error) { return s[path], nil }

// openWithTorchwood opens a checkpoint with nothing of ours but the text of its key.
func openWithTorchwood(t *testing.T, signed []byte) torchwood.Checkpoint {
	t.Helper()
	vkey, err := tree.VerifierKey(origin, public(key(1)))
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	n, err := note.Open(signed, note.VerifierList(v))
	if err != nil {
		t.Fatal(err)
	}
	c, err := torchwood.ParseCheckpoint(n.Text)
	if err != nil || c.Origin != origin || c.Extension != "" {
		t.Fatalf("%+v, %v", c, err)
	}
	return c
}

func TestTorchwoodFollowsALog(t *testing.T) {
	l := newLog(t, numbers(1500))
	files := serve(t, l, 1, 2, 200, 256, 300, 900, 1024, 1500)
	c := openWithTorchwood(t, files["checkpoint"])
	client, err := torchwood.NewClient(files, torchwood.WithTimeout(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	next := int64(0)
	for next < c.N {
		start := next
		for i, entry := range client.Entries(t.Context(), c.Tree, next) {
			if i != next || !bytes.Equal(entry, l.leaves[i]) {
				t.Fatalf("entry %d is %q, want %d", i, entry, next)
			}
			next++
		}
		if err := client.Err(); err != nil || next == start {
			t.Fatalf("at %d: %v", next, err)
		}
	}
	for _, i := range []int64{0, 255, 256, 1023, 1499} {
		entry, proof, err := client.Entry(t.Context(), c.Tree, i)
		if err != nil || !bytes.Equal(entry, l.leaves[i]) {
			t.Fatalf("entry %d: %q, %v", i, entry, err)
		}
		if err := tree.CheckInclusion(l.at(1500), i, tree.LeafHash(entry), proof); err != nil {
			t.Errorf("torchwood's proof of entry %d: %v", i, err)
		}
		ours, err := tree.ProveInclusion(t.Context(), l, l.at(1500), i)
		if err != nil || tlog.CheckRecord(ours, c.N, c.Hash, i, tlog.RecordHash(entry)) != nil {
			t.Errorf("our proof of entry %d: %v", i, err)
		}
	}
}

func TestTorchwoodSeesAChange(t *testing.T) {
	l := newLog(t, numbers(1500))
	for _, path := range []string{"tile/0/003", "tile/1/000.p/5", "tile/entries/003"} {
		files := serve(t, l, 1500)
		files[path] = bytes.Clone(files[path])
		files[path][len(files[path])-1] ^= 1
		c := openWithTorchwood(t, files["checkpoint"])
		client, err := torchwood.NewClient(files, torchwood.WithTimeout(time.Second))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := client.Entry(t.Context(), c.Tree, 1023); err == nil {
			t.Errorf("%s: not seen", path)
		}
	}
}

func TestTorchwoodChecksConsistency(t *testing.T) {
	l := newLog(t, numbers(1500))
	files := serve(t, l, 1500)
	c := openWithTorchwood(t, files["checkpoint"])
	reader := torchwood.TileHashReaderWithContext(t.Context(), c.Tree, files)
	for _, from := range []int64{1, 256, 257, 1024, 1499, 1500} {
		theirs, err := tlog.ProveTree(c.N, from, reader)
		if err != nil {
			t.Fatal(err)
		}
		if err := tree.CheckConsistency(l.at(from), l.at(1500), theirs); err != nil {
			t.Errorf("from %d: %v", from, err)
		}
		ours, err := tree.ProveConsistency(t.Context(), l, l.at(1500), from)
		if err != nil || tlog.CheckTree(ours, c.N, c.Hash, from, l.roots[from]) != nil {
			t.Errorf("our proof from %d: %v", from, err)
		}
	}
}

func TestTorchwoodReadsOurPaths(t *testing.T) {
	for _, tile := range []tree.Tile{{Width: 256}, {N: 1234, Width: 17}, {Level: 3, N: 1e9, Width: 255}, {Level: 63, N: 1<<52 - 1, Width: 1}} {
		got, err := torchwood.ParseTilePath(tile.Path())
		if want := (tlog.Tile{H: 8, L: tile.Level, N: tile.N, W: tile.Width}); err != nil || got != want {
			t.Errorf("%s is %+v, %v", tile.Path(), got, err)
		}
		got, err = torchwood.ParseTilePath(tree.EntriesPath(tile.N, tile.Width))
		if want := (tlog.Tile{H: 8, L: -1, N: tile.N, W: tile.Width}); err != nil || got != want {
			t.Errorf("%s is %+v, %v", tree.EntriesPath(tile.N, tile.Width), got, err)
		}
	}
	for _, path := range badPaths() {
		// It takes higher levels and numbers, and a name of bundles that is not its own.
		if tile, err := torchwood.ParseTilePath(path); err == nil && tile.L < 64 && tile.N < 1<<52 && torchwood.TilePath(tile) == path {
			t.Errorf("torchwood takes %q for %+v", path, tile)
		}
	}
}

// TestTorchwoodKnowsOurCosignatures, and we know those of torchwood.
func TestTorchwoodKnowsOurCosignatures(t *testing.T) {
	signed := sign(t, checkpoint())
	peer, err := torchwood.NewCosignatureSigner(witness, key(9))
	if err != nil {
		t.Fatal(err)
	}
	if got := tree.CosignerKey(witness, public(key(9))); got != peer.Verifier().String() {
		t.Errorf("key %q, want %q", got, peer.Verifier())
	}
	n, err := note.Open(cosign(t, signed, witness, 9, noon), note.VerifierList(peer.Verifier()))
	if err != nil || len(n.Sigs) != 1 {
		t.Fatalf("%+v, %v", n, err)
	}
	if at, err := torchwood.CosignatureTimestamp(n.Sigs[0]); err != nil || at != noon.Unix() {
		t.Errorf("cosigned at %d, %v", at, err)
	}
	before := time.Now().Truncate(time.Second)
	theirs, err := note.Sign(&note.Note{Text: n.Text}, peer)
	if err != nil {
		t.Fatal(err)
	}
	if at, err := tree.CheckCosignature(theirs, witness, public(key(9))); err != nil || at.Before(before) || at.After(time.Now()) {
		t.Errorf("%v, %v", at, err)
	}
}
