package httpapi

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"golang.org/x/sync/semaphore"

	"github.com/fieldvault/fieldvault/vault/api"
)

// bodyBudget is how many bytes of bodies may be in memory at a time, of all
// requests together.
const bodyBudget = 256 << 20

// Media types that requests may have.
const (
	mediaJSON = "application/json"
	mediaYAML = "application/yaml"
	mediaText = "text/plain"
	mediaCSV  = "text/csv"
	mediaHTML = "text/html; charset=utf-8"
)

// A bodyReader reads bodies within a budget.
type bodyReader struct{ budget *semaphore.Weighted }

// read reads a body of at most limit bytes as it arrives: what is reserved and
// allocated follows what was received, and is at most four times that, however much
// was announced. free gives the budget back, and must be called even after an error.
func (br bodyReader) read(r *http.Request, limit int64) (body []byte, free func(), err error) {
	var held int64
	free = func() { br.budget.Release(held) }
	body = make([]byte, 0, 512)
	for {
		if len(body) == cap(body) {
			if int64(len(body)) > limit {
				return nil, free, refuse(api.TooLarge, "")
			}
			more := min(int64(2*cap(body)), limit+1)
			if rest := r.ContentLength + 1; rest > int64(cap(body)) {
				more = min(rest, int64(4*cap(body)), limit+1) // no more than it says
			}
			if !br.budget.TryAcquire(more) {
				return nil, free, busy()
			}
			held += more
			body = append(make([]byte, 0, more), body...)
		}
		n, err := r.Body.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case int64(len(body)) > limit:
			return nil, free, refuse(api.TooLarge, "")
		case errors.Is(err, io.EOF):
			return body, free, nil
		case err != nil:
			return nil, free, refuse(api.Invalid, "The body ended early, or came too slowly.")
		}
	}
}

// checkMedia refuses a body of a kind that the route does not take.
func checkMedia(h http.Header, accepted []string) error {
	values := h.Values("Content-Type")
	if len(values) != 1 {
		return unsupported(accepted)
	}
	kind, params, err := mime.ParseMediaType(values[0])
	if err != nil {
		return unsupported(accepted)
	}
	charset, given := params["charset"]
	if given && !strings.EqualFold(charset, "utf-8") && !strings.EqualFold(charset, "us-ascii") {
		return unsupported(accepted)
	}
	for _, a := range accepted {
		if kind == a {
			return nil
		}
	}
	return unsupported(accepted)
}

func unsupported(accepted []string) error {
	return refuse(api.Unsupported, "Content-Type must be "+strings.Join(accepted, " or ")+", in UTF-8.")
}
