package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// verbs are all commands that do something, by their path.
func verbs(t *testing.T) map[string]*cobra.Command {
	t.Helper()
	list := map[string]*cobra.Command{}
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		if !c.HasSubCommands() {
			list[c.CommandPath()] = c
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(newRoot(world{}))
	if len(list) < 18 {
		t.Fatalf("only %d verbs", len(list))
	}
	return list
}

func TestEachVerbExplainsItself(t *testing.T) {
	for path, c := range verbs(t) {
		if c.Short == "" || len(c.Long) < len(c.Short) || c.Example == "" {
			t.Errorf("%s: Short, Long or Example is missing", path)
		}
		if !strings.Contains(c.Example, path) {
			t.Errorf("%s: the example shows another verb", path)
		}
		if c.Args == nil {
			t.Errorf("%s takes any arguments", path)
		}
		if c.InheritedFlags().Lookup("json") == nil {
			t.Errorf("%s has no --json", path)
		}
		for line := range strings.Lines(c.Long) {
			if len(line) > 82 {
				t.Errorf("%s: a line of Long is too wide for a terminal: %s", path, line)
			}
		}
	}
}

// Secrets are never flags: other users of the machine see them.
func TestSecretsAreNoFlags(t *testing.T) {
	secret := map[string]bool{}
	for _, s := range settings() {
		secret[s.flag()] = s.secret
	}
	if !secret["store-url"] || !secret["kek-vault-token"] || !secret["kek-vault-approle-secret-id"] || !secret["portal-oidc-client-secret"] {
		t.Fatal("a setting that holds a credential is not marked secret")
	}
	for path, c := range verbs(t) {
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if secret[f.Name] {
				t.Errorf("%s has the secret flag --%s", path, f.Name)
			}
			holds := strings.Contains(f.Name, "password") || strings.Contains(f.Name, "passphrase") ||
				strings.Contains(f.Name, "token") || strings.Contains(f.Name, "secret")
			if holds && !strings.HasSuffix(f.Name, "-file") {
				t.Errorf("%s has --%s, which sounds like a secret and is no file's name", path, f.Name)
			}
			if f.Usage == "" {
				t.Errorf("%s: --%s says nothing", path, f.Name)
			}
		})
	}
}

// sampleText is a value of a setting, as text, that differs with n; want is how it
// is read.
func sampleText(s setting, n int) (text string, want any) {
	switch s.kind {
	case reflect.Bool:
		return "true", true
	case reflect.Int:
		return []string{"11", "12", "13"}[n], 11 + n
	case reflect.Float64:
		return []string{"1.5", "2.5", "3.5"}[n], 1.5 + float64(n)
	case reflect.Slice:
		if s.key == "rights.recipients" {
			name := []string{"a", "b", "c"}[n]
			return "[{name: " + name + ", url: x, include_subject: true}]", []RecipientConfig{{Name: name, URL: "x", IncludeSubject: true}}
		}
		name := []string{"a", "b", "c"}[n]
		return "[{name: " + name + ", tenants: [x], algorithms: [EdDSA]}]",
			[]IssuerConfig{{Name: name, Tenants: []string{"x"}, Algorithms: []string{"EdDSA"}}}
	default: // text
	}
	if s.key == "alarms.limit_action" {
		text = []string{"approve", "refuse", "approve"}[n]
		return text, text
	}
	if strings.HasSuffix(s.key, "url") {
		return []string{"sqlite:a", "sqlite:b", "sqlite:c"}[n], []string{"sqlite:a", "sqlite:b", "sqlite:c"}[n]
	}
	text = []string{"1s", "2s", "3s"}[n] // a duration, and as good a text as any
	return text, text
}

// load reads the configuration as serve would.
func load(t *testing.T, environ []string, args ...string) (Config, error) {
	t.Helper()
	var cfg Config
	var err error
	c := &cobra.Command{Use: "x", RunE: func(c *cobra.Command, _ []string) error {
		cfg, err = loadConfig(c, world{environ: environ})
		return nil
	}}
	configFlags(c)
	c.SetArgs(args)
	if err := c.ExecuteContext(context.Background()); err != nil {
		t.Fatal(err)
	}
	return cfg, err
}

// at finds a setting's value by its key.
func at(cfg Config, key string) any {
	v := reflect.ValueOf(cfg)
	for part := range strings.SplitSeq(key, ".") {
		for i := range v.NumField() {
			if v.Type().Field(i).Tag.Get("koanf") == part {
				v = v.Field(i)
				break
			}
		}
	}
	return v.Interface()
}

// Each setting is a key of the file, a variable and, if it is no secret, a flag;
// the later wins.
func TestFlagsWinOverVariablesOverTheFile(t *testing.T) {
	for _, s := range settings() {
		if strings.HasSuffix(s.key, "url_file") || strings.HasSuffix(s.key, "access_key_file") || strings.HasSuffix(s.key, "client_secret_file") {
			continue // which is read: see the scripts
		}
		t.Run(s.key, func(t *testing.T) {
			inFile, wantFile := sampleText(s, 0)
			inEnv, wantEnv := sampleText(s, 1)
			inFlag, wantFlag := sampleText(s, 2)
			parts := strings.Split(s.key, ".")
			var yaml strings.Builder
			for i, p := range parts {
				yaml.WriteString(strings.Repeat("  ", i) + p + ":")
				if i < len(parts)-1 {
					yaml.WriteString("\n")
				}
			}
			yaml.WriteString(" " + inFile + "\n")
			path := filepath.Join(t.TempDir(), "f.yaml")
			if err := os.WriteFile(path, []byte(yaml.String()), 0o600); err != nil {
				t.Fatal(err)
			}
			check := func(what string, want any, environ []string, args ...string) {
				t.Helper()
				cfg, err := load(t, environ, args...)
				if err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				if diff := cmp.Diff(want, at(cfg, s.key)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", what, diff)
				}
			}
			check("default", s.value, nil)
			check("file", wantFile, nil, "--config", path)
			check("file by variable", wantFile, []string{"FIELDVAULT_CONFIG=" + path})
			check("variable", wantEnv, []string{s.env() + "=" + inEnv}, "--config", path)
			check("empty variable", wantFile, []string{s.env() + "="}, "--config", path)
			if s.secret {
				return
			}
			check("flag", wantFlag, []string{s.env() + "=" + inEnv}, "--config", path, "--"+s.flag()+"="+inFlag)
			if s.kind == reflect.Bool {
				check("flag that is off", false, []string{s.env() + "=" + inEnv}, "--config", path, "--"+s.flag()+"=false")
			}
		})
	}
}

// Two settings must not share a variable or a flag.
func TestNamesOfSettingsAreUnique(t *testing.T) {
	seen := map[string]string{}
	for _, s := range settings() {
		if s.help == "" {
			t.Errorf("%s has no help", s.key)
		}
		for _, name := range []string{s.env(), s.flag()} {
			if seen[name] != "" {
				t.Errorf("%s and %s are both %s", seen[name], s.key, name)
			}
			seen[name] = s.key
		}
	}
}

// What the documentation shows must load.
func TestTheDocumentedConfigurationLoads(t *testing.T) {
	doc, err := os.ReadFile("../../deploy/docs/operate.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := bytes.Cut(doc, []byte("```yaml\n"))
	text, _, closed := bytes.Cut(rest, []byte("```"))
	if !ok || !closed {
		t.Fatal("operate.md shows no configuration")
	}
	dir := t.TempDir()
	url := filepath.Join(dir, "url")
	text = bytes.ReplaceAll(text, []byte("/run/secrets/fieldvault-database"), []byte(url))
	ledger := filepath.Join(dir, "ledger")
	text = bytes.ReplaceAll(text, []byte("/run/secrets/fieldvault-ledger"), []byte(ledger))
	for path, b := range map[string][]byte{ledger: []byte("postgres://fieldvault_node@ledger.example.org/fieldvault_ledger?sslmode=verify-full"), url: []byte("postgres://fieldvault_node@db.example.org/fieldvault?sslmode=verify-full"), filepath.Join(dir, "serve.yaml"): text} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := load(t, nil, "--config", filepath.Join(dir, "serve.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := checkListen(cfg); err != nil {
		t.Error(err)
	}
	if err := checkStoreURL(cfg.Store); err != nil {
		t.Error(err)
	}
	if issuers, err := issuersOf(cfg.Auth); err != nil || len(issuers) != 1 {
		t.Errorf("%d issuers (%v)", len(issuers), err)
	}
}

func TestOnlyThisMachineIsLocal(t *testing.T) {
	for host, want := range map[string]bool{
		"": true, "localhost": true, "127.0.0.1": true, "127.8.8.8": true, "::1": true, "/var/run/postgresql": true,
		"localhost,127.0.0.1": true, "localhost,/tmp": true,
		"0.0.0.0": false, "::": false, "10.0.0.1": false, "db.example.org": false, "localhost.example.org": false,
		"127.0.0.1.example.org": false, "127.example.org": false, "localhost,db.example.org": false, "db.example.org,localhost": false,
		"LOCALHOST.": false, "127.1": false, "0x7f.1": false,
	} {
		if got := allLocal(host); got != want {
			t.Errorf("allLocal(%q) = %v", host, got)
		}
	}
}
