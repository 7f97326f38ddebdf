package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"fhirsynapse/internal/pipeline/records"
)

// Bounds of what one tick removes for a plan; the next tick goes on.
const (
	sweptExports = 50
	sweptBlobs   = 20_000
)

// sweep removes the prepared files of a plan's exports that have ended. A worker that
// does not know of the end may still write some, for as long as a step may take.
func (p *Pipeline) sweep(ctx context.Context, plan string) error {
	if p.Remover == nil {
		return nil
	}
	d, err := p.records.Plan(ctx, plan)
	if err != nil {
		return err
	}
	before, left := d.Value.Swept, sweptBlobs
	for n := before + 1; n <= d.Value.Seq && n <= before+sweptExports; n++ {
		e, err := p.records.Export(ctx, records.ExportID(plan, n))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err == nil {
			if !e.State.Final() || p.Now().Sub(e.FinishedAt) < p.StepTimeout {
				break
			}
			if left, err = p.removeStaged(ctx, e.ID, left); err != nil {
				return fmt.Errorf("remove the prepared files of export %s: %w", e.ID, err)
			}
			if left == 0 {
				break
			}
		} else if n == d.Value.Seq {
			break // reserved a moment ago
		}
		d.Value.Swept = n
	}
	if d.Value.Swept == before {
		return nil
	}
	if err := d.Write(ctx, p.Journal); err != nil && !errors.Is(err, ErrConflict) { // the next tick looks again
		return err
	}
	return nil
}

// removeStaged removes at most most blobs and returns how many more it might have.
func (p *Pipeline) removeStaged(ctx context.Context, export string, most int) (left int, err error) {
	var paths []string
	for f, err := range p.Lake.List(ctx, Staging, export+"/") {
		if err != nil {
			return 0, err
		}
		if paths = append(paths, f.Path); len(paths) == most {
			break
		}
	}
	err = several(ctx, len(paths), p.Readers, func(ctx context.Context, i int) error {
		return p.Remover.Remove(ctx, Staging, paths[i])
	})
	return most - len(paths), err
}
