package httpapi

import "github.com/fieldvault/fieldvault/vault/api"

// ProblemOf is problemOf for tests: status, code and detail.
func ProblemOf(err error) (status int, code api.Code, fields []api.FieldIssue) {
	r := problemOf(err)
	return r.statusCode(), r.code, r.fields
}

// MaxBuckets and BodyBudget are the bounds, for tests.
const (
	MaxBuckets = maxBuckets
	BodyBudget = bodyBudget
)

// AddressOf is addressOf for tests.
func AddressOf(remote string) string { return addressOf(remote) }
