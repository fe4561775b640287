package storetest

import (
	"context"
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault"
)

// fillRows is how many rows fillTables stores.
const fillRows = 2 + 3 + 1 + 2 + 1 + 2 + 1 + 1 + 1 + 1 + 1

// fill stores two keys of a living person, and what fillTables does.
func (w *world) fill(tenant int32, uid uuid.UUID) {
	w.Helper()
	w.placed(tenant, vault.PlacedKey{UID: uid, DataKey: dataKey(1, 1)}, vault.PlacedKey{UID: uid, DataKey: dataKey(2, 1)})
	w.fillTables(tenant, uid)
}

// fillTables stores rows of a uid in every table that bears rows of people beside the
// directory: two records, three index entries, one current consent of a history of
// two, one effect, two shreds, one reseal, one honey, one request,
// one ticket, one token.
func (w *world) fillTables(tenant int32, uid uuid.UUID) {
	w.Helper()
	w.update(func(ctx context.Context, tx vault.Tx) error {
		for _, s := range fillShreds(tenant, uid) {
			if err := tx.PutShred(ctx, s); err != nil {
				return err
			}
		}
		if err := tx.PutReseal(ctx, fillReseal(tenant, uid)); err != nil {
			return err
		}
		if err := tx.PutHoney(ctx, fillHoney(tenant, uid)); err != nil {
			return err
		}
		if err := tx.InsertTicket(ctx, fillTicket(tenant, uid)); err != nil {
			return err
		}
		if _, err := tx.InsertTokens(ctx, tenant, []vault.TokenRow{fillToken(tenant, uid)}); err != nil {
			return err
		}
		if err := tx.PutRequest(ctx, fillRequest(tenant, uid)); err != nil {
			return err
		}
		_, _, err := tx.InsertEffect(ctx, fillEffect(tenant, uid))
		return err
	})
	first, second := vault.RecordRef{Collection: 1, Record: "a"}, vault.RecordRef{Collection: 2, Record: "b"}
	w.put(tenant, uid, first, store([]byte("sealed a")))
	w.put(tenant, uid, second, store([]byte("sealed b")))
	w.replace(tenant, uid, first, nil, entry(1, 1, "x"), entry(2, 1, "y"))
	w.replace(tenant, uid, second, nil, entry(1, 1, "x"))
	w.consent(tenant, uid, consentOf("marketing", "granted", 1), consentOf("marketing", "withdrawn", 2))
}

func fillEffect(tenant int32, uid uuid.UUID) vault.Effect {
	e := effectOf(tenant, uid.String())
	e.UID = uid
	return e
}

func fillShreds(tenant int32, uid uuid.UUID) []vault.Shred {
	return []vault.Shred{{Tenant: tenant, UID: uid, Group: 2, Epoch: 1}, {Tenant: tenant, UID: uid, Group: 3, Epoch: 2}}
}

func fillReseal(tenant int32, uid uuid.UUID) vault.Reseal {
	return vault.Reseal{Tenant: tenant, UID: uid, Group: 2, Version: 2}
}

// filled reports rows of a uid that fill stored and that are not as they were.
func (w *world) filled(what string, tenant int32, uid uuid.UUID) {
	w.Helper()
	w.equal(what+": keys", w.keysOf(tenant, uid), []vault.DataKey{dataKey(1, 1), dataKey(2, 1)})
	if n := len(w.listAll(tenant, uid, 0, 10)); n != 2 {
		w.Errorf("%s: %d records, want 2", what, n)
	}
	current, history := w.consents(tenant, uid)
	if len(current) != 1 || len(history) != 2 {
		w.Errorf("%s: %d consents and %d in the history, want 1 and 2", what, len(current), len(history))
	}
	w.keeps(what+": effect", fillEffect(tenant, uid))
	w.equal(what+": shreds", w.shredsOf(tenant, uid), fillShreds(tenant, uid))
	w.equal(what+": reseals", ofPerson(w.resealsOf(tenant, vault.KeyPlace{}, 1000), uid), []vault.Reseal{fillReseal(tenant, uid)})
	w.equal(what+": honey", w.honeyOf(tenant, uid), []vault.Honey{fillHoney(tenant, uid)})
	w.equal(what+": ticket", w.hasTicket(fillTicket(tenant, uid)), true)
	w.equal(what+": tokens", w.tokensOf(tenant, uid), []vault.TokenRow{fillToken(tenant, uid)})
	w.equal(what+": requests", w.requestsOf(tenant, uid), []vault.RequestRow{fillRequest(tenant, uid)})
}

// sweepAll sweeps in steps until nothing is left, and says how much was there.
func (w *world) sweepAll(tenant int32, uid uuid.UUID, limit int) (total int) {
	w.Helper()
	for {
		var n int
		w.update(func(ctx context.Context, tx vault.Tx) (err error) {
			n, err = tx.Sweep(ctx, tenant, uid, limit)
			return err
		})
		w.page("Sweep", n, limit, total)
		if n == 0 {
			return total
		}
		total += n
	}
}

func (w *world) unswept(limit int) (out []vault.Subject) {
	w.Helper()
	w.view(func(ctx context.Context, tx vault.Tx) (err error) {
		out, err = tx.Unswept(ctx, limit)
		return err
	})
	slices.SortFunc(out, func(a, b vault.Subject) int { return slices.Compare(a.UID[:], b.UID[:]) })
	return out
}

func sweep(w *world) {
	w.run("Unswept", func(w *world) {
		w.equal("a new store", w.unswept(10), []vault.Subject{})
		a, b := w.tenant(), w.tenant()
		w.person(a)
		want := []vault.Subject{w.erase(w.person(a)), w.erase(w.person(b)), w.erase(w.person(b))}
		slices.SortFunc(want, func(a, b vault.Subject) int { return slices.Compare(a.UID[:], b.UID[:]) })
		w.equal("the erased of all tenants", w.unswept(10), want)
		for limit := range 4 {
			if n := len(w.unswept(limit)); n != limit {
				w.Errorf("Unswept of at most %d gave %d", limit, n)
			}
		}
		for len(want) > 0 {
			s := want[0]
			s.UID = uuid.Nil
			w.update(func(ctx context.Context, tx vault.Tx) error { return tx.UpdateSubject(ctx, s, s.Generation) })
			want = want[1:]
			w.equal("the unswept after one was forgotten", w.unswept(10), want)
		}
	})
	for _, limit := range []int{1, 3, 1000} {
		w.run("All", func(w *world) { sweepOne(w, limit) })
	}
	w.run("EveryTable", sweepEveryTable)
}

func sweepOne(w *world, limit int) {
	tenant, elsewhere := w.tenant(), w.tenant()
	s, neighbour := w.person(tenant), w.person(tenant)
	twin := w.subject(elsewhere)
	twin.UID = s.UID // ids of one tenant are none of another's
	w.update(func(ctx context.Context, tx vault.Tx) error { return insert(tx.InsertSubject(ctx, twin)) })
	for _, p := range []vault.Subject{s, neighbour, twin} {
		w.fill(p.Tenant, p.UID)
		w.filled("before", p.Tenant, p.UID)
	}
	w.equal("Sweep of at most 0 rows", w.sweepAll(tenant, s.UID, 0), 0)
	w.filled("after a sweep of at most 0 rows", tenant, s.UID)

	w.equal("rows that the sweep deleted", w.sweepAll(tenant, s.UID, limit), fillRows)
	current, history := w.consents(tenant, s.UID)
	w.equal("consents", current, []vault.Consent{})
	w.equal("history", history, []vault.Consent{})
	for _, r := range w.scanAll(7) {
		if r.Pos.Tenant == tenant && r.Pos.UID == s.UID {
			w.Error("a record is left")
		}
	}
	w.equal("candidates", w.search(query(tenant, 1, entry(1, 1, "x"))),
		[]vault.Candidate{candidate(neighbour, "a")})
	if _, inserted := w.insertEffect(fillEffect(tenant, s.UID)); !inserted {
		w.Error("an effect is left")
	}
	w.equal("shreds", w.shredsOf(tenant, s.UID), []vault.Shred{})
	w.equal("reseals", ofPerson(w.resealsOf(tenant, vault.KeyPlace{}, 1000), s.UID), []vault.Reseal{})
	w.equal("honey", w.honeyOf(tenant, s.UID), []vault.Honey{})
	w.equal("ticket", w.hasTicket(fillTicket(tenant, s.UID)), false)
	w.equal("tokens", w.tokensOf(tenant, s.UID), []vault.TokenRow{})
	w.equal("requests", w.requestsOf(tenant, s.UID), []vault.RequestRow{})
	w.stands("the directory", s)
	w.filled("the neighbour", neighbour.Tenant, neighbour.UID)
	w.filled("the same uid in another tenant", twin.Tenant, twin.UID)
}

// sweepEveryTable: what fillTables stores touches every subject-bearing table, so a
// table that fillTables, Sweep or SubjectTables forgot is found here.
func sweepEveryTable(w *world) {
	i := w.inspector()
	w.insertTicket(vault.Ticket{Tenant: w.tenant(), ID: newUID(), Expires: instant(9)}) // an operator's: nobody is missing
	before, err := i.Orphans(w.Context())
	w.is("Orphans", err, nil)
	w.equal("orphans before", before, map[string]int64{})
	tenant, uid := w.tenant(), newUID()
	w.fillTables(tenant, uid)
	tables, err := i.SubjectTables(w.Context())
	w.is("SubjectTables", err, nil)
	orphans, err := i.Orphans(w.Context())
	w.is("Orphans", err, nil)
	slices.Sort(tables)
	w.equal("tables with rows of a uid without a person, and the tables that bear rows of people",
		slices.Sorted(maps.Keys(orphans)), tables)
	var sum int64
	for _, n := range orphans {
		sum += n
	}
	w.equal("rows of a uid without a person", sum, int64(fillRows))
	w.equal("rows that the sweep deleted", w.sweepAll(tenant, uid, 1000), fillRows)
	after, err := i.Orphans(w.Context())
	w.is("Orphans", err, nil)
	w.equal("orphans after the sweep", after, map[string]int64{})
}
