package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault"
)

// workID names something that a stage has, or that a write makes of it.
func workID(s vault.Subject, name string) uuid.UUID {
	return uuid.UUID(hash(s.UID.String() + name)[:16])
}

// stagedErasure, stagedApproval and stagedJob are what a stage has. The job has
// been taken once, and its lease has ended.
func stagedErasure(s vault.Subject) vault.Erasure {
	e := erasureOf(s.Tenant, s.Lookup, 1)
	e.ID = workID(s, "erasure")
	return e
}

func stagedApproval(s vault.Subject) vault.Approval {
	a := approvalOf(s.Tenant, "staged", 1)
	a.ID = workID(s, "approval")
	return a
}

func stagedKind(s vault.Subject) string { return fmt.Sprint("staged-", s.Tenant) }

// stagedKey is the label of a key that may be deleted.
const stagedKey = "index/1/1/1"

func stagedJob(s vault.Subject) vault.Job {
	j := jobOf(s.Tenant, stagedKind(s), 1)
	j.ID, j.State, j.Fence, j.Lease = workID(s, "job"), vault.JobRunning, 1, instant(2)
	return j
}

// stageWork stores rows for the work around a person in every table of it.
func (w *world) stageWork(s vault.Subject) {
	w.Helper()
	w.update(func(ctx context.Context, tx vault.Tx) error {
		ended := stagedJob(s)
		ended.ID, ended.Kind, ended.State = workID(s, "ended"), "ended", vault.JobDone
		for _, j := range []vault.Job{stagedJob(s), ended} {
			if err := insertedJob(tx.InsertJob(ctx, j)); err != nil {
				return err
			}
		}
		if _, _, err := tx.InsertApproval(ctx, stagedApproval(s)); err != nil {
			return err
		}
		if err := tx.InsertErasure(ctx, stagedErasure(s)); err != nil {
			return err
		}
		if err := tx.InsertOutbox(ctx, vault.OutboxEntry{ID: workID(s, "outbox"), Body: []byte("entry")}); err != nil {
			return err
		}
		if err := tx.PutRequestLog(ctx, requestLogOf(s.Tenant, workID(s, "request"), 1)); err != nil {
			return err
		}
		if _, err := tx.LockTally(ctx, s.Tenant, hash("staged"), instant(1)); err != nil {
			return err
		}
		if err := insert(tx.InsertBudget(ctx, budgetOf(s.Tenant, 1, "staged", 1))); err != nil {
			return err
		}
		if err := insert(tx.InsertReleaseTurn(ctx, turnOf(s.Tenant, 1, "staged", 1))); err != nil {
			return err
		}
		if err := tx.NoteKey(ctx, s.Tenant, vault.KeyLife{Key: "staged", Version: 1, Uses: 1, Destroyed: instant(1)}); err != nil {
			return err
		}
		return insert(tx.InsertTenantKey(ctx, s.Tenant, vault.TenantKey{Label: stagedKey, KEKVersion: 1, Wrapped: []byte("w")}))
	})
}

func insertedJob(_ vault.Job, inserted bool, err error) error { return insert(inserted, err) }

// workWrites are the writing methods of the work around people.
func workWrites() []write {
	return slices.Concat(erasureWrites(), tokenWrites(), budgetWrites(), turnWrites(), jobWrites(), rewrapWrites())
}

func erasureWrites() []write {
	return []write{
		{"InsertOutbox", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			return tx.InsertOutbox(ctx, vault.OutboxEntry{ID: workID(s, "new"), Body: []byte("new")})
		}},
		{"DeleteOutbox", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			return tx.DeleteOutbox(ctx, []uuid.UUID{workID(s, "outbox")})
		}},
		{"RaiseLedgerPosition", func(ctx context.Context, tx vault.Tx, _ vault.Subject) error {
			n, err := tx.LedgerPosition(ctx)
			if err != nil {
				return err
			}
			return tx.RaiseLedgerPosition(ctx, n+1)
		}},
		{"InsertErasure", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			e := erasureOf(s.Tenant, s.Lookup, 2)
			e.ID = workID(s, "new")
			return tx.InsertErasure(ctx, e)
		}},
		{"PutShred", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			return tx.PutShred(ctx, vault.Shred{Tenant: s.Tenant, UID: s.UID, Group: 2, Epoch: 9})
		}},
		{"DeleteShred", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			return tx.DeleteShred(ctx, fillShreds(s.Tenant, s.UID)[0])
		}},
		{"PutReseal", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			return tx.PutReseal(ctx, vault.Reseal{Tenant: s.Tenant, UID: s.UID, Group: 2, Version: 9})
		}},
		{"DeleteReseal", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			return tx.DeleteReseal(ctx, fillReseal(s.Tenant, s.UID))
		}},
		{"PutHoney", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			h := fillHoney(s.Tenant, s.UID)
			h.MAC = hash("new")
			return tx.PutHoney(ctx, h)
		}},
		{"DeleteHoney", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			return tx.DeleteHoney(ctx, s.Tenant, s.UID)
		}},
		{"PutRequest", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			r := fillRequest(s.Tenant, s.UID)
			r.Body = []byte("new")
			return tx.PutRequest(ctx, r)
		}},
		{"PutRequestLog", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			return tx.PutRequestLog(ctx, requestLogOf(s.Tenant, workID(s, "new"), 1))
		}},
		{"RequestLog with ExclusiveLock", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			_, err := tx.RequestLog(ctx, s.Tenant, workID(s, "request"), vault.ExclusiveLock)
			return err
		}},
		{"DropRequest", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			return tx.DropRequest(ctx, s.Tenant, workID(s, "request"))
		}},
		{"LockTally", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			_, err := tx.LockTally(ctx, s.Tenant, hash("new"), instant(7))
			return err
		}},
		{"PutTally", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			return tx.PutTally(ctx, vault.Tally{Tenant: s.Tenant, Key: hash("staged"), Since: instant(1), Count: 3})
		}},
		{"InsertApproval", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			_, _, err := tx.InsertApproval(ctx, approvalOf(s.Tenant, "new", 1))
			return err
		}},
		{"Approval with ShareLock", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			_, err := tx.Approval(ctx, s.Tenant, workID(s, "approval"), vault.ShareLock)
			return err
		}},
		{"Approval with ExclusiveLock", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			_, err := tx.Approval(ctx, s.Tenant, workID(s, "approval"), vault.ExclusiveLock)
			return err
		}},
		{"UpdateApproval", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			a := stagedApproval(s)
			a.State, a.Decider, a.Decided = vault.ApprovalRefused, "decider", instant(2)
			return tx.UpdateApproval(ctx, a)
		}},
	}
}

func jobWrites() []write {
	return []write{
		{"InsertJob", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			return insertedJob(tx.InsertJob(ctx, jobOf(s.Tenant, "new", 1)))
		}},
		{"TakeJob", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			_, err := tx.TakeJob(ctx, []string{stagedKind(s)}, "node", instant(1000), instant(1001))
			return err
		}},
		{"SaveJob", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			j := stagedJob(s)
			j.Note = "new"
			return tx.SaveJob(ctx, j)
		}},
		{"DropJobs", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			_, err := tx.DropJobs(ctx, s.Tenant, "ended", instant(1000))
			return err
		}},
		{"InsertTicket", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			return tx.InsertTicket(ctx, vault.Ticket{Tenant: s.Tenant, UID: s.UID, ID: workID(s, "ticket"), Expires: instant(9)})
		}},
		{"SpendTicket", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			_, err := tx.SpendTicket(ctx, s.Tenant, s.UID, s.UID)
			return err
		}},
		{"DropTickets", func(ctx context.Context, tx vault.Tx, _ vault.Subject) error {
			_, err := tx.DropTickets(ctx, instant(1000), 1000)
			return err
		}},
		{"DeleteJobs", func(ctx context.Context, tx vault.Tx, _ vault.Subject) error {
			_, err := tx.DeleteJobs(ctx, instant(1000), 1000)
			return err
		}},
	}
}

func rewrapWrites() []write {
	return []write{
		{"RewrapKeys", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			_, err := tx.RewrapKeys(ctx, s.Tenant, []vault.Rewrapped{rewrapped(s.UID, dataKey(1, 1))})
			return err
		}},
		{"ReplaceKey", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			next := dataKey(2, 1)
			next.Version = 2
			return tx.ReplaceKey(ctx, s.Tenant, s.UID, dataKey(2, 1), next)
		}},
		{"RewrapTenantKey", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			return insert(tx.RewrapTenantKey(ctx, s.Tenant, 1, vault.TenantKey{Label: stagedKey, KEKVersion: 2, Wrapped: []byte("new")}))
		}},
		{"DeleteTenantKey", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			return insert(tx.DeleteTenantKey(ctx, s.Tenant, stagedKey))
		}},
		{"NoteKey", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			return tx.NoteKey(ctx, s.Tenant, vault.KeyLife{Key: "staged", Version: 1, Uses: 1})
		}},
		{"ReviveKeys", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			return tx.ReviveKeys(ctx, s.Tenant, "staged", 1, instant(2))
		}},
		{"RaiseKEKEpoch", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			return tx.RaiseKEKEpoch(ctx, s.Tenant, 2)
		}},
	}
}

// A workDump is what can be read of the work around a person.
type workDump struct {
	Outbox    []vault.OutboxEntry
	Position  int64
	Last      vault.Erasure
	Shreds    []vault.Shred
	Reseals   []vault.Reseal
	Honey     []vault.Honey
	Tickets   [2]bool // the one that was staged, and the one that is stored
	Tokens    []vault.TokenRow
	Requests  []vault.RequestRow
	Logs      []vault.RequestLog
	Tallies   []vault.Tally
	Budgets   []vault.BudgetRow
	Turns     []vault.ReleaseTurn
	Approvals []vault.Approval
	Jobs      []vault.Job
	Lives     []vault.KeyLife
}

// dumpWork reads it. Tallies can be read only by locking them, so that is undone.
func (w *world) dumpWork(s vault.Subject) (d workDump) {
	w.Helper()
	d.Outbox, d.Position, d.Shreds = w.outbox(1000), w.ledgerPosition(), w.shredsOf(s.Tenant, s.UID)
	d.Reseals = w.resealsOf(s.Tenant, vault.KeyPlace{}, 1000)
	d.Honey = w.honeyOf(s.Tenant, s.UID)
	for i, id := range []uuid.UUID{s.UID, workID(s, "ticket")} {
		d.Tickets[i] = w.hasTicket(vault.Ticket{Tenant: s.Tenant, UID: s.UID, ID: id})
	}
	d.Tokens = w.tokensOf(s.Tenant, s.UID)
	d.Requests, d.Logs = w.requestsOf(s.Tenant, s.UID), w.requestLogs(vault.RequestLogQuery{Tenant: s.Tenant, Limit: 100})
	d.Approvals, d.Jobs = w.approvals(s.Tenant, 100), w.jobs(s.Tenant, 100)
	d.Lives = w.lives(s.Tenant)
	d.Budgets, d.Turns = w.budgets(s.Tenant), w.turns(s.Tenant)
	last, err := w.lastErasure(stagedErasure(s))
	w.is("LastErasure", err, nil)
	d.Last = last
	undo := errors.New("undo")
	err = w.try(func(ctx context.Context, tx vault.Tx) error {
		d.Tallies = nil
		for _, key := range []string{"staged", "new"} {
			t, err := tx.LockTally(ctx, s.Tenant, hash(key), instant(0))
			if err != nil {
				return err
			}
			d.Tallies = append(d.Tallies, t)
		}
		return undo
	})
	w.is("reading tallies", err, undo)
	return d
}
