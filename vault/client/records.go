package client

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/fieldvault/fieldvault/vault/api"
)

// A Ref names one record.
type Ref struct {
	Subject    string // the person: 1 to 128 bytes of A-Z a-z 0-9 . _ ~ @ : + -
	Collection string
	Record     string // the same form as Subject
}

func (r Ref) call(method string, rep repeat) *call {
	return newCall(method, rep, "v1", "subjects", r.Subject, "records", r.Collection, r.Record)
}

// Put stores a record and replaces what stands. Values are encoded as JSON; each
// must be of its field's type. Code invalid names the fields that are wrong.
func (c *Client) Put(ctx context.Context, ref Ref, fields map[string]any, opts ...Option) (api.Written, error) {
	return c.write(ctx, http.MethodPut, ref, fields, opts)
}

// Patch changes fields of a record that stands; nil removes a field. Code
// not_found if there is no record.
func (c *Client) Patch(ctx context.Context, ref Ref, fields map[string]any, opts ...Option) (api.Written, error) {
	return c.write(ctx, http.MethodPatch, ref, fields, opts)
}

func (c *Client) write(ctx context.Context, method string, ref Ref, fields map[string]any, opts []Option) (out api.Written, err error) {
	raw, err := encodeFields(fields)
	if err != nil {
		return out, err
	}
	return out, c.sendJSON(ctx, ref.call(method, keyed), api.Write{Fields: raw}, &out, opts...)
}

func encodeFields(fields map[string]any) (map[string]json.RawMessage, error) {
	raw := make(map[string]json.RawMessage, len(fields))
	for name, v := range fields {
		b, err := json.Marshal(v)
		if err != nil {
			return nil, fmt.Errorf("encoding the field %s: it has no JSON form", name)
		}
		raw[name] = b
	}
	return raw, nil
}

// Get reads fields of one record, for the client's purpose. Fields that are not
// stored are left out; hidden ones are not.
func (c *Client) Get(ctx context.Context, ref Ref, fields ...string) (out api.Record, err error) {
	k := ref.call(http.MethodGet, safely)
	k.query = url.Values{"fields": {strings.Join(fields, ",")}}
	return out, c.send(ctx, k, &out)
}

// Delete removes a record. A retry that finds it gone succeeds.
func (c *Client) Delete(ctx context.Context, ref Ref, opts ...Option) error {
	k := ref.call(http.MethodDelete, safely)
	k.gone = true
	return c.send(ctx, k, nil, opts...)
}

// List names a person's records, of one collection or with "" of all: one page,
// from the cursor of the page before, or "" for the first. A limit of 0 is 100.
func (c *Client) List(ctx context.Context, subject, collection, cursor string, limit int) (out api.References, err error) {
	k := newCall(http.MethodGet, safely, "v1", "subjects", subject, "records")
	k.query = url.Values{}
	setIf(k.query, "collection", collection)
	setIf(k.query, "cursor", cursor)
	if limit != 0 {
		k.query.Set("limit", strconv.Itoa(limit))
	}
	return out, c.send(ctx, k, &out)
}

func setIf(q url.Values, name, value string) {
	if value != "" {
		q.Set(name, value)
	}
}

// All names all of a person's records, page by page as they are asked for. It
// stops at the first error.
func (c *Client) All(ctx context.Context, subject, collection string) iter.Seq2[api.Reference, error] {
	return func(yield func(api.Reference, error) bool) {
		for cursor := ""; ; {
			page, err := c.List(ctx, subject, collection, cursor, 0)
			if err != nil {
				yield(api.Reference{}, err)
				return
			}
			for _, r := range page.Records {
				if !yield(r, nil) {
					return
				}
			}
			if cursor = page.Cursor; cursor == "" {
				return
			}
		}
	}
}

// PutBatch stores up to [api.MaxItems] records in one transaction. The error is for
// the call as a whole; [ItemError] says how each item went.
func (c *Client) PutBatch(ctx context.Context, items []api.WriteItem, opts ...Option) ([]api.WriteResult, error) {
	var out api.BatchWritten
	err := c.sendJSON(ctx, newCall(http.MethodPost, keyed, "v1", "records"), api.BatchWrite{Items: items}, &out, opts...)
	return out.Results, counted(err, len(out.Results), len(items))
}

// RevealBatch reads fields of up to [api.MaxItems] records. The error is for the
// call as a whole; [ItemError] says how each item went.
func (c *Client) RevealBatch(ctx context.Context, items []api.RevealItem, opts ...Option) ([]api.RevealResult, error) {
	var out api.RevealAnswer
	err := c.sendJSON(ctx, newCall(http.MethodPost, safely, "v1", "reveal"), api.RevealRequest{Items: items}, &out, opts...)
	return out.Results, counted(err, len(out.Results), len(items))
}

// counted refuses an answer that does not have one result an item: they are told
// apart by their places alone.
func counted(err error, results, items int) error {
	if err == nil && results != items {
		return fmt.Errorf("%w: %d results for %d items", ErrAnswer, results, items)
	}
	return err
}

// Search finds the records whose indexed field equals, begins with or contains a value, or
// is in a range: one page. See [Equals], [Prefix], [Contains] and [Range].
func (c *Client) Search(ctx context.Context, q api.SearchRequest, opts ...Option) (out api.SearchAnswer, err error) {
	return out, c.sendJSON(ctx, newCall(http.MethodPost, safely, "v1", "search"), q, &out, opts...)
}

// Encrypt seals values for an application that keeps the ciphertexts itself.
func (c *Client) Encrypt(ctx context.Context, items []api.EncryptItem, opts ...Option) ([]api.EncryptResult, error) {
	return c.encrypt(ctx, "encrypt", api.EncryptRequest{Items: items}, len(items), opts)
}

// Reencrypt moves ciphertexts to the persons' current keys.
func (c *Client) Reencrypt(ctx context.Context, items []api.DecryptItem, opts ...Option) ([]api.EncryptResult, error) {
	return c.encrypt(ctx, "reencrypt", api.DecryptRequest{Items: items}, len(items), opts)
}

func (c *Client) encrypt(ctx context.Context, route string, in any, n int, opts []Option) ([]api.EncryptResult, error) {
	var out api.EncryptAnswer
	err := c.sendJSON(ctx, newCall(http.MethodPost, safely, "v1", route), in, &out, opts...)
	return out.Results, counted(err, len(out.Results), n)
}

// Decrypt opens ciphertexts that an application kept, for the client's purpose.
func (c *Client) Decrypt(ctx context.Context, items []api.DecryptItem, opts ...Option) ([]api.DecryptResult, error) {
	var out api.DecryptAnswer
	err := c.sendJSON(ctx, newCall(http.MethodPost, safely, "v1", "decrypt"), api.DecryptRequest{Items: items}, &out, opts...)
	return out.Results, counted(err, len(out.Results), len(items))
}
