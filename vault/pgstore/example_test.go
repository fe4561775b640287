package pgstore_test

import (
	"context"
	"fmt"
	"os"

	"github.com/fieldvault/fieldvault/vault/pgstore"
)

// The owner of the database migrates it and lets the service in; the service
// runs as a role of its own.
func Example() {
	ctx := context.Background()
	owner := os.Getenv("OWNER_URL")
	if err := pgstore.Migrate(ctx, owner, func(line string) { fmt.Println(line) }); err != nil {
		fmt.Println(err)
		return
	}
	if err := pgstore.Grant(ctx, owner, "fieldvault"); err != nil {
		fmt.Println(err)
		return
	}
	s, err := pgstore.Open(ctx, pgstore.Config{
		URL: "postgres://fieldvault@db.example.org/fieldvault?sslmode=verify-full",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(s.Ping(ctx))
	fmt.Println(s.Close())
}
