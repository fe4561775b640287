package vault_test

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/sqlitestore"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

var errAgain = errors.New("run again")

// A hard is a store that uses the rights that the contract of Store gives it: it
// runs every transaction twice, the first time in vain; or it fails at the commit.
type hard struct {
	*sqlitestore.Store
	failing bool // fail at the commit, with nothing stored
}

func (h *hard) Update(ctx context.Context, f func(vault.Tx) error) error {
	err := h.Store.Update(ctx, func(tx vault.Tx) error {
		if err := f(tx); err != nil {
			return err
		}
		return errAgain
	})
	switch {
	case !errors.Is(err, errAgain):
		return err
	case h.failing:
		return vault.ErrUnavailable
	}
	return h.Store.Update(ctx, f)
}

func newHard(t *testing.T) (*vaulttest.Vault, *hard) {
	t.Helper()
	clock := vaulttest.NewClock()
	s, err := sqlitestore.Open(t.Context(), sqlitestore.Config{Path: filepath.Join(t.TempDir(), "vault.db"), Now: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	h := &hard{Store: s}
	return vaulttest.New(t, vaulttest.Options{Store: h}), h
}

// The contract of Store lets a transaction run more than once: every operation
// has the effect and the answer of one run, and fsck is clean after it.
func TestTransactionsThatRunTwiceHaveOneEffect(t *testing.T) {
	v, _ := newHard(t)
	ctx, app, dpo := t.Context(), v.As("app", "support"), v.As("dpo", "")
	idem := vault.Idempotency{Key: "k", Request: []byte("r")}
	missing := write(map[string]string{"city": "Oslo"})
	missing.Patch, missing.Record = true, "nosuch"
	conflict := write(map[string]string{"city": "Oslo"})
	conflict.IfMatch = 7
	batch := []vault.Write{write(map[string]string{"email": email, "city": "Prague"}), missing, conflict, write(map[string]string{"email": email})}
	for run := range 2 {
		out, err := v.PutBatch(ctx, app, batch, idem)
		if err != nil {
			t.Fatal(err)
		}
		got := make([]string, len(out))
		for i, w := range out {
			got[i] = "ok"
			if w.Err != nil {
				got[i] = name(w.Err)
			}
		}
		if diff := cmp.Diff([]string{"ok", "not found", "conflict", "ok"}, got); diff != "" {
			t.Errorf("run %d: %s", run, diff)
		}
		if out[0].Revision != 1 || out[3].Revision != 2 {
			t.Errorf("run %d: revisions %d and %d, want 1 and 2", run, out[0].Revision, out[3].Revision)
		}
	}
	for i, step := range []func() error{
		func() error { return v.SetHold(ctx, dpo, "c-1", true, "litigation") },
		func() error { return v.SetHold(ctx, dpo, "c-1", false, "") },
		func() error { return v.Delete(ctx, app, "c-1", "customer", "self", 2) },
		func() error {
			_, err := v.RecordConsent(ctx, dpo, vault.Decided{Subject: "c-2", Purpose: "marketing", Decision: "granted", Evidence: json.RawMessage(`{"ip":"x"}`)})
			return err
		},
		func() error { _, err := v.Erase(ctx, dpo, vault.Erasing{Subject: "c-1"}); return err },
		func() error { _, err := v.Reenrol(ctx, dpo, "c-1"); return err },
	} {
		if err := step(); err != nil {
			t.Errorf("step %d: %v", i, err)
		}
	}
	v.Put(t, "c-1", "customer", "self", map[string]string{"email": "back@example.org"})
	if got := see(t, v, app, "c-1", "email"); got != "plain: back@example.org" {
		t.Error(got)
	}
	p, err := v.List(ctx, app, "c-1", "", "", 0)
	if diff := cmp.Diff([]vault.Reference{{Collection: "customer", Record: "self", Revision: 1}}, p.Records); err != nil || diff != "" {
		t.Error(err, diff)
	}
	m, err := v.Export(ctx, v.Person("c-1", accessctl.PurposeSelf), "c-1")
	if err != nil || len(m.Records) != 1 || m.Generation != 2 {
		t.Errorf("%+v %v", m, err)
	}
	states, err := v.Consents(ctx, dpo, "c-2")
	if err != nil || len(states) != 4 {
		t.Errorf("%+v %v", states, err)
	}
}

// A commit that fails gives no answer: no revision, certificate or receipt of
// something that is not stored, and the state is as it was.
func TestACommitThatFailsGivesNoAnswer(t *testing.T) {
	v, h := newHard(t)
	ctx, app, dpo := t.Context(), v.As("app", "support"), v.As("dpo", "")
	v.Put(t, "c-1", "customer", "self", map[string]string{"email": email})
	h.failing = true
	if out, err := v.Vault.Put(ctx, app, write(map[string]string{"email": "x@example.org"}), vault.Idempotency{}); !errors.Is(err, vault.ErrUnavailable) || out.Revision != 0 || out.Created || out.Warnings != nil {
		t.Errorf("put: %+v, %v", out, err)
	}
	w := write(map[string]string{"email": "x@example.org"})
	w.Subject = "c-2"
	if out, err := v.Vault.Put(ctx, app, w, vault.Idempotency{}); !errors.Is(err, vault.ErrUnavailable) || out.Revision != 0 || out.Err != nil {
		t.Errorf("first put: %+v, %v", out, err)
	}
	if cert, err := v.Erase(ctx, dpo, vault.Erasing{Subject: "c-1"}); !errors.Is(err, vault.ErrUnavailable) || cert != nil {
		t.Errorf("erase: %s, %v", cert, err)
	}
	if receipt, err := v.RecordConsent(ctx, dpo, vault.Decided{Subject: "c-1", Purpose: "marketing", Decision: "granted"}); !errors.Is(err, vault.ErrUnavailable) || receipt != nil {
		t.Errorf("consent: %d bytes of a receipt of what is not recorded, %v", len(receipt), err)
	}
	h.failing = false
	if got := see(t, v, app, "c-1", "email"); got != "plain: "+email {
		t.Error(got)
	}
	if got := see(t, v, app, "c-2", "email"); got != "not found" {
		t.Error(got)
	}
	if got := see(t, v, v.As("marketing", "marketing"), "c-1", "email"); got != "hidden: consent" {
		t.Error(got)
	}
	v.Put(t, "c-2", "customer", "self", map[string]string{"email": email})
	if got := see(t, v, app, "c-2", "email"); got != "plain: "+email {
		t.Error(got)
	}
}
