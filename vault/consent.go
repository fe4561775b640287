package vault

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/accessctl/consent"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/audit/evidence"
	"github.com/fieldvault/fieldvault/crypto/secret"
	"github.com/fieldvault/fieldvault/vault/catalog"
	"github.com/fieldvault/fieldvault/vault/ledger"
)

// RecordConsent records a person's decision about one purpose and answers the
// signed receipt. A grant or refusal of an unknown person makes the person; a
// withdrawal of one is ErrNotFound. A withdrawal takes effect like an erasure: the
// next read on any node is refused. It never calls the key-encryption key, and
// destroys the keys of groups that rest on consent alone and have none left; of a
// held person, when the hold is lifted. A grant or refusal may call it: for a new person, and
// to seal evidence.
//
// The error is ErrGone, ErrConflict (a later decision stands), ErrIntegrity (the
// person's consents were changed outside the service, and this is a grant), or
// ErrUnavailable also while the signing key is not open.
func (v *Vault) RecordConsent(ctx context.Context, c accessctl.Caller, d Decided) (json.RawMessage, error) {
	t, s, err := v.permitPerson(ctx, c, accessctl.ActionConsent, d.Subject)
	if err != nil {
		return nil, err
	}
	purpose, ok := s.catalog.Purpose(string(d.Purpose))
	if !ok {
		return nil, invalid("purpose", "is not in the catalog")
	}
	e := consent.Event{
		Purpose: d.Purpose, Decision: consent.Decision(d.Decision), Notice: orText(d.Notice, strconv.FormatInt(s.catalog.Version, 10)),
		Method: orText(d.Method, consent.MethodAPI), At: v.now(), Expires: d.Expires,
	}
	if err := checkDecision(e, d); err != nil {
		return nil, err
	}
	if e.Decision != consent.Withdrawn { // it may make the person
		if _, _, err := v.freshOpen(ctx, c.Tenant); err != nil {
			return nil, err
		}
	}
	signer := v.signer.get()
	if signer == nil {
		return nil, fmt.Errorf("%w: the signing key is not open", ErrUnavailable)
	}
	r := consenting{v: v, c: c, t: t, s: s, d: d, event: e, purpose: purpose, signer: signer}
	return r.record(ctx)
}

func orText(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func checkDecision(e consent.Event, d Decided) error {
	if err := e.Check(e.At); err != nil {
		var bad *consent.EventError
		if errors.As(err, &bad) {
			return invalid(bad.Member, "must be "+bad.Rule)
		}
		return invalid("consent", "is not valid")
	}
	switch {
	case len(d.Once.Key) > 255:
		return invalid("Idempotency-Key", "must be at most 255 bytes")
	case len(d.Evidence) > MaxEvidence:
		return ErrTooLarge
	case len(d.Evidence) > 0 && e.Decision == consent.Withdrawn:
		return invalid("evidence", "is not kept for a withdrawal, which needs none")
	}
	return nil
}

// A consenting is one decision on its way into the store.
type consenting struct {
	v       *Vault
	c       accessctl.Caller
	t       *tenant
	s       *settings
	d       Decided
	event   consent.Event
	purpose *catalog.Purpose
	signer  *evidence.Signer
	key     *heldKey // of the identity group, when there is evidence to seal
	receipt json.RawMessage
	entries []ledger.Entry
}

func (r *consenting) record(ctx context.Context) (json.RawMessage, error) {
	if r.event.Decision != consent.Withdrawn {
		if err := r.v.ensurePerson(ctx, r.c, r.t, r.s, r.d.Subject); err != nil {
			return nil, err
		}
		var err error
		if r.key, err = r.v.identityKey(ctx, r.t, r.d.Subject, len(r.d.Evidence) > 0); err != nil {
			return nil, err
		}
	}
	a := act{
		caller: r.c, tenant: r.t, set: r.s, action: accessctl.ActionConsent,
		subject: r.d.Subject, lock: ExclusiveLock,
	}
	var freed []uint32
	var uid uuid.UUID
	err := r.v.onPerson(ctx, a, func(tx Tx, p *Subject, e *audit.Event) (err error) {
		uid, r.entries = p.UID, nil
		if r.event.Decision != consent.Withdrawn {
			if err := r.v.stillOpen(ctx, tx); err != nil {
				return err
			}
		}
		e.Purpose = r.d.Purpose
		e.Subject = []audit.Attr{{Key: "decision", Value: r.d.Decision}}
		freed, err = r.apply(ctx, tx, p, e)
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(freed) > 0 {
		r.v.unclean.Store(true)
		r.v.ring.Forget(r.t.row.Name, uid)
	}
	if r.event.Decision != consent.Granted && len(r.entries) == 0 {
		return r.receipt, r.v.drain(ctx) // it was recorded before; the ledger must have it now
	}
	return r.receipt, r.v.tell(ctx, r.entries)
}

// apply stores the decision and shreds what rests on it alone.
func (r *consenting) apply(ctx context.Context, tx Tx, p *Subject, e *audit.Event) ([]uint32, error) {
	done, err := r.repeated(ctx, tx, p)
	if err != nil {
		return nil, err
	}
	if done {
		e.Subject, e.Code = nil, "repeated"
		return nil, nil
	}
	stood, err := r.follows(ctx, tx, p)
	if err != nil {
		return nil, err
	}
	receipt, err := r.signer.Sign(r.describe(p, e))
	if err != nil {
		return nil, fmt.Errorf("signing the receipt: %w", err)
	}
	mac := r.t.mac.Sum(consent.Label, consent.Canonical(r.t.row.Name, p.UID, r.event)...)
	row := Consent{
		Purpose: string(r.event.Purpose), Decision: string(r.event.Decision), Notice: r.event.Notice,
		Method: r.event.Method, At: r.event.At, Expires: r.event.Expires, Receipt: receipt, MAC: mac[:],
	}
	if len(r.d.Evidence) > 0 && (r.key == nil || r.key.id.UID != p.UID) {
		return nil, ErrConflict // the person was erased and came back meanwhile
	}
	if r.key != nil {
		place := identityPlace(r.t, p.UID, r.key.id.Epoch, placeEvidence)
		place.Record = row.Purpose
		if row.Evidence, err = r.key.opened.Seal(place, secret.New([]byte(r.d.Evidence))); err != nil {
			return nil, fmt.Errorf("sealing evidence: %w", err)
		}
	}
	if err := tx.PutConsent(ctx, r.t.row.ID, p.UID, row); err != nil {
		return nil, fmt.Errorf("storing a consent: %w", err)
	}
	r.receipt = receipt
	var freed []uint32
	if r.event.Decision == consent.Granted {
		return nil, r.t.answer(ctx, tx, p, stood)
	}
	entry := r.t.entryOf(ledger.Withdraw, p, *e)
	entry.Purpose, entry.Decision, entry.At = row.Purpose, row.Decision, row.At
	if err := r.v.note(ctx, tx, r.t, &r.entries, entry); err != nil {
		return nil, err
	}
	if !p.Held {
		if freed, err = r.shredGroups(ctx, tx, p, e); err != nil {
			return nil, err
		}
	}
	return freed, r.t.answer(ctx, tx, p, stood)
}

// repeated takes the idempotency key, if there is one, and says whether this
// decision was recorded under it before: then the answer is the receipt in force.
func (r *consenting) repeated(ctx context.Context, tx Tx, p *Subject) (bool, error) {
	if r.d.Once.Key == "" {
		return false, nil
	}
	mine := r.t.effect(r.c, r.d.Once, 0, r.event.At)
	mine.UID, mine.Lookup = p.UID, p.Lookup
	_, done, err := takeEffect(ctx, tx, mine)
	if err != nil {
		return false, err
	}
	if !done {
		mine.Revision = 1
		return false, tx.UpdateEffect(ctx, mine)
	}
	rows, _, err := r.t.consents(ctx, tx, p)
	if err != nil {
		return false, err
	}
	for i := range rows {
		if rows[i].Purpose == string(r.event.Purpose) {
			r.receipt = rows[i].Receipt
			return true, nil
		}
	}
	return false, ErrConflict
}

// follows refuses a grant that is older than the decision in force: one that
// waited while a withdrawal was acknowledged. It also says whether the person's
// consents stand. If they were changed by SQL a grant is refused, and a
// withdrawal is taken without vouching for the rest.
func (r *consenting) follows(ctx context.Context, tx Tx, p *Subject) (stood bool, err error) {
	rows, stood, err := r.t.consents(ctx, tx, p)
	if err != nil {
		return false, err
	}
	if !stood && r.event.Decision == consent.Granted {
		return false, ErrIntegrity
	}
	for i := range rows {
		if rows[i].Purpose == string(r.event.Purpose) && r.event.Follows(consentEvent(&rows[i])) != nil {
			return false, ErrConflict
		}
	}
	return stood, nil
}

// shredGroups destroys the keys of groups that rest on this purpose's consent
// and have no other consent left.
func (r *consenting) shredGroups(ctx context.Context, tx Tx, p *Subject, e *audit.Event) ([]uint32, error) {
	groups := r.s.catalog.ConsentGroups(string(r.event.Purpose))
	if len(groups) == 0 {
		return nil, nil
	}
	rows, err := tx.Consents(ctx, r.t.row.ID, p.UID)
	if err != nil {
		return nil, fmt.Errorf("reading consents: %w", err)
	}
	var freed []uint32
	for _, g := range groups {
		if r.t.ended(p, rows, g, r.event.At) {
			freed = append(freed, g.ID)
		}
	}
	return freed, r.v.shredAll(ctx, tx, deed{r.t, p, e}, freed, &r.entries)
}

// A deed is what is done to a living person, in a transaction that has locked the row.
type deed struct {
	t *tenant
	p *Subject
	e *audit.Event
}

// shredAll destroys the keys of groups of a living person, and notes it for the ledger.
func (v *Vault) shredAll(ctx context.Context, tx Tx, d deed, groups []uint32, list *[]ledger.Entry) error {
	t, p := d.t, d.p
	if len(groups) == 0 {
		return nil
	}
	for _, g := range groups {
		if err := t.shredGroup(ctx, tx, p, g); err != nil {
			return err
		}
	}
	keys, err := tx.Keys(ctx, t.row.ID, p.UID)
	if err != nil {
		return fmt.Errorf("reading keys: %w", err)
	}
	entry := t.entryOf(ledger.EraseGroups, p, *d.e)
	for _, g := range groups {
		entry.Groups = append(entry.Groups, ledger.GroupEpoch{Group: g, Epoch: keyOf(keys, g).Epoch})
	}
	slices.SortFunc(entry.Groups, func(a, b ledger.GroupEpoch) int { return cmp.Compare(a.Group, b.Group) })
	return v.note(ctx, tx, t, list, entry)
}

// shredHeld destroys, when a hold is lifted, the keys that a withdrawal would
// have destroyed while it was in force.
func (v *Vault) shredHeld(ctx context.Context, tx Tx, d deed, s *settings, list *[]ledger.Entry) error {
	t, p := d.t, d.p
	rows, stand, err := t.consents(ctx, tx, p)
	if err != nil {
		return err
	}
	keys, err := tx.Keys(ctx, t.row.ID, p.UID)
	if err != nil {
		return fmt.Errorf("reading keys: %w", err)
	}
	var freed []uint32
	for i := range s.catalog.Groups {
		g := &s.catalog.Groups[i]
		if k := keyOf(keys, g.ID); k != nil && k.Wrapped != nil && t.ended(p, rows, g, d.e.Time) {
			freed = append(freed, g.ID)
		}
	}
	if len(freed) == 0 {
		return nil
	}
	if err := v.shredAll(ctx, tx, d, freed, list); err != nil {
		return err
	}
	return t.answer(ctx, tx, p, stand)
}

// ended says whether a group rests on consents of which one was refused or
// withdrawn and none is granted.
func (t *tenant) ended(p *Subject, rows []Consent, g *catalog.Group, now time.Time) bool {
	ended := false
	for _, id := range g.Consent {
		switch t.consentState(p.UID, rows, accessctl.Purpose(id), now) {
		case accessctl.ConsentGranted:
			return false
		case accessctl.ConsentRefused, accessctl.ConsentWithdrawn:
			ended = true
		default:
		}
	}
	return ended
}

// describe is the receipt: what the person decided, about what, on which notice.
func (r *consenting) describe(p *Subject, e *audit.Event) *evidence.Receipt {
	name, contact := r.t.row.Name, ""
	if c := r.s.catalog.Controller; c != nil {
		name, contact = c.Name, c.Contact
	}
	why := evidence.Purpose{
		Purpose: r.event.Purpose, Version: int64(r.purpose.Version), Title: r.purpose.Title,
		Description: r.purpose.Text, Benefit: r.purpose.Benefit, LawfulBasis: accessctl.Basis(r.purpose.Basis),
		PII: r.uses(), Controllers: []string{"controller"}, Recipients: r.purpose.Recipients,
		CollectionMethod: r.event.Method,
		WithdrawalMethod: "the same call or the person's control panel, with the decision withdrawn",
	}
	if r.purpose.Retention > 0 {
		why.RetentionPeriod = "P" + strconv.Itoa(int(r.purpose.Retention)) + "D"
	}
	hash := evidence.HashNotice([]byte(r.purpose.ID + "\n" + r.purpose.Title + "\n" + r.purpose.Text + "\n" + r.purpose.Benefit))
	return &evidence.Receipt{
		Header: evidence.Header{RecordID: r.v.newID(), PrincipalID: "urn:uuid:" + p.UID.String(), Tenant: r.t.row.Name},
		Processing: evidence.Processing{
			Notice:   evidence.Notice{Version: r.event.Notice, Hash: hash},
			Language: "en", Purposes: []evidence.Purpose{why},
		},
		Parties: []evidence.Party{{ID: "controller", Name: name, Contact: contact, Type: "controller"}},
		Events: []evidence.Decision{{
			Time: r.event.At, ValidUntil: r.event.Expires, Entity: e.Actor, Type: "explicit", State: string(r.event.Decision),
		}},
		AuditEvent: e.ID, IssuedAt: r.event.At,
	}
}

func (r *consenting) uses() []evidence.PII {
	list := []evidence.PII{}
	for i := range r.s.catalog.Collections {
		c := &r.s.catalog.Collections[i]
		for j := range c.Fields {
			if f := &c.Fields[j]; f.Lists(r.purpose.ID) {
				list = append(list, evidence.PII{
					Type: c.Name + "." + f.Name, Title: f.Title, Category: f.Classification,
					Sensitive: f.Classification == "special",
				})
			}
		}
	}
	return list
}

// ensurePerson makes the person unless there is one. An erased person stays
// erased: the caller's own transaction finds that.
func (v *Vault) ensurePerson(ctx context.Context, c accessctl.Caller, t *tenant, s *settings, subject string) error {
	err := v.store.View(ctx, func(tx Tx) error {
		_, err := tx.Subject(ctx, t.row.ID, t.hash(subject), NoLock)
		return err
	})
	if !errors.Is(err, ErrNoRow) {
		return err
	}
	w := &writing{v: v, c: c, action: accessctl.ActionConsent, t: t, s: s}
	p := &writePerson{name: subject, lookup: t.hash(subject), fresh: true}
	p.subject = newSubject(v, t, p.lookup, 1)
	p.need(w, nil, identityGroup)
	if err := v.makeHeld(ctx, []*heldKey{&p.keys[0]}); err != nil {
		return err
	}
	err = v.store.Update(ctx, func(tx Tx) error {
		if err := p.lock(ctx, tx, w); err != nil {
			return err
		}
		e := about(v.event(t, s, c, accessctl.ActionConsent), c, p.subject.UID, own(c, subject))
		e.Code = codeCreated
		return v.append(ctx, tx, t, e)
	})
	if errors.Is(err, errRestart) {
		return nil // another made the person meanwhile
	}
	return err
}

// Consents says, for each purpose of the catalog, what the person decided and
// what that permits now.
func (v *Vault) Consents(ctx context.Context, c accessctl.Caller, subject string) ([]ConsentStatus, error) {
	t, s, err := v.permitPerson(ctx, c, accessctl.ActionConsentRead, subject)
	if err != nil {
		return nil, err
	}
	var list []ConsentStatus
	a := act{caller: c, tenant: t, set: s, action: accessctl.ActionConsentRead, subject: subject}
	err = v.seePerson(ctx, a, func(tx Tx, p *Subject) error {
		rows, _, err := t.consents(ctx, tx, p)
		if err != nil {
			return err
		}
		list = v.statuses(t, s, p, rows)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i := range list {
		list[i].Receipt = v.includedReceipt(ctx, t, list[i].Receipt)
	}
	return list, nil
}

func (v *Vault) statuses(t *tenant, s *settings, p *Subject, rows []Consent) []ConsentStatus {
	list := make([]ConsentStatus, 0, len(s.catalog.Purposes))
	for i := range s.catalog.Purposes {
		id := accessctl.Purpose(s.catalog.Purposes[i].ID)
		st := ConsentStatus{Purpose: id, State: t.consentState(p.UID, rows, id, v.now())}
		for j := range rows {
			if r := &rows[j]; r.Purpose == string(id) {
				st.Decision, st.Notice, st.Method = r.Decision, r.Notice, r.Method
				st.At, st.Expires, st.Receipt = r.At, r.Expires, r.Receipt
			}
		}
		list = append(list, st)
	}
	return list
}
