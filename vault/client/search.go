package client

import (
	"encoding/json"
	"fmt"

	"github.com/fieldvault/fieldvault/vault/api"
)

// Equals asks for the records whose field, as collection and name, has the value: a
// string, a number or another of the field's type. An error says that the value cannot be
// written as JSON.
func Equals(collection, field string, value any) (api.SearchRequest, error) {
	v, err := raw(value)
	return api.SearchRequest{Collection: collection, Field: field, Equals: v}, err
}

// Prefix asks for the records whose field begins with the text, which has at least as many
// characters as the catalog says.
func Prefix(collection, field, text string) (api.SearchRequest, error) {
	v, err := raw(text)
	return api.SearchRequest{Collection: collection, Field: field, Prefix: v}, err
}

// Contains asks for the records in whose field the text stands, which has at least as many
// characters as the catalog says.
func Contains(collection, field, text string) (api.SearchRequest, error) {
	v, err := raw(text)
	return api.SearchRequest{Collection: collection, Field: field, Contains: v}, err
}

// Range asks for the records whose field, a number or a date, is from one value to the
// other, both included. nil: there is no bound on this side.
func Range(collection, field string, from, to any) (api.SearchRequest, error) {
	q := api.SearchRequest{Collection: collection, Field: field}
	for _, b := range []struct {
		value any
		into  *json.RawMessage
	}{{from, &q.From}, {to, &q.To}} {
		if b.value == nil {
			continue
		}
		var err error
		if *b.into, err = raw(b.value); err != nil {
			return q, err
		}
	}
	return q, nil
}

func raw(value any) (json.RawMessage, error) {
	b, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("writing what is searched for: %w", err)
	}
	return b, nil
}
