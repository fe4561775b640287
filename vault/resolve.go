package vault

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
)

// A Resolved is whom one pseudonym stands for. Err is ErrNotFound where it stands for
// nobody, whatever the cause, and ErrIntegrity if the name of a person for whom it
// stands does not open.
type Resolved struct {
	Subject string
	Err     error
}

// Resolve says whom up to MaxItems pseudonyms of the caller's purpose and a recipient
// stand for, in order. It needs the action resolve. Each person is on record before
// their name is opened, and counts for [Config.ReadLimit].
//
// A pseudonym of a person who was erased or for whom the purpose does not hold, one of
// another purpose, recipient or tenant, and what was never one are alike: ErrNotFound.
// The error is for the call as a whole, as in [Vault.Pseudonymise]; beyond the limit a
// *LimitError or an *ApprovalError.
func (v *Vault) Resolve(ctx context.Context, c accessctl.Caller, recipient string, pseudonyms []string) ([]Resolved, error) {
	var out []Resolved
	err := v.underNames(ctx, c, accessctl.ActionResolve, recipient, len(pseudonyms), func(n *naming) (err error) {
		out, err = n.resolve(ctx, pseudonyms)
		return err
	})
	return out, err
}

// A stood is a person, of one generation, for whom an item's pseudonym stands.
type stood struct {
	item       int
	uid        uuid.UUID
	generation uint32
}

func (n *naming) resolve(ctx context.Context, pseudonyms []string) ([]Resolved, error) {
	out := make([]Resolved, len(pseudonyms))
	var list []stood
	for i, text := range pseudonyms {
		out[i].Err = ErrNotFound
		if uid, generation, err := n.names.Open(text); err == nil {
			list = append(list, stood{i, uid, generation})
		}
	}
	q, list, err := n.find(ctx, list)
	if err != nil {
		return nil, err
	}
	if len(list) < len(pseudonyms) {
		n.people.of(nil).fail(codeNotFound) // one event for all that stand for nobody
	}
	began := n.v.tick()
	l, err := n.load(ctx, q)
	if err != nil {
		return nil, err
	}
	for j := range list {
		n.plan(&list[j], q.Items[j].Lookup, &l.Items[j])
	}
	if err := n.within(ctx); err != nil {
		return nil, err
	}
	if err := n.record(ctx); err != nil {
		return nil, err
	}
	if !n.open.any() {
		return out, nil
	}
	if err := n.openNames(ctx, l, list, out); err != nil {
		return nil, err
	}
	return out, n.inTime(began)
}

// find looks the people up whose uids the directory still knows.
func (n *naming) find(ctx context.Context, list []stood) (q LoadQuery, found []stood, err error) {
	q = LoadQuery{Tenant: n.t.row.ID, Identity: true}
	if len(list) == 0 {
		return q, nil, nil
	}
	uids := make([]uuid.UUID, len(list))
	for i := range list {
		uids[i] = list[i].uid
	}
	var lookups map[uuid.UUID][]byte
	err = n.v.store.View(ctx, func(tx Tx) (err error) {
		lookups, err = tx.LookupsByUID(ctx, n.t.row.ID, uids)
		return err
	})
	if err != nil {
		return q, nil, fmt.Errorf("finding people: %w", err)
	}
	for _, s := range list {
		if lookup, ok := lookups[s.uid]; ok {
			q.Items, found = append(q.Items, Ref{Lookup: lookup}), append(found, s)
		}
	}
	return q, found, nil
}

// plan plans the opening of a person's name, if the pseudonym stands for them now.
func (n *naming) plan(s *stood, lookup []byte, l *LoadedItem) {
	if l.Subject != nil && (l.Subject.UID != s.uid || l.Subject.Generation != s.generation) {
		l.Subject = nil // another life: erased and come back since it was found
	}
	own := n.c.Person != "" && string(n.t.hash(n.c.Person)) == string(lookup)
	p, ok := n.decide(lookup, l, own)
	if !ok {
		return
	}
	id := keyOf(l.Keys, identityGroup)
	if id == nil || id.Wrapped == nil {
		p.allowed = false
		p.fail(codeIntegrity)
		return
	}
	n.open.add(opening{want: &want{at: s.item}, answer: -1, person: p}, n.t, l.Subject, id)
}

// openNames opens the names that were planned, into the items' answers.
func (n *naming) openNames(ctx context.Context, l *Loaded, list []stood, out []Resolved) error {
	loaded := make(map[int]*LoadedItem, len(list))
	for j := range list {
		loaded[list[j].item] = &l.Items[j]
	}
	keys, errs, err := n.v.openKeys(ctx, n.t, n.open.keys)
	if err != nil {
		return n.closed(ctx, err)
	}
	var failures []audit.Event
	for i := range n.open.list {
		o := &n.open.list[i]
		at, id := o.want.at, &n.open.keys[o.key].ID
		out[at].Err = ErrIntegrity
		if errs == nil || errs[o.key] == nil {
			name, err := keys[o.key].Open(identityPlace(n.t, id.UID, id.Epoch, placeID), loaded[at].Subject.SealedID)
			if err == nil {
				out[at] = Resolved{Subject: string(name.Expose())}
				name.Wipe()
				continue
			}
		}
		if !o.person.failed {
			o.person.failed = true
			failures = append(failures, n.failure(o.person, codeIntegrity))
		}
	}
	return n.v.record(ctx, n.t, failures...)
}

// closed records that no name was opened after all, and says why.
func (n *naming) closed(ctx context.Context, cause error) error {
	var failures []audit.Event
	for _, p := range n.people.list {
		if p.allowed {
			failures = append(failures, n.failure(p, codeKEK))
		}
	}
	if err := n.v.record(ctx, n.t, failures...); err != nil {
		return err
	}
	return fmt.Errorf("opening keys: %w", unavailable(cause))
}
