package vault_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/audit/report"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

// logOf reads the vault's log.
func logOf(t *testing.T, v *vaulttest.Vault) (log []*audit.Event) {
	t.Helper()
	for _, e := range v.Events(t) {
		log = append(log, &e)
	}
	return log
}

// since is the report of what the vault's log says after the first n events.
func since(t *testing.T, v *vaulttest.Vault, n int) *report.Report {
	t.Helper()
	b := report.NewBreach(report.Query{Tenant: vaulttest.Tenant, From: time.Unix(0, 0), To: time.Unix(1<<40, 0), MaskedToo: true})
	for i, e := range logOf(t, v)[n:] {
		b.See(int64(i), e)
	}
	return b.Report(nil, nil)
}

// shownBy is a report in a word or two for each row.
func shownBy(rows []report.Row) (list []string) {
	for i := range rows {
		list = append(list, fmt.Sprintf("%s %d partial=%d", rows[i].How, rows[i].Values, rows[i].Partial))
	}
	slices.Sort(list)
	return list
}

// TestTheVaultsEvents: the report of a real vault's log says what its callers
// were given.
func TestTheVaultsEvents(t *testing.T) {
	v := vaulttest.New(t, vaulttest.Options{CacheAge: -1})
	v.Put(t, "c-1", "customer", "self", map[string]string{"email": "ada@example.org"})
	v.Put(t, "c-2", "customer", "self", map[string]string{"email": "bob@example.org"})
	app, item := v.As("app", "support"), vault.Item{Subject: "c-1", Collection: "customer", Record: "self", Fields: []string{"email"}}
	sealed, err := v.Encrypt(t.Context(), app, []vault.Plaintext{
		{Subject: "c-1", Field: "customer.email", Value: json.RawMessage(`"ada@example.org"`)},
		{Subject: "c-1", Field: "customer.email", Value: json.RawMessage(`"ada@example.com"`)},
	})
	if err != nil || sealed[0].Err != nil || sealed[1].Err != nil {
		t.Fatal(err, sealed)
	}
	good := vault.Ciphertext{Subject: "c-1", Field: "customer.email", Ciphertext: sealed[0].Ciphertext}
	spoilt := good
	spoilt.Ciphertext = spoil(sealed[1].Ciphertext)
	decrypt := func(items ...vault.Ciphertext) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := v.Decrypt(ctx, app, items)
			return err
		}
	}
	for _, tc := range []struct {
		what            string
		do              func(context.Context) error
		rows, withheld  []string
		people, failing int
	}{
		{what: "reveal", do: func(ctx context.Context) error {
			_, err := v.Reveal(ctx, app, []vault.Item{item})
			return err
		}, rows: []string{"plain 1 partial=0"}, people: 1},
		{what: "reveal without a key", do: func(ctx context.Context) error {
			v.KEK.Fail(vault.ErrUnavailable)
			defer v.KEK.Fail(nil)
			_, err := v.Reveal(ctx, app, []vault.Item{item})
			if !errors.Is(err, vault.ErrUnavailable) {
				return fmt.Errorf("released: %w", err)
			}
			return nil
		}, withheld: []string{"plain 1 partial=0"}},
		{what: "search", do: func(ctx context.Context) error {
			m, err := v.Search(ctx, app, vault.Query{Collection: "customer", Field: "email", Equals: json.RawMessage(`"bob@example.org"`)})
			if len(m.Matches) != 1 {
				return fmt.Errorf("%d matches: %w", len(m.Matches), err)
			}
			return err
		}, rows: []string{"found 1 partial=0"}, people: 1},
		{what: "decrypt", do: decrypt(good), rows: []string{"plain 1 partial=0"}, people: 1},
		{what: "decrypt what is spoilt", do: decrypt(spoilt), withheld: []string{"plain 1 partial=0"}},
		{what: "decrypt one of which is spoilt", do: decrypt(good, spoilt), rows: []string{"plain 2 partial=1"}, people: 1},
		{what: "write", do: func(context.Context) error {
			v.Put(t, "c-1", "customer", "self", map[string]string{"email": "eve@example.org"})
			return nil
		}},
		{what: "list", do: func(ctx context.Context) error {
			_, err := v.List(ctx, app, "c-1", "customer", "", 0)
			return err
		}, rows: []string{"records 0 partial=0"}, people: 1},
	} {
		n := len(logOf(t, v))
		if err := tc.do(t.Context()); err != nil {
			t.Errorf("%s: %v", tc.what, err)
		}
		r := since(t, v, n)
		if got := shownBy(r.Rows); !slices.Equal(got, tc.rows) || r.Totals.People != tc.people {
			t.Errorf("%s: %q of %d people, want %q of %d", tc.what, got, r.Totals.People, tc.rows, tc.people)
		}
		if got := shownBy(r.NotReleased); !slices.Equal(got, tc.withheld) {
			t.Errorf("%s: not released: %q, want %q", tc.what, got, tc.withheld)
		}
	}
	for _, e := range logOf(t, v) {
		x, ok := report.History(e, nil)
		if ok != (e.UID != uuid.Nil) || ok && (x.What == "" || x.Outcome == "") {
			t.Errorf("%s, %s: %+v", e.Action, e.Outcome, x)
		}
	}
}

// spoil changes the last bytes of a ciphertext, and nothing of its form.
func spoil(text string) string {
	b := []byte(text)
	i := len(b) - 8
	if b[i] == 'A' {
		b[i] = 'B'
	} else {
		b[i] = 'A'
	}
	return string(b)
}
