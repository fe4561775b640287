//go:build e2e

package e2e_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/cmd/fieldvault/processtest"
	"github.com/fieldvault/fieldvault/crypto/field"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/storetest"
)

// TestTampering changes the store with SQL, with the owner's rights and without any
// key, while the service runs. It runs with the cache of keys (what was just written
// is warm) and without.
func TestTampering(t *testing.T) {
	for _, mode := range []struct {
		name             string
		production, cold bool
	}{{"embedded", false, true}, {"embedded_warm", false, false}, {"production", true, true}} {
		t.Run(mode.name, func(t *testing.T) {
			if mode.production {
				needProduction(t)
			} else {
				storetest.NeedTime(t)
			}
			t.Parallel()
			w := newWorld(t, mode.production, options{cold: mode.cold})
			for _, group := range [][]testCase{recordTampering(), keyTampering(), personTampering(), indexTampering(), documentTampering(), tokenTampering()} {
				for _, c := range group {
					t.Run(c.name, func(t *testing.T) { c.run(t, w) })
				}
			}
			t.Run("Z01_the_world_after", func(t *testing.T) {
				if len(w.fsck(t)) == 0 {
					t.Error("fsck finds nothing of all that")
				}
				w.look(t)
			})
		})
	}
}

func recordTampering() []testCase {
	return []testCase{
		{name: "S01_swapped_between_people", run: swappedPeople},
		{name: "S02_swapped_between_records", run: swappedRecords},
		{name: "S03_swapped_between_fields", run: swappedFields},
		{name: "S04_moved_from_another_tenant", run: movedTenant},
		{name: "S05_kept_from_another_life", run: keptFromLife},
		{name: "S06_an_older_row_put_back", run: olderRow},
		{name: "S07_older_ciphertext_in_a_newer_row", run: olderCiphertext},
		{name: "S08_every_byte", run: everyByte},
		{name: "S09_a_row_made_up", run: madeUpRow},
	}
}

// secrets are values of a person, as canaries.
func (w *world) secrets(name string) fields {
	return fields{"email": w.canary(name+"-") + "@example.org", "last_name": w.canary("Kanarin")}
}

const recordOf = ` FROM record WHERE tenant = $1 AND uid = $2 AND record = $3`

func (w *world) sealed(t *testing.T, p row, record string) []byte {
	t.Helper()
	return w.blob(t, `SELECT sealed`+recordOf, p.tenant, p.uid, record)
}

func (w *world) setSealed(t *testing.T, p row, record string, b []byte) {
	t.Helper()
	w.sql(t, `UPDATE record SET sealed = $4 WHERE tenant = $1 AND uid = $2 AND record = $3`, p.tenant, p.uid, record, b)
}

// refuses reads a person's record by every door, as a caller who may know, and
// fails for any value; it wants the answer `integrity` and a failed event of it.
func (w *world) refuses(t *testing.T, what, tenant, subject, record string) {
	t.Helper()
	id := w.tenantID(t, tenant)
	before := w.count(t, id)
	app := w.in(t, tenant, "app")
	a := w.do(t, call{token: app, purpose: "support", path: recordPath(subject, "customer", record) + "?fields=email"})
	a.want(t, what, "500 integrity")
	w.clean(t, what, a.body)
	events := w.events(t, id, before)
	if !slices.ContainsFunc(events, func(e audit.Event) bool { return e.Outcome == audit.Failed && e.Code == "integrity" }) {
		t.Errorf("%s: no failed event among %d", what, len(events))
	}
	w.showsNothing(t, what, tenant, subject, record)
}

// showsNothing reads by every door and fails for any planted value.
func (w *world) showsNothing(t *testing.T, what, tenant, subject, record string) {
	t.Helper()
	app := w.in(t, tenant, "app")
	item := fields{"subject": subject, "collection": "customer", "record": record, "fields": []string{"email", "last_name"}}
	calls := []call{
		{token: app, path: recordPath(subject, "customer", record) + "?fields=last_name,email"},
		{token: app, method: "POST", path: "/v1/reveal", body: fields{"items": []any{item}}},
		{token: app, method: "PATCH", path: recordPath(subject, "customer", record), header: map[string]string{"If-Match": `"999"`}, body: fields{"fields": fields{"city": "Oslo"}}},
	}
	if tenant == "default" {
		calls = append(calls, call{token: w.token(t, "support"), path: recordPath(subject, "customer", record) + "?fields=email"},
			call{token: w.token(t, "subject", personal(subject)), path: "/v1/subjects/" + subject + "/export"})
	}
	for _, c := range calls {
		c.purpose = "support"
		a := w.do(t, c)
		w.clean(t, what+": "+c.method+" "+c.path, a.body)
		if bytes.Contains(a.body, []byte(`"masked"`)) {
			t.Errorf("%s: %s %s shows a masked value", what, c.method, c.path)
		}
	}
}

func swappedPeople(t *testing.T, w *world) {
	a, b := w.newPerson(t, "default", "s01-a", w.secrets("s01")), w.newPerson(t, "default", "s01-b", w.secrets("s01"))
	sa, sb := w.sealed(t, a, "self"), w.sealed(t, b, "self")
	w.setSealed(t, a, "self", sb)
	w.setSealed(t, b, "self", sa)
	w.refuses(t, "with the other's values", "default", "s01-a", "self")
	w.refuses(t, "with the other's values", "default", "s01-b", "self")
	w.setSealed(t, a, "self", sa)
	if got := w.see(t, w.token(t, "app"), "support", "s01-a", "email"); !strings.HasPrefix(got, "plain: s01-") {
		t.Errorf("put back where it belongs: %q", got)
	}
}

func swappedRecords(t *testing.T, w *world) {
	p := w.newPerson(t, "default", "s02", w.secrets("s02"))
	w.do(t, call{token: w.token(t, "app"), method: "PUT", path: recordPath("s02", "customer", "two"), body: fields{"fields": w.secrets("s02")}}).want(t, "storing", "201")
	one, two := w.sealed(t, p, "self"), w.sealed(t, p, "two")
	w.setSealed(t, p, "self", two)
	w.setSealed(t, p, "two", one)
	w.refuses(t, "with another record's values", "default", "s02", "self")
	w.refuses(t, "with another record's values", "default", "s02", "two")
}

func swappedFields(t *testing.T, w *world) {
	p := w.newPerson(t, "default", "s03", fields{"email": w.canary("s03-") + "@example.org", "last_name": w.canary("Kanarin"), "city": "Oslo", "country": "Norway"})
	whole := w.sealed(t, p, "self")
	tail := tailOf(t, whole)
	parts := func() []field.Sealed {
		list, err := field.ParsePacked(whole[:len(whole)-len(tail)], nil)
		must(t, err)
		if len(list) != 4 {
			t.Fatalf("%d fields", len(list))
		}
		return list
	}
	for what, change := range map[string]func([]field.Sealed) []field.Sealed{
		"ciphertexts turned round": func(l []field.Sealed) []field.Sealed {
			for i := range len(l) / 2 {
				j := len(l) - 1 - i
				l[i].Ciphertext, l[j].Ciphertext = l[j].Ciphertext, l[i].Ciphertext
			}
			return l
		},
		"one ciphertext under all names": func(l []field.Sealed) []field.Sealed {
			return each(l, func(s *field.Sealed) { s.Ciphertext = l[len(l)-1].Ciphertext })
		},
		"a field cut out":                    func(l []field.Sealed) []field.Sealed { return l[1:] },
		"sealed at another time":             func(l []field.Sealed) []field.Sealed { return each(l, func(s *field.Sealed) { s.At += 1000 }) },
		"all said to be of another epoch":    func(l []field.Sealed) []field.Sealed { return each(l, func(s *field.Sealed) { s.Epoch = 2 }) },
		"all said to be of another group":    func(l []field.Sealed) []field.Sealed { return each(l, func(s *field.Sealed) { s.Group = 1 }) },
		"all said to be of another key":      func(l []field.Sealed) []field.Sealed { return each(l, func(s *field.Sealed) { s.Ciphertext.KeyID++ }) },
		"all said to be of another revision": func(l []field.Sealed) []field.Sealed { return each(l, func(s *field.Sealed) { s.Revision++ }) },
	} {
		b, err := field.AppendPacked(nil, change(parts()))
		must(t, err)
		w.setSealed(t, p, "self", append(b, tail...))
		w.refuses(t, what, "default", "s03", "self")
	}
}

// tailOf is what a stored record has behind its packed fields.
func tailOf(t *testing.T, sealed []byte) []byte {
	t.Helper()
	for n := range min(64, len(sealed)) {
		if _, err := field.ParsePacked(sealed[:len(sealed)-n], nil); err == nil {
			return sealed[len(sealed)-n:]
		}
	}
	t.Fatal("a stored record holds no packed fields")
	return nil
}

func each(list []field.Sealed, f func(*field.Sealed)) []field.Sealed {
	for i := range list {
		f(&list[i])
	}
	return list
}

func movedTenant(t *testing.T, w *world) {
	ours, theirs := w.newPerson(t, "default", "s04", w.secrets("s04")), w.newPerson(t, "other", "s04", w.secrets("s04"))
	w.setSealed(t, theirs, "self", w.sealed(t, ours, "self"))
	w.refuses(t, "our values in their row", "other", "s04", "self")
	// With the keys as well: they are wrapped for our tenant and uid.
	for _, k := range w.keys(t, ours) {
		w.setWrapped(t, theirs, k.Group, k.Wrapped)
	}
	w.refuses(t, "our values and keys in their row", "other", "s04", "self")
	// Everything of the person, moved to the other tenant as it is.
	w.sql(t, `UPDATE subject SET (kek_version, keys) = (SELECT kek_version, keys FROM subject o WHERE o.tenant = $1 AND o.uid = $2) WHERE tenant = $3 AND uid = $4`,
		ours.tenant, ours.uid, theirs.tenant, theirs.uid)
	for _, table := range []string{"record", "search_index"} {
		w.sql(t, `DELETE FROM `+table+` WHERE tenant = $1 AND uid = $2`, theirs.tenant, theirs.uid)
		w.sql(t, `UPDATE `+table+` SET tenant = $3, uid = $4 WHERE tenant = $1 AND uid = $2`, ours.tenant, ours.uid, theirs.tenant, theirs.uid)
	}
	w.refuses(t, "all of our rows", "other", "s04", "self")
}

func keptFromLife(t *testing.T, w *world) {
	old := w.newPerson(t, "default", "s05", w.secrets("s05"))
	sealed := w.sealed(t, old, "self")
	keys := w.keys(t, old)
	w.erase(t, "s05").want(t, "erasing", "200")
	if a := w.do(t, call{token: w.token(t, "dpo"), method: "POST", path: "/v1/subjects/s05/reenrolment"}); a.status >= 300 {
		t.Fatalf("re-enrolling: %s", a)
	}
	w.put(t, "s05", fields{"city": "Oslo"})
	now := row{tenant: old.tenant, uid: w.one(t, `SELECT uid FROM subject WHERE tenant = $1 AND lookup = $2`, old.tenant, old.lookup)}
	if fmt.Sprint(now.uid) == fmt.Sprint(old.uid) {
		t.Fatal("the new life has the old uid")
	}
	w.setSealed(t, now, "self", sealed)
	w.refuses(t, "the old life's values", "default", "s05", "self")
	for _, was := range keys {
		must(t, w.trySetKey(t, now, was.Group, func(k *vault.DataKey) { k.Wrapped, k.KEKVersion = was.Wrapped, was.KEKVersion }))
	}
	w.refuses(t, "the old life's values and keys", "default", "s05", "self")
}

// A whole row put back opens: its ciphertext is genuine. The check finds it.
func olderRow(t *testing.T, w *world) {
	p := w.newPerson(t, "default", "s06", fields{"email": "first@example.org"})
	first := w.rows(t, `SELECT sealed, revision`+recordOf, p.tenant, p.uid, "self")[0]
	w.put(t, "s06", fields{"email": "second@example.org"})
	const says = "default: a record is older than the log says: an earlier row was put back"
	if slices.Contains(w.fsck(t), says) {
		t.Fatal("fsck finds an older row before there is one")
	}
	w.sql(t, `UPDATE record SET sealed = $4, revision = $5 WHERE tenant = $1 AND uid = $2 AND record = $3`, p.tenant, p.uid, "self", first[0], first[1])
	if found := w.fsck(t); !slices.Contains(found, says) {
		t.Errorf("fsck does not find the older row: %q", found)
	}
}

// The ciphertext alone, under the present revision.
func olderCiphertext(t *testing.T, w *world) {
	p := w.newPerson(t, "default", "s07", fields{"city": "Old Town"})
	first := w.sealed(t, p, "self")
	w.put(t, "s07", fields{"city": "New Town"})
	before := w.fsck(t)
	w.setSealed(t, p, "self", first)
	if got := w.see(t, w.token(t, "app"), "support", "s07", "city"); got == "500 integrity" {
		return
	} else if len(w.fsck(t)) <= len(before) {
		t.Errorf("an older value under the present revision is answered (%q), and fsck finds nothing", got)
	}
}

func everyByte(t *testing.T, w *world) {
	p := w.newPerson(t, "default", "s08", w.secrets("s08"))
	whole := w.sealed(t, p, "self")
	app := w.token(t, "app")
	check := func(what string, b []byte) {
		t.Helper()
		w.setSealed(t, p, "self", b)
		w.reveal(t, app, "support", "s08", "email,last_name").want(t, what, "500 integrity")
	}
	step := 2
	if testing.Short() || processtest.RaceEnabled {
		step = 5
	}
	for i := 0; i < len(whole); i += step {
		b := bytes.Clone(whole)
		b[i] ^= 1 << (i % 8)
		check(fmt.Sprintf("byte %d of %d flipped", i, len(whole)), b)
	}
	for _, n := range []int{0, 1, 2, len(whole) / 2, len(whole) - 1} {
		check(fmt.Sprintf("cut to %d bytes", n), whole[:n])
	}
	check("a byte more", append(bytes.Clone(whole), 0))
	check("twice", append(bytes.Clone(whole), whole...))
	check("a mebibyte of zeros", make([]byte, 1<<20))
	w.setSealed(t, p, "self", whole)
	if got := w.see(t, app, "support", "s08", "email"); !strings.HasPrefix(got, "plain: s08-") {
		t.Errorf("put back: %q", got)
	}
}

// A record, or a person, that was put in by SQL opens nothing.
func madeUpRow(t *testing.T, w *world) {
	p := w.newPerson(t, "default", "s09", w.secrets("s09"))
	w.sql(t, `UPDATE record SET record = 'moved' WHERE tenant = $1 AND uid = $2 AND record = 'self'`, p.tenant, p.uid)
	w.refuses(t, "a record under another name", "default", "s09", "moved")
	w.sql(t, `UPDATE record SET record = 'self', collection = 2 WHERE tenant = $1 AND uid = $2`, p.tenant, p.uid)
	a := w.do(t, call{token: w.token(t, "app"), purpose: "support", path: recordPath("s09", "invoice", "self") + "?fields=city,address,total"})
	w.clean(t, "a record in another collection", a.body)
	w.sql(t, `UPDATE record SET collection = 1 WHERE tenant = $1 AND uid = $2`, p.tenant, p.uid)
	if got := w.see(t, w.token(t, "app"), "support", "s09", "email"); !strings.HasPrefix(got, "plain: s09-") {
		t.Errorf("put back: %.20q", got)
	}
}
