package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/fieldvault/fieldvault/accessctl/jwtauth"
)

// tokenOptions are token's flags.
type tokenOptions struct {
	file, issuer, jwks string
	claims             jwtauth.Claims
}

func newToken(w world) *cobra.Command {
	var o tokenOptions
	c := &cobra.Command{
		Use:   "token",
		Short: "Sign a token with a local key, for development",
		Long: `Signs a token with the issuer in --issuer-file (dev keeps one as issuer.jwk in
its folder), and makes the file if it is missing. --jwks writes the issuer's
public keys, which serve takes as jwks_file. Not for production: let your
identity provider sign there.`,
		Example: `  fieldvault token --issuer-file data/issuer.jwk --role billing
  fieldvault token --role subject --person c-17 --lifetime 10m
  fieldvault token --role app --jwks issuer.jwks`,
		Args: cobra.NoArgs,
	}
	f := c.Flags()
	f.StringVar(&o.file, "issuer-file", "issuer.jwk", "file of the issuer's key")
	f.StringVar(&o.issuer, "issuer", devIssuer, "name of the issuer, when the file is made")
	f.StringVar(&o.jwks, "jwks", "", "also write the issuer's public keys to this file")
	f.StringVar(&o.claims.Tenant, "tenant", "default", "tenant")
	f.StringVar(&o.claims.Subject, "subject", "dev", "who the token is for (sub)")
	f.StringVar(&o.claims.Person, "person", "", "the person's own id, with --role subject")
	f.StringSliceVar(&o.claims.Roles, "role", nil, "role (repeat for more; required)")
	f.StringSliceVar(&o.claims.Purposes, "purpose", nil, "narrow the token to this purpose (repeat for more)")
	f.DurationVar(&o.claims.Lifetime, "lifetime", devLife, "how long it is valid, 1s to 1h")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if len(o.claims.Purposes) == 0 {
			o.claims.Purposes = nil
		}
		return token(c, w, o)
	}
	return c
}

// check refuses claims that every service would refuse.
func (o tokenOptions) check() error {
	person := slices.Contains(o.claims.Roles, "subject")
	switch {
	case len(o.claims.Roles) == 0:
		return wrongUsage("--role is required: without one, a token may do nothing")
	case person != (o.claims.Person != ""):
		return wrongUsage("--role subject and --person go together")
	case person && len(o.claims.Roles) > 1:
		return wrongUsage("--role subject goes with no other role")
	case o.claims.Subject == "" || o.claims.Tenant == "":
		return wrongUsage("--subject and --tenant may not be empty")
	case o.claims.Lifetime < time.Second || o.claims.Lifetime > devLife:
		return wrongUsage("--lifetime must be 1s to 1h")
	}
	return nil
}

func token(c *cobra.Command, w world, o tokenOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	s, err := jwtauth.LoadSigner(o.file, now)
	if errors.Is(err, fs.ErrNotExist) {
		if s, err = jwtauth.NewSigner(o.issuer, now); err != nil {
			return wrongUsage("--issuer must be printable, without blank, # and %%")
		}
		if err = s.Save(o.file); err == nil {
			fmt.Fprintf(w.stderr, "fieldvault: made a new issuer in %s; a service accepts its tokens once it has its key set (--jwks)\n", o.file)
		}
	}
	if err != nil {
		return withHint(fmt.Errorf("opening the issuer: %w", err), "the file must be the issuer.jwk of dev or of an earlier run, readable by you alone (mode 0600)")
	}
	if o.jwks != "" {
		if err := os.WriteFile(o.jwks, append(s.JWKS(), '\n'), 0o600); err != nil {
			return withHint(fmt.Errorf("writing the key set: %w", err), "name a file that you may write with --jwks")
		}
	}
	t, err := s.Sign(o.claims)
	if err != nil {
		return fmt.Errorf("signing the token: %w", err)
	}
	return answer(c, map[string]any{"token": t, "issuer": s.Issuer(), "jwks": json.RawMessage(s.JWKS())}, t)
}
