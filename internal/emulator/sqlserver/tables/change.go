package tables

import (
	"context"

	"github.com/sqlc-dev/teesql/ast"

	"fhirsynapse/internal/emulator/sqlserver"
)

func (s *session) insert(in *ast.InsertSpecification) (sqlserver.Result, error) {
	var none sqlserver.Result
	source, ok := in.InsertSource.(*ast.SelectInsertSource)
	if !ok || in.TopRowFilter != nil || in.OutputClause != nil || len(in.Columns) == 0 {
		return none, unknown(in.InsertSource)
	}
	t, err := s.target(in.Target)
	if err != nil {
		return none, err
	}
	q, err := s.query(source.Select, nil)
	if err != nil {
		return none, err
	}
	var columns []string
	for _, c := range in.Columns {
		columns = append(columns, nameOf(c))
	}
	if len(columns) != len(q.names) {
		return none, fail(120, "The select list for the INSERT statement has not as many items as the insert list.")
	}
	return sqlserver.Result{Affected: int64(len(q.rows))}, s.insertAll(t, columns, q.rows)
}

func (s *session) target(ref ast.TableReference) (*table, error) {
	n, ok := ref.(*ast.NamedTableReference)
	if !ok || n.Alias != nil {
		return nil, unknown(ref)
	}
	return s.of(n.SchemaObject)
}

func (s *session) delete(ctx context.Context, d *ast.DeleteSpecification) (sqlserver.Result, error) {
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

func (s *session) update(ctx context.Context, u *ast.UpdateSpecification) (sqlserver.Result, error) {
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
	for _, r := range rows {
		cells := append([]any{}, r.cells...)
		for _, c := range u.SetClauses {
			set, ok := c.(*ast.AssignmentSetClause)
			if !ok || set.Column == nil {
				return none, unknown(c)
			}
			at, err := t.column(nameOf(set.Column))
			if err != nil {
				return none, err
			}
			if cells[at], err = s.scalar(set.NewValue, scopeOf(t, r)); err != nil {
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

// hold returns the rows that a change affects. If another transaction has changed a row, hold waits
// for that transaction or returns a conflict.
func (s *session) hold(ctx context.Context, t *table, where *ast.WhereClause) ([]*row, error) {
	for {
		var rows []*row
		busy := false
		for _, r := range t.visible(s) {
			if where != nil {
				is, err := s.condition(where.SearchCondition, scopeOf(t, r))
				if err != nil {
					return nil, err
				}
				if is != yes {
					continue
				}
			}
			busy = busy || r.takenBy != nil
			rows = append(rows, r)
		}
		if s.db.o.Conflicts && s.open && len(rows) > 0 && t.at > s.began {
			return nil, fail(24556, "Snapshot isolation transaction aborted due to update conflict in table '%s'.", t.name)
		}
		if !busy {
			return rows, nil
		}
		if err := s.db.wait(ctx); err != nil {
			return nil, err
		}
	}
}

func scopeOf(t *table, r *row) *scope {
	names := make([]string, len(t.columns))
	for i, c := range t.columns {
		names[i] = c.Name
	}
	return &scope{sources: []source{{alias: t.name, names: names, cells: r.cells}}}
}
