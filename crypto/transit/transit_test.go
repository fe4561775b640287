package transit_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fieldvault/fieldvault/crypto/keyring"
	"github.com/fieldvault/fieldvault/crypto/transit"
	"github.com/fieldvault/fieldvault/crypto/transit/transittest"
)

var _ keyring.KEK = (*transit.KEK)(nil)

// newKey makes a key and returns its name.
func newKey(t *testing.T, k *transit.KEK, name string) string {
	t.Helper()
	if err := k.CreateKey(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	return name
}

// wrap wraps n plaintexts and returns their contexts and wrapped keys; the
// plaintext and the context of index i are plain(i) and place(i).
func wrap(t *testing.T, k *transit.KEK, key string, n int) (contexts [][]byte, wrapped []string) {
	t.Helper()
	plaintexts := make([][]byte, n)
	for i := range n {
		contexts, plaintexts[i] = append(contexts, place(i)), plain(i)
	}
	wrapped, err := k.Wrap(t.Context(), key, contexts, plaintexts)
	if err != nil {
		t.Fatal(err)
	}
	return contexts, wrapped
}

func plain(i int) []byte { return fmt.Appendf(nil, "canary keyset %d", i) }
func place(i int) []byte { return fmt.Appendf(nil, "context of person %d", i) }

// mustOpen fails unless wrapped opens to plain(0), plain(1), ...
func mustOpen(t *testing.T, k *transit.KEK, key string, contexts [][]byte, wrapped []string) {
	t.Helper()
	got, errs, err := k.Unwrap(t.Context(), key, contexts, wrapped)
	if err != nil || errs != nil {
		t.Fatalf("Unwrap: %v, items %v", err, errs)
	}
	for i := range wrapped {
		if !bytes.Equal(got[i], plain(i)) {
			t.Fatalf("item %d is not what was wrapped", i)
		}
	}
}

func TestWrapUnwrapRewrap(t *testing.T) {
	t.Parallel()
	k := transittest.Start(t).KEK(t)
	key := newKey(t, k, "acme")
	contexts, wrapped := wrap(t, k, key, 3)
	mustOpen(t, k, key, contexts, wrapped)

	version, err := k.Rotate(t.Context(), key)
	if err != nil || version != 2 {
		t.Fatalf("Rotate: version %d, %v", version, err)
	}
	rewrapped, errs, err := k.Rewrap(t.Context(), key, contexts, wrapped)
	if err != nil || errs != nil {
		t.Fatalf("Rewrap: %v, items %v", err, errs)
	}
	for i, w := range rewrapped {
		if !strings.HasPrefix(w, "vault:v2:") || !strings.HasPrefix(wrapped[i], "vault:v1:") {
			t.Fatalf("item %d: %.9s became %.9s", i, wrapped[i], w)
		}
	}
	mustOpen(t, k, key, contexts, rewrapped)
	mustOpen(t, k, key, contexts, wrapped)
}

func TestNothingToDo(t *testing.T) {
	t.Parallel()
	k := transittest.Start(t).KEK(t)
	key := newKey(t, k, "acme")
	w, err := k.Wrap(t.Context(), key, nil, nil)
	if err != nil || len(w) != 0 {
		t.Fatalf("Wrap: %v, %v", w, err)
	}
	p, errs, err := k.Unwrap(t.Context(), key, nil, nil)
	if err != nil || errs != nil || len(p) != 0 {
		t.Fatalf("Unwrap: %v, %v, %v", p, errs, err)
	}
	if n := k.Requests(); n != 0 {
		t.Errorf("%d requests for nothing", n)
	}
}

// A wrapped key opens where it was wrapped and nowhere else (I7), for Unwrap and
// Rewrap, and what does not open does not keep its neighbours from opening.
func TestWrongPlaceDoesNotOpen(t *testing.T) {
	t.Parallel()
	k := transittest.Start(t).KEK(t)
	acme, other := newKey(t, k, "acme"), newKey(t, k, "other")
	contexts, wrapped := wrap(t, k, acme, 3)
	_, foreign := wrap(t, k, other, 3)
	flipped := []byte(wrapped[1])
	if flipped[len(flipped)-8]++; !isAlphanumeric(flipped[len(flipped)-8]) {
		flipped[len(flipped)-8] = 'A' // still base64
	}
	for _, tt := range []struct {
		name    string
		context []byte
		wrapped string
	}{
		{"another's context", place(2), wrapped[1]},
		{"a longer context", append(place(1), 0), wrapped[1]},
		{"another's wrapped key", place(1), wrapped[2]},
		{"another tenant's wrapped key", place(1), foreign[1]},
		{"a version that is not there", place(1), "vault:v2:" + strings.TrimPrefix(wrapped[1], "vault:v1:")},
		{"a changed byte", place(1), string(flipped)},
		{"a cut end", place(1), wrapped[1][:len(wrapped[1])-4]},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cs, ws := [][]byte{contexts[0], tt.context, contexts[2]}, []string{wrapped[0], tt.wrapped, wrapped[2]}
			got, errs, err := k.Unwrap(t.Context(), acme, cs, ws)
			if err != nil || len(errs) != 3 || !errors.Is(errs[1], transit.ErrRefused) || errs[0] != nil || errs[2] != nil {
				t.Fatalf("Unwrap: %v, items %v", err, errs)
			}
			if got[1] != nil || !bytes.Equal(got[0], plain(0)) || !bytes.Equal(got[2], plain(2)) {
				t.Error("Unwrap: the neighbours did not open, or it did")
			}
			again, errs, err := k.Rewrap(t.Context(), acme, cs, ws)
			if err != nil || len(errs) != 3 || !errors.Is(errs[1], transit.ErrRefused) || errs[0] != nil || errs[2] != nil {
				t.Fatalf("Rewrap: %v, items %v", err, errs)
			}
			if again[1] != "" || again[0] == "" || again[2] == "" {
				t.Error("Rewrap: the neighbours were not rewrapped, or it was")
			}
			// Alone: Vault answers 400 when no item of a batch succeeds.
			if _, errs, err = k.Unwrap(t.Context(), acme, cs[1:2], ws[1:2]); err != nil || len(errs) != 1 || !errors.Is(errs[0], transit.ErrRefused) {
				t.Errorf("Unwrap alone: %v, items %v", err, errs)
			}
			if _, errs, err = k.Rewrap(t.Context(), acme, cs[1:2], ws[1:2]); err != nil || len(errs) != 1 || !errors.Is(errs[0], transit.ErrRefused) {
				t.Errorf("Rewrap alone: %v, items %v", err, errs)
			}
		})
	}
}

func isAlphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// badWrapped are refused without asking Vault, which takes some of them.
func badWrapped(good string) []string {
	c := strings.TrimPrefix(good, "vault:v1:")
	return []string{
		"", "vault", "vault:", "vault:v", "vault:v1", "vault:v1:", "vault:v:" + c, "vault:1:" + c,
		"vault:v01:" + c, "vault:v+1:" + c, "vault:v-1:" + c, "vault:v0:" + c, "vault:v00:" + c, "vault:v1.0:" + c,
		"vault:v0x1:" + c, "vault:v1_0:" + c, "vault:v 1:" + c, "vault:v١:" + c, "vault:v1000000000:" + c, "vault:v99999999999999999999:" + c,
		"Vault:v1:" + c, "vault:V1:" + c, " " + good, good + " ", good + "\n", "\x00" + good, "vault:v1::" + c, "vault:v1:" + c + ":",
		"local:v1:" + c, "vault:v1:" + strings.TrimRight(c, "="), good + "=", "vault:v1:" + c[:8] + "\n" + c[8:], "vault:v1:" + c[:8] + "\r\n" + c[8:],
		"vault:v1:" + strings.NewReplacer("+", "-", "/", "_").Replace(c) + "-_--", "vault:v1:AAAA", `vault:v1:","context":"`,
		"vault:v1:" + strings.Repeat("A", 256<<10),
	}
}

func TestStrictForm(t *testing.T) {
	t.Parallel()
	k := transittest.Start(t).KEK(t)
	key := newKey(t, k, "acme")
	contexts, wrapped := wrap(t, k, key, 1)
	before := k.Requests()
	for _, bad := range badWrapped(wrapped[0]) {
		_, errs, err := k.Unwrap(t.Context(), key, contexts, []string{bad})
		if err != nil || len(errs) != 1 || !errors.Is(errs[0], transit.ErrRefused) {
			t.Errorf("Unwrap of %.40q: %v, items %v", bad, err, errs)
		}
		_, errs, err = k.Rewrap(t.Context(), key, contexts, []string{bad})
		if err != nil || len(errs) != 1 || !errors.Is(errs[0], transit.ErrRefused) {
			t.Errorf("Rewrap of %.40q: %v, items %v", bad, err, errs)
		}
	}
	if n := k.Requests() - before; n != 0 {
		t.Errorf("%d requests for what has not the form of a wrapped key", n)
	}
	// Beside good ones, which are sent.
	got, errs, err := k.Unwrap(t.Context(), key, [][]byte{place(0), place(0), place(0)}, []string{"vault:v01:x", wrapped[0], ""})
	if err != nil || len(errs) != 3 || errs[0] == nil || errs[1] != nil || errs[2] == nil || !bytes.Equal(got[1], plain(0)) {
		t.Errorf("Unwrap: %v, items %v", err, errs)
	}
}

func TestWrongInput(t *testing.T) {
	t.Parallel()
	k := transittest.Start(t).KEK(t)
	key := newKey(t, k, "acme")
	_, wrapped := wrap(t, k, key, 1)
	before := k.Requests()
	some, large := [][]byte{place(0)}, [][]byte{make([]byte, 64<<10+1)}
	for name, call := range map[string]func() error{
		"more contexts":        func() error { _, err := k.Wrap(t.Context(), key, some, nil); return err },
		"fewer contexts":       func() error { _, err := k.Wrap(t.Context(), key, nil, some); return err },
		"an empty context":     func() error { _, err := k.Wrap(t.Context(), key, [][]byte{{}}, some); return err },
		"an empty plaintext":   func() error { _, err := k.Wrap(t.Context(), key, some, [][]byte{nil}); return err },
		"a large plaintext":    func() error { _, err := k.Wrap(t.Context(), key, some, large); return err },
		"a large context":      func() error { _, err := k.Wrap(t.Context(), key, large, some); return err },
		"unwrap, no context":   func() error { _, _, err := k.Unwrap(t.Context(), key, [][]byte{{}}, wrapped); return err },
		"unwrap, more":         func() error { _, _, err := k.Unwrap(t.Context(), key, nil, wrapped); return err },
		"rewrap, more":         func() error { _, _, err := k.Rewrap(t.Context(), key, nil, wrapped); return err },
		"no key":               func() error { _, err := k.Wrap(t.Context(), "", some, some); return err },
		"a path":               func() error { _, err := k.Wrap(t.Context(), "a/../b", some, some); return err },
		"dots":                 func() error { _, err := k.Status(t.Context(), ".."); return err },
		"a query":              func() error { _, _, err := k.Unwrap(t.Context(), "a?x=1", some, wrapped); return err },
		"an escape":            func() error { _, _, err := k.Rewrap(t.Context(), "a%2e", some, wrapped); return err },
		"upper case":           func() error { return k.CreateKey(t.Context(), "Acme") },
		"a name too long":      func() error { return k.CreateKey(t.Context(), strings.Repeat("a", 64)) },
		"a digit first":        func() error { return k.CreateKey(t.Context(), "1acme") },
		"a hyphen at the end":  func() error { return k.CreateKey(t.Context(), "acme-") },
		"a line break":         func() error { return k.CreateKey(t.Context(), "acme\n") },
		"rotate of no name":    func() error { _, err := k.Rotate(t.Context(), ""); return err },
		"trim of no name":      func() error { return k.Trim(t.Context(), "", 1) },
		"a minimum of no name": func() error { return k.SetMinimum(t.Context(), "", 1, 1) },
	} {
		if err := call(); !errors.Is(err, transit.ErrInput) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := k.Requests() - before; n != 0 {
		t.Errorf("%d requests for wrong input", n)
	}
}

// A key that does not exist is not made by using it, not even by root.
func TestMissingKey(t *testing.T) {
	t.Parallel()
	k := transittest.Start(t).KEK(t)
	contexts, wrapped := wrap(t, k, newKey(t, k, "acme"), 1)
	for name, call := range map[string]func() error{
		"Wrap":       func() error { _, err := k.Wrap(t.Context(), "nobody", contexts, contexts); return err },
		"Unwrap":     func() error { _, _, err := k.Unwrap(t.Context(), "nobody", contexts, wrapped); return err },
		"Rewrap":     func() error { _, _, err := k.Rewrap(t.Context(), "nobody", contexts, wrapped); return err },
		"Status":     func() error { _, err := k.Status(t.Context(), "nobody"); return err },
		"Rotate":     func() error { _, err := k.Rotate(t.Context(), "nobody"); return err },
		"SetMinimum": func() error { return k.SetMinimum(t.Context(), "nobody", 1, 1) },
		"Trim":       func() error { return k.Trim(t.Context(), "nobody", 1) },
	} {
		if err := call(); !errors.Is(err, transit.ErrNoKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := k.Status(t.Context(), "nobody"); !errors.Is(err, transit.ErrNoKey) {
		t.Errorf("afterwards: %v", err)
	}
}

func TestCreateKey(t *testing.T) {
	t.Parallel()
	s := transittest.Start(t)
	k := s.KEK(t)
	for range 2 {
		newKey(t, k, transit.System)
	}
	st, err := k.Status(t.Context(), transit.System)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(transit.KeyStatus{Latest: 1, MinDecrypt: 1}, st); diff != "" {
		t.Error(diff)
	}
	data := s.Must("GET", s.Mount+"/keys/fieldvault-_system", nil)
	for field, want := range map[string]any{
		"type": "aes256-gcm96", "derived": true, "exportable": false,
		"allow_plaintext_backup": false, "deletion_allowed": false, "imported_key": false,
	} {
		if data[field] != want {
			t.Errorf("%s is %v", field, data[field])
		}
	}
}

// Vault says when versions were created, those from MinDecrypt on.
func TestCreated(t *testing.T) {
	t.Parallel()
	k := transittest.Start(t).KEK(t)
	before := time.Now().Add(-2 * time.Second) // Vault counts whole seconds
	name := newKey(t, k, "acme")
	if _, err := k.Rotate(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	check := func(want ...int) {
		t.Helper()
		created, err := k.Created(t.Context(), name)
		if diff := cmp.Diff(want, slices.Sorted(maps.Keys(created))); diff != "" || err != nil {
			t.Errorf("versions: %v, %s", err, diff)
		}
		for version, at := range created {
			if at.Before(before) || at.After(time.Now()) {
				t.Errorf("version %d was created at %v", version, at)
			}
		}
	}
	check(1, 2)
	if err := k.SetMinimum(t.Context(), name, 2, 2); err != nil {
		t.Fatal(err)
	}
	check(2)
	if _, err := k.Created(t.Context(), "nobody"); !errors.Is(err, transit.ErrNoKey) {
		t.Errorf("of no key: %v", err)
	}
}

// A key that somebody made otherwise is not used: it would not bind contexts, or
// not stay in Vault.
func TestUnsafeKey(t *testing.T) {
	t.Parallel()
	s := transittest.Start(t)
	for name, body := range map[string]map[string]any{
		"flat":       {"derived": false},
		"exportable": {"derived": true, "exportable": true},
		"backup":     {"derived": true, "allow_plaintext_backup": true},
		"convergent": {"derived": true, "convergent_encryption": true},
		"chacha":     {"derived": true, "type": "chacha20-poly1305"},
		"small":      {"derived": true, "type": "aes128-gcm96"},
		"deletable":  {"derived": true},
	} {
		t.Run(name, func(t *testing.T) {
			k := s.KEK(t)
			s.Must("PUT", s.Mount+"/keys/fieldvault-"+name, body)
			if name == "deletable" {
				s.Must("PUT", s.Mount+"/keys/fieldvault-"+name+"/config", map[string]any{"deletion_allowed": true})
			}
			if err := k.CreateKey(t.Context(), name); !errors.Is(err, transit.ErrKeyUnsafe) {
				t.Errorf("CreateKey: %v", err)
			}
			if _, err := k.Wrap(t.Context(), name, [][]byte{place(0)}, [][]byte{plain(0)}); !errors.Is(err, transit.ErrKeyUnsafe) {
				t.Errorf("Wrap: %v", err)
			}
		})
	}
}

// The life of a key as rotation drives it, up to trim, which destroys.
func TestVersions(t *testing.T) {
	t.Parallel()
	k := transittest.Start(t).KEK(t)
	key := newKey(t, k, "acme")
	contexts, v1 := wrap(t, k, key, 2)
	if _, err := k.Rotate(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	v2, errs, err := k.Rewrap(t.Context(), key, contexts, v1)
	if err != nil || errs != nil {
		t.Fatal(err, errs)
	}
	status := func(want transit.KeyStatus) {
		t.Helper()
		got, err := k.Status(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	refused := func(err error) {
		t.Helper()
		if !errors.Is(err, transit.ErrMinimum) {
			t.Errorf("%v, not ErrMinimum", err)
		}
	}
	old := func() {
		t.Helper()
		got, errs, err := k.Unwrap(t.Context(), key, [][]byte{contexts[0], contexts[1]}, []string{v1[0], v2[1]})
		if err != nil || len(errs) != 2 || !errors.Is(errs[0], transit.ErrRefused) || errs[1] != nil || !bytes.Equal(got[1], plain(1)) {
			t.Errorf("Unwrap: %v, items %v", err, errs)
		}
	}
	refused(k.Trim(t.Context(), key, 2)) // min_encryption_version is 0
	refused(k.SetMinimum(t.Context(), key, 3, 3))
	refused(k.SetMinimum(t.Context(), key, 2, 1))
	refused(k.SetMinimum(t.Context(), key, 0, 1))
	refused(k.SetMinimum(t.Context(), key, 1, -1))
	refused(k.Trim(t.Context(), key, 0))
	status(transit.KeyStatus{Latest: 2, MinDecrypt: 1})

	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(k.SetMinimum(t.Context(), key, 2, 2))
	status(transit.KeyStatus{Latest: 2, MinDecrypt: 2, MinEncrypt: 2})
	old()
	must(k.SetMinimum(t.Context(), key, 1, 2)) // until trim it is reversible
	mustOpen(t, k, key, contexts, v1)
	refused(k.Trim(t.Context(), key, 2)) // above the minimum for opening
	must(k.SetMinimum(t.Context(), key, 2, 2))
	must(k.Trim(t.Context(), key, 2))
	status(transit.KeyStatus{Latest: 2, MinDecrypt: 2, MinEncrypt: 2, MinAvailable: 2})
	old()
	refused(k.SetMinimum(t.Context(), key, 1, 2))
	refused(k.Trim(t.Context(), key, 1))
	mustOpen(t, k, key, contexts, v2)
}
