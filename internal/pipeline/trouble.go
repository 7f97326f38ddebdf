package pipeline

import (
	"time"
)

// Trouble reports a step that failed, to whoever waits for the export.
type Trouble struct {
	// Export is the export of the step; empty for a step that belongs to none.
	Export string
	// Step is what failed. Its Kind is StepKickOff for a kick-off.
	Step Step
	// Err is the cause. Unlike the journal's text it can be unwrapped.
	Err error
	// Next is when the step is tried again; zero means that it is given up.
	Next time.Time
}

// StepKickOff names the kick-off in a Trouble. No message carries it.
const StepKickOff = "kick-off"

// tellTrouble reports a failure, if somebody listens.
func (fa *failures) tellTrouble(t Trouble) {
	if fa.Trouble != nil {
		fa.Trouble(t)
	}
}
