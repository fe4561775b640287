package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fieldvault/fieldvault/audit/trail"
	"github.com/fieldvault/fieldvault/audit/tree"
	"github.com/fieldvault/fieldvault/vault/api"
	"github.com/fieldvault/fieldvault/vault/client"
)

// followOptions are the flags of audit follow.
type followOptions struct {
	auditFrom
	state, cosigner, cosignKey string
	every                      time.Duration
	once                       bool
}

func auditFollow(w world) *cobra.Command {
	var o followOptions
	c := &cobra.Command{
		Use:   "follow",
		Short: "Watch a log as a witness: that it only grows",
		Long: `Remembers the newest checkpoint that it has seen in the file of --state, and
checks that each new one continues it. A log that was cut back or rewritten is
reported, and it exits with 1; the file then still holds the checkpoint that
proves it. Run it where those who run the service cannot reach.

With --cosign-key it signs what it has checked (C2SP tlog-cosignature) and keeps
the checkpoint with its signature in the file of --state; the key is made if the
file does not exist.`,
		Example: `  fieldvault audit follow --url https://vault.example.org --key key.txt --state seen.txt
  fieldvault audit follow --dir export --key key.txt --state seen.txt --once`,
		Args: cobra.NoArgs,
	}
	o.flags(c, true)
	c.Flags().StringVar(&o.state, "state", "", "file that remembers the newest checkpoint (required)")
	c.Flags().StringVar(&o.cosignKey, "cosign-key", "", "file of this witness's own key")
	c.Flags().StringVar(&o.cosigner, "cosigner", "", "name of this witness in its signatures (required with --cosign-key)")
	c.Flags().DurationVar(&o.every, "every", 10*time.Second, "how often to look")
	c.Flags().BoolVar(&o.once, "once", false, "look once, and end")
	c.RunE = func(c *cobra.Command, _ []string) (err error) {
		if o.state == "" {
			return wrongUsage("--state is required: a witness remembers")
		}
		if (o.cosignKey == "") != (o.cosigner == "") || o.every <= 0 {
			return wrongUsage("--cosign-key and --cosigner belong together, and --every is positive")
		}
		cfg, err := loadConfig(c, w)
		if err != nil {
			return err
		}
		return follow(c, w, cfg, o)
	}
	return c
}

// A witness is who follows a log.
type witness struct {
	log   *fromLog
	state string
	name  string
	key   ed25519.PrivateKey // nil: it does not sign
	last  *tree.Witnessed
}

func follow(c *cobra.Command, w world, cfg Config, o followOptions) (err error) {
	ctx := c.Context()
	var wit *witness
	defer func() {
		if wit != nil {
			err = errors.Join(err, wit.log.close())
		}
	}()
	failing := false
	for {
		if wit == nil {
			wit, err = newWitness(ctx, w, cfg, o)
		}
		if err == nil {
			err = wit.look(ctx, c)
		}
		var usage *usageError
		switch {
		case err == nil:
			failing = false
		case o.once || errors.Is(err, errForged) || errors.As(err, &usage):
			return err
		case ctx.Err() == nil && !failing:
			failing = true
			fmt.Fprintf(w.stderr, "fieldvault: the log cannot be read, trying again: %v\n", err)
		}
		if o.once {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(o.every):
		}
		err = nil
	}
}

// errForged: the log is not what was seen before. Nothing can be tried again.
var errForged = errors.New("the log was altered")

const keepState = "keep --state: it holds the signed checkpoint that the log no longer fits"

// vanished says whether a log that was seen before is not there any more, or is signed
// by another key.
func vanished(err error) bool {
	var answered *client.Error
	return errors.Is(err, trail.ErrNone) || errors.Is(err, tree.ErrSignature) || errors.Is(err, tree.ErrFormat) ||
		errors.As(err, &answered) && answered.Code == api.NotFound
}

func newWitness(ctx context.Context, w world, cfg Config, o followOptions) (*witness, error) {
	wit := &witness{state: o.state, name: o.cosigner}
	seen, err := os.ReadFile(o.state)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, withHint(fmt.Errorf("reading --state: %w", err), "it must be readable; without it, what was seen is forgotten")
	}
	if wit.log, err = o.open(ctx, w, cfg); err != nil {
		if len(seen) > 0 && vanished(err) {
			err = withHint(fmt.Errorf("%w: %w, and it was not empty", errForged, err), keepState)
		}
		return nil, err
	}
	if len(seen) > 0 {
		c, err := tree.OpenCheckpoint(seen, wit.log.origin, wit.log.key)
		if err != nil {
			return nil, errors.Join(withHint(fmt.Errorf("%w: the checkpoint in --state is not of this log and key: %w", errForged, err),
				"if the file is another log's, name another; if it is this one's, the log or its key was exchanged"), wit.log.close())
		}
		wit.last = &tree.Witnessed{Signed: seen, Checkpoint: c}
	}
	if o.cosignKey != "" {
		if wit.key, err = witnessKey(o.cosignKey); err != nil {
			return nil, errors.Join(err, wit.log.close())
		}
		pub, _ := wit.key.Public().(ed25519.PublicKey)
		fmt.Fprintf(w.stderr, "cosigning as %s\n", tree.CosignerKey(wit.name, pub))
	}
	return wit, nil
}

// witnessKey reads the key of a witness, or makes it.
func witnessKey(path string) (ed25519.PrivateKey, error) {
	b, err := os.ReadFile(path)
	if err == nil {
		seed, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(b)))
		if err != nil || len(seed) != ed25519.SeedSize {
			return nil, withHint(errors.New("--cosign-key holds no key"), "name a file that does not exist: the key is made")
		}
		return ed25519.NewKeyFromSeed(seed), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading --cosign-key: %w", err)
	}
	seed := make([]byte, ed25519.SeedSize)
	_, _ = rand.Read(seed) // it never fails
	if err := os.WriteFile(path, []byte(base64.StdEncoding.EncodeToString(seed)+"\n"), 0o600); err != nil {
		return nil, withHint(fmt.Errorf("making --cosign-key: %w", err), "its folder must exist and be writable")
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

// look checks the newest checkpoint, and remembers it.
func (wit *witness) look(ctx context.Context, c *cobra.Command) error {
	next, changed, err := tree.Advance(ctx, wit.log.Source, wit.log.origin, wit.log.key, wit.last)
	switch {
	case errors.Is(err, tree.ErrRollback), errors.Is(err, tree.ErrFork), errors.Is(err, tree.ErrSignature), errors.Is(err, tree.ErrFormat):
		return withHint(fmt.Errorf("%w: %w", errForged, err), keepState)
	case err != nil || !changed:
		return err
	}
	if wit.key != nil {
		pub, _ := wit.key.Public().(ed25519.PublicKey)
		sign := func(msg []byte) []byte { return ed25519.Sign(wit.key, msg) }
		if next.Signed, err = tree.Cosign(next.Signed, wit.name, sign, pub, now()); err != nil {
			return fmt.Errorf("cosigning: %w", err)
		}
	}
	if err := replaceFile(wit.state, next.Signed); err != nil {
		return err
	}
	wit.last = &next
	k := next.Checkpoint
	return answer(c, map[string]any{"log": k.Origin, "size": k.Size, "root": k.Root.String()},
		fmt.Sprintf("%s: %d events, root %s", k.Origin, k.Size, k.Root))
}

// replaceFile writes a file whole or not at all.
func replaceFile(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return withHint(fmt.Errorf("writing %s: %w", path, err), "its folder must exist and be writable")
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}
