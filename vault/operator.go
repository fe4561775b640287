package vault

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
)

// ticketOperator is the kind of an operator's session at the console.
const ticketOperator TicketKind = "operator"

// operatorDoc is who an operator is, in the ticket of their session.
type operatorDoc struct {
	Issuer   string              `json:"i"`
	Subject  string              `json:"s"`
	Roles    []accessctl.Role    `json:"r"`
	Purposes []accessctl.Purpose `json:"p,omitempty"`
	Narrowed bool                `json:"n,omitempty"`
}

// EnterConsole begins a session at the operators' console, for whom a verified token or
// an identity provider says the caller is; via says which, as a code of the event. The
// caller needs the action console. The session ends after [SessionLife], and at latest
// when the principal expires, unless that is zero. It is ErrDenied to people.
func (v *Vault) EnterConsole(ctx context.Context, c accessctl.Caller, via string) (session string, expires time.Time, err error) {
	if c.Person != "" || c.IsPerson() {
		return "", time.Time{}, ErrDenied
	}
	t, s, err := v.permitService(ctx, c, accessctl.ActionConsole)
	if err != nil {
		return "", time.Time{}, err
	}
	o := operatorDoc{Issuer: c.Issuer, Subject: c.Subject, Roles: c.Roles, Purposes: c.Purposes, Narrowed: c.Narrowed}
	e := v.event(t, s, c, accessctl.ActionConsole)
	e.Code = via
	expires = e.Time.Add(SessionLife)
	if !c.Expires.IsZero() && c.Expires.Before(expires) {
		expires = c.Expires
	}
	err = v.store.Update(ctx, func(tx Tx) (err error) {
		session, err = v.newTicket(ctx, tx, t, ticketOperator, sealedTicket{
			Operator: &o, Born: e.Time.UnixMicro(), Expires: expires.UnixMicro(),
		})
		if err != nil {
			return err
		}
		if len(session) > maxTicket {
			return invalid("token", "has too many roles and purposes for a session at the console")
		}
		return v.append(ctx, tx, t, e)
	})
	var bad *InvalidError
	switch {
	case errors.As(err, &bad):
		return "", time.Time{}, err
	case err != nil:
		return "", time.Time{}, fmt.Errorf("beginning a session: %w", err)
	}
	return session, expires, nil
}

// AtConsole says who holds a session at the console, for no purpose yet. It asks the store
// each time, so that a session ends with the sign-out on every node. What the operator
// may do is decided by each act, by the policy that is in force then. The error is a
// *TicketError or ErrUnavailable.
func (v *Vault) AtConsole(ctx context.Context, session string, request uuid.UUID) (accessctl.Caller, error) {
	t, k, err := v.openTicket(ctx, ticketOperator, session)
	if err != nil {
		return accessctl.Caller{}, err
	}
	if k.Operator == nil {
		return accessctl.Caller{}, &TicketError{TicketForged}
	}
	var has bool
	err = v.store.View(ctx, func(tx Tx) (err error) {
		has, err = tx.HasTicket(ctx, t.row.ID, k.UID, k.ID)
		return err
	})
	switch {
	case err != nil:
		return accessctl.Caller{}, fmt.Errorf("reading a session: %w", err)
	case !has:
		return accessctl.Caller{}, &TicketError{TicketSpent}
	}
	o := k.Operator
	return accessctl.Caller{
		Principal: accessctl.Principal{
			Tenant: t.row.Name, Issuer: o.Issuer, Subject: o.Subject, Roles: o.Roles, Purposes: o.Purposes, Narrowed: o.Narrowed,
			Expires: time.UnixMicro(k.Expires).UTC(),
		},
		RequestID: request,
	}, nil
}
