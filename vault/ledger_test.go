package vault_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/ledger"
	"github.com/fieldvault/fieldvault/vault/sqlitestore"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

// backup copies the vault's SQLite file as it is now.
func backup(t *testing.T, v *vaulttest.Vault) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "backup.db")
	if _, err := behind(t, v).Exec(`VACUUM INTO ?`, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// restored is a vault of the same keys and the same ledger on a backup.
func restored(t *testing.T, v *vaulttest.Vault, path string) *vaulttest.Vault {
	t.Helper()
	s, err := sqlitestore.Open(t.Context(), sqlitestore.Config{Path: path, Now: v.Clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	core, err := vault.New(t.Context(), vault.Config{
		Store: s, Ring: v.Ring, Now: v.Clock.Now, NewID: vaulttest.NewID, Logger: slog.New(slog.DiscardHandler), Ledger: v.Ledger,
	})
	if err != nil {
		t.Fatal(err)
	}
	return &vaulttest.Vault{Vault: core, Store: s, KEK: v.KEK, Ring: v.Ring, Clock: v.Clock, Path: path, Ledger: v.Ledger}
}

func isReady(v *vaulttest.Vault) bool {
	for _, c := range v.Ready(context.Background()) {
		if c.Name == "ledger" {
			return c.OK
		}
	}
	return false
}

// I2: a restored database shows nothing until the ledger is replayed; then the
// erased are erased, with the same certificates, and all others read.
func TestARestoreBringsNobodyBack(t *testing.T) {
	v := newVault(t, vaulttest.Options{Catalog: consentCatalog, Policy: plainPolicy})
	app, dpo := v.As("app", "support"), v.As("dpo", "")
	for _, n := range []string{"erased", "group", "withdrawn", "held", "restricted", "freed", "alive"} {
		v.Put(t, n, "customer", "self", map[string]string{"email": n + "@example.org"})
		decideMarketing(t, v, n, "granted")
		v.Put(t, n, "customer", "self", map[string]string{"email": n + "@example.org", "taste": "tango"})
	}
	path := backup(t, v)

	v.Put(t, "later", "customer", "self", map[string]string{"email": "later@example.org"})
	certs := map[string]string{}
	for _, n := range []string{"erased", "later"} {
		c, err := v.Erase(t.Context(), dpo, vault.Erasing{Subject: n})
		if err != nil {
			t.Fatal(err)
		}
		certs[n] = string(c)
	}
	group, err := v.Erase(t.Context(), dpo, vault.Erasing{Subject: "group", Groups: []string{"marketing"}})
	if err != nil {
		t.Fatal(err)
	}
	decideMarketing(t, v, "withdrawn", "withdrawn")
	for subject, f := range map[string]func(context.Context, string) error{
		"held":       func(ctx context.Context, s string) error { return v.SetHold(ctx, dpo, s, true, "") },
		"restricted": func(ctx context.Context, s string) error { return v.SetRestriction(ctx, dpo, s, true, "") },
		"freed": func(ctx context.Context, s string) error {
			return errors.Join(v.SetRestriction(ctx, dpo, s, true, ""), v.SetRestriction(ctx, dpo, s, false, ""))
		},
	} {
		if err := f(t.Context(), subject); err != nil {
			t.Fatal(err)
		}
	}

	r := restored(t, v, path)
	if isReady(r) {
		t.Error("it says that it is ready")
	}
	for _, n := range []string{"erased", "alive"} {
		if got := see(t, r, app, n, "email"); got != "unavailable" {
			t.Errorf("before the replay, %s: %q", n, got)
		}
	}
	if _, err := r.Vault.Put(t.Context(), app, vault.Write{Subject: "new", Collection: "customer", Record: "self"}, vault.Idempotency{}); !errors.Is(err, vault.ErrBehind) {
		t.Errorf("before the replay a write: %v", err)
	}
	if _, err := r.Erase(t.Context(), dpo, vault.Erasing{Subject: "freed"}); err != nil {
		t.Errorf("before the replay an erasure: %v", err)
	}
	if _, err := r.Replay(t.Context(), app, nil); !errors.Is(err, vault.ErrDenied) {
		t.Errorf("a caller with a token replays: %v", err)
	}
	done, err := r.Replay(t.Context(), r.Operator(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if done.Applied != 7 { // two people, a group by request and one by withdrawal, the withdrawal, hold, restriction
		t.Errorf("%d of %d entries were applied, want 7", done.Applied, done.Entries)
	}
	for subject, want := range map[string]string{
		"erased": "gone", "later": "gone", "freed": "gone", "alive": "plain: alive@example.org", "group": "plain: group@example.org",
		"withdrawn": "plain: withdrawn@example.org", "held": "plain: held@example.org", "restricted": "hidden: restricted",
	} {
		if got := see(t, r, app, subject, "email"); got != want {
			t.Errorf("after the replay, %s: %q, want %q", subject, got, want)
		}
	}
	sell := v.As("app", "marketing")
	for subject, want := range map[string]string{"group": "absent", "withdrawn": "hidden: consent", "alive": "plain: tango"} {
		if got := see(t, r, sell, subject, "taste"); got != want {
			t.Errorf("after the replay, taste of %s: %q, want %q", subject, got, want)
		}
	}
	if _, err := r.Erase(t.Context(), dpo, vault.Erasing{Subject: "held"}); !errors.Is(err, vault.ErrHeld) {
		t.Errorf("after the replay, erasing who is held: %v", err)
	}
	for n, want := range certs {
		if c, err := r.Erase(t.Context(), dpo, vault.Erasing{Subject: n}); err != nil || string(c) != want {
			t.Errorf("after the replay, %s has another certificate (%v)", n, err)
		}
	}
	if c, err := r.Erase(t.Context(), dpo, vault.Erasing{Subject: "group", Groups: []string{"marketing"}}); err != nil || string(c) != string(group) {
		t.Errorf("after the replay, the group has another certificate (%v)", err)
	}
	if !isReady(r) {
		t.Error("after the replay it is not ready")
	}
	if again, err := r.Replay(t.Context(), r.Operator(), nil); err != nil || again.Applied != 0 {
		t.Errorf("replayed again: %+v, %v", again, err)
	}
	if _, err := r.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func decideMarketing(t *testing.T, v *vaulttest.Vault, subject, decision string) {
	t.Helper()
	v.Clock.Advance(1000)
	_, err := v.RecordConsent(t.Context(), v.As("dpo", ""), vault.Decided{Subject: subject, Purpose: "marketing", Decision: decision})
	if err != nil {
		t.Fatal(err)
	}
}

// A life that was erased and re-enrolled: the replay ends the old one only.
func TestReplayTouchesNoLaterLife(t *testing.T) {
	v := newVault(t, vaulttest.Options{Policy: plainPolicy})
	app, dpo := v.As("app", "support"), v.As("dpo", "")
	first, second := map[string]string{"email": "first@example.org"}, map[string]string{"email": "second@example.org"}
	v.Put(t, "c-1", "customer", "self", first)
	old := backup(t, v)
	for _, f := range []func() error{
		func() error { _, err := v.Erase(t.Context(), dpo, vault.Erasing{Subject: "c-1"}); return err },
		func() error { _, err := v.Reenrol(t.Context(), dpo, "c-1"); return err },
	} {
		if err := f(); err != nil {
			t.Fatal(err)
		}
	}
	v.Put(t, "c-1", "customer", "self", second)
	young := backup(t, v)
	r := restored(t, v, young)
	if got := see(t, r, app, "c-1", "email"); got != "plain: second@example.org" {
		t.Errorf("a backup that has everything: %q", got)
	}
	if _, err := v.Erase(t.Context(), dpo, vault.Erasing{Subject: "c-1"}); err != nil {
		t.Fatal(err)
	}
	for path, applied := range map[string]int64{old: 2, young: 1} {
		r := restored(t, v, path)
		done, err := r.Replay(t.Context(), r.Operator(), nil)
		if err != nil || done.Applied != applied {
			t.Errorf("%+v, %v; want %d applied", done, err, applied)
		}
		if got := see(t, r, app, "c-1", "email"); got != "gone" {
			t.Errorf("after the replay: %q", got)
		}
		if _, err := r.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if rep, err := r.Fsck(t.Context(), r.Operator(), nil); err != nil || len(rep.Findings) != 0 {
			t.Errorf("fsck: %+v, %v", rep.Findings, err)
		}
	}
}

// An entry that the service did not write erases nobody.
func TestAForgedEntryErasesNobody(t *testing.T) {
	v := newVault(t)
	v.Put(t, "c-1", "customer", "self", map[string]string{"email": email})
	path := backup(t, v)
	if _, err := v.Erase(t.Context(), v.As("dpo", ""), vault.Erasing{Subject: "c-1"}); err != nil {
		t.Fatal(err)
	}
	placed, err := v.Ledger.Read(t.Context(), 0, 10)
	if err != nil || len(placed) != 1 {
		t.Fatal(placed, err)
	}
	e := placed[0].Entry
	e.ID, e.Generation = vaulttest.NewID(), 2
	if err := v.Ledger.Append(t.Context(), []ledger.Entry{e}); err != nil {
		t.Fatal(err)
	}
	r := restored(t, v, path)
	if got := see(t, r, v.As("app", "support"), "c-1", "email"); got != "unavailable" {
		t.Errorf("with a forged entry: %q", got)
	}
	if _, err := r.Replay(t.Context(), r.Operator(), nil); !errors.Is(err, vault.ErrIntegrity) {
		t.Errorf("replaying a forged entry: %v", err)
	}
}

// A ledger that lacks what the database knows of is not taken for whole.
func TestAnotherLedgerClosesTheGate(t *testing.T) {
	v := newVault(t)
	v.Put(t, "c-1", "customer", "self", map[string]string{"email": email})
	v.Put(t, "c-2", "customer", "self", map[string]string{"email": email})
	if _, err := v.Erase(t.Context(), v.As("dpo", ""), vault.Erasing{Subject: "c-1"}); err != nil {
		t.Fatal(err)
	}
	v.Node(t, nil) // a start notes how far the database is
	empty, err := ledger.CreateFile(t.Context(), filepath.Join(t.TempDir(), "ledger"), vaulttest.NewID(), ledger.FileConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = empty.Close() })
	whole := v.Ledger
	v.Ledger = empty
	n := &vaulttest.Vault{Vault: v.Node(t, nil), Store: v.Store, KEK: v.KEK, Ring: v.Ring, Clock: v.Clock}
	v.Ledger = whole
	if got := see(t, n, v.As("app", "support"), "c-2", "email"); got != "unavailable" || isReady(n) {
		t.Errorf("with an empty ledger: %q", got)
	}
}

// A broken ledger does not undo an erasure; the answer says that it is not yet on
// record there, and asking again completes it.
func TestErasureWithoutTheLedger(t *testing.T) {
	v := newVault(t)
	v.Put(t, "c-1", "customer", "self", map[string]string{"email": email})
	flaky := &flakyLedger{LedgerReader: v.Ledger, broken: true}
	core, err := vault.New(t.Context(), vault.Config{
		Store: v.Store, Ring: v.Ring, Now: v.Clock.Now, NewID: vaulttest.NewID, Logger: slog.New(slog.DiscardHandler), Ledger: flaky,
	})
	if err != nil {
		t.Fatal(err)
	}
	dpo := v.As("dpo", "")
	for range 2 {
		if _, err := core.Erase(t.Context(), dpo, vault.Erasing{Subject: "c-1"}); !errors.Is(err, vault.ErrUnledgered) {
			t.Errorf("with a broken ledger: %v", err)
		}
		if got := see(t, v, v.As("app", "support"), "c-1", "email"); got != "gone" {
			t.Errorf("the erasure is not in force: %q", got)
		}
	}
	flaky.broken = false
	cert, err := core.Erase(t.Context(), dpo, vault.Erasing{Subject: "c-1"})
	if err != nil || cert == nil {
		t.Errorf("once it answers: %v", err)
	}
	if n, err := v.Ledger.Head(t.Context()); n != 1 || err != nil {
		t.Errorf("%d entries (%v), want 1", n, err)
	}
}

type flakyLedger struct {
	vault.LedgerReader
	broken bool
}

func (f *flakyLedger) Append(ctx context.Context, entries []ledger.Entry) error {
	if f.broken {
		return ledger.ErrUnavailable
	}
	return f.LedgerReader.Append(ctx, entries)
}

// A ledger that is found to be shorter than it was closes the gate, and is told
// nothing: new entries would take the place of those that it lost.
func TestALedgerThatLostEntriesIsToldNothing(t *testing.T) {
	v := newVault(t)
	for _, n := range []string{"c-1", "c-2", "c-3"} {
		v.Put(t, n, "customer", "self", map[string]string{"email": email})
	}
	short := &shortLedger{LedgerReader: v.Ledger}
	core, err := vault.New(t.Context(), vault.Config{
		Store: v.Store, Ring: v.Ring, Now: v.Clock.Now, NewID: vaulttest.NewID, Logger: slog.New(slog.DiscardHandler), Ledger: short,
	})
	if err != nil {
		t.Fatal(err)
	}
	n := &vaulttest.Vault{Vault: core, Store: v.Store, KEK: v.KEK, Ring: v.Ring, Clock: v.Clock}
	if _, err := core.Erase(t.Context(), v.As("dpo", ""), vault.Erasing{Subject: "c-1"}); err != nil {
		t.Fatal(err)
	}
	core.Close(t.Context()) // it looks once more
	if got := see(t, n, v.As("app", "support"), "c-3", "email"); got != "plain: "+email || !isReady(n) {
		t.Errorf("with a whole ledger: %q", got)
	}
	short.lost = 1
	core.Close(t.Context())
	if got := see(t, n, v.As("app", "support"), "c-3", "email"); got != "unavailable" || isReady(n) {
		t.Errorf("with a ledger that lost an entry: %q", got)
	}
	if _, err := core.Erase(t.Context(), v.As("dpo", ""), vault.Erasing{Subject: "c-2"}); !errors.Is(err, vault.ErrUnledgered) {
		t.Errorf("an erasure then: %v", err)
	}
	if n, err := v.Ledger.Head(t.Context()); n != 1 || err != nil {
		t.Errorf("it was told something: %d entries (%v)", n, err)
	}
	short.lost = 0
	core.Close(t.Context())
	core.Close(t.Context())
	if got := see(t, n, v.As("app", "support"), "c-3", "email"); got != "plain: "+email || !isReady(n) {
		t.Errorf("with the ledger back: %q", got)
	}
	if n, err := v.Ledger.Head(t.Context()); n != 2 || err != nil {
		t.Errorf("what waited is not told: %d entries (%v)", n, err)
	}
}

// A shortLedger lacks its last entries.
type shortLedger struct {
	vault.LedgerReader
	lost int64
}

func (s *shortLedger) Head(ctx context.Context) (int64, error) {
	n, err := s.LedgerReader.Head(ctx)
	return n - s.lost, err
}

// I2: a row that SQL put back whole, mark and all, stays closed: the ledger's index
// in memory knows.
func TestAWholeRowPutBackStaysClosed(t *testing.T) {
	v := newVault(t)
	v.Put(t, "c-1", "customer", "self", map[string]string{"email": email})
	db := behind(t, v)
	for _, sql := range []string{`CREATE TABLE s AS SELECT * FROM subject`, `CREATE TABLE r AS SELECT * FROM record`} {
		if _, err := db.Exec(sql); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := v.Erase(t.Context(), v.As("dpo", ""), vault.Erasing{Subject: "c-1"}); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{
		`DROP TRIGGER subject_stays`, `DELETE FROM subject`, `INSERT INTO subject SELECT * FROM s`,
		`DELETE FROM record`, `INSERT INTO record SELECT * FROM r`,
	} {
		if _, err := db.Exec(sql); err != nil {
			t.Fatal(sql, err)
		}
	}
	n := &vaulttest.Vault{Vault: v.Node(t, nil), Store: v.Store, KEK: v.KEK, Ring: v.Ring, Clock: v.Clock}
	got := see(t, n, v.As("app", "support"), "c-1", "email")
	if d := cmp.Diff("gone", got); d != "" && got != "unavailable" {
		t.Errorf("put back: %q", got)
	}
}
