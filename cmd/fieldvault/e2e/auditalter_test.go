//go:build e2e

package e2e_test

import (
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
)

// logTables are those of the audit log.
func (w *world) logTables() []string {
	return append(w.treeTables(), "event_intake", "audit_pruned")
}

// treeTables are those of them that the service grows by itself.
func (w *world) treeTables() []string {
	list := []string{"audit_leaf", "audit_node", "audit_checkpoint"}
	if w.production {
		list = append(list, "audit_run")
	}
	return list
}

// asTheyWere runs f with the triggers of tables away, and then puts all their rows back.
// They must not grow meanwhile.
func (w *world) asTheyWere(t *testing.T, tables []string, f func()) {
	t.Helper()
	for _, table := range tables {
		w.sql(t, `CREATE TABLE kept_`+table+` AS SELECT * FROM `+table)
		defer w.sql(t, `DROP TABLE kept_`+table)
	}
	w.untriggered(t, tables, func() {
		f()
		for _, table := range tables {
			w.sql(t, `DELETE FROM `+table)
			w.sql(t, w.insertInto(table)+`SELECT * FROM kept_`+table)
		}
	})
}

// untriggered runs f with the triggers of tables away.
func (w *world) untriggered(t *testing.T, tables []string, f func()) {
	t.Helper()
	if len(tables) == 0 {
		f()
		return
	}
	w.restoring(t, tables[0], func() { w.untriggered(t, tables[1:], f) })
}

// insertInto is the beginning of a statement that inserts rows with all their columns.
func (w *world) insertInto(table string) string {
	if w.production && table == "event_intake" {
		return `INSERT INTO ` + table + ` OVERRIDING SYSTEM VALUE `
	}
	return `INSERT INTO ` + table + ` `
}

// An alteration is what somebody does to a log, and the index that verify must name.
type alteration struct {
	name  string
	index int64
	do    []string // SQL, about tenant $1
}

// do does an alteration to the log of a tenant.
func (w *world) alter(t *testing.T, l logState, a alteration) {
	t.Helper()
	for _, q := range a.do {
		w.sql(t, strings.ReplaceAll(q, "$1", fmt.Sprint(l.tenant)))
	}
}

// altered does alterations one by one, and wants that verify names the index of each.
func (w *world) altered(t *testing.T, l logState, list []alteration) {
	t.Helper()
	for _, a := range list {
		t.Run(a.name, func(t *testing.T) {
			w.asTheyWere(t, w.logTables(), func() {
				w.alter(t, l, a)
				w.bad(t, a.name, a.index, l.name, "--store")
			})
		})
	}
	w.verifies(t, "put back", l.name, "--store")
}

// inLeaves names the row of audit_leaf that an index of the log is in. On PostgreSQL those
// of events that share a row of the intake share one.
func inLeaves(i int64) string {
	return fmt.Sprintf(`tenant = $1 AND idx = (SELECT max(idx) FROM audit_leaf WHERE tenant = $1 AND idx <= %d)`, i)
}

// ofIndex names the row of the intake that an index of the log has.
func ofIndex(i int64) string {
	return `id = (SELECT intake FROM audit_leaf WHERE ` + inLeaves(i) + `)`
}

// leavesOf is the first index of the row of audit_leaf that an index of the log is in.
func (w *world) leavesOf(t *testing.T, l logState, i int64) int64 {
	t.Helper()
	return w.one(t, `SELECT max(idx) FROM audit_leaf WHERE tenant = $1 AND idx <= $2`, l.tenant, i).(int64)
}

// rowOf is the first index of the log whose event stands in the same row as that of an
// index: what is done to the row is done to it.
func (w *world) rowOf(t *testing.T, l logState, i int64) int64 {
	t.Helper()
	return w.one(t, `SELECT min(idx) FROM audit_leaf WHERE tenant = $1 AND intake = (SELECT intake FROM audit_leaf WHERE `+strings.ReplaceAll(inLeaves(i), "= $1", "= $2")+`)`, l.tenant, l.tenant).(int64)
}

// alike are the first indexes of two rows of audit_leaf with as many leaves, which lie
// between the bounds, one before and one behind middle if there are such.
func (w *world) alike(t *testing.T, l logState, from, to, middle int64) (one, other int64) {
	t.Helper()
	if !w.production {
		return from + 20, middle // each leaf has a row
	}
	const ends = `idx + octet_length(hashes) / 32`
	list := w.rows(t, `SELECT x.idx, y.idx FROM (SELECT *, `+ends+` AS beyond FROM audit_leaf) x JOIN (SELECT *, `+ends+` AS beyond FROM audit_leaf) y
		ON x.tenant = y.tenant AND octet_length(x.hashes) = octet_length(y.hashes)
		WHERE x.tenant = $1 AND x.idx >= $2 AND y.idx >= x.beyond AND y.beyond <= $3 ORDER BY x.beyond > $4 OR y.idx < $4, x.idx LIMIT 1`, l.tenant, from, to, middle)
	if len(list) == 0 {
		t.Fatal("no two rows have as many leaves")
	}
	return list[0][0].(int64), list[0][1].(int64)
}

// bytesOf is some bytes in SQL, another value each time.
func (w *world) bytesOf(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	if w.production {
		return fmt.Sprintf(`'\x%x'`, b)
	}
	return fmt.Sprintf(`x'%x'`, b)
}

// flipped is a column of bytes with its byte n, from 0, changed.
func (w *world) flipped(column string, n int) string {
	if w.production {
		return fmt.Sprintf(`set_byte(%s, %d, get_byte(%[1]s, %[2]d) # 1)`, column, n)
	}
	// A byte of hexadecimal digits, exchanged for another.
	return fmt.Sprintf(`CAST(substr(%s, 1, %d) || CASE substr(%[1]s, %[3]d, 1) WHEN x'31' THEN x'32' ELSE x'31' END || substr(%[1]s, %[4]d) AS BLOB)`, column, n, n+1, n+2)
}

// swap exchanges a column of two rows.
func swap(table, column, a, b string) []string {
	return []string{
		`CREATE TABLE swapping AS SELECT ` + column + ` AS x, 1 AS n FROM ` + table + ` WHERE tenant = $1 AND ` + a,
		`INSERT INTO swapping SELECT ` + column + `, 2 FROM ` + table + ` WHERE tenant = $1 AND ` + b,
		`UPDATE ` + table + ` SET ` + column + ` = (SELECT x FROM swapping WHERE n = 2) WHERE tenant = $1 AND ` + a,
		`UPDATE ` + table + ` SET ` + column + ` = (SELECT x FROM swapping WHERE n = 1) WHERE tenant = $1 AND ` + b,
		`DROP TABLE swapping`,
	}
}

// leafAt sets columns of the row of audit_leaf that an index of the log is in.
func leafAt(set string, i int64) string {
	return `UPDATE audit_leaf SET ` + set + ` WHERE ` + inLeaves(i)
}

// eventAt sets columns of the row of the intake that an index of the log has.
func eventAt(set string, i int64) string {
	return `UPDATE event_intake SET ` + set + ` WHERE ` + ofIndex(i)
}

// hashAt sets the hash of a leaf to 32 bytes, and aboutAt the person to 16.
func (w *world) hashAt(hash string, i int64) string {
	if w.production {
		return leafAt(fmt.Sprintf(`hashes = overlay(hashes placing %s from 32 * (%d - idx::integer) + 1)`, hash, i), i)
	}
	return leafAt("hash = "+hash, i)
}

func (w *world) aboutAt(uid string, i int64) string {
	if w.production {
		return leafAt(fmt.Sprintf(`about = overlay(about placing %s from 16 * (%d - idx::integer) + 1)`, uid, i), i)
	}
	return leafAt("about = "+uid, i)
}

// swappedPlaces exchanges the indexes of two leaves.
func swappedPlaces(a, b int64) []string {
	const free = 1 << 40
	return []string{
		leafAt(fmt.Sprint("idx = ", free), a), leafAt(fmt.Sprint("idx = ", a), b), leafAt(fmt.Sprint("idx = ", b), free),
	}
}

// swappedRows exchanges the events that two leaves name.
func swappedRows(a, b int64) []string {
	const row = `intake = (SELECT x FROM swapping WHERE n = %d)`
	return []string{
		fmt.Sprintf(`CREATE TABLE swapping AS SELECT intake AS x, idx AS n FROM audit_leaf WHERE tenant = $1 AND idx IN (%d, %d)`, a, b),
		leafAt("intake = -1", a), leafAt(fmt.Sprintf(row, a), b), leafAt(fmt.Sprintf(row, b), a),
		`DROP TABLE swapping`,
	}
}

// The events of a log, what stands beside them, and their order.
func alteredEntries(t *testing.T, w *world) {
	l := w.logOf(t, "default")
	another, later, hash := w.bytesOf(32), "at = at + 1", "hash"
	event, nobody := "event = "+w.bytesOf(16), "NULL"
	if w.production {
		later, event = "at = at + interval '1 microsecond'", "event = gen_random_uuid()"
		hash, nobody = "hashes", `decode(repeat('00', 16), 'hex')`
	}
	deleted := func(i int64) string { return `DELETE FROM event_intake WHERE ` + ofIndex(i) }
	edited := func(i int64) string { return eventAt("leaf = "+w.flipped("leaf", 20), i) }
	last := l.size - 1
	row := func(i int64) int64 { return w.rowOf(t, l, i) }
	leaves := func(i int64) int64 { return w.leavesOf(t, l, i) }
	if row(300) == 300 || row(2) != 2 || row(3) != 3 || row(20) == row(60) || row(320) <= 300 || row(350) <= 300 || row(400) == row(450) {
		t.Fatal("the log has other rows than this test is about")
	}
	w.altered(t, l, []alteration{
		{"an event deleted", 2, []string{deleted(2)}},
		{"several events deleted", row(300), []string{deleted(300)}},
		{"the first event deleted", 0, []string{deleted(0)}},
		{"the last event deleted", row(last), []string{deleted(last)}},
		{"two events deleted", row(100), []string{deleted(300), deleted(100)}},
		{"all events deleted", 0, []string{`DELETE FROM event_intake WHERE tenant = $1`}},
		{"a byte of an event", 2, []string{edited(2)}},
		{"a byte of several events", row(77), []string{edited(77)}},
		{"a byte of the last event", row(last), []string{edited(last)}},
		{"an event emptied", row(78), []string{eventAt("leaf = "+w.bytesOf(0), 78)}},
		{"an event of another tenant", row(60), []string{eventAt("tenant = tenant + 1", 60)}},
		{"the column of the person", 40, []string{w.aboutAt(w.bytesOf(16), 40)}},
		{"the column of the person emptied", 41, []string{w.aboutAt(nobody, 41), w.aboutAt(w.bytesOf(16), 45)}},
		{"the column of the time", leaves(42), []string{leafAt(later, 42)}},
		{"the column of the id", leaves(43), []string{leafAt(event, 43)}},
		{"a column before a byte", leaves(300), []string{leafAt(later, 300), edited(320)}},
		{"a byte before a column", row(300), []string{edited(300), leafAt(later, 350)}},
		{"the events of two rows exchanged", row(10), swap("event_intake", "leaf", ofIndex(10), ofIndex(400))},
		{"the rows of two leaves exchanged", leaves(20), swappedRows(leaves(20), leaves(60))},
		{"an event and its hash", 256, append(swap("event_intake", "leaf", ofIndex(400), ofIndex(450)), swap("audit_leaf", hash, inLeaves(400), inLeaves(450))...)},
		// All of a leaf moves, so that nothing says which of a tile's is at fault: the first is named.
		{"the places of two leaves exchanged", 0, swappedPlaces(w.alike(t, l, 0, 256, 30))},
		{"the places of two later leaves exchanged", 256, swappedPlaces(w.alike(t, l, 256, 512, 310))},
		{"a place in one tile for one in another", 0, swappedPlaces(w.alike(t, l, 0, 512, 256))},
		{"an event for which there is none", leaves(200), []string{leafAt("intake = -1", 200)}},
		{"a hash and an event after it", 1, []string{edited(2), w.hashAt(another, 1)}},
	})
}

// The hashes of a log, its length, and what was signed of it.
func alteredTree(t *testing.T, w *world) {
	l := w.logOf(t, "default")
	signed := w.rows(t, `SELECT size FROM audit_checkpoint WHERE tenant = $1 ORDER BY size`, l.tenant)
	first, before := signed[3][0].(int64), signed[len(signed)-2][0].(int64)
	n, another := l.size, w.bytesOf(32)
	leaves := func(i int64) int64 { return w.leavesOf(t, l, i) }
	node := func(i int) string {
		return fmt.Sprintf(`UPDATE audit_node SET hash = %s WHERE tenant = $1 AND level = 1 AND n = %d`, another, i)
	}
	added := func(i int64) string {
		columns := `about, event, at, tenant, hash, part`
		if w.production {
			columns = `about, event, at, tenant, hashes`
		}
		return fmt.Sprintf(`INSERT INTO audit_leaf (idx, intake, `+columns+`) SELECT %d, -1, `+columns+` FROM audit_leaf WHERE `, i) + inLeaves(7)
	}
	checkpoint := func(set string, size int64) string {
		return fmt.Sprintf(`UPDATE audit_checkpoint SET signed = %s WHERE tenant = $1 AND size = %d`, set, size)
	}
	ofSize := func(size int64) string {
		return fmt.Sprintf(`(SELECT signed FROM audit_checkpoint WHERE tenant = $1 AND size = %d)`, size)
	}
	w.altered(t, l, []alteration{
		{"the hash of a leaf", 100, []string{w.hashAt(another, 100)}},
		{"the hash of the last leaf", n - 1, []string{w.hashAt(another, n-1)}},
		{"the hash of the first subtree", 0, []string{node(0)}},
		{"the hash of the second subtree", 256, []string{node(1)}},
		{"the second subtree deleted", 256, []string{`DELETE FROM audit_node WHERE tenant = $1 AND n = 1`}},
		{"a leaf deleted", leaves(100), []string{`DELETE FROM audit_leaf WHERE ` + inLeaves(100)}},
		{"the last leaf deleted", leaves(n - 1), []string{`DELETE FROM audit_leaf WHERE ` + inLeaves(n-1)}},
		{"the last ten leaves deleted", leaves(n - 10), []string{fmt.Sprintf(`DELETE FROM audit_leaf WHERE tenant = $1 AND idx >= %d`, leaves(n-10))}},
		{"all leaves deleted", 0, []string{`DELETE FROM audit_leaf WHERE tenant = $1`}},
		{"all but the checkpoints deleted", 0, []string{`DELETE FROM audit_leaf WHERE tenant = $1`, `DELETE FROM audit_node WHERE tenant = $1`, `DELETE FROM event_intake WHERE tenant = $1`}},
		{"a leaf beyond the checkpoint", n, []string{added(n)}},
		{"a leaf far beyond the checkpoint", n + 5, []string{added(n + 5)}},
		{"a hash of a subtree beyond the checkpoint", n, []string{`INSERT INTO audit_node (n, level, hash, tenant) SELECT n + 1, level, hash, tenant FROM audit_node WHERE tenant = $1 AND n = 1`}},
		{"the newest checkpoint deleted", before, []string{fmt.Sprintf(`DELETE FROM audit_checkpoint WHERE tenant = $1 AND size = %d`, n)}},
		{"an earlier checkpoint", first, []string{checkpoint(w.flipped("signed", 60), first)}},
		{"an earlier checkpoint after an event", 3, []string{checkpoint(w.flipped("signed", 60), first), `DELETE FROM event_intake WHERE ` + ofIndex(3)}},
		{"an earlier checkpoint for another", first, []string{checkpoint(ofSize(before), first)}},
		{"an earlier checkpoint for the newest", first, []string{checkpoint(ofSize(first), n)}},
	})
	if w.production {
		w.altered(t, l, []alteration{
			{"an index of people beyond the checkpoint", n, []string{`INSERT INTO audit_run (tenant, level, n, bucket, people) VALUES ($1, 2, 0, 7, '')`}},
		})
	}
	other := w.tenantID(t, "other")
	for says, do := range map[string]string{
		// Which byte that is depends on the log's length: one of the root's last makes it no base64.
		"the checkpoint does not verify|the checkpoint: .*malformed": checkpoint(w.flipped("signed", int(n%10)+60), n),
		"the log is empty":        `DELETE FROM audit_checkpoint WHERE tenant = $1`,
		"this is the log .*other": checkpoint(fmt.Sprintf(`(SELECT signed FROM audit_checkpoint WHERE tenant = %v ORDER BY size DESC LIMIT 1)`, other), n),
	} {
		w.asTheyWere(t, w.logTables(), func() {
			w.alter(t, l, alteration{do: []string{do}})
			w.refusedBy(t, do, says, l.name, "verify", "--store")
		})
	}
	w.asTheyWere(t, w.logTables(), func() { // the logs of two tenants exchanged, with all there is of them
		for _, table := range w.treeTables() {
			w.sql(t, fmt.Sprintf(`UPDATE %s SET tenant = -1 WHERE tenant = %v`, table, other))
			w.sql(t, fmt.Sprintf(`UPDATE %s SET tenant = %v WHERE tenant = %v`, table, other, l.tenant))
			w.sql(t, fmt.Sprintf(`UPDATE %s SET tenant = %v WHERE tenant = -1`, table, l.tenant))
		}
		w.refusedBy(t, "the logs of two tenants exchanged", "this is the log .*other", l.name, "verify", "--store")
		w.refusedBy(t, "the logs of two tenants exchanged", "does not verify|its row is another tenant's", l.name, "verify", "--store", "--log", "fieldvault/default")
	})
	w.verifies(t, "put back", l.name, "--store")
}
