package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline/records"
)

// committer commits prepared files to the tables.
type committer struct {
	*deps
	files   *surveyor
	planner *planner
	finish  *finisher
}

// commit commits all prepared files of one export and type to the tables.
func (c *committer) commit(ctx context.Context, s Step) error {
	e, jobs, err := c.runningExport(ctx, s)
	if err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	if jobs == nil {
		return nil
	}
	g, err := c.files.filesOf(ctx, jobs, s.Type)
	if err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	files := g.files
	if !g.complete() || len(files) == 0 {
		return c.finish.check(ctx, e.ID, "")
	}
	now, err := c.files.surveyListed(ctx, e, files)
	if err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	// The views may have changed, and the server may rewrite a blob after it was prepared.
	if again := prepares(e, files, now, func(f surveyed) bool {
		return !f.prepared
	}); len(again) > 0 {
		return c.send(ctx, time.Time{}, again...)
	}
	if err := c.planner.checkBase(ctx, e); err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	batch, err := c.batch(ctx, e, s.Type, now)
	if err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	var notices []string
	if batch.Replaces = c.replaces(e); batch.Replaces {
		all, err := c.files.filesOf(ctx, jobs, "")
		if err == nil {
			err = c.checkReplacement(ctx, e, all)
		}
		if errors.Is(err, errNotWhole) {
			return c.finish.check(ctx, e.ID, "")
		}
		if err == nil {
			notices, err = c.leftBehind(ctx, e, all)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	if err := c.recordValues(ctx, e.ID, s.Type, valuesOf(batch)); err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	switch wait, err := c.commitBatch(ctx, e, batch, s.ETag, notices); {
	case errors.Is(err, errTablesBusy):
		return c.waitForTables(ctx, s, wait)
	case err != nil:
		return fmt.Errorf("%s: %w", s, err)
	}
	return c.finish.check(ctx, e.ID, "")
}

// prepares lists the prepare steps of the files for which want returns true.
func prepares(e records.Export, files []listed, now []surveyed, want func(surveyed) bool) []Step {
	var steps []Step
	for i, f := range now {
		if want(f) {
			steps = append(steps, Step{
				Kind: StepPrepare, Export: e.ID, Job: files[i].job, Type: f.Type, Path: f.Path,
				ETag: f.blob.ETag, Round: e.Round,
			})
		}
	}
	return steps
}

// batch reads the result of prepare for each file and compares it with the manifest.
func (c *committer) batch(
	ctx context.Context, e records.Export, typ string, files []surveyed,
) (Batch, error) {
	set, err := c.files.viewSet(ctx, e.Plan)
	if err != nil {
		return Batch{}, err
	}
	b := Batch{
		Schema: e.Schema, Plan: e.Plan, Export: e.ID, Type: typ, ViewSet: set, Attempt: c.Token(),
		KnownDeletes: e.Members != nil,
	}
	place := stagingOf(e.ID, typ, set)
	said := make([]Done, len(files))
	if err := several(ctx, len(files), c.Readers, func(ctx context.Context, i int) (err error) {
		said[i], err = c.readDone(ctx, place.done(files[i].blob))
		return err
	}); err != nil {
		return b, err
	}
	var wrong []error
	var lines, bad int64
	for i, f := range files {
		done := said[i]
		if read := done.Lines - done.Blank; f.Count >= 0 && read != f.Count {
			wrong = append(wrong,
				fmt.Errorf("file %s: the manifest counts %d resources, the file has %d", f.Path,
					f.Count, read))
		}
		lines, bad = lines+done.Lines, bad+done.Quarantined
		b.Files = append(b.Files, PreparedFile{File: f.blob, Dir: place.dir(f.blob), Done: done})
	}
	if plan, ok := c.plan(e.Plan); ok && float64(bad) > plan.MaxBad*float64(lines) {
		wrong = append(wrong,
			fmt.Errorf("%d of %d lines are bad, more than the plan's %g %%: see the quarantine container under %s", bad, lines, plan.MaxBad*100, place))
	}
	if len(wrong) > 0 {
		return b, &fault.Error{Class: fault.Permanent, Err: fault.Several(wrong)}
	}
	return b, nil
}

func (c *committer) readDone(ctx context.Context, path string) (Done, error) {
	var done Done
	r, err := c.Lake.Open(ctx, Staging, path, "")
	if err != nil {
		return done, err
	}
	data, err := io.ReadAll(r)
	if closeErr := r.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return done, fmt.Errorf("read %s: %w", path, err)
	}
	if err := records.Decode(data, &done); err != nil {
		return done, fmt.Errorf("read %s: %w", path, err)
	}
	return done, nil
}
