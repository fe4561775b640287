package pgstore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/pgstore"
)

// A reveal costs two statements, outside any explicit transaction, whatever
// the number of people.
func TestRevealCostsTwoStatements(t *testing.T) {
	var r trace
	s, _ := open(t, r.into)
	id := tenant(t, s, "acme")
	var refs []vault.Ref
	var leaves []vault.Intake
	for i := range 100 {
		p := person(t, s, id, fmt.Sprint("person ", i))
		refs = append(refs, vault.Ref{Lookup: p.Lookup, Collection: 1, Record: "self"})
		leaves = append(leaves, vault.Intake{Tenant: id, Leaf: []byte("leaf")})
	}
	for _, n := range []int{1, 2, 100} {
		r.take()
		l, err := s.LoadForReveal(t.Context(), vault.LoadQuery{Tenant: id, Items: refs[:n]})
		if err != nil {
			t.Fatal(err)
		}
		for i, item := range l.Items {
			if item.Subject == nil || item.Record == nil || len(item.Keys) != 1 || len(item.Consents) != 1 {
				t.Errorf("item %d of %d is incomplete", i, n)
			}
		}
		if err := outcome(s.AppendEvents(t.Context(), leaves[:n])); err != nil {
			t.Fatal(err)
		}
		sql := r.take()
		if len(sql) != 2 || !strings.HasPrefix(strings.TrimSpace(sql[0]), "SELECT") || !strings.HasPrefix(strings.TrimSpace(sql[1]), "INSERT") {
			t.Errorf("a reveal of %d sent %d statements, want a SELECT and an INSERT:\n%s", n, len(sql), strings.Join(sql, "\n"))
		}
	}
}

// Both forms give the same answer, and the items come back in order, repeated
// ones and those of nobody included.
func TestLoadFormsAgree(t *testing.T) {
	s, _ := open(t)
	id := tenant(t, s, "acme")
	a, b := person(t, s, id, "a"), person(t, s, id, "b")
	gone := person(t, s, id, "gone")
	update(t, s, func(ctx context.Context, tx vault.Tx) error { return erase(ctx, tx, gone) })
	refs := []vault.Ref{
		{Lookup: b.Lookup, Collection: 1, Record: "self"},
		{Lookup: lookup("nobody"), Collection: 1, Record: "self"},
		{Lookup: a.Lookup, Collection: 1, Record: "other"},
		{Lookup: a.Lookup, Collection: 1, Record: "self"},
		{Lookup: gone.Lookup, Collection: 1, Record: "self"},
		{Lookup: b.Lookup},
		{Lookup: b.Lookup, Collection: 1, Record: "self"},
		{},
	}
	for _, identity := range []bool{false, true} {
		all, err := s.LoadForReveal(t.Context(), vault.LoadQuery{Tenant: id, Items: refs, Identity: identity})
		if err != nil {
			t.Fatal(err)
		}
		for i, ref := range refs {
			one, err := s.LoadForReveal(t.Context(), vault.LoadQuery{Tenant: id, Items: []vault.Ref{ref}, Identity: identity})
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(one.Items[0], all.Items[i], cmpopts.EquateEmpty()); d != "" {
				t.Errorf("item %d differs alone (-) and among others (+):\n%s", i, d)
			}
		}
		if s := all.Items[3].Subject; (s.SealedID != nil) != identity {
			t.Errorf("with Identity %v, SealedID is %q", identity, s.SealedID)
		}
		if g := all.Items[4]; g.Subject == nil || g.Subject.State != vault.Erased || len(g.Keys) > 0 || len(g.Consents) > 0 || g.Record != nil {
			t.Errorf("of an erased person came %+v, want the row of the directory alone", g)
		}
	}
}

// No table is read from end to end by what runs for each request, also when
// the tables were small at the time the statements were prepared.
func TestNoSequentialScan(t *testing.T) {
	var r trace
	s, url := open(t, r.into, func(c *pgstore.Config) { c.MaxConns = 1 })
	admin := db(t, url)
	id := tenant(t, s, "acme")
	first := person(t, s, id, "first")
	run(t, admin, `ANALYZE`)
	ref := vault.Ref{Lookup: first.Lookup, Collection: 1, Record: "self"}
	use := func() {
		t.Helper()
		for _, items := range [][]vault.Ref{{ref}, {ref, ref}} {
			if _, err := s.LoadForReveal(t.Context(), vault.LoadQuery{Tenant: id, Items: items}); err != nil {
				t.Fatal(err)
			}
		}
		update(t, s, func(ctx context.Context, tx vault.Tx) error {
			if _, err := tx.Subject(ctx, id, first.Lookup, vault.ShareLock); err != nil {
				return err
			}
			if _, err := tx.Keys(ctx, id, first.UID); err != nil {
				return err
			}
			if _, err := tx.Consents(ctx, id, first.UID); err != nil {
				return err
			}
			if _, err := tx.ListRecords(ctx, id, first.UID, 0, vault.RecordRef{}, 10); err != nil {
				return err
			}
			if _, err := tx.ListRecords(ctx, id, first.UID, 1, vault.RecordRef{}, 10); err != nil {
				return err
			}
			if _, err := tx.KeysBelow(ctx, id, 2, uuid.Nil, 1); err != nil {
				return err
			}
			gone := vault.Rewrapped{UID: first.UID, Group: 9, Epoch: 1, Version: 1, KEKVersion: 1, Next: 2, Wrapped: []byte("w")}
			if _, err := tx.RewrapKeys(ctx, id, []vault.Rewrapped{gone}); err != nil {
				return err
			}
			q := vault.IndexQuery{
				Tenant: id, Collection: 1, Field: 1, Limit: 10,
				Values: []vault.IndexEntry{{Version: 1, Value: []byte("value")}, {Version: 2, Value: []byte("value")}},
			}
			if _, err := tx.SearchIndex(ctx, q); err != nil {
				return err
			}
			q.Every = q.Values
			_, err := tx.SearchIndex(ctx, q)
			return err
		})
	}
	use() // plans every statement for tables of one row
	grow(t, admin, id, 20_000)
	use()                             // with these plans
	if err := s.Close(); err != nil { // a connection that ends reports what it read
		t.Fatal(err)
	}
	tables := []string{"subject", "record", "search_index", "consent", "consent_event", "effect"}
	if n := number(t, admin, `SELECT coalesce(sum(seq_tup_read), 0) FROM pg_stat_user_tables WHERE relname = ANY ($1)`, tables); n > 20_000/2 {
		t.Errorf("%d rows were read by scanning whole tables", n)
	}

	run(t, admin, `ANALYZE`)
	for i, sql := range r.take() {
		if args := strings.Count(sql, "$"); args == 0 || !strings.Contains(sql, "SELECT") || strings.Contains(sql, "INSERT") {
			continue
		}
		plan := explain(t, admin, i, sql)
		for _, table := range tables {
			if strings.Contains(plan, "Seq Scan on "+table) {
				t.Errorf("%s is scanned from end to end:\n%s\n%s", table, sql, plan)
			}
		}
	}
}

// grow fills the tables with rows of n more people.
func grow(t testing.TB, c *pgx.Conn, tenant int32, n int) {
	t.Helper()
	run(t, c, `CREATE TABLE crowd AS SELECT * FROM (SELECT gen_random_uuid() AS id, i FROM generate_series(1, $1::bigint) i) p`, n)
	for _, sql := range []string{
		`INSERT INTO subject (tenant, lookup, uid, generation, state, restricted, held, mark, created, kek_version, keys)
SELECT $1, substr(sha256(id::text::bytea), 1, 16), id, 1, 1, false, false, '\x00', now(), 1, '\x0101020101010100' FROM crowd`,
		`INSERT INTO record (tenant, uid, collection, record, revision, sealed) SELECT $1, id, 1, 'self', 1, '\x00' FROM crowd`,
		`INSERT INTO search_index (tenant, uid, collection, record, field, version, value)
SELECT $1, id, 1, 'self', 1, 1, sha256(id::text::bytea) FROM crowd`,
		`INSERT INTO consent (tenant, uid, purpose, decision, notice, method, at, mac) SELECT $1, id, 'p', 'granted', '', '', now(), '\x00' FROM crowd`,
		`INSERT INTO consent_event (tenant, uid, purpose, decision, notice, method, at, mac) SELECT $1, id, 'p', 'granted', '', '', now(), '\x00' FROM crowd`,
	} {
		run(t, c, sql, tenant)
	}
	run(t, c, `DROP TABLE crowd`)
}

// explain is the plan that serves any arguments of a statement.
func explain(t *testing.T, c *pgx.Conn, i int, sql string) string {
	t.Helper()
	n := 0
	for strings.Contains(sql, fmt.Sprintf("$%d", n+1)) {
		n++
	}
	run(t, c, `SET plan_cache_mode = force_generic_plan`)
	run(t, c, fmt.Sprintf(`PREPARE s%d AS %s`, i, sql))
	rows, err := c.Query(t.Context(), fmt.Sprintf(`EXPLAIN EXECUTE s%d (%s)`, i, strings.TrimSuffix(strings.Repeat("NULL,", n), ",")))
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

// TestLoadsShareStatements: calls that come while one is on its way share the next
// statement, and each gets its own answer, of people who are not there or of another
// tenant, too.
func TestLoadsShareStatements(t *testing.T) {
	var r trace
	s, _ := open(t, r.into)
	const n = 200
	tenants := []int32{tenant(t, s, "acme"), tenant(t, s, "other")}
	people := make([]vault.Subject, n)
	for i := range people {
		people[i] = person(t, s, tenants[i%2], fmt.Sprint("person ", i))
	}
	r.take()
	var wg sync.WaitGroup
	for i, p := range people {
		wg.Go(func() {
			ref, asks := vault.Ref{Lookup: p.Lookup, Collection: 1, Record: "self"}, p.Tenant
			if i%5 == 0 { // of the tenant to which the person does not belong
				asks = tenants[(i+1)%2]
			}
			l, err := s.LoadForReveal(t.Context(), vault.LoadQuery{Tenant: asks, Items: []vault.Ref{ref}})
			switch {
			case err != nil:
				t.Error(err)
			case len(l.Items) != 1 || l.Incarnation == "":
				t.Errorf("call %d: %d items", i, len(l.Items))
			case i%5 == 0 && l.Items[0].Subject != nil:
				t.Errorf("call %d found a person of another tenant", i)
			case i%5 != 0 && (l.Items[0].Subject == nil || l.Items[0].Subject.UID != p.UID || l.Items[0].Record == nil):
				t.Errorf("call %d got another's answer", i)
			}
		})
	}
	wg.Wait()
	if sql := r.take(); len(sql) == 0 || len(sql) > n {
		t.Errorf("%d calls sent %d statements", n, len(sql))
	} else {
		t.Logf("%d calls sent %d statements", n, len(sql))
	}
}

// TestSharedLoadFailures: one that no store can answer does not fail those beside it,
// and who gives up does not hold the others up.
func TestSharedLoadFailures(t *testing.T) {
	s, _ := open(t)
	id := tenant(t, s, "acme")
	p := person(t, s, id, "person")
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	var wg sync.WaitGroup
	for i := range 90 {
		wg.Go(func() {
			q := vault.LoadQuery{Tenant: id, Items: []vault.Ref{{Lookup: p.Lookup, Collection: 1, Record: "self"}}}
			switch i % 3 {
			case 0:
				q.Items[0].Record = "not\x00text"
				if _, err := s.LoadForReveal(t.Context(), q); err == nil || errors.Is(err, vault.ErrUnavailable) {
					t.Errorf("what no text is: %v", err)
				}
			case 1:
				if _, err := s.LoadForReveal(gone, q); !errors.Is(err, context.Canceled) {
					t.Errorf("who gave up: %v", err)
				}
			default:
				if l, err := s.LoadForReveal(t.Context(), q); err != nil || l.Items[0].Record == nil {
					t.Errorf("beside them: %v", err)
				}
			}
		})
	}
	wg.Wait()
	if _, err := s.LoadForReveal(t.Context(), vault.LoadQuery{Tenant: 9999, Items: []vault.Ref{{Lookup: p.Lookup}}}); !errors.Is(err, vault.ErrNoRow) {
		t.Errorf("no tenant: %v", err)
	}
}

// What is empty and what is not there are told apart, in loads of one item and of several.
func TestAnEmptyRecordIsNoDeletedOne(t *testing.T) {
	s, url := open(t)
	admin := db(t, url)
	id := tenant(t, s, "acme")
	p, other := person(t, s, id, "alice"), person(t, s, id, "bob")
	run(t, admin, `UPDATE record SET sealed = '' WHERE tenant = $1 AND uid = $2`, id, p.UID)
	ref := vault.Ref{Lookup: p.Lookup, Collection: 1, Record: "self"}
	for _, items := range [][]vault.Ref{{ref}, {ref, {Lookup: other.Lookup, Collection: 1, Record: "self"}}, {{Lookup: other.Lookup, Collection: 1, Record: "self"}, ref}} {
		l, err := s.LoadForReveal(t.Context(), vault.LoadQuery{Tenant: id, Items: items})
		if err != nil {
			t.Fatal(err)
		}
		for i := range items {
			r := l.Items[i].Record
			if r == nil || r.Deleted || (len(r.Sealed) == 0) != (string(items[i].Lookup) == string(p.Lookup)) {
				t.Errorf("item %d of %d is %+v", i, len(items), r)
			}
		}
	}
}
