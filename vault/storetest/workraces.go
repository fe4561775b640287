package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault"
)

// unless makes one of the answers of a store a plain no.
func unless(answer, err error) (bool, error) {
	if errors.Is(err, answer) {
		return false, nil
	}
	return err == nil, err
}

func workRaces(w *world) {
	w.run("Ledger", raceLedger)
	w.run("Shred", raceShred)
	w.run("LockTally", func(w *world) {
		tenant := w.tenant()
		w.race(func(ctx context.Context, tx vault.Tx, i int) (bool, error) {
			t, err := tx.LockTally(ctx, tenant, hash("a"), instant(i))
			if err != nil {
				return false, err
			}
			t.Count++
			return true, tx.PutTally(ctx, t)
		})
		w.equal("what was counted", w.lockTally(tenant, "a", 0).Count, int64(racers))
	})
	w.run("LockBudget", raceBudget)
	w.run("SpendTokens", raceTokens)
	w.run("LockReleaseTurn", raceTurn)
	w.run("InsertApproval", raceApproval)
	w.run("Approval", func(w *world) {
		a := w.asked(approvalOf(w.tenant(), "a", 1))
		w.equal("people who approved", w.race(func(ctx context.Context, tx vault.Tx, i int) (bool, error) {
			got, err := tx.Approval(ctx, a.Tenant, a.ID, vault.ExclusiveLock)
			if err != nil || got.State != vault.ApprovalPending {
				return false, err
			}
			got.State, got.Decider, got.Decided = vault.ApprovalApproved, fmt.Sprint("decider ", i), instant(2)
			return true, tx.UpdateApproval(ctx, got)
		}), 1)
	})
	w.run("InsertJob", raceInsertJob)
	w.run("TakeJob", raceTakeJob)
	w.run("TakeExpired", raceTakeExpired)
	w.run("RewrapKeys", raceRewrap)
	w.run("RewrapAndDestroy", raceRewrapAndDestroy)
	w.run("ReplaceKey", raceReplaceKey)
	w.run("GroupsOfAPerson", raceGroups)
}

func raceLedger(w *world) {
	position := w.ledgerPosition()
	w.race(func(ctx context.Context, tx vault.Tx, i int) (bool, error) {
		if err := tx.InsertOutbox(ctx, vault.OutboxEntry{ID: newUID(), Body: []byte("x")}); err != nil {
			return false, err
		}
		return true, tx.RaiseLedgerPosition(ctx, position+int64(i+1))
	})
	w.equal("the position after all raised it", w.ledgerPosition(), position+racers)
	entries := w.outbox(10 * racers)
	w.equal("entries", len(entries), racers)
	w.race(func(ctx context.Context, tx vault.Tx, i int) (bool, error) {
		return true, tx.DeleteOutbox(ctx, []uuid.UUID{entries[i].ID, entries[(i+1)%racers].ID})
	})
	w.equal("entries after all were deleted twice", w.outbox(10), []vault.OutboxEntry{})
}

// raceShred: who cleaned up for one epoch does not remove what asks for a later.
func raceShred(w *world) {
	tenant := w.tenant()
	for range 20 {
		uid := newUID()
		at := func(epoch uint32) vault.Shred { return vault.Shred{Tenant: tenant, UID: uid, Group: 2, Epoch: epoch} }
		w.putShreds(at(1))
		together(4, func(i int) {
			err := w.try(func(ctx context.Context, tx vault.Tx) error {
				if i == 0 {
					return tx.PutShred(ctx, at(2))
				}
				return tx.DeleteShred(ctx, at(1))
			})
			if err != nil {
				w.Errorf("Update: %v", err)
			}
		})
		w.equal("the shred of the later epoch", w.shredsOf(tenant, uid), []vault.Shred{at(2)})
	}
}

// raceApproval: of many who ask the same, one gets a new approval, and the
// others that one; also where one has expired.
func raceApproval(w *world) {
	tenant := w.tenant()
	for round := range 3 {
		var ids sync.Map
		w.equal("approvals inserted", w.race(func(ctx context.Context, tx vault.Tx, _ int) (bool, error) {
			standing, inserted, err := tx.InsertApproval(ctx, approvalOf(tenant, "a", 100*round))
			ids.Store(standing.ID, true)
			return inserted, err
		}), 1)
		w.equal("approvals stored", len(w.approvals(tenant, 100)), round+1)
		_, ok := ids.Load(w.approvals(tenant, 1)[0].ID)
		w.equal("the one that stands was answered", ok, true)
	}
}

func raceInsertJob(w *world) {
	tenant := w.tenant()
	for round := range 3 {
		w.equal("jobs inserted", w.race(func(ctx context.Context, tx vault.Tx, _ int) (bool, error) {
			standing, inserted, err := tx.InsertJob(ctx, jobOf(tenant, "rewrap", round))
			if err == nil && (standing.Kind != "rewrap" || standing.Tenant != tenant) {
				w.Errorf("InsertJob answered a job of kind %q", standing.Kind)
			}
			return inserted, err
		}), 1)
		w.equal("jobs stored", len(w.jobs(tenant, 100)), round+1)
		j := w.taken("node", instant(10), "rewrap")
		j.State = vault.JobDone
		w.is("SaveJob", w.save(j), nil)
	}
}

// raceTakeJob: every job is taken, each by one.
func raceTakeJob(w *world) {
	const n = racers / 2
	kind := w.name("kind")
	for range n {
		w.enqueued(jobOf(w.tenant(), kind, 1))
	}
	var mu sync.Mutex
	owners := map[uuid.UUID][]string{}
	w.equal("jobs taken", w.race(func(ctx context.Context, tx vault.Tx, i int) (bool, error) {
		j, err := tx.TakeJob(ctx, []string{kind}, fmt.Sprint(i), instant(5), instant(6))
		if took, err := unless(vault.ErrNoRow, err); !took {
			return false, err
		}
		mu.Lock()
		defer mu.Unlock()
		owners[j.ID] = append(owners[j.ID], j.Owner)
		return true, nil
	}), n)
	w.equal("different jobs taken", len(owners), n)
}

// raceTakeExpired: a job whose lease has ended goes to one, and the owner before
// either saves in time or not at all.
func raceTakeExpired(w *world) {
	kind := w.name("kind")
	w.enqueued(jobOf(w.tenant(), kind, 1))
	held := w.taken("first", instant(0), kind)
	for round := range 5 {
		now := instant(10 * (round + 1))
		next := held
		var mu sync.Mutex
		w.equal("new owners", w.race(func(ctx context.Context, tx vault.Tx, i int) (bool, error) {
			if i == 0 {
				_, err := unless(vault.ErrStale, tx.SaveJob(ctx, held))
				return false, err
			}
			j, err := tx.TakeJob(ctx, []string{kind}, fmt.Sprint(i), now, now.Add(time.Hour))
			if took, err := unless(vault.ErrNoRow, err); !took {
				return false, err
			}
			mu.Lock()
			defer mu.Unlock()
			next = j
			return true, nil
		}), 1)
		w.equal("the fence of the new owner", next.Fence, held.Fence+1)
		w.is("SaveJob of the owner before", w.save(held), vault.ErrStale)
		held = next
	}
}

// raceRewrap: of many who rewrap the same keys, each key is written once.
func raceRewrap(w *world) {
	tenant := w.tenant()
	var list []vault.Rewrapped
	for range 20 {
		k := vault.PlacedKey{UID: newUID(), DataKey: dataKey(2, 1)}
		w.placed(tenant, k)
		list = append(list, rewrapped(k.UID, k.DataKey))
	}
	var mu sync.Mutex
	written := 0
	together(10, func(int) {
		var n int
		err := w.try(func(ctx context.Context, tx vault.Tx) (err error) {
			n, err = tx.RewrapKeys(ctx, tenant, list)
			return err
		})
		if err != nil {
			w.Errorf("RewrapKeys: %v", err)
		}
		mu.Lock()
		defer mu.Unlock()
		written += n
	})
	w.equal("keys written", written, len(list))
}

// raceRewrapAndDestroy: a rewrap brings no key back that is destroyed
// meanwhile (I2).
func raceRewrapAndDestroy(w *world) {
	tenant := w.tenant()
	for range 10 {
		erased, shredded := newUID(), newUID()
		var list []vault.Rewrapped
		for _, uid := range []uuid.UUID{erased, shredded} {
			for _, g := range []uint32{2, 3} {
				w.placed(tenant, vault.PlacedKey{UID: uid, DataKey: dataKey(g, 1)})
				list = append(list, rewrapped(uid, dataKey(g, 1)))
			}
		}
		together(8, func(i int) {
			err := w.try(func(ctx context.Context, tx vault.Tx) (err error) {
				switch i {
				case 3:
					_, err = tx.DestroyKeys(ctx, tenant, erased)
				case 5:
					_, err = tx.DestroyGroup(ctx, tenant, shredded, 2)
				case 6:
					_, err = unless(vault.ErrStale, tx.ReplaceKey(ctx, tenant, erased, dataKey(2, 1), dataKey(2, 1)))
				default:
					_, err = tx.RewrapKeys(ctx, tenant, list)
				}
				return err
			})
			if err != nil {
				w.Errorf("Update: %v", err)
			}
		})
		w.equal("keys of an erased person", w.keysOf(tenant, erased), []vault.DataKey{})
		kept := dataKey(3, 1)
		w.equal("keys of one who lost a group", w.keysOf(tenant, shredded),
			[]vault.DataKey{{Group: 2, Epoch: 2}, after(kept, rewrapped(shredded, kept))})
	}
}

// raceReplaceKey: of many who replace a key, or rewrap it, one does.
func raceReplaceKey(w *world) {
	tenant, uid := w.tenant(), newUID()
	w.placed(tenant, vault.PlacedKey{UID: uid, DataKey: dataKey(2, 1)})
	for range 3 {
		old := w.keysOf(tenant, uid)[0]
		w.equal("keys written", w.race(func(ctx context.Context, tx vault.Tx, i int) (bool, error) {
			if i%2 == 0 {
				n, err := tx.RewrapKeys(ctx, tenant, []vault.Rewrapped{rewrapped(uid, old)})
				return n == 1, err
			}
			next := old
			next.Version, next.Wrapped = old.Version+1, fmt.Append(nil, i)
			return unless(vault.ErrStale, tx.ReplaceKey(ctx, tenant, uid, old, next))
		}), 1)
	}
}

// raceGroups: who inserts, rewraps, replaces and destroys keys of different groups of
// one person at once loses nothing to each other; the person need not have any before.
func raceGroups(w *world) {
	tenant := w.tenant()
	for round := range 20 {
		uid := w.person(tenant).UID
		old := []vault.DataKey{dataKey(10, 1), dataKey(11, 1), dataKey(12, 1)}
		if round%2 == 0 {
			old = nil
		}
		want := []vault.DataKey{dataKey(2, 1), dataKey(3, 1), dataKey(4, 1), {Group: 5, Epoch: 2}}
		for _, k := range old {
			w.placed(tenant, vault.PlacedKey{UID: uid, DataKey: k})
		}
		next := vault.DataKey{Group: 12, Epoch: 1, Version: 2, KEKVersion: 1, Wrapped: []byte("next")}
		if old != nil {
			want = append(want, after(old[0], rewrapped(uid, old[0])), vault.DataKey{Group: 11, Epoch: 2}, next)
		}
		together(7, func(i int) {
			err := w.try(func(ctx context.Context, tx vault.Tx) (err error) {
				switch {
				case i < 3:
					err = insert(tx.InsertKey(ctx, tenant, uid, want[i]))
				case i == 3:
					_, err = tx.DestroyGroup(ctx, tenant, uid, 5)
				case old == nil:
				case i == 4:
					_, err = tx.RewrapKeys(ctx, tenant, []vault.Rewrapped{rewrapped(uid, old[0])})
				case i == 5:
					_, err = tx.DestroyGroup(ctx, tenant, uid, 11)
				default:
					err = tx.ReplaceKey(ctx, tenant, uid, old[2], next)
				}
				return err
			})
			if err != nil {
				w.Errorf("Update: %v", err)
			}
		})
		w.equal("keys of all groups", w.keysOf(tenant, uid), want)
	}
}
