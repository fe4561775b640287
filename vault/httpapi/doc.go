// Package httpapi serves a [vault.Vault] over HTTP: it turns requests into calls
// of its methods and their results into answers, and holds no rule of its own
// about who may see what.
//
// # One table
//
// Every route stands once, in a table that says its method and path, what it
// takes and answers, and which function serves it. The router and the OpenAPI
// document are both made from that table, so the document cannot drift; huma makes
// the schemas from the types of package api, and sees no request.
//
// # The way of a request
//
// In this order, so that what costs more comes later:
//
//  1. Sizes: headers by the server, then the declared length of the body (413).
//  2. Requests under way: beyond the limit 503.
//  3. Authentication: exactly one bearer token of at most 8 KiB, else 401; many
//     failures from one address are 429. A good token is never held up by others'
//     failures behind the same address.
//  4. Rates: 429 with Retry-After, per principal, or for public routes per address.
//     The address is the connection's: forwarded-for headers are not read.
//  5. Form: path, query, headers, then the body, strictly (400, 413, 415).
//  6. The vault.
//
// A path parameter is decoded exactly once, and its bytes are the vault's to check.
// An Idempotency-Key takes effect on writes of records, on consents, and on requests and
// their steps. On the other writing routes, which do the same when they are repeated, it
// is accepted and not needed.
//
// Unknown or repeated query parameters, a purpose, Idempotency-Key, If-Match or
// Request-Id that stands twice, and conditions that a route does not honour, are
// refused: ignoring them would answer another question than was asked.
//
// Bodies are read as they come, within a budget for all requests together; a
// length that lies reserves nothing. Compressed bodies are not decoded (415).
//
// # Answers
//
// One function, problemOf, turns errors into problem+json with a closed set of
// codes; what it does not know is 500 with fixed text. No answer, log line or
// metric holds a path, a value, or the text of a dependency. Everything under /v1 but
// the catalog and the public keys says no-store. Answers with values are built in
// memory, sent in one piece, and overwritten.
package httpapi
