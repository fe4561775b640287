package storetest

import (
	"context"
	"math"

	"github.com/fieldvault/fieldvault/vault"
)

func (w *world) note(tenant int32, l vault.KeyLife) {
	w.Helper()
	w.update(func(ctx context.Context, tx vault.Tx) error { return tx.NoteKey(ctx, tenant, l) })
}

func (w *world) lives(tenant int32) (list []vault.KeyLife) {
	w.Helper()
	w.view(func(ctx context.Context, tx vault.Tx) (err error) {
		list, err = tx.KeyLives(ctx, tenant)
		return err
	})
	for _, l := range list {
		isUTC(w.T, l.Created)
		isUTC(w.T, l.Destroyed)
	}
	return list
}

func keyLives(w *world) {
	w.run("Uses", func(w *world) {
		tenant, other := w.tenant(), w.tenant()
		w.equal("of a new tenant", w.lives(tenant), []vault.KeyLife(nil))
		life := func(version int32, uses int64) vault.KeyLife {
			return vault.KeyLife{Key: vault.LifeKEK, Version: version, Uses: uses}
		}
		w.note(tenant, life(2, 1024))
		w.note(tenant, life(1, math.MaxInt64))
		w.note(tenant, life(2, 500))
		w.note(tenant, life(2, -24))
		w.note(other, life(2, 7))
		w.note(vault.SystemTenant, life(1, 0))
		w.equal("the sums", w.lives(tenant), []vault.KeyLife{life(1, math.MaxInt64), life(2, 1500)})
		w.equal("of another", w.lives(other), []vault.KeyLife{life(2, 7)})
		w.note(other, life(2, -8))
		w.note(other, life(3, -8))
		w.equal("never below 0", w.lives(other), []vault.KeyLife{life(2, 0), life(3, 0)})
		w.equal("adders that raced", w.race(func(ctx context.Context, tx vault.Tx, _ int) (bool, error) {
			return true, tx.NoteKey(ctx, other, life(3, 3))
		}), racers)
		w.equal("none is lost", w.lives(other), []vault.KeyLife{life(2, 0), life(3, 3*racers)})
	})
	w.run("Times", func(w *world) {
		tenant := w.tenant()
		made := func(version int32, created, destroyed int) (l vault.KeyLife) {
			l = vault.KeyLife{Key: vault.LifeKEK, Version: version}
			if created > 0 {
				l.Created = instant(created)
			}
			if destroyed > 0 {
				l.Destroyed = instant(destroyed)
			}
			return l
		}
		index := vault.KeyLife{Key: "index/1/2/1", Created: instant(9).In(zone())}
		w.note(tenant, index)
		for _, l := range []vault.KeyLife{
			made(1, 0, 0), made(1, 5, 0), made(1, 6, 0), made(1, 4, 0), made(1, 0, 20), made(1, 0, 19),
			made(2, 7, 0), made(2, 0, 0), made(2, 0, 21), made(3, 0, 22),
		} {
			w.note(tenant, l)
		}
		index.Created = instant(9)
		w.equal("the earliest creation, the first destruction", w.lives(tenant),
			[]vault.KeyLife{index, made(1, 4, 20), made(2, 7, 21), made(3, 0, 22)})
		revive := func(from int32, before int) {
			w.Helper()
			w.update(func(ctx context.Context, tx vault.Tx) error {
				return tx.ReviveKeys(ctx, tenant, vault.LifeKEK, from, instant(before))
			})
		}
		revive(2, 22)
		w.equal("those from 2 on, before 22", w.lives(tenant),
			[]vault.KeyLife{index, made(1, 4, 20), made(2, 7, 0), made(3, 0, 22)})
		revive(1, 20)
		w.note(tenant, made(2, 8, 30))
		w.equal("destroyed again", w.lives(tenant),
			[]vault.KeyLife{index, made(1, 4, 20), made(2, 7, 30), made(3, 0, 22)})
	})
}
