//go:build e2e

package killpoints_test

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // PostgreSQL, as a DBA has it

	"github.com/fieldvault/fieldvault/accessctl/jwtauth"
	"github.com/fieldvault/fieldvault/cmd/fieldvault/processtest"
	"github.com/fieldvault/fieldvault/crypto/transit/transittest"
	"github.com/fieldvault/fieldvault/vault/client"
	"github.com/fieldvault/fieldvault/vault/storetest"
)

func TestMain(m *testing.M) { os.Exit(processtest.Main(m)) }

const catalogText = `
title: Kill points
groups:
  leisure: {title: Leisure}
purposes:
  support: {title: Support, text: To help, benefit: Help, basis: contract}
collections:
  customer:
    title: Customers
    fields:
      email: {title: E-mail, type: email, purposes: [support], index: {kind: equality}}
      city: {title: City, type: text, purposes: [support]}
      hobby: {title: Hobby, type: text, purposes: [support], group: leisure, index: {kind: equality}}
`

const policyText = `@id("all") permit(principal in Role::"dpo", action, resource);`

const (
	issuer  = "https://home.example.org"
	role    = "fv_node" // the nodes' role in PostgreSQL
	support = "support"
)

// Grounds are what worlds stand on.
type grounds struct {
	program  processtest.Program
	postgres *storetest.Cluster
	vault    *transittest.Server
	signer   *jwtauth.Signer
}

func newGrounds(t *testing.T) *grounds {
	t.Helper()
	processtest.NeedProduction(t)
	s, err := jwtauth.NewSigner(issuer, time.Now)
	must(t, err)
	g := &grounds{
		program:  processtest.Build(t, "failpoints"),
		postgres: storetest.StartCluster(t, storetest.ClusterOptions{}),
		vault:    transittest.StartOwn(t, transittest.Options{}), signer: s,
	}
	g.sql(t, `CREATE ROLE `+role+` LOGIN`)
	return g
}

// sql runs a statement with all rights, in no database in particular.
func (g *grounds) sql(t *testing.T, statement string) {
	t.Helper()
	db, err := sql.Open("pgx", g.postgres.URL("postgres"))
	must(t, err)
	_, err = db.ExecContext(t.Context(), statement)
	must(t, errors.Join(err, db.Close()))
}

// A world is one database with its ledger, a node that serves it, and what clients
// know of the people in it.
type world struct {
	*grounds
	tenant string // also the name of the database
	dir    string
	file   string  // the ledger, if it is a file
	db     *sql.DB // the database, as its owner; it keeps no connection
	apart  *sql.DB // the ledger, if it is a database

	node  *processtest.Process
	doors *client.Client
	since time.Time // when the node was started
	shred []string  // what was to be cleaned up then

	mu     sync.Mutex
	people []*person
	checks int

	resolved int // so many of people were looked at one by one
}

// newWorld makes one, with a node that serves and some people.
func (g *grounds) newWorld(t *testing.T, tenant string, withFile bool) *world {
	t.Helper()
	w := &world{grounds: g, tenant: tenant, dir: t.TempDir()}
	w.db = w.create(t, tenant)
	ledger := map[string]map[string]any{}
	if withFile {
		w.file = filepath.Join(w.dir, "ledger")
		ledger["node"] = map[string]any{"file": w.file}
		ledger["keeper"] = ledger["node"]
	} else {
		w.apart = w.create(t, tenant+"_ledger")
		for who, url := range w.urls(t, tenant+"_ledger") {
			ledger[who] = map[string]any{"url_file": w.write(t, who+".ledger.url", url), "allow_same_server": true}
		}
	}
	jwks := w.write(t, "jwks.json", string(w.signer.JWKS()))
	for who, url := range w.urls(t, tenant) {
		processtest.WriteConfig(t, w.config(who), map[string]any{
			"listen": "127.0.0.1:0", "metrics_listen": "", "tenant": tenant, "shutdown": "5s",
			"log":    map[string]any{"level": "info", "format": "json"},
			"limits": map[string]any{"rate": 1e6, "burst": 1_000_000, "in_flight": 4096},
			"auth": map[string]any{"audience": "fieldvault", "issuers": []any{
				map[string]any{"name": issuer, "tenants": []string{tenant}, "jwks_file": jwks, "algorithms": []string{"EdDSA"}},
			}},
			"store":   map[string]any{"url_file": w.write(t, who+".url", url)},
			"ledger":  ledger[who],
			"erasure": map[string]any{"per_hour": -1, "per_mille": -1, "deletions_per_hour": -1},
			"kek":     processtest.VaultSettings(t, g.vault, who, w.dir),
		})
	}
	w.run(t, "keeper", "migrate", "--grant", role)
	w.run(t, "keeper", "tenant", "create", tenant)
	w.run(t, "node", "catalog", "apply", w.write(t, "catalog.yaml", catalogText))
	w.run(t, "node", "policy", "apply", w.write(t, "policy.cedar", policyText))
	t.Cleanup(func() {
		if w.node != nil {
			w.node.Kill()
		}
	})
	w.serve(t)
	w.putSome(t, 20)
	return w
}

// create makes a database.
func (w *world) create(t *testing.T, name string) *sql.DB {
	t.Helper()
	w.sql(t, `CREATE DATABASE `+name)
	db, err := sql.Open("pgx", w.postgres.URL(name))
	must(t, err)
	db.SetMaxIdleConns(-1)
	t.Cleanup(func() { must(t, db.Close()) })
	return db
}

// urls are a database's, by who goes there.
func (w *world) urls(t *testing.T, name string) map[string]string {
	t.Helper()
	url := w.postgres.URL(name)
	return map[string]string{"keeper": url, "node": processtest.As(t, url, role)}
}

func (w *world) write(t *testing.T, name, text string) (path string) {
	t.Helper()
	path = filepath.Join(w.dir, name)
	must(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func (w *world) config(who string) string { return filepath.Join(w.dir, who+".yaml") }

// run runs a verb to its end, with the rights of node or keeper.
func (w *world) run(t *testing.T, who string, args ...string) string {
	t.Helper()
	return w.program.Run(t, 0, nil, append(args, "--config", w.config(who))...)
}

// armed is the environment of a process that ends where a point is reached.
func armed(point string) []string { return []string{"FIELDVAULT_TEST_FAILPOINT=" + point} }

// serve starts the node, which serves.
func (w *world) serve(t *testing.T, env ...string) {
	t.Helper()
	w.shred = w.strings(t, `SELECT format('%s/%s/%s', uid, grp, epoch) FROM shred`)
	w.since = time.Now()
	url := w.launch(t, env)
	for range 5 { // as a supervisor does, if what it needs does not answer
		if url != "" || w.node.Crashed() {
			break
		}
		url = w.launch(t, env)
	}
	if url == "" && !w.node.Crashed() {
		t.Fatalf("the node does not start:\n%s", w.node.Output())
	}
	var err error
	h := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}, Timeout: 10 * time.Second}
	t.Cleanup(h.CloseIdleConnections)
	w.doors, err = client.New(client.Config{URL: cmp.Or(url, "http://127.0.0.1:1"), Purpose: support, HTTPClient: h, Attempts: 1, Token: w.token()})
	must(t, err)
}

// launch starts a node, and says where it serves; "" if it ended before.
func (w *world) launch(t *testing.T, env []string) (url string) {
	t.Helper()
	w.node = w.program.Launch(t, env, "serve", "--config", w.config("node"))
	for end := time.Now().Add(processtest.Patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		for line := range bytes.Lines(w.node.Output()) {
			var ready struct{ Msg, URL string }
			if json.Unmarshal(line, &ready) == nil && ready.Msg == "serving" {
				return ready.URL
			}
		}
		select {
		case <-w.node.Ended():
			return ""
		default:
		}
	}
	t.Fatalf("the node does not start:\n%s", w.node.Output())
	return ""
}

// stop ends the node in order.
func (w *world) stop(t *testing.T) {
	t.Helper()
	w.node.Stop(t)
}

// token gives a token of one process's life.
func (w *world) token() func(context.Context) (string, error) {
	text, err := w.signer.Sign(jwtauth.Claims{Subject: "dpo-1", Tenant: w.tenant, Roles: []string{"dpo"}, Lifetime: time.Hour})
	return func(context.Context) (string, error) { return text, err }
}

// count reads one number from the database.
func (w *world) count(t *testing.T, query string, args ...any) (n int64) {
	t.Helper()
	must(t, w.db.QueryRowContext(t.Context(), query, args...).Scan(&n))
	return n
}

// strings reads one column of texts from the database.
func (w *world) strings(t *testing.T, query string) (list []string) {
	t.Helper()
	rows, err := w.db.QueryContext(t.Context(), query)
	must(t, err)
	defer func() { must(t, rows.Close()) }()
	for rows.Next() {
		var s string
		must(t, rows.Scan(&s))
		list = append(list, s)
	}
	must(t, rows.Err())
	return list
}

// fsck is what the check finds.
func (w *world) fsck(t *testing.T) {
	t.Helper()
	var report struct {
		People   int
		Findings []struct{ What string }
	}
	p := w.program.Start(t, nil, "fsck", "--json", "--config", w.config("node"))
	code := p.Wait()
	line := p.Await(t, func(line string) bool { return strings.HasPrefix(line, "{") })
	must(t, json.Unmarshal([]byte(line), &report))
	for _, f := range report.Findings {
		t.Errorf("fsck: %s", f.What)
	}
	w.say(t, code == 0, "fsck ends with code %d", code)
	w.say(t, report.People > 0, "fsck saw nobody")
	w.log(t)
}

// log verifies the audit log, with nothing but the public key. Another node may have to
// wait for the lease of one that was killed before it puts the first event into it.
func (w *world) log(t *testing.T) {
	t.Helper()
	key := w.program.Start(t, nil, "certificate", "key", "--config", w.config("node"))
	pub := strings.TrimSpace(key.Await(t, func(line string) bool { return strings.HasPrefix(line, "ed25519:") }))
	verify := func() (code int, output string) {
		p := w.program.Start(t, nil, "audit", "verify", "--store", "--config", w.config("node"), "--key", pub)
		code = p.Wait()
		return code, string(p.Output())
	}
	code, output := verify()
	for range 100 {
		if code == 0 || !strings.Contains(output, "no event is sequenced yet") {
			break
		}
		time.Sleep(200 * time.Millisecond)
		code, output = verify()
	}
	w.say(t, code == 0, "the audit log does not verify: %s", output)
}

// say counts a check, and reports it if it fails.
func (w *world) say(t *testing.T, holds bool, format string, args ...any) {
	t.Helper()
	w.mu.Lock()
	w.checks++
	w.mu.Unlock()
	if !holds {
		t.Errorf(format, args...)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
