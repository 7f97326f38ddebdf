package syntax

import (
	"strconv"
	"strings"

	"github.com/sqlc-dev/teesql/ast"
)

// reader turns teesql's tree into ours. err is the first part that ours lacks.
type reader struct{ err error }

func (r *reader) refuse(what any) {
	if r.err == nil {
		r.err = Unknown(what)
	}
}

// fails records an error.
func (r *reader) fails(err error) {
	if r.err == nil {
		r.err = err
	}
}

// OfSelect returns the query of a SELECT statement. Its options are hints.
func OfSelect(s *ast.SelectStatement) (Query, error) {
	if s.Into != nil || s.WithCtesAndXmlNamespaces != nil {
		return nil, Unknown(s)
	}
	return OfQuery(s.QueryExpression)
}

// OfQuery returns the tree of a query.
func OfQuery(e ast.QueryExpression) (Query, error) { return read(e, (*reader).query) }

// OfExpr returns the tree of an expression.
func OfExpr(e ast.ScalarExpression) (Expr, error) { return read(e, (*reader).expr) }

// OfCond returns the tree of a condition.
func OfCond(e ast.BooleanExpression) (Cond, error) { return read(e, (*reader).cond) }

// OfType returns a type.
func OfType(d ast.DataTypeReference) (Type, error) { return read(d, (*reader).typ) }

func read[From, To any](from From, by func(*reader, From) To) (To, error) {
	var r reader
	to := by(&r, from)
	return to, r.err
}

func (r *reader) query(e ast.QueryExpression) Query {
	switch e := e.(type) {
	case *ast.QuerySpecification:
		return Query{r.selection(e)}
	case *ast.BinaryQueryExpression:
		if e.BinaryQueryExpressionType != "Union" || !e.All || e.OrderByClause != nil {
			r.refuse(e)
		}
		q := append(r.query(e.FirstQueryExpression), r.query(e.SecondQueryExpression)...)
		for _, s := range q {
			if s.Order != nil {
				r.fails(invalid("ORDER BY inside a UNION ALL"))
			}
		}
		return q
	}
	r.refuse(e)
	return nil
}

func (r *reader) selection(q *ast.QuerySpecification) *Select {
	s := &Select{Top: -1}
	if q.UniqueRowFilter != "" && q.UniqueRowFilter != "NotSpecified" || q.HavingClause != nil ||
		q.WindowClause != nil || q.OffsetClause != nil || q.ForClause != nil {
		r.refuse(q)
	}
	if t := q.TopRowFilter; t != nil {
		s.Top = r.top(t)
	}
	for _, e := range q.SelectElements {
		s.Items = append(s.Items, r.item(e))
	}
	if len(s.Items) == 0 {
		r.fails(invalid("a SELECT of nothing"))
	}
	if q.FromClause != nil {
		if len(q.FromClause.TableReferences) != 1 {
			r.refuse(q.FromClause)
			return s
		}
		s.From = r.sources(q.FromClause.TableReferences[0])
	}
	if q.WhereClause != nil {
		s.Where = r.cond(q.WhereClause.SearchCondition)
	}
	if g := q.GroupByClause; g != nil {
		if g.All || g.GroupByOption != "" && g.GroupByOption != "None" {
			r.refuse(g)
		}
		for _, one := range g.GroupingSpecifications {
			e, ok := one.(*ast.ExpressionGroupingSpecification)
			if !ok || e.DistributedAggregation {
				r.refuse(one)
				continue
			}
			s.Group = append(s.Group, r.expr(e.Expression))
		}
	}
	if q.OrderByClause != nil {
		s.Order = r.orders(q.OrderByClause)
	}
	return s
}

func (r *reader) top(t *ast.TopRowFilter) int {
	x := t.Expression
	if p, ok := x.(*ast.ParenthesisExpression); ok {
		x = p.Expression
	}
	l, ok := x.(*ast.IntegerLiteral)
	if !ok || t.Percent || t.WithTies {
		r.refuse(t)
		return 0
	}
	n, err := strconv.Atoi(l.Value)
	if err != nil {
		r.fails(invalid("TOP (%s)", l.Value))
	}
	return n
}

func (r *reader) item(e ast.SelectElement) Item {
	s, ok := e.(*ast.SelectScalarExpression)
	if !ok {
		r.refuse(e)
		return Item{}
	}
	i := Item{Expr: r.expr(s.Expression)}
	if s.ColumnName != nil {
		if s.ColumnName.Identifier == nil {
			r.refuse(s.ColumnName)
			return i
		}
		i.Name = s.ColumnName.Identifier.Value
	} else if c, ok := i.Expr.(Column); ok {
		i.Name = c.Name
	}
	return i
}

func (r *reader) orders(o *ast.OrderByClause) []Order {
	var out []Order
	for _, e := range o.OrderByElements {
		out = append(out, Order{r.expr(e.Expression), e.SortOrder == "Descending"})
	}
	return out
}

// sources returns the sources of a FROM from left to right.
func (r *reader) sources(ref ast.TableReference) []Source {
	var left, right ast.TableReference
	var join Join
	var on Cond
	switch ref := ref.(type) {
	case *ast.QualifiedJoin:
		left, right, join = ref.FirstTableReference, ref.SecondTableReference, Inner
		if ref.QualifiedJoinType == "LeftOuter" {
			join = Left
		} else if ref.QualifiedJoinType != "Inner" {
			r.refuse(ref)
		}
		on = r.cond(ref.SearchCondition)
	case *ast.UnqualifiedJoin:
		left, right, join = ref.FirstTableReference, ref.SecondTableReference, CrossApply
		if ref.UnqualifiedJoinType == "OuterApply" {
			join = OuterApply
		} else if ref.UnqualifiedJoinType != "CrossApply" {
			r.refuse(ref)
		}
	default:
		return []Source{r.source(ref)}
	}
	s := r.source(right)
	s.Join, s.On = join, on
	return append(r.sources(left), s)
}

func (r *reader) source(ref ast.TableReference) Source {
	var s Source
	var alias *ast.Identifier
	switch ref := ref.(type) {
	case *ast.NamedTableReference:
		if len(ref.TableHints) > 0 || ref.TableSampleClause != nil || ref.TemporalClause != nil ||
			ref.ForPath {
			r.refuse(ref)
		}
		alias = ref.Alias
		s.Table = r.name(ref.SchemaObject)
	case *ast.QueryDerivedTable:
		if len(ref.Columns) > 0 || ref.ForPath {
			r.refuse(ref)
		}
		alias = ref.Alias
		s.Query = r.query(ref.QueryExpression)
	case *ast.OpenJsonTableReference:
		if ref.RowPattern != nil || ref.ForPath {
			r.refuse(ref)
		}
		alias = ref.Alias
		s.JSON = &OpenJSON{Arg: r.expr(ref.Variable)}
		for _, i := range ref.SchemaDeclarationItems {
			s.JSON.Columns = append(s.JSON.Columns, r.jsonColumn(i))
		}
	default:
		r.refuse(ref)
		return s
	}
	if alias == nil {
		r.fails(invalid("expected AS and a name after every table"))
		return s
	}
	s.Alias = alias.Value
	return s
}

func (r *reader) name(o *ast.SchemaObjectName) Name {
	if o.ServerIdentifier != nil || o.DatabaseIdentifier != nil {
		r.refuse(o)
	}
	n := Name{Base: o.BaseIdentifier.Value}
	if o.SchemaIdentifier != nil {
		n.Schema = o.SchemaIdentifier.Value
	}
	return n
}

func (r *reader) jsonColumn(i *ast.SchemaDeclarationItemOpenjson) JSONColumn {
	d := i.ColumnDefinition
	c := JSONColumn{Name: d.ColumnIdentifier.Value, Type: r.typ(d.DataType), JSON: i.AsJson}
	path, ok := i.Mapping.(*ast.StringLiteral)
	if !ok || d.Collation != nil {
		r.refuse(i)
		return c
	}
	c.Path = path.Value
	return c
}

func (r *reader) typ(d ast.DataTypeReference) Type {
	s, ok := d.(*ast.SqlDataTypeReference)
	if !ok {
		r.refuse(d)
		return Type{}
	}
	t := Type{Base: strings.ToLower(s.SqlDataTypeOption)}
	var args []string
	for _, p := range s.Parameters {
		switch p := p.(type) {
		case *ast.IntegerLiteral:
			args = append(args, p.Value)
		case *ast.MaxLiteral:
			args = append(args, "max")
		default:
			r.refuse(p)
		}
	}
	if err := t.set(args); err != nil {
		r.fails(invalid("%v", err))
	}
	return t
}
