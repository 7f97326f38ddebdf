package mssql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/warehouse"
	"fhirsynapse/internal/warehouse/mssql/statements"
	"fhirsynapse/internal/warehouse/tds"
)

var _ warehouse.Describer = engine{}

// Describe implements warehouse.Describer.
func (e engine) Describe(
	ctx context.Context, address string, p warehouse.PlanTables, _ warehouse.DescribeOptions,
) (out warehouse.Description, err error) {
	pool, _, kind, err := e.connect(address)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, pool.Close()) }()
	t := statements.Target{Engine: kind, Schema: p.Schema, Views: p.Tables}
	err = pool.Again(ctx, func(int) error {
		return pool.With(ctx, func(s *tds.Session) (err error) {
			out, err = session{s}.describe(ctx, t, p)
			return err
		})
	})
	if err != nil {
		return out, fmt.Errorf("describe the tables of schema %s: %w", p.Schema, err)
	}
	return out, nil
}

func (s session) describe(
	ctx context.Context, t statements.Target, p warehouse.PlanTables,
) (out warehouse.Description, err error) {
	there, err := s.catalog(ctx, t)
	if err != nil {
		return out, err
	}
	changes := map[string]warehouse.TypeChange{}
	if st, has := statements.ChangesQuery(t, there); has {
		if err := s.query(ctx, st, func(scan func(...any) error) error {
			var typ string
			var at sql.NullTime
			var set sql.NullInt64
			err := scan(&typ, &at, &set)
			changes[typ] = warehouse.TypeChange{At: at.Time, ViewSet: int(set.Int64)}
			return err
		}); err != nil {
			return out, err
		}
	}
	if st, has := statements.CompleteQuery(t, there); has {
		if err := s.query(ctx, st, func(scan func(...any) error) error {
			var plan sql.NullString
			var till sql.NullTime
			err := scan(&plan, &till)
			if till.Time.After(out.CompleteAt) {
				out.Plan, out.CompleteAt = plan.String, till.Time.UTC()
			}
			return err
		}); err != nil {
			return out, err
		}
	}
	any := false
	out.Tables = p.States(func(v flatten.Table) bool {
		exists := statements.Exists(t, v, there)
		any = any || exists
		return exists
	}, changes)
	for i, v := range p.Tables {
		out.Tables[i].Drift = statements.Compare(t, v, there)
	}
	if !any {
		return out, nil
	}
	return out, s.count(ctx, t, there, &out)
}

// count sets the numbers of rows. A server that refuses to tell them is a reason, no error.
func (s session) count(
	ctx context.Context, t statements.Target, there statements.Catalog, out *warehouse.Description,
) error {
	st, approximate := statements.RowCountsQuery(t, there)
	counts := map[string]int64{}
	err := s.query(ctx, st, func(scan func(...any) error) error {
		var table string
		var n sql.NullInt64
		err := scan(&table, &n)
		counts[table] = n.Int64
		return err
	})
	switch {
	case err == nil:
		out.Approximate = approximate
		out.SetRows(counts)
		return nil
	case tds.Number(err) == 0: // the connection is lost
		return err
	}
	s.GoOn()
	out.Uncounted = refusedCount(t, err)
	return nil
}

// refusedCount returns the reason why a server does not tell the numbers of rows. The pool's own
// count takes a right that a loader does not have, because it also shows the statements of others.
func refusedCount(t statements.Target, err error) error {
	text := strings.TrimSuffix(err.Error(), ": "+fault.Remedy(err))
	out := &fault.Error{
		Class: fault.Of(err), Remedy: fault.Remedy(err),
		Err: fmt.Errorf("the server does not tell the numbers of rows: %s", text),
	}
	if right := statements.RightToCount(t.Engine); right != "" &&
		(out.Class == fault.Permanent || !tds.Known(err)) {
		out.Remedy = "the right to see them also shows the statements of others; " +
			"an administrator grants it by: " + right
	}
	return out
}
