package api

// An AggregateRequest is the body of POST /v1/aggregates: a question about many people.
type AggregateRequest struct {
	Collection string   `json:"collection"`
	Measure    string   `json:"measure" enum:"count,sum,mean,histogram,quantiles"`
	Field      string   `json:"field,omitempty" doc:"What is measured; a count by groups needs none"`
	GroupBy    []string `json:"group_by,omitempty" maxItems:"2" doc:"Fields that group, as the catalog declares"`
	Epsilon    float64  `json:"epsilon" minimum:"0.001" maximum:"10" doc:"What the answer takes from the budget: twice as much is half the noise"`
	Quantiles  []int    `json:"quantiles,omitempty" maxItems:"99" doc:"In thousandths, ascending, for quantiles only: 500 is the median"`
	Confidence float64  `json:"confidence,omitempty" minimum:"0.5" maximum:"0.999" doc:"The probability with which each interval is to cover; 0.95 if absent. It costs nothing"`
}

// An AggregateAnswer is a statistic. Every number in it that depends on people has noise.
type AggregateAnswer struct {
	Groups     []AggregateGroup `json:"groups"`
	Bins       []string         `json:"bins,omitempty" doc:"Of a histogram, in the order of each group's values"`
	Threshold  int64            `json:"threshold,omitempty" doc:"The noisy number of people from which on a group is shown; absent: the groups are those of the catalog, all of them"`
	Confidence float64          `json:"confidence" doc:"The probability with which each interval covers the true number"`
	Epsilon    float64          `json:"epsilon" doc:"What the answer took from the budget"`
	Budget     Budget           `json:"budget" doc:"What stands after it"`
}

// An AggregateGroup is what is told of one group.
type AggregateGroup struct {
	Key    []string   `json:"key" doc:"A label for each field that groups; empty: everyone"`
	People *Estimate  `json:"people,omitempty" doc:"How many people are in it, where the groups are those of the data"`
	Values []Estimate `json:"values" doc:"One, or one for each bin or quantile"`
}

// An Estimate is a noisy number.
type Estimate struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low" doc:"The interval's lower end"`
	High  float64 `json:"high" doc:"The interval's upper end"`
	Error float64 `json:"error" doc:"The expected error: the root of its expected square"`
}

// A Budget says how much may be learnt of a collection's people for a purpose, for ever.
type Budget struct {
	Collection   string  `json:"collection"`
	Purpose      string  `json:"purpose"`
	Epsilon      float64 `json:"epsilon" doc:"That of all answers together, as the catalog declares"`
	Delta        float64 `json:"delta" doc:"That of all answers together"`
	MinPeople    int64   `json:"min_people" doc:"That a group needs, where the groups are those of the data"`
	SpentEpsilon float64 `json:"spent_epsilon" doc:"What all answers so far come to, together"`
	LeftEpsilon  float64 `json:"left_epsilon" doc:"The largest epsilon that one more answer may have"`
	OpenAnswers  int64   `json:"open_answers_left" doc:"For how many answers with groups of the data there is delta left"`
	Answers      int64   `json:"answers" doc:"How many were paid for"`
}

// A BudgetList answers GET /v1/budgets.
type BudgetList struct {
	Budgets []Budget `json:"budgets"`
}
