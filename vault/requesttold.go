package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/crypto/secret"
	"github.com/fieldvault/fieldvault/vault/rights"
)

// A Recipient is told of rectification, erasure and restriction (GDPR Art. 19), when the
// request for it is done.
type Recipient struct {
	// Name is the recipient's, as the catalog or a contract calls it. Required.
	Name string
	// Subject: the recipient is told the person's external id, too. Of somebody who was
	// erased it is known to the process that erased them alone, until it ends: after
	// that it is left out. An event of the
	// action "tell" says so beforehand.
	Subject bool
	// Tell sends the recipient body, a [Notification] as JSON, once. It may be asked to
	// send it again, under the same id. Required.
	Tell func(ctx context.Context, id string, body []byte) error
}

// A Notification is what a recipient is told.
type Notification struct {
	V           int         `json:"v"`    // 1
	Kind        string      `json:"kind"` // "request_done"
	Tenant      string      `json:"tenant"`
	Request     uuid.UUID   `json:"request"`
	RequestKind rights.Kind `json:"request_kind"`
	Done        time.Time   `json:"done"`
	Subject     string      `json:"subject,omitempty"` // the external id, if [Recipient].Subject
}

// Told is how a recipient was told of a request.
type Told struct {
	Recipient string    `json:"recipient"`
	At        time.Time `json:"at,omitzero"` // zero: not yet, or never
	// Tries is how often it was tried; Next is when it is tried again, zero if no more.
	Tries int       `json:"tries,omitempty"`
	Next  time.Time `json:"next,omitzero"`
}

const (
	// tellFirst is how long other processes leave the first try to the one that ended
	// the request.
	tellFirst = time.Minute
	// tellMost is the longest wait between two tries, which doubles from tellFirst on.
	tellMost = 6 * time.Hour
	// tellTries is how often a recipient is tried: for about a week.
	tellTries = 36
)

// A justDone is a request that this process has just ended, with the name of its person
// where nobody can know it any more.
type justDone struct {
	t       *tenant
	id      uuid.UUID
	subject secret.Bytes
}

// toBeTold are the recipients of a request that has just ended; nil for none.
func (v *Vault) toBeTold(r *rights.Request) (list []Told) {
	if r.State != rights.Done || r.Kind != rights.Rectification && r.Kind != rights.Erasure && r.Kind != rights.Restriction {
		return nil
	}
	for _, to := range v.rights.Recipients {
		list = append(list, Told{Recipient: to.Name, Next: r.Ended.Add(tellFirst)})
	}
	return list
}

// actionTell is that of the event about a recipient who comes to know who a person is. No
// policy knows it: it follows from what the operator set.
const actionTell accessctl.Action = "tell"

// announce stores, with the transaction in which the event e ends a request, an event
// about each recipient who will be told whom it is about: before anything is sent.
func (v *Vault) announce(ctx context.Context, tx Tx, t *tenant, r *rights.Request, e *audit.Event) error {
	if len(v.toBeTold(r)) == 0 {
		return nil
	}
	for i := range v.rights.Recipients {
		to := &v.rights.Recipients[i]
		if !to.Subject {
			continue
		}
		told := audit.Event{
			ID: v.eventID(t), Tenant: e.Tenant, Time: e.Time, Request: e.Request, Actor: e.Actor, UID: e.UID,
			Action: actionTell, Outcome: audit.Allowed, Catalog: e.Catalog, Policy: e.Policy,
			Subject: []audit.Attr{
				{Key: "kind", Value: string(r.Kind)}, {Key: "recipient", Value: asFact(to.Name)}, {Key: attrRequest, Value: r.ID.String()},
			},
		}
		if err := v.append(ctx, tx, t, told); err != nil {
			return err
		}
	}
	return nil
}

// asFact is a name as an event may say it: what is not ASCII letters, digits or one of
// ./:+=- is an underscore, and at most audit.MaxAttr bytes stay.
func asFact(name string) string {
	fact := strings.Map(func(c rune) rune {
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("./:+=-", c) {
			return c
		}
		return '_'
	}, name)
	return fact[:min(len(fact), audit.MaxAttr)]
}

// waiting says whether somebody has yet to be told.
func (d *requestLogDoc) waiting() bool {
	for i := range d.Told {
		if !d.Told[i].Next.IsZero() {
			return true
		}
	}
	return false
}

// soon has Run tell the recipients of a request at once. It never waits: what has no
// room is told with the next look.
func (v *Vault) soon(d justDone) {
	for _, c := range v.justDone {
		one := d
		if !d.subject.IsZero() {
			one.subject = d.subject.Clone()
		}
		select {
		case c <- one:
		default:
			one.subject.Wipe()
		}
	}
	d.subject.Wipe()
}

// runRecipient tells the n-th recipient until ctx ends, at its own pace: one that is dead
// delays no other.
func (v *Vault) runRecipient(ctx context.Context, n int) {
	tick := time.NewTicker(rightsEvery)
	defer tick.Stop()
	for {
		if err := v.tellWaiting(ctx, n); err != nil && ctx.Err() == nil {
			v.log.WarnContext(ctx, "a recipient could not be told of requests; trying again", "recipient", v.rights.Recipients[n].Name, "error", err)
		}
	wait:
		for {
			select {
			case <-ctx.Done():
				return
			case d := <-v.justDone[n]:
				if err := v.tellOne(ctx, d, n, true); err != nil && ctx.Err() == nil {
					v.log.WarnContext(ctx, "a recipient could not be told of a request; trying again", "request", d.id, "recipient", v.rights.Recipients[n].Name, "error", err)
				}
				d.subject.Wipe()
			case <-tick.C:
				break wait
			}
		}
	}
}

// tellWaiting tells the n-th recipient of every request whose turn it is.
func (v *Vault) tellWaiting(ctx context.Context, n int) error {
	var errs []error
	for _, t := range v.openedTenants() {
		err := v.eachOpen(ctx, t, func(l *RequestLog) error {
			if d, err := t.openRequestLog(l); err != nil || !d.Request.State.Over() || ctx.Err() != nil {
				return ctx.Err() // what does not verify is named with the reminders
			}
			return v.tellOne(ctx, justDone{t: t, id: l.ID}, n, false)
		})
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// tellOne tells the n-th recipient of a request if it is its turn. now: if it was not
// tried yet, too.
func (v *Vault) tellOne(ctx context.Context, d justDone, n int, now bool) error {
	to := &v.rights.Recipients[n]
	what, mine, err := v.claim(ctx, d, to.Name, now)
	if err != nil || !mine {
		return err
	}
	return v.tellRecipient(ctx, d, to, what)
}

// claim takes the turn to tell one recipient, so that no other process tells them, too,
// until the next.
func (v *Vault) claim(ctx context.Context, d justDone, to string, now bool) (n Notification, mine bool, err error) {
	err = v.changeTold(ctx, d, to, func(one *Told, r *rights.Request) bool {
		mine = !one.Next.IsZero() && (!one.Next.After(v.now()) || now && one.Tries == 0)
		if mine {
			one.Tries++
			one.Next = v.now().Add(min(tellFirst<<min(one.Tries-1, 20), tellMost))
			n = Notification{
				V: 1, Kind: "request_done", Tenant: d.t.row.Name, Request: r.ID, RequestKind: r.Kind, Done: r.Ended,
			}
		}
		return mine
	})
	return n, mine, err
}

// changeTold changes how one recipient stands, if f says so.
func (v *Vault) changeTold(ctx context.Context, d justDone, to string, f func(*Told, *rights.Request) bool) error {
	return v.store.Update(ctx, func(tx Tx) error {
		log, doc, err := d.t.lockRequestLog(ctx, tx, d.id)
		if err != nil {
			return err
		}
		for i := range doc.Told {
			if doc.Told[i].Recipient == to && f(&doc.Told[i], &doc.Request) {
				return v.logRequest(ctx, tx, d.t, doc, &log)
			}
		}
		return nil
	})
}

// tellRecipient tells one recipient and notes the outcome.
func (v *Vault) tellRecipient(ctx context.Context, d justDone, to *Recipient, n Notification) error {
	if to.Subject {
		name, err := v.nameOf(ctx, d)
		if err != nil {
			return err
		}
		n.Subject = string(name.Expose()) //nolint:forbidigo // the operator has this recipient be told whom it is about
		name.Wipe()
	}
	body, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("encoding what a recipient is told: %w", err)
	}
	failed := to.Tell(ctx, n.Request.String(), body)
	return v.changeTold(ctx, d, to.Name, func(one *Told, _ *rights.Request) bool {
		switch {
		case failed == nil:
			one.At, one.Next = v.now(), time.Time{}
		case one.Tries >= tellTries:
			one.Next = time.Time{}
			v.log.ErrorContext(ctx, "a recipient could not be told of a request, and is tried no more", "request", d.id, "recipient", to.Name)
		default:
			v.log.WarnContext(ctx, "a recipient could not be told of a request; trying again", "request", d.id, "recipient", to.Name, "at", one.Next)
			return false
		}
		return true
	})
}

// nameOf is the external id of the person of a request; zero if they were erased, and
// not just now by this process.
func (v *Vault) nameOf(ctx context.Context, d justDone) (secret.Bytes, error) {
	if !d.subject.IsZero() {
		return d.subject.Clone(), nil
	}
	var p Subject
	err := v.store.View(ctx, func(tx Tx) error {
		row, err := tx.RequestRow(ctx, d.t.row.ID, d.id)
		if err != nil {
			return err
		}
		p, err = tx.SubjectByUID(ctx, d.t.row.ID, row.UID, NoLock)
		return err
	})
	if errors.Is(err, ErrNoRow) || err == nil && (p.State != Live || !d.t.marked(&p) || v.erasedBefore(d.t, p.UID)) {
		return secret.Bytes{}, nil
	}
	if err != nil {
		return secret.Bytes{}, fmt.Errorf("reading a person: %w", err)
	}
	k, err := v.identityKeyOf(ctx, d.t, p.Lookup)
	if err != nil || k == nil {
		return secret.Bytes{}, err
	}
	return k.opened.Open(identityPlace(d.t, p.UID, k.id.Epoch, placeID), p.SealedID)
}
