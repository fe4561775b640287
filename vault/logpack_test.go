package vault_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math"
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

// So do events of writing, whose clock does not stand still meanwhile.
func TestEventsOfAWriteShareRows(t *testing.T) {
	v, conn := onPostgres(t)
	ticking, err := vault.New(t.Context(), vault.Config{
		Store: v.Store, Ring: v.Ring, NewID: vaulttest.NewID, Logger: slog.New(slog.DiscardHandler), Log: vault.LogConfig{Origin: vaulttest.Origin},
		Now: func() time.Time { v.Clock.Advance(time.Millisecond); return v.Clock.Now() },
	})
	if err != nil {
		t.Fatal(err)
	}
	ws := make([]vault.Write, 40)
	for i := range ws {
		ws[i] = vault.Write{Subject: fmt.Sprint("c-", i), Collection: "customer", Record: "self", Fields: vaulttest.Values(map[string]string{"email": email})}
	}
	before := len(v.Events(t))
	from, _, _ := lastRow(t, conn)
	if _, err := ticking.PutBatch(t.Context(), v.As("app", "support"), ws, vault.Idempotency{}); err != nil {
		t.Fatal(err)
	}
	if to, _, _ := lastRow(t, conn); to != from+2 {
		t.Errorf("40 events stand in %d rows, want 2", to-from)
	}
	for i, e := range v.Events(t)[before:] {
		if first, part := trail.SplitID(e.ID); part != i%20 || first != trail.FirstID(v.Events(t)[before+i-part].ID) {
			t.Errorf("event %d has the id %v", i, e.ID)
		}
	}
	sequence(t, v.Vault)
	if r, err := v.Check(vault.Tenant{ID: 1, Name: vaulttest.Tenant}).Run(t.Context()); err != nil || r.Stray != 0 {
		t.Errorf("the check finds %d strays: %v", r.Stray, err)
	}
}

// Who may add rows keeps no event out of the log by saying that it is in another one.
func TestALeafOfAnotherLogKeepsNoEventOut(t *testing.T) {
	v, conn := onPostgres(t)
	v.Put(t, "c-1", "customer", "self", map[string]string{"email": email})
	sequence(t, v.Vault)
	before := len(logged(t, v))
	items := []vault.Item{{Subject: "c-1", Collection: "customer", Record: "self", Fields: []string{"email"}}}
	for i := range 5 {
		if _, err := v.Node(t, nil).Reveal(t.Context(), v.As("app", "support"), items); err != nil {
			t.Fatal(err)
		}
		row, leaf, _ := lastRow(t, conn)
		exec(t, conn, `INSERT INTO audit_leaf (tenant, idx, intake, at, event, hashes) VALUES ($1, 0, $2, now(), $3, sha256($4))`, 1000+i, row, idOf(t, leaf), leaf)
	}
	exec(t, conn, `INSERT INTO audit_leaf (tenant, idx, intake, at, event, hashes)
		SELECT 2000, n, (SELECT max(id) FROM event_intake) + 1 + n, now(), gen_random_uuid(), sha256('') FROM generate_series(0, 99) n`) // of ids that are given later
	v.Clock.Advance(time.Minute)
	next := v.Node(t, nil) // which looks what is in the log before it takes the lead
	sequence(t, next)
	read := func(by *vault.Vault) {
		if _, err := by.Reveal(t.Context(), v.As("app", "support"), items); err != nil {
			t.Fatal(err)
		}
	}
	for range 5 {
		read(next)
		read(v.Node(t, nil))
		sequence(t, next)
	}
	v.Clock.Advance(2 * time.Second)
	sequence(t, next)
	if n := len(logged(t, v)) - before; n != 15 {
		t.Errorf("%d more events are in the log, want 15", n)
	}
	if r, err := v.Check(vault.Tenant{ID: 1, Name: vaulttest.Tenant}).Run(t.Context()); err != nil || r.Stray != 0 {
		t.Errorf("the check finds %d strays: %v", r.Stray, err)
	}
}

// A tampering is of a log of which the last row holds the 20 events from first on.
type tampering struct {
	v     *vaulttest.Vault
	conn  *pgx.Conn
	all   []trail.Entry
	row   int64
	first int64
	leaf  []byte // what the row holds
}

func newTampering(t *testing.T) *tampering {
	t.Helper()
	v, conn := onPostgres(t)
	v.Tampered()
	for i := range 40 {
		v.Put(t, fmt.Sprint("c-", i), "customer", "self", map[string]string{"email": email})
	}
	readMany(t, v, v.Vault)
	sequence(t, v.Vault)
	x := &tampering{v: v, conn: conn, all: logged(t, v)}
	x.row, x.leaf, _ = lastRow(t, conn)
	x.first = int64(len(x.all) - 20)
	if e := x.all[x.first]; e.Row != x.row || e.Part != 0 || e.Rest != 19 {
		t.Fatalf("entry %d is part %d of row %d", x.first, e.Part, e.Row)
	}
	exec(t, conn, `SET session_replication_role = replica`)
	exec(t, conn, `DO $$ DECLARE c text; BEGIN
		FOR c IN SELECT conname FROM pg_constraint WHERE conrelid = 'audit_leaf'::regclass AND contype = 'c' LOOP EXECUTE 'ALTER TABLE audit_leaf DROP CONSTRAINT ' || c; END LOOP;
	END $$`)
	exec(t, conn, `CREATE TABLE kept_intake AS SELECT * FROM event_intake`)
	exec(t, conn, `CREATE TABLE kept_leaf AS SELECT * FROM audit_leaf`)
	return x
}

// is does one thing by SQL, and wants that the check names an index, or one up to most.
func (x *tampering) is(t *testing.T, name string, bad, most int64, sql string, args ...any) {
	t.Helper()
	exec(t, x.conn, sql, args...)
	check := func() error {
		_, err := x.v.Check(vault.Tenant{ID: 1, Name: vaulttest.Tenant}).Run(t.Context())
		return err
	}
	var of *tree.BadError
	if err := check(); !errors.As(err, &of) || of.Index < bad || of.Index > max(bad, most) {
		t.Errorf("%s: the check says %v, want index %d", name, err, bad)
	}
	exec(t, x.conn, `DELETE FROM event_intake`)
	exec(t, x.conn, `INSERT INTO event_intake OVERRIDING SYSTEM VALUE SELECT * FROM kept_intake`)
	exec(t, x.conn, `DELETE FROM audit_leaf`)
	exec(t, x.conn, `INSERT INTO audit_leaf SELECT * FROM kept_leaf`)
	if err := check(); err != nil {
		t.Fatalf("after %s and back: %v", name, err)
	}
}

// The check finds whatever is changed in a row of several events, and names the first
// event that it is about.
func TestACheckFindsWhatIsChangedInARow(t *testing.T) {
	x := newTampering(t)
	row, leaf, first, leaves := x.row, x.leaf, x.first, unpacked(t, x.leaf)
	with := func(change func([][]byte) [][]byte) []any {
		return []any{packed(t, change(slices.Clone(leaves))...), row}
	}
	var rowBefore []byte
	if err := x.conn.QueryRow(t.Context(), `SELECT leaf FROM event_intake WHERE id = $1`, row-1).Scan(&rowBefore); err != nil {
		t.Fatal(err)
	}
	alone := x.all[slices.IndexFunc(x.all[2:], func(e trail.Entry) bool { return e.Part == 0 && e.Rest == 0 })+2]
	if x.all[0].Rest != 0 || x.all[alone.Index-1].Rest != 0 {
		t.Fatal("the log does not begin as this test has it")
	}
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
		{
			"an event is put in front of one that stands alone", set,
			[]any{packed(t, extra, alone.Body), alone.Row},
			alone.Index, 0,
		},
		{
			"an event is put in front of the first of all",
			`WITH x AS (INSERT INTO event_intake (id, tenant, leaf) OVERRIDING SYSTEM VALUE VALUES (0, 1, $1)), y AS (DELETE FROM event_intake WHERE id = $2)
			UPDATE audit_leaf SET intake = 0 WHERE intake = $2`,
			[]any{packed(t, extra, x.all[0].Body), x.all[0].Row},
			0, 0,
		},
		{
			"an event is taken out into a row of its own, and the row keeps it",
			`WITH x AS (INSERT INTO event_intake (tenant, leaf) VALUES (1, $1) RETURNING id),
			y AS (INSERT INTO audit_leaf SELECT idx + 3, x.id, at, tenant, event, substr(about, 49, 16), substr(hashes, 97, 32) FROM audit_leaf, x WHERE intake = $2)
			UPDATE audit_leaf SET about = substr(about, 1, 48), hashes = substr(hashes, 1, 96) WHERE intake = $2`,
			[]any{leaves[3], row},
			first + 3, 0,
		},
	} {
		x.is(t, c.name, c.bad, c.most, c.sql, c.args...)
	}
}

// The check finds whatever is changed in a row of leaves, or added to them.
func TestACheckFindsWhatIsChangedInARowOfLeaves(t *testing.T) {
	x := newTampering(t)
	first, size := x.first, int64(len(x.all))
	const added = `INSERT INTO audit_leaf SELECT %s, -1, %s, tenant, event, %s, %s FROM audit_leaf WHERE intake = $1`
	for _, c := range []struct {
		name string
		sql  string
		bad  int64
	}{
		{"its last leaves are cut off", `UPDATE audit_leaf SET about = substr(about, 1, 160), hashes = substr(hashes, 1, 320) WHERE intake = $1`, first + 10},
		{
			"its leaves are in two rows",
			`WITH x AS (INSERT INTO audit_leaf SELECT idx + 10, -1, at, tenant, event, substr(about, 161), substr(hashes, 321) FROM audit_leaf WHERE intake = $1)
			UPDATE audit_leaf SET about = substr(about, 1, 160), hashes = substr(hashes, 1, 320) WHERE intake = $1`,
			first + 10,
		},
		{"a leaf is there twice", `INSERT INTO audit_leaf SELECT idx + 5, -1, at, tenant, event, substr(about, 81, 16), substr(hashes, 161, 32) FROM audit_leaf WHERE intake = $1`, first + 5},
		{
			"a leaf is there twice, and another is missing",
			`WITH x AS (INSERT INTO audit_leaf SELECT idx + 5, -1, at, tenant, event, substr(about, 81, 16), substr(hashes, 161, 32) FROM audit_leaf WHERE intake = $1)
			UPDATE audit_leaf SET about = substr(about, 1, 304), hashes = substr(hashes, 1, 608) WHERE intake = $1`,
			first + 5,
		},
		{"all are there twice", `INSERT INTO audit_leaf SELECT idx + 1, -1, at, tenant, event, substr(about, 17), substr(hashes, 33) FROM audit_leaf WHERE intake = $1`, first + 1},
		{"a leaf is added at the end", `UPDATE audit_leaf SET about = about || substr(about, 1, 16), hashes = hashes || substr(hashes, 1, 32) WHERE intake = $1`, first + 20},
		{"a hash is another", `UPDATE audit_leaf SET hashes = overlay(hashes placing substr(hashes, 1, 32) from 193) WHERE intake = $1`, first + 6},
		{"two hashes are exchanged", `UPDATE audit_leaf SET hashes = overlay(overlay(hashes placing substr(hashes, 1, 32) from 193) placing substr(hashes, 193, 32) from 1) WHERE intake = $1`, first},
		{"a person is another", `UPDATE audit_leaf SET about = overlay(about placing substr(about, 1, 16) from 97) WHERE intake = $1`, first + 6},
		{"a person is nobody", `UPDATE audit_leaf SET about = overlay(about placing decode(repeat('00', 16), 'hex') from 97) WHERE intake = $1`, first + 6},
		{"all are nobody", `UPDATE audit_leaf SET about = NULL WHERE intake = $1`, first},
		{"a person is missing", `UPDATE audit_leaf SET about = substr(about, 1, 304) WHERE intake = $1`, first},
		{"nobody is written another way", `UPDATE audit_leaf SET about = decode(repeat('00', 16), 'hex') WHERE idx = 0 AND about IS NULL AND $1 > 0`, 0},
		{"the id of the first is another part's", `UPDATE audit_leaf SET event = (left(event::text, -1) || '1')::uuid WHERE intake = $1`, first},
		{"the id is another", `UPDATE audit_leaf SET event = gen_random_uuid() WHERE intake = $1`, first},
		{"the time is another", `UPDATE audit_leaf SET at = at + interval '1 microsecond' WHERE intake = $1`, first},
		{"a byte is put behind the hashes", `UPDATE audit_leaf SET hashes = hashes || '\x00' WHERE intake = $1`, first},
		{"a byte is put behind the people", `UPDATE audit_leaf SET about = about || '\x00' WHERE intake = $1`, first},
		{"there are no hashes", `UPDATE audit_leaf SET hashes = '' WHERE intake = $1`, first},
		{
			"they are in a row of more than there may be",
			`WITH x AS (DELETE FROM audit_leaf WHERE intake = $1 RETURNING *)
			UPDATE audit_leaf l SET about = l.about || x.about, hashes = l.hashes || x.hashes FROM x WHERE l.intake = $1 - 1`,
			first - 20,
		},
		{"the time is endless", `UPDATE audit_leaf SET at = 'infinity' WHERE intake = $1`, first},
		{"a leaf stands beyond", fmt.Sprintf(added, fmt.Sprint(size+5), "at", "NULL", "substr(hashes, 1, 32)"), size + 5},
		{"a leaf stands at the last place that there is", fmt.Sprintf(added, "9223372036854775807", "at", "NULL", "substr(hashes, 1, 32)"), math.MaxInt64},
		{"leaves stand beyond the last place that there is", fmt.Sprintf(added, "9223372036854775806", "at", "about", "hashes"), math.MaxInt64 - 1},
		{"a leaf of an endless time stands in its midst", fmt.Sprintf(added, "idx + 5", "'infinity'", "NULL", "substr(hashes, 1, 32)"), first + 5},
		{"leaves that are none stand in the last place", fmt.Sprintf(added, fmt.Sprint(size-1), "at", "decode(repeat('00', 32), 'hex')", "substr(hashes, 1, 64)"), size - 1},
	} {
		x.is(t, c.name, c.bad, c.bad, c.sql, x.row)
	}
}

// No event is proven by another's leaf.
func TestAProofIsOfTheEventItself(t *testing.T) {
	x := newTampering(t)
	prove := func(i int64) error {
		_, err := x.v.Check(vault.Tenant{ID: 1, Name: vaulttest.Tenant}).ProveEvent(t.Context(), x.all[i].Event)
		return err
	}
	if err := prove(x.first + 5); err != nil {
		t.Fatal(err)
	}
	exec(t, x.conn, `UPDATE audit_leaf SET event = (SELECT b.event FROM audit_leaf b WHERE b.intake = $1 - 1) WHERE intake = $1`, x.row)
	exec(t, x.conn, `UPDATE audit_leaf SET event = $2 WHERE intake = $1 - 1`, x.row, x.all[x.first].Event)
	for _, i := range []int64{x.first, x.first + 5, x.first - 20, x.first - 1} {
		if err := prove(i); !errors.Is(err, trail.ErrAltered) {
			t.Errorf("event %d is proven by another's leaf: %v", i, err)
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
	firsts := int64(0)
	for _, e := range v.Events(t)[before:] {
		if e.ID != trail.FirstID(e.ID) {
			continue // a row of one event with such an id is none
		}
		firsts++
		leaf := leafOf(t, func(f *audit.Event) { f.Actor, f.Action = "local:root", "keys" })
		leaf = bytes.Replace(leaf, idOf(t, leaf), []byte(e.ID.String()), 1)
		exec(t, conn, `INSERT INTO event_intake (id, tenant, leaf) OVERRIDING SYSTEM VALUE VALUES ($1, 1, $2)`, gap, leaf)
		gap++
	}
	sequence(t, v.Vault)
	sequence(t, v.Vault)
	if n, r := len(logged(t, v))-before, v.LogStats().Refused; n != 40 || firsts != 2 || r != firsts {
		t.Errorf("%d more events are in the log and %d rows were refused, want the 40 that are genuine and the %d that are not", n, r, firsts)
	}
	if r, err := v.Check(vault.Tenant{ID: 1, Name: vaulttest.Tenant}).Run(t.Context()); err != nil || r.Stray != firsts {
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
