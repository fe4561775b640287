package vault_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/audit/trail"
	"github.com/fieldvault/fieldvault/audit/tree"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

// packed makes a row of leaves.
func packed(t *testing.T, leaves ...[]byte) []byte {
	t.Helper()
	var p trail.Packer
	for _, leaf := range leaves {
		if err := p.Add(leaf); err != nil {
			t.Fatal(err)
		}
	}
	return p.Append(nil)
}

// readMany reveals 40 people in one request to a node.
func readMany(t *testing.T, v *vaulttest.Vault, node *vault.Vault) {
	t.Helper()
	items := make([]vault.Item, 40)
	for i := range items {
		items[i] = vault.Item{Subject: fmt.Sprint("c-", i), Collection: "customer", Record: "self", Fields: []string{"email"}}
	}
	if _, err := node.Reveal(t.Context(), v.As("app", "support"), items); err != nil {
		t.Fatal(err)
	}
}

// lastRow is the newest row of events.
func lastRow(t *testing.T, conn *pgx.Conn) (id int64, leaf, mac []byte) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), `SELECT id, leaf, mac FROM event_intake ORDER BY id DESC LIMIT 1`).Scan(&id, &leaf, &mac); err != nil {
		t.Fatal(err)
	}
	return id, leaf, mac
}

func unpacked(t *testing.T, row []byte) [][]byte {
	t.Helper()
	leaves, err := trail.Unpack(row)
	if err != nil {
		t.Fatal(err)
	}
	return leaves
}

// Events of one request stand in few rows, and each has a place of its own in the log,
// whether the process has them in its memory or reads them from the store.
func TestEventsOfARequestShareRows(t *testing.T) {
	v, conn := onPostgres(t)
	for i := range 40 {
		v.Put(t, fmt.Sprint("c-", i), "customer", "self", map[string]string{"email": email})
	}
	sequence(t, v.Vault)
	other := v.Node(t, nil)
	for name, by := range map[string]*vault.Vault{"from memory": v.Vault, "from the store": other} {
		before, events := len(logged(t, v)), len(v.Events(t))
		from, _, _ := lastRow(t, conn)
		readMany(t, v, by)
		if to, _, _ := lastRow(t, conn); to != from+2 {
			t.Errorf("%s: 40 events stand in %d rows, want 2", name, to-from)
		}
		sequence(t, v.Vault)
		all, stored := logged(t, v)[before:], v.Events(t)[events:]
		if len(all) != 40 || len(stored) != 40 {
			t.Fatalf("%s: %d entries of %d events, want 40", name, len(all), len(stored))
		}
		for i, x := range all {
			e, err := audit.ParseLeaf(x.Body)
			if err != nil || e.ID != x.Event || e.ID != stored[i].ID || x.Part != i%20 || x.Rest != 19-i%20 {
				t.Errorf("%s: entry %d is part %d, with %d behind it, of event %v: %v", name, i, x.Part, x.Rest, e.ID, err)
			}
		}
		in, err := v.Check(vault.Tenant{ID: 1, Name: vaulttest.Tenant}).ProveEvent(t.Context(), stored[25].ID)
		if err != nil || !bytes.Equal(in.Leaf, all[25].Body) {
			t.Errorf("%s: the proof of an event is one of %s: %v", name, in.Leaf, err)
		}
	}
}

// The check finds whatever is changed in a row of several events, and names the first
// event that it is about.
func TestACheckFindsWhatIsChangedInARow(t *testing.T) {
	v, conn := onPostgres(t)
	v.Tampered()
	for i := range 40 {
		v.Put(t, fmt.Sprint("c-", i), "customer", "self", map[string]string{"email": email})
	}
	readMany(t, v, v.Vault)
	sequence(t, v.Vault)
	all := logged(t, v)
	row, leaf, _ := lastRow(t, conn)
	leaves, first := unpacked(t, leaf), int64(len(all)-20)
	if x := all[first]; x.Row != row || x.Part != 0 || len(leaves) != 20 {
		t.Fatalf("entry %d is part %d of row %d", first, x.Part, x.Row)
	}
	with := func(change func([][]byte) [][]byte) []any {
		return []any{packed(t, change(slices.Clone(leaves))...), row}
	}
	var rowBefore []byte
	if err := conn.QueryRow(t.Context(), `SELECT leaf FROM event_intake WHERE id = $1`, row-1).Scan(&rowBefore); err != nil {
		t.Fatal(err)
	}
	check := func() error {
		_, err := v.Check(vault.Tenant{ID: 1, Name: vaulttest.Tenant}).Run(t.Context())
		return err
	}
	alone := all[slices.IndexFunc(all[2:], func(x trail.Entry) bool { return x.Part == 0 && x.Rest == 0 })+2]
	if all[0].Rest != 0 || all[alone.Index-1].Rest != 0 {
		t.Fatal("the log does not begin as this test has it")
	}
	exec(t, conn, `SET session_replication_role = replica`)
	exec(t, conn, `CREATE TABLE kept_intake AS SELECT * FROM event_intake`)
	exec(t, conn, `CREATE TABLE kept_leaf AS SELECT * FROM audit_leaf`)
	extra := leafOf(t, func(*audit.Event) {})
	const set = `UPDATE event_intake SET leaf = $1 WHERE id = $2`
	for _, c := range []struct {
		name string
		sql  string
		args []any
		bad  int64
		most int64 // above bad: it cannot be said which of some
	}{
		{"it is removed", `DELETE FROM event_intake WHERE id = $1`, []any{row}, first, 0},
		{"it is emptied", set, []any{[]byte{}, row}, first, 0},
		{"a byte is flipped", set, []any{append(bytes.Clone(leaf[:len(leaf)-1]), leaf[len(leaf)-1]^1), row}, first, first + 19},
		{"it is cut off", set, []any{leaf[:len(leaf)/2], row}, first, 0},
		{"an event is put behind", set, with(func(l [][]byte) [][]byte { return append(l, extra) }), first + 19, 0},
		{"an event is put behind, in the row before", set, []any{packed(t, append(unpacked(t, rowBefore), extra)...), row - 1}, first, 0},
		{"an event is put in front", set, with(func(l [][]byte) [][]byte { return append([][]byte{extra}, l...) }), first, 0},
		{"the last is taken out", set, with(func(l [][]byte) [][]byte { return l[:19] }), first + 19, 0},
		{"the fifth is taken out", set, with(func(l [][]byte) [][]byte { return slices.Delete(l, 4, 5) }), first + 4, 0},
		{"two are exchanged", set, with(func(l [][]byte) [][]byte { l[7], l[9] = l[9], l[7]; return l }), first + 7, 0},
		{"a part is named twice", `UPDATE audit_leaf SET part = 5 WHERE intake = $1 AND part = 6`, []any{row}, first + 6, 0},
		{
			"an event is put in front of one that stands alone",
			`WITH x AS (UPDATE event_intake SET leaf = $1 WHERE id = $2) UPDATE audit_leaf SET part = 1 WHERE intake = $2`,
			[]any{packed(t, extra, alone.Body), alone.Row},
			alone.Index, 0,
		},
		{
			"an event is put in front of the first of all",
			`WITH x AS (INSERT INTO event_intake (id, tenant, leaf) OVERRIDING SYSTEM VALUE VALUES (0, 1, $1)), y AS (DELETE FROM event_intake WHERE id = $2)
			UPDATE audit_leaf SET intake = 0, part = 1 WHERE intake = $2`,
			[]any{packed(t, extra, all[0].Body), all[0].Row},
			0, 0,
		},
		{
			"an event is taken out into a row of its own, and the row keeps it",
			`WITH x AS (INSERT INTO event_intake (tenant, leaf) VALUES (1, $1) RETURNING id)
			UPDATE audit_leaf SET intake = x.id, part = 0 FROM x WHERE audit_leaf.intake = $2 AND part = 3`,
			[]any{leaves[3], row},
			first + 3, 0,
		},
	} {
		exec(t, conn, c.sql, c.args...)
		var bad *tree.BadError
		if err := check(); !errors.As(err, &bad) || bad.Index < c.bad || bad.Index > max(c.bad, c.most) {
			t.Errorf("%s: the check says %v, want index %d", c.name, err, c.bad)
		}
		exec(t, conn, `DELETE FROM event_intake`)
		exec(t, conn, `INSERT INTO event_intake OVERRIDING SYSTEM VALUE SELECT * FROM kept_intake`)
		exec(t, conn, `DELETE FROM audit_leaf`)
		exec(t, conn, `INSERT INTO audit_leaf SELECT * FROM kept_leaf`)
		if err := check(); err != nil {
			t.Fatalf("after %s and back: %v", c.name, err)
		}
	}
}

// What is no row of the service's is refused as a whole.
func TestForgedRowsOfSeveralEventsAreRefused(t *testing.T) {
	v, conn := onPostgres(t)
	v.Tampered()
	for i := range 40 {
		v.Put(t, fmt.Sprint("c-", i), "customer", "self", map[string]string{"email": email})
	}
	readMany(t, v, v.Vault)
	_, genuine, mac := lastRow(t, conn)
	leaves := unpacked(t, genuine)
	sequence(t, v.Vault)
	before := len(logged(t, v))
	keepers := func() []byte {
		return leafOf(t, func(e *audit.Event) { e.Actor, e.Action = "local:root", "keys" })
	}
	fresh := leafOf(t, func(*audit.Event) {})
	forged := []vault.Intake{
		{Leaf: genuine, MAC: mac},   // copied
		{Leaf: genuine},             // without its MAC
		{Leaf: leaves[0], MAC: mac}, // a part of it
		{Leaf: packed(t, leaves[1:]...), MAC: mac},
		{Leaf: packed(t, append(slices.Clone(leaves), fresh)...), MAC: mac},
		{Leaf: packed(t, keepers(), fresh)},
		{Leaf: packed(t, keepers(), keepers())}, // a row without a MAC holds one event
		{Leaf: keepers(), MAC: mac},
		{Leaf: genuine[:len(genuine)-1], MAC: mac},
		{Leaf: []byte{1}},
	}
	for _, f := range forged {
		exec(t, conn, `INSERT INTO event_intake (tenant, leaf, mac) VALUES (1, $1, $2)`, f.Leaf, f.MAC)
	}
	exec(t, conn, `INSERT INTO event_intake (tenant, leaf) VALUES (1, $1)`, keepers())
	sequence(t, v.Vault)
	sequence(t, v.Vault)
	if n := len(logged(t, v)); n != before+1 {
		t.Errorf("%d more events are in the log, want the one of the keeper's row", n-before)
	}
	if n := v.LogStats().Refused; n != int64(len(forged)) {
		t.Errorf("%d rows were refused, want %d", n, len(forged))
	}
	r, err := v.Check(vault.Tenant{ID: 1, Name: vaulttest.Tenant}).Run(t.Context())
	if err != nil || r.Stray != int64(len(forged)) {
		t.Errorf("the check finds %d strays: %v", r.Stray, err)
	}
}

// A row that is changed before its turn, and was written by another node, is refused,
// whichever of its events is another.
func TestARowOfSeveralEventsThatIsChangedBeforeItsTurnIsRefused(t *testing.T) {
	v, conn := onPostgres(t)
	v.Tampered()
	for i := range 40 {
		v.Put(t, fmt.Sprint("c-", i), "customer", "self", map[string]string{"email": email})
	}
	sequence(t, v.Vault)
	other, fresh := v.Node(t, nil), leafOf(t, func(*audit.Event) {})
	for _, change := range []func([][]byte) [][]byte{
		func(l [][]byte) [][]byte { l[0] = fresh; return l },
		func(l [][]byte) [][]byte { l[1] = fresh; return l },
		func(l [][]byte) [][]byte { l[19] = fresh; return l },
		func(l [][]byte) [][]byte { return append(l, fresh) },
		func(l [][]byte) [][]byte { return l[:19] },
		func(l [][]byte) [][]byte { return l[:1] },
		func(l [][]byte) [][]byte { l[3], l[4] = l[4], l[3]; return l },
	} {
		readMany(t, v, other)
		id, row, _ := lastRow(t, conn)
		exec(t, conn, `SET session_replication_role = replica`)
		exec(t, conn, `UPDATE event_intake SET leaf = $1 WHERE id = $2`, packed(t, change(unpacked(t, row))...), id)
		before, refused := len(logged(t, v)), v.LogStats().Refused
		sequence(t, v.Vault)
		if n, r := len(logged(t, v))-before, v.LogStats().Refused-refused; n != 20 || r != 1 {
			t.Errorf("%d more events are in the log and %d rows were refused, want those of the other row and the one that was changed", n, r)
		}
	}
}

// A row without a MAC, which anybody can write who can write rows at all, never keeps an
// event out of the log by having its id, although it stands before it.
func TestAForgedRowKeepsNoEventOut(t *testing.T) {
	v, conn := onPostgres(t)
	v.Tampered()
	for i := range 40 {
		v.Put(t, fmt.Sprint("c-", i), "customer", "self", map[string]string{"email": email})
	}
	sequence(t, v.Vault)
	before := len(logged(t, v))
	var gap int64 // the first of ids that nobody else uses
	if err := conn.QueryRow(t.Context(), `SELECT min(nextval(pg_get_serial_sequence('event_intake', 'id'))) FROM generate_series(1, 40)`).Scan(&gap); err != nil {
		t.Fatal(err)
	}
	readMany(t, v, v.Node(t, nil))
	for _, e := range v.Events(t)[before:] {
		leaf := leafOf(t, func(f *audit.Event) { f.Actor, f.Action = "local:root", "keys" })
		leaf = bytes.Replace(leaf, idOf(t, leaf), []byte(e.ID.String()), 1)
		exec(t, conn, `INSERT INTO event_intake (id, tenant, leaf) OVERRIDING SYSTEM VALUE VALUES ($1, 1, $2)`, gap, leaf)
		gap++
	}
	sequence(t, v.Vault)
	sequence(t, v.Vault)
	if n, r := len(logged(t, v))-before, v.LogStats().Refused; n != 40 || r != 40 {
		t.Errorf("%d more events are in the log and %d rows were refused, want the 40 that are genuine and the 40 that are not", n, r)
	}
	if r, err := v.Check(vault.Tenant{ID: 1, Name: vaulttest.Tenant}).Run(t.Context()); err != nil || r.Stray != 40 {
		t.Errorf("the check finds %d strays: %v", r.Stray, err)
	}
}

// idOf is the id of a leaf's event, as it stands in it.
func idOf(t *testing.T, leaf []byte) []byte {
	t.Helper()
	e, err := audit.ParseLeaf(leaf)
	if err != nil {
		t.Fatal(err)
	}
	return []byte(e.ID.String())
}

// A tenant's log can be pruned in the midst of a request's events, and still verifies.
func TestPruningInTheMidstOfARow(t *testing.T) {
	v, _ := onPostgres(t)
	v.Tampered() // fsck misses the events of writing
	for i := range 40 {
		v.Put(t, fmt.Sprint("c-", i), "customer", "self", map[string]string{"email": email})
	}
	for range 20 {
		readMany(t, v, v.Vault)
	}
	sequence(t, v.Vault)
	all := logged(t, v)
	straddles := func(i int) bool { return all[i].Part > 0 }
	if !straddles(256) || !straddles(512) {
		t.Fatalf("entries 256 and 512 are parts %d and %d of their rows", all[256].Part, all[512].Part)
	}
	gone := func() (n int64) {
		for _, x := range logged(t, v) {
			if x.Body == nil {
				n++
			}
		}
		return n
	}
	for _, bundle := range []int64{1, 2} {
		want := bundle*256 - int64(all[bundle*256].Part)
		deleted := 0
		below, err := v.PruneLog(t.Context(), v.Operator(), v.Clock.Now().Add(time.Minute), bundle*256, func(n int) { deleted = n })
		if err != nil || below != want || gone() != want {
			t.Errorf("pruned below %d, want %d: %d events are gone, %v", below, want, gone(), err)
		}
		if bundle == 1 && deleted != int(want) {
			t.Errorf("%d events were said to be deleted, want %d", deleted, want)
		}
		sequence(t, v.Vault)
		if r, err := v.Check(vault.Tenant{ID: 1, Name: vaulttest.Tenant}).Run(t.Context()); err != nil || r.Pruned != want {
			t.Errorf("the check finds %d pruned events, want %d: %v", r.Pruned, want, err)
		}
	}
}
