package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/user"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/fieldvault/fieldvault/vault"
)

// version is set when a release is built.
const version = "0.1.0"

// A world is everything that the program takes from outside.
type world struct {
	args    []string
	environ []string
	stdin   io.Reader
	stdout  io.Writer
	stderr  io.Writer
}

// getenv reads one variable.
func (w world) getenv(name string) string {
	for _, kv := range w.environ {
		if v, ok := strings.CutPrefix(kv, name+"="); ok {
			return v
		}
	}
	return ""
}

// now is the program's clock.
func now() time.Time { return time.Now() }

// newID makes uids, event ids and request ids.
func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }

// terminal says whether people watch the stream.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// localUser names who runs the program, for events.
func localUser() string {
	u, err := user.Current()
	if err != nil || u.Username == "" {
		return "unknown"
	}
	return u.Username
}

// A hint is an error with what to do about it.
type hint struct {
	err  error
	next string
}

func (h *hint) Error() string { return h.err.Error() }
func (h *hint) Unwrap() error { return h.err }

// withHint says what to do about an error.
func withHint(err error, next string) error {
	if err == nil {
		return nil
	}
	return &hint{err: err, next: next}
}

// run is the program. It returns the exit code: 0, 1 for a failure, 2 for wrong
// usage.
func run(ctx context.Context, w world) int {
	root := newRoot(w)
	root.SetArgs(w.args)
	root.SetIn(w.stdin)
	root.SetOut(w.stdout)
	root.SetErr(w.stderr)
	c, err := root.ExecuteContextC(ctx)
	var usage *usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		fmt.Fprintf(w.stderr, "fieldvault: %v\nWhat to do: see `%s --help`\n", err, c.CommandPath())
		return 2
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		err = withHint(errors.New("interrupted"), "run it again: what was done stays done, and is not done twice")
	}
	fmt.Fprintf(w.stderr, "fieldvault: %v\nWhat to do: %s\n", err, nextOf(c, err))
	return 1
}

// nextOf is what to do about an error: what the outermost hint says, or else what
// fits its kind.
func nextOf(c *cobra.Command, err error) string {
	var h *hint
	switch {
	case errors.Is(err, vault.ErrBehind):
		return "the database was restored, or lags: run `fieldvault ledger replay` (the log of the service says more)"
	case errors.As(err, &h):
		return h.next
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		return "check the path, and that you may read and write there"
	case errors.Is(err, vault.ErrUnavailable):
		return "see that the database and the key-encryption key answer, and run it again"
	}
	return fmt.Sprintf("`%s --help` says what it needs", c.CommandPath())
}

// A usageError is a wrong call of the program.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// wrongUsage says what is wrong with the call.
func wrongUsage(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...)}
}

// newRoot makes the command with all its verbs.
func newRoot(w world) *cobra.Command {
	root := &cobra.Command{
		Use:   "fieldvault",
		Short: "Keeps people's personal data so that it is used as agreed, seen as policy allows, and forgotten in an instant",
		Long: `Keeps people's personal data so that it is used as agreed, seen as policy
allows, and forgotten in an instant.

Begin with fieldvault dev: it needs nothing else and prints what to try. In
production: migrate, tenant create, catalog apply, policy apply, serve.`,
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	root.SetUsageFunc(usage)
	root.PersistentFlags().Bool("json", false, "print the result as JSON on standard output")
	root.AddCommand(
		newDev(w), newServe(w), newMigrate(w), newTenant(w), newImport(w), newErase(w), newApprove(w), newHold(w), newLedger(w), newKeys(w), newFsck(w), newAudit(w),
		newCatalog(w), newPolicy(w), newToken(w), newCertificate(w), newRequest(w), newRecord(w), newAggregate(w), newRelease(w), newBench(w),
	)
	usageArgs(root)
	return root
}

// usageArgs makes wrong arguments wrong usage.
func usageArgs(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				return &usageError{err}
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		usageArgs(sub)
	}
}

// asJSON says whether the result is to be printed as JSON.
func asJSON(c *cobra.Command) bool {
	b, _ := c.Flags().GetBool("json")
	return b
}

// answer prints a result: v as one line of JSON, or the words.
func answer(c *cobra.Command, v any, words string) error {
	if !asJSON(c) {
		_, err := fmt.Fprintln(c.OutOrStdout(), words)
		return err
	}
	return json.NewEncoder(c.OutOrStdout()).Encode(v)
}

// newLogger writes to standard error: text for people, JSON for machines.
func newLogger(w io.Writer, level, format string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, withHint(errors.New("log.level is unknown"), "set it to debug, info, warn or error")
	}
	opts := &slog.HandlerOptions{Level: l}
	switch format {
	case "json":
		return slog.New(slog.NewJSONHandler(w, opts)), nil
	case "text":
		return slog.New(slog.NewTextHandler(w, opts)), nil
	}
	return nil, withHint(errors.New("log.format is unknown"), "set it to text or json")
}
