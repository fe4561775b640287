package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fieldvault/fieldvault/vault"
)

// A write is one writing method, called so that it changes something that
// [world.dump] sees, of a person with rows in every table.
type write struct {
	name string
	do   func(context.Context, vault.Tx, vault.Subject) error
}

// writes are all writing methods of a Tx.
func writes() []write { return slices.Concat(coreWrites(), listWrites(), workWrites()) }

func coreWrites() []write {
	return []write{
		{"InsertTenant", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			_, _, err := tx.InsertTenant(ctx, vault.Tenant{Name: fmt.Sprint("new-", s.Tenant), KEKEpoch: 1, Created: instant(0)})
			return err
		}},
		{"InsertTenantKey", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			return insert(tx.InsertTenantKey(ctx, s.Tenant, vault.TenantKey{Label: "new", KEKVersion: 1, Wrapped: []byte("w")}))
		}},
		{"InsertDocument", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			return tx.InsertDocument(ctx, s.Tenant, vault.DocumentPolicy, vault.Document{Version: 1, By: "me", Created: instant(0)})
		}},
		{"Subject with ShareLock", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			_, err := tx.Subject(ctx, s.Tenant, s.Lookup, vault.ShareLock)
			return err
		}},
		{"Subject with ExclusiveLock", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			_, err := tx.Subject(ctx, s.Tenant, s.Lookup, vault.ExclusiveLock)
			return err
		}},
		{"InsertSubject", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			s.Lookup, s.UID = lookup("new"), newUID()
			return insert(tx.InsertSubject(ctx, s))
		}},
		{"UpdateSubject", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			s.Held = true
			return tx.UpdateSubject(ctx, s, s.Generation)
		}},
		{"InsertKey", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			return insert(tx.InsertKey(ctx, s.Tenant, s.UID, dataKey(9, 1)))
		}},
		{"DestroyKeys", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			_, err := tx.DestroyKeys(ctx, s.Tenant, s.UID)
			return err
		}},
		{"DestroyGroup", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			_, err := tx.DestroyGroup(ctx, s.Tenant, s.UID, 2)
			return err
		}},
		{"LockRecord", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			_, err := tx.LockRecord(ctx, s.Tenant, s.UID, vault.RecordRef{Collection: 9, Record: "new"})
			return err
		}},
		{"PutRecord", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			return tx.PutRecord(ctx, s.Tenant, s.UID, vault.Record{Collection: 1, Record: "a", Revision: 2, Sealed: []byte("new")})
		}},
		{"ReplaceIndex", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			return tx.ReplaceIndex(ctx, s.Tenant, s.UID, vault.RecordRef{Collection: 1, Record: "a"}, nil, []vault.IndexEntry{entry(1, 9, "new")})
		}},
		{"DeleteIndex", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			n, err := tx.DeleteIndex(ctx, s.Tenant, vault.IndexVersion{Collection: 1, Field: 1, Version: 1}, 1000)
			return insert(n > 0, err)
		}},
		{"PutConsent", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			return tx.PutConsent(ctx, s.Tenant, s.UID, consentOf("new", "granted", 3))
		}},
		{"InsertEffect", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			_, _, err := tx.InsertEffect(ctx, effectOf(s.Tenant, "new"))
			return err
		}},
		{"UpdateEffect", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			e := fillEffect(s.Tenant, s.UID)
			e.Revision = 1000
			return tx.UpdateEffect(ctx, e)
		}},
		{"DeleteEffects", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			_, err := tx.DeleteEffects(ctx, instant(1000), 1000)
			return err
		}},
		{"AppendEvent", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			return tx.AppendEvent(ctx, vault.Intake{Tenant: s.Tenant, Leaf: []byte("new")})
		}},
		{"Sweep", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			_, err := tx.Sweep(ctx, s.Tenant, s.UID, 1000)
			return err
		}},
	}
}

// locks says that a write only locks: nothing shows that it happened.
func (c write) locks() bool {
	return strings.HasSuffix(c.name, " with ShareLock") || strings.HasSuffix(c.name, " with ExclusiveLock")
}

// A dump is what can be read of a store, as far as writes changes it.
type dump struct {
	Tenants  []vault.Tenant
	Keys     []vault.TenantKey
	Policy   vault.Document
	Subjects []vault.Subject
	DataKeys []vault.DataKey
	Records  []vault.ScannedRecord
	Consents []vault.Consent
	History  []vault.Consent
	Events   []vault.StoredEvent
	Effect   vault.Effect
	Lost     bool // Effect was not there
	Free     bool // no effect has the key "new"
	Work     workDump
}

// dump reads everything there is of a person and their tenant. Effects can be
// read only by trying to insert them, so that is undone.
func (w *world) dump(s vault.Subject) (d dump) {
	w.Helper()
	d.Subjects, d.Records = w.scanSubjects(s.Tenant, 100), w.scanAll(100)
	d.DataKeys = w.keysOf(s.Tenant, s.UID)
	d.Consents, d.History = w.consents(s.Tenant, s.UID)
	d.Events = w.events(s.Tenant, 100)
	d.Work = w.dumpWork(s)
	w.view(func(ctx context.Context, tx vault.Tx) (err error) {
		if d.Tenants, err = tx.Tenants(ctx); err != nil {
			return err
		}
		if d.Policy, err = tx.Document(ctx, s.Tenant, vault.DocumentPolicy, 0); err != nil && !errors.Is(err, vault.ErrNoRow) {
			return err
		}
		d.Keys, err = tx.TenantKeys(ctx, s.Tenant)
		return err
	})
	undo := errors.New("undo")
	err := w.try(func(ctx context.Context, tx vault.Tx) (err error) {
		if d.Effect, d.Lost, err = tx.InsertEffect(ctx, fillEffect(s.Tenant, s.UID)); err != nil {
			return err
		}
		if _, d.Free, err = tx.InsertEffect(ctx, effectOf(s.Tenant, "new")); err != nil {
			return err
		}
		return undo
	})
	w.is("reading effects", err, undo)
	return d
}

// stage makes a person, and rows around them in every table.
func (w *world) stage() vault.Subject {
	w.Helper()
	s := w.person(w.tenant())
	w.fill(s.Tenant, s.UID)
	w.stageWork(s)
	return s
}

func transactions(w *world) {
	w.run("RollBackOnError", func(w *world) { eachWrite(w, rollsBack) })
	w.run("RollBackOnPanic", func(w *world) { eachWrite(w, rollsBackOnPanic) })
	w.run("RollBackOnCancel", func(w *world) { eachWrite(w, rollsBackOnCancel) })
	w.run("ViewRefuses", func(w *world) { eachWrite(w, viewRefuses) })
	w.run("ErrorAsIs", func(w *world) {
		want := errors.New("mine")
		for name, run := range map[string]func(context.Context, func(vault.Tx) error) error{"Update": w.s.Update, "View": w.s.View} {
			if err := run(w.Context(), func(vault.Tx) error { return want }); err != want { //nolint:errorlint // as is, not wrapped
				w.Errorf("%s returned %v, want the error of the function as is", name, err)
			}
		}
	})
	w.run("OwnWrites", func(w *world) {
		s := w.subject(w.tenant())
		w.update(func(ctx context.Context, tx vault.Tx) error {
			if err := insert(tx.InsertSubject(ctx, s)); err != nil {
				return err
			}
			got, err := tx.Subject(ctx, s.Tenant, s.Lookup, vault.ExclusiveLock)
			w.equal("what the transaction wrote itself", got, s)
			_, outside := w.readSubject(s.Tenant, s.Lookup)
			w.is("what others see before the commit", outside, vault.ErrNoRow)
			return err
		})
		w.stands("what others see after it", s)
	})
	w.run("Snapshot", snapshot)
	w.run("LoadSeesCommits", func(w *world) {
		s := w.person(w.tenant())
		r := w.put(s.Tenant, s.UID, vault.RecordRef{Collection: 1, Record: "r"}, store([]byte("one")))
		w.update(func(ctx context.Context, tx vault.Tx) error {
			n := r
			n.Revision, n.Sealed = 2, []byte("two")
			if err := tx.PutRecord(ctx, s.Tenant, s.UID, n); err != nil {
				return err
			}
			w.equal("a load before the commit", w.loadItems(s.Tenant, false, ref(s, 1, "r")).Items[0].Record, &r)
			return nil
		})
	})
	w.run("NoTxOutside", func(w *world) {
		tenant := w.tenant()
		for name, run := range map[string]func(context.Context, func(vault.Tx) error) error{"Update": w.s.Update, "View": w.s.View} {
			var kept vault.Tx
			w.is(name, run(w.Context(), func(tx vault.Tx) error { kept = tx; return nil }), nil)
			if _, err := kept.TenantKeys(w.Context(), tenant); err == nil {
				w.Errorf("a Tx of %s works after it", name)
			}
		}
	})
}

// eachWrite runs a test for every writing method.
func eachWrite(w *world, test func(*world, write, vault.Subject)) {
	s := w.stage()
	for _, c := range writes() {
		w.run(c.name, func(w *world) { test(w, c, s) })
	}
}

func rollsBack(w *world, c write, _ vault.Subject) {
	NeedTime(w)
	s := w.stage()
	before := w.dump(s)
	mine := errors.New("mine")
	w.is("Update", w.try(func(ctx context.Context, tx vault.Tx) error {
		if err := c.do(ctx, tx, s); err != nil {
			w.Errorf("writing: %v", err)
		}
		return mine
	}), mine)
	w.equal("the store after a failed Update", w.dump(s), before)
	w.update(func(ctx context.Context, tx vault.Tx) error { return c.do(ctx, tx, s) })
	if changed := diff(before, w.dump(s)) != ""; changed == c.locks() {
		w.Errorf("the store after a successful Update has changed: %v", changed)
	}
}

func rollsBackOnPanic(w *world, c write, s vault.Subject) {
	NeedTime(w)
	before := w.dump(s)
	got := func() (p any) {
		defer func() { p = recover() }()
		err := w.try(func(ctx context.Context, tx vault.Tx) error {
			if err := c.do(ctx, tx, s); err != nil {
				w.Errorf("writing: %v", err)
			}
			panic("mine")
		})
		return fmt.Errorf("returned: %w", err)
	}()
	if got != "mine" {
		w.Errorf("the panic of the function became %v", got)
	}
	w.equal("the store after a panic", w.dump(s), before)
}

func rollsBackOnCancel(w *world, c write, s vault.Subject) {
	NeedTime(w)
	before := w.dump(s)
	ctx, cancel := context.WithCancel(w.Context())
	err := w.s.Update(ctx, func(tx vault.Tx) error {
		if err := c.do(ctx, tx, s); err != nil {
			w.Errorf("writing: %v", err)
		}
		cancel()
		return nil
	})
	if err == nil {
		w.Error("Update committed after its context ended")
	}
	w.equal("the store after a cancelled Update", w.dump(s), before)
	if w.s.Update(ctx, func(vault.Tx) error { return nil }) == nil || w.s.View(ctx, func(vault.Tx) error { return nil }) == nil {
		w.Error("a transaction ran under a context that had ended")
	}
}

func viewRefuses(w *world, c write, s vault.Subject) {
	before := w.dump(s)
	err := w.s.View(w.Context(), func(tx vault.Tx) error { return c.do(w.Context(), tx, s) })
	if err == nil {
		w.Error("a writing method succeeded in a View")
	}
	w.equal("the store after a View", w.dump(s), before)
}

// snapshot: a View sees one state, whatever is committed meanwhile.
func snapshot(w *world) {
	s := w.stage()
	w.view(func(ctx context.Context, tx vault.Tx) error {
		read := func() (d dump, err error) {
			if d.Subjects, err = one(tx.Subject(ctx, s.Tenant, s.Lookup, vault.NoLock)); err != nil {
				return d, err
			}
			if d.DataKeys, err = tx.Keys(ctx, s.Tenant, s.UID); err != nil {
				return d, err
			}
			d.Consents, err = tx.Consents(ctx, s.Tenant, s.UID)
			return d, err
		}
		before, err := read()
		if err != nil {
			return err
		}
		w.erase(s)
		w.sweepAll(s.Tenant, s.UID, 1000)
		after, err := read()
		w.equal("a View after the erasure of what it had read", after, before)
		return err
	})
	w.stands("the next View", erasedForm(s))
}

func one[T any](v T, err error) ([]T, error) { return []T{v}, err }
