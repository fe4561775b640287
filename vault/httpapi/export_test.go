package httpapi

import (
	"net/http"

	"golang.org/x/sync/semaphore"

	"github.com/fieldvault/fieldvault/vault/api"
)

// ProblemOf is problemOf for tests: status, code and what is wrong with the input.
func ProblemOf(err error) (status int, code api.Code, fields []api.FieldIssue) {
	r := problemOf(err)
	return r.statusCode(), r.code, r.fields
}

// MaxBuckets is how many keys are metered at a time.
const MaxBuckets = maxBuckets

// Limits is limits for tests.
type Limits = limits

// NewLimits is newLimits for tests, and Take its take.
func NewLimits(perSecond float64, burst, most int) *Limits { return newLimits(perSecond, burst, most) }

// Len is how many keys are metered.
func (l *limits) Len() int { return len(l.by) }

// Take is take for tests.
var Take = (*limits).take

// AddressOf is addressOf for tests.
func AddressOf(remote string) string { return addressOf(remote) }

// ReadBody reads a body within a budget of its own.
func ReadBody(r *http.Request, limit, budget int64) (body []byte, err error) {
	body, free, err := bodyReader{semaphore.NewWeighted(budget)}.read(r, limit)
	free()
	return body, err
}
