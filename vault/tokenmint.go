package vault

import (
	"context"
	"errors"
	"fmt"

	"github.com/fieldvault/fieldvault/vault/token"
)

// mintTries is how often a token of a form is made anew whose text the tenant has. Where
// half of all texts are taken, one in 10^19 finds none.
const mintTries = 64

// A mint makes the tokens of a request, inside its transaction.
type mint struct {
	k        *tokenising
	rows     []TokenRow
	of       []*tokenItem // of each row
	texts    []string     // of each row
	standing map[string]*tokenItem
	copies   map[int]*tokenItem // items that have the token of another
}

// item finds the token that the item has, or makes one. The person is locked.
func (m *mint) item(ctx context.Context, tx Tx, it *tokenItem) error {
	k := m.k
	if err := m.unchanged(ctx, tx, it); err != nil {
		return err
	}
	if k.in.stable() {
		key := fmt.Sprint(it.person.uid, it.place)
		if first := m.standing[key]; first != nil {
			if m.copies == nil {
				m.copies = map[int]*tokenItem{}
			}
			m.copies[it.at] = first
			return nil
		}
		m.standing[key] = it
		if found, err := m.find(ctx, tx, it); err != nil || found {
			return err
		}
	}
	if full, err := m.full(ctx, tx, it); err != nil || full {
		return err
	}
	return m.make(it)
}

// unchanged sees that the record is the one that was loaded: a token of a value that has
// gone would stand for whatever comes in its place.
func (m *mint) unchanged(ctx context.Context, tx Tx, it *tokenItem) error {
	ref := RecordRef{Collection: it.place.Collection, Record: it.place.Record}
	rec, err := tx.LockRecord(ctx, m.k.t.row.ID, it.person.uid, ref)
	if err != nil {
		return fmt.Errorf("locking a record: %w", err)
	}
	if rec.Revision != it.loaded.Record.Revision {
		return errRestart
	}
	return nil
}

// find answers the token that stands for the same value. A row that was changed outside
// the service, or that does not open any more, is none.
func (m *mint) find(ctx context.Context, tx Tx, it *tokenItem) (bool, error) {
	k := m.k
	rows, err := tx.KeptTokens(ctx, k.t.row.ID, it.person.uid, it.place, string(k.c.Purpose), k.in.Kind.number())
	if err != nil {
		return false, fmt.Errorf("reading tokens: %w", err)
	}
	for i := range rows {
		r := &rows[i]
		if !k.t.tokenStands(r) || r.Group != it.sealed.Group || r.Epoch != it.sealed.Epoch || !r.Expires.IsZero() || r.Once {
			continue
		}
		if kept, err := k.t.keptToken(r, it.key); err == nil && kept.Digest == it.value.digest {
			k.made[it.at] = Tokenised{Token: kept.Text}
			return true, nil
		}
	}
	return false, nil
}

// full says whether the field has as many tokens as it may have.
func (m *mint) full(ctx context.Context, tx Tx, it *tokenItem) (bool, error) {
	k := m.k
	stored, err := tx.CountTokens(ctx, k.t.row.ID, it.person.uid, it.place, k.at)
	if err != nil {
		return false, fmt.Errorf("counting tokens: %w", err)
	}
	for _, other := range m.of {
		if other.person == it.person && other.place == it.place {
			stored++
		}
	}
	if stored < MaxTokens {
		return false, nil
	}
	k.made[it.at].Err = invalid(it.want.coll.Name+"."+it.field.Name, "has 1000 tokens in this record: let them expire, or revoke some")
	return true, nil
}

// make adds a token for the item.
func (m *mint) make(it *tokenItem) error {
	k := m.k
	minting := k.t.minting(k.in.Kind, it.want.coll, it.field, it.value)
	text, err := minting.text()
	if err != nil {
		err = tokenError(it.want, err)
		if errors.As(err, new(*InvalidError)) {
			k.made[it.at].Err = err
			return nil
		}
		return err
	}
	r := k.row(it, text)
	var kept *token.Kept
	if k.in.stable() {
		kept = &token.Kept{Digest: it.value.digest, Text: text}
	}
	if err := k.t.sealToken(&r, it.key, kept); err != nil {
		return err
	}
	m.rows, m.of, m.texts = append(m.rows, r), append(m.of, it), append(m.texts, text)
	return nil
}

// store stores the tokens that were made; those whose text is taken are made anew.
func (m *mint) store(ctx context.Context, tx Tx) error {
	k := m.k
	for range mintTries {
		later := m.distinct()
		taken, err := tx.InsertTokens(ctx, k.t.row.ID, m.rows)
		if err != nil {
			return fmt.Errorf("storing tokens: %w", err)
		}
		lost := make(map[string]bool, len(taken))
		for _, h := range taken {
			lost[string(h)] = true
		}
		again := later
		for i, r := range m.rows {
			if lost[string(r.Hash)] {
				again = append(again, m.of[i])
				continue
			}
			k.made[m.of[i].at] = Tokenised{Token: m.texts[i], Expires: r.Expires}
		}
		m.rows, m.of, m.texts = nil, nil, nil
		if len(again) == 0 {
			return nil
		}
		for _, it := range again {
			if err := m.make(it); err != nil {
				return err
			}
		}
	}
	for _, it := range m.of {
		k.made[it.at].Err = invalid(it.want.coll.Name+"."+it.field.Name, "has no token of its form left: make the form longer in the catalog")
	}
	return nil
}

// distinct takes out rows whose text an earlier one of the request has, and returns their
// items.
func (m *mint) distinct() (later []*tokenItem) {
	seen := make(map[string]bool, len(m.rows))
	kept := 0
	for i, r := range m.rows {
		if seen[string(r.Hash)] {
			later = append(later, m.of[i])
			continue
		}
		seen[string(r.Hash)] = true
		m.rows[kept], m.of[kept], m.texts[kept] = r, m.of[i], m.texts[i]
		kept++
	}
	m.rows, m.of, m.texts = m.rows[:kept], m.of[:kept], m.texts[:kept]
	return later
}
