package tree_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/fieldvault/fieldvault/audit/tree"
)

// FuzzParsedPathsAreCanonical: whatever parses is the path of what was parsed.
func FuzzParsedPathsAreCanonical(f *testing.F) {
	for _, path := range append(badPaths(), "tile/0/x001/234.p/17", "tile/63/000", "tile/entries/x004/x503/x599/x627/x370/495.p/255") {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		tile, entries, err := tree.ParsePath(path)
		if err != nil {
			if !errors.Is(err, tree.ErrPath) {
				t.Fatal(err)
			}
			return
		}
		again := tile.Path()
		if entries {
			again = tree.EntriesPath(tile.N, tile.Width)
		}
		if again != path || tile.N < 0 || tile.N >= 1<<52 || tile.Width < 1 || tile.Width > 256 || tile.Level < 0 || tile.Level > 63 || entries && tile.Level != 0 {
			t.Fatalf("%q parses as %+v, %v, whose path is %q", path, tile, entries, again)
		}
	})
}

// FuzzSplitBundlesAreCanonical: a bundle that splits is put together from its entries.
func FuzzSplitBundlesAreCanonical(f *testing.F) {
	f.Add([]byte("\x00\x01a\x00\x00\x00\x02bc"), 3)
	f.Add([]byte("\xff\xffa"), 1)
	f.Add([]byte{}, 0)
	f.Fuzz(func(t *testing.T, bundle []byte, width int) {
		leaves, err := tree.SplitEntries(bundle, width)
		if err != nil {
			if !errors.Is(err, tree.ErrFormat) {
				t.Fatal(err)
			}
			return
		}
		var again []byte
		for _, leaf := range leaves {
			if again, err = tree.AppendEntry(again, leaf); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(again, bundle) || len(leaves) != width {
			t.Fatalf("%q splits into %q", bundle, leaves)
		}
	})
}

// FuzzOpenedCheckpointsAreSigned: whatever opens is a text that was signed, whatever
// stands around it. Since the key signs one text only, that is it.
func FuzzOpenedCheckpointsAreSigned(f *testing.F) {
	good := checkpoint()
	signed := sign(f, good)
	f.Add(signed)
	f.Add(cosign(f, signed, witness, 9, noon))
	for _, text := range badTexts() {
		f.Add([]byte(text + "\n— " + origin + " AAAAAAAA\n"))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := tree.ReadCheckpoint(b); err == nil {
			if _, err := c.Sign(public(key(1)), signing(key(1))); err != nil {
				t.Fatalf("%q reads as %+v, which cannot be signed: %v", b, c, err)
			}
		}
		c, err := tree.OpenCheckpoint(b, origin, public(key(1)))
		switch {
		case err == nil && (c != good || !bytes.HasPrefix(b, signed[:bytes.Index(signed, []byte("\n\n"))+2])):
			t.Fatalf("%q opens as %+v", b, c)
		case err != nil && !errors.Is(err, tree.ErrFormat) && !errors.Is(err, tree.ErrSignature):
			t.Fatal(err)
		}
	})
}

// FuzzCosignaturesAreSigned: whatever is found to be cosigned was, and at that time.
func FuzzCosignaturesAreSigned(f *testing.F) {
	signed := sign(f, checkpoint())
	one := cosign(f, signed, witness, 9, noon)
	f.Add(one)
	f.Add(signed)
	f.Add(cosign(f, signed, witness, 8, noon))
	f.Add(bytes.Replace(one, []byte(witness), []byte("other"), 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		at, err := tree.CheckCosignature(b, witness, public(key(9)))
		switch {
		case err == nil && (at != noon || !bytes.HasPrefix(b, signed[:bytes.Index(signed, []byte("\n\n"))+2])):
			t.Fatalf("%q is cosigned at %v", b, at)
		case err != nil && !errors.Is(err, tree.ErrFormat) && !errors.Is(err, tree.ErrSignature):
			t.Fatal(err)
		}
	})
}
