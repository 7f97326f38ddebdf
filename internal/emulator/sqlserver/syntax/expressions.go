package syntax

import (
	"strings"

	"github.com/sqlc-dev/teesql/ast"
)

var signs = map[string]string{
	"Add": "+", "Subtract": "-", "Multiply": "*", "Divide": "/", "Modulo": "%",
	"Equals": "=", "NotEqualToBrackets": "<>",
	"LessThan": "<", "LessThanOrEqualTo": "<=", "GreaterThan": ">", "GreaterThanOrEqualTo": ">=",
	"And": "and", "Or": "or",
}

// sign returns the sign of an operator.
func (r *reader) sign(name string, of any) string {
	s, ok := signs[name]
	if !ok {
		r.refuse(of)
	}
	return s
}

func (r *reader) exprs(all []ast.ScalarExpression) []Expr {
	var out []Expr
	for _, e := range all {
		out = append(out, r.expr(e))
	}
	return out
}

func collated(x Expr, c *ast.Identifier) Expr {
	if c == nil {
		return x
	}
	return Collated{x, c.Value}
}

func (r *reader) expr(e ast.ScalarExpression) Expr {
	switch e := e.(type) {
	case *ast.StringLiteral:
		return Text{e.Value, e.IsNational}
	case *ast.IntegerLiteral:
		return Number{e.Value}
	case *ast.NumericLiteral:
		return Number{e.Value}
	case *ast.NullLiteral:
		return Null{}
	case *ast.VariableReference:
		return Variable{e.Name}
	case *ast.GlobalVariableExpression:
		return Variable{e.Name}
	case *ast.ParenthesisExpression:
		return r.expr(e.Expression)
	case *ast.ColumnReferenceExpression:
		return r.column(e)
	case *ast.BinaryExpression:
		return Binary{
			r.sign(e.BinaryExpressionType, e), r.expr(e.FirstExpression),
			r.expr(e.SecondExpression),
		}
	case *ast.UnaryExpression:
		switch e.UnaryExpressionType {
		case "Negative":
			return Negative{r.expr(e.Expression)}
		case "Positive":
			// Of a parenthesis: see checked.
			if p, ok := e.Expression.(*ast.ParenthesisExpression); ok {
				return r.expr(p.Expression)
			}
		}
	case *ast.ScalarSubquery:
		return collated(Subquery{r.query(e.QueryExpression)}, e.Collation)
	case *ast.SearchedCaseExpression:
		c := Case{}
		for _, w := range e.WhenClauses {
			c.Whens = append(
				c.Whens, When{Cond: r.cond(w.WhenExpression), Then: r.expr(w.ThenExpression)},
			)
		}
		return r.end(c, e.ElseExpression, e.Collation)
	case *ast.SimpleCaseExpression:
		c := Case{Input: r.expr(e.InputExpression)}
		for _, w := range e.WhenClauses {
			c.Whens = append(
				c.Whens, When{Value: r.expr(w.WhenExpression), Then: r.expr(w.ThenExpression)},
			)
		}
		return r.end(c, e.ElseExpression, e.Collation)
	}
	return r.call(e)
}

// end completes a CASE.
func (r *reader) end(c Case, otherwise ast.ScalarExpression, collation *ast.Identifier) Expr {
	if len(c.Whens) == 0 {
		r.fails(invalid("expected WHEN"))
	}
	if otherwise != nil {
		c.Else = r.expr(otherwise)
	}
	return collated(c, collation)
}

func (r *reader) column(e *ast.ColumnReferenceExpression) Expr {
	if e.ColumnType != "Regular" || e.MultiPartIdentifier == nil {
		r.refuse(e)
		return nil
	}
	switch ids := e.MultiPartIdentifier.Identifiers; len(ids) {
	case 1:
		return collated(Column{Name: ids[0].Value}, e.Collation)
	case 2:
		return collated(Column{ids[0].Value, ids[1].Value}, e.Collation)
	}
	r.refuse(e)
	return nil
}

// call returns the tree of the nodes that are calls.
func (r *reader) call(e ast.ScalarExpression) Expr {
	switch e := e.(type) {
	case *ast.CastCall:
		return collated(Cast{Expr: r.expr(e.Parameter), Type: r.typ(e.DataType)}, e.Collation)
	case *ast.TryCastCall:
		return collated(
			Cast{Expr: r.expr(e.Parameter), Type: r.typ(e.DataType), Try: true}, e.Collation,
		)
	case *ast.ConvertCall:
		style, ok := e.Style.(*ast.IntegerLiteral)
		if !ok {
			r.refuse(e)
			return nil
		}
		return collated(Cast{
			Expr: r.expr(e.Parameter), Type: r.typ(e.DataType), Convert: true, Style: style.Value,
		}, e.Collation)
	case *ast.LeftFunctionCall:
		return Call{Name: "LEFT", Args: r.exprs(e.Parameters)}
	case *ast.RightFunctionCall:
		return Call{Name: "RIGHT", Args: r.exprs(e.Parameters)}
	case *ast.CoalesceExpression:
		return Call{Name: "COALESCE", Args: r.exprs(e.Expressions)}
	case *ast.NullIfExpression:
		return Call{
			Name: "NULLIF", Args: []Expr{r.expr(e.FirstExpression), r.expr(e.SecondExpression)},
		}
	case *ast.FunctionCall:
		return collated(r.function(e), e.Collation)
	}
	r.refuse(e)
	return nil
}

func (r *reader) function(e *ast.FunctionCall) Expr {
	if e.CallTarget != nil || e.UniqueRowFilter != "" && e.UniqueRowFilter != "NotSpecified" ||
		e.IgnoreRespectNulls != nil || e.WithArrayWrapper || e.TrimOptions != nil ||
		e.JsonParameters != nil || e.AbsentOrNullOnNull != nil {
		r.refuse(e)
	}
	c := Call{Name: strings.ToUpper(e.FunctionName.Value)}
	for i, p := range e.Parameters {
		ref, isColumn := p.(*ast.ColumnReferenceExpression)
		switch {
		case isColumn && ref.ColumnType == "Wildcard" && len(e.Parameters) == 1:
			c.Star = true
		case isColumn && i == 0 && c.Name == "DATEADD" && ref.MultiPartIdentifier != nil && len(
			ref.MultiPartIdentifier.Identifiers,
		) == 1:
			c.Args = append(c.Args, Text{Value: ref.MultiPartIdentifier.Identifiers[0].Value})
		default:
			c.Args = append(c.Args, r.expr(p))
		}
	}
	if w := e.WithinGroupClause; w != nil {
		if w.HasGraphPath {
			r.refuse(w)
		}
		c.Within = r.orders(w.OrderByClause)
	}
	if o := e.OverClause; o != nil {
		if o.WindowName != nil || o.WindowFrameClause != nil || o.OrderByClause == nil {
			r.refuse(o)
			return c
		}
		c.Over, c.Part, c.Order = true, r.exprs(o.Partitions), r.orders(o.OrderByClause)
	}
	return c
}

func (r *reader) cond(e ast.BooleanExpression) Cond {
	switch e := e.(type) {
	case *ast.BooleanParenthesisExpression:
		return r.cond(e.Expression)
	case *ast.BooleanNotExpression:
		return Not{r.cond(e.Expression)}
	case *ast.BooleanBinaryExpression:
		return Logic{
			r.sign(e.BinaryExpressionType, e), r.cond(e.FirstExpression),
			r.cond(e.SecondExpression),
		}
	case *ast.BooleanComparisonExpression:
		return Compare{
			r.sign(e.ComparisonType, e), r.expr(e.FirstExpression), r.expr(e.SecondExpression),
		}
	case *ast.BooleanIsNullExpression:
		return IsNull{r.expr(e.Expression), e.IsNot}
	case *ast.BooleanInExpression:
		in := In{X: r.expr(e.Expression), List: r.exprs(e.Values), Not: e.NotDefined}
		if e.Subquery != nil {
			in.Query = r.query(e.Subquery)
		}
		return in
	case *ast.BooleanLikeExpression:
		if e.EscapeExpression != nil || e.OdbcEscape {
			r.refuse(e)
		}
		return Like{r.expr(e.FirstExpression), r.expr(e.SecondExpression), e.NotDefined}
	case *ast.BooleanTernaryExpression:
		if e.TernaryExpressionType == "Between" {
			return Between{
				r.expr(e.FirstExpression), r.expr(e.SecondExpression), r.expr(e.ThirdExpression),
			}
		}
	case *ast.ExistsPredicate:
		return Exists{r.query(e.Subquery)}
	}
	r.refuse(e)
	return nil
}
