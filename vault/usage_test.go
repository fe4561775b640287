package vault_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit/report"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

const reviewed = `
title: Test
purposes:
  support: {title: Support, text: To help, benefit: Help, basis: contract, review_by: 2027-02-01}
  billing: {title: Billing, text: To bill, benefit: Bills, basis: contract}
  unused: {title: Unused, text: Not at all, benefit: None, basis: contract, review_by: 2026-11-22}
collections:
  customer:
    title: Customers
    fields:
      phone: {title: Phone, type: text, purposes: [support, billing]}
      email: {title: E-mail, type: email, purposes: [support, billing], index: {kind: equality}}
      first_name: {title: Name, type: text, purposes: [unused]}
`

// What was read is counted as it was done, by purpose, field and caller; what nobody
// read is listed; and only who has the action audit is told.
func TestUsageSaysWhatWasReadAndWhatWasNot(t *testing.T) {
	v := newVault(t, vaulttest.Options{Catalog: reviewed, Policy: plainPolicy})
	for i := range 4 {
		v.Put(t, fmt.Sprintf("u-%d", i), "customer", "self", map[string]string{"phone": "555-0100", "email": mail(i), "first_name": "Luis"})
	}
	for i := range 4 {
		for range i + 1 { // 1 + 2 + 3 + 4 readings of four people
			see(t, v, v.As("app", "support"), fmt.Sprintf("u-%d", i), "phone")
		}
	}
	see(t, v, v.As("app", "billing"), "u-1", "email")
	see(t, v, v.Person("u-2", "self"), "u-2", "first_name")
	if _, err := v.Search(t.Context(), v.As("app", "support"), query(mail(3))); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Sequence(t.Context()); err != nil {
		t.Fatal(err)
	}
	last := v.Clock.Now()
	v.Clock.Advance(day)
	op := v.Operator()
	r, err := v.Usage(t.Context(), op, "support", 30, nil)
	if err != nil || !r.Checkpoint.Verified {
		t.Fatalf("%+v, %v", r, err)
	}
	want := map[string]report.UsageRow{
		"customer.phone plain": {Events: 10, Values: 10, People: 4}, "customer.email plain": {Events: 1, Values: 1, People: 1},
		"customer.email found": {Events: 1, Values: 1, People: 1},
	}
	for i := range r.Rows {
		x := &r.Rows[i]
		w, ok := want[x.Name()+" "+x.How.String()]
		if !ok || x.Events != w.Events || x.Values != w.Values || x.People != w.People || x.Caller != "https://issuer.example.org#app" || x.Last.After(last) {
			t.Errorf("row %+v", x)
		}
	}
	if len(r.Rows) == 0 || r.Rows[0].Name() != "customer.phone" {
		t.Errorf("rows: %+v", r.Rows)
	}
	m, err := v.Minimise(t.Context(), op, 30, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Fields) != 1 || m.Fields[0].Name != "first_name" {
		t.Errorf("unused fields: %v", m.Fields)
	}
	if len(m.Purposes) != 1 || m.Purposes[0].ID != "unused" || len(m.Review) != 1 || m.Review[0].ID != "unused" {
		t.Errorf("unused purposes %v, past review %v", m.Purposes, m.Review)
	}
	if !slices.ContainsFunc(m.Unread, func(u vault.UnreadFor) bool { return u.Field.Name == "phone" && u.Purpose.ID == "billing" }) || len(m.Unread) != 1 {
		t.Errorf("unread for a purpose: %+v", m.Unread)
	}
	v.Clock.Advance(40 * day)
	if m, err := v.Minimise(t.Context(), op, 30, nil); err != nil || len(m.Fields) != 3 || len(m.Purposes) != 3 {
		t.Errorf("after the window: %d fields, %d purposes, %v", len(m.Fields), len(m.Purposes), err)
	}
	if _, err := v.Usage(t.Context(), v.As("dpo", ""), "support", 30, nil); !errors.Is(err, vault.ErrDenied) {
		t.Errorf("without the action audit: %v", err)
	}
	if _, err := v.Usage(t.Context(), op, accessctl.Purpose("nosuch"), 30, nil); !errors.Is(err, vault.ErrNotFound) {
		t.Errorf("a purpose that is none: %v", err)
	}
	var wrong *vault.InvalidError
	if _, err := v.Usage(t.Context(), op, "support", 0, nil); !errors.As(err, &wrong) {
		t.Errorf("no days: %v", err)
	}
}
