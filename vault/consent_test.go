package vault_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit/evidence"
	"github.com/fieldvault/fieldvault/deploy/sample"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/catalog"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

// rightsCatalog has a purpose of every kind that people have a say in.
const rightsCatalog = `title: Shop
purposes:
  support: {title: Support, text: We help., benefit: Help., basis: contract}
  news:
    title: News
    text: We write to you about news.
    benefit: News.
    basis: consent
    expires: 30
    translations: {de: {title: Neues, text: Wir schreiben Ihnen., benefit: Neues.}}
  offers: {title: Offers, text: We write to you., benefit: Offers., basis: legitimate_interests, direct_marketing: true}
  stats: {title: Counting, text: We count., benefit: Better., basis: legitimate_interests}
  health: {title: Health, text: We advise., benefit: Health., basis: consent}
  games: {title: Games, text: We play., benefit: Fun., basis: consent, min_age: 16}
groups: {body: {}}
collections:
  customer:
    fields:
      email: {type: email, purposes: [support, news, offers, stats, games]}
      pulse: {type: number, purposes: [health], group: body, classification: special}
`

const rightsPolicy = `
permit (principal in Role::"app", action, resource);
permit (principal in Role::"dpo", action in [Action::"consent", Action::"consent_read", Action::"requests", Action::"erase", Action::"hold"], resource);
permit (principal in Role::"operator", action in [Action::"configure", Action::"inspect", Action::"audit", Action::"keys"], resource);
permit (principal in Role::"subject", action, resource) when { context.own };
`

func rightsVault(t *testing.T) *vaulttest.Vault {
	t.Helper()
	v := newVault(t, vaulttest.Options{Catalog: rightsCatalog, Policy: rightsPolicy})
	v.Put(t, "c-1", "customer", "self", map[string]string{"email": email})
	return v
}

// says records a decision of a person, as the person.
func says(t *testing.T, v *vault.Vault, c accessctl.Caller, d vault.Decided) (*evidence.Receipt, error) {
	t.Helper()
	d.Subject = "c-1"
	doc, err := v.RecordConsent(t.Context(), c, d)
	if err != nil {
		return nil, err
	}
	var r evidence.Receipt
	if err := json.Unmarshal(doc, &r); err != nil {
		t.Fatal(err)
	}
	return &r, nil
}

// opens says what the application sees of the person's address for a purpose.
func opens(t *testing.T, v *vault.Vault, c accessctl.Caller) string {
	t.Helper()
	out, err := v.Reveal(t.Context(), c, []vault.Item{{Subject: "c-1", Collection: "customer", Record: "self", Fields: []string{"email"}}})
	if err != nil || out[0].Err != nil || len(out[0].Fields) != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
	if f := out[0].Fields[0]; f.View != accessctl.Plain {
		return string(f.Reason)
	}
	return "plain"
}

func wants(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// republish applies the catalog with one change.
func republish(t *testing.T, v *vaulttest.Vault, from, to string) vault.Applied {
	t.Helper()
	source := strings.Replace(rightsCatalog, from, to, 1)
	if source == rightsCatalog && from != to {
		t.Fatal("nothing changes")
	}
	done, err := v.ApplyCatalog(t.Context(), v.Operator(), []byte(source), false)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// TestOldConsentOpensNothing is promise 12: after one word of a purpose has changed,
// the old consent opens nothing on any node, until the person decides again.
func TestOldConsentOpensNothing(t *testing.T) {
	v := rightsVault(t)
	n := v.Node(t, nil)
	app, dpo := v.As("app", "news"), v.As("dpo", "")
	wants(t, opens(t, v.Vault, app), "consent")
	record := func(d vault.Decided) {
		t.Helper()
		_, err := says(t, v.Vault, dpo, d)
		if err != nil {
			t.Fatal(err)
		}
	}
	record(vault.Decided{Purpose: "news", Decision: "granted"})
	wants(t, opens(t, n, app), "plain")

	republish(t, v, "benefit: Help.", "benefit: Quick help.")
	wants(t, opens(t, n, app), "plain") // another purpose's words

	done := republish(t, v, "about news.", "about the news.")
	if !slices.Equal(done.AskAgain, []string{"news"}) {
		t.Errorf("to be asked again: %q", done.AskAgain)
	}
	wants(t, opens(t, n, app), "consent")
	wants(t, opens(t, v.Vault, app), "consent")
	list, err := n.Consents(t.Context(), dpo, "c-1")
	if err != nil || list[1].State != accessctl.ConsentOutdated || list[1].Decision != "granted" {
		t.Errorf("%+v, %v", list[1], err)
	}
	// A consent to the old words does not become one to the new.
	if _, err := says(t, n, dpo, vault.Decided{Purpose: "news", Decision: "granted", Notice: "2"}); !errors.Is(err, vault.ErrConflict) {
		t.Errorf("a grant on an old notice: %v", err)
	}
	record(vault.Decided{Purpose: "news", Decision: "granted", Notice: "1", Method: "import"})
	wants(t, opens(t, n, app), "consent")
	record(vault.Decided{Purpose: "news", Decision: "granted", Notice: "3"})
	wants(t, opens(t, n, app), "plain")

	republish(t, v, "", "")
	wants(t, opens(t, n, app), "consent") // the first words again are other words than the second
}

// TestNoticeOfADecision: a decision is about a notice that was published.
func TestNoticeOfADecision(t *testing.T) {
	v := rightsVault(t)
	for _, notice := range []string{"0", "2", "01", "-1", "1.0", "2026-11", "latest"} {
		for _, decision := range []string{"granted", "refused", "withdrawn"} {
			_, err := says(t, v.Vault, v.As("dpo", ""), vault.Decided{Purpose: "news", Decision: decision, Notice: notice})
			var bad *vault.InvalidError
			if !errors.As(err, &bad) || bad.Problems[0].Field != "notice" {
				t.Errorf("%s on notice %q: %v", decision, notice, err)
			}
		}
	}
}

// TestReceiptIsBoundToTheNotice: the hash in a receipt is that of the words of the
// version and language that the person was shown.
func TestReceiptIsBoundToTheNotice(t *testing.T) {
	v := rightsVault(t)
	republish(t, v, "benefit: Help.", "benefit: Quick help.")
	for _, language := range []string{"", "en", "de", "fr"} {
		for _, version := range []string{"1", "2"} {
			r, err := says(t, v.Vault, v.As("dpo", ""), vault.Decided{Purpose: "news", Decision: "granted", Notice: version, Language: language})
			if err != nil {
				t.Fatal(err)
			}
			shown, err := strconv.ParseInt(version, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			n, err := v.Notice(t.Context(), vaulttest.Tenant, shown)
			if err != nil {
				t.Fatal(err)
			}
			text, in := n.Catalog.Notice("news", language)
			sum := sha256.Sum256([]byte(text))
			if got := r.Processing.Notice; got.Version != version || got.Hash != "sha256:"+hex.EncodeToString(sum[:]) {
				t.Errorf("notice %s in %q: %+v", version, language, got)
			}
			if r.Processing.Language != in || in == "de" != (r.Processing.Purposes[0].Title == "Neues") {
				t.Errorf("in %q: language %s, title %s", language, r.Processing.Language, r.Processing.Purposes[0].Title)
			}
		}
	}
}

// TestObjection is GDPR Art. 21: it closes a purpose at the next read on any node,
// whatever the purpose rests on.
func TestObjection(t *testing.T) {
	v := rightsVault(t)
	n := v.Node(t, nil)
	me, dpo := v.Person("c-1", ""), v.As("dpo", "")
	for _, purpose := range []accessctl.Purpose{"offers", "stats"} {
		app := v.As("app", purpose)
		wants(t, opens(t, n, app), "plain")
		v.KEK.Fail(vault.ErrUnavailable) // nobody waits for the key-encryption key
		r, err := says(t, v.Vault, me, vault.Decided{Purpose: purpose, Decision: "objected", Method: "portal"})
		v.KEK.Fail(nil)
		if err != nil || r.Events[0].State != "objected" || r.Events[0].Type != "objection" {
			t.Fatalf("%+v, %v", r, err)
		}
		wants(t, opens(t, n, app), "objection")
		wants(t, opens(t, v.Vault, v.As("app", "support")), "plain")
	}
	// The controller may have compelling grounds, but not for direct marketing.
	if _, err := says(t, v.Vault, dpo, vault.Decided{Purpose: "offers", Decision: "overruled"}); !invalidIn(err, "decision") {
		t.Errorf("overruled: %v", err)
	}
	if _, err := says(t, v.Vault, me, vault.Decided{Purpose: "stats", Decision: "overruled"}); !errors.Is(err, vault.ErrDenied) {
		t.Errorf("overruled by the person: %v", err)
	}
	if _, err := says(t, v.Vault, dpo, vault.Decided{Purpose: "stats", Decision: "overruled"}); err != nil {
		t.Error(err)
	}
	wants(t, opens(t, n, v.As("app", "stats")), "plain")
	if _, err := says(t, v.Vault, dpo, vault.Decided{Purpose: "stats", Decision: "overruled"}); !errors.Is(err, vault.ErrConflict) {
		t.Errorf("overruled where nobody objects: %v", err)
	}
	// The person may take it back.
	if _, err := says(t, v.Vault, me, vault.Decided{Purpose: "offers", Decision: "granted"}); err != nil {
		t.Error(err)
	}
	wants(t, opens(t, n, v.As("app", "offers")), "plain")
	for _, purpose := range []accessctl.Purpose{"support", "news"} {
		if _, err := says(t, v.Vault, me, vault.Decided{Purpose: purpose, Decision: "objected"}); !invalidIn(err, "decision") {
			t.Errorf("an objection to %s: %v", purpose, err)
		}
	}
	if _, err := v.RecordConsent(t.Context(), dpo, vault.Decided{Subject: "nobody", Purpose: "offers", Decision: "objected"}); !errors.Is(err, vault.ErrNotFound) {
		t.Errorf("an objection of nobody: %v", err)
	}
}

func invalidIn(err error, member string) bool {
	var bad *vault.InvalidError
	return errors.As(err, &bad) && bad.Problems[0].Field == member
}

// TestWhoMayConsent is GDPR Art. 8 and 9.
func TestWhoMayConsent(t *testing.T) {
	v := rightsVault(t)
	for _, c := range []struct {
		d      vault.Decided
		member string // wrong, or empty
		kind   string // in the receipt
	}{
		{vault.Decided{Purpose: "health", Decision: "granted"}, "explicit", ""},
		{vault.Decided{Purpose: "health", Decision: "granted", Explicit: true}, "", "explicit"},
		{vault.Decided{Purpose: "health", Decision: "refused"}, "", "explicit"},
		{vault.Decided{Purpose: "games", Decision: "granted"}, "age", ""},
		{vault.Decided{Purpose: "games", Decision: "granted", Age: -1}, "age", ""},
		{vault.Decided{Purpose: "games", Decision: "granted", Age: 151}, "age", ""},
		{vault.Decided{Purpose: "games", Decision: "granted", Age: 15}, "guardian", ""},
		{vault.Decided{Purpose: "games", Decision: "granted", Age: 15, Guardian: true}, "", "guardian"},
		{vault.Decided{Purpose: "games", Decision: "granted", Guardian: true}, "", "guardian"},
		{vault.Decided{Purpose: "games", Decision: "granted", Age: 16}, "", "explicit"},
		{vault.Decided{Purpose: "games", Decision: "withdrawn"}, "", "explicit"},
		{vault.Decided{Purpose: "news", Decision: "granted", Method: "gpc"}, "method", ""},
		{vault.Decided{Purpose: "news", Decision: "withdrawn", Method: "gpc"}, "", "signal"},
	} {
		r, err := says(t, v.Vault, v.Person("c-1", ""), c.d)
		switch {
		case c.member != "":
			if !invalidIn(err, c.member) {
				t.Errorf("%+v: %v, want a problem of %s", c.d, err, c.member)
			}
		case err != nil:
			t.Errorf("%+v: %v", c.d, err)
		case r.Events[0].Type != c.kind:
			t.Errorf("%+v: %s, want %s", c.d, r.Events[0].Type, c.kind)
		}
	}
}

// TestConsentExpires: a consent holds as long as the purpose says, at most.
func TestConsentExpires(t *testing.T) {
	v := rightsVault(t)
	now := v.Clock.Now()
	for _, c := range []struct{ asked, want time.Duration }{
		{0, 30 * 24 * time.Hour}, {time.Hour, time.Hour}, {400 * 24 * time.Hour, 30 * 24 * time.Hour},
	} {
		d := vault.Decided{Purpose: "news", Decision: "granted"}
		if c.asked > 0 {
			d.Expires = now.Add(c.asked)
		}
		r, err := says(t, v.Vault, v.As("dpo", ""), d)
		if err != nil || !r.Events[0].ValidUntil.Equal(now.Add(c.want)) {
			t.Errorf("asked for %v: %+v, %v", c.asked, r, err)
		}
	}
	wants(t, opens(t, v.Vault, v.As("app", "news")), "plain")
	v.Clock.Advance(30 * 24 * time.Hour)
	wants(t, opens(t, v.Vault, v.As("app", "news")), "consent")
}

// TestDecisions: all that a person said, in order, and when they may be asked again.
func TestDecisions(t *testing.T) {
	v := rightsVault(t)
	me := v.Person("c-1", "")
	want := []string{"granted", "withdrawn", "granted", "refused"}
	for _, d := range want {
		v.Clock.Advance(time.Hour)
		_, err := says(t, v.Vault, me, vault.Decided{Purpose: "news", Decision: d, Method: "portal"})
		if err != nil {
			t.Fatal(err)
		}
	}
	list, err := v.Decisions(t.Context(), me, "c-1")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range list {
		got = append(got, d.Decision)
		if err := evidence.Verify(d.Receipt, v.VerifierKey()); err != nil {
			t.Error(err)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	now, err := v.Consents(t.Context(), me, "c-1")
	if err != nil || !now[1].AskFrom.Equal(v.Clock.Now().AddDate(1, 0, 0)) {
		t.Errorf("may be asked from %v, %v", now[1].AskFrom, err)
	}
}

// TestNotices: what people were told stays readable, and what changed is said in words.
func TestNotices(t *testing.T) {
	v := newVault(t)
	source := string(sample.Catalog())
	for _, change := range [][2]string{
		{"title: Helping you", "title: Helping"}, {"title: Helping you", "title: Helping"}, // the second changes nothing
		{"We give your address to nobody else", "We give it to nobody else"},
	} {
		source = strings.Replace(source, change[0], change[1], 1)
		if _, err := v.ApplyCatalog(t.Context(), v.Operator(), []byte(source), false); err != nil {
			t.Fatal(err)
		}
	}
	list, next, err := v.Notices(t.Context(), vaulttest.Tenant, 0)
	if err != nil || next != 0 || len(list) != 3 || list[0].Catalog.Version != 3 || !slices.Equal(list[0].AskAgain, []string{"marketing"}) {
		t.Fatalf("%d notices, next %d, %v", len(list), next, err)
	}
	if list, _, err := v.Notices(t.Context(), vaulttest.Tenant, 3); err != nil || len(list) != 2 || len(list[0].AskAgain) != 0 {
		t.Errorf("before the third: %d, %v", len(list), err)
	}
	changes, ask, err := v.NoticeDiff(t.Context(), vaulttest.Tenant, 1, 3)
	if err != nil || len(changes) != 2 || !slices.Equal(ask, []string{"marketing"}) {
		t.Errorf("%+v, %q, %v", changes, ask, err)
	}
	first, err := v.Notice(t.Context(), vaulttest.Tenant, 1)
	if p, _ := first.Catalog.Purpose("support"); err != nil || p.Title != "Helping you" {
		t.Errorf("the first: %v", err)
	}
	for _, version := range []int64{-1, 0, 4} {
		if _, err := v.Notice(t.Context(), vaulttest.Tenant, version); !errors.Is(err, vault.ErrNotFound) {
			t.Errorf("version %d: %v", version, err)
		}
	}
	if _, _, err := v.Notices(t.Context(), "nobody", 0); !errors.Is(err, vault.ErrNotFound) {
		t.Errorf("another tenant: %v", err)
	}
	if catalog.AskAgain(nil, first.Catalog) != nil {
		t.Error("nothing changed, and somebody is to be asked")
	}
}

// TestARestoreForgetsNoObjection: after a restore to before an objection, and the replay
// of the ledger, the objection stands, whatever the database had on record before.
func TestARestoreForgetsNoObjection(t *testing.T) {
	v := rightsVault(t)
	dpo := v.As("dpo", "")
	if _, err := says(t, v.Vault, dpo, vault.Decided{Purpose: "offers", Decision: "granted"}); err != nil {
		t.Fatal(err)
	}
	path := backup(t, v)
	purposes := []accessctl.Purpose{"offers", "stats"} // one with a decision, one with none
	for _, p := range purposes {
		v.Clock.Advance(time.Minute)
		wants(t, opens(t, v.Vault, v.As("app", p)), "plain")
		if _, err := says(t, v.Vault, dpo, vault.Decided{Purpose: p, Decision: "objected"}); err != nil {
			t.Fatal(err)
		}
	}
	r := restored(t, v, path)
	if isReady(r) {
		t.Error("it says that it is ready")
	}
	done, err := r.Replay(t.Context(), r.Operator(), nil)
	if err != nil || done.Applied != int64(len(purposes)) {
		t.Fatalf("%d of %d entries were applied, %v", done.Applied, done.Entries, err)
	}
	for _, p := range purposes {
		wants(t, opens(t, r.Vault, r.As("app", p)), "objection")
	}
	wants(t, opens(t, r.Vault, r.As("app", "support")), "plain")
}

// TestNoStaysNo: where people may object, whatever they say next but yes keeps the
// purpose shut, and so does what nobody can vouch for.
func TestNoStaysNo(t *testing.T) {
	v := rightsVault(t)
	dpo := v.As("dpo", "")
	for _, purpose := range []accessctl.Purpose{"offers", "stats"} {
		for _, said := range []string{"objected", "refused", "withdrawn", "objected", "withdrawn", "refused"} {
			if _, err := says(t, v.Vault, dpo, vault.Decided{Purpose: purpose, Decision: said}); err != nil {
				t.Fatal(err)
			}
			wants(t, opens(t, v.Vault, v.As("app", purpose)), "objection")
		}
	}
	// A purpose that rested on consent keeps its no under another basis.
	if _, err := says(t, v.Vault, dpo, vault.Decided{Purpose: "news", Decision: "withdrawn"}); err != nil {
		t.Fatal(err)
	}
	republish(t, v, "    basis: consent\n    expires: 30\n", "    basis: legitimate_interests\n    version: 2\n")
	wants(t, opens(t, v.Vault, v.As("app", "news")), "objection")

	if _, err := says(t, v.Vault, dpo, vault.Decided{Purpose: "offers", Decision: "granted"}); err != nil {
		t.Fatal(err)
	}
	wants(t, opens(t, v.Vault, v.As("app", "offers")), "plain")
	for _, change := range []string{"DELETE FROM consent WHERE purpose = 'stats'", "UPDATE consent SET decision = 'granted' WHERE purpose = 'news'", "DELETE FROM consent"} {
		if _, err := open(t, v).Exec(change); err != nil {
			t.Fatal(err)
		}
		for _, purpose := range []accessctl.Purpose{"offers", "stats", "news"} {
			wants(t, opens(t, v.Vault, v.As("app", purpose)), "objection")
		}
		wants(t, opens(t, v.Vault, v.As("app", "support")), "plain")
	}
	// And an objection that is acknowledged then is in force.
	if _, err := says(t, v.Vault, dpo, vault.Decided{Purpose: "stats", Decision: "objected"}); err != nil {
		t.Fatal(err)
	}
	wants(t, opens(t, v.Vault, v.As("app", "stats")), "objection")
}

// TestANoIsNoOlder: a no that was said by a clock that runs late ends the yes before it
// also after a restore to between the two, and the replay.
func TestANoIsNoOlder(t *testing.T) {
	v := rightsVault(t)
	me := v.Person("c-1", "")
	yes, err := says(t, v.Vault, me, vault.Decided{Purpose: "news", Decision: "granted"})
	if err != nil {
		t.Fatal(err)
	}
	path := backup(t, v)
	v.Clock.Advance(-time.Minute)
	no, err := says(t, v.Vault, me, vault.Decided{Purpose: "news", Decision: "withdrawn"})
	if err != nil || no.Events[0].Time.Before(yes.Events[0].Time) {
		t.Errorf("%v, %v after %v", err, no.Events[0].Time, yes.Events[0].Time)
	}
	v.Clock.Advance(2 * time.Minute)
	r := restored(t, v, path)
	if _, err := r.Replay(t.Context(), r.Operator(), nil); err != nil {
		t.Fatal(err)
	}
	for _, n := range []*vault.Vault{v.Vault, r.Vault} {
		wants(t, opens(t, n, v.As("app", "news")), "consent")
	}
}
