// Command fieldvault keeps people's personal data: `dev` runs all of it embedded
// with sample data, `serve` runs it on PostgreSQL and Vault, and the other verbs
// administer it. `fieldvault --help` lists them.
//
// Results go to standard output, as JSON with --json; all else goes to standard
// error, with what to do next. The exit code is 0, 1 for a failure, or 2 for wrong
// usage. No message holds a person's value.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	harden()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	w := world{args: os.Args[1:], environ: os.Environ(), stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}
	code := run(ctx, w)
	stop()
	os.Exit(code)
}
