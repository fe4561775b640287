package storetest

import (
	"context"
	"math"
	"time"

	"github.com/fieldvault/fieldvault/vault"
)

func effectOf(tenant int32, key string) vault.Effect {
	return vault.Effect{
		Tenant: tenant, Key: hash(key), Request: hash("request"), UID: newUID(), Lookup: lookup("person"),
		Created: true, Revision: 7, At: instant(0), Expires: instant(24),
	}
}

// insertEffect stores an effect or returns the standing one.
func (w *world) insertEffect(e vault.Effect) (standing vault.Effect, inserted bool) {
	w.Helper()
	w.update(func(ctx context.Context, tx vault.Tx) (err error) {
		standing, inserted, err = tx.InsertEffect(ctx, e)
		return err
	})
	return standing, inserted
}

// keeps reports an effect that does not stand as wanted: a repetition sees it.
func (w *world) keeps(what string, want vault.Effect) {
	w.Helper()
	again := effectOf(want.Tenant, "")
	again.Key, again.At, again.Expires = want.Key, want.At, want.Expires
	got, inserted := w.insertEffect(again)
	if inserted {
		w.Errorf("%s: the key was free", what)
	}
	w.equal(what, got, want)
	isUTC(w.T, got.At, got.Expires)
}

func effects(w *world) {
	w.run("Repetition", func(w *world) {
		tenant, other := w.tenant(), w.tenant()
		e := effectOf(tenant, "key")
		if _, inserted := w.insertEffect(e); !inserted {
			w.Error("a free key was taken")
		}
		w.keeps("the same key", e)
		for _, n := range []vault.Effect{effectOf(tenant, "key2"), effectOf(other, "key")} {
			if _, inserted := w.insertEffect(n); !inserted {
				w.Error("another key, or the key in another tenant, was taken")
			}
			w.keeps("another key", n)
		}
		w.keeps("the first key, later", e)
	})
	w.run("RoundTrip", func(w *world) {
		tenant := w.tenant()
		for name, change := range map[string]func(*vault.Effect){
			"plain":         func(*vault.Effect) {},
			"not created":   func(e *vault.Effect) { e.Created, e.Revision = false, 0 },
			"no person":     func(e *vault.Effect) { e.UID, e.Lookup = vault.Effect{}.UID, nil },
			"last revision": func(e *vault.Effect) { e.Revision = math.MaxInt64 },
			"other zone":    func(e *vault.Effect) { e.At, e.Expires = e.At.In(zone()), e.Expires.In(zone()) },
		} {
			e := effectOf(tenant, name)
			change(&e)
			if _, inserted := w.insertEffect(e); !inserted {
				w.Errorf("%s: the key was taken", name)
			}
			w.keeps(name, e)
		}
	})
	w.run("Update", func(w *world) {
		tenant := w.tenant()
		e, other := effectOf(tenant, "a"), effectOf(tenant, "b")
		w.insertEffect(other)
		want := e
		want.Created, want.Revision = false, 99
		w.update(func(ctx context.Context, tx vault.Tx) error {
			if _, _, err := tx.InsertEffect(ctx, e); err != nil {
				return err
			}
			n := want
			n.Request, n.UID, n.Lookup, n.At, n.Expires = hash("x"), newUID(), lookup("y"), instant(50), instant(51)
			return tx.UpdateEffect(ctx, n)
		})
		w.keeps("UpdateEffect sets Created and Revision and no more", want)
		w.keeps("an effect that nobody updated", other)
		w.is("UpdateEffect of none", w.try(func(ctx context.Context, tx vault.Tx) error {
			return tx.UpdateEffect(ctx, effectOf(tenant, "none"))
		}), vault.ErrNoRow)
	})
	w.run("Expiry", effectExpiry)
	w.run("Delete", deleteEffects)
}

func effectExpiry(w *world) {
	for _, c := range []struct {
		name  string
		after time.Duration
		free  bool
	}{
		{"just before it expires", -time.Microsecond, false},
		{"when it expires", 0, true},
		{"after it expired", time.Hour, true},
	} {
		w.run(c.name, func(w *world) {
			e := effectOf(w.tenant(), "key")
			w.insertEffect(e)
			n := effectOf(e.Tenant, "key")
			n.Request, n.At = hash("another request"), e.Expires.Add(c.after)
			n.Expires = n.At.Add(24 * time.Hour)
			standing, inserted := w.insertEffect(n)
			if inserted != c.free {
				w.Errorf("InsertEffect said inserted %v, want %v", inserted, c.free)
			}
			if c.free {
				w.keeps("the new effect", n)
			} else {
				w.equal("the standing effect", standing, e)
			}
		})
	}
}

func deleteEffects(w *world) {
	tenant := w.tenant()
	for i := range 10 {
		e := effectOf(tenant, w.name("effect"))
		e.Expires = instant(i + 1)
		w.insertEffect(e)
	}
	remove := func(limit int) (n int) {
		w.update(func(ctx context.Context, tx vault.Tx) (err error) {
			n, err = tx.DeleteEffects(ctx, instant(7), limit)
			return err
		})
		return n
	}
	for _, c := range []struct{ limit, want int }{{0, 0}, {4, 4}, {4, 2}, {4, 0}} {
		if n := remove(c.limit); n != c.want {
			w.Errorf("DeleteEffects of at most %d deleted %d, want %d: 6 expire before the time, 1 at it", c.limit, n, c.want)
		}
	}
}
