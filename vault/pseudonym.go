package vault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/crypto/field"
	"github.com/fieldvault/fieldvault/crypto/secret"
)

// A Pseudonym is what stands for one person. Err is ErrNotFound where there is none,
// whatever the cause, and an *InvalidError for a name that is none.
type Pseudonym struct {
	Text string
	Err  error
}

// Pseudonymise gives up to MaxItems people, in order, the pseudonyms under which a
// recipient of the caller's purpose knows them. It needs the action pseudonymise.
//
// A pseudonym stays the same while the person lives, over restarts and rotations of
// keys; those for another purpose, recipient or tenant have nothing in common with it.
// It exists only while the purpose holds for the person: after erasure, and while
// consent is missing, an objection stands or processing is restricted, there is none,
// and nobody is told which of these it is, or that there is no such person.
// A recipient that gets another name in the catalog is another recipient.
//
// The error is for the call as a whole: ErrDenied, ErrTooLarge, ErrUnavailable, or an
// *InvalidError about the purpose or the recipient.
func (v *Vault) Pseudonymise(ctx context.Context, c accessctl.Caller, recipient string, subjects []string) ([]Pseudonym, error) {
	var out []Pseudonym
	err := v.underNames(ctx, c, accessctl.ActionPseudonymise, recipient, len(subjects), func(n *naming) (err error) {
		out, err = n.pseudonymise(ctx, subjects)
		return err
	})
	return out, err
}

// A naming is one request that makes or resolves pseudonyms.
type naming struct {
	reading
	names *field.Pseudonyms
	place int // of the recipient among those of the purpose, from 1
}

// underNames permits the action, derives the key of the pseudonyms, and runs f: again
// if the settings that it went by are no longer in force.
func (v *Vault) underNames(ctx context.Context, c accessctl.Caller, a accessctl.Action, recipient string, items int, f func(*naming) error) error {
	if items > MaxItems {
		return ErrTooLarge
	}
	for range attempts {
		n, err := v.newNaming(ctx, c, a, recipient)
		if err == nil {
			err = f(n)
		}
		if !errors.Is(err, errRestart) {
			return err
		}
	}
	return fmt.Errorf("%w: the catalog or policy changes all the while", ErrUnavailable)
}

func (v *Vault) newNaming(ctx context.Context, c accessctl.Caller, a accessctl.Action, recipient string) (*naming, error) {
	t, s, err := v.freshOpen(ctx, c.Tenant)
	if err != nil {
		return nil, err
	}
	if err := s.checkPurpose(c.Purpose); err != nil {
		return nil, err
	}
	d := s.decider(c)
	if !d.Has(a, nil) {
		return nil, v.denied(ctx, t, s, c, a)
	}
	n := &naming{reading: reading{v: v, c: c, action: a, t: t, s: s, d: d}}
	if n.place, err = s.recipient(c.Purpose, recipient); err != nil {
		return nil, err
	}
	k, err := v.pseudonymKey(ctx, t)
	if err != nil {
		return nil, err
	}
	if n.names, err = k.For(t.row.Name, string(c.Purpose), recipient); err != nil {
		return nil, fmt.Errorf("deriving a key of pseudonyms: %w", err)
	}
	return n, nil
}

// recipient is the place of a recipient among those that the purpose lists, from 1.
func (s *settings) recipient(p accessctl.Purpose, name string) (int, error) {
	why, ok := s.catalog.Purpose(string(p))
	if !ok || len(why.Recipients) == 0 {
		return 0, invalid("recipient", "cannot be named: the purpose lists none in the catalog")
	}
	i := slices.Index(why.Recipients, name)
	if i < 0 || name == "" {
		return 0, invalid("recipient", "must be one that the purpose lists: "+strings.Join(why.Recipients, ", "))
	}
	return i + 1, nil
}

// pseudonymKey is the tenant's. It was made with the tenant; nodes make none, so that
// two of them never have different ones.
func (v *Vault) pseudonymKey(ctx context.Context, t *tenant) (*field.PseudonymKey, error) {
	if k := t.pseudonyms.Load(); k != nil {
		return k, nil
	}
	keys, err := tenantKeys(ctx, v.store, t.row.ID)
	if err != nil {
		return nil, fmt.Errorf("reading keys of the tenant: %w", err)
	}
	keys = slices.DeleteFunc(keys, func(k TenantKey) bool { return k.Label != labelPseudonym })
	if len(keys) == 0 {
		return nil, fmt.Errorf("%w: the tenant has no key for pseudonyms: run `fieldvault tenant create` again", ErrUnavailable)
	}
	opened, err := v.openSecrets(ctx, t.row.Name, keys)
	if err != nil {
		return nil, fmt.Errorf("opening a key of the tenant: %w", unavailable(err))
	}
	if err := t.pinPseudonyms(opened[labelPseudonym]); err != nil {
		return nil, err
	}
	return t.pseudonyms.Load(), nil
}

func (t *tenant) pinPseudonyms(k secret.Bytes) error {
	key, err := field.NewPseudonymKey(k)
	if err != nil {
		return fmt.Errorf("opening the key for pseudonyms: %w", err)
	}
	t.pseudonyms.Store(key)
	return nil
}

func (n *naming) pseudonymise(ctx context.Context, subjects []string) ([]Pseudonym, error) {
	out := make([]Pseudonym, len(subjects))
	q := LoadQuery{Tenant: n.t.row.ID}
	at := make([]int, 0, len(subjects)) // of which item each answer of the load is
	for i, subject := range subjects {
		if out[i].Err = checkID("subject", subject); out[i].Err == nil {
			q.Items, at = append(q.Items, Ref{Lookup: n.t.hash(subject)}), append(at, i)
		}
	}
	if len(at) == 0 {
		return out, nil
	}
	began := n.v.tick()
	l, err := n.load(ctx, q)
	if err != nil {
		return nil, err
	}
	for j, i := range at {
		item := &l.Items[j]
		if _, ok := n.decide(q.Items[j].Lookup, item, own(n.c, subjects[i])); !ok {
			out[i].Err = ErrNotFound
			continue
		}
		if out[i].Text, err = n.names.Make(item.Subject.UID, item.Subject.Generation); err != nil {
			return nil, fmt.Errorf("making a pseudonym: %w", err)
		}
	}
	if err := n.record(ctx); err != nil {
		return nil, err
	}
	return out, n.inTime(began)
}

// load reads what decides, if the settings at hand are those in force and the gate is open.
func (n *naming) load(ctx context.Context, q LoadQuery) (*Loaded, error) {
	l, broken, err := n.v.load(ctx, q)
	if err != nil {
		return nil, err
	}
	for i := range broken {
		if broken[i] {
			n.people.of(q.Items[i].Lookup).fail(codeIntegrity)
		}
	}
	if _, reloaded, err := n.v.at(ctx, n.t, n.s, l); err != nil {
		return nil, err
	} else if reloaded {
		return nil, errRestart
	}
	return l, n.v.guard(ctx, l.Incarnation)
}

// decide says whether the purpose holds for the person now, as it would be asked before
// a field of theirs is shown, and that the caller may do the action.
func (n *naming) decide(lookup []byte, l *LoadedItem, own bool) (*person, bool) {
	p := n.people.of(lookup)
	if code := n.standsFor(p, l); code != "" {
		p.fail(code)
		return p, false
	}
	p.own = own
	d := n.d.PermitPersonIn(n.action, accessctl.State{
		Consent:    n.t.consentFor(n.s.catalog, l.Subject.UID, l.Consents, n.c.Purpose, n.v.now()),
		Restricted: l.Subject.Restricted, Own: own,
	})
	if !d.Allowed {
		p.fail(string(d.Reason))
		return p, false
	}
	p.allowed = true
	return p, true
}

// standsFor says, as a code, why there is nothing to decide about.
func (n *naming) standsFor(p *person, l *LoadedItem) string {
	s := l.Subject
	if s == nil {
		return codeNotFound
	}
	p.uid = s.UID
	return n.alive(l)
}

// record makes the request durable: an event for each person.
func (n *naming) record(ctx context.Context) error {
	events := n.people.events(&n.reading)
	for i := range events {
		to := audit.Attr{Key: "recipient", Value: strconv.Itoa(n.place)}
		events[i].Subject = append([]audit.Attr{to}, events[i].Subject...) // which is shared: roles, after it
	}
	return n.v.record(ctx, n.t, events...)
}

// inTime refuses an answer that was decided too long ago.
func (n *naming) inTime(began time.Time) error {
	if n.v.old(began) {
		return fmt.Errorf("%w: the parts are too slow", ErrUnavailable)
	}
	return nil
}
