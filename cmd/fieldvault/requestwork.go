package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/api"
	"github.com/fieldvault/fieldvault/vault/httpapi"
	"github.com/fieldvault/fieldvault/vault/rights"
)

// withRequests runs f with the core, as the role.
func withRequests(c *cobra.Command, w world, role string, f func(*parts, accessctl.Caller) error) error {
	cfg, err := loadConfig(c, w)
	if err != nil {
		return err
	}
	return withParts(c.Context(), w, cfg, func(p *parts) error {
		return requestHint(f(p, operator(cfg.Tenant, accessctl.Role(role))), role)
	})
}

// requestHint says what to do about a request that could not be worked on.
func requestHint(err error, role string) error {
	var step *rights.StepError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &step):
		return withHint(errors.New(strings.TrimPrefix(step.Error(), "rights: ")), "`fieldvault request show ID` says how the request stands")
	case errors.Is(err, vault.ErrGone):
		return withHint(err, "the person was erased, and the request ended by that; `fieldvault request show ID` shows what the log keeps")
	case errors.Is(err, vault.ErrConflict):
		return withHint(err, "look at it again with `fieldvault request show ID`")
	}
	return personHint(err, role, accessctl.ActionRequests)
}

func requestFlags(c *cobra.Command, role *string) {
	storeFlags(c)
	roleFlag(c, role, "dpo")
}

func requestList(w world) *cobra.Command {
	var role, state, kind, before string
	c := &cobra.Command{
		Use:   "list",
		Short: "List people's requests, those due first at the beginning",
		Long: `Lists requests with what is owed next and until when. Nothing in the list is
about a person. It opens the store itself and acts as local:<user>, in events.`,
		Example: `  fieldvault request list --due-before 2026-12-24 --config serve.yaml
  fieldvault request list --state received --json --config serve.yaml`,
		Args: cobra.NoArgs,
	}
	requestFlags(c, &role)
	c.Flags().StringVar(&state, "state", "", "only those in this state: received, identity, open, extended, done, refused, cancelled")
	c.Flags().StringVar(&kind, "kind", "", "only those of this kind: access, portability, rectification, erasure, ...")
	c.Flags().StringVar(&before, "due-before", "", "only open ones whose answer is late by then: a date, or a time as in RFC 3339")
	c.RunE = func(c *cobra.Command, _ []string) error {
		q := vault.RequestQuery{State: rights.State(state), Kind: rights.Kind(kind), Limit: vault.MaxPage}
		var err error
		if q.DueBefore, err = instantOf(before); err != nil {
			return err
		}
		return withRequests(c, w, role, func(p *parts, by accessctl.Caller) error {
			list := []api.Request{}
			for {
				page, err := p.vault.Requests(c.Context(), by, q)
				if err != nil {
					return err
				}
				for i := range page.Requests {
					list = append(list, httpapi.RequestOf(&page.Requests[i]))
				}
				if q.Cursor = page.Cursor; q.Cursor == "" {
					return answer(c, list, requestTable(list))
				}
			}
		})
	}
	return c
}

// instantOf reads a date or a time; "" is zero.
func instantOf(text string) (time.Time, error) {
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	if text == "" {
		return time.Time{}, nil
	}
	return time.Time{}, wrongUsage("--due-before is a date, as 2026-12-24, or a time as in RFC 3339")
}

func requestTable(list []api.Request) string {
	if len(list) == 0 {
		return "There is no such request."
	}
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for i := range list {
		q := &list[i]
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", q.ID, q.Kind, q.State, standingWords(&q.Standing))
	}
	_ = t.Flush() // into memory
	return strings.TrimRight(b.String(), "\n")
}

// standingWords says what is owed.
func standingWords(s *api.RequestStanding) string {
	switch {
	case s.Task == string(rights.OweNothing):
		return "nothing is owed"
	case s.Task == string(rights.AwaitProof):
		return "waits for proof of identity"
	case s.Overdue:
		return fmt.Sprintf("%s was due on %s", s.Task, s.Last)
	}
	return fmt.Sprintf("%s by %s (%d days)", s.Task, s.Last, s.DaysLeft)
}

func requestShow(w world) *cobra.Command {
	var role string
	c := &cobra.Command{
		Use:   "show ID",
		Short: "Show a person's request with its words and its steps",
		Long: `Shows a request: whose it is, what the person wrote and was told, the steps it
took and those that are possible. That is a release of personal data, and is in
the person's history. It opens the store itself and acts as local:<user>, in
events.`,
		Example: `  fieldvault request show 0193e4c5-0000-7000-8000-000000000000 --config serve.yaml`,
		Args:    cobra.ExactArgs(1),
	}
	requestFlags(c, &role)
	c.RunE = func(c *cobra.Command, args []string) error {
		id, err := requestID(args[0])
		if err != nil {
			return err
		}
		return withRequests(c, w, role, func(p *parts, by accessctl.Caller) error {
			q, err := p.vault.Request(c.Context(), by, id)
			if err != nil {
				return err
			}
			out := httpapi.RequestOf(&q)
			return answer(c, out, requestWords(&out))
		})
	}
	return c
}

func requestID(text string) (uuid.UUID, error) {
	id, err := uuid.Parse(text)
	if err != nil {
		return id, wrongUsage("the id of a request is a UUID, as `fieldvault request list` prints it")
	}
	return id, nil
}

// requestWords is a request for people to read.
func requestWords(q *api.Request) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s request %s, %s: %s\n", q.Kind, q.ID, q.State, standingWords(&q.Standing))
	switch {
	case q.Erased:
		b.WriteString("The person was erased since.\n")
	case q.Subject != "":
		fmt.Fprintf(&b, "Of %s\n", q.Subject)
	}
	if q.Text != "" {
		fmt.Fprintf(&b, "They wrote: %s\n", q.Text)
	}
	for i := range q.Steps {
		s := &q.Steps[i]
		fmt.Fprintf(&b, "%s  %s", s.At.Format("2006-01-02 15:04"), s.Step)
		if s.Reason != "" {
			fmt.Fprintf(&b, " (%s)", s.Reason)
		}
		if s.By != "" {
			fmt.Fprintf(&b, " by %s", s.By)
		}
		b.WriteString("\n")
		if s.Answer != "" {
			fmt.Fprintf(&b, "    They were told: %s\n", s.Answer)
		}
	}
	for _, one := range q.Told {
		state := "has yet to be told"
		if !one.At.IsZero() {
			state = "was told at " + one.At.Format("2006-01-02 15:04")
		}
		fmt.Fprintf(&b, "Recipient %s %s\n", one.Recipient, state)
	}
	if len(q.Possible) > 0 {
		fmt.Fprintf(&b, "Possible: %s\n", strings.Join(q.Possible, ", "))
	}
	return strings.TrimRight(b.String(), "\n")
}

func requestFile(w world) *cobra.Command {
	var role, kind, purpose, text, received string
	c := &cobra.Command{
		Use:   "file SUBJECT",
		Short: "File a request that a person made in another way, as by letter",
		Long: `Files a request of a person. Where the law wants proof of identity, take the step
confirm_identity when it was seen: an objection or restriction has its effect
then. An opt-out has it at once. It opens the store itself and acts as
local:<user>, in events.`,
		Example: `  fieldvault request file c-17 --kind access --received 2026-11-20 --config serve.yaml`,
		Args:    cobra.ExactArgs(1),
	}
	requestFlags(c, &role)
	c.Flags().StringVar(&kind, "kind", "", "access, portability, rectification, erasure, restriction, objection, opt_out or question")
	c.Flags().StringVar(&purpose, "purpose", "", "what an objection is to")
	c.Flags().StringVar(&text, "text", "", "what the person wrote")
	c.Flags().StringVar(&received, "received", "", "when it came in: a date, or a time as in RFC 3339 (default: now)")
	c.RunE = func(c *cobra.Command, args []string) error {
		at, err := instantOf(received)
		if err != nil {
			return wrongUsage("--received is a date, as 2026-11-20, or a time as in RFC 3339")
		}
		return withRequests(c, w, role, func(p *parts, by accessctl.Caller) error {
			q, err := p.vault.FileRequest(c.Context(), by, vault.Filed{
				Subject: args[0], Kind: rights.Kind(kind), Purpose: accessctl.Purpose(purpose), Text: text, Received: at,
			})
			if err != nil {
				return err
			}
			out := httpapi.RequestOf(&q)
			return answer(c, out, requestWords(&out))
		})
	}
	return c
}

func requestStep(w world) *cobra.Command {
	var role, reason, words string
	var told bool
	c := &cobra.Command{
		Use:   "step ID STEP",
		Short: "Take a person's request a step further",
		Long: `STEP is acknowledge, ask_identity, confirm_identity, extend, complete, refuse or
cancel. To extend and to refuse need a --reason, and that the person is told
(--told). --answer is kept sealed, for the person to read. A request for erasure
is done by erasing the person (fieldvault erase). It opens the store itself and
acts as local:<user>, in events.`,
		Example: `  fieldvault request step 0193e4c5-0000-7000-8000-000000000000 complete --answer 'Enclosed.' --config serve.yaml`,
		Args:    cobra.ExactArgs(2),
	}
	requestFlags(c, &role)
	c.Flags().StringVar(&reason, "reason", "", "why it is extended or refused, or why a part was not done")
	c.Flags().BoolVar(&told, "told", false, "the person is told, with the reason and of a refusal how to complain")
	c.Flags().StringVar(&words, "answer", "", "what the person is told, in words")
	c.RunE = func(c *cobra.Command, args []string) error {
		id, err := requestID(args[0])
		if err != nil {
			return err
		}
		step := rights.Step{Do: rights.StepKind(args[1]), Reason: rights.Reason(reason), Told: told}
		if _, err := step.Do.MarshalText(); err != nil {
			return wrongUsage("STEP is acknowledge, ask_identity, confirm_identity, extend, complete, refuse or cancel")
		}
		return withRequests(c, w, role, func(p *parts, by accessctl.Caller) error {
			q, err := p.vault.StepRequest(c.Context(), by, id, step, words)
			if err != nil {
				return err
			}
			out := httpapi.RequestOf(&q)
			return answer(c, out, requestWords(&out))
		})
	}
	return c
}

func requestBundle(w world) *cobra.Command {
	var role string
	c := &cobra.Command{
		Use:   "bundle ID FILE",
		Short: "Write the evidence of a request that has ended, which verifies offline",
		Long: `Writes a ZIP file with the request, its steps, what the person was told, and
the receipts, certificate and proofs that belong to it. It holds personal data,
unless the person was erased. Check it with fieldvault request verify. It opens
the store itself and acts as local:<user>, in events.`,
		Example: `  fieldvault request bundle 0193e4c5-0000-7000-8000-000000000000 request.zip --config serve.yaml`,
		Args:    cobra.ExactArgs(2),
	}
	requestFlags(c, &role)
	c.RunE = func(c *cobra.Command, args []string) error {
		id, err := requestID(args[0])
		if err != nil {
			return err
		}
		return withRequests(c, w, role, func(p *parts, by accessctl.Caller) error {
			b, err := httpapi.BundleOf(c.Context(), p.vault, by, id)
			if err != nil {
				return err
			}
			if err := os.WriteFile(args[1], b, 0o600); err != nil {
				return withHint(fmt.Errorf("writing the bundle: %w", err), "name a file in a folder that you may write to")
			}
			return answer(c, map[string]any{"bundle": args[1], "bytes": len(b)}, "The evidence is in "+args[1]+".")
		})
	}
	return c
}
