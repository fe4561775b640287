//go:build e2e

package e2e_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/keyrow"
)

func keyTampering() []testCase {
	return []testCase{
		{name: "S10_wrapped_keys_swapped", run: swappedKeys},
		{name: "S11_wrapped_keys_changed", run: changedKeys},
		{name: "S12_wrapped_keys_in_forms_that_are_none", run: wrongForms},
		{name: "S13_a_tenants_keys_swapped", run: tenantKeys},
		{name: "S14_a_row_that_cannot_be_read", run: unreadableRow},
	}
}

const defaultGroup = 2

// keys are a person's keys as they are stored.
func (w *world) keys(t *testing.T, p row) []vault.DataKey {
	t.Helper()
	list := w.rows(t, `SELECT kek_version, keys FROM subject WHERE tenant = $1 AND uid = $2 AND keys IS NOT NULL`, p.tenant, p.uid)
	if len(list) == 0 {
		return nil
	}
	keys, err := keyrow.Row{KEKVersion: int32(list[0][0].(int64)), Keys: list[0][1].([]byte)}.Unpack(nil)
	must(t, err)
	return keys
}

// trySetKey changes a person's key of a group, in the one form in which it can stand.
func (w *world) trySetKey(t *testing.T, p row, group uint32, change func(*vault.DataKey)) error {
	t.Helper()
	keys := w.keys(t, p)
	for i := range keys {
		if keys[i].Group == group {
			change(&keys[i])
		}
	}
	r, err := keyrow.Pack(keys)
	if err != nil {
		return err
	}
	return w.trySQL(t, `UPDATE subject SET kek_version = $3, keys = $4 WHERE tenant = $1 AND uid = $2`, p.tenant, p.uid, r.KEKVersion, r.Keys)
}

func (w *world) wrapped(t *testing.T, p row, group uint32) []byte {
	t.Helper()
	for _, k := range w.keys(t, p) {
		if k.Group == group {
			return k.Wrapped
		}
	}
	t.Fatalf("there is no key of group %d", group)
	return nil
}

func (w *world) setWrapped(t *testing.T, p row, group uint32, b []byte) {
	t.Helper()
	must(t, w.trySetKey(t, p, group, func(k *vault.DataKey) { k.Wrapped = b }))
}

func swappedKeys(t *testing.T, w *world) {
	a, b := w.newPerson(t, "default", "s10-a", w.secrets("s10")), w.newPerson(t, "default", "s10-b", w.secrets("s10"))
	ka, kb := w.wrapped(t, a, defaultGroup), w.wrapped(t, b, defaultGroup)
	w.setWrapped(t, a, defaultGroup, kb)
	w.setWrapped(t, b, defaultGroup, ka)
	w.refuses(t, "with the other's key", "default", "s10-a", "self")
	w.refuses(t, "with the other's key", "default", "s10-b", "self")
	sa, sb := w.sealed(t, a, "self"), w.sealed(t, b, "self")
	w.setSealed(t, a, "self", sb)
	w.setSealed(t, b, "self", sa)
	w.refuses(t, "with the other's key and values", "default", "s10-a", "self")
	w.setSealed(t, a, "self", sa)
	w.setWrapped(t, a, defaultGroup, w.wrapped(t, a, 1))
	w.refuses(t, "with the identity's key", "default", "s10-a", "self")
	w.setWrapped(t, a, defaultGroup, ka)
	if got := w.see(t, w.token(t, "app"), "support", "s10-a", "email"); !strings.HasPrefix(got, "plain: s10-") {
		t.Errorf("put back where it belongs: %q", got)
	}
}

func changedKeys(t *testing.T, w *world) {
	p := w.newPerson(t, "default", "s11", w.secrets("s11"))
	key := w.wrapped(t, p, defaultGroup)
	step := max(1, len(key)/20)
	for i := 0; i < len(key); i += step {
		b := bytes.Clone(key)
		b[i] ^= 1 << (i % 8)
		w.setWrapped(t, p, defaultGroup, b)
		w.refusesKey(t, fmt.Sprintf("byte %d of %d flipped", i, len(key)), "s11")
	}
	for what, b := range map[string][]byte{
		"cut in half": key[:len(key)/2], "without its last byte": key[:len(key)-1], "its scheme alone": key[:1],
		"with a byte more": append(bytes.Clone(key), 0), "twice": append(bytes.Clone(key), key...), "far too long": make([]byte, 100_000),
	} {
		w.setWrapped(t, p, defaultGroup, b)
		w.refusesKey(t, what, "s11")
	}
	w.refuses(t, "the last of them", "default", "s11", "self")
	w.setWrapped(t, p, defaultGroup, key)
	changedKeyRow(t, w, p)
}

// changedKeyRow: the same of the form in which all keys of a person stand.
func changedKeyRow(t *testing.T, w *world, p row) {
	const set = `UPDATE subject SET keys = $3 WHERE tenant = $1 AND uid = $2`
	keys := w.blob(t, `SELECT keys FROM subject WHERE tenant = $1 AND uid = $2`, p.tenant, p.uid)
	for what, b := range map[string][]byte{
		"cut in half": keys[:len(keys)/2], "without the last byte": keys[:len(keys)-1], "the format alone": keys[:1],
		"with a byte more": append(bytes.Clone(keys), 0), "twice": append(bytes.Clone(keys), keys...),
		"of another format": append([]byte{2}, keys[1:]...), "of a key less": append([]byte{1, keys[1] - 1}, keys[2:]...),
		"of a key more": append([]byte{1, keys[1] + 1}, keys[2:]...), "far too long": make([]byte, 100_000),
	} {
		w.sql(t, set, p.tenant, p.uid, b)
		w.refusesKey(t, "keys "+what, "s11")
	}
	w.refuses(t, "the last of them", "default", "s11", "self")
	w.sql(t, set, p.tenant, p.uid, keys)
	if got := w.see(t, w.token(t, "app"), "support", "s11", "email"); !strings.HasPrefix(got, "plain: s11-") {
		t.Errorf("put back as they were: %q", got)
	}
}

// refusesKey is a shorter refuses.
func (w *world) refusesKey(t *testing.T, what, subject string) {
	t.Helper()
	a := w.reveal(t, w.token(t, "app"), "support", subject, "email")
	a.want(t, what, "500 integrity")
	w.clean(t, what, a.body)
}

// What is no wrapped key in its one form is refused before the key-encryption key
// is asked: Vault itself would accept v01 and v+1.
func wrongForms(t *testing.T, w *world) {
	p := w.newPerson(t, "default", "s12", w.secrets("s12"))
	key := w.wrapped(t, p, defaultGroup)
	if got := w.see(t, w.token(t, "app"), "support", "s12", "email"); !strings.HasPrefix(got, "plain") {
		t.Fatalf("before: %q", got)
	}
	before := w.kekRequests(t)
	for _, text := range []string{"vault:v01:", "vault:v+1:", "vault:v1:", "local:v1:", "VAULT:v1:", "", "\x00", "x", "w"} {
		b := append([]byte(text), key[1:]...)
		if text == "" {
			b = nil
		}
		if err := w.trySetKey(t, p, defaultGroup, func(k *vault.DataKey) { k.Wrapped = b }); err != nil {
			continue // there is no form for it
		}
		a := w.reveal(t, w.token(t, "app"), "support", "s12", "email")
		if len(text) > 1 && (text[0] == 'v' || text[0] == 'l') {
			// "vault:v01:..." begins with a scheme's byte: as a ciphertext it is nonsense.
			before = w.kekRequests(t)
		}
		if a.String() != "500 integrity" {
			t.Errorf("wrapped %q...: %s", text, a)
		}
		w.clean(t, "the answer", a.body)
	}
	if n := w.kekRequests(t); n != before {
		t.Errorf("the key-encryption key was asked %d times for what is no wrapped key", n-before)
	}
	w.setWrapped(t, p, defaultGroup, key)
	before = w.kekRequests(t)
	for _, version := range []int64{0, -1, math.MinInt32, math.MaxInt32, math.MaxInt32 + 1, 1 << 40} {
		err := w.trySQL(t, `UPDATE subject SET kek_version = $3 WHERE tenant = $1 AND uid = $2`, p.tenant, p.uid, version)
		if err != nil {
			continue
		}
		w.refusesKey(t, fmt.Sprintf("kek_version %d", version), "s12")
	}
	w.sql(t, `UPDATE subject SET kek_version = 1 WHERE tenant = $1 AND uid = $2`, p.tenant, p.uid)
	for _, version := range []int32{0, -1, math.MinInt32} {
		if w.trySetKey(t, p, defaultGroup, func(k *vault.DataKey) { k.KEKVersion = version }) == nil {
			t.Errorf("there is a form for a key under version %d", version)
		}
	}
	if n := w.kekRequests(t); n != before {
		t.Errorf("the key-encryption key was asked %d times for versions that cannot be", n-before)
	}
	// A version that might be: only the key-encryption key can say that it is not.
	must(t, w.trySetKey(t, p, defaultGroup, func(k *vault.DataKey) { k.KEKVersion = math.MaxInt32 }))
	w.refusesKey(t, "version 2^31-1", "s12")
	must(t, w.trySetKey(t, p, defaultGroup, func(k *vault.DataKey) { k.KEKVersion = 1 }))
}

// One row that cannot be read does not hide the others from the check.
func unreadableRow(t *testing.T, w *world) {
	p, q := w.newPerson(t, "default", "s14-a", w.secrets("s14")), w.newPerson(t, "default", "s14-b", w.secrets("s14"))
	before := w.fsck(t)
	const set = `UPDATE subject SET keys = $3 WHERE tenant = $1 AND uid = $2`
	defer w.sql(t, set, p.tenant, p.uid, w.blob(t, `SELECT keys FROM subject WHERE tenant = $1 AND uid = $2`, p.tenant, p.uid))
	w.sql(t, set, p.tenant, p.uid, []byte("x"))
	w.refusesKey(t, "with a key that cannot be read", "s14-a")
	w.setSealed(t, q, "self", []byte("x"))
	if after := w.fsck(t); len(after) < len(before)+2 {
		t.Errorf("fsck finds %d faults, want 2 more than %d:\n%s", len(after), len(before), strings.Join(after, "\n"))
	}
}

// A tenant whose own keys were exchanged for another's does not open at all.
func tenantKeys(t *testing.T, w *world) {
	w.put(t, "s13", w.secrets("s13"))
	ours, theirs := w.tenantID(t, "default"), w.tenantID(t, "other")
	type key struct{ label, wrapped any }
	of := func(id any) (list []key) {
		for _, r := range w.rows(t, `SELECT label, wrapped FROM tenant_key WHERE tenant = $1 ORDER BY label`, id) {
			list = append(list, key{r[0], r[1]})
		}
		return list
	}
	mine, yours := of(ours), of(theirs)
	set := func(id any, keys []key) {
		for _, k := range keys {
			w.sql(t, `UPDATE tenant_key SET wrapped = $3 WHERE tenant = $1 AND label = $2`, id, k.label, k.wrapped)
		}
	}
	set(ours, yours)
	set(theirs, mine)
	w.restart(t)
	for _, tenant := range []string{"default", "other"} {
		a := w.do(t, call{token: w.in(t, tenant, "app"), purpose: "support", path: recordPath("s13", "customer", "self") + "?fields=email"})
		if a.status < 500 || a.code() == "" || a.code() == "internal" {
			t.Errorf("tenant %s with the other's keys: %s", tenant, a)
		}
		w.clean(t, "the answer", a.body)
	}
	if a := w.get(t, w.url+"/readyz"); a.status != 503 {
		t.Errorf("readyz with tenants that do not open: %s", a)
	}
	// Two keys of one tenant exchanged: each is bound to its label.
	set(ours, mine)
	set(theirs, yours)
	set(ours, []key{{mine[0].label, mine[1].wrapped}, {mine[1].label, mine[0].wrapped}})
	w.restart(t)
	a := w.reveal(t, w.token(t, "app"), "support", "s13", "email")
	if a.status < 500 || a.code() == "internal" {
		t.Errorf("with two keys exchanged: %s", a)
	}
	set(ours, mine)
	w.restart(t)
	if got := w.see(t, w.token(t, "app"), "support", "s13", "email"); !strings.HasPrefix(got, "plain: s13-") {
		t.Errorf("put back: %q", got)
	}
}

func indexTampering() []testCase {
	return []testCase{
		{name: "S30_one_value_in_two_places", run: oneValueInTwoPlaces},
		{name: "S31_a_thief_with_a_dictionary", run: thiefWithDictionary},
		{name: "S32_index_entries_moved", run: movedIndexEntries},
	}
}

func (w *world) indexValues(t *testing.T, p row, fieldID any) (list [][]byte) {
	t.Helper()
	for _, r := range w.rows(t, `SELECT value, field FROM search_index WHERE tenant = $1 AND uid = $2`, p.tenant, p.uid) {
		if fieldID == nil || fmt.Sprint(r[1]) == fmt.Sprint(fieldID) {
			list = append(list, r[0].([]byte))
		}
	}
	return list
}

// Equality leaks within a field, as documented, and nowhere else: the index values of one
// value, of its beginnings too, are the same in a field of a tenant, and nowhere else.
func oneValueInTwoPlaces(t *testing.T, w *world) {
	same := fields{"email": "same@example.org", "last_name": "same@example.org"}
	a, b := w.newPerson(t, "default", "s30-a", same), w.newPerson(t, "default", "s30-b", same)
	c, d := w.newPerson(t, "other", "s30-a", same), w.newPerson(t, "lab", "s30-a", same)
	inField := map[string][]string{} // of each person
	for _, p := range []row{a, b, c, d} {
		for _, r := range w.rows(t, `SELECT field, value FROM search_index WHERE tenant = $1 AND uid = $2`, p.tenant, p.uid) {
			where := fmt.Sprintf("tenant %v, field %v, %v", p.tenant, r[0], p.uid)
			inField[where] = append(inField[where], string(r[1].([]byte)))
		}
	}
	seen := map[string]string{} // where a value stands
	fields := map[string]int{}
	for where, values := range inField {
		slices.Sort(values)
		if len(slices.Compact(slices.Clone(values))) != len(values) {
			t.Errorf("%s: two index values of one person are the same", where)
		}
		where = where[:strings.LastIndex(where, ",")]
		if n, twice := fields[where]; twice && n != len(values) {
			t.Errorf("%s: one value has %d index values, and %d", where, n, len(values))
		}
		again := fields[where] > 0
		fields[where] = len(values)
		for _, v := range values {
			if other, ok := seen[v]; ok != again || ok && other != where {
				t.Errorf("%s and %q have the same index value, or not the same for one value", where, other)
			}
			seen[v] = where
		}
	}
	if len(fields) != 6 || fields[fmt.Sprintf("tenant %v, field 11", a.tenant)] != 1 {
		t.Errorf("the index values of the fields are %v", fields)
	}
	lookups := [][]byte{a.lookup, c.lookup, d.lookup}
	if bytes.Equal(lookups[0], lookups[1]) || bytes.Equal(lookups[0], lookups[2]) || bytes.Equal(lookups[1], lookups[2]) {
		t.Error("one name has the same hash in two tenants")
	}
}

// A thief has the database and the configuration, not the key-encryption key, and a
// dictionary of addresses and names: no plain or guessable hash of any stands there. The
// index values of beginnings are so short that some would be found by chance.
func thiefWithDictionary(t *testing.T, w *world) {
	p := w.newPerson(t, "default", "s31", fields{"email": "victim4711@example.org", "last_name": "Victim"})
	var stored [][]byte
	for _, q := range []string{`SELECT value FROM search_index WHERE length(value) >= 8`, `SELECT lookup FROM subject`, `SELECT key FROM effect`, `SELECT request FROM effect`} {
		for _, r := range w.rows(t, q) {
			stored = append(stored, r[0].([]byte))
		}
	}
	if n := len(w.indexValues(t, p, nil)); n != 6 { // of the address, the name, and beginnings of the name
		t.Fatalf("the victim has %d index values", n)
	}
	short := 32
	for _, s := range stored {
		short = min(short, len(s))
	}
	if short < 8 {
		t.Fatalf("an index value of %d bytes would be found by chance", short)
	}
	known := map[string]bool{}
	for _, s := range stored {
		known[string(s[:short])] = true
	}
	uid := w.blobOf(p.uid)
	guesses := [][]byte{
		nil, make([]byte, 32),
		{0, 0, 0, 1},
		{0, 0, 0, 11},
		p.lookup, uid,
		[]byte("default"), []byte("fieldvault"), []byte("lookup"), []byte("index/1/11/1"), []byte("customer.email"),
	}
	for _, k := range w.rows(t, `SELECT wrapped FROM tenant_key`) {
		guesses = append(guesses, k[0].([]byte))
	}
	dictionary := []string{"s31", "victim4711@example.org", "Victim", "victim", "VICTIM"}
	for i := range 2000 {
		dictionary = append(dictionary, fmt.Sprintf("victim%d@example.org", i+3000))
	}
	try := func(what string, sum []byte) {
		if len(sum) >= short && known[string(sum[:short])] {
			t.Errorf("a stored hash is %s of a word of the dictionary", what)
		}
	}
	for _, word := range dictionary {
		for name, h := range map[string]func() hash.Hash{"MD5": md5.New, "SHA-1": sha1.New, "SHA-256": sha256.New, "SHA-512": sha512.New} {
			for i, guess := range guesses {
				for _, text := range [][]byte{[]byte(word), append(bytes.Clone(guess), word...), append([]byte(word), guess...)} {
					d := h()
					d.Write(text)
					try(name, d.Sum(nil))
				}
				m := hmac.New(h, guess)
				m.Write([]byte(word))
				try(fmt.Sprint("HMAC-", name, " under guess ", i), m.Sum(nil))
			}
		}
	}
}

// blobOf is a uid as bytes.
func (w *world) blobOf(uid any) []byte {
	if b, ok := uid.([]byte); ok {
		return b
	}
	return []byte(fmt.Sprint(uid))
}

// An index entry moved to another person finds nobody: what is found is opened and
// compared.
func movedIndexEntries(t *testing.T, w *world) {
	a, b := w.newPerson(t, "default", "s32-a", fields{"email": "s32-a@example.org"}), w.newPerson(t, "default", "s32-b", fields{"email": "s32-b@example.org"})
	find := func(email string) string {
		t.Helper()
		r := w.do(t, call{token: w.token(t, "app"), purpose: "support", method: "POST", path: "/v1/search", body: fields{"collection": "customer", "field": "email", "equals": email}})
		var found struct{ Matches []struct{ Subject string } }
		r.want(t, "searching", "200").decode(t, &found)
		var names []string
		for _, m := range found.Matches {
			names = append(names, m.Subject)
		}
		return strings.Join(names, " ")
	}
	if got := find("s32-a@example.org"); got != "s32-a" {
		t.Fatalf("before: %q", got)
	}
	va, vb := w.indexValues(t, a, nil), w.indexValues(t, b, nil)
	w.sql(t, `UPDATE search_index SET value = $3 WHERE tenant = $1 AND uid = $2`, a.tenant, a.uid, vb[0])
	w.sql(t, `UPDATE search_index SET value = $3 WHERE tenant = $1 AND uid = $2`, b.tenant, b.uid, va[0])
	got := []string{find("s32-a@example.org"), find("s32-b@example.org")}
	if diff := cmp.Diff([]string{"", ""}, got); diff != "" {
		t.Errorf("with index entries exchanged, searches find (-want +got):\n%s", diff)
	}
}
