package vault

import (
	"context"
	"fmt"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/audit/report"
	"github.com/fieldvault/fieldvault/audit/trail"
	"github.com/fieldvault/fieldvault/audit/tree"
	"github.com/fieldvault/fieldvault/vault/catalog"
)

// A HistoryEntry is one event about a person, in words for the person.
type HistoryEntry struct {
	Index int64
	report.Access
}

// A HistoryPage is a part of a person's access history. Next is the index to go on
// from; 0: that was all.
type HistoryPage struct {
	Entries []HistoryEntry
	Next    int64
}

// AccessHistory says who did what with a person's data, when and why, oldest first: to
// the person, or to who has the action access_history. It begins with the present
// generation, and is ErrGone after an erasure. What was asked within the last second
// may not be in the log yet. limit is at most MaxLogPage.
func (v *Vault) AccessHistory(ctx context.Context, c accessctl.Caller, subject string, from int64, limit int) (HistoryPage, error) {
	page, last, err := v.accesses(ctx, c, subject, trail.Find{FromIndex: from, Limit: limit})
	if last >= 0 {
		page.Next = last + 1
	}
	return page, err
}

// RecentAccesses is [Vault.AccessHistory], newest first: the events whose index is below
// before; 0: from the newest on. Next is the before to go on with. What it costs is
// bounded by limit, however long the history is.
func (v *Vault) RecentAccesses(ctx context.Context, c accessctl.Caller, subject string, before int64, limit int) (HistoryPage, error) {
	page, last, err := v.accesses(ctx, c, subject, trail.Find{BelowIndex: before, Limit: limit, Newest: true})
	page.Next = max(0, last)
	return page, err
}

// accesses lists a part of a person's history. last is the index of its last event; -1:
// there are no more.
func (v *Vault) accesses(ctx context.Context, c accessctl.Caller, subject string, f trail.Find) (page HistoryPage, last int64, err error) {
	t, s, err := v.permitPerson(ctx, c, accessctl.ActionAccessHistory, subject)
	if err != nil {
		return HistoryPage{}, -1, err
	}
	f.Limit = max(1, min(f.Limit, MaxLogPage))
	var list []toldEvent
	a := act{caller: c, tenant: t, set: s, action: accessctl.ActionAccessHistory, subject: subject}
	err = v.seePerson(ctx, a, func(tx Tx, p *Subject) (err error) {
		f.About = p.UID
		list, err = tellable(ctx, tx, t.row.ID, f, own(c, subject))
		return err
	})
	if err != nil {
		return HistoryPage{}, -1, err
	}
	names, err := v.namesOf(ctx, t)
	if err != nil {
		return HistoryPage{}, -1, err
	}
	for i := range list {
		if words, about := report.History(&list[i].event, names); about {
			page.Entries = append(page.Entries, HistoryEntry{Index: list[i].index, Access: words})
		}
	}
	if len(list) < f.Limit {
		return page, -1, nil
	}
	return page, list[len(list)-1].index, nil
}

// A toldEvent is an event of the log, for a person's history.
type toldEvent struct {
	index int64
	event audit.Event
}

// tellable lists the events of a history, as many as f's limit if there are: what is kept
// from the reader leaves no gap by which it could be seen. One that was pruned or altered
// is left out, too.
//
// A legal hold is not told to the person whom it is about: it may be kept from them.
// Nobody is told who is bait: these entries are made to be handed on.
func tellable(ctx context.Context, tx Tx, tenant int32, f trail.Find, own bool) (list []toldEvent, err error) {
	most := f.Limit
	f.Limit = max(most, 100)
	for {
		rows, err := tx.FindEntries(ctx, tenant, f)
		if err != nil {
			return nil, err
		}
		for i := range rows {
			e, err := audit.ParseLeaf(rows[i].Body)
			if err != nil || tree.LeafHash(rows[i].Body) != rows[i].Hash || own && e.Action == accessctl.ActionHold || e.Action == accessctl.ActionHoney {
				continue
			}
			if list = append(list, toldEvent{rows[i].Index, e}); len(list) == most {
				return list, nil
			}
		}
		if len(rows) < f.Limit {
			return list, nil
		}
		if last := rows[len(rows)-1].Index; !f.Newest {
			f.FromIndex = last + 1
		} else if f.BelowIndex = last; last == 0 {
			return list, nil
		}
	}
}

// logNames are the names that the catalog gives, or once gave.
type logNames struct {
	version  int64 // of the latest catalog among them
	fields   map[[2]uint32][3]string
	purposes map[accessctl.Purpose]string
}

// Field is that of report.Names.
func (n *logNames) Field(collection, field uint32) (collectionName, fieldName, classification string, ok bool) {
	f, ok := n.fields[[2]uint32{collection, field}]
	return f[0], f[1], f[2], ok
}

// Purpose is that of report.Names.
func (n *logNames) Purpose(id accessctl.Purpose) (text string, ok bool) {
	text, ok = n.purposes[id]
	return text, ok
}

// namesOf are the names of all versions of the tenant's catalog; later ones win.
func (v *Vault) namesOf(ctx context.Context, t *tenant) (*logNames, error) {
	s := t.settings.Load()
	if s == nil {
		return &logNames{}, nil
	}
	if n := t.names.Load(); n != nil && n.version >= s.catalog.Version {
		return n, nil
	}
	n := &logNames{version: s.catalog.Version, fields: map[[2]uint32][3]string{}, purposes: map[accessctl.Purpose]string{}}
	err := v.store.View(ctx, func(tx Tx) error {
		for version := int64(1); version <= n.version; version++ {
			d, err := t.readVersion(ctx, tx, DocumentCatalog, version)
			if err != nil {
				return err
			}
			if err := n.add(d.Body); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading names of the catalog: %w", err)
	}
	t.names.Store(n)
	return n, nil
}

// add takes in the names of one version.
func (n *logNames) add(body []byte) error {
	cat, err := catalog.Unmarshal(body)
	if err != nil {
		return fmt.Errorf("%w: a stored catalog", ErrIntegrity)
	}
	for i := range cat.Collections {
		c := &cat.Collections[i]
		for j := range c.Fields {
			f := &c.Fields[j]
			n.fields[[2]uint32{c.ID, f.ID}] = [3]string{c.Name, f.Name, f.Classification}
		}
	}
	for i := range cat.Purposes {
		n.purposes[accessctl.Purpose(cat.Purposes[i].ID)] = cat.Purposes[i].Text
	}
	return nil
}
