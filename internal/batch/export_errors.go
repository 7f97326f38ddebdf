package batch

import (
	"fmt"
	"time"
)

// StopError reports that a run ended before the export did.
type StopError struct {
	// Patience is the time limit that was reached; zero when the caller stopped the run.
	Patience time.Duration
	// Last is the latest trouble, even if it is over; nil when there was none.
	Last *Trouble
	// Asking is set if a kick-off was under way, so that a job unknown to us may be running.
	Asking bool
	cause  error
}

func (e *StopError) Error() string {
	text := "the run was broken off"
	if e.Patience > 0 {
		text = fmt.Sprintf("the export has not ended within %v", e.Patience)
	}
	if e.Last != nil {
		text += "; at last: " + e.Last.String()
	}
	return text
}

func (e *StopError) Unwrap() error { return e.cause }

// FailedError reports an export that has failed and is not tried again.
type FailedError struct {
	Trouble
	Whose, Remedy string
}

func (e *FailedError) Error() string { return e.String() }
func (e *FailedError) Unwrap() error { return e.Err }
