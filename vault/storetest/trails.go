package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/audit/trail"
	"github.com/fieldvault/fieldvault/audit/tree"
	"github.com/fieldvault/fieldvault/vault"
)

// intake appends rows to the intake and returns them as they are stored.
func (w *world) intake(tenant int32, n int) []trail.Row {
	w.Helper()
	var before int64
	for _, r := range w.pending(0, nil, 1<<20) {
		before = max(before, r.ID)
	}
	events := make([]vault.Intake, n)
	for i := range events {
		events[i] = vault.Intake{Tenant: tenant, Leaf: fmt.Appendf(nil, "%s-%d", w.name("leaf"), i), MAC: allBytes(i)[:32]}
	}
	w.is("AppendEvents", outcome(w.s.AppendEvents(w.Context(), events)), nil)
	rows := w.pending(before, nil, n+1)
	if len(rows) != n {
		w.Fatalf("%d new rows, want %d", len(rows), n)
	}
	for i := range rows {
		if rows[i].Tenant != tenant || string(rows[i].Leaf) != string(events[i].Leaf) || string(rows[i].MAC) != string(events[i].MAC) {
			w.Errorf("row %d is %+v", i, rows[i])
		}
	}
	return rows
}

func (w *world) pending(after int64, named []int64, limit int) (rows []trail.Row) {
	w.Helper()
	w.view(func(ctx context.Context, tx vault.Tx) (err error) {
		rows, err = tx.Pending(ctx, after, named, limit)
		return err
	})
	return rows
}

// lead takes the lease at a time that no other test has reached.
func (w *world) lead(owner string, now, until time.Time) (l trail.Lease, err error) {
	err = w.try(func(ctx context.Context, tx vault.Tx) (err error) {
		l, err = tx.Lead(ctx, owner, now, until)
		return err
	})
	return l, err
}

func (w *world) grow(l trail.Lease, settled int64, gs ...trail.Growth) error {
	return w.try(func(ctx context.Context, tx vault.Tx) error { return tx.Grow(ctx, l, settled, gs) })
}

// growth is the next n rows of a tenant's log. about, if not Nil, is whom every second
// event is about.
func growth(tenant int32, from int64, rows []trail.Row, about uuid.UUID) trail.Growth {
	g := trail.Growth{Tenant: tenant, From: from, Head: trail.Head{
		At: instant(int(from) + 1),
	}}
	for i := range rows {
		leaves, _ := trail.Unpack(rows[i].Leaf)
		first, time := trail.FirstID(uuid.New()), instant(int(from)+len(g.Leaves))
		for part, leaf := range leaves {
			n := len(g.Leaves)
			f := trail.Leaf{
				Index: from + int64(n), Row: rows[i].ID, Part: part, Hash: tree.LeafHash(leaf), Event: trail.PartID(first, part), At: time,
			}
			if n%2 == 0 {
				f.About = about
			}
			g.Leaves = append(g.Leaves, f)
		}
	}
	g.Head.Size = from + int64(len(g.Leaves))
	g.Head.Signed = fmt.Appendf(nil, "checkpoint %d", g.Head.Size)
	return g
}

func trails(w *world) {
	w.run("Lease", trailLease)
	w.run("Grow", trailGrow)
	w.run("Find", trailFind)
	w.run("Refile", trailRefile)
	w.run("Pending", trailPending)
	w.run("Prune", trailPrune)
	w.run("Packs", trailPacks)
	w.run("AppendOnly", trailRefusals)
}

func trailLease(w *world) {
	now := instant(1)
	a, err := w.lead("a", now, now.Add(time.Minute))
	w.is("the first", err, nil)
	_, err = w.lead("b", now.Add(time.Second), now.Add(2*time.Minute))
	w.is("another meanwhile", err, trail.ErrNotLeader)
	again, err := w.lead("a", now.Add(time.Second), now.Add(2*time.Minute))
	w.is("the first again", err, nil)
	if again.Fence != a.Fence || !again.Until.Equal(now.Add(2*time.Minute)) {
		w.Errorf("the lease is renewed as %+v", again)
	}
	b, err := w.lead("b", now.Add(2*time.Minute), now.Add(3*time.Minute))
	w.is("another when it has ended", err, nil)
	if b.Fence != a.Fence+1 || b.Owner != "b" {
		w.Errorf("the next lease is %+v", b)
	}
	w.is("growing under a lease that was lost", w.grow(again, 0), trail.ErrNotLeader)
	w.is("giving back what is not one's own", w.try(func(ctx context.Context, tx vault.Tx) error { return tx.Leave(ctx, again) }), nil)
	w.is("growing under the lease", w.grow(b, 7), nil)
	w.is("giving it back", w.try(func(ctx context.Context, tx vault.Tx) error { return tx.Leave(ctx, b) }), nil)
	w.is("growing after that", w.grow(b, 8), trail.ErrNotLeader)
	c, err := w.lead("c", now.Add(time.Second), now.Add(time.Hour))
	w.is("the next at once", err, nil)
	if c.Settled != 7 || c.Fence != b.Fence+1 {
		w.Errorf("the next lease is %+v, want 7 settled", c)
	}
	w.is("settled never falls", w.grow(c, 3), nil)
	if c, err = w.lead("c", now.Add(time.Second), now.Add(time.Hour)); err != nil || c.Settled != 7 {
		w.Errorf("settled is %d, %v", c.Settled, err)
	}
	won := w.race(func(ctx context.Context, tx vault.Tx, i int) (bool, error) {
		_, err := tx.Lead(ctx, fmt.Sprint("racer ", i), now.Add(2*time.Hour), now.Add(3*time.Hour))
		if errors.Is(err, trail.ErrNotLeader) {
			return false, nil
		}
		return err == nil, err
	})
	w.equal("owners that raced for one lease and got it", won, 1)
	w.is("giving it back", w.try(func(ctx context.Context, tx vault.Tx) error {
		l, err := tx.Lead(ctx, "last", now.Add(4*time.Hour), now.Add(5*time.Hour))
		if err != nil {
			return err
		}
		return tx.Leave(ctx, l)
	}), nil)
}

// leadNow takes the lease for a test.
func (w *world) leadNow() trail.Lease {
	w.Helper()
	at := instant(1_000_000)
	l, err := w.lead(w.name("owner"), at, at)
	w.is("Lead", err, nil)
	return l
}

func trailGrow(w *world) {
	a, b := w.tenant(), w.tenant()
	rows, others := w.intake(a, 5), w.intake(b, 2)
	l := w.leadNow()
	ga, gb := growth(a, 0, rows[:3], uuid.Nil), growth(b, 0, others, uuid.Nil)
	ga.Nodes = []trail.Node{{Level: 1, N: 0, Hash: tree.LeafHash([]byte("x"))}, {Level: 2, N: 0, Hash: tree.LeafHash([]byte("y"))}}
	w.is("Grow", w.grow(l, 0, ga, gb), nil)
	stale := growth(a, 2, rows[3:], uuid.Nil)
	w.is("from another size", w.grow(l, 0, stale), vault.ErrStale)
	twice := growth(a, 3, rows[2:4], uuid.Nil)
	if err := w.grow(l, 0, twice); err == nil {
		w.Error("a row was put into the log twice")
	}
	next := growth(a, 3, rows[3:], uuid.Nil)
	w.is("the next", w.grow(l, 0, next), nil)

	w.view(func(ctx context.Context, tx vault.Tx) error {
		head, err := tx.Head(ctx, a)
		w.equal("Head", head, next.Head)
		w.is("Head", err, nil)
		isUTC(w.T, head.At)
		none, err := tx.Head(ctx, w.tenantWithout())
		w.equal("Head of an empty log", none, trail.Head{})
		w.is("Head of an empty log", err, nil)
		list, err := tx.Checkpoints(ctx, a, 0, 10)
		w.equal("Checkpoints", list, []trail.Head{ga.Head, next.Head})
		w.is("Checkpoints", err, nil)
		list, err = tx.Checkpoints(ctx, a, 3, 10)
		w.equal("Checkpoints after 3", list, []trail.Head{next.Head})
		w.is("Checkpoints", err, nil)
		hashes, err := tx.Hashes(ctx, a, 0, 1, 4)
		w.equal("leaf hashes", hashes, []tree.Hash{ga.Leaves[1].Hash, ga.Leaves[2].Hash, next.Leaves[0].Hash})
		w.is("Hashes", err, nil)
		for i, n := range ga.Nodes {
			hashes, err = tx.Hashes(ctx, a, n.Level, 0, 5)
			w.equal("node hashes", hashes, []tree.Hash{ga.Nodes[i].Hash})
			w.is("Hashes", err, nil)
		}
		hashes, err = tx.Hashes(ctx, b, 1, 0, 5)
		w.equal("nodes of another", len(hashes), 0)
		w.is("Hashes", err, nil)
		all, err := tx.Entries(ctx, a, 0, 100)
		w.is("Entries", err, nil)
		for i, e := range all {
			want := trail.Entry{Leaf: slices.Concat(ga.Leaves, next.Leaves)[i], Tenant: a, Body: rows[i].Leaf}
			w.equal("an entry", e, want)
			isUTC(w.T, e.At)
		}
		w.equal("entries", len(all), 5)
		known, err := tx.Known(ctx, a, []uuid.UUID{ga.Leaves[1].Event, uuid.New(), next.Leaves[1].Event, gb.Leaves[0].Event})
		w.equal("Known", known, map[uuid.UUID]int64{ga.Leaves[1].Event: 1, next.Leaves[1].Event: 4})
		w.is("Known", err, nil)
		return nil
	})
}

// tenantWithout is the id of no tenant.
func (w *world) tenantWithout() int32 { return 1 << 30 }

func trailFind(w *world) {
	a := w.tenant()
	who, rows := uuid.New(), w.intake(a, 10)
	w.is("Grow", w.grow(w.leadNow(), 0, growth(a, 0, rows, who)), nil)
	for _, c := range []struct {
		name string
		find trail.Find
		want []int64
	}{
		{"all", trail.Find{Limit: 100}, []int64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}},
		{"a page", trail.Find{FromIndex: 3, Limit: 2}, []int64{3, 4}},
		{"below", trail.Find{BelowIndex: 2, Limit: 100}, []int64{0, 1}},
		{"of a time", trail.Find{From: instant(2), To: instant(5), Limit: 100}, []int64{2, 3, 4}},
		{"about one", trail.Find{About: who, Limit: 100}, []int64{0, 2, 4, 6, 8}},
		{"about one, of a time", trail.Find{About: who, From: instant(3), To: instant(8), FromIndex: 1, BelowIndex: 9, Limit: 100}, []int64{4, 6}},
		{"the newest", trail.Find{Limit: 3, Newest: true}, []int64{9, 8, 7}},
		{"the newest below", trail.Find{BelowIndex: 3, FromIndex: 1, Limit: 100, Newest: true}, []int64{2, 1}},
		{"the newest about one", trail.Find{About: who, Limit: 2, Newest: true}, []int64{8, 6}},
		{"the newest about one, below", trail.Find{About: who, From: instant(1), BelowIndex: 6, Limit: 100, Newest: true}, []int64{4, 2}},
		{"about another", trail.Find{About: uuid.New(), Limit: 100}, nil},
	} {
		w.view(func(ctx context.Context, tx vault.Tx) error {
			list, err := tx.FindEntries(ctx, a, c.find)
			w.is(c.name, err, nil)
			var got []int64
			for _, e := range list {
				got = append(got, e.Index)
			}
			w.equal(c.name, got, c.want)
			return nil
		})
	}
}

// What a store finds entries by person with is as it should be, and can be made anew.
func trailRefile(w *world) {
	a := w.tenant()
	rows := w.intake(a, 4)
	w.is("Grow", w.grow(w.leadNow(), 0, growth(a, 0, rows, uuid.New())), nil)
	for range 2 {
		w.view(func(ctx context.Context, tx vault.Tx) error {
			_, found, err := tx.Misfiled(ctx, a, 0, 1<<60)
			w.is("Misfiled", err, nil)
			w.equal("Misfiled", found, false)
			return nil
		})
		w.update(func(ctx context.Context, tx vault.Tx) error {
			return tx.Refile(ctx, a, func(int64, int64) {})
		})
	}
	err := w.s.View(w.Context(), func(tx vault.Tx) error { return tx.Refile(w.Context(), a, func(int64, int64) {}) })
	if err == nil {
		w.Error("a View made an index anew")
	}
}

func trailPending(w *world) {
	a, b := w.tenant(), w.tenant()
	rows := w.intake(a, 6)
	w.intake(b, 1)
	l := w.leadNow()
	w.equal("named and new", ids(w.pending(rows[4].ID, []int64{rows[3].ID, rows[0].ID, 1 << 60}, 1)), []int64{rows[0].ID, rows[3].ID, rows[5].ID})
	w.is("Grow", w.grow(l, rows[4].ID, growth(a, 0, []trail.Row{rows[0], rows[2]}, uuid.Nil)), nil)
	w.view(func(ctx context.Context, tx vault.Tx) error {
		list, err := tx.PendingOf(ctx, a, rows[0].ID, 10)
		w.is("PendingOf", err, nil)
		w.equal("PendingOf", ids(list), []int64{rows[1].ID, rows[3].ID, rows[4].ID, rows[5].ID})
		list, err = tx.Stray(ctx, a, 0, 10)
		w.is("Stray", err, nil)
		w.equal("Stray", ids(list), []int64{rows[1].ID, rows[3].ID, rows[4].ID})
		list, err = tx.Stray(ctx, a, rows[1].ID, 1)
		w.is("Stray", err, nil)
		w.equal("Stray, a page", ids(list), []int64{rows[3].ID})
		done, err := tx.Sequenced(ctx, rows[0].ID-1, 10)
		w.is("Sequenced", err, nil)
		w.equal("Sequenced", done, []int64{rows[0].ID, rows[2].ID})
		return nil
	})
}

func ids(rows []trail.Row) (list []int64) {
	for _, r := range rows {
		list = append(list, r.ID)
	}
	return list
}

// A log of one size cannot be grown twice, and a View grows nothing.
func trailRefusals(w *world) {
	a := w.tenant()
	rows := w.intake(a, racers)
	l := w.leadNow()
	won := w.race(func(ctx context.Context, tx vault.Tx, i int) (bool, error) {
		err := tx.Grow(ctx, l, 0, []trail.Growth{growth(a, 0, rows[i:i+1], uuid.Nil)})
		if errors.Is(err, vault.ErrStale) {
			return false, nil
		}
		return err == nil, err
	})
	w.equal("growths that raced", won, 1)
	err := w.s.View(w.Context(), func(tx vault.Tx) error {
		return tx.Grow(w.Context(), l, 0, []trail.Growth{growth(a, 1, rows[1:2], uuid.Nil)})
	})
	if err == nil {
		w.Error("a View grew a log")
	}
}

// Pruned events are gone, and their leaves stay; the mark only rises.
func trailPrune(w *world) {
	a := w.tenant()
	rows := w.intake(a, 6)
	w.is("Grow", w.grow(w.leadNow(), 0, growth(a, 0, rows[:5], uuid.Nil)), nil)
	prune := func(below int64) (n int) {
		w.update(func(ctx context.Context, tx vault.Tx) (err error) {
			n, err = tx.Prune(ctx, a, below, 2)
			return err
		})
		return n
	}
	w.equal("pruned", []int{prune(3), prune(3), prune(3), prune(1)}, []int{2, 1, 0, 0})
	w.view(func(ctx context.Context, tx vault.Tx) error {
		below, err := tx.Pruned(ctx, a)
		w.is("Pruned", err, nil)
		w.equal("Pruned", below, int64(3))
		list, err := tx.Entries(ctx, a, 0, 10)
		w.is("Entries", err, nil)
		var there []int64
		for _, e := range list {
			if e.Body != nil {
				there = append(there, e.Index)
			}
		}
		w.equal("entries", len(list), 5)
		w.equal("events that are left", there, []int64{3, 4})
		hashes, err := tx.Hashes(ctx, a, 0, 0, 5)
		w.is("Hashes", err, nil)
		w.equal("hashes", len(hashes), 5)
		none, err := tx.Pruned(ctx, w.tenantWithout())
		w.is("Pruned", err, nil)
		w.equal("of another", none, int64(0))
		return nil
	})
}

// A row of several events is in the log with all of them, and is pruned as a whole.
func trailPacks(w *world) {
	a := w.tenant()
	var want [][]byte
	var events []vault.Intake
	for _, n := range []int{1, 3, 1, 2} {
		var pack trail.Packer
		for range n {
			leaf := []byte(w.name("leaf"))
			want = append(want, leaf)
			w.is("Add", pack.Add(leaf), nil)
		}
		events = append(events, vault.Intake{Tenant: a, Leaf: pack.Append(nil)})
	}
	var before int64
	for _, r := range w.pending(0, nil, 1<<20) {
		before = max(before, r.ID)
	}
	w.is("AppendEvents", outcome(w.s.AppendEvents(w.Context(), events)), nil)
	rows, about := w.pending(before, nil, 10), uuid.New()
	w.equal("rows", len(rows), 4)
	g := growth(a, 0, rows, about)
	w.is("Grow", w.grow(w.leadNow(), 0, g), nil)
	id := ids(rows)
	all := []place{
		{0, id[0], 0, 0, string(want[0])},
		{1, id[1], 0, 2, string(want[1])},
		{2, id[1], 1, 1, string(want[2])},
		{3, id[1], 2, 0, string(want[3])},
		{4, id[2], 0, 0, string(want[4])},
		{5, id[3], 0, 1, string(want[5])},
		{6, id[3], 1, 0, string(want[6])},
	}
	foundInPacks(w, a, g, all)
	w.view(func(ctx context.Context, tx vault.Tx) error {
		done, err := tx.Sequenced(ctx, before, 10)
		w.is("Sequenced", err, nil)
		w.equal("Sequenced", done, id)
		open, err := tx.PendingOf(ctx, a, before, 10)
		w.is("PendingOf", err, nil)
		w.equal("rows that wait", len(open), 0)
		return nil
	})
	prunedPacks(w, a)
}

// A place is where an event is: in the log, and in its row.
type place struct {
	index, row int64
	part, rest int
	body       string
}

// foundInPacks finds what trailPacks has put into a log, of whole rows and of parts of them.
func foundInPacks(w *world, a int32, g trail.Growth, all []place) {
	about := g.Leaves[0].About
	w.view(func(ctx context.Context, tx vault.Tx) error {
		for from := range int64(8) {
			for to := from; to <= 8; to++ {
				inside := all[min(from, 7):min(to, 7)]
				list, err := tx.Entries(ctx, a, from, to)
				w.is("Entries", err, nil)
				w.equal("entries", places(list), slices.Clip(append([]place(nil), inside...)))
				for _, e := range list {
					w.equal("the leaf of an entry", e.Leaf, g.Leaves[e.Index])
				}
				hashes, err := tx.Hashes(ctx, a, 0, from, to)
				w.is("Hashes", err, nil)
				w.equal("hashes", len(hashes), len(inside))
				for i, h := range hashes {
					w.equal("a hash", h, g.Leaves[from+int64(i)].Hash)
				}
				for _, limit := range []int{1, 2, 100} {
					list, err := tx.FindEntries(ctx, a, trail.Find{FromIndex: from, BelowIndex: to, Limit: limit})
					w.is("FindEntries", err, nil)
					if to == 0 {
						inside = all // no bound
					}
					w.equal("found", places(list), append([]place(nil), inside[:min(limit, len(inside))]...))
					list, err = tx.FindEntries(ctx, a, trail.Find{FromIndex: from, BelowIndex: to, Limit: limit, Newest: true})
					w.is("FindEntries", err, nil)
					newest := append([]place(nil), inside[len(inside)-min(limit, len(inside)):]...)
					slices.Reverse(newest)
					w.equal("found from the end", places(list), newest)
				}
			}
		}
		list, err := tx.FindEntries(ctx, a, trail.Find{About: about, Limit: 10, Newest: true})
		w.is("FindEntries", err, nil)
		w.equal("entries about somebody, from the end", places(list), []place{all[6], all[4], all[2], all[0]})
		list, err = tx.FindEntries(ctx, a, trail.Find{About: about, FromIndex: 1, BelowIndex: 6, Limit: 10})
		w.is("FindEntries", err, nil)
		w.equal("entries about somebody, of a part", places(list), []place{all[2], all[4]})
		var events []uuid.UUID
		where := map[uuid.UUID]int64{}
		for _, f := range g.Leaves {
			events = append(events, f.Event, trail.PartID(f.Event, 31))
			where[f.Event] = f.Index
		}
		known, err := tx.Known(ctx, a, events)
		w.is("Known", err, nil)
		w.equal("Known", known, where)
		return nil
	})
}

func places(list []trail.Entry) (out []place) {
	for _, e := range list {
		out = append(out, place{e.Index, e.Row, e.Part, e.Rest, string(e.Body)})
	}
	return out
}

// prunedPacks prunes the log of trailPacks.
func prunedPacks(w *world, a int32) {
	prune := func(below int64, limit int) (n int) {
		w.update(func(ctx context.Context, tx vault.Tx) (err error) {
			n, err = tx.Prune(ctx, a, below, limit)
			return err
		})
		return n
	}
	left := func() (there []int64) {
		w.view(func(ctx context.Context, tx vault.Tx) error {
			there = nil
			list, err := tx.Entries(ctx, a, 0, 10)
			for _, e := range list {
				if e.Body != nil {
					there = append(there, e.Index)
				}
			}
			return err
		})
		return there
	}
	w.equal("pruned up to the midst of a row", []int{prune(3, 10), prune(3, 10)}, []int{1, 0})
	w.equal("events that are left", left(), []int64{1, 2, 3, 4, 5, 6})
	w.equal("pruned up to its end, two by two", []int{prune(5, 2), prune(5, 2), prune(5, 2)}, []int{3, 1, 0})
	w.equal("events that are left", left(), []int64{5, 6})
}
