package pipeline

import (
	"context"
	"fmt"

	"fhirsynapse/internal/fault"
)

// maxDeaths is how often the handler may end in the middle of one step before the step
// is given up.
const maxDeaths = 5

// attempts counts the deliveries of one step in the journal. A delivery that has begun
// and not ended has killed the handler.
type attempts struct {
	Step  string `json:"step"`
	Begun int    `json:"begun"`
	Ended int    `json:"ended"`
}

// attemptsKey names the step by its work: a step that the watchdog sends again is the
// same one.
func attemptsKey(s Step) string {
	s.N, s.Round, s.Try = 0, 0, 0
	return "attempts/" + s.Export + "/" + short(s.id()+"/"+s.Path)
}

// HandleDelivery does the step of one message, as Handle does. delivery is how often
// the queue has delivered the message, 1 at first; 0 means that nobody knows. A step
// that kills the handler again and again is given up, and fails its export.
func (p *Pipeline) HandleDelivery(ctx context.Context, body []byte, delivery int) error {
	if delivery <= 1 {
		return p.Handle(ctx, body)
	}
	s, err := decodeStep(body)
	if err != nil || s.Kind == StepPoll {
		return p.Handle(ctx, body)
	}
	key := attemptsKey(s)
	a, err := update(ctx, p.Journal, key, func(a *attempts) error {
		a.Step = s.String()
		a.Begun++
		return nil
	})
	if err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	// The first delivery is not written down, nor is this one at its end yet.
	if a.Begun-a.Ended >= maxDeaths {
		cause := &fault.Error{
			Class: fault.Permanent, Whose: fault.OurSetting,
			Err: fmt.Errorf("%s: the handler has ended %d times in the middle of this step", s, a.Begun-a.Ended),
			Remedy: "search the host's log for the reason, which is mostly a lack of memory; give the app more memory, or lower LineLimit; " +
				"the next export covers the same window",
		}
		p.Log.ErrorContext(ctx, "step given up", "step", s, "class", fault.Permanent.String(), "error", cause)
		return p.fail(ctx, s, cause)
	}
	err = p.Handle(ctx, body)
	// The delivery ends here, and not with the process.
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer done()
	if _, endErr := update(ctx, p.Journal, key, func(a *attempts) error {
		a.Ended++
		return nil
	}); endErr != nil {
		p.Log.WarnContext(ctx, "end of a delivery not written down", "step", s, "error", endErr)
	}
	return err
}
