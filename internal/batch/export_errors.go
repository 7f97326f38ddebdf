package batch

import (
	"fmt"
	"time"
)

// StopError reports that a run ended before the export did.
type StopError struct {
	// Patience is the time that was up; zero when the caller broke the run off.
	Patience time.Duration
	// Last is what went wrong last, over or not; nil when nothing did.
	Last *Trouble
	// Asking says that a kick-off was under way, whose job nobody knows.
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

// FailedError reports an export that has failed for good.
type FailedError struct {
	Trouble
	Whose, Remedy string
}

func (e *FailedError) Error() string { return e.String() }
func (e *FailedError) Unwrap() error { return e.Err }
