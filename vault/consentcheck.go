package vault

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/accessctl/consent"
	"github.com/fieldvault/fieldvault/vault/catalog"
)

// check says what is wrong with a decision before anybody is looked up, and finds the
// notice that the person was shown.
func (r *consenting) check(ctx context.Context) error {
	r.expire()
	if err := r.event.Check(r.event.At); err != nil {
		var bad *consent.EventError
		if errors.As(err, &bad) {
			return invalid(bad.Member, "must be "+bad.Rule)
		}
		return invalid("consent", "is not valid")
	}
	switch d := &r.d; {
	case len(d.Once.Key) > 255:
		return invalid("Idempotency-Key", "must be at most 255 bytes")
	case len(d.Evidence) > MaxEvidence:
		return ErrTooLarge
	case len(d.Evidence) > 0 && r.afterwards():
		return invalid("evidence", "is not kept for a withdrawal or an objection, which need none")
	case d.Notice == "" && r.event.Method == consent.MethodImport:
		return invalid("notice", "is required of an import: which notice was it given on? GET /v1/notices lists them")
	case len(d.Language) > 8:
		return invalid("language", "must be two letters, such as de")
	}
	if r.event.Decision == consent.Overruled && !r.s.decider(r.c).PermitPerson(accessctl.ActionRequests, false).Allowed {
		return r.v.denied(ctx, r.t, r.s, r.c, accessctl.ActionRequests) // it is an answer to a request
	}
	if err := r.checkPurpose(); err != nil {
		return err
	}
	return r.findNotice(ctx)
}

// afterwards says whether the decision takes something back from a person whom the
// service knows: it makes nobody, and calls no key-encryption key.
func (r *consenting) afterwards() bool {
	d := r.event.Decision
	return d == consent.Withdrawn || d == consent.Objected || d == consent.Overruled
}

// expire gives a grant the life that the purpose allows, at most.
func (r *consenting) expire() {
	if r.event.Decision != consent.Granted || r.purpose.Expires == 0 {
		return
	}
	last := r.event.At.AddDate(0, 0, int(r.purpose.Expires))
	if r.event.Expires.IsZero() || r.event.Expires.After(last) {
		r.event.Expires = last
	}
}

// checkPurpose applies the rules of the purpose.
func (r *consenting) checkPurpose() error {
	p := r.purpose
	switch r.event.Decision {
	case consent.Objected:
		if !p.Objectable() {
			return invalid("decision", "objected is for purposes of direct marketing, public tasks, legitimate interests or sale (GDPR Art. 21); withdraw a consent instead, or restrict processing")
		}
	case consent.Overruled:
		switch {
		case r.c.IsPerson():
			return invalid("decision", "overruled is the controller's to say")
		case p.DirectMarketing || p.Sells:
			return invalid("decision", "overruled is not possible: an objection to direct marketing or sale is absolute (GDPR Art. 21(3))")
		}
	case consent.Granted:
		return r.checkGrant()
	case consent.Refused, consent.Withdrawn:
	}
	return nil
}

// checkGrant applies GDPR Art. 8 (age) and 9(2)(a) (explicit).
func (r *consenting) checkGrant() error {
	d, least := &r.d, r.purpose.MinAge
	switch {
	case d.Age < 0 || d.Age > 150:
		return invalid("age", "must be whole years")
	case r.purpose.Basis == catalog.BasisConsent && !d.Explicit && r.s.catalog.Special(r.purpose.ID):
		return invalid("explicit", "must be true: the purpose uses special categories of data, and the person must have agreed to exactly that (GDPR Art. 9(2)(a))")
	case least == 0 || d.Guardian:
		return nil
	case d.Age == 0:
		return invalid("age", "is required: from the age of "+strconv.Itoa(least)+" people may agree to this alone (GDPR Art. 8)")
	case d.Age < least:
		return invalid("guardian", "must be true: below the age of "+strconv.Itoa(least)+" whoever has parental responsibility agrees (GDPR Art. 8)")
	}
	return nil
}

// findNotice reads the notice that the person was shown. A grant must be on the terms
// that stand now.
func (r *consenting) findNotice(ctx context.Context) error {
	const rule = "must be the version of a published notice that tells of the purpose: see GET /v1/notices"
	version := r.event.Version()
	if version < 1 || version > r.s.catalog.Version {
		return invalid("notice", rule)
	}
	if r.event.Decision == consent.Granted && version < r.purpose.Since && r.event.Method != consent.MethodImport {
		return fmt.Errorf("%w: the terms have changed since the notice", ErrConflict)
	}
	var err error
	if r.shown, err = r.v.notice(ctx, r.t, r.s, version); err != nil {
		return err
	}
	if _, ok := r.shown.Purpose(r.purpose.ID); !ok {
		return invalid("notice", rule)
	}
	return nil
}

// notice is the catalog of a version that was published.
func (v *Vault) notice(ctx context.Context, t *tenant, s *settings, version int64) (*catalog.Catalog, error) {
	if version == s.catalog.Version {
		return s.catalog, nil
	}
	var n Notice
	err := v.store.View(ctx, func(tx Tx) (err error) {
		n, err = v.noticeAt(ctx, tx, t, version)
		return err
	})
	return n.Catalog, err
}

// askAgainAfter is how long nobody is asked again after they said no: Cal. Civ. Code
// 1798.135(c)(4).
const askAgainAfter = 12 // months

// askFrom is from when on the person may be asked about a purpose: zero if at any time.
func askFrom(e consent.Event) time.Time {
	if !e.Decision.Closes() {
		return time.Time{}
	}
	return e.At.AddDate(0, askAgainAfter, 0)
}
