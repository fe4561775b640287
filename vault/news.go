package vault

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
)

// newsWithin bounds what is done about one piece of news.
const newsWithin = 5 * time.Second

// runNews frees memory as soon as the store tells that what is there is no more, until
// ctx ends. Nothing rests on it: the fence of each read does not let a key be used
// whose row is gone, and settings are compared with the store's at each request.
func (v *Vault) runNews(ctx context.Context) {
	h, ok := v.store.(Herald)
	if !ok {
		return
	}
	if err := h.Listen(ctx, func(n News) { v.heard(ctx, n) }); err != nil && ctx.Err() == nil {
		v.log.WarnContext(ctx, "the store tells no news: opened keys leave memory when they age", "error", err)
	}
}

// heard acts on one piece of news.
func (v *Vault) heard(ctx context.Context, n News) {
	if n.Tenant == 0 {
		v.ring.ForgetAll()
		return
	}
	t := v.tenantByID(n.Tenant)
	if t == nil {
		return // not open here: nothing of it is in memory
	}
	if n.UID != uuid.Nil {
		v.ring.Forget(t.row.Name, n.UID)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, newsWithin)
	defer cancel()
	if err := v.loadCurrent(ctx, t); err != nil && !errors.Is(err, ErrNoRow) {
		v.log.InfoContext(ctx, "a new catalog or policy was not read; the next request does", "tenant", t.row.Name, "error", err)
	}
}
