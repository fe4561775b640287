package vault_test

import (
	"database/sql"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	_ "modernc.org/sqlite"

	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/keyrow"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

// behind opens the vault's SQLite file behind its back.
func behind(t *testing.T, v *vaulttest.Vault) *sql.DB {
	t.Helper()
	v.Tampered()
	db, err := sql.Open("sqlite", v.Path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// lastByteOf is the column with another last byte, whatever it was.
func lastByteOf(column string) string {
	return `CAST(substr(` + column + `, 1, length(` + column + `) - 1) ||
		CASE substr(` + column + `, -1) WHEN x'00' THEN x'01' ELSE x'00' END AS BLOB)`
}

// storedKeys are the keys of all people as they stand in the database.
func storedKeys(t *testing.T, db *sql.DB) map[uuid.UUID][]vault.DataKey {
	t.Helper()
	rows, err := db.Query(`SELECT uid, kek_version, keys FROM subject WHERE keys IS NOT NULL`)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	list := map[uuid.UUID][]vault.DataKey{}
	for rows.Next() {
		var uid []byte
		var r keyrow.Row
		if err := rows.Scan(&uid, &r.KEKVersion, &r.Keys); err != nil {
			t.Fatal(err)
		}
		if list[uuid.UUID(uid)], err = r.Unpack(nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}

// keyOf is the key of a person's group.
func keyOf(t *testing.T, stored map[uuid.UUID][]vault.DataKey, uid uuid.UUID, group uint32) *vault.DataKey {
	t.Helper()
	i := slices.IndexFunc(stored[uid], func(k vault.DataKey) bool { return k.Group == group })
	if i < 0 {
		t.Fatalf("there is no key of group %d", group)
	}
	return &stored[uid][i]
}

// bendKeys changes keys behind the vault's back, in the one form in which they are stored.
func bendKeys(t *testing.T, db *sql.DB, bend func(uid uuid.UUID, k *vault.DataKey)) {
	t.Helper()
	for uid, keys := range storedKeys(t, db) {
		for i := range keys {
			bend(uid, &keys[i])
		}
		r, err := keyrow.Pack(keys)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec(`UPDATE subject SET kek_version = ?, keys = ? WHERE uid = ?`, r.KEKVersion, r.Keys, uid[:]); err != nil {
			t.Fatal(err)
		}
	}
}

// I7: a key that SQL moves, exchanges or bends does not open, opens as nothing else, and
// fsck names it.
func TestWhatBecomesOfAKeyDoesNotOpen(t *testing.T) {
	type bend = func(stored map[uuid.UUID][]vault.DataKey, uid uuid.UUID, k *vault.DataKey)
	other := func(stored map[uuid.UUID][]vault.DataKey, uid uuid.UUID) uuid.UUID {
		for u := range stored {
			if u != uid {
				return u
			}
		}
		return uid
	}
	for name, bend := range map[string]bend{
		"the key of another person": func(stored map[uuid.UUID][]vault.DataKey, uid uuid.UUID, k *vault.DataKey) {
			k.Wrapped = keyOf(t, stored, other(stored, uid), k.Group).Wrapped
		},
		"the key of another group": func(stored map[uuid.UUID][]vault.DataKey, uid uuid.UUID, k *vault.DataKey) {
			k.Wrapped = keyOf(t, stored, uid, 1).Wrapped
		},
		"its last byte": func(_ map[uuid.UUID][]vault.DataKey, _ uuid.UUID, k *vault.DataKey) {
			k.Wrapped[len(k.Wrapped)-1]++
		},
		"without its scheme": func(_ map[uuid.UUID][]vault.DataKey, _ uuid.UUID, k *vault.DataKey) { k.Wrapped = k.Wrapped[1:] },
		"its KEK version":    func(_ map[uuid.UUID][]vault.DataKey, _ uuid.UUID, k *vault.DataKey) { k.KEKVersion = 7 },
		"its epoch":          func(_ map[uuid.UUID][]vault.DataKey, _ uuid.UUID, k *vault.DataKey) { k.Epoch++ },
	} {
		t.Run(name, func(t *testing.T) {
			doesNotOpen(t, "integrity", func(db *sql.DB) {
				stored := storedKeys(t, db)
				bendKeys(t, db, func(uid uuid.UUID, k *vault.DataKey) { bend(stored, uid, k) })
			})
		})
	}
}

// I7: what SQL moves, exchanges, puts back or bends does not open, opens as
// nothing else, and fsck names it.
func TestWhatSQLChangesDoesNotOpen(t *testing.T) {
	const first, second = `(SELECT uid FROM subject ORDER BY uid LIMIT 1)`, `(SELECT uid FROM subject ORDER BY uid DESC LIMIT 1)`
	for name, tt := range map[string]struct{ sql, want string }{
		"the record of another person":    {`UPDATE record SET sealed = (SELECT sealed FROM record r WHERE r.uid = ` + second + ` AND r.record = 'self') WHERE uid = ` + first + ` AND record = 'self'`, "integrity"},
		"another record of the person":    {`UPDATE record SET sealed = (SELECT sealed FROM record r WHERE r.uid = ` + first + ` AND r.record = 'other') WHERE uid = ` + first + ` AND record = 'self'`, "integrity"},
		"the whole row of another person": {`DELETE FROM record WHERE uid = ` + first + `; UPDATE record SET uid = ` + first + ` WHERE uid = ` + second, "integrity"},
		"the whole row of another record": {`DELETE FROM record WHERE uid = ` + first + ` AND record = 'self'; UPDATE record SET record = 'self' WHERE uid = ` + first + ` AND record = 'other'`, "integrity"},
		"all keys of another person":      {`UPDATE subject SET (kek_version, keys) = (SELECT kek_version, keys FROM subject k WHERE k.uid = ` + second + `) WHERE uid = ` + first, "integrity"},
		"the last byte of all keys":       {`UPDATE subject SET keys = ` + lastByteOf("keys"), "integrity"},
		"keys cut short":                  {`UPDATE subject SET keys = CAST(substr(keys, 1, length(keys) - 1) AS BLOB)`, "integrity"},
		"keys made longer":                {`UPDATE subject SET keys = CAST(keys || x'00' AS BLOB)`, "integrity"},
		"keys that are none":              {`UPDATE subject SET keys = x'00'`, "integrity"},
		"the KEK version of keys":         {`UPDATE subject SET kek_version = 7`, "integrity"},
		"keys said to be destroyed":       {`UPDATE subject SET kek_version = 0`, "integrity"},
		"a record's last byte":            {`UPDATE record SET sealed = ` + lastByteOf("sealed"), "integrity"},
		"a record cut short":              {`UPDATE record SET sealed = CAST(substr(sealed, 1, length(sealed) - 1) AS BLOB)`, "integrity"},
		"a record made longer":            {`UPDATE record SET sealed = CAST(sealed || x'00' AS BLOB)`, "integrity"},
		"an empty record":                 {`UPDATE record SET sealed = x''`, "integrity"},
		"a restriction set":               {`UPDATE subject SET restricted = 1`, "integrity"},
		"a hold set":                      {`UPDATE subject SET held = 1`, "integrity"},
		"a state set to erased":           {`UPDATE subject SET state = 2, kek_version = NULL, keys = NULL`, "integrity"},
		"a generation raised":             {`UPDATE subject SET generation = 2, kek_version = NULL, keys = NULL`, "integrity"},
		"a mark without bytes":            {`UPDATE subject SET mark = x''`, "integrity"},
		"a mark's last byte":              {`UPDATE subject SET mark = ` + lastByteOf("mark"), "integrity"},
		"a mark cut short":                {`UPDATE subject SET mark = CAST(substr(mark, 1, length(mark) - 1) AS BLOB)`, "integrity"},
		"a mark made longer":              {`UPDATE subject SET mark = CAST(mark || x'00' AS BLOB)`, "integrity"},
		"the mark of another person":      {`UPDATE subject SET mark = (SELECT mark FROM subject s WHERE s.uid = ` + second + `) WHERE uid = ` + first, "integrity"},
	} {
		t.Run(name, func(t *testing.T) {
			doesNotOpen(t, tt.want, func(db *sql.DB) {
				if _, err := db.Exec(tt.sql); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

// A record has one name in the log, through deletion too, that no other has and that
// tells nothing: it is no part of what is stored.
func TestTheLogNamesARecord(t *testing.T) {
	v := withCustomer(t)
	named := func(subject, record string) uuid.UUID {
		t.Helper()
		v.Put(t, subject, "customer", record, map[string]string{"email": "new@example.org"})
		return lastWrite(t, v).Row
	}
	row := named("c-1", "self")
	if err := v.Delete(t.Context(), v.As("app", "support"), "c-1", "customer", "self", 0); err != nil {
		t.Fatal(err)
	}
	if w := lastWrite(t, v); w.Row != row || w.Revision != 3 {
		t.Errorf("deleted it is %v at revision %d, before it was %v at 2", w.Row, w.Revision, row)
	}
	seen := map[uuid.UUID]string{}
	for range 2 {
		for _, r := range [][2]string{{"c-1", "self"}, {"c-1", "Self"}, {"c-2", "self"}, {"c-2", "Self"}} {
			id, name := named(r[0], r[1]), r[0]+" "+r[1]
			if other, known := seen[id]; known && other != name {
				t.Errorf("%s has the name of %s", name, other)
			}
			if seen[id] = name; id.Version() != 8 || id.Variant() != uuid.RFC4122 {
				t.Errorf("%v is of version %v, variant %v", id, id.Version(), id.Variant())
			}
		}
	}
	if len(seen) != 4 || seen[row] != "c-1 self" {
		t.Errorf("four records have %d names, and %v is %q", len(seen), row, seen[row])
	}
	// The next life of a person has a uid of its own, and so have its records.
	if _, err := v.Erase(t.Context(), v.As("dpo", ""), vault.Erasing{Subject: "c-1"}); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Reenrol(t.Context(), v.As("dpo", ""), "c-1"); err != nil {
		t.Fatal(err)
	}
	if id := named("c-1", "self"); seen[id] != "" {
		t.Errorf("in a new life a record has the name of %s", seen[id])
	}
}

func lastWrite(t *testing.T, v *vaulttest.Vault) audit.Write {
	t.Helper()
	for _, e := range slices.Backward(events(t, v)) {
		if len(e.Writes) > 0 {
			return e.Writes[len(e.Writes)-1]
		}
	}
	t.Fatal("the log names no write")
	return audit.Write{}
}

// A row that SQL removes is missed by fsck: at once, when it is written anew, and when
// the new one has come as far as the old one had.
func TestARowRemovedAndWrittenAnewIsFound(t *testing.T) {
	v := withCustomer(t)
	put := func() { v.Put(t, "c-1", "customer", "self", map[string]string{"email": email}) }
	says := func(what string) {
		t.Helper()
		r, err := v.Fsck(t.Context(), v.Operator(), nil)
		if err != nil || len(r.Findings) != 1 || !strings.Contains(r.Findings[0].What, what) || r.Findings[0].Row != lastWrite(t, v).Row {
			t.Errorf("fsck says %+v, %v, want that %s", r.Findings, err, what)
		}
	}
	put()
	if r, err := v.Fsck(t.Context(), v.Operator(), nil); err != nil || len(r.Findings) != 0 {
		t.Fatalf("fsck finds %+v, %v before anything is wrong", r.Findings, err)
	}
	if _, err := behind(t, v).Exec(`DELETE FROM record; DELETE FROM search_index`); err != nil {
		t.Fatal(err)
	}
	put()
	says("is older than the log says")
	put()
	says("began again")
	put()
	says("began again")
}

// So is one that was set back, as if deleted, to before the last write: the next write has
// a revision that the log knows.
func TestARowSetBackAndWrittenAnewIsFound(t *testing.T) {
	v := withCustomer(t)
	put := func() { v.Put(t, "c-1", "customer", "self", map[string]string{"email": email}) }
	put()
	if _, err := behind(t, v).Exec(`UPDATE record SET revision = revision - 1, deleted = 1, sealed = NULL WHERE record = 'self'`); err != nil {
		t.Fatal(err)
	}
	put()
	r, err := v.Fsck(t.Context(), v.Operator(), nil)
	if err != nil || len(r.Findings) != 1 || !strings.Contains(r.Findings[0].What, "began again") || r.Findings[0].Row != lastWrite(t, v).Row {
		t.Errorf("fsck says %+v, %v", r.Findings, err)
	}
}

// doesNotOpen sees what a holder of rights gets after a change behind the vault's back.
func doesNotOpen(t *testing.T, want string, change func(*sql.DB)) {
	t.Helper()
	v := withCustomer(t)
	v.Put(t, "c-2", "customer", "self", map[string]string{"email": "other@example.org"})
	v.Put(t, "c-1", "customer", "other", map[string]string{"email": "third@example.org"})
	// Both the caches of the vault and none: a warm key hides nothing.
	for _, warm := range []bool{true, false} {
		if warm && see(t, v, v.As("billing", "billing"), "c-1", "email") != "plain: "+email {
			t.Fatal("it does not open to begin with")
		}
		if warm {
			change(behind(t, v))
		}
		if got := see(t, v, v.As("billing", "billing"), "c-1", "email"); got != want {
			t.Errorf("warm %t, the holder of rights gets %q, want %q", warm, got, want)
		}
		if got := see(t, v, v.As("billing", "billing"), "c-3", "email"); got != "not found" {
			t.Errorf("an unknown person: %q", got)
		}
		for _, uid := range uids(t, v) {
			v.Ring.Forget(vaulttest.Tenant, uid)
		}
	}
	if r, err := v.Fsck(t.Context(), v.Operator(), nil); err != nil || len(r.Findings) == 0 {
		t.Errorf("fsck does not name it: %+v, %v", r, err)
	}
}

func uids(t *testing.T, v *vaulttest.Vault) (list [][16]byte) {
	t.Helper()
	rows, err := behind(t, v).Query(`SELECT uid FROM subject`)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var b []byte
		if err := rows.Scan(&b); err != nil {
			t.Fatal(err)
		}
		list = append(list, [16]byte(b))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}
