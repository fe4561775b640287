package page

import "time"

// ConsoleStatistics shows how much may still be learnt about people, without looking at
// anyone.
type ConsoleStatistics struct {
	Budgets []ConsoleBudget
}

func (ConsoleStatistics) about() about {
	return about{name: "console-statistics", title: "console.statistics.title", area: areaConsole, place: consoleStatistics}
}

// A ConsoleBudget says how much may be learnt of a collection for a purpose.
type ConsoleBudget struct {
	Collection, Purpose string // titles
	// Spent is the part of the whole that answers took, from 0 to 1: of what adds up.
	Spent float64
	// Epsilon and SpentEpsilon are the privacy loss of all answers together, as the
	// catalog allows it and as it is by now; LeftEpsilon the largest that one more answer
	// may have, 0: none may.
	Epsilon, SpentEpsilon, LeftEpsilon float64
	// OneIn is 1/delta: once in so many, the promise of epsilon may fail.
	OneIn float64
	// MinPeople is how many people a group of the data needs, 0 where there are none, and
	// OpenLeft for how many answers with such groups there is room.
	MinPeople, OpenLeft int64
	Answers             int64
	// Ask leads to the form that asks. Optional.
	Ask string
}

// Over says that nothing more may be learnt.
func (b ConsoleBudget) Over() bool { return b.LeftEpsilon <= 0 }

// ConsoleAsk asks a question about many people, in two steps: what, and how precisely.
type ConsoleAsk struct {
	Of                  string // as it is sent
	Collection, Purpose string // titles
	What                []ConsoleWhat
	Groups, Groups2     []Choice // by field; the first is none
	Confidences         []ConsoleConfidence
	// Own is an epsilon that the asker would rather have, as they wrote it.
	Own string
	// Wrong says what lacked of the question. Optional.
	Wrong ConsoleAskFault
	// Offer is there once the question is clear: what its answer costs.
	Offer *ConsoleOffer
}

func (ConsoleAsk) about() about {
	return about{name: "console-ask", title: "console.ask.title", area: areaConsole, place: consoleStatistics}
}

// ConsoleAskFault says what lacked of a question.
type ConsoleAskFault string

// What may lack.
const (
	AskNoGroup   ConsoleAskFault = "no_group"   // people are counted by groups
	AskSameGroup ConsoleAskFault = "same_group" // twice the same
	AskTooMany   ConsoleAskFault = "too_many"   // numbers, for a page
	AskBadOwn    ConsoleAskFault = "bad_own"    // that is no epsilon
)

// A ConsoleWhat is what can be asked: a measure of a field, Value as it is sent.
type ConsoleWhat struct {
	Value   string
	Measure ConsoleMeasure
	Field   string // its title; empty: people are counted
	Chosen  bool
}

// ConsoleMeasure is a measure: the names of package aggregate.
type ConsoleMeasure string

// The measures.
const (
	MeasureCount     ConsoleMeasure = "count"
	MeasureSum       ConsoleMeasure = "sum"
	MeasureMean      ConsoleMeasure = "mean"
	MeasureHistogram ConsoleMeasure = "histogram"
	MeasureQuantiles ConsoleMeasure = "quantiles"
)

// A ConsoleConfidence is with which probability, in thousandths, intervals are to cover.
type ConsoleConfidence struct {
	Thousandths int
	Chosen      bool
}

// A ConsoleOffer says what the answer to a question costs.
type ConsoleOffer struct {
	// Mark is what the question is sent with, so that it is paid for once.
	Mark string
	// Sent are the fields of the question, as they are sent again.
	Sent []Choice
	// What is asked.
	What   ConsoleWhat
	Groups []string // titles
	// Threshold is the noisy number of people that a group needs; 0: all are shown.
	Threshold  int64
	Confidence int // in thousandths
	Levels     []ConsoleLevel
	// Spent is how much of the whole is spent by now, from 0 to 1.
	Spent float64
	// Refused says why the question was not answered when it was sent. Optional.
	Refused ConsoleRefusal
}

// A ConsoleLevel is how precise an answer is, and what it costs.
type ConsoleLevel struct {
	Level   ConsolePrecision
	Epsilon float64
	// Share is the part of the whole that it takes, from 0 to 1.
	Share float64
	// Error is how far off the answer is: to either side, of a count, sum or histogram; of
	// a mean, where a thousand records count; of quantiles, in records.
	Error    float64
	Decimals int // that Error is written with, at most
	Chosen   bool
	Beyond   bool // the budget does not suffice
}

// ConsolePrecision is a level of precision.
type ConsolePrecision string

// The levels.
const (
	PrecisionRough   ConsolePrecision = "rough"
	PrecisionNormal  ConsolePrecision = "normal"
	PrecisionPrecise ConsolePrecision = "precise"
	PrecisionOwn     ConsolePrecision = "own"
)

// ConsoleRefusal says why a question was not answered. Nothing was spent.
type ConsoleRefusal string

// The reasons.
const (
	RefusedBudget ConsoleRefusal = "budget"  // it does not suffice
	RefusedGroups ConsoleRefusal = "groups"  // it does not suffice for groups of the data
	RefusedBusy   ConsoleRefusal = "busy"    // another question is being answered
	RefusedOld    ConsoleRefusal = "old"     // the page stood open for too long
	RefusedMoved  ConsoleRefusal = "changed" // catalog or policy changed meanwhile
)

// ConsoleStatistic is a question that was paid for, and what came of it.
type ConsoleStatistic struct {
	State ConsoleStatisticState
	// Here is the page's own path; Again leads to the form, filled in; Download to the
	// answer as a file.
	Here, Again, Download string
	Collection, Purpose   string // titles
	What                  ConsoleWhat
	Groups                []string // titles
	At                    time.Time

	// All below is of an answer.
	Charts []ConsoleEstimates
	Rows   []ConsoleEstimate
	// People says that each group has its number of people, beside its values.
	People bool
	// Parted says that a group has several numbers, each with a label: bins or quantiles.
	Parted     bool
	Decimals   int   // of its numbers, at most
	Confidence int   // in thousandths
	Threshold  int64 // the noisy number of people from which on a group is shown; 0: all are
	// Share is the part of the whole that the answer took, Spent what is spent with it, from
	// 0 to 1; LeftEpsilon the largest that one more answer may have.
	Share, Spent float64
	Epsilon      float64
	LeftEpsilon  float64
}

func (ConsoleStatistic) about() about {
	return about{name: "console-statistic", title: "console.statistic.title", area: areaConsole, place: consoleStatistics}
}

// ConsoleStatisticState says what came of a question: the names of package vault.
type ConsoleStatisticState string

// The states.
const (
	StatisticDone   ConsoleStatisticState = "done"
	StatisticWaits  ConsoleStatisticState = "waits"
	StatisticSlow   ConsoleStatisticState = "slow"
	StatisticFailed ConsoleStatisticState = "failed"
)

// Done says that the answer is there.
func (s ConsoleStatistic) Done() bool { return s.State == StatisticDone }

// Waits says that the answer is not there yet.
func (s ConsoleStatistic) Waits() bool { return s.State == StatisticWaits }

// Slow says that there were too many people for the time.
func (s ConsoleStatistic) Slow() bool { return s.State == StatisticSlow }

// None says that no group has enough people.
func (s ConsoleStatistic) None() bool { return s.Done() && len(s.Rows) == 0 }

// A ConsoleEstimate is a noisy number, in a row of the answer.
type ConsoleEstimate struct {
	// Group has a label for each field that groups, Part is that of a bin or a quantile.
	Group []string
	Part  string
	// Quantile is the part, in thousandths, of a quantile; 0: it is none.
	Quantile int
	// Value stands between Low and High with the answer's confidence.
	Value, Low, High float64
	// People is the noisy number of people in the group, if the answer has it.
	People float64
}

// ConsoleEstimates is a chart of noisy numbers, with their error bars.
type ConsoleEstimates struct {
	// Group names the group that it is of; empty: everyone.
	Group []string
	Shape ConsoleShape
	// Labels name the numbers, or Quantiles do, in thousandths.
	Labels            []string
	Quantiles         []int
	Values, Low, High []float64
}

// ConsoleShape says how numbers are drawn.
type ConsoleShape string

// The shapes.
const (
	ShapeBars   ConsoleShape = "bars"   // upright
	ShapeRows   ConsoleShape = "rows"   // lying, with room for long names
	ShapePoints ConsoleShape = "points" // places on a scale
)
