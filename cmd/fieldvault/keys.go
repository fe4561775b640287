package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/crypto/keyring"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/jobs"
)

func newKeys(w world) *cobra.Command {
	c := group("keys", "Rotate, rewrap, retire and trim keys",
		newKeysStatus(w), newKeysRotate(w), newKeysRewrap(w), newKeysRetire(w), newKeysTrim(w),
		newRotateSubject(w), newRetireSubject(w))
	c.Long = `The life of a version of a key-encryption key, while the service runs:

  rotate   as the keeper: add a version; everything new is wrapped under it
  rewrap   as a node, or by the service itself: move what earlier ones wrap
  retire   as the keeper: earlier versions open no more; can be taken back at
           the key store
  trim     as the keeper: destroy the retired versions, for ever; whatever old
           backups hold under them is dead then

Each refuses before the one above it is done, and says what is missing.

rotate-subject and retire-subject do the same to the data keys of one person,
after somebody may have seen them in clear.`
	return c
}

// keyVerb is a verb on one key-encryption key.
func keyVerb(w world, use, short, long, example string, run func(c *cobra.Command, cfg Config, p *parts, by accessctl.Caller, key string) error) *cobra.Command {
	var role string
	var system bool
	c := &cobra.Command{Use: use, Short: short, Long: long, Example: example, Args: cobra.NoArgs}
	storeFlags(c)
	c.Flags().BoolVar(&system, "system", false, "the service's own key, which wraps the signing key, instead of the tenant's")
	roleFlag(c, &role, "operator")
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := loadConfig(c, w)
		if err != nil {
			return err
		}
		return withParts(c.Context(), w, cfg, func(p *parts) error {
			key := cfg.Tenant
			if system {
				key = keyring.System
			}
			return keyHint(run(c, cfg, p, operator(cfg.Tenant, accessctl.Role(role)), key), role)
		})
	}
	return c
}

// keyHint says what to do about a change of a key that was refused.
func keyHint(err error, role string) error {
	var refused *vault.KeyError
	var h *hint
	switch {
	case err == nil || errors.As(err, &h):
		return err
	case errors.As(err, &refused):
		return withHint(errors.New(refused.Why), refused.Next)
	case errors.Is(err, vault.ErrDenied):
		return deniedHint(err, role, accessctl.ActionKeys)
	}
	return withHint(err, keeperHint)
}

func newKeysStatus(w world) *cobra.Command {
	return keyVerb(w, "status", "Say which versions there are, and how much each wraps",
		`Says, for the tenant's key and the service's own, which versions there are, what
each is good for, how many wrapped keys stand under it, and how often it was ever
used to wrap one, at least (of 2^32 times that are safe: rotate long before). It
counts every wrapped key. Both the keeper and a node may run it.`,
		"  fieldvault keys status --config keeper.yaml",
		func(c *cobra.Command, _ Config, p *parts, by accessctl.Caller, _ string) error {
			list, err := p.vault.KeyStatus(c.Context(), by, keeper(p.kek))
			if err != nil {
				return err
			}
			return answer(c, keyLines(list), keyTable(list))
		})
}

// A keyLine is what status prints of one key, as JSON.
type keyLine struct {
	Key          string    `json:"key"`
	Latest       int       `json:"latest"`
	MinDecrypt   int       `json:"min_decrypt"`
	MinEncrypt   int       `json:"min_encrypt"`
	MinAvailable int       `json:"min_available"`
	Epoch        int       `json:"epoch"`
	Uses         []keyUse  `json:"uses"`
	Warning      string    `json:"warning,omitempty"`
	Wraps        []keyUses `json:"wraps"`
}

// A keyUses is how much one version wraps.
type keyUses struct {
	Version int   `json:"version"`
	People  int64 `json:"people"`
	Own     int64 `json:"own"`
}

// A keyUse is how often one version was used.
type keyUse struct {
	Version int   `json:"version"`
	Uses    int64 `json:"uses"`
}

func keyLines(list []vault.KEKStatus) []keyLine {
	lines := make([]keyLine, len(list))
	for i := range list {
		s := &list[i]
		lines[i] = keyLine{
			Key: s.Key, Latest: s.Latest, MinDecrypt: s.MinDecrypt, MinEncrypt: s.MinEncrypt, MinAvailable: s.MinAvailable,
			Epoch: s.Epoch, Warning: s.Warning, Wraps: make([]keyUses, len(s.Wraps)),
			Uses: make([]keyUse, len(s.Uses)),
		}
		for j, n := range s.Wraps {
			lines[i].Wraps[j] = keyUses(n)
		}
		for j, n := range s.Uses {
			lines[i].Uses[j] = keyUse{n.Version, n.Uses}
		}
	}
	return lines
}

// keyTable draws how keys stand.
func keyTable(list []vault.KEKStatus) string {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.AppendHeader(table.Row{"key", "version", "wraps of people", "own keys", "uses", "state"})
	for i := range list {
		s := &list[i]
		counts, uses := map[int]vault.KEKWraps{}, map[int]int64{}
		for _, n := range s.Uses {
			uses[n.Version] = n.Uses
		}
		for _, n := range s.Wraps {
			counts[n.Version] = n
		}
		for v := s.MinAvailable; v <= s.Latest; v++ {
			state := "opens"
			switch {
			case v == s.Latest:
				state = "wraps"
			case v < s.MinDecrypt:
				state = "retired"
			case v < s.Epoch:
				state = "opens; nothing new"
			}
			t.AppendRow(table.Row{s.Key, v, counts[v].People, counts[v].Own, uses[v], state})
		}
	}
	text := t.Render()
	for i := range list {
		if list[i].Warning != "" {
			text += fmt.Sprintf("\nThe key %s: %s.", list[i].Key, list[i].Warning)
		}
	}
	return text
}

func newKeysRotate(w world) *cobra.Command {
	return keyVerb(w, "rotate", "Add a version to the key-encryption key",
		`Adds a version, under which everything is wrapped from then on, and asks for a
rewrap. The service does that by itself while it runs; without one, run
fieldvault keys rewrap. Needs the keeper's rights.`,
		"  fieldvault keys rotate --config keeper.yaml\n  fieldvault keys rotate --system --config keeper.yaml",
		func(c *cobra.Command, _ Config, p *parts, by accessctl.Caller, key string) error {
			version, job, err := p.vault.RotateKEK(c.Context(), by, keeper(p.kek), key)
			if err != nil {
				return err
			}
			return answer(c, map[string]any{"version": version, "job": job.ID},
				fmt.Sprintf("Version %d wraps from now on. The rewrap is job %s.", version, job.ID))
		})
}

func newKeysRewrap(w world) *cobra.Command {
	return keyVerb(w, "rewrap", "Move everything to the latest version, here, with progress",
		`Asks for a rewrap and works on it until it is done, beside a service that may do
the same: one of the two does the work. It may be stopped and run again, and goes
on where it was. Needs a node's rights. Reads and writes go on all the while.`,
		"  fieldvault keys rewrap --config serve.yaml",
		func(c *cobra.Command, _ Config, p *parts, by accessctl.Caller, key string) error {
			job, err := p.vault.RewrapKEK(c.Context(), by, key)
			if err != nil {
				return err
			}
			done, err := watch(c.Context(), w, p, job, "rewrapping")
			if err != nil {
				return err
			}
			return answer(c, map[string]any{"job": done.ID, "moved": done.Done}, fmt.Sprintf("%d keys were moved: %s.", done.Done, done.Note))
		})
}

// watch runs the jobs of this process until one of them, which does what is said, has
// ended, and shows how far it is.
func watch(ctx context.Context, w world, p *parts, job vault.Job, doing string) (vault.Job, error) {
	r, err := p.runner(false)
	if err != nil {
		return job, err
	}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { _ = r.Run(ctx) }) // it returns nil
	defer func() {
		cancel()
		running.Wait()
	}()
	began, bar := now(), newProgress(w.stderr, doing, int(job.Total))
	for job.State == vault.JobQueued || job.State == vault.JobRunning {
		select {
		case <-ctx.Done():
			bar.end(ctx.Err())
			return job, ctx.Err()
		case <-time.After(250 * time.Millisecond):
		}
		err := p.store.View(ctx, func(tx vault.Tx) (err error) {
			job, err = tx.Job(ctx, job.Tenant, job.ID)
			return err
		})
		if err != nil {
			continue // the database may come back
		}
		bar.resize(int(job.Total))
		bar.at(int(job.Done))
		if left, known := jobs.ETA(job.Done, job.Total, began, now()); known {
			bar.say(fmt.Sprintf("%s, %s left", doing, left.Round(time.Second)))
		}
	}
	if job.State == vault.JobFailed {
		err = withHint(errors.New(doing+" failed: "+job.Note), "mend that, and run it again")
	}
	bar.end(err)
	return job, err
}

func newKeysRetire(w world) *cobra.Command {
	return keyVerb(w, "retire", "Take earlier versions out of use",
		`After a rewrap: earlier versions open no more. It can be taken back at the key
store as long as they are not trimmed. Needs the keeper's rights.`,
		"  fieldvault keys retire --config keeper.yaml",
		func(c *cobra.Command, _ Config, p *parts, by accessctl.Caller, key string) error {
			version, err := p.vault.RetireKEK(c.Context(), by, keeper(p.kek), key)
			if err != nil {
				return err
			}
			return answer(c, map[string]int{"min_decrypt": version}, fmt.Sprintf("Versions below %d open no more.", version))
		})
}

func newKeysTrim(w world) *cobra.Command {
	var yes bool
	c := keyVerb(w, "trim", "Destroy retired versions for ever",
		strings.TrimSpace(`
Destroys every retired version. It cannot be undone: backups of the database from
before their rewrap can then be opened by nobody, neither for the erased nor for
the living. Let some time pass after retire. Needs the keeper's rights.`),
		"  fieldvault keys trim --yes --config keeper.yaml",
		func(c *cobra.Command, _ Config, p *parts, by accessctl.Caller, key string) error {
			if !yes {
				return wrongUsage("trimming cannot be undone: say --yes")
			}
			version, err := p.vault.TrimKEK(c.Context(), by, keeper(p.kek), key)
			if err != nil {
				return err
			}
			return answer(c, map[string]int{"min_available": version}, fmt.Sprintf("Versions below %d are destroyed.", version))
		})
	c.Flags().BoolVar(&yes, "yes", false, "destroy them")
	return c
}
