package client_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/vault/api"
	"github.com/fieldvault/fieldvault/vault/client"
)

// Customer is a record of the collection customer.
type Customer struct {
	FirstName string       `fieldvault:"customer.first_name"`
	Email     client.Value `fieldvault:"customer.email"` // carries what was allowed
	Phone     string       `fieldvault:"customer.phone,omitempty"`
}

func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := client.New(client.Config{
		URL:     "https://vault.example.org",
		Token:   client.StaticToken("the token that your issuer gave"),
		Purpose: "support",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	email, err := client.Plain("a@example.org")
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := c.Protect(ctx, "c-17", "self", Customer{FirstName: "Ada", Email: email}); err != nil {
		fmt.Println(err)
		return
	}
	var seen Customer
	if _, err := c.For("billing").Reveal(ctx, "c-17", "self", &seen); err != nil {
		fmt.Println(err)
		return
	}
	if seen.Email.View == api.ViewHidden {
		fmt.Println("not for us, because of", seen.Email.Reason)
	}
}

func ExampleClient_Erase() {
	c, err := client.New(client.Config{URL: "https://vault.example.org", Token: client.StaticToken("an officer's token")})
	if err != nil {
		fmt.Println(err)
		return
	}
	certificate, err := c.Erase(context.Background(), "c-17", "request of 2026-11-02")
	switch {
	case client.IsCode(err, api.Held):
		fmt.Println("a legal hold stands against it")
	case err != nil:
		fmt.Println(err)
	default:
		fmt.Println("keep this:", len(certificate), "bytes")
	}
}

func ExampleItemError() {
	results := []api.WriteResult{
		{Outcome: api.Outcome{Status: 201}, Revision: 1},
		{Outcome: api.Outcome{Status: 400, Code: api.Invalid, Errors: []api.FieldIssue{{Field: "customer.email", Rule: "must be an e-mail address"}}}},
	}
	for i, r := range results {
		if err := client.ItemError(i, r.Outcome); err != nil {
			fmt.Println(err)
		}
	}
	// Output: fieldvault: invalid (400) at item 1; customer.email must be an e-mail address
}

func ExampleValue() {
	v := client.Value{View: api.ViewMasked, JSON: json.RawMessage(`"l••••@example.org"`)}
	fmt.Println(v)
	fmt.Println(v.View, v.Text())
	// Output:
	// [masked]
	// masked l••••@example.org
}

// The example of the package, and its struct, work.
func TestTheExampleWorks(t *testing.T) {
	as := serve(t, nil)
	email, err := client.Plain("a@example.org")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := as("app", "").Protect(t.Context(), "c-17", "self", Customer{FirstName: "Ada", Email: email}); err != nil {
		t.Fatal(err)
	}
	var seen Customer
	if _, err := as("support", "support").Reveal(t.Context(), "c-17", "self", &seen); err != nil || seen.Email.Text() != "••••@example.org" || seen.Phone != "" {
		t.Errorf("%q %v", seen.Email.Text(), err)
	}
}
