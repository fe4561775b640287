package vault

import (
	"context"
	"encoding/base64"
	"fmt"
	"time"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/vault/catalog"
)

// cursorText is how a cursor is written.
var cursorText = base64.RawURLEncoding.Strict() //nolint:gochecknoglobals // a constant in all but name

// List names the records of a person, of one collection or of all, without
// values. Records that the caller may see nothing of, by policy, consent or
// restriction, are left out, so a page may hold fewer than the limit and still
// have a cursor.
//
// A limit of 0 is 100, the most is MaxPage. A cursor serves the same caller, purpose
// and arguments for an hour. The error is ErrNotFound, ErrGone or ErrIntegrity.
func (v *Vault) List(ctx context.Context, c accessctl.Caller, subject, collection, cursorIn string, limit int) (Page, error) {
	t, s, err := v.permitRecords(ctx, c, accessctl.ActionList, subject, collection)
	if err != nil {
		return Page{}, err
	}
	if err := checkID("subject", subject); err != nil {
		return Page{}, err
	}
	if limit, err = pageLimit(limit); err != nil {
		return Page{}, err
	}
	label := cursorLabel(c, "list", append([]byte(collection+"\x00"), t.hash(subject)...))
	var after RecordRef
	if cursorIn != "" {
		at, err := v.openCursor(t, label, cursorIn)
		if err != nil {
			return Page{}, err
		}
		after = RecordRef{Collection: at.Coll, Record: at.Record}
	}
	var only uint32
	if coll, ok := s.catalog.Collection(collection); ok {
		only = coll.ID
	}
	var rows []Record
	var more *Record
	a := act{caller: c, tenant: t, set: s, action: accessctl.ActionList, subject: subject, fields: s.fields}
	if coll, ok := s.catalog.Collection(collection); ok {
		a.fields = describeFields(coll, c.Purpose)
	}
	err = v.seePerson(ctx, a, func(tx Tx, p *Subject) error {
		consents, stand, err := t.consents(ctx, tx, p)
		if err != nil {
			return err
		}
		if !stand {
			consents = distrusted(s.catalog)
		}
		state := accessctl.State{
			Consent:    t.consentFor(s.catalog, p.UID, consents, c.Purpose, v.now()),
			Restricted: p.Restricted, Own: own(c, subject),
		}
		rows, err = tx.ListRecords(ctx, t.row.ID, p.UID, only, after, limit)
		if err != nil {
			return fmt.Errorf("listing records: %w", err)
		}
		more = nil
		if len(rows) == limit {
			last := rows[len(rows)-1]
			more = &last
		}
		rows = v.visible(s, c, state, rows)
		return nil
	})
	if err != nil {
		return Page{}, err
	}
	return v.page(t, s, label, rows, more)
}

// visible leaves out records of collections of which the caller may list no field.
func (v *Vault) visible(s *settings, c accessctl.Caller, state accessctl.State, rows []Record) []Record {
	d := s.decider(c)
	kept := rows[:0]
	for _, r := range rows {
		coll, ok := s.catalog.CollectionByID(r.Collection)
		if !ok {
			continue
		}
		for i := range coll.Fields {
			if d.Permit(accessctl.ActionList, describe(coll, &coll.Fields[i], c.Purpose), state).Allowed {
				kept = append(kept, r)
				break
			}
		}
	}
	return kept
}

func (v *Vault) page(t *tenant, s *settings, label string, rows []Record, more *Record) (Page, error) {
	p := Page{Records: make([]Reference, 0, len(rows))}
	for _, r := range rows {
		coll, _ := s.catalog.CollectionByID(r.Collection)
		p.Records = append(p.Records, Reference{Collection: coll.Name, Record: r.Record, Revision: r.Revision})
	}
	if more == nil {
		return p, nil
	}
	var err error
	p.Cursor, err = v.sealCursor(t, label, cursor{Coll: more.Collection, Record: more.Record})
	return p, err
}

// Export says everything that is held on a person, with purposes, recipients and
// retention. To the person themself it includes the values; an officer gets the
// manifest without them. The values are the caller's to wipe. The error is
// ErrNotFound, ErrGone or ErrIntegrity.
func (v *Vault) Export(ctx context.Context, c accessctl.Caller, subject string) (Manifest, error) {
	if own(c, subject) {
		c.Purpose = accessctl.PurposeSelf
	}
	t, s, err := v.permitRecords(ctx, c, accessctl.ActionExport, subject, "")
	if err != nil {
		return Manifest{}, err
	}
	if err := checkID("subject", subject); err != nil {
		return Manifest{}, err
	}
	m := Manifest{Subject: subject, CatalogVers: s.catalog.Version, Purposes: s.catalog.Purposes}
	a := act{caller: c, tenant: t, set: s, action: accessctl.ActionExport, subject: subject}
	err = v.seePerson(ctx, a, func(tx Tx, p *Subject) error {
		consents, _, err := t.consents(ctx, tx, p)
		if err != nil {
			return err
		}
		m.Generation, m.Created, m.Restricted, m.Held = p.Generation, p.Created, p.Restricted, p.Held
		m.Consents = v.statuses(t, s, p, consents)
		if m.Tokens, err = v.countTokens(ctx, tx, t, s, p); err != nil {
			return err
		}
		m.Records, err = listAll(ctx, tx, t, s, p)
		return err
	})
	if err != nil {
		return Manifest{}, err
	}
	if err := v.fill(ctx, c, t, s, &m); err != nil {
		return Manifest{}, err
	}
	return m, nil
}

// listAll lists all records of the person, page by page.
func listAll(ctx context.Context, tx Tx, t *tenant, s *settings, p *Subject) ([]ManifestRecord, error) {
	all := []ManifestRecord{}
	var after RecordRef
	for {
		rows, err := tx.ListRecords(ctx, t.row.ID, p.UID, 0, after, MaxPage)
		if err != nil {
			return nil, fmt.Errorf("listing records: %w", err)
		}
		for _, r := range rows {
			if coll, ok := s.catalog.CollectionByID(r.Collection); ok {
				all = append(all, ManifestRecord{Collection: coll.Name, Record: r.Record, Revision: r.Revision})
			}
		}
		if len(rows) < MaxPage {
			return all, nil
		}
		after = RecordRef{Collection: rows[len(rows)-1].Collection, Record: rows[len(rows)-1].Record}
	}
}

// fill says which fields each record has, and for the person themself their
// values. It loads anew for each chunk.
func (v *Vault) fill(ctx context.Context, c accessctl.Caller, t *tenant, s *settings, m *Manifest) error {
	const chunk = 100
	for from := 0; from < len(m.Records); from += chunk {
		part := m.Records[from:min(from+chunk, len(m.Records))]
		if err := v.fillFields(ctx, t, s, m.Subject, part); err != nil {
			return err
		}
		if !own(c, m.Subject) {
			continue
		}
		items := make([]Item, len(part))
		for i := range part {
			items[i] = Item{Subject: m.Subject, Collection: part[i].Collection, Record: part[i].Record, Fields: []string{"*"}}
		}
		revealed, err := v.Reveal(ctx, c, items)
		if err != nil {
			return err
		}
		for i := range part {
			if revealed[i].Err != nil {
				return revealed[i].Err
			}
			part[i].answer(revealed[i].Fields)
		}
	}
	return nil
}

// fillFields lists the stored fields of some records; nothing is opened.
func (v *Vault) fillFields(ctx context.Context, t *tenant, s *settings, subject string, part []ManifestRecord) error {
	q := LoadQuery{Tenant: t.row.ID, Items: make([]Ref, len(part))}
	for i := range part {
		coll, _ := s.catalog.Collection(part[i].Collection)
		q.Items[i] = Ref{Lookup: t.hash(subject), Collection: coll.ID, Record: part[i].Record}
	}
	l, err := v.store.LoadForReveal(ctx, q)
	if err != nil {
		return fmt.Errorf("loading: %w", err)
	}
	for i := range part {
		coll, _ := s.catalog.Collection(part[i].Collection)
		if l.Items[i].Record != nil && l.Items[i].Subject != nil {
			part[i].Fields = t.stored(coll, &l.Items[i])
		}
	}
	return nil
}

func (t *tenant) stored(coll *catalog.Collection, l *LoadedItem) (list []ManifestField) {
	sealed, err := t.unpackRow(l.Subject.UID, l.Record)
	if err != nil {
		return nil // a reveal of it says so
	}
	for i := range sealed {
		f, ok := coll.FieldByID(sealed[i].Field)
		k := keyOf(l.Keys, sealed[i].Group)
		if ok && k != nil && k.Wrapped != nil && k.Epoch == sealed[i].Epoch {
			list = append(list, ManifestField{Field: f, Sealed: time.Unix(sealed[i].At, 0).UTC()})
		}
	}
	return list
}

func (r *ManifestRecord) answer(answers []Answer) {
	for i := range r.Fields {
		for j := range answers {
			if answers[j].Field.ID == r.Fields[i].Field.ID {
				r.Fields[i].Answer = &answers[j]
			}
		}
	}
}
