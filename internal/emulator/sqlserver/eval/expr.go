package eval

import (
	"errors"
	"math/big"
	"strings"
	"time"

	"fhirsynapse/internal/emulator/sqlserver/syntax"
)

// scope holds the sources that an expression can name: the sources of its query, and of the queries
// around.
type scope struct {
	outer   *scope
	sources []*columns
}

// columns holds the columns of one source.
type columns struct {
	alias string
	names []string
	types []syntax.Type
	bare  bool // needs no alias: the table of an UPDATE or a DELETE
	// used marks the columns that the statement reads, if the source is a table.
	used []bool
}

// frame holds the current rows of the sources of a scope.
type frame struct {
	outer *frame
	rows  [][]value
}

type eval func(*frame) (value, error)

// tri is a value of three-valued syntax.Logic: -1 false, 0 unknown, 1 true.
type tri int

type test func(*frame) (tri, error)

func known(b bool) tri {
	if b {
		return 1
	}
	return -1
}

// compiler checks a statement before it runs. uses collects the depths of the columns in the
// current expression: 0 for the columns of this query.
type compiler struct {
	Names
	uses    map[int]bool
	json    *documents
	windows *[]*window // of the current SELECT list
	applied bool       // inside an APPLY
}

func (c *compiler) column(ref syntax.Column, s *scope) (syntax.Type, eval, error) {
	for depth, at := 0, s; at != nil; depth, at = depth+1, at.outer {
		for i, src := range at.sources {
			if ref.Alias == "" && !src.bare ||
				ref.Alias != "" && !strings.EqualFold(src.alias, ref.Alias) {
				continue
			}
			for j, name := range src.names {
				if strings.EqualFold(name, ref.Name) {
					if c.uses != nil {
						c.uses[depth] = true
					}
					if src.used != nil {
						src.used[j] = true
					}
					return src.types[j], func(f *frame) (value, error) {
						for range depth {
							f = f.outer
						}
						return f.rows[i][j], nil
					}, nil
				}
			}
			return syntax.Type{}, nil, fail(207, "invalid column name %s.%s", ref.Alias, ref.Name)
		}
	}
	if ref.Alias == "" {
		return syntax.Type{}, nil, refuse("an alias is expected before the column %s", ref.Name)
	}
	return syntax.Type{}, nil, fail(
		4104, "the identifier %s.%s could not be bound", ref.Alias, ref.Name,
	)
}

func (c *compiler) expr(e syntax.Expr, s *scope) (syntax.Type, eval, error) {
	switch e := e.(type) {
	case syntax.Column:
		return c.column(e, s)
	case syntax.Text:
		t := textType(len(units(e.Value)))
		if !e.National {
			t.Base = "varchar"
			for _, r := range e.Value {
				if r > 126 && !c.Varchar {
					return t, nil, refuse(
						"a literal without N has characters that its code page may lack",
					)
				}
			}
		}
		v := textValue(e.Value)
		return t, func(*frame) (value, error) { return v, nil }, nil
	case syntax.Number:
		n, scale, ok := parseDecimal(e.Text)
		if !ok {
			return syntax.Type{}, nil, refuse("the number %s", e.Text)
		}
		t := intType()
		if scale > 0 || n.BitLen() > 31 {
			t = syntax.Type{Base: "decimal", Precision: max(scale+1, len(n.String())), Scale: scale}
		}
		return t, func(*frame) (value, error) { return value{n: n}, nil }, nil
	case syntax.Null:
		return syntax.Type{Base: "null"}, func(*frame) (value, error) { return null, nil }, nil
	case syntax.Cast:
		return c.cast(e, s)
	case syntax.Case:
		return c.caseExpr(e, s)
	case syntax.Binary:
		return c.binary(e, s)
	case syntax.Negative:
		t, x, err := c.expr(e.X, s)
		if err != nil || !number(t) || t.Base == "bit" {
			return t, nil, errors.Join(err, refuse("minus of %s", t))
		}
		return t, func(f *frame) (value, error) {
			v, err := x(f)
			if err != nil || v.null {
				return v, err
			}
			return value{n: new(big.Int).Neg(v.n)}, nil
		}, nil
	case syntax.Collated:
		t, x, err := c.expr(e.X, s)
		if err == nil && !t.Text() {
			err = fail(447, "COLLATE of %s", t)
		}
		if e.Name != "Latin1_General_100_BIN2" && e.Name != "Latin1_General_100_BIN2_UTF8" {
			err = refuse("the collation %s", e.Name)
		}
		t.Collation, t.Explicit = e.Name, true
		return t, x, err
	case syntax.Call:
		return c.call(e, s)
	case syntax.Variable:
		v, ok := c.Variables[strings.ToLower(e.Name)]
		if !ok {
			return syntax.Type{}, nil, fail(137, "must declare the scalar variable \"%s\"", e.Name)
		}
		x, err := valueOf(v.Value, v.Type)
		return v.Type, func(*frame) (value, error) { return x, nil }, err
	case syntax.Subquery:
		if len(e.Query) == 1 && len(e.Query[0].Items) == 1 && e.Query[0].From == nil {
			return c.expr(e.Query[0].Items[0].Expr, s)
		}
	}
	return syntax.Type{}, nil, refuse("the expression %T is not known here", e)
}

func (c *compiler) cast(e syntax.Cast, s *scope) (syntax.Type, eval, error) {
	from, x, err := c.expr(e.Expr, s)
	if err != nil {
		return from, nil, err
	}
	if from.Text() && e.Type.Text() {
		e.Type.Collation, e.Type.Explicit = from.Collation, from.Explicit
	}
	if e.Convert {
		if e.Style != "126" || from.Base != "datetime2" || from.Scale != 0 || !e.Type.Text() {
			return from, nil, refuse("CONVERT of %s in style %s is not known here", from, e.Style)
		}
		return e.Type, func(f *frame) (value, error) {
			v, err := x(f)
			if err != nil || v.null {
				return v, err
			}
			return textValue(v.t.Format("2006-01-02T15:04:05")), nil
		}, nil
	}
	if _, err := convert(sample(from), from, e.Type); err != nil && !IsDataError(err) {
		return from, nil, err
	}
	return e.Type, func(f *frame) (value, error) {
		v, err := x(f)
		if err != nil {
			return v, err
		}
		out, err := convert(v, from, e.Type)
		if e.Try && IsDataError(err) {
			return null, nil
		}
		return out, err
	}, nil
}

// sample returns an example value of a type, to try a conversion.
func sample(t syntax.Type) value {
	if t.Base == "null" {
		return null
	}
	return value{n: big.NewInt(0), t: time.Unix(0, 0).UTC()}
}

func (c *compiler) caseExpr(e syntax.Case, s *scope) (syntax.Type, eval, error) {
	var tests []test
	var types []syntax.Type
	var thens []eval
	for _, w := range e.Whens {
		cond := w.Cond
		if e.Input != nil {
			cond = syntax.Compare{Op: "=", L: e.Input, R: w.Value}
		}
		p, err := c.cond(cond, s)
		if err != nil {
			return syntax.Type{}, nil, err
		}
		t, x, err := c.expr(w.Then, s)
		if err != nil {
			return t, nil, err
		}
		tests, types, thens = append(tests, p), append(types, t), append(thens, x)
	}
	if e.Else != nil {
		t, x, err := c.expr(e.Else, s)
		if err != nil {
			return t, nil, err
		}
		types, thens = append(types, t), append(thens, x)
	}
	t, err := unifyAll(types)
	if err != nil {
		return t, nil, err
	}
	if t.Base == "null" {
		return t, nil, fail(8133, "at least one of the results of a CASE must not be NULL")
	}
	return t, func(f *frame) (value, error) {
		for i, p := range tests {
			is, err := p(f)
			if err != nil {
				return null, err
			}
			if is > 0 {
				return converted(thens[i], types[i], t, f)
			}
		}
		if e.Else != nil {
			return converted(thens[len(tests)], types[len(tests)], t, f)
		}
		return null, nil
	}, nil
}

func unifyAll(types []syntax.Type) (syntax.Type, error) {
	t := syntax.Type{Base: "null"}
	for _, u := range types {
		if t.Base != "null" && u.Base != "null" && t.Text() != u.Text() {
			return t, refuse("a %s and a %s are the results of one expression", t, u)
		}
		var err error
		if t, err = unify(t, u); err != nil {
			return t, err
		}
	}
	return t, nil
}

func converted(x eval, from, to syntax.Type, f *frame) (value, error) {
	v, err := x(f)
	if err != nil || v.null {
		return null, err
	}
	return convert(v, from, to)
}

func (c *compiler) binary(e syntax.Binary, s *scope) (syntax.Type, eval, error) {
	a, x, err := c.expr(e.L, s)
	if err != nil {
		return a, nil, err
	}
	b, y, err := c.expr(e.R, s)
	if err != nil {
		return b, nil, err
	}
	if e.Op == "+" && a.Text() && b.Text() {
		t := syntax.Type{Base: "varchar"}
		limit := 8000
		if a.Base == "nvarchar" || b.Base == "nvarchar" {
			t.Base, limit = "nvarchar", 4000
		}
		t.Max = a.Max || b.Max
		t.Size = min(limit, a.Size+b.Size)
		k, err := collationOf(a, b)
		if err != nil {
			return t, nil, err
		}
		t.Collation, t.Explicit = k.Collation, k.Explicit
		return t, func(f *frame) (value, error) {
			v, w, err := both(x, y, f)
			if err != nil || v.null || w.null {
				return null, err
			}
			return cut(v.s+w.s, t), nil
		}, nil
	}
	if !number(a) || !number(b) {
		return a, nil, refuse("%s %s %s", a, e.Op, b)
	}
	return c.arithmetic(e.Op, a, b, x, y)
}

func both(x, y eval, f *frame) (value, value, error) {
	v, err := x(f)
	if err != nil {
		return v, v, err
	}
	w, err := y(f)
	return v, w, err
}

// arithmetic follows "Precision, scale, and length" of Microsoft's documentation.
func (c *compiler) arithmetic(op string, a, b syntax.Type, x, y eval) (syntax.Type, eval, error) {
	t := intType()
	if a.Base == "bigint" || b.Base == "bigint" {
		t.Base = "bigint"
	}
	p, q := asDecimal(a), asDecimal(b)
	if a.Base == "decimal" || b.Base == "decimal" {
		t = syntax.Type{Base: "decimal"}
		p1, s1, p2, s2 := p.Precision, p.Scale, q.Precision, q.Scale
		switch op {
		case "+", "-":
			t.Scale = max(s1, s2)
			t.Precision = max(p1-s1, p2-s2) + 1 + t.Scale
		case "*":
			t.Precision, t.Scale = p1+p2+1, s1+s2
		case "/":
			t.Scale = max(6, s1+p2+1)
			t.Precision = p1 - s1 + s2 + t.Scale
		case "%":
			t.Scale = max(s1, s2)
			t.Precision = min(p1-s1, p2-s2) + t.Scale
		}
		if t.Precision > 38 {
			whole := t.Precision - t.Scale
			if op == "+" || op == "-" {
				t.Scale = max(0, 38-whole)
			} else if whole < 32 {
				t.Scale = min(t.Scale, 38-whole)
			} else {
				t.Scale = min(t.Scale, 6)
			}
			t.Precision = 38
		}
	}
	return t, func(f *frame) (value, error) {
		v, w, err := both(x, y, f)
		if err != nil || v.null || w.null {
			return null, err
		}
		// one scale for both
		scale := max(p.Scale, q.Scale)
		l := rescale(v.n, p.Scale, scale)
		r := rescale(w.n, q.Scale, scale)
		var n *big.Int
		switch op {
		case "+":
			n = rescale(new(big.Int).Add(l, r), scale, t.Scale)
		case "-":
			n = rescale(new(big.Int).Sub(l, r), scale, t.Scale)
		case "*":
			n = rescale(new(big.Int).Mul(v.n, w.n), p.Scale+q.Scale, t.Scale)
		default:
			if r.Sign() == 0 {
				return null, fail(8134, "divide by zero")
			}
			if op == "%" {
				n = rescale(new(big.Int).Rem(l, r), scale, t.Scale)
			} else {
				n = new(big.Int).Quo(new(big.Int).Mul(l, pow10(t.Scale)), r)
			}
		}
		var limit *big.Int
		if t.Base == "decimal" {
			limit = pow10(t.Precision)
		} else {
			limit = new(big.Int).Lsh(
				big.NewInt(1), map[string]uint{"int": 31, "bigint": 63}[t.Base],
			)
		}
		if n.CmpAbs(limit) >= 0 {
			return null, fail(8115, "arithmetic overflow in %s", op)
		}
		return value{n: n}, nil
	}, nil
}
