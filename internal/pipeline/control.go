package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"fhirsynapse/internal/fault"
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
	for range swapTries {
		ends, err := p.cancel(ctx, id)
		if !errors.Is(err, ErrConflict) {
			if err != nil {
				err = fmt.Errorf("cancel export %s: %w", id, err)
			}
			return ends, err
		}
	}
	return nil, fault.Transientf("cancel export %s: others were faster %d times", id, swapTries)
}

func (p *Pipeline) cancel(ctx context.Context, id string) ([]JobEnd, error) {
	e, err := p.export(ctx, id)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, p.cancelPending(ctx, id)
	}
	if err != nil {
		return nil, err
	}
	if e.State.Final() {
		return nil, ended(e)
	}
	if e, err = p.updateExport(ctx, id, func(e *Export) error {
		e.State, e.FinishedAt = Cancelled, p.Now()
		return nil
	}); err != nil {
		return nil, err
	}
	if e.State != Cancelled {
		return nil, ended(e) // it came to its end meanwhile
	}
	ends, err := p.endJobs(ctx, e)
	if err != nil {
		ends = []JobEnd{{Job: id + ".*", Fate: JobLeft, Err: err}}
	}
	return ends, nil // the export has ended, whatever becomes of its jobs
}

// cancelPending ends an export that the plan's document names, and that has no
// document of its own yet.
func (p *Pipeline) cancelPending(ctx context.Context, id string) error {
	plan, n, _ := cutExportID(id)
	d, err := readOrNew[planRecord](ctx, p.Journal, planKey(plan))
	switch {
	case err != nil:
		return err
	case d.value.Current == id:
		now := p.Now()
		born := document[Export]{key: exportKey(plan, n), value: Export{
			ID: id, Plan: plan, State: Cancelled, RequestedAt: d.value.RequestedAt, TouchedAt: now, FinishedAt: now,
		}}
		return born.write(ctx, p.Journal)
	case !d.value.WantedAt.IsZero() && d.value.Seq+1 == n:
		d.value.WantedAt = time.Time{}
		return d.write(ctx, p.Journal)
	}
	return fault.Permanentf("there is no such export")
}

func ended(e Export) error {
	return fault.Permanentf("it does not run: it is %s since %s", e.State, e.FinishedAt.UTC().Format(time.RFC3339))
}

func stillRuns(e Export) error {
	return fault.Permanentf("export %s is still %s: wait for its end, or cancel it", e.ID, e.State)
}

// NotConfigured is the error for a plan that is not among those of the configuration.
func NotConfigured(plans []Plan) error {
	names := make([]string, len(plans))
	for i, known := range plans {
		names[i] = known.Name
	}
	return fault.Permanentf("there is no such plan in the configuration, which has %s", strings.Join(names, ", "))
}

// Running is the export of a plan that is in flight, or asked for.
func Running(ctx context.Context, j Journal, plan string) (id string, err error) {
	d, err := knownPlan(ctx, j, plan)
	if err != nil {
		return "", fmt.Errorf("plan %s: %w", plan, err)
	}
	if current := d.value.Current; current != "" {
		e, err := (&Pipeline{Ports: Ports{Journal: j}}).export(ctx, current)
		switch {
		case errors.Is(err, fs.ErrNotExist), err == nil && !e.State.Final():
			return current, nil
		case err != nil:
			return "", err
		case d.value.WantedAt.IsZero():
			return "", fault.Permanentf("plan %s has no export that runs: its last one, %s, is %s", plan, e.ID, e.State)
		}
	}
	return exportID(plan, d.value.Seq+1), nil
}

// Want asks for an export of a plan: the next tick begins it, whatever the schedule
// says and although the plan is paused. It gives the id that the export will have,
// and asks nobody whether the configuration has the plan. Wanting twice changes
// nothing.
func Want(ctx context.Context, j Journal, plan string, at time.Time) (id string, err error) {
	_, err = update(ctx, j, planKey(plan), func(r *planRecord) error {
		if r.Current != "" {
			e, err := (&Pipeline{Ports: Ports{Journal: j}}).export(ctx, r.Current)
			switch {
			case errors.Is(err, fs.ErrNotExist):
				id = r.Current // reserved: the next tick begins it
				return errUnchanged
			case err != nil:
				return err
			case !e.State.Final():
				return stillRuns(e)
			}
		}
		id = exportID(plan, r.Seq+1)
		if !r.WantedAt.IsZero() {
			return errUnchanged
		}
		r.WantedAt = at
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("start plan %s: %w", plan, err)
	}
	return id, nil
}

// Pause keeps the schedule from starting a plan. An export in flight goes on, and
// Start and Want still work.
func Pause(ctx context.Context, j Journal, plan string, at time.Time) error {
	return setPause(ctx, j, "pause", plan, func(r *planRecord) error {
		if !r.PausedAt.IsZero() {
			return fault.Permanentf("it is paused already, since %s", r.PausedAt.UTC().Format(time.RFC3339))
		}
		r.PausedAt = at
		return nil
	})
}

// Resume lets the schedule start a plan again. Slots missed meanwhile count once.
func Resume(ctx context.Context, j Journal, plan string) error {
	return setPause(ctx, j, "resume", plan, func(r *planRecord) error {
		if r.PausedAt.IsZero() {
			return fault.Permanentf("it is not paused; a pause by `paused: true` ends in exports.yaml")
		}
		r.PausedAt = time.Time{}
		return nil
	})
}

func setPause(ctx context.Context, j Journal, verb, plan string, change func(*planRecord) error) error {
	_, err := knownPlan(ctx, j, plan)
	if err == nil {
		_, err = update(ctx, j, planKey(plan), change)
	}
	if err != nil {
		return fmt.Errorf("%s plan %s: %w", verb, plan, err)
	}
	return nil
}

// Plans lists the plans that the journal knows: those that had an export, or that
// one was asked for of.
func Plans(ctx context.Context, j Journal) ([]string, error) {
	var plans []string
	for key, err := range j.List(ctx, planKey("")) {
		if err != nil {
			return nil, fmt.Errorf("list the plans of the journal: %w", err)
		}
		plans = append(plans, strings.TrimPrefix(key, planKey("")))
	}
	return plans, nil
}

// ErrNoPlan is wrapped by errors about a plan that the journal does not know.
var ErrNoPlan = errors.New("there is no such plan in the journal")

// Known fails with ErrNoPlan for a plan that the journal does not know, and names
// those that it does.
func Known(ctx context.Context, j Journal, plan string) error {
	if _, err := knownPlan(ctx, j, plan); err != nil {
		return fmt.Errorf("plan %s: %w", plan, err)
	}
	return nil
}

// knownPlan reads the document of a plan that the journal knows.
func knownPlan(ctx context.Context, j Journal, plan string) (document[planRecord], error) {
	d, err := read[planRecord](ctx, j, planKey(plan))
	if !errors.Is(err, fs.ErrNotExist) {
		return d, err
	}
	plans, err := Plans(ctx, j)
	switch {
	case err != nil:
		return d, err
	case len(plans) == 0:
		return d, fault.Permanentf("%w, which has none: a plan is there from its first export on", ErrNoPlan)
	}
	return d, fault.Permanentf("%w, which has %s; a plan is there from its first export on", ErrNoPlan, strings.Join(plans, ", "))
}

// dismiss gives the jobs of an export that has ended back to the server, once:
// some keep a client's one place until it deletes its job. It comes before the
// plan's next start.
func (p *Pipeline) dismiss(ctx context.Context, d *document[planRecord], e Export) error {
	if d.value.Released == e.ID {
		return nil
	}
	if err := p.removeLinks(ctx, e); err != nil {
		return fmt.Errorf("remove the links of export %s from the journal: %w", e.ID, err)
	}
	if err := p.releaseJobs(ctx, e); err != nil {
		if fault.Of(err) == fault.Transient && p.Now().Sub(e.FinishedAt) < p.SilentAfter {
			return fmt.Errorf("give the jobs of export %s back: %w", e.ID, err)
		}
		p.Log.WarnContext(ctx, "jobs not given back to the server; they expire there", "export", e.ID, "error", err)
	}
	if err := p.removeStatusQueries(ctx, e); err != nil {
		return fmt.Errorf("remove the links of export %s from the journal: %w", e.ID, err)
	}
	d.value.Released = e.ID
	if err := d.write(ctx, p.Journal); err != nil && !errors.Is(err, ErrConflict) {
		return err
	}
	return nil
}

// releaseJobs deletes the jobs of an export at the server: those that run for nobody,
// and those whose files are there and were fetched.
func (p *Pipeline) releaseJobs(ctx context.Context, e Export) error {
	ends, err := p.endJobs(ctx, e)
	for _, j := range ends {
		err = errors.Join(err, j.Err)
	}
	return err
}

// endJobs ends the jobs of an export at the server, and returns what became of each.
func (p *Pipeline) endJobs(ctx context.Context, e Export) ([]JobEnd, error) {
	jobs, err := p.jobs(ctx, e)
	if err != nil {
		return nil, err
	}
	ends := make([]JobEnd, len(jobs))
	for i, j := range jobs {
		ends[i] = p.endJob(ctx, e.Plan, j)
	}
	return ends, nil
}

func (p *Pipeline) endJob(ctx context.Context, plan string, j Job) JobEnd {
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
	if j.collected() && source.Files == nil {
		return JobEnd{Job: j.ID, Fate: JobDone} // the files are ours already, and the job is no more
	}
	if err := source.Cancel(ctx, j.StatusURL); err != nil {
		return JobEnd{Job: j.ID, Fate: JobLeft, Err: err}
	}
	return JobEnd{Job: j.ID, Fate: JobCancelled}
}
