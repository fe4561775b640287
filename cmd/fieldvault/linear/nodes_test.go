//go:build e2e

package linear_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // PostgreSQL, as a DBA has it

	"github.com/fieldvault/fieldvault/accessctl/jwtauth"
	"github.com/fieldvault/fieldvault/cmd/fieldvault/processtest"
	"github.com/fieldvault/fieldvault/crypto/cryptotest"
	"github.com/fieldvault/fieldvault/crypto/transit/transittest"
	"github.com/fieldvault/fieldvault/vault/client"
	"github.com/fieldvault/fieldvault/vault/storetest"
)

func TestMain(m *testing.M) { os.Exit(processtest.Main(m)) }

const catalogText = `
title: Linearizability
groups:
  leisure: {title: Leisure}
purposes:
  support: {title: Support, text: To help, benefit: Help, basis: contract}
  marketing: {title: Marketing, text: To sell, benefit: News, basis: consent}
collections:
  customer:
    title: Customers
    fields:
      email: {title: E-mail, type: email, purposes: [support, marketing], index: {kind: equality}}
      city: {title: City, type: text, purposes: [support]}
      hobby: {title: Hobby, type: text, purposes: [marketing], group: leisure}
`

const policyText = `
@id("app") permit(principal in Role::"app", action, resource);
@id("marketing") permit(principal in Role::"marketing", action == Action::"reveal", resource) when { context.purpose == "marketing" };
@id("officer") permit(principal in Role::"dpo", action, resource);
@id("operator") permit(principal in Role::"operator", action, resource is Service);
`

const (
	issuer = "https://home.example.org"
	role   = "fv_node" // the nodes' role in PostgreSQL
	// answerWithin is how long a client waits. A node that is stopped for longer
	// leaves operations without an answer.
	answerWithin = 2 * time.Second
)

// Grounds are what nodes stand on: PostgreSQL, Vault, an issuer of tokens. Several
// clusters of nodes may use them, one after another, each with a database of its own.
type grounds struct {
	postgres *storetest.Cluster
	vault    *transittest.Server
	signer   *jwtauth.Signer
	model    string // a database with a tenant, its catalog and policy, which clusters get a copy of; "": none yet
	made     int
}

func newGrounds(t *testing.T) *grounds {
	t.Helper()
	processtest.NeedProduction(t)
	s, err := jwtauth.NewSigner(issuer, time.Now)
	must(t, err)
	g := &grounds{
		postgres: storetest.StartCluster(t, storetest.ClusterOptions{Settings: map[string]string{
			// What it would say of a value in an error, it says.
			"log_parameter_max_length_on_error": "-1", "log_error_verbosity": "verbose",
		}}),
		vault: transittest.StartOwn(t, transittest.Options{}), signer: s,
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

// copy makes a database like the first one, and a ledger like its.
func (g *grounds) copy(t *testing.T) (database, ledger string) {
	t.Helper()
	name := g.create(t, "copy", g.model)
	return g.postgres.URL(name), g.postgres.URL(name + "_ledger")
}

// create makes a database and one for its ledger, like another two.
func (g *grounds) create(t *testing.T, kind, like string) (name string) {
	t.Helper()
	g.made++
	name = fmt.Sprint(kind, "_", g.made)
	for _, part := range []string{"", "_ledger"} {
		statement := `CREATE DATABASE ` + name + part
		if like != "" {
			statement += ` TEMPLATE ` + like + part
		}
		g.sql(t, statement)
	}
	return name
}

// A cluster is three nodes on one database.
type cluster struct {
	*grounds
	program  processtest.Program
	env      []string // of every node
	dir      string
	database string
	ledger   string // a database of its own
	nodes    [3]*node
	canaries [2]string // part of every value, and of every person's name

	mu   sync.Mutex
	said bytes.Buffer // by processes that have ended
}

// A node is one process of the service, and the next one after its end.
type node struct {
	proc  *processtest.Process
	doors atomic.Pointer[doors]
	away  atomic.Bool // stopped or dead, as far as the test had to do with it
}

// Doors are the clients of one process, by role.
type doors struct {
	url                     string
	app, marketing, officer *client.Client
}

// newCluster sets everything up and starts the nodes.
func newCluster(t *testing.T, g *grounds, program processtest.Program, env ...string) *cluster {
	t.Helper()
	c := &cluster{grounds: g, program: program, env: env, dir: t.TempDir()}
	for i := range c.canaries {
		c.canaries[i] = strings.ToLower(rand.Text()[:16])
	}
	if g.model == "" {
		g.model = g.create(t, "model", "")
		c.database, c.ledger = g.postgres.URL(g.model), g.postgres.URL(g.model+"_ledger")
		c.configure(t)
		c.setUp(t)
	}
	c.database, c.ledger = g.copy(t)
	c.configure(t)
	for i := range c.nodes {
		c.nodes[i] = &node{}
		c.launch(t, i)
		t.Cleanup(func() { c.nodes[i].proc.Kill() })
	}
	for i := range c.nodes {
		c.await(t, i)
	}
	return c
}

// setUp makes a tenant, with catalog and policy.
func (c *cluster) setUp(t *testing.T) {
	t.Helper()
	for name, text := range map[string]string{"catalog.yaml": catalogText, "policy.cedar": policyText} {
		must(t, os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o600))
	}
	c.do(t, "keeper", "migrate", "--grant", role)
	c.do(t, "keeper", "tenant", "create", "default")
	c.do(t, "node", "catalog", "apply", filepath.Join(c.dir, "catalog.yaml"))
	c.do(t, "node", "policy", "apply", filepath.Join(c.dir, "policy.cedar"))
}

// do runs a verb to its end, with the rights of node or keeper.
func (c *cluster) do(t *testing.T, who string, args ...string) {
	t.Helper()
	c.program.Run(t, 0, nil, append(args, "--config", c.config(who))...)
}

func (c *cluster) config(who string) string { return filepath.Join(c.dir, who+".yaml") }

func (c *cluster) configure(t *testing.T) {
	t.Helper()
	jwks := filepath.Join(c.dir, "jwks.json")
	must(t, os.WriteFile(jwks, c.signer.JWKS(), 0o600))
	for who, store := range map[string]string{"keeper": c.database, "node": processtest.As(t, c.database, role)} {
		path := filepath.Join(c.dir, who+".url")
		must(t, os.WriteFile(path, []byte(store), 0o600))
		apart := filepath.Join(c.dir, who+".ledger.url")
		ledger := c.ledger
		if who == "node" {
			ledger = processtest.As(t, ledger, role)
		}
		must(t, os.WriteFile(apart, []byte(ledger), 0o600))
		processtest.WriteConfig(t, c.config(who), map[string]any{
			"listen": "127.0.0.1:0", "metrics_listen": "", "tenant": "default", "shutdown": "5s",
			"log":    map[string]any{"level": "debug", "format": "json"},
			"limits": map[string]any{"rate": 1e6, "burst": 1_000_000, "in_flight": 4096},
			"auth": map[string]any{"audience": "fieldvault", "issuers": []any{
				map[string]any{"name": issuer, "tenants": []string{"default"}, "jwks_file": jwks, "algorithms": []string{"EdDSA"}},
			}},
			"store":   map[string]any{"url_file": path},
			"ledger":  map[string]any{"url_file": apart, "allow_same_server": true},
			"erasure": map[string]any{"per_hour": -1, "per_mille": -1, "deletions_per_hour": -1},
			"kek":     processtest.VaultSettings(t, c.vault, who, c.dir),
		})
	}
}

// launch starts a node's process.
func (c *cluster) launch(t *testing.T, i int) {
	t.Helper()
	c.nodes[i].proc = c.program.Launch(t, c.env, "serve", "--config", c.config("node"))
}

// await waits until a node serves.
func (c *cluster) await(t *testing.T, i int) {
	t.Helper()
	n := c.nodes[i]
	var ready struct{ Msg, URL string }
	n.proc.Await(t, func(line string) bool {
		return json.Unmarshal([]byte(line), &ready) == nil && ready.Msg == "serving"
	})
	n.doors.Store(c.open(t, ready.URL, answerWithin))
	n.away.Store(false)
}

// open makes the clients of a process, which wait so long for an answer.
func (c *cluster) open(t *testing.T, url string, within time.Duration) *doors {
	t.Helper()
	h := &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}, Timeout: within,
	}
	t.Cleanup(h.CloseIdleConnections)
	of := func(role, purpose string) *client.Client {
		k, err := client.New(client.Config{
			URL: url, Purpose: purpose, HTTPClient: h, Attempts: 1, Token: c.token(role),
		})
		must(t, err)
		return k
	}
	return &doors{url: url, app: of("app", support), marketing: of("marketing", marketing), officer: of("dpo", "")}
}

// token gives a role's token and renews it in time.
func (c *cluster) token(role string) func(context.Context) (string, error) {
	var mu sync.Mutex
	var text string
	var made time.Time
	return func(context.Context) (_ string, err error) {
		mu.Lock()
		defer mu.Unlock()
		if time.Since(made) > 20*time.Minute {
			text, err = c.signer.Sign(jwtauth.Claims{Subject: role + "-1", Tenant: "default", Roles: []string{role}, Lifetime: time.Hour})
			made = time.Now()
		}
		return text, err
	}
}

// kill ends a node as a crash would, and starts it again.
func (c *cluster) kill(t *testing.T, i int) {
	t.Helper()
	n := c.nodes[i]
	n.away.Store(true)
	n.proc.Kill()
	c.keep(n.proc)
	c.launch(t, i)
	c.await(t, i)
}

// pause stops a node where it is, for a time.
func (c *cluster) pause(t *testing.T, i int, d time.Duration) {
	t.Helper()
	n := c.nodes[i]
	n.away.Store(true)
	n.proc.Signal(t, syscall.SIGSTOP)
	time.Sleep(d)
	n.proc.Signal(t, syscall.SIGCONT)
	n.away.Store(false)
}

func (c *cluster) keep(p *processtest.Process) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.said.Write(p.Output())
}

// rest ends all nodes in order.
func (c *cluster) rest(t *testing.T) {
	t.Helper()
	for _, n := range c.nodes {
		n.proc.Stop(t)
		c.keep(n.proc)
	}
}

// fsck is what the check finds in the store, at rest.
func (c *cluster) fsck(t *testing.T) (findings []string, people int) {
	t.Helper()
	var report struct {
		People   int
		Findings []struct{ What string }
	}
	p := c.program.Start(t, nil, "fsck", "--json", "--config", c.config("node"))
	code := p.Wait() // which takes its time after a long run
	line := p.Await(t, func(line string) bool { return strings.HasPrefix(line, "{") })
	must(t, json.Unmarshal([]byte(line), &report))
	for _, f := range report.Findings {
		findings = append(findings, f.What)
	}
	if code != min(len(findings), 1) {
		t.Errorf("fsck ended with code %d after %d findings", code, len(findings))
	}
	return findings, report.People
}

// log is why the audit log does not verify, with nothing but the public key; "" if it does.
func (c *cluster) log(t *testing.T) string {
	t.Helper()
	key := c.program.Start(t, nil, "certificate", "key", "--config", c.config("node"))
	pub := strings.TrimSpace(key.Await(t, func(line string) bool { return strings.HasPrefix(line, "ed25519:") }))
	p := c.program.Start(t, nil, "audit", "verify", "--store", "--config", c.config("node"), "--key", pub)
	if code := p.Wait(); code != 0 {
		return string(p.Output())
	}
	t.Logf("%s", p.Output())
	return ""
}

// leaks searches all that the nodes said and PostgreSQL holds for planted values.
func (c *cluster) leaks(t *testing.T) (found []string) {
	t.Helper()
	search := cryptotest.NewCanaries(c.canaries[:]...)
	log, err := os.ReadFile(c.postgres.ServerLog())
	must(t, err)
	for what, b := range map[string][]byte{
		"what nodes said": c.said.Bytes(), "PostgreSQL's log": log, "a dump": storetest.PgDump(t, c.database),
	} {
		for _, hit := range search.Find(b) {
			found = append(found, what+": "+hit)
		}
	}
	files, err := search.FindInDir(c.postgres.DataDir())
	must(t, err)
	return append(found, files...)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
