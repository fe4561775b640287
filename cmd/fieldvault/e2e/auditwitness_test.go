//go:build e2e

package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"
)

// A witness follows the log of a tenant.
type witness struct {
	tenant, state string
	from          []string
}

func (w *world) witness(t *testing.T, tenant string, from ...string) witness {
	t.Helper()
	wit := witness{tenant: tenant, state: filepath.Join(t.TempDir(), "seen"), from: from}
	wit.content(t, w)
	return wit
}

// content wants that the witness has no doubt.
func (wit witness) content(t *testing.T, w *world) {
	t.Helper()
	if code, _, said := w.audit(t, wit.tenant, "follow", append(wit.from, "--once", "--state", wit.state)...); code != 0 {
		t.Errorf("the witness is not content (%d): %s", code, said)
	}
}

// objects wants that the witness says that the log was altered, and remembers what it saw.
func (wit witness) objects(t *testing.T, w *world, what, why string) {
	t.Helper()
	seen := readFile(t, wit.state)
	w.refusedBy(t, what, "the log was altered.*"+why, wit.tenant, "follow", append(wit.from, "--once", "--state", wit.state)...)
	if !bytes.Equal(seen, readFile(t, wit.state)) {
		t.Errorf("%s: the witness has forgotten what it saw", what)
	}
}

// cutTo takes a log back to the size of an earlier checkpoint, wholly.
func cutTo(size int64) []string {
	return []string{
		fmt.Sprintf(`DELETE FROM event_intake WHERE id IN (SELECT intake FROM audit_leaf WHERE tenant = $1 AND idx >= %d)`, size),
		fmt.Sprintf(`DELETE FROM audit_leaf WHERE tenant = $1 AND idx >= %d`, size),
		fmt.Sprintf(`DELETE FROM audit_node WHERE tenant = $1 AND (n + 1) * 256 > %d`, size),
		fmt.Sprintf(`DELETE FROM audit_checkpoint WHERE tenant = $1 AND size > %d`, size),
	}
}

// earlierSize is that of a checkpoint before the newest.
func (w *world) earlierSize(t *testing.T, l logState) int64 {
	t.Helper()
	return w.one(t, `SELECT max(size) FROM audit_checkpoint WHERE tenant = $1 AND size < $2`, l.tenant, l.size-3).(int64)
}

// An earlier state of the log was true once: the check alone cannot see that there was
// more, a witness does.
func cutBack(t *testing.T, w *world) {
	l := w.logOf(t, "default")
	token := w.tokenFile(t, l.name)
	witnesses := []witness{w.witness(t, l.name, "--store"), w.witness(t, l.name, "--url", w.url, "--token-file", token)}
	w.goesOn(t, l, "before")
	for _, wit := range witnesses {
		wit.content(t, w)
	}
	l = w.logOf(t, "default")
	size := w.earlierSize(t, l)
	w.asTheyWere(t, w.logTables(), func() {
		do := cutTo(size)
		w.alter(t, l, alteration{do: do[1:]}) // the events are still there
		w.refusedBy(t, "leaves cut off", fmt.Sprint(l.size-size, " rows of events are not in the log"), l.name, "verify", "--store")
	})
	w.asTheyWere(t, w.logTables(), func() {
		w.alter(t, l, alteration{do: cutTo(size)})
		w.verifies(t, "cut back", l.name, "--store")
		for _, wit := range witnesses {
			wit.objects(t, w, "cut back", "")
		}
	})
	w.asTheyWere(t, w.logTables(), func() {
		w.alter(t, l, alteration{do: cutTo(0)})
		for _, wit := range witnesses {
			wit.objects(t, w, "emptied", "")
		}
	})
	for _, wit := range witnesses {
		wit.content(t, w)
	}
	w.verifies(t, "put back", l.name, "--store")
}

// A log that was cut back and has grown again is as its checkpoints say, but not what
// others have seen of it. Nothing is put back: it is a tenant of the case's own.
func forkedLog(t *testing.T, w *world) {
	l := w.logOf(t, "lab")
	wit := w.witness(t, l.name, "--store")
	dir := w.exported(t, l.name)
	w.untriggered(t, w.logTables(), func() { w.alter(t, l, alteration{do: cutTo(w.earlierSize(t, l))}) })
	w.restart(t)
	fork := w.fill(t, l.name, l.size+5)
	w.verifies(t, "the other branch", l.name, "--store")
	wit.objects(t, w, "forked", "")
	w.refusedBy(t, "exporting the other branch", "exporting the log", l.name, "export", "--store", "--to", dir)
	w.verifies(t, "the export of the first branch", l.name, "--dir", dir)

	// A tail of the other branch with a checkpoint of the first.
	seen := readFile(t, filepath.Join(dir, "checkpoint"))
	w.asTheyWere(t, w.logTables(), func() {
		w.alter(t, fork, alteration{do: cutTo(l.size)[1:]})
		w.sql(t, `DELETE FROM audit_checkpoint WHERE tenant = $1 AND size >= $2`, l.tenant, l.size)
		w.sql(t, `INSERT INTO audit_checkpoint (tenant, size, at, signed) SELECT tenant, $2, at, $3 FROM audit_checkpoint WHERE tenant = $1 ORDER BY size LIMIT 1`, l.tenant, l.size, seen)
		code, out, said := w.audit(t, l.name, "verify", "--store", "--json")
		if m := firstBad.FindString(said); code != 1 || m == "" || json.Valid([]byte(out)) {
			t.Errorf("two branches in one: verify ends with %d: %s%s", code, out, said)
		}
	})
}
