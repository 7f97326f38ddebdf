package pipeline

import (
	"context"
	"time"

	"fhirsynapse/internal/pipeline/records"
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
func (p *Pipeline) tellTrouble(t Trouble) {
	if p.Trouble != nil {
		p.Trouble(t)
	}
}

// kickOffTrouble reports a kick-off that failed. Unless it is given up, the watchdog
// makes the next one.
func (p *Pipeline) kickOffTrouble(ctx context.Context, e records.Export, j records.Job, cause error, givenUp bool) {
	if p.Trouble == nil {
		return
	}
	t := Trouble{Export: e.ID, Step: Step{Kind: StepKickOff, Export: e.ID, Job: j.N}, Err: cause}
	if now, err := p.records.Job(ctx, e.ID, j.N); err == nil {
		j = now
	}
	if !givenUp {
		t.Next = p.Now()
		for _, at := range []time.Time{j.RetryAt, j.KickOffAt.Add(p.KickOffPatience)} {
			if at.After(t.Next) {
				t.Next = at
			}
		}
	}
	p.Trouble(t)
}
