package mssql

import (
	"context"
	"errors"
	"fmt"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/warehouse"
	"fhirsynapse/internal/warehouse/mssql/statements"
)

// With documents the engine computes the rows of views. Prepare has found the lines that are
// resources, and their versions. These lines are staged unchanged, and the engine's row counts are
// compared with prepare's.

// bulkDocs copies the documents of all files.
func (w *stager) bulkDocs(
	ctx context.Context, s session, a statements.Attempt, files []pipeline.PreparedFile,
) error {
	b := s.bulk(ctx, a.Docs())
	for i, f := range files {
		for line, err := range warehouse.Resources(ctx, w.o.Lake, f, w.o.LineLimit) {
			if err != nil {
				s.End()
				return err
			}
			if err := b.add([]any{int64(i), line.Line, string(line.JSON)},
				len(line.JSON)); err != nil {
				return err
			}
		}
	}
	return b.flush()
}

// copyDocs writes the documents of all files again, each with the numbers of its file and line, and
// lets the engine read them.
func (w *stager) copyDocs(
	ctx context.Context, s session, a statements.Attempt, files []pipeline.PreparedFile,
) error {
	m := w.merge(ctx, a, a.Docs()).lines()
	var n int64
	for i, f := range files {
		n += f.Done.Heads
		for line, err := range warehouse.Resources(ctx, w.o.Lake, f, w.o.LineLimit) {
			if most := w.engine.LongestDocument; err == nil && most > 0 && len(line.JSON) > most {
				err = fault.Permanentf(
					"file %s: line %d has %d bytes, %s takes at most %d: set WarehouseTransform to native (load: --transform native)", f.Path, line.Line, len(line.JSON), w.engine.Name, most)
			}
			if err == nil {
				err = m.addLine(fmt.Appendf(nil, "%d\x0b%d\x0b%s\n", i, line.Line, line.JSON))
			}
			if err != nil {
				return errors.Join(err, m.abort(err))
			}
		}
	}
	if err := m.finish(); err != nil {
		return err
	}
	for _, urls := range w.portions(m.made) {
		if _, err := s.exec(ctx, a.CopyLines(a.Docs(), urls)); err != nil {
			return err
		}
	}
	got, _, err := s.number(ctx, a.CountQuery(a.Docs()))
	if err == nil && got != n {
		err = fault.Transientf("the stage took %d of %d documents", got, n)
	}
	return err
}

// shred computes the rows of all views and checks their number.
func (w *stager) shred(
	ctx context.Context, s session, a statements.Attempt, plan string,
	files []pipeline.PreparedFile,
) error {
	views, err := w.o.Documents(plan)
	if err != nil {
		return fmt.Errorf("read the views of plan %s: %w", plan, err)
	}
	for _, v := range views {
		if v.Resource != a.Type {
			continue
		}
		st, err := a.Shred(v)
		if err != nil {
			return err
		}
		if _, err := s.exec(ctx, st); err != nil {
			return err
		}
		var want int64
		for _, f := range files {
			want += f.Done.Rows[v.Name]
		}
		n, _, err := s.number(ctx, a.CountQuery(a.Rows(flatten.Table{Name: v.Name})))
		if err != nil {
			return err
		}
		if n != want {
			return fault.Permanentf(
				"view %s gives %d rows in %s and %d in prepare: set WarehouseTransform to native (load: --transform native), and report it", v.Name, n, a.Name, want)
		}
	}
	return nil
}
