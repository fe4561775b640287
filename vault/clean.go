package vault

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/fieldvault/fieldvault/crypto/field"
	"github.com/fieldvault/fieldvault/vault/failpoint"
)

// cleanPage is how many records one transaction of the clean-up rewrites.
const cleanPage = 50

// cleanShreds removes what the erasure of key groups left in the records of people
// who live on: ciphertext under keys that are no more, and its index entries. It
// may be stopped at any time and goes on where it was. A held person waits: nothing
// of theirs is removed before the hold ends.
func (v *Vault) cleanShreds(ctx context.Context) error {
	limit := sweepPeople
	for {
		var list []Shred
		err := v.store.View(ctx, func(tx Tx) (err error) {
			list, err = tx.Shreds(ctx, limit)
			return err
		})
		if err != nil {
			return fmt.Errorf("listing erased groups: %w", err)
		}
		var errs []error
		cleaned := 0
		for _, s := range list {
			t := v.tenantByID(s.Tenant)
			if t == nil {
				continue
			}
			done, err := v.cleanShred(ctx, t, s)
			errs = append(errs, err)
			if done {
				cleaned++
			}
		}
		switch {
		case len(list) < limit, ctx.Err() != nil:
			return errors.Join(errs...)
		case cleaned == 0 && limit == sweepMost:
			return errors.Join(errs...)
		case cleaned == 0: // those that must wait stand before all others
			limit = min(limit*10, sweepMost)
		}
	}
}

// cleanShred cleans the records of one person of one group, and says whether it is
// done.
func (v *Vault) cleanShred(ctx context.Context, t *tenant, s Shred) (done bool, err error) {
	var after RecordRef
	for {
		var page []Record
		err := v.store.Update(ctx, func(tx Tx) (err error) {
			page, err = v.cleanRecords(ctx, tx, t, s, after)
			failpoint.Hit("clean-dropped")
			return err
		})
		if errors.Is(err, errNotNow) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("cleaning after an erased group: %w", err)
		}
		if len(page) > 0 {
			v.unclean.Store(true)
		}
		failpoint.Hit("clean-between")
		if len(page) < cleanPage {
			break
		}
		last := page[len(page)-1]
		after = RecordRef{Collection: last.Collection, Record: last.Record}
	}
	err = v.store.Update(ctx, func(tx Tx) error {
		if err := tx.DropGroupTokens(ctx, s.Tenant, s.UID, s.Group, s.Epoch); err != nil {
			return err
		}
		return tx.DeleteShred(ctx, s)
	})
	if err != nil {
		return false, fmt.Errorf("ending the clean-up of a group: %w", err)
	}
	return true, nil
}

// errNotNow: the person is held, or was erased as a whole, which the sweep sees to.
var errNotNow = errors.New("not now")

// cleanRecords cleans a page of records after one, and returns the page.
func (v *Vault) cleanRecords(ctx context.Context, tx Tx, t *tenant, s Shred, after RecordRef) ([]Record, error) {
	p, err := tx.SubjectByUID(ctx, t.row.ID, s.UID, ShareLock)
	switch {
	case errors.Is(err, ErrNoRow):
		return nil, errNotNow
	case err != nil:
		return nil, fmt.Errorf("reading a person: %w", err)
	case p.State != Live || p.Held || !t.marked(&p):
		return nil, errNotNow
	}
	page, err := tx.ListRecords(ctx, t.row.ID, s.UID, 0, after, cleanPage)
	if err != nil {
		return nil, fmt.Errorf("listing records: %w", err)
	}
	for i := range page {
		if err := t.cleanRecord(ctx, tx, s, page[i]); err != nil {
			return nil, err
		}
	}
	return page, nil
}

// cleanRecord drops what is dead from one record. Its revision stays: nobody could
// read what is dropped. A record that does not verify stays as it is, for fsck.
func (t *tenant) cleanRecord(ctx context.Context, tx Tx, s Shred, r Record) error {
	ref := RecordRef{Collection: r.Collection, Record: r.Record}
	r, err := tx.LockRecord(ctx, t.row.ID, s.UID, ref)
	if err != nil {
		return fmt.Errorf("locking a record: %w", err)
	}
	if r.Deleted || len(r.Sealed) == 0 {
		return nil
	}
	fields, err := t.unpackRow(s.UID, &r)
	if err != nil {
		return nil //nolint:nilerr // fsck names it
	}
	dead := func(f field.Sealed) bool { return f.Group == s.Group && f.Epoch < s.Epoch }
	if !slices.ContainsFunc(fields, dead) {
		return nil
	}
	var gone []uint32
	kept := make([]field.Sealed, 0, len(fields))
	for _, f := range fields {
		if dead(f) {
			gone = append(gone, f.Field)
		} else {
			kept = append(kept, f)
		}
	}
	if r.Sealed, err = t.packRow(s.UID, &r, kept); err != nil {
		return fmt.Errorf("packing: %w", err)
	}
	if err := tx.PutRecord(ctx, t.row.ID, s.UID, r); err != nil {
		return fmt.Errorf("storing a record: %w", err)
	}
	if err := tx.ReplaceIndex(ctx, t.row.ID, s.UID, ref, gone, nil); err != nil {
		return fmt.Errorf("removing index entries: %w", err)
	}
	return nil
}
