package consent

import (
	"errors"
	"fmt"
)

// ErrEvent is what every error of [Event.Check] is, in the sense of errors.Is.
var ErrEvent = errors.New("the consent event is not valid")

// ErrStale means that the event is older than the one in force and must not
// replace it.
var ErrStale = errors.New("the consent event is older than the one in force")

// EventError says which member of an event is wrong. It is an [ErrEvent], and
// never quotes a value.
type EventError struct {
	Member string // purpose, decision, notice, method, at or expires
	Rule   string // what the member must be
}

// Error names the member and the rule.
func (e *EventError) Error() string {
	return fmt.Sprintf("consent event: %s must be %s", e.Member, e.Rule)
}

// Is reports whether target is ErrEvent.
func (e *EventError) Is(target error) bool { return target == ErrEvent }
