package vaulttest

import (
	"errors"
	"io/fs"
	"os"
	"sync"
	"testing"

	"github.com/fieldvault/fieldvault/crypto/cryptotest"
	"github.com/fieldvault/fieldvault/deploy/sample"
)

// A template is a vault with its tenant, catalog and policy, closed. To copy it takes a
// moment; to make it takes longer than many a test.
type template struct {
	kek        *cryptotest.KEK
	db, ledger []byte // the files
}

// A kind is what tells one template from another.
type kind struct {
	catalog, policy string // "-" for none
	noLedger        bool
}

func kindOf(o Options) kind {
	k := kind{o.Catalog, o.Policy, o.NoLedger}
	if k.catalog == "" {
		k.catalog = string(sample.Catalog())
	}
	if k.policy == "" {
		k.policy = string(sample.Policy())
	}
	return k
}

// templates are those that this process made.
type templates struct {
	mu     sync.Mutex
	byKind map[kind]template
}

//nolint:gochecknoglobals // one template a test process and kind is the point
var made = templates{byKind: map[kind]template{}}

// template returns the template of a kind, and makes it for the first who asks.
func (m *templates) template(tb testing.TB, k kind) template {
	tb.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	t, ok := m.byKind[k]
	if !ok {
		t = newTemplate(tb, k)
		m.byKind[k] = t
	}
	return t
}

func newTemplate(tb testing.TB, k kind) template {
	tb.Helper()
	v := &Vault{Clock: NewClock(), KEK: cryptotest.NewKEK(tb), opts: Options{NoLedger: k.noLedger}}
	v.place(tb)
	v.open(tb)
	v.begin(tb, k)
	must(tb, v.Store.Close())
	if _, err := os.Stat(v.Path + "-wal"); !errors.Is(err, fs.ErrNotExist) {
		tb.Fatal("a part of the closed database is not in its file")
	}
	t := template{kek: v.KEK, db: read(tb, v.Path)}
	if v.Ledger != nil {
		must(tb, v.Ledger.Close())
		t.ledger = read(tb, v.LedgerPath)
	}
	return t
}

// copyOf lays down the files and the keys of a template.
func (v *Vault) copyOf(tb testing.TB, t template) {
	tb.Helper()
	v.KEK = t.kek.Copy(tb)
	v.place(tb)
	must(tb, os.WriteFile(v.Path, t.db, 0o600))
	if v.LedgerPath != "" {
		must(tb, os.WriteFile(v.LedgerPath, t.ledger, 0o600))
	}
}

func read(tb testing.TB, path string) []byte {
	tb.Helper()
	b, err := os.ReadFile(path) //nolint:gosec // a file of ours
	must(tb, err)
	return b
}
