package tables

import (
	"context"

	"github.com/sqlc-dev/teesql/ast"

	"fhirsynapse/internal/emulator/sqlserver"
	"fhirsynapse/internal/emulator/sqlserver/syntax"
)

func (s *session) insert(in *ast.InsertSpecification) (sqlserver.Result, error) {
	var none sqlserver.Result
	if in.TopRowFilter != nil || in.OutputClause != nil || in.OutputIntoClause != nil ||
		len(in.Columns) == 0 {
		return none, unknown(in.InsertSource)
	}
	t, err := s.target(in.Target)
	if err != nil {
		return none, err
	}
	width, rows, err := s.inserted(in.InsertSource)
	if err != nil {
		return none, err
	}
	var columns []string
	for _, c := range in.Columns {
		columns = append(columns, nameOf(c))
	}
	if len(columns) != width {
		return none, fail(
			120,
			"The select list for the INSERT statement has not as many items as the insert list.",
		)
	}
	return sqlserver.Result{Affected: int64(len(rows))}, s.insertAll(t, columns, rows)
}

// inserted returns the rows of an INSERT, and how many columns they have.
func (s *session) inserted(from ast.InsertSource) (width int, rows [][]any, err error) {
	switch from := from.(type) {
	case *ast.SelectInsertSource:
		q, err := syntax.OfQuery(from.Select)
		if err != nil {
			return 0, nil, err
		}
		r, err := s.names().Query(q)
		return len(r.Columns), r.Rows, err
	case *ast.ValuesInsertSource:
		if len(from.RowValues) != 1 {
			return 0, nil, unknown(from)
		}
		var row []any
		for _, e := range from.RowValues[0].ColumnValues {
			v, err := s.scalar(e)
			if err != nil {
				return 0, nil, err
			}
			row = append(row, v)
		}
		return len(row), [][]any{row}, nil
	}
	return 0, nil, unknown(from)
}

// createAs runs CREATE TABLE .. AS SELECT. The columns have the types of the query.
func (s *session) createAs(st *ast.CreateTableStatement) (sqlserver.Result, error) {
	var none sqlserver.Result
	t, err := s.newTable(st.SchemaObjectName)
	if err != nil {
		return none, err
	}
	q, err := syntax.OfSelect(st.SelectStatement)
	if err != nil {
		return none, err
	}
	r, err := s.names().Query(q)
	if err != nil {
		return none, err
	}
	var columns []string
	for i, c := range r.Columns {
		columns = append(columns, c.Name)
		t.columns = append(t.columns, column{
			Column: c, collation: r.Types[i].Collation, codePage: !t.utf8,
		})
	}
	s.place(t)
	return sqlserver.Result{Affected: int64(len(r.Rows))}, s.insertAll(t, columns, r.Rows)
}

func (s *session) target(ref ast.TableReference) (*table, error) {
	n, ok := ref.(*ast.NamedTableReference)
	if !ok || n.Alias != nil {
		return nil, unknown(ref)
	}
	return s.of(n.SchemaObject)
}

func (s *session) delete(
	ctx context.Context, d *ast.DeleteSpecification,
) (sqlserver.Result, error) {
	var none sqlserver.Result
	if d.FromClause != nil || d.TopRowFilter != nil || d.OutputClause != nil {
		return none, unknown(d)
	}
	t, err := s.target(d.Target)
	if err != nil {
		return none, err
	}
	rows, err := s.hold(ctx, t, d.WhereClause)
	if err != nil {
		return none, err
	}
	for _, r := range rows {
		t.take(s, r)
	}
	return sqlserver.Result{Affected: int64(len(rows))}, nil
}

func (s *session) update(
	ctx context.Context, u *ast.UpdateSpecification,
) (sqlserver.Result, error) {
	var none sqlserver.Result
	if u.FromClause != nil || u.TopRowFilter != nil || u.OutputClause != nil {
		return none, unknown(u)
	}
	t, err := s.target(u.Target)
	if err != nil {
		return none, err
	}
	rows, err := s.hold(ctx, t, u.WhereClause)
	if err != nil {
		return none, err
	}
	at, values, err := s.assignments(t, u.SetClauses)
	if err != nil {
		return none, err
	}
	for _, r := range rows {
		cells := append([]any{}, r.cells...)
		for i, v := range values {
			if cells[at[i]], err = v(r.cells); err != nil {
				return none, err
			}
		}
		t.take(s, r)
		if err := t.insert(s, cells); err != nil {
			return none, err
		}
	}
	return sqlserver.Result{Affected: int64(len(rows))}, nil
}

// assignments returns the columns that an UPDATE sets, and their new values for a row.
func (s *session) assignments(
	t *table,
	clauses []ast.SetClause,
) (at []int, values []func(row []any) (any, error), err error) {
	typed, err := s.db.typed(t)
	if err != nil {
		return nil, nil, err
	}
	for _, c := range clauses {
		set, ok := c.(*ast.AssignmentSetClause)
		if !ok || set.Column == nil {
			return nil, nil, unknown(c)
		}
		i, err := t.column(nameOf(set.Column))
		if err != nil {
			return nil, nil, err
		}
		x, err := syntax.OfExpr(set.NewValue)
		if err != nil {
			return nil, nil, err
		}
		v, err := s.names().Expression(x, typed, t.name)
		if err != nil {
			return nil, nil, err
		}
		at, values = append(at, i), append(values, v)
	}
	return at, values, nil
}

// hold returns the rows that a change affects. If another transaction has changed a row, hold waits
// for that transaction, except in a database with Conflicts.
func (s *session) hold(ctx context.Context, t *table, where *ast.WhereClause) ([]*row, error) {
	for {
		matches := func([]any) (bool, error) { return true, nil }
		if where != nil {
			var err error
			if matches, err = s.condition(where.SearchCondition, t); err != nil {
				return nil, err
			}
		}
		var rows []*row
		busy := false
		for _, r := range t.visible(s) {
			if is, err := matches(r.cells); err != nil || !is {
				if err != nil {
					return nil, err
				}
				continue
			}
			busy = busy || r.takenBy != nil
			rows = append(rows, r)
		}
		if !busy {
			return rows, nil
		}
		if err := s.db.wait(ctx); err != nil {
			return nil, err
		}
	}
}
