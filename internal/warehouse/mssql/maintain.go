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
	address, own := take(address)
	server, err := tds.ParseServer(e.name, address)
	if err != nil {
		return err
	}
	none, err := e.noIndexes(server, own)
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
	w := core{o: Options{NoIndexes: none}, engine: kind, pool: pool}
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
	if err := w.maintain(ctx, statements.Readers(kind, m.Schema), done, m.Begin); err != nil {
		return fmt.Errorf("maintain the tables about exports: %w", err)
	}
	return nil
}

func (w *core) maintain(
	ctx context.Context, t statements.Target, done map[string]bool, begin func(string),
) error {
	var there statements.Catalog
	var rebuilt, missing []statements.Statement
	err := w.pool.Again(ctx, func(int) error {
		return w.with(ctx, func(s session) (err error) {
			if there, err = s.catalog(ctx, t); err != nil {
				return err
			}
			if rebuilt, err = w.rebuilt(ctx, s, t, there); err != nil || w.o.NoIndexes ||
				!t.HasHead(there) {
				return err
			}
			of := statements.Existing(t, there)
			of.Layout, err = s.layout(ctx, of)
			missing = statements.Missing(of, there)
			return err
		})
	})
	if err != nil {
		return err
	}
	failed := w.each(ctx, missing) // the maintenance goes on
	for _, table := range t.Maintain() {
		if done[table.Name()] || !table.In(there) {
			continue
		}
		done[table.Name()] = true
		begin(table.Name())
		if err := w.each(ctx, table.Statements); err != nil {
			return err
		}
	}
	return errors.Join(failed, w.each(ctx, rebuilt))
}

// each runs statements one after the other, each with tries of its own.
func (w *core) each(ctx context.Context, all []statements.Statement) error {
	for _, st := range all {
		if err := w.pool.Again(ctx, func(int) error {
			return w.with(ctx, func(s session) error {
				_, err := s.exec(ctx, st)
				return err
			})
		}); err != nil {
			return err
		}
	}
	return nil
}

// rebuilt returns the statement that notes a rebuild of the type's tables, with the counts before
// it. Commits during the rebuild count as later ones.
func (w *core) rebuilt(
	ctx context.Context, s session, t statements.Target, there statements.Catalog,
) ([]statements.Statement, error) {
	if _, possible := statements.Rebuilt(t, there, 0); !possible || !t.HasHead(there) {
		return nil, nil
	}
	ask := statements.ReplacedQueries(t)
	applied, _, err := s.number(ctx, ask.Applied)
	if err != nil {
		return nil, err
	}
	heads, _, err := s.number(ctx, ask.Heads)
	st, _ := statements.Rebuilt(t, there, applied-heads)
	return []statements.Statement{st}, err
}

// resources returns the resource types of tables, in order.
func resources(tables []flatten.Table) (types []string) {
	for _, t := range tables {
		types = append(types, t.Resource)
	}
	slices.Sort(types)
	return slices.Compact(types)
}
