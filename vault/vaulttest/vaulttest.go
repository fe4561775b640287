// Package vaulttest makes a vault for a test in one line: the real core on a real
// SQLite file, with the sample catalog and policy, a clock that the test moves and
// a key-encryption key that the test can stop.
//
// When the test ends it looks at the world again: fsck must find nothing and the audit
// log must verify, with every event in it, unless the test says with [Vault.Tampered] that it changed the store by hand.
package vaulttest

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/audit/trail"
	"github.com/fieldvault/fieldvault/crypto/cryptotest"
	"github.com/fieldvault/fieldvault/crypto/keyring"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/erasure"
	"github.com/fieldvault/fieldvault/vault/ledger"
	"github.com/fieldvault/fieldvault/vault/sqlitestore"
)

// Tenant is the name of the tenant that New makes.
const Tenant = "default"

// Origin names the service in the checkpoints of its audit logs.
const Origin = "test.example.org/log"

// A Vault is a vault for a test, with its parts.
type Vault struct {
	*vault.Vault
	Store vault.Store
	KEK   *cryptotest.KEK
	Ring  *keyring.Ring
	Clock *Clock
	// Ledger is a file beside it; nil if the test wants none.
	Ledger *ledger.File
	// Path is the SQLite file; empty with a store of the test's own.
	Path string
	// LedgerPath is the ledger's file.
	LedgerPath string

	opts Options

	mu       sync.Mutex
	tampered bool
}

// Options say what New does differently. The zero value is the usual vault.
type Options struct {
	// Store is used instead of a new SQLite file. The test closes it.
	Store vault.Store
	// Logger is used instead of none.
	Logger *slog.Logger
	// Catalog and Policy are applied instead of the sample's; "-" applies none.
	Catalog, Policy string
	// NoLedger: erasures are on record in the database alone.
	NoLedger bool
	// Limits are the breaker's; by default it lets everything pass.
	Limits erasure.Limits
	// Horizon is what is promised of backups; by default nothing.
	Horizon erasure.Settings
	// ReadLimit bounds how many people one principal is shown; by default nothing does.
	ReadLimit vault.ReadLimit
	// Seen is that of vault.LogConfig.
	Seen func(tenant string, index int64, e *audit.Event)
	// Refused is that of vault.LogConfig.
	Refused func(tenant string, row int64, why string)
	// Rights is that of vault.Config.
	Rights vault.RightsConfig
	// Expired is that of vault.Config.
	Expired func(late time.Duration)
	// Noise is that of vault.Config.
	Noise io.Reader
	// CacheAge is how long opened keys are kept; negative turns the cache off.
	CacheAge time.Duration
}

// New makes a vault with the tenant "default". It fails the test if it cannot.
//
// The vaults of a test process that have the same catalog and policy begin as copies of
// one: their first ids and keys are the same, and they share no state. With a store of
// the test's own the vault is made anew.
func New(tb testing.TB, opts ...Options) *Vault {
	tb.Helper()
	var o Options
	if len(opts) > 0 {
		o = opts[0]
	}
	if o.Limits == (erasure.Limits{}) {
		o.Limits = erasure.Limits{PerWindow: -1, PerMille: -1}
	}
	v := &Vault{Clock: NewClock(), Store: o.Store, opts: o}
	if v.Store == nil {
		v.copyOf(tb, made.template(tb, kindOf(o)))
		v.open(tb)
		v.Vault = v.Node(tb, o.Logger)
	} else {
		v.KEK = cryptotest.NewKEK(tb)
		v.place(tb)
		v.open(tb)
		v.begin(tb, kindOf(o))
	}
	tb.Cleanup(func() { v.look(tb) })
	return v
}

// place chooses where the files will be.
func (v *Vault) place(tb testing.TB) {
	tb.Helper()
	dir := Folder(tb)
	if v.Store == nil {
		v.Path = filepath.Join(dir, "vault.db")
	}
	if !v.opts.NoLedger {
		v.LedgerPath = filepath.Join(dir, "ledger")
	}
}

// open opens what is in the files, which it makes if they are missing, and a ring.
func (v *Vault) open(tb testing.TB) {
	tb.Helper()
	ctx := context.WithoutCancel(tb.Context())
	v.openLedger(tb)
	if v.Store == nil {
		s, err := sqlitestore.Open(ctx, sqlitestore.Config{Path: v.Path, Now: v.Clock.Now})
		must(tb, err)
		tb.Cleanup(func() { must(tb, s.Close()) })
		v.Store = s
	}
	var err error
	v.Ring, err = keyring.New(keyring.Config{KEK: v.KEK, Meter: vault.NewMeter(v.Store), Now: v.Clock.Now, MaxAge: v.opts.CacheAge, Timeout: time.Second})
	must(tb, err)
	tb.Cleanup(v.Ring.Close)
}

// begin makes the tenant in an empty store, and gives it a catalog and a policy.
func (v *Vault) begin(tb testing.TB, k kind) {
	tb.Helper()
	ctx := context.WithoutCancel(tb.Context())
	must(tb, vault.EnsureSystem(ctx, v.Store, v.Ring, v.KEK))
	v.Vault = v.Node(tb, v.opts.Logger)
	_, err := v.CreateTenant(ctx, v.Operator(), v.KEK, Tenant)
	must(tb, err)
	if k.catalog != "-" {
		_, err := v.ApplyCatalog(ctx, v.Operator(), []byte(k.catalog), false)
		must(tb, err)
	}
	if k.policy != "-" {
		_, _, err := v.ApplyPolicy(ctx, v.Operator(), []byte(k.policy), false)
		must(tb, err)
	}
}

// Node makes another core on the same store and key-encryption key, with the
// same clock: a second node, but for the cache of opened keys, which it shares.
func (v *Vault) Node(tb testing.TB, logger *slog.Logger) *vault.Vault {
	tb.Helper()
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	cfg := vault.Config{
		Store: v.Store, Ring: v.Ring, Now: v.Clock.Now, NewID: NewID, Logger: logger,
		Breaker: v.opts.Limits, Horizon: v.opts.Horizon, Keys: v.Keeper(), ReadLimit: v.opts.ReadLimit, Expired: v.opts.Expired, Rights: v.opts.Rights,
		Noise: v.opts.Noise,
		Log:   vault.LogConfig{Origin: Origin, Seen: v.opts.Seen, Refused: v.opts.Refused},
	}
	if v.Ledger != nil {
		cfg.Ledger = v.Ledger
	}
	n, err := vault.New(context.WithoutCancel(tb.Context()), cfg)
	must(tb, err)
	return n
}

// openLedger opens the ledger, which it makes if it is missing.
func (v *Vault) openLedger(tb testing.TB) {
	tb.Helper()
	if v.LedgerPath == "" {
		return
	}
	ctx := context.WithoutCancel(tb.Context())
	f, err := ledger.OpenFile(ctx, v.LedgerPath, ledger.FileConfig{})
	if errors.Is(err, ledger.ErrMissing) {
		f, err = ledger.CreateFile(ctx, v.LedgerPath, NewID(), ledger.FileConfig{})
	}
	must(tb, err)
	tb.Cleanup(func() { must(tb, f.Close()) })
	v.Ledger = f
}

// look checks the store after the test.
func (v *Vault) look(tb testing.TB) {
	tb.Helper()
	v.KEK.Fail(nil)
	v.KEK.Continue()
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.tampered || tb.Failed() {
		return
	}
	report, err := v.Fsck(context.WithoutCancel(tb.Context()), v.Operator(), nil)
	must(tb, err)
	for _, f := range report.Findings {
		tb.Errorf("fsck after the test: %s (row %s)", f.What, f.Row)
	}
	v.lookAtLog(tb)
}

// lookAtLog puts what is left into the logs, and verifies them.
func (v *Vault) lookAtLog(tb testing.TB) {
	tb.Helper()
	ctx := context.WithoutCancel(tb.Context())
	if v.VerifierKey() == nil {
		return // a service that never opened its signing key signs no checkpoint
	}
	v.Clock.Advance(time.Hour) // another node's lease has ended
	n := v.Node(tb, nil)
	_, err := n.Sequence(ctx)
	must(tb, err)
	for _, t := range v.tenants(tb) {
		r, err := v.Check(t).Run(ctx)
		if err != nil {
			tb.Errorf("the audit log of tenant %s after the test: %v", t.Name, err)
		} else if r.Stray > 0 {
			tb.Errorf("%d events of tenant %s are not in the audit log", r.Stray, t.Name)
		}
	}
}

// Events are all events of the tenant, in the order in which they were stored.
func (v *Vault) Events(tb testing.TB) (list []audit.Event) {
	tb.Helper()
	all := v.tenants(tb)
	id := all[slices.IndexFunc(all, func(t vault.Tenant) bool { return t.Name == Tenant })].ID
	err := v.Store.View(tb.Context(), func(tx vault.Tx) error {
		rows, err := tx.Events(tb.Context(), id, 0, 1<<20)
		list = nil
		for i := range rows {
			leaves, uerr := trail.Unpack(rows[i].Leaf)
			err = errors.Join(err, uerr)
			for _, leaf := range leaves {
				e, perr := audit.ParseLeaf(leaf)
				list, err = append(list, e), errors.Join(err, perr)
			}
		}
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return list
}

// Check is the check of a tenant's audit log.
func (v *Vault) Check(t vault.Tenant) trail.Check {
	return trail.Check{Name: t.Name, Log: trail.Log{
		Store: vault.LogStore(v.Store), Tenant: t.ID, Origin: trail.Origin(Origin, t.Name), Key: v.VerifierKey(),
	}}
}

func (v *Vault) tenants(tb testing.TB) (list []vault.Tenant) {
	tb.Helper()
	ctx := context.WithoutCancel(tb.Context())
	must(tb, v.Store.View(ctx, func(tx vault.Tx) (err error) {
		list, err = tx.Tenants(ctx)
		return err
	}))
	return list
}

// Tampered says that the test changed the store behind the vault's back, so that
// it is not expected to be clean.
func (v *Vault) Tampered() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.tampered = true
}

// Keeper administers the key-encryption keys.
func (v *Vault) Keeper() vault.KeyAdmin { return vault.NewKeyAdmin(v.KEK) }

// As is a caller of the tenant with one role, for a purpose.
func (v *Vault) As(role accessctl.Role, purpose accessctl.Purpose) accessctl.Caller {
	return accessctl.Caller{
		Principal: accessctl.Principal{
			Tenant: Tenant, Issuer: "https://issuer.example.org", Subject: string(role), Roles: []accessctl.Role{role},
			Expires: v.Clock.Now().Add(time.Hour),
		},
		Purpose: purpose, RequestID: NewID(),
	}
}

// Person is a person who acts for themself.
func (v *Vault) Person(subject string, purpose accessctl.Purpose) accessctl.Caller {
	c := v.As(accessctl.RoleSubject, purpose)
	c.Subject, c.Person = "person", subject
	return c
}

// Operator is an operator at the machine itself.
func (v *Vault) Operator() accessctl.Caller {
	return accessctl.Caller{
		Principal: accessctl.Principal{Tenant: Tenant, Subject: "test", Roles: []accessctl.Role{"operator"}},
		RequestID: NewID(),
	}
}

// Put stores one record as the application, or fails the test.
func (v *Vault) Put(tb testing.TB, subject, collection, record string, fields map[string]string) vault.Written {
	tb.Helper()
	w := vault.Write{Subject: subject, Collection: collection, Record: record, Fields: Values(fields)}
	out, err := v.Vault.Put(tb.Context(), v.As("app", "support"), w, vault.Idempotency{})
	must(tb, err)
	return out
}

// Values are strings as JSON values.
func Values(fields map[string]string) map[string]json.RawMessage {
	m := make(map[string]json.RawMessage, len(fields))
	for name, value := range fields {
		b, err := json.Marshal(value)
		if err != nil {
			panic(err) // a string always encodes
		}
		m[name] = b
	}
	return m
}

// NewID makes an id as production does: UUID version 7.
func NewID() uuid.UUID { return uuid.Must(uuid.NewV7()) }

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// A Clock is a clock that stands until the test moves it.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock makes a clock that stands at a fixed instant.
func NewClock() *Clock {
	return &Clock{now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
}

// Now is the instant at which the clock stands.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
