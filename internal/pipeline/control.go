package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline/records"
)

// JobFate is what became of a job whose export was cancelled.
type JobFate string

// The fates of such a job.
const (
	JobNeverStarted JobFate = "never started"
	JobCancelled    JobFate = "ended at the server"
	JobDone         JobFate = "done already: it has no more to end"
	JobLeft         JobFate = "not ended at the server: the next tick tries again"
	JobUnanswered   JobFate = "its kick-off has no answer: it may run, and the notice of its export says what to look for"
)

// JobEnd is the fate of one job, and the fault that kept it from its end.
type JobEnd struct {
	Job  string
	Fate JobFate
	Err  error
}

// Cancel ends an export at a person's wish, and its jobs at the server, as far as
// that is in reach: the next tick does the rest. What was committed stays. One that
// was asked for and has not begun is taken back.
func (p *Pipeline) Cancel(ctx context.Context, id string) ([]JobEnd, error) {
	for range records.SwapTries {
		ends, err := p.cancel(ctx, id)
		if !errors.Is(err, ErrConflict) {
			if err != nil {
				err = fmt.Errorf("cancel export %s: %w", id, err)
			}
			return ends, err
		}
	}
	return nil, fault.Transientf("cancel export %s: others were faster %d times", id, records.SwapTries)
}

func (p *Pipeline) cancel(ctx context.Context, id string) ([]JobEnd, error) {
	e, begun, err := p.records.Cancel(ctx, id, p.Now())
	if err != nil || !begun {
		return nil, err
	}
	p.exports.put(id, e, p.Now())
	ends, err := p.endJobs(ctx, e)
	if err != nil {
		ends = []JobEnd{{Job: id + ".*", Fate: JobLeft, Err: err}}
	}
	return ends, nil // the export has ended, whatever becomes of its jobs
}

// NotConfigured is the error for a plan that is not among those of the configuration.
func NotConfigured(plans []Plan) error {
	names := make([]string, len(plans))
	for i, known := range plans {
		names[i] = known.Name
	}
	return fault.Permanentf("there is no such plan in the configuration, which has %s", strings.Join(names, ", "))
}

// dismiss gives the jobs of an export that has ended back to the server, once:
// some keep a client's one place until it deletes its job. It comes before the
// plan's next start.
func (p *Pipeline) dismiss(ctx context.Context, d *records.Document[records.PlanRecord], e records.Export) error {
	if d.Value.Released == e.ID {
		return nil
	}
	if err := p.records.RemoveLinks(ctx, e); err != nil {
		return fmt.Errorf("remove the links of export %s from the journal: %w", e.ID, err)
	}
	if err := p.releaseJobs(ctx, e); err != nil {
		if fault.Of(err) == fault.Transient && p.Now().Sub(e.FinishedAt) < p.SilentAfter {
			return fmt.Errorf("give the jobs of export %s back: %w", e.ID, err)
		}
		p.Log.WarnContext(ctx, "jobs not given back to the server; they expire there", "export", e.ID, "error", err)
	}
	if err := p.records.RemoveStatusQueries(ctx, e); err != nil {
		return fmt.Errorf("remove the links of export %s from the journal: %w", e.ID, err)
	}
	d.Value.Released = e.ID
	if err := d.Write(ctx, p.Journal); err != nil && !errors.Is(err, ErrConflict) {
		return err
	}
	return nil
}

// releaseJobs deletes the jobs of an export at the server: those that run for nobody,
// and those whose files are there and were fetched.
func (p *Pipeline) releaseJobs(ctx context.Context, e records.Export) error {
	ends, err := p.endJobs(ctx, e)
	for _, j := range ends {
		err = errors.Join(err, j.Err)
	}
	return err
}

// endJobs ends the jobs of an export at the server, and returns what became of each.
func (p *Pipeline) endJobs(ctx context.Context, e records.Export) ([]JobEnd, error) {
	jobs, err := p.records.Jobs(ctx, e)
	if err != nil {
		return nil, err
	}
	ends := make([]JobEnd, len(jobs))
	for i, j := range jobs {
		ends[i] = p.endJob(ctx, e.Plan, j)
	}
	return ends, nil
}

func (p *Pipeline) endJob(ctx context.Context, plan string, j records.Job) JobEnd {
	switch {
	case j.GivenBack:
		return JobEnd{Job: j.ID, Fate: JobDone}
	case j.StatusURL == "" && j.KickOffAt.IsZero():
		return JobEnd{Job: j.ID, Fate: JobNeverStarted}
	case j.StatusURL == "":
		return JobEnd{Job: j.ID, Fate: JobUnanswered}
	}
	source, err := p.Source(plan)
	if err != nil {
		return JobEnd{Job: j.ID, Fate: JobLeft, Err: err}
	}
	if j.Collected() && source.Files == nil {
		return JobEnd{Job: j.ID, Fate: JobDone} // the files are ours already, and the job is no more
	}
	if err := source.Cancel(ctx, j.StatusURL); err != nil {
		return JobEnd{Job: j.ID, Fate: JobLeft, Err: err}
	}
	return JobEnd{Job: j.ID, Fate: JobCancelled}
}
