package rights

import (
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrName means that a text is not one of the closed set of names it must be from.
	ErrName = errors.New("unknown name")

	// ErrStep is what every [StepError] is, in the sense of errors.Is.
	ErrStep = errors.New("rights: the step is not possible")

	// ErrReason is what every [ReasonError] is, in the sense of errors.Is.
	ErrReason = errors.New("rights: the reason does not fit")

	// ErrConfig is what every [ConfigError] is, in the sense of errors.Is.
	ErrConfig = errors.New("rights: the configuration is not valid")

	// ErrRequest means that a request, or the facts to make one of, are not complete:
	// no id, an unknown kind, a time that is to come.
	ErrRequest = errors.New("rights: not a valid request")

	// ErrRegime means that a request is under another regime than the rules.
	ErrRegime = errors.New("rights: the rules are of another regime")
)

// Cause says why a step is not possible.
type Cause string

// The causes.
const (
	NotInState    Cause = "not_in_state"    // no such step in the request's state
	ProofMissing  Cause = "proof_missing"   // the identity is not confirmed
	ProofNeedless Cause = "proof_needless"  // the identity is confirmed, or the kind needs no proof
	ExtendedOnce  Cause = "extended_once"   // it was extended before
	NoExtension   Cause = "no_extension"    // the kind cannot be extended
	ClockStopped  Cause = "clock_stopped"   // the period stands still while proof is awaited
	FirstPassed   Cause = "first_passed"    // the first period, in which it had to happen, is over
	PersonNotTold Cause = "person_not_told" // the person must be told in the same breath
)

func (c Cause) words() string {
	switch c {
	case NotInState:
		return "the request is in another state"
	case ProofMissing:
		return "the person's identity is not confirmed"
	case ProofNeedless:
		return "no proof of identity is needed"
	case ExtendedOnce:
		return "a request is extended once"
	case NoExtension:
		return "requests of this kind are not extended"
	case ClockStopped:
		return "the period stands still while proof of identity is awaited"
	case FirstPassed:
		return "the first period is over"
	case PersonNotTold:
		return "the person must be told"
	}
	return string(c)
}

// StepError says that a step is not possible, why, and what is. It is an [ErrStep].
type StepError struct {
	Step     StepKind
	State    State
	Cause    Cause
	Possible []StepKind // in the order of [Next]; nil: the request has ended
}

// Error names the step, the cause and the steps that are possible.
func (e *StepError) Error() string {
	return fmt.Sprintf("rights: %s is not possible: %s; possible: %s", e.Step, e.Cause.words(), list(e.Possible))
}

// Is reports whether target is ErrStep.
func (e *StepError) Is(target error) bool { return target == ErrStep }

// ReasonError says that a reason is missing or does not fit, and which do. It is an
// [ErrReason].
type ReasonError struct {
	Step     StepKind
	Kind     Kind
	Possible []Reason
}

// Error names the step, the kind of request and the reasons that fit.
func (e *ReasonError) Error() string {
	return fmt.Sprintf("rights: to %s this request of kind %s needs a reason out of: %s", e.Step, e.Kind, list(e.Possible))
}

// Is reports whether target is ErrReason.
func (e *ReasonError) Is(target error) bool { return target == ErrReason }

// ConfigError says which part of rules or of a calendar is wrong. It is an [ErrConfig].
type ConfigError struct {
	Field   string // answer, due_soon, zone, holidays, ...
	Problem string
}

// Error gives the field and the problem.
func (e *ConfigError) Error() string { return "rights: " + e.Field + ": " + e.Problem }

// Is reports whether target is ErrConfig.
func (e *ConfigError) Is(target error) bool { return target == ErrConfig }

// list gives names, separated by commas.
func list[T ~string](names []T) string {
	if len(names) == 0 {
		return "nothing"
	}
	words := make([]string, len(names))
	for i, n := range names {
		words[i] = string(n)
	}
	return strings.Join(words, ", ")
}
