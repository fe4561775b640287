package transit_test

import (
	"context"
	"fmt"
	"time"

	"github.com/fieldvault/fieldvault/crypto/transit"
)

// A node logs in by AppRole, keeps its token good in the background and wraps a
// data key under its tenant's key, bound to whose it is.
func Example() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	kek, err := transit.New(ctx, transit.Config{
		Address: "https://vault.example.org:8200",
		Auth:    transit.Auth{AppRole: &transit.AppRole{RoleID: "fieldvault-node", SecretIDFile: "/run/secrets/vault-secret-id"}},
		Now:     time.Now,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ended := make(chan error, 1)
	go func() { ended <- kek.Run(ctx) }()

	whose := [][]byte{[]byte("tenant, person, group and epoch")}
	wrapped, err := kek.Wrap(ctx, "acme", whose, [][]byte{[]byte("a data key")})
	if err == nil {
		_, _, err = kek.Unwrap(ctx, "acme", whose, wrapped)
	}
	cancel()
	fmt.Println(err, <-ended, kek.Close())
}
