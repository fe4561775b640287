package storetest

import (
	"context"
	"math"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault"
)

func (w *world) outbox(limit int) (out []vault.OutboxEntry) {
	w.Helper()
	w.view(func(ctx context.Context, tx vault.Tx) (err error) {
		out, err = tx.Outbox(ctx, limit)
		return err
	})
	return out
}

func (w *world) ledgerPosition() (n int64) {
	w.Helper()
	w.view(func(ctx context.Context, tx vault.Tx) (err error) {
		n, err = tx.LedgerPosition(ctx)
		return err
	})
	return n
}

func ledger(w *world) {
	w.run("Outbox", outbox)
	w.run("Position", func(w *world) {
		w.equal("the position at first", w.ledgerPosition(), int64(0))
		for _, c := range []struct{ raise, want int64 }{
			{5, 5},
			{5, 5},
			{3, 5},
			{0, 5},
			{-1, 5},
			{6, 6},
			{math.MaxInt64, math.MaxInt64},
			{1, math.MaxInt64},
		} {
			w.update(func(ctx context.Context, tx vault.Tx) error { return tx.RaiseLedgerPosition(ctx, c.raise) })
			w.equal("the position after it was raised, or not", w.ledgerPosition(), c.want)
		}
	})
}

func outbox(w *world) {
	remove := func(ids ...uuid.UUID) {
		w.update(func(ctx context.Context, tx vault.Tx) error { return tx.DeleteOutbox(ctx, ids) })
	}
	w.equal("a new store", w.outbox(10), []vault.OutboxEntry{})
	var want []vault.OutboxEntry
	for _, size := range []int{1, 4, 2, 3} { // entries of one transaction
		var added []vault.OutboxEntry
		for i := range size {
			added = append(added, vault.OutboxEntry{ID: newUID(), Body: allBytes(len(want))[:20*(i+len(want))]})
		}
		w.update(func(ctx context.Context, tx vault.Tx) error {
			for _, e := range added {
				if err := tx.InsertOutbox(ctx, e); err != nil {
					return err
				}
			}
			return nil
		})
		want = append(want, added...)
	}
	w.equal("entries in the order of their insertion", w.outbox(100), want)
	for _, limit := range []int{0, 1, 4, 10} {
		w.equal("the first entries", w.outbox(limit), want[:limit])
	}
	twice := vault.OutboxEntry{ID: want[3].ID, Body: []byte(canary)}
	err := w.try(func(ctx context.Context, tx vault.Tx) error { return tx.InsertOutbox(ctx, twice) })
	refused(w.T, "an entry of an id that is there", err)

	remove()
	remove(newUID(), want[1].ID, newUID(), want[4].ID, want[4].ID)
	want = append(append([]vault.OutboxEntry{want[0]}, want[2:4]...), want[5:]...)
	w.equal("entries after some were deleted", w.outbox(100), want)
	remove(want[0].ID)
	again := want[0]
	w.update(func(ctx context.Context, tx vault.Tx) error { return tx.InsertOutbox(ctx, again) })
	want = append(want[1:], again)
	w.equal("an entry that was inserted again is the last", w.outbox(100), want)
}
