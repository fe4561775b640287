package vault

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/fieldvault/fieldvault/audit/evidence"
	"github.com/fieldvault/fieldvault/vault/catalog"
)

// A Notice is what people are told from one time on: a published version of the catalog.
// What a call answers is shared, and may not be changed.
type Notice struct {
	Catalog   *catalog.Catalog
	Published time.Time
	By        string           // the actor who published it
	Changes   []catalog.Change // against the version before
	AskAgain  []string         // purposes for which people have to be asked again
}

// A NoticeText is what people are told about one purpose, as the hash in a receipt
// covers it.
type NoticeText struct {
	Purpose  string
	Language string
	Text     string
	Hash     string // evidence.HashNotice of Text
}

// Texts are the notice's texts, purpose by purpose and in every language that it has.
func (n *Notice) Texts() (list []NoticeText) {
	c := n.Catalog
	for i := range c.Purposes {
		p := &c.Purposes[i]
		for _, lang := range append([]string{c.Language}, slices.Sorted(maps.Keys(p.Translations))...) {
			text, in := c.Notice(p.ID, lang)
			list = append(list, NoticeText{Purpose: p.ID, Language: in, Text: text, Hash: evidence.HashNotice([]byte(text))})
		}
	}
	return list
}

// maxNotices is how many versions Notices reads.
const maxNotices = 50

// Notices lists the tenant's notices, newest first, at most 50 versions of the catalog,
// those below the version before; 0: from the newest on. Versions that change nothing
// for people are left out. next is where the following call goes on; 0: there are no more.
// Public, and without an event. ErrNotFound if there is no such tenant.
func (v *Vault) Notices(ctx context.Context, tenantName string, before int64) (list []Notice, next int64, err error) {
	t, s, err := v.publicly(ctx, tenantName)
	if err != nil {
		return nil, 0, err
	}
	version := s.catalog.Version
	if before > 0 {
		version = min(version, before-1)
	}
	last := max(1, version-maxNotices+1)
	err = v.store.View(ctx, func(tx Tx) error {
		list = nil
		for at := last; at <= version; at++ {
			n, err := v.noticeAt(ctx, tx, t, at)
			if err != nil {
				return err
			}
			if len(n.Changes) > 0 {
				list = append(list, n)
			}
		}
		slices.Reverse(list)
		return nil
	})
	if err != nil {
		return nil, 0, err
	}
	if last > 1 {
		next = last
	}
	return list, next, nil
}

// Notice reads one version, compared with the one before it. Public, and without an
// event. ErrNotFound if there is no such tenant or version.
func (v *Vault) Notice(ctx context.Context, tenantName string, version int64) (n Notice, err error) {
	t, s, err := v.publicly(ctx, tenantName)
	if err != nil {
		return Notice{}, err
	}
	if version < 1 || version > s.catalog.Version {
		return Notice{}, ErrNotFound
	}
	err = v.store.View(ctx, func(tx Tx) (err error) {
		n, err = v.noticeAt(ctx, tx, t, version)
		return err
	})
	return n, err
}

// NoticeDiff says in words what changed from one notice to another, and for which
// purposes those who were told the first have to be asked again. Public, and without an
// event. ErrNotFound if there is no such tenant or version.
func (v *Vault) NoticeDiff(ctx context.Context, tenantName string, from, to int64) (changes []catalog.Change, askAgain []string, err error) {
	a, err := v.Notice(ctx, tenantName, from)
	if err != nil {
		return nil, nil, err
	}
	b, err := v.Notice(ctx, tenantName, to)
	if err != nil {
		return nil, nil, err
	}
	changes = catalog.Diff(a.Catalog, b.Catalog)
	for i := range b.Catalog.Purposes {
		// Terms that changed and changed back in between count as changed.
		p := &b.Catalog.Purposes[i]
		if _, was := a.Catalog.Purpose(p.ID); was && p.Basis == catalog.BasisConsent && p.Since > from {
			askAgain = append(askAgain, p.ID)
		}
	}
	return changes, askAgain, nil
}

// publicly is fresh for a route that anybody may ask.
func (v *Vault) publicly(ctx context.Context, tenantName string) (*tenant, *settings, error) {
	t, s, err := v.fresh(ctx, tenantName)
	if errors.Is(err, ErrDenied) {
		err = ErrNotFound // no such tenant
	}
	return t, s, err
}
