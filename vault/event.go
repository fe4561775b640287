package vault

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/audit/trail"
	"github.com/fieldvault/fieldvault/audit/tree"
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
		ID: v.eventID(t), Tenant: t.row.Name, Time: v.now(), Request: c.RequestID,
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
	in, err := v.intake(t, &e)
	if err != nil {
		return err
	}
	return tx.AppendEvent(ctx, in)
}

// appendAll stores events with the transaction.
func (v *Vault) appendAll(ctx context.Context, tx Tx, t *tenant, events []audit.Event) error {
	list, err := v.intakes(t, events)
	if err != nil {
		return err
	}
	return tx.AppendEvents(ctx, list.rows)
}

// intake is an event as it is stored.
func (v *Vault) intake(t *tenant, e *audit.Event) (Intake, error) {
	list, err := v.intakes(t, []audit.Event{*e})
	if err != nil {
		return Intake{}, err
	}
	return list.rows[0], nil
}

// intakes are the rows in which events are stored, in their order.
type intakes struct {
	rows   []Intake
	ends   []int       // how many events the first row holds, the first two, and so on
	leaves []tree.Hash // of each event
}

// intakes packs events into rows as they are stored, and changes them in place: they have
// one time, that of the first, and within a row ids by that of its first event, which keeps
// its own if it has one.
func (v *Vault) intakes(t *tenant, events []audit.Event) (list intakes, err error) {
	if len(events) == 0 {
		return list, nil
	}
	var room [1024]byte // most leaves are shorter
	if len(events) == 1 {
		if err := v.beginRow(t, &events[0]); err != nil {
			return intakes{}, err
		}
		leaf, err := events[0].AppendLeaf(room[:0])
		if err != nil {
			return intakes{}, fmt.Errorf("encoding an event: %w", err)
		}
		list.leaves = []tree.Hash{tree.LeafHash(leaf)}
		list.add(t, bytes.Clone(leaf), 1)
		return list, nil
	}
	var leaves audit.LeafWriter
	pack, ok := packers.Get().(*trail.Packer)
	if !ok {
		pack = new(trail.Packer)
	}
	rows := (len(events) + trail.MaxPack - 1) / trail.MaxPack
	per := (len(events) + rows - 1) / rows // about as many in each
	if t.mac == nil {
		per = 1 // a row without a MAC holds one event
	}
	list = intakes{rows: make([]Intake, 0, rows), ends: make([]int, 0, rows), leaves: make([]tree.Hash, len(events))}
	for i, first := 0, 0; i < len(events); i++ {
		e := &events[i]
		e.Time = events[0].Time
		if i-first == per {
			list.add(t, pack.Append(nil), i)
			first = i
		}
		own := e.ID
		if i > first {
			e.ID = trail.PartID(events[first].ID, i-first)
		} else if err := v.beginRow(t, e); err != nil {
			return intakes{}, err
		}
		leaf, err := leaves.Append(room[:0], e)
		if err == nil && !pack.Fits(len(leaf)) {
			list.add(t, pack.Append(nil), i)
			first, e.ID = i, own
			if err := v.beginRow(t, e); err != nil {
				return intakes{}, err
			}
			leaf, err = leaves.Append(room[:0], e)
		}
		if err == nil {
			err = pack.Add(leaf)
		}
		if err != nil {
			return intakes{}, fmt.Errorf("encoding an event: %w", err)
		}
		list.leaves[i] = tree.LeafHash(leaf)
	}
	list.add(t, pack.Append(nil), len(events))
	packers.Put(pack)
	return list, nil
}

// beginRow makes the id of an event that is the first of its row. By one that is not of
// [Vault.eventID] neither it nor those behind it could be looked up.
func (v *Vault) beginRow(t *tenant, e *audit.Event) error {
	if e.ID == uuid.Nil {
		e.ID = v.eventID(t)
	}
	if e.ID != trail.FirstID(e.ID) {
		return fmt.Errorf("%w: the id %s", audit.ErrEvent, e.ID)
	}
	return nil
}

// packers are empty.
var packers sync.Pool //nolint:gochecknoglobals // memory, no state

// add adds a row of the events up to the given one, with a MAC, so that a row that was
// written by SQL is not taken into the log. The keeper, who may open no key, makes none.
func (l *intakes) add(t *tenant, row []byte, end int) {
	from := 0
	if n := len(l.ends); n > 0 {
		from = l.ends[n-1]
	}
	in := Intake{Tenant: t.row.ID, Leaf: row}
	if t.mac != nil {
		mac := t.mac.Short(labelEvent, oneAfterOther(l.leaves[from:end]))
		in.MAC = mac[:]
	}
	l.rows, l.ends = append(l.rows, in), append(l.ends, end)
}

// oneAfterOther are hashes in one piece.
func oneAfterOther(leaves []tree.Hash) []byte {
	if len(leaves) == 1 {
		return leaves[0][:]
	}
	b := make([]byte, 0, len(leaves)*len(tree.Hash{}))
	for i := range leaves {
		b = append(b, leaves[i][:]...)
	}
	return b
}

// labelEvent is what the MAC of a row of events is for. It is one of the hashes of their
// leaves, one behind the other.
const labelEvent = "event"

// vouches says whether a node of the service has written a row of events.
func (t *tenant) vouches(leaves []tree.Hash, mac []byte) bool {
	return t.mac.VerifyShort(mac, labelEvent, oneAfterOther(leaves))
}

// eventID makes the id of an event. One that is stored without a MAC has an id of version
// 8 (RFC 9562, section 5.8), which no other has: whoever can write rows could else keep
// an event out of the log by one of their own with its id, which would be there twice.
func (v *Vault) eventID(t *tenant) uuid.UUID {
	id := trail.FirstID(v.newID())
	if t.mac == nil {
		id[6] = id[6]&0xf | keepersVersion<<4
	}
	return id
}

const keepersVersion = 8

// keeps says whether an event is of a keeper, whose rows have no MAC: an operator at the
// machine, about a tenant as such or its keys.
func keeps(e *audit.Event) bool {
	return e.ID.Version() == keepersVersion && e.UID == uuid.Nil && strings.HasPrefix(e.Actor, "local:") && (e.Action == accessctl.ActionKeys || e.Action == actionTenant)
}

// actionTenant is that of the event with which a tenant begins.
const actionTenant accessctl.Action = "tenant_create"

// record makes events durable, alone.
func (v *Vault) record(ctx context.Context, t *tenant, events ...audit.Event) error {
	if len(events) == 0 {
		return nil
	}
	list, err := v.intakes(t, events)
	if err != nil {
		return err
	}
	expected := v.expect(t, events, &list)
	var rows []int64 // none if it fails
	defer func() { expected.Written(rows) }()
	if rows, err = v.store.AppendEvents(ctx, list.rows); err != nil {
		return fmt.Errorf("recording: %w", err)
	}
	return nil
}

// expect tells the part that grows the logs, if it is in this process, of events that
// are about to be written. One that has no MAC is none that it may take unread.
func (v *Vault) expect(t *tenant, events []audit.Event, list *intakes) *trail.Expected {
	if v.sequencer == nil || t.mac == nil {
		return nil
	}
	return v.sequencer.Expect(t.row.ID, events, list.leaves, list.ends)
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
