package mssql

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/warehouse"
	"fhirsynapse/internal/warehouse/mssql/statements"
)

// Conclude implements pipeline.Concluder: the members in one transaction, each type with a change
// in another, and the record of the export in the last one. Each of them can be run again: after a
// COMMIT without an answer it changes nothing more, and counts nothing.
func (w *Warehouse) Conclude(
	ctx context.Context, c pipeline.Conclusion,
) (done pipeline.Concluded, err error) {
	done = pipeline.NewConcluded()
	if err = warehouse.CheckConclusion(c); err == nil {
		err = w.pool.Again(ctx, func(try int) error { return w.conclude(ctx, c, try, &done) })
	}
	if err != nil {
		return done, fmt.Errorf("end export %s in schema %s: %w", c.Record.Export, c.Schema, err)
	}
	return done, nil
}

// conclude tries once to end an export.
func (w *Warehouse) conclude(
	ctx context.Context, c pipeline.Conclusion, try int, done *pipeline.Concluded,
) error {
	views, err := w.o.Views(c.Plan)
	if err != nil {
		return fmt.Errorf("read the views of plan %s: %w", c.Plan, err)
	}
	x := &conclusion{w: w, c: c, try: try, views: views, done: done}
	err = w.with(ctx, func(s session) error {
		x.s = s
		err := x.run(ctx)
		if !errors.Is(err, errRecorded) {
			return err
		}
		if _, err := s.exec(ctx, rollBack); err != nil {
			return err
		}
		w.afterwards(ctx, s, x.stage)
		x.stage = nil
		return nil
	})
	if err != nil && len(x.stage) > 0 {
		w.cleanUp(ctx, x.on(statements.Target{}).Stage, x.stage)
	}
	return err
}

// conclusion is one try to end an export, on one connection.
type conclusion struct {
	w     *Warehouse
	s     session
	c     pipeline.Conclusion
	try   int
	views []flatten.Table
	there statements.Catalog
	done  *pipeline.Concluded
	// stage drops the tables of the present step, the number of which keeps their names apart.
	stage []statements.Statement
	step  int
}

// errRecorded ends a transaction, and the try, once the export is recorded.
var errRecorded = errors.New("the export is recorded")

// readers returns the target of the tables about exports.
func (x *conclusion) readers() statements.Target {
	return statements.Readers(x.w.engine, x.c.Schema)
}

// on returns the statements of the present step for a target.
func (x *conclusion) on(t statements.Target) statements.Conclusion {
	return statements.Conclusion{
		Attempt: statements.Attempt{
			Target: t, Export: x.c.Record.Export, Lines: x.w.o.Lines,
			Stage: statements.StageName(x.w.o.Now(), x.c.Attempt, x.try, x.step),
		},
		Record: x.c.Record,
	}
}

func (x *conclusion) run(ctx context.Context) error {
	readers, missing, err := x.w.ensure(ctx, x.s, x.readers())
	if err != nil {
		return err
	}
	if x.there, err = x.s.catalog(ctx, readers); err != nil {
		return err
	}
	if err := x.recorded(ctx, x.on(readers)); err != nil {
		return err
	}
	if x.c.Members != nil {
		if err := x.join(ctx); err != nil {
			return err
		}
	}
	if err := x.removals(ctx); err != nil {
		return err
	}
	if err := x.record(ctx); err != nil {
		return err
	}
	x.w.afterwards(ctx, x.s, missing)
	return nil
}

// recorded returns errRecorded if the export is recorded.
func (x *conclusion) recorded(ctx context.Context, on statements.Conclusion) error {
	n, _, err := x.s.number(ctx, on.Recorded())
	if err == nil && n > 0 {
		err = errRecorded
	}
	return err
}

// alone runs a transaction with exclusive access to the tables of a target, unless the export is
// recorded. It may run do several times.
func (x *conclusion) alone(
	ctx context.Context, on statements.Conclusion, do func() error,
) error {
	return x.w.repeated(ctx, x.s, func() error {
		if err := x.w.transaction(ctx, x.s, on.Target, on.Begin()); err != nil {
			return err
		}
		if err := x.recorded(ctx, on); err != nil {
			return err
		}
		if err := do(); err != nil {
			return err
		}
		_, err := x.s.exec(ctx, statements.Commit())
		return err
	}, nil)
}

// create creates tables of the present step. dropped drops them after it.
func (x *conclusion) create(ctx context.Context, tables ...statements.Table) error {
	for _, t := range tables {
		create, drop := x.w.engine.Stages(t)
		x.stage = append(x.stage, drop)
		if _, err := x.s.exec(ctx, create); err != nil {
			return err
		}
	}
	return nil
}

func (x *conclusion) dropped(ctx context.Context) {
	x.w.afterwards(ctx, x.s, x.stage)
	x.stage = nil
	x.step++
}

// record adds the rows of the export and of its files.
func (x *conclusion) record(ctx context.Context) error {
	on := x.on(x.readers())
	return x.alone(ctx, on, func() error {
		counts, err := x.counts(ctx, on)
		if err != nil {
			return err
		}
		return x.s.execAll(ctx, on.WriteRecord(counts, x.c.Members != nil))
	})
}

func (x *conclusion) counts(
	ctx context.Context, on statements.Conclusion,
) (n statements.Counts, err error) {
	err = x.s.query(ctx, on.SumQuery(), func(scan func(...any) error) error {
		var sums [6]*int64 // NULL without a file
		if err := scan(&n.Files, &sums[0], &sums[1], &sums[2], &sums[3], &sums[4],
			&sums[5]); err != nil {
			return err
		}
		for i, to := range []*int64{
			&n.Lines, &n.Applied, &n.Superseded, &n.Deleted, &n.Filtered, &n.Quarantined,
		} {
			if sums[i] != nil {
				*to = *sums[i]
			}
		}
		return nil
	})
	if err != nil {
		return n, err
	}
	// The try that has removed resources may have been another one.
	for _, ask := range []struct {
		query statements.Statement
		to    *int64
	}{
		{on.RemovedQuery(warehouse.ReasonMissing), &n.Missing},
		{on.RemovedQuery(warehouse.ReasonLeft), &n.Left},
		{on.MembersQuery(), &n.Members},
	} {
		if *ask.to, _, err = x.s.number(ctx, ask.query); err != nil {
			return n, err
		}
	}
	return n, nil
}

// stagePath returns where the rows of a stage's table are written for the engine. The folder of an
// export is removed some time after its end, whatever becomes of a try.
func (x *conclusion) stagePath(on statements.Conclusion, part string) string {
	return x.c.Record.Export + "/" + part + "-" + strings.TrimPrefix(on.Stage, "_stage_")
}
