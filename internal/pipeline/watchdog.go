package pipeline

import (
	"context"
	"fmt"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline/records"
)

// watchdog continues work that was cut short, and cleans up after ended exports.
type watchdog struct {
	*deps
	failures *failures
	starter  *starter
	files    *surveyor
}

// lookAfter continues an export that was killed before all its jobs were accepted, and sends
// the polls again of an export that has been silent past its deadline. A repeated poll finds
// the present state and sends the steps that follow from it.
func (w *watchdog) lookAfter(ctx context.Context, plan Plan, e records.Export) error {
	if len(e.Jobs) == 0 && !e.State.Final() {
		// A handler of an older version was killed before it recorded why the export cannot begin.
		return w.failures.failExport(ctx, e.ID, StepKickOff, fault.Permanentf(
			"it could not begin, and the reason was not recorded: the next export tries again"))
	}
	switch e.State {
	case records.Requested:
		return w.starter.kickOff(ctx, plan, e)
	case records.Exporting:
		return w.resendPolls(ctx, e)
	case records.Loading:
		silentSince, err := w.lastSign(ctx, e)
		if err != nil || w.Now().Sub(silentSince) < w.SilentAfter {
			return err
		}
		if e, err = w.updateExport(ctx, e.ID, func(e *records.Export) error {
			if e.StalledSince.IsZero() || silentSince.After(e.TouchedAt) {
				e.StalledSince = silentSince
			}
			e.Round++
			e.TouchedAt = w.Now()
			return nil
		}); err != nil {
			return err
		}
		if stalled := w.Now().Sub(e.StalledSince); stalled > w.ExportTimeout {
			return w.failures.failExport(ctx, e.ID, "loading", stalledFault(e))
		}
		w.Log.WarnContext(ctx, "export silent: its steps are sent again", "export", e.ID, "since",
			silentSince, "round", e.Round)
		return w.resendPolls(ctx, e)
	case records.Loaded, records.Incomplete, records.Failed, records.Cancelled:
	}
	return nil
}

// stalledFault returns the error of an export that is given up because it makes no progress.
func stalledFault(e records.Export) error {
	last := "no step has reported a failure"
	if e.Retry != nil {
		last = "the last failure: " + e.Retry.Step + ": " + e.Retry.Cause
	}
	return &fault.Error{
		Class: fault.Permanent,
		Err: fmt.Errorf(
			"loading has made no progress since %s, although its steps were sent again %d times; %s", e.StalledSince.UTC().Format(time.RFC3339), e.Round, last),
		Remedy: "search the host's log for steps that do not end, and the dead letters of the queue; the next export covers the same window",
	}
}

// lastSign returns when a loading export last made progress, in the journal or in the staging
// area.
func (w *watchdog) lastSign(ctx context.Context, e records.Export) (time.Time, error) {
	last := e.TouchedAt
	if w.Now().Sub(last) < w.SilentAfter {
		return last, nil
	}
	for f, err := range w.Lake.List(ctx, Staging, e.ID+"/") {
		if err != nil {
			return last, err
		}
		if f.Modified.After(last) {
			last = f.Modified
		}
	}
	return last, nil
}

// resendPolls sends a new poll for each job whose last one is overdue. It raises the poll
// number in the journal first, so that an old poll that arrives late is dropped.
func (w *watchdog) resendPolls(ctx context.Context, e records.Export) error {
	jobs, err := w.records.Jobs(ctx, e)
	if err != nil {
		return err
	}
	overdue := func(j records.Job) bool {
		if e.State == records.Loading {
			return j.Collected()
		}
		last := j.PollAt
		if j.ManifestAt.After(last) {
			last = j.ManifestAt
		}
		return j.StatusURL != "" && w.Now().Sub(last) >= w.SilentAfter
	}
	for _, j := range jobs {
		if !overdue(j) {
			continue
		}
		j, err := w.records.UpdateJob(ctx, e.ID, j.N, func(j *records.Job) error {
			j.PollN++
			j.PollAt = w.Now()
			return nil
		})
		if err != nil {
			return err
		}
		if err := w.send(ctx, time.Time{}, Step{
			Kind: StepPoll, Export: e.ID, Job: j.N, N: j.PollN,
		}); err != nil {
			return err
		}
	}
	return nil
}
