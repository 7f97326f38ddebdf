package pipeline

import (
	"time"
)

// Trouble reports a failed step to a caller that waits for the export.
type Trouble struct {
	// Export is the export of the step; empty for a step that belongs to none.
	Export string
	// Step is the failed step. Its Kind is StepKickOff for a kick-off.
	Step Step
	// Err is the cause. Unlike the journal's text it can be unwrapped.
	Err error
	// Next is when the step is tried again; zero means that the step is given up.
	Next time.Time
}

// StepKickOff is the kind of a kick-off in a Trouble. No message has this kind.
const StepKickOff = "kick-off"

// tellTrouble reports a failure to Ports.Trouble, if it is set.
func (fa *failures) tellTrouble(t Trouble) {
	if fa.Trouble != nil {
		fa.Trouble(t)
	}
}
