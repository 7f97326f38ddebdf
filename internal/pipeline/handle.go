package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline/records"
)

// Handle does the step of one message of the steps queue, and records a failure: a step that
// may succeed later is sent again, any other fails its export. A step that only a newer version
// can do is sent on. Handle returns an error only if it could not do that; then the queue delivers
// the message again.
func (p *Pipeline) Handle(ctx context.Context, body []byte) error {
	s, err := DecodeStep(body)
	if err != nil {
		return p.strange(ctx, body, err)
	}
	ctx, report := p.watch(ctx, s)
	defer p.tellStep(report)
	work, done := context.WithTimeoutCause(ctx, p.StepTimeout, errDeadline)
	err = p.do(work, s)
	done()
	if err == nil {
		report.end(OutcomeDone, nil)
		p.failures.forgetRetry(ctx, s)
		return nil
	}
	if ctx.Err() != nil {
		report.end(OutcomePutBack, nil)
		return p.putBack(ctx, s)
	}
	report.end(OutcomeFailed, err)
	// The failure is recorded even if the step ended because its time was up.
	ctx, done = context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer done()
	if errors.Is(err, records.ErrNewer) {
		report.end(OutcomeAgain, err)
		return p.hold(ctx, body, err, "step", s)
	}
	if class := fault.Of(err); class != fault.Transient {
		p.failures.tellTrouble(Trouble{Export: s.Export, Step: s, Err: err})
		p.Log.ErrorContext(ctx, "step failed", "step", s, "class", class.String(), "error", err)
		return p.failures.fail(ctx, s, err)
	}
	if s.Try >= p.MaxTries {
		p.failures.tellTrouble(Trouble{Export: s.Export, Step: s, Err: err})
		p.Log.ErrorContext(ctx, "step given up", "step", s, "class", fault.Transient.String(),
			"error", err)
		return p.failures.fail(ctx, s, fmt.Errorf("tried %d times, at last: %w", s.Try+1, err))
	}
	report.end(OutcomeAgain, err)
	next := s
	next.Try++
	wait := again(next.Try, err)
	p.Log.WarnContext(ctx, "step sent again", "step", s, "class", fault.Transient.String(), "error",
		err, "wait", wait)
	at := p.Now().Add(wait)
	p.failures.tellTrouble(Trouble{Export: s.Export, Step: s, Err: err, Next: at})
	if sendErr := p.send(ctx, at, next); sendErr != nil {
		return sendErr
	}
	p.failures.recordRetry(ctx, s, at, err)
	return nil
}

// putBack sends a step again that was cut because its handler stops. This counts no try, and
// the error from the cut is ignored.
func (p *Pipeline) putBack(ctx context.Context, s Step) error {
	reason := context.Cause(ctx)
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer done()
	next := s
	next.Cut++
	p.Log.InfoContext(ctx, "step put back: the handler stops", "step", s, "reason", reason)
	return p.send(ctx, time.Time{}, next)
}

// again returns the wait before try n of a step; the first try is 0.
func again(try int, cause error) time.Duration {
	return max(backOff(try-1), min(fault.After(cause), longestWait))
}

var errDeadline = errors.New("the step's time is up; the rest is done by the next one")

const (
	recordTimeout = 30 * time.Second
	longestWait   = 5 * time.Minute
)

// backOff returns the wait before try n+1: 1 s, doubled up to five minutes. Thirty tries
// outlast two hours.
func backOff(try int) time.Duration {
	return min(longestWait, time.Second<<min(try, 20))
}

func (p *Pipeline) do(ctx context.Context, s Step) error {
	switch s.Kind {
	case StepPoll:
		return p.poller.poll(ctx, s)
	case StepLanded:
		return p.preparer.landed(ctx, s)
	case StepFetch:
		return p.fetcher.fetch(ctx, s)
	case StepPrepare:
		return p.preparer.prepare(ctx, s)
	case StepConclude:
		if p.Concluder == nil {
			return p.committer.finish.check(ctx, s.Export, "")
		}
		return p.concluder.conclude(ctx, s)
	default:
		return p.committer.commit(ctx, s)
	}
}
