package once

import (
	"context"
	"encoding/json"
	"time"

	"fhirsynapse/internal/pipeline"
)

// windowed is a source whose kick-offs have a window of the caller's. The pipeline
// of a run knows of no export before it, and would ask for everything.
func windowed(s pipeline.Source, since, until time.Time) pipeline.Source {
	if since.IsZero() && until.IsZero() {
		return s
	}
	return window{s, since, until}
}

type window struct {
	pipeline.Source
	since, until time.Time
}

// KickOff implements pipeline.Source.
func (w window) KickOff(ctx context.Context, r pipeline.Request) (pipeline.Accepted, error) {
	r.Since = w.since
	if !w.until.IsZero() {
		r.Till = w.until
	}
	return w.Source.KickOff(ctx, r)
}

// release tells the server that its jobs are no longer wanted: it may delete their
// files, and some allow no other export before. A job that never got so far to be
// written down is not known here.
func (r *run) release(ctx context.Context) error {
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer done()
	for key, err := range r.journal.List(ctx, "jobs/") {
		if err != nil {
			return err
		}
		e, err := r.journal.Read(ctx, key)
		if err != nil {
			return err
		}
		var j pipeline.Job
		if err := json.Unmarshal(e.Data, &j); err != nil || j.StatusURL == "" {
			continue
		}
		if err := r.Source.Cancel(ctx, j.StatusURL); err != nil {
			r.Log.WarnContext(ctx, "the job was not deleted at the server", "job", j.ID, "error", err)
		}
	}
	return nil
}
