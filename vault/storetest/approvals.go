package storetest

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault"
)

// approvalOf is a pending approval of one digest, for a day from n hours after a
// fixed time.
func approvalOf(tenant int32, digest string, n int) vault.Approval {
	return vault.Approval{
		ID: newUID(), Tenant: tenant, Kind: "erasure", Digest: hash(digest), Body: []byte("sealed"),
		By: "https://issuer.example.org#e\u0301 ", Asker: hash("asker"), Count: 7, State: vault.ApprovalPending,
		Created: instant(n), Expires: instant(n + 24),
	}
}

// ask stores an approval or returns the one that stands.
func (w *world) ask(a vault.Approval) (standing vault.Approval, inserted bool) {
	w.Helper()
	w.update(func(ctx context.Context, tx vault.Tx) (err error) {
		standing, inserted, err = tx.InsertApproval(ctx, a)
		return err
	})
	return standing, inserted
}

// asked stores an approval that must be new.
func (w *world) asked(a vault.Approval) vault.Approval {
	w.Helper()
	got, inserted := w.ask(a)
	if !inserted {
		w.Error("InsertApproval of a new one said that one stands")
	}
	w.equal("InsertApproval", got, a)
	return a
}

// decide gives a stored approval another state.
func (w *world) decide(a vault.Approval, state int16) vault.Approval {
	w.Helper()
	a.State, a.Decider, a.Decided = state, "decider", instant(3)
	w.update(func(ctx context.Context, tx vault.Tx) error {
		if _, err := tx.Approval(ctx, a.Tenant, a.ID, vault.ExclusiveLock); err != nil {
			return err
		}
		return tx.UpdateApproval(ctx, a)
	})
	return a
}

func (w *world) approval(tenant int32, id uuid.UUID) (a vault.Approval, err error) {
	err = w.s.View(w.Context(), func(tx vault.Tx) (err error) {
		a, err = tx.Approval(w.Context(), tenant, id, vault.NoLock)
		return err
	})
	return a, err
}

func (w *world) approvals(tenant int32, limit int) (out []vault.Approval) {
	w.Helper()
	w.view(func(ctx context.Context, tx vault.Tx) (err error) {
		out, err = tx.Approvals(ctx, tenant, limit)
		return err
	})
	return out
}

func approvals(w *world) {
	tenant, other := w.tenant(), w.tenant()
	w.equal("a new tenant", w.approvals(tenant, 10), []vault.Approval{})
	first := w.asked(approvalOf(tenant, "a", 1))
	again := approvalOf(tenant, "a", 2)
	again.Body, again.By, again.Count = []byte("other"), "other", 8
	standing, inserted := w.ask(again)
	if inserted {
		w.Error("InsertApproval stored the same a second time")
	}
	w.equal("the approval that stands", standing, first)

	want := []vault.Approval{first}
	for n, change := range []func(*vault.Approval){
		func(a *vault.Approval) { a.Digest = hash("b") },
		func(a *vault.Approval) { a.Asker = hash("somebody") },
		func(a *vault.Approval) { a.Kind = "Erasure" },
		func(a *vault.Approval) {
			a.Kind, a.Body, a.Decider, a.State = "done", nil, "decider", vault.ApprovalDone
			a.Count, a.Decided = math.MaxInt32, instant(5)
		},
	} {
		a := approvalOf(tenant, "a", 10-2*n)
		change(&a)
		want = append(want, w.asked(a))
	}
	foreign := w.asked(approvalOf(other, "a", 3))
	zoned := approvalOf(tenant, "zone", 30)
	zoned.Created, zoned.Expires = zoned.Created.In(zone()), zoned.Expires.In(zone())
	w.ask(zoned)
	zoned.Created, zoned.Expires = zoned.Created.UTC(), zoned.Expires.UTC()
	want = append(want, zoned)

	for _, a := range want {
		got, err := w.approval(tenant, a.ID)
		w.is("Approval", err, nil)
		w.equal("Approval", got, a)
		isUTC(w.T, got.Created, got.Expires, got.Decided)
	}
	_, err := w.approval(tenant, foreign.ID)
	w.is("Approval of another tenant", err, vault.ErrNoRow)
	slices.SortFunc(want, func(a, b vault.Approval) int { return b.Created.Compare(a.Created) })
	w.equal("Approvals, newest first", w.approvals(tenant, 100), want)
	for _, limit := range []int{0, 1, 3} {
		w.equal("the newest", w.approvals(tenant, limit), want[:limit])
	}
}

// approvalExpiry: what has expired, or is over, is no longer in the way.
func approvalExpiry(w *world) {
	for _, c := range []struct {
		name  string
		state int16
		after time.Duration // of Created, from the expiry of the one before
		free  bool
	}{
		{"pending, just before it expires", vault.ApprovalPending, -time.Microsecond, false},
		{"pending, when it expires", vault.ApprovalPending, 0, true},
		{"pending, after it expired", vault.ApprovalPending, time.Hour, true},
		{"approved, just before it expires", vault.ApprovalApproved, -time.Microsecond, false},
		{"approved, when it expires", vault.ApprovalApproved, 0, true},
		{"done", vault.ApprovalDone, -time.Hour, true},
		{"refused", vault.ApprovalRefused, -time.Hour, true},
	} {
		w.run(c.name, func(w *world) {
			before := w.asked(approvalOf(w.tenant(), "a", 1))
			if c.state != vault.ApprovalPending {
				before = w.decide(before, c.state)
			}
			n := approvalOf(before.Tenant, "a", 1)
			n.Created = before.Expires.Add(c.after)
			n.Expires = n.Created.Add(time.Hour)
			standing, inserted := w.ask(n)
			if inserted != c.free {
				w.Errorf("InsertApproval said inserted %v, want %v", inserted, c.free)
			}
			want := []vault.Approval{before}
			if c.free {
				want = []vault.Approval{n, before}
			}
			w.equal("the approval that stands", standing, want[0])
			w.equal("all", w.approvals(n.Tenant, 10), want)
		})
	}
}

func updateApproval(w *world) {
	tenant := w.tenant()
	a, other := w.asked(approvalOf(tenant, "a", 1)), w.asked(approvalOf(tenant, "b", 2))
	want := a
	want.Body, want.Decider, want.State, want.Decided = nil, "decider", vault.ApprovalDone, instant(5)
	changed := approvalOf(tenant, "c", 9)
	changed.ID, changed.Kind, changed.By, changed.Asker, changed.Count = a.ID, "other", "other", hash("other"), 99
	changed.Body, changed.Decider, changed.State, changed.Decided = want.Body, want.Decider, want.State, want.Decided.In(zone())
	for _, lock := range []vault.Lock{vault.NoLock, vault.ShareLock, vault.ExclusiveLock} {
		w.update(func(ctx context.Context, tx vault.Tx) error {
			got, err := tx.Approval(ctx, tenant, a.ID, lock)
			w.equal("Approval, locked", got, a)
			return err
		})
	}
	w.update(func(ctx context.Context, tx vault.Tx) error {
		if _, err := tx.Approval(ctx, tenant, a.ID, vault.ExclusiveLock); err != nil {
			return err
		}
		return tx.UpdateApproval(ctx, changed)
	})
	w.equal("UpdateApproval writes four columns and no more", w.approvals(tenant, 10), []vault.Approval{other, want})
	elsewhere := changed
	elsewhere.Tenant = w.tenant()
	w.is("UpdateApproval of another tenant", w.try(func(ctx context.Context, tx vault.Tx) error {
		return tx.UpdateApproval(ctx, elsewhere)
	}), vault.ErrNoRow)
}
