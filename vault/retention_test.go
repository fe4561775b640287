package vault_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/crypto/field"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/catalog"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

// retaining keeps phones for 30 days, e-mail addresses for 60 (their purposes' longest),
// and names for ever.
const retaining = `
title: Test
purposes:
  support: {title: Support, text: To help, benefit: Help, basis: contract, retention: P60D}
  billing: {title: Billing, text: To bill, benefit: Bills, basis: contract, retention: P40D}
  records: {title: Records, text: To know, benefit: Records, basis: contract}
collections:
  customer:
    title: Customers
    fields:
      phone: {title: Phone, type: text, purposes: [support, records], retention: P30D, index: {kind: equality}}
      email: {title: E-mail, type: email, purposes: [support, billing], index: {kind: equality}}
      first_name: {title: Name, type: text, purposes: [records]}
`

// plan asks for a pass, and says whether there is one to be done.
func plan(t *testing.T, v *vaulttest.Vault) bool {
	t.Helper()
	if err := v.PlanRetention(t.Context(), time.Hour); err != nil {
		t.Fatal(err)
	}
	list, err := v.Jobs(t.Context(), v.As("operator", ""))
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(list, func(j vault.Job) bool { return j.Kind == vault.JobRetention && j.State == vault.JobQueued })
}

// retain does a whole pass, as a runner does; between is called before each step.
func retain(t *testing.T, v *vaulttest.Vault, between func(vault.Job)) vault.Job {
	t.Helper()
	if !plan(t, v) {
		t.Fatal("no pass is asked for")
	}
	j := takeOf(t, v, vault.JobRetention)
	for range 100 {
		if between != nil {
			between(j)
		}
		next, done, err := v.RetentionStep(t.Context(), v.Operator(), j)
		if err != nil {
			t.Fatal(err)
		}
		if j = next; done {
			j.State = vault.JobDone
		}
		save(t, v, j)
		if done {
			return j
		}
	}
	t.Fatalf("the pass does not end: %+v", j)
	return j
}

// sealedOf is what is stored of the only record of a store, by field.
func sealedOf(t *testing.T, v *vaulttest.Vault) (list []field.Sealed, rec vault.Record) {
	t.Helper()
	page, err := v.Store.(vault.Inspector).ScanRecords(t.Context(), vault.ScanPos{}, 10)
	if err != nil || len(page) != 1 {
		t.Fatalf("%d records, %v", len(page), err)
	}
	rec = page[0].Record
	if rec.Deleted {
		return nil, rec
	}
	if list, err = field.ParsePacked(rec.Sealed[:len(rec.Sealed)-16], nil); err != nil {
		t.Fatal(err)
	}
	return list, rec
}

// onDisk says whether the bytes stand in a file of the store's.
func onDisk(t *testing.T, v *vaulttest.Vault, b []byte) bool {
	t.Helper()
	files, err := filepath.Glob(v.Path + "*")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	return slices.ContainsFunc(files, func(path string) bool {
		all, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Contains(all, b)
	})
}

// A value is shown until its time has passed, hidden from then on, and removed by the
// job, wherever it stood.
func TestAValueIsRemovedAfterItsTime(t *testing.T) {
	var late []time.Duration
	v := newVault(t, vaulttest.Options{Catalog: retaining, Policy: plainPolicy, Expired: func(d time.Duration) { late = append(late, d) }})
	v.Put(t, "c-1", "customer", "self", map[string]string{"phone": "555-0100", "email": email, "first_name": "Luis"})
	app, began := v.As("app", "support"), v.Clock.Now()
	before, rec := sealedOf(t, v)
	phone := before[0].Ciphertext.Body
	if v.Path != "" && !onDisk(t, v, phone[:16]) {
		t.Fatal("the test looks for the value in the wrong place")
	}
	if got := see(t, v, app, "c-1", "phone"); got != "plain: 555-0100" {
		t.Errorf("before: %q", got)
	}
	retain(t, v, nil) // nothing is due
	v.Clock.Advance(30 * day)
	if plan(t, v) || see(t, v, app, "c-1", "phone") != "plain: 555-0100" {
		t.Error("at the end itself a value still stands")
	}
	v.Clock.Advance(90 * time.Minute)
	if got := see(t, v, app, "c-1", "phone"); got != "hidden: expired" {
		t.Errorf("after its time: %q", got)
	}
	if x := v.RetentionStats(); x.Overdue != 90*time.Minute || !x.Last.Equal(began) {
		t.Errorf("before the pass: %+v", x)
	}
	j := retain(t, v, nil)
	if want := "1 values were removed, and 0 records of which nothing was left; 1h30m0s after their time on average, 1h30m0s at most"; j.Note != want || j.Done != 1 {
		t.Errorf("the job ends with %d and %q", j.Done, j.Note)
	}
	if !slices.Equal(late, []time.Duration{90 * time.Minute}) || v.RetentionStats().Overdue != 0 {
		t.Errorf("lateness: %v, %+v", late, v.RetentionStats())
	}
	if got := see(t, v, app, "c-1", "phone"); got != "absent" {
		t.Errorf("after the job: %q", got)
	}
	after, now := sealedOf(t, v)
	if len(after) != 2 || now.Revision != rec.Revision+1 || !bytes.Equal(after[0].Ciphertext.Body, before[1].Ciphertext.Body) {
		t.Errorf("%d values stand at revision %d after %d", len(after), now.Revision, rec.Revision)
	}
	if v.Path != "" && onDisk(t, v, phone[:16]) {
		t.Error("the value is still in the file")
	}
	q := vault.Query{Collection: "customer", Field: "phone", Equals: json.RawMessage(`"555-0100"`)}
	if m, err := v.Search(t.Context(), app, q); err != nil || len(m.Matches) != 0 {
		t.Errorf("search finds %+v, %v", m, err)
	}
	if e := expiredEvents(t, v); len(e) != 1 || len(e[0].Writes) != 1 || len(e[0].Fields) != 1 || e[0].Fields[0].Field != before[0].Field {
		t.Errorf("events: %+v", e)
	}

	// The purposes of the e-mail address end on the 60th day; the name stays.
	v.Clock.Advance(30 * day)
	if got := see(t, v, v.As("app", "billing"), "c-1", "email"); got != "hidden: expired" {
		t.Errorf("for billing: %q", got)
	}
	retain(t, v, nil)
	if after, _ := sealedOf(t, v); len(after) != 1 || see(t, v, v.As("app", "records"), "c-1", "first_name") != "plain: Luis" {
		t.Errorf("%d values stand", len(after))
	}
	if plan(t, v) {
		t.Error("another pass so soon")
	}
}

// expiredEvents are the events of removals.
func expiredEvents(t *testing.T, v *vaulttest.Vault) []audit.Event {
	t.Helper()
	return slices.DeleteFunc(v.Events(t), func(e audit.Event) bool { return e.Action != "delete" || e.Code != "expired" })
}

// A record of which nothing is left is deleted, and its place can be written again.
func TestARecordOfWhichNothingIsLeftIsDeleted(t *testing.T) {
	v := newVault(t, vaulttest.Options{Catalog: retaining, Policy: plainPolicy})
	v.Put(t, "c-1", "customer", "self", map[string]string{"phone": "555-0100"})
	v.Clock.Advance(31 * day)
	if j := retain(t, v, nil); !strings.HasPrefix(j.Note, "1 values were removed, and 1 records") {
		t.Errorf("the job says %q", j.Note)
	}
	if _, rec := sealedOf(t, v); !rec.Deleted || rec.Revision != 2 {
		t.Errorf("the record is deleted: %v, at revision %d", rec.Deleted, rec.Revision)
	}
	if got := see(t, v, v.As("app", "support"), "c-1", "phone"); got != "not found" {
		t.Errorf("a record without values: %q", got)
	}
	if w := v.Put(t, "c-1", "customer", "self", map[string]string{"phone": "555-0101"}); !w.Created || w.Revision != 3 {
		t.Errorf("written again: %+v", w)
	}
}

// I17: under a hold nothing is removed, nor while processing is restricted; it is
// looked at again.
func TestAHoldKeepsWhatHasHadItsTime(t *testing.T) {
	for what, set := range map[string]func(*vaulttest.Vault, bool) error{
		"hold": func(v *vaulttest.Vault, on bool) error {
			return v.SetHold(t.Context(), v.As("dpo", ""), "c-1", on, "")
		},
		"restriction": func(v *vaulttest.Vault, on bool) error {
			return v.SetRestriction(t.Context(), v.As("dpo", ""), "c-1", on, "")
		},
	} {
		t.Run(what, func(t *testing.T) {
			v := newVault(t, vaulttest.Options{Catalog: retaining, Policy: plainPolicy})
			v.Put(t, "c-1", "customer", "self", map[string]string{"phone": "555-0100", "first_name": "Luis"})
			if err := set(v, true); err != nil {
				t.Fatal(err)
			}
			v.Clock.Advance(31 * day)
			j := retain(t, v, nil)
			if list, _ := sealedOf(t, v); len(list) != 2 || !strings.Contains(j.Note, "1 are kept") {
				t.Errorf("%d values stand, and the job says %q", len(list), j.Note)
			}
			if x := v.RetentionStats(); x.Kept != 1 || x.Overdue != 0 {
				t.Errorf("kept is not overdue: %+v", x)
			}
			if plan(t, v) {
				t.Error("another pass at once")
			}
			if err := set(v, false); err != nil {
				t.Fatal(err)
			}
			v.Clock.Advance(25 * time.Hour)
			retain(t, v, nil)
			if list, _ := sealedOf(t, v); len(list) != 1 {
				t.Errorf("%d values stand after it ended", len(list))
			}
		})
	}
}

// A hold that is set between the look and the lock keeps, too; and a value that is
// written meanwhile has its own time.
func TestWhatHappensDuringAPassCounts(t *testing.T) {
	v := newVault(t, vaulttest.Options{Catalog: retaining, Policy: plainPolicy})
	v.Put(t, "c-1", "customer", "self", map[string]string{"phone": "555-0100", "first_name": "Luis"})
	v.Clock.Advance(31 * day)
	c := v.Node(t, nil) // another node writes
	app := v.As("app", "support")
	w := vault.Write{Subject: "c-1", Collection: "customer", Record: "self", Patch: true, Fields: vaulttest.Values(map[string]string{"phone": "555-0199"})}
	retain(t, v, func(j vault.Job) {
		if len(j.Cursor) == 0 {
			return
		}
		if _, err := c.Put(t.Context(), app, w, vault.Idempotency{}); err != nil {
			t.Error(err)
		}
	})
	if got := see(t, v, v.As("app", "support"), "c-1", "phone"); got != "plain: 555-0199" {
		t.Errorf("the newer value: %q", got)
	}
	if plan(t, v) {
		t.Error("another pass before the newer value's time")
	}
	v.Clock.Advance(29 * day)
	if got := see(t, v, v.As("app", "support"), "c-1", "phone"); got != "plain: 555-0199" {
		t.Errorf("on its 29th day: %q", got)
	}
	v.Clock.Advance(2 * day)
	retain(t, v, nil)
	if list, _ := sealedOf(t, v); len(list) != 1 {
		t.Errorf("%d values stand", len(list))
	}
}

// A pass that is killed at any step goes on where it was saved, on another node; steps
// that are done twice count each value once in the log.
func TestAPassThatIsKilledGoesOn(t *testing.T) {
	v := newVault(t, vaulttest.Options{Catalog: retaining, Policy: plainPolicy})
	var ws []vault.Write
	for i := range 450 {
		ws = append(ws, vault.Write{
			Subject: fmt.Sprintf("k-%d", i%150), Collection: "customer", Record: fmt.Sprintf("r-%d", i),
			Fields: vaulttest.Values(map[string]string{"phone": "555-0100", "first_name": "Luis"}),
		})
	}
	out, err := v.PutBatch(t.Context(), v.As("app", "support"), ws, vault.Idempotency{})
	for i := range out {
		err = errors.Join(err, out[i].Err)
	}
	if err != nil {
		t.Fatal(err)
	}
	v.Clock.Advance(31 * day)
	j := retain(t, v, func(j vault.Job) { // each step is done, lost, and done again by another node
		if _, _, err := v.Node(t, nil).RetentionStep(t.Context(), v.Operator(), j); err != nil {
			t.Error(err)
		}
	})
	if j.Done != 450 || j.Total != 450 {
		t.Errorf("%d of %d records", j.Done, j.Total)
	}
	writes, values := 0, 0
	for _, e := range expiredEvents(t, v) {
		writes += len(e.Writes)
		for _, f := range e.Fields {
			values += int(f.Count)
		}
	}
	if writes != 450 || values != 450 {
		t.Errorf("the log has %d records and %d values of 450", writes, values)
	}
	if m, err := v.Search(t.Context(), v.As("app", "support"), vault.Query{Collection: "customer", Field: "phone", Equals: json.RawMessage(`"555-0100"`)}); err != nil || len(m.Matches) != 0 {
		t.Errorf("search finds %d, %v", len(m.Matches), err)
	}
}

// A longer or shorter retention counts from when it is in force, for what stands.
func TestARetentionThatChanges(t *testing.T) {
	v := newVault(t, vaulttest.Options{Catalog: retaining, Policy: plainPolicy})
	v.Put(t, "c-1", "customer", "self", map[string]string{"phone": "555-0100", "first_name": "Luis"})
	retain(t, v, nil)
	v.Clock.Advance(10 * day)
	if plan(t, v) {
		t.Error("a pass that can find nothing")
	}
	applies(t, v, strings.Replace(retaining, "P30D", "P5D", 1))
	retain(t, v, nil)
	if list, _ := sealedOf(t, v); len(list) != 1 {
		t.Errorf("%d values stand", len(list))
	}
}

// Passes that went well are forgotten after two days, so that they hide no other job.
func TestPassesAreForgotten(t *testing.T) {
	v := newVault(t, vaulttest.Options{Catalog: retaining, Policy: plainPolicy})
	for range 6 {
		v.Put(t, "c-1", "customer", "self", map[string]string{"phone": "555-0100"})
		v.Clock.Advance(31 * day)
		retain(t, v, nil)
	}
	list, err := v.Jobs(t.Context(), v.As("operator", ""))
	if err != nil || len(list) != 1 {
		t.Errorf("%d jobs are listed, %v", len(list), err)
	}
}

func TestKeptIsTheShorterOfFieldAndPurposes(t *testing.T) {
	c, err := catalog.Parse([]byte(retaining))
	if err != nil {
		t.Fatal(err)
	}
	coll, _ := c.Collection("customer")
	for name, want := range map[string]catalog.Days{"phone": 30, "email": 60, "first_name": 0} {
		if f, _ := coll.Field(name); c.Kept(f) != want {
			t.Errorf("%s is kept for %d days, want %d", name, c.Kept(f), want)
		}
	}
}
