package vault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/crypto/field"
)

// codeExpired says of an event of ActionDelete that values were removed because
// their time had passed.
const codeExpired = string(accessctl.ReasonExpired)

// A removal is what one transaction removed.
type removal struct {
	late    []time.Duration // how long after its time each value was removed
	deleted int64           // records
	kept    int64           // values
	stuck   int64           // records
}

// remove removes, in one transaction, what has had its time of some records in the
// order of their people, and counts it.
func (r *expiring) remove(ctx context.Context, batch []pastEnd) error {
	var x removal
	err := r.v.store.Update(ctx, func(tx Tx) error {
		x = removal{}
		if err := r.v.stillOpen(ctx, tx); err != nil {
			return err
		}
		if err := r.s.stand(ctx, tx, r.t); err != nil {
			return err
		}
		for rest := batch; len(rest) > 0; {
			n := slices.IndexFunc(rest, func(p pastEnd) bool { return p.uid != rest[0].uid })
			if n < 0 {
				n = len(rest)
			}
			if err := r.removeOf(ctx, tx, rest[:n], &x); err != nil {
				return err
			}
			rest = rest[n:]
		}
		return nil
	})
	if err != nil {
		return err
	}
	r.v.unclean.Store(true)
	r.cur.Deleted, r.cur.Kept, r.cur.Stuck = r.cur.Deleted+x.deleted, r.cur.Kept+x.kept, r.cur.Stuck+x.stuck
	r.cur.Removed += int64(len(x.late))
	for _, late := range x.late {
		r.cur.Longest, r.cur.Total = max(r.cur.Longest, late.Seconds()), r.cur.Total+late.Seconds()
		if r.v.expired != nil {
			r.v.expired(late)
		}
	}
	return nil
}

// removeOf removes what has had its time of records of one person, locked as for a
// write: a hold, a restriction or an erasure comes wholly before or after.
func (r *expiring) removeOf(ctx context.Context, tx Tx, list []pastEnd, x *removal) error {
	p, err := tx.SubjectByUID(ctx, r.t.row.ID, list[0].uid, ShareLock)
	switch {
	case errors.Is(err, ErrNoRow):
		return nil // erased and swept
	case err != nil:
		return fmt.Errorf("reading a person: %w", err)
	case p.State != Live:
		return nil
	case !r.t.marked(&p):
		x.stuck += int64(len(list))
		return nil
	}
	e := about(r.v.event(r.t, r.s, r.by, accessctl.ActionDelete), r.by, p.UID, false)
	e.Code = codeExpired
	var views tally
	for i := range list {
		w, err := r.removeFrom(ctx, tx, &p, list[i].ref, &views, x)
		if errors.Is(err, ErrIntegrity) {
			x.stuck++
			continue
		}
		if err != nil {
			return err
		}
		if w.Row != uuid.Nil {
			e.Writes = append(e.Writes, w)
		}
	}
	if len(e.Writes) == 0 {
		return nil
	}
	e.Fields = views.sorted()
	return r.v.append(ctx, tx, r.t, e)
}

// removeFrom removes what has had its time of one record as it stands. The write has
// no row if nothing was removed.
func (r *expiring) removeFrom(ctx context.Context, tx Tx, p *Subject, ref RecordRef, views *tally, x *removal) (w audit.Write, err error) {
	rec, err := tx.LockRecord(ctx, r.t.row.ID, p.UID, ref)
	if err != nil {
		return w, fmt.Errorf("locking a record: %w", err)
	}
	if rec.Deleted || len(rec.Sealed) == 0 {
		return w, nil
	}
	fields, err := r.t.unpackRow(p.UID, &rec)
	if err != nil {
		return w, err
	}
	now := r.v.now()
	var gone []uint32
	var late []time.Duration
	var kept []field.Sealed
	for _, f := range fields {
		if end, ok := r.limits.end(ref.Collection, &f); ok && now.After(end) {
			gone, late = append(gone, f.Field), append(late, now.Sub(end))
		} else {
			kept = append(kept, f)
		}
	}
	switch {
	case len(gone) == 0:
		return w, nil
	case p.Held || p.Restricted:
		x.kept += int64(len(gone))
		return w, nil
	}
	for _, id := range gone {
		views.add(ref.Collection, id, accessctl.Decision{View: accessctl.Hidden, Reason: accessctl.ReasonExpired})
	}
	x.late = append(x.late, late...)
	rec.Revision++
	if len(kept) == 0 {
		rec.Deleted, rec.Sealed, gone = true, nil, nil
		x.deleted++
	} else if rec.Sealed, err = r.t.packRow(p.UID, &rec, kept); err != nil {
		return w, fmt.Errorf("packing: %w", err)
	}
	if err := tx.PutRecord(ctx, r.t.row.ID, p.UID, rec); err != nil {
		return w, fmt.Errorf("storing a record: %w", err)
	}
	if err := tx.ReplaceIndex(ctx, r.t.row.ID, p.UID, ref, gone, nil); err != nil {
		return w, fmt.Errorf("removing index entries: %w", err)
	}
	if err := tx.DropFieldTokens(ctx, r.t.row.ID, p.UID, ref, gone); err != nil {
		return w, fmt.Errorf("removing tokens: %w", err)
	}
	return r.t.wrote(p.UID, &rec), nil
}
