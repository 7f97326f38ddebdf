package batch

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"time"

	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
)

// windowed returns the source with the window of the request, because the pipeline of a run knows
// no earlier export and would ask for everything. It leaves out Traces: other folders of the
// container belong to other runs, and this run must neither adopt nor cancel their jobs.
func windowed(o Exporter) pipeline.Source {
	source := o.Source
	source.Server, source.Traces = window{source.Server, o}, nil
	return source
}

type window struct {
	pipeline.Server
	o Exporter
}

// KickOff implements pipeline.Server.
func (w window) KickOff(ctx context.Context, r pipeline.Request) (pipeline.Accepted, error) {
	if w.o.Since.IsZero() && w.o.Until.IsZero() {
		return w.Server.KickOff(ctx, r)
	}
	r.Since = w.o.Since
	r.Deleted = w.o.Plan.Deleted && !r.Since.IsZero() && len(r.TypeFilter) == 0
	if !w.o.Until.IsZero() {
		r.Till = w.o.Until
	}
	return w.Server.KickOff(ctx, r)
}

// jobs reads the jobs in the journal.
func (r *run) jobs(ctx context.Context) ([]records.Job, error) {
	var jobs []records.Job
	for key, err := range r.journal.List(ctx, "jobs/") {
		if err != nil {
			return nil, err
		}
		e, err := r.journal.Read(ctx, key)
		if err != nil {
			return nil, err
		}
		var j records.Job
		if err := json.Unmarshal(e.Data, &j); err != nil {
			return nil, err
		}
		jobs = append(jobs, j)
	}
	return jobs, nil
}

// job returns the status URL of the first job, and the time of the next poll.
func (r *run) job(ctx context.Context) (url string, nextPoll time.Time) {
	jobs, err := r.jobs(ctx)
	if err != nil || len(jobs) == 0 {
		return "", time.Time{}
	}
	if j := jobs[0]; j.ManifestAt.IsZero() {
		return j.StatusURL, j.PollAt
	}
	return jobs[0].StatusURL, time.Time{}
}

// release cancels the jobs at the server, which may then delete their files; some servers allow no
// other export before. It returns the first job, and the reason why the server may still have a
// job. A job is unknown, and stays, if the answer to its kick-off was lost.
func (r *run) release(ctx context.Context) (job string, err error) {
	bound := releaseTimeout
	if errors.Is(context.Cause(ctx), errLate) {
		bound = lateRelease
	}
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), bound)
	defer done()
	jobs, err := r.jobs(ctx)
	for _, j := range jobs {
		if j.StatusURL == "" {
			continue
		}
		job = cmp.Or(job, j.StatusURL)
		if cancelErr := r.Source.Cancel(ctx, j.StatusURL); cancelErr != nil {
			err = errors.Join(err, cancelErr)
		}
	}
	return job, err
}
