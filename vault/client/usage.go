package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/fieldvault/fieldvault/vault/api"
)

// PurposeUsage says what was read under a purpose in the last days, by field and
// caller. days is up to 3660; 0: 90. Code not_found if the catalog has no such purpose.
func (c *Client) PurposeUsage(ctx context.Context, purpose string, days int) (out api.PurposeUsage, err error) {
	k := newCall(http.MethodGet, safely, "v1", "purposes", purpose, "usage")
	k.query = lastDays(days)
	return out, c.send(ctx, k, &out)
}

// Minimisation lists the fields and purposes that nobody used in the last days, and the
// purposes past their review date. days is up to 3660; 0: 90.
func (c *Client) Minimisation(ctx context.Context, days int) (out api.Minimisation, err error) {
	k := newCall(http.MethodGet, safely, "v1", "minimisation")
	k.query = lastDays(days)
	return out, c.send(ctx, k, &out)
}

func lastDays(days int) url.Values {
	q := url.Values{}
	if days != 0 {
		q.Set("days", strconv.Itoa(days))
	}
	return q
}
