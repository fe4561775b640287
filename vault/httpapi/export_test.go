package httpapi

import (
	"net/http"

	"golang.org/x/sync/semaphore"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/api"
)

// ProblemOf is problemOf for tests: status, code and what is wrong with the input.
func ProblemOf(err error) (status int, code api.Code, fields []api.FieldIssue) {
	r := problemOf(err)
	return r.statusCode(), r.code, r.fields
}

// ReadBody reads a body within a budget of its own.
func ReadBody(r *http.Request, limit, budget int64) (body []byte, err error) {
	body, free, err := bodyReader{semaphore.NewWeighted(budget)}.read(r, limit)
	free()
	return body, err
}

// AppendResults is the body of a reveal, as it is sent.
func AppendResults(items []vault.Item, out []vault.Revealed) ([]byte, error) {
	return new(exchange).appendResults(make([]byte, 0, sizeOf(out)), items, out)
}
