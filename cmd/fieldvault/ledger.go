package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/ledger"
	"github.com/fieldvault/fieldvault/vault/pgstore"
)

// openLedger opens the ledger that the settings name; nil if they say that there is
// none. A file that another process holds is that process's to write: what this one
// does waits in the database until it is taken from there.
func (p *parts) openLedger(ctx context.Context) (vault.Ledger, error) {
	l := p.cfg.Ledger
	switch {
	case l.None:
		return nil, nil
	case l.File != "":
		return p.openLedgerFile(ctx, l.File)
	case l.URL != "":
		return p.openLedgerURL(ctx, l.URL)
	}
	return nil, withHint(errors.New("no ledger is configured: after a restore of the database the erased would come back"),
		"set ledger.file for a single node, ledger.url_file (a second database) for several, or ledger.none to do without: certificates then say so")
}

func (p *parts) openLedgerFile(ctx context.Context, path string) (vault.Ledger, error) {
	f, err := ledger.OpenFile(ctx, path, ledger.FileConfig{Logger: p.log})
	switch {
	case errors.Is(err, ledger.ErrLocked):
		return &lentLedger{store: p.store}, nil
	case err != nil:
		return nil, ledgerHint(err)
	}
	p.closes = append(p.closes, f.Close)
	return &ownLedger{File: f}, nil
}

func (p *parts) openLedgerURL(ctx context.Context, url string) (vault.Ledger, error) {
	if err := checkStoreURL(StoreConfig{URL: url, AllowUnverified: p.cfg.Store.AllowUnverified}); err != nil {
		return nil, fmt.Errorf("ledger.url: %w", err)
	}
	l, err := pgstore.OpenLedger(ctx, pgstore.Config{URL: url, Logger: p.log})
	if err != nil {
		return nil, ledgerHint(err)
	}
	p.closes = append(p.closes, l.Close)
	if s, ok := p.store.(*pgstore.Store); ok {
		err := l.Apart(ctx, s)
		if errors.Is(err, pgstore.ErrSameServer) && p.cfg.Ledger.AllowSameServer {
			p.log.WarnContext(ctx, "the ledger is on the database's own server: a restore of the whole server undoes both")
			err = nil
		}
		if err != nil {
			return nil, withHint(fmt.Errorf("opening the ledger: %w", err), "ledger.url must lead to another server than store.url: one restore must not undo both; or set ledger.allow_same_server, if only its databases are ever restored one by one")
		}
	}
	return l, nil
}

// ledgerHint says what to do about a ledger that does not open.
func ledgerHint(err error) error {
	next := "check ledger.file or ledger.url, and that it can be reached"
	switch {
	case errors.Is(err, ledger.ErrMissing):
		next = "if there never was one, `fieldvault migrate` makes it; if there was, put it back: a new one would know of no erasure"
	case errors.Is(err, ledger.ErrCorrupt):
		next = "keep what is there, and restore the ledger from a copy that reaches as far"
	case errors.Is(err, ledger.ErrNewer):
		next = "a newer version wrote it: upgrade this node"
	}
	return withHint(fmt.Errorf("opening the ledger: %w", err), next)
}

// makeLedger makes the ledger that the settings name, unless it is there.
func makeLedger(ctx context.Context, l LedgerConfig, grant string) error {
	switch {
	case l.File != "":
		f, err := ledger.CreateFile(ctx, l.File, newID(), ledger.FileConfig{})
		if errors.Is(err, fs.ErrExist) {
			return nil
		}
		if err != nil {
			return withHint(fmt.Errorf("making the ledger: %w", err), "ledger.file must lead to a folder that exists and may be written to")
		}
		return f.Close()
	case l.URL != "":
		if err := pgstore.MigrateLedger(ctx, l.URL, nil); err != nil {
			return withHint(fmt.Errorf("making the ledger: %w", err), "ledger.url must name a database of its own, as its owner")
		}
		if grant == "" {
			return nil
		}
		return withHint(pgstore.GrantLedger(ctx, l.URL, grant), "the role must exist on the ledger's server, too (CREATE ROLE name LOGIN)")
	}
	return nil
}

// An ownLedger is a file that this process holds. After a failed write it is
// reopened by the next append, once the disk is well.
type ownLedger struct{ *ledger.File }

// Append appends, after reopening a file that failed.
func (l *ownLedger) Append(ctx context.Context, entries []ledger.Entry) error {
	err := l.File.Append(ctx, entries)
	if !errors.Is(err, ledger.ErrUnavailable) {
		return err
	}
	if again := l.Reopen(ctx); again != nil {
		return err
	}
	return l.File.Append(ctx, entries)
}

// A lentLedger is one whose file another process of this machine holds: the
// service. It takes what waits in the database, and watches over what is shown.
type lentLedger struct{ store vault.Store }

// lentWait is how long a verb waits for the service to take an entry.
const lentWait = 15 * time.Second

// Append waits until the service has taken the entries out of the database, which
// it does when they are in the ledger.
func (l *lentLedger) Append(ctx context.Context, entries []ledger.Entry) error {
	waiting := map[uuid.UUID]bool{}
	for i := range entries {
		waiting[entries[i].ID] = true
	}
	ctx, cancel := context.WithTimeout(ctx, lentWait)
	defer cancel()
	pause := time.NewTicker(100 * time.Millisecond)
	defer pause.Stop()
	for {
		left := false
		err := l.store.View(ctx, func(tx vault.Tx) error {
			list, err := tx.Outbox(ctx, ledger.MaxRead)
			for i := range list {
				left = left || waiting[list[i].ID]
			}
			left = left || len(list) == ledger.MaxRead // they may stand behind
			return err
		})
		if err == nil && !left {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the service that holds the ledger: %w", ledger.ErrUnavailable)
		case <-pause.C:
		}
	}
}

func newLedger(w world) *cobra.Command {
	replay := &cobra.Command{
		Use:   "replay",
		Short: "Make a restored database say what the ledger says",
		Long: `After the database was restored from a backup, or failed over to a copy that
lagged, it lacks erasures, withdrawals, restrictions and holds that were
acknowledged. The service then shows and stores nothing (readyz says so). This
does them again, from the ledger: the erased are erased, with the same
certificates. It may be stopped and run again; holds do not stand against it.

Run it as a node, while the service is stopped if the ledger is a file.`,
		Example: `  fieldvault ledger replay --config serve.yaml`,
		Args:    cobra.NoArgs,
	}
	configFlags(replay, "kek.", "store.", "ledger.", "tenant")
	replay.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := loadConfig(c, w)
		if err != nil {
			return err
		}
		return withParts(c.Context(), w, cfg, func(p *parts) error { return replayLedger(c, w, cfg, p) })
	}
	return group("ledger", "Work with the ledger of erasures outside the database", replay)
}

func replayLedger(c *cobra.Command, w world, cfg Config, p *parts) error {
	if _, lent := p.ledger.(*lentLedger); lent {
		return withHint(errors.New("the ledger's file is in use by the service"), "stop the service, replay, and start it again")
	}
	bar := newProgress(w.stderr, "replaying", 0)
	done, err := p.vault.Replay(c.Context(), operator(cfg.Tenant, "operator"), func(done, _ int64) { bar.at(int(done)) })
	bar.end(err)
	if err != nil {
		return withHint(fmt.Errorf("replaying the ledger: %w", err), replayNext(err))
	}
	words := fmt.Sprintf("The database says what the ledger says: %d of %d entries were applied.", done.Applied, done.Entries)
	return answer(c, map[string]int64{"entries": done.Entries, "applied": done.Applied}, words)
}

func replayNext(err error) string {
	if errors.Is(err, vault.ErrIntegrity) {
		return "the ledger, or the tenant's keys, are not those of this database: put the right ones in place"
	}
	return "see that database, ledger and key-encryption key answer, and run it again: what was replayed stays so"
}
