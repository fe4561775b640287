//go:build e2e

package e2e_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/accessctl/jwtauth"
	"github.com/fieldvault/fieldvault/audit/trail"
	"github.com/fieldvault/fieldvault/cmd/fieldvault/processtest"
	"github.com/fieldvault/fieldvault/crypto/cryptotest"
	"github.com/fieldvault/fieldvault/crypto/transit/transittest"
	"github.com/fieldvault/fieldvault/deploy/sample"
	"github.com/fieldvault/fieldvault/vault/storetest"
)

const (
	homeIssuer = "https://home.example.org" // speaks for default and lab
	awayIssuer = "https://away.example.org" // speaks for other
)

// labCatalog has what the sample has not: a second key group.
const labCatalog = `
title: Lab
groups:
  care: {title: Care}
purposes:
  support: {title: Support, text: To help, benefit: Help, basis: contract}
collections:
  customer:
    title: Customers
    fields:
      email: {title: E-mail, type: email, purposes: [support], index: {kind: equality}}
      last_name: {title: Name, type: name, purposes: [support], index: {kind: equality}}
      city: {title: City, type: text, purposes: [support]}
      note: {title: Note, type: text, purposes: [support], group: care, mask: redact}
`

const labPolicy = `
@id("all") permit(principal in Role::"app", action, resource);
@id("officer") permit(principal in Role::"dpo", action, resource);
@id("helps") permit(principal in Role::"support", action == Action::"reveal_masked", resource);
@id("runs") permit(principal in Role::"operator", action in [Action::"configure", Action::"inspect"], resource);
`

// A world is the product as it runs for a case: processes, what they stand on,
// and who may speak to it.
type world struct {
	owner      *testing.T // what was started ends with it
	production bool
	dir        string // configuration, keys and the SQLite file
	url        string
	metrics    string
	proc       *process
	client     *http.Client

	home, away *jwtauth.Signer
	flood      *keySet
	cluster    *storetest.Cluster  // production
	vault      *transittest.Server // production
	vaultDir   string              // where its data are, if not in memory
	database   string              // the owner's URL, production
	apart      *storetest.Cluster  // the ledger's server, production
	ledger     string              // the owner's URL of the ledger, production
	role       string              // the service's role in PostgreSQL

	mu       sync.Mutex
	planted  []string // values that must be found nowhere
	search   *cryptotest.Canaries
	searched int // how many of planted search knows
	said     bytes.Buffer
}

// options say how a world differs from the usual.
type options struct {
	cold     bool // no key is kept in memory
	perHour  int  // erasures that one principal may do alone; 0: any number
	people   bool // the sample's customers and invoices
	vaultDir bool // Vault's data outlives its process
	alarms   map[string]any
}

// newWorld sets everything up and starts the service.
func newWorld(t *testing.T, production bool, o options) *world {
	t.Helper()
	if o.perHour == 0 {
		o.perHour = -1
	}
	w := newClient(t, "")
	w.owner, w.production, w.dir = t, production, t.TempDir()
	w.home, w.away, w.flood = w.issuer(t, homeIssuer), w.issuer(t, awayIssuer), newKeySet(t)
	if production {
		w.cluster = storetest.StartCluster(t, storetest.ClusterOptions{Durable: o.vaultDir, Settings: map[string]string{
			// The most talkative server there is: what it would say of a value, it says.
			"log_statement": "all", "log_min_duration_statement": "0", "log_parameter_max_length": "-1",
			"log_parameter_max_length_on_error": "-1", "log_error_verbosity": "verbose",
		}})
		if o.vaultDir {
			w.vaultDir = t.TempDir()
		}
		w.vault = transittest.StartOwn(t, transittest.Options{Dir: w.vaultDir})
		w.database, w.role = w.cluster.Database(t), "fv_node"
		w.sql(t, `CREATE ROLE fv_node LOGIN`)
		w.apart = storetest.StartCluster(t, storetest.ClusterOptions{Durable: o.vaultDir})
		w.ledger = w.apart.Database(t)
		sqlAt(t, w.ledger, `CREATE ROLE fv_node LOGIN`)
	}
	w.configure(t, o)
	w.setUp(t, o)
	w.start(t)
	return w
}

// newClient is a world of which nothing is known but where it answers.
func newClient(t *testing.T, url string) *world {
	t.Helper()
	w := &world{url: url, client: &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}, Timeout: patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	t.Cleanup(w.client.CloseIdleConnections)
	return w
}

// vaultAgain starts Vault where it was, after its end.
func (w *world) vaultAgain(t *testing.T) *transittest.Server {
	t.Helper()
	return transittest.StartOwn(w.owner, transittest.Options{Dir: w.vaultDir, Addr: strings.TrimPrefix(w.vault.Address, "http://")})
}

// issuer makes an issuer and its key set.
func (w *world) issuer(t *testing.T, name string) *jwtauth.Signer {
	t.Helper()
	s, err := jwtauth.NewSigner(name, time.Now)
	must(t, err)
	writeKeySet(t, w.jwksFile(name), s.JWKS())
	return s
}

func (w *world) jwksFile(issuer string) string {
	return filepath.Join(w.dir, strings.TrimPrefix(issuer, "https://")+".jwks")
}

func (w *world) sqliteFile() string { return filepath.Join(w.dir, "fieldvault.db") }

// configure writes serve.yaml, for the service, and keeper.yaml, for who sets it up.
func (w *world) configure(t *testing.T, o options) {
	t.Helper()
	for _, who := range []string{"node", "keeper"} {
		cfg := map[string]any{
			"listen": "127.0.0.1:0", "metrics_listen": "127.0.0.1:0", "tenant": "default", "shutdown": "5s",
			"log":    map[string]any{"level": "debug", "format": "json"},
			"limits": map[string]any{"rate": 2000, "burst": 4000}, // every route is tried without a token
			"auth": map[string]any{"audience": "fieldvault", "issuers": []any{
				map[string]any{"name": homeIssuer, "tenants": []string{"default", "lab"}, "jwks_file": w.jwksFile(homeIssuer), "algorithms": []string{"EdDSA"}},
				map[string]any{"name": floodIssuer, "tenants": []string{"lab"}, "jwks_url": w.flood.server.URL, "algorithms": []string{"EdDSA"}},
				map[string]any{"name": awayIssuer, "tenants": []string{"other"}, "jwks_file": w.jwksFile(awayIssuer), "algorithms": []string{"EdDSA"}},
			}},
		}
		store, kek := "sqlite:"+w.sqliteFile(), map[string]any{"local": map[string]any{"file": filepath.Join(w.dir, "kek.json"), "allow_clear": true}}
		if w.production {
			store = w.database
			if who == "node" {
				store = w.as(t, w.role)
			}
			kek = processtest.VaultSettings(t, w.vault, who, w.dir)
		}
		must(t, os.WriteFile(filepath.Join(w.dir, who+".url"), []byte(store), 0o600))
		cfg["ledger"] = w.ledgerConfig(t, who)
		cfg["erasure"] = map[string]any{"per_hour": o.perHour, "per_mille": -1, "deletions_per_hour": -1}
		cfg["store"], cfg["kek"] = map[string]any{"url_file": filepath.Join(w.dir, who+".url")}, kek
		if o.alarms != nil {
			cfg["alarms"] = o.alarms
		}
		if o.cold {
			cfg["cache"] = map[string]any{"entries": 0, "age": "0"}
		}
		processtest.WriteConfig(t, w.config(who), cfg)
	}
}

// as is the database's URL for another role.
func (w *world) as(t *testing.T, role string) string {
	t.Helper()
	return processtest.As(t, w.database, role)
}

// ledgerConfig is where erasures are kept outside the database.
func (w *world) ledgerConfig(t *testing.T, who string) map[string]any {
	t.Helper()
	if !w.production {
		return map[string]any{"file": filepath.Join(w.dir, "ledger")}
	}
	at := w.ledger
	if who == "node" {
		at = processtest.As(t, at, w.role)
	}
	path := filepath.Join(w.dir, who+".ledger.url")
	must(t, os.WriteFile(path, []byte(at), 0o600))
	return map[string]any{"url_file": path}
}

func (w *world) config(who string) string { return filepath.Join(w.dir, who+".yaml") }

// setUp makes tenants, catalogs and policies, and imports the sample's people.
func (w *world) setUp(t *testing.T, o options) {
	t.Helper()
	files := filepath.Join(w.dir, "files")
	must(t, os.Mkdir(files, 0o700))
	for name, b := range map[string][]byte{
		"catalog.yaml": sample.Catalog(), "policy.cedar": sample.Policy(),
		"lab.yaml": []byte(labCatalog), "lab.cedar": []byte(labPolicy),
		"customers.csv": sample.Customers(), "customers.import.yaml": sample.CustomersImport(),
		"invoices.csv": sample.Invoices(), "invoices.import.yaml": sample.InvoicesImport(),
	} {
		must(t, os.WriteFile(filepath.Join(files, name), b, 0o600))
	}
	if w.production {
		run(t, 0, nil, "migrate", "--config", w.config("keeper"), "--grant", w.role)
	} else {
		run(t, 0, nil, "migrate", "--config", w.config("keeper"))
	}
	for tenant, doc := range map[string]string{"default": "catalog.yaml policy.cedar", "other": "catalog.yaml policy.cedar", "lab": "lab.yaml lab.cedar"} {
		catalog, policy, _ := strings.Cut(doc, " ")
		run(t, 0, nil, "tenant", "create", tenant, "--config", w.config("keeper"))
		run(t, 0, nil, "catalog", "apply", filepath.Join(files, catalog), "--tenant", tenant, "--config", w.config("node"))
		run(t, 0, nil, "policy", "apply", filepath.Join(files, policy), "--tenant", tenant, "--config", w.config("node"))
	}
	if o.people {
		for _, name := range []string{"customers.csv", "invoices.csv"} {
			run(t, 0, nil, "import", filepath.Join(files, name), "--config", w.config("node"))
		}
		w.planted = append(w.planted, sampleCanaries(t)...)
	}
	must(t, os.RemoveAll(files))
}

// start starts the service, which takes the place of an earlier one.
func (w *world) start(t *testing.T) {
	t.Helper()
	w.proc, w.url, w.metrics = w.serve(t, w.owner)
}

// serve starts one more process of the service, which ends with owner, and returns
// where it listens.
func (w *world) serve(t, owner *testing.T, flags ...string) (p *process, api, metrics string) {
	t.Helper()
	return w.serveAs(t, owner, "node", flags...)
}

// serveAs is serve by another configuration.
func (w *world) serveAs(t, owner *testing.T, who string, flags ...string) (p *process, api, metrics string) {
	t.Helper()
	p = processtest.Build(t).Launch(t, nil, append([]string{"serve", "--config", w.config(who)}, flags...)...)
	owner.Cleanup(func() {
		p.Kill()
		w.keep(p)
	})
	api, metrics = awaitServing(t, p)
	return p, api, metrics
}

// awaitServing waits until a process serves, and says where.
func awaitServing(t *testing.T, p *process) (api, metrics string) {
	t.Helper()
	var ready struct {
		Msg, URL, Metrics string
	}
	p.Await(t, func(line string) bool {
		return json.Unmarshal([]byte(line), &ready) == nil && ready.Msg == "serving"
	})
	return ready.URL, strings.TrimSuffix(ready.Metrics, "/metrics") + "/metrics"
}

// with runs the service with further flags until t ends, and says where: beside the
// world's own, or, where the store is a single node's, in its place.
func (w *world) with(t *testing.T, flags ...string) (api string) {
	t.Helper()
	if w.production {
		_, api, _ = w.serve(t, t, flags...)
		return api
	}
	w.client.CloseIdleConnections()
	w.proc.Stop(t)
	w.keep(w.proc)
	w.proc, w.url, w.metrics = w.serve(t, w.owner, flags...)
	t.Cleanup(func() { w.restart(w.owner) })
	return w.url
}

// keep keeps what a process that has ended said.
func (w *world) keep(p *process) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said.Write(p.Output())
}

// restart ends the service in order and starts it again: nothing is in memory then.
func (w *world) restart(t *testing.T) {
	t.Helper()
	w.client.CloseIdleConnections()
	w.proc.Stop(t)
	w.keep(w.proc)
	w.start(t)
}

// token is a token of a role, of tenant default and of a principal of the test's own.
func (w *world) token(t *testing.T, role string, change ...func(*jwtauth.Claims)) string {
	t.Helper()
	return w.tokenBy(t, w.home, role, change...)
}

// tokenBy is token by a given issuer.
func (w *world) tokenBy(t *testing.T, s *jwtauth.Signer, role string, change ...func(*jwtauth.Claims)) string {
	t.Helper()
	sum := sha256.Sum256([]byte(t.Name()))
	c := jwtauth.Claims{Subject: role + "-" + hex.EncodeToString(sum[:6]), Tenant: "default", Roles: []string{role}, Lifetime: time.Hour}
	for _, f := range change {
		f(&c)
	}
	text, err := s.Sign(c)
	must(t, err)
	return text
}

// of sets the tenant of a token.
func of(tenant string) func(*jwtauth.Claims) { return func(c *jwtauth.Claims) { c.Tenant = tenant } }

// named sets who a token is for.
func named(sub string) func(*jwtauth.Claims) { return func(c *jwtauth.Claims) { c.Subject = sub } }

// personal makes a token the person's own.
func personal(id string) func(*jwtauth.Claims) { return func(c *jwtauth.Claims) { c.Person = id } }

// narrowed limits a token to purposes.
func narrowed(purposes ...string) func(*jwtauth.Claims) {
	return func(c *jwtauth.Claims) { c.Purposes = append([]string{}, purposes...) }
}

// canary makes a value that is searched for in the end.
func (w *world) canary(prefix string) string {
	v := prefix + strings.ToLower(rand.Text()[:16])
	w.plant(v)
	return v
}

func (w *world) plant(values ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.planted = append(w.planted, values...)
}

// canaries is the search for everything that was planted.
func (w *world) canaries() *cryptotest.Canaries {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.search == nil || w.searched != len(w.planted) {
		w.search, w.searched = cryptotest.NewCanaries(w.planted...), len(w.planted)
	}
	return w.search
}

// sampleCanaries are the sample's names, companies, streets, numbers and addresses.
// Left out are values of less than six bytes (Mark, Dan), which stand in any file by
// chance, and a name that PostgreSQL's own tables of languages and places hold.
func sampleCanaries(t *testing.T) (list []string) {
	t.Helper()
	rows, err := csv.NewReader(bytes.NewReader(sample.Customers())).ReadAll()
	must(t, err)
	seen := map[string]bool{}
	for _, row := range rows[1:] {
		for i, name := range rows[0] {
			switch name {
			case "FirstName", "LastName", "Company", "Address", "Phone", "Fax", "Email":
				if v := row[i]; len(v) >= 6 && v != "Helena" && !seen[v] {
					seen[v] = true
					list = append(list, v)
				}
			}
		}
	}
	if len(rows) != 60 || len(list) < 250 {
		t.Fatalf("%d customers give %d canaries", len(rows)-1, len(list))
	}
	return list
}

// clean fails the test for every canary in b.
func (w *world) clean(t *testing.T, what string, b []byte) {
	t.Helper()
	for _, found := range w.canaries().Find(b) {
		t.Errorf("%s holds a planted value: %s", what, found)
	}
}

// look searches everything that the world's processes left: what they said, their
// metrics, files, a dump, PostgreSQL's own log and files, and events that share a row,
// which stand there packed.
func (w *world) look(t *testing.T) {
	t.Helper()
	if t.Failed() && testing.Short() {
		return
	}
	c := w.canaries()
	if a := w.get(t, w.metrics); a.status == http.StatusOK {
		w.clean(t, "the metrics page", a.body)
	}
	w.clean(t, "the process's output", w.proc.Output())
	w.mu.Lock()
	said := bytes.Clone(w.said.Bytes())
	w.mu.Unlock()
	w.clean(t, "what earlier processes said", said)
	dirs := map[string]string{"the service's folder": w.dir}
	if w.production {
		dirs["PostgreSQL's files"] = w.cluster.DataDir()
		w.clean(t, "pg_dump", storetest.PgDump(t, w.database))
		log, err := os.ReadFile(w.cluster.ServerLog())
		must(t, err)
		w.clean(t, "PostgreSQL's log", log)
	}
	for _, r := range w.rows(t, `SELECT leaf FROM event_intake`) {
		leaves, err := trail.Unpack(r[0].([]byte))
		if err != nil {
			continue // changed by the test, or made up
		}
		w.clean(t, "an event", bytes.Join(leaves, []byte{'\n'}))
	}
	for what, dir := range dirs {
		found, err := c.FindInDir(dir)
		if err != nil {
			t.Errorf("searching %s: %v", what, err)
		}
		for _, f := range found {
			t.Errorf("%s: %s", what, f)
		}
	}
}

// fsck runs the check and returns what it found.
func (w *world) fsck(t *testing.T) []string {
	t.Helper()
	var report struct {
		People, Records, Fields int
		Findings                []struct{ Tenant, What string }
	}
	cmd := start(t, nil, "fsck", "--json", "--config", w.config("node"))
	line := cmd.Await(t, func(line string) bool { return strings.HasPrefix(line, "{") })
	must(t, json.Unmarshal([]byte(line), &report))
	code := cmd.Wait()
	list := make([]string, len(report.Findings))
	for i, f := range report.Findings {
		list[i] = f.Tenant + ": " + f.What
	}
	if want := min(len(list), 1); code != want {
		t.Errorf("fsck ended with code %d after %d findings", code, len(list))
	}
	return list
}

// kekRequests is how often the service has asked the key-encryption key.
func (w *world) kekRequests(t *testing.T) int {
	t.Helper()
	return w.metric(t, "fieldvault_kek_requests_total")
}

func (w *world) metric(t *testing.T, name string) int {
	t.Helper()
	a := w.get(t, w.metrics)
	for line := range strings.Lines(string(a.body)) {
		if v, ok := strings.CutPrefix(line, name+" "); ok {
			var f float64
			_, err := fmt.Sscan(v, &f)
			must(t, err)
			return int(f)
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func sampleMapping() []byte { return sample.CustomersImport() }
