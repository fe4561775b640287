package jwtauth_test

import (
	"context"
	"fmt"
	"time"

	"github.com/fieldvault/fieldvault/accessctl/jwtauth"
)

// A development issuer signs a token, and a verifier that knows its public key
// accepts it.
func Example() {
	now := func() time.Time { return time.Unix(1_800_000_000, 0) }
	signer, err := jwtauth.NewSigner("https://dev.example.org", now)
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	verifier, err := jwtauth.New(ctx, jwtauth.Config{
		Audience: jwtauth.Audience,
		Issuers: []jwtauth.Issuer{{
			Name:       signer.Issuer(),
			Tenants:    []string{"default"},
			Algorithms: []string{"EdDSA"},
			JWKS:       signer.JWKS(),
		}},
		Now: now,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	token, err := signer.Sign(jwtauth.Claims{Subject: "billing-service", Tenant: "default", Roles: []string{"billing"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := verifier.Verify(ctx, token)
	fmt.Println(p.Actor(), p.Roles, err)
	_, err = verifier.Verify(ctx, token+"x")
	fmt.Println(err)
	// Output:
	// https://dev.example.org#billing-service [billing] <nil>
	// jwtauth: token refused
}
