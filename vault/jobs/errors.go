package jobs

import "errors"

// What a Source answers besides a fault.
var (
	// ErrNone: there is no job to take. A [Source] returns it from Take.
	ErrNone = errors.New("jobs: there is none to take")
	// ErrLost: the lease is another's by now, or the job ended. A [Source] returns
	// it from Save; whoever gets it stops at once and writes nothing more.
	ErrLost = errors.New("jobs: the lease was lost")
)

// A StepError is an error of a step that says how to go on. Every other error
// of a step is tried again, and the job shows words of this package.
type StepError struct {
	// Note is what the job shows: plain words for whoever reads the list of jobs,
	// with no name of a person and no text of a dependency.
	Note string
	// Permanent: trying again does not help. The job fails.
	Permanent bool
	// Err is the cause, for the log.
	Err error
}

// Error is the cause's text.
func (e *StepError) Error() string {
	if e.Err == nil {
		return e.Note
	}
	return e.Err.Error()
}

// Unwrap returns the cause.
func (e *StepError) Unwrap() error { return e.Err }
