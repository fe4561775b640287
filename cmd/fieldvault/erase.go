package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/vault"
)

// eraseOptions are erase's flags.
type eraseOptions struct {
	reason, out, role, file string
	groups                  []string
}

func newErase(w world) *cobra.Command {
	var o eraseOptions
	c := &cobra.Command{
		Use:   "erase SUBJECT | --file LIST",
		Short: "Make a person unreadable for ever, and print the certificate",
		Long: `Destroys every key of the person in one transaction; from then on no node reads
any value of theirs. It cannot be undone. It opens the store itself and acts as
local:<user>, in events. Doing it again prints the same certificate.

With --groups only these key groups die and the person lives on. With --file it
erases the people that a file names, one a line, and prints one line of JSON for
each; broken off, it is simply run again.

Beyond what one person may erase alone (erasure.per_hour), nothing is done and
the id of an approval is printed: once a second person has approved it
(fieldvault approve), run the same command again.

Keep the certificate: fieldvault certificate verify checks it offline.`,
		Example: `  fieldvault erase c-17 --reason 'asked for it by letter' --certificate c-17.json --config serve.yaml
  fieldvault erase c-17 --groups marketing --config serve.yaml
  fieldvault erase --file left.txt --config serve.yaml > certificates.jsonl`,
		Args: cobra.MaximumNArgs(1),
	}
	storeFlags(c)
	c.Flags().StringVar(&o.reason, "reason", "", "why, in words; checked and not kept")
	c.Flags().StringVar(&o.out, "certificate", "", "file to write the certificate to (default: standard output)")
	c.Flags().StringSliceVar(&o.groups, "groups", nil, "erase only these key groups, by name")
	c.Flags().StringVar(&o.file, "file", "", "erase the people that this file names, one a line; - reads standard input")
	roleFlag(c, &o.role, "dpo")
	c.RunE = func(c *cobra.Command, args []string) error {
		switch {
		case (len(args) == 1) == (o.file != ""):
			return wrongUsage("name one SUBJECT, or a list with --file")
		case o.file != "" && o.out != "":
			return wrongUsage("--certificate is for one person; the certificates of a list go to standard output")
		}
		cfg, err := loadConfig(c, w)
		if err != nil {
			return err
		}
		return withParts(c.Context(), w, cfg, func(p *parts) error {
			if o.file != "" {
				return eraseFile(c, w, cfg, p, o)
			}
			return eraseOne(c, cfg, p, o, args[0])
		})
	}
	return c
}

func eraseOne(c *cobra.Command, cfg Config, p *parts, o eraseOptions, subject string) error {
	write, err := certificateFile(o.out)
	if err != nil {
		return err
	}
	cert, err := p.vault.Erase(c.Context(), operator(cfg.Tenant, accessctl.Role(o.role)), vault.Erasing{
		Subject: subject, Groups: o.groups, Reason: o.reason,
	})
	if err != nil {
		return errors.Join(eraseHint(err, o.role), write(nil))
	}
	if o.out == "" {
		_, err = fmt.Fprintf(c.OutOrStdout(), "%s\n", cert)
		return err
	}
	if err := write(cert); err != nil {
		return withHint(fmt.Errorf("it is erased, but the certificate could not be written: %w", err), "run the same command again: the certificate stays the same")
	}
	return answer(c, map[string]any{"erased": true, "certificate": o.out}, "It is erased; the certificate is in "+o.out+".")
}

// An erasedLine is what a list of erasures prints of one person.
type erasedLine struct {
	Subject     string          `json:"subject"`
	Erased      bool            `json:"erased"`
	Error       string          `json:"error,omitempty"`
	Certificate json.RawMessage `json:"certificate,omitempty"`
}

// eraseFile erases the people of a file.
func eraseFile(c *cobra.Command, w world, cfg Config, p *parts, o eraseOptions) error {
	subjects, err := readSubjects(w, o.file)
	if err != nil {
		return err
	}
	bar, out := newProgress(w.stderr, "erasing", len(subjects)), json.NewEncoder(c.OutOrStdout())
	done, failed := 0, 0
	var broken error
	err = p.vault.EraseMany(c.Context(), operator(cfg.Tenant, accessctl.Role(o.role)), subjects, o.groups, func(one vault.ErasedOne) {
		line := erasedLine{Subject: one.Subject, Erased: one.Certificate != nil, Certificate: one.Certificate}
		if one.Err != nil {
			line.Error = one.Err.Error()
			failed++
		}
		broken = errors.Join(broken, out.Encode(line))
		done++
		bar.at(done)
	})
	bar.end(err)
	switch {
	case err != nil:
		return eraseHint(err, o.role)
	case broken != nil:
		return withHint(fmt.Errorf("writing certificates: %w", broken), "run it again: certificates stay the same")
	case failed > 0:
		return withHint(fmt.Errorf("%d of %d were not erased", failed, done), "the lines say why; after mending it, run the same command again")
	}
	return nil
}

// readSubjects reads names, one a line. Empty lines are left out.
func readSubjects(w world, path string) (list []string, err error) {
	in := w.stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, withHint(fmt.Errorf("reading the list: %w", err), "--file names a text file with one name a line")
		}
		defer f.Close() //nolint:errcheck // it was only read
		in = f
	}
	lines := bufio.NewScanner(io.LimitReader(in, vault.MaxErasures*(vault.MaxName+2)))
	for lines.Scan() {
		if name := strings.TrimSpace(lines.Text()); name != "" {
			list = append(list, name)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, withHint(fmt.Errorf("reading the list: %w", err), "--file names a text file with one name a line")
	}
	if len(list) == 0 || len(list) > vault.MaxErasures {
		return nil, wrongUsage("the list must have 1 to %d names", vault.MaxErasures)
	}
	return list, nil
}

// eraseHint says what to do about an erasure that was not done.
func eraseHint(err error, role string) error {
	var waits *vault.ApprovalError
	if errors.As(err, &waits) {
		return withHint(err, "have a second person run `fieldvault approve "+waits.ID.String()+"`, or POST /v1/approvals/"+waits.ID.String()+"; then run the same command again")
	}
	if errors.Is(err, vault.ErrUnledgered) {
		return withHint(err, "it is erased; run the same command again once the ledger answers, to have the certificate")
	}
	return personHint(err, role, accessctl.ActionErase)
}

func newApprove(w world) *cobra.Command {
	var role string
	var refuse bool
	c := &cobra.Command{
		Use:   "approve [ID]",
		Short: "Approve, as a second person, an erasure beyond what one may do alone; or list what waits",
		Long: `Without an id it lists what waits for a second person. With one it approves it,
or refuses it. Whoever asked cannot approve. Then the one who asked repeats the
request, exactly as it was. It acts as local:<user>, in events.`,
		Example: `  fieldvault approve --config serve.yaml
  fieldvault approve 0193e4c5-0000-7000-8000-000000000000 --config serve.yaml`,
		Args: cobra.MaximumNArgs(1),
	}
	storeFlags(c)
	c.Flags().BoolVar(&refuse, "refuse", false, "refuse it")
	roleFlag(c, &role, "dpo")
	c.RunE = func(c *cobra.Command, args []string) error {
		cfg, err := loadConfig(c, w)
		if err != nil {
			return err
		}
		return withParts(c.Context(), w, cfg, func(p *parts) error {
			by := operator(cfg.Tenant, accessctl.Role(role))
			if len(args) == 0 {
				return listApprovals(c, p, by, role)
			}
			return approve(c, p, by, role, args[0], !refuse)
		})
	}
	return c
}

func approve(c *cobra.Command, p *parts, by accessctl.Caller, role, id string, agree bool) error {
	parsed, err := uuid.Parse(id)
	if err != nil {
		return wrongUsage("the id of an approval is a UUID, as the request that waits printed it")
	}
	done, err := p.vault.Approve(c.Context(), by, parsed, agree)
	switch {
	case errors.Is(err, vault.ErrConflict):
		return withHint(err, "it was decided before, has expired, or you asked for it yourself; `fieldvault approve` lists all")
	case errors.Is(err, vault.ErrNotFound):
		return withHint(err, "check the id, and the tenant (--tenant); `fieldvault approve` lists all")
	case err != nil:
		return deniedHint(err, role, accessctl.ActionErase)
	}
	return answer(c, waitingLine(&done), "It is "+done.State+". Who asked now repeats the request.")
}

func listApprovals(c *cobra.Command, p *parts, by accessctl.Caller, role string) error {
	list, err := p.vault.Approvals(c.Context(), by)
	if err != nil {
		return deniedHint(err, role, accessctl.ActionErase)
	}
	lines, words := make([]map[string]any, len(list)), make([]string, len(list))
	for i := range list {
		a := &list[i]
		lines[i] = waitingLine(a)
		words[i] = fmt.Sprintf("%s  %-8s  %s of %d, asked by %s, until %s", a.ID, a.State, a.Kind, a.Count, a.By, a.Expires.Format("2006-01-02 15:04"))
	}
	if len(words) == 0 {
		words = []string{"Nothing waits for a second person."}
	}
	return answer(c, lines, strings.Join(words, "\n"))
}

func waitingLine(a *vault.Waiting) map[string]any {
	return map[string]any{
		"id": a.ID, "kind": a.Kind, "state": a.State, "count": a.Count, "by": a.By, "decider": a.Decider, "expires": a.Expires,
	}
}

// certificateFile makes the file before anything is erased: what cannot be
// written is better known then. write fills it and puts it in its place; without
// a certificate it takes it away.
func certificateFile(path string) (write func(json.RawMessage) error, err error) {
	if path == "" {
		return func(json.RawMessage) error { return nil }, nil
	}
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, withHint(fmt.Errorf("making the certificate's file: %w", err), "name a file in a folder that you may write to; nothing was erased")
	}
	return func(cert json.RawMessage) error {
		if cert == nil {
			return errors.Join(f.Close(), os.Remove(f.Name()))
		}
		_, err := f.Write(append(cert, '\n'))
		if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
			return err
		}
		return os.Rename(f.Name(), path)
	}, nil
}
