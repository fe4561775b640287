package client

import (
	"context"
	"net/http"

	"github.com/fieldvault/fieldvault/vault/api"
)

// ReleaseTable makes a table about many people, for the client's purpose. Each call whose data
// are read takes one of a few tries, so it is never repeated by itself. Code unmet: no
// table of these people meets what is asked, and the detail says what would help. Code
// conflict: a table was released of late, and the detail says until when to wait, or
// catalog or policy changed meanwhile.
func (c *Client) ReleaseTable(ctx context.Context, q api.ReleaseRequest) (out api.Release, err error) {
	return out, c.sendJSON(ctx, newCall(http.MethodPost, never, "v1", "releases"), q, &out)
}
