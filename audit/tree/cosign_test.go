package tree_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/audit/tree"
)

var noon = time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)

func cosign(t testing.TB, signed []byte, name string, k byte, at time.Time) []byte {
	t.Helper()
	b, err := tree.Cosign(signed, name, signing(key(k)), public(key(k)), at)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestCosignaturesRoundTrip(t *testing.T) {
	signed := sign(t, checkpoint())
	one := cosign(t, signed, witness, 9, noon.Add(999*time.Millisecond))
	two := cosign(t, one, "other.example.org", 8, time.Unix(0, 0))
	if !bytes.HasPrefix(one, signed) || !bytes.HasPrefix(two, one) {
		t.Errorf("%q and %q do not begin with %q", one, two, signed)
	}
	if at, err := tree.CheckCosignature(two, witness, public(key(9))); err != nil || at != noon {
		t.Errorf("%v, %v", at, err)
	}
	if at, err := tree.CheckCosignature(two, "other.example.org", public(key(8))); err != nil || !at.Equal(time.Unix(0, 0)) {
		t.Errorf("%v, %v", at, err)
	}
	if c, err := tree.OpenCheckpoint(two, origin, public(key(1))); err != nil || c != checkpoint() {
		t.Errorf("cosigned, it opens as %+v, %v", c, err)
	}
	again := cosign(t, two, witness, 9, noon.Add(time.Hour))
	if at, err := tree.CheckCosignature(again, witness, public(key(9))); err != nil || at != noon.Add(time.Hour) || len(again) != len(two) {
		t.Errorf("cosigned anew: %v, %v, %q", at, err, again)
	}
}

func TestCheckCosignatureRefuses(t *testing.T) {
	signed := sign(t, checkpoint())
	one := cosign(t, signed, witness, 9, noon)
	for name, err := range map[string]error{
		"not cosigned":  second(tree.CheckCosignature(signed, witness, public(key(9)))),
		"another name":  second(tree.CheckCosignature(one, "other", public(key(9)))),
		"another key":   second(tree.CheckCosignature(one, witness, public(key(8)))),
		"the log's own": second(tree.CheckCosignature(one, origin, public(key(1)))),
		"as a log's":    second(tree.OpenCheckpoint(one, witness, public(key(9)))),
		"another text":  second(tree.CheckCosignature(bytes.Replace(one, []byte("\n1234\n"), []byte("\n1235\n"), 1), witness, public(key(9)))),
	} {
		if !errors.Is(err, tree.ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := tree.CheckCosignature([]byte("x"), witness, public(key(9))); !errors.Is(err, tree.ErrFormat) {
		t.Errorf("no note: %v", err)
	}
	if _, err := tree.CheckCosignature(one, "a b", public(key(9))); !errors.Is(err, tree.ErrFormat) {
		t.Errorf("no name: %v", err)
	}
	if _, err := tree.CheckCosignature(one, witness, nil); !errors.Is(err, tree.ErrFormat) {
		t.Errorf("no key: %v", err)
	}
	for i := len(signed) * 8; i < len(one)*8; i++ {
		bad := bytes.Clone(one)
		bad[i/8] ^= 1 << (i % 8)
		if at, err := tree.CheckCosignature(bad, witness, public(key(9))); err == nil {
			t.Errorf("bit %d of %q may change: %v", i, one, at)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestCosignRefuses(t *testing.T) {
	signed := sign(t, checkpoint())
	for name, text := range badTexts() {
		if name == "another origin" {
			continue
		}
		if b, err := tree.Cosign(signText(t, origin, text), witness, signing(key(9)), public(key(9)), noon); !errors.Is(err, tree.ErrFormat) || b != nil {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	for name, c := range map[string]struct {
		signed, name string
		sign, key    byte
		at           time.Time
		want         error
	}{
		"no note":         {"x\n", witness, 9, 9, noon, tree.ErrFormat},
		"no name":         {string(signed), "", 9, 9, noon, tree.ErrFormat},
		"another key":     {string(signed), witness, 8, 9, noon, tree.ErrSignature},
		"before the time": {string(signed), witness, 9, 9, time.Unix(-1, 0), tree.ErrSize},
	} {
		b, err := tree.Cosign([]byte(c.signed), c.name, signing(key(c.sign)), public(key(c.key)), c.at)
		if !errors.Is(err, c.want) || b != nil {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	if _, err := tree.Cosign(signed, witness, signing(key(9)), nil, noon); !errors.Is(err, tree.ErrFormat) {
		t.Errorf("no key: %v", err)
	}
}

func advance(t testing.TB, s tree.Source, last *tree.Witnessed) (tree.Witnessed, bool, error) {
	t.Helper()
	return tree.Advance(t.Context(), s, origin, public(key(1)), last)
}

func TestAdvanceFollowsAnHonestLog(t *testing.T) {
	l := newLog(t, nil)
	var last *tree.Witnessed
	for n, size := range []int64{0, 0, 1, 1, 2, 255, 256, 600, 600, 1100} {
		l.grow(t, numbers(int(size))[l.size:])
		next, changed, err := advance(t, l, last)
		if err != nil || next.Checkpoint != l.at(size) || !bytes.Equal(next.Signed, l.signed(t, size)) {
			t.Fatalf("size %d: %+v, %v", size, next, err)
		}
		if want := n == 0 || size != last.Checkpoint.Size; changed != want {
			t.Errorf("size %d: changed %v", size, changed)
		}
		last = &next
	}
}

func TestAdvanceFindsRollbackAndFork(t *testing.T) {
	honest := newLog(t, numbers(1000))
	last := &tree.Witnessed{Signed: honest.signed(t, 700), Checkpoint: honest.at(700)}
	for name, c := range map[string]struct {
		log  *memlog
		size int64
		want error
		say  string
	}{
		"smaller":                    {honest, 699, tree.ErrRollback, "699 entries, of 700"},
		"empty":                      {honest, 0, tree.ErrRollback, "0 entries, of 700"},
		"smaller and rewritten":      {rewritten(t, 1000, 5), 600, tree.ErrRollback, "600 entries, of 700"},
		"rewritten":                  {rewritten(t, 1000, 699), 1000, tree.ErrFork, "1000 entries do not continue the 700"},
		"rewritten, of equal size":   {rewritten(t, 1000, 0), 700, tree.ErrFork, "700 entries do not continue the 700"},
		"rewritten after the last":   {rewritten(t, 1000, 700), 1000, nil, ""},
		"rewritten after, same size": {rewritten(t, 1000, 700), 700, nil, ""},
	} {
		c.log.size = c.size
		next, changed, err := advance(t, c.log, last)
		if c.want == nil && err == nil && changed == (c.size > 700) {
			continue
		}
		if !errors.Is(err, c.want) || changed || next.Signed != nil || err != nil && !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s: %+v, %v, %v", name, next, changed, err)
		}
	}
}

func TestAdvanceTakesNothingElse(t *testing.T) {
	l := newLog(t, numbers(1000))
	last := &tree.Witnessed{Signed: l.signed(t, 600), Checkpoint: l.at(600)}
	down := errors.New("down")
	l.fail = down
	if _, _, err := advance(t, l, last); !errors.Is(err, down) {
		t.Errorf("unavailable: %v", err)
	}
	l.fail = nil
	if _, _, err := advance(t, &failing{memlog: l, left: 1, err: down}, last); !errors.Is(err, down) || errors.Is(err, tree.ErrBad) {
		t.Errorf("tiles unavailable: %v", err)
	}
	if _, _, err := tree.Advance(context.Background(), l, origin, public(key(2)), last); !errors.Is(err, tree.ErrSignature) {
		t.Errorf("another key: %v", err)
	}
	if _, _, err := advance(t, l, &tree.Witnessed{Checkpoint: tree.Checkpoint{Origin: "other", Size: 600, Root: l.roots[600]}}); !errors.Is(err, tree.ErrFormat) {
		t.Errorf("last of another origin: %v", err)
	}
	l.hashes[1][0][0] ^= 1
	if _, _, err := advance(t, l, last); !errors.Is(err, tree.ErrBad) || errors.Is(err, tree.ErrFork) {
		t.Errorf("tiles that do not fit: %v", err)
	}
}
