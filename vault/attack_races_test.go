package vault_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/pgstore"
	"github.com/fieldvault/fieldvault/vault/storetest"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

// I5, I6 and I17 under races, on both stores: whatever wins, no operation ends
// in an error outside its contract, no two exclude each other and both happen,
// and fsck finds nothing afterwards (vaulttest looks).
func TestRaces(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) { races(t, vaulttest.New(t)) })
	t.Run("PostgreSQL", func(t *testing.T) {
		url := storetest.Postgres(t)
		if err := pgstore.Migrate(t.Context(), url, func(string) {}); err != nil {
			t.Fatal(err)
		}
		s, err := pgstore.Open(t.Context(), pgstore.Config{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		races(t, vaulttest.New(t, vaulttest.Options{Store: s}))
	})
}

func races(t *testing.T, v *vaulttest.Vault) {
	t.Helper()
	app, dpo := v.As("app", "support"), v.As("dpo", "")
	put := func(subject, record string) error {
		w := vault.Write{Subject: subject, Collection: "customer", Record: record, Fields: vaulttest.Values(map[string]string{"email": email})}
		_, err := v.Vault.Put(t.Context(), app, w, vault.Idempotency{})
		return err
	}
	erase := func(subject string) error {
		_, err := v.Erase(t.Context(), dpo, vault.Erasing{Subject: subject})
		return err
	}
	grant := func(subject string) error {
		_, err := v.RecordConsent(t.Context(), dpo, vault.Decided{Subject: subject, Purpose: "marketing", Decision: "granted"})
		return err
	}
	for i := range 15 {
		subject := fmt.Sprintf("r-%d", i)
		if err := put(subject, "self"); err != nil {
			t.Fatal(err)
		}
		// Erasure against writes, grants and a hold.
		errs := together(
			func() error { return erase(subject) },
			func() error { return v.SetHold(t.Context(), dpo, subject, true, "litigation") },
			func() error { return put(subject, "a") },
			func() error { return put(subject, "b") },
			func() error { return grant(subject) },
		)
		erased, held := errs[0] == nil, errs[1] == nil
		if erased == held {
			t.Errorf("%s: erase %v, hold %v: exactly one may win", subject, errs[0], errs[1])
		}
		for j, err := range errs[2:] {
			if err != nil && !errors.Is(err, vault.ErrGone) {
				t.Errorf("%s: operation %d: %v", subject, j+2, err)
			}
		}
		if held {
			if err := errors.Join(v.SetHold(t.Context(), dpo, subject, false, ""), erase(subject)); err != nil {
				t.Fatal(err)
			}
		}
		if got := see(t, v, app, subject, "email"); got != "gone" {
			t.Errorf("%s after its erasure: %q", subject, got)
		}
		// A new life, opened twice at once, under writes and the sweep.
		errs = together(
			func() error { _, err := v.Reenrol(t.Context(), dpo, subject); return err },
			func() error { _, err := v.Reenrol(t.Context(), dpo, subject); return err },
			func() error { _, err := v.Sweep(t.Context()); return err },
			func() error { return put(subject, "self") },
		)
		if (errs[0] == nil) == (errs[1] == nil) || !errors.Is(errors.Join(errs[:2]...), vault.ErrConflict) {
			t.Errorf("%s: two new lives at once: %v, %v", subject, errs[0], errs[1])
		}
		if errs[2] != nil || errs[3] != nil && !errors.Is(errs[3], vault.ErrGone) {
			t.Errorf("%s: sweep %v, put %v", subject, errs[2], errs[3])
		}
		if err := put(subject, "self"); err != nil {
			t.Errorf("%s in the new life: %v", subject, err)
		}
		if got := see(t, v, app, subject, "email"); got != "plain: "+email {
			t.Errorf("%s in the new life: %q", subject, got)
		}
	}
	// Batches that name the same people and records in opposite orders.
	var there, back []vault.Write
	for i := range 20 {
		w := vault.Write{Subject: fmt.Sprintf("b-%d", i%4), Collection: "customer", Record: fmt.Sprint(i), Fields: vaulttest.Values(map[string]string{"email": email, "city": "Oslo"})}
		there, back = append(there, w), append([]vault.Write{w}, back...)
	}
	batch := func(ws []vault.Write) func() error {
		return func() error {
			out, err := v.PutBatch(t.Context(), app, ws, vault.Idempotency{})
			for i := range out {
				err = errors.Join(err, out[i].Err)
			}
			return err
		}
	}
	for range 3 {
		for i, err := range together(batch(there), batch(back), batch(there), batch(back)) {
			if err != nil {
				t.Errorf("batch %d: %v", i, err)
			}
		}
	}
}

func together(fs ...func() error) []error {
	errs := make([]error, len(fs))
	var wg sync.WaitGroup
	for i, f := range fs {
		wg.Go(func() { errs[i] = f() })
	}
	wg.Wait()
	return errs
}
