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

// lookForOrphan looks for the job of a kick-off without a recorded answer, by the folder that
// the job leaves in our landing area: the manifest of a finished job shows whether it is ours.
// While a job that may be ours runs, the kick-off waits; if nothing is found, the kick-off is
// made again, and the job's document counts the lost one.
func (st *starter) lookForOrphan(
	ctx context.Context, source Source, j records.Job, r Request,
) (found Accepted, wait bool, err error) {
	tracer, now := source.Traces, st.Now()
	if tracer == nil || j.StatusURL != "" || j.KickOffAt.IsZero() ||
		now.Sub(j.KickOffAt) < st.KickOffPatience {
		return found, false, nil
	}
	since := j.KickOffAt
	if !j.LostSince.IsZero() {
		since = j.LostSince
	}
	candidates, err := st.unclaimedJobs(ctx, tracer, since.Add(-clockSkew),
		j.KickOffAt.Add(st.KickOffPatience+clockSkew))
	if err != nil {
		return found, false, fmt.Errorf("look for job %s: %w", j.ID, err)
	}
	for _, a := range candidates {
		switch status, err := source.Status(ctx, a.StatusURL); {
		case err != nil && (errors.Is(err, ErrUnknownJob) || fault.Of(err) != fault.Transient):
			// Cancelled, expired or failed: this job cannot continue.
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
		st.Log.InfoContext(ctx, "a job runs that may be ours; the kick-off waits for its end",
			"job", j.ID)
	}
	return found, wait, nil
}

// unclaimedJobs lists the jobs that left folders in our landing area between two times, and
// that no job of the journal owns.
func (st *starter) unclaimedJobs(
	ctx context.Context, tracer Tracer, from, to time.Time,
) ([]Accepted, error) {
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
