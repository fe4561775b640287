package keyring_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/fieldvault/fieldvault/crypto/cryptotest"
	"github.com/fieldvault/fieldvault/crypto/field"
	"github.com/fieldvault/fieldvault/crypto/keyring"
)

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
