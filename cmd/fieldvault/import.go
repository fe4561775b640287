package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/cmd/fieldvault/importer"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/catalog"
)

// importOptions are import's flags.
type importOptions struct {
	mapping, state, role string
	batch                int
}

func newImport(w world) *cobra.Command {
	var o importOptions
	c := &cobra.Command{
		Use:   "import FILE",
		Short: "Import people's records from CSV or JSON Lines",
		Long: `Writes the rows of FILE (.csv, or .jsonl with one object a line) as records, as
the mapping says (deploy/sample/customers.import.yaml is an example). It opens
the store itself and acts as local:<user>, in events.

Bad rows are reported on standard error by line and rule, never by value, and do
not stop the others; the exit code is then 1. Texts with personal data that the
catalog does not announce are stored, and counted in the end.

How far the import has come is kept in FILE.progress, so that running it again
goes on behind the last batch.`,
		Example: `  fieldvault import customers.csv --mapping customers.import.yaml --config serve.yaml`,
		Args:    cobra.ExactArgs(1),
	}
	storeFlags(c)
	c.Flags().StringVar(&o.mapping, "mapping", "", "mapping file (default: FILE with .import.yaml for its ending)")
	c.Flags().StringVar(&o.state, "state", "", "file that keeps how far the import has come (default: FILE.progress)")
	c.Flags().IntVar(&o.batch, "batch", importer.DefaultBatch, "rows a transaction, at most 1000")
	roleFlag(c, &o.role, "app")
	c.RunE = func(c *cobra.Command, args []string) error {
		if o.batch < 1 || o.batch > vault.MaxItems {
			return wrongUsage("--batch must be 1 to %d", vault.MaxItems)
		}
		cfg, err := loadConfig(c, w)
		if err != nil {
			return err
		}
		return withParts(c.Context(), w, cfg, func(p *parts) error { return importFile(c, w, p, args[0], o) })
	}
	return c
}

// withParts opens store, keys and core for one verb.
func withParts(ctx context.Context, w world, cfg Config, f func(*parts) error) (err error) {
	log, err := newLogger(w.stderr, "warn", "text")
	if err != nil {
		return err
	}
	p, err := openParts(ctx, cfg, log, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	if err := p.openVault(ctx); err != nil {
		return err
	}
	return f(p)
}

func importFile(c *cobra.Command, w world, p *parts, path string, o importOptions) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return withHint(fmt.Errorf("reading the file: %w", err), "name a CSV file or a JSON Lines file (.jsonl)")
	}
	if o.mapping == "" {
		o.mapping = strings.TrimSuffix(path, filepath.Ext(path)) + ".import.yaml"
	}
	mapping, err := os.ReadFile(o.mapping)
	if err != nil {
		return withHint(fmt.Errorf("reading the mapping: %w", err), "name the mapping file with --mapping; deploy/sample/README.md describes it")
	}
	if o.state == "" {
		o.state = path + ".progress"
	}
	state, err := readState(o.state, data, mapping)
	if err != nil {
		return err
	}
	opts, err := p.importOptions(c.Context(), path, data, mapping, accessctl.Role(o.role))
	if err != nil {
		return err
	}
	bar := newProgress(w.stderr, "importing "+filepath.Base(path), countLines(data))
	opts.After, opts.Batch = state.Line, o.batch
	opts.Saved = func(line int) error { state.Line = line; return state.save(o.state) }
	opts.Bad = func(line int, problem string) { bar.report("%s: line %d: %s", path, line, problem) }
	opts.Progress = func(s importer.Summary) { bar.at(s.Line) }
	sum, err := importer.Run(c.Context(), opts)
	bar.end(err)
	if errors.Is(err, vault.ErrDenied) {
		return deniedHint(err, o.role, accessctl.ActionWrite)
	}
	if err != nil {
		return withHint(err, fmt.Sprintf("%d rows are stored; run the same command again to go on", sum.Written+sum.Skipped))
	}
	words := fmt.Sprintf("%d rows stored, %d refused, %d passed over: an earlier run read them", sum.Written, sum.Bad, sum.Skipped)
	if err := answer(c, sum, words+warningWords(sum.Warnings)); err != nil {
		return err
	}
	if sum.Bad > 0 {
		return withHint(fmt.Errorf("%d rows are not stored", sum.Bad), "correct these rows and import them as a file of their own")
	}
	return nil
}

// warningWords says what the texts hold that nobody announced, a line each, or nothing.
func warningWords(list []importer.Warning) string {
	if len(list) == 0 {
		return ""
	}
	words := "\nstored, but the catalog does not announce this personal data in texts:"
	for _, w := range list {
		words += fmt.Sprintf("\n  %s: %s in %d rows", w.Field, w.Kind, w.Rows)
	}
	return words
}

// importOptions prepares an import by the tenant's catalog.
func (p *parts) importOptions(ctx context.Context, name string, data, mapping []byte, role accessctl.Role) (importer.Options, error) {
	m, err := importer.ParseMapping(mapping)
	if err != nil {
		return importer.Options{}, withHint(err, "deploy/sample/README.md describes mapping files")
	}
	cat, err := p.vault.Catalog(ctx, p.cfg.Tenant)
	if err != nil {
		return importer.Options{}, withHint(fmt.Errorf("reading the catalog: %w", err), "apply a catalog first: fieldvault catalog apply FILE")
	}
	coll, ok := cat.Collection(m.Collection)
	if !ok {
		return importer.Options{}, withHint(errors.New("the mapping's collection is not in the catalog"), "the catalog has "+collections(cat))
	}
	var rows importer.Rows
	if strings.HasSuffix(name, ".jsonl") || strings.HasSuffix(name, ".ndjson") {
		rows = importer.JSONLines(bytes.NewReader(data))
	} else if rows, err = importer.CSV(bytes.NewReader(data)); err != nil {
		return importer.Options{}, withHint(err, "the first row of a CSV file names the columns; a file of JSON Lines ends in .jsonl")
	}
	by := operator(p.cfg.Tenant, role)
	sink := func(ctx context.Context, items []vault.Write, key string) ([]vault.Written, error) {
		return p.vault.PutBatch(ctx, by, items, vault.Idempotency{Key: key, Request: []byte(key)})
	}
	return importer.Options{Mapping: m, Collection: coll, Rows: rows, Sink: sink, File: digest(data)}, nil
}

func collections(cat *catalog.Catalog) string {
	names := make([]string, len(cat.Collections))
	for i := range cat.Collections {
		names[i] = cat.Collections[i].Name
	}
	return strings.Join(names, ", ")
}

func countLines(data []byte) int { return bytes.Count(data, []byte("\n")) }

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:16])
}

// An importState is how far an import has come; it belongs to one input.
type importState struct {
	Input string `json:"input"` // digest of file and mapping
	Line  int    `json:"line"`
}

func readState(path string, data, mapping []byte) (importState, error) {
	fresh := importState{Input: digest(slices.Concat(data, mapping))}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fresh, nil
	}
	if err != nil {
		return importState{}, fmt.Errorf("reading the state: %w", err)
	}
	var s importState
	if err := json.Unmarshal(b, &s); err != nil {
		return importState{}, withHint(errors.New("the state file does not parse"), "delete "+path+" to begin again: rows that are stored are written once more")
	}
	if s.Input != fresh.Input {
		return importState{}, withHint(errors.New("the state file is of another file or mapping"), "delete "+path+" to begin again, or name another with --state")
	}
	return s, nil
}

// save writes the state in one step.
func (s importState) save(path string) error {
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", append(b, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
