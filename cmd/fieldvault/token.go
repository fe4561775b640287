package main

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/spf13/cobra"

	"github.com/fieldvault/fieldvault/accessctl/jwtauth"
)

func newToken(world) *cobra.Command {
	var file, issuer, tenant, subject, person string
	var roles, purposes []string
	var life time.Duration
	c := &cobra.Command{
		Use:   "token",
		Short: "Sign a token with a local key, for development",
		Long: `Signs a token with the issuer in --issuer-file (dev keeps one as issuer.jwk in its
folder), and makes the file if it is missing. With --json it also prints the key
set that serve needs as jwks_file. Not for production: let your identity provider
sign there.`,
		Args: cobra.NoArgs,
	}
	f := c.Flags()
	f.StringVar(&file, "issuer-file", "issuer.jwk", "file of the issuer's key")
	f.StringVar(&issuer, "issuer", devIssuer, "name of the issuer, when the file is made")
	f.StringVar(&tenant, "tenant", "default", "tenant")
	f.StringVar(&subject, "subject", "dev", "who the token is for (sub)")
	f.StringVar(&person, "person", "", "the person's own id, with --role subject")
	f.StringSliceVar(&roles, "role", nil, "role (repeat for more)")
	f.StringSliceVar(&purposes, "purpose", nil, "narrow the token to this purpose (repeat for more)")
	f.DurationVar(&life, "lifetime", devLife, "how long it is valid, at most 1h")
	c.RunE = func(c *cobra.Command, _ []string) error {
		s, err := jwtauth.LoadSigner(file, now)
		if errors.Is(err, fs.ErrNotExist) {
			if s, err = jwtauth.NewSigner(issuer, now); err == nil {
				err = s.Save(file)
			}
		}
		if err != nil {
			return withHint(fmt.Errorf("opening the issuer: %w", err), "the file must be the issuer.jwk of dev or an earlier run, readable by you alone")
		}
		claims := jwtauth.Claims{Subject: subject, Tenant: tenant, Roles: roles, Person: person, Lifetime: life}
		if len(purposes) > 0 {
			claims.Purposes = purposes
		}
		t, err := s.Sign(claims)
		if err != nil {
			return &usageError{err}
		}
		return answer(c, map[string]string{"token": t, "issuer": s.Issuer(), "jwks": string(s.JWKS())}, t)
	}
	return c
}
