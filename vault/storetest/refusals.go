package storetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/fieldvault/fieldvault/vault"
)

// canary is in what a test stores and no error may repeat.
const canary = "canary"

// refusals: what the store cannot hold is refused without a trace of it.
func refusals(w *world) {
	s := w.stage()
	for _, c := range slices.Concat(refusedCalls(), refusedWork(), refusedTokens(), refusedTurns()) {
		w.run(c.name, func(w *world) {
			for what, text := range map[string]string{"NUL": canary + "\x00", "NUL alone": "\x00", "not UTF-8": canary + "\xff", "half a rune": "\xc3"} {
				before := w.dump(s)
				err := w.try(func(ctx context.Context, tx vault.Tx) error { return c.do(ctx, tx, s, text) })
				refused(w.T, what, err)
				w.equal("the store after "+what, w.dump(s), before)
			}
		})
	}
	w.run("LoadForReveal", func(w *world) {
		_, err := w.s.LoadForReveal(w.Context(), vault.LoadQuery{Tenant: s.Tenant, Items: []vault.Ref{ref(s, 1, "a"), ref(s, 1, canary+"\x00")}})
		refused(w.T, "NUL", err)
	})
	w.run("ErrorsHoldNoValues", func(w *world) {
		e := w.erase(w.person(s.Tenant))
		e.State, e.Note, e.SealedID = vault.Live, []byte(canary), []byte(canary)
		short := w.subject(s.Tenant)
		short.Lookup = []byte(canary)
		for name, do := range map[string]func(context.Context, vault.Tx) error{
			"back from erased": func(ctx context.Context, tx vault.Tx) error { return tx.UpdateSubject(ctx, e, e.Generation) },
			"a short lookup":   func(ctx context.Context, tx vault.Tx) error { return insert(tx.InsertSubject(ctx, short)) },
		} {
			refused(w.T, name, w.try(do))
		}
	})
}

func refused(t *testing.T, what string, err error) {
	t.Helper()
	switch {
	case err == nil:
		t.Errorf("%s was taken", what)
	case errors.Is(err, vault.ErrUnavailable), errors.Is(err, vault.ErrNoRow), errors.Is(err, vault.ErrStale):
		t.Errorf("%s: error %v", what, err)
	case strings.Contains(err.Error(), canary):
		t.Errorf("%s: the error holds the value", what)
	}
}

// A refusedCall is a method called with a text that no store can hold.
type refusedCall struct {
	name string
	do   func(context.Context, vault.Tx, vault.Subject, string) error
}

// refusedCalls are all methods that take text, at each place where they do.
func refusedCalls() []refusedCall {
	ref := func(text string) vault.RecordRef { return vault.RecordRef{Collection: 1, Record: text} }
	put := func(c vault.Consent) func(context.Context, vault.Tx, vault.Subject, string) error {
		return func(ctx context.Context, tx vault.Tx, s vault.Subject, text string) error {
			n := c
			for _, p := range []*string{&n.Purpose, &n.Decision, &n.Notice, &n.Method} {
				if *p == "" {
					*p = text
				}
			}
			return tx.PutConsent(ctx, s.Tenant, s.UID, n)
		}
	}
	return []refusedCall{
		{"InsertTenant", func(ctx context.Context, tx vault.Tx, _ vault.Subject, text string) error {
			_, _, err := tx.InsertTenant(ctx, vault.Tenant{Name: text, KEKEpoch: 1, Created: instant(0)})
			return err
		}},
		{"InsertTenantKey", func(ctx context.Context, tx vault.Tx, s vault.Subject, text string) error {
			return insert(tx.InsertTenantKey(ctx, s.Tenant, vault.TenantKey{Label: text, KEKVersion: 1, Wrapped: []byte("w")}))
		}},
		{"InsertDocument", func(ctx context.Context, tx vault.Tx, s vault.Subject, text string) error {
			return tx.InsertDocument(ctx, s.Tenant, vault.DocumentPolicy, vault.Document{Version: 1, By: text, Created: instant(0)})
		}},
		{"LockRecord", func(ctx context.Context, tx vault.Tx, s vault.Subject, text string) error {
			_, err := tx.LockRecord(ctx, s.Tenant, s.UID, ref(text))
			return err
		}},
		{"PutRecord", func(ctx context.Context, tx vault.Tx, s vault.Subject, text string) error {
			return tx.PutRecord(ctx, s.Tenant, s.UID, vault.Record{Collection: 1, Record: text, Revision: 1})
		}},
		{"ListRecords", func(ctx context.Context, tx vault.Tx, s vault.Subject, text string) error {
			_, err := tx.ListRecords(ctx, s.Tenant, s.UID, 0, ref(text), 1)
			return err
		}},
		{"ReplaceIndex", func(ctx context.Context, tx vault.Tx, s vault.Subject, text string) error {
			return tx.ReplaceIndex(ctx, s.Tenant, s.UID, ref(text), nil, []vault.IndexEntry{entry(1, 1, "v")})
		}},
		{"SearchIndex", func(ctx context.Context, tx vault.Tx, s vault.Subject, text string) error {
			q := query(s.Tenant, 1, entry(1, 1, "x"))
			q.AfterRec = text
			_, err := tx.SearchIndex(ctx, q)
			return err
		}},
		{"PutConsent, purpose", put(vault.Consent{Decision: "d", Notice: "n", Method: "m", At: instant(0)})},
		{"PutConsent, decision", put(vault.Consent{Purpose: "p", Notice: "n", Method: "m", At: instant(0)})},
		{"PutConsent, notice", put(vault.Consent{Purpose: "p", Decision: "d", Method: "m", At: instant(0)})},
		{"PutConsent, method", put(vault.Consent{Purpose: "p", Decision: "d", Notice: "n", At: instant(0)})},
	}
}

// refusedWork are the methods of the work around people that take text.
func refusedWork() []refusedCall {
	type call = func(context.Context, vault.Tx, vault.Subject, string) error
	ask := func(change func(*vault.Approval, string)) call {
		return func(ctx context.Context, tx vault.Tx, s vault.Subject, text string) error {
			a := approvalOf(s.Tenant, "refused", 1)
			change(&a, text)
			_, _, err := tx.InsertApproval(ctx, a)
			return err
		}
	}
	enqueue := func(change func(*vault.Job, string)) call {
		return func(ctx context.Context, tx vault.Tx, s vault.Subject, text string) error {
			j := jobOf(s.Tenant, "refused", 1)
			change(&j, text)
			_, _, err := tx.InsertJob(ctx, j)
			return err
		}
	}
	return []refusedCall{
		{"InsertBudget", func(ctx context.Context, tx vault.Tx, s vault.Subject, text string) error {
			return insert(tx.InsertBudget(ctx, budgetOf(s.Tenant, 1, text, 1)))
		}},
		{"LockBudget", func(ctx context.Context, tx vault.Tx, s vault.Subject, text string) error {
			_, err := tx.LockBudget(ctx, s.Tenant, 1, text)
			return err
		}},
		{"SurveyRecords", func(ctx context.Context, tx vault.Tx, s vault.Subject, text string) error {
			_, err := tx.SurveyRecords(ctx, vault.SurveyQuery{Tenant: s.Tenant, Collection: 1, AfterRec: text, Limit: 1})
			return err
		}},
		{"InsertApproval, kind", ask(func(a *vault.Approval, text string) { a.Kind = text })},
		{"InsertApproval, by", ask(func(a *vault.Approval, text string) { a.By = text })},
		{"InsertApproval, decider", ask(func(a *vault.Approval, text string) { a.Decider = text })},
		{"UpdateApproval", func(ctx context.Context, tx vault.Tx, s vault.Subject, text string) error {
			a := stagedApproval(s)
			a.Decider = text
			return tx.UpdateApproval(ctx, a)
		}},
		{"InsertJob, kind", enqueue(func(j *vault.Job, text string) { j.Kind = text })},
		{"InsertJob, note", enqueue(func(j *vault.Job, text string) { j.Note = text })},
		{"InsertJob, by", enqueue(func(j *vault.Job, text string) { j.By = text })},
		{"InsertJob, owner", enqueue(func(j *vault.Job, text string) { j.Owner = text })},
		{"TakeJob, kinds", func(ctx context.Context, tx vault.Tx, s vault.Subject, text string) error {
			_, err := tx.TakeJob(ctx, []string{stagedKind(s), text}, "node", instant(1000), instant(1001))
			return err
		}},
		{"TakeJob, owner", func(ctx context.Context, tx vault.Tx, s vault.Subject, text string) error {
			_, err := tx.TakeJob(ctx, []string{stagedKind(s)}, text, instant(1000), instant(1001))
			return err
		}},
		{"SaveJob", func(ctx context.Context, tx vault.Tx, s vault.Subject, text string) error {
			j := stagedJob(s)
			j.Note = text
			return tx.SaveJob(ctx, j)
		}},
		{"RewrapTenantKey", func(ctx context.Context, tx vault.Tx, s vault.Subject, text string) error {
			_, err := tx.RewrapTenantKey(ctx, s.Tenant, 1, vault.TenantKey{Label: text, KEKVersion: 2, Wrapped: []byte("w")})
			return err
		}},
		{"NoteKey", func(ctx context.Context, tx vault.Tx, s vault.Subject, text string) error {
			return tx.NoteKey(ctx, s.Tenant, vault.KeyLife{Key: text, Version: 1})
		}},
		{"ReviveKeys", func(ctx context.Context, tx vault.Tx, s vault.Subject, text string) error {
			return tx.ReviveKeys(ctx, s.Tenant, text, 1, instant(2))
		}},
		{"DeleteTenantKey", func(ctx context.Context, tx vault.Tx, s vault.Subject, text string) error {
			_, err := tx.DeleteTenantKey(ctx, s.Tenant, text)
			return err
		}},
	}
}
