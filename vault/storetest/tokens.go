package storetest

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault"
)

func tokenOf(tenant int32, uid uuid.UUID, name string) vault.TokenRow {
	return vault.TokenRow{
		Tenant: tenant, Hash: hash(name), UID: uid, Place: vault.TokenPlace{Collection: 1, Record: "a", Field: 1},
		Group: 2, Epoch: 1, Purpose: "billing", Kind: 1, Created: instant(1), MAC: hash("mac " + name),
	}
}

// fillToken is the token that fill stores.
func fillToken(tenant int32, uid uuid.UUID) vault.TokenRow {
	k := tokenOf(tenant, uid, uid.String())
	k.Expires = instant(9)
	return k
}

func (w *world) insertTokens(tenant int32, rows ...vault.TokenRow) (taken [][]byte) {
	w.Helper()
	w.update(func(ctx context.Context, tx vault.Tx) (err error) {
		taken, err = tx.InsertTokens(ctx, tenant, rows)
		return err
	})
	return taken
}

// tokensOf are a person's, in pages of two.
func (w *world) tokensOf(tenant int32, uid uuid.UUID) (all []vault.TokenRow) {
	w.Helper()
	all = []vault.TokenRow{}
	w.view(func(ctx context.Context, tx vault.Tx) error {
		var after []byte
		for {
			page, err := tx.TokensOf(ctx, tenant, uid, after, 2)
			if err != nil || len(page) == 0 {
				return err
			}
			w.page("TokensOf", len(page), 2, len(all))
			all = append(all, page...)
			after = page[len(page)-1].Hash
		}
	})
	return all
}

func byHash(rows ...vault.TokenRow) []vault.TokenRow {
	rows = append([]vault.TokenRow{}, rows...)
	slices.SortFunc(rows, func(a, b vault.TokenRow) int { return bytes.Compare(a.Hash, b.Hash) })
	return rows
}

func (w *world) spendTokens(tenant int32, hashes ...[]byte) (spent [][]byte) {
	w.Helper()
	w.update(func(ctx context.Context, tx vault.Tx) (err error) {
		spent, err = tx.SpendTokens(ctx, tenant, hashes)
		return err
	})
	return spent
}

func tokens(w *world) {
	w.run("Rows", tokenRows)
	w.run("Taken", takenTokens)
	w.run("Spent", spentTokens)
	w.run("OfAPlace", tokensOfAPlace)
	w.run("Resealed", resealedTokens)
	w.run("Dropped", droppedTokens)
	w.run("Expired", expiredTokens)
}

// tokenRows: a row comes back as it was, whatever its numbers, to whoever asks by hash, by
// person or for all of the tenant.
func tokenRows(w *world) {
	tenant, other := w.tenant(), w.tenant()
	uid := newUID()
	plain, all := tokenOf(tenant, uid, "plain"), tokenOf(tenant, uid, "all")
	all.Place = vault.TokenPlace{Collection: math.MaxUint32, Record: "É/\\'\"", Field: math.MaxUint32}
	all.Group, all.Epoch, all.Kind, all.Once, all.Purpose = math.MaxUint32, math.MaxUint32, 3, true, "P"
	all.Expires, all.Sealed = instant(9), []byte("sealed")
	neighbour, foreign := tokenOf(tenant, newUID(), "neighbour"), tokenOf(other, uid, "plain")
	w.equal("taken", w.insertTokens(tenant, all, plain, neighbour), [][]byte(nil))
	w.equal("taken in another tenant", w.insertTokens(other, foreign), [][]byte(nil))
	w.equal("a person's", w.tokensOf(tenant, uid), byHash(plain, all))
	w.equal("a person's in another tenant", w.tokensOf(other, uid), byHash(foreign))
	w.equal("nobody's", w.tokensOf(tenant, newUID()), []vault.TokenRow{})
	w.view(func(ctx context.Context, tx vault.Tx) error {
		found, err := tx.TokensByHash(ctx, tenant, [][]byte{hash("all"), hash("none"), hash("neighbour")})
		w.equal("by hash", byHash(found...), byHash(all, neighbour))
		if err != nil {
			return err
		}
		none, err := tx.TokensByHash(ctx, tenant, nil)
		w.equal("by no hash", len(none), 0)
		if err != nil {
			return err
		}
		first, err := tx.Tokens(ctx, tenant, nil, 2)
		if err != nil {
			return err
		}
		rest, err := tx.Tokens(ctx, tenant, first[len(first)-1].Hash, 2)
		w.equal("all of the tenant", append(first, rest...), byHash(plain, all, neighbour))
		return err
	})
}

// takenTokens: of two rows of one hash in a tenant the first stands, whoever's it is.
func takenTokens(w *world) {
	tenant := w.tenant()
	a, b := tokenOf(tenant, newUID(), "one"), tokenOf(tenant, newUID(), "one")
	w.insertTokens(tenant, a)
	fresh := tokenOf(tenant, b.UID, "two")
	w.equal("taken", w.insertTokens(tenant, fresh, b), [][]byte{b.Hash})
	w.equal("the first", w.tokensOf(tenant, a.UID), byHash(a))
	w.equal("the second", w.tokensOf(tenant, b.UID), byHash(fresh))
	w.equal("none", w.insertTokens(tenant), [][]byte(nil))
}

func spentTokens(w *world) {
	tenant, other, uid := w.tenant(), w.tenant(), newUID()
	a, b := tokenOf(tenant, uid, "a"), tokenOf(tenant, uid, "b")
	w.insertTokens(tenant, a, b)
	w.equal("in another tenant", len(w.spendTokens(other, a.Hash)), 0)
	w.equal("one and none", w.spendTokens(tenant, a.Hash, hash("none")), [][]byte{a.Hash})
	w.equal("again", len(w.spendTokens(tenant, a.Hash)), 0)
	w.equal("the other", w.tokensOf(tenant, uid), byHash(b))
}

func tokensOfAPlace(w *world) {
	tenant, uid := w.tenant(), newUID()
	place := vault.TokenPlace{Collection: 1, Record: "a", Field: 1}
	var rows []vault.TokenRow
	for i := range 4 {
		k := tokenOf(tenant, uid, fmt.Sprint(i))
		k.Created, k.Sealed, k.Kind = instant(i), []byte{byte(i)}, 2
		rows = append(rows, k)
	}
	rows[2].Expires = instant(7)
	unsealed := tokenOf(tenant, uid, "unsealed")
	unsealed.Kind = 2
	others := []vault.TokenRow{
		tokenOf(tenant, newUID(), "u"), tokenOf(tenant, uid, "c"), tokenOf(tenant, uid, "r"), tokenOf(tenant, uid, "f"),
		tokenOf(tenant, uid, "p"), tokenOf(tenant, uid, "k"),
	}
	for i := range others {
		others[i].Kind, others[i].Sealed = 2, []byte("x")
	}
	others[1].Place.Collection, others[2].Place.Record, others[3].Place.Field = 2, "A", 2
	others[4].Purpose, others[5].Kind = "Billing", 3
	w.insertTokens(tenant, slices.Concat(rows, others, []vault.TokenRow{unsealed})...)
	w.view(func(ctx context.Context, tx vault.Tx) error {
		kept, err := tx.KeptTokens(ctx, tenant, uid, place, "billing", 2)
		w.equal("kept", kept, []vault.TokenRow{rows[3], rows[2], rows[1], rows[0]})
		if err != nil {
			return err
		}
		for at, want := range map[time.Time]int{instant(6): 7, instant(7): 6, instant(8): 6} { // with those of other kinds and purposes
			n, err := tx.CountTokens(ctx, tenant, uid, place, at)
			w.equal("tokens of the place", n, want)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func resealedTokens(w *world) {
	tenant, uid := w.tenant(), newUID()
	k := tokenOf(tenant, uid, "k")
	k.Sealed = []byte("old")
	w.insertTokens(tenant, k)
	next := k
	next.Sealed, next.MAC = []byte("new"), hash("new")
	reseal := func(r vault.TokenRow) error {
		return w.try(func(ctx context.Context, tx vault.Tx) error { return tx.ResealToken(ctx, r) })
	}
	w.is("ResealToken", reseal(next), nil)
	w.equal("after it", w.tokensOf(tenant, uid), byHash(next))
	moved, other, none := next, next, next
	moved.UID, other.Tenant, none.Hash = newUID(), w.tenant(), hash("none")
	for _, r := range []vault.TokenRow{moved, other, none} {
		w.is("ResealToken of none", reseal(r), vault.ErrStale)
	}
	w.equal("after these", w.tokensOf(tenant, uid), byHash(next))
}

func droppedTokens(w *world) {
	tenant, uid := w.tenant(), newUID()
	at := func(name string, change func(*vault.TokenRow)) vault.TokenRow {
		k := tokenOf(tenant, uid, name)
		change(&k)
		return k
	}
	first, second := at("1", func(*vault.TokenRow) {}), at("2", func(k *vault.TokenRow) { k.Place.Field = 2 })
	third, record := at("3", func(k *vault.TokenRow) { k.Place.Field = 3 }), at("r", func(k *vault.TokenRow) { k.Place.Record = "b" })
	coll, person := at("c", func(k *vault.TokenRow) { k.Place.Collection = 2 }), tokenOf(tenant, newUID(), "p")
	w.insertTokens(tenant, first, second, third, record, coll, person)
	ref := vault.RecordRef{Collection: 1, Record: "a"}
	drop := func(fields []uint32) {
		w.update(func(ctx context.Context, tx vault.Tx) error { return tx.DropFieldTokens(ctx, tenant, uid, ref, fields) })
	}
	drop([]uint32{})
	w.equal("of no field", len(w.tokensOf(tenant, uid)), 5)
	drop([]uint32{2, 9})
	w.equal("of a field", w.tokensOf(tenant, uid), byHash(first, third, record, coll))
	drop(nil)
	w.equal("of the record", w.tokensOf(tenant, uid), byHash(record, coll))
	w.equal("the neighbour", w.tokensOf(tenant, person.UID), byHash(person))

	now, group := at("now", func(k *vault.TokenRow) { k.Epoch = 2 }), at("group", func(k *vault.TokenRow) { k.Group = 3 })
	w.insertTokens(tenant, now, group)
	w.update(func(ctx context.Context, tx vault.Tx) error { return tx.DropGroupTokens(ctx, tenant, uid, 2, 2) })
	w.equal("of earlier epochs", w.tokensOf(tenant, uid), byHash(now, group))
	w.equal("the neighbour", w.tokensOf(tenant, person.UID), byHash(person))
}

func expiredTokens(w *world) {
	tenant, uid := w.tenant(), newUID()
	var all []vault.TokenRow
	for i := range 5 {
		k := tokenOf(tenant, uid, fmt.Sprint("expires ", i))
		k.Expires = instant(0).Add(time.Duration(i-5000) * time.Hour)
		all = append(all, k)
	}
	forever := tokenOf(tenant, uid, "forever")
	w.insertTokens(tenant, append(all, forever)...)
	drop := func(limit int) (n int) {
		w.update(func(ctx context.Context, tx vault.Tx) (err error) {
			n, err = tx.DropTokens(ctx, all[3].Expires, limit)
			return err
		})
		return n
	}
	w.equal("a part", drop(2), 2)
	w.equal("the rest", drop(10), 1)
	w.equal("nothing", drop(10), 0)
	w.equal("what is left", w.tokensOf(tenant, uid), byHash(all[3], all[4], forever))
}

func tokenWrites() []write {
	return []write{
		{"InsertTokens", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			_, err := tx.InsertTokens(ctx, s.Tenant, []vault.TokenRow{tokenOf(s.Tenant, s.UID, "new")})
			return err
		}},
		{"ResealToken", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			k := fillToken(s.Tenant, s.UID)
			k.Sealed = []byte("new")
			return tx.ResealToken(ctx, k)
		}},
		{"SpendTokens", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			_, err := tx.SpendTokens(ctx, s.Tenant, [][]byte{fillToken(s.Tenant, s.UID).Hash})
			return err
		}},
		{"DropFieldTokens", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			return tx.DropFieldTokens(ctx, s.Tenant, s.UID, vault.RecordRef{Collection: 1, Record: "a"}, nil)
		}},
		{"DropFieldTokens of a field", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			return tx.DropFieldTokens(ctx, s.Tenant, s.UID, vault.RecordRef{Collection: 1, Record: "a"}, []uint32{1})
		}},
		{"DropGroupTokens", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			return tx.DropGroupTokens(ctx, s.Tenant, s.UID, 2, 2)
		}},
		{"DropTokens", func(ctx context.Context, tx vault.Tx, _ vault.Subject) error {
			_, err := tx.DropTokens(ctx, instant(1000), 1000)
			return err
		}},
	}
}

// refusedTokens are the methods about tokens that take text.
func refusedTokens() []refusedCall {
	insertOne := func(change func(*vault.TokenRow, string)) func(context.Context, vault.Tx, vault.Subject, string) error {
		return func(ctx context.Context, tx vault.Tx, s vault.Subject, text string) error {
			k := tokenOf(s.Tenant, s.UID, "refused")
			change(&k, text)
			_, err := tx.InsertTokens(ctx, s.Tenant, []vault.TokenRow{k})
			return err
		}
	}
	return []refusedCall{
		{"InsertTokens, record", insertOne(func(k *vault.TokenRow, text string) { k.Place.Record = text })},
		{"InsertTokens, purpose", insertOne(func(k *vault.TokenRow, text string) { k.Purpose = text })},
		{"CountTokens", func(ctx context.Context, tx vault.Tx, s vault.Subject, text string) error {
			_, err := tx.CountTokens(ctx, s.Tenant, s.UID, vault.TokenPlace{Collection: 1, Record: text, Field: 1}, instant(1))
			return err
		}},
		{"KeptTokens, record", func(ctx context.Context, tx vault.Tx, s vault.Subject, text string) error {
			_, err := tx.KeptTokens(ctx, s.Tenant, s.UID, vault.TokenPlace{Collection: 1, Record: text, Field: 1}, "p", 1)
			return err
		}},
		{"KeptTokens, purpose", func(ctx context.Context, tx vault.Tx, s vault.Subject, text string) error {
			_, err := tx.KeptTokens(ctx, s.Tenant, s.UID, vault.TokenPlace{Collection: 1, Record: "a", Field: 1}, text, 1)
			return err
		}},
		{"DropFieldTokens", func(ctx context.Context, tx vault.Tx, s vault.Subject, text string) error {
			return tx.DropFieldTokens(ctx, s.Tenant, s.UID, vault.RecordRef{Collection: 1, Record: text}, nil)
		}},
	}
}

// raceTokens: of many callers at once that spend tokens, in any order, one gets each.
func raceTokens(w *world) {
	tenant, uid := w.tenant(), newUID()
	a, b := tokenOf(tenant, uid, "a"), tokenOf(tenant, uid, "b")
	w.insertTokens(tenant, a, b)
	won := w.race(func(ctx context.Context, tx vault.Tx, i int) (bool, error) {
		hashes := [][]byte{a.Hash, b.Hash}
		if i%2 == 1 {
			slices.Reverse(hashes)
		}
		spent, err := tx.SpendTokens(ctx, tenant, hashes)
		return len(spent) == 2, err
	})
	w.equal("who got both", won, 1)
	w.equal("what is left", w.tokensOf(tenant, uid), []vault.TokenRow{})
	made := w.race(func(ctx context.Context, tx vault.Tx, _ int) (bool, error) {
		taken, err := tx.InsertTokens(ctx, tenant, []vault.TokenRow{a, b})
		return len(taken) == 0, err
	})
	w.equal("who made both", made, 1)
}
