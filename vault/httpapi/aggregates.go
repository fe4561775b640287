package httpapi

import (
	"math"
	"net/http"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/api"
)

func aggregateRoutes() []route {
	return []route{{
		method: http.MethodPost, path: "/v1/aggregates", id: "aggregate", tag: "Statistics", summary: "Learn about many people without looking at anyone",
		detail: "With noise that hides each person, of those whose data may be used for the purpose now; the catalog declares what can be asked. It is paid for from the budget before any data are read, also if it fails then. Needs the action aggregate on each field. It works for 30 seconds, one at a time; `fieldvault aggregate` has no such limit.",
		in:     api.AggregateRequest{}, purpose: always,
		serve: (*exchange).aggregate, out: []result{{200, "The statistic", api.AggregateAnswer{}, ""}},
	}, {
		method: http.MethodGet, path: "/v1/budgets", id: "budgets", tag: "Statistics", summary: "What may still be learnt",
		detail: "The budgets of statistics that the caller may use, under whatever purpose; all of them with the action inspect.",
		serve:  (*exchange).budgets, out: []result{{200, "The budgets", api.BudgetList{}, ""}},
	}}
}

func (x *exchange) aggregate() (answer, error) {
	var in api.AggregateRequest
	if err := x.decode(&in); err != nil {
		return answer{}, err
	}
	if in.Epsilon < 0 || in.Epsilon > 10 {
		return answer{}, invalid("epsilon", "must be from 0.001 to 10")
	}
	if in.Confidence < 0 || in.Confidence > 1 {
		return answer{}, invalid("confidence", "must be from 0.5 to 0.999")
	}
	if !x.reports.TryAcquire(1) {
		return answer{}, busy()
	}
	defer x.reports.Release(1)
	a, err := x.vault.Aggregate(x.r.Context(), x.caller, vault.AggregateRequest{
		Collection: in.Collection, Measure: in.Measure, Field: in.Field, GroupBy: in.GroupBy,
		Epsilon: int64(math.Round(in.Epsilon * millionths)), Quantiles: in.Quantiles,
		Confidence: int(math.Round(in.Confidence * 1000)),
	})
	if err != nil {
		return answer{}, x.late(err, "So many people take longer than 30 seconds. What it took from the budget stays spent. Ask with `fieldvault aggregate`, which has no such limit.")
	}
	return encoded(http.StatusOK, StatisticOf(a))
}

// StatisticOf is the wire form of a statistic.
func StatisticOf(a *vault.AggregateAnswer) api.AggregateAnswer {
	out := api.AggregateAnswer{
		Groups: make([]api.AggregateGroup, len(a.Groups)), Bins: a.Bins, Threshold: a.Threshold,
		Confidence: float64(a.Confidence) / 1000, Epsilon: float64(a.Epsilon) / millionths, Budget: budgetOf(&a.Budget),
	}
	for i := range a.Groups {
		g, to := &a.Groups[i], &out.Groups[i]
		to.Key, to.Values = g.Key, make([]api.Estimate, len(g.Values))
		if g.People != nil {
			e := api.Estimate(*g.People)
			to.People = &e
		}
		for j := range g.Values {
			to.Values[j] = api.Estimate(g.Values[j])
		}
	}
	return out
}

// millionths is how the vault counts an epsilon.
const millionths = 1e6

func (x *exchange) budgets() (answer, error) {
	list, err := x.vault.Budgets(x.r.Context(), x.caller)
	if err != nil {
		return answer{}, err
	}
	out := api.BudgetList{Budgets: make([]api.Budget, len(list))}
	for i := range list {
		out.Budgets[i] = budgetOf(&list[i])
	}
	return encoded(http.StatusOK, out)
}

func budgetOf(b *vault.BudgetState) api.Budget {
	return api.Budget{
		Collection: b.Collection, Purpose: string(b.Purpose), Epsilon: float64(b.Epsilon) / millionths, Delta: float64(b.Delta) / 1e15,
		MinPeople: b.MinPeople, SpentEpsilon: float64(b.Spent) / millionths, LeftEpsilon: float64(b.Left) / millionths,
		OpenAnswers: b.OpenLeft, Answers: b.Answers,
	}
}
