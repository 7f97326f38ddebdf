package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"fhirsynapse/internal/fault"
)

// lookForOrphan looks for the job of a kick-off whose answer nobody wrote down, by
// the folder that it leaves in our landing area. A job that has ended shows by its
// manifest whose it is; while one runs that may be ours, there is nothing to do but
// wait. Where a server leaves no traces, nothing is found: the kick-off is made
// again, and the job's document tells of the lost one.
func (p *Pipeline) lookForOrphan(ctx context.Context, source Source, j Job, r Request) (found Accepted, wait bool, err error) {
	tracer, ok := source.(Tracer)
	now := p.Now()
	if !ok || j.StatusURL != "" || j.KickOffAt.IsZero() || now.Sub(j.KickOffAt) < p.KickOffPatience {
		return found, false, nil
	}
	since := j.KickOffAt
	if !j.LostSince.IsZero() {
		since = j.LostSince
	}
	var candidates []Accepted
	last := ""
	for _, prefix := range tracer.Traces(since.Add(-clockSkew), j.KickOffAt.Add(p.KickOffPatience+clockSkew)) {
		for f, err := range p.Lake.List(ctx, Landing, prefix) {
			if err != nil {
				return found, false, fmt.Errorf("look for job %s: %w", j.ID, err)
			}
			folder, _, nested := strings.Cut(f.Path, "/")
			if !nested || folder == last {
				continue
			}
			last = folder
			if a, ok := tracer.Traced(folder); ok {
				candidates = append(candidates, a)
			}
		}
	}
	for _, a := range candidates {
		owner, err := p.owner(ctx, a.Folder)
		if err != nil {
			return found, false, fmt.Errorf("look for job %s: %w", j.ID, err)
		}
		if owner.Export != "" {
			continue
		}
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
	if wait && now.Sub(j.KickOffAt) > p.ExportTimeout {
		wait = false
	}
	if wait {
		p.Log.InfoContext(ctx, "a job runs that may be ours; the kick-off waits for its end", "job", j.ID)
	}
	return found, wait, nil
}
