//go:build e2e

package logscale_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit/evidence"
	"github.com/fieldvault/fieldvault/cmd/fieldvault/processtest"
	"github.com/fieldvault/fieldvault/crypto/keyring"
	"github.com/fieldvault/fieldvault/crypto/localkek"
	"github.com/fieldvault/fieldvault/deploy/sample"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/pgstore"
	"github.com/fieldvault/fieldvault/vault/storetest"
)

func TestMain(m *testing.M) { os.Exit(processtest.Main(m)) }

const (
	tenant = "default"
	origin = "fieldvault" // of checkpoints, as configured by default
	issuer = "https://id.example.org"
)

// A clock stands until it is moved, so that a log of hours is made in minutes.
type clock struct{ micros atomic.Int64 }

func (c *clock) Now() time.Time { return time.UnixMicro(c.micros.Load()).UTC() }

func (c *clock) advance(d time.Duration) { c.micros.Add(d.Microseconds()) }

// A town is a vault in this process and the program, on one database.
type town struct {
	program processtest.Program
	dir     string
	config  string // of the program
	key     string // the public key
	clock   *clock
	store   *pgstore.Store
	vault   *vault.Vault // with the clock
	ring    *keyring.Ring
	people  int
}

// newTown makes an installation with the sample's catalog and policy.
func newTown(t *testing.T) *town {
	t.Helper()
	storetest.NeedTime(t)
	w := &town{program: processtest.Build(t), dir: t.TempDir(), clock: &clock{}}
	w.clock.micros.Store(time.Now().Add(-48 * time.Hour).UnixMicro())
	w.config = filepath.Join(w.dir, "serve.yaml")
	url, kek := storetest.Postgres(t), filepath.Join(w.dir, "kek.json")
	processtest.WriteConfig(t, w.config, map[string]any{
		"tenant": tenant, "store": map[string]any{"url": url}, "ledger": map[string]any{"none": true},
		"kek": map[string]any{"local": map[string]any{"file": kek, "allow_clear": true}},
	})
	w.do(t, "migrate")
	w.do(t, "tenant", "create", tenant)
	for _, doc := range []struct {
		verb string
		text []byte
	}{{"catalog", sample.Catalog()}, {"policy", sample.Policy()}} {
		path := filepath.Join(w.dir, doc.verb)
		must(t, os.WriteFile(path, doc.text, 0o600))
		w.do(t, doc.verb, "apply", path)
	}
	w.open(t, url, kek)
	return w
}

// open opens the vault in this process.
func (w *town) open(t *testing.T, url, file string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	var err error
	w.store, err = pgstore.Open(ctx, pgstore.Config{URL: url})
	must(t, err)
	t.Cleanup(func() { must(t, w.store.Close()) })
	kek, err := localkek.Open(file, nil)
	must(t, err)
	w.ring, err = keyring.New(keyring.Config{KEK: kek, Meter: vault.NewMeter(w.store), Now: w.clock.Now, MaxAge: 1000 * time.Hour})
	must(t, err)
	t.Cleanup(w.ring.Close)
	w.vault = w.node(t, w.clock.Now, origin)
	w.key = evidence.FormatKey(w.vault.VerifierKey())
}

// node makes a core by a clock of its own. It sequences under the origin, if there is one.
func (w *town) node(t *testing.T, now func() time.Time, origin string) *vault.Vault {
	t.Helper()
	v, err := vault.New(context.WithoutCancel(t.Context()), vault.Config{
		Store: w.store, Ring: w.ring, Now: now, NewID: newID, Logger: slog.New(slog.DiscardHandler),
		// The clock is moved by others while a request is under way.
		MaxLoadAge: time.Hour, Log: vault.LogConfig{Origin: origin},
	})
	must(t, err)
	return v
}

// do runs a verb of the program and returns what it wrote.
func (w *town) do(t *testing.T, args ...string) string {
	t.Helper()
	return w.program.Run(t, 0, nil, append(args, "--config", w.config)...)
}

// caller is a service or a member of staff, with one role and for one purpose.
func (w *town) caller(name string, role accessctl.Role, p accessctl.Purpose) accessctl.Caller {
	return accessctl.Caller{
		Principal: accessctl.Principal{
			Tenant: tenant, Issuer: issuer, Subject: name, Roles: []accessctl.Role{role}, Expires: w.clock.Now().Add(time.Hour),
		},
		Purpose: p, RequestID: newID(),
	}
}

func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
