package tables

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sqlc-dev/teesql/ast"

	"fhirsynapse/internal/emulator/sqlserver"
	"fhirsynapse/internal/emulator/sqlserver/eval"
	"fhirsynapse/internal/emulator/sqlserver/syntax"
)

// queries evaluates SELECT statements and expressions.
type queries struct {
	db   *Database
	as   *session // the session that determines the visible rows
	open bool     // in a transaction
	vars map[string]eval.Variable
	// temporary holds the tables of the session, by name in lower case.
	temporary map[string]*table
}

// names returns what the statements of the session can name.
func (s *queries) names() eval.Names {
	text := syntax.Type{Base: "nvarchar", Size: 128}
	functions := s.inspection()
	maps.Copy(functions, map[string]eval.Function{
		"DB_NAME":   {Type: text, Eval: func([]string) any { return databaseName }},
		"SCHEMA_ID": {Arguments: 1, Type: syntax.Type{Base: "int"}, Eval: s.schemaID},
		"STATS_DATE": {
			Arguments: 2, Type: syntax.Type{Base: "datetime2", Scale: 3}, Eval: s.statsDate,
		},
	})
	return eval.Names{
		Dialect: s.db.o.Dialect, Table: s.source, Variables: s.vars, Functions: functions,
	}
}

func (s *queries) schemaID(args []string) any {
	if s.db.schemas[strings.ToLower(args[0])] {
		return int64(len(args[0]))
	}
	return nil
}

// source returns a table or a system view, with the rows that the session sees.
func (s *queries) source(n syntax.Name) (*eval.Table, error) {
	if names, rows, ok := s.db.system(n.Schema, n.Base); ok {
		return s.db.described(names, rows), nil
	}
	t, err := s.find(n.Schema, n.Base)
	if err != nil {
		return nil, err
	}
	return s.read(t)
}

// read returns the rows of a table that the session sees.
func (s *queries) read(t *table) (*eval.Table, error) {
	out, err := s.db.typed(t)
	if err != nil {
		return nil, err
	}
	for _, r := range t.visible(s.as) {
		out.Rows = append(out.Rows, r.cells)
	}
	return out, nil
}

// typed returns a table with its columns and without rows.
func (d *Database) typed(t *table) (*eval.Table, error) {
	out := &eval.Table{}
	own := d.o.Collation
	if d.o.Conflicts {
		own = d.collation() // Fabric's, unless it is given
	}
	for _, c := range t.columns {
		typ, err := syntax.TypeOf(c.Type)
		if err != nil {
			return nil, fail(40517, "column %s: %v", c.Name, err)
		}
		if typ.Text() {
			typ.Collation = binary(cmp.Or(c.collation, own))
		}
		out.Names, out.Types = append(out.Names, c.Name), append(out.Types, typ)
	}
	return out, nil
}

// binary returns a collation that compares codes. Others are the default collation, which
// disregards case.
func binary(collation string) string {
	if strings.Contains(collation, "_BIN2") {
		return collation
	}
	return ""
}

// described returns a system view. The values tell the types of its columns; a column without
// values may be of any type, as NULL is.
func (d *Database) described(names []string, rows [][]any) *eval.Table {
	out := &eval.Table{Names: names, Rows: rows}
	for i := range names {
		t := syntax.Type{Base: "null"}
		if names[i] == "name" {
			t = syntax.Type{Base: "nvarchar", Size: 128, Collation: binary(d.collation())}
		}
		if at := slices.IndexFunc(rows, func(r []any) bool { return r[i] != nil }); at >= 0 {
			switch rows[at][i].(type) {
			case string:
				t = syntax.Type{Base: "nvarchar", Size: 4000, Collation: binary(d.collation())}
			case int64:
				t = syntax.Type{Base: "bigint"}
			case bool:
				t = syntax.Type{Base: "bit"}
			case time.Time:
				t = syntax.Type{Base: "datetime2", Scale: 7}
			}
		}
		out.Types = append(out.Types, t)
	}
	return out
}

// home returns the tables among which a table is, and its key. A temporary table has no schema.
func (s *queries) home(schema, name string) (tables map[string]*table, at string) {
	if schema == "" {
		return s.temporary, strings.ToLower(name)
	}
	return s.db.tables, key(schema, name)
}

func (s *queries) find(schema, name string) (*table, error) {
	home, k := s.home(schema, name)
	if t := home[k]; t != nil {
		return t, nil
	}
	return nil, fail(208, "Invalid object name '%s'.", strings.TrimPrefix(schema+"."+name, "."))
}

func (s *queries) of(o *ast.SchemaObjectName) (*table, error) {
	schema := ""
	if o.SchemaIdentifier != nil {
		schema = o.SchemaIdentifier.Value
	}
	return s.find(schema, o.BaseIdentifier.Value)
}

func (s *queries) selected(st *ast.SelectStatement) (sqlserver.Result, error) {
	q, err := syntax.OfSelect(st)
	if err != nil {
		return sqlserver.Result{}, err
	}
	r, err := s.names().Query(q)
	return sqlserver.Result{Columns: r.Columns, Rows: r.Rows, Affected: int64(len(r.Rows))}, err
}

// scalar returns the value of an expression that names no columns.
func (s *queries) scalar(e ast.ScalarExpression) (any, error) {
	x, err := syntax.OfExpr(e)
	if err != nil {
		return nil, err
	}
	v, err := s.names().Expression(x, nil, "")
	if err != nil {
		return nil, err
	}
	return v(nil)
}

// condition returns the condition of a WHERE over the rows of a table, or of an IF if t is nil.
func (s *queries) condition(
	e ast.BooleanExpression, t *table,
) (func(row []any) (bool, error), error) {
	c, err := syntax.OfCond(e)
	if err != nil {
		return nil, err
	}
	if t == nil {
		return s.names().Condition(c, nil, "")
	}
	typed, err := s.db.typed(t)
	if err != nil {
		return nil, err
	}
	return s.names().Condition(c, typed, t.name)
}
