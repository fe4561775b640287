package vault

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/vault/catalog"
)

// mostTries is for how many requests of a turn people's data are read: a refusal, too,
// tells something of them.
const mostTries = 10

// labelTurn is what the MAC of a turn of releases is for.
const labelTurn = "release_turn"

// codeTooSoon is why a table was not made.
const codeTooSoon = "too_soon"

// sealTurn gives a row its MAC.
func (t *tenant) sealTurn(r *ReleaseTurn) {
	mac := t.mac.Sum(labelTurn, turnParts(r)...)
	r.MAC = mac[:]
}

func turnParts(r *ReleaseTurn) [][]byte {
	numbers := be32(r.Collection)
	for _, n := range []int64{r.Releases, r.Tries, r.First, r.Began, r.Last} {
		numbers = binary.BigEndian.AppendUint64(numbers, uint64(n)) //nolint:gosec // the bits, whatever they say
	}
	return [][]byte{numbers, []byte(r.Purpose)}
}

func (t *tenant) checkTurn(r *ReleaseTurn) error {
	if r.Releases < 0 || r.Tries < r.First || r.Last > r.Began || !t.mac.Verify(r.MAC, labelTurn, turnParts(r)...) {
		return fmt.Errorf("%w: the record of releases", ErrIntegrity)
	}
	return nil
}

// newTurns are those of the releases that a catalog has and the one before did not.
func (t *tenant) newTurns(prev, next *catalog.Catalog) (list []ReleaseTurn) {
	for i := range next.Collections {
		c := &next.Collections[i]
		if c.Releases == nil {
			continue
		}
		for j := range c.Releases.Purposes {
			row := ReleaseTurn{Tenant: t.row.ID, Collection: c.ID, Purpose: c.Releases.Purposes[j].Purpose}
			if prev != nil {
				if old, ok := prev.CollectionByID(c.ID); ok {
					if _, had := old.Releases.Purpose(row.Purpose); had {
						continue
					}
				}
			}
			t.sealTurn(&row)
			list = append(list, row)
		}
	}
	return list
}

// turn locks the row of the table's collection and purpose. One that is missing was
// deleted: it was made with the catalog.
func (r *releasing) turn(ctx context.Context, tx Tx) (ReleaseTurn, error) {
	if err := r.v.stillOpen(ctx, tx); err != nil {
		return ReleaseTurn{}, err
	}
	if err := r.s.stand(ctx, tx, r.t); err != nil {
		return ReleaseTurn{}, err
	}
	row, err := tx.LockReleaseTurn(ctx, r.t.row.ID, r.coll.ID, r.declare.Purpose)
	if errors.Is(err, ErrNoRow) {
		return row, fmt.Errorf("%w: a record of releases is missing", ErrIntegrity)
	}
	if err != nil {
		return row, err
	}
	return row, r.t.checkTurn(&row)
}

// begin takes a try, and records that people's data are read, in one transaction.
func (r *releasing) begin(ctx context.Context) error {
	var early *TooSoonError
	var e audit.Event
	err := r.v.store.Update(ctx, func(tx Tx) error {
		early = nil
		row, err := r.turn(ctx, tx)
		if err != nil {
			return err
		}
		if early = row.try(r.v.now(), r.every()); early != nil {
			return early
		}
		r.t.sealTurn(&row)
		if err := tx.PutReleaseTurn(ctx, row); err != nil {
			return fmt.Errorf("taking a turn of releases: %w", err)
		}
		e = r.asked(row.Tries)
		return r.v.append(ctx, tx, r.t, e)
	})
	if early == nil && (err == nil || errors.Is(err, errRestart)) {
		r.event = e.ID
		return err
	}
	e = r.asked(0)
	if early == nil {
		return r.v.refused(ctx, r.t, e, err)
	}
	e.Outcome, e.Code = audit.Denied, codeTooSoon
	if err := r.v.record(ctx, r.t, e); err != nil {
		return err
	}
	return early
}

// every is how long after one release the next may be.
func (r *releasing) every() time.Duration { return time.Duration(r.declare.Every) * 24 * time.Hour }

// try counts a request, or says when the next may come. A turn begins with the first
// request after the end of the one before, and lasts for every from there, or from the
// release.
func (r *ReleaseTurn) try(now time.Time, every time.Duration) *TooSoonError {
	next := time.UnixMicro(r.Began).Add(every).UTC()
	switch {
	case r.Began == 0 || !now.Before(next):
		r.Began, r.First = now.UnixMicro(), r.Tries
	case r.Last == r.Began:
		return &TooSoonError{Next: next}
	case r.Tries-r.First >= mostTries:
		return &TooSoonError{Next: next, Tries: true}
	}
	r.Tries++
	return nil
}

// release notes a release, unless another request of this turn was faster.
func (r *ReleaseTurn) release(now time.Time, every time.Duration) *TooSoonError {
	if next := time.UnixMicro(r.Began).Add(every).UTC(); r.Last == r.Began && now.Before(next) {
		return &TooSoonError{Next: next}
	}
	r.Began = max(r.Began, now.UnixMicro())
	r.Last, r.Releases = r.Began, r.Releases+1
	return nil
}

// finish notes the release and records it, in one transaction, before the table leaves.
func (r *releasing) finish(ctx context.Context, p *ReleaseReport) error {
	err := r.v.store.Update(ctx, func(tx Tx) error {
		row, err := r.turn(ctx, tx)
		if err != nil {
			return err
		}
		if early := row.release(r.v.now(), r.every()); early != nil {
			return early
		}
		p.Next = time.UnixMicro(row.Began).Add(r.every()).UTC()
		r.t.sealTurn(&row)
		if err := tx.PutReleaseTurn(ctx, row); err != nil {
			return fmt.Errorf("noting a release: %w", err)
		}
		return r.v.append(ctx, tx, r.t, r.given(row.Releases, p))
	})
	if errors.Is(err, errRestart) {
		return fmt.Errorf("%w: catalog or policy changed while the table was made", ErrConflict)
	}
	return err
}

// turns checks the record of a tenant's releases: each row bears its MAC and knows of at
// least the releases that the log has.
func (f *checking) turns(ctx context.Context, t *tenant) error {
	var rows []ReleaseTurn
	err := f.v.store.View(ctx, func(tx Tx) (err error) {
		rows, err = tx.ReleaseTurns(ctx, t.row.ID)
		return err
	})
	if err != nil {
		return fmt.Errorf("reading turns of releases: %w", err)
	}
	stands := map[toldBudget]int64{}
	for i := range rows {
		if t.checkTurn(&rows[i]) != nil {
			f.report.add(t, uuid.Nil, uuid.Nil, "the record of releases does not bear its MAC: it was written by SQL")
			continue
		}
		stands[toldBudget{t.row.Name, rows[i].Collection, accessctl.Purpose(rows[i].Purpose)}] = rows[i].Releases
	}
	for k, n := range f.told.releases {
		if k.tenant == t.row.Name && stands[k] < n {
			f.report.add(t, uuid.Nil, uuid.Nil, "the record of releases has fewer than the log says: an earlier row was put back, or it was removed")
		}
	}
	return nil
}
