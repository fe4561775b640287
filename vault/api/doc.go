// Package api is the wire format of Fieldvault's HTTP API: what requests and
// answers look like as JSON, which errors there are, and how large things may be.
//
// Server and clients share these types, so they cannot disagree; the OpenAPI
// document at /openapi.json is made from them.
//
// # Conventions
//
// Names of members are lower case with underscores. Times are RFC 3339 in UTC.
// An absent member and an empty one mean the same, except where a comment says
// otherwise. Values of fields are JSON values as the catalog's type says: strings,
// numbers, booleans or, for type json, anything; bytes are base64 strings.
//
// Every error is a [Problem] with a [Code] of a closed set. In batches, answers
// stand in the order of the items, each with its own [Outcome].
//
// # Strict decoding
//
// [Unmarshal] and [DecodeStrict] read JSON that others wrote, and refuse what two
// readers could understand differently: keys that stand twice or differ only in
// case, keys that are unknown, null where a value is due, data behind the end,
// text that is not UTF-8, and lone surrogates. They bound depth and number of
// elements before anything is allocated for them.
package api
