package rights

import (
	"fmt"
	"slices"
)

// Kind is what a person asks for.
type Kind string

// The kinds of requests.
const (
	Access        Kind = "access"        // GDPR Art. 15; CCPA: to know
	Portability   Kind = "portability"   // GDPR Art. 20
	Rectification Kind = "rectification" // GDPR Art. 16; CCPA: to correct
	Erasure       Kind = "erasure"       // GDPR Art. 17; CCPA: to delete
	Restriction   Kind = "restriction"   // GDPR Art. 18; CCPA: to limit the use of sensitive data
	Objection     Kind = "objection"     // GDPR Art. 21
	OptOut        Kind = "opt_out"       // of sale and sharing: CCPA; GDPR Art. 21(2)
	Question      Kind = "question"      // anything else
)

// Kinds returns all of them, in the order above.
func Kinds() []Kind {
	return []Kind{Access, Portability, Rectification, Erasure, Restriction, Objection, OptOut, Question}
}

// MarshalText gives the name; ErrName if k is none of the kinds.
func (k Kind) MarshalText() ([]byte, error) { return marshal(Kinds(), k) }

// UnmarshalText accepts the name of a kind and nothing else; ErrName otherwise.
func (k *Kind) UnmarshalText(b []byte) error { return unmarshal(Kinds(), k, b) }

// Regime is the law whose rules a request is under.
type Regime string

// The regimes.
const (
	GDPR Regime = "gdpr"
	CCPA Regime = "ccpa"
)

// Regimes returns both.
func Regimes() []Regime { return []Regime{GDPR, CCPA} }

// MarshalText gives the name; ErrName if r is no regime.
func (r Regime) MarshalText() ([]byte, error) { return marshal(Regimes(), r) }

// UnmarshalText accepts the name of a regime and nothing else; ErrName otherwise.
func (r *Regime) UnmarshalText(b []byte) error { return unmarshal(Regimes(), r, b) }

// State is where a request stands. The zero value is that of no request.
type State string

// The states.
const (
	Received  State = "received"  // filed; the person has not heard from us yet
	Identity  State = "identity"  // proof of identity was asked for
	Open      State = "open"      // being worked on
	Extended  State = "extended"  // being worked on, in the longer period
	Done      State = "done"      // answered
	Refused   State = "refused"   // not acted on, with a reason
	Cancelled State = "cancelled" // taken back by the person
)

// States returns all of them, in the order above.
func States() []State {
	return []State{Received, Identity, Open, Extended, Done, Refused, Cancelled}
}

// Over reports whether the state is one of the three in which a request has ended.
func (s State) Over() bool { return s == Done || s == Refused || s == Cancelled }

// MarshalText gives the name; ErrName if s is none of the states.
func (s State) MarshalText() ([]byte, error) { return marshal(States(), s) }

// UnmarshalText accepts the name of a state and nothing else; ErrName otherwise.
func (s *State) UnmarshalText(b []byte) error { return unmarshal(States(), s, b) }

// StepKind is what may happen to a request.
type StepKind string

// The steps.
const (
	File            StepKind = "file"
	Acknowledge     StepKind = "acknowledge"
	AskIdentity     StepKind = "ask_identity"
	ConfirmIdentity StepKind = "confirm_identity"
	Extend          StepKind = "extend"
	Complete        StepKind = "complete"
	Refuse          StepKind = "refuse"
	Cancel          StepKind = "cancel"
)

// Steps returns all of them, in the order above.
func Steps() []StepKind {
	return []StepKind{File, Acknowledge, AskIdentity, ConfirmIdentity, Extend, Complete, Refuse, Cancel}
}

// MarshalText gives the name; ErrName if s is no step.
func (s StepKind) MarshalText() ([]byte, error) { return marshal(Steps(), s) }

// UnmarshalText accepts the name of a step and nothing else; ErrName otherwise.
func (s *StepKind) UnmarshalText(b []byte) error { return unmarshal(Steps(), s, b) }

// marshal gives the text of v, which must be one of all.
func marshal[T ~string](all []T, v T) ([]byte, error) {
	if !slices.Contains(all, v) {
		return nil, fmt.Errorf("%w: not one of %s", ErrName, list(all))
	}
	return []byte(v), nil
}

// unmarshal sets v to the one of all that b is the text of.
func unmarshal[T ~string](all []T, v *T, b []byte) error {
	if !slices.Contains(all, T(b)) {
		return fmt.Errorf("%w: not one of %s", ErrName, list(all))
	}
	*v = T(b)
	return nil
}
