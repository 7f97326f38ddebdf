package pipeline

import (
	"context"
	"errors"
	"fmt"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline/records"
)

// releaseEnded deletes the jobs of an ended export at the server, once, before the plan's next
// start. Some servers block a client's only slot until it deletes its job.
func (w *watchdog) releaseEnded(
	ctx context.Context, d *records.Document[records.PlanRecord], e records.Export,
) error {
	if d.Value.Released == e.ID {
		return nil
	}
	if err := w.records.RemoveLinks(ctx, e); err != nil {
		return fmt.Errorf("remove the links of export %s from the journal: %w", e.ID, err)
	}
	if err := w.releaseJobs(ctx, e); err != nil {
		if fault.Of(err) == fault.Transient && w.Now().Sub(e.FinishedAt) < w.SilentAfter {
			return fmt.Errorf("give the jobs of export %s back: %w", e.ID, err)
		}
		w.Log.WarnContext(ctx, "jobs not given back to the server; they expire there", "export",
			e.ID, "error", err)
	}
	if err := w.records.RemoveStatusQueries(ctx, e); err != nil {
		return fmt.Errorf("remove the links of export %s from the journal: %w", e.ID, err)
	}
	d.Value.Released = e.ID
	if err := d.Write(ctx, w.Journal); err != nil && !errors.Is(err, ErrConflict) {
		return err
	} else if err == nil && e.State == records.Cancelled { // by a person, in any process
		w.tellEnded(ctx, e, progress{})
	}
	return nil
}

// releaseJobs deletes the jobs of an export at the server: jobs that still run, and jobs whose
// files were fetched.
func (w *watchdog) releaseJobs(ctx context.Context, e records.Export) error {
	ends, err := endJobs(ctx, w.records, w.Source, e)
	for _, j := range ends {
		err = errors.Join(err, j.Err)
	}
	return err
}
