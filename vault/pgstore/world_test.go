package pgstore_test

import (
	"context"
	"crypto/sha256"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/pgstore"
	"github.com/fieldvault/fieldvault/vault/storetest"
)

// open returns a store on a migrated database of its own, and the database's URL.
func open(t testing.TB, change ...func(*pgstore.Config)) (*pgstore.Store, string) {
	t.Helper()
	url := storetest.Postgres(t)
	migrate(t, url)
	return connect(t, url, change...), url
}

func migrate(t testing.TB, url string) {
	t.Helper()
	if err := pgstore.Migrate(t.Context(), url, nil); err != nil {
		t.Fatal(err)
	}
}

// connect returns a store on a database.
func connect(t testing.TB, url string, change ...func(*pgstore.Config)) *pgstore.Store {
	t.Helper()
	c := pgstore.Config{URL: url}
	for _, f := range change {
		f(&c)
	}
	s, err := pgstore.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// A trace remembers the statements of a store.
type trace struct {
	mu  sync.Mutex
	sql []string
}

func (r *trace) into(c *pgstore.Config) { c.Tracer = r }

func (r *trace) TraceQueryStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceQueryStartData) context.Context {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sql = append(r.sql, d.SQL)
	return ctx
}

func (r *trace) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// take returns the statements since the last call, and forgets them.
func (r *trace) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := r.sql
	r.sql = nil
	return list
}

// db is a connection of the test's own.
func db(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.WithoutCancel(t.Context())) })
	return c
}

// run runs SQL of the test's own.
func run(t testing.TB, c *pgx.Conn, sql string, args ...any) {
	t.Helper()
	if _, err := c.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", strings.Fields(sql)[0], err)
	}
}

// number reads one number.
func number(t *testing.T, c *pgx.Conn, sql string, args ...any) (n int64) {
	t.Helper()
	if err := c.QueryRow(t.Context(), sql, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return n
}

// await waits until the database says yes.
func await(t *testing.T, c *pgx.Conn, what, sql string, args ...any) {
	t.Helper()
	for range 3000 {
		var yes bool
		if err := c.QueryRow(t.Context(), sql, args...).Scan(&yes); err != nil {
			t.Fatal(err)
		}
		if yes {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("it never came that %s", what)
}

// update runs a transaction that must succeed.
func update(t testing.TB, s *pgstore.Store, f func(context.Context, vault.Tx) error) {
	t.Helper()
	if err := s.Update(t.Context(), func(tx vault.Tx) error { return f(t.Context(), tx) }); err != nil {
		t.Fatal(err)
	}
}

func tenant(t testing.TB, s *pgstore.Store, name string) (id int32) {
	t.Helper()
	update(t, s, func(ctx context.Context, tx vault.Tx) error {
		v, _, err := tx.InsertTenant(ctx, vault.Tenant{Name: name, KEKEpoch: 1, Created: now()})
		id = v.ID
		return err
	})
	return id
}

func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

func hash(s string) []byte {
	h := sha256.Sum256([]byte(s))
	return h[:]
}

func lookup(name string) []byte { return hash(name)[:vault.LookupSize] }

func live(tenant int32, name string) vault.Subject {
	return vault.Subject{
		Tenant: tenant, Lookup: lookup(name), UID: uuid.New(), Generation: 1, State: vault.Live,
		Mark: hash("mark"), SealedID: []byte("sealed"), Created: now(),
	}
}

func erased(s vault.Subject) vault.Subject {
	s.State, s.SealedID, s.Note, s.Certificate, s.ErasedAt = vault.Erased, nil, nil, []byte("{}"), now()
	return s
}

// erase makes a stored person erased, without the sweep.
func erase(ctx context.Context, tx vault.Tx, s vault.Subject) error {
	if _, err := tx.DestroyKeys(ctx, s.Tenant, s.UID); err != nil {
		return err
	}
	return tx.UpdateSubject(ctx, erased(s), s.Generation)
}

// alive stores a live person without anything, and returns the uid.
func alive(t testing.TB, s *pgstore.Store, tenant int32) uuid.UUID {
	t.Helper()
	p := live(tenant, uuid.NewString())
	update(t, s, func(ctx context.Context, tx vault.Tx) error {
		_, err := tx.InsertSubject(ctx, p)
		return err
	})
	return p.UID
}

// person stores a live person with a row in every table of people's rows.
func person(t testing.TB, s *pgstore.Store, tenant int32, name string) vault.Subject {
	t.Helper()
	p := live(tenant, name)
	ref := vault.RecordRef{Collection: 1, Record: "self"}
	update(t, s, func(ctx context.Context, tx vault.Tx) error {
		if _, err := tx.InsertSubject(ctx, p); err != nil {
			return err
		}
		if _, err := tx.InsertKey(ctx, tenant, p.UID, vault.DataKey{Group: 2, Epoch: 1, Version: 1, KEKVersion: 1, Wrapped: []byte("wrapped")}); err != nil {
			return err
		}
		r, err := tx.LockRecord(ctx, tenant, p.UID, ref)
		if err != nil {
			return err
		}
		r.Revision, r.Deleted, r.Sealed = 1, false, []byte("sealed")
		if err := tx.PutRecord(ctx, tenant, p.UID, r); err != nil {
			return err
		}
		entries := []vault.IndexEntry{{Field: 1, Version: 1, Value: []byte("value")}}
		if err := tx.ReplaceIndex(ctx, tenant, p.UID, ref, nil, entries); err != nil {
			return err
		}
		c := vault.Consent{Purpose: "marketing", Decision: "granted", Notice: "1", Method: "api", At: now(), MAC: hash("mac")}
		if err := tx.PutConsent(ctx, tenant, p.UID, c); err != nil {
			return err
		}
		if err := tx.PutReseal(ctx, vault.Reseal{Tenant: tenant, UID: p.UID, Group: 2, Version: 2}); err != nil {
			return err
		}
		if err := tx.PutShred(ctx, vault.Shred{Tenant: tenant, UID: p.UID, Group: 3, Epoch: 2}); err != nil {
			return err
		}
		if err := tx.PutHoney(ctx, vault.Honey{Tenant: tenant, UID: p.UID, MAC: hash("honey")}); err != nil {
			return err
		}
		if err := tx.InsertTicket(ctx, vault.Ticket{Tenant: tenant, UID: p.UID, ID: p.UID, Expires: now().Add(time.Hour)}); err != nil {
			return err
		}
		if _, err := tx.InsertTokens(ctx, tenant, []vault.TokenRow{tokenOf(tenant, p.UID)}); err != nil {
			return err
		}
		asks := vault.RequestRow{Tenant: tenant, UID: p.UID, ID: uuid.New(), Filed: now(), Body: []byte("{}"), MAC: hash("request")}
		if err := tx.PutRequest(ctx, asks); err != nil {
			return err
		}
		_, _, err = tx.InsertEffect(ctx, vault.Effect{
			Tenant: tenant, Key: hash("key" + name), Request: hash("request"), UID: p.UID, Lookup: p.Lookup,
			At: now(), Expires: now().Add(time.Hour),
		})
		return err
	})
	return p
}

func tokenOf(tenant int32, uid uuid.UUID) vault.TokenRow {
	return vault.TokenRow{
		Tenant: tenant, Hash: hash("token " + uid.String()), UID: uid, Place: vault.TokenPlace{Collection: 1, Record: "r", Field: 1},
		Group: 2, Epoch: 1, Purpose: "billing", Kind: 1, Created: now(), Sealed: []byte("s"), MAC: hash("m"),
	}
}

// innocent fails the test if an error holds one of the words that a row held.
func innocent(t *testing.T, err error, words ...string) {
	t.Helper()
	for _, w := range words {
		if err != nil && strings.Contains(err.Error(), w) {
			t.Errorf("an error says %q", w)
		}
	}
}

func sorted(list []string) []string {
	slices.Sort(list)
	return list
}
