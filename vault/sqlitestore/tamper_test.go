package sqlitestore_test

import (
	"bytes"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/storetest"
)

// The schema holds against SQL too, as long as nobody drops its triggers.
func TestSchemaRefuses(t *testing.T) {
	path := filepath.Join(folder(t), "vault.db")
	s := open(t, path)
	tenant := newTenant(t, s)
	live, dead := newPerson(t, s, tenant), newPerson(t, s, tenant)
	update(t, s, func(tx vault.Tx) error { return tx.UpdateSubject(t.Context(), erasedForm(dead), 1) })
	c := vault.Consent{Purpose: "p", Decision: "granted", At: now()}
	update(t, s, func(tx vault.Tx) error { return tx.PutConsent(t.Context(), tenant, live.UID, c) })
	if err := outcome(s.AppendEvents(t.Context(), leaf(tenant))); err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		"INSERT INTO audit_leaf SELECT tenant, 0, id, 0, 0, zeroblob(16), NULL, zeroblob(32) FROM event_intake",
		"INSERT INTO audit_node SELECT tenant, 1, 0, zeroblob(32) FROM event_intake",
		"INSERT INTO audit_checkpoint SELECT tenant, 1, 0, x'' FROM event_intake",
	} {
		if err := raw(t, path, statement); err != nil {
			t.Fatal(err)
		}
	}
	update(t, s, func(tx vault.Tx) error {
		if err := tx.RaiseLedgerPosition(t.Context(), 5); err != nil {
			return err
		}
		if _, err := tx.InsertBudget(t.Context(), vault.BudgetRow{Tenant: tenant, Collection: 1, Purpose: "p", Rho: 5, Delta: 5, Answers: 1}); err != nil {
			return err
		}
		turn := vault.ReleaseTurn{Tenant: tenant, Collection: 1, Purpose: "p", Releases: 1, Tries: 5, First: 4, Began: 9, Last: 9}
		if _, err := tx.InsertReleaseTurn(t.Context(), turn); err != nil {
			return err
		}
		return tx.InsertErasure(t.Context(), vault.Erasure{
			ID: uuid.New(), Tenant: tenant, Lookup: dead.Lookup, Generation: 1, Event: uuid.New(), At: now(), Certificate: []byte("{}"),
		})
	})
	is := func(p vault.Subject) string { return " WHERE lookup = x'" + hex.EncodeToString(p.Lookup) + "'" }
	for name, statement := range map[string]string{
		"a row of the directory deleted":      "DELETE FROM subject" + is(live),
		"an erased row deleted":               "DELETE FROM subject" + is(dead),
		"all rows deleted":                    "DELETE FROM subject",
		"erased made live":                    "UPDATE subject SET state = 1" + is(dead),
		"erased made live in a life before":   "UPDATE subject SET state = 1, generation = 0" + is(dead),
		"a generation lowered":                "UPDATE subject SET generation = 0" + is(live),
		"a row renamed":                       "UPDATE subject SET lookup = zeroblob(16)" + is(live),
		"a person without uid":                "UPDATE subject SET uid = NULL" + is(live),
		"a uid twice":                         "UPDATE subject SET uid = (SELECT uid FROM subject" + is(dead) + ")" + is(live),
		"a history rewritten":                 "UPDATE consent_event SET decision = 'refused'",
		"an event rewritten":                  "UPDATE event_intake SET leaf = x'00'",
		"an event deleted":                    "DELETE FROM event_intake",
		"a leaf rewritten":                    "UPDATE audit_leaf SET idx = 5",
		"a leaf deleted":                      "DELETE FROM audit_leaf",
		"a hash rewritten":                    "UPDATE audit_node SET hash = zeroblob(32)",
		"a hash deleted":                      "DELETE FROM audit_node",
		"a checkpoint rewritten":              "UPDATE audit_checkpoint SET signed = x'00'",
		"a checkpoint deleted":                "DELETE FROM audit_checkpoint",
		"a budget lowered":                    "UPDATE budget SET rho = 4",
		"answers of a budget lowered":         "UPDATE budget SET answers = 0",
		"a budget moved":                      "UPDATE budget SET purpose = 'other'",
		"a budget deleted":                    "DELETE FROM budget",
		"a release undone":                    "UPDATE release_turn SET releases = 0",
		"a time of a release moved back":      "UPDATE release_turn SET last = 0",
		"tries of a release lowered":          "UPDATE release_turn SET tries = 4",
		"a turn of releases moved":            "UPDATE release_turn SET purpose = 'other'",
		"a turn of releases deleted":          "DELETE FROM release_turn",
		"a certificate rewritten":             "UPDATE erasure SET certificate = x'00'",
		"a certificate deleted":               "DELETE FROM erasure",
		"a ledger's position lowered":         "UPDATE ledger SET reached = 4",
		"a second position in the ledger":     "INSERT INTO ledger VALUES (2, 9)",
		"a second job of one kind":            "INSERT INTO job SELECT 1, randomblob(16), 'k', 1, x'', x'', 0, 0, '', '', '', 0, NULL, 0, 0 FROM (VALUES (1), (2))",
		"a shred of no group":                 "INSERT INTO shred VALUES (1, zeroblob(16), 0, 1)",
		"text where bytes belong":             "UPDATE subject SET mark = 'text'",
		"keys of no bytes":                    "UPDATE subject SET kek_version = 0, keys = x'' WHERE state = 1",
		"keys that are none":                  "UPDATE subject SET kek_version = 0, keys = NULL WHERE state = 1",
		"keys of no version":                  "UPDATE subject SET kek_version = NULL, keys = x'00' WHERE state = 1",
		"keys of the erased":                  "UPDATE subject SET kek_version = 0, keys = x'00' WHERE state = 2",
		"a version of a key below 0":          "UPDATE subject SET kek_version = -1, keys = x'00' WHERE state = 1",
		"a version of a key beyond all":       "UPDATE subject SET kek_version = 1 << 31, keys = x'00' WHERE state = 1",
		"a deleted record with sealed fields": "INSERT INTO record VALUES (1, zeroblob(16), 1, 'r', 1, 1, x'00')",
	} {
		if err := raw(t, path, statement); err == nil || !strings.Contains(err.Error(), "constraint") {
			t.Errorf("%s: error %v", name, err)
		}
	}
	for _, p := range []vault.Subject{live, erasedForm(dead)} {
		l, err := s.LoadForReveal(t.Context(), vault.LoadQuery{Tenant: tenant, Items: []vault.Ref{{Lookup: p.Lookup}}})
		if err != nil || l.Items[0].Subject == nil || l.Items[0].Subject.State != p.State {
			t.Errorf("the row of a person is %+v (%v)", l.Items, err)
		}
	}
	closeAll(t, s)
}

// I3: every table in which a person can have rows is known and swept, one that
// a later version or somebody else adds, too.
func TestSubjectTablesAreThoseOfTheSchema(t *testing.T) {
	s := open(t, filepath.Join(folder(t), "vault.db"))
	tenant, uid := newTenant(t, s), uuid.New()
	want := []string{"consent", "consent_event", "effect", "honey", "record", "request", "reseal", "search_index", "shred", "ticket", "token"}
	check := func() {
		t.Helper()
		if got, err := s.SubjectTables(t.Context()); err != nil || !slices.Equal(got, want) {
			t.Errorf("SubjectTables = %v (%v), want %v", got, err, want)
		}
	}
	check()
	err := s.Corrupt(t.Context(), `
		CREATE TABLE "a ""new"" table" (tenant INTEGER, uid BLOB, x TEXT);
		INSERT INTO "a ""new"" table" VALUES (`+hexed(tenant, uid)+`, 'x'), (`+hexed(tenant, uid)+`, 'y');
		CREATE TABLE no_person (tenant INTEGER, uidx BLOB);
		INSERT INTO no_person VALUES (1, x'00');`)
	if err != nil {
		t.Fatal(err)
	}
	want = append([]string{`a "new" table`}, want...)
	check()
	if got, err := s.Orphans(t.Context()); err != nil || len(got) != 1 || got[want[0]] != 2 {
		t.Errorf("Orphans = %v (%v)", got, err)
	}
	update(t, s, func(tx vault.Tx) error {
		n, err := tx.Sweep(t.Context(), tenant, uid, 10)
		if n != 2 {
			t.Errorf("Sweep deleted %d rows, want 2", n)
		}
		return err
	})
	if got, err := s.Orphans(t.Context()); err != nil || len(got) != 0 {
		t.Errorf("Orphans after the sweep = %v (%v)", got, err)
	}
	closeAll(t, s)
}

func hexed(tenant int32, uid uuid.UUID) string {
	return fmt.Sprint(tenant) + ", x'" + hex.EncodeToString(uid[:]) + "'"
}

// A damaged file is an integrity error, without a word of its content.
func TestDamagedFile(t *testing.T) {
	path := filepath.Join(folder(t), "vault.db")
	s := open(t, path)
	tenant := newTenant(t, s)
	newVictims(t, s, tenant, 50)
	closeAll(t, s)
	roots := rootPages(t, path)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const page = 4096
	for _, root := range roots {
		copy(b[(root-1)*page:], bytes.Repeat([]byte("damaged "), page/8))
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	for name, do := range map[string]func() error{
		"Ping": func() error { return s.Ping(t.Context()) },
		"LoadForReveal": func() error {
			_, err := s.LoadForReveal(t.Context(), vault.LoadQuery{Tenant: tenant})
			return err
		},
		"AppendEvents": func() error { return outcome(s.AppendEvents(t.Context(), leaf(tenant))) },
		"ScanRecords": func() error {
			_, err := s.ScanRecords(t.Context(), vault.ScanPos{}, 10)
			return err
		},
	} {
		if err := do(); !errors.Is(err, vault.ErrIntegrity) || strings.Contains(err.Error(), "malformed") {
			t.Errorf("%s: error %v", name, err)
		}
	}
	_ = s.Close() // it may fail, and need not say more
}

// rootPages are the first pages of all tables and indexes but the schema's own.
func rootPages(t *testing.T, path string) (pages []int) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	rows, err := db.QueryContext(t.Context(), "SELECT rootpage FROM sqlite_schema WHERE rootpage > 1")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var n int
		if err := rows.Scan(&n); err != nil {
			t.Fatal(err)
		}
		pages = append(pages, n)
	}
	if err := rows.Err(); err != nil || len(pages) == 0 {
		t.Fatalf("%d root pages: %v", len(pages), err)
	}
	return pages
}

// A row that was changed to what the program cannot read is an integrity error.
func TestRowThatCannotBeRead(t *testing.T) {
	s := open(t, filepath.Join(folder(t), "vault.db"))
	tenant := newTenant(t, s)
	p := newPerson(t, s, tenant)
	err := s.Corrupt(t.Context(), `PRAGMA ignore_check_constraints = on; UPDATE subject SET generation = 1 << 40;
		PRAGMA ignore_check_constraints = off`)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.LoadForReveal(t.Context(), vault.LoadQuery{Tenant: tenant, Items: []vault.Ref{{Lookup: p.Lookup}}})
	if !errors.Is(err, vault.ErrIntegrity) || strings.Contains(err.Error(), "1099511627776") {
		t.Errorf("LoadForReveal: error %v", err)
	}
	closeAll(t, s)
}

// Keys that cannot be read, or that are not under the version that their row says.
func TestUnreadableKeys(t *testing.T) {
	for name, set := range map[string]string{
		"keys":        "keys = CAST(substr(keys, 1, 9) AS BLOB)",
		"the version": "kek_version = 2",
		"none":        "kek_version = 0",
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, filepath.Join(folder(t), "vault.db"))
			storetest.Unreadable(t, s, func(tenant int32, uid uuid.UUID) {
				err := s.Corrupt(t.Context(), "UPDATE subject SET "+set+" WHERE (tenant, uid) = ("+hexed(tenant, uid)+")")
				if err != nil {
					t.Fatal(err)
				}
			})
			closeAll(t, s)
		})
	}
}
