package vault

import (
	"context"
	"encoding/hex"
	"fmt"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/vault/failpoint"
	"github.com/fieldvault/fieldvault/vault/ledger"
)

// A Ledger keeps, outside the database, the erasures, withdrawals, restrictions and
// holds that a restore of the database must not undo. ledger.File and
// pgstore.Ledger are ledgers; package ledger has the contract of the methods.
type Ledger interface {
	// Append makes entries durable. One whose id is there is not added again.
	Append(ctx context.Context, entries []ledger.Entry) error
}

// A LedgerReader is a [Ledger] that can be read, so that the database can be
// compared with it. One that cannot is watched by another process.
type LedgerReader interface {
	Ledger
	// Read lists entries above a position, in order.
	Read(ctx context.Context, after int64, limit int) ([]ledger.Placed, error)
	// Head is the position of the last entry, 0 for none.
	Head(ctx context.Context) (int64, error)
}

// ledgerPage is how many entries are moved or read at once.
const ledgerPage = 500

// entryOf begins a ledger entry about a person, of the event that did it.
func (t *tenant) entryOf(kind ledger.Kind, p *Subject, e audit.Event) ledger.Entry {
	return ledger.Entry{
		Kind: kind, Tenant: t.row.Name, Lookup: p.Lookup, UID: p.UID, Generation: p.Generation, Event: e.ID, At: e.Time,
	}
}

// note puts an entry into the outbox with the transaction, and on the list that
// the caller will tell the ledger. Without a ledger it does nothing.
func (v *Vault) note(ctx context.Context, tx Tx, t *tenant, list *[]ledger.Entry, e ledger.Entry) error {
	if v.ledger == nil {
		return nil
	}
	e.ID = v.newID()
	mac := t.mac.Sum("ledger", e.Signed())
	e.MAC = mac[:]
	body, err := e.Append(nil)
	if err != nil {
		return fmt.Errorf("encoding a ledger entry: %w", err)
	}
	if err := tx.InsertOutbox(ctx, OutboxEntry{ID: e.ID, Body: body}); err != nil {
		return fmt.Errorf("noting for the ledger: %w", err)
	}
	*list = append(*list, e)
	return nil
}

// genuine says whether an entry bears the tenant's MAC.
func (t *tenant) genuine(e *ledger.Entry) bool {
	return t.mac.Verify(e.MAC, "ledger", e.Signed())
}

// tell makes the ledger know what a committed transaction did. The outbox is
// emptied later, by drain: to tell an entry twice has no effect.
func (v *Vault) tell(ctx context.Context, entries []ledger.Entry) error {
	if v.ledger == nil || len(entries) == 0 {
		return nil
	}
	if c := v.gate.seen.Load(); c != nil && (c.why == whyAhead || c.why == whyCorrupt) {
		// What it lost must come back first: new entries would take its place.
		return ErrUnledgered
	}
	if err := v.ledger.Append(ctx, entries); err != nil {
		v.log.WarnContext(ctx, "the ledger does not take entries; they wait in the database", "error", err)
		return ErrUnledgered
	}
	return nil
}

// drain tells the ledger everything that waits in the database, and removes it
// there. Several nodes may do so at once.
func (v *Vault) drain(ctx context.Context) error {
	if v.ledger == nil {
		return nil
	}
	limit := ledgerPage
	for {
		var waiting []OutboxEntry
		err := v.store.View(ctx, func(tx Tx) (err error) {
			waiting, err = tx.Outbox(ctx, limit)
			return err
		})
		if err != nil {
			return fmt.Errorf("reading what the ledger must be told: %w", err)
		}
		if len(waiting) == 0 {
			return nil
		}
		moved, err := v.move(ctx, waiting)
		switch {
		case err != nil:
			return err
		case len(waiting) < limit:
			return nil
		case moved == 0: // those of a tenant that is not open stand before all others
			limit = min(limit*10, sweepMost)
		}
	}
}

// move tells some entries and removes them from the outbox. What is no entry, or
// bears no MAC, was written by SQL: it is dropped, loudly. Entries of a tenant that
// is not open here wait. It says how many left the outbox.
func (v *Vault) move(ctx context.Context, waiting []OutboxEntry) (moved int, err error) {
	var entries []ledger.Entry
	ids := make([]uuid.UUID, 0, len(waiting))
	for i := range waiting {
		e, err := ledger.Parse(waiting[i].Body)
		if err != nil || e.ID != waiting[i].ID {
			v.log.ErrorContext(ctx, "an entry for the ledger was changed in the database and is dropped", "entry", waiting[i].ID)
			ids = append(ids, waiting[i].ID)
			continue
		}
		t, open := v.lookupTenant(e.Tenant)
		if !open {
			continue // another node, or this one later
		}
		ids = append(ids, waiting[i].ID)
		if !t.genuine(&e) {
			v.log.ErrorContext(ctx, "an entry for the ledger was changed in the database and is dropped", "entry", waiting[i].ID)
			continue
		}
		entries = append(entries, e)
	}
	if err := v.tell(ctx, entries); err != nil {
		return 0, err
	}
	if len(ids) == 0 {
		return 0, nil
	}
	failpoint.Hit("outbox-told")
	err = v.store.Update(ctx, func(tx Tx) error { return tx.DeleteOutbox(ctx, ids) })
	if err != nil {
		return 0, fmt.Errorf("emptying the outbox: %w", err)
	}
	return len(ids), nil
}

// fence is what remains of a person, as certificates name it.
func fence(p *Subject) string { return hex.EncodeToString(p.Lookup) }
