package localkek_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fieldvault/fieldvault/crypto/localkek"
)

func status(t *testing.T, k *localkek.KEK, key string) localkek.KeyStatus {
	t.Helper()
	s, err := k.Status(context.Background(), key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func rotate(t *testing.T, k *localkek.KEK, key string) int {
	t.Helper()
	n, err := k.Rotate(context.Background(), key)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestCreateKey(t *testing.T) {
	k := newKEK(t)
	ctx := context.Background()
	for _, name := range []string{"default", "a", "_system", "tenant-2", "a_b", strings.Repeat("a", 63)} {
		if err := k.CreateKey(ctx, name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"", "-a", "1a", "A", "a b", "a\n", "a\x00", "é", "a/b", "..", "a:b", strings.Repeat("a", 64)} {
		if err := k.CreateKey(ctx, name); !errors.Is(err, localkek.ErrName) {
			t.Errorf("%q: %v, want ErrName", name, err)
		}
	}
	want := localkek.KeyStatus{Latest: 1, MinDecrypt: 1, MinAvailable: 1}
	if diff := cmp.Diff(want, status(t, k, "default")); diff != "" {
		t.Error(diff)
	}
}

// TestCreateKeyTwice keeps the key that is there.
func TestCreateKeyTwice(t *testing.T) {
	k := newKEK(t, "default")
	rotate(t, k, "default")
	w := wrapOne(t, k, "default", "c", "p")
	if err := k.CreateKey(context.Background(), "default"); err != nil {
		t.Fatal(err)
	}
	if got, err := unwrapOne(k, "default", "c", w); err != nil || got != "p" {
		t.Errorf("what was wrapped before does not open: %v", err)
	}
	if s := status(t, k, "default"); s.Latest != 2 {
		t.Errorf("%+v, want version 2", s)
	}
}

// TestLifeCycle rotates, rewraps, retires and trims, as DESIGN section 4 has it.
func TestLifeCycle(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kek")
	k, err := localkek.Create(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	if err := k.CreateKey(ctx, "default"); err != nil {
		t.Fatal(err)
	}
	old := wrapOne(t, k, "default", "c", "p")
	if n := rotate(t, k, "default"); n != 2 {
		t.Errorf("rotated to %d, want 2", n)
	}
	if w := wrapOne(t, k, "default", "c", "p"); !strings.HasPrefix(w, "local:v2:") {
		t.Errorf("wrapped as %.10s, want version 2", w)
	}
	rewrapped, errs, err := k.Rewrap(ctx, "default", [][]byte{[]byte("c")}, []string{old})
	if err != nil || errs != nil || !strings.HasPrefix(rewrapped[0], "local:v2:") {
		t.Fatalf("rewrapping: %v, %v", errs, err)
	}
	if _, errs, err := k.Rewrap(ctx, "default", [][]byte{[]byte("d")}, []string{old}); err != nil || !errors.Is(errs[0], localkek.ErrUnwrap) {
		t.Errorf("rewrapping under another context: %v, %v, want ErrUnwrap", errs, err)
	}
	opens := func(what, w string, want error) {
		t.Helper()
		for name, k := range map[string]*localkek.KEK{"in memory": k, "from the file": reopen(t, path)} {
			if got, err := unwrapOne(k, "default", "c", w); !errors.Is(err, want) || want == nil && got != "p" {
				t.Errorf("%s, %s: %v, want %v", what, name, err, want)
			}
		}
	}
	opens("before retiring, the old", old, nil)
	if err := k.SetMinimum(ctx, "default", 2, 2); err != nil {
		t.Fatal(err)
	}
	opens("retired, the old", old, localkek.ErrVersion)
	opens("retired, the new", rewrapped[0], nil)
	if err := k.SetMinimum(ctx, "default", 1, 2); err != nil {
		t.Fatal(err)
	}
	opens("taken back, the old", old, nil)
	if err := k.SetMinimum(ctx, "default", 2, 2); err != nil {
		t.Fatal(err)
	}
	if err := k.Trim(ctx, "default", 2); err != nil {
		t.Fatal(err)
	}
	if err := k.SetMinimum(ctx, "default", 1, 2); !errors.Is(err, localkek.ErrMinimum) {
		t.Errorf("lowering the minimum below what was trimmed: %v, want ErrMinimum", err)
	}
	opens("trimmed, the old", old, localkek.ErrVersion)
	opens("trimmed, the new", rewrapped[0], nil)
	want := localkek.KeyStatus{Latest: 2, MinDecrypt: 2, MinEncrypt: 2, MinAvailable: 2}
	if diff := cmp.Diff(want, status(t, k, "default")); diff != "" {
		t.Error(diff)
	}
}

func reopen(t *testing.T, path string) *localkek.KEK {
	t.Helper()
	k, err := localkek.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestMinimaKeepTheirOrder works on a key of five versions whose first is
// trimmed.
func TestMinimaKeepTheirOrder(t *testing.T) {
	k := newKEK(t, "default")
	ctx := context.Background()
	for range 4 {
		rotate(t, k, "default")
	}
	if err := k.Trim(ctx, "default", 1); !errors.Is(err, localkek.ErrMinimum) {
		t.Errorf("trimming while MinEncrypt is 0: %v, want ErrMinimum", err)
	}
	for _, do := range []error{k.SetMinimum(ctx, "default", 2, 3), k.Trim(ctx, "default", 2)} {
		if do != nil {
			t.Fatal(do)
		}
	}
	before := status(t, k, "default")
	for _, c := range []struct {
		decrypt, encrypt int
		ok               bool
	}{
		{1, 0, false},
		{0, 0, false},
		{-1, 0, false},
		{1, 3, false},
		{6, 0, false},
		{6, 6, false},
		{3, 6, false},
		{3, 2, false},
		{3, -1, false},
		{2, 0, true},
		{2, 2, true},
		{2, 5, true},
		{5, 0, true},
		{5, 5, true},
		{2, 3, true},
	} {
		err := k.SetMinimum(ctx, "default", c.decrypt, c.encrypt)
		if c.ok != (err == nil) || !c.ok && !errors.Is(err, localkek.ErrMinimum) {
			t.Errorf("SetMinimum(%d, %d): %v, want ok %t", c.decrypt, c.encrypt, err, c.ok)
		}
	}
	if diff := cmp.Diff(before, status(t, k, "default")); diff != "" {
		t.Errorf("the last call set what there was before: %s", diff)
	}
	for _, n := range []int{-1, 0, 1, 3, 4, 6} { // above MinDecrypt 2, or below what was trimmed
		if err := k.Trim(ctx, "default", n); !errors.Is(err, localkek.ErrMinimum) {
			t.Errorf("Trim(%d): %v, want ErrMinimum", n, err)
		}
	}
	if diff := cmp.Diff(before, status(t, k, "default")); diff != "" {
		t.Errorf("what was refused changed something: %s", diff)
	}
	if err := k.Trim(ctx, "default", 2); err != nil {
		t.Errorf("trimming again: %v", err)
	}
}

// TestOtherProcessIsSeen: what one process changes, another that has the file
// open uses at once.
func TestOtherProcessIsSeen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kek")
	server, err := localkek.Create(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	keeper := reopen(t, path)
	if err := keeper.CreateKey(ctx, "default"); err != nil {
		t.Fatal(err)
	}
	old := wrapOne(t, server, "default", "c", "p")
	rotate(t, keeper, "default")
	if w := wrapOne(t, server, "default", "c", "p"); !strings.HasPrefix(w, "local:v2:") {
		t.Errorf("wrapped as %.10s after another process rotated", w)
	}
	if err := keeper.SetMinimum(ctx, "default", 2, 2); err != nil {
		t.Fatal(err)
	}
	if _, err := unwrapOne(server, "default", "c", old); !errors.Is(err, localkek.ErrVersion) {
		t.Errorf("after another process retired it: %v, want ErrVersion", err)
	}
}
