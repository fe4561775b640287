package vault_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/crypto/field"
	"github.com/fieldvault/fieldvault/crypto/keyring"
	"github.com/fieldvault/fieldvault/crypto/secret"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/storetest"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

// withVersion is twoGroups with a version stated for the index of the e-mail address.
func withVersion(n int) string {
	return strings.Replace(twoGroups, "[support], index: {kind: equality}", fmt.Sprintf("[support], index: {kind: equality, version: %d}", n), 1)
}

// filled is a vault with one record each of n people, i-0 and so on; every tenth has a
// note in a group of its own.
func filled(t *testing.T, n int) *vaulttest.Vault {
	t.Helper()
	v := newVault(t, vaulttest.Options{Catalog: twoGroups, Policy: plainPolicy})
	var ws []vault.Write
	for i := range n {
		fields := map[string]string{"email": mail(i)}
		if i%10 == 0 {
			fields["note"] = fmt.Sprintf("note %d", i)
		}
		ws = append(ws, vault.Write{Subject: fmt.Sprintf("i-%d", i), Collection: "customer", Record: "self", Fields: vaulttest.Values(fields)})
	}
	for batch := range slices.Chunk(ws, 500) {
		out, err := v.PutBatch(t.Context(), v.As("app", "support"), batch, vault.Idempotency{})
		for i := range out {
			err = errors.Join(err, out[i].Err)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return v
}

func mail(i int) string { return fmt.Sprintf("i-%d@example.org", i) }

func applies(t *testing.T, v *vaulttest.Vault, source string) {
	t.Helper()
	if done, err := v.ApplyCatalog(t.Context(), v.Operator(), []byte(source), false); err != nil || len(done.Changes) == 0 {
		t.Fatalf("applying a catalog: %d changes, %v", len(done.Changes), err)
	}
}

// reindex works on the job to its end, as a runner does.
// between is called before each step.
func reindex(t *testing.T, v *vaulttest.Vault, between func(vault.Job)) vault.Job {
	t.Helper()
	j := takeOf(t, v, vault.JobReindex)
	for range 200 {
		if between != nil {
			between(j)
		}
		next, done, err := v.ReindexStep(t.Context(), v.Operator(), j)
		if err != nil {
			t.Fatal(err)
		}
		if j = next; done {
			j.State = vault.JobDone
		}
		save(t, v, j)
		if done {
			return j
		}
	}
	t.Fatalf("the re-index does not end: %+v", j)
	return j
}

// finds says which people a search by e-mail address finds, on a node.
func finds(t *testing.T, v *vaulttest.Vault, n *vault.Vault, value string) (list []string) {
	t.Helper()
	m, err := n.Search(t.Context(), v.As("app", "support"), query(value))
	if err != nil {
		t.Errorf("searching %s: %v", value, err)
	}
	for _, x := range m.Matches {
		list = append(list, x.Subject)
	}
	return list
}

func wantFound(t *testing.T, v *vaulttest.Vault, n *vault.Vault, value string, want ...string) {
	t.Helper()
	if got := finds(t, v, n, value); !slices.Equal(got, want) {
		t.Errorf("a search of %s finds %q, want %q", value, got, want)
	}
}

// entriesOf counts the index entries of the store by version, and by person.
func entriesOf(t *testing.T, v *vaulttest.Vault, of uint32) (versions map[uint32]int, people map[uuid.UUID]int) {
	t.Helper()
	versions, people = map[uint32]int{}, map[uuid.UUID]int{}
	var after vault.ScanPos
	for {
		page, err := v.Store.(vault.Inspector).ScanRecords(t.Context(), after, 500)
		if err != nil {
			t.Fatal(err)
		}
		for i := range page {
			for _, e := range page[i].Index {
				if e.Field == of {
					versions[e.Version]++
					people[page[i].Pos.UID]++
				}
			}
		}
		if len(page) < 500 {
			return versions, people
		}
		after = page[len(page)-1].Pos
	}
}

func indexKeys(t *testing.T, v *vaulttest.Vault) (keys map[string]vault.TenantKey) {
	t.Helper()
	keys = map[string]vault.TenantKey{}
	err := v.Store.View(t.Context(), func(tx vault.Tx) error {
		list, err := tx.TenantKeys(t.Context(), 1)
		for _, k := range list {
			if strings.HasPrefix(k.Label, "index/") {
				keys[k.Label] = k
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func wantKeys(t *testing.T, v *vaulttest.Vault, want ...string) {
	t.Helper()
	if got := slices.Sorted(maps.Keys(indexKeys(t, v))); !slices.Equal(got, want) {
		t.Errorf("the index keys are %q, want %q", got, want)
	}
}

// A thief has an index key, and guesses who is in the index.
type thief struct{ key *field.IndexKey }

func steal(t *testing.T, v *vaulttest.Vault, label string) thief {
	t.Helper()
	k := indexKeys(t, v)[label]
	opened, err := v.Ring.OpenSecrets(t.Context(), vaulttest.Tenant, []string{label}, []keyring.Wrapped{{Version: int(k.KEKVersion), Bytes: k.Wrapped}})
	if err != nil {
		t.Fatal(err)
	}
	key, err := field.NewIndexKey(opened[0])
	if err != nil {
		t.Fatal(err)
	}
	return thief{key}
}

// hits counts the entries of any version that a guess of people's addresses matches.
func (x thief) hits(t *testing.T, v *vaulttest.Vault, people int) (n int) {
	t.Helper()
	err := v.Store.View(t.Context(), func(tx vault.Tx) error {
		for i := range people {
			guess, q := x.key.Index(secret.FromString(mail(i)), 64), vault.IndexQuery{Tenant: 1, Collection: 1, Field: 1, Limit: 10}
			for version := range uint32(4) {
				q.Values = append(q.Values, vault.IndexEntry{Version: version, Value: guess})
			}
			found, err := tx.SearchIndex(t.Context(), q)
			if err != nil {
				return err
			}
			n += len(found)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// The whole exchange of an index key, with people who are held, restricted, erased
// before and during it. Searches find everybody at every step; in the end only the new
// version stands, and guesses under the old key match nothing.
func TestExchangeOfAnIndexKey(t *testing.T) {
	storetest.NeedTime(t)
	v := filled(t, 430)
	dpo := v.As("dpo", "")
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	erase := func(i int) {
		t.Helper()
		_, err := v.Erase(t.Context(), dpo, vault.Erasing{Subject: fmt.Sprintf("i-%d", i)})
		check(err)
	}
	check(v.SetHold(t.Context(), dpo, "i-1", true, "a lawsuit"))
	check(v.SetRestriction(t.Context(), dpo, "i-2", true, "disputed"))
	erase(3)
	eraseGroups(t, v, "i-10", "care")
	old := steal(t, v, "index/1/1/1")
	if n := old.hits(t, v, 430); n != 429 {
		t.Fatalf("a thief guesses %d people, want 429", n)
	}
	if done, err := v.ApplyCatalog(t.Context(), v.Operator(), []byte(withVersion(2)), true); err != nil || len(done.Changes) != 1 {
		t.Fatalf("trying it out: %v, %v", done.Changes, err)
	}
	wantKeys(t, v, "index/1/1/1", "index/1/2/1")
	other := node(t, v, v.Store, v.KEK)
	wantFound(t, v, other, mail(4), "i-4")
	applies(t, v, withVersion(2))
	wantKeys(t, v, "index/1/1/1", "index/1/1/2", "index/1/2/1")

	step := 0
	done := reindex(t, v, func(j vault.Job) {
		for _, n := range []*vault.Vault{v.Vault, other} {
			for _, i := range []int{0, 1, 4, 199, 200, 401, 429} {
				wantFound(t, v, n, mail(i), fmt.Sprintf("i-%d", i))
			}
			wantFound(t, v, n, mail(3))
		}
		if report, err := v.Fsck(t.Context(), v.Operator(), nil); err != nil || len(report.Findings) > 0 {
			t.Errorf("fsck before step %d: %+v, %v", step, report.Findings, err)
		}
		switch step {
		case 0:
			_, err := v.ApplyCatalog(t.Context(), v.Operator(), []byte(withVersion(3)), false)
			wantInvalid(t, err)
			drop := strings.Replace(withVersion(2), "group: care, index: {kind: equality}", "group: care", 1)
			_, err = v.ApplyCatalog(t.Context(), v.Operator(), []byte(drop), false)
			wantKeyError(t, "dropping an index while another is filled", err)
			applies(t, v, strings.Replace(withVersion(2), "title: Test", "title: Another title", 1))
			applies(t, v, withVersion(2))
		case 2:
			erase(5)
		}
		if j.Done > j.Total || step > 0 && j.Note == "" {
			t.Errorf("step %d: %d of %d, %q", step, j.Done, j.Total, j.Note)
		}
		step++
	})
	if done.Done != done.Total || done.Total < 2*428 || !strings.Contains(done.Note, "1 earlier index keys are destroyed") {
		t.Errorf("the job at its end: %+v", done)
	}
	wantKeys(t, v, "index/1/1/2", "index/1/2/1")
	if n := old.hits(t, v, 430); n != 0 {
		t.Errorf("the thief still guesses %d people", n)
	}
	if n := steal(t, v, "index/1/1/2").hits(t, v, 430); n != 428 {
		t.Errorf("the new key finds %d people, want 428", n)
	}
	if _, err := v.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, _ := entriesOf(t, v, 1); !maps.Equal(got, map[uint32]int{2: 428}) {
		t.Errorf("entries by version: %v, want 428 of version 2", got)
	}
	if got, _ := entriesOf(t, v, 2); !maps.Equal(got, map[uint32]int{1: 42}) {
		t.Errorf("entries of the other index: %v, want 42 of version 1", got)
	}
	if got := keyEvents(t, v); !slices.Equal(got, []string{"reindex", "destroy_index"}) {
		t.Errorf("events of keys: %q", got)
	}
	if done, err := v.ApplyCatalog(t.Context(), v.Operator(), []byte(withVersion(2)), false); err != nil || len(done.Changes) != 0 {
		t.Errorf("applying it again: %v, %v", done.Changes, err)
	}
	for _, n := range []*vault.Vault{other, node(t, v, v.Store, v.KEK)} {
		wantFound(t, v, n, mail(4), "i-4")
	}
}

// A cursor goes on over the whole exchange: no match is missed, and none comes twice.
func TestACursorOutlivesAnExchange(t *testing.T) {
	v := newVault(t, vaulttest.Options{Catalog: twoGroups, Policy: plainPolicy})
	for i := range 7 {
		v.Put(t, fmt.Sprintf("p-%d", i), "customer", "self", map[string]string{"email": email})
	}
	q, found := query(email), []string{}
	q.Limit = 2
	page := func() {
		t.Helper()
		m, err := v.Search(t.Context(), v.As("app", "support"), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range m.Matches {
			found = append(found, x.Subject)
		}
		q.Cursor = m.Cursor
	}
	page()
	applies(t, v, withVersion(2))
	page()
	reindex(t, v, nil)
	page()
	page()
	slices.Sort(found)
	if want := []string{"p-0", "p-1", "p-2", "p-3", "p-4", "p-5", "p-6"}; !slices.Equal(found, want) || q.Cursor != "" {
		t.Errorf("found %q, cursor %q", found, q.Cursor)
	}
}

// Put, patched, deleted and erased on two nodes while keys are exchanged, again and
// again: each search that begins after an answer sees what was answered.
func TestSearchNeverMissesDuringAnExchange(t *testing.T) {
	storetest.NeedTime(t)
	v := filled(t, 230)
	nodes := []*vault.Vault{v.Vault, v.Node(t, nil), v.Node(t, nil)}
	app, dpo := v.As("app", "support"), v.As("dpo", "")
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	turns := make([]int, 3)
	for w := range turns {
		wg.Go(func() {
			for ; ctx.Err() == nil; turns[w]++ {
				at := func(i int) *vault.Vault { return nodes[(w+turns[w]+i)%len(nodes)] }
				subject := fmt.Sprintf("w-%d-%d", w, turns[w])
				first, second := subject+"-1@example.org", subject+"-2@example.org"
				write := vault.Write{Subject: subject, Collection: "customer", Record: "self", Fields: vaulttest.Values(map[string]string{"email": first})}
				put := func(n *vault.Vault) {
					if _, err := n.Put(t.Context(), app, write, vault.Idempotency{}); err != nil {
						t.Errorf("a write meanwhile: %v", err)
					}
				}
				put(at(0))
				wantFound(t, v, at(1), first, subject)
				write.Patch, write.Fields = true, vaulttest.Values(map[string]string{"email": second})
				put(at(2))
				wantFound(t, v, at(0), second, subject)
				wantFound(t, v, at(1), first)
				for _, i := range []int{turns[w] % 230, (turns[w] * 7) % 230} {
					wantFound(t, v, at(i), mail(i), fmt.Sprintf("i-%d", i))
				}
				var err error
				if turns[w]%2 == 0 {
					err = at(2).Delete(t.Context(), app, subject, "customer", "self", 0)
				} else {
					_, err = at(2).Erase(t.Context(), dpo, vault.Erasing{Subject: subject})
				}
				if err != nil {
					t.Errorf("removing meanwhile: %v", err)
				}
				wantFound(t, v, at(1), second)
			}
		})
	}
	for version := 2; version <= 4; version++ {
		applies(t, v, withVersion(version))
		reindex(t, v, nil)
		wantKeys(t, v, fmt.Sprintf("index/1/1/%d", version), "index/1/2/1")
	}
	stop()
	wg.Wait()
	if turns[0]+turns[1]+turns[2] < 3 {
		t.Errorf("only %v turns were made meanwhile", turns)
	}
	if _, err := v.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, _ := entriesOf(t, v, 1); got[4] < 230 || len(got) != 1 {
		t.Errorf("entries by version: %v, want version 4 alone", got)
	}
}

// A write that was prepared before the exchange, and stopped until after it, stores
// entries of the version that is in force.
func TestAStoppedWriteFollowsTheExchange(t *testing.T) {
	v := filled(t, 3)
	stopped, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	n := node(t, v, v.Store, heldKEK{v.KEK, func(string) { once.Do(func() { close(stopped); <-goOn }) }})
	put := make(chan error)
	go func() {
		w := vault.Write{Subject: "late", Collection: "customer", Record: "self", Fields: vaulttest.Values(map[string]string{"email": "late@example.org"})}
		_, err := n.Put(t.Context(), v.As("app", "support"), w, vault.Idempotency{})
		put <- err
	}()
	<-stopped
	applies(t, v, withVersion(2))
	reindex(t, v, nil)
	close(goOn)
	if err := <-put; err != nil {
		t.Fatalf("the write: %v", err)
	}
	for _, n := range []*vault.Vault{v.Vault, n} {
		wantFound(t, v, n, "late@example.org", "late")
	}
	if got, _ := entriesOf(t, v, 1); !maps.Equal(got, map[uint32]int{2: 4}) {
		t.Errorf("entries by version: %v", got)
	}
}

// A transaction that began before the new version was applied may store entries of the
// old one alone, and one that began before it stood alone of both: the job waits for
// them, then fills what the first left out, and removes what the second stored.
func TestAReindexWaitsForEarlierTransactions(t *testing.T) {
	storetest.NeedTime(t)
	for _, phase := range []string{"", "fill", "switch"} {
		t.Run("before "+phase, func(t *testing.T) { waitsForEarlier(t, phase) })
	}
}

func waitsForEarlier(t *testing.T, phase string) {
	v := filled(t, 3)
	j := vault.Job{Tenant: 1, ID: vaulttest.NewID()}
	if phase != "" {
		applies(t, v, withVersion(2))
		j = takeOf(t, v, vault.JobReindex)
	}
	for phase != "" && !strings.Contains(string(j.Cursor), `"phase":"`+phase+`"`) {
		var err error
		if j, _, err = v.ReindexStep(t.Context(), v.Operator(), j); err != nil {
			t.Fatal(err)
		}
	}
	stopped, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	n := node(t, v, heldStore{v.Store, func() { once.Do(func() { close(stopped); <-goOn }) }}, v.KEK)
	put := make(chan error)
	go func() {
		w := vault.Write{Subject: "late", Collection: "customer", Record: "self", Fields: vaulttest.Values(map[string]string{"email": "late@example.org"})}
		_, err := n.Put(t.Context(), v.As("app", "support"), w, vault.Idempotency{})
		put <- err
	}()
	<-stopped
	ended := make(chan error, 1)
	go func() {
		var err error
		if phase == "" {
			_, err = v.ApplyCatalog(t.Context(), v.Operator(), []byte(withVersion(2)), false)
		}
		for done := false; !done && err == nil; {
			j, done, err = v.ReindexStep(t.Context(), v.Operator(), j)
		}
		ended <- err
	}()
	select {
	case err := <-ended:
		t.Errorf("the re-index ended before an earlier transaction did: %v", err)
		ended <- err
	case <-time.After(300 * time.Millisecond):
	}
	close(goOn)
	if err := errors.Join(<-put, <-ended); err != nil {
		t.Fatal(err)
	}
	for _, n := range []*vault.Vault{v.Vault, n} {
		wantFound(t, v, n, "late@example.org", "late")
	}
	if got, _ := entriesOf(t, v, 1); !maps.Equal(got, map[uint32]int{2: 4}) {
		t.Errorf("entries by version: %v", got)
	}
}

// lateStore lets a test stop its process after it has searched an index.
type lateStore struct {
	vault.Store
	after func()
}

func (s *lateStore) LoadForReveal(ctx context.Context, q vault.LoadQuery) (*vault.Loaded, error) {
	if q.Identity && s.after != nil {
		s.after()
	}
	return s.Store.LoadForReveal(ctx, q)
}

// A search that was stopped between looking into the index and reading what it found,
// over a whole exchange, finds what was written under the new version, too.
func TestAStoppedSearchMissesNothing(t *testing.T) {
	v := filled(t, 3)
	s := &lateStore{Store: v.Store}
	n := node(t, v, s, v.KEK)
	wantFound(t, v, n, mail(1), "i-1")
	s.after = sync.OnceFunc(func() {
		applies(t, v, withVersion(2))
		reindex(t, v, nil)
		v.Put(t, "i-0", "customer", "self", map[string]string{"email": "fresh@example.org"})
	})
	wantFound(t, v, n, "fresh@example.org", "i-0")
	wantFound(t, v, n, mail(1), "i-1")
}

// A re-index that is killed goes on where it was: a step that was done and not saved is
// done again and finds nothing to do, and those that were saved are not.
func TestAReindexThatIsKilledGoesOn(t *testing.T) {
	storetest.NeedTime(t)
	v := filled(t, 500)
	applies(t, v, withVersion(2))
	j, before := takeOf(t, v, vault.JobReindex), v.KEK.Counts().UnwrapItems
	steps := 0
	for done := false; !done; steps++ {
		if steps > 100 {
			t.Fatal("it does not end")
		}
		broken, cancel := context.WithCancel(t.Context())
		cancel()
		if _, _, err := v.ReindexStep(broken, v.Operator(), j); err == nil {
			t.Error("a step without time did something")
		}
		if _, _, err := node(t, v, v.Store, v.KEK).ReindexStep(t.Context(), v.Operator(), j); err != nil {
			t.Fatal(err)
		}
		next, d, err := node(t, v, v.Store, v.KEK).ReindexStep(t.Context(), v.Operator(), j)
		if err != nil {
			t.Fatal(err)
		}
		j, done = next, d
		if !done {
			save(t, v, j)
		}
	}
	j.State = vault.JobDone
	save(t, v, j)
	own := 2 * 12 * (steps + 1) // each node opens the tenant's own keys
	if items := v.KEK.Counts().UnwrapItems - before; items < 500 || items > 500+own {
		t.Errorf("%d keys of 500 people were opened: it began again and again", items)
	}
	if got, _ := entriesOf(t, v, 1); !maps.Equal(got, map[uint32]int{2: 500}) {
		t.Errorf("entries by version: %v", got)
	}
	wantKeys(t, v, "index/1/1/2", "index/1/2/1")
}

// Between the look at a page of records and the entries made of it, people are erased,
// and groups of people, and all is cleaned up: nothing of theirs comes back.
func TestAReindexRacingErasuresBringsNothingBack(t *testing.T) {
	storetest.NeedTime(t)
	v := filled(t, 250)
	both := strings.ReplaceAll(twoGroups, "index: {kind: equality}", "index: {kind: equality, version: 2}")
	applies(t, v, both)
	kek := &lateKEK{KEK: v.KEK}
	n := node(t, v, v.Store, kek)
	wantFound(t, v, n, "nobody@example.org") // opens the tenant's own keys
	next := 0
	kek.before = func() {
		for range 40 {
			if next%10 == 0 && next%20 != 0 {
				eraseGroups(t, v, fmt.Sprintf("i-%d", next), "care")
			} else if next < 250 && next%2 == 0 {
				if _, err := v.Erase(t.Context(), v.As("dpo", ""), vault.Erasing{Subject: fmt.Sprintf("i-%d", next)}); err != nil {
					t.Errorf("an erasure: %v", err)
				}
			}
			next = min(next+1, 249)
		}
		if _, err := v.Sweep(t.Context()); err != nil {
			t.Error(err)
		}
	}
	j := takeOf(t, v, vault.JobReindex)
	for done := false; !done; {
		var err error
		if j, done, err = n.ReindexStep(t.Context(), v.Operator(), j); err != nil {
			t.Fatal(err)
		}
	}
	j.State = vault.JobDone
	save(t, v, j)
	if next < 40 {
		t.Fatalf("only %d were looked at meanwhile", next)
	}
	if _, err := v.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	live, notes := 0, 0
	for i := range 250 {
		gone := i < next && i%2 == 0 && (i%10 != 0 || i%20 == 0)
		if !gone {
			live++
			if i%10 == 0 && (i >= next || i%20 == 0) {
				notes++
			}
		}
	}
	for fieldID, want := range map[uint32]int{1: live, 2: notes} {
		if got, people := entriesOf(t, v, fieldID); !maps.Equal(got, map[uint32]int{2: want}) || len(people) != want {
			t.Errorf("field %d: entries by version %v of %d people, want %d of version 2", fieldID, got, len(people), want)
		}
	}
}

// A field that has values gets an index, which can be searched once they are indexed;
// then it is dropped, and nothing of it is left.
func TestAnIndexOfAFieldThatHasValues(t *testing.T) {
	v := newVault(t, vaulttest.Options{Policy: plainPolicy, Catalog: strings.Replace(twoGroups, "[support], index: {kind: equality}", "[support]", 1)})
	v.Put(t, "c-1", "customer", "self", map[string]string{"email": email})
	applies(t, v, twoGroups)
	v.Put(t, "c-2", "customer", "self", map[string]string{"email": email})
	reindex(t, v, func(j vault.Job) {
		if !strings.Contains(string(j.Cursor), `"drain"`) && !strings.Contains(string(j.Cursor), `"clean"`) {
			_, err := v.Search(t.Context(), v.As("app", "support"), query(email))
			wantKeyError(t, "a search before all is indexed", err)
		}
	})
	got := finds(t, v, v.Vault, email)
	slices.Sort(got)
	if !slices.Equal(got, []string{"c-1", "c-2"}) {
		t.Errorf("a search finds %q", got)
	}
	wantKeys(t, v, "index/1/1/1", "index/1/2/1")
	applies(t, v, strings.Replace(twoGroups, "[support], index: {kind: equality}", "[support]", 1))
	reindex(t, v, nil)
	wantKeys(t, v, "index/1/2/1")
	if got, _ := entriesOf(t, v, 1); len(got) != 0 {
		t.Errorf("entries of the index that was dropped: %v", got)
	}
	for what, index := range map[string]string{"other bits": "{kind: equality, bits: 20}", "an earlier version": "{kind: equality, version: 1}"} {
		source := strings.Replace(twoGroups, "group: care, index: {kind: equality}", "group: care, index: "+index, 1)
		if what == "an earlier version" {
			source = strings.Replace(twoGroups, "[support], index: {kind: equality}", "[support], index: "+index, 1)
		}
		_, err := v.ApplyCatalog(t.Context(), v.Operator(), []byte(source), false)
		wantInvalid(t, err)
	}
}

// A record that cannot be indexed stops no other; the job says so, and the old version
// stays in use. Once its person is erased, applying the catalog again ends the exchange.
func TestRecordsThatCannotBeIndexedKeepTheOldKey(t *testing.T) {
	v := filled(t, 30)
	v.Tampered()
	for _, k := range keysBelow(t, v, 1<<30) {
		if k.Group != 2 { // the group of e-mail addresses
			continue
		}
		err := v.Store.Update(t.Context(), func(tx vault.Tx) error {
			_, err := tx.RewrapKeys(t.Context(), 1, []vault.Rewrapped{{
				UID: k.UID, Group: k.Group, Epoch: k.Epoch, Version: k.Version,
				KEKVersion: k.KEKVersion, Next: k.KEKVersion, Wrapped: append([]byte("l"), make([]byte, 60)...),
			}})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		break
	}
	applies(t, v, withVersion(2))
	n := node(t, v, v.Store, v.KEK)
	j, err := takeOf(t, v, vault.JobReindex), error(nil)
	for range 20 {
		var next vault.Job
		var done bool
		if next, done, err = n.ReindexStep(t.Context(), v.Operator(), j); err != nil {
			break
		}
		if j = next; done {
			t.Fatal("it ended")
		}
	}
	wantKeyError(t, "a re-index with a damaged key", err)
	if err == nil || !strings.Contains(err.Error(), "1 records cannot be indexed") {
		t.Errorf("it says: %v", err)
	}
	j.State, j.Note = vault.JobFailed, err.Error()
	save(t, v, j)
	wantKeys(t, v, "index/1/1/1", "index/1/1/2", "index/1/2/1")
	if got, _ := entriesOf(t, v, 1); got[1] != 30 || got[2] != 29 {
		t.Errorf("entries by version: %v", got)
	}
	cold, damaged := node(t, v, v.Store, v.KEK), -1
	for i := range 30 {
		if got := finds(t, v, cold, mail(i)); len(got) != 1 {
			damaged = i
		}
	}
	report, err := cold.Fsck(t.Context(), v.Operator(), nil)
	if err != nil || !slices.ContainsFunc(report.Findings, func(f vault.Fault) bool { return strings.Contains(f.What, "no job fills it") }) {
		t.Errorf("fsck: %+v, %v", report.Findings, err)
	}
	if _, err := v.Erase(t.Context(), v.As("dpo", ""), vault.Erasing{Subject: fmt.Sprintf("i-%d", damaged)}); err != nil {
		t.Fatal(err)
	}
	for range 2 { // asking twice asks for one job
		if _, err := v.ApplyCatalog(t.Context(), v.Operator(), []byte(withVersion(2)), false); err != nil {
			t.Fatal(err)
		}
	}
	reindex(t, v, nil)
	wantKeys(t, v, "index/1/1/2", "index/1/2/1")
	for i := range 30 {
		if i != damaged {
			wantFound(t, v, cold, mail(i), fmt.Sprintf("i-%d", i))
		}
	}
}

// A process that was stopped before it put the new version in force, while others ended
// the exchange and the next one began, puts nothing in force.
func TestAStoppedReindexEndsNoLaterOne(t *testing.T) {
	storetest.NeedTime(t)
	v := filled(t, 30)
	applies(t, v, withVersion(2))
	var late []vault.Job
	reindex(t, v, func(j vault.Job) { late = append(late, j) })
	applies(t, v, withVersion(3))
	for _, j := range late {
		if len(j.Cursor) == 0 {
			continue // one that has not begun is as good as the new one
		}
		for range 2 {
			next, _, err := v.ReindexStep(t.Context(), v.Operator(), j)
			if err != nil && !errors.Is(err, vault.ErrIntegrity) {
				t.Fatal(err)
			}
			j = next
			if strings.Contains(string(j.Cursor), `"begin"`) {
				break // from here on it is an honest one
			}
		}
		if got := indexKeys(t, v); len(got) != 3 {
			t.Fatalf("after %s, the index keys are %v", j.Cursor, slices.Sorted(maps.Keys(got)))
		}
		for i := range 30 {
			wantFound(t, v, v.Vault, mail(i), fmt.Sprintf("i-%d", i))
		}
	}
	reindex(t, v, nil)
	wantKeys(t, v, "index/1/1/3", "index/1/2/1")
	if got, _ := entriesOf(t, v, 1); !maps.Equal(got, map[uint32]int{3: 30}) {
		t.Errorf("entries by version: %v", got)
	}
}
