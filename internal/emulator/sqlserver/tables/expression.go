package tables

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/sqlc-dev/teesql/ast"
)

// truth is a value of three-valued logic.
type truth int

const (
	no truth = iota
	yes
	neither
)

func truthOf(is bool) truth {
	if is {
		return yes
	}
	return no
}

// literal returns a text that differs for different values.
func literal(v any) string {
	switch v := v.(type) {
	case string:
		return "'" + v
	case int64:
		return strconv.FormatInt(v, 10)
	}
	return fmt.Sprintf("%T:%v", v, v)
}

// condition evaluates a predicate for a row.
func (s *queries) condition(e ast.BooleanExpression, at *scope) (truth, error) {
	switch e := e.(type) {
	case *ast.BooleanParenthesisExpression:
		return s.condition(e.Expression, at)
	case *ast.BooleanNotExpression:
		is, err := s.condition(e.Expression, at)
		if is == neither {
			return neither, err
		}
		return truthOf(is == no), err
	case *ast.BooleanBinaryExpression:
		return s.both(e, at)
	case *ast.BooleanIsNullExpression:
		v, err := s.scalar(e.Expression, at)
		return truthOf((v == nil) != e.IsNot), err
	case *ast.BooleanComparisonExpression:
		return s.compared(e, at)
	case *ast.BooleanInExpression:
		return s.in(e, at)
	case *ast.ExistsPredicate:
		q, err := s.query(e.Subquery, at)
		return truthOf(len(q.rows) > 0), err
	}
	return neither, unknown(e)
}

func (s *queries) both(e *ast.BooleanBinaryExpression, at *scope) (truth, error) {
	a, err := s.condition(e.FirstExpression, at)
	if err != nil {
		return neither, err
	}
	b, err := s.condition(e.SecondExpression, at)
	if err != nil {
		return neither, err
	}
	switch e.BinaryExpressionType {
	case "And":
		switch {
		case a == no || b == no:
			return no, nil
		case a == yes && b == yes:
			return yes, nil
		}
		return neither, nil
	case "Or":
		switch {
		case a == yes || b == yes:
			return yes, nil
		case a == no && b == no:
			return no, nil
		}
		return neither, nil
	}
	return neither, unknown(e)
}

func (s *queries) compared(e *ast.BooleanComparisonExpression, at *scope) (truth, error) {
	a, err := s.scalar(e.FirstExpression, at)
	if err != nil {
		return neither, err
	}
	b, err := s.scalar(e.SecondExpression, at)
	if err != nil {
		return neither, err
	}
	order, known, err := compare(a, b)
	if err != nil || !known {
		return neither, err
	}
	switch e.ComparisonType {
	case "Equals":
		return truthOf(order == 0), nil
	case "NotEqualToBrackets":
		return truthOf(order != 0), nil
	case "GreaterThan":
		return truthOf(order > 0), nil
	case "LessThan":
		return truthOf(order < 0), nil
	}
	return neither, unknown(e)
}

func (s *queries) in(e *ast.BooleanInExpression, at *scope) (truth, error) {
	if e.Subquery == nil {
		return neither, unknown(e)
	}
	v, err := s.scalar(e.Expression, at)
	if err != nil {
		return neither, err
	}
	l, err := s.list(e.Subquery)
	switch {
	case err != nil:
		return neither, err
	case len(l.values) > 0 && v == nil:
		return neither, nil
	case l.values[literal(v)]:
		return truthOf(!e.NotDefined), nil
	case l.null:
		return neither, nil
	}
	return truthOf(e.NotDefined), nil
}

// list holds the values of a subquery.
type list struct {
	values map[string]bool
	null   bool
}

// list runs a subquery that does not depend on the outer row. A correlated subquery fails with a
// missing column.
func (s *queries) list(q ast.QueryExpression) (*list, error) {
	if l := s.lists[q]; l != nil {
		return l, nil
	}
	r, err := s.query(q, nil)
	if err != nil {
		return nil, err
	}
	if len(r.names) != 1 {
		return nil, fail(116, "Only one expression can be specified in the select list.")
	}
	l := &list{values: map[string]bool{}}
	for _, row := range r.rows {
		l.null = l.null || row[0] == nil
		l.values[literal(row[0])] = true
	}
	s.lists[q] = l
	return l, nil
}

// scalar evaluates an expression for a row.
func (s *queries) scalar(e ast.ScalarExpression, at *scope) (any, error) {
	switch e := e.(type) {
	case *ast.StringLiteral:
		return strings.ReplaceAll(unquoted(e), "''", "'"), nil
	case *ast.IntegerLiteral:
		return intOf(e.Value)
	case *ast.NullLiteral:
		return nil, nil
	case *ast.ParenthesisExpression:
		return s.scalar(e.Expression, at)
	case *ast.VariableReference:
		v, ok := s.vars[strings.ToLower(e.Name)]
		if !ok {
			return nil, fail(137, "Must declare the scalar variable \"%s\".", e.Name)
		}
		return v, nil
	case *ast.GlobalVariableExpression:
		if strings.EqualFold(e.Name, "@@TRANCOUNT") {
			return map[bool]int64{true: 1}[s.open], nil
		}
	case *ast.ColumnReferenceExpression:
		return lookUp(e, at)
	case *ast.BinaryExpression:
		return s.binary(e, at)
	case *ast.SearchedCaseExpression:
		for _, w := range e.WhenClauses {
			is, err := s.condition(w.WhenExpression, at)
			if err != nil {
				return nil, err
			}
			if is == yes {
				return s.scalar(w.ThenExpression, at)
			}
		}
		if e.ElseExpression == nil {
			return nil, nil
		}
		return s.scalar(e.ElseExpression, at)
	case *ast.CastCall:
		v, err := s.scalar(e.Parameter, at)
		if err != nil {
			return nil, err
		}
		kind, err := typeOf(e.DataType)
		if err != nil {
			return nil, err
		}
		c := column{}
		c.Type = kind
		return coerce(v, c)
	case *ast.LeftFunctionCall:
		return s.left(e.Parameters, at)
	case *ast.FunctionCall:
		return s.call(e, at)
	}
	return nil, unknown(e)
}

// unquoted returns the text of a literal. The parser returns it with or without quotes.
func unquoted(e *ast.StringLiteral) string {
	if v, ok := strings.CutPrefix(e.Value, "N'"); ok {
		return strings.TrimSuffix(v, "'")
	}
	if v, ok := strings.CutPrefix(e.Value, "'"); ok {
		return strings.TrimSuffix(v, "'")
	}
	return e.Value
}

// lookUp returns the value of a column, from the row itself or else from the outer rows.
func lookUp(e *ast.ColumnReferenceExpression, at *scope) (any, error) {
	ids := e.MultiPartIdentifier.Identifiers
	for ; at != nil; at = at.outer {
		for _, src := range at.sources {
			if len(ids) == 2 && !strings.EqualFold(src.alias, ids[0].Value) {
				continue
			}
			for i, n := range src.names {
				if !strings.EqualFold(n, ids[len(ids)-1].Value) {
					continue
				}
				if src.cells == nil {
					return nil, nil
				}
				return src.cells[i], nil
			}
		}
	}
	return nil, fail(207, "Invalid column name '%s'.", nameOf(e))
}

func (s *queries) binary(e *ast.BinaryExpression, at *scope) (any, error) {
	a, err := s.scalar(e.FirstExpression, at)
	if err != nil {
		return nil, err
	}
	b, err := s.scalar(e.SecondExpression, at)
	if err != nil || a == nil || b == nil {
		return nil, err
	}
	x, numbers := a.(int64)
	y, ok := b.(int64)
	numbers = numbers && ok
	t, isText := a.(string)
	u, isText2 := b.(string)
	switch {
	case e.BinaryExpressionType == "Add" && numbers:
		return x + y, nil
	case e.BinaryExpressionType == "Subtract" && numbers:
		return x - y, nil
	case e.BinaryExpressionType == "Add" && isText && isText2:
		return t + u, nil
	}
	return nil, unknown(e)
}

func (s *queries) left(parameters []ast.ScalarExpression, at *scope) (any, error) {
	v, err := s.scalar(parameters[0], at)
	if err != nil || v == nil {
		return nil, err
	}
	n, err := s.scalar(parameters[1], at)
	if err != nil {
		return nil, err
	}
	text, ok := v.(string)
	count, isNumber := n.(int64)
	if !ok || !isNumber {
		return nil, fail(8116, "Argument data type is invalid for argument of left function.")
	}
	r := []rune(text)
	return string(r[:min(len(r), int(count))]), nil
}

func (s *queries) call(f *ast.FunctionCall, at *scope) (any, error) {
	switch name := strings.ToUpper(f.FunctionName.Value); {
	case name == "ROW_NUMBER" && at != nil:
		return at.places[f], nil
	case name == "COUNT_BIG" && at != nil && at.group != nil:
		if c, ok := f.Parameters[0].(*ast.ColumnReferenceExpression); !ok || c.ColumnType != "Wildcard" {
			return nil, unknown(f)
		}
		return int64(len(at.group)), nil
	case name == "SUM" && at != nil && at.group != nil:
		return s.sum(f, at)
	case name == "ISNULL":
		v, err := s.scalar(f.Parameters[0], at)
		if err != nil || v != nil {
			return v, err
		}
		return s.scalar(f.Parameters[1], at)
	case name == "DB_NAME":
		return databaseName, nil
	case name == "SCHEMA_ID":
		v, err := s.scalar(f.Parameters[0], at)
		if text, ok := v.(string); err == nil && ok && s.db.schemas[strings.ToLower(text)] {
			return int64(len(text)), nil
		}
		return nil, err
	}
	return nil, fail(195, "'%s' is not a function that the stand-in knows here.", f.FunctionName.Value)
}

func (s *queries) sum(f *ast.FunctionCall, at *scope) (any, error) {
	if len(at.group) == 0 {
		return nil, nil
	}
	var total int64
	for _, r := range at.group {
		v, err := s.scalar(f.Parameters[0], r)
		if err != nil {
			return nil, err
		}
		n, ok := v.(int64)
		if !ok {
			return nil, unknown(f)
		}
		total += n
	}
	return total, nil
}
