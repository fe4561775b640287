//go:build e2e

package e2e_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Rows that the service did not write never enter the tree. They are counted, and
// verify says that they are there.
func madeUpEvents(t *testing.T, w *world) {
	l := w.logOf(t, "default")
	made := func(id string, leaf, mac string) string {
		into := `INSERT INTO event_intake (tenant, leaf, mac) SELECT tenant, ` + leaf + `, ` + mac
		if id != "" {
			into = w.insertInto("event_intake") + `SELECT ` + id + `, tenant, ` + leaf + `, ` + mac
		}
		return into + ` FROM event_intake i WHERE ` + ofIndex(50)
	}
	list := []string{
		made("", w.flipped("leaf", 20), "mac"), made("", "leaf", "NULL"), made("", "leaf", w.bytesOf(32)), made("", w.bytesOf(40), "mac"), // forged
		made("", "leaf", "mac"), made("", "leaf", "mac"), // copied
		`INSERT INTO event_intake (tenant, leaf, mac) SELECT $1, leaf, mac FROM event_intake WHERE id = (SELECT intake FROM audit_leaf WHERE tenant <> $1 AND idx <= 9 ORDER BY tenant, idx DESC LIMIT 1)`, // of another tenant
	}
	highest := w.one(t, `SELECT max(id) FROM event_intake`).(int64)
	before := w.metric(t, "fieldvault_audit_refused_total")
	refused := func(n int) {
		t.Helper()
		for deadline := time.Now().Add(patience); w.metric(t, "fieldvault_audit_refused_total") < before+n; time.Sleep(50 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d rows are counted as refused, want %d", w.metric(t, "fieldvault_audit_refused_total")-before, n)
			}
		}
	}
	w.alter(t, l, alteration{do: list})
	refused(len(list))
	w.goesOn(t, l, "with rows made by SQL")
	if got := w.metric(t, "fieldvault_audit_refused_total") - before; got != len(list) {
		t.Errorf("%d rows are counted as refused, want %d", got, len(list))
	}
	w.refusedBy(t, "rows made by SQL", fmt.Sprint(len(list), " rows of events are not in the log"), l.name, "verify", "--store")

	w.alter(t, l, alteration{do: []string{made(fmt.Sprint(int64(1)<<60), "leaf", "mac")}}) // an id that was not given
	refused(len(list) + 1)
	if w.production { // where ids are given by a sequence, not from the highest on
		w.goesOn(t, l, "with a row of an id that was not given")
	}
	w.refusedBy(t, "an id that was not given", fmt.Sprint(len(list)+1, " rows of events are not in the log"), l.name, "verify", "--store")

	w.untriggered(t, []string{"event_intake"}, func() {
		w.sql(t, `DELETE FROM event_intake WHERE id > $1 AND NOT EXISTS (SELECT 1 FROM audit_leaf l WHERE l.intake = event_intake.id)`, highest)
		if !w.production {
			w.sql(t, `UPDATE sqlite_sequence SET seq = (SELECT max(id) FROM event_intake) WHERE name = 'event_intake'`)
		}
	})
	w.goesOn(t, l, "without them")
	w.verifies(t, "without them", l.name, "--store")
}

// goesOn wants that events still enter the log, and none but those of the service.
func (w *world) goesOn(t *testing.T, l logState, what string) {
	t.Helper()
	size := w.signedSize(t, l)
	const reads = 3
	for range reads {
		if got := w.see(t, w.in(t, l.name, "app"), "support", "l-0", "email"); !strings.HasPrefix(got, "plain: ") {
			t.Fatalf("%s: a read: %.20q", what, got)
		}
	}
	for deadline := time.Now().Add(patience); w.signedSize(t, l) < size+reads && time.Now().Before(deadline); {
		time.Sleep(50 * time.Millisecond)
	}
	time.Sleep(600 * time.Millisecond) // two steps more
	if got := w.signedSize(t, l); got != size+reads {
		t.Fatalf("%s: the log has grown from %d to %d, want by %d", what, size, got, reads)
	}
}

// A log that does not fit its signed checkpoint is not grown, while requests go on;
// it is once all is as it was.
func notSignedAgain(t *testing.T, w *world) {
	l := w.logOf(t, "default")
	app := w.token(t, "app")
	another := w.bytesOf(32)
	for _, a := range []alteration{
		{"the hash of the last leaf", l.size - 1, []string{w.hashAt(another, l.size-1)}},
		{"the hash of the first subtree", 0, []string{`UPDATE audit_node SET hash = ` + another + ` WHERE tenant = $1 AND n = 0`}},
		{"the last leaf deleted", l.size - 1, []string{`DELETE FROM audit_leaf WHERE ` + inLeaves(l.size-1)}},
		{"a leaf far beyond", l.size + 5, []string{leafAt(fmt.Sprint("idx = ", l.size+5), l.size-1), fmt.Sprintf(`DELETE FROM audit_checkpoint WHERE tenant = $1 AND size = %d`, l.size)}},
		{"the newest checkpoint", l.size, []string{fmt.Sprintf(`UPDATE audit_checkpoint SET signed = %s WHERE tenant = $1 AND size = %d`, w.flipped("signed", 60), l.size)}},
		{"a checkpoint of another log", l.size, []string{fmt.Sprintf(`UPDATE audit_checkpoint SET signed = (SELECT signed FROM audit_checkpoint WHERE tenant <> $1 ORDER BY size DESC LIMIT 1) WHERE tenant = $1 AND size = %d`, l.size)}},
	} {
		t.Run(a.name, func(t *testing.T) {
			w.asTheyWere(t, w.treeTables(), func() {
				w.alter(t, l, a)
				size := w.signedSize(t, l)
				w.restart(t)
				for range 3 {
					if got := w.see(t, app, "support", "l-1", "email"); !strings.HasPrefix(got, "plain: ") {
						t.Errorf("a read: %.20q", got)
					}
				}
				w.saysAltered(t, l.name)
				if got := w.signedSize(t, l); got != size {
					t.Errorf("the log has grown from %d to %d", size, got)
				}
				if code, _, _ := w.audit(t, l.name, "verify", "--store"); code != 1 {
					t.Errorf("verify ends with %d", code)
				}
				w.goesOn(t, w.logOf(t, "other"), "another tenant's log")
			})
		})
	}
	w.restart(t)
	if after := w.logOf(t, "default"); after.size < l.size+3 {
		t.Errorf("put back, the log has %d events, before were %d", after.size, l.size)
	}
	w.verifies(t, "put back", "default", "--store")
}

// saysAltered wants that readyz names a log as altered, and is ready.
func (w *world) saysAltered(t *testing.T, tenant string) {
	t.Helper()
	const says = "does not fit its signed checkpoint"
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		a := w.get(t, w.url+"/readyz")
		var out struct {
			Checks []struct {
				Name, Note string
				OK         bool
			}
		}
		a.decode(t, &out)
		for _, c := range out.Checks {
			if a.status == http.StatusOK && c.Name == "audit log "+tenant && c.OK && strings.Contains(c.Note, says) {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("readyz does not say that the log is altered: %s %s", a, a.body)
		}
	}
}

// An exported folder is altered as files are.
func alteredExport(t *testing.T, w *world) {
	l := w.logOf(t, "default")
	partial := fmt.Sprint("002.p/", l.size-512)
	at := func(dir, name string) string { return filepath.Join(dir, filepath.FromSlash(name)) }
	edit := func(name string, change func(b []byte) []byte) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			t.Helper()
			must(t, os.WriteFile(at(dir, name), change(readFile(t, at(dir, name))), 0o600))
		}
	}
	flip := func(name string, n int) func(*testing.T, string) {
		return edit(name, func(b []byte) []byte { b[n] ^= 1; return b })
	}
	remove := func(name string) func(*testing.T, string) {
		return func(t *testing.T, dir string) { t.Helper(); must(t, os.Remove(at(dir, name))) }
	}
	exchange := func(a, b string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			t.Helper()
			must(t, os.Rename(at(dir, a), at(dir, "kept")))
			must(t, os.Rename(at(dir, b), at(dir, a)))
			must(t, os.Rename(at(dir, "kept"), at(dir, b)))
		}
	}
	for _, c := range []struct {
		name  string
		index int64
		do    func(*testing.T, string)
	}{
		{"a byte of the first event", 0, flip("tile/entries/000", 40)},
		{"a byte of an event", 256, flip("tile/entries/001", 40)},
		{"a byte of the newest events", 512, flip("tile/entries/"+partial, 40)},
		{"the length of an event", 256, flip("tile/entries/001", 1)},
		{"events cut off", 256, edit("tile/entries/001", func(b []byte) []byte { return b[:100] })},
		{"an event appended", 256, edit("tile/entries/001", func(b []byte) []byte { return append(b, 0, 1, 'x') })},
		{"events deleted", 256, remove("tile/entries/001")},
		{"the newest events deleted", 512, remove("tile/entries/" + partial)},
		{"events exchanged", 0, exchange("tile/entries/000", "tile/entries/001")},
		{"a hash", 100, flip("tile/0/000", 100*32)},
		{"a hash of the second tile", 256 + 3, flip("tile/0/001", 3*32+31)},
		{"a tile cut off", 256 + 3, edit("tile/0/001", func(b []byte) []byte { return b[:3*32+5] })},
		{"a tile that is too long", 256, edit("tile/0/001", func(b []byte) []byte { return append(b, 0) })},
		{"tiles exchanged", 0, exchange("tile/0/000", "tile/0/001")},
		{"a tile deleted", 256, remove("tile/0/001")},
		{"the hash of a subtree", 256, flip("tile/1/000.p/2", 32)},
		{"the hashes of subtrees deleted", 0, remove("tile/1/000.p/2")},
		{"the newest hashes deleted", 512, remove("tile/0/" + partial)},
		{"hashes and events exchanged", 0, func(t *testing.T, dir string) {
			t.Helper()
			exchange("tile/0/000", "tile/0/001")(t, dir)
			exchange("tile/entries/000", "tile/entries/001")(t, dir)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := w.exported(t, l.name)
			c.do(t, dir)
			w.bad(t, c.name, c.index, l.name, "--dir", dir)
		})
	}
	dir := w.exported(t, l.name)
	edit("checkpoint", func(b []byte) []byte { return bytes.Replace(b, fmt.Append(nil, l.size), fmt.Append(nil, l.size-1), 1) })(t, dir)
	w.refusedBy(t, "a checkpoint of another size", "does not verify", l.name, "verify", "--dir", dir)
	remove("checkpoint")(t, dir)
	w.refusedBy(t, "no checkpoint", "there is no log", l.name, "verify", "--dir", dir)
	copied(t, filepath.Join(w.exported(t, "other"), "checkpoint"), at(dir, "checkpoint"))
	w.refusedBy(t, "another tenant's checkpoint", "this is the log", l.name, "verify", "--dir", dir)
}

func copied(t *testing.T, from, to string) {
	t.Helper()
	must(t, os.WriteFile(to, readFile(t, from), 0o600))
}

// What is altered in the store is found by who reads the log over HTTP.
func alteredOverHTTP(t *testing.T, w *world) {
	l := w.logOf(t, "default")
	token := w.tokenFile(t, l.name)
	another := w.bytesOf(32)
	hash := "hash"
	if w.production {
		hash = "hashes"
	}
	for _, c := range []struct {
		alteration
		table, column, where string
	}{
		{alteration{"a byte of an event", w.rowOf(t, l, 300), []string{eventAt("leaf = "+w.flipped("leaf", 20), 300)}}, "event_intake", "leaf", ofIndex(300)},
		{alteration{"the hash of a leaf", 100, []string{w.hashAt(another, 100)}}, "audit_leaf", hash, inLeaves(100)},
		{alteration{"the hash of a subtree", 256, []string{`UPDATE audit_node SET hash = ` + another + ` WHERE tenant = $1 AND n = 1`}}, "audit_node", "hash", "tenant = $1 AND level = 1 AND n = 1"},
		// The service gives a bundle whole, or not at all.
		{alteration{"an event for which there is none", 256, []string{leafAt("intake = -1", 300)}}, "audit_leaf", "intake", inLeaves(300)},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.untriggered(t, []string{c.table}, func() {
				kept := w.one(t, `SELECT `+c.column+` FROM `+c.table+` WHERE `+c.where, l.tenant)
				w.alter(t, l, c.alteration)
				w.bad(t, c.name, c.index, l.name, "--url", w.url, "--token-file", token)
				w.sql(t, `UPDATE `+c.table+` SET `+c.column+` = $2 WHERE `+c.where, l.tenant, kept)
			})
			w.verifies(t, "put back", l.name, "--url", w.url, "--token-file", token)
		})
	}
}
