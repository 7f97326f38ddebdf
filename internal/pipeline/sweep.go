package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"fhirsynapse/internal/pipeline/records"
)

// Bounds of the removals by one tick for a plan; the next tick continues.
const (
	sweptExports = 50
	sweptBlobs   = 20_000
)

// sweep removes the prepared files of a plan's ended exports, and the files with everybody's
// resources that were filtered by the members of a cohort. It waits StepTimeout after the
// end, because a worker that does not know of the end may still write files.
func (w *watchdog) sweep(ctx context.Context, plan string) error {
	if w.Remover == nil {
		return nil
	}
	d, err := w.records.Plan(ctx, plan)
	if err != nil {
		return err
	}
	before, left := d.Value.Swept, sweptBlobs
	for n := before + 1; n <= d.Value.Seq && n <= before+sweptExports; n++ {
		e, err := w.records.Export(ctx, records.ExportID(plan, n))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err == nil {
			if !e.State.Final() || w.Now().Sub(e.FinishedAt) < w.StepTimeout {
				break
			}
			if left, err = w.removeStaged(ctx, e.ID, left); err != nil {
				return fmt.Errorf("remove the prepared files of export %s: %w", e.ID, err)
			}
			if left > 0 {
				if left, err = w.removeEverybody(ctx, e, left); err != nil {
					return fmt.Errorf("remove the files of export %s: %w", e.ID, err)
				}
			}
			if left == 0 {
				break
			}
		} else if n == d.Value.Seq {
			break // just reserved
		}
		d.Value.Swept = n
	}
	if d.Value.Swept == before {
		return nil
	}
	// the next tick tries again
	if err := d.Write(ctx, w.Journal); err != nil && !errors.Is(err, ErrConflict) {
		return err
	}
	return nil
}

// removeStaged removes at most most blobs and returns the rest of that limit.
func (w *watchdog) removeStaged(
	ctx context.Context, export string, most int,
) (left int, err error) {
	return w.removeAll(ctx, Staging, export+"/", most)
}

// removeEverybody removes the landed files of jobs at system level of an export that was filtered
// by members.
func (w *watchdog) removeEverybody(
	ctx context.Context, e records.Export, most int,
) (left int, err error) {
	if e.Members == nil {
		return most, nil
	}
	for i, r := range e.Jobs {
		if r.Level != LevelSystem {
			continue
		}
		m, err := w.files.manifest(ctx, records.JobID(e.ID, i+1))
		if errors.Is(err, fs.ErrNotExist) {
			continue // the job has not ended
		}
		if err != nil {
			return 0, err
		}
		for _, folder := range distinct(m.Output, func(f OutputFile) string {
			return folderOf(f.Path)
		}) {
			if most, err = w.removeAll(ctx, Landing, folder, most); most == 0 || err != nil {
				return most, err
			}
		}
	}
	return most, nil
}

// removeAll removes at most most blobs with a prefix and returns the rest of that limit.
func (w *watchdog) removeAll(
	ctx context.Context, area Area, prefix string, most int,
) (left int, err error) {
	var paths []string
	for f, err := range w.Lake.List(ctx, area, prefix) {
		if err != nil {
			return 0, err
		}
		if paths = append(paths, f.Path); len(paths) == most {
			break
		}
	}
	err = several(ctx, len(paths), w.Readers, func(ctx context.Context, i int) error {
		return w.Remover.Remove(ctx, area, paths[i])
	})
	return most - len(paths), err
}
