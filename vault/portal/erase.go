package portal

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/portal/page"
)

// pathCertificate leads to the certificate of an erasure, by its id: whoever has that has
// been given it, and it names nobody.
const pathCertificate = "/me/certificate"

// thinkingTime is how long an erasure has to rest before it is taken.
const thinkingTime = 10 * time.Second

// restriction shows whether processing is paused.
func (v *visit) restriction() (page.Page, error) {
	out := page.Restrict{On: v.state.Restricted}
	for i := range v.cat.Purposes {
		if p := &v.cat.Purposes[i]; p.DespiteRestriction {
			w, _ := p.In(string(v.frame.Lang), v.cat.Language)
			out.Despite = append(out.Despite, w.Title)
		}
	}
	return out, nil
}

func (v *visit) restrict() (page.Page, error) {
	on := v.r.PostForm.Get("on") == "yes"
	if err := v.vault.SetRestriction(v.r.Context(), v.as(), v.caller.Person, on, ""); err != nil {
		return nil, err
	}
	done := page.Flash{Kind: page.FlashResumed}
	if on {
		done.Kind = page.FlashPaused
	}
	v.to(page.PathRestrict, done)
	return nil, nil
}

// eraseWhat says what an erasure will do.
func (v *visit) eraseWhat() (page.Page, error) {
	m, err := v.held()
	if err != nil {
		return nil, err
	}
	defer forget(m)
	out := page.Erase{Held: m.Held}
	for i := range v.cat.Collections {
		coll := &v.cat.Collections[i]
		if slices.ContainsFunc(m.Records, func(r vault.ManifestRecord) bool { return r.Collection == coll.Name }) {
			out.Destroyed = append(out.Destroyed, coll.TitleIn(string(v.frame.Lang)))
		}
	}
	out.Backups, err = v.backups()
	return out, err
}

// backups is when no old backup can bring back who is erased now; zero: not known.
func (v *visit) backups() (time.Time, error) {
	h, err := v.vault.Horizon(v.r.Context(), v.caller.Tenant)
	return h.At, err
}

func (v *visit) eraseSure() (page.Page, error) {
	return v.sure(page.EraseConfirm{})
}

// sure asks for the last time. Each time the rest begins anew.
func (v *visit) sure(c page.EraseConfirm) (page.Page, error) {
	var err error
	c.Token, err = v.vault.Pause(v.r.Context(), v.session)
	c.Wait = int(thinkingTime / time.Second)
	return c, err
}

// erase destroys the person's keys, and with them all that is held.
func (v *visit) erase() (page.Page, error) {
	if v.r.PostForm.Get(page.FieldSure) != "yes" {
		return v.sure(page.EraseConfirm{Unticked: true})
	}
	if err := v.vault.Paused(v.r.Context(), v.session, v.r.PostForm.Get(page.FieldToken), thinkingTime); err != nil {
		if errors.Is(err, vault.ErrDenied) {
			return v.sure(page.EraseConfirm{Early: true})
		}
		return nil, err
	}
	backups, err := v.backups()
	if err != nil {
		return nil, err
	}
	doc, err := v.vault.Erase(v.r.Context(), v.as(), vault.Erasing{Subject: v.caller.Person})
	var waits *vault.ApprovalError
	switch {
	case errors.As(err, &waits):
		return page.Erased{At: v.cfg.Now(), Waiting: true}, nil
	case errors.Is(err, vault.ErrHeld):
		return page.Erase{Held: true}, nil
	case err != nil:
		return nil, err
	}
	v.drop(cookieSession)
	v.frame.SignedIn = false
	v.frame.Restricted, v.frame.NoticeChanged = false, false
	out := page.Erased{At: v.cfg.Now(), Backups: backups}
	var c struct {
		ID uuid.UUID `json:"id"`
	}
	if json.Unmarshal(doc, &c) == nil && c.ID != uuid.Nil {
		out.Certificate = pathCertificate + "/" + c.ID.String() + "?" + url.Values{"tenant": {v.caller.Tenant}}.Encode()
	}
	return out, nil
}

// certificate sends the certificate of an erasure, without a session: there is none any
// more.
func (v *visit) certificate() (page.Page, error) {
	id, err := uuid.Parse(v.param("id"))
	if err != nil {
		return nil, vault.ErrNotFound
	}
	doc, err := v.vault.Certificate(v.r.Context(), cmp.Or(v.r.URL.Query().Get("tenant"), v.cfg.Tenant), id)
	if err != nil {
		return nil, err
	}
	v.file("application/json", "certificate.json", doc)
	return nil, nil
}
