package vault

import (
	"context"
	"errors"
	"fmt"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
)

// denied records a refusal by policy, made before any look-up, and returns
// ErrDenied, or why it could not be recorded.
func (v *Vault) denied(ctx context.Context, t *tenant, s *settings, c accessctl.Caller, a accessctl.Action) error {
	e := v.event(t, s, c, a)
	e.Outcome, e.Code = audit.Denied, codePolicy
	if err := v.record(ctx, t, e); err != nil {
		return err
	}
	return ErrDenied
}

// permitPerson decides an action on a person as a whole, before any look-up.
//
// What protects people passes a closed gate; what shows or begins something does not.
func (v *Vault) permitPerson(ctx context.Context, c accessctl.Caller, a accessctl.Action, subject string) (*tenant, *settings, error) {
	fresh := v.fresh
	if a == accessctl.ActionReenrol || a == accessctl.ActionConsentRead || a == accessctl.ActionAccessHistory || a == accessctl.ActionHoney {
		fresh = v.freshOpen
	}
	t, s, err := fresh(ctx, c.Tenant)
	if err != nil {
		return nil, nil, err
	}
	if err := checkID("subject", subject); err != nil {
		return nil, nil, err
	}
	if !s.decider(c).PermitPerson(a, own(c, subject)).Allowed {
		return nil, nil, v.denied(ctx, t, s, c, a)
	}
	return t, s, nil
}

// permitRecords decides whether the caller may do an action to any field of the
// collection, assuming a live, consenting person, before any look-up. An empty
// collection is all of them; an empty subject is nobody in particular.
func (v *Vault) permitRecords(ctx context.Context, c accessctl.Caller, a accessctl.Action, subject, collection string) (*tenant, *settings, error) {
	t, s, err := v.freshOpen(ctx, c.Tenant)
	if err != nil {
		return nil, nil, err
	}
	fields := s.fields
	if collection != "" {
		coll, ok := s.catalog.Collection(collection)
		if !ok {
			return nil, nil, invalid("collection", "is not in the catalog")
		}
		fields = describeFields(coll, c.Purpose)
	}
	if a.NeedsPurpose() {
		if err := s.checkPurpose(c.Purpose); err != nil {
			return nil, nil, err
		}
	}
	d, ideal := s.decider(c), accessctl.State{Consent: accessctl.ConsentGranted, Own: own(c, subject)}
	for _, f := range fields {
		f.Listed = true
		if d.Permit(a, f, ideal).Allowed {
			return t, s, nil
		}
	}
	return nil, nil, v.denied(ctx, t, s, c, a)
}

// An act is one change of one person: who, what, and under which lock.
type act struct {
	caller  accessctl.Caller
	tenant  *tenant
	set     *settings
	action  accessctl.Action
	subject string
	lock    Lock
	// fields, if not nil, are those by which the caller may know of the person;
	// nil: who may do the action may know.
	fields []accessctl.Field
}

// hidden makes ErrNotFound of what the caller may not know.
func (a *act) hidden(err error) error {
	if a.fields == nil || !errors.Is(err, ErrGone) && !errors.Is(err, ErrIntegrity) {
		return err
	}
	if a.set.mayKnow(a.caller, a.fields, own(a.caller, a.subject)) {
		return err
	}
	return ErrNotFound
}

// onPerson runs f in one transaction with the live person's row locked, and
// commits the event with what f did. What f or the person's state refuses
// changes nothing, and is recorded alone.
func (v *Vault) onPerson(ctx context.Context, a act, f func(Tx, *Subject, *audit.Event) error) error {
	var failed audit.Event
	err := v.store.Update(ctx, func(tx Tx) error {
		e := v.event(a.tenant, a.set, a.caller, a.action)
		failed = e
		p, err := a.read(ctx, tx)
		if p != nil {
			e = about(e, a.caller, p.UID, own(a.caller, a.subject))
			failed = e
		}
		if err != nil {
			return err
		}
		if err := f(tx, p, &e); err != nil {
			return err
		}
		return v.append(ctx, tx, a.tenant, e)
	})
	return a.hidden(v.refused(ctx, a.tenant, failed, err))
}

// seePerson runs f on one snapshot in which the person is live, and records it
// before it returns. It locks nothing, so that readers delay no erasure.
func (v *Vault) seePerson(ctx context.Context, a act, f func(Tx, *Subject) error) error {
	a.lock = NoLock
	var e audit.Event
	err := v.store.View(ctx, func(tx Tx) error {
		e = v.event(a.tenant, a.set, a.caller, a.action)
		p, err := a.read(ctx, tx)
		if p != nil {
			e = about(e, a.caller, p.UID, own(a.caller, a.subject))
		}
		if err != nil {
			return err
		}
		return f(tx, p)
	})
	if err != nil {
		return a.hidden(v.refused(ctx, a.tenant, e, err))
	}
	return v.record(ctx, a.tenant, e)
}

// read returns the person's row, locked; with an error if it is not live or was
// changed outside the service.
func (a *act) read(ctx context.Context, tx Tx) (*Subject, error) {
	p, err := tx.Subject(ctx, a.tenant.row.ID, a.tenant.hash(a.subject), a.lock)
	switch {
	case errors.Is(err, ErrNoRow):
		return nil, ErrNotFound
	case err != nil:
		return nil, fmt.Errorf("reading a person: %w", err)
	case !a.tenant.marked(&p):
		return &p, ErrIntegrity
	case p.State != Live:
		return &p, ErrGone
	}
	return &p, nil
}

// refused records why nothing was done, if that is so.
func (v *Vault) refused(ctx context.Context, t *tenant, e audit.Event, err error) error {
	if err == nil || !itemError(err) && !errors.Is(err, ErrGone) {
		return err
	}
	e.Outcome, e.Code = outcomeOf(err)
	if recording := v.record(ctx, t, e); recording != nil {
		return recording
	}
	return err
}
