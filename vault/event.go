package vault

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/audit/trail"
	"github.com/fieldvault/fieldvault/audit/tree"
	"github.com/fieldvault/fieldvault/crypto/field"
)

// The codes that events carry beside their outcome.
const (
	codePolicy    = "policy"
	codeNotFound  = "not_found"
	codeGone      = "gone"
	codeHeld      = "held"
	codeConflict  = "conflict"
	codeIntegrity = "integrity"
	codeKEK       = "unavailable"
	codeCreated   = "created" // the person was made, for what comes next
)

// actor names who acts in an event. A person's own acts carry the uid, never
// the name in the token; what a person tries with another's data names nobody.
func actor(c accessctl.Caller, self uuid.UUID) string {
	switch {
	case c.Person != "" && self != uuid.Nil:
		return "self:" + self.String()
	case c.Person != "":
		return "self"
	}
	return c.Actor()
}

// event begins the record of one decision.
func (v *Vault) event(t *tenant, s *settings, c accessctl.Caller, a accessctl.Action) audit.Event {
	e := audit.Event{
		ID: v.newID(), Tenant: t.row.Name, Time: v.now(), Request: c.RequestID,
		Actor: actor(c, uuid.Nil), Action: a, Purpose: c.Purpose, Outcome: audit.Allowed,
	}
	if s == nil {
		e.Purpose = "" // nobody can say that it is one
	} else {
		e.Catalog, e.Policy = s.catalog.Version, s.policy.Version()
		if !s.facts(c.Purpose).Known {
			e.Purpose = ""
		}
	}
	return e
}

// about says whom an event concerns. own: the caller is that person.
func about(e audit.Event, c accessctl.Caller, uid uuid.UUID, own bool) audit.Event {
	e.UID = uid
	if own {
		e.Actor = actor(c, uid)
	}
	return e
}

// append stores an event with a transaction.
func (v *Vault) append(ctx context.Context, tx Tx, t *tenant, e audit.Event) error {
	in, err := t.intake(&e)
	if err != nil {
		return err
	}
	return tx.AppendEvent(ctx, in)
}

// appendAll stores events with the transaction.
func (v *Vault) appendAll(ctx context.Context, tx Tx, t *tenant, events []audit.Event) error {
	list, _, err := t.intakes(events)
	if err != nil {
		return err
	}
	return tx.AppendEvents(ctx, list)
}

// intake is an event as it is stored: with a MAC, so that a row that was written by
// SQL is not taken into the log. The keeper, who may open no key, makes none.
func (t *tenant) intake(e *audit.Event) (Intake, error) {
	list, _, err := t.intakes([]audit.Event{*e})
	if err != nil {
		return Intake{}, err
	}
	return list[0], nil
}

// intakes are events as they are stored, one behind the other in memory, and the hashes
// of their leaves.
func (t *tenant) intakes(events []audit.Event) ([]Intake, []tree.Hash, error) {
	var room [1024]byte // most leaves are shorter
	var all, macs []byte
	var leaves audit.LeafWriter
	list, hashes := make([]Intake, len(events)), make([]tree.Hash, len(events))
	for i := range events {
		leaf, err := leaves.Append(room[:0], &events[i])
		if err != nil {
			return nil, nil, fmt.Errorf("encoding an event: %w", err)
		}
		if cap(all)-len(all) < len(leaf) {
			all = make([]byte, 0, (len(events)-i)*(len(leaf)+len(leaf)/16))
		}
		all = append(all, leaf...)
		list[i], hashes[i] = Intake{Tenant: t.row.ID, Leaf: tail(all, len(leaf))}, tree.LeafHash(leaf)
		if t.mac != nil {
			if macs == nil {
				macs = make([]byte, 0, len(events)*field.ShortSize)
			}
			mac := t.mac.Short(labelEvent, hashes[i][:])
			macs = append(macs, mac[:]...)
			list[i].MAC = tail(macs, len(mac))
		}
	}
	return list, hashes, nil
}

// tail is the last n bytes of b, to which nothing can be appended in place.
func tail(b []byte, n int) []byte { return b[len(b)-n : len(b) : len(b)] }

// labelEvent is what the MAC of an event is for. It is one of the leaf's hash.
const labelEvent = "event"

// vouches says whether a node of the service has written an event, or a keeper, whose
// events have no MAC: an operator at the machine, about a tenant as such or its keys.
func (t *tenant) vouches(e *audit.Event, leaf tree.Hash, mac []byte) bool {
	if len(mac) > 0 {
		return t.mac.VerifyShort(mac, labelEvent, leaf[:])
	}
	return e.UID == uuid.Nil && strings.HasPrefix(e.Actor, "local:") && (e.Action == accessctl.ActionKeys || e.Action == actionTenant)
}

// actionTenant is that of the event with which a tenant begins.
const actionTenant accessctl.Action = "tenant_create"

// record makes events durable, alone.
func (v *Vault) record(ctx context.Context, t *tenant, events ...audit.Event) error {
	if len(events) == 0 {
		return nil
	}
	intake, leaves, err := t.intakes(events)
	if err != nil {
		return err
	}
	expected := v.expect(t, events, leaves)
	var rows []int64 // none if it fails
	defer func() { expected.Written(rows) }()
	if rows, err = v.store.AppendEvents(ctx, intake); err != nil {
		return fmt.Errorf("recording: %w", err)
	}
	return nil
}

// expect tells the part that grows the logs, if it is in this process, of events that
// are about to be written. One that has no MAC is none that it may take unread.
func (v *Vault) expect(t *tenant, events []audit.Event, leaves []tree.Hash) *trail.Expected {
	if v.sequencer == nil || t.mac == nil {
		return nil
	}
	return v.sequencer.Expect(t.row.ID, events, leaves)
}

// A tally counts views of fields for one person's event.
type tally []audit.FieldView

func (t *tally) add(collection, field uint32, d accessctl.Decision) {
	f := audit.FieldView{Collection: collection, Field: field, View: d.View, Reason: d.Reason, Count: 1}
	for i := range *t {
		if (*t)[i].Compare(f) == 0 {
			(*t)[i].Count++
			return
		}
	}
	*t = append(*t, f)
}

func (t tally) sorted() []audit.FieldView {
	slices.SortFunc(t, audit.FieldView.Compare)
	return t
}
