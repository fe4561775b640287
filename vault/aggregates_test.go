package vault_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

// statsCatalog declares statistics for a purpose that rests on consent and for one that
// people may object to.
const statsCatalog = `title: Shop
purposes:
  support: {title: Help, text: We help., benefit: Help., basis: contract}
  analytics: {title: Counting, text: We count., benefit: Better., basis: consent}
  insight: {title: Insight, text: We count., benefit: Better., basis: legitimate_interests}
  planning: {title: Planning, text: We plan., benefit: Better., basis: legitimate_interests}
collections:
  customer:
    fields:
      country: {type: text, purposes: [support, analytics, insight]}
      postcode: {type: text, purposes: [support, analytics, insight]}
      spent: {type: number, purposes: [support, analytics, insight], retention: 30}
      born: {type: date, purposes: [support, insight]}
      name: {type: text, purposes: [support, analytics, insight]}
      age: {type: number, purposes: [support]}
    statistics:
      records: 1
      groups: 1
      budgets:
        analytics: {epsilon: 10, delta: 0.001, min_people: 3}
        insight: {epsilon: 10, delta: 0.001, min_people: 3}
      fields:
        country: {values: [Chile, Norway]}
        postcode: {prefix: 1}
        spent: {min: 0, max: 10, decimals: 1, bins: 10, band: 5}
        born: {min: 1990-01-01, max: 1992-12-31, bins: 3, period: year}
        age: {min: 0, max: 100}
`

const statsPolicy = rightsPolicy + `
permit (principal in Role::"analyst", action == Action::"aggregate", resource) when { ["analytics", "insight"].contains(context.purpose) };
permit (principal in Role::"dpo", action == Action::"restrict", resource);
`

// fixed is a stream of bytes that is the same in each test.
type fixed struct {
	mu   sync.Mutex
	n    uint64
	rest []byte
}

func (f *fixed) Read(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range p {
		if len(f.rest) == 0 {
			f.n++
			sum := sha256.Sum256(binary.BigEndian.AppendUint64(nil, f.n))
			f.rest = sum[:]
		}
		p[i], f.rest = f.rest[0], f.rest[1:]
	}
	return len(p), nil
}

// statsVault has so many people from Chile and from Norway, who all agreed to be counted.
func statsVault(t *testing.T, chile, norway int) *vaulttest.Vault {
	t.Helper()
	v := newVault(t, vaulttest.Options{Catalog: statsCatalog, Policy: statsPolicy, Noise: &fixed{}})
	for i := range chile + norway {
		fields := map[string]string{"country": "Chile", "postcode": "8320", "spent": "4", "born": "1990-05-05"}
		if i >= chile {
			fields = map[string]string{"country": "Norway", "postcode": "0171", "spent": "8", "born": "1992-05-05"}
		}
		subject := person(i)
		stores(t, v, subject, fields)
		decides(t, v, subject, "analytics", "granted")
	}
	return v
}

// stores writes a customer; what they spent is a number.
func stores(t *testing.T, v *vaulttest.Vault, subject string, fields map[string]string) {
	t.Helper()
	values := vaulttest.Values(fields)
	if n := fields["spent"]; n != "" {
		values["spent"] = json.RawMessage(n)
	}
	w := vault.Write{Subject: subject, Collection: "customer", Record: "self", Fields: values}
	if _, err := v.Vault.Put(t.Context(), v.As("app", "support"), w, vault.Idempotency{}); err != nil {
		t.Fatal(err)
	}
}

func person(i int) string { return fmt.Sprintf("p-%03d", i) }

func decides(t *testing.T, v *vaulttest.Vault, subject string, p accessctl.Purpose, decision string) {
	t.Helper()
	if _, err := v.RecordConsent(t.Context(), v.As("dpo", ""), vault.Decided{Subject: subject, Purpose: p, Decision: decision}); err != nil {
		t.Fatal(err)
	}
}

func asks(t *testing.T, v *vaulttest.Vault, p accessctl.Purpose, q vault.AggregateRequest) *vault.AggregateAnswer {
	t.Helper()
	q.Collection = "customer"
	out, err := v.Aggregate(t.Context(), v.As("analyst", p), q)
	if err != nil {
		t.Fatalf("%+v: %v", q, err)
	}
	return out
}

// near checks the first value of each group; the noise of the tests is fixed.
func near(t *testing.T, what string, out *vault.AggregateAnswer, within float64, want map[string]float64) {
	t.Helper()
	if len(out.Groups) != len(want) {
		t.Errorf("%s: %d groups, want %d: %+v", what, len(out.Groups), len(want), out.Groups)
	}
	for _, g := range out.Groups {
		key := strings.Join(g.Key, "/")
		e := g.Values[0]
		if w, ok := want[key]; !ok || math.Abs(e.Value-w) > within {
			t.Errorf("%s: %q is %g, want about %g", what, key, e.Value, w)
		}
		if e.Low > e.Value || e.High < e.Value || e.Error <= 0 {
			t.Errorf("%s: %q has the interval %g to %g about %g, error %g", what, key, e.Low, e.High, e.Value, e.Error)
		}
	}
}

// TestOnlyWhoMayBeCountedIs: the erased, the withdrawn, those who never agreed, the
// restricted, those who object, and the expired are gone from the next answer.
func TestOnlyWhoMayBeCountedIs(t *testing.T) {
	v := statsVault(t, 30, 20)
	byCountry := vault.AggregateRequest{Measure: "count", GroupBy: []string{"country"}, Epsilon: 900_000}
	near(t, "all", asks(t, v, "analytics", byCountry), 4, map[string]float64{"Chile": 30, "Norway": 20})
	for i := range 12 {
		if _, err := v.Erase(t.Context(), v.As("dpo", ""), vault.Erasing{Subject: person(i), Reason: "asked"}); err != nil {
			t.Fatal(err)
		}
	}
	for i := 12; i < 18; i++ {
		decides(t, v, person(i), "analytics", "withdrawn")
	}
	for i := 30; i < 42; i++ {
		if err := v.SetRestriction(t.Context(), v.As("dpo", ""), person(i), true, ""); err != nil {
			t.Fatal(err)
		}
	}
	stores(t, v, "p-new", map[string]string{"country": "Norway"})
	near(t, "fewer", asks(t, v, "analytics", byCountry), 4, map[string]float64{"Chile": 12, "Norway": 8})

	for i := 42; i < 47; i++ {
		decides(t, v, person(i), "insight", "objected")
	}
	near(t, "without consent", asks(t, v, "insight", byCountry), 4, map[string]float64{"Chile": 18, "Norway": 4})
	spent := vault.AggregateRequest{Measure: "count", Field: "spent", Epsilon: 900_000}
	near(t, "before the end", asks(t, v, "insight", spent), 4, map[string]float64{"": 21})
	v.Clock.Advance(31 * 24 * 60 * 60 * 1e9)
	near(t, "expired", asks(t, v, "insight", spent), 4, map[string]float64{"": 0})
}

func TestMeasures(t *testing.T) {
	v := statsVault(t, 60, 40)
	for _, tt := range []struct {
		q      vault.AggregateRequest
		within float64
		want   map[string]float64
	}{
		{vault.AggregateRequest{Measure: "sum", Field: "spent", Epsilon: 500_000}, 60, map[string]float64{"": 560}},
		{vault.AggregateRequest{Measure: "mean", Field: "spent", GroupBy: []string{"country"}, Epsilon: 900_000}, 1.5, map[string]float64{"Chile": 4, "Norway": 8}},
		{vault.AggregateRequest{Measure: "count", GroupBy: []string{"spent"}, Epsilon: 500_000}, 8, map[string]float64{"0..4.9": 60, "5..10": 40}},
		{vault.AggregateRequest{Measure: "count", GroupBy: []string{"postcode"}, Epsilon: 900_000}, 4, map[string]float64{"0": 40, "8": 60}},
		{vault.AggregateRequest{Measure: "quantiles", Field: "spent", Quantiles: []int{500}, Epsilon: 900_000}, 2, map[string]float64{"": 4.5}},
	} {
		near(t, tt.q.Measure, asks(t, v, "analytics", tt.q), tt.within, tt.want)
	}
	out := asks(t, v, "insight", vault.AggregateRequest{Measure: "count", GroupBy: []string{"born", "country"}, Epsilon: 500_000})
	near(t, "two groups", out, 8, map[string]float64{
		"1990/Chile": 60, "1990/Norway": 0, "1991/Chile": 0, "1991/Norway": 0, "1992/Chile": 0, "1992/Norway": 40,
	})
	out = asks(t, v, "insight", vault.AggregateRequest{Measure: "histogram", Field: "born", Epsilon: 500_000})
	if len(out.Bins) != 3 || out.Bins[0] != "1990-01-01..1990-12-31" || len(out.Groups[0].Values) != 3 || out.Groups[0].Values[0].Value < 50 || out.Groups[0].Values[1].Value > 10 {
		t.Errorf("a histogram: %+v", out)
	}
	if out.Confidence != 950 || out.Epsilon != 500_000 || out.Budget.Answers != 2 || out.Budget.Left >= 2_300_000 || out.Budget.Spent <= 500_000 {
		t.Errorf("what it says of itself: %+v", out)
	}
	out = asks(t, v, "insight", vault.AggregateRequest{Measure: "mean", Field: "spent", GroupBy: []string{"postcode"}, Epsilon: 900_000})
	near(t, "open groups", out, 2, map[string]float64{"0": 8, "8": 4})
	if out.Threshold < 3 || out.Groups[0].People == nil || out.Budget.OpenLeft != 99 {
		t.Errorf("open groups: %+v", out)
	}
}

func TestWhoMayAskWhat(t *testing.T) {
	v := statsVault(t, 1, 0)
	count := vault.AggregateRequest{Collection: "customer", Measure: "count", GroupBy: []string{"country"}, Epsilon: 1000}
	with := func(change func(*vault.AggregateRequest)) vault.AggregateRequest {
		q := count
		change(&q)
		return q
	}
	for name, tt := range map[string]struct {
		role    accessctl.Role
		purpose accessctl.Purpose
		q       vault.AggregateRequest
		want    error  // or
		invalid string // the parameter
	}{
		"a role without the action":     {"dpo", "analytics", count, vault.ErrDenied, ""},
		"operators":                     {"operator", "analytics", count, vault.ErrDenied, ""},
		"a purpose that policy forbids": {"analyst", "planning", count, vault.ErrDenied, ""},
		"a field not for the purpose": {"analyst", "analytics", with(func(q *vault.AggregateRequest) {
			q.GroupBy = []string{"country", "born"}
		}), vault.ErrDenied, ""},
		"a measured field not for the purpose": {"analyst", "insight", with(func(q *vault.AggregateRequest) { q.Field = "age" }), vault.ErrDenied, ""},
		"no purpose":                           {"analyst", "", count, nil, "purpose"},
		"no budget":                            {"app", "support", count, nil, "purpose"},
		"no such collection":                   {"analyst", "analytics", with(func(q *vault.AggregateRequest) { q.Collection = "order" }), nil, "collection"},
		"no such measure":                      {"analyst", "analytics", with(func(q *vault.AggregateRequest) { q.Measure = "max" }), nil, "measure"},
		"no such field":                        {"analyst", "analytics", with(func(q *vault.AggregateRequest) { q.Field = "email" }), nil, "field"},
		"a field not declared":                 {"analyst", "analytics", with(func(q *vault.AggregateRequest) { q.GroupBy = []string{"name"} }), nil, "group_by"},
		"a field that does not group":          {"app", "support", with(func(q *vault.AggregateRequest) { q.GroupBy = []string{"age"} }), nil, "group_by"},
		"three groups":                         {"analyst", "analytics", with(func(q *vault.AggregateRequest) { q.GroupBy = []string{"country", "spent", "postcode"} }), nil, "group_by"},
		"one group twice":                      {"analyst", "analytics", with(func(q *vault.AggregateRequest) { q.GroupBy = []string{"country", "country"} }), nil, "group_by"},
		"a count of nothing":                   {"analyst", "analytics", with(func(q *vault.AggregateRequest) { q.GroupBy = nil }), nil, "field"},
		"a sum of nothing":                     {"analyst", "analytics", with(func(q *vault.AggregateRequest) { q.Measure = "sum" }), nil, "field"},
		"a sum of texts":                       {"analyst", "analytics", with(func(q *vault.AggregateRequest) { q.Measure, q.Field = "sum", "country" }), nil, "field"},
		"a histogram without bins":             {"analyst", "analytics", with(func(q *vault.AggregateRequest) { q.Measure, q.Field = "histogram", "postcode" }), nil, "field"},
		"no epsilon":                           {"analyst", "analytics", with(func(q *vault.AggregateRequest) { q.Epsilon = 0 }), nil, "epsilon"},
		"too much epsilon":                     {"analyst", "analytics", with(func(q *vault.AggregateRequest) { q.Epsilon = 10_000_001 }), nil, "epsilon"},
		"quantiles of a count":                 {"analyst", "analytics", with(func(q *vault.AggregateRequest) { q.Quantiles = []int{500} }), nil, "quantiles"},
	} {
		_, err := v.Aggregate(t.Context(), v.As(tt.role, tt.purpose), tt.q)
		if tt.want != nil && !errors.Is(err, tt.want) || tt.want == nil && !invalidIn(err, tt.invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if list, err := v.Budgets(t.Context(), v.As("analyst", "")); err != nil || len(list) != 2 || list[0].Answers != 0 || list[0].Spent != 0 {
		t.Errorf("what was refused costs: %+v, %v", list, err)
	}
	if list, err := v.Budgets(t.Context(), v.As("operator", "")); err != nil || len(list) != 2 {
		t.Errorf("an operator sees %+v, %v", list, err)
	}
	if _, err := v.Budgets(t.Context(), v.As("dpo", "")); !errors.Is(err, vault.ErrDenied) {
		t.Errorf("an officer sees budgets: %v", err)
	}
}

// TestBudgetsAreNeverOverspent: 64 askers at once get as many answers as there are, and
// each is in the log before it is given, with what it costs and about nobody.
func TestBudgetsAreNeverOverspent(t *testing.T) {
	v := statsVault(t, 2, 0)
	q := vault.AggregateRequest{Collection: "customer", Measure: "count", GroupBy: []string{"country"}, Epsilon: 900_000}
	before, err := v.Budgets(t.Context(), v.As("analyst", ""))
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	answered, refused := 0, 0
	for range 64 {
		wg.Go(func() {
			_, err := v.Aggregate(t.Context(), v.As("analyst", "analytics"), q)
			var spent *vault.BudgetError
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				answered++
			case errors.As(err, &spent) && errors.Is(err, vault.ErrConflict) && spent.Left.Left < 900_000:
				refused++
			default:
				t.Errorf("an asker got %v", err)
			}
		})
	}
	wg.Wait()
	most := int(math.Pow(float64(before[0].Left)/900_000, 2))
	if answered != most || answered+refused != 64 || most < 2 {
		t.Errorf("%d of 64 were answered and %d refused, want %d answers", answered, refused, most)
	}
	after, err := v.Budgets(t.Context(), v.As("analyst", ""))
	if err != nil || after[0].Answers != int64(answered) || after[0].Spent > after[0].Epsilon || after[1] != before[1] {
		t.Errorf("budgets: %+v, %v", after, err)
	}
	paid, denied := 0, 0
	for _, e := range statistics(t, v) {
		if e.UID != uuid.Nil || e.Purpose != "analytics" || len(e.Fields) != 1 || e.Fields[0].View != accessctl.Hidden {
			t.Errorf("an event: %+v", e)
		}
		switch e.Outcome {
		case audit.Allowed:
			paid++
		case audit.Denied:
			denied++
		case audit.Failed:
			t.Errorf("an event: %+v", e)
		}
	}
	if paid != answered || denied != refused {
		t.Errorf("%d events of answers and %d of refusals, want %d and %d", paid, denied, answered, refused)
	}
}

// statistics are the events of statistics, in the order of the log.
func statistics(t *testing.T, v *vaulttest.Vault) []audit.Event {
	t.Helper()
	return slices.DeleteFunc(v.Events(t), func(e audit.Event) bool { return e.Action != accessctl.ActionAggregate })
}

// TestAnAnswerIsAllThatLeaves: no value stands in the answer, the log or an error, and
// an answer that fails is paid for and on record.
func TestAnAnswerIsAllThatLeaves(t *testing.T) {
	v := statsVault(t, 3, 0)
	out := asks(t, v, "analytics", vault.AggregateRequest{Measure: "mean", Field: "spent", GroupBy: []string{"postcode"}, Epsilon: 500_000})
	if b, err := json.Marshal(out); err != nil || strings.Contains(string(b), "8320") || len(out.Groups) != 0 {
		t.Errorf("an answer about three people: %s, %v", b, err)
	}
	v.Ring.Close()
	v.KEK.Fail(errors.New("down"))
	_, err := v.Aggregate(t.Context(), v.As("analyst", "analytics"), vault.AggregateRequest{Collection: "customer", Measure: "sum", Field: "spent", Epsilon: 500_000})
	if !errors.Is(err, vault.ErrUnavailable) {
		t.Errorf("without the key-encryption key: %v", err)
	}
	list := statistics(t, v)
	if last := list[len(list)-1]; len(list) != 3 || last.Outcome != audit.Failed || last.Refers != list[1].ID {
		t.Errorf("the log: %+v", list)
	}
	if b, err := v.Budgets(t.Context(), v.As("analyst", "")); err != nil || b[0].Answers != 2 {
		t.Errorf("an answer that failed: %+v, %v", b, err)
	}
}

// TestABudgetIsNotResetBySQL: neither lowered, nor deleted, nor given another's.
func TestABudgetIsNotResetBySQL(t *testing.T) {
	for name, change := range map[string]string{
		"lowered": "UPDATE budget SET rho = 0, delta = 0, answers = 0",
		"deleted": "DELETE FROM budget WHERE purpose = 'analytics'",
		"another": "UPDATE budget SET rho = 0, delta = 0, answers = 0, mac = (SELECT mac FROM budget WHERE purpose = 'insight') WHERE purpose = 'analytics'",
	} {
		v := statsVault(t, 1, 0)
		q := vault.AggregateRequest{Collection: "customer", Measure: "count", GroupBy: []string{"country"}, Epsilon: 900_000}
		asks(t, v, "analytics", q)
		db := open(t, v)
		if _, err := db.Exec(change); err == nil {
			t.Errorf("%s: the schema lets it pass", name)
		}
		for _, sql := range []string{"DROP TRIGGER budget_rises", "DROP TRIGGER budget_stays", change} {
			if _, err := db.Exec(sql); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := v.Aggregate(t.Context(), v.As("analyst", "analytics"), q); !errors.Is(err, vault.ErrIntegrity) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := v.Budgets(t.Context(), v.As("analyst", "")); !errors.Is(err, vault.ErrIntegrity) {
			t.Errorf("%s: budgets: %v", name, err)
		}
	}
}

// TestAnEarlierBudgetIsFound: a row that is put back as it once was bears its MAC, and fsck
// finds it by the log.
func TestAnEarlierBudgetIsFound(t *testing.T) {
	v := statsVault(t, 1, 0)
	q := vault.AggregateRequest{Measure: "count", GroupBy: []string{"country"}, Epsilon: 500_000}
	asks(t, v, "analytics", q)
	db := open(t, v)
	for _, sql := range []string{"CREATE TABLE kept AS SELECT * FROM budget", "DROP TRIGGER budget_stays"} {
		if _, err := db.Exec(sql); err != nil {
			t.Fatal(err)
		}
	}
	asks(t, v, "analytics", q)
	report, err := v.Fsck(t.Context(), v.Operator(), nil)
	if err != nil || len(report.Findings) != 0 {
		t.Errorf("before: %+v, %v", report.Findings, err)
	}
	for _, sql := range []string{"DELETE FROM budget", "INSERT INTO budget SELECT * FROM kept", "DROP TABLE kept"} {
		if _, err := db.Exec(sql); err != nil {
			t.Fatal(err)
		}
	}
	report, err = v.Fsck(t.Context(), v.Operator(), nil)
	if err != nil || len(report.Findings) != 1 || !strings.Contains(report.Findings[0].What, "fewer answers than the log") {
		t.Errorf("after: %+v, %v", report.Findings, err)
	}
}

// TestABudgetOutlivesItsDeclaration: what was spent stays spent when the catalog drops
// the budget and has it again, and a lower one leaves nothing.
func TestABudgetOutlivesItsDeclaration(t *testing.T) {
	v := statsVault(t, 1, 0)
	q := vault.AggregateRequest{Collection: "customer", Measure: "count", GroupBy: []string{"country"}, Epsilon: 900_000}
	asks(t, v, "analytics", q)
	const declared = "        analytics: {epsilon: 10, delta: 0.001, min_people: 3}\n"
	apply := func(instead string) {
		t.Helper()
		source := strings.Replace(statsCatalog, declared, instead, 1)
		if _, err := v.ApplyCatalog(context.WithoutCancel(t.Context()), v.Operator(), []byte(source), false); err != nil {
			t.Fatal(err)
		}
	}
	apply("")
	if _, err := v.Aggregate(t.Context(), v.As("analyst", "analytics"), q); !invalidIn(err, "purpose") {
		t.Errorf("without a budget: %v", err)
	}
	apply(declared)
	if b, err := v.Budgets(t.Context(), v.As("analyst", "")); err != nil || len(b) != 2 || b[0].Answers+b[1].Answers != 1 {
		t.Errorf("declared again: %+v, %v", b, err)
	}
	apply(strings.Replace(declared, "10", "1", 1))
	var spent *vault.BudgetError
	if _, err := v.Aggregate(t.Context(), v.As("analyst", "analytics"), q); !errors.As(err, &spent) || spent.Left.Left != 0 {
		t.Errorf("a budget below what was spent: %v", err)
	}
}
