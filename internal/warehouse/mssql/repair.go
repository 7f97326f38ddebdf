package mssql

import (
	"context"
	"fmt"
	"strings"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/warehouse"
	"fhirsynapse/internal/warehouse/mssql/statements"
	"fhirsynapse/internal/warehouse/tds"
)

// InPlace reports whether the engine rebuilds tables in place, by Repair. It cannot swap them, as
// Replace does.
func (w *Warehouse) InPlace() bool { return !w.engine.TransactionalDDL }

// Repair changes the tables of a type to the columns of the plan's current views and marks every
// live resource as not written. Repeating it is harmless.
func (w *Warehouse) Repair(ctx context.Context, r warehouse.Repair) error {
	t, err := w.repaired(r)
	if err != nil {
		return err
	}
	return w.pool.Again(ctx, func(int) error {
		return w.with(ctx, func(s session) error { return w.repair(ctx, s, t, r) })
	})
}

func (w *Warehouse) repaired(r warehouse.Repair) (statements.Target, error) {
	t := statements.Target{Engine: w.engine, Schema: r.Schema, Type: r.Type}
	if err := r.Check(); err != nil {
		return t, err
	}
	var err error
	t.Views, err = w.o.Views.Tables(r.Plan, r.Type)
	t.Longest = longest(r.Files, t.Views)
	return t, err
}

// repair changes the columns before the heads. After a kill in between, the next run finds columns
// that fit; in the other order, a commit with the old columns would count as one with the new
// columns.
func (w *Warehouse) repair(
	ctx context.Context, s session, t statements.Target, r warehouse.Repair,
) error {
	if err := w.collation(ctx, s); err != nil {
		return err
	}
	there, err := w.moved(ctx, s, t)
	if err != nil {
		return err
	}
	if _, err = w.layout(ctx, s, &t); err != nil {
		return err
	}
	todo, err := t.Repair(there)
	if err != nil {
		return err
	}
	if t.HasHead(there) {
		live, _, err := s.number(ctx, t.Live())
		if err != nil {
			return err
		}
		if live > r.Lines {
			return r.Short(live)
		}
	}
	if err := w.define(ctx, s, t, there, todo); err != nil {
		return inUse(err, t)
	}
	if err := w.alone(ctx, s, t, t.Forget(), nil); err != nil {
		return fmt.Errorf("have the resources of schema %s written again: %w", t.Schema, err)
	}
	return nil
}

// inUse returns the remedy for a column that the server cannot drop, because other objects depend
// on it.
func inUse(err error, t statements.Target) error {
	column, dropping := strings.CutPrefix(tds.Step(err), statements.StepDropColumn)
	if !dropping || !isUsed(err) && tds.Number(err) != 24585 {
		return err
	}
	table, name, _ := strings.Cut(column, ".")
	if others := statements.Others(t, table, name); others != "" {
		return &fault.Error{
			Class: fault.Permanent, Err: err,
			Remedy: "others have made indexes or statistics on the column: drop them and rebuild again, then make them again: " + others,
		}
	}
	return &fault.Error{
		Class: fault.Permanent, Err: err,
		Remedy: fmt.Sprintf(
			"drop the statistics, constraints and views of others that use the column, or table %s.%s if the folder has the files of all exports since the last full one, and rebuild again", t.Schema, table),
	}
}

// Unwritten counts the live resources that no commit has written since Repair.
func (w *Warehouse) Unwritten(ctx context.Context, r warehouse.Repair) (n int64, err error) {
	t, err := w.repaired(r)
	if err != nil {
		return 0, err
	}
	err = w.pool.Again(ctx, func(int) error {
		return w.with(ctx, func(s session) (err error) {
			n, _, err = s.number(ctx, t.Unwritten())
			return err
		})
	})
	return n, err
}
