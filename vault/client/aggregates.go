package client

import (
	"context"
	"net/http"

	"github.com/fieldvault/fieldvault/vault/api"
)

// Aggregate asks a question about many people, for the client's purpose. Each call is
// paid for from the budget, so it is never repeated by itself. Code conflict: the
// budget does not suffice, or catalog or policy changed meanwhile.
func (c *Client) Aggregate(ctx context.Context, q api.AggregateRequest) (out api.AggregateAnswer, err error) {
	return out, c.sendJSON(ctx, newCall(http.MethodPost, never, "v1", "aggregates"), q, &out)
}

// Budgets lists what may still be learnt, of the collections and purposes that the caller
// may ask about.
func (c *Client) Budgets(ctx context.Context) ([]api.Budget, error) {
	var out api.BudgetList
	err := c.send(ctx, newCall(http.MethodGet, safely, "v1", "budgets"), &out)
	return out.Budgets, err
}
