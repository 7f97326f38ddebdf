package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline/records"
)

// failures records errors where a person can see them.
type failures struct{ *deps }

// retryOf returns the record of one more failure. The server's words go to the quarantine
// area, because they may name a patient.
func (fa *failures) retryOf(
	ctx context.Context, before *records.Retry, export string, job int, step string, tries int,
	next time.Time, cause error,
) *records.Retry {
	r := &records.Retry{
		Step: step, Cause: fault.Clip(cause.Error()), Whose: string(fault.Whose(cause)),
		Remedy: fault.Clip(fault.Remedy(cause)),
		Text:   fa.keepServerText(ctx, export, job, cause), Tries: tries, Since: fa.Now(),
		Next: next,
	}
	if before != nil && before.Step == step {
		r.Since, r.Tries = before.Since, max(tries, before.Tries+1)
	}
	return r
}

// retryEvery is how often the retries of one export are recorded.
const retryEvery = 30 * time.Second

// recordRetry records for people which step is tried again. Call it after the next try is
// sent; its own failure is only logged.
func (fa *failures) recordRetry(ctx context.Context, s Step, next time.Time, cause error) {
	if s.Export == "" {
		return
	}
	name := s.String()
	if last, ok := fa.retries.get(s.Export, fa.Now(), retryEvery); ok &&
		(last == name || s.Try > 0) {
		return
	}
	fa.retries.put(s.Export, name, fa.Now())
	e, err := fa.records.Export(ctx, s.Export)
	if err == nil && !e.State.Final() {
		r := fa.retryOf(ctx, e.Retry, s.Export, s.Job, name, s.Try+1, next, cause)
		_, err = fa.updateExport(ctx, s.Export, func(e *records.Export) error {
			if e.ID == "" {
				return records.ErrUnchanged
			}
			e.Retry = r
			return nil
		})
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		fa.Log.WarnContext(ctx, "retry not written down", "export", s.Export, "error", err)
	}
}

// forgetRetry removes the record once the step has succeeded.
func (fa *failures) forgetRetry(ctx context.Context, s Step) {
	if s.Try == 0 || s.Export == "" {
		return
	}
	if _, err := fa.updateExport(ctx, s.Export, func(e *records.Export) error {
		if e.Retry == nil || e.Retry.Step != s.String() {
			return records.ErrUnchanged
		}
		e.Retry = nil
		return nil
	}); err != nil {
		fa.Log.WarnContext(ctx, "retry not taken back", "export", s.Export, "error", err)
	}
}

// tickFailed records why a tick could not continue a plan. Nothing else shows a person that a
// plan does not start.
func (fa *failures) tickFailed(ctx context.Context, plan string, cause error) {
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer done()
	d, err := fa.records.Plan(ctx, plan)
	if err == nil {
		r := fa.retryOf(ctx, d.Value.Retry, d.Value.Current, 0, "tick", 1, time.Time{}, cause)
		err = fa.records.UpdatePlan(ctx, plan, func(d *records.PlanRecord) error {
			d.Retry = r
			return nil
		})
	}
	if err != nil {
		fa.Log.WarnContext(ctx, "failure of a tick not written down", "plan", plan, "error", err)
	}
}

// tickWell removes the record of failed ticks.
func (fa *failures) tickWell(ctx context.Context, plan string) error {
	err := fa.records.UpdatePlan(ctx, plan, func(d *records.PlanRecord) error {
		if d.Retry == nil {
			return records.ErrUnchanged
		}
		d.Retry = nil
		return nil
	})
	return err
}

// keepServerText writes the words of a server to the quarantine area, at
// <export>/<job>/server-<digest>.txt, and returns the path. The path is empty if there are no
// words, or if they cannot be written.
func (fa *failures) keepServerText(
	ctx context.Context, export string, job int, cause error,
) string {
	text := fault.ServerText(cause)
	if text == "" || export == "" || fa.Lake == nil {
		return ""
	}
	path := fmt.Sprintf("%s/%s/server-%s.txt", export, records.JobID(export, job),
		records.Digest(text))
	if _, err := fa.Lake.Put(ctx, Quarantine, path, strings.NewReader(text+"\n")); err != nil {
		fa.Log.WarnContext(ctx, "a server's text not kept", "export", export, "error", err)
		return ""
	}
	return path
}

// fail records why the export of a step cannot continue.
func (fa *failures) fail(ctx context.Context, s Step, cause error) error {
	if s.Export == "" {
		return nil // a landed step: the event was a hint, the manifest decides
	}
	fa.keepFile(ctx, s, cause)
	return fa.failJob(ctx, s.Export, s.Job, s.Kind, cause)
}

func (fa *failures) failExport(ctx context.Context, id, step string, cause error) error {
	return fa.failJob(ctx, id, 0, step, cause)
}

// failure describes why an export cannot continue. The server's words go to the quarantine area,
// because they may name a patient.
func (fa *failures) failure(
	ctx context.Context, id string, job int, step string, cause error,
) *records.Failure {
	return &records.Failure{
		Step: step, Cause: fault.Clip(cause.Error()), Whose: string(fault.Whose(cause)),
		Remedy: fault.Clip(fault.Remedy(cause)),
		Text:   fa.keepServerText(ctx, id, job, cause),
	}
}

// failJob ends an export with the reason why it cannot continue.
func (fa *failures) failJob(
	ctx context.Context, id string, job int, step string, cause error,
) error {
	f := fa.failure(ctx, id, job, step, cause)
	at, ended := fa.Now(), false
	e, err := fa.updateExport(ctx, id, func(e *records.Export) error {
		if e.ID == "" {
			return records.ErrUnchanged // it was never created
		}
		e.State, e.FinishedAt, e.Failure, e.Retry = records.Failed, at, f, nil
		ended = true
		return nil
	})
	if err != nil {
		return fmt.Errorf("record the failure of export %s: %w", id, err)
	}
	if ended && e.State == records.Failed && e.FinishedAt.Equal(at) {
		fa.tellEnded(ctx, e, progress{})
	}
	return nil
}
