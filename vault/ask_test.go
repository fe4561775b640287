package vault_test

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/crypto/field"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

// bands asks how many people spent little and how many much.
func bands() vault.AggregateRequest {
	return vault.AggregateRequest{Collection: "customer", Measure: "count", GroupBy: []string{"spent"}, Epsilon: 500_000}
}

func marks(t *testing.T, v *vaulttest.Vault, c accessctl.Caller) string {
	t.Helper()
	mark, err := v.MarkQuestion(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return mark
}

// answersOf is how many answers the budget of a purpose has paid for.
func answersOf(t *testing.T, v *vaulttest.Vault, p accessctl.Purpose) int64 {
	t.Helper()
	list, err := v.Budgets(t.Context(), v.As("analyst", ""))
	if err != nil {
		t.Fatal(err)
	}
	for i := range list {
		if list[i].Purpose == p {
			return list[i].Answers
		}
	}
	t.Fatalf("no budget for %s: %+v", p, list)
	return 0
}

// TestAQuestionIsPaidForOnce however often it is sent, and its answer is the same.
func TestAQuestionIsPaidForOnce(t *testing.T) {
	v := statsVault(t, 20, 10)
	analyst := v.As("analyst", "analytics")
	mark := marks(t, v, analyst)
	var wait sync.WaitGroup
	ids := make([]uuid.UUID, 16)
	for i := range ids {
		wait.Go(func() {
			var err error
			if ids[i], err = v.Ask(t.Context(), analyst, mark, bands()); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	for _, id := range ids {
		if id != ids[0] || id == uuid.Nil {
			t.Fatalf("the ids differ: %v", ids)
		}
	}
	if n := answersOf(t, v, "analytics"); n != 1 {
		t.Fatalf("%d answers were paid for", n)
	}
	first, err := v.Asked(t.Context(), analyst, ids[0])
	if err != nil || first.State != vault.AskedDone || len(first.Answer.Groups) != 2 || first.Purpose != "analytics" {
		t.Fatalf("%+v, %v", first, err)
	}
	again, err := v.Asked(t.Context(), analyst, ids[0])
	if diff := cmp.Diff(first, again); diff != "" || err != nil {
		t.Errorf("another look: %v\n%s", err, diff)
	}
	other := bands()
	other.Epsilon *= 2 // another question under the mark of the first
	if id, err := v.Ask(t.Context(), analyst, mark, other); id != ids[0] || err != nil {
		t.Errorf("%v, %v", id, err)
	}
	if _, err := v.Ask(t.Context(), analyst, mark, vault.AggregateRequest{Collection: "customer", Measure: "x"}); err == nil {
		t.Error("a question of no measure has an answer")
	}
	if again, err = v.Asked(t.Context(), analyst, ids[0]); err != nil || again.State != vault.AskedDone {
		t.Errorf("a bad question took the place of an answer: %+v, %v", again, err)
	}
	if n := answersOf(t, v, "analytics"); n != 1 {
		t.Errorf("%d answers were paid for", n)
	}
}

// TestAnAnswerIsItsAskers: nobody else sees it or asks with their mark, and its time ends.
func TestAnAnswerIsItsAskers(t *testing.T) {
	v := statsVault(t, 5, 5)
	analyst := v.As("analyst", "analytics")
	other := analyst
	other.Subject = "another"
	mark := marks(t, v, analyst)
	for name, c := range map[string]accessctl.Caller{"another": other, "another tenant": func() accessctl.Caller { c := analyst; c.Tenant = "elsewhere"; return c }()} {
		if _, err := v.Ask(t.Context(), c, mark, bands()); !errors.Is(err, vault.ErrDenied) {
			t.Errorf("%s asks with it: %v", name, err)
		}
	}
	session, _, err := v.IssueTicket(t.Context(), v.As("app", ""), person(0), vault.TicketLink, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"", "x", mark + "x", strings.Replace(mark, ".", ".A", 1), session} {
		if _, err := v.Ask(t.Context(), analyst, bad, bands()); !errors.Is(err, vault.ErrDenied) {
			t.Errorf("the mark %q: %v", bad, err)
		}
	}
	if n := answersOf(t, v, "analytics"); n != 0 {
		t.Fatalf("%d answers were paid for", n)
	}
	id, err := v.Ask(t.Context(), analyst, mark, bands())
	if err != nil {
		t.Fatal(err)
	}
	for name, what := range map[string]struct {
		c  accessctl.Caller
		id uuid.UUID
	}{"another": {other, id}, "no answer": {analyst, uuid.New()}} {
		if _, err := v.Asked(t.Context(), what.c, what.id); !errors.Is(err, vault.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := v.ApplyPolicy(t.Context(), v.Operator(), []byte(strings.ReplaceAll(statsPolicy, `["analytics", "insight"]`, `["insight"]`)), false); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Asked(t.Context(), analyst, id); !errors.Is(err, vault.ErrDenied) {
		t.Errorf("policy no longer answers it: %v", err)
	}
	if _, _, err := v.ApplyPolicy(t.Context(), v.Operator(), []byte(statsPolicy), false); err != nil {
		t.Fatal(err)
	}
	v.Clock.Advance(vault.QuestionLife)
	if _, err := v.Asked(t.Context(), analyst, id); !errors.Is(err, vault.ErrNotFound) {
		t.Errorf("after its time: %v", err)
	}
	if _, err := v.Ask(t.Context(), analyst, mark, bands()); !errors.Is(err, vault.ErrDenied) || answersOf(t, v, "analytics") != 1 {
		t.Errorf("a mark after its time: %v", err)
	}
}

// TestARefusedQuestionKeepsItsMark: it cost nothing, and can be asked in another way.
func TestARefusedQuestionKeepsItsMark(t *testing.T) {
	v := statsVault(t, 5, 5)
	analyst := v.As("analyst", "analytics")
	mark := marks(t, v, analyst)
	dear := bands()
	dear.Epsilon = 10_000_000
	var spent *vault.BudgetError
	if _, err := v.Ask(t.Context(), analyst, mark, dear); !errors.As(err, &spent) {
		t.Fatalf("beyond the budget: %v", err)
	}
	id, err := v.Ask(t.Context(), analyst, mark, bands())
	if err != nil {
		t.Fatal(err)
	}
	if a, err := v.Asked(t.Context(), analyst, id); err != nil || a.State != vault.AskedDone {
		t.Fatalf("%+v, %v", a, err)
	}
	if n := answersOf(t, v, "analytics"); n != 1 {
		t.Errorf("%d answers were paid for", n)
	}
}

// An ending is a context whose time is over as soon as noise is drawn from it.
type ending struct {
	context.Context
	over chan struct{}
	slow bool
}

func (e *ending) Done() <-chan struct{} { return e.over }

func (e *ending) Err() error {
	select {
	case <-e.over:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

// Read has no noise.
func (e *ending) Read([]byte) (int, error) {
	if e.slow {
		close(e.over)
	}
	return 0, errors.New("there is no noise")
}

// TestPaidForAndNotAnswered: what fails once it is paid for is told apart from what took
// too long, to its asker, however often they look; and it is not paid for again.
func TestPaidForAndNotAnswered(t *testing.T) {
	for _, slow := range []bool{false, true} {
		e := &ending{Context: t.Context(), over: make(chan struct{}), slow: slow}
		v := newVault(t, vaulttest.Options{Catalog: statsCatalog, Policy: statsPolicy, Noise: e})
		analyst := v.As("analyst", "analytics")
		mark, want := marks(t, v, analyst), vault.AskedFailed
		if slow {
			want = vault.AskedSlow
		}
		id, err := v.Ask(e, analyst, mark, bands())
		if err != nil {
			t.Fatal(err)
		}
		if again, err := v.Ask(t.Context(), analyst, mark, bands()); again != id || err != nil {
			t.Errorf("asked again: %v, %v", again, err)
		}
		a, err := v.Asked(t.Context(), analyst, id)
		if err != nil || a.State != want || a.Answer != nil || a.Request.Measure != "count" {
			t.Errorf("slow %v: %+v, %v", slow, a, err)
		}
		if n := answersOf(t, v, "analytics"); n != 1 {
			t.Errorf("slow %v: %d answers were paid for", slow, n)
		}
	}
}

// TestForecast says before what an answer says after, and spends nothing.
func TestForecast(t *testing.T) {
	v := statsVault(t, 30, 30)
	analyst := v.As("analyst", "analytics")
	for name, q := range map[string]vault.AggregateRequest{
		"count":     bands(),
		"sum":       {Collection: "customer", Measure: "sum", Field: "spent", GroupBy: []string{"country"}},
		"histogram": {Collection: "customer", Measure: "histogram", Field: "spent", Confidence: 800},
		"open":      {Collection: "customer", Measure: "count", GroupBy: []string{"postcode"}},
	} {
		before := answersOf(t, v, "analytics")
		list, err := v.ForecastAggregate(t.Context(), analyst, q, 300_000, 600_000)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if answersOf(t, v, "analytics") != before {
			t.Errorf("%s: a forecast was paid for", name)
		}
		rough, fine := list[0], list[1]
		if math.Abs(fine.Share-4*rough.Share) > 1e-6 || fine.Width >= rough.Width || fine.Error >= rough.Error {
			t.Errorf("%s: twice the epsilon is four times the cost and half the noise: %+v", name, list)
		}
		q.Epsilon = 600_000
		out := asks(t, v, "analytics", q)
		n := 0
		for _, g := range out.Groups {
			n += len(g.Values)
			for _, e := range g.Values {
				half := (e.High - e.Low) / 2 // less where the interval is cut off at 0
				if half > fine.Width+1e-9 || e.Low != 0 && half < fine.Width-1e-9 || math.Abs(e.Error-fine.Error) > 1e-9 {
					t.Errorf("%s: forecast %+v, answer %+v", name, fine, e)
				}
			}
		}
		if name != "open" && n != fine.Numbers || name == "open" && fine.Numbers != 0 || out.Threshold != fine.Threshold {
			t.Errorf("%s: %d numbers, threshold %d, forecast %+v", name, n, out.Threshold, fine)
		}
		if want := max(q.Confidence, 950); q.Confidence == 0 && out.Confidence != want || q.Confidence != 0 && out.Confidence != q.Confidence {
			t.Errorf("%s: confidence %d", name, out.Confidence)
		}
		share := out.Budget.Share(600_000)
		if e := out.Budget.EpsilonOf(share); e < 599_000 || e > 600_000 || math.Abs(share-fine.Share) > 1e-9 {
			t.Errorf("%s: the share %g buys %d", name, share, e)
		}
	}
	if _, err := v.ForecastAggregate(t.Context(), v.As("dpo", "analytics"), bands(), 300_000); !errors.Is(err, vault.ErrDenied) {
		t.Errorf("who may not ask: %v", err)
	}
}

// TestStatisticsOffersWhatPolicyLets, and no field that another purpose has.
func TestStatisticsOffersWhatPolicyLets(t *testing.T) {
	v := statsVault(t, 1, 1)
	offered := map[string][]string{}
	list, err := v.Statistics(t.Context(), v.As("analyst", ""))
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range list {
		for _, m := range o.Fields {
			offered[string(o.Budget.Purpose)] = append(offered[string(o.Budget.Purpose)], m.Field)
		}
	}
	if diff := cmp.Diff(map[string][]string{"analytics": {"country", "postcode", "spent"}, "insight": {"country", "postcode", "spent", "born"}}, offered); diff != "" {
		t.Error(diff)
	}
	if list, err := v.Statistics(t.Context(), v.As("operator", "")); err != nil || len(list) != 0 {
		t.Errorf("who may not ask: %+v, %v", list, err)
	}
}

// TestStatisticsAreUse: a field that statistics alone use is not called unused, nor is
// their purpose idle.
func TestStatisticsAreUse(t *testing.T) {
	v := statsVault(t, 3, 3)
	asks(t, v, "analytics", vault.AggregateRequest{Measure: "sum", Field: "spent", GroupBy: []string{"country"}, Epsilon: 100_000})
	if _, err := v.Sequence(t.Context()); err != nil {
		t.Fatal(err)
	}
	v.Clock.Advance(time.Hour)
	m, err := v.Minimise(t.Context(), v.Operator(), 30, nil)
	if err != nil {
		t.Fatal(err)
	}
	unused, idle := []string{}, []string{}
	for _, f := range m.Fields {
		unused = append(unused, f.Name)
	}
	for _, p := range m.Purposes {
		idle = append(idle, p.ID)
	}
	if diff := cmp.Diff([]string{"postcode", "born", "name", "age"}, unused); diff != "" {
		t.Errorf("unused fields:\n%s", diff)
	}
	if diff := cmp.Diff([]string{"support", "insight", "planning"}, idle); diff != "" {
		t.Errorf("idle purposes:\n%s", diff)
	}
}

// TestKeptAnswersAreSealed: a long answer is kept whole, in several boxes; and one that was
// changed, cut, or put in another's place by SQL opens nothing.
func TestKeptAnswersAreSealed(t *testing.T) {
	v := newVault(t, vaulttest.Options{Policy: statsPolicy, Noise: &fixed{}, Catalog: strings.Replace(statsCatalog, "decimals: 1, bins: 10", "decimals: 3, bins: 1000", 1)})
	stores(t, v, person(0), map[string]string{"country": "Chile", "spent": "4"})
	decides(t, v, person(0), "analytics", "granted")
	analyst := v.As("analyst", "analytics")
	var ids []uuid.UUID
	for _, q := range []vault.AggregateRequest{
		{Collection: "customer", Measure: "histogram", Field: "spent", GroupBy: []string{"country"}, Epsilon: 100_000},
		bands(),
	} {
		id, err := v.Ask(t.Context(), analyst, marks(t, v, analyst), q)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	long, err := v.Asked(t.Context(), analyst, ids[0])
	if err != nil || len(long.Answer.Groups) != 2 || len(long.Answer.Groups[1].Values) != 1000 {
		t.Fatalf("%+v, %v", long, err)
	}
	v.Tampered()
	db, err := sql.Open("sqlite", v.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // the test ends
	var body []byte
	if err := db.QueryRowContext(t.Context(), `SELECT body FROM ticket WHERE id = ?`, ids[0][:]).Scan(&body); err != nil || len(body) < field.MaxBox {
		t.Fatalf("the long answer has %d bytes: %v", len(body), err)
	}
	flipped := slices.Clone(body)
	flipped[len(flipped)-1] ^= 1
	for name, b := range map[string][]byte{
		"a bit": flipped, "its first box alone": body[:field.MaxBox], "its last box alone": body[field.MaxBox:],
		"boxes in another order": slices.Concat(body[field.MaxBox:], body[:field.MaxBox]), "more": append(slices.Clone(body), 1),
	} {
		if _, err := db.ExecContext(t.Context(), `UPDATE ticket SET body = ? WHERE id = ?`, b, ids[0][:]); err != nil {
			t.Fatal(err)
		}
		if _, err := v.Asked(t.Context(), analyst, ids[0]); !errors.Is(err, vault.ErrIntegrity) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := db.ExecContext(t.Context(), `UPDATE ticket SET body = (SELECT body FROM ticket WHERE id = ?) WHERE id = ?`, ids[1][:], ids[0][:]); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Asked(t.Context(), analyst, ids[0]); !errors.Is(err, vault.ErrIntegrity) {
		t.Errorf("another's answer: %v", err)
	}
	if a, err := v.Asked(t.Context(), analyst, ids[1]); err != nil || a.State != vault.AskedDone {
		t.Errorf("the other is as it was: %+v, %v", a, err)
	}
}
