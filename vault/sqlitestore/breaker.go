package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault"
)

func (t *tx) LockTally(ctx context.Context, tenant int32, key []byte, since time.Time) (vault.Tally, error) {
	_, err := t.exec(ctx, `
		INSERT INTO tally (tenant, key, since, count) VALUES (?1, ?2, ?3, 0)
		ON CONFLICT (tenant, key) DO NOTHING`, tenant, blob(key), since.UnixMicro())
	if err != nil {
		return vault.Tally{}, fmt.Errorf("making a tally: %w", err)
	}
	v, err := one(ctx, t, `SELECT tenant, key, since, count FROM tally WHERE tenant = ?1 AND key = ?2`,
		func(r *sql.Rows) (v vault.Tally, err error) {
			err = r.Scan(&v.Tenant, &v.Key, timeColumn{&v.Since}, &v.Count)
			return v, err
		}, tenant, blob(key))
	if err != nil {
		return vault.Tally{}, fmt.Errorf("reading a tally: %w", err)
	}
	return v, nil
}

func (t *tx) PutTally(ctx context.Context, v vault.Tally) error {
	n, err := t.exec(ctx, `UPDATE tally SET since = ?3, count = ?4 WHERE tenant = ?1 AND key = ?2`,
		v.Tenant, blob(v.Key), v.Since.UnixMicro(), v.Count)
	if err != nil {
		return fmt.Errorf("storing a tally: %w", err)
	}
	if n != 1 {
		return vault.ErrNoRow
	}
	return nil
}

func (t *tx) CountLive(ctx context.Context, tenant int32) (int64, error) {
	n, err := t.number(ctx, `SELECT count(*) FROM subject WHERE tenant = ?1 AND state = 1`, tenant)
	if err != nil {
		return 0, fmt.Errorf("counting the living: %w", err)
	}
	return n, nil
}

const approvalColumns = `id, tenant, kind, digest, body, actor, asker, decider, count, state, created, expires, decided`

func scanApproval(r *sql.Rows) (a vault.Approval, err error) {
	err = r.Scan(uidColumn{&a.ID}, &a.Tenant, &a.Kind, &a.Digest, &a.Body, &a.By, &a.Asker, &a.Decider, &a.Count, &a.State,
		timeColumn{&a.Created}, timeColumn{&a.Expires}, timeColumn{&a.Decided})
	return a, err
}

func (t *tx) InsertApproval(ctx context.Context, a vault.Approval) (vault.Approval, bool, error) {
	if err := t.usable(true); err != nil {
		return vault.Approval{}, false, err
	}
	if err := t.text(a.Kind, a.By, a.Decider); err != nil {
		return vault.Approval{}, false, err
	}
	standing, err := one(ctx, t, `
		SELECT `+approvalColumns+` FROM approval
		WHERE tenant = ?1 AND kind = ?2 AND asker = ?3 AND digest = ?4 AND state IN (1, 2) AND expires > ?5
		ORDER BY created DESC, id DESC LIMIT 1`,
		scanApproval, a.Tenant, a.Kind, blob(a.Asker), blob(a.Digest), a.Created.UnixMicro())
	if err == nil {
		return standing, false, nil
	}
	if !errors.Is(err, vault.ErrNoRow) {
		return vault.Approval{}, false, fmt.Errorf("looking for an approval: %w", err)
	}
	_, err = t.exec(ctx, `
		INSERT INTO approval (id, tenant, kind, digest, body, actor, asker, decider, count, state, created, expires, decided)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)`,
		a.ID[:], a.Tenant, a.Kind, blob(a.Digest), a.Body, a.By, blob(a.Asker), a.Decider, a.Count, a.State,
		a.Created.UnixMicro(), a.Expires.UnixMicro(), micros(a.Decided))
	if err != nil {
		return vault.Approval{}, false, fmt.Errorf("storing an approval: %w", err)
	}
	return a, true, nil
}

func (t *tx) Approval(ctx context.Context, tenant int32, id uuid.UUID, lock vault.Lock) (vault.Approval, error) {
	// The one writer holds every lock already.
	if err := t.usable(lock != vault.NoLock); err != nil {
		return vault.Approval{}, err
	}
	a, err := one(ctx, t, `SELECT `+approvalColumns+` FROM approval WHERE tenant = ?1 AND id = ?2`, scanApproval, tenant, id[:])
	switch {
	case errors.Is(err, vault.ErrNoRow):
		return a, err
	case err != nil:
		return a, fmt.Errorf("reading an approval: %w", err)
	}
	return a, nil
}

func (t *tx) UpdateApproval(ctx context.Context, a vault.Approval) error {
	if err := t.text(a.Decider); err != nil {
		return err
	}
	n, err := t.exec(ctx, `
		UPDATE approval SET body = ?3, decider = ?4, state = ?5, decided = ?6 WHERE tenant = ?1 AND id = ?2`,
		a.Tenant, a.ID[:], a.Body, a.Decider, a.State, micros(a.Decided))
	if err != nil {
		return fmt.Errorf("changing an approval: %w", err)
	}
	if n != 1 {
		return vault.ErrNoRow
	}
	return nil
}

func (t *tx) Approvals(ctx context.Context, tenant int32, limit int) ([]vault.Approval, error) {
	out, err := list(ctx, t, `
		SELECT `+approvalColumns+` FROM approval WHERE tenant = ?1
		ORDER BY created DESC, id DESC LIMIT ?2`, scanApproval, tenant, atMost(limit))
	if err != nil {
		return nil, fmt.Errorf("listing approvals: %w", err)
	}
	return out, nil
}
