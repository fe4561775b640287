package console

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/portal/page"
)

// pathCertificate leads to the certificate of an erasure, followed by its id.
const pathCertificate = page.PathConsole + "/certificates/"

// hold sets or lifts a legal hold.
func (v *visit) hold() (page.Page, error) {
	done := page.FlashLifted
	if v.on() {
		done = page.FlashHeld
	}
	return v.flag(done, v.vault.SetHold)
}

// pause restricts the use of the person's data, or allows it again.
func (v *visit) pause() (page.Page, error) {
	done := page.FlashStarted
	if v.on() {
		done = page.FlashStopped
	}
	return v.flag(done, v.vault.SetRestriction)
}

func (v *visit) on() bool { return v.r.PostForm.Get(page.FieldOn) == "yes" }

// A setting sets or lifts something of a person, with a reason.
type setting func(ctx context.Context, c accessctl.Caller, subject string, on bool, reason string) error

// flag does what needs a reason.
func (v *visit) flag(done page.FlashKind, set setting) (page.Page, error) {
	person, reason := v.param("person"), strings.TrimSpace(v.r.PostForm.Get(page.FieldReason))
	if reason == "" {
		out, err := v.personPage(person)
		if err != nil {
			return nil, err
		}
		out.NoReason = true
		return *out, nil
	}
	err := set(v.r.Context(), v.caller, person, v.on(), reason)
	if err != nil && !errors.Is(err, vault.ErrUnledgered) { // else it is in force
		return nil, err
	}
	return v.to(personPath(person), done)
}

// eraseWhat says what an erasure does, before it is done.
func (v *visit) eraseWhat() (page.Page, error) { return v.eraseForm(page.ConsoleErase{}) }

func (v *visit) eraseForm(f page.ConsoleErase) (page.Page, error) {
	if !v.duties.May[accessctl.ActionErase] {
		return nil, vault.ErrDenied
	}
	f.Person = v.param("person")
	f.Back = personPath(f.Person)
	f.Here = f.Back + "/erase"
	out := &page.ConsolePerson{Person: f.Person}
	if v.duties.Manifest {
		if err := v.addState(out); err != nil {
			return nil, err
		}
	}
	f.Held = out.Held
	return f, nil
}

// erase destroys the person's keys, for ever.
func (v *visit) erase() (page.Page, error) {
	form := v.r.PostForm
	f := page.ConsoleErase{Reason: strings.TrimSpace(form.Get(page.FieldReason)), NotSure: form.Get(page.FieldSure) != "yes"}
	f.NoReason = f.Reason == ""
	if f.NoReason || f.NotSure {
		return v.eraseForm(f)
	}
	person := v.param("person")
	cert, err := v.vault.Erase(v.r.Context(), v.caller, vault.Erasing{Subject: person, Reason: f.Reason})
	var approval *vault.ApprovalError
	switch {
	case errors.As(err, &approval):
		return page.ConsoleErased{Person: person, Waits: true}, nil
	case errors.Is(err, vault.ErrUnledgered):
		return page.ConsoleErased{Person: person, Again: personPath(person) + "/erase", Reason: f.Reason}, nil
	case errors.Is(err, vault.ErrHeld):
		return v.eraseForm(f)
	case err != nil:
		return nil, err
	}
	var c struct {
		ID uuid.UUID `json:"id"`
		At time.Time `json:"erased_at"`
	}
	if err := json.Unmarshal(cert, &c); err != nil {
		return nil, err
	}
	return page.ConsoleErased{Person: person, Certificate: pathCertificate + c.ID.String(), At: v.here(c.At)}, nil
}

// certificate sends the certificate of an erasure.
func (v *visit) certificate() (page.Page, error) {
	id, err := uuid.Parse(v.param("id"))
	if err != nil {
		return nil, vault.ErrNotFound
	}
	b, err := v.vault.Erasure(v.r.Context(), v.caller, id)
	if err != nil {
		return nil, err
	}
	v.file("application/json", "certificate.json", b)
	return nil, nil
}
