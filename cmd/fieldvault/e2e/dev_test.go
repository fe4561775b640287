//go:build e2e

package e2e_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fieldvault/fieldvault/crypto/cryptotest"
	"github.com/fieldvault/fieldvault/crypto/transit/transittest"
	"github.com/fieldvault/fieldvault/vault/storetest"
)

// devReady is the line that dev --json prints.
type devReady struct {
	URL     string            `json:"url"`
	Metrics string            `json:"metrics_url"`
	Portal  string            `json:"portal_url"`
	Dir     string            `json:"dir"`
	Tokens  map[string]string `json:"tokens"`
}

// D01: the three curl lines that dev prints answer when they are pasted.
func TestD01CurlLines(t *testing.T) {
	storetest.NeedTime(t)
	t.Parallel()
	if _, err := exec.LookPath("curl"); err != nil && os.Getenv("CI") == "" {
		t.Skip("there is no curl")
	}
	p := start(t, nil, "dev", "--addr", "127.0.0.1:0", "--dir", t.TempDir())
	var lines []string
	p.Await(t, func(line string) bool {
		if strings.HasPrefix(line, "curl ") {
			lines = append(lines, line)
		}
		return strings.HasPrefix(line, "Ctrl-C")
	})
	if len(lines) != 3 {
		t.Fatalf("dev prints %d curl lines:\n%s", len(lines), p.Output())
	}
	paste := func(line string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), "sh", "-c", line).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
		return string(out)
	}
	for i, want := range []string{`"l••••@embraer.com.br"`, `"luisg@embraer.com.br"`, `"proof"`, `"gone"`, `"gone"`} {
		if got := paste(lines[i%3]); !strings.Contains(got, want) {
			t.Errorf("line %d answers %s, want %s in it", i%3+1, got, want)
		}
	}
	p.Stop(t)
}

// D02: what dev leaves on disk, says and measures after importing all 59 customers
// holds none of them. On SQLite the folder also holds the key file.
func TestD02BytesOfDev(t *testing.T) {
	storetest.NeedTime(t)
	t.Parallel()
	dir := t.TempDir()
	r, p := startDev(t, nil, "--dir", dir)
	if r.Dir != dir {
		t.Errorf("dir is %s, want %s", r.Dir, dir)
	}
	if _, err := os.Stat(filepath.Join(dir, "fieldvault.db-wal")); err != nil {
		t.Errorf("there is no write-ahead log to search: %v", err)
	}
	c := devSearch(t, r, p)
	found, err := c.FindInDir(dir)
	must(t, err)
	for _, f := range found {
		t.Errorf("%s", f)
	}
	for _, e := range readDir(t, dir) {
		if info, err := e.Info(); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v (%v)", e.Name(), info.Mode(), err)
		}
	}
	p.Stop(t)
	found, err = c.FindInDir(dir)
	must(t, err)
	for _, f := range found {
		t.Errorf("after the end: %s", f)
	}
}

// D03: the same on PostgreSQL and Vault: its files, its log, a dump.
func TestD03BytesOfDevInProduction(t *testing.T) {
	needProduction(t)
	t.Parallel()
	cluster := storetest.StartCluster(t, storetest.ClusterOptions{Settings: map[string]string{
		"log_statement": "all", "log_min_duration_statement": "0", "log_parameter_max_length": "-1", "log_parameter_max_length_on_error": "-1",
	}})
	vault := transittest.StartOwn(t, transittest.Options{})
	database := cluster.Database(t)
	dir := t.TempDir()
	r, p := startDev(t, []string{"VAULT_TOKEN=" + vault.RootToken}, "--dir", dir, "--store", database, "--vault", vault.Address)
	c := devSearch(t, r, p)
	check := func(what string, found []string) {
		t.Helper()
		for _, f := range found {
			t.Errorf("%s: %s", what, f)
		}
	}
	check("pg_dump", c.Find(storetest.PgDump(t, database)))
	check("PostgreSQL's log", c.Find(readFile(t, cluster.ServerLog())))
	for _, d := range []string{dir, cluster.DataDir()} {
		found, err := c.FindInDir(d)
		must(t, err)
		check(filepath.Base(d), found)
	}
	p.Stop(t)
}

func startDev(t *testing.T, env []string, args ...string) (devReady, *process) {
	t.Helper()
	p := start(t, env, append([]string{"dev", "--json", "--addr", "127.0.0.1:0"}, args...)...)
	var r devReady
	line := p.Await(t, func(line string) bool { return strings.HasPrefix(line, "{") })
	must(t, json.Unmarshal([]byte(line), &r))
	return r, p
}

// devSearch uses a dev server as its roles do, and returns the search for customers.
func devSearch(t *testing.T, r devReady, p *process) *cryptotest.Canaries {
	t.Helper()
	w := newClient(t, r.URL)
	var roles []string
	for role := range r.Tokens {
		roles = append(roles, role)
	}
	slices.Sort(roles)
	if want := "analyst app billing dpo marketing operator subject support"; strings.Join(roles, " ") != want {
		t.Errorf("tokens of %v, want %s", roles, want)
	}
	for id, email := range map[string]string{"c-1": "luisg@embraer.com.br", "c-17": "jacksmith@microsoft.com", "c-59": "puja_srivastava@yahoo.in"} {
		if got := w.see(t, r.Tokens["billing"], "billing", id, "email"); got != "plain: "+email {
			t.Errorf("billing sees of %s: %q", id, got)
		}
		if got := w.see(t, r.Tokens["support"], "support", id, "email"); !strings.HasPrefix(got, "masked: ") {
			t.Errorf("support sees of %s: %q", id, got)
		}
		w.do(t, call{token: r.Tokens["app"], purpose: "support", method: "POST", path: "/v1/search", body: fields{"collection": "customer", "field": "email", "equals": email}}).want(t, "searching", "200")
		w.do(t, call{token: r.Tokens["app"], method: "PUT", path: recordPath(id, "customer", "self"), body: fields{"fields": fields{"email": email + "@"}}}).want(t, "a wrong value", "400 invalid")
	}
	if got := w.see(t, r.Tokens["subject"], "self", "c-17", "email"); got != "plain: jacksmith@microsoft.com" {
		t.Errorf("customer 17 sees of themself: %q", got)
	}
	a := w.do(t, call{token: r.Tokens["app"], purpose: "billing", path: recordPath("c-17", "invoice", "14") + "?fields=date,address,city,state,country,postal_code,total"})
	a.want(t, "invoice 14", "200")
	c := cryptotest.NewCanaries(sampleCanaries(t)...)
	for what, b := range map[string][]byte{"the metrics page": w.get(t, r.Metrics).want(t, "metrics", "200").body, "the output": p.Output()} {
		for _, f := range c.Find(b) {
			t.Errorf("%s: %s", what, f)
		}
	}
	return c
}

func readDir(t *testing.T, dir string) []os.DirEntry {
	t.Helper()
	list, err := os.ReadDir(dir)
	must(t, err)
	return list
}
