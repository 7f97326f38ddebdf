package tables

import (
	"slices"
	"strings"

	"github.com/sqlc-dev/teesql/ast"

	"fhirsynapse/internal/emulator/sqlserver"
)

// source is one row of one table of a FROM. Its cells are nil if an outer join found no row.
type source struct {
	alias string
	names []string
	cells []any
}

// scope is the row of an expression, with its outer rows.
type scope struct {
	sources []source
	outer   *scope
	// group holds the rows that are aggregated into this one.
	group []*scope
	// places maps the call of ROW_NUMBER to its value.
	places map[*ast.FunctionCall]int64
}

// result is the answer of a query, before types are assigned.
type result struct {
	names []string
	rows  [][]any
}

func (s *session) selected(st *ast.SelectStatement) (sqlserver.Result, error) {
	q, err := s.query(st.QueryExpression, nil)
	if err != nil {
		return sqlserver.Result{}, err
	}
	r := sqlserver.Result{Columns: make([]sqlserver.Column, len(q.names)), Rows: q.rows}
	for i, n := range q.names {
		r.Columns[i] = sqlserver.Column{Name: n, Type: resultType(q.rows, i)}
	}
	return r, nil
}

// resultType returns a type that holds all values of a column.
func resultType(rows [][]any, column int) string {
	for _, r := range rows {
		switch r[column].(type) {
		case string:
			return "nvarchar(max)"
		case bool:
			return "bit"
		case int64:
			return "bigint"
		case nil:
		default:
			return "datetime2(7)"
		}
	}
	return "nvarchar(max)"
}

func (s *queries) query(e ast.QueryExpression, outer *scope) (result, error) {
	q, ok := e.(*ast.QuerySpecification)
	if !ok || q.TopRowFilter != nil || q.HavingClause != nil || q.OffsetClause != nil || q.ForClause != nil || q.WindowClause != nil || q.UniqueRowFilter == "Distinct" {
		return result{}, unknown(e)
	}
	rows := []*scope{{outer: outer}}
	if q.FromClause != nil {
		if len(q.FromClause.TableReferences) != 1 {
			return result{}, unknown(q.FromClause)
		}
		all, err := s.from(q.FromClause.TableReferences[0], outer)
		if err != nil {
			return result{}, err
		}
		rows = rows[:0]
		for _, r := range all.rows {
			rows = append(rows, &scope{sources: r, outer: outer})
		}
	}
	if q.WhereClause != nil {
		kept := rows[:0:0]
		for _, r := range rows {
			is, err := s.condition(q.WhereClause.SearchCondition, r)
			if err != nil {
				return result{}, err
			}
			if is == yes {
				kept = append(kept, r)
			}
		}
		rows = kept
	}
	rows, err := s.grouped(q, rows, outer)
	if err != nil {
		return result{}, err
	}
	if err := s.number(q, rows); err != nil {
		return result{}, err
	}
	if q.OrderByClause != nil {
		if err := s.sort(rows, nil, q.OrderByClause.OrderByElements); err != nil {
			return result{}, err
		}
	}
	return s.project(q.SelectElements, rows)
}

func (s *queries) project(elements []ast.SelectElement, rows []*scope) (result, error) {
	var out result
	for _, e := range elements {
		c, ok := e.(*ast.SelectScalarExpression)
		if !ok {
			return result{}, unknown(e)
		}
		name := ""
		switch ref, isRef := c.Expression.(*ast.ColumnReferenceExpression); {
		case c.ColumnName != nil && c.ColumnName.Identifier != nil:
			name = c.ColumnName.Identifier.Value
		case isRef:
			name = nameOf(ref)
		}
		out.names = append(out.names, name)
	}
	for _, r := range rows {
		cells := make([]any, len(elements))
		for i, e := range elements {
			v, err := s.scalar(e.(*ast.SelectScalarExpression).Expression, r)
			if err != nil {
				return result{}, err
			}
			cells[i] = v
		}
		out.rows = append(out.rows, cells)
	}
	return out, nil
}

// from holds the rows of a table reference, each as its sources. An outer join uses none for a
// missing row.
type from struct {
	none []source
	rows [][]source
}

func (s *queries) from(ref ast.TableReference, outer *scope) (from, error) {
	switch ref := ref.(type) {
	case *ast.NamedTableReference:
		return s.fromTable(ref)
	case *ast.QueryDerivedTable:
		q, err := s.query(ref.QueryExpression, outer)
		if err != nil {
			return from{}, err
		}
		return single(ref.Alias, q.names, q.rows), nil
	case *ast.QualifiedJoin:
		return s.join(ref, outer)
	case *ast.UnqualifiedJoin:
		return s.apply(ref, outer)
	}
	return from{}, unknown(ref)
}

func single(alias *ast.Identifier, names []string, rows [][]any) from {
	one := source{names: names}
	if alias != nil {
		one.alias = alias.Value
	}
	out := from{none: []source{one}}
	for _, r := range rows {
		one.cells = r
		out.rows = append(out.rows, []source{one})
	}
	return out
}

func (s *queries) fromTable(ref *ast.NamedTableReference) (from, error) {
	o := ref.SchemaObject
	if len(ref.TableHints) > 0 || o.SchemaIdentifier == nil || ref.Alias == nil {
		return from{}, unknown(ref)
	}
	names, rows, system := s.db.system(o.SchemaIdentifier.Value, o.BaseIdentifier.Value)
	if system {
		return single(ref.Alias, names, rows), nil
	}
	t, err := s.of(o)
	if err != nil {
		return from{}, err
	}
	for _, c := range t.columns {
		names = append(names, c.Name)
	}
	for _, r := range t.visible(s.as) {
		rows = append(rows, r.cells)
	}
	return single(ref.Alias, names, rows), nil
}

func (s *queries) join(j *ast.QualifiedJoin, outer *scope) (from, error) {
	if j.QualifiedJoinType != "Inner" && j.QualifiedJoinType != "LeftOuter" {
		return from{}, unknown(j)
	}
	left, err := s.from(j.FirstTableReference, outer)
	if err != nil {
		return from{}, err
	}
	right, err := s.from(j.SecondTableReference, outer)
	if err != nil {
		return from{}, err
	}
	out := from{none: slices.Concat(left.none, right.none)}
	candidates := s.candidates(j.SearchCondition, left, right)
	for _, l := range left.rows {
		found := false
		for _, r := range candidates(l) {
			both := slices.Concat(l, r)
			is, err := s.condition(j.SearchCondition, &scope{sources: both, outer: outer})
			if err != nil {
				return from{}, err
			}
			if is == yes {
				found = true
				out.rows = append(out.rows, both)
			}
		}
		if !found && j.QualifiedJoinType == "LeftOuter" {
			out.rows = append(out.rows, slices.Concat(l, right.none))
		}
	}
	return out, nil
}

// candidates returns a function that finds the rows of right that can match a row of left. It uses
// one equality of the condition, because a commit joins by ids.
func (s *queries) candidates(condition ast.BooleanExpression, left, right from) func([]source) [][]source {
	all := func([]source) [][]source { return right.rows }
	switch c := condition.(type) {
	case *ast.BooleanBinaryExpression:
		if c.BinaryExpressionType == "And" {
			return s.candidates(c.FirstExpression, left, right)
		}
	case *ast.BooleanComparisonExpression:
		a, ok := c.FirstExpression.(*ast.ColumnReferenceExpression)
		b, ok2 := c.SecondExpression.(*ast.ColumnReferenceExpression)
		if !ok || !ok2 || c.ComparisonType != "Equals" {
			return all
		}
		if _, err := lookUp(a, &scope{sources: left.none}); err != nil {
			a, b = b, a
		}
		if _, err := lookUp(a, &scope{sources: left.none}); err != nil {
			return all
		}
		if _, err := lookUp(b, &scope{sources: right.none}); err != nil {
			return all
		}
		index := map[string][][]source{}
		for _, r := range right.rows {
			v, _ := lookUp(b, &scope{sources: r}) // found above
			index[literal(v)] = append(index[literal(v)], r)
		}
		return func(l []source) [][]source {
			v, _ := lookUp(a, &scope{sources: l})
			return index[literal(v)]
		}
	}
	return all
}

// grouped groups the rows for aggregation.
func (s *queries) grouped(q *ast.QuerySpecification, rows []*scope, outer *scope) ([]*scope, error) {
	if q.GroupByClause == nil {
		if !aggregates(q.SelectElements) {
			return rows, nil
		}
		return []*scope{{outer: outer, group: append([]*scope{}, rows...)}}, nil
	}
	var keys []string
	groups := map[string]*scope{}
	for _, r := range rows {
		var k strings.Builder
		for _, g := range q.GroupByClause.GroupingSpecifications {
			e, ok := g.(*ast.ExpressionGroupingSpecification)
			if !ok {
				return nil, unknown(g)
			}
			v, err := s.scalar(e.Expression, r)
			if err != nil {
				return nil, err
			}
			k.WriteString(literal(v) + "|")
		}
		if groups[k.String()] == nil {
			keys = append(keys, k.String())
			groups[k.String()] = &scope{sources: r.sources, outer: outer}
		}
		g := groups[k.String()]
		g.group = append(g.group, r)
	}
	out := []*scope{}
	for _, k := range keys {
		out = append(out, groups[k])
	}
	return out, nil
}

func aggregates(elements []ast.SelectElement) bool {
	return slices.ContainsFunc(elements, func(e ast.SelectElement) bool {
		c, ok := e.(*ast.SelectScalarExpression)
		if !ok {
			return false
		}
		f, ok := c.Expression.(*ast.FunctionCall)
		return ok && (strings.EqualFold(f.FunctionName.Value, "COUNT_BIG") || strings.EqualFold(f.FunctionName.Value, "SUM"))
	})
}

// number computes ROW_NUMBER() OVER (PARTITION BY .. ORDER BY ..).
func (s *queries) number(q *ast.QuerySpecification, rows []*scope) error {
	for _, e := range q.SelectElements {
		c, ok := e.(*ast.SelectScalarExpression)
		if !ok {
			continue
		}
		f, ok := c.Expression.(*ast.FunctionCall)
		if !ok || f.OverClause == nil {
			continue
		}
		if !strings.EqualFold(f.FunctionName.Value, "ROW_NUMBER") || f.OverClause.OrderByClause == nil {
			return unknown(f)
		}
		if err := s.place(f, rows); err != nil {
			return err
		}
	}
	return nil
}

func (s *queries) place(f *ast.FunctionCall, rows []*scope) error {
	ordered := slices.Clone(rows)
	if err := s.sort(ordered, f.OverClause.Partitions, f.OverClause.OrderByClause.OrderByElements); err != nil {
		return err
	}
	last, n := "", int64(0)
	for i, r := range ordered {
		var k strings.Builder
		for _, p := range f.OverClause.Partitions {
			v, err := s.scalar(p, r)
			if err != nil {
				return err
			}
			k.WriteString(literal(v) + "|")
		}
		if i == 0 || k.String() != last {
			last, n = k.String(), 0
		}
		n++
		if r.places == nil {
			r.places = map[*ast.FunctionCall]int64{}
		}
		r.places[f] = n
	}
	return nil
}

// sort orders rows by the expressions, ascending, and then by the elements.
func (s *queries) sort(rows []*scope, by []ast.ScalarExpression, elements []*ast.ExpressionWithSortOrder) (failed error) {
	for _, e := range slices.Backward(by) {
		elements = append([]*ast.ExpressionWithSortOrder{{Expression: e}}, elements...)
	}
	slices.SortStableFunc(rows, func(a, b *scope) int {
		for _, e := range elements {
			x, err := s.scalar(e.Expression, a)
			if err != nil {
				failed = err
				return 0
			}
			y, err := s.scalar(e.Expression, b)
			if err != nil {
				failed = err
				return 0
			}
			order, known, err := compare(x, y)
			if err != nil {
				failed = err
				return 0
			}
			switch {
			case !known && x == nil && y != nil:
				order = -1 // NULL comes first
			case !known && x != nil:
				order = 1
			}
			if order != 0 {
				if e.SortOrder == "Descending" {
					return -order
				}
				return order
			}
		}
		return 0
	})
	return failed
}
