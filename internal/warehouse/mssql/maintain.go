package mssql

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/warehouse"
	"fhirsynapse/internal/warehouse/mssql/statements"
	"fhirsynapse/internal/warehouse/tds"
)

// Maintain implements warehouse.Maintainer.
func (e engine) Maintain(
	ctx context.Context, address string, m warehouse.Maintenance,
) (err error) {
	server, err := tds.ParseServer(e.name, address)
	if err != nil {
		return err
	}
	kind, err := statements.For(e.name)
	if err != nil {
		return err
	}
	pool, err := tds.Connect(server, tds.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pool.Close()) }()
	w := core{engine: kind, pool: pool}
	done := map[string]bool{} // the ledger belongs to every type
	for _, resource := range resources(m.Tables) {
		t := statements.Target{
			Engine: kind, Schema: m.Schema, Type: resource,
			Views: flatten.TablesOf(m.Tables, resource),
		}
		if err := w.maintain(ctx, t, done, m.Begin); err != nil {
			return fmt.Errorf("maintain the tables of %s: %w", resource, err)
		}
	}
	return nil
}

func (w *core) maintain(
	ctx context.Context, t statements.Target, done map[string]bool, begin func(string),
) error {
	var there statements.Catalog
	err := w.pool.Again(ctx, func(int) error {
		return w.with(ctx, func(s session) (err error) {
			there, err = s.catalog(ctx, t)
			return err
		})
	})
	if err != nil {
		return err
	}
	for _, table := range t.Maintain() {
		if done[table.Name()] || !table.In(there) {
			continue
		}
		done[table.Name()] = true
		begin(table.Name())
		for _, st := range table.Statements {
			if err := w.pool.Again(ctx, func(int) error {
				return w.with(ctx, func(s session) error {
					_, err := s.exec(ctx, st)
					return err
				})
			}); err != nil {
				return err
			}
		}
	}
	return nil
}

// resources returns the resource types of tables, in order.
func resources(tables []flatten.Table) (types []string) {
	for _, t := range tables {
		types = append(types, t.Resource)
	}
	slices.Sort(types)
	return slices.Compact(types)
}
