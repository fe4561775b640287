package vault

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/vault/erasure"
)

// An ApprovalError says that a second, different person has to agree before what
// was asked is done. Once they have, asking again, exactly the same, does it.
type ApprovalError struct {
	ID      uuid.UUID // of the approval
	Kind    string    // "erasure", "deletion", "reading"
	Why     string    // in words
	Expires time.Time // after that it must be asked for anew
}

// Error says what to do.
func (e *ApprovalError) Error() string {
	return e.Why + ": a second person must approve " + e.ID.String()
}

// The kinds of what waits for a second person.
const (
	kindErasure  = "erasure"
	kindDeletion = "deletion"
)

// codeApproval: a second person has to agree.
const codeApproval = "approval"

// maxDeletions is how many records one principal may delete within the breaker's
// window without a second person, if the configuration does not say.
const maxDeletions = 1000

// breaking is what one request asks of the breaker.
type breaking struct {
	kind   string
	count  int64
	digest []byte // of exactly what was asked
	live   int64  // people of the tenant, lately
	// passed: the breaker has agreed already, for a list of which this is a part.
	passed   bool
	approver string
}

// errBreak rolls back what needs a second person.
var errBreak = errors.New("a second person has to agree")

// asker names who asks, in a tally or an approval.
func (t *tenant) asker(kind string, p accessctl.Principal) []byte {
	sum := t.mac.Sum("asker", []byte(kind), principalOf(p))
	return sum[:]
}

// digest binds an approval to the people and groups that were asked for.
func (er *erasing) digest(subjects []string) []byte {
	lookups := make([][]byte, len(subjects))
	for i, s := range subjects {
		lookups[i] = er.t.hash(s)
	}
	sum := er.t.mac.Sum("approval", erasure.Digest(kindErasure, er.t.row.Name, lookups, er.groups))
	return sum[:]
}

// permit asks the breaker, in the transaction that erases. It returns who approved,
// "" where nobody had to.
func (er *erasing) permit(ctx context.Context, tx Tx) (approver string, err error) {
	return er.v.permitBreak(ctx, tx, er.c, er.t, &er.breaks)
}

// permitBreak counts what is about to be destroyed, and lets it pass if it is
// little, or if a second person agreed to exactly this. Else errBreak.
func (v *Vault) permitBreak(ctx context.Context, tx Tx, c accessctl.Caller, t *tenant, b *breaking) (approver string, err error) {
	if b.passed || c.Person != "" {
		return b.approver, nil // people do with their own data as they please
	}
	now, limits := v.now(), v.limitsOf(b.kind)
	mine, err := tx.LockTally(ctx, t.row.ID, t.asker(b.kind, c.Principal), now)
	if err != nil {
		return "", fmt.Errorf("counting: %w", err)
	}
	rows := []*Tally{&mine}
	var all Tally
	if limits.PerMille >= 0 { // one row for the whole tenant: taken only where it counts
		if all, err = tx.LockTally(ctx, t.row.ID, make([]byte, 32), now); err != nil {
			return "", fmt.Errorf("counting: %w", err)
		}
		rows = append(rows, &all)
	}
	verdict := erasure.Allow(limits, counted(&mine), counted(&all), b.live, b.count, now)
	if !verdict.Allowed {
		return v.useApproval(ctx, tx, c, t, b)
	}
	for _, row := range rows {
		next := counted(row).In(limits, now)
		row.Since, row.Count = next.Since, next.Count+b.count
		if err := tx.PutTally(ctx, *row); err != nil {
			return "", fmt.Errorf("counting: %w", err)
		}
	}
	return "", nil
}

func counted(t *Tally) erasure.Tally { return erasure.Tally{Since: t.Since, Count: t.Count} }

func (v *Vault) limitsOf(kind string) erasure.Limits {
	l := v.limits
	if kind == kindDeletion {
		l.PerWindow, l.PerMille = v.deletions, -1
		if l.PerWindow == 0 {
			l.PerWindow = maxDeletions
		}
	}
	return l
}

// useApproval spends the approval for exactly this, if a second person gave it.
func (v *Vault) useApproval(ctx context.Context, tx Tx, c accessctl.Caller, t *tenant, b *breaking) (approver string, err error) {
	stands, inserted, err := tx.InsertApproval(ctx, v.approval(c, t, b))
	if err != nil {
		return "", fmt.Errorf("looking for an approval: %w", err)
	}
	if inserted || stands.State != ApprovalApproved {
		return "", errBreak
	}
	a, err := tx.Approval(ctx, t.row.ID, stands.ID, ExclusiveLock)
	if err != nil {
		return "", fmt.Errorf("reading an approval: %w", err)
	}
	if a.State != ApprovalApproved || !bytes.Equal(a.Body, t.sealOf(&a)) {
		return "", errBreak
	}
	if b.count > 1 {
		return a.Decider, nil // for a list, which may be gone on with until it expires
	}
	a.State = ApprovalDone
	a.Body = t.sealOf(&a)
	return a.Decider, tx.UpdateApproval(ctx, a)
}

// approval is what is asked of a second person.
func (v *Vault) approval(c accessctl.Caller, t *tenant, b *breaking) Approval {
	now := v.now()
	a := Approval{
		ID: v.newID(), Tenant: t.row.ID, Kind: b.kind, Digest: b.digest, By: c.Actor(), Asker: t.asker("approval", c.Principal),
		Count: int32(b.count), State: ApprovalPending, Created: now, Expires: now.Add(erasure.ApprovalLife), //nolint:gosec // lists are bounded
	}
	a.Body = t.sealOf(&a)
	return a
}

// sealOf is a MAC over an approval, so that SQL cannot agree in anybody's place.
func (t *tenant) sealOf(a *Approval) []byte {
	sum := t.mac.Sum("approval row", a.ID[:], []byte(a.Kind), a.Digest, a.Asker, []byte(a.Decider),
		[]byte(strconv.Itoa(int(a.State))), []byte(a.Expires.UTC().Format(time.RFC3339Nano)), []byte(a.Decided.UTC().Format(time.RFC3339Nano)))
	return sum[:]
}

// ask records that something waits for a second person, and says so.
func (v *Vault) ask(ctx context.Context, c accessctl.Caller, t *tenant, e audit.Event, b *breaking) error {
	var stands Approval
	err := v.store.Update(ctx, func(tx Tx) (err error) {
		stands, _, err = tx.InsertApproval(ctx, v.approval(c, t, b))
		if err != nil {
			return fmt.Errorf("asking for an approval: %w", err)
		}
		e.Outcome, e.Code = audit.Denied, codeApproval
		e.Subject = []audit.Attr{{Key: "approval", Value: stands.ID.String()}}
		return v.append(ctx, tx, t, e)
	})
	if err != nil {
		return err
	}
	return &ApprovalError{ID: stands.ID, Kind: b.kind, Why: "This destroys more than one person may alone", Expires: stands.Expires}
}

// liveFor is how long the number of a tenant's people is taken to be what it was.
const liveFor = time.Minute

// livePeople is about how many people the tenant has: counting a large directory
// takes too long for each erasure.
func (v *Vault) livePeople(ctx context.Context, t *tenant) (int64, error) {
	if c := t.live.Load(); c != nil {
		if age := v.now().Sub(c.at); age >= 0 && age < liveFor {
			return c.n, nil
		}
	}
	var n int64
	err := v.store.View(ctx, func(tx Tx) (err error) {
		n, err = tx.CountLive(ctx, t.row.ID)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("counting people: %w", err)
	}
	t.live.Store(&liveCount{n: n, at: v.now()})
	return n, nil
}

// A liveCount is how many people lived at an instant.
type liveCount struct {
	n  int64
	at time.Time
}
