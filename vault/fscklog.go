package vault

import (
	"context"
	"fmt"
	"strconv"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/audit/trail"
	"github.com/fieldvault/fieldvault/vault/rights"
)

// A told is what the log says of the store: what fsck compares with.
type told struct {
	rows   map[uuid.UUID]toldRow
	people map[uuid.UUID]*toldPerson
	// requests are those that were filed, by id.
	requests map[uuid.UUID]toldRequest
	// budgets are how many statistics were paid for.
	budgets map[toldBudget]int64
	// releases are how many tables were released.
	releases map[toldBudget]int64
}

// A toldBudget names a budget of statistics, or the releases of a collection for a purpose.
type toldBudget struct {
	tenant     string
	collection uint32
	purpose    accessctl.Purpose
}

// A toldRequest is what the last step made of a request.
type toldRequest struct {
	uid   uuid.UUID
	state rights.State
}

// A toldRow is the last write of a record.
type toldRow struct {
	uid      uuid.UUID
	revision uint64
	again    bool // a revision did not rise
	seen     bool // in the store
}

// A toldPerson is what was last decided about a person. The pointers are nil
// where the log says nothing.
type toldPerson struct {
	consents map[accessctl.Purpose]string // the last decision by purpose
	held     string
	honey    string // whether they are bait
	flags    bool   // held and restricted are known
	limits   string
	erased   bool
	live     bool // seen live in the directory
}

func (l *told) person(uid uuid.UUID) *toldPerson {
	p := l.people[uid]
	if p == nil {
		p = &toldPerson{consents: map[accessctl.Purpose]string{}}
		l.people[uid] = p
	}
	return p
}

// read takes in one event.
func (l *told) read(e *audit.Event) {
	if e.Outcome != audit.Allowed {
		return
	}
	for _, w := range e.Writes {
		l.wrote(e.UID, w)
	}
	attr := map[string]string{}
	for _, a := range e.Subject {
		attr[a.Key] = a.Value
	}
	if n, err := strconv.ParseInt(attr[attrAnswer], 10, 64); err == nil && e.Action == accessctl.ActionAggregate && len(e.Fields) > 0 {
		k := toldBudget{e.Tenant, e.Fields[0].Collection, e.Purpose}
		l.budgets[k] = max(l.budgets[k], n)
	}
	if n, err := strconv.ParseInt(attr[attrRelease], 10, 64); err == nil && e.Action == accessctl.ActionRelease && len(e.Fields) > 0 {
		k := toldBudget{e.Tenant, e.Fields[0].Collection, e.Purpose}
		l.releases[k] = max(l.releases[k], n)
	}
	if e.UID == uuid.Nil {
		return
	}
	switch e.Action {
	case accessctl.ActionConsent:
		if d := attr["decision"]; d != "" {
			l.person(e.UID).consents[e.Purpose] = d
		}
	case accessctl.ActionHold, accessctl.ActionRestrict:
		p := l.person(e.UID)
		p.flags, p.held, p.limits = true, attr["held"], attr["restricted"]
	case accessctl.ActionRequests:
		if id, err := uuid.Parse(attr[attrRequest]); err == nil && attr[attrStep] != stepRead {
			l.requests[id] = toldRequest{e.UID, rights.State(attr[attrState])}
		}
	case accessctl.ActionHoney:
		l.person(e.UID).honey = attr[attrHoney]
	case accessctl.ActionErase:
		if attr["groups"] == "" && e.Code != codeGone {
			l.person(e.UID).erased = true
		}
	default:
	}
}

// wrote takes in a write of a record. Those of one record stand in their order: each
// was stored while its row was locked. A row that the service made keeps counting over
// deletion, so a revision that does not rise is of another row in its place, or of one
// that was set back.
func (l *told) wrote(uid uuid.UUID, w audit.Write) {
	last, known := l.rows[w.Row]
	last.again = known && (last.again || w.Revision <= last.revision)
	if !known || w.Revision > last.revision {
		last.uid, last.revision = uid, w.Revision
	}
	l.rows[w.Row] = last
}

// log reads the tenant's events.
func (f *checking) log(ctx context.Context, t *tenant) error {
	after := int64(0)
	for {
		var page []StoredEvent
		err := f.v.store.View(ctx, func(tx Tx) (err error) {
			page, err = tx.Events(ctx, t.row.ID, after, logPage)
			return err
		})
		if err != nil {
			return fmt.Errorf("reading events: %w", err)
		}
		for _, stored := range page {
			f.row(t, stored.Leaf)
		}
		if len(page) < logPage {
			return nil
		}
		after = page[len(page)-1].ID
	}
}

// row reads the events of a row.
func (f *checking) row(t *tenant, row []byte) {
	leaves, err := trail.Unpack(row)
	if err != nil {
		leaves = [][]byte{nil}
	}
	for _, leaf := range leaves {
		e, err := audit.ParseLeaf(leaf)
		if err != nil || e.Tenant != t.row.Name {
			f.report.add(t, uuid.Nil, uuid.Nil, "an event does not parse, or is another tenant's: it was changed by SQL")
			continue
		}
		f.told.read(&e)
	}
}

// compare says where a person's row and consents are not what the log says.
func (f *checking) compare(t *tenant, s *Subject, consents []Consent) {
	p := f.told.people[s.UID]
	if s.State == Live {
		f.told.person(s.UID).live = true
	}
	if p == nil {
		return
	}
	if p.erased && s.State == Live {
		f.report.add(t, s.UID, uuid.Nil, "the log says that this person was erased, and the row says live: it was put back by SQL or a restore")
	}
	if s.State != Live {
		return
	}
	if p.flags && (p.held != yesNo(s.Held) || p.limits != yesNo(s.Restricted)) {
		f.report.add(t, s.UID, uuid.Nil, "hold or restriction is not what the log says: an earlier row was put back")
	}
	now := map[accessctl.Purpose]string{}
	for i := range consents {
		now[accessctl.Purpose(consents[i].Purpose)] = consents[i].Decision
	}
	for purpose, decision := range p.consents {
		if now[purpose] != decision {
			f.report.add(t, s.UID, uuid.Nil, "a consent is not what the log says: an earlier row was put back, or one was removed")
		}
	}
}

// missing names records that the log knows of living people, and the store not.
func (f *checking) missing() {
	for row, r := range f.told.rows {
		if p := f.told.people[r.uid]; !r.seen && p != nil && p.live {
			f.report.Findings = append(f.report.Findings, Fault{
				UID: r.uid, Row: row, What: "a record that the log knows is not in the store: it was removed by SQL",
			})
		}
	}
}
