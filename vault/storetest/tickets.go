package storetest

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault"
)

func fillTicket(tenant int32, uid uuid.UUID) vault.Ticket {
	return vault.Ticket{Tenant: tenant, UID: uid, ID: uid, Expires: instant(9)}
}

// hasTicket says whether a ticket stands.
func (w *world) hasTicket(k vault.Ticket) (has bool) {
	w.Helper()
	w.view(func(ctx context.Context, tx vault.Tx) (err error) {
		has, err = tx.HasTicket(ctx, k.Tenant, k.UID, k.ID)
		return err
	})
	return has
}

func (w *world) insertTicket(k vault.Ticket) {
	w.Helper()
	w.update(func(ctx context.Context, tx vault.Tx) error { return tx.InsertTicket(ctx, k) })
}

func (w *world) spendTicket(k vault.Ticket) (stood bool) {
	w.Helper()
	w.update(func(ctx context.Context, tx vault.Tx) (err error) {
		stood, err = tx.SpendTicket(ctx, k.Tenant, k.UID, k.ID)
		return err
	})
	return stood
}

func tickets(w *world) {
	w.run("SpentOnce", func(w *world) {
		nobodys := vault.Ticket{Tenant: w.tenant(), ID: newUID(), Expires: instant(9)}
		w.insertTicket(nobodys)
		w.equal("nobody's stands", w.hasTicket(nobodys), true)
		w.equal("nobody's is spent", w.spendTicket(nobodys), true)
		w.equal("nobody's is spent again", w.spendTicket(nobodys), false)
		k := fillTicket(w.tenant(), newUID())
		others := []vault.Ticket{k, k, k}
		others[0].Tenant, others[1].UID, others[2].ID = w.tenant(), newUID(), newUID()
		w.equal("before", w.hasTicket(k), false)
		w.insertTicket(k)
		w.equal("stands", w.hasTicket(k), true)
		for _, o := range others {
			w.equal("another's stands", w.hasTicket(o), false)
			w.equal("another's is spent", w.spendTicket(o), false)
		}
		w.equal("is spent", w.spendTicket(k), true)
		w.equal("is spent again", w.spendTicket(k), false)
		w.equal("stands after that", w.hasTicket(k), false)
	})
	w.run("ClaimedOnce", claimedOnce)
	w.run("Expired", func(w *world) {
		tenant, uid := w.tenant(), newUID()
		var all []vault.Ticket
		for i := range 5 {
			all = append(all, vault.Ticket{Tenant: tenant, UID: uid, ID: newUID(), Expires: instant(0).Add(time.Duration(i-5000) * time.Hour)})
			w.insertTicket(all[i])
		}
		drop := func(limit int) (n int) {
			w.update(func(ctx context.Context, tx vault.Tx) (err error) {
				n, err = tx.DropTickets(ctx, all[3].Expires, limit)
				return err
			})
			return n
		}
		w.equal("a part", drop(2), 2)
		w.equal("the rest", drop(10), 1)
		w.equal("nothing", drop(10), 0)
		for i, k := range all {
			w.equal("stands", w.hasTicket(k), i >= 3)
		}
	})
}

// claimedOnce: of those who claim a ticket one has it, and gives it its body.
func claimedOnce(w *world) {
	k := fillTicket(w.tenant(), uuid.Nil) // an operator's
	k.ID = newUID()
	claim := func() (claimed bool) {
		w.update(func(ctx context.Context, tx vault.Tx) (err error) {
			claimed, err = tx.ClaimTicket(ctx, k)
			return err
		})
		return claimed
	}
	body := func(k vault.Ticket) (body []byte, err error) {
		w.view(func(ctx context.Context, tx vault.Tx) error {
			body, err = tx.TicketBody(ctx, k.Tenant, k.UID, k.ID)
			return nil
		})
		return body, err
	}
	fill := func(k vault.Ticket, with string) (err error) {
		k.Body = []byte(with)
		w.update(func(ctx context.Context, tx vault.Tx) error {
			err = tx.FillTicket(ctx, k)
			return nil
		})
		return err
	}
	_, err := body(k)
	w.is("the body of none", err, vault.ErrNoRow)
	w.is("filling none", fill(k, "x"), vault.ErrNoRow)
	w.equal("is claimed", claim(), true)
	b, err := body(k)
	w.equal("has no body", b == nil && err == nil, true)
	w.equal("is claimed again", claim(), false)
	other := k
	other.ID = newUID()
	w.insertTicket(other)
	w.is("filling it", fill(k, "x"), nil)
	w.equal("is claimed, filled", claim(), false)
	b, err = body(k)
	w.equal("has its body", string(b) == "x" && err == nil, true)
	b, err = body(other)
	w.equal("another has none", b == nil && err == nil, true)
}
