//go:build e2e

package e2e_test

import (
	"database/sql"
	"encoding/base64"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/cmd/fieldvault/processtest"
	"github.com/fieldvault/fieldvault/crypto/field"
	"github.com/fieldvault/fieldvault/crypto/keyring"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/keyrow"
	"github.com/fieldvault/fieldvault/vault/storetest"
)

// transitKey is the default tenant's key-encryption key in Vault.
const transitKey = "fieldvault-default"

// beyondHorizon is the horizon (I4) in minutes instead of months. Two dumps of the
// database are restored beside the service, and attacked by somebody who has them, all
// rights at Vault, and no ledger:
//
//	dump A, erase, rotate, rewrap, dump B, retire, trim
//
// Until the trim, A betrays the erased: that is what the horizon is about. After
// it A is dead as a whole, the living of A too, and B shows the living and not
// the erased, not even with A's rows put into it.
func beyondHorizon(t *testing.T, w *world) {
	values := map[string]string{}
	for _, s := range []string{"erased", "alive"} {
		values[s] = w.canary(s) + "@example.org"
	}
	erased := w.newPerson(t, "default", "erased", fields{"email": values["erased"]})
	w.put(t, "alive", fields{"email": values["alive"]})
	a := w.dumped(t)
	w.erase(t, "erased").want(t, "erasing", "200")
	w.rotated(t)
	b := w.dumped(t)

	opened := w.unwrapped(t, a)
	if len(opened) == 0 || !opened[uidOf(t, erased)] {
		t.Fatalf("before the trim the backup does not open with Vault: what follows would show nothing: %v", opened)
	}
	w.shows(t, w.beside(t, a, true), "before the trim, the old backup with the ledger", "503 unavailable", "503 unavailable")
	w.shows(t, w.beside(t, a, false), "before the trim, the old backup without a ledger", "plain: "+values["erased"], "plain: "+values["alive"])
	mixed := w.dumped(t)
	w.transplant(t, a, mixed, erased)
	w.shows(t, w.beside(t, mixed, false), "before the trim, the later backup with the old one's rows of the erased", "plain: "+values["erased"], "plain: "+values["alive"])

	run(t, 0, nil, "keys", "retire", "--config", w.config("keeper"))
	run(t, 0, nil, "keys", "trim", "--yes", "--config", w.config("keeper"))
	w.takeBack(t)

	for uid, open := range w.unwrapped(t, a) {
		if open {
			t.Errorf("a key of the old backup, of %s, opens after the trim", uid)
		}
	}
	opened = w.unwrapped(t, b)
	for uid, open := range opened {
		if !open || uid == uidOf(t, erased) {
			t.Errorf("of the later backup, the key of %s opens: %v", uid, open)
		}
	}
	if len(opened) < 2 { // one of the living, one of the tenant itself
		t.Errorf("the later backup has %d keys", len(opened))
	}
	alive := "plain: " + values["alive"]
	w.shows(t, w.beside(t, a, true), "after the trim, the old backup with the ledger", "503 unavailable", "503 unavailable")
	w.shows(t, w.beside(t, a, false), "after the trim, the old backup", "503 unavailable", "503 unavailable")
	w.shows(t, w.beside(t, b, true), "after the trim, the later backup with the ledger", "410 gone", alive)
	w.shows(t, w.beside(t, b, false), "after the trim, the later backup", "410 gone", alive)
	w.shows(t, w.beside(t, mixed, false), "after the trim, the later backup with the old one's rows of the erased", "500 integrity", alive)
	w.shows(t, w.url, "the service itself", "410 gone", alive)
	for _, f := range w.fsck(t) {
		t.Errorf("fsck: %s", f)
	}
}

// uidOf is the person's uid as text.
func uidOf(t *testing.T, r row) string {
	t.Helper()
	switch u := r.uid.(type) {
	case string:
		return u
	case []byte:
		id, err := uuid.ParseBytes(u)
		must(t, err)
		return id.String()
	}
	t.Fatalf("a uid is a %T", r.uid)
	return ""
}

// dumped restores a dump of the database, as it is now, beside it, and says where.
func (w *world) dumped(t *testing.T) (database string) {
	t.Helper()
	dump := storetest.PgDump(t, w.database)
	database = w.cluster.Database(t)
	storetest.PgRestore(t, database, dump)
	return database
}

// rotated gives the tenant's key-encryption key a new version and waits until
// everything stands under it.
func (w *world) rotated(t *testing.T) {
	t.Helper()
	run(t, 0, nil, "keys", "rotate", "--config", w.config("keeper"))
	for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		switch state := w.one(t, `SELECT state FROM job WHERE kind = 'rewrap'`).(int64); {
		case state == int64(vault.JobDone):
			return
		case state == int64(vault.JobFailed), time.Now().After(deadline):
			t.Fatalf("the rewrap does not end: state %d", state)
		}
	}
}

// unwrapped asks Vault, with all rights and the right context, for every wrapped key
// of the default tenant in a database, and says whose open: by uid of people, by label
// of the tenant's own.
func (w *world) unwrapped(t *testing.T, database string) map[string]bool {
	t.Helper()
	db, err := sql.Open("pgx", database)
	must(t, err)
	defer func() { _ = db.Close() }()
	rows, err := db.QueryContext(t.Context(), `
SELECT uid::text, '', kek_version, keys FROM subject JOIN tenant ON tenant.id = tenant WHERE name = 'default' AND keys IS NOT NULL
UNION ALL SELECT '', label, kek_version, wrapped FROM tenant_key JOIN tenant ON tenant.id = tenant WHERE name = 'default'`)
	must(t, err)
	defer func() { _ = rows.Close() }()
	open := map[string]bool{}
	ask := func(of string, under []byte, version int32, wrapped []byte) {
		text, err := keyring.Wrapped{Version: int(version), Bytes: wrapped}.Text()
		must(t, err)
		status, _ := w.vault.Do(w.vault.RootToken, "PUT", w.vault.Mount+"/decrypt/"+transitKey, map[string]any{
			"ciphertext": text, "context": base64.StdEncoding.EncodeToString(under),
		})
		open[of] = open[of] || status == http.StatusOK
	}
	for rows.Next() {
		var uid, label string
		var r keyrow.Row
		must(t, rows.Scan(&uid, &label, &r.KEKVersion, &r.Keys))
		if uid == "" {
			ask(label, field.SecretContext("default", label), r.KEKVersion, r.Keys)
			continue
		}
		keys, err := r.Unpack(nil)
		must(t, err)
		for _, k := range keys {
			if k.Wrapped != nil {
				ask(uid, field.KeyContext("default", uuid.MustParse(uid), k.Group, k.Epoch), k.KEKVersion, k.Wrapped)
			}
		}
	}
	must(t, rows.Err())
	return open
}

// takeBack tries, with all rights at Vault, to bring back what was trimmed.
func (w *world) takeBack(t *testing.T) {
	t.Helper()
	for path, body := range map[string]map[string]any{
		"/config": {"min_decryption_version": 1},
		"/trim":   {"min_available_version": 1},
	} {
		if status, answer := w.vault.Do(w.vault.RootToken, "PUT", w.vault.Mount+"/keys/"+transitKey+path, body); status < 300 {
			t.Errorf("%s takes back the trim: %s", path, answer)
		}
	}
	if status, _ := w.vault.Do(w.vault.RootToken, "GET", w.vault.Mount+"/export/encryption-key/"+transitKey, nil); status == http.StatusOK {
		t.Error("the key can be exported")
	}
}

// beside starts the service on another database, with the owner's rights there and all
// rights at Vault, and says where. It is what a thief would run: with the ledger it
// is what an operator would.
func (w *world) beside(t *testing.T, database string, ledger bool) (url string) {
	t.Helper()
	var cfg map[string]any
	must(t, yaml.Unmarshal(readFile(t, w.config("node")), &cfg))
	at := filepath.Join(w.dir, "beside.url")
	must(t, os.WriteFile(at, []byte(database), 0o600))
	cfg["store"] = map[string]any{"url_file": at}
	cfg["kek"] = map[string]any{"vault": map[string]any{"address": w.vault.Address, "mount": w.vault.Mount, "token": w.vault.RootToken}}
	if !ledger {
		cfg["ledger"] = map[string]any{"none": true}
	}
	processtest.WriteConfig(t, w.config("beside"), cfg)
	_, url, _ = w.serveAs(t, t, "beside")
	return url
}

// shows checks what a service shows of the erased and of the living. One that shows
// nobody says why.
func (w *world) shows(t *testing.T, url, what, erased, alive string) {
	t.Helper()
	app := w.token(t, "app")
	for s, want := range map[string]string{"erased": erased, "alive": alive} {
		a := w.at(t, url, call{token: app, purpose: "support", path: recordPath(s, "customer", "self") + "?fields=email"})
		if got := a.view(t, "email"); got != want {
			t.Errorf("%s, %s: %q, want %q", what, s, got, want)
		}
	}
	if ready := w.get(t, url+"/readyz"); (ready.status == http.StatusOK) != strings.HasPrefix(alive, "plain") {
		t.Errorf("%s: readyz is %s: %s", what, ready, ready.body)
	}
}

// transplant puts one database's rows of a person in the place of another's, as
// somebody does to whom no trigger applies.
func (w *world) transplant(t *testing.T, from, to string, person row) {
	t.Helper()
	source, err := sql.Open("pgx", from)
	must(t, err)
	defer func() { _ = source.Close() }()
	target, err := sql.Open("pgx", to)
	must(t, err)
	defer func() { _ = target.Close() }()
	tx, err := target.BeginTx(t.Context(), nil)
	must(t, err)
	_, err = tx.ExecContext(t.Context(), `SET LOCAL session_replication_role = replica`)
	must(t, err)
	_, err = tx.ExecContext(t.Context(), `DELETE FROM subject WHERE lookup = $1`, person.lookup)
	must(t, err)
	for _, table := range []string{"subject", "record", "consent", "search_index"} {
		var rows string
		must(t, source.QueryRowContext(t.Context(), `SELECT coalesce(json_agg(x), '[]')::text FROM `+table+` x WHERE uid = $1`, uidOf(t, person)).Scan(&rows))
		_, err = tx.ExecContext(t.Context(), `DELETE FROM `+table+` WHERE uid = $1`, uidOf(t, person)) // what is not swept yet
		must(t, err)
		_, err = tx.ExecContext(t.Context(), `INSERT INTO `+table+` SELECT * FROM json_populate_recordset(NULL::public.`+table+`, $1::json)`, rows)
		must(t, err)
	}
	must(t, errors.Join(tx.Commit(), source.Close()))
}
