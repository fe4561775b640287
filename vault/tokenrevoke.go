package vault

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/audit/report"
	"github.com/fieldvault/fieldvault/vault/catalog"
)

// codeRevoked says of an event of ActionTokenise that tokens were taken back.
const codeRevoked = "revoked"

// tokenField is the field for which a token stands; nil if the catalog dropped it.
func (s *settings) tokenField(r *TokenRow) (*catalog.Collection, *catalog.Field) {
	coll, ok := s.catalog.CollectionByID(r.Place.Collection)
	if !ok {
		return nil, nil
	}
	f, ok := coll.FieldByID(r.Place.Field)
	if !ok || f.GroupID != r.Group {
		return nil, nil
	}
	return coll, f
}

// RevokeTokens takes up to MaxItems tokens of the caller's purpose back, in order: nothing
// stands for them from then on. It needs the action tokenise on the field, whatever the
// person says of the purpose: taking back shows nothing. An error of an item is ErrNotFound,
// for all that [Vault.Detokenise] does not tell apart. The other error is for the call as a
// whole, as in [Vault.Tokenise]; then none was taken back.
func (v *Vault) RevokeTokens(ctx context.Context, c accessctl.Caller, tokens []string) ([]error, error) {
	if len(tokens) > MaxItems {
		return nil, ErrTooLarge
	}
	t, s, err := v.freshOpen(ctx, c.Tenant)
	if err != nil {
		return nil, err
	}
	if err := s.checkPurpose(c.Purpose); err != nil {
		return nil, err
	}
	d := s.decider(c)
	if !d.Has(accessctl.ActionTokenise, s.fields) {
		return nil, v.denied(ctx, t, s, c, accessctl.ActionTokenise)
	}
	k := &revoking{reading: reading{v: v, c: c, action: accessctl.ActionTokenise, t: t, s: s, d: d}, errs: make([]error, len(tokens))}
	hashes := t.hashesOf(tokens)
	owners, err := v.tokenOwners(ctx, t, hashes, nil)
	if err != nil {
		return nil, err
	}
	for i, h := range hashes {
		k.plan(i, h, owners)
	}
	if err := k.load(ctx); err != nil {
		return nil, err
	}
	err = v.store.Update(ctx, func(tx Tx) error { return k.apply(ctx, tx) })
	if err != nil {
		return nil, err
	}
	v.unclean.Store(true)
	return k.errs, nil
}

// A revoking is one request to take tokens back.
type revoking struct {
	reading
	errs  []error
	items []revoked
}

// A revoked is a token that may be taken back.
type revoked struct {
	at     int
	row    *TokenRow
	person *person
	want   want
}

// plan decides about one token.
func (k *revoking) plan(at int, h []byte, owners map[string]tokenOwner) {
	o, ok := owners[string(h)]
	if !ok {
		k.refuse(at, codeNotFound)
		return
	}
	w, code := k.wantToken(o)
	if code != "" {
		k.refuse(at, code)
		return
	}
	ideal := accessctl.State{Consent: accessctl.ConsentGranted, Own: w.own}
	if d := k.d.Permit(accessctl.ActionTokenise, w.facts[0], ideal); !d.Allowed {
		k.refuse(at, string(d.Reason))
		return
	}
	k.items = append(k.items, revoked{at: at, row: o.row, want: w})
}

// load leaves the tokens for which something stands: those of the erased, and of what is
// gone, are not told from what never was one. What cannot be read can be taken back.
func (k *revoking) load(ctx context.Context) error {
	if len(k.items) == 0 {
		return nil
	}
	q := LoadQuery{Tenant: k.t.row.ID, Items: make([]Ref, len(k.items))}
	for i := range k.items {
		w := &k.items[i].want
		q.Items[i] = Ref{Lookup: w.lookup, Collection: w.coll.ID, Record: w.record}
	}
	l, broken, err := k.v.load(ctx, q)
	if err != nil {
		return err
	}
	kept := k.items[:0]
	for i, it := range k.items {
		p := &person{}
		code := codeIntegrity
		if broken == nil || !broken[i] {
			code = k.standing(&it.want, &l.Items[i], p)
		}
		if code != "" && code != codeIntegrity {
			k.refuse(it.at, codeNotFound)
			continue
		}
		it.person = k.people.of(it.want.lookup)
		it.person.uid, it.person.own = it.row.UID, it.want.own
		kept = append(kept, it)
	}
	k.items = kept
	return nil
}

// standing says, as a code, why nothing stands for a token.
func (k *revoking) standing(w *want, l *LoadedItem, p *person) string {
	stored, code := k.state(w, l, p)
	if code != "" {
		return code
	}
	s := find(stored, w.fields[0])
	if s == nil || s.Epoch != w.token.Epoch {
		return codeNotFound
	}
	if key := keyOf(l.Keys, s.Group); key == nil || key.Wrapped == nil || key.Epoch != s.Epoch {
		return codeNotFound // the group was erased
	}
	return ""
}

func (k *revoking) refuse(at int, code string) {
	k.people.of(nil).fail(code)
	k.errs[at] = ErrNotFound
}

// apply removes the rows, and records for each person that it did.
func (k *revoking) apply(ctx context.Context, tx Tx) error {
	if err := k.v.stillOpen(ctx, tx); err != nil {
		return err
	}
	hashes := make([][]byte, len(k.items))
	for i := range k.items {
		hashes[i] = k.items[i].row.Hash
		k.items[i].person.allowed, k.items[i].person.views = false, nil // Update may run this again
	}
	slices.SortFunc(hashes, bytes.Compare)
	spent, err := tx.SpendTokens(ctx, k.t.row.ID, slices.CompactFunc(hashes, bytes.Equal))
	if err != nil {
		return fmt.Errorf("taking tokens back: %w", err)
	}
	for _, it := range k.items {
		i := slices.IndexFunc(spent, func(h []byte) bool { return bytes.Equal(h, it.row.Hash) })
		if i < 0 {
			k.errs[it.at] = ErrNotFound
			continue
		}
		k.errs[it.at], it.person.allowed = nil, true
		it.person.saw(it.row.Place.Collection, it.row.Place.Field, accessctl.Decision{View: accessctl.Hidden})
	}
	return k.v.appendAll(ctx, tx, k.t, k.events())
}

// events are one for each person, and one for all that stood for nothing.
func (k *revoking) events() []audit.Event {
	var list []audit.Event
	for _, p := range k.people.list {
		e := about(k.v.event(k.t, k.s, k.c, k.action), k.c, p.uid, p.own)
		e.Fields, e.Subject = p.views.sorted(), report.RolesAttr(k.c.Roles)
		switch {
		case p.allowed:
			e.Code = codeRevoked
		case hides(p.code):
			e.Outcome, e.Code = audit.Denied, p.code
		case p.code == "":
			e.Outcome, e.Code = audit.Failed, codeNotFound
		default:
			e.Outcome, e.Code = audit.Failed, p.code
		}
		list = append(list, e)
	}
	return list
}
