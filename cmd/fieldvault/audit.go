package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fieldvault/fieldvault/audit/evidence"
	"github.com/fieldvault/fieldvault/audit/tiledir"
	"github.com/fieldvault/fieldvault/audit/trail"
	"github.com/fieldvault/fieldvault/audit/tree"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/api"
	"github.com/fieldvault/fieldvault/vault/client"
)

func newAudit(w world) *cobra.Command {
	return group("audit", "Verify and follow the audit log, and learn from it",
		auditVerify(w), auditFollow(w), auditExport(w), auditBreach(w), auditUsage(w), auditHoney(w), auditPrune(w), auditReindex(w))
}

// auditFrom are the flags that say where a log is read from.
type auditFrom struct {
	dir, url, tokenFile, key, origin string
	store                            bool
}

func (f *auditFrom) flags(c *cobra.Command, store bool) {
	c.Flags().StringVar(&f.dir, "dir", "", "folder of an export (audit.export), or the --dir of dev")
	c.Flags().StringVar(&f.url, "url", "", "service to ask, such as https://vault.example.org")
	c.Flags().StringVar(&f.tokenFile, "token-file", "", "file with a token for --url (default: FIELDVAULT_TOKEN)")
	c.Flags().StringVar(&f.key, "key", "", "the service's public key, or a file that holds it (required)")
	c.Flags().StringVar(&f.origin, "log", "", "name of the log in its checkpoints (default: what the newest one says)")
	if store {
		c.Flags().BoolVar(&f.store, "store", false, "read the store itself, as --config says")
	}
	configFlags(c, "store.", "tenant")
}

// keys are the public keys of --key.
func (f *auditFrom) keys() ([]ed25519.PublicKey, error) {
	if f.key == "" {
		return nil, wrongUsage("--key is required: the service's public key, or a file that holds it (GET /v1/audit/key)")
	}
	texts, err := publicKeys(f.key)
	if err != nil {
		return nil, err
	}
	keys := make([]ed25519.PublicKey, len(texts))
	for i, text := range texts {
		if keys[i], err = evidence.ParseKey(text); err != nil {
			return nil, withHint(err, "the key reads ed25519:<base64>, as GET /v1/audit/key gives it")
		}
	}
	return keys, nil
}

// A fromLog is a log that a verb reads, with what its checkpoints must say.
type fromLog struct {
	tree.Source
	name   string // of the tenant
	origin string
	key    ed25519.PublicKey
	rows   *trail.Log // set: the store
	close  func() error
}

// open opens the log that the flags name.
func (f *auditFrom) open(ctx context.Context, w world, cfg Config) (*fromLog, error) {
	keys, err := f.keys()
	if err != nil {
		return nil, err
	}
	ways := 0
	for _, given := range []bool{f.dir != "", f.url != "", f.store} {
		if given {
			ways++
		}
	}
	if ways != 1 {
		return nil, wrongUsage("say where the log is, one way: --dir, --url or --store")
	}
	l := &fromLog{name: cfg.Tenant, close: func() error { return nil }}
	switch {
	case f.dir != "":
		l.Source, err = auditDir(f.dir, cfg.Tenant)
	case f.url != "":
		l.Source, err = f.service(w)
	default:
		err = l.openStore(ctx, w, cfg)
	}
	if err != nil {
		return nil, err
	}
	if err := l.identify(ctx, f.origin, keys); err != nil {
		return nil, errors.Join(err, l.close())
	}
	return l, nil
}

// auditDir finds the folder of the tenant's log.
func auditDir(dir, tenant string) (tree.Source, error) {
	for _, path := range []string{dir, filepath.Join(dir, tenant), filepath.Join(dir, devAudit, tenant)} {
		if _, err := os.Stat(filepath.Join(path, tiledir.CheckpointFile)); err == nil {
			return tiledir.Dir{Path: path}, nil
		}
	}
	return nil, withHint(fmt.Errorf("there is no log of tenant %s in %s", tenant, dir),
		"name the folder of audit.export, or that of one tenant in it; a new log is exported within seconds")
}

// service reads the log over HTTP.
func (f *auditFrom) service(w world) (tree.Source, error) {
	token := w.getenv("FIELDVAULT_TOKEN")
	if f.tokenFile != "" {
		b, err := os.ReadFile(f.tokenFile)
		if err != nil {
			return nil, withHint(fmt.Errorf("reading --token-file: %w", err), "it must hold a token and nothing else")
		}
		token = strings.TrimSpace(string(b))
	}
	if token == "" {
		return nil, withHint(errors.New("--url needs a token"), "set FIELDVAULT_TOKEN, or name a file with --token-file; its role needs the action audit")
	}
	c, err := client.New(client.Config{URL: f.url, Token: func(context.Context) (string, error) { return token, nil }})
	if err != nil {
		return nil, wrongUsage("--url: %v", err)
	}
	return overHTTP{c}, nil
}

// openStore opens the store, and no key.
func (l *fromLog) openStore(ctx context.Context, w world, cfg Config) error {
	log, err := newLogger(w.stderr, "warn", "text")
	if err != nil {
		return err
	}
	store, err := openStore(ctx, cfg.Store, log, false)
	if err != nil {
		return err
	}
	l.close = store.Close
	var id int32
	err = store.View(ctx, func(tx vault.Tx) error {
		list, err := tx.Tenants(ctx)
		for _, t := range list {
			if t.Name == cfg.Tenant {
				id = t.ID
			}
		}
		return err
	})
	if err == nil && id == 0 {
		err = withHint(fmt.Errorf("the store has no tenant %s", cfg.Tenant), "name it with --tenant")
	}
	if err != nil {
		return errors.Join(err, store.Close())
	}
	l.rows = &trail.Log{Store: vault.LogStore(store), Tenant: id}
	l.Source = l.rows
	return nil
}

// identify takes the origin of the log and the key that signs it.
func (l *fromLog) identify(ctx context.Context, origin string, keys []ed25519.PublicKey) error {
	signed, err := l.Checkpoint(ctx)
	switch {
	case errors.Is(err, trail.ErrNone):
		return withHint(fmt.Errorf("the log is empty: %w", err), "events are in the log within a second of a running service")
	case err != nil:
		return fmt.Errorf("reading the checkpoint: %w", err)
	}
	c, err := tree.ReadCheckpoint(signed)
	if err != nil {
		return withHint(fmt.Errorf("the checkpoint: %w", err), "it was changed: compare with a copy, or with what a witness has seen")
	}
	if origin == "" {
		origin = c.Origin
	}
	if !strings.HasSuffix(origin, "/"+l.name) {
		return withHint(fmt.Errorf("this is the log %q, not one of tenant %s", origin, l.name), "name the tenant with --tenant")
	}
	l.origin = origin
	for _, k := range keys {
		if _, err = tree.OpenCheckpoint(signed, origin, k); err == nil {
			l.key = k
			break
		}
	}
	if err != nil {
		return withHint(fmt.Errorf("the checkpoint does not verify: %w", err), "compare the key with GET /v1/audit/key; if it is right, the log was signed by somebody else")
	}
	if l.rows != nil {
		l.rows.Origin, l.rows.Key = l.origin, l.key
		l.Source = *l.rows
	}
	return nil
}

// overHTTP is a log that a service serves.
type overHTTP struct{ c *client.Client }

// Checkpoint asks for the newest checkpoint.
func (o overHTTP) Checkpoint(ctx context.Context) ([]byte, error) { return o.c.LogCheckpoint(ctx) }

// Tile asks for a tile.
func (o overHTTP) Tile(ctx context.Context, t tree.Tile) ([]byte, error) {
	return o.file(ctx, t.Path())
}

// file asks for a file of the log. One that the service does not have is missing: it is
// an fs.ErrNotExist, and no failure to read.
func (o overHTTP) file(ctx context.Context, path string) ([]byte, error) {
	b, err := o.c.LogTile(ctx, path)
	var answered *client.Error
	if errors.As(err, &answered) && answered.Code == api.NotFound {
		err = fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	}
	return b, err
}

// Entries asks for a bundle of events.
func (o overHTTP) Entries(ctx context.Context, n int64, width int) ([][]byte, error) {
	b, err := o.file(ctx, tree.EntriesPath(n, width))
	if err != nil {
		return nil, err
	}
	return tree.SplitEntries(b, width)
}
