package pipeline

import (
	"context"
	"fmt"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline/records"
)

// maxDeaths is how often the handler may die in the middle of one step before the step is
// given up.
const maxDeaths = 5

// attempts counts in the journal how often a delivery of one step did not end because the
// process died.
type attempts struct {
	Step   string `json:"step"`
	Deaths int    `json:"deaths"`
}

// attemptsKey identifies the step by its work: a step that is sent again has the same key.
func attemptsKey(s Step) string {
	s.N, s.Round, s.Try = 0, 0, 0
	return "attempts/" + s.Export + "/" + records.Digest(s.id()+"/"+s.Path)
}

// HandleDelivery does the step of one message, as Handle does, and gives up a step that kills
// the handler again and again: its export fails. delivery counts the deliveries of the
// message, 1 at first; 0 means unknown.
func (p *Pipeline) HandleDelivery(ctx context.Context, body []byte, delivery int) error {
	s, err := DecodeStep(body)
	if err != nil || s.Kind == StepPoll || delivery == 0 {
		return p.Handle(ctx, body)
	}
	if delivery > 1 {
		deaths, err := p.countDeaths(ctx, s, 1)
		if err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
		if deaths >= maxDeaths {
			cause := &fault.Error{
				Class: fault.Permanent, Whose: fault.OurSetting,
				Err: fmt.Errorf("%s: the handler has ended %d times in the middle of this step", s,
					deaths),
				Remedy: "search the host's log for the reason, which is mostly a lack of memory; give the app more memory, or lower LineLimit; " +
					"the next export covers the same window",
			}
			p.Log.ErrorContext(ctx, "step given up", "step", s, "class", fault.Permanent.String(),
				"error", cause)
			return p.failures.fail(ctx, s, cause)
		}
	}
	err = p.Handle(ctx, body)
	if err != nil { // this failure causes the next delivery, not a death
		ctx, done := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
		defer done()
		if _, countErr := p.countDeaths(ctx, s, -1); countErr != nil {
			p.Log.WarnContext(ctx, "end of a delivery not written down", "step", s, "error",
				countErr)
		}
	}
	return err
}

// GiveUp fails the export of a step that the caller could not do, with the cause. It handles
// failures that Handle cannot return, such as a panic.
func (p *Pipeline) GiveUp(ctx context.Context, body []byte, cause error) error {
	s, err := DecodeStep(body)
	if err != nil {
		return p.strange(ctx, body, err)
	}
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer done()
	cause = fmt.Errorf("%s: %w", s, cause)
	p.failures.tellTrouble(Trouble{Export: s.Export, Step: s, Err: cause})
	p.Log.ErrorContext(ctx, "step given up", "step", s, "class", fault.Of(cause).String(), "error",
		cause)
	return p.failures.fail(ctx, s, cause)
}

// countDeaths adds to the count of a step, and returns the new count.
func (p *Pipeline) countDeaths(ctx context.Context, s Step, by int) (int, error) {
	a, err := records.Update(ctx, p.Journal, attemptsKey(s), func(a *attempts) error {
		a.Step = s.String()
		a.Deaths += by
		return nil
	})
	return a.Deaths, err
}
