package vault_test

import (
	"database/sql"
	"testing"

	_ "modernc.org/sqlite"

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

// I7: what SQL moves, exchanges, puts back or bends does not open, opens as
// nothing else, and fsck names it.
func TestWhatSQLChangesDoesNotOpen(t *testing.T) {
	const first, second = `(SELECT uid FROM subject ORDER BY uid LIMIT 1)`, `(SELECT uid FROM subject ORDER BY uid DESC LIMIT 1)`
	for name, tt := range map[string]struct{ sql, want string }{
		"the record of another person": {`UPDATE record SET sealed = (SELECT sealed FROM record r WHERE r.uid = ` + second + ` AND r.record = 'self') WHERE uid = ` + first + ` AND record = 'self'`, "integrity"},
		"another record of the person": {`UPDATE record SET sealed = (SELECT sealed FROM record r WHERE r.uid = ` + first + ` AND r.record = 'other') WHERE uid = ` + first + ` AND record = 'self'`, "integrity"},
		"the key of another person":    {`UPDATE data_key SET wrapped = (SELECT wrapped FROM data_key k WHERE k.uid = ` + second + ` AND k.grp = data_key.grp) WHERE uid = ` + first, "integrity"},
		"the key of another group":     {`UPDATE data_key SET wrapped = (SELECT wrapped FROM data_key k WHERE k.uid = ` + first + ` AND k.grp = 1) WHERE uid = ` + first, "integrity"},
		"a key's last byte":            {`UPDATE data_key SET wrapped = ` + lastByteOf("wrapped"), "integrity"},
		"a key without its scheme":     {`UPDATE data_key SET wrapped = CAST(substr(wrapped, 2) AS BLOB)`, "integrity"},
		"a key's KEK version":          {`UPDATE data_key SET kek_version = 7`, "integrity"},
		"a record's last byte":         {`UPDATE record SET sealed = ` + lastByteOf("sealed"), "integrity"},
		"a record cut short":           {`UPDATE record SET sealed = CAST(substr(sealed, 1, length(sealed) - 1) AS BLOB)`, "integrity"},
		"a record made longer":         {`UPDATE record SET sealed = CAST(sealed || x'00' AS BLOB)`, "integrity"},
		"an empty record":              {`UPDATE record SET sealed = x''`, "integrity"},
		"a restriction set":            {`UPDATE subject SET restricted = 1`, "integrity"},
		"a hold set":                   {`UPDATE subject SET held = 1`, "integrity"},
		"a state set to erased":        {`UPDATE subject SET state = 2`, "integrity"},
		"a generation raised":          {`UPDATE subject SET generation = 2`, "integrity"},
		"a mark without bytes":         {`UPDATE subject SET mark = x''`, "integrity"},
		"the mark of another person":   {`UPDATE subject SET mark = (SELECT mark FROM subject s WHERE s.uid = ` + second + `) WHERE uid = ` + first, "integrity"},
	} {
		t.Run(name, func(t *testing.T) {
			v := withCustomer(t)
			v.Put(t, "c-2", "customer", "self", map[string]string{"email": "other@example.org"})
			v.Put(t, "c-1", "customer", "other", map[string]string{"email": "third@example.org"})
			// Both the caches of the vault and none: a warm key hides nothing.
			for _, warm := range []bool{true, false} {
				if warm && see(t, v, v.As("billing", "billing"), "c-1", "email") != "plain: "+email {
					t.Fatal("it does not open to begin with")
				}
				if warm {
					if _, err := behind(t, v).Exec(tt.sql); err != nil {
						t.Fatal(err)
					}
				}
				if got := see(t, v, v.As("billing", "billing"), "c-1", "email"); got != tt.want {
					t.Errorf("warm %t, the holder of rights gets %q, want %q", warm, got, tt.want)
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
		})
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
