package keyring_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/mac"
	tinkpb "github.com/tink-crypto/tink-go/v2/proto/tink_go_proto"
	"pgregory.net/rapid"

	"github.com/fieldvault/fieldvault/crypto/cryptotest"
	"github.com/fieldvault/fieldvault/crypto/keyring"
)

func TestNewRefuses(t *testing.T) {
	kek, now := cryptotest.NewKEK(t), newClock().Now
	for name, c := range map[string]keyring.Config{
		"nothing":            {},
		"no KEK":             {Now: now},
		"no clock":           {KEK: kek},
		"a negative timeout": {KEK: kek, Now: now, Timeout: -1},
	} {
		if r, err := keyring.New(c); err == nil || r != nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestMakeOpen(t *testing.T) {
	kek := cryptotest.NewKEK(t)
	r := newRing(t, keyring.Config{KEK: kek})
	ids := people(3)
	keys, wrapped, err := r.Make(context.Background(), ids)
	if err != nil {
		t.Fatal(err)
	}
	if c := kek.Counts(); c.Wraps != 1 || c.WrapItems != 3 || c.Unwraps != 0 {
		t.Errorf("making three keys of a tenant: %+v, want one Wrap of 3", c)
	}
	for i := range ids {
		got, err := openOne(r, keyring.Sealed{ID: ids[i], Wrapped: wrapped[i]})
		if err != nil || !works(keys[i], got) || !works(got, keys[i]) {
			t.Errorf("key %d does not open as itself: %v", i, err)
		}
		for j := range keys {
			if i != j && works(keys[i], keys[j]) {
				t.Errorf("keys %d and %d are the same", i, j)
			}
		}
	}
	if c := kek.Counts(); c.Unwraps != 3 {
		t.Errorf("opening three keys that were not kept: %d Unwraps, want 3", c.Unwraps)
	}
}

func TestMakeWrapsOncePerTenant(t *testing.T) {
	kek := cryptotest.NewKEK(t)
	r := newRing(t, keyring.Config{KEK: kek})
	ids := people(4)
	ids[1].Tenant, ids[3].Tenant = "acme", "acme"
	keys, wrapped, err := r.Make(context.Background(), ids)
	if err != nil {
		t.Fatal(err)
	}
	if c := kek.Counts(); c.Wraps != 2 || c.WrapItems != 4 {
		t.Errorf("%+v, want two Wraps of 4 items", c)
	}
	for i := range ids {
		got, err := openOne(r, keyring.Sealed{ID: ids[i], Wrapped: wrapped[i]})
		if err != nil || !works(got, keys[i]) {
			t.Errorf("key %d does not open as itself: %v", i, err)
		}
	}
}

func TestMakeFails(t *testing.T) {
	for name, wrap := range map[string]func([]string) ([]string, error){
		"with the KEK":        func([]string) ([]string, error) { return nil, errKEK },
		"on too few answers":  func(w []string) ([]string, error) { return w[:1], nil },
		"on too many answers": func(w []string) ([]string, error) { return append(w, w[0]), nil },
		"on malformed text":   func(w []string) ([]string, error) { return []string{w[0], "vault:v01:AA=="}, nil },
		"on empty text":       func(w []string) ([]string, error) { return []string{w[0], ""}, nil },
	} {
		r := newRing(t, keyring.Config{KEK: oddKEK{KEK: cryptotest.NewKEK(t), wrap: wrap}})
		keys, wrapped, err := r.Make(context.Background(), people(2))
		if !errors.Is(err, keyring.ErrUnavailable) || keys != nil || wrapped != nil {
			t.Errorf("%s: %v, want ErrUnavailable", name, err)
		}
		_, _, err = r.MakeSecrets(context.Background(), "default", []string{"a", "b"})
		if !errors.Is(err, keyring.ErrUnavailable) {
			t.Errorf("%s, secrets: %v, want ErrUnavailable", name, err)
		}
	}
	kek := cryptotest.NewKEK(t)
	kek.Fail(errKEK)
	if _, _, err := newRing(t, keyring.Config{KEK: kek}).Make(context.Background(), people(1)); !errors.Is(err, errKEK) {
		t.Errorf("%v does not name its cause", err)
	}
}

// TestMovedKeyDoesNotOpen is I7 for wrapped keys: not as that of another tenant,
// person, group or epoch.
func TestMovedKeyDoesNotOpen(t *testing.T) {
	r := newRing(t, keyring.Config{KEK: cryptotest.NewKEK(t), MaxEntries: -1})
	rapid.Check(t, func(t *rapid.T) {
		from := keyring.ID{
			Tenant: rapid.StringMatching(`[a-z][a-z0-9-]{0,3}`).Draw(t, "tenant"), UID: [16]byte{15: rapid.Byte().Draw(t, "uid")},
			Group: rapid.Uint32().Draw(t, "group"), Epoch: rapid.Uint32().Draw(t, "epoch"), Version: 1,
		}
		to := from
		switch rapid.IntRange(0, 3).Draw(t, "move") {
		case 0:
			to.Tenant += "x"
		case 1:
			to.UID[rapid.IntRange(0, 15).Draw(t, "byte")] ^= 1
		case 2:
			to.Group ^= 1 << rapid.IntRange(0, 31).Draw(t, "bit")
		case 3:
			to.Epoch ^= 1 << rapid.IntRange(0, 31).Draw(t, "bit")
		}
		_, wrapped, err := r.Make(context.Background(), []keyring.ID{from})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := openOne(r, keyring.Sealed{ID: from, Wrapped: wrapped[0]}); err != nil {
			t.Fatalf("does not open where it was wrapped: %v", err)
		}
		if k, err := openOne(r, keyring.Sealed{ID: to, Wrapped: wrapped[0]}); !errors.Is(err, keyring.ErrUnwrap) || k != nil {
			t.Fatalf("opens elsewhere: %v", err)
		}
	})
}

// TestChangedKeyDoesNotOpen flips every byte and cuts at every length.
func TestChangedKeyDoesNotOpen(t *testing.T) {
	kek := cryptotest.NewKEK(t)
	r := newRing(t, keyring.Config{KEK: kek})
	good := stored(t, kek, id(0))[0]
	try := func(what string, change func(*keyring.Wrapped)) {
		t.Helper()
		bad := good
		bad.Wrapped.Bytes = bytes.Clone(good.Wrapped.Bytes)
		change(&bad.Wrapped)
		if k, err := openOne(r, bad); !errors.Is(err, keyring.ErrUnwrap) || k != nil {
			t.Errorf("%s: %v, want ErrUnwrap", what, err)
		}
	}
	for _, warm := range []bool{false, true} { // a cached key must not hide the change
		for i := range good.Wrapped.Bytes {
			try("a byte changed", func(w *keyring.Wrapped) { w.Bytes[i] ^= 1 })
			try("cut", func(w *keyring.Wrapped) { w.Bytes = w.Bytes[:i] })
		}
		try("extended", func(w *keyring.Wrapped) { w.Bytes = append(w.Bytes, 0) })
		try("another version", func(w *keyring.Wrapped) { w.Version = 2 })
		try("that of Vault", func(w *keyring.Wrapped) { w.Bytes[0] = 'v' })
		if _, err := openOne(r, good); err != nil {
			t.Fatalf("warm %t: the good one does not open: %v", warm, err)
		}
	}
}

// TestMalformedKeyNeverReachesTheKEK is the first half of I13 for keys: strict
// text, checked here.
func TestMalformedKeyNeverReachesTheKEK(t *testing.T) {
	kek := cryptotest.NewKEK(t)
	r := newRing(t, keyring.Config{KEK: kek})
	for name, w := range malformedStored() {
		bad := keyring.Sealed{ID: id(0), Wrapped: w}
		k, err := openOne(r, bad)
		if !errors.Is(err, keyring.ErrUnwrap) || !errors.Is(err, keyring.ErrWrapped) || k != nil {
			t.Errorf("opening %s: %v, want ErrUnwrap and ErrWrapped", name, err)
		}
		_, errs, err := r.Rewrap(context.Background(), []keyring.Sealed{bad})
		if err != nil || len(errs) != 1 || !errors.Is(errs[0], keyring.ErrWrapped) {
			t.Errorf("rewrapping %s: %v, %v, want ErrWrapped", name, errs, err)
		}
		if _, _, err := r.Rotate(context.Background(), bad); !errors.Is(err, keyring.ErrWrapped) {
			t.Errorf("rotating %s: %v, want ErrWrapped", name, err)
		}
		if _, err := r.OpenSecrets(context.Background(), "default", []string{"a"}, []keyring.Wrapped{w}); !errors.Is(err, keyring.ErrWrapped) || !errors.Is(err, keyring.ErrUnwrap) {
			t.Errorf("opening a secret, %s: %v, want ErrUnwrap and ErrWrapped", name, err)
		}
		if _, errs, err := r.RewrapSecrets(context.Background(), "default", []string{"a"}, []keyring.Wrapped{w}); err != nil || !errors.Is(errs[0], keyring.ErrWrapped) {
			t.Errorf("rewrapping a secret, %s: %v, %v, want ErrWrapped", name, errs, err)
		}
	}
	if n := kek.Calls(); n != 0 {
		t.Errorf("the KEK was asked %d times", n)
	}
}

// TestOnlyOurAlgorithmOpens is the second half of I13 for keys: whatever a
// wrapped keyset says, only AES256-GCM with the TINK prefix is used.
func TestOnlyOurAlgorithmOpens(t *testing.T) {
	kek := cryptotest.NewKEK(t)
	r := newRing(t, keyring.Config{KEK: kek})
	ours := serialise(t, handleOf(t, aead.AES256GCMKeyTemplate()))
	bad := map[string][]byte{
		"nothing":              nil,
		"zeros":                make([]byte, 100),
		"text":                 []byte("not a keyset"),
		"a keyset cut":         ours[:len(ours)-1],
		"a keyset and a byte":  append(slices.Clone(ours), 0),
		"two keysets":          slices.Concat(ours, ours),
		"AES128-GCM":           serialise(t, handleOf(t, aead.AES128GCMKeyTemplate())),
		"AES256-GCM-SIV":       serialise(t, handleOf(t, aead.AES256GCMSIVKeyTemplate())),
		"AES256-CTR-HMAC":      serialise(t, handleOf(t, aead.AES256CTRHMACSHA256KeyTemplate())),
		"ChaCha20-Poly1305":    serialise(t, handleOf(t, aead.ChaCha20Poly1305KeyTemplate())),
		"XChaCha20-Poly1305":   serialise(t, handleOf(t, aead.XChaCha20Poly1305KeyTemplate())),
		"no prefix":            serialise(t, handleOf(t, aead.AES256GCMNoPrefixKeyTemplate())),
		"a MAC":                serialise(t, handleOf(t, mac.HMACSHA256Tag256KeyTemplate())),
		"a prefix of old Tink": serialise(t, handleOf(t, crunchy(aead.AES256GCMKeyTemplate()))),
		"ours and another":     serialise(t, handleOf(t, aead.AES256GCMKeyTemplate(), aead.ChaCha20Poly1305KeyTemplate())),
		"another and ours":     serialise(t, handleOf(t, aead.ChaCha20Poly1305KeyTemplate(), aead.AES256GCMKeyTemplate())),
		"ours, and disabled":   serialise(t, disabled(t)),
	}
	for name, plain := range bad {
		s := wrapRaw(t, kek, id(0), plain)
		if k, err := openOne(r, s); !errors.Is(err, keyring.ErrUnwrap) || k != nil {
			t.Errorf("%s: %v, want ErrUnwrap", name, err)
		}
		if _, _, err := r.Rotate(context.Background(), s); !errors.Is(err, keyring.ErrUnwrap) {
			t.Errorf("rotating %s: %v, want ErrUnwrap", name, err)
		}
	}
	for name, plain := range map[string][]byte{
		"ours":      ours,
		"two of us": serialise(t, handleOf(t, aead.AES256GCMKeyTemplate(), aead.AES256GCMKeyTemplate())),
	} {
		if k, err := openOne(r, wrapRaw(t, kek, id(0), plain)); err != nil || !works(k, k) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func crunchy(t *tinkpb.KeyTemplate) *tinkpb.KeyTemplate {
	t.OutputPrefixType = tinkpb.OutputPrefixType_CRUNCHY
	return t
}

// handleOf returns a keyset with a key of each template; the last is primary.
func handleOf(t *testing.T, templates ...*tinkpb.KeyTemplate) *keyset.Handle {
	t.Helper()
	m := keyset.NewManager()
	for _, template := range templates {
		n, err := m.Add(template)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.SetPrimary(n); err != nil {
			t.Fatal(err)
		}
	}
	h, err := m.Handle()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// disabled returns a keyset of two keys of ours, of which one is disabled.
func disabled(t *testing.T) *keyset.Handle {
	t.Helper()
	h := handleOf(t, aead.AES256GCMKeyTemplate(), aead.AES256GCMKeyTemplate())
	e, err := h.Entry(0)
	if err != nil {
		t.Fatal(err)
	}
	m := keyset.NewManagerFromHandle(h)
	if err := m.Disable(e.KeyID()); err != nil {
		t.Fatal(err)
	}
	if h, err = m.Handle(); err != nil {
		t.Fatal(err)
	}
	return h
}

func serialise(t *testing.T, h *keyset.Handle) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := insecurecleartextkeyset.Write(h, keyset.NewBinaryWriter(&b)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
