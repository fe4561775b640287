package vault

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// A ManifestTokens says that tokens stand for a person's values of a field.
type ManifestTokens struct {
	Collection string
	Field      string
	Purpose    string // for which they were made
	Kind       TokenKind
	Count      int
	// Expires is when the last of them expires; zero: one never does.
	Expires time.Time
}

// countTokens counts the tokens that stand for a person's fields now, by field, purpose and kind.
func (v *Vault) countTokens(ctx context.Context, tx Tx, t *tenant, s *settings, p *Subject) ([]ManifestTokens, error) {
	type group struct {
		place   TokenPlace
		purpose string
		kind    int16
	}
	counts, now := map[group]*ManifestTokens{}, v.now()
	var after []byte
	for {
		page, err := tx.TokensOf(ctx, t.row.ID, p.UID, after, MaxPage)
		if err != nil {
			return nil, fmt.Errorf("listing tokens: %w", err)
		}
		for i := range page {
			r := &page[i]
			coll, f := s.tokenField(r)
			if f == nil || tokenExpired(r, now) || !t.tokenStands(r) {
				continue
			}
			g := group{TokenPlace{Collection: coll.ID, Field: f.ID}, r.Purpose, r.Kind}
			c := counts[g]
			if c == nil {
				c = &ManifestTokens{Collection: coll.Name, Field: f.Name, Purpose: r.Purpose, Kind: kindOfToken(r.Kind), Expires: r.Expires}
				counts[g] = c
			}
			c.Count++
			if r.Expires.IsZero() || !c.Expires.IsZero() && r.Expires.After(c.Expires) {
				c.Expires = r.Expires
			}
		}
		if len(page) < MaxPage {
			break
		}
		after = page[len(page)-1].Hash
	}
	list := make([]ManifestTokens, 0, len(counts))
	for _, c := range counts {
		list = append(list, *c)
	}
	slices.SortFunc(list, func(a, b ManifestTokens) int {
		return cmp.Or(cmp.Compare(a.Collection, b.Collection), cmp.Compare(a.Field, b.Field), cmp.Compare(a.Purpose, b.Purpose), cmp.Compare(a.Kind, b.Kind))
	})
	return list, nil
}
