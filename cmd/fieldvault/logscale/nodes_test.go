//go:build e2e

package logscale_test

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // PostgreSQL, as a DBA has it

	"github.com/fieldvault/fieldvault/accessctl/jwtauth"
	"github.com/fieldvault/fieldvault/cmd/fieldvault/processtest"
	"github.com/fieldvault/fieldvault/crypto/transit/transittest"
	"github.com/fieldvault/fieldvault/deploy/sample"
	"github.com/fieldvault/fieldvault/vault/client"
	"github.com/fieldvault/fieldvault/vault/storetest"
)

const role = "fv_node" // the nodes' role in PostgreSQL

// A city is a PostgreSQL, a Vault, and processes of the service on them.
type city struct {
	program  processtest.Program
	signer   *jwtauth.Signer
	dir      string
	database string // the owner's URL
	nodes    []*node
}

// A node is one process of the service.
type node struct {
	proc    *processtest.Process
	app     *client.Client
	metrics string
}

// newCity starts so many nodes on a PostgreSQL that keeps what it has committed.
func newCity(t *testing.T, nodes int) *city {
	t.Helper()
	processtest.NeedProduction(t)
	c := &city{program: processtest.Build(t), dir: t.TempDir()}
	var err error
	c.signer, err = jwtauth.NewSigner(issuer, time.Now)
	must(t, err)
	postgres := storetest.StartCluster(t, storetest.ClusterOptions{Durable: true})
	kek := transittest.StartOwn(t, transittest.Options{})
	c.database = postgres.Database(t)
	db := c.open(t)
	_, err = db.ExecContext(t.Context(), `CREATE ROLE `+role+` LOGIN`)
	must(t, errors.Join(err, db.Close()))
	for who, url := range map[string]string{"keeper": c.database, "node": processtest.As(t, c.database, role)} {
		c.configure(t, who, url, processtest.VaultSettings(t, kek, who, c.dir))
	}
	catalog, policy := filepath.Join(c.dir, "catalog"), filepath.Join(c.dir, "policy")
	must(t, errors.Join(os.WriteFile(catalog, sample.Catalog(), 0o600), os.WriteFile(policy, sample.Policy(), 0o600)))
	for _, verb := range []string{
		"keeper migrate --grant " + role, "keeper tenant create " + tenant, "node catalog apply " + catalog, "node policy apply " + policy,
	} {
		words := strings.Fields(verb)
		c.program.Run(t, 0, nil, append(words[1:], "--config", c.config(words[0]))...)
	}
	for range nodes {
		c.nodes = append(c.nodes, c.serve(t))
	}
	return c
}

func (c *city) config(who string) string { return filepath.Join(c.dir, who+".yaml") }

func (c *city) configure(t *testing.T, who, url string, kek map[string]any) {
	t.Helper()
	jwks := filepath.Join(c.dir, "jwks.json")
	must(t, os.WriteFile(jwks, c.signer.JWKS(), 0o600))
	processtest.WriteConfig(t, c.config(who), map[string]any{
		"listen": "127.0.0.1:0", "metrics_listen": "127.0.0.1:0", "tenant": tenant, "shutdown": "5s",
		"log":    map[string]any{"level": "info", "format": "json"},
		"limits": map[string]any{"rate": 1e6, "burst": 1_000_000, "in_flight": 4096},
		"auth": map[string]any{"audience": "fieldvault", "issuers": []any{
			map[string]any{"name": issuer, "tenants": []string{tenant}, "jwks_file": jwks, "algorithms": []string{"EdDSA"}},
		}},
		"store": map[string]any{"url": url}, "ledger": map[string]any{"none": true}, "kek": kek,
	})
}

// serve starts a node and waits until it serves.
func (c *city) serve(t *testing.T) *node {
	t.Helper()
	n := &node{proc: c.program.Start(t, nil, "serve", "--config", c.config("node"))}
	var ready struct{ Msg, URL, Metrics string }
	n.proc.Await(t, func(line string) bool {
		return json.Unmarshal([]byte(line), &ready) == nil && ready.Msg == "serving"
	})
	n.metrics = strings.TrimSuffix(ready.Metrics, "/metrics") + "/metrics"
	h := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}, Timeout: processtest.Patience}
	t.Cleanup(h.CloseIdleConnections)
	var err error
	n.app, err = client.New(client.Config{URL: ready.URL, Purpose: "billing", HTTPClient: h, Token: c.token()})
	must(t, err)
	return n
}

// token gives the application's token and renews it in time.
func (c *city) token() func(context.Context) (string, error) {
	var mu sync.Mutex
	var text string
	var made time.Time
	return func(context.Context) (_ string, err error) {
		mu.Lock()
		defer mu.Unlock()
		if time.Since(made) > 20*time.Minute {
			text, err = c.signer.Sign(jwtauth.Claims{Subject: "shop-1", Tenant: tenant, Roles: []string{"app"}, Lifetime: time.Hour})
			made = time.Now()
		}
		return text, err
	}
}

// open opens the database as its owner.
func (c *city) open(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", c.database)
	must(t, err)
	return db
}

// gauge reads metrics of the node by their names without "fieldvault_".
func (n *node) gauge(ctx context.Context, names ...string) (map[string]float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, n.metrics, nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close() //nolint:errcheck // a test
	found := map[string]float64{}
	for in := bufio.NewScanner(res.Body); in.Scan(); {
		name, value, _ := strings.Cut(in.Text(), " ")
		for _, want := range names {
			if name == "fieldvault_"+want {
				if found[want], err = strconv.ParseFloat(value, 64); err != nil {
					return nil, err
				}
			}
		}
	}
	if len(found) != len(names) {
		return nil, fmt.Errorf("of the metrics %v there are %v", names, found)
	}
	return found, nil
}
