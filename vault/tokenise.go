package vault

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/crypto/field"
	"github.com/fieldvault/fieldvault/crypto/secret"
	"github.com/fieldvault/fieldvault/vault/catalog"
	"github.com/fieldvault/fieldvault/vault/token"
)

// A Tokenising asks for tokens of one kind.
type Tokenising struct {
	Kind       TokenKind
	Collection string
	Items      []TokenItem // at most MaxItems
	// Life is how long the tokens stand, in whole seconds, at most MaxTokenLife; 0: as
	// long as the field. Not of deterministic ones.
	Life time.Duration
	// Once: each token is used up by the first call that is let see something by it. Not of
	// deterministic ones.
	Once bool
}

// A TokenItem names a stored field for which a token is to stand.
type TokenItem struct {
	Subject string
	Record  string
	Field   string
}

// A Tokenised answers a TokenItem. Err is ErrNotFound if there is nothing for which a token
// may stand, whatever the cause: no such person, record or value, no permission for the
// field, no consent, a restriction, an objection. It is ErrIntegrity for a value that does
// not open, and an *InvalidError for what is no name, a field whose tokens have no form, one
// that has MaxTokens, one whose form has no token left, and a value that is too short for it
// or has letters or digits that would show in it.
type Tokenised struct {
	Token   string
	Expires time.Time // zero: never
	Err     error
}

// Tokenise makes tokens that stand for fields in place of their values, or answers those
// that stand, as [TokenKind] says. It needs the action tokenise on the field. A token is
// for the caller's purpose, and is worth nothing without the right to use it: see
// [Vault.Detokenise].
//
// A token stands for the field, not for the value: after a change it shows the new value. It
// ends with its own time, when it is revoked, with the field, the record or the key group,
// and with the person; what is stored later under the same names has other tokens.
//
// No value leaves. The error is for the call as a whole: ErrDenied, ErrTooLarge,
// ErrUnavailable, or an *InvalidError about the purpose, the collection or the kind.
func (v *Vault) Tokenise(ctx context.Context, c accessctl.Caller, in Tokenising) ([]Tokenised, error) {
	if len(in.Items) > MaxItems {
		return nil, ErrTooLarge
	}
	return again(func() ([]Tokenised, error) { return v.tokenise(ctx, c, in) })
}

func (in *Tokenising) check() error {
	switch {
	case in.Kind.number() == 0:
		return invalid("kind", "must be random, deterministic or format")
	case in.Life < 0 || in.Life > MaxTokenLife || in.Life%time.Second != 0:
		return invalid("expires_in", "must be from 1 second to 3653 days")
	case in.Kind == TokenDeterministic && (in.Life > 0 || in.Once):
		return invalid("kind", "must not be deterministic of tokens that expire or are for a single use")
	}
	return nil
}

// stable says whether asking again gives the same token.
func (in *Tokenising) stable() bool { return in.Kind != TokenRandom && in.Life == 0 && !in.Once }

// A tokenising is one request for tokens.
type tokenising struct {
	reading
	in          Tokenising
	at          time.Time
	incarnation string
	made        []Tokenised
	items       []*tokenItem // that may have a token
}

// A tokenItem is a field that may have a token.
type tokenItem struct {
	at     int // index of the item
	want   *want
	loaded *LoadedItem
	field  *catalog.Field
	person *person
	place  TokenPlace
	sealed field.Sealed
	value  *tokenValue // nil where only random tokens are made
	key    *field.Key
}

// A tokenValue is the value for which a token is made.
type tokenValue struct {
	plain  secret.Bytes
	digest [32]byte
}

func (v *Vault) tokenise(ctx context.Context, c accessctl.Caller, in Tokenising) ([]Tokenised, error) {
	t, s, err := v.freshOpen(ctx, c.Tenant)
	if err != nil {
		return nil, err
	}
	if err := s.checkPurpose(c.Purpose); err != nil {
		return nil, err
	}
	k := &tokenising{
		reading: reading{v: v, c: c, action: accessctl.ActionTokenise, t: t, s: s, d: s.decider(c), out: make([]Revealed, len(in.Items))},
		in:      in, at: v.now(), made: make([]Tokenised, len(in.Items)),
	}
	k.why, _ = s.catalog.Purpose(string(c.Purpose))
	if !k.d.Has(accessctl.ActionTokenise, s.fields) {
		return nil, v.denied(ctx, t, s, c, accessctl.ActionTokenise)
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	if _, ok := s.catalog.Collection(in.Collection); !ok {
		return nil, invalid("collection", "is not in the catalog")
	}
	for i := range in.Items {
		k.made[i].Err = k.ask(i, &in.Items[i])
	}
	defer k.wipe()
	if len(k.wants) == 0 {
		return k.made, nil
	}
	if err := k.load(ctx); err != nil {
		return nil, err
	}
	if err := k.openValues(ctx); err != nil {
		return nil, err
	}
	if len(k.items) == 0 {
		return k.made, v.record(ctx, t, k.events()...)
	}
	if err := v.store.Update(ctx, func(tx Tx) error { return k.apply(ctx, tx) }); err != nil {
		return nil, err
	}
	return k.made, nil
}

// ask resolves the names of an item.
func (k *tokenising) ask(i int, it *TokenItem) error {
	if it.Field == "*" {
		return invalid("field", "must be named")
	}
	w, err := k.want(&Item{Subject: it.Subject, Collection: k.in.Collection, Record: it.Record, Fields: []string{it.Field}})
	if err != nil {
		return err
	}
	if f := w.fields[0]; k.in.Kind == TokenFormat && f.Token == nil {
		return invalid(w.coll.Name+"."+f.Name, "has no form of tokens in the catalog")
	}
	w.at = i
	k.wants = append(k.wants, w)
	return nil
}

// load reads what decides, and decides.
func (k *tokenising) load(ctx context.Context) error {
	q := LoadQuery{Tenant: k.t.row.ID, Items: make([]Ref, len(k.wants))}
	for i := range k.wants {
		w := &k.wants[i]
		q.Items[i] = Ref{Lookup: w.lookup, Collection: w.coll.ID, Record: w.record}
	}
	l, broken, err := k.v.load(ctx, q)
	if err != nil {
		return err
	}
	if _, reloaded, err := k.v.at(ctx, k.t, k.s, l); err != nil {
		return err
	} else if reloaded {
		return errRestart
	}
	if err := k.v.guard(ctx, l.Incarnation); err != nil {
		return err
	}
	k.incarnation = l.Incarnation
	for i := range k.wants {
		w := &k.wants[i]
		p := k.people.of(w.lookup)
		if broken != nil && broken[i] {
			p.fail(codeIntegrity)
			k.made[w.at].Err = ErrNotFound
			continue
		}
		if code := k.decide(w, &l.Items[i], p); code != "" {
			p.fail(code)
			k.made[w.at].Err = ErrNotFound
		}
	}
	return nil
}

// decide says whether a token may stand for the field, as it would be asked before the
// field is shown, and that the caller may make one; else why not, as a code.
func (k *tokenising) decide(w *want, l *LoadedItem, p *person) string {
	stored, code := k.state(w, l, p)
	if code != "" {
		return code
	}
	f := w.fields[0]
	state := accessctl.State{
		Consent:    k.t.consentFor(k.s.catalog, l.Subject.UID, l.Consents, k.c.Purpose, k.v.now()),
		Restricted: l.Subject.Restricted,
		Own:        w.own,
	}
	s := find(stored, f)
	var key *DataKey
	if s != nil {
		if key = keyOf(l.Keys, s.Group); key == nil || key.Wrapped == nil || key.Epoch != s.Epoch {
			s = nil // the group was erased
		} else {
			state.Expired = k.expired(f, s)
		}
	}
	d := k.d.Permit(accessctl.ActionTokenise, w.facts[0], state)
	switch {
	case !d.Allowed:
		return string(d.Reason)
	case s == nil:
		return codeNotFound
	}
	it := &tokenItem{
		at: w.at, want: w, loaded: l, field: f, person: p, sealed: *s,
		place: TokenPlace{Collection: w.coll.ID, Record: w.record, Field: f.ID},
	}
	if k.in.Kind != TokenRandom {
		if !k.open.room(len(s.Ciphertext.Body), false) {
			k.made[w.at].Err = ErrTooLarge
			return ""
		}
		k.out[w.at].Fields = []Answer{{Field: f, View: accessctl.Plain}}
		k.open.add(opening{want: w, person: p, sealed: sealedValue{s.Ciphertext, s.Revision}, view: accessctl.Plain}, k.t, l.Subject, key)
	}
	p.allowed = true
	p.saw(w.coll.ID, f.ID, accessctl.Decision{View: accessctl.Hidden})
	k.items = append(k.items, it)
	return ""
}

// openValues opens the values of which a token depends. What does not open has none.
func (k *tokenising) openValues(ctx context.Context) error {
	if !k.open.any() {
		return nil
	}
	keys, errs, err := k.v.openKeys(ctx, k.t, k.open.keys)
	if err != nil {
		return k.failAll(ctx, err)
	}
	var opener field.Opener
	defer opener.Close()
	kept := k.items[:0]
	for i, it := range k.items {
		o := &k.open.list[i] // one an item, in their order
		if errs == nil || errs[o.key] == nil {
			if plain, err := k.openOne(&opener, o, keys[o.key]); err == nil {
				it.value, it.key = &tokenValue{plain, token.DigestOf(k.form(it.field), plain)}, keys[o.key]
				kept = append(kept, it)
				continue
			}
		}
		it.person.fail(codeIntegrity)
		k.made[it.at].Err = ErrIntegrity
	}
	k.items = kept
	for _, p := range k.people.list {
		p.allowed = slices.ContainsFunc(kept, func(it *tokenItem) bool { return it.person == p })
	}
	return nil
}

// form is that of the tokens that are asked for, if they have one.
func (k *tokenising) form(f *catalog.Field) string {
	if k.in.Kind != TokenFormat {
		return ""
	}
	return formatOf(f).ID()
}

func (k *tokenising) wipe() {
	for _, it := range k.items {
		if it.value != nil {
			it.value.plain.Wipe()
		}
	}
}

// apply stores the tokens and the events, of people who are as they were when it was decided.
func (k *tokenising) apply(ctx context.Context, tx Tx) error {
	if err := k.v.sameDatabase(ctx, tx, k.incarnation); err != nil {
		return err
	}
	for _, it := range k.items {
		k.made[it.at] = Tokenised{} // Update may run this again
	}
	m := &mint{k: k, standing: map[string]*tokenItem{}}
	order := slices.Clone(k.items)
	slices.SortStableFunc(order, func(a, b *tokenItem) int { return bytes.Compare(a.want.lookup, b.want.lookup) })
	for i, it := range order {
		if i == 0 || !bytes.Equal(it.want.lookup, order[i-1].want.lookup) {
			if err := k.lock(ctx, tx, it); err != nil {
				return err
			}
		}
		if err := m.item(ctx, tx, it); err != nil {
			return err
		}
	}
	if err := m.store(ctx, tx); err != nil {
		return err
	}
	for _, it := range order {
		if first := m.copies[it.at]; first != nil {
			k.made[it.at] = k.made[first.at]
		}
	}
	return k.v.appendAll(ctx, tx, k.t, k.events())
}

// lock locks the person, who must be as they were: nothing that decides has changed since.
func (k *tokenising) lock(ctx context.Context, tx Tx, it *tokenItem) error {
	now, err := tx.Subject(ctx, k.t.row.ID, it.want.lookup, ExclusiveLock)
	if err != nil {
		return notRow(err, errRestart)
	}
	if !bytes.Equal(now.Mark, it.loaded.Subject.Mark) || now.UID != it.person.uid || now.State != Live {
		return errRestart
	}
	if !k.in.stable() {
		return nil
	}
	keys, err := tx.Keys(ctx, k.t.row.ID, now.UID)
	if err != nil {
		return fmt.Errorf("reading keys: %w", err)
	}
	for _, was := range it.loaded.Keys { // what is sealed is sealed with keys that stand
		if is := keyOf(keys, was.Group); is == nil || is.Version != was.Version {
			return errRestart
		}
	}
	return nil
}

// events are those of the request, with the kind of its tokens. Of a person none of whose
// fields got a token the event says so.
func (k *tokenising) events() []audit.Event {
	for _, it := range k.items {
		it.person.allowed = false
	}
	for _, it := range k.items {
		it.person.allowed = it.person.allowed || k.made[it.at].Err == nil
	}
	for _, it := range k.items {
		if !it.person.allowed {
			it.person.fail(codeConflict)
		}
	}
	events := k.people.events(&k.reading)
	for i := range events {
		kind := audit.Attr{Key: "kind", Value: string(k.in.Kind)}
		events[i].Subject = append([]audit.Attr{kind}, events[i].Subject...) // which is shared: roles, after it
	}
	return events
}

// tokenError is what the maker of texts says, as an error of the item.
func tokenError(w *want, err error) error {
	what := w.coll.Name + "." + w.fields[0].Name
	switch {
	case errors.Is(err, token.ErrValue):
		return invalid(what, "has a value that is too short or too long for a token of the form, or letters or digits that would show in it")
	case errors.Is(err, token.ErrFormat):
		return invalid(what, "has no form of tokens in the catalog")
	}
	return fmt.Errorf("making a token: %w", err)
}
