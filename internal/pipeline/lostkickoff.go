package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline/records"
)

// lookForOrphan looks for the job of a kick-off whose answer nobody wrote down, by
// the folder that it leaves in our landing area. A job that has ended shows by its
// manifest whose it is; while one runs that may be ours, there is nothing to do but
// wait. Where a server leaves no traces, nothing is found: the kick-off is made
// again, and the job's document tells of the lost one.
func (st *starter) lookForOrphan(ctx context.Context, source Source, j records.Job, r Request) (found Accepted, wait bool, err error) {
	tracer, now := source.Traces, st.Now()
	if tracer == nil || j.StatusURL != "" || j.KickOffAt.IsZero() || now.Sub(j.KickOffAt) < st.KickOffPatience {
		return found, false, nil
	}
	since := j.KickOffAt
	if !j.LostSince.IsZero() {
		since = j.LostSince
	}
	candidates, err := st.unclaimedJobs(ctx, tracer, since.Add(-clockSkew), j.KickOffAt.Add(st.KickOffPatience+clockSkew))
	if err != nil {
		return found, false, fmt.Errorf("look for job %s: %w", j.ID, err)
	}
	for _, a := range candidates {
		switch status, err := source.Status(ctx, a.StatusURL); {
		case err != nil && (errors.Is(err, ErrUnknownJob) || fault.Of(err) != fault.Transient):
			// Cancelled, expired or failed: no job to go on with.
		case err != nil:
			return found, false, fmt.Errorf("look for job %s: %w", j.ID, err)
		case status.Manifest == nil:
			wait = true
		case tracer.Answers(*status.Manifest, r):
			return a, false, nil
		}
	}
	if wait && now.Sub(j.KickOffAt) > st.ExportTimeout {
		wait = false
	}
	if wait {
		st.Log.InfoContext(ctx, "a job runs that may be ours; the kick-off waits for its end", "job", j.ID)
	}
	return found, wait, nil
}

// unclaimedJobs lists the jobs that have left folders in our landing area between two
// instants, and that no job of the journal has taken.
func (st *starter) unclaimedJobs(ctx context.Context, tracer Tracer, from, to time.Time) ([]Accepted, error) {
	var candidates []Accepted
	last := ""
	for _, prefix := range tracer.Prefixes(from, to) {
		for f, err := range st.Lake.List(ctx, Landing, prefix) {
			if err != nil {
				return nil, err
			}
			folder, _, nested := strings.Cut(f.Path, "/")
			if !nested || folder == last {
				continue
			}
			last = folder
			a, ok := tracer.Traced(folder)
			if !ok {
				continue
			}
			if owner, err := st.owner(ctx, a.Folder); err != nil {
				return nil, err
			} else if owner.Export == "" {
				candidates = append(candidates, a)
			}
		}
	}
	return candidates, nil
}
