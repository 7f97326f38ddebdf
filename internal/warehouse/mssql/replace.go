package mssql

import (
	"context"
	"fmt"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/warehouse"
	"fhirsynapse/internal/warehouse/mssql/statements"
)

// Replace replaces the tables of a type by the tables of another schema in one transaction: readers
// wait for its end or see the old tables. Permissions on a table itself are lost.
func (w *Warehouse) Replace(ctx context.Context, r warehouse.Replacement) error {
	if err := r.Check(); err != nil {
		return err
	}
	if !w.engine.TransactionalDDL {
		return fault.Permanentf(
			"%s cannot create tables in a transaction: they are rebuilt in place", w.engine.Name)
	}
	views, err := w.o.Views.Tables(r.Plan, r.Type)
	if err != nil {
		return err
	}
	t := statements.Target{Engine: w.engine, Schema: r.Schema, Type: r.Type, Views: views}
	beside := statements.Target{Engine: w.engine, Schema: r.From, Type: r.Type, Views: views}
	return w.pool.Again(ctx, func(try int) error {
		return w.with(ctx, func(s session) error {
			made, err := s.catalog(ctx, beside)
			if err != nil {
				return err
			}
			if !beside.HasHead(made) {
				if try > 1 {
					return nil // an earlier try's COMMIT, whose answer was lost
				}
				return fault.Permanentf("schema %s has no tables of %s", r.From, r.Type)
			}
			return w.replace(ctx, s, t, r)
		})
	})
}

func (w *Warehouse) replace(
	ctx context.Context, s session, t statements.Target, r warehouse.Replacement,
) error {
	there, err := w.moved(ctx, s, t)
	if err != nil {
		return err
	}
	if !t.Comparable(there) {
		return r.Untold(t.Schemas()[1] + "." + warehouse.HeadTable(r.Type))
	}
	if err := w.createSchemas(ctx, s, t, there); err != nil {
		return err
	}
	for _, st := range t.Replace(r.From, there) {
		switch st.Step {
		case statements.StepLock:
			err = w.lock(ctx, s, t, st)
		case statements.StepCompare:
			var lacking int64
			if lacking, _, err = s.number(ctx, st); err == nil && lacking > 0 {
				s.End()
				return r.Lacks(lacking)
			}
		default:
			_, err = s.exec(ctx, st)
		}
		if err != nil {
			return fmt.Errorf("replace the tables of schema %s: %w", t.Schema, err)
		}
	}
	return nil
}

// Discard drops a schema and its loader's schema with their tables, if they exist.
func (w *Warehouse) Discard(ctx context.Context, schema string) error {
	t := statements.Target{Engine: w.engine, Schema: schema}
	return w.pool.Again(ctx, func(int) error {
		return w.with(ctx, func(s session) error {
			there, err := s.catalog(ctx, t)
			if err != nil {
				return err
			}
			var known []string
			for _, name := range t.Schemas() {
				_, is, err := s.number(ctx, t.SchemaQuery(name))
				if err != nil {
					return err
				}
				if is {
					known = append(known, name)
				}
			}
			return s.execAll(ctx, statements.Discard(there, known))
		})
	})
}
