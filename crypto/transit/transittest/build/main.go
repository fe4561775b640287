// Build builds the Vault server that the tests use, unless this machine has it,
// and prints its path:
//
//	go run ./crypto/transit/transittest/build
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/fieldvault/fieldvault/crypto/transit/transittest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	path, err := transittest.Build(ctx, os.Stderr)
	stop()
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "build:", err)
		os.Exit(1)
	}
	_, _ = fmt.Fprintln(os.Stdout, path)
}
