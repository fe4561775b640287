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
	"github.com/fieldvault/fieldvault/crypto/field"
	"github.com/fieldvault/fieldvault/crypto/keyring"
	"github.com/fieldvault/fieldvault/crypto/secret"
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

func TestSecrets(t *testing.T) {
	kek := cryptotest.NewKEK(t)
	r := newRing(t, keyring.Config{KEK: kek})
	ctx := context.Background()
	labels := []string{"lookup", "cursor", "index/1/2/1"}
	for _, tenant := range []string{"default", keyring.System} {
		made, wrapped, err := r.MakeSecrets(ctx, tenant, labels)
		if err != nil {
			t.Fatal(err)
		}
		opened, err := r.OpenSecrets(ctx, tenant, labels, wrapped)
		if err != nil {
			t.Fatal(err)
		}
		for i := range labels {
			if made[i].Len() != field.KeySize || !made[i].Equal(opened[i]) {
				t.Errorf("%s does not open as itself", labels[i])
			}
			for j := range labels {
				if i != j && made[i].Equal(made[j]) {
					t.Errorf("%s and %s are the same", labels[i], labels[j])
				}
			}
		}
	}
	if c := kek.Counts(); c.Wraps != 2 || c.Unwraps != 2 {
		t.Errorf("%+v, want one call each time", c)
	}
}

func TestMovedSecretDoesNotOpen(t *testing.T) {
	kek := cryptotest.NewKEK(t)
	r := newRing(t, keyring.Config{KEK: kek})
	ctx := context.Background()
	labels := []string{"a", "b"}
	_, w, err := r.MakeSecrets(ctx, "default", labels)
	if err != nil {
		t.Fatal(err)
	}
	key := stored(t, kek, id(0))[0]
	long := wrapRaw(t, kek, id(0), make([]byte, field.KeySize))
	changed := keyring.Wrapped{Version: w[0].Version, Bytes: bytes.Clone(w[0].Bytes)}
	changed.Bytes[20] ^= 1
	for name, c := range map[string]struct {
		tenant string
		labels []string
		w      []keyring.Wrapped
	}{
		"another tenant":           {"acme", labels, w},
		"labels exchanged":         {"default", []string{"b", "a"}, w},
		"one exchanged":            {"default", labels, []keyring.Wrapped{w[0], w[0]}},
		"a data key":               {"default", []string{"a"}, []keyring.Wrapped{key.Wrapped}},
		"32 bytes of a data key":   {"default", []string{"a"}, []keyring.Wrapped{long.Wrapped}},
		"a changed one":            {"default", labels, []keyring.Wrapped{changed, w[1]}},
		"fewer labels":             {"default", labels[:1], w},
		"another version":          {"default", []string{"a"}, []keyring.Wrapped{{Version: 2, Bytes: w[0].Bytes}}},
		"fewer wrapped than there": {"default", labels, w[:1]},
	} {
		if s, err := r.OpenSecrets(ctx, c.tenant, c.labels, c.w); !errors.Is(err, keyring.ErrUnwrap) || s != nil {
			t.Errorf("%s: %v, want ErrUnwrap", name, err)
		}
	}
	secretAsKey := keyring.Sealed{ID: id(0), Wrapped: w[0]}
	if _, err := openOne(r, secretAsKey); !errors.Is(err, keyring.ErrUnwrap) {
		t.Errorf("a secret opens as a data key: %v", err)
	}
}

// TestSecretsOfAnotherLengthDoNotOpen wraps them under the right context.
func TestSecretsOfAnotherLengthDoNotOpen(t *testing.T) {
	kek := cryptotest.NewKEK(t)
	r := newRing(t, keyring.Config{KEK: kek})
	for _, n := range []int{0, 16, 31, 33, 64} {
		texts, err := kek.Wrap(context.Background(), "default", [][]byte{field.SecretContext("default", "a")}, [][]byte{make([]byte, n)})
		if err != nil {
			t.Fatal(err)
		}
		w, err := keyring.ParseWrapped(texts[0])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.OpenSecrets(context.Background(), "default", []string{"a"}, []keyring.Wrapped{w}); !errors.Is(err, keyring.ErrUnwrap) {
			t.Errorf("a secret of %d bytes: %v, want ErrUnwrap", n, err)
		}
	}
}

func TestRewrap(t *testing.T) {
	kek := cryptotest.NewKEK(t)
	r := newRing(t, keyring.Config{KEK: kek})
	ctx := context.Background()
	ids := people(4)
	ids[3].Tenant = "acme"
	old := stored(t, kek, ids...)
	before, _, err := r.Open(ctx, old)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kek.Rotate(ctx, "default"); err != nil {
		t.Fatal(err)
	}
	old[1].Wrapped.Bytes = append(bytes.Clone(old[1].Wrapped.Bytes), 0)
	unwraps := kek.Counts().Unwraps
	w, errs, err := r.Rewrap(ctx, old)
	if err != nil {
		t.Fatal(err)
	}
	if !errors.Is(errs[1], keyring.ErrUnwrap) || errs[0] != nil || errs[2] != nil || errs[3] != nil || w[1].Bytes != nil {
		t.Errorf("errors of the items: %v, want one for the second", errs)
	}
	if c := kek.Counts(); c.Rewraps != 2 || c.RewrapItems != 4 || c.Unwraps != unwraps {
		t.Errorf("%+v, want one Rewrap a tenant and no Unwrap", c)
	}
	for i, version := range []int{2, 0, 2, 1} {
		if w[i].Version != version {
			t.Errorf("key %d has version %d, want %d", i, w[i].Version, version)
		}
	}
	if err := kek.SetMinimum(ctx, "default", 2, 2); err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{0, 2, 3} {
		got, err := openOne(r, keyring.Sealed{ID: ids[i], Wrapped: w[i]})
		if err != nil || !works(got, before[i]) {
			t.Errorf("key %d is not the same after rewrapping: %v", i, err)
		}
	}
	cold := newRing(t, keyring.Config{KEK: kek})
	if _, err := openOne(cold, old[0]); !errors.Is(err, keyring.ErrUnwrap) || !errors.Is(err, cryptotest.ErrVersion) {
		t.Errorf("an old wrap after the minimum was raised: %v, want ErrUnwrap and its cause", err)
	}
}

func TestRewrapSecrets(t *testing.T) {
	kek := cryptotest.NewKEK(t)
	r := newRing(t, keyring.Config{KEK: kek})
	ctx := context.Background()
	labels := []string{"a", "b"}
	made, old, err := r.MakeSecrets(ctx, "default", labels)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kek.Rotate(ctx, "default"); err != nil {
		t.Fatal(err)
	}
	w, errs, err := r.RewrapSecrets(ctx, "default", labels, old)
	if err != nil || errs != nil {
		t.Fatal(errs, err)
	}
	opened, err := r.OpenSecrets(ctx, "default", labels, w)
	if err != nil || !opened[0].Equal(made[0]) || w[0].Version != 2 {
		t.Errorf("a secret is not the same after rewrapping, or not rewrapped: %v", err)
	}
	_, errs, err = r.RewrapSecrets(ctx, "default", []string{"b", "b"}, old)
	if err != nil || !errors.Is(errs[0], keyring.ErrUnwrap) || errs[1] != nil {
		t.Errorf("with one wrong label: %v, %v, want ErrUnwrap for it alone", errs, err)
	}
	if _, _, err := r.RewrapSecrets(ctx, "default", labels[:1], old); !errors.Is(err, keyring.ErrUnwrap) {
		t.Errorf("with fewer labels: %v, want ErrUnwrap", err)
	}
}

func TestRewrapFails(t *testing.T) {
	for name, rewrap := range map[string]func([]string, []error) ([]string, []error, error){
		"with the KEK":       func([]string, []error) ([]string, []error, error) { return nil, nil, errKEK },
		"on too few answers": func(w []string, e []error) ([]string, []error, error) { return w[:1], e, nil },
		"on too few errors":  func(w []string, e []error) ([]string, []error, error) { return w, e[:1], nil },
		"on malformed text":  func(w []string, e []error) ([]string, []error, error) { return []string{w[0], "x"}, e, nil },
	} {
		kek := cryptotest.NewKEK(t)
		r := newRing(t, keyring.Config{KEK: oddKEK{KEK: kek, rewrap: rewrap}})
		if w, _, err := r.Rewrap(context.Background(), stored(t, kek, people(2)...)); !errors.Is(err, keyring.ErrUnavailable) || w != nil {
			t.Errorf("%s: %v, want ErrUnavailable", name, err)
		}
	}
}

// TestRotate: the new version seals with a new key and opens what the old ones
// sealed, until they are retired.
func TestRotate(t *testing.T) {
	kek := cryptotest.NewKEK(t)
	r := newRing(t, keyring.Config{KEK: kek})
	ctx := context.Background()
	first := stored(t, kek, id(0))[0]
	firstKey, err := openOne(r, first)
	if err != nil {
		t.Fatal(err)
	}
	p := field.Place{Tenant: "default", UID: id(0).UID, Group: 2, Epoch: 1, Collection: 1, Record: "r", Field: 1}
	old, err := firstKey.Seal(p, secret.FromString("old"))
	if err != nil {
		t.Fatal(err)
	}

	secondKey, second, err := r.Rotate(ctx, first)
	if err != nil {
		t.Fatal(err)
	}
	want := first.ID
	want.Version = 2
	if second.ID != want {
		t.Errorf("the rotated key is %+v, want %+v", second.ID, want)
	}
	reopened, err := openOne(r, second)
	if err != nil || !works(secondKey, reopened) || !works(firstKey, secondKey) {
		t.Errorf("the rotated key does not open, or does not open what the old one sealed: %v", err)
	}
	if works(secondKey, firstKey) {
		t.Error("the rotated key still seals with the old one")
	}

	thirdKey, third, err := r.Retire(ctx, second)
	if err != nil {
		t.Fatal(err)
	}
	if third.ID.Version != 3 || !works(secondKey, thirdKey) {
		t.Error("retiring the old keys loses the new one")
	}
	if _, err := thirdKey.Open(p, old); !errors.Is(err, field.ErrOpen) {
		t.Errorf("a retired key still opens: %v", err)
	}
	if reopened, err := openOne(r, third); err != nil || works(firstKey, reopened) || !works(reopened, thirdKey) {
		t.Errorf("what was stored does not open as what was returned: %v", err)
	}
}

func TestRotateFails(t *testing.T) {
	kek := cryptotest.NewKEK(t)
	r := newRing(t, keyring.Config{KEK: kek})
	s := stored(t, kek, id(0))[0]
	moved := s
	moved.ID.Epoch++
	if _, _, err := r.Rotate(context.Background(), moved); !errors.Is(err, keyring.ErrUnwrap) {
		t.Errorf("a moved key: %v, want ErrUnwrap", err)
	}
	kek.Fail(errKEK)
	if _, _, err := r.Rotate(context.Background(), s); !errors.Is(err, keyring.ErrUnavailable) {
		t.Errorf("without KEK: %v, want ErrUnavailable", err)
	}
	kek.Fail(nil)
	noWrap := newRing(t, keyring.Config{KEK: oddKEK{KEK: kek, wrap: func([]string) ([]string, error) { return nil, errKEK }}})
	if _, _, err := noWrap.Retire(context.Background(), s); !errors.Is(err, keyring.ErrUnavailable) {
		t.Errorf("when wrapping fails: %v, want ErrUnavailable", err)
	}
}
