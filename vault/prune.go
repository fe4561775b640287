package vault

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/audit/trail"
	"github.com/fieldvault/fieldvault/audit/tree"
)

// pruneBatch is how many events one transaction deletes.
const pruneBatch = 5000

// PruneLog deletes the events before a time from the store: all with an index below the
// first event of that time or later, and below `exported`, the size of a copy of the log
// that was verified, in whole bundles: one that has lost some of its events could be
// neither served nor exported any more. Of the last bundle, events stay that share a row
// with later ones. The tree keeps their hashes, and the log says in an event of its own
// what was pruned, before it is. It needs the action audit, as an operator at the machine,
// and on PostgreSQL the rights of the tables' owner. It returns the index below which
// events are gone. progress, if not nil, is told how many were deleted.
func (v *Vault) PruneLog(ctx context.Context, c accessctl.Caller, before time.Time, exported int64, progress func(deleted int)) (below int64, err error) {
	t, s, log, err := v.openLog(ctx, c)
	if err != nil {
		return 0, err
	}
	if !isLocal(c) {
		return 0, v.denied(ctx, t, s, c, accessctl.ActionAudit)
	}
	if below, err = firstSince(ctx, log, before); err != nil {
		return 0, logError(err)
	}
	below = min(below, exported)
	below -= below % tree.Width
	if below, err = rowBegin(ctx, log, below); err != nil {
		return 0, logError(err)
	}
	if below <= 0 {
		return 0, nil
	}
	e := v.event(t, s, c, accessctl.ActionAudit)
	e.Code, e.Subject = trail.CodePruned, []audit.Attr{{Key: trail.AttrBelow, Value: strconv.FormatInt(below, 10)}}
	if err := v.record(ctx, t, e); err != nil {
		return 0, err
	}
	for total := 0; ; {
		n := 0
		err := v.store.Update(ctx, func(tx Tx) (err error) {
			n, err = tx.Prune(ctx, t.row.ID, below, pruneBatch)
			return err
		})
		if err != nil {
			return 0, fmt.Errorf("pruning the log: %w", err)
		}
		if total += n; progress != nil {
			progress(total)
		}
		if n == 0 {
			return below, nil
		}
	}
}

// codeReindexed is what the event of [Vault.ReindexLog] says.
const codeReindexed = "reindexed"

// ReindexLog makes anew what the store finds events by person with, where that is in
// tables of its own, and then says so in an event. It needs the action audit, as an
// operator at the machine, and on PostgreSQL the rights of the tables' owner. ErrIntegrity
// if the log has other leaves than its newest checkpoint. progress is told how many events
// are covered again. It may be repeated.
func (v *Vault) ReindexLog(ctx context.Context, c accessctl.Caller, progress func(done, total int64)) error {
	t, s, _, err := v.openLog(ctx, c)
	if err != nil {
		return err
	}
	if !isLocal(c) {
		return v.denied(ctx, t, s, c, accessctl.ActionAudit)
	}
	err = v.store.Update(ctx, func(tx Tx) error { return tx.Refile(ctx, t.row.ID, progress) })
	if err != nil {
		return fmt.Errorf("indexing the log anew: %w", err)
	}
	e := v.event(t, s, c, accessctl.ActionAudit)
	e.Code = codeReindexed
	if err := v.record(ctx, t, e); err != nil {
		return fmt.Errorf("the log is indexed anew, but no event says so: %w", err)
	}
	return nil
}

// rowBegin is the index of the first event of the row that holds the one of an index, or
// the index itself if there is none.
func rowBegin(ctx context.Context, log trail.Log, index int64) (int64, error) {
	list, err := log.Range(ctx, index, index+1)
	if err != nil || len(list) == 0 {
		return index, err
	}
	return index - max(0, int64(list[0].Part)), nil
}

// firstSince is the index of the first event of a time or later; the size of the log if
// there is none.
func firstSince(ctx context.Context, log trail.Log, since time.Time) (int64, error) {
	c, _, err := log.Current(ctx)
	if errors.Is(err, trail.ErrNone) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	list, err := log.Find(ctx, trail.Find{From: since, Limit: 1})
	if err != nil || len(list) == 0 {
		return c.Size, err
	}
	return list[0].Index, nil
}
