package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline/records"
)

// JobFate is the outcome for a job of a cancelled export.
type JobFate string

// The outcomes for such a job.
const (
	JobNeverStarted JobFate = "never started"
	JobCancelled    JobFate = "ended at the server"
	JobDone         JobFate = "done already: it has no more to end"
	JobLeft         JobFate = "not ended at the server: the next tick tries again"
	JobUnanswered   JobFate = "its kick-off has no answer: it may run, and the notice of its export says what to look for"
)

// JobEnd is the outcome for one job, and the error that kept the job from being ended.
type JobEnd struct {
	Job  string
	Fate JobFate
	Err  error
}

// Canceller ends exports at a person's request. It works without a pipeline, because a person
// may cancel where no warehouse and no queue can be reached.
type Canceller struct {
	Journal Journal
	// Source returns the FHIR server of a plan, if it can be reached.
	Source func(plan string) (Source, error)
	Now    func() time.Time
}

// Cancel ends an export and its jobs at the server, or takes back an export that has not
// begun; committed data stays. The next tick ends the jobs that cannot be reached now.
func (c Canceller) Cancel(ctx context.Context, id string) ([]JobEnd, error) {
	for range records.SwapTries {
		ends, err := c.cancel(ctx, id)
		if !errors.Is(err, ErrConflict) {
			if err != nil {
				err = fmt.Errorf("cancel export %s: %w", id, err)
			}
			return ends, err
		}
	}
	return nil, fault.Transientf("cancel export %s: others were faster %d times", id,
		records.SwapTries)
}

func (c Canceller) cancel(ctx context.Context, id string) ([]JobEnd, error) {
	e, begun, err := records.Cancel(ctx, c.Journal, id, c.Now())
	if err != nil || !begun {
		return nil, err
	}
	ends, err := endJobs(ctx, records.Store{Journal: c.Journal}, c.Source, e)
	if err != nil {
		ends = []JobEnd{{Job: id + ".*", Fate: JobLeft, Err: err}}
	}
	return ends, nil // the export has ended, even if its jobs have not
}

// endJobs ends the jobs of an export at the server, and returns the outcome for each.
func endJobs(
	ctx context.Context, store records.Store, sourceOf func(plan string) (Source, error),
	e records.Export,
) ([]JobEnd, error) {
	jobs, err := store.Jobs(ctx, e)
	if err != nil {
		return nil, err
	}
	ends := make([]JobEnd, len(jobs))
	for i, j := range jobs {
		ends[i].Job = j.ID
		ends[i].Fate, ends[i].Err = endJob(ctx, sourceOf, e.Plan, j)
	}
	return ends, nil
}

func endJob(
	ctx context.Context, sourceOf func(plan string) (Source, error), plan string, j records.Job,
) (JobFate, error) {
	switch {
	case j.GivenBack:
		return JobDone, nil
	case j.StatusURL == "" && j.KickOffAt.IsZero():
		return JobNeverStarted, nil
	case j.StatusURL == "":
		return JobUnanswered, nil
	}
	source, err := sourceOf(plan)
	if err != nil {
		return JobLeft, err
	}
	if j.Collected() && source.Files == nil {
		return JobDone, nil // the files are in our lake, and the server has forgotten the job
	}
	if err := source.Cancel(ctx, j.StatusURL); err != nil {
		return JobLeft, err
	}
	return JobCancelled, nil
}
