package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fieldvault/fieldvault/audit/trail"
	"github.com/fieldvault/fieldvault/audit/tree"
)

func auditVerify(w world) *cobra.Command {
	var from auditFrom
	var pruned int64
	c := &cobra.Command{
		Use:   "verify",
		Short: "Verify a whole log, offline, with nothing but the public key",
		Long: `Recomputes every leaf from its event and the tree from the leaves, and compares
with the newest signed checkpoint. With --store, every column is compared with
its event, and every checkpoint that was ever signed with the tree; no key is
opened. If something was changed it names the first bad index and exits with 1.

What it cannot see alone: a log that was cut back to an earlier state of its own,
with its checkpoints. Only who has seen more finds that: fieldvault audit follow.`,
		Example: `  fieldvault audit verify --dir export --key key.txt
  fieldvault audit verify --store --config serve.yaml --key key.txt
  fieldvault audit verify --url https://vault.example.org --key key.txt`,
		Args: cobra.NoArgs,
	}
	from.flags(c, true)
	c.Flags().Int64Var(&pruned, "pruned", 0, "events below this index were pruned by age and may be absent (--store knows by itself)")
	c.RunE = func(c *cobra.Command, _ []string) (err error) {
		cfg, err := loadConfig(c, w)
		if err != nil {
			return err
		}
		log, err := from.open(c.Context(), w, cfg)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, log.close()) }()
		return verifyLog(c, w, log, pruned)
	}
	return c
}

// verified is what audit verify prints.
type verified struct {
	Log         string `json:"log"`
	Size        int64  `json:"size"`
	Root        string `json:"root"`
	Events      int64  `json:"events"`
	Pruned      int64  `json:"pruned"`
	Checkpoints int    `json:"earlier_checkpoints"`
	Stray       int64  `json:"refused_rows"`
}

func verifyLog(c *cobra.Command, w world, log *fromLog, pruned int64) error {
	ctx := c.Context()
	bar := newProgress(w.stderr, "verifying events", 0)
	sized := false
	progress := func(done, total int64) {
		if !sized {
			bar.resize(int(total))
			sized = true
		}
		bar.at(int(done))
	}
	var r trail.Report
	var err error
	began := now()
	if log.rows != nil {
		r, err = trail.Check{Log: *log.rows, Name: log.name, Progress: progress}.Run(ctx)
	} else {
		v := tree.Verification{Source: log.Source, Origin: log.origin, Key: log.key, Tenant: log.name, Pruned: pruned, Progress: progress}
		r.Report, err = v.Run(ctx)
	}
	bar.end(err)
	var bad *tree.BadError
	switch {
	case errors.As(err, &bad):
		return withHint(fmt.Errorf("the log was changed: the first bad index is %d: %w", bad.Index, err),
			"keep a copy of it; what comes before that index is as it was signed")
	case err != nil:
		return withHint(fmt.Errorf("verifying: %w", err), "see that all of the log can be read, and run it again")
	case r.Stray > 0:
		return withHint(fmt.Errorf("%d rows of events are not in the log: the service did not write them", r.Stray),
			"find out who wrote to the table event_intake; the log itself verifies")
	}
	took := now().Sub(began)
	rate := float64(r.Entries) / max(took.Seconds(), 1e-6)
	words := fmt.Sprintf("The log %s verifies: %d events", log.origin, r.Checkpoint.Size)
	if r.Pruned > 0 {
		words += fmt.Sprintf(", %d of them pruned by age", r.Pruned)
	}
	if r.Checkpoints > 0 {
		words += fmt.Sprintf(", earlier checkpoints: %d", r.Checkpoints)
	}
	words += fmt.Sprintf(" (%.1f s, %.0f events a second).", took.Seconds(), rate)
	return answer(c, verified{
		Log: log.origin, Size: r.Checkpoint.Size, Root: r.Checkpoint.Root.String(), Events: r.Entries, Pruned: r.Pruned,
		Checkpoints: r.Checkpoints, Stray: r.Stray,
	}, words)
}
