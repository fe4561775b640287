//go:build e2e

package e2e_test

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // PostgreSQL, as a DBA has it
	_ "modernc.org/sqlite"             // SQLite, as a DBA has it

	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/audit/trail"
)

var placeholder = regexp.MustCompile(`\$(\d+)`)

// open opens the database as its owner, beside the running service.
func (w *world) open(t *testing.T) *sql.DB {
	t.Helper()
	driver, dsn := "pgx", w.database
	if !w.production {
		u := url.URL{Scheme: "file", Path: w.sqliteFile(), RawQuery: "_pragma=busy_timeout(10000)"}
		driver, dsn = "sqlite", u.String()
	}
	db, err := sql.Open(driver, dsn)
	must(t, err)
	return db
}

// sql runs statements with the owner's rights. Placeholders are $1, $2.
func (w *world) sql(t *testing.T, query string, args ...any) {
	t.Helper()
	if err := w.trySQL(t, query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// sqlAt runs a statement with all rights on another database than the world's.
func sqlAt(t *testing.T, url, query string) {
	t.Helper()
	db, err := sql.Open("pgx", url)
	must(t, err)
	_, err = db.ExecContext(t.Context(), query)
	must(t, errors.Join(err, db.Close()))
}

func (w *world) trySQL(t *testing.T, query string, args ...any) error {
	t.Helper()
	db := w.open(t)
	defer func() { _ = db.Close() }()
	if !w.production {
		query = placeholder.ReplaceAllString(query, "?$1")
	}
	_, err := db.ExecContext(t.Context(), query, args...)
	return err
}

// rows returns what a query gives.
func (w *world) rows(t *testing.T, query string, args ...any) (list [][]any) {
	t.Helper()
	db := w.open(t)
	defer func() { _ = db.Close() }()
	if !w.production {
		query = placeholder.ReplaceAllString(query, "?$1")
	}
	rows, err := db.QueryContext(t.Context(), query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer func() { _ = rows.Close() }()
	names, err := rows.Columns()
	must(t, err)
	for rows.Next() {
		row, into := make([]any, len(names)), make([]any, len(names))
		for i := range row {
			into[i] = &row[i]
		}
		must(t, rows.Scan(into...))
		for i := range row {
			if b, ok := row[i].([]byte); ok {
				row[i] = bytes.Clone(b)
			}
		}
		list = append(list, row)
	}
	must(t, rows.Err())
	return list
}

// one returns the single value that a query gives.
func (w *world) one(t *testing.T, query string, args ...any) any {
	t.Helper()
	list := w.rows(t, query, args...)
	if len(list) != 1 || len(list[0]) != 1 {
		t.Fatalf("%s: %d rows", query, len(list))
	}
	return list[0][0]
}

// blob is one for bytes.
func (w *world) blob(t *testing.T, query string, args ...any) []byte {
	t.Helper()
	b, ok := w.one(t, query, args...).([]byte)
	if !ok {
		t.Fatalf("%s: no bytes", query)
	}
	return b
}

// tenantID is the number of a tenant.
func (w *world) tenantID(t *testing.T, name string) any {
	t.Helper()
	return w.one(t, `SELECT id FROM tenant WHERE name = $1`, name)
}

// A row is a person's row of the directory, as a DBA sees it.
type row struct {
	tenant, uid any
	lookup      []byte
	name        string
}

// newPerson stores a new person and finds the row that came into being.
func (w *world) newPerson(t *testing.T, tenant, subject string, f fields) row {
	t.Helper()
	id := w.tenantID(t, tenant)
	before := map[string]bool{}
	for _, r := range w.rows(t, `SELECT lookup FROM subject WHERE tenant = $1`, id) {
		before[fmt.Sprint(r[0])] = true
	}
	w.putIn(t, tenant, subject, f)
	var found []row
	for _, r := range w.rows(t, `SELECT lookup, uid FROM subject WHERE tenant = $1`, id) {
		if !before[fmt.Sprint(r[0])] {
			found = append(found, row{tenant: id, uid: r[1], lookup: r[0].([]byte), name: subject})
		}
	}
	if len(found) != 1 {
		t.Fatalf("storing a person made %d rows", len(found))
	}
	return found[0]
}

// events are the events of a tenant since a number of them was there.
func (w *world) events(t *testing.T, tenant any, after int) (list []audit.Event) {
	t.Helper()
	for _, r := range w.rows(t, `SELECT leaf FROM event_intake WHERE tenant = $1 ORDER BY id`, tenant) {
		leaves, err := trail.Unpack(r[0].([]byte))
		must(t, err)
		for _, leaf := range leaves {
			e, err := audit.ParseLeaf(leaf)
			must(t, err)
			list = append(list, e)
		}
	}
	return list[min(after, len(list)):]
}

// count is how many events a tenant has.
func (w *world) count(t *testing.T, tenant any) int {
	t.Helper()
	return len(w.events(t, tenant, 0))
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	return b
}
