package vault

import (
	"container/list"
	"context"
	"fmt"
	"sync"

	"github.com/fieldvault/fieldvault/vault/catalog"
)

// maxNoticeBytes bounds the stored form of the notices that are kept in memory: those
// used last, of all tenants. Parsed they take a few times as much.
const maxNoticeBytes = 8 << 20

// A noticeCache keeps notices, which never change, so that to ask for them, as anybody
// may, costs no parsing.
type noticeCache struct {
	mu    sync.Mutex
	known map[noticeKey]*list.Element // of keptNotice
	used  list.List                   // the last used first
	bytes int
}

type noticeKey struct {
	tenant  int32
	version int64
}

type keptNotice struct {
	key    noticeKey
	notice Notice
	bytes  int
}

// get is a notice that is kept. It is shared, and may not be changed.
func (c *noticeCache) get(k noticeKey) (Notice, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.known[k]
	if !ok {
		return Notice{}, false
	}
	c.used.MoveToFront(e)
	return e.Value.(*keptNotice).notice, true //nolint:forcetypeassert // nothing else is in the list
}

// put keeps a notice whose stored form has so many bytes, and lets those go that were
// not used for longest.
func (c *noticeCache) put(k noticeKey, n Notice, bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.known[k]; ok || bytes > maxNoticeBytes {
		return
	}
	if c.known == nil {
		c.known = map[noticeKey]*list.Element{}
	}
	c.known[k] = c.used.PushFront(&keptNotice{k, n, bytes})
	for c.bytes += bytes; c.bytes > maxNoticeBytes; {
		last := c.used.Remove(c.used.Back()).(*keptNotice) //nolint:forcetypeassert // as above
		delete(c.known, last.key)
		c.bytes -= last.bytes
	}
}

// noticeAt reads one version, compared with the one before. It is shared, and may not be
// changed.
func (v *Vault) noticeAt(ctx context.Context, tx Tx, t *tenant, version int64) (Notice, error) {
	k := noticeKey{t.row.ID, version}
	if n, ok := v.notices.get(k); ok {
		return n, nil
	}
	n, bytes, err := t.readNotice(ctx, tx, version)
	if err != nil {
		return Notice{}, err
	}
	var before *catalog.Catalog
	if version > 1 {
		prev, ok := v.notices.get(noticeKey{t.row.ID, version - 1})
		if !ok {
			if prev, _, err = t.readNotice(ctx, tx, version-1); err != nil {
				return Notice{}, err
			}
		}
		before = prev.Catalog
	}
	n.Changes = catalog.Diff(before, n.Catalog)
	n.AskAgain = catalog.AskAgain(n.Changes, n.Catalog)
	v.notices.put(k, n, bytes)
	return n, nil
}

// readNotice reads and parses one version, and says how many bytes it is stored in.
func (t *tenant) readNotice(ctx context.Context, tx Tx, version int64) (Notice, int, error) {
	d, err := t.readVersion(ctx, tx, DocumentCatalog, version)
	if err != nil {
		return Notice{}, 0, fmt.Errorf("reading a notice: %w", err)
	}
	cat, err := catalog.Unmarshal(d.Body)
	if err != nil {
		return Notice{}, 0, fmt.Errorf("%w: the stored notice", ErrIntegrity)
	}
	return Notice{Catalog: cat, Published: d.Created, By: d.By}, len(d.Body), nil
}
