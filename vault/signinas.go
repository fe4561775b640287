package vault

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
)

// codeOIDC says of a sign-in that a provider vouched for the person; see [Vault.SignInAs].
const codeOIDC = "oidc"

// SignInAs opens a session of the person whom a provider of identities vouches for, as
// SignIn does of who comes with a link. p must be that person and nothing else: its one
// role is that of a person. No policy is asked: whoever is configured to sign people in
// may do so. The error is ErrDenied, ErrNotFound, ErrGone, ErrIntegrity or
// ErrUnavailable.
func (v *Vault) SignInAs(ctx context.Context, p accessctl.Principal, request uuid.UUID) (session string, err error) {
	if p.Person == "" || !slices.Equal(p.Roles, []accessctl.Role{accessctl.RoleSubject}) || checkID("subject", p.Person) != nil {
		return "", ErrDenied
	}
	t, err := v.tenantOf(ctx, p.Tenant)
	if err != nil {
		return "", err
	}
	s, err := v.settingsOf(ctx, t)
	if err != nil {
		return "", err
	}
	a := act{
		caller: accessctl.Caller{Principal: p, RequestID: request}, tenant: t, set: s,
		action: accessctl.ActionSignIn, subject: p.Person, lock: ShareLock,
	}
	err = v.onPerson(ctx, a, func(tx Tx, who *Subject, e *audit.Event) error {
		e.Code = codeOIDC
		next := sealedTicket{UID: who.UID, Subject: p.Person, Born: e.Time.UnixMicro(), Expires: e.Time.Add(SessionLife).UnixMicro()}
		if session, err = v.newTicket(ctx, tx, t, ticketSession, next); err != nil {
			return fmt.Errorf("opening a session: %w", err)
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	return session, nil
}
