package pipeline

import (
	"context"
)

// ignore drops a step about something that the journal does not have. Anyone with access to
// the queue or the handler's port can make up a step: it must not fail an export.
func (d *deps) ignore(ctx context.Context, s Step, why string) error {
	d.Log.WarnContext(ctx, "step ignored", "step", s, "reason", why)
	return nil
}

// Reasons to ignore a step.
const (
	noExport   = "the journal has no such export"
	noJob      = "the export has no such job"
	noManifest = "the job has no manifest"
	noFile     = "the manifest has no such file"
	noPoll     = "no poll of this number was sent"
)
