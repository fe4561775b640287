package main

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/fieldvault/fieldvault/crypto/keyring"
	"github.com/fieldvault/fieldvault/crypto/localkek"
	"github.com/fieldvault/fieldvault/crypto/transit/transittest"
	"github.com/fieldvault/fieldvault/vault"
)

// Vault and the file are one to whoever administers them: they count the same,
// and refuse the same.
func TestKeepersAreAlike(t *testing.T) {
	file, err := localkek.Create(filepath.Join(t.TempDir(), "kek.json"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, made := range map[string]func(*testing.T) kek{
		"file":  func(*testing.T) kek { return file },
		"Vault": func(t *testing.T) kek { return transittest.Start(t).KEK(t) },
	} {
		t.Run(name, func(t *testing.T) {
			k := made(t)
			admin := keeper(k)
			if admin == nil {
				t.Fatal("it has no keeper")
			}
			lifeOfAKey(t, admin, k)
		})
	}
}

// lifeOfAKey takes a key from its making to the trim of its first version.
func lifeOfAKey(t *testing.T, admin vault.KeyAdmin, k keyring.KEK) {
	ctx, key := t.Context(), "acme"
	is := func(want vault.KeyVersions) {
		t.Helper()
		if got, err := admin.Status(ctx, key); err != nil || got != want {
			t.Fatalf("status %+v, %v, want %+v", got, err, want)
		}
	}
	refused := func(what string, err error) {
		t.Helper()
		if err == nil {
			t.Fatalf("%s: not refused", what)
		}
	}
	did := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := admin.Status(ctx, key)
	refused("the status of a key that is not there", err)
	_, err = admin.Rotate(ctx, key)
	refused("rotating a key that is not there", err)
	did(admin.CreateKey(ctx, key))
	did(admin.CreateKey(ctx, key))
	is(vault.KeyVersions{Latest: 1, MinDecrypt: 1, MinAvailable: 1})
	contexts := [][]byte{[]byte("where it belongs")}
	old, err := k.Wrap(ctx, key, contexts, [][]byte{[]byte("a key")})
	did(err)
	if v, err := admin.Rotate(ctx, key); v != 2 || err != nil {
		t.Fatalf("rotated to %d, %v", v, err)
	}
	refused("trimming without a minimum", admin.Trim(ctx, key, 2))
	refused("a minimum above the latest", admin.SetMinimum(ctx, key, 3, 0))
	refused("wrapping below what opens", admin.SetMinimum(ctx, key, 2, 1))
	did(admin.SetMinimum(ctx, key, 1, 2))
	refused("trimming what opens", admin.Trim(ctx, key, 2))
	is(vault.KeyVersions{Latest: 2, MinDecrypt: 1, MinEncrypt: 2, MinAvailable: 1})
	did(admin.SetMinimum(ctx, key, 2, 2))
	if _, errs, err := k.Unwrap(ctx, key, contexts, old); err != nil || errs == nil || errs[0] == nil {
		t.Errorf("what is below the minimum opens: %v, %v", errs, err)
	}
	did(admin.SetMinimum(ctx, key, 1, 2)) // taken back
	plain, errs, err := k.Unwrap(ctx, key, contexts, old)
	if err != nil || errs != nil || !bytes.Equal(plain[0], []byte("a key")) {
		t.Errorf("the minimum cannot be taken back: %v, %v", errs, err)
	}
	did(admin.SetMinimum(ctx, key, 2, 2))
	did(admin.Trim(ctx, key, 2))
	is(vault.KeyVersions{Latest: 2, MinDecrypt: 2, MinEncrypt: 2, MinAvailable: 2})
	refused("bringing back what is trimmed", admin.SetMinimum(ctx, key, 1, 2))
	if _, errs, err := k.Unwrap(ctx, key, contexts, old); err != nil || errs == nil || errs[0] == nil {
		t.Errorf("what is trimmed opens: %v, %v", errs, err)
	}
}
