package transit

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// maxItem bounds a plaintext, a context and the text of a wrapped key.
const maxItem = 64 << 10

// Wrap encrypts plaintexts under key, each bound to the context of the same
// index, and returns the wrapped keys in that order. All succeed or none is
// returned. Contexts and plaintexts are 1 byte to 64 KiB each and are only read.
//
// It fails with ErrNoKey if key does not exist (it is never made here),
// ErrKeyUnsafe, ErrUnavailable, ErrInput, or ctx's error when ctx is cancelled.
func (k *KEK) Wrap(ctx context.Context, key string, contexts, plaintexts [][]byte) ([]string, error) {
	if err := k.checkKey(key); err != nil {
		return nil, fmt.Errorf("wrapping: %w", err)
	}
	if len(contexts) != len(plaintexts) {
		return nil, fmt.Errorf("wrapping: %w: %d contexts for %d plaintexts", ErrInput, len(contexts), len(plaintexts))
	}
	items := make([][]byte, len(plaintexts))
	for i, p := range plaintexts {
		if !fits(len(p)) || !fits(len(contexts[i])) {
			return nil, fmt.Errorf("wrapping item %d: %w: a context or plaintext is empty or too long", i, ErrInput)
		}
		items[i] = appendBase64(append(openItem(contexts[i]), `","plaintext":"`...), p)
		items[i] = append(items[i], `"}`...)
	}
	if err := k.checkSound(ctx, key); err != nil {
		return nil, fmt.Errorf("wrapping: %w", err)
	}
	out, err := k.all(ctx, laneID{op: encrypt, key: key}, items)
	if err != nil {
		return nil, fmt.Errorf("wrapping: %w", err)
	}
	wrapped := make([]string, len(out))
	for i, o := range out {
		if o.err != nil {
			return nil, fmt.Errorf("wrapping item %d: %w", i, o.err)
		}
		wrapped[i] = o.text
	}
	return wrapped, nil
}

// Unwrap opens wrapped keys, each under the context of the same index. The
// plaintexts are the caller's, to wipe.
//
// errs is nil if all opened; else it has an error for each that did not, which
// wraps ErrRefused, and its plaintext is nil. Texts that are not of the strict
// wrapped form are refused without asking Vault. err means that nothing is known
// of any item: ErrNoKey, ErrUnavailable, ErrInput, or ctx's error when ctx is
// cancelled.
func (k *KEK) Unwrap(ctx context.Context, key string, contexts [][]byte, wrapped []string) (plaintexts [][]byte, errs []error, err error) {
	lane := k.nextUnwrap.Add(1) % uint32(k.cfg.Unwraps) //nolint:gosec // withDefaults has bounded it
	out, errs, err := k.each(ctx, laneID{decrypt, key, lane}, contexts, wrapped)
	if err != nil {
		return nil, nil, fmt.Errorf("unwrapping: %w", err)
	}
	plaintexts = make([][]byte, len(out))
	for i, o := range out {
		plaintexts[i] = o.plain
	}
	return plaintexts, errs, nil
}

// Rewrap has Vault open wrapped keys and wrap them under the key's latest
// version, without showing what they wrap. Its results are like Unwrap's.
func (k *KEK) Rewrap(ctx context.Context, key string, contexts [][]byte, wrapped []string) (rewrapped []string, errs []error, err error) {
	out, errs, err := k.each(ctx, laneID{rewrap, key, k.nextRewrap.Add(1) % rewrapLanes}, contexts, wrapped)
	if err != nil {
		return nil, nil, fmt.Errorf("rewrapping: %w", err)
	}
	rewrapped = make([]string, len(out))
	for i, o := range out {
		rewrapped[i] = o.text
	}
	return rewrapped, errs, nil
}

// each sends those of wrapped that have the right form and returns one outcome
// and, unless all are nil, one error for every one.
func (k *KEK) each(ctx context.Context, id laneID, contexts [][]byte, wrapped []string) ([]outcome, []error, error) {
	if err := k.checkKey(id.key); err != nil {
		return nil, nil, err
	}
	if len(contexts) != len(wrapped) {
		return nil, nil, fmt.Errorf("%w: %d contexts for %d wrapped keys", ErrInput, len(contexts), len(wrapped))
	}
	out := make([]outcome, len(wrapped))
	var items [][]byte
	var places []int // of items in wrapped
	for i, w := range wrapped {
		if !fits(len(contexts[i])) {
			return nil, nil, fmt.Errorf("item %d: %w: the context is empty or too long", i, ErrInput)
		}
		if _, ok := parseWrapped(w); !ok {
			out[i].err = fmt.Errorf("%w: it has not the form of a wrapped key", ErrRefused)
			continue
		}
		item := append(openItem(contexts[i]), `","ciphertext":"`...)
		items, places = append(items, append(append(item, w...), `"}`...)), append(places, i)
	}
	answered, err := k.all(ctx, id, items)
	if err != nil {
		return nil, nil, err
	}
	for i, o := range answered {
		out[places[i]] = o
	}
	var errs []error
	for i, o := range out {
		if o.err != nil && errs == nil {
			errs = make([]error, len(out))
		}
		if o.err != nil {
			errs[i] = o.err
		}
	}
	return out, errs, nil
}

// all sends items in as few requests as hold them, one after another.
func (k *KEK) all(ctx context.Context, id laneID, items [][]byte) ([]outcome, error) {
	out := make([]outcome, 0, len(items))
	for len(items) > 0 {
		n, size := 0, 0
		for n < len(items) && n < k.cfg.MaxBatch && (n == 0 || size+len(items[n])+1 <= maxRequest) {
			size += len(items[n]) + 1
			n++
		}
		part, err := k.submit(ctx, id, items[:n:n])
		if err != nil {
			return nil, err
		}
		out, items = append(out, part...), items[n:]
	}
	return out, nil
}

// batch sends items in one request and returns one outcome each.
func (k *KEK) batch(id laneID, items [][]byte) ([]outcome, error) {
	// The body is not wiped: net/http may still be reading it when it returns.
	r := request{method: http.MethodPut, path: k.path(string(id.op), id.key), body: appendBatch(nil, items), items: len(items)}
	a, err := k.do(r)
	if err != nil {
		return nil, err
	}
	defer clear(a.body)
	switch a.status {
	case http.StatusOK, http.StatusBadRequest: // Vault answers 400 when no item succeeded
		out, err := parseBatch(id.op, a.body, len(items))
		if err != nil && a.status == http.StatusBadRequest {
			return nil, k.whyNot(id.key, a)
		}
		return out, err
	case http.StatusForbidden, http.StatusNotFound:
		return nil, k.whyNot(id.key, a)
	case http.StatusNoContent:
		return nil, errAnswer
	default:
		return nil, a.fault()
	}
}

// whyNot tells a key that does not exist from other reasons to refuse a request.
func (k *KEK) whyNot(key string, a *answer) error {
	if _, err := k.read(k.do, key); errors.Is(err, ErrNoKey) {
		return err
	}
	return a.fault()
}

func fits(n int) bool { return n > 0 && n <= maxItem }

func openItem(c []byte) []byte {
	return appendBase64([]byte(`{"context":"`), c)
}

func appendBase64(dst, b []byte) []byte { return base64.StdEncoding.AppendEncode(dst, b) }

// appendBatch appends a request with items. Transit then answers each by itself,
// with status 200 unless none succeeded; rewrap always does.
func appendBatch(dst []byte, items [][]byte) []byte {
	dst = append(dst, `{"partial_failure_response_code":200,"batch_input":[`...)
	for i, it := range items {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, it...)
	}
	return append(dst, `]}`...)
}

// batchAnswer is Transit's answer to a batch.
type batchAnswer struct {
	Data struct {
		Results []struct {
			Ciphertext string `json:"ciphertext"`
			Plaintext  opened `json:"plaintext"`
			Version    int    `json:"key_version"`
			Error      string `json:"error"`
		} `json:"batch_results"`
	} `json:"data"`
}

// parseBatch returns the outcomes of n items. It fails unless there are n, each
// an error or what op promises; its error wraps ErrUnavailable.
func parseBatch(op operation, body []byte, n int) ([]outcome, error) {
	var b batchAnswer
	if err := json.Unmarshal(body, &b); err != nil || len(b.Data.Results) != n {
		return nil, errAnswer
	}
	out := make([]outcome, n)
	for i, r := range b.Data.Results {
		switch {
		case r.Error != "":
			out[i].err = ErrRefused
		case op == decrypt && len(r.Plaintext) == 0:
			out[i].err = fmt.Errorf("%w: it wraps nothing", ErrRefused)
		case op == decrypt:
			out[i].plain = r.Plaintext
		default:
			version, ok := parseWrapped(r.Ciphertext)
			if !ok || r.Version != 0 && r.Version != version {
				return nil, errAnswer
			}
			out[i].text = r.Ciphertext
		}
	}
	return out, nil
}

// opened is a plaintext in an answer: strict base64, never kept as a string.
type opened []byte

// UnmarshalJSON implements json.Unmarshaler.
func (o *opened) UnmarshalJSON(b []byte) error {
	if len(b) < 2 || b[0] != '"' || b[len(b)-1] != '"' {
		return errAnswer
	}
	plain, err := base64.StdEncoding.Strict().AppendDecode(make([]byte, 0, len(b)), b[1:len(b)-1])
	if err != nil {
		return errAnswer
	}
	*o = plain
	return nil
}

// minCiphertext is a nonce and a tag around one byte.
const minCiphertext = 12 + 1 + 16

// parseWrapped returns the key version of a wrapped key, and whether text is one
// in the strict form. Transit itself takes "v01", "v+1" and "v0".
func parseWrapped(text string) (version int, ok bool) {
	if len(text) > maxItem*2 {
		return 0, false
	}
	rest, ok := strings.CutPrefix(text, "vault:v")
	if !ok {
		return 0, false
	}
	number, ciphertext, ok := strings.Cut(rest, ":")
	if !ok || number == "" || number[0] == '0' || len(number) > 9 || strings.Trim(number, "0123456789") != "" {
		return 0, false
	}
	if strings.ContainsAny(ciphertext, "\r\n") {
		return 0, false
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(ciphertext)
	if err != nil || len(raw) < minCiphertext {
		return 0, false
	}
	version, err = strconv.Atoi(number)
	return version, err == nil
}
