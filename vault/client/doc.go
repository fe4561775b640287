// Package client is the Go client of Fieldvault's HTTP API.
//
// # Start
//
//	c, err := client.New(client.Config{
//		URL:     "https://vault.example.org",
//		Token:   client.StaticToken(token),
//		Purpose: "support", // why this program reads, by default
//	})
//
// # Records
//
// A record is fields by name. Every read is for a purpose: the Config's, or another
// one for part of a program with [Client.For]. What comes back says for each field
// whether it is plain, masked or hidden, and why.
//
//	_, err = c.Put(ctx, client.Ref{Subject: "c-17", Collection: "customer", Record: "self"},
//		map[string]any{"email": "a@example.org"})
//	rec, err := c.For("billing").Get(ctx, ref, "email", "phone")
//
// # Structs
//
// A struct whose fields carry tags is a record of one collection. [Client.Protect]
// stores it, [Client.Reveal] fills it:
//
//	type Customer struct {
//		Email string       `fieldvault:"customer.email"`
//		Phone client.Value `fieldvault:"customer.phone"`           // carries view and reason
//		Born  *time.Time   `fieldvault:"customer.born,omitempty"`  // a date
//	}
//	_, err = c.Protect(ctx, "c-17", "self", &customer)
//	views, err := c.Reveal(ctx, "c-17", "self", &customer)
//
// The package says under [Client.Protect] which Go types serve.
//
// # Retries and safety
//
// Answers 429 and 503 and broken connections are tried again, with growing waits and
// within the context. What must not happen twice does not: PUT, PATCH and batch
// writes carry a generated Idempotency-Key, and calls whose repetition could undo what
// another did meanwhile (granting a consent, lifting a hold or a restriction,
// re-enrolment) are only repeated when the service says that it did nothing (429).
//
// The client follows no redirect, for its requests carry a credential and personal
// data, and speaks plain HTTP only to this machine unless told otherwise. Its errors
// name codes and rules, never values.
package client
