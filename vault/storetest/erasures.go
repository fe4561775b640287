package storetest

import (
	"bytes"
	"context"
	"math"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault"
)

// erasureOf is the certificate of an erasure, of groups or of the whole person,
// n hours after a fixed time.
func erasureOf(tenant int32, lookup []byte, n int, groups ...byte) vault.Erasure {
	e := vault.Erasure{
		ID: newUID(), Tenant: tenant, Lookup: lookup, Generation: 1, Event: newUID(), At: instant(n),
		Certificate: []byte(`{"certificate":true}`),
	}
	for _, g := range groups {
		e.Groups = append(e.Groups, 0, 0, 0, g)
	}
	return e
}

func (w *world) insertErasures(list ...vault.Erasure) {
	w.Helper()
	w.update(func(ctx context.Context, tx vault.Tx) error {
		for _, e := range list {
			if err := tx.InsertErasure(ctx, e); err != nil {
				return err
			}
		}
		return nil
	})
}

func (w *world) erasure(tenant int32, id uuid.UUID) (e vault.Erasure, err error) {
	err = w.s.View(w.Context(), func(tx vault.Tx) (err error) {
		e, err = tx.Erasure(w.Context(), tenant, id)
		return err
	})
	return e, err
}

func (w *world) lastErasure(like vault.Erasure) (e vault.Erasure, err error) {
	err = w.s.View(w.Context(), func(tx vault.Tx) (err error) {
		e, err = tx.LastErasure(w.Context(), like.Tenant, like.Lookup, like.Generation, like.Groups)
		return err
	})
	return e, err
}

func erasures(w *world) {
	w.run("RoundTrip", func(w *world) {
		tenant, other := w.tenant(), w.tenant()
		for name, change := range map[string]func(*vault.Erasure){
			"the whole person": func(*vault.Erasure) {},
			"a group":          func(e *vault.Erasure) { e.Groups = []byte{0, 0, 0, 2} },
			"many groups":      func(e *vault.Erasure) { e.Groups = bytes.Repeat(allBytes(0), 40) },
			"last generation":  func(e *vault.Erasure) { e.Generation = math.MaxUint32 },
			"a long statement": func(e *vault.Erasure) { e.Certificate = bytes.Repeat(allBytes(7), 40) },
			"other zone":       func(e *vault.Erasure) { e.At = e.At.In(zone()) },
			"no event":         func(e *vault.Erasure) { e.Event = uuid.Nil },
		} {
			want := erasureOf(tenant, lookup(name), 3)
			change(&want)
			w.insertErasures(want)
			got, err := w.erasure(tenant, want.ID)
			w.is(name, err, nil)
			want.At = want.At.UTC()
			w.equal(name, got, want)
			isUTC(w.T, got.At)
			_, err = w.erasure(other, want.ID)
			w.is("Erasure of another tenant", err, vault.ErrNoRow)
		}
		_, err := w.erasure(tenant, newUID())
		w.is("Erasure of an unknown id", err, vault.ErrNoRow)
	})
	w.run("Once", func(w *world) {
		first := erasureOf(w.tenant(), lookup("p"), 1)
		w.insertErasures(first)
		second := first
		second.Certificate = []byte(canary)
		refused(w.T, "a certificate of an id that is there", w.try(func(ctx context.Context, tx vault.Tx) error {
			return tx.InsertErasure(ctx, second)
		}))
		got, err := w.erasure(first.Tenant, first.ID)
		w.is("Erasure", err, nil)
		w.equal("the certificate that was there", got, first)
	})
	w.run("Last", lastErasures)
}

func lastErasures(w *world) {
	tenant, other := w.tenant(), w.tenant()
	alice, bob := lookup("alice"), lookup("bob")
	whole, latest, early := erasureOf(tenant, alice, 5), erasureOf(tenant, alice, 8), erasureOf(tenant, alice, 2)
	soon := erasureOf(tenant, alice, 0)
	soon.At = latest.At.Add(-time.Microsecond)
	two, three, both := erasureOf(tenant, alice, 20, 2), erasureOf(tenant, alice, 21, 3), erasureOf(tenant, alice, 22, 2, 3)
	life := erasureOf(tenant, alice, 23)
	life.Generation = 2
	of, elsewhere := erasureOf(tenant, bob, 24), erasureOf(other, alice, 25)

	_, err := w.lastErasure(whole)
	w.is("LastErasure before the first", err, vault.ErrNoRow)
	w.insertErasures(whole, latest, early, soon, two, three, both, life, of, elsewhere)
	for _, c := range []struct {
		what string
		want vault.Erasure
	}{
		{"the whole person: the latest by time", latest},
		{"a group", two},
		{"another group", three},
		{"both groups", both},
		{"another life", life},
		{"another person", of},
		{"another tenant", elsewhere},
	} {
		got, err := w.lastErasure(c.want)
		w.is(c.what, err, nil)
		w.equal(c.what, got, c.want)
	}
	tie := latest
	tie.ID = uuid.Max
	w.insertErasures(tie)
	got, err := w.lastErasure(latest)
	w.is("one of the same time", err, nil)
	w.equal("one of the same time, with a higher id", got, tie)
	for what, like := range map[string]vault.Erasure{
		"groups that were not erased":  erasureOf(tenant, alice, 0, 4),
		"more groups than were erased": erasureOf(tenant, alice, 0, 2, 3, 4),
		"a group of somebody else's":   erasureOf(tenant, bob, 0, 2),
		"a person with no certificate": erasureOf(tenant, lookup("carol"), 0),
		"a tenant that has none":       erasureOf(w.tenant(), alice, 0),
		"groups in another order":      erasureOf(tenant, alice, 0, 3, 2),
	} {
		_, err := w.lastErasure(like)
		w.is(what, err, vault.ErrNoRow)
	}
}
