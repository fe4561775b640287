// Command fieldvault keeps people's personal data: `dev` runs all of it embedded
// with sample data, `serve` runs it on PostgreSQL and Vault, and the other verbs
// administer it. `fieldvault --help` lists them.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	w := world{args: os.Args[1:], environ: os.Environ(), stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}
	code := run(ctx, w)
	stop()
	os.Exit(code)
}
