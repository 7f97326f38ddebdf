package mssql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/warehouse"
	"fhirsynapse/internal/warehouse/mssql/statements"
	"fhirsynapse/internal/warehouse/tds"
)

// attempt tries once to commit the files of a batch that are not in the ledger. Many files go in
// groups, each in a transaction of its own.
func (w *Warehouse) attempt(
	ctx context.Context, b pipeline.Batch, views []flatten.Table, try int,
) error {
	t := statements.Target{
		Engine: w.engine, Schema: b.Schema, Type: b.Type, Views: views,
		Longest: longest(b.Files, views),
	}
	if err := statements.Storable(t); err != nil {
		return err
	}
	var staged *statements.Attempt
	err := w.with(ctx, func(s session) error {
		there, err := s.ledger(ctx, t, b.Export)
		if err != nil {
			return err
		}
		files := warehouse.Uncommitted(b.Files, there)
		if len(files) == 0 {
			return nil
		}
		var missing []statements.Statement
		if t, missing, err = w.ensure(ctx, s, t); err != nil {
			return err
		}
		most := w.o.CommitRows
		if b.Replaces {
			most = math.MaxInt64 // the next group would remove the rows of this one
		}
		for n, group := range divided(files, most) {
			a := statements.Attempt{
				Target: t, Export: b.Export, ViewSet: b.ViewSet, At: w.o.Now(),
				Stage:     statements.StageName(w.o.Now(), b.Attempt, try, n),
				Documents: w.o.Documents != nil, Lines: w.o.Lines, Replaces: b.Replaces,
				KnownDeletes: b.KnownDeletes,
			}
			staged = &a
			if err := w.commitGroup(ctx, s, a, b.Plan, group); err != nil {
				return err
			}
			w.afterwards(ctx, s, a.DropStage())
			staged = nil
		}
		// A first load is faster without indexes.
		w.afterwards(ctx, s, missing)
		w.upkeep(ctx, s, t, b.Notify)
		return nil
	})
	if err != nil && staged != nil {
		w.cleanUp(ctx, staged.Stage, staged.DropStage())
	}
	if n := tds.Number(err); (n == tooLong || n == tooLongOlder) && try == 1 {
		// Another committer may have widened the same columns for less.
		return tds.Retry(tds.Step(err), err)
	}
	return err
}

// commitGroup commits files in one transaction.
func (w *Warehouse) commitGroup(
	ctx context.Context, s session, a statements.Attempt, plan string,
	files []pipeline.PreparedFile,
) error {
	if err := w.stage(ctx, s, a, plan, files); err != nil {
		return err
	}
	// The ledger tells whether a COMMIT without a good answer has happened.
	happened := func() (bool, error) {
		there, err := s.ledger(ctx, a.Target, a.Export)
		return err == nil && len(warehouse.Uncommitted(files, there)) == 0, err
	}
	return w.alone(ctx, s, a.Target, a.Transaction(), happened)
}

// divided splits files into groups of at most this number of rows, in order. A file is never split,
// so every resource is whole in each group; which version wins does not depend on the groups.
func divided(files []pipeline.PreparedFile, most int64) [][]pipeline.PreparedFile {
	var out [][]pipeline.PreparedFile
	var rows int64
	for _, f := range files {
		n := f.Done.Heads
		for _, of := range f.Done.Rows {
			n += of
		}
		if len(out) == 0 || rows+n > most {
			out, rows = append(out, nil), 0
		}
		rows += n
		out[len(out)-1] = append(out[len(out)-1], f)
	}
	return out
}

// tooLong and tooLongOlder are the error numbers for a text that is longer than its column.
const (
	tooLong      = 2628
	tooLongOlder = 8152
)

// abandonedAfter is the age at which the stage of a dead attempt is dropped. No attempt lives that
// long.
const abandonedAfter = 24 * time.Hour

// definer makes and changes the tables.
type definer struct{ core }

// ensure creates missing parts of the schema and drops the stages of dead attempts. It returns the
// target with its layout, and the statements that create the indexes and statistics that are
// missing, for the end of a commit.
func (w *definer) ensure(
	ctx context.Context, s session, t statements.Target,
) (statements.Target, []statements.Statement, error) {
	if err := w.collation(ctx, s); err != nil {
		return t, nil, err
	}
	there, err := w.moved(ctx, s, t)
	if err != nil {
		return t, nil, err
	}
	known, err := w.layout(ctx, s, &t)
	if err != nil {
		return t, nil, err
	}
	if err := w.compareStorage(ctx, s, t, there); err != nil {
		return t, nil, err
	}
	todo, err := t.Ensure(there)
	if err != nil {
		return t, nil, err
	}
	if err := w.define(ctx, s, t, there, todo); err != nil {
		return t, nil, err
	}
	if err := w.widen(ctx, s, &t, there); err != nil {
		return t, nil, err
	}
	for _, st := range there.Abandoned(w.o.Now().Add(-abandonedAfter)) {
		if _, err := s.exec(ctx, st); err != nil && tds.Number(err) != notThere {
			return t, nil, err
		}
	}
	if !known || w.o.NoIndexes {
		return t, nil, nil
	}
	return t, statements.Missing(t, there), nil
}

// notThere is the error number for dropping a table that does not exist.
const notThere = 3701

// rowVersions checks that readers cannot see half a commit.
func (w *definer) rowVersions(ctx context.Context, s session) error {
	if w.engine.Exclusion == statements.LockRow && !w.engine.RowVersions {
		return nil // the engine always has row versions
	}
	on := true
	err := s.query(ctx, statements.RowVersionsQuery(), func(scan func(...any) error) error {
		var is sql.NullBool
		err := scan(&is)
		on = is.Bool
		return err
	})
	if err != nil && !w.engine.RowVersions && tds.Number(err) != 0 {
		// Only a warning depends on the answer, and some servers that resemble SQL Server cannot
		// give it.
		w.o.Log.DebugContext(ctx, "the server does not tell of READ_COMMITTED_SNAPSHOT", "error",
			err)
		s.GoOn()
		return nil
	}
	if err != nil {
		return err
	}
	const remedy = "ALTER DATABASE ... SET READ_COMMITTED_SNAPSHOT ON"
	switch {
	case on:
	case w.engine.RowVersions:
		return &fault.Error{
			Class: fault.Permanent,
			Err: fmt.Errorf(
				"database %s: READ_COMMITTED_SNAPSHOT is off, so that readers would see half a commit", w.o.Server),
			Remedy: "run " + remedy +
				" in its master database, while nobody is connected; fhirsynapse sql setup prints it with the rest of the set-up",
		}
	default:
		w.o.Log.WarnContext(ctx,
			"READ_COMMITTED_SNAPSHOT is off: a statement that reads several tables while a commit is under way may see some of them before it and some after", "remedy", remedy)
	}
	return nil
}

// collation refuses a database that merges ids, on engines whose columns have no collation. The
// collation of a database never changes, so it is read once.
func (w *definer) collation(ctx context.Context, s session) error {
	if w.engine.Collate || w.collated.Load() {
		return nil
	}
	var collation string
	err := s.query(ctx, statements.CollationQuery(), func(scan func(...any) error) error {
		return scan(&collation)
	})
	if err == nil {
		err = statements.CheckCollation(collation)
	}
	w.collated.Store(err == nil)
	return err
}

// define creates the schema and its tables, if any are missing.
func (w *definer) define(
	ctx context.Context, s session, t statements.Target, there statements.Catalog,
	todo []statements.Statement,
) error {
	if len(todo) == 0 {
		return nil
	}
	if err := w.rowVersions(ctx, s); err != nil {
		return err
	}
	if err := w.createSchemas(ctx, s, t, there); err != nil {
		return err
	}
	if w.engine.TransactionalDDL {
		todo = append([]statements.Statement{{Step: "begin", Text: "BEGIN TRANSACTION"}},
			append(todo, statements.Statement{Step: "commit", Text: "COMMIT TRANSACTION"})...)
	}
	if lock, needed := t.LockRow(); needed {
		todo = append(todo, lock)
	}
	if err := s.execAll(ctx, todo); err != nil {
		return fmt.Errorf("make the tables of schema %s: %w", t.Schema, err)
	}
	return nil
}

// createSchemas creates the schemas that do not exist.
func (w *definer) createSchemas(
	ctx context.Context, s session, t statements.Target, there statements.Catalog,
) error {
	for _, schema := range there.Lacks(t.Schemas()) {
		_, known, err := s.number(ctx, t.SchemaQuery(schema))
		if err != nil {
			return err
		}
		if known {
			continue
		}
		if _, err := s.exec(ctx, statements.CreateSchema(schema)); err != nil {
			return fmt.Errorf("make schema %s: %w", schema, err)
		}
	}
	return nil
}

// conflictTries bounds the retries of a transaction after conflicts. Each conflict means that
// another transaction has committed.
const conflictTries = 15

// alone runs a transaction with exclusive access.
func (w *Warehouse) alone(
	ctx context.Context, s session, t statements.Target, all []statements.Statement,
	happened func() (bool, error),
) error {
	return w.repeated(ctx, s, func() error { return w.transaction(ctx, s, t, all) }, happened)
}

// repeated repeats a transaction after a conflict: the stage is still there. Some engines find a
// conflict at COMMIT; happened, unless nil, is asked then.
func (w *Warehouse) repeated(
	ctx context.Context, s session, run func() error, happened func() (bool, error),
) error {
	for try := 1; ; try++ {
		err := run()
		if err == nil || !conflicts(err) || try == conflictTries {
			return err
		}
		s.GoOn()
		if _, back := s.exec(ctx, rollBack); back != nil {
			return errors.Join(err, back)
		}
		if tds.Step(err) == statements.StepCommit && happened != nil {
			if done, err := happened(); done || err != nil {
				return err
			}
		}
		if err := w.pool.Pause(ctx, try); err != nil {
			return err
		}
	}
}

// lockPatience is the delay before the next try for tables that another committer holds for longer
// than the lock timeout.
const lockPatience = 20 * time.Second

func (w *Warehouse) transaction(
	ctx context.Context, s session, t statements.Target, all []statements.Statement,
) error {
	for _, st := range all {
		var err error
		switch st.Step {
		case statements.StepLock:
			err = w.lock(ctx, s, t, st)
		case statements.StepCheck:
			err = s.query(ctx, st, func(scan func(...any) error) error {
				var path string
				var lines, accounted int64
				if err := scan(&path, &lines, &accounted); err != nil {
					return err
				}
				return fault.Permanentf(
					"file %s has %d lines, but %d are accounted for: prepare it again", path, lines,
					accounted)
			})
		default:
			_, err = s.exec(ctx, st)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *Warehouse) lock(
	ctx context.Context, s session, t statements.Target, st statements.Statement,
) error {
	busy := &fault.Error{
		After: lockPatience, Err: errors.New("another committer is at the same tables"),
	}
	if w.engine.Exclusion == statements.LockRow {
		waiting, cancel := context.WithTimeout(ctx, w.o.LockWait)
		n, err := s.exec(waiting, st)
		late := waiting.Err() != nil && ctx.Err() == nil
		cancel()
		if err != nil && late {
			s.End()
			return busy
		}
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("the lock table of %s in schema %s has no row: %w", t.Type,
				t.Schemas()[1], w.restoreLock(ctx, s, t))
		}
		return nil
	}
	result, _, err := s.number(ctx, st)
	if err == nil && result < 0 {
		s.End()
		return busy
	}
	return err
}

// restoreLock inserts a lock row that was deleted manually.
func (w *Warehouse) restoreLock(ctx context.Context, s session, t statements.Target) error {
	lock, _ := t.LockRow()
	if err := s.execAll(ctx, []statements.Statement{rollBack, lock}); err != nil {
		return err
	}
	return tds.Retry(statements.StepLock, errors.New("it has one again"))
}

var rollBack = statements.Statement{
	Step: "roll back", Text: "IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION",
}

// cleanUpTimeout bounds the dropping of a stage after a failure.
const cleanUpTimeout = 30 * time.Second

// cleanUp drops the stage of a failed attempt. A later commit drops what remains, by its age.
func (w *Warehouse) cleanUp(ctx context.Context, stage string, drop []statements.Statement) {
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTimeout)
	defer done()
	for dead := range 2 {
		err := w.with(ctx, func(s session) error {
			for _, st := range drop {
				if _, err := s.exec(ctx, st); err != nil && tds.Number(err) != notThere {
					return err
				}
				s.GoOn()
			}
			return nil
		})
		if err == nil {
			return
		}
		if dead == 1 || tds.Number(err) != 0 {
			w.o.Log.WarnContext(ctx, "a stage is left for later", "stage", strings.ToLower(stage),
				"error", err)
			return
		}
		w.pool.DropIdle()
	}
}
