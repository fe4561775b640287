package storetest

import (
	"context"
	"math"

	"github.com/fieldvault/fieldvault/vault"
)

// lockTally reads a tally, made at a time if need be.
func (w *world) lockTally(tenant int32, key string, since int) (t vault.Tally) {
	w.Helper()
	w.update(func(ctx context.Context, tx vault.Tx) (err error) {
		t, err = tx.LockTally(ctx, tenant, hash(key), instant(since))
		return err
	})
	isUTC(w.T, t.Since)
	return t
}

func (w *world) putTally(t vault.Tally) {
	w.Helper()
	w.update(func(ctx context.Context, tx vault.Tx) error {
		if _, err := tx.LockTally(ctx, t.Tenant, t.Key, t.Since); err != nil {
			return err
		}
		return tx.PutTally(ctx, t)
	})
}

func (w *world) countLive(tenant int32) (n int64) {
	w.Helper()
	w.view(func(ctx context.Context, tx vault.Tx) (err error) {
		n, err = tx.CountLive(ctx, tenant)
		return err
	})
	return n
}

func breaker(w *world) {
	w.run("Tally", func(w *world) {
		tenant, other := w.tenant(), w.tenant()
		made := vault.Tally{Tenant: tenant, Key: hash("a"), Since: instant(1)}
		w.equal("a tally that was not there", w.lockTally(tenant, "a", 1), made)
		w.equal("the tally, later", w.lockTally(tenant, "a", 2), made)
		for _, t := range []vault.Tally{
			{Tenant: tenant, Key: hash("a"), Since: instant(3).In(zone()), Count: 7},
			{Tenant: tenant, Key: make([]byte, 32), Since: instant(4), Count: math.MaxInt64},
			{Tenant: other, Key: hash("a"), Since: instant(5), Count: 0},
		} {
			w.putTally(t)
		}
		w.equal("a tally", w.lockTally(tenant, "a", 9), vault.Tally{Tenant: tenant, Key: hash("a"), Since: instant(3), Count: 7})
		w.equal("another key", w.lockTally(tenant, "b", 9), vault.Tally{Tenant: tenant, Key: hash("b"), Since: instant(9)})
		w.equal("another tenant", w.lockTally(other, "a", 9), vault.Tally{Tenant: other, Key: hash("a"), Since: instant(5)})
		var all vault.Tally
		w.update(func(ctx context.Context, tx vault.Tx) (err error) {
			all, err = tx.LockTally(ctx, tenant, make([]byte, 32), instant(9))
			return err
		})
		w.equal("all of the tenant", all, vault.Tally{Tenant: tenant, Key: make([]byte, 32), Since: instant(4), Count: math.MaxInt64})
		w.is("PutTally of none", w.try(func(ctx context.Context, tx vault.Tx) error {
			return tx.PutTally(ctx, vault.Tally{Tenant: tenant, Key: hash("none"), Since: instant(1)})
		}), vault.ErrNoRow)
	})
	w.run("CountLive", func(w *world) {
		tenant, other := w.tenant(), w.tenant()
		w.equal("the living of a new tenant", w.countLive(tenant), int64(0))
		people := []vault.Subject{w.person(tenant), w.person(tenant), w.person(tenant), w.person(other)}
		w.equal("the living", w.countLive(tenant), int64(3))
		e := w.erase(people[1])
		w.equal("the living after an erasure", w.countLive(tenant), int64(2))
		back := w.subject(tenant)
		back.Lookup, back.Generation = e.Lookup, 2
		w.update(func(ctx context.Context, tx vault.Tx) error { return tx.UpdateSubject(ctx, back, 1) })
		held := people[0]
		held.Held, held.Restricted = true, true
		w.update(func(ctx context.Context, tx vault.Tx) error { return tx.UpdateSubject(ctx, held, 1) })
		w.equal("the living after one came back and one was held", w.countLive(tenant), int64(3))
		w.equal("the living of another tenant", w.countLive(other), int64(1))
	})
	w.run("Approvals", approvals)
	w.run("ApprovalExpiry", approvalExpiry)
	w.run("ApprovalUpdate", updateApproval)
}
