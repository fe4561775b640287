package vault_test

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/rights"
	"github.com/fieldvault/fieldvault/vault/rights/bundle"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

const requestPolicy = rightsPolicy + `
permit (principal in Role::"dpo", action in [Action::"requests", Action::"restrict", Action::"reenrol"], resource);
permit (principal in Role::"operator", action == Action::"keys", resource);
`

// requestCatalog has a purpose of selling, too.
var requestCatalog = strings.Replace(rightsCatalog, "groups:",
	"  ads: {title: Ads, text: We sell., benefit: Ads., basis: legitimate_interests, sells: true}\ngroups:", 1)

func requestVault(t *testing.T, more ...vaulttest.Options) *vaulttest.Vault {
	t.Helper()
	o := vaulttest.Options{}
	if len(more) > 0 {
		o = more[0]
	}
	o.Catalog, o.Policy = strings.Replace(requestCatalog, "stats, games]", "stats, games, ads]", 1), requestPolicy
	v := newVault(t, o)
	v.Put(t, "c-1", "customer", "self", map[string]string{"email": email})
	return v
}

func files(t *testing.T, v *vault.Vault, c accessctl.Caller, f vault.Filed) vault.Request {
	t.Helper()
	f.Subject = "c-1"
	q, err := v.FileRequest(t.Context(), c, f)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func steps(t *testing.T, v *vault.Vault, c accessctl.Caller, id uuid.UUID, s rights.Step) vault.Request {
	t.Helper()
	q, err := v.StepRequest(t.Context(), c, id, s, "")
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// A question goes to the officers and its answer comes back; nobody else reads either.
func TestQuestionAndAnswer(t *testing.T) {
	v := requestVault(t)
	me, dpo := v.Person("c-1", ""), v.As("dpo", "")
	filed := files(t, v.Vault, me, vault.Filed{Kind: rights.Question, Text: "Who has my data?"})
	if filed.State != rights.Received || filed.IdentityConfirmed.IsZero() || filed.Standing.Task != rights.OweAnswer {
		t.Errorf("%+v", filed)
	}
	q, err := v.Request(t.Context(), dpo, filed.ID)
	if err != nil || string(q.Text.Expose()) != "Who has my data?" || string(q.Subject.Expose()) != "c-1" {
		t.Fatalf("%+v, %v", q, err)
	}
	if _, err := v.StepRequest(t.Context(), dpo, filed.ID, rights.Step{Do: rights.Complete}, "We alone."); err != nil {
		t.Fatal(err)
	}
	q, err = v.Request(t.Context(), me, filed.ID)
	if err != nil || q.State != rights.Done || len(q.Steps) != 2 || string(q.Steps[1].Answer.Expose()) != "We alone." {
		t.Errorf("%+v, %v", q, err)
	}
	list, err := v.RequestsOf(t.Context(), me, "c-1")
	if err != nil || len(list) != 1 || list[0].ID != filed.ID || list[0].State != rights.Done {
		t.Errorf("%+v, %v", list, err)
	}
	v.Put(t, "c-2", "customer", "self", map[string]string{"email": email})
	if _, err := v.Request(t.Context(), v.Person("c-2", ""), filed.ID); !errors.Is(err, vault.ErrNotFound) {
		t.Errorf("another person: %v", err)
	}
	if _, err := v.Request(t.Context(), me, uuid.New()); !errors.Is(err, vault.ErrNotFound) {
		t.Errorf("a request that is not there: %v", err)
	}
	for _, c := range []accessctl.Caller{v.As("operator", ""), v.Person("c-2", "")} {
		if _, err := v.FileRequest(t.Context(), c, vault.Filed{Subject: "c-1", Kind: rights.Access}); !errors.Is(err, vault.ErrDenied) {
			t.Errorf("%s files: %v", c.Roles[0], err)
		}
	}
	if _, err := v.StepRequest(t.Context(), me, filed.ID, rights.Step{Do: rights.Acknowledge}, ""); !errors.Is(err, vault.ErrDenied) {
		t.Errorf("a person works on their own request: %v", err)
	}
	if _, err := v.Requests(t.Context(), me, vault.RequestQuery{}); !errors.Is(err, vault.ErrDenied) {
		t.Errorf("a person lists requests: %v", err)
	}
}

// The objection of a person closes the purpose at the next read on any node; that of a
// letter does so when its identity is confirmed.
func TestObjectionByRequest(t *testing.T) {
	v := requestVault(t)
	n := v.Node(t, nil)
	dpo, offers, stats := v.As("dpo", ""), v.As("app", "offers"), v.As("app", "stats")
	wants(t, opens(t, n, offers), "plain")
	v.KEK.Fail(vault.ErrUnavailable) // nobody waits for the key-encryption key
	q := files(t, v.Vault, v.Person("c-1", ""), vault.Filed{Kind: rights.Objection, Purpose: "offers"})
	v.KEK.Fail(nil)
	wants(t, opens(t, n, offers), "objection")
	if !q.Marketing {
		t.Error("an objection to direct marketing is not known as one")
	}
	if _, err := v.StepRequest(t.Context(), dpo, q.ID, rights.Step{Do: rights.Refuse, Reason: rights.CompellingGrounds, Told: true}, ""); !invalidIn(err, "reason") {
		t.Errorf("refusing an objection to direct marketing: %v", err)
	}
	letter := files(t, v.Vault, dpo, vault.Filed{Kind: rights.Objection, Purpose: "stats", Received: v.Clock.Now().Add(-48 * time.Hour)})
	wants(t, opens(t, n, stats), "plain")
	steps(t, n, dpo, letter.ID, rights.Step{Do: rights.ConfirmIdentity})
	wants(t, opens(t, v.Vault, stats), "objection")
	for _, purpose := range []accessctl.Purpose{"", "support", "nosuch"} {
		var bad *vault.InvalidError
		if _, err := v.FileRequest(t.Context(), dpo, vault.Filed{Subject: "c-1", Kind: rights.Objection, Purpose: purpose}); !errors.As(err, &bad) {
			t.Errorf("objecting to %q: %v", purpose, err)
		}
	}
}

func TestRestrictionAndOptOutByRequest(t *testing.T) {
	v := requestVault(t)
	n := v.Node(t, nil)
	me := v.Person("c-1", "")
	wants(t, opens(t, n, v.As("app", "ads")), "plain")
	files(t, v.Vault, me, vault.Filed{Kind: rights.OptOut})
	wants(t, opens(t, n, v.As("app", "ads")), "objection")
	wants(t, opens(t, n, v.As("app", "support")), "plain")
	files(t, v.Vault, me, vault.Filed{Kind: rights.Restriction})
	wants(t, opens(t, n, v.As("app", "support")), "restricted")
}

// A repetition under the idempotency key answers the same request.
func TestFilingOnce(t *testing.T) {
	v := requestVault(t)
	me, once := v.Person("c-1", ""), vault.Idempotency{Key: "k", Request: []byte("r")}
	first := files(t, v.Vault, me, vault.Filed{Kind: rights.OptOut, Once: once})
	again := files(t, v.Vault, me, vault.Filed{Kind: rights.OptOut, Once: once})
	if first.ID != again.ID {
		t.Errorf("%s and %s", first.ID, again.ID)
	}
	once.Request = []byte("other")
	if _, err := v.FileRequest(t.Context(), me, vault.Filed{Subject: "c-1", Kind: rights.Access, Once: once}); !errors.Is(err, vault.ErrMismatch) {
		t.Error(err)
	}
	for range 49 {
		files(t, v.Vault, me, vault.Filed{Kind: rights.Access})
	}
	if _, err := v.FileRequest(t.Context(), me, vault.Filed{Subject: "c-1", Kind: rights.Access}); !invalidIn(err, "subject") {
		t.Errorf("one too many: %v", err)
	}
}

// Of officers who take the same step at once one does, and the others are told.
func TestTwoOfficersStepAtOnce(t *testing.T) {
	v := requestVault(t)
	n := v.Node(t, nil)
	q := files(t, v.Vault, v.Person("c-1", ""), vault.Filed{Kind: rights.Access})
	var wg sync.WaitGroup
	var mu sync.Mutex
	won, lost := 0, 0
	for i := range 8 {
		wg.Go(func() {
			node := []*vault.Vault{v.Vault, n}[i%2]
			_, err := node.StepRequest(t.Context(), v.As("dpo", ""), q.ID, rights.Step{Do: rights.Complete}, "")
			var step *rights.StepError
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				won++
			case errors.Is(err, vault.ErrConflict) && errors.As(err, &step):
				lost++
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won != 1 || lost != 7 {
		t.Errorf("%d won, %d lost", won, lost)
	}
}

func TestRequestsAreListedByDeadline(t *testing.T) {
	v := requestVault(t)
	dpo := v.As("dpo", "")
	var ids []uuid.UUID
	for _, days := range []int{9, 1, 5} {
		q := files(t, v.Vault, dpo, vault.Filed{Kind: rights.Access, Received: v.Clock.Now().Add(-time.Duration(days) * 24 * time.Hour)})
		ids = append(ids, q.ID)
	}
	read := func(q vault.RequestQuery) (got []uuid.UUID) {
		t.Helper()
		for {
			page, err := v.Requests(t.Context(), dpo, q)
			if err != nil {
				t.Fatal(err)
			}
			for i := range page.Requests {
				got = append(got, page.Requests[i].ID)
			}
			if q.Cursor = page.Cursor; page.Cursor == "" {
				return got
			}
		}
	}
	if got := read(vault.RequestQuery{Limit: 1}); !slices.Equal(got, []uuid.UUID{ids[0], ids[2], ids[1]}) {
		t.Errorf("%v of %v", got, ids)
	}
	all, err := v.Requests(t.Context(), dpo, vault.RequestQuery{})
	if err != nil {
		t.Fatal(err)
	}
	if got := read(vault.RequestQuery{DueBefore: all.Requests[1].Due}); !slices.Equal(got, []uuid.UUID{ids[0]}) {
		t.Errorf("due before the second: %v", got)
	}
	steps(t, v.Vault, dpo, ids[1], rights.Step{Do: rights.AskIdentity})
	if got := read(vault.RequestQuery{State: rights.Identity}); !slices.Equal(got, []uuid.UUID{ids[1]}) {
		t.Errorf("awaiting proof: %v", got)
	}
	if got := read(vault.RequestQuery{DueBefore: v.Clock.Now().Add(9000 * time.Hour)}); len(got) != 2 {
		t.Errorf("with a deadline: %v", got)
	}
	if got := read(vault.RequestQuery{Kind: rights.Erasure}); len(got) != 0 {
		t.Errorf("of another kind: %v", got)
	}
}

// An erasure leaves no word of the person, ends what was open, and keeps the log until
// it has had its time.
func TestErasureKeepsTheLogOfRequests(t *testing.T) {
	const canary = "canary-5tr33t-and-name"
	v := requestVault(t)
	me, dpo := v.Person("c-1", ""), v.As("dpo", "")
	erasure := files(t, v.Vault, me, vault.Filed{Kind: rights.Erasure, Text: canary})
	access := files(t, v.Vault, me, vault.Filed{Kind: rights.Access, Text: canary})
	if _, err := v.StepRequest(t.Context(), dpo, access.ID, rights.Step{Do: rights.Acknowledge}, canary); err != nil {
		t.Fatal(err)
	}
	if _, err := v.StepRequest(t.Context(), dpo, erasure.ID, rights.Step{Do: rights.Complete}, ""); !invalidIn(err, "reason") {
		t.Errorf("an erasure that did not happen: %v", err)
	}
	if _, err := v.Erase(t.Context(), dpo, vault.Erasing{Subject: "c-1"}); err != nil {
		t.Fatal(err)
	}
	check := func() {
		t.Helper()
		for id, reason := range map[uuid.UUID]rights.Reason{erasure.ID: "", access.ID: rights.NoData} {
			q, err := v.Request(t.Context(), dpo, id)
			if err != nil || q.State != rights.Done || q.Reason != reason || !q.Erased || !q.Text.IsZero() {
				t.Errorf("%+v, %v", q, err)
			}
			for _, s := range q.Steps {
				if s.By != "" || s.Event == uuid.Nil {
					t.Errorf("%+v", s)
				}
			}
			if _, err := v.StepRequest(t.Context(), dpo, id, rights.Step{Do: rights.Cancel}, ""); !errors.Is(err, vault.ErrGone) {
				t.Errorf("a step after the erasure: %v", err)
			}
		}
	}
	check()
	if _, err := v.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	check()
	if _, err := v.Request(t.Context(), me, erasure.ID); !errors.Is(err, vault.ErrNotFound) {
		t.Errorf("the person who was: %v", err)
	}
	if v.Path != "" {
		for _, path := range []string{v.Path, v.Path + "-wal"} {
			if b, err := os.ReadFile(path); err == nil && bytes.Contains(b, []byte(canary)) {
				t.Errorf("%s holds a word of the person", path)
			}
		}
	}
	v.Clock.Advance(35 * 31 * 24 * time.Hour)
	sweepAnd(t, v, 2)
	v.Clock.Advance(3 * 31 * 24 * time.Hour)
	sweepAnd(t, v, 0)
}

// sweepAnd sweeps, and wants so many requests left.
func sweepAnd(t *testing.T, v *vaulttest.Vault, want int) {
	t.Helper()
	if _, err := v.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	page, err := v.Requests(t.Context(), v.As("dpo", ""), vault.RequestQuery{})
	if err != nil || len(page.Requests) != want {
		t.Errorf("%d requests are left, want %d (%v)", len(page.Requests), want, err)
	}
}

// The words of a person who lives on are forgotten with the log, too.
func TestRequestsOfTheLivingAreForgotten(t *testing.T) {
	v := requestVault(t)
	me := v.Person("c-1", "")
	done, open := files(t, v.Vault, me, vault.Filed{Kind: rights.Question, Text: "?"}), files(t, v.Vault, me, vault.Filed{Kind: rights.Access})
	steps(t, v.Vault, v.As("dpo", ""), done.ID, rights.Step{Do: rights.Complete})
	v.Clock.Advance(38 * 31 * 24 * time.Hour)
	sweepAnd(t, v, 1)
	list, err := v.RequestsOf(t.Context(), me, "c-1")
	if err != nil || len(list) != 1 || list[0].ID != open.ID || !list[0].Standing.Overdue {
		t.Errorf("%+v, %v", list, err)
	}
}

// A step that is repeated under one key is taken once, and answers alike; under no key, or
// by another, it is refused.
func TestAStepUnderOneKeyIsTakenOnce(t *testing.T) {
	v := requestVault(t)
	dpo := v.As("dpo", "")
	q := files(t, v.Vault, v.Person("c-1", ""), vault.Filed{Kind: rights.Question, Text: "Why?"})
	once := vault.Idempotency{Key: "k-1", Request: []byte("complete")}
	step := func(once vault.Idempotency) (vault.Request, error) {
		return v.StepRequestOnce(t.Context(), dpo, q.ID, rights.Step{Do: rights.Complete}, "So.", once)
	}
	first, err := step(once)
	if err != nil {
		t.Fatal(err)
	}
	v.Clock.Advance(time.Minute)
	second, err := step(once)
	if err != nil || second.State != rights.Done || len(second.Steps) != 2 || !second.Ended.Equal(first.Ended) || second.Steps[1].Event != first.Steps[1].Event {
		t.Errorf("again: %+v, %v", second, err)
	}
	if _, err := step(vault.Idempotency{Key: "k-1", Request: []byte("another")}); !errors.Is(err, vault.ErrMismatch) {
		t.Errorf("another request under the key: %v", err)
	}
	for _, other := range []vault.Idempotency{{}, {Key: "k-2", Request: []byte("complete")}} {
		if _, err := step(other); !errors.Is(err, vault.ErrConflict) {
			t.Errorf("under %q: %v", other.Key, err)
		}
	}
	// What was refused under a key may be tried again.
	access := files(t, v.Vault, v.Person("c-1", ""), vault.Filed{Kind: rights.Access})
	again := vault.Idempotency{Key: "k-3", Request: []byte("refuse")}
	for range 2 {
		if _, err := v.StepRequestOnce(t.Context(), dpo, access.ID, rights.Step{Do: rights.Refuse, Reason: rights.Accurate, Told: true}, "", again); err == nil {
			t.Error("a step that is not possible")
		}
	}
	if _, err := v.StepRequestOnce(t.Context(), dpo, access.ID, rights.Step{Do: rights.Complete}, "", vault.Idempotency{Key: "k-4", Request: []byte("x")}); err != nil {
		t.Error(err)
	}
}

// A hold keeps the requests of the person, too, until it is lifted; and so does a ledger
// that knows of a hold which the database lacks.
func TestAHoldKeepsRequests(t *testing.T) {
	v := requestVault(t)
	dpo := v.As("dpo", "")
	done := files(t, v.Vault, v.Person("c-1", ""), vault.Filed{Kind: rights.Question, Text: "?"})
	steps(t, v.Vault, dpo, done.ID, rights.Step{Do: rights.Complete})
	hold := func(held bool) {
		t.Helper()
		if err := v.SetHold(t.Context(), dpo, "c-1", held, ""); err != nil {
			t.Fatal(err)
		}
	}
	path := ""
	if v.Path != "" {
		path = backup(t, v)
	}
	hold(true)
	v.Clock.Advance(38 * 31 * 24 * time.Hour)
	sweepAnd(t, v, 1)
	if path != "" {
		r := restored(t, v, path)
		sweepAnd(t, r, 1)
		if _, err := r.Replay(t.Context(), r.Operator(), nil); err != nil {
			t.Fatal(err)
		}
	}
	hold(false)
	sweepAnd(t, v, 0)
}

// The evidence of an objection holds the receipt of the decision, and verifies offline.
func TestBundleOfAnObjection(t *testing.T) {
	v := requestVault(t)
	me, dpo := v.Person("c-1", ""), v.As("dpo", "")
	q := files(t, v.Vault, me, vault.Filed{Kind: rights.Objection, Purpose: "offers"})
	if _, err := v.RequestBundle(t.Context(), dpo, q.ID, nil); !errors.Is(err, vault.ErrConflict) {
		t.Errorf("the bundle of one that has not ended: %v", err)
	}
	if _, err := v.StepRequest(t.Context(), dpo, q.ID, rights.Step{Do: rights.Complete}, "We shall not write again."); err != nil {
		t.Fatal(err)
	}
	for _, logged := range []bool{false, true} {
		b, err := v.RequestBundle(t.Context(), me, q.ID, nil)
		if err != nil {
			t.Fatal(err)
		}
		r, err := bundle.Verify(b, v.VerifierKey())
		if err != nil || len(r.Signed) != 2 || r.Signed[1].File != "receipts/001.json" || r.Signed[1].Logged != logged {
			t.Errorf("%+v, %v", r, err)
		}
		if !bytes.Contains(b, []byte("We shall not write again.")) {
			t.Error("the answer is not in the bundle")
		}
		if _, err := v.Sequence(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// What SQL changes does not count, and fsck names it.
func TestRequestsBySQLDoNotCount(t *testing.T) {
	for name, tt := range map[string]struct{ query, want string }{
		"a request's body":   {`UPDATE request SET body = CAST(replace(CAST(body AS TEXT), '"received"', '"done"') AS BLOB)`, "a request does not bear its MAC"},
		"whose it is":        {`UPDATE request SET uid = (SELECT uid FROM subject WHERE uid <> request.uid)`, "a request does not bear its MAC"},
		"a log's body":       {`UPDATE request_log SET body = CAST(replace(CAST(body AS TEXT), '"received"', '"done"') AS BLOB)`, "the log of a request does not bear its MAC"},
		"when it is due":     {`UPDATE request_log SET due = due + 86400000000`, "the log of a request does not bear its MAC"},
		"when to forget it":  {`UPDATE request_log SET forget = 1`, "the log of a request does not bear its MAC"},
		"a log that is gone": {`DELETE FROM request_log`, "it was removed by SQL"},
	} {
		t.Run(name, func(t *testing.T) {
			v := requestVault(t)
			v.Put(t, "c-2", "customer", "self", map[string]string{"email": email})
			q := files(t, v.Vault, v.Person("c-1", ""), vault.Filed{Kind: rights.Access})
			db := behind(t, v)
			if _, err := db.ExecContext(t.Context(), tt.query); err != nil {
				t.Fatal(err)
			}
			if _, err := v.StepRequest(t.Context(), v.As("dpo", ""), q.ID, rights.Step{Do: rights.Complete}, ""); !errors.Is(err, vault.ErrIntegrity) {
				t.Errorf("a step: %v", err)
			}
			if _, err := v.Sweep(t.Context()); err != nil {
				t.Error(err)
			}
			report, err := v.Fsck(t.Context(), v.Operator(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(report.Findings, func(f vault.Fault) bool { return strings.Contains(f.What, tt.want) }) {
				t.Errorf("fsck found %+v", report.Findings)
			}
		})
	}
}

// A retired key would take words with it: it is kept while there are any.
func TestWordsOutliveARotationOfKeys(t *testing.T) {
	v := requestVault(t)
	q := files(t, v.Vault, v.Person("c-1", ""), vault.Filed{Kind: rights.Question, Text: "Why?"})
	if _, _, err := v.RotatePerson(t.Context(), v.As("operator", ""), "c-1"); err != nil {
		t.Fatal(err)
	}
	if _, err := v.StepRequest(t.Context(), v.As("dpo", ""), q.ID, rights.Step{Do: rights.Complete}, "So."); err != nil {
		t.Fatal(err)
	}
	reseal(t, v)
	if _, err := v.RetirePerson(t.Context(), v.As("operator", ""), "c-1"); err != nil {
		t.Fatal(err)
	}
	got, err := v.Request(t.Context(), v.Person("c-1", ""), q.ID)
	if err != nil || string(got.Text.Expose()) != "Why?" || string(got.Steps[1].Answer.Expose()) != "So." {
		t.Errorf("%+v, %v", got, err)
	}
}
