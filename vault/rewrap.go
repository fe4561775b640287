package vault

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/crypto/keyring"
	"github.com/fieldvault/fieldvault/vault/failpoint"
)

// The phases of a rewrap. Own and people are a pass, which is repeated until it
// finds nothing; raise stands between two passes.
const (
	rewrapOwn    = "own"    // the tenant's own keys; they tell which version is the latest
	rewrapPeople = "people" // data keys, by person
	rewrapRaise  = "raise"  // let the database refuse older wraps; wait for those that did not know
)

// A rewrapCursor is where a rewrap stands. It may be lost, and all begins again:
// what was moved stays moved.
type rewrapCursor struct {
	Phase  string    `json:"phase"`
	Target int32     `json:"target"` // the version to which this pass moves
	UID    uuid.UUID `json:"uid"`    // the last person of the pass
	Hand   uuid.UUID `json:"hand"`   // what the last step had read and left for the next one, if this is the same process
	Raised int32     `json:"raised"` // the epoch was raised to this
	Moved  int64     `json:"moved"`  // keys that this pass moved
	Stuck  int64     `json:"stuck"`  // keys of this pass that do not open
	Idle   int       `json:"idle"`   // passes in a row that found nothing though keys were left
}

// rewrapIdle is how many passes may find nothing though keys are left: they were stored
// behind the pass. What no pass finds after that is under no version that its row says.
const rewrapIdle = 3

// RewrapStep does one step of a job of the kind JobRewrap, a short one while requests
// are under way ([Config.Busy]): at the end, every
// wrapped key of the tenant stands under the latest version of the key-encryption
// key, and the database takes no wrap below it. It returns j with new Cursor, Done,
// Total and Note. A step may be repeated, broken off at any point, or run twice at
// once.
//
//	pass:  rewrap the tenant's own keys, which tells the latest version;
//	       rewrap data keys below it, by person; again if any is left
//	raise: raise the epoch, so that no transaction that begins from now on stores
//	       a wrap below; wait for all that began before
//	pass:  once more, for what those stored. Done when none is below, and no
//	       further version was added meanwhile.
//
// Rows are only ever updated where they still are what was read: a person erased
// meanwhile stays erased. With Vault, no key enters this process. The error is
// ErrIntegrity when keys are left that do not open, after all others were moved:
// trying again does not help before they are repaired or their people erased. Every
// other error may pass.
func (v *Vault) RewrapStep(ctx context.Context, j Job) (next Job, done bool, err error) {
	cur := rewrapCursor{Phase: rewrapOwn}
	if len(j.Cursor) > 0 {
		if err := json.Unmarshal(j.Cursor, &cur); err != nil {
			return j, false, fmt.Errorf("reading where a rewrap stands: %w", ErrIntegrity)
		}
	}
	k, err := v.kekOf(ctx, j.Tenant)
	if err != nil {
		return j, false, err
	}
	switch cur.Phase {
	case rewrapOwn:
		err = v.rewrapFirst(ctx, k, &cur, &j)
	case rewrapPeople:
		done, err = v.rewrapPeople(ctx, k, &cur, &j)
	case rewrapRaise:
		err = v.raise(ctx, k, &cur, &j)
	default:
		err = fmt.Errorf("reading where a rewrap stands: %w", ErrIntegrity)
	}
	if err != nil {
		return j, false, err
	}
	if j.Cursor, err = json.Marshal(cur); err != nil {
		return j, false, fmt.Errorf("writing where a rewrap stands: %w", err)
	}
	j.Total = max(j.Total, j.Done)
	return j, done, nil
}

// kekOf is the key-encryption key of a tenant, which need not be open here.
func (v *Vault) kekOf(ctx context.Context, tenant int32) (kek, error) {
	if tenant == SystemTenant {
		return kek{SystemTenant, keyring.System}, nil
	}
	var rows []Tenant
	err := v.store.View(ctx, func(tx Tx) (err error) {
		rows, err = tx.Tenants(ctx)
		return err
	})
	if err != nil {
		return kek{}, fmt.Errorf("reading tenants: %w", err)
	}
	for _, r := range rows {
		if r.ID == tenant {
			return kek{r.ID, r.Name}, nil
		}
	}
	return kek{}, fmt.Errorf("finding the tenant of a rewrap: %w", ErrIntegrity)
}

// rewrapFirst begins a pass.
func (v *Vault) rewrapFirst(ctx context.Context, k kek, cur *rewrapCursor, j *Job) error {
	target, moved, stuck, err := v.rewrapOwn(ctx, k)
	if err != nil {
		return err
	}
	if j.Total == 0 {
		if j.Total, err = v.countBelow(ctx, k, target); err != nil {
			return err
		}
		j.Total += moved
	}
	j.Done += moved
	j.Note = "moving keys to version " + fmt.Sprint(target)
	*cur = rewrapCursor{Phase: rewrapPeople, Target: target, Raised: cur.Raised, Moved: moved, Stuck: stuck, Idle: cur.Idle}
	return nil
}

// rewrapOwn moves the tenant's own keys, and says to which version: the latest
// there is.
func (v *Vault) rewrapOwn(ctx context.Context, k kek) (target int32, moved, stuck int64, err error) {
	keys, err := tenantKeys(ctx, v.store, k.row)
	if err != nil {
		return 0, 0, 0, fmt.Errorf("reading keys of the tenant: %w", err)
	}
	labels, wrapped := make([]string, len(keys)), make([]keyring.Wrapped, len(keys))
	for i := range keys {
		labels[i], wrapped[i] = keys[i].Label, keyring.Wrapped{Version: int(keys[i].KEKVersion), Bytes: keys[i].Wrapped}
	}
	out, errs, err := v.ring.RewrapSecrets(ctx, k.name, labels, wrapped)
	if err != nil {
		return 0, 0, 0, unavailable(err)
	}
	next := make([]TenantKey, 0, len(keys))
	was := make([]int32, 0, len(keys))
	for i := range keys {
		if errs != nil && errs[i] != nil {
			stuck++
			continue
		}
		version := int32(out[i].Version) //nolint:gosec // ParseWrapped has bounded it
		target = max(target, version)
		if version > keys[i].KEKVersion {
			next = append(next, TenantKey{Label: labels[i], KEKVersion: version, Wrapped: out[i].Bytes})
			was = append(was, keys[i].KEKVersion)
		}
	}
	if target == 0 {
		return 0, 0, 0, fmt.Errorf("no key of the tenant itself opens: %w", ErrIntegrity)
	}
	failpoint.Hit("rewrap-own-wrapped")
	err = v.store.Update(ctx, func(tx Tx) error {
		moved = 0
		for i := range next {
			ok, err := tx.RewrapTenantKey(ctx, k.row, was[i], next[i])
			if err != nil {
				return err
			}
			if ok {
				moved++
			}
		}
		return nil
	})
	if err != nil {
		return 0, 0, 0, fmt.Errorf("storing keys of the tenant: %w", err)
	}
	return target, moved, stuck, nil
}

// endPass says how to go on after a pass.
func (v *Vault) endPass(ctx context.Context, k kek, cur *rewrapCursor, j *Job) (done bool, err error) {
	left, err := v.countBelow(ctx, k, cur.Target)
	idle := 0
	if cur.Moved == 0 {
		idle = cur.Idle + 1
	}
	switch {
	case err != nil:
		return false, err
	case left > 0 && cur.Stuck > 0:
		return false, fmt.Errorf("%d keys do not open and could not be moved: %w", cur.Stuck, ErrIntegrity)
	case left > 0 && idle >= rewrapIdle:
		return false, fmt.Errorf("%d keys are left that no pass finds: their rows were changed: %w", left, ErrIntegrity)
	case left > 0:
		*cur = rewrapCursor{Phase: rewrapOwn, Raised: cur.Raised, Idle: idle}
		return false, nil
	case cur.Raised < cur.Target:
		cur.Phase = rewrapRaise
		j.Note = "waiting for earlier transactions to end"
		return false, nil
	}
	latest, _, _, err := v.rewrapOwn(ctx, k)
	if err != nil {
		return false, err
	}
	if latest > cur.Target { // rotated meanwhile
		*cur = rewrapCursor{Phase: rewrapOwn, Raised: cur.Raised}
		return false, nil
	}
	j.Note = fmt.Sprintf("everything is under version %d", cur.Target)
	return true, nil
}

// raise lets the database refuse wraps below the target, and waits until every
// transaction that began before has ended.
func (v *Vault) raise(ctx context.Context, k kek, cur *rewrapCursor, j *Job) error {
	err := v.store.Update(ctx, func(tx Tx) error { return tx.RaiseKEKEpoch(ctx, k.row, cur.Target) })
	if err != nil {
		return fmt.Errorf("raising the epoch of a key-encryption key: %w", err)
	}
	failpoint.Hit("rewrap-raised")
	if err := v.settle(ctx); err != nil {
		return err
	}
	*cur = rewrapCursor{Phase: rewrapOwn, Raised: cur.Target}
	j.Note = "looking for what was stored meanwhile"
	return nil
}

func (v *Vault) keysBelow(ctx context.Context, k kek, target int32, after uuid.UUID, limit int) (page []PlacedKey, err error) {
	err = v.store.View(ctx, func(tx Tx) error {
		page, err = tx.KeysBelow(ctx, k.row, target, after, limit)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listing keys under earlier versions: %w", err)
	}
	return page, nil
}

// countBelow counts the wrapped keys under versions below target.
func (v *Vault) countBelow(ctx context.Context, k kek, target int32) (n int64, err error) {
	var people, own map[int32]int64
	err = v.store.View(ctx, func(tx Tx) error {
		people, own, err = tx.CountKeys(ctx, k.row)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("counting keys: %w", err)
	}
	for _, m := range []map[int32]int64{people, own} {
		for version, count := range m {
			if version < target {
				n += count
			}
		}
	}
	return n, nil
}
