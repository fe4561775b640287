package storetest

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault"
)

// jobOf is a queued job, made n hours after a fixed time.
func jobOf(tenant int32, kind string, n int) vault.Job {
	return vault.Job{
		ID: newUID(), Tenant: tenant, Kind: kind, State: vault.JobQueued, Params: []byte(`{"to":2}`),
		By: "https://issuer.example.org#e\u0301 ", Created: instant(n), Updated: instant(n),
	}
}

// enqueue stores a job or returns the one that stands.
func (w *world) enqueue(j vault.Job) (standing vault.Job, inserted bool) {
	w.Helper()
	w.update(func(ctx context.Context, tx vault.Tx) (err error) {
		standing, inserted, err = tx.InsertJob(ctx, j)
		return err
	})
	return standing, inserted
}

// enqueued stores a job that must be new.
func (w *world) enqueued(j vault.Job) vault.Job {
	w.Helper()
	got, inserted := w.enqueue(j)
	if !inserted {
		w.Error("InsertJob of a new one said that one stands")
	}
	w.equal("InsertJob", got, j)
	return j
}

func (w *world) job(tenant int32, id uuid.UUID) (j vault.Job, err error) {
	err = w.s.View(w.Context(), func(tx vault.Tx) (err error) {
		j, err = tx.Job(w.Context(), tenant, id)
		return err
	})
	return j, err
}

func (w *world) jobs(tenant int32, limit int) (out []vault.Job) {
	w.Helper()
	w.view(func(ctx context.Context, tx vault.Tx) (err error) {
		out, err = tx.Jobs(ctx, tenant, limit)
		return err
	})
	return out
}

// take takes a job of the kinds at a time, for an hour.
func (w *world) take(owner string, now time.Time, kinds ...string) (j vault.Job, err error) {
	err = w.try(func(ctx context.Context, tx vault.Tx) (err error) {
		j, err = tx.TakeJob(ctx, kinds, owner, now, now.Add(time.Hour))
		return err
	})
	return j, err
}

// taken takes a job that must be there.
func (w *world) taken(owner string, now time.Time, kinds ...string) vault.Job {
	w.Helper()
	j, err := w.take(owner, now, kinds...)
	w.is("TakeJob", err, nil)
	return j
}

func (w *world) save(j vault.Job) error {
	return w.try(func(ctx context.Context, tx vault.Tx) error { return tx.SaveJob(ctx, j) })
}

func jobs(w *world) {
	w.run("RoundTrip", jobRoundTrip)
	w.run("One", oneJob)
	w.run("Take", takeJobs)
	w.run("Lease", jobLease)
	w.run("Save", saveJob)
	w.run("Delete", deleteJobs)
	w.run("Drop", dropJobs)
}

func jobRoundTrip(w *world) {
	tenant, other := w.tenant(), w.tenant()
	w.equal("a new tenant", w.jobs(tenant, 10), []vault.Job{})
	full := vault.Job{
		ID: newUID(), Tenant: tenant, Kind: "full", State: vault.JobFailed, Params: allBytes(1), Cursor: allBytes(2),
		Done: math.MaxInt64 - 1, Total: math.MaxInt64, Note: "in words", By: "by", Owner: "node", Fence: math.MaxInt64,
		Lease: instant(3), Created: instant(1), Updated: instant(2),
	}
	zoned := jobOf(tenant, "zoned", 20)
	zoned.Created, zoned.Updated, zoned.Lease = zoned.Created.In(zone()), zoned.Updated.In(zone()), instant(21).In(zone())
	w.enqueue(zoned)
	zoned.Created, zoned.Updated, zoned.Lease = zoned.Created.UTC(), zoned.Updated.UTC(), zoned.Lease.UTC()
	want := []vault.Job{zoned, w.enqueued(jobOf(tenant, "plain", 5)), w.enqueued(full), w.enqueued(jobOf(tenant, "", 9))}
	foreign := w.enqueued(jobOf(other, "plain", 1))
	system := w.enqueued(jobOf(vault.SystemTenant, "plain", 1))
	for _, j := range append(want, foreign, system) {
		got, err := w.job(j.Tenant, j.ID)
		w.is("Job", err, nil)
		w.equal("Job", got, j)
		isUTC(w.T, got.Created, got.Updated, got.Lease)
	}
	_, err := w.job(tenant, foreign.ID)
	w.is("Job of another tenant", err, vault.ErrNoRow)
	slices.SortFunc(want, func(a, b vault.Job) int { return b.Created.Compare(a.Created) })
	w.equal("Jobs, newest first", w.jobs(tenant, 100), want)
	for _, limit := range []int{0, 1, 3} {
		w.equal("the newest", w.jobs(tenant, limit), want[:limit])
	}
}

// oneJob: of one kind a tenant has one job that is not over.
func oneJob(w *world) {
	tenant := w.tenant()
	for state, free := range map[int16]bool{vault.JobQueued: false, vault.JobRunning: false, vault.JobDone: true, vault.JobFailed: true} {
		first := jobOf(tenant, w.name("kind"), 1)
		first.State = state
		w.enqueued(first)
		second := jobOf(tenant, first.Kind, 2)
		second.Params = []byte("other")
		standing, inserted := w.enqueue(second)
		if inserted != free {
			w.Errorf("InsertJob beside one in state %d said inserted %v, want %v", state, inserted, free)
		}
		want := first
		if free {
			want = second
		}
		w.equal("the job that stands", standing, want)
		w.enqueued(jobOf(tenant, w.name("kind"), 3))
		w.enqueued(jobOf(w.tenant(), first.Kind, 4))
	}
}

func takeJobs(w *world) {
	a, b := w.tenant(), w.tenant()
	old, young := w.name("kind"), w.name("kind")
	tie := jobOf(w.tenant(), old, 7)
	tie.ID = uuid.Max
	w.enqueued(tie)
	last := w.enqueued(jobOf(a, old, 7))
	second := w.enqueued(jobOf(b, old, 3))
	first := w.enqueued(jobOf(b, young, 2))
	over := jobOf(w.tenant(), old, 1)
	over.State = vault.JobDone
	w.enqueued(over)

	for what, kinds := range map[string][]string{"no kinds": nil, "an unknown kind": {w.name("kind")}, "a similar kind": {old + " "}} {
		_, err := w.take("node", instant(50), kinds...)
		w.is("TakeJob of "+what, err, vault.ErrNoRow)
	}
	for i, j := range []vault.Job{first, second, last, tie} {
		now := instant(50).Add(time.Duration(i) * time.Minute)
		got := w.taken("node", now.In(zone()), young, old)
		j.State, j.Owner, j.Fence, j.Lease, j.Updated = vault.JobRunning, "node", 1, now.Add(time.Hour), now
		w.equal("TakeJob, the oldest first", got, j)
		isUTC(w.T, got.Created, got.Updated, got.Lease)
		stored, err := w.job(j.Tenant, j.ID)
		w.is("Job", err, nil)
		w.equal("the job as it is stored", stored, j)
	}
	_, err := w.take("node", instant(51), young, old)
	w.is("TakeJob when all are leased or over", err, vault.ErrNoRow)
}

// jobLease: who lets a lease end may lose the job to another, who has the next
// fence.
func jobLease(w *world) {
	kind := w.name("kind")
	w.enqueued(jobOf(w.tenant(), kind, 1))
	held := w.taken("a", instant(10), kind)
	for _, now := range []time.Time{instant(0), instant(10), held.Lease.Add(-time.Microsecond), held.Lease} {
		_, err := w.take("b", now, kind)
		w.is("TakeJob before the lease has ended", err, vault.ErrNoRow)
	}
	held.Lease = instant(20)
	w.is("SaveJob with a longer lease", w.save(held), nil)
	_, err := w.take("b", instant(20), kind)
	w.is("TakeJob before the longer lease has ended", err, vault.ErrNoRow)
	other := w.taken("b", instant(20).Add(time.Microsecond), kind)
	if other.ID != held.ID || other.Fence != held.Fence+1 || other.Owner != "b" {
		w.Errorf("TakeJob after the lease gave owner %q and fence %d, after fence %d", other.Owner, other.Fence, held.Fence)
	}
	w.is("SaveJob of the owner before", w.save(held), vault.ErrStale)
	w.is("SaveJob of the owner", w.save(other), nil)
	ended := other
	ended.State = vault.JobFailed
	w.is("SaveJob that ends it", w.save(ended), nil)
	_, err = w.take("c", instant(1000), kind)
	w.is("TakeJob of one that is over", err, vault.ErrNoRow)
}

func saveJob(w *world) {
	tenant, kind := w.tenant(), w.name("kind")
	queued := w.enqueued(jobOf(tenant, kind, 1))
	w.is("SaveJob of one that does not run", w.save(queued), vault.ErrStale)
	absent := queued
	absent.ID = newUID()
	w.is("SaveJob of one that is not there", w.save(absent), vault.ErrStale)

	j := w.taken("node", instant(5), kind)
	want := j
	want.Cursor, want.Done, want.Total, want.Note = allBytes(3), 17, math.MaxInt64, "half way"
	want.Lease, want.Updated = instant(30), instant(6)
	changed := want
	changed.Kind, changed.Params, changed.By, changed.Owner, changed.Created = "other", []byte("x"), "x", "x", instant(99)
	changed.Lease, changed.Updated = changed.Lease.In(zone()), changed.Updated.In(zone())
	for _, fence := range []int64{j.Fence - 1, j.Fence + 1} {
		stale := changed
		stale.Fence = fence
		w.is("SaveJob under another fence", w.save(stale), vault.ErrStale)
	}
	elsewhere := changed
	elsewhere.Tenant = w.tenant()
	w.is("SaveJob in another tenant", w.save(elsewhere), vault.ErrStale)
	w.equal("the job after stale saves", w.jobs(tenant, 10), []vault.Job{j})
	w.is("SaveJob", w.save(changed), nil)
	w.equal("SaveJob writes seven columns and no more", w.jobs(tenant, 10), []vault.Job{want})

	want.State, want.Cursor, want.Lease = vault.JobDone, nil, time.Time{}
	w.is("SaveJob that ends it", w.save(want), nil)
	w.is("SaveJob of one that is over", w.save(want), vault.ErrStale)
	w.equal("a job that is over", w.jobs(tenant, 10), []vault.Job{want})
}

func deleteJobs(w *world) {
	tenant := w.tenant()
	remove := func(limit int) (n int) {
		w.update(func(ctx context.Context, tx vault.Tx) (err error) {
			n, err = tx.DeleteJobs(ctx, instant(7), limit)
			return err
		})
		return n
	}
	remove(1000) // of other tests
	var keep []vault.Job
	for i := range 10 { // six end before the seventh hour, one at it
		j := jobOf(tenant, w.name("kind"), 20-i)
		j.State, j.Updated = []int16{vault.JobDone, vault.JobFailed}[i%2], instant(i+1)
		w.enqueued(j)
		if i >= 6 {
			keep = append(keep, j)
		}
	}
	for _, state := range []int16{vault.JobQueued, vault.JobRunning} {
		j := jobOf(tenant, w.name("kind"), 0)
		j.State, j.Created = state, instant(-int(state))
		keep = append(keep, w.enqueued(j))
	}
	for _, c := range []struct{ limit, want int }{{0, 0}, {4, 4}, {4, 2}, {4, 0}} {
		if n := remove(c.limit); n != c.want {
			w.Errorf("DeleteJobs of at most %d deleted %d, want %d", c.limit, n, c.want)
		}
	}
	w.equal("jobs that have not ended before", w.jobs(tenant, 100), keep)
}

// dropJobs: of one tenant and kind, what was done before; nothing that failed.
func dropJobs(w *world) {
	tenant, kind := w.tenant(), w.name("kind")
	var keep []vault.Job
	for i, state := range []int16{vault.JobDone, vault.JobDone, vault.JobDone, vault.JobFailed, vault.JobQueued} {
		j := jobOf(tenant, kind, 20-i)
		j.State, j.Updated = state, instant(5+i)
		w.enqueued(j)
		if i >= 2 {
			keep = append(keep, j)
		}
	}
	alike := jobOf(tenant, w.name("kind"), 10)
	alike.State, alike.Updated = vault.JobDone, instant(1)
	keep = append(keep, w.enqueued(alike))
	foreign := jobOf(w.tenant(), kind, 10)
	foreign.State, foreign.Updated = vault.JobDone, instant(1)
	w.enqueued(foreign)
	for _, want := range []int{2, 0} {
		w.update(func(ctx context.Context, tx vault.Tx) error {
			n, err := tx.DropJobs(ctx, tenant, kind, instant(7).In(zone()))
			w.equal("DropJobs", n, want)
			return err
		})
	}
	w.equal("jobs that stand", w.jobs(tenant, 100), keep)
	w.equal("jobs of another tenant", w.jobs(foreign.Tenant, 100), []vault.Job{foreign})
}
