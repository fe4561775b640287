package vault

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/audit/evidence"
	"github.com/fieldvault/fieldvault/crypto/secret"
	"github.com/fieldvault/fieldvault/vault/failpoint"
	"github.com/fieldvault/fieldvault/vault/ledger"
	"github.com/fieldvault/fieldvault/vault/rights"
)

// An Erasing says what to erase of a person.
type Erasing struct {
	Subject string
	// Groups are the key groups to erase, by name, while the person lives on; nil:
	// the whole person. An empty list is refused: whoever computed it did not mean
	// everything.
	Groups []string
	// Reason, up to MaxReason bytes of UTF-8, is checked and not kept: what could
	// seal it dies here.
	Reason string
}

// Erase makes a person, or some key groups of a living one, unreadable for ever:
// in one transaction it destroys the wrapped keys, sets the directory row to
// erased (or raises the groups' epochs), notes it for the ledger and appends the
// event. That commit is the erasure, on every node. Its cost does not depend on how
// much the person has, and it never calls the key-encryption key. The answer is the
// signed certificate; erasing again answers the same one, after a new event is
// durable.
//
// The error is ErrHeld under a legal hold, ErrNotFound for an unknown person,
// ErrGone for groups of an erased one, ErrIntegrity if the row or its certificate
// was changed outside the service, an *ApprovalError if a second person has to
// agree, ErrUnledgered if the erasure is in force and the ledger does not have it
// yet, and ErrUnavailable also while the signing key is not open.
func (v *Vault) Erase(ctx context.Context, c accessctl.Caller, in Erasing) (json.RawMessage, error) {
	if err := checkText("reason", in.Reason, MaxReason); err != nil {
		return nil, err
	}
	t, s, err := v.permitPerson(ctx, c, accessctl.ActionErase, in.Subject)
	if err != nil {
		return nil, err
	}
	er, err := v.erasing(c, t, s, in.Groups)
	if err != nil {
		return nil, err
	}
	live, err := v.livePeople(ctx, t)
	if err != nil {
		return nil, err
	}
	er.breaks = breaking{kind: kindErasure, count: 1, digest: er.digest([]string{in.Subject}), live: live}
	return er.run(ctx, in.Subject)
}

// An erasing is one request to erase, of one person or of several in turn.
type erasing struct {
	v      *Vault
	c      accessctl.Caller
	t      *tenant
	s      *settings
	signer *evidence.Signer
	groups []uint32 // sorted; none: the whole person
	breaks breaking // what the breaker is asked, by the transaction that erases
}

func (v *Vault) erasing(c accessctl.Caller, t *tenant, s *settings, names []string) (*erasing, error) {
	er := &erasing{v: v, c: c, t: t, s: s, signer: v.signer.get()}
	if er.signer == nil {
		return nil, fmt.Errorf("%w: the signing key is not open", ErrUnavailable)
	}
	if names != nil && len(names) == 0 {
		return nil, invalid("groups", "must not be empty: leave it out to erase the whole person")
	}
	for _, name := range names {
		g, ok := s.catalog.Group(name)
		if !ok || g.ID == identityGroup {
			return nil, invalid("groups", "must be key groups of the catalog; the person's identity dies only with the person")
		}
		er.groups = append(er.groups, g.ID)
	}
	slices.Sort(er.groups)
	er.groups = slices.Compact(er.groups)
	return er, nil
}

// An erased is what one transaction of an erasing did.
type erased struct {
	uid     uuid.UUID
	cert    json.RawMessage
	entries []ledger.Entry
	again   bool             // it was done before
	ended   []rights.Request // requests that it ended
}

// run erases one person, and returns once the ledger knows of it.
func (er *erasing) run(ctx context.Context, subject string) (json.RawMessage, error) {
	v := er.v
	a := act{caller: er.c, tenant: er.t, set: er.s, action: accessctl.ActionErase, subject: subject, lock: ExclusiveLock}
	var done erased
	var failed audit.Event
	err := v.store.Update(ctx, func(tx Tx) error {
		e := v.event(er.t, er.s, er.c, accessctl.ActionErase)
		failed, done = e, erased{}
		p, err := a.read(ctx, tx)
		if p != nil {
			e = about(e, er.c, p.UID, own(er.c, subject))
			failed = e
		}
		if err != nil && !errors.Is(err, ErrGone) {
			return err
		}
		return er.apply(ctx, tx, p, e, &done)
	})
	switch {
	case asksSecond(err):
		return nil, v.ask(ctx, er.c, er.t, failed, &er.breaks)
	case err != nil:
		return nil, v.refused(ctx, er.t, failed, err)
	}
	failpoint.Hit("erase-committed")
	v.unclean.Store(true)
	v.ring.Forget(er.t.row.Name, done.uid)
	if done.again {
		return done.cert, v.drain(ctx) // what was noted then must be in the ledger now
	}
	for i := range done.ended {
		v.soon(justDone{t: er.t, id: done.ended[i].ID, subject: secret.FromString(subject)})
	}
	err = v.tell(ctx, done.entries)
	failpoint.Hit("erase-told")
	return done.cert, err
}

// apply does the erasure inside the transaction. p is locked; live or erased.
func (er *erasing) apply(ctx context.Context, tx Tx, p *Subject, e audit.Event, done *erased) error {
	done.uid = p.UID
	switch {
	case p.State == Erased && len(er.groups) > 0:
		return ErrGone
	case p.State == Erased:
		done.cert, done.again, e.Code = p.Certificate, true, codeGone
		if !certifies(done.cert, p, er.signer) {
			return ErrIntegrity
		}
		return er.v.append(ctx, tx, er.t, e)
	case p.Held:
		return ErrHeld
	case len(er.groups) > 0:
		return er.applyGroups(ctx, tx, p, e, done)
	}
	approver, err := er.permit(ctx, tx)
	if err != nil {
		return err
	}
	return er.applyPerson(ctx, tx, p, e, approver, done)
}

// certifies says whether a stored certificate is genuine and this person's.
func certifies(cert []byte, p *Subject, signer *evidence.Signer) bool {
	c, _, err := evidence.OpenCertificate(cert, signer.Public())
	return err == nil && c.Fence == fence(p) && c.Generation == p.Generation
}

// applyPerson destroys the person's keys, and certifies it.
func (er *erasing) applyPerson(ctx context.Context, tx Tx, p *Subject, e audit.Event, approver string, done *erased) error {
	lost, err := tx.DestroyKeys(ctx, er.t.row.ID, p.UID)
	if err != nil {
		return fmt.Errorf("destroying keys: %w", err)
	}
	cert, err := er.certify(ctx, tx, p, e, approver, lost)
	if err != nil {
		return err
	}
	p.State, p.ErasedAt, p.Certificate = Erased, e.Time, cert
	p.SealedID, p.Note, p.Restricted, p.Mark = nil, nil, false, p.Mark[:markSize]
	if err := er.t.change(ctx, tx, p); err != nil {
		return err
	}
	failpoint.Hit("erase-fenced")
	if done.ended, err = er.v.endRequests(ctx, tx, er.t, p, e); err != nil {
		return err
	}
	for i := range done.ended {
		if err := er.v.announce(ctx, tx, er.t, &done.ended[i], &e); err != nil {
			return err
		}
	}
	if err := er.v.append(ctx, tx, er.t, e); err != nil {
		return err
	}
	done.cert = cert
	entry := er.t.entryOf(ledger.Erase, p, e)
	entry.Certificate = cert
	return er.v.note(ctx, tx, er.t, &done.entries, entry)
}

// applyGroups destroys the keys of some groups, and certifies it. If none of them
// has a key, it answers the certificate of the time when they lost it.
func (er *erasing) applyGroups(ctx context.Context, tx Tx, p *Subject, e audit.Event, done *erased) error {
	_, stood, err := er.t.consents(ctx, tx, p)
	if err != nil {
		return err
	}
	keys, err := tx.Keys(ctx, er.t.row.ID, p.UID)
	if err != nil {
		return fmt.Errorf("reading keys: %w", err)
	}
	keys = slices.DeleteFunc(keys, func(k DataKey) bool {
		return k.Wrapped == nil || !slices.Contains(er.groups, k.Group)
	})
	e.Subject = []audit.Attr{{Key: "groups", Value: joined(er.groups)}}
	if len(keys) == 0 {
		last, err := tx.LastErasure(ctx, er.t.row.ID, p.Lookup, p.Generation, groupBytes(er.groups))
		if !errors.Is(err, ErrNoRow) {
			if err != nil {
				return fmt.Errorf("reading a certificate: %w", err)
			}
			done.cert, done.again, e.Code = last.Certificate, true, codeGone
			return er.v.append(ctx, tx, er.t, e)
		}
	}
	approver, err := er.permit(ctx, tx)
	if err != nil {
		return err
	}
	for i := range keys {
		if err := er.t.shredGroup(ctx, tx, p, keys[i].Group); err != nil {
			return err
		}
	}
	failpoint.Hit("erase-groups-shredded")
	if done.cert, err = er.certify(ctx, tx, p, e, approver, keys); err != nil {
		return err
	}
	if err := er.t.answer(ctx, tx, p, stood); err != nil {
		return err
	}
	if err := er.v.append(ctx, tx, er.t, e); err != nil || len(keys) == 0 {
		return err
	}
	entry := er.t.entryOf(ledger.EraseGroups, p, e)
	entry.Groups, entry.Certificate = raised(keys), done.cert
	return er.v.note(ctx, tx, er.t, &done.entries, entry)
}

// shredGroup destroys the key of one group of a living person, and notes that its
// dead ciphertext is to be cleaned away.
func (t *tenant) shredGroup(ctx context.Context, tx Tx, p *Subject, group uint32) error {
	lost, err := tx.DestroyGroup(ctx, t.row.ID, p.UID, group)
	if err != nil {
		return fmt.Errorf("destroying a group's key: %w", err)
	}
	s := Shred{Tenant: t.row.ID, UID: p.UID, Group: group, Epoch: lost.Epoch + 1}
	if err := tx.PutShred(ctx, s); err != nil {
		return fmt.Errorf("noting what is to be cleaned: %w", err)
	}
	return nil
}

// raised are the epochs from which groups live on, after the loss of these keys.
func raised(lost []DataKey) []ledger.GroupEpoch {
	list := make([]ledger.GroupEpoch, len(lost))
	for i := range lost {
		list[i] = ledger.GroupEpoch{Group: lost[i].Group, Epoch: lost[i].Epoch + 1}
	}
	return list
}

// joined writes ids of groups as an attribute: "3+5". Of very many only the number
// fits, and the certificate names them.
func joined(groups []uint32) string {
	parts := make([]string, len(groups))
	for i, g := range groups {
		parts[i] = strconv.FormatUint(uint64(g), 10)
	}
	if s := strings.Join(parts, "+"); len(s) <= audit.MaxAttr {
		return s
	}
	return "count:" + strconv.Itoa(len(groups))
}

// groupBytes is how a set of groups is stored with its certificate.
func groupBytes(groups []uint32) (b []byte) {
	for _, g := range groups {
		b = binary.BigEndian.AppendUint32(b, g)
	}
	return b
}

// Erasure returns the certificate of an erasure by its id, to who may erase. Once its
// event is in the audit log, the proof of that stands beside it. ErrNotFound if the
// tenant has none of that id.
func (v *Vault) Erasure(ctx context.Context, c accessctl.Caller, id uuid.UUID) (json.RawMessage, error) {
	t, _, err := v.permitAnyone(ctx, c, accessctl.ActionErase)
	if err != nil {
		return nil, err
	}
	return v.certificateOf(ctx, t, id)
}

// certificateOf reads a certificate, with the proof that the log has its event, if it
// has.
func (v *Vault) certificateOf(ctx context.Context, t *tenant, id uuid.UUID) (json.RawMessage, error) {
	var e Erasure
	err := v.store.View(ctx, func(tx Tx) (err error) {
		e, err = tx.Erasure(ctx, t.row.ID, id)
		return err
	})
	if errors.Is(err, ErrNoRow) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("reading a certificate: %w", err)
	}
	return v.included(ctx, t, e.Event, e.Certificate), nil
}
