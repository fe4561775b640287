package vault

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fieldvault/fieldvault/accessctl/consent"
	"github.com/fieldvault/fieldvault/vault/ledger"
)

// A difference is what the ledger says beyond the position of the database. Of
// holds and restrictions only the last word about each person counts: the latest by
// its time, which was taken under the lock of the person's row, because entries can
// reach the ledger in another order than they were done.
type difference struct {
	v    *Vault
	head int64
	full bool // with certificates
	list []ledger.Placed
	last map[string]flagWord // the last hold or restriction, by person
}

// A flagWord is a hold, a restriction or its end.
type flagWord struct {
	position int64
	at       time.Time
	protects bool
}

// after says whether w is the later word. Of two of one instant the one that
// protects counts.
func (w flagWord) after(x flagWord) bool {
	if w.at.Equal(x.at) {
		return w.protects || !x.protects
	}
	return w.at.After(x.at)
}

func newDifference(v *Vault, head int64, full bool) *difference {
	return &difference{v: v, head: head, full: full, last: map[string]flagWord{}}
}

// read reads entries above a position, up to the head.
func (d *difference) read(ctx context.Context, after int64) error {
	for after < d.head {
		page, err := d.v.reader.Read(ctx, after, ledgerPage)
		if err != nil {
			return fmt.Errorf("reading the ledger: %w", err)
		}
		if len(page) == 0 {
			return fmt.Errorf("reading the ledger: %w", ledger.ErrCorrupt)
		}
		for _, e := range page {
			if e.Position > d.head {
				continue
			}
			if !d.full {
				e.Certificate = nil
			}
			d.list = append(d.list, e)
			d.say(&e)
		}
		after = page[len(page)-1].Position
	}
	return nil
}

// say takes in a hold, a restriction or its end.
func (d *difference) say(e *ledger.Placed) {
	key := flagKey(&e.Entry)
	if key == "" {
		return
	}
	w := flagWord{position: e.Position, at: e.At, protects: e.Kind == ledger.Hold || e.Kind == ledger.Restrict}
	if was, ok := d.last[key]; !ok || w.after(was) {
		d.last[key] = w
	}
}

// flagKey names what later entries of its kind replace, a hold by its release; ""
// for what is never replaced.
func flagKey(e *ledger.Entry) string {
	var kind string
	switch e.Kind {
	case ledger.Hold, ledger.Release:
		kind = "hold"
	case ledger.Restrict, ledger.Unrestrict:
		kind = "restriction"
	default:
		return ""
	}
	return kind + "\x00" + e.Tenant + "\x00" + string(e.Lookup)
}

// stale says whether a later word takes this one's place.
func (d *difference) stale(e *ledger.Placed) bool {
	key := flagKey(&e.Entry)
	return key != "" && d.last[key].position != e.Position
}

// count says how many entries the database does not reflect.
func (d *difference) count(ctx context.Context) (n int64, err error) {
	ids, err := d.v.tenantIDs(ctx)
	if err != nil {
		return 0, err
	}
	for from := 0; from < len(d.list); from += ledgerPage {
		page := d.list[from:min(from+ledgerPage, len(d.list))]
		var here int64
		err := d.v.store.View(ctx, func(tx Tx) error {
			here = 0
			for i := range page {
				if d.stale(&page[i]) {
					continue
				}
				done, err := d.v.reflected(ctx, tx, ids[page[i].Tenant], &page[i].Entry)
				if err != nil {
					return err
				}
				if !done {
					here++
				}
			}
			return nil
		})
		if err != nil {
			return 0, fmt.Errorf("comparing with the ledger: %w", err)
		}
		n += here
	}
	return n, nil
}

// tenantIDs maps the names of tenants to their ids.
func (v *Vault) tenantIDs(ctx context.Context) (map[string]int32, error) {
	ids := map[string]int32{}
	err := v.store.View(ctx, func(tx Tx) error {
		rows, err := tx.Tenants(ctx)
		for _, r := range rows {
			ids[r.Name] = r.ID
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading tenants: %w", err)
	}
	return ids, nil
}

// reflected says whether the database shows what an entry says, or something
// later. An entry about a tenant that the database does not have speaks of nobody.
// A row that does not bear its mark opens nothing; only an erasure of it counts as not
// reflected, whatever the row says.
func (v *Vault) reflected(ctx context.Context, tx Tx, tenant int32, e *ledger.Entry) (bool, error) {
	if tenant == 0 {
		return true, nil
	}
	p, err := tx.Subject(ctx, tenant, e.Lookup, NoLock)
	switch {
	case errors.Is(err, ErrNoRow):
		// A person who is not there has nothing to undo, but an erased one must
		// leave a fence.
		return e.Kind != ledger.Erase, nil
	case errors.Is(err, ErrIntegrity):
		return true, nil // nobody reads such a row; fsck names it
	case err != nil:
		return false, err
	}
	if t, open := v.lookupTenant(e.Tenant); open && !t.marked(&p) {
		return e.Kind != ledger.Erase || p.Generation > e.Generation, nil
	}
	switch {
	case p.Generation != e.Generation:
		return p.Generation > e.Generation || e.Kind != ledger.Erase, nil
	case p.State == Erased:
		return true, nil
	}
	return reflectedLive(ctx, tx, tenant, &p, e)
}

func reflectedLive(ctx context.Context, tx Tx, tenant int32, p *Subject, e *ledger.Entry) (bool, error) {
	switch e.Kind {
	case ledger.Hold:
		return p.Held, nil
	case ledger.Restrict:
		return p.Restricted, nil
	case ledger.EraseGroups:
		keys, err := tx.Keys(ctx, tenant, p.UID)
		if err != nil {
			return false, err
		}
		return groupsRaised(keys, e.Groups), nil
	case ledger.Withdraw, ledger.Object:
		rows, err := tx.Consents(ctx, tenant, p.UID)
		if err != nil {
			return false, err
		}
		return withdrawn(rows, e), nil
	case ledger.Erase:
		return false, nil
	default: // release and unrestrict undo nothing that protects
		return true, nil
	}
}

func groupsRaised(keys []DataKey, groups []ledger.GroupEpoch) bool {
	for _, g := range groups {
		if k := keyOf(keys, g.Group); k == nil || k.Epoch < g.Epoch {
			return false
		}
	}
	return true
}

// withdrawn says whether the decision in force is the entry's or a later one, or
// at least permits nothing that the entry forbids.
func withdrawn(rows []Consent, e *ledger.Entry) bool {
	for i := range rows {
		if rows[i].Purpose == e.Purpose {
			closed := rows[i].Decision == string(consent.Objected)
			if e.Kind == ledger.Withdraw {
				closed = consent.Decision(rows[i].Decision).Closes()
			}
			return closed || rows[i].At.After(e.At)
		}
	}
	return e.Kind == ledger.Withdraw // without a decision there is no consent either
}
