package mssql

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/warehouse"
	"fhirsynapse/internal/warehouse/mssql/statements"
	"fhirsynapse/internal/warehouse/setup"
	"fhirsynapse/internal/warehouse/tds"
)

var _ warehouse.Inspector = engine{}

// Inspect implements warehouse.Inspector.
func (e engine) Inspect(
	ctx context.Context, address string, plans []warehouse.PlanTables,
) (out warehouse.Inspection, err error) {
	pool, server, kind, err := e.connect(address)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, pool.Close()) }()
	var schemas []string
	for _, p := range plans {
		schemas = append(schemas, p.Schema)
	}
	err = pool.With(ctx, func(s *tds.Session) error {
		out = setup.Inspect(ctx, setup.Tolerant{Session: s}, e.name, schemas)
		for _, p := range plans {
			out.Drift = append(out.Drift, drift(ctx, session{s}, kind, p))
		}
		return nil
	})
	out.Server = server.String()
	return out, err
}

// drift compares the tables of a plan with its views. It asks for the statements of the next commit
// without running them.
func drift(
	ctx context.Context, s session, kind statements.Engine, p warehouse.PlanTables,
) warehouse.Finding {
	t := statements.Target{Engine: kind, Schema: p.Schema}
	there, err := s.catalog(ctx, t)
	if err != nil {
		return warehouse.Finding{
			Level: warehouse.Worth,
			Text:  "the catalog cannot be read: " + fault.Clip(err.Error()),
		}
	}
	d := warehouse.Drift{Plan: p}
	for _, resource := range resources(p.Tables) {
		t.Type, t.Views = resource, flatten.TablesOf(p.Tables, resource)
		if !t.HasHead(there) {
			d.New += len(t.Views) // the first commit of the type makes them
			continue
		}
		needs(&d, t, there, resource)
	}
	if about := statements.Readers(kind, p.Schema); about.HasReaders(there) {
		needs(&d, about, there, "the tables about exports")
	}
	return d.Finding()
}

// needs adds the statements that tables need, or why they cannot be used.
func needs(d *warehouse.Drift, t statements.Target, there statements.Catalog, name string) {
	needed, err := t.Ensure(there)
	if err != nil {
		d.Refused = append(d.Refused, fmt.Errorf("%s: %w", name, err))
		return
	}
	for _, n := range needed {
		d.Pending = append(d.Pending, strings.TrimSpace(n.Step))
	}
}
