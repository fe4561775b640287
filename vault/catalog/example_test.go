package catalog_test

import (
	"encoding/json"
	"fmt"

	"github.com/fieldvault/fieldvault/vault/catalog"
)

func Example() {
	c, err := catalog.Parse([]byte(`
title: Example shop
purposes:
  support:
    title: Customer support
    text: We look up your order when you ask for help.
    benefit: You are helped without having to repeat yourself.
    basis: contract
collections:
  customer:
    fields:
      email: {type: email, purposes: [support], index: {kind: equality}}
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	if c, err = c.Assign(nil); err != nil {
		fmt.Println(err)
		return
	}
	customer, _ := c.Collection("customer")
	email, _ := customer.Field("email")
	v, err := email.Encode(json.RawMessage(`"Ann@Example.org"`))
	if err != nil {
		fmt.Println(err)
		return
	}
	n, err := email.Normalise(v)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(v)
	fmt.Println(string(email.AppendJSON(nil, v)))
	fmt.Println(string(email.MaskValue(v).Expose()))
	fmt.Println(string(n.Expose()))
	_, err = email.Encode(json.RawMessage(`"ann at example.org"`))
	fmt.Println(err)
	// Output:
	// [redacted]
	// "Ann@Example.org"
	// A••••@Example.org
	// ann@example.org
	// customer.email: must be an e-mail address such as name@example.org
}
