package pipeline

import (
	"context"
	"errors"
	"io/fs"

	"fhirsynapse/internal/pipeline/records"
)

// ignore drops a step about something that the journal does not have. Anyone with access to
// the queue or the handler's port can make up a step: it must not fail an export.
func (d *deps) ignore(ctx context.Context, s Step, why string) error {
	d.Log.WarnContext(ctx, "step ignored", "step", s, "reason", why)
	return nil
}

// runningExport returns the export of a step, with its jobs; no jobs if the export has ended, or if
// the journal does not have it.
func (d *deps) runningExport(
	ctx context.Context, s Step,
) (e records.Export, jobs []records.Job, err error) {
	e, err = d.records.Export(ctx, s.Export)
	if errors.Is(err, fs.ErrNotExist) {
		return e, nil, d.ignore(ctx, s, noExport)
	}
	if err != nil || e.State.Final() {
		return e, nil, err
	}
	jobs, err = d.records.Jobs(ctx, e)
	return e, jobs, err
}

// Reasons to ignore a step.
const (
	noExport   = "the journal has no such export"
	noJob      = "the export has no such job"
	noManifest = "the job has no manifest"
	noFile     = "the manifest has no such file"
	noPoll     = "no poll of this number was sent"
)
