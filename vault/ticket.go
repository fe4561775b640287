package vault

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
)

// A TicketKind says what a ticket is for.
type TicketKind string

// The kinds of tickets that are issued on behalf of a person.
const (
	TicketLink TicketKind = "link" // to the control panel: used once, within LinkLife
	TicketForm TicketKind = "form" // to one consent form: used once, within FormLife

	ticketSession TicketKind = "session"
	ticketPause   TicketKind = "pause"
)

// How long tickets are good for.
const (
	LinkLife    = 15 * time.Minute
	FormLife    = time.Hour
	SessionLife = time.Hour
	pauseLife   = 15 * time.Minute
)

// maxTicket bounds the text of a ticket.
const maxTicket = 3500 // a cookie holds 4096 with its name and attributes

// A TicketError says why a ticket is not taken. It is an ErrDenied.
type TicketError struct{ Why TicketFault }

// A TicketFault is why a ticket is not taken.
type TicketFault string

// The faults of tickets.
const (
	TicketForged  TicketFault = "forged"  // it was not issued here, or not for this
	TicketExpired TicketFault = "expired" // its time is over
	TicketSpent   TicketFault = "spent"   // it was used, or ended
	TicketBrowser TicketFault = "browser" // it was issued for another browser
	TicketEarly   TicketFault = "early"   // the pause is not over yet
)

// Error names the fault.
func (e *TicketError) Error() string { return "the ticket is not taken: " + string(e.Why) }

// Is reports whether target is ErrDenied.
func (e *TicketError) Is(target error) bool { return target == ErrDenied }

// A sealedTicket is what a ticket says. It is sealed under a key of the tenant: who
// holds it can neither read nor change it, and who can only write to the store makes none.
type sealedTicket struct {
	ID      uuid.UUID `json:"i"`
	UID     uuid.UUID `json:"u"`
	Subject string    `json:"s"`
	Browser string    `json:"b,omitempty"`
	Born    int64     `json:"t"` // microseconds since 1970
	Expires int64     `json:"x"` // the same

	// Operator is whose session it is, of those that are no person's.
	Operator *operatorDoc `json:"o,omitempty"`
}

// IssueTicket makes a ticket with which a person, and nobody else, opens their control
// panel or a consent form without a token; the caller vouches that it reaches them.
// browser, unless empty, is the SHA-256, in hexadecimal, of a secret that the person's
// browser holds: the ticket is then good in that browser alone. No key-encryption key is
// asked. The error is ErrNotFound, ErrGone or ErrIntegrity.
func (v *Vault) IssueTicket(ctx context.Context, c accessctl.Caller, subject string, kind TicketKind, browser string) (ticket string, expires time.Time, err error) {
	life := LinkLife
	switch {
	case kind == TicketForm:
		life = FormLife
	case kind != TicketLink:
		return "", time.Time{}, invalid("kind", "must be link or form")
	}
	if b, err := hex.DecodeString(browser); err != nil || len(b) != 0 && len(b) != sha256.Size || hex.EncodeToString(b) != browser {
		return "", time.Time{}, invalid("browser", "must be a SHA-256 in lower-case hexadecimal")
	}
	t, s, err := v.permitPerson(ctx, c, accessctl.ActionSignIn, subject)
	if err != nil {
		return "", time.Time{}, err
	}
	a := act{caller: c, tenant: t, set: s, action: accessctl.ActionSignIn, subject: subject, lock: ShareLock}
	err = v.onPerson(ctx, a, func(tx Tx, p *Subject, e *audit.Event) error {
		e.Code = string(kind)
		expires = e.Time.Add(life)
		ticket, err = v.newTicket(ctx, tx, t, kind, sealedTicket{UID: p.UID, Subject: subject, Browser: browser, Born: e.Time.UnixMicro(), Expires: expires.UnixMicro()})
		return err
	})
	return ticket, expires, err
}

// newTicket seals a ticket and notes that it is not spent.
func (v *Vault) newTicket(ctx context.Context, tx Tx, t *tenant, kind TicketKind, k sealedTicket) (string, error) {
	k.ID = v.newID()
	row := Ticket{Tenant: t.row.ID, UID: k.UID, ID: k.ID, Expires: time.UnixMicro(k.Expires).UTC()}
	if err := tx.InsertTicket(ctx, row); err != nil {
		return "", fmt.Errorf("storing a ticket: %w", err)
	}
	return t.sealTicket(kind, k)
}

func (t *tenant) sealTicket(kind TicketKind, k sealedTicket) (string, error) {
	b, err := json.Marshal(k)
	if err != nil {
		return "", fmt.Errorf("encoding a ticket: %w", err)
	}
	box, err := t.cursor.Seal("ticket\x00"+string(kind), b)
	if err != nil {
		return "", fmt.Errorf("sealing a ticket: %w", err)
	}
	return t.row.Name + "." + cursorText.EncodeToString(box), nil
}

// openTicket reads a ticket of the kind and the tenant that it is of. It says nothing yet
// of whether it is spent.
func (v *Vault) openTicket(ctx context.Context, kind TicketKind, text string) (*tenant, *sealedTicket, error) {
	forged := &TicketError{TicketForged}
	name, box, ok := strings.Cut(text, ".")
	if !ok || len(text) > maxTicket {
		return nil, nil, forged
	}
	t, err := v.tenantOf(ctx, name)
	if errors.Is(err, ErrDenied) {
		return nil, nil, forged // no such tenant
	}
	if err != nil {
		return nil, nil, err
	}
	b, err := cursorText.DecodeString(box)
	if err != nil {
		return nil, nil, forged
	}
	var k sealedTicket
	if b, err = t.cursor.Open("ticket\x00"+string(kind), b); err != nil || json.Unmarshal(b, &k) != nil {
		return nil, nil, forged
	}
	if v.now().UnixMicro() >= k.Expires {
		return nil, nil, &TicketError{TicketExpired}
	}
	return t, &k, nil
}

// person is the caller that a ticket makes of whoever holds it.
func (k *sealedTicket) person(t *tenant, request uuid.UUID) accessctl.Caller {
	return accessctl.Caller{
		Principal: accessctl.Principal{
			Tenant: t.row.Name, Issuer: "portal", Subject: k.UID.String(), Roles: []accessctl.Role{accessctl.RoleSubject},
			Person: k.Subject, Expires: time.UnixMicro(k.Expires).UTC(),
		},
		RequestID: request,
	}
}

// A Browser is where a link is used.
type Browser struct {
	Secret string // what it holds, if links are issued for one browser
	Bound  bool   // a link that was issued for any browser is not taken
}

// fits says whether a browser is the one that the ticket was issued for.
func (k *sealedTicket) fits(b Browser) bool {
	if k.Browser == "" {
		return !b.Bound
	}
	sum := sha256.Sum256([]byte(b.Secret))
	return subtle.ConstantTimeCompare([]byte(hex.EncodeToString(sum[:])), []byte(k.Browser)) == 1
}

// SignIn spends a link, and answers the session that it opens. The error is a
// *TicketError, ErrGone, ErrIntegrity or ErrUnavailable.
func (v *Vault) SignIn(ctx context.Context, link string, b Browser, request uuid.UUID) (session string, err error) {
	t, k, err := v.openTicket(ctx, TicketLink, link)
	if err != nil {
		return "", err
	}
	if !k.fits(b) {
		return "", &TicketError{TicketBrowser}
	}
	s, err := v.settingsOf(ctx, t)
	if err != nil {
		return "", err
	}
	a := act{caller: k.person(t, request), tenant: t, set: s, action: accessctl.ActionSignIn, subject: k.Subject, lock: ShareLock}
	err = v.onPerson(ctx, a, func(tx Tx, p *Subject, e *audit.Event) error {
		if err := k.spend(ctx, tx, t, p); err != nil {
			return err
		}
		e.Code = string(ticketSession)
		next := sealedTicket{UID: p.UID, Subject: k.Subject, Born: e.Time.UnixMicro(), Expires: e.Time.Add(SessionLife).UnixMicro()}
		session, err = v.newTicket(ctx, tx, t, ticketSession, next)
		return err
	})
	return session, err
}

// spend uses a ticket up; another life of the person has none.
func (k *sealedTicket) spend(ctx context.Context, tx Tx, t *tenant, p *Subject) error {
	if p.UID != k.UID {
		return ErrGone
	}
	stood, err := tx.SpendTicket(ctx, t.row.ID, k.UID, k.ID)
	if err != nil {
		return fmt.Errorf("spending a ticket: %w", err)
	}
	if !stood {
		return &TicketError{TicketSpent}
	}
	return nil
}

// Session says who holds a session: a caller who acts for themself, for no purpose yet.
// It asks the store each time: a session ends with the sign-out and with the person. The
// error is a *TicketError, ErrGone, ErrIntegrity or ErrUnavailable.
func (v *Vault) Session(ctx context.Context, session string, request uuid.UUID) (accessctl.Caller, error) {
	return v.holder(ctx, ticketSession, session, request)
}

// Form says whom a ticket of [TicketForm] is of, as Session does. It is not spent by that.
func (v *Vault) Form(ctx context.Context, form string, request uuid.UUID) (accessctl.Caller, error) {
	return v.holder(ctx, TicketForm, form, request)
}

func (v *Vault) holder(ctx context.Context, kind TicketKind, text string, request uuid.UUID) (accessctl.Caller, error) {
	t, k, err := v.openTicket(ctx, kind, text)
	if err != nil {
		return accessctl.Caller{}, err
	}
	err = v.store.View(ctx, func(tx Tx) error {
		a := act{tenant: t, subject: k.Subject, lock: NoLock}
		p, err := a.read(ctx, tx)
		switch {
		case errors.Is(err, ErrNotFound), err == nil && p.UID != k.UID:
			return ErrGone
		case err != nil:
			return err
		}
		has, err := tx.HasTicket(ctx, t.row.ID, k.UID, k.ID)
		if err == nil && !has {
			err = &TicketError{TicketSpent}
		}
		return err
	})
	if err != nil {
		return accessctl.Caller{}, err
	}
	return k.person(t, request), nil
}

// SignOut ends a session, a person's or an operator's, or spends a form. One that is over already is no error.
func (v *Vault) SignOut(ctx context.Context, ticket string) error {
	for _, kind := range []TicketKind{ticketSession, TicketForm, ticketOperator} {
		t, k, err := v.openTicket(ctx, kind, ticket)
		if errors.Is(err, ErrDenied) {
			continue
		}
		if err != nil {
			return err
		}
		return v.store.Update(ctx, func(tx Tx) error {
			_, err := tx.SpendTicket(ctx, t.row.ID, k.UID, k.ID)
			return err
		})
	}
	return nil
}

// Pause makes a ticket that says when a person, who holds the session, began to think
// something over.
func (v *Vault) Pause(ctx context.Context, session string) (string, error) {
	t, k, err := v.openTicket(ctx, ticketSession, session)
	if err != nil {
		return "", err
	}
	now := v.now()
	return t.sealTicket(ticketPause, sealedTicket{ID: k.ID, UID: k.UID, Born: now.UnixMicro(), Expires: now.Add(pauseLife).UnixMicro()})
}

// Paused says whether the person has thought it over for so long: the pause must be of
// the same session. The error is a *TicketError.
func (v *Vault) Paused(ctx context.Context, session, pause string, least time.Duration) error {
	_, k, err := v.openTicket(ctx, ticketSession, session)
	if err != nil {
		return err
	}
	_, p, err := v.openTicket(ctx, ticketPause, pause)
	switch {
	case err != nil:
		return err
	case p.ID != k.ID:
		return &TicketError{TicketForged}
	case v.now().Sub(time.UnixMicro(p.Born)) < least:
		return &TicketError{TicketEarly}
	}
	return nil
}
