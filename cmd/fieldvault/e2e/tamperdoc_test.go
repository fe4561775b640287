//go:build e2e

package e2e_test

import (
	"bytes"
	"strings"
	"testing"
)

func documentTampering() []testCase {
	return []testCase{{name: "S27_a_policy_written_by_SQL", run: policyBySQL}}
}

// Whoever may write rows writes no policy and no catalog.
func policyBySQL(t *testing.T, w *world) {
	w.put(t, "s27", w.secrets("s27"))
	w.restoring(t, "document", func() {
		w.documentBySQL(t, "policy", func([]byte) []byte { return []byte("permit(principal, action, resource);") })
		w.documentBySQL(t, "catalog", func(b []byte) []byte { return bytes.ReplaceAll(b, []byte(`"consent"`), []byte(`"contract"`)) })
	})
	if got := w.see(t, w.token(t, "app"), "support", "s27", "email"); !strings.HasPrefix(got, "plain: s27-") {
		t.Errorf("put back: %.20q", got)
	}
}

// documentBySQL changes the newest document of a kind, by a new version and in place,
// and puts it back.
func (w *world) documentBySQL(t *testing.T, kind string, change func([]byte) []byte) {
	t.Helper()
	sees := func(what string) {
		t.Helper()
		for role, purpose := range map[string]string{"support": "support", "marketing": "marketing", "dpo": "support", "intern": "billing"} {
			a := w.reveal(t, w.token(t, role), purpose, "s27", "email")
			w.clean(t, what+" "+kind+", read by "+role, a.body)
		}
	}
	sees("with the genuine")
	tenant, actor := w.tenantID(t, "default"), "actor"
	next := func(int64) {}
	if w.production {
		actor = "by"
		next = func(v int64) { w.sql(t, `UPDATE tenant SET `+kind+`_version = $2 WHERE id = $1`, tenant, v) }
	}
	old := w.rows(t, `SELECT body, version FROM document WHERE tenant = $1 AND kind = $2 ORDER BY version DESC`, tenant, kind)[0]
	body, version := old[0].([]byte), old[1].(int64)
	changed := change(body)
	if bytes.Equal(changed, body) {
		t.Fatalf("the %s is not changed", kind)
	}
	columns := `tenant, kind, source, ` + actor + `, created, version, body`
	w.sql(t, `INSERT INTO document (`+columns+`) SELECT tenant, kind, source, `+actor+`, created, version + 1, $3 FROM document WHERE tenant = $1 AND kind = $2 AND version = $4`, tenant, kind, changed, version)
	next(version + 1)
	sees("with a new")
	w.restart(t)
	sees("after a restart, with a new")
	w.sql(t, `DELETE FROM document WHERE tenant = $1 AND kind = $2 AND version = $3`, tenant, kind, version+1)
	next(version)
	w.sql(t, `UPDATE document SET body = $3 WHERE tenant = $1 AND kind = $2`, tenant, kind, changed)
	w.restart(t)
	sees("with a changed")
	w.sql(t, `UPDATE document SET body = $3 WHERE tenant = $1 AND kind = $2`, tenant, kind, body)
	w.restart(t)
}
